"""The long way of an order that is to be paid by bank: until its time is over."""

from __future__ import annotations

from typing import Final

from khata.base.clock import SECOND
from khata.domain.orders import approving, paying, rules
from khata.domain.orders.changing import checked
from khata.domain.orders.model import Order
from khata.engine.book import Book
from khata.engine.sagas import IMPOSSIBLE, Delay, Local, Run, Saga, patient
from khata.engine.sagas.steps import Remembered

_PATIENT: Final = patient("account_frozen")
"""What came by bank goes back to a wallet, which may be frozen today and need not be tomorrow."""


def _order(book: Book, run: Run) -> Order:
    return book.get(Order, run.data["order"])


def _seconds(book: Book, run: Run) -> int:
    """Until the grace is over as it is now; it may be extended on the way."""
    ends = _order(book, run).grace_ends_at or book.now
    return max(-((book.now - ends) // SECOND), 0)


def _lapse(book: Book, run: Run) -> Remembered:
    """Let the order go, unless it is paid, a receipt waits to be decided, or another run of this
    saga is for it by now. Time that was given since is waited for by a new run.
    """
    order = _order(book, run)
    waits = order.finance in rules.AWAITING and order.finance != "receipt_uploaded"
    if order.saga != run.id or not waits:
        return {"finance": order.finance}
    if order.grace_ends_at is not None and order.grace_ends_at > book.now:
        order = paying.wait(book, order, order.grace_ends_at)
        return {"next": order.saga}
    return {"finance": checked(book, approving.lapse(book, order)).finance}


SAGAS: Final = (
    Saga(
        "order_payment",
        1,
        (
            Delay(name="grace", seconds=_seconds),
            Local(name="lapse", do=_lapse, undo=IMPOSSIBLE, retry=_PATIENT),
        ),
        open_to_all=False,
    ),
)
"""The saga of this room."""
