"""The bank's part of an order: receipts are uploaded, approved, rejected; or time runs out."""

from __future__ import annotations

from khata.base.money import to_text
from khata.domain.holds import RaiseHold
from khata.domain.ledger import check_four_eyes, enter, house_account
from khata.domain.orders import moving, paying, rules
from khata.domain.orders.changing import note, turn
from khata.domain.orders.model import BANK, Order, Receipt
from khata.domain.setup import source_of
from khata.engine.book import Book
from khata.errors import Invalid, InvalidTransition


def approve(
    book: Book,
    order: Order,
    amount: int | None,
    evidence: str,
    *,
    short: str | None = None,
    wallet: str | None = None,
    bank: str = BANK,
    by: str | None = None,
) -> Order:
    """The transfer has come: it goes into escrow with the wallet's part, and the order is paid.

    `amount`: what came, minor units; None is what was due. More than that is credited to the
    wallet. Less: `short` is `wallet`, which pays the rest, or `wait` for it.

    Errors: `InvalidTransition`, `Invalid` for less without `short`, those of the wallet.
    """
    _check_awaiting(order)
    due = rules.due_by_bank(order)
    came = due if amount is None else amount
    rest, more = max(due - came, 0), max(came - due, 0)
    if rest and short is None:
        raise Invalid(
            f"Less came for {order.ref} than was due: say what becomes of the rest.",
            expected=f"{to_text(due, order.exponent)}, or short: wallet or wait",
            got=to_text(came, order.exponent),
        )
    if rest or more:
        account = paying.wallet_for(book, order, wallet)
        order = book.change(order, wallet=account.code.removeprefix("wallet/"))
    order = _bring(book, order, came, more, bank, evidence)
    if rest and short == "wait":
        return _wait_for_rest(book, order, evidence, by)
    if rest:
        order = _wallet_pays(book, order, rest)
    order = paying.take_from_wallet(book, order)
    _decide(book, order, "approved", evidence)
    return paying.settle(book, order, by=by, reason=evidence)


def at_stake(order: Order, amount: int | None) -> int:
    """What an approval moves at most, in minor units: for four eyes."""
    came = rules.due_by_bank(order) if amount is None else amount
    return max(came + order.wallet_part, order.total)


def _check_awaiting(order: Order) -> None:
    if order.finance not in rules.AWAITING or order.finance == "unpaid":
        raise InvalidTransition(
            f"{order.ref} is {order.finance}.",
            expected=["receipt_uploaded", "bank_transfer_grace", "wallet_partial"],
            got=order.finance,
        )


def _bring(book: Book, order: Order, came: int, more: int, bank: str, evidence: str) -> Order:
    """What came by bank: onto the order's account, and what is too much into the wallet."""
    if not came:
        return order
    order = paying.reclaim(book, order, evidence)
    legs = [(house_account(book, bank, order.unit).id, came)]
    if came > more:
        legs.append((paying.account_for(book, order).id, more - came))
    if more:
        legs.append((paying.wallet_for(book, order).id, -more))
    moved = enter(
        book,
        legs,
        type="bank_transfer",
        source=source_of(book, order.source),
        reference=order.subject,
        note=evidence,
    )
    note(book, order, "money", f"bank {to_text(came, order.exponent)}", reason=evidence)
    return book.change(
        order,
        captured=order.captured + came - more,
        entries=[*order.entries, moved.id],
    )


def _wallet_pays(book: Book, order: Order, rest: int) -> Order:
    """The wallet pays what the transfer lacks: more is held, or it is taken at once. Nothing more
    is held on a wallet when it is another one that was said to pay.
    """
    hold, pays = paying.active_hold(book, order), paying.wallet_for(book, order)
    if hold is not None and hold.account_id == pays.id:
        book.perform(RaiseHold(order.hold or "", paying.money_of(order, rest)))
    note(book, order, "money", f"wallet {to_text(rest, order.exponent)} more")
    return book.change(order, wallet_part=order.wallet_part + rest)


def _wait_for_rest(book: Book, order: Order, evidence: str, by: str | None) -> Order:
    """What came is kept, and the customer has anew the time that the policy gives."""
    _decide(book, order, "approved", evidence)
    order = book.change(order, receipt=None, receipt_at=None)
    until = paying.after_days(book, paying.policy_of(book).grace_days)
    order = paying.wait(book, order, max(until, order.grace_ends_at or 0))
    return _to_waiting(book, order, evidence, by)


def _to_waiting(book: Book, order: Order, reason: str, by: str | None) -> Order:
    after = "wallet_partial" if order.wallet_part else "bank_transfer_grace"
    if order.finance == after:
        return order
    return turn(book, order, {"finance": after}, by=by, reason=reason)


def reject(book: Book, order: Order, reason: str, *, by: str | None = None) -> Order:
    """The receipt shows no such transfer. While the grace runs another can be uploaded; after it
    the policy gives some days more, or the order is let go.

    Errors: `InvalidTransition` unless a receipt was uploaded; those of letting go, and
    `ApprovalRequired` for it.
    """
    if order.finance != "receipt_uploaded":
        raise InvalidTransition(
            f"{order.ref} is {order.finance}.", expected="receipt_uploaded", got=order.finance
        )
    _decide(book, order, "rejected", reason)
    order = book.change(order, receipt=None, receipt_at=None)
    until = order.grace_ends_at or 0
    retry = paying.policy_of(book).retry_days
    if until <= book.now and not retry:
        check_four_eyes(book, paying.account_for(book, order), rules.left_of(order))
        order = moving.call_off(book, order, reason)
        return book.change(order, reason=reason)
    if until <= book.now:
        until = paying.after_days(book, retry)
    return _to_waiting(book, paying.wait(book, order, until), reason, by)


def lapse(book: Book, order: Order) -> Order:
    """The time for the transfer is over and nothing came: the order is let go, all as before."""
    reason = "The time for the transfer was over."
    return book.change(moving.call_off(book, order, reason), reason=reason)


def _decide(book: Book, order: Order, status: str, reason: str) -> None:
    receipt = None if order.receipt is None else book.peek(Receipt, order.receipt)
    if receipt is not None and receipt.status == "uploaded":
        book.change(
            receipt,
            status=status,
            open_sha256=receipt.sha256 if status == "approved" else None,
            reason=reason,
            decided_by=str(book.actor),
            decided_at=book.now,
        )
        note(book, order, "receipt", status, before=receipt.id, reason=reason)


def check_amount(book: Book, order: Order, amount: int | None) -> None:
    """Four eyes look at all that an approval moves. Errors: `ApprovalRequired`."""
    check_four_eyes(book, paying.account_for(book, order), at_stake(order, amount))
