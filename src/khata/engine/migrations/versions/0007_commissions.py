"""Commission rules."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from khata.engine.migrations.columns import book, number, text

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """See the module."""
    op.create_table(
        "commission_rules",
        book(),
        text("name"),
        number("version"),
        text("parts"),
        text("sources", null=True),
        text("category", null=True),
        text("partner", null=True),
        text("status"),
        text("newest", null=True),
        text("open_partner", null=True),
        text("reason", null=True),
        number("since"),
        number("ended_at", null=True),
        sa.PrimaryKeyConstraint("book_id", "name", "version", name="commission_rules_pkey"),
        sqlite_with_rowid=False,
    )
    op.create_index("commission_rules_by_newest", "commission_rules", ["book_id", "newest"])
    op.create_index(
        "commission_rules_by_open_partner", "commission_rules", ["book_id", "open_partner"]
    )
    op.create_index(
        "commission_rules_by_status_name_version",
        "commission_rules",
        ["book_id", "status", "name", "version"],
    )
