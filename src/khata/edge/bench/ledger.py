"""`khata bench ledger`: single transfers, Khata and the baseline in one run.

They take turns by the slice (one, the other, one, the other), so that whatever else the machine
does meets both. First without a favourite account, then with all money going to one.
"""

from __future__ import annotations

import gc
import platform
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from typing import Final, TypeVar

import msgspec

from khata.edge.bench.baseline_postgres import Style, postgres_baseline
from khata.edge.bench.baseline_sqlite import sqlite_baseline
from khata.edge.bench.book_side import book_side
from khata.edge.bench.figures import Figures, Sample, Side, draws, figures_of
from khata.edge.bench.ground import Ground
from khata.edge.collecting import collecting_seldom
from khata.engine.database import SQLITE
from khata.errors import Invalid

S = TypeVar("S", bound=Sample)
_SLICES: Final = 2
_WARM_UP_SECONDS: Final = 0.5
_LEAST_ACCOUNTS: Final = 2


class Load(msgspec.Struct, frozen=True):
    """What both sides are put under. `seconds`: for each side, with and without a hot account."""

    callers: int = 512
    seconds: float = 5.0
    accounts: int = 1000
    seed: int = 1
    baseline: Style = "plain"

    def __post_init__(self) -> None:
        if self.callers < 1 or self.accounts < _LEAST_ACCOUNTS or self.seconds <= 0:
            raise Invalid(
                "That is no load.",
                expected="at least one caller, two accounts and some time",
                got=[self.callers, self.accounts, self.seconds],
            )


class Compared(msgspec.Struct, frozen=True):
    """Khata's figures beside the baseline's; `ratio` of the rates."""

    rate: float
    p50_ms: float
    p99_ms: float
    baseline_rate: float
    baseline_p50_ms: float
    baseline_p99_ms: float
    ratio: float


class LedgerReport(Compared, frozen=True):
    """The whole run; `hot`: the same with one account that every transfer pays into.

    `verified`: after it the book verified and the baseline's tables added up.
    """

    hot: Compared
    database: str
    callers: int
    seconds: float
    accounts: int
    seed: int
    baseline: str
    versions: dict[str, str]
    verified: bool


def bench_ledger(place: Ground, load: Load) -> LedgerReport:
    """Measure. Errors: `BookCorrupted` when what was written does not verify."""
    with sides(place, load) as (ours, usual):
        uniform = compare(ours, usual, load, hot=False)
        hot = compare(ours, usual, load, hot=True)
        ours.check()
        usual.check()
    return LedgerReport(
        **msgspec.structs.asdict(uniform),
        hot=hot,
        database=place.dialect,
        callers=load.callers,
        seconds=load.seconds,
        accounts=load.accounts,
        seed=load.seed,
        baseline=load.baseline if place.dialect == "postgres" else "plain",
        versions=versions(place),
        verified=True,
    )


@contextmanager
def sides(place: Ground, load: Load) -> Iterator[tuple[Side, Side]]:
    """Khata and the baseline, each in an empty database on the same ground."""
    with (
        place.fresh() as url,
        book_side(url, load.accounts) as ours,
        baseline(place, load) as usual,
    ):
        yield ours, usual


@contextmanager
def baseline(place: Ground, load: Load) -> Iterator[Side]:
    """The baseline, in an empty database of its own."""
    with place.fresh() as url:
        if place.dialect == "sqlite":
            with sqlite_baseline(url.removeprefix(SQLITE), load.accounts) as usual:
                yield usual
        else:
            with postgres_baseline(url, load.accounts, load.baseline) as server:
                yield server


def compare(ours: Side, usual: Side, load: Load, *, hot: bool) -> Compared:
    """Both sides in turn, after a short warm-up of each."""
    drawn = draws(load.seed, load.accounts, hot=hot)
    loads = [partial(side.load, drawn, callers=load.callers) for side in (ours, usual)]
    first, second = in_slices(loads, load.seconds)
    return compared(figures_of(first), figures_of(second))


def in_slices(loads: Sequence[Callable[..., S]], seconds: float) -> list[list[S]]:
    """What each of several loads measured: slice by slice in turn, after a short warm-up of each.

    `seconds`: of each load, which is called with the `seconds` of a slice.
    """
    for load in loads:
        _slice(load, min(_WARM_UP_SECONDS, seconds / 4))
    samples: list[list[S]] = [[] for _ in loads]
    for _ in range(_SLICES):
        for number, load in enumerate(loads):
            samples[number].append(_slice(load, seconds / _SLICES))
    return samples


def measure(side: Side, load: Load) -> Figures:
    """One side alone, uniform."""
    drawn = draws(load.seed, load.accounts, hot=False)
    alone = partial(side.load, drawn, callers=load.callers)
    _slice(alone, min(_WARM_UP_SECONDS, load.seconds / 4))
    return figures_of([_slice(alone, load.seconds)])


def compared(ours: Figures, usual: Figures) -> Compared:
    """Two figures side by side."""
    return Compared(
        ours.rate,
        ours.p50_ms,
        ours.p99_ms,
        usual.rate,
        usual.p50_ms,
        usual.p99_ms,
        round(ours.rate / usual.rate, 2) if usual.rate else 0.0,
    )


def versions(place: Ground) -> dict[str, str]:
    """What was measured, and on what."""
    return {
        "khata": version("khata"),
        "python": platform.python_version(),
        "database": place.version,
        "psycopg": version("psycopg"),
        "machine": platform.machine(),
    }


def _slice(load: Callable[..., S], seconds: float) -> S:
    """All sides with Python's collector as `khata serve` sets it."""
    with collecting_seldom():
        gc.collect()
        gc.freeze()
        return load(seconds=seconds)
