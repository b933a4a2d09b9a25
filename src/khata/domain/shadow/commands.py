"""Shadow mode: defining flows, switching them, and keeping what was compared."""

from __future__ import annotations

import re
from typing import Any, Final

from msgspec import field

from khata.base.clock import DAY, SECOND
from khata.domain.ledger import check_reason
from khata.domain.setup import acts_alone
from khata.domain.shadow import rules
from khata.domain.shadow.comparing import MOST_DIFFERENCES, is_amount, plain, signature_of
from khata.domain.shadow.model import (
    MODES,
    MOST_SIGNATURES,
    OTHER,
    WHOLE,
    Compared,
    Comparison,
    Difference,
    Example,
    Flow,
    FlowChange,
    FlowSignature,
    FlowState,
    FlowTally,
    Rate,
)
from khata.engine.book import Book
from khata.engine.command import Command, Verbs
from khata.errors import ApprovalRequired, Invalid
from khata.errors.operations import FlowNotFound, GateClosed

VERBS: Final = Verbs()
_NAME: Final = re.compile(r"[a-z][a-z0-9_.-]{0,39}")
_BOOK: Final = re.compile(r"[A-Za-z0-9_-]{1,60}")
_MOST_NAMED: Final = 100
_MOST_TEXT: Final = 200
_MOST_NUMBER: Final = 1 << 62
_DAYS: Final = DAY // SECOND
_WEEK: Final = 7 * _DAYS
_RULES: Final = ("window_seconds", "fields", "codes", "ignored", "tolerances")
"""Under other rules than these nothing that was compared before counts for the gate."""


class DefineFlow(Command, frozen=True, tag="shadow.define", omit_defaults=True):
    """Say how a flow is compared, and when it may be relied on; a new one is off.

    `gate`: basis points of comparisons that must match, of at least `least` in the window.
    Defining it anew changes all of it but the mode, and what was compared under other rules counts
    no more for the gate.
    """

    name: str
    into: str = "shadow"
    gate: int = 9900
    least: int = 1000
    window_seconds: int = _WEEK
    late_seconds: int = 300
    quiet_seconds: int = 900
    fields: dict[str, str] = field(default_factory=dict)
    codes: dict[str, str] = field(default_factory=dict)
    ignored: list[str] = field(default_factory=list)
    tolerances: dict[str, str] = field(default_factory=dict)
    masked: list[str] = field(default_factory=list)


class SwitchFlow(Command, frozen=True, tag="shadow.switch"):
    """Switch a flow to `off`, `shadow` or `primary`, at once. Back is always allowed; to primary
    only while the gate is open, or when a second person approves.
    """

    flow: str
    mode: str
    reason: str


class Compare(Command, frozen=True, tag="shadow.compare", omit_defaults=True):
    """Keep what came of comparing two answers: see `Comparison`. Values were masked before.

    `failed`: our side failed, which is no refusal. `dropped`: comparisons that were given up
    since the last one.
    """

    flow: str
    reference: str
    theirs: str | None
    ours: str | None
    differences: list[Difference] = field(default_factory=list)
    command: str | None = None
    number: int | None = None
    carried_as: int | None = None
    event_at: int | None = None
    failed: bool = False
    dropped: int = 0


@VERBS.handles(DefineFlow, roles=("admin",))
def define(book: Book, command: DefineFlow) -> FlowState:
    """Errors: `Invalid`; `ApprovalRequired` where one person alone lowers the gate of a flow."""
    _check_flow(command)
    values = {name: getattr(command, name) for name in command.__struct_fields__}
    known = book.peek(Flow, command.name)
    if known is None:
        flow = book.add(Flow(**values, mode="off", defined_at=book.now, mode_since=book.now))
        return rules.state_of(flow)
    _check_lowered(book, known, command)
    flow = book.change(known, **values)
    tally = book.peek(FlowTally, flow.name)
    if tally is not None and any(getattr(known, name) != values[name] for name in _RULES):
        book.change(tally, slices=[])
    return rules.state_of(flow)


