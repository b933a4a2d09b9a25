"""The router: who gets what, when. No IO: it is told of connections and of what they say, puts
records on the log, and leaves what is to be sent in its peers' `out`.

A message goes at once to every peer of its receiver that has room: fewer than `window` messages on
their way that it has not said to have got. Else it waits in the peer's queue, and comes when there
is room again; a high one may use a reserve beyond the window. Who has no peer has a queue too. What
was on its way when a user's last peer ended goes back in front of that queue.

A log on this machine is numbered here, and delivered from here. With one that gives the numbers
itself (`numbering` is False), a record is delivered when it comes back from there: `take`.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol

from khata.errors import Forbidden, Invalid, KhataError, Overloaded, StorageFull
from khata.messaging import wire
from khata.messaging.askers import Askers, Away
from khata.messaging.asking import check_body, sender_of
from khata.messaging.conversations import Conversations, none
from khata.messaging.model import (
    DEEPEST_BODY,
    Broadcast,
    Conversation,
    Identity,
    Kept,
    Message,
    Send,
)
from khata.messaging.people import NOBODY, Peer, User
from khata.messaging.presence import Presence
from khata.messaging.queues import Queue, Queues
from khata.messaging.stats import EVERY, Stats

WINDOW: Final = 1_024
"""Messages on their way to a peer, at most."""
RESERVE: Final = 64
"""So many high ones more."""
NARROW: Final = 16
"""The window while very much is on its way to all peers together: it takes memory."""
_AT_ONCE: Final = 256
"""Taken out of a queue in one go: no single one holds up the others, or fills its socket's buffer
with what could as well wait."""
_SAMPLED: Final = EVERY - 1
_PLAIN: Final = 2 * DEEPEST_BODY
"""Bytes: a shorter body is neither too long nor too deep."""


class Log(Protocol):
    """Where records are kept: `spool.Spool`, or a stream that several gateways share.

    `refuses`: the code by which new messages are refused just now, None when they are welcome.
    `seq`: the last number that was given out.
    """

    refuses: str | None
    seq: int

    @property
    def put(self) -> Callable[[bytes], None]:
        """What buffers a record."""
        ...

    def swap(self, mark: object) -> None:
        """Have what was buffered kept; `durable(mark)` is called when it is, in this order."""
        ...


class Router:
    """`wake`: called when a peer has something to be sent, once until `touched` is emptied.
    `seq`: the last number of the log. `complete`: whether a user whom it does not know may have
    messages in the database; `missing` is called for a peer that has a gap, from a number on.
    `crowded` is called as soon as `enough` messages were accepted, in all.
    """

    def __init__(
        self,
        log: Log,
        wake: Callable[[], None],
        *,
        seq: int = 0,
        bound: int = 100_000,
        window: int = WINDOW,
        numbering: bool = True,
        complete: bool = False,
        most_unsafe: int = 200_000,
        most_on_way: int = 100_000,
    ) -> None:
        self.log = log
        self.seq = seq
        self.window = window
        self.queues = Queues(bound)
        self.conversations = Conversations()
        self.presence = Presence(self.say)
        self.stats = Stats()
        self.users: dict[str, User] = {}
        self.touched: list[Peer] = []
        self.noted: list[Peer] = []
        self.refusing: str | None = None
        self.enough = sys.maxsize
        self.crowded: Callable[[], None] = lambda: None
        self.missing: Callable[[Peer, int], None] = lambda _peer, _after: None
        self.receipts: dict[Peer, dict[str, list[list[Any]]]] = {}
        self.askers = Askers()
        self.away = Away()
        self.carry: Callable[[dict[str, list[bytes]]], None] = lambda _lines: None
        self.passed: dict[str, int] = {}
        """Users of whom the database must have everything up to a number before it is asked: who
        were at other gateways, that were left it, and who want again what they were sent here.
        """
        self._numbers = numbering
        self._wake = wake
        self._complete = complete
        self._most_unsafe = most_unsafe
        self._most_on_way = most_on_way
        self._spare = 0
        self._woken = False

    # ── peers ────────────────────────────────────────────────────────────────────────

    def connect(self, identity: Identity, socket: Any = None, *, receipts: bool = False) -> Peer:
        """A connection begins: it is greeted, and gets what waits for its user.

        A peer whose user is not `known` is `loading`: it gets what `fill` brings first.
        """
        user = self.users.get(identity.user)
        if user is None:
            user = self.users[identity.user] = User(identity.user, known=not self._complete)
        peer = Peer(identity, user, self.window, socket)
        peer.receipts = receipts
        peer.moved = time.monotonic()
        if receipts:
            self.askers.came(user.name)
        first = not user.peers
        user.peers = (*user.peers, peer)
        if first:
            peer.queue, user.queue = user.queue, None
            peer.loading = not user.known
            self.presence.set_here(user.name, online=True)
        peer.settle()
        self.stats.opened += 1
        self.stats.connections += 1
        self.say(peer, wire.said("hello", user=user.name, seq=self.seq))
        self.pull(peer)
        return peer

    def disconnect(self, peer: Peer) -> None:
        """A connection ended. What it did not get waits for the next one, unless its user has
        another, which has it.
        """
        user = peer.user
        if peer not in user.peers:
            return
        floor = peer.floor(self.seq)
        user.peers = tuple(other for other in user.peers if other is not peer)
        if peer.receipts:
            self.askers.went(user.name)
        self.receipts.pop(peer, None)
        self.presence.watch(peer, ())
        self.stats.closed += 1
        self.stats.connections -= 1
        self.stats.again += len(peer.on_way)
        if user.known and floor is not None:
            user.floor = max(user.floor or 0, floor)
        if user.peers:
            if peer.queue is not None:
                self.queues.forget(peer.queue)
        else:
            self._keep(user, peer)
            self.presence.set_here(user.name, online=False)
        peer.on_way.clear()
        peer.ready = False
        _release(peer)

    def _keep(self, user: User, peer: Peer) -> None:
        user.known = user.known and not peer.loading
        if not user.known and not peer.loading:
            self.look_for(user)
        if peer.on_way or peer.behind():
            user.queue = peer.queue if peer.queue is not None else Queue()
            self.queues.put_back(user.queue, peer.on_way)

    def say(self, peer: Peer, line: bytes) -> None:
        """Have something sent that is no message."""
        peer.out.append(line)
        self.touch(peer)

    def touch(self, peer: Peer) -> None:
        """See in the next turn what a peer is to be sent."""
        if not peer.touched:
            peer.touched = True
            self.touched.append(peer)
            if not self._woken:
                self._woken = True
                self._wake()

    def woken(self) -> list[Peer]:
        """The peers that have something to be sent; from now on `wake` is called again."""
        self._woken = False
        touched, self.touched = self.touched, []
        return touched

    # ── messages ─────────────────────────────────────────────────────────────────────

    def send(self, peer: Peer, asked: Send, began: float = 0.0) -> None:
        """Take a message. `began`: when it was read, by `time.perf_counter`, 0 for unknown.

        Errors: `KhataError`, when it is not taken.
        """
        to, body = asked.to, asked.body
        if to is None or asked.c is not None or asked.sender is not None:
            self._send_otherwise(peer, asked)
            return
        if len(body) > _PLAIN or self.refusing is not None:
            self._check(body)
        user = self.users.get(to)
        if user is None:
            user = self._unknown(to)
        seq = self.seq + 1 if self._numbers else 0
        p, sender = asked.p, peer.user
        line = wire.direct_line(
            seq, asked.id, sender.json, user.json, p, time.time_ns() // 1000, body
        )
        self.log.put(line)
        self.stats.accepted = accepted = self.stats.accepted + 1
        if not peer.noted:
            self._note(peer)
        if seq:
            self.seq = seq
            self._deliver(user, Message(seq, asked.id, sender.name, p, line))
            if not seq & _SAMPLED and began:
                _measure(user, began)
        if accepted >= self.enough:
            self.crowded()

    def ask(self, peer: Peer, asked: Kept) -> None:
        """Take anything that is kept. Errors: as `send`."""
        if isinstance(asked, Send):
            self.send(peer, asked)
        elif isinstance(asked, Broadcast):
            self._broadcast(peer, asked)
        else:
            self._converse(peer, asked)

    def _send_otherwise(self, peer: Peer, asked: Send) -> None:
        who = peer.identity
        sender = sender_of(who, asked.sender)
        self._check(asked.body)
        if (asked.to is None) == (asked.c is None):
            raise Invalid("A message is for a user or a conversation.", expected="to or c")
        if asked.to is not None:
            line = wire.direct_line(
                0, asked.id, wire.encode(sender), wire.encode(asked.to), asked.p, _now(), asked.body
            )
            self._take(peer, line)
            return
        assert asked.c is not None
        members = self.conversations.members(asked.c, sender, service=who.service)
        self._share(peer, asked, sender, asked.c, [name for name in members if name != sender])

    def _broadcast(self, peer: Peer, asked: Broadcast) -> None:
        if not peer.identity.service:
            raise Forbidden("Only services send to many.", expected="service")
        self._check(asked.body)
        sender = sender_of(peer.identity, asked.sender)
        receivers = self.presence.everybody() if asked.to is None else list(dict.fromkeys(asked.to))
        self._share(peer, asked, sender, None, receivers)

    def _share(
        self, peer: Peer, asked: Send | Broadcast, sender: str, c: str | None, to: list[str]
    ) -> None:
        line = wire.shared_line(0, asked.id, wire.encode(sender), c, asked.p, _now(), asked.body)
        self._take(peer, wire.record(line, to))

    def _converse(self, peer: Peer, asked: Conversation) -> None:
        self._check(b"")
        add, remove = self.conversations.check(peer.identity, asked)
        by = peer.user.name
        owner = self.conversations.owner(asked.c) or by
        line = wire.encode(wire.Change(0, asked.c, owner, by, _now(), add, remove))
        self._take(peer, line)

    def _take(self, peer: Peer, record: bytes) -> None:
        """Number a record if that is done here, put it on the log, deliver it."""
        if not self._numbers:
            self._put(peer, record)
            return
        self.seq += 1
        record = wire.numbered(record, self.seq)
        self._put(peer, record)
        self.take(record)

    def take(self, record: bytes) -> None:
        """Deliver what is on the log: a record under its number."""
        found = wire.read(record)
        if isinstance(found, wire.Mark):
            return
        self.seq = max(self.seq, found.seq)
        if isinstance(found, wire.Change):
            self._changed(found, record)
            return
        message = wire.message_of(found, record)
        for name in (found.to,) if found.receivers is None else found.receivers:
            if name is not None:
                user = self.users.get(name)
                self._deliver(self._unknown(name) if user is None else user, message)

    def _changed(self, change: wire.Change, line: bytes) -> None:
        told = self.conversations.change(change)
        if told is None:
            # another gateway's user was first: what was safe is void
            line = wire.refused(none(change.c), c=change.c)
            told = [change.by]
        for name in told:
            for peer in self.sessions(name):
                self.say(peer, line)

    def _put(self, peer: Peer, record: bytes) -> None:
        self.log.put(record)
        self.stats.accepted += 1
        if not peer.noted:
            self._note(peer)

    def _note(self, peer: Peer) -> None:
        """Something of a peer's is in the log's buffer: see to it in this turn."""
        peer.noted = True
        self.noted.append(peer)
        self.touch(peer)

    def _deliver(self, user: User, message: Message) -> None:
        peers = user.peers
        if not peers:
            if self._complete and self.presence.elsewhere(user.name):
                self._pass(user, message.seq)
                return
            if user.queue is None:
                user.queue = Queue()
            self.queues.put(user.queue, message)
            return
        for peer in peers:
            if peer.ready and peer.room > self._spare:
                # as `_hand` does it, without a call for each message
                peer.room -= 1
                peer.on_way.append(message)
                peer.out.append(message.line)
                self.stats.delivered += 1
                if not peer.touched:
                    self.touch(peer)
            else:
                self._hold(peer, message)

    def _pass(self, user: User, seq: int) -> None:
        """Leave a message to the gateway where its receiver is. Should they come here before they
        got it, it is in the database, and so is all that was queued for them before it.
        """
        user.known = False
        self.passed[user.name] = seq
        if user.queue is not None:
            self.queues.forget(user.queue)
            user.queue = None

    def look_for(self, user: User) -> None:
        """What a user was sent is asked of the database: so far it must have all of it, or what
        another gateway stored first stands before what came before it.
        """
        if not self._numbers:
            self.passed[user.name] = self.seq

    def _hand(self, peer: Peer, message: Message) -> None:
        peer.room -= 1
        peer.on_way.append(message)
        peer.out.append(message.line)
        self.stats.delivered += 1
        if not peer.touched:
            self.touch(peer)

    def _hold(self, peer: Peer, message: Message) -> None:
        queue = peer.queue
        if queue is None:
            queue = peer.queue = Queue()
        if (
            message.p == "high"
            and peer.room > self._spare - RESERVE
            and not (peer.paused or peer.loading or queue.has_high)
        ):
            peer.mixed = True
            self._hand(peer, message)
            return
        if not len(queue):
            peer.moved = time.monotonic()
        self.queues.put(queue, message)
        peer.ready = False

    def pull(self, peer: Peer) -> None:
        """Take out of a peer's queue what it has room for, as much as is sent in one go. Whoever
        sends it asks again.
        """
        queue = peer.queue
        if queue is None or peer.paused or peer.loading:
            return
        room = peer.room - self._spare
        if room > 0 and queue.dropped and self._gap(peer, queue):
            return
        if room > 0 and len(queue):
            peer.mixed = True
            for message in self.queues.take(queue, min(room, _AT_ONCE)):
                self._hand(peer, message)
        peer.ready = not peer.behind()

    def _gap(self, peer: Peer, queue: Queue) -> bool:
        """Say that copies were dropped; whether the peer is loading them from the database now."""
        user = peer.user
        user.known = False
        after = user.floor or peer.told_at
        self.say(peer, wire.said("gap", after=after, dropped=queue.dropped))
        queue.dropped = 0
        if self._complete and peer.load(after):
            self.missing(peer, after)
        return self._complete

    def fill(self, peer: Peer, messages: Iterable[Message], *, again: bool = False) -> int:
        """Send what the database had for a peer that is `loading`, less what waits for it, and what
        is on its way, unless that was asked for `again`. How many were sent: its `room` may fall
        below 0, and the next page waits until it is back.
        """
        waiting = {message.seq for message in peer.queue or ()}
        if not again:
            waiting.update(message.seq for message in peer.on_way)
        sent = 0
        for message in messages:
            if message.seq not in waiting:
                peer.mixed = True
                self._hand(peer, message)
                sent += 1
        return sent

    async def has_room(self, peer: Peer) -> None:
        """Wait until a peer that is `loading` can take another page, or has gone."""
        peer.moved = time.monotonic()
        while peer.room <= self.window // 2 and not peer.socket.closed:
            peer.waiter = asyncio.get_running_loop().create_future()
            await peer.waiter

    def filled(self, peer: Peer, *, known: bool) -> None:
        """The database had no more, or could not be asked (`known` is False)."""
        peer.loading = False
        peer.moved = time.monotonic()
        peer.user.known = known
        peer.settle()
        self.pull(peer)

    # ── what receivers say ───────────────────────────────────────────────────────────

    def got(self, peer: Peer, n: int) -> None:
        """The first `n` messages of this connection have arrived. Errors: `Invalid`."""
        count = n - peer.got
        if count <= 0:
            return
        on_way = peer.on_way
        if count > len(on_way):
            raise Invalid("You were not sent so many.", expected=peer.got + len(on_way), got=n)
        peer.got = n
        self.stats.got += count
        if self.askers.count:
            for _ in range(count):
                self._receipt(peer, on_way.popleft())
        elif count == len(on_way):
            on_way.clear()
        else:
            for _ in range(count):
                on_way.popleft()
        peer.room += count
        if peer.waiter is not None:
            _release(peer)
        if not on_way and not peer.behind():
            peer.mixed = False
        elif peer.queue is not None:
            peer.moved = time.monotonic()
            self.pull(peer)

    def _receipt(self, peer: Peer, message: Message) -> None:
        sender = self.users.get(message.sender)
        for other in sender.peers if sender is not None else NOBODY:
            if other.receipts:
                told = self.receipts.setdefault(other, {})
                told.setdefault(peer.user.name, []).append([message.id, message.seq])
        if message.sender in self.askers.elsewhere:
            self.away.delivered(message.sender, peer.user.name, [message.id, message.seq])

    def tell_receipts(self) -> None:
        """Say the receipts that came since this was called last."""
        told, self.receipts = self.receipts, {}
        for peer, by in told.items():
            for user, delivered in by.items():
                self.say(peer, wire.said("receipt", user=user, delivered=delivered))
        if away := self.away.taken():
            self.carry(away)

    def read(self, peer: Peer, seq: int, c: str | None, other: str | None) -> None:
        """All of a conversation, or of what a user sent, was read up to `seq`. Errors: `Invalid`,
        `NotFound`.
        """
        if (c is None) == (other is None):
            raise Invalid("A conversation is read, or what a user sent.", expected="c or user")
        user = peer.user
        told: Iterable[str] = (other,) if other is not None else ()
        if c is not None:
            told = self.conversations.members(c, user.name)
        if user.read is None:
            user.read = {}
        seq = min(seq, self.seq)
        user.read[c, other] = max(seq, user.read.get((c, other), 0))
        line = wire.said("receipt", user=user.name, c=c, read=seq)
        for name in told:
            for listener in self.sessions(name):
                if listener.receipts and name != user.name:
                    self.say(listener, line)
            if name in self.askers.elsewhere and name != user.name:
                self.away.read(name, line)

    def keep_marks(self, users: Iterable[User]) -> None:
        """Put on the log how far these users are, where that changed; forget who is not needed."""
        for user in users:
            if user.known:
                for peer in user.peers:
                    floor = peer.floor(self.seq)
                    if floor is not None and floor > peer.told_at:
                        peer.told_at = floor
                        user.floor = max(user.floor or 0, floor)
                        self.say(peer, wire.at(floor))
            if user.floor is not None and user.floor != user.kept:
                user.kept = user.floor
                self.log.put(wire.encode(wire.Mark(user.name, delivered=user.floor)))
            if user.read:
                for (c, other), seq in user.read.items():
                    self.log.put(wire.encode(wire.Mark(user.name, read=seq, c=c, other=other)))
                user.read = None
            if not user.peers and not user.queue and self._complete:
                self.users.pop(user.name, None)

    # ── small things ─────────────────────────────────────────────────────────────────

    def may(self, unsafe: int, *, large: bool = False) -> None:
        """Decide anew whether messages are taken, and how many may be on their way to each peer.
        `unsafe`: how many were taken and are not on disk; `large`: they take too much room.
        """
        self.refusing = self.log.refuses or (
            Overloaded.code if large or unsafe > self._most_unsafe else None
        )
        stats = self.stats
        crowded = stats.delivered - stats.got - stats.again > self._most_on_way
        self._spare = self.window - NARROW if crowded and self.window > NARROW else 0

    def _check(self, body: Any) -> None:
        if self.refusing is not None:
            raise _refusal(self.refusing)
        check_body(bytes(body))

    def _unknown(self, name: str) -> User:
        user = self.users[name] = User(name, known=not self._complete)
        return user

    def sessions(self, name: str) -> tuple[Peer, ...]:
        """The connections of a user."""
        user = self.users.get(name)
        return user.peers if user is not None else NOBODY


def _measure(user: User, began: float) -> None:
    """Have it measured how long a message took that was just handed to a user's peers."""
    for peer in user.peers:
        if peer.out and not peer.began:
            peer.began = began


def _release(peer: Peer) -> None:
    waiter, peer.waiter = peer.waiter, None
    if waiter is not None and not waiter.done():
        waiter.set_result(None)


def _refusal(code: str) -> KhataError:
    if code == StorageFull.code:
        return StorageFull("The disk is full: nothing new is taken.")
    return Overloaded("Too much waits to be written.", retry_after_seconds=1)


def _now() -> int:
    return time.time_ns() // 1000
