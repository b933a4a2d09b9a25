"""Holds on wallets. A hold lowers what is available and moves nothing until it is captured.

Expiry is decided by the clock that a command is given: a hold past its `expires_at` counts no
more, whether or not anything has swept it.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from khata.base.clock import SECOND, iso_or_none
from khata.base.money import Money, to_text
from khata.domain.ledger import (
    check_four_eyes,
    check_owner,
    check_reason,
    check_total,
    entered,
    minor_of,
    other_side,
    wallet_account,
)
from khata.domain.setup import source_of
from khata.engine import limits
from khata.engine.accounts import Account
from khata.engine.book import Book
from khata.engine.command import Command, Verbs
from khata.engine.holds import Hold
from khata.errors import (
    HoldExceeded,
    HoldNotActive,
    HoldNotFound,
    Invalid,
    NotYours,
    SameAccount,
)

VERBS: Final = Verbs()
_LONGEST_SECONDS: Final = 400 * 86_400
_MOST_IN_GROUP: Final = 500
_MOST_TEXT: Final = 500


class HoldState(msgspec.Struct, frozen=True):
    """A hold as its caller is told of it. Amounts are decimal strings."""

    id: str
    wallet: str
    status: str
    amount: str
    remaining: str
    captured: str
    currency: str
    group: str | None
    reference: str | None
    expires_at: str | None
    entry: str | None = None


class PlaceHold(Command, frozen=True, tag="holds.place", omit_defaults=True):
    """Set money of a wallet aside, for at most `expires_in_seconds` (None: until voided)."""

    wallet: str
    amount: Money
    source: str = "order"
    group: str | None = None
    reference: str | None = None
    expires_in_seconds: int | None = None


class RaiseHold(Command, frozen=True, tag="holds.raise"):
    """Set more aside under the same hold."""

    hold: str
    by: Money


class CaptureHold(Command, frozen=True, tag="holds.capture", omit_defaults=True):
    """Take held money, wholly or in part; the rest stays held unless `final`.

    `to`: the wallet or house account that receives it; left out, the source's own account.
    """

    hold: str
    amount: Money | None = None
    to: str | None = None
    final: bool = False
    note: str | None = None
    metadata: dict[str, Any] | None = None


class VoidHold(Command, frozen=True, tag="holds.void"):
    """Give held money back to its wallet."""

    hold: str
    reason: str


class CaptureGroup(Command, frozen=True, tag="holds.capture_group", omit_defaults=True):
    """Capture all that the active holds of a group have left, or nothing."""

    group: str
    to: str | None = None


class VoidGroup(Command, frozen=True, tag="holds.void_group"):
    """Void all active holds of a group, or none."""

    group: str
    reason: str


@VERBS.handles(PlaceHold, roles=("owner", "admin", "finance", "service"))
def place_hold(book: Book, command: PlaceHold) -> HoldState:
    """Errors: `InsufficientFunds`, `LimitExceeded`, `AccountFrozen`, `Invalid`, `NotYours`."""
    for text in (command.group, command.reference):
        if text is not None and len(text) > _MOST_TEXT:
            raise Invalid("Group and reference have at most 500 characters.", got=text[:60])
    account = wallet_account(book, command.wallet)
    limits.check_status(account)
    minor = minor_of(book, account, command.amount)
    expires_at = _expiry(book, command.expires_in_seconds)
    source = source_of(book, command.source)
    account = _set_aside(book, account, minor)
    if expires_at is not None and (account.next_expiry or expires_at) >= expires_at:
        account = book.change(account, next_expiry=expires_at)
    hold = Hold(
        book.new_id("hld"),
        account.id,
        account.id,
        command.group,
        minor,
        minor,
        0,
        "active",
        book.now,
        expires_at,
        source.name,
        command.reference,
    )
    return state_of(book.add(hold), account)


@VERBS.handles(RaiseHold, roles=("owner", "admin", "finance", "service"))
def raise_hold(book: Book, command: RaiseHold) -> HoldState:
    """Errors: as `place_hold`; `HoldNotFound`, `HoldNotActive`."""
    hold, account = active_hold(book, command.hold)
    limits.check_status(account)
    minor = minor_of(book, account, command.by)
    account = _set_aside(book, account, minor)
    hold = book.change(hold, amount=hold.amount + minor, remaining=hold.remaining + minor)
    return state_of(hold, account)


def keep(book: Book, account: Account, minor: int, *, source: str, reference: str) -> str | None:
    """Set aside what came for one purpose alone, until `let_go`: from another room's handler.

    As much of it, in minor units, as is available; the hold, or None where nothing is. No limit
    counts it: that is for what the money then leaves by.
    """
    room = limits.headroom(account)
    kept = minor if room is None else min(minor, room)
    if kept <= 0:
        return None
    book.change(account, held=account.held + kept)
    name = book.new_id("hld")
    hold = Hold(
        id=name,
        account_id=account.id,
        open_account=account.id,
        group=None,
        amount=kept,
        remaining=kept,
        captured=0,
        status="active",
        placed_at=book.now,
        expires_at=None,
        source=source,
        reference=reference,
    )
    return book.add(hold).id


def let_go(book: Book, name: str | None) -> None:
    """What `keep` set aside is available again; nothing to do once it is."""
    hold = None if name is None else book.peek(Hold, name)
    if hold is not None and hold.status == "active":
        _void(book, hold)


def _set_aside(book: Book, account: Account, minor: int) -> Account:
    limits.check_headroom(account, minor)
    book.meter(account, minor)
    return book.change(account, held=account.held + minor)


@VERBS.handles(CaptureHold, roles=("admin", "finance", "service"))
def capture_hold(book: Book, command: CaptureHold) -> HoldState:
    """Errors: `HoldNotFound`, `HoldNotActive`, `HoldExceeded`, `CurrencyMismatch`, `Invalid`,
    `AccountFrozen`.
    """
    hold, account = active_hold(book, command.hold)
    minor = hold.remaining
    if command.amount is not None:
        minor = minor_of(book, account, command.amount)
    check_four_eyes(book, account, minor)
    hold, entry = capture(
        book,
        hold,
        minor,
        command.to,
        final=command.final,
        note=command.note,
        metadata=command.metadata,
    )
    return state_of(hold, account, entry)


def capture(
    book: Book,
    hold: Hold,
    minor: int,
    to: str | None,
    *,
    final: bool = False,
    note: str | None = None,
    metadata: dict[str, Any] | None = None,
) -> tuple[Hold, str]:
    """Capture `minor` of an active hold, as `CaptureHold` does, from a handler that has looked at
    both: the hold after it, and the id of the entry.

    Errors: `HoldExceeded`, `SameAccount`, `AccountFrozen`, those of the account that receives.
    """
    account = book.account(hold.account_id)
    if minor > hold.remaining:
        raise HoldExceeded(
            f"{hold.id} has {to_text(hold.remaining, account.exponent)} left.",
            expected=to_text(hold.remaining, account.exponent),
            got=to_text(minor, account.exponent),
            currency=account.unit,
        )
    source = source_of(book, hold.source)
    hold = _take(book, hold, minor, closing=minor == hold.remaining or final)
    payee = other_side(book, to or source.against, account.unit)
    if payee.id == account.id:
        raise SameAccount("Money cannot move from a wallet to itself.", wallet=account.code)
    entry = entered(
        book,
        ((account.id, minor), (payee.id, -minor)),
        type="capture",
        source=source,
        reference=hold.reference,
        note=note,
        metadata=metadata,
    )
    return hold, entry


def _take(book: Book, hold: Hold, minor: int, *, closing: bool) -> Hold:
    """The hold after `minor` was taken from it; closing it releases what is left."""
    released = hold.remaining if closing else minor
    account = book.account(hold.account_id)
    book.change(account, held=account.held - released)
    changed = book.change(
        hold,
        remaining=hold.remaining - released,
        captured=hold.captured + minor,
        status="captured" if closing else "active",
        open_account=None if closing else hold.account_id,
    )
    if closing:
        _recompute_expiry(book, hold)
    return changed


@VERBS.handles(VoidHold, roles=("admin", "finance", "support", "service"))
def void_hold(book: Book, command: VoidHold) -> HoldState:
    """Errors: `HoldNotFound`, `HoldNotActive`, `Invalid`."""
    check_reason(command.reason)
    hold, _ = active_hold(book, command.hold)
    return _void(book, hold)


def _void(book: Book, hold: Hold) -> HoldState:
    account = book.account(hold.account_id)
    book.change(account, held=account.held - hold.remaining)
    status = "captured" if hold.captured else "voided"
    changed = book.change(hold, remaining=0, status=status, open_account=None)
    _recompute_expiry(book, hold)
    return state_of(changed, book.account(hold.account_id))


def _recompute_expiry(book: Book, closed: Hold) -> None:
    """Keep `next_expiry` true when the hold that was first to expire is gone."""
    account = book.account(closed.account_id)
    if closed.expires_at is None or closed.expires_at != account.next_expiry:
        return
    left = [
        hold.expires_at
        for hold in book.find(Hold, open_account=account.id)
        if hold.expires_at is not None
    ]
    book.change(account, next_expiry=min(left, default=None))


@VERBS.handles(CaptureGroup, roles=("admin", "finance", "service"))
def capture_group(book: Book, command: CaptureGroup) -> list[HoldState]:
    """Errors: as `capture_hold`; `HoldNotFound` when the group has no active hold."""
    holds = _group(book, command.group)
    check_total(book, [(hold.account_id, hold.remaining) for hold in holds])
    return [_emptied(book, hold, command.to) for hold in holds]


def _emptied(book: Book, hold: Hold, to: str | None) -> HoldState:
    hold, entry = capture(book, hold, hold.remaining, to)
    return state_of(hold, book.account(hold.account_id), entry)


@VERBS.handles(VoidGroup, roles=("admin", "finance", "support", "service"))
def void_group(book: Book, command: VoidGroup) -> list[HoldState]:
    """Errors: `HoldNotFound` when the group has no active hold."""
    check_reason(command.reason)
    return [_void(book, hold) for hold in _group(book, command.group)]


def _group(book: Book, name: str) -> list[Hold]:
    holds = [hold for hold in book.find(Hold, group=name) if hold.status == "active"]
    fresh = []
    for hold in holds:
        book.account(hold.account_id)
        current = book.get(Hold, hold.id)
        if current.status == "active":
            fresh.append(current)
    if not fresh or len(fresh) > _MOST_IN_GROUP:
        raise HoldNotFound(
            f"No active hold in group {name[:60]!r}, or more than {_MOST_IN_GROUP}.",
            got=name[:60],
        )
    return fresh


def active_hold(book: Book, name: str) -> tuple[Hold, Account]:
    """A hold that can be captured, and its account, which the actor may act on.

    Errors: `HoldNotFound`, `HoldNotActive`; `NotYours` for owners.
    """
    hold, owner = book.peek(Hold, name), book.actor.owner
    if hold is None and owner is not None:
        raise NotYours("This is not yours, or does not exist.", expected=owner)
    if hold is None:
        raise HoldNotFound(f"No hold {name[:60]!r}.", got=name[:60])
    account = book.account(hold.account_id)
    check_owner(book, account)
    hold = book.get(Hold, name)
    if hold.status != "active":
        raise HoldNotActive(f"{hold.id} is {hold.status}.", expected="active", got=hold.status)
    return hold, account


def _expiry(book: Book, seconds: int | None) -> int | None:
    if seconds is None:
        return None
    if not 1 <= seconds <= _LONGEST_SECONDS:
        raise Invalid(
            "A hold lasts 1 second to 400 days.", expected=f"1 to {_LONGEST_SECONDS}", got=seconds
        )
    return book.now + seconds * SECOND


def state_of(hold: Hold, account: Account, entry: str | None = None) -> HoldState:
    """The hold as its caller is told of it."""
    places = account.exponent
    return HoldState(
        hold.id,
        account.code.removeprefix("wallet/"),
        hold.status,
        to_text(hold.amount, places),
        to_text(hold.remaining, places),
        to_text(hold.captured, places),
        account.unit,
        hold.group,
        hold.reference,
        iso_or_none(hold.expires_at),
        entry,
    )
