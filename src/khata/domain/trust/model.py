"""Trust: what an owner's deeds have earned them, in experience and in reputation.

The score is a Bayesian mean, a whole number from 0 to 1000: see `rules.score_of`.
"""

from __future__ import annotations

from typing import ClassVar, Final

import msgspec

from khata.domain.setup import Unit
from khata.engine.accounts import VelocityLimit
from khata.engine.records import Record, Table

TRUST: Final = "trust"
"""The setting of the book that holds rules of its own."""
XP: Final = Unit("XP", 0, "Experience")
"""The unit that experience is counted in, added to a book with its first award."""
EXPERIENCE: Final = "equity/experience"
"""Where experience comes from."""
KEPT: Final = VelocityLimit(86_400, amount=0)
"""The limit of every experience wallet: what somebody has earned is not given or sold to others."""


class Worth(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What an event is worth: `xp` in whole points; `good`, `bad`: its weight in the score."""

    xp: int = 0
    good: int = 0
    bad: int = 0


RULES: Final[dict[str, Worth]] = {
    "order_bought": Worth(xp=10, good=1),
    "order_sold": Worth(xp=20, good=1),
    "order_promoted": Worth(xp=15, good=1),
    "delivered": Worth(xp=15, good=1),
    "late_delivery": Worth(bad=1),
    "order_cancelled": Worth(bad=1),
    "refund_caused": Worth(bad=2),
    "dispute_lost": Worth(bad=5),
    "referral": Worth(xp=50, good=1),
    "squad_purchase": Worth(xp=25, good=1),
    "loan_repaid": Worth(xp=30, good=3),
    "loan_overdue": Worth(bad=4),
    "loan_written_off": Worth(bad=10),
}
"""The built-in events. A book's setting may give them another worth, and add more."""


class TrustScore(Record, frozen=True):
    """Where an owner stands. `good`, `bad`: the weights of all `events` so far."""

    owner: str
    score: int
    good: int
    bad: int
    events: int
    changed_at: int

    TABLE: ClassVar = Table("trust_scores", key=("owner",))


class TrustEvent(Record, frozen=True):
    """One event of an owner's history, and what it was worth then.

    `xp`: minor units of `XP`, 0 when none was given. `score_after`: the score that it led to.
    """

    owner: str
    seq: int
    n: int
    event: str
    xp: int
    good: int
    bad: int
    score_after: int
    reference: str
    at: int

    TABLE: ClassVar = Table("trust_events", key=("owner", "seq", "n"), facts=True)


class Award(msgspec.Struct, frozen=True):
    """What an event brought its owner. `xp`: a decimal string; `entry`: None when it is zero."""

    owner: str
    event: str
    xp: str
    score: int
    entry: str | None


class TrustRules(msgspec.Struct, frozen=True):
    """What every event is worth in this book, by its name."""

    events: dict[str, Worth]


class TrustState(msgspec.Struct, frozen=True):
    """An owner's score and experience. `changed_at`: None before the first event."""

    owner: str
    score: int
    good: int
    bad: int
    events: int
    xp: str
    changed_at: str | None


class TrustLine(msgspec.Struct, frozen=True):
    """An event of an owner's history. `xp`: a decimal string."""

    event: str
    xp: str
    good: int
    bad: int
    score: int
    reference: str
    at: str
