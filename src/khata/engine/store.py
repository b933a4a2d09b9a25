"""The port between the writer and a database: one book, one connection, one transaction at a time.

`sqlite.py` and `postgres.py` are its adapters; one test suite runs over both. A store raises
`DatabaseUnavailable` when the connection is gone (whether a commit happened is then unknown),
`StorageFull` when the disk is, and `Clash` when a unique key exists already.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Protocol

from khata.base.clock import Instant
from khata.engine.journal import Head, Refusal
from khata.engine.records import Key, Record, Row


class Clash(Exception):  # noqa: N818 - a signal to the writer, like `Missing`
    """A unique key of the batch exists already: usually a command that was sent before."""


class Writes(NamedTuple):
    """Everything that a transaction writes, set-wise.

    `journal`, `facts`, `new`: rows of all columns, by table name or record class. `full`: rows
    to be replaced. `plain`: (columns that no index has…, key columns…) of rows in which only such
    columns changed. `hot`: (volatile columns…, key columns…) of rows whose other columns stayed.
    """

    journal: list[Row]
    refusals: list[Refusal]
    facts: dict[str, list[Row]]
    new: dict[type[Record], list[Row]]
    full: dict[type[Record], list[Row]]
    plain: dict[type[Record], list[Row]]
    hot: dict[type[Record], list[Row]]
    head: Head


class Packed(NamedTuple):
    """`Writes` made ready for one database: what to send, in that database's own terms."""

    statements: tuple[Any, ...]
    values: list[Any]


class Known(NamedTuple):
    """A journal row as the answer to its key."""

    key: str
    digest: bytes
    kind: str
    seq: int
    at: Instant
    result: str


class Store(Protocol):
    """One connection of one writer to one book.

    `by_statement`: a batch is written by many statements, each of which gives Python's lock up and
    has to win it back. Beside a busy thread that takes several times as long as alone.
    """

    by_statement: bool

    def begin(self) -> Head:
        """Open a transaction and lock the book's head row; where the book stands."""

    def load(self, cls: type[Record], keys: Sequence[Key]) -> list[Row]:
        """The rows with these keys, in one query."""

    def find(self, cls: type[Record], column: str, values: Sequence[Any]) -> list[Row]:
        """The rows whose column has one of these values, in one query."""

    def known(self, keys: Iterable[str]) -> list[Known]:
        """The journal rows with these idempotency keys."""

    def pack(self, writes: Writes) -> Packed:
        """Make ready for `write` or `write_after` of any store of this book. No database is asked,
        so that a batch can be packed while the one before it is being written.
        """

    def write(self, packed: Packed) -> None:
        """Write everything and the head row. Errors: `Clash`."""

    def write_after(self, head: Head, packed: Packed) -> bool:
        """In a transaction of its own: write everything if the book stands at `head`.

        False, with nothing written, when it does not. Errors: `Clash`.
        """

    def commit(self) -> None:
        """Make it last."""

    def rollback(self) -> None:
        """Give the transaction up; never raises."""

    def close(self) -> None:
        """Give the connection up; never raises."""


def started_after(store: Store, head: Head, packed: Packed) -> bool:
    """Of what `Store.write_after` does all but the commit, statement by statement.

    False, with nothing written, when the book does not stand at `head`. Errors: `Clash`.
    """
    if store.begin() != head:
        store.rollback()
        return False
    store.write(packed)
    return True
