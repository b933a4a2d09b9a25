"""The writer: one thread that takes everything waiting and commits it as one transaction.

A caller hands in a ticket of jobs and waits for it. The thread gathers tickets until there are
enough or none is waiting, then: lock the head, decide each command in order of arrival, load
what was missing, write set-wise, commit, answer. If the connection goes away the batch is done
again from the top: the keys in the journal tell which commands had happened after all.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue
from typing import Final

import structlog

from khata.base.clock import Clock
from khata.engine.command import Verbs
from khata.engine.committer import Committer, Decided, Limits, Tally
from khata.engine.decide import Batch
from khata.engine.flight import Flight, Load
from khata.engine.job import Job, Ticket, answer
from khata.engine.store import Store
from khata.errors import (
    Broken,
    Closing,
    DatabaseUnavailable,
    KhataError,
    Overloaded,
)

log = structlog.get_logger("khata.writer")

_STEP_SECONDS: Final = 0.0002
_FIRST_PAUSE: Final = 0.05
_FEW: Final = 8
"""Below this many commands a batch gains nothing from company or from a second thread."""
_SHARE: Final = 2
"""A batch takes one in so many of those who wait for an answer: the others are the next batch,
decided while this one is on its way. All at once, and all would be idle together."""
_LEAST: Final = 32
"""So few are not shared out."""
_LOOK: Final = "look"
"""Put in the queue when a batch failed in the air, so that an idle writer hears of it."""


class Writer:
    """Commits commands to one book. `open_store` gives a fresh connection when one is needed.

    `watch`: told of every batch once it is durable; it must be quick and never fail.
    """

    def __init__(
        self,
        verbs: Verbs,
        open_store: Callable[[], Store],
        clock: Clock,
        limits: Limits | None = None,
        watch: Callable[[Batch], None] | None = None,
    ) -> None:
        self.limits = limits or Limits()
        self.tally = Tally()
        self._committer = Committer(verbs, open_store, clock, self.limits, self.tally, watch)
        self._broken: KhataError | None = None
        self._queue: SimpleQueue[Ticket | str | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._waiting = 0
        self._closing = False
        self._usual = 1
        self._flying: deque[tuple[Load, Decided]] = deque()
        self._flight = Flight(self._flown)
        self._thread = threading.Thread(target=self._run, name="khata-writer", daemon=True)
        self._thread.start()

    # ── the callers' side ────────────────────────────────────────────────────────────

    @property
    def waiting(self) -> int:
        """Commands accepted and not yet answered."""
        return self._waiting

    @property
    def broken(self) -> KhataError | None:
        """Why nothing more is written, once an invariant has fallen."""
        return self._broken

    def put(self, ticket: Ticket) -> None:
        """Hand in a ticket. Errors: `Overloaded`, `Closing`, `Broken`; nothing was accepted."""
        count = len(ticket.jobs)
        if not count:
            answer([ticket])
            return
        with self._lock:
            if self._closing:
                raise Closing("Khata is shutting down; nothing was accepted.")
            if self._broken is not None:
                raise self._broken
            if self._waiting and self._waiting + count > self.limits.queue:
                raise Overloaded(
                    f"{self._waiting} commands are waiting; the queue holds {self.limits.queue}.",
                    retry_after_seconds=1,
                )
            self._waiting += count
            self._queue.put(ticket)

    def close(self) -> None:
        """Finish what was accepted, then stop."""
        with self._lock:
            if not self._closing:
                self._closing = True
                self._queue.put(None)
        self._thread.join()

    # ── the thread ───────────────────────────────────────────────────────────────────

    def _run(self) -> None:
        going = True
        while going:
            tickets, going = self._gather()
            if tickets:
                self._process(tickets)
            elif going:
                self._land()
        self._land()
        self._flight.close()
        self._committer.close()

    def _gather(self) -> tuple[list[Ticket], bool]:
        """Everything that waits, up to a batch; False when this is the end."""
        first = self._queue.get()
        if not isinstance(first, Ticket):
            return [], first is not None
        self._linger(len(first.jobs))
        tickets, count = [first], len(first.jobs)
        most = min(self.limits.batch, max(self._waiting // _SHARE, _LEAST))
        while count < most:
            try:
                ticket = self._queue.get_nowait()
            except Empty:
                break
            if ticket is None:
                return tickets, False
            if isinstance(ticket, Ticket):
                tickets.append(ticket)
                count += len(ticket.jobs)
        self._usual = count
        return tickets, True

    def _linger(self, count: int) -> None:
        """Callers that were answered together come back together: let them all arrive."""
        if self._usual < _FEW or self._closing:
            return
        deadline = time.monotonic() + self.limits.gather_seconds
        seen = -1
        while count + self._queue.qsize() < self._usual and time.monotonic() < deadline:
            if seen == (seen := self._queue.qsize()):
                break
            time.sleep(_STEP_SECONDS)

    def _process(self, tickets: list[Ticket]) -> None:
        units = [
            jobs
            for ticket in tickets
            for jobs in ([ticket.jobs] if ticket.atomic else [[job] for job in ticket.jobs])
        ]
        parts = list(_parts(units, self.limits.batch))
        for part in parts[:-1]:
            self._carry(Load(part, []))
        self._carry(Load(parts[-1], tickets))

    def _carry(self, load: Load) -> None:
        """Commit a load: decided ahead and handed to the flight, or all under the lock.

        It is handed over while the one before it is still in the air, which it follows at once;
        where it is written here, and only its commit handed over, that one must have landed.
        """
        decided = self._committer.ahead(load.units)
        alone = len(load.units) < _FEW and self._queue.empty()
        here = not alone and self._committer.stages
        if (decided is None or alone or here) and not self._land():
            decided = None
        if decided is None or (here and not self._stage(decided)):
            self._settle(load)
            return
        self._committer.depart(decided)
        self._flying.append((load, decided))
        if alone:
            self._flight.now(decided, load)
            self._land()
        else:
            self._flight.start(decided, load)
            self._land(leave=1)

    def _stage(self, decided: Decided) -> bool:
        """Write in this thread. False when that failed: it is to be done again."""
        try:
            self._committer.stage(decided)
        except Exception as error:  # noqa: BLE001 - `turn_back` sorts it out
            self._committer.turn_back([decided], error)
            return False
        return True

    def _land(self, leave: int = 0) -> bool:
        """Wait for the batches in the air, but for so many. False when one failed: it and those
        behind it were done again here.
        """
        while len(self._flying) > leave:
            error = self._flight.landed()
            if error is not None:
                self._turn_back(error)
                return False
            self._flying.popleft()
        return True

    def _turn_back(self, error: BaseException) -> None:
        """Do again what failed and what was to follow it."""
        lost = list(self._flying)
        self._flying.clear()
        self._flight.recall(len(lost) - 1)
        self._committer.turn_back((decided for _, decided in lost), error)
        for load, _ in lost:
            self._settle(load)

    def _settle(self, load: Load) -> None:
        """Give every job its outcome under the lock, whatever happens, and answer."""
        self._commit(load.units)
        self._answer(load)

    def _commit(self, units: list[list[Job]]) -> None:
        deadline = time.monotonic() + self.limits.patience_seconds
        pause = _FIRST_PAUSE
        while True:
            try:
                self._committer.commit(units)
            except DatabaseUnavailable as error:
                if time.monotonic() + pause < deadline:
                    time.sleep(pause)
                    pause = min(pause * 2, 1.0)
                    continue
                _fail(units, error)
            except Broken as error:
                self._broken = error
                _fail(units, error)
            except KhataError as error:
                _fail(units, error)
            except Exception as error:  # noqa: BLE001 - the thread must outlive any fault
                # Told without the values of variables, whatever the logger does with exceptions.
                where = "".join(traceback.format_tb(error.__traceback__))
                log.error("writer_fault", error=type(error).__name__, where=where)  # noqa: TRY400
                self._part(units, error)
            return

    def _part(self, units: list[list[Job]], error: Exception) -> None:
        """What no database can hold is the fault of one command: find it, its neighbours live."""
        if len(units) > 1:
            half = len(units) // 2
            self._commit(units[:half])
            self._commit(units[half:])
            return
        kind = type(error).__name__
        _fail(units, Broken(f"It failed inside Khata ({kind}); nothing was written."))

    def _answer(self, load: Load) -> None:
        """Wake those who wait. The flight's thread calls it too."""
        with self._lock:
            self._waiting -= sum(len(ticket.jobs) for ticket in load.tickets)
        answer(load.tickets)

    def _flown(self, decided: Decided, load: Load) -> BaseException | None:
        """The flight's work: write, then answer. What went wrong is left to the writer."""
        try:
            self._committer.flush(decided)
        except Exception as error:  # noqa: BLE001 - `turn_back` sorts it out
            self._queue.put(_LOOK)
            return error
        self._answer(load)
        return None


def _parts(units: list[list[Job]], most: int) -> Iterator[list[list[Job]]]:
    """Units in parts of at most so many jobs; a longer unit is a part of its own."""
    start = 0
    while start < len(units):
        end, count = start, 0
        while end < len(units) and (not count or count + len(units[end]) <= most):
            count += len(units[end])
            end += 1
        yield units[start:end]
        start = end


def _fail(units: list[list[Job]], error: KhataError) -> None:
    for unit in units:
        for job in unit:
            job.outcome = error
