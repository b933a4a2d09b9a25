"""How a booking's money is shared between host and house: functions of values."""

from __future__ import annotations

from khata.base.clock import iso_or_none, to_iso
from khata.base.money import to_text
from khata.domain.bookings.model import WHOLE, Booking, BookingState, subject_of
from khata.domain.ledger import share


def parts(amount: int, points: int) -> tuple[int, int]:
    """(host's, house's) part of an amount, minor units; `points`: the house's, basis points.

    Largest remainder; a tie goes to the host. They always add up to the amount.
    """
    host, house = share(amount, (WHOLE - points, points))
    return host, house


def taken_back(booking: Booking, amount: int) -> tuple[int, int]:
    """(host's, house's) part of a refund, pro rata of what each has left of what it received,
    and never more than that; what neither received is still in escrow.
    """
    left = (
        booking.host_part - booking.host_back,
        booking.commission_part - booking.commission_back,
    )
    wanted = min(amount, sum(left))
    if not wanted:
        return 0, 0
    host, house = share(wanted, left)
    return host, house


def state_of(booking: Booking) -> BookingState:
    """The booking as its caller is told of it."""
    places = booking.exponent
    return BookingState(
        booking.ref,
        booking.status,
        booking.guest,
        booking.host,
        booking.host_wallet,
        booking.title,
        to_text(booking.amount, places),
        booking.unit,
        booking.commission_points,
        to_text(booking.host_part - booking.host_back, places),
        to_text(booking.commission_part - booking.commission_back, places),
        to_text(booking.refunded, places),
        subject_of(booking.ref),
        booking.payment,
        booking.payout,
        booking.entries,
        booking.reason,
        to_iso(booking.created_at),
        iso_or_none(booking.confirmed_at),
        iso_or_none(booking.completed_at),
        iso_or_none(booking.cancelled_at),
    )
