"""`khata sales …`: an order from placing to delivery, and taking it back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final, Literal

from cyclopts import Parameter

from khata.base.money import Money
from khata.domain import marketplace
from khata.domain.escrow import Frozen, On, Policy
from khata.domain.marketplace import (
    AssignRider,
    CancelSale,
    DeliverSale,
    MissionState,
    PaySale,
    PlaceSale,
    RefundSale,
    SaleState,
)
from khata.domain.payments import PaymentState
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

app: Final = family("sales", "Orders: placed, paid, brought, shared, given back.")
_Ref = Annotated[str, Parameter(help="The sale's reference, such as M1001.")]
_Fault = Annotated[
    Literal["customer", "partner", "rider"] | None,
    Parameter(help="Whose fault it is: their trust suffers."),
]


@command(
    app,
    "list",
    "khata sales list --status dispatched",
    "khata sales list --partner karim --json",
)
def list_(
    *,
    customer: Annotated[str | None, Parameter(help="Only what this owner buys.")] = None,
    partner: Annotated[str | None, Parameter(help="Only what this owner sells.")] = None,
    creator: Annotated[str | None, Parameter(help="Only by this owner's videos.")] = None,
    status: Annotated[
        str | None,
        Parameter(help="placed, paid, dispatched, delivered, completed or cancelled."),
    ] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
    json: Json = False,
    where: Where = HERE,
) -> int:
    """List sales, newest first."""
    with looking(where) as view:
        page = marketplace.sales(
            view,
            customer=customer,
            partner=partner,
            creator=creator,
            status=status,
            cursor=cursor,
            limit=limit,
        )
    show_page(page, _show_list, json=json)
    return 0


def _show_list(items: Sequence[SaleState]) -> None:
    made = table("sale", "customer", "partner", "creator", "status", "due>", "refunded>", "placed")
    for item in items:
        row(
            made,
            item.ref,
            item.customer,
            item.partner,
            item.creator,
            item.status if item.dispute is None else f"{item.status}, disputed",
            money(item.due, item.currency),
            money(item.refunded, item.currency),
            short(item.placed_at),
        )
    out().print(made if items else "No sales.")


@command(app, "show", "khata sales show M1001", "khata sales show M1001 --json | jq .legs")
def show(ref: _Ref, *, json: Json = False, where: Where = HERE) -> int:
    """One sale: what is paid, who receives what of it, who brings it."""
    with looking(where) as view:
        found = marketplace.sale(view, ref)
        mission = marketplace.mission(view, found.mission) if found.mission else None
    if json:
        dump(found)
        return 0
    _show(found)
    if mission is not None:
        _show_mission(mission)
    return 0


def _show(sale: SaleState) -> None:
    currency = sale.currency
    rows = [
        ("sale", sale.ref),
        ("status", sale.status if sale.reason is None else f"{sale.status}: {sale.reason}"),
        ("bought by", sale.customer),
        ("sold by", sale.partner),
        ("because of", f"{sale.creator}, {sale.video or 'no video named'}" if sale.creator else ""),
        ("price", money(sale.price, currency)),
        ("delivery", money(sale.delivery_fee, currency)),
        *((f"code {it.campaign}", f"{money('-' + it.amount, currency)} by the {it.payer}")
          for it in sale.benefits),
        ("to pay", money(sale.due, currency)),
        ("refunded", money(sale.refunded, currency)),
        ("shared by", f"{sale.rule}, version {sale.rule_version}"),
        ("payment", sale.payment or "not paid"),
        ("saga", sale.saga or "none"),
        ("placed", f"{short(sale.placed_at)} UTC"),
    ]  # fmt: skip
    if sale.dispute is not None:
        rows.append(("disputed", sale.dispute))
    out().print(pairs([(name, value) for name, value in rows if value]))
    if not sale.legs:
        return
    made = table("share", "to", "amount>", "held>", "received>", "returned>", "owed>")
    for leg in sale.legs:
        amounts = (leg.share, leg.held, leg.received, leg.returned, leg.owed)
        row(made, leg.name, leg.to or "who brings it", *(money(one, currency) for one in amounts))
    out().print(made)


def _show_mission(mission: MissionState) -> None:
    fee = money(mission.fee, mission.currency)
    who = mission.rider or "nobody yet"
    out().print(f"Brought by {who} for {fee}: {mission.id} is {mission.status}.")


# ── placing and paying ───────────────────────────────────────────────────────────────


@command(
    app,
    "place",
    "khata sales place M1001 alice karim 1000.00 BDT --wallet alice/personal/BDT",
    "khata sales place M1001 alice karim 1000.00 BDT --creator mitu --video V1"
    " --delivery-fee 60.00 --code EID --days 3",
)
def place(
    ref: _Ref,
    customer: Annotated[str, Parameter(help="Who buys, an owner's name.")],
    partner: Annotated[str, Parameter(help="Who sells.")],
    price: Annotated[str, Parameter(help="What is shared, a decimal amount.")],
    currency: Annotated[str, Parameter(help="Its currency.")],
    *,
    creator: Annotated[str | None, Parameter(help="Because of whose video.")] = None,
    video: Annotated[str | None, Parameter(help="Which video.")] = None,
    delivery_fee: Annotated[
        str | None, Parameter(help="On top, for who brings it; left out, nothing is brought.")
    ] = None,
    wallet: Annotated[str | None, Parameter(help="Pay at once, out of this wallet.")] = None,
    code: Annotated[
        list[str] | None, Parameter(help="A campaign; once for each.", negative="")
    ] = None,
    source: Annotated[str | None, Parameter(help="The business reason.")] = None,
    category: Annotated[str | None, Parameter(help="What is sold: finds its rule.")] = None,
    title: Annotated[str | None, Parameter(help="What people call it.")] = None,
    country: Annotated[str | None, Parameter(help="Where it is paid, two letters.")] = None,
    on: Annotated[On, Parameter(help="What the days until its release count from.")] = "delivery",
    days: Annotated[int, Parameter(help="Released so many days after.")] = 0,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Place a sale; it can be paid at once."""
    wanted = PlaceSale(
        ref,
        customer,
        partner,
        Money(price, currency),
        creator=creator,
        video=video,
        delivery_fee=None if delivery_fee is None else Money(delivery_fee, currency),
        wallet=wallet,
        codes=code or None,
        source=source,
        category=category,
        title=title,
        country=country,
        release_on=on,
        release_days=days,
    )
    return carry_out(where, how, wanted, _show)


