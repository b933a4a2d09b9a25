"""Reading orders: who bought or sold sees them; staff also what is late and what does not agree."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from khata.base.clock import SECOND, to_iso
from khata.base.money import to_text
from khata.base.paging import Page, checked_limit, from_cursor, paged
from khata.domain.escrow import Escrow
from khata.domain.inventory import Allocation
from khata.domain.orders import rules
from khata.domain.orders.model import (
    RESERVED,
    Order,
    OrderChange,
    OrderChangeView,
    OrderLate,
    OrderPolicy,
    OrderState,
    Receipt,
    ReceiptState,
)
from khata.domain.orders.rules import change_view, receipt_state, state_of
from khata.domain.orders.standing import Standing, release_of, standing
from khata.domain.setup import Setting
from khata.engine.accounts import Account
from khata.engine.database import View
from khata.engine.holds import Hold
from khata.engine.reading import (
    among,
    checked_text,
    exact_sum,
    is_storable,
    joined,
    record,
    records,
    select,
)
from khata.engine.sagas import SagaRun
from khata.engine.tables import table_of
from khata.errors import Invalid, NotYours
from khata.errors.operations import OrderNotFound, ReceiptNotFound

_ORDERS: Final = table_of(Order)
_CHANGES: Final = table_of(OrderChange)
_RECEIPTS: Final = table_of(Receipt)
_ALLOCATIONS: Final = table_of(Allocation)
_ACCOUNTS: Final = table_of(Account)


class OrderDifference(msgspec.Struct, frozen=True):
    """Two things that should be equal and are not. `order`: None for what concerns all."""

    order: str | None
    what: str
    expected: str
    found: str


# ── one order ────────────────────────────────────────────────────────────────────────


def order(view: View, ref: str) -> OrderState:
    """One order. Errors: `OrderNotFound`; `NotYours` for who has no part in it."""
    return _told(view, _order(view, ref))


def _told(view: View, item: Order) -> OrderState:
    """The order as it is shown: a seller is told what was sold, not how somebody pays."""
    state = state_of(item)
    if view.actor.owner in {None, item.customer}:
        return state
    return msgspec.structs.replace(
        state, wallet=None, hold=None, receipt=None, saga=None, entries=[]
    )


def _order(view: View, ref: str) -> Order:
    found = record(view, Order, ref) if is_storable(ref) else None
    owner = view.actor.owner
    if owner is not None and (found is None or owner not in {found.customer, found.seller}):
        raise NotYours("This is not yours, or does not exist.", expected=owner)
    if found is None:
        raise OrderNotFound(f"No order {ref[:100]!a}.", got=ref[:100])
    return found


def history(
    view: View, ref: str, *, cursor: str | None = None, limit: int = 50
) -> Page[OrderChangeView]:
    """What happened with an order, from the beginning; a seller is told of the axes, and why where
    it is about goods.

    Errors: as `order`; `Invalid` limit, `InvalidCursor`.
    """
    sells = view.actor.owner not in {None, _order(view, ref).customer}
    of = _CHANGES.c
    query = select(view, OrderChange).where(of.order == ref)
    if sells:
        query = query.where(of.axis.in_(rules.STATES))
    if cursor is not None:
        query = query.where(sa.tuple_(of.seq, of.n) > from_cursor(cursor, int, int))
    query = query.order_by(of.seq, of.n).limit(checked_limit(limit) + 1)
    page = paged(records(view, OrderChange, query), limit, lambda line: (line.seq, line.n))
    lines = [change_view(line) for line in page.items]
    if sells:
        lines = [
            msgspec.structs.replace(line, reason=None) if line.axis == "finance" else line
            for line in lines
        ]
    return Page(lines, page.next)


def receipts(view: View, ref: str) -> list[ReceiptState]:
    """The receipts of an order, the newest first; at most the last hundred. The seller has no
    part in them. Errors: as `order`.
    """
    found = _order(view, ref)
    view.check_owner(found.customer)
    of = _RECEIPTS.c
    query = select(view, Receipt).where(of.order == ref)
    query = query.order_by(of.uploaded_at.desc(), of.id.desc()).limit(100)
    return [receipt_state(item) for item in records(view, Receipt, query)]


def receipt(view: View, name: str) -> ReceiptState:
    """One receipt. Errors: `ReceiptNotFound`; `NotYours` for who did not place its order."""
    found = record(view, Receipt, name) if is_storable(name) else None
    home = record(view, Order, found.order) if found is not None else None
    view.check_owner(home.customer if home else None)
    if found is None:
        raise ReceiptNotFound(f"No receipt {name[:60]!a}.", got=name[:60])
    return receipt_state(found)


# ── many ─────────────────────────────────────────────────────────────────────────────


def orders(
    view: View,
    *,
    customer: str | None = None,
    seller: str | None = None,
    status: str | None = None,
    finance: str | None = None,
    warehouse: str | None = None,
    logistics: str | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[OrderState]:
    """Orders, newest first; an owner sees what they bought, or with `seller` what they sold.

    Errors: `NotYours`, `Invalid` limit or state, `InvalidCursor`.
    """
    mine = view.actor.owner
    if mine is not None:
        view.check_owner(seller or customer or mine)
        customer = customer or (None if seller else mine)
    of, query = _ORDERS.c, select(view, Order)
    for name, value in (("customer", customer), ("seller", seller), ("shown", status)):
        if checked_text(value, name) is not None:
            query = query.where(of[name] == value)
    axes = {"finance": finance, "warehouse": warehouse, "logistics": logistics}
    for name, value in axes.items():
        if value is not None:
            query = query.where(of[name] == _checked_state(name, value))
    if cursor is not None:
        query = query.where(sa.tuple_(of.placed_at, of.ref) < from_cursor(cursor, int, str))
    query = query.order_by(of.placed_at.desc(), of.ref.desc()).limit(checked_limit(limit) + 1)
    page = paged(records(view, Order, query), limit, lambda item: (item.placed_at, item.ref))
    return Page([_told(view, item) for item in page.items], page.next)


def _checked_state(axis: str, state: str) -> str:
    if state not in rules.STATES[axis]:
        raise Invalid(
            f"{axis} has no such state.", expected=list(rules.STATES[axis]), got=state[:40]
        )
    return state


def overdue(view: View, *, axis: str | None = None, limit: int = 100) -> list[OrderLate]:
    """Orders that stand longer than the policy allows where it is somebody's turn, those that are
    the longest beyond it first.

    Errors: `NotYours` for owners; `Invalid` axis or limit.
    """
    view.check_owner(None)
    checked_limit(limit)
    if axis is not None and axis not in rules.STATES:
        raise Invalid("No such axis.", expected=list(rules.STATES), got=axis[:40])
    found: list[OrderLate] = []
    for name, seconds in policy(view).sla.items():
        on, _, state = name.partition(".")
        if axis in (None, on):
            late = _waiting(view, on, state, seconds, limit)
            found += [_late(view, item, on, seconds) for item in late]
    return sorted(found, key=lambda item: (-item.seconds, item.order, item.axis))[:limit]


def _waiting(view: View, axis: str, state: str, seconds: int, limit: int) -> list[Order]:
    """Those that stand so for longer than that, the longest first."""
    of = _ORDERS.c
    query = select(view, Order).where(
        of[axis] == state,
        of[f"{axis}_since"] < view.now - seconds * SECOND,
    )
    if (axis, state) == ("warehouse", "waiting"):  # before that it is not their turn
        query = query.where(of.finance.in_(rules.FUNDED))
    if (axis, state) == ("logistics", "waiting"):
        query = query.where(of.warehouse == "picked")
    if (axis, state) == ("logistics", "returned"):  # until they are in stock again
        query = query.where(of.warehouse != "restocked")
    return records(view, Order, query.order_by(of[f"{axis}_since"], of.ref).limit(limit))


def _late(view: View, item: Order, axis: str, seconds: int) -> OrderLate:
    since = getattr(item, f"{axis}_since")
    return OrderLate(
        item.ref,
        axis,
        getattr(item, axis),
        to_iso(since),
        seconds,
        (view.now - since) // SECOND - seconds,
        to_text(item.total, item.exponent),
        item.unit,
    )


def policy(view: View) -> OrderPolicy:
    """How the book treats its orders. Errors: `NotYours` for owners."""
    view.check_owner(None)
    kept = record(view, Setting, rules.ORDERS)
    return rules.policy(kept.value if kept else {})


# ── how they stand ───────────────────────────────────────────────────────────────────


def refs(
    view: View, *, open_only: bool = False, cursor: str | None = None, limit: int = 500
) -> Page[str]:
    """The references of all orders, or of those with which something is still to be done.

    Errors: `NotYours` for owners; `Invalid` limit, `InvalidCursor`.
    """
    view.check_owner(None)
    of = _ORDERS.c
    query = sa.select(of.ref, of.open_since).where(of.book_id == view.book_id)
    place: tuple[Any, ...] = (of.ref,)
    if open_only:
        query = query.where(of.open_since.is_not(None))
        place = (of.open_since, of.ref)
    if cursor is not None:
        kinds: tuple[Any, ...] = (int, str) if open_only else (str,)
        query = query.where(sa.tuple_(*place) > from_cursor(cursor, *kinds))
    query = query.order_by(*place).limit(checked_limit(limit) + 1)
    rows = list(view.rows(query))
    page = paged(rows, limit, lambda row: (row.open_since, row.ref) if open_only else (row.ref,))
    return Page([row.ref for row in page.items], page.next)


def standings(
    view: View, *, open_only: bool = False, cursor: str | None = None, limit: int = 200
) -> Page[Standing]:
    """How orders stand, by reference; open ones by age. Errors: as `refs`."""
    page = refs(view, open_only=open_only, cursor=cursor, limit=limit)
    found = {item.ref: item for item in among(view, Order, "ref", set(page.items))}
    holds = _by(view, Hold, "id", {item.hold for item in found.values()})
    escrows = _by(view, Escrow, "ref", {item.escrow for item in found.values()})
    sagas = {release_of(item, escrows.get(item.escrow)) for item in found.values()}
    releases = _by(view, SagaRun, "id", sagas)
    subjects = {item.subject for item in found.values()}
    stock: dict[str, list[Allocation]] = {}
    for pieces in among(view, Allocation, "open_subject", subjects):
        stock.setdefault(pieces.subject, []).append(pieces)
    made = []
    for ref in page.items:
        item = found[ref]
        hold = holds.get(item.hold)
        if hold is not None and hold.expires_at is not None and hold.expires_at <= view.now:
            hold = None
        kept = escrows.get(item.escrow)
        release = releases.get(release_of(item, kept))
        made.append(standing(item, hold, kept, stock.get(item.subject, ()), release))
    return Page(made, page.next)


def _by(view: View, cls: type[Any], column: str, keys: set[str | None]) -> dict[str | None, Any]:
    found = among(view, cls, column, {key for key in keys if key is not None})
    return {getattr(item, column): item for item in found}


# ── what should agree ────────────────────────────────────────────────────────────────


def check(view: View) -> list[OrderDifference]:
    """Where orders and accounts do not say the same: what is set aside costs what
    `asset/reserved_stock` has; what came for an order and is not in an escrow that has begun lies
    on its account; and an escrow has given back what its order says.

    Errors: `NotYours` for owners.
    """
    view.check_owner(None)
    return [*_reserved(view), *_money(view)]


def _reserved(view: View) -> Iterator[OrderDifference]:
    of = _ALLOCATIONS.c
    query = sa.select(of.unit, of.exponent, *exact_sum(of.cost - of.cost_back)).where(
        of.book_id == view.book_id, of.open_subject.is_not(None), of.expense == RESERVED
    )
    rows = view.rows(query.group_by(of.unit, of.exponent))
    there = {row.unit: (joined(list(row)[2:]), row.exponent) for row in rows}
    known = select(view, Account).where(_ACCOUNTS.c.code == RESERVED)
    balances = {item.unit: item for item in records(view, Account, known)}
    for unit in sorted({*there, *balances}):
        account = balances.get(unit)
        cost, places = there.get(unit, (0, account.exponent if account else 0))
        balance = account.balance if account else 0
        if cost != balance:
            yield OrderDifference(
                None, f"{RESERVED} {unit}", to_text(cost, places), to_text(balance, places)
            )


def _money(view: View) -> Iterator[OrderDifference]:
    cursor: str | None = None
    while True:
        page = refs(view, cursor=cursor)
        found = among(view, Order, "ref", set(page.items))
        escrows = _by(view, Escrow, "ref", {item.escrow for item in found})
        loose = {item.account for item in found if item.escrow is None}
        accounts = {
            (item.code, item.unit): item.natural for item in among(view, Account, "code", loose)
        }
        for item in sorted(found, key=lambda item: item.ref):
            kept = escrows.get(item.escrow)
            expected = left = rules.left_of(item)
            there = accounts.get((item.account, item.unit), 0)
            if kept is not None:
                expected, there = kept.paid, kept.refunded + left
            if expected != there:
                texts = (to_text(minor, item.exponent) for minor in (expected, there))
                yield OrderDifference(item.ref, "money", *texts)
        if page.next is None:
            return
        cursor = page.next
