"""The gateway over real sockets: what it promises, and all that can be done to it."""

import asyncio
import json
import resource
import socket
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import get_args

import pytest
import uvloop
from picows import WSMsgType, ws_connect

from khata.errors import DatabaseUnavailable, Unauthenticated
from khata.messaging.gateway import Gateway
from khata.messaging.model import Identity, Message, Said, Send
from khata.messaging.options import Options
from khata.messaging.spool import Spool
from khata.messaging.wire import message_of, read
from tests.clustering import Talker, eventually, identify

DEADLINE = 20
ROOT = Path(__file__).parents[2]


@asynccontextmanager
async def gateway(folder, who=identify, *, history=None, seq=0, **options):
    """A gateway with a spool of its own."""
    folder.mkdir(mode=0o700, exist_ok=True)
    spool = Spool(folder)
    quick = {"port": 0, "mark_seconds": 0.05, "tick_seconds": 0.02} | options
    found = Gateway(Options(**quick), who, spool, seq=max(seq, spool.seq), history=history)
    spool.start(asyncio.get_running_loop(), found.durable)
    await found.start()
    try:
        yield found
    finally:
        await found.stop()
        spool.close()


def run(story):
    """A story with a deadline, on the loop that serves people."""
    uvloop.run(asyncio.wait_for(story, DEADLINE))


async def closed(talker):
    """Until it is closed; the code by which."""
    await talker.until(lambda: talker.closed or talker.transport.close_handshake is not None)
    handshake = talker.transport.close_handshake
    return handshake.recv.code.value if handshake and handshake.recv else None


async def unknown(port, credential):
    """A connection of which nobody knows yet whether it is let in."""
    url = f"ws://127.0.0.1:{port}/v1/messaging?token={credential}"
    return (await ws_connect(Talker, url, use_aiofastnet=False))[1]


def raw(talker, data, kind=WSMsgType.TEXT, **how):
    talker.transport.send(kind, data, **how)


def test_what_is_acknowledged_is_on_disk(tmp_path):
    """As many as were sent are safe, and another process would find them on the spool."""

    async def story():
        async with gateway(tmp_path / "spool") as found:
            alice = await Talker.connect(found.port, "alice")
            bob = await Talker.connect(found.port, "bob")
            for n in range(300):
                alice.send("bob", f"m{n}")
            await alice.acked(300)
            lines = [read(record) for record in found._log.records()]
            assert [line.id for line in lines][:300] == [f"m{n}" for n in range(300)]
            assert await bob.messages(300) == [f"m{n}" for n in range(300)]
            assert found.stats.safe == found.stats.accepted == 300
            assert found.stats.latency.total > 0

    run(story())


def test_a_message_from_within_is_kept_before_it_is_answered(tmp_path):
    """What a door of this process posts is on disk when the answer comes, and is delivered."""

    async def story():
        async with gateway(tmp_path / "spool") as found:
            bob = await Talker.connect(found.port, "bob")
            await found.post(Identity("alice"), Send("m", b"1", "bob"))
            assert [read(record).id for record in found._log.records()] == ["m"]
            assert await bob.messages(1) == ["m"]

    run(story())


@pytest.mark.parametrize("credential", ["", "forged", "x" * 10_000])
def test_a_stranger_is_told_why_and_turned_away(tmp_path, credential):
    """Nothing that they say meanwhile counts."""

    async def nobody(_):
        raise Unauthenticated("This token is not valid.")

    async def story():
        async with gateway(tmp_path / "spool", nobody) as found:
            eve = await unknown(found.port, credential)
            eve.send("bob", "m")
            assert await closed(eve) == 1008
            assert eve.said[0]["code"] == "unauthenticated"
            assert (found.stats.accepted, len(found.router.users)) == (0, 0)
            assert found.stats.refused == {"unauthenticated": 1}

    run(story())


def test_a_credential_that_is_no_longer_good_ends_its_connection(tmp_path):
    """It is asked about again when its time is over."""
    good = {"alice"}

    async def who(token):
        if token not in good:
            raise Unauthenticated("This token is not valid.")
        return Identity(token, until=0.0)

    async def story():
        async with gateway(tmp_path / "spool", who) as found:
            alice = await Talker.connect(found.port, "alice")
            good.clear()
            assert await closed(alice) == 1008

    run(story())


