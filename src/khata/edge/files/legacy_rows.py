"""The rows of another system's tables, out of CSV, JSON or a request, and what their cells say.

Everything that is wrong names its file, line and column, what was expected and what stood there.
A row's line is where it begins in a CSV file; in JSON it is the row's number, from 1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

import msgspec

from khata.base.clock import SECOND, Instant
from khata.base.money import to_minor
from khata.edge.files.table import Table
from khata.errors import Invalid, InvalidFile
from khata.errors.operations import SnapshotRefused

T = TypeVar("T")

MOST_ROWS: Final = 200_000
"""In one table."""
_MOST_BYTES: Final = 128 << 20
_MOST_CELL: Final = 2000
_ZEROS: Final = "۰٠০"  # noqa: RUF001 - the zeros of Persian, Arabic and Bengali
_DIGITS: Final = {ord(zero) + value: str(value) for zero in _ZEROS for value in range(10)}
_GROUPED: Final = re.compile(r"-?[0-9]{1,3}(,[0-9]{2,3})*,[0-9]{3}")
_PLAIN: Final = re.compile(r"-?[0-9]+")
_NAME: Final = re.compile(r"[^\s/\x00-\x1f\x7f]{1,100}")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_any_json: Final = msgspec.json.Decoder(float_hook=str)


class Row(NamedTuple):
    """A row of a table of the export, and where it stands."""

    file: str
    line: int
    cells: Mapping[str, str]

    def wrong(self, reason: str, column: str | None, expected: str, got: str) -> SnapshotRefused:
        """The error of what stands here."""
        where = f"{self.file}, line {self.line}" + (f", column {column}" if column else "")
        return SnapshotRefused(
            f"{where}: expected {expected}, found {got[:80]!r}.",
            reason=reason,
            file=self.file,
            line=self.line,
            column=column,
            expected=expected,
            got=got[:80],
        )


def read_rows(folder: Path, name: str, columns: Sequence[str]) -> list[Row]:
    """The rows of a table in a file of this folder; `columns` must be there, others may.

    Errors: `SnapshotRefused`.
    """
    path = folder / name
    if Path(name).name != name or not path.is_file():
        raise _unreadable(name, 1, "a file of this name in the folder", "none", "missing_file")
    if path.suffix.lower() == ".json":
        return _json_rows(path, name, columns)
    try:
        with Table(path, None, ()) as table:
            _check_columns(name, table.names, columns)
            return _counted((Row(name, line, cells) for line, cells in table))
    except InvalidFile as error:
        told = error.details
        raise SnapshotRefused(
            f"{name}: {error.message}",
            reason="unreadable",
            file=name,
            line=told.get("line"),
            expected=told.get("expected"),
            got=told.get("got"),
        ) from None


def _json_rows(path: Path, name: str, columns: Sequence[str]) -> list[Row]:
    if path.stat().st_size > _MOST_BYTES:
        raise _unreadable(name, 1, "at most 128 MiB", "more")
    raw = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    try:
        found = _any_json.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        place = re.search(r"\(byte ([0-9]+)\)", str(error))
        line = raw.count(b"\n", 0, int(place[1]) if place else len(raw)) + 1
        raise _unreadable(name, line, "a JSON array of objects", str(error)) from None
    return rows_of(name, found, columns)


def rows_of(name: str, found: Any, columns: Sequence[str]) -> list[Row]:
    """The rows of a table in decoded JSON, whose numbers with a point are texts.

    Errors: `SnapshotRefused`.
    """
    if not isinstance(found, list):
        raise _unreadable(name, 1, "a JSON array of objects", type(found).__name__)
    return _counted((_row(name, at, item, columns) for at, item in enumerate(found, 1)))


def _row(name: str, line: int, item: Any, columns: Sequence[str]) -> Row:
    if not isinstance(item, dict):
        raise _unreadable(name, line, "an object", type(item).__name__)
    _check_columns(name, list(item), columns, line)
    row = Row(name, line, cells := {})
    for column, value in item.items():
        if value is not None and (isinstance(value, bool) or not isinstance(value, str | int)):
            if column in columns:
                raise row.wrong("text", column, "a text or a number", type(value).__name__)
            continue
        cells[column] = "" if value is None else str(value)
    return row


def _counted(rows: Iterator[Row]) -> list[Row]:
    found = []
    for row in rows:
        found.append(row)
        if len(found) > MOST_ROWS:
            raise row.wrong("unreadable", None, f"at most {MOST_ROWS} rows", "more")
    return found


def _check_columns(name: str, there: Sequence[str], columns: Sequence[str], line: int = 1) -> None:
    for column in columns:
        if column not in there:
            raise SnapshotRefused(
                f"{name}, line {line} has no column {column[:80]!r}, which the mapping names.",
                reason="missing_column",
                file=name,
                line=line,
                column=column[:80],
                expected=column[:80],
                got=",".join(there)[:200],
            )


def _unreadable(
    name: str, line: int, expected: str, got: str, reason: str = "unreadable"
) -> SnapshotRefused:
    return SnapshotRefused(
        f"{name[:80]}, line {line}: expected {expected}, found {got[:80]}.",
        reason=reason,
        file=name[:80],
        line=line,
        expected=expected,
        got=got[:80],
    )


class Reader(NamedTuple):
    """How cells are written: see `Mapping`. `exponent`: the currency's decimals."""

    currency: str
    exponent: int
    time: str
    zone: ZoneInfo
    decimal: str
    thousands: str

    def text(self, row: Row, column: str | None) -> str | None:
        """What stands there, without spaces around it; None when it is empty."""
        value = row.cells.get(column, "").strip() if column else ""
        if len(value) > _MOST_CELL or "\x00" in value or not _is_encodable(value):
            raise row.wrong("text", column, "a text of at most 2000 characters", value[:20])
        return value or None

    def name(self, row: Row, column: str) -> str:
        """A name that can be part of an account's code."""
        value = self.text(row, column)
        if value is None or not _NAME.fullmatch(value):
            raise row.wrong(
                "text", column, "1 to 100 characters without spaces and slashes", value or ""
            )
        return value

    def word(self, row: Row, column: str, words: Mapping[str, T]) -> T:
        """What the word there means."""
        value = self.text(row, column) or ""
        if value not in words:
            raise row.wrong("unknown_word", column, f"one of {', '.join(words)}"[:300], value)
        return words[value]

    def amount(self, row: Row, column: str | None) -> int | None:
        """An amount of zero or more in minor units; None when it is empty."""
        value = self.text(row, column)
        if value is None:
            return None
        try:
            minor = to_minor(self._plain(value), self.exponent)
        except Invalid as error:
            expected = f"an amount such as {self._such_as()}"
            if error.code == "too_many_decimals":
                expected = f"at most {self.exponent} decimals"
            raise row.wrong("amount", column, expected, value) from None
        if minor < 0:
            raise row.wrong("amount", column, "zero or more", value)
        return minor

    def needed(self, row: Row, column: str) -> int:
        """An amount that must be there."""
        minor = self.amount(row, column)
        if minor is None:
            raise row.wrong("amount", column, f"an amount such as {self._such_as()}", "")
        return minor

    def pieces(self, row: Row, column: str | None) -> int:
        """A number of pieces, zero when it is empty."""
        value = (self.text(row, column) or "0").translate(_DIGITS)
        if not re.fullmatch("[0-9]{1,12}", value):
            raise row.wrong("amount", column, "a whole number of pieces", value)
        return int(value)

    def check_currency(self, row: Row, column: str | None) -> None:
        """An amount in another currency must not be read as one in this."""
        value = self.text(row, column) if column else self.currency
        if value != self.currency:
            raise row.wrong("currency", column, self.currency, value or "")

    def instant(self, row: Row, column: str | None) -> Instant | None:
        """The instant that stands there; None when it is empty."""
        value = self.text(row, column)
        if value is None:
            return None
        found = self.instant_of(value)
        if found is None:
            raise row.wrong("time", column, f"a time as {self.time} in {self.zone.key}", value)
        return found

    def past(self, row: Row, column: str | None, now: Instant) -> Instant | None:
        """As `instant`, for what must have been by then."""
        found = self.instant(row, column)
        if found is not None and found > now:
            raise row.wrong(
                "time", column, "a time before the export was made", self.text(row, column) or ""
            )
        return found

    def instant_of(self, value: str) -> Instant | None:
        """The instant of a text; None when it is none, or the clock never showed it. An hour that
        came twice is its first.
        """
        value = value.translate(_DIGITS)
        try:
            if self.time == "iso":
                moment = datetime.fromisoformat(value)
            else:
                moment = datetime.strptime(value, self.time)  # noqa: DTZ007 - its zone is below
            if moment.tzinfo is None:
                local = moment.replace(tzinfo=self.zone)
                moment = local.astimezone(UTC)
                if moment.astimezone(self.zone).replace(tzinfo=None) != local.replace(tzinfo=None):
                    return None
            delta = moment - _EPOCH
        except (ValueError, OverflowError):
            return None
        return (delta.days * 86_400 + delta.seconds) * SECOND + delta.microseconds

    def _plain(self, value: str) -> str:
        """An amount as Khata writes it; one that is grouped oddly stays as it is, to be refused."""
        value = value.translate(_DIGITS)
        whole, point, decimals = value.partition(self.decimal)
        if self.thousands and self.thousands in whole:
            grouped = whole.replace(self.thousands, ",")
            if "," in whole.replace(self.thousands, "") or not _GROUPED.fullmatch(grouped):
                return "-.-"
            whole = grouped.replace(",", "")
        if not _PLAIN.fullmatch(whole) or (point and not decimals):
            return "-.-"
        # zeros beyond the currency's decimals say nothing
        if len(decimals) > self.exponent:
            kept, beyond = decimals[: self.exponent], decimals[self.exponent :]
            decimals = decimals if beyond.strip("0") else kept
        return f"{whole}.{decimals}" if decimals else whole

    def _such_as(self) -> str:
        return f"15{self.thousands}296{self.decimal}5" if self.exponent else "15296"


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
