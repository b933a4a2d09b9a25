"""The journal: one row for each command that succeeded, chained by hashes.

    hash(n) = SHA-256( hash(n-1) ‖ JSON [seq, key, digest, kind, actor, at, command, result,
                                         changes, facts] )

`changes` lists [table, key, digest] for every state that the command created or changed;
`facts` lists [table, rows] for every fact it wrote, tables by name. Whoever has the tables can
compute the chain again; whoever has kept one hash can prove what came before it.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

import msgspec

from khata.base.clock import Instant
from khata.engine.records import Row

GENESIS: Final = bytes(32)
"""The hash before the first command of every book."""

_encode: Final = msgspec.json.Encoder().encode


class Head(msgspec.Struct, frozen=True):
    """Where a book stands: its last command, and the end of its two chains."""

    seq: int
    hash: bytes
    at: Instant
    refusals: int
    refusals_hash: bytes


class JournalRow(msgspec.Struct, frozen=True, gc=False):
    """A command that succeeded, as stored. `command`, `result`, `changes` are JSON texts."""

    seq: int
    key: str
    digest: bytes
    kind: str
    actor: str
    at: Instant
    command: str
    result: str
    changes: str | None
    hash: bytes


class Receipt(msgspec.Struct, frozen=True, gc=False):
    """The answer to a command. `replayed`: it was carried out before, under this key."""

    seq: int
    key: str
    at: Instant
    result: Any
    replayed: bool = False


_PIECE: Final = 2047
"""From 2048 bytes on hashlib gives Python's lock up, and the writer would have to win it back."""

Facts = list[tuple[str, list[Row]]]
"""Facts of one command: (table, rows) with tables in alphabetical order."""


def chain(
    previous: bytes, row: tuple[Any, ...], digest: bytes, changes: str | None, facts: Facts
) -> bytes:
    """The hash of a journal row. `row`: seq, key, kind, actor, at, command, result."""
    canonical = _encode((*row, digest.hex(), changes, facts))
    whole = hashlib.sha256(previous)
    for at in range(0, len(canonical), _PIECE):
        whole.update(canonical[at : at + _PIECE])
    return whole.digest()


class Refusal(msgspec.Struct, frozen=True):
    """A command that was refused, kept for the audit in a chain of its own."""

    n: int
    key: str
    kind: str
    actor: str
    at: Instant
    code: str
    detail: str
    hash: bytes


def refusal_hash(previous: bytes, fields: tuple[Any, ...]) -> bytes:
    """The hash of a refusal. `fields`: n, key, kind, actor, at, code, detail."""
    return hashlib.sha256(previous + _encode(fields)).digest()
