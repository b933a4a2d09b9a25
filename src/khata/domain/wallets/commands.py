"""Opening wallets and moving money in, out and between them."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from khata.base.money import Money, to_minor, to_text
from khata.domain.ledger import (
    Moved,
    account_of,
    check_four_eyes,
    enter,
    house_account,
    minor_of,
    open_account,
    wallet_account,
    wallet_id,
)
from khata.domain.setup import source_of, wallet_kind_of
from khata.domain.wallets import rules
from khata.domain.wallets.model import History, Wallet
from khata.engine.accounts import Account
from khata.engine.book import Book
from khata.engine.command import Command, Verbs
from khata.errors import CurrencyMismatch, Invalid, NotFound, SameAccount, WalletNotFound

VERBS: Final = Verbs()
_MOST_TEXT: Final = 200


class WalletState(msgspec.Struct, frozen=True):
    """A wallet as its caller is told of it; `id` and `path` both name it."""

    id: str
    path: str
    owner: str
    kind: str
    currency: str
    title: str
    status: str
    balance: str
    available: str


class OpenWallet(Command, frozen=True, tag="wallets.open", omit_defaults=True):
    """Open a wallet; its kind gives the floor and overdraft it starts with.

    Asking again for the same owner, kind and currency is refused with `already_exists`.
    """

    owner: str
    currency: str
    wallet_kind: str = "personal"
    title: str | None = None


class RenameWallet(Command, frozen=True, tag="wallets.rename"):
    """Give a wallet another title."""

    wallet: str
    title: str


class Credit(Command, frozen=True, tag="wallets.credit", omit_defaults=True):
    """Bring money into a wallet out of a house account.

    `against`: that account; left out, the source's own (for `top_up`, `cash/main`).
    """

    wallet: str
    amount: Money
    source: str = "top_up"
    against: str | None = None
    reference: str | None = None
    note: str | None = None
    metadata: dict[str, Any] | None = None


class Debit(Command, frozen=True, tag="wallets.debit", omit_defaults=True):
    """Take money out of a wallet into a house account; the opposite of `Credit`."""

    wallet: str
    amount: Money
    source: str = "withdrawal"
    against: str | None = None
    reference: str | None = None
    note: str | None = None
    metadata: dict[str, Any] | None = None


class Transfer(Command, frozen=True, tag="wallets.transfer", omit_defaults=True):
    """Move money from one wallet to another, in one currency."""

    wallet: str
    to: str
    amount: Money
    source: str = "transfer"
    reference: str | None = None
    note: str | None = None
    metadata: dict[str, Any] | None = None


class SetOpeningBalance(Command, frozen=True, tag="wallets.opening", omit_defaults=True):
    """Bring a wallet's past in: one balanced entry against `equity/opening`."""

    wallet: str
    history: History
    reference: str | None = None


@VERBS.handles(OpenWallet, roles=("admin", "finance", "support", "service"))
def open_wallet(book: Book, command: OpenWallet) -> WalletState:
    """Errors: `Invalid`, `UnknownKind`, `UnknownCurrency`, `AlreadyExists`."""
    wallet = _open(book, command.owner, command.wallet_kind, command.currency, command.title)
    return state_of(wallet, book.account(wallet.account_id))


def ensure_wallet(book: Book, owner: str, kind: str, unit: str) -> Account:
    """The account of an owner's wallet of this kind, opened when there is none yet: from another
    room's handler.

    Errors: `Invalid`, `UnknownKind`, `UnknownCurrency`.
    """
    known = book.find_one(Account, code=f"wallet/{owner}/{kind}/{unit}")
    if known is not None:
        return book.account(known.id)
    return book.account(_open(book, owner, kind, unit, None).account_id)


def _open(book: Book, owner: str, kind_name: str, unit: str, title: str | None) -> Wallet:
    kind = wallet_kind_of(book, kind_name)
    if not rules.is_owner_name(owner):
        raise Invalid(
            "An owner's id has 1 to 128 printable characters without spaces or slashes, and is not"
            " a word with which house accounts begin.",
            expected="such as alice or user-42",
            got=owner[:60],
        )
    account = open_account(
        book,
        f"wallet/{owner}/{kind.name}/{unit}",
        unit,
        owner=owner,
        floor=kind.floor,
        overdraft=kind.overdraft,
    )
    title = _title(title or kind.title)
    return book.add(Wallet(account.id, owner, kind.name, account.unit, title, book.now))


@VERBS.handles(RenameWallet, roles=("owner", "admin", "support", "service"))
def rename_wallet(book: Book, command: RenameWallet) -> WalletState:
    """Errors: `Invalid`, `WalletNotFound`, `NotYours`."""
    account = wallet_account(book, command.wallet)
    wallet = book.change(book.get(Wallet, account.id), title=_title(command.title))
    return state_of(wallet, account)


