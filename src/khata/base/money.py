"""Money at the border: decimal strings with a currency outside, integers inside.

Inside a book every amount is an integer of minor units (paisa, cents, fils). It becomes one
here and nowhere else, with the exponent of its unit; a float never touches it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import msgspec

from khata.errors import AmountTooLarge, InvalidAmount, TooManyDecimals

MAX_MINOR: Final = 10**18 - 1
"""Largest amount or balance in minor units. Fits a signed 64-bit integer with room to spare."""
_REMEMBERED: Final = 1 << 15
"""Amounts come again soon: as a share, as what was received of it, as what is left; or are 0."""


class Money(msgspec.Struct, frozen=True, gc=False):
    """An amount as people and APIs write it: `Money("1000.00", "BDT")`."""

    amount: str
    currency: str

    def __str__(self) -> str:
        return f"{self.amount} {self.currency}"


def to_minor(amount: str, exponent: int) -> int:
    """Minor units of a decimal string, sign allowed.

    `to_minor("1000.5", 2) == 100050`.

    Errors: `InvalidAmount` unless it reads `-?digits[.digits]` in ASCII, `TooManyDecimals`,
    `AmountTooLarge` beyond `MAX_MINOR`.
    """
    if type(amount) is not str:
        raise InvalidAmount(
            "An amount is written as a decimal string.",
            expected='a string such as "1000.00"',
            got=type(amount).__name__,
        )
    whole, point, decimals = amount.partition(".")
    digits = whole[1:] if whole[:1] == "-" else whole
    well_formed = amount.isascii() and digits.isdigit() and (decimals.isdigit() if point else True)
    if not well_formed:
        raise InvalidAmount(
            f"{amount[:40]!r} is not an amount.",
            expected='a decimal string such as "1000.00"',
            got=amount[:40],
        )
    if len(decimals) > exponent:
        raise TooManyDecimals(
            f"{amount[:40]} has {len(decimals)} decimals; this unit has {exponent}.",
            expected=exponent,
            got=len(decimals),
        )
    if len(whole) > 20:  # noqa: PLR2004 - before int(): its cost grows with the digits
        raise AmountTooLarge("The amount is too large.", expected=MAX_MINOR, got=amount[:40])
    minor = int(whole + decimals.ljust(exponent, "0"))
    if not -MAX_MINOR <= minor <= MAX_MINOR:
        raise AmountTooLarge("The amount is too large.", expected=MAX_MINOR, got=amount[:40])
    return minor


def to_positive_minor(amount: str, exponent: int) -> int:
    """As `to_minor`, for amounts that must be above zero."""
    minor = to_minor(amount, exponent)
    if minor <= 0:
        raise InvalidAmount(
            f"The amount must be above zero, not {amount[:40]}.",
            expected="an amount above zero",
            got=amount[:40],
        )
    return minor


@lru_cache(maxsize=_REMEMBERED)
def to_text(minor: int, exponent: int) -> str:
    """The decimal string of minor units: `to_text(100050, 2) == "1000.50"`."""
    if not exponent:
        return str(minor)
    digits = str(minor)
    if minor < 0 or len(digits) <= exponent:
        sign = "-" if minor < 0 else ""
        digits = sign + str(abs(minor)).rjust(exponent + 1, "0")
    return f"{digits[:-exponent]}.{digits[-exponent:]}"
