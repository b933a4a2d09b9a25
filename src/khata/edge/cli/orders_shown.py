"""Orders as they are typed and shown."""

from __future__ import annotations

from collections.abc import Sequence

from khata.base.money import Money
from khata.domain import orders
from khata.domain.orders import Line, OrderState, ReceiptState
from khata.edge.cli.screen import money, out, pairs, row, short, table
from khata.engine.database import View
from khata.errors import Invalid


def stock_line(text: str) -> Line:
    """`TEA-500G:3` as a line of an order; without pieces one of it."""
    sku, pieces = _pieces(text)
    return Line(pieces, sku)


def titled_line(text: str, currency: str | None) -> Line:
    """`Rug=1000.00:2` as a line of an order; without pieces one of it. Errors: `Invalid`."""
    said, pieces = _pieces(text)
    title, equals, price = said.rpartition("=")
    if not equals or currency is None:
        raise Invalid(
            "Say what it is called, what a piece costs, and in which currency.",
            expected="such as --line 'Rug=1000.00:2' --currency BDT",
            got=text[:60],
        )
    return Line(pieces, None, title, Money(price, currency))


def _pieces(text: str) -> tuple[str, int]:
    named, colon, count = text.rpartition(":")
    if colon and count.isascii() and count.isdigit() and len(count) < 10:  # noqa: PLR2004 - an integer
        return named, int(count)
    return text, 1


def money_of(view: View, ref: str, amount: str | None) -> Money | None:
    """What was typed, in the order's currency; None stays None."""
    return None if amount is None else Money(amount, orders.order(view, ref).currency)


def show_order(order: OrderState) -> None:
    """An order on its three axes, with its lines."""
    currency = order.currency
    rows = [
        ("order", order.ref if order.title is None else f"{order.ref}: {order.title}"),
        ("status", order.status if order.reason is None else f"{order.status}: {order.reason}"),
        ("finance", f"{order.finance} since {short(order.finance_since)} UTC"),
        ("warehouse", f"{order.warehouse} since {short(order.warehouse_since)} UTC"),
        ("logistics", f"{order.logistics} since {short(order.logistics_since)} UTC"),
        ("bought by", order.customer),
        ("sold by", order.seller or "the house"),
        ("total", money(order.total, currency)),
        ("by wallet", _by_wallet(order)),
        ("due by bank", "" if _is_none(order.due) else money(order.due, currency)),
        ("grace ends", f"{short(order.grace_ends_at)} UTC" if order.grace_ends_at else ""),
        ("came", money(order.captured, currency)),
        ("refunded", "" if _is_none(order.refunded) else money(order.refunded, currency)),
        ("receipt", order.receipt or ""),
        ("escrow", order.escrow or ""),
        ("placed", f"{short(order.placed_at)} UTC"),
    ]
    out().print(pairs([(name, value) for name, value in rows if value]))
    made = table("what", "pieces>", "price>", "amount>", "stock")
    for line in order.lines:
        price, amount = money(line.price, currency), money(line.amount, currency)
        row(made, line.title, str(line.quantity), price, amount, line.sku)
    if order.lines:
        out().print(made)


def _by_wallet(order: OrderState) -> str:
    if _is_none(order.wallet_part):
        return ""
    held = f", held by {order.hold}" if order.hold and order.paid_at is None else ""
    return f"{money(order.wallet_part, order.currency)} of {order.wallet}{held}"


def _is_none(amount: str) -> bool:
    return not amount.strip("0.")


def show_orders(items: Sequence[OrderState]) -> None:
    """Orders, a line each."""
    made = table(
        "order", "customer", "seller", "status", "finance", "warehouse", "logistics", "total>",
        "refunded>", "placed",
    )  # fmt: skip
    for item in items:
        row(
            made,
            item.ref,
            item.customer,
            item.seller,
            item.status,
            item.finance,
            item.warehouse,
            item.logistics,
            money(item.total, item.currency),
            money(item.refunded, item.currency),
            short(item.placed_at),
        )
    out().print(made if items else "No orders.")


def show_receipt(item: ReceiptState) -> None:
    """A receipt in a sentence."""
    out().print(f"{item.id} of {item.order} is {item.status}: {item.name}, {item.size:,} bytes.")


def show_receipts(items: Sequence[ReceiptState]) -> None:
    """Receipts, a line each."""
    made = table("receipt", "status", "file", "type", "bytes>", "uploaded", "by", "why")
    for item in items:
        row(
            made,
            item.id,
            item.status,
            item.name,
            item.media,
            f"{item.size:,}",
            short(item.uploaded_at),
            item.by,
            item.reason,
        )
    out().print(made if items else "No receipts.")
