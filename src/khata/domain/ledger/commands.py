"""Accounts, entries and reversals: what can be asked of the ledger.

`enter` is the one door through which money moves: it posts the entry, and says how it is called in
the khata of each owner concerned. `account_of` finds what a caller names, be it a wallet or a house account.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from khata.base.actor import STAFF
from khata.base.money import MAX_MINOR, Money, to_minor, to_positive_minor, to_text
from khata.domain.ledger import rules
from khata.domain.ledger.model import (
    FLOORED,
    ROOTS,
    Moved,
    MovedLeg,
    Reversed,
    entry_id,
    entry_key,
    wallet_key,
)
from khata.domain.setup import FOUR_EYES, Source, exponent_of, setting, source_of
from khata.engine.accounts import SIDE, Account, Entry, Kind, Lines, VelocityLimit
from khata.engine.book import Book, Leg, Posted
from khata.engine.command import Command, Verbs
from khata.errors import (
    AccountNotEmpty,
    AccountNotFound,
    AlreadyExists,
    ApprovalRequired,
    CurrencyMismatch,
    EntryNotFound,
    Invalid,
    InvalidTransition,
    NotReversible,
    NotYours,
    WalletNotFound,
)

VERBS: Final = Verbs()
_CODE: Final = re.compile(r"[a-z]+(/[^\s/\x00-\x1f\x7f]{1,128}){1,4}")
_MOST_TEXT: Final = 500
_MOST_METADATA: Final = 4000
_MOST_LEGS: Final = 1000


# ── finding accounts ─────────────────────────────────────────────────────────────────


def account_of(book: Book, name: str, unit: str | None = None) -> Account:
    """The account that a caller names, holds past their expiry released.

    `name`: a wallet id (`wal_…`), a wallet's path (`alice/personal/BDT`) or an account code
    (`escrow/M1`). `unit` picks one of several accounts with the same code.

    Errors: `WalletNotFound`, `AccountNotFound`, `CurrencyMismatch`.
    """
    number = wallet_key(name)
    if number is not None:
        account = book.peek(Account, number)
        if account is None or account.owner is None:
            raise WalletNotFound(f"No wallet {name!r}.", got=name)
    else:
        code = name if name.partition("/")[0] in ROOTS else f"wallet/{name}"
        account = _by_code(book, code, unit)
        if account is None:
            if code.startswith("wallet/"):
                raise WalletNotFound(f"No wallet {name[:200]!r}.", got=name[:200])
            raise AccountNotFound(f"No account {name[:200]!r}.", got=name[:200])
    if unit is not None and account.unit != unit:
        raise CurrencyMismatch(
            f"{account.code} is in {account.unit}, the amount in {unit[:20]}.",
            expected=account.unit,
            got=unit[:20],
        )
    if account.next_expiry is not None:
        return book.account(account.id)
    return account


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
        if account.unit == unit:
            return account
    return open_account(book, code, unit, floor=0 if code.partition("/")[0] in FLOORED else None)


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


def check_owner(book: Book, account: Account) -> None:
    """An owner acts on what is theirs. Errors: `NotYours`."""
    owner = book.actor.owner
    if owner is not None and account.owner != owner:
        raise NotYours("This wallet is not yours.", expected=owner)


def minor_of(account: Account, amount: Money) -> int:
    """An amount above zero in the account's minor units.

    Errors: `CurrencyMismatch`, `InvalidAmount`, `TooManyDecimals`, `AmountTooLarge`.
    """
    if amount.currency != account.unit:
        raise CurrencyMismatch(
            f"{account.code} is in {account.unit}, the amount in {amount.currency[:20]}.",
            expected=account.unit,
            got=amount.currency[:20],
        )
    return to_positive_minor(amount.amount, account.exponent)


def check_four_eyes(book: Book, account: Account, minor: int) -> None:
    """Above the book's limit a member of staff needs a second person.

    Errors: `ApprovalRequired`.
    """
    roles = book.actor.roles
    if book.approved or "service" in roles or roles.isdisjoint(STAFF):
        return
    limit = setting(book, FOUR_EYES).get(account.unit)
    if limit is not None and minor > to_minor(str(limit), account.exponent):
        raise ApprovalRequired(
            f"Above {limit} {account.unit} a second person must approve: ask for it first.",
            expected=f"at most {limit} {account.unit}, or an approved request",
            got=to_text(minor, account.exponent),
        )


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
    lines = Lines(source.money_in, source.money_out, source.category, reverses is not None)
    posted = book.post(
        legs,
        type=type,
        source=source.name,
        reference=reference,
        note=note,
        metadata=metadata,
        lines=lines,
        reverses=reverses,
        overdraw=overdraw,
        metered=metered,
    )
    return _moved(posted, type, source.name, reference)


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


def _moved(posted: Posted, type_: str, source: str, reference: str | None) -> Moved:
    legs = []
    for account, amount in zip(posted.accounts, posted.amounts, strict=True):
        side, places = SIDE[account.kind], account.exponent
        after = account.balance * side
        moved = amount * side
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


class LegIn(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One leg as a caller writes it: an account, and either `debit` or `credit`."""

    account: str
    debit: Money | None = None
    credit: Money | None = None


