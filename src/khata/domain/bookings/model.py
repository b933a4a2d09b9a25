"""Bookings: what a guest pays for a host's service, and how far that has come."""

from __future__ import annotations

from typing import ClassVar, Final, Literal

import msgspec

from khata.engine.records import Record, Table

BookingStatus = Literal["open", "confirmed", "completed", "cancelled"]

COMMISSION: Final = "revenue/commission"
OWED: Final = "receivable/refunds"
"""What a host has to give back of a refund and no longer has."""
WHOLE: Final = 10_000
"""Basis points in a whole."""


class Booking(Record, frozen=True):
    """A booking; its payable is `booking/<ref>`. Amounts in minor units.

    `amount`: the grand total. `commission_points`: the house's part, in basis points.
    `host_wallet`: the path of the wallet that the host is paid into. `host_part`,
    `commission_part`: what each received on completion; `host_back`, `commission_back`: what was
    taken back of it. `refunded`: refunds under way included. `entries`: what completion and
    refunds of it posted.
    """

    ref: str
    guest: str
    host: str
    host_wallet: str
    title: str | None
    amount: int
    commission_points: int
    unit: str
    exponent: int
    status: BookingStatus
    automatic_payout: bool
    payment: str | None
    payout: str | None
    host_part: int
    commission_part: int
    host_back: int
    commission_back: int
    refunded: int
    entries: list[str]
    reason: str | None
    created_at: int
    confirmed_at: int | None
    completed_at: int | None
    cancelled_at: int | None

    TABLE: ClassVar = Table(
        "bookings",
        key=("ref",),
        indexes=(
            ("guest", "created_at"),
            ("host", "created_at"),
            ("status", "created_at"),
            ("created_at",),
        ),
    )


class BookingState(msgspec.Struct, frozen=True):
    """A booking as its caller is told of it. Amounts are decimal strings."""

    ref: str
    status: str
    guest: str
    host: str
    host_wallet: str
    title: str | None
    amount: str
    currency: str
    commission_points: int
    host_part: str
    commission_part: str
    refunded: str
    subject: str
    payment: str | None
    payout: str | None
    entries: list[str]
    reason: str | None
    created_at: str
    confirmed_at: str | None
    completed_at: str | None
    cancelled_at: str | None


def subject_of(ref: str) -> str:
    """What the guest pays for, as payments know it."""
    return f"booking/{ref}"
