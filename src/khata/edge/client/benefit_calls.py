"""Calls about campaigns, benefits and referrals."""

from __future__ import annotations

from collections.abc import Sequence

from khata.base.money import Money
from khata.base.paging import Page
from khata.domain.benefits import (
    BenefitPolicyState,
    BenefitPreview,
    BonusesPaid,
    CampaignState,
    KycState,
    ReferralLiability,
    ReferralState,
    UseState,
)
from khata.edge.client.answers import Receipt
from khata.edge.client.call import Call, Json, asked, encode, new_idempotency_key, path_of, write

# ── campaigns ────────────────────────────────────────────────────────────────────────


def create_campaign(
    code: str,
    title: str,
    currency: str,
    *,
    points: int | None = None,
    amount: Money | None = None,
    most: Money | None = None,
    least: Money | None = None,
    budget: Money | None = None,
    starts_at: str | None = None,
    ends_at: str | None = None,
    per_user: int | None = None,
    most_uses: int | None = None,
    sources: Sequence[str] | None = None,
    categories: Sequence[str] | None = None,
    partners: Sequence[str] | None = None,
    payer: str = "platform",
    stacks: str = "alone",
    priority: int = 100,
    key: str | None = None,
    dry_run: bool = False,
) -> Call[Receipt[CampaignState]]:
    """Start a campaign that gives `points` (basis points of a purchase) or a fixed `amount`."""
    body = {"code": code, "title": title, "currency": currency, "points": points,
            "amount": amount, "most": most, "least": least, "budget": budget,
            "starts_at": starts_at, "ends_at": ends_at, "per_user": per_user,
            "most_uses": most_uses, "sources": sources, "categories": categories,
            "partners": partners, "payer": payer, "stacks": stacks,
            "priority": priority}  # fmt: skip
    return write(Receipt[CampaignState], path_of("campaigns"), body, key, dry_run=dry_run)


def change_campaign_budget(
    code: str, budget: Money | None, reason: str, *, key: str | None = None, dry_run: bool = False
) -> Call[Receipt[CampaignState]]:
    """Give a campaign another budget; None is no bound."""
    body = {"reason": reason, "budget": budget}
    return _with_null(path_of("campaigns", code, "budget"), body, key, dry_run=dry_run)


def extend_campaign(
    code: str, ends_at: str | None, reason: str, *, key: str | None = None, dry_run: bool = False
) -> Call[Receipt[CampaignState]]:
    """Let a campaign end at another time, ISO 8601; None is never."""
    body = {"reason": reason, "ends_at": ends_at}
    return _with_null(path_of("campaigns", code, "extend"), body, key, dry_run=dry_run)


def _with_null(
    path: str, body: Json, key: str | None, *, dry_run: bool
) -> Call[Receipt[CampaignState]]:
    """None says something in these bodies, so it is sent."""
    query = {"dry_run": "true"} if dry_run else {}
    key = key or new_idempotency_key()
    return Call("POST", path, Receipt[CampaignState], query, encode(body), key)


def pause_campaign(
    code: str, reason: str, *, key: str | None = None
) -> Call[Receipt[CampaignState]]:
    """Stop a campaign until it is resumed."""
    path = path_of("campaigns", code, "pause")
    return write(Receipt[CampaignState], path, {"reason": reason}, key)


def resume_campaign(
    code: str, reason: str, *, key: str | None = None
) -> Call[Receipt[CampaignState]]:
    """Let a paused campaign go on."""
    path = path_of("campaigns", code, "resume")
    return write(Receipt[CampaignState], path, {"reason": reason}, key)


def end_campaign(code: str, reason: str, *, key: str | None = None) -> Call[Receipt[CampaignState]]:
    """End a campaign for good."""
    path = path_of("campaigns", code, "end")
    return write(Receipt[CampaignState], path, {"reason": reason}, key)


def campaign(code: str) -> Call[CampaignState]:
    """One campaign, with what is left of its budget."""
    return Call("GET", path_of("campaigns", code), CampaignState)


def campaigns(*, status: str | None = None, limit: int = 100) -> Call[Page[CampaignState]]:
    """Campaigns by code; `status`: running, paused, ended."""
    query = {"status": status, "limit": limit}
    return Call("GET", path_of("campaigns"), Page[CampaignState], asked(query))


