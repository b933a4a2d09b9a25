"""Defining units, sources, wallet kinds and settings, and looking them up."""

from __future__ import annotations

import re
from typing import Any, Final

from khata.base.actor import STAFF
from khata.base.money import MAX_MINOR, to_minor
from khata.base.units import ISO_4217
from khata.domain.setup.model import (
    FOUR_EYES,
    SOURCES,
    WALLET_KINDS,
    KhataKind,
    Setting,
    Source,
    Unit,
    WalletKind,
)
from khata.engine.book import Book
from khata.engine.command import Command, Verbs
from khata.errors import (
    AlreadyExists,
    ApprovalRequired,
    Invalid,
    UnknownCurrency,
    UnknownKind,
    UnknownSource,
)

VERBS: Final = Verbs()
_UNIT: Final = re.compile(r"[A-Z][A-Z0-9_]{1,11}")
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
_ACCOUNT: Final = re.compile(r"(cash|bank|receivable|clearing|payable|equity|revenue|expense)/\S+")
_MOST_DECIMALS: Final = 8
_OWN_COMMANDS: Final = {
    "netting": "debts.set_netting",
    "trust": "trust.set_rules",
    "earnings": "earnings.set_policy",
    "orders": "orders.set_policy",
    "schedules": "setup.set_schedule",
    "payout_brake": "payouts.brake",
}
"""Settings that a room further on writes by itself."""


def exponent_of(book: Book, currency: str) -> int:
    """Decimals of a currency or of a unit of this book. Errors: `UnknownCurrency`."""
    exponent = ISO_4217.get(currency)
    if exponent is not None:
        return exponent
    unit = book.peek(Unit, currency)
    if unit is None:
        raise UnknownCurrency(
            f"{currency[:20]!r} is not a currency.",
            expected="an ISO 4217 code or a unit defined in this book",
            got=currency[:20],
        )
    return unit.exponent


def source_of(book: Book, name: str) -> Source:
    """A transaction source by name. Errors: `UnknownSource`."""
    source = SOURCES.get(name) or book.peek(Source, name)
    if source is None:
        raise UnknownSource(
            f"{name[:40]!r} is not a transaction source.", expected=sorted(SOURCES), got=name[:40]
        )
    return source


def wallet_kind_of(book: Book, name: str) -> WalletKind:
    """A wallet kind by name. Errors: `UnknownKind`."""
    kind = WALLET_KINDS.get(name) or book.peek(WalletKind, name)
    if kind is None:
        raise UnknownKind(
            f"{name[:40]!r} is not a wallet kind.", expected=sorted(WALLET_KINDS), got=name[:40]
        )
    return kind


def setting(book: Book, name: str) -> dict[str, Any]:
    """The value of a setting, empty when it was never set."""
    known = book.peek(Setting, name)
    return known.value if known else {}


def acts_alone(book: Book) -> bool:
    """Whether a member of staff asks whom nobody has approved: what four eyes are for."""
    roles = book.actor.roles
    return not (book.approved or "service" in roles or roles.isdisjoint(STAFF))


class DefineUnit(Command, frozen=True, tag="setup.define_unit"):
    """Add a unit, such as `XP` with 0 decimals."""

    code: str
    exponent: int
    name: str


class DefineSource(Command, frozen=True, tag="setup.define_source"):
    """Add a transaction source with its khata category."""

    name: str
    category: str
    money_in: KhataKind
    money_out: KhataKind
    against: str


class DefineWalletKind(Command, frozen=True, tag="setup.define_wallet_kind"):
    """Add a wallet kind. `floor`, `overdraft`: minor units that new wallets start with."""

    name: str
    title: str
    floor: int = 0
    overdraft: int = 0


class Set(Command, frozen=True, tag="setup.set"):
    """Give a setting a value: `Set("four_eyes", {"BDT": "100000.00"})`."""

    name: str
    value: dict[str, Any]


