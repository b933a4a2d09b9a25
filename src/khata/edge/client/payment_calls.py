"""Calls about payments and bookings."""

from __future__ import annotations

from khata.base.money import Money
from khata.base.paging import Page
from khata.domain.bookings import BookingState
from khata.domain.payments import (
    DisputeState,
    Offered,
    PayableState,
    PaymentState,
    RefundState,
)
from khata.edge.client.answers import Receipt
from khata.edge.client.call import Call, asked, path_of, write

# ── payments ─────────────────────────────────────────────────────────────────────────


def register_payable(
    subject: str,
    owner: str,
    amount: Money,
    *,
    source: str | None = None,
    escrow: str | None = None,
    country: str | None = None,
    title: str | None = None,
    key: str | None = None,
) -> Call[Receipt[PayableState]]:
    """Say what is to be paid, and by whom: `order/M1001`, by its customer."""
    body = {"subject": subject, "owner": owner, "amount": amount, "source": source,
            "escrow": escrow, "country": country, "title": title}  # fmt: skip
    return write(Receipt[PayableState], path_of("payables"), body, key)


def cancel_payable(
    subject: str, reason: str, *, key: str | None = None
) -> Call[Receipt[PayableState]]:
    """Say that it is not to be paid any more."""
    path = path_of("payables", subject, "cancel")
    return write(Receipt[PayableState], path, {"reason": reason}, key)


def payable(subject: str) -> Call[PayableState]:
    """What is to be paid under a subject."""
    return Call("GET", path_of("payables", subject), PayableState)


def payables(
    *, owner: str | None = None, status: str | None = None, limit: int = 100
) -> Call[Page[PayableState]]:
    """What is to be paid, or was, by subject."""
    query = {"owner": owner, "status": status, "limit": limit}
    return Call("GET", path_of("payables"), Page[PayableState], asked(query))


def payment_methods(
    *, currency: str | None = None, country: str | None = None
) -> Call[Page[Offered]]:
    """Which providers collect a currency in a country, and how."""
    query = {"currency": currency, "country": country}
    return Call("GET", path_of("payment-methods"), Page[Offered], asked(query))


def initiate_payment(
    *,
    subject: str | None = None,
    wallet: str | None = None,
    method: str = "provider",
    amount: Money | None = None,
    wallet_part: Money | None = None,
    provider: str | None = None,
    way: str | None = None,
    country: str | None = None,
    token: str | None = None,
    key: str | None = None,
    dry_run: bool = False,
) -> Call[Receipt[PaymentState]]:
    """Pay for `subject` out of a wallet, through a provider, or both; or top up `wallet`."""
    body = {"subject": subject, "wallet": wallet, "method": method, "amount": amount,
            "wallet_part": wallet_part, "provider": provider, "way": way, "country": country,
            "token": token}  # fmt: skip
    return write(Receipt[PaymentState], path_of("payments"), body, key, dry_run=dry_run)


def payment(name: str) -> Call[PaymentState]:
    """One payment."""
    return Call("GET", path_of("payments", name), PaymentState)


def payments(
    *,
    owner: str | None = None,
    subject: str | None = None,
    status: str | None = None,
    method: str | None = None,
    provider: str | None = None,
    limit: int = 100,
) -> Call[Page[PaymentState]]:
    """Payments, newest first; each filter is an equality."""
    query = {"owner": owner, "subject": subject, "status": status, "method": method,
             "provider": provider, "limit": limit}  # fmt: skip
    return Call("GET", path_of("payments"), Page[PaymentState], asked(query))


def confirm_transfer(
    name: str, amount: Money, evidence: str, *, key: str | None = None, dry_run: bool = False
) -> Call[Receipt[PaymentState]]:
    """Tell that the bank transfer of a mixed payment has come."""
    path = path_of("payments", name, "confirm")
    body = {"amount": amount, "evidence": evidence}
    return write(Receipt[PaymentState], path, body, key, dry_run=dry_run)


