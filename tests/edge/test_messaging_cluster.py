"""Several gateways over a real NATS: they are one, and none of them is needed."""

import asyncio
import contextlib
import uuid

import httpx
import pytest
import sqlalchemy as sa

from khata import Khata
from khata.domain.wallets import Credit
from khata.edge.http.threads import Threads
from khata.edge.messaging.desk import GatewayDesk
from khata.engine.tables import CONSUMERS
from khata.errors import Unavailable
from khata.messaging.batch import Batch
from khata.messaging.history import History
from khata.messaging.model import Identity, Message, Send
from khata.messaging.money import CONSUMER
from khata.messaging.records import read
from khata.messaging.store import MessageStore
from khata.messaging.storing import Pace, Storing
from khata.messaging.stream import number
from tests.builders import ALICE, a_book, bdt
from tests.clustering import DEADLINE, Node, Talker, eventually, gateways
from tests.edge.gateway_beside import Beside, token, until
from tests.edge.serving import a_key
from tests.nats_servers import nats_servers
from tests.spools import a_message


@pytest.fixture(scope="module")
def nats(tmp_path_factory):
    """A server for all that do not stop theirs."""
    with nats_servers(tmp_path_factory.mktemp("nats")) as (server,):
        yield server


def test_any_user_is_reached_from_any_gateway(nats):
    """Everybody writes to everybody, each in order, each message once, under the same numbers."""

    async def story():
        async with gateways([nats.url], 3) as nodes:
            users = [await Talker.connect(node, f"u{at}") for at, node in enumerate(nodes)]
            for at, user in enumerate(users):
                for n in range(50):
                    for to in range(3):
                        user.send(f"u{to}", f"{at}-{to}-{n}")
            for at, user in enumerate(users):
                await user.acked(150)
                ids = await user.messages(150)
                assert sorted(ids) == sorted(f"{s}-{at}-{n}" for s in range(3) for n in range(50))
                for sender in range(3):
                    own = [one for one in ids if one.startswith(f"{sender}-")]
                    assert own == [f"{sender}-{at}-{n}" for n in range(50)]
                numbers = [line["seq"] for line in user.got]
                assert numbers == sorted(set(numbers))
            assert len({node.gateway.router.seq for node in nodes}) == 1

    asyncio.run(story())


def test_what_waits_is_found_at_any_gateway(nats):
    """Who is nowhere has their messages at whichever gateway they come to, and not again after."""

    async def story():
        async with gateways([nats.url], 3) as (a, b, c):
            alice = await Talker.connect(a, "alice")
            for n in range(10):
                alice.send("bob", f"m{n}")
            await alice.acked(10)
            bob = await Talker.connect(b, "bob")
            assert await bob.messages(10) == [f"m{n}" for n in range(10)]
            await bob.until(lambda: bob.of("at") and bob.of("at")[-1]["seq"] == bob.got[-1]["seq"])
            bob.leave()
            waits = c.gateway.router.users["bob"]
            await eventually(lambda: waits.queue is None)
            alice.send("bob", "later")
            again = await Talker.connect(c, "bob")
            assert await again.messages(1) == ["later"]

    asyncio.run(story())


def test_a_conversation_has_members_at_every_gateway(nats):
    """It is made at one, and used at the others."""

    async def story():
        async with gateways([nats.url], 3) as (a, b, c):
            alice = await Talker.connect(a, "alice")
            bob, carol = await Talker.connect(b, "bob"), await Talker.connect(c, "carol")
            alice.say(t="conversation", id="new", c="team", add=["bob", "carol"])
            await bob.until(lambda: bob.of("conversation"))
            bob.say(t="send", id="b1", c="team", body=1)
            assert await carol.messages(1) == ["b1"]
            assert await alice.messages(1) == ["b1"]

    asyncio.run(story())