@VERBS.handles(SwitchFlow, roles=("admin", "finance"))
def switch(book: Book, command: SwitchFlow) -> FlowState:
    """Errors: `FlowNotFound`; `Invalid` mode or reason; `GateClosed` with `reason` `too_few` or
    `below_gate`. A flow that is in that mode already stays as it is.
    """
    check_reason(command.reason)
    flow = _flow_of(book, command.flow)
    mode = next((mode for mode in MODES if mode == command.mode), None)
    if mode is None:
        raise Invalid("No flow has this mode.", expected=list(MODES), got=command.mode[:40])
    if mode == flow.mode:
        return rules.state_of(flow)
    window = rules.in_window(flow, book.peek(FlowTally, flow.name), book.now)
    closed = rules.why_closed(flow, window) if mode == "primary" else None
    if closed is not None and not book.approved:
        raise _closed(flow, window, closed)
    change = FlowChange(
        flow=flow.name,
        seq=book.seq,
        n=0,
        before=flow.mode,
        after=mode,
        reason=command.reason,
        by=str(book.actor),
        compared=window.compared,
        matched=window.matched,
        forced=closed is not None,
        at=book.now,
    )
    book.add(change)
    book.announce(
        "shadow.switched",
        f"flow/{flow.name}",
        before=flow.mode,
        after=mode,
        forced=change.forced,
        reason=command.reason,
    )
    return rules.state_of(book.change(flow, mode=mode, mode_since=book.now))


@VERBS.handles(Compare, roles=("service",), internal=True)
def compare(book: Book, command: Compare) -> Compared:
    """Errors: `FlowNotFound`; `Invalid` for what no comparison is."""
    _check_comparison(command)
    flow = _flow_of(book, command.flow)
    tally = book.peek(FlowTally, flow.name) or book.add(rules.new_tally(flow.name))
    last = tally.last_number
    late = command.event_at is not None and flow.late_seconds > 0
    signature = signature_of(
        command.command,
        command.theirs,
        command.ours,
        command.differences,
        late=late and book.now - (command.event_at or 0) > flow.late_seconds * SECOND,
        reordered=command.number is not None and last is not None and command.number < last,
    )
    fresh = 0
    if signature is not None:
        signature, fresh = _count_signature(book, tally, command, signature)
    _count(book, flow, tally, command, matched=signature is None, fresh=fresh)
    kept = Comparison(
        flow=flow.name,
        seq=book.seq,
        n=0,
        reference=command.reference,
        command=command.command,
        outcome="match" if signature is None else "mismatch",
        signature=signature,
        theirs=command.theirs,
        ours=command.ours,
        differences=command.differences[:MOST_DIFFERENCES],
        number=command.number,
        carried_as=command.carried_as,
        event_at=command.event_at,
        at=book.now,
    )
    book.add(kept)
    return Compared(flow.name, kept.outcome, signature)


# ── counting ─────────────────────────────────────────────────────────────────────────


def _count(
    book: Book, flow: Flow, tally: FlowTally, command: Compare, *, matched: bool, fresh: int
) -> None:
    numbers: dict[str, Any] = {}
    if command.number is not None:
        known = (tally.first_number, tally.last_number, command.number)
        given = [number for number in known if number is not None]
        numbers = {"first_number": min(given), "last_number": max(given)}
    book.change(
        tally,
        compared=tally.compared + 1,
        matched=tally.matched + matched,
        errors=tally.errors + command.failed,
        dropped=tally.dropped + command.dropped,
        signatures=tally.signatures + fresh,
        received=tally.received + (command.number is not None),
        last_at=tally.last_at if command.failed else book.now,  # a failure compares nothing
        slices=rules.counted(tally.slices, flow.window_seconds, book.now, matched=matched),
        **numbers,
    )


def _count_signature(
    book: Book, tally: FlowTally, command: Compare, signature: str
) -> tuple[str, int]:
    """The signature under which a difference is counted, and 1 when it is a new one."""
    found = book.peek(FlowSignature, (tally.flow, signature))
    if found is None and tally.signatures >= MOST_SIGNATURES:
        signature = OTHER
        found = book.peek(FlowSignature, (tally.flow, signature))
    parts = command.differences[:MOST_DIFFERENCES]
    example = Example(command.reference, command.number, book.now, parts)
    if found is not None:
        book.change(found, count=found.count + 1, last=example)
        return signature, 0
    book.add(FlowSignature(tally.flow, signature, 1, example, example))
    book.announce("shadow.differs", f"flow/{tally.flow}", signature=signature)
    return signature, 1


