"""The spool: what was said to be safe is read back, whatever became of the rest."""

import asyncio
import errno
import os
import random
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from khata.engine.vault import Vault
from khata.errors import BookCorrupted, Conflict, VaultKeyUnknown, VaultMissing
from khata.messaging import segments
from khata.messaging.reader import Reader
from khata.messaging.records import LEAP
from khata.messaging.segments import Place
from khata.messaging.spool import Limits, Spool
from tests.conftest import examples
from tests.spools import a_mark, a_message, on_spool, put_all, written

ROUNDS = st.lists(st.integers(1, 30), min_size=1, max_size=8)


def until(condition, seconds=10):
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        os.sched_yield()


def last_file(folder):
    """The segment with the newest frames."""
    sizes = [(n, segments.path_of(folder, n)) for n in segments.numbers(folder)]
    return [path for _, path in sizes if path.stat().st_size][-1]


def test_what_was_put_is_read_back_in_order(tmp_path):
    """Across frames, segments and processes."""
    payloads = [a_message(n, body=b'{"a":\n1}') for n in range(1, 200)]
    with written(Spool(tmp_path, limits=Limits(segment=2_000))) as put:
        for start in range(0, 100, 10):
            put(*payloads[start : start + 10])
    put_all(tmp_path, payloads[100:])
    assert len(segments.numbers(tmp_path)) > 3
    assert on_spool(tmp_path) == payloads


@given(rounds=ROUNDS, cut=st.integers(1, 400), junk=st.binary(max_size=40))
@examples(40)
def test_a_torn_end_costs_only_what_was_torn(tmp_path_factory, rounds, cut, junk):
    """Whatever bytes the last file lost or has too many: whole frames before them stay."""
    folder = tmp_path_factory.mktemp("spool")
    payloads, ends = [], []
    with written(Spool(folder)) as put:
        for size in rounds:
            more = [a_message(len(payloads) + n) for n in range(1, size + 1)]
            put(*more)
            payloads += more
            ends.append((last_file(folder).stat().st_size, len(payloads)))
    path = last_file(folder)
    left = max(path.stat().st_size - cut, 0)
    path.write_bytes(path.read_bytes()[:left] + junk)
    kept = max((count for size, count in ends if size <= left), default=0)
    assert on_spool(folder) == payloads[:kept]
    more = a_message(10_000)
    put_all(folder, [more])
    assert on_spool(folder) == [*payloads[:kept], more]


def test_a_spoilt_frame_is_passed_over_and_counted(tmp_path, seed):
    """A bit that fell over costs its own frame, and what came behind it is not cut off."""
    frames = [[a_message(10 * n + k) for k in range(5)] for n in range(1, 6)]
    with written(Spool(tmp_path)) as put:
        for frame in frames:
            put(*frame)
    put_all(tmp_path, [a_message(99)])
    path = segments.path_of(tmp_path, 1)
    spoilt = bytearray(path.read_bytes())
    start = spoilt.index(frames[2][0])
    spoilt[start + random.Random(seed).randrange(len(frames[2][0]))] ^= 1
    path.write_bytes(spoilt)
    reader, read = Reader(tmp_path, Place(0, 0), None), 0
    while (frame := reader.next()) is not None:
        read += frame.records
    reader.close()
    assert (read, reader.damages) == (21, 1)


def test_numbers_never_come_again(tmp_path):
    """Not even those of messages that were delivered and never reached the disk."""
    firsts = []
    for last in (0, 0, 5_000_000, 0):
        spool = Spool(tmp_path, last=last)
        firsts.append(spool.seq)
        spool.close()
    assert firsts[0] == 0
    assert firsts[1] == LEAP
    assert firsts[2] > 5_000_000
    assert firsts[3] > firsts[2]
    put_all(tmp_path, [a_message(900_000_000)])
    spool = Spool(tmp_path)
    spool.close()
    assert spool.seq > 900_000_000


def test_numbers_are_known_when_all_before_them_is_stored_and_gone(tmp_path):
    """By the spool alone: the next gateway may have to begin without the database."""
    with written(spool := Spool(tmp_path, limits=Limits(segment=1_000))) as put:
        for n in range(1, 40):
            spool.seq = n * LEAP
            put(a_message(n * LEAP))
        for _ in range(2):
            put(a_mark("b" * 1_000, delivered=7))
    segments.drop_before(tmp_path, segments.numbers(tmp_path)[-1])
    assert on_spool(tmp_path) == [a_mark("b" * 1_000, delivered=7)]
    again = Spool(tmp_path)
    again.close()
    assert again.seq > 39 * LEAP


def test_who_follows_on_another_spool_leaves_its_numbers_alone(tmp_path):
    """What is there and not stored yet has higher numbers than the database knows."""
    alone, behind = Spool(tmp_path / "one"), Spool(tmp_path / "two", last=5)
    try:
        assert alone.seq == 0
        # a full spool has no more messages than fit into it, and each is longer than this
        assert behind.seq > 5 + Limits().spool // 64
    finally:
        alone.close()
        behind.close()


def test_one_process_has_a_spool(tmp_path):
    """A second one is turned away, and may have it later."""
    spool = Spool(tmp_path)
    with pytest.raises(Conflict):
        Spool(tmp_path)
    spool.close()
    Spool(tmp_path).close()


