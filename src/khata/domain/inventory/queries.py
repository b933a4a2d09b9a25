"""Reading stock: items and lots for staff, allocations for whom they went to as well.

`check` counts everything again: what items say, what lots say, what allocations say, and what the
accounts hold.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, TypeVar

import msgspec
import sqlalchemy as sa

from khata.base.money import to_text
from khata.base.paging import Page, checked_limit, from_cursor, paged
from khata.domain.inventory.model import (
    Allocation,
    AllocationState,
    Holding,
    Investment,
    InvestmentState,
    Item,
    Lot,
    LotState,
    StockItemState,
    inventory_code,
)
from khata.domain.inventory.rules import (
    allocation_state,
    investment_state,
    item_state,
    lot_state,
)
from khata.engine.accounts import Account
from khata.engine.database import View
from khata.engine.reading import (
    checked_text,
    exact_sum,
    is_storable,
    joined,
    record,
    records,
    select,
)
from khata.engine.records import Record, spec
from khata.engine.tables import table_of
from khata.errors import NotYours
from khata.errors.market import InvestmentNotFound, StockNotFound

R = TypeVar("R", bound=Record)
_ACCOUNTS: Final = table_of(Account)
_ITEMS: Final = table_of(Item)
_LOTS: Final = table_of(Lot)
_ALLOCATIONS: Final = table_of(Allocation)
_INVESTMENTS: Final = table_of(Investment)
_PREFIX: Final = inventory_code("")
_COUNTS: Final = ("received", "remaining", "allocated", "lost")


class StockDifference(msgspec.Struct, frozen=True):
    """Two things that should be equal and are not: numbers of pieces, or decimal amounts.

    `lot`: its number; None for the item as a whole. `what`: a count, or `cost`, or `balance`, that
    of the item's account.
    """

    sku: str
    lot: int | None
    what: str
    expected: str
    found: str


def item(view: View, sku: str) -> StockItemState:
    """One item. Errors: `StockNotFound`; `NotYours` for owners."""
    view.check_owner(None)
    return item_state(_item(view, sku))


def _item(view: View, sku: str) -> Item:
    found = record(view, Item, sku) if is_storable(sku) else None
    if found is None:
        raise StockNotFound(f"No item {sku[:100]!r}.", got=sku[:100])
    return found


def items(
    view: View,
    *,
    kind: str | None = None,
    status: str | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[StockItemState]:
    """Items by SKU. Errors: `NotYours` for owners, `Invalid` limit, `InvalidCursor`."""
    view.check_owner(None)
    query = select(view, Item)
    for name, value in (("kind", kind), ("status", status)):
        if checked_text(value, name) is not None:
            query = query.where(_ITEMS.c[name] == value)
    if cursor is not None:
        query = query.where(_ITEMS.c.sku > from_cursor(cursor, str)[0])
    query = query.order_by(_ITEMS.c.sku).limit(checked_limit(limit) + 1)
    page = paged(records(view, Item, query), limit, lambda found: (found.sku,))
    return Page([item_state(found) for found in page.items], page.next)


def lots(
    view: View, sku: str, *, open_only: bool = False, cursor: str | None = None, limit: int = 50
) -> Page[LotState]:
    """The lots of an item in the order in which they are taken.

    Errors: `StockNotFound`, `NotYours` for owners, `Invalid` limit, `InvalidCursor`.
    """
    view.check_owner(None)
    _item(view, sku)
    query = select(view, Lot).where(_LOTS.c.sku == sku)
    if open_only:
        query = query.where(_LOTS.c.remaining > 0)
    if cursor is not None:
        query = query.where(_LOTS.c.number > from_cursor(cursor, int)[0])
    query = query.order_by(_LOTS.c.number).limit(checked_limit(limit) + 1)
    page = paged(records(view, Lot, query), limit, lambda lot: (lot.number,))
    return Page([lot_state(lot) for lot in page.items], page.next)


def allocation(view: View, name: str) -> AllocationState:
    """One allocation. Errors: `StockNotFound`; `NotYours` for an owner whose it is not."""
    found = record(view, Allocation, name) if is_storable(name) else None
    owner = view.actor.owner
    if owner is not None and (found is None or found.owner != owner):
        raise NotYours("This is not yours, or does not exist.", expected=owner)
    if found is None:
        raise StockNotFound(f"No allocation {name[:100]!r}.", got=name[:100])
    return allocation_state(found, to_owner=owner is not None)


def allocations(
    view: View,
    *,
    sku: str | None = None,
    subject: str | None = None,
    owner: str | None = None,
    status: str | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[AllocationState]:
    """Allocations, newest first; an owner sees their own.

    Errors: `NotYours` for an owner who asks for another's, `Invalid` limit, `InvalidCursor`.
    """
    of = _ALLOCATIONS.c
    query = select(view, Allocation)
    whose = _whose(view, owner)
    for name, value in (("sku", sku), ("subject", subject), ("owner", whose), ("status", status)):
        if checked_text(value, name) is not None:
            query = query.where(of[name] == value)
    if cursor is not None:
        query = query.where(sa.tuple_(of.created_at, of.id) < from_cursor(cursor, int, str))
    query = query.order_by(of.created_at.desc(), of.id.desc()).limit(checked_limit(limit) + 1)
    found = records(view, Allocation, query)
    page = paged(found, limit, lambda found: (found.created_at, found.id))
    to_owner = view.actor.owner is not None
    return Page([allocation_state(each, to_owner=to_owner) for each in page.items], page.next)


# ── investments ──────────────────────────────────────────────────────────────────────


def investment(view: View, name: str) -> InvestmentState:
    """One investment. Errors: `InvestmentNotFound`; `NotYours` for an owner whose it is not."""
    found = record(view, Investment, name) if is_storable(name) else None
    owner = view.actor.owner
    if owner is not None and (found is None or found.owner != owner):
        raise NotYours("This is not yours, or does not exist.", expected=owner)
    if found is None:
        raise InvestmentNotFound(f"No investment {name[:100]!r}.", got=name[:100])
    return investment_state(found)


def investments(
    view: View,
    *,
    owner: str | None = None,
    sku: str | None = None,
    status: str | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[InvestmentState]:
    """Investments, newest first; an owner sees their own.

    Errors: `NotYours` for an owner who asks for another's, `Invalid` limit, `InvalidCursor`.
    """
    of = _INVESTMENTS.c
    query = select(view, Investment)
    for name, value in (("owner", _whose(view, owner)), ("sku", sku), ("status", status)):
        if checked_text(value, name) is not None:
            query = query.where(of[name] == value)
    if cursor is not None:
        query = query.where(sa.tuple_(of.created_at, of.id) < from_cursor(cursor, int, str))
    query = query.order_by(of.created_at.desc(), of.id.desc()).limit(checked_limit(limit) + 1)
    found = records(view, Investment, query)
    page = paged(found, limit, lambda found: (found.created_at, found.id))
    return Page([investment_state(found) for found in page.items], page.next)


def holdings(view: View, owner: str) -> list[Holding]:
    """The shares that an owner has by completed investments, by SKU.

    Errors: `NotYours` for an owner who asks for another's.
    """
    view.check_owner(owner)
    of = _INVESTMENTS.c
    query = (
        sa.select(of.sku, of.unit, of.exponent, *exact_sum(of.quantity), *exact_sum(of.paid))
        .where(
            of.book_id == view.book_id,
            of.owner == checked_text(owner, "owner"),
            of.status == "completed",
        )
        .group_by(of.sku, of.unit, of.exponent)
        .order_by(of.sku)
    )
    found = []
    for row in view.rows(query):
        sku, unit, places, *sums = list(row)
        paid = to_text(joined(sums[2:]), places)
        found.append(Holding(owner, sku, joined(sums[:2]), paid, unit))
    return found


def _whose(view: View, owner: str | None) -> str | None:
    """Whose things are listed. Errors: `NotYours` for an owner who asks for another's."""
    mine = view.actor.owner
    if mine is not None and owner not in (None, mine):
        raise NotYours("This is not yours to see.", expected=mine)
    return mine or owner


