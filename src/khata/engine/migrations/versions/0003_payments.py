"""Payments: what is to be paid, payments, refunds, disputes."""

from __future__ import annotations

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """See the module."""
