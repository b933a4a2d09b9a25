"""What a worker asks of the book. None of it is for people: see `khata.domain.sagas` for that.

A worker holds a run by a lease; its fence, which goes up whenever the run changes hands, is
checked in the very commands that move it. Who lost the lease can change nothing any more.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from khata.base.clock import SECOND, Instant
from khata.engine.book import Book
from khata.engine.command import Command, Verbs
from khata.engine.sagas.model import ENDED, NEEDS_A_PERSON, SagaRun, Schedule
from khata.engine.sagas.moving import MOST_TEXT, Move, Progress, plain
from khata.engine.sagas.outcome import Intent, Outcome
from khata.engine.sagas.retry import STEADFAST, USUAL, Retry
from khata.engine.sagas.starting import start
from khata.engine.sagas.steps import Call, Local
from khata.errors import Invalid, InvalidTransition, LeaseLost, NotFound

VERBS: Final = Verbs()
NOT_CONFIGURED: Final = "provider_not_configured"
"""The code of a call that nobody here can make."""
_ELSEWHERE: Final[Instant] = 30 * SECOND
_MOST_CLAIMED: Final = 1000


class Claim(Command, frozen=True, tag="sagas.claim"):
    """Take runs that are due, for `seconds`. Those that are not free any more are left out."""

    worker: str
    sagas: list[str]
    seconds: int


class Renew(Command, frozen=True, tag="sagas.renew"):
    """Hold runs for another `seconds`: their calls take long."""

    worker: str
    sagas: list[str]
    seconds: int


class Release(Command, frozen=True, tag="sagas.release"):
    """Give runs back, so that others need not wait for the lease to end."""

    worker: str
    sagas: list[str]


class Step(Command, frozen=True, tag="sagas.step"):
    """Do the local step that the run is at, or undo it on the way back."""

    saga: str
    step: str
    fence: int


class Intend(Command, frozen=True, tag="sagas.intend"):
    """Decide a call before it is made. `scope`: what makes keys of this book its own."""

    saga: str
    step: str
    fence: int
    scope: str


class Conclude(Command, frozen=True, tag="sagas.conclude"):
    """Tell what became of a call."""

    saga: str
    step: str
    fence: int
    outcome: Outcome


class Fail(Command, frozen=True, tag="sagas.fail"):
    """Tell that a local step, or what a call asks for, was refused: it is tried again, or what
    was done is undone.
    """

    saga: str
    step: str
    fence: int
    code: str
    message: str
    retryable: bool


class Halt(Command, frozen=True, tag="sagas.halt"):
    """Tell that the run cannot go on by itself: a fault in a step, an effect that was refused."""

    saga: str
    step: str
    fence: int
    code: str
    message: str


class Fire(Command, frozen=True, tag="sagas.fire"):
    """Start what a schedule is for, if it is still due at `due_at`, and note when it is next.

    With `due_at` None nothing is started: it is only noted when it is due first.
    """

    schedule: str
    due_at: int | None
    next_at: int | None


class Claimed(msgspec.Struct, frozen=True, gc=False):
    """Runs that are the worker's own now."""

    runs: list[Progress]


@VERBS.handles(Claim, roles=("service",), internal=True)
def claim(book: Book, command: Claim) -> Claimed:
    """Errors: `Invalid`."""
    if len(command.sagas) > _MOST_CLAIMED or not 1 <= command.seconds <= 3600:  # noqa: PLR2004 - an hour
        raise Invalid(
            "A worker claims at most 1000 runs for 1 to 3600 seconds.",
            expected=_MOST_CLAIMED,
            got=len(command.sagas),
        )
    found = []
    for name in command.sagas:
        run = book.peek(SagaRun, name)
        if run is not None and _is_free(book, run, command.worker):
            found.append(_take(book, run, command))
    return Claimed([progress for progress in found if progress.leased])


def _is_free(book: Book, run: SagaRun, worker: str) -> bool:
    if run.status in ENDED or run.paused or run.due_at is None or run.due_at > book.now:
        return False
    if run.worker not in (None, worker) and (run.lease_until or 0) > book.now:
        return False
    flow = book.sagas.of(run)
    most = flow.saga.most
    if not flow.knows(run):
        return False
    if most is None:
        return True
    others = [other for other in book.find(SagaRun, slot=run.name) if other.id != run.id]
    return bool(sum((other.lease_until or 0) > book.now for other in others) < most)


def _take(book: Book, run: SagaRun, command: Claim) -> Progress:
    move = Move(book, run)
    move.fields |= {
        "worker": command.worker,
        "lease_until": book.now + command.seconds * SECOND,
        "fence": run.fence + 1,
        "slot": run.name if move.flow.saga.most is not None else None,
    }
    return move.save()


