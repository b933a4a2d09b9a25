"""What a worker notices of its runs: logged with their ids; those that are stuck are told of."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Final

import structlog

from khata.app import Khata
from khata.base.actor import SYSTEM, Actor
from khata.edge.working.parts import Sounds
from khata.engine.command import Command
from khata.engine.database import View
from khata.engine.job import Outcome
from khata.engine.journal import Receipt
from khata.engine.sagas import ENDED, NEEDS_A_PERSON, Progress

log = structlog.get_logger("khata.sagas")
_QUIET_SECONDS: Final = 60.0
_MOST_NAMED: Final = 50


class Noticing:
    """A book as its worker uses it, and a look at what becomes of the runs.

    A stuck run is told of at once; of those that follow within a minute all are told together
    after it, so that a storm is one message and none is lost.
    """

    def __init__(self, book: Khata, alerts: Sounds) -> None:
        self.book = book.book
        self.scope: str = book.scope
        self.clock = book.clock
        self.verbs = book.verbs
        self.moved = book.moved
        self.fresh = book.fresh
        self._inner = book
        self._alerts = alerts
        self._stuck: list[str] = []
        self._telling = threading.Lock()
        self._told_at = -_QUIET_SECONDS

    def view(self, actor: Actor = SYSTEM) -> AbstractContextManager[View]:
        """As the book's."""
        return self._inner.view(actor)

    def submit_many(self, lines: Iterable[Command], *, actor: Actor = SYSTEM) -> list[Outcome]:
        """As the book's."""
        answers = self._inner.submit_many(lines, actor=actor)
        for answer in answers:
            if isinstance(answer, Receipt) and isinstance(answer.result, Progress):
                self._look(answer.result)
        return answers

    def _look(self, now: Progress) -> None:
        if now.status in ENDED:
            log.info("saga_ended", book=self.book, saga=now.saga, status=now.status)
        elif now.status in NEEDS_A_PERSON:
            told = {"book": self.book, "saga": now.saga, "step": now.step}
            log.error("saga_stuck", status=now.status, **told)
            with self._telling:
                self._stuck.append(now.saga)
            self.tell()

    # ── telling people ───────────────────────────────────────────────────────────────

    def run(self, stop: threading.Event) -> None:
        """Tell what could not be told at once, until `stop` is set, and then what is left."""
        while not stop.wait(1):
            self.tell()

    def tell(self) -> None:
        """Tell of the runs that are stuck and not told of, unless it was done a moment ago."""
        with self._telling:
            if not self._stuck or time.monotonic() - self._told_at < _QUIET_SECONDS:
                return
            found, self._stuck = self._stuck, []
            self._alerts.sound(
                "saga_stuck", book=self.book, count=len(found), sagas=found[:_MOST_NAMED]
            )
            # behind the alerts' own clock, which lets another one through after a minute
            self._told_at = time.monotonic()
