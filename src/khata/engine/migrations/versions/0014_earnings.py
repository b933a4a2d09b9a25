"""Earnings."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from khata.engine.migrations.columns import book, flag, number, text

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """See the module."""
    _counted()
    _missions()
    _earnings()


def _counted() -> None:
    op.create_table(
        "creator_rates",
        book(),
        text("creator"),
        number("per_thousand"),
        text("unit"),
        number("exponent"),
        number("set_at"),
        sa.PrimaryKeyConstraint("book_id", "creator", name="creator_rates_pkey"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "video_views",
        book(),
        text("video"),
        text("creator"),
        number("total"),
        number("paid"),
        number("remainder"),
        text("unit"),
        number("exponent"),
        number("reports"),
        number("counted_at"),
        sa.PrimaryKeyConstraint("book_id", "video", name="video_views_pkey"),
        sqlite_with_rowid=False,
    )
    columns = ["book_id", "creator", "video"]
    op.create_index("video_views_by_creator_video", "video_views", columns)


def _missions() -> None:
    op.create_table(
        "rider_missions",
        book(),
        text("rider"),
        text("reference"),
        number("number"),
        number("fee"),
        text("unit"),
        number("exponent"),
        flag("fee_is_paid"),
        flag("haggled"),
        text("chain", null=True),
        number("place"),
        number("delivered_at"),
        number("counted_at"),
        sa.PrimaryKeyConstraint("book_id", "rider", "reference", name="rider_missions_pkey"),
        sqlite_with_rowid=False,
    )
    columns = ["book_id", "rider", "number"]
    op.create_index("rider_missions_by_rider_number", "rider_missions", columns)
    op.create_table(
        "mission_chains",
        book(),
        text("rider"),
        text("chain"),
        number("missions"),
        number("changed_at"),
        sa.PrimaryKeyConstraint("book_id", "rider", "chain", name="mission_chains_pkey"),
        sqlite_with_rowid=False,
    )


def _earnings() -> None:
    op.create_table(
        "earnings",
        book(),
        text("owner"),
        text("kind"),
        text("reference"),
        number("number"),
        number("amount"),
        text("unit"),
        number("exponent"),
        text("wallet"),
        text("entry"),
        number("at"),
        sa.PrimaryKeyConstraint("book_id", "owner", "kind", "reference", name="earnings_pkey"),
        sqlite_with_rowid=False,
    )
    for columns in (["owner", "number"], ["owner", "kind", "number"], ["kind", "number"]):
        op.create_index(f"earnings_by_{'_'.join(columns)}", "earnings", ["book_id", *columns])
    op.create_index("earnings_by_number", "earnings", ["book_id", "number"])
