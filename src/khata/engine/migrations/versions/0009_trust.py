"""Trust scores and experience."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from khata.engine.migrations.columns import book, number, text

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """See the module."""
    op.create_table(
        "trust_scores",
        book(),
        text("owner"),
        number("score"),
        number("good"),
        number("bad"),
        number("events"),
        number("changed_at"),
        sa.PrimaryKeyConstraint("book_id", "owner", name="trust_scores_pkey"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "trust_events",
        book(),
        text("owner"),
        number("seq"),
        number("n"),
        text("event"),
        number("xp"),
        number("good"),
        number("bad"),
        number("score_after"),
        text("reference"),
        number("at"),
        sa.PrimaryKeyConstraint("book_id", "owner", "seq", "n", name="trust_events_pkey"),
        sqlite_with_rowid=False,
    )
