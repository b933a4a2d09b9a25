"""The store on SQLite: WAL, `synchronous=FULL`, one `BEGIN IMMEDIATE` for each batch."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from functools import cache, lru_cache
from itertools import chain
from typing import Any, Final

from khata.engine.journal import Head
from khata.engine.records import Key, Record, Row, Spec, spec, spec_named
from khata.engine.store import Clash, Known, Packed, Writes, started_after
from khata.errors import BookCorrupted, BookNotFound, DatabaseUnavailable, StorageFull

BUSY_SECONDS: Final = 30.0
"""How long to wait for another process, whose batches may follow each other closely."""
_CHUNK: Final = 500
_STATEMENTS: Final = 64
"""Prepared statements that are kept: a long one holds a megabyte."""
_FULL: Final = frozenset({sqlite3.SQLITE_FULL})
_DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


def connect(path: str, *, readonly: bool = False) -> sqlite3.Connection:
    """A connection in autocommit mode with the settings that durability asks for."""
    connection = sqlite3.connect(
        path,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=_STATEMENTS,
    )
    connection.execute("PRAGMA page_size=4096")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA cache_size=-65536")
    connection.execute("PRAGMA wal_autocheckpoint=16000")
    if readonly:
        connection.execute("PRAGMA query_only=ON")
    return connection


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """SQLite's errors as Khata's."""
    try:
        yield
    except sqlite3.IntegrityError as error:
        raise Clash(str(error)) from error
    except sqlite3.DataError:
        raise  # a value that no retry makes fit: the writer finds whose it is
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in _FULL:
            raise StorageFull("The disk is full; nothing was written.") from error
        if code in _DAMAGED:
            raise BookCorrupted(
                "The database file is damaged. Restore it from a backup and run `khata verify`."
            ) from error
        raise DatabaseUnavailable("The database did not take the batch.") from error


class SqliteStore:
    """See `khata.engine.store.Store`."""

    by_statement = True

    def __init__(self, path: str, book_id: int) -> None:
        with translated():
            self._db = connect(path)
        self._book = book_id
        self._most_values = min(self._db.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER), 60_000)

    def begin(self) -> Head:
        """As the port says."""
        with translated():
            self._db.execute("BEGIN IMMEDIATE")
            row = self._db.execute(
                "SELECT seq, hash, at, refusals, refusals_hash FROM books WHERE id = ?",
                (self._book,),
            ).fetchone()
        if row is None:
            raise BookNotFound(f"This database has no book number {self._book}.", got=self._book)
        return Head(*row)

    def load(self, cls: type[Record], keys: Sequence[Key]) -> list[Row]:
        """As the port says."""
        shape = spec(cls)
        key = shape.table.key
        if len(key) == 1:
            return self._select(shape, key[0], keys)
        rows: list[Row] = []
        for start in range(0, len(keys), _CHUNK):
            part = keys[start : start + _CHUNK]
            with translated():
                rows += self._db.execute(
                    _load(cls, self._book, len(part)), list(chain(*part))
                ).fetchall()
        return rows

    def find(self, cls: type[Record], column: str, values: Sequence[Any]) -> list[Row]:
        """As the port says."""
        return self._select(spec(cls), column, values)

    def _select(self, shape: Spec, column: str, values: Sequence[Any]) -> list[Row]:
        rows: list[Row] = []
        names = ", ".join(_quoted(shape.names))
        for start in range(0, len(values), _CHUNK):
            part = values[start : start + _CHUNK]
            holes = ", ".join("?" * len(part))
            with translated():
                rows += self._db.execute(
                    f"SELECT {names} FROM {shape.name}"  # noqa: S608 - names come from record classes
                    f' WHERE book_id = ? AND "{column}" IN ({holes})',
                    (self._book, *part),
                ).fetchall()
        return rows

    def known(self, keys: Iterable[str]) -> list[Known]:
        """As the port says."""
        wanted, rows = list(keys), []
        for start in range(0, len(wanted), _CHUNK):
            part = wanted[start : start + _CHUNK]
            holes = ", ".join("?" * len(part))
            with translated():
                rows += self._db.execute(
                    "SELECT key, digest, kind, seq, at, result FROM journal"  # noqa: S608 - holes only
                    f" WHERE book_id = ? AND key IN ({holes})",
                    (self._book, *part),
                ).fetchall()
        return [Known(*row) for row in rows]

    def pack(self, writes: Writes) -> Packed:
        """As the port says: one statement for each table, however many rows, and its values.

        Python gives its lock up at every statement and may wait long to get it back, so a
        statement per row would be slow beside busy threads.
        """
        packed: list[tuple[str, Sequence[Any]]] = []
        packed += self._inserts("journal", writes.journal, 0)
        packed += self._inserts("refusals", [_astuple(row) for row in writes.refusals], 0)
        for name, rows in writes.facts.items():
            packed += self._inserts(name, rows, _key_at(spec_named(name).cls))
        for cls, rows in writes.new.items():
            packed += self._inserts(cls.TABLE.name, rows, _key_at(cls))
        for sort in ("full", "plain", "hot"):
            for cls, rows in getattr(writes, sort).items():
                for part, size in self._parts(rows):
                    packed.append((_update(cls, sort, self._book, size), _padded(part, size)))
        packed.append((_HEAD, (*_astuple(writes.head), self._book)))
        statements, values = zip(*packed, strict=True)
        return Packed(statements, list(values))

    def _inserts(self, table: str, rows: list[Row], key: int) -> Iterator[tuple[str, list[Any]]]:
        for part, size in self._parts(rows):
            sql = _insert(table, self._book, size, len(part[0]), key)
            yield sql, _padded(part, size)

    def _parts(self, rows: list[Row]) -> Iterator[tuple[list[Row], int]]:
        """Rows in parts that fit the number of values that one statement may have, each with the
        number of rows that its statement is made for.
        """
        most = max(self._most_values // len(rows[0]), 1) if rows else 1
        for start in range(0, len(rows), most):
            part = rows[start : start + most]
            yield part, min(_size(len(part)), most)

    def write(self, packed: Packed) -> None:
        """As the port says."""
        with translated():
            for sql, values in zip(packed.statements, packed.values, strict=True):
                self._db.execute(sql, values)

    def write_after(self, head: Head, packed: Packed) -> bool:
        """As the port says."""
        started = started_after(self, head, packed)
        if started:
            self.commit()
        return started

    def commit(self) -> None:
        """As the port says."""
        with translated():
            self._db.execute("COMMIT")

    def rollback(self) -> None:
        """As the port says."""
        with contextlib.suppress(sqlite3.Error):
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")

    def close(self) -> None:
        """As the port says."""
        with contextlib.suppress(sqlite3.Error):
            self._db.close()


def _astuple(row: Any) -> Row:
    return tuple(getattr(row, name) for name in row.__struct_fields__)


def _quoted(names: Iterable[str]) -> list[str]:
    return [f'"{name}"' for name in names]


_HEAD: Final = (
    "UPDATE books SET seq = ?, hash = ?, at = ?, refusals = ?, refusals_hash = ? WHERE id = ?"
)


def _size(rows: int) -> int:
    """A round number of rows, at most an eighth above: few statements serve all batches, so that
    SQLite finds nearly every one prepared.
    """
    step = 1 << max(rows.bit_length() - 4, 0)
    return -(-rows // step) * step


def _padded(rows: list[Row], size: int) -> list[Any]:
    """The values of some rows, one after the other, and nulls up to `size` rows."""
    values = list(chain(*rows))
    values.extend([None] * ((size - len(rows)) * len(rows[0])))
    return values


@cache
def _key_at(cls: type[Record]) -> int:
    """Where a column stands that is never null."""
    shape = spec(cls)
    return shape.names.index(shape.table.key[0])


def _holes(rows: int, columns: int) -> str:
    one = f"({', '.join('?' * columns)})"
    return ", ".join([one] * rows)


@lru_cache(maxsize=_STATEMENTS)
def _load(cls: type[Record], book: int, rows: int) -> str:
    """Rows by keys of several columns. `(a, b) IN (VALUES …)` would walk over the whole book: a
    join that may not be turned round looks each key up.
    """
    shape = spec(cls)
    names = ", ".join(f't."{name}"' for name in shape.names)
    key = shape.table.key
    where = " AND ".join(f't."{name}" = k.column{at}' for at, name in enumerate(key, 1))
    return (
        f"SELECT {names} FROM (VALUES {_holes(rows, len(key))}) AS k CROSS JOIN {shape.name} AS t"  # noqa: S608 - names come from record classes
        f" WHERE t.book_id = {book} AND {where}"
    )


@lru_cache(maxsize=_STATEMENTS)
def _insert(table: str, book: int, rows: int, columns: int, key: int) -> str:
    return (
        f"INSERT OR ROLLBACK INTO {table} SELECT {book}, * FROM (VALUES {_holes(rows, columns)})"  # noqa: S608 - holes only
        f" WHERE column{key + 1} IS NOT NULL"
    )


@lru_cache(maxsize=_STATEMENTS)
def _update(cls: type[Record], sort: str, book: int, rows: int) -> str:
    names = _names(cls, sort)
    keys = cls.TABLE.key
    at = {name: f"v.column{position}" for position, name in enumerate(names, 1)}
    changes = ", ".join(f'"{name}" = {at[name]}' for name in names if name not in keys)
    where = " AND ".join(f't."{name}" = {at[name]}' for name in keys)
    holes = _holes(rows, len(names))
    return (
        f"UPDATE OR ROLLBACK {cls.TABLE.name} AS t SET {changes} FROM (VALUES {holes}) AS v"  # noqa: S608 - names come from record classes
        f" WHERE t.book_id = {book} AND {where}"
    )


def _names(cls: type[Record], sort: str) -> tuple[str, ...]:
    """The columns that an update is given, in the order of its values."""
    shape = spec(cls)
    if sort == "full":
        return shape.names
    return (*(shape.plain if sort == "plain" else shape.hot), *shape.table.key)
