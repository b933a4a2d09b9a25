"""Orders: what was bought, and how it stands on three axes: finance, warehouse, logistics.

Each axis moves by the table in `rules.py`; what the customer sees follows from the three. Money of
an order lies on `escrow/order/<ref>`, from the first transfer on, until it is released.
"""

from __future__ import annotations

from typing import ClassVar, Final, Literal

import msgspec

from khata.domain.escrow import On
from khata.engine.records import Record, Table

Finance = Literal[
    "unpaid",
    "bank_transfer_grace",
    "receipt_uploaded",
    "wallet_partial",
    "paid",
    "partially_refunded",
    "refunded",
    "cancelled",
]
Warehouse = Literal["waiting", "ready", "picked", "cancelled", "restocked"]
Logistics = Literal["waiting", "dispatched", "delivered", "returned", "cancelled"]
Status = Literal[
    "pending",
    "in_review",
    "confirmed",
    "preparing",
    "dispatched",
    "delivered",
    "returned",
    "cancelled",
    "refunded",
]
Axis = Literal["finance", "warehouse", "logistics"]
ReceiptStatus = Literal["uploaded", "approved", "rejected", "replaced", "dropped"]

RESERVED: Final = "asset/reserved_stock"
"""What pieces had cost that are set aside for orders and were not dispatched yet."""
BANK: Final = "bank/main"
"""Where bank transfers come in."""
SALES: Final = "revenue/sales"
"""What the house earns by what it sells itself."""


