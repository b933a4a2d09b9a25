"""A gateway as a process, to be killed: `python -m tests.crash.gateway FOLDER`.

Who connects is who their token says. It prints its port when it listens, and ends when its standard
input does.
"""

import asyncio
import sys
from pathlib import Path

import uvloop

from khata.base.clock import system_clock
from khata.engine.database import Database
from khata.engine.vault import Vault
from khata.messaging.gateway import Gateway
from khata.messaging.history import History
from khata.messaging.model import Identity
from khata.messaging.options import Options
from khata.messaging.persister import Pace
from khata.messaging.persisting import attend
from khata.messaging.spool import Limits, Spool
from khata.settings import settings_from


async def identify(token):
    """Everybody is let in, under the name that is the token."""
    return Identity(token)


async def main(folder):
    """Serve until standard input ends."""
    settings, loop = settings_from(), asyncio.get_running_loop()
    database = Database(settings.database_url)
    book = database.open_book("main", system_clock, create=False)
    vault = Vault.of(settings.vault_keys)
    spool = Spool(folder, vault=vault, limits=Limits(segment=200_000))
    history = History(database, book, vault=vault, folder=folder)
    options = Options(port=0, rate=10**6, burst=10**6, mark_seconds=0.2, tick_seconds=0.1)
    gateway = Gateway(options, identify, spool, seq=spool.seq, history=history.waiting)
    spool.start(loop, gateway.durable)
    await gateway.start()
    gateway.supervisor.start(
        "persister", lambda: attend("main", folder, pace=Pace(batch=500, seconds=0.01))
    )
    sys.stdout.write(f"{gateway.port}\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.read)
    await gateway.stop()
    spool.close()
    history.close()
    database.close()


if __name__ == "__main__":
    uvloop.run(main(Path(sys.argv[1])))
