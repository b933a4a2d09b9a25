"""Orders, their receipts and the history of both."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from khata.engine.migrations.columns import book, flag, number, text

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """See the module."""
    _orders()
    _changes()
    _receipts()


def _orders() -> None:
    op.create_table(
        "orders",
        book(),
        text("ref"),
        text("customer"),
        text("seller", null=True),
        text("wallet", null=True),
        text("seller_wallet", null=True),
        text("title", null=True),
        text("source"),
        text("lines"),
        text("unit"),
        number("exponent"),
        number("total"),
        number("wallet_part"),
        number("wallet_taken"),
        number("captured"),
        number("refunded"),
        number("reclaimed"),
        text("finance"),
        text("warehouse"),
        text("logistics"),
        text("shown"),
        number("finance_since"),
        number("warehouse_since"),
        number("logistics_since"),
        number("grace_ends_at", null=True),
        text("hold", null=True),
        text("receipt", null=True),
        number("receipt_at", null=True),
        text("escrow", null=True),
        text("rule", null=True),
        number("version"),
        text("on"),
        number("days"),
        flag("adopted"),
        text("reason", null=True),
        text("saga", null=True),
        text("entries"),
        number("open_since", null=True),
        number("placed_at"),
        number("paid_at", null=True),
        number("delivered_at", null=True),
        number("ended_at", null=True),
        sa.PrimaryKeyConstraint("book_id", "ref", name="orders_pkey"),
        sqlite_with_rowid=False,
    )
    for columns in (
        ["customer", "placed_at"],
        ["seller", "placed_at"],
        ["shown", "placed_at"],
        ["finance", "placed_at"],
        ["warehouse", "placed_at"],
        ["logistics", "placed_at"],
        ["open_since"],
        ["placed_at"],
    ):
        _index("orders", columns)


def _changes() -> None:
    op.create_table(
        "order_changes",
        book(),
        text("order"),
        number("seq"),
        number("n"),
        text("axis"),
        text("before", null=True),
        text("after"),
        text("by"),
        text("reason", null=True),
        number("at"),
        sa.PrimaryKeyConstraint("book_id", "order", "seq", "n", name="order_changes_pkey"),
        sqlite_with_rowid=False,
    )


def _receipts() -> None:
    op.create_table(
        "order_receipts",
        book(),
        text("id"),
        text("order"),
        text("sha256"),
        text("open_sha256", null=True),
        text("media"),
        number("size"),
        text("name"),
        text("status"),
        text("by"),
        text("reason", null=True),
        number("uploaded_at"),
        text("decided_by", null=True),
        number("decided_at", null=True),
        sa.PrimaryKeyConstraint("book_id", "id", name="order_receipts_pkey"),
        sqlite_with_rowid=False,
    )
    _index("order_receipts", ["sha256"])
    _index("order_receipts", ["open_sha256"])
    _index("order_receipts", ["order"])
    _index("order_receipts", ["order", "uploaded_at"])


def _index(table: str, columns: list[str]) -> None:
    op.create_index(f"{table}_by_{'_'.join(columns)}", table, ["book_id", *columns])
