"""Payables, payments, refunds and disputes as their callers are told of them.

Amounts are decimal strings, times ISO 8601 in UTC.
"""

from __future__ import annotations

import msgspec

from khata.base.clock import iso_or_none, to_iso
from khata.base.money import to_text
from khata.domain.payments.model import Dispute, Payable, Payment, Refund


class PayableState(msgspec.Struct, frozen=True):
    """Something that is to be paid. `active`: the payment that is under way."""

    subject: str
    owner: str
    amount: str
    currency: str
    status: str
    escrow: str
    country: str | None
    title: str | None
    active: str | None
    paid_by: str | None
    registered_at: str
    paid_at: str | None


class PaymentState(msgspec.Struct, frozen=True):
    """A payment. `entries`: the entries it made; `action_url`: where the payer goes on."""

    id: str
    status: str
    subject: str | None
    wallet: str | None
    owner: str
    method: str
    provider: str | None
    way: str | None
    charge: str | None
    amount: str
    wallet_part: str
    refunded: str
    currency: str
    entries: list[str]
    hold: str | None
    saga: str | None
    action_url: str | None
    code: str | None
    message: str | None
    created_at: str
    paid_at: str | None
    expires_at: str | None


class RefundState(msgspec.Struct, frozen=True):
    """A refund. `origin`: ours, or found out from the provider."""

    id: str
    payment: str
    status: str
    origin: str
    amount: str
    currency: str
    reason: str
    entries: list[str]
    saga: str | None
    code: str | None
    created_at: str


class DisputeState(msgspec.Struct, frozen=True):
    """A dispute. `amount` None: all of the payment."""

    id: str
    payment: str
    status: str
    amount: str | None
    currency: str
    entries: list[str]
    code: str | None
    created_at: str


def payable_state(payable: Payable) -> PayableState:
    """The payable as its caller is told of it."""
    return PayableState(
        payable.subject,
        payable.owner,
        to_text(payable.amount, payable.exponent),
        payable.unit,
        payable.status,
        payable.escrow,
        payable.country,
        payable.title,
        payable.active,
        payable.paid_by,
        to_iso(payable.registered_at),
        iso_or_none(payable.paid_at),
    )


def payment_state(payment: Payment) -> PaymentState:
    """The payment as its caller is told of it."""
    places = payment.exponent
    return PaymentState(
        payment.id,
        payment.status,
        payment.subject,
        payment.wallet,
        payment.owner,
        payment.method,
        payment.provider,
        payment.way,
        payment.charge,
        to_text(payment.amount, places),
        to_text(payment.wallet_part, places),
        to_text(payment.refunded, places),
        payment.unit,
        payment.entries,
        payment.hold,
        payment.saga,
        payment.action_url,
        payment.code,
        payment.message,
        to_iso(payment.created_at),
        iso_or_none(payment.paid_at),
        iso_or_none(payment.expires_at),
    )


def refund_state(refund: Refund) -> RefundState:
    """The refund as its caller is told of it."""
    return RefundState(
        refund.id,
        refund.payment,
        refund.status,
        refund.origin,
        to_text(refund.amount, refund.exponent),
        refund.unit,
        refund.reason,
        refund.entries,
        refund.saga,
        refund.code,
        to_iso(refund.created_at),
    )


def dispute_state(dispute: Dispute) -> DisputeState:
    """The dispute as its caller is told of it."""
    return DisputeState(
        dispute.id,
        dispute.payment,
        dispute.status,
        to_text(dispute.amount, dispute.exponent) if dispute.amount else None,
        dispute.unit,
        dispute.entries,
        dispute.code,
        to_iso(dispute.created_at),
    )
