"""Escrows."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from khata.engine.migrations.columns import book, number, text

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """See the module."""
    op.create_table(
        "escrows",
        book(),
        text("ref"),
        text("owner"),
        text("payer", null=True),
        text("payment", null=True),
        text("unit"),
        number("exponent"),
        text("source"),
        number("amount"),
        number("paid"),
        number("refunded"),
        text("legs"),
        text("givers"),
        text("rule", null=True),
        number("version"),
        text("keeper", null=True),
        text("on"),
        number("days"),
        text("status"),
        text("dispute", null=True),
        text("steps"),
        text("saga", null=True),
        number("funded_at"),
        number("delivered_at", null=True),
        sa.PrimaryKeyConstraint("book_id", "ref", name="escrows_pkey"),
        sqlite_with_rowid=False,
    )
    op.create_index("escrows_by_funded_at", "escrows", ["book_id", "funded_at"])
    op.create_index("escrows_by_owner_funded_at", "escrows", ["book_id", "owner", "funded_at"])
    op.create_index("escrows_by_status_funded_at", "escrows", ["book_id", "status", "funded_at"])
