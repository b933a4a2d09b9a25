"""Taking an order over as it stands elsewhere, right or wrong.

What came for it and still waits comes out of `equity/opening/orders`, so that nothing is one-sided.
What is wrong with it stays wrong here, where it is found and repaired.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from khata.base.clock import Instant, from_iso
from khata.base.money import MAX_MINOR, Money, to_minor, to_positive_minor, to_text
from khata.domain import commissions, escrow, inventory
from khata.domain.escrow import Escrow
from khata.domain.ledger import (
    account_of,
    check_four_eyes,
    check_reason,
    enter,
    house_account,
    share,
)
from khata.domain.orders import paying, rules
from khata.domain.orders.changing import announce, check_text, checked, note
from khata.domain.orders.model import (
    RESERVED,
    Finance,
    Logistics,
    Order,
    OrderLine,
    OrderState,
    Status,
    Warehouse,
    subject_of,
)
from khata.domain.orders.placing import check_new, check_person
from khata.domain.orders.verbs import VERBS
from khata.domain.setup import exponent_of, source_of
from khata.engine.accounts import Account
from khata.engine.book import Book
from khata.engine.command import Command
from khata.errors import AlreadyExists, CurrencyMismatch, Invalid

_OPENING: Final = "equity/opening/orders"
_REF: Final = re.compile(r"[^\s/\x00-\x1f\x7f]{1,100}")
_MOST_PIECES: Final = 100
_GONE: Final = frozenset({"dispatched", "delivered", "returned"})
_FURTHEST: Final = 365 * 86_400 * 1_000_000
"""How far beyond now the instants of an order may lie."""


class Piece(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Pieces of a stock item that are set aside for an order, or went out for it."""

    sku: str
    quantity: int


class AdoptOrder(Command, frozen=True, tag="orders.adopt", omit_defaults=True):
    """Take an order over as it stands elsewhere. Nothing of it is judged: what is wrong with it
    is a mismatch from now on.

    `shown`: what the customer was last told. `wallet_part`: what the wallet is to pay;
    `wallet_paid`: what it really paid; `received`: what came by bank; `refunded`: what went back.
    `held`: what of it is not given to who receives it; left out, all that is left. `pieces`: out
    of the stock here. `scheduled`: whether a release of what is held is scheduled, once delivered.
    Times are ISO 8601; left out, `placed_at`.
    """

    ref: str
    customer: str
    total: Money
    finance: Finance
    warehouse: Warehouse
    logistics: Logistics
    shown: Status
    placed_at: str
    reason: str
    title: str | None = None
    seller: str | None = None
    seller_wallet: str | None = None
    wallet: str | None = None
    wallet_part: Money | None = None
    wallet_paid: Money | None = None
    received: Money | None = None
    refunded: Money | None = None
    held: Money | None = None
    pieces: list[Piece] | None = None
    finance_since: str | None = None
    warehouse_since: str | None = None
    logistics_since: str | None = None
    receipt_at: str | None = None
    grace_ends_at: str | None = None
    delivered_at: str | None = None
    scheduled: bool = True
    release_days: int | None = None
    source: str = "order"


class _Sums(msgspec.Struct, frozen=True):
    """The amounts of an order that is taken over, in minor units. `left`: of what came, what did
    not go back; `held`: of that, what nobody was given.
    """

    total: int
    wallet_part: int
    wallet_paid: int
    captured: int
    refunded: int
    left: int
    held: int


@VERBS.handles(AdoptOrder, roles=("admin", "service"))
def adopt(book: Book, command: AdoptOrder) -> OrderState:
    """Errors: `AlreadyExists`; `Invalid` names, times and sums; those of amounts; of the wallet,
    the rule for a seller, and the stock; `ApprovalRequired`.
    """
    exponent = exponent_of(book, command.total.currency)
    sums = _sums(command, exponent)
    order = _order(book, command, sums, exponent)
    check_four_eyes(book, paying.account_for(book, order), sums.held)
    order = _with_stock(book, book.add(order), command)
    order = _with_money(book, order, sums, scheduled=command.scheduled)
    for axis in ("finance", "warehouse", "logistics", "shown"):
        note(book, order, axis, getattr(order, axis), reason=command.reason)
    if order.finance in rules.AWAITING and (order.grace_ends_at or 0) > book.now:
        order = paying.wait(book, order, order.grace_ends_at or 0)
    announce(book, order, "adopted", reason=command.reason)
    return rules.state_of(checked(book, order))