# ── counting again ───────────────────────────────────────────────────────────────────


def check(view: View) -> list[StockDifference]:
    """Where items, lots, allocations and accounts do not say the same; empty when all is well.

    Errors: `NotYours` for owners.
    """
    view.check_owner(None)
    went = _went(view)
    balances = _balances(view)
    by_sku: dict[str, list[Lot]] = {}
    for lot in _all(view, Lot):
        by_sku.setdefault(lot.sku, []).append(lot)
    found: list[StockDifference] = []
    for known in _all(view, Item):
        own = by_sku.get(known.sku, [])
        for lot in own:
            found += _of_lot(lot, *went.get((lot.sku, lot.number), (0, 0)))
        found += _of_item(known, own, balances.get((inventory_code(known.sku), known.unit), 0))
    return found


def _of_lot(lot: Lot, pieces: int, cost: int) -> Iterator[StockDifference]:
    whole = lot.remaining + lot.allocated + lot.lost
    costs = lot.cost_left + lot.lost_cost + cost
    counts = (("received", whole, lot.received), ("allocated", pieces, lot.allocated))
    yield from _unlike(lot.sku, lot.number, counts, 0)
    yield from _unlike(lot.sku, lot.number, (("cost", costs, lot.cost),), lot.exponent)


def _of_item(known: Item, own: list[Lot], balance: int) -> Iterator[StockDifference]:
    counts = tuple(
        (name, sum(getattr(lot, name) for lot in own), getattr(known, name)) for name in _COUNTS
    )
    cost = sum(lot.cost_left for lot in own)
    costs = (("cost", cost, known.cost), ("balance", known.cost, balance))
    yield from _unlike(known.sku, None, (*counts, ("lots", len(own), known.lots)), 0)
    yield from _unlike(known.sku, None, costs, known.exponent)


def _unlike(
    sku: str, lot: int | None, pairs: tuple[tuple[str, int, int], ...], places: int
) -> Iterator[StockDifference]:
    for what, expected, found in pairs:
        if expected != found:
            yield StockDifference(sku, lot, what, to_text(expected, places), to_text(found, places))


def _went(view: View) -> dict[tuple[str, int], tuple[int, int]]:
    """What allocations hold of each lot: (pieces, minor units of cost)."""
    went: dict[tuple[str, int], tuple[int, int]] = {}
    for known in _all(view, Allocation):
        for line in known.lines:
            pieces, cost = went.get((known.sku, line.lot), (0, 0))
            pieces += line.quantity - line.returned
            went[known.sku, line.lot] = (pieces, cost + line.cost - line.cost_back)
    return went


def _balances(view: View) -> dict[tuple[str, str], int]:
    of = _ACCOUNTS.c
    query = sa.select(of.code, of.unit, of.balance).where(
        of.book_id == view.book_id,
        of.owner.is_(None),
        sa.func.substr(of.code, 1, len(_PREFIX)) == _PREFIX,
    )
    return {(row.code, row.unit): row.balance for row in view.stream(query)}


def _all(view: View, cls: type[R]) -> Iterator[R]:
    decode = spec(cls).decode
    for row in view.stream(select(view, cls)):
        yield decode(tuple(row))
