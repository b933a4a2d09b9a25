"""Paying earnings out: an entry for each, and then what the owner owes is taken of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from khata.base.money import MAX_MINOR, to_positive_minor, to_text
from khata.domain.debts import collect
from khata.domain.earnings.model import (
    EARNINGS,
    WAYS,
    Earning,
    EarningKind,
    EarningPolicy,
    EarningsPaid,
)
from khata.domain.earnings.rules import amounts_in, earning_state, policy_in
from khata.domain.ledger import account_of, check_four_eyes, enter, house_account
from khata.domain.setup import exponent_of, setting, source_of
from khata.domain.wallets import ensure_wallet
from khata.engine.accounts import Account
from khata.engine.book import Book
from khata.errors import AmountTooLarge, CurrencyMismatch, Invalid
from khata.errors.market import AlreadyCounted

_MOST_REFERENCE: Final = 200


class Due(msgspec.Struct, frozen=True):
    """An earning that is to be paid. `minor`: minor units of `unit`."""

    kind: EarningKind
    unit: str
    minor: int
    reference: str


def pay(book: Book, owner: str, dues: Sequence[Due], path: str | None = None) -> EarningsPaid:
    """Pay what is due to an owner, each in an entry of its own, out of the house's expenses.

    `path`: the wallet that it goes to; left out, that of the earning's kind, opened when there is
    none. Four eyes look at what the whole command pays.

    Errors: `AlreadyCounted`, those of `wallet_of`, `ApprovalRequired`, those of `enter`.
    """
    for due in dues:
        _check_new(book, owner, due)
    wallets: dict[int, Account] = {}
    totals: dict[int, int] = {}
    going = []
    for due in dues:
        wallet = wallet_of(book, owner, WAYS[due.kind].wallet, due.unit, path)
        wallets[wallet.id] = wallet
        totals[wallet.id] = totals.get(wallet.id, 0) + due.minor
        going.append((due, wallet))
    _check_totals(book, wallets, totals)
    paid = [_pay(book, owner, due, wallet) for due, wallet in going]
    collected = [
        moved
        for number, wallet in wallets.items()
        for moved in collect(book, wallet, totals[number], reference=dues[0].reference)
    ]
    for earning in paid:
        _announce(book, earning)
    return EarningsPaid(owner, [earning_state(earning) for earning in paid], collected)


def wallet_of(book: Book, owner: str, kind: str, unit: str, path: str | None) -> Account:
    """The wallet that an owner is paid into.

    Errors: `Invalid` for somebody else's or an owner's name that is none, `WalletNotFound`,
    `CurrencyMismatch`, `UnknownCurrency`.
    """
    if path is None:
        return ensure_wallet(book, owner, kind, unit)
    wallet = account_of(book, path)
    if wallet.owner != owner:
        raise Invalid("The wallet is the earner's.", expected=owner, got=path[:200])
    if wallet.unit != unit:
        raise CurrencyMismatch(
            f"{path} is in {wallet.unit}, the earning in {unit}.", expected=wallet.unit, got=unit
        )
    return wallet


def policy_of(book: Book) -> EarningPolicy:
    """The setting `earnings`. Errors: as `checked`."""
    return checked(book, policy_in(setting(book, EARNINGS)))


def checked(book: Book, policy: EarningPolicy) -> EarningPolicy:
    """A policy all of whose amounts are amounts of this book, and whose bounds are in order.

    Errors: `InvalidAmount`, `TooManyDecimals`, `UnknownCurrency`; `Invalid` for bounds that leave
    no room, or not for the rate between them.
    """
    for money in amounts_in(policy):
        to_positive_minor(money.amount, exponent_of(book, money.currency))
    rate = policy.views
    places = exponent_of(book, rate.least.currency)
    least, otherwise, most = (
        to_positive_minor(money.amount, places) for money in (rate.least, rate.otherwise, rate.most)
    )
    if not least <= otherwise <= most:
        raise Invalid(
            "What views bring otherwise is between the least and the most.",
            expected=f"{rate.least.amount} to {rate.most.amount}",
            got=rate.otherwise.amount,
        )
    return policy


def check_reference(name: str, text: str) -> None:
    """Errors: `Invalid` unless it has 1 to 200 characters."""
    if not text.strip() or len(text) > _MOST_REFERENCE:
        raise Invalid(f"The {name} has 1 to 200 characters.", expected="1 to 200", got=text[:60])


def _check_new(book: Book, owner: str, due: Due) -> None:
    known = book.peek(Earning, (owner, due.kind, due.reference))
    if known is not None:
        raise AlreadyCounted(
            f"The {due.kind} for {due.reference} was paid to {owner} already.",
            expected="a reference that was not paid yet",
            got=due.reference,
            entry=known.entry,
        )


def _check_totals(book: Book, wallets: dict[int, Account], totals: dict[int, int]) -> None:
    for number, wallet in wallets.items():
        if totals[number] > MAX_MINOR:
            raise AmountTooLarge(
                "The earning is too large.",
                expected=to_text(MAX_MINOR, wallet.exponent),
                got=to_text(totals[number], wallet.exponent),
            )
        check_four_eyes(book, wallet, totals[number])


def _pay(book: Book, owner: str, due: Due, wallet: Account) -> Earning:
    way = WAYS[due.kind]
    house = house_account(book, way.expense, due.unit)
    moved = enter(
        book,
        ((house.id, due.minor), (wallet.id, -due.minor)),
        type=due.kind,
        source=source_of(book, way.source),
        reference=due.reference,
    )
    return book.add(
        Earning(
            owner=owner,
            kind=due.kind,
            reference=due.reference,
            number=book.new_number(),
            amount=due.minor,
            unit=due.unit,
            exponent=wallet.exponent,
            wallet=wallet.code.removeprefix("wallet/"),
            entry=moved.id,
            at=book.now,
        )
    )


def _announce(book: Book, earning: Earning) -> None:
    state = earning_state(earning)
    book.announce(
        "earning.paid",
        state.id,
        state.owner,
        earning_kind=state.kind,
        amount=state.amount,
        currency=state.currency,
        reference=state.reference,
        wallet=state.wallet,
        entry=state.entry,
    )
