"""What a wallet's past adds up to."""

from __future__ import annotations

from typing import Final

from khata.domain.ledger import ROOTS
from khata.domain.wallets.model import History

LONGEST_OWNER: Final = 128
"""Characters in an owner's id."""

PARTS: Final[tuple[tuple[str, int], ...]] = (
    ("payments_in", 1),
    ("bonuses", 1),
    ("refunds_in", 1),
    ("purchases", -1),
    ("withdrawals", -1),
    ("fees", -1),
)
"""Each historical total, and whether it brought money (+1) or took it (-1)."""


def named_totals(history: History) -> list[tuple[str, int]]:
    """The totals that are given, with their direction."""
    return [(name, sign) for name, sign in PARTS if getattr(history, name) is not None]


def is_owner_name(owner: str) -> bool:
    """Whether an owner's id can be part of an account's code.

    A name with which house accounts begin would make a wallet's path ambiguous.
    """
    return (
        0 < len(owner) <= LONGEST_OWNER
        and owner not in ROOTS
        and not any(
            character.isspace() or character == "/" or not character.isprintable()
            for character in owner
        )
    )
