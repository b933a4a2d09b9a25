"""Comparisons that are to be made beside a running program: a bounded queue, and who works it off.

Commands that follow each other are carried out, and kept, in one batch; a function of our side, or
one that reads an answer, is waited for alone, so that what hangs holds up only what comes after it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from queue import Empty, Full, Queue
from typing import Any, Final

import msgspec
import structlog

from khata.app import Khata, Line
from khata.base.actor import WORKER, Actor
from khata.domain.shadow import Answer, Flow, Unread, flow_record
from khata.edge.shadowing.answers import Ours, answer_of, compared, copied, ours_of, ours_of_error
from khata.edge.working import Sounds
from khata.engine.command import Command
from khata.engine.journal import Receipt
from khata.errors import KhataError

log = structlog.get_logger("khata.shadow")
Wanted = Command | Callable[[], Any]
"""What Khata is to do: a command, or a function that does it and gives its answer."""
Reading = Callable[[Any], Answer | Mapping[str, Any]]
"""How an answer is read, where it is not plain values: its fields, or an `Answer`."""
_AT_ONCE: Final = 100
_TELL_SECONDS: Final = 60.0


class Asked(msgspec.Struct, frozen=True):
    """What was asked of both sides, and how their answers are read."""

    flow: str
    reference: str
    command: Wanted
    key: str | None
    actor: Actor
    theirs: Reading | None
    ours: Reading | None

    @property
    def kind(self) -> str | None:
        """The command's kind."""
        command = self.command
        return str(command.__struct_config__.tag) if isinstance(command, Command) else None


class Work(msgspec.Struct, frozen=True):
    """A comparison to be made. `ours`: None where the command is yet to be carried out."""

    asked: Asked
    theirs: Callable[[], Answer]
    ours: Callable[[], Ours] | None = None

    def goes_with(self, other: Work) -> bool:
        """Whether both are commands of one actor, whose answers nobody's code has to read."""
        return all(
            work.ours is None
            and isinstance(work.asked.command, Command)
            and work.asked.theirs is None
            and work.asked.ours is None
            and work.asked.actor == self.asked.actor
            for work in (self, other)
        )


def read_later(given: Any, read: Reading | None) -> Callable[[], Answer]:
    """How an answer is read when its turn comes. What is plain is copied now, before its caller
    may change it; what takes a function to read is read then.
    """
    if read is not None:
        return lambda: answer_of(read(given))
    try:
        kept = copied(given)
    except Exception as error:
        # nobody's call may fail because its answer cannot be looked at
        log.exception("shadow_unreadable", exc_info=error)
        kept = Unread(f"<{type(given).__name__}>")
    return lambda: answer_of(kept)


