"""Statements as CSV, read with a mapping: every bank and every provider writes its own."""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Final

import msgspec

from khata.base.money import to_text
from khata.edge.files.statements.mapping import Mapping, missing, pattern_of
from khata.edge.files.statements.neutral import (
    BankLine,
    BankStatement,
    Exponents,
    amount,
    ascii_digits,
    checked,
    day,
    decoded,
    iso_day,
    negated,
    refuse,
    shaped,
)

Row = tuple[int, dict[str, str]]
_BLANKS: Final = dict.fromkeys(map(ord, " \u00a0\u202f\u2009'\u2066\u2069\u200e\u200f"))
_LOCAL: Final = {"\u066b": ".", "\u066c": "", "\u2212": "-", "\u06d4": "."}
"""Marks of Arabic script: decimals, thousands, minus. They mean the same in every file."""
_BRACKETED: Final = re.compile(r"\((.+)\)")
_CENTURY: Final = 2000
_LIKE_DEBITS: Final = frozenset({"D", "DR", "DB", "DBT", "DBIT", "DEBIT", "-"})
"""Marks that mean a debit wherever they stand; a mapping that does not say so is a mistake."""


def read_table(raw: bytes, mapping: Mapping, exponents: Exponents) -> list[BankStatement]:
    """The statement in a CSV file. Errors: `StatementRefused`, with reason and line."""
    text = decoded(raw, mapping.encoding)
    rows = list(_rows(text, mapping))
    if not rows:
        refuse("empty", "has no lines", None, "lines below the header", "none")
    currency = _only(rows, mapping.columns.currency, mapping.currency, "currency")
    if currency is None:
        refuse("currency", "does not say its currency", None, "a column or currency = …", None)
    exponent = exponents.of(currency, None)
    take = _taker(mapping, exponent)
    lines = [take(row) for row in rows]
    if mapping.newest_first:
        lines.reverse()
        rows.reverse()
    opening, closing = _balances(rows, lines, mapping, exponent)
    days = [line.booked_on for line in lines]
    number = mapping.number or hashlib.sha256(raw).hexdigest()[:16]
    account = _only(rows, mapping.columns.account, mapping.account, "account")
    made = BankStatement(
        "csv", account, currency, number, min(days), max(days), opening, closing, lines
    )
    return [checked(made, exponent)]


def _rows(text: str, mapping: Mapping) -> Iterator[Row]:
    """The lines below the header, each with its number and its cells by column."""
    whole = text.replace("\r\n", "\n").split("\n")
    while whole and not whole[-1].strip():
        whole.pop()
    kept = whole[mapping.skip : max(0, len(whole) - mapping.skip_end)]
    reader = csv.reader((f"{line}\n" for line in kept), delimiter=mapping.delimiter, strict=True)
    header: list[str] | None = None
    try:
        for cells in _told(reader):
            at = mapping.skip + reader.line_num
            if header is None:
                header = [cell.strip() for cell in cells]
                _check_header(header, mapping, at)
            elif any(cell.strip() for cell in cells):
                if len(cells) != len(header):
                    reason = "truncated" if reader.line_num == len(kept) else "cells"
                    refuse(reason, "has other cells than the header", at, len(header), len(cells))
                yield at, dict(zip(header, cells, strict=True))
    except csv.Error as error:
        at = mapping.skip + reader.line_num
        reason = "truncated" if "unexpected end" in str(error) else "csv"
        refuse(reason, "is not CSV", at, f"cells with {mapping.delimiter!r} between", str(error))


def _told(reader: Iterator[list[str]]) -> Iterator[list[str]]:
    return (cells for cells in reader if cells)


def _check_header(header: list[str], mapping: Mapping, at: int) -> None:
    for wanted in msgspec.structs.asdict(mapping.columns).values():
        for name in wanted if isinstance(wanted, list) else [wanted]:
            if name is not None and name not in header:
                missing(name, header, at)
    if len(set(header)) < len(header):
        refuse("column", "names a column twice", at, "each column once", ", ".join(header))


def _only(rows: list[Row], column: str | None, given: str | None, reason: str) -> str | None:
    """What a column says in every line alike, or what the mapping says."""
    if column is None:
        return given
    first: str | None = given
    for at, cells in rows:
        found = cells[column].strip()
        if first is None:
            first = found
        elif found != first:
            refuse(reason, f"is of another {reason}", at, first, found)
    return first


