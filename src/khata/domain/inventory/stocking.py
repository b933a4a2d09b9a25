"""Stock that comes, goes and comes back: what the commands do, and other rooms by them.

An item's counts, its lots and the account `inventory/<sku>` change together or not at all.
"""

from __future__ import annotations

import re
from typing import Final, Literal

from khata.domain.inventory.model import (
    COST_OF_GOODS,
    SHRINKAGE,
    Allocation,
    Item,
    Lot,
    inventory_code,
)
from khata.domain.inventory.rules import cost_of, first_in_first_out, found_cost, last_taken_first
from khata.domain.ledger import enter, house_account
from khata.domain.setup import source_of
from khata.domain.wallets import is_owner_name
from khata.engine.book import Book
from khata.errors import Invalid, InvalidTransition
from khata.errors.market import InsufficientStock, StockNotFound

MOST_PIECES: Final = 10**12
"""In one lot, or in one allocation."""
MOST_EVER: Final = 10**13
"""Of one item, over all of its lots."""
_SKU: Final = re.compile(r"[^\s/\x00-\x1f\x7f]{1,100}")
_SUBJECT: Final = re.compile(r"[a-z][a-z0-9_]{0,39}/[^\s\x00-\x1f\x7f]{1,100}")


def item_of(book: Book, sku: str) -> Item:
    """An item. Errors: `StockNotFound`."""
    item = book.peek(Item, sku)
    if item is None:
        raise StockNotFound(f"No item {sku[:100]!r}.", got=sku[:100])
    return item


def active_item(book: Book, sku: str) -> Item:
    """An item that is received and sold. Errors: `StockNotFound`, `InvalidTransition`."""
    item = item_of(book, sku)
    if item.status != "active":
        raise InvalidTransition(f"{sku} is {item.status}.", expected="active", got=item.status)
    return item


def lot_of(book: Book, sku: str, number: int) -> Lot:
    """A lot of an item. Errors: `StockNotFound`."""
    # what no lot can be called is not asked for: the number may be beyond what a column holds
    lot = book.peek(Lot, (sku, number)) if 1 <= number <= item_of(book, sku).lots else None
    if lot is None:
        raise StockNotFound(f"{sku[:100]} has no lot {number}.", got=number)
    return lot


def allocation_of(book: Book, name: str) -> Allocation:
    """An allocation. Errors: `StockNotFound`."""
    allocation = book.peek(Allocation, name)
    if allocation is None:
        raise StockNotFound(f"No allocation {name[:100]!r}.", got=name[:100])
    return allocation


def available(book: Book, sku: str) -> int:
    """How many pieces can be allocated now; none of an item that is retired.

    Errors: `StockNotFound`.
    """
    item = item_of(book, sku)
    return item.remaining if item.status == "active" else 0


def check_sku(sku: str) -> None:
    """Whether an item can be called so. Errors: `Invalid`."""
    if not _SKU.fullmatch(sku):
        raise Invalid(
            "A SKU has 1 to 100 characters without spaces and slashes.",
            expected="such as TEA-500G",
            got=sku[:60],
        )


def check_pieces(quantity: int) -> None:
    """A number of pieces above zero, and not beyond all measure. Errors: `Invalid`."""
    if not 1 <= quantity <= MOST_PIECES:
        raise Invalid(
            "A quantity is a whole number of pieces, at least one.",
            expected=f"1 to {MOST_PIECES}",
            got=str(quantity)[:40],
        )


# ── coming ───────────────────────────────────────────────────────────────────────────


def add_lot(book: Book, item: Item, lot: Lot) -> Lot:
    """A new lot in stock. Errors: `Invalid` beyond what is counted for one item."""
    received = item.received + lot.received
    if received > MOST_EVER:
        raise Invalid("That is too much of one item.", expected=MOST_EVER, got=received)
    book.change(
        item,
        lots=lot.number,
        received=received,
        remaining=item.remaining + lot.received,
        cost=item.cost + lot.cost,
    )
    return book.add(lot)


# ── going ────────────────────────────────────────────────────────────────────────────


