"""`khata escrow …`: money between who pays and those who receive, until it is theirs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final

from cyclopts import Parameter

from khata.base.money import Money
from khata.domain import escrow, holds, wallets
from khata.domain.escrow import (
    ConfirmDelivery,
    DisputeEscrow,
    EscrowState,
    Frozen,
    FundEscrow,
    On,
    Policy,
    Receiver,
    RefundEscrow,
    ReleaseEscrow,
    SettleDispute,
)
from khata.edge.cli.screen import dump, money, out, pairs, row, short, show_page, table
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

app: Final = family("escrow", "Money between who pays and those who receive.")
_Ref = Annotated[str, Parameter(help="The escrow's reference, such as M1001 or order/M1001.")]
_Some = Annotated[str | None, Parameter(help="How much; left out, all that there is.")]


@command(app, "list", "khata escrow list --status held", "khata escrow list --owner alice --json")
def list_(
    *,
    owner: Annotated[str | None, Parameter(help="Only those that this owner paid into.")] = None,
    status: Annotated[
        str | None, Parameter(help="held, partly_released, released or refunded.")
    ] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
    json: Json = False,
    where: Where = HERE,
) -> int:
    """List escrows, newest first."""
    with looking(where) as view:
        page = escrow.escrows(view, owner=owner, status=status, cursor=cursor, limit=limit)
    show_page(page, _show_list, json=json)
    return 0


def _show_list(items: Sequence[EscrowState]) -> None:
    made = table("escrow", "paid by", "status", "paid>", "held>", "refunded>", "funded")
    for item in items:
        amounts = (money(one, item.currency) for one in (item.paid, item.held, item.refunded))
        status = "disputed" if item.dispute else item.status
        row(made, item.ref, item.owner, status, *amounts, short(item.funded_at))
    out().print(made if items else "No escrows.")


@command(app, "show", "khata escrow show M1001", "khata escrow show order/M1001 --json")
def show(ref: _Ref, *, json: Json = False, where: Where = HERE) -> int:
    """One escrow: who receives what, and what was done with it by whom."""
    with looking(where) as view:
        found = escrow.escrow(view, ref)
    if json:
        dump(found)
        return 0
    _show(found)
    made = table("when", "what", "amount>", "who", "why", "entries")
    for step in found.history:
        amount = money(step.amount, found.currency)
        row(made, short(step.at), step.kind, amount, step.by, step.reason, ", ".join(step.entries))
    out().print(made)
    return 0


def _show(found: EscrowState) -> None:
    currency = found.currency
    on = {"request": "by request", "funding": "after funding", "delivery": "after delivery"}
    days = f"{found.release_days} days " if found.release_days else ""
    rows = [
        ("escrow", found.ref),
        ("status", found.status),
        ("paid", f"{money(found.paid, currency)} by {found.owner}"),
        ("held", money(found.held, currency)),
        ("refunded", money(found.refunded, currency)),
        ("released", f"{days}{on[found.release_on]}"),
        ("rule", f"{found.rule}, version {found.rule_version}" if found.rule else "none"),
        ("delivered", f"{short(found.delivered_at)} UTC" if found.delivered_at else "no"),
    ]
    if found.dispute is not None:
        rows.append(("disputed", found.dispute))
    out().print(pairs(rows))
    made = table("leg", "to", "share>", "held>", "received>", "returned>", "owed>")
    for leg in found.legs:
        amounts = (leg.share, leg.held, leg.received, leg.returned, leg.owed)
        row(made, leg.name, leg.to or "?", *(money(one, currency) for one in amounts))
    out().print(made)


# ── changing ─────────────────────────────────────────────────────────────────────────


@command(
    app,
    "fund",
    "khata escrow fund M1001 1000.00 --wallet alice/personal/BDT"
    " --party partner=bob/partner/BDT --on delivery --days 3",
    "khata escrow fund M1002 100.00 --wallet alice/personal/BDT"
    " --receiver partner=bob/partner/BDT:95.00 --receiver fee=revenue/fee:5.00",
    "khata escrow fund M1003 --hold hld_0400 --party partner=bob/partner/BDT",
)
def fund(
    ref: _Ref,
    amount: Annotated[str | None, Parameter(help="How much; left out, all of the hold.")] = None,
    *,
    wallet: Annotated[str | None, Parameter(help="The wallet that pays.")] = None,
    hold: Annotated[str | None, Parameter(help="Or the hold that is captured for it.")] = None,
    party: Annotated[
        list[str] | None,
        Parameter(help="ROLE=WALLET: who has a role of the commission rule.", negative=""),
    ] = None,
    receiver: Annotated[
        list[str] | None,
        Parameter(help="NAME=WALLET:AMOUNT instead of a rule; once for each.", negative=""),
    ] = None,
    source: Annotated[str, Parameter(help="The business reason.")] = "order",
    category: Annotated[str | None, Parameter(help="Finds the rule for a category.")] = None,
    partner: Annotated[str | None, Parameter(help="Finds the rule of this owner.")] = None,
    on: Annotated[On, Parameter(help="What its days count from.")] = "request",
    days: Annotated[int, Parameter(help="Released by itself so many days after.")] = 0,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Put money in escrow, out of a wallet or by a hold."""

    def wanted(view: View) -> FundEscrow:
        currency = _currency(view, wallet, hold)
        return FundEscrow(
            ref,
            None if amount is None else Money(amount, currency),
            wallet,
            hold,
            [_receiver(text, currency) for text in receiver] if receiver else None,
            dict(_pair(text, "ROLE=WALLET") for text in party) if party else None,
            source,
            category,
            partner,
            on,
            days,
        )

    return carry_out(where, how, wanted, _show)


