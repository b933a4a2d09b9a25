"""The operations of orders: placed, paid, looked at, moved, taken back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final

import msgspec

from khata.base.paging import Page
from khata.domain import orders
from khata.domain.orders import (
    AdoptOrder,
    ApprovePayment,
    CancelOrder,
    ExtendGrace,
    MoveOrder,
    OrderChangeView,
    OrderLate,
    OrderPolicy,
    OrderState,
    PayOrder,
    PlaceOrder,
    ReceiptState,
    RefundOrder,
    RejectPayment,
    SetOrderPolicy,
)
from khata.edge.http.operation import Operation
from khata.edge.http.reads import Nothing, Paged, read
from khata.edge.http.receipts import file_operation, upload_operation
from khata.edge.http.threads import Threads
from khata.edge.http.write import write
from khata.engine.database import View
from khata.settings import Settings

_O: Final = "/v1/orders/{order}"
_WHY: Final = {"reason": "Asked for by the customer."}
_PLACED: Final = {
    "ref": "M1001",
    "customer": "alice",
    "lines": [{"title": "Rug", "price": {"amount": "1000.00", "currency": "BDT"}}],
    "pay": "mixed",
    "wallet": "alice/personal/BDT",
    "wallet_part": {"amount": "400.00", "currency": "BDT"},
}
_ADOPTED: Final = {
    "ref": "M2511128", "customer": "alice", "total": {"amount": "1000.00", "currency": "BDT"},
    "finance": "bank_transfer_grace", "warehouse": "waiting", "logistics": "waiting",
    "shown": "pending", "placed_at": "2026-01-31T09:00:00Z", "reason": "Taken over.",
}  # fmt: skip


class OrdersAsked(Paged, frozen=True, kw_only=True):
    """Each filter is an equality. `status`: what the customer sees: pending, in_review, confirmed,
    preparing, dispatched, delivered, returned, cancelled, refunded.
    """

    customer: str | None = None
    seller: str | None = None
    status: str | None = None
    finance: str | None = None
    warehouse: str | None = None
    logistics: str | None = None


class OverdueAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`axis`: finance, warehouse, logistics; left out, all."""

    axis: str | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000, description="How many at most.")] = 100


def receipts(view: View, order: str) -> Page[ReceiptState]:
    """The last hundred."""
    return Page(orders.receipts(view, order))


def overdue(view: View, **asked: Any) -> Page[OrderLate]:
    """Those that are the longest beyond it."""
    return Page(orders.overdue(view, **asked))


# path, command, operation id, status, scope, body that works
_WRITES: Final[tuple[tuple[str, Any, str, int, str, Any], ...]] = (
    ("/v1/orders", PlaceOrder, "placeOrder", 201, "write", _PLACED),
    (f"{_O}/pay", PayOrder, "payOrder", 200, "write",
     {"pay": "wallet", "wallet": "alice/personal/BDT"}),
    (f"{_O}/approve-payment", ApprovePayment, "approvePayment", 200, "write",
     {"evidence": "Bank line 7."}),
    (f"{_O}/reject-payment", RejectPayment, "rejectPayment", 200, "write",
     {"reason": "No such transfer."}),
    (f"{_O}/extend-grace", ExtendGrace, "extendGrace", 200, "write",
     {"until": "2026-02-05T18:00:00+06:00", **_WHY}),
    (f"{_O}/move", MoveOrder, "moveOrder", 200, "write", {"axis": "warehouse", "to": "ready"}),
    (f"{_O}/cancel", CancelOrder, "cancelOrder", 200, "write", _WHY),
    (f"{_O}/refund", RefundOrder, "refundOrder", 200, "write",
     {**_WHY, "amount": {"amount": "100.00", "currency": "BDT"}}),
    ("/v1/adopted-orders", AdoptOrder, "adoptOrder", 201, "write", _ADOPTED),
    ("/v1/order-policy", SetOrderPolicy, "setOrderPolicy", 200, "admin",
     {"grace_days": 3, "sla": {"finance.receipt_uploaded": 86400}}),
)  # fmt: skip

# path, query, parameters, what it gives, operation id, summary
_READS: Final[tuple[tuple[str, Any, Any, Any, str, str], ...]] = (
    ("/v1/orders", orders.orders, OrdersAsked, Page[OrderState], "listOrders",
     "Orders, newest first"),
    (_O, orders.order, Nothing, OrderState, "getOrder", "One order on its three axes"),
    (f"{_O}/history", orders.history, Paged, Page[OrderChangeView], "listOrderChanges",
     "What happened to an order, from the first to the last, with who did it and why"),
    (f"{_O}/receipts", receipts, Nothing, Page[ReceiptState], "listReceipts",
     "The last hundred receipts of an order, newest first"),
    ("/v1/overdue-orders", overdue, OverdueAsked, Page[OrderLate], "listOverdueOrders",
     "Orders that stand longer than they should, the latest of all first"),
    ("/v1/order-policy", orders.policy, Nothing, OrderPolicy, "getOrderPolicy",
     "How orders are treated: days of grace and release, and how long each state may last"),
)  # fmt: skip


def order_operations(
    settings: Settings, threads: Threads, sound: Callable[..., None] | None = None
) -> list[Operation]:
    """All of them. `sound`: tells people of a receipt's file that was altered."""
    writes = [
        write(settings, "POST", path, command, name=name, tag="orders", status=status,
              example=example, scope=scope)
        for path, command, name, status, scope, example in _WRITES
    ]  # fmt: skip
    reads = [
        read(threads, path, query, asked, gives, name, "orders", summary)
        for path, query, asked, gives, name, summary in _READS
    ]
    files = [upload_operation(settings, threads), file_operation(settings, threads, sound)]
    return [*writes, *reads, *files]
