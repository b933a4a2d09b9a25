"""Mismatches: the sweep, dismissing, and asking for the repair of an order."""

from __future__ import annotations

from typing import Final

from khata.base.money import Money, to_text
from khata.domain import orders
from khata.domain.escrow import Escrow
from khata.domain.inventory import Allocation
from khata.domain.ledger import account_of, check_four_eyes, check_reason, house_account
from khata.domain.mismatches import showing
from khata.domain.mismatches.finding import founds_of, look, repair_of
from khata.domain.mismatches.model import (
    Mismatch,
    MismatchState,
    Plan,
    Repair,
    RepairState,
    Swept,
)
from khata.domain.mismatches.rules import plan_of
from khata.domain.orders import Order
from khata.engine import limits
from khata.engine.accounts import Account
from khata.engine.book import Book
from khata.engine.command import Command, Verbs
from khata.engine.holds import Hold
from khata.engine.sagas import SagaRun, start
from khata.errors import ApprovalRequired, Invalid, InvalidTransition
from khata.errors.operations import MismatchNotFound, OrderNotFound, RepairRefused

VERBS: Final = Verbs()
_MOST_LOOKED_AT: Final = 1000
ALONE, OF_TWO = "order_repair", "order_repair_of_two"
"""The sagas by which an order is repaired: without, and with a second person."""


class Sweep(Command, frozen=True, tag="mismatches.sweep"):
    """Look at orders: what is wrong with them is written down, what no longer is is ended.

    `orders`: their refs, at most 1000; `mismatches.unlike` lists those that are worth a look.
    """

    orders: list[str]


class DismissMismatch(Command, frozen=True, tag="mismatches.dismiss"):
    """Say that a mismatch may stay as it is. It is not found again unless more is at risk."""

    mismatch: str
    reason: str


class RepairMismatch(Command, frozen=True, tag="mismatches.repair"):
    """Repair all that is wrong with an order and not dismissed. As a dry run it tells the plan."""

    order: str
    reason: str


@VERBS.handles(Sweep, roles=("admin", "finance", "service"))
def sweep(book: Book, command: Sweep) -> Swept:
    """Errors: `OrderNotFound`; `Invalid` for more than 1000 orders."""
    if len(command.orders) > _MOST_LOOKED_AT:
        raise Invalid(
            f"At most {_MOST_LOOKED_AT} orders are looked at in one go.",
            expected=_MOST_LOOKED_AT,
            got=len(command.orders),
        )
    refs = list(dict.fromkeys(command.orders))
    _foresee(book, refs)
    opened, ended = [], []
    for ref in refs:
        looked = look(book, order_of(book, ref), by_sweep=True)
        opened += looked.opened
        ended += looked.ended
    return Swept(
        len(refs),
        [showing.mismatch_state(item, book.now) for item in opened],
        [showing.mismatch_state(item, book.now) for item in ended],
    )


def _foresee(book: Book, refs: list[str]) -> None:
    """Have all that standings are made of loaded at once: without it, it is one by one."""
    book.expect(((Order, ref) for ref in refs), ((Mismatch, "watched", ref) for ref in refs))
    found = [order for ref in refs if (order := book.peek(Order, ref))]
    held = [(Hold, order.hold) for order in found if order.hold]
    kept = [(Escrow, order.escrow) for order in found if order.escrow]
    book.expect([*held, *kept], ((Allocation, "open_subject", order.subject) for order in found))
    holds = [hold for key in held if (hold := book.peek(*key))]
    runs = [(SagaRun, saga) for key in kept if (saga := book.get(*key).saga)]
    book.expect([*((Account, hold.account_id) for hold in holds), *runs])