class Waiting:
    """See the module. `put` never waits and never fails."""

    def __init__(
        self,
        book: Khata,
        shadow_book: Khata,
        alerts: Sounds | None,
        *,
        most: int,
        timeout_seconds: float,
    ) -> None:
        self._book = book
        self._shadow_book = shadow_book
        self._alerts = alerts
        self._timeout = timeout_seconds
        self._queue: Queue[Work | None] = Queue(most)
        self._counting = threading.Lock()
        self._compared = self._dropped = self._untold = self._errors = 0
        self._told_at = -_TELL_SECONDS
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="khata-shadow", daemon=True)
        self._thread.start()

    def put(self, work: Work) -> None:
        """Have a comparison made; where there is no place it is dropped, counted and told of."""
        with suppress(Full):
            if not self._closing:  # after that nobody would take it out again
                self._queue.put_nowait(work)
                return
        with self._counting:
            self._dropped += 1
            self._untold += 1
            dropped = self._dropped
        self._tell("shadow_dropped", work.asked.flow, dropped=dropped)

    def counts(self) -> tuple[int, int, int, int]:
        """Waiting, compared, dropped, failed."""
        with self._counting:
            return self._queue.qsize(), self._compared, self._dropped, self._errors

    def drain(self, timeout: float) -> bool:
        """Wait until all that waits now is compared; whether it was in `timeout` seconds."""
        until = time.monotonic() + timeout
        while self._queue.unfinished_tasks:
            if time.monotonic() > until:
                return False
            time.sleep(0.001)
        return True

    def close(self, timeout: float) -> None:
        """Compare what waits, for `timeout` seconds at most; what is left then is given up."""
        if not self._closing:
            self._closing = True
            if not self.drain(timeout):
                log.critical("shadow_given_up", book=self._book.book, left=self._give_up())
            with suppress(Full):  # whoever still calls may fill it again
                self._queue.put_nowait(None)
        self._thread.join(timeout)

    def _give_up(self) -> int:
        left = 0
        with suppress(Empty):
            while True:
                self._queue.get_nowait()
                self._queue.task_done()
                left += 1
        return left

    # ── working it off ───────────────────────────────────────────────────────────────

    def _run(self) -> None:
        work = self._queue.get()
        while work is not None:
            batch, following = [work], self._next()
            while following is not None and len(batch) < _AT_ONCE and work.goes_with(following):
                batch.append(following)
                following = self._next()
            try:
                self._compare(batch)
            except BaseException as error:  # noqa: BLE001 - even an exit: the next one is compared
                self._failed(batch, error)
            for _ in batch:
                self._queue.task_done()
            work = following or self._queue.get()
        self._queue.task_done()

    def _next(self) -> Work | None:
        """What waits behind it; None for nothing, or when it is the end, which is put back."""
        with suppress(Empty):
            following = self._queue.get_nowait()
            if following is not None:
                return following
            self._queue.task_done()
            with suppress(Full):
                self._queue.put_nowait(None)
        return None

    def _compare(self, batch: Sequence[Work]) -> None:
        with self._book.view() as view:
            names = dict.fromkeys(work.asked.flow for work in batch)
            flows: dict[str, Flow] = {name: flow_record(view, name) for name in names}
        sides = [
            (work, ours, work.theirs()) for work, ours in zip(batch, self._ours(batch), strict=True)
        ]
        with self._counting:
            dropped, self._untold = self._untold, 0
        lines: list[Line] = [
            compared(
                flows[work.asked.flow],
                work.asked.reference,
                theirs,
                ours,
                kind=work.asked.kind,
                dropped=0 if at else dropped,
            )
            for at, (work, ours, theirs) in enumerate(sides)
        ]
        kept = 0
        try:
            outcomes = self._book.submit_many(lines, actor=WORKER, timeout=self._timeout)
            kept = dropped if isinstance(outcomes[0], Receipt) else 0
        finally:
            with self._counting:  # what the book did not learn it is told next time
                self._untold += dropped - kept
        for work, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, KhataError):
                self._failed([work], outcome)
            else:
                with self._counting:
                    self._compared += 1

    def _ours(self, batch: Sequence[Work]) -> list[Ours]:
        """What our side comes to, for each; a batch of more than one has commands only."""
        first = batch[0]
        if first.ours is not None:
            return [first.ours()]
        try:
            if not isinstance(first.asked.command, Command):
                return [Ours(read_later(first.asked.command(), first.asked.ours)())]
            lines: list[Line] = [_line(work.asked) for work in batch]
            outcomes = self._shadow_book.submit_many(
                lines, actor=first.asked.actor, timeout=self._timeout
            )
        except Exception as error:  # noqa: BLE001 - whatever it is, it is our answer
            return [ours_of_error(error)] * len(batch)
        return [_read(outcome, first.asked.ours) for outcome in outcomes]

    # ── telling ──────────────────────────────────────────────────────────────────────

    def _failed(self, batch: Sequence[Work], error: BaseException) -> None:
        with self._counting:
            self._errors += len(batch)
        code = error.code if isinstance(error, KhataError) else type(error).__name__
        self._tell("shadow_failed", batch[0].asked.flow, error=code)

    def _tell(self, name: str, flow: str, **details: Any) -> None:
        """Tell people; without alerts at most once a minute, as they do. It never fails."""
        told = {"book": self._book.book, "part": flow, **details}
        if self._alerts is None:
            with self._counting:
                quiet = time.monotonic() - self._told_at < _TELL_SECONDS
                self._told_at = self._told_at if quiet else time.monotonic()
            if not quiet:
                log.critical(name, **told)
            return
        try:
            self._alerts.sound(name, **told)
        except Exception as error:
            log.exception("shadow_untold", exc_info=error)


def _line(asked: Asked) -> Any:
    return asked.command if asked.key is None else (asked.key, asked.command)


def _read(outcome: Receipt | KhataError, read: Reading | None) -> Ours:
    if read is None or isinstance(outcome, KhataError):
        return ours_of(outcome)
    return Ours(read_later(outcome.result, read)(), seq=outcome.seq)
