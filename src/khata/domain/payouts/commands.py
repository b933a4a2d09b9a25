"""Payouts: asking for one, telling how it went, giving back what could not be given back."""

from __future__ import annotations

import re
from typing import Final

from khata.base.money import Money, to_minor, to_positive_minor, to_text
from khata.domain.ledger import check_four_eyes, check_owner, check_reason, wallet_account
from khata.domain.ledger import minor_of as amount_of
from khata.domain.payments import Applied, ProviderEvent
from khata.domain.payouts import rules
from khata.domain.payouts.accounts import bank_account_of, primary_of
from khata.domain.payouts.braking import check_unbraked
from khata.domain.payouts.model import (
    MANUAL,
    PAYOUTS,
    BankAccount,
    Payout,
    PayoutState,
    Policy,
)
from khata.domain.payouts.settling import apply_event, give_back, learn
from khata.domain.setup import setting
from khata.engine import limits
from khata.engine.accounts import Account
from khata.engine.book import Book
from khata.engine.command import Command, Verbs
from khata.engine.sagas import start
from khata.errors import (
    AlreadyExists,
    BankAccountUnusable,
    BelowMinimum,
    CurrencyMismatch,
    Invalid,
    InvalidTransition,
    PayoutNotFound,
    PayoutsPaused,
)

VERBS: Final = Verbs()
_PROVIDER: Final = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_MOST_REFERENCE: Final = 200


class InitiatePayout(Command, frozen=True, tag="payouts.initiate", omit_defaults=True):
    """Pay money of a wallet out to a bank account of the same owner.

    The money leaves the wallet at once. `bank_account`: left out, the primary one. `reference`:
    the caller's own, unique in the book. `provider`: left out, that of the setting `payouts`.
    """

    wallet: str
    amount: Money
    reference: str
    bank_account: str | None = None
    provider: str | None = None


class CompletePayout(Command, frozen=True, tag="payouts.complete"):
    """Tell that a payout has arrived. `evidence`: such as the bank's number of the transfer."""

    payout: str
    evidence: str
    reason: str


class FailPayout(Command, frozen=True, tag="payouts.fail", omit_defaults=True):
    """Call a payout off, or tell that it came to nothing: the money returns to its wallet.

    `evidence`: how it is known that nothing was paid; needed once a provider was asked.
    """

    payout: str
    reason: str
    evidence: str | None = None


class GiveBack(Command, frozen=True, tag="payouts.give_back", omit_defaults=True):
    """Give money that its wallet could not take to that wallet, or to another of the owner's."""

    payout: str
    reason: str
    wallet: str | None = None


class TellPayout(Command, frozen=True, tag="payouts.tell"):
    """A provider has told this: for whoever checked that it was the provider."""

    event: ProviderEvent


@VERBS.handles(InitiatePayout, roles=("owner", "admin", "finance", "service"))
def initiate(book: Book, command: InitiatePayout) -> PayoutState:
    """Errors: those of `draft` and `lock`; `ApprovalRequired`."""
    payout = draft(book, command)
    check_four_eyes(book, book.account(payout.account_id), payout.amount + payout.fee)
    payout = lock(book, payout)
    return rules.state_of(begin(book, payout))


