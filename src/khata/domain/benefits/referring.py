"""Referrals: who brought whom, what both get for it, and when.

A referral is made before the referred owner's first purchase. That purchase qualifies it: the
bonuses of the policy of that moment are owed, `expense/referrals` to `payable/referrals/<owner>`.
They are paid into personal wallets, both at once, as soon as those whom the policy wants known are
known; that is at once where it wants nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from khata.base.money import to_text
from khata.domain.benefits import rules
from khata.domain.benefits.commands import policy_of
from khata.domain.benefits.model import (
    OWED,
    REFERRAL_EXPENSE,
    BonusesPaid,
    FirstPurchase,
    Kyc,
    KycState,
    Policy,
    Referral,
    ReferralState,
    Referrer,
)
from khata.domain.benefits.verbs import VERBS
from khata.domain.ledger import check_four_eyes, check_reason, enter, house_account
from khata.domain.payments import Payable
from khata.domain.setup import exponent_of, source_of
from khata.domain.wallets import ensure_wallet, is_owner_name
from khata.engine.accounts import Account
from khata.engine.book import Book
from khata.engine.command import Command
from khata.errors import AlreadyExists, Invalid, InvalidTransition
from khata.errors.market import BenefitRefused, ReferralNotFound, SelfReferral

_SOURCE: Final = "referral_bonus"
_DEEPEST: Final = 100
_MOST_AT_ONCE: Final = 200
_MOST_TEXT: Final = 500


class Refer(Command, frozen=True, tag="benefits.refer"):
    """Note that one owner brought another, who has not bought anything yet."""

    referrer: str
    referred: str


class CancelReferral(Command, frozen=True, tag="benefits.cancel_referral"):
    """Call a referral off, before its bonuses are paid: what was owed for it is owed no more."""

    referred: str
    reason: str


class ConfirmKyc(Command, frozen=True, tag="benefits.confirm_kyc"):
    """Say that it is known who an owner is, and pay the bonuses that waited for it.

    `evidence`: where that is kept; the papers themselves do not belong here.
    """

    owner: str
    evidence: str


class PayBonuses(Command, frozen=True, tag="benefits.pay_bonuses"):
    """Pay the bonuses of an owner's referrals that could not be paid before, 200 at a time:
    because a wallet was frozen, or there were more of them.
    """

    owner: str


@VERBS.handles(Refer, roles=("admin", "support", "service"))
def refer(book: Book, command: Refer) -> ReferralState:
    """Errors: `Invalid`, `SelfReferral`, `AlreadyExists` for an owner who was referred before;
    `BenefitRefused` with `reason` already_bought, circle, too_many or too_many_lately.
    """
    referrer, referred = command.referrer, command.referred
    for owner in (referrer, referred):
        _check_owner_id(owner)
    if referrer == referred:
        raise SelfReferral("Nobody refers themselves.", got=referrer)
    if book.peek(Referral, referred) is not None:
        raise AlreadyExists(f"{referred} was referred already.", got=referred)
    if book.peek(FirstPurchase, referred) is not None:
        raise BenefitRefused(f"{referred} has bought already.", reason="already_bought")
    _check_circle(book, referrer, referred)
    policy = policy_of(book)
    _count_in(book, policy, referrer)
    referral = Referral(
        referred=referred,
        referrer=referrer,
        status="pending",
        waiting=None,
        kyc=policy.kyc,
        unit=None,
        exponent=None,
        referrer_bonus=0,
        referred_bonus=0,
        subject=None,
        entries=[],
        reason=None,
        created_at=book.now,
        qualified_at=None,
        paid_at=None,
        cancelled_at=None,
    )
    _announce(book, referral, "made")
    return rules.referral_state(book.add(referral))


def _check_owner_id(owner: str) -> None:
    if not is_owner_name(owner):
        raise Invalid(
            "That is not an owner's id.", expected="such as alice or user-42", got=owner[:60]
        )


def _check_circle(book: Book, referrer: str, referred: str) -> None:
    """Who has brought nobody closes no circle; else the line above the referrer is looked up."""
    if book.peek(Referrer, referred) is None:
        return
    above: str | None = referrer
    for _ in range(_DEEPEST):
        known = book.peek(Referral, above)
        above = None if known is None else known.referrer
        if above is None:
            return
        if above == referred:
            break
    raise BenefitRefused(f"{referred} brought {referrer}, if not directly.", reason="circle")


def _count_in(book: Book, policy: Policy, owner: str) -> None:
    """Count one more referral of a referrer. Errors: `BenefitRefused` beyond the policy."""
    known = book.peek(Referrer, owner)
    total, times = (known.total, known.times) if known else (0, [])
    if policy.most_referrals is not None and total >= policy.most_referrals:
        raise BenefitRefused(
            f"{owner} has referred {total}, which is all.",
            reason="too_many",
            expected=policy.most_referrals,
        )
    if policy.window_seconds is not None and policy.most_in_window is not None:
        times = rules.recent(times, policy.window_seconds, book.now)
        if len(times) >= policy.most_in_window:
            raise BenefitRefused(
                f"{owner} has referred {len(times)} lately.",
                reason="too_many_lately",
                expected=policy.most_in_window,
            )
        times = [*times, book.now]
    if known is None:
        book.add(Referrer(owner, total + 1, times))
    else:
        book.change(known, total=total + 1, times=times)


# ── the first purchase ───────────────────────────────────────────────────────────────


def qualify(book: Book, owner: str, subject: str, unit: str | None = None) -> Referral | None:
    """Tell that an owner has bought `subject`; the first time, a referral of theirs qualifies.

    `unit`: the currency of the purchase, and so of the bonuses; left out, that of its payable.
    Every other time it does nothing. The referral that qualified, or None.

    Errors: those of `enter`.
    """
    if book.peek(FirstPurchase, owner) is not None:
        return None
    book.add(FirstPurchase(owner, subject, book.now))
    referral = book.peek(Referral, owner)
    if referral is None or referral.status != "pending":
        return None
    if unit is None:
        payable = book.peek(Payable, subject)
        unit = None if payable is None else payable.unit
    policy = policy_of(book)
    bonuses = (policy.referrer.get(unit or "", 0), policy.referred.get(unit or "", 0))
    if unit is None or not any(bonuses):
        return book.change(referral, status="lapsed", subject=subject, qualified_at=book.now)
    referral = book.change(
        referral,
        status="qualified",
        waiting=referral.referrer,
        kyc=policy.kyc,
        unit=unit,
        exponent=exponent_of(book, unit),
        referrer_bonus=bonuses[0],
        referred_bonus=bonuses[1],
        subject=subject,
        qualified_at=book.now,
    )
    referral = _owe(book, referral, 1)
    _announce(book, referral, "qualified")
    if _due(book, [referral]):
        referral = _pay(book, referral)
    return referral


def _owe(book: Book, referral: Referral, sign: int) -> Referral:
    """Book the liability, or with -1 take it back."""
    unit = _unit(referral)
    expense = house_account(book, REFERRAL_EXPENSE, unit)
    legs = [(expense.id, sign * (referral.referrer_bonus + referral.referred_bonus))]
    for owner, bonus in _bonuses(referral):
        legs.append((house_account(book, f"{OWED}/{owner}", unit).id, -sign * bonus))
    return _enter(book, referral, legs, "referral" if sign > 0 else "referral_cancelled")


def _pay(book: Book, referral: Referral) -> Referral:
    unit = _unit(referral)
    legs = []
    for owner, bonus in _bonuses(referral):
        legs.append((house_account(book, f"{OWED}/{owner}", unit).id, bonus))
        legs.append((ensure_wallet(book, owner, "personal", unit).id, -bonus))
    referral = _enter(book, referral, legs, "referral_bonus")
    referral = book.change(referral, status="paid", waiting=None, paid_at=book.now)
    _announce(book, referral, "paid")
    return referral


def _enter(book: Book, referral: Referral, legs: Sequence[tuple[int, int]], type_: str) -> Referral:
    moved = enter(
        book,
        legs,
        type=type_,
        source=source_of(book, _SOURCE),
        reference=f"referral/{referral.referred}",
    )
    return book.change(referral, entries=[*referral.entries, moved.id])


def _bonuses(referral: Referral) -> list[tuple[str, int]]:
    found = (
        (referral.referrer, referral.referrer_bonus),
        (referral.referred, referral.referred_bonus),
    )
    return [(owner, bonus) for owner, bonus in found if bonus]


def _unit(referral: Referral) -> str:
    if referral.unit is None:
        raise InvalidTransition(f"{referral.referred} has not qualified.", expected="qualified")
    return referral.unit


def _due(book: Book, referrals: Sequence[Referral]) -> list[Referral]:
    """Those whose bonuses can be paid, at most so many at once: who must be known is, and no
    account is frozen. What this asks of them is loaded together: thousands may wait.
    """
    people = {name for one in referrals for name in (one.referrer, one.referred)}
    book.expect(rows=((Kyc, name) for name in people))
    known = frozenset(name for name in people if book.peek(Kyc, name) is not None)
    ready = [one for one in referrals if rules.is_known(one, known)]
    due: list[Referral] = []
    for start in range(0, len(ready), _MOST_AT_ONCE):
        some = ready[start : start + _MOST_AT_ONCE]
        book.foresee(Account, "code", [code for one in some for code in _codes(one)])
        due += [one for one in some if _is_open(book, one)]
        if len(due) >= _MOST_AT_ONCE:
            break
    return due[:_MOST_AT_ONCE]


def _is_open(book: Book, referral: Referral) -> bool:
    """No account is frozen. One that is not there yet is opened when it is paid into, not here."""
    found = [account for code in _codes(referral) for account in book.find(Account, code=code)]
    return all(one.status == "active" for one in found if one.unit == referral.unit)


def _codes(referral: Referral) -> list[str]:
    owners = [owner for owner, _ in _bonuses(referral)]
    paths = [f"wallet/{owner}/personal/{referral.unit}" for owner in owners]
    return [*paths, *(f"{OWED}/{owner}" for owner in owners)]


# ── staff ────────────────────────────────────────────────────────────────────────────


@VERBS.handles(CancelReferral, roles=("admin", "finance"))
def cancel_referral(book: Book, command: CancelReferral) -> ReferralState:
    """Errors: `ReferralNotFound`, `InvalidTransition` when it is paid, lapsed or cancelled,
    `ApprovalRequired`.
    """
    check_reason(command.reason)
    referral = book.peek(Referral, command.referred)
    if referral is None:
        raise ReferralNotFound(
            f"Nobody referred {command.referred[:100]!r}.", got=command.referred[:100]
        )
    if referral.status not in {"pending", "qualified"}:
        raise InvalidTransition(
            f"The referral of {referral.referred} is {referral.status}.",
            expected=["pending", "qualified"],
            got=referral.status,
        )
    if referral.status == "qualified":
        _check_total(book, [referral])
        referral = _owe(book, referral, -1)
    referral = book.change(
        referral,
        status="cancelled",
        waiting=None,
        reason=command.reason,
        cancelled_at=book.now,
    )
    _announce(book, referral, "cancelled")
    return rules.referral_state(referral)


@VERBS.handles(ConfirmKyc, roles=("admin", "finance", "support"))
def confirm_kyc(book: Book, command: ConfirmKyc) -> KycState:
    """Errors: `Invalid`, `AlreadyExists`, `ApprovalRequired` when more than the four-eyes limit
    becomes due.
    """
    _check_owner_id(command.owner)
    if not command.evidence.strip() or len(command.evidence) > _MOST_TEXT:
        raise Invalid(
            "Say how it is known.", expected="1 to 500 characters", got=command.evidence[:60]
        )
    kyc = book.add(Kyc(command.owner, command.evidence, book.now))
    book.announce("kyc.confirmed", command.owner, command.owner)
    _pay_what_is_due(book, command.owner)
    return rules.kyc_state(kyc)


@VERBS.handles(PayBonuses, roles=("admin", "finance", "service"))
def pay_bonuses(book: Book, command: PayBonuses) -> BonusesPaid:
    """Errors: `ApprovalRequired` above the four-eyes limit."""
    return _pay_what_is_due(book, command.owner)


def _pay_what_is_due(book: Book, owner: str) -> BonusesPaid:
    waiting = book.find(Referral, waiting=owner)
    own = book.peek(Referral, owner)
    if own is not None and own.status == "qualified":
        waiting = [own, *waiting]
    due = _due(book, waiting)
    _check_total(book, due)
    paid = [_pay(book, referral).referred for referral in due]
    return BonusesPaid(owner, paid, len(waiting) - len(paid))


def _check_total(book: Book, referrals: Sequence[Referral]) -> None:
    """Four eyes look at bonuses together. Errors: `ApprovalRequired`."""
    totals: dict[str, int] = {}
    for referral in referrals:
        total = referral.referrer_bonus + referral.referred_bonus
        totals[_unit(referral)] = totals.get(_unit(referral), 0) + total
    for unit, total in totals.items():
        check_four_eyes(book, house_account(book, REFERRAL_EXPENSE, unit), total)


def _announce(book: Book, referral: Referral, what: str) -> None:
    """Each is told of their own bonus."""
    for owner, bonus in (
        (referral.referrer, referral.referrer_bonus),
        (referral.referred, referral.referred_bonus),
    ):
        book.announce(
            f"referral.{what}",
            referral.referred,
            owner,
            referrer=referral.referrer,
            bonus=None if referral.exponent is None else to_text(bonus, referral.exponent),
            currency=referral.unit,
        )