def test_two_who_make_a_conversation_at_once_do_not_share_it(nats):
    """The stream says who was first; the other is told, and is not in it at any gateway."""

    async def story():
        async with gateways([nats.url], 2) as nodes:
            two = [await Talker.connect(node, f"u{at}") for at, node in enumerate(nodes)]
            for at, one in enumerate(two):
                one.say(t="conversation", id="c", c="team", add=[f"friend{at}"])
            for one in two:
                await one.until(lambda one=one: one.of("conversation") or one.of("no"))
            (first,) = (at for at, one in enumerate(two) if one.of("conversation"))
            assert [line["code"] for line in two[1 - first].of("no")] == ["not_found"]
            for node in nodes:
                found = node.gateway.router.conversations
                assert list(found.members("team", f"u{first}")) == [f"u{first}", f"friend{first}"]

    asyncio.run(story())


def test_presence_is_told_across_gateways(nats):
    """Who watches is told of those who are elsewhere, also when they go."""

    async def story():
        async with gateways([nats.url], 2) as (a, b):
            alice = await Talker.connect(a, "alice")
            alice.say(t="watch", users=["bob"])
            bob = await Talker.connect(b, "bob")
            await alice.until(lambda: len(alice.of("presence")) == 2)
            bob.leave()
            await alice.until(lambda: len(alice.of("presence")) == 3)
            assert [line["online"] for line in alice.of("presence")] == [False, True, False]

    asyncio.run(story())


def test_receipts_come_from_other_gateways(nats):
    """Of what was delivered and of what was read; to who asked for them, and to nobody else."""

    async def story():
        async with gateways([nats.url], 3) as (a, b, c):
            alice = await Talker.connect(a, "alice", receipts=1)
            plain = await Talker.connect(c, "alice")
            bob = await Talker.connect(b, "bob")
            await eventually(lambda: "alice" in b.gateway.router.askers.elsewhere)
            alice.send("bob", "m1")
            alice.send("bob", "m2")
            await bob.messages(2)

            def told():
                return [pair[0] for one in alice.of("receipt") for pair in one["delivered"]]

            await alice.until(lambda: told() == ["m1", "m2"])
            last = bob.got[-1]["seq"]
            bob.say(t="read", user="alice", seq=last)
            await alice.until(lambda: alice.of("receipt")[-1].get("read") == last)
            assert {one["user"] for one in alice.of("receipt")} == {"bob"}
            assert plain.of("receipt") == bob.of("receipt") == []
            alice.leave()
            await eventually(lambda: not b.gateway.router.askers.count)

    asyncio.run(story())


def test_a_gateway_that_comes_later_learns_who_is_there(nats):
    """And a broadcast to everybody reaches those at other gateways."""

    async def story():
        space = uuid.uuid4().hex
        async with gateways([nats.url], 1, space) as (a,):
            users = [await Talker.connect(a, f"u{n}") for n in range(20)]
            async with gateways([nats.url], 1, space) as (b,):
                await eventually(lambda: len(b.gateway.router.presence.everybody()) == 20)
                shop = await Talker.connect(b, "shop")
                shop.say(t="broadcast", id="news", body="all")
                for user in users:
                    assert await user.messages(1) == ["news"]

    asyncio.run(story())


def test_the_users_of_a_gateway_that_died_are_gone(nats):
    """It said nothing: after a while nobody believes that they are there."""

    async def story():
        space = uuid.uuid4().hex
        async with gateways([nats.url], 1, space) as (a,):
            dying = Node([nats.url], space, stop_seconds=0.1)
            await dying.start()
            bob = await Talker.connect(dying, "bob")
            await eventually(lambda: a.gateway.router.presence.online("bob"))
            # as if it were killed: nothing of it moves any more, and it says no good-bye
            await dying.gateway.supervisor.stop()
            await dying.cluster.log.close()
            await dying.cluster.link.close()
            await eventually(lambda: not a.gateway.router.presence.online("bob"))
            assert a.cluster.neighbours.gateways == []
            bob.leave()
            await dying.gateway.stop()

    asyncio.run(story())


