"""Names in Beancount and names in a book, each made from the other without loss.

    wallet/alice/personal/BDT   Liabilities:Wallet:Alice:Personal:BDT
    revenue/commission          Income:Commission
    escrow/M1                   Liabilities:Escrow:M1
    wallet/user_4/personal/BDT  Liabilities:Wallet:User--5f--4:Personal:BDT
    asset/Us/x                  Assets:X--0--Us:X--0--x

A part of a Beancount account begins with a capital or a digit and has letters, digits and
hyphens. So the first letter is raised where lowering it again gives the part back; a part where
it does not is marked; and any other character is written as `--` hex `--`. A Beancount part that
nothing is written as (`Two--Dashes`) becomes `~` and itself.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from typing import Final

from khata.base.units import ISO_4217
from khata.domain.wallets import is_owner_name

_KINDS: Final = {
    "Assets": ("asset", ("cash", "bank", "receivable", "inventory")),
    "Liabilities": ("liability", ("wallet", "escrow", "clearing", "payable")),
    "Equity": ("equity", ()),
    "Income": ("revenue", ()),
    "Expenses": ("expense", ()),
}
"""Beancount's root → the root of ours that stands for it, and the roots that stand below it."""

_ABOVE: Final = {
    root: (name, general) for name, (general, roots) in _KINDS.items() for root in (general, *roots)
}
_MOST_PARTS: Final = 5
_WALLET_PARTS: Final = 4
_MARK: Final = "X--0--"
_ESCAPE: Final = re.compile(r"--([0-9a-f]+)--")
_LETTERS: Final = frozenset({"Lu", "Ll", "Lo", "Lt", "Lm", "Nd"})
_LAST: Final = 0x10FFFF


# ── accounts ─────────────────────────────────────────────────────────────────────────


def to_account(code: str) -> str:
    """The Beancount account of an account's code."""
    root, *parts = code.split("/")
    above, general = _ABOVE[root]
    if len(parts) == _MOST_PARTS - 1:
        *parts, last = parts
        more = last.split(":")
        parts += more if all(more) else [last]
    if root != general:
        return ":".join([above, root.capitalize(), *map(_raised, parts)])
    written = [_raised(part) for part in parts]
    if _is_root(general, parts):
        written[0] = _MARK + parts[0]
    return ":".join([above, *written])


def to_code(account: str) -> str:
    """The code of a Beancount account, whatever it looks like. The opposite of `to_account`."""
    above, *written = account.split(":")
    general, _ = _KINDS[above]
    first, *rest = written
    root, parts = general, [_lowered(part) for part in rest]
    if first.startswith(_MARK) and _is_root(general, [first.removeprefix(_MARK), *parts]):
        parts = [first.removeprefix(_MARK), *parts]
    elif _is_root(general, [_lowered(first), *parts]):
        root = _lowered(first)
    else:
        parts = [_lowered(first), *parts]
    most = _MOST_PARTS - 1
    if len(parts) > most:
        parts = [*parts[: most - 1], ":".join(parts[most - 1 :])]
    return "/".join([root, *parts])


def _is_root(general: str, parts: list[str]) -> bool:
    """Whether these parts, below a general root, would read as one of our own roots."""
    roots = next(roots for name, roots in _KINDS.values() if name == general)
    if parts[0] not in roots or len(parts) == 1:
        return False
    return parts[0] != "wallet" or (len(parts) == _WALLET_PARTS and is_wallet(parts[1:]))


def is_wallet(parts: list[str]) -> bool:
    """Whether owner, kind and currency could be a wallet's."""
    owner, kind, currency = parts
    return bool(
        is_owner_name(owner)
        and re.fullmatch(r"[a-z][a-z0-9_]{0,39}", kind)
        and re.fullmatch(r"[A-Z][A-Z0-9_]{1,11}", currency)
    )


def _raised(part: str) -> str:
    """A part of a code as a part of a Beancount account."""
    if part.startswith("~") and _is_part(part[1:]) and _is_odd(part[1:]):
        return part[1:]
    body = _escaped(part)
    first = part[0]
    if _is_lower(part[1:2]) and _is_lower(first) and _swapped(first) != first:
        return _swapped(first) + body[1:]
    as_is = _is_digit(first) or (
        _is_upper(first) and (not _is_lower(part[1:2]) or _swapped(first) == first)
    )
    return body if as_is and not body.startswith(_MARK) else _MARK + body


