"""How earnings are measured: functions of values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from khata.base import ids
from khata.base.clock import SECOND, Instant, to_iso
from khata.base.money import Money, to_text
from khata.domain.earnings.model import (
    ChainBonus,
    CountedMission,
    Earning,
    EarningKind,
    EarningPolicy,
    EarningState,
    Extra,
    PaidMission,
    Peak,
    Threshold,
    VideoViews,
    ViewsState,
)
from khata.errors import CurrencyMismatch, Invalid

THOUSAND: Final = 1000
WHOLE: Final = 10_000
"""Basis points in a whole."""
MOST_VIEWS: Final = 10**12
_DAY_MINUTES: Final = 24 * 60
_FURTHEST_MINUTES: Final = 14 * 60
_MOST_ROWS: Final = 50
_MOST_MISSIONS: Final = 10_000
_TIME: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")


# ── views ────────────────────────────────────────────────────────────────────────────


def price_of(views: int, per_thousand: int, remainder: int) -> tuple[int, int]:
    """(minor units to pay, thousandths of one that remain) for views at a price per thousand.

    `remainder`: the thousandths that were left before. Nothing is rounded away: the same views at
    the same price pay the same in all, in however many reports they come.
    """
    return divmod(views * per_thousand + remainder, THOUSAND)


def reached(thresholds: Iterable[Threshold], before: int, total: int) -> list[Threshold]:
    """The thresholds that a video passes between two totals; each lies between two only once."""
    return [one for one in thresholds if before < one.views <= total]


# ── deliveries ───────────────────────────────────────────────────────────────────────


def delivery_bonuses(
    policy: EarningPolicy, fee: Money, fee_minor: int, exponent: int, at: Instant, *, haggled: bool,
    place: int,
) -> list[tuple[EarningKind, Money]]:  # fmt: skip
    """What a delivery brings its rider beside the fee, as (kind, amount).

    `fee_minor`, `exponent`: the fee in minor units, and its decimals. `at`: when it was delivered.
    `place`: its number in its chain of missions, 0 without one.
    """
    bonuses: list[tuple[EarningKind, Money | None]] = [
        ("mission_chain", chain_bonus(policy.chains, place))
    ]
    peak = peak_at(policy, at)
    for kind, extra in (
        ("peak_hour", peak.extra if peak else None),
        ("haggled_order", policy.haggled if haggled else None),
    ):
        bonuses.append((kind, _extra(extra, fee, fee_minor, exponent)))  # type: ignore[arg-type]
    return [(kind, amount) for kind, amount in bonuses if amount is not None]


def _extra(extra: Extra | None, fee: Money, fee_minor: int, exponent: int) -> Money | None:
    """Points of a fee are rounded down, and nothing comes of less than a minor unit."""
    if extra is None or extra.amount is not None:
        return extra.amount if extra else None
    minor = fee_minor * (extra.points or 0) // WHOLE
    return Money(to_text(minor, exponent), fee.currency) if minor else None


def chain_bonus(chains: Iterable[ChainBonus], place: int) -> Money | None:
    """The bonus for the mission with this number in its chain; of several, the rarest."""
    due = [
        one
        for one in chains
        if place == one.missions or (one.repeats and place and place % one.missions == 0)
    ]
    return max(due, key=lambda one: one.missions).amount if due else None


def peak_at(policy: EarningPolicy, at: Instant) -> Peak | None:
    """The first peak window that an instant falls in."""
    now = (at // (60 * SECOND) + policy.offset_minutes) % _DAY_MINUTES
    for peak in policy.peaks:
        begins, ends = minute_of(peak.begins), minute_of(peak.ends)
        inside = begins <= now < ends if begins < ends else now >= begins or now < ends
        if inside:
            return peak
    return None


def minute_of(time: str) -> int:
    """The minute of the day of `HH:MM`. Errors: `Invalid`."""
    found = _TIME.fullmatch(time)
    if found is None:
        raise Invalid(f"{time[:20]!r} is not a time of day.", expected="HH:MM", got=time[:20])
    return int(found[1]) * 60 + int(found[2])


# ── the policy ───────────────────────────────────────────────────────────────────────


def policy_in(value: Mapping[str, Any]) -> EarningPolicy:
    """The policy that a setting's value says. Errors: `Invalid`."""
    try:
        policy = msgspec.convert(value, EarningPolicy)
    except msgspec.ValidationError as error:
        raise Invalid(
            f"The setting earnings makes no sense: {error}",
            expected=list(EarningPolicy.__struct_fields__),
        ) from None
    check_policy(policy)
    return policy


