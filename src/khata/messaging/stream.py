"""A log that several gateways share: a stream of JetStream, instead of a spool of one's own.

Records are published in *batches*: all that was put while the batch before was under way. Of each
gateway one batch is under way at a time, and it is published again, under the same id, until
JetStream has acknowledged it; so nothing overtakes, and the stream drops what came twice. A batch
has a number in the stream, and a record's number follows from that and its place in the batch:
numbers only grow, and all gateways see the same.

The gateway needs no disk. What JetStream has acknowledged is as safe as its storage is: replicated,
or on one disk that is waited for (`sync_interval: always`).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple
from uuid import uuid4

import nats.errors
import structlog
from nats.js.api import DiscardPolicy, RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import APIError, NotFoundError
from nats.js.errors import Error as JetStreamError

from khata.engine.vault import Vault
from khata.errors import LimitExceeded
from khata.messaging import records
from khata.messaging.link import Link, go_on
from khata.messaging.sealing import DataKey
from khata.messaging.supervising import end

log = structlog.get_logger("khata.messaging")
BITS: Final = 12
MOST_RECORDS: Final = 1 << BITS
"""Records in a batch."""
LARGEST: Final = 512 * 1024
"""Bytes of a batch of several records, and of a record: JetStream takes a megabyte as it comes."""
ID: Final = "Nats-Msg-Id"
KEY: Final = "Khata-Key"
_TWICE_SECONDS: Final = 120
"""What is published again within this time under the same id is dropped."""
_ANSWER_SECONDS: Final = 3.0
_PAUSE_SECONDS: Final = 0.2
_FULL: Final = frozenset({10047, 10077, 10122, 10023})
"""JetStream's codes for: no storage left, too many bytes, no resources."""
FAULTS: Final = (nats.errors.Error, JetStreamError, OSError, asyncio.TimeoutError)
"""What may go wrong while NATS is away, restarted, or without a leader."""

_Handed = tuple[list[bytes], object]


def number(batch: int, place: int) -> int:
    """The number of a record: of the batch in the stream, and the record's place in it."""
    return (batch << BITS) | place


def batch_of(seq: int) -> int:
    """The number of the batch in which a record is."""
    return seq >> BITS


def space_of(book: str, mark: str) -> str:
    """What tells a book's messages from those of every other book, in whatever database."""
    return f"{book}-{mark}"


class Limits(NamedTuple):
    """`size`: bytes of the stream that wait to be stored in a database. `buffer`: records that wait
    here for JetStream. More is refused. `replicas`: on so many servers (1, 3 or 5).
    """

    size: int = 1 << 30
    buffer: int = 200_000
    replicas: int = 1


