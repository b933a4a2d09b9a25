"""Following a stream: every batch of it, in order, from a place on, whatever happens to NATS.

A follower has a consumer of its own that JetStream pushes to. Whenever something is missing, a
batch, a heartbeat, the connection, it makes a new one behind the last batch that it saw.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

import structlog
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from khata.engine.vault import Vault
from khata.errors import BookCorrupted, VaultMissing
from khata.messaging.link import Link, go_on
from khata.messaging.sealing import DataKey
from khata.messaging.stream import FAULTS, ID, KEY, Stream

log = structlog.get_logger("khata.messaging")
_HEARTBEAT_SECONDS: Final = 1.0
_SILENT_SECONDS: Final = 3.5
_PAUSE_SECONDS: Final = 0.2
_FORGET_SECONDS: Final = 30.0
_MOST_KEYS: Final = 1_000
_STATUS: Final = "Status"
_STALLED: Final = "Nats-Consumer-Stalled"
_LAST: Final = "Nats-Last-Consumer"

Take = Callable[[int, bytes], None]
"""Is given a batch: its number in the stream, and its content, in clear."""
Missed = Callable[[int, int], None]
"""Is told of batches that are no longer in the stream: behind which, and before which one."""


class Opener:
    """Opens what gateways sealed, each with a data key that comes along, wrapped by the vault."""

    def __init__(self, vault: Vault | None) -> None:
        self._vault = vault
        self._keys: dict[str, DataKey] = {}

    def content(self, message: Msg) -> bytes:
        """A batch in clear. Errors: `VaultMissing`, `VaultKeyUnknown`, `BookCorrupted`."""
        key = self.key(message)
        return message.data if key is None else key.open_frame(message.data, _name(message))

    def key(self, message: Msg) -> DataKey | None:
        """The data key of a batch, None for a clear one. Errors: as `content`."""
        sealed = (message.headers or {}).get(KEY)
        if sealed is None:
            return None
        if sealed not in self._keys:
            if self._vault is None:
                raise VaultMissing(
                    "The stream is sealed, and no vault key is set to open it.",
                    expected="the key that it was sealed under, in KHATA_VAULT_KEYS",
                )
            if len(self._keys) >= _MOST_KEYS:
                self._keys.clear()
            self._keys[sealed] = DataKey.unwrap(self._vault, sealed)
        return self._keys[sealed]


def _name(message: Msg) -> bytes:
    return str((message.headers or {}).get(ID, "")).encode()


class Follower:
    """`take`: is given every batch behind `place`, once. `missed`: is told of those that were
    taken away before they were seen. `place`: the number of the last batch that was given.
    """

    def __init__(
        self,
        link: Link,
        stream: Stream,
        take: Take,
        missed: Missed,
        *,
        place: int = 0,
        vault: Vault | None = None,
    ) -> None:
        self.place = place
        self.began_again = 0
        self._link = link
        self._stream = stream
        self._take = take
        self._missed = missed
        self._opener = Opener(vault)
        self._moved = asyncio.Event()

    async def run(self) -> None:
        """Follow, until it is cancelled."""
        while True:
            await self._link.up.wait()
            try:
                await self._follow()
            except FAULTS as error:
                self.began_again += 1
                log.info("stream_followed_anew", after=self.place, error=type(error).__name__)
            await asyncio.sleep(_PAUSE_SECONDS)

    async def reach(self, place: int) -> None:
        """Wait until a batch was given."""
        while self.place < place:
            self._moved.clear()
            await self._moved.wait()

    async def _follow(self) -> None:
        """One consumer's life. Errors: `FAULTS`, and then a new one is needed."""
        await self._stream.exists()
        client = self._link.client
        go_on()
        inbox = client.new_inbox()
        subscription = await client.subscribe(inbox, pending_msgs_limit=0, pending_bytes_limit=0)
        try:
            info = await self._link.stream.add_consumer(self._stream.name, self._config(inbox))
            try:
                go_on()
                await self._link.while_up(self._listen(subscription))
            finally:
                with contextlib.suppress(*FAULTS):
                    if self._link.up.is_set():
                        await self._link.stream.delete_consumer(self._stream.name, info.name)
        finally:
            with contextlib.suppress(*FAULTS):
                await subscription.unsubscribe()

    def _config(self, inbox: str) -> ConsumerConfig:
        return ConsumerConfig(
            deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
            opt_start_seq=self.place + 1,
            ack_policy=AckPolicy.NONE,
            deliver_subject=inbox,
            flow_control=True,
            idle_heartbeat=_HEARTBEAT_SECONDS,
            inactive_threshold=_FORGET_SECONDS,
            num_replicas=1,
            mem_storage=True,
        )

    async def _listen(self, subscription: Subscription) -> None:
        """Take what comes, until something is missing."""
        given = 0
        while True:
            message = await subscription.next_msg(_SILENT_SECONDS)
            go_on()
            headers = message.headers or {}
            if _STATUS in headers and not message.data:
                if not await self._answered(message, headers, given):
                    return
                continue
            where = message.metadata.sequence
            if where.consumer != given + 1:
                return
            given += 1
            self._give(where.stream, message)

    async def _answered(self, message: Msg, headers: dict[str, str], given: int) -> bool:
        """Answer a word of JetStream itself; whether nothing is missing."""
        if message.reply:
            await message.respond(b"")
        if _STALLED in headers:
            await self._link.client.publish(headers[_STALLED], b"")
        return int(headers.get(_LAST, given)) == given

    def _give(self, batch: int, message: Msg) -> None:
        if batch > self.place + 1 and self.place:
            self._missed(self.place, batch)
        try:
            self._take(batch, self._opener.content(message))
        except BookCorrupted:
            log.error("stream_damaged", batch=batch)  # noqa: TRY400 - what it is says it all
        self.place = batch
        self._stream.seen(batch)
        self._moved.set()
