"""An export of another system as a snapshot: orders as customers see them, what the staff have of
them, and what the wallets really paid, put together row by row.

Nothing is guessed. What does not fit together is refused before anything is judged: an order that
one table has and the other has not, or a wallet's transaction for an order that nobody knows,
would otherwise be judged by half of what is known of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from khata.base.clock import Instant
from khata.base.units import ISO_4217
from khata.domain.legacy import LegacyOrder, LegacyWallet, Snapshot
from khata.edge.files.legacy_mapping import TABLES, Axes, Mapping, check_mapping, read_mapping
from khata.edge.files.legacy_rows import Reader, Row, read_rows, rows_of
from khata.errors.operations import SnapshotRefused

_REQUEST: Final = "mapping"


def read_snapshot(folder: Path | str, mapping: Path | str, now: Instant) -> Snapshot:
    """The snapshot in the files of a folder. `now`: when it was taken, unless the mapping says.

    Errors: `SnapshotRefused` naming `file`, `line`, `column`, `expected` and `got`.
    """
    folder, path = Path(folder), Path(mapping)
    if not folder.is_dir():
        raise SnapshotRefused(
            f"There is no folder {folder.name[:80]!r}.",
            reason="missing_file",
            file=folder.name[:80],
            expected="a folder with the exported files",
            got="none",
        )
    found = read_mapping(path)
    tables = {
        table: read_rows(folder, getattr(found, table).file, columns_of(found, table))
        for table in TABLES
    }
    return _snapshot(found, path.name, tables, now)


def snapshot_in(mapping: Mapping, tables: dict[str, Any], now: Instant) -> Snapshot:
    """The snapshot in a request: decoded JSON rows by the name of their table.

    Errors: as `read_snapshot`; the `file` is the table's name.
    """
    check_mapping(mapping, _REQUEST)
    rows = {table: rows_of(table, tables[table], columns_of(mapping, table)) for table in TABLES}
    return _snapshot(mapping, _REQUEST, rows, now)


def columns_of(mapping: Mapping, table: str) -> list[str]:
    """The columns that a table of the export must have."""
    named = msgspec.structs.astuple(getattr(mapping, table).columns)
    return list(dict.fromkeys(name for name in named if name is not None))


def _snapshot(mapping: Mapping, name: str, tables: dict[str, list[Row]], now: Instant) -> Snapshot:
    exponent = ISO_4217.get(mapping.currency)
    if exponent is None:
        raise _of_mapping(name, "a `currency` of ISO 4217 such as IQD", mapping.currency)
    reader = Reader(
        mapping.currency,
        exponent,
        mapping.time,
        ZoneInfo(mapping.zone),
        mapping.decimal,
        mapping.thousands,
    )
    taken_at: Instant | None = now
    if mapping.taken_at is not None:
        taken_at = reader.instant_of(mapping.taken_at)
    if taken_at is None:
        raise _of_mapping(name, f"`taken_at` as a time: {mapping.time}", mapping.taken_at or "")
    wallets = _wallets(mapping, reader, tables["wallets"])
    staff = _management(mapping, reader, tables["management"], taken_at)
    moved = _moved(mapping, reader, tables["wallet_transactions"])
    orders = _orders(mapping, reader, tables["orders"], staff, moved, taken_at)
    _check_all_there(mapping, orders, wallets, staff, moved)
    return Snapshot(
        name=mapping.name,
        unit=mapping.currency,
        exponent=exponent,
        wallet_kind=mapping.wallet_kind,
        taken_at=taken_at,
        wallets=list(wallets.values()),
        orders=list(orders.values()),
        digest=_digest(mapping, tables),
    )


def _of_mapping(file: str, expected: str, got: str) -> SnapshotRefused:
    return SnapshotRefused(
        f"{file}: expected {expected}, found {got[:80]!r}.",
        reason="mapping",
        file=file,
        expected=expected,
        got=got[:80],
    )


def _digest(mapping: Mapping, tables: dict[str, list[Row]]) -> str:
    """SHA-256 of the mapping and of every cell that it names, in hex."""
    made = hashlib.sha256(msgspec.json.encode(mapping))
    for table in TABLES:
        names = columns_of(mapping, table)
        for row in tables[table]:
            made.update(msgspec.json.encode([table, [row.cells.get(name, "") for name in names]]))
    return made.hexdigest()


# ── each table ───────────────────────────────────────────────────────────────────────


def _wallets(mapping: Mapping, reader: Reader, rows: Iterable[Row]) -> dict[str, LegacyWallet]:
    of = mapping.wallets.columns
    found: dict[str, LegacyWallet] = {}
    for row in rows:
        customer = reader.name(row, of.customer)
        if customer in found:
            raise row.wrong("duplicate", of.customer, "each customer once", customer)
        reader.check_currency(row, of.currency)
        found[customer] = LegacyWallet(customer, reader.needed(row, of.balance))
    return found


@dataclass
class _Staff:
    """What the staff have of an order: its axes, since when, and where it was said last."""

    row: Row
    finance: str | None = None
    warehouse: str = "waiting"
    logistics: str = "waiting"
    since: dict[str, Instant] = field(default_factory=dict)


def _management(
    mapping: Mapping, reader: Reader, rows: Sequence[Row], taken_at: Instant
) -> dict[str, _Staff]:
    """Each order's axes. Rows of one order, where they have times, are its history."""
    of = mapping.management.columns
    said: list[tuple[Instant, Row, str, Axes]] = []
    for row in rows:
        at = reader.past(row, of.at, taken_at)
        if of.at is not None and at is None:
            raise row.wrong("time", of.at, "a time", "")
        word = reader.word(row, of.status, mapping.management.words)
        said.append((at or 0, row, reader.name(row, of.ref), word))
    if of.at is not None:
        said.sort(key=lambda item: item[0])  # stable: at the same time the order of the file
    found: dict[str, _Staff] = {}
    for at, row, ref, axes in said:
        if ref in found and of.at is None:
            raise row.wrong("duplicate", of.ref, "each order once, for no column says when", ref)
        staff = found.setdefault(ref, _Staff(row))
        staff.row = row
        for axis, word in msgspec.structs.asdict(axes).items():
            if word is not None and getattr(staff, axis) != word:
                setattr(staff, axis, word)
                staff.since[axis] = at
    for ref, staff in found.items():
        if staff.finance is None:
            expected = "a row of this order that says how it is paid"
            raise staff.row.wrong("no_finance", of.status, expected, ref)
    return found


