"""`khata bench bulk`: many transfers handed in at once, each on its own, every one durable.

Two chunks are under way at a time: while one is committed, the next is handed in. The baseline is
the usual way, which knows no bulk: one transaction for every transfer.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice
from typing import Final

import msgspec

from khata.app import Khata, Line
from khata.edge.bench.book_side import SERVICE, book_side, carried_out, transfer_of
from khata.edge.bench.figures import draws, key_of
from khata.edge.bench.ground import Ground
from khata.edge.bench.ledger import Load, baseline, measure, versions
from khata.errors import Invalid

CHUNK: Final = 2000
_FLIGHTS: Final = 2
_BASELINE_CALLERS: Final = 64


class BulkReport(msgspec.Struct, frozen=True):
    """`rate`: transfers per second, from the first handed in until the last was durable."""

    rate: float
    baseline_rate: float
    ratio: float
    seconds: float
    lines: int
    database: str
    versions: dict[str, str]
    verified: bool


def bench_bulk(place: Ground, lines: int, *, baseline_seconds: float = 3.0) -> BulkReport:
    """Measure. Errors: `Invalid` for no lines; `BookCorrupted` when the book does not verify."""
    if lines < 1:
        raise Invalid("A bulk has at least one line.", expected="1 or more", got=lines)
    load = Load(callers=_BASELINE_CALLERS, seconds=baseline_seconds)
    with place.fresh() as url, book_side(url, load.accounts) as ours:
        seconds = _hand_in(ours.book, lines, load)
        ours.check()
    with baseline(place, load) as usual:
        beside = measure(usual, load).rate
        usual.check()
    rate = lines / seconds
    return BulkReport(
        rate=round(rate, 1),
        baseline_rate=beside,
        ratio=round(rate / beside, 2) if beside else 0.0,
        seconds=round(seconds, 3),
        lines=lines,
        database=place.dialect,
        versions=versions(place),
        verified=True,
    )


def _hand_in(book: Khata, count: int, load: Load) -> float:
    """How many seconds it takes. Errors: what the book refuses."""
    commands = [transfer_of(draw) for draw in draws(load.seed, load.accounts, hot=False)]
    lines: Iterator[Line] = (
        (key_of(number), command) for number, command in enumerate(islice(cycle(commands), count))
    )
    chunks = list(iter(lambda: list(islice(lines, CHUNK)), []))
    gc.collect()
    gc.freeze()
    begun = time.perf_counter()
    with ThreadPoolExecutor(_FLIGHTS) as flights:
        done = sum(flights.map(lambda chunk: _submit(book, chunk), chunks))
    elapsed = time.perf_counter() - begun
    assert done == count
    return elapsed


def _submit(book: Khata, chunk: list[Line]) -> int:
    return carried_out(book.submit_many(chunk, actor=SERVICE))
