"""`khata earnings …`: what creators and riders were paid, for what, and by which policy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from cyclopts import Parameter

from khata.base.money import Money
from khata.domain import earnings
from khata.domain.earnings import (
    Bonus,
    CountViews,
    EarningPolicy,
    EarningsPaid,
    EarningState,
    Extra,
    PayDelivery,
    RateState,
    SetPolicy,
    SetRate,
    ViewsCounted,
    ViewsState,
)
from khata.edge.cli.commissions import percent
from khata.edge.cli.screen import dump, money, more, out, pairs, row, short, show_page, table
from khata.edge.cli.session import (
    HERE,
    SO,
    Cursor,
    How,
    Json,
    Limit,
    Where,
    carry_out,
    command,
    family,
    instant,
    looking,
)
from khata.errors import Invalid

app: Final = family("earnings", "What creators and riders are paid: views, deliveries, bonuses.")
_Creator = Annotated[str, Parameter(help="The creator, an owner's name.")]
_Currency = Annotated[str, Parameter(help="The amount's currency.")]
_Wallet = Annotated[
    str | None, Parameter(help="The wallet that it goes to; left out, the owner's for this.")
]


@command(
    app,
    "list",
    "khata earnings list --owner nila",
    "khata earnings list --kind viral_bonus --since 2026-01-01 --json",
)
def list_(
    *,
    owner: Annotated[str | None, Parameter(help="Only this owner's.")] = None,
    kind: Annotated[
        str | None, Parameter(help="video_view, viral_bonus, delivery_fee, peak_hour, …")
    ] = None,
    since: Annotated[str | None, Parameter(help="Paid then or later.")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
    json: Json = False,
    where: Where = HERE,
) -> int:
    """List earnings, newest first."""
    with looking(where) as view:
        page = earnings.earnings(
            view, owner=owner, kind=kind, since=instant(since), cursor=cursor, limit=limit
        )
    show_page(page, _show_list, json=json)
    return 0


def _show_list(items: list[EarningState]) -> None:
    made = table("earning", "owner", "for", "reference", "amount>", "entry", "paid")
    for item in items:
        row(
            made,
            item.id,
            item.owner,
            item.kind,
            item.reference,
            money(item.amount, item.currency),
            item.entry,
            short(item.at),
        )
    out().print(made if items else "No earnings.")


@command(
    app,
    "totals",
    "khata earnings totals nila",
    "khata earnings totals rafi --since 2026-01-01 --json",
)
def totals(
    owner: Annotated[str, Parameter(help="Whose.")],
    *,
    since: Annotated[str | None, Parameter(help="Paid then or later.")] = None,
    json: Json = False,
    where: Where = HERE,
) -> int:
    """What an owner's earnings add up to."""
    with looking(where) as view:
        found = earnings.totals(view, owner, since=instant(since))
    if json:
        for item in found:
            dump(item)
        return 0
    made = table("for", "times>", "total>")
    for item in found:
        row(made, item.kind, str(item.count), money(item.total, item.currency))
    out().print(made if found else "No earnings.")
    return 0


