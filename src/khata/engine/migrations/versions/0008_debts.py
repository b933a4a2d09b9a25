"""What owners owe the house, and what made it smaller."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from khata.engine.migrations.columns import book, number, text

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """See the module."""
    _debts()
    _repayments()


def _debts() -> None:
    op.create_table(
        "debts",
        book(),
        text("id"),
        text("owner"),
        text("open_owner", null=True),
        text("kind"),
        text("account"),
        text("unit"),
        number("exponent"),
        number("principal"),
        number("fee"),
        number("repaid"),
        number("written_off"),
        text("status"),
        text("reference"),
        text("reason"),
        text("wallet", null=True),
        number("opened_at"),
        number("settled_at", null=True),
        sa.PrimaryKeyConstraint("book_id", "id", name="debts_pkey"),
        sqlite_with_rowid=False,
    )
    op.create_index("debts_by_open_owner", "debts", ["book_id", "open_owner"])
    op.create_index("debts_by_owner_opened_at", "debts", ["book_id", "owner", "opened_at"])
    op.create_index("debts_by_status_opened_at", "debts", ["book_id", "status", "opened_at"])
    op.create_index("debts_by_kind_opened_at", "debts", ["book_id", "kind", "opened_at"])
    op.create_index("debts_by_opened_at", "debts", ["book_id", "opened_at"])


def _repayments() -> None:
    op.create_table(
        "debt_repayments",
        book(),
        text("debt"),
        number("seq"),
        number("n"),
        text("way"),
        number("amount"),
        number("fee"),
        text("entry"),
        number("at"),
        sa.PrimaryKeyConstraint("book_id", "debt", "seq", "n", name="debt_repayments_pkey"),
        sqlite_with_rowid=False,
    )
