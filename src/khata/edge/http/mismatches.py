"""The operations of mismatches: what is wrong with orders, and their repair."""

from __future__ import annotations

from typing import Any, Final

from khata.base.paging import Page
from khata.domain import mismatches
from khata.domain.mismatches import (
    DismissMismatch,
    MismatchState,
    RepairMismatch,
    RepairState,
    Sweep,
    Unlike,
)
from khata.edge.http.operation import Operation
from khata.edge.http.reads import Nothing, Paged, read
from khata.edge.http.threads import Threads
from khata.edge.http.write import write
from khata.settings import Settings

_M: Final = "/v1/mismatches"
_R: Final = "/v1/order-repairs"


class MismatchesAsked(Paged, frozen=True, kw_only=True):
    """Each filter is an equality. `kind`: wallet_part_missing, receipt_stuck, refund_exceeds,
    stock_kept, release_missing, status_differs. `status`: open, repaired, gone, dismissed.
    """

    order: str | None = None
    kind: str | None = None
    status: str | None = None


class RepairsAsked(Paged, frozen=True, kw_only=True):
    """Each filter is an equality. `status`: waiting, applied, failed."""

    order: str | None = None
    status: str | None = None


# path, command, operation id, status, body that works
_WRITES: Final[tuple[tuple[str, Any, str, int, Any], ...]] = (
    ("/v1/mismatch-sweeps", Sweep, "sweepOrders", 200, {"orders": []}),
    (f"{_M}/{{mismatch}}/dismiss", DismissMismatch, "dismissMismatch", 200,
     {"reason": "Settled in cash, slip 12."}),
    ("/v1/orders/{order}/repair", RepairMismatch, "repairOrder", 201,
     {"reason": "Ticket 4711: paid, and nobody had seen it."}),
)  # fmt: skip

# path, query, parameters, what it gives, operation id, summary
_READS: Final[tuple[tuple[str, Any, Any, Any, str, str], ...]] = (
    (_M, mismatches.mismatches, MismatchesAsked, Page[MismatchState], "listMismatches",
     "What is, or was, wrong with orders, newest first"),
    (f"{_M}/{{mismatch}}", mismatches.mismatch, Nothing, MismatchState, "getMismatch",
     "One mismatch"),
    ("/v1/mismatch-sweeps", mismatches.unlike, Paged, Unlike, "listUnlikeOrders",
     "Orders of which something else is found than is written down, as sweepOrders takes them"),
    (_R, mismatches.repairs, RepairsAsked, Page[RepairState], "listRepairs",
     "Repairs of orders, newest first: who asked for what and why, and what came of it"),
    (f"{_R}/{{repair}}", mismatches.repair, Nothing, RepairState, "getRepair",
     "One repair: its plan, before and after, what it entered in the ledger"),
)  # fmt: skip


def mismatch_operations(settings: Settings, threads: Threads) -> list[Operation]:
    """All of them, for staff and services."""
    writes = [
        write(settings, "POST", path, command, name=name, tag="mismatches", status=status,
              example=example)
        for path, command, name, status, example in _WRITES
    ]  # fmt: skip
    reads = [
        read(threads, path, query, asked, gives, name, "mismatches", summary)
        for path, query, asked, gives, name, summary in _READS
    ]
    return [*writes, *reads]
