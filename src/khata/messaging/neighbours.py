"""Neighbours: the other gateways of a cluster, and who is connected to them.

Each gateway says over NATS who comes and goes, in numbered *news*, and every `beat` seconds that it
lives and the number of its last news. Who missed some asks for all of it. A gateway that was not
heard of for `dead` seconds is gone, and so are its users. Nothing of this is kept anywhere.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, KeysView
from typing import Final, Protocol

import msgspec
import structlog
from nats.aio.msg import Msg

from khata.messaging.link import Link
from khata.messaging.stream import FAULTS

log = structlog.get_logger("khata.messaging")
BEAT_SECONDS: Final = 1.0
DEAD_SECONDS: Final = 5.0
_GATHER_SECONDS: Final = 0.02
"""Who comes and goes within it is said in one piece."""
_PIECE: Final = 1_000
_encode: Final = msgspec.json.Encoder().encode


class News(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a gateway says. `n`: the number of its last news. `on`, `off`: who came and went with
    that one. `whole`: everybody who is there, in pieces, the first one with `first`, the last one
    with `end`. `ask`: the gateway that is to say all; "*" for all of them. `bye`: it ends.
    """

    gateway: str
    n: int = 0
    on: list[str] = []
    off: list[str] = []
    whole: list[str] | None = None
    first: bool = False
    end: bool = False
    ask: str | None = None
    bye: bool = False


_decode: Final = msgspec.json.Decoder(News).decode


class _Neighbour:
    """Another gateway. `known`: whether all its users up to its news `n` are in `users`."""

    __slots__ = ("heard", "known", "n", "pieces", "users")

    def __init__(self) -> None:
        self.users: set[str] = set()
        self.pieces: set[str] | None = None
        self.n = 0
        self.heard = 0.0
        self.known = False


class Known(Protocol):
    """Who is known to be here: `announce` is called of each who comes or goes."""

    announce: Callable[[str, bool], None]

    @property
    def here(self) -> KeysView[str]:
        """All of them."""
        ...

    def set_elsewhere(self, user: str, *, online: bool) -> None:
        """Somebody came or went at other gateways."""
        ...


