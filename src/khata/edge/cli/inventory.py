"""`khata stock …`: what is kept in pieces, in which lots, and where it went."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from cyclopts import Parameter

from khata.base.money import Money
from khata.domain import inventory
from khata.domain.inventory import (
    AdjustStock,
    AllocateStock,
    AllocationState,
    ChangeItem,
    DefineItem,
    GiveBackStock,
    LotState,
    ReceiveStock,
    StockItemState,
)
from khata.edge.cli.exits import DONE, FAILED
from khata.edge.cli.moved import Amount, Reference
from khata.edge.cli.screen import dump, money, more, out, pairs, row, short, table
from khata.edge.cli.session import (
    HERE,
    SO,
    Cursor,
    How,
    Json,
    Limit,
    Reason,
    Where,
    carry_out,
    command,
    family,
    looking,
)
from khata.engine.database import View

app: Final = family("stock", "What is kept in pieces: lots, what remains, where it went.")
_Sku = Annotated[str, Parameter(help="The item, such as TEA-500G.")]
_Pieces = Annotated[int, Parameter(help="How many pieces.")]


@command(app, "list", "khata stock list", "khata stock list --kind share --json")
def list_(
    *,
    kind: Annotated[str | None, Parameter(help="product or share.")] = None,
    status: Annotated[str | None, Parameter(help="active or retired.")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
    json: Json = False,
    where: Where = HERE,
) -> int:
    """List what is kept in stock, by SKU."""
    with looking(where) as view:
        page = inventory.items(view, kind=kind, status=status, cursor=cursor, limit=limit)
    if json:
        for item in page.items:
            dump(item)
    else:
        made = table("sku", "title", "status", "price>", "received>", "remaining>", "cost>")
        for item in page.items:
            row(
                made,
                item.sku,
                item.title,
                item.status,
                money(item.price, item.currency),
                str(item.received),
                str(item.remaining),
                money(item.cost, item.currency),
            )
        out().print(made if page.items else "Nothing is kept in stock.")
    more(page.next)
    return 0


@command(app, "show", "khata stock show TEA-500G")
def show(sku: _Sku, *, json: Json = False, where: Where = HERE) -> int:
    """One item with the lots of which pieces remain."""
    with looking(where) as view:
        item = inventory.item(view, sku)
        page = inventory.lots(view, sku, open_only=True)
    if json:
        dump({"item": item, "lots": page.items})
        return 0
    _show_item(item)
    made = table("lot", "received>", "remaining>", "cost>", "cost left>", "paid from", "came")
    for lot in page.items:
        row(
            made,
            str(lot.number),
            str(lot.received),
            str(lot.remaining),
            money(lot.cost, lot.currency),
            money(lot.cost_left, lot.currency),
            lot.paid_from,
            short(lot.received_at),
        )
    out().print(made if page.items else "No lot has pieces left.")
    if page.next is not None:
        out().print("More lots have pieces left.")
    return 0


def _show_item(item: StockItemState) -> None:
    rows = [
        ("item", f"{item.sku}, {item.title}"),
        ("kind", f"{item.kind}, {item.status}"),
        ("price", money(item.price, item.currency)),
        ("received", str(item.received)),
        ("remaining", str(item.remaining)),
        ("allocated", str(item.allocated)),
        ("lost", str(item.lost)),
        ("cost", money(item.cost, item.currency)),
    ]
    out().print(pairs(rows))


@command(
    app,
    "define",
    "khata stock define TEA-500G 'Tea, 500 g' 5.00 BDT",
    "khata stock define SHARE-A 'Shares, class A' 50.00 BDT --kind share",
)
def define(
    sku: _Sku,
    title: Annotated[str, Parameter(help="What people call it.")],
    price: Annotated[str, Parameter(help="What a piece is sold for, such as 5.00.")],
    currency: Annotated[str, Parameter(help="In which currency it is bought and sold.")],
    *,
    kind: Annotated[
        Literal["product", "share"], Parameter(help="share: what owners invest in.")
    ] = "product",
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Say what is to be kept in stock."""
    wanted = DefineItem(sku, title, Money(price, currency), kind)
    return carry_out(where, how, wanted, _show_item)


