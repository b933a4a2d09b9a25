"""Who answers what is asked about messages over HTTP: a gateway, or where none is, the database.

Both are asked in the same words, so that the doors need not know which one they have.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from khata.app import Khata
from khata.edge.client.messaging_answers import (
    ConversationView,
    MessagingHealth,
    MessagingStats,
    Taken,
)
from khata.edge.messaging.reporting import Rates
from khata.errors import DatabaseUnavailable, NotFound, Unavailable
from khata.messaging.asking import check
from khata.messaging.gateway import Gateway
from khata.messaging.history import History, Page, Unread
from khata.messaging.model import Identity, Kept
from khata.messaging.outbox import Outbox
from khata.messaging.persister import Persisted

if TYPE_CHECKING:
    from khata.edge.http.threads import Threads

GATEWAY: Final = "gateway"
DATABASE: Final = "database"
_PATIENCE_SECONDS: Final = 8.0
"""Less than who passes a request on waits for its answer."""


class Desk(Protocol):
    """Errors of all methods: those of `khata.errors`; nobody reads what is another's."""

    async def take(self, who: Identity, asked: Kept) -> Taken:
        """Take a message, or a change of a conversation; it is durable when this returns."""
        ...

    async def after(self, user: str, seq: int, limit: int) -> Page:
        """What came to a user after a number."""
        ...

    async def with_user(self, user: str, other: str, before: int | None, limit: int) -> Page:
        """What two users wrote to each other, newest page first."""
        ...

    async def conversation(self, user: str, c: str, before: int | None, limit: int) -> Page:
        """What was written in a conversation."""
        ...

    async def unread(self, user: str) -> list[Unread]:
        """What a user has not read."""
        ...

    async def conversations(self, user: str) -> list[ConversationView]:
        """The conversations that a user is in."""
        ...

    async def members(self, who: Identity, c: str) -> ConversationView:
        """One of them. Errors: `NotFound`."""
        ...

    async def health(self) -> MessagingHealth:
        """How it is."""
        ...

    async def stats(self) -> MessagingStats:
        """Figures."""
        ...


class StoreDesk:
    """Without a gateway: what is sent waits in the database, what is read was stored there."""

    def __init__(self, book: Khata, threads: Threads, *, folder: Path | None = None) -> None:
        self.outbox = Outbox(book.database, book.book_id, book.vault)
        self.history = History(book.database, book.book_id, vault=book.vault, folder=folder)
        self.threads = threads

    async def take(self, who: Identity, asked: Kept) -> Taken:
        """As `Desk` has it."""
        await self.threads.read(self.outbox.put, who, asked)
        return Taken(asked.id, DATABASE)

    async def after(self, user: str, seq: int, limit: int) -> Page:
        """As `Desk` has it; at the end what waits for a gateway, without a number."""
        return await self.threads.read(self._after, user, seq, limit)

    async def with_user(self, user: str, other: str, before: int | None, limit: int) -> Page:
        """As `Desk` has it."""
        return await self.threads.read(self.history.with_user, user, other, before, limit)

    async def conversation(self, user: str, c: str, before: int | None, limit: int) -> Page:
        """As `Desk` has it."""
        return await self.threads.read(self.history.conversation, user, c, before, limit)

    async def unread(self, user: str) -> list[Unread]:
        """As `Desk` has it."""
        return await self.threads.read(self.history.unread, user)

    async def conversations(self, user: str) -> list[ConversationView]:
        """As `Desk` has it."""
        return await self.threads.read(self._conversations, user)

    async def members(self, who: Identity, c: str) -> ConversationView:
        """As `Desk` has it."""
        found = await self.threads.read(self._conversations, None if who.service else who.user)
        return _one(found, c)

    async def health(self) -> MessagingHealth:
        """As `Desk` has it: an answer, as long as the database can be asked."""
        await self.threads.read(self.outbox.count)
        return MessagingHealth(DATABASE, gateway=False)

    async def stats(self) -> MessagingStats:
        """As `Desk` has it: how much waits for a gateway."""
        return MessagingStats({}, {}, {}, await self.threads.read(self.outbox.count))

    def _after(self, user: str, seq: int, limit: int) -> Page:
        found = self.history.after(user, seq, limit)
        if found.more:
            return found
        return Page([*found.messages, *self.outbox.to(user, limit)], more=False)

    def _conversations(self, user: str | None) -> list[ConversationView]:
        return [
            ConversationView(*found)
            for found in self.history.conversations()
            if user is None or user in found[2]
        ]


