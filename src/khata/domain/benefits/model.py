"""Campaigns with their uses, referrals with their bonuses, and the rules of a book for both."""

from __future__ import annotations

from typing import ClassVar, Final, Literal

import msgspec

from khata.engine.records import Record, Table

CampaignKind = Literal["percentage", "fixed"]
CampaignStatus = Literal["running", "paused", "ended"]
Payer = Literal["platform", "seller", "partner"]
Stacks = Literal["alone", "with_others"]
KycRule = Literal["none", "referrer", "both"]
ReferralStatus = Literal["pending", "qualified", "paid", "lapsed", "cancelled"]

WHOLE: Final = 10_000
"""Basis points in a whole."""
REFERRAL_EXPENSE: Final = "expense/referrals"
OWED: Final = "payable/referrals"
"""Where bonuses are owed until they are paid, by owner: `payable/referrals/alice`."""
POLICY: Final = "benefits"
"""The key of a book's only policy."""


# ── what other rooms ask and are told ────────────────────────────────────────────────


class Ask(msgspec.Struct, frozen=True):
    """A purchase with the codes that its buyer gives. `amount`: minor units, before benefits.

    `subject`: what is bought, such as `order/M1001`; it gets benefits once. `source`: the business
    reason of the purchase; with `category` and `partner` what campaigns may be limited to.
    """

    subject: str
    owner: str
    amount: int
    unit: str
    exponent: int
    source: str
    codes: list[str]
    partner: str | None = None
    category: str | None = None


class Granted(msgspec.Struct, frozen=True):
    """What a campaign gives, or gets back. `amount`: minor units, above zero.

    `account`: the house account that bears it where the platform pays; else "", and the payer's
    share is to be lowered.
    """

    campaign: str
    payer: Payer
    amount: int
    account: str
    kind: CampaignKind


# ── records ──────────────────────────────────────────────────────────────────────────


class Campaign(Record, frozen=True):
    """What purchases get, in one unit. Amounts in minor units; None is no bound.

    `points`: basis points of the purchase, rounded down, at most `most`; or `amount`, fixed.
    `least`: the smallest purchase. `spent`, `uses`: what is given and not given back.
    `per_user`, `most_uses`: uses of one owner, of all. `sources`, `categories`, `partners`: only
    purchases with one of these. `priority`: combined campaigns apply from the lowest on.
    """

    code: str
    title: str
    kind: CampaignKind
    points: int
    amount: int
    most: int | None
    least: int
    unit: str
    exponent: int
    budget: int | None
    spent: int
    starts_at: int
    ends_at: int | None
    per_user: int | None
    most_uses: int | None
    uses: int
    sources: list[str] | None
    categories: list[str] | None
    partners: list[str] | None
    payer: Payer
    stacks: Stacks
    priority: int
    status: CampaignStatus
    reason: str | None
    created_at: int
    changed_at: int

    TABLE: ClassVar = Table("campaigns", key=("code",), indexes=(("status", "code"),))


class Use(Record, frozen=True):
    """What a campaign gave to a purchase. Minor units.

    `purchase`: the amount before benefits. `returned`: given back of `amount`. `refunded`, `whole`:
    how much of how much was refunded in part so far, as the caller measures it.
    """

    id: str
    campaign: str
    owner: str
    subject: str
    purchase: int
    amount: int
    returned: int
    refunded: int
    whole: int | None
    unit: str
    exponent: int
    payer: Payer
    status: Literal["granted", "returned"]
    granted_at: int
    returned_at: int | None

    TABLE: ClassVar = Table(
        "benefit_uses",
        key=("id",),
        finds=("subject",),
        indexes=(("campaign", "granted_at"), ("owner", "granted_at"), ("granted_at",)),
    )


class UseCount(Record, frozen=True):
    """How often an owner used a campaign, and what they got by it, less what was given back."""

    campaign: str
    owner: str
    uses: int
    amount: int

    TABLE: ClassVar = Table("benefit_counts", key=("campaign", "owner"))


class Policy(Record, frozen=True):
    """What holds for all benefits of a book. Amounts by unit, in minor units; None is no bound.

    `points`, `most`: all benefits of one purchase together, in basis points of it and as an
    amount; the lower counts. `referrer`, `referred`: their bonuses. `kyc`: who must be known
    before a bonus is paid. `most_referrals`: of one referrer, ever; `most_in_window` within any
    `window_seconds`.
    """

    name: str
    points: int | None
    most: dict[str, int]
    referrer: dict[str, int]
    referred: dict[str, int]
    kyc: KycRule
    most_referrals: int | None
    most_in_window: int | None
    window_seconds: int | None
    changed_at: int

    TABLE: ClassVar = Table("benefit_policies", key=("name",))


