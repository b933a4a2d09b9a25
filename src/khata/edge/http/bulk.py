"""Thousands of commands in one request: each on its own, or all or nothing.

The whole body is decoded at once into a tagged union of all commands. Only when that fails are
the lines read one by one, so that a bad line names itself and its neighbours live.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, Union

import msgspec

from khata.app import VERBS, Khata, Line
from khata.base.actor import Actor
from khata.base.clock import to_iso
from khata.edge.client.answers import BulkAnswer, BulkOutcome
from khata.edge.http.operation import Operation, barred, lacks_scope
from khata.edge.http.problems import problem
from khata.edge.http.reading import WriteQuery, body_of, decoded, is_dry
from khata.edge.http.threads import Threads
from khata.edge.http.wire import JSON, Ask, Reply
from khata.engine.command import Command
from khata.engine.job import Outcome
from khata.errors import BatchRefused, Invalid, InvalidKey, KhataError
from khata.settings import Settings

MOST_LINES: Final = 10_000
AnyCommand = Union[tuple(verb.command for verb in VERBS.offered)]  # type: ignore[valid-type]  # noqa: UP007 - a union made at run time
_encode: Final = msgspec.json.Encoder(enc_hook=str).encode


class BulkLine(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """A command with its idempotency key."""

    key: str
    command: AnyCommand  # type: ignore[valid-type]  # made at run time


class BulkBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`atomic`: all or nothing, then for at most 2,000 lines. Up to 10,000 lines otherwise."""

    lines: list[BulkLine]
    atomic: bool = False


class _RawLines(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    lines: list[msgspec.Raw]
    atomic: bool = False


class _RawLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    key: str
    command: msgspec.Raw


_bulk: Final = msgspec.json.Decoder(BulkBody)
_raw_lines: Final = msgspec.json.Decoder(_RawLines)
_raw_line: Final = msgspec.json.Decoder(_RawLine)
_line: Final = msgspec.json.Decoder(BulkLine)

_EXAMPLE: Final = {
    "lines": [
        {
            "key": "salary-2026-01-alice",
            "command": {
                "kind": "wallets.credit",
                "wallet": "alice/personal/BDT",
                "amount": {"amount": "1000.00", "currency": "BDT"},
            },
        }
    ]
}


def bulk_operation(
    settings: Settings, threads: Threads, scopes: Mapping[type[Command], str]
) -> Operation:
    """The operation; it works in a thread of its own, so that others are not kept waiting.

    `scopes`: what a key needs for a command that has an operation of its own.
    """

    async def run(ask: Ask) -> Reply:
        dry = is_dry(ask)
        body = await body_of(ask, settings.max_bulk_body)
        answer = await threads.carry(
            carry,
            ask.book,
            ask.actor,
            body,
            dry_run=dry,
            patience=settings.timeout_seconds,
            without=barred(scopes, ask),
        )
        return Reply(200, answer, JSON)

    return Operation(
        method="POST",
        path="/v1/bulk",
        name="bulk",
        tag="bulk",
        summary="Carry out many commands, each under its own key",
        about="Every line has its own outcome, in the order of the lines; with `atomic` the first"
        " line that is refused refuses all (`batch_refused`).",
        run=run,
        gives=BulkAnswer,
        scope="write",
        query=WriteQuery,
        body=BulkBody,
        example=_EXAMPLE,
    )


def carry(
    book: Khata,
    actor: Actor,
    body: bytes,
    *,
    dry_run: bool,
    patience: int,
    without: frozenset[type[Command]] = frozenset(),
) -> bytes:
    """From the bytes of a bulk request to those of its answer. `without`: what its key may not do.

    Errors: `Invalid`; `BatchRefused` when it is atomic; `Unavailable` when nothing was accepted.
    """
    lines, atomic = _lines(body)
    lines = [_admitted(line, without) for line in lines]
    good: list[Line] = [line for line in lines if isinstance(line, tuple)]
    if atomic and len(good) < len(lines):
        raise _refused(lines)
    outcomes = iter(
        book.submit_many(good, atomic=atomic, actor=actor, dry_run=dry_run, timeout=patience)
    )
    return _answer(lines, [next(outcomes) if isinstance(x, tuple) else x for x in lines])


def _lines(body: bytes) -> tuple[list[tuple[str, Any] | KhataError], bool]:
    try:
        asked = _bulk.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raw = decoded(_raw_lines, body)
        _check_count(len(raw.lines))
        return [_read(line) for line in raw.lines], raw.atomic
    _check_count(len(asked.lines))
    return [(line.key, line.command) for line in asked.lines], asked.atomic


def _admitted(
    line: tuple[str, Any] | KhataError, without: frozenset[type[Command]]
) -> tuple[str, Any] | KhataError:
    if isinstance(line, tuple) and type(line[1]) in without:
        return lacks_scope(line[1], key=line[0][:255])
    return line


def _read(raw: msgspec.Raw) -> tuple[str, Any] | KhataError:
    """One line; an error keeps its key, when it has one, for the answer."""
    try:
        found = decoded(_line, bytes(raw))
    except KhataError as error:
        return _explained(raw, error)
    return found.key, found.command


def _explained(raw: msgspec.Raw, error: KhataError) -> KhataError:
    try:
        line = _raw_line.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return InvalidKey("A line has a key and a command.", expected=["key", "command"])
    try:
        VERBS.read(bytes(line.command), from_outside=True)
    except KhataError as better:
        better.details["key"] = line.key[:255]
        return better
    except (UnicodeDecodeError, RecursionError):
        return error
    return error


def _check_count(count: int) -> None:
    if not 1 <= count <= MOST_LINES:
        raise Invalid("A bulk has 1 to 10000 lines.", expected=f"1 to {MOST_LINES}", got=count)


def _refused(lines: list[tuple[str, Any] | KhataError]) -> BatchRefused:
    index, error = next((i, x) for i, x in enumerate(lines) if isinstance(x, KhataError))
    return BatchRefused(
        f"Line {index}: {error.message} Nothing of the batch was carried out.",
        index=index,
        reason=error.code,
        details=error.details,
    )


def _answer(lines: list[tuple[str, Any] | KhataError], outcomes: list[Outcome]) -> bytes:
    told = [
        _outcome(index, line, outcome)
        for index, (line, outcome) in enumerate(zip(lines, outcomes, strict=True))
    ]
    refused = sum(item.error is not None for item in told)
    replayed = sum(item.replayed is True for item in told)
    return _encode(BulkAnswer(len(told) - refused - replayed, refused, replayed, told))


def _outcome(index: int, line: tuple[str, Any] | KhataError, outcome: Outcome) -> BulkOutcome:
    if isinstance(outcome, KhataError):
        key = line[0] if isinstance(line, tuple) else outcome.details.pop("key", None)
        return BulkOutcome(index, key, error=problem(outcome))
    assert isinstance(line, tuple)
    return BulkOutcome(
        index, line[0], outcome.seq, _iso(outcome.at), outcome.replayed, outcome.result
    )


@lru_cache(maxsize=256)
def _iso(instant: int) -> str:
    return to_iso(instant)
