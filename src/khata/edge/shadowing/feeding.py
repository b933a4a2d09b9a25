"""Shadow mode off a stream: what another system did, as JSON lines, done again and compared.

Each line is an event: what was asked over there, as a command of Khata's, and what came of it.
Commands are carried out in the flow's book, in the order of the lines, under the key
`shadow/<flow>/<seq>`; so an event that comes again changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal, InvalidOperation
from itertools import islice
from typing import Any, Final

import msgspec

from khata.app import Khata, Line
from khata.base.actor import WORKER, Actor
from khata.base.clock import from_iso
from khata.domain.shadow import (
    Answer,
    Compared,
    Event,
    Fed,
    Flow,
    compared_numbers,
    flow_record,
    plain,
)
from khata.edge.shadowing.answers import Ours, compared, ours_of, ours_of_error
from khata.engine.command import Command
from khata.engine.journal import Receipt
from khata.errors import Broken, Invalid, KeyReused, KhataError, ScopeRequired
from khata.errors.operations import FlowNotFound

AT_ONCE: Final = 500
_MOST_REFERENCE: Final = 200
_MOST_KIND: Final = 80
_MOST_NUMBER: Final = 1 << 62


class _Turn(msgspec.Struct):
    """An event on its way, and what is known of it so far."""

    event: Event
    flow: Flow | None = None
    theirs: Answer | None = None
    event_at: int | None = None
    kind: str | None = None
    command: Any = None
    ours: Ours = Ours(None)
    fed: Fed | None = None


def digits(text: str) -> Decimal | str:
    """A number with all its digits; one that no decimal can hold stays the text that it was."""
    try:
        return Decimal(text)
    except InvalidOperation:
        return text


_event: Final = msgspec.json.Decoder(Event, float_hook=digits)


def read_event(line: bytes | str) -> Event:
    """The event in a line of JSON; amounts that are no strings keep all their digits.

    Errors: `Invalid`.
    """
    try:
        return _event.decode(line)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise Invalid(
            f"This is not an event: {error}", expected=list(Event.__struct_fields__)
        ) from None


def feed_all(
    book: Khata,
    into: Callable[[str], Khata],
    events: Iterable[Event],
    *,
    actor: Actor,
    at_once: int = AT_ONCE,
) -> Iterator[Fed]:
    """What became of each of many events, in their order, fed `at_once`. Errors: as `feed`."""
    waiting = iter(events)
    while part := list(islice(waiting, at_once)):
        yield from feed(book, into, part, actor=actor)


def feed(
    book: Khata,
    into: Callable[[str], Khata],
    events: Sequence[Event],
    *,
    actor: Actor,
    without: frozenset[type[Command]] = frozenset(),
) -> list[Fed]:
    """Carry events out and compare what comes of them. `into`: the book with a name. `actor`: who
    acts there, of what roles. `without`: commands that this actor's key may not give.

    Errors: `Unavailable`, and those of `into`; feed the same events again, then: what was compared
    already is not compared twice.
    """
    turns = [_Turn(event) for event in events]
    _look(book, turns)
    for turn in turns:
        if turn.fed is None:
            _read(book, turn, without)
    _carry_out(into, turns, actor)
    _keep(book, turns)
    return [turn.fed for turn in turns if turn.fed is not None]


def _look(book: Khata, turns: list[_Turn]) -> None:
    """Find the flows, and what was compared before."""
    numbers: dict[str, set[int]] = {}
    for turn in turns:
        event = turn.event
        if not 0 <= event.seq < _MOST_NUMBER:
            turn.fed = _refused(
                event, Invalid("An event's `seq` is a number from 0.", got=event.seq)
            )
        else:
            numbers.setdefault(event.flow, set()).add(event.seq)
    flows: dict[str, Flow] = {}
    known: dict[tuple[str, int], str | None] = {}
    with book.view() as view:
        for name, wanted in numbers.items():
            try:
                flows[name] = flow_record(view, name)
            except FlowNotFound:
                continue
            before = compared_numbers(view, name, wanted)
            known |= {(name, number): item.signature for number, item in before.items()}
    for turn in turns:
        event = turn.event
        turn.flow = flows.get(event.flow)
        if turn.fed is not None:
            continue
        if turn.flow is None:
            missing = FlowNotFound(f"No flow {event.flow[:60]!r}.", got=event.flow[:60])
            turn.fed = _refused(event, missing)
        elif (event.flow, event.seq) in known:
            turn.fed = Fed(event.flow, event.seq, "known", known[event.flow, event.seq])
        elif turn.flow.mode != "shadow":
            turn.fed = Fed(event.flow, event.seq, turn.flow.mode)


def _read(book: Khata, turn: _Turn, without: frozenset[type[Command]]) -> None:
    """What they answered, and what we are to do. A command that is none of ours is our refusal."""
    event = turn.event
    try:
        turn.theirs = _answer(event.outcome)
        turn.event_at = max(from_iso(event.at), 0)
        _check(event)
    except Invalid as error:
        turn.fed = _refused(event, error)
        return
    if event.command is None:
        return
    kind = event.command.get("kind")
    turn.kind = plain(kind, _MOST_KIND) if type(kind) is str and kind.strip() else None
    try:
        turn.command = book.verbs.read(_encoded(event.command), from_outside=True)
    except KhataError as error:
        turn.ours = ours_of_error(error)
        return
    if type(turn.command) in without:
        turn.fed = _refused(
            event, ScopeRequired(f"{turn.kind} needs another scope.", got=turn.kind)
        )


def _check(event: Event) -> None:
    if not event.reference.strip() or len(event.reference) > _MOST_REFERENCE:
        raise Invalid("An event has a reference of 1 to 200 characters.", expected="reference")
    if event.command is None and event.outcome is None:
        raise Invalid("An event has a command, an outcome, or both.", expected="command")


def _answer(outcome: dict[str, Any] | None) -> Answer | None:
    if outcome is None:
        return None
    fields = dict(outcome)
    ok, code = fields.pop("ok", None), fields.pop("code", None)
    if type(ok) is not bool or not (code is None or type(code) is str):
        raise Invalid(
            "An outcome says whether it was `ok`, and may have a `code`.",
            expected={"ok": True},
            got=[str(ok)[:40], str(code)[:40]],
        )
    return Answer(ok, code, fields)


def _encoded(command: dict[str, Any]) -> bytes:
    try:
        return msgspec.json.encode(command)
    except (UnicodeError, TypeError, RecursionError) as error:
        raise Invalid(f"This command cannot be written: {error}", expected="a command") from None


def _carry_out(into: Callable[[str], Khata], turns: list[_Turn], actor: Actor) -> None:
    by_book: dict[str, list[_Turn]] = {}
    for turn in turns:
        if turn.fed is None and turn.command is not None and turn.flow is not None:
            by_book.setdefault(turn.flow.into, []).append(turn)
    for name, those in by_book.items():
        lines: list[Line] = [(_key(turn.event), turn.command) for turn in those]
        for turn, outcome in zip(those, into(name).submit_many(lines, actor=actor), strict=True):
            if isinstance(outcome, KhataError) and outcome.retryable:
                raise outcome
            turn.ours = ours_of(outcome)


def _keep(book: Khata, turns: list[_Turn]) -> None:
    kept = [turn for turn in turns if turn.fed is None]
    lines: list[Line] = [(f"{_key(turn.event)}/compared", _comparison(turn)) for turn in kept]
    for turn, outcome in zip(kept, book.submit_many(lines, actor=WORKER), strict=True):
        turn.fed = _fed(turn.event, outcome)


def _comparison(turn: _Turn) -> Any:
    assert turn.flow is not None
    return compared(
        turn.flow,
        turn.event.reference,
        turn.theirs,
        turn.ours,
        kind=turn.kind,
        number=turn.event.seq,
        event_at=turn.event_at,
    )


def _fed(event: Event, outcome: Receipt | KhataError) -> Fed:
    if isinstance(outcome, KeyReused):  # another feeder was faster
        return Fed(event.flow, event.seq, "known")
    if isinstance(outcome, KhataError):
        if outcome.retryable or isinstance(outcome, Broken):
            raise outcome
        return _refused(event, outcome)
    found: Compared = outcome.result
    if outcome.replayed:
        return Fed(event.flow, event.seq, "known", found.signature)
    status: Any = found.outcome
    return Fed(event.flow, event.seq, status, found.signature)


def _key(event: Event) -> str:
    return f"shadow/{event.flow}/{event.seq}"


def _refused(event: Event, error: KhataError) -> Fed:
    return Fed(event.flow[:60], event.seq, "refused", None, error.code, error.message)
