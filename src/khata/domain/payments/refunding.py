"""Giving money back: at once into a wallet, by a saga at a provider.

What is on its way counts as given: the sum of a payment's refunds, whoever asks for them and
however many at a time, never passes what was paid.
"""

from __future__ import annotations

from khata.base.money import Money, to_text
from khata.domain.payments import rules
from khata.domain.payments.model import UNAPPLIED, Dispute, Payment, Refund
from khata.domain.payments.settling import give, settle
from khata.engine.book import Book
from khata.engine.sagas import start, wake
from khata.errors import InvalidTransition, RefundExceeded


def refundable(book: Book, payment: Payment) -> int:
    """What is left to refund, minor units."""
    if payment.landed is None:
        return 0
    given = book.find(Refund, payment=payment.id)
    return payment.amount - sum(
        refund.amount for refund in given if refund.status in {"pending", "succeeded"}
    )


def lost(book: Book, payment: Payment) -> int:
    """What the payer took back through their bank for good, minor units; 0 while any of it may
    yet be won.
    """
    made = book.find(Dispute, payment=payment.id)
    if any(dispute.status == "opened" for dispute in made):
        return 0
    gone = sum(dispute.amount or payment.amount for dispute in made if dispute.status == "lost")
    return min(gone, payment.amount)


def open_refund(book: Book, payment: Payment, amount: int, reason: str) -> Refund:
    """Give `amount` (minor units) of a payment back. Money paid out of a wallet, wholly or in
    part, goes back into that wallet at once; a provider is asked by a saga, and what it is to
    give is set aside at once.

    It is taken from where the payment landed. Out of an escrow that was released already the
    rest is owed to the house (`receivable/refunds`); a wallet that was topped up must have it.

    Errors: `InvalidTransition` unless paid, and while disputed; `RefundExceeded`;
    `InsufficientFunds`.
    """
    if payment.landed is None or payment.status == "disputed":
        raise InvalidTransition(
            f"{payment.id} is {payment.status}.", expected="paid", got=payment.status
        )
    left, places = refundable(book, payment), payment.exponent
    if not 0 < amount <= left:
        raise RefundExceeded(
            f"Of {payment.id} {to_text(left, places)} {payment.unit} are left to refund.",
            expected=to_text(left, places),
            got=to_text(amount, places),
            currency=payment.unit,
        )
    at_provider = payment.method == "provider"
    refund = book.add(
        Refund(
            book.new_id("rfd"),
            payment.id,
            "ours",
            amount,
            payment.unit,
            places,
            "pending" if at_provider else "succeeded",
            None,
            give(book, payment, amount, whole=payment.subject is None),
            {},
            [],
            reason,
            None,
            None,
            book.now,
        )
    )
    if at_provider:
        money = Money(to_text(amount, places), payment.unit)
        saga = start(book, "refund", {"refund": refund.id}, reference=payment.id, amount=money)
        refund = book.change(refund, saga=saga)
    settle(book, payment)
    refund = book.get(Refund, refund.id)
    if not at_provider:
        announce(book, payment, refund)
    return refund


def give_back_unapplied(book: Book, payment: Payment) -> None:
    """Money that came for something that cannot take it goes back by itself."""
    if payment.landed != UNAPPLIED or payment.status == "disputed":
        return
    left = refundable(book, payment)
    if left > 0:
        open_refund(book, payment, left, "It came for something that takes no money any more.")


def turn(
    book: Book, payment: Payment, refund: Refund, status: str, *, code: str | None = None
) -> Refund:
    """A refund succeeded or failed: join that, and let money and payment follow."""
    later = rules.later_refund(refund.status, status)
    if later == refund.status:
        return refund
    code = code if later == "failed" else None
    # what was let go must be found anew, should it be given all the same
    sources = {} if later == "cancelled" else refund.sources
    refund = book.change(refund, status=later, code=code, sources=sources)
    settle(book, book.get(Payment, payment.id))
    refund = book.get(Refund, refund.id)
    announce(book, payment, refund)
    wake(book, refund.id)
    return refund


def announce(book: Book, payment: Payment, refund: Refund) -> None:
    """Tell the world outside what became of a refund."""
    book.announce(
        f"refund.{refund.status}",
        refund.id,
        payment.owner,
        payment=payment.id,
        about=payment.subject or payment.wallet,
        amount=to_text(refund.amount, refund.exponent),
        currency=refund.unit,
        reason=refund.reason,
        code=refund.code,
    )
