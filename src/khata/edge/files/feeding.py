"""Feeding a book: commands go in by the chunk, two chunks at a time.

While the writer commits one chunk the next is read, and one more waits, so neither the file nor
the book stands still. Every command has its key; whatever breaks off may be fed again.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from khata.app import Khata
from khata.base.actor import SYSTEM, Actor
from khata.edge.collecting import collecting_seldom
from khata.engine.command import Command
from khata.engine.job import Outcome
from khata.engine.journal import Receipt
from khata.errors import KhataError, Overloaded

CHUNK: Final = 1000
_FLIGHTS: Final = 2
_MOST_NAMED: Final = 1000
_PAUSE_SECONDS: Final = 0.05
_MOST_PAUSES: Final = 1200

OnRefusal = Literal["stop", "skip"]
Progress = Callable[[int, int | None], None]
"""Told now and then: bytes done so far, and how many there are."""


class Fed(NamedTuple):
    """A command with its key and the line it comes from.

    `settled`: codes of errors that mean that nothing is left to do, such as `already_exists`.
    `counts`: whether its outcome is the line's.
    """

    line: int
    key: str
    command: Command
    settled: frozenset[str] = frozenset()
    counts: bool = True


class RefusedLine(NamedTuple):
    """A line that the book refused: nothing of it was carried out. `code` as in docs/errors.md."""

    line: int
    key: str
    code: str
    message: str


@dataclass
class ImportResult:
    """What became of a file.

    `lines`: lines that were dealt with; of these `applied` changed the book now, `replayed` had
    done so before, and `refused` (the first 1,000 of `refusals` are named) changed nothing.
    `stopped_at`: the first refused line, when that ended the import.
    """

    applied: int = 0
    replayed: int = 0
    refusals: int = 0
    refused: list[RefusedLine] = field(default_factory=list)
    stopped_at: int | None = None

    @property
    def lines(self) -> int:
        """Lines that were dealt with."""
        return self.applied + self.replayed + self.refusals


@dataclass(frozen=True)
class Feed:
    """How a book is fed.

    `on_refusal`: `stop` reads no further than the chunks that are under way; `skip` goes on.
    """

    book: Khata
    actor: Actor = SYSTEM
    on_refusal: OnRefusal = "stop"
    chunk: int = CHUNK

    def run(self, items: Iterable[Fed], result: ImportResult, tell: Callable[[], None]) -> None:
        """Feed all items and note in `result` what became of them; `tell` after each chunk.

        What `items` raises comes out after all that was given before it has its outcome. Not to
        be called in a thread that runs an event loop.

        Errors: `Unavailable`, with the line; whatever `items` raises.
        """
        with collecting_seldom():
            asyncio.run(self._run(items, result, tell))

    async def _run(
        self, items: Iterable[Fed], result: ImportResult, tell: Callable[[], None]
    ) -> None:
        flights: deque[tuple[list[Fed], asyncio.Task[list[Outcome]]]] = deque()
        try:
            for chunk in _chunks(items, self.chunk):
                flights.append((chunk, await self._hand_in(chunk)))
                tell()
                if len(flights) == _FLIGHTS:
                    self._settle(*await _landed(flights), result)
                if result.stopped_at is not None:
                    break
        finally:
            while flights:
                self._settle(*await _landed(flights), result)
        tell()

    async def _hand_in(self, chunk: list[Fed]) -> asyncio.Task[list[Outcome]]:
        """Hand a chunk in. The book takes it whole or not at all; when it is busy, wait."""
        lines = [(item.key, item.command) for item in chunk]
        pauses = 0
        while True:
            task = asyncio.create_task(self.book.asubmit_many(lines, actor=self.actor))
            await asyncio.sleep(0)
            busy = task.done() and isinstance(task.exception(), Overloaded)
            if not busy or pauses == _MOST_PAUSES:
                return task
            pauses += 1
            await asyncio.sleep(_PAUSE_SECONDS)

    def _settle(self, chunk: list[Fed], outcomes: list[Outcome], result: ImportResult) -> None:
        for item, outcome in zip(chunk, outcomes, strict=True):
            if isinstance(outcome, Receipt):
                if item.counts and outcome.replayed:
                    result.replayed += 1
                elif item.counts:
                    result.applied += 1
            elif outcome.retryable:
                outcome.details["line"] = item.line
                raise outcome
            elif outcome.code not in item.settled:
                self._refuse(item, outcome, result)
            elif item.counts:
                result.replayed += 1

    def _refuse(self, item: Fed, error: KhataError, result: ImportResult) -> None:
        result.refusals += 1
        if len(result.refused) < _MOST_NAMED:
            result.refused.append(RefusedLine(item.line, item.key, error.code, error.message))
        if self.on_refusal == "stop" and result.stopped_at is None:
            result.stopped_at = item.line


async def _landed(
    flights: deque[tuple[list[Fed], asyncio.Task[list[Outcome]]]],
) -> tuple[list[Fed], list[Outcome]]:
    chunk, task = flights.popleft()
    return chunk, await task


def _chunks(items: Iterable[Fed], size: int) -> Iterator[list[Fed]]:
    """Items by the chunk. An error of `items` comes after the items before it."""
    chunk: list[Fed] = []
    try:
        for item in items:
            chunk.append(item)
            if len(chunk) == size:
                yield chunk
                chunk = []
    except KhataError:
        if chunk:
            yield chunk
        raise
    if chunk:
        yield chunk
