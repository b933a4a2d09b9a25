"""Spools to write on without a gateway, and the records that one would put there."""

import asyncio
import threading
from contextlib import contextmanager

from khata.engine.database import Database
from khata.messaging import wire
from khata.messaging.persister import Pace, Persister
from khata.messaging.reader import Reader
from khata.messaging.records import raw
from khata.messaging.segments import Place
from khata.messaging.spool import Spool
from khata.messaging.store import MessageStore

QUICK = Pace(batch=500, seconds=0.002)


def a_message(seq, sender="bob", to="eve", *, id=None, body=b'"hello"', p="normal", at=1):  # noqa: A002
    """A message to one user, as a gateway puts it."""
    return wire.direct_line(seq, id or f"m{seq}", wire.encode(sender), wire.encode(to), p, at, body)


def to_many(seq, sender, receivers, c=None, *, body=b'"all"', id=None, at=1):  # noqa: A002
    """A message to several."""
    line = wire.shared_line(seq, id or f"m{seq}", wire.encode(sender), c, "normal", at, body)
    return wire.record(line, receivers)


def a_mark(user, *, delivered=None, read=None, c=None, other=None):
    """How far a user is."""
    return wire.encode(wire.Mark(user, delivered, read, c, other))


def a_change(seq, c, by, add=(), remove=(), owner=None):
    """Who came into a conversation and who left."""
    return wire.encode(wire.Change(seq, c, owner or by, by, 1, list(add), list(remove)))


@contextmanager
def written(spool):
    """A spool that is written on from this thread: gives a function that returns when what it is
    given is on disk.
    """
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    spool.start(loop, lambda done: done.set())

    def put(*payloads, seconds=10):
        done = threading.Event()

        def hand():
            for payload in payloads:
                spool.put(payload)
            spool.swap(done)

        loop.call_soon_threadsafe(hand)
        assert done.wait(seconds)

    try:
        yield put
    finally:
        spool.close()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def put_all(folder, payloads, **options):
    """Write some records on a spool, and close it."""
    with written(Spool(folder, **options)) as put:
        put(*payloads)


def on_spool(folder, vault=None):
    """What is on a spool."""
    reader, found = Reader(folder, Place(0, 0), vault), []
    while (frame := reader.next()) is not None:
        found += raw(frame.content)
    reader.close()
    return found


def store_all(folder, url, book_id=1, vault=None):
    """Store what is on a spool, which nobody else does any more. What the persister did."""
    database = Database(url)
    stop = threading.Event()
    stop.set()
    persister = Persister(folder, MessageStore(database, book_id), vault=vault, pace=QUICK)
    try:
        persister.run(stop)
    finally:
        database.close()
    assert persister.done.at, "another persister has the spool"
    assert not persister.done.lag
    return persister.done
