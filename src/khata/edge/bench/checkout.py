"""`khata bench checkout`: hold, escrow, split, partial refund; Khata and the usual way in one run.

Four requests, one after the other, by each of many callers; one house account gets its part of
every one. The two sides take turns by the slice.
"""

from __future__ import annotations

from functools import partial

import msgspec

from khata.edge.bench.baseline_checkout import checkout_baseline
from khata.edge.bench.checkout_book import checkout_book
from khata.edge.bench.checkouts import CheckoutLoad, CheckoutSample, CheckoutSide, checkouts
from khata.edge.bench.figures import figures_of, percentile
from khata.edge.bench.ground import Ground
from khata.edge.bench.ledger import in_slices, versions


class CheckoutReport(msgspec.Struct, frozen=True):
    """`rate`: complete checkouts per second. `p50_ms`, `p99_ms`: of a whole checkout, from its
    first request until the answer to its last; `request_p99_ms`: of one of its requests.

    `verified`: after it the book verified, escrows and all, and the baseline's tables added up.
    """

    rate: float
    p50_ms: float
    p99_ms: float
    request_p99_ms: float
    baseline_rate: float
    baseline_p99_ms: float
    ratio: float
    callers: int
    seconds: float
    database: str
    versions: dict[str, str]
    verified: bool


def bench_checkout(place: Ground, load: CheckoutLoad) -> CheckoutReport:
    """Measure. Errors: `BookCorrupted` when what was written does not add up; what either side
    refuses.
    """
    with (
        place.fresh() as url,
        checkout_book(url, load) as book,
        checkout_baseline(place, load) as baseline,
    ):
        sides: tuple[CheckoutSide, ...] = (book, baseline)
        drawn = checkouts(load)
        loads = [partial(side.load, drawn, callers=load.callers) for side in sides]
        ours, usual = in_slices(loads, load.seconds)
        for side in sides:
            side.check()
    figures, beside = figures_of(ours), figures_of(usual)
    return CheckoutReport(
        rate=figures.rate,
        p50_ms=figures.p50_ms,
        p99_ms=figures.p99_ms,
        request_p99_ms=_request_p99_ms(ours),
        baseline_rate=beside.rate,
        baseline_p99_ms=beside.p99_ms,
        ratio=round(figures.rate / beside.rate, 2) if beside.rate else 0.0,
        callers=load.callers,
        seconds=load.seconds,
        database=place.dialect,
        versions=versions(place),
        verified=True,
    )


def _request_p99_ms(samples: list[CheckoutSample]) -> float:
    ordered = sorted(latency for sample in samples for latency in sample.requests)
    return round(percentile(ordered, 0.99) * 1000, 2)
