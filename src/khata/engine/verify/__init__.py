"""Verification: one streaming pass that proves a book, or names what is wrong with it.

The journal and all facts are read once, in order of `seq`, in one snapshot, while the system
works. Checked are: gaps, the hash chain and the head, the digest of each command, each entry's
legs against its postings and their sums, every running balance, final balances and what is held,
facts without a command, states against the digests that the journal announced, references to
accounts, owners' lines, reversals, the refusals' own chain.
"""

from __future__ import annotations

import time
from typing import NamedTuple

import msgspec

from khata.engine.accounts import Account
from khata.engine.database import Database
from khata.engine.journal import Head
from khata.engine.records import spec
from khata.engine.verify.audit import check_refusals, check_reversals
from khata.engine.verify.balances import Balances
from khata.engine.verify.findings import MOST_LISTED, Discrepancy, Findings, Report
from khata.engine.verify.snapshot import Snapshot, Unreadable, snapshot
from khata.engine.verify.states import States
from khata.engine.verify.walk import Progress, Walk

__all__ = ["MOST_LISTED", "Discrepancy", "Progress", "Report", "verify"]


def verify(
    database: Database,
    book_id: int,
    *,
    progress: Progress | None = None,
    expect: tuple[int, bytes] | None = None,
) -> Report:
    """Verify a whole book.

    `expect`: a head noted earlier, (seq, hash), that the book must still contain. `progress` is
    told (commands verified, commands in all) now and then.

    Errors: `DatabaseUnavailable`; `BookCorrupted` when the database itself can no longer read
    its file. Discrepancies are in the report, not raised.
    """
    started = time.perf_counter()
    options = _Options(progress, expect)
    try:
        report = _verify(database, book_id, options, lenient=False)
    except Unreadable:
        report = _verify(database, book_id, options, lenient=True)
    return msgspec.structs.replace(report, seconds=time.perf_counter() - started)


class _Options(NamedTuple):
    progress: Progress | None
    expect: tuple[int, bytes] | None


def _verify(database: Database, book_id: int, options: _Options, *, lenient: bool) -> Report:
    with snapshot(database, book_id, lenient=lenient) as reader:
        name, head = reader.head()
        findings = Findings()
        walk = _walk(reader, head, findings, options)
        check_refusals(reader, head, findings)
        check_reversals(reader, findings)
        states = States(reader, walk.announced, walk.balances, findings)
        states.run()
    return Report(
        name,
        head.seq,
        head.hash.hex(),
        walk.journal,
        sum(stream.count for stream in walk.streams if stream.name == "postings"),
        states.accounts,
        0.0,
        findings.listed,
        findings.omitted,
    )


def _walk(reader: Snapshot, head: Head, findings: Findings, options: _Options) -> Walk:
    balances = Balances(reader.states(spec(Account)))
    walk = Walk(reader, head, balances, findings, options.progress, options.expect)
    walk.run()
    return walk
