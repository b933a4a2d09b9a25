"""Messages: what was sent, to whom, how far it was read, and how far spools are stored."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from khata.engine.migrations.columns import book, number, text

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """See the module."""
    _messages()
    _conversations()
    _bookkeeping()


def _table(name: str, key: tuple[str, ...], *columns: sa.schema.SchemaItem) -> None:
    primary = sa.PrimaryKeyConstraint("book_id", *key, name=f"{name}_pkey")
    op.create_table(name, book(), *columns, primary, sqlite_with_rowid=False)


def _messages() -> None:
    _table(
        "messages",
        ("seq",),
        number("seq"),
        text("sender"),
        text("id"),
        text("receiver", null=True),
        text("conversation", null=True),
        number("priority"),
        number("at"),
        text("key", null=True),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.UniqueConstraint("book_id", "sender", "id", name="messages_sender_id"),
    )
    for columns in (["receiver", "seq", "sender"], ["conversation", "seq"]):
        name = f"messages_by_{'_'.join(columns)}"
        op.create_index(name, "messages", ["book_id", *columns])
    _table("message_receivers", ("receiver", "seq"), text("receiver"), number("seq"))
    _table(
        "mailboxes",
        ("owner", "conversation", "other"),
        text("owner"),
        text("conversation"),
        text("other"),
        number("seq"),
    )


def _conversations() -> None:
    _table("conversations", ("id",), text("id"), text("owner"), number("seq"), number("at"))
    _table(
        "conversation_members",
        ("conversation", "owner", "member"),
        text("conversation"),
        text("owner"),
        text("member"),
        number("seq"),
        number("present"),
    )


def _bookkeeping() -> None:
    _table("message_keys", ("id",), text("id"), text("sealed"))
    _table(
        "message_spools",
        ("name",),
        text("name"),
        number("segment"),
        number("place"),
        number("seq"),
    )
    _table(
        "message_outbox",
        ("sender", "id"),
        text("sender"),
        text("id"),
        number("at"),
        text("key", null=True),
        sa.Column("asked", sa.LargeBinary, nullable=False),
    )
    op.create_index(
        "message_outbox_by_at_sender_id", "message_outbox", ["book_id", "at", "sender", "id"]
    )
