"""Which commands will miss a row: told by how often those of their kind did lately.

A batch whose commands miss something is tried ahead of time, so that all of it is loaded at once.
Trying costs as much as deciding; for a kind that hardly ever misses anything it is not worth it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from khata.engine.job import Job

_ALWAYS: Final = 1 << 10
_RARELY: Final = _ALWAYS >> 6
_MEMORY: Final = 5  # the share of the newest trial: a 32nd


class Guesses:
    """For each kind of command how often it missed something, lately."""

    def __init__(self) -> None:
        self._often: dict[tuple[str, bool], int] = {}

    def note(self, job: Job, *, missed: bool, again: bool = False) -> None:
        """A command of this kind was tried; `again`: after what it had missed was loaded."""
        kind = (job.verb.kind, again)
        known = self._often.get(kind, _ALWAYS)
        told = _ALWAYS if missed else 0
        self._often[kind] = known + ((told - known) >> _MEMORY)

    def likely(self, jobs: Iterable[Job], *, again: bool = False) -> Iterator[Job]:
        """Those that may well miss something; `again`: something more."""
        often = self._often
        return (job for job in jobs if often.get((job.verb.kind, again), _ALWAYS) >= _RARELY)
