"""Loans and floats: granting, repaying, writing off, and noticing what is overdue."""

from __future__ import annotations

from typing import Final

import msgspec

from khata.base.clock import DAY
from khata.base.money import Money, to_minor, to_text
from khata.domain import debts
from khata.domain.debts import Debt
from khata.domain.ledger import check_four_eyes, enter, house_account, minor_of, wallet_account
from khata.domain.loans import rules
from khata.domain.loans.model import (
    DEBT_KINDS,
    FEES,
    LOANS,
    Instalment,
    Loan,
    LoanKind,
    LoanState,
    Policy,
)
from khata.domain.setup import exponent_of, setting, source_of
from khata.engine.accounts import Account
from khata.engine.book import Book
from khata.engine.command import Command, Verbs
from khata.errors import Invalid, NotYours
from khata.errors.market import LoanNotFound, LoanRefused

VERBS: Final = Verbs()
_MOST_INSTALMENTS: Final = 120
_MOST_DAYS: Final = 366
_MOST_TEXT: Final = 500
_MOST_LOOKED_AT: Final = 500


class GrantLoan(Command, frozen=True, tag="loans.grant", omit_defaults=True):
    """Lend money into a wallet, to be paid back in instalments: the first after
    `first_due_in_days`, each further one `every_days` later. `fee`: what is owed beyond it.
    """

    wallet: str
    amount: Money
    instalments: int = 1
    every_days: int = 30
    first_due_in_days: int = 30
    fee: Money | None = None
    reference: str | None = None


class AdvanceFloat(Command, frozen=True, tag="loans.advance_float", omit_defaults=True):
    """Give a mover money to work with; it is settled from what they earn next."""

    wallet: str
    amount: Money
    reference: str | None = None


class RepayLoan(Command, frozen=True, tag="loans.repay", omit_defaults=True):
    """Repay a loan or a float, wholly or in part, the fee first; instalments in their order.

    `wallet`: left out, the one that received the loan.
    """

    loan: str
    amount: Money
    wallet: str | None = None


class WriteOffLoan(Command, frozen=True, tag="loans.write_off", omit_defaults=True):
    """Give up what is outstanding of a loan, or `amount` of it. Always takes a second person."""

    loan: str
    reason: str
    amount: Money | None = None


class MarkOverdue(Command, frozen=True, tag="loans.mark_overdue"):
    """Look at loans of which an instalment came due (`due` lists them), and tell of those that
    are overdue: once for each instalment. What is not due is left as it is.
    """

    loans: list[str]


class Marked(msgspec.Struct, frozen=True):
    """Which loans were found overdue, of those that were looked at."""

    overdue: list[LoanState]


@VERBS.handles(GrantLoan, roles=("admin", "finance", "service"))
def grant(book: Book, command: GrantLoan) -> LoanState:
    """Errors: `Invalid` terms; `LoanRefused` with `reason` `above_most`, `overdue` or
    `too_many`; `WalletNotFound`, `CurrencyMismatch`, those of an amount, `ApprovalRequired`.
    """
    wallet = wallet_account(book, command.wallet)
    principal = minor_of(book, wallet, command.amount)
    fee = _fee(book, wallet, command.fee)
    _check_terms(command, principal)
    known = open_loans(book, wallet.owner or "", "dhaar")
    policy = policy_of(book)
    _check_standing(book, known, policy)
    _check_most(known, wallet, principal, policy.most)
    check_four_eyes(book, wallet, principal + fee)
    parts = rules.schedule(
        principal,
        fee,
        command.instalments,
        first_at=book.now + command.first_due_in_days * DAY,
        every_days=command.every_days,
    )
    return _lend(book, wallet, "dhaar", principal, fee, parts, command.reference)


@VERBS.handles(AdvanceFloat, roles=("admin", "finance", "service"))
def advance_float(book: Book, command: AdvanceFloat) -> LoanState:
    """Errors: `LoanRefused` with `reason` `above_most`; `WalletNotFound`, `CurrencyMismatch`,
    those of an amount, `ApprovalRequired`.
    """
    wallet = wallet_account(book, command.wallet)
    principal = minor_of(book, wallet, command.amount)
    known = open_loans(book, wallet.owner or "", "float")
    _check_most(known, wallet, principal, policy_of(book).float_most)
    check_four_eyes(book, wallet, principal)
    return _lend(book, wallet, "float", principal, 0, [], command.reference)


