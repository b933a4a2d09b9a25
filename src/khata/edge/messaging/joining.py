"""What a gateway with a spool has of its database: at its start, or when that comes back later.

That the book is the one to which the spool belongs, that no other gateway serves it, the last
number that is stored, and the conversations. Nothing is stored before all of it is known.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, NamedTuple

import structlog

from khata.app import Khata
from khata.errors import DatabaseUnavailable, KhataError
from khata.errors.operations import AlreadyServed
from khata.messaging import records
from khata.messaging.history import History
from khata.messaging.lease import Lease, hold
from khata.messaging.router import Router

log = structlog.get_logger("khata.messaging")
_AGAIN_SECONDS: Final = 0.5
Fail = Callable[[KhataError], None]
Groups = tuple[list[tuple[str, str, list[str]]], list[records.Change]]


class Found(NamedTuple):
    """What the database has. `last`: the highest number that is stored. `groups`: conversations as
    they are stored, and the changes that are only on the spool.
    """

    last: int
    groups: Groups


class Joining:
    """`store`: begins to store what is on the spool. `fail`: told of what makes it impossible to
    go on: another gateway, another book, tables of another version.
    """

    def __init__(
        self, lease: Lease, history: History, store: Callable[[], None], fail: Fail
    ) -> None:
        self._lease = lease
        self._history = history
        self._store = store
        self._fail = fail
        self._joined = False

    def look(self) -> Found:
        """Ask the database, when no other gateway serves its book. On a thread.

        Errors: `AlreadyServed`, `DatabaseUnavailable`.
        """
        self._lease.keep()
        return Found(self._history.last(), self._history.groups())

    def join(self, router: Router, found: Found | None) -> None:
        """Tell a router what its database has, and have everything stored from now on; None while
        it is away.
        """
        router.conversations.known = self._joined = found is not None
        if found is None:
            return
        if found.last > router.seq:
            # another spool, or a stream, served the book meanwhile
            log.warning("messaging_numbers_leapt", seq=router.seq, stored=found.last)
            router.seq = records.leap(found.last)
        stored, changes = found.groups
        for c, owner, members in stored:
            router.conversations.load(c, owner, members)
        for change in changes:
            router.conversations.change(change)
        self._store()

    async def run(self, router: Router, again: Callable[[], Khata]) -> None:
        """Join when the database comes back, if it was away; then hold the lease: a part for a
        supervisor. `again`: opens the book, when it is the same.
        """

        def look() -> Found:
            again().close()
            return self.look()

        while not self._joined:
            await asyncio.sleep(_AGAIN_SECONDS)
            try:
                found = await asyncio.to_thread(look)
            except DatabaseUnavailable:
                continue
            except KhataError as error:
                _end(error, self._fail)
                return
            self.join(router, found)
            log.warning("messaging_with_database")
        await holding(self._lease, self._fail)


async def holding(lease: Lease, fail: Fail) -> None:
    """Hold a lease: a part for a supervisor. `fail`: told when another gateway has it."""
    try:
        await hold(lease)
    except AlreadyServed as error:
        _end(error, fail)


def _end(error: KhataError, fail: Fail) -> None:
    log.error("messaging_cannot_go_on", code=error.code)
    fail(error)
