"""The writer: one thread that takes everything waiting and commits it as one transaction.

A caller hands in a ticket of jobs and waits for it. The thread gathers tickets until there are
enough or none is waiting, then: lock the head, decide each command in order of arrival, load
what was missing, write set-wise, commit, answer. If the connection goes away the batch is done
again from the top: the keys in the journal tell which commands had happened after all.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Final

import structlog

from khata.base.clock import Clock
from khata.engine.command import Verbs
from khata.engine.committer import Committer, Limits, Tally
from khata.engine.job import Job, Ticket, answer
from khata.engine.store import Store
from khata.errors import (
    Broken,
    Closing,
    DatabaseUnavailable,
    KhataError,
    Overloaded,
    Unavailable,
)

log = structlog.get_logger("khata.writer")

_STEP_SECONDS: Final = 0.0002
_FIRST_PAUSE: Final = 0.05


class Writer:
    """Commits commands to one book. `open_store` gives a fresh connection when one is needed."""

    def __init__(
        self,
        verbs: Verbs,
        open_store: Callable[[], Store],
        clock: Clock,
        limits: Limits | None = None,
    ) -> None:
        self.limits = limits or Limits()
        self.tally = Tally()
        self._committer = Committer(verbs, open_store, clock, self.limits, self.tally)
        self._broken: KhataError | None = None
        self._queue: SimpleQueue[Ticket | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._waiting = 0
        self._closing = False
        self._usual = 1
        self._thread = threading.Thread(target=self._run, name="khata-writer", daemon=True)
        self._thread.start()

    # ── the callers' side ────────────────────────────────────────────────────────────

    @property
    def waiting(self) -> int:
        """Commands accepted and not yet answered."""
        return self._waiting

    def put(self, ticket: Ticket) -> None:
        """Hand in a ticket. Errors: `Overloaded`, `Closing`, `Broken`; nothing was accepted."""
        count = len(ticket.jobs)
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
        self._committer.close()

    def _gather(self) -> tuple[list[Ticket], bool]:
        """Everything that waits, up to a batch; False when this is the end."""
        first = self._queue.get()
        if first is None:
            return [], False
        self._linger(len(first.jobs))
        tickets, count = [first], len(first.jobs)
        while count < self.limits.batch:
            try:
                ticket = self._queue.get_nowait()
            except Empty:
                break
            if ticket is None:
                return tickets, False
            tickets.append(ticket)
            count += len(ticket.jobs)
        self._usual = count
        return tickets, True

    def _linger(self, count: int) -> None:
        """Callers that were answered together come back together: let them all arrive."""
        if self._usual < 8 or self._closing:  # noqa: PLR2004 - a commit is not worth waiting for fewer
            return
        deadline = time.monotonic() + self.limits.gather_seconds
        seen = 0
        while count + self._queue.qsize() < self._usual and time.monotonic() < deadline:
            if seen == (seen := self._queue.qsize()) and seen:
                break
            time.sleep(_STEP_SECONDS)

    def _process(self, tickets: list[Ticket]) -> None:
        units = [
            jobs
            for ticket in tickets
            for jobs in ([ticket.jobs] if ticket.atomic else [[job] for job in ticket.jobs])
        ]
        start = 0
        while start < len(units):
            end, count = start, 0
            while end < len(units) and (not count or count + len(units[end]) <= self.limits.batch):
                count += len(units[end])
                end += 1
            self._settle(units[start:end])
            start = end
        with self._lock:
            self._waiting -= sum(len(ticket.jobs) for ticket in tickets)
        answer(tickets)

    def _settle(self, units: list[list[Job]]) -> None:
        """Give every job its outcome, whatever happens."""
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
            except Exception as error:  # the thread must outlive any fault
                log.exception("writer_fault")
                _fail(units, Unavailable(f"The writer failed: {type(error).__name__}."))
            return


def _fail(units: list[list[Job]], error: KhataError) -> None:
    for unit in units:
        for job in unit:
            job.outcome = error
