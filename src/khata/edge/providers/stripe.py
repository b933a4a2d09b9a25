"""Webhooks in Stripe's shape: `{"id", "type", "created", "data": {"object": …}}`.

Amounts are minor units, currencies in lower case, our own id is `metadata.reference`. What we call
a charge is their payment intent, where there is one. Source: docs.stripe.com/api/events/types.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from khata.base.clock import SECOND, Instant
from khata.domain.payments import ProviderEvent
from khata.edge.providers.minor import STRIPE, from_minor
from khata.edge.providers.reading import read, reference_in, shaped
from khata.edge.providers.signatures import Secrets, verify_stripe
from khata.errors import Invalid

Name = Annotated[str, Meta(min_length=1, max_length=255)]
Seconds = Annotated[int, Meta(ge=0, lt=10**11)]


class Intent(msgspec.Struct, frozen=True):
    """A payment intent."""

    id: Name
    amount: int
    currency: Name
    amount_received: int = 0
    amount_capturable: int = 0
    metadata: Any = None
    last_payment_error: dict[str, Any] | None = None
    cancellation_reason: str | None = None


class Refund(msgspec.Struct, frozen=True):
    """A refund, alone or in the list of its charge."""

    id: Name
    amount: int
    currency: Name
    status: str | None = None
    charge: str | None = None
    payment_intent: str | None = None
    metadata: Any = None
    failure_reason: str | None = None


class Refunds(msgspec.Struct, frozen=True):
    """The list within a charge, latest first; newer versions of their API leave it out."""

    data: list[Refund] = []


class Charge(msgspec.Struct, frozen=True):
    """A charge that was refunded: `amount_refunded` is the sum of all its refunds."""

    id: Name
    currency: Name
    amount_refunded: int
    payment_intent: str | None = None
    refunds: Refunds | None = None


class Dispute(msgspec.Struct, frozen=True):
    """A chargeback."""

    id: Name
    amount: int
    currency: Name
    status: str
    charge: str | None = None
    payment_intent: str | None = None
    reason: str | None = None
    metadata: Any = None


class Payout(msgspec.Struct, frozen=True):
    """Money on its way to a bank."""

    id: Name
    amount: int
    currency: Name
    metadata: Any = None
    failure_code: str | None = None


class Data(msgspec.Struct, frozen=True):
    """`previous_attributes`: what the object had before, where it changed."""

    object: dict[str, Any]
    previous_attributes: dict[str, Any] | None = None


class Envelope(msgspec.Struct, frozen=True):
    """An event. `created`: seconds since 1970."""

    id: Name
    type: Name
    created: Seconds
    data: Data


class Said(msgspec.Struct, frozen=True):
    """What an event says, before its envelope is added."""

    type: str
    object: str
    amount: int
    currency: str
    reference: str | None = None
    charge: str | None = None
    code: str | None = None


Reader = Callable[[Data], "Said | None"]


def _intent(kind: str) -> Reader:
    def reads(data: Data) -> Said:
        intent = shaped(data.object, Intent)
        error = intent.last_payment_error or {}
        code = error.get("decline_code") or error.get("code") or intent.cancellation_reason
        arrived = {
            "charge.paid": intent.amount_received,
            "charge.authorised": intent.amount_capturable,
        }
        return Said(
            kind,
            intent.id,
            arrived.get(kind) or intent.amount,
            intent.currency,
            reference_in(intent.metadata),
            code=str(code) if code and kind not in arrived else None,
        )

    return reads


def _cancelled(data: Data) -> Said:
    by_itself = data.object.get("cancellation_reason") in {"abandoned", "automatic", "expired"}
    said = _intent("charge.expired" if by_itself else "charge.failed")(data)
    assert said is not None
    return said


def _charge_refunded(data: Data) -> Said:
    charge = shaped(data.object, Charge)
    about = charge.payment_intent or charge.id
    if charge.refunds is not None and charge.refunds.data:
        latest = charge.refunds.data[0]
        return _said_of(latest, "refund.succeeded", about)
    before = (data.previous_attributes or {}).get("amount_refunded", 0)
    if type(before) is not int:
        raise Invalid("The body is not what the provider documents.", got="previous_attributes")
    # no refund is named: the charge itself stands for it, and the amount is what was added
    added = charge.amount_refunded - before
    return Said("refund.succeeded", charge.id, added, charge.currency, charge=about)


def _refund(data: Data) -> Said | None:
    refund = shaped(data.object, Refund)
    kind = {"succeeded": "refund.succeeded", "failed": "refund.failed"}.get(refund.status or "")
    if refund.status == "canceled":
        kind = "refund.failed"
    return _said_of(refund, kind, refund.payment_intent or refund.charge) if kind else None


def _said_of(refund: Refund, kind: str, charge: str | None) -> Said:
    code = refund.failure_reason if kind == "refund.failed" else None
    return Said(
        kind,
        refund.id,
        refund.amount,
        refund.currency,
        reference_in(refund.metadata),
        charge,
        code,
    )


def _dispute_opened(data: Data) -> Said:
    return _said_of_dispute(shaped(data.object, Dispute), "dispute.opened")


def _dispute_closed(data: Data) -> Said:
    dispute = shaped(data.object, Dispute)
    # an inquiry that is closed without a chargeback took nothing
    kind = "dispute.lost" if dispute.status == "lost" else "dispute.won"
    return _said_of_dispute(dispute, kind)


def _said_of_dispute(dispute: Dispute, kind: str) -> Said:
    return Said(
        kind,
        dispute.id,
        dispute.amount,
        dispute.currency,
        reference_in(dispute.metadata),
        dispute.payment_intent or dispute.charge,
        dispute.reason,
    )


def _payout(kind: str, code: str | None = None) -> Reader:
    def reads(data: Data) -> Said:
        payout = shaped(data.object, Payout)
        return Said(
            kind,
            payout.id,
            payout.amount,
            payout.currency,
            reference_in(payout.metadata),
            code=payout.failure_code or code,
        )

    return reads


EVENTS: Final[dict[str, Reader]] = {
    "payment_intent.processing": _intent("charge.pending"),
    "payment_intent.requires_action": _intent("charge.pending"),
    "payment_intent.amount_capturable_updated": _intent("charge.authorised"),
    "payment_intent.succeeded": _intent("charge.paid"),
    "payment_intent.payment_failed": _intent("charge.failed"),
    "payment_intent.canceled": _cancelled,
    "charge.refunded": _charge_refunded,
    "refund.created": _refund,
    "refund.updated": _refund,
    "refund.failed": _refund,
    "charge.refund.updated": _refund,
    "charge.dispute.created": _dispute_opened,
    "charge.dispute.closed": _dispute_closed,
    "payout.created": _payout("payout.processing"),
    "payout.paid": _payout("payout.completed"),
    "payout.failed": _payout("payout.failed"),
    "payout.canceled": _payout("payout.failed", "canceled"),
}
"""Their type → how it is read."""


class StripeHooks:
    """Webhooks as Stripe signs and writes them."""

    def __init__(self, provider: str, secrets: Secrets) -> None:
        self._provider = provider
        self._secrets = tuple(secrets)

    def verify(self, headers: Mapping[str, str], body: bytes, now: Instant) -> None:
        """See `Hooks`."""
        verify_stripe(self._secrets, headers, body, now)

    def event(self, body: bytes) -> ProviderEvent | None:
        """See `Hooks`."""
        told = read(body, Envelope)
        reads = EVENTS.get(told.type)
        said = reads(told.data) if reads else None
        if said is None:
            return None
        amount, currency = from_minor(said.amount, said.currency, STRIPE)
        return ProviderEvent(
            id=told.id,
            provider=self._provider,
            type=said.type,
            object=said.object,
            reference=said.reference,
            charge=said.charge,
            amount=amount,
            currency=currency,
            code=said.code,
            at=told.created * SECOND,
        )