def draft(book: Book, command: InitiatePayout, batch: str | None = None, line: int = 0) -> Payout:
    """The payout as it was asked for, nothing moved yet.

    Errors: `WalletNotFound`, `NotYours`, those of an amount; `BelowMinimum`; `Invalid` reference
    or provider; `AlreadyExists` for a reference that was used; `BankAccountNotFound`,
    `BankAccountUnusable`, `CurrencyMismatch` for a bank account that is not the wallet owner's.
    """
    wallet = wallet_account(book, command.wallet)
    minor = amount_of(book, wallet, command.amount)
    policy = policy_of(book)
    _check_minimum(policy, wallet, minor)
    _check_reference(book, command.reference)
    account = _target(book, command.bank_account, wallet)
    fee = policy.fee.get(wallet.unit)
    payout = Payout(
        book.new_id("pyo"),
        command.reference,
        wallet.owner or "",
        wallet.id,
        wallet.code.removeprefix("wallet/"),
        account.id,
        account.mask,
        minor,
        0 if fee is None else to_minor(fee, wallet.exponent),
        wallet.unit,
        wallet.exponent,
        "requested",
        _provider(book, command.provider, policy),
        None,
        None,
        batch,
        line if batch else None,
        None,
        {},
        [],
        None,
        None,
        None,
        str(book.actor),
        book.now,
        None,
        None,
        None,
        None,
        None,
        None,
    )
    return book.add(payout)


def begin(book: Book, payout: Payout) -> Payout:
    """The payout with its saga under way."""
    saga = start(
        book,
        "payout_manual" if payout.provider == MANUAL else "payout",
        {"payout": payout.id},
        reference=payout.id,
        amount=Money(to_text(payout.amount, payout.exponent), payout.unit),
    )
    return book.change(payout, saga=saga)


def lock(book: Book, payout: Payout) -> Payout:
    """The payout once its money has left the wallet.

    Errors: `PayoutsPaused`, `PayoutsBraked`, `BankAccountUnusable`, `InsufficientFunds`,
    `LimitExceeded`, `AccountFrozen`, `AccountClosed`.
    """
    check_going(book, payout.unit)
    check_usable(book.get(BankAccount, payout.bank_account))
    limits.check_status(book.account(payout.account_id))
    return learn(book, payout, "locked")


def policy_of(book: Book) -> Policy:
    """The setting `payouts`. Errors: `Invalid` when it makes no sense."""
    return rules.policy_in(setting(book, PAYOUTS))


def check_going(book: Book, currency: str) -> None:
    """Errors: `PayoutsPaused`, `PayoutsBraked`."""
    if policy_of(book).paused:
        raise PayoutsPaused("Payouts are paused.", expected="a book that pays out")
    check_unbraked(book, currency)


def check_usable(account: BankAccount) -> None:
    """Errors: `BankAccountUnusable` unless the account is verified."""
    if account.status != "verified":
        raise BankAccountUnusable(
            f"{account.id} ({account.mask}) is {account.status}.",
            reason=account.status,
            expected="verified",
            got=account.status,
        )


def _check_minimum(policy: Policy, wallet: Account, minor: int) -> None:
    least = policy.minimum.get(wallet.unit)
    if least is not None and minor < to_positive_minor(least, wallet.exponent):
        raise BelowMinimum(
            f"The smallest payout is {least} {wallet.unit}.",
            expected=least,
            got=to_text(minor, wallet.exponent),
            currency=wallet.unit,
        )


def _check_reference(book: Book, reference: str) -> None:
    if not reference.strip() or len(reference) > _MOST_REFERENCE or "\x00" in reference:
        raise Invalid("A payout has a reference of 1 to 200 characters.", got=reference[:60])
    if book.find(Payout, reference=reference):
        raise AlreadyExists(f"There is a payout {reference[:60]!r}.", got=reference[:60])


def _target(book: Book, name: str | None, wallet: Account) -> BankAccount:
    if name is not None:
        account = bank_account_of(book, name)
    else:
        found = primary_of(book, wallet.owner or "", wallet.unit)
        if found is None:
            raise BankAccountUnusable(
                f"{wallet.owner} has no verified bank account in {wallet.unit}.",
                reason="none_primary",
                expected="a verified bank account",
            )
        account = found
    if account.owner != wallet.owner:
        raise BankAccountUnusable(
            "Wallet and bank account are not of the same owner.",
            reason="other_owner",
            expected=wallet.owner,
        )
    if account.currency != wallet.unit:
        raise CurrencyMismatch(
            f"{account.id} is in {account.currency}, the wallet in {wallet.unit}.",
            expected=wallet.unit,
            got=account.currency,
        )
    return account


