"""`khata loans …`: dhaar in instalments, floats for movers, and what is overdue."""

from __future__ import annotations

from typing import Annotated, Final

from cyclopts import Parameter

from khata.base.money import Money
from khata.domain import loans
from khata.domain.loans import (
    AdvanceFloat,
    GrantLoan,
    LoanState,
    LoanView,
    Marked,
    MarkOverdue,
    RepayLoan,
    WriteOffLoan,
)
from khata.edge.cli.debts import show_repayments
from khata.edge.cli.moved import Amount, Reference, in_currency_of
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

app: Final = family("loans", "Dhaar in instalments, floats for movers, what is overdue.")
Name = Annotated[str, Parameter(help="The loan's id, loa_….")]
Wallet = Annotated[str, Parameter(help="The wallet that receives it.")]


@command(app, "list", "khata loans list --status overdue", "khata loans list --owner alice --json")
def list_(
    *,
    owner: Annotated[str | None, Parameter(help="Only this owner's.")] = None,
    status: Annotated[
        str | None, Parameter(help="open, overdue, repaid or written_off, as of now.")
    ] = None,
    kind: Annotated[str | None, Parameter(help="dhaar or float.")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
    json: Json = False,
    where: Where = HERE,
) -> int:
    """List loans and floats, newest first."""
    with looking(where) as view:
        page = loans.loans(view, owner=owner, status=status, kind=kind, cursor=cursor, limit=limit)
    show_page(page, _show_all, json=json)
    return 0


@command(app, "show", "khata loans show loa_0801", "khata loans show loa_0801 --json")
def show(loan: Name, *, json: Json = False, where: Where = HERE) -> int:
    """Show the statement of a loan: how it stands, its schedule, its repayments."""
    with looking(where) as view:
        found = loans.loan(view, loan)
    if json:
        dump(found)
        return 0
    _show(found.loan)
    _show_schedule(found)
    show_repayments(found.repayments)
    if found.more is not None:
        out().print(f"More repayments: khata debts show {found.loan.debt}")
    return 0


@command(
    app,
    "grant",
    "khata loans grant alice/personal/BDT 1000.00 --instalments 4 --every-days 7",
    "khata loans grant alice/personal/BDT 1000.00 --fee 50.00 --first-due-in-days 14",
)
def grant(
    wallet: Wallet,
    amount: Amount,
    *,
    instalments: Annotated[int, Parameter(help="In how many parts it is paid back.")] = 1,
    every_days: Annotated[int, Parameter(help="Days from one part to the next.")] = 30,
    first_due_in_days: Annotated[int, Parameter(help="Days until the first part is due.")] = 30,
    fee: Annotated[str | None, Parameter(help="What is owed beyond the amount.")] = None,
    reference: Reference = None,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Lend money into a wallet, to be paid back in instalments."""

    def wanted(view: View) -> GrantLoan:
        lent = in_currency_of(view, wallet, amount, None)
        return GrantLoan(
            wallet,
            lent,
            instalments,
            every_days,
            first_due_in_days,
            None if fee is None else Money(fee, lent.currency),
            reference,
        )

    return carry_out(where, how, wanted, _show)


@command(app, "float", "khata loans float karim/rider/BDT 500.00 --reference shift-7")
def float_(
    wallet: Wallet,
    amount: Amount,
    *,
    reference: Reference = None,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Give a mover money to work with; it is settled from what they earn next."""

    def wanted(view: View) -> AdvanceFloat:
        return AdvanceFloat(wallet, in_currency_of(view, wallet, amount, None), reference)

    return carry_out(where, how, wanted, _show)


@command(
    app,
    "repay",
    "khata loans repay loa_0801 262.50",
    "khata loans repay loa_0801 262.50 --wallet alice/partner/BDT",
)
def repay(
    loan: Name,
    amount: Amount,
    *,
    wallet: Annotated[
        str | None, Parameter(help="Another wallet of the owner's; left out, the one it went to.")
    ] = None,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Repay a loan or a float, wholly or in part."""

    def wanted(view: View) -> RepayLoan:
        return RepayLoan(loan, _money(view, loan, amount), wallet)

    return carry_out(where, how, wanted, _show)


@command(
    app,
    "write-off",
    "khata loans write-off loa_0801 --reason 'Left the country' --ask 'Nothing to be had'",
)
def write_off(
    loan: Name,
    *,
    amount: Annotated[
        str | None, Parameter(help="A part of it; left out, all that is outstanding.")
    ] = None,
    reason: Reason,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Give a loan up: the house bears it. It always takes a second person."""

    def wanted(view: View) -> WriteOffLoan:
        part = None if amount is None else _money(view, loan, amount)
        return WriteOffLoan(loan, reason, part)

    return carry_out(where, how, wanted, _show)


@command(app, "mark-overdue", "khata loans mark-overdue")
def mark_overdue(*, how: How = SO, where: Where = HERE) -> int:
    """Look at up to 500 loans of which an instalment came due, and tell of what is overdue."""
    return carry_out(where, how, lambda view: MarkOverdue(loans.due(view)), _show_marked)


def _money(view: View, loan: str, amount: str) -> Money:
    """An amount in the loan's currency."""
    return Money(amount, loans.loan(view, loan).loan.currency)


def _show(item: LoanState) -> None:
    due = None
    if item.next_due_at is not None and item.next_due is not None:
        due = f"{money(item.next_due, item.currency)}, {short(item.next_due_at)}"
    rows = [
        ("loan", f"{item.id} {item.kind}"),
        ("status", item.status.replace("_", " ")),
        ("wallet", item.wallet),
        ("principal", money(item.principal, item.currency)),
        ("fee", money(item.fee, item.currency)),
        ("repaid", money(item.repaid, item.currency)),
        ("written off", money(item.written_off, item.currency)),
        ("outstanding", money(item.outstanding, item.currency)),
        ("overdue", money(item.overdue, item.currency)),
        ("next due", due),
        ("debt", item.debt),
        ("about", item.reference),
        ("granted", short(item.granted_at)),
    ]
    out().print(pairs([(name, value) for name, value in rows if value]))


def _show_schedule(found: LoanView) -> None:
    made = table("due", "principal>", "fee>", "outstanding>")
    for part in found.instalments:
        amounts = (part.principal, part.fee, part.outstanding)
        row(made, short(part.due_at), *(money(each, found.loan.currency) for each in amounts))
    if found.instalments:
        out().print(made)


def _show_all(items: list[LoanState]) -> None:
    made = table("loan", "wallet", "status", "principal>", "outstanding>", "overdue>", "next due")
    for item in items:
        row(
            made,
            item.id,
            item.wallet,
            item.status.replace("_", " "),
            money(item.principal, item.currency),
            money(item.outstanding, item.currency),
            money(item.overdue, item.currency),
            None if item.next_due_at is None else short(item.next_due_at),
        )
    out().print(made if items else "No loans.")


def _show_marked(marked: Marked) -> None:
    if marked.overdue:
        _show_all(marked.overdue)
    else:
        out().print("Nothing came to be overdue.")
