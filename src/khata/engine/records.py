"""Records: the rows of a book as frozen structs, and what their tables are like.

A record class declares its `TABLE`; columns, SQL, SQLAlchemy metadata, digests and the
verifier are all derived from that one declaration.

Two sorts exist. A *state* is a row that commands change (accounts, holds); a digest of each of
its versions goes in the journal. A *fact* is written once and never changes (entries, postings);
it carries the `seq` of its command and enters the journal's hash whole.
"""

from __future__ import annotations

import hashlib
import operator
import types
import typing
from collections.abc import Callable
from functools import cache
from typing import Any, ClassVar, Final

import msgspec

Key = Any
"""The key of a record within its book: a value, or a tuple where several columns make it."""

Row = tuple[Any, ...]
"""The columns of a record, in the order of its fields, as the database takes them."""


class Table(msgspec.Struct, frozen=True):
    """How a record is stored. Column names only; types come from the record's fields.

    `key`: primary key after `book_id`. `finds`: columns by which `Book.find` may look.
    `unique`: further unique column sets. `indexes`: for queries only.
    `facts`: written once. `volatile`: columns that a digest leaves out because the verifier
    computes them anew from other rows.

    The last key column of a fact counts within its command, in the order of writing.
    """

    name: str
    key: tuple[str, ...]
    finds: tuple[str, ...] = ()
    unique: tuple[tuple[str, ...], ...] = ()
    indexes: tuple[tuple[str, ...], ...] = ()
    facts: bool = False
    volatile: tuple[str, ...] = ()


class Record(msgspec.Struct, frozen=True, gc=False):
    """A row of a book. Subclasses declare `TABLE` and their fields in column order.

    Rows hold values and no cycles, so Python's collector need not walk over them.
    """

    TABLE: ClassVar[Table]


class Column(msgspec.Struct, frozen=True):
    """One column: its name, the Python type of its values, whether it may be null."""

    name: str
    type: type
    nullable: bool


class Spec:
    """Everything derived from a record class, computed once."""

    def __init__(self, cls: type[Record]) -> None:
        self.cls: Final = cls
        self.table: Final = cls.TABLE
        self.name: Final = cls.TABLE.name
        self.columns: Final = tuple(columns_of(cls))
        self.names: Final = tuple(column.name for column in self.columns)
        self.hot: Final = cls.TABLE.volatile
        self.stable: Final = tuple(name for name in self.names if name not in self.hot)
        self.encode: Final = _encoder(self.columns)
        self.decode: Final = _decoder(cls, self.columns)
        self.key_of: Final = _getter(cls.TABLE.key, single=True)
        self._stable_at: Final = tuple(self.names.index(name) for name in self.stable)
        self._all_stable: Final = not self.hot
        self.hot_values: Final = _getter((*self.hot, *cls.TABLE.key))
        table = cls.TABLE
        groups = (table.key, table.finds, *table.unique, *table.indexes)
        self.indexed: Final = frozenset(name for group in groups for name in group)
        self._key_in: Final = operator.itemgetter(*map(self.names.index, table.key))
        self.plain: Final = tuple(name for name in self.names if name not in self.indexed)
        self._plain_at: Final = tuple(self.names.index(n) for n in (*self.plain, *table.key))

    def plain_values(self, row: Row) -> Row:
        """Of a row of all columns those that no index has, and then the key."""
        return tuple([row[at] for at in self._plain_at])

    def digest(self, row: Row) -> str:
        """The digest of a row's stable columns, as the journal keeps it: 32 hex digits."""
        stable = row if self._all_stable else [row[at] for at in self._stable_at]
        return hashlib.sha256(msgspec.json.encode(stable)).hexdigest()[:32]

    def key_in(self, row: Row) -> Key:
        """The key within a row of all columns."""
        return self._key_in(row)


@cache
def spec(cls: type[Record]) -> Spec:
    """The `Spec` of a record class."""
    return Spec(cls)


@cache
def spec_named(name: str) -> Spec:
    """The `Spec` of the record class whose table has this name."""
    return next(spec(cls) for cls in Record.__subclasses__() if cls.TABLE.name == name)


def columns_of(cls: type[msgspec.Struct]) -> list[Column]:
    """The columns that the fields of a struct make."""
    hints = typing.get_type_hints(cls)
    return [_column(name, hints[name]) for name in cls.__struct_fields__]


def _column(name: str, hint: Any) -> Column:
    is_union = typing.get_origin(hint) in (types.UnionType, typing.Union)
    arguments = typing.get_args(hint) if is_union else (hint,)
    inner = [argument for argument in arguments if argument is not type(None)]
    origin = typing.get_origin(inner[0]) or inner[0]
    if origin is typing.Literal:  # a choice among texts is a text
        origin = str
    return Column(name, origin, nullable=len(inner) < len(arguments))


_PLAIN: Final = (int, str, bytes, bool)


def _encoder(columns: tuple[Column, ...]) -> Callable[[Any], Row]:
    plain = _getter(tuple(column.name for column in columns))
    nested = [at for at, column in enumerate(columns) if column.type not in _PLAIN]
    if not nested:
        return plain

    def encode(record: Any) -> Row:
        values = list(plain(record))
        for at in nested:
            if values[at] is not None:
                values[at] = msgspec.json.encode(values[at]).decode()
        return tuple(values)

    return encode


def _decoder(cls: type[Record], columns: tuple[Column, ...]) -> Callable[[Row], Any]:
    hints = typing.get_type_hints(cls)
    nested = [at for at, column in enumerate(columns) if column.type not in _PLAIN]
    flags = [at for at, column in enumerate(columns) if column.type is bool]
    readers = {at: msgspec.json.Decoder(hints[columns[at].name]) for at in nested}

    def decode(row: Row) -> Any:
        if not readers and not flags:
            return cls(*row)
        values = list(row)
        for at, reader in readers.items():
            if values[at] is not None:
                values[at] = reader.decode(values[at])
        for at in flags:
            values[at] = bool(values[at])
        return cls(*values)

    return decode


def _getter(names: tuple[str, ...], *, single: bool = False) -> Callable[[Any], Any]:
    if len(names) == 1 and not single:
        get = operator.attrgetter(names[0])
        return lambda record: (get(record),)
    return operator.attrgetter(*names)
