"""Goods: set aside when ordered, consumed when dispatched, back in stock when called off.

And what all of that means for the escrow: delivered, its days count; returned, it waits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from khata.domain import escrow, inventory
from khata.domain.escrow import Back
from khata.domain.orders import paying, rules
from khata.domain.orders.changing import note, turn
from khata.domain.orders.model import RESERVED, Order, Receipt
from khata.engine.book import Book
from khata.engine.sagas import ENDED, SagaRun, start
from khata.errors import InvalidTransition

_DELIVERED = "It was delivered."


def reserve(book: Book, order: Order) -> Order:
    """Pieces set aside for the lines of stock. Errors: those of `inventory.allocate`."""
    lines = []
    for line in order.lines:
        if line.sku is not None and line.allocation is None:
            made = inventory.allocate(
                book, line.sku, line.quantity, order.subject, order.customer, expense=RESERVED
            )
            line = msgspec.structs.replace(line, allocation=made.id)  # noqa: PLW2901 - the line as it is now
        lines.append(line)
    return book.change(order, lines=lines)


def restock(book: Book, order: Order) -> int:
    """All pieces of an order back into the lots that they came from; how many."""
    pieces = 0
    for item in inventory.allocations_for(book, order.subject):
        pieces += item.quantity - item.returned
        inventory.give_back(book, item.id)
    return pieces


def move(
    book: Book, order: Order, axis: str, to: str, reason: str | None, by: str | None = None
) -> Order:
    """One move of the goods, and what follows from it.

    Errors: `InvalidTransition`, `RoleRequired`.
    """
    fields: dict[str, Any] = {"delivered_at": book.now} if to == "delivered" else {}
    order = turn(book, order, {axis: to}, by=by, reason=reason, **fields)
    if to == "dispatched":
        for item in inventory.allocations_for(book, order.subject):
            if item.expense == RESERVED:
                inventory.consume(book, item.id)
    elif to == "delivered":
        _deliver(book, order, reason)
    elif to == "returned":
        _stop_release(book, order, reason)
    elif to == "restocked":
        restock(book, order)
    return order


def _deliver(book: Book, order: Order, reason: str | None) -> None:
    kept = paying.escrow_of(book, order)
    if kept is not None and kept.status != "refunded":
        escrow.delivered(book, kept, reason or _DELIVERED)


def _stop_release(book: Book, order: Order, reason: str | None) -> None:
    """Goods that come back are not paid for to anybody before a person has settled it."""
    kept = paying.escrow_of(book, order)
    if kept is None or kept.dispute is not None or kept.status not in {"held", "partly_released"}:
        return
    why = reason or "The goods came back."
    steps = escrow.noted(book, kept, "disputed", reason=why, last=True)
    book.change(kept, dispute=why, steps=steps)


def schedule(book: Book, order: Order, reason: str) -> Order:
    """Have the escrow of a delivered order released in time, which nobody has scheduled."""
    kept = paying.escrow_of(book, order)
    if kept is None or not any(leg.held for leg in kept.legs):
        return order
    on = "delivery" if order.on == "request" else order.on
    run = None if kept.saga is None else book.peek(SagaRun, kept.saga)
    if run is None or run.status in ENDED:
        saga = start(book, "escrow_release", {"escrow": kept.ref}, reference=kept.ref)
        kept = book.change(kept, on=on, days=order.days, saga=saga)
    escrow.delivered(book, kept, reason)
    return note(book, order, "money", "release scheduled", reason=reason)


# ── calling off ──────────────────────────────────────────────────────────────────────


def call_off(
    book: Book, order: Order, reason: str, *, wallet: str | None = None, by: str | None = None
) -> Order:
    """An order that is not delivered called off: all money back, all pieces back.

    Errors: `InvalidTransition`, `RoleRequired`; those of giving back.
    """
    moves = {"finance": "cancelled", "warehouse": "cancelled", "logistics": "cancelled"}
    funded = order.finance in rules.FUNDED
    if funded:
        moves["finance"] = "refunded"
    _check(book, order, moves, by)
    if funded:
        order, _ = paying.refund(book, order, Back(reason, frozen="owe"), wallet)
    else:
        order = paying.let_go(book, order, reason, wallet)
    restock(book, order)
    drop_receipt(book, order, reason)
    return turn(book, order, moves, by=by, reason=reason)


def _check(book: Book, order: Order, moves: Mapping[str, str], by: str | None) -> None:
    """Whether it can be called off at all, before anything is looked for that may be missing."""
    for axis, after in moves.items():
        before = getattr(order, axis)
        row = rules.check_transition(axis, before, after, book.actor.roles, by)
        rules.check_needs(row, order)


def stop(book: Book, order: Order, back: Back, wallet: str | None) -> Order:
    """Money given back; where that was all of it and nothing was dispatched, the goods stay.

    Errors: `InvalidTransition`, those of giving back.
    """
    if order.finance not in rules.FUNDED:
        raise InvalidTransition(
            f"{order.ref} is {order.finance}.", expected=list(rules.FUNDED), got=order.finance
        )
    order, whole = paying.refund(book, order, back, wallet)
    if not whole:
        if order.finance == "paid":
            order = turn(book, order, {"finance": "partially_refunded"}, reason=back.reason)
        return order
    moves = {"finance": "refunded"}
    if order.logistics == "waiting":
        restock(book, order)
        moves |= {"warehouse": "cancelled", "logistics": "cancelled"}
    return turn(book, order, moves, reason=back.reason)


def drop_receipt(book: Book, order: Order, reason: str) -> None:
    """A receipt that nobody has decided is of no use to an order that is called off."""
    receipt = None if order.receipt is None else book.peek(Receipt, order.receipt)
    if receipt is not None and receipt.status == "uploaded":
        book.change(receipt, status="dropped", open_sha256=None, reason=reason)
