"""How orders move: functions of values, and the table of all moves as data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from khata.base.clock import iso_or_none, to_iso
from khata.base.money import to_text
from khata.domain.orders.model import (
    Axis,
    Finance,
    LineState,
    Logistics,
    Order,
    OrderChange,
    OrderChangeView,
    OrderPolicy,
    OrderState,
    Receipt,
    ReceiptState,
    Status,
    Warehouse,
)
from khata.errors import Invalid, InvalidTransition, RoleRequired

AWAITING: Final = frozenset({"unpaid", "bank_transfer_grace", "wallet_partial", "receipt_uploaded"})
"""Finance states in which money is still to come."""
FUNDED: Final = ("paid", "partially_refunded")
"""Finance states in which the order's money is there."""
OVER: Final = frozenset({"delivered", "cancelled", "refunded"})
"""What customers see of orders with which nothing is to be done any more."""
ORDERS: Final = "orders"
"""The setting that holds the policy."""

_HOUR, _DAY = 3600, 86_400
MOST_DAYS: Final = 400
DEFAULT: Final = OrderPolicy(
    grace_days=3,
    retry_days=0,
    release_days=7,
    sla={
        "finance.receipt_uploaded": _DAY,
        "warehouse.waiting": _DAY,
        "warehouse.ready": _DAY,
        "logistics.waiting": 12 * _HOUR,
        "logistics.dispatched": 5 * _DAY,
        "logistics.returned": 2 * _DAY,
    },
)
"""The policy of a book that has set none."""


# ── what the customer sees ───────────────────────────────────────────────────────────


def status_of(finance: Finance, warehouse: Warehouse, logistics: Logistics) -> Status:
    """What the customer sees of an order that stands so: one status for each of all cases.

    What is called off is `cancelled`, though its money went back; else what went back wholly is
    `refunded`. Then the goods tell, and as long as they have not moved, the money.
    """
    if "cancelled" in (finance, logistics) or warehouse == "cancelled":
        return "cancelled"
    if finance == "refunded":
        return "refunded"
    if logistics != "waiting":
        return logistics
    if warehouse == "restocked":
        return "returned"
    if finance in FUNDED:
        return "preparing" if warehouse in {"ready", "picked"} else "confirmed"
    return "in_review" if finance == "receipt_uploaded" else "pending"


# ── the moves ────────────────────────────────────────────────────────────────────────


class Transition(msgspec.Struct, frozen=True):
    """One move of one axis. `roles`: who may ask for it. `needs`: how the other axes must stand.

    `by`: the commands that do it; what only Khata itself does has none.
    """

    axis: Axis
    before: str
    after: str
    roles: tuple[str, ...]
    by: tuple[str, ...]
    needs: tuple[tuple[str, tuple[str, ...]], ...] = ()


_MONEY: Final = ("admin", "finance", "service")
_PAYS: Final = ("owner", *_MONEY)
_SHOWS: Final = ("owner", "admin", "finance", "support", "service")
_STORES: Final = ("admin", "warehouse", "service")
_CARRIES: Final = ("admin", "logistics", "service")
_CALLS_OFF: Final = ("owner", "admin", "finance", "support", "service")
_PAY, _UPLOAD = ("orders.place", "orders.pay"), ("orders.upload_receipt",)
_APPROVE, _REJECT = ("orders.approve_payment",), ("orders.reject_payment",)
_CANCEL, _REFUND, _MOVE = ("orders.cancel",), ("orders.refund",), ("orders.move",)
_NOT_OUT: Final = (("logistics", ("waiting", "dispatched")),)


def _rows(
    axis: Axis,
    befores: Iterable[str],
    after: str,
    roles: tuple[str, ...],
    by: tuple[str, ...],
    needs: tuple[tuple[str, tuple[str, ...]], ...] = (),
) -> Iterable[Transition]:
    return [Transition(axis, before, after, roles, by, needs) for before in befores]


_WAITING: Final = ("bank_transfer_grace", "wallet_partial")

