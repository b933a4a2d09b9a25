"""Mismatches: what is wrong with an order, and how it was put right.

A mismatch is found by the rules of `rules.py` on an order's `Standing`, inline when the order
changes and by the sweep. A repair is one plan for all that is wrong with one order.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import msgspec

from khata.base.clock import Instant
from khata.domain.orders import Standing
from khata.engine.records import Record, Table

Kind = Literal[
    "wallet_part_missing",
    "receipt_stuck",
    "refund_exceeds",
    "stock_kept",
    "release_missing",
    "status_differs",
]
"""What can be wrong with an order: see `rules.RULES`."""
ActionKind = Literal[
    "take_wallet_part",
    "approve_receipt",
    "reclaim_refund",
    "release_stock",
    "move",
    "schedule_release",
    "sync_shown",
]
"""What a repair may do, in the order in which it is done: money first, what is shown last."""
MismatchStatus = Literal["open", "repaired", "gone", "dismissed"]
RepairStatus = Literal["waiting", "applying", "applied", "failed"]
"""`applying` only while its one command is decided: nobody sees it."""


class Action(msgspec.Struct, frozen=True, omit_defaults=True):
    """A thing to do. `axis`, `to`: of `move`; `to` alone: what `sync_shown` will show.
    `amount`: the money that moves, minor units.
    """

    kind: ActionKind
    axis: str | None = None
    to: str | None = None
    amount: int = 0


class Found(msgspec.Struct, frozen=True):
    """Something wrong with an order. `since`: from when on it is wrong, as far as is known.
    `at_risk`: minor units. `actions`: what would put this right by itself.
    """

    kind: Kind
    since: Instant
    at_risk: int
    actions: list[Action]


class Plan(msgspec.Struct, frozen=True):
    """The one repair of an order. `before`, `after`: how it stands, and will stand.
    `from_wallet`: what the customer's wallet pays, `moved`: all money that moves, minor units.
    """

    order: str
    kinds: list[Kind]
    actions: list[Action]
    before: Standing
    after: Standing
    from_wallet: int
    moved: int


class Mismatch(Record, frozen=True):
    """Something wrong with an order. `at_risk` in minor units; `actions`: the proposed repair.

    `status`: `open`; `repaired` by a repair, `gone` by itself, `dismissed` by a person. `watched`:
    the order, as long as the finding holds; a dismissed one is watched, so that it is not found
    again. `repair`: the one that ended it.
    """

    id: str
    order: str
    watched: str | None
    kind: Kind
    status: MismatchStatus
    customer: str
    unit: str
    exponent: int
    at_risk: int
    actions: list[Action]
    since: int
    found_at: int
    by_sweep: bool
    ended_at: int | None
    ended_by: str | None
    reason: str | None
    repair: str | None

    TABLE: ClassVar = Table(
        "mismatches",
        key=("id",),
        finds=("watched",),
        indexes=(
            ("found_at",),
            ("status", "found_at"),
            ("kind", "found_at"),
            ("order", "found_at"),
        ),
    )


class Repair(Record, frozen=True):
    """The repair of an order: who asked for it and why, what it was to do, and what it did.

    `under_way`: the order, until it ended: an order has one repair at a time. `needs_approval`: a
    second person must agree; `approved_by`: who did. `before`, `after`: how the order stood, and
    was to stand. Wallet balances in minor units, None when no wallet is concerned: as planned, and
    once it is applied as they were then. `entries`: what
    it entered in the ledger. `code`, `message`: why it failed.
    """

    id: str
    order: str
    under_way: str | None
    status: RepairStatus
    saga: str
    asked_by: str
    reason: str
    needs_approval: bool
    approved_by: str | None
    unit: str
    exponent: int
    kinds: list[Kind]
    actions: list[Action]
    before: Standing
    after: Standing
    wallet: str | None
    wallet_before: int | None
    wallet_after: int | None
    moved: int
    entries: list[str]
    code: str | None
    message: str | None
    asked_at: int
    ended_at: int | None

    TABLE: ClassVar = Table(
        "order_repairs",
        key=("id",),
        finds=("under_way",),
        indexes=(("asked_at",), ("order", "asked_at"), ("status", "asked_at")),
    )


class ActionState(msgspec.Struct, frozen=True, omit_defaults=True):
    """A thing to do, as its reader sees it. `amount`: a decimal string."""

    kind: str
    axis: str | None = None
    to: str | None = None
    amount: str | None = None


class MismatchState(msgspec.Struct, frozen=True):
    """A mismatch as its reader sees it. `at_risk`: a decimal string. `age_seconds`: how long it
    has been wrong, or was.
    """

    id: str
    order: str
    kind: str
    status: str
    customer: str
    currency: str
    at_risk: str
    age_seconds: int
    since: str
    found_at: str
    found_by: str
    repair_proposed: list[ActionState]
    ended_at: str | None
    ended_by: str | None
    reason: str | None
    repair: str | None


class OrderSeen(msgspec.Struct, frozen=True):
    """How an order stands, in a plan. Amounts are decimal strings. `reserved`: pieces of stock.
    `release_missing`: it is delivered, and nothing will release its escrow.
    """

    finance: str
    warehouse: str
    logistics: str
    shown: str
    wallet_moved: str
    captured: str
    refunded: str
    reserved: int
    release_missing: bool


class PlanState(msgspec.Struct, frozen=True):
    """What a repair will do, or did. Amounts are decimal strings."""

    order: str
    currency: str
    kinds: list[str]
    actions: list[ActionState]
    before: OrderSeen
    after: OrderSeen
    wallet: str | None
    wallet_before: str | None
    wallet_after: str | None
    moved: str


class RepairState(msgspec.Struct, frozen=True):
    """A repair with its plan: who, when, why, what, and what was entered in the ledger."""

    id: str
    order: str
    status: str
    saga: str
    asked_by: str
    asked_at: str
    reason: str
    needs_approval: bool
    approved_by: str | None
    plan: PlanState
    entries: list[str]
    code: str | None
    message: str | None
    ended_at: str | None


class Swept(msgspec.Struct, frozen=True):
    """What a sweep found: `opened` and `ended` since the last look at these orders, and how many
    orders it looked at.
    """

    looked_at: int
    opened: list[MismatchState]
    ended: list[MismatchState]


class Unlike(msgspec.Struct, frozen=True):
    """Orders that are worth a sweep: of `looked_at` orders. `next`: where to go on, None at the
    end.
    """

    orders: list[str]
    looked_at: int
    next: str | None
