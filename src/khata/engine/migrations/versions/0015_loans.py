"""Loans and floats."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from khata.engine.migrations.columns import book, number, text

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """See the module."""
    op.create_table(
        "loans",
        book(),
        text("id"),
        text("debt"),
        text("owner"),
        text("wallet"),
        text("kind"),
        text("unit"),
        number("exponent"),
        number("principal"),
        number("fee"),
        text("instalments"),
        text("reference", null=True),
        text("entry"),
        number("granted_at"),
        number("told"),
        number("look_at", null=True),
        sa.PrimaryKeyConstraint("book_id", "id", name="loans_pkey"),
        sqlite_with_rowid=False,
    )
    op.create_index("loans_by_look_at", "loans", ["book_id", "look_at"])
    op.create_index("loans_by_debt", "loans", ["book_id", "debt"])
