"""Parts: what a worker does over and over, each in a thread of its own.

One that fails is logged, told of and begun again after a pause; the others go on meanwhile.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Final, Protocol

import structlog

from khata.errors import KhataError

log = structlog.get_logger("khata.worker")
_FIRST_SECONDS: Final = 0.5
_LONGEST_SECONDS: Final = 30.0
_WELL_SECONDS: Final = 60.0
"""Who lasted so long was well: the next failure is a first one."""
_AT_ONCE: Final = 100
_BREATH_SECONDS: Final = 0.1
"""Between two rounds of much to do, so that callers of the book come in between."""


class Sounds(Protocol):
    """Who tells people: `khata.edge.http.alerts.Alerts`."""

    def sound(self, name: str, **details: Any) -> None:
        """Tell people. Thread-safe, never fails."""
        ...


class Part:
    """`run`: works until the event that it is given is set. What it raises does not end it."""

    def __init__(
        self, name: str, book: str, run: Callable[[threading.Event], None], alerts: Sounds
    ) -> None:
        self.name = name
        self.failures = 0
        self._book = book
        self._run = run
        self._alerts = alerts
        self._thread: threading.Thread | None = None

    def start(self, stop: threading.Event) -> None:
        """Begin, until `stop` is set."""
        name = f"khata-{self._book}-{self.name}"
        self._thread = threading.Thread(target=self._supervised, args=(stop,), name=name)
        self._thread.start()

    def join(self) -> None:
        """Wait until it has ended."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _supervised(self, stop: threading.Event) -> None:
        in_a_row = 0
        while not stop.is_set():
            began = time.monotonic()
            try:
                self._run(stop)
            except Exception as error:  # noqa: BLE001 - whatever it is, the others go on
                in_a_row = 0 if time.monotonic() - began > _WELL_SECONDS else in_a_row
                in_a_row += 1
                self._failed(error)
                stop.wait(min(_FIRST_SECONDS * 2 ** (in_a_row - 1), _LONGEST_SECONDS))

    def _failed(self, error: Exception) -> None:
        self.failures += 1
        told = {"part": self.name, "book": self._book}
        if isinstance(error, KhataError) and error.retryable:
            # the database is away: whoever watches the database hears of that
            log.warning("part_interrupted", code=error.code, **told)
            return
        log.error("part_failed", exc_info=error, **told)
        self._alerts.sound("worker_failed", error=type(error).__name__, **told)


class Pump:
    """Does what there is, then waits for `wake` or `pause_seconds`, less when there is more."""

    def __init__(self, work: Callable[[int], int], pause_seconds: float) -> None:
        self._work = work
        self._pause = pause_seconds
        self._woken = threading.Event()

    def wake(self) -> None:
        """There is something to do."""
        self._woken.set()

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set, and `wake` called."""
        while not stop.is_set():
            self._woken.clear()
            done = self._work(_AT_ONCE)
            self._woken.wait(self._pause if done < _AT_ONCE else _BREATH_SECONDS)
