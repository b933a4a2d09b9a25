"""The admin books: what the house has, what it owes, what is its own, currency by currency.

Assets are always liabilities, equity and the result together: every entry sums to zero. The
proof of it is counted from the accounts, not taken from anything that was noted elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from khata.base.clock import Instant
from khata.base.money import to_text
from khata.domain.ledger.queries import sums
from khata.engine.accounts import SIDE, Kind
from khata.engine.database import View

_FIELD: Final = {
    "cash": "cash",
    "bank": "cash",
    "inventory": "inventory",
    "receivable": "receivables",
    "wallet": "wallets",
    "escrow": "escrow",
    "payable": "payables",
}
"""First word of a code: the line that its balance is shown in."""
_REST: Final[dict[Kind, str]] = {"asset": "other_assets", "liability": "other_liabilities"}
_TOTALS: Final[dict[Kind, str]] = {
    "asset": "assets",
    "liability": "liabilities",
    "equity": "equity",
    "revenue": "revenue",
    "expense": "expenses",
}


class Books(msgspec.Struct, frozen=True):
    """A currency's books at an instant: decimal strings, each on its normal side.

    `cash`: with banks. `receivables`: loans and debts of others. `wallets`, `escrow`: owners'
    money. `payables`: what suppliers, campaigns and bonuses are owed. `result`: revenue less
    expenses. `balanced`: assets are liabilities, equity and the result together.
    """

    currency: str
    cash: str
    inventory: str
    receivables: str
    other_assets: str
    assets: str
    wallets: str
    escrow: str
    payables: str
    other_liabilities: str
    liabilities: str
    equity: str
    revenue: str
    expenses: str
    result: str
    balanced: bool


def books(view: View, at: Instant | None = None) -> list[Books]:
    """The books of every currency there is, by currency, at an instant (None: now).

    Errors: `NotYours` for owners.
    """
    found: dict[tuple[str, int], list[tuple[Kind, str, int]]] = {}
    for unit, places, kind, word, plain in sums(view, at):
        found.setdefault((unit, places), []).append((kind, word, plain * SIDE[kind]))
    return [_books(unit, places, lines) for (unit, places), lines in found.items()]


def _books(unit: str, places: int, lines: Iterable[tuple[Kind, str, int]]) -> Books:
    """`lines`: (kind, first word, minor units on the normal side)."""
    counted = dict.fromkeys((*_FIELD.values(), *_REST.values(), *_TOTALS.values()), 0)
    for kind, word, minor in lines:
        counted[_TOTALS[kind]] += minor
        shown = _FIELD.get(word) or _REST.get(kind)
        if shown is not None:
            counted[shown] += minor
    result = counted["revenue"] - counted["expenses"]
    own = counted["liabilities"] + counted["equity"] + result
    return Books(
        currency=unit,
        result=to_text(result, places),
        balanced=counted["assets"] == own,
        **{name: to_text(minor, places) for name, minor in counted.items()},
    )
