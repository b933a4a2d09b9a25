"""Reading sagas: one with its history, many, and why money moved."""

from __future__ import annotations

from typing import Any, Final, get_args

import msgspec
import sqlalchemy as sa

from khata.base.clock import DAY, SECOND, iso_or_none, to_iso
from khata.base.money import Money
from khata.base.paging import Page, checked_limit, from_cursor, paged
from khata.domain.ledger import entry_id
from khata.engine.accounts import Entry
from khata.engine.database import View
from khata.engine.reading import checked_text, is_storable, looked_up, record, records, select
from khata.engine.sagas import ENDED, NEEDS_A_PERSON, SagaRun, SagaStep, Schedule
from khata.engine.sagas.model import Status
from khata.engine.tables import JOURNAL, table_of
from khata.errors import SagaNotFound

_RUNS: Final = table_of(SagaRun)
_STEPS: Final = table_of(SagaStep)
_ENTRIES: Final = table_of(Entry)
_DAYS: Final = (1, 7, 30)
_MOST_REASONS: Final = 10
OPEN: Final = tuple(status for status in get_args(Status) if status not in ENDED)
_QUEUE: Final = (*sorted(NEEDS_A_PERSON), "unknown")


class SagaLine(msgspec.Struct, frozen=True):
    """One line of a run's history. `entries`: what it posted. `actor`: who, `seq`: by which
    command.
    """

    seq: int
    at: str
    actor: str
    what: str
    step: str
    detail: dict[str, Any] | None
    entries: list[str]


class SagaView(msgspec.Struct, frozen=True):
    """A run. `history` is filled when one run is asked for, and empty in lists."""

    id: str
    name: str
    version: int
    status: str
    step: str
    attempt: int
    paused: bool
    done: list[str]
    data: dict[str, Any]
    reference: str | None
    cause: str | None
    code: str | None
    message: str | None
    amount: Money | None
    started_by: str
    started_at: str
    failed_at: str | None
    ended_at: str | None
    due_at: str | None
    call_key: str | None
    worker: str | None
    history: list[SagaLine] = msgspec.field(default_factory=list)


class ScheduleView(msgspec.Struct, frozen=True):
    """A schedule. `next_at` is None until a worker has looked at it."""

    name: str
    cron: str
    zone: str
    saga: str
    enabled: bool
    next_at: str | None
    last_at: str | None


class Because(msgspec.Struct, frozen=True):
    """Why money moved: the command that posted it and, if one did, the saga and its step."""

    seq: int
    kind: str
    actor: str
    at: str
    saga: str | None
    step: str | None
    started_by: str | None


def saga(view: View, id: str) -> SagaView:  # noqa: A002 - the name it has outside
    """One run with its whole history. Errors: `SagaNotFound`; `NotYours` for owners."""
    view.check_owner(None)
    run = record(view, SagaRun, id) if is_storable(id) else None
    if run is None:
        raise SagaNotFound(f"No saga {id[:60]!r}.", got=id[:60])
    return _view(run, _history(view, run.id))


def _history(view: View, name: str) -> list[SagaLine]:
    of = _STEPS.c
    query = (
        sa.select(
            of.seq,
            of.what,
            of.step,
            of.detail,
            looked_up(view, JOURNAL.c.at, of.seq).label("at"),
            looked_up(view, JOURNAL.c.actor, of.seq).label("actor"),
        )
        .where(of.book_id == view.book_id, of.saga == name)
        .order_by(of.seq, of.n)
    )
    rows = view.rows(query)
    posted = _posted(view, {row.seq for row in rows})
    return [
        SagaLine(
            row.seq,
            to_iso(row.at),
            row.actor,
            row.what,
            row.step,
            msgspec.json.decode(row.detail) if row.detail else None,
            posted.pop(row.seq, []),
        )
        for row in rows
    ]


def _posted(view: View, seqs: set[int]) -> dict[int, list[str]]:
    """The entries of each command."""
    of = _ENTRIES.c
    found: dict[int, list[str]] = {}
    for row in view.rows(
        sa.select(of.seq, of.entry)
        .where(of.book_id == view.book_id, of.seq.in_(sorted(seqs)))
        .order_by(of.seq, of.entry)
    ):
        found.setdefault(row.seq, []).append(entry_id(row.seq, row.entry))
    return found


