"""What a book keeps of its sagas: the runs, their history, and schedules that start them."""

from __future__ import annotations

from typing import Any, ClassVar, Final, Literal

from khata.engine.records import Record, Table
from khata.engine.sagas.outcome import Intent

Status = Literal[
    "queued",
    "running",
    "waiting",
    "unknown",
    "stuck",
    "compensating",
    "compensation_stuck",
    "completed",
    "compensated",
    "resolved",
]
ENDED: Final = frozenset({"completed", "compensated", "resolved"})
PRIORITIES: Final = (1, 0, -1)
"""High, normal, low."""
NEEDS_A_PERSON: Final = frozenset({"stuck", "compensation_stuck"})


class SagaRun(Record, frozen=True):
    """One saga under way, or ended.

    `status`: `queued` behind another of the same `serial`; `running`; `waiting` for an event, an
    approval or an hour; `unknown`: what became of a call is being asked; `stuck`: a person must
    decide; `compensating`, `compensation_stuck`; and ended: `completed`, `compensated`, or
    `resolved` by a person. `step`: where it is (or which step it is undoing). `done`: steps that
    stand, in order. `skipped`: steps and undos that a person let go. `cause`: why it is undone.
    `code`, `message`: of the last failure. `topic`, `open_serial`, `slot`: set while they matter.
    `due_at`: when a worker should look at it. `fence`: goes up whenever it changes hands.
    """

    id: str
    name: str
    version: int
    status: Status
    step: str
    attempt: int
    data: dict[str, Any]
    done: list[str]
    skipped: list[str] | None
    intent: Intent | None
    cause: str | None
    code: str | None
    message: str | None
    reference: str | None
    serial: str | None
    open_serial: str | None
    topic: str | None
    slot: str | None
    priority: int
    amount: str | None
    currency: str | None
    started_by: str
    started_at: int
    step_at: int
    failed_at: int | None
    ended_at: int | None
    undone: int
    due_at: int | None
    deadline: int | None
    paused: bool
    worker: str | None
    lease_until: int | None
    fence: int

    TABLE: ClassVar = Table(
        "sagas",
        key=("id",),
        finds=("open_serial", "topic", "slot"),
        indexes=(
            ("priority", "due_at"),
            ("reference",),
            ("started_at", "id"),
            ("status", "started_at"),
        ),
    )


class SagaStep(Record, frozen=True):
    """A line of a run's history: `what` happened at `step`, with `detail` (JSON) where it helps.

    `started`, `done`, `intended`, `unknown`, `failed` (and will be tried again), `waiting`,
    `compensating`, `undone`, `skipped`, `stuck`, `completed`, `compensated`, `resolved`, and what
    people did: `retried`, `cancelled`, `paused`, `resumed`, `signalled`.
    """

    saga: str
    seq: int
    n: int
    what: str
    step: str
    detail: str | None

    TABLE: ClassVar = Table("saga_steps", key=("saga", "seq", "n"), facts=True)


class Schedule(Record, frozen=True):
    """A saga that is started by the clock. `cron`: five fields; `zone`: an IANA time zone.

    `next_at`: computed by whoever fires it, so that a replay needs no time zones.
    """

    name: str
    cron: str
    zone: str
    saga: str
    data: dict[str, Any]
    enabled: bool
    next_at: int | None
    last_at: int | None

    TABLE: ClassVar = Table("saga_schedules", key=("name",))
