"""Solvency checks, brakes and proofs of liabilities."""

from __future__ import annotations

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """See the module."""
