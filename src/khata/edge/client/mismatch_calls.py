"""Calls about mismatches of orders and their repair."""

from __future__ import annotations

from khata.base.paging import Page
from khata.domain.mismatches import MismatchState, RepairState, Swept, Unlike
from khata.edge.client.answers import Receipt
from khata.edge.client.call import Call, asked, path_of, write


def mismatch(name: str) -> Call[MismatchState]:
    """One mismatch."""
    return Call("GET", path_of("mismatches", name), MismatchState)


def mismatches(
    *,
    order: str | None = None,
    kind: str | None = None,
    status: str | None = None,
    limit: int = 100,
) -> Call[Page[MismatchState]]:
    """What is, or was, wrong with orders, newest first; each filter is an equality."""
    query = {"order": order, "kind": kind, "status": status, "limit": limit}
    return Call("GET", path_of("mismatches"), Page[MismatchState], asked(query))


def unlike_orders(*, cursor: str | None = None, limit: int = 200) -> Call[Unlike]:
    """Orders of which something else is found than is written down, for `sweep_orders`."""
    return Call(
        "GET", path_of("mismatch-sweeps"), Unlike, asked({"cursor": cursor, "limit": limit})
    )


def sweep_orders(orders: list[str], *, key: str | None = None) -> Call[Receipt[Swept]]:
    """Look at these orders: what is wrong with them is written down."""
    return write(Receipt[Swept], path_of("mismatch-sweeps"), {"orders": orders}, key)


def dismiss_mismatch(
    name: str, reason: str, *, key: str | None = None
) -> Call[Receipt[MismatchState]]:
    """Say that a mismatch may stay as it is."""
    path = path_of("mismatches", name, "dismiss")
    return write(Receipt[MismatchState], path, {"reason": reason}, key)


def repair_order(
    order: str, reason: str, *, key: str | None = None, dry_run: bool = False
) -> Call[Receipt[RepairState]]:
    """Repair all that is wrong with an order; as a dry run, tell the plan."""
    path = path_of("orders", order, "repair")
    return write(Receipt[RepairState], path, {"reason": reason}, key, dry_run=dry_run)


def repair(name: str) -> Call[RepairState]:
    """One repair: its plan, before and after, what it entered in the ledger."""
    return Call("GET", path_of("order-repairs", name), RepairState)


def repairs(
    *, order: str | None = None, status: str | None = None, limit: int = 100
) -> Call[Page[RepairState]]:
    """Repairs of orders, newest first; each filter is an equality."""
    query = {"order": order, "status": status, "limit": limit}
    return Call("GET", path_of("order-repairs"), Page[RepairState], asked(query))
