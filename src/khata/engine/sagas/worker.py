"""The worker: claims runs that are due and moves them until they wait, end or need a person.

It works in rounds. A round takes the next command of every run that it holds and submits them
together, so that hundreds of runs share each transaction. Calls to the world outside are made by
threads of their own, between the commit of the intent and that of the outcome; a run whose call is
under way is in no round. Any number of workers, in any number of processes, may serve one book.
"""

from __future__ import annotations

import os
import queue
import socket
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Final, Protocol, Self

import msgspec
import structlog

from khata.base.actor import SYSTEM, WORKER, Actor
from khata.base.clock import Clock
from khata.engine.command import Command, Verbs
from khata.engine.database import View
from khata.engine.job import Outcome as Answer
from khata.engine.journal import Receipt
from khata.engine.sagas import due
from khata.engine.sagas.commands import (
    NOT_CONFIGURED,
    Claim,
    Conclude,
    Fail,
    Fire,
    Halt,
    Intend,
    Release,
    Renew,
    Step,
)
from khata.engine.sagas.moving import MOST_TEXT, Progress
from khata.engine.sagas.outcome import Intent, Outcome
from khata.engine.sagas.planning import firing
from khata.engine.sagas.registry import Sagas
from khata.errors import (
    Broken,
    Closing,
    DatabaseUnavailable,
    KhataError,
    LeaseLost,
    Overloaded,
    StorageFull,
    Timeout,
)

log = structlog.get_logger("khata.sagas")

_AWAY: Final = (Closing, DatabaseUnavailable, Overloaded, StorageFull, Timeout)
"""What a book says when it could not even decide; whatever else is refused, a step refused."""
_SCHEDULE_SECONDS: Final = 60.0
_GLANCE_SECONDS: Final = 0.02
_MOST_CLAIMED: Final = 1000


class Caller(Protocol):
    """Who makes the calls of steps. Neither method may raise; what does counts as `unknown`."""

    def call(self, intent: Intent) -> Outcome:
        """Make the call, under `intent.key`. Whatever happens, no other key is ever used for it."""

    def ask(self, intent: Intent) -> Outcome:
        """What became of the call that was made under `intent.key`, if it was made."""


class OpenBook(Protocol):
    """What a worker needs of a book: `khata.Khata` has it."""

    scope: str
    clock: Clock
    verbs: Verbs
    moved: threading.Event
    fresh: deque[str]

    def submit_many(self, lines: Iterable[Command], *, actor: Actor = SYSTEM) -> list[Answer]:
        """Carry out commands, each on its own."""

    def view(self, actor: Actor = SYSTEM) -> AbstractContextManager[View]:
        """A snapshot to read from."""


class Tally(msgspec.Struct):
    """Counts since the start, for metrics."""

    claimed: int = 0
    steps: int = 0
    calls: int = 0
    failures: int = 0
    faults: int = 0
    ended: int = 0


class Options(msgspec.Struct, frozen=True):
    """`capacity`: runs held at once by each of `lanes` threads. `calls`: made at the same time.
    `lease_seconds`: after so long without a sign of life others take over. `poll_seconds`: how
    often the database is asked when nothing in this process says that something is due.
    """

    capacity: int = 256
    lanes: int = 1
    calls: int = 16
    lease_seconds: int = 30
    poll_seconds: float = 0.2


