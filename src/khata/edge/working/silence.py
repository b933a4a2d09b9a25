"""Noticing flows that are in shadow and of which nothing is compared any more."""

from __future__ import annotations

import time
from typing import Final

from khata.app import Khata
from khata.domain.shadow import silent
from khata.edge.working.parts import Sounds

_PAUSE_SECONDS: Final = 5.0


class Silence:
    """The part of a worker that listens: for each flow that is silent it sounds `shadow_silent`."""

    def __init__(self, book: Khata, alerts: Sounds) -> None:
        self._book = book
        self._alerts = alerts
        self._looked_at = -_PAUSE_SECONDS

    def work(self, _: int) -> int:
        """Look, unless it was done a moment ago; there is never more to do."""
        if time.monotonic() - self._looked_at < _PAUSE_SECONDS:
            return 0
        self._looked_at = time.monotonic()
        for line in self._book.query(silent):
            self._alerts.sound(
                "shadow_silent",
                book=self._book.book,
                part=line.name,
                quiet_for_seconds=line.quiet_for_seconds,
                last_compared_at=line.last_compared_at,
            )
        return 0
