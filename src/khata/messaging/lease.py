"""One gateway for each book: the right to serve it, which its database gives to one at a time.

Two gateways with a spool each would give out the same numbers. So each takes a lock before it does
anything: on PostgreSQL an advisory lock of a connection of its own, beside a file of SQLite the
lock of another one. Both end with the process that holds them, however that ends. Gateways that
share a stream share the lock too.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import time
from typing import Final

import sqlalchemy as sa
import structlog

from khata.engine.database import Database
from khata.errors import DatabaseUnavailable
from khata.errors.operations import AlreadyServed

log = structlog.get_logger("khata.messaging")
_CLASS: Final = 0x6B6D7367
"""Of the advisory locks; the other half of each is the book's number."""
_LOOK_SECONDS: Final = 2.0
_GHOST_SECONDS: Final = 20.0
_SESSION: Final = (
    # of a machine that vanished the server hears nothing: it asks, and lets go after eleven seconds
    "SELECT set_config('tcp_keepalives_idle', '5', false),"
    " set_config('tcp_keepalives_interval', '2', false),"
    " set_config('tcp_keepalives_count', '3', false)"
)


class Lease:
    """The right to serve a book's messages. `shared`: with others that want it shared as well.

    Not for several threads at once.
    """

    def __init__(self, database: Database, book_id: int, *, shared: bool = False) -> None:
        self._database = database
        self._book_id = book_id
        self._shared = shared
        self._connection: sa.Connection | None = None
        self._file = -1

    def keep(self) -> None:
        """Take it, or see that it is still held and if its connection was lost take it again.

        Errors: `AlreadyServed` when another gateway has it, `DatabaseUnavailable`.
        """
        if self._database.dialect == "sqlite":
            self._keep_file()
        else:
            self._keep_connection()

    def close(self) -> None:
        """Give it up."""
        self._drop_connection()
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _keep_file(self) -> None:
        if self._file >= 0:
            return
        path = f"{self._database.engine.url.database}-messaging-{self._book_id}"
        try:
            file = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise DatabaseUnavailable("The lock beside the database cannot be opened.") from error
        try:
            fcntl.flock(file, (fcntl.LOCK_SH if self._shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except OSError:
            os.close(file)
            raise _taken() from None
        self._file = file

    def _keep_connection(self) -> None:
        try:
            if self._connection is not None:
                self._connection.exec_driver_sql("SELECT 1")
                return
            self._connect()
        except sa.exc.DBAPIError as error:
            self._drop_connection()
            raise DatabaseUnavailable("The database cannot be asked who serves.") from error

    def _connect(self) -> None:
        engine = self._database.engine
        connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        self._connection = connection
        connection.exec_driver_sql(_SESSION)
        how = "_shared" if self._shared else ""
        taken = connection.scalar(
            sa.text(f"SELECT pg_try_advisory_lock{how}(:class, :book)"),
            {"class": _CLASS, "book": self._book_id},
        )
        if not taken:
            self._drop_connection()
            raise _taken()

    def _drop_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            # not back into the pool: the lock would live on with it
            with contextlib.suppress(sa.exc.SQLAlchemyError):
                connection.invalidate()
            with contextlib.suppress(sa.exc.SQLAlchemyError):
                connection.close()


async def hold(lease: Lease) -> None:
    """See to it that a lease is held, until this is cancelled. While the database is away nobody
    else can take it either.

    Errors: `AlreadyServed` when another gateway took it when the database came back.
    """
    lost: float | None = None
    away = False
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        try:
            await asyncio.to_thread(lease.keep)
        except DatabaseUnavailable as error:
            if not away:
                log.warning("messaging_lease_not_seen", code=error.code)
            away = True
        except AlreadyServed:
            # perhaps by a connection of this gateway's own, of whose end the server has not heard
            lost = time.monotonic() if lost is None else lost
            if time.monotonic() - lost > _GHOST_SECONDS:
                raise
        else:
            lost, away = None, False


def _taken() -> AlreadyServed:
    return AlreadyServed(
        "Another gateway serves this book: several need KHATA_MESSAGING_NATS.",
        expected="one gateway, or several that share a stream",
    )
