"""What providers tell: events, and the answers to our calls, which are taken like events.

An event that contradicts what we have (another amount, another provider) changes nothing.
"""

from __future__ import annotations

from typing import Final

from khata.base.money import to_minor, to_text
from khata.domain.payments import rules
from khata.domain.payments.model import Applied, Dispute, Facts, Payment, ProviderEvent, Refund
from khata.domain.payments.refunding import give_back_unapplied, turn
from khata.domain.payments.settling import settle
from khata.engine.book import Book
from khata.errors import Invalid

_CHARGE: Final = {
    "pending": Facts(seen=True),
    "authorised": Facts(seen=True, authorised=True),
    "paid": Facts(seen=True, authorised=True, paid=True),
    "expired": Facts(seen=True, expired=True),
}
_REFUND: Final = ("pending", "succeeded", "failed")
_DISPUTE: Final = ("opened", "won", "lost")
_MOST_CODE: Final = 100


def learn(book: Book, payment: Payment, told: Facts, message: str | None = None) -> Payment:
    """Join facts to what is known of a payment, and let everything follow."""
    known = rules.join(payment.facts, told)
    payment = book.change(payment, facts=known, message=None if known.paid else message)
    payment = settle(book, payment)
    if payment.facts.paid:
        give_back_unapplied(book, payment)
    return book.get(Payment, payment.id)


def apply_event(book: Book, event: ProviderEvent) -> Applied:
    """Take in what a provider tells of a charge, a refund or a dispute.

    Told twice, late or in another order it ends the same. Nothing that it says is refused:
    the answer says what became of it. Errors: those of a frozen house account, to try again.
    """
    about, _, what = event.type.partition(".")
    if any("\x00" in text for text in (event.object, event.reference or "", event.charge or "")):
        return Applied("unknown", "No name has a NUL.")
    if about == "charge":
        return _charge(book, event, what)
    if about == "refund" and what in _REFUND:
        return _refund(book, event, what)
    if about == "dispute" and what in _DISPUTE:
        return _dispute(book, event, what)
    return Applied("unknown", f"{event.type[:60]} is not about payments.")


# ── charges ──────────────────────────────────────────────────────────────────────────


def _charge(book: Book, event: ProviderEvent, what: str) -> Applied:
    told = _CHARGE.get(what)
    if what == "failed":
        told = Facts(seen=True, failed=(event.code or "declined")[:_MOST_CODE])
    if told is None:
        return Applied("unknown", f"{event.type[:60]} means nothing to us.")
    payment = _payment(book, event.reference, _key(event, event.object))
    if payment is None:
        return Applied("unknown", f"No payment has the charge {event.object[:80]!r}.")
    wrong = _contradicts(payment, event) or _wrong_charge(book, payment, event)
    if wrong:
        return Applied("mismatch", wrong)
    known = rules.join(payment.facts, told)
    if known == payment.facts and payment.charge is not None:
        return Applied("stale", f"{payment.id} is {payment.status}.")
    if payment.charge is None:
        key = _key(event, event.object)
        payment = book.change(payment, charge=event.object, charge_key=key)
    payment = learn(book, payment, told)
    return Applied("applied", f"{payment.id} is {payment.status}.")


def _payment(book: Book, reference: str | None, charge_key: str | None) -> Payment | None:
    """The payment that is meant: by our own id, or by the provider's."""
    if reference is not None and reference.startswith("pay_"):
        found = book.peek(Payment, reference)
        if found is not None:
            return found
    return None if charge_key is None else book.find_one(Payment, charge_key=charge_key)


def _key(event: ProviderEvent, name: str) -> str:
    return f"{event.provider}/{name}"


def _contradicts(payment: Payment, event: ProviderEvent) -> str | None:
    """What is wrong with an event about the whole of a payment."""
    wrong = _foreign(payment, event)
    if wrong is None and event.amount is not None:
        amount = _minor(event, payment.exponent)
        if amount != payment.amount:
            due = to_text(payment.amount, payment.exponent)
            wrong = f"{payment.id} is over {due}, not {event.amount[:40]}."
    return wrong


def _foreign(payment: Payment, event: ProviderEvent) -> str | None:
    if payment.provider != event.provider:
        return f"{payment.id} is not with {event.provider[:60]}."
    if event.currency is not None and event.currency != payment.unit:
        return f"{payment.id} is in {payment.unit}, not {event.currency[:20]}."
    return None


def _wrong_charge(book: Book, payment: Payment, event: ProviderEvent) -> str | None:
    if payment.charge not in (None, event.object):
        return f"{payment.id} is another charge."
    other = book.find_one(Payment, charge_key=_key(event, event.object))
    if other is not None and other.id != payment.id:
        return f"The charge belongs to {other.id}."
    return None


def _minor(event: ProviderEvent, exponent: int) -> int | None:
    """The event's amount in minor units; None when it is no amount above zero."""
    try:
        amount = to_minor(event.amount or "", exponent)
    except Invalid:
        return None
    return amount if amount > 0 else None


# ── refunds ──────────────────────────────────────────────────────────────────────────


