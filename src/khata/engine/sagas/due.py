"""What a worker reads: the runs that are due, and whether it knows how to go on with all."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Final

import sqlalchemy as sa

from khata.base.clock import Instant
from khata.engine.database import View
from khata.engine.decide import Batch
from khata.engine.reading import records, select
from khata.engine.records import spec
from khata.engine.sagas.model import ENDED, PRIORITIES, SagaRun, Schedule
from khata.engine.sagas.registry import Sagas
from khata.engine.tables import BOOKS, table_of
from khata.errors import KhataError, UnknownSaga

_SAGAS: Final = table_of(SagaRun)
_SCHEDULES: Final = table_of(Schedule)
_MOST_NAMED: Final = 20


def watching(moved: threading.Event, fresh: deque[str]) -> Callable[[Batch], None]:
    """What notes the runs that a batch started, and tells that something may be due."""

    def watch(batch: Batch) -> None:
        started = [key for cls, key in batch.new if cls is SagaRun]
        fresh.extend(started)
        # what became due by a change is in an index, so its row was written in full
        if started or any(cls is SagaRun for cls, _ in batch.full):
            moved.set()

    return watch


def time_of(view: View) -> Instant:
    """The book's time, which never goes back: behind it, what is due by it is due."""
    head = view.row(sa.select(BOOKS.c.at).where(BOOKS.c.id == view.book_id))
    return view.now if head is None else max(view.now, int(head.at))


def due(view: View, sagas: Sagas, most: int) -> list[str]:
    """Up to `most` runs that are due and free, the most urgent first."""
    of, now = _SAGAS.c, time_of(view)
    full = _full(view, sagas, now)
    known = [(name, version) for name, version in sagas.known if name not in full]
    found: list[str] = []
    for priority in PRIORITIES:
        query = (
            sa.select(of.id)
            .where(
                of.book_id == view.book_id,
                of.priority == priority,
                of.due_at <= now,
                of.paused.is_(sa.false()),
                sa.or_(of.worker.is_(None), of.lease_until <= now),
                sa.tuple_(of.name, of.version).in_(known),
            )
            .order_by(of.due_at)
            .limit(most - len(found))
        )
        found += [row.id for row in view.rows(query)]
        if len(found) >= most:
            break
    return found


def _full(view: View, sagas: Sagas, now: Instant) -> set[str]:
    """The sagas of which no more can be worked on now: their runs must not hide the others."""
    limits: dict[str, int] = {}
    for saga in sagas:
        if saga.most is not None:
            limits[saga.name] = max(saga.most, limits.get(saga.name, 0))
    if not limits:
        return set()
    of = _SAGAS.c
    query = (
        sa.select(of.slot, sa.func.count().label("taken"))
        .where(of.book_id == view.book_id, of.slot.in_(sorted(limits)), of.lease_until > now)
        .group_by(of.slot)
    )
    return {row.slot for row in view.rows(query) if row.taken >= limits[row.slot]}


def next_due(view: View) -> Instant | None:
    """When the next run or schedule can be taken; None when nothing waits for the clock."""
    of = _SAGAS.c
    held = sa.and_(of.worker.is_not(None), of.lease_until > of.due_at)
    free_at = sa.case((held, of.lease_until), else_=of.due_at)
    runs = view.row(
        sa.select(sa.func.min(free_at).label("at")).where(
            of.book_id == view.book_id, of.due_at.is_not(None), of.paused.is_(sa.false())
        )
    )
    plans = view.row(
        sa.select(sa.func.min(_SCHEDULES.c.next_at).label("at")).where(
            _SCHEDULES.c.book_id == view.book_id, _SCHEDULES.c.enabled.is_(sa.true())
        )
    )
    found = [row.at for row in (runs, plans) if row is not None and row.at is not None]
    return min(found, default=None)


def schedules(view: View) -> list[Schedule]:
    """The schedules that are due, or have never been planned."""
    of, now = _SCHEDULES.c, time_of(view)
    query = select(view, Schedule).where(
        of.enabled.is_(sa.true()), sa.or_(of.next_at.is_(None), of.next_at <= now)
    )
    return records(view, Schedule, query.order_by(of.name))


def check_known(view: View, sagas: Sagas) -> None:
    """Errors: `UnknownSaga`, listing the open runs whose steps nobody here knows."""
    of = _SAGAS.c
    query = select(view, SagaRun).where(of.status.not_in(sorted(ENDED)))
    lost: list[SagaRun] = []
    count, decode = 0, spec(SagaRun).decode
    for row in view.stream(query):
        run = decode(tuple(row))
        if not _is_known(sagas, run):
            count += 1
            if len(lost) < _MOST_NAMED:
                lost.append(run)
    if count:
        raise UnknownSaga(
            f"{count} runs are at steps that this program does not know: deploy a version that"
            " knows them, or a saga that adopts them.",
            expected=[f"{name} {version}" for name, version in sagas.known],
            got=count,
            runs=[f"{run.id} {run.name} {run.version} at {run.step}" for run in lost],
        )


def _is_known(sagas: Sagas, run: SagaRun) -> bool:
    try:
        return sagas.of(run).knows(run)
    except KhataError:
        return False
