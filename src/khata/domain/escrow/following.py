"""What goes back past an escrow, comes again, or is disputed: it follows in the same command.

Whoever refunds a payment, we, our staff or its provider beside us, and whichever refund fails in
the end: what the payment has given is what the escrow's payer has back. The legs are moved by the
difference, so that doing it twice does nothing. What the payer disputes at the provider stays in
escrow until that is won, or a person has settled it.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from khata.domain import payments
from khata.domain.escrow import rules
from khata.domain.escrow.holding import noted, tell
from khata.domain.escrow.model import Escrow, Step
from khata.domain.escrow.model import Leg as EscrowLeg
from khata.domain.escrow.refunding import Taking, booked, debt_account, owe, takings
from khata.domain.ledger import house_account
from khata.engine.accounts import Account
from khata.engine.book import Book

_replace = msgspec.structs.replace
_GIVEN = frozenset({"pending", "succeeded"})


@payments.followed_by
def follow(book: Book, payment: payments.Payment) -> None:
    """Let the escrow of a payment know what became of the payment's refunds and disputes."""
    escrow = book.peek(Escrow, payment.subject) if payment.subject is not None else None
    if escrow is None or escrow.payment != payment.id:
        return
    made = book.find(payments.Refund, payment=payment.id)
    given = sum(item.amount for item in made if item.status in _GIVEN)
    given = min(given + rules.charged_back(escrow), escrow.paid)
    more = min(given - escrow.refunded, rules.most_refundable(escrow, "pro_rata"))
    if more > 0:
        _went(book, escrow, more, made)
    elif given >= escrow.refunded:  # beyond that, a fee that a rider has earned: the house bears it
        _even(book, escrow, made)
    else:
        _came_again(book, escrow, escrow.refunded - given, made)
    _heed(book, book.get(Escrow, escrow.ref), payment)


def _heed(book: Book, escrow: Escrow, payment: payments.Payment) -> None:
    """What the payer disputes is disputed here, once for each thing that is heard of it; what is
    won is as before, unless somebody disputes it here too.
    """
    made = book.find(payments.Dispute, payment=payment.id)
    reasons = [_reason(item, item.status) for item in made]
    if payment.status != "disputed":
        opened = {
            _reason(item, "opened"): reason for item, reason in zip(made, reasons, strict=True)
        }
        if escrow.dispute in opened:
            steps = noted(book, escrow, "settled", reason=opened[escrow.dispute], last=True)
            tell(book, book.change(escrow, dispute=None, steps=steps))
        return
    known = {step.reason for step in escrow.steps}
    for item, reason in zip(made, reasons, strict=True):
        if item.status == "won" or reason in known or not any(leg.held for leg in escrow.legs):
            continue
        steps = noted(book, escrow, "disputed", reason=reason, last=True)
        why = escrow.dispute if escrow.dispute and item.id not in escrow.dispute else None
        why = f"{why} {reason}" if why else reason
        escrow = book.change(escrow, dispute=why, steps=steps)


def _reason(dispute: payments.Dispute, status: str) -> str:
    return f"{dispute.id}, of its payment, is {status}."


def _even(book: Book, escrow: Escrow, made: Sequence[payments.Refund]) -> None:
    """It was refunded twice: what one of the two put into escrow again, when it came to nothing,
    is what the house had to give for the other; and what one took that was a leg's, the house
    makes good.
    """
    account = house_account(book, escrow.account, escrow.unit)
    spare = account.natural - sum(leg.held for leg in escrow.legs)
    given = sum(item.position.get(payments.OWED, 0) for item in made)
    took = sum(item.position.get(escrow.account, 0) for item in made)
    if not spare or not -took <= spare <= given:
        return
    nothing = [0] * len(escrow.givers)
    entries = _square(book, escrow, escrow.legs, (), nothing, "It was refunded once, not twice.")
    lines = [n for n, step in enumerate(escrow.steps) if step.kind == "refunded"]
    if entries and lines:
        steps, last = list(escrow.steps), escrow.steps[lines[-1]]
        steps[lines[-1]] = _replace(last, entries=[*last.entries, *entries])
        book.change(escrow, steps=steps)