class OrderLine(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something that was ordered: `price` of one piece, in minor units of the order.

    `sku`: of the stock item; `allocation`: the pieces that are set aside for it.
    """

    title: str
    quantity: int
    price: int
    sku: str | None = None
    allocation: str | None = None


class Order(Record, frozen=True):
    """An order. Money in minor units of `unit`.

    `seller`: whose share of it goes to `seller_wallet` by the commission `rule` in the `version`
    that was in force; None is the house. `wallet`: of the customer; what goes back goes there.
    `wallet_part`: what the wallet is to pay, `wallet_taken`: what it paid; `hold`: the money that
    is set aside for it. `captured`: all that came, whether by wallet or bank; `refunded`: what went
    back of it, or beyond it, of which `reclaimed` became a debt of the customer.

    `shown`: what the customer was last told. `finance_since` and the others: since when the axis
    stands so and it is its turn. `on`, `days`: when the escrow is released. `open_since`: when it
    was placed, as long as something is still to be done. `adopted`: it came from elsewhere.
    """

    ref: str
    customer: str
    seller: str | None
    wallet: str | None
    seller_wallet: str | None
    title: str | None
    source: str
    lines: list[OrderLine]
    unit: str
    exponent: int
    total: int
    wallet_part: int
    wallet_taken: int
    captured: int
    refunded: int
    reclaimed: int
    finance: Finance
    warehouse: Warehouse
    logistics: Logistics
    shown: Status
    finance_since: int
    warehouse_since: int
    logistics_since: int
    grace_ends_at: int | None
    hold: str | None
    receipt: str | None
    receipt_at: int | None
    escrow: str | None
    rule: str | None
    version: int
    on: On
    days: int
    adopted: bool
    reason: str | None
    saga: str | None
    entries: list[str]
    open_since: int | None
    placed_at: int
    paid_at: int | None
    delivered_at: int | None
    ended_at: int | None

    TABLE: ClassVar = Table(
        "orders",
        key=("ref",),
        indexes=(
            ("customer", "placed_at"),
            ("seller", "placed_at"),
            ("shown", "placed_at"),
            ("finance", "placed_at"),
            ("warehouse", "placed_at"),
            ("logistics", "placed_at"),
            ("open_since",),
            ("placed_at",),
        ),
    )

    @property
    def subject(self) -> str:
        """What its stock is allocated for, its escrow is called, and its entries refer to."""
        return subject_of(self.ref)

    @property
    def account(self) -> str:
        """The account where its money lies."""
        return f"escrow/{self.subject}"


class OrderChange(Record, frozen=True):
    """A line of an order's history, written once. Who did it is in the journal, under `seq`.

    `axis`: finance, warehouse, logistics; `shown` for what the customer is told; `receipt`,
    `grace` and `money` for what moves no axis. `before`: None where it begins.
    """

    order: str
    seq: int
    n: int
    axis: str
    before: str | None
    after: str
    by: str
    reason: str | None
    at: int

    TABLE: ClassVar = Table("order_changes", key=("order", "seq", "n"), facts=True)


class Receipt(Record, frozen=True):
    """What a customer shows of a bank transfer: the file itself is kept outside of the book.

    `sha256`: of its bytes, in hex, by which it is found there. `media`: such as `image/png`.
    `size`: bytes. `name`: as the customer called it. `open_sha256`: the same, as long as it counts
    for its order, which is until it is rejected, replaced or dropped.
    """

    id: str
    order: str
    sha256: str
    open_sha256: str | None
    media: str
    size: int
    name: str
    status: ReceiptStatus
    by: str
    reason: str | None
    uploaded_at: int
    decided_by: str | None
    decided_at: int | None

    TABLE: ClassVar = Table(
        "order_receipts",
        key=("id",),
        finds=("open_sha256", "order"),
        indexes=(("sha256",), ("order", "uploaded_at")),
    )


# ── what callers are told ────────────────────────────────────────────────────────────


class LineState(msgspec.Struct, frozen=True):
    """What was ordered. Decimal strings; `amount` is the price of all its pieces."""

    title: str
    quantity: int
    price: str
    amount: str
    sku: str | None
    allocation: str | None


class OrderState(msgspec.Struct, frozen=True):
    """An order as callers are told of it. Amounts are decimal strings, times UTC.

    `status`: what the customer sees. `due`: what the bank transfer has still to bring.
    """

    ref: str
    status: str
    finance: str
    warehouse: str
    logistics: str
    customer: str
    seller: str | None
    wallet: str | None
    title: str | None
    currency: str
    total: str
    wallet_part: str
    captured: str
    refunded: str
    due: str
    lines: list[LineState]
    hold: str | None
    receipt: str | None
    escrow: str | None
    release_on: str
    release_days: int
    adopted: bool
    reason: str | None
    saga: str | None
    entries: list[str]
    placed_at: str
    finance_since: str
    warehouse_since: str
    logistics_since: str
    grace_ends_at: str | None
    paid_at: str | None
    delivered_at: str | None
    ended_at: str | None


class ReceiptState(msgspec.Struct, frozen=True):
    """A receipt as callers are told of it; its file is read by its `sha256`."""

    id: str
    order: str
    status: str
    sha256: str
    media: str
    size: int
    name: str
    by: str
    reason: str | None
    uploaded_at: str
    decided_by: str | None
    decided_at: str | None


class OrderChangeView(msgspec.Struct, frozen=True):
    """A line of an order's history."""

    seq: int
    axis: str
    before: str | None
    after: str
    by: str
    reason: str | None
    at: str


class OrderLate(msgspec.Struct, frozen=True):
    """An order that stands longer than it should. `seconds`: how long beyond `allowed` seconds."""

    order: str
    axis: str
    state: str
    since: str
    allowed: int
    seconds: int
    total: str
    currency: str


class OrderPolicy(msgspec.Struct, frozen=True):
    """How orders are treated. `grace_days`: for a bank transfer; `retry_days`: more, when a receipt
    is rejected after them, none lets the order go. `release_days`: after delivery. `sla`: seconds
    for which an axis may stand so, by `axis.state`.
    """

    grace_days: int
    retry_days: int
    release_days: int
    sla: dict[str, int]


def subject_of(ref: str) -> str:
    """What everything that has to do with an order is called."""
    return f"order/{ref}"