@VERBS.handles(RepayLoan, roles=("owner", "admin", "finance", "service"))
def repay(book: Book, command: RepayLoan) -> LoanState:
    """Errors: `LoanNotFound`, those of `debts.repay`."""
    loan, debt = loan_of(book, command.loan)
    debt = debts.repay(book, debt, command.wallet or loan.wallet, command.amount)
    return rules.state_of(loan, debt, book.now)


@VERBS.handles(WriteOffLoan, roles=("admin", "finance"))
def write_off(book: Book, command: WriteOffLoan) -> LoanState:
    """Errors: `LoanNotFound`, those of `debts.write_off`."""
    loan, debt = loan_of(book, command.loan)
    book.perform(debts.WriteOffDebt(debt.id, command.reason, command.amount))
    return rules.state_of(loan, book.get(Debt, debt.id), book.now)


@VERBS.handles(MarkOverdue, roles=("admin", "finance", "service"))
def mark_overdue(book: Book, command: MarkOverdue) -> Marked:
    """Errors: `LoanNotFound`; `Invalid` for more than 500 loans."""
    if len(command.loans) > _MOST_LOOKED_AT:
        raise Invalid(
            "At most 500 loans are looked at in one go.",
            expected=_MOST_LOOKED_AT,
            got=len(command.loans),
        )
    names = dict.fromkeys(command.loans)
    book.expect((Loan, name) for name in names)
    book.expect((Debt, loan.debt) for name in names if (loan := book.peek(Loan, name)))
    found = []
    for name in names:
        loan, debt = loan_of(book, name)
        if _look(book, loan, debt):
            found.append(rules.state_of(loan, debt, book.now))
    return Marked(found)


def _look(book: Book, loan: Loan, debt: Debt) -> bool:
    """Whether a loan is overdue with an instalment that nobody was told of yet; tells of it."""
    stands = rules.standing(loan, debt, book.now)
    ahead = loan.instalments[stands.due :] if debt.status == "open" else []
    look_at = ahead[0].due_at if ahead else None
    if (stands.due, look_at) == (loan.told, loan.look_at):
        return False
    fresh = stands.due > loan.told
    book.change(loan, told=stands.due, look_at=look_at)
    if not fresh or not stands.overdue:
        return False
    book.announce(
        "loan.overdue",
        loan.id,
        loan.owner,
        loan_kind=loan.kind,
        overdue=to_text(stands.overdue, loan.exponent),
        outstanding=to_text(debts.outstanding(debt), loan.exponent),
        currency=loan.unit,
        instalments_due=stands.due,
        reference=loan.reference,
    )
    return True


# ── lending ──────────────────────────────────────────────────────────────────────────


def _lend(
    book: Book,
    wallet: Account,
    kind: LoanKind,
    principal: int,
    fee: int,
    parts: list[Instalment],
    reference: str | None,
) -> LoanState:
    """Pay a loan out, and write down what is owed of it from now on."""
    owner, name = wallet.owner or "", book.new_id("loa")
    debt_kind = DEBT_KINDS[kind]
    house = house_account(book, debts.account_code(debt_kind, owner), wallet.unit)
    legs = [(house.id, principal + fee), (wallet.id, -principal)]
    if fee:
        legs.append((house_account(book, FEES, wallet.unit).id, -fee))
    moved = enter(
        book,
        legs,
        type="loan" if kind == "dhaar" else "float",
        source=source_of(book, "dhaar_loan" if kind == "dhaar" else "mover_float"),
        reference=reference or name,
        metadata={"loan": name},
    )
    path = wallet.code.removeprefix("wallet/")
    debt = debts.owe(
        book,
        owner,
        debt_kind,
        wallet.unit,
        principal,
        fee=fee,
        reference=name,
        reason="A loan was granted." if kind == "dhaar" else "A float was advanced.",
        wallet=path,
    )
    loan = Loan(
        id=name,
        debt=debt.id,
        owner=owner,
        wallet=path,
        kind=kind,
        unit=wallet.unit,
        exponent=wallet.exponent,
        principal=principal,
        fee=fee,
        instalments=parts,
        reference=reference,
        entry=moved.id,
        granted_at=book.now,
        told=0,
        look_at=parts[0].due_at if parts else None,
    )
    state = rules.state_of(book.add(loan), debt, book.now)
    _announce_granted(book, state)
    return state


