"""Events as the sandbox sends them: in its own shape, in Stripe's, or in Razorpay's.

The last two let a program meet the webhooks that it will meet in production. None: that provider
has no such event.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from khata.edge.providers.minor import RAZORPAY, STRIPE, to_their_minor
from khata.edge.sandbox.objects import Event

Told = dict[str, Any]

_STRIPE: Final[dict[str, tuple[str, Told]]] = {
    "charge.pending": ("payment_intent.processing", {"object": "payment_intent"}),
    "charge.authorised": (
        "payment_intent.amount_capturable_updated",
        {"object": "payment_intent", "status": "requires_capture"},
    ),
    "charge.paid": (
        "payment_intent.succeeded",
        {"object": "payment_intent", "status": "succeeded"},
    ),
    "charge.failed": ("payment_intent.payment_failed", {"object": "payment_intent"}),
    "charge.expired": (
        "payment_intent.canceled",
        {"object": "payment_intent", "cancellation_reason": "automatic"},
    ),
    "refund.succeeded": ("refund.updated", {"object": "refund", "status": "succeeded"}),
    "refund.failed": ("refund.failed", {"object": "refund", "status": "failed"}),
    "dispute.opened": ("charge.dispute.created", {"object": "dispute", "status": "needs_response"}),
    "dispute.won": ("charge.dispute.closed", {"object": "dispute", "status": "won"}),
    "dispute.lost": ("charge.dispute.closed", {"object": "dispute", "status": "lost"}),
    "payout.processing": ("payout.created", {"object": "payout", "status": "in_transit"}),
    "payout.completed": ("payout.paid", {"object": "payout", "status": "paid"}),
    "payout.failed": ("payout.failed", {"object": "payout", "status": "failed"}),
    "payout.returned": ("payout.failed", {"object": "payout", "status": "failed"}),
}

_RAZORPAY: Final[dict[str, tuple[str, str, str]]] = {
    "charge.authorised": ("payment.authorized", "payment", "authorized"),
    "charge.paid": ("payment.captured", "payment", "captured"),
    "charge.failed": ("payment.failed", "payment", "failed"),
    "refund.succeeded": ("refund.processed", "refund", "processed"),
    "refund.failed": ("refund.failed", "refund", "failed"),
    "dispute.opened": ("payment.dispute.created", "dispute", "open"),
    "dispute.won": ("payment.dispute.won", "dispute", "won"),
    "dispute.lost": ("payment.dispute.lost", "dispute", "lost"),
    "payout.processing": ("payout.initiated", "payout", "processing"),
    "payout.completed": ("payout.processed", "payout", "processed"),
    "payout.failed": ("payout.failed", "payout", "failed"),
    "payout.returned": ("payout.reversed", "payout", "reversed"),
}


def _standard(event: Event) -> Told:
    return {"id": event.id, "type": event.type, "created": event.created, "data": event.data}


def _stripe(event: Event) -> Told | None:
    kind, fixed = _STRIPE[event.type]
    data, code = event.data, event.data.get("code")
    amount = to_their_minor(data["amount"], data["currency"], STRIPE)
    thing: Told = {
        "id": data["id"],
        "amount": amount,
        "currency": data["currency"].lower(),
        "metadata": {"reference": data["reference"]},
        **fixed,
    }
    if event.type == "charge.paid":
        thing["amount_received"] = amount
    if event.type == "charge.authorised":
        thing["amount_capturable"] = amount
    if event.type == "charge.failed":
        thing["last_payment_error"] = {"code": code}
    if data.get("charge"):
        thing["payment_intent"] = data["charge"]
    if thing["object"] == "dispute":
        thing["reason"] = code
    if thing["object"] == "payout":
        thing["failure_code"] = code
    return {
        "id": event.id,
        "object": "event",
        "type": kind,
        "created": event.created,
        "data": {"object": thing},
    }


def _razorpay(event: Event) -> Told | None:
    if event.type not in _RAZORPAY:
        return None
    kind, part, status = _RAZORPAY[event.type]
    data, code = event.data, event.data.get("code")
    entity: Told = {
        "id": data["id"],
        "entity": part,
        "amount": to_their_minor(data["amount"], data["currency"], RAZORPAY),
        "currency": data["currency"],
        "status": status,
        "notes": {"reference": data["reference"]},
    }
    if data.get("charge"):
        entity["payment_id"] = data["charge"]
    if code:
        names = {"payment": "error_reason", "dispute": "reason_code", "payout": "failure_reason"}
        entity[names.get(part, "error_reason")] = code
    return {
        "entity": "event",
        "account_id": "acc_sandbox",
        "event": kind,
        "contains": [part],
        "payload": {part: {"entity": entity}},
        "created_at": event.created,
    }


_SHAPES: Final[dict[str, Callable[[Event], Told | None]]] = {
    "standard": _standard,
    "stripe": _stripe,
    "razorpay": _razorpay,
}


def body(event: Event, scheme: str) -> bytes | None:
    """The body of a webhook; None where that provider would send none."""
    told = _SHAPES[scheme](event)
    return None if told is None else msgspec.json.encode(told)
