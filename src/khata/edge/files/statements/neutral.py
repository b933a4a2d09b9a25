"""A statement as Khata reads it, whatever its file looked like; amounts, digits and days.

Amounts are decimal strings with a sign as the account's holder sees it: what came in is above
zero, what went out below. Text is kept as it came, in whatever script, letter by letter.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import date
from typing import Any, Final, Literal, NoReturn

import msgspec

from khata.base.money import to_minor, to_text
from khata.base.units import ISO_4217
from khata.errors import AmountTooLarge
from khata.errors.operations import StatementRefused

Format = Literal["csv", "camt.053", "mt940"]
FORMATS: Final[tuple[Format, ...]] = ("csv", "camt.053", "mt940")
MOST_LINES: Final = 1_000_000
_SHOWN: Final = 80
_CURRENCY: Final = re.compile(r"[A-Z][A-Z0-9]{1,9}")
_PLAIN: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?")


class BankLine(msgspec.Struct, frozen=True, gc=False):
    """One line of a statement. `at`: where its file has it, from 1. Days are ISO 8601.

    `reference`: what the bank or the provider calls it; `end_to_end`: what who asked for the
    money called it. `reversal`: it takes another line back; the sign says which way it went.
    """

    at: int
    amount: str
    booked_on: str
    value_on: str
    reference: str | None = None
    end_to_end: str | None = None
    counterparty: str | None = None
    text: str | None = None
    kind: str | None = None
    reversal: bool = False


class BankStatement(msgspec.Struct, frozen=True):
    """A statement. `account`: as the file names it, an IBAN or a number; None when it does not.

    `opening`, `closing`: None when the file says neither nor what they follow from. `pending`:
    how many lines were left out because the bank has not booked them.
    """

    format: Format
    account: str | None
    currency: str
    number: str
    from_on: str
    to_on: str
    opening: str | None
    closing: str | None
    lines: list[BankLine]
    pending: int = 0


class Exponents:
    """How many decimals a currency has: the book's own units first, then ISO 4217."""

    def __init__(self, own: dict[str, int] | None = None) -> None:
        self._own = own or {}

    def of(self, currency: str, at: int | None) -> int:
        """Errors: `StatementRefused` for a currency that nobody knows."""
        found = self._own.get(currency, ISO_4217.get(currency))
        if found is None or not _CURRENCY.fullmatch(currency):
            refuse("currency", "is in no currency that is known", at, "an ISO 4217 code", currency)
        return found


def refuse(reason: str, what: str, at: int | None, expected: Any, got: Any) -> NoReturn:
    """Raise `StatementRefused`. `what`: the rest of a sentence about the line or the statement."""
    subject = "The statement" if at is None else f"Line {at}"
    raise StatementRefused(
        f"{subject} {what}.",
        reason=reason,
        line=at,
        expected=expected,
        got=got[:_SHOWN] if isinstance(got, str) else got,
    )


def decoded(raw: bytes, encoding: str = "utf-8") -> str:
    """The text of a file, strictly. Errors: `StatementRefused`: `empty`, `encoding`."""
    try:
        text = raw.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        at = raw.count(b"\n", 0, error.start) + 1
        got = f"byte 0x{raw[error.start]:02x}"
        refuse("encoding", f"is not text in {encoding}", at, f"text in {encoding}", got)
    except (LookupError, ValueError):
        got = encoding.encode("ascii", "backslashreplace").decode()
        refuse("encoding", "has an encoding that is not known", None, "such as utf-8", got)
    if "\x00" in text:
        at = text.count("\n", 0, text.index("\x00")) + 1
        refuse("encoding", "has a NUL in it", at, f"text in {encoding}", "a NUL")
    if not text.strip():
        refuse("empty", "is empty", None, "a statement", "nothing")
    return text


def ascii_digits(text: str) -> str:
    """The text with every decimal digit, Persian, Arabic, Bengali and so on, as 0 to 9."""
    if text.isascii():
        return text
    return "".join(
        letter if letter.isascii() else str(unicodedata.decimal(letter, letter)) for letter in text
    )


def amount(text: str, exponent: int, at: int | None) -> str:
    """A plain decimal string in the currency's own decimals. Zeros beyond these are dropped.

    Errors: `StatementRefused`: `amount`, `decimals`.
    """
    if not _PLAIN.fullmatch(text):
        refuse("amount", "has an amount that cannot be read", at, 'such as "1000.00"', text)
    whole, _, decimals = text.partition(".")
    if len(decimals) > exponent:
        kept, rest = decimals[:exponent], decimals[exponent:]
        if rest.strip("0"):
            refuse("decimals", f"has more than {exponent} decimals", at, exponent, text)
        text = f"{whole}.{kept}" if kept else whole
    try:
        return to_text(to_minor(text, exponent), exponent)
    except AmountTooLarge:
        refuse("amount", "has an amount that no book can hold", at, "18 digits at most", text)


def negated(text: str) -> str:
    """The amount with the other sign; a zero keeps none."""
    if text.startswith("-"):
        return text[1:]
    return f"-{text}" if text.strip("0.") else text


def day(year: int, month: int, of_month: int, at: int | None, got: str) -> str:
    """A day as ISO 8601. Errors: `StatementRefused`: `date`."""
    try:
        return date(year, month, of_month).isoformat()
    except ValueError:
        refuse("date", "has a day that is in no calendar", at, "a day such as 2026-01-31", got)


def iso_day(text: str, at: int | None) -> str:
    """The day of an ISO 8601 date or time, as written there. Errors: `StatementRefused`."""
    try:
        return date.fromisoformat(text[:10]).isoformat()
    except ValueError:
        refuse("date", "has a day that cannot be read", at, "a day such as 2026-01-31", text)


def shaped(text: str | None) -> str | None:
    """A text without blanks around it; None when nothing is left."""
    return (text.strip() or None) if text else None


def checked(statement: BankStatement, exponent: int) -> BankStatement:
    """The statement, when it adds up. Errors: `StatementRefused`: `sum`, `too_many`, `date`."""
    if len(statement.lines) > MOST_LINES:
        refuse("too_many", "has too many lines", None, MOST_LINES, len(statement.lines))
    if statement.from_on > statement.to_on:
        got = f"{statement.from_on} to {statement.to_on}"
        refuse("date", "ends before it begins", None, "a first and a last day", got)
    if statement.opening is None or statement.closing is None:
        return statement
    total = to_minor(statement.opening, exponent)
    total += sum(to_minor(line.amount, exponent) for line in statement.lines)
    if total != to_minor(statement.closing, exponent):
        refuse(
            "sum",
            "does not add up: opening balance and lines make another closing balance",
            None,
            statement.closing,
            to_text(total, exponent),
        )
    return statement
