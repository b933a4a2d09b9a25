"""Financial statements: the balance sheet at an instant, the income statement of a period.

Both are counted from the postings, currency by currency, and each proves itself: assets are
liabilities, equity and the result together, and what a period earned is what its assets grew by
beyond liabilities and equity. Accounts of owners, escrows and the like are one line together;
cash, equity, revenue, expenses and inventory are a line for each account.
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
from khata.errors import Invalid

_ALONE: Final = ("cash", "bank", "inventory", "asset", "equity", "revenue", "expense", "liability")
_KINDS: Final[tuple[Kind, ...]] = ("asset", "liability", "equity", "revenue", "expense")
_Found = dict[tuple[str, int], dict[tuple[Kind, str], int]]
"""(Unit, decimals) → (kind, line) → plain minor units, debit positive."""


class ReportLine(msgspec.Struct, frozen=True):
    """A line: an account's code, or the first word of many; a decimal string on its normal side."""

    account: str
    amount: str


class BalanceSheet(msgspec.Struct, frozen=True):
    """What the house has, what it owes and what is its own, in one currency at an instant.

    `result`: all revenue less all expenses so far. `balanced`: assets are liabilities, equity and
    the result together.
    """

    currency: str
    assets: list[ReportLine]
    liabilities: list[ReportLine]
    equity: list[ReportLine]
    total_assets: str
    total_liabilities: str
    total_equity: str
    result: str
    balanced: bool


class IncomeStatement(msgspec.Struct, frozen=True):
    """What came in and what was spent in one currency during a period.

    `result`: revenue less expenses. `balanced`: it is what assets grew by in the period, less
    what liabilities and equity did.
    """

    currency: str
    revenue: list[ReportLine]
    expenses: list[ReportLine]
    total_revenue: str
    total_expenses: str
    result: str
    balanced: bool


def balance_sheet(view: View, at: Instant | None = None) -> list[BalanceSheet]:
    """The balance sheet of every currency at an instant (None: now). Errors: `NotYours`."""
    sheets = []
    for (unit, places), lines in _counted(view, at).items():
        total = _totals(lines)
        result = total["revenue"] - total["expense"]
        own = total["liability"] + total["equity"] + result
        sheets.append(
            BalanceSheet(
                unit,
                _lines(lines, "asset", places),
                _lines(lines, "liability", places),
                _lines(lines, "equity", places),
                to_text(total["asset"], places),
                to_text(total["liability"], places),
                to_text(total["equity"], places),
                to_text(result, places),
                total["asset"] == own,
            )
        )
    return sheets


def income_statement(
    view: View, *, since: Instant | None = None, until: Instant | None = None
) -> list[IncomeStatement]:
    """The income statement of every currency for a period: `since` is included, `until` is not;
    left out, from the beginning, and until now.

    Errors: `NotYours` for owners; `Invalid` for a period that ends before it begins.
    """
    if since is not None and until is not None and since > until:
        raise Invalid("The period ends before it begins.", expected="since at or before until")
    before = {} if since is None else _counted(view, since - 1)
    found = []
    for (unit, places), after in _counted(view, None if until is None else until - 1).items():
        past = before.get((unit, places), {})
        lines = {key: amount - past.get(key, 0) for key, amount in after.items()}
        total = _totals(lines)
        result = total["revenue"] - total["expense"]
        found.append(
            IncomeStatement(
                unit,
                _lines(lines, "revenue", places),
                _lines(lines, "expense", places),
                to_text(total["revenue"], places),
                to_text(total["expense"], places),
                to_text(result, places),
                result == total["asset"] - total["liability"] - total["equity"],
            )
        )
    return found


def _counted(view: View, at: Instant | None) -> _Found:
    found: _Found = {}
    for unit, places, kind, line, plain in sums(view, at, alone=_ALONE):
        found.setdefault((unit, places), {})[kind, line] = plain
    return found


def _totals(lines: dict[tuple[Kind, str], int]) -> dict[Kind, int]:
    total: dict[Kind, int] = dict.fromkeys(_KINDS, 0)
    for (kind, _), plain in lines.items():
        total[kind] += plain * SIDE[kind]
    return total


def _lines(lines: dict[tuple[Kind, str], int], wanted: Kind, places: int) -> list[ReportLine]:
    """Those of one kind that are not zero, by account."""
    found: Iterable[tuple[str, int]] = (
        (line, plain * SIDE[kind]) for (kind, line), plain in lines.items() if kind == wanted
    )
    return [ReportLine(line, to_text(minor, places)) for line, minor in sorted(found) if minor]