Moved = dict[tuple[str, str], tuple[int, Row]]
"""What a wallet really paid, by order and customer, in minor units, and where it stands."""


def _moved(mapping: Mapping, reader: Reader, rows: Iterable[Row]) -> Moved:
    """What wallets really paid for orders, less what came back."""
    of = mapping.wallet_transactions.columns
    moved: Moved = {}
    ids: set[str] = set()
    for row in rows:
        direction = reader.word(row, of.sort, mapping.wallet_transactions.words)
        reader.check_currency(row, of.currency)
        minor = reader.needed(row, of.amount)
        name = reader.text(row, of.id)
        if name is not None and name in ids:
            raise row.wrong("duplicate", of.id, "each transaction once", name)
        ids.add(name or "")
        if direction == "ignored" or reader.text(row, of.ref) is None:
            continue
        key = (reader.name(row, of.ref), reader.name(row, of.customer))
        before, _ = moved.get(key, (0, row))
        moved[key] = (before + (minor if direction == "out" else -minor), row)
    return moved


def _check_all_there(
    mapping: Mapping,
    orders: dict[str, LegacyOrder],
    wallets: dict[str, LegacyWallet],
    staff: dict[str, _Staff],
    moved: Moved,
) -> None:
    """Whether the tables speak of the same orders and customers."""
    for ref, found in staff.items():
        if ref not in orders:
            expected = f"an order of {mapping.orders.file}"
            raise found.row.wrong("unknown_order", mapping.management.columns.ref, expected, ref)
    for (ref, customer), (_, row) in moved.items():
        of = mapping.wallet_transactions.columns
        if ref not in orders:
            raise row.wrong("unknown_order", of.ref, f"an order of {mapping.orders.file}", ref)
        if orders[ref].customer != customer:
            expected = f"{orders[ref].customer}, whose order {ref} is"
            raise row.wrong("unknown_order", of.customer, expected, customer)
    for ref, order in orders.items():
        if order.wallet_part and order.customer not in wallets:
            raise SnapshotRefused(
                f"{ref} is to be paid by the wallet of {order.customer}, of which"
                f" {mapping.wallets.file} says nothing.",
                reason="no_wallet",
                file=mapping.orders.file,
                line=order.line,
                expected=f"{order.customer} in {mapping.wallets.file}",
                got="none",
            )


