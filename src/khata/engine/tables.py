"""The tables, once, as SQLAlchemy metadata: for queries and for migrations.

The writer does not go through SQLAlchemy; it derives its SQL from the same declarations.
"""

from __future__ import annotations

import threading
from functools import cache
from typing import Final

import sqlalchemy as sa

from khata.engine.accounts import Account, Entry, Posting, Velocity
from khata.engine.events import Event
from khata.engine.holds import Hold
from khata.engine.records import Column, Record, spec

METADATA: Final = sa.MetaData()
_making: Final = threading.Lock()

_TYPES: Final = {
    int: sa.BigInteger,
    str: sa.Text,
    bytes: sa.LargeBinary,
    bool: sa.Boolean,
}


def _big(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=False)


def _text(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=nullable)


def _bytes(name: str) -> sa.Column[bytes]:
    return sa.Column(name, sa.LargeBinary, nullable=False)


def _book_id() -> sa.Column[int]:
    return sa.Column("book_id", sa.Integer, nullable=False)


BOOKS: Final = sa.Table(
    "books",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    _big("seq"),
    _bytes("hash"),
    _big("at"),
    _big("refusals"),
    _bytes("refusals_hash"),
    _big("created_at"),
    sa.Column("mark", sa.Text, nullable=False, server_default=""),
)
"""The head of each book: the row that the writer locks. `mark`: tells it from every other book."""

JOURNAL: Final = sa.Table(
    "journal",
    METADATA,
    _book_id(),
    _big("seq"),
    _text("key"),
    _bytes("digest"),
    _text("kind"),
    _text("actor"),
    _big("at"),
    _text("command"),
    _text("result"),
    _text("changes", nullable=True),
    _bytes("hash"),
    sa.PrimaryKeyConstraint("book_id", "seq", name="journal_pkey"),
    sa.UniqueConstraint("book_id", "key", name="journal_key"),
)

REFUSALS: Final = sa.Table(
    "refusals",
    METADATA,
    _book_id(),
    _big("n"),
    _text("key"),
    _text("kind"),
    _text("actor"),
    _big("at"),
    _text("code"),
    _text("detail"),
    _bytes("hash"),
    sa.PrimaryKeyConstraint("book_id", "n", name="refusals_pkey"),
)

CONSUMERS: Final = sa.Table(
    "consumers",
    METADATA,
    _book_id(),
    _text("name"),
    _big("seq"),
    sa.PrimaryKeyConstraint("book_id", "name", name="consumers_pkey"),
)
"""How far each reader of the journal has come. Bookkeeping of readers, not part of the book."""

DELIVERIES: Final = sa.Table(
    "webhook_deliveries",
    METADATA,
    _book_id(),
    _text("id"),
    _text("endpoint"),
    _big("seq"),
    _big("n"),
    _text("type"),
    _text("status"),
    _big("attempts"),
    sa.Column("next_at", sa.BigInteger, nullable=True),
    _text("claim", nullable=True),
    sa.Column("claimed_until", sa.BigInteger, nullable=True),
    sa.Column("last_status", sa.BigInteger, nullable=True),
    _text("last_error", nullable=True),
    _big("created_at"),
    sa.Column("done_at", sa.BigInteger, nullable=True),
    sa.PrimaryKeyConstraint("book_id", "id", name="webhook_deliveries_pkey"),
    sa.Index("webhook_deliveries_by_next_at", "book_id", "next_at"),
    sa.Index("webhook_deliveries_by_endpoint_seq", "book_id", "endpoint", "seq"),
    sa.Index("webhook_deliveries_by_created_at_id", "book_id", "created_at", "id"),
)
"""Which event was sent where, and how it went. Bookkeeping of a reader, not part of the book."""


def _column(column: Column) -> sa.Column[object]:
    kind = _TYPES.get(column.type, sa.Text)
    return sa.Column(column.name, kind, nullable=column.nullable)


def table_of(cls: type[Record]) -> sa.Table:
    """The SQLAlchemy table of a record class; its name, columns and keys come from the class."""
    with _making:  # two threads that ask first would make it twice
        return _table_of(cls)


@cache
def _table_of(cls: type[Record]) -> sa.Table:
    shape = spec(cls)
    declared = shape.table
    book = "book_id"
    rules: list[sa.schema.SchemaItem] = [
        sa.PrimaryKeyConstraint(book, *declared.key, name=f"{shape.name}_pkey")
    ]
    rules += [
        sa.UniqueConstraint(book, *columns, name=f"{shape.name}_{'_'.join(columns)}")
        for columns in declared.unique
    ]
    unique = set(declared.unique) | {declared.key}
    wanted = [*declared.indexes, *((column,) for column in declared.finds)]
    rules += [
        sa.Index(f"{shape.name}_by_{'_'.join(columns)}", book, *columns)
        for columns in dict.fromkeys(wanted)
        if columns not in unique
    ]
    columns = [_column(column) for column in shape.columns]
    return sa.Table(shape.name, METADATA, _book_id(), *columns, *rules, sqlite_with_rowid=False)


ACCOUNTS: Final = table_of(Account)
ENTRIES: Final = table_of(Entry)
POSTINGS: Final = table_of(Posting)
HOLDS: Final = table_of(Hold)
VELOCITIES: Final = table_of(Velocity)
EVENTS: Final = table_of(Event)
