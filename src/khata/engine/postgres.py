"""The store on PostgreSQL: psycopg 3, one statement that writes a whole batch.

A batch is one `WITH` of `INSERT … SELECT FROM unnest(…)` and `UPDATE … FROM unnest(…)`, sent with
`COMMIT` in one round trip; its arrays are packed here, column by column. The statement decides
nothing. Planner settings of this session keep it on indexes, so that a plan made while the
tables were empty stays right when they are not.
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from itertools import chain, count
from typing import Any, Final

import psycopg
from psycopg import errors as pg
from psycopg.pq import ConnStatus, DiagnosticField, ExecStatus, Format
from psycopg.pq.abc import PGconn, PGresult

from khata.engine.journal import Head, JournalRow, Refusal
from khata.engine.records import Column, Key, Record, Row, columns_of, spec, spec_named
from khata.engine.store import Clash, Known, Packed, Writes
from khata.errors import BookNotFound, DatabaseUnavailable, KhataError, StorageFull

CONNECT_SECONDS: Final = 5
_CONNECT: Final[dict[str, Any]] = {
    "connect_timeout": CONNECT_SECONDS,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
_SESSION: Final = (
    "SET synchronous_commit = on; SET lock_timeout = '30s'; SET jit = off;"
    " SET client_encoding = 'UTF8'; SET bytea_output = 'hex'; SET statement_timeout = '60s';"
    " SET idle_in_transaction_session_timeout = '60s'"
)
_REPLAN: Final = 4096
_OIDS: Final = {int: (20, "int8"), bytes: (17, "bytea"), bool: (16, "bool")}
_NULL: Final = b"\xff\xff\xff\xff"
_FINE: Final = (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK)
_length: Final = struct.Struct(">i").pack
_sized: Final = struct.Struct(">iq").pack
_eight: Final = struct.Struct(">q").pack
_READ: Final[dict[type, Callable[[bytes], Any]]] = {
    int: lambda cell: int.from_bytes(cell, "big", signed=True),
    bytes: bytes,
    bool: lambda cell: cell == b"\x01",
}
_KNOWN_TYPES: Final = (str, bytes, str, int, int, str)


def array_of(kind: type, values: Sequence[Any]) -> bytes:
    """A one-dimensional array in PostgreSQL's binary format."""
    length, oid = len(values), _OIDS.get(kind, (25,))[0]
    nulls = None in values
    if length and values.count(values[0]) == length:
        body = _cell(kind, values[0]) * length
    elif nulls:
        body = b"".join([_cell(kind, value) for value in values])
    elif kind is int:
        flat = [8] * (2 * length)
        flat[1::2] = values
        body = struct.pack(">" + "iq" * length, *flat)
    else:
        raw = [value.encode() for value in values] if kind is str else _raws(kind, values)
        body = b"".join(chain.from_iterable(zip(map(_length, map(len, raw)), raw, strict=True)))
    return struct.pack(">iiiii", 1, nulls, oid, length, 1) + body


def _cell(kind: type, value: Any) -> bytes:
    """One element of an array: its length and its bytes, or the mark of a null."""
    if value is None:
        return _NULL
    if kind is int:
        return _sized(8, value)
    raw = value if kind is bytes else _raw(value)
    return _length(len(raw)) + raw


def _raws(kind: type, values: Sequence[Any]) -> Sequence[bytes]:
    return values if kind is bytes else [_raw(value) for value in values]


def _raw(value: Any) -> bytes:
    return value.encode() if type(value) is str else bytes([value])


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
    except (psycopg.DataError, psycopg.IntegrityError, pg.ProgramLimitExceeded):
        raise  # a value that no retry makes fit: the writer finds whose it is
    except psycopg.Error as error:
        raise DatabaseUnavailable("The database did not take the batch.") from error