def _orders(
    mapping: Mapping,
    reader: Reader,
    rows: Iterable[Row],
    staff: dict[str, _Staff],
    moved: Moved,
    taken_at: Instant,
) -> dict[str, LegacyOrder]:
    of = mapping.orders.columns
    found: dict[str, LegacyOrder] = {}
    for row in rows:
        ref = reader.name(row, of.ref)
        if ref in found:
            raise row.wrong("duplicate", of.ref, "each order once", ref)
        if ref not in staff:
            expected = f"the order in {mapping.management.file} too"
            raise row.wrong("no_management", of.ref, expected, ref)
        reader.check_currency(row, of.currency)
        found[ref] = _order(mapping, reader, row, staff[ref], moved, taken_at)
    return found


def _order(
    mapping: Mapping,
    reader: Reader,
    row: Row,
    staff: _Staff,
    moved: Moved,
    taken_at: Instant,
) -> LegacyOrder:
    of = mapping.orders.columns
    ref, customer = reader.name(row, of.ref), reader.name(row, of.customer)
    total, part = reader.needed(row, of.total), reader.amount(row, of.wallet_part) or 0
    if not total > 0 or part > total:
        raise row.wrong(
            "amount", of.total, "a total above zero, and no less than the wallet's part", str(total)
        )
    placed = reader.past(row, of.placed_at, taken_at)
    first = placed if placed is not None else taken_at
    wallet_moved, _ = moved.get((ref, customer), (0, row))
    if wallet_moved < 0:
        expected = "no more back into the wallet than it paid"
        raise row.wrong("amount", of.ref, expected, ref)
    return LegacyOrder(
        ref=ref,
        customer=customer,
        title=reader.text(row, of.title),
        seller=_optional(reader, row, of.seller),
        total=total,
        finance=staff.finance,  # type: ignore[arg-type]  # words of the mapping, checked there
        warehouse=staff.warehouse,  # type: ignore[arg-type]
        logistics=staff.logistics,  # type: ignore[arg-type]
        shown=reader.word(row, of.shown, mapping.orders.words),
        wallet_part=part,
        wallet_moved=wallet_moved,
        received=reader.amount(row, of.received) or 0,
        refunded=reader.amount(row, of.refunded) or 0,
        held=reader.amount(row, of.held),
        placed_at=first,
        finance_since=staff.since.get("finance") or first,
        warehouse_since=staff.since.get("warehouse") or first,
        logistics_since=staff.since.get("logistics") or first,
        receipt_at=reader.past(row, of.receipt_at, taken_at),
        grace_ends_at=reader.instant(row, of.grace_ends_at),
        delivered_at=reader.past(row, of.delivered_at, taken_at),
        release_at=reader.instant(row, of.release_at),
        sku=_optional(reader, row, of.sku),
        reserved=reader.pieces(row, of.reserved),
        line=row.line,
    )


def _optional(reader: Reader, row: Row, column: str | None) -> str | None:
    """A name that may be left out."""
    if column is None or reader.text(row, column) is None:
        return None
    return reader.name(row, column)
