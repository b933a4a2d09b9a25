"""Time: an instant is an integer, microseconds since 1970-01-01 UTC.

Integers compare, sort and store alike in every database and survive a replay to the bit.
Outside a book an instant is written as ISO 8601 in UTC.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache

from khata.errors import Invalid

Instant = int
Clock = Callable[[], Instant]

SECOND: Instant = 1_000_000
DAY: Instant = 86_400 * SECOND


def system_clock() -> Instant:
    """The machine's clock. Only edges and assembly call it; the core is told the time."""
    return time.time_ns() // 1000


@lru_cache(maxsize=4096)  # all that one batch writes has one time
def to_iso(instant: Instant) -> str:
    """`2026-01-31T09:00:00.000000Z`."""
    seconds, micros = divmod(instant, SECOND)
    moment = datetime.fromtimestamp(seconds, UTC).isoformat()  # pads years, as strftime may not
    return f"{moment[:19]}.{micros:06d}Z"


def iso_or_none(instant: Instant | None) -> str | None:
    """As `to_iso`, for what need not have happened."""
    return None if instant is None else to_iso(instant)


def from_iso(text: str) -> Instant:
    """The instant of an ISO 8601 text with an offset. A date alone means its first moment, UTC.

    Errors: `Invalid` when it is not a date or a time with an offset.
    """
    moment: datetime | None
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None and len(text) <= len("2026-01-31"):
            moment = moment.replace(tzinfo=UTC)
        # in UTC it must be a year that can be written, too
        moment = moment.astimezone(UTC) if moment.tzinfo else None
    except (ValueError, OverflowError):
        moment = None
    if moment is None:
        raise Invalid(
            f"{text[:40]!r} is not a time.",
            expected="ISO 8601 with an offset, such as 2026-01-31T09:00:00Z",
            got=text[:40],
        )
    delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * SECOND + delta.microseconds
