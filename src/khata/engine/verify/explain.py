"""Finding what was altered, when a command's hash is not right any more.

The hash is the judge. Each plausible repair (a posting as its entry has it, a digest as its
command gives it, any one character of any column) is tried: with the right one in place the
stored hash comes out, which proves what was there before.
"""

from __future__ import annotations

import hashlib
import string
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

import msgspec

from khata.engine.command import digest as digest_of
from khata.engine.journal import chain
from khata.engine.records import Row, spec_named
from khata.engine.verify.balances import LEGS, Balances, Tables
from khata.engine.verify.snapshot import place

JOURNAL: Final = ("seq", "key", "kind", "actor", "at", "command", "result")
"""The journal's columns as the chain takes them; `digest` and `changes` follow."""

_encode: Final = msgspec.json.Encoder().encode
_MOST_ROWS: Final = 64
_LONGEST: Final = 4000
_CHARACTERS: Final = [one.encode() for one in string.printable if one >= " "]


class Step(NamedTuple):
    """A command as stored: its journal row, its facts, the hash before it and its own."""

    row: tuple[Any, ...]
    digest: bytes
    changes: str | None
    facts: list[tuple[str, list[Row]]]
    previous: bytes
    stored: bytes

    @property
    def seq(self) -> int:
        """The command's number."""
        return int(self.row[0])

    def hash(self) -> bytes:
        """The hash that this content has."""
        return chain(self.previous, self.row, self.digest, self.changes, self.facts)

    def put(self, tables: Tables) -> Step:
        """The same with other facts."""
        return self._replace(facts=sorted((name, rows) for name, rows in tables.items() if rows))


class Repair(NamedTuple):
    """A repaired command and what had been altered: (where, expected, got)."""

    step: Step
    altered: list[tuple[str, Any, Any]]


def explain(step: Step, balances: Balances) -> Repair | None:
    """The repair that makes the stored hash right, if one of the likely ones does."""
    for repair in _candidates(step, balances):
        if repair.altered and repair.step.hash() == step.stored:
            return repair
    return None


def _candidates(step: Step, balances: Balances) -> Iterator[Repair]:
    tables = dict(step.facts)
    yield from _journal_repairs(step)
    entries, postings = tables.get("entries", []), tables.get("postings", [])
    yield _with_rows(step, "postings", balances.due(step.seq, entries, postings))
    yield _with_rows(step, "entries", _entries_of(entries, postings))
    for name, rows in step.facts:
        for at in range(min(len(rows), _MOST_ROWS)):
            yield _with_rows(step, name, [*rows[:at], *rows[at + 1 :]])


def _journal_repairs(step: Step) -> Iterator[Repair]:
    body = str(step.row[5]).encode()
    where = f"journal seq={step.seq}"
    wanted = digest_of(body)
    yield Repair(
        step._replace(digest=wanted), [(f"{where} digest", wanted.hex(), step.digest.hex())]
    )
    try:
        kind = msgspec.json.decode(body)["kind"]
    except (msgspec.MsgspecError, KeyError, TypeError):
        return
    row = (*step.row[:2], kind, *step.row[3:])
    yield Repair(step._replace(row=row), [(f"{where} kind", kind, step.row[2])])


def _entries_of(entries: list[Row], postings: list[Row]) -> list[Row]:
    """The entries with the legs that the postings have."""
    found = []
    for entry in entries:
        legs = [(row[0], row[4]) for row in postings if row[3] == entry[1]]
        found.append((*entry[:LEGS], _encode(legs).decode(), *entry[LEGS + 1 :]))
    return found


def _with_rows(step: Step, name: str, rows: list[Row]) -> Repair:
    """The step with these rows in one table, and how they differ from those it has."""
    tables = dict(step.facts)
    shape = spec_named(name)
    before = {shape.key_in(row): row for row in tables.get(name, [])}
    after = {shape.key_in(row): row for row in rows}
    altered: list[tuple[str, Any, Any]] = []
    for key in {**before, **after}:
        old, new = before.get(key), after.get(key)
        if old is None and new is not None:
            altered.append((place(shape, new), "a row", None))
        elif old is not None and new is None:
            altered.append((place(shape, old), None, "a row"))
        elif old is not None and new is not None:
            altered += [
                (place(shape, old, column), right, wrong)
                for column, right, wrong in zip(shape.names, new, old, strict=True)
                if right != wrong
            ]
    return Repair(step.put({**tables, name: rows}), altered)


# ── any one character ────────────────────────────────────────────────────────────────


def one_character(data: bytes, right: Callable[[bytes], bool]) -> bytes | None:
    """`data` with the one character replaced that makes it right; None when there is none.

    What was there before is looked for among the printable characters of ASCII.
    """
    if len(data) > _LONGEST:
        return None
    start = 0
    for character in data.decode():
        head, start = data[:start], start + len(character.encode())
        tail = data[start:]
        for other in _CHARACTERS:
            if right(head + other + tail):
                return head + other + tail
    return None


def explain_character(step: Step) -> list[tuple[str, Any, Any]]:
    """Which column had one character replaced, if that is what happened to a command."""
    content = (*step.row, step.digest.hex(), step.changes, step.facts)
    data = _encode(content)
    found = one_character(data, lambda tried: _digest(step.previous + tried) == step.stored)
    if found is None:
        return []
    was, now = msgspec.json.decode(found), msgspec.json.decode(data)
    names = (*JOURNAL, "digest", "changes")
    altered = [
        (f"journal seq={step.seq} {name}", right, wrong)
        for name, right, wrong in zip(names, was, now, strict=False)
        if right != wrong
    ]
    for (name, right), (_, rows) in zip(was[-1], step.facts, strict=False):
        altered += _with_rows(step, name, [tuple(row) for row in right]).altered if rows else []
    return altered


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()
