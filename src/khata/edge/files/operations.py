"""What a line of an operations file asks for: from cells to a command. Functions of values."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from khata.base.money import Money
from khata.domain.holds import CaptureGroup, PlaceHold, VoidGroup
from khata.domain.ledger import LegIn, PostEntry
from khata.domain.wallets import Credit, Debit, OpenWallet, Transfer
from khata.engine.command import Command
from khata.errors import InvalidFile

COLUMNS: Final = (
    "key",
    "operation",
    "wallet",
    "to",
    "amount",
    "currency",
    "source",
    "reference",
    "note",
    "group",
    "expires_in_seconds",
)
REQUIRED: Final = ("operation", "wallet")

_AMOUNT: Final = re.compile(r"[0-9]{1,18}(\.[0-9]{1,8})?")
_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")
_SECONDS: Final = re.compile(r"[1-9][0-9]{0,8}")
_PARTS: Final = 3

Cells = Mapping[str, str]


def command_of(cells: Cells) -> Command:
    """The command of a line. Errors: `InvalidFile`, without the line, which the reader knows."""
    operation = cells["operation"]
    make = OPERATIONS.get(operation)
    if make is None:
        raise _wrong("operation", f"one of {', '.join(OPERATIONS)}", operation)
    return make(cells)


def key_of(cells: Cells) -> str | None:
    """The line's own idempotency key, None without one. Errors: `InvalidFile`."""
    key = cells.get("key")
    if not key:
        return None
    if not _KEY.fullmatch(key):
        raise _wrong("key", "1 to 255 visible ASCII characters", key)
    return key


def _open(cells: Cells) -> OpenWallet:
    parts = _filled(cells, "wallet").split("/")
    if len(parts) != _PARTS or not all(parts):
        raise _wrong("wallet", "OWNER/KIND/CURRENCY, such as alice/personal/BDT", cells["wallet"])
    return OpenWallet(parts[0], parts[2], parts[1], _optional(cells, "note"))


def _credit(cells: Cells) -> Credit:
    return Credit(
        _filled(cells, "wallet"),
        _money(cells),
        cells.get("source") or "top_up",
        _optional(cells, "to"),
        _optional(cells, "reference"),
        _optional(cells, "note"),
    )


def _debit(cells: Cells) -> Debit:
    return Debit(
        _filled(cells, "wallet"),
        _money(cells),
        cells.get("source") or "withdrawal",
        _optional(cells, "to"),
        _optional(cells, "reference"),
        _optional(cells, "note"),
    )


def _transfer(cells: Cells) -> Transfer:
    return Transfer(
        _filled(cells, "wallet"),
        _filled(cells, "to"),
        _money(cells),
        cells.get("source") or "transfer",
        _optional(cells, "reference"),
        _optional(cells, "note"),
    )


def _post(cells: Cells) -> PostEntry:
    money = _money(cells)
    legs = [
        LegIn(_filled(cells, "wallet"), debit=money),
        LegIn(_filled(cells, "to"), credit=money),
    ]
    source = cells.get("source") or "adjustment"
    return PostEntry(legs, source, _optional(cells, "reference"), _optional(cells, "note"))


def _hold(cells: Cells) -> PlaceHold:
    seconds = _optional(cells, "expires_in_seconds")
    if seconds is not None and not _SECONDS.fullmatch(seconds):
        raise _wrong("expires_in_seconds", "a whole number of seconds", seconds)
    return PlaceHold(
        _filled(cells, "wallet"),
        _money(cells),
        cells.get("source") or "order",
        _filled(cells, "group"),
        _optional(cells, "reference"),
        None if seconds is None else int(seconds),
    )


def _capture(cells: Cells) -> CaptureGroup:
    return CaptureGroup(_filled(cells, "group"), _optional(cells, "to"))


def _void(cells: Cells) -> VoidGroup:
    return VoidGroup(_filled(cells, "group"), _filled(cells, "note"))


OPERATIONS: Final[dict[str, Callable[[Cells], Command]]] = {
    "open": _open,
    "credit": _credit,
    "debit": _debit,
    "transfer": _transfer,
    "post": _post,
    "hold": _hold,
    "capture": _capture,
    "void": _void,
}
"""Operation → what makes its command."""


def _money(cells: Cells) -> Money:
    amount = cells.get("amount", "")
    if not _AMOUNT.fullmatch(amount):
        raise _wrong("amount", "a decimal number such as 1000.00", amount)
    return Money(amount, _filled(cells, "currency"))


def _optional(cells: Cells, name: str) -> str | None:
    return cells.get(name) or None


def _filled(cells: Cells, name: str) -> str:
    value = cells.get(name)
    if not value:
        raise _wrong(name, f"a value for {cells['operation']}", "nothing")
    return value


def _wrong(column: str, expected: str, got: str) -> InvalidFile:
    return InvalidFile(
        f"column {column}: expected {expected}, found {got[:80]!r}.",
        column=column,
        expected=expected,
        got=got[:80],
    )
