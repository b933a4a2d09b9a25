"""The committer: one batch, one transaction, from the lock on the head to the commit.

It owns the connection, the cache and the keys answered lately. It runs in the writer's thread.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

import msgspec

from khata.base.clock import Clock
from khata.engine.cache import Address, Cache, Missing, Question, row_of
from khata.engine.command import Verbs
from khata.engine.decide import Batch, decide, decide_group, probe
from khata.engine.guessing import Guesses
from khata.engine.job import Job
from khata.engine.journal import Head, Receipt
from khata.engine.records import Record, Row, spec
from khata.engine.store import Clash, Known, Packed, Store, Writes, started_after
from khata.errors import BatchSkipped, BookCorrupted, KhataError, Refused

_ROUNDS: Final = 8
_FEW: Final = 64
_TRIES: Final = 6
_CROWDED: Final = 64
"""For how many batches nothing is decided ahead after another writer was met."""


class Moved(Exception):  # noqa: N818 - a signal between the writer's two threads
    """Another writer came between: the book is not where this batch was decided."""


class Decided(NamedTuple):
    """A batch that is ready to be written."""

    batch: Batch
    packed: Packed


class Limits(msgspec.Struct, frozen=True):
    """`queue`: commands that may wait. `batch`: commands in one transaction. `rows`: rows kept
    in memory. `patience_seconds`: how long a lost database is tried again before callers hear
    of it. `gather_seconds`: how long a batch may wait for company that usually comes.
    """

    queue: int = 20_000
    batch: int = 2_000
    rows: int = 250_000
    keys: int = 20_000
    patience_seconds: float = 5.0
    gather_seconds: float = 0.002


class Tally(msgspec.Struct):
    """Counts since the start, for metrics."""

    committed: int = 0
    refused: int = 0
    replayed: int = 0
    batches: int = 0
    reconnects: int = 0
    reloads: int = 0
    write_seconds: float = 0.0


class Committer:
    """See the module. Its methods have one caller, the writer's thread, but for `flush`, which
    the flight's thread calls while the next batch is decided.
    """

    def __init__(
        self,
        verbs: Verbs,
        open_store: Callable[[], Store],
        clock: Clock,
        limits: Limits,
        tally: Tally,
        watch: Callable[[Batch], None] | None = None,
    ) -> None:
        self._watch = watch
        self._verbs = verbs
        self._kinds = {verb.kind: verb for verb in verbs}
        self._open_store = open_store
        self._clock = clock
        self._limits = limits
        self._tally = tally
        self._store: Store | None = None
        self._reader: Store | None = None
        self._cache = Cache()
        self._head: Head | None = None
        self._keys: OrderedDict[str, Row] = OrderedDict()
        self._guesses = Guesses()
        self._staged: Decided | None = None
        self._suspicious = False
        self._crowded = 0

    def close(self) -> None:
        """Give the connections up."""
        for store in (self._store, self._reader):
            if store is not None:
                store.close()
        self._store = self._reader = None

    # ── at once ──────────────────────────────────────────────────────────────────────

    def commit(self, units: list[list[Job]]) -> None:
        """Give every job its outcome, or raise with nothing changed that is known of.

        A unit is one job, or several that stand and fall together.

        Errors: `DatabaseUnavailable` (the next attempt looks every key up first), `StorageFull`,
        `Broken`.
        """
        try:
            self._attempt(units)
        except Clash:
            if self._suspicious:
                raise BookCorrupted(
                    "A row that should be new exists already. Run `khata verify`."
                ) from None
            self._suspicious = True
            self.commit(units)
        except KhataError as error:
            self.give_up(error)
            raise

    def _attempt(self, units: list[list[Job]]) -> None:
        """One transaction: lock, decide, write, commit."""
        store = self._connected()
        try:
            head = store.begin()
            if head != self._head or len(self._cache) > self._limits.rows:
                self._cache.clear()
                self._tally.reloads += 1
            batch = Batch(head, self._clock())
            replays = self._recall(store, batch, units)
            self._decide(store, batch, units)
            self._check_refused(store, batch, units)
            _keep_refusals(batch, units)
            self._store_batch(store, batch)
        except BaseException:
            self._forget()
            store.rollback()
            raise
        self._suspicious = self._suspicious and replays > 0
        self._crowded = max(self._crowded - 1, 0)
        self._depart(batch)

    def _connected(self) -> Store:
        if self._store is None:
            self._store = self._open_store()
            self._tally.reconnects += 1
        return self._store

    def _store_batch(self, store: Store, batch: Batch) -> None:
        if batch.empty:
            store.rollback()
            return
        started = time.perf_counter()
        store.write(store.pack(self._writes(batch)))
        store.commit()
        self._count(batch, started)

    def _count(self, batch: Batch, started: float) -> None:
        self._tally.write_seconds += time.perf_counter() - started
        self._tally.batches += 1
        self._tally.committed += len(batch.journal)
        self._tally.refused += len(batch.refusals)
        if self._watch is not None:
            self._watch(batch)

    def _forget(self) -> None:
        self._cache.clear()
        self._head = None

    # ── ahead of time ────────────────────────────────────────────────────────────────

    def ahead(self, units: list[list[Job]]) -> Decided | None:
        """Decide a batch while the one before it is still being written.

        The book is taken to be where this writer leaves it; `flush` checks that it is. None when
        that guess would be a poor one: `commit` then does it all under the lock.
        """
        poor = self._head is None or self._suspicious or self._crowded
        if poor or self._head is None or len(self._cache) > self._limits.rows:
            return None
        try:
            if self._reader is None:
                self._reader = self._open_store()
            batch = Batch(self._head, self._clock())
            self._recall(self._reader, batch, units)
            self._decide(self._reader, batch, units)
            self._check_refused(self._reader, batch, units)
            _keep_refusals(batch, units)
            return Decided(batch, self._reader.pack(self._writes(batch)))
        except Clash:
            self._suspicious = True
            self._forget()
            return None
        except Exception:  # noqa: BLE001 - whatever it is, `commit` meets it again and answers it
            self._forget()
            return None

    def depart(self, decided: Decided) -> None:
        """This batch is handed to `flush`; what is decided from here on stands on it."""
        self._depart(decided.batch)

    def _depart(self, batch: Batch) -> None:
        self._head = batch.head
        self._cache.end_batch()
        self._remember(batch)

    @property
    def stages(self) -> bool:
        """Whether this database's batches are better written by the thread that decides them."""
        return self._reader is not None and self._reader.by_statement

    def stage(self, decided: Decided) -> None:
        """Write what was decided, but for the commit; nothing is in the air. Errors: as `flush`."""
        batch = decided.batch
        if batch.empty:
            return
        started = time.perf_counter()
        if not started_after(self._connected(), batch.start, decided.packed):
            raise Moved
        self._staged = decided
        self._tally.write_seconds += time.perf_counter() - started

    def flush(self, decided: Decided) -> None:
        """Write what was decided, if the book is still where it was thought to be.

        Errors: `Moved`, `Clash`, `DatabaseUnavailable`, `StorageFull`, `Broken`.
        """
        batch = decided.batch
        if batch.empty:
            return
        started = time.perf_counter()
        staged, self._staged = self._staged is decided, None
        if staged:
            self._connected().commit()
        elif not self._connected().write_after(batch.start, decided.packed):
            raise Moved
        self._count(batch, started)

    def turn_back(self, lost: Iterable[Decided], error: BaseException) -> None:
        """A flight failed, and those behind it: forget what was built on them; their keys are
        looked up next time.
        """
        self._forget()
        self._staged = None
        for row in (row for decided in lost for row in decided.batch.journal):
            self._keys.pop(row[1], None)
        if isinstance(error, Moved):
            self._crowded = _CROWDED
        else:
            self._suspicious = True
            self.give_up(error)

    def give_up(self, error: BaseException) -> None:
        """Let the connections go after an error that may have harmed them."""
        self._suspicious = self._suspicious or not isinstance(error, Refused)
        self.close()

    # ── keys ─────────────────────────────────────────────────────────────────────────

    def _recall(self, store: Store, batch: Batch, units: list[list[Job]]) -> int:
        """Tell the batch of keys answered before; how many there are.

        The journal is asked only after a clash or a lost connection, or for dry runs, which
        write nothing that could clash (see `_check_refused` for refusals, which do not either).
        """
        jobs = {job.key: job for unit in units for job in unit}
        known = [_known(self._keys[key]) for key in jobs.keys() & self._keys.keys()]
        unknown = [
            key
            for key, job in jobs.items()
            if (self._suspicious or job.dry_run) and key not in self._keys
        ]
        if unknown:
            known += store.known(unknown)
        for row in known:
            verb = self._kinds.get(row.kind)
            result = verb.read_result(row.result) if verb else msgspec.json.decode(row.result)
            batch.receipts[row.key] = (row.digest, Receipt(row.seq, row.key, row.at, result))
        self._tally.replayed += len(batch.receipts)
        return len(batch.receipts)

    def _check_refused(self, store: Store, batch: Batch, units: list[list[Job]]) -> None:
        """Look for commands refused now that had been carried out under their keys before.

        What succeeds a second time clashes in the journal; what is refused would not.

        Errors: `Clash` when there is one.
        """
        if self._suspicious:  # every key was looked up
            return
        keys = [
            job.key
            for unit in units
            for job in unit
            if isinstance(job.outcome, KhataError)
            and not isinstance(job.outcome, BatchSkipped)
            and job.key not in batch.receipts
        ]
        if keys and store.known(keys):
            raise Clash

    def _remember(self, batch: Batch) -> None:
        keys = self._keys
        for row in batch.journal:
            keys[row[1]] = row
        while len(keys) > self._limits.keys:
            keys.popitem(last=False)

    # ── deciding and loading ─────────────────────────────────────────────────────────

    def _decide(self, store: Store, batch: Batch, units: list[list[Job]]) -> None:
        self._foretold(store, units)
        at, rounds = 0, 0
        while at < len(units):
            unit = units[at]
            try:
                if len(unit) == 1:
                    decide(self._verbs, self._cache, batch, unit[0])
                else:
                    decide_group(self._verbs, self._cache, batch, unit)
            except Missing as signal:
                rounds += 1
                self._guesses.note(unit[0], missed=True)
                ahead = units[at + 1 :] if rounds <= _ROUNDS else units[at + 1 : at + _FEW]
                jobs = (job for behind in ahead for job in behind)
                self._foresee(store, batch, signal, unit, self._guesses.likely(jobs))
            else:
                at += 1

    def _foretold(self, store: Store, units: list[list[Job]]) -> None:
        """Load what commands say themselves that they will ask for."""
        rows: list[Address] = []
        questions: list[Question] = []
        for job in (job for unit in units for job in unit):
            if job.verb.reads is not None:
                wanted, asked = job.verb.reads(job.command)
                rows += wanted
                questions += asked
        missing = self._cache.lacks(rows, questions)
        if missing is not None:
            self._load(store, [missing])

    def _foresee(
        self, store: Store, batch: Batch, signal: Missing, unit: list[Job], ahead: Iterable[Job]
    ) -> None:
        """Load what stopped a unit, and with it what those behind it miss: one query for each
        table, as often as somebody misses something more.
        """
        missing, left = [signal], list(unit)
        for tried in range(_TRIES):
            for job in ahead:
                missed = self._missed_by(batch, job)
                self._guesses.note(job, missed=missed is not None, again=tried > 0)
                if missed is not None:
                    missing.append(missed)
                    left.append(job)
            if not missing:
                return
            self._load(store, missing)
            ahead, missing, left = self._guesses.likely(left, again=True), [], []

    def _missed_by(self, batch: Batch, job: Job) -> Missing | None:
        """What a command misses, if anything: it is tried, and nothing of it remains."""
        try:
            probe(self._verbs, self._cache, batch, job)
        except Missing as signal:
            return signal
        return None

    def _load(self, store: Store, missing: list[Missing]) -> None:
        """Bring what is missing into the cache, one query for each table or question."""
        rows: dict[type[Record], dict[Any, None]] = {}
        questions: dict[tuple[type[Record], str], dict[Any, None]] = {}
        for signal in missing:
            for cls, key in signal.rows:
                rows.setdefault(cls, {})[key] = None
            for cls, column, value in signal.questions:
                questions.setdefault((cls, column), {})[value] = None
        for cls, keys in rows.items():
            shape = spec(cls)
            found = {shape.key_in(row): shape.decode(row) for row in store.load(cls, list(keys))}
            for key in keys:
                self._cache.learn((cls, key), found.get(key))
        for (cls, column), values in questions.items():
            shape = spec(cls)
            groups: dict[Any, list[tuple[Any, Record]]] = {value: [] for value in values}
            for row in store.find(cls, column, list(values)):
                record = shape.decode(row)
                groups[getattr(record, column)].append((shape.key_in(row), record))
            self._cache.answer_all(cls, column, groups)

    # ── writing ──────────────────────────────────────────────────────────────────────

    def _writes(self, batch: Batch) -> Writes:
        new, full, plain = batch.new, batch.full, batch.plain
        narrow = [a for a in plain if a not in full and a not in new]
        hot = [a for a in batch.hot if a not in full and a not in new and a not in plain]
        rows = self._rows(batch, narrow)
        return Writes(
            batch.journal,
            batch.refusals,
            batch.facts,
            self._rows(batch, new),
            self._rows(batch, (address for address in full if address not in new)),
            {cls: [spec(cls).plain_values(row) for row in found] for cls, found in rows.items()},
            self._hot_rows(hot),
            batch.head,
        )

    def _rows(self, batch: Batch, addresses: Iterable[Address]) -> dict[type[Record], list[Row]]:
        found: dict[type[Record], list[Row]] = {}
        for address in addresses:
            record = self._cache.rows[address]
            if record is not None:
                known = batch.rows.get(address)
                # the columns are those of the digest, unless a hot one has changed since
                row = known[1] if known and known[0] is record else row_of(record)
                found.setdefault(address[0], []).append(row)
        return found

    def _hot_rows(self, addresses: Iterable[Address]) -> dict[type[Record], list[Row]]:
        found: dict[type[Record], list[Row]] = {}
        rows = self._cache.rows
        for cls, key in addresses:
            values = found.get(cls)
            if values is None:
                values = found[cls] = []
            values.append(spec(cls).hot_values(rows[cls, key]))
        return found


def _known(row: Row) -> Known:
    """A journal row of this writer's own."""
    seq, key, digest, kind, _, at, _, result, _, _ = row
    return Known(key, digest, kind, seq, at, result)


def _keep_refusals(batch: Batch, units: list[list[Job]]) -> None:
    for unit in units:
        for job in unit:
            error = job.outcome
            if job.dry_run or isinstance(error, BatchSkipped):
                continue
            if isinstance(error, KhataError):
                batch.refuse(job, error)
