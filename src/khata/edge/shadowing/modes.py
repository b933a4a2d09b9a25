"""In which mode a flow is, asked of the book each time, and never waited for longer than a bound.

A switch by whatever process holds from the next call on. While the book does not answer, a flow
stays in the mode that it was last known to be in: at first as they all are when this begins, so
that no slow first answer makes the other system do what Khata is relied on for. One that was never
known is off.
"""

from __future__ import annotations

import threading
import time
from queue import SimpleQueue

import structlog

from khata.app import Khata
from khata.domain.shadow import Mode, mode_of, modes
from khata.errors import KhataError

log = structlog.get_logger("khata.shadow")


class _Asked:
    """One who waits for a mode."""

    __slots__ = ("answered", "flow", "mode")

    def __init__(self, flow: str) -> None:
        self.flow = flow
        self.mode: Mode | None = None
        self.answered = threading.Event()


class Modes:
    """Looks modes up in a thread of its own, for all who ask at that moment at once.

    `blind`: how often a mode could not be read in time.
    """

    def __init__(self, book: Khata, patience_seconds: float) -> None:
        self.blind = 0
        self._book = book
        self._patience = patience_seconds
        self._known = self._all()
        self._looking_since: float | None = None
        self._closed = False
        self._asked: SimpleQueue[_Asked | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="khata-shadow-modes", daemon=True)
        self._thread.start()

    def now(self, flow: str) -> Mode:
        """The mode of a flow. Never raises."""
        if self._closed:
            return self._known.get(flow, "off")
        since = self._looking_since
        if since is None or time.monotonic() - since < self._patience:
            asked = _Asked(flow)
            self._asked.put(asked)
            if asked.answered.wait(self._patience) and asked.mode is not None:
                self._known[flow] = asked.mode
                return asked.mode
        self.blind += 1
        log.warning("shadow_mode_unknown", book=self._book.book, flow=flow)
        return self._known.get(flow, "off")

    def close(self, timeout: float) -> None:
        """Stop looking: from now on each flow is as it was last known to be."""
        self._closed = True
        self._asked.put(None)
        self._thread.join(timeout)

    def _run(self) -> None:
        while (first := self._asked.get()) is not None:
            waiting = [first]
            while not self._asked.empty():
                following = self._asked.get()
                if following is None:
                    return
                waiting.append(following)
            self._looking_since = time.monotonic()
            found = {flow: self._look(flow) for flow in {asked.flow for asked in waiting}}
            self._looking_since = None
            for asked in waiting:
                asked.mode = found[asked.flow]
                asked.answered.set()

    def _all(self) -> dict[str, Mode]:
        try:
            return self._book.query(modes)
        except KhataError as error:
            log.warning("shadow_mode_unread", book=self._book.book, code=error.code)
            return {}

    def _look(self, flow: str) -> Mode | None:
        try:
            return self._book.query(mode_of, flow)
        except KhataError as error:
            log.warning("shadow_mode_unread", book=self._book.book, flow=flow, code=error.code)
        except Exception as error:
            log.exception("shadow_mode_unread", book=self._book.book, exc_info=error)
        return None