def allocate(
    book: Book,
    sku: str,
    quantity: int,
    subject: str,
    owner: str | None = None,
    *,
    expense: str = COST_OF_GOODS,
) -> Allocation:
    """Pieces out of the oldest lots, for a subject such as `order/M1`. What they had cost goes to
    `expense`, a house account.

    Errors: `StockNotFound`, `InvalidTransition` for an item that is retired, `InsufficientStock`
    (`expected`: how many there are), `Invalid`, those of `enter`.
    """
    check_pieces(quantity)
    if not _SUBJECT.fullmatch(subject):
        raise Invalid("A subject is a path.", expected="such as order/M1001", got=subject[:60])
    if owner is not None and not is_owner_name(owner):
        raise Invalid("That is no owner's id.", expected="such as alice", got=owner[:60])
    item = active_item(book, sku)
    _check_there(sku, item.remaining, quantity)
    lots = {lot.number: lot for lot in book.find(Lot, open_sku=sku)}
    lines = first_in_first_out(list(lots.values()), quantity)
    for line in lines:
        _take(book, lots[line.lot], line.quantity, line.cost, "allocated")
    cost = sum(line.cost for line in lines)
    book.change(
        item,
        remaining=item.remaining - quantity,
        allocated=item.allocated + quantity,
        cost=item.cost - cost,
    )
    allocation = Allocation(
        id=book.new_id("alc"),
        sku=sku,
        subject=subject,
        open_subject=subject,
        owner=owner,
        quantity=quantity,
        returned=0,
        unit=item.unit,
        exponent=item.exponent,
        cost=cost,
        cost_back=0,
        status="allocated",
        expense=expense,
        lines=lines,
        entries=_move_cost(book, item, -cost, expense, "allocation", subject),
        created_at=book.now,
        returned_at=None,
    )
    _announce(book, allocation, "allocated", quantity)
    return book.add(allocation)


def allocations_for(book: Book, subject: str) -> list[Allocation]:
    """What is allocated for a subject and did not come back wholly."""
    return book.find(Allocation, open_subject=subject)


def give_back(book: Book, name: str, quantity: int | None = None) -> Allocation:
    """Pieces of an allocation back into the very lots that they came from, all that are left if
    no quantity is given. Those that were taken last come back first, each with its cost.

    Errors: `StockNotFound`; `InvalidTransition` when all came back; `InsufficientStock` for more
    than are left of it; `Invalid`.
    """
    allocation = allocation_of(book, name)
    left = allocation.quantity - allocation.returned
    if not left:
        raise InvalidTransition(f"{name} came back.", expected="allocated", got=allocation.status)
    pieces = left if quantity is None else quantity
    check_pieces(pieces)
    _check_there(name, left, pieces)
    back, lines = last_taken_first(allocation.lines, pieces)
    book.expect(rows=((Lot, (allocation.sku, line.lot)) for line in back))
    for line in back:
        lot = lot_of(book, allocation.sku, line.lot)
        _put_back(book, lot, line.quantity, line.cost, "allocated")
    cost = sum(line.cost for line in back)
    item = item_of(book, allocation.sku)
    book.change(
        item,
        remaining=item.remaining + pieces,
        allocated=item.allocated - pieces,
        cost=item.cost + cost,
    )
    entries = _move_cost(book, item, cost, allocation.expense, "stock_return", allocation.subject)
    whole = pieces == left
    allocation = book.change(
        allocation,
        returned=allocation.returned + pieces,
        cost_back=allocation.cost_back + cost,
        lines=lines,
        entries=[*allocation.entries, *entries],
        status="returned" if whole else "allocated",
        open_subject=None if whole else allocation.subject,
        returned_at=book.now if whole else None,
    )
    _announce(book, allocation, "returned", pieces)
    return allocation


