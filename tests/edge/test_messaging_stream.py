"""The stream that gateways share, on a real NATS: what is published, followed and stored."""

import asyncio
import uuid
from contextlib import asynccontextmanager

import pytest
import sqlalchemy as sa

from khata import Khata
from khata.engine.vault import Vault
from khata.errors import DatabaseUnavailable, LimitExceeded, VaultKeyUnknown, VaultMissing
from khata.messaging import following
from khata.messaging.following import Follower, Opener
from khata.messaging.history import History
from khata.messaging.link import Link
from khata.messaging.rotating import rotate
from khata.messaging.store import MessageStore
from khata.messaging.storing import Pace, Storing, numbered, stored_up_to
from khata.messaging.stream import LARGEST, MOST_RECORDS, Limits, Stream, batch_of, number
from khata.messaging.tables import MESSAGES
from khata.messaging.wire import direct_line, read
from tests.clustering import DEADLINE, eventually
from tests.nats_servers import nats_servers

SIZE = 16 << 20
PACE = Pace(batches=8, seconds=0.02, keep_seconds=300, again_seconds=1)


@pytest.fixture(scope="module")
def nats(tmp_path_factory):
    """A server for all."""
    with nats_servers(tmp_path_factory.mktemp("nats")) as (server,):
        yield server


def a_record(name, body=b'"hello"', sender="alice"):
    """A message to Bob, unnumbered."""
    return direct_line(0, name, f'"{sender}"'.encode(), b'"bob"', "normal", 1, body)


class Side:
    """One that publishes and follows."""

    def __init__(self, server, space, *, last=0, vault=None, size=SIZE):
        self.link = Link([server.url], "test")
        self.stream = Stream(self.link, space, last=last, vault=vault, limits=Limits(size=size))
        self.vault = vault
        self.done = []
        self.records = []
        self.missed = []
        self._more = asyncio.Event()

    async def open(self):
        self.link.open()
        await asyncio.wait_for(self.link.up.wait(), DEADLINE)
        self.stream.start(asyncio.get_running_loop(), self._durable)
        return self

    def _durable(self, mark):
        self.done.append(mark)
        self._more.set()

    def follow(self, place=0):
        """Follow from a place on; the follower, and its task."""
        follower = Follower(
            self.link,
            self.stream,
            lambda batch, content: self.records.extend(numbered(content, batch)),
            lambda behind, before: self.missed.append((behind, before)),
            place=place,
            vault=self.vault,
        )
        return follower, asyncio.ensure_future(follower.run())

    def put(self, names, mark=None):
        """Put messages with these ids."""
        for name in names:
            self.stream.put(a_record(name))
        self.stream.swap(mark)

    async def safe(self, count):
        """Wait until so many marks are durable."""
        async with asyncio.timeout(DEADLINE):
            while len(self.done) < count:
                self._more.clear()
                await self._more.wait()

    def ids(self):
        return [read(record).id for record in self.records]

    def numbers(self):
        return [read(record).seq for record in self.records]

    async def close(self):
        await self.stream.close()
        await self.link.close()


@asynccontextmanager
async def a_side(server, space=None, **options):
    """One that is closed at the end."""
    side = await Side(server, space or uuid.uuid4().hex, **options).open()
    try:
        yield side
    finally:
        await side.close()


async def ended(task):
    """Stop a part."""
    task.cancel()
    await asyncio.wait([task])


def test_everything_comes_back_in_order_under_growing_numbers(nats):
    """More than a batch holds too, and marks are told in the order of the swaps."""

    async def story():
        async with a_side(nats) as side:
            follower, task = side.follow()
            names = [f"m{n}" for n in range(2 * MOST_RECORDS + 10)]
            side.put(names[:3], "a")
            side.put(names[3:], "b")
            side.put([], "c")
            await side.safe(3)
            assert side.done == ["a", "b", "c"]
            await follower.reach(batch_of(side.stream.last))
            assert side.ids() == names
            assert side.numbers() == sorted(set(side.numbers()))
            await ended(task)

    asyncio.run(story())


