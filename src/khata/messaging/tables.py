"""The tables of messages. Bookkeeping beside the journal, no part of any book's proof.

Everything in them comes from spools, or from a stream that several gateways share, and writing the
same again changes nothing: a message is known by its sender and id and was sent first under the
lowest of its numbers, marks only go forward, and of two changes of a membership the one with the
higher number holds.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from khata.engine.tables import METADATA


def _number(name: str, *, null: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=null)


def _text(name: str, *, null: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=null)


def _bytes(name: str) -> sa.Column[bytes]:
    return sa.Column(name, sa.LargeBinary, nullable=False)


def _book() -> sa.Column[int]:
    return sa.Column("book_id", sa.Integer, nullable=False)


def _key(table: str, *columns: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint("book_id", *columns, name=f"{table}_pkey")


MESSAGES: Final = sa.Table(
    "messages",
    METADATA,
    _book(),
    _number("seq"),
    _text("sender"),
    _text("id"),
    _text("receiver", null=True),
    _text("conversation", null=True),
    _number("priority"),
    _number("at"),
    _text("key", null=True),
    _bytes("body"),
    _key("messages", "seq"),
    sa.UniqueConstraint("book_id", "sender", "id", name="messages_sender_id"),
    sa.Index("messages_by_receiver_seq_sender", "book_id", "receiver", "seq", "sender"),
    sa.Index("messages_by_conversation_seq", "book_id", "conversation", "seq"),
    sqlite_with_rowid=False,
)
"""`receiver`: None for one to many. `conversation`: None where it is between two users. `priority`:
0 is high, 2 low. `body`: JSON, sealed by `key`.

Every index in an order of its own costs as much as the row, so what two users wrote to each other
is found among what each of them received.
"""

RECEIVERS: Final = sa.Table(
    "message_receivers",
    METADATA,
    _book(),
    _text("receiver"),
    _number("seq"),
    _key("message_receivers", "receiver", "seq"),
    sqlite_with_rowid=False,
)
"""For whom a message to many is. Rows whose message was found to have a lower number mean nothing;
they go when old messages do.
"""

MAILBOXES: Final = sa.Table(
    "mailboxes",
    METADATA,
    _book(),
    _text("owner"),
    _text("conversation"),
    _text("other"),
    _number("seq"),
    _key("mailboxes", "owner", "conversation", "other"),
    sqlite_with_rowid=False,
)
"""How far each user has read a conversation, or what another one sent to them. The row with neither
says how far everything has arrived. What does not apply is "".
"""

CONVERSATIONS: Final = sa.Table(
    "conversations",
    METADATA,
    _book(),
    _text("id"),
    _text("owner"),
    _number("seq"),
    _number("at"),
    _key("conversations", "id"),
    sqlite_with_rowid=False,
)

MEMBERS: Final = sa.Table(
    "conversation_members",
    METADATA,
    _book(),
    _text("conversation"),
    _text("owner"),
    _text("member"),
    _number("seq"),
    _number("present"),
    _key("conversation_members", "conversation", "owner", "member"),
    sqlite_with_rowid=False,
)
"""`seq`: of the last change. `present`: 1 while a member, 0 for one who left. `owner`: of the
conversation. When two users make one of the same name at two gateways at once, the earlier one in
the log has it, in whatever order they are stored; rows with another owner mean nothing.
"""

KEYS: Final = sa.Table(
    "message_keys",
    METADATA,
    _book(),
    _text("id"),
    _text("sealed"),
    _key("message_keys", "id"),
    sqlite_with_rowid=False,
)
"""Data keys, wrapped by the vault. `id`: the spool and the segment, `name/number`."""

SPOOLS: Final = sa.Table(
    "message_spools",
    METADATA,
    _book(),
    _text("name"),
    _number("segment"),
    _number("place"),
    _number("seq"),
    _key("message_spools", "name"),
    sqlite_with_rowid=False,
)
"""How far each spool is stored: a segment and an offset in it. `seq`: the highest number stored."""

OUTBOX: Final = sa.Table(
    "message_outbox",
    METADATA,
    _book(),
    _text("sender"),
    _text("id"),
    _number("at"),
    _text("key", null=True),
    _bytes("asked"),
    _key("message_outbox", "sender", "id"),
    sa.Index("message_outbox_by_at_sender_id", "book_id", "at", "sender", "id"),
    sqlite_with_rowid=False,
)
"""What was sent while no gateway was there: a gateway takes it in, then deletes it. `asked`: the
JSON that would have been sent, sealed by `key`."""