def sagas(
    view: View,
    *,
    status: str | None = None,
    name: str | None = None,
    reference: str | None = None,
    failed: bool = False,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[SagaView]:
    """Runs, newest first. `failed`: the queue of those that failed and wait for a person, or for
    an answer from outside.

    Errors: `NotYours` for owners; `Invalid` limit, `InvalidCursor`.
    """
    view.check_owner(None)
    of = _RUNS.c
    query = select(view, SagaRun)
    for column, value in ((of.status, status), (of.name, name), (of.reference, reference)):
        if checked_text(value, column.name) is not None:
            query = query.where(column == value)
    if failed:
        query = query.where(of.status.in_(_QUEUE))
    if cursor is not None:
        query = query.where(sa.tuple_(of.started_at, of.id) < from_cursor(cursor, int, str))
    query = query.order_by(of.started_at.desc(), of.id.desc()).limit(checked_limit(limit) + 1)
    page = paged(records(view, SagaRun, query), limit, lambda run: (run.started_at, run.id))
    return Page([_view(run, []) for run in page.items], page.next)


def schedules(view: View) -> list[ScheduleView]:
    """All schedules by name. Errors: `NotYours` for owners."""
    view.check_owner(None)
    query = select(view, Schedule).order_by(table_of(Schedule).c.name)
    return [
        ScheduleView(
            found.name,
            found.cron,
            found.zone,
            found.saga,
            found.enabled,
            iso_or_none(found.next_at),
            iso_or_none(found.last_at),
        )
        for found in records(view, Schedule, query)
    ]


def why(view: View, seq: int) -> Because:
    """Why command `seq` moved money. Errors: `SagaNotFound` when there is none; `NotYours`."""
    view.check_owner(None)
    of = JOURNAL.c
    row = view.row(
        sa.select(of.kind, of.actor, of.at, of.command).where(
            of.book_id == view.book_id, of.seq == seq
        )
    )
    if row is None:
        raise SagaNotFound(f"No command {seq}.", got=seq)
    named = msgspec.json.decode(row.command) if row.kind.startswith("sagas.") else {}
    run = record(view, SagaRun, str(named.get("saga", "")))
    return Because(
        seq,
        row.kind,
        row.actor,
        to_iso(row.at),
        run.id if run else None,
        named.get("step"),
        run.started_by if run else None,
    )


# ── health ───────────────────────────────────────────────────────────────────────────


class Reason(msgspec.Struct, frozen=True):
    """A code with which runs failed, and how many did."""

    code: str
    count: int


class Window(msgspec.Struct, frozen=True):
    """Runs that were started in the last `days`.

    `success_rate`: completed of those that ended, as a decimal such as `0.9875`; None when none
    ended. `mean_compensations`: steps undone by a run that had to go back, likewise.
    `mean_compensation_ms`: from the failure until all was undone.
    """

    days: int
    started: int
    open: int
    completed: int
    compensated: int
    resolved: int
    stuck: int
    success_rate: str | None
    mean_compensations: str | None
    mean_compensation_ms: int | None
    reasons: list[Reason]


class SagaHealth(msgspec.Struct, frozen=True):
    """`windows`: 24 h, 7 d, 30 d. `waiting_for_people`: runs that are stuck, however old.
    `unknown`: runs whose call nobody could tell the outcome of yet.
    """

    windows: list[Window]
    waiting_for_people: int
    unknown: int
    oldest_stuck_seconds: int | None


def health(view: View) -> SagaHealth:
    """The figures at `view.now`. Errors: `NotYours` for owners."""
    view.check_owner(None)
    of = _RUNS.c
    stuck = view.row(
        sa.select(sa.func.count().label("runs"), sa.func.min(of.started_at).label("oldest")).where(
            of.book_id == view.book_id, of.status.in_(sorted(NEEDS_A_PERSON))
        )
    )
    unknown = view.row(
        sa.select(sa.func.count().label("runs")).where(
            of.book_id == view.book_id, of.status == "unknown"
        )
    )
    assert stuck is not None
    assert unknown is not None
    age = None if stuck.oldest is None else (view.now - int(stuck.oldest)) // SECOND
    return SagaHealth([_window(view, days) for days in _DAYS], stuck.runs, unknown.runs, age)


def counts(view: View) -> dict[str, int]:
    """How many open runs have each status, those with none included; cheap, for gauges.

    Errors: `NotYours` for owners.
    """
    view.check_owner(None)
    of = _RUNS.c
    query = (
        sa.select(of.status, sa.func.count().label("runs"))
        .where(of.book_id == view.book_id, of.status.in_(OPEN))
        .group_by(of.status)
    )
    return dict.fromkeys(OPEN, 0) | {row.status: int(row.runs) for row in view.rows(query)}


def _window(view: View, days: int) -> Window:
    of = _RUNS.c
    recent = (of.book_id == view.book_id, of.started_at > view.now - days * DAY)
    counts = {
        row.status: int(row.runs)
        for row in view.rows(
            sa.select(of.status, sa.func.count().label("runs")).where(*recent).group_by(of.status)
        )
    }
    back = view.row(
        sa.select(
            sa.func.avg(of.undone).label("undone"),
            sa.func.avg(of.ended_at - of.failed_at).label("took"),
        ).where(*recent, of.failed_at.is_not(None), of.ended_at.is_not(None))
    )
    assert back is not None
    ended = sum(counts.get(status, 0) for status in ENDED)
    return Window(
        days,
        sum(counts.values()),
        sum(counts.values()) - ended,
        counts.get("completed", 0),
        counts.get("compensated", 0),
        counts.get("resolved", 0),
        sum(counts.get(status, 0) for status in NEEDS_A_PERSON),
        f"{counts.get('completed', 0) / ended:.4f}" if ended else None,
        None if back.undone is None else f"{back.undone:.2f}",
        None if back.took is None else int(back.took) // 1000,
        _reasons(view, recent),
    )


def _reasons(view: View, recent: tuple[sa.ColumnElement[bool], ...]) -> list[Reason]:
    of = _RUNS.c
    reason = sa.func.coalesce(of.cause, of.code)
    failed = sa.or_(of.cause.is_not(None), of.status.in_(sorted(NEEDS_A_PERSON)))
    query = (
        sa.select(reason.label("code"), sa.func.count().label("runs"))
        .where(*recent, failed, reason.is_not(None))
        .group_by(reason)
        .order_by(sa.func.count().desc(), reason)
        .limit(_MOST_REASONS)
    )
    return [Reason(row.code, row.runs) for row in view.rows(query)]


# ── showing ──────────────────────────────────────────────────────────────────────────


def _view(run: SagaRun, history: list[SagaLine]) -> SagaView:
    return SagaView(
        run.id,
        run.name,
        run.version,
        run.status,
        run.step,
        run.attempt,
        run.paused,
        run.done,
        run.data,
        run.reference,
        run.cause,
        run.code,
        run.message,
        Money(run.amount, run.currency) if run.amount and run.currency else None,
        run.started_by,
        to_iso(run.started_at),
        iso_or_none(run.failed_at),
        iso_or_none(run.ended_at),
        iso_or_none(run.due_at),
        run.intent.key if run.intent else None,
        run.worker,
        history,
    )