class PostEntry(Command, frozen=True, tag="ledger.post", omit_defaults=True):
    """Post an entry of any shape: the legs of each currency sum to zero.

    House accounts are opened as they are named; wallets must exist.
    """

    legs: list[LegIn]
    source: str
    reference: str | None = None
    note: str | None = None
    metadata: dict[str, Any] | None = None


@VERBS.handles(PostEntry, roles=("admin", "finance", "service"))
def post_entry(book: Book, command: PostEntry) -> Moved:
    """Errors: those of `enter`; `Invalid` for a leg without exactly one amount."""
    if len(command.legs) > _MOST_LEGS:
        raise Invalid("An entry has at most 1000 legs.", expected=_MOST_LEGS)
    legs = [_leg(book, leg) for leg in command.legs]
    return enter(
        book,
        legs,
        type="entry",
        source=source_of(book, command.source),
        reference=command.reference,
        note=command.note,
        metadata=command.metadata,
    )


def _leg(book: Book, leg: LegIn) -> Leg:
    amount = leg.debit or leg.credit
    if amount is None or (leg.debit and leg.credit):
        raise Invalid(
            f"The leg on {leg.account[:80]} needs a debit or a credit.",
            expected="either debit or credit",
            got="both" if amount else "neither",
        )
    if leg.account.partition("/")[0] in ROOTS and not leg.account.startswith("wallet/"):
        account = house_account(book, leg.account, amount.currency)
    else:
        account = account_of(book, leg.account, amount.currency)
    minor = minor_of(account, amount)
    check_four_eyes(book, account, minor)
    return account.id, minor if leg.debit else -minor


# ── accounts ─────────────────────────────────────────────────────────────────────────


class AccountState(msgspec.Struct, frozen=True):
    """An account as its caller is told of it. Amounts are decimal strings, normal side."""

    code: str
    kind: Kind
    currency: str
    status: str
    balance: str
    available: str
    floor: str | None
    overdraft: str
    limits: list[VelocityLimit] | None


class OpenAccount(Command, frozen=True, tag="ledger.open_account"):
    """Open a house account; the first word of its code decides its kind."""

    code: str
    currency: str


class FreezeAccount(Command, frozen=True, tag="ledger.freeze"):
    """Stop all movement on a wallet or house account."""

    account: str
    reason: str


class UnfreezeAccount(Command, frozen=True, tag="ledger.unfreeze"):
    """Let a frozen account move again."""

    account: str
    reason: str


class CloseAccount(Command, frozen=True, tag="ledger.close"):
    """Close an empty account for good."""

    account: str
    reason: str


class SetLimits(Command, frozen=True, tag="ledger.set_limits"):
    """Set an account's floor, overdraft and velocity limits, all of them anew.

    `floor`, `overdraft`: decimal strings; floor None is without limit, for house accounts only.
    `limits`: amounts in minor units; at most eight windows.
    """

    account: str
    reason: str
    floor: str | None = "0"
    overdraft: str = "0"
    limits: list[VelocityLimit] = []


@VERBS.handles(OpenAccount, roles=("admin", "finance", "service"))
def handle_open(book: Book, command: OpenAccount) -> AccountState:
    """Errors: `Invalid`, `UnknownCurrency`, `AlreadyExists`."""
    root = command.code.partition("/")[0]
    floor = 0 if root in FLOORED else None
    return state_of(open_account(book, command.code, command.currency, floor=floor))


@VERBS.handles(FreezeAccount, roles=("admin", "finance", "support"))
def freeze(book: Book, command: FreezeAccount) -> AccountState:
    """Errors: `InvalidTransition` unless active."""
    return _set_status(book, command.account, command.reason, ("active",), "frozen")


@VERBS.handles(UnfreezeAccount, roles=("admin", "finance"))
def unfreeze(book: Book, command: UnfreezeAccount) -> AccountState:
    """Errors: `InvalidTransition` unless frozen."""
    return _set_status(book, command.account, command.reason, ("frozen",), "active")


@VERBS.handles(CloseAccount, roles=("admin", "finance"))
def close(book: Book, command: CloseAccount) -> AccountState:
    """Errors: `AccountNotEmpty`, `InvalidTransition`."""
    account = account_of(book, command.account)
    if account.balance or account.held:
        raise AccountNotEmpty(
            f"{account.code} still has a balance or holds.",
            balance=to_text(account.natural, account.exponent),
            held=to_text(account.held, account.exponent),
        )
    return _set_status(book, command.account, command.reason, ("active", "frozen"), "closed")


@VERBS.handles(SetLimits, roles=("admin", "finance"))
def set_limits(book: Book, command: SetLimits) -> AccountState:
    """Errors: `Invalid`, `InvalidAmount`, `TooManyDecimals`."""
    account = account_of(book, command.account)
    check_reason(command.reason)
    if command.floor is None and account.owner is not None:
        raise Invalid("A wallet has a floor.", expected="a decimal string", got=None)
    overdraft = to_minor(command.overdraft, account.exponent)
    if overdraft < 0:
        raise Invalid("An overdraft is not negative.", expected="0 or more", got=command.overdraft)
    floor = None if command.floor is None else to_minor(command.floor, account.exponent)
    _check_velocity(command.limits)
    return state_of(
        book.change(account, floor=floor, overdraft=overdraft, limits=command.limits or None)
    )