@VERBS.handles(DismissMismatch, roles=("admin", "finance"))
def dismiss(book: Book, command: DismissMismatch) -> MismatchState:
    """Errors: `MismatchNotFound`, `InvalidTransition` when it ended, `Invalid` reason;
    `ApprovalRequired` when more than the limit is at risk.
    """
    check_reason(command.reason)
    mismatch = book.peek(Mismatch, command.mismatch)
    if mismatch is None:
        raise MismatchNotFound(f"No mismatch {command.mismatch[:60]!r}.", got=command.mismatch[:60])
    if mismatch.status != "open":
        raise InvalidTransition(
            f"{mismatch.id} is {mismatch.status}.", expected="open", got=mismatch.status
        )
    check_four_eyes(book, _limited_by(book, mismatch.order, mismatch.unit), mismatch.at_risk)
    mismatch = book.change(
        mismatch,
        status="dismissed",
        ended_at=book.now,
        ended_by=str(book.actor),
        reason=command.reason,
    )
    return showing.mismatch_state(mismatch, book.now)


@VERBS.handles(RepairMismatch, roles=("admin", "finance", "service"))
def repair(book: Book, command: RepairMismatch) -> RepairState:
    """Errors: `OrderNotFound`, `Invalid` reason; `RepairRefused` with `reason` `nothing_found` or
    `under_way`; `InsufficientFunds`, `AccountFrozen`, `AccountClosed` when the wallet cannot pay
    its part.
    """
    check_reason(command.reason)
    order = order_of(book, command.order)
    going = repair_of(book, order.ref)
    if going is not None:
        raise RepairRefused(
            f"{going.id} is at {order.ref} already.", reason="under_way", got=going.id
        )
    plan = current_plan(book, order)
    if not plan.actions:
        raise RepairRefused(f"Nothing is wrong with {order.ref}.", reason="nothing_found", got=[])
    wallet = _payer(book, order, plan)
    of_two = _takes_two(book, order, plan.moved)
    name = book.new_id("rep")
    saga = start(
        book,
        OF_TWO if of_two else ALONE,
        {"repair": name},
        reference=order.ref,
        amount=Money(to_text(plan.moved, order.exponent), order.unit) if plan.moved else None,
    )
    before = None if wallet is None else wallet.available
    kept = Repair(
        id=name,
        order=order.ref,
        under_way=order.ref,
        status="waiting",
        saga=saga,
        asked_by=str(book.actor),
        reason=command.reason,
        needs_approval=of_two,
        approved_by=None,
        unit=order.unit,
        exponent=order.exponent,
        kinds=plan.kinds,
        actions=plan.actions,
        before=plan.before,
        after=plan.after,
        wallet=order.wallet,
        wallet_before=before,
        wallet_after=None if before is None else before - plan.from_wallet,
        moved=plan.moved,
        entries=[],
        code=None,
        message=None,
        asked_at=book.now,
        ended_at=None,
    )
    return showing.repair_state(book.add(kept))


def order_of(book: Book, ref: str) -> Order:
    """An order. Errors: `OrderNotFound`."""
    order = book.peek(Order, ref)
    if order is None:
        raise OrderNotFound(f"No order {ref[:60]!r}.", got=ref[:60])
    return order


def current_plan(book: Book, order: Order) -> Plan:
    """The repair of an order as it stands now, for all that nobody dismissed."""
    still = {item.kind for item in look(book, order).open}
    standing = orders.standing_of(book, order)
    founds = founds_of(book, standing)
    return plan_of(standing, [item for item in founds if item.kind in still])


def wallet_of(book: Book, order: Order) -> Account | None:
    """The account of the customer's wallet, where the order has one."""
    return None if order.wallet is None else account_of(book, order.wallet)


def _payer(book: Book, order: Order, plan: Plan) -> Account | None:
    """The wallet, which has what it is to pay. Errors: see `repair`."""
    wallet = wallet_of(book, order)
    if plan.from_wallet:
        if wallet is None:
            raise RepairRefused(
                f"{order.ref} names no wallet that could pay.", reason="no_wallet", got=None
            )
        limits.check_status(wallet)
        limits.check_headroom(wallet, plan.from_wallet)
    return wallet


def _takes_two(book: Book, order: Order, minor: int) -> bool:
    """Whether who asks must not do so alone: above the book's limit a second person agrees."""
    try:
        check_four_eyes(book, _limited_by(book, order.ref, order.unit), minor)
    except ApprovalRequired:
        return True
    return False


def _limited_by(book: Book, ref: str, unit: str) -> Account:
    return house_account(book, f"escrow/order/{ref}", unit)
