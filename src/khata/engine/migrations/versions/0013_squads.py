"""Squads, their members, what they bought, and every member's lines."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from khata.engine.migrations.columns import book, number, text

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """See the module."""
    _squads()
    _members()
    _purchases()
    _lines()


def _squads() -> None:
    op.create_table(
        "squads",
        book(),
        text("ref"),
        text("title"),
        text("leader"),
        text("unit"),
        number("exponent"),
        number("account_id"),
        text("wallet"),
        text("status"),
        text("joining"),
        text("sharing"),
        text("rest", null=True),
        number("places"),
        number("members"),
        text("reason", null=True),
        number("created_at"),
        number("closed_at", null=True),
        sa.PrimaryKeyConstraint("book_id", "ref", name="squads_pkey"),
        sqlite_with_rowid=False,
    )
    op.create_index("squads_by_created_at", "squads", ["book_id", "created_at"])
    op.create_index("squads_by_status_created_at", "squads", ["book_id", "status", "created_at"])


def _members() -> None:
    op.create_table(
        "squad_members",
        book(),
        text("squad"),
        text("owner"),
        number("place"),
        text("role"),
        text("status"),
        text("wallet", null=True),
        number("weight"),
        number("fixed", null=True),
        number("balance"),
        number("covers"),
        number("contributed"),
        number("spent"),
        number("refunded"),
        number("withdrawn"),
        text("open_squad", null=True),
        number("invited_at"),
        number("joined_at", null=True),
        number("left_at", null=True),
        sa.PrimaryKeyConstraint("book_id", "squad", "owner", name="squad_members_pkey"),
        sqlite_with_rowid=False,
    )
    op.create_index("squad_members_by_open_squad", "squad_members", ["book_id", "open_squad"])
    op.create_index("squad_members_by_owner_squad", "squad_members", ["book_id", "owner", "squad"])


def _purchases() -> None:
    op.create_table(
        "squad_purchases",
        book(),
        text("id"),
        text("squad"),
        text("reference"),
        number("account_id"),
        text("paid_to"),
        text("sale", null=True),
        number("amount"),
        number("returned"),
        text("unit"),
        number("exponent"),
        text("parts"),
        text("entries"),
        text("status"),
        text("made_by"),
        number("created_at"),
        sa.PrimaryKeyConstraint("book_id", "id", name="squad_purchases_pkey"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "squad_purchases_by_squad_created_at",
        "squad_purchases",
        ["book_id", "squad", "created_at"],
    )


def _lines() -> None:
    op.create_table(
        "squad_lines",
        book(),
        text("squad"),
        number("seq"),
        number("n"),
        text("owner"),
        text("kind"),
        number("amount"),
        number("balance_after"),
        text("reference", null=True),
        text("entry", null=True),
        number("at"),
        sa.PrimaryKeyConstraint("book_id", "squad", "seq", "n", name="squad_lines_pkey"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "squad_lines_by_squad_owner_seq_n",
        "squad_lines",
        ["book_id", "squad", "owner", "seq", "n"],
    )
