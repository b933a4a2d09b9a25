"""Reading a whole book in one snapshot, fast: driver cursors, chunks of plain tuples.

SQLAlchemy's rows would cost more than the verification itself, so queries go to the driver.
"""

from __future__ import annotations

import contextlib
import sqlite3
import sys
from collections.abc import Callable, Iterator
from itertools import chain, groupby
from operator import itemgetter
from typing import Any, Final

import psycopg
import sqlalchemy as sa

from khata.engine.database import Database
from khata.engine.journal import Head, JournalRow, Refusal
from khata.engine.records import Record, Row, Spec, spec
from khata.errors import BookCorrupted, DatabaseUnavailable

CHUNK: Final = 5000
END: Final = sys.maxsize
"""Beyond every `seq`: what a stream shows when nothing is left."""
_DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_SESSION: Final = ("SET LOCAL work_mem = '96MB'", "SET LOCAL cursor_tuple_fraction = 1")


class Snapshot:
    """One book as it is at one moment, whatever is written meanwhile."""

    def __init__(
        self, connection: sa.Connection, dialect: str, book_id: int, *, lenient: bool
    ) -> None:
        raw: Any = connection.connection.driver_connection
        self._raw = raw
        self._postgres = dialect == "postgres"
        self._book = book_id
        self._count = 0
        self._open: list[Any] = []
        if lenient and not self._postgres:
            raw.text_factory = _read_damaged
        if self._postgres:
            for setting in _SESSION:
                raw.execute(setting)

    def chunks(self, sql: str) -> Iterator[list[Row]]:
        """The rows of a query in which `:book` stands for the book's number."""
        cursor = self._cursor(sql.replace(":book", str(self._book)))
        self._open.append(cursor)
        while rows := cursor.fetchmany(CHUNK):
            yield rows
        self._open.remove(cursor)
        cursor.close()

    def close(self) -> None:
        """Give up the queries that were not read to their end; the connection is as it was."""
        while self._open:
            self._open.pop().close()
        if not self._postgres:
            self._raw.text_factory = str

    def _cursor(self, sql: str) -> Any:
        if not self._postgres:
            return self._raw.execute(sql)
        self._count += 1
        cursor = psycopg.ServerCursor(self._raw, f"khata_verify_{self._count}")
        cursor.format = psycopg.pq.Format.BINARY
        return cursor.execute(sql)

    def rows(self, sql: str) -> Iterator[Row]:
        """As `chunks`, row by row."""
        return chain.from_iterable(self.chunks(sql))

    def head(self) -> tuple[str, Head]:
        """The book's name and head row."""
        names = "name, seq, hash, at, refusals, refusals_hash"
        ((name, *head),) = self.rows(f"SELECT {names} FROM books WHERE id = :book")  # noqa: S608 - constants
        return str(name), Head(*head)

    def journal(self) -> Iterator[list[Row]]:
        """The journal in order, in chunks."""
        return self.chunks(_select(JournalRow.__struct_fields__, "journal", ("seq",)))

    def refusals(self) -> Iterator[Row]:
        """The refusals in order."""
        return self.rows(_select(Refusal.__struct_fields__, "refusals", ("n",)))

    def facts(self, shape: Spec) -> Iterator[Row]:
        """The facts of one table in the order in which they were written.

        A fact's last key column counts within its command.
        """
        order = ("seq", shape.table.key[-1])
        return self._typed(shape, self.rows(_select(shape.names, shape.name, order)))

    def states(self, shape: Spec) -> Iterator[Row]:
        """The states of one table, in any order."""
        return self._typed(shape, self.rows(_select(shape.names, shape.name, ())))

    def _typed(self, shape: Spec, rows: Iterator[Row]) -> Iterator[Row]:
        """SQLite has no booleans; a digest tells true from 1."""
        flags = [at for at, column in enumerate(shape.columns) if column.type is bool]
        if not flags or self._postgres:
            return rows
        return (
            tuple(bool(v) if at in flags and v is not None else v for at, v in enumerate(row))
            for row in rows
        )


class Stream:
    """The facts of one table, one command at a time: `rows` are those of command `seq`."""

    __slots__ = ("_groups", "count", "name", "rows", "seq", "shape")

    def __init__(self, snapshot: Snapshot, shape: Spec) -> None:
        self.name = shape.name
        self.shape = shape
        self.seq = 0
        self.rows: list[Row] = []
        self.count = 0
        self._groups = groupby(snapshot.facts(shape), key=itemgetter(shape.names.index("seq")))
        self.step()

    def step(self) -> None:
        """Go on to the next command that has facts in this table."""
        for seq, group in self._groups:
            self.seq, self.rows = seq, list(group)
            self.count += len(self.rows)
            return
        self.seq, self.rows = END, []


def shapes(*, facts: bool) -> list[Spec]:
    """All declared records of one sort, by table name."""
    found = (spec(cls) for cls in Record.__subclasses__())
    return sorted((one for one in found if one.table.facts is facts), key=lambda one: one.name)


def _read_damaged(raw: bytes) -> str:
    """Text with the bytes that cannot be text replaced, so that its row can be named."""
    return raw.decode(errors="replace")


class Unreadable(Exception):  # noqa: N818 - a signal to `verify`
    """A text in the database is not text any more: read it all again, leniently."""


@contextlib.contextmanager
def snapshot(database: Database, book_id: int, *, lenient: bool) -> Iterator[Snapshot]:
    """A snapshot of a book. `lenient`: take bytes that are no text; slower.

    Errors: `Unreadable` unless lenient; `DatabaseUnavailable`; `BookCorrupted` when the
    database itself finds its file damaged.
    """
    with _translated(), database.reading() as connection:
        reader = Snapshot(connection, database.dialect, book_id, lenient=lenient)
        try:
            yield reader
        finally:
            reader.close()


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (sqlite3.DatabaseError, psycopg.Error) as error:
        raise _meaning(error) from error
    except sa.exc.DBAPIError as error:
        raise _meaning(error.orig) from error


def _meaning(error: BaseException | None) -> Exception:
    """What a driver's error says about the database."""
    reason = str(error)
    if isinstance(error, sqlite3.Error):
        if "decode" in reason:
            return Unreadable(reason)
        damaged = getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED
    else:
        damaged = isinstance(error, psycopg.errors.DataCorrupted | psycopg.errors.IndexCorrupted)
    if damaged:
        return BookCorrupted("The database is damaged beyond reading.", reason=reason)
    return DatabaseUnavailable("The database cannot be read.", reason=reason)


def place(shape: Spec, row: Row, column: str = "") -> str:
    """Where a row is: `holds id=hld_0400 remaining`."""
    key = " ".join(f"{name}={row[shape.names.index(name)]}" for name in shape.table.key)
    return f"{shape.name} {key} {column}".rstrip()


def getter(shape: Spec, *names: str) -> Callable[[Row], tuple[Any, ...]]:
    """A function that takes these columns (two or more) from a row."""
    return itemgetter(*(shape.names.index(name) for name in names))


def _select(names: tuple[str, ...], table: str, order: tuple[str, ...]) -> str:
    wanted = ", ".join(f'"{name}"' for name in names)
    by = f" ORDER BY {', '.join(order)}" if order else ""
    return f"SELECT {wanted} FROM {table} WHERE book_id = :book{by}"  # noqa: S608 - names come from record classes
