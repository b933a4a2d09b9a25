"""What was taken over from other systems."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from khata.engine.migrations.columns import book, number, text

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """See the module."""
    op.create_table(
        "legacy_takeovers",
        book(),
        text("snapshot"),
        text("customer"),
        text("digest"),
        text("unit"),
        number("exponent"),
        text("wallet", null=True),
        number("balance", null=True),
        text("adopted"),
        text("judged"),
        text("by"),
        text("reason"),
        number("at"),
        sa.PrimaryKeyConstraint("book_id", "snapshot", "customer", name="legacy_takeovers_pkey"),
        sqlite_with_rowid=False,
    )
    op.create_index("legacy_takeovers_by_at", "legacy_takeovers", ["book_id", "at"])
