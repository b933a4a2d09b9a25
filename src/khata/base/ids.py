"""Identifiers that a book gives out: numbers inside, short readable texts outside.

An identifier is made of the sequence number of the command that created the thing and a
count within it, so a replay gives the same ones and no database sequence is needed.
"""

from __future__ import annotations

from typing import Final

_DIGITS: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS: Final = tuple(high + low for high in _DIGITS for low in _DIGITS)
_VALUES: Final = {digit: value for value, digit in enumerate(_DIGITS)}
PER_COMMAND: Final = 4096
"""How many things of one sort a single command may create."""


def number(seq: int, count: int) -> int:
    """The number of the `count`-th thing that command `seq` creates."""
    return seq * PER_COMMAND + count


def to_text(prefix: str, value: int) -> str:
    """`to_text("wal", 4096) == "wal_0400"`, in Crockford's base 32."""
    digits = ""
    while value:
        digits = _PAIRS[value & 1023] + digits
        value >>= 10
    return f"{prefix}_{digits.lstrip('0').rjust(4, '0')}"


def from_text(prefix: str, text: str) -> int | None:
    """The number within an identifier, or None when it is not one with this prefix."""
    head, _, digits = text.partition("_")
    if head != prefix or not 4 <= len(digits) <= 13:  # noqa: PLR2004 - 13 digits hold 64 bits
        return None
    value = 0
    for digit in digits:
        part = _VALUES.get(digit)
        if part is None:
            return None
        value = value * 32 + part
    return value if value < 1 << 63 and to_text(prefix, value) == text else None
