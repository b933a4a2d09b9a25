"""The outbox: what is sent while no gateway is there, on both databases."""

import asyncio
import json

import msgspec
import pytest
import sqlalchemy as sa

from khata import Khata
from khata.engine.vault import Vault
from khata.errors import DatabaseUnavailable, Forbidden, Invalid, NotFound, VaultMissing
from khata.messaging.batch import Batch
from khata.messaging.model import Broadcast, Conversation, Identity, Send
from khata.messaging.outbox import Outbox, take_in
from khata.messaging.store import MessageStore
from khata.messaging.tables import OUTBOX
from khata.messaging.wire import Change, Line

ALICE = Identity("alice")
SHOP = Identity("shop", frozenset({"service"}))


@pytest.fixture
def book(database_url):
    with Khata.open(database_url) as found:
        yield found


@pytest.fixture
def outbox(book):
    return Outbox(book.database, book.book_id)


def a_send(name, to="bob", body=None, **given):
    """A message to Bob."""
    return Send(id=name, to=to, body=msgspec.Raw(json.dumps(body).encode()), **given)


def names(outbox):
    """Who sent what, as it waits."""
    return [(one.sender, one.asked.id) for one in outbox.waiting()]


def store(book, *found):
    """Have records in the database, as the persister writes them."""
    batch = Batch()
    batch.add(found)
    MessageStore(book.database, book.book_id).write(batch)


def a_line(name, sender="alice", seq=1):
    """A stored message to Bob."""
    return Line(seq, name, sender, "normal", 1, msgspec.Raw(b"null"), to="bob")


def test_requests_wait_in_the_order_in_which_they_came(outbox):
    """Each once, however often it is put there."""
    for name in ("m3", "m1", "m2", "m1"):
        outbox.put(ALICE, a_send(name))
    assert names(outbox) == [("alice", "m3"), ("alice", "m1"), ("alice", "m2")]
    assert outbox.count() == 3
    first = outbox.waiting(1)[0]
    assert [one.id for one in outbox.waiting(behind=(first.at, first.sender, first.id))] == [
        "m1",
        "m2",
    ]


def test_the_same_id_of_another_sender_is_another_message(outbox):
    """Nobody keeps another's message away by its id."""
    outbox.put(ALICE, a_send("m1"))
    outbox.put(Identity("carol"), a_send("m1"))
    assert names(outbox) == [("alice", "m1"), ("carol", "m1")]


def test_what_was_stored_is_not_kept_again(book, outbox):
    """A message that a gateway took, whose answer was lost, is there already."""
    store(book, a_line("m1"))
    outbox.put(ALICE, a_send("m1"))
    outbox.put(ALICE, Conversation(id="m1", c="team"))
    assert [type(one.asked) for one in outbox.waiting()] == [Conversation]


def test_bodies_are_sealed(book):
    """With a vault nobody reads them in the database, nor takes them in without its key."""
    vault = Vault([Vault.new_key()])
    Outbox(book.database, book.book_id, vault).put(ALICE, a_send("m1", body="a secret"))
    with book.database.reading() as connection:
        assert b"secret" not in bytes(connection.scalar(sa.select(OUTBOX.c.asked)))
    found = Outbox(book.database, book.book_id, vault).waiting()
    assert bytes(found[0].asked.body) == b'"a secret"'
    with pytest.raises(VaultMissing):
        Outbox(book.database, book.book_id).waiting()


@pytest.mark.parametrize(
    ("who", "asked", "error"),
    [
        (ALICE, Broadcast(id="b", body=msgspec.Raw(b"1")), Forbidden),
        (ALICE, a_send("m", sender="carol"), Forbidden),
        (ALICE, a_send("m", c="team"), Invalid),
        (ALICE, a_send("m", to=None), Invalid),
        (ALICE, a_send("m", to="a\0b"), Invalid),
        (ALICE, a_send("m", to="\ud800"), Invalid),
        (ALICE, a_send("m", body="x" * 40_000), Invalid),
        (ALICE, Send(id="m", to="bob", body=msgspec.Raw(b'"\xff"')), Invalid),
        (ALICE, Send(id="m", to="bob", body=msgspec.Raw(b"[" * 65 + b"]" * 65)), Invalid),
        (ALICE, Send(id="m", to="bob", body=msgspec.Raw(b"{")), Invalid),
        (ALICE, a_send("m", p="urgent"), Invalid),
        (ALICE, a_send(1), Invalid),
        (SHOP, Broadcast(id="b", body=msgspec.Raw(b"1"), to="bob"), Invalid),
        (ALICE, a_send("m", to=None, c="team"), NotFound),
        (SHOP, a_send("m", to=None, c="team"), NotFound),
    ],
)
def test_what_no_gateway_would_take_is_refused(outbox, who, asked, error):
    """Its sender is there to hear of it now, and would not be later."""
    with pytest.raises(error):
        outbox.put(who, asked)
    assert outbox.count() == 0


