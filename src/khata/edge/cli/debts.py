"""`khata debts …`: what owners owe the house, and how it comes back."""

from __future__ import annotations

from typing import Annotated, Final

from cyclopts import Parameter

from khata.base.money import Money
from khata.domain import debts
from khata.domain.debts import (
    DebtState,
    Netting,
    RepayDebt,
    RepaymentView,
    SetNetting,
    WriteOffDebt,
)
from khata.edge.cli.moved import Amount
from khata.edge.cli.screen import (
    coloured,
    dump,
    money,
    more,
    out,
    pairs,
    row,
    short,
    show_page,
    table,
)
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

app: Final = family("debts", "What owners owe the house, and how it comes back.")
Name = Annotated[str, Parameter(help="The debt's id, dbt_….")]


@command(
    app, "list", "khata debts list --status open", "khata debts list --owner alice --kind refund"
)
def list_(
    *,
    owner: Annotated[str | None, Parameter(help="Only this owner's.")] = None,
    status: Annotated[str | None, Parameter(help="open, settled or written_off.")] = None,
    kind: Annotated[str | None, Parameter(help="refund, mover_float or dhaar_loan.")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
    json: Json = False,
    where: Where = HERE,
) -> int:
    """List debts, newest first."""
    with looking(where) as view:
        page = debts.debts(view, owner=owner, status=status, kind=kind, cursor=cursor, limit=limit)
    show_page(page, _show_all, json=json)
    return 0


@command(app, "show", "khata debts show dbt_0802", "khata debts show dbt_0802 --json")
def show(
    debt: Name,
    *,
    cursor: Cursor = None,
    limit: Limit = 50,
    json: Json = False,
    where: Where = HERE,
) -> int:
    """Show a debt with what made it smaller, newest first."""
    with looking(where) as view:
        found = debts.debt(view, debt)
        page = debts.repayments(view, debt, cursor=cursor, limit=limit)
    if json:
        dump({"debt": found, "repayments": page.items})
    else:
        _show(found)
        show_repayments(page.items)
    more(page.next)
    return 0


@command(app, "repay", "khata debts repay dbt_0802 alice/personal/BDT 100.00")
def repay(
    debt: Name,
    wallet: Annotated[str, Parameter(help="A wallet of who owes it.")],
    amount: Amount,
    *,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Repay a debt, wholly or in part, the fee first."""

    def wanted(view: View) -> RepayDebt:
        return RepayDebt(debt, wallet, Money(amount, debts.debt(view, debt).currency))

    return carry_out(where, how, wanted, _show)


@command(
    app,
    "write-off",
    "khata debts write-off dbt_0802 --reason 'Left the country' --ask 'Nothing to be had'",
)
def write_off(
    debt: Name,
    *,
    amount: Annotated[
        str | None, Parameter(help="A part of it; left out, all that is outstanding.")
    ] = None,
    reason: Reason,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Give a debt up: the house bears it. It always takes a second person."""

    def wanted(view: View) -> WriteOffDebt:
        if amount is None:
            return WriteOffDebt(debt, reason)
        return WriteOffDebt(debt, reason, Money(amount, debts.debt(view, debt).currency))

    return carry_out(where, how, wanted, _show)


@command(app, "netting", "khata debts netting")
def netting(*, json: Json = False, where: Where = HERE) -> int:
    """Show in which order debts are netted from earnings, and how much of each earning."""
    with looking(where) as view:
        found = debts.netting(view)
    if json:
        dump(found)
    else:
        _show_netting(found)
    return 0


@command(
    app,
    "set-netting",
    "khata debts set-netting refund,mover_float,dhaar_loan --most dhaar_loan=5000",
    "khata debts set-netting refund",
)
def set_netting(
    order: Annotated[str, Parameter(help="Kinds in their order, with commas; others never.")],
    *,
    most: Annotated[
        str, Parameter(help="Basis points of an earning, such as dhaar_loan=5000,refund=10000.")
    ] = "",
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Say in which order debts are netted from earnings, and how much of each earning."""
    wanted = SetNetting([name for name in order.split(",") if name], _points(most))
    return carry_out(where, how, wanted, _show_netting)


@command(app, "unexplained", "khata debts unexplained")
def unexplained(*, json: Json = False, where: Where = HERE) -> int:
    """List accounts whose balance is not what their debts have outstanding; 1 if there are any."""
    with looking(where) as view:
        found = debts.unexplained(view)
    if json:
        for item in found:
            dump(item)
    else:
        made = table("account", "balance>", "outstanding>", "difference>")
        for item in found:
            amounts = (item.balance, item.outstanding, item.difference)
            row(made, item.account, *(coloured(amount, item.currency) for amount in amounts))
        out().print(made if found else "Every debt is explained.")
    return 1 if found else 0


def _points(text: str) -> dict[str, int]:
    """`dhaar_loan=5000,refund=10000` as numbers. Errors: `Invalid`."""
    found = {}
    for part in filter(None, text.split(",")):
        name, _, points = part.partition("=")
        if not (points.isascii() and points.isdigit() and len(points) <= 5):  # noqa: PLR2004
            raise Invalid(
                "Write a kind of debt and its basis points.",
                expected="such as dhaar_loan=5000",
                got=part[:60],
            )
        found[name] = int(points)
    return found


def show_repayments(items: list[RepaymentView]) -> None:
    """What made a debt smaller."""
    made = table("time", "how", "amount>", "of it fee>", "entry")
    for item in items:
        row(
            made,
            short(item.at),
            item.way.replace("_", " "),
            money(item.amount, item.currency),
            money(item.fee, item.currency),
            item.entry,
        )
    if items:
        out().print(made)


def _show(item: DebtState) -> None:
    rows = [
        ("debt", f"{item.id} {item.kind}"),
        ("status", item.status.replace("_", " ")),
        ("owner", item.owner),
        ("principal", money(item.principal, item.currency)),
        ("fee", money(item.fee, item.currency)),
        ("repaid", money(item.repaid, item.currency)),
        ("written off", money(item.written_off, item.currency)),
        ("outstanding", money(item.outstanding, item.currency)),
        ("account", item.account),
        ("wallet", item.wallet),
        ("about", item.reference),
        ("why", item.reason),
        ("since", short(item.opened_at)),
    ]
    out().print(pairs([(name, value) for name, value in rows if value]))


def _show_all(items: list[DebtState]) -> None:
    made = table("debt", "owner", "kind", "status", "owed>", "outstanding>", "about", "since")
    for item in items:
        row(
            made,
            item.id,
            item.owner,
            item.kind,
            item.status.replace("_", " "),
            money(item.principal, item.currency),
            money(item.outstanding, item.currency),
            item.reference,
            short(item.opened_at),
        )
    out().print(made if items else "No debts.")


def _show_netting(netting: Netting) -> None:
    made = table("kind", "most of an earning>")
    for name in netting.order:
        row(made, name, f"{netting.most[name]} of 10000")
    out().print(made if netting.order else "Nothing is netted.")
