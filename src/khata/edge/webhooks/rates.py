"""How often a source may come: exact counts over the last hour, in bounded memory.

An hour is cut into slices; a slice counts until all of it is over an hour old, so never more than
the rate pass within any hour. The sources that have been quiet longest are forgotten first.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from typing import Final

from khata.base.clock import SECOND, Instant

WINDOW: Final[Instant] = 3600 * SECOND
_SLICE: Final[Instant] = 30 * SECOND
_MOST_SOURCES: Final = 10_000


class Rate:
    """At most `most` in an hour for each source. Thread-safe."""

    def __init__(self, most: int, sources: int = _MOST_SOURCES) -> None:
        self._most = most
        self._sources = sources
        self._lock = threading.Lock()
        self._seen: OrderedDict[str, deque[list[int]]] = OrderedDict()

    def take(self, source: str, now: Instant) -> int:
        """0 when the source may pass, which counts; else in how many seconds it may."""
        with self._lock:
            slices = self._seen.setdefault(source, deque())
            self._seen.move_to_end(source)
            while len(self._seen) > self._sources:
                self._seen.popitem(last=False)
            start = now - now % _SLICE
            while slices and slices[0][0] + _SLICE + WINDOW <= now:
                slices.popleft()
            if sum(count for _, count in slices) >= self._most:
                free = slices[0][0] + _SLICE + WINDOW - now
                return max(-(-free // SECOND), 1)
            if slices and slices[-1][0] >= start:
                slices[-1][1] += 1
            else:
                slices.append([start, 1])
            return 0
