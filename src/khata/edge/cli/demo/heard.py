"""People hear of their money as it moves: a gateway of messages, and two who listen."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final

from khata.domain.wallets import Transfer
from khata.edge.cli.demo.morning import KARIM, NADIA, taka
from khata.edge.cli.demo.stage import Stage
from khata.edge.client.messages.subscription import Subscription
from khata.edge.client.messaging_answers import MessageView
from khata.messaging.gateway import Gateway
from khata.messaging.model import Identity
from khata.messaging.money import Telling, tell
from khata.messaging.options import Options
from khata.messaging.outbox import Outbox, take_in
from khata.messaging.spool import Spool

_PAUSE_SECONDS: Final = 0.02
_PATIENCE_SECONDS: Final = 30.0


def play_heard(stage: Stage) -> None:
    """A transfer, and what its two sides hear."""
    stage.chapter(
        "18:59",
        "Nadia hears of it",
        "A gateway of messages reads the journal. Nadia and Karim each listen over a WebSocket;",
        "what happens to their money is on disk and with them a moment later, once.",
    )
    with tempfile.TemporaryDirectory(prefix="khata-demo-") as folder:
        asyncio.run(_listen(stage, Path(folder)))


async def _listen(stage: Stage, folder: Path) -> None:
    async with _gateway(stage, folder) as url, AsyncExitStack() as stack:

        async def find() -> str:
            return url

        names = [wallet.partition("/")[0] for wallet in (NADIA, KARIM)]
        talks = [await stack.enter_async_context(Subscription(find, name)) for name in names]
        for talk in talks:
            await asyncio.wait_for(talk.connected(), _PATIENCE_SECONDS)
        stage.do(Transfer(KARIM, NADIA, taka("20.00"), reference="too much change"))
        heard = [await asyncio.wait_for(anext(talk), _PATIENCE_SECONDS) for talk in talks]
    for name, message in zip(names, heard, strict=True):
        stage.say(f"{name.capitalize()} hears: `{_said(message)}`")
    kinds = [message.body["type"] for message in heard]
    stage.expect(
        kinds == ["money.credited", "money.debited"],
        "Each of their own side, in the name of Khata, and of nobody else's.",
    )


def _said(message: MessageView) -> str:
    data = message.body["data"]
    what = message.body["type"]
    return f"{what} {data['amount']} {data['currency']}, balance {data['balance']}"


@asynccontextmanager
async def _gateway(stage: Stage, folder: Path) -> AsyncIterator[str]:
    """A gateway of the day's book while the block runs; where it listens. Who connects is who they
    say, since nobody else can reach it.
    """
    book = stage.book
    spool = Spool(folder, vault=book.vault)
    gateway = Gateway(Options(port=0), _identify, spool, seq=spool.seq)
    spool.start(gateway.inbox.on(asyncio.get_running_loop()), gateway.durable)
    outbox = Outbox(book.database, book.book_id, book.vault)
    telling = Telling(book.database, book.book_id, book.book, outbox)
    # nobody is told of what was before
    await asyncio.to_thread(telling.work)
    parts = {"money": partial(tell, telling), "outbox": partial(take_in, outbox, gateway.post)}
    for name, run in parts.items():
        gateway.supervisor.start(name, partial(run, pause_seconds=_PAUSE_SECONDS))
    await gateway.start()
    try:
        yield f"ws://127.0.0.1:{gateway.port}/v1/messaging"
    finally:
        await gateway.stop()
        spool.close()


async def _identify(token: str) -> Identity:
    return Identity(token)
