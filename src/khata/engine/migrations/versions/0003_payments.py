"""Payments: what is to be paid, payments, refunds, disputes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def _int(name: str, *, null: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=null)


def _text(name: str, *, null: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=null)


def upgrade() -> None:
    """See the module."""
    _payables()
    _payments()
    _refunds()
    _disputes()


def _payables() -> None:
    op.create_table(
        "payables",
        sa.Column("book_id", sa.Integer, nullable=False),
        _text("subject"),
        _text("owner"),
        _int("amount"),
        _text("unit"),
        _int("exponent"),
        _text("source"),
        _text("escrow"),
        _text("country", null=True),
        _text("title", null=True),
        _text("status"),
        _text("active", null=True),
        _text("paid_by", null=True),
        _int("registered_at"),
        _int("paid_at", null=True),
        sa.PrimaryKeyConstraint("book_id", "subject", name="payables_pkey"),
        sqlite_with_rowid=False,
    )
    op.create_index("payables_by_owner_subject", "payables", ["book_id", "owner", "subject"])


def _payments() -> None:
    op.create_table(
        "payments",
        sa.Column("book_id", sa.Integer, nullable=False),
        _text("id"),
        _text("subject", null=True),
        _text("owner"),
        _text("wallet", null=True),
        _text("method"),
        _text("provider", null=True),
        _text("way", null=True),
        _text("charge", null=True),
        _text("charge_key", null=True),
        _int("amount"),
        _int("wallet_part"),
        _text("unit"),
        _int("exponent"),
        _text("status"),
        _text("facts"),
        _int("refunded"),
        _text("landed", null=True),
        _text("position"),
        _text("entries"),
        _text("hold", null=True),
        _text("saga", null=True),
        _text("action_url", null=True),
        _text("code", null=True),
        _text("message", null=True),
        _int("created_at"),
        _int("paid_at", null=True),
        _int("expires_at", null=True),
        sa.PrimaryKeyConstraint("book_id", "id", name="payments_pkey"),
        sqlite_with_rowid=False,
    )
    op.create_index("payments_by_charge_key", "payments", ["book_id", "charge_key"])
    op.create_index("payments_by_created_at", "payments", ["book_id", "created_at"])
    op.create_index("payments_by_owner_created_at", "payments", ["book_id", "owner", "created_at"])
    op.create_index(
        "payments_by_status_created_at", "payments", ["book_id", "status", "created_at"]
    )
    op.create_index("payments_by_subject", "payments", ["book_id", "subject"])


def _refunds() -> None:
    op.create_table(
        "refunds",
        sa.Column("book_id", sa.Integer, nullable=False),
        _text("id"),
        _text("payment"),
        _text("origin"),
        _int("amount"),
        _text("unit"),
        _int("exponent"),
        _text("status"),
        _text("refund_key", null=True),
        _text("sources"),
        _text("position"),
        _text("entries"),
        _text("reason"),
        _text("saga", null=True),
        _text("code", null=True),
        _int("created_at"),
        sa.PrimaryKeyConstraint("book_id", "id", name="refunds_pkey"),
        sqlite_with_rowid=False,
    )
    op.create_index("refunds_by_created_at", "refunds", ["book_id", "created_at"])
    op.create_index("refunds_by_payment", "refunds", ["book_id", "payment"])
    op.create_index("refunds_by_refund_key", "refunds", ["book_id", "refund_key"])


def _disputes() -> None:
    op.create_table(
        "disputes",
        sa.Column("book_id", sa.Integer, nullable=False),
        _text("id"),
        _text("payment"),
        _text("dispute_key"),
        _int("amount"),
        _text("unit"),
        _int("exponent"),
        _text("status"),
        _text("position"),
        _text("entries"),
        _text("code", null=True),
        _int("created_at"),
        sa.PrimaryKeyConstraint("book_id", "id", name="disputes_pkey"),
        sqlite_with_rowid=False,
    )
    op.create_index("disputes_by_created_at", "disputes", ["book_id", "created_at"])
    op.create_index("disputes_by_dispute_key", "disputes", ["book_id", "dispute_key"])
    op.create_index("disputes_by_payment", "disputes", ["book_id", "payment"])
