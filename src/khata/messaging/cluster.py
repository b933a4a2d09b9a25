"""A gateway's place in a cluster: its link to NATS, the log that all share, and its neighbours.

What a gateway accepts is published to the stream, and every gateway takes all of the stream: it
delivers what is for users who are connected to it, and queues the rest, until a mark in the stream
says that it arrived somewhere. So a user may come to any gateway at any time, and a gateway that is
killed takes nothing with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec
import structlog

from khata.engine.vault import Vault
from khata.errors import KhataError, Unavailable
from khata.messaging import wire
from khata.messaging.following import Follower
from khata.messaging.gateway import History
from khata.messaging.link import Link, go_on
from khata.messaging.model import Message
from khata.messaging.neighbours import BEAT_SECONDS, DEAD_SECONDS, Known, Neighbours
from khata.messaging.receipts import Carrier
from khata.messaging.router import Router
from khata.messaging.storing import Pace, numbered, stored_up_to
from khata.messaging.stream import FAULTS, MOST_RECORDS, Limits, Stream, batch_of, number

log = structlog.get_logger("khata.messaging")
_AGAIN_SECONDS: Final = 0.2
_LOOK_SECONDS: Final = 0.05
_STORED_SECONDS: Final = 1.5 * Pace().again_seconds
"""Longer than what a killed gateway had taken waits for another one to take it."""
_TIDY_SECONDS: Final = 1.0
_MARK: Final = b'{"t":"mark",'


class ClusterOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`servers`: addresses of NATS. `space`: tells one book's messages from another's. `name`: the
    gateway's own, drawn if there is none. `beat_seconds`, `dead_seconds`: how often it says that it
    lives, and how long one that does not is believed to.
    """

    servers: tuple[str, ...]
    space: str
    name: str = ""
    limits: Limits = Limits()
    beat_seconds: float = BEAT_SECONDS
    dead_seconds: float = DEAD_SECONDS


