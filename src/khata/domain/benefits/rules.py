"""What a purchase gets, and what goes back of it: functions of values.

Campaigns that do not stack must be alone. Combined ones apply by priority, then by code; a
percentage is always one of the original amount, rounded down. Each gives at most its own `most`,
all together at most the amount and what the policy allows: what comes last is cut. What is cut to
nothing is not given, and not counted as a use.
"""

from __future__ import annotations

from collections.abc import Sequence

from khata.base.clock import SECOND, Instant, iso_or_none, to_iso
from khata.base.money import to_text
from khata.domain.benefits.model import (
    WHOLE,
    Ask,
    BenefitPolicyState,
    Campaign,
    CampaignState,
    Granted,
    Kyc,
    KycState,
    Policy,
    Referral,
    ReferralState,
    Use,
    UseState,
)
from khata.errors.market import BenefitRefused, CampaignClosed, CampaignExhausted

# ── giving ───────────────────────────────────────────────────────────────────────────


def decide(
    ask: Ask, offers: Sequence[tuple[Campaign, int]], policy: Policy, now: Instant
) -> list[Granted]:
    """What a purchase gets. `offers`: each campaign, and how often the owner used it before.

    Errors: `CampaignClosed`, `BenefitRefused`, `CampaignExhausted`.
    """
    ordered = sorted(offers, key=lambda offer: (offer[0].priority, offer[0].code))
    for campaign, used in ordered:
        check_open(campaign, now)
        check_fits(campaign, ask, used)
    loners = [campaign.code for campaign, _ in ordered if campaign.stacks == "alone"]
    if loners and len(ordered) > 1:
        raise BenefitRefused(
            f"{loners[0]} cannot be combined with another campaign.",
            reason="does_not_stack",
            campaign=loners[0],
        )
    granted, left = [], most_of(policy, ask.amount, ask.unit)
    for campaign, _ in ordered:
        amount = min(worth(campaign, ask.amount), left)
        if amount:
            check_budget(campaign, amount)
            granted.append(granted_by(campaign, amount))
            left -= amount
    return granted


def worth(campaign: Campaign, amount: int) -> int:
    """What a campaign alone gives to a purchase of this amount, minor units."""
    if campaign.kind == "fixed":
        return min(campaign.amount, amount)
    given = amount * campaign.points // WHOLE
    return given if campaign.most is None else min(given, campaign.most)