class Worker:
    """See the module. As a context it works until left; `work` does what is due now, and returns.

    `ended`: told of each run that this worker brought to its end; quick, and never failing.

    Errors: `UnknownSaga` when open runs are at steps that no saga here knows.
    """

    def __init__(
        self,
        book: OpenBook,
        callers: Mapping[str, Caller],
        *,
        name: str | None = None,
        options: Options | None = None,
        ended: Callable[[Progress], None] | None = None,
    ) -> None:
        self.ended = ended or _nothing
        self.name = name or f"{socket.gethostname()}-{os.getpid()}-{os.urandom(3).hex()}"
        self.tally = Tally()
        self.options = options or Options()
        self._book = book
        self._callers = callers
        self._sagas: Sagas = book.verbs.sagas
        self._claiming = threading.Lock()
        self._sought: set[str] = set()
        self._behind = False
        self._spoilt: dict[str, float] = {}
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        with book.view() as view:
            due.check_known(view, self._sagas)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Begin to work, in threads of its own."""
        self._stop.clear()
        for number in range(self.options.lanes):
            lane = Lane(self, f"{self.name}/{number}")
            thread = threading.Thread(target=lane.run, args=(self._stop,), name=f"khata-{number}")
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Finish the calls that are under way, give all runs back, and end."""
        self._stop.set()
        self._book.moved.set()
        for thread in self._threads:
            thread.join()
        self._threads.clear()

    def work(self) -> int:
        """Do all that is due now, calls included, in this thread; how many commands that took."""
        lane = Lane(self, self.name)
        return lane.exhaust()

    @property
    def moved(self) -> threading.Event:
        """Set when a saga of this process was started or moved."""
        return self._book.moved

    @property
    def anything_fresh(self) -> bool:
        """Whether a saga was started in this process that nobody has looked at."""
        return bool(self._book.fresh)

    @property
    def scope(self) -> str:
        """What the keys of this book's calls begin with."""
        return self._book.scope

    # ── what lanes share ─────────────────────────────────────────────────────────────

    def claim(self, name: str, most: int) -> list[Progress]:
        """Runs that are the lane's now."""
        claim = self.seek(name, most)
        if claim is None:
            return []
        try:
            (answer,) = self.submit([claim])
            return self.claimed(claim, answer)
        finally:
            self.sought(claim)

    def seek(self, name: str, most: int, *, look: bool = True) -> Claim | None:
        """What a lane may ask to have, none of which another lane is asking for; then `sought`.

        `look`: ask the database, too, and not only for what was started in this process.
        """
        with self._claiming:
            fresh = [] if look or self._behind else self._fresh(most)
            found = fresh or self._found(most)
            self._sought.update(found)
        return Claim(name, found, self.options.lease_seconds) if found else None

    def _found(self, most: int) -> list[str]:
        wanted = min(most + len(self._sought), _MOST_CLAIMED)
        self._book.fresh.clear()
        with self._book.view() as view:
            found = due.due(view, self._sagas, wanted)
        # while more is due than can be held, the most urgent must be sought among all
        self._behind = len(found) == wanted
        return [saga for saga in found if saga not in self._sought][:most]

    def _fresh(self, most: int) -> list[str]:
        fresh = self._book.fresh
        if len(fresh) > most:
            return []
        return [fresh.popleft() for _ in range(len(fresh))]

    def sought(self, claim: Claim) -> None:
        """The claim was answered, or came to nothing."""
        with self._claiming:
            self._sought.difference_update(claim.sagas)

    def claimed(self, claim: Claim, answer: Answer) -> list[Progress]:
        """The runs that a claim was granted."""
        if not isinstance(answer, Receipt):
            log.warning("claim_failed", worker=claim.worker, code=answer.code)
            return []
        runs: list[Progress] = answer.result.runs
        self.tally.claimed += len(runs)
        return runs

    def fire(self) -> int:
        """Start what schedules are for that are due; how many commands that took.

        One that cannot be fired is left alone for a minute, and hinders no other.
        """
        with self._claiming:
            with self._book.view() as view:
                found = due.schedules(view)
                now = due.time_of(view)
            ready = time.monotonic()
            lines: list[Fire] = []
            for schedule in found:
                if self._spoilt.get(schedule.name, ready) <= ready:
                    try:
                        lines.append(firing(schedule, now))
                    except KhataError as error:
                        self._spoil(schedule.name, error)
            answers = self._book.submit_many(lines, actor=WORKER)
        for line, answer in zip(lines, answers, strict=True):
            if not isinstance(answer, Receipt):
                self._spoil(line.schedule, answer)
        return len(lines)

    def _spoil(self, name: str, error: KhataError) -> None:
        log.error("schedule_refused", schedule=name, code=error.code)
        self._spoilt[name] = time.monotonic() + _SCHEDULE_SECONDS

    def submit(self, lines: list[Command]) -> list[Answer]:
        """Carry out commands as the worker."""
        return self._book.submit_many(lines, actor=WORKER)

    def renew(self, name: str, runs: list[Progress]) -> None:
        """Keep runs whose calls take long."""
        self.submit([Renew(name, [held.saga for held in runs], self.options.lease_seconds)])

    def make(self, intent: Intent) -> Outcome:
        """Make a call, or ask what became of it; never raises."""
        self.tally.calls += 1
        caller = self._callers.get(intent.to)
        if caller is None:
            log.warning("no_caller", to=intent.to, key=intent.key)
            return Outcome("busy", code=NOT_CONFIGURED, message=f"Nobody here calls {intent.to}.")
        try:
            if not intent.sent:
                return caller.call(intent)
            outcome = caller.ask(intent)
            # it was never made: now it is, under the same key
            return caller.call(intent) if outcome.status == "absent" else _of_a_question(outcome)
        except Exception as error:  # noqa: BLE001 - a caller's fault must not lose what may have happened
            log.error("caller_fault", to=intent.to, key=intent.key, error=type(error).__name__)  # noqa: TRY400 - its text may hold what must not be logged
            return Outcome("unknown", code="caller_fault", message="The call failed inside Khata.")


