"""The load of `khata bench messaging`, as a process: users who write to one another.

It reads what to do from standard input, says when all are connected, begins at the next line, and
says what was done.

It does as little as it can, since it has the same processor cores as what it measures. A user says
several messages in one frame, each for a receiver drawn by chance, and in the same frame how many
came. What comes is not parsed: messages are counted by how they begin, which no body here contains.
Every message has an id of its own and is counted when it arrives; at the end as many must have
arrived as were sent, and the bench counts the rows.
"""

from __future__ import annotations

import asyncio
import gc
import random
import resource
import sys
import time
from functools import lru_cache
from typing import Final

import msgspec
import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

HOST: Final = "127.0.0.1"
_TEXT: Final = WSMsgType.TEXT
_AT_ONCE: Final = 200
_GOT: Final = 256
"""So many may have arrived before it is said, where nothing else is to be said."""
_GOT_SECONDS: Final = 0.5
_POLL_SECONDS: Final = 0.05
_TICK_SECONDS: Final = 0.001
_DRAWN: Final = 65_536
_DRAIN_SECONDS: Final = 60.0
_SEND: Final = b'{"t":"send","id":"%b-%d","to":"%b","body":"hello there, how are you doing today"}'


class Flow(msgspec.Struct, frozen=True):
    """`tokens`: of the users, who are called u0, u1, … `window`: messages of each that are not
    acknowledged, at most. `bundle`: those of one frame. `rate`: messages per second in all; 0 for
    as many as are acknowledged.
    """

    port: int
    tokens: list[str]
    window: int
    seconds: float
    rate: float = 0.0
    bundle: int = 1


class Flown(msgspec.Struct, frozen=True):
    """What was done while it was measured, and in all, until nothing was under way any more."""

    acknowledged: int
    delivered: int
    seconds: float
    all_sent: int
    all_acknowledged: int
    all_delivered: int
    refused: int
    all_stored: int = 0


class _User(WSListener):
    """One connection. `sent`, `safe`, `got`, `told`: counts as the protocol has them."""

    __slots__ = ("all", "got", "name", "safe", "sent", "told", "transport")

    def __init__(self, number: int, of: _Users) -> None:
        self.name = b"%d-%d" % (of.run, number)
        self.all = of
        self.sent = self.safe = self.got = self.told = 0

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport

    def on_ws_disconnected(self, transport: WSTransport) -> None:  # noqa: ARG002 - picows' own
        self.all.broken += 1

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:  # noqa: ARG002 - as above
        payload = frame.get_payload_as_bytes()
        came = payload.count(b'"t":"msg"')
        if came:
            self.all.delivered += came
            self.got += came
            if self.got - self.told >= _GOT:
                self.tell()
        at = payload.rfind(b'"t":"ok","n":')
        if at >= 0:
            safe = int(payload[at + 13 : payload.index(b"}", at)])
            self.all.safe += safe - self.safe
            self.safe = safe
            if self.all.pushing:
                self.push()
        if b'"t":"no"' in payload:
            self.all.refused += payload.count(b'"t":"no"')

    def tell(self) -> None:
        """Say what arrived."""
        if self.got > self.told:
            self.told = self.got
            self.transport.send(_TEXT, b'{"t":"got","n":%d}' % self.got)

    def push(self) -> None:
        """Send as many as may be under way."""
        of = self.all
        while of.window - (self.sent - self.safe) >= of.bundle:
            self.send(of.bundle)

    def send(self, count: int) -> None:
        """So many messages in a frame, each to somebody."""
        of, first = self.all, self.sent
        self.sent += count
        of.sent += count
        values: list[bytes | int] = []
        if self.got > self.told:
            self.told = self.got
            values.append(self.got)
        for n, to in enumerate(of.some(count), first):
            values += (self.name, n, to)
        self.transport.send(_TEXT, of.frame(count, got=len(values) > 3 * count) % tuple(values))