def _lowered(part: str) -> str:
    """A part of a Beancount account as a part of a code."""
    return f"~{part}" if _is_odd(part) else _plain(part)


def _is_odd(part: str) -> bool:
    """Whether no part of a code is written like this."""
    plain = _plain(part)
    return not plain or _raised(plain) != part


def _is_part(text: str) -> bool:
    """Whether this could stand in a Beancount account."""
    return (
        bool(text)
        and (_is_upper(text[0]) or _is_digit(text[0]))
        and all(letter == "-" or _fits(letter) for letter in text)
    )


def _plain(part: str) -> str:
    if part.startswith(_MARK):
        return _unescaped(part.removeprefix(_MARK))
    text = _unescaped(part)
    if _is_upper(part[0]) and _is_lower(part[1:2]):
        return _swapped(text[0]) + text[1:]
    return text


def _is_lower(letter: str) -> bool:
    return bool(letter) and unicodedata.category(letter) == "Ll"


def _is_upper(letter: str) -> bool:
    return unicodedata.category(letter) == "Lu"


def _is_digit(letter: str) -> bool:
    return unicodedata.category(letter) == "Nd"


def _swapped(letter: str) -> str:
    """The letter in the other case, or as it is when there would be no way back."""
    other = letter.swapcase()
    fits = len(other) == 1 and (_is_upper(other) or _is_lower(other))
    return other if fits and other.swapcase() == letter else letter


def _escaped(part: str) -> str:
    written = []
    for at, letter in enumerate(part):
        lone = letter == "-" and part[at - 1 : at] != "-" and _fits(part[at + 1 : at + 2])
        if lone and (at == 0 or _fits(part[at - 1])):
            written.append("-")
        else:
            written.append(letter if _fits(letter) else f"--{ord(letter):x}--")
    return "".join(written)


def _fits(letter: str) -> bool:
    return bool(letter) and unicodedata.category(letter) in _LETTERS


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(_letter, text)


def _letter(found: re.Match[str]) -> str:
    value = int(found[1], 16) if len(found[1]) <= 6 else 0  # noqa: PLR2004 - hex digits of a letter
    return chr(value) if 0 < value <= _LAST else found[0]


# ── commodities ──────────────────────────────────────────────────────────────────────

_UNIT: Final = re.compile(r"[A-Z][A-Z0-9_]{1,11}")
_COMMODITY: Final = re.compile(r"[A-Z]([A-Z0-9'._-]{0,22}[A-Z0-9])?")
_TAIL: Final = ".U"
"""Put behind a unit that ends in `_`, as no commodity does."""
_BASE32: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def to_unit(commodity: str, decimals: int) -> tuple[str, int]:
    """The unit of a commodity whose amounts have up to so many decimals: its code and exponent.

    A commodity that is a currency keeps its code while the currency has as many decimals.
    """
    iso = ISO_4217.get(commodity)
    if iso is not None:
        return (commodity, iso) if decimals <= iso else (f"{commodity}_{decimals}", decimals)
    if _UNIT.fullmatch(commodity) or _UNIT.fullmatch(commodity.removesuffix(_TAIL)):
        return commodity.removesuffix(_TAIL), decimals
    kept = "".join(re.findall("[A-Z0-9]", commodity))[:6]
    value = int.from_bytes(hashlib.sha256(commodity.encode()).digest()[:3], "big")
    hashed = "".join(_BASE32[value >> shift & 31] for shift in (0, 5, 10, 15))
    return f"{kept if kept[:1].isalpha() else 'U' + kept[:5]}_{hashed}", decimals


def to_commodity(unit: str, name: str | None, exponent: int) -> str:
    """The commodity of a unit. `name`: the unit's own; a commodity that was imported is known by
    it, and gets it back.
    """
    if name and _COMMODITY.fullmatch(name) and to_unit(name, exponent)[0] == unit:
        return name
    return f"{unit}{_TAIL}" if unit.endswith("_") else unit
