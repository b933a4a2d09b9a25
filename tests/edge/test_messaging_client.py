"""The clients of messaging over real sockets: gateways that come and go, the database beneath."""

import asyncio
import base64
import contextlib
import hashlib
import queue
import random
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from khata.edge.client import Patience
from khata.edge.client.messages import AsyncMessagingClient, MessagingClient
from khata.engine.database import Database
from khata.errors import Closing, Forbidden, Invalid, NotFound, Unauthenticated, Unavailable
from khata.messaging.tables import MESSAGES, OUTBOX
from tests.edge.gateway_beside import Beside, a_gateway, token, until
from tests.edge.serving import a_key, free_port


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gateway")
    url = f"sqlite:///{folder / 'khata.db'}"
    service = a_key(url)
    with a_gateway(url, folder) as found:
        found.service = service
        yield found


def client(gateway, user, **options):
    """The client of an owner, or of who has a key."""
    credential = user if user.startswith("kh_") else token(user)
    return MessagingClient(gateway.url, credential, **options)


def rows(database_url, table=MESSAGES):
    """Who sent what, as it is in the database, in the order of its numbers."""
    database = Database(database_url)
    order = table.c.seq if table is MESSAGES else table.c.at
    with database.reading() as connection:
        found = connection.execute(sa.select(table.c.sender, table.c.id).order_by(order)).all()
    database.close()
    return [tuple(row) for row in found]


def test_messages_come_as_they_are_sent(gateway):
    """Over HTTP and over a socket, with everything that was said of them."""
    with client(gateway, "alice") as alice, client(gateway, "bob") as bob:
        assert alice.health_check().status == "ok"
        with bob.listen() as messages:
            taken = alice.send_message("bob", {"text": "one"}, id="t1", priority="high")
            assert (taken.id, taken.by) == ("t1", "gateway")
            found = messages.next(10)
            assert (found.id, found.sender, found.to, found.p) == ("t1", "alice", "bob", "high")
            assert found.body == {"text": "one"}
            messages.send_message("alice", "two", id="t2")
        assert [m.id for m in alice.get_user_messages().messages] == ["t2"]
        assert [m.id for m in alice.messages_with("bob").messages] in (["t1", "t2"], ["t1"], [])
        assert alice.send_message("bob", None).id != alice.send_message("bob", None).id


def test_a_service_sends_to_many_and_for_others(gateway):
    """Owners do not."""
    with client(gateway, gateway.service) as shop, client(gateway, "carl") as carl:
        with carl.listen() as messages:
            shop.broadcast_message("sale", ["carl", "dora"], sender="shop")
            assert (first := messages.next(10)).sender == "shop"
            assert (first.to, first.c) == (None, None)
        with pytest.raises(Forbidden):
            carl.broadcast_message("mine")
        with pytest.raises(Forbidden):
            carl.send_message("bob", 1, sender="shop")
        with carl.listen() as messages, pytest.raises(Forbidden):
            messages.send_message("bob", 1, sender="shop")


def test_conversations_receipts_and_presence_are_told(gateway):
    """As events, to who listens for them."""
    events = []
    with client(gateway, "eva") as eva, client(gateway, "fritz") as fritz:
        eva.change_conversation("duo", add=["fritz"])
        assert eva.conversations()[0].members == ["eva", "fritz"]
        with eva.listen(receipts=True, on_event=events.append) as talk:
            talk.watch(["fritz"])
            talk.send_message(None, "hello", c="duo", id="r1")
            with fritz.listen() as messages:
                found = messages.next(10)
                assert found.c == "duo"
                messages.read(found.seq, c="duo")
                until(lambda: any(e["t"] == "receipt" and e.get("read") for e in events))
            until(lambda: {"t": "presence", "user": "fritz", "online": False} in events)
        assert [m.id for m in fritz.messages_in("duo").messages] in (["r1"], [])
    assert {"t": "presence", "user": "fritz", "online": True} in events
    with client(gateway, "gerd") as gerd, pytest.raises(NotFound):
        gerd.send_message(None, "let me in", c="duo")


def test_who_is_not_let_in_hears_why(gateway):
    """Over HTTP, when listening, and when sending over the socket."""
    with client(gateway, "kh_main_" + "0" * 64, socket=gateway.socket) as nobody:
        with pytest.raises(Unauthenticated):
            nobody.send_message("bob", 1)
        with nobody.listen() as messages:
            with pytest.raises(Unauthenticated):
                messages.next(10)
            with pytest.raises(Unauthenticated):
                messages.send_message("bob", 1)


