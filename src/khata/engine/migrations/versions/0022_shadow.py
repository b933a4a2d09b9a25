"""Shadow mode: flows and what was compared."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from khata.engine.migrations.columns import book, flag, number, text

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """See the module."""
    _flows()
    _comparisons()


def _flows() -> None:
    op.create_table(
        "shadow_flows",
        book(),
        text("name"),
        text("into"),
        text("mode"),
        number("gate"),
        number("least"),
        number("window_seconds"),
        number("late_seconds"),
        number("quiet_seconds"),
        text("fields"),
        text("codes"),
        text("ignored"),
        text("tolerances"),
        text("masked"),
        number("defined_at"),
        number("mode_since"),
        sa.PrimaryKeyConstraint("book_id", "name", name="shadow_flows_pkey"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "shadow_changes",
        book(),
        text("flow"),
        number("seq"),
        number("n"),
        text("before"),
        text("after"),
        text("reason"),
        text("by"),
        number("compared"),
        number("matched"),
        flag("forced"),
        number("at"),
        sa.PrimaryKeyConstraint("book_id", "flow", "seq", "n", name="shadow_changes_pkey"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "shadow_tallies",
        book(),
        text("flow"),
        number("compared"),
        number("matched"),
        number("errors"),
        number("dropped"),
        number("signatures"),
        number("first_number", null=True),
        number("last_number", null=True),
        number("received"),
        number("last_at", null=True),
        text("slices"),
        sa.PrimaryKeyConstraint("book_id", "flow", name="shadow_tallies_pkey"),
        sqlite_with_rowid=False,
    )


def _comparisons() -> None:
    op.create_table(
        "shadow_signatures",
        book(),
        text("flow"),
        text("signature"),
        number("count"),
        text("first"),
        text("last"),
        sa.PrimaryKeyConstraint("book_id", "flow", "signature", name="shadow_signatures_pkey"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "shadow_signatures_by_flow_count_signature",
        "shadow_signatures",
        ["book_id", "flow", "count", "signature"],
    )
    op.create_table(
        "shadow_comparisons",
        book(),
        text("flow"),
        number("seq"),
        number("n"),
        text("reference"),
        text("command", null=True),
        text("outcome"),
        text("signature", null=True),
        text("theirs", null=True),
        text("ours", null=True),
        text("differences"),
        number("number", null=True),
        number("carried_as", null=True),
        number("event_at", null=True),
        number("at"),
        sa.PrimaryKeyConstraint("book_id", "flow", "seq", "n", name="shadow_comparisons_pkey"),
        sqlite_with_rowid=False,
    )
    for columns in (
        ["flow", "number"],
        ["flow", "outcome", "seq", "n"],
        ["flow", "signature", "seq", "n"],
    ):
        name = f"shadow_comparisons_by_{'_'.join(columns)}"
        op.create_index(name, "shadow_comparisons", ["book_id", *columns])
