"""When schedules are due: cron expressions in time zones, computed outside the book.

A book is told the instants; it never computes them, since a new edition of the time zones must
not change what a journal means.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from khata.base.clock import SECOND, Instant
from khata.engine.sagas.commands import Fire
from khata.engine.sagas.model import Schedule
from khata.errors import Invalid

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIELDS: Final = 5


def following(cron: str, zone: str, after: Instant) -> Instant | None:
    """The first instant after `after` that fits, None when there is none.

    Errors: `Invalid` for an expression or a zone that makes no sense.
    """
    if len(cron.split()) != _FIELDS:
        raise _no_cron(cron)
    try:
        start = datetime.fromtimestamp(after // SECOND, ZoneInfo(zone))
        # when an hour comes twice, the iterator may begin in the first of the two
        for moment in CronSim(cron, start):
            instant = int((moment - _EPOCH).total_seconds()) * SECOND
            if instant > after:
                return instant
    except CronSimError:
        raise _no_cron(cron) from None
    except (KeyError, ValueError, OSError):
        raise Invalid(
            f"{zone[:60]!r} is not a time zone.", expected="such as Asia/Dhaka", got=zone[:60]
        ) from None
    return None


def _no_cron(cron: str) -> Invalid:
    return Invalid(
        f"{cron[:60]!r} is not a cron expression.",
        expected="minute hour day month weekday, such as 0 2 * * *",
        got=cron[:60],
    )


def firing(schedule: Schedule, now: Instant) -> Fire:
    """The command that fires a schedule, or only plans it when it never was.

    However long nobody was there, it is fired once, and then again at the next time to come.
    """
    return Fire(schedule.name, schedule.next_at, following(schedule.cron, schedule.zone, now))
