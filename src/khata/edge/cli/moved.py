"""Money that moved: what a caller types for it, and how an entry and its movements are shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from cyclopts import Parameter
from rich.table import Table

from khata.base.money import Money
from khata.domain import wallets
from khata.domain.ledger import Moved
from khata.domain.wallets import Transaction
from khata.edge.cli.screen import coloured, money, out, row, short, table
from khata.engine.database import View

Amount = Annotated[
    str, Parameter(help="Decimal amount, such as 1000.00.", allow_leading_hyphen=True)
]
Currency = Annotated[
    str | None, Parameter(help="The amount's currency; left out, that of the wallet.")
]
Source = Annotated[str, Parameter(help="The business reason, such as order or refund.")]
Reference = Annotated[str | None, Parameter(help="Your own number for it, such as M1001.")]
Note = Annotated[str | None, Parameter(help="A sentence to remember it by.")]


def in_currency_of(view: View, wallet: str, amount: str, currency: str | None) -> Money:
    """What was typed as money: in the wallet's own currency unless another was named."""
    return Money(amount, currency or wallets.wallet(view, wallet).currency)


def show_moved(moved: Moved) -> None:
    """An entry that was just posted."""
    screen = out()
    made = table("account", "amount>", "before>", "after>")
    for leg in moved.legs:
        row(
            made,
            leg.account.removeprefix("wallet/"),
            coloured(leg.amount, moved.currency),
            money(leg.balance_before or "0", moved.currency),
            money(leg.balance_after or "0", moved.currency),
        )
    about = [moved.id, moved.type, moved.source]
    screen.print(" · ".join(about + ([moved.reference] if moved.reference else [])))
    screen.print(made)


def transactions_table(items: Sequence[Transaction], *, title: str | None = None) -> Table:
    """Movements of one account, as a bank would print them."""
    made = table(
        "time", "entry", "type", "source", "other side", "amount>", "balance>", title=title
    )
    for item in items:
        about = item.type if item.status == "posted" else f"{item.type}, {item.status}"
        row(
            made,
            short(item.at),
            item.id,
            about.replace("_", " "),
            item.source,
            ", ".join(code.removeprefix("wallet/") for code in item.counterparty),
            coloured(item.amount, item.currency),
            money(item.balance_after, item.currency),
        )
    return made