def _check_velocity(limits: Sequence[VelocityLimit]) -> None:
    windows = [limit.window_seconds for limit in limits]
    fine = all(
        1 <= limit.window_seconds <= 366 * 86_400
        and (limit.amount is not None or limit.count is not None)
        and 0 <= (limit.amount or 0) <= MAX_MINOR
        and 0 <= (limit.count or 0)
        for limit in limits
    )
    if not fine or len(set(windows)) < len(windows) or len(windows) > 8:  # noqa: PLR2004 - see SetLimits
        raise Invalid(
            "At most eight limits, each with its own window of 1 s to 366 days and an amount or a"
            " count of zero or more.",
            expected="windows that differ",
            got=windows[:16],
        )


def _set_status(
    book: Book, name: str, reason: str, allowed: tuple[str, ...], status: str
) -> AccountState:
    account = account_of(book, name)
    check_reason(reason)
    if account.status not in allowed:
        raise InvalidTransition(
            f"{account.code} is {account.status}.", expected=list(allowed), got=account.status
        )
    return state_of(book.change(account, status=status))


def check_reason(reason: str) -> None:
    """A reason is asked for and kept. Errors: `Invalid`."""
    if not reason.strip() or len(reason) > _MOST_TEXT:
        raise Invalid("Give a reason.", expected="1 to 500 characters", got=reason[:60])


def state_of(account: Account) -> AccountState:
    """The account as its caller is told of it."""
    places = account.exponent
    floor = None if account.floor is None else to_text(account.floor, places)
    return AccountState(
        account.code,
        account.kind,
        account.unit,
        account.status,
        to_text(account.natural, places),
        to_text(account.available, places),
        floor,
        to_text(account.overdraft, places),
        account.limits,
    )


# ── reversing ────────────────────────────────────────────────────────────────────────


class Reverse(Command, frozen=True, tag="ledger.reverse", omit_defaults=True):
    """Undo an entry, wholly or in part, never beyond what it was.

    `amount`: decimal string, the sum over the entry's debit legs; None is all that is left.
    `overdraw`: take it even from who has no longer enough; this needs an approved request.
    """

    entry: str
    reason: str
    amount: str | None = None
    overdraw: bool = False


@VERBS.handles(Reverse, roles=("admin",))
def reverse(book: Book, command: Reverse) -> Moved:
    """Errors: `EntryNotFound`, `ReversalExceeded`, `NotReversible`, `ApprovalRequired`,
    `InsufficientFunds` when the money is gone, `AccountFrozen`, `AccountClosed`."""
    check_reason(command.reason)
    original = _entry(book, command.entry)
    if original.reverses_seq is not None:
        raise NotReversible("A reversal is not itself reversed.", reason="is_a_reversal")
    if command.overdraw and not book.approved:
        raise ApprovalRequired(
            "Taking money that is gone needs an approved request.",
            expected="an approved request",
            got="overdraw",
        )
    legs = msgspec.json.decode(original.legs, type=list[tuple[int, int]])
    accounts = [book.account(account_id) for account_id, _ in legs]
    known = book.peek(Reversed, (original.seq, original.entry))
    done = known.amounts if known else [0] * len(legs)
    wanted = None
    if command.amount is not None:
        if len({account.unit for account in accounts}) > 1:
            raise NotReversible("Several currencies: reverse it wholly.", reason="mixed")
        wanted = to_positive_minor(command.amount, accounts[0].exponent)
    back = rules.reversal_legs([amount for _, amount in legs], done, wanted)
    for account, amount in zip(accounts, back, strict=True):
        check_four_eyes(book, account, abs(amount))
    moved = enter(
        book,
        [(account.id, amount) for account, amount in zip(accounts, back, strict=True) if amount],
        type="reversal",
        source=source_of(book, original.source),
        reference=original.reference,
        note=command.reason,
        reverses=(original.seq, original.entry),
        overdraw=command.overdraw,
        metered=False,
    )
    _keep_reversal(book, original, known, [was - now for was, now in zip(done, back, strict=True)])
    return moved


def _keep_reversal(
    book: Book, original: Entry, known: Reversed | None, amounts: list[int]
) -> None:
    legs = msgspec.json.decode(original.legs, type=list[tuple[int, int]])
    whole = amounts == [amount for _, amount in legs]
    by = (book.seq, book.posted - 1)
    if known is None:
        book.add(Reversed(original.seq, original.entry, amounts, [by], whole))
    else:
        book.change(known, amounts=amounts, by=[*known.by, by], whole=whole)


def _entry(book: Book, name: str) -> Entry:
    key = entry_key(name)
    entry = book.peek(Entry, key) if key else None
    if entry is None:
        raise EntryNotFound(f"No entry {name[:60]!r}.", got=name[:60])
    return entry
