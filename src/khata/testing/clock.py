"""A clock that stands still until it is told to move."""

from __future__ import annotations

from typing import Final

from khata.base.clock import SECOND, Instant

START: Final[Instant] = 1_800_000_000 * SECOND
"""In January 2027: after everything that a machine's own clock can have said."""


class VirtualClock:
    """`now`: microseconds since 1970 UTC. Hand it to `Khata.open(clock=…)`."""

    def __init__(self, now: Instant = START) -> None:
        self.now = now

    def __call__(self) -> Instant:
        """What the book asks."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += int(seconds * SECOND)

    def reach(self, instant: Instant) -> None:
        """Let time pass up to an instant; it never goes back."""
        self.now = max(self.now, instant)
