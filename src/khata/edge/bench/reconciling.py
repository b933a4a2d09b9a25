"""`khata bench reconcile`: a statement as long as the book, read, imported and matched.

The statement comes as a file of camt.053 with five defects in it, and as many exceptions must be
left over. The baseline is measured on a share of the lines and said in lines per second.
"""

from __future__ import annotations

import time
from typing import Final

import msgspec

from khata.app import Khata
from khata.base.money import Money, to_text
from khata.domain.wallets import Credit, OpenWallet
from khata.edge.bench.baseline_matching import SELDOM, matching_rate
from khata.edge.bench.book_side import SERVICE, carried_out, check
from khata.edge.bench.ground import Ground
from khata.edge.bench.ledger import versions
from khata.edge.files.statements.generating import DEFECTS, Sample, drawn, make_sample
from khata.edge.files.statements.importing import import_file
from khata.edge.files.statements.writing import write_camt
from khata.edge.working import reconciling
from khata.errors import BookCorrupted, Invalid

ACCOUNT: Final = "cash/main"
_CURRENCY: Final = "BDT"
_EXPONENT: Final = 2
_CHUNK: Final = 2000
_WALLETS: Final = 200
_SHARE: Final = 5000
_LEAST: Final = 20


class ReconcileReport(msgspec.Struct, frozen=True):
    """`rate`: lines per second from the file's first byte to the last exception written, which
    took `seconds`: `import_seconds` for reading and taking in, `match_seconds` for matching.
    `baseline_rate`: that of the usual way over `baseline_lines` lines, matching alone, a
    transaction for each line; `ratio` is `match_rate` to it. `script_rate`, `script_ratio`: the
    same with a commit after every thousand lines.
    """

    rate: float
    match_rate: float
    baseline_rate: float
    ratio: float
    script_rate: float
    script_ratio: float
    seconds: float
    import_seconds: float
    match_seconds: float
    lines: int
    baseline_lines: int
    matched: int
    planted: int
    exceptions: int
    database: str
    versions: dict[str, str]
    verified: bool


def bench_reconcile(place: Ground, lines: int) -> ReconcileReport:
    """Measure. Errors: `Invalid` for too few lines; `BookCorrupted` when the book does not verify,
    or when there are not as many exceptions as defects.
    """
    if lines < _LEAST:
        raise Invalid("Too few lines to reconcile.", expected=f"{_LEAST} or more", got=lines)
    with place.fresh() as url, Khata.open(url, migrate=True) as book:
        _fill(book, lines)
        sample = _sample(book)
        raw = write_camt(sample.statement)
        begun = time.perf_counter()
        import_file(book, raw, ACCOUNT)
        imported = time.perf_counter()
        run = reconciling.run(book, asked_by="bench")
        ended = time.perf_counter()
        _check(run.opened, sample)
        check(book)
    count = len(sample.statement.lines)
    share = min(_SHARE, count)
    usual, script = (
        matching_rate(place, sample.statement.lines, _EXPONENT, share, every)
        for every in (1, SELDOM)
    )
    match_rate = count / (ended - imported)
    return ReconcileReport(
        rate=round(count / (ended - begun), 1),
        match_rate=round(match_rate, 1),
        baseline_rate=round(usual, 1),
        ratio=round(match_rate / usual, 2),
        script_rate=round(script, 1),
        script_ratio=round(match_rate / script, 2),
        seconds=round(ended - begun, 2),
        import_seconds=round(imported - begun, 2),
        match_seconds=round(ended - imported, 2),
        lines=count,
        baseline_lines=share,
        matched=run.matched,
        planted=len(sample.planted),
        exceptions=run.opened,
        database=place.dialect,
        versions=versions(place),
        verified=True,
    )


def _fill(book: Khata, lines: int) -> None:
    """A book with so many postings on the account, each under a reference of its own."""
    names = [f"user-{number:04d}" for number in range(_WALLETS)]
    carried_out(book.submit_many([OpenWallet(name, _CURRENCY) for name in names]))
    for first in range(0, lines, _CHUNK):
        chunk = [
            Credit(
                f"{names[number % _WALLETS]}/personal/{_CURRENCY}",
                Money(to_text(10_000 + number * 7919 % 9_000_000, _EXPONENT), _CURRENCY),
                against=ACCOUNT,
                reference=f"bank-{number:08d}",
            )
            for number in range(first, min(first + _CHUNK, lines))
        ]
        carried_out(book.submit_many(chunk, actor=SERVICE))


def _sample(book: Khata) -> Sample:
    with book.view() as view:
        return make_sample(view, ACCOUNT, _CURRENCY, defects=drawn(len(DEFECTS), 1))


def _check(exceptions: int, sample: Sample) -> None:
    if exceptions != len(sample.planted):
        raise BookCorrupted(
            "Matching left other exceptions than there are defects.",
            expected=len(sample.planted),
            got=exceptions,
        )