def most_of(policy: Policy, amount: int, unit: str) -> int:
    """What all benefits of a purchase may come to together, minor units."""
    bounds = [amount]
    if policy.points is not None:
        bounds.append(amount * policy.points // WHOLE)
    if unit in policy.most:
        bounds.append(policy.most[unit])
    return min(bounds)


def granted_by(campaign: Campaign, amount: int) -> Granted:
    """An amount that this campaign gives, or gets back."""
    account = account_of(campaign.code) if campaign.payer == "platform" else ""
    return Granted(campaign.code, campaign.payer, amount, account, campaign.kind)


def account_of(code: str) -> str:
    """The house account that bears what the platform pays for a campaign."""
    return f"expense/campaigns/{code}"


def closed_because(campaign: Campaign, now: Instant) -> str | None:
    """Why a campaign gives nothing at this time, whatever is bought; None when it does."""
    if campaign.status != "running":
        return campaign.status
    if now < campaign.starts_at:
        return "not_started"
    if campaign.ends_at is not None and now >= campaign.ends_at:
        return "over"
    return None


def check_open(campaign: Campaign, now: Instant) -> None:
    """Errors: `CampaignClosed`, with `reason` paused, ended, not_started or over."""
    reason = closed_because(campaign, now)
    if reason is not None:
        raise CampaignClosed(
            f"{campaign.code} does not run now: {reason.replace('_', ' ')}.",
            reason=reason,
            campaign=campaign.code,
            expected=[to_iso(campaign.starts_at), iso_or_none(campaign.ends_at)],
        )


def check_fits(campaign: Campaign, ask: Ask, used: int) -> None:
    """Whether a campaign is for this purchase of this owner.

    Errors: `BenefitRefused`, with `reason` other_currency, below_least, source, category, partner
    or per_user; `CampaignExhausted` when all its uses are used up.
    """
    if campaign.unit != ask.unit:
        raise _refused(campaign, "other_currency", campaign.unit, ask.unit)
    if ask.amount < campaign.least:
        least = to_text(campaign.least, campaign.exponent)
        raise _refused(campaign, "below_least", least, to_text(ask.amount, ask.exponent))
    if campaign.payer == "partner" and ask.partner is None:
        raise _refused(campaign, "partner", campaign.partners, None)
    for reason, allowed, given in (
        ("source", campaign.sources, ask.source),
        ("category", campaign.categories, ask.category),
        ("partner", campaign.partners, ask.partner),
    ):
        if allowed is not None and given not in allowed:
            raise _refused(campaign, reason, allowed, given)
    if campaign.per_user is not None and used >= campaign.per_user:
        raise _refused(campaign, "per_user", campaign.per_user, used)
    if campaign.most_uses is not None and campaign.uses >= campaign.most_uses:
        raise CampaignExhausted(
            f"{campaign.code} was used {campaign.uses} times, which is all.",
            reason="uses",
            campaign=campaign.code,
        )


def _refused(campaign: Campaign, reason: str, expected: object, got: object) -> BenefitRefused:
    return BenefitRefused(
        f"{campaign.code} is not for this purchase: {reason.replace('_', ' ')}.",
        reason=reason,
        campaign=campaign.code,
        expected=expected,
        got=got if not isinstance(got, str) else got[:100],
    )


def check_budget(campaign: Campaign, amount: int) -> None:
    """A benefit fits in the budget as a whole, or is not given. Errors: `CampaignExhausted`."""
    if campaign.budget is not None and amount > campaign.budget - campaign.spent:
        raise CampaignExhausted(
            f"The budget of {campaign.code} is used up.", reason="budget", campaign=campaign.code
        )


# ── giving back ──────────────────────────────────────────────────────────────────────


def returning(use: Use, part: int | None, of: int | None) -> tuple[int, int]:
    """(what goes back now, `refunded` after it) of a use, minor units.

    Everything that is left without a `part`; else so much that in all `refunded / of` of the
    amount went back, rounded down. Refunds in parts that make the whole give all of it back.
    """
    if part is None or of is None:
        return use.amount - use.returned, use.refunded
    refunded = min(use.refunded + part, of)
    return max(use.amount * refunded // of - use.returned, 0), refunded


# ── referrals ────────────────────────────────────────────────────────────────────────


def is_known(referral: Referral, known: frozenset[str]) -> bool:
    """Whether those whom its rule wants known are. `known`: whose KYC is confirmed."""
    wanted = {
        "none": set(),
        "referrer": {referral.referrer},
        "both": {referral.referrer, referral.referred},
    }
    return wanted[referral.kyc] <= known


def recent(times: Sequence[Instant], window_seconds: int, now: Instant) -> list[Instant]:
    """Those of the times that are within the window which ends now."""
    return [at for at in times if at > now - window_seconds * SECOND]


# ── showing ──────────────────────────────────────────────────────────────────────────


def campaign_state(campaign: Campaign, now: Instant) -> CampaignState:
    """The campaign as its caller is told of it."""
    places = campaign.exponent
    left = None if campaign.budget is None else campaign.budget - campaign.spent
    used_up = campaign.most_uses is not None and campaign.uses >= campaign.most_uses
    is_percentage = campaign.kind == "percentage"
    return CampaignState(
        code=campaign.code,
        title=campaign.title,
        benefit=campaign.kind,
        status=campaign.status,
        open=closed_because(campaign, now) is None and left != 0 and not used_up,
        currency=campaign.unit,
        points=campaign.points if is_percentage else None,
        amount=None if is_percentage else to_text(campaign.amount, places),
        most=_amount(campaign.most, places),
        least=to_text(campaign.least, places),
        budget=_amount(campaign.budget, places),
        spent=to_text(campaign.spent, places),
        left=_amount(left, places),
        uses=campaign.uses,
        most_uses=campaign.most_uses,
        per_user=campaign.per_user,
        starts_at=to_iso(campaign.starts_at),
        ends_at=iso_or_none(campaign.ends_at),
        sources=campaign.sources,
        categories=campaign.categories,
        partners=campaign.partners,
        payer=campaign.payer,
        account=account_of(campaign.code) if campaign.payer == "platform" else None,
        stacks=campaign.stacks,
        priority=campaign.priority,
        reason=campaign.reason,
        created_at=to_iso(campaign.created_at),
        changed_at=to_iso(campaign.changed_at),
    )


def use_state(use: Use) -> UseState:
    """The use as its caller is told of it."""
    places = use.exponent
    return UseState(
        use.id,
        use.campaign,
        use.owner,
        use.subject,
        to_text(use.purchase, places),
        to_text(use.amount, places),
        to_text(use.returned, places),
        use.unit,
        use.payer,
        use.status,
        to_iso(use.granted_at),
        iso_or_none(use.returned_at),
    )


def policy_state(policy: Policy, exponents: dict[str, int]) -> BenefitPolicyState:
    """The policy as its caller is told of it. `exponents`: of every unit that it names."""

    def shown(amounts: dict[str, int]) -> dict[str, str]:
        return {unit: to_text(minor, exponents[unit]) for unit, minor in sorted(amounts.items())}

    return BenefitPolicyState(
        policy.points,
        shown(policy.most),
        shown(policy.referrer),
        shown(policy.referred),
        policy.kyc,
        policy.most_referrals,
        policy.most_in_window,
        policy.window_seconds,
        to_iso(policy.changed_at) if policy.changed_at else None,
    )


def referral_state(referral: Referral) -> ReferralState:
    """The referral as its caller is told of it."""
    places = referral.exponent
    return ReferralState(
        referral.referred,
        referral.referrer,
        referral.status,
        referral.kyc,
        referral.unit,
        None if places is None else to_text(referral.referrer_bonus, places),
        None if places is None else to_text(referral.referred_bonus, places),
        referral.subject,
        referral.entries,
        referral.reason,
        to_iso(referral.created_at),
        iso_or_none(referral.qualified_at),
        iso_or_none(referral.paid_at),
        iso_or_none(referral.cancelled_at),
    )


def kyc_state(kyc: Kyc) -> KycState:
    """The confirmation as its caller is told of it."""
    return KycState(kyc.owner, kyc.evidence, to_iso(kyc.confirmed_at))


def _amount(minor: int | None, places: int) -> str | None:
    return None if minor is None else to_text(minor, places)
