"""Running a journal again: into an empty book, with its recorded times, actors and keys.

Because a command's outcome depends on nothing else, the new book comes out the same, row by row,
up to the same head hash. A difference means that a handler has changed, or the journal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from typing import Final, Protocol

from khata.base.actor import SYSTEM, Actor, actor
from khata.base.clock import Clock, Instant
from khata.engine import reading
from khata.engine.command import Verbs
from khata.engine.committer import Limits
from khata.engine.database import Database
from khata.engine.job import Job, Ticket
from khata.engine.journal import Head, JournalRow, Receipt
from khata.engine.writer import Writer
from khata.errors import BookCorrupted, Invalid, KhataError

Progress = Callable[[int, int], None]
"""Told now and then: commands done so far, and how many there are."""

_PAGE: Final = 1000
_PATIENCE: Final = 120.0


class OpenBook(Protocol):
    """What an opened book offers here: `khata.Khata` does."""

    database: Database
    book_id: int
    verbs: Verbs
    clock: Clock


def replay(source: OpenBook, target: OpenBook, progress: Progress | None = None) -> Head:
    """Run the journal of `source` again into the empty book `target`; the head, equal in both.

    Commands recorded after the start are left out. Refusals changed nothing and are not run.

    Errors: `Invalid` when the target is not empty; `BookCorrupted`, naming the first command
    whose outcome is not the recorded one; `Unavailable`.
    """
    wanted, empty = _head(source), _head(target)
    if empty.seq or empty.refusals:
        raise Invalid("A replay needs an empty book.", expected=0, got=empty.seq)
    times = _Recorded()
    database, book_id = target.database, target.book_id
    writer = Writer(target.verbs, lambda: database.store(book_id), times, Limits())
    try:
        for at, rows in groupby(_rows(source, wanted.seq), key=lambda row: row.at):
            times.now = at
            for part in _parts(rows):
                _run(writer, target.verbs, part)
                if progress is not None:
                    progress(part[-1].seq, wanted.seq)
    finally:
        writer.close()
    reached = _head(target)
    if reached.hash != wanted.hash:
        raise _difference(source, target)
    return reached


class _Recorded:
    """A clock that shows the time at which the commands at hand were recorded."""

    def __init__(self) -> None:
        self.now: Instant = 0

    def __call__(self) -> Instant:
        return self.now


def _head(book: OpenBook) -> Head:
    with book.database.view(book.book_id, book.clock(), SYSTEM) as view:
        return reading.head(view)


def _rows(book: OpenBook, last: int) -> Iterator[JournalRow]:
    """The journal up to `last`. Each page is a view of its own, so none is held open for long."""
    after = 0
    while after < last:
        rows = _page(book, after, min(_PAGE, last - after))
        if not rows:
            raise BookCorrupted(f"The journal lacks seq {after + 1}.", seq=after + 1)
        yield from rows
        after = rows[-1].seq


def _page(book: OpenBook, after: int, limit: int) -> list[JournalRow]:
    with book.database.view(book.book_id, book.clock(), SYSTEM) as view:
        return reading.journal(view, after=after, limit=limit)


def _parts(rows: Iterable[JournalRow]) -> Iterator[list[JournalRow]]:
    part: list[JournalRow] = []
    for row in rows:
        part.append(row)
        if len(part) == _PAGE:
            yield part
            part = []
    if part:
        yield part


def _run(writer: Writer, verbs: Verbs, rows: list[JournalRow]) -> None:
    jobs = [_job(verbs, row) for row in rows]
    ticket = Ticket(jobs)
    writer.put(ticket)
    ticket.wait(_PATIENCE)
    for row, job in zip(rows, jobs, strict=True):
        outcome = job.outcome
        if isinstance(outcome, KhataError) and outcome.retryable:
            raise outcome
        if not isinstance(outcome, Receipt) or outcome.seq != row.seq:
            got = outcome.code if isinstance(outcome, KhataError) else getattr(outcome, "seq", None)
            raise _differs(row.seq, row.kind, expected=row.seq, got=got)


def _job(verbs: Verbs, row: JournalRow) -> Job:
    try:
        who, command = actor(row.actor), verbs.read(row.command)
        job = Job(verbs.of(command), command, _key(row, who), who)
    except KhataError as error:
        raise _differs(row.seq, row.kind, expected=row.seq, got=error.code) from error
    # as recorded: a field with a default that came later must not change what was said then
    job.body, job.digest = row.command, row.digest
    return job


def _key(row: JournalRow, who: Actor) -> str:
    """The key as its caller gave it: an owner's keys are kept with the owner's name before them."""
    return row.key.removeprefix(f"owner:{who.owner}/") if who.owner else row.key


def _difference(source: OpenBook, target: OpenBook) -> BookCorrupted:
    """Where two journals part, found by halving: up to there every hash is equal."""
    low, high = 0, _head(target).seq
    while high - low > 1:
        middle = (low + high) // 2
        same = _page(source, middle - 1, 1)[0].hash == _page(target, middle - 1, 1)[0].hash
        low, high = (middle, high) if same else (low, middle)
    one, other = _page(source, high - 1, 1)[0], _page(target, high - 1, 1)[0]
    return _differs(high, one.kind, expected=one.hash.hex(), got=other.hash.hex())


def _differs(seq: int, kind: str, *, expected: object, got: object) -> BookCorrupted:
    return BookCorrupted(
        f"Command {seq} ({kind}) does not come out as it was recorded.",
        seq=seq,
        expected=expected,
        got=got,
    )