def test_nothing_acknowledged_is_lost_when_nats_restarts(tmp_path, sqlite_template):
    """What was sent while it is away is held, acknowledged when it is back, and delivered once. Who
    asked over HTTP is told to ask again before that.
    """

    async def story(server, desk):
        async with gateways([server.url], 2) as (a, b):
            alice, bob = await Talker.connect(a, "alice"), await Talker.connect(b, "bob")
            alice.send("bob", "before")
            await bob.messages(1)
            server.kill()
            await eventually(lambda: not a.cluster.link.up.is_set())
            for n in range(100):
                alice.send("bob", f"m{n}")
            await eventually(lambda: a.gateway.stats.accepted == 101)
            assert alice.safe == 1
            desk.gateway, desk.patience_seconds = a.gateway, 0.05
            with pytest.raises(Unavailable):
                await desk.take(Identity("alice"), Send(id="asked", to="bob", body=b"1"))
            server.start()
            await alice.acked(101)
            names = ["before", *(f"m{n}" for n in range(100)), "asked"]
            assert await bob.messages(102) == names
            # the other way too: each side found its way back
            bob.send("alice", "answer")
            assert await alice.messages(1) == ["answer"]

    (tmp_path / "khata.db").write_bytes(sqlite_template.read_bytes())
    with (
        nats_servers(tmp_path) as (server,),
        Khata.open(f"sqlite:///{tmp_path / 'khata.db'}") as book,
        contextlib.closing(Threads()) as threads,
    ):
        asyncio.run(story(server, GatewayDesk(None, book, threads, persisted=lambda: None)))


def test_a_gateway_starts_while_nats_is_away_and_joins_when_it_comes(tmp_path):
    """It waits; it does not fail."""

    async def story(server):
        node = Node([server.url], uuid.uuid4().hex)
        starting = asyncio.ensure_future(node.start())
        await eventually(lambda: node.cluster.link.client.last_error is not None)
        assert not starting.done()
        server.start()
        await asyncio.wait_for(starting, DEADLINE)
        await node.stop()

    with nats_servers(tmp_path) as (server,):
        server.kill()
        asyncio.run(story(server))


def test_who_is_elsewhere_waits_nowhere_here(nats, tmp_path, sqlite_template):
    """A gateway keeps no copies for users of another one, drops none, and when they come to it they
    get what they had not got, in order.
    """

    async def story(book, history):
        store = MessageStore(book.database, book.book_id)
        async with gateways([nats.url], 2, history=history.waiting, queue=5) as (a, b):
            storing = Storing(a.cluster.link, a.cluster.log, store, pace=Pace(8, 0.02))
            a.gateway.supervisor.start("storing", storing.run)
            bob = await Talker.connect(b, "bob")
            bob.answers = False
            alice = await Talker.connect(a, "alice")
            await eventually(lambda: a.gateway.router.presence.online("bob"))
            for n in range(30):
                alice.send("bob", f"m{n}")
            await bob.messages(30)
            await alice.acked(30)
            await eventually(lambda: a.cluster.follower.place == b.cluster.follower.place)
            assert (len(a.gateway.router.queues), a.gateway.router.queues.dropped) == (0, 0)
            bob.leave()
            again = await Talker.connect(a, "bob")
            assert await again.messages(30) == [f"m{n}" for n in range(30)]
            assert again.of("gap") == []
            await eventually(lambda: not a.gateway.router.passed)

    (tmp_path / "khata.db").write_bytes(sqlite_template.read_bytes())
    with (
        Khata.open(f"sqlite:///{tmp_path / 'khata.db'}") as book,
        contextlib.closing(History(book.database, book.book_id)) as history,
    ):
        asyncio.run(story(book, history))


def test_what_is_stored_before_it_was_seen_here_overtakes_nothing(nats):
    """Another gateway stores it first: it comes by the stream, in its place."""

    async def ahead(_user, _after, _limit):
        return [Message(number(10**6, 0), "newer", "alice", "normal", b'{"t":"msg","id":"newer"}')]

    async def story():
        async with gateways([nats.url], 1, history=ahead) as (a,):
            alice, bob = await Talker.connect(a, "alice"), await Talker.connect(a, "bob")
            alice.send("bob", "older")
            assert await bob.messages(1) == ["older"]

    asyncio.run(story())