@command(
    app,
    "pay",
    "khata sales pay M1001 --wallet alice/personal/BDT",
    "khata sales pay M1001 --provider sandbox --way card",
    "khata sales pay M1001 --wallet alice/personal/BDT --part 300.00",
)
def pay(
    ref: _Ref,
    *,
    wallet: Annotated[str | None, Parameter(help="The wallet that pays.")] = None,
    part: Annotated[
        str | None, Parameter(help="How much of it the wallet pays; a bank transfer the rest.")
    ] = None,
    provider: Annotated[str | None, Parameter(help="Who collects it otherwise.")] = None,
    way: Annotated[
        Literal["card", "mobile_money", "bank_transfer"] | None,
        Parameter(help="How the provider collects."),
    ] = None,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Pay out of a wallet, through a provider, or part by wallet and part by bank transfer."""

    def wanted(view: View) -> PaySale:
        if wallet is None:
            return PaySale(ref, provider=provider, way=way)
        if part is None:
            return PaySale(ref, "wallet", wallet)
        return PaySale(ref, "mixed", wallet, _money(view, ref, part))

    return carry_out(where, how, wanted, _show_payment)


def _show_payment(payment: PaymentState) -> None:
    amount = money(payment.amount, payment.currency)
    out().print(f"{payment.id} of {amount} for {payment.subject} is {payment.status}.")
    if payment.action_url is not None:
        out().print(f"It goes on at {payment.action_url}", soft_wrap=True)


def _money(view: View, ref: str, amount: str | None) -> Money | None:
    return None if amount is None else Money(amount, marketplace.sale(view, ref).currency)


# ── bringing it, taking it back ──────────────────────────────────────────────────────


@command(app, "assign", "khata sales assign M1001 rahim")
def assign(
    ref: _Ref,
    rider: Annotated[str, Parameter(help="Who brings it, an owner's name.")],
    *,
    wallet: Annotated[
        str | None, Parameter(help="Where the fee goes; left out, their rider's wallet.")
    ] = None,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Say who brings it."""
    return carry_out(where, how, AssignRider(ref, rider, wallet), _show_mission)


@command(app, "deliver", "khata sales deliver M1001", "khata sales deliver M1001 --late")
def deliver(
    ref: _Ref,
    *,
    late: Annotated[
        bool,
        Parameter(negative="", show_default=False, help="It came late: the rider's trust suffers."),
    ] = False,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Tell that it has arrived: its rider is paid, the days until its release count."""
    return carry_out(where, how, DeliverSale(ref, late), _show)


@command(app, "cancel", "khata sales cancel M1001 --reason 'Out of stock' --fault partner")
def cancel(
    ref: _Ref, *, reason: Reason, fault: _Fault = None, how: How = SO, where: Where = HERE
) -> int:
    """Call a sale off before it is delivered; what was paid goes back."""
    return carry_out(where, how, CancelSale(ref, reason, fault), _show)


@command(
    app,
    "refund",
    "khata sales refund M1001 --reason 'Never arrived' --fault rider",
    "khata sales refund M1001 200.00 --policy keep_fee --reason 'One was broken'",
    "khata sales refund M1001 --policy named --leg partner=150.00 --leg creator=50.00"
    " --reason 'As they agreed'",
)
def refund(
    ref: _Ref,
    amount: Annotated[
        str | None, Parameter(help="How much; left out, all that the policy leaves.")
    ] = None,
    *,
    reason: Reason,
    policy: Annotated[Policy, Parameter(help="Who gives it.")] = "pro_rata",
    leg: Annotated[
        list[str] | None,
        Parameter(help="NAME=AMOUNT under `named`: what a share gives.", negative=""),
    ] = None,
    frozen: Annotated[Frozen, Parameter(help="Whether a frozen receiver refuses.")] = "refuse",
    fault: _Fault = None,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Give a customer money back, before or after it was released."""

    def wanted(view: View) -> RefundSale:
        currency = marketplace.sale(view, ref).currency
        named = {name: Money(part, currency) for name, part in map(_named, leg or ())} or None
        back = None if amount is None else Money(amount, currency)
        return RefundSale(ref, reason, back, policy, named, frozen, fault)

    return carry_out(where, how, wanted, _show)


def _named(text: str) -> tuple[str, str]:
    name, equals, amount = text.partition("=")
    if not equals or not name or not amount:
        raise Invalid(f"{text[:60]!r} cannot be read.", expected="NAME=AMOUNT", got=text[:60])
    return name, amount


@command(
    app,
    "missions",
    "khata sales missions --status open",
    "khata sales missions --rider rahim --json",
)
def missions(
    *,
    rider: Annotated[str | None, Parameter(help="Only this rider's.")] = None,
    status: Annotated[str | None, Parameter(help="open, assigned, delivered or cancelled.")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
    json: Json = False,
    where: Where = HERE,
) -> int:
    """List who brings what, newest first."""
    with looking(where) as view:
        page = marketplace.missions(view, rider=rider, status=status, cursor=cursor, limit=limit)
    if json:
        for item in page.items:
            dump(item)
    else:
        made = table("mission", "sale", "rider", "status", "fee>", "opened")
        for item in page.items:
            fee = money(item.fee, item.currency)
            row(made, item.id, item.sale, item.rider, item.status, fee, short(item.opened_at))
        out().print(made if page.items else "No missions.")
    more(page.next)
    return 0
