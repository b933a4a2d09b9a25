"""Doing what the clock calls for: jobs at set times of day, in the book's time zone.

A job is a function of a book and a slot, the instant for which it is done. It is done for the
latest slot that has come, however many were missed while no worker was there; then the book notes
the slot. A job that fails is tried again, and must be able to be done twice for one slot: two
workers may begin it at the same moment, so what it submits has the slot in its idempotency key.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import structlog

from khata.app import Khata
from khata.base.actor import WORKER
from khata.base.clock import DAY, SECOND, Instant, to_iso
from khata.domain import setup
from khata.domain.setup import HOURLY, OFF, FinishSlot, Schedules
from khata.engine.database import View
from khata.engine.sagas.planning import following
from khata.errors import KhataError

log = structlog.get_logger("khata.schedule")
_LOOK_EVERY: Final = 2 * SECOND
_AHEAD: Final = 3600 * SECOND
"""A slot that was done for so much later than now was done by a clock that was wrong."""
_FURTHEST: Final = 2 * DAY
"""Before now: every job has a slot in so long, whatever the clocks do."""

Job = Callable[[Khata, Instant], None]
"""What is done for a slot: `(book, slot)`. What it raises is told of, and it is tried again."""


def slot_key(job: str, slot: Instant) -> str:
    """The idempotency key of what a job submits for a slot."""
    return f"schedule/{job}/{to_iso(slot)}"


def cron_of(time: str) -> str | None:
    """The cron expression of a time in the setting `schedules`; None for `off`."""
    if time == OFF:
        return None
    if time == HOURLY:
        return "0 * * * *"
    hour, _, minute = time.partition(":")
    return f"{int(minute)} {int(hour)} * * *"


def latest_slot(time: str, zone: str, now: Instant) -> Instant | None:
    """The last slot at or before `now`; None for a job that is off.

    A time that a change of clocks skips is at the next that there is; one that comes twice is
    once, an hour that comes twice is two hours.
    """
    cron = cron_of(time)
    if cron is None:
        return None
    found, after = None, now - _FURTHEST
    while (slot := following(cron, zone, after)) is not None and slot <= now:
        found = after = slot
    return found


class Schedule:
    """The part of a worker that does jobs on time. `jobs`: by their names in the setting."""

    def __init__(self, book: Khata, jobs: Mapping[str, Job]) -> None:
        self._book = book
        self._jobs = jobs
        self._look_at: Instant | None = None

    def work(self, limit: int) -> int:
        """Do up to `limit` jobs that are due; how many it did. Errors: the first job's."""
        now = self._book.clock()
        if self._look_at is not None and 0 < self._look_at - now <= _LOOK_EVERY:
            return 0
        due = self._book.query(due_jobs, self._jobs, now)
        failed: Exception | None = None
        for job, slot, last in due[:limit]:
            try:
                self._do(job, slot, last)
            except Exception as error:  # noqa: BLE001 - the other jobs are done all the same
                failed = failed or error
        if failed is not None:
            raise failed
        self._look_at = now + _LOOK_EVERY
        return len(due[:limit])

    def _do(self, job: str, slot: Instant, last: Instant | None) -> None:
        told = {"book": self._book.book, "job": job, "slot": to_iso(slot)}
        try:
            self._jobs[job](self._book, slot)
        except KhataError as error:
            log.warning("job_refused", code=error.code, **told)
            raise
        # without a key: after a clock that was wrong the same slot may have to be noted again
        self._book.submit(FinishSlot(job, slot, last), actor=WORKER)
        log.info("job_done", **told)


def due_jobs(
    view: View, jobs: Mapping[str, Job], now: Instant
) -> list[tuple[str, Instant, Instant | None]]:
    """(Job, slot, the last one done) of what is due and not done.

    A book that has just begun has missed nothing.
    """
    begun = setup.begun_at(view)
    if begun is None:
        return []
    wanted, done = setup.schedules(view), setup.slots(view)
    found = []
    for job in jobs:
        slot, last = _slot(wanted, job, now), done.get(job)
        since = begun if last is None or last > now + _AHEAD else last
        if slot is not None and slot > since:
            found.append((job, slot, last))
    return found


def _slot(wanted: Schedules, job: str, now: Instant) -> Instant | None:
    return latest_slot(getattr(wanted, job, OFF), wanted.time_zone, now)
