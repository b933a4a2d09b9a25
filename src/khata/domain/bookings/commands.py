"""Bookings: create, pay, complete, cancel, refund. What takes long is done by the room's sagas."""

from __future__ import annotations

import re
from typing import Any, Final, Literal

from khata.base.money import Money, to_positive_minor, to_text
from khata.domain import payments
from khata.domain.bookings.model import WHOLE, Booking, BookingState, subject_of
from khata.domain.bookings.rules import state_of
from khata.domain.ledger import account_of, check_four_eyes, check_reason, house_account
from khata.domain.payments import PaymentState, payment_state
from khata.engine.book import Book
from khata.engine.command import Command, Verbs
from khata.engine.sagas import start
from khata.errors import (
    BookingNotFound,
    CurrencyMismatch,
    Invalid,
    InvalidTransition,
    NotYours,
    RefundExceeded,
)

VERBS: Final = Verbs()
_REF: Final = re.compile(r"[^\s/\x00-\x1f\x7f]{1,100}")
_MOST_TEXT: Final = 200


class CreateBooking(Command, frozen=True, tag="bookings.create", omit_defaults=True):
    """A guest books with a host. `commission_points`: the house's part, in basis points of 10000.

    `host_wallet`: left out, `<host>/host/<currency>`. `automatic_payout`: on completion the host's
    money goes on to their primary bank account, if they have one.
    """

    ref: str
    guest: str
    host: str
    amount: Money
    commission_points: int
    host_wallet: str | None = None
    title: str | None = None
    country: str | None = None
    automatic_payout: bool = True


class PayBooking(Command, frozen=True, tag="bookings.pay", omit_defaults=True):
    """Begin to pay a booking: as `payments.initiate` for its subject."""

    booking: str
    method: Literal["wallet", "provider", "mixed"] = "provider"
    wallet: str | None = None
    wallet_part: Money | None = None
    provider: str | None = None
    way: Literal["card", "mobile_money", "bank_transfer"] | None = None
    token: str | None = None


class CompleteBooking(Command, frozen=True, tag="bookings.complete"):
    """The service was rendered: the host is credited, and paid out."""

    booking: str


class CancelBooking(Command, frozen=True, tag="bookings.cancel"):
    """Cancel a booking. What was paid goes back, as far as it has not already."""

    booking: str
    reason: str


class RefundBooking(Command, frozen=True, tag="bookings.refund", omit_defaults=True):
    """Give a part of a booking back to its guest, before or after the host was credited."""

    booking: str
    reason: str
    amount: Money


@VERBS.handles(CreateBooking, roles=("admin", "service"))
def create(book: Book, command: CreateBooking) -> BookingState:
    """Errors: `Invalid`, `AlreadyExists`, `WalletNotFound`, `CurrencyMismatch`, of an amount."""
    if not _REF.fullmatch(command.ref) or len(command.title or "") > _MOST_TEXT:
        raise Invalid("A booking has a reference of 1 to 100 characters.", got=command.ref[:60])
    if not 0 <= command.commission_points <= WHOLE:
        raise Invalid(
            "A commission is 0 to 10000 basis points.",
            expected="0 to 10000",
            got=command.commission_points,
        )
    currency = command.amount.currency
    path = command.host_wallet or f"{command.host}/host/{currency}"
    wallet = account_of(book, path)
    if wallet.owner != command.host:
        raise Invalid("The wallet is the host's.", expected=command.host, got=path[:200])
    if wallet.unit != currency:
        raise CurrencyMismatch(f"{path} is in {wallet.unit}.", expected=wallet.unit, got=currency)
    payable = payments.register(
        book,
        subject_of(command.ref),
        command.guest,
        command.amount,
        source="service",
        country=command.country,
        title=command.title,
    )
    booking = Booking(
        ref=command.ref,
        guest=command.guest,
        host=command.host,
        host_wallet=wallet.code.removeprefix("wallet/"),
        title=command.title,
        amount=payable.amount,
        commission_points=command.commission_points,
        unit=payable.unit,
        exponent=payable.exponent,
        status="open",
        automatic_payout=command.automatic_payout,
        payment=None,
        payout=None,
        host_part=0,
        commission_part=0,
        host_back=0,
        commission_back=0,
        refunded=0,
        entries=[],
        reason=None,
        created_at=book.now,
        confirmed_at=None,
        completed_at=None,
        cancelled_at=None,
    )
    run(book, booking, "booking_payment", booking.amount)
    return state_of(book.add(booking))


@VERBS.handles(PayBooking, roles=("owner", "admin", "finance", "service"))
def pay(book: Book, command: PayBooking) -> PaymentState:
    """Errors: `BookingNotFound`, those of `payments.initiate`."""
    if book.actor.owner is None:
        booking_of(book, command.booking)
    wanted = payments.Initiate(
        subject_of(command.booking),
        wallet=command.wallet,
        method=command.method,
        wallet_part=command.wallet_part,
        provider=command.provider,
        way=command.way,
        token=command.token,
    )
    return payment_state(payments.initiate(book, wanted))


