"""What the gateway counts: plain integers on its own thread, and how long messages took inside.

Latency is from the moment at which a message was read from its socket until it was handed to its
receiver's; one of `EVERY` messages is measured.
"""

from __future__ import annotations

import math
import time
from typing import Any, Final

EVERY: Final = 16
"""A power of two."""
_STEPS: Final = 8
"""Buckets for each doubling: a figure is at most 9 % too high."""
_DOUBLINGS: Final = 32


class Histogram:
    """Durations in microseconds, in buckets that grow by the eighth part of a doubling."""

    __slots__ = ("counts", "sum", "total")

    def __init__(self) -> None:
        self.counts = [0] * (_STEPS * _DOUBLINGS + 1)
        self.total = 0
        self.sum = 0.0

    def add(self, microseconds: float) -> None:
        """Count one."""
        bucket = math.ceil(math.log2(microseconds) * _STEPS) if microseconds > 1 else 0
        self.counts[min(bucket, _STEPS * _DOUBLINGS)] += 1
        self.total += 1
        self.sum += microseconds

    def percentile(self, share: float) -> float:
        """Below which `share` of them were, in microseconds; 0 without any."""
        wanted = math.ceil(share * self.total)
        seen = 0
        for bucket, count in enumerate(self.counts):
            seen += count
            if count and seen >= wanted:
                return float(round(2 ** (bucket / _STEPS), 1))
        return 0.0


class Stats:
    """Counts since the start.

    `accepted`: messages that were taken. `safe`: of those, on disk. `delivered`: copies handed to
    sockets. `got`: copies that receivers said to have. `refused`: what was answered by `no`.
    `again`: copies that were on their way when their connection ended.
    """

    __slots__ = (
        "accepted",
        "again",
        "began",
        "bytes_in",
        "closed",
        "connections",
        "delivered",
        "got",
        "latency",
        "opened",
        "refused",
        "safe",
        "slow",
    )

    def __init__(self) -> None:
        self.accepted = self.safe = self.delivered = self.got = self.again = 0
        self.opened = self.closed = self.slow = self.connections = self.bytes_in = 0
        self.refused: dict[str, int] = {}
        self.latency = Histogram()
        self.began = time.monotonic()

    def refuse(self, code: str) -> None:
        """Count a refusal."""
        self.refused[code] = self.refused.get(code, 0) + 1

    def shown(self) -> dict[str, Any]:
        """All of it, as JSON has it."""
        counts = {
            name: getattr(self, name)
            for name in ("accepted", "safe", "delivered", "got", "again", "opened", "closed")
        }
        return {
            **counts,
            "slow": self.slow,
            "connections": self.connections,
            "refused": dict(self.refused),
            "p50_us": self.latency.percentile(0.50),
            "p99_us": self.latency.percentile(0.99),
            "uptime_seconds": round(time.monotonic() - self.began, 1),
            "rss_mb": round(resident() / 2**20, 1),
        }


def resident() -> int:
    """Bytes of memory that this process has; 0 where the system does not say."""
    try:
        with open("/proc/self/statm", encoding="ascii") as found:  # noqa: PTH123 - read each time
            return int(found.read().split()[1]) * 4096
    except OSError:
        return 0
