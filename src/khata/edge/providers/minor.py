"""Amounts as providers write them, integers of minor units, and the decimal strings they mean."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from khata.base.money import MAX_MINOR, to_text
from khata.base.units import ISO_4217
from khata.errors import Invalid, UnknownCurrency

STRIPE: Final = {"ISK": 2, "UGX": 2, "MGA": 0}
"""Where Stripe's decimals are not those of ISO 4217 (docs.stripe.com/currencies, special cases)."""
RAZORPAY: Final[dict[str, int]] = {}
"""Razorpay follows ISO 4217."""

_AMOUNT: Final = re.compile(r"[0-9]{1,19}(\.[0-9]{1,6})?")


def from_minor(amount: int, currency: str, others: Mapping[str, int]) -> tuple[str, str]:
    """The decimal string and the currency's code: `from_minor(100050, "bdt", {})` is
    `("1000.50", "BDT")`. `others`: decimals where the provider has its own.

    Errors: `UnknownCurrency`, `Invalid` for less than nothing, too much, or a part of a minor unit.
    """
    code = currency.upper()
    exponent = ISO_4217.get(code)
    if exponent is None:
        raise UnknownCurrency("A provider's currency is unknown.", got=code[:10])
    shift = others.get(code, exponent) - exponent
    minor, rest = divmod(amount, 10**shift) if shift > 0 else (amount * 10**-shift, 0)
    if rest or not 0 <= minor <= MAX_MINOR:
        raise Invalid("A provider's amount is none.", expected=f"whole minor units of {code}")
    return to_text(minor, exponent), code


def to_their_minor(amount: str, currency: str, others: Mapping[str, int]) -> int:
    """The provider's integer for a decimal string that is well formed."""
    return int(Decimal(amount).scaleb(others.get(currency, ISO_4217.get(currency, 2))))


def same_amount(one: str, other: str) -> bool:
    """Whether two decimal strings are the same number: `1000` is `1000.00`."""
    return all(_AMOUNT.fullmatch(text) for text in (one, other)) and Decimal(one) == Decimal(other)
