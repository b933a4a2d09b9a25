"""The gateway: a WebSocket server on one thread, between its connections, the router and the log.

In each turn of the event loop every connection is read, everything is routed, and then, in one go
(`_flush`), each connection that has something to be sent is sent one frame. While little comes, so
that a frame would hardly have a second message to wait for, that is done every few messages
(`_share`). What was accepted meanwhile is handed to the log, if that is not busy with what it was
handed before; when it is on disk, the senders' next frames tell them so.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from http import HTTPStatus
from typing import Any, Final, Self
from urllib.parse import parse_qs, urlsplit

import structlog
from picows import (
    WSCloseCode,
    WSListener,
    WSTransport,
    WSUpgradeRequest,
    WSUpgradeResponse,
    WSUpgradeResponseWithListener,
    ws_create_server,
)

from khata.errors import Closing, Forbidden, KhataError, RateLimited, Unauthenticated, Unavailable
from khata.messaging import wire
from khata.messaging.connection import Connection
from khata.messaging.model import LARGEST_FRAME, Identity, Kept, Message
from khata.messaging.options import Options
from khata.messaging.people import Peer, User
from khata.messaging.router import Log, Router
from khata.messaging.supervising import Supervisor

log = structlog.get_logger("khata.messaging")
Identify = Callable[[str], Awaitable[Identity]]
"""Who has this token or API key. Errors: `Unauthenticated`, `Unavailable`."""
History = Callable[[str, int | None, int], Awaitable[list[Message]]]
"""A user's messages after a number, or after what is known to have been delivered to them (None),
in order and at most so many; fewer only if there are no more. Errors: `KhataError`."""

_PARTS: Final = ("sweeper", "receipts")
_PAGE: Final = 500
_ENOUGH: Final = 4_096
"""Messages of one turn: with so many, or two for each connection, what is to be sent does not wait
for the turn's end, which may be tens of thousands away."""
_FEW: Final = 32
"""The same while a turn brings less than one for each connection."""
_MANY: Final = 16
"""Messages at once on the log: more come at this rate, so that the disk is not asked again before
`_PACE_SECONDS` are over: each time has its price, for however few messages."""
_PACE_SECONDS: Final = 0.003
_SLICE: Final = 256
_RECEIPT_SECONDS: Final = 0.05
_MOST_OUT: Final = 4_096
"""Lines that wait for a connection that reads more slowly than it is told of others."""
_READ_BUFFER: Final = 2_048
_BACKLOG: Final = 16_384
_GRACE_SECONDS: Final = 1.0
_HANDSHAKE_SECONDS: Final = 30.0


class Inbox:
    """What other threads want done on the loop: in the next turn, or sooner in a long one.

    A log that is started with this instead of the loop is heard in the middle of a turn too.
    """

    def __init__(self) -> None:
        self._calls: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None

    def on(self, loop: asyncio.AbstractEventLoop) -> Self:
        """This one, for a loop."""
        self._loop = loop
        return self

    def call_soon_threadsafe(self, call: Callable[..., object], *values: Any) -> None:
        """Have something done on the loop. Errors: `RuntimeError` when that is closed."""
        assert self._loop is not None
        self._calls.append((call, values))
        self._loop.call_soon_threadsafe(self.empty)

    def empty(self) -> None:
        """Do what there is, in its order. On the loop's thread."""
        while self._calls:
            call, values = self._calls.popleft()
            call(*values)


