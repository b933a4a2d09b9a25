"""Who is known to a router: users, and their connections as the router sees them (peers)."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, Final

from khata.messaging import wire
from khata.messaging.model import Identity, Message
from khata.messaging.queues import Queue

NOBODY: Final[tuple[Peer, ...]] = ()


class User:
    """`known`: all that was not delivered to them is in their queues, nothing only in the database.
    `floor`: all up to it was delivered, None when only the database knows. `queue`: what waits
    while they have no connection. `read`: marks that are still to be kept.
    """

    __slots__ = ("floor", "json", "kept", "known", "name", "peers", "queue", "read")

    def __init__(self, name: str, *, known: bool) -> None:
        self.name = name
        self.json = wire.encode(name)
        self.peers: tuple[Peer, ...] = NOBODY
        self.queue: Queue | None = None
        self.known = known
        self.floor: int | None = None
        self.kept: int | None = None
        self.read: dict[tuple[str | None, str | None], int] | None = None


class Peer:
    """One connection. `out`: lines to be sent. `on_way`: messages that were sent and that it has
    not said to have got, of which it may have `room` more. `sent`: how many it sent to us, of which
    it was `told` that they are `safe`. `ready`: nothing keeps a message from being sent at once.
    `mixed`: messages on their way may be out of the order of their numbers. `again`: it asked to
    have what came after this number once more, and is still being sent something else. `began`:
    when the oldest message in `out` that is measured was read, 0 without one.
    """

    __slots__ = (
        "again",
        "began",
        "closing",
        "got",
        "identity",
        "loading",
        "mixed",
        "moved",
        "noted",
        "on_way",
        "out",
        "paused",
        "queue",
        "ready",
        "receipts",
        "room",
        "safe",
        "sent",
        "socket",
        "stopped",
        "told",
        "told_at",
        "touched",
        "user",
        "waiter",
        "watching",
    )

    def __init__(self, identity: Identity, user: User, window: int, socket: Any = None) -> None:
        self.identity = identity
        self.user = user
        self.socket = socket
        self.out: list[bytes] = []
        self.on_way: deque[Message] = deque()
        self.queue: Queue | None = None
        self.room = window
        self.got = self.sent = self.safe = self.told = self.told_at = 0
        self.touched = self.noted = self.paused = self.loading = self.mixed = False
        self.receipts = self.closing = False
        self.ready = True
        self.stopped = self.moved = self.began = 0.0
        self.again: int | None = None
        self.waiter: asyncio.Future[None] | None = None
        self.watching: frozenset[str] = frozenset()

    def behind(self) -> bool:
        """Whether messages wait for it, or waited and were dropped."""
        queue = self.queue
        return queue is not None and (len(queue) > 0 or queue.dropped > 0)

    def owes(self) -> bool:
        """Whether messages wait for what it says to have got, and not for the database."""
        return self.behind() and (not self.loading or self.waiter is not None)

    def settle(self) -> None:
        """See again whether a message can be sent at once."""
        self.ready = not (self.paused or self.loading or self.behind())

    def load(self, after: int) -> bool:
        """It is to be sent what the database has after a number; False while it is being sent
        something else, behind which that comes.
        """
        if self.loading:
            self.again = after if self.again is None else min(after, self.again)
            return False
        self.loading, self.ready = True, False
        return True

    def floor(self, last: int) -> int | None:
        """All that it was to get, up to this number, it has got; None while nobody can say.
        `last`: the last number of the log.
        """
        if self.loading or (self.queue is not None and self.queue.dropped):
            return None
        low = self.queue.oldest if self.queue is not None else None
        if self.on_way:
            # as they were numbered, unless some of them had to wait
            first = min(m.seq for m in self.on_way) if self.mixed else self.on_way[0].seq
            low = first if low is None else min(low, first)
        return last if low is None else low - 1