def test_marks_come_in_order_and_together(tmp_path):
    """Many swaps while the disk is busy cost few waits for it."""
    told = []

    async def play():
        spool = Spool(tmp_path)
        done = asyncio.Event()
        spool.start(asyncio.get_running_loop(), lambda n: (told.append(n), n == 999 and done.set()))
        for n in range(1000):
            spool.put(a_message(n))
            spool.swap(n)
        await asyncio.wait_for(done.wait(), 10)
        waiting = spool.waiting
        spool.close()
        return spool.synced, waiting

    synced, waiting = asyncio.run(play())
    assert told == list(range(1000))
    assert synced < 500
    assert waiting == 0


def test_too_much_on_the_spool_is_refused_until_it_is_stored(tmp_path):
    """The bound is told by `refuses`, and falls as soon as segments are deleted."""
    spool = Spool(tmp_path, limits=Limits(segment=1_000, spool=5_000))
    with written(spool) as put:
        n = 0
        while spool.refuses is None and n < 1_000:
            n += 1
            put(a_message(n))
        assert spool.refuses == "storage_full"
        assert on_spool(tmp_path) == [a_message(k) for k in range(1, n + 1)]
        segments.drop_before(tmp_path, max(segments.numbers(tmp_path)))
        until(lambda: spool.refuses is None)


def test_records_that_wait_for_the_disk_are_bounded(tmp_path):
    """More is accepted only when the disk has caught up."""
    spool = Spool(tmp_path, limits=Limits(buffer=10))
    for n in range(11):
        spool.put(a_message(n))
    spool.swap(None)
    assert (spool.refuses, spool.waiting) == ("overloaded", 11)
    spool.close()


class Failing:
    """A disk that does not take what is written, until it does."""

    def __init__(self, monkeypatch, name, error, times):
        self._real = getattr(os, name)
        self.left = times
        self._error = error
        monkeypatch.setattr(os, name, self)

    def __call__(self, *args):
        if self.left > 0 and threading.current_thread().name == "khata-spool":
            self.left -= 1
            if self._error == "half":
                self._real(args[0], args[1][: len(args[1]) // 2])
                raise OSError(errno.ENOSPC, "No space left on device")
            raise OSError(self._error, os.strerror(self._error))
        return self._real(*args)


@pytest.mark.parametrize(
    ("name", "error"),
    [("write", errno.ENOSPC), ("write", "half"), ("fdatasync", errno.EIO), ("write", errno.EIO)],
)
def test_what_the_disk_does_not_take_is_tried_until_it_does(tmp_path, monkeypatch, name, error):
    """Nothing is said to be safe before, nothing is lost, nothing is there twice in a batch."""
    spool = Spool(tmp_path)
    with written(spool) as put:
        put(a_message(1))
        failing = Failing(monkeypatch, name, error, 2)
        put(a_message(2), a_message(3))
        assert failing.left == 0
        put(a_message(4))
        until(lambda: spool.refuses is None)
    found = on_spool(tmp_path)
    assert list(dict.fromkeys(found)) == [a_message(n) for n in range(1, 5)]
    if name == "write":
        assert len(found) == 4


LIMITED = """
import resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from khata.messaging.spool import Spool
from tests.spools import a_mark, a_message, written
folder = Path(sys.argv[1])
spool = Spool(folder)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
safe = []
with written(spool) as put:
    for n in range(1, 1_000):
        try:
            put(a_message(n), seconds=0.5)
        except AssertionError:
            break
        safe.append(n)
    assert spool.refuses == "storage_full", spool.refuses
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    put(a_message(5_000))
sys.stdout.write(str(len(safe)))
"""


def test_a_file_that_may_not_grow_is_told_and_survived(tmp_path):
    """The system itself refuses to write: what was safe stays, the rest comes with the room."""
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, tmp_path, root], check=True, capture_output=True, text=True
    )
    safe = int(done.stdout.splitlines()[-1])
    wanted = [a_message(n) for n in (*range(1, safe + 2), 5_000)]
    assert on_spool(tmp_path) == wanted
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 20_000


# ── sealed ───────────────────────────────────────────────────────────────────────────


def test_a_sealed_spool_shows_nothing_and_is_read_with_its_key(tmp_path):
    """Also with a key that is no longer the newest."""
    old, new = Vault.new_key(), Vault.new_key()
    payloads = [a_message(n, body=b'"very private"') for n in range(1, 50)]
    put_all(tmp_path, payloads, vault=Vault([old]))
    for path in tmp_path.iterdir():
        assert b"private" not in path.read_bytes()
        assert b"eve" not in path.read_bytes()
    assert on_spool(tmp_path, Vault([new, old])) == payloads
    with pytest.raises(VaultKeyUnknown):
        on_spool(tmp_path, Vault([new]))
    with pytest.raises(VaultMissing):
        on_spool(tmp_path)
    with pytest.raises(VaultKeyUnknown):
        Spool(tmp_path, vault=Vault([new]))


def test_a_frame_moved_or_changed_is_not_opened(tmp_path):
    """Who can write into the file still cannot make it say something else."""
    key = segments.DataKey.new(Vault([Vault.new_key()]))
    frame = segments.frame(b"[]", 0, 0, key)
    with pytest.raises(BookCorrupted):
        key.open_frame(frame[16:], segments._PLACE.pack(16))
    changed = bytearray(frame[16:])
    changed[-1] ^= 1
    with pytest.raises(BookCorrupted):
        key.open_frame(bytes(changed), segments._PLACE.pack(0))
    assert key.open_frame(frame[16:], segments._PLACE.pack(0)) == b"[]"
    assert tmp_path.exists()
