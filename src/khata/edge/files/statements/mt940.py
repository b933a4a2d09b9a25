"""MT940, the bank statement of SWIFT. The library `mt-940` takes the fields apart.

It is lenient: it skips what it does not know, mends days that do not exist, takes a file that
breaks off for a short one. So the lines are looked through first, and what it would pass over is
refused here; its mending is switched off.
"""

from __future__ import annotations

import logging
import re
from itertools import pairwise
from typing import Any, Final, NamedTuple

from mt940.models import Transactions
from mt940.options import Options

from khata.edge.files.statements.neutral import (
    BankLine,
    BankStatement,
    Exponents,
    amount,
    ascii_digits,
    checked,
    decoded,
    refuse,
    shaped,
)

WIDE: Final = 65
"""Characters in a line of field 86. A line that is full goes on in the next without a blank."""
_FIELD: Final = re.compile(r":(\d\d[A-Z]?|NS):")
_ENVELOPE: Final = re.compile(r"^(\{[123]:.*?\}+)*\{4:$|^-?\}(\{5:.*)?$|^-$")
_KNOWN: Final = re.compile("13D?|20|21|25P?|28C?|34F|60[FM]|61|62[FM]|64|65|86|90[CD]|NS")
_OPENS: Final = ("60F", "60M")
_CLOSES: Final = ("62F", "62M")
_SLASHED: Final = re.compile(
    "/(EREF|KREF|MREF|PREF|NAME|REMI|IBAN|CNTP|BENM|ORDP|TRTP|ISDT|CSID|SVWZ)/"
)
_SUBFIELD: Final = re.compile(r"\?(\d\d)")
_NO_REFERENCE: Final = frozenset({"NONREF", ""})
_REASONS: Final = {RuntimeError: "format", ValueError: "date"}
_RAW: Final[dict[str, Any]] = {"pre_statement": [], "post_transaction_details": []}

logging.getLogger("mt940").addHandler(logging.NullHandler())
logging.getLogger("mt940").propagate = False


class _Field(NamedTuple):
    line: int
    tag: str
    text: str


def read_mt940(raw: bytes, exponents: Exponents, encoding: str = "utf-8") -> list[BankStatement]:
    """All statements of a file. Errors: `StatementRefused`, with reason and line."""
    found: list[BankStatement] = []
    page: list[_Field] = []
    for field in _fields(decoded(raw, encoding)):
        if field.tag == "20" and page:
            _add(found, _read(page, exponents), page)
            page = []
        if field.tag != "20" and not page:
            refuse("format", "comes before field 20", field.line, ":20:", f":{field.tag}:")
        page.append(field)
    if not page:
        refuse("empty", "has no statement in it", None, ":20:", "none")
    _add(found, _read(page, exponents), page)
    return found


def _fields(text: str) -> list[_Field]:
    """The fields of a file with their lines. A line that begins none goes on with the last."""
    found: list[_Field] = []
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        begins = _FIELD.match(line)
        if begins is not None:
            if not _KNOWN.fullmatch(begins[1]):
                refuse("format", "has a field that MT940 has not", number, ":61: and so on", line)
            found.append(_Field(number, begins[1], line[begins.end() :]))
        elif not line.strip() or _ENVELOPE.match(line.strip()):
            continue
        elif not found:
            refuse("format", "is before any field", number, ":20:", line)
        else:
            last = found[-1]
            found[-1] = last._replace(text=f"{last.text}\n{line}")
    return found


def _add(found: list[BankStatement], read: tuple[BankStatement, bool], page: list[_Field]) -> None:
    """Add a statement, or the next page of the one before it."""
    statement, goes_on = read
    if not goes_on:
        found.append(statement)
        return
    before = found[-1] if found else None
    same = before and (before.account, before.number, before.currency) == (
        statement.account, statement.number, statement.currency)  # fmt: skip
    if before is None or not same or before.closing != statement.opening:
        refuse("balance", "goes on with a page that is not there", page[0].line,
               statement.opening, before and before.closing)  # fmt: skip
    lines = before.lines + statement.lines
    days = [line.booked_on for line in lines]
    found[-1] = BankStatement(
        "mt940", before.account, before.currency, before.number,
        min([*days, statement.to_on]), statement.to_on, before.opening, statement.closing, lines,
    )  # fmt: skip


