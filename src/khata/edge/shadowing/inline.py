"""Shadow mode inside a running program: the other system answers, Khata is asked beside it.

    shadow = Shadowing(book, shadow_book)
    answer = shadow.run("checkout", legacy=pay, command=Debit(…), reference="order/M1")

While the flow is off or in shadow, `run` gives what `legacy` gives, or raises what it raises,
whatever becomes of the rest: that is done afterwards, in a thread of its own, off a queue that is
bounded. What finds no place in it is dropped, counted and told of.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from queue import Empty, Full, Queue
from typing import Any, Final, Self, TypeVar

import msgspec
import structlog

from khata.app import Khata
from khata.base.actor import SYSTEM, WORKER, Actor
from khata.domain.shadow import Answer, flow_record
from khata.edge.shadowing.answers import (
    Ours,
    answer_of,
    answer_of_error,
    compared,
    copied,
    ours_of,
    ours_of_error,
)
from khata.edge.shadowing.modes import Modes
from khata.edge.working import Sounds
from khata.engine.command import Command
from khata.errors import KhataError

log = structlog.get_logger("khata.shadow")
Wanted = Command | Callable[[], Any]
"""What Khata is to do: a command, or a function that does it and gives its answer."""
Reading = Callable[[Any], Answer | Mapping[str, Any]]
"""How an answer is read, where it is not plain values: its fields, or an `Answer`."""
T = TypeVar("T")
_MOST_WAITING: Final = 1000
_PATIENCE_SECONDS: Final = 0.05
_TIMEOUT_SECONDS: Final = 10.0
_CLOSING_SECONDS: Final = 5.0
_TELL_SECONDS: Final = 60.0


class Health(msgspec.Struct, frozen=True):
    """How the comparing does in this process. `waiting`: comparisons to be made. `dropped`: those
    that found no place. `errors`: those that failed. `blind`: how often a mode could not be read.
    """

    waiting: int
    compared: int
    dropped: int
    errors: int
    blind: int


class _Work(msgspec.Struct):
    """A comparison to be made: each side is asked for what it answered, or does it now."""

    flow: str
    reference: str
    kind: str | None
    theirs: Callable[[], Answer]
    ours: Callable[[], Ours]


class Shadowing:
    """See the module. All of its methods may be called from any thread.

    `book`: where flows are defined and comparisons kept; what a flow in primary is carried out in.
    `shadow_book`: where commands of a flow in shadow are carried out, of whatever database; left
    out, `book` itself. `alerts`: who tells people. `patience_seconds`: how long `run` waits at
    most to hear a flow's mode, which is all that it ever adds to a call of the other system.
    """

    def __init__(
        self,
        book: Khata,
        shadow_book: Khata | None = None,
        *,
        alerts: Sounds | None = None,
        most_waiting: int = _MOST_WAITING,
        patience_seconds: float = _PATIENCE_SECONDS,
        timeout_seconds: float = _TIMEOUT_SECONDS,
    ) -> None:
        self.book = book
        self.shadow_book = shadow_book or book
        self._alerts = alerts
        self._timeout = timeout_seconds
        self._modes = Modes(book, patience_seconds)
        self._waiting: Queue[_Work | None] = Queue(most_waiting)
        self._counting = threading.Lock()
        self._compared = self._dropped = self._untold = self._errors = 0
        self._told_at = -_TELL_SECONDS
        self._count = itertools.count()
        self._thread = threading.Thread(target=self._run, name="khata-shadow", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def run(
        self,
        flow: str,
        *,
        legacy: Callable[[], T],
        command: Wanted,
        reference: str | None = None,
        key: str | None = None,
        actor: Actor = SYSTEM,
        theirs: Reading | None = None,
        ours: Reading | None = None,
        answer: Callable[[Any], T] | None = None,
        also_legacy: bool = False,
    ) -> T:
        """What the other system answers; once the flow is primary, what Khata does.

        `theirs`, `ours`: how the two answers are read, where they are not plain values. `answer`:
        Khata's answer as the caller expects it. `also_legacy`: in primary, have the other system
        do it afterwards too, to compare; only for what may be done twice.

        Errors: those of `legacy`; in primary those of `command`.
        """
        mode = self._modes.now(flow)
        about = (flow, reference or key or "-", _kind_of(command))
        if mode == "primary":
            return self._relied_on(about, legacy, command, key, actor, theirs, ours, answer,
                                   also_legacy=also_legacy)  # fmt: skip
        if mode == "off":
            return legacy()

        def carried() -> Ours:
            return self._carried(self.shadow_book, command, key, actor, ours)

        try:
            given = legacy()
        except Exception as error:
            told = error
            self._put(_Work(*about, lambda: answer_of_error(told), carried))
            raise
        self._put(_Work(*about, _read_later(given, theirs), carried))
        return given

    def _relied_on(
        self,
        about: tuple[str, str, str | None],
        legacy: Callable[[], T],
        command: Wanted,
        key: str | None,
        actor: Actor,
        theirs: Reading | None,
        ours: Reading | None,
        answer: Callable[[Any], T] | None,
        *,
        also_legacy: bool,
    ) -> T:
        def asked() -> Answer:
            try:
                given = legacy()
            except Exception as error:  # noqa: BLE001 - whatever it is, it is their answer
                return answer_of_error(error)
            return _read_later(given, theirs)()

        try:
            given = _do(self.book, command, key, actor, self._timeout)
        except Exception as error:
            if also_legacy:
                told = ours_of_error(error)
                self._put(_Work(*about, asked, lambda: told))
            raise
        if also_legacy:
            read = _read_later(given, ours)
            self._put(_Work(*about, asked, lambda: Ours(read())))
        return answer(given) if answer else given

    def _carried(
        self, book: Khata, command: Wanted, key: str | None, actor: Actor, read: Reading | None
    ) -> Ours:
        try:
            if not isinstance(command, Command):
                return Ours(_read_later(command(), read)())
            receipt = book.submit(command, key=key, actor=actor, timeout=self._timeout)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is our answer
            return ours_of_error(error)
        if read is None:
            return ours_of(receipt)
        return Ours(_read_later(receipt.result, read)(), seq=receipt.seq)

    # ── beside ───────────────────────────────────────────────────────────────────────

    def _put(self, work: _Work) -> None:
        try:
            self._waiting.put_nowait(work)
        except Full:
            with self._counting:
                self._dropped += 1
                self._untold += 1
                dropped = self._dropped
            self._tell("shadow_dropped", work.flow, dropped=dropped)

    def _run(self) -> None:
        while (work := self._waiting.get()) is not None:
            try:
                self._compare(work)
            except BaseException as error:  # noqa: BLE001 - even an exit: the next one is compared
                with self._counting:
                    self._errors += 1
                code = error.code if isinstance(error, KhataError) else type(error).__name__
                self._tell("shadow_failed", work.flow, error=code)
            finally:
                self._waiting.task_done()
        self._waiting.task_done()

    def _compare(self, work: _Work) -> None:
        flow = self.book.query(flow_record, work.flow)
        theirs, ours = work.theirs(), work.ours()
        with self._counting:
            dropped, self._untold = self._untold, 0
        wanted = compared(flow, work.reference, theirs, ours, kind=work.kind, dropped=dropped)
        try:
            self.book.submit(wanted, actor=WORKER, timeout=self._timeout)
        except KhataError:
            with self._counting:
                self._untold += dropped
            raise
        with self._counting:
            self._compared += 1

    def _tell(self, name: str, flow: str, **details: Any) -> None:
        """Tell people, at most once a minute; alerts see to that themselves."""
        told = {"book": self.book.book, "part": flow, **details}
        if self._alerts is not None:
            self._alerts.sound(name, **told)
            return
        with self._counting:
            if time.monotonic() - self._told_at < _TELL_SECONDS:
                return
            self._told_at = time.monotonic()
        log.critical(name, **told)

    # ── how it does ──────────────────────────────────────────────────────────────────

    def health(self) -> Health:
        """How the comparing does."""
        with self._counting:
            counts = (self._compared, self._dropped, self._errors)
        return Health(self._waiting.qsize(), *counts, self._modes.blind)

    def drain(self, timeout: float = _CLOSING_SECONDS) -> bool:
        """Wait until all that waits now is compared; whether it was in `timeout` seconds."""
        until = time.monotonic() + timeout
        while self._waiting.unfinished_tasks:
            if time.monotonic() > until:
                return False
            time.sleep(0.001)
        return True

    def close(self, timeout: float = _CLOSING_SECONDS) -> None:
        """Compare what waits, for `timeout` seconds at most; what is left then is given up."""
        if not self.drain(timeout):
            left = 0
            try:
                while True:
                    left += self._waiting.get_nowait() is not None
            except Empty:
                log.critical("shadow_given_up", book=self.book.book, left=left)
        with suppress(Full):  # whoever still calls may fill it again
            self._waiting.put_nowait(None)
        self._thread.join(timeout)
        self._modes.close(timeout)


def _do(book: Khata, command: Wanted, key: str | None, actor: Actor, timeout: float) -> Any:
    if isinstance(command, Command):
        return book.submit(command, key=key, actor=actor, timeout=timeout).result
    return command()


def _kind_of(command: Wanted) -> str | None:
    return str(command.__struct_config__.tag) if isinstance(command, Command) else None


def _read_later(given: Any, read: Reading | None) -> Callable[[], Answer]:
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
        kept = f"<{type(given).__name__}>"
    return lambda: answer_of(kept)
