"""The long ways of a booking: until it is paid, from escrow to the host, and back to the guest.

Those that move a booking's money share a serial, so a refund never meets a payout half way.
"""

from __future__ import annotations

from typing import Final

from khata.base.money import Money, to_minor, to_text
from khata.domain import payments, payouts
from khata.domain.bookings import rules
from khata.domain.bookings.commands import announce, begin_refund
from khata.domain.bookings.model import COMMISSION, OWED, Booking, subject_of
from khata.domain.ledger import account_of, enter, house_account
from khata.domain.payments import Payable, Payment, Refund
from khata.domain.setup import source_of
from khata.engine.book import Book, Leg
from khata.engine.sagas import IMPOSSIBLE, NOTHING, Local, Run, Saga, Wait, patient
from khata.engine.sagas.steps import Remembered
from khata.errors import InvalidTransition, PaymentFailed

_PATIENT: Final = patient(
    "account_frozen", "payouts_paused", "payouts_braked", "invalid_transition"
)
"""What is frozen, paused or disputed today need not be tomorrow."""


def _booking(book: Book, run: Run) -> Booking:
    return book.get(Booking, run.data["booking"])


def _payable(book: Book, booking: Booking) -> Payable:
    return book.get(Payable, subject_of(booking.ref))


def _payment(book: Book, booking: Booking) -> Payment:
    name = _payable(book, booking).paid_by
    if name is None:
        raise InvalidTransition(f"{booking.ref} is not paid.", expected="paid", got="unpaid")
    return book.get(Payment, name)


# ── until it is paid ─────────────────────────────────────────────────────────────────


def _subject(run: Run) -> str:
    return subject_of(run.data["booking"])


def _await(book: Book, run: Run) -> Remembered:
    """Nothing yet: whoever pays, by whatever way, pays the booking's payable."""
    return {"subject": _payable(book, _booking(book, run)).subject}


def _paid(book: Book, run: Run) -> Remembered:
    payable = _payable(book, _booking(book, run))
    return None if payable.status == "open" else {"payable": payable.status}


def _confirm(book: Book, run: Run) -> Remembered:
    booking = _booking(book, run)
    payable = _payable(book, booking)
    if payable.paid_by is None or booking.status != "open":
        return {"status": booking.status}
    booking = book.change(
        booking, status="confirmed", payment=payable.paid_by, confirmed_at=book.now
    )
    announce(book, booking, "confirmed")
    return {"status": booking.status}


def _take_back(book: Book, run: Run) -> Remembered:
    """The booking is not wanted any more: cancel it, and give back what was paid."""
    booking = _booking(book, run)
    if booking.status == "cancelled":
        return None
    payable = _payable(book, booking)
    if payable.status == "open":
        payments.cancel(book, payable.subject)
    booking = book.change(booking, status="cancelled", cancelled_at=book.now, reason="taken back")
    left = booking.amount - booking.refunded
    if payable.paid_by is not None and left:
        begin_refund(book, booking, left, "The booking was taken back.")
    announce(book, booking, "cancelled")
    return None


# ── to the host ──────────────────────────────────────────────────────────────────────


def _completed(book: Book, run: Run) -> Remembered:
    return {"payment": _payment(book, _booking(book, run)).id}


def _credit(book: Book, run: Run) -> Remembered:
    """Escrow → host and commission. What was refunded before is shared by nobody.

    Errors: `AccountFrozen`; `InvalidTransition` while the payment is disputed: tried again.
    """
    booking = _booking(book, run)
    payment = _payment(book, booking)
    if payment.status == "disputed":
        raise InvalidTransition(f"{payment.id} is disputed.", expected="paid", got="disputed")
    escrow = house_account(book, _payable(book, booking).escrow, booking.unit)
    amount = min(payments.refundable(book, payment), max(escrow.natural, 0))
    host, house = rules.parts(amount, booking.commission_points)
    if amount:
        _post(book, booking, escrow.id, -host, -house, 0)
        booking = _booking(book, run)
    booking = book.change(
        booking,
        host_part=booking.host_part + host,
        commission_part=booking.commission_part + house,
    )
    announce(book, booking, "credited")
    return {"host": host, "commission": house}


def _post(book: Book, booking: Booking, escrow: int, host: int, house: int, owed: int) -> None:
    """An entry between escrow and those who share a booking; debit positive."""
    parts: list[Leg] = [
        (account_of(book, booking.host_wallet).id, host),
        (house_account(book, COMMISSION, booking.unit).id, house),
        (house_account(book, OWED, booking.unit).id, owed),
        (escrow, -(host + house + owed)),
    ]
    moved = enter(
        book,
        [leg for leg in parts if leg[1]],
        type="booking",
        source=source_of(book, "service"),
        reference=subject_of(booking.ref),
        metered=False,
    )
    book.change(booking, entries=[*booking.entries, moved.id])


