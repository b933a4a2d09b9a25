"""Gateways and NATS servers are killed under load, NATS and the database go away: what was
acknowledged is stored once, and comes at least once, in order.
"""

import asyncio
import os
import random
import subprocess
import sys
import time
import uuid
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from khata import Khata
from khata.engine.database import Database
from khata.engine.vault import Vault
from khata.messaging.tables import MESSAGES
from tests.conftest import SOAK
from tests.crash.test_connections import mortal_postgres
from tests.crash.test_messaging import a_book, locked
from tests.crash.test_messaging_away import stopped
from tests.messengers import Crowd
from tests.nats_servers import nats_servers
from tests.servers import fresh_database

ROOT = Path(__file__).parents[2]
KILLS = 10 if SOAK else 1
SERVERS = 3 if SOAK else 1
USERS = 9
IN_FLIGHT = 40
AWAY_SECONDS = 60 if SOAK else 1


@contextmanager
def node(space, servers, url, key, count=1):
    """So many gateways of the cluster as a process; the process, and their ports."""
    urls = ",".join(server.url for server in servers)
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.crash.node", space, urls, str(count)],
        cwd=ROOT,
        env={**os.environ, "KHATA_DATABASE_URL": url, "KHATA_VAULT_KEYS": key},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with process:
        try:
            yield process, [int(process.stdout.readline()) for _ in range(count)]
        finally:
            process.stdin.close()
            process.wait(30)


class Crowds:
    """Users at several gateways; who loses theirs goes to another."""

    def __init__(self, crowd, ports):
        self.crowd = crowd
        self.ports = ports
        self._at = {}

    async def connect(self):
        """Everybody who has no connection gets one, at any gateway that is there."""
        lost = [one for one in self.crowd.all if not one.connected]
        for at, one in enumerate(lost):
            self._at[one] = self.ports[at % len(self.ports)]
            await one.connect(self._at[one])

    async def kill(self, process, ports):
        """End gateways; returns when all who were there know."""
        process.kill()
        await asyncio.to_thread(process.wait)
        self.ports = [port for port in self.ports if port not in ports]
        there = [one for one, at in self._at.items() if at in ports]
        await self.crowd.until(lambda: not any(one.connected for one in there))

    async def until(self, condition):
        """Wait until something holds. Who is turned away meanwhile comes again: a gateway that
        missed something while the database is away cannot say what.
        """
        async with asyncio.timeout(120):
            while not condition():
                await self.connect()
                await self.crowd.until(lambda: condition() or not self._all_connected(), 60)

    def _all_connected(self):
        return all(one.connected for one in self.crowd.all)

    async def load(self, chance, count):
        """Everybody writes to everybody until so many more were acknowledged."""
        goal = self.crowd.safe() + count

        def write_on():
            for one in self.crowd.all:
                while one.connected and len(one.sent) - one.safe < IN_FLIGHT:
                    one.send(f"u{chance.randrange(USERS)}")
            return self.crowd.safe() >= goal

        await self.until(write_on)

    async def away(self, chance, seconds, *, answered):
        """Everybody writes on for so long, whether they are answered or not."""
        until = time.monotonic() + seconds
        while (now := time.monotonic()) < until:
            for one in self.crowd.all:
                if len(one.sent) - one.safe < IN_FLIGHT:
                    one.send(f"u{chance.randrange(USERS)}")
            # no faster: it is the time that matters
            await self.until(lambda now=now: time.monotonic() > now + 0.02)
        if answered:
            await self.load(chance, 200)


def stored(url):
    """The ids that are in the database, with whom they are for."""
    database = Database(url)
    with database.reading() as connection:
        rows = connection.execute(sa.select(MESSAGES.c.id, MESSAGES.c.receiver)).fetchall()
    database.close()
    assert len(rows) == len({id_ for id_, _ in rows})
    return dict(map(tuple, rows))


async def all_is_well(crowds, url):
    """Everything is acknowledged, has come in order, and is stored once, nothing else."""
    crowd = crowds.crowd
    await crowds.until(lambda: all(one.safe == len(one.sent) for one in crowd.all))
    await crowds.until(lambda: not crowd.complaints())
    # only the database tells
    async with asyncio.timeout(60):
        while await asyncio.to_thread(stored, url) != crowd.acknowledged():  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.05)


async def killed_again_and_again(crowds, nodes, servers, chance, begin):
    """A gateway is killed and NATS restarts, with messages in flight."""
    for _ in range(KILLS):
        await crowds.load(chance, chance.randrange(200, 1_500))
        await crowds.kill(*nodes.pop(0))
        await crowds.connect()
        await crowds.load(chance, chance.randrange(200, 1_500))
        server = chance.choice(servers)
        server.kill()
        for one in crowds.crowd.all:
            one.send(f"u{chance.randrange(USERS)}")
        server.start()
        await crowds.load(chance, chance.randrange(200, 1_500))
        if KILLS > 1:
            nodes.append(begin())
            crowds.ports += nodes[-1][1]


async def one_after_the_other_away(crowds, servers, chance, database_away):
    """All of NATS is away, then the database; everybody writes on meanwhile."""
    for server in servers:
        server.kill()
    # some of what was in flight may have been safe
    safe = crowds.crowd.safe()
    await crowds.away(chance, AWAY_SECONDS, answered=False)
    assert crowds.crowd.safe() <= safe + 2 * IN_FLIGHT * USERS
    for server in servers:
        server.start()
    await crowds.load(chance, 500)
    with database_away:
        await crowds.away(chance, AWAY_SECONDS, answered=True)
    await crowds.load(chance, 200)


def a_cluster_lives_through_it(tmp_path, url, seed, database_away):
    """Everything that may happen to a cluster, and after it nothing is missing or doubled."""
    chance, space = random.Random(seed), uuid.uuid4().hex
    key = Vault.new_key() if chance.randrange(2) else ""

    async def play(servers, nodes, begin):
        crowd = Crowd(USERS)
        crowds = Crowds(crowd, [port for _, ports in nodes for port in ports])
        await crowds.connect()
        await killed_again_and_again(crowds, nodes, servers, chance, begin)
        await one_after_the_other_away(crowds, servers, chance, database_away)
        await all_is_well(crowds, url)
        assert [one.refused for one in crowd.all if one.refused] == []
        await crowd.close()

    with nats_servers(tmp_path, SERVERS) as servers, ExitStack() as stack:

        def begin(count=1):
            return stack.enter_context(node(space, servers, url, key, count))

        # in the short form two of them are one process, which is not killed
        nodes = [begin() for _ in range(3)] if SOAK else [begin(), begin(2)]
        asyncio.run(play(servers, nodes, begin))


def test_three_gateways_lose_nothing_that_was_acknowledged(tmp_path, sqlite_template, seed):
    """One is killed, NATS restarts and goes away, the database is locked."""
    path = tmp_path / "khata.db"
    url = a_book(path, sqlite_template)
    a_cluster_lives_through_it(tmp_path, url, seed, locked(path))


@pytest.mark.soak
def test_three_gateways_lose_nothing_when_postgres_stops(tmp_path, seed):
    """The same with a server that is stopped and started again."""
    with mortal_postgres() as server, fresh_database(server) as url:
        Khata.open(url, migrate=True).close()
        a_cluster_lives_through_it(tmp_path, url, seed, stopped(server))
