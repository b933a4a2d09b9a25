"""How a gateway goes: its rates over the last seconds, and a report in the log every minute."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import structlog

if TYPE_CHECKING:
    from khata.edge.messaging.desk import GatewayDesk

log = structlog.get_logger("khata.messaging")
REPORT_SECONDS: Final = 60.0
_SAMPLE_SECONDS: Final = 1.0
_OVER: Final = 10
"""Samples over which a rate is taken."""


class Rates:
    """How fast counters grow: the mean over the last samples, one a second."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, Mapping[str, int]]] = deque(maxlen=_OVER + 1)

    def sample(self, counts: Mapping[str, int], now: float | None = None) -> None:
        """Take the counters down. `now`: monotonic seconds."""
        self._samples.append((time.monotonic() if now is None else now, dict(counts)))

    def shown(self) -> dict[str, float]:
        """Each counter's rate, `<name>_per_second`; 0 until there are two samples. A counter that
        began anew has grown from 0.
        """
        if not self._samples:
            return {}
        (first, before), (last, after) = self._samples[0], self._samples[-1]
        seconds = last - first
        return {
            f"{name}_per_second": round(_grown(before.get(name, 0), count) / seconds, 1)
            if seconds > 0
            else 0.0
            for name, count in after.items()
        }


def _grown(before: int, after: int) -> int:
    return after - before if after >= before else after


async def report(
    desk: GatewayDesk,
    *,
    seconds: float = REPORT_SECONDS,
    sample_seconds: float = _SAMPLE_SECONDS,
) -> None:
    """Take samples, and say in the log every so many seconds how it goes, until it is cancelled: a
    part to be supervised.
    """
    told = time.monotonic()
    while True:
        await asyncio.sleep(sample_seconds)
        desk.sample()
        if time.monotonic() - told >= seconds:
            told = time.monotonic()
            log.info("messaging_report", **desk.figures(), persister=desk.persister())
