"""Stock and investments."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from khata.engine.migrations.columns import book, number, text

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """See the module."""
    _items()
    _lots()
    _allocations()
    _investments()


def _items() -> None:
    op.create_table(
        "stock_items",
        book(),
        text("sku"),
        text("title"),
        text("kind"),
        text("unit"),
        number("exponent"),
        number("price"),
        text("status"),
        number("lots"),
        number("received"),
        number("remaining"),
        number("allocated"),
        number("lost"),
        number("cost"),
        number("created_at"),
        sa.PrimaryKeyConstraint("book_id", "sku", name="stock_items_pkey"),
        sqlite_with_rowid=False,
    )
    op.create_index("stock_items_by_kind_sku", "stock_items", ["book_id", "kind", "sku"])
    op.create_index("stock_items_by_status_sku", "stock_items", ["book_id", "status", "sku"])


def _lots() -> None:
    op.create_table(
        "stock_lots",
        book(),
        text("sku"),
        number("number"),
        text("open_sku", null=True),
        number("received"),
        number("remaining"),
        number("allocated"),
        number("lost"),
        text("unit"),
        number("exponent"),
        number("cost"),
        number("cost_left"),
        number("even_cost"),
        number("even_pieces"),
        number("even_taken"),
        number("lost_cost"),
        text("paid_from"),
        text("supplier", null=True),
        text("reference", null=True),
        text("entry"),
        number("received_at"),
        sa.PrimaryKeyConstraint("book_id", "sku", "number", name="stock_lots_pkey"),
        sqlite_with_rowid=False,
    )
    op.create_index("stock_lots_by_open_sku", "stock_lots", ["book_id", "open_sku"])


def _allocations() -> None:
    op.create_table(
        "stock_allocations",
        book(),
        text("id"),
        text("sku"),
        text("subject"),
        text("open_subject", null=True),
        text("owner", null=True),
        number("quantity"),
        number("returned"),
        text("unit"),
        number("exponent"),
        number("cost"),
        number("cost_back"),
        text("status"),
        text("expense"),
        text("lines"),
        text("entries"),
        number("created_at"),
        number("returned_at", null=True),
        sa.PrimaryKeyConstraint("book_id", "id", name="stock_allocations_pkey"),
        sqlite_with_rowid=False,
    )
    for columns in (
        ["open_subject"],
        ["subject", "created_at"],
        ["owner", "created_at"],
        ["sku", "created_at"],
        ["created_at"],
    ):
        _index("stock_allocations", columns)


def _investments() -> None:
    op.create_table(
        "investments",
        book(),
        text("id"),
        text("reference"),
        text("owner"),
        text("wallet"),
        text("sku"),
        number("quantity"),
        number("price"),
        number("total"),
        number("benefit"),
        number("paid"),
        number("credited"),
        text("unit"),
        number("exponent"),
        text("codes"),
        text("borne"),
        text("paid_from", null=True),
        text("evidence", null=True),
        text("status"),
        text("saga", null=True),
        text("allocation", null=True),
        text("entries"),
        text("code", null=True),
        text("reason", null=True),
        number("created_at"),
        number("completed_at", null=True),
        number("ended_at", null=True),
        sa.PrimaryKeyConstraint("book_id", "id", name="investments_pkey"),
        sa.UniqueConstraint("book_id", "reference", name="investments_reference"),
        sqlite_with_rowid=False,
    )
    for columns in (
        ["owner", "created_at"],
        ["sku", "created_at"],
        ["status", "created_at"],
        ["created_at"],
    ):
        _index("investments", columns)


def _index(table: str, columns: list[str]) -> None:
    op.create_index(f"{table}_by_{'_'.join(columns)}", table, ["book_id", *columns])
