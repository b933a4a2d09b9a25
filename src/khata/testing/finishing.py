"""Working sagas off in a test, with a worker that may die at any commit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from khata.app import Khata
from khata.base.actor import SYSTEM, Actor
from khata.base.clock import SECOND
from khata.engine.command import Command
from khata.engine.job import Outcome
from khata.engine.sagas.due import next_due
from khata.engine.sagas.worker import Caller, Options, Worker
from khata.testing.clock import VirtualClock

_MOST_TURNS: Final = 1000
_FOREVER_SECONDS: Final = 400 * 86_400


class Crash(BaseException):
    """The worker is dead. No `Exception`, so that nothing on its way catches it."""


class Mortal:
    """A book that kills whoever writes to it for the `at`-th time: before, or after the commit."""

    def __init__(self, book: Khata, at: int | None = None, *, after: bool = False) -> None:
        self._inner = book
        self._at = at
        self._after = after
        self.commits = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def submit_many(self, lines: Iterable[Command], *, actor: Actor = SYSTEM) -> list[Outcome]:
        """As the book does, until the end. Errors: `Crash`."""
        commands = list(lines)
        if not commands:
            return []
        dies = self.commits == self._at
        self.commits += 1
        if dies and not self._after:
            raise Crash
        outcomes = self._inner.submit_many(commands, actor=actor)
        if dies:
            raise Crash
        return outcomes


def finish(
    book: Khata,
    callers: Mapping[str, Caller],
    clock: VirtualClock,
    *,
    crash_at: int | None = None,
    after: bool = False,
    until_seconds: float = _FOREVER_SECONDS,
) -> int:
    """Work until nothing is due within `until_seconds`, letting the clock jump; how many commits
    the workers made.

    `crash_at`: the worker dies at that commit (from 0), before it or, with `after`, after it; its
    runs are taken over when its lease has ended.
    """
    options = Options(lease_seconds=30)
    mortal = Mortal(book, crash_at, after=after)
    worker = Worker(mortal, callers, options=options)
    end = clock.now + int(until_seconds * SECOND)
    for _ in range(_MOST_TURNS):
        try:
            count = worker.work()
        except Crash:
            clock.advance(options.lease_seconds + 1)
            worker = Worker(mortal, callers, options=options)
            continue
        with book.view() as view:
            due_at = next_due(view)
        if due_at is None or due_at > end:
            return mortal.commits
        if count == 0 and due_at <= clock.now:
            # a saga's places are taken by someone who died: they are free when the leases end
            clock.advance(options.lease_seconds + 1)
        clock.reach(due_at)
    message = f"still not finished after {_MOST_TURNS} turns"
    raise AssertionError(message)
