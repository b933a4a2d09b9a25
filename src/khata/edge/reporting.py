"""Financial statements of days in a time zone, as HTTP and the command line give them.

A day is that of a stated zone, or of the book's own (the setting `schedules`); a statement of a
day knows what was entered until it ended, and nothing that came after.
"""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec

from khata.base.clock import Instant, to_iso
from khata.base.days import bounds, day_of
from khata.domain import ledger, setup
from khata.domain.ledger import BalanceSheet, IncomeStatement, TrialLine
from khata.engine.database import View

T = TypeVar("T")


class Report(msgspec.Struct, Generic[T], frozen=True):
    """A statement of every currency. `on`: the (last) day, in `time_zone`; `first`: the first one
    of a period. `until`: the instant at which the last day ends; nothing from then on is in it.
    """

    on: str
    first: str | None
    time_zone: str
    until: str
    items: list[T]


def trial_balance(view: View, on: str | None = None, zone: str | None = None) -> Report[TrialLine]:
    """Every account's balance at the end of a day; left out, today.

    Errors: `Invalid` day or zone; `NotYours` for owners.
    """
    day, named, end = _day(view, on, zone)
    return Report(day, None, named, to_iso(end), ledger.trial_balance(view, end - 1))


def balance_sheet(
    view: View, on: str | None = None, zone: str | None = None
) -> Report[BalanceSheet]:
    """The balance sheet at the end of a day; left out, today. Errors: as `trial_balance`."""
    day, named, end = _day(view, on, zone)
    return Report(day, None, named, to_iso(end), ledger.balance_sheet(view, end - 1))


def income_statement(
    view: View, on: str | None = None, zone: str | None = None, first: str | None = None
) -> Report[IncomeStatement]:
    """The income statement from the `first` day (left out: from the beginning) to the end of `on`.

    Errors: as `trial_balance`; `Invalid` for a period that ends before it begins.
    """
    day, named, end = _day(view, on, zone)
    since = None if first is None else bounds(first, named)[0]
    found = ledger.income_statement(view, since=since, until=end)
    return Report(day, first, named, to_iso(end), found)


def _day(view: View, on: str | None, zone: str | None) -> tuple[str, str, Instant]:
    named = zone or setup.schedules(view).time_zone
    day = on or day_of(view.now, named)
    return day, named, bounds(day, named)[1]
