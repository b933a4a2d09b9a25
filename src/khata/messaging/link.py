"""The connection to NATS: it comes back by itself, and says when it is there and when not."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, TypeVar

import nats.errors
import structlog
from nats.aio.client import Client
from nats.js.client import JetStreamContext

from khata.messaging.supervising import end

log = structlog.get_logger("khata.messaging")
_AGAIN_SECONDS: Final = 0.2
_PING_SECONDS: Final = 5
_API_SECONDS: Final = 5.0
_T = TypeVar("_T")


class Link:
    """`servers`: addresses such as `nats://host:4222`, of one NATS or of the nodes of a cluster.

    `up` is set while there is a connection. `lost`: how often one went away.
    """

    def __init__(self, servers: Sequence[str], name: str) -> None:
        self.servers = tuple(servers)
        self.name = name
        self.up = asyncio.Event()
        self.lost = 0
        self.client = Client()
        self.stream: JetStreamContext = self.client.jetstream(timeout=_API_SECONDS)
        self._known: set[str] = set()
        self._opening: asyncio.Task[None] | None = None
        self._told: list[Callable[[], None]] = []
        self._tied: set[asyncio.Task[Any]] = set()

    def when_up(self, call: Callable[[], None]) -> None:
        """Call this whenever there is a connection again, the first time too."""
        self._told.append(call)

    async def while_up(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Do something that is in vain once the connection is lost.

        Errors: `ConnectionResetError` as soon as it is; those of the work.
        """
        task = asyncio.ensure_future(work)
        self._tied.add(task)
        try:
            return await task
        except asyncio.CancelledError:
            mine = asyncio.current_task()
            if mine is not None and mine.cancelling():
                raise
            raise ConnectionResetError from None
        finally:
            self._tied.discard(task)

    def open(self) -> None:
        """Begin to connect; that is tried until it works, or until `close`."""
        self._opening = asyncio.ensure_future(self._open())

    async def _open(self) -> None:
        await self.client.connect(
            list(self.servers),
            name=self.name,
            error_cb=self._failed,
            disconnected_cb=self._went,
            reconnected_cb=self._came,
            max_reconnect_attempts=-1,
            reconnect_time_wait=_AGAIN_SECONDS,  # type: ignore[arg-type]  # slept as it is
            ping_interval=_PING_SECONDS,
            connect_timeout=2,
        )
        await self._came()

    async def close(self) -> None:
        """Let the connection go."""
        self.up.clear()
        for task in list(self._tied):
            task.cancel()
        if self._opening is not None:
            await end(self._opening)
        with contextlib.suppress(OSError, nats.errors.Error, asyncio.TimeoutError):
            await self.client.close()

    async def _came(self) -> None:
        log.info("nats_connected", gateway=self.name)
        self._known.clear()
        self.up.set()
        for call in self._told:
            call()

    async def _went(self) -> None:
        if self.up.is_set():
            self.lost += 1
            self.up.clear()
            log.warning("nats_lost", gateway=self.name)
            for task in list(self._tied):
                task.cancel()

    async def _failed(self, error: Exception) -> None:
        # one for every single try to connect: each sort is told once, until there is a connection
        sort = type(error).__name__
        if sort not in self._known:
            self._known.add(sort)
            log.warning("nats_error", gateway=self.name, error=sort)


def go_on() -> None:
    """Errors: `CancelledError` when this task was cancelled and what it waited for hid that: a
    wait with a time limit does so, when what it waits for comes at that very moment.
    """
    mine = asyncio.current_task()
    if mine is not None and mine.cancelling():
        raise asyncio.CancelledError


def servers_in(text: str) -> tuple[str, ...]:
    """The addresses in a list with commas."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


__all__ = ["Link", "go_on", "servers_in"]
