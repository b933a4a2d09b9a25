"""`khata orders …`: what customers buy, from placing to delivery, and taking it back."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from cyclopts import Parameter

from khata.base.money import Money
from khata.domain import orders, wallets
from khata.domain.escrow import Frozen, On, Policy
from khata.domain.orders import (
    CancelOrder,
    MoveOrder,
    OrderPolicy,
    PayOrder,
    PlaceOrder,
    RefundOrder,
    SetOrderPolicy,
)
from khata.edge.cli import legacy, mismatches, order_receipts
from khata.edge.cli.orders_shown import (
    money_of,
    show_order,
    show_orders,
    stock_line,
    titled_line,
)
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

app: Final = family("orders", "What customers buy: money, goods and the way between them.")
order_receipts.attach(app)
mismatches.attach(app)
legacy.attach(app)
_Ref = Annotated[str, Parameter(help="The order's reference, such as M1001.")]
_Part = Annotated[str | None, Parameter(help="Of a mixed payment: what the wallet pays.")]
_Days = Annotated[int | None, Parameter(help="Days for the bank transfer.")]
_Wallet = Annotated[str | None, Parameter(help="The customer's wallet; left out, the order's.")]


@command(
    app, "list", "khata orders list --finance receipt_uploaded", "khata orders list --seller karim"
)
def list_(
    *,
    customer: Annotated[str | None, Parameter(help="Only what this owner buys.")] = None,
    seller: Annotated[str | None, Parameter(help="Only what this owner sells.")] = None,
    status: Annotated[str | None, Parameter(help="What the customer sees: pending, …")] = None,
    finance: Annotated[str | None, Parameter(help="How the money stands: unpaid, …")] = None,
    warehouse: Annotated[str | None, Parameter(help="How the goods stand: waiting, …")] = None,
    logistics: Annotated[str | None, Parameter(help="How its way stands: waiting, …")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
    json: Json = False,
    where: Where = HERE,
) -> int:
    """List orders, newest first."""
    with looking(where) as view:
        page = orders.orders(
            view,
            customer=customer,
            seller=seller,
            status=status,
            finance=finance,
            warehouse=warehouse,
            logistics=logistics,
            cursor=cursor,
            limit=limit,
        )
    show_page(page, show_orders, json=json)
    return 0


@command(app, "show", "khata orders show M1001", "khata orders show M1001 --json | jq .finance")
def show(ref: _Ref, *, json: Json = False, where: Where = HERE) -> int:
    """One order on its three axes."""
    with looking(where) as view:
        found = orders.order(view, ref)
    if json:
        dump(found)
    else:
        show_order(found)
    return 0


@command(app, "history", "khata orders history M1001", "khata orders history M1001 --json")
def history(
    ref: _Ref,
    *,
    cursor: Cursor = None,
    limit: Limit = 100,
    json: Json = False,
    where: Where = HERE,
) -> int:
    """What happened to an order, with who did it and why."""
    with looking(where) as view:
        page = orders.history(view, ref, cursor=cursor, limit=limit)
    made = table("time", "axis", "from", "to", "by", "why", "command>")
    for item in page.items:
        if json:
            dump(item)
        row(
            made,
            short(item.at),
            item.axis,
            item.before,
            item.after,
            item.by,
            item.reason,
            str(item.seq),
        )
    if not json:
        out().print(made if page.items else "Nothing has happened.")
    more(page.next)
    return 0


@command(app, "overdue", "khata orders overdue", "khata orders overdue --axis finance --json")
def overdue(
    *,
    axis: Annotated[
        Literal["finance", "warehouse", "logistics"] | None,
        Parameter(help="Only where it is this one's turn."),
    ] = None,
    limit: Limit = 100,
    json: Json = False,
    where: Where = HERE,
) -> int:
    """Orders that stand longer than they should, the latest of all first."""
    with looking(where) as view:
        found = orders.overdue(view, axis=axis, limit=limit)
    made = table("order", "axis", "state", "since", "allowed, hours>", "beyond, hours>", "total>")
    for item in found:
        if json:
            dump(item)
        hours = (f"{seconds / 3600:.1f}" for seconds in (item.allowed, item.seconds))
        total = money(item.total, item.currency)
        row(made, item.order, item.axis, item.state, short(item.since), *hours, total)
    if not json:
        out().print(made if found else "No order is late.")
    return 0


# ── placing and paying ───────────────────────────────────────────────────────────────


@command(
    app,
    "place",
    "khata orders place M1001 alice --sku TEA-500G:3 --pay wallet",
    "khata orders place M1002 alice --line 'Rug=1000.00' --currency BDT --pay mixed"
    " --wallet-part 400.00",
)
def place(
    ref: _Ref,
    customer: Annotated[str, Parameter(help="Who buys, an owner's name.")],
    *,
    sku: Annotated[
        list[str] | None, Parameter(help="A stock item, SKU:PIECES; once for each.", negative="")
    ] = None,
    line: Annotated[
        list[str] | None,
        Parameter(help="Anything else, TITLE=PRICE:PIECES; once for each.", negative=""),
    ] = None,
    currency: Annotated[str | None, Parameter(help="Of those prices.")] = None,
    pay: Annotated[
        Literal["wallet", "mixed", "bank", "later"], Parameter(help="How it is paid.")
    ] = "later",
    wallet: Annotated[
        str | None, Parameter(help="The customer's wallet; left out, their personal one.")
    ] = None,
    wallet_part: _Part = None,
    seller: Annotated[str | None, Parameter(help="Who sells; left out, the house.")] = None,
    title: Annotated[str | None, Parameter(help="What people call it.")] = None,
    category: Annotated[str | None, Parameter(help="What is sold: finds its rule.")] = None,
    on: Annotated[On, Parameter(help="What the days until its release count from.")] = "delivery",
    days: Annotated[int | None, Parameter(help="Released so many days after.")] = None,
    grace_days: _Days = None,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Place an order: pieces are set aside and the wallet pays its part, or nothing happens."""
    lines = [stock_line(text) for text in sku or []]
    lines += [titled_line(text, currency) for text in line or []]

    def wanted(view: View) -> PlaceOrder:
        return PlaceOrder(
            ref,
            customer,
            lines,
            pay,
            wallet,
            _part(view, wallet_part, currency, wallet),
            seller,
            title=title,
            category=category,
            release_on=on,
            release_days=days,
            grace_days=grace_days,
        )

    return carry_out(where, how, wanted, show_order)


