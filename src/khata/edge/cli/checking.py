"""`khata verify` and `khata replay`: proving a book."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import msgspec
from cyclopts import Parameter
from rich.table import Table

from khata.app import Khata
from khata.edge.cli.exits import DONE, FAILED
from khata.edge.cli.screen import dump, out, pairs, progress, row, table
from khata.edge.cli.session import HERE, Json, Where, alone, opened
from khata.edge.own_sagas import own_from
from khata.engine import replay as replaying
from khata.engine.verify import Report
from khata.errors import Invalid

_HASH_BYTES: Final = 32
_LONGEST: Final = 24
"""Characters of a long value that are shown."""


@alone(
    "verify",
    "khata verify",
    "khata verify --json | jq .head",
    "khata verify --anchor 1024:9f2c…   (a SEQ:HEAD that an earlier verify printed)",
)
def verify(
    *,
    anchor: Annotated[
        str | None,
        Parameter(help="SEQ:HASH, noted earlier: the book must still contain it."),
    ] = None,
    json: Json = False,
    where: Where = HERE,
) -> int:
    """Prove the whole book, or name each thing that is wrong with it (exit code 1).

    Reads every row once while the system works: the hash chain, every entry's legs and sums,
    every running balance, gaps and orphans, each state against the journal; and whether escrows,
    debts, squads and stock have what their accounts have.
    """
    expect = None if anchor is None else anchored(anchor)
    with opened(where) as book, progress("Verifying") as tell:
        report = book.verify(progress=tell, expect=expect)
    if json:
        dump(msgspec.structs.asdict(report) | {"ok": report.ok})
    else:
        show_report(report)
    return DONE if report.ok else FAILED


def anchored(text: str) -> tuple[int, bytes]:
    """The head in `SEQ:HASH`. Errors: `Invalid`."""
    seq, _, digest = text.partition(":")
    try:
        wanted = int(seq), bytes.fromhex(digest)
    except ValueError:
        wanted = -1, b""
    if wanted[0] < 0 or len(wanted[1]) != _HASH_BYTES:
        raise Invalid(
            f"{text[:80]!r} is not an anchor.",
            expected="SEQ:HASH, with the 64 hex digits that `khata verify` prints",
            got=text[:80],
        )
    return wanted


def show_report(report: Report) -> None:
    """What was verified, and each discrepancy."""
    screen = out()
    rows = [
        ("book", report.book),
        ("commands", f"{report.journal:,}"),
        ("postings", f"{report.postings:,}"),
        ("accounts", f"{report.accounts:,}"),
        ("anchor", f"{report.seq}:{report.head}"),
        ("time", f"{report.seconds:.2f} s"),
    ]
    screen.print(pairs(rows))
    if report.ok:
        screen.print("Everything agrees.", style="bold green")
        return
    count = len(report.discrepancies) + report.omitted
    screen.print(f"{count} thing{'s' * (count != 1)} not as it must be:", style="bold red")
    screen.print(discrepancies_table(report))
    if report.omitted:
        screen.print(f"… and {report.omitted} more.")


def discrepancies_table(report: Report) -> Table:
    """Each discrepancy: which rule, where, what must be there and what is."""
    made = table("check", "where", "expected", "got")
    for column in made.columns[:2]:
        column.no_wrap = True
    for item in report.discrepancies:
        row(made, item.check, item.where, *differing(item.expected, item.got))
    return made


def differing(expected: str | int | None, got: str | int | None) -> tuple[str, str]:
    """Both as text; of long ones the part where they begin to differ."""
    texts = ["nothing" if value is None else str(value) for value in (expected, got)]
    if max(map(len, texts)) <= _LONGEST:
        return texts[0], texts[1]
    same = next((at for at, pair in enumerate(zip(*texts, strict=False)) if len(set(pair)) > 1), 0)
    start = max(same - _LONGEST // 2, 0)
    shown = [
        f"{'…' if start else ''}{text[start : start + _LONGEST]}"
        f"{'…' if start + _LONGEST < len(text) else ''}"
        for text in texts
    ]
    return shown[0], shown[1]


@alone(
    "replay",
    "khata replay",
    "khata replay --into postgresql://khata@localhost/copy --into-book main",
)
def replay(
    *,
    into: Annotated[
        str | None,
        Parameter(help="The URL of the database to fill; left out, one that is thrown away."),
    ] = None,
    into_book: Annotated[str, Parameter(help="The empty book to fill.")] = "main",
    json: Json = False,
    where: Where = HERE,
) -> int:
    """Run the journal again into an empty book: it must come out the same, to the last hash."""
    with (
        opened(where) as source,
        _target(into, into_book) as target,
        progress("Replaying") as tell,
    ):
        head = replaying.replay(source, target, tell)
    if json:
        dump({"seq": head.seq, "head": head.hash.hex()})
    else:
        out().print(f"{head.seq:,} commands were run again; both books end in the same hash:")
        out().print(f"{head.seq}:{head.hash.hex()}", soft_wrap=True)
    return DONE


@contextmanager
def _target(url: str | None, name: str) -> Iterator[Khata]:
    with contextlib.ExitStack() as stack:
        if url is None:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="khata-replay-"))
            url = f"sqlite:///{Path(folder) / 'replay.db'}"
        sagas = own_from(os.environ).sagas
        yield stack.enter_context(Khata.open(url, name, sagas=sagas))
