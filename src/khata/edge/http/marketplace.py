"""The operations of sales, of the missions that bring them, and of money traces."""

from __future__ import annotations

from typing import Any, Final

from khata.base.paging import Page
from khata.domain import marketplace, proofs
from khata.domain.marketplace import (
    AssignRider,
    CancelSale,
    DeliverSale,
    MissionState,
    PaySale,
    PlaceSale,
    RefundSale,
    SaleState,
)
from khata.edge.http.operation import Operation
from khata.edge.http.reads import Nothing, Paged, read
from khata.edge.http.threads import Threads
from khata.edge.http.write import write
from khata.settings import Settings

_S: Final = "/v1/sales/{sale}"
_PART: Final = {"amount": "400.00", "currency": "BDT"}
_PLACED: Final = {
    "ref": "M1001",
    "customer": "alice",
    "partner": "karim",
    "price": {"amount": "1000.00", "currency": "BDT"},
    "creator": "mitu",
    "video": "V1",
    "delivery_fee": {"amount": "60.00", "currency": "BDT"},
    "country": "BD",
}


class SalesAsked(Paged, frozen=True, kw_only=True):
    """Each filter is an equality. `status`: placed, paid, dispatched, delivered, completed,
    cancelled.
    """

    customer: str | None = None
    partner: str | None = None
    creator: str | None = None
    status: str | None = None


class MissionsAsked(Paged, frozen=True, kw_only=True):
    """Each filter is an equality. `status`: open, assigned, delivered, cancelled."""

    rider: str | None = None
    status: str | None = None


# path, command, operation id, status, body that works
_WRITES: Final[tuple[tuple[str, Any, str, int, Any], ...]] = (
    ("/v1/sales", PlaceSale, "placeSale", 201, _PLACED),
    (f"{_S}/pay", PaySale, "paySale", 201,
     {"method": "provider", "way": "card", "token": "tok_visa"}),
    (f"{_S}/assign", AssignRider, "assignRider", 200, {"rider": "rahim"}),
    (f"{_S}/deliver", DeliverSale, "deliverSale", 200, {"late": False}),
    (f"{_S}/cancel", CancelSale, "cancelSale", 200,
     {"reason": "Out of stock.", "fault": "partner"}),
    (f"{_S}/refunds", RefundSale, "refundSale", 201,
     {"reason": "One was broken.", "amount": _PART, "policy": "keep_fee"}),
)  # fmt: skip

# path, query, parameters, what it gives, operation id, tag, summary
_READS: Final[tuple[tuple[str, Any, Any, Any, str, str, str], ...]] = (
    ("/v1/sales", marketplace.sales, SalesAsked, Page[SaleState], "listSales", "sales",
     "Sales, newest first; an owner sees those where they buy, sell or are the creator"),
    (_S, marketplace.sale, Nothing, SaleState, "getSale", "sales",
     "One sale, for all who have a part in it"),
    ("/v1/missions", marketplace.missions, MissionsAsked, Page[MissionState], "listMissions",
     "sales", "Who brings what, newest first; a rider sees their own"),
    ("/v1/missions/{mission}", marketplace.mission, Nothing, MissionState, "getMission", "sales",
     "One mission"),
    ("/v1/trace/{subject}", proofs.trace, Nothing, proofs.Trace, "traceMoney", "ledger",
     "Every leg that has to do with an order, its slash encoded, or with a payment, a loan, …"),
)  # fmt: skip


def marketplace_operations(settings: Settings, threads: Threads) -> list[Operation]:
    """All of them: who has a part in a sale sees it, its customer pays it, the rest is for staff
    and services.
    """
    writes = [
        write(settings, "POST", path, command, name=name, tag="sales", status=status,
              example=example)
        for path, command, name, status, example in _WRITES
    ]  # fmt: skip
    return [*writes, *(read(threads, *row) for row in _READS)]
