"""The router: who gets what, when, and what is kept for those who do not."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from khata.errors import Forbidden, Invalid, NotFound, Overloaded, StorageFull
from khata.messaging.model import Broadcast, Conversation, Identity, Send, depth, direct
from khata.messaging.router import NARROW, RESERVE, Router
from khata.messaging.wire import direct_line, encode, numbered, read

BODY = msgspec.Raw(b'"hi"')
SERVICE = frozenset({"service"})


class Kept(list):
    """A log that is a list."""

    refuses = None
    put = list.append


def router(**options):
    return Router(Kept(), lambda: None, **options)


def connect(found, user, **options):
    roles = options.pop("roles", frozenset({"owner"}))
    return found.connect(Identity(user, roles), **options)


def said(peer, kind="msg"):
    """What a peer was to be sent of one kind; it is taken off its list."""
    lines = [json.loads(line) for line in peer.out]
    peer.out = [json.dumps(line).encode() for line in lines if line["t"] != kind]
    return [line for line in lines if line["t"] == kind]


def ids(peer):
    return [line["id"] for line in said(peer)]


def send(found, peer, to, name, p="normal", **fields):
    found.send(peer, Send(name, BODY, to, p=p, **fields))


def test_a_message_is_logged_once_and_delivered_as_it_was_logged():
    """What the receiver reads is what is kept, under one growing number."""
    found = router(seq=7)
    alice, bob = connect(found, "alice"), connect(found, "bob")
    send(found, alice, "bob", "m1")
    send(found, alice, "bob", "m2")
    assert [json.loads(line) for line in found.log] == said(bob)
    assert [read(line).seq for line in found.log] == [8, 9]


def test_who_leaves_before_they_got_anything_waits_for_no_more_than_before():
    """However often they come and go while the database is behind."""
    found = router(numbering=False, complete=True)
    found.presence.set_elsewhere("bob", online=True)
    take(found, 1, "bob")
    needed = found.passed["bob"]
    found.presence.set_elsewhere("bob", online=False)
    for seq in range(2, 5):
        bob = connect(found, "bob")
        take(found, seq, "bob")
        found.disconnect(bob)
    assert found.passed == {"bob": needed}
    # what they were sent after a gap could be anywhere: they wait for all of it
    bob = connect(found, "bob")
    found.filled(bob, known=False)
    take(found, 5, "bob")
    found.disconnect(bob)
    assert found.passed == {"bob": 5}


def take(found, seq, to):
    """A message comes out of the log."""
    found.take(direct_line(seq, f"m{seq}", b'"alice"', encode(to), "normal", 1, BODY))


def test_who_is_not_there_finds_it_later():
    """In the order in which it was sent."""
    found = router()
    alice = connect(found, "alice")
    for n in range(5):
        send(found, alice, "bob", f"m{n}")
    assert ids(connect(found, "bob")) == [f"m{n}" for n in range(5)]


def test_every_connection_of_a_user_gets_it():
    """Also when one of them is behind, which holds up nobody else."""
    found = router(window=2)
    alice, one, two = (connect(found, user) for user in ("alice", "bob", "bob"))
    for n in range(3):
        send(found, alice, "bob", f"m{n}")
        if n < 2:
            found.got(two, n + 1)
    assert ids(one) == ["m0", "m1"]
    assert ids(two) == ["m0", "m1", "m2"]
    found.got(one, 1)
    assert ids(one) == ["m2"]


def test_no_more_than_a_window_is_on_its_way():
    """The rest waits, and comes as room is made; nothing is told twice."""
    found = router(window=10)
    alice, bob = connect(found, "alice"), connect(found, "bob")
    for n in range(25):
        send(found, alice, "bob", f"m{n}")
    assert ids(bob) == [f"m{n}" for n in range(10)]
    found.got(bob, 4)
    assert ids(bob) == [f"m{n}" for n in range(10, 14)]
    found.got(bob, 14)
    assert ids(bob) == [f"m{n}" for n in range(14, 24)]
    found.got(bob, 4)
    assert ids(bob) == []


def test_nobody_gets_what_they_were_not_sent():
    """A count beyond what was sent is refused, and changes nothing."""
    found = router()
    bob = connect(found, "bob")
    with pytest.raises(Invalid):
        found.got(bob, 1)
    send(found, connect(found, "alice"), "bob", "m")
    found.got(bob, 1)
    assert bob.got == 1


def test_a_high_message_overtakes_a_full_window():
    """It uses a reserve, in its own order; when that is full it waits in front of the others."""
    found = router(window=2)
    alice, bob = connect(found, "alice"), connect(found, "bob")
    for n in range(5):
        send(found, alice, "bob", f"n{n}")
    for n in range(RESERVE + 3):
        send(found, alice, "bob", f"h{n}", "high")
    assert ids(bob) == ["n0", "n1", *(f"h{n}" for n in range(RESERVE))]
    found.got(bob, RESERVE + 2)
    assert ids(bob)[:2] == [f"h{RESERVE}", f"h{RESERVE + 1}"]


def test_what_was_on_its_way_comes_again():
    """Before what was sent meanwhile; what was got does not."""
    found = router()
    alice, bob = connect(found, "alice"), connect(found, "bob")
    for n in range(4):
        send(found, alice, "bob", f"m{n}")
    found.got(bob, 2)
    found.disconnect(bob)
    send(found, alice, "bob", "m4")
    assert ids(connect(found, "bob")) == ["m2", "m3", "m4"]


def test_overflow_drops_the_oldest_and_says_so():
    """The receiver hears how many are missing, and after which number."""
    found = router(bound=3, window=1)
    alice, bob = connect(found, "alice"), connect(found, "bob")
    for n in range(6):
        send(found, alice, "bob", f"m{n}")
    assert ids(bob) == ["m0"]
    found.got(bob, 1)
    assert said(bob, "gap") == [{"t": "gap", "after": 0, "dropped": 2}]
    assert ids(bob) == ["m3"]
    assert found.queues.dropped == 2
    assert len(found.log) == 6


def test_a_gap_is_told_although_nothing_waits_any_more():
    """Another user's messages pushed all of theirs out: what comes next does not hide it."""
    found = router(bound=1, window=1)
    alice, bob = connect(found, "alice"), connect(found, "bob")
    for name, to in (("m0", "bob"), ("m1", "bob"), ("other", "carol")):
        send(found, alice, to, name)
    assert ids(bob) == ["m0"]
    found.got(bob, 1)
    send(found, alice, "bob", "m2")
    assert [line["dropped"] for line in said(bob, "gap")] == [1]
    assert ids(bob) == ["m2"]