def test_what_is_said_before_one_is_let_in_counts_afterwards(tmp_path):
    """A client need not wait for the greeting."""
    known = asyncio.Event()

    async def slowly(token):
        await known.wait()
        return Identity(token)

    async def story():
        async with gateway(tmp_path / "spool", slowly) as found:
            alice = await unknown(found.port, "alice")
            alice.send("alice", "early")
            await eventually(lambda: found._connections)
            known.set()
            assert await alice.messages(1) == ["early"]
            await alice.acked(1)

    run(story())


@pytest.mark.parametrize(
    ("data", "kind", "code"),
    [
        (b"{", WSMsgType.TEXT, 1007),
        (b'{"t":"send","id":"m","to":"bob","body":"\xff"}', WSMsgType.TEXT, 1007),
        (b'{"t":"send","id":"m","to":"bob","body":' + b"[" * 20_000, WSMsgType.TEXT, 1007),
        (b"\x00\x01", WSMsgType.BINARY, 1003),
        (b" " * 300_000, WSMsgType.TEXT, 1009),
    ],
    ids=["cut", "not utf-8", "endless", "binary", "oversized"],
)
def test_what_makes_no_sense_closes_its_own_connection(tmp_path, data, kind, code):
    """With the code that says why; the others do not notice."""

    async def story():
        async with gateway(tmp_path / "spool") as found:
            eve = await Talker.connect(found.port, "eve")
            bob = await Talker.connect(found.port, "bob")
            raw(eve, data, kind)
            assert await closed(eve) == code
            bob.send("bob", "m")
            assert await bob.messages(1) == ["m"]

    run(story())


def test_a_frame_in_pieces_is_not_taken(tmp_path):
    """One message of the protocol is one frame."""

    async def story():
        async with gateway(tmp_path / "spool") as found:
            eve = await Talker.connect(found.port, "eve")
            raw(eve, b'{"t":"send",', fin=False)
            assert await closed(eve) == 1003

    run(story())


LONG = {"t": "send", "id": "m", "to": "bob", "body": "x" * 40_000}
BAD_PRIORITY = {"t": "send", "id": "m", "to": "bob", "body": 1, "p": "urgent"}
BAD = [
    {"t": "send", "id": "m", "body": 1},
    {"t": "send", "id": "", "to": "bob", "body": 1},
    {"t": "send", "id": "m", "to": "bob"},
    {"t": "send", "id": "m", "to": "b\0b", "body": 1},
    LONG,
    BAD_PRIORITY,
    {"t": "send", "id": "m", "to": "bob", "body": 1, "from": "carol"},
    {"t": "send", "id": "m", "c": "nowhere", "body": 1},
    {"t": "broadcast", "id": "m", "body": 1},
]


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: json.dumps(bad)[:60])
def test_what_cannot_be_done_is_refused_by_its_place(tmp_path, bad):
    """The refusal names the message; those before and after it, in the same frame, are taken."""

    async def story():
        async with gateway(tmp_path / "spool") as found:
            eve = await Talker.connect(found.port, "eve")
            good = [{"t": "send", "id": f"g{n}", "to": "eve", "body": n} for n in range(2)]
            raw(eve, json.dumps([good[0], bad, good[1]]).encode())
            assert await eve.messages(2) == ["g0", "g1"]
            await eve.until(lambda: eve.safe == 3)
            (refusal,) = eve.of("no")
            assert (refusal["n"], refusal.get("id")) == (2, bad["id"])
            assert refusal["code"] in {"invalid_input", "forbidden", "not_found"}

    run(story())


@pytest.mark.parametrize(
    ("bad", "details"),
    [
        ({"t": "what"}, {"expected": [kind.__name__.lower() for kind in get_args(Said)]}),
        (BAD_PRIORITY, {"expected": ["high", "normal", "low"]}),
        ({"t": "got", "n": 9}, {"expected": 0, "got": 9}),
        (LONG, {"expected": 32_768, "got": 40_002}),
    ],
    ids=["kind", "priority", "count", "length"],
)
def test_a_refusal_says_what_was_expected(tmp_path, bad, details):
    """As the same error does over HTTP."""

    async def story():
        async with gateway(tmp_path / "spool") as found:
            eve = await Talker.connect(found.port, "eve")
            raw(eve, json.dumps(bad).encode())
            await eve.until(lambda: eve.of("no"))
            assert eve.of("no")[0]["details"] == details

    run(story())