def test_who_says_nothing_of_who_they_are_hears_how_to(gateway):
    """It is no credential that is not valid."""
    client = MessagingClient(gateway.url, "", socket=gateway.socket)
    with client, client.listen() as messages, pytest.raises(Unauthenticated) as refused:
        messages.next(10)
    assert "Bearer" in refused.value.details["expected"]


def test_who_is_not_told_where_the_gateway_is_hears_why(gateway):
    """It is not asked for ever: neither with a credential that is not valid, nor with no URL."""
    for url, credential, error in (
        (gateway.url, "kh_main_" + "0" * 64, Unauthenticated),
        (gateway.url.removeprefix("http://"), token("alice"), Invalid),
    ):
        with MessagingClient(url, credential) as nobody, nobody.listen() as messages:
            with pytest.raises(error):
                messages.next(10)
            with pytest.raises(error):
                nobody.send_message("bob", 1)


def test_what_makes_no_sense_is_refused(gateway):
    """The others behind it are not."""
    with client(gateway, "hans") as hans, hans.listen() as talk:
        with pytest.raises(Invalid) as refused:
            talk.send_message("bob", "x" * 40_000)
        assert refused.value.details == {"expected": 32_768, "got": 40_002}
        for body in (object(), "\ud800"):
            with pytest.raises(Invalid):
                hans.send_message("bob", body)
            with pytest.raises(Invalid):
                hans.broadcast_message(body)
        assert talk.send_message("bob", "short").by == "gateway"


def test_a_message_that_was_not_dealt_with_comes_again(gateway):
    """One counts as received when the next one is asked for."""
    with client(gateway, "ida") as ida, client(gateway, "jan") as jan:
        for name in ("a", "b"):
            ida.send_message("jan", name, id=name)
        with jan.listen() as messages:
            assert messages.next(10).id == "a"
            assert messages.next(10).id == "b"
            ida.send_message("jan", "c", id="c")
        with jan.listen() as messages:
            assert messages.next(10).id == "c"


def test_one_begins_where_another_stopped(gateway):
    """Behind a number, also with what was received before."""
    with client(gateway, "kim") as kim, client(gateway, "lea") as lea:
        for name in "abc":
            kim.send_message("lea", name, id=name)
        seqs = [m.seq for m in lea.get_user_messages().messages]
        with lea.listen() as messages:
            assert [messages.next(10).id for _ in range(3)] == ["a", "b", "c"]
            with pytest.raises(TimeoutError):
                messages.next(0.05)
            until(lambda: messages.seq == seqs[2])
        with lea.listen(after=seqs[0]) as messages:
            assert [messages.next(10).id for _ in range(2)] == ["b", "c"]


def test_waiting_ends_when_it_is_told_to(gateway):
    """And takes nothing away."""
    with client(gateway, "mia") as mia, client(gateway, "noa") as noa, noa.listen() as messages:
        with pytest.raises(TimeoutError):
            messages.next(0.05)
        mia.send_message("noa", 1, id="late")
        assert messages.next(10).id == "late"


def test_who_waits_hears_that_the_client_was_closed(gateway):
    """Nobody waits for a loop that has ended."""
    with ThreadPoolExecutor(1) as pool:
        olga = client(gateway, "olga")
        messages = olga.listen().__enter__()
        waiting = pool.submit(messages.next)
        until(lambda: gateway.gateway.router.sessions("olga"))
        olga.close()
        with pytest.raises(Closing):
            waiting.result(10)


def test_a_client_that_is_closed_closes_what_it_listens_to(gateway):
    """Who waits, or sends, hears it; the gateway sees them gone at once."""

    async def story():
        client = AsyncMessagingClient(gateway.url, token("pia"), socket=gateway.socket)
        talk = await client.subscribe().__aenter__()
        await talk.connected()
        waiting = asyncio.create_task(anext(talk))
        await asyncio.sleep(0)
        await client.close()
        for asked in (waiting, talk.send_message("bob", 1), talk.connected()):
            with pytest.raises(Closing):
                await asked

    asyncio.run(asyncio.wait_for(story(), 10))
    until(lambda: not gateway.gateway.router.sessions("pia"))