def test_a_gap_is_filled_from_the_database_where_there_is_one():
    """Nothing is sent past it before it is filled."""
    found = router(bound=2, window=1, complete=True)
    asked = []
    found.missing = lambda peer, after: asked.append((peer.user.name, after))
    alice, bob = connect(found, "alice"), connect(found, "bob")
    found.filled(alice, known=True)
    found.filled(bob, known=True)
    for n in range(5):
        send(found, alice, "bob", f"m{n}")
    assert ids(bob) == ["m0"]
    found.got(bob, 1)
    assert (asked, ids(bob), bob.loading) == ([("bob", 0)], [], True)


def test_nothing_counts_as_delivered_across_a_gap():
    """How far a user is, is not moved past what was dropped."""
    found = router(bound=1, window=1)
    alice, bob = connect(found, "alice"), connect(found, "bob")
    for n in range(4):
        send(found, alice, "bob", f"m{n}")
    found.got(bob, 1)
    found.got(bob, 2)
    found.keep_marks([bob.user])
    assert bob.user.floor is None
    assert said(bob, "at") == []


def test_marks_say_how_far_a_user_is():
    """Up to before the first message that was not got, also when some overtook others."""
    found = router(window=2)
    alice, bob = connect(found, "alice"), connect(found, "bob")
    for n in range(3):
        send(found, alice, "bob", f"n{n}")
    send(found, alice, "bob", "h", "high")
    found.got(bob, 1)
    found.keep_marks([bob.user])
    assert bob.user.floor == 1
    assert said(bob, "at") == [{"t": "at", "seq": 1}]
    found.got(bob, 3)
    found.got(bob, 4)
    found.keep_marks([bob.user])
    assert bob.user.floor == 4
    marks = [read(line) for line in found.log][4:]
    assert [(m.user, m.delivered) for m in marks] == [("bob", 1), ("bob", 4)]


