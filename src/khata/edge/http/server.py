"""A server: Granian with its workers, each with the books open and a writer of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from functools import partial
from typing import Any, Final

import structlog
from granian import Granian
from granian.constants import Interfaces, Loops
from granian.http import HTTP1Settings
from litestar.types import Receive, Scope, Send

from khata.edge.collecting import collect_seldom
from khata.edge.http.alerts import Alerts
from khata.edge.http.app import create_app
from khata.edge.http.tokens import tokens_of
from khata.edge.listening import check_free
from khata.edge.messaging.attending import attended
from khata.edge.own_sagas import own
from khata.edge.working import Crew, check_books, close_books, open_books
from khata.engine import logs
from khata.engine.sagas.worker import Options
from khata.settings import Settings

_BACKLOG: Final = 2048
_BACKPRESSURE: Final = 1024
_HEADER_MILLISECONDS: Final = 15_000
_KILL_SECONDS: Final = 30
"""A worker that was still starting when it was told to stop may not have heard it. To be killed
harms nothing: what was answered is durable, the rest is done under its key when asked again."""
_BESIDE: Final = Options(lanes=1, poll_seconds=0.5)
"""Beside a server: what this process starts is taken up at once, the rest may wait a moment."""


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then finish what was accepted and return.

    Books that do not exist are made; their sagas are worked off by the same processes, unless the
    settings say otherwise. Errors: `Invalid`, `UnknownSaga`, `SchemaOutdated`,
    `DatabaseUnavailable`, `AddressTaken`, before anything listens.
    """
    check_books(settings)
    tokens_of(settings)
    check_free(settings.host, settings.port)
    server = Granian(
        "khata",
        address=settings.host,
        port=settings.port,
        interface=Interfaces.ASGI,
        workers=settings.workers,
        loop=Loops.uvloop,
        websockets=False,
        backlog=_BACKLOG,
        backpressure=_BACKPRESSURE,
        http1_settings=HTTP1Settings(header_read_timeout=_HEADER_MILLISECONDS),
        log_level=_granian_level(settings.log_level),
        respawn_failed_workers=True,
        workers_kill_timeout=_KILL_SECONDS,
    )
    logs.set_up(settings.log_level)
    with attended(settings) if settings.messaging else nullcontext():
        server.serve(target_loader=partial(load, settings), wrap_loader=False)


def load(settings: Settings, *_: Any) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """The application of one worker, with its books open."""
    logs.set_up(settings.log_level)
    collect_seldom()
    mine = own(settings.sagas)
    books = open_books(settings, mine)
    alerts = Alerts(settings.alert_webhook)
    crew = Crew(books, settings, alerts, mine=mine, options=_BESIDE) if settings.worker else None

    def close() -> None:
        close_books(books)
        for name in books:
            structlog.get_logger("khata.http").info("book_closed", book=name)

    return create_app(books, settings, alerts=alerts, crew=crew, close=close)


def _granian_level(level: str) -> Any:
    # imported here, because it is Granian's own enumeration and used for this alone
    from granian.log import LogLevels  # noqa: PLC0415

    return LogLevels(level)