@pytest.mark.parametrize("bad", [{"t": "got", "n": 9}, {"t": "what"}, 7, {"t": "read", "seq": 1}])
def test_what_is_not_a_message_is_refused_without_a_place(tmp_path, bad):
    """It does not count among those that are acknowledged."""

    async def story():
        async with gateway(tmp_path / "spool") as found:
            eve = await Talker.connect(found.port, "eve")
            eve.answers = False
            raw(eve, json.dumps(bad).encode())
            await eve.until(lambda: eve.of("no"))
            assert eve.of("no")[0]["n"] == 0
            eve.send("eve", "m")
            await eve.acked(1)

    run(story())


async def deaf(port, user, buffer=4096):
    """A connection that never reads: a socket of its own, with little room."""
    loop = asyncio.get_running_loop()
    found = socket.socket()
    found.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    found.setblocking(False)
    await loop.sock_connect(found, ("127.0.0.1", port))
    ask = (
        f"GET /v1/messaging?token={user} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    await loop.sock_sendall(found, ask.encode())
    assert b"101" in await loop.sock_recv(found, 64)
    return found


def test_a_consumer_that_never_reads_takes_no_more_than_its_share(tmp_path):
    """It is sent a bounded part, the rest waits, in the end it is cut off and nothing is lost."""

    async def story():
        async with gateway(tmp_path / "spool", slow_seconds=0.3, rate=10**6) as found:
            alice = await Talker.connect(found.port, "alice")
            with await deaf(found.port, "bob"):
                await eventually(lambda: found.router.sessions("bob"))
                (peer,) = found.router.sessions("bob")
                for n in range(2000):
                    alice.send("bob", f"m{n}", body="x" * 8000)
                await alice.acked(2000)
                assert peer.paused
                assert peer.socket.unsent() < 3_000_000
                await eventually(lambda: not found.router.sessions("bob"))
            assert found.stats.slow == 1
            bob = await Talker.connect(found.port, "bob")
            assert await bob.messages(2000) == [f"m{n}" for n in range(2000)]

    run(story())


def test_one_that_never_says_what_it_got_is_cut_off(tmp_path):
    """It reads, so only its window shows it."""

    async def story():
        async with gateway(tmp_path / "spool", slow_seconds=0.2, window=10) as found:
            alice = await Talker.connect(found.port, "alice")
            bob = await Talker.connect(found.port, "bob")
            bob.answers = False
            for n in range(11):
                alice.send("bob", f"m{n}")
            assert await closed(bob) == 1008
            assert len(bob.got) == 10

    run(story())


def test_a_half_open_connection_is_found(tmp_path):
    """Whoever answers no ping is gone; whoever does may be silent for ever."""

    async def story():
        async with gateway(tmp_path / "spool", ping_seconds=0.1, pong_seconds=0.2) as found:
            alice = await Talker.connect(found.port, "alice")
            with await deaf(found.port, "bob"):
                await eventually(lambda: found.router.presence.online("bob"))
                await eventually(lambda: not found.router.presence.online("bob"))
            assert found.router.presence.online("alice")
            assert not alice.closed

    run(story())


def test_there_are_no_more_connections_than_allowed(tmp_path):
    """Of one user, and in all; one that ends makes room."""

    async def story():
        async with gateway(tmp_path / "spool", sessions=2, connections=4) as found:
            bobs = [await Talker.connect(found.port, "bob") for _ in range(2)]
            third = await unknown(found.port, "bob")
            assert await closed(third) == 1008
            assert third.said[0]["code"] == "rate_limited"
            await eventually(lambda: len(found._connections) == 2)
            others = [await Talker.connect(found.port, name) for name in ("carol", "dan")]
            with pytest.raises(Exception, match="503"):
                await Talker.connect(found.port, "eve")
            others[0].leave()
            await eventually(lambda: len(found._connections) == 3)
            await Talker.connect(found.port, "eve")
            assert not bobs[0].closed

    run(story())


@pytest.mark.parametrize(
    "request_", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01" * 9, b"POST /v1/messaging HTTP/1.1\r\n"]
)
def test_what_is_no_handshake_does_no_harm(tmp_path, request_):
    """Other protocols, other paths."""

    async def story():
        async with gateway(tmp_path / "spool") as found:
            reader, writer = await asyncio.open_connection("127.0.0.1", found.port)
            writer.write(request_ + b"\r\n\r\n")
            assert b"101" not in await reader.read(64)
            writer.close()
            await Talker.connect(found.port, "bob")

    run(story())


def test_all_may_come_and_go_at_once(tmp_path, soak):
    """Ten thousand sockets open together and close together (a few hundred in the suite)."""
    count = 10_000 if soak else 300
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    async def story():
        async with gateway(tmp_path / "spool") as found:
            comers = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.edge.comers", str(found.port), str(count)),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                cwd=ROOT,
            )
            assert await comers.stdout.readline() == b"in\n"
            assert found.stats.connections == count
            comers.stdin.write(b"go\n")
            await eventually(lambda: not found._connections)
            assert await comers.wait() == 0
            assert found.stats.connections == 0
            assert not list(found.router.presence.here)
            bob = await Talker.connect(found.port, "bob")
            bob.send("bob", "m")
            await bob.acked(1)

    try:
        uvloop.run(asyncio.wait_for(story(), 60 if soak else DEADLINE))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_stopping_keeps_and_tells_everything(tmp_path):
    """What was sent before is acknowledged before the good-bye, and found by the next gateway."""

    async def story():
        async with gateway(tmp_path / "spool") as found:
            alice = await Talker.connect(found.port, "alice")
            for n in range(500):
                alice.send("bob", f"m{n}")
            await eventually(lambda: found.stats.accepted == 500)
        assert await closed(alice) == 1001
        assert alice.safe == 500
        spool = Spool(tmp_path / "spool")
        found = [read(record) for record in spool.records()]
        spool.close()
        assert [line.id for line in found if hasattr(line, "id")] == [f"m{n}" for n in range(500)]

    run(story())


