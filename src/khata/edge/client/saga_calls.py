"""Calls about sagas: starting and watching them, and what people decide about them."""

from __future__ import annotations

from typing import Any, Literal

from khata.base.money import Money
from khata.base.paging import Page
from khata.domain.sagas import (
    Because,
    SagaHealth,
    SagaState,
    SagaView,
    ScheduleState,
    ScheduleView,
)
from khata.edge.client.answers import Receipt
from khata.edge.client.call import Call, Json, asked, path_of, write

# ── starting and watching ────────────────────────────────────────────────────────────


def start_saga(
    name: str,
    data: Json,
    *,
    reference: str | None = None,
    serial: str | None = None,
    priority: int | None = None,
    amount: Money | None = None,
    key: str | None = None,
    dry_run: bool = False,
) -> Call[Receipt[SagaState]]:
    """Start a saga. Those of one `serial` go one after the other; `priority`: 1, 0, -1."""
    body = {"name": name, "data": data, "reference": reference, "serial": serial,
            "priority": priority, "amount": amount}  # fmt: skip
    return write(Receipt[SagaState], path_of("sagas"), body, key, dry_run=dry_run)


def saga(name: str) -> Call[SagaView]:
    """One saga with its whole history."""
    return Call("GET", path_of("sagas", name), SagaView)


def sagas(
    *,
    status: str | None = None,
    name: str | None = None,
    reference: str | None = None,
    failed: bool = False,
    limit: int = 100,
) -> Call[Page[SagaView]]:
    """Sagas, newest first. `failed`: those that wait for a person, or an answer from outside."""
    query = {"status": status, "name": name, "reference": reference, "failed": failed,
             "limit": limit}  # fmt: skip
    return Call("GET", path_of("sagas"), Page[SagaView], asked(query))


def saga_health() -> Call[SagaHealth]:
    """How they went in the last 24 hours, 7 days and 30 days."""
    return Call("GET", path_of("sagas", "health"), SagaHealth)


def why(seq: int) -> Call[Because]:
    """Why a command of the journal happened."""
    return Call("GET", path_of("journal", str(seq), "why"), Because)


# ── deciding ─────────────────────────────────────────────────────────────────────────


def retry_saga(
    name: str,
    reason: str,
    *,
    data: Json | None = None,
    key: str | None = None,
    dry_run: bool = False,
) -> Call[Receipt[SagaState]]:
    """Try the step again at which it failed; `data`: what to change in its input."""
    return _decide(name, "retry", {"reason": reason, "data": data}, key, dry_run)


def skip_step(
    name: str, reason: str, *, key: str | None = None, dry_run: bool = False
) -> Call[Receipt[SagaState]]:
    """Go on without the step, or the undo, at which it is stuck."""
    return _decide(name, "skip", {"reason": reason}, key, dry_run)


def resolve_saga(
    name: str,
    outcome: Literal["done", "failed", "closed"],
    reason: str,
    *,
    evidence: str,
    data: Json | None = None,
    key: str | None = None,
    dry_run: bool = False,
) -> Call[Receipt[SagaState]]:
    """Settle by hand what became of its step; `closed`: of the whole saga."""
    body = {"outcome": outcome, "evidence": evidence, "reason": reason, "data": data}
    return _decide(name, "resolve", body, key, dry_run)


def compensate_saga(
    name: str, reason: str, *, key: str | None = None, dry_run: bool = False
) -> Call[Receipt[SagaState]]:
    """Undo what a stuck one has done."""
    return _decide(name, "compensate", {"reason": reason}, key, dry_run)


def cancel_saga(
    name: str, reason: str, *, key: str | None = None, dry_run: bool = False
) -> Call[Receipt[SagaState]]:
    """Call one off and undo what it has done."""
    return _decide(name, "cancel", {"reason": reason}, key, dry_run)


def pause_saga(
    name: str, reason: str, *, key: str | None = None, dry_run: bool = False
) -> Call[Receipt[SagaState]]:
    """Keep workers off it."""
    return _decide(name, "pause", {"reason": reason}, key, dry_run)


def resume_saga(
    name: str, reason: str, *, key: str | None = None, dry_run: bool = False
) -> Call[Receipt[SagaState]]:
    """Let workers go on with it."""
    return _decide(name, "resume", {"reason": reason}, key, dry_run)


def signal_saga(
    name: str,
    signal: str,
    data: Json | None = None,
    *,
    key: str | None = None,
    dry_run: bool = False,
) -> Call[Receipt[SagaState]]:
    """Tell one that something happened."""
    return _decide(name, "signals", {"name": signal, "data": data}, key, dry_run)


def approve_saga(
    name: str, approved: bool, reason: str, *, key: str | None = None, dry_run: bool = False
) -> Call[Receipt[SagaState]]:
    """Approve, or not, what one waits for."""
    return _decide(name, "approval", {"approved": approved, "reason": reason}, key, dry_run)


def _decide(name: str, verb: str, body: Json, key: str | None, dry_run: bool) -> Call[Any]:
    return write(Receipt[SagaState], path_of("sagas", name, verb), body, key, dry_run=dry_run)


# ── schedules ────────────────────────────────────────────────────────────────────────


def schedules() -> Call[Page[ScheduleView]]:
    """What is started by the clock."""
    return Call("GET", path_of("sagas", "schedules"), Page[ScheduleView])


def schedule_saga(
    name: str,
    cron: str,
    saga: str,
    *,
    zone: str = "UTC",
    data: Json | None = None,
    key: str | None = None,
) -> Call[Receipt[ScheduleState]]:
    """Start a saga by the clock. `cron`: minute hour day month weekday, in the time zone `zone`."""
    body = {"name": name, "cron": cron, "saga": saga, "zone": zone, "data": data}
    return write(Receipt[ScheduleState], path_of("sagas", "schedules"), body, key)


def unschedule_saga(
    name: str, reason: str, *, key: str | None = None
) -> Call[Receipt[ScheduleState]]:
    """Stop starting what a schedule is for."""
    path = path_of("sagas", "schedules", name, "unschedule")
    return write(Receipt[ScheduleState], path, {"reason": reason}, key)
