"""Beancount's syntax: directives as text. Functions of values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

_ESCAPES: Final = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"})

HEADER: Final = """\
;; Written by Khata. Amounts are signed as Beancount has them: debits positive.
;; Each `balance` at the end is the balance in the book, so `bean-check` compares the two.
"""


def quoted(text: str) -> str:
    """A string. Errors: none; every text that a book holds can be written."""
    return f'"{text.translate(_ESCAPES)}"'


def meta(values: Mapping[str, str | None], indent: str = "  ") -> str:
    """Metadata, one line for each value that there is."""
    return "".join(
        f"{indent}{name}: {quoted(value)}\n" for name, value in values.items() if value is not None
    )


def option(name: str, value: str) -> str:
    """`option "title" "main"`."""
    return f"option {quoted(name)} {quoted(value)}\n"


def commodity(day: str, name: str, values: Mapping[str, str | None]) -> str:
    """A commodity with its metadata. `day`: 2026-01-31."""
    return f"{day} commodity {name}\n{meta(values)}"


def opened(day: str, account: str, commodities: Iterable[str], code: str) -> str:
    """An account from the day it was opened."""
    return f"{day} open {account} {','.join(commodities)}\n{meta({'code': code})}"


def transaction(
    day: str,
    flag: str,
    narration: str,
    values: Mapping[str, str | None],
    postings: Iterable[tuple[str, str, str]],
) -> str:
    """A transaction. `postings`: (account, signed amount, commodity)."""
    legs = "".join(f"  {account}  {amount} {unit}\n" for account, amount, unit in postings)
    return f"\n{day} {flag} {quoted(narration)}\n{meta(values)}{legs}"


def balance(day: str, account: str, amount: str, unit: str) -> str:
    """An assertion, exact to the last digit, for the beginning of a day."""
    return f"{day} balance {account}  {amount} ~ 0 {unit}\n"