def test_long_frames_arrive_whole(tmp_path):
    """Also when several are under way at once, in both directions."""

    async def story():
        async with gateway(tmp_path / "spool") as found:
            alice = await Talker.connect(found.port, "alice")
            bob = await Talker.connect(found.port, "bob")
            texts = [str(n) * 30_000 for n in range(10)] * 10
            for n, text in enumerate(texts):
                alice.send("bob", f"m{n}", body=text)
            await bob.messages(len(texts))
            assert [line["body"] for line in bob.got] == texts

    run(story())


class Book:
    """What a database would have of one user, as a history: it is asked page by page."""

    def __init__(self, count):
        lines = [(n, f'{{"t":"msg","seq":{n},"id":"h{n}"}}'.encode()) for n in range(1, count + 1)]
        self.messages = [Message(n, f"h{n}", "alice", "normal", line) for n, line in lines]
        self.asked = []
        self.there = asyncio.Event()
        self.there.set()
        self.away = False

    async def history(self, user, after, most):
        self.asked.append((user, after))
        await self.there.wait()
        if self.away:
            raise DatabaseUnavailable("The database cannot be reached.")
        return [m for m in self.messages if user == "bob" and m.seq > (after or 0)][:most]


def test_who_comes_first_gets_what_the_database_has_and_then_the_rest(tmp_path):
    """Many pages, at the pace of who reads; what is sent meanwhile comes behind, once."""

    async def story():
        book = Book(2_300)
        book.there.clear()
        async with gateway(tmp_path / "spool", history=book.history, seq=10_000) as found:
            bob = await Talker.connect(found.port, "bob")
            alice = await Talker.connect(found.port, "alice")
            alice.send("bob", "new")
            await alice.acked(1)
            book.there.set()
            assert await bob.messages(2_301) == [*(f"h{n}" for n in range(1, 2_301)), "new"]
            pages = [after for user, after in book.asked if user == "bob"]
            assert pages == [None, 500, 1000, 1500, 2000]
            await bob.until(lambda: bob.of("at") and bob.of("at")[-1]["seq"] == 10_001)

    run(story())


def test_who_waits_for_the_database_is_not_slow(tmp_path):
    """However long that takes; who does not say what it got is cut off meanwhile."""

    async def story():
        book = Book(3)
        async with gateway(
            tmp_path / "spool", history=book.history, seq=10, slow_seconds=0.2, window=10
        ) as found:
            alice = await Talker.connect(found.port, "alice")
            carol = await Talker.connect(found.port, "carol")
            await eventually(lambda: not any(p.loading for p in found.router.sessions("carol")))
            carol.answers = False
            book.there.clear()
            bob = await Talker.connect(found.port, "bob")
            alice.send("bob", "new")
            for n in range(11):
                alice.send("carol", f"m{n}")
            # she has kept messages waiting for a shorter time than he
            assert await closed(carol) == 1008
            assert not bob.closed
            book.there.set()
            assert await bob.messages(4) == ["h1", "h2", "h3", "new"]

    run(story())


