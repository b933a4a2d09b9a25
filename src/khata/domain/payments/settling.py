"""The one door through which a payment's status changes.

Whoever learns something joins it to a payment's facts, its refunds or disputes, and has `settle`
make everything else follow: the status, where the money stands, what the payable is, who is told,
which sagas look again. Nothing else writes a payment's status.
Entries are posted as the difference between where a payment's money stands and where it should,
so that doing it twice does nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from khata.base.money import to_text
from khata.domain.holds import CaptureHold, VoidHold
from khata.domain.ledger import enter, other_side
from khata.domain.payments import rules
from khata.domain.payments.model import (
    BANK,
    OWED,
    UNAPPLIED,
    Dispute,
    Payable,
    Payment,
    Refund,
)
from khata.domain.setup import Source, source_of
from khata.engine.book import Book
from khata.engine.holds import Hold
from khata.engine.sagas import wake
from khata.errors import NotFound, PayableClosed

P = TypeVar("P", Payment, Refund, Dispute)
_TOLD: Final = ("authorised", "failed", "expired", "refunded", "partially_refunded", "disputed")


Follow = Callable[[Book, Payment], None]
_FOLLOWERS: Final[list[Follow]] = []


def followed_by(follow: Follow) -> Follow:
    """Register who shares what was paid among others, and so has to know in the same command when
    some of it went back, came again because a refund failed, or is disputed at the provider. It
    refuses nothing.
    """
    _FOLLOWERS.append(follow)
    return follow


def cash_of(payment: Payment) -> str:
    """The account in which the payment's provider keeps our money."""
    return f"cash/{payment.provider}"


def settle(book: Book, payment: Payment) -> Payment:
    """Make status, money, payable and events follow from what is known of a payment.

    Errors: those of `enter`, for a wallet that pays; `PayableClosed` likewise.
    """
    before, landing = payment, payment.facts.paid and payment.landed is None
    if landing:
        payment = _land(book, payment)
    refunds = book.find(Refund, payment=payment.id)
    disputes = book.find(Dispute, payment=payment.id)
    if payment.landed is not None:
        refunds = [_settle_refund(book, payment, refund) for refund in refunds]
        disputes = [_settle_dispute(book, payment, dispute) for dispute in disputes]
    payment = _derive(book, payment, refunds, disputes)
    if payment.status in {"failed", "expired"}:
        _let_go(book, payment)
    _settle_payable(book, payment)
    for follow in _FOLLOWERS if refunds or disputes else ():
        follow(book, payment)
    if landing:
        announce(book, payment, "paid")
    if payment.status != before.status and payment.status in _TOLD:
        announce(book, payment, "refunded" if "refunded" in payment.status else payment.status)
    wake(book, payment.id)
    if payment.subject is not None:
        wake(book, payment.subject)
    return payment


def _derive(
    book: Book, payment: Payment, refunds: list[Refund], disputes: list[Dispute]
) -> Payment:
    refunded = sum(refund.amount for refund in refunds if refund.status == "succeeded")
    states = [dispute.status for dispute in disputes]
    status = rules.status_of(payment.facts, payment.amount, refunded, states)
    code = payment.facts.failed if status == "failed" else None
    if payment.landed == UNAPPLIED:
        code = "unapplied"
    if (payment.status, payment.refunded, payment.code) == (status, refunded, code):
        return payment
    return book.change(payment, status=status, refunded=refunded, code=code)


# ── money ────────────────────────────────────────────────────────────────────────────


def _land(book: Book, payment: Payment) -> Payment:
    """The money is there: put it where it belongs, or aside when that is no longer possible."""
    home = _home(book, payment)
    if home == UNAPPLIED and payment.method != "provider":
        raise PayableClosed(
            f"{payment.subject} takes no money any more.", expected="open", got=payment.subject
        )
    entries: list[str] = []
    if payment.method == "mixed":
        taken = book.perform(CaptureHold(payment.hold or "", to=home, final=True))
        entries.append(taken.entry)
    position = _landed(payment, home)
    source = _source(book, payment)
    payment = _move(book, payment, position, payment, type_="payment", source=source)
    entries += payment.entries
    return book.change(payment, landed=home, entries=entries, message=None, paid_at=book.now)


def _landed(payment: Payment, home: str) -> dict[str, int]:
    rest = payment.amount - payment.wallet_part
    if payment.method == "provider":
        return {cash_of(payment): payment.amount, home: -payment.amount}
    if payment.method == "mixed":  # the wallet's part came by its hold
        return {BANK: rest, home: -rest}
    return {f"wallet/{payment.wallet}": payment.amount, home: -payment.amount}


