"""What people and programs may ask of sagas.

Every verb of an operator takes a reason and can be tried first as a dry run: the answer then tells
where the run would stand and what it would do next. Above the four-eyes limit letting money go
(skipping, resolving) needs a second person.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

from khata.base.clock import iso_or_none
from khata.base.money import Money, to_minor
from khata.domain.ledger import check_reason
from khata.domain.sagas import rules
from khata.domain.setup import FOUR_EYES, acts_alone, exponent_of, setting
from khata.engine.book import Book
from khata.engine.command import Command, Verbs
from khata.engine.sagas import (
    ENDED,
    IMPOSSIBLE,
    NEEDS_A_PERSON,
    Approval,
    Call,
    Move,
    Outcome,
    SagaRun,
    Schedule,
    start,
)
from khata.errors import (
    AlreadyExists,
    ApprovalRequired,
    Forbidden,
    Invalid,
    InvalidTransition,
    Irreversible,
    NotFound,
    RoleRequired,
    SagaBusy,
    SagaNotFound,
    SameApprover,
)

VERBS: Final = Verbs()
_MOST_TEXT: Final = 500


class SagaState(msgspec.Struct, frozen=True):
    """A run as its caller is told of it. `plan`: the steps, or undos, that are still to come."""

    id: str
    name: str
    version: int
    status: str
    step: str
    paused: bool
    done: list[str]
    plan: list[str]
    reference: str | None
    code: str | None
    message: str | None
    due_at: str | None
    amount: Money | None = None


class StartSaga(Command, frozen=True, tag="sagas.start", omit_defaults=True):
    """Start a saga. Runs with the same `serial` go one after the other; `priority`: 1, 0, -1."""

    name: str
    data: dict[str, Any]
    reference: str | None = None
    serial: str | None = None
    priority: int | None = None
    amount: Money | None = None


class SignalSaga(Command, frozen=True, tag="sagas.signal", omit_defaults=True):
    """Tell a run that something happened; it may come before the run waits for it."""

    saga: str
    name: str
    data: dict[str, Any] = msgspec.field(default_factory=dict)


class ApproveSaga(Command, frozen=True, tag="sagas.approve"):
    """Approve, or not, what a run waits for. Who started it cannot."""

    saga: str
    approved: bool
    reason: str


class RetrySaga(Command, frozen=True, tag="sagas.retry", omit_defaults=True):
    """Try the step again at which a run failed. `data`: what to change in its input."""

    saga: str
    reason: str
    data: dict[str, Any] = msgspec.field(default_factory=dict)


class SkipStep(Command, frozen=True, tag="sagas.skip"):
    """Go on without the step, or without the undo, at which a run is stuck."""

    saga: str
    reason: str


class ResolveSaga(Command, frozen=True, tag="sagas.resolve", omit_defaults=True):
    """Settle by hand what became of the step at which a run is.

    `outcome`: it was `done` (with `data` as its answer), it `failed` and what came before it is
    undone, or the whole run is `closed`, dealt with elsewhere. `evidence`: how one knows.
    """

    saga: str
    outcome: Literal["done", "failed", "closed"]
    evidence: str
    reason: str
    data: dict[str, Any] = msgspec.field(default_factory=dict)


class CompensateSaga(Command, frozen=True, tag="sagas.compensate"):
    """Undo what a stuck run has done."""

    saga: str
    reason: str


class CancelSaga(Command, frozen=True, tag="sagas.cancel"):
    """Call a run off and undo what it has done; a call under way is waited for first."""

    saga: str
    reason: str


class PauseSaga(Command, frozen=True, tag="sagas.pause"):
    """Keep workers off a run."""

    saga: str
    reason: str


class ResumeSaga(Command, frozen=True, tag="sagas.resume"):
    """Let workers go on with a paused run."""

    saga: str
    reason: str


class ScheduleSaga(Command, frozen=True, tag="sagas.schedule", omit_defaults=True):
    """Start a saga by the clock. `cron`: minute hour day month weekday, in the time zone `zone`."""

    name: str
    cron: str
    saga: str
    zone: str = "UTC"
    data: dict[str, Any] = msgspec.field(default_factory=dict)


class UnscheduleSaga(Command, frozen=True, tag="sagas.unschedule"):
    """Stop starting what a schedule is for."""

    name: str
    reason: str


# ── starting and telling ─────────────────────────────────────────────────────────────


@VERBS.handles(StartSaga, roles=("admin", "finance", "service"))
def start_saga(book: Book, command: StartSaga) -> SagaState:
    """Errors: `UnknownSaga`, `Invalid`; `Forbidden` for a saga that only commands of its own may
    start; those of an amount.
    """
    if not book.sagas.newest(command.name).saga.open_to_all:
        raise Forbidden(
            f"{command.name} is started by commands of its own.", expected="another saga"
        )
    if command.amount is not None:
        to_minor(command.amount.amount, exponent_of(book, command.amount.currency))
    rules.check_input(command.data)
    if not 1 <= len(command.serial or "-") <= _MOST_TEXT:
        raise Invalid("A serial has 1 to 500 characters.", got=(command.serial or "")[:60])
    name = start(
        book,
        command.name,
        command.data,
        reference=command.reference,
        serial=command.serial,
        priority=command.priority,
        amount=command.amount,
    )
    return state_of(book, book.get(SagaRun, name))


@VERBS.handles(SignalSaga, roles=("admin", "finance", "service"))
def signal(book: Book, command: SignalSaga) -> SagaState:
    """Errors: `SagaNotFound`, `InvalidTransition` once it has ended, `Invalid`."""
    run = _open(book, command.saga)
    if not rules.is_name(command.name):
        raise Invalid(
            "A signal's name has 1 to 60 letters, digits, - and _.",
            expected="such as receipt",
            got=command.name[:60],
        )
    return state_of(book, _signal(book, run, command.name, command.data))


def _signal(book: Book, run: SagaRun, name: str, data: dict[str, Any]) -> SagaRun:
    signals = {**run.data.get("signals", {}), name: data}
    if not rules.fits(signals):
        raise Invalid("The signals of a run have at most 16000 bytes.", got=name[:60])
    Move(book, run).note("signalled", run.step, {"signal": name})
    due_at = book.now if run.status == "waiting" else run.due_at
    return book.change(run, data={**run.data, "signals": signals}, due_at=due_at)


@VERBS.handles(ApproveSaga, roles=("admin", "finance", "warehouse", "logistics", "support"))
def approve(book: Book, command: ApproveSaga) -> SagaState:
    """Errors: `SagaNotFound`, `InvalidTransition` unless it waits for an approval, `RoleRequired`,
    `SameApprover`, `Invalid` reason.
    """
    check_reason(command.reason)
    run = _open(book, command.saga)
    step = book.sagas.of(run).steps.get(run.step)
    if not isinstance(step, Approval) or run.status != "waiting":
        raise _not_now(run, "waiting for an approval")
    if f"approval:{run.step}" in run.data.get("signals", {}):
        raise _not_now(run, "an approval that nobody has decided yet")
    if not book.actor.has(*step.roles):
        raise RoleRequired(
            f"{run.step} is for {', '.join(step.roles)}.", expected=sorted(step.roles)
        )
    if run.started_by.partition(":")[2] == book.actor.name:
        raise SameApprover("Who started it cannot approve.", asked_by=run.started_by)
    verdict = {"approved": command.approved, "reason": command.reason, "by": str(book.actor)}
    return state_of(book, _signal(book, run, f"approval:{run.step}", verdict))


# ── deciding ─────────────────────────────────────────────────────────────────────────


@VERBS.handles(RetrySaga, roles=("admin", "finance", "support"))
def retry(book: Book, command: RetrySaga) -> SagaState:
    """Errors: `SagaNotFound`, `InvalidTransition` when nothing has failed, `SagaBusy` for a change
    of input while a call is open, `Invalid` reason.
    """
    move = _decide(book, command.saga, command.reason)
    run = move.run
    if run.code is None and run.status not in {"unknown", *NEEDS_A_PERSON}:
        raise _not_now(run, "a failed step")
    if command.data and run.intent is not None:
        raise _busy(run)
    rules.check_input(command.data)
    if run.status == "stuck":
        move.status = "unknown" if run.intent is not None else "running"
    elif run.status == "compensation_stuck":
        move.status = "compensating"
    move.remember(command.data)
    move.note("retried", run.step, {"reason": command.reason, "changed": sorted(command.data)})
    move.fields |= {"attempt": 0, "due_at": book.now}
    return _saved(book, move)


@VERBS.handles(SkipStep, roles=("admin", "finance"))
def skip(book: Book, command: SkipStep) -> SagaState:
    """Errors: as `retry`; `InvalidTransition` unless it is stuck; `SagaBusy` while a call is open;
    `ApprovalRequired`.
    """
    move = _decide(book, command.saga, command.reason)
    _check_stuck(move.run)
    if move.run.intent is not None and move.run.status == "stuck":
        raise _busy(move.run)
    _check_stake(book, move.run)
    move.note("decided", move.step, {"reason": command.reason})
    _let_be(move, "skipped", {})
    return _saved(book, move)


@VERBS.handles(ResolveSaga, roles=("admin", "finance"))
def resolve(book: Book, command: ResolveSaga) -> SagaState:
    """Errors: as `skip`, but a call may be open: this is how one is settled; `Irreversible`."""
    move = _decide(book, command.saga, command.reason)
    run = move.run
    if not command.evidence.strip() or len(command.evidence) > _MOST_TEXT:
        raise Invalid("Give the evidence.", expected="1 to 500 characters")
    if run.status not in {"unknown", *NEEDS_A_PERSON} or _is_held(book, run):
        raise _not_now(run, "unknown or stuck")
    _check_stake(book, run)
    rules.check_input(command.data)
    move.note(
        "decided",
        run.step,
        {
            "outcome": command.outcome,
            "evidence": command.evidence,
            "reason": command.reason,
        },
    )
    if command.outcome == "closed":
        move.fields["intent"] = None
        move.end("resolved")
    elif command.outcome == "done":
        _let_be(move, "done", _settled(move, "done", command))
    elif run.status == "compensation_stuck":
        raise _not_now(run, "a step forward: an undo that failed is retried or skipped")
    else:
        move.status = "running"
        move.remember(_settled(move, "failed", command))
        move.fail("resolved_as_failed", command.reason)
    return _saved(book, move)


def _settled(
    move: Move, status: Literal["done", "failed"], command: ResolveSaga
) -> Mapping[str, Any] | None:
    """What a call's own functions make of a word that came from a person, not from a caller."""
    run, code = move.run, "resolved_as_failed"
    if not isinstance(move.at, Call):
        return command.data
    outcome = Outcome(status, command.data, code, command.reason)
    try:
        return move.settle(outcome)
    except (LookupError, TypeError, ValueError) as error:
        raise Invalid(
            f"{run.step} cannot take this as an answer ({type(error).__name__}).",
            expected="data as the call would have given it",
            got=sorted(command.data),
        ) from None