def test_who_leaves_while_it_is_loaded_loses_nothing(tmp_path):
    """The next connection begins where nothing is known to have been delivered."""

    async def story():
        book = Book(1_200)
        async with gateway(tmp_path / "spool", history=book.history, window=100) as found:
            bob = await Talker.connect(found.port, "bob")
            bob.answers = False
            await bob.messages(500)
            bob.leave()
            await eventually(lambda: not found.router.sessions("bob"))
            again = await Talker.connect(found.port, "bob")
            assert set(await again.messages(1_200)) == {f"h{n}" for n in range(1, 1_201)}

    run(story())


def test_resuming_sends_again_what_came_after(tmp_path):
    """Also when it is asked for while something is loaded already."""

    async def story():
        book = Book(10)
        async with gateway(tmp_path / "spool", history=book.history) as found:
            bob = await Talker.connect(found.port, "bob")
            await bob.messages(10)
            book.there.clear()
            bob.say(t="resume", after=7)
            bob.say(t="resume", after=5)
            await eventually(lambda: ("bob", 7) in book.asked)
            book.there.set()
            # those of the first that were got meanwhile come with the second once more
            await bob.until(lambda: {"h6", "h7"} <= set(bob.ids()[10:]))
            assert bob.ids()[10:15] == ["h8", "h9", "h10", "h6", "h7"]

    run(story())


def test_what_is_asked_for_again_comes_again_all_of_it(tmp_path):
    """Also what was sent already, and not yet said to have been got."""

    async def story():
        async with gateway(tmp_path / "spool", history=Book(3).history) as found:
            bob = await Talker.connect(found.port, "bob")
            bob.answers = False
            await bob.messages(3)
            bob.say(t="resume", after=1)
            assert await bob.messages(5) == ["h1", "h2", "h3", "h2", "h3"]

    run(story())


def test_a_gap_begins_where_the_earliest_of_what_was_wanted_does(tmp_path):
    """A user comes, asks for a part, and the database fails to answer either."""

    async def story():
        book = Book(3)
        book.there.clear()
        async with gateway(tmp_path / "spool", history=book.history, seq=10) as found:
            bob = await Talker.connect(found.port, "bob")
            bob.say(t="resume", after=2)
            await eventually(lambda: any(p.again == 2 for p in found.router.sessions("bob")))
            book.away = True
            book.there.set()
            await bob.until(lambda: bob.of("gap"))
            assert bob.of("gap") == [{"t": "gap", "after": 0, "dropped": 0}]
            book.away = False
            bob.say(t="resume", after=0)
            assert await bob.messages(3) == ["h1", "h2", "h3"]
            await bob.until(lambda: bob.of("at"))

    run(story())


def test_without_the_database_there_is_a_gap_and_service_goes_on(tmp_path):
    """Who comes is told that something may be missing; the next time it is looked for again."""

    async def story():
        book = Book(3)
        book.away = True
        async with gateway(tmp_path / "spool", history=book.history, seq=10) as found:
            bob = await Talker.connect(found.port, "bob")
            bob.send("bob", "m")
            assert await bob.messages(1) == ["m"]
            assert bob.of("gap") == [{"t": "gap", "after": 0, "dropped": 0}]
            bob.leave()
            book.away = False
            again = await Talker.connect(found.port, "bob")
            assert set(await again.messages(3)) >= {"h1", "h2", "h3"}

    run(story())


def test_a_full_queue_is_completed_from_the_database(tmp_path):
    """What was dropped from memory comes out of what was kept, in order, when there is room."""
    place = []

    async def history(user, after, most):
        lines = [one for one in place[0]._log.records() if b'"to":"%b"' % user.encode() in one]
        return [message_of(read(one), one) for one in lines if read(one).seq > (after or 0)][:most]

    async def story():
        async with gateway(tmp_path / "spool", history=history, queue=5, window=2) as found:
            place.append(found)
            alice, bob = [await Talker.connect(found.port, n) for n in ("alice", "bob")]
            await eventually(lambda: not any(p.loading for p in found.router.sessions("bob")))
            bob.answers = False
            for n in range(20):
                alice.send("bob", f"m{n}")
            await alice.acked(20)
            bob.answers = True
            bob.say(t="got", n=len(bob.got))
            await bob.until(lambda: {f"m{n}" for n in range(20)} <= set(bob.ids()))
            assert bob.of("gap")[0]["dropped"] == 13
            assert list(dict.fromkeys(bob.ids())) == [f"m{n}" for n in range(20)]

    run(story())
