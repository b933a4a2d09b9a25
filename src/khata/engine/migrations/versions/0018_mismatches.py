"""Mismatches of orders, and their repair."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from khata.engine.migrations.columns import book, flag, number, text

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """See the module."""
    _mismatches()
    _repairs()


def _mismatches() -> None:
    op.create_table(
        "mismatches",
        book(),
        text("id"),
        text("order"),
        text("watched", null=True),
        text("kind"),
        text("status"),
        text("customer"),
        text("unit"),
        number("exponent"),
        number("at_risk"),
        text("actions"),
        number("since"),
        number("found_at"),
        flag("by_sweep"),
        number("ended_at", null=True),
        text("ended_by", null=True),
        text("reason", null=True),
        text("repair", null=True),
        sa.PrimaryKeyConstraint("book_id", "id", name="mismatches_pkey"),
        sqlite_with_rowid=False,
    )
    for columns in (
        ["watched"],
        ["found_at"],
        ["status", "found_at"],
        ["kind", "found_at"],
        ["order", "found_at"],
    ):
        _index("mismatches", columns)


def _repairs() -> None:
    op.create_table(
        "order_repairs",
        book(),
        text("id"),
        text("order"),
        text("under_way", null=True),
        text("status"),
        text("saga"),
        text("asked_by"),
        text("reason"),
        flag("needs_approval"),
        text("approved_by", null=True),
        text("unit"),
        number("exponent"),
        text("kinds"),
        text("actions"),
        text("before"),
        text("after"),
        text("wallet", null=True),
        number("wallet_before", null=True),
        number("wallet_after", null=True),
        number("moved"),
        text("entries"),
        text("code", null=True),
        text("message", null=True),
        number("asked_at"),
        number("ended_at", null=True),
        sa.PrimaryKeyConstraint("book_id", "id", name="order_repairs_pkey"),
        sqlite_with_rowid=False,
    )
    for columns in (
        ["under_way"],
        ["asked_at"],
        ["order", "asked_at"],
        ["status", "asked_at"],
    ):
        _index("order_repairs", columns)


def _index(table: str, columns: list[str]) -> None:
    op.create_index(f"{table}_by_{'_'.join(columns)}", table, ["book_id", *columns])
