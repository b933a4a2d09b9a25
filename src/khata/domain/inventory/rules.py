"""How lots are emptied and filled again, and what their pieces cost: functions of values.

Every minor unit that a lot cost leaves it with its pieces, and comes back with them: nothing is
lost in rounding, whatever is taken and given back in whatever order.
"""

from __future__ import annotations

from collections.abc import Sequence

from khata.base.clock import Instant, iso_or_none, to_iso
from khata.base.money import to_text
from khata.domain.inventory.model import (
    Allocation,
    AllocationLine,
    AllocationState,
    Investment,
    InvestmentState,
    Item,
    Line,
    Lot,
    LotState,
    StockItemState,
    inventory_code,
)


def cost_of(lot: Lot, pieces: int) -> int:
    """What the next pieces out of a lot cost, minor units.

    They share what the lot's pieces cost evenly: after each, so much was taken as the pieces
    taken are of all, rounded down. The last piece takes all that is left.
    """
    return _up_to(lot, lot.even_taken + pieces) - _up_to(lot, lot.even_taken)


def _up_to(lot: Lot, taken: int) -> int:
    return lot.even_cost * taken // lot.even_pieces if lot.even_pieces else 0


def first_in_first_out(lots: Sequence[Lot], quantity: int) -> list[Line]:
    """From which lots so many pieces are taken, and at what cost: the lowest number first.

    All of them must be there.
    """
    lines, left = [], quantity
    for lot in sorted(lots, key=lambda lot: lot.number):
        pieces = min(left, lot.remaining)
        if pieces:
            lines.append(Line(lot.number, pieces, cost_of(lot, pieces)))
            left -= pieces
    return lines


def last_taken_first(lines: Sequence[Line], quantity: int) -> tuple[list[Line], list[Line]]:
    """(What comes back of each lot, the allocation's lines thereafter), for so many pieces.

    What was taken last comes back first, into the very lot that it came from. A part of a line
    brings its part of the cost back, rounded down; the rest of it brings the rest.
    """
    back, after, left = [], list(lines), quantity
    for at in range(len(lines) - 1, -1, -1):
        line = lines[at]
        pieces = min(left, line.quantity - line.returned)
        if pieces:
            returned = line.returned + pieces
            cost_back = line.cost * returned // line.quantity
            back.append(Line(line.lot, pieces, cost_back - line.cost_back))
            after[at] = Line(line.lot, line.quantity, line.cost, returned, cost_back)
            left -= pieces
    return back, after


def found_cost(lot: Lot, pieces: int) -> int:
    """What lost pieces that were found again had cost; the last of them bring all the rest."""
    return lot.lost_cost * pieces // lot.lost


def item_state(item: Item) -> StockItemState:
    """The item as its caller is told of it."""
    return StockItemState(
        item.sku,
        item.title,
        item.kind,
        item.status,
        item.unit,
        to_text(item.price, item.exponent),
        item.lots,
        item.received,
        item.remaining,
        item.allocated,
        item.lost,
        to_text(item.cost, item.exponent),
        inventory_code(item.sku),
        to_iso(item.created_at),
    )


def lot_state(lot: Lot) -> LotState:
    """The lot as its caller is told of it."""
    return LotState(
        lot.sku,
        lot.number,
        lot.received,
        lot.remaining,
        lot.allocated,
        lot.lost,
        lot.unit,
        to_text(lot.cost, lot.exponent),
        to_text(lot.cost_left, lot.exponent),
        lot.paid_from,
        lot.supplier,
        lot.reference,
        lot.entry,
        to_iso(lot.received_at),
    )


def allocation_state(allocation: Allocation, *, to_owner: bool = False) -> AllocationState:
    """The allocation as its caller is told of it; an owner is not told what pieces had cost."""
    places = allocation.exponent
    return AllocationState(
        allocation.id,
        allocation.status,
        allocation.sku,
        allocation.subject,
        allocation.owner,
        allocation.quantity,
        allocation.returned,
        allocation.unit,
        None if to_owner else to_text(allocation.cost - allocation.cost_back, places),
        [
            AllocationLine(
                line.lot,
                line.quantity,
                line.returned,
                None if to_owner else to_text(line.cost - line.cost_back, places),
            )
            for line in allocation.lines
        ],
        [] if to_owner else allocation.entries,
        to_iso(allocation.created_at),
        time_of(allocation.returned_at),
    )


def investment_state(investment: Investment) -> InvestmentState:
    """The investment as its caller is told of it."""
    places = investment.exponent
    return InvestmentState(
        investment.id,
        investment.reference,
        investment.status,
        investment.owner,
        investment.wallet,
        investment.sku,
        investment.quantity,
        to_text(investment.price, places),
        to_text(investment.total, places),
        to_text(investment.benefit, places),
        to_text(investment.paid, places),
        to_text(investment.credited, places),
        investment.unit,
        investment.codes,
        investment.paid_from,
        investment.evidence,
        investment.saga,
        investment.allocation,
        investment.entries,
        investment.code,
        investment.reason,
        to_iso(investment.created_at),
        time_of(investment.completed_at),
        time_of(investment.ended_at),
    )


def time_of(at: Instant | None) -> str | None:
    """A time that need not have come yet."""
    return iso_or_none(at)