def test_what_is_asked_for_again_comes_when_all_of_it_is_stored(nats, tmp_path, sqlite_template):
    """Another gateway stores what came later first: it is not sent before what came earlier."""

    async def story(book, history):
        store = MessageStore(book.database, book.book_id)
        async with gateways([nats.url], 1, history=history.waiting) as (a,):
            alice, bob = await Talker.connect(a, "alice"), await Talker.connect(a, "bob")
            for name in ("m0", "m1"):
                alice.send("bob", name)
                await alice.acked(alice.sent)
            assert await bob.messages(2) == ["m0", "m1"]
            batch, later = Batch(), bob.got[1]
            line = a_message(later["seq"], "alice", "bob", id="m1")
            batch.add(read(b"[" + line + b"]"))
            store.write(batch)
            bob.say(t="resume", after=0)
            alice.send("bob", "m2")
            await alice.acked(3)
            storing = Storing(a.cluster.link, a.cluster.log, store, pace=Pace(8, 0.02))
            a.gateway.supervisor.start("storing", storing.run)
            assert (await bob.messages(5))[2:] == ["m0", "m1", "m2"]
            assert bob.of("gap") == []

    (tmp_path / "khata.db").write_bytes(sqlite_template.read_bytes())
    with (
        Khata.open(f"sqlite:///{tmp_path / 'khata.db'}") as book,
        contextlib.closing(History(book.database, book.book_id)) as history,
    ):
        asyncio.run(story(book, history))


def test_over_http_nothing_is_passed_over(nats, tmp_path, sqlite_template):
    """What was stored before what stands in front of it is not shown before that is there."""

    async def story(book, desk):
        store = MessageStore(book.database, book.book_id, shared=True)
        async with gateways([nats.url], 1) as (a,):
            alice, bob = await Talker.connect(a, "alice"), await Talker.connect(a, "bob")
            for name in ("m0", "m1"):
                alice.send("bob", name)
                await alice.acked(alice.sent)
            await bob.messages(2)
            batch = Batch()
            old = a_message(1, "alice", "bob", id="old")
            new = a_message(bob.got[1]["seq"], "alice", "bob", id="m1")
            batch.add(read(b"[%b,%b]" % (old, new)))
            store.write(batch)
            desk.settled = a.cluster.settled

            async def ids():
                return [one.id for one in (await desk.after("bob", 0, 10)).messages]

            assert await ids() == ["old"]
            storing = Storing(a.cluster.link, a.cluster.log, store, pace=Pace(8, 0.02))
            a.gateway.supervisor.start("storing", storing.run)
            async with asyncio.timeout(DEADLINE):
                while (found := await ids()) != ["old", "m0", "m1"]:
                    assert found in (["old"], ["old", "m0"])

    (tmp_path / "khata.db").write_bytes(sqlite_template.read_bytes())
    with (
        Khata.open(f"sqlite:///{tmp_path / 'khata.db'}") as book,
        contextlib.closing(Threads()) as threads,
    ):
        asyncio.run(story(book, GatewayDesk(None, book, threads, persisted=lambda: None)))


def test_who_comes_over_while_nats_is_away_waits_for_it(tmp_path, sqlite_template):
    """What they had not got comes when NATS is back and it is stored, before what is newer."""

    async def story(server, book, history):
        store = MessageStore(book.database, book.book_id)
        async with gateways([server.url], 2, history=history.waiting) as (a, b):
            bob = await Talker.connect(b, "bob")
            bob.answers = False
            alice = await Talker.connect(a, "alice")
            await eventually(lambda: a.gateway.router.presence.online("bob"))
            alice.send("bob", "m0")
            await bob.messages(1)
            await eventually(lambda: "bob" in a.gateway.router.passed)
            server.kill()
            await eventually(lambda: not a.cluster.link.up.is_set())
            again = await Talker.connect(a, "bob")
            alice.send("bob", "m1")
            server.start()
            await alice.acked(2)
            assert again.got == []
            storing = Storing(a.cluster.link, a.cluster.log, store, pace=Pace(8, 0.02))
            a.gateway.supervisor.start("storing", storing.run)
            assert await again.messages(2) == ["m0", "m1"]
            assert again.of("gap") == []

    (tmp_path / "khata.db").write_bytes(sqlite_template.read_bytes())
    with (
        nats_servers(tmp_path) as (server,),
        Khata.open(f"sqlite:///{tmp_path / 'khata.db'}") as book,
        contextlib.closing(History(book.database, book.book_id)) as history,
    ):
        asyncio.run(story(server, book, history))


