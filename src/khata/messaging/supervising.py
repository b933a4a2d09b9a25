"""Supervision, one for one: a part that fails is begun again, the others do not notice.

A part that fails too often in too short a time is *fenced off*: it is not begun again, everybody
who asks hears of it, and the rest goes on.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
import structlog

from khata.errors import KhataError

log = structlog.get_logger("khata.messaging")
RUNNING: Final = "running"
WAITING: Final = "waiting"
FENCED: Final = "fenced"
ENDED: Final = "ended"


_AGAIN_SECONDS: Final = 2.0


async def end(task: asyncio.Task[Any]) -> None:
    """Cancel a task and wait for it. A wait with a time limit hides being cancelled when what it
    waits for comes at that very moment: who does not end in a while is cancelled again.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=_AGAIN_SECONDS)


async def undisturbed(work: Awaitable[None]) -> None:
    """Wait for what must come to its end, however often this is cancelled meanwhile: for the work
    of a part that has been told to end. Being cancelled is told afterwards.
    """
    task, cancelled = asyncio.ensure_future(work), False
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        raise asyncio.CancelledError from task.exception()
    task.result()


async def as_it_comes(work: Callable[[], Awaitable[int]], waits: str, pause_seconds: float) -> None:
    """Work, until this is cancelled: at once again while there was something to do, else after a
    pause. What is away is waited for; that it is, is logged once, as `waits`.

    Errors: those of `work` that are not to be tried again.
    """
    waiting = False
    while True:
        try:
            done = await work()
        except KhataError as error:
            if not error.retryable:
                raise
            if not waiting:
                log.warning(waits, code=error.code)
            waiting, done = True, 0
        else:
            waiting = False
        if not done:
            await asyncio.sleep(pause_seconds)


class Limits(msgspec.Struct, frozen=True):
    """How often a part may fail: `restarts` times in `seconds`. After a failure it waits `pause`
    seconds, twice as long each time, up to `longest`.
    """

    restarts: int = 5
    seconds: float = 60.0
    pause: float = 0.1
    longest: float = 10.0


class Part:
    """`run`: works until it is cancelled. One that returns has ended, and is not begun again."""

    def __init__(self, name: str, run: Callable[[], Awaitable[None]], limits: Limits) -> None:
        self.name = name
        self.state = WAITING
        self.restarts = 0
        self.last_error: str | None = None
        self._run = run
        self._limits = limits
        self._failures: deque[float] = deque()

    async def live(self, sound: Callable[..., None]) -> None:
        """Run, again and again, until it ends or is fenced off."""
        while True:
            self.state = RUNNING
            try:
                await self._run()
            except Exception as error:
                # whatever it is, the others go on
                self.last_error = type(error).__name__
                log.exception("part_failed", part=self.name)
            else:
                self.state = ENDED
                return
            if self._too_often():
                self.state = FENCED
                log.error("part_fenced", part=self.name, restarts=self.restarts)
                sound("messaging_part_fenced", part=self.name, error=self.last_error)
                return
            self.state = WAITING
            self.restarts += 1
            await asyncio.sleep(self._pause())

    def _too_often(self) -> bool:
        now = time.monotonic()
        self._failures.append(now)
        while self._failures[0] < now - self._limits.seconds:
            self._failures.popleft()
        return len(self._failures) > self._limits.restarts

    def _pause(self) -> float:
        limits = self._limits
        return float(min(limits.pause * 2 ** (len(self._failures) - 1), limits.longest))


class Supervisor:
    """Parts that run beside each other on one loop. `sound`: tells people of one that is fenced
    off; it must not fail.
    """

    def __init__(self, sound: Callable[..., None] | None = None) -> None:
        self._sound = sound or (lambda _name, **_details: None)
        self._parts: dict[str, Part] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def start(
        self, name: str, run: Callable[[], Awaitable[None]], limits: Limits | None = None
    ) -> Part:
        """Begin a part. One of the same name that was fenced off, or ended, makes room."""
        if name in self._tasks and not self._tasks[name].done():
            raise ValueError(name)
        part = self._parts[name] = Part(name, run, limits or Limits())
        self._tasks[name] = asyncio.ensure_future(part.live(self._sound))
        return part

    @property
    def well(self) -> bool:
        """Whether no part is fenced off."""
        return all(part.state != FENCED for part in self._parts.values())

    def shown(self) -> dict[str, dict[str, Any]]:
        """How each part is, as JSON has it."""
        return {
            name: {"state": part.state, "restarts": part.restarts, "last_error": part.last_error}
            for name, part in self._parts.items()
        }

    async def end(self, name: str) -> None:
        """Cancel a part and wait for it."""
        task = self._tasks.pop(name, None)
        if task is not None:
            await end(task)

    async def stop(self) -> None:
        """End all parts, the last one first."""
        for name in reversed(list(self._tasks)):
            await self.end(name)
