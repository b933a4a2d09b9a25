"""What owners owe the house: repaying, writing off, and the rules of netting."""

from __future__ import annotations

from typing import Final

import msgspec

from khata.base.money import Money, to_text
from khata.domain.debts import rules
from khata.domain.debts.model import NETTING, Debt, DebtState, Netting
from khata.domain.debts.owing import debt_of, pay, write_off
from khata.domain.ledger import (
    check_four_eyes,
    check_reason,
    house_account,
    minor_of,
    wallet_account,
)
from khata.domain.setup import acts_alone, keep
from khata.engine.book import Book
from khata.engine.command import Command, Verbs
from khata.errors import ApprovalRequired, Invalid, InvalidTransition
from khata.errors.market import RepaymentExceeded

VERBS: Final = Verbs()


class RepayDebt(Command, frozen=True, tag="debts.repay"):
    """Repay a debt, wholly or in part, from a wallet of who owes it. The fee is paid first."""

    debt: str
    wallet: str
    amount: Money


class WriteOffDebt(Command, frozen=True, tag="debts.write_off", omit_defaults=True):
    """Give up what is outstanding of a debt, or `amount` of it. Always takes a second person."""

    debt: str
    reason: str
    amount: Money | None = None


class SetNetting(Command, frozen=True, tag="debts.set_netting", omit_defaults=True):
    """Say in which order debts are netted from earnings, and how much of an earning each kind
    may take, in basis points of 10000. A kind that `order` leaves out is not netted; one that
    `most` leaves out has what is usual for it.
    """

    order: list[str]
    most: dict[str, int] = msgspec.field(default_factory=dict)


@VERBS.handles(RepayDebt, roles=("owner", "admin", "finance", "service"))
def handle_repay(book: Book, command: RepayDebt) -> DebtState:
    """Errors: `DebtNotFound`, `WalletNotFound`, `NotYours`, `Invalid` for a wallet of another,
    `RepaymentExceeded`, `CurrencyMismatch`, `ApprovalRequired`, `InsufficientFunds`.
    """
    return rules.state_of(repay(book, debt_of(book, command.debt), command.wallet, command.amount))


def repay(book: Book, debt: Debt, wallet: str, amount: Money) -> Debt:
    """Repay a debt by hand: from another room's handler. Errors: those of `debts.repay`."""
    account = wallet_account(book, wallet)
    if account.owner != debt.owner:
        raise Invalid(
            "A debt is repaid from a wallet of who owes it.", expected=debt.owner, got=wallet[:200]
        )
    minor = minor_of(book, house_account(book, debt.account, debt.unit), amount)
    minor_of(book, account, amount)
    _check_outstanding(debt, minor)
    check_four_eyes(book, account, minor)
    return pay(book, debt, account, minor, "by_hand")[0]


@VERBS.handles(WriteOffDebt, roles=("admin", "finance"))
def handle_write_off(book: Book, command: WriteOffDebt) -> DebtState:
    """Errors: `DebtNotFound`, `InvalidTransition` unless open, `RepaymentExceeded`,
    `CurrencyMismatch`, `Invalid`, `ApprovalRequired`.
    """
    check_reason(command.reason)
    debt = debt_of(book, command.debt)
    if debt.status != "open":
        raise InvalidTransition(f"{debt.id} is {debt.status}.", expected="open", got=debt.status)
    minor = rules.outstanding(debt)
    if command.amount is not None:
        minor = minor_of(book, house_account(book, debt.account, debt.unit), command.amount)
    _check_outstanding(debt, minor)
    if acts_alone(book):
        raise ApprovalRequired(
            "To write a debt off a second person must approve: ask for it first.",
            expected="an approved request",
            got=to_text(minor, debt.exponent),
            currency=debt.unit,
        )
    return rules.state_of(write_off(book, debt, minor, command.reason)[0])


@VERBS.handles(SetNetting, roles=("admin",))
def set_netting(book: Book, command: SetNetting) -> Netting:
    """Errors: `Invalid` for unknown or repeated kinds, or shares beyond 0 to 10000."""
    wanted = {"order": command.order, "most": command.most}
    netting = rules.policy(wanted)
    keep(book, NETTING, wanted)
    return netting


def _check_outstanding(debt: Debt, minor: int) -> None:
    left = rules.outstanding(debt)
    if minor > left:
        raise RepaymentExceeded(
            f"Of {debt.id} {to_text(left, debt.exponent)} {debt.unit} are outstanding.",
            expected=to_text(left, debt.exponent),
            got=to_text(minor, debt.exponent),
            currency=debt.unit,
        )
