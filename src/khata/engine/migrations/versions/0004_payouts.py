"""Payouts: bank accounts, withdrawals, batches."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def _int(name: str, *, null: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=null)


def _text(name: str, *, null: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=null)


def _record(
    name: str, *columns: sa.schema.SchemaItem, indexes: tuple[tuple[str, ...], ...]
) -> None:
    op.create_table(
        name,
        sa.Column("book_id", sa.Integer, nullable=False),
        *columns,
        sa.PrimaryKeyConstraint("book_id", "id", name=f"{name}_pkey"),
        sqlite_with_rowid=False,
    )
    for parts in indexes:
        op.create_index(f"{name}_by_{'_'.join(parts)}", name, ["book_id", *parts])


def upgrade() -> None:
    """See the module."""
    _record(
        "bank_accounts",
        _text("id"),
        _text("owner"),
        _text("number"),
        _text("mask"),
        _text("fingerprint"),
        _text("holder"),
        _text("holder_mask"),
        _text("bank"),
        _text("country"),
        _text("currency"),
        _text("status"),
        sa.Column("primary", sa.Boolean, nullable=False),
        _text("evidence", null=True),
        _text("reason", null=True),
        _int("added_at"),
        _int("verified_at", null=True),
        _text("verified_by", null=True),
        indexes=(("owner",), ("status", "added_at"), ("added_at",)),
    )
    _payouts()
    _record(
        "payout_batches",
        _text("id"),
        _text("reference"),
        _int("lines"),
        _text("created_by"),
        _int("created_at"),
        sa.UniqueConstraint("book_id", "reference", name="payout_batches_reference"),
        indexes=(("created_at",),),
    )


def _payouts() -> None:
    _record(
        "payouts",
        _text("id"),
        _text("reference"),
        _text("owner"),
        _int("account_id"),
        _text("wallet"),
        _text("bank_account"),
        _text("mask"),
        _int("amount"),
        _int("fee"),
        _text("unit"),
        _int("exponent"),
        _text("status"),
        _text("provider"),
        _text("provider_id", null=True),
        _text("provider_key", null=True),
        _text("batch", null=True),
        _int("line", null=True),
        _text("saga", null=True),
        _text("position"),
        _text("entries"),
        _text("code", null=True),
        _text("message", null=True),
        _text("evidence", null=True),
        _text("asked_by"),
        _int("created_at"),
        _int("locked_at", null=True),
        _int("sent_at", null=True),
        _int("processing_at", null=True),
        _int("completed_at", null=True),
        _int("failed_at", null=True),
        _int("returned_at", null=True),
        sa.UniqueConstraint("book_id", "reference", name="payouts_reference"),
        indexes=(
            ("owner", "created_at"),
            ("status", "created_at"),
            ("batch", "line"),
            ("created_at",),
            ("provider_key",),
        ),
    )
