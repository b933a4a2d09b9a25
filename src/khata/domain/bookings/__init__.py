"""Bookings: a guest pays, a host is credited and paid out, the house keeps its commission."""

from khata.domain.bookings.commands import (
    VERBS,
    CancelBooking,
    CompleteBooking,
    CreateBooking,
    PayBooking,
    RefundBooking,
)
from khata.domain.bookings.model import Booking, BookingState
from khata.domain.bookings.queries import booking, bookings
from khata.domain.bookings.sagas import SAGAS

__all__ = [
    "SAGAS",
    "VERBS",
    "Booking",
    "BookingState",
    "CancelBooking",
    "CompleteBooking",
    "CreateBooking",
    "PayBooking",
    "RefundBooking",
    "booking",
    "bookings",
]
