"""Taking a customer over from another system: wallet, orders as they stand, and their repairs."""

from __future__ import annotations

import re
from typing import Final

from khata.base.money import Money, to_minor
from khata.domain import mismatches, orders
from khata.domain.escrow import Escrow
from khata.domain.inventory import Allocation
from khata.domain.ledger import account_of, check_reason
from khata.domain.legacy import rules
from khata.domain.legacy.model import Judged, Takeover, TakeoverState
from khata.domain.mismatches import Mismatch, Repair, RepairMismatch
from khata.domain.orders import AdoptOrder, Order
from khata.domain.payments import Payable
from khata.domain.setup import exponent_of
from khata.domain.wallets import History, SetOpeningBalance, ensure_wallet
from khata.engine.accounts import Account
from khata.engine.book import Book
from khata.engine.command import Command, Verbs
from khata.engine.records import Record
from khata.errors import AlreadyExists, CurrencyMismatch, Invalid
from khata.errors.operations import SnapshotRefused

VERBS: Final = Verbs()
MOST_ORDERS: Final = 500
_NAME: Final = re.compile(r"[^\s/\x00-\x1f\x7f]{1,100}")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


class TakeOver(Command, frozen=True, tag="legacy.take_over", omit_defaults=True):
    """Take a customer over from another system: the wallet with its balance, the orders as they
    stand, and a repair for each of them with which something is wrong. All of it or nothing.

    `snapshot`: what the other system is called; a customer is taken over from it once. `balance`:
    what stands in the wallet; left out, the customer has none there. `digest`: SHA-256, in hex, of
    what the export says of the customer. `repair`: whether to start repairs, where the wallet has
    what they take of it.
    """

    snapshot: str
    customer: str
    currency: str
    orders: list[AdoptOrder]
    digest: str
    reason: str
    balance: Money | None = None
    wallet_kind: str = "customer"
    repair: bool = True


@VERBS.handles(TakeOver, roles=("admin", "service"))
def take_over(book: Book, command: TakeOver) -> TakeoverState:
    """Errors: `Invalid`; `AlreadyExists` for a customer who was taken over otherwise;
    `SnapshotRefused` with `reason` `wallet_differs` when the wallet is there and has another
    balance; those of `orders.adopt`, of an opening balance and of `mismatches.repair`.
    """
    _check(command)
    known = book.peek(Takeover, (command.snapshot, command.customer))
    if known is not None:
        if known.digest != command.digest:
            raise AlreadyExists(
                f"{command.customer} was taken over from {command.snapshot} before, and stood"
                " otherwise there.",
                expected=known.digest,
                got=command.digest,
            )
        return rules.state_of(known)
    _expect(book, command)
    wallet = _wallet(book, command)
    for order in command.orders:
        book.perform(order)
    balance = None if wallet is None else wallet.natural
    judged = _judged(book, command, balance)
    kept = Takeover(
        snapshot=command.snapshot,
        customer=command.customer,
        digest=command.digest,
        unit=command.currency,
        exponent=exponent_of(book, command.currency),
        wallet=None if wallet is None else wallet.code.removeprefix("wallet/"),
        balance=balance,
        adopted=[order.ref for order in command.orders],
        judged=judged,
        by=str(book.actor),
        reason=command.reason,
        at=book.now,
    )
    book.announce(
        "legacy.taken_over",
        f"{command.snapshot}/{command.customer}",
        command.customer,
        orders=len(kept.adopted),
        repairs=len(judged),
    )
    return rules.state_of(book.add(kept))


def _expect(book: Book, command: TakeOver) -> None:
    """Next to nothing of it is known yet: have all of it looked for at once."""
    rows: list[tuple[type[Record], str]] = []
    answers: list[tuple[type[Record], str, str]] = [
        (Account, "code", f"wallet/{command.customer}/{command.wallet_kind}/{command.currency}")
    ]
    for order in command.orders:
        subject = orders.subject_of(order.ref)
        rows += [(Order, order.ref), (Escrow, subject), (Payable, subject)]
        answers += [
            (Account, "code", f"escrow/{subject}"),
            (Allocation, "open_subject", subject),
            (Mismatch, "watched", order.ref),
            (Repair, "under_way", order.ref),
        ]
    book.expect(rows, answers)


def _wallet(book: Book, command: TakeOver) -> Account | None:
    """The customer's wallet, opened with its balance unless it is there with the very same."""
    if command.balance is None:
        return None
    if command.balance.currency != command.currency:
        raise CurrencyMismatch(
            f"The wallet of {command.customer} is in {command.balance.currency}.",
            expected=command.currency,
            got=command.balance.currency,
        )
    minor = to_minor(command.balance.amount, exponent_of(book, command.currency))
    if minor < 0:
        raise Invalid("A wallet has zero or more.", expected="0", got=command.balance.amount)
    path = f"{command.customer}/{command.wallet_kind}/{command.currency}"
    if book.find(Account, code=f"wallet/{path}"):
        account = account_of(book, path)
        if account.natural != minor:
            raise SnapshotRefused(
                f"The wallet {path} is there already, with another balance.",
                reason="wallet_differs",
                expected=command.balance.amount,
                got=account.natural,
            )
        return account
    account = ensure_wallet(book, command.customer, command.wallet_kind, command.currency)
    if minor:
        history = History(payments_in=command.balance)
        book.perform(SetOpeningBalance(path, history, f"legacy/{command.snapshot}"))
    return book.account(account.id)


def _judged(book: Book, command: TakeOver, balance: int | None) -> list[Judged]:
    """The orders with something wrong. Their repairs are started one after the other, as long as
    the wallet has what they take of it.
    """
    judged = []
    for adopted in command.orders:
        stands = orders.standing_of(book, book.get(Order, adopted.ref))
        founds = mismatches.founds_of(book, stands)
        if not founds or not command.repair:
            continue
        plan = mismatches.plan_of(stands, founds)
        judged.append(Judged(command.customer, founds, plan))
        if rules.is_affordable(plan, balance):
            book.perform(RepairMismatch(adopted.ref, command.reason))
            balance = None if balance is None else balance - plan.from_wallet
    return judged


def _check(command: TakeOver) -> None:
    check_reason(command.reason)
    for what, name in (("snapshot", command.snapshot), ("customer", command.customer)):
        if not _NAME.fullmatch(name):
            raise Invalid(
                f"The {what} has a name of 1 to 100 characters without spaces and slashes.",
                expected="such as old-shop",
                got=name[:60],
            )
    if not _DIGEST.fullmatch(command.digest):
        raise Invalid("A digest is 64 hex digits.", expected="SHA-256", got=command.digest[:80])
    if len(command.orders) > MOST_ORDERS:
        raise Invalid(
            f"A customer is taken over with at most {MOST_ORDERS} orders.",
            expected=MOST_ORDERS,
            got=len(command.orders),
        )
    for order in command.orders:
        if order.customer != command.customer or order.total.currency != command.currency:
            raise Invalid(
                f"{order.ref[:60]} is not an order of this customer in this currency.",
                expected=f"{command.customer}, {command.currency}",
                got=f"{order.customer[:60]}, {order.total.currency[:20]}",
            )
