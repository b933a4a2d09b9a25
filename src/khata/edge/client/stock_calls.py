"""Calls about stock, investments and the books of the house."""

from __future__ import annotations

from collections.abc import Sequence

from khata.base.money import Money
from khata.base.paging import Page
from khata.domain.inventory import (
    AllocationState,
    Holding,
    InvestmentState,
    LotState,
    StockDifference,
    StockItemState,
)
from khata.domain.ledger import Books
from khata.edge.client.answers import Receipt
from khata.edge.client.call import Call, asked, path_of, write

# ── stock ────────────────────────────────────────────────────────────────────────────


def define_item(
    sku: str,
    title: str,
    price: Money,
    *,
    item_kind: str | None = None,
    key: str | None = None,
) -> Call[Receipt[StockItemState]]:
    """Say what is to be kept in stock; `item_kind`: `share` for what owners invest in."""
    body = {"sku": sku, "title": title, "price": price, "item_kind": item_kind}
    return write(Receipt[StockItemState], path_of("stock"), body, key)


def change_item(
    sku: str,
    *,
    title: str | None = None,
    price: Money | None = None,
    status: str | None = None,
    key: str | None = None,
) -> Call[Receipt[StockItemState]]:
    """Change an item's title, price or status: active, retired."""
    body = {"title": title, "price": price, "status": status}
    return write(Receipt[StockItemState], path_of("stock", sku), body, key, method="PATCH")


def stock_item(sku: str) -> Call[StockItemState]:
    """One item: what came, what remains, what it had cost."""
    return Call("GET", path_of("stock", sku), StockItemState)


def stock_items(
    *, kind: str | None = None, status: str | None = None, limit: int = 100
) -> Call[Page[StockItemState]]:
    """Items by SKU."""
    query = {"kind": kind, "status": status, "limit": limit}
    return Call("GET", path_of("stock"), Page[StockItemState], asked(query))


def receive_stock(
    sku: str,
    quantity: int,
    cost: Money,
    *,
    paid_from: str | None = None,
    supplier: str | None = None,
    reference: str | None = None,
    key: str | None = None,
    dry_run: bool = False,
) -> Call[Receipt[LotState]]:
    """Take a lot into stock. `cost`: of all of it; `paid_from`: `cash/main`, if left out."""
    body = {"quantity": quantity, "cost": cost, "paid_from": paid_from, "supplier": supplier,
            "reference": reference}  # fmt: skip
    return write(Receipt[LotState], path_of("stock", sku, "lots"), body, key, dry_run=dry_run)


def stock_lots(
    sku: str, *, open_only: bool | None = None, limit: int = 100
) -> Call[Page[LotState]]:
    """The lots of an item in the order in which they are taken."""
    query = {"open_only": open_only, "limit": limit}
    return Call("GET", path_of("stock", sku, "lots"), Page[LotState], asked(query))


def allocate_stock(
    sku: str,
    quantity: int,
    subject: str,
    *,
    owner: str | None = None,
    key: str | None = None,
    dry_run: bool = False,
) -> Call[Receipt[AllocationState]]:
    """Take pieces out of stock, out of the oldest lots first, for `subject`: `order/M1001`."""
    body = {"quantity": quantity, "subject": subject, "owner": owner}
    path = path_of("stock", sku, "allocations")
    return write(Receipt[AllocationState], path, body, key, dry_run=dry_run)


def give_stock_back(
    allocation: str,
    reason: str,
    *,
    quantity: int | None = None,
    key: str | None = None,
    dry_run: bool = False,
) -> Call[Receipt[AllocationState]]:
    """Put pieces back into the lots that they came from; without a quantity all that are left."""
    body = {"reason": reason, "quantity": quantity}
    path = path_of("stock-allocations", allocation, "returns")
    return write(Receipt[AllocationState], path, body, key, dry_run=dry_run)


def adjust_stock(
    sku: str, lot: int, by: int, reason: str, *, key: str | None = None, dry_run: bool = False
) -> Call[Receipt[LotState]]:
    """Correct a lot after counting: below zero so many were lost, above it found again."""
    body = {"lot": lot, "by": by, "reason": reason}
    path = path_of("stock", sku, "adjustments")
    return write(Receipt[LotState], path, body, key, dry_run=dry_run)


def stock_allocation(name: str) -> Call[AllocationState]:
    """One allocation."""
    return Call("GET", path_of("stock-allocations", name), AllocationState)


def stock_allocations(
    *,
    sku: str | None = None,
    subject: str | None = None,
    owner: str | None = None,
    status: str | None = None,
    limit: int = 100,
) -> Call[Page[AllocationState]]:
    """Allocations, newest first; each filter is an equality."""
    query = {"sku": sku, "subject": subject, "owner": owner, "status": status, "limit": limit}
    return Call("GET", path_of("stock-allocations"), Page[AllocationState], asked(query))


def check_stock() -> Call[Page[StockDifference]]:
    """Where items, lots, allocations and accounts differ: nowhere, when all is well."""
    return Call("GET", path_of("stock-check"), Page[StockDifference])


# ── investments ──────────────────────────────────────────────────────────────────────


def start_investment(
    reference: str,
    wallet: str,
    sku: str,
    quantity: int,
    *,
    codes: Sequence[str] | None = None,
    received: Money | None = None,
    paid_from: str | None = None,
    evidence: str | None = None,
    key: str | None = None,
    dry_run: bool = False,
) -> Call[Receipt[InvestmentState]]:
    """Buy shares for a wallet's owner. `received`: what came for it from outside, by `evidence`."""
    body = {"reference": reference, "wallet": wallet, "sku": sku, "quantity": quantity,
            "codes": None if codes is None else list(codes), "received": received,
            "paid_from": paid_from, "evidence": evidence}  # fmt: skip
    path = path_of("investments")
    return write(Receipt[InvestmentState], path, body, key, dry_run=dry_run)


def cancel_investment(
    name: str, reason: str, *, key: str | None = None, dry_run: bool = False
) -> Call[Receipt[InvestmentState]]:
    """Take a completed investment back: shares into their lots, money into the wallet."""
    path = path_of("investments", name, "cancel")
    return write(Receipt[InvestmentState], path, {"reason": reason}, key, dry_run=dry_run)


def investment(name: str) -> Call[InvestmentState]:
    """One investment."""
    return Call("GET", path_of("investments", name), InvestmentState)


def investments(
    *,
    owner: str | None = None,
    sku: str | None = None,
    status: str | None = None,
    limit: int = 100,
) -> Call[Page[InvestmentState]]:
    """Investments, newest first; each filter is an equality."""
    query = {"owner": owner, "sku": sku, "status": status, "limit": limit}
    return Call("GET", path_of("investments"), Page[InvestmentState], asked(query))


def holdings(owner: str | None = None) -> Call[Page[Holding]]:
    """The shares that an owner has, and what was paid for them; left out, one's own."""
    return Call("GET", path_of("holdings"), Page[Holding], asked({"owner": owner}))


# ── the books of the house ───────────────────────────────────────────────────────────


def admin_books(*, at: str | None = None) -> Call[Page[Books]]:
    """What the house has, owes and earned, by currency, now or as of any past instant."""
    return Call("GET", path_of("admin-books"), Page[Books], asked({"at": at}))
