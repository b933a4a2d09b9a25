"""Whether a file was imported before, and whether it is still the same file.

A line without a key of its own gets one from the file's name and its line number, so the book
itself remembers what was done. Before anything is carried out, the lines that the book has are
compared with those of the file: a line that was changed, moved or taken away stops the import,
because from there on a number would no longer mean the line that it meant.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from itertools import islice
from typing import Final, NamedTuple

import msgspec
import sqlalchemy as sa

from khata.engine.command import Command, digest
from khata.engine.database import View
from khata.engine.tables import JOURNAL
from khata.errors import AlreadyExists, KeyReused

_DIGITS: Final = 9
_PAGE: Final = 5000
_HEAD: Final = 20
_MOST_NAMES: Final = 5000
_SAFE: Final = re.compile(r"[A-Za-z0-9._-]{1,80}")
_encode: Final = msgspec.json.Encoder().encode


class Numbered(NamedTuple):
    """A line that has no key of its own, and its command."""

    line: int
    command: Command


class Identity:
    """A file by its name: the keys of its lines, in order. `sort`: `import` or `beancount`."""

    def __init__(self, sort: str, name: str) -> None:
        safe = _SAFE.fullmatch(name)
        self.name = name if safe else hashlib.sha256(name.encode()).hexdigest()[:16]
        self.title = name
        self.sort = sort
        self.prefix = f"{sort}:{self.name}:"

    def key(self, line: int) -> str:
        """`import:day.csv:000000017`. Keys in order keep the journal's index fast."""
        return f"{self.prefix}{line:0{_DIGITS}d}"


class Known:
    """The lines of a file that the book has. One byte of memory for each line."""

    def __init__(self) -> None:
        self._done = bytearray()
        self.count = 0

    def add(self, line: int) -> None:
        """The book has this line."""
        if line >= len(self._done):
            self._done.extend(bytes(max(line + 1 - len(self._done), 1 << 16)))
        self._done[line] = 1
        self.count += 1

    def __contains__(self, line: int) -> bool:
        return line < len(self._done) and bool(self._done[line])


def compare(view: View, identity: Identity, lines: Iterator[Numbered]) -> Known:
    """The lines that the book has, each compared with the file's. `lines` in order.

    Reads the file only as far as it was imported. Errors: `KeyReused` at the first line that is
    not what it was, or is no longer there.
    """
    known = Known()
    current = next(lines, None) if _any(view, identity) else None
    for line, was in _recorded(view, identity):
        while current is not None and current.line < line:
            current = next(lines, None)
        if current is None or current.line != line or digest(_encode(current.command)) != was:
            raise KeyReused(
                f"Line {line} of {identity.title[:80]} was imported before, and was another line."
                " Nothing was carried out. If this is another file, import it under another name.",
                line=line,
                expected="the line as it was imported",
                got="another line" if current else "nothing",
            )
        known.add(line)
    return known


def check_renamed(view: View, identity: Identity, lines: Iterator[Numbered]) -> None:
    """Refuse a file whose first lines were imported under another name.

    Errors: `AlreadyExists`; an import under a name that was given on purpose does not ask.
    """
    head = {line: digest(_encode(command)) for line, command in islice(lines, _HEAD)}
    if not head:
        return
    for name in _names(view, identity.sort):
        other = Identity(identity.sort, name)
        keys = [other.key(line) for line in head]
        if name == identity.name:
            return
        found = view.rows(
            sa.select(JOURNAL.c.key, JOURNAL.c.digest).where(
                JOURNAL.c.book_id == view.book_id, JOURNAL.c.key.in_(keys)
            )
        )
        if found and all(head[_line(row.key)] == bytes(row.digest) for row in found):
            raise AlreadyExists(
                f"This file begins as {name} did, which was imported before. If it is the same"
                f" file, import it under that name; if not, give it a name of its own.",
                expected=name,
                got=identity.name,
            )


def _names(view: View, sort: str) -> Iterator[str]:
    """The names under which files were imported, each found by one step in the index."""
    last = f"{sort}:"
    for _ in range(_MOST_NAMES):
        key = view.row(
            sa.select(JOURNAL.c.key)
            .where(JOURNAL.c.book_id == view.book_id, JOURNAL.c.key > last)
            .order_by(JOURNAL.c.key)
            .limit(1)
        )
        if key is None or not key[0].startswith(f"{sort}:"):
            return
        name = key[0].split(":")[1]
        yield name
        last = f"{sort}:{name}:{'9' * _DIGITS}"


def _any(view: View, identity: Identity) -> bool:
    return next(_recorded(view, identity), None) is not None


def _recorded(view: View, identity: Identity) -> Iterator[tuple[int, bytes]]:
    """(line, digest) of what the book has of a file, in order, a page at a time.

    Whatever a database's collation thinks of punctuation, keys that differ in their last digits
    alone stand in the order of those; others that may stand between are passed over.
    """
    of, last, end = JOURNAL.c, identity.key(0), identity.prefix + "9" * _DIGITS
    while True:
        rows = view.rows(
            sa.select(of.key, of.digest)
            .where(of.book_id == view.book_id, of.key > last, of.key <= end)
            .order_by(of.key)
            .limit(_PAGE)
        )
        for row in rows:
            if row.key.startswith(identity.prefix) and len(row.key) == len(end):
                yield _line(row.key), bytes(row.digest)
        if len(rows) < _PAGE:
            return
        last = rows[-1].key


def _line(key: str) -> int:
    return int(key[-_DIGITS:])