class Neighbours:
    """`name`: this gateway's own. `presence`: is told of users elsewhere, tells of those here.
    `topic`: what is known of them, beside others over the same NATS.
    """

    def __init__(
        self,
        link: Link,
        space: str,
        name: str,
        presence: Known,
        *,
        topic: str = "presence",
        beat: float = BEAT_SECONDS,
        dead: float = DEAD_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.subject = f"khata.{space}.{topic}"
        self._link = link
        self._presence = presence
        self._beat = beat
        self._dead = dead
        self._clock = clock
        self._all: dict[str, _Neighbour] = {}
        self._count: dict[str, int] = {}
        self._changes: dict[str, bool] = {}
        self._some = asyncio.Event()
        self._n = 0
        self._asked = False
        presence.announce = self._announce

    @property
    def gateways(self) -> list[str]:
        """The other gateways that live."""
        return sorted(self._all)

    async def run(self) -> None:
        """Say and hear, until it is cancelled. Errors: none while NATS is away."""
        while True:
            await self._link.up.wait()
            try:
                await self._live()
            except FAULTS as error:
                log.info("neighbours_not_heard", error=type(error).__name__)
            finally:
                self._some.set()
            await asyncio.sleep(_GATHER_SECONDS)

    async def bye(self) -> None:
        """Tell the others that this one ends, if they can be reached."""
        if self._link.up.is_set():
            try:
                await self._say(News(self.name, self._n, bye=True))
                await self._link.client.flush(1)
            except FAULTS as error:
                log.info("neighbours_not_told", error=type(error).__name__)

    async def _live(self) -> None:
        async def heard(message: Msg) -> None:
            self.hear(_decode(message.data))

        subscription = await self._link.client.subscribe(self.subject, cb=heard)
        try:
            await self._say(News(self.name, self._n, ask="*"))
            self._asked = True
            beat_at = 0.0
            while self._link.up.is_set():
                await self._say_changes()
                if self._asked:
                    self._asked = False
                    await self._say_all()
                if self._clock() >= beat_at:
                    beat_at = self._clock() + self._beat
                    await self._say(News(self.name, self._n))
                    await self._ask_whom_not_known()
                self.bury()
                await self._wait()
        finally:
            await subscription.unsubscribe()

    async def _wait(self) -> None:
        """Until there is something to say, or for a beat; then a moment, for company."""
        try:
            async with asyncio.timeout(self._beat):
                await self._some.wait()
        except TimeoutError:
            return
        self._some.clear()
        await asyncio.sleep(_GATHER_SECONDS)

    # ── saying ───────────────────────────────────────────────────────────────────────

    def _announce(self, user: str, online: bool) -> None:
        self._changes[user] = online
        self._some.set()

    async def _say_changes(self) -> None:
        changes, self._changes = self._changes, {}
        users = list(changes)
        for start in range(0, len(users), _PIECE):
            piece = users[start : start + _PIECE]
            self._n += 1
            on, off = [u for u in piece if changes[u]], [u for u in piece if not changes[u]]
            await self._say(News(self.name, self._n, on, off))

    async def _say_all(self) -> None:
        here = list(self._presence.here)
        for start in range(0, len(here) or 1, _PIECE):
            piece, end = here[start : start + _PIECE], start + _PIECE >= len(here)
            first = start == 0
            await self._say(News(self.name, self._n, whole=piece, first=first, end=end))

    async def _ask_whom_not_known(self) -> None:
        for name, neighbour in self._all.items():
            if not neighbour.known:
                await self._say(News(self.name, self._n, ask=name))

    async def _say(self, news: News) -> None:
        await self._link.client.publish(self.subject, _encode(news))

    # ── hearing ──────────────────────────────────────────────────────────────────────

    def hear(self, news: News) -> None:
        """Take in what a gateway says."""
        if news.gateway == self.name:
            return
        if news.ask in {self.name, "*"}:
            self._asked = True
            self._some.set()
        if news.bye:
            self._forget(news.gateway)
            return
        neighbour = self._all.get(news.gateway)
        if neighbour is None:
            neighbour = self._all[news.gateway] = _Neighbour()
            log.info("gateway_came", gateway=news.gateway)
        neighbour.heard = self._clock()
        self._take_in(neighbour, news)

    def _take_in(self, neighbour: _Neighbour, news: News) -> None:
        if news.whole is not None:
            self._take_in_piece(neighbour, news, news.whole)
        elif news.on or news.off:
            neighbour.known = neighbour.known and news.n == neighbour.n + 1
            neighbour.n = news.n
            self._change(neighbour, news.on, news.off)
        elif news.n != neighbour.n:
            neighbour.known = False
            self._some.set()

    def _take_in_piece(self, neighbour: _Neighbour, news: News, users: list[str]) -> None:
        if news.first:
            neighbour.pieces = set()
        if neighbour.pieces is None:
            return
        neighbour.pieces.update(users)
        if news.end:
            self._set(neighbour, neighbour.pieces)
            neighbour.n, neighbour.known, neighbour.pieces = news.n, True, None

    def _set(self, neighbour: _Neighbour, users: set[str]) -> None:
        self._change(neighbour, users - neighbour.users, neighbour.users - users)

    def _change(self, neighbour: _Neighbour, on: Iterable[str], off: Iterable[str]) -> None:
        for user in on:
            if user not in neighbour.users:
                neighbour.users.add(user)
                self._count[user] = self._count.get(user, 0) + 1
                if self._count[user] == 1:
                    self._presence.set_elsewhere(user, online=True)
        for user in list(off):
            if user in neighbour.users:
                neighbour.users.remove(user)
                self._count[user] -= 1
                if not self._count[user]:
                    del self._count[user]
                    self._presence.set_elsewhere(user, online=False)

    def bury(self) -> None:
        """Forget the gateways that were not heard of for too long."""
        before = self._clock() - self._dead
        for name in [n for n, neighbour in self._all.items() if neighbour.heard < before]:
            log.warning("gateway_gone", gateway=name)
            self._forget(name)

    def _forget(self, name: str) -> None:
        neighbour = self._all.pop(name, None)
        if neighbour is not None:
            self._set(neighbour, set())