@VERBS.handles(CompensateSaga, roles=("admin", "finance"))
def compensate(book: Book, command: CompensateSaga) -> SagaState:
    """Errors: as `skip`; `Irreversible`."""
    move = _decide(book, command.saga, command.reason)
    _check_stuck(move.run)
    if move.run.status == "compensation_stuck":
        raise _not_now(move.run, "stuck on its way forward: retry or skip the undo")
    return _call_off(book, move, command.reason, "compensated by hand")


@VERBS.handles(CancelSaga, roles=("admin", "finance", "support"))
def cancel(book: Book, command: CancelSaga) -> SagaState:
    """Errors: as `compensate`; `InvalidTransition` when it goes back already."""
    move = _decide(book, command.saga, command.reason)
    run = move.run
    if run.status in {"compensating", "compensation_stuck"} or run.cause is not None:
        raise _not_now(run, "on its way forward")
    return _call_off(book, move, command.reason, "cancelled")


def _call_off(book: Book, move: Move, reason: str, cause: str) -> SagaState:
    run = move.run
    # a call that is known not to have been made needs no waiting for
    calling = run.intent is not None and not run.intent.again
    names = [*run.done, run.step] if calling else run.done
    stands = next((name for name in names if move.flow.undo_of(name) == IMPOSSIBLE), None)
    if stands is not None:
        raise Irreversible(f"{stands} was done, or may be, and cannot be undone.", step=stands)
    _check_stake(book, run)
    move.note("cancelled", run.step, {"reason": reason})
    if calling and run.status != "stuck":
        # the call may have been made: once it is known, it is undone with the rest
        move.fields["cause"] = cause
        return _saved(book, move, keep=True)
    if calling:
        raise _busy(run)
    move.undo_all(cause)
    return _saved(book, move)


