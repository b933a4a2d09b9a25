"""`khata bench import`: a long CSV file of operations, and whether it ends as fast as it began."""

from __future__ import annotations

import resource
import sys
import time
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import msgspec

from khata.app import Khata
from khata.edge.bench.book_side import check
from khata.edge.bench.ground import Ground
from khata.edge.bench.ledger import versions
from khata.edge.files.importing import import_operations
from khata.edge.files.sample import make_operations
from khata.errors import Invalid

_WALLETS: Final = 1000
_LEAST_LINES: Final = 100
_TENTHS: Final = 10
_KIB: Final = 1024


class ImportReport(msgspec.Struct, frozen=True):
    """`rate`: lines per second over all of `seconds`. `rates`: in each tenth of the lines, of which
    `start_rate` and `end_rate` are the first and the last. `peak_mb`: the most memory this process
    ever had, in MiB.
    """

    rate: float
    start_rate: float
    end_rate: float
    end_to_start: float
    rates: list[float]
    seconds: float
    peak_mb: float
    verify_seconds: float
    lines: int
    database: str
    versions: dict[str, str]
    verified: bool


def bench_import(place: Ground, lines: int) -> ImportReport:
    """Measure. Errors: `Invalid` for too few lines; `BookCorrupted`."""
    if lines < _LEAST_LINES:
        raise Invalid("Too few lines to divide.", expected=f"{_LEAST_LINES} or more", got=lines)
    with place.fresh() as url, TemporaryDirectory(prefix="khata-bench-") as folder:
        path = Path(folder) / "operations.csv"
        make_operations(path, lines, min(_WALLETS, lines // 10))
        with Khata.open(url, migrate=True) as book:
            started = time.perf_counter()
            moments = _import(book, path, lines)
            peak = _peak_mb()
            began = time.perf_counter()
            check(book)
            verified = time.perf_counter() - began
    rates = tenths(moments, lines)
    seconds = moments[-1][0] - started
    return ImportReport(
        rate=round(lines / seconds, 1),
        start_rate=rates[0],
        end_rate=rates[-1],
        end_to_start=round(rates[-1] / rates[0], 3),
        rates=rates,
        seconds=round(seconds, 2),
        peak_mb=round(peak, 1),
        verify_seconds=round(verified, 2),
        lines=lines,
        database=place.dialect,
        versions=versions(place),
        verified=True,
    )


def _import(book: Khata, path: Path, lines: int) -> list[tuple[float, int]]:
    """(Seconds, lines carried out) as the import went along, from its first chunk on: what comes
    before, a look through the file for lines known already, would make the start look slow.
    """
    moments: list[tuple[float, int]] = []
    tally = book.writer.tally
    result = import_operations(
        book,
        path,
        progress=lambda _done, _total: moments.append((time.perf_counter(), tally.committed)),
    )
    assert result.applied == lines
    return [*moments, (time.perf_counter(), lines)]


def tenths(moments: list[tuple[float, int]], lines: int) -> list[float]:
    """Lines per second in each tenth of the lines. `moments`: (seconds, lines so far), rising."""
    edges = [_when(moments, lines * part / _TENTHS) for part in range(_TENTHS + 1)]
    return [
        round(lines / _TENTHS / max(after - before, 1e-9), 1) for before, after in pairwise(edges)
    ]


def _when(moments: list[tuple[float, int]], wanted: float) -> float:
    """When so many lines were done, on a straight line between the moments known."""
    before = moments[0]
    for moment in moments:
        if moment[1] >= wanted:
            span = moment[1] - before[1]
            share = (wanted - before[1]) / span if span else 0.0
            return before[0] + (moment[0] - before[0]) * share
        before = moment
    return before[0]


def _peak_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # macOS counts bytes, others KiB
    return peak / (_KIB * _KIB) if sys.platform == "darwin" else peak / _KIB
