"""Days: a date in a time zone as the instants at which it begins and ends.

A day has 23, 24 or 25 hours; where the clocks change at midnight it begins a little later. Doors
turn days into instants before a book hears of them: a new edition of the time zones must not
change what a journal means.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from khata.base.clock import SECOND, Instant
from khata.errors import Invalid

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST: Final = 60


def zone_of(name: str) -> ZoneInfo:
    """The time zone with this name, such as `Asia/Dhaka`. Errors: `Invalid`."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise Invalid(
            f"{name[:_LONGEST]!r} is not a time zone.",
            expected="such as Asia/Dhaka",
            got=name[:_LONGEST],
        ) from None


def day_of(instant: Instant, zone: str) -> str:
    """The date that it is at an instant: `2026-01-31`. Errors: `Invalid` zone."""
    return str(datetime.fromtimestamp(instant // SECOND, zone_of(zone)).date())


def bounds(day: str, zone: str) -> tuple[Instant, Instant]:
    """(The first instant of a day, the first one of the day after it).

    Errors: `Invalid` for what is not a date, or not a time zone.
    """
    found = zone_of(zone)
    try:
        first = _date(day)
        return _begin(first, found), _begin(first + timedelta(days=1), found)
    except (ValueError, OverflowError):
        raise Invalid(
            f"{day[:_LONGEST]!r} is not a day.", expected="such as 2026-01-31", got=day[:_LONGEST]
        ) from None


def _date(text: str) -> date:
    """Errors: `ValueError`, also for the other ways in which ISO 8601 writes a day."""
    found = date.fromisoformat(text)
    if str(found) != text:
        raise ValueError(text)
    return found


def _begin(day: date, zone: ZoneInfo) -> Instant:
    moment = datetime.combine(day, time(), zone).astimezone(UTC)
    return round((moment - _EPOCH).total_seconds()) * SECOND