@VERBS.handles(Renew, roles=("service",), internal=True)
def renew(book: Book, command: Renew) -> int:
    """How many are still the worker's, and held for longer now."""
    count = 0
    for name in command.sagas:
        run = book.peek(SagaRun, name)
        if run is not None and run.worker == command.worker:
            book.change(run, lease_until=book.now + command.seconds * SECOND)
            count += 1
    return count


@VERBS.handles(Release, roles=("service",), internal=True)
def release(book: Book, command: Release) -> int:
    """How many were given back. The fence goes up: whoever still works on one is too late."""
    count = 0
    for name in command.sagas:
        run = book.peek(SagaRun, name)
        if run is not None and run.worker == command.worker:
            book.change(run, worker=None, lease_until=None, slot=None, fence=run.fence + 1)
            count += 1
    return count


@VERBS.handles(Step, roles=("service",), internal=True)
def step(book: Book, command: Step) -> Progress:
    """Errors: those of the step; `LeaseLost`; `UnknownSaga`."""
    move = _held(book, command)
    if move.is_late:
        return _timed_out(move)
    if move.status == "compensating":
        undo: Any = move.flow.undo_of(move.step)
        if isinstance(undo, Call):
            raise _not_now(move, "a call")
        move.undone(undo(book, move.view()))
        return move.save()
    wanted = move.flow.steps[move.step]
    if isinstance(wanted, Local):
        move.advance(wanted.do(book, move.view()))
    elif isinstance(wanted, Call):
        raise _not_now(move, "a call")
    else:
        move.look()
    return move.save()


@VERBS.handles(Intend, roles=("service",), internal=True)
def intend(book: Book, command: Intend) -> Progress:
    """The intent, the same one however often it is asked for. Errors: those of the request."""
    move = _held(book, command)
    if move.is_late:
        return _timed_out(move)
    if move.run.intent is not None:
        # whoever intended it may have made the call before it lost the run, unless it was busy
        intent = move.run.intent
        sent = msgspec.structs.replace(intent, sent=not intent.again, again=False)
        if sent != intent:
            move.fields["intent"] = sent
    else:
        call = _call(move)
        back = ".undo" if move.status == "compensating" else ""
        key = f"{command.scope}.{move.run.id}.{move.step}{back}"
        request = plain(call.request(book, move.view()))
        intent = Intent(move.step, key, call.to, request)
        move.note("intended", move.step, {"key": key, "to": call.to})
        # however long it waited to be asked for: the call has all its tries
        move.fields |= {"intent": intent, "attempt": 0}
    return move.save()


@VERBS.handles(Conclude, roles=("service",), internal=True)
def conclude(book: Book, command: Conclude) -> Progress:
    """Errors: those of the call's effect; `LeaseLost`; `InvalidTransition` without an intent."""
    move = _held(book, command)
    intent, outcome = move.run.intent, command.outcome
    if intent is None:
        raise _not_now(move, "nothing was called")
    call = _call(move)
    if outcome.status == "done":
        remembered = move.settle(outcome)
        if move.status == "compensating":
            move.undone(remembered)
        else:
            move.status = "running"
            move.advance(remembered, detail=outcome.data)
    elif _is_elsewhere(intent, outcome):
        _leave(move, intent, outcome)
    elif outcome.status == "unknown":
        _ask_later(move, call, intent, outcome)
    elif outcome.status == "busy" and (move.run.cause is None or move.status == "compensating"):
        _call_later(move, call, intent, outcome)
    else:
        _refused(move, call, outcome)
    return move.save()


def _ask_later(move: Move, call: Call, intent: Intent, outcome: Outcome) -> None:
    pause = call.ask.pause(intent.asked + 1, f"{move.run.id}.{move.step}.ask")
    asked = msgspec.structs.replace(intent, asked=intent.asked + 1, again=False)
    move.fields["intent"] = asked
    if pause is None:
        move.halt("unknown_outcome", outcome.message or "Nobody could tell what became of it.")
        return
    if intent.asked == 0:
        move.note("unknown", move.step, {"code": outcome.code})
        if call.unknown is not None:
            move.remember(call.unknown(move.book, move.view()))
    if move.status != "compensating":
        move.status = "unknown"
    move.fields |= {
        "due_at": move.book.now + pause,
        "code": outcome.code or "unknown_outcome",
        "message": outcome.message[:MOST_TEXT],
        "worker": None,
        "lease_until": None,
        "slot": None,
    }


def _call_later(move: Move, call: Call, intent: Intent, outcome: Outcome) -> None:
    """It did not happen: again after a pause, under the same key."""
    elsewhere = outcome.code == NOT_CONFIGURED
    salt = f"{move.run.id}.{move.step}"
    pause = _ELSEWHERE if elsewhere else _policy(call, move).pause(move.run.attempt + 1, salt)
    if pause is None:
        _refused(move, call, outcome)
        return
    if move.status != "compensating":
        move.status = "running"
    move.later(pause, outcome.code or "busy", outcome.message, counts=not elsewhere)
    move.fields["intent"] = msgspec.structs.replace(intent, again=True)