def test_a_crowd_has_narrow_windows():
    """When very much is on its way in all, each peer may have few more."""
    found = router(window=100, most_on_way=50)
    alice, bob, carol = (connect(found, user) for user in ("alice", "bob", "carol"))
    for n in range(51):
        send(found, alice, "bob", f"m{n}")
    found.may(0)
    for n in range(20):
        send(found, alice, "carol", f"m{n}")
    assert len(ids(carol)) == NARROW
    found.got(bob, 51)
    found.may(0)
    found.got(carol, 1)
    assert len(ids(carol)) == 20 - NARROW


def test_conversations_reach_their_members_and_nobody_else():
    """The sender gets no copy, who left gets nothing, who never was in cannot even see it."""
    found = router()
    alice, bob, carol, eve = (connect(found, u) for u in ("alice", "bob", "carol", "eve"))
    found.ask(alice, Conversation("c1", "team", ["bob", "carol"]))
    found.send(alice, Send("m1", BODY, c="team"))
    assert (ids(alice), ids(bob), ids(carol), ids(eve)) == ([], ["m1"], ["m1"], [])
    found.ask(carol, Conversation("c2", "team", remove=["carol"]))
    found.send(bob, Send("m2", BODY, c="team"))
    assert (ids(alice), ids(carol)) == (["m2"], [])
    for who in (eve, carol):
        with pytest.raises(NotFound):
            found.send(who, Send("m3", BODY, c="team"))
        with pytest.raises(NotFound):
            found.ask(who, Conversation("c3", "team", add=["eve"]))
    with pytest.raises(Forbidden):
        found.ask(bob, Conversation("c4", "team", add=["eve"]))
    assert [line["add"] for line in said(bob, "conversation")] == [["alice", "bob", "carol"], []]


def test_who_is_too_late_to_make_a_conversation_gets_no_part_of_it():
    """Two made it at two gateways, each before it saw the other's: all agree on the first in the
    log, and the second is told.
    """
    here, there = router(numbering=False), router(numbering=False)
    bob, eve = connect(here, "bob"), connect(there, "eve")
    here.ask(bob, Conversation("c1", "team", ["tom"]))
    there.ask(eve, Conversation("c1", "team", ["eva"]))
    here.ask(bob, Conversation("c2", "team", ["ann"]))
    log = [*here.log[:1], *there.log, *here.log[1:]]
    for found in (here, there):
        for at, record in enumerate(log):
            found.take(numbered(record, at + 1))
        members = found.conversations.members("team", "bob")
        assert list(members) == ["bob", "tom", "ann"]
        assert found.conversations.owner("team") == "bob"
    assert [line["code"] for line in said(eve, "no")] == ["not_found"]
    assert said(bob, "no") == said(eve, "conversation") == []
    with pytest.raises(NotFound):
        there.send(eve, Send("m1", BODY, c="team"))


def test_a_log_can_be_taken_again():
    """From its records alone another router has the same conversations, and the same queues."""
    found = router()
    alice = connect(found, "alice")
    found.ask(alice, Conversation("c1", "team", ["bob"]))
    found.send(alice, Send("m1", BODY, c="team"))
    send(found, alice, "bob", "m2")
    again = router()
    for record in found.log:
        again.take(record)
    assert again.conversations.of("bob") == {"team": ("alice", "bob")}
    assert ids(connect(again, "bob")) == ["m1", "m2"]
    assert again.seq == found.seq


def test_only_services_speak_for_others_and_to_many():
    """An owner is refused, and nothing is kept of it."""
    found = router()
    alice, shop = connect(found, "alice"), connect(found, "shop", roles=SERVICE)
    bob = connect(found, "bob")
    with pytest.raises(Forbidden):
        send(found, alice, "bob", "m", sender="shop")
    with pytest.raises(Forbidden):
        found.ask(alice, Broadcast("b", BODY))
    assert found.log == []
    send(found, shop, "bob", "m", sender="alice")
    found.ask(shop, Broadcast("b1", BODY))
    found.ask(shop, Broadcast("b2", BODY, ["bob", "dan", "bob"]))
    assert [(line["id"], line["from"]) for line in said(bob)] == [
        ("m", "alice"), ("b1", "shop"), ("b2", "shop"),
    ]  # fmt: skip
    assert ids(connect(found, "dan")) == ["b2"]


