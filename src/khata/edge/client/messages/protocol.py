"""The client's side of the WebSocket protocol, as state: lines in, lines out. No network.

What was sent and is not known to be safe is sent again over the next connection, in its order and
under the same ids. What came is said to have been got when it was handed on, and not before; what
was handed on once is not handed on again.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Any, Final

import msgspec

from khata.edge.client.messaging_answers import MessageView, Taken
from khata.edge.client.retrying import error_by_code
from khata.errors import KhataError
from khata.messaging.model import Kept

_encode: Final = msgspec.json.Encoder().encode
_MOST_SEEN: Final = 65_536
_GOT_EVERY: Final = 64

Event = dict[str, Any]


class Sent:
    """Something on its way to the gateway; `done` is answered when it is safe or refused."""

    __slots__ = ("asked", "done", "line")

    def __init__(self, asked: Kept, done: asyncio.Future[Taken]) -> None:
        self.asked = asked
        self.line = _encode(asked)
        self.done = done

    def answer(self, by: str) -> None:
        """It is safe."""
        if not self.done.done():
            self.done.set_result(Taken(self.asked.id, by))

    def refuse(self, error: KhataError) -> None:
        """It is not, and will not be."""
        if not self.done.done():
            self.done.set_exception(error)


class Protocol:
    """`write`: sends a line, while there is a connection. `heard`: told of what is no message.

    `seq`: a number up to which everything came, to resume behind. `refused`: why the gateway let
    nobody in.
    """

    def __init__(self, heard: Callable[[Event], None]) -> None:
        self.seq = 0
        self.user: str | None = None
        self.refused: KhataError | None = None
        self.flying: deque[Sent] = deque()
        self.arrived: deque[MessageView] = deque()
        self.write: Callable[[bytes], None] | None = None
        self._heard = heard
        self._seen: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._safe = 0
        self._handed = self._done = self._told = 0

    # ── connections ──────────────────────────────────────────────────────────────────

    def opened(self, write: Callable[[bytes], None]) -> None:
        """A connection is there: what is not known to be safe is sent again."""
        self._safe = self._handed = self._done = self._told = 0
        self.arrived.clear()
        self.refused = self.user = None
        self.flying = deque(one for one in self.flying if not one.done.done())
        self.write = write
        for one in self.flying:
            write(one.line)

    def closed(self) -> None:
        """It is gone. What came and was not handed on comes again over the next one."""
        self.write = self.user = None
        self.arrived.clear()

    # ── sending ──────────────────────────────────────────────────────────────────────

    def send(self, asked: Kept, done: asyncio.Future[Taken]) -> None:
        """Send something now, or when there is a connection."""
        one = Sent(asked, done)
        self.flying.append(one)
        if self.write is not None:
            self.write(one.line)

    def say(self, kind: str, **fields: Any) -> None:
        """Say something that is not kept; nobody hears it without a connection."""
        if self.write is not None:
            self.write(_encode({"t": kind, **{k: v for k, v in fields.items() if v is not None}}))

    # ── hearing ──────────────────────────────────────────────────────────────────────

    def hear(self, payload: bytes) -> None:
        """A frame came."""
        said = msgspec.json.decode(payload)
        for one in said if isinstance(said, list) else [said]:
            self._one(one)

    def _one(self, said: Event) -> None:
        kind = said["t"]
        if kind == "msg":
            self.arrived.append(msgspec.convert(said, MessageView))
        elif kind == "ok":
            self._are_safe(said["n"])
        elif kind == "no":
            self._is_refused(said)
        elif kind == "at":
            self.seq = max(self.seq, said["seq"])
        else:
            if kind == "hello":
                self.user = said["user"]
            self._heard(said)

    def _are_safe(self, n: int) -> None:
        while self._safe < n and self.flying:
            self._safe += 1
            self.flying.popleft().answer("gateway")

    def _is_refused(self, said: Event) -> None:
        error = error_by_code(said["code"], said["message"], said.get("details"))
        place = said["n"] - self._safe - 1
        if said["n"] and 0 <= place < len(self.flying):
            self.flying[place].refuse(error)
            while self.flying and self.flying[0].done.done():
                self._safe += 1
                self.flying.popleft()
        elif not said["n"] and self.user is None:
            self.refused = error
        else:
            self._heard(said)

    def next(self) -> MessageView | None:
        """The next message that was not handed on before; None when there is none yet."""
        while self.arrived:
            message = self.arrived.popleft()
            self._handed += 1
            name = (message.sender, message.id)
            if name not in self._seen:
                self._seen[name] = None
                if len(self._seen) > _MOST_SEEN:
                    self._seen.popitem(last=False)
                return message
        return None

    def dealt_with(self) -> None:
        """Whoever was handed messages is done with them all: say so, now and then."""
        self._done = self._handed
        if self._done - self._told >= _GOT_EVERY or not self.arrived:
            self.tell()

    def tell(self) -> None:
        """Say what was dealt with."""
        if self._done > self._told:
            self._told = self._done
            self.say("got", n=self._done)
