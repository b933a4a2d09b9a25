"""Gateways of a cluster as a process, to be killed: `python -m tests.crash.node SPACE SERVERS N`.

Who connects is who their token says. Each prints its port when it listens; they end when standard
input does.
"""

import asyncio
import sys
from contextlib import AsyncExitStack, asynccontextmanager

import structlog
import uvloop

from khata.base.clock import system_clock
from khata.engine.database import Database
from khata.engine.vault import Vault
from khata.messaging.cluster import Cluster, ClusterOptions
from khata.messaging.gateway import Gateway
from khata.messaging.history import History
from khata.messaging.link import servers_in
from khata.messaging.model import Identity
from khata.messaging.options import Options
from khata.messaging.store import MessageStore
from khata.messaging.storing import Pace, Storing
from khata.messaging.stream import Limits
from khata.settings import settings_from


async def identify(token):
    """Everybody is let in, under the name that is the token."""
    return Identity(token)


async def main(space, servers, count):
    """Serve until standard input ends."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    async with AsyncExitStack() as stack:
        for _ in range(count):
            port = await stack.enter_async_context(a_gateway(space, servers))
            sys.stdout.write(f"{port}\n")
            sys.stdout.flush()
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


@asynccontextmanager
async def a_gateway(space, servers):
    """One gateway; its port."""
    settings = settings_from()
    database = Database(settings.database_url)
    book = database.open_book("main", system_clock, create=False)
    vault = Vault.of(settings.vault_keys)
    history = History(database, book, vault=vault)
    replicas = 3 if len(servers) > 1 else 1
    limits = Limits(size=64 << 20, replicas=replicas)
    cluster = Cluster(
        ClusterOptions(servers=servers, space=space, limits=limits),
        last=history.last(),
        vault=vault,
    )
    options = Options(port=0, rate=10**6, burst=10**6, mark_seconds=0.2, tick_seconds=0.1)
    gateway = Gateway(
        options,
        identify,
        cluster.log,
        numbering=False,
        history=cluster.completed(history.waiting),
    )
    pace = Pace(batches=16, seconds=0.02, keep_seconds=5, again_seconds=1)
    store = MessageStore(database, book, shared=True)
    storing = Storing(cluster.link, cluster.log, store, vault=vault, pace=pace)
    parts = await cluster.join(gateway.router) | {"storing": storing.run}
    for name, run in parts.items():
        gateway.supervisor.start(name, run)
    cluster.log.start(asyncio.get_running_loop(), gateway.durable)
    await cluster.caught_up()
    await gateway.start()
    try:
        yield gateway.port
    finally:
        await gateway.stop()
        await cluster.leave()
        history.close()
        database.close()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], servers_in(sys.argv[2]), int(sys.argv[3])))
