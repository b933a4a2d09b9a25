"""Stock: what is bought in bulk, in lots, and to whom its pieces went. Shares are pieces too."""

from __future__ import annotations

from typing import ClassVar, Final, Literal

import msgspec

from khata.engine.records import Record, Table

ItemKind = Literal["product", "share"]
ItemStatus = Literal["active", "retired"]
AllocationStatus = Literal["allocated", "returned"]
InvestmentStatus = Literal["started", "completed", "failed", "cancelled"]

COST_OF_GOODS: Final = "expense/cost_of_goods"
"""What allocated pieces had cost is an expense here."""
SHRINKAGE: Final = "expense/shrinkage"
"""What lost pieces had cost; what is found again comes off it."""
INVESTED: Final = "investment/"
SHARES: Final = "revenue/shares"
"""What owners and campaigns paid for shares."""


class Item(Record, frozen=True):
    """Something that is kept in pieces. Money in minor units of `unit`.

    `price`: what one piece is sold for. `lots`: how many came so far. `received`: pieces, ever;
    always the sum of `remaining`, `allocated` (less what came back) and `lost` (less what was
    found again). `cost`: what the remaining pieces had cost: the balance of `inventory/<sku>`.
    """

    sku: str
    title: str
    kind: ItemKind
    unit: str
    exponent: int
    price: int
    status: ItemStatus
    lots: int
    received: int
    remaining: int
    allocated: int
    lost: int
    cost: int
    created_at: int

    TABLE: ClassVar = Table(
        "stock_items", key=("sku",), indexes=(("kind", "sku"), ("status", "sku"))
    )


class Lot(Record, frozen=True):
    """Pieces that came together. The counts are those of `Item`; money in minor units.

    `number`: 1, 2, 3, …, of its item: the order in which pieces are taken. `open_sku`: its item
    while pieces remain. `cost`: what all of it had cost, to the minor unit; `cost_left`: what the
    remaining pieces had. `even_cost`, `even_pieces`, `even_taken`: what the next pieces cost is
    counted from here, see `rules.cost_of`. `lost_cost`: what the lost pieces had cost.
    """

    sku: str
    number: int
    open_sku: str | None
    received: int
    remaining: int
    allocated: int
    lost: int
    unit: str
    exponent: int
    cost: int
    cost_left: int
    even_cost: int
    even_pieces: int
    even_taken: int
    lost_cost: int
    paid_from: str
    supplier: str | None
    reference: str | None
    entry: str
    received_at: int

    TABLE: ClassVar = Table("stock_lots", key=("sku", "number"), finds=("open_sku",))


class Line(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Pieces that an allocation took from one lot, and what came back of them."""

    lot: int
    quantity: int
    cost: int
    returned: int = 0
    cost_back: int = 0


class Allocation(Record, frozen=True):
    """Pieces that went to somebody. Money in minor units.

    `subject`: for what, such as `order/M1`; `open_subject`: the same until all came back.
    `lines`: from which lots, in the order in which they were taken. `cost`: what the pieces had
    cost; `cost_back`: that part of it that came back; `expense`: the account that bears it.
    """

    id: str
    sku: str
    subject: str
    open_subject: str | None
    owner: str | None
    quantity: int
    returned: int
    unit: str
    exponent: int
    cost: int
    cost_back: int
    status: AllocationStatus
    expense: str
    lines: list[Line]
    entries: list[str]
    created_at: int
    returned_at: int | None

    TABLE: ClassVar = Table(
        "stock_allocations",
        key=("id",),
        finds=("open_subject",),
        indexes=(
            ("subject", "created_at"),
            ("owner", "created_at"),
            ("sku", "created_at"),
            ("created_at",),
        ),
    )


class Borne(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a campaign of the house bears of an investment: its expense account, minor units."""

    account: str
    amount: int


class Investment(Record, frozen=True):
    """Shares that an owner buys. Money in minor units of `unit`.

    `reference`: the caller's own, unique in the book. `price`: of a share, when it was asked for;
    `total`: of all of them. `benefit`: what campaigns took off; `borne`: what the house bears of
    it. `paid`: what the wallet paid. `credited`: what had come from `paid_from` before, by
    `evidence`. `code`: why it failed; `reason`: why it was cancelled.
    """

    id: str
    reference: str
    owner: str
    wallet: str
    sku: str
    quantity: int
    price: int
    total: int
    benefit: int
    paid: int
    credited: int
    unit: str
    exponent: int
    codes: list[str]
    borne: list[Borne]
    paid_from: str | None
    evidence: str | None
    status: InvestmentStatus
    saga: str | None
    allocation: str | None
    entries: list[str]
    code: str | None
    reason: str | None
    created_at: int
    completed_at: int | None
    ended_at: int | None

    TABLE: ClassVar = Table(
        "investments",
        key=("id",),
        finds=("reference",),
        unique=(("reference",),),
        indexes=(
            ("owner", "created_at"),
            ("sku", "created_at"),
            ("status", "created_at"),
            ("created_at",),
        ),
    )


class StockItemState(msgspec.Struct, frozen=True):
    """An item as its caller is told of it. Quantities are pieces, amounts decimal strings."""

    sku: str
    title: str
    kind: str
    status: str
    currency: str
    price: str
    lots: int
    received: int
    remaining: int
    allocated: int
    lost: int
    cost: str
    account: str
    created_at: str


class LotState(msgspec.Struct, frozen=True):
    """A lot as its caller is told of it. `cost`: of all of it; `cost_left`: of what remains."""

    sku: str
    number: int
    received: int
    remaining: int
    allocated: int
    lost: int
    currency: str
    cost: str
    cost_left: str
    paid_from: str
    supplier: str | None
    reference: str | None
    entry: str
    received_at: str


class AllocationLine(msgspec.Struct, frozen=True):
    """What an allocation took from a lot, and what came back of it."""

    lot: int
    quantity: int
    returned: int
    cost: str | None


class AllocationState(msgspec.Struct, frozen=True):
    """An allocation as its caller is told of it. An owner is not told costs, which are None."""

    id: str
    status: str
    sku: str
    subject: str
    owner: str | None
    quantity: int
    returned: int
    currency: str
    cost: str | None
    lines: list[AllocationLine]
    entries: list[str]
    created_at: str
    returned_at: str | None


class InvestmentState(msgspec.Struct, frozen=True):
    """An investment as its caller is told of it. Amounts are decimal strings."""

    id: str
    reference: str
    status: str
    owner: str
    wallet: str
    sku: str
    quantity: int
    price: str
    total: str
    benefit: str
    paid: str
    credited: str
    currency: str
    codes: list[str]
    paid_from: str | None
    evidence: str | None
    saga: str | None
    allocation: str | None
    entries: list[str]
    code: str | None
    reason: str | None
    created_at: str
    completed_at: str | None
    ended_at: str | None


class Holding(msgspec.Struct, frozen=True):
    """The shares that an owner has of one item, and what the owner paid for them."""

    owner: str
    sku: str
    quantity: int
    paid: str
    currency: str


def inventory_code(sku: str) -> str:
    """The account that holds what the remaining pieces of an item had cost."""
    return f"inventory/{sku}"


def subject_of(investment: str) -> str:
    """What its shares are allocated for, and its campaigns apply to."""
    return f"{INVESTED}{investment}"
