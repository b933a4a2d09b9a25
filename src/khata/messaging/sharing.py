"""Storing a stream as a process of its own, so that a gateway keeps its processor core to itself.

    python -m khata.messaging.sharing BOOK SECONDS FILE

The database's URL, the vault's keys and the servers of NATS come by the environment, as everywhere.
What it has done it writes, line by line, into the open file of that number.
It ends when its standard input does; what it had not stored then is in the stream, for others.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Mapping
from typing import Final

import msgspec

from khata.base.clock import system_clock
from khata.engine import logs
from khata.engine.database import Database
from khata.engine.vault import Vault
from khata.errors import DatabaseUnavailable
from khata.messaging.history import History
from khata.messaging.link import Link
from khata.messaging.persister import Persisted
from khata.messaging.persisting import run_beside
from khata.messaging.store import MessageStore
from khata.messaging.storing import Pace, Storing
from khata.messaging.stream import Limits, Stream, space_of
from khata.messaging.supervising import end
from khata.settings import Settings, settings_from

_AGAIN_SECONDS: Final = 0.5
_MUCH: Final = 4_096
_TOLD_SECONDS: Final = 0.5
_read: Final = msgspec.json.Decoder(Persisted).decode


class Sharing:
    """The process beside a gateway. `seconds`: how long a message waits for others."""

    def __init__(
        self, book: str, *, seconds: float, environ: Mapping[str, str] = os.environ
    ) -> None:
        self._words = [book, str(seconds)]
        self._environ = environ
        self._done: Persisted | None = None

    def persisted(self) -> Persisted | None:
        """What the process said last that it has done; None before it said anything."""
        return self._done

    async def attend(self) -> None:
        """Run the process, and end it when this is cancelled: a part to be supervised.

        Errors: `Unavailable` when the process ended by itself.
        """
        from_it, to_us = os.pipe()
        with os.fdopen(from_it, "rb", buffering=0) as pipe, os.fdopen(to_us, "wb") as end:
            reader = asyncio.StreamReader()
            transport, _ = await asyncio.get_running_loop().connect_read_pipe(
                lambda: asyncio.StreamReaderProtocol(reader), pipe
            )
            hearing = asyncio.ensure_future(self._hear(reader))
            try:
                await run_beside(__name__, [*self._words, str(to_us)], self._environ, [to_us])
            finally:
                end.close()
                hearing.cancel()
                transport.close()

    async def _hear(self, reader: asyncio.StreamReader) -> None:
        while line := await reader.readline():
            with contextlib.suppress(msgspec.MsgspecError):
                self._done = _read(line)


async def _tell(storing: Storing, file: int) -> None:
    """Say what was done, from time to time, until this is cancelled."""
    while True:
        os.write(file, msgspec.json.encode(storing.told()) + b"\n")
        await asyncio.sleep(_TOLD_SECONDS)


async def _store(book: str, pace: Pace, settings: Settings, file: int) -> None:
    """Store until this is cancelled. Errors: `BookNotFound`, as `Storing.run`."""
    database, vault = Database(settings.database_url), Vault.of(settings.vault_keys)
    try:
        number, last, space = await _opened(database, book)
        link = Link(settings.messaging_nats, f"persister-{os.getpid()}")
        limits = Limits(replicas=settings.messaging_replicas)
        stream = Stream(link, space, last=last, vault=vault, limits=limits)
        link.open()
        try:
            store = MessageStore(database, number, shared=True)
            storing = Storing(link, stream, store, vault=vault, pace=pace)
            telling = asyncio.ensure_future(_tell(storing, file))
            try:
                await storing.run()
            finally:
                telling.cancel()
        finally:
            await link.close()
    finally:
        database.close()


async def _opened(database: Database, book: str) -> tuple[int, int, str]:
    """The book's number, its messages' last one, and its space, once there is a database."""
    while True:
        try:
            number = database.open_book(book, system_clock, create=False)
            history = History(database, number)
            try:
                return number, history.last(), space_of(book, database.mark(number))
            finally:
                history.close()
        except DatabaseUnavailable:
            await asyncio.sleep(_AGAIN_SECONDS)


async def _until_end_of_input(book: str, pace: Pace, settings: Settings, file: int) -> None:
    loop, ended = asyncio.get_running_loop(), asyncio.Event()

    def read() -> None:
        while os.read(0, _MUCH):
            continue
        # the loop is closed under this thread when what it waits for failed
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=read, daemon=True).start()
    storing = asyncio.ensure_future(_store(book, pace, settings, file))
    waiting = asyncio.ensure_future(ended.wait())
    await asyncio.wait({storing, waiting}, return_when=asyncio.FIRST_COMPLETED)
    if storing.done():
        storing.result()
    await end(storing)


def main(words: list[str]) -> None:
    """What the process does. `words`: the book, how long a message waits for others, and the number
    of the file in which to say what was done.
    """
    book, seconds, file = words
    settings = settings_from()
    logs.set_up(settings.log_level)
    # a terminal's Ctrl-C goes to everybody: the gateway says when it is over
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    asyncio.run(_until_end_of_input(book, Pace(seconds=float(seconds)), settings, int(file)))


if __name__ == "__main__":
    main(sys.argv[1:])
