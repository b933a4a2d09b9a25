"""The operations of sagas: starting, watching, and what people decide where a machine cannot."""

from __future__ import annotations

from typing import Any, Final

from khata.base.paging import Page
from khata.domain import sagas
from khata.domain.sagas import (
    ApproveSaga,
    CancelSaga,
    CompensateSaga,
    PauseSaga,
    ResolveSaga,
    ResumeSaga,
    RetrySaga,
    ScheduleSaga,
    SignalSaga,
    SkipStep,
    StartSaga,
    UnscheduleSaga,
)
from khata.edge.http.operation import Operation
from khata.edge.http.reads import Nothing, Paged, read
from khata.edge.http.threads import Threads
from khata.edge.http.write import write
from khata.engine.database import View
from khata.errors import NotFound
from khata.settings import Settings

_WHY: Final = {"reason": "The bank is back."}
_S: Final = "/v1/sagas/{saga}"
_SEQ_DIGITS: Final = 18


class SagasAsked(Paged, frozen=True, kw_only=True):
    """`failed`: those that wait for a person, or for an answer from outside."""

    status: str | None = None
    name: str | None = None
    reference: str | None = None
    failed: bool = False


def schedules(view: View) -> Page[sagas.ScheduleView]:
    """Every schedule."""
    return Page(sagas.schedules(view))


def why(view: View, seq: str) -> sagas.Because:
    """Why command `seq` happened. Errors: `NotFound`; `NotYours` for owners."""
    view.check_owner(None)
    if not (seq.isascii() and seq.isdigit() and len(seq) <= _SEQ_DIGITS):
        raise NotFound(f"No command {seq[:60]!r}.", expected="the number of one", got=seq[:60])
    return sagas.why(view, int(seq))


# path, command, operation id, status, body that works
_WRITES: Final[tuple[tuple[str, Any, str, int, Any], ...]] = (
    ("/v1/sagas", StartSaga, "startSaga", 201,
     {"name": "checkout", "data": {"order": "M2511128"}, "reference": "M2511128"}),
    (f"{_S}/retry", RetrySaga, "retrySaga", 200, {**_WHY, "data": {"wallet": "bob/partner/BDT"}}),
    (f"{_S}/skip", SkipStep, "skipStep", 200, {"reason": "The letter was sent by hand."}),
    (f"{_S}/resolve", ResolveSaga, "resolveSaga", 200,
     {"outcome": "done", "evidence": "Bank statement of 31 January, line 7.",
      "reason": "The bank never answered.", "data": {"id": "ch_7"}}),
    (f"{_S}/compensate", CompensateSaga, "compensateSaga", 200, {"reason": "Sold out."}),
    (f"{_S}/cancel", CancelSaga, "cancelSaga", 200, {"reason": "The customer asked for it."}),
    (f"{_S}/pause", PauseSaga, "pauseSaga", 200, {"reason": "The bank does maintenance."}),
    (f"{_S}/resume", ResumeSaga, "resumeSaga", 200, _WHY),
    (f"{_S}/signals", SignalSaga, "signalSaga", 200,
     {"name": "receipt", "data": {"file": "receipt-7.pdf"}}),
    (f"{_S}/approval", ApproveSaga, "approveSaga", 200,
     {"approved": True, "reason": "The receipt fits."}),
)  # fmt: skip

_SCHEDULES: Final[tuple[tuple[str, Any, str, int, Any], ...]] = (
    ("/v1/sagas/schedules", ScheduleSaga, "scheduleSaga", 201,
     {"name": "nightly", "cron": "0 2 * * *", "saga": "reconcile", "zone": "Asia/Dhaka"}),
    ("/v1/sagas/schedules/{schedule}/unschedule", UnscheduleSaga, "unscheduleSaga", 200,
     {"reason": "Done by hand now."}),
)  # fmt: skip

# path, query, parameters, what it gives, operation id, tag, summary
_READS: Final[tuple[tuple[str, Any, Any, Any, str, str, str], ...]] = (
    ("/v1/sagas", sagas.sagas, SagasAsked, Page[sagas.SagaView], "listSagas", "sagas",
     "Sagas, newest first, without their history"),
    ("/v1/sagas/health", sagas.health, Nothing, sagas.SagaHealth, "getSagaHealth", "sagas",
     "How sagas went in the last 24 hours, 7 days and 30 days"),
    ("/v1/sagas/schedules", schedules, Nothing, Page[sagas.ScheduleView], "listSchedules",
     "sagas", "What is started by the clock"),
    (_S, sagas.saga, Nothing, sagas.SagaView, "getSaga", "sagas",
     "One saga with its whole history"),
    ("/v1/journal/{seq}/why", why, Nothing, sagas.Because, "getWhy", "audit",
     "Why a command happened: who asked for it, in which step of which saga"),
)  # fmt: skip


def saga_operations(settings: Settings, threads: Threads) -> list[Operation]:
    """All of them: `write` keys start and decide, `admin` keys set schedules."""
    writes = [
        write(
            settings,
            "POST",
            path,
            command,
            name=name,
            tag="sagas",
            status=status,
            example=example,
            scope=scope,
        )
        for rows, scope in ((_WRITES, "write"), (_SCHEDULES, "admin"))
        for path, command, name, status, example in rows
    ]
    return [*writes, *(read(threads, *row) for row in _READS)]
