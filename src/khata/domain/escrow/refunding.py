"""Giving back out of an escrow: from those who shared it, to who paid.

Each leg gives what the policy says, first what it has not received yet. Who has it no more owes
it to the house, which pays in their place; it is taken out of what they earn later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from khata.domain import debts, payments
from khata.domain.escrow import rules
from khata.domain.escrow.holding import account_of_leg, noted, tell
from khata.domain.escrow.model import RECEIVABLE, Escrow, MoveKind, Policy
from khata.domain.ledger import account_of, entered, house_account
from khata.domain.setup import source_of
from khata.engine import limits
from khata.engine.accounts import Account
from khata.engine.book import Book, Leg

Frozen = Literal["refuse", "owe"]


class Back(msgspec.Struct, frozen=True):
    """How something is given back. `amount`: what the payer gets, minor units; None is all that
    the policy leaves. `named`: leg → minor units. `frozen`: whether a frozen wallet refuses, or
    its owner owes.
    """

    reason: str
    amount: int | None = None
    policy: Policy = "pro_rata"
    named: Mapping[str, int] | None = None
    frozen: Frozen = "refuse"


def wanted(escrow: Escrow, back: Back, lost: int = 0) -> int:
    """What the payer is to get; of what they took back themselves, if they did (`lost`), what is
    to be given of that. Errors: `RefundExceeded`.
    """
    if back.policy == "named":
        most = escrow.paid - escrow.refunded
        amount = back.amount if back.amount is not None else sum((back.named or {}).values())
    else:
        most = rules.most_refundable(escrow, back.policy)
        most = min(most, lost or most)
        amount = most if back.amount is None else back.amount
    most = min(most, lost or most)
    if not 0 < amount <= most:
        raise rules.exceeded(escrow, most, amount)
    return amount


def refund(book: Book, escrow: Escrow, back: Back) -> Escrow:
    """Give money back to who paid, and to the givers their part of it. Who took it back through
    their bank already gets nothing more: it makes that good to the house.

    Errors: `RefundExceeded`, `Invalid`, `AccountFrozen`, `AccountClosed`; of a payment at a
    provider those of `payments.open_refund`.
    """
    lost = _lost(book, escrow)
    amount = wanted(escrow, back, lost)
    support = rules.support_back(escrow, amount)
    given = amount + sum(support)
    named = back.named
    if back.policy == "named" and named is not None and support:
        named = _with_support(named, sum(support))
    parts = rules.refund_parts(escrow, given, back.policy, named)
    taken = takings(book, escrow, parts, back.frozen)
    owed = [taking.owed for taking in taken]
    legs, out = rules.given_back(escrow.legs, parts, owed)
    to = _goes_to(book, escrow, lost)
    gets = [] if to is None else [(to.id, -amount)]
    for giver, part in zip(escrow.givers, support, strict=True):
        gets.append((house_account(book, giver.account, escrow.unit).id, -part))
    kept = amount if to is None else 0
    entries = _enter(book, escrow, taken, out - kept, gets, back.reason)
    last, reason = back.amount is None, back.reason
    kind: MoveKind = "charged_back" if lost else "refunded"
    steps = noted(book, escrow, kind, amount=amount, reason=reason, entries=entries, last=last)
    owe(book, escrow, taken, back.reason)
    escrow = book.change(
        escrow,
        refunded=escrow.refunded + amount,
        legs=legs,
        givers=rules.givers_after(escrow.givers, support),
        status=rules.status_of(legs),
        steps=steps,
    )
    if to is None:
        escrow = _ask_payment(book, escrow, amount, parts, back.reason)
    tell(book, escrow)
    return escrow


def _lost(book: Book, escrow: Escrow) -> int:
    """What the payer took back through their bank, and no leg has given yet."""
    if escrow.payment is None:
        return 0
    payment = book.get(payments.Payment, escrow.payment)
    return max(payments.lost(book, payment) - rules.charged_back(escrow), 0)


def _goes_to(book: Book, escrow: Escrow, lost: int) -> Account | None:
    """Who gets it at once; None where it stays in escrow until the payment gives it back."""
    if lost:
        return house_account(book, payments.LOST, escrow.unit)
    return None if escrow.payment is not None else account_of(book, escrow.payer or "", escrow.unit)


def _ask_payment(
    book: Book, escrow: Escrow, amount: int, parts: Sequence[int], reason: str
) -> Escrow:
    """Have its payment give it back. The history says which refund that is and who gave what of
    it: should it fail, they have it again.
    """
    at = len(escrow.steps) - 1
    payment = book.get(payments.Payment, escrow.payment)
    made = payments.open_refund(book, payment, amount, reason)
    escrow = book.get(Escrow, escrow.ref)
    steps = list(escrow.steps)
    steps[at] = msgspec.structs.replace(steps[at], refunds=[made.id], parts=list(parts))
    return book.change(escrow, steps=steps)


def _with_support(named: Mapping[str, int], support: int) -> Mapping[str, int]:
    """What the givers get back comes from the first leg that is named, on top."""
    first = next(iter(named), None)
    return {name: part + (support if name == first else 0) for name, part in named.items()}


class Taking(msgspec.Struct, frozen=True):
    """What is taken from one leg: from its account, and what it owes; the rest is in escrow."""

    account: Account | None = None
    there: int = 0
    owed: int = 0


def takings(book: Book, escrow: Escrow, parts: Sequence[int], frozen: Frozen) -> list[Taking]:
    """For each leg what is taken; two legs on one wallet find the money there once."""
    found: list[Taking] = []
    spent: dict[int, int] = {}
    for leg, part in zip(escrow.legs, parts, strict=True):
        due = part - min(part, leg.held)
        if not due:
            found.append(Taking())
            continue
        account = account_of_leg(book, escrow, leg)
        room = _room(account, frozen)
        if room is not None:
            room = max(room - spent.get(account.id, 0), 0)
        there = due if room is None else min(due, room)
        spent[account.id] = spent.get(account.id, 0) + there
        found.append(Taking(account, there, due - there))
    return found


def _room(account: Account, frozen: Frozen) -> int | None:
    """How much can be taken from an account; None is without limit.

    Errors: `AccountFrozen`, `AccountClosed` when those are to refuse.
    """
    if account.owner is None:  # the house owes itself nothing: it gives
        return None
    if account.status == "active":
        return limits.headroom(account)
    if frozen == "refuse":
        limits.check_status(account)
    return 0


def _enter(
    book: Book,
    escrow: Escrow,
    takings: Sequence[Taking],
    out: int,
    gets: Sequence[Leg],
    reason: str,
) -> list[str]:
    """One entry from all who give, `out` of it out of escrow, to all who get."""
    unit = escrow.unit
    legs: list[Leg] = []
    for taking in takings:
        if taking.account is not None and taking.there:
            legs.append((taking.account.id, taking.there))
        if taking.account is not None and taking.owed:
            legs.append((debt_account(book, escrow, taking.account).id, taking.owed))
    legs.append((house_account(book, escrow.account, unit).id, out))
    return booked(book, escrow, [*legs, *gets], reason)


def booked(book: Book, escrow: Escrow, legs: Sequence[Leg], reason: str) -> list[str]:
    """The entry of what is given back, by its id; none where nothing moves."""
    moving = [leg for leg in legs if leg[1]]
    if not moving:
        return []
    source = source_of(book, "refund")
    name = entered(book, moving, type="refund", source=source, reference=escrow.ref, note=reason)
    return [name]


def debt_account(book: Book, escrow: Escrow, wallet: Account) -> Account:
    """Where stands what the owner of a wallet owes of a refund."""
    code = debts.account_code(RECEIVABLE, wallet.owner or "house")
    return house_account(book, code, escrow.unit)


def owe(book: Book, escrow: Escrow, takings: Sequence[Taking], reason: str) -> None:
    """Write down what those owe who have not got what they are to give."""
    for taking in takings:
        if taking.account is not None and taking.account.owner is not None and taking.owed:
            debts.owe(
                book,
                taking.account.owner,
                RECEIVABLE,
                escrow.unit,
                taking.owed,
                reference=escrow.ref,
                reason=reason,
                wallet=taking.account.code.removeprefix("wallet/"),
            )