TRANSITIONS: Final[tuple[Transition, ...]] = (
    *_rows("finance", ("unpaid",), "bank_transfer_grace", _PAYS, _PAY),
    *_rows("finance", ("unpaid",), "wallet_partial", _PAYS, _PAY),
    *_rows("finance", ("unpaid",), "paid", _PAYS, _PAY),
    *_rows("finance", _WAITING, "receipt_uploaded", _SHOWS, _UPLOAD),
    *_rows("finance", (*_WAITING, "receipt_uploaded"), "paid", _MONEY, _APPROVE),
    *_rows(
        "finance",
        ("receipt_uploaded",),
        "bank_transfer_grace",
        _MONEY,
        (*_APPROVE, *_REJECT),
    ),
    *_rows("finance", ("receipt_uploaded",), "wallet_partial", _MONEY, (*_APPROVE, *_REJECT)),
    *_rows("finance", ("receipt_uploaded",), "cancelled", _MONEY, (*_REJECT, *_CANCEL), _NOT_OUT),
    *_rows("finance", ("unpaid", *_WAITING), "cancelled", _CALLS_OFF, _CANCEL, _NOT_OUT),
    *_rows("finance", FUNDED, "refunded", _CALLS_OFF, (*_CANCEL, *_REFUND)),
    *_rows("finance", ("paid",), "partially_refunded", _MONEY, _REFUND),
    *_rows("warehouse", ("waiting",), "ready", _STORES, _MOVE, (("finance", FUNDED),)),
    *_rows("warehouse", ("ready",), "picked", _STORES, _MOVE, (("finance", FUNDED),)),
    *_rows("warehouse", ("waiting", "ready", "picked"), "cancelled", _CALLS_OFF, _CANCEL),
    *_rows("warehouse", ("picked",), "restocked", _STORES, _MOVE, (("logistics", ("returned",)),)),
    *_rows(
        "logistics",
        ("waiting",),
        "dispatched",
        _CARRIES,
        _MOVE,
        (("warehouse", ("picked",)), ("finance", FUNDED)),
    ),
    *_rows("logistics", ("dispatched",), "delivered", _CARRIES, _MOVE),
    *_rows("logistics", ("dispatched", "delivered"), "returned", _CARRIES, _MOVE),
    *_rows("logistics", ("waiting", "dispatched"), "cancelled", _CALLS_OFF, _CANCEL),
)
"""Every move that there is. What is not here does not happen."""

_TABLE: Final[dict[tuple[str, str, str], Transition]] = {
    (row.axis, row.before, row.after): row for row in TRANSITIONS
}
STATES: Final[dict[str, tuple[str, ...]]] = {
    "finance": Finance.__args__,  # type: ignore[attr-defined]
    "warehouse": Warehouse.__args__,  # type: ignore[attr-defined]
    "logistics": Logistics.__args__,  # type: ignore[attr-defined]
}
"""The states of each axis."""


def check_transition(
    axis: str, before: str, after: str, roles: Iterable[str], by: str | None = None
) -> Transition:
    """The row of the table by which an axis moves.

    `roles`: of who asks. `by`: the command that asks, where the table says which may.

    Errors: `InvalidTransition` for a move that there is not (`expected`: those that there are);
    `RoleRequired`.
    """
    row = _TABLE.get((axis, before, after))
    if row is None or (by is not None and by not in row.by):
        raise InvalidTransition(
            f"{axis} does not go from {before} to {after[:40]}" + (f" by {by}." if by else "."),
            expected=nexts(axis, before, by),
            got=after[:40],
        )
    if not set(row.roles) & set(roles):
        raise RoleRequired(
            f"To move {axis} from {before} to {after} is not for {'+'.join(sorted(roles))}.",
            expected=sorted(row.roles),
            got=sorted(roles),
        )
    return row


def check_needs(row: Transition, order: Order) -> None:
    """Whether the other axes stand as a move needs it. Errors: `InvalidTransition`."""
    for axis, states in row.needs:
        stands = getattr(order, axis)
        if stands not in states:
            raise InvalidTransition(
                f"{order.ref} cannot be {row.after}: {axis} is {stands}.",
                expected=list(states),
                got=stands,
                axis=axis,
            )


def nexts(axis: str, before: str, by: str | None = None) -> list[str]:
    """Where an axis can go from there, by a command or at all."""
    return [
        row.after
        for row in TRANSITIONS
        if row.axis == axis and row.before == before and (by is None or by in row.by)
    ]


def path(axis: str, before: str, after: str) -> list[str]:
    """The states through which an axis comes from one to another, the last included; the shortest
    way by moves of goods. Empty when it stands there already.

    Errors: `InvalidTransition` when there is no way.
    """
    ways: dict[str, list[str]] = {before: []}
    todo = [before]
    while todo and after not in ways:
        here = todo.pop(0)
        for there in nexts(axis, here, "orders.move"):
            if there not in ways:
                ways[there] = [*ways[here], there]
                todo.append(there)
    if after not in ways:
        raise InvalidTransition(
            f"{axis} does not come from {before} to {after[:40]}.",
            expected=nexts(axis, before, "orders.move"),
            got=after[:40],
        )
    return ways[after]


# ── policy ───────────────────────────────────────────────────────────────────────────


