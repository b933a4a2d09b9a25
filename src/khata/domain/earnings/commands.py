"""Earnings: agree on rates, count views, reward, pay deliveries, set the policy."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from khata.base.clock import Instant, from_iso, to_iso
from khata.base.money import MAX_MINOR, Money, to_positive_minor, to_text
from khata.domain.earnings import rules
from khata.domain.earnings.model import (
    EARNINGS,
    WAYS,
    BonusKind,
    CountedMission,
    CreatorRate,
    Earning,
    EarningKind,
    EarningPolicy,
    EarningsPaid,
    MissionChain,
    RateState,
    VideoViews,
    ViewsCounted,
)
from khata.domain.earnings.paying import (
    Due,
    check_reference,
    checked,
    pay,
    policy_of,
    wallet_of,
)
from khata.domain.setup import exponent_of, keep
from khata.engine.book import Book
from khata.engine.command import Command, Verbs
from khata.errors import AmountTooLarge, CurrencyMismatch, Invalid
from khata.errors.market import AlreadyCounted, EarningRefused

VERBS: Final = Verbs()
_VIDEO: Final = re.compile(r"[^\s/\x00-\x1f\x7f]{1,100}")


class SetRate(Command, frozen=True, tag="earnings.set_rate"):
    """Agree with a creator on the price of a thousand views, for those counted from now on."""

    creator: str
    per_thousand: Money


class CountViews(Command, frozen=True, tag="earnings.count_views", omit_defaults=True):
    """Pay a video's views. `total`: all that it ever had; only what is new is paid.

    `wallet`: left out, `<creator>/creator/<currency>`.
    """

    video: str
    creator: str
    total: int
    wallet: str | None = None


class Bonus(Command, frozen=True, tag="earnings.bonus", omit_defaults=True):
    """Reward somebody, once for each reference. `amount`: left out, what the policy says."""

    bonus: BonusKind
    owner: str
    reference: str
    amount: Money | None = None
    wallet: str | None = None


class PayDelivery(Command, frozen=True, tag="earnings.delivery", omit_defaults=True):
    """Pay a rider a delivery, with the bonuses that the policy has for it.

    `fee_is_paid`: elsewhere, out of an order's escrow: only the bonuses are paid. `chain`: the
    run of missions that this one goes on with, such as a shift's; who counts on from 1 names
    another. `delivered_at`: ISO 8601, now when left out; it decides on peak hours.
    """

    rider: str
    reference: str
    fee: Money
    fee_is_paid: bool = False
    haggled: bool = False
    chain: str | None = None
    delivered_at: str | None = None
    wallet: str | None = None


class SetPolicy(Command, frozen=True, tag="earnings.set_policy"):
    """Say how earnings are measured from now on. What the policy leaves out is as built in."""

    policy: EarningPolicy


# ── creators ─────────────────────────────────────────────────────────────────────────


@VERBS.handles(SetRate, roles=("admin", "finance", "service"))
def set_rate(book: Book, command: SetRate) -> RateState:
    """Errors: `EarningRefused` outside of the policy's bounds, `CurrencyMismatch`, those of an
    amount, `Invalid` for a name that is none.
    """
    policy, wanted = policy_of(book).views, command.per_thousand
    if wanted.currency != policy.least.currency:
        raise CurrencyMismatch(
            f"Views are paid in {policy.least.currency}.",
            expected=policy.least.currency,
            got=wanted.currency,
        )
    places = exponent_of(book, wanted.currency)
    minor = to_positive_minor(wanted.amount, places)
    least, most = (to_positive_minor(end.amount, places) for end in (policy.least, policy.most))
    if not least <= minor <= most:
        raise EarningRefused(
            f"A thousand views bring {policy.least} to {policy.most}.",
            reason="rate_out_of_bounds",
            expected=f"{policy.least.amount} to {policy.most.amount}",
            got=wanted.amount,
            currency=wanted.currency,
        )
    wallet_of(book, command.creator, WAYS["video_view"].wallet, wanted.currency, None)
    known = book.peek(CreatorRate, command.creator)
    rate = CreatorRate(command.creator, minor, wanted.currency, places, book.now)
    if known is None:
        book.add(rate)
    else:
        book.change(known, **msgspec.structs.asdict(rate))
    return RateState(
        rate.creator, to_text(minor, places), rate.unit, agreed=True, set_at=to_iso(book.now)
    )


@VERBS.handles(CountViews, roles=("admin", "finance", "service"))
def count_views(book: Book, command: CountViews) -> ViewsCounted:
    """Pay what is new, at the creator's rate now, and the viral bonuses that it reaches.

    Errors: `AlreadyCounted` unless the total is above the last one; `EarningRefused` for another
    creator, or a rate in another currency than the video's; `Invalid`; those of `pay`.
    """
    policy = policy_of(book)
    rate = _rate_of(book, command.creator, policy)
    known = _video(book, command, rate)
    new = command.total - known.total
    minor, remainder = rules.price_of(new, rate.per_thousand, known.remainder)
    if known.paid + minor > MAX_MINOR:
        raise AmountTooLarge("These are too many views.", expected=MAX_MINOR, got=minor)
    # also when nothing is due yet: whoever cannot be paid later is refused now
    wallet_of(book, command.creator, WAYS["video_view"].wallet, rate.unit, command.wallet)
    dues = [Due("video_view", rate.unit, minor, f"{command.video}/{command.total}")]
    dues = [due for due in dues if due.minor] + _viral(book, command, policy, known.total)
    paid = pay(book, command.creator, dues, command.wallet)
    views = book.change(
        known,
        total=command.total,
        paid=known.paid + minor,
        remainder=remainder,
        reports=known.reports + 1,
        counted_at=book.now,
    )
    return ViewsCounted(rules.views_state(views), new, paid.earnings, paid.collected)


def _viral(book: Book, command: CountViews, policy: EarningPolicy, before: int) -> list[Due]:
    """The viral bonuses that this report reaches; one that a person gave already is not due."""
    return [
        _due(book, "viral_bonus", one.amount, reference)
        for one in rules.reached(policy.viral, before, command.total)
        if (reference := f"{command.video}/{one.views}")
        and book.peek(Earning, (command.creator, "viral_bonus", reference)) is None
    ]


def _rate_of(book: Book, creator: str, policy: EarningPolicy) -> CreatorRate:
    """What was agreed on, in the currency that views are paid in, or else the policy's."""
    known, otherwise = book.peek(CreatorRate, creator), policy.views.otherwise
    if known is not None and known.unit == otherwise.currency:
        return known
    places = exponent_of(book, otherwise.currency)
    minor = to_positive_minor(otherwise.amount, places)
    return CreatorRate(creator, minor, otherwise.currency, places, book.now)