def _refund(book: Book, event: ProviderEvent, what: str) -> Applied:
    key = _key(event, event.object)
    ours = _our_refund(book, event)
    known = book.find_one(Refund, refund_key=key)
    refund = ours or known
    if refund is not None:
        payment: Payment | None = book.get(Payment, refund.payment)
    else:
        payment = _payment(book, event.reference, event.charge and _key(event, event.charge))
    if payment is None:
        return Applied("unknown", f"No payment has the refund {event.object[:80]!r}.")
    wrong = _foreign(payment, event) or _wrong_refund(book, payment, refund, event, what)
    if wrong:
        return Applied("mismatch", wrong)
    if refund is None:
        if what == "pending":
            return Applied("stale", "A refund counts when it has succeeded.")
        refund = _found_out(book, payment, event)
    fresh = refund.status == "pending" and refund.refund_key is None
    if refund.refund_key is None:
        refund = _adopt(book, payment, refund, known, key)
    later = turn(book, payment, refund, what, code=event.code)
    if later.status == refund.status and not fresh:
        return Applied("stale", f"{refund.id} is {refund.status}.")
    return Applied("applied", f"{later.id} is {later.status}.")


def _our_refund(book: Book, event: ProviderEvent) -> Refund | None:
    name = event.reference
    return book.peek(Refund, name) if name and name.startswith("rfd_") else None


def _wrong_refund(
    book: Book, payment: Payment, refund: Refund | None, event: ProviderEvent, what: str
) -> str | None:
    amount = _minor(event, payment.exponent)
    if refund is not None:
        if refund.refund_key not in (None, _key(event, event.object)):
            return f"{refund.id} is another refund."
        if event.amount is not None and amount != refund.amount:
            return f"{refund.id} is over {to_text(refund.amount, refund.exponent)}."
        return None
    if amount is None:
        return f"A refund of {payment.id} that we did not ask for says no amount."
    given = book.find(Refund, payment=payment.id)
    done = sum(refund.amount for refund in given if refund.status == "succeeded")
    if what == "succeeded" and done + amount > payment.amount:
        return f"More would be refunded than {payment.id} is over."
    return None


def _found_out(book: Book, payment: Payment, event: ProviderEvent) -> Refund:
    """A refund that somebody made at the provider, beside us."""
    return book.add(
        Refund(
            book.new_id("rfd"),
            payment.id,
            "provider",
            _minor(event, payment.exponent) or 0,
            payment.unit,
            payment.exponent,
            "pending",
            _key(event, event.object),
            {},
            {},
            [],
            f"Made at {event.provider}.",
            None,
            None,
            book.now,
        )
    )


def _adopt(book: Book, payment: Payment, refund: Refund, known: Refund | None, key: str) -> Refund:
    """Our refund learns its name at the provider. If that was found out before, under a record
    of its own, the two are one.
    """
    if known is not None and known.id != refund.id:
        book.change(known, refund_key=None, status="merged")
        refund = book.change(refund, refund_key=key)
        return turn(book, payment, refund, known.status, code=known.code)
    return book.change(refund, refund_key=key)


# ── disputes ─────────────────────────────────────────────────────────────────────────


def _dispute(book: Book, event: ProviderEvent, what: str) -> Applied:
    key = _key(event, event.object)
    dispute = book.find_one(Dispute, dispute_key=key)
    if dispute is not None:
        payment: Payment | None = book.get(Payment, dispute.payment)
    else:
        payment = _payment(book, event.reference, event.charge and _key(event, event.charge))
    if payment is None:
        return Applied("unknown", f"No payment has the dispute {event.object[:80]!r}.")
    amount = _minor(event, payment.exponent) or 0
    wrong = _foreign(payment, event)
    if wrong or amount > payment.amount or (event.amount is not None and not amount):
        return Applied("mismatch", wrong or f"{payment.id} is over less, or it says no amount.")
    if dispute is None:
        dispute = book.add(_opened(book, payment, event, amount))
    else:
        joined = {
            "status": rules.later_dispute(dispute.status, what),
            "amount": max(dispute.amount, amount),
            "code": max(dispute.code or "", event.code or "") or None,
        }
        if all(getattr(dispute, name) == value for name, value in joined.items()):
            return Applied("stale", f"{dispute.id} is {dispute.status}.")
        dispute = book.change(dispute, **joined)
    payment = settle(book, payment)
    give_back_unapplied(book, payment)
    _announce(book, payment, dispute)
    return Applied("applied", f"{dispute.id} is {dispute.status}.")


def _opened(book: Book, payment: Payment, event: ProviderEvent, amount: int) -> Dispute:
    return Dispute(
        book.new_id("dsp"),
        payment.id,
        _key(event, event.object),
        amount,
        payment.unit,
        payment.exponent,
        event.type.partition(".")[2],  # type: ignore[arg-type]  # one of the three, checked before
        {},
        [],
        event.code,
        book.now,
    )


def _announce(book: Book, payment: Payment, dispute: Dispute) -> None:
    book.announce(
        f"dispute.{dispute.status}",
        dispute.id,
        payment.owner,
        payment=payment.id,
        about=payment.subject or payment.wallet,
        amount=to_text(dispute.amount or payment.amount, dispute.exponent),
        currency=dispute.unit,
    )
