"""How a run moves: forward along its steps, or back through their undos.

Every function here is part of some command's handler: what it changes is committed together with
the effect of the step that it belongs to.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from khata.base.clock import SECOND, Instant
from khata.engine.book import Book
from khata.engine.sagas.model import SagaRun, Status
from khata.engine.sagas.outcome import Intent, Outcome
from khata.engine.sagas.registry import Flow
from khata.engine.sagas.steps import IMPOSSIBLE, NOTHING, Approval, Call, Delay, Run, Wait

MOST_TEXT: Final = 500
_BACKWARD: Final = ("compensating", "compensation_stuck")
_RELEASED: Final = {"worker": None, "lease_until": None, "slot": None}
_encode: Final = msgspec.json.Encoder(order="sorted").encode
_plainly: Final = msgspec.json.Encoder().encode


class Progress(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Where a run came to. `leased`: whoever moved it may go on with the next step at once, and
    `does` says with what: a `step` within the book, or a `call`.
    """

    saga: str
    status: Status
    step: str = ""
    fence: int = 0
    leased: bool = False
    does: str = "step"
    intent: Intent | None = None


class Move:
    """One command's move of one run. `save` writes the row; `note` a line of its history."""

    __slots__ = ("book", "data", "done", "fields", "flow", "run", "status", "step")

    def __init__(self, book: Book, run: SagaRun) -> None:
        self.book = book
        self.run = run
        self.flow: Flow = book.sagas.of(run)
        self.status: Status = run.status
        self.step = run.step
        self.data: dict[str, Any] = run.data
        self.done = run.done
        self.fields: dict[str, Any] = {}

    def view(self) -> Run:
        """The run as its steps see it."""
        run = self.run
        return Run(
            run.id,
            run.name,
            run.version,
            self.data,
            run.reference,
            run.started_by,
            run.started_at,
            self.fields.get("step_at", run.step_at),
        )

    def note(self, what: str, step: str = "", detail: Mapping[str, Any] | None = None) -> None:
        """A line of the run's history."""
        lines = self.book.facts.setdefault("saga_steps", [])
        text = _encode(detail).decode() if detail else None
        lines.append((self.run.id, self.book.seq, len(lines), what, step, text))

    def remember(self, remembered: Mapping[str, Any] | None) -> None:
        """Merge what a step gives into the run's data."""
        if remembered:
            self.data = {**self.data, **plain(remembered)}

    def save(self) -> Progress:
        """Write the row as it now is."""
        run = self.book.change(
            self.run,
            status=self.status,
            step=self.step,
            data=self.data,
            done=self.done,
            **self.fields,
        )
        if run.worker is None:
            return Progress(run.id, run.status, run.step, run.fence)
        backward = run.status == "compensating"
        what = self.flow.undo_of(run.step) if backward else self.flow.steps[run.step]
        does = "call" if isinstance(what, Call) else "step"
        return Progress(run.id, run.status, run.step, run.fence, True, does, run.intent)

    @property
    def at(self) -> object:
        """The step that the run is at, or on the way back its undo."""
        backward = self.run.status in _BACKWARD
        return self.flow.undo_of(self.step) if backward else self.flow.steps.get(self.step)

    def settle(self, outcome: Outcome) -> Mapping[str, Any] | None:
        """What a call's own functions make of its final outcome: the effects, in this command."""
        call = self.at
        assert isinstance(call, Call)
        if outcome.status == "done":
            return call.done(self.book, self.view(), outcome.data) if call.done else None
        return call.failed(self.book, self.view(), outcome) if call.failed else None

    # ── forward ──────────────────────────────────────────────────────────────────────

    def advance(
        self,
        remembered: Mapping[str, Any] | None,
        what: str = "done",
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        """The step stands: go to the next one."""
        self.remember(remembered)
        self.note(what, self.step, detail)
        if what == "skipped":
            self.fields["skipped"] = [*(self.run.skipped or ()), self.step]
        else:
            self.done = [*self.done, self.step]
        self.fields |= {"attempt": 0, "intent": None, "code": None, "message": None}
        if self.run.topic is not None:
            self.fields["topic"] = None
        if self.run.cause is not None:
            # somebody cancelled it while this step was under way
            self.undo_all(self.run.cause)
        else:
            self.enter(self.flow.after[self.step])

    def enter(self, name: str) -> None:
        """Arrive at a step; what is ready already is passed at once."""
        self.fields["step_at"] = self.book.now
        while name:
            self.step = name
            step = self.flow.steps[name]
            if not isinstance(step, Wait | Delay | Approval):
                self.status = "running"
                return
            remembered = self._ready(step)
            if remembered is None:
                self._wait(step)
                return
            self.remember(remembered)
            self.note("done", name)
            self.done = [*self.done, name]
            name = self.flow.after[name]
        self.end("completed")

    @property
    def is_late(self) -> bool:
        """Whether the whole way has taken too long, and can still be undone."""
        run = self.run
        return (
            run.deadline is not None
            and run.deadline <= self.book.now
            and run.status in {"running", "waiting"}
            and (run.intent is None or run.intent.again)
            and self._can_go_back()
        )

    def _can_go_back(self) -> bool:
        return all(self.flow.undo_of(name) != IMPOSSIBLE for name in self.done)

    def look(self) -> None:
        """Look again whether the step that the run waits at is over."""
        step = self.flow.steps[self.step]
        assert isinstance(step, Wait | Delay | Approval)
        remembered = self._ready(step)
        if remembered is not None:
            self.advance(remembered)
        elif self._is_late(step):
            self.fail("timed_out", f"{self.step} took too long.")
        elif _refusal(self.data, self.step):
            self.fail("rejected", str(_refusal(self.data, self.step)))
        else:
            self._wait(step, again=self.run.status == "waiting")

    def _ready(self, step: Wait | Delay | Approval) -> Mapping[str, Any] | None:
        if isinstance(step, Wait):
            return step.ready(self.book, self.view())
        if isinstance(step, Delay):
            return {} if self._until(step) <= self.book.now else None
        signal = self.data.get("signals", {}).get(f"approval:{step.name}")
        return {} if signal and signal.get("approved") else None

    def _until(self, step: Delay) -> Instant:
        seconds = step.seconds
        if not isinstance(seconds, int):
            seconds = seconds(self.book, self.view())
        since: Instant = self.fields.get("step_at", self.run.step_at)
        return since + seconds * SECOND

    def _timeout(self, step: Wait | Delay | Approval) -> Instant | None:
        if isinstance(step, Delay):
            return self._until(step)
        if step.timeout_seconds is None:
            return None
        since: Instant = self.fields.get("step_at", self.run.step_at)
        return since + step.timeout_seconds * SECOND

    def _is_late(self, step: Wait | Delay | Approval) -> bool:
        timeout = self._timeout(step)
        return timeout is not None and timeout <= self.book.now and not isinstance(step, Delay)

    def _wait(self, step: Wait | Delay | Approval, *, again: bool = False) -> None:
        self.status = "waiting"
        # past what cannot be undone the deadline binds no more
        deadline = self.run.deadline if self._can_go_back() else None
        due = [at for at in (self._timeout(step), deadline) if at is not None]
        topic = step.topic(self.view()) if isinstance(step, Wait) and step.topic else None
        self.fields |= {"due_at": min(due, default=None), "topic": topic, **_RELEASED}
        if not again:
            self.note("waiting", step.name)

    # ── failing ──────────────────────────────────────────────────────────────────────

    def fail(self, code: str, message: str) -> None:
        """The step has failed for good: undo what was done, if it can be undone."""
        self.note("failed", self.step, {"code": code, "message": message[:MOST_TEXT]})
        self.fields |= {"code": code, "message": message[:MOST_TEXT], "intent": None}
        self.undo_all(self.run.cause or code)

    def later(self, pause: Instant, code: str, message: str, *, counts: bool = True) -> None:
        """The step has failed for now: try again after a pause. `counts`: as one of its tries."""
        if counts or self.run.code != code:
            self.note("failed", self.step, {"code": code, "again_in_ms": pause // 1000})
        self.fields |= {
            "attempt": self.run.attempt + counts,
            "due_at": self.book.now + pause,
            "code": code,
            "message": message[:MOST_TEXT],
            **_RELEASED,
        }

    def halt(self, code: str, message: str) -> None:
        """A person must decide."""
        backward = self.status in _BACKWARD
        self.status = "compensation_stuck" if backward else "stuck"
        message = message[:MOST_TEXT]
        self.note("stuck", self.step, {"code": code, "message": message})
        self.fields |= {"code": code, "message": message, "due_at": None, **_RELEASED}
        self.fields["fence"] = self.run.fence + 1
        self.book.announce("saga.stuck", self.run.id, name=self.run.name, step=self.step, code=code)

    # ── back ─────────────────────────────────────────────────────────────────────────

    def undo_all(self, cause: str) -> None:
        """Plan the way back, write the plan down, and begin."""
        stands = next((n for n in self.done if self.flow.undo_of(n) == IMPOSSIBLE), None)
        if stands is not None:
            self.halt(
                self.fields.get("code") or cause,
                f"{self.fields.get('message') or cause}; {stands} cannot be undone.",
            )
            return
        plan = [name for name in reversed(self.done) if self.flow.undo_of(name) != NOTHING]
        self.note("compensating", self.step, {"cause": cause, "plan": plan})
        self.fields |= {
            "cause": cause,
            "failed_at": self.book.now,
            "attempt": 0,
            "intent": None,
            "topic": None,
            "due_at": self.book.now,
        }
        self._go_back(plan)

    def undone(self, remembered: Mapping[str, Any] | None, what: str = "undone") -> None:
        """A step is undone: go to the next that has to be."""
        self.remember(remembered)
        self.note(what, self.step)
        done = [name for name in self.done if name != self.step]
        if what == "skipped":
            self.fields["skipped"] = [*(self.run.skipped or ()), f"undo:{self.step}"]
        else:
            self.fields["undone"] = self.run.undone + 1
        self.done = done
        self.fields |= {"attempt": 0, "intent": None}
        self._go_back([name for name in reversed(done) if self.flow.undo_of(name) != NOTHING])

    def _go_back(self, plan: list[str]) -> None:
        if plan:
            self.status, self.step = "compensating", plan[0]
            self.fields["step_at"] = self.book.now
            return
        skipped = self.fields.get("skipped") or self.run.skipped or ()
        let_go = any(name.startswith("undo:") for name in skipped)
        self.end("resolved" if let_go else "compensated")

    # ── the end ──────────────────────────────────────────────────────────────────────

    def end(self, status: Status) -> None:
        """The run is over; the next one of its serial begins."""
        self.status, self.step = status, ""
        self.note(status)
        self.fields |= {
            "ended_at": self.book.now,
            "due_at": None,
            "topic": None,
            "open_serial": None,
            **_RELEASED,
        }
        if self.flow.saga.on_end is not None:
            self.flow.saga.on_end(self.book, self.view(), status)
        if status != "completed":
            self.book.announce(f"saga.{status}", self.run.id, name=self.run.name)
        if self.run.open_serial is not None:
            _let_next(self.book, self.run)


def _refusal(data: Mapping[str, Any], step: str) -> str | None:
    signal = data.get("signals", {}).get(f"approval:{step}")
    if signal and not signal.get("approved"):
        return str(signal.get("reason") or "rejected")
    return None


def _let_next(book: Book, ended: SagaRun) -> None:
    """The run that has waited longest behind this one may go."""
    others = [
        run for run in book.find(SagaRun, open_serial=ended.open_serial) if run.id != ended.id
    ]
    queued = [run for run in others if run.status == "queued"]
    # one that was called off while it was queued leaves the first one where it is
    if queued and len(queued) == len(others):
        first = min(queued, key=lambda run: (-run.priority, run.started_at, len(run.id), run.id))
        book.change(first, status="running", step_at=book.now, due_at=book.now)


def plain(data: Mapping[str, Any]) -> dict[str, Any]:
    """The data as it will be read again: a step must not see more of it before than after."""
    found: dict[str, Any] = msgspec.json.decode(_plainly(data))
    return found
