"""`khata campaigns …`: what purchases get, who bears it, what is left of budgets."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from cyclopts import Parameter

from khata.base.money import Money
from khata.domain import benefits
from khata.domain.benefits import (
    BenefitPolicyState,
    CampaignState,
    ChangeBudget,
    CreateCampaign,
    EndCampaign,
    ExtendCampaign,
    PauseCampaign,
    ResumeCampaign,
    SetBenefitPolicy,
    UseState,
)
from khata.edge.cli.commissions import amounts, percent
from khata.edge.cli.screen import dump, money, more, out, pairs, row, short, show_page, table
from khata.edge.cli.session import (
    HERE,
    SO,
    Cursor,
    How,
    Json,
    Limit,
    Reason,
    Where,
    carry_out,
    command,
    family,
    looking,
)
from khata.engine.database import View
from khata.errors import Invalid

app: Final = family("campaigns", "What purchases get, who bears it, what is left of budgets.")
_Code = Annotated[str, Parameter(help="The campaign's code, such as EID-2026.")]
_Amounts = Annotated[
    list[str] | None, Parameter(help="Such as '50.00 BDT'; once for each currency.")
]
_MONEY_WORDS: Final = 2


@command(
    app,
    "list",
    "khata campaigns list --status running",
    "khata campaigns list --json",
)
def list_(
    *,
    status: Annotated[str | None, Parameter(help="running, paused or ended.")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
    json: Json = False,
    where: Where = HERE,
) -> int:
    """List campaigns by code."""
    with looking(where) as view:
        page = benefits.campaigns(view, status=status, cursor=cursor, limit=limit)
    if json:
        for item in page.items:
            dump(item)
    else:
        made = table("campaign", "title", "gives", "status", "payer", "spent>", "left>", "uses>")
        for item in page.items:
            left = "no end" if item.left is None else money(item.left, item.currency)
            spent = money(item.spent, item.currency)
            about = (item.code, item.title, _gives(item), _status(item), item.payer)
            row(made, *about, spent, left, str(item.uses))
        out().print(made if page.items else "No campaigns.")
    more(page.next)
    return 0


@command(app, "show", "khata campaigns show EID-2026")
def show(campaign: _Code, *, json: Json = False, where: Where = HERE) -> int:
    """One campaign, with what is left of its budget."""
    with looking(where) as view:
        known = benefits.campaign(view, campaign)
    if json:
        dump(known)
    else:
        _show(known)
    return 0


@command(
    app,
    "create",
    "khata campaigns create EID-2026 'Eid' BDT --points 1000 --most 200.00 --budget 50000.00",
    "khata campaigns create WELCOME 'Welcome' BDT --amount 50.00 --per-user 1 --payer seller",
)
def create(
    code: _Code,
    title: Annotated[str, Parameter(help="What it is called.")],
    currency: Annotated[str, Parameter(help="The currency of purchases and of all amounts here.")],
    *,
    points: Annotated[
        int | None, Parameter(help="Of the purchase, in basis points: 1000 is 10 %.")
    ] = None,
    amount: Annotated[str | None, Parameter(help="Or a fixed amount.")] = None,
    most: Annotated[str | None, Parameter(help="The most for one purchase.")] = None,
    least: Annotated[str | None, Parameter(help="The smallest purchase.")] = None,
    budget: Annotated[str | None, Parameter(help="What it gives altogether.")] = None,
    starts_at: Annotated[str | None, Parameter(help="ISO 8601; left out, now.")] = None,
    ends_at: Annotated[str | None, Parameter(help="ISO 8601; left out, never.")] = None,
    per_user: Annotated[int | None, Parameter(help="Uses of one owner.")] = None,
    most_uses: Annotated[int | None, Parameter(help="Uses of all.")] = None,
    source: Annotated[list[str] | None, Parameter(help="Only these, such as order.")] = None,
    category: Annotated[list[str] | None, Parameter(help="Only these categories.")] = None,
    partner: Annotated[list[str] | None, Parameter(help="Only these partners.")] = None,
    payer: Annotated[
        Literal["platform", "seller", "partner"], Parameter(help="Who bears it.")
    ] = "platform",
    stacks: Annotated[
        Literal["alone", "with_others"], Parameter(help="Whether others may be combined with it.")
    ] = "alone",
    priority: Annotated[int, Parameter(help="Combined ones apply from the lowest on.")] = 100,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Start a campaign."""

    def in_it(text: str | None) -> Money | None:
        return None if text is None else Money(text, currency)

    made = CreateCampaign(
        code,
        title,
        currency,
        points=points,
        amount=in_it(amount),
        most=in_it(most),
        least=in_it(least),
        budget=in_it(budget),
        starts_at=starts_at,
        ends_at=ends_at,
        per_user=per_user,
        most_uses=most_uses,
        sources=source,
        categories=category,
        partners=partner,
        payer=payer,
        stacks=stacks,
        priority=priority,
    )
    return carry_out(where, how, made, _show)


