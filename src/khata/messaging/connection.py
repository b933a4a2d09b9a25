"""A connection: what comes over one WebSocket is read here, strictly, and told to the router."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import msgspec
from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport

from khata.errors import Invalid, KhataError, RateLimited
from khata.messaging import wire
from khata.messaging.model import (
    Broadcast,
    Conversation,
    Got,
    Read,
    Resume,
    Said,
    Send,
    Watch,
    named,
    senseless,
)
from khata.messaging.people import Peer

if TYPE_CHECKING:
    from khata.messaging.gateway import Gateway

_decode: Final = msgspec.json.Decoder(Said | list[Said]).decode
_decode_one: Final = msgspec.json.Decoder(Said).decode
_decode_parts: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode
_TEXT: Final = WSMsgType.TEXT
_COPIED: Final = 8_192
"""Bytes: a longer frame would be sent from a buffer that picows uses again before the event loop
has written it; one that brings its own room for the header is copied at once."""
_HEADER: Final = bytes(16)
_MOST_OUT: Final = 1_024
_STALLED: Final = 1_024
"""Messages above the rate without a pause, before the connection is closed."""
_KEPT: Final = frozenset({"send", "broadcast", "conversation"})


class _Shape(msgspec.Struct):
    """What can be said of something that could not be read."""

    t: Any = None
    id: Any = None


_shape: Final = msgspec.json.Decoder(_Shape).decode


class Connection(WSListener):
    """One WebSocket. `peer`: what the router knows of it, None until it was let in.

    `transport`: once it is connected. `heard`: whether anything came since it was looked after;
    `silent`: seconds without. `waiting`: what was `unsent` at that time.
    """

    transport: WSTransport
    __slots__ = (
        "_at",
        "_early",
        "_gateway",
        "_tokens",
        "_too_many",
        "checking",
        "closed",
        "credential",
        "heard",
        "peer",
        "receipts",
        "silent",
        "transport",
        "waiting",
    )

    def __init__(self, gateway: Gateway, credential: str, *, receipts: bool) -> None:
        self._gateway = gateway
        self._tokens = float(gateway.options.burst)
        self._at = time.monotonic()
        self._early: list[bytes] | None = None
        self._too_many = 0
        self.credential = credential
        self.receipts = receipts
        self.peer: Peer | None = None
        self.heard = True
        self.silent = 0.0
        self.waiting = 0
        self.closed = self.checking = False

    # ── from picows ──────────────────────────────────────────────────────────────────

    def on_ws_connected(self, transport: WSTransport) -> None:
        """The handshake is done: who is it?"""
        self.transport = transport
        # what was asked for was read, and would be kept as long as the connection
        transport.request.path = b""
        transport.request.headers.clear()
        transport.underlying_transport.pause_reading()
        self._gateway.opened(self)

    def on_ws_disconnected(self, transport: WSTransport) -> None:  # noqa: ARG002 - picows' own
        """It ended, however it did."""
        self.closed = True
        self._gateway.ended(self)

    def pause_writing(self) -> None:
        """It does not read as fast as it is sent to."""
        if self.peer is not None:
            self.peer.paused, self.peer.ready = True, False
            self.peer.stopped = time.monotonic()

    def resume_writing(self) -> None:
        """It has caught up."""
        peer = self.peer
        if peer is not None and not self.closed:
            peer.paused = False
            peer.settle()
            self._gateway.resumed(peer)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Something came."""
        self.heard = True
        if frame.msg_type is not _TEXT or not frame.fin:
            self._other(transport, frame)
            return
        payload = frame.get_payload_as_bytes()
        if self.peer is not None:
            self._hear(self.peer, payload)
        elif self._early is not None:
            self._early.append(payload)

    # ── what came ────────────────────────────────────────────────────────────────────

    def admitted(self, peer: Peer) -> None:
        """It was let in: what it said already counts from here."""
        self.peer = peer
        early, self._early = self._early, None
        for payload in early or ():
            self._hear(peer, payload)
        if not self.closed:
            self.transport.underlying_transport.resume_reading()

    def wait(self) -> None:
        """Keep what comes until it is let in. Reading is paused: it is one buffer at most."""
        self._early = []

    def _hear(self, peer: Peer, payload: bytes) -> None:
        if self.closed:
            return
        began = time.perf_counter()
        self._gateway.stats.bytes_in += len(payload)
        try:
            if not payload.isascii():
                payload.decode()
            said = _decode(payload)
        except msgspec.ValidationError:
            self._mend(peer, payload)
            return
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            self._gateway.stats.refuse(Invalid.code)
            self.close(WSCloseCode.INVALID_TEXT, "not JSON")
            return
        careful = b"\\" in payload
        if type(said) is list:
            for one in said:
                self._heard(peer, one, began, careful=careful)
        else:
            self._heard(peer, said, began, careful=careful)

    def _heard(self, peer: Peer, said: Said, began: float, *, careful: bool) -> None:
        try:
            if type(said) is Send:
                peer.sent += 1
                self._tokens -= 1
                if self._tokens < 0:
                    self._wait_for_tokens()
                if careful:
                    _check_names(said.id, said.to, said.c, said.sender)
                self._gateway.router.send(peer, said, began)
            elif type(said) is Got:
                self._gateway.router.got(peer, said.n)
            else:
                self._rare(peer, said)
        except KhataError as error:
            n = peer.sent if isinstance(said, Send | Broadcast | Conversation) else 0
            self._refuse(peer, error, n, getattr(said, "id", None))

    def _rare(self, peer: Peer, said: Said) -> None:
        router = self._gateway.router
        if isinstance(said, Broadcast | Conversation):
            peer.sent += 1
        self._spend()
        if isinstance(said, Broadcast):
            _check_names(said.id, said.sender, *(said.to or ()))
            router.ask(peer, said)
        elif isinstance(said, Conversation):
            _check_names(said.id, said.c, *said.add, *said.remove)
            router.ask(peer, said)
        elif isinstance(said, Read):
            _check_names(said.c, said.user)
            router.read(peer, said.seq, said.c, said.user)
        elif isinstance(said, Resume):
            self._gateway.resume(peer, said.after)
        elif isinstance(said, Watch):
            router.presence.watch(peer, said.users)

    def _mend(self, peer: Peer, payload: bytes) -> None:
        """Some part of a frame makes no sense: take the others, say which one it is."""
        parts = [payload] if not payload.lstrip().startswith(b"[") else _decode_parts(payload)
        for part in parts:
            try:
                said = _decode_one(part)
            except msgspec.ValidationError as error:
                self._senseless(peer, part, error)
            else:
                self._heard(peer, said, 0.0, careful=True)

    def _senseless(self, peer: Peer, part: Any, error: msgspec.ValidationError) -> None:
        try:
            shape = _shape(part)
        except msgspec.ValidationError:
            shape = _Shape()
        if shape.t in _KEPT:
            peer.sent += 1
        name = shape.id if isinstance(shape.id, str) else None
        refusal: KhataError = senseless(error)
        try:
            self._spend()
        except RateLimited as limited:
            refusal = limited
        self._refuse(peer, refusal, peer.sent if shape.t in _KEPT else 0, name)

    def _spend(self) -> None:
        """Count one that is said. Errors: `RateLimited`."""
        self._tokens -= 1
        if self._tokens < 0:
            self._wait_for_tokens()

    def _wait_for_tokens(self) -> None:
        options = self._gateway.options
        now = time.monotonic()
        gained = (now - self._at) * options.rate
        self._at = now
        self._tokens = min(self._tokens + gained, float(options.burst))
        if self._tokens >= options.burst / 2:
            # it was quiet for a while
            self._too_many = 0
        if self._tokens >= 0:
            return
        self._tokens = max(self._tokens, -1.0)
        self._too_many += 1
        if self._too_many > _STALLED:
            self.close(WSCloseCode.POLICY_VIOLATION, "too many messages")
        raise RateLimited("Too many messages.", retry_after_seconds=1, expected=options.rate)

    def _refuse(self, peer: Peer, error: KhataError, n: int, name: str | None) -> None:
        self._gateway.stats.refuse(error.code)
        self._gateway.router.say(peer, wire.refused(error, n, name))
        if len(peer.out) > _MOST_OUT and peer.paused:
            self.close(WSCloseCode.POLICY_VIOLATION, "what is said is not read")

    def _other(self, transport: WSTransport, frame: WSFrame) -> None:
        """Whatever is no whole frame of text."""
        kind = frame.msg_type
        if kind is WSMsgType.PONG:
            return
        if kind is WSMsgType.CLOSE:
            transport.send_close(WSCloseCode.OK)
            transport.disconnect()
        elif not frame.fin or kind is WSMsgType.CONTINUATION:
            self.close(WSCloseCode.UNSUPPORTED_DATA, "one frame at a time")
        else:
            self.close(WSCloseCode.UNSUPPORTED_DATA, "text only")

    # ── what goes ────────────────────────────────────────────────────────────────────

    def write(self, lines: list[bytes]) -> None:
        """Send these lines now."""
        if len(lines) == 1 and len(lines[0]) <= _COPIED:
            self.transport.send(_TEXT, lines[0])
            return
        for frame in wire.frames(lines):
            if len(frame) <= _COPIED:
                self.transport.send(_TEXT, frame)
            else:
                room = bytearray(_HEADER + frame)
                self.transport.send_reuse_external_bytearray(_TEXT, room, len(_HEADER))

    def unsent(self) -> int:
        """Bytes that its socket did not take yet."""
        return int(self.transport.underlying_transport.get_write_buffer_size())

    def close(self, code: WSCloseCode, reason: str) -> None:
        """Say good-bye, and be gone soon, whether the other side hears it or not."""
        if not self.closed:
            self.closed = True
            if self.peer is None:
                # its own good-bye is to be heard
                self.transport.underlying_transport.resume_reading()
            else:
                self._say_the_last()
            self._gateway.closing(self)
            self.transport.send_close(code, reason.encode())
            self._gateway.soon(self.transport)

    def _say_the_last(self) -> None:
        assert self.peer is not None
        lines, self.peer.out = self.peer.out, []
        if lines and not self.peer.paused:
            self.write(lines)


def _check_names(*names: str | None) -> None:
    if not named(*names):
        raise Invalid("Names have no control characters.", expected="visible characters")