def test_nothing_is_lost_or_doubled_when_the_gateway_is_killed(tmp_path, seed, soak):
    """Each message is stored once and handed on once, in order, however often it is killed."""
    database_url = f"sqlite:///{tmp_path / 'khata.db'}"
    a_key(database_url)
    gateway = Beside(database_url, tmp_path).start_process()
    chance, count, kills = random.Random(seed), 400, 20 if soak else 1

    async def story():
        loop = asyncio.get_running_loop()
        urls = {"socket": gateway.socket}
        came = []
        async with (
            AsyncMessagingClient(gateway.url, token("alice"), **urls) as alice,
            AsyncMessagingClient(gateway.url, token("bob"), **urls) as bob,
            alice.subscribe() as sending,
            bob.subscribe() as listening,
        ):

            async def listen():
                async for message in listening:
                    came.append(message.id)
                    if len(came) == count * (kills + 1):
                        return

            hearing = loop.create_task(listen())
            for turn in range(kills + 1):
                names = [f"{turn}-{at}" for at in range(count)]
                sends = [
                    loop.create_task(sending.send_message("bob", None, id=name)) for name in names
                ]
                safe = chance.randrange(count)
                if turn < kills:
                    await sends[safe]
                    await asyncio.to_thread(gateway.kill)
                    # the last one is not killed, and need not be a process
                    begin = gateway.start_process if turn < kills - 1 else gateway.start
                    await asyncio.to_thread(begin)
                await asyncio.gather(*sends)
            async with asyncio.timeout(60):
                await hearing
        return came

    try:
        came = asyncio.run(story())
    finally:
        gateway.stop()
    wanted = [f"{turn}-{at}" for turn in range(kills + 1) for at in range(count)]
    assert came == wanted
    assert rows(database_url) == [("alice", name) for name in wanted]


class Late:
    """A gateway that answers whoever comes when it is told to."""

    def __init__(self):
        self.came, self.may_answer, self.ended = (asyncio.Event() for _ in range(3))

    async def answer(self, reader, writer):
        """One connection."""
        head = await reader.readuntil(b"\r\n\r\n")
        self.came.set()
        await self.may_answer.wait()
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n")
        writer.write(b"Connection: Upgrade\r\nSec-WebSocket-Accept: %b\r\n\r\n" % accept(head))
        await reader.read()
        self.ended.set()
        writer.close()


