"""Storing a stream in the database: what the persister is to a spool.

Every gateway of a cluster has one of these, and they share one durable consumer: a batch is given
to one of them, and to another if that one dies before it said that the batch is stored. Writing the
same again changes nothing (`tables.py`), so each message is one row, however often it is given out.

What is stored is taken out of the stream a while later, when all gateways have seen it.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final, NamedTuple

import msgspec
import structlog
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.client import JetStreamContext

from khata.engine.vault import Vault
from khata.errors import BookCorrupted, KhataError
from khata.messaging import records, wire
from khata.messaging.aside_stream import AsideStream
from khata.messaging.batch import Batch
from khata.messaging.following import Opener
from khata.messaging.link import Link, go_on
from khata.messaging.persister import Persisted
from khata.messaging.sealing import DataKey
from khata.messaging.store import MessageStore, halves
from khata.messaging.stream import FAULTS, ID, Stream, number
from khata.messaging.wire import Record

log = structlog.get_logger("khata.messaging")
CONSUMER: Final = "persister"
_AGAIN_SECONDS: Final = 0.1
_LONGEST_SECONDS: Final = 5.0
_TIDY_SECONDS: Final = 5.0

Sealed = tuple[str, DataKey] | None
_Part = tuple[Sealed, list[Record]]
_Keep = Callable[[], Awaitable[None]]
"""Keeps something that cannot be stored. Errors: `FAULTS`."""


class Pace(NamedTuple):
    """`batches`: of the stream, at most, in one transaction. `seconds`: how long to wait for more
    of them. `keep_seconds`: how long what is stored stays in the stream. `again_seconds`: after
    which a batch that nobody said to be stored is given out again.
    """

    batches: int = 64
    seconds: float = 0.1
    keep_seconds: float = 300.0
    again_seconds: float = 10.0


def numbered(content: bytes, batch: int) -> list[bytes]:
    """The records of a batch, under the numbers that they have by it."""
    return [
        wire.numbered(record, number(batch, at)) for at, record in enumerate(records.raw(content))
    ]


class Storing:
    """`stored`: messages that were written. `failed`: transactions that were tried in vain.
    `given_up`: records that no database can hold, set aside. `done`: all of it, as figures have it.
    """

    def __init__(
        self,
        link: Link,
        stream: Stream,
        store: MessageStore,
        *,
        vault: Vault | None = None,
        pace: Pace | None = None,
    ) -> None:
        self.stored = self.failed = self.given_up = 0
        self.done = Persisted()
        self.aside = AsideStream(link, stream)
        self._link = link
        self._stream = stream
        self._store = store
        self._opener = Opener(vault)
        self._pace = pace or Pace()
        self._tidied = 0.0
        self._floors: deque[tuple[float, int]] = deque()

    async def run(self) -> None:
        """Store, until it is cancelled. Errors: `VaultMissing`, `VaultKeyUnknown`."""
        while True:
            await self._link.up.wait()
            try:
                await self._stream.exists()
                await self._link.while_up(self._share())
            except FAULTS as error:
                log.info("stream_stored_anew", error=type(error).__name__)
            await asyncio.sleep(_AGAIN_SECONDS)

    async def _share(self) -> None:
        """Take a share of what is in the stream, again and again. Errors: `FAULTS`."""
        stream, name = self._link.stream, self._stream.name
        await stream.add_consumer(
            name,
            ConsumerConfig(
                durable_name=CONSUMER,
                deliver_policy=DeliverPolicy.ALL,
                ack_policy=AckPolicy.EXPLICIT,
                ack_wait=self._pace.again_seconds,
                max_ack_pending=4 * self._pace.batches,
                num_replicas=self._stream.limits.replicas,
            ),
        )
        share = await stream.pull_subscribe_bind(CONSUMER, name)
        try:
            while self._link.up.is_set():
                found = await self._fetched(share)
                go_on()
                if found:
                    await self._keep(found)
                await self._tidy()
        finally:
            await share.unsubscribe()

    async def _fetched(self, share: JetStreamContext.PullSubscription) -> list[Msg]:
        try:
            return await share.fetch(self._pace.batches, self._pace.seconds)
        except TimeoutError:
            return []

    async def _keep(self, found: Sequence[Msg]) -> None:
        """Write some batches until they are written, and say so."""
        read, odd = await asyncio.to_thread(self._read, found)
        pause, began = _AGAIN_SECONDS, time.monotonic()
        while True:
            try:
                odd += await asyncio.to_thread(self._write, read)
            except KhataError as error:
                self.failed += 1
                self.done.failing += 1
                log.warning("messages_not_stored", code=error.code, batches=len(found))
            else:
                break
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
            pause = min(2 * pause, _LONGEST_SECONDS)
            for message in found:
                await message.in_progress()
        for keep in odd:
            await keep()
        self.done.batches += 1
        self.done.records += sum(len(content) for _, content in read)
        self.done.seconds += time.monotonic() - began
        self.done.failing = 0
        for message in found:
            await message.ack()

    def told(self) -> Persisted:
        """What was done so far."""
        done = self.done
        done.failures, done.aside, done.at = self.failed, self.given_up, time.time()
        return done

    # ── on a thread ──────────────────────────────────────────────────────────────────

    def _read(self, found: Sequence[Msg]) -> tuple[list[_Part], list[_Keep]]:
        """What is to be stored, and what keeps that which cannot be read."""
        read, odd = list[_Part](), list[_Keep]()
        for message in found:
            batch = message.metadata.sequence.stream
            try:
                key = self._opener.key(message)
                content = numbered(self._opener.content(message), batch)
            except (BookCorrupted, msgspec.MsgspecError):
                self.done.damages += 1
                log.error("stream_damaged", batch=batch)  # noqa: TRY400 - what it is says it all
                odd.append(partial(self.aside.keep_raw, message.data, dict(message.headers or {})))
                continue
            named = (f"{self._stream.name}/{_run_of(message)}", key) if key is not None else None
            part = list[Record]()
            for place, raw in enumerate(content):
                try:
                    part.append(wire.read(raw))
                except msgspec.MsgspecError as error:
                    odd.append(self._odd(f"{batch}-{place}", raw, named, error))
            read.append((named, part))
        return read, odd

    def _write(self, read: Sequence[_Part]) -> list[_Keep]:
        """Write everything, or if no database can hold some of it, the rest; what keeps that."""
        pairs = [(key, record) for key, found in read for record in found]
        odd = [
            self._odd(f"{getattr(record, 'seq', 0)}", records.written(record), key, error)
            for (key, record), error in halves(pairs, self._write_part)
        ]
        self.stored += sum(isinstance(record, wire.Line) for _, record in pairs)
        return odd

    def _odd(self, name: str, raw: bytes, key: Sealed, error: Exception) -> _Keep:
        self.given_up += 1
        log.error("message_set_aside", name=name, error=type(error).__name__)
        return partial(self.aside.keep, name, raw, key[1] if key is not None else None)

    def _write_part(self, pairs: Sequence[tuple[Sealed, Record]]) -> None:
        batch = Batch()
        start = 0
        for at in range(1, len(pairs) + 1):
            if at == len(pairs) or pairs[at][0] is not pairs[start][0]:
                batch.add([record for _, record in pairs[start:at]], pairs[start][0])
                start = at
        self._store.write(batch)

    # ── taking out what is stored ────────────────────────────────────────────────────

    async def _tidy(self) -> None:
        now = time.monotonic()
        if now < self._tidied + min(_TIDY_SECONDS, self._pace.keep_seconds):
            return
        self._tidied = now
        stream, name = self._link.stream, self._stream.name
        info = await stream.consumer_info(name, CONSUMER)
        self.done.lag = await self._behind((info.num_pending or 0) + (info.num_ack_pending or 0))
        self._floors.append((now, info.ack_floor.stream_seq if info.ack_floor else 0))
        stored = 0
        while self._floors and self._floors[0][0] <= now - self._pace.keep_seconds:
            stored = self._floors.popleft()[1]
        if stored:
            await stream.purge_stream(name, seq=stored + 1)

    async def _behind(self, batches: int) -> int:
        """About how many bytes so many batches are. Errors: `FAULTS`."""
        if not batches:
            return 0
        state = (await self._link.stream.stream_info(self._stream.name)).state
        return batches * state.bytes // max(state.messages, 1)


def _run_of(message: Msg) -> str:
    """The run of a gateway that published a batch: all of one run is sealed by one key."""
    return str((message.headers or {}).get(ID, "")).partition("-")[0]


async def stored_up_to(link: Link, stream: Stream) -> int:
    """The number of a batch up to which everything is in the database. Errors: `FAULTS`."""
    consumers = await link.stream.consumers_info(stream.name)
    found = next((one for one in consumers if one.name == CONSUMER), None)
    return found.ack_floor.stream_seq if found is not None and found.ack_floor else 0


__all__ = ["CONSUMER", "Pace", "Storing", "numbered", "stored_up_to"]
