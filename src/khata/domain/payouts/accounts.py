"""Bank accounts: added sealed, verified by staff, one of them primary."""

from __future__ import annotations

import re
from typing import Final

from khata.domain.ledger import check_reason
from khata.domain.payouts.model import BankAccount, BankAccountState
from khata.domain.payouts.rules import account_state
from khata.domain.setup import exponent_of
from khata.engine.book import Book
from khata.engine.command import Command, Verbs
from khata.engine.vault import is_fingerprint, is_sealed
from khata.errors import (
    AlreadyExists,
    BankAccountNotFound,
    Invalid,
    InvalidTransition,
    NotYours,
)

VERBS: Final = Verbs()
_MASK: Final = re.compile(r"••••( [0-9A-Z]{1,4})?")
_COUNTRY: Final = re.compile(r"[A-Z]{2}")
_MOST_TEXT: Final = 200
_MOST_ACCOUNTS: Final = 50


class AddBankAccount(Command, frozen=True, tag="payouts.add_account", omit_defaults=True):
    """Add a bank account. `number` and `holder` come sealed, with what may be shown of them.

    `country`: ISO 3166, two letters. `former`: fingerprints under older vault keys.
    """

    owner: str
    number: str
    mask: str
    fingerprint: str
    holder: str
    holder_mask: str
    bank: str
    country: str
    currency: str
    former: tuple[str, ...] = ()


class SetPrimary(Command, frozen=True, tag="payouts.set_primary"):
    """Make a verified bank account the one that payouts go to when they name none."""

    account: str


class VerifyBankAccount(Command, frozen=True, tag="payouts.verify_account"):
    """Confirm that a bank account is its owner's. `evidence`: how that is known."""

    account: str
    evidence: str


class BlockBankAccount(Command, frozen=True, tag="payouts.block_account"):
    """Let nothing be paid out to a bank account until it is verified anew."""

    account: str
    reason: str


class RemoveBankAccount(Command, frozen=True, tag="payouts.remove_account", omit_defaults=True):
    """Remove a bank account for good. What was paid out to it still names it."""

    account: str
    reason: str = "Removed by its owner."


class Reseal(Command, frozen=True, tag="payouts.reseal"):
    """Put the same number and holder in place, sealed under a newer key. `by`: who asked."""

    account: str
    number: str
    holder: str
    fingerprint: str
    by: str


@VERBS.handles(AddBankAccount, roles=("owner", "admin", "finance", "support", "service"))
def add_bank_account(book: Book, command: AddBankAccount) -> BankAccountState:
    """Errors: `NotYours`; `Invalid` for what is not sealed; `UnknownCurrency`; `AlreadyExists`
    when the owner has this number already.
    """
    if book.actor.owner not in (None, command.owner):
        raise NotYours("This is not yours, or does not exist.", expected=book.actor.owner)
    _check(command)
    exponent_of(book, command.currency)
    known = [account for account in book.find(BankAccount, owner=command.owner) if _lives(account)]
    if len(known) >= _MOST_ACCOUNTS:
        raise Invalid("An owner has at most 50 bank accounts.", expected=_MOST_ACCOUNTS)
    prints = {command.fingerprint, *command.former}
    for account in known:
        if account.fingerprint in prints and account.currency == command.currency:
            raise AlreadyExists(f"{account.id} has this number already.", got=account.id)
    account = BankAccount(
        book.new_id("bnk"),
        command.owner,
        command.number,
        command.mask,
        command.fingerprint,
        command.holder,
        command.holder_mask,
        command.bank,
        command.country,
        command.currency,
        "pending",
        False,
        None,
        None,
        book.now,
        None,
        None,
    )
    return account_state(book.add(account))


def _check(command: AddBankAccount) -> None:
    """Refuse what would put a number in the journal in clear; nothing of it is repeated."""
    prints = (command.fingerprint, *command.former)
    if not (
        is_sealed(command.number)
        and is_sealed(command.holder)
        and all(map(is_fingerprint, prints))
        and _MASK.fullmatch(command.mask)
        and "•" in command.holder_mask
    ):
        raise Invalid(
            "A bank account enters the book sealed and masked.",
            expected="values that a vault has sealed: POST /v1/bank-accounts does it",
        )
    for name, text in (
        ("owner", command.owner),
        ("bank", command.bank),
        ("mask", command.holder_mask),
    ):
        if not text.strip() or len(text) > _MOST_TEXT or "\x00" in text:
            raise Invalid(f"The {name} has 1 to 200 characters.", expected=name)
    if not _COUNTRY.fullmatch(command.country):
        raise Invalid(
            "A country is two capital letters, as in ISO 3166.",
            expected="such as BD",
            got=command.country[:20],
        )


