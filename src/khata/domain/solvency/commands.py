"""Noting verified balances, recording checks, publishing proofs of liabilities."""

from __future__ import annotations

from typing import Final

from khata.base.clock import Instant, from_iso, to_iso
from khata.base.money import Money, to_minor, to_text
from khata.domain import payouts
from khata.domain.ledger import account_of, check_four_eyes, check_reason
from khata.domain.setup import acts_alone, exponent_of
from khata.domain.solvency import rules
from khata.domain.solvency.model import (
    Checked,
    Figure,
    LiabilityRoot,
    RootView,
    SolvencyCheck,
    VerifiedBalance,
    VerifiedView,
)
from khata.engine.accounts import Account
from khata.engine.book import Book
from khata.engine.command import Command, Verbs
from khata.errors import CurrencyMismatch, Invalid

VERBS: Final = Verbs()
_MOST_LABEL: Final = 300


class VerifyBalance(Command, frozen=True, tag="solvency.verify_balance"):
    """Note what an account for cash really held at an instant, as its bank or provider says.

    Solvency then counts that balance and what the book moved since. `amount`: below zero when
    the account is overdrawn. `at`: ISO 8601 with an offset. `evidence`: such as the statement.
    """

    account: str
    amount: Money
    at: str
    evidence: str


class RecordSolvency(Command, frozen=True, tag="solvency.record"):
    """Record how every currency stood after command `as_of`, and brake payouts where there is a
    breach. For whoever has counted: `khata.edge.working.solvency`.
    """

    as_of: int
    figures: list[Figure]
    slot: int | None
    asked_by: str


class PublishRoot(Command, frozen=True, tag="solvency.publish_root"):
    """Publish the root of a tree over owners' balances after command `as_of`.

    For whoever has built it: `khata.edge.working.solvency`.
    """

    currency: str
    as_of: int
    label: str
    hash: str
    total: str
    count: int
    secret: str
    asked_by: str


@VERBS.handles(VerifyBalance, roles=("admin", "finance", "service"))
def verify_balance(book: Book, command: VerifyBalance) -> VerifiedView:
    """Noted again for the same instant, the later one stands.

    Errors: `AccountNotFound`; `CurrencyMismatch` and those of an amount; `Invalid` for an account
    that is not cash, an instant to come or before the account was opened, no evidence;
    `ApprovalRequired` when it differs from the book's balance by more than one person may say.
    """
    account = account_of(book, command.account, command.amount.currency)
    if command.amount.currency != account.unit:
        raise CurrencyMismatch(
            f"{account.code} is in {account.unit}.",
            expected=account.unit,
            got=command.amount.currency,
        )
    minor = to_minor(command.amount.amount, account.exponent)
    at = from_iso(command.at)
    if at < account.opened_at:
        raise Invalid(
            f"The book did not have {account.code} yet: what it held came in with its first entry.",
            expected=f"at least {to_iso(account.opened_at)}",
            got=to_iso(at),
        )
    check_four_eyes(book, account, abs(minor - account.balance))
    known = note_balance(book, account, minor, at, command.evidence)
    return VerifiedView(
        account.code,
        account.unit,
        to_text(minor, account.exponent),
        to_iso(known.at),
        known.evidence,
        known.by,
    )


def note_balance(
    book: Book, account: Account, minor: int, at: Instant, evidence: str
) -> VerifiedBalance:
    """Note a verified balance, in minor units, debit positive: for rooms that read statements.

    Errors: `Invalid` for an account that is not cash, an instant to come, no evidence.
    """
    check_reason(evidence)
    if account.code.partition("/")[0] not in rules.CASH or account.owner is not None:
        raise Invalid(
            f"{account.code} holds no cash.",
            expected="an account whose code begins with cash/ or bank/",
            got=account.code,
        )
    if at > book.now:
        raise Invalid(
            "A balance is verified for an instant that has been.",
            expected=f"at most {to_iso(book.now)}",
            got=to_iso(at),
        )
    known = book.peek(VerifiedBalance, (account.id, at))
    fields = {
        "amount": minor,
        "evidence": evidence,
        "by": str(book.actor),
        "alone": acts_alone(book),
        "noted_at": book.now,
    }
    if known is not None:
        return book.change(known, **fields)
    return book.add(VerifiedBalance(account.id, at, **fields))  # type: ignore[arg-type]


@VERBS.handles(RecordSolvency, roles=("service",), internal=True)
def record_solvency(book: Book, command: RecordSolvency) -> Checked:
    """A breach is announced each time; payouts that are braked already stay so."""
    made, braked = [], []
    for n, figure in enumerate(command.figures):
        reason = rules.breach_of(figure)
        check = SolvencyCheck(
            book.seq,
            n,
            figure.currency,
            command.as_of,
            figure.cash,
            figure.liabilities,
            figure.overdrawn,
            figure.net,
            figure.is_money,
            figure.equation,
            reason is not None,
            command.slot,
            command.asked_by,
            book.now,
        )
        made.append(rules.check_view(book.add(check)))
        if reason is not None:
            if not payouts.is_braked(book, figure.currency):
                payouts.brake(book, figure.currency, reason, "check of solvency")
                braked.append(figure.currency)
            _announce(book, figure, reason)
    return Checked(made, braked)


def _announce(book: Book, figure: Figure, reason: str) -> None:
    book.announce(
        "solvency.breached",
        figure.currency,
        reason=reason,
        cash=figure.cash,
        liabilities=figure.liabilities,
        net=figure.net,
        equation=figure.equation,
    )


@VERBS.handles(PublishRoot, roles=("service",), internal=True)
def publish_root(book: Book, command: PublishRoot) -> RootView:
    """Errors: `UnknownCurrency`; `Invalid` for what no tree can have."""
    exponent = exponent_of(book, command.currency)
    is_sound = (
        rules.is_hash(command.hash)
        and rules.is_hash(command.secret)
        and command.total.isdecimal()
        and command.total.isascii()
        and command.count > 0
        and 0 < command.as_of < book.seq
        and len(command.label) <= _MOST_LABEL
    )
    if not is_sound:
        raise Invalid("This is not the root of a tree over balances.", expected="a counted tree")
    root = LiabilityRoot(
        book.new_id("lpr"),
        command.currency,
        exponent,
        command.as_of,
        command.label,
        command.hash,
        command.total,
        command.count,
        command.secret,
        command.asked_by,
        book.now,
    )
    view = rules.root_view(book.add(root))
    book.announce(
        "solvency.root_published",
        view.id,
        currency=view.currency,
        hash=view.hash,
        total=view.total,
        count=view.owners,
        label=view.label,
    )
    return view
