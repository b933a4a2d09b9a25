"""Sales and missions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from khata.engine.migrations.columns import book, number, text

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """See the module."""
    _sales()
    _missions()


def _sales() -> None:
    op.create_table(
        "sales",
        book(),
        text("ref"),
        text("customer"),
        text("partner"),
        text("partner_wallet"),
        text("creator", null=True),
        text("creator_wallet", null=True),
        text("video", null=True),
        text("title", null=True),
        text("category", null=True),
        text("source"),
        text("unit"),
        number("exponent"),
        number("price"),
        number("delivery_fee"),
        text("granted"),
        number("due"),
        text("rule"),
        number("version"),
        text("on"),
        number("days"),
        text("status"),
        text("payment", null=True),
        text("mission", null=True),
        text("saga", null=True),
        text("reason", null=True),
        number("placed_at"),
        number("paid_at", null=True),
        number("delivered_at", null=True),
        number("completed_at", null=True),
        number("cancelled_at", null=True),
        sa.PrimaryKeyConstraint("book_id", "ref", name="sales_pkey"),
        sqlite_with_rowid=False,
    )
    op.create_index("sales_by_placed_at", "sales", ["book_id", "placed_at"])
    for name in ("customer", "partner", "creator", "status"):
        op.create_index(f"sales_by_{name}_placed_at", "sales", ["book_id", name, "placed_at"])


def _missions() -> None:
    op.create_table(
        "missions",
        book(),
        text("id"),
        text("sale"),
        text("rider", null=True),
        text("wallet", null=True),
        number("fee"),
        text("unit"),
        number("exponent"),
        text("status"),
        number("opened_at"),
        number("assigned_at", null=True),
        number("delivered_at", null=True),
        sa.PrimaryKeyConstraint("book_id", "id", name="missions_pkey"),
        sqlite_with_rowid=False,
    )
    op.create_index("missions_by_opened_at", "missions", ["book_id", "opened_at"])
    for name in ("rider", "status"):
        op.create_index(f"missions_by_{name}_opened_at", "missions", ["book_id", name, "opened_at"])