class PostgresStore:
    """See `khata.engine.store.Store`.

    It speaks to libpq directly: each of its three round trips for a batch (lock, write, commit)
    gives Python's lock up just once, where the usual cursor does so many times.
    """

    by_statement = False

    def __init__(self, url: str, book_id: int) -> None:
        self._book = book_id
        with translated():
            self._db = psycopg.connect(url, autocommit=True, **_CONNECT)
        self._pq = self._db.pgconn
        self._prepared: dict[str, bytes] = {}
        self._batches = 0
        self._run(_SESSION)

    # ── the port ─────────────────────────────────────────────────────────────────────

    def begin(self) -> Head:
        """As the port says."""
        result = self._run(
            "BEGIN; SELECT seq, hash, at, refusals, refusals_hash FROM books"  # noqa: S608 - a number
            f" WHERE id = {self._book:d} FOR UPDATE"
        )
        if not result.ntuples:
            raise BookNotFound(f"This database has no book number {self._book}.", got=self._book)
        seq, hash_, at, refusals, refusals_hash = (result.get_value(0, n) for n in range(5))
        return Head(
            int(seq or 0), _unhex(hash_), int(at or 0), int(refusals or 0), _unhex(refusals_hash)
        )

    def load(self, cls: type[Record], keys: Sequence[Key]) -> list[Row]:
        """As the port says."""
        key = spec(cls).table.key
        columns: list[Sequence[Any]] = [keys]
        if len(key) > 1:
            columns = list(zip(*keys, strict=True))
        return self._select(cls, key, columns)

    def find(self, cls: type[Record], column: str, values: Sequence[Any]) -> list[Row]:
        """As the port says."""
        return self._select(cls, (column,), [values])

    def _select(
        self, cls: type[Record], names: tuple[str, ...], columns: list[Sequence[Any]]
    ) -> list[Row]:
        kinds = {column.name: column for column in spec(cls).columns}
        arrays = [
            array_of(kinds[name].type, values) for name, values in zip(names, columns, strict=True)
        ]
        result = self._run_prepared(_select_sql(cls, names, self._book), arrays)
        return _rows(result, [column.type for column in spec(cls).columns])

    def known(self, keys: Iterable[str]) -> list[Known]:
        """As the port says."""
        result = self._run_prepared(_known_sql(self._book), [array_of(str, list(keys))])
        return [Known(*row) for row in _rows(result, _KNOWN_TYPES)]

    def pack(self, writes: Writes) -> Packed:
        """As the port says: the parts of one statement, and a packed array for each column."""
        return _packed(writes)

    def write(self, packed: Packed) -> None:
        """As the port says, in one statement."""
        self._run_prepared(_write_sql(packed.statements, self._book), packed.values)

    def write_after(self, head: Head, packed: Packed) -> bool:
        """As the port says: one statement, in one round trip, that is its own transaction."""
        start = [_eight(head.seq), head.hash, _eight(head.refusals), head.refusals_hash]
        sql = _write_after_sql(packed.statements, self._book)
        written = self._run_prepared(sql, [*start, *packed.values]).command_tuples == 1
        self._replan()
        return written

    def commit(self) -> None:
        """As the port says."""
        self._run("COMMIT")
        self._replan()

    def _replan(self) -> None:
        """A plan made while a table was small must not outlive its growth."""
        self._batches += 1
        if self._batches & (self._batches - 1) == 0 or self._batches % _REPLAN == 0:
            self._run("DISCARD PLANS")

    def rollback(self) -> None:
        """As the port says."""
        with contextlib.suppress(Clash, KhataError):
            if self._pq.status == ConnStatus.OK:
                self._run("ROLLBACK")

    def close(self) -> None:
        """As the port says."""
        with contextlib.suppress(psycopg.Error):
            self._db.close()

    # ── libpq ────────────────────────────────────────────────────────────────────────

    def _run(self, sql: str) -> PGresult:
        with translated():
            return _checked(self._pq, self._pq.exec_(sql.encode()))

    def _run_prepared(self, sql: str, values: Sequence[bytes | None]) -> PGresult:
        with translated():
            name = self._prepared.get(sql)
            if name is None:
                name = b"khata_%d" % len(self._prepared)
                _checked(self._pq, self._pq.prepare(name, sql.encode()))
                self._prepared[sql] = name
            formats = [Format.BINARY] * len(values)
            return _checked(
                self._pq,
                self._pq.exec_prepared(name, values, formats, Format.BINARY),  # type: ignore[arg-type]  # None is a null
            )


