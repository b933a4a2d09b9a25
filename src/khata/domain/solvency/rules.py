"""What a currency's sums come to: functions of values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from khata.base.clock import iso_or_none, to_iso
from khata.base.money import to_text
from khata.domain.solvency.model import (
    CashView,
    CheckView,
    Figure,
    LiabilityRoot,
    Position,
    RootView,
    SolvencyCheck,
    Sum,
    VerifiedBalance,
)
from khata.engine.accounts import SIDE, Kind

_WORDS: Final = {
    "wallet": "wallets",
    "escrow": "escrow",
    "receivable": "receivables",
    "inventory": "inventory",
}
_REST: Final[dict[Kind, str]] = {
    "asset": "other_assets",
    "liability": "other_liabilities",
    "equity": "equity",
    "revenue": "revenue",
    "expense": "expenses",
}
CASH: Final = ("cash", "bank")
"""First words of the accounts whose balances are cash."""
_HEX: Final = re.compile(r"[0-9a-f]{64}")


class Seen(msgspec.Struct, frozen=True):
    """A verified balance, by how much it is more than the book had at that instant, and how much
    of that counts.
    """

    record: VerifiedBalance
    difference: int
    counted: int


def position(
    unit: str,
    exponent: int,
    sums: Iterable[Sum],
    seen: Mapping[str, Seen],
    *,
    is_money: bool,
    braked: bool,
) -> Position:
    """How a currency stands. `seen`: verified balances by the account's code."""
    counted = dict.fromkeys((*_WORDS.values(), *_REST.values()), 0)
    accounts, cash, overdrawn, plain = [], 0, 0, 0
    for item in sums:
        natural = item.plain * SIDE[item.kind]
        plain += item.plain
        if item.line.partition("/")[0] in CASH:
            view, amount = _cash(item.line, natural, seen.get(item.line), exponent)
            accounts.append(view)
            cash += amount
        elif item.kind == "liability" and item.below:
            overdrawn -= natural
        else:
            counted[_WORDS.get(item.line, _REST[item.kind])] += natural
    owed = counted["wallets"] + counted["escrow"] + counted["other_liabilities"]
    net = cash - owed
    return Position(
        currency=unit,
        solvent=net >= 0 if is_money else None,
        equation=plain == 0,
        cash=to_text(cash, exponent),
        liabilities=to_text(owed, exponent),
        net=to_text(net, exponent),
        overdrawn=to_text(overdrawn, exponent),
        braked=braked,
        accounts=accounts,
        **{name: to_text(minor, exponent) for name, minor in counted.items()},
    )


def _cash(code: str, balance: int, seen: Seen | None, exponent: int) -> tuple[CashView, int]:
    counted = balance + (seen.counted if seen else 0)
    texts = [to_text(minor, exponent) for minor in (balance, counted)]
    if seen is None:
        return CashView(code, texts[0], None, None, None, None, texts[1]), counted
    known = seen.record
    return CashView(
        code,
        texts[0],
        to_text(known.amount, exponent),
        to_iso(known.at),
        known.evidence,
        to_text(seen.difference, exponent),
        texts[1],
    ), counted


def figure_of(found: Position) -> Figure:
    """What a check records of a position."""
    return Figure(
        found.currency,
        found.cash,
        found.liabilities,
        found.overdrawn,
        found.net,
        found.solvent is not None,
        found.equation,
    )


def breach_of(figure: Figure | SolvencyCheck) -> str | None:
    """What is wrong, in words; None when nothing is."""
    if not figure.equation:
        return "the accounting equation does not hold"
    if figure.is_money and figure.net.startswith("-"):
        return f"cash of {figure.cash} does not cover liabilities of {figure.liabilities}"
    return None


def check_view(check: SolvencyCheck) -> CheckView:
    """A recorded check as people see it."""
    return CheckView(
        check.unit,
        to_iso(check.at),
        check.as_of,
        check.cash,
        check.liabilities,
        check.overdrawn,
        check.net,
        not check.net.startswith("-") if check.is_money else None,
        check.equation,
        check.breach,
        breach_of(check),
        iso_or_none(check.slot),
        check.asked_by,
    )


def root_view(root: LiabilityRoot) -> RootView:
    """A published root, without its secret."""
    return RootView(
        root.id,
        root.unit,
        root.hash,
        to_text(int(root.total), root.exponent),
        root.count,
        root.label,
        root.as_of,
        to_iso(root.published_at),
    )


def trusted(difference: int, known: int, limit: int) -> int:
    """What counts of a difference that one person alone has found: none of it when it is more
    than four eyes let one person add to what is `known` without them.
    """
    return difference if difference <= known + limit else known


def is_hash(text: str) -> bool:
    """Whether this is 32 bytes in hex."""
    return bool(_HEX.fullmatch(text))
