"""What the ledger keeps beyond the engine's accounts and entries, and how its things are named."""

from __future__ import annotations

from typing import ClassVar, Final

import msgspec

from khata.base import ids
from khata.engine.accounts import Kind
from khata.engine.records import Record, Table

ROOTS: Final[dict[str, Kind]] = {
    "cash": "asset",
    "bank": "asset",
    "receivable": "asset",
    "inventory": "asset",
    "asset": "asset",
    "wallet": "liability",
    "escrow": "liability",
    "clearing": "liability",
    "payable": "liability",
    "liability": "liability",
    "equity": "equity",
    "revenue": "revenue",
    "expense": "expense",
}
"""The first word of an account's code decides its kind. `asset` and `liability` are for accounts
that fit no narrower word, such as those of another system's books."""

FLOORED: Final = frozenset({"escrow"})
"""House accounts that cannot go below zero, whatever is asked."""


class Reversed(Record, frozen=True):
    """How much of an entry has been reversed, and by which entries.

    `amounts`: reversed so far for each leg, minor units, in the entry's own signs.
    `by`: [[seq, entry], …].
    """

    seq: int
    entry: int
    amounts: list[int]
    by: list[tuple[int, int]]
    whole: bool

    TABLE: ClassVar = Table("reversals", key=("seq", "entry"))


class LimitView(msgspec.Struct, frozen=True):
    """A velocity limit: at most `amount` (decimal string) and `count` in any such window."""

    window_seconds: int
    amount: str | None
    count: int | None


class MovedLeg(msgspec.Struct, frozen=True, gc=False):
    """What an entry did to one account. Decimal strings, on the account's normal side.

    An owner is not told the balances of accounts that are not theirs: they are None.
    """

    account: str
    amount: str
    balance_before: str | None
    balance_after: str | None


class Moved(msgspec.Struct, frozen=True, gc=False):
    """An entry as its caller is told of it. `id` names it for ever, as in a reversal."""

    id: str
    type: str
    source: str
    currency: str
    reference: str | None
    legs: list[MovedLeg]


def entry_id(seq: int, entry: int) -> str:
    """`ent_0400`: the entry's identity outside the book."""
    return ids.to_text("ent", ids.number(seq, entry))


def entry_key(text: str) -> tuple[int, int] | None:
    """(seq, entry) of an identifier, or None when it is not one."""
    value = ids.from_text("ent", text)
    return divmod(value, ids.PER_COMMAND) if value is not None else None


def wallet_id(account_id: int) -> str:
    """`wal_0401`: a wallet's identity outside the book."""
    return ids.to_text("wal", account_id)


def wallet_key(text: str) -> int | None:
    """The account number of a wallet identifier, or None."""
    return ids.from_text("wal", text)


def code_of(name: str) -> str | None:
    """The code of the account that a caller names by its code or by a wallet's path; None for a
    wallet's identifier, which is no code.
    """
    if wallet_key(name) is not None:
        return None
    return name if name.partition("/")[0] in ROOTS else f"wallet/{name}"
