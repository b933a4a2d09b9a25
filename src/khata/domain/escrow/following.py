"""What goes back past an escrow, or comes again: its legs follow in the same command.

Whoever refunds a payment, we, our staff or its provider beside us, and whichever refund fails in
the end: what the payment has given is what the escrow's payer has back. The legs are moved by the
difference, so that doing it twice does nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from khata.domain import payments
from khata.domain.escrow import rules
from khata.domain.escrow.holding import noted, tell
from khata.domain.escrow.model import Escrow
from khata.domain.escrow.model import Leg as EscrowLeg
from khata.domain.escrow.refunding import Taking, debt_account, owe, takings
from khata.domain.ledger import Moved, enter, house_account, share
from khata.domain.setup import source_of
from khata.engine.accounts import Account
from khata.engine.book import Book, Leg

_GIVEN = frozenset({"pending", "succeeded"})


@payments.followed_by
def follow(book: Book, payment: payments.Payment) -> None:
    """Let the escrow of a payment know what became of the payment's refunds."""
    escrow = book.peek(Escrow, payment.subject) if payment.subject is not None else None
    if escrow is None or escrow.payment != payment.id:
        return
    made = book.find(payments.Refund, payment=payment.id)
    given = min(sum(item.amount for item in made if item.status in _GIVEN), escrow.paid)
    if given > escrow.refunded:
        _went(book, escrow, given - escrow.refunded)
    elif given < escrow.refunded:
        failed = any(item.status == "failed" for item in made)
        _came_again(book, escrow, escrow.refunded - given, failed=failed)


def _went(book: Book, escrow: Escrow, amount: int) -> None:
    """So much was refunded past the escrow: all give what they have of it, or owe it."""
    amount = min(amount, rules.most_refundable(escrow, "pro_rata"))
    support = rules.support_back(escrow, amount)
    parts = rules.refund_parts(escrow, amount + sum(support), "pro_rata")
    taken = takings(book, escrow, parts, "owe")
    legs, _ = rules.given_back(escrow.legs, parts, [taking.owed for taking in taken])
    reason = "It was refunded by its payment."
    moved = _square(book, escrow, legs, taken, support, reason)
    if moved is None:
        return
    owe(book, escrow, taken, reason)
    escrow = book.change(
        escrow,
        refunded=escrow.refunded + amount,
        legs=legs,
        givers=rules.givers_after(escrow.givers, support),
        status=rules.status_of(legs),
        steps=noted(book, escrow, "refunded", amount=amount, reason=reason, moved=moved, last=True),
    )
    tell(book, escrow)


def _came_again(book: Book, escrow: Escrow, amount: int, *, failed: bool) -> None:
    """So much was not refunded after all: it is in escrow again, for the legs that had given it,
    and the givers give theirs anew. A person decides what becomes of it.
    """
    support = [
        giver.amount * (escrow.refunded - amount) // escrow.paid - giver.returned
        for giver in escrow.givers
    ]
    support = [min(part, 0) for part in support]
    gave = [leg.waived + leg.returned for leg in escrow.legs]
    total = min(amount - sum(support), sum(gave))
    parts = share(total, gave) if total else [0] * len(gave)
    legs = [rules.restored(leg, part) for leg, part in zip(escrow.legs, parts, strict=True)]
    reason = "The provider could not refund it." if failed else "It was refunded once, not twice."
    moved = _square(book, escrow, legs, (), support, reason)
    if moved is None:
        return
    escrow = book.change(
        escrow,
        refunded=escrow.refunded - amount,
        legs=legs,
        givers=rules.givers_after(escrow.givers, support),
        status=rules.status_of(legs),
        dispute=escrow.dispute or ("Its provider could not refund it." if failed else None),
        steps=noted(book, escrow, "funded", amount=amount, reason=reason, moved=moved, last=True),
    )
    tell(book, escrow)


def _square(
    book: Book,
    escrow: Escrow,
    legs: Sequence[EscrowLeg],
    taken: Sequence[Taking],
    support: Sequence[int],
    reason: str,
) -> list[Moved] | None:
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
    posted = [leg for leg in posted if leg[1]]
    if any(item.status != "active" for item, _ in posted):
        return None
    entry: list[Leg] = [(item.id, amount) for item, amount in posted]
    if not entry:
        return []
    return [
        enter(
            book,
            entry,
            type="refund",
            source=source_of(book, "refund"),
            reference=escrow.ref,
            note=reason,
            metered=False,
        )
    ]