@command(
    app,
    "change",
    "khata stock change TEA-500G --price 5.50",
    "khata stock change TEA-500G --status retired",
)
def change(
    sku: _Sku,
    *,
    title: Annotated[str | None, Parameter(help="What people call it.")] = None,
    price: Annotated[str | None, Parameter(help="What a piece is sold for.")] = None,
    status: Annotated[
        Literal["active", "retired"] | None,
        Parameter(help="retired: neither received nor allocated any more."),
    ] = None,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Change an item's title, price or status."""

    def wanted(view: View) -> ChangeItem:
        return ChangeItem(sku, title, _money(view, sku, price) if price else None, status)

    return carry_out(where, how, wanted, _show_item)


def _money(view: View, sku: str, amount: str) -> Money:
    return Money(amount, inventory.item(view, sku).currency)


@command(
    app,
    "receive",
    "khata stock receive TEA-500G 100 350.00",
    "khata stock receive TEA-500G 100 350.00 --from payable/suppliers --supplier Finlay",
)
def receive(
    sku: _Sku,
    quantity: _Pieces,
    cost: Amount,
    *,
    paid_from: Annotated[
        str, Parameter(name="--from", help="The account it was paid from, or is owed to.")
    ] = "cash/main",
    supplier: Annotated[str | None, Parameter(help="Who it came from.")] = None,
    reference: Reference = None,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Take a lot into stock; the amount is what all of it cost."""

    def wanted(view: View) -> ReceiveStock:
        paid = _money(view, sku, cost)
        return ReceiveStock(sku, quantity, paid, paid_from, supplier, reference)

    return carry_out(where, how, wanted, _show_lot)


def _show_lot(lot: LotState) -> None:
    out().print(
        f"{lot.sku}, lot {lot.number}: {lot.remaining} of {lot.received} remain,"
        f" {money(lot.cost_left, lot.currency)}."
    )


@command(app, "allocate", "khata stock allocate TEA-500G 3 order/M1001 --owner alice")
def allocate(
    sku: _Sku,
    quantity: _Pieces,
    subject: Annotated[str, Parameter(help="For what, such as order/M1001.")],
    *,
    owner: Annotated[str | None, Parameter(help="For whom.")] = None,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Take pieces out of stock, out of the oldest lots first."""
    return carry_out(where, how, AllocateStock(sku, quantity, subject, owner), _show_allocation)


@command(
    app,
    "return",
    "khata stock return alc_0c00 --reason 'Not wanted'",
    "khata stock return alc_0c00 1 --reason 'One too many'",
)
def return_(
    allocation: Annotated[str, Parameter(help="The allocation's id, alc_….")],
    quantity: Annotated[int | None, Parameter(help="Left out: all that are left.")] = None,
    *,
    reason: Reason,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Put pieces back into the very lots that they came from."""
    wanted = GiveBackStock(allocation, reason, quantity)
    return carry_out(where, how, wanted, _show_allocation)


def _show_allocation(made: AllocationState) -> None:
    lots = ", ".join(
        f"lot {line.lot}: {line.quantity - line.returned}"
        for line in made.lines
        if line.quantity > line.returned
    )
    out().print(
        f"{made.id}: {made.quantity - made.returned} of {made.sku} for {made.subject}"
        f" ({lots or 'all came back'})."
    )


@command(app, "adjust", "khata stock adjust TEA-500G 2 -1 --reason 'Counted: one is missing'")
def adjust(
    sku: _Sku,
    lot: Annotated[int, Parameter(help="The lot's number.")],
    by: Annotated[
        int,
        Parameter(
            help="Below zero so many were lost, above it found again.", allow_leading_hyphen=True
        ),
    ],
    *,
    reason: Reason,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Correct a lot after counting."""
    return carry_out(where, how, AdjustStock(sku, lot, by, reason), _show_lot)


@command(
    app,
    "allocations",
    "khata stock allocations --subject order/M1001",
    "khata stock allocations --sku TEA-500G --status allocated",
)
def allocations(
    *,
    sku: Annotated[str | None, Parameter(help="Only of this item.")] = None,
    subject: Annotated[str | None, Parameter(help="Only for this, such as order/M1001.")] = None,
    owner: Annotated[str | None, Parameter(help="Only this owner's.")] = None,
    status: Annotated[str | None, Parameter(help="allocated or returned.")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
    json: Json = False,
    where: Where = HERE,
) -> int:
    """List what went out of stock, newest first."""
    with looking(where) as view:
        page = inventory.allocations(
            view, sku=sku, subject=subject, owner=owner, status=status, cursor=cursor, limit=limit
        )
    if json:
        for made in page.items:
            dump(made)
    else:
        shown = table("allocation", "sku", "for", "owner", "pieces>", "back>", "cost>", "when")
        for made in page.items:
            row(
                shown,
                made.id,
                made.sku,
                made.subject,
                made.owner,
                str(made.quantity),
                str(made.returned),
                money(made.cost, made.currency) if made.cost is not None else None,
                short(made.created_at),
            )
        out().print(shown if page.items else "Nothing went out.")
    more(page.next)
    return 0


@command(app, "check", "khata stock check")
def check(*, json: Json = False, where: Where = HERE) -> int:
    """Count everything again: items, lots, allocations, accounts (exit code 1 if they differ)."""
    with looking(where) as view:
        found = inventory.check(view)
    if json:
        for one in found:
            dump(one)
    elif not found:
        out().print("Items, lots, allocations and accounts say the same.")
    else:
        made = table("sku", "lot", "what", "expected>", "found>")
        for one in found:
            lot = "" if one.lot is None else str(one.lot)
            row(made, one.sku, lot, one.what, one.expected, one.found)
        out().print(made)
    return FAILED if found else DONE