def _video(book: Book, command: CountViews, rate: CreatorRate) -> VideoViews:
    """The video as it was counted so far."""
    if not _VIDEO.fullmatch(command.video):
        raise Invalid(
            "A video is named by 1 to 100 characters without spaces and slashes.",
            expected="such as V1001",
            got=command.video[:60],
        )
    if not 1 <= command.total <= rules.MOST_VIEWS:
        raise Invalid("Views are counted from 1.", expected="1 to 10^12", got=command.total)
    known = book.peek(VideoViews, command.video)
    if known is None:
        places, now = rate.exponent, book.now
        made = VideoViews(command.video, command.creator, 0, 0, 0, rate.unit, places, 0, now)
        return book.add(made)
    for reason, is_, wanted in (
        ("other_creator", known.creator, command.creator),
        ("other_currency", known.unit, rate.unit),
    ):
        if is_ != wanted:
            raise EarningRefused(
                f"{command.video} is {is_}'s, and was paid so.",
                reason=reason,
                expected=is_,
                got=wanted,
            )
    if command.total <= known.total:
        raise AlreadyCounted(
            f"{known.total} views of {command.video} are counted and paid.",
            expected=f"more than {known.total}",
            got=command.total,
        )
    return known


@VERBS.handles(Bonus, roles=("admin", "finance", "service"))
def bonus(book: Book, command: Bonus) -> EarningsPaid:
    """Errors: `AlreadyCounted`; `EarningRefused` when neither the command nor the policy names an
    amount; those of an amount and of `pay`.
    """
    check_reference("reference", command.reference)
    amount = command.amount or policy_of(book).rewards.get(command.bonus)
    if amount is None:
        raise EarningRefused(
            f"The policy names no amount for a {command.bonus}.",
            reason="no_amount",
            expected="an amount",
            got=None,
        )
    due = _due(book, command.bonus, amount, command.reference)
    return pay(book, command.owner, [due], command.wallet)


