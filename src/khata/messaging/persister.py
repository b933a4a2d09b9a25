"""The persister: carries a spool into the database, batch by batch, and deletes what is stored.

It reads the spool's files, so it may run in any process, and it never makes a gateway wait. Where
it is stands in the database, in the same transaction as what it wrote. A database that is away is
tried again, ever more slowly; the spool waits on disk meanwhile. What no database can hold is set
aside, so that it does not keep the rest from being stored.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
import structlog

from khata.engine.vault import Vault
from khata.errors import DatabaseUnavailable
from khata.messaging import aside, records, segments
from khata.messaging.batch import Batch
from khata.messaging.reader import Reader
from khata.messaging.sealing import DataKey
from khata.messaging.segments import Place
from khata.messaging.store import MessageStore, halves
from khata.messaging.wire import Record

log = structlog.get_logger("khata.messaging")
_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 10.0
_BREATH_SECONDS: Final = 0.005
_TOLD_SECONDS: Final = 0.5
STATUS: Final = "persister.json"
Key = tuple[str, DataKey] | None
"""What seals the records of a frame, and its name in the database."""


class Pace(msgspec.Struct, frozen=True):
    """`batch`: records that are written at once, at most. `seconds`: how long the first of them
    waits for others.
    """

    batch: int = 20_000
    seconds: float = 0.05


class Persisted(msgspec.Struct):
    """What a persister has done since it began. `lag`: bytes that wait on the log. `failures`:
    tries that the database did not take, of which `failing` in a row just now. `aside`: records
    that no database can hold. `damages`: places where the log was spoilt.
    """

    records: int = 0
    batches: int = 0
    seconds: float = 0.0
    failures: int = 0
    failing: int = 0
    aside: int = 0
    damages: int = 0
    lag: int = 0
    at: float = 0.0

    @property
    def success(self) -> float:
        """Which share of the tries to store the database took; 1 before the first."""
        tries = self.batches + self.failures
        return round(self.batches / tries, 6) if tries else 1.0


class Persister:
    """`run` works until its event is set; one persister at a time has a spool."""

    def __init__(
        self,
        folder: Path,
        store: MessageStore,
        *,
        vault: Vault | None = None,
        pace: Pace | None = None,
    ) -> None:
        self.done = Persisted()
        self.pace = pace or Pace()
        self._folder = folder
        self._store = store
        self._vault = vault
        self._name = segments.name_of(folder)
        self._told = 0.0
        self._stored = Place(0, 0)
        self._chance = random.Random()  # noqa: S311 - it spreads tries, it guards nothing

    def run(self, stop: threading.Event) -> None:
        """Store what is on the spool and what comes, until `stop` is set and all that is there is
        stored, or the database is away.

        Errors: `VaultMissing`, `VaultKeyUnknown`, `BookCorrupted`.
        """
        lock = self._lock(stop)
        if lock is None:
            return
        try:
            with contextlib.closing(Reader(self._folder, Place(0, 0), self._vault)) as reader:
                self._work(reader, stop)
        finally:
            self._tell(now=True)
            os.close(lock)

    def _work(self, reader: Reader, stop: threading.Event) -> None:
        known = False
        while True:
            last = stop.is_set()
            try:
                if not known:
                    self._stored = self._store.place(self._name)
                    reader.seek(self._stored)
                    known = True
                count = self._step(reader)
            except DatabaseUnavailable as error:
                # whether it was written or not: the place in the database tells
                known = False
                self._failed(error)
                if last:
                    return
                stop.wait(self._pause())
                continue
            self.done.failing = 0
            if last and not count:
                return
            self._tell()
            # one that is behind still lets others, such as the book's writer, have a turn
            stop.wait(self.pace.seconds if count < self.pace.batch else _BREATH_SECONDS)

    def _step(self, reader: Reader) -> int:
        """Store one batch. How many records it had. Errors: `DatabaseUnavailable`."""
        began = time.monotonic()
        batch, found, count = Batch(), list[tuple[Sequence[Record], Key]](), 0
        while count < self.pace.batch and (frame := reader.next()) is not None:
            key = self._key(reader)
            part = self._readable(frame.content, key)
            batch.add(part, key)
            found.append((part, key))
            count += frame.records
        self.done.damages = reader.damages
        if not count:
            return 0
        self._write(batch, found, reader.place)
        self._stored = reader.place
        self.done.records += count
        self.done.batches += 1
        self.done.seconds += time.monotonic() - began
        segments.drop_before(self._folder, reader.place.segment)
        return count

    def _key(self, reader: Reader) -> Key:
        key = reader.key
        return (f"{self._name}/{reader.place.segment}", key) if key is not None else None

    def _write(
        self,
        batch: Batch,
        found: Sequence[tuple[Sequence[Record], Key]],
        place: Place,
    ) -> None:
        try:
            self._store.write(batch, self._name, place)
        except DatabaseUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it cannot hold must not stop the rest
            log.warning("batch_parted", error=type(error).__name__, records=len(batch.messages))
            for part, key in found:
                self._write_parted(part, key)
            self._store.write(Batch(), self._name, place)

    def _write_parted(self, part: Sequence[Record], key: Key) -> None:
        def write(some: Sequence[Record]) -> None:
            batch = Batch()
            batch.add(some, key)
            self._store.write(batch)

        for record, error in halves(part, write):
            self._set_aside(records.written(record), key, error)

    def _readable(self, content: bytes, key: Key) -> Sequence[Record]:
        """The records of a frame, without those that cannot be read: they are set aside."""
        try:
            return records.read(content)
        except (msgspec.MsgspecError, UnicodeError):
            found: list[Record] = []
            for raw in records.raw(content):
                try:
                    found += records.read(records.content((raw,)))
                except (msgspec.MsgspecError, UnicodeError) as error:
                    self._set_aside(raw, key, error)
            return found

    def _set_aside(self, record: bytes, key: Key, error: Exception) -> None:
        aside.keep(self._folder, record, key[1] if key is not None else None)
        self.done.aside += 1
        log.error("message_set_aside", error=type(error).__name__)

    def _failed(self, error: Exception) -> None:
        self.done.failures += 1
        self.done.failing += 1
        if self.done.failing == 1:
            log.warning("messages_wait", error=type(error).__name__)
        self._tell()

    def _pause(self) -> float:
        """Longer each time, and never the same, so that not everybody comes back at once."""
        longest: float = min(_FIRST_PAUSE * 2 ** min(self.done.failing, 10), _LONGEST_PAUSE)
        return longest * self._chance.uniform(0.5, 1.0)

    def _tell(self, *, now: bool = False) -> None:
        """Write down how it is, for whoever serves figures; no fault of the disk matters here."""
        at = time.time()
        if not now and at - self._told < _TOLD_SECONDS:
            return
        self._told = self.done.at = at
        self.done.lag = segments.behind(self._folder, self._stored)
        with contextlib.suppress(OSError):
            draft = self._folder / f"{STATUS}.draft"
            draft.write_bytes(msgspec.json.encode(self.done))
            draft.replace(self._folder / STATUS)

    def _lock(self, stop: threading.Event) -> int | None:
        """The right to store this spool, once the one before has given it up; None at the end."""
        file = os.open(self._folder / "persister.lock", os.O_CREAT | os.O_RDWR, 0o600)
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                if stop.wait(_FIRST_PAUSE):
                    os.close(file)
                    return None
            else:
                return file


def status(folder: Path) -> Persisted | None:
    """What the persister of a spool said last; None when there was none."""
    try:
        return msgspec.json.decode((folder / STATUS).read_bytes(), type=Persisted)
    except (OSError, msgspec.MsgspecError):
        return None