def _provider(book: Book, wanted: str | None, policy: Policy) -> str:
    """Owners leave it to the book by which way they are paid."""
    name = wanted or policy.provider
    if not _PROVIDER.fullmatch(name) or (book.actor.owner and name != policy.provider):
        raise Invalid("This is not a provider of payouts.", expected=policy.provider, got=name[:40])
    return name


# ── how it went ──────────────────────────────────────────────────────────────────────


@VERBS.handles(CompletePayout, roles=("admin", "finance"))
def complete(book: Book, command: CompletePayout) -> PayoutState:
    """Errors: `PayoutNotFound`, `InvalidTransition`, `ApprovalRequired`, `Invalid`."""
    check_reason(command.reason)
    check_reason(command.evidence)
    payout = _open(book, command.payout, "locked", "processing")
    told = learn(book, payout, "completed", evidence=command.evidence, message=command.reason)
    return rules.state_of(told)


@VERBS.handles(FailPayout, roles=("admin", "finance"))
def fail(book: Book, command: FailPayout) -> PayoutState:
    """Errors: `PayoutNotFound`, `InvalidTransition`, `ApprovalRequired`; `Invalid` without
    evidence once a provider was asked, for it may have paid.
    """
    check_reason(command.reason)
    payout = _open(book, command.payout, "requested", "locked", "processing")
    if payout.sent_at is not None or command.evidence is not None:
        if command.evidence is None:
            raise Invalid(
                f"{payout.provider} was asked to pay {payout.id}: say how it is known that it has"
                " not.",
                expected="evidence",
                got=None,
            )
        check_reason(command.evidence)
    told = learn(
        book,
        payout,
        "failed",
        code="called_off",
        message=command.reason,
        evidence=command.evidence,
    )
    return rules.state_of(told)


@VERBS.handles(TellPayout, roles=("service",), internal=True)
def tell(book: Book, command: TellPayout) -> Applied:
    """Errors: those of `apply_event`."""
    return apply_event(book, command.event)


@VERBS.handles(GiveBack, roles=("admin", "finance"))
def give_back_now(book: Book, command: GiveBack) -> PayoutState:
    """Errors: `PayoutNotFound`, `InvalidTransition` when nothing waits, `WalletNotFound`,
    `NotYours` for another's wallet, `AccountFrozen`, `AccountClosed`, `ApprovalRequired`.
    """
    check_reason(command.reason)
    payout = payout_of(book, command.payout)
    amount = rules.unreturned(payout)
    if not amount:
        raise InvalidTransition(
            f"Nothing of {payout.id} waits to be given back.", expected="unreturned", got="nothing"
        )
    wallet = wallet_account(book, command.wallet or payout.wallet)
    if wallet.owner != payout.owner or wallet.unit != payout.unit:
        raise Invalid(
            f"The money is {payout.owner}'s, in {payout.unit}.",
            expected=f"a wallet of {payout.owner} in {payout.unit}",
            got=wallet.code.removeprefix("wallet/"),
        )
    check_four_eyes(book, wallet, amount)
    return rules.state_of(give_back(book, payout, wallet))


def payout_of(book: Book, name: str) -> Payout:
    """A payout. Errors: `PayoutNotFound`, `NotYours`."""
    payout = book.peek(Payout, name)
    if payout is None:
        raise PayoutNotFound(f"No payout {name[:60]!r}.", got=name[:60])
    check_owner(book, book.account(payout.account_id))
    return payout


def _open(book: Book, name: str, *allowed: str) -> Payout:
    payout = payout_of(book, name)
    if payout.status not in allowed:
        raise InvalidTransition(
            f"{payout.id} is {payout.status}.", expected=list(allowed), got=payout.status
        )
    check_four_eyes(book, book.account(payout.account_id), payout.amount)
    return payout
