"""How a CSV statement is to be read: a mapping, as TOML or JSON, written once for each bank."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Final, NoReturn

import msgspec

from khata.edge.files.statements.neutral import refuse
from khata.errors import Invalid

_TOKENS: Final = {
    "YYYY": r"(?P<year>\d{4})",
    "YY": r"(?P<short>\d{2})",
    "MM": r"(?P<month>\d{1,2})",
    "DD": r"(?P<day>\d{1,2})",
    "HH": r"\d{1,2}",
    "mm": r"\d{2}",
    "ss": r"\d{2}(?:\.\d+)?",
}
_TOKEN: Final = re.compile("|".join(_TOKENS))
_MOST_BYTES: Final = 65_536


class Columns(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which column, by its name in the header, has what.

    Amounts stand in `amount`, with its sign or with a mark in `sign`; or in `debit` and `credit`.
    `text`: one column, or several that are joined by a blank. `balance`: the balance after each
    line, which is then checked line by line.
    """

    booked_on: str
    value_on: str | None = None
    amount: str | None = None
    sign: str | None = None
    debit: str | None = None
    credit: str | None = None
    balance: str | None = None
    currency: str | None = None
    account: str | None = None
    reference: str | None = None
    end_to_end: str | None = None
    counterparty: str | None = None
    text: str | list[str] | None = None
    kind: str | None = None


class Mapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`skip`: lines before the header; `skip_end`: lines after the last one that counts.

    `dates`: YYYY or YY, MM, DD, and HH, mm, ss with whatever stands between them; `iso` for ISO
    8601. `debits`: marks in the column `sign` of what goes out; every other one is what came in,
    unless `credits` names these. `newest_first`: the last line is the oldest. `flip`: the file
    has the bank's signs. `currency`, `account`, `number`, `opening`, `closing`: when the file
    does not say.
    """

    columns: Columns
    delimiter: str = ","
    encoding: str = "utf-8"
    decimal: str = "."
    thousands: str = ""
    dates: str = "iso"
    skip: int = 0
    skip_end: int = 0
    debits: list[str] = msgspec.field(default_factory=lambda: ["D", "DBIT", "-"])
    credits: list[str] = msgspec.field(default_factory=list)
    newest_first: bool = False
    flip: bool = False
    currency: str | None = None
    account: str | None = None
    number: str | None = None
    opening: str | None = None
    closing: str | None = None


def read_mapping(path: Path) -> Mapping:
    """A mapping from its file. Errors: `Invalid`; `OSError`."""
    return mapping_of(path.read_bytes(), is_json=path.suffix == ".json")


def mapping_of(raw: bytes, *, is_json: bool) -> Mapping:
    """A mapping from its text. Errors: `Invalid`, saying what does not fit."""
    if len(raw) > _MOST_BYTES:
        raise Invalid("The mapping is too long.", expected=_MOST_BYTES, got=len(raw))
    try:
        found = (
            msgspec.json.decode(raw, type=Mapping)
            if is_json
            else msgspec.convert(tomllib.loads(raw.decode()), Mapping)
        )
    except (msgspec.MsgspecError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Invalid(
            f"The mapping cannot be read: {error}",
            expected="fields as docs/reconciliation.md has them",
            got=str(error)[:80],
        ) from None
    check(found)
    return found


def check(mapping: Mapping) -> None:
    """Errors: `Invalid` for a mapping that no file can be read with."""
    of = mapping.columns
    both = of.debit is not None and of.credit is not None
    if (of.amount is not None) == both or (of.debit is None) != (of.credit is None):
        _bad("columns.amount, or columns.debit and columns.credit", of.amount)
    if of.sign is not None and of.amount is None:
        _bad("columns.sign beside columns.amount", of.sign)
    marks = mapping.delimiter, mapping.decimal, mapping.thousands
    if len(mapping.delimiter) != 1 or mapping.delimiter in '"\r\n':
        _bad("a delimiter of one character", mapping.delimiter)
    if len(mapping.decimal) != 1 or len(mapping.thousands) > 1 or marks[1] == marks[2]:
        _bad("different characters for decimals and thousands", mapping.decimal)
    if not (0 <= mapping.skip <= 1000 and 0 <= mapping.skip_end <= 1000):  # noqa: PLR2004
        _bad("0 to 1000 lines to skip", mapping.skip)
    pattern_of(mapping.dates)


def pattern_of(dates: str) -> re.Pattern[str] | None:
    """The pattern of days; None for ISO 8601. Errors: `Invalid`."""
    if dates == "iso":
        return None
    made, at = "", 0
    for token in _TOKEN.finditer(dates):
        made += re.escape(dates[at : token.start()]) + _TOKENS[token[0]]
        at = token.end()
    made += re.escape(dates[at:])
    if not ("<day>" in made and "<month>" in made and ("<year>" in made) != ("<short>" in made)):
        _bad("dates such as DD.MM.YYYY, or iso", dates)
    try:
        return re.compile(made)
    except re.error:
        _bad("each of YYYY, MM and DD once", dates)


def missing(name: str, header: list[str], at: int) -> NoReturn:
    """Refuse a file that lacks a column of its mapping."""
    refuse("column", f"has no column {name[:40]!r}", at, name, ", ".join(header))


def _bad(expected: str, got: object) -> NoReturn:
    raise Invalid(f"The mapping does not fit: it takes {expected}.", expected=expected, got=got)
