"""The flight: a second thread that writes one batch while the writer decides the next.

The database does its work without Python's lock, so the two really run at once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import NamedTuple

from khata.engine.committer import Decided
from khata.engine.job import Job, Ticket


class Load(NamedTuple):
    """Jobs for one transaction, and the tickets to answer after it."""

    units: list[list[Job]]
    tickets: list[Ticket]


class Flight:
    """A thread that does one thing after another for the writer, which goes on meanwhile.

    After a failure nothing more is done until `recall`: what follows stands on what failed.
    """

    def __init__(self, work: Callable[[Decided, Load], BaseException | None]) -> None:
        self._work = work
        self._failure: BaseException | None = None
        self._orders: SimpleQueue[tuple[Decided, Load] | None] = SimpleQueue()
        self._results: SimpleQueue[BaseException | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="khata-flight", daemon=True)
        self._thread.start()

    def start(self, decided: Decided, load: Load) -> None:
        """Do this when all before it is done. `landed` tells in the same order."""
        self._orders.put((decided, load))

    def now(self, decided: Decided, load: Load) -> None:
        """The same in the caller's own thread, with nothing in the air: quicker."""
        self._do(decided, load)

    def landed(self) -> BaseException | None:
        """Wait for the next end; what went wrong, if anything did."""
        return self._results.get()

    def recall(self, count: int) -> None:
        """Take back the orders behind the one that failed: none was begun."""
        for _ in range(count):
            self._results.get()
        self._failure = None

    def close(self) -> None:
        """End the thread; nothing is in the air."""
        self._orders.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (order := self._orders.get()) is not None:
            self._do(*order)

    def _do(self, decided: Decided, load: Load) -> None:
        if self._failure is None:
            self._failure = self._work(decided, load)
        self._results.put(self._failure)
