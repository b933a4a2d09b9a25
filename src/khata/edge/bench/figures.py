"""What a load is made of and what it measured: transfers drawn by chance, samples, figures.

Both sides of a bench get the same transfers in the same order, under the same sequential keys, and
both are measured the same way: requests answered, divided by the time until the last answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Final, NamedTuple, Protocol

import msgspec

OPENING: Final = 100_000_000
"""What every account of a load begins with, in minor units."""
DRAWS: Final = 20_000
"""Transfers that are drawn before a run; callers go through them again and again."""
CURRENCY: Final = "BDT"
EXPONENT: Final = 2
NOTE: Final = "a transfer"


class Draw(NamedTuple):
    """A transfer between accounts 1 … n; `amount` in minor units."""

    source: int
    target: int
    amount: int
    reference: str


class Sample(msgspec.Struct, frozen=True):
    """One slice of a run, in seconds: the latency of each request, and how long it all took."""

    latencies: list[float]
    elapsed: float


class Figures(msgspec.Struct, frozen=True):
    """The outcome of a run: requests per second, and how long one of them took."""

    rate: float
    p50_ms: float
    p99_ms: float
    done: int


class Side(Protocol):
    """One of the two that are compared."""

    def load(self, draws: Sequence[Draw], *, callers: int, seconds: float) -> Sample:
        """Let `callers` each send their next transfer as soon as the last one is answered."""

    def check(self) -> None:
        """What was written adds up. Errors: `BookCorrupted`."""


def draws(seed: int, accounts: int, *, hot: bool, count: int = DRAWS) -> list[Draw]:
    """Transfers drawn by chance; hot ones all pay into account 1."""
    chance = Random(seed)
    drawn = []
    for number in range(count):
        target = 1 if hot else chance.randint(1, accounts)
        source = chance.randint(1, accounts - 1)
        source += source >= target
        drawn.append(Draw(source, target, chance.randint(1, 1000), f"order-{number:06d}"))
    return drawn


def path_of(account: int) -> str:
    """The wallet of an account of the load, as its owner writes it."""
    return f"user-{account:06d}/personal/{CURRENCY}"


def key_of(number: int) -> str:
    """An idempotency key. Neighbours in time are neighbours in the index, on both sides."""
    return f"bench-{number:014d}"


def percentile(ordered: Sequence[float], share: float) -> float:
    """The value below which `share` of the ordered values lie (nearest rank); 0 for no values."""
    if not ordered:
        return 0.0
    rank = min(len(ordered) - 1, max(0, -int(-share * len(ordered) // 1) - 1))
    return ordered[rank]


def figures_of(samples: Sequence[Sample]) -> Figures:
    """The figures of a run from all of its slices."""
    ordered = sorted(latency for sample in samples for latency in sample.latencies)
    elapsed = sum(sample.elapsed for sample in samples)
    return Figures(
        rate=round(len(ordered) / elapsed, 1) if elapsed > 0 else 0.0,
        p50_ms=round(percentile(ordered, 0.50) * 1000, 2),
        p99_ms=round(percentile(ordered, 0.99) * 1000, 2),
        done=len(ordered),
    )
