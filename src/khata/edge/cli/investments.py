"""`khata investments …`: who bought shares, for how much, and what they hold."""

from __future__ import annotations

from typing import Annotated, Final

from cyclopts import Parameter

from khata.domain import inventory
from khata.domain.inventory import CancelInvestment, InvestmentState, StartInvestment
from khata.edge.cli.moved import in_currency_of
from khata.edge.cli.screen import dump, money, more, out, pairs, row, short, table
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

app: Final = family("investments", "Who bought shares, for how much, and what they hold.")
_Id = Annotated[str, Parameter(help="The investment's id, inv_….")]


@command(
    app,
    "list",
    "khata investments list --status failed",
    "khata investments list --owner alice --json",
)
def list_(
    *,
    owner: Annotated[str | None, Parameter(help="Only this owner's.")] = None,
    sku: Annotated[str | None, Parameter(help="Only in these shares.")] = None,
    status: Annotated[
        str | None, Parameter(help="started, completed, failed or cancelled.")
    ] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
    json: Json = False,
    where: Where = HERE,
) -> int:
    """List investments, newest first."""
    with looking(where) as view:
        page = inventory.investments(
            view, owner=owner, sku=sku, status=status, cursor=cursor, limit=limit
        )
    if json:
        for item in page.items:
            dump(item)
    else:
        made = table("investment", "owner", "sku", "shares>", "total>", "paid>", "status", "begun")
        for item in page.items:
            row(
                made,
                item.id,
                item.owner,
                item.sku,
                str(item.quantity),
                money(item.total, item.currency),
                money(item.paid, item.currency),
                item.status,
                short(item.created_at),
            )
        out().print(made if page.items else "No investments.")
    more(page.next)
    return 0


@command(app, "show", "khata investments show inv_0800")
def show(investment: _Id, *, json: Json = False, where: Where = HERE) -> int:
    """One investment."""
    with looking(where) as view:
        known = inventory.investment(view, investment)
    if json:
        dump(known)
    else:
        _show(known)
    return 0


def _show(known: InvestmentState) -> None:
    currency = known.currency
    why = known.code or known.reason
    came = "nothing"
    if known.paid_from is not None:
        came = f"{money(known.credited, currency)} by {known.paid_from}: {known.evidence}"
    rows = [
        ("investment", f"{known.id}, {known.reference}"),
        ("status", known.status if why is None else f"{known.status}: {why}"),
        ("owner", f"{known.owner}, {known.wallet}"),
        ("shares", f"{known.quantity} of {known.sku} at {money(known.price, currency)}"),
        ("total", money(known.total, currency)),
        ("campaigns", f"{money(known.benefit, currency)} {', '.join(known.codes)}".strip()),
        ("paid", money(known.paid, currency)),
        ("came before", came),
        ("allocation", known.allocation or "none"),
        ("entries", ", ".join(known.entries) or "none"),
        ("saga", known.saga or "none"),
        ("begun", f"{short(known.created_at)} UTC"),
    ]
    out().print(pairs(rows))


@command(
    app,
    "start",
    "khata investments start I1001 alice/personal/BDT SHARE-A 4",
    "khata investments start I1001 alice/personal/BDT SHARE-A 4 --code EID-2026"
    " --received 200.00 --from cash/main --evidence 'Bank slip 7'",
)
def start(
    reference: Annotated[str, Parameter(help="Your own number for it, unique in the book.")],
    wallet: Annotated[str, Parameter(help="The wallet that pays.")],
    sku: Annotated[str, Parameter(help="Which shares.")],
    quantity: Annotated[int, Parameter(help="How many.")],
    *,
    code: Annotated[
        list[str] | None, Parameter(help="A campaign that takes something off; may come again.")
    ] = None,
    received: Annotated[
        str | None, Parameter(help="What came for it from outside, credited to the wallet first.")
    ] = None,
    paid_from: Annotated[
        str, Parameter(name="--from", help="The house account that it came into.")
    ] = "cash/main",
    evidence: Annotated[str | None, Parameter(help="Where that is to be seen.")] = None,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Buy shares for a wallet's owner. If anything fails, everything is undone."""

    def wanted(view: View) -> StartInvestment:
        came = None if received is None else in_currency_of(view, wallet, received, None)
        return StartInvestment(
            reference, wallet, sku, quantity, code or [], came, paid_from, evidence
        )

    return carry_out(where, how, wanted, _show)


@command(app, "cancel", "khata investments cancel inv_0800 --reason 'Within the first week'")
def cancel(
    investment: _Id,
    *,
    reason: Reason,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Take a completed investment back: shares into their lots, money into the wallet."""
    return carry_out(where, how, CancelInvestment(investment, reason), _show)


@command(app, "holdings", "khata investments holdings alice")
def holdings(
    owner: Annotated[str, Parameter(help="Whose.")], *, json: Json = False, where: Where = HERE
) -> int:
    """The shares that an owner has, and what was paid for them."""
    with looking(where) as view:
        found = inventory.holdings(view, owner)
    if json:
        for held in found:
            dump(held)
        return 0
    made = table("sku", "shares>", "paid>")
    for held in found:
        row(made, held.sku, str(held.quantity), money(held.paid, held.currency))
    out().print(made if found else "No shares.")
    return 0
