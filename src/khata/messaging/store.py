"""Messages into a database: whole batches, one statement for each table, one transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain
from operator import itemgetter
from typing import Any, Final

import sqlalchemy as sa

from khata.engine.database import Database
from khata.engine.tables import METADATA
from khata.messaging.batch import Batch, Row
from khata.messaging.segments import Place
from khata.messaging.tables import SPOOLS

_MOST_VALUES: Final = 30_000
"""In one statement on SQLite, which holds at least 32,766."""
_ROOM: Final = ("PRAGMA cache_size=-65536", "PRAGMA wal_autocheckpoint=16000")
"""Indexes by name are written all over: their pages must stay in memory."""
_CLASHES: Final = {
    "message_keys": "(book_id, id) DO NOTHING",
    "messages": "(book_id, sender, id) DO NOTHING",
    "message_receivers": "(book_id, receiver, seq) DO NOTHING",
    "mailboxes": "(book_id, owner, conversation, other) DO UPDATE SET seq = excluded.seq"
    " WHERE excluded.seq > mailboxes.seq",
    "conversations": "(book_id, id) DO UPDATE SET owner = excluded.owner, seq = excluded.seq,"
    " at = excluded.at WHERE excluded.seq < conversations.seq",
    "conversation_members": "(book_id, conversation, owner, member) DO UPDATE SET"
    " seq = excluded.seq, present = excluded.present WHERE excluded.seq > conversation_members.seq",
    "message_spools": "(book_id, name) DO UPDATE SET segment = excluded.segment,"
    " place = excluded.place,"
    " seq = CASE WHEN excluded.seq > message_spools.seq THEN excluded.seq"
    " ELSE message_spools.seq END"
    " WHERE (excluded.segment, excluded.place) > (message_spools.segment, message_spools.place)",
}
_EARLIEST: Final = (
    "(book_id, sender, id) DO UPDATE SET seq = excluded.seq, receiver = excluded.receiver,"
    " conversation = excluded.conversation, priority = excluded.priority, at = excluded.at,"
    " key = excluded.key, body = excluded.body WHERE excluded.seq < messages.seq"
)
"""Of a message that was sent again the first holds, whichever is written first."""
_KINDS: Final[dict[type, str]] = {int: "bigint", str: "text", bytes: "bytea"}
_SENDER_ID: Final = itemgetter(1, 2)


class MessageStore:
    """One book's messages in a database. What is written again changes nothing.

    `shared`: several write parts of one log, each when it can; otherwise in its order.
    """

    def __init__(self, database: Database, book_id: int, *, shared: bool = False) -> None:
        self.database = database
        self.book_id = book_id
        self._shared = shared

    def place(self, spool: str) -> Place:
        """How far a spool is stored. Errors: `DatabaseUnavailable`."""
        with self.database.reading() as connection:
            return place_in(connection, self.book_id, spool)

    def write(self, batch: Batch, spool: str = "", place: Place | None = None) -> None:
        """Store a batch and, with a place, that its spool is stored up to there.

        Errors: `DatabaseUnavailable`, and nothing is written; `sqlalchemy.exc.DBAPIError` for what
        no database can hold, or a number that another message has.
        """
        rows = list(batch.rows())
        if place is not None:
            rows.append(("message_spools", [(spool, *place, batch.last)]))
        if not rows:
            return
        with self.database.changing() as connection:
            if self.database.dialect == "sqlite":
                for pragma in _ROOM:
                    connection.exec_driver_sql(pragma)
            for table, part in rows:
                for sql, values in self._statements(table, part):
                    connection.exec_driver_sql(sql, values)

    def _statements(self, table: str, rows: Sequence[Row]) -> Iterator[tuple[str, tuple[Any, ...]]]:
        moves = self._shared and table == "messages"
        clash = _EARLIEST if moves else _CLASHES[table]
        if self.database.dialect == "postgres":
            # who writes the same at the same time waits for each row, and so never in a circle
            ordered = sorted(rows, key=_SENDER_ID) if moves else rows
            columns = tuple(list(column) for column in zip(*ordered, strict=True))
            yield _insert_arrays(table, self.book_id, clash), columns
            return
        width = len(rows[0])
        most = _MOST_VALUES // width
        for start in range(0, len(rows), most):
            part = rows[start : start + most]
            size = min(_size(len(part)), most)
            values = (*chain.from_iterable(part), *[None] * ((size - len(part)) * width))
            yield _insert_values(table, self.book_id, clash, size, width), values


def place_in(connection: sa.Connection, book_id: int, spool: str) -> Place:
    """How far a spool is stored, in the transaction of a connection."""
    row = connection.execute(
        sa.select(SPOOLS.c.segment, SPOOLS.c.place).where(
            SPOOLS.c.book_id == book_id, SPOOLS.c.name == spool
        )
    ).first()
    return Place(*row) if row is not None else Place(0, 0)


def _insert(table: str, book_id: int, clash: str, source: str) -> str:
    # Of a message that is there under another number the receivers are there too.
    orphans = (
        f" AND EXISTS (SELECT 1 FROM messages WHERE book_id = {book_id} AND seq = v.column2)"  # noqa: S608 - as below
        if table == "message_receivers"
        else ""
    )
    return (
        f"INSERT INTO {table} SELECT {book_id}, v.* FROM {source}"  # noqa: S608 - names and numbers of our own
        f" WHERE v.column1 IS NOT NULL{orphans} ON CONFLICT {clash}"
    )


@lru_cache(maxsize=256)
def _insert_values(table: str, book_id: int, clash: str, rows: int, width: int) -> str:
    one = f"({', '.join('?' * width)})"
    return _insert(table, book_id, clash, f"(VALUES {', '.join([one] * rows)}) AS v")


@lru_cache(maxsize=256)
def _insert_arrays(table: str, book_id: int, clash: str) -> str:
    columns = list(METADATA.tables[table].columns)[1:]
    arrays = ", ".join(f"%b::{_KINDS[column.type.python_type]}[]" for column in columns)
    names = ", ".join(f"column{at}" for at in range(1, len(columns) + 1))
    return _insert(table, book_id, clash, f"unnest({arrays}) AS v({names})")


def _size(rows: int) -> int:
    """A round number of rows, at most an eighth above: few statements serve all batches, so that
    nearly every one is prepared already.
    """
    step = 1 << max(rows.bit_length() - 4, 0)
    return -(-rows // step) * step


def halves(
    records: Sequence[Any], write: Callable[[Sequence[Any]], None]
) -> Iterable[tuple[Any, Exception]]:
    """Write records in ever smaller parts; yield those that cannot be written, and why.

    Errors: `DatabaseUnavailable`.
    """
    try:
        write(records)
    except (sa.exc.DBAPIError, ValueError, OverflowError) as error:
        if len(records) == 1:
            yield records[0], error
            return
        half = len(records) // 2
        yield from halves(records[:half], write)
        yield from halves(records[half:], write)