def _currency(view: View, wallet: str | None, hold: str | None) -> str:
    """What is paid in. Errors: those of a wallet or hold; the command's own when there is none."""
    if wallet is not None:
        return wallets.wallet(view, wallet).currency
    return holds.hold(view, hold).currency if hold is not None else ""


def _pair(text: str, like: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name or not value:
        raise Invalid(f"{text[:60]!r} cannot be read.", expected=like, got=text[:60])
    return name, value


def _receiver(text: str, currency: str) -> Receiver:
    like = "NAME=WALLET:AMOUNT"
    name, value = _pair(text, like)
    to, colon, amount = value.rpartition(":")
    if not colon:
        raise Invalid(f"{text[:60]!r} cannot be read.", expected=like, got=text[:60])
    return Receiver(name, to, Money(amount, currency))


@command(
    app,
    "release",
    "khata escrow release M1001 --reason 'The customer is content'",
    "khata escrow release M1001 400.00 --leg partner --reason 'The first half arrived'",
)
def release(
    ref: _Ref,
    amount: _Some = None,
    *,
    reason: Reason,
    leg: Annotated[
        list[str] | None, Parameter(help="Only this leg; once for each.", negative="")
    ] = None,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Give receivers what is theirs: all, only so much, or only some legs."""

    def wanted(view: View) -> ReleaseEscrow:
        return ReleaseEscrow(ref, reason, _money(view, ref, amount), leg)

    return carry_out(where, how, wanted, _show)


@command(
    app,
    "refund",
    "khata escrow refund M1001 --reason 'Never arrived'",
    "khata escrow refund M1001 200.00 --policy keep_fee --reason 'One was broken'",
    "khata escrow refund M1001 --policy named --leg partner=150.00 --leg creator=50.00"
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
        Parameter(help="NAME=AMOUNT under `named`: what a leg gives.", negative=""),
    ] = None,
    frozen: Annotated[Frozen, Parameter(help="Whether a frozen receiver refuses.")] = "refuse",
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Give back to who paid, released or not."""

    def wanted(view: View) -> RefundEscrow:
        currency = escrow.escrow(view, ref).currency
        pairs_ = [_pair(text, "NAME=AMOUNT") for text in leg or ()]
        named = {name: Money(part, currency) for name, part in pairs_} or None
        return RefundEscrow(ref, reason, _money(view, ref, amount), policy, named, frozen)

    return carry_out(where, how, wanted, _show)


def _money(view: View, ref: str, amount: str | None) -> Money | None:
    return None if amount is None else Money(amount, escrow.escrow(view, ref).currency)


@command(app, "delivered", "khata escrow delivered M1001 --reason 'Signed for'")
def delivered(ref: _Ref, *, reason: Reason, how: How = SO, where: Where = HERE) -> int:
    """Tell that what was paid for has arrived: the days until its release count."""
    return carry_out(where, how, ConfirmDelivery(ref, reason), _show)


@command(app, "dispute", "khata escrow dispute M1001 --reason 'Not what I ordered'")
def dispute(ref: _Ref, *, reason: Reason, how: How = SO, where: Where = HERE) -> int:
    """Keep it where it is: somebody disagrees."""
    return carry_out(where, how, DisputeEscrow(ref, reason), _show)


@command(app, "settle", "khata escrow settle M1001 --reason 'They agreed'")
def settle(ref: _Ref, *, reason: Reason, how: How = SO, where: Where = HERE) -> int:
    """Tell that the disagreement is settled: it can be released again."""
    return carry_out(where, how, SettleDispute(ref, reason), _show)


@command(app, "unexplained", "khata escrow unexplained")
def unexplained(*, json: Json = False, where: Where = HERE) -> int:
    """Escrows whose account has not what their legs hold: there should be none."""
    with looking(where) as view:
        found = escrow.unexplained(view)
    if json:
        for item in found:
            dump(item)
        return 0
    made = table("account", "held>", "balance>")
    for item in found:
        row(made, item.account, *(money(one, item.currency) for one in (item.held, item.balance)))
    out().print(made if found else "Every escrow has what its legs hold.")
    return 0
