"""Assembly: what is wired to what, and nothing else.

`Khata.open(url)` gives one book of one database, with its writer running. All of its methods
may be called from any thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Concatenate, Final, ParamSpec, Self, TypeVar

import msgspec

from khata.base.actor import SYSTEM, Actor
from khata.base.clock import Clock, system_clock
from khata.domain import (
    access,
    benefits,
    bookings,
    commissions,
    debts,
    earnings,
    escrow,
    holds,
    inventory,
    khata,
    ledger,
    legacy,
    loans,
    marketplace,
    mismatches,
    orders,
    payments,
    payouts,
    proofs,
    reconciliation,
    setup,
    shadow,
    solvency,
    squads,
    trust,
    wallets,
    webhooks,
)
from khata.domain import sagas as sagas_
from khata.engine import migrations
from khata.engine import sagas as machine
from khata.engine.command import Command, Verbs
from khata.engine.committer import Limits
from khata.engine.database import Database, View
from khata.engine.job import Job, Outcome, Ticket
from khata.engine.journal import Receipt
from khata.engine.sagas import Saga, Sagas
from khata.engine.sagas.worker import Caller, Worker
from khata.engine.tail import Tail
from khata.engine.vault import Vault
from khata.engine.verify import MOST_LISTED, Progress, Report, verify
from khata.engine.writer import Writer
from khata.errors import BatchRefused, BatchSkipped, Invalid, KhataError
from khata.messaging import tables as _tables  # noqa: F401 - they are the database's too

P = ParamSpec("P")
T = TypeVar("T")

SAGAS: Final = Sagas(
    *payments.SAGAS,
    *payouts.SAGAS,
    *bookings.SAGAS,
    *escrow.SAGAS,
    *marketplace.SAGAS,
    *inventory.SAGAS,
    *orders.SAGAS,
    *mismatches.SAGAS,
)
"""Every saga that is built in."""

_ROOMS: Final = (
    setup.VERBS,
    access.VERBS,
    khata.VERBS,
    ledger.VERBS,
    wallets.VERBS,
    holds.VERBS,
    machine.VERBS,
    sagas_.VERBS,
    payments.VERBS,
    payouts.VERBS,
    bookings.VERBS,
    webhooks.VERBS,
    commissions.VERBS,
    debts.VERBS,
    trust.VERBS,
    benefits.VERBS,
    escrow.VERBS,
    marketplace.VERBS,
    squads.VERBS,
    earnings.VERBS,
    loans.VERBS,
    inventory.VERBS,
    orders.VERBS,
    mismatches.VERBS,
    legacy.VERBS,
    solvency.VERBS,
    reconciliation.VERBS,
    shadow.VERBS,
)

VERBS: Final = Verbs(*_ROOMS, sagas=SAGAS)
"""Every command that a book knows."""

Line = Command | tuple[str, Command]
"""A line of `submit_many`: a command, or (idempotency key, command)."""

_SWITCH_SECONDS: Final = 0.0005
_PATIENCE: Final = 60.0
_MOST_FRESH: Final = 10_000


class Khata:
    """A book: submit commands to change it, run queries to read it."""

    def __init__(
        self,
        database: Database,
        book: str,
        book_id: int,
        *,
        clock: Clock,
        limits: Limits | None,
        verbs: Verbs = VERBS,
        vault: Vault | None = None,
        mark: str | None = None,
    ) -> None:
        self.database = database
        self.book = book
        self.book_id = book_id
        self.clock = clock
        self.verbs = verbs
        self.scope = f"{book}.{mark or database.mark(book_id)}"
        """What the keys of this book's calls begin with: no other book of any database has it."""
        self.vault = vault
        self.moved = threading.Event()
        """Set whenever a saga was started or may be due: what its workers wait for."""
        self.fresh: deque[str] = deque(maxlen=_MOST_FRESH)
        """Sagas that were started here and that no worker of this process has looked at."""
        self.writer = Writer(
            verbs,
            lambda: database.store(book_id),
            clock,
            limits,
            machine.watching(self.moved, self.fresh),
        )

    @classmethod
    def open(
        cls,
        url: str,
        book: str = "main",
        *,
        create: bool = True,
        migrate: bool | None = None,
        clock: Clock = system_clock,
        limits: Limits | None = None,
        sagas: Iterable[Saga] = (),
        vault: Vault | None = None,
    ) -> Self:
        """Open a book, made when it does not exist and `create` is set.

        `migrate`: bring the tables to this version first; left out, only on SQLite. `sagas`: ones
        of your own, beside those that are built in. `vault`: with which what must not be read is
        sealed, and opened where a provider needs it.

        Errors: `Invalid` URL or name, `BookNotFound`, `SchemaOutdated`, `DatabaseUnavailable`.
        """
        database = Database(url)
        try:
            if migrate or (migrate is None and database.dialect == "sqlite"):
                migrations.migrate(database)
            migrations.check(database)
            book_id = database.open_book(book, clock, create=create)
        except BaseException:
            database.close()
            raise
        # The writer gives Python's lock up around every statement; by default another thread
        # may then keep it for 5 ms, which would set the pace of a whole book.
        sys.setswitchinterval(min(sys.getswitchinterval(), _SWITCH_SECONDS))
        verbs = Verbs(*_ROOMS, sagas=SAGAS + sagas) if (sagas := tuple(sagas)) else VERBS
        return cls(database, book, book_id, clock=clock, limits=limits, verbs=verbs, vault=vault)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Finish what was accepted, then let go of the database."""
        self.writer.close()
        self.database.close()

    # ── changing ─────────────────────────────────────────────────────────────────────

    def submit(
        self,
        command: Command,
        *,
        key: str | None = None,
        actor: Actor = SYSTEM,
        dry_run: bool = False,
        timeout: float = _PATIENCE,
    ) -> Receipt:
        """Carry out a command and wait until it is durable. Thread-safe.

        `key`: the idempotency key; with the same key and command the first answer comes back for
        ever. Left out, one is made, and a retry is then a new command. `dry_run`: decide and
        answer, write nothing. `timeout`: seconds.

        Errors: `Refused`, `NotFound`, `Conflict`, `Forbidden` and their kinds as the command
        says; `Unavailable` (ask again with the same key).
        """
        job = self._job(command, key, actor, dry_run=dry_run)
        self._wait([job], atomic=False, timeout=timeout)
        return _answer(job)

    async def asubmit(
        self,
        command: Command,
        *,
        key: str | None = None,
        actor: Actor = SYSTEM,
        dry_run: bool = False,
    ) -> Receipt:
        """As `submit`, for coroutines. Cancelling the wait does not cancel the command."""
        job = self._job(command, key, actor, dry_run=dry_run)
        await self._put([job], atomic=False)
        return _answer(job)

    def submit_many(
        self,
        lines: Iterable[Line],
        *,
        atomic: bool = False,
        actor: Actor = SYSTEM,
        dry_run: bool = False,
        timeout: float = _PATIENCE,
    ) -> list[Outcome]:
        """Carry out many commands: each on its own, or `atomic`, all or nothing.

        Gives for each line its receipt, or the error that refused it. An atomic batch that is
        refused raises `BatchRefused`, whose details name the line (`index`) and why; its length
        is bounded by `Limits.batch`.
        """
        jobs = self._jobs(lines, actor, atomic=atomic, dry_run=dry_run)
        self._wait([job for job in jobs if isinstance(job, Job)], atomic=atomic, timeout=timeout)
        return _outcomes(jobs, atomic=atomic)

    async def asubmit_many(
        self,
        lines: Iterable[Line],
        *,
        atomic: bool = False,
        actor: Actor = SYSTEM,
        dry_run: bool = False,
    ) -> list[Outcome]:
        """As `submit_many`, for coroutines."""
        jobs = self._jobs(lines, actor, atomic=atomic, dry_run=dry_run)
        valid = [job for job in jobs if isinstance(job, Job)]
        if valid:
            await self._put(valid, atomic=atomic)
        return _outcomes(jobs, atomic=atomic)

    def _job(self, command: Command, key: str | None, actor: Actor, *, dry_run: bool) -> Job:
        verb = self.verbs.of(command)
        return Job(verb, command, key or _new_key(), actor, dry_run=dry_run)

    def _jobs(
        self, lines: Iterable[Line], actor: Actor, *, atomic: bool, dry_run: bool
    ) -> list[Job | KhataError]:
        """A job for each line, or the error of a line that cannot become one."""
        jobs: list[Job | KhataError] = []
        for line in lines:
            key, command = line if isinstance(line, tuple) else (None, line)
            try:
                jobs.append(self._job(command, key, actor, dry_run=dry_run))
            except KhataError as error:
                if atomic:
                    raise _refused_batch(len(jobs), error) from error
                jobs.append(error)
        if atomic and len(jobs) > self.writer.limits.batch:
            raise Invalid(
                "An all-or-nothing batch is too long.",
                expected=f"at most {self.writer.limits.batch} lines",
                got=len(jobs),
            )
        return jobs

    def _wait(self, jobs: list[Job], *, atomic: bool, timeout: float) -> None:
        if jobs:
            ticket = Ticket(jobs, atomic=atomic)
            self.writer.put(ticket)
            ticket.wait(timeout)

    def _put(self, jobs: list[Job], *, atomic: bool) -> asyncio.Future[None]:
        """Hand jobs in; what to await until they are answered."""
        ticket = Ticket(jobs, atomic=atomic, loop=asyncio.get_running_loop())
        self.writer.put(ticket)
        return ticket.future  # type: ignore[return-value]  # a ticket with a loop has a future

    # ── reading ──────────────────────────────────────────────────────────────────────

    @contextlib.contextmanager
    def view(self, actor: Actor = SYSTEM) -> Iterator[View]:
        """A consistent snapshot for several queries: `with book.view() as view: …`.

        An owner as `actor` sees only what is theirs.
        """
        with self.database.view(self.book_id, self.clock(), actor) as view:
            yield view

    def query(self, ask: Callable[Concatenate[View, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """One query in a snapshot of its own: `book.query(wallets.balance, "alice/…")`."""
        with self.view() as view:
            return ask(view, *args, **kwargs)

    def verify(
        self, *, progress: Progress | None = None, expect: tuple[int, bytes] | None = None
    ) -> Report:
        """Prove the whole book, or name what is wrong with it: that no row was altered (see
        `khata.engine.verify`), and then that the rooms and the ledger say the same.
        """
        report = verify(self.database, self.book_id, progress=progress, expect=expect)
        if not report.ok:
            return report
        found = self.query(proofs.prove)
        return msgspec.structs.replace(
            report, discrepancies=found[:MOST_LISTED], omitted=len(found[MOST_LISTED:])
        )

    def worker(self, callers: Mapping[str, Caller] | None = None, **options: Any) -> Worker:
        """Who moves this book's sagas on: `with book.worker({"bank": bank}): …`.

        `callers`: who makes the calls of steps, by the name in their `to`. `options`: those of
        `khata.engine.sagas.worker.Worker`. Errors: `UnknownSaga`, listing runs that no saga here
        knows how to go on with.
        """
        return Worker(self, callers or {}, **options)

    def tail(self, name: str) -> Tail:
        """The journal for a consumer called `name`, on from where it last came to."""
        return Tail(self.database, self.book_id, name, self.clock)


_count: Final = itertools.count()
_mark: tuple[int, str] = (0, "")


def _new_key() -> str:
    """A key that no one else has: the time, a count, and a mark of chance of this process's own.

    It begins with the time: neighbours in time are neighbours in the index, which then stays fast
    however long the journal gets.
    """
    global _mark  # noqa: PLW0603 - a process that was forked needs a mark of its own
    if _mark[0] != os.getpid():
        _mark = (os.getpid(), os.urandom(6).hex())
    return f"auto-{time.time_ns():016x}{next(_count) & 0xFFFF:04x}{_mark[1]}"


def _answer(job: Job) -> Receipt:
    if isinstance(job.outcome, KhataError):
        raise job.outcome
    if job.outcome is None:
        message = "a job was answered without an outcome"
        raise TypeError(message)
    return job.outcome


def _outcomes(jobs: Sequence[Job | KhataError], *, atomic: bool) -> list[Outcome]:
    outcomes = [job if isinstance(job, KhataError) else job.outcome for job in jobs]
    if atomic:
        for index, outcome in enumerate(outcomes):
            if isinstance(outcome, KhataError) and not isinstance(outcome, BatchSkipped):
                raise _refused_batch(index, outcome) from outcome
    return outcomes  # type: ignore[return-value]  # every job is answered by now


def _refused_batch(index: int, error: KhataError) -> KhataError:
    if error.retryable:
        return error
    return BatchRefused(
        f"Line {index}: {error.message} Nothing of the batch was carried out.",
        index=index,
        reason=error.code,
        details=error.details,
    )
