"""Setting right what of an order is not as it should be: called by who has found it.

No commands: whoever calls these within a command has decided who may. Each does nothing when
there is nothing to set right, moves money only by the rules of the accounts, and is written in the
history. Each gives the order as it is then.
"""

from __future__ import annotations

from khata.base.money import to_text
from khata.domain.orders import approving, moving, paying, rules
from khata.domain.orders.changing import checked, note, shown
from khata.domain.orders.model import Order
from khata.domain.orders.standing import standing_of
from khata.engine.book import Book
from khata.errors.operations import RepairRefused


def sync_shown(book: Book, order: Order, reason: str) -> Order:
    """What the customer is told is what the axes say."""
    before = order.shown
    order = shown(book, order, reason)
    if order.shown != before:
        note(book, order, "shown", order.shown, before=before, reason=reason)
    return checked(book, order)


def take_wallet_part(book: Book, order: Order, reason: str) -> Order:
    """What the wallet was to pay and did not, it pays: set aside while the bank's part is still to
    come, taken when all else is there, which makes the order paid.

    Errors: those of a hold and of a movement; `RepairRefused` for an order that takes no money.
    """
    missing = order.wallet_part - standing_of(book, order).wallet_moved
    if missing <= 0:
        return order
    if order.finance not in {*rules.AWAITING, *rules.FUNDED}:
        raise RepairRefused(
            f"{order.ref} is {order.finance}: it takes no money.",
            reason="finance",
            expected=sorted(rules.AWAITING),
            got=order.finance,
        )
    note(book, order, "money", f"wallet {to_text(missing, order.exponent)}", reason=reason)
    if order.finance in rules.FUNDED:
        order = shown(book, _pay_late(book, order), reason)
    elif rules.due_by_bank(order):
        order = paying.set_aside(book, order, missing)
    else:
        order = paying.take_from_wallet(book, order)
        order = paying.settle(book, order, by=None, reason=reason)
    return checked(book, order)


def _pay_late(book: Book, order: Order) -> Order:
    """What a paid order lacks joins the rest in escrow."""
    before, known = order.captured, len(order.entries)
    order = paying.take_from_wallet(book, order)
    return paying.join_escrow(book, order, order.captured - before, order.entries[known:])


def approve_receipt(book: Book, order: Order, amount: int | None, reason: str) -> Order:
    """The receipt that waits is approved: `amount` came, minor units, or what was due.

    Errors: those of `ApprovePayment`.
    """
    return checked(book, approving.approve(book, order, amount, reason))


def move(book: Book, order: Order, axis: str, to: str, reason: str) -> Order:
    """The goods are where they are: the axis goes there, through all that lies between.

    Errors: `InvalidTransition`; `RepairRefused` for finance, which only money moves.
    """
    if getattr(order, axis) == to:
        return order
    if axis == "finance":
        raise RepairRefused(
            f"{order.ref} is {order.finance}: only money moves that.",
            reason="finance",
            expected=to,
            got=order.finance,
        )
    for state in rules.path(axis, getattr(order, axis), to):
        order = moving.move(book, order, axis, state, reason)
    return checked(book, order)


def schedule_release(book: Book, order: Order, reason: str) -> Order:
    """The escrow of a delivered order is released in time. Errors: `EscrowClosed`."""
    if standing_of(book, order).release_scheduled:
        return order
    return checked(book, moving.schedule(book, order, reason))


def release_stock(book: Book, order: Order, reason: str) -> Order:
    """Pieces that are set aside for an order go back into their lots."""
    pieces = moving.restock(book, order)
    if pieces:
        note(book, order, "stock", f"{pieces} back", reason=reason)
    return checked(book, order)


def reclaim_refund(book: Book, order: Order, reason: str) -> Order:
    """What the customer was given back beyond what they had paid, they owe from now on.

    Errors: those of `debts.owe` and of a movement.
    """
    before = order.reclaimed
    order = paying.reclaim(book, order, reason)
    return order if order.reclaimed == before else checked(book, order)