def _announce_granted(book: Book, state: LoanState) -> None:
    book.announce(
        "loan.granted",
        state.id,
        state.owner,
        loan_kind=state.kind,
        amount=state.principal,
        fee=state.fee,
        currency=state.currency,
        next_due_at=state.next_due_at,
        reference=state.reference,
    )


def open_loans(book: Book, owner: str, kind: LoanKind) -> list[tuple[Loan, Debt]]:
    """An owner's loans of a kind that are neither repaid nor written off, with what is owed."""
    owed = [debt for debt in debts.open_debts(book, owner) if debt.kind == DEBT_KINDS[kind]]
    book.foresee(Loan, "debt", [debt.id for debt in owed])
    return [(loan, debt) for debt in owed for loan in book.find(Loan, debt=debt.id)]


def loan_of(book: Book, name: str) -> tuple[Loan, Debt]:
    """A loan with its debt. Errors: `LoanNotFound`; `NotYours` for an owner of others."""
    loan, owner = book.peek(Loan, name), book.actor.owner
    if owner is not None and (loan is None or loan.owner != owner):
        raise NotYours("This is not yours, or does not exist.", expected=owner)
    if loan is None:
        raise LoanNotFound(f"No loan {name[:60]!r}.", got=name[:60])
    return loan, book.get(Debt, loan.debt)


def policy_of(book: Book) -> Policy:
    """What may be lent. Errors: `Invalid` when the setting makes no sense; `UnknownCurrency` and
    those of an amount, for a limit that is misspelt would be none.
    """
    policy = rules.policy_in(setting(book, LOANS))
    for limits in (policy.most, policy.float_most):
        for currency, limit in limits.items():
            to_minor(limit, exponent_of(book, currency))
    return policy


# ── what is refused ──────────────────────────────────────────────────────────────────


def _fee(book: Book, wallet: Account, fee: Money | None) -> int:
    if fee is None or (fee.currency == wallet.unit and not to_minor(fee.amount, wallet.exponent)):
        return 0
    return minor_of(book, wallet, fee)


def _check_terms(command: GrantLoan, principal: int) -> None:
    if command.reference is not None and len(command.reference) > _MOST_TEXT:
        raise Invalid("A reference has at most 500 characters.", got=command.reference[:60])
    bounds = (
        ("instalments", command.instalments, min(_MOST_INSTALMENTS, principal)),
        ("every_days", command.every_days, _MOST_DAYS),
        ("first_due_in_days", command.first_due_in_days, _MOST_DAYS),
    )
    for name, value, most in bounds:
        if not 1 <= value <= most:
            raise Invalid(f"`{name}` is 1 to {most}.", expected=f"1 to {most}", got=value)


def _check_standing(book: Book, known: list[tuple[Loan, Debt]], policy: Policy) -> None:
    for loan, debt in known:
        if rules.standing(loan, debt, book.now).overdue:
            raise LoanRefused(f"{loan.id} is overdue.", reason="overdue", loan=loan.id)
    if len(known) >= policy.at_once:
        raise LoanRefused(
            f"{len(known)} loans are open already.",
            reason="too_many",
            expected=policy.at_once,
            got=len(known) + 1,
        )


def _check_most(
    known: list[tuple[Loan, Debt]], wallet: Account, principal: int, most: dict[str, str]
) -> None:
    """No owner has more principal outstanding in this currency than the policy allows."""
    limit = most.get(wallet.unit)
    owed = [
        debts.outstanding(debt) - debts.fee_outstanding(debt)
        for loan, debt in known
        if loan.unit == wallet.unit
    ]
    total = sum(owed) + principal
    if limit is not None and total > to_minor(limit, wallet.exponent):
        raise LoanRefused(
            f"No more than {limit} {wallet.unit} may be outstanding at once.",
            reason="above_most",
            expected=limit,
            got=to_text(total, wallet.exponent),
            currency=wallet.unit,
        )
