"""Everything that a worker does for one book: sagas moved on, what came in and what goes out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Final, Self

import structlog

from khata.app import Khata
from khata.edge.working.noticing import Noticing
from khata.edge.working.parts import Part, Pump, Sounds
from khata.engine.sagas.worker import Caller, Lane, Options, Tally, Worker
from khata.errors import KhataError

log = structlog.get_logger("khata.worker")
_PAUSE_SECONDS: Final = 0.5


class Working:
    """A book's worker with all its parts, each in threads of its own: `with Working(…): …`.

    `callers`: who makes the calls of sagas' steps, by the name in their `to`. `beside`: what else
    is done, by name: each is given how many to do at most, and answers how many it did.

    Errors: `UnknownSaga`, listing the open runs that no saga here knows how to go on with.
    """

    def __init__(
        self,
        book: Khata,
        alerts: Sounds,
        *,
        callers: Mapping[str, Caller] | None = None,
        beside: Mapping[str, Callable[[int], int]] | None = None,
        options: Options | None = None,
    ) -> None:
        self.book = book.book
        self._moved = book.moved
        self._stop = threading.Event()
        noticing = Noticing(book, alerts)
        self._noticing = noticing
        self._worker = Worker(noticing, callers or {}, options=options)
        self._pumps = {name: Pump(work, _PAUSE_SECONDS) for name, work in (beside or {}).items()}
        runs = {f"sagas-{n}": self._lane(n, alerts) for n in range(self._worker.options.lanes)}
        runs |= {"alerts": noticing.run} | {n: pump.run for n, pump in self._pumps.items()}
        self.parts = [Part(name, book.book, run, alerts) for name, run in runs.items()]

    @property
    def tally(self) -> Tally:
        """What it did for sagas since it began."""
        return self._worker.tally

    def _lane(self, number: int, alerts: Sounds) -> Callable[[threading.Event], None]:
        name = f"{self._worker.name}/{number}"
        # one that failed may have lost its place: a new one begins, and leases free what it held
        return lambda stop: _Lane(self._worker, name, self.book, alerts).run(stop)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Begin, in threads of its own."""
        log.info("worker_started", book=self.book, worker=self._worker.name)
        for part in self.parts:
            part.start(self._stop)

    def wake(self, name: str) -> None:
        """Let one of what is done beside look at once; unknown names are nobody's."""
        if name in self._pumps:
            self._pumps[name].wake()

    def tell_to_stop(self) -> None:
        """Let it come to an end; `stop` then waits for that."""
        self._stop.set()
        self._moved.set()
        for pump in self._pumps.values():
            pump.wake()

    def stop(self) -> None:
        """Finish the calls that are under way, give every run back, and end."""
        self.tell_to_stop()
        for part in self.parts:
            part.join()
        self._noticing.tell()
        tally = self._worker.tally
        log.info("worker_stopped", book=self.book, steps=tally.steps, ended=tally.ended)


class _Lane(Lane):
    """A lane whose faults people hear of; it goes on by itself."""

    def __init__(self, worker: Worker, name: str, book: str, alerts: Sounds) -> None:
        super().__init__(worker, name)
        self._told = {"book": book, "part": name}
        self._alerts = alerts

    def _turn(self) -> None:
        try:
            super()._turn()
        except KhataError:
            raise
        except Exception as error:
            self._alerts.sound("worker_failed", error=type(error).__name__, **self._told)
            raise
