"""A subscription: one user's connection to the gateway, made again whenever it is lost."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final, Self

import structlog
from picows import WSError, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from khata.edge.client.messages import requests
from khata.edge.client.messages.protocol import Event, Protocol
from khata.edge.client.messaging_answers import MessageView, Taken
from khata.edge.client.retrying import Patience
from khata.errors import Closing, Forbidden, Invalid, KhataError
from khata.messaging.model import Kept, Priority
from khata.messaging.supervising import end, undisturbed

log = structlog.get_logger("khata.client")
_IDLE_SECONDS: Final = 20.0
_REPLY_SECONDS: Final = 10.0
_HANDSHAKE_SECONDS: Final = 10.0
_GAP_SECONDS: Final = 1.0
_LAST_SECONDS: Final = 1.0
_FAILURES: Final = 2
"""Connections in a row that could not be made, before messages go into the database."""
_PATIENCE: Final = Patience(tries=8, first_seconds=0.05, longest_seconds=5.0)

Find = Callable[[], Awaitable[str]]
"""Where the gateway's socket is: `ws://…`. Errors: `KhataError`."""
Beneath = Callable[[Kept], Awaitable[Taken]]
"""Puts something into the database while no gateway is there. Errors: `KhataError`."""


class _Socket(WSListener):
    """One connection, told to the subscription that made it."""

    def __init__(self, owner: Subscription) -> None:
        self._owner = owner
        self.gone = asyncio.Event()

    def on_ws_connected(self, transport: WSTransport) -> None:
        """It is there; what the gateway says may come before who made it goes on."""
        self._owner.opened(lambda line: transport.send(WSMsgType.TEXT, line))

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Something came."""
        if frame.msg_type == WSMsgType.TEXT:
            self._owner.heard(frame.get_payload_as_bytes())
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:  # noqa: ARG002 - picows' own
        """It ended."""
        self.gone.set()


class Subscription:
    """`async with client.subscribe() as talk: async for message in talk: …`.

    Messages come at least once from the gateway and once out of here, as long as this object
    lives; after a new start, those that were under way come again, and are known by their sender
    and id. A message counts as received when the next one is asked for, or when the block ends
    without an error.

    `on_event`: told of receipts, presence, changes of conversations, gaps, as they are in
    docs/messaging.md; it must not fail.
    """

    def __init__(
        self,
        find: Find,
        credential: str,
        *,
        after: int | None = None,
        receipts: bool = False,
        on_event: Callable[[Event], None] | None = None,
        beneath: Beneath | None = None,
    ) -> None:
        self._find = find
        self._headers = {"Authorization": f"Bearer {credential}"}
        self._after = after
        self._receipts = receipts
        self._on_event = on_event
        self._beneath = beneath
        self._protocol = Protocol(self._event)
        self._watched: list[str] = []
        self._changed = asyncio.Event()
        self._connected = asyncio.Event()
        self._ended: KhataError | None = None
        self._task: asyncio.Task[None] | None = None
        self._resuming: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._keep_connected())
        return self

    async def __aexit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self._protocol.dealt_with()
        await self.close()

    async def close(self) -> None:
        """Say what was got, and go. Who still waits for a message, or to hear that one is safe,
        hears `Closing`.
        """
        self._protocol.tell()
        if self._resuming is not None:
            self._resuming.cancel()
        if self._task is not None:
            await end(self._task)
        if self._ended is None:
            self._end(Closing("This subscription was closed."))

    @property
    def seq(self) -> int:
        """Everything up to this number came: where another subscription may go on (`after`)."""
        return self._protocol.seq

    async def connected(self) -> str:
        """Wait until there is a connection; as whom. Errors: `Unauthenticated`, `Forbidden`."""
        while self._protocol.user is None:
            await self._change()
        return self._protocol.user

    # ── messages in ──────────────────────────────────────────────────────────────────

    def __aiter__(self) -> AsyncIterator[MessageView]:
        return self

    async def __anext__(self) -> MessageView:
        """The next message. Errors: `Unauthenticated`, `Forbidden`, when no connection can be;
        `Invalid` when the URL is none.
        """
        self._protocol.dealt_with()
        while (message := self._protocol.next()) is None:
            self._protocol.dealt_with()
            await self._change()
        return message

    async def _change(self) -> None:
        """Wait until something came. Errors: as `__anext__`."""
        if self._ended is not None:
            raise self._ended
        self._changed.clear()
        await self._changed.wait()

    # ── messages out ─────────────────────────────────────────────────────────────────

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
        """Send a message to a user or a conversation; it is safe when this returns.

        Errors: those of `khata.errors`.
        """
        asked = requests.message(to, body, c=c, id=id, priority=priority, sender=sender)
        return await self.send(asked)

    async def send(self, asked: Kept) -> Taken:
        """As `send_message`, for anything that is kept. What is refused for now is tried again."""
        tried = 0
        while True:
            if self._ended is not None:
                raise self._ended
            done: asyncio.Future[Taken] = asyncio.get_running_loop().create_future()
            self._protocol.send(asked, done)
            try:
                return await done
            except KhataError as error:
                tried += 1
                if not error.retryable or tried >= _PATIENCE.tries:
                    raise
            await asyncio.sleep(_PATIENCE.pause(tried, None, random.random))

    def read(self, seq: int, *, user: str | None = None, c: str | None = None) -> None:
        """Say that all from a user, or of a conversation, was read up to a number."""
        self._protocol.say("read", seq=seq, user=user, c=c)

    def watch(self, users: list[str]) -> None:
        """Be told (`on_event`) whether these users are connected; nobody ends it."""
        self._watched = users
        self._protocol.say("watch", users=users)

    # ── the connection ───────────────────────────────────────────────────────────────

    def opened(self, write: Callable[[bytes], None]) -> None:
        """A connection is there."""
        self._protocol.opened(write)

    def heard(self, payload: bytes) -> None:
        """A frame came over the connection of now."""
        self._protocol.hear(payload)
        self._changed.set()

    def _event(self, event: Event) -> None:
        kind = event["t"]
        if kind == "hello":
            if self._after is not None:
                self._protocol.say("resume", after=self._after)
                self._after = None
            if self._watched:
                self._protocol.say("watch", users=self._watched)
        elif kind == "gap" and not event["dropped"]:
            # the gateway could not read what was missing: ask it again in a while
            loop = asyncio.get_running_loop()
            self._resuming = loop.call_later(_GAP_SECONDS, self._resume, event["after"])
        if self._on_event is not None:
            self._on_event(event)

    def _resume(self, after: int) -> None:
        self._protocol.say("resume", after=after)

    async def _keep_connected(self) -> None:
        failed = 0
        while True:
            try:
                let_in = await self._connection()
            except (Forbidden, Invalid) as error:
                # of who was asked where the gateway is: the same would be said for ever
                self._end(error)
                return
            except (KhataError, OSError, WSError, TimeoutError) as error:
                log.info("messaging_not_connected", error=type(error).__name__)
                let_in = False
            failed = 0 if let_in else failed + 1
            refused = self._protocol.refused
            if isinstance(refused, Forbidden):
                self._end(refused)
                return
            if failed >= _FAILURES:
                await self._put_beneath()
            await asyncio.sleep(_PATIENCE.pause(min(failed, 8) + 1, None, random.random))

    async def _connection(self) -> bool:
        """One connection, from beginning to end; whether the gateway let us in."""
        url = await self._find() + ("?receipts=1" if self._receipts else "")
        making = asyncio.ensure_future(
            ws_connect(
                lambda: _Socket(self),
                url,
                extra_headers=self._headers,
                websocket_handshake_timeout=_HANDSHAKE_SECONDS,
                enable_auto_ping=True,
                auto_ping_idle_timeout=_IDLE_SECONDS,
                auto_ping_reply_timeout=_REPLY_SECONDS,
                # picows' other transports may never say that the connection was reset
                use_aiofastnet=False,
            )
        )
        try:
            # picows leaves a connection behind whose making is cancelled
            _, listener = await asyncio.shield(making)
            assert isinstance(listener, _Socket)
            await listener.gone.wait()
            return self._protocol.user is not None
        finally:
            self._protocol.closed()
            await undisturbed(_hung_up(making))

    async def _put_beneath(self) -> None:
        """Put what waits into the database, in its order, while no gateway is there."""
        if self._beneath is None:
            return
        for one in list(self._protocol.flying):
            if one.done.done():
                continue
            try:
                taken = await self._beneath(one.asked)
            except KhataError as error:
                if error.retryable:
                    return
                one.refuse(error)
            else:
                one.answer(taken.by)

    def _end(self, error: KhataError) -> None:
        self._ended = error
        for one in self._protocol.flying:
            one.refuse(error)
        self._protocol.flying.clear()
        self._changed.set()


async def _hung_up(making: asyncio.Future[tuple[WSTransport, WSListener]]) -> None:
    """End a connection, also one that is still being made."""
    await asyncio.wait([making])
    if making.cancelled() or making.exception() is not None:
        return
    transport, listener = making.result()
    assert isinstance(listener, _Socket)
    transport.disconnect()
    gone = asyncio.ensure_future(listener.gone.wait())
    await asyncio.wait([gone], timeout=_LAST_SECONDS)
    # what it was to read it did not want
    transport.disconnect(False)
    await gone


async def closing(subscription: Subscription) -> AsyncIterator[MessageView]:
    """The messages of a subscription that lives as long as they are asked for."""
    async with subscription as talk:
        async for message in talk:
            yield message