class Cluster:
    """`log`: for the gateway, which does not give numbers itself. `last`: the highest number in the
    database. Then `join` with the gateway's router, before it listens. `when_missed`: called when
    records went by unseen, to load from the database what is not loaded user by user.
    """

    def __init__(
        self, options: ClusterOptions, *, last: int = 0, vault: Vault | None = None
    ) -> None:
        self.options = options
        self.name = options.name or f"gateway-{secrets.token_hex(4)}"
        self.link = Link(options.servers, self.name)
        self.log = Stream(self.link, options.space, last=last, vault=vault, limits=options.limits)
        self.when_missed: Callable[[], None] = lambda: None
        self._vault = vault
        self._router: Router | None = None
        self._dropped = 0
        self._needed = 0
        self._stored = self._began = 0
        self._moved = 0.0
        self._looking: asyncio.Future[None] | None = None
        self.follower: Follower | None = None
        self.neighbours: Neighbours | None = None
        self._askers: Neighbours | None = None

    async def join(self, router: Router) -> dict[str, Callable[[], Awaitable[None]]]:
        """Connect, and find where in the stream to begin: behind what the database has. Waits for
        NATS. What has to run from now on, by name: parts for a supervisor.
        """
        self._router = router
        self.link.open()
        place, ended = await self._where()
        self._began = place
        self.follower = Follower(
            self.link,
            self.log,
            lambda batch, content: self._take(router, batch, content),
            lambda behind, before: self._missed(router, behind, before),
            place=place,
            vault=self._vault,
        )
        self._ended = ended
        self.neighbours = self._neighbours(router.presence, "presence")
        self._askers = self._neighbours(router.askers, "askers")
        carrier = Carrier(self.link, self.options.space, self.name, router)
        return {
            "cluster": self.follower.run,
            "neighbours": self.neighbours.run,
            "askers": self._askers.run,
            "receipts_away": carrier.run,
            "tidier": lambda: self._tidy(router),
        }

    def _neighbours(self, known: Known, topic: str) -> Neighbours:
        options = self.options
        return Neighbours(
            self.link,
            options.space,
            self.name,
            known,
            topic=topic,
            beat=options.beat_seconds,
            dead=options.dead_seconds,
        )

    async def caught_up(self) -> None:
        """Wait until everything that was in the stream at the start was taken: who connects now
        finds all that waits for them.
        """
        if self.follower is not None:
            await self.follower.reach(self._ended)

    def completed(self, history: History) -> History:
        """What the database has, once it has all that was dropped from queues here, and of a user
        what was left to other gateways.
        """

        async def found(user: str, after: int | None, limit: int) -> list[Message]:
            await self._catch_up(user)
            page = await history(user, after, limit)
            if self.follower is None:
                return page
            # another gateway may have stored what this one did not see yet: that comes by the
            # stream, behind what is older and comes by it too
            place = self.follower.place
            return [message for message in page if batch_of(message.seq) <= place]

        return found

    async def _catch_up(self, user: str) -> None:
        """Wait until the database has what is not here: as long as it gets there, or NATS is away,
        so that nothing overtakes it. Errors: `Unavailable`.
        """
        router, follower = self._router, self.follower
        if router is None or follower is None:
            return
        if router.queues.dropped != self._dropped:
            self._dropped, self._needed = router.queues.dropped, follower.place
        needed = max(self._needed, batch_of(router.passed.get(user, 0)))
        came = time.monotonic()
        while self._stored < needed:
            if time.monotonic() - max(came, self._moved) > _STORED_SECONDS:
                raise Unavailable("What is not here is not stored yet.")
            if self._looking is None or self._looking.done():
                self._looking = asyncio.ensure_future(self._look())
            # one looks for all who wait
            await asyncio.shield(self._looking)

    async def settled(self) -> int:
        """The number up to which the database has everything: behind it there may be holes. As it
        was last known, while NATS is away.
        """
        with contextlib.suppress(*FAULTS):
            self._stored = await self._asked()
        return number(max(self._stored, self._began), MOST_RECORDS - 1)

    async def _look(self) -> None:
        """See how much is stored, or a moment later."""
        await self.link.up.wait()
        try:
            before, self._stored = self._stored, await self._asked()
        except FAULTS:
            # nobody can say; and nothing can come meanwhile that could overtake it
            before = self._stored - 1
        if self._stored != before:
            self._moved = time.monotonic()
        await asyncio.sleep(_LOOK_SECONDS)

    async def _asked(self) -> int:
        """How much is stored, as NATS says. Errors: `FAULTS`, as soon as NATS is away."""
        try:
            return await self.link.while_up(stored_up_to(self.link, self.log))
        finally:
            go_on()

    async def _tidy(self, router: Router) -> None:
        """Forget, from time to time, who was left to other gateways with what is stored by now."""
        while True:
            await asyncio.sleep(_TIDY_SECONDS)
            if not router.passed:
                continue
            try:
                self._stored = await self._asked()
            except FAULTS:
                # NATS is away: it is told elsewhere, and will come back
                continue
            passed = router.passed
            for user in [u for u, seq in passed.items() if batch_of(seq) <= self._stored]:
                del passed[user]

    async def leave(self) -> None:
        """Say good-bye, and let NATS go."""
        for neighbours in (self.neighbours, self._askers):
            if neighbours is not None:
                await neighbours.bye()
        await self.log.close()
        await self.link.close()

    async def _where(self) -> tuple[int, int]:
        while True:
            await self.link.up.wait()
            try:
                await self.log.exists()
                info = await self.link.stream.stream_info(self.log.name)
                place = max(await stored_up_to(self.link, self.log), info.state.first_seq - 1)
            except FAULTS as error:
                log.warning("stream_not_reached", error=type(error).__name__, reason=str(error))
                await asyncio.sleep(_AGAIN_SECONDS)
            else:
                return place, info.state.last_seq

    def _missed(self, router: Router, behind: int, before: int) -> None:
        """Batches were stored and taken out of the stream before this gateway saw them."""
        log.warning("stream_missed", behind=behind, before=before)
        _complete(router)
        try:
            self.when_missed()
        except KhataError as error:
            log.error("conversations_not_loaded", code=error.code)  # noqa: TRY400 - the code says it

    def _take(self, router: Router, batch: int, content: bytes) -> None:
        try:
            found: Sequence[bytes] = numbered(content, batch)
        except msgspec.MsgspecError:
            log.error("stream_damaged", batch=batch)  # noqa: TRY400 - what it is says it all
            return
        for record in found:
            try:
                if record.startswith(_MARK):
                    mark = wire.read(record)
                    assert isinstance(mark, wire.Mark)
                    _arrived(router, mark)
                else:
                    router.take(record)
            except msgspec.MsgspecError:
                # written by a newer gateway, or by none: the others are not to suffer for it
                log.error("record_not_read", batch=batch)  # noqa: TRY400 - as above


def _complete(router: Router) -> None:
    """Only the database has what all users are to get; what waits here comes out of it as well, in
    its place.
    """
    for user in list(router.users.values()):
        user.known = False
        if user.queue is not None:
            router.queues.forget(user.queue)
            user.queue = None
        for peer in user.peers:
            if peer.queue is not None:
                router.queues.forget(peer.queue)
            after = user.floor or peer.told_at
            if peer.load(after):
                router.missing(peer, after)


def _arrived(router: Router, mark: wire.Mark) -> None:
    """A user has everything up to a number, at whichever gateway: it need not wait here."""
    user = router.users.get(mark.user)
    if user is None or mark.delivered is None or mark.delivered < (user.floor or 0):
        return
    # kept already: it came out of the log
    user.floor = user.kept = mark.delivered
    queue = user.queue
    if queue is None or (queue.oldest or mark.delivered + 1) > mark.delivered:
        return
    later = [message for message in queue if message.seq > mark.delivered]
    router.queues.forget(queue)
    for message in later:
        router.queues.put(queue, message)
    if not later:
        user.queue = None