@command(
    app,
    "budget",
    "khata campaigns budget EID-2026 80000.00 --reason 'It goes well'",
    "khata campaigns budget EID-2026 --reason 'No end'",
)
def budget_(
    campaign: _Code,
    budget: Annotated[str | None, Parameter(help="Left out: without end.")] = None,
    *,
    reason: Reason,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Give a campaign another budget, not below what it has spent."""

    def wanted(view: View) -> ChangeBudget:
        currency = benefits.campaign(view, campaign).currency
        amount = None if budget is None else Money(budget, currency)
        return ChangeBudget(campaign, reason, amount)

    return carry_out(where, how, wanted, _show)


@command(app, "extend", "khata campaigns extend EID-2026 2099-07-01 --reason 'A week more'")
def extend(
    campaign: _Code,
    ends_at: Annotated[str | None, Parameter(help="ISO 8601; left out, never.")] = None,
    *,
    reason: Reason,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Let a campaign end at another time."""
    return carry_out(where, how, ExtendCampaign(campaign, reason, ends_at), _show)


@command(app, "pause", "khata campaigns pause EID-2026 --reason 'Something is odd'")
def pause(campaign: _Code, *, reason: Reason, how: How = SO, where: Where = HERE) -> int:
    """Stop a campaign until it is resumed."""
    return carry_out(where, how, PauseCampaign(campaign, reason), _show)


@command(app, "resume", "khata campaigns resume EID-2026 --reason 'It was fine'")
def resume(campaign: _Code, *, reason: Reason, how: How = SO, where: Where = HERE) -> int:
    """Let a paused campaign go on."""
    return carry_out(where, how, ResumeCampaign(campaign, reason), _show)


@command(app, "end", "khata campaigns end EID-2026 --reason 'Eid is over'")
def end(campaign: _Code, *, reason: Reason, how: How = SO, where: Where = HERE) -> int:
    """End a campaign for good."""
    return carry_out(where, how, EndCampaign(campaign, reason), _show)


@command(
    app,
    "uses",
    "khata campaigns uses --campaign EID-2026",
    "khata campaigns uses --owner alice --json",
)
def uses(
    *,
    campaign: Annotated[str | None, Parameter(help="Only of this one.")] = None,
    owner: Annotated[str | None, Parameter(help="Only this buyer's.")] = None,
    subject: Annotated[str | None, Parameter(help="Only for this, such as order/M1001.")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
    json: Json = False,
    where: Where = HERE,
) -> int:
    """What campaigns gave to purchases, newest first."""
    with looking(where) as view:
        page = benefits.uses(
            view, campaign=campaign, owner=owner, subject=subject, cursor=cursor, limit=limit
        )
    show_page(page, _show_uses, json=json)
    return 0


@command(
    app,
    "preview",
    "khata campaigns preview 1000.00 BDT EID-2026 --owner alice",
)
def preview(
    amount: Annotated[str, Parameter(help="The purchase before benefits.")],
    currency: Annotated[str, Parameter(help="Its currency.")],
    codes: Annotated[list[str], Parameter(help="The campaigns' codes.")],
    *,
    owner: Annotated[str | None, Parameter(help="Who buys; left out, the owner who asks.")] = None,
    source: Annotated[str, Parameter(help="The business reason.")] = "order",
    partner: Annotated[str | None, Parameter(help="Whose goods they are.")] = None,
    category: Annotated[str | None, Parameter(help="Of which category.")] = None,
    json: Json = False,
    where: Where = HERE,
) -> int:
    """What a purchase would get now; nothing is counted."""
    with looking(where) as view:
        seen = benefits.preview(
            view,
            amount=amount,
            currency=currency,
            codes=codes,
            owner=owner,
            source=source,
            partner=partner,
            category=category,
        )
    if json:
        dump(seen)
        return 0
    made = table("campaign", "title", "payer", "amount>")
    for one in seen.benefits:
        row(made, one.campaign, one.title, one.payer, money(one.amount, currency))
    row(made, "to pay", "", "", money(seen.to_pay, currency))
    out().print(made)
    return 0


@command(app, "policy", "khata campaigns policy")
def policy(*, json: Json = False, where: Where = HERE) -> int:
    """What holds for all benefits of the book, bonuses of referrals too."""
    with looking(where) as view:
        known = benefits.policy(view)
    if json:
        dump(known)
    else:
        _show_policy(known)
    return 0


@command(
    app,
    "set-policy",
    "khata campaigns set-policy --points 5000 --most '500.00 BDT'",
    "khata campaigns set-policy --referrer '50.00 BDT' --referred '30.00 BDT' --kyc both",
)
def set_policy(
    *,
    points: Annotated[
        int | None, Parameter(help="The most of a purchase, in basis points of it.")
    ] = None,
    most: _Amounts = None,
    referrer: _Amounts = None,
    referred: _Amounts = None,
    kyc: Annotated[
        Literal["none", "referrer", "both"],
        Parameter(help="Who must be known before bonuses are paid."),
    ] = "none",
    most_referrals: Annotated[int | None, Parameter(help="Referrals of one owner.")] = None,
    most_in_window: Annotated[int | None, Parameter(help="And within any window.")] = None,
    window_seconds: Annotated[int | None, Parameter(help="How long a window is.")] = None,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Set what holds for all benefits; what is left out is no bound, and no bonus."""
    made = SetBenefitPolicy(
        points,
        _moneys(most),
        _moneys(referrer),
        _moneys(referred),
        kyc,
        most_referrals,
        most_in_window,
        window_seconds,
    )
    return carry_out(where, how, made, _show_policy)


def _moneys(texts: list[str] | None) -> list[Money]:
    found = []
    for text in texts or []:
        words = text.split()
        if len(words) != _MONEY_WORDS:
            raise Invalid(
                f"{text[:40]!r} is not an amount with its currency.",
                expected="such as '50.00 BDT'",
                got=text[:40],
            )
        found.append(Money(*words))
    return found


def _gives(item: CampaignState) -> str:
    if item.amount is not None:
        return money(item.amount, item.currency)
    most = "" if item.most is None else f", at most {money(item.most, item.currency)}"
    return f"{percent(item.points or 0)}{most}"


def _status(item: CampaignState) -> str:
    return item.status if item.open or item.status != "running" else "running, gives nothing now"


def _show(item: CampaignState) -> None:
    budget = "no end" if item.budget is None else money(item.budget, item.currency)
    rows = [
        ("campaign", f"{item.code}, {item.title}"),
        ("status", _status(item) if item.reason is None else f"{_status(item)}: {item.reason}"),
        ("gives", _gives(item)),
        ("from purchases of", money(item.least, item.currency)),
        ("budget", budget),
        ("spent", f"{money(item.spent, item.currency)} in {item.uses} uses"),
        ("at most", _bounds(item)),
        ("time", f"{short(item.starts_at)} to {short(item.ends_at) if item.ends_at else 'no end'}"),
        ("only", _filters(item)),
        ("borne by", f"the {item.payer}" + (f", {item.account}" if item.account else "")),
        ("combined", "never" if item.stacks == "alone" else f"priority {item.priority}"),
    ]
    out().print(pairs([(name, value) for name, value in rows if value]))


def _bounds(item: CampaignState) -> str:
    bounds = ((item.per_user, "for one owner"), (item.most_uses, "for all"))
    return ", ".join(f"{count} {whom}" for count, whom in bounds if count is not None)


def _filters(item: CampaignState) -> str:
    filters = (item.sources, item.categories, item.partners)
    return "; ".join(", ".join(names) for names in filters if names)


def _show_uses(items: list[UseState]) -> None:
    made = table("use", "campaign", "for", "owner", "status", "amount>", "returned>", "when")
    for item in items:
        row(
            made,
            item.id,
            item.campaign,
            item.subject,
            item.owner,
            item.status,
            money(item.amount, item.currency),
            money(item.returned, item.currency),
            short(item.granted_at),
        )
    out().print(made if items else "No uses.")


def _show_policy(item: BenefitPolicyState) -> None:
    window = f"{item.most_in_window} in {item.window_seconds} s" if item.window_seconds else ""
    of = [] if item.most_referrals is None else [str(item.most_referrals)]
    cap = [] if item.points is None else [percent(item.points)]
    rows = [
        ("together", ", ".join([*cap, *filter(None, [amounts(item.most)])]) or "no bound"),
        ("referrer gets", amounts(item.referrer) or "nothing"),
        ("referred gets", amounts(item.referred) or "nothing"),
        ("known must be", {"none": "nobody", "both": "both"}.get(item.kyc, f"the {item.kyc}")),
        ("referrals", ", ".join([*of, *filter(None, [window])]) or "no bound"),
    ]
    out().print(pairs(rows))
