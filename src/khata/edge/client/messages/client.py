"""The client of messaging for coroutines."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, Final, Self, TypeVar
from urllib.parse import urlsplit
from weakref import WeakSet

from khata.edge.client.call import Call
from khata.edge.client.client import AsyncClient
from khata.edge.client.messages import requests
from khata.edge.client.messages.beneath import Beneath
from khata.edge.client.messages.protocol import Event
from khata.edge.client.messages.subscription import Subscription, closing
from khata.edge.client.messaging_answers import (
    ConversationView,
    Messages,
    MessageView,
    MessagingHealth,
    MessagingStats,
    Taken,
    UnreadView,
)
from khata.edge.client.retrying import Patience
from khata.engine.vault import Vault
from khata.errors import Timeout, Unavailable
from khata.messaging.model import Kept, Priority

T = TypeVar("T")
_SHORT: Final = Patience(tries=2, first_seconds=0.05, longest_seconds=0.5)
_PAUSE_SECONDS: Final = 1.0


class AsyncMessagingClient:
    """Messages by HTTP and over sockets: `async with AsyncMessagingClient(url, key) as client: …`.

    `url`: of a gateway's HTTP, or of `khata serve`. `socket`: `ws://…`, where it is not on the host
    of `url` at the port that the gateway tells. `database`: its URL; while no gateway can be
    reached messages go there, under the same ids, and are read from there; `vault`: opens and seals
    them. Methods raise the errors of `khata.errors`.
    """

    def __init__(
        self,
        url: str,
        credential: str,
        *,
        socket: str | None = None,
        database: str | None = None,
        book: str | None = None,
        vault: Vault | None = None,
        patience: Patience | None = None,
        timeout_seconds: float = 35.0,
    ) -> None:
        self._beneath = Beneath(database, credential, book=book, vault=vault) if database else None
        patience = patience or (_SHORT if self._beneath is not None else Patience())
        self._http = AsyncClient(
            url, credential, patience=patience, timeout_seconds=timeout_seconds
        )
        self._url = url
        self._socket = socket
        self._credential = credential
        self._away_until = 0.0
        self._subscriptions: WeakSet[Subscription] = WeakSet()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Let the connections go, those of subscriptions too."""
        await self.end_subscriptions()
        await self._http.close()
        if self._beneath is not None:
            await asyncio.to_thread(self._beneath.close)

    async def end_subscriptions(self) -> None:
        """Close those that are still open, whoever listens to them."""
        await asyncio.gather(*(one.close() for one in list(self._subscriptions)))

    # ── sending ──────────────────────────────────────────────────────────────────────

    async def send_message(
        self,
        to: str | None,
        body: Any,
        *,
        c: str | None = None,
        id: str | None = None,  # noqa: A002 - the name it has on the wire
        priority: Priority = "normal",
        sender: str | None = None,
    ) -> Taken:
        """Send a message to a user (`to`) or a conversation (`c`); it is safe when this returns.

        `id`: to send the same one again. `sender`: on whose behalf, for services.
        """
        asked = requests.message(to, body, c=c, id=id, priority=priority, sender=sender)
        return await self.send(asked)

    async def broadcast_message(
        self,
        body: Any,
        to: list[str] | None = None,
        *,
        id: str | None = None,  # noqa: A002 - as above
        priority: Priority = "normal",
        sender: str | None = None,
    ) -> Taken:
        """Send the same to many, or to everybody who is connected; for services."""
        asked = requests.broadcast(body, to, id=id, priority=priority, sender=sender)
        return await self.send(asked)

    async def change_conversation(
        self, c: str, *, add: list[str] | None = None, remove: list[str] | None = None
    ) -> Taken:
        """Make a conversation, or change who is in it."""
        return await self.send(requests.change(c, add, remove))

    async def send(self, asked: Kept) -> Taken:
        """Have anything taken in that is kept: by a gateway, else by the database."""
        return await self._first(requests.taking(asked), lambda beneath: beneath.take(asked))

    # ── reading ──────────────────────────────────────────────────────────────────────

    async def get_user_messages(self, after: int = 0, limit: int = 100) -> Messages:
        """What came to the caller after a number, the oldest first. Out of the database, what waits
        for a gateway is at the end, with number 0.
        """
        call = requests.fetching(after, limit)
        return await self._first(call, lambda beneath: beneath.after(after, limit))

    async def messages_with(
        self, user: str, before: int | None = None, limit: int = 100
    ) -> Messages:
        """What the caller and another user wrote to each other: the newest page, or that before a
        number.
        """
        return await self._http.send(requests.with_user(user, before, limit))

    async def messages_in(self, c: str, before: int | None = None, limit: int = 100) -> Messages:
        """What was written in a conversation, as `messages_with`."""
        return await self._http.send(requests.in_conversation(c, before, limit))

    async def unread(self) -> list[UnreadView]:
        """How much the caller has not read, and from whom."""
        return await self._http.send(requests.unread())

    async def conversations(self) -> list[ConversationView]:
        """The conversations of several that the caller is in."""
        return await self._http.send(requests.conversations())

    async def health_check(self) -> MessagingHealth:
        """How messaging is: `status` is `ok`, `degraded`, `database`, or `down` when nobody
        answers. It does not fail for that.
        """
        try:
            return await self._http.send(requests.health())
        except (Unavailable, Timeout):
            return MessagingHealth("down", gateway=False)

    async def stats(self) -> MessagingStats:
        """Figures of the gateway; not for owners."""
        return await self._http.send(requests.stats())

    # ── listening ────────────────────────────────────────────────────────────────────

    def subscribe(
        self,
        *,
        after: int | None = None,
        receipts: bool = False,
        on_event: Callable[[Event], None] | None = None,
    ) -> Subscription:
        """A connection that is made again whenever it is lost: `async with … as talk`.

        `after`: begin with what came after a number. `receipts`: be told what arrived and was read.
        """
        talk = Subscription(
            self._where,
            self._credential,
            after=after,
            receipts=receipts,
            on_event=on_event,
            beneath=self._put if self._beneath is not None else None,
        )
        self._subscriptions.add(talk)
        return talk

    def listen(self, *, after: int | None = None) -> AsyncIterator[MessageView]:
        """The caller's messages as they come: `async for message in client.listen(): …`."""
        return closing(self.subscribe(after=after))

    # ── how ──────────────────────────────────────────────────────────────────────────

    async def _first(self, call: Call[T], beneath: Callable[[Beneath], T]) -> T:
        """The gateway's answer, or if there is none, the database's."""
        if self._beneath is None:
            return await self._http.send(call)
        if time.monotonic() >= self._away_until:
            try:
                return await self._http.send(call)
            except (Unavailable, Timeout):
                self._away_until = time.monotonic() + _PAUSE_SECONDS
        return await asyncio.to_thread(beneath, self._beneath)

    async def _put(self, asked: Kept) -> Taken:
        assert self._beneath is not None
        return await asyncio.to_thread(self._beneath.take, asked)

    async def _where(self) -> str:
        if self._socket is not None:
            return self._socket
        health = await self._http.send(requests.health())
        if health.socket is None:
            raise Unavailable("No gateway is there.", retry_after_seconds=1)
        url = urlsplit(self._url)
        scheme = "wss" if url.scheme == "https" else "ws"
        return f"{scheme}://{url.hostname}:{health.socket}/v1/messaging"
