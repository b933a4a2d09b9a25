"""Campaigns and the book's policy: what can be asked."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from khata.base.clock import from_iso
from khata.base.money import Money, to_minor, to_positive_minor, to_text
from khata.domain.benefits.model import (
    NO_POLICY,
    POLICY,
    WHOLE,
    BenefitPolicyState,
    Campaign,
    CampaignState,
    KycRule,
    Payer,
    Policy,
    Stacks,
)
from khata.domain.benefits.rules import campaign_state, policy_state
from khata.domain.benefits.verbs import VERBS
from khata.domain.ledger import check_reason
from khata.domain.setup import FOUR_EYES, acts_alone, exponent_of, setting
from khata.engine.book import Book
from khata.engine.command import Command
from khata.errors import ApprovalRequired, CurrencyMismatch, Invalid, InvalidTransition
from khata.errors.market import CampaignNotFound

_CODE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}")
_MOST_TEXT: Final = 200
_MOST_FILTERS: Final = 100
_MOST_COUNT: Final = 1_000_000_000
_MOST_WINDOW: Final = 400 * 86_400
_MOST_IN_WINDOW: Final = 10_000


class CreateCampaign(Command, frozen=True, tag="benefits.create_campaign", omit_defaults=True):
    """Start a campaign that gives `points` (basis points of the purchase) or a fixed `amount`.

    `most`: of a percentage, for one purchase. `least`: the smallest purchase. `budget`: what it
    gives altogether. `per_user`, `most_uses`: uses of one owner, of all. `sources`, `categories`,
    `partners`: only purchases with one of these. `payer`: who bears it. `stacks`: whether it is
    combined with others, from the lowest `priority` on. Times are ISO 8601; left out, from now on
    and without end.
    """

    code: str
    title: str
    currency: str
    points: int | None = None
    amount: Money | None = None
    most: Money | None = None
    least: Money | None = None
    budget: Money | None = None
    starts_at: str | None = None
    ends_at: str | None = None
    per_user: int | None = None
    most_uses: int | None = None
    sources: list[str] | None = None
    categories: list[str] | None = None
    partners: list[str] | None = None
    payer: Payer = "platform"
    stacks: Stacks = "alone"
    priority: int = 100


class ChangeBudget(Command, frozen=True, tag="benefits.change_budget"):
    """Give a campaign another budget, not below what it has spent; null is none."""

    campaign: str
    reason: str
    budget: Money | None


class ExtendCampaign(Command, frozen=True, tag="benefits.extend_campaign"):
    """Let a campaign end at another time that is still to come; null is never."""

    campaign: str
    reason: str
    ends_at: str | None


class PauseCampaign(Command, frozen=True, tag="benefits.pause_campaign"):
    """Stop a campaign until it is resumed."""

    campaign: str
    reason: str


class ResumeCampaign(Command, frozen=True, tag="benefits.resume_campaign"):
    """Let a paused campaign go on."""

    campaign: str
    reason: str


class EndCampaign(Command, frozen=True, tag="benefits.end_campaign"):
    """End a campaign for good."""

    campaign: str
    reason: str


class SetBenefitPolicy(Command, frozen=True, tag="benefits.set_policy", omit_defaults=True):
    """Set what holds for all benefits of the book; what is left out is no bound, and no bonus.

    `points`, `most`: all benefits of one purchase together, in basis points of it and as an
    amount; the lower counts. `referrer`, `referred`: the bonus of each, in one currency or several.
    `kyc`: who must be known before it is paid. `most_referrals`: of one referrer;
    `most_in_window`: within any `window_seconds`.
    """

    points: int | None = None
    most: list[Money] = msgspec.field(default_factory=list)
    referrer: list[Money] = msgspec.field(default_factory=list)
    referred: list[Money] = msgspec.field(default_factory=list)
    kyc: KycRule = "none"
    most_referrals: int | None = None
    most_in_window: int | None = None
    window_seconds: int | None = None


@VERBS.handles(CreateCampaign, roles=("admin",))
def create_campaign(book: Book, command: CreateCampaign) -> CampaignState:
    """Errors: `Invalid`, `AlreadyExists`, `CurrencyMismatch`, `ApprovalRequired` for a budget
    above the four-eyes limit, those of an amount.
    """
    if not _CODE.fullmatch(command.code):
        raise Invalid(
            "A campaign's code has 1 to 40 letters, digits, dots, dashes and underscores.",
            expected="such as EID-2026",
            got=command.code[:60],
        )
    if not command.title.strip() or len(command.title) > _MOST_TEXT:
        raise Invalid(
            "A title has 1 to 200 characters.", expected="1 to 200", got=command.title[:60]
        )
    _check_benefit(command)
    unit, places = command.currency, exponent_of(book, command.currency)
    starts_at = book.now if command.starts_at is None else from_iso(command.starts_at)
    ends_at = None if command.ends_at is None else from_iso(command.ends_at)
    if ends_at is not None and ends_at <= max(starts_at, book.now):
        raise Invalid(
            "A campaign ends after it has started, and not in the past.",
            expected="a later time",
            got=command.ends_at,
        )
    budget = _minor(command.budget, unit, places)
    check_budget_alone(book, unit, places, budget)
    campaign = Campaign(
        code=command.code,
        title=command.title,
        kind="fixed" if command.points is None else "percentage",
        points=command.points or 0,
        amount=_minor(command.amount, unit, places) or 0,
        most=_minor(command.most, unit, places),
        least=_minor(command.least, unit, places) or 0,
        unit=unit,
        exponent=places,
        budget=budget,
        spent=0,
        starts_at=starts_at,
        ends_at=ends_at,
        per_user=_count(command.per_user, "per_user"),
        most_uses=_count(command.most_uses, "most_uses"),
        uses=0,
        sources=_filter(command.sources, "sources"),
        categories=_filter(command.categories, "categories"),
        partners=_filter(command.partners, "partners"),
        payer=command.payer,
        stacks=command.stacks,
        priority=_priority(command.priority),
        status="running",
        reason=None,
        created_at=book.now,
        changed_at=book.now,
    )
    return _told(book, book.add(campaign), "created")


def _check_benefit(command: CreateCampaign) -> None:
    if (command.points is None) == (command.amount is None):
        raise Invalid(
            "A campaign gives a percentage or a fixed amount.",
            expected="points or amount",
            got="both" if command.points is not None else "neither",
        )
    if command.points is not None and not 1 <= command.points <= WHOLE:
        raise Invalid(
            "A percentage is 1 to 10000 basis points.", expected="1 to 10000", got=command.points
        )
    if command.points is None and command.most is not None:
        raise Invalid(
            "A fixed amount is its own most.", expected="amount alone", got=command.most.amount[:40]
        )


@VERBS.handles(ChangeBudget, roles=("admin",))
def change_budget(book: Book, command: ChangeBudget) -> CampaignState:
    """Errors: `CampaignNotFound`, `InvalidTransition` when it is ended, `Invalid` below what is
    spent, `CurrencyMismatch`, `ApprovalRequired`, those of an amount.
    """
    campaign = _changing(book, command.campaign, command.reason)
    places = campaign.exponent
    budget = _minor(command.budget, campaign.unit, places)
    if budget is not None and budget < campaign.spent:
        raise Invalid(
            f"{campaign.code} has spent {to_text(campaign.spent, places)} already.",
            expected=f"at least {to_text(campaign.spent, places)}",
            got=to_text(budget, places),
        )
    if campaign.budget is not None and (budget is None or budget > campaign.budget):
        check_budget_alone(book, campaign.unit, places, budget)
    changed = book.change(campaign, budget=budget, reason=command.reason, changed_at=book.now)
    return _told(book, changed, "changed")


@VERBS.handles(ExtendCampaign, roles=("admin",))
def extend_campaign(book: Book, command: ExtendCampaign) -> CampaignState:
    """Errors: `CampaignNotFound`, `InvalidTransition` when it is ended, `Invalid` for a time that
    is over.
    """
    campaign = _changing(book, command.campaign, command.reason)
    ends_at = None if command.ends_at is None else from_iso(command.ends_at)
    if ends_at is not None and ends_at <= max(campaign.starts_at, book.now):
        raise Invalid(
            "A campaign ends after it has started, and not in the past.",
            expected="a later time",
            got=command.ends_at,
        )
    changed = book.change(campaign, ends_at=ends_at, reason=command.reason, changed_at=book.now)
    return _told(book, changed, "changed")


@VERBS.handles(PauseCampaign, roles=("admin",))
def pause_campaign(book: Book, command: PauseCampaign) -> CampaignState:
    """Errors: `CampaignNotFound`, `InvalidTransition` unless it is running."""
    campaign = _changing(book, command.campaign, command.reason, "running")
    changed = book.change(campaign, status="paused", reason=command.reason, changed_at=book.now)
    return _told(book, changed, "paused")


@VERBS.handles(ResumeCampaign, roles=("admin",))
def resume_campaign(book: Book, command: ResumeCampaign) -> CampaignState:
    """Errors: `CampaignNotFound`, `InvalidTransition` unless it is paused."""
    campaign = _changing(book, command.campaign, command.reason, "paused")
    changed = book.change(campaign, status="running", reason=command.reason, changed_at=book.now)
    return _told(book, changed, "resumed")


@VERBS.handles(EndCampaign, roles=("admin",))
def end_campaign(book: Book, command: EndCampaign) -> CampaignState:
    """Errors: `CampaignNotFound`, `InvalidTransition` when it is ended."""
    campaign = _changing(book, command.campaign, command.reason)
    changed = book.change(campaign, status="ended", reason=command.reason, changed_at=book.now)
    return _told(book, changed, "ended")


@VERBS.handles(SetBenefitPolicy, roles=("admin",))
def set_policy(book: Book, command: SetBenefitPolicy) -> BenefitPolicyState:
    """Errors: `Invalid`, `ApprovalRequired` for a bonus above the four-eyes limit, those of an
    amount and its currency.
    """
    if command.points is not None and not 1 <= command.points <= WHOLE:
        raise Invalid(
            "A bound is 1 to 10000 basis points.", expected="1 to 10000", got=command.points
        )
    if (command.most_in_window is None) != (command.window_seconds is None):
        raise Invalid(
            "A window has a length and a number of referrals.",
            expected="most_in_window and window_seconds",
        )
    policy = Policy(
        name=POLICY,
        points=command.points,
        most=_amounts(book, command.most),
        referrer=_amounts(book, command.referrer, alone=True),
        referred=_amounts(book, command.referred, alone=True),
        kyc=command.kyc,
        most_referrals=_count(command.most_referrals, "most_referrals"),
        most_in_window=_count(command.most_in_window, "most_in_window", _MOST_IN_WINDOW),
        window_seconds=_count(command.window_seconds, "window_seconds", _MOST_WINDOW),
        changed_at=book.now,
    )
    known = book.peek(Policy, POLICY)
    if known is None:
        book.add(policy)
    else:
        book.change(policy)
    units = {*policy.most, *policy.referrer, *policy.referred}
    return policy_state(policy, {unit: exponent_of(book, unit) for unit in units})


def policy_of(book: Book) -> Policy:
    """What holds for all benefits of the book."""
    return book.peek(Policy, POLICY) or NO_POLICY


def campaign_of(book: Book, code: str) -> Campaign:
    """A campaign by its code. Errors: `CampaignNotFound`."""
    campaign = book.peek(Campaign, code)
    if campaign is None:
        raise CampaignNotFound(f"No campaign {code[:60]!r}.", got=code[:60])
    return campaign


def check_budget_alone(book: Book, unit: str, places: int, budget: int | None) -> None:
    """Who may not spend so much alone may not promise it alone. Errors: `ApprovalRequired`."""
    limit = setting(book, FOUR_EYES).get(unit)
    if limit is None or not acts_alone(book):
        return
    if budget is None or budget > to_minor(str(limit), places):
        raise ApprovalRequired(
            f"Above {limit} {unit} a second person must approve: ask for it first.",
            expected=f"at most {limit} {unit}, or an approved request",
            got=None if budget is None else to_text(budget, places),
            currency=unit,
        )


def _changing(book: Book, code: str, reason: str, *allowed: str) -> Campaign:
    check_reason(reason)
    campaign = campaign_of(book, code)
    expected = allowed or ("running", "paused")
    if campaign.status not in expected:
        raise InvalidTransition(
            f"{campaign.code} is {campaign.status}.", expected=list(expected), got=campaign.status
        )
    return campaign


def _told(book: Book, campaign: Campaign, what: str) -> CampaignState:
    book.announce(f"campaign.{what}", campaign.code, status=campaign.status)
    return campaign_state(campaign, book.now)


def _minor(amount: Money | None, unit: str, places: int) -> int | None:
    if amount is None:
        return None
    if amount.currency != unit:
        raise CurrencyMismatch(
            f"The campaign is in {unit}, not {amount.currency[:20]}.",
            expected=unit,
            got=amount.currency[:20],
        )
    return to_positive_minor(amount.amount, places)


def _amounts(book: Book, given: list[Money], *, alone: bool = False) -> dict[str, int]:
    """Amounts by unit. `alone`: each is checked as a promise that one person makes."""
    found: dict[str, int] = {}
    for amount in given:
        places = exponent_of(book, amount.currency)
        if amount.currency in found:
            raise Invalid(
                "One amount for each currency.", expected="each once", got=amount.currency
            )
        found[amount.currency] = to_positive_minor(amount.amount, places)
        if alone:
            check_budget_alone(book, amount.currency, places, found[amount.currency])
    return dict(sorted(found.items()))


def _count(number: int | None, name: str, most: int = _MOST_COUNT) -> int | None:
    if number is not None and not 1 <= number <= most:
        raise Invalid(f"`{name}` is 1 to {most}.", expected=f"1 to {most}", got=number)
    return number


def _priority(number: int) -> int:
    if not 0 <= number <= _MOST_COUNT:
        raise Invalid("A priority is not negative.", expected=f"0 to {_MOST_COUNT}", got=number)
    return number


def _filter(allowed: list[str] | None, name: str) -> list[str] | None:
    if allowed is None:
        return None
    texts = all(text.strip() and len(text) <= _MOST_TEXT for text in allowed)
    if not 1 <= len(allowed) <= _MOST_FILTERS or not texts or len(set(allowed)) < len(allowed):
        raise Invalid(
            f"`{name}` has 1 to 100 different names; leave it out for all.",
            expected="1 to 100 names of 1 to 200 characters",
            got=len(allowed),
        )
    return allowed
