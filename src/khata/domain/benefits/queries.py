"""Reading campaigns, uses, referrals; and what a purchase would get, decided as `apply` does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa

from khata.base.money import to_positive_minor, to_text
from khata.base.paging import Page, checked_limit, from_cursor, paged
from khata.base.units import ISO_4217
from khata.domain.benefits.applying import check_ask
from khata.domain.benefits.model import (
    NO_POLICY,
    OWED,
    POLICY,
    Ask,
    Benefit,
    BenefitPolicyState,
    BenefitPreview,
    Campaign,
    CampaignState,
    Kyc,
    KycState,
    Policy,
    Referral,
    ReferralLiability,
    ReferralState,
    Use,
    UseCount,
    UseState,
)
from khata.domain.benefits.rules import (
    campaign_state,
    decide,
    kyc_state,
    policy_state,
    referral_state,
    use_state,
)
from khata.domain.setup import Unit
from khata.engine.accounts import Account
from khata.engine.database import View
from khata.engine.reading import (
    checked_text,
    exact_sum,
    is_storable,
    joined,
    record,
    records,
    select,
)
from khata.engine.tables import table_of
from khata.errors import Invalid, NotFound, NotYours, UnknownCurrency
from khata.errors.market import CampaignNotFound, ReferralNotFound

_CAMPAIGNS: Final = table_of(Campaign)
_USES: Final = table_of(Use)
_REFERRALS: Final = table_of(Referral)
_ACCOUNTS: Final = table_of(Account)


# ── campaigns ────────────────────────────────────────────────────────────────────────


def campaign(view: View, code: str) -> CampaignState:
    """One campaign, with what is left of it. Errors: `CampaignNotFound`, `NotYours` for owners."""
    view.check_owner(None)
    return campaign_state(_campaign(view, code), view.now)


def campaigns(
    view: View, *, status: str | None = None, cursor: str | None = None, limit: int = 50
) -> Page[CampaignState]:
    """Campaigns by code. Errors: `NotYours` for owners, `Invalid` limit, `InvalidCursor`."""
    view.check_owner(None)
    of = _CAMPAIGNS.c
    query = select(view, Campaign)
    if checked_text(status, "status") is not None:
        query = query.where(of.status == status)
    if cursor is not None:
        query = query.where(of.code > from_cursor(cursor, str)[0])
    query = query.order_by(of.code).limit(checked_limit(limit) + 1)
    page = paged(records(view, Campaign, query), limit, lambda item: (item.code,))
    return Page([campaign_state(item, view.now) for item in page.items], page.next)


def uses(
    view: View,
    *,
    campaign: str | None = None,
    owner: str | None = None,
    subject: str | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[UseState]:
    """What campaigns gave, newest first; an owner sees what was given to them.

    Errors: `Invalid` limit, `InvalidCursor`.
    """
    of = _USES.c
    query = select(view, Use)
    if view.actor.owner is not None:
        query = query.where(of.owner == view.actor.owner)
    for name, value in (("campaign", campaign), ("owner", owner), ("subject", subject)):
        if checked_text(value, name) is not None:
            query = query.where(of[name] == value)
    if cursor is not None:
        query = query.where(sa.tuple_(of.granted_at, of.id) < from_cursor(cursor, int, str))
    query = query.order_by(of.granted_at.desc(), of.id.desc()).limit(checked_limit(limit) + 1)
    page = paged(records(view, Use, query), limit, lambda item: (item.granted_at, item.id))
    return Page([use_state(item) for item in page.items], page.next)


def preview(
    view: View,
    *,
    amount: str,
    currency: str,
    codes: Sequence[str],
    owner: str | None = None,
    source: str = "order",
    partner: str | None = None,
    category: str | None = None,
) -> BenefitPreview:
    """What a purchase would get now. An owner asks for themselves, others name the owner.

    Errors: those of `apply` but for the subject, which there is none of yet; `NotYours`,
    `UnknownCurrency`, those of an amount.
    """
    whose = view.actor.owner if owner is None else owner
    if whose is None:
        raise Invalid("Name the owner.", expected="owner", got=None)
    view.check_owner(whose)
    places = _exponent(view, currency)
    minor = to_positive_minor(amount, places)
    wanted = list(codes)
    ask = Ask("preview", whose, minor, currency, places, source, wanted, partner, category)
    check_ask(ask)
    found = [_campaign(view, code) for code in wanted]
    offers = [(one, _used(view, one.code, whose)) for one in found]
    granted = decide(ask, offers, record(view, Policy, POLICY) or NO_POLICY, view.now)
    titles = {one.code: one.title for one in found}
    total = sum(one.amount for one in granted)
    return BenefitPreview(
        whose,
        to_text(minor, places),
        currency,
        [
            Benefit(
                one.campaign,
                titles[one.campaign],
                one.kind,
                one.payer,
                to_text(one.amount, places),
            )
            for one in granted
        ],
        to_text(total, places),
        to_text(minor - total, places),
    )


def policy(view: View) -> BenefitPolicyState:
    """What holds for all benefits of the book. Errors: `NotYours` for owners."""
    view.check_owner(None)
    known = record(view, Policy, POLICY) or NO_POLICY
    units = {*known.most, *known.referrer, *known.referred}
    return policy_state(known, {unit: _exponent(view, unit) for unit in units})


def _campaign(view: View, code: str) -> Campaign:
    found = record(view, Campaign, code) if is_storable(code) else None
    if found is None:
        raise CampaignNotFound(f"No campaign {code[:60]!r}.", got=code[:60])
    return found


def _used(view: View, code: str, owner: str) -> int:
    count = record(view, UseCount, (code, owner)) if is_storable(owner) else None
    return 0 if count is None else count.uses


def _exponent(view: View, currency: str) -> int:
    if currency in ISO_4217:
        return ISO_4217[currency]
    unit = record(view, Unit, currency) if is_storable(currency) else None
    if unit is None:
        raise UnknownCurrency(
            f"{currency[:20]!r} is not a currency.",
            expected="an ISO 4217 code or a unit defined in this book",
            got=currency[:20],
        )
    return unit.exponent


# ── referrals ────────────────────────────────────────────────────────────────────────


def referral(view: View, referred: str) -> ReferralState:
    """Who brought an owner. Errors: `ReferralNotFound`; `NotYours` for who is neither of them."""
    found = record(view, Referral, referred) if is_storable(referred) else None
    owner = view.actor.owner
    if owner is not None and (found is None or owner not in {found.referrer, found.referred}):
        raise NotYours("This is not yours, or does not exist.", expected=owner)
    if found is None:
        raise ReferralNotFound(f"Nobody referred {referred[:100]!r}.", got=referred[:100])
    return referral_state(found)


def referrals(
    view: View,
    *,
    referrer: str | None = None,
    status: str | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[ReferralState]:
    """Referrals, newest first; an owner sees those where they are one of the two.

    Errors: `Invalid` limit, `InvalidCursor`.
    """
    of = _REFERRALS.c
    query = select(view, Referral)
    if view.actor.owner is not None:
        mine = view.actor.owner
        query = query.where(sa.or_(of.referrer == mine, of.referred == mine))
    for name, value in (("referrer", referrer), ("status", status)):
        if checked_text(value, name) is not None:
            query = query.where(of[name] == value)
    if cursor is not None:
        query = query.where(sa.tuple_(of.created_at, of.referred) < from_cursor(cursor, int, str))
    query = query.order_by(of.created_at.desc(), of.referred.desc())
    found = records(view, Referral, query.limit(checked_limit(limit) + 1))
    page = paged(found, limit, lambda item: (item.created_at, item.referred))
    return Page([referral_state(item) for item in page.items], page.next)


def kyc(view: View, owner: str) -> KycState:
    """How it is known who an owner is. Errors: `NotYours` for owners, `NotFound`."""
    view.check_owner(None)
    found = record(view, Kyc, owner) if is_storable(owner) else None
    if found is None:
        raise NotFound(f"Nobody has confirmed who {owner[:100]!r} is.", got=owner[:100])
    return kyc_state(found)


def liability(view: View) -> list[ReferralLiability]:
    """What is owed for referrals, by currency: by the referrals themselves and by the accounts.

    Errors: `NotYours` for owners.
    """
    view.check_owner(None)
    of, at = _REFERRALS.c, _ACCOUNTS.c
    owed = (
        sa.select(
            of.unit,
            of.exponent,
            sa.func.count(),
            *exact_sum(of.referrer_bonus + of.referred_bonus),
        )
        .where(of.book_id == view.book_id, of.status == "qualified")
        .group_by(of.unit, of.exponent)
    )
    prefix = f"{OWED}/"
    booked = (
        sa.select(at.unit, at.exponent, sa.literal(0), *exact_sum(-at.balance))
        .where(at.book_id == view.book_id, sa.func.substr(at.code, 1, len(prefix)) == prefix)
        .group_by(at.unit, at.exponent)
    )
    due, there = _by_unit(view, owed), _by_unit(view, booked)
    found = []
    for unit, places in sorted({*due, *there}):
        count, amount = due.get((unit, places), (0, 0))
        _, total = there.get((unit, places), (0, 0))
        found.append(
            ReferralLiability(
                unit, count, to_text(amount, places), to_text(total, places), amount == total
            )
        )
    return found


def _by_unit(view: View, query: sa.Select[Any]) -> dict[tuple[str, int], tuple[int, int]]:
    """(unit, exponent) → (count, sum)."""
    found = [list(row) for row in view.rows(query)]
    return {(unit, places): (int(count), joined(rest)) for unit, places, count, *rest in found}