def _home(book: Book, payment: Payment) -> str:
    """Where a payment's money belongs, if that can take it now."""
    if payment.subject is None:
        code = f"wallet/{payment.wallet}"
    else:
        payable = book.get(Payable, payment.subject)
        if payable.status != "open":
            return UNAPPLIED
        code = payable.escrow
    try:
        account = other_side(book, code, payment.unit)
    except NotFound:
        return UNAPPLIED
    return code if account.status == "active" else UNAPPLIED


def _source(book: Book, payment: Payment) -> Source:
    if payment.subject is None:
        return source_of(book, "top_up")
    return source_of(book, book.get(Payable, payment.subject).source)


def _settle_refund(book: Book, payment: Payment, refund: Refund) -> Refund:
    if refund.status == "succeeded" and not refund.sources:
        refund = book.change(refund, sources=give(book, payment, refund.amount))
    home = f"wallet/{payment.wallet}"
    cash = cash_of(payment) if payment.method == "provider" else home
    wanted = rules.refund_position(refund, cash)
    source = source_of(book, "refund")
    return _move(book, refund, wanted, payment, type_="refund", source=source)


def give(book: Book, payment: Payment, amount: int, *, whole: bool = False) -> dict[str, int]:
    """From where a refund is taken: code → minor units.

    Out of where the payment landed, as far as it reaches; what was passed on already is owed to
    the house (`receivable/refunds`), for the payer gets it back all the same. `whole`: out of
    there alone, so that a wallet without the money refuses.
    """
    home = payment.landed or UNAPPLIED
    account = other_side(book, home, payment.unit)
    if whole or home == UNAPPLIED:
        return {home: amount}
    there = min(amount, max(account.available, 0)) if account.status == "active" else 0
    parts = {home: there, OWED: amount - there}
    return {code: part for code, part in parts.items() if part}


def _settle_dispute(book: Book, payment: Payment, dispute: Dispute) -> Dispute:
    amount = dispute.amount or payment.amount
    wanted = rules.dispute_position(dispute, amount, cash_of(payment))
    source = source_of(book, "adjustment")
    return _move(book, dispute, wanted, payment, type_="dispute", source=source)


def _move(
    book: Book,
    record: P,
    wanted: Mapping[str, int],
    payment: Payment,
    *,
    type_: str,
    source: Source,
) -> P:
    """Post what is missing between where the record's money stands and where it should."""
    parts = rules.moves(record.position, wanted)
    if not parts:
        return record
    legs = [(other_side(book, code, payment.unit).id, amount) for code, amount in parts]
    paying = type_ == "payment"
    moved = enter(
        book,
        legs,
        type=type_,
        source=source,
        reference=payment.id,
        metadata=None if paying else {type_: record.id},
        metered=paying,
    )
    return book.change(record, position=dict(wanted), entries=[*record.entries, moved.id])


def _let_go(book: Book, payment: Payment) -> None:
    """A payment that came to nothing holds nothing."""
    if payment.hold is None:
        return
    hold = book.get(Hold, payment.hold)
    book.account(hold.account_id)  # releases what is past its expiry
    if book.get(Hold, payment.hold).status == "active":
        book.perform(VoidHold(payment.hold, f"{payment.id} {payment.status}"))


# ── what follows ─────────────────────────────────────────────────────────────────────


def _settle_payable(book: Book, payment: Payment) -> None:
    if payment.subject is None:
        return
    payable = book.get(Payable, payment.subject)
    wanted: dict[str, Any] = {}
    if payment.landed == payable.escrow and payable.paid_by in (None, payment.id):
        status = "refunded" if payment.status == "refunded" else "paid"
        paid_at = payable.paid_at or book.now
        wanted = {"status": status, "paid_by": payment.id, "paid_at": paid_at}
    if payable.active == payment.id and payment.status not in rules.ACTIVE:
        wanted["active"] = None
    if any(getattr(payable, name) != value for name, value in wanted.items()):
        book.change(payable, **wanted)


def announce(book: Book, payment: Payment, what: str) -> None:
    """Tell the world outside what became of a payment."""
    places = payment.exponent
    book.announce(
        f"payment.{what}",
        payment.id,
        payment.owner,
        about=payment.subject or payment.wallet,
        amount=to_text(payment.amount, places),
        refunded=to_text(payment.refunded, places),
        currency=payment.unit,
        method=payment.method,
        provider=payment.provider,
        status=payment.status,
        code=payment.code,
        entries=payment.entries,
    )
