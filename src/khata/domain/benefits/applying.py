"""Benefits of purchases: what other rooms call within their own commands.

No money moves here. The caller's entry has the leg: what the platform pays is a debit on
`Granted.account`; what a seller or a partner pays lowers their share.
"""

from __future__ import annotations

import re
from typing import Final

from khata.base.money import to_text
from khata.domain.benefits.commands import campaign_of, policy_of
from khata.domain.benefits.model import Ask, Campaign, Granted, Use, UseCount
from khata.domain.benefits.rules import decide, granted_by, returning
from khata.engine.book import Book
from khata.errors import AlreadyExists, Invalid

_SUBJECT: Final = re.compile(r"[^\s\x00-\x1f\x7f]{1,200}")
_OWNER: Final = re.compile(r"[^\s/\x00-\x1f\x7f]{1,128}")
_MOST_CODES: Final = 10


def foresee(book: Book, ask: Ask) -> list[Granted]:
    """What `apply` would give now; nothing is counted. Errors: those of `apply`."""
    check_ask(ask)
    if not ask.codes:
        return []
    if book.find(Use, subject=ask.subject):
        raise AlreadyExists(f"{ask.subject} has its benefits already.", got=ask.subject)
    offers = [(code, campaign_of(book, code)) for code in ask.codes]
    counted = [(campaign, _count_of(book, code, ask.owner).uses) for code, campaign in offers]
    return decide(ask, counted, policy_of(book), book.now)


def apply(book: Book, ask: Ask) -> list[Granted]:
    """Give a purchase the benefits of its codes: budget and uses are counted.

    The total is never above the amount, nor above what the book's policy allows. Campaigns that
    would give nothing are left out.

    Errors: `Invalid`, `CampaignNotFound`, `CampaignClosed`, `BenefitRefused`,
    `CampaignExhausted`; `AlreadyExists` for a subject that got benefits before.
    """
    granted = foresee(book, ask)
    for one in granted:
        _give(book, ask, one)
    if granted:
        book.announce(
            "benefit.granted",
            ask.subject,
            ask.owner,
            amount=to_text(sum(one.amount for one in granted), ask.exponent),
            currency=ask.unit,
            campaigns=[one.campaign for one in granted],
        )
    return granted


def take_back(
    book: Book, subject: str, *, part: int | None = None, of: int | None = None
) -> list[Granted]:
    """Give benefits back to their campaigns, for a purchase that is cancelled or refunded.

    Without a `part` all that is left, else `part / of` of what was given, rounded down over all
    refunds of it so far: `of` is the whole in the caller's own measure, the same each time. Never
    more than was given; a use whose amount is wholly back counts no more. What came back, by
    campaign; nothing for a subject without benefits.

    Errors: `Invalid` for a part that is none.
    """
    uses = book.find(Use, subject=subject)
    _check_part(uses, part, of)
    back = [(use, *returning(use, part, of)) for use in uses]
    taken = [_take(book, use, amount, refunded, of) for use, amount, refunded in back]
    returned = [one for one in taken if one is not None]
    if returned:
        use = uses[0]
        book.announce(
            "benefit.returned",
            subject,
            use.owner,
            amount=to_text(sum(one.amount for one in returned), use.exponent),
            currency=use.unit,
            campaigns=[one.campaign for one in returned],
        )
    return returned


def check_ask(ask: Ask) -> None:
    """Errors: `Invalid`, for an amount, codes, a subject or an owner that make no sense."""
    if ask.amount <= 0:
        raise Invalid(
            "A purchase has an amount above zero.",
            expected="above zero",
            got=to_text(ask.amount, ask.exponent),
        )
    if len(set(ask.codes)) < len(ask.codes) or len(ask.codes) > _MOST_CODES:
        raise Invalid(
            "Give each code once, and at most ten.",
            expected="up to 10 different codes",
            got=[code[:60] for code in ask.codes[: _MOST_CODES + 1]],
        )
    for name, text, pattern in (("subject", ask.subject, _SUBJECT), ("owner", ask.owner, _OWNER)):
        if not pattern.fullmatch(text):
            raise Invalid(
                f"That is not the {name} of a purchase.", expected=f"a {name}", got=text[:60]
            )


def _count_of(book: Book, campaign: str, owner: str) -> UseCount:
    return book.peek(UseCount, (campaign, owner)) or UseCount(campaign, owner, 0, 0)


def _give(book: Book, ask: Ask, one: Granted) -> None:
    campaign = campaign_of(book, one.campaign)
    book.change(campaign, spent=campaign.spent + one.amount, uses=campaign.uses + 1)
    count = book.peek(UseCount, (campaign.code, ask.owner))
    if count is None:
        book.add(UseCount(campaign.code, ask.owner, 1, one.amount))
    else:
        book.change(count, uses=count.uses + 1, amount=count.amount + one.amount)
    book.add(
        Use(
            id=book.new_id("use"),
            campaign=campaign.code,
            owner=ask.owner,
            subject=ask.subject,
            purchase=ask.amount,
            amount=one.amount,
            returned=0,
            refunded=0,
            whole=None,
            unit=ask.unit,
            exponent=ask.exponent,
            payer=one.payer,
            status="granted",
            granted_at=book.now,
            returned_at=None,
        )
    )


def _check_part(uses: list[Use], part: int | None, of: int | None) -> None:
    if (part is None) != (of is None):
        raise Invalid("A part is one of a whole.", expected="part and of", got=[part, of])
    if part is not None and of is not None and not 0 < part <= of:
        raise Invalid(
            "A part is above zero and no more than the whole.", expected=f"1 to {of}", got=part
        )
    for use in uses:
        if of is not None and use.whole not in (None, of):
            raise Invalid(
                f"{use.subject} is refunded in parts of {use.whole}.", expected=use.whole, got=of
            )


def _take(book: Book, use: Use, amount: int, refunded: int, of: int | None) -> Granted | None:
    if use.returned == use.amount:
        return None
    returned = use.returned + amount
    is_back = returned == use.amount
    book.change(
        use,
        returned=returned,
        refunded=refunded,
        whole=use.whole if of is None else of,
        status="returned" if is_back else "granted",
        returned_at=book.now if is_back else None,
    )
    if not amount:
        return None
    campaign: Campaign = campaign_of(book, use.campaign)
    count = book.get(UseCount, (use.campaign, use.owner))
    book.change(campaign, spent=campaign.spent - amount, uses=campaign.uses - is_back)
    book.change(count, uses=count.uses - is_back, amount=count.amount - amount)
    return granted_by(campaign, amount)