@VERBS.handles(PauseSaga, roles=("admin", "finance", "support"))
def pause(book: Book, command: PauseSaga) -> SagaState:
    """Errors: `SagaNotFound`, `InvalidTransition` when it is paused or over, `Invalid` reason."""
    move = _decide(book, command.saga, command.reason)
    if move.run.paused:
        raise _not_now(move.run, "not paused")
    move.note("paused", move.step, {"reason": command.reason})
    move.fields["paused"] = True
    return _saved(book, move)


@VERBS.handles(ResumeSaga, roles=("admin", "finance", "support"))
def resume(book: Book, command: ResumeSaga) -> SagaState:
    """Errors: as `pause`."""
    move = _decide(book, command.saga, command.reason)
    if not move.run.paused:
        raise _not_now(move.run, "paused")
    move.note("resumed", move.step, {"reason": command.reason})
    move.fields["paused"] = False
    return _saved(book, move)


# ── schedules ────────────────────────────────────────────────────────────────────────


class ScheduleState(msgspec.Struct, frozen=True):
    """A schedule as its caller is told of it; when it is next is known once a worker has looked."""

    name: str
    cron: str
    zone: str
    saga: str
    enabled: bool


@VERBS.handles(ScheduleSaga, roles=("admin",))
def schedule(book: Book, command: ScheduleSaga) -> ScheduleState:
    """Errors: `Invalid`, `UnknownSaga`, `AlreadyExists` while one of this name is in force."""
    if not rules.is_name(command.name):
        raise Invalid(
            "A schedule's name has 1 to 60 letters, digits, - and _.",
            expected="such as nightly",
            got=command.name[:60],
        )
    rules.check_cron(command.cron, command.zone)
    if not book.sagas.newest(command.saga).saga.open_to_all:
        raise Forbidden(
            f"{command.saga} is started by commands of its own.", expected="another saga"
        )
    rules.check_input(command.data)
    known = book.peek(Schedule, command.name)
    if known is not None and known.enabled:
        raise AlreadyExists(f"There is a schedule {command.name}.", got=command.name)
    made = Schedule(
        command.name,
        command.cron,
        command.zone,
        command.saga,
        command.data,
        enabled=True,
        next_at=None,
        last_at=None,
    )
    if known is None:
        book.add(made)
    else:
        book.change(known, **msgspec.structs.asdict(made))
    return ScheduleState(made.name, made.cron, made.zone, made.saga, made.enabled)


