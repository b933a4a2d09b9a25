"""Bookings."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def _int(name: str, *, null: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=null)


def _text(name: str, *, null: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=null)


def _flag(name: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean, nullable=False)


def upgrade() -> None:
    """See the module."""
    _bookings()


def _bookings() -> None:
    op.create_table(
        "bookings",
        sa.Column("book_id", sa.Integer, nullable=False),
        _text("ref"),
        _text("guest"),
        _text("host"),
        _text("host_wallet"),
        _text("title", null=True),
        _int("amount"),
        _int("commission_points"),
        _text("unit"),
        _int("exponent"),
        _text("status"),
        _flag("automatic_payout"),
        _text("payment", null=True),
        _text("payout", null=True),
        _int("host_part"),
        _int("commission_part"),
        _int("host_back"),
        _int("commission_back"),
        _int("refunded"),
        _text("entries"),
        _text("reason", null=True),
        _int("created_at"),
        _int("confirmed_at", null=True),
        _int("completed_at", null=True),
        _int("cancelled_at", null=True),
        sa.PrimaryKeyConstraint("book_id", "ref", name="bookings_pkey"),
        sqlite_with_rowid=False,
    )
    op.create_index("bookings_by_created_at", "bookings", ["book_id", "created_at"])
    op.create_index("bookings_by_guest_created_at", "bookings", ["book_id", "guest", "created_at"])
    op.create_index("bookings_by_host_created_at", "bookings", ["book_id", "host", "created_at"])
    op.create_index(
        "bookings_by_status_created_at", "bookings", ["book_id", "status", "created_at"]
    )
