"""Moving an order along its axes: the table asked, the history written, everybody told.

Whatever changes an order in this room does it by `turn`, or by `note` where no axis moves.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from khata.base.money import to_text
from khata.domain.orders import rules
from khata.domain.orders.model import Order, OrderChange
from khata.engine.book import Book
from khata.engine.reading import is_storable
from khata.errors import Invalid, NotYours
from khata.errors.operations import OrderNotFound

Check = Callable[[Book, Order], None]

_CHECKS: Final[list[Check]] = []
_OF_MONEY: Final = frozenset({"pending", "in_review", "confirmed"})
MOST_REASON: Final = 500
_BLANK: Final = re.compile(r"\s*")


def checked_by(check: Check) -> Check:
    """Register who looks at an order in every command that changed it, after it did. It refuses
    nothing.
    """
    _CHECKS.append(check)
    return check


def checked(book: Book, order: Order) -> Order:
    """The order, once all who look at it have."""
    for check in _CHECKS:
        check(book, order)
    return order


def order_of(book: Book, ref: str) -> Order:
    """An order by its reference. Errors: `OrderNotFound`; `NotYours` for who did not place it."""
    order, owner = book.peek(Order, ref), book.actor.owner
    if owner is not None and (order is None or order.customer != owner):
        raise NotYours("This is not yours, or does not exist.", expected=owner)
    if order is None:
        raise OrderNotFound(f"No order {ref[:100]!r}.", got=ref[:100])
    return order


def check_text(text: str, name: str, most: int = MOST_REASON) -> str:
    """A text that says something and can be kept. Errors: `Invalid`."""
    if _BLANK.fullmatch(text) or len(text) > most or not is_storable(text):
        raise Invalid(
            f"Give a {name} of 1 to {most} characters.",
            expected=f"1 to {most} characters, without NUL",
            got=ascii(text[:60]),
        )
    return text


def turn(
    book: Book,
    order: Order,
    moves: Mapping[str, str],
    *,
    by: str | None = None,
    reason: str | None = None,
    **fields: Any,
) -> Order:
    """The order after one or several axes moved together.

    `by`: the command, where the table is to say whether that one may. `fields`: what else changes.

    Errors: `InvalidTransition`, `RoleRequired`.
    """
    for axis, after in moves.items():
        row = rules.check_transition(axis, getattr(order, axis), after, book.actor.roles, by)
        rules.check_needs(row, order)
    for axis, after in moves.items():
        _write(book, order.ref, axis, getattr(order, axis), after, reason)
        fields[f"{axis}_since"] = book.now
    if moves.get("finance") == "paid" and order.warehouse == "waiting":
        fields["warehouse_since"] = book.now  # now it is their turn
    if moves.get("warehouse") == "picked":
        fields["logistics_since"] = book.now
    return shown(book, book.change(order, **moves, **fields), reason)


def shown(book: Book, order: Order, reason: str | None = None, **fields: Any) -> Order:
    """The order with what its customer is told as its axes say; told, when that is new."""
    status = rules.status_of(order.finance, order.warehouse, order.logistics)
    is_open = status not in rules.OVER
    fields["open_since"] = order.placed_at if is_open else None
    fields["ended_at"] = None if is_open else order.ended_at or book.now
    before = order.shown
    order = book.change(order, shown=status, **fields)
    if status != before:
        announce(book, order, status, reason=reason)
    return order


def note(
    book: Book,
    order: Order,
    what: str,
    after: str,
    *,
    before: str | None = None,
    reason: str | None = None,
) -> Order:
    """A line in the history for what moves no axis: the order, unchanged."""
    _write(book, order.ref, what, before, after, reason)
    return order


def announce(book: Book, order: Order, what: str, **more: Any) -> None:
    """Tell the customer and the seller what became of an order; a seller not why its money stands
    so, which is what the bank or a receipt showed.
    """
    told = {
        "status": order.shown,
        "total": to_text(order.total, order.exponent),
        "currency": order.unit,
        "title": order.title,
        **more,
    }
    book.announce(f"order.{what}", order.ref, order.customer, **told)
    if order.seller is not None:
        if what in _OF_MONEY and "reason" in told:
            told["reason"] = None
        book.announce(f"order.{what}", order.ref, order.seller, **told)


def _write(
    book: Book, ref: str, axis: str, before: str | None, after: str, reason: str | None
) -> None:
    n = len(book.facts.get(OrderChange.TABLE.name, ()))
    by = str(book.actor)
    book.add(OrderChange(ref, book.seq, n, axis, before, after, by, reason, book.now))
