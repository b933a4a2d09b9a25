"""The operations of campaigns, benefits and referrals."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec

from khata.base.paging import Page
from khata.domain import benefits
from khata.domain.benefits import (
    BenefitPolicyState,
    BenefitPreview,
    CampaignState,
    CancelReferral,
    ChangeBudget,
    ConfirmKyc,
    CreateCampaign,
    EndCampaign,
    ExtendCampaign,
    KycState,
    PauseCampaign,
    PayBonuses,
    Refer,
    ReferralLiability,
    ReferralState,
    ResumeCampaign,
    SetBenefitPolicy,
    UseState,
)
from khata.edge.http.operation import Operation
from khata.edge.http.reads import Nothing, Paged, read
from khata.edge.http.threads import Threads
from khata.edge.http.write import write
from khata.engine.database import View
from khata.settings import Settings

_C: Final = "/v1/campaigns/{campaign}"
_R: Final = "/v1/referrals/{referred}"
_BUDGET: Final = {"amount": "50000.00", "currency": "BDT"}
_BONUS: Final = {"amount": "50.00", "currency": "BDT"}


class CampaignsAsked(Paged, frozen=True, kw_only=True):
    """`status`: running, paused, ended."""

    status: str | None = None


class UsesAsked(Paged, frozen=True, kw_only=True):
    """Each filter is an equality."""

    campaign: str | None = None
    owner: str | None = None
    subject: str | None = None


class ReferralsAsked(Paged, frozen=True, kw_only=True):
    """Each filter is an equality. `status`: pending, qualified, paid, lapsed, cancelled."""

    referrer: str | None = None
    status: str | None = None


class BenefitsAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A purchase as it would be. `owner`: whose; an owner's own when left out."""

    amount: Annotated[str, msgspec.Meta(examples=["1000.00"])]
    currency: Annotated[str, msgspec.Meta(examples=["BDT"])]
    codes: Annotated[
        str,
        msgspec.Meta(description="Campaigns' codes, with commas between.", examples=["EID-2026"]),
    ]
    owner: Annotated[str | None, msgspec.Meta(examples=["alice"])] = None
    source: str = "order"
    partner: str | None = None
    category: str | None = None


def preview(view: View, codes: str, **asked: Any) -> BenefitPreview:
    """What a purchase would get now."""
    return benefits.preview(view, codes=[code for code in codes.split(",") if code], **asked)


def liability(view: View) -> Page[ReferralLiability]:
    """What is owed, by currency."""
    return Page(benefits.liability(view))


# path, command, operation id, tag, status, scope, body that works
_WRITES: Final[tuple[tuple[str, Any, str, str, int, str, Any], ...]] = (
    ("/v1/campaigns", CreateCampaign, "createCampaign", "campaigns", 201, "admin",
     {"code": "EID-2026", "title": "Eid", "currency": "BDT", "points": 1000, "budget": _BUDGET,
      "per_user": 1}),
    (f"{_C}/budget", ChangeBudget, "changeCampaignBudget", "campaigns", 200, "admin",
     {"reason": "It goes well.", "budget": _BUDGET}),
    (f"{_C}/extend", ExtendCampaign, "extendCampaign", "campaigns", 200, "admin",
     {"reason": "A week more.", "ends_at": "2099-12-31"}),
    (f"{_C}/pause", PauseCampaign, "pauseCampaign", "campaigns", 200, "admin",
     {"reason": "Something is odd."}),
    (f"{_C}/resume", ResumeCampaign, "resumeCampaign", "campaigns", 200, "admin",
     {"reason": "It was fine."}),
    (f"{_C}/end", EndCampaign, "endCampaign", "campaigns", 200, "admin",
     {"reason": "Eid is over."}),
    ("/v1/benefits/policy", SetBenefitPolicy, "setBenefitPolicy", "campaigns", 200, "admin",
     {"points": 5000, "referrer": [_BONUS], "referred": [_BONUS], "kyc": "referrer"}),
    ("/v1/referrals", Refer, "refer", "referrals", 201, "write",
     {"referrer": "alice", "referred": "bob"}),
    (f"{_R}/cancel", CancelReferral, "cancelReferral", "referrals", 200, "write",
     {"reason": "It is the same person."}),
    ("/v1/kyc/{owner}", ConfirmKyc, "confirmKyc", "referrals", 201, "write",
     {"evidence": "Passport seen, file 7."}),
    ("/v1/bonuses/{owner}", PayBonuses, "payBonuses", "referrals", 200, "write", {}),
)  # fmt: skip

_B: Final = benefits
# path, query, parameters, what it gives, operation id, tag, summary
_READS: Final[tuple[tuple[str, Any, Any, Any, str, str, str], ...]] = (
    ("/v1/campaigns", _B.campaigns, CampaignsAsked, Page[CampaignState], "listCampaigns",
     "campaigns", "Campaigns by code, with what is left of their budgets"),
    (_C, _B.campaign, Nothing, CampaignState, "getCampaign", "campaigns", "One campaign"),
    ("/v1/benefits/uses", _B.uses, UsesAsked, Page[UseState], "listBenefitUses", "campaigns",
     "What campaigns gave to purchases, newest first"),
    ("/v1/benefits/policy", _B.policy, Nothing, BenefitPolicyState, "getBenefitPolicy",
     "campaigns", "What holds for all benefits of the book"),
    ("/v1/benefits/preview", preview, BenefitsAsked, BenefitPreview, "previewBenefits",
     "campaigns", "What a purchase would get now, and by which campaigns"),
    ("/v1/referrals", _B.referrals, ReferralsAsked, Page[ReferralState], "listReferrals",
     "referrals", "Referrals, newest first"),
    (_R, _B.referral, Nothing, ReferralState, "getReferral", "referrals",
     "Who brought an owner, and what became of it"),
    ("/v1/benefits/liability", liability, Nothing, Page[ReferralLiability],
     "getReferralLiability", "referrals", "What is owed for referrals, by currency"),
    ("/v1/kyc/{owner}", _B.kyc, Nothing, KycState, "getKyc", "referrals",
     "How it is known who an owner is"),
)  # fmt: skip


def benefit_operations(settings: Settings, threads: Threads) -> list[Operation]:
    """All of them: `admin` keys change campaigns, staff read them, owners preview their own."""
    writes = [
        write(settings, "POST", path, command, name=name, tag=tag, status=status, scope=scope,
              example=example)
        for path, command, name, tag, status, scope, example in _WRITES
    ]  # fmt: skip
    return [*writes, *(read(threads, *row) for row in _READS)]