def policy(value: Mapping[str, Any]) -> OrderPolicy:
    """The policy that a setting says; what it leaves out is as by default. Errors: `Invalid`."""
    try:
        kept = msgspec.convert({**msgspec.structs.asdict(DEFAULT), **value, "sla": {}}, OrderPolicy)
        sla = msgspec.convert(value.get("sla", {}), dict[str, int])
    except msgspec.ValidationError as error:
        raise Invalid(f"That is no policy of orders: {error}.", got=str(value)[:200]) from None
    for name in ("grace_days", "retry_days", "release_days"):
        check_days(name, getattr(kept, name))
    for name, seconds in sla.items():
        axis, _, state = name.partition(".")
        if state not in STATES.get(axis, ()) or not 0 < seconds <= MOST_DAYS * _DAY:
            raise Invalid(
                "An SLA is so many seconds, up to 400 days, for a state of an axis.",
                expected="such as finance.receipt_uploaded: 86400",
                got=f"{name[:60]}: {seconds}",
            )
    return msgspec.structs.replace(kept, sla={**DEFAULT.sla, **sla})


def check_days(name: str, days: int) -> None:
    """A number of days. Errors: `Invalid`."""
    if not 0 <= days <= MOST_DAYS:
        raise Invalid(f"{name} is 0 to 400 days.", expected="0 to 400", got=str(days)[:40])


def allowed(kept: OrderPolicy, axis: str, state: str) -> int | None:
    """For how many seconds an axis may stand so; None is as long as it likes."""
    return kept.sla.get(f"{axis}.{state}")


# ── money ────────────────────────────────────────────────────────────────────────────


def due_by_bank(order: Order) -> int:
    """What the bank transfer has still to bring, in minor units."""
    if order.finance not in AWAITING:
        return 0
    by_wallet = max(order.wallet_part - order.wallet_taken, 0)
    return max(lacking(order) - by_wallet, 0)


def left_of(order: Order) -> int:
    """What came for an order and did not go back, in minor units: what lies in its escrow, or was
    paid out of it.
    """
    return max(order.captured - order.refunded + order.reclaimed, 0)


def lacking(order: Order) -> int:
    """What has still to come by whatever way. Of an order from elsewhere some may have come before
    it was paid, and gone back.
    """
    return max(order.total - left_of(order), 0)


def is_open(finance: Finance, warehouse: Warehouse, logistics: Logistics) -> bool:
    """Whether something is still to be done with an order that stands so."""
    return status_of(finance, warehouse, logistics) not in OVER


# ── showing ──────────────────────────────────────────────────────────────────────────


def state_of(order: Order) -> OrderState:
    """The order as its caller is told of it."""
    places = order.exponent
    return OrderState(
        ref=order.ref,
        status=order.shown,
        finance=order.finance,
        warehouse=order.warehouse,
        logistics=order.logistics,
        customer=order.customer,
        seller=order.seller,
        wallet=order.wallet,
        title=order.title,
        currency=order.unit,
        total=to_text(order.total, places),
        wallet_part=to_text(order.wallet_part, places),
        captured=to_text(order.captured, places),
        refunded=to_text(order.refunded, places),
        due=to_text(due_by_bank(order), places),
        lines=[
            LineState(
                line.title,
                line.quantity,
                to_text(line.price, places),
                to_text(line.price * line.quantity, places),
                line.sku,
                line.allocation,
            )
            for line in order.lines
        ],
        hold=order.hold,
        receipt=order.receipt,
        escrow=order.escrow,
        release_on=order.on,
        release_days=order.days,
        adopted=order.adopted,
        reason=order.reason,
        saga=order.saga,
        entries=order.entries,
        placed_at=to_iso(order.placed_at),
        finance_since=to_iso(order.finance_since),
        warehouse_since=to_iso(order.warehouse_since),
        logistics_since=to_iso(order.logistics_since),
        grace_ends_at=iso_or_none(order.grace_ends_at),
        paid_at=iso_or_none(order.paid_at),
        delivered_at=iso_or_none(order.delivered_at),
        ended_at=iso_or_none(order.ended_at),
    )


def receipt_state(receipt: Receipt) -> ReceiptState:
    """The receipt as its caller is told of it."""
    return ReceiptState(
        receipt.id,
        receipt.order,
        receipt.status,
        receipt.sha256,
        receipt.media,
        receipt.size,
        receipt.name,
        receipt.by,
        receipt.reason,
        to_iso(receipt.uploaded_at),
        receipt.decided_by,
        iso_or_none(receipt.decided_at),
    )


def change_view(change: OrderChange) -> OrderChangeView:
    """A line of the history as callers are told of it."""
    return OrderChangeView(
        change.seq,
        change.axis,
        change.before,
        change.after,
        change.by,
        change.reason,
        to_iso(change.at),
    )