@VERBS.handles(CompleteBooking, roles=("admin", "service"))
def complete(book: Book, command: CompleteBooking) -> BookingState:
    """Errors: `BookingNotFound`; `InvalidTransition` unless confirmed."""
    booking = booking_of(book, command.booking)
    _expect(booking, "confirmed")
    booking = book.change(booking, status="completed", completed_at=book.now)
    run(book, booking, "host_payout", booking.amount - booking.refunded)
    announce(book, booking, "completed")
    return state_of(booking)


@VERBS.handles(CancelBooking, roles=("admin", "service"))
def cancel(book: Book, command: CancelBooking) -> BookingState:
    """Errors: `BookingNotFound`, `InvalidTransition` when it is cancelled, `ApprovalRequired`."""
    check_reason(command.reason)
    booking = booking_of(book, command.booking)
    _expect(booking, "open", "confirmed", "completed")
    paid = book.get(payments.Payable, subject_of(booking.ref)).status != "open"
    if not paid:
        payments.cancel(book, subject_of(booking.ref))
    booking = book.change(booking, status="cancelled", reason=command.reason, cancelled_at=book.now)
    announce(book, booking, "cancelled")
    left = booking.amount - booking.refunded
    if paid and left:
        booking = begin_refund(book, booking, left, command.reason)
    return state_of(booking)


@VERBS.handles(RefundBooking, roles=("admin", "finance", "service"))
def refund(book: Book, command: RefundBooking) -> BookingState:
    """Errors: `BookingNotFound`, `InvalidTransition` unless paid, `RefundExceeded`,
    `CurrencyMismatch`, `ApprovalRequired`, those of an amount.
    """
    check_reason(command.reason)
    booking = booking_of(book, command.booking)
    _expect(booking, "confirmed", "completed", "cancelled")
    if book.get(payments.Payable, subject_of(booking.ref)).paid_by is None:
        raise InvalidTransition(f"{booking.ref} was never paid.", expected="paid", got="unpaid")
    if command.amount.currency != booking.unit:
        raise CurrencyMismatch(
            f"{booking.ref} is in {booking.unit}.",
            expected=booking.unit,
            got=command.amount.currency,
        )
    minor = to_positive_minor(command.amount.amount, booking.exponent)
    return state_of(begin_refund(book, booking, minor, command.reason))


def begin_refund(book: Book, booking: Booking, minor: int, reason: str) -> Booking:
    """Count a refund as given, and have it made. Errors: `RefundExceeded`, `ApprovalRequired`."""
    left, places = booking.amount - booking.refunded, booking.exponent
    if minor > left:
        raise RefundExceeded(
            f"Of {booking.ref} {to_text(left, places)} {booking.unit} are left to refund.",
            expected=to_text(left, places),
            got=to_text(minor, places),
            currency=booking.unit,
        )
    escrow = house_account(book, f"escrow/{subject_of(booking.ref)}", booking.unit)
    check_four_eyes(book, escrow, minor)
    booking = book.change(booking, refunded=booking.refunded + minor)
    run(book, booking, "booking_refund", minor, amount=minor, reason=reason)
    return booking


def run(book: Book, booking: Booking, saga: str, at_stake: int, **data: Any) -> str:
    """Start a saga about a booking. Those that move its money go one after the other."""
    subject = subject_of(booking.ref)
    return start(
        book,
        saga,
        {"booking": booking.ref, **data},
        reference=subject,
        serial=None if saga == "booking_payment" else subject,
        amount=Money(to_text(at_stake, booking.exponent), booking.unit),
    )


def booking_of(book: Book, ref: str) -> Booking:
    """A booking by its reference. Errors: `BookingNotFound`, `NotYours`."""
    booking, owner = book.peek(Booking, ref), book.actor.owner
    if owner is not None and (booking is None or owner not in {booking.guest, booking.host}):
        raise NotYours("This is not yours, or does not exist.", expected=owner)
    if booking is None:
        raise BookingNotFound(f"No booking {ref[:100]!r}.", got=ref[:100])
    return booking


def _expect(booking: Booking, *allowed: str) -> None:
    if booking.status not in allowed:
        raise InvalidTransition(
            f"{booking.ref} is {booking.status}.", expected=list(allowed), got=booking.status
        )


def announce(book: Book, booking: Booking, what: str) -> None:
    """Tell the world outside what became of a booking: an event for the guest, one for the host."""
    places = booking.exponent
    book.announce_to(
        (booking.guest, booking.host),
        f"booking.{what}",
        booking.ref,
        guest=booking.guest,
        host=booking.host,
        amount=to_text(booking.amount, places),
        refunded=to_text(booking.refunded, places),
        currency=booking.unit,
        status=booking.status,
        payment=booking.payment,
    )
