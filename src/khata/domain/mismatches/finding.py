"""Looking at an order: what is wrong with it is written down, what no longer is is ended.

It happens inside every command that changes an order (`orders.checked_by`), and by the sweep.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from khata.base.money import to_text
from khata.domain import orders
from khata.domain.mismatches import rules
from khata.domain.mismatches.model import Found, Mismatch, MismatchStatus, Repair
from khata.domain.orders import Order, OrderPolicy, Standing
from khata.engine.book import Book

_ENDED: Final = {"repaired": "mismatch.repaired", "gone": "mismatch.gone"}


class Looked(msgspec.Struct, frozen=True):
    """What a look at an order changed, and what is wrong with it now and not dismissed."""

    opened: list[Mismatch]
    ended: list[Mismatch]
    open: list[Mismatch]


def founds_of(book: Book, standing: Standing) -> list[Found]:
    """What is wrong with an order now, by this book's own patience with receipts."""
    seconds = receipt_seconds(orders.policy_of(book))
    return rules.found(standing, book.now, receipt_seconds=seconds)


def receipt_seconds(policy: OrderPolicy) -> int:
    """How long a receipt may wait for finance: the time that the policy gives it."""
    return policy.sla.get("finance.receipt_uploaded", rules.RECEIPT_SECONDS)


def is_news(founds: Sequence[Found], known: Sequence[Mismatch]) -> bool:
    """Whether a look at an order would write something down."""
    before = {item.kind: item for item in known}
    if before.keys() != {item.kind for item in founds}:
        return True
    return any(_differs(before[item.kind], item) for item in founds)


def _differs(before: Mismatch, item: Found) -> bool:
    if before.status == "dismissed":
        # more is at risk than when somebody said that it may stay so
        return item.at_risk > before.at_risk
    return (before.at_risk, before.actions) != (item.at_risk, item.actions)


@orders.checked_by
def follow(book: Book, order: Order) -> None:
    """An order changed: look at it; a repair that is at it looks when all is done."""
    repair = repair_of(book, order.ref)
    if repair is None or repair.status != "applying":
        look(book, order)


def repair_of(book: Book, ref: str) -> Repair | None:
    """The repair of an order that is under way."""
    return book.find_one(Repair, under_way=ref)


def look(
    book: Book, order: Order, *, by_sweep: bool = False, repair: Repair | None = None
) -> Looked:
    """Open what is found and was not known, end what was known and is not found: by itself, or
    by a `repair`.
    """
    founds = {item.kind: item for item in founds_of(book, orders.standing_of(book, order))}
    known = {item.kind: item for item in book.find(Mismatch, watched=order.ref)}
    ended = [_end(book, item, repair) for kind, item in known.items() if kind not in founds]
    opened, still = [], []
    for kind, item in founds.items():
        before = known.get(kind)
        if before is not None and before.status == "dismissed":
            if not _differs(before, item):
                continue
            book.change(before, watched=None)
            before = None
        if before is None:
            before = _open(book, order, item, by_sweep=by_sweep)
            opened.append(before)
        elif _differs(before, item):
            before = book.change(before, at_risk=item.at_risk, actions=item.actions)
        still.append(before)
    return Looked(opened, [item for item in ended if item.status != "dismissed"], still)


def _open(book: Book, order: Order, item: Found, *, by_sweep: bool) -> Mismatch:
    mismatch = Mismatch(
        id=book.new_id("msm"),
        order=order.ref,
        watched=order.ref,
        kind=item.kind,
        status="open",
        customer=order.customer,
        unit=order.unit,
        exponent=order.exponent,
        at_risk=item.at_risk,
        actions=item.actions,
        since=min(item.since, book.now),
        found_at=book.now,
        by_sweep=by_sweep,
        ended_at=None,
        ended_by=None,
        reason=None,
        repair=None,
    )
    _announce(book, mismatch, "mismatch.found")
    return book.add(mismatch)


def _end(book: Book, mismatch: Mismatch, repair: Repair | None) -> Mismatch:
    """It is not found any more; one that was dismissed stays so and is no longer watched."""
    if mismatch.status == "dismissed":
        return book.change(mismatch, watched=None)
    status: MismatchStatus = "gone" if repair is None else "repaired"
    mismatch = book.change(
        mismatch,
        status=status,
        watched=None,
        ended_at=book.now,
        ended_by=str(book.actor) if repair is None else repair.asked_by,
        reason=None if repair is None else repair.reason,
        repair=None if repair is None else repair.id,
    )
    _announce(book, mismatch, _ENDED[status])
    return mismatch


def _announce(book: Book, mismatch: Mismatch, what: str) -> None:
    book.announce(
        what,
        mismatch.id,
        order=mismatch.order,
        mismatch=mismatch.kind,
        at_risk=to_text(mismatch.at_risk, mismatch.exponent),
        currency=mismatch.unit,
    )