NO_POLICY: Final = Policy(POLICY, None, {}, {}, {}, "none", None, None, None, 0)
"""What holds while none was set: no bound, no bonus."""


class Referral(Record, frozen=True):
    """Who brought whom; each owner is brought once. Bonuses in minor units.

    `waiting`: the referrer while bonuses are owed, so that theirs are found. `kyc`, `unit` and
    the bonuses are those of the policy when the first purchase `subject` was made.
    """

    referred: str
    referrer: str
    status: ReferralStatus
    waiting: str | None
    kyc: KycRule
    unit: str | None
    exponent: int | None
    referrer_bonus: int
    referred_bonus: int
    subject: str | None
    entries: list[str]
    reason: str | None
    created_at: int
    qualified_at: int | None
    paid_at: int | None
    cancelled_at: int | None

    TABLE: ClassVar = Table(
        "referrals",
        key=("referred",),
        finds=("waiting",),
        indexes=(("referrer", "created_at"), ("status", "created_at"), ("created_at",)),
    )


class Referrer(Record, frozen=True):
    """How many owners somebody brought. `times`: when, as far back as a limit looks."""

    owner: str
    total: int
    times: list[int]

    TABLE: ClassVar = Table("referrers", key=("owner",))


class FirstPurchase(Record, frozen=True):
    """What an owner bought first: who has bought cannot be referred any more."""

    owner: str
    subject: str
    at: int

    TABLE: ClassVar = Table("first_purchases", key=("owner",))


class Kyc(Record, frozen=True):
    """Somebody saw who an owner is. `evidence`: where that is kept, never the papers themselves."""

    owner: str
    evidence: str
    confirmed_at: int

    TABLE: ClassVar = Table("kyc", key=("owner",))


# ── what callers are told ────────────────────────────────────────────────────────────


class CampaignState(msgspec.Struct, frozen=True):
    """A campaign as its caller is told of it. Amounts are decimal strings.

    `open`: whether it gives anything now: running, within its time, with budget and uses left.
    `left`: of the budget, None where there is none. `account`: what bears the platform's part.
    """

    code: str
    title: str
    benefit: str
    status: str
    open: bool
    currency: str
    points: int | None
    amount: str | None
    most: str | None
    least: str
    budget: str | None
    spent: str
    left: str | None
    uses: int
    most_uses: int | None
    per_user: int | None
    starts_at: str
    ends_at: str | None
    sources: list[str] | None
    categories: list[str] | None
    partners: list[str] | None
    payer: str
    account: str | None
    stacks: str
    priority: int
    reason: str | None
    created_at: str
    changed_at: str


class UseState(msgspec.Struct, frozen=True):
    """A use as its caller is told of it. Amounts are decimal strings."""

    id: str
    campaign: str
    owner: str
    subject: str
    purchase: str
    amount: str
    returned: str
    currency: str
    payer: str
    status: str
    granted_at: str
    returned_at: str | None


class BenefitPolicyState(msgspec.Struct, frozen=True):
    """A policy as its caller is told of it. Amounts are decimal strings by currency."""

    points: int | None
    most: dict[str, str]
    referrer: dict[str, str]
    referred: dict[str, str]
    kyc: str
    most_referrals: int | None
    most_in_window: int | None
    window_seconds: int | None
    changed_at: str | None


class Benefit(msgspec.Struct, frozen=True):
    """What one campaign would give to a purchase. `amount`: a decimal string."""

    campaign: str
    title: str
    benefit: str
    payer: str
    amount: str


class BenefitPreview(msgspec.Struct, frozen=True):
    """What a purchase would get now. Amounts are decimal strings."""

    owner: str
    amount: str
    currency: str
    benefits: list[Benefit]
    total: str
    to_pay: str


class ReferralState(msgspec.Struct, frozen=True):
    """A referral as its caller is told of it. Bonuses are decimal strings, None before it
    qualified.
    """

    referred: str
    referrer: str
    status: str
    kyc: str
    currency: str | None
    referrer_bonus: str | None
    referred_bonus: str | None
    subject: str | None
    entries: list[str]
    reason: str | None
    created_at: str
    qualified_at: str | None
    paid_at: str | None
    cancelled_at: str | None


class KycState(msgspec.Struct, frozen=True):
    """Since when it is known who an owner is, and how."""

    owner: str
    evidence: str
    confirmed_at: str


class BonusesPaid(msgspec.Struct, frozen=True):
    """Whose referrals were paid just now, by the referred owner; `waiting`: how many were not."""

    owner: str
    paid: list[str]
    waiting: int


class ReferralLiability(msgspec.Struct, frozen=True):
    """What referrals owe in one currency. Decimal strings.

    `owed`: by the qualified referrals; `booked`: by the accounts. They are equal.
    """

    currency: str
    referrals: int
    owed: str
    booked: str
    agrees: bool