def benefit_uses(
    *,
    campaign: str | None = None,
    owner: str | None = None,
    subject: str | None = None,
    limit: int = 100,
) -> Call[Page[UseState]]:
    """What campaigns gave to purchases, newest first; each filter is an equality."""
    query = {"campaign": campaign, "owner": owner, "subject": subject, "limit": limit}
    return Call("GET", path_of("benefits", "uses"), Page[UseState], asked(query))


def preview_benefits(
    amount: Money,
    codes: Sequence[str],
    *,
    owner: str | None = None,
    source: str = "order",
    partner: str | None = None,
    category: str | None = None,
) -> Call[BenefitPreview]:
    """What a purchase would get now; an owner's own when `owner` is left out."""
    query = {"amount": amount.amount, "currency": amount.currency, "codes": ",".join(codes),
             "owner": owner, "source": source, "partner": partner,
             "category": category}  # fmt: skip
    return Call("GET", path_of("benefits", "preview"), BenefitPreview, asked(query))


def set_benefit_policy(
    *,
    points: int | None = None,
    most: Sequence[Money] = (),
    referrer: Sequence[Money] = (),
    referred: Sequence[Money] = (),
    kyc: str = "none",
    most_referrals: int | None = None,
    most_in_window: int | None = None,
    window_seconds: int | None = None,
    key: str | None = None,
    dry_run: bool = False,
) -> Call[Receipt[BenefitPolicyState]]:
    """Set what holds for all benefits of the book; what is left out is no bound, and no bonus."""
    body = {"points": points, "most": most, "referrer": referrer, "referred": referred,
            "kyc": kyc, "most_referrals": most_referrals, "most_in_window": most_in_window,
            "window_seconds": window_seconds}  # fmt: skip
    path = path_of("benefits", "policy")
    return write(Receipt[BenefitPolicyState], path, body, key, dry_run=dry_run)


def benefit_policy() -> Call[BenefitPolicyState]:
    """What holds for all benefits of the book."""
    return Call("GET", path_of("benefits", "policy"), BenefitPolicyState)


# ── referrals ────────────────────────────────────────────────────────────────────────


def refer(referrer: str, referred: str, *, key: str | None = None) -> Call[Receipt[ReferralState]]:
    """Note that one owner brought another, who has not bought anything yet."""
    body = {"referrer": referrer, "referred": referred}
    return write(Receipt[ReferralState], path_of("referrals"), body, key)


def cancel_referral(
    referred: str, reason: str, *, key: str | None = None
) -> Call[Receipt[ReferralState]]:
    """Call a referral off, before its bonuses are paid."""
    path = path_of("referrals", referred, "cancel")
    return write(Receipt[ReferralState], path, {"reason": reason}, key)


def referral(referred: str) -> Call[ReferralState]:
    """Who brought an owner, and what became of it."""
    return Call("GET", path_of("referrals", referred), ReferralState)


def referrals(
    *, referrer: str | None = None, status: str | None = None, limit: int = 100
) -> Call[Page[ReferralState]]:
    """Referrals, newest first; each filter is an equality."""
    query = {"referrer": referrer, "status": status, "limit": limit}
    return Call("GET", path_of("referrals"), Page[ReferralState], asked(query))


def referral_liability() -> Call[Page[ReferralLiability]]:
    """What is owed for referrals, by currency."""
    return Call("GET", path_of("benefits", "liability"), Page[ReferralLiability])


def confirm_kyc(owner: str, evidence: str, *, key: str | None = None) -> Call[Receipt[KycState]]:
    """Say that it is known who an owner is, and pay the bonuses that waited for it."""
    return write(Receipt[KycState], path_of("kyc", owner), {"evidence": evidence}, key)


def kyc(owner: str) -> Call[KycState]:
    """How it is known who an owner is."""
    return Call("GET", path_of("kyc", owner), KycState)


def pay_bonuses(
    owner: str, *, key: str | None = None, dry_run: bool = False
) -> Call[Receipt[BonusesPaid]]:
    """Pay the bonuses of an owner's referrals that could not be paid before."""
    return write(Receipt[BonusesPaid], path_of("bonuses", owner), {}, key, dry_run=dry_run)