# ── what is refused ──────────────────────────────────────────────────────────────────


def _flow_of(book: Book, name: str) -> Flow:
    flow = book.peek(Flow, name)
    if flow is None:
        raise FlowNotFound(f"No flow {name[:60]!r}.", got=name[:60])
    return flow


def _closed(flow: Flow, window: Rate, closed: tuple[str, str]) -> GateClosed:
    reason, sentence = closed
    return GateClosed(
        f"{flow.name} cannot be relied on yet: {sentence} A second person may approve of it.",
        reason=reason,
        flow=flow.name,
        compared=window.compared,
        matched=window.matched,
        expected={"basis_points": flow.gate, "least": flow.least},
        got={"basis_points": window.basis_points, "compared": window.compared},
    )


def _check_lowered(book: Book, known: Flow, command: DefineFlow) -> None:
    """Who needs a second person to pass a closed gate needs one to lower it too."""
    for name in ("gate", "least"):
        before, after = getattr(known, name), getattr(command, name)
        if after < before and acts_alone(book):
            raise ApprovalRequired(
                f"To lower the {name} of {known.name} a second person must approve: ask for it"
                " first.",
                expected=f"at least {before}, or an approved request",
                got=after,
            )


def _check_flow(command: DefineFlow) -> None:
    if not _NAME.fullmatch(command.name):
        raise Invalid(
            f"{command.name[:60]!r} is not a name for a flow.",
            expected="1 to 40 of a-z 0-9 _ . -, a letter first",
            got=command.name[:60],
        )
    if not _BOOK.fullmatch(command.into):
        raise Invalid(
            f"{command.into[:60]!r} is not a book's name.", expected="shadow", got=command.into[:60]
        )
    bounds = (
        ("gate", 1, WHOLE),
        ("least", 1, 1_000_000),
        ("window_seconds", 60, 90 * _DAYS),
        ("late_seconds", 0, 90 * _DAYS),
        ("quiet_seconds", 1, 90 * _DAYS),
    )
    for name, least, most in bounds:
        value = getattr(command, name)
        if not least <= value <= most:
            raise Invalid(
                f"`{name}` is {least} to {most}.", expected=f"{least} to {most}", got=value
            )
    for name in ("fields", "codes", "ignored", "tolerances", "masked"):
        _check_names(name, getattr(command, name))
    for of, text in command.tolerances.items():
        if not is_amount(text):
            raise Invalid(
                f"The tolerance of {of[:60]} is not an amount.", expected="0.01", got=text[:40]
            )


def _check_names(name: str, given: dict[str, str] | list[str]) -> None:
    texts = [*given, *given.values()] if isinstance(given, dict) else given
    if len(given) > _MOST_NAMED or not all(_is_text(text) for text in texts):
        raise Invalid(
            f"`{name}` has at most 100 names of 1 to 200 characters.",
            expected="names",
            got=len(given),
        )


def _is_text(text: str) -> bool:
    return bool(text.strip()) and len(text) <= _MOST_TEXT and text == plain(text, _MOST_TEXT)


def _check_comparison(command: Compare) -> None:
    heads = [head for head in (command.command, command.theirs, command.ours) if head is not None]
    if not all(_is_text(text) for text in (command.reference, *heads)):
        raise Invalid("A comparison has a reference of 1 to 200 characters.", expected="reference")
    if command.theirs is None and command.ours is None:
        raise Invalid("Neither side answered: there is nothing to compare.", expected="an answer")
    numbers = (command.number, command.event_at, command.carried_as)
    if not all(number is None or 0 <= number < _MOST_NUMBER for number in numbers):
        raise Invalid("A number of a comparison is out of bounds.", expected=f"0 to {_MOST_NUMBER}")
