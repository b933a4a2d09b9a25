"""Who is believed to be at which gateway, whatever is heard of them, in whatever order."""

import random

import pytest

from khata.messaging.link import Link
from khata.messaging.neighbours import Neighbours, News
from khata.messaging.presence import Presence


class Told:
    """Remembers what watchers would be told; a clock that is set."""

    def __init__(self):
        self.now = 0.0
        self.presence = Presence(lambda _peer, _line: None)
        link = Link(["nats://127.0.0.1:1"], "here")
        self.neighbours = Neighbours(
            link, "space", "here", self.presence, dead=5.0, clock=lambda: self.now
        )

    def hear(self, gateway="there", **news):
        self.neighbours.hear(News(gateway, **news))

    def online(self):
        return set(self.presence.everybody())

    def known(self, gateway="there"):
        return self.neighbours._all[gateway].known


@pytest.fixture
def told():
    """A gateway that has heard of nobody."""
    return Told()


def test_all_of_a_gateway_is_believed(told):
    """In pieces, when the last one has come."""
    told.hear(n=3, whole=["a", "b"], first=True)
    assert told.online() == set()
    told.hear(n=3, whole=["c"], end=True)
    assert told.online() == {"a", "b", "c"}
    assert told.known()


def test_the_end_of_what_was_not_heard_from_its_beginning_is_not_believed(told):
    """Who comes in the middle would take a part for all."""
    told.hear(n=3, whole=["c"], end=True)
    assert told.online() == set()
    assert not told.known()


def test_news_follow_on_what_is_known(told):
    """Who came and who went, one after the other."""
    told.hear(n=1, whole=["a"], first=True, end=True)
    told.hear(n=2, on=["b"], off=["a"])
    assert told.online() == {"b"}
    assert told.known()


def test_missed_news_are_noticed(told):
    """By the number of the next ones, or of the next beat."""
    told.hear(n=1, whole=["a"], first=True, end=True)
    told.hear(n=3, on=["c"])
    assert not told.known()
    told.hear(n=3, whole=["b", "c"], first=True, end=True)
    assert told.known()
    assert told.online() == {"b", "c"}
    told.hear(n=4)
    assert not told.known()


def test_a_user_at_two_gateways_is_there_until_both_say_no(told):
    """Each gateway speaks for itself alone."""
    for gateway in ("x", "y"):
        told.hear(gateway, n=1, on=["a"])
    told.hear("x", n=2, off=["a"])
    assert told.online() == {"a"}
    told.hear("x", n=3, off=["a"])
    assert told.online() == {"a"}
    told.hear("y", n=2, off=["a"])
    assert told.online() == set()


def test_a_gateway_that_is_silent_is_forgotten(told):
    """With its users; one that beats is not."""
    told.hear("x", n=1, on=["a"])
    told.hear("y", n=1, on=["b"])
    told.now = 4.0
    told.hear("y", n=1)
    told.now = 6.0
    told.neighbours.bury()
    assert told.online() == {"b"}
    assert told.neighbours.gateways == ["y"]


def test_a_gateway_that_says_good_bye_is_forgotten_at_once(told):
    """And so are its users."""
    told.hear(n=1, on=["a"])
    told.hear(bye=True)
    assert told.online() == set()
    assert told.neighbours.gateways == []


def test_what_it_says_itself_is_not_heard(told):
    """NATS sends everything to everybody."""
    told.hear("here", n=1, on=["a"])
    assert told.online() == set()


def test_whatever_is_lost_all_is_known_after_the_next_whole(told, seed):
    """A sender's true users, news of which some are lost, and then a whole."""
    chance, users = random.Random(seed), set()
    for n in range(1, 501):
        user = f"u{chance.randrange(20)}"
        news = {"off": [user]} if user in users else {"on": [user]}
        users ^= {user}
        if chance.random() < 0.8:
            told.hear(n=n, **news)
        told.hear(n=n)
        if not told.known() and chance.random() < 0.3:
            told.hear(n=n, whole=sorted(users), first=True, end=True)
        if told.known():
            assert told.online() == users
