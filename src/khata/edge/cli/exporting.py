"""Writing a book out line by line: its postings as CSV, its journal as JSON."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from typing import Any, Final, TextIO

import msgspec

from khata.base.clock import to_iso
from khata.domain import ledger
from khata.domain.ledger import EntryView, LegView
from khata.engine import reading
from khata.engine.database import View
from khata.engine.journal import JournalRow

COLUMNS: Final = (
    "seq",
    "at",
    "entry",
    "leg",
    "type",
    "source",
    "reference",
    "note",
    "account",
    "kind",
    "currency",
    "debit",
    "credit",
    "reverses",
)
"""The columns of the CSV: one line for each leg of each entry, in order."""

_PAGE: Final = 1000
Tell = Callable[[int, int | None], None]


def write_postings(view: View, stream: TextIO, tell: Tell) -> int:
    """Every leg of every entry, oldest first; how many. Errors: `NotYours` for owners.

    `tell`: told (commands done, commands in the book).
    """
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    last, count = reading.head(view).seq, 0
    for entry in ledger.stream_entries(view):
        for number, leg in enumerate(entry.legs):
            writer.writerow(_cells(entry, number, leg))
            count += 1
        if entry.seq % _PAGE == 0:
            tell(entry.seq, last)
    return count


def _cells(entry: EntryView, number: int, leg: LegView) -> tuple[Any, ...]:
    return (
        entry.seq,
        entry.at,
        entry.id,
        number,
        entry.type,
        entry.source,
        entry.reference,
        entry.note,
        leg.account,
        leg.kind,
        leg.currency,
        leg.debit,
        leg.credit,
        entry.reverses,
    )


def write_journal(view: View, stream: TextIO, tell: Tell) -> int:
    """Every command as one JSON object a line, oldest first; how many.

    Errors: `NotYours` for owners. `tell`: told (commands done, commands in the book).
    """
    last, count = reading.head(view).seq, 0
    for row in _rows(view):
        stream.write(msgspec.json.encode(plain_command(row)).decode() + "\n")
        count += 1
        if count % _PAGE == 0:
            tell(count, last)
    return count


def _rows(view: View) -> Iterator[JournalRow]:
    after = 0
    while rows := reading.journal(view, after=after, limit=_PAGE):
        yield from rows
        after = rows[-1].seq


def plain_command(row: JournalRow) -> dict[str, Any]:
    """A row of the journal as JSON values; digests and hashes in hex."""
    return {
        "seq": row.seq,
        "key": row.key,
        "kind": row.kind,
        "actor": row.actor,
        "at": to_iso(row.at),
        "command": msgspec.Raw(row.command.encode()),
        "result": msgspec.Raw(row.result.encode()),
        "digest": row.digest.hex(),
        "hash": row.hash.hex(),
    }
