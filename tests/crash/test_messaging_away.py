"""The database goes away under a gateway, for a minute (a moment in the suite), or is away when one
is started: it serves what it can, and then everything is stored, once.
"""

import asyncio
import contextlib
import random
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from khata import Khata
from khata.edge.messaging.serving import serving
from khata.edge.security import new_key
from khata.engine.database import Database
from khata.messaging.persister import status
from khata.messaging.tables import MESSAGES
from khata.settings import settings_from
from tests.clustering import Talker, eventually
from tests.conftest import SOAK
from tests.crash.test_connections import mortal_postgres, pg_ctl, postmaster
from tests.crash.test_messaging import (
    USERS,
    a_book,
    all_safe_and_there,
    check,
    gateway,
    load_more,
    locked,
)
from tests.edge.gateway_beside import Beside, token
from tests.messengers import Crowd
from tests.servers import fresh_database

AWAY_SECONDS = 60 if SOAK else 0


@pytest.fixture(scope="module")
def mortal():
    """A server that is stopped and started again."""
    with mortal_postgres() as server:
        yield server


async def served_while_away(crowd, chance, folder, away):
    """Load before, during and after: nobody who writes or listens notices, but the persister."""
    await load_more(crowd, chance, 500)
    await crowd.until(lambda: status(folder))
    with away:
        until = time.monotonic() + AWAY_SECONDS
        await load_more(crowd, chance, 3_000)
        await crowd.until(lambda: failed(folder))
        while (now := time.monotonic()) < until:
            await load_more(crowd, chance, 500)
            # no faster: it is the time that matters
            await crowd.until(lambda now=now: time.monotonic() > now + 0.2)
    await load_more(crowd, chance, 500)
    await all_safe_and_there(crowd)
    await crowd.close()


def failed(folder):
    """Whether the persister has said that it could not store."""
    found = status(folder)
    return found is not None and found.failures > 0


@contextmanager
def stopped(server):
    """A server that is not there, until the end."""
    process, folder = postmaster(server)
    programs = Path(process.exe()).parent
    pg_ctl(programs, folder, "stop")
    try:
        yield
    finally:
        pg_ctl(programs, folder, "restart", "-l", folder / "restart.log")


def test_a_locked_database_is_waited_for(tmp_path, sqlite_template, seed):
    """The gateway acknowledges and delivers meanwhile; then everything is stored, once."""
    path, folder, chance = tmp_path / "khata.db", tmp_path / "spool", random.Random(seed)
    url = a_book(path, sqlite_template)

    async def play():
        crowd = Crowd(USERS)
        with gateway(folder, url) as (_, port):
            await crowd.connect(port)
            await served_while_away(crowd, chance, folder, locked(path))
        return crowd

    check(asyncio.run(play()), folder, url)


def test_a_server_that_is_away_is_waited_for(mortal, tmp_path, seed):
    """The same when PostgreSQL is stopped and started again under the gateway."""
    folder, chance = tmp_path / "spool", random.Random(seed)

    async def play(server, url):
        crowd = Crowd(USERS)
        with gateway(folder, url) as (_, port):
            await crowd.connect(port)
            await served_while_away(crowd, chance, folder, stopped(server))
        return crowd

    with fresh_database(mortal) as url:
        Khata.open(url, migrate=True).close()
        check(asyncio.run(play(mortal, url)), folder, url)


def ids(url):
    """What is stored."""
    database = Database(url)
    with database.reading() as connection:
        found = connection.scalars(sa.select(MESSAGES.c.id).order_by(MESSAGES.c.seq)).all()
    database.close()
    return found


async def write_while_away(settings):
    """A gateway that has only its spool: who has a token is served, but for what nobody knows."""
    async with serving(settings) as gateway:
        alice = await Talker.connect(gateway.port, token("alice"))
        bob = await Talker.connect(gateway.port, token("bob"))
        alice.send("bob", "second")
        alice.say(t="send", id="c2", c="trip", body=1)
        await alice.acked(2)
        assert [no["code"] for no in alice.of("no")] == ["unavailable"]
        assert "second" in await bob.messages(1)
        with pytest.raises(AssertionError, match="database_unavailable"):
            await Talker.connect(gateway.port, new_key("main"))
        alice.leave()
        bob.leave()


async def write_on(settings, start):
    """One that begins without and goes on with it: then conversations are known, all is stored."""
    async with serving(settings) as gateway:
        alice = await Talker.connect(gateway.port, token("alice"))
        alice.send("bob", "third")
        await alice.acked(1)
        assert gateway.supervisor.shown().keys().isdisjoint({"persister"})
        await asyncio.to_thread(start)
        await eventually(lambda: gateway.router.conversations.known)
        alice.say(t="send", id="c3", c="trip", body=1)
        await alice.acked(2)
        assert not alice.of("no")
        alice.leave()


def test_a_gateway_starts_without_its_database(mortal, tmp_path):
    """From its spool; its numbers go on, and what was accepted is stored, once, in its order."""

    async def first(settings):
        async with serving(settings) as gateway:
            alice = await Talker.connect(gateway.port, token("alice"))
            alice.send("bob", "first")
            alice.say(t="conversation", id="c1", c="trip", add=["bob"])
            await alice.acked(2)
            alice.leave()

    async def play(settings, server):
        await first(settings)
        with contextlib.ExitStack() as away:
            await asyncio.to_thread(away.enter_context, stopped(server))
            await write_while_away(settings)
            await write_on(settings, away.close)

    with fresh_database(mortal) as url:
        Khata.open(url, migrate=True).close()
        settings = settings_from(Beside(url, tmp_path).environ)
        asyncio.run(asyncio.wait_for(play(settings, mortal), 60))
        assert ids(url) == ["first", "second", "third", "c3"]
