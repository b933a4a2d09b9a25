"""The operations of escrows."""

from __future__ import annotations

from typing import Any, Final

from khata.base.paging import Page
from khata.domain import escrow
from khata.domain.escrow import (
    ConfirmDelivery,
    DisputeEscrow,
    EscrowState,
    FundEscrow,
    RefundEscrow,
    ReleaseEscrow,
    SettleDispute,
    Unheld,
)
from khata.edge.http.operation import Operation
from khata.edge.http.reads import Nothing, Paged, read
from khata.edge.http.threads import Threads
from khata.edge.http.write import write
from khata.engine.database import View
from khata.settings import Settings

_BDT: Final = {"amount": "1000.00", "currency": "BDT"}
_PART: Final = {"amount": "400.00", "currency": "BDT"}
_E: Final = "/v1/escrows/{escrow}"
_FUNDED: Final = {
    "ref": "M1001",
    "amount": _BDT,
    "wallet": "alice/personal/BDT",
    "parties": {"partner": "bob/personal/BDT"},
    "release_on": "delivery",
    "release_days": 3,
}


class EscrowsAsked(Paged, frozen=True, kw_only=True):
    """Each filter is an equality. `owner`: who paid. `status`: held, partly_released, released,
    refunded.
    """

    owner: str | None = None
    status: str | None = None


def unexplained(view: View) -> Page[Unheld]:
    """All of them."""
    return Page(escrow.unexplained(view))


# path, command, operation id, status, body that works
_WRITES: Final[tuple[tuple[str, Any, str, int, Any], ...]] = (
    ("/v1/escrows", FundEscrow, "fundEscrow", 201, _FUNDED),
    (f"{_E}/release", ReleaseEscrow, "releaseEscrow", 200,
     {"reason": "The customer is content.", "amount": _PART, "legs": ["partner"]}),
    (f"{_E}/refunds", RefundEscrow, "refundEscrow", 200,
     {"reason": "One was broken.", "amount": _PART, "policy": "keep_fee"}),
    (f"{_E}/delivered", ConfirmDelivery, "confirmEscrowDelivery", 200,
     {"reason": "Signed for."}),
    (f"{_E}/dispute", DisputeEscrow, "disputeEscrow", 200,
     {"reason": "Not what I ordered."}),
    (f"{_E}/settle", SettleDispute, "settleEscrowDispute", 200, {"reason": "They agreed."}),
)  # fmt: skip

# path, query, parameters, what it gives, operation id, tag, summary
_READS: Final[tuple[tuple[str, Any, Any, Any, str, str, str], ...]] = (
    ("/v1/escrows", escrow.escrows, EscrowsAsked, Page[EscrowState], "listEscrows", "escrow",
     "Escrows, newest first; an owner sees those that they paid into"),
    (_E, escrow.escrow, Nothing, EscrowState, "getEscrow", "escrow",
     "One escrow by its reference, with its slash encoded; for who paid and who receives"),
    ("/v1/unexplained-escrows", unexplained, Nothing, Page[Unheld], "listUnexplainedEscrows",
     "escrow", "Escrows whose account has not what their legs hold"),
)  # fmt: skip


def escrow_operations(settings: Settings, threads: Threads) -> list[Operation]:
    """All of them: owners see what is theirs and may dispute it, staff and services decide."""
    writes = [
        write(settings, "POST", path, command, name=name, tag="escrow", status=status,
              example=example)
        for path, command, name, status, example in _WRITES
    ]  # fmt: skip
    return [*writes, *(read(threads, *row) for row in _READS)]
