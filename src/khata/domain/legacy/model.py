"""What another system says of its orders and wallets, and what was taken over from it.

A snapshot is what an export says, row by row, put together but judged by nobody. Taking over is
one command for a customer: wallets, orders as they stand, and the repairs of what is wrong.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from khata.base.clock import Instant
from khata.domain.mismatches import Found, Plan, PlanState
from khata.domain.orders import Finance, Logistics, Status, Warehouse
from khata.engine.records import Record, Table


class LegacyWallet(msgspec.Struct, frozen=True):
    """What stands in a customer's wallet, in minor units."""

    customer: str
    balance: int


class LegacyOrder(msgspec.Struct, frozen=True):
    """An order as the other system has it; money in minor units.

    `shown`: what the customer sees. `wallet_part`: what the wallet is to pay; `wallet_moved`: what
    its transactions really paid, less what came back; `received`: what came by bank. `held`: what
    of it is kept back for who receives it, None where nobody says. `line`: where it stands.
    """

    ref: str
    customer: str
    title: str | None
    seller: str | None
    total: int
    finance: Finance
    warehouse: Warehouse
    logistics: Logistics
    shown: Status
    wallet_part: int
    wallet_moved: int
    received: int
    refunded: int
    held: int | None
    placed_at: Instant
    finance_since: Instant
    warehouse_since: Instant
    logistics_since: Instant
    receipt_at: Instant | None
    grace_ends_at: Instant | None
    delivered_at: Instant | None
    release_at: Instant | None
    sku: str | None
    reserved: int
    line: int


class Snapshot(msgspec.Struct, frozen=True):
    """An export, read and put together. `name`: of the other system. `taken_at`: by when it is
    judged how long something takes. `digest`: SHA-256 of all that was read, in hex.
    """

    name: str
    unit: str
    exponent: int
    wallet_kind: str
    taken_at: Instant
    wallets: list[LegacyWallet]
    orders: list[LegacyOrder]
    digest: str


class Judged(msgspec.Struct, frozen=True):
    """An order with something wrong: what was found, and the one repair for all of it."""

    customer: str
    founds: list[Found]
    plan: Plan


class Takeover(Record, frozen=True):
    """That a customer was taken over from another system: by whom, when and why. `snapshot`: the
    other system's name; `digest`: of what its export said of the customer.

    `balance`: what stood in the wallet, in minor units; None for a customer without one. `adopted`:
    the orders. `judged`: those of them with something wrong, for which repairs were started.
    """

    snapshot: str
    customer: str
    digest: str
    unit: str
    exponent: int
    wallet: str | None
    balance: int | None
    adopted: list[str]
    judged: list[Judged]
    by: str
    reason: str
    at: int

    TABLE: ClassVar = Table("legacy_takeovers", key=("snapshot", "customer"), indexes=(("at",),))


class WalletChange(msgspec.Struct, frozen=True):
    """A customer's wallet before and after the repairs. Decimal strings; `wallet` is its path."""

    customer: str
    wallet: str
    currency: str
    before: str
    after: str


class AuditedOrder(msgspec.Struct, frozen=True):
    """An order with something wrong: since when, how much money is at risk, and its one repair.

    `refused`: the code of what stands against the repair, such as `insufficient_funds`; it is then
    not begun, and the order stays as it is.
    """

    customer: str
    since: str
    at_risk: str
    plan: PlanState
    refused: str | None = None


class AuditReport(msgspec.Struct, frozen=True):
    """What is wrong with the orders of an export, and what would put it right.

    `orders`, `wallets`: how many were looked at. `correct`: the references of those that are as
    they should be. `repairs`: one for each of the others. `balances`: of the wallets that pay.
    `from_wallets`, `moved`, `at_risk`: over all of them, decimal strings.
    """

    snapshot: str
    digest: str
    taken_at: str
    currency: str
    orders: int
    wallets: int
    correct: list[str]
    repairs: list[AuditedOrder]
    balances: list[WalletChange]
    at_risk: str
    from_wallets: str
    moved: str


class TakeoverState(msgspec.Struct, frozen=True):
    """What was taken over of a customer, by whom and why. `balance`: what stood in the wallet, a
    decimal string. `repairs`: what was wrong with orders, and its repair.
    """

    snapshot: str
    customer: str
    digest: str
    currency: str
    wallet: str | None
    balance: str | None
    adopted: list[str]
    repairs: list[AuditedOrder]
    by: str
    reason: str
    at: str


class Taken(msgspec.Struct, frozen=True):
    """What was taken over, or would be. `report`: what was wrong, and its repair. `adopted`: how
    many orders came now. `sagas`: the repairs that are under way. `waiting`: orders whose repair
    is not done yet; `failed`: those whose repair came to nothing, and why.
    """

    report: AuditReport
    adopted: int
    sagas: list[str]
    waiting: list[str] = []
    failed: dict[str, str] = {}
