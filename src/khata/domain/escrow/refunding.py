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
from khata.domain.escrow.model import RECEIVABLE, Escrow, Policy
from khata.domain.ledger import Moved, account_of, enter, house_account
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


def wanted(escrow: Escrow, back: Back) -> int:
    """What the payer is to get. Errors: `RefundExceeded`."""
    if back.policy == "named":
        most = escrow.paid - escrow.refunded
        amount = back.amount if back.amount is not None else sum((back.named or {}).values())
    else:
        most = rules.most_refundable(escrow, back.policy)
        amount = most if back.amount is None else back.amount
    if not 0 < amount <= most:
        raise rules.exceeded(escrow, most, amount)
    return amount


def refund(book: Book, escrow: Escrow, back: Back) -> Escrow:
    """Give money back to who paid, and to the givers their part of it.

    Errors: `RefundExceeded`, `Invalid`, `AccountFrozen`, `AccountClosed`; of a payment at a
    provider those of `payments.open_refund`.
    """
    amount = wanted(escrow, back)
    support = rules.support_back(escrow, amount)
    given = amount + sum(support)
    named = back.named
    if back.policy == "named" and named is not None and support:
        named = _with_support(named, sum(support))
    parts = rules.refund_parts(escrow, given, back.policy, named)
    taken = takings(book, escrow, parts, back.frozen)
    owed = [taking.owed for taking in taken]
    legs, out = rules.given_back(escrow.legs, parts, owed)
    moved = _enter(book, escrow, taken, out, amount, support, back.reason)
    last, reason = back.amount is None, back.reason
    steps = noted(book, escrow, "refunded", amount=amount, reason=reason, moved=moved, last=last)
    owe(book, escrow, taken, back.reason)
    escrow = book.change(
        escrow,
        refunded=escrow.refunded + amount,
        legs=legs,
        givers=rules.givers_after(escrow.givers, support),
        status=rules.status_of(legs),
        steps=steps,
    )
    if escrow.payment is not None:
        payment = book.get(payments.Payment, escrow.payment)
        payments.open_refund(book, payment, amount, back.reason)
    tell(book, escrow)
    return escrow


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
    amount: int,
    support: Sequence[int],
    reason: str,
) -> list[Moved]:
    """One entry from all who give to all who get. What a payment gives back stays in escrow
    until it does.
    """
    unit = escrow.unit
    legs: list[Leg] = []
    for taking in takings:
        if taking.account is not None and taking.there:
            legs.append((taking.account.id, taking.there))
        if taking.account is not None and taking.owed:
            legs.append((debt_account(book, escrow, taking.account).id, taking.owed))
    kept = amount if escrow.payment is not None else 0
    legs.append((house_account(book, escrow.account, unit).id, out - kept))
    if not kept:
        legs.append((account_of(book, escrow.payer or "", unit).id, -amount))
    for giver, part in zip(escrow.givers, support, strict=True):
        legs.append((house_account(book, giver.account, unit).id, -part))
    legs = [leg for leg in legs if leg[1]]
    if not legs:
        return []
    return [
        enter(
            book,
            legs,
            type="refund",
            source=source_of(book, "refund"),
            reference=escrow.ref,
            note=reason,
            metered=False,
        )
    ]


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
