"""Doing a repair: all of its actions in one command, or none.

A repair does what was planned and approved, exactly: if the order stands otherwise by then, or
would stand otherwise than the plan says, nothing is done and it has failed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from khata.domain import orders
from khata.domain.ledger import entry_id
from khata.domain.mismatches.commands import current_plan, order_of, wallet_of
from khata.domain.mismatches.finding import look
from khata.domain.mismatches.model import Action, ActionKind, Repair
from khata.domain.mismatches.rules import is_unscheduled
from khata.domain.orders import Order, Standing
from khata.engine.book import Book
from khata.errors.operations import RepairRefused

Do = Callable[[Book, Order, Action, str], Order]
_COMPARED: Final = (
    "finance",
    "warehouse",
    "logistics",
    "shown",
    "wallet_moved",
    "captured",
    "refunded",
    "reserved",
)


def apply(book: Book, repair: Repair, approved_by: str | None) -> Repair:
    """Do all that a repair is to do.

    Errors: `RepairRefused` with `reason` `changed` (the order stands otherwise than when the
    repair was planned) or `other_result`; `InsufficientFunds` and others of the wallet's rules.
    """
    order = order_of(book, repair.order)
    plan = current_plan(book, order)
    if (plan.actions, plan.before) != (repair.actions, repair.before):
        raise RepairRefused(
            f"{order.ref} stands otherwise than when {repair.id} was planned.",
            reason="changed",
            expected=[action.kind for action in repair.actions],
            got=[action.kind for action in plan.actions],
        )
    repair = book.change(repair, status="applying")
    entered = len(book.facts.get("entries", ()))
    before = _available(book, order)
    for action in repair.actions:
        order = _DO[action.kind](book, order, action, repair.reason)
    _check(book, order, repair)
    made = book.facts.get("entries", [])[entered:]
    repair = book.change(
        repair,
        status="applied",
        under_way=None,
        approved_by=approved_by,
        wallet_before=before,
        wallet_after=_available(book, order),
        entries=[entry_id(row[0], row[1]) for row in made],
        ended_at=book.now,
    )
    look(book, order, repair=repair)
    book.announce(
        "order.repaired",
        f"order/{order.ref}",
        repair=repair.id,
        kinds=repair.kinds,
        reason=repair.reason,
        asked_by=repair.asked_by,
    )
    return repair


def _available(book: Book, order: Order) -> int | None:
    """What the order's wallet could pay: it is written down as it was when the repair was done,
    for others may have used the wallet since it was planned.
    """
    wallet = wallet_of(book, order)
    return None if wallet is None else wallet.available


def _check(book: Book, order: Order, repair: Repair) -> None:
    """That the order stands as it was to stand. Errors: `RepairRefused`."""
    seen, wanted = _facts(orders.standing_of(book, order)), _facts(repair.after)
    if seen != wanted:
        raise RepairRefused(
            f"{order.ref} would stand otherwise than {repair.id} says.",
            reason="other_result",
            expected={name: value for name, value in wanted.items() if seen[name] != value},
            got={name: value for name, value in seen.items() if wanted[name] != value},
        )


def _facts(standing: Standing) -> dict[str, Any]:
    known = {name: getattr(standing, name) for name in _COMPARED}
    return {**known, "release_missing": is_unscheduled(standing)}


def fail(book: Book, repair: Repair, code: str, message: str | None) -> None:
    """A repair came to nothing: the order can have another one."""
    book.change(
        repair,
        status="failed",
        under_way=None,
        code=code,
        message=message,
        ended_at=book.now,
    )
    book.announce(
        "order.repair_failed", f"order/{repair.order}", repair=repair.id, code=code, message=message
    )


def _move(book: Book, order: Order, action: Action, reason: str) -> Order:
    return orders.move(book, order, action.axis or "", action.to or "", reason)


_DO: Final[dict[ActionKind, Do]] = {
    "take_wallet_part": lambda book, order, _, why: orders.take_wallet_part(book, order, why),
    "approve_receipt": lambda book, order, _, why: orders.approve_receipt(book, order, None, why),
    "reclaim_refund": lambda book, order, _, why: orders.reclaim_refund(book, order, why),
    "release_stock": lambda book, order, _, why: orders.release_stock(book, order, why),
    "move": _move,
    "schedule_release": lambda book, order, _, why: orders.schedule_release(book, order, why),
    "sync_shown": lambda book, order, _, why: orders.sync_shown(book, order, why),
}
