"""A gateway as a process: its sockets, its HTTP door, its log, and the parts beside it.

The log is a spool on this machine's disk, which a process of its own carries into the database, or,
when `KHATA_MESSAGING_NATS` names servers, a stream that all gateways of the book share.
"""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from functools import partial
from pathlib import Path
from typing import Final

import structlog
import uvloop

from khata.app import Khata
from khata.edge.collecting import collect_seldom
from khata.edge.http.alerts import Alerts
from khata.edge.listening import check_free
from khata.edge.messaging.desk import GatewayDesk
from khata.edge.messaging.door import MessagingDoor, beside
from khata.edge.messaging.joining import Found, Joining, holding
from khata.edge.messaging.opening import open_now, open_soon, patiently
from khata.edge.messaging.reporting import report
from khata.engine.vault import Vault
from khata.errors import KhataError
from khata.messaging.cluster import Cluster, ClusterOptions
from khata.messaging.gateway import Gateway
from khata.messaging.history import History
from khata.messaging.lease import Lease
from khata.messaging.money import Telling, tell
from khata.messaging.options import Options
from khata.messaging.outbox import Outbox, take_in
from khata.messaging.persister import Pace, Persisted, status
from khata.messaging.persisting import attend
from khata.messaging.pruning import prune_often
from khata.messaging.sharing import Sharing
from khata.messaging.spool import Spool
from khata.messaging.stream import Limits, space_of
from khata.messaging.supervising import Supervisor
from khata.settings import Settings

log = structlog.get_logger("khata.messaging")
_LOOK_SECONDS: Final = 0.5
_BURST_SECONDS: Final = 2
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
Part = Callable[[], Awaitable[None]]
Fail = Callable[[KhataError], None]
"""Told of what a gateway cannot go on with."""
Settled = Callable[[], Awaitable[int]]
"""The number up to which everything is stored."""


def _only_logged(error: KhataError) -> None:
    """It was logged where it happened."""


