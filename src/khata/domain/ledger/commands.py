"""Accounts, entries and reversals: what can be asked of the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from khata.base.money import MAX_MINOR, Money, to_minor, to_positive_minor, to_text
from khata.domain.ledger import rules
from khata.domain.ledger.entering import (
    account_of,
    check_four_eyes,
    check_reason,
    check_total,
    enter,
    foresee,
    minor_of,
    open_account,
    other_side,
)
from khata.domain.ledger.model import FLOORED, LimitView, Moved, Reversed, entry_key
from khata.domain.setup import source_of
from khata.engine.accounts import Account, Entry, Kind, VelocityLimit
from khata.engine.book import Book, Leg
from khata.engine.command import Command, Verbs
from khata.errors import (
    AccountNotEmpty,
    ApprovalRequired,
    EntryNotFound,
    Invalid,
    InvalidTransition,
    NotReversible,
)

VERBS: Final = Verbs()
_MOST_LEGS: Final = 1000


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
    foresee(book, [leg.account for leg in command.legs])
    legs = [_leg(book, leg) for leg in command.legs]
    check_total(book, legs)
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
    account = other_side(book, leg.account, amount.currency)
    minor = minor_of(book, account, amount)
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
    limits: list[LimitView]


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
    limits: tuple[VelocityLimit, ...] = ()


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
            currency=account.unit,
        )
    return _set_status(book, command.account, command.reason, ("active", "frozen"), "closed")


@VERBS.handles(SetLimits, roles=("admin", "finance"))
def set_limits(book: Book, command: SetLimits) -> AccountState:
    """Errors: `Invalid`, `InvalidAmount`, `TooManyDecimals`; `ApprovalRequired` when by more than
    the four-eyes limit more may leave than before.
    """
    account = account_of(book, command.account)
    check_reason(command.reason)
    if command.floor is None and account.owner is not None:
        raise Invalid("A wallet has a floor.", expected="a decimal string", got=None)
    overdraft = to_minor(command.overdraft, account.exponent)
    if overdraft < 0:
        raise Invalid("An overdraft is not negative.", expected="0 or more", got=command.overdraft)
    floor = None if command.floor is None else to_minor(command.floor, account.exponent)
    _check_velocity(command.limits)
    check_four_eyes(book, account, rules.loosened(account, floor, overdraft))
    return state_of(
        book.change(account, floor=floor, overdraft=overdraft, limits=list(command.limits) or None)
    )


def _check_velocity(limits: Sequence[VelocityLimit]) -> None:
    windows = [limit.window_seconds for limit in limits]
    fine = all(
        1 <= limit.window_seconds <= 366 * 86_400
        and (limit.amount is not None or limit.count is not None)
        and 0 <= (limit.amount or 0) <= MAX_MINOR
        and 0 <= (limit.count or 0) <= MAX_MINOR
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
        rules.limit_views(account),
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
    `InsufficientFunds` when the money is gone, `AccountFrozen`, `AccountClosed`.
    """
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
    back = rules.reversal_legs([amount for _, amount in legs], done, wanted, of=accounts[0])
    check_total(book, [(was[0], amount) for was, amount in zip(legs, back, strict=True)])
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


def _keep_reversal(book: Book, original: Entry, known: Reversed | None, amounts: list[int]) -> None:
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
