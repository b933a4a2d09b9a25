"""A full disk: callers are told `storage_full`, nothing is lost, and work goes on after it."""

import os
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.engine import make_url

from khata import Khata
from khata.app import VERBS
from khata.base.clock import system_clock
from khata.domain.wallets import Credit
from khata.engine.writer import Writer
from khata.errors import StorageFull
from tests.crash import load
from tests.crash.proof import complaints
from tests.servers import fresh_database

SMALL, LARGE = "20m", "96m"
LINES = 500


@pytest.fixture
def small_disk():
    """A folder on a small disk of its own. It is not in pytest's folder, which every other run of
    pytest closes to the server's user as it starts.
    """
    with tempfile.TemporaryDirectory(prefix="khata-disk-", ignore_cleanup_errors=True) as place:
        folder = Path(place) / "disk"
        folder.mkdir()
        mounted = os.geteuid() == 0 and not mount(folder, f"size={SMALL}")
        if not mounted:
            pytest.skip("making a small disk needs root and the right to mount")
        yield folder
        subprocess.run(["umount", "-l", folder], check=True)


def mount(folder, options):
    """Mount a disk in memory, or mount it anew with another size."""
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder]
    return subprocess.run(command, check=False, stderr=subprocess.DEVNULL).returncode


@pytest.fixture(params=["sqlite", "postgres"])
def cramped_url(request, small_disk):
    """An empty database on the small disk."""
    if request.param == "sqlite":
        yield f"sqlite:///{small_disk / 'khata.db'}"
    else:
        with on_small_disk(request.getfixturevalue("postgres_url"), small_disk) as url:
            yield url


@contextmanager
def on_small_disk(server, folder):
    """A database whose tables are on the small disk; the server's log stays where it was."""
    data = Path(make_url(server).query.get("host", ""))
    if not data.is_absolute():
        pytest.skip("the server is on another machine")
    os.chown(folder, data.stat().st_uid, -1)
    for parent in folder.parents:
        if parent.stat().st_mode & 0o055 != 0o055:
            parent.chmod(0o755)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE TABLESPACE small LOCATION '{folder}'")
        try:
            with fresh_database(server) as url:
                name = make_url(url).database
                connection.execute(f'ALTER DATABASE "{name}" SET TABLESPACE small')
                yield url
        finally:
            connection.execute("DROP TABLESPACE small")


def fill(book, acknowledged):
    """Credit until the disk is full; what the callers were told then."""
    for number in range(10_000):
        note = f"{number} " + "x" * 400
        lines = [
            (f"{number}-{line}", Credit(load.wallet(line % 5), load.bdt("1"), note=note))
            for line in range(LINES)
        ]
        answers = book.submit_many(lines)
        refused = [answer for answer in answers if not hasattr(answer, "seq")]
        for (key, _), answer in zip(lines, answers, strict=True):
            if hasattr(answer, "seq"):
                acknowledged[key] = answer.seq
        if refused:
            return lines, refused
    return [], []


def test_a_full_disk_is_told_and_survived(cramped_url, small_disk):
    """The same process goes on as soon as there is room; what was refused can be sent again."""
    acknowledged = {}
    load.open_book(cramped_url)
    with Khata.open(cramped_url) as book:
        lines, refused = fill(book, acknowledged)
        assert {type(error) for error in refused} == {StorageFull}
        assert mount(small_disk, f"remount,size={LARGE}") == 0
        again = book.submit_many(lines)
        acknowledged.update({key: one.seq for (key, _), one in zip(lines, again, strict=True)})
    assert complaints(cramped_url, acknowledged) == []


def test_a_file_that_may_not_grow_is_told_and_survived(tmp_path):
    """The same on any machine: SQLite itself says that there is no room, until there is."""
    url = f"sqlite:///{tmp_path / 'khata.db'}"
    load.open_book(url)
    acknowledged, pages = {}, [400]

    def open_store():
        store = database.store(1)
        store._db.execute(f"PRAGMA max_page_count = {pages[0]}")
        return store

    with Khata.open(url) as book:
        database = book.database
        book.writer.close()
        book.writer = Writer(VERBS, open_store, system_clock)
        lines, refused = fill(book, acknowledged)
        assert {type(error) for error in refused} == {StorageFull}
        pages[0] = 100_000
        again = book.submit_many(lines)
        acknowledged.update({key: one.seq for (key, _), one in zip(lines, again, strict=True)})
    assert complaints(url, acknowledged) == []
