"""`khata worker`: a process that works sagas off and does what the clock calls for."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from typing import Annotated, Any, Final

from cyclopts import Parameter

from khata.edge.cli.screen import err
from khata.edge.cli.session import alone, log_to_stderr
from khata.errors import Invalid
from khata.settings import Settings, settings_from

_MOST_LANES: Final = 32
_MOST_CAPACITY: Final = 1000


@alone(
    "worker",
    "khata worker",
    "khata worker --database postgresql://khata@localhost/khata --lanes 4",
    "khata worker --book shop --book games",
)
def worker(
    *,
    database: Annotated[
        str | None,
        Parameter(help="sqlite:///book.db or postgresql://… [env: KHATA_DATABASE_URL]"),
    ] = None,
    book: Annotated[
        list[str] | None,
        Parameter(negative="", help="A book to work for, several times. [env: KHATA_BOOK]"),
    ] = None,
    lanes: Annotated[int, Parameter(help="Threads that move sagas, for each book.")] = 1,
    capacity: Annotated[int, Parameter(help="Sagas held at once, for each book.")] = 256,
) -> int:
    """Work sagas off until it is told to stop; then finish what is under way, and give it back.

    Any number may run beside each other and beside servers: each saga is in one hand at a time,
    and what a dead worker held is taken up by another. Everything else is set in the environment:
    see docs/sagas.md.
    """
    given = {"KHATA_DATABASE_URL": database, "KHATA_BOOK": ",".join(book) if book else None}
    chosen = {name: value for name, value in given.items() if value is not None}
    settings = settings_from({**os.environ, **chosen})
    _check("lanes", lanes, _MOST_LANES)
    _check("capacity", capacity, _MOST_CAPACITY)
    with _told_to_stop() as stop:
        _work(settings, lanes, capacity, stop)
    return 0


def _work(settings: Settings, lanes: int, capacity: int, stop: threading.Event) -> None:
    # imported here: the libraries of providers and logs take a while, and --help needs none
    from khata.edge.collecting import collect_seldom  # noqa: PLC0415
    from khata.edge.http.alerts import Alerts  # noqa: PLC0415
    from khata.edge.own_sagas import own  # noqa: PLC0415
    from khata.edge.working import Crew, close_books, open_books  # noqa: PLC0415
    from khata.engine import logs  # noqa: PLC0415
    from khata.engine.sagas.worker import Options  # noqa: PLC0415

    log_to_stderr()
    collect_seldom()
    mine = own(settings.sagas)
    books = open_books(settings, mine)
    alerts = Alerts(settings.alert_webhook)
    options = Options(capacity=max(capacity, lanes), lanes=lanes)
    try:
        crew = Crew(books, settings, alerts, mine=mine, options=options)
        # from here on it is a process whose lines programs read
        logs.set_up(settings.log_level)
        with crew:
            err().print(f"Working for {', '.join(books)}; SIGTERM or Ctrl-C ends it in order.")
            stop.wait()
    finally:
        close_books(books)
        alerts.close()


@contextlib.contextmanager
def _told_to_stop() -> Iterator[threading.Event]:
    """An event that SIGTERM or SIGINT sets. A second signal ends the process as it always would."""
    stop = threading.Event()
    before: dict[signal.Signals, Any] = {}

    def heard(*_: object) -> None:
        stop.set()
        for number, handler in before.items():
            signal.signal(number, handler)

    for number in (signal.SIGTERM, signal.SIGINT):
        before[number] = signal.signal(number, heard)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _check(name: str, got: int, most: int) -> None:
    if not 1 <= got <= most:
        raise Invalid(f"--{name} is 1 to {most}.", expected=f"1 to {most}", got=got)
