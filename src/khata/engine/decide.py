"""Deciding: run commands against the cache and gather what a transaction has to write.

Nothing here touches a database. A command that misses a row raises `Missing`; the writer loads
what is missing and decides the rest of the batch again.
"""

from __future__ import annotations

import contextlib
from typing import Any, Final

import msgspec

from khata.base.clock import Instant
from khata.engine.book import Book
from khata.engine.cache import Address, Cache, Missing
from khata.engine.command import Verbs
from khata.engine.job import Job
from khata.engine.journal import Head, Receipt, Refusal, chain, refusal_hash
from khata.engine.records import Record, Row
from khata.errors import BatchSkipped, Broken, KeyReused, KhataError

_encode: Final = msgspec.json.Encoder().encode
_sorted: Final = msgspec.json.Encoder(order="sorted").encode


class Batch:
    """What the jobs of one transaction write, and where the book stands after them."""

    def __init__(self, head: Head, now: Instant) -> None:
        self.start = head
        self.now = max(now, head.at)
        self.seq = head.seq
        self.hash = head.hash
        self.refusals_hash = head.refusals_hash
        self.journal: list[Row] = []
        self.facts: dict[str, list[Row]] = {}
        self.new: dict[Address, None] = {}
        self.full: dict[Address, None] = {}
        self.plain: dict[Address, None] = {}
        self.hot: dict[Address, None] = {}
        self.rows: dict[Address, tuple[Record, Row]] = {}
        self.refusals: list[Refusal] = []
        self.receipts: dict[str, tuple[bytes, Receipt]] = {}

    @property
    def head(self) -> Head:
        """The head row after this batch."""
        at = self.now if self.journal else self.start.at
        count = self.start.refusals + len(self.refusals)
        return Head(self.seq, self.hash, at, count, self.refusals_hash)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to write."""
        return not self.journal and not self.refusals

    def mark(self) -> Mark:
        """Where the batch stands, to come back to."""
        return Mark(self)

    def refuse(self, job: Job, error: KhataError) -> None:
        """Keep a refusal for the audit."""
        n = self.start.refusals + len(self.refusals) + 1
        detail = _sorted({"message": error.message, **error.details}).decode()
        fields = (n, job.key, job.verb.kind, str(job.actor), self.now, error.code, detail)
        self.refusals_hash = refusal_hash(self.refusals_hash, fields)
        self.refusals.append(Refusal(*fields, self.refusals_hash))


class Mark:
    """A place in a batch that an all-or-nothing group can be taken back to."""

    def __init__(self, batch: Batch) -> None:
        self._seq, self._hash = batch.seq, batch.hash
        self._journal = len(batch.journal)
        self._facts = {name: len(rows) for name, rows in batch.facts.items()}
        self._touched = (
            dict(batch.new),
            dict(batch.full),
            dict(batch.plain),
            dict(batch.hot),
        )
        self._receipts = dict(batch.receipts)

    def restore(self, batch: Batch) -> None:
        """Take the batch back to this place."""
        batch.seq, batch.hash = self._seq, self._hash
        del batch.journal[self._journal :]
        for name, rows in batch.facts.items():
            del rows[self._facts.get(name, 0) :]
        batch.new, batch.full, batch.plain, batch.hot = self._touched
        batch.receipts = self._receipts


def _open(verbs: Verbs, cache: Cache, batch: Batch, job: Job) -> Book:
    return Book(cache, job.actor, batch.now, batch.seq + 1, verbs)


def decide(verbs: Verbs, cache: Cache, batch: Batch, job: Job, *, preview: bool = False) -> None:
    """Carry out one job: its outcome is set, its changes are in the cache and the batch.

    `preview`: the caller takes it back afterwards, so a dry run leaves its changes too.

    Errors: `Missing` when a row is not in memory; nothing has changed then.
    """
    try:
        job.verb.check(job.actor)
        known = batch.receipts.get(job.key)
        if known is not None:
            job.outcome = replay(job, *known)
            return
        book = _open(verbs, cache, batch, job)
        result = job.verb.handler(book, job.command)
        text, changes = _encode(result).decode(), book.changes()
    except KhataError as error:
        job.outcome = error
        return
    except Exception as error:  # noqa: BLE001 - a fault in one handler is that command's alone
        job.outcome = Broken(
            f"{job.verb.kind} failed inside Khata ({type(error).__name__}); nothing was written."
        )
        job.outcome.__cause__ = error
        return
    if job.dry_run and not preview:
        job.outcome = Receipt(batch.seq + 1, job.key, batch.now, result)
        return
    _seal(batch, job, book, (result, text, changes))


def _seal(batch: Batch, job: Job, book: Book, done: tuple[Any, str, list[Any]]) -> None:
    """Write the command in the journal and merge its overlay."""
    result, text, changes = done
    changes_text = _encode(changes).decode() if changes else None
    facts = sorted(book.facts.items())
    seq, now = book.seq, batch.now
    actor = str(job.actor)
    key, kind, body = job.key, job.verb.kind, job.body
    row = (seq, key, kind, actor, now, body, text)
    batch.hash = chain(batch.hash, row, job.digest, changes_text, facts)
    batch.seq = seq
    batch.journal.append(
        (seq, key, job.digest, kind, actor, now, body, text, changes_text, batch.hash)
    )
    receipt = Receipt(seq, job.key, now, result)
    batch.receipts[job.key] = (job.digest, receipt)
    job.outcome = receipt
    book.merge(batch)
    for name, rows in facts:
        known = batch.facts.get(name)
        if known is None:
            batch.facts[name] = list(rows)
        else:
            known.extend(rows)


def decide_group(verbs: Verbs, cache: Cache, batch: Batch, jobs: list[Job]) -> None:
    """Carry out all jobs or none; a dry run sees what the jobs before it would change.

    Errors: `Missing`, with nothing changed.
    """
    mark = batch.mark()
    cache.start_group()
    try:
        failed = _first_failure(verbs, cache, batch, jobs)
    except Missing:
        cache.undo_group()
        mark.restore(batch)
        raise
    if failed is None and not jobs[0].dry_run:
        cache.end_group()
        return
    cache.undo_group()
    mark.restore(batch)
    if failed is None:
        return
    for index, job in enumerate(jobs):
        if index != failed:
            job.outcome = BatchSkipped(
                f"Not carried out: line {failed} of the batch was refused.", index=failed
            )


def _first_failure(verbs: Verbs, cache: Cache, batch: Batch, jobs: list[Job]) -> int | None:
    for index, job in enumerate(jobs):
        decide(verbs, cache, batch, job, preview=True)
        if isinstance(job.outcome, KhataError):
            return index
    return None


def replay(job: Job, digest: bytes, receipt: Receipt) -> Receipt | KhataError:
    """The answer to a key that is known already."""
    if digest != job.digest:
        return KeyReused(
            f"The key {job.key!r} was used before with another body.",
            key=job.key,
            seq=receipt.seq,
        )
    return msgspec.structs.replace(receipt, replayed=True)


def probe(verbs: Verbs, cache: Cache, batch: Batch, job: Job) -> None:
    """Run a command for what it misses alone; nothing of it remains. Errors: `Missing`."""
    book = _open(verbs, cache, batch, job)
    with contextlib.suppress(Exception):
        job.verb.handler(book, job.command)