class Stream:
    """`put` buffers a record, `swap` hands the buffer over, and `durable(mark)` is called when
    JetStream has it.

    `space`: tells a book's messages from those of others on the same NATS. `refuses`: the code by
    which new messages are to be refused, None when there is room. `last`: the highest number that
    was ever seen, in the database or in the stream; the stream goes on behind it. `seq`: the last
    that this gateway has delivered.
    """

    def __init__(
        self,
        link: Link,
        space: str,
        *,
        last: int = 0,
        vault: Vault | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.limits = limits or Limits()
        self.name = f"khata-{space}"
        self.subject = f"khata.{space}.log"
        self.last = self.seq = last
        self.refuses: str | None = None
        self.published = self.repeated = 0
        self._link = link
        self._key = DataKey.new(vault) if vault is not None else None
        self._run_id = uuid4().hex
        self._buffer: list[bytes] = []
        self._handed: deque[_Handed] = deque()
        self._waiting = 0
        self._some = asyncio.Event()
        self._ready = asyncio.Event()
        self._trouble: str | None = None
        self._durable: Callable[[object], None] = lambda _mark: None
        self._task: asyncio.Task[None] | None = None
        link.when_up(self._ready.clear)

    # ── as a log ─────────────────────────────────────────────────────────────────────

    def put(self, record: bytes) -> None:
        """Buffer a record. Errors: `LimitExceeded` for one that is too large for JetStream."""
        if len(record) > LARGEST:
            raise LimitExceeded(
                "This is too large for a message to many.", expected=LARGEST, got=len(record)
            )
        self._buffer.append(record)

    def start(self, loop: asyncio.AbstractEventLoop, durable: Callable[[object], None]) -> None:
        """Begin to publish. `durable` is called on the loop, in the order of the swaps."""
        self._durable = durable
        self._task = loop.create_task(self._publish())

    def swap(self, mark: object) -> None:
        """Hand over what is in the buffer."""
        buffer, self._buffer = self._buffer, []
        self._waiting += len(buffer)
        self._handed.append((buffer, mark))
        self._some.set()
        self._settle()

    @property
    def waiting(self) -> int:
        """Records that were handed over and that JetStream has not acknowledged."""
        return self._waiting

    def seen(self, batch: int) -> None:
        """A batch is in the stream: it never goes back behind it."""
        self.last = max(self.last, number(batch, MOST_RECORDS - 1))

    async def close(self) -> None:
        """Publish nothing more: what was not acknowledged stays so."""
        if self._task is not None:
            await end(self._task)
            self._task = None

    def _settle(self) -> None:
        behind = "overloaded" if self._waiting > self.limits.buffer else None
        self.refuses = self._trouble or behind

    # ── publishing ───────────────────────────────────────────────────────────────────

    async def _publish(self) -> None:
        batches = 0
        while True:
            await self._some.wait()
            payloads, done = self._take()
            if payloads:
                batches += 1
                await self._keep(payloads, f"{self._run_id}-{batches}")
                self.published += 1
                self._waiting -= len(payloads)
                self._settle()
            for mark in done:
                self._durable(mark)

    def _take(self) -> tuple[list[bytes], list[object]]:
        """The next batch, and the marks that are done with it."""
        taken: list[bytes] = []
        done: list[object] = []
        size = 0
        while self._handed:
            buffer, mark = self._handed[0]
            fits = _fitting(buffer, MOST_RECORDS - len(taken), LARGEST - size, first=not taken)
            taken += buffer[:fits]
            size += sum(map(len, taken[len(taken) - fits :])) + fits
            if fits < len(buffer):
                self._handed[0] = buffer[fits:], mark
                return taken, done
            self._handed.popleft()
            done.append(mark)
        self._some.clear()
        return taken, done

    async def _keep(self, payloads: Sequence[bytes], name: str) -> None:
        """Publish a batch until it is acknowledged, however long that takes."""
        content, headers = records.content(payloads), {ID: name}
        if self._key is not None:
            content = self._key.seal_frame(content, name.encode())
            headers[KEY] = self._key.sealed
        while True:
            await self._link.up.wait()
            try:
                await self.exists()
                sent = self._link.stream.publish(
                    self.subject, content, _ANSWER_SECONDS, self.name, dict(headers)
                )
                answer = await self._link.while_up(sent)
                go_on()
            except FAULTS as error:
                self._failed(error)
                await asyncio.sleep(_PAUSE_SECONDS)
            else:
                self.seen(answer.seq)
                self._trouble = None
                return

    def _failed(self, error: BaseException) -> None:
        self.repeated += 1
        full = isinstance(error, APIError) and error.err_code in _FULL
        if full and not self._trouble:
            log.error("stream_full", stream=self.name)
        elif not full:
            # looked at again, since it may be gone
            self._ready.clear()
            log.warning("stream_not_reached", stream=self.name, error=type(error).__name__)
        self._trouble = "storage_full" if full else None
        self._settle()

    # ── the stream itself ────────────────────────────────────────────────────────────

    async def exists(self) -> None:
        """See to it that the stream is there and goes on behind the last number that was seen.

        Errors: `FAULTS`.
        """
        if self._ready.is_set():
            return
        stream, ended = self._link.stream, batch_of(self.last)
        try:
            found = await stream.stream_info(self.name)
        except NotFoundError:
            found = await stream.add_stream(self._config(ended + 1))
            log.info("stream_made", stream=self.name, first=ended + 1)
        if found.state.last_seq < ended:
            # it is older than what is known: its numbers would come again
            log.warning("stream_behind", stream=self.name, last=found.state.last_seq, seen=ended)
            await stream.purge_stream(self.name, seq=ended + 1)
        self._ready.set()

    def _config(self, first: int) -> StreamConfig:
        return StreamConfig(
            name=self.name,
            subjects=[self.subject],
            retention=RetentionPolicy.LIMITS,
            # nothing is ever dropped: what a database has is taken away, new messages are refused
            discard=DiscardPolicy.NEW,
            max_bytes=self.limits.size,
            storage=StorageType.FILE,
            num_replicas=self.limits.replicas,
            duplicate_window=_TWICE_SECONDS,
            first_seq=first,
            allow_direct=True,
        )


def _fitting(buffer: list[bytes], most: int, room: int, *, first: bool) -> int:
    """How many records of a buffer still fit into a batch; one always does, if it is the first."""
    size = 0
    for at, record in enumerate(buffer[:most]):
        size += len(record) + 1
        if size > room and not (first and at == 0):
            return at
    return min(len(buffer), most)