def consume(book: Book, name: str, expense: str = COST_OF_GOODS) -> Allocation:
    """Have another account bear what the pieces of an allocation had cost, so much of it as did not
    come back: what was set aside is gone now. Does nothing when it bears it already.

    Errors: `StockNotFound`, those of `enter`.
    """
    allocation = allocation_of(book, name)
    if allocation.expense == expense:
        return allocation
    entries, cost = list(allocation.entries), allocation.cost - allocation.cost_back
    if cost:
        before = house_account(book, allocation.expense, allocation.unit)
        after = house_account(book, expense, allocation.unit)
        moved = enter(
            book,
            ((after.id, cost), (before.id, -cost)),
            type="consumption",
            source=source_of(book, "stock"),
            reference=allocation.subject,
        )
        entries.append(moved.id)
    return book.change(allocation, expense=expense, entries=entries)


# ── lost and found ───────────────────────────────────────────────────────────────────


def adjust(book: Book, lot: Lot, by: int) -> tuple[Lot, int]:
    """(The lot, what the pieces had cost): below zero they were lost, above it found again.

    Errors: `InsufficientStock` for more than remain; `Invalid` for zero, or for more than were
    ever lost of it: what was never received is a lot of its own.
    """
    if not by or by > lot.lost:
        raise Invalid(
            "Count what was lost below zero, and what was found again above it.",
            expected=f"-{lot.remaining} to {lot.lost}, not 0",
            got=str(by)[:40],
        )
    _check_there(f"{lot.sku}, lot {lot.number},", lot.remaining, -by)
    item = item_of(book, lot.sku)
    if by < 0:
        cost = cost_of(lot, -by)
        lot = _take(book, lot, -by, cost, "lost")
    else:
        cost = -found_cost(lot, by)
        lot = _put_back(book, lot, by, -cost, "lost")
    book.change(item, remaining=item.remaining + by, lost=item.lost - by, cost=item.cost - cost)
    reference = f"stock/{lot.sku}/{lot.number}"
    _move_cost(book, item, -cost, SHRINKAGE, "adjustment", reference)
    return lot, abs(cost)


# ── what all of it is made of ────────────────────────────────────────────────────────


def _check_there(what: str, there: int, wanted: int) -> None:
    if wanted > there:
        raise InsufficientStock(
            f"Of {what} {there} are there, {wanted} are wanted.",
            expected=there,
            got=wanted,
        )


def _take(book: Book, lot: Lot, pieces: int, cost: int, into: Literal["allocated", "lost"]) -> Lot:
    left = lot.remaining - pieces
    fields = {"allocated": lot.allocated + pieces}
    if into == "lost":
        fields = {"lost": lot.lost + pieces, "lost_cost": lot.lost_cost + cost}
    return book.change(
        lot,
        remaining=left,
        open_sku=lot.sku if left else None,
        cost_left=lot.cost_left - cost,
        even_taken=lot.even_taken + pieces,
        **fields,
    )


def _put_back(
    book: Book, lot: Lot, pieces: int, cost: int, out_of: Literal["allocated", "lost"]
) -> Lot:
    """What comes back brings its own cost; from now on it is shared evenly by all that remain."""
    remaining, cost_left = lot.remaining + pieces, lot.cost_left + cost
    fields = {"allocated": lot.allocated - pieces}
    if out_of == "lost":
        fields = {"lost": lot.lost - pieces, "lost_cost": lot.lost_cost - cost}
    return book.change(
        lot,
        remaining=remaining,
        open_sku=lot.sku,
        cost_left=cost_left,
        even_cost=cost_left,
        even_pieces=remaining,
        even_taken=0,
        **fields,
    )


def _move_cost(
    book: Book, item: Item, minor: int, other: str, kind: str, reference: str
) -> list[str]:
    """Cost into (above zero) or out of an item's account; pieces may have cost nothing at all."""
    if not minor:
        return []
    account = house_account(book, inventory_code(item.sku), item.unit)
    against = house_account(book, other, item.unit)
    moved = enter(
        book,
        ((account.id, minor), (against.id, -minor)),
        type=kind,
        source=source_of(book, "stock"),
        reference=reference,
    )
    return [moved.id]


def _announce(book: Book, allocation: Allocation, what: str, pieces: int) -> None:
    book.announce(
        f"stock.{what}",
        allocation.id,
        allocation.owner,
        sku=allocation.sku,
        about=allocation.subject,
        quantity=pieces,
        status=allocation.status,
    )