def test_what_cannot_be_read_keeps_nothing_else_from_being_read(book, outbox):
    """Whoever wrote it did not ask here: it stays, counted, and the others are taken in."""
    with book.database.changing() as connection:
        row = {"book_id": book.book_id, "sender": "eve", "at": 1, "asked": b"{}"}
        connection.execute(OUTBOX.insert(), [{**row, "id": f"m{n}"} for n in range(5)])
    outbox.put(ALICE, a_send("m1"))
    assert [message.id for message in outbox.to("bob", 10)] == ["m1"]
    assert [one.id for one in outbox.waiting(2)] == ["m1"]
    taken_in(outbox, Gateway(), lambda: outbox.count() == 5)
    assert names(outbox) == []


def test_a_service_writes_to_conversations_that_there_are(outbox):
    """Or that will be, when what waits is taken in. It needs not be in them."""
    outbox.put(ALICE, Conversation(id="c1", c="team", add=["bob"]))
    outbox.put(SHOP, a_send("m1", to=None, c="team"))
    assert ("shop", "m1") in names(outbox)


def test_a_service_sends_for_others(outbox):
    """What it sends in their name is theirs."""
    outbox.put(SHOP, a_send("m1", sender="alice"))
    outbox.put(SHOP, Broadcast(id="b1", body=msgspec.Raw(b"1"), to=["alice"]))
    assert names(outbox) == [("alice", "m1"), ("shop", "b1")]


def test_members_write_to_their_conversations(book, outbox):
    """Those who are in it, or come in by what waits."""
    store(book, Change(1, "team", "alice", "alice", 1, ["alice", "bob"], []))
    outbox.put(ALICE, a_send("m1", to=None, c="team"))
    outbox.put(ALICE, Conversation(id="c1", c="new", add=["carol"]))
    outbox.put(Identity("carol"), a_send("m2", to=None, c="new"))
    with pytest.raises(NotFound):
        outbox.put(Identity("dave"), a_send("m3", to=None, c="team"))
    assert outbox.count() == 3


def test_who_reads_without_a_gateway_sees_what_waits_for_them(outbox):
    """And nothing that is another's; it has no number yet."""
    outbox.put(ALICE, a_send("m1", body="hi"))
    outbox.put(ALICE, a_send("m2", to="carol"))
    outbox.put(SHOP, Broadcast(id="b1", body=msgspec.Raw(b"1"), to=["bob"]))
    found = [json.loads(message.line) for message in outbox.to("bob", 10)]
    assert [(one["from"], one["id"], one["seq"]) for one in found] == [
        ("alice", "m1", 0),
        ("shop", "b1", 0),
    ]


class Gateway:
    """Takes what it is given, or says no."""

    def __init__(self, answers=()):
        self.took = []
        self.answers = dict(answers)

    async def post(self, who, asked):
        error = self.answers.get(asked.id)
        if error is not None:
            raise error
        self.took.append((who, asked.id))


def taken_in(outbox, gateway, condition):
    """Let a gateway take in until something holds."""

    async def work():
        task = asyncio.ensure_future(take_in(outbox, gateway.post, pause_seconds=0.01))
        try:
            async with asyncio.timeout(20):
                while not condition():
                    await asyncio.sleep(0.01)
                    if task.done():
                        task.result()
        finally:
            task.cancel()
            await asyncio.wait([task])

    asyncio.run(work())


def test_a_gateway_takes_in_what_waits(outbox):
    """In its order, as who asked for it; what it has is deleted."""
    for name in ("m2", "m1"):
        outbox.put(ALICE, a_send(name))
    outbox.put(SHOP, Broadcast(id="b1", body=msgspec.Raw(b"1"), to=["bob"]))
    gateway = Gateway()
    taken_in(outbox, gateway, lambda: outbox.count() == 0)
    assert gateway.took == [(ALICE, "m2"), (ALICE, "m1"), (SHOP, "b1")]


def test_what_is_refused_for_now_waits_and_what_is_refused_for_good_goes(outbox):
    """Neither keeps the others."""
    for name in ("m1", "m2", "m3"):
        outbox.put(ALICE, a_send(name))
    gateway = Gateway({"m1": DatabaseUnavailable("Later."), "m2": Forbidden("No.")})
    taken_in(outbox, gateway, lambda: outbox.count() == 1)
    assert names(outbox) == [("alice", "m1")]
    assert {name for _, name in gateway.took} == {"m3"}
    gateway.answers = {}
    taken_in(outbox, gateway, lambda: outbox.count() == 0)


def test_what_was_stored_meanwhile_is_not_sent_again(book, outbox):
    """A gateway that died between taking it in and deleting it here left it stored."""
    outbox.put(ALICE, a_send("m1"))
    outbox.put(ALICE, a_send("m2"))
    store(book, a_line("m1"))
    gateway = Gateway()
    taken_in(outbox, gateway, lambda: outbox.count() == 0)
    assert [name for _, name in gateway.took] == ["m2"]
