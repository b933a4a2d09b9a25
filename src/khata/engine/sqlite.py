"""The store on SQLite: WAL, `synchronous=FULL`, one `BEGIN IMMEDIATE` for each batch."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import chain
from typing import Any, Final

from khata.engine.journal import Head
from khata.engine.records import Key, Record, Row, Spec, spec
from khata.engine.store import Clash, Known, Writes
from khata.errors import BookCorrupted, BookNotFound, DatabaseUnavailable, StorageFull

BUSY_SECONDS: Final = 30.0
_CHUNK: Final = 500
_FULL: Final = frozenset({sqlite3.SQLITE_FULL})
_DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


def connect(path: str, *, readonly: bool = False) -> sqlite3.Connection:
    """A connection in autocommit mode with the settings that durability asks for."""
    connection = sqlite3.connect(
        path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
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
        return self._select(shape, shape.table.key, keys)

    def find(self, cls: type[Record], column: str, values: Sequence[Any]) -> list[Row]:
        """As the port says."""
        return self._select(spec(cls), (column,), values)

    def _select(self, shape: Spec, columns: tuple[str, ...], keys: Sequence[Any]) -> list[Row]:
        rows: list[Row] = []
        names = ", ".join(_quoted(shape.names))
        single = len(columns) == 1
        for start in range(0, len(keys), _CHUNK):
            part = keys[start : start + _CHUNK]
            one = "?" if single else f"({', '.join('?' * len(columns))})"
            target = _quoted(columns)[0] if single else f"({', '.join(_quoted(columns))})"
            holes = ", ".join([one] * len(part))
            where = f"IN ({holes})" if single else f"IN (VALUES {holes})"
            values = part if single else [value for key in part for value in key]
            with translated():
                rows += self._db.execute(
                    f"SELECT {names} FROM {shape.name} WHERE book_id = ? AND {target} {where}",  # noqa: S608 - names come from record classes
                    (self._book, *values),
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

    def write(self, writes: Writes) -> None:
        """As the port says. One statement for each table, however many rows.

        Python gives its lock up at every statement and may wait long to get it back, so a
        statement per row would be slow beside busy threads.
        """
        with translated():
            self._insert("journal", writes.journal)
            self._insert("refusals", [_astuple(row) for row in writes.refusals])
            for name, rows in writes.facts.items():
                self._insert(name, rows)
            for cls, rows in writes.new.items():
                self._insert(cls.TABLE.name, rows)
            for cls, rows in writes.full.items():
                self._db.executemany(_replace(cls, self._book), rows)
            for cls, rows in writes.hot.items():
                self._update(cls, rows)
            self._db.execute(
                "UPDATE books SET seq = ?, hash = ?, at = ?, refusals = ?, refusals_hash = ?"
                " WHERE id = ?",
                (*_astuple(writes.head), self._book),
            )

    def write_after(self, head: Head, writes: Writes) -> bool:
        """As the port says."""
        if self.begin() != head:
            self.rollback()
            return False
        self.write(writes)
        self.commit()
        return True

    def _insert(self, table: str, rows: list[Row]) -> None:
        for part in self._parts(rows):
            holes = _holes(len(part), len(part[0]), f"{self._book}, ")
            self._db.execute(f"INSERT INTO {table} VALUES {holes}", list(chain(*part)))  # noqa: S608 - holes only

    def _update(self, cls: type[Record], rows: list[Row]) -> None:
        changes, where = _hot_clauses(cls)
        for part in self._parts(rows):
            holes = _holes(len(part), len(part[0]), "")
            self._db.execute(
                f"UPDATE {cls.TABLE.name} AS t SET {changes} FROM (VALUES {holes}) AS v"  # noqa: S608 - names come from record classes
                f" WHERE t.book_id = {self._book} AND {where}",
                list(chain(*part)),
            )

    def _parts(self, rows: list[Row]) -> Iterator[list[Row]]:
        """Rows in parts that fit the number of values that one statement may have."""
        size = max(self._most_values // len(rows[0]), 1) if rows else 1
        for start in range(0, len(rows), size):
            yield rows[start : start + size]

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


@cache
def _holes(rows: int, columns: int, lead: str) -> str:
    one = f"({lead}{', '.join('?' * columns)})"
    return ", ".join([one] * rows)


@cache
def _replace(cls: type[Record], book: int) -> str:
    """All columns of a row, given in the order of its fields."""
    shape = spec(cls)
    at = {name: f"?{position}" for position, name in enumerate(shape.names, 1)}
    changes = ", ".join(f'"{name}" = {at[name]}' for name in shape.names)
    where = " AND ".join(f'"{name}" = {at[name]}' for name in shape.table.key)
    return f"UPDATE {shape.name} SET {changes} WHERE book_id = {book} AND {where}"  # noqa: S608 - names come from record classes


@cache
def _hot_clauses(cls: type[Record]) -> tuple[str, str]:
    shape = spec(cls)
    names = (*shape.hot, *shape.table.key)
    at = {name: f"v.column{position}" for position, name in enumerate(names, 1)}
    changes = ", ".join(f'"{name}" = {at[name]}' for name in shape.hot)
    where = " AND ".join(f't."{name}" = {at[name]}' for name in shape.table.key)
    return changes, where
