"""The load on an HTTP server, as a process of its own: `python -m khata.edge.bench.load`.

It reads an `Order` in JSON from standard input and writes `Told` to standard output. Each of its
connections keeps alive and sends its next request as soon as the last one is answered. The client
is as lean as can be: prepared bytes out, and of the answer only the status and the length are read.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from collections.abc import Callable, Iterator
from itertools import count, cycle, islice
from random import Random
from typing import Final, cast

import msgspec
import uvloop

from khata.edge.bench.figures import Figures, Sample, figures_of

_AMOUNTS: Final = ("0.50", "1.00", "2.25", "7.75", "9.99")
_POOL: Final = 5000
_END: Final = b"\r\n\r\n"
_LENGTH: Final = b"content-length:"


class Order(msgspec.Struct, frozen=True):
    """`wallets`: ids to move money between. `lines`: in a bulk request; 0 for single transfers.
    `prefix`: how idempotency keys begin.
    """

    port: int
    api_key: str
    wallets: list[str]
    currency: str
    connections: int
    seconds: float
    lines: int = 0
    prefix: str = "bench"
    seed: int = 1


class Told(msgspec.Struct, frozen=True):
    """`failure`: the first answer that was not 200, if any."""

    figures: Figures
    failure: str | None


class Run:
    """What all connections of a run share."""

    def __init__(self, requests: Iterator[bytes], until: float) -> None:
        self.requests = requests
        self.until = until
        self.latencies: list[float] = []
        self.failure: str | None = None


class Caller(asyncio.Protocol):
    """One connection: one request at a time. `closed` is set when it has ended."""

    def __init__(self, run: Run, closed: asyncio.Future[None]) -> None:
        self._run = run
        self._closed = closed
        self._buffer = b""
        self._wanted = 0
        self._since = 0.0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's has no common class
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        """End; an end in the middle of an answer is a failure."""
        if exc is not None or self._wanted:
            self._run.failure = self._run.failure or f"connection lost: {exc}"
        if not self._closed.done():
            self._closed.set_result(None)

    def _send(self) -> None:
        assert self._transport is not None
        self._since = time.perf_counter()
        if self._since >= self._run.until or self._run.failure:
            self._transport.close()
            return
        self._wanted = -1
        self._transport.write(next(self._run.requests))

    def data_received(self, data: bytes) -> None:
        """A part of an answer, mostly all of it."""
        self._buffer = self._buffer + data if self._buffer else data
        if self._wanted < 0:
            self._wanted = _length(self._buffer)
        if 0 <= self._wanted <= len(self._buffer):
            self._answered()

    def _answered(self) -> None:
        run, answer = self._run, self._buffer
        self._buffer, self._wanted = b"", 0
        run.latencies.append(time.perf_counter() - self._since)
        if answer[9:12] != b"200":
            run.failure = answer[:2000].decode(errors="replace")
        self._send()


def _length(answer: bytes) -> int:
    """How long an answer is in all, or -1 when its head is not complete."""
    end = answer.find(_END)
    if end < 0:
        return -1
    head = answer[:end].lower()
    at = head.find(_LENGTH)
    if at < 0:
        return end + len(_END)
    number = head[at + len(_LENGTH) :].partition(b"\r\n")[0]
    return end + len(_END) + int(number)


# ── requests ─────────────────────────────────────────────────────────────────────────


def singles(order: Order) -> Iterator[bytes]:
    """Single transfers without end, each under its own key."""
    made = []
    for wallet, to, amount in _pairs(order):
        body = b'{"to":"%s","amount":%s,"note":"a transfer"}' % (to, amount)
        head = _head(order, b"/v1/wallets/%s/transfer" % wallet, len(body))
        made.append((head + b"idempotency-key: ", _END + body))
    prefix, numbers = order.prefix.encode(), count()
    for head, tail in cycle(made):
        yield b"%s%s-%012d%s" % (head, prefix, next(numbers), tail)


def bulks(order: Order) -> Iterator[bytes]:
    """Bulk requests without end."""
    lines = cycle(
        b'","command":{"kind":"wallets.transfer","wallet":"%s","to":"%s","amount":%s,'
        b'"note":"a transfer"}}' % pair
        for pair in _pairs(order)
    )
    prefix, numbers = order.prefix.encode(), count()
    while True:
        each = (
            b'{"key":"%s-%012d%s' % (prefix, next(numbers), line)
            for line in islice(lines, order.lines)
        )
        body = b'{"lines":[' + b",".join(each) + b"]}"
        yield _head(order, b"/v1/bulk", len(body)) + b"accept: */*" + _END + body


def _pairs(order: Order) -> Iterator[tuple[bytes, bytes, bytes]]:
    chance = Random(order.seed)
    for _ in range(_POOL):
        wallet, to = chance.sample(order.wallets, 2)
        amount = '{"amount":"%s","currency":"%s"}' % (chance.choice(_AMOUNTS), order.currency)  # noqa: UP031 - braces
        yield wallet.encode(), to.encode(), amount.encode()


def _head(order: Order, path: bytes, length: int) -> bytes:
    return (
        b"POST %s HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer %s\r\n"
        b"content-type: application/json\r\ncontent-length: %d\r\n"
        % (path, order.api_key.encode(), length)
    )


# ── the run ──────────────────────────────────────────────────────────────────────────


async def drive(order: Order) -> Told:
    """Carry an order out."""
    loop = asyncio.get_running_loop()
    begun = time.perf_counter()
    requests = (bulks if order.lines else singles)(order)
    run = Run(requests, begun + order.seconds)
    ends = [loop.create_future() for _ in range(order.connections)]
    for end in ends:
        await loop.create_connection(_caller(run, end), "127.0.0.1", order.port)
    await asyncio.gather(*ends)
    figures = figures_of([Sample(run.latencies, time.perf_counter() - begun)])
    return Told(figures, run.failure)


def _caller(run: Run, end: asyncio.Future[None]) -> Callable[[], Caller]:
    return lambda: Caller(run, end)


def main() -> None:
    """Read the order, carry it out, tell."""
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
    gc.freeze()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        told = runner.run(drive(order))
    sys.stdout.buffer.write(msgspec.json.encode(told))


if __name__ == "__main__":
    main()