def test_what_no_gateway_understands_stops_none(nats):
    """A record of a newer one, or of nobody, is passed over, and told."""

    async def story():
        async with gateways([nats.url], 2) as (a, b):
            alice, bob = await Talker.connect(a, "alice"), await Talker.connect(b, "bob")
            js, log = a.cluster.link.stream, a.cluster.log
            for content in (b'[{"t":"newer","seq":0}]', b"no batch", b'[{"t":"mark","x":1}]'):
                await js.publish(log.subject, content)
            alice.send("bob", "behind it")
            assert await bob.messages(1) == ["behind it"]
            for node in (a, b):
                assert {part["restarts"] for part in node.gateway.supervisor.shown().values()} == {
                    0
                }

    asyncio.run(story())


def test_a_message_from_this_process_is_safe_when_it_is_answered(nats):
    """`post` returns when JetStream has it, and it is delivered elsewhere."""

    async def story():
        async with gateways([nats.url], 2) as (a, b):
            bob = await Talker.connect(b, "bob")
            shop = Identity("shop", frozenset({"service"}))
            asked = Send(id="s1", to="bob", body=b'"paid"')
            await asyncio.wait_for(a.gateway.post(shop, asked), DEADLINE)
            assert await bob.messages(1) == ["s1"]

    asyncio.run(story())


def place(book):
    """How far in the journal owners were told; None before that began."""
    with book.database.reading() as connection:
        return connection.scalar(sa.select(CONSUMERS.c.seq).where(CONSUMERS.c.name == CONSUMER))


def test_money_is_told_at_whichever_gateway_its_owner_is(nats, database_url, tmp_path):
    """Two gateways as they are served, over NATS by configuration alone: what a wallet receives is
    a message to its owner, once, and is stored.
    """

    async def listen(served, book):
        alice = await Talker.connect(served.port, token("alice"))
        await asyncio.to_thread(book.submit, Credit(ALICE, bdt("5.00")))
        await alice.messages(1)
        (got,) = alice.got
        alice.leave()
        return got

    with a_book(database_url, alice="0") as book, contextlib.ExitStack() as stack:
        served = []
        for _ in range(2):
            served.append(Beside(database_url, tmp_path, KHATA_MESSAGING_NATS=nats.url).start())
            stack.callback(served[-1].stop)
        until(lambda: place(book) is not None)
        got = asyncio.run(listen(served[1], book))
        assert (got["from"], got["to"]) == ("khata", "alice")
        assert (got["body"]["type"], got["body"]["data"]["amount"]) == ("money.credited", "5.00")
        history = History(book.database, book.book_id)
        until(lambda: [one.id for one in history.after("alice", 0).messages] == [got["id"]])
        history.close()
        shows_what_was_stored(served)


def shows_what_was_stored(served):
    """One of the gateways that share the work has stored it, and says so in both forms."""

    def asked(one):
        headers = {"authorization": f"Bearer {a_key(one.environ['KHATA_DATABASE_URL'])}"}
        with httpx.Client(base_url=one.url, headers=headers) as http:
            return http.get("/v1/messaging/stats").json(), http.get("/metrics").text

    def told():
        found = [asked(one) for one in served]
        return next((one for one in found if one[0]["persister"].get("records")), None)

    stats, figures = until(told, "a persister's figures")
    assert stats["persister"].keys() >= {"success", "lag", "failures", "aside"}
    assert stats["persister"]["success"] == 1.0
    assert stats["gateway"].keys() >= {"rss_mb", "uptime_seconds", "p50_us", "p99_us"}
    until(lambda: "stored_per_second" in asked(served[0])[0]["gateway"], "rates")
    for name in (
        "persister_records_total",
        "persister_success_ratio",
        "persister_lag_bytes",
        "accepted_per_second",
        "resident_bytes",
        "uptime_seconds",
        'latency_seconds{quantile="0.99"}',
    ):
        assert f"khata_messaging_{name} " in figures