@VERBS.handles(Credit, roles=("admin", "finance", "service"))
def credit(book: Book, command: Credit) -> Moved:
    """Errors: those of `enter` and `account_of`."""
    account = wallet_account(book, command.wallet)
    return _against_house(
        book, command, account, -minor_of(book, account, command.amount), "credit"
    )


@VERBS.handles(Debit, roles=("admin", "finance", "service"))
def debit(book: Book, command: Debit) -> Moved:
    """Errors: those of `enter` and `account_of`, first of all `InsufficientFunds`."""
    account = wallet_account(book, command.wallet)
    return _against_house(book, command, account, minor_of(book, account, command.amount), "debit")


def _against_house(
    book: Book, command: Credit | Debit, account: Account, minor: int, type_: str
) -> Moved:
    check_four_eyes(book, account, abs(minor))
    source = source_of(book, command.source)
    house = house_account(book, command.against or source.against, account.unit)
    return enter(
        book,
        ((account.id, minor), (house.id, -minor)),
        type=type_,
        source=source,
        reference=command.reference,
        note=command.note,
        metadata=command.metadata,
    )


@VERBS.handles(Transfer, roles=("owner", "admin", "finance", "service"))
def transfer(book: Book, command: Transfer) -> Moved:
    """Errors: those of `enter` and `account_of`; `SameAccount`, `NotYours`."""
    payer = wallet_account(book, command.wallet)
    try:
        payee = account_of(book, command.to)
    except (NotFound, Invalid):
        raise _no_payee(command.to) from None
    if payee.owner is None:
        raise _no_payee(command.to)
    if payer.id == payee.id:
        raise SameAccount("Money cannot move from a wallet to itself.", wallet=command.wallet)
    if payee.unit != payer.unit:
        raise CurrencyMismatch(
            f"{payee.code} is in {payee.unit}, {payer.code} in {payer.unit}.",
            expected=payer.unit,
            got=payee.unit,
        )
    minor = minor_of(book, payer, command.amount)
    check_four_eyes(book, payer, minor)
    return enter(
        book,
        ((payer.id, minor), (payee.id, -minor)),
        type="transfer",
        source=source_of(book, command.source),
        reference=command.reference,
        note=command.note,
        metadata=command.metadata,
    )


def _no_payee(name: str) -> WalletNotFound:
    """One answer for all that is no wallet: nobody learns which house accounts there are."""
    return WalletNotFound(f"No wallet {name[:200]!r}.", got=name[:200])


@VERBS.handles(SetOpeningBalance, roles=("admin", "finance", "service"))
def set_opening_balance(book: Book, command: SetOpeningBalance) -> Moved:
    """One entry: the wallet's net against an account for each total.

    Errors: `Invalid` when nothing is given or nothing remains; `InvalidAmount`,
    `CurrencyMismatch`; `InsufficientFunds` when the past adds up below the wallet's floor.
    """
    account = wallet_account(book, command.wallet)
    totals = []
    for name, sign in rules.named_totals(command.history):
        money: Money = getattr(command.history, name)
        minor = minor_of(book, account, money) if _is_above_zero(money, account) else 0
        if minor:
            totals.append((name, sign * minor))
    net = sum(total for _, total in totals)
    if not net:
        raise Invalid(
            "The totals leave nothing to open with.",
            expected="totals whose sum is not zero",
            got=to_text(net, account.exponent),
        )
    check_four_eyes(book, account, abs(net))
    legs = [(account.id, -net)]
    for name, total in totals:
        house = house_account(book, f"equity/opening/{name}", account.unit)
        legs.append((house.id, total))
    return enter(
        book,
        legs,
        type="opening",
        source=source_of(book, "opening"),
        reference=command.reference,
        metered=False,
    )


def _is_above_zero(money: Money, account: Account) -> bool:
    return to_minor(money.amount, account.exponent) != 0


def state_of(wallet: Wallet, account: Account) -> WalletState:
    """The wallet as its caller is told of it."""
    return WalletState(
        wallet_id(account.id),
        account.code.removeprefix("wallet/"),
        wallet.owner,
        wallet.kind,
        wallet.unit,
        wallet.title,
        account.status,
        to_text(account.natural, account.exponent),
        to_text(account.available, account.exponent),
    )


def _title(text: str) -> str:
    if not text.strip() or len(text) > _MOST_TEXT or "\x00" in text:
        raise Invalid("A title has 1 to 200 characters.", expected="1 to 200", got=text[:60])
    return text