def test_receipts_go_to_those_who_want_them():
    """Delivered ones with the message's id, read ones up to a number."""
    found = router()
    alice, bob = connect(found, "alice", receipts=True), connect(found, "bob")
    quiet = connect(found, "carol")
    send(found, alice, "bob", "m1")
    send(found, quiet, "bob", "m2")
    found.got(bob, 2)
    found.tell_receipts()
    found.read(bob, 2, None, "alice")
    assert said(alice, "receipt") == [
        {"t": "receipt", "user": "bob", "delivered": [["m1", 1]]},
        {"t": "receipt", "user": "bob", "read": 2},
    ]
    assert said(quiet, "receipt") == []


def test_presence_is_told_to_those_who_watch():
    """Now, and when it changes: not for a second connection, not any more when unwatched."""
    found = router()
    alice = connect(found, "alice")
    found.presence.watch(alice, ["bob"])
    bob = connect(found, "bob")
    second = connect(found, "bob")
    found.disconnect(bob)
    found.disconnect(second)
    found.presence.watch(alice, [])
    connect(found, "bob")
    assert [line["online"] for line in said(alice, "presence")] == [False, True, False]


@pytest.mark.parametrize(
    ("code", "error"), [("storage_full", StorageFull), ("overloaded", Overloaded)]
)
def test_nothing_is_taken_while_it_cannot_be_kept(code, error):
    """It is refused with the reason, and goes on when there is room again."""
    found = router()
    alice = connect(found, "alice")
    found.log.refuses = code
    found.may(0)
    with pytest.raises(error):
        send(found, alice, "bob", "m")
    found.log.refuses = None
    found.may(0)
    send(found, alice, "bob", "m")
    assert len(found.log) == 1


def test_bodies_have_bounds():
    """Too long and too deep ones are refused; brackets inside of a text are no depth."""
    found = router()
    alice = connect(found, "alice")
    for body in (b'"' + b"x" * 40_000 + b'"', b"[" * 65 + b"]" * 65):
        with pytest.raises(Invalid):
            found.send(alice, Send("m", msgspec.Raw(body), "bob"))
    found.send(alice, Send("m", msgspec.Raw(b'"' + b"[{" * 500 + b'"'), "bob"))
    assert depth(rb'[["\"[[[\\"],{}]') == 2


@given(st.text(min_size=1), st.text(min_size=1), st.text(min_size=1), st.text(min_size=1))
def test_no_two_pairs_have_the_same_conversation(a, b, c, d):
    """Whatever users are called, and it does not matter who begins."""
    assert direct(a, b) == direct(b, a)
    assert (direct(a, b) == direct(c, d)) == ({a, b} == {c, d} and sorted((a, b)) == sorted((c, d)))


MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.sampled_from(["normal", "high", "low"])),
        st.tuples(st.just("got"), st.integers(1, 6)),
        st.tuples(st.just("leave"), st.just(0)),
        st.tuples(st.just("come"), st.just(0)),
    ),
    max_size=80,
)


@given(moves=MOVES, window=st.integers(1, 8))
def test_everything_arrives_in_order_whatever_happens(moves, window):
    """At least once, within each priority in order, and only what was not got comes again."""
    found = router(window=window)
    alice, bob, sent, got = connect(found, "alice"), None, [], []
    unread = []
    for n, (what, value) in enumerate(moves):
        if what == "send":
            sent.append(f"{value}-{n}")
            send(found, alice, "bob", sent[-1], value)
        elif what == "come" and bob is None:
            bob, unread = connect(found, "bob"), []
        elif what == "leave" and bob is not None:
            found.disconnect(bob)
            bob = None
        if bob is not None:
            unread += ids(bob)
            if what == "got" and unread:
                count = min(value, len(unread))
                got, unread = got + unread[:count], unread[count:]
                found.got(bob, bob.got + count)
                unread += ids(bob)
    if bob is not None:
        found.disconnect(bob)
    last = connect(found, "bob")
    while fresh := ids(last):
        got += fresh
        found.got(last, last.got + len(fresh))
    assert sorted(got) == sorted(sent)
    for p in ("normal", "high", "low"):
        assert [one for one in got if one.startswith(p)] == [o for o in sent if o.startswith(p)]
