"""Earnings: what creators and riders are paid, and what of it was counted already.

Every earning is an expense of the house and an entry of its own, under a kind. What is counted
(a video's views, a rider's missions) is kept beside it, so that nothing is paid twice.
"""

from __future__ import annotations

from typing import ClassVar, Final, Literal

import msgspec

from khata.base.money import Money
from khata.domain.ledger import Moved
from khata.engine.records import Record, Table

EARNINGS: Final = "earnings"
"""The setting of the book that a `EarningPolicy` is read from."""

EarningKind = Literal[
    "video_view",
    "viral_bonus",
    "surprise_reward",
    "delivery_fee",
    "mission_chain",
    "peak_hour",
    "haggled_order",
]
BonusKind = Literal["viral_bonus", "surprise_reward"]


class Way(msgspec.Struct, frozen=True):
    """How an earning goes: its source, the expense it is, the kind of wallet it is paid into."""

    source: str
    expense: str
    wallet: str


WAYS: Final[dict[EarningKind, Way]] = {
    "video_view": Way("video_view", "expense/video_view", "creator"),
    "viral_bonus": Way("viral_bonus", "expense/viral_bonus", "creator"),
    "surprise_reward": Way("surprise_coupon", "expense/surprise_coupon", "creator"),
    "delivery_fee": Way("delivery", "expense/delivery", "rider"),
    "mission_chain": Way("mission", "expense/mission", "rider"),
    "peak_hour": Way("delivery", "expense/peak_hour", "rider"),
    "haggled_order": Way("dam_komao", "expense/dam_komao", "rider"),
}


# ── records ──────────────────────────────────────────────────────────────────────────


class CreatorRate(Record, frozen=True):
    """What a creator agreed on for a thousand views, in minor units."""

    creator: str
    per_thousand: int
    unit: str
    exponent: int
    set_at: int

    TABLE: ClassVar = Table("creator_rates", key=("creator",))


class VideoViews(Record, frozen=True):
    """How many views of a video are counted, and paid for.

    `paid`: minor units. `remainder`: thousandths of a minor unit that are earned and not paid
    yet, 0 to 999; the next report begins with them.
    """

    video: str
    creator: str
    total: int
    paid: int
    remainder: int
    unit: str
    exponent: int
    reports: int
    counted_at: int

    TABLE: ClassVar = Table("video_views", key=("video",), indexes=(("creator", "video"),))


class CountedMission(Record, frozen=True):
    """A rider's delivery. `chain`, `place`: the chain that it belongs to, and its number there.

    `fee`: minor units; `fee_is_paid`: elsewhere, so that it is only what bonuses are measured by.
    `delivered_at`: the instant that decides on peak hours.
    """

    rider: str
    reference: str
    number: int
    fee: int
    unit: str
    exponent: int
    fee_is_paid: bool
    haggled: bool
    chain: str | None
    place: int
    delivered_at: int
    counted_at: int

    TABLE: ClassVar = Table(
        "rider_missions", key=("rider", "reference"), indexes=(("rider", "number"),)
    )


class MissionChain(Record, frozen=True):
    """How many missions of a chain a rider has delivered."""

    rider: str
    chain: str
    missions: int
    changed_at: int

    TABLE: ClassVar = Table("mission_chains", key=("rider", "chain"))


class Earning(Record, frozen=True):
    """One earning that was paid; no other of its kind has its owner and reference.

    `number`: its place among all earnings. `amount`: minor units. `wallet`: a path.
    """

    owner: str
    kind: EarningKind
    reference: str
    number: int
    amount: int
    unit: str
    exponent: int
    wallet: str
    entry: str
    at: int

    TABLE: ClassVar = Table(
        "earnings",
        key=("owner", "kind", "reference"),
        indexes=(
            ("owner", "number"),
            ("owner", "kind", "number"),
            ("kind", "number"),
            ("number",),
        ),
    )


# ── the policy ───────────────────────────────────────────────────────────────────────


def _bdt(amount: str) -> Money:
    return Money(amount, "BDT")


class ViewRate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The price of a thousand views: `least` and `most` that may be agreed on, and what a creator
    gets who agreed on none. All in one currency.
    """

    least: Money = _bdt("20.00")
    most: Money = _bdt("50.00")
    otherwise: Money = _bdt("20.00")


class Threshold(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A viral bonus: when a video's counted views reach `views`, once."""

    views: int
    amount: Money


class Extra(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A rider's extra for one delivery: an `amount`, or basis `points` of the fee."""

    amount: Money | None = None
    points: int | None = None


class Peak(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A window of every day in the book's own time, `begins` up to and without `ends`, `HH:MM`.

    One that ends before it begins goes on over midnight.
    """

    begins: str
    ends: str
    extra: Extra


class ChainBonus(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """For the mission of a chain with this number; `repeats`: and for each that many later."""

    missions: int
    amount: Money
    repeats: bool = False


class EarningPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How earnings are measured. What a setting leaves out is as it is here.

    `offset_minutes`: the book's own time, minutes east of UTC. `rewards`: what a bonus is when it
    names no amount.
    """

    views: ViewRate = ViewRate()
    viral: tuple[Threshold, ...] = (
        Threshold(100_000, _bdt("500.00")),
        Threshold(1_000_000, _bdt("5000.00")),
    )
    rewards: dict[BonusKind, Money] = {}
    offset_minutes: int = 360
    peaks: tuple[Peak, ...] = (
        Peak("12:00", "14:00", Extra(points=2000)),
        Peak("18:00", "21:00", Extra(points=2500)),
    )
    chains: tuple[ChainBonus, ...] = (ChainBonus(5, _bdt("100.00"), repeats=True),)
    haggled: Extra | None = Extra(amount=_bdt("10.00"))


# ── what people are told ─────────────────────────────────────────────────────────────


class EarningState(msgspec.Struct, frozen=True):
    """An earning as people see it. `amount`: a decimal string; `wallet`: a path."""

    id: str
    owner: str
    kind: EarningKind
    amount: str
    currency: str
    reference: str
    wallet: str
    entry: str
    at: str


class EarningsPaid(msgspec.Struct, frozen=True):
    """What was paid to an owner, and which of their debts were taken out of it at once."""

    owner: str
    earnings: list[EarningState]
    collected: list[Moved]


class ViewsState(msgspec.Struct, frozen=True):
    """The views of a video that are counted, and what they brought so far."""

    video: str
    creator: str
    total: int
    paid: str
    currency: str
    reports: int
    counted_at: str


class ViewsCounted(msgspec.Struct, frozen=True):
    """What a report of views led to. `new`: views that were not counted before."""

    views: ViewsState
    new: int
    earnings: list[EarningState]
    collected: list[Moved]


class RateState(msgspec.Struct, frozen=True):
    """What a creator gets for a thousand views. `agreed`: and not just the policy's."""

    creator: str
    per_thousand: str
    currency: str
    agreed: bool
    set_at: str | None


class PaidMission(msgspec.Struct, frozen=True):
    """A rider's delivery as people see it. `place`: its number in its chain, 0 without one."""

    rider: str
    reference: str
    fee: str
    currency: str
    fee_is_paid: bool
    haggled: bool
    chain: str | None
    place: int
    delivered_at: str


class EarningTotal(msgspec.Struct, frozen=True):
    """What an owner's earnings of one kind add up to: a decimal string."""

    kind: EarningKind
    currency: str
    count: int
    total: str
