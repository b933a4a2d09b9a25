"""The client's side of the protocol: what is safe, what is sent again, what is handed on."""

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from khata.edge.client.messages import requests
from khata.edge.client.messages.protocol import Protocol
from khata.errors import Forbidden, Overloaded


class Line:
    """A protocol with what it wrote."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.events = []
        self.protocol = Protocol(self.events.append)
        self.wrote = []

    def open(self):
        self.wrote = []
        self.protocol.opened(lambda line: self.wrote.append(json.loads(line)))

    def send(self, name):
        done = self.loop.create_future()
        self.protocol.send(requests.message("bob", {"n": name}, id=name), done)
        return done

    def hear(self, *said):
        self.protocol.hear(json.dumps(said[0] if len(said) == 1 else list(said)).encode())

    def ids(self):
        return [one["id"] for one in self.wrote if one["t"] == "send"]


@pytest.fixture
def line():
    found = Line()
    yield found
    found.loop.close()


def a_message(name, sender="alice", seq=1):
    """A message as it is delivered."""
    return {"t": "msg", "seq": seq, "id": name, "from": sender, "to": "bob", "p": "normal",
            "at": 1, "body": None}  # fmt: skip


def test_what_is_said_to_be_safe_is_answered(line):
    """`ok` answers the first n of the connection, and none behind them."""
    line.open()
    sent = [line.send(name) for name in "abc"]
    line.hear({"t": "ok", "n": 2})
    assert [one.done() for one in sent] == [True, True, False]
    assert sent[0].result().by == "gateway"


def test_what_is_not_known_to_be_safe_is_sent_again(line):
    """Over the next connection, in its order, under the same ids, and counted anew."""
    line.open()
    sent = [line.send(name) for name in "abc"]
    line.hear({"t": "ok", "n": 1})
    line.protocol.closed()
    sent.append(line.send("d"))
    line.open()
    assert line.ids() == ["b", "c", "d"]
    line.hear({"t": "ok", "n": 2})
    assert [one.done() for one in sent] == [True, True, True, False]


def test_one_that_is_refused_is_told_why_and_the_others_go_on(line):
    """A refusal is one message's; it is not sent again."""
    line.open()
    sent = [line.send(name) for name in "abc"]
    why = {"code": "forbidden", "message": "No.", "details": {"expected": "service"}}
    line.hear({"t": "no", "n": 2, "id": "b", **why})
    assert isinstance(sent[1].exception(), Forbidden)
    assert sent[1].exception().details == {"expected": "service"}
    line.hear({"t": "ok", "n": 1})
    assert [one.done() for one in sent] == [True, True, False]
    line.protocol.closed()
    line.open()
    assert line.ids() == ["c"]


def test_a_refusal_at_the_door_is_kept(line):
    """`no` before `hello` says why nobody was let in, and refuses no message."""
    line.open()
    sent = line.send("a")
    line.hear({"t": "no", "n": 0, "code": "overloaded", "message": "Later."})
    assert isinstance(line.protocol.refused, Overloaded)
    assert not sent.done()


def test_what_was_handed_on_is_not_handed_on_again(line):
    """A message is known by its sender and id; each arrival counts as got."""
    line.open()
    line.hear(a_message("m1"), a_message("m1", "carol"), a_message("m1", seq=9))
    found = [line.protocol.next() for _ in range(3)]
    assert [one and one.sender for one in found] == ["alice", "carol", None]
    line.protocol.dealt_with()
    assert line.wrote == [{"t": "got", "n": 3}]


def test_got_is_said_behind_what_was_dealt_with(line):
    """A message that nobody was handed is not said to have been got, and comes again."""
    line.open()
    line.hear(a_message("m1"), a_message("m2"))
    assert line.protocol.next().id == "m1"
    line.protocol.closed()
    line.open()
    line.hear(a_message("m1"), a_message("m2"))
    assert line.protocol.next().id == "m2"
    assert line.wrote == []
    line.protocol.dealt_with()
    assert line.wrote == [{"t": "got", "n": 2}]


class Forgetful:
    """A gateway at the other end: it takes, refuses, says so or not, and cuts the connection."""

    def __init__(self):
        self.line = Line()
        self.sent, self.stored, self.refused, self.at = {}, [], set(), 0
        self.line.open()

    @property
    def next(self):
        """The next one that it has not read over this connection."""
        ids = self.line.ids()
        return ids[self.at] if self.at < len(ids) else None

    def send(self):
        name = f"m{len(self.sent)}"
        self.sent[name] = self.line.send(name)

    def take(self):
        if (name := self.next) is not None:
            self.at += 1
            if name not in self.stored:
                self.stored.append(name)

    def refuse(self):
        name = self.next
        if name is not None and name not in self.stored:
            self.at += 1
            self.refused.add(name)
            self.line.hear(
                {"t": "no", "n": self.at, "id": name, "code": "forbidden", "message": ""}
            )

    def ok(self):
        if self.at:
            self.line.hear({"t": "ok", "n": self.at})

    def cut(self):
        self.line.protocol.closed()
        self.line.open()
        self.at = 0


@given(st.lists(st.sampled_from(["send", "take", "ok", "cut", "refuse"]), max_size=60))
def test_nothing_is_lost_or_out_of_order(turns):
    """Whatever a gateway takes, refuses and forgets to say: in the end it has each message that it
    did not refuse, in the order in which they were sent.
    """
    gateway = Forgetful()
    for turn in [*turns, "cut"]:
        getattr(gateway, turn)()
    while gateway.next is not None:
        gateway.take()
    gateway.ok()
    assert all(done.done() for done in gateway.sent.values())
    assert {name for name, done in gateway.sent.items() if done.exception()} == gateway.refused
    assert gateway.stored == [name for name in gateway.sent if name not in gateway.refused]
    gateway.line.loop.close()
