"""Sales and missions: what an order is to money, and who carries it."""

from __future__ import annotations

from typing import ClassVar, Final, Literal

import msgspec

from khata.domain.benefits import Granted
from khata.domain.escrow import LegState, On
from khata.engine.records import Record, Table

SaleStatus = Literal["placed", "paid", "dispatched", "delivered", "completed", "cancelled"]
MissionStatus = Literal["open", "assigned", "delivered", "cancelled"]
Fault = Literal["customer", "partner", "rider"]

DELIVERY: Final = "delivery"
"""The leg of a sale's escrow that pays its rider, and what that is called in their khata."""


class Sale(Record, frozen=True):
    """A customer buys from a partner, perhaps because of a creator's video. Minor units.

    Its payable and its escrow are `order/<ref>`. `price`: what is shared by the commission rule
    `rule`, in the `version` that was in force when it was placed. `delivery_fee`: comes on top, for
    the rider. `granted`: benefits, paid by the house, or by the partner out of their share. `due`:
    what the customer pays. `on`, `days`: when the escrow is released. `mission`: the errand of
    bringing it, None when nothing is to be brought.
    """

    ref: str
    customer: str
    partner: str
    partner_wallet: str
    creator: str | None
    creator_wallet: str | None
    video: str | None
    title: str | None
    category: str | None
    source: str
    unit: str
    exponent: int
    price: int
    delivery_fee: int
    granted: list[Granted]
    due: int
    rule: str
    version: int
    on: On
    days: int
    status: SaleStatus
    payment: str | None
    mission: str | None
    saga: str | None
    reason: str | None
    placed_at: int
    paid_at: int | None
    delivered_at: int | None
    completed_at: int | None
    cancelled_at: int | None

    TABLE: ClassVar = Table(
        "sales",
        key=("ref",),
        indexes=(
            ("customer", "placed_at"),
            ("partner", "placed_at"),
            ("creator", "placed_at"),
            ("status", "placed_at"),
            ("placed_at",),
        ),
    )


class Mission(Record, frozen=True):
    """The errand of bringing a sale. `fee`: what its rider gets on delivery, minor units."""

    id: str
    sale: str
    rider: str | None
    wallet: str | None
    fee: int
    unit: str
    exponent: int
    status: MissionStatus
    opened_at: int
    assigned_at: int | None
    delivered_at: int | None

    TABLE: ClassVar = Table(
        "missions",
        key=("id",),
        indexes=(("rider", "opened_at"), ("status", "opened_at"), ("opened_at",)),
    )


class GrantedState(msgspec.Struct, frozen=True):
    """A benefit of a sale: which campaign, who bears it, and how much, a decimal string."""

    campaign: str
    payer: str
    amount: str


class SaleState(msgspec.Struct, frozen=True):
    """A sale as callers are told of it. Amounts are decimal strings.

    `due`: what the customer pays. `refunded`: what they have back. `legs`: who receives what;
    empty until it is paid.
    """

    ref: str
    subject: str
    status: str
    customer: str
    partner: str
    creator: str | None
    video: str | None
    title: str | None
    category: str | None
    source: str
    currency: str
    price: str
    delivery_fee: str
    benefits: list[GrantedState]
    due: str
    refunded: str
    rule: str
    rule_version: int
    legs: list[LegState]
    release_on: str
    release_days: int
    escrow: str | None
    dispute: str | None
    payment: str | None
    mission: str | None
    saga: str | None
    reason: str | None
    placed_at: str
    paid_at: str | None
    delivered_at: str | None
    completed_at: str | None
    cancelled_at: str | None


class MissionState(msgspec.Struct, frozen=True):
    """A mission as callers are told of it. `fee`: a decimal string."""

    id: str
    sale: str
    status: str
    rider: str | None
    wallet: str | None
    fee: str
    currency: str
    opened_at: str
    assigned_at: str | None
    delivered_at: str | None


def subject_of(ref: str) -> str:
    """What a customer pays for, as payments, escrows and benefits know it."""
    return f"order/{ref}"