class GatewayDesk(StoreDesk):
    """A gateway of this process. `folder`: of its spool, where what is not stored yet is read.
    `persisted`: what its persister said last; None before it said anything. `settled`: up to which
    number everything is stored, where several store it.
    """

    def __init__(
        self,
        gateway: Gateway,
        book: Khata,
        threads: Threads,
        *,
        persisted: Callable[[], Persisted | None],
        folder: Path | None = None,
        settled: Callable[[], Awaitable[int]] | None = None,
    ) -> None:
        super().__init__(book, threads, folder=folder)
        self.gateway = gateway
        self.settled = settled
        self.persisted = persisted
        self.patience_seconds = _PATIENCE_SECONDS
        self._rates = Rates()

    async def take(self, who: Identity, asked: Kept) -> Taken:
        """As `Desk` has it. Errors: `Unavailable` when it is not durable in time; it may still
        become so, and is stored once if it is sent again.
        """
        check(who, asked)
        try:
            async with asyncio.timeout(self.patience_seconds):
                await self.gateway.post(who, asked)
        except TimeoutError:
            raise Unavailable(
                "It is not safe yet: send it again under the same id.", retry_after_seconds=1
            ) from None
        return Taken(asked.id, GATEWAY)

    async def after(self, user: str, seq: int, limit: int) -> Page:
        """As `Desk` has it, as far as nothing can come in between any more."""
        settled = None if self.settled is None else await self.settled()
        found = await self.threads.read(self.history.after, user, seq, limit)
        kept = [one for one in found.messages if settled is None or one.seq <= settled]
        return Page(kept, found.more and len(kept) == len(found.messages))

    async def conversations(self, user: str) -> list[ConversationView]:
        """As `Desk` has it, from memory."""
        groups = self.gateway.router.conversations
        return [ConversationView(c, groups.owner(c), list(m)) for c, m in groups.of(user).items()]

    async def members(self, who: Identity, c: str) -> ConversationView:
        """As `Desk` has it, from memory."""
        groups = self.gateway.router.conversations
        members = groups.members(c, who.user, service=who.service)
        return ConversationView(c, groups.owner(c), list(members))

    async def health(self) -> MessagingHealth:
        """As `Desk` has it."""
        parts = {name: part["state"] for name, part in self.gateway.supervisor.shown().items()}
        well = self.gateway.supervisor.well
        return MessagingHealth("ok" if well else "degraded", True, self.gateway.port, parts)

    async def stats(self) -> MessagingStats:
        """As `Desk` has it."""
        waiting = 0
        with contextlib.suppress(DatabaseUnavailable):
            waiting = await self.threads.read(self.outbox.count)
        parts = self.gateway.supervisor.shown()
        return MessagingStats(self.figures(), self.persister(), parts, waiting)

    def persister(self) -> dict[str, object]:
        """What the persister counts; nothing before it said anything."""
        persisted = self.persisted()
        if persisted is None:
            return {}
        return {**msgspec.structs.asdict(persisted), "success": persisted.success}

    def sample(self) -> None:
        """Take down how much was counted so far, for the rates."""
        stats, persisted = self.gateway.stats, self.persisted()
        self._rates.sample(
            {
                "accepted": stats.accepted,
                "delivered": stats.delivered,
                "stored": persisted.records if persisted is not None else 0,
            }
        )

    def figures(self) -> dict[str, object]:
        """What the gateway counts, how fast that grows, and how much waits in it."""
        router = self.gateway.router
        return {
            **self.gateway.stats.shown(),
            **self._rates.shown(),
            "queued": len(router.queues),
            "dropped": router.queues.dropped,
            "users": len(router.users),
            "conversations": len(router.conversations),
            "seq": router.seq,
        }


def _one(found: list[ConversationView], c: str) -> ConversationView:
    for conversation in found:
        if conversation.c == c:
            return conversation
    raise NotFound("You are in no such conversation.", got=c)
