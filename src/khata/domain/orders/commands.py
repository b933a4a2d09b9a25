"""What can be asked of orders once they are placed: receipts, approvals, moves, money back."""

from __future__ import annotations

import re
from typing import Any, Final, Literal

import msgspec

from khata.base.clock import from_iso
from khata.base.money import Money, to_positive_minor
from khata.domain import escrow
from khata.domain.escrow import Frozen, Policy, RefundEscrow
from khata.domain.ledger import check_four_eyes
from khata.domain.orders import approving, moving, paying, rules
from khata.domain.orders.changing import check_text, checked, note, order_of, turn
from khata.domain.orders.model import BANK, Order, OrderPolicy, OrderState, Receipt, ReceiptState
from khata.domain.orders.rules import receipt_state, state_of
from khata.domain.orders.verbs import VERBS
from khata.domain.setup import exponent_of, keep, setting
from khata.engine.book import Book
from khata.engine.command import Command
from khata.errors import CurrencyMismatch, Invalid, InvalidTransition, RoleRequired
from khata.errors.operations import GraceEnded, ReceiptRefused

MEDIA: Final = ("application/pdf", "image/png", "image/jpeg", "image/webp", "image/heic")
"""What a receipt can be."""
_HASH: Final = re.compile(r"[0-9a-f]{64}")
_ACCOUNT: Final = re.compile(r"(bank|cash)/[^\s\x00-\x1f\x7f]{1,100}")
_MOST_BYTES: Final = 50_000_000
_MOST_NAME: Final = 200
MOST_RECEIPTS: Final = 20
"""For one order, with those that were rejected and replaced."""


class ReceiptFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file that is kept outside of the book already: its SHA-256 in hex, what it is, its bytes,
    and how the customer called it.
    """

    sha256: str
    media: str
    size: int
    name: str


class UploadReceipt(Command, frozen=True, tag="orders.upload_receipt"):
    """Show a bank transfer for an order. Another receipt takes the place of one that nobody has
    decided yet. An order takes twenty of them, all while its grace runs.
    """

    order: str
    receipt: ReceiptFile


class ApprovePayment(Command, frozen=True, tag="orders.approve_payment", omit_defaults=True):
    """The transfer has come, as `evidence` shows: it is captured with the wallet's part.

    `amount`: what came; left out, what was due. What is too much is credited to the customer's
    wallet. Of what lacks, `short` says whether the `wallet` pays it or the order is to `wait`.
    `wallet`: of the customer; left out, the order's. `bank`: the account where it came in.
    """

    order: str
    evidence: str
    amount: Money | None = None
    short: Literal["wallet", "wait"] | None = None
    wallet: str | None = None
    bank: str = BANK


class RejectPayment(Command, frozen=True, tag="orders.reject_payment"):
    """The receipt shows no transfer that came."""

    order: str
    reason: str


class ExtendGrace(Command, frozen=True, tag="orders.extend_grace"):
    """Give the customer more time for the transfer: `until`, an instant with its offset."""

    order: str
    until: str
    reason: str


class MoveOrder(Command, frozen=True, tag="orders.move", omit_defaults=True):
    """Move the goods: `axis` is warehouse or logistics, `to` its next state."""

    order: str
    axis: Literal["warehouse", "logistics"]
    to: str
    reason: str | None = None


class CancelOrder(Command, frozen=True, tag="orders.cancel", omit_defaults=True):
    """Call an order off before it is delivered: money and pieces go back to where they were.

    `wallet`: of the customer, which gets it; left out, the order's. An owner names one only where
    the order has none.
    """

    order: str
    reason: str
    wallet: str | None = None


class RefundOrder(Command, frozen=True, tag="orders.refund", omit_defaults=True):
    """Give money of an order back, released or not: see `escrow.refund`.

    `wallet`: of the customer, which gets it; left out, the order's.
    """

    order: str
    reason: str
    amount: Money | None = None
    policy: Policy = "pro_rata"
    named: dict[str, Money] | None = None
    frozen: Frozen = "refuse"
    wallet: str | None = None


class SetOrderPolicy(Command, frozen=True, tag="orders.set_policy", omit_defaults=True):
    """Say how orders are treated; what is left out stays. `sla`: by `axis.state`, seconds for
    which an order may stand so.
    """

    grace_days: int | None = None
    retry_days: int | None = None
    release_days: int | None = None
    sla: dict[str, int] | None = None


# ── the bank's part ──────────────────────────────────────────────────────────────────


@VERBS.handles(UploadReceipt, roles=("owner", "admin", "finance", "support", "service"))
def upload(book: Book, command: UploadReceipt) -> ReceiptState:
    """Errors: `OrderNotFound`, `NotYours`, `GraceEnded`, `InvalidTransition`, `Invalid`;
    `ReceiptRefused` for a receipt that counts for an order already, or beyond `MOST_RECEIPTS`.
    """
    order, file = order_of(book, command.order), command.receipt
    _check_file(file)
    known = _same_file(book, order, file)
    if known is not None:
        return receipt_state(known)
    if order.finance != "receipt_uploaded":
        rules.check_transition(
            "finance", order.finance, "receipt_uploaded", book.actor.roles, "orders.upload_receipt"
        )
    _check_time(book, order)
    before = order.receipt
    receipt = book.add(
        Receipt(
            id=book.new_id("rct"),
            order=order.ref,
            sha256=file.sha256,
            open_sha256=file.sha256,
            media=file.media,
            size=file.size,
            name=file.name,
            status="uploaded",
            by=str(book.actor),
            reason=None,
            uploaded_at=book.now,
            decided_by=None,
            decided_at=None,
        )
    )
    fields: dict[str, Any] = {"receipt": receipt.id, "receipt_at": book.now}
    if order.finance == "receipt_uploaded":
        _replace(book, before)
        order = book.change(order, **fields)
    else:
        order = turn(book, order, {"finance": "receipt_uploaded"}, **fields)
    note(book, order, "receipt", receipt.id, before=before)
    checked(book, order)
    return receipt_state(receipt)


def _check_time(book: Book, order: Order) -> None:
    """Whether another receipt can come. One that came in time holds no place for one that did not.

    Errors: `GraceEnded`, `ReceiptRefused`.
    """
    if order.grace_ends_at is not None and book.now >= order.grace_ends_at:
        raise GraceEnded(
            f"The time for the transfer of {order.ref} is over.",
            expected=state_of(order).grace_ends_at,
            got=None,
        )
    if len(book.find(Receipt, order=order.ref)) >= MOST_RECEIPTS:
        raise ReceiptRefused(
            f"{order.ref} has {MOST_RECEIPTS} receipts: ask the house.",
            reason="too_many",
            expected=f"at most {MOST_RECEIPTS}",
            got=MOST_RECEIPTS + 1,
        )


def _same_file(book: Book, order: Order, file: ReceiptFile) -> Receipt | None:
    """The same file where it waits for the same order. Errors: `ReceiptRefused`."""
    for known in book.find(Receipt, open_sha256=file.sha256):
        if known.status == "uploaded" and known.order == order.ref:
            return known
        raise ReceiptRefused(
            "This receipt counts for an order already.",
            reason="used",
            expected="a receipt of its own",
            got=file.sha256,
        )
    return None


def _replace(book: Book, name: str | None) -> None:
    known = None if name is None else book.peek(Receipt, name)
    if known is not None and known.status == "uploaded":
        book.change(
            known,
            status="replaced",
            open_sha256=None,
            decided_by=str(book.actor),
            decided_at=book.now,
        )


def _check_file(file: ReceiptFile) -> None:
    if not _HASH.fullmatch(file.sha256):
        raise Invalid("A SHA-256 is 64 hex digits.", expected="64 hex digits", got=file.sha256[:80])
    if file.media not in MEDIA:
        raise ReceiptRefused(
            "A receipt is a PDF or an image.",
            reason="media",
            expected=list(MEDIA),
            got=ascii(file.media[:60]),
        )
    if not 0 < file.size <= _MOST_BYTES:
        raise ReceiptRefused(
            "A receipt is a file of at most 50 MB.",
            reason="size",
            expected=f"1 to {_MOST_BYTES}",
            got=str(file.size)[:40],
        )
    check_text(file.name, "name", _MOST_NAME)


@VERBS.handles(ApprovePayment, roles=("admin", "finance", "service"))
def approve(book: Book, command: ApprovePayment) -> OrderState:
    """Errors: `OrderNotFound`, `InvalidTransition`, `Invalid`, those of an amount and of the
    wallet; `ApprovalRequired`.
    """
    order = order_of(book, command.order)
    check_text(command.evidence, "evidence")
    if not _ACCOUNT.fullmatch(command.bank):
        raise Invalid("Money comes in at a bank.", expected="such as bank/main", got=command.bank)
    amount = None if command.amount is None else _minor(book, order, command.amount)
    approving.check_amount(book, order, amount)
    order = approving.approve(
        book,
        order,
        amount,
        command.evidence,
        short=command.short,
        wallet=command.wallet,
        bank=command.bank,
        by="orders.approve_payment",
    )
    return state_of(checked(book, order))


@VERBS.handles(RejectPayment, roles=("admin", "finance", "service"))
def reject(book: Book, command: RejectPayment) -> OrderState:
    """Errors: `OrderNotFound`, `InvalidTransition`, `Invalid` reason; those of letting go."""
    order = order_of(book, command.order)
    check_text(command.reason, "reason")
    return state_of(checked(book, approving.reject(book, order, command.reason)))


@VERBS.handles(ExtendGrace, roles=("admin", "finance", "support", "service"))
def extend(book: Book, command: ExtendGrace) -> OrderState:
    """Errors: `OrderNotFound`, `InvalidTransition` for an order that waits for no money,
    `Invalid` for a time that is not later, or more than 400 days away.
    """
    order = order_of(book, command.order)
    check_text(command.reason, "reason")
    if order.finance not in rules.AWAITING:
        raise InvalidTransition(
            f"{order.ref} is {order.finance}.",
            expected=sorted(rules.AWAITING),
            got=order.finance,
        )
    until = from_iso(command.until)
    least = max(book.now, order.grace_ends_at or 0)
    if not least < until <= paying.after_days(book, rules.MOST_DAYS):
        raise Invalid(
            "The time that is given is later than before, and not beyond 400 days.",
            expected=state_of(order).grace_ends_at,
            got=command.until[:60],
        )
    before = state_of(order).grace_ends_at
    if order.saga is None or order.grace_ends_at is None:
        order = paying.wait(book, order, until)
    order = book.change(order, grace_ends_at=until)
    note(book, order, "grace", command.until, before=before, reason=command.reason)
    return state_of(checked(book, order))


# ── goods ────────────────────────────────────────────────────────────────────────────


@VERBS.handles(MoveOrder, roles=("admin", "warehouse", "logistics", "service"))
def move(book: Book, command: MoveOrder) -> OrderState:
    """Errors: `OrderNotFound`, `InvalidTransition`, `RoleRequired`, `Invalid` reason."""
    order = order_of(book, command.order)
    if command.reason is not None:
        check_text(command.reason, "reason")
    check_text(command.to, "state", 40)
    order = moving.move(book, order, command.axis, command.to, command.reason, "orders.move")
    return state_of(checked(book, order))


# ── back ─────────────────────────────────────────────────────────────────────────────


@VERBS.handles(CancelOrder, roles=("owner", "admin", "finance", "support", "service"))
def cancel(book: Book, command: CancelOrder) -> OrderState:
    """An owner calls off what the warehouse has not begun with, and nobody has earned from.

    Errors: `OrderNotFound`, `NotYours`, `InvalidTransition`, `RoleRequired`, `Invalid`; those of
    giving back; `ApprovalRequired`.
    """
    order = order_of(book, command.order)
    check_text(command.reason, "reason")
    if book.actor.owner is not None:
        _check_owner_cancels(book, order, command.wallet)
    back = rules.left_of(order)
    if back > 0:
        check_four_eyes(book, paying.account_for(book, order), back)
    order = moving.call_off(book, order, command.reason, wallet=command.wallet, by="orders.cancel")
    return state_of(checked(book, book.change(order, reason=command.reason)))


def _check_owner_cancels(book: Book, order: Order, wallet: str | None) -> None:
    """Errors: `InvalidTransition`, `RoleRequired`, those of `wallet_for`."""
    if order.warehouse != "waiting":
        raise InvalidTransition(
            f"{order.ref} is being prepared: ask the house.",
            expected="waiting",
            got=order.warehouse,
        )
    kept = paying.escrow_of(book, order)
    if kept is not None and any(leg.received for leg in kept.legs):
        raise InvalidTransition(
            f"{order.ref} is paid out: ask the house.", expected="held", got=kept.status
        )
    if wallet is None or order.wallet is None:
        return
    if paying.wallet_for(book, order, wallet).id != paying.wallet_for(book, order).id:
        # what came from a wallet that is frozen does not get around that
        raise RoleRequired(
            "Another wallet is not for an owner to say.",
            expected=["admin", "finance", "support", "service"],
            got=["owner"],
        )


@VERBS.handles(RefundOrder, roles=("admin", "finance", "service"))
def refund(book: Book, command: RefundOrder) -> OrderState:
    """Errors: `OrderNotFound`, `InvalidTransition` unless it is paid, `RefundExceeded`,
    `AccountFrozen`, `Invalid`, those of an amount; `ApprovalRequired`.
    """
    order = order_of(book, command.order)
    check_text(command.reason, "reason")
    kept = paying.escrow_of(book, order)
    if kept is None or order.finance not in rules.FUNDED:
        raise InvalidTransition(
            f"{order.ref} is {order.finance}.", expected=list(rules.FUNDED), got=order.finance
        )
    asked = RefundEscrow(
        kept.ref, command.reason, command.amount, command.policy, command.named, command.frozen
    )
    back = escrow.back_of(book, kept, asked)
    order = moving.stop(book, order, back, command.wallet)
    return state_of(checked(book, book.change(order, reason=command.reason)))


# ── policy ───────────────────────────────────────────────────────────────────────────


@VERBS.handles(SetOrderPolicy, roles=("admin",))
def set_policy(book: Book, command: SetOrderPolicy) -> OrderPolicy:
    """Errors: `Invalid`."""
    said = {
        name: value
        for name, value in msgspec.structs.asdict(command).items()
        if name in OrderPolicy.__struct_fields__ and value is not None
    }
    before = setting(book, rules.ORDERS)
    if "sla" in said:
        said["sla"] = {**before.get("sla", {}), **said["sla"]}
    value = {**before, **said}
    kept = rules.policy(value)
    keep(book, rules.ORDERS, value)
    return kept


def _minor(book: Book, order: Order, amount: Money) -> int:
    """An amount in the order's minor units. Errors: `CurrencyMismatch`, those of an amount."""
    if amount.currency != order.unit:
        exponent_of(book, amount.currency)
        raise CurrencyMismatch(
            f"{order.ref} is in {order.unit}.", expected=order.unit, got=amount.currency
        )
    return to_positive_minor(amount.amount, order.exponent)