def _packed(writes: Writes) -> Packed:
    """What a statement has to write, (table, insert | full | plain | hot), and its values."""
    parts: list[tuple[str, str]] = []
    values: list[bytes | None] = []

    def put(name: str, sort: str, columns: Sequence[Column], rows: Sequence[Row]) -> None:
        if rows:
            parts.append((name, sort))
            for column, cells in zip(columns, zip(*rows, strict=True), strict=True):
                values.append(array_of(column.type, cells))

    put("journal", "insert", _JOURNAL, writes.journal)
    put("refusals", "insert", _REFUSALS, [_astuple(row) for row in writes.refusals])
    for name, rows in writes.facts.items():
        put(name, "insert", spec_named(name).columns, rows)
    for cls, rows in writes.new.items():
        put(cls.TABLE.name, "insert", spec(cls).columns, rows)
    for sort in ("full", "plain", "hot"):
        for cls, rows in getattr(writes, sort).items():
            put(cls.TABLE.name, sort, _columns(cls, sort), rows)
    head = writes.head
    values += [_eight(head.seq), head.hash, _eight(head.at), _eight(head.refusals)]
    return Packed(tuple(parts), [*values, head.refusals_hash])


def _checked(connection: PGconn, result: PGresult) -> PGresult:
    """The result, unless it is an error."""
    if result.status in _FINE:
        return result
    state = result.error_field(DiagnosticField.SQLSTATE)
    text = connection.get_error_message()
    if state is None or connection.status != ConnStatus.OK:
        raise psycopg.OperationalError(text)
    try:
        kind = pg.lookup(state.decode())
    except KeyError:
        kind = psycopg.DatabaseError
    raise kind(text)


def _rows(result: PGresult, types: Sequence[type]) -> list[Row]:
    """The rows of a binary result."""
    read = [_READ.get(kind, bytes.decode) for kind in types]
    get = result.get_value
    columns = range(len(types))
    return [
        tuple(
            None if (cell := get(at, column)) is None else read[column](cell) for column in columns
        )
        for at in range(result.ntuples)
    ]


def _unhex(value: bytes | None) -> bytes:
    return bytes.fromhex((value or b"").decode().removeprefix("\\x"))


_JOURNAL: Final = columns_of(JournalRow)
_REFUSALS: Final = columns_of(Refusal)


def _astuple(row: Any) -> Row:
    return tuple(getattr(row, name) for name in row.__struct_fields__)


# ── statements ───────────────────────────────────────────────────────────────────────


def _columns(cls: type[Record], sort: str) -> tuple[Column, ...]:
    """The columns that an update is given: all of them, or those of its sort and the key."""
    shape = spec(cls)
    if sort == "full":
        return shape.columns
    kinds = {column.name: column for column in shape.columns}
    names = shape.plain if sort == "plain" else shape.hot
    return tuple(kinds[name] for name in (*names, *shape.table.key))


def _arrays(columns: Iterable[Column], holes: Iterator[int]) -> str:
    """`$1::bigint[], $2::text[], …`"""
    return ", ".join(f"${next(holes)}::{_type(column)}[]" for column in columns)


