"""`khata books`: what the house has, owes and earned."""

from __future__ import annotations

from typing import Annotated, Final

from cyclopts import Parameter

from khata.domain import ledger
from khata.domain.ledger import Books
from khata.edge.cli.exits import DONE, FAILED
from khata.edge.cli.screen import coloured, dump, out, row, table
from khata.edge.cli.session import HERE, Json, Where, alone, instant, looking

_LINES: Final = (
    ("cash and banks", "cash"),
    ("inventory", "inventory"),
    ("receivables", "receivables"),
    ("other assets", "other_assets"),
    ("ASSETS", "assets"),
    ("wallets", "wallets"),
    ("escrow", "escrow"),
    ("payables", "payables"),
    ("other liabilities", "other_liabilities"),
    ("LIABILITIES", "liabilities"),
    ("EQUITY", "equity"),
    ("revenue", "revenue"),
    ("expenses", "expenses"),
    ("RESULT", "result"),
)


@alone("books", "khata books", "khata books --at 2026-01-31", "khata books --json")
def books(
    *,
    at: Annotated[str | None, Parameter(help="As of this instant, such as 2026-01-31.")] = None,
    json: Json = False,
    where: Where = HERE,
) -> int:
    """Show what the house has, owes and earned, by currency (exit code 1 unless it balances)."""
    with looking(where) as view:
        found = ledger.books(view, instant(at))
    if json:
        for one in found:
            dump(one)
    else:
        for one in found:
            _show(one)
        if not found:
            out().print("Nothing was entered yet.")
    return DONE if all(one.balanced for one in found) else FAILED


def _show(one: Books) -> None:
    made = table(one.currency, "amount>")
    for title, name in _LINES:
        row(made, title, coloured(getattr(one, name), one.currency))
    out().print(made)
    out().print(
        "Assets are liabilities, equity and the result together."
        if one.balanced
        else "Assets are NOT liabilities, equity and the result together."
    )
