"""What can be asked of escrows: fund, release, refund, dispute."""

from __future__ import annotations

from typing import Final

import msgspec

from khata.base.money import Money, to_positive_minor, to_text
from khata.domain import commissions
from khata.domain.escrow import holding, rules
from khata.domain.escrow.holding import Terms
from khata.domain.escrow.model import Escrow, EscrowState, Leg, On, Policy
from khata.domain.escrow.refunding import Back, Frozen
from khata.domain.escrow.refunding import refund as give_back
from khata.domain.holds import active_hold, capture
from khata.domain.ledger import (
    check_four_eyes,
    check_reason,
    code_of,
    enter,
    house_account,
    minor_of,
    wallet_account,
)
from khata.domain.payments import Payable, check_free, taken_by
from khata.domain.setup import exponent_of, source_of
from khata.engine.accounts import Account
from khata.engine.book import Book
from khata.engine.cache import Address, Question
from khata.engine.command import Command, Verbs
from khata.engine.holds import Hold
from khata.engine.sagas import wake
from khata.errors import (
    AlreadyExists,
    CurrencyMismatch,
    Invalid,
    InvalidTransition,
)

VERBS: Final = Verbs()


class Receiver(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who receives what: `to` is a wallet, or a house account such as `revenue/fee`."""

    name: str
    to: str
    amount: Money


class FundEscrow(Command, frozen=True, tag="escrow.fund", omit_defaults=True):
    """Put money in escrow, out of a `wallet` or by capturing a `hold`.

    Who receives it is either listed (`receivers`, which add up to the amount) or follows from the
    commission rule in force for `source`, `category` and `partner`; then `parties` says whose
    wallet each role of the rule is: `{"partner": "karim/partner/BDT"}`. `amount`: left out, all
    that the hold has. Released `release_days` after `release_on`; `request` is by command only.
    """

    ref: str
    amount: Money | None = None
    wallet: str | None = None
    hold: str | None = None
    receivers: list[Receiver] | None = None
    parties: dict[str, str] | None = None
    source: str = "order"
    category: str | None = None
    partner: str | None = None
    release_on: On = "request"
    release_days: int = 0


class ReleaseEscrow(Command, frozen=True, tag="escrow.release", omit_defaults=True):
    """Give receivers what is theirs: all, only so much, or only some `legs`."""

    escrow: str
    reason: str
    amount: Money | None = None
    legs: list[str] | None = None


class RefundEscrow(Command, frozen=True, tag="escrow.refund", omit_defaults=True):
    """Give back to who paid, released or not.

    `amount`: what the payer gets; left out, all that the policy leaves. `policy`: `pro_rata`,
    `platform_first`, `keep_fee` (the house gives nothing), or `named`, where `named` says how much
    each leg gives. `frozen`: whether a frozen receiver refuses it, or owes their part.
    """

    escrow: str
    reason: str
    amount: Money | None = None
    policy: Policy = "pro_rata"
    named: dict[str, Money] | None = None
    frozen: Frozen = "refuse"


class ConfirmDelivery(Command, frozen=True, tag="escrow.delivered"):
    """What was paid for has arrived: from now on the days until its release count."""

    escrow: str
    reason: str


class DisputeEscrow(Command, frozen=True, tag="escrow.dispute"):
    """Somebody disagrees: nothing is released until it is settled."""

    escrow: str
    reason: str


class SettleDispute(Command, frozen=True, tag="escrow.settle"):
    """The disagreement is settled: release, or refund, as was agreed."""

    escrow: str
    reason: str


def _reads(command: FundEscrow) -> tuple[list[Address], list[Question]]:
    """Nothing of it is known yet, but no more is looked for than it may have."""
    receivers = [receiver.to for receiver in command.receivers or ()]
    names = (*(command.parties or {}).values(), *receivers)[: holding.MOST_LEGS]
    rows: list[Address] = [(Escrow, command.ref), (Payable, command.ref), *taken_by(command.ref)]
    if command.hold is not None:
        rows.append((Hold, command.hold))
    codes = (f"escrow/{command.ref}", *map(code_of, names))
    return rows, [(Account, "code", code) for code in codes if code is not None]


@VERBS.handles(FundEscrow, roles=("admin", "finance", "service"), reads=_reads)
def fund(book: Book, command: FundEscrow) -> EscrowState:
    """Errors: `Invalid`, `AlreadyExists`, those of an amount, of a wallet or hold that pays, of
    the rule's `shares`; `WalletNotFound` for a receiver without a wallet.
    """
    holding.check_terms(command.ref, command.release_on, command.release_days)
    source = source_of(book, command.source)
    payer, minor = _payer(book, command)
    check_four_eyes(book, payer, minor)
    legs, rule = _legs(book, command, payer, minor)
    escrow = house_account(book, f"escrow/{command.ref}", payer.unit)
    if escrow.balance or book.peek(Escrow, command.ref) is not None:
        raise AlreadyExists(f"The escrow {command.ref} exists already.", got=command.ref)
    if book.peek(Payable, command.ref) is not None:
        raise AlreadyExists(
            f"{command.ref} is to be paid by a payment, whose money comes to lie there.",
            got=command.ref,
        )
    check_free(book, command.ref)
    entry = _pay_in(book, command, payer, escrow, minor)
    terms = Terms(
        payer.owner or "",
        payer.code.removeprefix("wallet/"),
        None,
        source.name,
        command.release_on,
        command.release_days,
        rule.name if rule else None,
        rule.version if rule else 0,
    )
    return rules.state_of(holding.begin(book, escrow, terms, legs, [entry]))


def _payer(book: Book, command: FundEscrow) -> tuple[Account, int]:
    """Who pays how much.

    Errors: `Invalid`, `HoldNotFound`, `HoldNotActive`, of a wallet and an amount.
    """
    if (command.wallet is None) == (command.hold is None):
        raise Invalid(
            "An escrow is funded out of a wallet, or by a hold.",
            expected="wallet or hold",
            got="both" if command.wallet else "neither",
        )
    if command.wallet is not None:
        account = wallet_account(book, command.wallet)
        if command.amount is None:
            raise Invalid("Say how much goes into escrow.", expected="amount", got=None)
        return account, minor_of(book, account, command.amount)
    hold, account = active_hold(book, command.hold or "")
    if command.amount is None:
        return account, hold.remaining
    return account, minor_of(book, account, command.amount)


def _pay_in(book: Book, command: FundEscrow, payer: Account, escrow: Account, minor: int) -> str:
    if command.hold is not None:
        hold = book.get(Hold, command.hold)
        return capture(book, hold, minor, escrow.code)[1]
    moved = enter(
        book,
        ((payer.id, minor), (escrow.id, -minor)),
        type="escrow",
        source=source_of(book, command.source),
        reference=command.ref,
    )
    return moved.id


def _legs(
    book: Book, command: FundEscrow, payer: Account, minor: int
) -> tuple[list[Leg], commissions.Rule | None]:
    if not command.receivers:
        rule = commissions.rule_for(
            book, source=command.source, category=command.category, partner=command.partner
        )
        return holding.legs_by_rule(book, rule, minor, payer, command.parties or {}), rule
    legs = [_leg(book, receiver, payer) for receiver in command.receivers]
    total = sum(leg.share for leg in legs)
    if total != minor:
        raise Invalid(
            "What the receivers get is not what is paid.",
            expected=to_text(minor, payer.exponent),
            got=to_text(total, payer.exponent),
        )
    return holding.checked_legs(book, legs, payer), None


def _leg(book: Book, receiver: Receiver, payer: Account) -> Leg:
    if receiver.amount.currency != payer.unit:
        exponent_of(book, receiver.amount.currency)
        raise CurrencyMismatch(
            f"{receiver.name[:60]} is to get {receiver.amount.currency}.",
            expected=payer.unit,
            got=receiver.amount.currency,
        )
    minor = to_positive_minor(receiver.amount.amount, payer.exponent)
    return Leg(receiver.name, receiver.to, minor)


@VERBS.handles(ReleaseEscrow, roles=("admin", "finance", "service"))
def release(book: Book, command: ReleaseEscrow) -> EscrowState:
    """Errors: `EscrowNotFound`, `EscrowDisputed`, `EscrowClosed`, `ReleaseExceeded`,
    `AccountFrozen`, `ApprovalRequired`, those of an amount.
    """
    check_reason(command.reason)
    escrow = holding.escrow_of(book, command.escrow)
    minor = None if command.amount is None else _minor(book, escrow, command.amount)
    there = sum(leg.held for leg in escrow.legs if not command.legs or leg.name in command.legs)
    check_four_eyes(book, _account(book, escrow), there if minor is None else minor)
    after = holding.release(book, escrow, command.reason, minor, command.legs)
    return _told(after, escrow)


@VERBS.handles(RefundEscrow, roles=("admin", "finance", "service"))
def refund(book: Book, command: RefundEscrow) -> EscrowState:
    """Errors: `EscrowNotFound`, `RefundExceeded`, `AccountFrozen`, `ApprovalRequired`, `Invalid`
    for names that do not add up, those of an amount; `InvalidTransition` for the escrow of a
    sale, which is refunded itself.
    """
    escrow = holding.escrow_of(book, command.escrow)
    if escrow.keeper is not None:
        raise InvalidTransition(
            f"{escrow.ref} is kept for the {escrow.keeper}: refund that.",
            expected=f"the {escrow.keeper}",
            got=escrow.ref,
        )
    return _told(give_back(book, escrow, back_of(book, escrow, command)), escrow)


def back_of(book: Book, escrow: Escrow, command: RefundEscrow) -> Back:
    """How a command wants something given back. Errors: as `refund`."""
    check_reason(command.reason)
    if (command.policy == "named") != bool(command.named):
        raise Invalid(
            "Under the policy `named`, and only there, say how much each leg gives.",
            expected="named" if command.policy == "named" else "no names",
            got=command.policy,
        )
    minor = None if command.amount is None else _minor(book, escrow, command.amount)
    named = {
        name: _minor(book, escrow, money) for name, money in (command.named or {}).items()
    } or None
    rules.check_names(escrow.legs, list(named or ()))
    all_of_it = sum(named.values()) if named else escrow.paid - escrow.refunded
    at_stake = all_of_it if minor is None else minor
    check_four_eyes(book, _account(book, escrow), at_stake)
    return Back(command.reason, minor, command.policy, named, command.frozen)


def _minor(book: Book, escrow: Escrow, money: Money) -> int:
    if money.currency != escrow.unit:
        exponent_of(book, money.currency)
        raise CurrencyMismatch(
            f"{escrow.ref} is in {escrow.unit}.", expected=escrow.unit, got=money.currency
        )
    return to_positive_minor(money.amount, escrow.exponent)


def _account(book: Book, escrow: Escrow) -> Account:
    return house_account(book, escrow.account, escrow.unit)


@VERBS.handles(ConfirmDelivery, roles=("admin", "logistics", "support", "service"))
def confirm_delivery(book: Book, command: ConfirmDelivery) -> EscrowState:
    """Errors: `EscrowNotFound`, `EscrowClosed`; `InvalidTransition` for the escrow of a sale or an
    order, which is delivered itself.
    """
    check_reason(command.reason)
    escrow = holding.escrow_of(book, command.escrow)
    if escrow.keeper is not None:  # who may say so, and when, is for its keeper to know
        raise InvalidTransition(
            f"{escrow.ref} is kept for the {escrow.keeper}: deliver that.",
            expected=f"the {escrow.keeper}",
            got=escrow.ref,
        )
    return _told(holding.delivered(book, escrow, command.reason), escrow)


@VERBS.handles(DisputeEscrow, roles=("owner", "admin", "finance", "support", "service"))
def dispute(book: Book, command: DisputeEscrow) -> EscrowState:
    """Who paid may disagree, and staff. Errors: `EscrowNotFound`, `NotYours`,
    `InvalidTransition` when it is disputed already or nothing is left in it.
    """
    check_reason(command.reason)
    escrow = holding.escrow_of(book, command.escrow)
    if escrow.dispute is not None or escrow.status not in {"held", "partly_released"}:
        raise InvalidTransition(
            f"{escrow.ref} is {'disputed' if escrow.dispute else escrow.status}.",
            expected=["held", "partly_released"],
            got="disputed" if escrow.dispute else escrow.status,
        )
    steps = holding.noted(book, escrow, "disputed", reason=command.reason)
    return _told(book.change(escrow, dispute=command.reason, steps=steps), escrow)


@VERBS.handles(SettleDispute, roles=("admin", "finance", "support"))
def settle_dispute(book: Book, command: SettleDispute) -> EscrowState:
    """Errors: `EscrowNotFound`, `InvalidTransition` unless disputed."""
    check_reason(command.reason)
    escrow = holding.escrow_of(book, command.escrow)
    if escrow.dispute is None:
        raise InvalidTransition(
            f"{escrow.ref} is not disputed.", expected="disputed", got=escrow.status
        )
    steps = holding.noted(book, escrow, "settled", reason=command.reason, last=True)
    wake(book, holding.topic(escrow.ref))
    return _told(book.change(escrow, dispute=None, steps=steps), escrow)


def _told(after: Escrow, before: Escrow) -> EscrowState:
    """What a command answers: the escrow, and of its history what the command added."""
    return rules.state_of(after, since=len(before.steps))