def _order(book: Book, command: AdoptOrder, sums: _Sums, exponent: int) -> Order:
    """The order as it is written down, before stock and money."""
    _check_names(book, command)
    now, days = book.now, command.release_days
    placed = _time("placed_at", command.placed_at, now) or 0
    since = {
        axis: _time(f"{axis}_since", getattr(command, f"{axis}_since"), now)
        for axis in ("finance", "warehouse", "logistics")
    }
    finance_since = since["finance"] if since["finance"] is not None else placed
    is_open = rules.is_open(command.finance, command.warehouse, command.logistics)
    days = paying.policy_of(book).release_days if days is None else days
    rules.check_days("release_days", days)
    rule = _rule(book, command)
    return Order(
        ref=command.ref,
        customer=command.customer,
        seller=command.seller,
        wallet=_wallet(book, command.wallet, command.customer, command.total.currency),
        seller_wallet=_wallet(book, command.seller_wallet, command.seller, command.total.currency),
        title=command.title,
        source=source_of(book, command.source).name,
        lines=[OrderLine(command.title or command.ref, 1, sums.total)],
        unit=command.total.currency,
        exponent=exponent,
        total=sums.total,
        wallet_part=sums.wallet_part,
        wallet_taken=sums.wallet_paid,
        captured=sums.captured,
        refunded=sums.refunded,
        reclaimed=0,
        finance=command.finance,
        warehouse=command.warehouse,
        logistics=command.logistics,
        shown=command.shown,
        finance_since=finance_since,
        warehouse_since=placed if since["warehouse"] is None else since["warehouse"],
        logistics_since=placed if since["logistics"] is None else since["logistics"],
        grace_ends_at=_time("grace_ends_at", command.grace_ends_at, now),
        hold=None,
        receipt=None,
        receipt_at=_time("receipt_at", command.receipt_at, now),
        escrow=None,
        rule=None if rule is None else rule.name,
        version=0 if rule is None else rule.version,
        on="delivery",
        days=days,
        adopted=True,
        reason=command.reason,
        saga=None,
        entries=[],
        open_since=placed if is_open else None,
        placed_at=placed,
        paid_at=finance_since if command.finance in rules.FUNDED else None,
        delivered_at=_delivered(command, now, placed),
        ended_at=None if is_open else finance_since,
    )


def _delivered(command: AdoptOrder, now: Instant, placed: Instant) -> Instant | None:
    at = _time("delivered_at", command.delivered_at, now)
    if at is None and command.logistics == "delivered":
        at = _time("logistics_since", command.logistics_since, now)
        return placed if at is None else at
    return at


def _wallet(book: Book, path: str | None, owner: str | None, unit: str) -> str | None:
    """A wallet's path as it is kept. Errors: `Invalid`, those of `account_of`."""
    if path is None:
        return None
    account = account_of(book, path, unit)
    if account.owner is None or account.owner != owner:
        raise Invalid(f"{path[:200]} is not theirs.", expected=owner, got=path[:200])
    return account.code.removeprefix("wallet/")


def _rule(book: Book, command: AdoptOrder) -> commissions.Rule | None:
    """The commission rule in force, for an order of a seller. Errors: `Invalid`, `RuleNotFound`."""
    if (command.seller is None) != (command.seller_wallet is None):
        raise Invalid(
            "A seller has a wallet in which to receive.",
            expected="seller and seller_wallet, or neither",
            got=command.seller_wallet or command.seller,
        )
    if command.seller is None:
        return None
    return commissions.rule_for(book, source=command.source, category=None, partner=command.seller)


# ── stock and money ──────────────────────────────────────────────────────────────────


def _with_stock(book: Book, order: Order, command: AdoptOrder) -> Order:
    """The pieces are set aside; their cost is spent already when the goods are out."""
    lines = list(order.lines)
    for piece in command.pieces or ():
        expense = inventory.COST_OF_GOODS if order.logistics in _GONE else RESERVED
        made = inventory.allocate(
            book, piece.sku, piece.quantity, order.subject, order.customer, expense=expense
        )
        lines.append(OrderLine(piece.sku, piece.quantity, 0, piece.sku, made.id))
    return book.change(order, lines=lines) if command.pieces else order


