"""From Beancount transactions to commands of a book. Functions of values.

A transaction that trades (shares for money, one currency for another) sums to zero at its cost
or price, not unit by unit. What each unit lacks then stands on `equity/trading`, where the two
sides of a trade face each other, each in its own unit; what a single unit lacks within Beancount's
tolerance stands on `equity/rounding`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple

import msgspec

from khata.base.money import Money
from khata.domain.ledger import LegIn, PostEntry
from khata.domain.setup.model import SOURCES
from khata.edge.files.beancount import names
from khata.edge.files.beancount.reading import Leg, Transaction
from khata.errors import InvalidFile

SOURCE: Final = "beancount"
TRADING: Final = "equity/trading"
ROUNDING: Final = "equity/rounding"

_MOST_DECIMALS: Final = 8
_MOST_TEXT: Final = 500
_MOST_METADATA: Final = 3900
_OURS: Final = frozenset(
    {"id", "seq", "at", "key", "type", "source", "reference", "reverses", "metadata"}
)
"""Metadata that our own export writes."""


class Unit(NamedTuple):
    """A unit of the book for a commodity of the file."""

    code: str
    exponent: int


def units_of(transactions: Iterable[Transaction]) -> dict[str, Unit]:
    """A unit for each commodity, with as many decimals as its amounts need.

    Errors: `InvalidFile` for an amount with more than eight decimals.
    """
    most: dict[str, int] = {}
    for transaction in transactions:
        for leg in transaction.legs:
            places = decimals(leg.number)
            if places > _MOST_DECIMALS:
                raise InvalidFile(
                    f"Line {transaction.line}: {leg.number} {leg.commodity} has {places} decimals.",
                    line=transaction.line,
                    expected=f"at most {_MOST_DECIMALS} decimals",
                    got=str(leg.number),
                )
            most[leg.commodity] = max(most.get(leg.commodity, 0), places)
    return {name: Unit(*names.to_unit(name, places)) for name, places in most.items()}


def decimals(number: Decimal) -> int:
    """How many decimals a number needs; trailing zeros count not."""
    exponent = number.normalize().as_tuple().exponent
    return max(-exponent, 0) if isinstance(exponent, int) else 0


def entry_of(transaction: Transaction, units: dict[str, Unit]) -> PostEntry | None:
    """The command of a transaction; None when it moves nothing.

    Its day, payee, tags, costs, prices and metadata go into the entry's metadata.
    """
    legs = [leg for leg in transaction.legs if leg.number]
    if not legs:
        return None
    written = [_leg(names.to_code(leg.account), leg.number, units[leg.commodity]) for leg in legs]
    lacks = missing(legs)
    other = TRADING if len({leg.commodity for leg in legs}) > 1 else ROUNDING
    written += [_leg(other, number, units[commodity]) for commodity, number in lacks.items()]
    meta = transaction.meta
    source = meta.get("source", SOURCE)
    return PostEntry(
        written,
        source if source in SOURCES else SOURCE,
        meta["reference"][:_MOST_TEXT] if "reference" in meta else None,
        _note(transaction),
        _metadata(transaction),
    )


def missing(legs: Sequence[Leg]) -> dict[str, Decimal]:
    """What each commodity lacks to sum to zero."""
    sums: dict[str, Decimal] = {}
    for leg in legs:
        sums[leg.commodity] = sums.get(leg.commodity, Decimal()) + leg.number
    return {commodity: -total for commodity, total in sums.items() if total}


def deepest(entries: Iterable[PostEntry]) -> dict[tuple[str, str], Decimal]:
    """How far below zero each wallet and floored account gets, by (code, unit).

    A book that is brought in may have been overdrawn; it is not refused its own past.
    """
    now: dict[tuple[str, str], Decimal] = {}
    low: dict[tuple[str, str], Decimal] = {}
    for entry in entries:
        touched = set()
        for leg in entry.legs:
            if leg.account.startswith(("wallet/", "escrow/")):
                money = leg.credit or leg.debit
                assert money is not None  # each leg has one of them
                place = (leg.account, money.currency)
                amount = Decimal(money.amount)
                now[place] = now.get(place, Decimal()) + (amount if leg.credit else -amount)
                touched.add(place)
        for place in touched:
            low[place] = min(low.get(place, Decimal()), now[place])
    return low


def _leg(code: str, number: Decimal, unit: Unit) -> LegIn:
    money = Money(f"{abs(number):.{unit.exponent}f}", unit.code)
    return LegIn(code, debit=money) if number > 0 else LegIn(code, credit=money)


def _note(transaction: Transaction) -> str | None:
    narration = transaction.narration or ""
    meta = transaction.meta
    if is_ours(transaction) and narration == (meta.get("reference") or meta["type"]):
        return None
    parts = [part for part in (transaction.payee, narration) if part]
    return " · ".join(parts)[:_MOST_TEXT] or None


def is_ours(transaction: Transaction) -> bool:
    """Whether our own export wrote it."""
    return {"id", "seq", "key", "type"} <= transaction.meta.keys()


def _metadata(transaction: Transaction) -> dict[str, Any]:
    ours = is_ours(transaction)
    kept = _object(transaction.meta.get("metadata")) if ours else {}
    told: dict[str, Any] = {
        "date": transaction.day.isoformat(),
        "flag": transaction.flag,
        "payee": transaction.payee,
        "tags": transaction.tags,
        "links": transaction.links,
        "meta": {
            name: value for name, value in transaction.meta.items() if not ours or name not in _OURS
        },
        "legs": [[leg.account, leg.extra] for leg in transaction.legs if leg.extra],
        "entry": transaction.meta["id"] if ours else None,
    }
    made = kept | {SOURCE: {name: value for name, value in told.items() if value}}
    for name in ("meta", "legs", "links", "tags", "payee"):
        if len(msgspec.json.encode(made)) <= _MOST_METADATA:
            break
        made[SOURCE].pop(name, None)
        made[SOURCE]["shortened"] = True
    return made


def _object(text: str | None) -> dict[str, Any]:
    try:
        return msgspec.json.decode(text or "{}", type=dict[str, Any])
    except msgspec.MsgspecError:
        return {}
