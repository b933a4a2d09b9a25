"""Receipts between gateways: who asked for them may be connected to another one than who received.

Each gateway says who asks for receipts at it, as it says who is there (`neighbours.py`), and
carries what concerns those at others to them, gathered for a moment, over NATS. Nobody keeps any of
it: a receipt that is lost with a connection is lost.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec
import structlog
from nats.aio.msg import Msg

from khata.messaging import wire
from khata.messaging.link import Link
from khata.messaging.router import Router
from khata.messaging.stream import FAULTS

log = structlog.get_logger("khata.messaging")
_LARGEST: Final = 256 * 1024
_MOST: Final = 256
"""Pieces that wait to be published; older ones are dropped."""
_PAUSE_SECONDS: Final = 0.2


class Carried(msgspec.Struct, frozen=True):
    """What a gateway carries to others: lines, by the user who asked for them."""

    gateway: str
    lines: dict[str, list[msgspec.Raw]]


_decode: Final = msgspec.json.Decoder(Carried).decode


class Carrier:
    """Carries receipts of one gateway, called `name`, to others, and tells what they carry here."""

    def __init__(self, link: Link, space: str, name: str, router: Router) -> None:
        self.subject = f"khata.{space}.receipts"
        self._link = link
        self._name = name
        self._router = router
        self._pieces: deque[bytes] = deque(maxlen=_MOST)
        self._some = asyncio.Event()
        router.carry = self.carry

    def carry(self, lines: Mapping[str, Sequence[bytes]]) -> None:
        """Have lines told to users who are elsewhere."""
        for part in _parts(lines):
            raws = {user: [msgspec.Raw(line) for line in found] for user, found in part.items()}
            self._pieces.append(wire.encode(Carried(self._name, raws)))
        self._some.set()

    async def run(self) -> None:
        """Carry, until it is cancelled. Errors: none while NATS is away."""
        while True:
            await self._link.up.wait()
            try:
                await self._live()
            except FAULTS as error:
                log.info("receipts_not_carried", error=type(error).__name__)
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _live(self) -> None:
        async def heard(message: Msg) -> None:
            self._hear(message.data)

        subscription = await self._link.client.subscribe(self.subject, cb=heard)
        try:
            while self._link.up.is_set():
                while self._pieces:
                    await self._link.client.publish(self.subject, self._pieces.popleft())
                self._some.clear()
                await self._some.wait()
        finally:
            await subscription.unsubscribe()

    def _hear(self, data: bytes) -> None:
        try:
            found = _decode(data)
        except msgspec.MsgspecError:
            log.error("receipts_not_read")  # noqa: TRY400 - what it is says it all
            return
        if found.gateway == self._name:
            return
        for user, lines in found.lines.items():
            for peer in self._router.sessions(user):
                if peer.receipts:
                    for line in lines:
                        self._router.say(peer, bytes(line))


def _parts(lines: Mapping[str, Sequence[bytes]]) -> Iterable[dict[str, list[bytes]]]:
    """The same in parts that NATS takes."""
    part: dict[str, list[bytes]] = {}
    size = 0
    for user, found in lines.items():
        for line in found:
            if part and size + len(line) > _LARGEST:
                yield part
                part, size = {}, 0
            part.setdefault(user, []).append(line)
            size += len(line) + len(user)
    if part:
        yield part
