"""Finding accounts, and the one door through which money moves.

`account_of` finds what a caller names, be it a wallet or a house account. `enter` posts an entry
and says how it is called in the khata of each owner concerned; every room moves money by it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from khata.base.actor import STAFF
from khata.base.money import Money, to_minor, to_positive_minor, to_text
from khata.domain.ledger.model import FLOORED, ROOTS, Moved, MovedLeg, code_of, entry_id, wallet_key
from khata.domain.setup import FOUR_EYES, Source, exponent_of, setting
from khata.engine.accounts import SIDE, Account, Lines
from khata.engine.book import Book, Leg, Posted
from khata.errors import (
    AccountNotFound,
    AlreadyExists,
    ApprovalRequired,
    CurrencyMismatch,
    Invalid,
    NotFound,
    NotYours,
    WalletNotFound,
)

_CODE: Final = re.compile(r"[a-z]+(/[^\s/\x00-\x1f\x7f]{1,128}){1,4}")
_MOST_TEXT: Final = 500
_MOST_METADATA: Final = 4000


# ── finding accounts ─────────────────────────────────────────────────────────────────


def account_of(book: Book, name: str, unit: str | None = None) -> Account:
    """The account that a caller names, holds past their expiry released.

    `name`: a wallet id (`wal_…`), a wallet's path (`alice/personal/BDT`) or an account code
    (`escrow/M1`). `unit` picks one of several accounts with the same code.

    Errors: `WalletNotFound`, `AccountNotFound`, `CurrencyMismatch`, `UnknownCurrency`; `Invalid`
    for a house account in several currencies.
    """
    code = code_of(name)
    if code is None:
        account = book.peek(Account, wallet_key(name))
        if account is None or account.owner is None:
            raise WalletNotFound(f"No wallet {name!r}.", got=name)
    else:
        account = _by_code(book, code, unit)
        if account is None:
            if code.startswith("wallet/"):
                raise WalletNotFound(f"No wallet {name[:200]!r}.", got=name[:200])
            raise AccountNotFound(f"No account {name[:200]!r}.", got=name[:200])
    if unit is not None and account.unit != unit:
        raise _other_currency(book, account, unit)
    if account.next_expiry is not None:
        return book.account(account.id)
    return account


def foresee(book: Book, names: Sequence[str]) -> None:
    """Have all the accounts that a caller names loaded at once."""
    codes = (code_of(name) for name in names)
    book.foresee(Account, "code", [code for code in codes if code is not None])


def _by_code(book: Book, code: str, unit: str | None) -> Account | None:
    accounts = book.find(Account, code=code)
    if len(accounts) == 1:
        return accounts[0]
    if accounts:
        accounts = [account for account in accounts if unit in (None, account.unit)] or accounts
        if unit is None:
            raise Invalid(
                f"{code} exists in several currencies.",
                expected=[account.unit for account in accounts],
                got=None,
            )
    return accounts[0] if accounts else None


def house_account(book: Book, code: str, unit: str) -> Account:
    """A house account in this unit, opened when it does not exist yet.

    Errors: `Invalid` for a code whose first word is not one of `ROOTS`, or a wallet's.
    """
    for account in book.find(Account, code=code):
        if account.unit == unit and account.owner is None:
            return account
    return open_account(book, code, unit, floor=0 if code.partition("/")[0] in FLOORED else None)


def other_side(book: Book, name: str, unit: str) -> Account:
    """The account that a caller names as the other side: a wallet, or a house account, which is
    opened when it does not exist yet.

    Errors: those of `account_of` and `house_account`.
    """
    if name.partition("/")[0] in ROOTS and not name.startswith("wallet/"):
        return house_account(book, name, unit)
    return account_of(book, name, unit)


def open_account(
    book: Book,
    code: str,
    unit: str,
    *,
    owner: str | None = None,
    floor: int | None = None,
    overdraft: int = 0,
) -> Account:
    """A new account. Errors: `Invalid`, `UnknownCurrency`, `AlreadyExists`."""
    root = code.partition("/")[0]
    if not _CODE.fullmatch(code) or root not in ROOTS or (root == "wallet") != (owner is not None):
        raise Invalid(
            f"{code[:200]!r} is not the code of {'a wallet' if owner else 'a house account'}.",
            expected=f"a path such as escrow/M1, beginning with one of {', '.join(ROOTS)}",
            got=code[:200],
        )
    exponent = exponent_of(book, unit)
    if any(account.unit == unit for account in book.find(Account, code=code)):
        raise AlreadyExists(f"{code} exists already in {unit}.", got=code)
    return book.add(
        Account(
            book.new_number(),
            code,
            ROOTS[root],
            unit,
            exponent,
            owner,
            "active",
            floor,
            overdraft,
            None,
            book.now,
        )
    )


def wallet_account(book: Book, name: str) -> Account:
    """The account of a wallet that the actor may act on.

    Errors: `WalletNotFound`, `NotYours` (an owner learns nothing about wallets of others).
    """
    owner = book.actor.owner
    try:
        account = account_of(book, name)
        if account.owner is None:
            raise WalletNotFound(f"{name[:200]!r} is not a wallet.", got=name[:200])
    except (NotFound, Invalid):  # a house account in several currencies is there, and not theirs
        if owner is None:
            raise
        raise NotYours("This is not yours, or does not exist.", expected=owner) from None
    check_owner(book, account)
    return account


def check_owner(book: Book, account: Account) -> None:
    """An owner acts on what is theirs. Errors: `NotYours`."""
    owner = book.actor.owner
    if owner is not None and account.owner != owner:
        raise NotYours("This is not yours, or does not exist.", expected=owner)


def minor_of(book: Book, account: Account, amount: Money) -> int:
    """An amount above zero in the account's minor units.

    Errors: `CurrencyMismatch`, `UnknownCurrency`, `InvalidAmount`, `TooManyDecimals`,
    `AmountTooLarge`.
    """
    if amount.currency != account.unit:
        raise _other_currency(book, account, amount.currency)
    return to_positive_minor(amount.amount, account.exponent)


def _other_currency(book: Book, account: Account, currency: str) -> CurrencyMismatch:
    """The error of an amount in another currency. Errors: `UnknownCurrency` when it is none."""
    exponent_of(book, currency)
    return CurrencyMismatch(
        f"{account.code} is in {account.unit}, the amount in {currency}.",
        expected=account.unit,
        got=currency,
    )


def check_four_eyes(book: Book, account: Account, minor: int) -> None:
    """Above the book's limit a member of staff needs a second person.

    Errors: `ApprovalRequired`.
    """
    roles = book.actor.roles  # as `acts_alone` says; written out, for every movement comes by
    if book.approved or "service" in roles or roles.isdisjoint(STAFF):
        return
    limit = setting(book, FOUR_EYES).get(account.unit)
    if limit is not None and minor > to_minor(str(limit), account.exponent):
        raise ApprovalRequired(
            f"Above {limit} {account.unit} a second person must approve: ask for it first.",
            expected=f"at most {limit} {account.unit}, or an approved request",
            got=to_text(minor, account.exponent),
            currency=account.unit,
        )


def check_total(book: Book, legs: Sequence[Leg]) -> None:
    """Four eyes look at a movement as a whole: cut in many legs it is still as large.

    Errors: `ApprovalRequired`.
    """
    totals: dict[str, tuple[Account, int]] = {}
    for account_id, amount in legs:
        account = book.account(account_id)
        _, total = totals.get(account.unit, (account, 0))
        totals[account.unit] = (account, total + max(amount, 0))
    for account, total in totals.values():
        check_four_eyes(book, account, total)


# ── entering ─────────────────────────────────────────────────────────────────────────


def enter(
    book: Book,
    legs: Sequence[Leg],
    *,
    type: str,  # noqa: A002 - the column's name
    source: Source,
    reference: str | None = None,
    note: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    reverses: tuple[int, int] | None = None,
    overdraw: bool = False,
    metered: bool = True,
) -> Moved:
    """Post an entry; on owners' accounts each posting is a line of their khata too.

    Errors: those of `Book.post`; `Invalid` for texts beyond their length.
    """
    if reference or note or metadata:
        _check_texts(reference, note, metadata)
    posted = book.post(
        legs,
        type=type,
        source=source.name,
        reference=reference,
        note=note,
        metadata=metadata,
        lines=_lines(source, mirrored=reverses is not None),
        reverses=reverses,
        overdraw=overdraw,
        metered=metered,
    )
    return _moved(book.actor.owner, posted, type, source.name, reference)


def entered(
    book: Book,
    legs: Sequence[Leg],
    *,
    type: str,  # noqa: A002 - the column's name
    source: Source,
    reference: str | None = None,
    note: str | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> str:
    """As `enter`, for who wants the entry's id alone; no limit counts it: that is for what brought
    the money here.
    """
    _check_texts(reference, note, metadata)
    posted = book.post(
        legs,
        type=type,
        source=source.name,
        reference=reference,
        note=note,
        metadata=metadata,
        lines=_lines(source, mirrored=False),
        metered=False,
    )
    return entry_id(posted.seq, posted.entry)


def _lines(source: Source, *, mirrored: bool) -> Lines:
    return Lines(source.money_in, source.money_out, source.category, mirrored)


def _check_texts(
    reference: str | None, note: str | None, metadata: Mapping[str, Any] | None
) -> None:
    for name, text in (("reference", reference), ("note", note)):
        if text is not None and (len(text) > _MOST_TEXT or "\x00" in text):
            raise Invalid(
                f"The {name} is too long or holds a NUL.", expected="at most 500 characters"
            )
    if metadata:
        raw = msgspec.json.encode(metadata)
        if len(raw) > _MOST_METADATA or b"\\u0000" in raw:
            raise Invalid(
                "Metadata is a JSON object of at most 4000 bytes.",
                expected=_MOST_METADATA,
                got=len(raw),
            )


def _moved(
    owner: str | None, posted: Posted, type_: str, source: str, reference: str | None
) -> Moved:
    """What an actor is told: an owner learns nothing about what others have."""
    legs = []
    for account, amount in zip(posted.accounts, posted.amounts, strict=True):
        side, places = SIDE[account.kind], account.exponent
        after = account.balance * side
        moved = amount * side
        if owner is not None and account.owner != owner:
            legs.append(MovedLeg(account.code, to_text(moved, places), None, None))
            continue
        legs.append(
            MovedLeg(
                account.code,
                to_text(moved, places),
                to_text(after - moved, places),
                to_text(after, places),
            )
        )
    name = entry_id(posted.seq, posted.entry)
    return Moved(name, type_, source, posted.accounts[0].unit, reference, legs)


def check_reason(reason: str) -> None:
    """A reason is asked for and kept. Errors: `Invalid`."""
    if not reason.strip() or len(reason) > _MOST_TEXT:
        raise Invalid("Give a reason.", expected="1 to 500 characters", got=reason[:60])
