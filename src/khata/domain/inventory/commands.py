"""Stock: what can be asked. Items are defined, received in lots, allocated, given back, counted."""

from __future__ import annotations

from typing import Final

from khata.base.money import Money, to_positive_minor
from khata.domain.inventory import stocking
from khata.domain.inventory.model import (
    INVESTED,
    AllocationState,
    Item,
    ItemKind,
    ItemStatus,
    Lot,
    LotState,
    StockItemState,
    inventory_code,
)
from khata.domain.inventory.rules import allocation_state, item_state, lot_state
from khata.domain.ledger import check_four_eyes, check_reason, enter, house_account
from khata.domain.setup import exponent_of, source_of
from khata.engine.book import Book
from khata.engine.command import Command, Verbs
from khata.errors import CurrencyMismatch, Invalid, InvalidTransition

VERBS: Final = Verbs()
PAID_FROM: Final = frozenset({"cash", "bank", "payable", "clearing", "liability", "equity"})
"""First words of accounts that stock can be paid from, or be owed to."""
_MOST_TEXT: Final = 200


class DefineItem(Command, frozen=True, tag="inventory.define_item", omit_defaults=True):
    """Say what is to be kept in stock. `price`: what a piece is sold for, in the item's currency.

    `item_kind`: `share` for what owners invest in.
    """

    sku: str
    title: str
    price: Money
    item_kind: ItemKind = "product"


class ChangeItem(Command, frozen=True, tag="inventory.change_item", omit_defaults=True):
    """Change an item's title, price or status; what is left out stays.

    A `retired` item is neither received nor allocated; what went out can still come back.
    """

    sku: str
    title: str | None = None
    price: Money | None = None
    status: ItemStatus | None = None


class ReceiveStock(Command, frozen=True, tag="inventory.receive", omit_defaults=True):
    """Take a lot into stock. `cost`: what all of it cost.

    `paid_from`: the account that it was paid from, or that it is owed to: `payable/suppliers`.
    """

    sku: str
    quantity: int
    cost: Money
    paid_from: str = "cash/main"
    supplier: str | None = None
    reference: str | None = None


class AllocateStock(Command, frozen=True, tag="inventory.allocate", omit_defaults=True):
    """Take pieces out of stock, out of the oldest lots first, for a subject such as `order/M1`."""

    sku: str
    quantity: int
    subject: str
    owner: str | None = None


class GiveBackStock(Command, frozen=True, tag="inventory.give_back", omit_defaults=True):
    """Put pieces of an allocation back into the lots that they came from.

    `quantity`: left out, all that are left. Those that were taken last come back first.
    """

    allocation: str
    reason: str
    quantity: int | None = None


class AdjustStock(Command, frozen=True, tag="inventory.adjust"):
    """Correct a lot after counting. `by`: below zero so many were lost, above it found again."""

    sku: str
    lot: int
    by: int
    reason: str


@VERBS.handles(DefineItem, roles=("admin", "warehouse", "service"))
def define_item(book: Book, command: DefineItem) -> StockItemState:
    """Errors: `Invalid`, `AlreadyExists`, `UnknownCurrency`, those of an amount."""
    stocking.check_sku(command.sku)
    places = exponent_of(book, command.price.currency)
    item = Item(
        sku=command.sku,
        title=_title(command.title),
        kind=command.item_kind,
        unit=command.price.currency,
        exponent=places,
        price=to_positive_minor(command.price.amount, places),
        status="active",
        lots=0,
        received=0,
        remaining=0,
        allocated=0,
        lost=0,
        cost=0,
        created_at=book.now,
    )
    return item_state(book.add(item))


@VERBS.handles(ChangeItem, roles=("admin", "warehouse", "service"))
def change_item(book: Book, command: ChangeItem) -> StockItemState:
    """Errors: `StockNotFound`, `Invalid`, `CurrencyMismatch`, those of an amount;
    `ApprovalRequired` for another price of shares in stock that had cost more than the limit.
    """
    item = stocking.item_of(book, command.sku)
    if command.title is None and command.price is None and command.status is None:
        raise Invalid("Say what is to change.", expected="title, price or status", got=None)
    if command.title is not None:
        item = book.change(item, title=_title(command.title))
    if command.price is not None:
        if item.kind == "share" and item.cost:
            # owners buy them at once at whatever price it is: cheap shares are money given away
            _check_cost(book, item.sku, item.unit, item.cost)
        item = book.change(item, price=_minor(book, item, command.price))
    if command.status is not None:
        item = book.change(item, status=command.status)
    return item_state(item)