Move = tuple[Progress, Command]
"""A run that is held, and what moves it."""


def _of_a_question(outcome: Outcome) -> Outcome:
    """Who is too busy to answer a question has said nothing of the call itself."""
    if outcome.status != "busy":
        return outcome
    return msgspec.structs.replace(outcome, status="unknown")


def _nothing(_: Progress) -> None:
    """Nobody wants to know."""


class Lane:
    """One thread's runs: those that go on now, and those whose calls are under way."""

    def __init__(self, worker: Worker, name: str) -> None:
        self._worker = worker
        self._name = name
        self._active: list[Progress] = []
        self._calling: dict[str, Progress] = {}
        self._made: queue.SimpleQueue[tuple[Progress, Outcome]] = queue.SimpleQueue()
        self._pool: ThreadPoolExecutor | None = None
        self._interrupted: KhataError | None = None
        self._renew_at = 0.0
        self._look_at = 0.0
        self._glance_at = 0.0

    # ── in this thread ───────────────────────────────────────────────────────────────

    def exhaust(self) -> int:
        """Do what is due now and all that follows from it at once."""
        count = self._worker.fire()
        while True:
            self._active = self._worker.claim(self._name, self._worker.options.capacity)
            if not self._active:
                return count
            while self._active or self._calling:
                count += self._round()
                if self._interrupted is not None:
                    raise self._interrupted

    # ── in a thread of its own ───────────────────────────────────────────────────────

    def run(self, stop: threading.Event) -> None:
        """Work until told to stop."""
        options = self._worker.options
        self._pool = ThreadPoolExecutor(max(options.calls // options.lanes, 1), "khata-call")
        while not stop.is_set():
            try:
                self._turn()
            except KhataError as error:
                # the database is away, or the book closing: when leases end, all is taken up again
                log.warning("worker_interrupted", worker=self._name, code=error.code)
                self._active.clear()
                stop.wait(options.poll_seconds)
            except Exception as error:  # noqa: BLE001 - a fault must not end the work on all runs
                where = "".join(traceback.format_tb(error.__traceback__))
                log.error("worker_fault", error=type(error).__name__, where=where)  # noqa: TRY400 - its values are not for logs
                self._active.clear()
                stop.wait(options.poll_seconds)
            if self._interrupted is not None:
                stop.wait(options.poll_seconds)
        self._leave()

    def _turn(self) -> None:
        worker, options = self._worker, self._worker.options
        moved = worker.moved
        now = time.monotonic()
        room = options.capacity // options.lanes - len(self._active) - len(self._calling)
        idle = not self._active and self._made.empty()
        look = now >= self._look_at or (moved.is_set() and (idle or now >= self._glance_at))
        claim = None
        if room > 0 and (look or worker.anything_fresh):
            if look:
                moved.clear()
                self._glance_at = now + _GLANCE_SECONDS
            if now >= self._look_at:
                worker.fire()
                self._look_at = now + options.poll_seconds
            claim = worker.seek(self._name, room, look=look)
            if claim is not None and len(claim.sagas) == room:
                moved.set()
        if self._calling and now >= self._renew_at:
            worker.renew(self._name, list(self._calling.values()))
            self._renew_at = now + options.lease_seconds / 3
        if claim is not None or self._active or not self._made.empty():
            self._round(claim)
        elif self._calling:
            self._take_made(options.poll_seconds / 10)
        else:
            moved.wait(options.poll_seconds)

    def _leave(self) -> None:
        """Finish the calls, then give everything back."""
        assert self._pool is not None
        # what has not begun is not begun any more: others ask first whether it was made
        self._pool.shutdown(cancel_futures=True)
        held = [run.saga for run in self._active] + list(self._calling)
        try:
            while self._calling and not self._made.empty():
                self._active.clear()
                self._round()
                if self._interrupted is not None:
                    break
            if held:
                self._worker.submit([Release(self._name, held)])
        except KhataError as error:
            log.warning("worker_left_runs", worker=self._name, code=error.code, runs=len(held))

    # ── a round ──────────────────────────────────────────────────────────────────────

    def _round(self, claim: Claim | None = None) -> int:
        """The next command of every run that is held, in one go; how many that were.

        `claim`: goes with them, so that it costs no commit of its own.
        """
        moves: list[Move] = [(held, self._next(held)) for held in self._active]
        while not self._made.empty():
            held, outcome = self._made.get()
            self._calling.pop(held.saga, None)
            moves.append((held, Conclude(held.saga, held.step, held.fence, outcome)))
        self._active = []
        self._interrupted = None
        self._worker.tally.steps += len(moves)
        count = len(moves)
        moves = self._submit(moves) if claim is None else self._submit_with(claim, moves)
        # what the book refused, the book is told, and decides what follows
        while moves:
            count += len(moves)
            moves = self._submit(moves)
        return count

    def _submit(self, moves: list[Move]) -> list[Move]:
        """Carry commands out; what has to be reported of those that were refused."""
        return self._took(moves, self._worker.submit([command for _, command in moves]))

    def _submit_with(self, claim: Claim, moves: list[Move]) -> list[Move]:
        try:
            answers = self._worker.submit([claim, *(command for _, command in moves)])
        finally:
            self._worker.sought(claim)
        self._active += self._worker.claimed(claim, answers[0])
        return self._took(moves, answers[1:])

    def _took(self, moves: list[Move], answers: list[Answer]) -> list[Move]:
        reports = []
        for (held, command), answer in zip(moves, answers, strict=True):
            if isinstance(answer, Receipt):
                self._went(answer.result, called=isinstance(command, Intend))
            elif (report := self._refused(held, command, answer)) is not None:
                reports.append((held, report))
        return reports

    def _next(self, held: Progress) -> Command:
        if held.does == "call":
            return Intend(held.saga, held.step, held.fence, self._worker.scope)
        return Step(held.saga, held.step, held.fence)

    def _went(self, now: Progress, *, called: bool) -> None:
        if called and now.intent is not None:
            self._call(now, now.intent)
        elif now.leased:
            self._active.append(now)
        elif not now.step:
            self._worker.tally.ended += 1
            self._worker.ended(now)

    def _call(self, held: Progress, intent: Intent) -> None:
        self._calling[held.saga] = held
        if self._pool is None:
            self._made.put((held, self._worker.make(intent)))
        else:
            self._pool.submit(self._make, held, intent)

    def _make(self, held: Progress, intent: Intent) -> None:
        """In a thread of the pool: whatever happens there, the lane hears of it."""
        outcome = Outcome("unknown", code="caller_fault", message="The call was broken off.")
        try:
            outcome = self._worker.make(intent)
        finally:
            self._made.put((held, outcome))

    def _take_made(self, seconds: float) -> None:
        """Wait a little for a call to end."""
        try:
            self._made.put(self._made.get(timeout=seconds))
        except queue.Empty:
            return

    def _refused(self, held: Progress, command: Command, error: KhataError) -> Command | None:
        """What the book is to be told of a refusal; None when there is nothing to tell."""
        if isinstance(error, _AWAY):
            self._interrupted = error
            log.warning("step_interrupted", saga=held.saga, step=held.step, code=error.code)
            if isinstance(command, Conclude):
                self._calling[held.saga] = held
                self._made.put((held, command.outcome))
            elif not isinstance(command, Fail | Halt):
                self._active.append(held)
            return None
        if isinstance(error, LeaseLost):
            return None
        if isinstance(command, Halt):
            log.error("report_refused", saga=held.saga, step=held.step, code=error.code)
            return None
        what = (held.saga, held.step, held.fence, error.code, _clean(error.message))
        if isinstance(error, Broken) or isinstance(command, Conclude | Fail):
            self._worker.tally.faults += 1
            log.error("saga_fault", saga=held.saga, step=held.step, code=error.code)
            return Halt(*what)
        self._worker.tally.failures += 1
        return Fail(*what, retryable=error.retryable)


def _clean(text: str) -> str:
    """A message as every journal and database can hold it, whatever a step wrote in it."""
    return text[:MOST_TEXT].encode("utf-8", "replace").decode().replace("\0", "?")
