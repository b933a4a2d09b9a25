"""Opening balances out of historical totals: from cells to commands. Functions of values."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from khata.base.money import Money
from khata.domain.wallets import History, OpenWallet, SetOpeningBalance
from khata.domain.wallets.rules import PARTS
from khata.engine.command import Command
from khata.errors import InvalidFile

COLUMNS: Final = ("owner", "wallet_kind", "currency", *(name for name, _ in PARTS), "reference")
REQUIRED: Final = ("owner", "wallet_kind", "currency")

_AMOUNT: Final = re.compile(r"[0-9]{1,18}(\.[0-9]{1,8})?")
_PLAIN: Final = re.compile(r"[\x21-\x7e]{1,200}")


def commands_of(cells: Mapping[str, str]) -> list[tuple[str, Command]]:
    """What a line asks for, each with its key: the wallet, and its opening balance.

    The keys are the wallet's, not the file's: a wallet is opened with one balance, whichever
    file it stands in. Totals that cancel out open the wallet alone.

    Errors: `InvalidFile`, without the line, which the reader knows.
    """
    for name in REQUIRED:
        if not cells[name]:
            raise _wrong(name, "a value", "nothing")
    owner, kind, currency = (cells[name] for name in REQUIRED)
    path = f"{owner}/{kind}/{currency}"
    key = path if _PLAIN.fullmatch(path) else hashlib.sha256(path.encode()).hexdigest()[:32]
    commands: list[tuple[str, Command]] = [
        (f"opening:{key}:wallet", OpenWallet(owner, currency, kind))
    ]
    totals = {name: cells[name] for name, _ in PARTS if cells.get(name)}
    for name, total in totals.items():
        if not _AMOUNT.fullmatch(total):
            raise _wrong(name, "a decimal number such as 1000.00", total)
    if sum(sign * Decimal(totals.get(name, "0")) for name, sign in PARTS):
        history = History(**{name: Money(total, currency) for name, total in totals.items()})
        reference = cells.get("reference") or None
        commands.append((f"opening:{key}", SetOpeningBalance(path, history, reference)))
    return commands


def _wrong(column: str, expected: str, got: str) -> InvalidFile:
    return InvalidFile(
        f"column {column}: expected {expected}, found {got[:80]!r}.",
        column=column,
        expected=expected,
        got=got[:80],
    )
