"""A gateway's book: from its database, or while that is away as the spool remembers it.

A spool belongs to one book. Its folder says which, so that a gateway can be started without the
database: it knows its last number by itself, and takes and delivers messages of those whose tokens
need no database. What only the database knows comes when that does: API keys, conversations, and
whether another gateway serves the book.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

import msgspec
import structlog

from khata.app import Khata
from khata.base.clock import system_clock
from khata.engine.database import SQLITE, Database
from khata.engine.vault import Vault
from khata.errors import Conflict, DatabaseUnavailable
from khata.messaging import segments
from khata.settings import Settings

log = structlog.get_logger("khata.messaging")
FILE: Final = "book.json"
_AGAIN_SECONDS: Final = 0.5
_LONGEST_SECONDS: Final = 5.0
_PATIENCE_SECONDS: Final = 2.0
_LOOK_SECONDS: Final = 0.05
T = TypeVar("T")


class Remembered(msgspec.Struct, frozen=True):
    """What a spool's folder says of its book: the book's number, and its mark."""

    id: int
    mark: str


class Opened(NamedTuple):
    """A book. `there`: whether its database is."""

    book: Khata
    there: bool


def open_now(settings: Settings, vault: Vault | None, folder: Path | None) -> Khata:
    """The book of the settings, as its database has it; the spool in `folder` is its own from now
    on.

    Errors: those of `Khata.open`; `Conflict` when the spool is another book's.
    """
    known = remembered(folder)
    if known is not None and not _is_file_there(settings.database_url):
        # to open it would be to make a new one
        raise DatabaseUnavailable("The database's file is not there.")
    book = Khata.open(settings.database_url, settings.books[0], vault=vault)
    try:
        found = Remembered(book.book_id, book.database.mark(book.book_id))
        _check_same(known, found)
        if folder is not None and known is None:
            segments.keep(folder / FILE, msgspec.json.encode(found).decode())
    except BaseException:
        book.close()
        raise
    return book


async def open_soon(settings: Settings, vault: Vault | None, folder: Path | None) -> Opened:
    """The same; without its database as the spool's folder remembers it, and when that does not
    either as soon as the database is there. Errors: as `open_now`, but for `DatabaseUnavailable`.
    """
    pause = _AGAIN_SECONDS
    while True:
        try:
            return Opened(await asyncio.to_thread(open_now, settings, vault, folder), there=True)
        except DatabaseUnavailable as error:
            known = remembered(folder)
            if known is not None and _is_file_there(settings.database_url):
                log.warning("messaging_without_database", code=error.code)
                return Opened(_of(settings, vault, known), there=False)
            log.warning("messaging_waits_for_database", code=error.code)
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LONGEST_SECONDS)


def remembered(folder: Path | None) -> Remembered | None:
    """What a spool's folder says of its book; None for a new one."""
    if folder is None:
        return None
    try:
        return msgspec.json.decode((folder / FILE).read_bytes(), type=Remembered)
    except FileNotFoundError:
        return None


def _check_same(known: Remembered | None, found: Remembered) -> None:
    if known is not None and known != found:
        raise Conflict(
            "This spool holds messages of another book: each book has a folder of its own.",
            expected="the database that it was begun with, or another KHATA_MESSAGING_SPOOL",
        )


async def patiently(take: Callable[[], T]) -> T:
    """What is taken, on a thread, when whoever had it has just been killed and is not quite gone.

    Errors: those of `take`; a `Conflict` only after so long.
    """
    until = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            return await asyncio.to_thread(take)
        except Conflict:
            if time.monotonic() > until:
                raise
        await asyncio.sleep(_LOOK_SECONDS)


def _of(settings: Settings, vault: Vault | None, known: Remembered) -> Khata:
    return Khata(
        Database(settings.database_url),
        settings.books[0],
        known.id,
        clock=system_clock,
        limits=None,
        vault=vault,
        mark=known.mark,
    )


def _is_file_there(url: str) -> bool:
    return not url.startswith(SQLITE) or Path(url[len(SQLITE) :].partition("?")[0]).exists()
