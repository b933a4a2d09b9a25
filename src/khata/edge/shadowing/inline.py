"""Shadow mode inside a running program: the other system answers, Khata is asked beside it.

    shadow = Shadowing(book, shadow_book)
    answer = shadow.run("checkout", legacy=pay, command=Debit(…), reference="order/M1")

While the flow is off or in shadow, `run` gives what `legacy` gives, or raises what it raises,
whatever becomes of the rest: that is done afterwards, in a thread of its own, off a queue that is
bounded. What finds no place in it is dropped, counted and told of.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Self, TypeVar

import msgspec

from khata.app import Khata
from khata.base.actor import SYSTEM, Actor
from khata.domain.shadow import Answer
from khata.edge.shadowing.answers import Ours, answer_of_error, ours_of_error
from khata.edge.shadowing.modes import Modes
from khata.edge.shadowing.waiting import Asked, Reading, Waiting, Wanted, Work, read_later
from khata.edge.working import Sounds
from khata.engine.command import Command

T = TypeVar("T")
_MOST_WAITING: Final = 1000
_PATIENCE_SECONDS: Final = 0.05
_TIMEOUT_SECONDS: Final = 10.0
_CLOSING_SECONDS: Final = 5.0


class Health(msgspec.Struct, frozen=True):
    """How the comparing does in this process. `waiting`: comparisons to be made. `dropped`: those
    that found no place. `errors`: those that failed. `blind`: how often a mode could not be read.
    """

    waiting: int
    compared: int
    dropped: int
    errors: int
    blind: int


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
        self._timeout = timeout_seconds
        self._modes = Modes(book, patience_seconds)
        self._waiting = Waiting(
            book, self.shadow_book, alerts, most=most_waiting, timeout_seconds=timeout_seconds
        )

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
        if mode == "off":
            return legacy()
        asked = Asked(flow, reference or key or "-", command, key, actor, theirs, ours)
        if mode == "primary":
            given = self._relied_on(asked, legacy if also_legacy else None)
            return answer(given) if answer else given
        try:
            found = legacy()
        except Exception as error:
            told = error
            self._waiting.put(Work(asked, lambda: answer_of_error(told)))
            raise
        self._waiting.put(Work(asked, read_later(found, theirs)))
        return found

    def _relied_on(self, asked: Asked, legacy: Callable[[], Any] | None) -> Any:
        """What Khata does, or raises; compared with `legacy`, if given, afterwards."""

        def theirs() -> Answer:
            if legacy is None:
                return Answer(ok=True)
            try:
                found = legacy()
            except Exception as error:  # noqa: BLE001 - whatever it is, it is their answer
                return answer_of_error(error)
            return read_later(found, asked.theirs)()

        try:
            given = self._done(asked)
        except Exception as error:
            told = ours_of_error(error)
            if legacy is not None:
                self._waiting.put(Work(asked, theirs, lambda: told))
            raise
        if legacy is not None:
            read = read_later(given, asked.ours)
            self._waiting.put(Work(asked, theirs, lambda: Ours(read())))
        return given

    def _done(self, asked: Asked) -> Any:
        command = asked.command
        if not isinstance(command, Command):
            return command()
        receipt = self.book.submit(command, key=asked.key, actor=asked.actor, timeout=self._timeout)
        return receipt.result

    def health(self) -> Health:
        """How the comparing does."""
        return Health(*self._waiting.counts(), self._modes.blind)

    def drain(self, timeout: float = _CLOSING_SECONDS) -> bool:
        """Wait until all that waits now is compared; whether it was in `timeout` seconds."""
        return self._waiting.drain(timeout)

    def close(self, timeout: float = _CLOSING_SECONDS) -> None:
        """Compare what waits, for `timeout` seconds at most; what is left then is given up."""
        self._waiting.close(timeout)
        self._modes.close(timeout)
