"""Gateways and persisters are killed, databases go away: what was acknowledged is stored once, and
comes at least once, in order.
"""

import asyncio
import contextlib
import os
import random
import shutil
import sqlite3
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import sqlalchemy as sa

from khata import Khata
from khata.engine.database import Database
from khata.engine.vault import Vault
from khata.messaging import persisting, supervising
from khata.messaging.supervising import Supervisor
from khata.messaging.tables import MESSAGES
from tests.conftest import SOAK
from tests.crash.test_disk_full import mount, small_disk
from tests.messengers import Crowd
from tests.servers import fresh_database
from tests.spools import store_all

ROOT = Path(__file__).parents[2]
KILLS = 50 if SOAK else 2
USERS = 12
__all__ = ["small_disk"]
IN_FLIGHT = 40
"""Messages of each user that are not acknowledged, at most, so that none is refused."""


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.soak)])
def url(request, tmp_path, sqlite_template):
    """A database with a book."""
    if request.param == "sqlite":
        yield a_book(tmp_path / "khata.db", sqlite_template)
        return
    template = request.getfixturevalue("postgres_template")
    with fresh_database(request.getfixturevalue("postgres_url"), template) as found:
        Khata.open(found).close()
        yield found


def a_book(path, template):
    """The URL of a new file with an empty book."""
    shutil.copy(template, path)
    Khata.open(f"sqlite:///{path}").close()
    return f"sqlite:///{path}"


@contextmanager
def gateway(folder, url, key=""):
    """A gateway as a process; the process, and its port."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.crash.gateway", folder],
        cwd=ROOT,
        env={**os.environ, "KHATA_DATABASE_URL": url, "KHATA_VAULT_KEYS": key},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process, int(process.stdout.readline())
        finally:
            process.stdin.close()
            process.wait(30)


def stored(url):
    """The ids that are in the database, with whom they are for."""
    database = Database(url)
    with database.reading() as connection:
        rows = connection.execute(sa.select(MESSAGES.c.id, MESSAGES.c.receiver)).fetchall()
    database.close()
    assert len(rows) == len({id_ for id_, _ in rows})
    return dict(map(tuple, rows))


def persister_of(process):
    """The process that stores for a gateway, if it has begun."""
    return next(iter(psutil.Process(process.pid).children()), None)


async def load(crowd, chance, until):
    """Everybody writes to everybody, as fast as it is acknowledged, until something holds."""

    def write_on():
        for one in crowd.all:
            while one.connected and len(one.sent) - one.safe < IN_FLIGHT:
                one.send(f"u{chance.randrange(USERS)}")
        return until()

    await crowd.until(write_on, 120)


async def load_more(crowd, chance, count):
    """The same until so many more were acknowledged."""
    goal = crowd.safe() + count
    await load(crowd, chance, lambda: crowd.safe() >= goal)


async def insist(crowd, chance):
    """Everybody writes whether it is acknowledged or not, until they were refused something."""

    def write_on():
        for one in crowd.all:
            if not one.refused:
                one.send(f"u{chance.randrange(USERS)}")
        return all(one.refused for one in crowd.all)

    await crowd.until(write_on, 60)


async def all_safe_and_there(crowd):
    """Wait until everything is acknowledged and has come."""
    await crowd.until(lambda: all(one.safe == len(one.sent) for one in crowd.all))
    await crowd.until(lambda: not crowd.complaints())


async def kill_once(crowd, chance, folder, url, key):
    """A life of a gateway, and its end; its persister may die before it."""
    with gateway(folder, url, key) as (process, port):
        await crowd.connect(port)
        await load_more(crowd, chance, chance.randrange(300, 3_000))
        persister = persister_of(process)
        if persister is not None and chance.randrange(2):
            persister.kill()
            await load_more(crowd, chance, chance.randrange(1, 500))
        process.kill()
        await crowd.until(lambda: not any(one.connected for one in crowd.all))


def check(crowd, folder, url, key="", refused=()):
    """Everything acknowledged came, in order, and is in the database once, and nothing else.

    `refused`: the codes by which some may have been refused.
    """
    store_all(folder, url, vault=Vault.of((key,) if key else ()))
    assert {said["code"] for one in crowd.all for said in one.refused} == set(refused)
    assert crowd.complaints() == []
    assert stored(url) == crowd.acknowledged()


def test_a_gateway_killed_under_load_loses_nothing(url, tmp_path, seed):
    """Again and again, its persister too: all that was acknowledged is there once, and came."""
    chance = random.Random(seed)
    folder, key = tmp_path / "spool", Vault.new_key() if chance.randrange(2) else ""

    async def play():
        crowd = Crowd(USERS)
        for _ in range(KILLS):
            await kill_once(crowd, chance, folder, url, key)
        with gateway(folder, url, key) as (_, port):
            await crowd.connect(port)
            await all_safe_and_there(crowd)
            await crowd.close()
        return crowd

    crowd = asyncio.run(play())
    check(crowd, folder, url, key)
    assert len(crowd.acknowledged()) > KILLS * 300


def listening(processes):
    """Those that have a socket."""
    return [process for process in processes if process.net_connections()]


def test_a_process_that_does_not_end_is_ended(monkeypatch):
    """What stores beside a gateway never outlives one that was told to stop, however often."""
    monkeypatch.setattr(persisting, "_STOP_SECONDS", 0.2)
    monkeypatch.setattr(supervising, "_AGAIN_SECONDS", 0.02)

    async def story():
        supervisor, before = Supervisor(), set(psutil.Process().children())
        supervisor.start("deaf", lambda: persisting.run_beside("http.server", ["0"], os.environ))
        async with asyncio.timeout(30):
            while not (begun := listening(set(psutil.Process().children()) - before)):  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0.005)
        await supervisor.stop()
        assert not any(one.is_running() for one in begun)

    asyncio.run(story())


@contextmanager
def locked(path):
    """Somebody else has a database file to themselves."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        before = connection.execute("SELECT count(*) FROM messages").fetchone()
        yield
        assert connection.execute("SELECT count(*) FROM messages").fetchone() == before
        connection.execute("ROLLBACK")


def test_a_full_disk_refuses_and_loses_nothing(tmp_path, small_disk, sqlite_template, seed):
    """Senders are told until there is room again; what was acknowledged before is safe."""
    path, chance = tmp_path / "khata.db", random.Random(seed)
    url, folder = a_book(path, sqlite_template), small_disk / "spool"

    async def play():
        crowd = Crowd(USERS)
        with gateway(folder, url) as (_, port):
            await crowd.connect(port)
            with locked(path):
                assert mount(small_disk, "remount,size=600k") == 0
                await insist(crowd, chance)
                assert mount(small_disk, "remount,size=20m") == 0
                await load_more(crowd, chance, 2_000)
            await all_safe_and_there(crowd)
            await crowd.close()
        return crowd

    check(asyncio.run(play()), folder, url, refused=["storage_full"])
