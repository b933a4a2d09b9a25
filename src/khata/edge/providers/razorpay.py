"""Webhooks in Razorpay's shape: `{"event", "created_at", "payload": {"payment": {"entity": …}}}`.

Amounts are minor units, our own id is `notes.reference` (or a payout's `reference_id`); notes that
are empty come as a list. Source: razorpay.com/docs/webhooks/payloads.

The event's id travels in a header that nobody signs. So that a recorded webhook cannot be sent
again as a new event, its id here is made from the body, which is signed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from khata.base.clock import SECOND, Instant
from khata.domain.payments import ProviderEvent
from khata.edge.providers.minor import RAZORPAY, from_minor
from khata.edge.providers.reading import read, reference_in, shaped
from khata.edge.providers.signatures import Secrets, verify_razorpay

Name = Annotated[str, Meta(min_length=1, max_length=255)]
Seconds = Annotated[int, Meta(ge=0, lt=10**11)]

EVENTS: Final[dict[str, tuple[str, str]]] = {
    "payment.authorized": ("payment", "charge.authorised"),
    "payment.captured": ("payment", "charge.paid"),
    "payment.failed": ("payment", "charge.failed"),
    "refund.processed": ("refund", "refund.succeeded"),
    "refund.failed": ("refund", "refund.failed"),
    "payment.dispute.created": ("dispute", "dispute.opened"),
    "payment.dispute.won": ("dispute", "dispute.won"),
    "payment.dispute.lost": ("dispute", "dispute.lost"),
    "payout.queued": ("payout", "payout.processing"),
    "payout.initiated": ("payout", "payout.processing"),
    "payout.processed": ("payout", "payout.completed"),
    "payout.failed": ("payout", "payout.failed"),
    "payout.rejected": ("payout", "payout.failed"),
    "payout.reversed": ("payout", "payout.returned"),
}
"""Their event → which part of the payload it is about, and our word."""

_FAILURES: Final = frozenset({"charge.failed", "refund.failed", "payout.failed", "payout.returned"})


class Entity(msgspec.Struct, frozen=True):
    """A payment, refund, dispute or payout; each has some of these."""

    id: Name
    amount: int
    currency: Name
    payment_id: str | None = None
    notes: Any = None
    reference_id: str | None = None
    error_reason: str | None = None
    error_code: str | None = None
    reason_code: str | None = None
    failure_reason: str | None = None
    status_details: dict[str, Any] | None = None

    def why(self) -> str | None:
        """Their code for what went wrong."""
        return (
            self.error_reason
            or self.error_code
            or (self.status_details or {}).get("reason")
            or self.failure_reason
        )


class Part(msgspec.Struct, frozen=True):
    """One part of a payload."""

    entity: Entity


class Envelope(msgspec.Struct, frozen=True):
    """An event. `created_at`: seconds since 1970."""

    event: Name
    payload: dict[str, Any]
    created_at: Seconds | None = None


class RazorpayHooks:
    """Webhooks as Razorpay signs and writes them."""

    def __init__(self, provider: str, secrets: Secrets) -> None:
        self._provider = provider
        self._secrets = tuple(secrets)

    def verify(self, headers: Mapping[str, str], body: bytes, now: Instant) -> None:
        """See `Hooks`."""
        verify_razorpay(self._secrets, headers, body, now)

    def event(self, body: bytes) -> ProviderEvent | None:
        """See `Hooks`."""
        told = read(body, Envelope)
        part, kind = EVENTS.get(told.event, ("", ""))
        if not kind:
            return None
        entity = shaped(told.payload.get(part), Part).entity
        amount, currency = from_minor(entity.amount, entity.currency, RAZORPAY)
        why = entity.why() if kind in _FAILURES else entity.reason_code
        return ProviderEvent(
            id=f"rzp_{hashlib.sha256(body).hexdigest()[:40]}",
            provider=self._provider,
            type=kind,
            object=entity.id,
            reference=reference_in(entity.notes) or entity.reference_id or None,
            charge=entity.payment_id or None,
            amount=amount,
            currency=currency,
            code=str(why)[:100] if why else None,
            at=None if told.created_at is None else told.created_at * SECOND,
        )
