"""Investments: an owner buys shares out of stock, by the saga `investment`; and may be given back.

The saga's steps are in `sagas.py`; here is what begins it, and what takes a completed one back.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from khata.base.money import MAX_MINOR, Money, to_text
from khata.domain import benefits
from khata.domain.inventory import stocking
from khata.domain.inventory.commands import VERBS, check_payer
from khata.domain.inventory.model import (
    SHARES,
    Investment,
    InvestmentState,
    Item,
    subject_of,
)
from khata.domain.inventory.rules import investment_state
from khata.domain.ledger import (
    check_four_eyes,
    check_reason,
    enter,
    house_account,
    minor_of,
    wallet_account,
)
from khata.domain.setup import source_of
from khata.engine.accounts import Account
from khata.engine.book import Book, Leg
from khata.engine.command import Command
from khata.engine.sagas import start
from khata.errors import (
    AlreadyExists,
    AmountTooLarge,
    CurrencyMismatch,
    Invalid,
    InvalidTransition,
    NotYours,
    RoleRequired,
)
from khata.errors.market import InvestmentNotFound

_REFERENCE: Final = re.compile(r"[^\x00-\x1f\x7f]{1,200}")
_CODE: Final = re.compile(r"[^\s/\x00-\x1f\x7f]{1,100}")
_MOST_CODES: Final = 10


class StartInvestment(Command, frozen=True, tag="investments.start", omit_defaults=True):
    """Buy shares for the owner of a wallet, in the wallet's currency.

    `received`: what came for it from outside, as `evidence` shows, into the house account
    `paid_from`: it is credited to the wallet first. Without it the wallet has the money.
    `codes`: campaigns that take something off. If anything fails, everything is undone.
    """

    reference: str
    wallet: str
    sku: str
    quantity: int
    codes: list[str] = msgspec.field(default_factory=list)
    received: Money | None = None
    paid_from: str = "cash/main"
    evidence: str | None = None


class CancelInvestment(Command, frozen=True, tag="investments.cancel"):
    """Take a completed investment back: the shares into their lots, the money into the wallet."""

    investment: str
    reason: str


@VERBS.handles(StartInvestment, roles=("owner", "admin", "finance", "service"))
def start_investment(book: Book, command: StartInvestment) -> InvestmentState:
    """Errors: `WalletNotFound`, `NotYours`, `StockNotFound`, `InvalidTransition` for an item that
    is retired, `CurrencyMismatch`, `AlreadyExists` for a reference that was used, `Invalid`,
    `RoleRequired` for an owner who says what was received, `ApprovalRequired`.
    """
    account = wallet_account(book, command.wallet)
    _check_texts(command)
    if book.find_one(Investment, reference=command.reference) is not None:
        raise AlreadyExists("This reference was used.", got=command.reference[:60])
    item = _share(book, command.sku, account)
    total = _total(item, command.quantity)
    credited = _received(book, command, account)
    check_four_eyes(book, account, max(total, credited))
    investment = Investment(
        id=book.new_id("inv"),
        reference=command.reference,
        owner=account.owner or "",
        wallet=account.code.removeprefix("wallet/"),
        sku=item.sku,
        quantity=command.quantity,
        price=item.price,
        total=total,
        benefit=0,
        paid=0,
        credited=credited,
        unit=item.unit,
        exponent=item.exponent,
        codes=command.codes,
        borne=[],
        paid_from=command.paid_from if credited else None,
        evidence=command.evidence,
        status="started",
        saga=None,
        allocation=None,
        entries=[],
        code=None,
        reason=None,
        created_at=book.now,
        completed_at=None,
        ended_at=None,
    )
    investment = book.add(investment)
    saga = start(
        book,
        "investment",
        {"investment": investment.id},
        reference=subject_of(investment.id),
        amount=Money(to_text(total, item.exponent), item.unit),
    )
    return investment_state(book.change(investment, saga=saga))


@VERBS.handles(CancelInvestment, roles=("admin", "finance", "service"))
def cancel_investment(book: Book, command: CancelInvestment) -> InvestmentState:
    """Errors: `InvestmentNotFound`; `InvalidTransition` unless completed; `Invalid` reason,
    `ApprovalRequired`, `AccountFrozen`.
    """
    check_reason(command.reason)
    investment = investment_of(book, command.investment)
    if investment.status != "completed":
        raise InvalidTransition(
            f"{investment.id} is {investment.status}.", expected="completed", got=investment.status
        )
    check_four_eyes(book, wallet_of(book, investment), investment.total)
    if investment.allocation is not None:
        stocking.give_back(book, investment.allocation)
    # what campaigns bore comes off their expense, not out of what is still promised
    investment = pay(book, investment, -1, of_campaigns="")
    if investment.benefit:
        benefits.take_back(book, subject_of(investment.id))
    investment = book.change(
        investment, status="cancelled", reason=command.reason, ended_at=book.now
    )
    announce(book, investment)
    return investment_state(investment)


# ── what the saga's steps do as well ─────────────────────────────────────────────────


def investment_of(book: Book, name: str) -> Investment:
    """An investment. Errors: `InvestmentNotFound`, `NotYours`."""
    investment, owner = book.peek(Investment, name), book.actor.owner
    if owner is not None and (investment is None or investment.owner != owner):
        raise NotYours("This is not yours, or does not exist.", expected=owner)
    if investment is None:
        raise InvestmentNotFound(f"No investment {name[:100]!r}.", got=name[:100])
    return investment


def wallet_of(book: Book, investment: Investment) -> Account:
    """The wallet that pays. Errors: `WalletNotFound`."""
    return wallet_account(book, investment.wallet)


def pay(book: Book, investment: Investment, sign: int, *, of_campaigns: str) -> Investment:
    """The purchase, with `sign` 1; and -1 takes it back.

    The wallet pays its part and each campaign its own: out of what was promised, which is under
    `of_campaigns` before the campaign's own path, or against its expense where that is empty.

    Errors: those of `enter`; `InsufficientFunds` first of all.
    """
    parts = [(wallet_of(book, investment).id, sign * investment.paid)]
    for part in investment.borne:
        code = of_campaigns + part.account.partition("/")[2] if of_campaigns else part.account
        parts.append((house_account(book, code, investment.unit).id, sign * part.amount))
    total = sum(amount for _, amount in parts)
    parts.append((house_account(book, SHARES, investment.unit).id, -total))
    return post(book, investment, parts, "investment", metered=sign > 0)


def post(
    book: Book, investment: Investment, legs: list[Leg], kind: str, *, metered: bool = False
) -> Investment:
    """An entry of an investment, unless nothing moves; the investment, which remembers it."""
    moving = [leg for leg in legs if leg[1]]
    if not moving:
        return investment
    moved = enter(
        book,
        moving,
        type=kind,
        source=source_of(book, "investment"),
        reference=subject_of(investment.id),
        metered=metered,
    )
    return book.change(investment, entries=[*investment.entries, moved.id])


def announce(book: Book, investment: Investment) -> None:
    """Tell the world outside what became of an investment."""
    book.announce(
        f"investment.{investment.status}",
        investment.id,
        investment.owner,
        reference=investment.reference,
        sku=investment.sku,
        quantity=investment.quantity,
        total=to_text(investment.total, investment.exponent),
        benefit=to_text(investment.benefit, investment.exponent),
        paid=to_text(investment.paid, investment.exponent),
        currency=investment.unit,
        status=investment.status,
        code=investment.code,
    )


# ── what is asked for ────────────────────────────────────────────────────────────────


def _check_texts(command: StartInvestment) -> None:
    if not _REFERENCE.fullmatch(command.reference) or not command.reference.strip():
        raise Invalid(
            "An investment has a reference of 1 to 200 characters.", got=command.reference[:60]
        )
    codes = command.codes
    if len(codes) > _MOST_CODES or not all(_CODE.fullmatch(code) for code in codes):
        raise Invalid("Name at most 10 campaigns.", expected="codes of campaigns", got=len(codes))
    if (command.received is None) != (command.evidence is None):
        raise Invalid(
            "Say what was received together with its evidence, or neither.",
            expected="received and evidence, or neither",
        )
    if command.evidence is not None:
        check_reason(command.evidence)


def _share(book: Book, sku: str, account: Account) -> Item:
    item = stocking.active_item(book, sku)
    if item.kind != "share":
        raise Invalid(f"{sku} is no share.", expected="share", got=item.kind)
    if item.unit != account.unit:
        raise CurrencyMismatch(
            f"{sku} is sold in {item.unit}, {account.code} is in {account.unit}.",
            expected=item.unit,
            got=account.unit,
        )
    return item


def _total(item: Item, quantity: int) -> int:
    stocking.check_pieces(quantity)
    total = item.price * quantity
    if total > MAX_MINOR:
        raise AmountTooLarge("That is too much money.", expected=MAX_MINOR, got=quantity)
    return total


def _received(book: Book, command: StartInvestment, account: Account) -> int:
    """Minor units that came from outside; 0 for none."""
    if command.received is None:
        return 0
    if book.actor.owner is not None:
        raise RoleRequired(
            "Others say what an owner paid.", expected=["admin", "finance", "service"]
        )
    house_account(book, check_payer(command.paid_from), account.unit)
    return minor_of(book, account, command.received)