def _is_elsewhere(intent: Intent, outcome: Outcome) -> bool:
    """Whether nobody here can make the call, which says nothing of an earlier try elsewhere."""
    if outcome.code != NOT_CONFIGURED:
        return False
    return outcome.status == "unknown" or (outcome.status == "busy" and intent.sent)


def _leave(move: Move, intent: Intent, outcome: Outcome) -> None:
    """No try at all: another worker may go on, or this one once it is told how."""
    if move.status != "compensating":
        move.status = "unknown" if intent.asked else "running"
    move.later(_ELSEWHERE, outcome.code, outcome.message, counts=False)


def _refused(move: Move, call: Call, outcome: Outcome) -> None:
    """It did not happen, and will not."""
    code = outcome.code or "failed"
    if move.status == "compensating":
        pause = _policy(call, move).pause(move.run.attempt + 1, f"{move.run.id}.{move.step}")
        if pause is None or outcome.status != "failed":
            move.halt(code, outcome.message)
            return
        intent = move.run.intent
        assert intent is not None
        move.fields["intent"] = msgspec.structs.replace(intent, again=True)
        move.later(pause, code, outcome.message)
        return
    move.remember(move.settle(outcome))
    move.fail(code, outcome.message)


def _policy(call: Call, move: Move) -> Retry:
    return call.undo_retry if move.status == "compensating" else call.retry


@VERBS.handles(Fail, roles=("service",), internal=True)
def fail(book: Book, command: Fail) -> Progress:
    """Errors: `LeaseLost`."""
    move = _held(book, command)
    wanted = move.flow.steps[move.step]
    backward = move.status == "compensating"
    if backward:
        policy = wanted.undo_retry if isinstance(wanted, Local | Call) else STEADFAST
    else:
        policy = _patience(wanted)
    pause = None
    if policy.wants(command.code, retryable=command.retryable):
        pause = policy.pause(move.run.attempt + 1, f"{move.run.id}.{move.step}")
    if pause is not None:
        move.later(pause, command.code, command.message)
    elif backward:
        move.halt(command.code, command.message)
    else:
        move.fail(command.code, command.message)
    return move.save()


def _patience(step: object) -> Retry:
    if isinstance(step, Call):
        return step.refused
    return step.retry if isinstance(step, Local) else USUAL


@VERBS.handles(Halt, roles=("service",), internal=True)
def halt(book: Book, command: Halt) -> Progress:
    """Errors: `LeaseLost`."""
    move = _held(book, command)
    move.halt(command.code, command.message)
    return move.save()


@VERBS.handles(Fire, roles=("service",), internal=True)
def fire(book: Book, command: Fire) -> str | None:
    """The id of the run that was started, if any. Errors: `NotFound`, `Invalid`."""
    schedule = book.peek(Schedule, command.schedule)
    if schedule is None:
        raise NotFound(f"No schedule {command.schedule[:60]!r}.", got=command.schedule[:60])
    if schedule.next_at != command.due_at or not schedule.enabled:
        return None
    if command.due_at is None:
        book.change(schedule, next_at=command.next_at)
        return None
    if command.next_at is not None and command.next_at <= command.due_at:
        raise Invalid("A schedule goes forward.", expected=command.due_at, got=command.next_at)
    book.change(schedule, next_at=command.next_at, last_at=command.due_at)
    data = {**schedule.data, "scheduled_at": command.due_at}
    return start(book, schedule.saga, data, reference=f"schedule/{schedule.name}")


def _held(book: Book, command: Step | Intend | Conclude | Fail | Halt) -> Move:
    """The run that the worker holds. Errors: `LeaseLost`, `NotFound`, `UnknownSaga`."""
    run = book.get(SagaRun, command.saga)
    stopped = run.status in ENDED or run.status in NEEDS_A_PERSON
    if run.fence != command.fence or run.step != command.step or stopped:
        raise LeaseLost(
            f"{run.id} is no longer at {command.step} in these hands.",
            expected=[run.step, run.fence],
            got=[command.step, command.fence],
        )
    return Move(book, run)


def _call(move: Move) -> Call:
    """The call that the run is at. Errors: `InvalidTransition`."""
    if not isinstance(move.at, Call):
        raise _not_now(move, "no call")
    return move.at


def _timed_out(move: Move) -> Progress:
    move.fail("timed_out", "The whole way took too long.")
    return move.save()


def _not_now(move: Move, got: str) -> InvalidTransition:
    return InvalidTransition(
        f"{move.run.id} cannot do this at {move.step}.", expected="another command", got=got
    )