class _Users:
    """All of them, and what they count together."""

    def __init__(self, flow: Flow) -> None:
        self.count = len(flow.tokens)
        self.window = flow.window
        self.bundle = min(flow.bundle, flow.window)
        self.run = time.time_ns() // 1_000_000
        names = [b"u%d" % number for number in range(self.count)]
        self._drawn = random.choices(names, k=_DRAWN)
        self._at = 0
        self.users: list[_User] = []
        self.pushing = False
        self.sent = self.safe = self.delivered = self.refused = self.broken = 0

    def some(self, count: int) -> list[bytes]:
        """Receivers, drawn by chance; when all were used their order is drawn again."""
        if self._at + count > _DRAWN:
            random.shuffle(self._drawn)
            self._at = 0
        self._at += count
        return self._drawn[self._at - count : self._at]

    @lru_cache(maxsize=64)  # noqa: B019 - there is one of these, and it lives as long as its process
    def frame(self, count: int, *, got: bool) -> bytes:
        """The form of a frame of so many messages, if wanted behind how many came."""
        parts = [b'{"t":"got","n":%d}'] * got + [_SEND] * count
        return parts[0] if len(parts) == 1 else b"[" + b",".join(parts) + b"]"

    async def connect(self, flow: Flow) -> None:
        """All of them, a few hundred at a time."""
        for first in range(0, self.count, _AT_ONCE):
            numbers = range(first, min(first + _AT_ONCE, self.count))
            await asyncio.gather(*(self._one(number, flow) for number in numbers))

    async def _one(self, number: int, flow: Flow) -> None:
        url = f"ws://{HOST}:{flow.port}/v1/messaging?token={flow.tokens[number]}"
        user = _User(number, self)
        await ws_connect(lambda: user, url, read_buffer_init_size=2048, use_aiofastnet=False)
        self.users.append(user)

    async def keep_telling(self) -> None:
        """Say what arrived, also where it is little."""
        while True:
            await asyncio.sleep(_GOT_SECONDS)
            for user in self.users:
                user.tell()

    async def at_rate(self, rate: float, seconds: float) -> None:
        """Send evenly, from whoever's turn it is."""
        began, sent = time.perf_counter(), 0
        while (now := time.perf_counter() - began) < seconds:
            due = (int(now * rate) - sent) // self.bundle
            sent += due * self.bundle
            for user in random.choices(self.users, k=due):
                user.send(self.bundle)
            await asyncio.sleep(_TICK_SECONDS)

    async def settle(self) -> None:
        """Wait until nothing is under way, or nothing moves any more."""
        for _ in range(int(_DRAIN_SECONDS / _POLL_SECONDS)):
            if self.safe >= self.sent and self.delivered >= self.sent - self.refused:
                return
            await asyncio.sleep(_POLL_SECONDS)


async def _flow(flow: Flow) -> Flown:
    users = _Users(flow)
    await users.connect(flow)
    telling = asyncio.ensure_future(users.keep_telling())
    _say(b"{}")
    await asyncio.to_thread(sys.stdin.buffer.readline)
    if not flow.rate:
        users.pushing = True
        for user in users.users:
            user.push()
        # the first round comes at once, which it never does again
        await asyncio.sleep(min(flow.seconds / 4, 1.0))
    began, safe, delivered = time.perf_counter(), users.safe, users.delivered
    if flow.rate:
        await users.at_rate(flow.rate, flow.seconds)
    else:
        await asyncio.sleep(flow.seconds)
    took, safe, delivered = (
        time.perf_counter() - began, users.safe - safe, users.delivered - delivered,
    )  # fmt: skip
    users.pushing = False
    await users.settle()
    telling.cancel()
    return Flown(safe, delivered, took, users.sent, users.safe, users.delivered, users.refused)


def _say(line: bytes) -> None:
    sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()


def main() -> None:
    """Do what standard input says."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    flow = msgspec.json.decode(sys.stdin.buffer.readline(), type=Flow)
    gc.disable()
    _say(msgspec.json.encode(uvloop.run(_flow(flow))))
    # who reads this ends the process: thousands of good-byes would be part of nothing
    sys.stdin.buffer.read()


if __name__ == "__main__":
    main()