class Gateway:
    """`identify`: who has a token. `log`: where messages are kept; `seq`: its last number;
    `numbering`: whether numbers are given here, not by the log. `supervisor`: of its parts.
    `history`: what the database has for a user; None when there is none.
    """

    def __init__(
        self,
        options: Options,
        identify: Identify,
        log: Log,
        *,
        seq: int = 0,
        numbering: bool = True,
        history: History | None = None,
        supervisor: Supervisor | None = None,
    ) -> None:
        self.options = options
        self.supervisor = supervisor or Supervisor()
        self.router = Router(
            log,
            self._woken,
            seq=seq,
            bound=options.queue,
            window=options.window,
            numbering=numbering,
            complete=history is not None,
            most_unsafe=options.most_unsafe,
            most_on_way=options.on_way,
        )
        self.router.missing = self._missing
        self.router.crowded = self._crowded
        self.inbox = Inbox()
        self.stats = self.router.stats
        self.port = options.port
        self._identify = identify
        self._history = history
        self._log = log
        self._numbering = numbering
        self._flying = 0
        self._safe_bytes = 0
        self._woken_once = self._paced = False
        self._before = self._came = self._swapped = 0
        self._next_swap = 0.0
        # what is numbered by the log is delivered only when it comes back from there
        self._rest = _PACE_SECONDS if numbering else 0.0
        self._connections: dict[Connection, None] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = False
        self._settled = asyncio.Event()

    # ── life ─────────────────────────────────────────────────────────────────────────

    async def start(self) -> None:
        """Listen. Errors: `OSError` when the address is taken."""
        self._loop = asyncio.get_running_loop()
        self._server = await ws_create_server(
            self._asked,
            self.options.host,
            self.options.port,
            # a logger of its own for each connection would be a tenth of its memory
            logger_name=logging.LoggerAdapter(_silent(), {}),
            max_frame_size=LARGEST_FRAME,
            # of ten thousand who come at once the last waits for all before it
            websocket_handshake_timeout=_HANDSHAKE_SECONDS,
            read_buffer_init_size=_READ_BUFFER,
            backlog=_BACKLOG,
            # its transports would be a third of a connection's memory, and are no faster here
            use_aiofastnet=False,
        )
        self.port = self._server.sockets[0].getsockname()[1]
        for part, run in zip(_PARTS, (self._sweep, self._tell_receipts), strict=True):
            self.supervisor.start(part, run)

    async def stop(self) -> None:
        """Take nothing new, have everything kept and told, say good-bye; end the supervisor's
        parts, of which what stores messages has had them all by then.
        """
        self._stopping = True
        self._server.close()
        for part in _PARTS:
            await self.supervisor.end(part)
        self.router.keep_marks(list(self.router.users.values()))
        # marks are nobody's messages, so that nothing else hands them over
        self._swap()
        self._flush()
        kept = await self._until(
            lambda: not (self._flying or self.router.noted), self.options.stop_seconds
        )
        if not kept:
            log.warning("messaging_not_kept", unsafe=self.stats.accepted - self.stats.safe)
        self._flush()
        for connection in list(self._connections):
            connection.close(WSCloseCode.GOING_AWAY, "the gateway stops")
        for task in list(self._tasks):
            task.cancel()
        await self._until(lambda: not self._connections, 2 * _GRACE_SECONDS)
        await self.supervisor.stop()

    async def _until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Wait until something holds, for so long; whether it does."""
        try:
            async with asyncio.timeout(seconds):
                while not condition():
                    self._settled.clear()
                    await self._settled.wait()
        except TimeoutError:
            return False
        return True

    # ── connections ──────────────────────────────────────────────────────────────────

    def _asked(self, request: WSUpgradeRequest) -> WSListener | WSUpgradeResponseWithListener:
        if self._stopping or len(self._connections) >= self.options.connections:
            return _answer(HTTPStatus.SERVICE_UNAVAILABLE)
        try:
            where = urlsplit(request.path.decode("ascii"))
            asked = parse_qs(where.query, max_num_fields=8)
        except ValueError:
            return _answer(HTTPStatus.BAD_REQUEST)
        if where.path != "/v1/messaging":
            return _answer(HTTPStatus.NOT_FOUND)
        kind, _, credential = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() != "bearer":
            credential = asked.get("token", [""])[0]
        return Connection(self, credential.strip(), receipts=asked.get("receipts") == ["1"])

    def opened(self, connection: Connection) -> None:
        """A connection is there: find out who it is."""
        self._connections[connection] = None
        connection.wait()
        self._spawn(self._admit(connection))

    async def _admit(self, connection: Connection) -> None:
        try:
            identity = await self._identify(connection.credential)
            self._check_sessions(identity.user)
        except Exception as error:  # noqa: BLE001 - it is not left waiting, whatever it was
            self._turn_away(connection, _told(error))
            return
        if connection.closed:
            return
        peer = self.router.connect(identity, connection, receipts=connection.receipts)
        connection.admitted(peer)
        if peer.loading:
            self._missing(peer, peer.user.floor)

    def _check_sessions(self, user: str) -> None:
        if len(self.router.sessions(user)) >= self.options.sessions:
            raise RateLimited("Too many connections.", expected=self.options.sessions)

    def _turn_away(self, connection: Connection, error: KhataError) -> None:
        if connection.closed:
            return
        self.stats.refuse(error.code)
        connection.write([wire.refused(error)])
        wrong = isinstance(error, Unauthenticated | Forbidden | RateLimited)
        code = WSCloseCode.POLICY_VIOLATION if wrong else WSCloseCode.TRY_AGAIN_LATER
        connection.close(code, error.code)

    def closing(self, connection: Connection) -> None:
        """A connection is about to be closed: nothing more is sent to it."""
        if connection.peer is not None:
            self.router.disconnect(connection.peer)

    def ended(self, connection: Connection) -> None:
        """A connection is no more."""
        self._connections.pop(connection, None)
        self.closing(connection)
        self._settled.set()

    def soon(self, transport: WSTransport) -> None:
        """Cut a connection off, when it has had the time to hear why and to say good-bye as well.

        To end it at once would make the system throw away what was not read yet, on both sides.
        """
        self._loop.call_later(_GRACE_SECONDS, transport.disconnect, False)

    # ── a turn ───────────────────────────────────────────────────────────────────────

    def _woken(self) -> None:
        if not self._woken_once:
            self._woken_once = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        """All that could be read has been."""
        self._woken_once = False
        accepted = self.stats.accepted
        self._came, self._before = accepted - self._before, accepted
        self._flush()

    def _crowded(self) -> None:
        """Much has come in this turn: do what would come after it."""
        self.inbox.empty()
        self._flush()

    def _flush(self) -> None:
        router = self.router
        router.enough = self.stats.accepted + self._share()
        for peer in router.woken():
            peer.touched = False
            if peer.paused:
                continue
            out = peer.out
            if peer.safe > peer.told:
                peer.told = peer.safe
                out.append(wire.safe(peer.safe))
            if out:
                peer.out = []
                self._write(peer, out)
        if router.noted and not self._flying:
            self._pace()

    def _share(self) -> int:
        """Of how many messages the frames are filled."""
        crowd = self.stats.connections
        came = max(self._came, self.stats.accepted - self._before)
        return _FEW if came < crowd else max(_ENOUGH, 2 * crowd)

    def _write(self, peer: Peer, out: list[bytes]) -> None:
        try:
            peer.socket.write(out)
        except Exception:
            # whatever it is, it is this connection's: the others are to be sent theirs
            log.exception("messaging_not_sent")
            peer.socket.transport.disconnect(False)
        if peer.began:
            self.stats.latency.add((time.perf_counter() - peer.began) * 1e6)
            peer.began = 0.0
        if not peer.ready:
            self.router.pull(peer)

    def _pace(self) -> None:
        """Hand over what is noted: at once, or shortly after the last time if much comes."""
        now = time.monotonic()
        if now >= self._next_swap:
            self._next_swap = 0.0
            if self.stats.accepted - self._swapped >= _MANY:
                self._next_swap = now + self._rest
            self._swap()
        elif not self._paced:
            self._paced = True
            self._loop.call_later(self._next_swap - now, self._due)

    def _due(self) -> None:
        self._paced = False
        if self.router.noted and not self._flying:
            self._pace()

    def _swap(self) -> None:
        peers, self.router.noted = self.router.noted, []
        for peer in peers:
            peer.noted = False
        self._flying += 1
        self._swapped = self.stats.accepted
        counts = [peer.sent for peer in peers]
        self._log.seq = self.router.seq
        self._log.swap((peers, counts, self.stats.accepted, self.stats.bytes_in))

    def durable(self, mark: Any) -> None:
        """What was handed over under this mark is on disk. Called by the log, on the loop."""
        peers, counts, accepted, self._safe_bytes = mark
        self._flying -= 1
        self.stats.safe = accepted
        for peer, count in zip(peers, counts, strict=True):
            peer.safe = count
            self.router.touch(peer)
        self._may()
        if self.router.noted and not self._flying:
            self._pace()
        self._settled.set()

    def _may(self) -> None:
        """Decide anew whether messages are taken."""
        unsafe = self.stats.accepted - self.stats.safe
        if not unsafe:
            self._safe_bytes = self.stats.bytes_in
        large = self.stats.bytes_in - self._safe_bytes > self.options.most_unsafe_bytes
        self.router.may(unsafe, large=large)

    def resumed(self, peer: Peer) -> None:
        """A peer can be sent to again."""
        self.router.touch(peer)
        self.router.pull(peer)

    # ── what the database has ────────────────────────────────────────────────────────

    def resume(self, peer: Peer, after: int) -> None:
        """Send a peer again what came after a number; behind what is being loaded for it."""
        self.router.look_for(peer.user)
        if peer.load(after):
            self._spawn(self._load(peer, after, again=True))

    def _missing(self, peer: Peer, after: int | None) -> None:
        self._spawn(self._load(peer, after))

    async def _load(self, peer: Peer, after: int | None, *, again: bool = False) -> None:
        """Send a peer what the database has for it, page by page. `again`: it asked for that."""
        history = self._history
        if history is None:
            self.router.filled(peer, known=True)
            return
        # who asks for a part may leave out what nobody has delivered yet
        known = peer.user.known or after is None or after <= (peer.user.floor or 0)
        try:
            await self._load_pages(peer, after, history, again=again)
            while peer.again is not None:
                after, peer.again = peer.again, None
                await self._load_pages(peer, after, history, again=True)
        except Exception as error:  # noqa: BLE001 - as above: what is new comes all the same
            log.warning("messaging_history_unavailable", code=_told(error).code)
            # behind the earliest place that anybody wants something from
            floor = peer.user.floor or 0
            wanted = floor if after is None else after
            wanted = min(wanted, floor or wanted, wanted if peer.again is None else peer.again)
            peer.again = None
            self.router.say(peer, wire.said("gap", after=wanted, dropped=0))
            known = False
        if not peer.socket.closed:
            self.router.filled(peer, known=known)

    async def _load_pages(
        self, peer: Peer, after: int | None, history: History, *, again: bool
    ) -> None:
        while not peer.socket.closed:
            if peer.queue is not None:
                # what is dropped from now on may be too new for this page
                peer.queue.dropped = 0
            if self._numbering:
                await self._all_kept()
            page = await history(peer.user.name, after, _PAGE)
            self.router.fill(peer, page, again=again)
            after = page[-1].seq if page else after
            if len(page) < _PAGE and not (peer.queue is not None and peer.queue.dropped):
                return
            await self.router.has_room(peer)

    async def _all_kept(self) -> None:
        """Wait until what was taken so far is where a history finds it. Errors: `Unavailable`."""
        taken = self.stats.accepted
        if not await self._until(lambda: self.stats.safe >= taken, self.options.stop_seconds):
            raise Unavailable("What was taken is not kept yet.")

    # ── calls from this process ──────────────────────────────────────────────────────

    async def post(self, who: Identity, asked: Kept) -> None:
        """Take a message as if it had come over a connection; returns when it is on disk.

        Errors: `KhataError`.
        """
        if self._stopping:
            raise Closing("This gateway is shutting down.")
        caller = _Caller(self._loop.create_future())
        peer = Peer(who, self.router.users.get(who.user) or User(who.user, known=True), 0, caller)
        peer.sent = 1
        self.router.ask(peer, asked)
        await caller.done

    # ── looking after ────────────────────────────────────────────────────────────────

    async def _tell_receipts(self) -> None:
        while True:
            await asyncio.sleep(_RECEIPT_SECONDS)
            self.router.tell_receipts()

    async def _sweep(self) -> None:
        marked = time.monotonic()
        while True:
            await asyncio.sleep(self.options.tick_seconds)
            self._may()
            for part in _slices(list(self._connections)):
                for connection in part:
                    self._look_after(connection)
                await asyncio.sleep(0)
            if time.monotonic() - marked >= self.options.mark_seconds:
                marked = time.monotonic()
                for users in _slices(list(self.router.users.values())):
                    self.router.keep_marks(users)
                    await asyncio.sleep(0)
                if not self._flying:
                    self._swap()

    def _look_after(self, connection: Connection) -> None:
        peer, options, now = connection.peer, self.options, time.monotonic()
        if connection.closed or peer is None:
            return
        if connection.heard:
            connection.heard, connection.silent = False, 0.0
        else:
            before = connection.silent
            connection.silent += options.tick_seconds
            if connection.silent > options.ping_seconds + options.pong_seconds:
                connection.transport.disconnect(False)
                return
            if before < options.ping_seconds <= connection.silent:
                connection.transport.send_ping()
        if peer.paused and (unsent := connection.unsent()) != connection.waiting:
            # it reads, if slowly
            connection.waiting, peer.stopped = unsent, now
        slow = now - options.slow_seconds
        idle = (peer.paused and peer.stopped < slow) or (peer.owes() and peer.moved < slow)
        if idle or (peer.paused and len(peer.out) > _MOST_OUT):
            self.stats.slow += 1
            connection.close(WSCloseCode.POLICY_VIOLATION, "too slow")
        elif peer.identity.until is not None and peer.identity.until < now:
            self._check_again(connection)

    def _check_again(self, connection: Connection) -> None:
        if not connection.checking:
            connection.checking = True
            self._spawn(self._still(connection))

    async def _still(self, connection: Connection) -> None:
        try:
            identity = await self._identify(connection.credential)
        except (Unauthenticated, Forbidden) as error:
            self._turn_away(connection, error)
            return
        except Exception as error:  # noqa: BLE001 - as above
            # the database is away: who was let in stays in until it can say
            log.warning("messaging_not_checked", code=_told(error).code)
        else:
            if connection.peer is not None:
                connection.peer.identity = identity
        connection.checking = False

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class _Caller:
    """A peer without a socket, that waits for one message to be on disk."""

    closed = False

    def __init__(self, done: asyncio.Future[None]) -> None:
        self.done = done

    def write(self, lines: list[bytes]) -> None:  # noqa: ARG002 - as a connection has it
        """The only thing that it can be told is that its message is on disk."""
        if not self.done.done():
            self.done.set_result(None)


def _slices(of: list[Any]) -> list[list[Any]]:
    return [of[at : at + _SLICE] for at in range(0, len(of), _SLICE)]


def _told(error: Exception) -> KhataError:
    """What others are told of an error: of one that nobody foresaw, only that it happened."""
    if isinstance(error, KhataError):
        return error
    log.error("messaging_fault", exc_info=error)
    return Unavailable("This cannot be said just now.", retry_after_seconds=1)


def _answer(status: HTTPStatus) -> WSUpgradeResponseWithListener:
    response = WSUpgradeResponse.create_error_response(status, status.phrase.encode())
    return WSUpgradeResponseWithListener(response, None)


def _silent() -> logging.Logger:
    """What goes wrong on a connection is its other side's doing, and counted."""
    logger = logging.getLogger("khata.messaging.sockets")
    logger.setLevel(logging.CRITICAL)
    return logger