def serve_messaging(
    settings: Settings,
    begun: Callable[[Gateway], None] | None = None,
    *,
    parent: int | None = None,
) -> None:
    """Serve the first book's messages until SIGTERM or SIGINT; then have everything kept, say
    good-bye, and return. `begun`: called when it listens. `parent`: return also when the process
    of this number, which began this one, is no more.

    Errors: those of `Khata.open`, but for a database that is away, which is waited for;
    `AlreadyServed` when another gateway serves the book; `Conflict` when another one has the spool,
    or it is another book's; `AddressTaken`.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    collect_seldom()
    # told to stop before it listened
    with suppress(asyncio.CancelledError):
        uvloop.run(_until_told(settings, begun, parent))


async def _until_told(
    settings: Settings, begun: Callable[[Gateway], None] | None, parent: int | None
) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    me, errors = asyncio.current_task(), list[KhataError]()
    assert me is not None

    def fail(error: KhataError) -> None:
        errors.append(error)
        stop.set()

    for number in _SIGNALS:
        loop.add_signal_handler(number, me.cancel)
    async with serving(settings, fail) as gateway:
        for number in _SIGNALS:
            loop.add_signal_handler(number, stop.set)
        # what is there now stays: the collector need not look through it again and again
        gc.collect()
        gc.freeze()
        if begun is not None:
            begun(gateway)
        while not stop.is_set() and parent in {None, os.getppid()}:
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), None if parent is None else _LOOK_SECONDS)
    if errors:
        raise errors[0]


@asynccontextmanager
async def serving(settings: Settings, fail: Fail = _only_logged) -> AsyncIterator[Gateway]:
    """A gateway of the settings' first book that listens while the block runs. `fail`: called when
    something makes it impossible to go on. Errors: as `serve_messaging`.
    """
    vault = Vault.of(settings.vault_keys)
    alerts = Alerts(settings.alert_webhook)
    async with AsyncExitStack() as stack:
        stack.callback(alerts.close)
        folder = None if settings.messaging_nats else _folder(settings, settings.books[0])
        book, there = await open_soon(settings, vault, folder)
        stack.enter_context(closing(book))
        history = History(book.database, book.book_id, vault=vault, folder=folder)
        stack.callback(history.close)
        supervisor = Supervisor(partial(alerts.sound, book=book.book))
        door = MessagingDoor(book, settings, alerts)
        persisted: Callable[[], Persisted | None]
        settled: Settled | None = None
        lease = Lease(book.database, book.book_id, shared=folder is None)
        stack.callback(lease.close)
        if folder is None:
            interval = settings.messaging_interval_ms / 1000
            sharing = Sharing(book.book, seconds=interval, environ=environ_of(settings))
            persisted = sharing.persisted
            await patiently(lease.keep)
            supervisor.start("database", partial(holding, lease, fail))
            gateway, settled = await _shared(
                stack, settings, book, history, supervisor, door, sharing
            )
        else:
            persisted = partial(status, folder)
            store = partial(_store, supervisor, settings, book, folder)
            joining = Joining(lease, history, store, fail)
            found = await patiently(joining.look) if there else None
            gateway = await _alone(stack, settings, book, history, supervisor, door, folder, found)
            joining.join(gateway.router, found)
            again = partial(open_now, settings, vault, folder)
            supervisor.start("database", partial(joining.run, gateway.router, again))
        _beside_it(gateway, book, supervisor, settings.messaging_keep_days)
        for port in (settings.messaging_port, settings.messaging_http_port):
            check_free(settings.messaging_host, port)
        await gateway.start()
        stack.push_async_callback(gateway.stop)
        desk = GatewayDesk(
            gateway, book, door.threads, persisted=persisted, folder=folder, settled=settled
        )
        supervisor.start("report", partial(report, desk))
        door.join(desk)
        await stack.enter_async_context(beside(door, settings.messaging_host, port))
        yield gateway


async def _alone(
    stack: AsyncExitStack,
    settings: Settings,
    book: Khata,
    history: History,
    supervisor: Supervisor,
    door: MessagingDoor,
    folder: Path,
    found: Found | None,
) -> Gateway:
    """A gateway with a spool. `found`: what its database has, None while that is away."""
    last = found.last if found is not None else 0
    spool = await patiently(partial(Spool, folder, last=last, vault=book.vault))
    stack.callback(spool.close)
    gateway = Gateway(
        options_of(settings),
        door.guard.identify,
        spool,
        seq=spool.seq,
        history=history.waiting,
        supervisor=supervisor,
    )
    spool.start(gateway.inbox.on(asyncio.get_running_loop()), gateway.durable)
    return gateway


def _store(supervisor: Supervisor, settings: Settings, book: Khata, folder: Path) -> None:
    """Begin the process that stores what is on a spool."""
    pace = Pace(settings.messaging_batch, settings.messaging_interval_ms / 1000)
    environ = environ_of(settings)
    supervisor.start("persister", partial(attend, book.book, folder, pace=pace, environ=environ))


async def _shared(
    stack: AsyncExitStack,
    settings: Settings,
    book: Khata,
    history: History,
    supervisor: Supervisor,
    door: MessagingDoor,
    sharing: Sharing,
) -> tuple[Gateway, Settled]:
    """A gateway of several, over NATS, and what tells how far all is stored. Waits for NATS."""
    last = history.last()
    options = ClusterOptions(
        servers=settings.messaging_nats,
        space=space_of(book.book, book.database.mark(book.book_id)),
        limits=Limits(replicas=settings.messaging_replicas),
    )
    cluster = Cluster(options, last=last, vault=book.vault)
    stack.push_async_callback(cluster.leave)
    gateway = Gateway(
        options_of(settings),
        door.guard.identify,
        cluster.log,
        seq=last,
        numbering=False,
        history=cluster.completed(history.waiting),
        supervisor=supervisor,
    )
    conversations = gateway.router.conversations

    def load() -> None:
        for c, owner, members in history.conversations():
            conversations.load(c, owner, members)

    parts = await cluster.join(gateway.router)
    # not before it is known from where the stream is followed: what comes between is in either
    load()
    cluster.when_missed = load
    for name, run in parts.items():
        supervisor.start(name, run)
    supervisor.start("persister", sharing.attend)
    cluster.log.start(asyncio.get_running_loop(), gateway.durable)
    await cluster.caught_up()
    return gateway, cluster.settled


def _beside_it(gateway: Gateway, book: Khata, supervisor: Supervisor, keep_days: int) -> None:
    outbox = Outbox(book.database, book.book_id, book.vault)
    telling = Telling(book.database, book.book_id, book.book, outbox)
    parts: dict[str, Part] = {
        "outbox": partial(take_in, outbox, gateway.post),
        "money": partial(tell, telling),
    }
    if keep_days:
        parts["prune"] = partial(prune_often, book.database, book.book_id, keep_days)
    for name, run in parts.items():
        supervisor.start(name, run)


def options_of(settings: Settings) -> Options:
    """What the settings say of a gateway."""
    return Options(
        host=settings.messaging_host,
        port=settings.messaging_port,
        connections=settings.messaging_connections,
        queue=settings.messaging_queue,
        rate=settings.messaging_rate,
        burst=settings.messaging_rate * _BURST_SECONDS,
    )


def environ_of(settings: Settings) -> dict[str, str]:
    """What a process beside this one needs to reach the database and to read what is sealed."""
    return {
        **os.environ,
        "KHATA_DATABASE_URL": settings.database_url,
        "KHATA_VAULT_KEYS": ",".join(settings.vault_keys),
        "KHATA_MESSAGING_NATS": ",".join(settings.messaging_nats),
        "KHATA_MESSAGING_REPLICAS": str(settings.messaging_replicas),
    }


def _folder(settings: Settings, book: str) -> Path:
    """Where a book's spool is. Made here, for nobody else to read."""
    folder = Path(settings.messaging_spool) / book
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder
