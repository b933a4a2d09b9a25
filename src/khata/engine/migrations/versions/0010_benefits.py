"""Campaigns and referrals."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from khata.engine.migrations.columns import book, number, text

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """See the module."""
    _campaigns()
    _uses()
    _policies()
    _referrals()
    _people()


def _campaigns() -> None:
    op.create_table(
        "campaigns",
        book(),
        text("code"),
        text("title"),
        text("kind"),
        number("points"),
        number("amount"),
        number("most", null=True),
        number("least"),
        text("unit"),
        number("exponent"),
        number("budget", null=True),
        number("spent"),
        number("starts_at"),
        number("ends_at", null=True),
        number("per_user", null=True),
        number("most_uses", null=True),
        number("uses"),
        text("sources", null=True),
        text("categories", null=True),
        text("partners", null=True),
        text("payer"),
        text("stacks"),
        number("priority"),
        text("status"),
        text("reason", null=True),
        number("created_at"),
        number("changed_at"),
        sa.PrimaryKeyConstraint("book_id", "code", name="campaigns_pkey"),
        sqlite_with_rowid=False,
    )
    op.create_index("campaigns_by_status_code", "campaigns", ["book_id", "status", "code"])


def _uses() -> None:
    op.create_table(
        "benefit_uses",
        book(),
        text("id"),
        text("campaign"),
        text("owner"),
        text("subject"),
        number("purchase"),
        number("amount"),
        number("returned"),
        number("refunded"),
        number("whole", null=True),
        text("unit"),
        number("exponent"),
        text("payer"),
        text("status"),
        number("granted_at"),
        number("returned_at", null=True),
        sa.PrimaryKeyConstraint("book_id", "id", name="benefit_uses_pkey"),
        sqlite_with_rowid=False,
    )
    for columns in (
        ["subject"],
        ["campaign", "granted_at"],
        ["owner", "granted_at"],
        ["granted_at"],
    ):
        name = f"benefit_uses_by_{'_'.join(columns)}"
        op.create_index(name, "benefit_uses", ["book_id", *columns])
    op.create_table(
        "benefit_counts",
        book(),
        text("campaign"),
        text("owner"),
        number("uses"),
        number("amount"),
        sa.PrimaryKeyConstraint("book_id", "campaign", "owner", name="benefit_counts_pkey"),
        sqlite_with_rowid=False,
    )


def _policies() -> None:
    op.create_table(
        "benefit_policies",
        book(),
        text("name"),
        number("points", null=True),
        text("most"),
        text("referrer"),
        text("referred"),
        text("kyc"),
        number("most_referrals", null=True),
        number("most_in_window", null=True),
        number("window_seconds", null=True),
        number("changed_at"),
        sa.PrimaryKeyConstraint("book_id", "name", name="benefit_policies_pkey"),
        sqlite_with_rowid=False,
    )


def _referrals() -> None:
    op.create_table(
        "referrals",
        book(),
        text("referred"),
        text("referrer"),
        text("status"),
        text("waiting", null=True),
        text("kyc"),
        text("unit", null=True),
        number("exponent", null=True),
        number("referrer_bonus"),
        number("referred_bonus"),
        text("subject", null=True),
        text("entries"),
        text("reason", null=True),
        number("created_at"),
        number("qualified_at", null=True),
        number("paid_at", null=True),
        number("cancelled_at", null=True),
        sa.PrimaryKeyConstraint("book_id", "referred", name="referrals_pkey"),
        sqlite_with_rowid=False,
    )
    for columns in (
        ["waiting"],
        ["referrer", "created_at"],
        ["status", "created_at"],
        ["created_at"],
    ):
        op.create_index(f"referrals_by_{'_'.join(columns)}", "referrals", ["book_id", *columns])


def _people() -> None:
    op.create_table(
        "referrers",
        book(),
        text("owner"),
        number("total"),
        text("times"),
        sa.PrimaryKeyConstraint("book_id", "owner", name="referrers_pkey"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "first_purchases",
        book(),
        text("owner"),
        text("subject"),
        number("at"),
        sa.PrimaryKeyConstraint("book_id", "owner", name="first_purchases_pkey"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "kyc",
        book(),
        text("owner"),
        text("evidence"),
        number("confirmed_at"),
        sa.PrimaryKeyConstraint("book_id", "owner", name="kyc_pkey"),
        sqlite_with_rowid=False,
    )
