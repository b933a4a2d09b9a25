"""The persister as a process of its own, so that a gateway keeps its processor core to itself.

    python -m khata.messaging.persisting FOLDER BOOK

The database's URL and the vault's keys come by the environment, as everywhere. It ends, with all
stored that the database takes, when its standard input ends: so it never outlives its gateway by
more than a batch, however that died.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
import structlog
from sqlalchemy.pool import ConnectionPoolEntry

from khata.base.clock import system_clock
from khata.engine import logs
from khata.engine.database import Database
from khata.engine.vault import Vault
from khata.errors import DatabaseUnavailable, Unavailable
from khata.messaging.persister import Pace, Persister
from khata.messaging.store import MessageStore
from khata.messaging.supervising import undisturbed
from khata.settings import settings_from

log = structlog.get_logger("khata.messaging")
_AGAIN_SECONDS: Final = 0.5
_STOP_SECONDS: Final = 10.0
_BUSY_MILLISECONDS: Final = 1_000
_NICE: Final = 19
"""It has a spool between itself and whoever is in a hurry: the gateway goes first."""


def persist(
    url: str,
    book: str,
    folder: Path,
    stop: threading.Event,
    *,
    vault: Vault | None = None,
    pace: Pace | None = None,
) -> None:
    """Store what comes on a spool until `stop` is set. Errors: `BookNotFound`, as `Persister.run`.

    It waits for a database that is not there yet.
    """
    database = Database(url)
    if database.dialect == "sqlite":
        _look_up_often(database)
    try:
        while True:
            try:
                number = database.open_book(book, system_clock, create=False)
            except DatabaseUnavailable:
                if stop.wait(_AGAIN_SECONDS):
                    return
            else:
                break
        Persister(folder, MessageStore(database, number), vault=vault, pace=pace).run(stop)
    finally:
        database.close()


def _look_up_often(database: Database) -> None:
    """Who waits for a lock hears nothing meanwhile, not even that it is over."""

    @sa.event.listens_for(database.engine, "connect")
    def prepare(connection: Any, _: ConnectionPoolEntry) -> None:
        connection.execute(f"PRAGMA busy_timeout={_BUSY_MILLISECONDS}")


async def attend(
    book: str, folder: Path, *, pace: Pace | None = None, environ: Mapping[str, str] = os.environ
) -> None:
    """Run the process, and end it when this is cancelled: a part to be supervised.

    Errors: `Unavailable` when the process ended by itself.
    """
    pace = pace or Pace()
    words = [str(folder), book, str(pace.batch), str(pace.seconds)]
    await run_beside(__name__, words, environ)


async def run_beside(
    module: str, words: Sequence[str], environ: Mapping[str, str], passed: Sequence[int] = ()
) -> None:
    """Run a module as a process that ends with its standard input, until this is cancelled.
    `passed`: numbers of open files that it has too.

    Errors: `Unavailable` when the process ended by itself.
    """
    beginning = asyncio.ensure_future(
        asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            module,
            *words,
            stdin=asyncio.subprocess.PIPE,
            env=dict(environ),
            pass_fds=passed,
        )
    )
    try:
        # a process that is half begun is ended, too
        process = await asyncio.shield(beginning)
        code = await process.wait()
    finally:
        await undisturbed(_ended(beginning))
    raise Unavailable("The persister ended.", got=code)


async def _ended(beginning: asyncio.Future[asyncio.subprocess.Process]) -> None:
    process = await beginning
    assert process.stdin is not None
    process.stdin.close()
    waiting = asyncio.ensure_future(process.wait())
    await asyncio.wait([waiting], timeout=_STOP_SECONDS)
    if not waiting.done():
        # what it had not stored is on the spool
        process.kill()
        await waiting


def main(words: list[str]) -> None:
    """What the process does. `words`: the folder, the book, and the pace if it is not the usual."""
    folder, book, *pace = words
    settings = settings_from()
    logs.set_up(settings.log_level)
    os.nice(_NICE)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    # a terminal's Ctrl-C goes to everybody: the gateway says when it is over
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_until_end_of_input, args=(stop,), daemon=True).start()
    persist(
        settings.database_url,
        book,
        Path(folder),
        stop,
        vault=Vault.of(settings.vault_keys),
        pace=Pace(int(pace[0]), float(pace[1])) if pace else None,
    )


def _until_end_of_input(stop: threading.Event) -> None:
    with contextlib.suppress(OSError):
        while os.read(0, 1):
            continue
    stop.set()


if __name__ == "__main__":
    main(sys.argv[1:])
