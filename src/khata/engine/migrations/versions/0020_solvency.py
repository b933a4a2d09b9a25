"""Solvency checks, brakes and proofs of liabilities."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from khata.engine.migrations.columns import book, flag, number, text

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """See the module."""
    _slots()
    _balances()
    _checks()
    _roots()


def _slots() -> None:
    op.create_table(
        "schedule_slots",
        book(),
        text("job"),
        number("slot"),
        number("done_at"),
        sa.PrimaryKeyConstraint("book_id", "job", name="schedule_slots_pkey"),
        sqlite_with_rowid=False,
    )


def _balances() -> None:
    op.create_table(
        "verified_balances",
        book(),
        number("account"),
        number("at"),
        number("amount"),
        text("evidence"),
        text("by"),
        flag("alone"),
        number("noted_at"),
        sa.PrimaryKeyConstraint("book_id", "account", "at", name="verified_balances_pkey"),
        sqlite_with_rowid=False,
    )


def _checks() -> None:
    op.create_table(
        "solvency_checks",
        book(),
        number("seq"),
        number("n"),
        text("unit"),
        number("as_of"),
        text("cash"),
        text("liabilities"),
        text("overdrawn"),
        text("net"),
        flag("is_money"),
        flag("equation"),
        flag("breach"),
        number("slot", null=True),
        text("asked_by"),
        number("at"),
        sa.PrimaryKeyConstraint("book_id", "seq", "n", name="solvency_checks_pkey"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "solvency_checks_by_unit_seq_n", "solvency_checks", ["book_id", "unit", "seq", "n"]
    )


def _roots() -> None:
    op.create_table(
        "liability_roots",
        book(),
        text("id"),
        text("unit"),
        number("exponent"),
        number("as_of"),
        text("label"),
        text("hash"),
        text("total"),
        number("count"),
        text("secret"),
        text("asked_by"),
        number("published_at"),
        sa.PrimaryKeyConstraint("book_id", "id", name="liability_roots_pkey"),
        sqlite_with_rowid=False,
    )
    for columns in (["unit", "published_at", "id"], ["published_at", "id"]):
        op.create_index(
            f"liability_roots_by_{'_'.join(columns)}", "liability_roots", ["book_id", *columns]
        )