def _read(page: list[_Field], exponents: Exponents) -> tuple[BankStatement, bool]:
    """One message, and whether it goes on with a page before it."""
    begins, ends = _one(page, _OPENS), _one(page, _CLOSES)
    late = next((x for x in page[page.index(ends) :] if x.tag == "61"), None)
    if late is not None:
        refuse("format", "comes after the closing balance", late.line, ":62F: last", ":61:")
    # field 86 after the balance is about the statement, not about the last line
    page = [x for x in page if x.line <= ends.line or x.tag not in {"86", "NS"}]
    data = _taken_apart(page)
    opens = data.data[f"{_slug(begins)}_opening_balance"]
    closes = data.data[f"{_slug(ends)}_closing_balance"]
    currency = opens.amount.currency
    exponent = exponents.of(currency, begins.line)
    if closes.amount.currency != currency:
        refuse("currency", "is in another currency", ends.line, currency, closes.amount.currency)
    at = [field.line for field in page if field.tag == "61"]
    since, until = opens.date.isoformat(), closes.date.isoformat()
    lines = [
        _line(number, item.data, exponent, currency, (since, until))
        for number, item in zip(at, data.transactions if at else [], strict=True)
    ]
    number = data.data.get("statement_number")
    statement = BankStatement(
        "mt940",
        shaped(data.data.get("account_identification")),
        currency,
        str(number or data.data["transaction_reference"]).strip(),
        min([until, *(line.booked_on for line in lines)]),
        until,
        amount(f"{opens.amount.amount:f}", exponent, begins.line),
        amount(f"{closes.amount.amount:f}", exponent, ends.line),
        lines,
    )
    return checked(statement, exponent), begins.tag == "60M"


def _slug(field: _Field) -> str:
    return "final" if field.tag.endswith("F") else "intermediate"


def _one(page: list[_Field], tags: tuple[str, ...]) -> _Field:
    """The only field with one of these tags."""
    found = [field for field in page if field.tag in tags]
    if len(found) != 1:
        wanted, last = f":{tags[0]}: once", found[-1] if found else page[-1]
        reason = "balance" if found or tags == _OPENS else "truncated"
        told = "has a balance too many" if found else "is the last before a balance that lacks"
        refuse(reason, told, last.line, wanted, len(found))
    return found[0]


def _taken_apart(page: list[_Field]) -> Transactions:
    """The message as the library reads it. What it cannot read is refused with its line."""
    data = Transactions(processors=dict(_RAW), options=Options.all())
    for field in page:
        told = f":{field.tag}:{field.text}"
        if field.tag in {"61", *_OPENS, *_CLOSES}:
            told = told if told.isascii() else ascii_digits(told)
        try:
            data.parse(told)
        except (RuntimeError, ValueError, ArithmeticError) as error:
            reason = _REASONS.get(type(error), "amount")
            refuse(reason, "has a field that cannot be read", field.line,
                   f"field {field.tag} of MT940", told)  # fmt: skip
    return data


def _line(
    at: int, found: dict[str, Any], exponent: int, currency: str, days: tuple[str, str]
) -> BankLine:
    """`days`: those of the two balances. A line that does not say when it was booked was booked
    between them: its value may be of another day, long before or still to come.
    """
    letter = found.get("funds_code")
    if letter and letter not in {currency[2], "F", "R", "N"}:
        refuse("currency", "is in another currency", at, currency, f"funds code {letter}")
    valued = found["date"].isoformat()
    booked = found.get("entry_date")
    usual = valued if days[0] < valued <= days[1] else days[1]
    told = _details(found.get("transaction_details") or "")
    own = shaped(found.get("customer_reference"))
    return BankLine(
        at,
        amount(f"{found['amount'].amount:f}", exponent, at),
        booked.isoformat() if booked is not None else usual,
        valued,
        shaped(found.get("bank_reference")),
        told.end_to_end or (None if own in _NO_REFERENCE else own),
        told.counterparty,
        told.text or shaped(found.get("extra_details")),
        shaped(found.get("id")),
        str(found.get("status") or "").upper().startswith("R"),
    )


class _Details(NamedTuple):
    end_to_end: str | None
    counterparty: str | None
    text: str | None


def _details(raw: str) -> _Details:
    """What field 86 says: in codes between slashes, in numbered parts, or as plain text."""
    whole = _unwrapped(raw)
    if _SLASHED.match(whole):
        parts = _SLASHED.split(whole)[1:]
        codes = dict(zip(parts[::2], map(str.strip, parts[1::2]), strict=True))
        text = codes.get("REMI") or codes.get("SVWZ")
        return _Details(_given(codes.get("EREF")), shaped(codes.get("NAME")), shaped(text))
    if (begins := _SUBFIELD.search(whole[:6])) is None:
        return _Details(None, None, shaped(whole))
    parts = _SUBFIELD.split("".join(raw.split("\n"))[begins.start() :])[1:]
    numbered = dict(zip(parts[::2], parts[1::2], strict=True))
    text = "".join(numbered.get(f"{n}", "") for n in (*range(20, 30), *range(60, 64)))
    name = "".join(numbered.get(n, "") for n in ("32", "33"))
    reference = re.search(r"EREF\+(\S+?)(?=[A-Z]{4}\+|\s|$)", text)
    return _Details(_given(reference and reference[1]), shaped(name), shaped(text))


def _given(reference: str | None) -> str | None:
    found = shaped(reference)
    return None if found in {"NONREF", "NOTPROVIDED"} else found


def _unwrapped(raw: str) -> str:
    """The text of several lines: a full one goes on without a blank, another one with."""
    lines = raw.split("\n")
    made = lines[0]
    for before, line in pairwise(lines):
        made += line if len(before) >= WIDE else f" {line}"
    return made
