"""A server: Granian with its workers, each with the books open and a writer of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

import structlog
from granian import Granian
from granian.constants import Interfaces, Loops
from granian.http import HTTP1Settings
from litestar.types import Receive, Scope, Send

from khata.app import Khata
from khata.edge.collecting import collect_seldom
from khata.edge.http import logs
from khata.edge.http.app import create_app
from khata.edge.http.tokens import tokens_of
from khata.settings import Settings

_BACKLOG: Final = 2048
_BACKPRESSURE: Final = 1024
_HEADER_MILLISECONDS: Final = 15_000


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then finish what was accepted and return.

    Books that do not exist are made. Errors: `Invalid`, `SchemaOutdated`, `DatabaseUnavailable`,
    before anything listens.
    """
    for book in settings.books:
        Khata.open(settings.database_url, book).close()
    tokens_of(settings)
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
    )
    server.serve(target_loader=partial(load, settings), wrap_loader=False)


def load(settings: Settings, *_: Any) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """The application of one worker, with its books open."""
    logs.set_up(settings.log_level)
    collect_seldom()
    books = {name: Khata.open(settings.database_url, name) for name in settings.books}

    def close() -> None:
        for name, book in books.items():
            book.close()
            structlog.get_logger("khata.http").info("book_closed", book=name)

    return create_app(books, settings, close=close)


def _granian_level(level: str) -> Any:
    # imported here, because it is Granian's own enumeration and used for this alone
    from granian.log import LogLevels  # noqa: PLC0415

    return LogLevels(level)