def _part(view: View, amount: str | None, currency: str | None, wallet: str | None) -> Money | None:
    """What the wallet pays, in the currency that was named, or in the wallet's own."""
    if amount is None:
        return None
    if currency is None and wallet is None:
        raise Invalid("Say in which currency.", expected="--currency or --wallet", got=None)
    return Money(amount, currency or wallets.wallet(view, wallet or "").currency)


@command(
    app,
    "pay",
    "khata orders pay M1001 wallet",
    "khata orders pay M1001 mixed --wallet alice/personal/BDT --wallet-part 400.00",
)
def pay(
    ref: _Ref,
    way: Annotated[Literal["wallet", "mixed", "bank"], Parameter(help="How it is paid.")],
    *,
    wallet: Annotated[
        str | None, Parameter(help="The customer's wallet; left out, their personal one.")
    ] = None,
    wallet_part: _Part = None,
    grace_days: _Days = None,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Choose how an unpaid order is paid."""

    def wanted(view: View) -> PayOrder:
        return PayOrder(ref, way, wallet, money_of(view, ref, wallet_part), grace_days)

    return carry_out(where, how, wanted, show_order)


# ── goods, and taking it back ────────────────────────────────────────────────────────


@command(
    app,
    "move",
    "khata orders move M1001 warehouse ready",
    "khata orders move M1001 logistics returned --reason 'Nobody was there'",
)
def move(
    ref: _Ref,
    axis: Annotated[Literal["warehouse", "logistics"], Parameter(help="What moves.")],
    to: Annotated[str, Parameter(help="Its next state: ready, picked, dispatched, …")],
    *,
    reason: Annotated[str | None, Parameter(help="Why; it is kept in the journal.")] = None,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Move the goods by one step."""
    return carry_out(where, how, MoveOrder(ref, axis, to, reason), show_order)


@command(app, "cancel", "khata orders cancel M1001 --reason 'Changed their mind'")
def cancel(
    ref: _Ref, *, reason: Reason, wallet: _Wallet = None, how: How = SO, where: Where = HERE
) -> int:
    """Call an order off before it is delivered: money and pieces go back to where they were."""
    return carry_out(where, how, CancelOrder(ref, reason, wallet), show_order)


@command(
    app,
    "refund",
    "khata orders refund M1001 100.00 --reason 'A scratch'",
    "khata orders refund M1001 --reason 'Never came' --policy platform_first",
)
def refund(
    ref: _Ref,
    amount: Annotated[str | None, Parameter(help="Left out: all that is left.")] = None,
    *,
    reason: Reason,
    policy: Annotated[
        Policy, Parameter(help="Which legs of the escrow give it: see docs/escrow.md.")
    ] = "pro_rata",
    frozen: Annotated[
        Frozen, Parameter(help="What a frozen wallet that gives it does: refuse, or owe it.")
    ] = "refuse",
    wallet: _Wallet = None,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Give money of a paid order back, released or not."""

    def wanted(view: View) -> RefundOrder:
        back = money_of(view, ref, amount)
        return RefundOrder(ref, reason, back, policy, frozen=frozen, wallet=wallet)

    return carry_out(where, how, wanted, show_order)


# ── policy ───────────────────────────────────────────────────────────────────────────


@command(app, "policy", "khata orders policy", "khata orders policy --json")
def policy(*, json: Json = False, where: Where = HERE) -> int:
    """How orders are treated: days of grace and release, and how long each state may last."""
    with looking(where) as view:
        found = orders.policy(view)
    if json:
        dump(found)
    else:
        _show_policy(found)
    return 0


def _show_policy(found: OrderPolicy) -> None:
    rows: list[tuple[str, str | None]] = [
        ("grace", f"{found.grace_days} days for a bank transfer"),
        ("retry", f"{found.retry_days} days more when its receipt is rejected after them"),
        ("release", f"{found.release_days} days after delivery"),
    ]
    rows += [(state, f"{seconds:,} seconds") for state, seconds in found.sla.items()]
    out().print(pairs(rows))


@command(
    app,
    "set-policy",
    "khata orders set-policy --grace-days 2 --sla finance.receipt_uploaded=43200",
)
def set_policy(
    *,
    grace_days: Annotated[int | None, Parameter(help="For a bank transfer.")] = None,
    retry_days: Annotated[
        int | None, Parameter(help="More, when a receipt is rejected after them.")
    ] = None,
    release_days: Annotated[int | None, Parameter(help="From delivery on.")] = None,
    sla: Annotated[
        list[str] | None, Parameter(help="AXIS.STATE=SECONDS; once for each.", negative="")
    ] = None,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Say how orders are treated; what is left out stays."""
    wanted = SetOrderPolicy(
        grace_days, retry_days, release_days, dict(map(_seconds, sla)) if sla else None
    )
    return carry_out(where, how, wanted, _show_policy)


def _seconds(text: str) -> tuple[str, int]:
    state, _, seconds = text.partition("=")
    if not (seconds.isascii() and seconds.isdigit() and len(seconds) < 10):  # noqa: PLR2004 - an integer
        raise Invalid(
            "Say how long a state may last.",
            expected="such as finance.receipt_uploaded=43200",
            got=text[:60],
        )
    return state, int(seconds)
