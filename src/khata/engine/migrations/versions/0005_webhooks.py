"""Webhooks: the inbox, and endpoints with their deliveries. (`events` is made by 0002.)"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def _int(name: str, *, null: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=null)


def _text(name: str, *, null: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=null)


def _table(name: str, *columns: sa.schema.SchemaItem, key: tuple[str, ...], **options: Any) -> None:
    op.create_table(
        name,
        sa.Column("book_id", sa.Integer, nullable=False),
        *columns,
        sa.PrimaryKeyConstraint("book_id", *key, name=f"{name}_pkey"),
        **options,
    )


def _indexes(table: str, *indexes: tuple[str, ...]) -> None:
    for columns in indexes:
        op.create_index(f"{table}_by_{'_'.join(columns)}", table, ["book_id", *columns])


def upgrade() -> None:
    """See the module."""
    _in()
    _out()


def _in() -> None:
    _table(
        "webhook_inbox",
        _text("id"),
        _text("provider"),
        _text("event"),
        _text("event_key"),
        _text("type"),
        _text("digest"),
        sa.Column("sealed", sa.Boolean, nullable=False),
        _text("body"),
        _text("status"),
        _int("copies"),
        _int("attempts"),
        _text("message", null=True),
        _text("waits", null=True),
        _int("due_at", null=True),
        _int("received_at"),
        _int("settled_at", null=True),
        key=("id",),
        sqlite_with_rowid=False,
    )
    _indexes(
        "webhook_inbox",
        ("due_at",),
        ("event_key",),
        ("received_at", "id"),
        ("status", "received_at"),
        ("waits",),
    )
    _table(
        "webhook_rejections",
        _int("seq"),
        _int("n"),
        _text("provider"),
        _text("code"),
        _text("digest", null=True),
        _text("source"),
        _int("missed"),
        key=("seq", "n"),
        sqlite_with_rowid=False,
    )


def _out() -> None:
    _table(
        "webhook_endpoints",
        _text("id"),
        _text("url"),
        _text("events"),
        _text("description", null=True),
        _text("secret"),
        _text("old_secret", null=True),
        _int("old_until", null=True),
        _text("status"),
        _text("reason", null=True),
        _int("since_seq"),
        _int("created_at"),
        _int("changed_at"),
        key=("id",),
        sqlite_with_rowid=False,
    )
    _table(
        "webhook_deliveries",
        _text("id"),
        _text("endpoint"),
        _int("seq"),
        _int("n"),
        _text("type"),
        _text("status"),
        _int("attempts"),
        _int("next_at", null=True),
        _text("claim", null=True),
        _int("claimed_until", null=True),
        _int("last_status", null=True),
        _text("last_error", null=True),
        _int("created_at"),
        _int("done_at", null=True),
        key=("id",),
    )
    _indexes("webhook_deliveries", ("created_at", "id"), ("endpoint", "seq"), ("next_at",))
