"""The worker that tells endpoints what happened.

`Dispatcher(book, settings, clock).work(limit)` turns what is new in the journal into deliveries and
sends those that are due; call it again and again. Several may work at once: a delivery belongs to
one of them while it is sent. One that dies after sending and before writing that down has it sent
again, under the same id, by which a receiver knows it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Final, Self

import msgspec
import structlog

from khata.app import Khata
from khata.base.actor import SYSTEM
from khata.base.clock import SECOND, Clock, Instant, to_iso
from khata.domain.webhooks import (
    DisableEndpoint,
    Endpoint,
    Told,
    next_attempt,
    raw_endpoints,
    told_once,
)
from khata.edge.webhooks.deliveries import LEASE, Claimed, Deliveries, Result
from khata.edge.webhooks.guard import Guard, Resolve
from khata.edge.webhooks.sending import DEADLINE_SECONDS, GONE, Letter, Sender, Sent
from khata.engine.database import View
from khata.errors import KhataError, VaultMissing
from khata.settings import Settings

log = structlog.get_logger("khata.webhooks")
_AT_ONCE: Final = 32
_MARGIN_SECONDS: Final = 30.0
_PRUNE_EVERY: Final[Instant] = 3600 * SECOND
_WHY_GONE: Final = "The receiver answered 410 Gone."
_encode: Final = msgspec.json.Encoder(order="sorted").encode


class Dispatcher:
    """See the module. `resolve`: how names become addresses. Close it at the end."""

    def __init__(
        self,
        book: Khata,
        settings: Settings,
        clock: Clock,
        *,
        resolve: Resolve | None = None,
        deadline_seconds: float = DEADLINE_SECONDS,
    ) -> None:
        self._book = book
        self._clock = clock
        self._deliveries = Deliveries(book.database, book.book_id)
        self._sender = Sender(Guard(settings.webhook_allow, resolve), deadline_seconds)
        self._deadline = deadline_seconds
        self._prune_at: Instant = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let its threads go."""
        self._sender.close()

    def work(self, limit: int = 100) -> int:
        """Read on in the journal and send up to `limit` deliveries; how much there was to do.

        Not for a thread that runs an event loop. Errors: `Unavailable`, to be called again later.
        """
        now = self._clock()
        with self._view(now) as view:
            read = self._deliveries.advance(view)
            due = bool(read) or self._deliveries.is_due(view)
        if now >= self._prune_at:
            self._deliveries.prune(now)
            self._prune_at = now + _PRUNE_EVERY
        if not due:
            return 0  # a claim that finds nothing would still keep the book's writer waiting
        claim, claimed = self._deliveries.claim(now, limit)
        if claimed:
            self._send(claim, claimed)
        return read + len(claimed)

    def _view(self, now: Instant) -> AbstractContextManager[View]:
        return self._book.database.view(self._book.book_id, now, SYSTEM)

    # ── one round ────────────────────────────────────────────────────────────────────

    def _send(self, claim: str, claimed: list[Claimed]) -> None:
        with self._view(self._clock()) as view:
            endpoints = {one.id: one for one in raw_endpoints(view)}
            events = _events(view, claimed)
        results: list[Result] = []
        try:
            asyncio.run(self._round(claimed, endpoints, events, results))
        finally:
            self._deliveries.mark(claim, results, self._clock())
            if len(results) < len(claimed):
                self._deliveries.release(claim)
        of = {one.id: one.endpoint for one in claimed}
        self._disable({of[one.id] for one in results if one.last_error == GONE})

    async def _round(
        self,
        claimed: list[Claimed],
        endpoints: Mapping[str, Endpoint],
        events: Mapping[tuple[int, int], Told],
        results: list[Result],
    ) -> None:
        """Send all, some at a time; `results` has what went out, even if this is interrupted."""
        gate = asyncio.Semaphore(_AT_ONCE)
        # what is not under way by then is left to whoever has it next
        latest = time.monotonic() + LEASE / SECOND - self._deadline - _MARGIN_SECONDS

        async def one(delivery: Claimed) -> None:
            async with gate:
                if time.monotonic() > latest:
                    return
                endpoint = endpoints.get(delivery.endpoint)
                event = events.get((delivery.seq, delivery.n))
                if endpoint is None or endpoint.status != "active" or event is None:
                    results.append(_given_up(delivery, "endpoint_disabled"))
                    return
                results.append(self._judged(delivery, await self._sent(delivery, endpoint, event)))

        await asyncio.gather(*(one(delivery) for delivery in claimed))

    async def _sent(self, delivery: Claimed, endpoint: Endpoint, event: Told) -> Sent:
        now = self._clock()
        try:
            letter = Letter(delivery.id, endpoint.url, self._secrets(endpoint, now), body_of(event))
        except KhataError as error:
            log.error("webhook_secret_not_opened", endpoint=endpoint.id, code=error.code)  # noqa: TRY400 - the code says it all
            return Sent(None, "secret_not_opened")
        return await self._sender.send(letter, now)

    def _secrets(self, endpoint: Endpoint, now: Instant) -> list[str]:
        """The secrets that sign, in clear. Errors: `VaultMissing`, `VaultKeyUnknown`."""
        vault = self._book.vault
        if vault is None:
            raise VaultMissing("No vault key is set.")
        found = [vault.open(endpoint.secret)]
        until = endpoint.old_until
        if endpoint.old_secret is not None and until is not None and now < until:
            found.append(vault.open(endpoint.old_secret))
        return found

    def _judged(self, delivery: Claimed, sent: Sent) -> Result:
        done = delivery.attempts + 1
        what = {"delivery": delivery.id, "endpoint": delivery.endpoint, "attempt": done}
        if sent.error is None:
            log.info("webhook_delivered", status=sent.status, **what)
            return Result(delivery.id, "delivered", done, None, sent.status, None)
        pause = None if sent.error == GONE else next_attempt(done, delivery.id)
        dead = pause is None
        log.warning("webhook_dead" if dead else "webhook_failed", error=sent.error, **what)
        return Result(
            delivery.id,
            "dead" if dead else "pending",
            done,
            None if pause is None else self._clock() + pause,
            sent.status,
            sent.error,
        )

    def _disable(self, names: set[str]) -> None:
        """Whoever answered that it is gone for good is told nothing more."""
        for name in sorted(names):
            self._book.submit(DisableEndpoint(name, _WHY_GONE), actor=SYSTEM)
            log.warning("endpoint_gone", endpoint=name)


def _given_up(delivery: Claimed, error: str) -> Result:
    return Result(delivery.id, "dead", delivery.attempts, None, None, error)


def _events(view: View, claimed: list[Claimed]) -> dict[tuple[int, int], Told]:
    return told_once(view, [(one.seq, one.n) for one in claimed])


def body_of(event: Told) -> bytes:
    """What is sent: the same bytes however often."""
    data = {**event.data, "subject": event.subject, "seq": event.seq}
    if event.owner is not None:
        data["owner"] = event.owner
    return _encode({"type": event.type, "timestamp": to_iso(event.at), "data": data})
