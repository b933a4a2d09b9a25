"""How facts about a payment are joined, and what follows from them: functions of values.

Joining is commutative, associative and idempotent, and what follows is a function of what was
joined; so any order, and any repetition, of what a provider tells ends in the same state.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from khata.domain.payments.model import (
    DISPUTED,
    LOST,
    REFUNDING,
    Dispute,
    Facts,
    PaymentStatus,
    Refund,
)

_REFUND_RANK: Final = ("pending", "cancelled", "succeeded", "failed", "merged")
_DISPUTE_RANK: Final = ("opened", "won", "lost")
SETTLED: Final = frozenset(
    {"paid", "partially_refunded", "refunded", "disputed", "failed", "expired"}
)
"""A payment in one of these needs no more waiting for."""
ACTIVE: Final = frozenset({"pending", "authorised", "unknown"})


def join(known: Facts, told: Facts) -> Facts:
    """All that is known now. Once it is paid, what was said before that is of no more interest;
    once the provider has seen it, neither is that nobody could say.
    """
    if known.paid or told.paid:
        return Facts(seen=True, authorised=True, paid=True)
    seen = known.seen or told.seen
    return Facts(
        asked=(known.asked or told.asked) and not seen,
        seen=seen,
        authorised=known.authorised or told.authorised,
        failed=max(filter(None, (known.failed, told.failed)), default=None),
        expired=known.expired or told.expired,
    )


def status_of(facts: Facts, amount: int, refunded: int, disputes: Iterable[str]) -> PaymentStatus:
    """The status that follows. `amount`, `refunded`: minor units; `disputes`: their statuses."""
    if facts.paid:
        if any(status != "won" for status in disputes):
            return "disputed"
        if refunded >= amount:
            return "refunded"
        return "partially_refunded" if refunded else "paid"
    if facts.failed is not None:
        return "failed"
    if facts.expired:
        return "expired"
    if facts.authorised:
        return "authorised"
    return "unknown" if facts.asked else "pending"


def later_refund(known: str, told: str) -> str:
    """Of two statuses of a refund the one that stands: it can fail after it had succeeded."""
    return max(known, told, key=_REFUND_RANK.index)


def later_dispute(known: str, told: str) -> str:
    """Of two statuses of a dispute the one that stands."""
    return max(known, told, key=_DISPUTE_RANK.index)


def refund_position(refund: Refund, cash: str) -> dict[str, int]:
    """What a refund does to accounts as it stands, debit positive. `cash`: where it leaves."""
    if refund.status == "succeeded":
        return {**refund.sources, cash: -refund.amount}
    if refund.status == "pending" and refund.sources:
        return {**refund.sources, REFUNDING: -refund.amount}
    return {}


def dispute_position(dispute: Dispute, amount: int, cash: str) -> dict[str, int]:
    """What a dispute does to accounts as it stands. `amount`: what it is about, minor units."""
    if dispute.status == "won":
        return {}
    return {cash: -amount, (LOST if dispute.status == "lost" else DISPUTED): amount}


def moves(known: Mapping[str, int], wanted: Mapping[str, int]) -> list[tuple[str, int]]:
    """What must be posted to come from one position to another: (code, amount), by code."""
    return [
        (code, difference)
        for code in sorted({*known, *wanted})
        if (difference := wanted.get(code, 0) - known.get(code, 0))
    ]
