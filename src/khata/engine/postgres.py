"""The store on PostgreSQL: psycopg 3, one statement that writes a whole batch.

A batch is one `WITH` of `INSERT … SELECT FROM unnest(…)` and `UPDATE … FROM unnest(…)`, sent with
`COMMIT` in one round trip; its arrays are packed here, column by column. The statement decides
nothing. Planner settings of this session keep it on indexes, so that a plan made while the
tables were empty stays right when they are not.
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any, Final

import psycopg
from psycopg import errors as pg
from psycopg.adapt import Dumper
from psycopg.pq import Format

from khata.engine.journal import Head, JournalRow, Refusal
from khata.engine.records import Column, Key, Record, Row, columns_of, spec, spec_named
from khata.engine.store import Clash, Known, Writes
from khata.errors import BookNotFound, DatabaseUnavailable, StorageFull

CONNECT_SECONDS: Final = 5
_SESSION: Final = (
    "SET synchronous_commit = on; SET lock_timeout = '30s'; SET enable_seqscan = off;"
    " SET enable_hashjoin = off; SET enable_mergejoin = off;"
    " SET plan_cache_mode = force_generic_plan; SET statement_timeout = '60s';"
    " SET idle_in_transaction_session_timeout = '60s'"
)
_OIDS: Final = {int: (20, "int8"), bytes: (17, "bytea"), bool: (16, "bool")}
_NULL: Final = b"\xff\xff\xff\xff"
_length: Final = struct.Struct(">i").pack
_eight: Final = struct.Struct(">iq").pack


class _Array:
    """A one-dimensional array in PostgreSQL's binary format."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data


class _ArrayDumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: _Array) -> bytes:
        return obj.data


def _packed(kind: type, values: Sequence[Any]) -> _Array:
    nulls = 0
    if kind is int and None not in values:
        body = struct.pack(">" + "iq" * len(values), *[part for v in values for part in (8, v)])
    else:
        parts = []
        for value in values:
            if value is None:
                nulls = 1
                parts.append(_NULL)
            elif kind is int:
                parts.append(_eight(8, value))
            else:
                raw = value if kind is bytes else _raw(value)
                parts.append(_length(len(raw)) + raw)
        body = b"".join(parts)
    oid = _OIDS.get(kind, (25,))[0]
    return _Array(struct.pack(">iiiii", 1, nulls, oid, len(values), 1) + body)


def _raw(value: Any) -> bytes:
    return bytes([value]) if type(value) is bool else value.encode()


def _type(column: Column) -> str:
    return _OIDS[column.type][1] if column.type in _OIDS else "text"


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """PostgreSQL's errors as Khata's."""
    try:
        yield
    except pg.UniqueViolation as error:
        raise Clash(str(error.diag.constraint_name)) from error
    except pg.DiskFull as error:
        raise StorageFull("The disk is full; nothing was written.") from error
    except psycopg.Error as error:
        raise DatabaseUnavailable("The database did not take the batch.") from error


