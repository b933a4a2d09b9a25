"""The client of messaging for threads: the one for coroutines, on a loop in a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError
from typing import Any, Self, TypeVar

from khata.edge.client.messages.client import AsyncMessagingClient
from khata.edge.client.messages.protocol import Event
from khata.edge.client.messages.subscription import Subscription
from khata.edge.client.messaging_answers import (
    ConversationView,
    Messages,
    MessageView,
    MessagingHealth,
    MessagingStats,
    Taken,
    UnreadView,
)
from khata.errors import Closing
from khata.messaging.model import Priority

T = TypeVar("T")


class MessagingClient:
    """As `AsyncMessagingClient`, without coroutines: `with MessagingClient(url, key) as client: …`.

    Thread-safe. `options`: those of `AsyncMessagingClient`.
    """

    def __init__(self, url: str, credential: str, **options: Any) -> None:
        self._runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        self._loop = self._runner.get_loop()
        self._submitting = threading.Lock()
        self._closed = False
        self._gone = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="khata-messages", daemon=True)
        self._thread.start()
        try:
            self._client = self._run(_made(url, credential, options))
        except BaseException:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let the connections go. Who still waits for something, or asks for it later, hears
        `Closing`.
        """
        with self._submitting:
            first, self._closed = not self._closed, True
        # it goes on although who waits for it is interrupted, and may be waited for once more
        ending = asyncio.run_coroutine_threadsafe(self._end(), self._loop) if first else None
        self._gone.wait()
        self._thread.join()
        if ending is not None:
            ending.result()

    def _serve(self) -> None:
        try:
            self._loop.run_forever()
            self._runner.close()
        finally:
            self._gone.set()

    async def _end(self) -> None:
        try:
            await self._client.end_subscriptions()
            await _end_all()
            await self._client.close()
        finally:
            self._loop.stop()

    def send_message(
        self,
        to: str | None,
        body: Any,
        *,
        c: str | None = None,
        id: str | None = None,  # noqa: A002 - the name it has on the wire
        priority: Priority = "normal",
        sender: str | None = None,
    ) -> Taken:
        """As `AsyncMessagingClient.send_message`."""
        client = self._client
        return self._run(
            client.send_message(to, body, c=c, id=id, priority=priority, sender=sender)
        )

    def broadcast_message(
        self,
        body: Any,
        to: list[str] | None = None,
        *,
        id: str | None = None,  # noqa: A002 - as above
        priority: Priority = "normal",
        sender: str | None = None,
    ) -> Taken:
        """As `AsyncMessagingClient.broadcast_message`."""
        client = self._client
        return self._run(
            client.broadcast_message(body, to, id=id, priority=priority, sender=sender)
        )

    def change_conversation(
        self, c: str, *, add: list[str] | None = None, remove: list[str] | None = None
    ) -> Taken:
        """Make a conversation, or change who is in it."""
        return self._run(self._client.change_conversation(c, add=add, remove=remove))

    def get_user_messages(self, after: int = 0, limit: int = 100) -> Messages:
        """As `AsyncMessagingClient.get_user_messages`."""
        return self._run(self._client.get_user_messages(after, limit))

    def messages_with(self, user: str, before: int | None = None, limit: int = 100) -> Messages:
        """As `AsyncMessagingClient.messages_with`."""
        return self._run(self._client.messages_with(user, before, limit))

    def messages_in(self, c: str, before: int | None = None, limit: int = 100) -> Messages:
        """As `AsyncMessagingClient.messages_in`."""
        return self._run(self._client.messages_in(c, before, limit))

    def unread(self) -> list[UnreadView]:
        """How much the caller has not read, and from whom."""
        return self._run(self._client.unread())

    def conversations(self) -> list[ConversationView]:
        """The conversations of several that the caller is in."""
        return self._run(self._client.conversations())

    def health_check(self) -> MessagingHealth:
        """As `AsyncMessagingClient.health_check`."""
        return self._run(self._client.health_check())

    def stats(self) -> MessagingStats:
        """Figures of the gateway; not for owners."""
        return self._run(self._client.stats())

    def listen(
        self,
        *,
        after: int | None = None,
        receipts: bool = False,
        on_event: Callable[[Event], None] | None = None,
    ) -> Listening:
        """The caller's messages as they come: `with client.listen() as messages: …`.

        `on_event` is called in the client's own thread.
        """
        subscribe = self._client.subscribe
        talk = self._run(_called(subscribe, after=after, receipts=receipts, on_event=on_event))
        return Listening(talk, self._run)

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        # nothing is handed to a loop that is about to end: nobody would answer
        with self._submitting:
            if self._closed:
                work.close()
                raise Closing("This client was closed.")
            future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except CancelledError:
            raise Closing("This client was closed.") from None
        except KeyboardInterrupt:
            future.cancel()
            raise


class Listening:
    """A subscription, to be walked: `for message in messages: …`."""

    def __init__(self, talk: Subscription, run: Callable[..., Any]) -> None:
        self._talk = talk
        self._run = run

    def __enter__(self) -> Self:
        self._run(self._talk.__aenter__())
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        # a client that was closed has ended its subscriptions itself
        with contextlib.suppress(Closing):
            self._run(self._talk.__aexit__(kind))

    @property
    def seq(self) -> int:
        """As `Subscription.seq`."""
        return self._talk.seq

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> MessageView:
        """The next message, however long it takes."""
        return self.next()

    def next(self, timeout_seconds: float | None = None) -> MessageView:
        """The next message. Errors: `TimeoutError` when none came in time; it is not lost."""
        message: MessageView = self._run(self._next(timeout_seconds))
        return message

    async def _next(self, timeout_seconds: float | None) -> MessageView:
        return await asyncio.wait_for(self._talk.__anext__(), timeout_seconds)

    def send_message(self, to: str | None, body: Any, **given: Any) -> Taken:
        """As `Subscription.send_message`."""
        taken: Taken = self._run(self._talk.send_message(to, body, **given))
        return taken

    def read(self, seq: int, *, user: str | None = None, c: str | None = None) -> None:
        """As `Subscription.read`."""
        self._run(_called(self._talk.read, seq, user=user, c=c))

    def watch(self, users: list[str]) -> None:
        """As `Subscription.watch`."""
        self._run(_called(self._talk.watch, users))


async def _made(url: str, credential: str, options: dict[str, Any]) -> AsyncMessagingClient:
    return AsyncMessagingClient(url, credential, **options)


async def _end_all() -> None:
    """End what is under way on this loop, but for this."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


async def _called(call: Callable[..., T], *args: Any, **given: Any) -> T:
    """Call something on the loop whose it is."""
    return call(*args, **given)