@VERBS.handles(SetPrimary, roles=("owner", "admin", "finance", "support", "service"))
def set_primary(book: Book, command: SetPrimary) -> BankAccountState:
    """Errors: `BankAccountNotFound`, `NotYours`, `InvalidTransition` unless it is verified."""
    account = bank_account_of(book, command.account)
    _check_status(account, "verified")
    for other in _verified(book, account):
        if other.primary and other.id != account.id:
            book.change(other, primary=False)
    return account_state(book.change(account, primary=True))


@VERBS.handles(VerifyBankAccount, roles=("admin", "finance", "support"))
def verify_bank_account(book: Book, command: VerifyBankAccount) -> BankAccountState:
    """The first one that is verified becomes primary. A blocked one is freed by it.

    Errors: `BankAccountNotFound`, `InvalidTransition`, `Invalid` without evidence.
    """
    check_reason(command.evidence)
    account = bank_account_of(book, command.account)
    _check_status(account, "pending", "blocked")
    account = book.change(
        account,
        status="verified",
        evidence=command.evidence,
        reason=None,
        verified_at=book.now,
        verified_by=str(book.actor),
    )
    keep_one_primary(book, account)
    return account_state(book.get(BankAccount, account.id))


@VERBS.handles(BlockBankAccount, roles=("admin", "finance", "support", "service"))
def block_bank_account(book: Book, command: BlockBankAccount) -> BankAccountState:
    """Errors: `BankAccountNotFound`, `InvalidTransition`, `Invalid` without a reason."""
    check_reason(command.reason)
    account = bank_account_of(book, command.account)
    _check_status(account, "pending", "verified")
    return account_state(block(book, account, command.reason))


def block(book: Book, account: BankAccount, reason: str) -> BankAccount:
    """The account, blocked; another one becomes primary in its place."""
    account = book.change(account, status="blocked", primary=False, reason=reason)
    keep_one_primary(book, account)
    return account


@VERBS.handles(RemoveBankAccount, roles=("owner", "admin", "finance", "service"))
def remove_bank_account(book: Book, command: RemoveBankAccount) -> BankAccountState:
    """Errors: `BankAccountNotFound`, `NotYours`, `InvalidTransition`."""
    check_reason(command.reason)
    account = bank_account_of(book, command.account)
    _check_status(account, "pending", "verified", "blocked")
    account = book.change(account, status="removed", primary=False, reason=command.reason)
    keep_one_primary(book, account)
    return account_state(account)


@VERBS.handles(Reseal, roles=("service",), internal=True)
def reseal(book: Book, command: Reseal) -> str:
    """The account's id. For Khata's own rotation alone: whoever could replace what is sealed
    could send money elsewhere.

    Errors: `BankAccountNotFound`, `Invalid`.
    """
    account = bank_account_of(book, command.account)
    sealed = is_sealed(command.number) and is_sealed(command.holder)
    if not (sealed and is_fingerprint(command.fingerprint)):
        raise Invalid("This is not sealed.", expected="values that a vault has sealed")
    book.change(
        account, number=command.number, holder=command.holder, fingerprint=command.fingerprint
    )
    return account.id


# ── looking ──────────────────────────────────────────────────────────────────────────


def bank_account_of(book: Book, name: str) -> BankAccount:
    """A bank account that the actor may act on. Errors: `BankAccountNotFound`, `NotYours`."""
    account, owner = book.peek(BankAccount, name), book.actor.owner
    if owner is not None and (account is None or account.owner != owner):
        raise NotYours("This is not yours, or does not exist.", expected=owner)
    if account is None:
        raise BankAccountNotFound(f"No bank account {name[:60]!r}.", got=name[:60])
    return account


def primary_of(book: Book, owner: str, currency: str) -> BankAccount | None:
    """The owner's primary account in this currency, if one is verified."""
    for account in book.find(BankAccount, owner=owner):
        if account.primary and account.currency == currency:
            return account
    return None


def keep_one_primary(book: Book, changed: BankAccount) -> None:
    """Make the one that was verified first primary, when none of the owner's is any more."""
    verified = _verified(book, changed)
    if verified and not any(account.primary for account in verified):
        first = min(verified, key=lambda account: (account.verified_at or 0, account.id))
        book.change(first, primary=True)


def _verified(book: Book, like: BankAccount) -> list[BankAccount]:
    return [
        account
        for account in book.find(BankAccount, owner=like.owner)
        if account.currency == like.currency and account.status == "verified"
    ]


def _lives(account: BankAccount) -> bool:
    return account.status != "removed"


def _check_status(account: BankAccount, *allowed: str) -> None:
    if account.status not in allowed:
        raise InvalidTransition(
            f"{account.id} is {account.status}.", expected=list(allowed), got=account.status
        )