@VERBS.handles(DefineUnit, roles=("admin",))
def define_unit(book: Book, command: DefineUnit) -> Unit:
    """Errors: `Invalid`, `AlreadyExists` (also for a code that ISO 4217 has)."""
    _check_name(_UNIT, command.code, "2 to 12 capital letters or digits")
    if command.code in ISO_4217:
        raise AlreadyExists(f"{command.code} is an ISO 4217 currency.", got=command.code)
    if not 0 <= command.exponent <= _MOST_DECIMALS:
        raise Invalid("A unit has 0 to 8 decimals.", expected="0 to 8", got=command.exponent)
    return book.add(Unit(command.code, command.exponent, command.name))


@VERBS.handles(DefineSource, roles=("admin",))
def define_source(book: Book, command: DefineSource) -> Source:
    """Errors: `Invalid`, `AlreadyExists`."""
    _check_name(_NAME, command.name, "lower-case letters, digits and _")
    _check_name(_ACCOUNT, command.against, "an account such as expense/bonus")
    if command.name in SOURCES:
        raise AlreadyExists(f"The source {command.name} is built in.", got=command.name)
    return book.add(
        Source(command.name, command.category, command.money_in, command.money_out, command.against)
    )


@VERBS.handles(DefineWalletKind, roles=("admin",))
def define_wallet_kind(book: Book, command: DefineWalletKind) -> WalletKind:
    """Errors: `Invalid`, `AlreadyExists`."""
    _check_name(_NAME, command.name, "lower-case letters, digits and _")
    if command.name in WALLET_KINDS:
        raise AlreadyExists(f"The wallet kind {command.name} is built in.", got=command.name)
    if not 0 <= command.overdraft <= MAX_MINOR or abs(command.floor) > MAX_MINOR:
        raise Invalid(
            "An overdraft is not negative, and neither it nor a floor passes what a book holds.",
            expected=MAX_MINOR,
            got=[command.floor, command.overdraft],
        )
    return book.add(WalletKind(command.name, command.title, command.floor, command.overdraft))


@VERBS.handles(Set, roles=("admin",))
def set_value(book: Book, command: Set) -> Setting:
    """Errors: `Invalid`, also for what has a command of its own; for `four_eyes` also those of an
    amount and its currency, and `ApprovalRequired` for a limit that is lifted or raised.
    """
    _check_name(_NAME, command.name, "lower-case letters, digits and _")
    if command.name in _OWN_COMMANDS:
        raise Invalid(
            f"The setting {command.name} has a command of its own, which checks it.",
            expected=_OWN_COMMANDS[command.name],
            got="setup.set",
        )
    if command.name == FOUR_EYES:
        _check_limits(book, command.value)
    return keep(book, command.name, command.value)


def keep(book: Book, name: str, value: dict[str, Any]) -> Setting:
    """Give a setting a value that a room has checked, from its own command."""
    known = book.peek(Setting, name)
    return book.add(Setting(name, value)) if known is None else book.change(known, value=value)


def _check_limits(book: Book, value: dict[str, Any]) -> None:
    """Who needs a second person above a limit needs one to loosen it too."""
    wanted = {
        currency: to_minor(limit, exponent_of(book, currency)) for currency, limit in value.items()
    }
    if not acts_alone(book):
        return
    for currency, limit in setting(book, FOUR_EYES).items():
        if currency in wanted and wanted[currency] <= to_minor(limit, exponent_of(book, currency)):
            continue
        raise ApprovalRequired(
            f"To lift or raise the four-eyes limit of {limit} {currency} a second person must"
            " approve: ask for it first.",
            expected=f"at most {limit} {currency}, or an approved request",
            got=value.get(currency),
            currency=currency,
        )


def _check_name(pattern: re.Pattern[str], name: str, expected: str) -> None:
    if not pattern.fullmatch(name):
        raise Invalid(f"{name[:60]!r} is not a name for this.", expected=expected, got=name[:60])
