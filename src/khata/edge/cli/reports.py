"""`khata reports …`: financial statements of days in a time zone."""

from __future__ import annotations

from typing import Annotated, Any, Final

from cyclopts import Parameter

from khata.domain.ledger import ReportLine
from khata.edge import reporting
from khata.edge.cli.exits import DONE, FAILED
from khata.edge.cli.screen import coloured, dump, out, row, table
from khata.edge.cli.session import HERE, Json, Where, command, family, looking
from khata.edge.reporting import Report

_Parts = tuple[tuple[str, list[ReportLine], str], ...]
"""(Title, lines, total) of each part of a statement."""

app: Final = family("reports", "Financial statements as of any day.")
On = Annotated[str | None, Parameter(help="The day, such as 2026-01-31; left out, today.")]
Zone = Annotated[str | None, Parameter(help="The day's time zone; left out, that of the schedule.")]


@command(app, "trial-balance", "khata reports trial-balance --on 2026-01-31 --zone Asia/Dhaka")
def trial_balance(
    *, on: On = None, zone: Zone = None, json: Json = False, where: Where = HERE
) -> int:
    """Show every account's balance at the end of a day."""
    with looking(where) as view:
        found = reporting.trial_balance(view, on, zone)
    if json:
        dump(found)
        return DONE
    made = table("account", "kind", "balance>")
    for line in found.items:
        row(made, line.code, line.kind, coloured(line.balance, line.currency))
    _head(found)
    out().print(made)
    return DONE


@command(app, "balance-sheet", "khata reports balance-sheet --on 2026-01-31 --json")
def balance_sheet(
    *, on: On = None, zone: Zone = None, json: Json = False, where: Where = HERE
) -> int:
    """Show what the house had, owed and owned (exit code 1 unless it balances)."""
    with looking(where) as view:
        found = reporting.balance_sheet(view, on, zone)
    if json:
        dump(found)
    else:
        _head(found)
        for sheet in found.items:
            parts: _Parts = (
                ("ASSETS", sheet.assets, sheet.total_assets),
                ("LIABILITIES", sheet.liabilities, sheet.total_liabilities),
                ("EQUITY", sheet.equity, sheet.total_equity),
                ("RESULT", [], sheet.result),
            )
            _show(sheet.currency, parts, balanced=sheet.balanced)
    return DONE if all(sheet.balanced for sheet in found.items) else FAILED


@command(
    app,
    "income-statement",
    "khata reports income-statement --first 2026-01-01 --on 2026-01-31 --zone Asia/Dhaka",
)
def income_statement(
    *,
    first: Annotated[
        str | None, Parameter(help="The period's first day; left out, from the beginning.")
    ] = None,
    on: On = None,
    zone: Zone = None,
    json: Json = False,
    where: Where = HERE,
) -> int:
    """Show what came in and what was spent in a period (exit code 1 unless it balances)."""
    with looking(where) as view:
        found = reporting.income_statement(view, on, zone, first)
    if json:
        dump(found)
    else:
        _head(found)
        for one in found.items:
            parts: _Parts = (
                ("REVENUE", one.revenue, one.total_revenue),
                ("EXPENSES", one.expenses, one.total_expenses),
                ("RESULT", [], one.result),
            )
            _show(one.currency, parts, balanced=one.balanced)
    return DONE if all(one.balanced for one in found.items) else FAILED


def _head(found: Report[Any]) -> None:
    since = "" if found.first is None else f"{found.first} to "
    out().print(f"{since}{found.on}, {found.time_zone}: all that was before {found.until}")


def _show(currency: str, parts: _Parts, *, balanced: bool) -> None:
    made = table(currency, "amount>")
    for title, lines, total in parts:
        for line in lines:
            row(made, line.account, coloured(line.amount, currency))
        row(made, title, coloured(total, currency))
    out().print(made)
    out().print("It balances." if balanced else "It does NOT balance.")
