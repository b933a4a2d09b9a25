"""The sandbox's own webhooks: signed as Standard Webhooks, in words close to ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from khata.base.clock import SECOND, Instant
from khata.domain.payments import ProviderEvent
from khata.edge.providers.reading import read, shaped
from khata.edge.providers.signatures import Secrets, standard, verify_standard

Name = Annotated[str, Meta(min_length=1, max_length=255)]
Seconds = Annotated[int, Meta(ge=0, lt=10**11)]

EVENTS: Final[dict[str, str]] = {
    "charge.pending": "charge.pending",
    "charge.authorised": "charge.authorised",
    "charge.paid": "charge.paid",
    "charge.failed": "charge.failed",
    "charge.expired": "charge.expired",
    "refund.succeeded": "refund.succeeded",
    "refund.failed": "refund.failed",
    "dispute.opened": "dispute.opened",
    "dispute.won": "dispute.won",
    "dispute.lost": "dispute.lost",
    "payout.processing": "payout.processing",
    "payout.completed": "payout.completed",
    "payout.failed": "payout.failed",
    "payout.returned": "payout.returned",
}
"""Their type → ours."""


class Thing(msgspec.Struct, frozen=True):
    """What an event is about."""

    id: Name
    amount: Name
    currency: Name
    reference: Name | None = None
    charge: Name | None = None
    code: Name | None = None


class Envelope(msgspec.Struct, frozen=True):
    """An event. `created`: seconds since 1970. `data`: `Thing`, for types that we know."""

    id: Name
    type: Name
    created: Seconds
    data: dict[str, Any]


class StandardHooks:
    """Webhooks of the sandbox. Errors when made: `Invalid` for a secret that is none."""

    def __init__(self, provider: str, secrets: Secrets) -> None:
        for secret in secrets:
            standard(secret)
        self._provider = provider
        self._secrets = tuple(secrets)

    def verify(self, headers: Mapping[str, str], body: bytes, now: Instant) -> None:
        """See `Hooks`."""
        verify_standard(self._secrets, headers, body, now)

    def event(self, body: bytes) -> ProviderEvent | None:
        """See `Hooks`."""
        told = read(body, Envelope)
        kind = EVENTS.get(told.type)
        if kind is None:
            return None
        thing = shaped(told.data, Thing)
        return ProviderEvent(
            id=told.id,
            provider=self._provider,
            type=kind,
            object=thing.id,
            reference=thing.reference,
            charge=thing.charge,
            amount=thing.amount,
            currency=thing.currency,
            code=thing.code,
            at=told.created * SECOND,
        )
