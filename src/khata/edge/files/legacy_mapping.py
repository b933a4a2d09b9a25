"""How another system's export is to be read: which column is what, which word means what.

A mapping is a TOML or JSON file beside the export, or a JSON object in a request. Whatever it does
not say it does not mean: an unknown name in it is refused, and so is one that is missing.
"""

from __future__ import annotations

import codecs
import re
from datetime import datetime
from pathlib import Path
from typing import Final, Literal
from zoneinfo import ZoneInfo

import msgspec

from khata.domain.orders import Finance, Logistics, Status, Warehouse
from khata.errors.operations import SnapshotRefused

TABLES: Final = ("orders", "management", "wallet_transactions", "wallets")
"""The four tables of an export."""
Direction = Literal["out", "in", "ignored"]
_NAME: Final = re.compile(r"[^\s/\x00-\x1f\x7f]{1,100}")
_MOST_BYTES: Final = 1 << 20
_TRIAL: Final = datetime(2025, 11, 28, 17, 45, 6)  # noqa: DTZ001 - only to try a format


class Axes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a word of the management table says of an order's axes. What it leaves out, it leaves
    as earlier rows of the order have it.
    """

    finance: Finance | None = None
    warehouse: Warehouse | None = None
    logistics: Logistics | None = None


class OrderColumns(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The columns of the orders as customers see them.

    `shown`: the customer's status. `wallet_part`: what the wallet is to pay; `received`: what came
    by bank; `refunded`: what went back; `held`: what is kept back for the seller, left out all of
    an order that is under way and nothing of one that is paid and delivered. `release_at`: for
    when its release is scheduled. `sku`, `reserved`: an item and how many pieces are set aside.
    """

    ref: str
    customer: str
    total: str
    shown: str
    currency: str | None = None
    title: str | None = None
    seller: str | None = None
    wallet_part: str | None = None
    received: str | None = None
    refunded: str | None = None
    held: str | None = None
    placed_at: str | None = None
    receipt_at: str | None = None
    grace_ends_at: str | None = None
    delivered_at: str | None = None
    release_at: str | None = None
    sku: str | None = None
    reserved: str | None = None


class ManagementColumns(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The columns of what the staff see. With `at` an order may have several rows, its history."""

    ref: str
    status: str
    at: str | None = None


class TransactionColumns(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The columns of wallet transactions. One without `ref` belongs to no order."""

    ref: str
    customer: str
    sort: str
    amount: str
    id: str | None = None
    currency: str | None = None


class WalletColumns(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The columns of the wallets."""

    customer: str
    balance: str
    currency: str | None = None


class Orders(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`words`: what each of the customer's statuses is called here."""

    columns: OrderColumns
    words: dict[str, Status]
    file: str = "orders.csv"


class Management(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`words`: what each status of the staff says of the axes."""

    columns: ManagementColumns
    words: dict[str, Axes]
    file: str = "management.csv"


class Transactions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`words`: whether a sort of transaction takes money out of the wallet for an order (holds
    included), brings it back in, or has nothing to do with orders.
    """

    columns: TransactionColumns
    words: dict[str, Direction]
    file: str = "wallet_transactions.csv"


class Wallets(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What stands in the customers' wallets."""

    columns: WalletColumns
    file: str = "wallets.csv"


class Mapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How an export is read. `name`: what the other system is called here; an order or wallet is
    taken over from it once. `currency`: of all amounts.

    `time`: `iso`, or a format of `strptime`; `zone`: where clocks were read that say no offset.
    `decimal`, `thousands`: the characters in amounts. `taken_at`: when the export was made, by
    which it is judged how long something takes; left out, now. `wallet_kind`: which kind of wallet
    a customer's is here.
    """

    name: str
    currency: str
    orders: Orders
    management: Management
    wallet_transactions: Transactions
    wallets: Wallets
    wallet_kind: str = "customer"
    time: str = "iso"
    zone: str = "UTC"
    decimal: str = "."
    thousands: str = ""
    taken_at: str | None = None


def read_mapping(path: Path) -> Mapping:
    """The mapping in a TOML or JSON file. Errors: `SnapshotRefused`."""
    try:
        with path.open("rb") as file:
            raw = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise SnapshotRefused(
            f"The mapping {path.name[:80]} cannot be read: {error.strerror}.",
            reason="missing_file",
            file=path.name[:80],
            expected="a TOML or JSON file",
            got=error.strerror,
        ) from None
    if len(raw) > _MOST_BYTES:
        raise _wrong(path.name, "at most 1 MiB", f"more than {_MOST_BYTES} bytes")
    raw = raw.removeprefix(codecs.BOM_UTF8)
    return mapping_in(raw, path.name, is_json=path.suffix.lower() == ".json")


def mapping_in(raw: bytes, name: str, *, is_json: bool) -> Mapping:
    """The mapping in a text. Errors: `SnapshotRefused` naming `file`, `expected` and `got`."""
    try:
        if is_json:
            found = msgspec.json.decode(raw, type=Mapping)
        else:
            found = msgspec.toml.decode(raw, type=Mapping)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _wrong(name, "a mapping as docs/legacy-audit.md describes it", str(error)) from None
    check_mapping(found, name)
    return found


def check_mapping(mapping: Mapping, name: str) -> None:
    """Whether it makes sense beyond its types. Errors: `SnapshotRefused`."""
    if not _NAME.fullmatch(mapping.name):
        raise _wrong(name, "a `name` of 1 to 100 characters without spaces", mapping.name)
    marks = (mapping.decimal, mapping.thousands)
    if len(mapping.decimal) != 1 or len(mapping.thousands) > 1 or marks[0] == marks[1]:
        raise _wrong(name, "one `decimal` character and another for `thousands`", repr(marks))
    if any(mark.isdecimal() or mark in "-+" for mark in marks if mark):
        raise _wrong(name, "no digit or sign as `decimal` or `thousands`", repr(marks))
    try:
        ZoneInfo(mapping.zone)
    except (ValueError, OSError, LookupError):
        raise _wrong(name, "a `zone` such as Asia/Baghdad", mapping.zone) from None
    _check_format(mapping.time, name)
    words = mapping.management.words
    for word, axes in words.items():
        if axes == Axes():
            raise _wrong(name, f"finance, warehouse or logistics for {word!r}", "nothing")
    if not any(axes.finance for axes in words.values()):
        raise _wrong(name, "a word of the management that says `finance`", ", ".join(words))


def _check_format(text: str, name: str) -> None:
    """A format that gives a day back as it was put in."""
    if text == "iso":
        return
    try:
        back = datetime.strptime(_TRIAL.strftime(text), text)  # noqa: DTZ007 - a trial
    except ValueError:
        back = None
    if back is None or back.date() != _TRIAL.date():
        raise _wrong(name, "`time` as iso or a format such as %Y-%m-%d %H:%M:%S", text)


def _wrong(file: str, expected: str, got: str) -> SnapshotRefused:
    return SnapshotRefused(
        f"{file[:80]} is not a mapping: expected {expected}, found {got[:200]}.",
        reason="mapping",
        file=file[:80],
        expected=expected,
        got=got[:200],
    )