@VERBS.handles(ReceiveStock, roles=("admin", "finance", "warehouse", "service"))
def receive(book: Book, command: ReceiveStock) -> LotState:
    """Errors: `StockNotFound`, `InvalidTransition` for a retired item, `Invalid`,
    `CurrencyMismatch`, those of an amount; `ApprovalRequired`.
    """
    for name, text in (("supplier", command.supplier), ("reference", command.reference)):
        if text is not None and not 0 < len(text.strip()) <= len(text) <= _MOST_TEXT:
            raise Invalid(f"A {name} has 1 to 200 characters.", got=text[:60])
    stocking.check_pieces(command.quantity)
    item = stocking.active_item(book, command.sku)
    cost = _minor(book, item, command.cost)
    account = house_account(book, inventory_code(item.sku), item.unit)
    check_four_eyes(book, account, cost)
    payer = house_account(book, check_payer(command.paid_from), item.unit)
    moved = enter(
        book,
        ((account.id, cost), (payer.id, -cost)),
        type="receipt",
        source=source_of(book, "stock"),
        reference=command.reference,
    )
    lot = Lot(
        sku=item.sku,
        number=item.lots + 1,
        open_sku=item.sku,
        received=command.quantity,
        remaining=command.quantity,
        allocated=0,
        lost=0,
        unit=item.unit,
        exponent=item.exponent,
        cost=cost,
        cost_left=cost,
        even_cost=cost,
        even_pieces=command.quantity,
        even_taken=0,
        lost_cost=0,
        paid_from=payer.code,
        supplier=command.supplier,
        reference=command.reference,
        entry=moved.id,
        received_at=book.now,
    )
    return lot_state(stocking.add_lot(book, item, lot))


@VERBS.handles(AllocateStock, roles=("admin", "warehouse", "service"))
def allocate(book: Book, command: AllocateStock) -> AllocationState:
    """Errors: those of `stocking.allocate`; `InvalidTransition` for an investment, which takes
    its own shares; `ApprovalRequired`.
    """
    _check_not_invested(command.subject)
    allocation = stocking.allocate(
        book, command.sku, command.quantity, command.subject, command.owner
    )
    _check_cost(book, allocation.sku, allocation.unit, allocation.cost)
    return allocation_state(allocation)


@VERBS.handles(GiveBackStock, roles=("admin", "warehouse", "service"))
def give_back(book: Book, command: GiveBackStock) -> AllocationState:
    """Errors: those of `stocking.give_back`; `InvalidTransition` for an investment's, which goes
    back with its money; `Invalid` reason; `ApprovalRequired`.
    """
    check_reason(command.reason)
    before = stocking.allocation_of(book, command.allocation)
    _check_not_invested(before.subject)
    after = stocking.give_back(book, command.allocation, command.quantity)
    _check_cost(book, after.sku, after.unit, after.cost_back - before.cost_back)
    return allocation_state(after)


@VERBS.handles(AdjustStock, roles=("admin", "warehouse", "service"))
def adjust(book: Book, command: AdjustStock) -> LotState:
    """Errors: `StockNotFound`, those of `stocking.adjust`, `Invalid` reason, `ApprovalRequired`."""
    check_reason(command.reason)
    lot = stocking.lot_of(book, command.sku, command.lot)
    lot, cost = stocking.adjust(book, lot, command.by)
    _check_cost(book, lot.sku, lot.unit, cost)
    return lot_state(lot)


def check_payer(code: str) -> str:
    """A house account that money for stock or shares can come from. Errors: `Invalid`."""
    if code.partition("/")[0] not in PAID_FROM:
        raise Invalid(
            "That is no account to pay from.",
            expected=f"a path that begins with one of {', '.join(sorted(PAID_FROM))}",
            got=code[:60],
        )
    return code


def _check_not_invested(subject: str) -> None:
    if subject.startswith(INVESTED):
        raise InvalidTransition(
            "Shares of an investment come and go with its money.",
            expected="start an investment, or cancel it",
            got=subject[:200],
        )


def _check_cost(book: Book, sku: str, unit: str, cost: int) -> None:
    """Stock is worth money: above the book's limit staff need a second person for it as well."""
    check_four_eyes(book, house_account(book, inventory_code(sku), unit), cost)


def _minor(book: Book, item: Item, amount: Money) -> int:
    if amount.currency != item.unit:
        exponent_of(book, amount.currency)
        raise CurrencyMismatch(
            f"{item.sku} is in {item.unit}, the amount in {amount.currency}.",
            expected=item.unit,
            got=amount.currency,
        )
    return to_positive_minor(amount.amount, item.exponent)


def _title(text: str) -> str:
    if not text.strip() or len(text) > _MOST_TEXT:
        raise Invalid("A title has 1 to 200 characters.", expected="1 to 200", got=text[:60])
    return text