def _with_money(book: Book, order: Order, sums: _Sums, *, scheduled: bool) -> Order:
    """What is held lies on the order's account; once it is paid for, its escrow has begun."""
    if sums.held:
        opening = house_account(book, _OPENING, order.unit)
        account = paying.account_for(book, order)
        moved = enter(
            book,
            ((opening.id, sums.held), (account.id, -sums.held)),
            type="opening",
            source=source_of(book, "opening"),
            reference=order.subject,
            metered=False,
        )
        order = book.change(order, entries=[moved.id])
    if order.finance not in rules.FUNDED or not sums.left:
        return order
    if not sums.held:  # all of it was given away elsewhere: there is nothing to release
        order = book.change(order, on="request", days=0)
    order = paying.begin_escrow(book, order)
    kept = book.get(Escrow, order.escrow)
    if sums.held < sums.left:
        kept = _given_elsewhere(book, kept, sums.left - sums.held)
    if order.logistics == "delivered" and scheduled and sums.held:
        escrow.delivered(book, kept, order.reason or "")
    return order


def _given_elsewhere(book: Book, kept: Escrow, minor: int) -> Escrow:
    """What receivers were given before counts as received, so that it can be refunded."""
    parts = share(minor, [leg.share for leg in kept.legs])
    legs = [
        msgspec.structs.replace(leg, received=part)
        for leg, part in zip(kept.legs, parts, strict=True)
    ]
    left = any(leg.held for leg in legs)
    return book.change(kept, legs=legs, status="partly_released" if left else "released")


# ── what is refused ──────────────────────────────────────────────────────────────────


def _check_names(book: Book, command: AdoptOrder) -> None:
    check_reason(command.reason)
    check_text(command.reason, "reason")
    if not _REF.fullmatch(command.ref):
        raise Invalid(
            "An order has a reference of 1 to 100 characters without spaces and slashes.",
            expected="such as M1001",
            got=command.ref[:60],
        )
    check_text(command.ref, "reference", 100)
    check_person(command.customer)
    if command.seller is not None:
        check_person(command.seller)
    if command.title is not None:
        check_text(command.title, "title", 200)
    if len(command.pieces or ()) > _MOST_PIECES:
        raise Invalid("Too many pieces.", expected=_MOST_PIECES, got=len(command.pieces or ()))
    check_new(book, command.ref)
    subject = subject_of(command.ref)
    if any(account.balance for account in book.find(Account, code=f"escrow/{subject}")):
        raise AlreadyExists(f"Money lies on escrow/{subject} already.", got=command.ref)


def _sums(command: AdoptOrder, exponent: int) -> _Sums:
    """The amounts, which must fit together. Errors: `Invalid`, those of amounts."""
    total = to_positive_minor(command.total.amount, exponent)

    def minor(name: str) -> int:
        money: Money | None = getattr(command, name)
        if money is None:
            return 0
        if money.currency != command.total.currency:
            raise CurrencyMismatch(
                f"{name} of {command.ref[:60]} is in another currency.",
                expected=command.total.currency,
                got=money.currency[:20],
            )
        value = to_minor(money.amount, exponent)
        if value < 0:
            raise Invalid(f"`{name}` is zero or more.", expected="0", got=money.amount)
        return value

    paid, refunded = minor("wallet_paid"), minor("refunded")
    captured = paid + minor("received")
    left = max(0, captured - refunded)
    held = left if command.held is None else minor("held")
    if captured > MAX_MINOR:
        raise Invalid("That is too much money.", expected=str(MAX_MINOR), got=str(captured))
    bounds = [("wallet_part", minor("wallet_part"), 0, total), ("held", held, 0, left)]
    if command.finance not in rules.FUNDED:  # nobody is given money of an order that is not paid
        bounds.append(("held", held, left, left))
    for name, value, least, most in bounds:
        if not least <= value <= most:
            raise Invalid(
                f"`{name}` does not fit what came for the order.",
                expected=f"{to_text(least, exponent)} to {to_text(most, exponent)}",
                got=to_text(value, exponent),
            )
    return _Sums(total, minor("wallet_part"), paid, captured, refunded, left, held)


def _time(name: str, text: str | None, now: Instant) -> Instant | None:
    """An instant that is not far ahead. Errors: `Invalid`."""
    if text is None:
        return None
    at = from_iso(text)
    if not 0 <= at <= now + _FURTHEST or (name != "grace_ends_at" and at > now):
        raise Invalid(f"`{name}` lies outside of what can be.", expected="by now", got=text[:40])
    return at