@VERBS.handles(UnscheduleSaga, roles=("admin",))
def unschedule(book: Book, command: UnscheduleSaga) -> ScheduleState:
    """Errors: `NotFound`, `Invalid` reason."""
    check_reason(command.reason)
    known = book.peek(Schedule, command.name)
    if known is None or not known.enabled:
        raise NotFound(f"No schedule {command.name[:60]!r}.", got=command.name[:60])
    made = book.change(known, enabled=False, next_at=None)
    return ScheduleState(made.name, made.cron, made.zone, made.saga, made.enabled)


# ── shared ───────────────────────────────────────────────────────────────────────────


def _open(book: Book, name: str) -> SagaRun:
    run = book.peek(SagaRun, name)
    if run is None:
        raise SagaNotFound(f"No saga {name[:60]!r}.", got=name[:60])
    if run.status in ENDED:
        raise _not_now(run, "not over")
    return run


def _decide(book: Book, name: str, reason: str) -> Move:
    """The run a person decides about."""
    check_reason(reason)
    return Move(book, _open(book, name))


def _saved(book: Book, move: Move, *, keep: bool = False) -> SagaState:
    """Write it down. Whoever worked on the run is too late from here on, unless `keep`.

    A call that may be under way keeps its lease: nobody settles it, or makes it, beside that.
    """
    if not keep:
        move.fields["fence"] = move.run.fence + 1
        if move.run.intent is None or not _is_held(book, move.run):
            move.fields |= {"worker": None, "lease_until": None, "slot": None}
    move.save()
    return state_of(book, book.get(SagaRun, move.run.id))


def _let_be(move: Move, what: str, data: Mapping[str, Any] | None) -> None:
    """The step, or the undo, counts as over."""
    if move.run.status == "compensation_stuck":
        move.status = "compensating"
        move.undone(data, "undone" if what == "done" else what)
        if move.status == "compensating":
            move.fields["due_at"] = move.book.now
        return
    move.status = "running"
    move.fields["due_at"] = move.book.now
    move.advance(data, what)


def _is_held(book: Book, run: SagaRun) -> bool:
    return run.worker is not None and (run.lease_until or 0) > book.now


def _check_stuck(run: SagaRun) -> None:
    if run.status not in NEEDS_A_PERSON:
        raise _not_now(run, "stuck")


def _check_stake(book: Book, run: SagaRun) -> None:
    """Errors: `ApprovalRequired` above the four-eyes limit."""
    if run.amount is None or run.currency is None or not acts_alone(book):
        return
    limit = setting(book, FOUR_EYES).get(run.currency)
    places = exponent_of(book, run.currency)
    if limit is not None and to_minor(run.amount, places) > to_minor(str(limit), places):
        raise ApprovalRequired(
            f"{run.amount} {run.currency} are at stake; above {limit} a second person must"
            " approve: ask for it first.",
            expected=f"at most {limit} {run.currency}, or an approved request",
            got=run.amount,
            currency=run.currency,
        )


def _not_now(run: SagaRun, expected: str) -> InvalidTransition:
    return InvalidTransition(f"{run.id} is {run.status}.", expected=expected, got=run.status)


def _busy(run: SagaRun) -> SagaBusy:
    return SagaBusy(
        f"{run.id} has a call whose outcome is not known: resolve it first.",
        expected="an outcome",
        got=run.intent.key if run.intent else None,
    )


def state_of(book: Book, run: SagaRun) -> SagaState:
    """The run as its caller is told of it."""
    return SagaState(
        run.id,
        run.name,
        run.version,
        run.status,
        run.step,
        run.paused,
        run.done,
        rules.plan(book.sagas.of(run), run),
        run.reference,
        run.code,
        run.message,
        iso_or_none(run.due_at),
        Money(run.amount, run.currency) if run.amount and run.currency else None,
    )
