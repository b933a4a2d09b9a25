"""How an order stands: the facts by which it is judged, wherever they come from."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from khata.base.clock import Instant
from khata.domain import inventory
from khata.domain.escrow import Escrow
from khata.domain.orders.model import Finance, Logistics, Order, Status, Warehouse
from khata.engine.book import Book
from khata.engine.holds import Hold
from khata.engine.sagas import ENDED, SagaRun


class Standing(msgspec.Struct, frozen=True):
    """The facts of an order, be it Khata's or another system's. Money in minor units of `unit`.

    `shown`: what the customer sees. `wallet_part`: what the wallet is to pay; `wallet_moved`: what
    it really paid, holds included, less what came back: without what was refunded out of escrow,
    which `refunded` says; of it `held` is only set aside. `refunded`: less what became a debt
    since. `release_scheduled`: a release of its escrow is scheduled or done, or nothing is in it.
    `reserved`: pieces that are set aside or went out for it.
    """

    ref: str
    customer: str
    unit: str
    exponent: int
    total: int
    finance: Finance
    warehouse: Warehouse
    logistics: Logistics
    shown: Status
    wallet_part: int
    wallet_moved: int
    captured: int
    refunded: int
    receipt_at: Instant | None
    finance_since: Instant
    grace_ends_at: Instant | None
    delivered_at: Instant | None
    release_scheduled: bool
    reserved: int
    held: int = 0


def standing_of(book: Book, order: Order) -> Standing:
    """How an order of this book stands in this command's view."""
    hold = None if order.hold is None else book.peek(Hold, order.hold)
    if hold is not None:
        book.account(hold.account_id)  # a hold that is past its time counts no more
        hold = book.get(Hold, hold.id)
    kept = None if order.escrow is None else book.peek(Escrow, order.escrow)
    saga = release_of(order, kept)
    release = None if saga is None else book.peek(SagaRun, saga)
    pieces = inventory.allocations_for(book, order.subject)
    return standing(order, hold, kept, pieces, release)


def standing(
    order: Order,
    hold: Hold | None,
    kept: Escrow | None,
    allocations: Iterable[inventory.Allocation],
    release: SagaRun | None,
) -> Standing:
    """How an order stands, given the rows that have to do with it: its hold, its escrow, and the
    run that releases that, where `release_of` names one.
    """
    held = hold.remaining if hold is not None and hold.status == "active" else 0
    return Standing(
        ref=order.ref,
        customer=order.customer,
        unit=order.unit,
        exponent=order.exponent,
        total=order.total,
        finance=order.finance,
        warehouse=order.warehouse,
        logistics=order.logistics,
        shown=order.shown,
        wallet_part=order.wallet_part,
        wallet_moved=order.wallet_taken + held,
        captured=order.captured,
        refunded=order.refunded - order.reclaimed,
        receipt_at=order.receipt_at,
        finance_since=order.finance_since,
        grace_ends_at=order.grace_ends_at,
        delivered_at=order.delivered_at,
        release_scheduled=is_scheduled(order, kept, release),
        reserved=sum(item.quantity - item.returned for item in allocations),
        held=held,
    )


def release_of(order: Order, kept: Escrow | None) -> str | None:
    """The saga that is to release what a delivered order has in escrow, if it is to be looked at:
    somebody may have called it off.
    """
    if kept is None or order.logistics != "delivered" or not any(leg.held for leg in kept.legs):
        return None
    return kept.saga


def is_scheduled(order: Order, kept: Escrow | None, release: SagaRun | None) -> bool:
    """Whether the release of an order's escrow is scheduled or done, or nothing is in it; what is
    released by hand only is as it should be.
    """
    if kept is None or order.on == "request" or not any(leg.held for leg in kept.legs):
        return True
    if kept.saga is None or (release is not None and release.status in ENDED):
        return False
    return kept.on == "funding" or kept.delivered_at is not None