@cache
def _select_sql(cls: type[Record], names: tuple[str, ...], book: int) -> str:
    shape = spec(cls)
    kinds = {column.name: column for column in shape.columns}
    wanted = ", ".join(f't."{name}"' for name in shape.names)
    keys = ", ".join(f'"{name}"' for name in names)
    match = " AND ".join(f't."{name}" = k."{name}"' for name in names)
    arrays = _arrays((kinds[name] for name in names), count(1))
    return (
        f"SELECT {wanted} FROM unnest({arrays}) AS k({keys})"  # noqa: S608 - names come from record classes
        f" JOIN {shape.name} t ON t.book_id = {book} AND {match}"
    )


@cache
def _known_sql(book: int) -> str:
    return (
        "SELECT j.key, digest, kind, seq, at, result FROM unnest($1::text[]) AS k(key)"  # noqa: S608 - a number
        f" JOIN journal j ON j.book_id = {book} AND j.key = k.key"
    )


@cache
def _write_sql(parts: tuple[tuple[str, str], ...], book: int) -> str:
    """The statement that writes these parts under a lock that is held already."""
    holes = count(1)
    clauses = _clauses(parts, book, holes, "")
    lead = f"WITH {', '.join(clauses)} " if clauses else ""
    return f"{lead}{_head_sql(holes)} WHERE id = {book}"


@cache
def _write_after_sql(parts: tuple[tuple[str, str], ...], book: int) -> str:
    """The statement that takes the lock and writes these parts, if the head is as given.

    A row that another writer changed while this one waited for the lock is looked at again, as
    READ COMMITTED does, so a head that has moved is never taken for the one that was given.
    """
    holes = count(5)
    lock = (
        f"SELECT id FROM books WHERE id = {book} AND seq = $1::int8 AND hash = $2::bytea"  # noqa: S608 - a number
        " AND refusals = $3::int8 AND refusals_hash = $4::bytea FOR UPDATE"
    )
    clauses = [f"head AS MATERIALIZED ({lock})", *_clauses(parts, book, holes, "head")]
    return f"WITH {', '.join(clauses)} {_head_sql(holes)} FROM head WHERE books.id = head.id"


def _clauses(
    parts: tuple[tuple[str, str], ...], book: int, holes: Iterator[int], lock: str
) -> list[str]:
    return [
        f"w{at} AS ({_insert(name, book, holes, lock)})"
        if sort == "insert"
        else f"w{at} AS ({_update(name, sort, book, holes, lock)})"
        for at, (name, sort) in enumerate(parts)
    ]


def _head_sql(holes: Iterator[int]) -> str:
    head = (("seq", "int8"), ("hash", "bytea"), ("at", "int8"), ("refusals", "int8"))
    changes = [f"{name} = ${next(holes)}::{kind}" for name, kind in head]
    return f"UPDATE books SET {', '.join(changes)}, refusals_hash = ${next(holes)}::bytea"  # noqa: S608 - names only


def _insert(name: str, book: int, holes: Iterator[int], lock: str) -> str:
    columns = {"journal": _JOURNAL, "refusals": _REFUSALS}.get(name)
    arrays = _arrays(columns or spec_named(name).columns, holes)
    source = f"{lock}, unnest({arrays}) AS u" if lock else f"unnest({arrays}) AS u"
    return f"INSERT INTO {name} SELECT {book}, u.* FROM {source}"  # noqa: S608 - names come from record classes


def _update(name: str, sort: str, book: int, holes: Iterator[int], lock: str) -> str:
    cls = spec_named(name).cls
    columns = _columns(cls, sort)
    keys = cls.TABLE.key
    names = ", ".join(f'"{column.name}"' for column in columns)
    changes = ", ".join(
        f'"{column.name}" = v."{column.name}"' for column in columns if column.name not in keys
    )
    match = " AND ".join(f't."{name}" = v."{name}"' for name in keys)
    source = f"{lock}, " if lock else ""
    return (
        f"UPDATE {name} t SET {changes}"  # noqa: S608 - names come from record classes
        f" FROM {source}unnest({_arrays(columns, holes)}) AS v({names})"
        f" WHERE t.book_id = {book} AND {match}"
    )