# ── riders ───────────────────────────────────────────────────────────────────────────


@VERBS.handles(PayDelivery, roles=("admin", "finance", "service"))
def pay_delivery(book: Book, command: PayDelivery) -> EarningsPaid:
    """Errors: `AlreadyCounted`, `Invalid`, those of an amount and of `pay`."""
    check_reference("reference", command.reference)
    if book.peek(CountedMission, (command.rider, command.reference)) is not None:
        raise AlreadyCounted(
            f"{command.reference} was counted for {command.rider} already.",
            expected="a delivery that was not counted yet",
            got=command.reference,
        )
    unit, fee = command.fee.currency, command.fee
    places = exponent_of(book, unit)
    minor = to_positive_minor(fee.amount, places)
    wallet_of(book, command.rider, WAYS["delivery_fee"].wallet, unit, command.wallet)
    mission = book.add(
        CountedMission(
            rider=command.rider,
            reference=command.reference,
            number=book.new_number(),
            fee=minor,
            unit=unit,
            exponent=places,
            fee_is_paid=command.fee_is_paid,
            haggled=command.haggled,
            chain=command.chain,
            place=_place(book, command),
            delivered_at=_delivered_at(book, command.delivered_at),
            counted_at=book.now,
        )
    )
    dues = [] if command.fee_is_paid else [Due("delivery_fee", unit, minor, command.reference)]
    for kind, amount in rules.delivery_bonuses(
        policy_of(book),
        fee,
        minor,
        places,
        mission.delivered_at,
        haggled=command.haggled,
        place=mission.place,
    ):
        dues.append(_due(book, kind, amount, command.reference))
    return pay(book, command.rider, dues, command.wallet)


def _place(book: Book, command: PayDelivery) -> int:
    """The mission's number in its chain, which is counted on by it; 0 without a chain."""
    if command.chain is None:
        return 0
    check_reference("chain", command.chain)
    known = book.peek(MissionChain, (command.rider, command.chain))
    if known is None:
        known = book.add(MissionChain(command.rider, command.chain, 0, book.now))
    return book.change(known, missions=known.missions + 1, changed_at=book.now).missions


def _delivered_at(book: Book, text: str | None) -> Instant:
    at = book.now if text is None else from_iso(text)
    if at > book.now:
        raise Invalid(
            "Nothing is delivered in the future.", expected=to_iso(book.now), got=(text or "")[:40]
        )
    return at


def _due(book: Book, kind: EarningKind, amount: Money, reference: str) -> Due:
    minor = to_positive_minor(amount.amount, exponent_of(book, amount.currency))
    return Due(kind, amount.currency, minor, reference)


# ── the policy ───────────────────────────────────────────────────────────────────────


@VERBS.handles(SetPolicy, roles=("admin",))
def set_policy(book: Book, command: SetPolicy) -> EarningPolicy:
    """Errors: `Invalid`, `CurrencyMismatch`, those of an amount and its currency."""
    rules.check_policy(command.policy)
    policy = checked(book, command.policy)
    keep(book, EARNINGS, msgspec.to_builtins(policy))
    return policy
