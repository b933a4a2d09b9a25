"""The HTTP door of a gateway, served in the gateway's own process and on its loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from granian.constants import Interfaces
from granian.server.embed import Server
from litestar import Litestar

from khata.app import Khata
from khata.edge.http.alerts import Alerts
from khata.edge.http.app import Front, application
from khata.edge.http.messaging import messaging_operations
from khata.edge.http.system import system_operations
from khata.edge.messaging.desk import GatewayDesk
from khata.edge.messaging.figures import Figures
from khata.settings import Settings

_BACKLOG: Final = 1024
_BACKPRESSURE: Final = 256


class MessagingDoor(Front):
    """Messages over HTTP, health, and figures. `guard.identify` lets the gateway's sockets in.

    It has no operations before `join` told it of its gateway, which needs its guard first.
    """

    def __init__(self, book: Khata, settings: Settings, alerts: Alerts | None = None) -> None:
        super().__init__({book.book: book}, settings, alerts)
        self._book = book
        self._docs = settings.docs

    def join(self, desk: GatewayDesk) -> None:
        """Answer for this desk's gateway."""
        self.metrics.add(Figures(desk))
        self.offer(
            [
                *messaging_operations(lambda _: desk),
                *system_operations(
                    {self._book.book: self._book}, self.threads, self.metrics, self.broken
                ),
            ],
            docs=self._docs,
        )


@asynccontextmanager
async def beside(door: MessagingDoor, host: str, port: int) -> AsyncIterator[None]:
    """Serve a door on this loop for as long as the block runs. Errors: `OSError` when the address
    is taken.
    """

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        yield

    server = Server(
        application(door, lifespan),
        address=host,
        port=port,
        interface=Interfaces.ASGI,
        websockets=False,
        backlog=_BACKLOG,
        backpressure=_BACKPRESSURE,
        log_enabled=False,
    )
    serving = asyncio.ensure_future(server.serve())
    try:
        yield
    finally:
        server.stop()  # type: ignore[no-untyped-call]  # granian's own
        await asyncio.wait([serving])
        await asyncio.to_thread(door.close)
