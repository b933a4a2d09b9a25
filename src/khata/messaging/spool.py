"""The spool: a log on disk. What is on it is safe; `durable` says so.

One thread writes: it takes all that was handed over meanwhile, writes it as one frame, and waits
for the disk once. What the disk does not take is kept and tried again, and new messages are refused
until it is taken: nothing that was accepted is lost by a full disk.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

import structlog

from khata.engine.vault import Vault
from khata.errors import Conflict
from khata.messaging import records, segments
from khata.messaging.reader import Reader
from khata.messaging.sealing import DataKey
from khata.messaging.segments import Place

log = structlog.get_logger("khata.messaging")
_MIB: Final = 1 << 20
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_PAUSE_SECONDS: Final = 0.2
"""Between two tries while the disk does not take what is to be written."""
_FRAME: Final = 4 * _MIB
_SEQ: Final = "seq"
_ELSEWHERE: Final = 1 << 27
"""More numbers than a spool that is full has messages."""

_Handed = tuple[list[bytes], object]


class Loop(Protocol):
    """An event loop, or what stands before one."""

    def call_soon_threadsafe(self, call: Callable[..., object], *values: Any) -> object:
        """Have something done on its thread. Errors: `RuntimeError` when it is closed."""
        ...


class Limits(NamedTuple):
    """`segment`: bytes at which a new segment begins. `spool`: bytes of all segments that wait to
    be stored. `buffer`: records that wait for the disk. More is refused.
    """

    segment: int = 64 * _MIB
    spool: int = 4096 * _MIB
    buffer: int = 400_000


class Spool:
    """`put` buffers a record, `swap` hands the buffer to the thread, which then has
    `durable(mark)` called on the loop.

    `last`: the highest number in the database, as far as it is known. `seq`: the number behind
    which to go on, higher than all that were ever given out, durable or not; whoever gives numbers
    keeps it up to date.
    `refuses`: the code by which new messages are to be refused (`storage_full`, `overloaded`),
    None when there is room. `synced`, `written`: waits for the disk, bytes, since the start.

    Errors: `Conflict` when another process writes into the folder; `VaultMissing`,
    `VaultKeyUnknown`, `BookCorrupted` when what is on it cannot be read.
    """

    numbers = False
    """It gives no numbers itself: whoever puts records has them."""

    def __init__(
        self,
        folder: Path,
        *,
        last: int = 0,
        vault: Vault | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.name = segments.name_of(folder)
        self.limits = limits or Limits()
        self._folder = folder
        self._vault = vault
        self._buffer: list[bytes] = []
        self.put: Callable[[bytes], None] = self._buffer.append
        self.refuses: str | None = None
        self.synced = 0
        self.written = 0
        self._work: queue.SimpleQueue[_Handed | None] = queue.SimpleQueue()
        self._waiting = 0
        self._trouble: str | None = None
        self._thread: threading.Thread | None = None
        self._closing = False
        self._file = -1
        self._size = 0
        self._key: DataKey | None = None
        self._lock = _locked(folder)
        try:
            self.seq = self._first(last)
            self._number = max(segments.numbers(folder), default=0)
            self._total = segments.total(folder)
            self._begin()
        except BaseException:
            os.close(self._lock)
            raise

    def records(self, after: Place | None = None) -> Iterator[bytes]:
        """All records that are on disk, as they were put; with a place, those behind it."""
        with contextlib.closing(Reader(self._folder, after or Place(0, 0), self._vault)) as found:
            while (frame := found.next()) is not None:
                yield from records.raw(frame.content)

    def _first(self, last: int) -> int:
        """Where the numbers begin, kept before one of them is used.

        A database that knows of higher ones than this spool heard of them from another, of which
        not everything may be stored yet: what is left there keeps its numbers for itself.
        """
        mine = -1
        with contextlib.closing(Reader(self._folder, Place(0, 0), self._vault)) as found:
            while (frame := found.next()) is not None:
                mine = max(mine, records.last_of(records.read(frame.content)))
        path = self._folder / _SEQ
        if path.exists():
            mine = max(mine, int(path.read_text(encoding="ascii")))
        if last > mine:
            mine = last + _ELSEWHERE if last else -1
        first = records.leap(mine) if mine >= 0 else 0
        segments.keep(path, str(first))
        return first

    def start(self, loop: Loop, durable: Callable[[object], None]) -> None:
        """Begin to write. `durable` is called on the loop, in the order of the swaps."""
        self._loop = loop
        self._durable = durable
        self._thread = threading.Thread(target=self._run, name="khata-spool", daemon=True)
        self._thread.start()

    def swap(self, mark: object) -> None:
        """Hand over what is in the buffer."""
        buffer = self._buffer
        self._buffer = []
        self.put = self._buffer.append
        self._waiting += len(buffer)
        if self._waiting > self.limits.buffer:
            self.refuses = self._trouble or "overloaded"
        self._work.put((buffer, mark))

    @property
    def waiting(self) -> int:
        """Records that were handed over and are not on disk."""
        return self._waiting

    def close(self) -> None:
        """Write what was handed over, if the disk takes it, and end."""
        self._closing = True
        if self._thread is not None:
            self._work.put(None)
            self._thread.join()
            self._thread = None
        if self._file >= 0:
            os.close(self._file)
        os.close(self._lock)

    # ── on the loop ──────────────────────────────────────────────────────────────────

    def _safe(self, done: list[_Handed]) -> None:
        for buffer, mark in done:
            self._waiting -= len(buffer)
            self._durable(mark)
        self._settle()

    def _turn(self, trouble: str | None) -> None:
        self._trouble = trouble
        self._settle()

    def _settle(self) -> None:
        behind = "overloaded" if self._waiting > self.limits.buffer else None
        self.refuses = self._trouble or behind

    def _tell(self, call: Callable[..., None], *values: object) -> None:
        # the loop is closed under a thread that outlives it by a moment
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(call, *values)

    # ── the thread ───────────────────────────────────────────────────────────────────

    def _run(self) -> None:
        self._weigh()
        going = True
        while going:
            taken, going = self._take()
            if taken and not self._written(taken):
                return
            self._weigh()

    def _take(self) -> tuple[list[_Handed], bool]:
        """All that was handed over; False when it is the last. While there is too much on the
        spool the thread looks again by itself.
        """
        try:
            first = self._work.get(timeout=_PAUSE_SECONDS if self._trouble else None)
        except queue.Empty:
            return [], True
        taken: list[_Handed] = []
        while first is not None:
            taken.append(first)
            try:
                first = self._work.get_nowait()
            except queue.Empty:
                return taken, True
        return taken, False

    def _written(self, taken: list[_Handed]) -> bool:
        """Write and tell, however often it takes; False when it was given up at the end."""
        payloads = [record for buffer, _ in taken for record in buffer]
        while payloads:
            try:
                self._write(payloads)
            except OSError as error:
                self._failed(error)
                if self._closing:
                    return False
                time.sleep(_PAUSE_SECONDS)
            else:
                break
        self._tell(self._safe, taken)
        return True

    def _failed(self, error: OSError) -> None:
        code = "storage_full" if error.errno in _FULL else "unavailable"
        if self._trouble != code:
            log.error("spool_not_written", code=code, reason=error.strerror)
            self._trouble = code
            self._tell(self._turn, code)

    def _write(self, payloads: Sequence[bytes]) -> None:
        """Write frames and wait for the disk. Errors: `OSError`, and nothing of it counts."""
        if self._file < 0 or self._size >= self.limits.segment:
            # the database may be away at the next start, and the segments before this one stored
            segments.keep(self._folder / _SEQ, str(self.seq))
            self._begin()
        good = self._size
        try:
            for part in _parts(payloads):
                self._append(
                    segments.frame(records.content(part), len(part), self._size, self._key)
                )
        except OSError:
            self._cut(good)
            raise
        try:
            os.fdatasync(self._file)
        except OSError:
            # the disk may have forgotten these pages and say so once only: never rely on this
            # file again, write all of it anew into another
            self._abandon()
            raise
        self.synced += 1
        self.written += self._size - good
        self._total += self._size - good

    def _cut(self, good: int) -> None:
        """Take back what was written in part: it is no frame, and its room is needed."""
        try:
            os.ftruncate(self._file, good)
        except OSError:
            self._abandon()
        self._size = good

    def _abandon(self) -> None:
        os.close(self._file)
        self._file = -1

    def _append(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            done = os.write(self._file, view)
            self._size += done
            view = view[done:]

    def _begin(self) -> None:
        """Begin a new segment, with a key of its own if there is a vault."""
        number = self._number + 1
        key = DataKey.new(self._vault) if self._vault is not None else None
        if key is not None:
            segments.keep(segments.key_path(self._folder, number), key.sealed)
        path = segments.path_of(self._folder, number)
        file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_TRUNC, 0o600)
        try:
            segments.keep_names(self._folder)
        except OSError:
            os.close(file)
            raise
        if self._file >= 0:
            os.close(self._file)
        self._file, self._number, self._key, self._size = file, number, key, 0

    def _weigh(self) -> None:
        """Refuse new messages while too much waits to be stored."""
        if self._total > self.limits.spool or self._trouble:
            self._total = segments.total(self._folder)
        trouble = "storage_full" if self._total > self.limits.spool else None
        if trouble != self._trouble:
            log.warning("spool_full" if trouble else "spool_has_room", bytes=self._total)
            self._trouble = trouble
            self._tell(self._turn, trouble)


def _parts(payloads: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    """Records in parts of a few megabytes, so that a reader needs no more memory than that."""
    if sum(map(len, payloads)) <= _FRAME:
        yield payloads
        return
    start = size = 0
    for at, payload in enumerate(payloads):
        size += len(payload)
        if size > _FRAME and at > start:
            yield payloads[start:at]
            start, size = at, len(payload)
    yield payloads[start:]


def _locked(folder: Path) -> int:
    file = os.open(folder / "writer.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(file)
        raise Conflict(
            "Another process writes into this spool: each gateway has a folder of its own."
        ) from None
    return file
