"""Orders: three axes under one table of moves, money and goods beside them in one command."""

from khata.domain.orders.model import Order, OrderChange, OrderLine, Receipt, subject_of
from khata.domain.orders.rules import TRANSITIONS, check_transition, status_of
from khata.domain.orders.standing import Standing, standing_of

__all__ = [
    "TRANSITIONS",
    "Order",
    "OrderChange",
    "OrderLine",
    "Receipt",
    "Standing",
    "check_transition",
    "standing_of",
    "status_of",
    "subject_of",
]
