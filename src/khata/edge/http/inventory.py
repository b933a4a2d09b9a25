"""The operations of stock, of investments, and of the books of the house."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from khata.base.paging import Page
from khata.domain import inventory, ledger
from khata.domain.inventory import (
    AdjustStock,
    AllocateStock,
    AllocationState,
    CancelInvestment,
    ChangeItem,
    DefineItem,
    GiveBackStock,
    Holding,
    InvestmentState,
    LotState,
    ReceiveStock,
    StartInvestment,
    StockDifference,
    StockItemState,
)
from khata.edge.http.operation import Operation
from khata.edge.http.reads import Moment, Nothing, Paged, own, read
from khata.edge.http.threads import Threads
from khata.edge.http.write import write
from khata.engine.database import View
from khata.settings import Settings

_PRICE: Final = {"amount": "50.00", "currency": "BDT"}
_COST: Final = {"amount": "300.00", "currency": "BDT"}
_CAME: Final = {"amount": "200.00", "currency": "BDT"}
_S: Final = "/v1/stock/{sku}"
_A: Final = "/v1/stock-allocations"
_I: Final = "/v1/investments"


class ItemsAsked(Paged, frozen=True, kw_only=True):
    """Each filter is an equality. `kind`: product, share. `status`: active, retired."""

    kind: str | None = None
    status: str | None = None


class LotsAsked(Paged, frozen=True, kw_only=True):
    """`open_only`: those of which pieces remain."""

    open_only: bool = False


class AllocationsAsked(Paged, frozen=True, kw_only=True):
    """Each filter is an equality. `status`: allocated, returned."""

    sku: str | None = None
    subject: str | None = None
    owner: str | None = None
    status: str | None = None


class InvestmentsAsked(Paged, frozen=True, kw_only=True):
    """Each filter is an equality. `status`: started, completed, failed, cancelled."""

    owner: str | None = None
    sku: str | None = None
    status: str | None = None


class HoldingsAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`owner`: whose; an owner's own when left out."""

    owner: str | None = None


def check(view: View) -> Page[StockDifference]:
    """All of them."""
    return Page(inventory.check(view))


def holdings(view: View, owner: str | None = None) -> Page[Holding]:
    """All of them."""
    return Page(inventory.holdings(view, own(view, owner)))


def admin_books(view: View, **asked: Any) -> Page[ledger.Books]:
    """Of every currency."""
    return Page(ledger.books(view, **asked))


# method, path, command, operation id, tag, status, body that works
_WRITES: Final[tuple[tuple[str, str, Any, str, str, int, Any], ...]] = (
    ("POST", "/v1/stock", DefineItem, "defineItem", "stock", 201,
     {"sku": "SHARE-A", "title": "Shares, class A", "price": _PRICE, "item_kind": "share"}),
    ("PATCH", _S, ChangeItem, "changeItem", "stock", 200, {"price": _PRICE}),
    ("POST", f"{_S}/lots", ReceiveStock, "receiveStock", "stock", 201,
     {"quantity": 10, "cost": _COST, "paid_from": "payable/suppliers", "supplier": "Finlay",
      "reference": "invoice 7"}),
    ("POST", f"{_S}/allocations", AllocateStock, "allocateStock", "stock", 201,
     {"quantity": 2, "subject": "order/M1001", "owner": "alice"}),
    ("POST", f"{_S}/adjustments", AdjustStock, "adjustStock", "stock", 200,
     {"lot": 1, "by": -1, "reason": "Counted."}),
    ("POST", f"{_A}/{{allocation}}/returns", GiveBackStock, "giveStockBack", "stock", 200,
     {"reason": "One too many.", "quantity": 1}),
    ("POST", _I, StartInvestment, "startInvestment", "investments", 201,
     {"reference": "I1001", "wallet": "alice/personal/BDT", "sku": "SHARE-A", "quantity": 4,
      "codes": ["EID-2026"], "received": _CAME, "evidence": "Bank slip 7."}),
    ("POST", f"{_I}/{{investment}}/cancel", CancelInvestment, "cancelInvestment", "investments",
     200, {"reason": "Within the first week."}),
)  # fmt: skip

# path, query, parameters, what it gives, operation id, tag, summary
_READS: Final[tuple[tuple[str, Any, Any, Any, str, str, str], ...]] = (
    ("/v1/stock", inventory.items, ItemsAsked, Page[StockItemState], "listItems", "stock",
     "What is kept in stock, by SKU"),
    (_S, inventory.item, Nothing, StockItemState, "getItem", "stock", "One item"),
    (f"{_S}/lots", inventory.lots, LotsAsked, Page[LotState], "listLots", "stock",
     "The lots of an item, in the order in which they are taken"),
    (_A, inventory.allocations, AllocationsAsked, Page[AllocationState], "listAllocations",
     "stock", "What went out of stock, newest first"),
    (f"{_A}/{{allocation}}", inventory.allocation, Nothing, AllocationState, "getAllocation",
     "stock", "One allocation"),
    ("/v1/stock-check", check, Nothing, Page[StockDifference], "checkStock", "stock",
     "Where items, lots, allocations and accounts differ: nowhere, when all is well"),
    (_I, inventory.investments, InvestmentsAsked, Page[InvestmentState], "listInvestments",
     "investments", "Investments, newest first"),
    (f"{_I}/{{investment}}", inventory.investment, Nothing, InvestmentState, "getInvestment",
     "investments", "One investment"),
    ("/v1/holdings", holdings, HoldingsAsked, Page[Holding], "listHoldings", "investments",
     "The shares that an owner has, and what was paid for them"),
    ("/v1/admin-books", admin_books, Moment, Page[ledger.Books], "getAdminBooks", "ledger",
     "What the house has, owes and earned, by currency, now or as of any past instant"),
)  # fmt: skip


def stock_operations(settings: Settings, threads: Threads) -> list[Operation]:
    """All of them: owners invest what is theirs and see it, the rest is for staff and services."""
    writes = [
        write(settings, method, path, command, name=name, tag=tag, status=status, example=example)
        for method, path, command, name, tag, status, example in _WRITES
    ]
    return [*writes, *(read(threads, *row) for row in _READS)]