@command(app, "rate", "khata earnings rate nila", "khata earnings rate nila 35.00 BDT")
def rate(
    creator: _Creator,
    amount: Annotated[str | None, Parameter(help="What is agreed on from now on.")] = None,
    currency: Annotated[str, Parameter(help="Its currency.")] = "BDT",
    *,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Show what a creator gets for a thousand views, or agree on it."""
    if amount is not None:
        return carry_out(where, how, SetRate(creator, Money(amount, currency)), _show_rate)
    with looking(where) as view:
        known = earnings.rate(view, creator)
    if how.json:
        dump(known)
    else:
        _show_rate(known)
    return 0


def _show_rate(known: RateState) -> None:
    price = money(known.per_thousand, known.currency)
    why = "as agreed" if known.agreed else "as the policy says"
    out().print(f"A thousand views bring {known.creator} {price}, {why}.")


@command(app, "views", "khata earnings views V1", "khata earnings views --creator nila --json")
def views(
    video: Annotated[str | None, Parameter(help="The video's name.")] = None,
    *,
    creator: Annotated[str | None, Parameter(help="All of this creator's videos.")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
    json: Json = False,
    where: Where = HERE,
) -> int:
    """The views that are counted, of one video or of a creator's."""
    if (video is None) == (creator is None):
        raise Invalid("Name a video or a creator.", expected="VIDEO or --creator", got=None)
    following = None
    with looking(where) as view:
        if video is not None:
            found = [earnings.views(view, video)]
        else:
            page = earnings.videos(view, creator or "", cursor=cursor, limit=limit)
            found, following = page.items, page.next
    if json:
        for item in found:
            dump(item)
    else:
        _show_views(found)
    more(following)
    return 0


def _show_views(items: list[ViewsState]) -> None:
    made = table("video", "creator", "views>", "paid>", "reports>", "counted")
    for item in items:
        row(
            made,
            item.video,
            item.creator,
            f"{item.total:,}",
            money(item.paid, item.currency),
            str(item.reports),
            short(item.counted_at),
        )
    out().print(made if items else "No videos.")


@command(
    app,
    "count",
    "khata earnings count V1 nila 12500",
    "khata earnings count V1 nila 12500 --dry-run",
)
def count(
    video: Annotated[str, Parameter(help="The video's name.")],
    creator: _Creator,
    total: Annotated[int, Parameter(help="All the views that it ever had.")],
    *,
    wallet: _Wallet = None,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Pay the views of a video that are new."""
    return carry_out(where, how, CountViews(video, creator, total, wallet), _show_counted)


def _show_counted(counted: ViewsCounted) -> None:
    known = counted.views
    out().print(f"{counted.new:,} new views of {known.video}, {known.total:,} in all.")
    _show_lines(counted.earnings, len(counted.collected))


@command(
    app,
    "bonus",
    "khata earnings bonus surprise_reward nila eid-2026 50.00 BDT",
    "khata earnings bonus surprise_reward nila eid-2026",
)
def bonus(
    kind: Annotated[Literal["viral_bonus", "surprise_reward"], Parameter(help="What for.")],
    owner: Annotated[str, Parameter(help="Who gets it.")],
    reference: Annotated[str, Parameter(help="What it is about; once for each.")],
    amount: Annotated[str | None, Parameter(help="Left out, what the policy says.")] = None,
    currency: _Currency = "BDT",
    *,
    wallet: _Wallet = None,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Reward somebody, once for each reference."""
    wanted = Bonus(kind, owner, reference, Money(amount, currency) if amount else None, wallet)
    return carry_out(where, how, wanted, _show_paid)


@command(
    app,
    "delivery",
    "khata earnings delivery rafi M1001 60.00 BDT --chain 2026-01-31",
    "khata earnings delivery rafi M1001 60.00 BDT --haggled --at 2026-01-31T19:00:00+06:00",
)
def delivery(
    rider: Annotated[str, Parameter(help="The rider, an owner's name.")],
    reference: Annotated[str, Parameter(help="The mission; once for each.")],
    fee: Annotated[str, Parameter(help="What the delivery brings.")],
    currency: _Currency = "BDT",
    *,
    paid: Annotated[
        bool, Parameter(negative="", help="The fee is paid elsewhere: only the bonuses.")
    ] = False,
    haggled: Annotated[bool, Parameter(negative="", help="The order was haggled.")] = False,
    chain: Annotated[str | None, Parameter(help="The chain that it goes on with.")] = None,
    at: Annotated[str | None, Parameter(help="When it was delivered; left out, now.")] = None,
    wallet: _Wallet = None,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Pay a rider a delivery, with the bonuses that the policy has for it."""
    wanted = PayDelivery(rider, reference, Money(fee, currency), paid, haggled, chain, at, wallet)
    return carry_out(where, how, wanted, _show_paid)


def _show_paid(paid: EarningsPaid) -> None:
    _show_lines(paid.earnings, len(paid.collected))


def _show_lines(items: list[EarningState], netted: int) -> None:
    made = table("for", "reference", "amount>", "to", "entry")
    for item in items:
        amount = money(item.amount, item.currency)
        row(made, item.kind, item.reference, amount, item.wallet, item.entry)
    out().print(made if items else "Nothing is due.")
    if netted:
        out().print(f"Of it {netted} debts were paid: khata debts list.", style="dim")


@command(
    app,
    "missions",
    "khata earnings missions rafi",
    "khata earnings missions rafi --limit 5 --json",
)
def missions(
    rider: Annotated[str, Parameter(help="The rider, an owner's name.")],
    *,
    cursor: Cursor = None,
    limit: Limit = 50,
    json: Json = False,
    where: Where = HERE,
) -> int:
    """List a rider's deliveries, newest first."""
    with looking(where) as view:
        page = earnings.missions(view, rider, cursor=cursor, limit=limit)
    if json:
        for item in page.items:
            dump(item)
    else:
        made = table("mission", "fee>", "haggled", "chain", "place>", "delivered")
        for item in page.items:
            row(
                made,
                item.reference,
                money(item.fee, item.currency),
                "yes" if item.haggled else "",
                item.chain or "",
                str(item.place or ""),
                short(item.delivered_at),
            )
        out().print(made if page.items else "No deliveries.")
    more(page.next)
    return 0


@command(
    app,
    "policy",
    "khata earnings policy",
    "khata earnings policy --json > policy.json",
    "khata earnings policy policy.json --dry-run",
)
def policy(
    file: Annotated[
        Path | None, Parameter(help="JSON, as --json shows it: the policy from now on.")
    ] = None,
    *,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Show how earnings are measured, or set it out of a file."""
    if file is not None:
        return carry_out(where, how, SetPolicy(_policy_in(file)), _show_policy)
    with looking(where) as view:
        known = earnings.policy(view)
    if how.json:
        dump(known)
    else:
        _show_policy(known)
    return 0


def _policy_in(file: Path) -> EarningPolicy:
    try:
        return msgspec.json.decode(file.read_bytes(), type=EarningPolicy)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Invalid(
            f"{file.name} is not a policy of earnings: {error}",
            expected=[field.name for field in msgspec.structs.fields(EarningPolicy)],
        ) from None


def _show_policy(known: EarningPolicy) -> None:
    views_ = known.views
    hours, minutes = divmod(abs(known.offset_minutes), 60)
    sign = "-" if known.offset_minutes < 0 else "+"
    rows = [
        ("1000 views", f"{_said(views_.otherwise)}; {_said(views_.least)} to {_said(views_.most)}")
    ]
    rows += [(f"at {one.views:,} views", _said(one.amount)) for one in known.viral]
    rows += [(name, _said(amount)) for name, amount in known.rewards.items()]
    rows += [(f"{one.begins} to {one.ends}", _extra(one.extra)) for one in known.peaks]
    rows.append(("time", f"UTC{sign}{hours:02}:{minutes:02}"))
    for one in known.chains:
        often = "every " if one.repeats else "at "
        rows.append((f"{often}{one.missions} missions", _said(one.amount)))
    if known.haggled is not None:
        rows.append(("haggled order", _extra(known.haggled)))
    out().print(pairs(rows))


def _said(amount: Money) -> str:
    return money(amount.amount, amount.currency)


def _extra(extra: Extra) -> str:
    return _said(extra.amount) if extra.amount else f"{percent(extra.points or 0)} of the fee"