class PostgresStore:
    """See `khata.engine.store.Store`."""

    def __init__(self, url: str, book_id: int) -> None:
        self._book = book_id
        with translated():
            self._db = psycopg.connect(url, autocommit=True, connect_timeout=CONNECT_SECONDS)
            self._db.adapters.register_dumper(_Array, _ArrayDumper)
            self._db.prepare_threshold = 0
            self._db.execute(_SESSION)
        self._cursor = self._db.cursor(binary=True)
        self._pending: tuple[str, list[Any]] | None = None

    def begin(self) -> Head:
        """As the port says."""
        self._pending = None
        with translated():
            with self._db.pipeline():
                self._cursor.execute("BEGIN")
                self._cursor.execute(
                    "SELECT seq, hash, at, refusals, refusals_hash FROM books"
                    " WHERE id = %s FOR UPDATE",
                    (self._book,),
                )
            row = self._cursor.fetchone()
        if row is None:
            raise BookNotFound(f"This database has no book number {self._book}.", got=self._book)
        return Head(*row)

    def load(self, cls: type[Record], keys: Sequence[Key]) -> list[Row]:
        """As the port says."""
        key = spec(cls).table.key
        columns = list(zip(*keys, strict=True)) if len(key) > 1 else [keys]
        return self._select(cls, key, columns)

    def find(self, cls: type[Record], column: str, values: Sequence[Any]) -> list[Row]:
        """As the port says."""
        return self._select(cls, (column,), [values])

    def _select(
        self, cls: type[Record], names: tuple[str, ...], columns: list[Sequence[Any]]
    ) -> list[Row]:
        kinds = {column.name: column for column in spec(cls).columns}
        arrays = [
            _packed(kinds[name].type, values) for name, values in zip(names, columns, strict=True)
        ]
        with translated():
            self._cursor.execute(_select_sql(cls, names, self._book), arrays)
            return self._cursor.fetchall()

    def known(self, keys: Iterable[str]) -> list[Known]:
        """As the port says."""
        with translated():
            self._cursor.execute(
                "SELECT j.key, digest, kind, seq, at, result FROM unnest(%b::text[]) AS k(key)"
                " JOIN journal j ON j.book_id = %s AND j.key = k.key",
                (_packed(str, list(keys)), self._book),
            )
            return [Known(*row) for row in self._cursor.fetchall()]

    def write(self, writes: Writes) -> None:
        """As the port says. It is sent with the commit."""
        parts: list[tuple[str, str]] = []
        arrays: list[Any] = []

        def insert(name: str, columns: list[Column], rows: Sequence[Row]) -> None:
            if rows:
                parts.append((name, "insert"))
                for column, values in zip(columns, zip(*rows, strict=True), strict=True):
                    arrays.append(_packed(column.type, values))

        insert("journal", _JOURNAL, [_astuple(row) for row in writes.journal])
        insert("refusals", _REFUSALS, [_astuple(row) for row in writes.refusals])
        for name, rows in writes.facts.items():
            insert(name, list(spec_named(name).columns), rows)
        for cls, rows in writes.new.items():
            insert(cls.TABLE.name, list(spec(cls).columns), rows)
        for sort, group in (("full", writes.full), ("hot", writes.hot)):
            for cls, rows in group.items():
                parts.append((cls.TABLE.name, sort))
                kinds = {column.name: column.type for column in spec(cls).columns}
                for name, values in zip(_names(cls, sort), zip(*rows, strict=True), strict=True):
                    arrays.append(_packed(kinds[name], values))
        self._pending = (
            _write_sql(tuple(parts), self._book),
            [*arrays, *_astuple(writes.head)],
        )

    def commit(self) -> None:
        """As the port says."""
        with translated():
            if self._pending is None:
                self._cursor.execute("COMMIT")
                return
            sql, values = self._pending
            self._pending = None
            with self._db.pipeline():
                self._cursor.execute(sql, values)
                self._cursor.execute("COMMIT")

    def rollback(self) -> None:
        """As the port says."""
        self._pending = None
        with contextlib.suppress(psycopg.Error):
            if not self._db.closed:
                self._db.execute("ROLLBACK")

    def close(self) -> None:
        """As the port says."""
        with contextlib.suppress(psycopg.Error):
            self._db.close()


_JOURNAL: Final = columns_of(JournalRow)
_REFUSALS: Final = columns_of(Refusal)


def _astuple(row: Any) -> Row:
    return tuple(getattr(row, name) for name in row.__struct_fields__)


def _names(cls: type[Record], sort: str) -> tuple[str, ...]:
    shape = spec(cls)
    return (*shape.hot, *shape.table.key) if sort == "hot" else shape.names


def _arrays(columns: Iterable[Column]) -> str:
    return ", ".join(f"%b::{_type(column)}[]" for column in columns)


@cache
def _select_sql(cls: type[Record], names: tuple[str, ...], book: int) -> str:
    shape = spec(cls)
    kinds = {column.name: column for column in shape.columns}
    wanted = ", ".join(f't."{name}"' for name in shape.names)
    keys = ", ".join(f'"{name}"' for name in names)
    match = " AND ".join(f't."{name}" = k."{name}"' for name in names)
    return (
        f"SELECT {wanted} FROM unnest({_arrays(kinds[name] for name in names)}) AS k({keys})"  # noqa: S608 - names come from record classes
        f" JOIN {shape.name} t ON t.book_id = {book} AND {match}"
    )


@cache
def _write_sql(parts: tuple[tuple[str, str], ...], book: int) -> str:
    """The statement that writes these parts: (table, insert | full | hot)."""
    clauses = []
    for at, (name, sort) in enumerate(parts):
        sql = _insert_sql(name, book) if sort == "insert" else _update_sql(name, sort, book)
        clauses.append(f"w{at} AS ({sql})")
    lead = f"WITH {', '.join(clauses)} " if clauses else ""
    return (
        f"{lead}UPDATE books SET seq = %s, hash = %s, at = %s, refusals = %s, refusals_hash = %s"  # noqa: S608 - names come from record classes
        f" WHERE id = {book}"
    )


def _insert_sql(name: str, book: int) -> str:
    columns = {"journal": _JOURNAL, "refusals": _REFUSALS}.get(name)
    if columns is None:
        columns = list(spec_named(name).columns)
    return f"INSERT INTO {name} SELECT {book}, u.* FROM unnest({_arrays(columns)}) AS u"  # noqa: S608 - names come from record classes


def _update_sql(name: str, sort: str, book: int) -> str:
    shape = spec_named(name)
    names = _names(shape.cls, sort)
    kinds = {column.name: column for column in shape.columns}
    keys = shape.table.key
    changes = ", ".join(f'"{one}" = v."{one}"' for one in names if one not in keys)
    match = " AND ".join(f't."{one}" = v."{one}"' for one in keys)
    columns = ", ".join(f'"{one}"' for one in names)
    return (
        f"UPDATE {name} t SET {changes} FROM unnest({_arrays(kinds[one] for one in names)})"  # noqa: S608 - names come from record classes
        f" AS v({columns}) WHERE t.book_id = {book} AND {match}"
    )