def reject_transfer(
    name: str, reason: str, *, key: str | None = None
) -> Call[Receipt[PaymentState]]:
    """Tell that it will not come."""
    path = path_of("payments", name, "reject")
    return write(Receipt[PaymentState], path, {"reason": reason}, key)


def refund_payment(
    name: str,
    reason: str,
    *,
    amount: Money | None = None,
    key: str | None = None,
    dry_run: bool = False,
) -> Call[Receipt[RefundState]]:
    """Give a payment back; without an amount all that is left."""
    body = {"reason": reason, "amount": amount}
    path = path_of("payments", name, "refunds")
    return write(Receipt[RefundState], path, body, key, dry_run=dry_run)


def refunds(
    *, payment: str | None = None, status: str | None = None, limit: int = 100
) -> Call[Page[RefundState]]:
    """Refunds, newest first."""
    query = {"payment": payment, "status": status, "limit": limit}
    return Call("GET", path_of("refunds"), Page[RefundState], asked(query))


def disputes(
    *, payment: str | None = None, status: str | None = None, limit: int = 100
) -> Call[Page[DisputeState]]:
    """Disputes, newest first."""
    query = {"payment": payment, "status": status, "limit": limit}
    return Call("GET", path_of("disputes"), Page[DisputeState], asked(query))


# ── bookings ─────────────────────────────────────────────────────────────────────────


def create_booking(
    ref: str,
    guest: str,
    host: str,
    amount: Money,
    commission_points: int,
    *,
    host_wallet: str | None = None,
    title: str | None = None,
    country: str | None = None,
    automatic_payout: bool = True,
    key: str | None = None,
) -> Call[Receipt[BookingState]]:
    """A guest books with a host. `commission_points`: the house's part, in basis points."""
    body = {"ref": ref, "guest": guest, "host": host, "amount": amount,
            "commission_points": commission_points, "host_wallet": host_wallet, "title": title,
            "country": country, "automatic_payout": automatic_payout}  # fmt: skip
    return write(Receipt[BookingState], path_of("bookings"), body, key)


def booking(ref: str) -> Call[BookingState]:
    """One booking."""
    return Call("GET", path_of("bookings", ref), BookingState)


def bookings(
    *,
    guest: str | None = None,
    host: str | None = None,
    status: str | None = None,
    limit: int = 100,
) -> Call[Page[BookingState]]:
    """Bookings, newest first; each filter is an equality."""
    query = {"guest": guest, "host": host, "status": status, "limit": limit}
    return Call("GET", path_of("bookings"), Page[BookingState], asked(query))


def pay_booking(
    ref: str,
    *,
    method: str = "provider",
    wallet: str | None = None,
    wallet_part: Money | None = None,
    provider: str | None = None,
    way: str | None = None,
    token: str | None = None,
    key: str | None = None,
) -> Call[Receipt[PaymentState]]:
    """Begin to pay a booking."""
    body = {"method": method, "wallet": wallet, "wallet_part": wallet_part,
            "provider": provider, "way": way, "token": token}  # fmt: skip
    return write(Receipt[PaymentState], path_of("bookings", ref, "pay"), body, key)


def complete_booking(ref: str, *, key: str | None = None) -> Call[Receipt[BookingState]]:
    """The service was rendered: the host is credited, and paid out."""
    return write(Receipt[BookingState], path_of("bookings", ref, "complete"), {}, key)


def cancel_booking(ref: str, reason: str, *, key: str | None = None) -> Call[Receipt[BookingState]]:
    """Cancel a booking; what was paid goes back."""
    path = path_of("bookings", ref, "cancel")
    return write(Receipt[BookingState], path, {"reason": reason}, key)


def refund_booking(
    ref: str, amount: Money, reason: str, *, key: str | None = None
) -> Call[Receipt[BookingState]]:
    """Give a part of a booking back to its guest."""
    body = {"amount": amount, "reason": reason}
    return write(Receipt[BookingState], path_of("bookings", ref, "refunds"), body, key)