def _taker(mapping: Mapping, exponent: int) -> Callable[[Row], BankLine]:
    """What makes a line of a row."""
    of = mapping.columns
    pattern = pattern_of(mapping.dates)
    texts = of.text if isinstance(of.text, list) else [of.text] if of.text else []

    def on(text: str, at: int) -> str:
        plain = ascii_digits(text.translate(_BLANKS) if pattern is None else text).strip()
        if pattern is None:
            return iso_day(plain, at)
        found = pattern.fullmatch(plain)
        if found is None:
            refuse("date", "has a day that cannot be read", at, mapping.dates, text)
        parts = found.groupdict()
        year = int(parts["year"]) if parts.get("year") else _CENTURY + int(parts["short"])
        return day(year, int(parts["month"]), int(parts["day"]), at, text)

    def cell(cells: dict[str, str], column: str | None) -> str | None:
        return None if column is None else shaped(cells[column])

    def take(row: Row) -> BankLine:
        at, cells = row
        booked = on(cells[of.booked_on], at)
        valued = cell(cells, of.value_on)
        words = [word for name in texts if (word := cells[name].strip())]
        return BankLine(
            at,
            _amount(cells, mapping, exponent, at),
            booked,
            on(valued, at) if valued else booked,
            cell(cells, of.reference),
            cell(cells, of.end_to_end),
            cell(cells, of.counterparty),
            " ".join(words) or None,
            cell(cells, of.kind),
        )

    return take


def _amount(cells: dict[str, str], mapping: Mapping, exponent: int, at: int) -> str:
    of = mapping.columns
    if of.amount is not None:
        found = _number(cells[of.amount], mapping, exponent, at)
        if of.sign is not None:
            if found.startswith("-"):
                # one bank means by both what another one means by either
                refuse("amount", "has a sign beside its mark", at, "one of the two", found)
            found = negated(found) if _is_debit(cells[of.sign].strip(), mapping, at) else found
    else:
        debit, credit = cells[of.debit or ""].strip(), cells[of.credit or ""].strip()
        out = _number(debit, mapping, exponent, at) if debit else "0"
        came = _number(credit, mapping, exponent, at) if credit else "0"
        if bool(out.strip("-0.")) == bool(came.strip("-0.")):
            refuse("amount", "needs a debit or a credit", at, "one of the two", debit or None)
        # some write what goes out below zero already, others do not
        found = came if came.strip("-0.") else f"-{out.lstrip('-')}"
    return negated(found) if mapping.flip else found


def _is_debit(mark: str, mapping: Mapping, at: int) -> bool:
    if mark in mapping.debits:
        return True
    strange = mark.upper() in _LIKE_DEBITS and mark not in mapping.credits
    if strange or (mapping.credits and mark not in mapping.credits):
        known = ", ".join([*mapping.debits, *mapping.credits])
        refuse("amount", "has a mark that is neither debit nor credit", at, known, mark)
    return False


def _number(text: str, mapping: Mapping, exponent: int, at: int) -> str:
    """An amount as this file writes it."""
    plain = ascii_digits(text).translate(_BLANKS)
    if mapping.thousands and mapping.thousands in plain:
        if not _grouped(mapping.thousands, mapping.decimal).fullmatch(plain):
            refuse("amount", "has an amount that cannot be read", at,
                   f"{mapping.thousands!r} between thousands only", text)  # fmt: skip
        plain = plain.replace(mapping.thousands, "")
    if mapping.decimal != ".":
        if "." in plain:
            refuse("amount", "has an amount that cannot be read", at,
                   f"{mapping.decimal!r} before the decimals", text)  # fmt: skip
        plain = plain.replace(mapping.decimal, ".")
    for mark, meant in _LOCAL.items():
        plain = plain.replace(mark, meant)
    bracketed = _BRACKETED.fullmatch(plain)
    if bracketed is not None:
        plain = f"-{bracketed[1]}"
    if plain.endswith("-"):
        plain = f"-{plain[:-1]}"
    return amount(plain.removeprefix("+"), exponent, at)


@lru_cache(maxsize=8)
def _grouped(thousands: str, decimal: str) -> re.Pattern[str]:
    """An amount with groups of three digits, or of two before the last, as lakh and crore have:
    what has other groups was written with other marks than the mapping says.
    """
    group, point = re.escape(thousands), re.escape(decimal)
    return re.compile(
        rf"[+\-\u2212(]?[0-9]{{1,3}}(?:{group}[0-9]{{2,3}})*{group}[0-9]{{3}}"
        rf"(?:[{point}\u066b\u06d4][0-9]*)?[)\-\u2212]?"
    )


def _balances(
    rows: list[Row], lines: list[BankLine], mapping: Mapping, exponent: int
) -> tuple[str | None, str | None]:
    """Opening and closing: as the mapping says, or out of the column of balances, checked."""
    column = mapping.columns.balance
    opening = mapping.opening and amount(mapping.opening, exponent, None)
    closing = mapping.closing and amount(mapping.closing, exponent, None)
    if column is None or not lines:
        return opening or None, closing or None
    running: int | None = None
    first = 0
    shown = ""
    for (at, cells), line in zip(rows, lines, strict=True):
        shown = _number(cells[column], mapping, exponent, at)
        minor, balance = (int(text.replace(".", "")) for text in (line.amount, shown))
        if running is None:
            first = running = balance - minor
        running += minor
        if running != balance:
            refuse(
                "sum", "has a balance that does not follow", at, to_text(running, exponent), shown
            )
    return opening or to_text(first, exponent), closing or shown