def test_large_records_are_parted_and_too_large_ones_refused(nats):
    """No batch is larger than JetStream takes."""

    async def story():
        async with a_side(nats) as side:
            follower, task = side.follow()
            body = b'"' + b"x" * (LARGEST // 2) + b'"'
            for n in range(3):
                side.stream.put(a_record(f"m{n}", body))
            with pytest.raises(LimitExceeded):
                side.stream.put(a_record("m3", b'"' + b"x" * LARGEST + b'"'))
            side.stream.swap("all")
            await side.safe(1)
            await follower.reach(batch_of(side.stream.last))
            assert side.ids() == ["m0", "m1", "m2"]
            assert side.stream.published == 3
            await ended(task)

    asyncio.run(story())


def test_numbers_go_on_behind_the_database(nats):
    """A stream that is new, or was lost, begins behind all that was ever given out."""

    async def story():
        space, last = uuid.uuid4().hex, 10_000_000
        async with a_side(nats, space, last=last) as side:
            side.put(["m0"])
            await side.safe(1)
            first = side.stream.last
            assert number(batch_of(first), 0) > last
        async with a_side(nats, space, last=first + 50_000_000) as side:
            side.put(["m1"])
            await side.safe(1)
            assert batch_of(side.stream.last) > batch_of(first + 50_000_000)

    asyncio.run(story())


def test_a_full_stream_refuses_and_takes_again_when_there_is_room(nats):
    """What was handed over waits, and is acknowledged when something was taken out."""

    async def story():
        async with a_side(nats, size=1_000_000) as side:
            body = b'"' + b"x" * 100_000 + b'"'
            for n in range(20):
                side.stream.put(a_record(f"m{n}", body))
                side.stream.swap(n)
            await eventually(lambda: side.stream.refuses == "storage_full")
            assert len(side.done) < 20
            while len(side.done) < 20:
                await side.link.stream.purge_stream(side.stream.name)
                await asyncio.sleep(0.05)
            assert side.done == list(range(20))
            assert side.stream.refuses is None

    asyncio.run(story())


def test_too_much_that_waits_is_refused(nats):
    """While NATS does not take it, memory is bounded."""

    async def story():
        link = Link([nats.url], "test")
        stream = Stream(link, uuid.uuid4().hex, limits=Limits(buffer=5))
        for n in range(6):
            stream.put(a_record(f"m{n}"))
        stream.swap(None)
        assert stream.refuses == "overloaded"

    asyncio.run(story())


def test_who_was_away_for_too_long_is_told_what_they_missed(nats):
    """Batches that were taken out before they were seen are not passed over in silence."""

    async def story():
        async with a_side(nats) as side:
            follower, task = side.follow()
            side.put(["m0"])
            await follower.reach(1)
            await ended(task)
            for n in range(3):
                side.put([f"later{n}"])
                await side.safe(2 + n)
            await side.link.stream.purge_stream(side.stream.name, seq=4)
            follower, task = side.follow(follower.place)
            await asyncio.wait_for(follower.reach(4), DEADLINE)
            assert side.missed == [(1, 4)]
            assert side.ids() == ["m0", "later2"]
            await ended(task)

    asyncio.run(story())


def test_a_consumer_that_is_gone_is_made_anew(nats, monkeypatch):
    """Silence is noticed by the missing heartbeats, and nothing is missed or doubled."""
    monkeypatch.setattr(following, "_SILENT_SECONDS", 0.2)
    monkeypatch.setattr(following, "_HEARTBEAT_SECONDS", 0.1)

    async def story():
        async with a_side(nats) as side:
            follower, task = side.follow()
            for n in range(5):
                side.put([f"m{n}"])
                await follower.reach(n + 1)
                for consumer in await side.link.stream.consumers_info(side.stream.name):
                    await side.link.stream.delete_consumer(side.stream.name, consumer.name)
            assert side.ids() == [f"m{n}" for n in range(5)]
            assert follower.began_again > 0
            await ended(task)

    asyncio.run(story())


def test_with_a_vault_nobody_reads_the_stream(nats):
    """Neither without a key nor with another one; with a newer one in front, as before."""

    async def story():
        space, key = uuid.uuid4().hex, Vault.new_key()
        async with a_side(nats, space, vault=Vault([key])) as side:
            side.put(["m0"])
            await side.safe(1)
            raw = await side.link.stream.get_msg(side.stream.name, 1)
            assert b"hello" not in raw.data
            for vault, error in (
                (None, VaultMissing),
                (Vault([Vault.new_key()]), VaultKeyUnknown),
            ):
                side.vault = vault
                with pytest.raises(error):
                    await asyncio.wait_for(side.follow()[1], DEADLINE)
            side.vault = Vault([Vault.new_key(), key])
            follower, task = side.follow()
            await asyncio.wait_for(follower.reach(1), DEADLINE)
            assert side.ids() == ["m0"]
            await ended(task)

    asyncio.run(story())


# ── storing ──────────────────────────────────────────────────────────────────────────


def stored(book):
    """The ids that are in the database, in the order of their numbers."""
    with book.database.reading() as connection:
        query = sa.select(MESSAGES.c.id).order_by(MESSAGES.c.seq)
        return list(connection.scalars(query))


class Failing(MessageStore):
    """A store whose database is away for some tries, after which it had written all the same."""

    tries = 0

    def write(self, batch, spool="", place=None):
        """Write, and lose the answer twice."""
        super().write(batch, spool, place)
        self.tries += 1
        if self.tries <= 2:
            raise DatabaseUnavailable("It went away after the commit.")


def test_what_is_in_the_stream_is_stored_once(nats, database_url):
    """By two that share the work, one of which dies on the way; ids that come twice are one row."""

    async def story(book):
        space = uuid.uuid4().hex
        async with a_side(nats, space) as side, a_side(nats, space) as other:
            names = [f"m{n}" for n in range(400)]
            for n in range(0, 400, 10):
                side.put(names[n : n + 10])
                await side.safe(n // 10 + 1)
            # once more, as who was not told that they were safe would send them
            side.put(names[:50])
            store = MessageStore(book.database, book.book_id)
            sharing = [Storing(one.link, one.stream, store, pace=PACE) for one in (side, other)]
            tasks = [asyncio.ensure_future(one.run()) for one in sharing]
            await eventually(lambda: sharing[0].stored)
            await ended(tasks[0])
            await eventually(lambda: sorted(stored(book)) == sorted(names))
            await eventually_stored(side)
            await ended(tasks[1])
        assert stored(book) == names

    with Khata.open(database_url, migrate=True) as book:
        asyncio.run(story(book))


@pytest.mark.parametrize("sealed", [False, True])
def test_what_cannot_be_stored_is_set_aside(nats, tmp_path, sqlite_template, sealed):
    """In a stream of its own, sealed as it was; its neighbours are stored, and those behind it."""
    vault = Vault([Vault.new_key()]) if sealed else None
    too_large = a_record("m1").replace(b'"at":1', b'"at":%d' % 2**63)
    odd = [b'{"t":"newer","seq":0,"x":"hello"}', too_large]

    async def story(book):
        async with a_side(nats, vault=vault) as side:
            for record in (a_record("m0"), *odd, a_record("m2")):
                side.stream.put(record)
            side.stream.swap("odd")
            await side.safe(1)
            await side.link.stream.publish(side.stream.subject, b"no batch at all")
            side.put(["m3"])
            storing = Storing(
                side.link, side.stream, MessageStore(book.database, book.book_id),
                vault=vault, pace=PACE,
            )  # fmt: skip
            task = asyncio.ensure_future(storing.run())
            await eventually(lambda: stored(book) == ["m0", "m2", "m3"])
            await eventually_stored(side)
            await ended(task)
            told, opener = storing.told(), Opener(vault)
            assert (told.aside, told.damages) == (2, 1)
            kept = await side.link.stream.pull_subscribe(side.stream.subject + ".aside")
            found = await kept.fetch(3)
            contents = sorted(opener.content(one) for one in found)
            assert contents[0] == b"no batch at all"
            assert [b"hello" in one for one in contents] == [False, True, True]
            if sealed:
                assert not any(b"hello" in one.data for one in found)

    url = f"sqlite:///{tmp_path / 'khata.db'}"
    (tmp_path / "khata.db").write_bytes(sqlite_template.read_bytes())
    with Khata.open(url) as book:
        asyncio.run(story(book))


async def eventually_stored(side):
    """Wait until everything in the stream is said to be stored."""
    async with asyncio.timeout(DEADLINE):
        while await stored_up_to(side.link, side.stream) < batch_of(side.stream.last):  # noqa: ASYNC110 - it is asked
            await asyncio.sleep(0.02)


def test_a_database_that_goes_away_after_the_commit_has_one_row_for_each(nats, database_url):
    """What is not known to be written is written again, and changes nothing."""

    async def story(book):
        async with a_side(nats) as side:
            side.put([f"m{n}" for n in range(20)])
            storing = Storing(
                side.link, side.stream, Failing(book.database, book.book_id), pace=PACE
            )
            task = asyncio.ensure_future(storing.run())
            await side.safe(1)
            await eventually_stored(side)
            assert storing.failed == 2
            await ended(task)
        assert stored(book) == [f"m{n}" for n in range(20)]

    with Khata.open(database_url, migrate=True) as book:
        asyncio.run(story(book))


def test_what_is_stored_is_taken_out_of_the_stream(nats, database_url):
    """After a while, so that it never fills up."""

    async def story(book):
        async with a_side(nats) as side:
            store = MessageStore(book.database, book.book_id)
            storing = Storing(side.link, side.stream, store, pace=PACE._replace(keep_seconds=0.05))
            side.put(["m0"])
            await side.safe(1)
            task = asyncio.ensure_future(storing.run())
            async with asyncio.timeout(DEADLINE):
                info = side.link.stream.stream_info
                while (await info(side.stream.name)).state.messages:  # noqa: ASYNC110 - it is asked
                    await asyncio.sleep(0.02)
            await ended(task)
        assert stored(book) == ["m0"]

    with Khata.open(database_url, migrate=True) as book:
        asyncio.run(story(book))


def test_sealed_batches_are_sealed_rows(nats, database_url):
    """No body is in clear anywhere, and the history opens it."""
    vault = Vault([Vault.new_key()])

    async def story(book):
        async with a_side(nats, vault=vault) as side:
            store = MessageStore(book.database, book.book_id)
            storing = Storing(side.link, side.stream, store, vault=vault, pace=PACE)
            task = asyncio.ensure_future(storing.run())
            side.put(["m0"])
            await side.safe(1)
            await eventually_stored(side)
            await ended(task)

    with Khata.open(database_url, migrate=True) as book:
        asyncio.run(story(book))
        with book.database.reading() as connection:
            (body,) = connection.scalars(sa.select(MESSAGES.c.body))
        assert b"hello" not in bytes(body)
        history = History(book.database, book.book_id, vault=vault)
        assert b"hello" in history.after("bob", 0).messages[0].line
        history.close()


def test_no_file_has_it_in_clear_and_old_keys_go_under_traffic(nats, tmp_path, sqlite_template):
    """Neither NATS's nor the database's, while keys are changed and gateways go on; after it the
    old key opens nothing and the new one everything.
    """
    old, new = Vault.new_key(), Vault.new_key()
    path, secret = tmp_path / "khata.db", b"plain-and-secret"
    path.write_bytes(sqlite_template.read_bytes())

    def send(side, name):
        side.stream.put(a_record(name, b'"%b"' % secret))
        side.stream.swap(name)

    async def story(book):
        space = uuid.uuid4().hex
        before, after = Vault([old, new]), Vault([new, old])
        async with (
            a_side(nats, space, vault=before) as one,
            a_side(nats, space, vault=after) as two,
        ):
            store = MessageStore(book.database, book.book_id)
            storing = Storing(two.link, two.stream, store, vault=after, pace=PACE)
            task = asyncio.ensure_future(storing.run())
            for turn in range(3):
                for number, side in enumerate((one, two)):
                    send(side, f"m{turn}-{number}")
                await one.safe(turn + 1)
                await two.safe(turn + 1)
                await eventually_stored(two)
                rotate(book.database, book.book_id, after)
            await ended(task)

    with Khata.open(f"sqlite:///{path}") as book:
        asyncio.run(story(book))
        files = [*nats.folder.rglob("*"), *tmp_path.iterdir()]
        assert any("msgs" in one.parts for one in files)
        assert [one for one in files if one.is_file() and secret in one.read_bytes()] == []
        history = History(book.database, book.book_id, vault=Vault([new]))
        found = history.after("bob", 0).messages
        history.close()
        assert len(found) == 6
        assert all(secret in one.line for one in found)
        history = History(book.database, book.book_id, vault=Vault([old]))
        with pytest.raises(VaultKeyUnknown):
            history.after("bob", 0)
        history.close()