def _pay_out(book: Book, run: Run) -> Remembered:
    """On to the host's bank, if they have told us of one; else the money stays in the wallet.

    Errors: those of `payouts.initiate`.
    """
    booking = _booking(book, run)
    wallet = account_of(book, booking.host_wallet)
    policy = payouts.policy_of(book)
    fee = to_minor(policy.fee.get(booking.unit, "0"), booking.exponent)
    least = to_minor(policy.minimum.get(booking.unit, "0"), booking.exponent)
    amount = min(run.data["host"], wallet.available) - fee
    target = payouts.primary_of(book, booking.host, booking.unit)
    if not booking.automatic_payout or target is None or amount < max(least, 1):
        return {"payout": None}
    made = book.perform(
        payouts.InitiatePayout(
            booking.host_wallet,
            Money(to_text(amount, booking.exponent), booking.unit),
            subject_of(booking.ref),
        )
    )
    book.change(booking, payout=made.id)
    return {"payout": made.id}


# ── back to the guest ────────────────────────────────────────────────────────────────


def _asked(book: Book, run: Run) -> Remembered:
    """The command that asked for the refund counted it; what undoes it counts it no more."""
    return {"payment": _payment(book, _booking(book, run)).id}


def _not_asked(book: Book, run: Run) -> Remembered:
    booking = _booking(book, run)
    book.change(booking, refunded=booking.refunded - run.data["amount"])
    return None


def _collect(book: Book, run: Run) -> Remembered:
    """Host and house give back what they received of it, pro rata. What the host no longer has
    is owed to the house; the guest gets it all the same.
    """
    booking = _booking(book, run)
    host, house = rules.taken_back(booking, run.data["amount"])
    if not host + house:
        return {"host": 0, "commission": 0, "owed": 0}
    wallet = account_of(book, booking.host_wallet)
    there = max(wallet.available, 0) if wallet.status == "active" else 0
    taken = min(host, there)
    escrow = house_account(book, _payable(book, booking).escrow, booking.unit)
    _post(book, booking, escrow.id, taken, house, host - taken)
    book.change(
        _booking(book, run),
        host_back=booking.host_back + host,
        commission_back=booking.commission_back + house,
    )
    return {"host": taken, "commission": house, "owed": host - taken}


def _return(book: Book, run: Run) -> Remembered:
    """The refund was not made: host and house have again what they gave."""
    booking, data = _booking(book, run), run.data
    host, house, owed = data["host"], data["commission"], data["owed"]
    if not host + house + owed:
        return None
    escrow = house_account(book, _payable(book, booking).escrow, booking.unit)
    _post(book, booking, escrow.id, -host, -house, -owed)
    book.change(
        _booking(book, run),
        host_back=booking.host_back - host - owed,
        commission_back=booking.commission_back - house,
    )
    return None


def _refund(book: Book, run: Run) -> Remembered:
    payment = book.get(Payment, run.data["payment"])
    refund = payments.open_refund(book, payment, run.data["amount"], run.data["reason"])
    return {"refund": refund.id}


def _refund_topic(run: Run) -> str:
    return str(run.data["refund"])


def _refunded(book: Book, run: Run) -> Remembered:
    refund = book.get(Refund, run.data["refund"])
    return None if refund.status == "pending" else {"refund_status": refund.status}


def _confirm_refund(book: Book, run: Run) -> Remembered:
    refund = book.get(Refund, run.data["refund"])
    if refund.status in {"failed", "cancelled"}:
        raise PaymentFailed(f"{refund.id} {refund.status}.", reason=refund.code or refund.status)
    announce(book, _booking(book, run), "refunded")
    return None


SAGAS: Final = (
    Saga(
        "booking_payment",
        1,
        (
            Local(name="await", do=_await, undo=_take_back),
            Wait(name="paid", ready=_paid, topic=_subject),
            Local(name="confirm", do=_confirm, undo=NOTHING),
        ),
        open_to_all=False,
    ),
    Saga(
        "host_payout",
        1,
        (
            # done at once, and never undone: whatever fails after it, a person looks at
            Local(name="complete", do=_completed, undo=IMPOSSIBLE),
            Local(name="credit", do=_credit, undo=IMPOSSIBLE, retry=_PATIENT),
            Local(name="pay_out", do=_pay_out, undo=NOTHING, retry=_PATIENT),
        ),
        open_to_all=False,
    ),
    Saga(
        "booking_refund",
        1,
        (
            Local(name="ask", do=_asked, undo=_not_asked),
            Local(name="collect", do=_collect, undo=_return),
            Local(name="refund", do=_refund, undo=NOTHING, retry=_PATIENT),
            Wait(name="settled", ready=_refunded, topic=_refund_topic),
            Local(name="confirm", do=_confirm_refund, undo=NOTHING),
        ),
        open_to_all=False,
    ),
)
"""The sagas of this room."""
