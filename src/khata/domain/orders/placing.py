"""Placing an order and choosing how it is paid: all of it in one command, or nothing."""

from __future__ import annotations

import re
from typing import Final, Literal

import msgspec

from khata.base.money import MAX_MINOR, Money, to_positive_minor
from khata.domain import commissions, escrow, inventory, payments
from khata.domain.escrow import Escrow, On
from khata.domain.ledger import account_of, check_four_eyes, minor_of, wallet_account
from khata.domain.orders import moving, paying, rules
from khata.domain.orders.changing import announce, check_text, checked, note, order_of, turn
from khata.domain.orders.model import Order, OrderLine, OrderState, subject_of
from khata.domain.orders.rules import state_of
from khata.domain.orders.verbs import VERBS
from khata.domain.setup import exponent_of, source_of
from khata.domain.wallets import is_owner_name
from khata.engine.accounts import Account
from khata.engine.book import Book
from khata.engine.command import Command
from khata.errors import (
    AlreadyExists,
    AmountTooLarge,
    CurrencyMismatch,
    Invalid,
    InvalidTransition,
    NotYours,
    RoleRequired,
)

Way = Literal["wallet", "mixed", "bank", "later"]

_REF: Final = re.compile(r"[^\s/\x00-\x1f\x7f]{1,100}")
_MOST_LINES: Final = 100
_MOST_PIECES: Final = 1_000_000
_MOST_TITLE: Final = 200