def _went(book: Book, escrow: Escrow, amount: int, made: Sequence[payments.Refund]) -> None:
    """So much was refunded past the escrow: all give what they have of it, or owe it."""
    support = rules.support_back(escrow, amount)
    parts = rules.refund_parts(escrow, amount + sum(support), "pro_rata")
    taken = takings(book, escrow, parts, "owe")
    legs, _ = rules.given_back(escrow.legs, parts, [taking.owed for taking in taken])
    reason = "It was refunded by its payment."
    entries = _square(book, escrow, legs, taken, support, reason)
    if entries is None:
        return
    owe(book, escrow, taken, reason)
    steps = noted(
        book, escrow, "refunded", amount=amount, reason=reason, entries=entries, last=True
    )
    known = {name for step in escrow.steps for name in step.refunds}
    fresh = [item for item in made if item.status in _GIVEN and item.id not in known]
    if sum(item.amount for item in fresh) == amount:
        steps[-1] = _replace(steps[-1], refunds=[item.id for item in fresh], parts=parts)
    escrow = book.change(
        escrow,
        refunded=escrow.refunded + amount,
        legs=legs,
        givers=rules.givers_after(escrow.givers, support),
        status=rules.status_of(legs),
        steps=steps,
    )
    tell(book, escrow)


def _came_again(book: Book, escrow: Escrow, amount: int, made: Sequence[payments.Refund]) -> None:
    """So much was not refunded after all: it is in escrow again, for the legs that had given it,
    and the givers give theirs anew. A person decides what becomes of it.
    """
    failed = any(item.status == "failed" for item in made)
    support = [
        giver.amount * (escrow.refunded - amount) // escrow.paid - giver.returned
        for giver in escrow.givers
    ]
    support = [min(part, 0) for part in support]
    gave = [leg.waived + leg.returned for leg in escrow.legs]
    total = min(amount - sum(support), sum(gave))
    undone = _undone(escrow, amount, made)
    parts = rules.again(gave, undone, total)
    legs = [rules.restored(leg, part) for leg, part in zip(escrow.legs, parts, strict=True)]
    reason = "The provider could not refund it." if failed else "It was refunded once, not twice."
    entries = _square(book, escrow, legs, (), support, reason)
    if entries is None:
        return
    steps = noted(book, escrow, "funded", amount=amount, reason=reason, entries=entries, last=True)
    names = [name for step in undone for name in step.refunds]
    steps[-1] = _replace(steps[-1], refunds=names)
    escrow = book.change(
        escrow,
        refunded=escrow.refunded - amount,
        legs=legs,
        givers=rules.givers_after(escrow.givers, support),
        status=rules.status_of(legs),
        dispute=escrow.dispute or ("Its provider could not refund it." if failed else None),
        steps=steps,
    )
    tell(book, escrow)


def _undone(escrow: Escrow, amount: int, made: Sequence[payments.Refund]) -> list[Step]:
    """The lines of the history whose refunds came to nothing, if those explain the amount."""
    gone = {item.id for item in made if item.status not in _GIVEN}
    back = {name for step in escrow.steps if step.kind == "funded" for name in step.refunds}
    undone = [
        step
        for step in escrow.steps
        if step.kind == "refunded" and step.refunds and gone.issuperset(step.refunds)
        and back.isdisjoint(step.refunds)
    ]  # fmt: skip
    return undone if sum(step.amount for step in undone) == amount else []


def _square(
    book: Book,
    escrow: Escrow,
    legs: Sequence[EscrowLeg],
    taken: Sequence[Taking],
    support: Sequence[int],
    reason: str,
) -> list[str] | None:
    """Let the escrow have what its legs hold then. What the payment took out of it, and what it
    had to take from `receivable/refunds` because nothing was there, are made good by who gives.

    None when an account of the house is frozen: nothing is refused for that, and the next time
    that anything is heard of the payment it is tried again.
    """
    account = house_account(book, escrow.account, escrow.unit)
    posted: list[tuple[Account, int]] = []
    for taking in taken:
        if taking.account is not None:
            posted.append((taking.account, taking.there))
            posted.append((debt_account(book, escrow, taking.account), taking.owed))
    for giver, part in zip(escrow.givers, support, strict=True):
        posted.append((house_account(book, giver.account, escrow.unit), -part))
    posted.append((account, account.natural - sum(leg.held for leg in legs)))
    rest = -sum(amount for _, amount in posted)
    posted.append((house_account(book, payments.OWED, escrow.unit), rest))
    if any(amount and item.status != "active" for item, amount in posted):
        return None
    return booked(book, escrow, [(item.id, amount) for item, amount in posted], reason)