def check_policy(policy: EarningPolicy) -> None:
    """Errors: `Invalid` for a rule that makes no sense, `CurrencyMismatch` for view rates in
    several currencies. Whether amounts are amounts is for who knows the book's units.
    """
    views = policy.views
    for money in (views.most, views.otherwise):
        if money.currency != views.least.currency:
            raise CurrencyMismatch(
                "The rates of views are in one currency.",
                expected=views.least.currency,
                got=money.currency,
            )
    for name in ("viral", "peaks", "chains"):
        if len(getattr(policy, name)) > _MOST_ROWS:
            raise Invalid(f"{name} has too many rows.", expected=f"at most {_MOST_ROWS}")
    _check_numbers("viral", [one.views for one in policy.viral], MOST_VIEWS)
    _check_numbers("chains", [one.missions for one in policy.chains], _MOST_MISSIONS)
    if abs(policy.offset_minutes) > _FURTHEST_MINUTES:
        raise Invalid(
            "Time zones are at most 14 hours from UTC.",
            expected="-840 to 840",
            got=policy.offset_minutes,
        )
    for peak in policy.peaks:
        if minute_of(peak.begins) == minute_of(peak.ends):
            raise Invalid("A window has a length.", expected="two times", got=peak.begins)
    for extra in _extras(policy):
        _check_extra(extra)


def _check_numbers(name: str, numbers: list[int], most: int) -> None:
    if len(set(numbers)) < len(numbers) or not all(1 <= number <= most for number in numbers):
        raise Invalid(
            f"The numbers of {name} are different, and 1 to {most}.",
            expected=f"1 to {most}, each once",
            got=numbers,
        )


def _check_extra(extra: Extra) -> None:
    if (extra.amount is None) == (extra.points is None):
        raise Invalid("An extra is an amount or points of the fee.", expected="one of them")
    if extra.points is not None and not 1 <= extra.points <= WHOLE:
        raise Invalid("Points are 1 to 10000.", expected="1 to 10000", got=extra.points)


def _extras(policy: EarningPolicy) -> list[Extra]:
    return [*(peak.extra for peak in policy.peaks), *filter(None, [policy.haggled])]


def amounts_in(policy: EarningPolicy) -> Iterator[Money]:
    """Every amount that a policy names."""
    yield from (policy.views.least, policy.views.most, policy.views.otherwise)
    yield from (one.amount for one in policy.viral)
    yield from (one.amount for one in policy.chains)
    yield from policy.rewards.values()
    yield from (extra.amount for extra in _extras(policy) if extra.amount is not None)


# ── what people are told ─────────────────────────────────────────────────────────────


def earning_state(earning: Earning) -> EarningState:
    """An earning as people see it."""
    return EarningState(
        ids.to_text("ern", earning.number),
        earning.owner,
        earning.kind,
        to_text(earning.amount, earning.exponent),
        earning.unit,
        earning.reference,
        earning.wallet,
        earning.entry,
        to_iso(earning.at),
    )


def views_state(views: VideoViews) -> ViewsState:
    """A video's views as people see them."""
    return ViewsState(
        views.video,
        views.creator,
        views.total,
        to_text(views.paid, views.exponent),
        views.unit,
        views.reports,
        to_iso(views.counted_at),
    )


def mission_state(mission: CountedMission) -> PaidMission:
    """A delivery as people see it."""
    return PaidMission(
        mission.rider,
        mission.reference,
        to_text(mission.fee, mission.exponent),
        mission.unit,
        mission.fee_is_paid,
        mission.haggled,
        mission.chain,
        mission.place,
        to_iso(mission.delivered_at),
    )