payments.named_by("order", Order)


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is ordered: a stock item (`sku`) or something that a `title` names.

    `price`: of one piece; left out, that of the stock item.
    """

    quantity: int = 1
    sku: str | None = None
    title: str | None = None
    price: Money | None = None


class PlaceOrder(Command, frozen=True, tag="orders.place", omit_defaults=True):
    """Order something: stock is set aside and the wallet pays its part, or nothing happens at all.

    `pay`: `wallet` pays all of it at once; `mixed`, the wallet's part is set aside and a bank
    transfer brings the rest; `bank`; `later` leaves it open. `wallet`: of the customer. `seller`:
    who gets the seller's share into `seller_wallet` (`<seller>/partner/<currency>`); left out,
    the house sells. `grace_days`: for the transfer, `release_days`: after `release_on`; left out,
    as the policy says. An owner orders stock items of the house, at their prices.
    """

    ref: str
    customer: str
    lines: list[Line]
    pay: Way = "later"
    wallet: str | None = None
    wallet_part: Money | None = None
    seller: str | None = None
    seller_wallet: str | None = None
    title: str | None = None
    source: str = "order"
    category: str | None = None
    release_on: On = "delivery"
    release_days: int | None = None
    grace_days: int | None = None


class PayOrder(Command, frozen=True, tag="orders.pay", omit_defaults=True):
    """Choose how an unpaid order is paid, as when it is placed."""

    order: str
    pay: Literal["wallet", "mixed", "bank"]
    wallet: str | None = None
    wallet_part: Money | None = None
    grace_days: int | None = None


@VERBS.handles(PlaceOrder, roles=("owner", "admin", "finance", "service"))
def place(book: Book, command: PlaceOrder) -> OrderState:
    """Errors: `Invalid`, `AlreadyExists`, `NotYours`, `RoleRequired` for what an owner may not
    say; those of amounts, of stock, of the wallet, of the commission rule; `ApprovalRequired`.
    """
    _check(book, command)
    order = book.add(_order(book, command))
    note(book, order, "finance", order.finance)
    if order.seller is not None:
        paying.legs_of(book, order, order.total)
    announce(book, order, "placed")
    order = moving.reserve(book, order)
    return state_of(checked(book, _pay(book, order, command, "orders.place")))


@VERBS.handles(PayOrder, roles=("owner", "admin", "finance", "service"))
def pay(book: Book, command: PayOrder) -> OrderState:
    """Errors: `OrderNotFound`, `NotYours`, `InvalidTransition` unless it is unpaid; as `place`."""
    order = order_of(book, command.order)
    if order.finance != "unpaid":
        raise InvalidTransition(
            f"{order.ref} is {order.finance}.", expected="unpaid", got=order.finance
        )
    _check_owner_says(book, grace_days=command.grace_days)
    return state_of(checked(book, _pay(book, order, command, "orders.pay")))


# ── paying ───────────────────────────────────────────────────────────────────────────


def _pay(book: Book, order: Order, command: PlaceOrder | PayOrder, by: str) -> Order:
    """Errors: see `place`."""
    kept = paying.policy_of(book)
    days = kept.grace_days if command.grace_days is None else command.grace_days
    rules.check_days("grace_days", days)
    if command.wallet is not None or command.pay in {"wallet", "mixed"}:
        wallet = _wallet(book, order, command.wallet)
        order = book.change(order, wallet=wallet.code.removeprefix("wallet/"))
        part = _wallet_part(book, order, command, wallet)
        order = book.change(order, wallet_part=order.wallet_taken + part)
    elif command.wallet_part is not None:
        raise Invalid("Say which wallet pays that part.", expected="a wallet", got=None)
    if command.pay == "wallet":
        order = paying.take_from_wallet(book, order)
        return paying.settle(book, order, by=by, reason=None)
    order = paying.wait(book, order, paying.after_days(book, days))
    if command.pay == "mixed":
        order = paying.set_aside(book, order, order.wallet_part - order.wallet_taken)
        return turn(book, order, {"finance": "wallet_partial"}, by=by)
    if command.pay == "bank":
        return turn(book, order, {"finance": "bank_transfer_grace"}, by=by)
    return order


def _wallet_part(book: Book, order: Order, command: PlaceOrder | PayOrder, wallet: Account) -> int:
    """What the wallet is to pay, minor units. Errors: `Invalid`, those of an amount."""
    part = 0
    if command.wallet_part is not None:
        part = minor_of(book, wallet, command.wallet_part)
    rest = rules.lacking(order)
    if command.pay == "wallet":
        part = part or rest
    most = rest if command.pay == "wallet" else rest - 1
    least = {"wallet": rest, "mixed": 1}.get(command.pay, 0)
    most = most if command.pay in {"wallet", "mixed"} else 0
    if not least <= part <= most:
        raise Invalid(
            f"Paid by {command.pay}, the wallet pays {_PARTS[command.pay]}.",
            expected=_PARTS[command.pay],
            got=None if command.wallet_part is None else command.wallet_part.amount,
        )
    if part:
        check_four_eyes(book, wallet, part)
    return part


_PARTS: Final = {
    "wallet": "all of it",
    "mixed": "a part, above zero and below the total",
    "bank": "nothing",
    "later": "nothing yet",
}


def _wallet(book: Book, order: Order, named: str | None) -> Account:
    """The wallet that pays. Errors: those of `wallet_account`, `Invalid`, `CurrencyMismatch`."""
    path = named or order.wallet or f"{order.customer}/personal/{order.unit}"
    account = wallet_account(book, path)
    if account.owner != order.customer:
        raise Invalid(
            f"The wallet is not {order.customer[:60]}'s.",
            expected=order.customer[:60],
            got=path[:200],
        )
    if account.unit != order.unit:
        raise CurrencyMismatch(
            f"{account.code} is in {account.unit}.", expected=order.unit, got=account.unit
        )
    return account


# ── what is ordered ──────────────────────────────────────────────────────────────────


def _check(book: Book, command: PlaceOrder) -> None:
    """Errors: `Invalid`, `AlreadyExists`, `NotYours`, `RoleRequired`."""
    if not _REF.fullmatch(command.ref):
        raise Invalid(
            "An order has a reference of 1 to 100 characters, without spaces and slashes.",
            expected="such as M1001",
            got=command.ref[:60],
        )
    check_text(command.ref, "reference", 100)
    for name, text in (("title", command.title), ("category", command.category)):
        if text is not None:
            check_text(text, name, _MOST_TITLE)
    check_person(command.customer)
    owner = book.actor.owner
    if owner is not None and command.customer != owner:
        raise NotYours("Nobody orders for somebody else.", expected=owner)
    _check_owner_says(
        book,
        seller=command.seller,
        seller_wallet=command.seller_wallet,
        category=command.category,
        grace_days=command.grace_days,
        release_days=command.release_days,
        release_on=None if command.release_on == "delivery" else command.release_on,
        source=None if command.source == "order" else command.source,
    )
    if command.seller == command.customer:
        raise Invalid("Nobody buys from themselves.", expected="two people", got=command.seller)
    if command.seller is None and command.seller_wallet is not None:
        raise Invalid("A seller's wallet has a seller.", expected="seller", got=None)
    subject = subject_of(command.ref)
    escrow.check_terms(subject, command.release_on, command.release_days or 0)
    check_new(book, command.ref)
    if book.find(
        Account, code=f"escrow/{subject}"
    ):  # by whatever name, somebody's money is to come
        raise AlreadyExists(f"escrow/{subject} is an account already.", got=command.ref)


def check_new(book: Book, ref: str) -> None:
    """No order is called so, and nothing else keeps money there. Errors: `AlreadyExists`."""
    subject = subject_of(ref)
    rows = ((Order, ref), (Escrow, subject), (payments.Payable, subject))
    book.expect(rows, [(Account, "code", f"escrow/{subject}")])
    if any(book.peek(cls, key) is not None for cls, key in rows):
        raise AlreadyExists(f"The order {ref} exists already.", got=ref)


def check_person(name: str) -> None:
    """Whether somebody of this name can have a wallet. Errors: `Invalid`."""
    if not is_owner_name(name):
        raise Invalid(
            f"{name[:60]!a} is nobody who can have a wallet.",
            expected="a name of 1 to 128 characters, without spaces and slashes",
            got=ascii(name[:60]),
        )


def _check_owner_says(book: Book, **said: object) -> None:
    """What only staff and programs decide. Errors: `RoleRequired`."""
    named = [name for name, value in said.items() if value is not None]
    if book.actor.owner is not None and named:
        raise RoleRequired(
            f"{', '.join(named)} is not for an owner to say.",
            expected=["admin", "finance", "service"],
            got=["owner"],
        )


def _order(book: Book, command: PlaceOrder) -> Order:
    lines, unit = _lines(book, command)
    total = sum(line.price * line.quantity for line in lines)
    if total > MAX_MINOR:
        raise AmountTooLarge("The order is too large.", expected=MAX_MINOR, got=total)
    on, days = command.release_on, command.release_days
    if days is None:
        days = 0 if on == "request" else paying.policy_of(book).release_days
    source = source_of(book, command.source).name
    rule = seller = None
    if command.seller is not None:
        rule = commissions.rule_for(
            book, source=source, category=command.category, partner=command.seller
        )
        seller = _seller_wallet(book, command, unit)
    return Order(
        ref=command.ref,
        customer=command.customer,
        seller=command.seller,
        wallet=None,
        seller_wallet=seller,
        title=command.title,
        source=source,
        lines=lines,
        unit=unit,
        exponent=exponent_of(book, unit),
        total=total,
        wallet_part=0,
        wallet_taken=0,
        captured=0,
        refunded=0,
        reclaimed=0,
        finance="unpaid",
        warehouse="waiting",
        logistics="waiting",
        shown="pending",
        finance_since=book.now,
        warehouse_since=book.now,
        logistics_since=book.now,
        grace_ends_at=None,
        hold=None,
        receipt=None,
        receipt_at=None,
        escrow=None,
        rule=rule.name if rule else None,
        version=rule.version if rule else 0,
        on=on,
        days=days,
        adopted=False,
        reason=None,
        saga=None,
        entries=[],
        open_since=book.now,
        placed_at=book.now,
        paid_at=None,
        delivered_at=None,
        ended_at=None,
    )


def _seller_wallet(book: Book, command: PlaceOrder, unit: str) -> str:
    path = command.seller_wallet or f"{command.seller}/partner/{unit}"
    account = account_of(book, path, unit)
    if account.owner != command.seller:
        raise Invalid("The wallet is not the seller's.", expected=command.seller, got=path[:200])
    return account.code.removeprefix("wallet/")


def _lines(book: Book, command: PlaceOrder) -> tuple[list[OrderLine], str]:
    """The lines with their prices, and the one currency of all. Errors: `Invalid`, of amounts."""
    if not 0 < len(command.lines) <= _MOST_LINES:
        raise Invalid("An order has 1 to 100 lines.", expected="1 to 100", got=len(command.lines))
    lines, units = [], set()
    for line in command.lines:
        made, unit = _line(book, line)
        lines.append(made)
        units.add(unit)
    if len(units) > 1:
        raise CurrencyMismatch(
            "All of an order is in one currency.", expected="one", got=sorted(units)
        )
    return lines, units.pop()


def _line(book: Book, line: Line) -> tuple[OrderLine, str]:
    if not 0 < line.quantity <= _MOST_PIECES:
        raise Invalid(
            "A line has 1 to 1 000 000 pieces.", expected="1 to 1000000", got=line.quantity
        )
    if line.title is not None:
        check_text(line.title, "title", _MOST_TITLE)
    _check_owner_says(book, price=line.price, title=line.title)
    if line.sku is not None:
        check_text(line.sku, "sku", 100)
        item = inventory.item_of(book, line.sku)
        if item.kind == "share":
            raise Invalid("Shares are bought by an investment.", expected="product", got=item.kind)
        price, unit = item.price, item.unit
        title = line.title or item.title
    elif line.title is None or line.price is None:
        raise Invalid(
            "A line is of a stock item, or has a title and a price.",
            expected="sku, or title and price",
            got=None,
        )
    else:
        title = line.title
    if line.price is not None:
        unit = line.price.currency
        price = to_positive_minor(line.price.amount, exponent_of(book, unit))
    return OrderLine(title, line.quantity, price, line.sku), unit