@contextlib.asynccontextmanager
async def a_late_gateway():
    """It, and where it is."""
    late = Late()
    async with await asyncio.start_server(late.answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        yield late, f"ws://127.0.0.1:{port}/v1/messaging"


def test_a_connection_that_is_being_made_ends_with_its_subscription():
    """A gateway that answers late finds nobody there."""

    async def story():
        async with (
            a_late_gateway() as (late, socket),
            AsyncMessagingClient("http://nobody", "t", socket=socket) as client,
        ):
            talk = await client.subscribe().__aenter__()
            await late.came.wait()
            leaving = asyncio.create_task(talk.close())
            await asyncio.sleep(0)
            late.may_answer.set()
            await leaving
            await late.ended.wait()

    asyncio.run(asyncio.wait_for(story(), 8))


def test_a_connection_that_is_being_made_ends_with_its_client():
    """Also when the client is for threads, and nobody ended what it listens to."""

    async def story():
        async with a_late_gateway() as (late, socket):
            client = MessagingClient("http://nobody", "t", socket=socket)
            client.listen().__enter__()
            await late.came.wait()
            leaving = asyncio.create_task(asyncio.to_thread(client.close))
            assert not (await asyncio.wait([leaving], timeout=0.5))[0], "it waits for the answer"
            late.may_answer.set()
            await leaving
            await late.ended.wait()

    asyncio.run(asyncio.wait_for(story(), 8))


def test_a_closed_client_says_that_it_is_closed():
    """Whatever is asked of it, by however many threads while it closes; nobody waits for ever."""
    client = MessagingClient("http://127.0.0.1:1", "t")
    talk = client.listen()
    heard = []

    def ask_on():
        try:
            while True:
                client.health_check()
        except Closing as error:
            heard.append(error.code)

    threads = [threading.Thread(target=ask_on) for _ in range(8)]
    with talk:
        for thread in threads:
            thread.start()
        client.close()
        for thread in threads:
            thread.join(20)
        assert heard == ["closing"] * 8
        for ask in (talk.next, client.unread, lambda: talk.send_message("bob", 1), client.listen):
            with pytest.raises(Closing):
                ask()
    client.close()


def test_a_client_that_cannot_be_made_leaves_no_thread():
    """Nobody could close it."""
    before = set(threading.enumerate())
    with pytest.raises(TypeError):
        MessagingClient("http://nobody", "t", patient=True)
    assert set(threading.enumerate()) <= before


@pytest.fixture
def interrupted():
    """A function that interrupts this thread after so many seconds, as Ctrl-C does."""
    before = signal.signal(signal.SIGUSR1, signal.default_int_handler)
    here, timers = threading.get_ident(), []

    def after(seconds):
        timers.append(threading.Timer(seconds, signal.pthread_kill, [here, signal.SIGUSR1]))
        timers[-1].start()

    yield after
    for timer in timers:
        timer.join()
    signal.signal(signal.SIGUSR1, before)


def test_a_close_that_was_interrupted_leaves_nobody_waiting(interrupted):
    """A client that is closed once more, as contexts do, is closed."""
    leave, ready = threading.Event(), queue.SimpleQueue()

    async def stay():
        async with a_late_gateway() as (late, socket):
            ready.put(socket)
            await asyncio.to_thread(leave.wait, 20)
            late.may_answer.set()
            await asyncio.wait_for(late.ended.wait(), 20)

    def close():
        interrupted(0.3)
        client.close()

    with ThreadPoolExecutor(1) as pool:
        staying = pool.submit(asyncio.run, stay())
        client = MessagingClient("http://nobody", "t", socket=ready.get())
        client.listen().__enter__()
        with pytest.raises(KeyboardInterrupt):
            close()
        leave.set()
        client.close()
        staying.result()


def accept(head):
    """What a server answers to a client's key."""
    (key,) = [line.split()[1] for line in head.splitlines() if b"Sec-WebSocket-Key" in line]
    digest = hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()  # noqa: S324 - the protocol's
    return base64.b64encode(digest)


def test_the_database_takes_messages_while_the_gateway_is_away(database_url, tmp_path):
    """They are read from there, and a gateway that comes delivers them, in order, stored once."""
    service = a_key(database_url)
    gateway = Beside(database_url, tmp_path)
    options = {"database": database_url}
    with client(gateway, "alice", **options) as alice, client(gateway, "bob", **options) as bob:
        assert alice.health_check().status == "down"
        for name in ("d1", "d2", "d2"):
            assert alice.send_message("bob", name, id=name).by == "database"
        with client(gateway, service, **options) as shop:
            assert shop.broadcast_message("all", ["bob"], id="d3", sender="shop").by == "database"
        with pytest.raises(Forbidden):
            alice.broadcast_message("mine")
        found = bob.get_user_messages().messages
        assert [(m.sender, m.id, m.seq) for m in found] == [
            ("alice", "d1", 0), ("alice", "d2", 0), ("shop", "d3", 0),
        ]  # fmt: skip
        with bob.listen() as messages, alice.listen() as talk:
            assert talk.send_message("bob", "d4", id="d4").by == "database"
            gateway.start()
            try:
                assert [messages.next(20).id for _ in range(4)] == ["d1", "d2", "d3", "d4"]
                until(lambda: alice.send_message("bob", "d5", id="d5").by == "gateway")
                # whose answer was lost, as far as its sender knows
                assert alice.send_message("bob", "d5", id="d5").id == "d5"
                assert messages.next(20).id == "d5"
                with pytest.raises(TimeoutError):
                    messages.next(0.1)
                until(lambda: rows(database_url, OUTBOX) == [], "an empty outbox")
            finally:
                gateway.stop()
    assert sorted(rows(database_url)) == [
        ("alice", "d1"), ("alice", "d2"), ("alice", "d4"), ("alice", "d5"), ("shop", "d3"),
    ]  # fmt: skip


def test_without_a_gateway_and_a_database_nobody_can_say(tmp_path):
    """The error says that it may be asked again; nothing is pretended."""
    url = f"http://127.0.0.1:{free_port()}"

    with MessagingClient(url, token("alice"), patience=Patience(tries=1)) as alice:
        with pytest.raises(Unavailable):
            alice.send_message("bob", 1)
        assert alice.health_check().status == "down"


def test_a_credential_that_the_book_does_not_know_writes_nothing(tmp_path):
    """The database beneath lets in whom the gateway would."""
    url = f"sqlite:///{tmp_path / 'khata.db'}"
    reads = a_key(url, scopes=["read"])
    for credential in ("kh_main_" + "0" * 64, reads, "no token"):
        beneath = MessagingClient(f"http://127.0.0.1:{free_port()}", credential, database=url)
        with beneath, pytest.raises(Unauthenticated):
            beneath.send_message("bob", 1)
    assert rows(url, OUTBOX) == []
