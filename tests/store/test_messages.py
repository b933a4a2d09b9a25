"""Messages in the database: stored once, read by whom they are for, sealed if there is a key."""

import asyncio
import itertools
import threading

import msgspec
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from khata import Khata
from khata.engine.database import Database
from khata.engine.vault import Vault
from khata.errors import BookCorrupted, NotFound, VaultKeyUnknown, VaultMissing
from khata.messaging import aside, segments, tables
from khata.messaging.batch import Batch
from khata.messaging.history import History, Unread
from khata.messaging.model import Identity, Send
from khata.messaging.outbox import Outbox
from khata.messaging.persister import Pace, Persister, status
from khata.messaging.records import read
from khata.messaging.rotating import rotate
from khata.messaging.segments import Place
from khata.messaging.spool import Limits, Spool
from khata.messaging.store import MessageStore
from tests.conftest import examples
from tests.spools import (
    a_change,
    a_mark,
    a_message,
    on_spool,
    put_all,
    store_all,
    to_many,
    written,
)

BOOKS = itertools.count(2)
"""Numbers of books, for examples that each need an empty one."""


@pytest.fixture
def database(database_url):
    """A database with one book, whose number is 1."""
    with Khata.open(database_url, migrate=True):
        found = Database(database_url)
        yield found
        found.close()


def rows(database, table, *names):
    """What is in some columns of a table, sorted."""
    columns = [table.c[name] for name in names]
    with database.reading() as connection:
        return sorted(tuple(row) for row in connection.execute(sa.select(*columns)))


def ids(page):
    """The ids on a page, in its order."""
    return [message.id for message in page.messages]


# ── storing ──────────────────────────────────────────────────────────────────────────


def test_everything_is_stored_once_and_its_segments_go(database, tmp_path):
    """Whatever way it comes: at once, in pieces, again, in another process."""
    payloads = [a_message(n, sender=f"u{n % 7}", to=f"u{n % 5}") for n in range(1, 2_001)]
    with written(Spool(tmp_path, limits=Limits(segment=20_000))) as put:
        for start in range(0, 2_000, 250):
            put(*payloads[start : start + 250])
    assert store_all(tmp_path, database.url).records == 2_000
    assert store_all(tmp_path, database.url).records == 0
    put_all(tmp_path, payloads)
    assert store_all(tmp_path, database.url).records == 2_000
    assert rows(database, tables.MESSAGES, "seq") == [(n,) for n in range(1, 2_001)]
    assert len(segments.numbers(tmp_path)) == 1
    assert status(tmp_path).lag == 0


def test_an_id_is_one_message_of_its_sender(database, tmp_path):
    """Sent again it is stored once, under its first number; another sender's is another."""
    put_all(
        tmp_path,
        [
            a_message(1, sender="bob", id="x"),
            a_message(2, sender="eve", id="x"),
            a_message(3, sender="bob", id="x"),
            to_many(4, "bob", ["eve", "tom"], "team", id="y"),
            to_many(5, "bob", ["eve", "tom"], "team", id="y"),
        ],
    )
    store_all(tmp_path, database.url)
    assert rows(database, tables.MESSAGES, "seq", "sender", "id") == [
        (1, "bob", "x"),
        (2, "eve", "x"),
        (4, "bob", "y"),
    ]
    assert rows(database, tables.RECEIVERS, "receiver", "seq") == [("eve", 4), ("tom", 4)]


@examples(30)
@given(data=st.data())
def test_who_stores_what_first_does_not_matter(database, data):
    """Several gateways store parts of one log, in any order, and some of it twice: of what was sent
    again the first holds, and everybody reads in the order of the log.
    """
    book = next(BOOKS)
    ids = data.draw(st.lists(st.integers(0, 8), min_size=1, max_size=24), label="what was sent")
    log = [
        to_many(n, "bob", ["eve"], id=f"m{i}", body=b"%d" % n)
        if i % 3 == 0
        else a_message(n, id=f"m{i}", body=b"%d" % n)
        for n, i in enumerate(ids, 1)
    ]
    cuts = sorted(data.draw(st.sets(st.integers(1, len(log))), label="cuts"))
    parts = [log[a:b] for a, b in itertools.pairwise([0, *cuts, len(log)])]
    order = data.draw(st.permutations(range(len(parts))), label="order")
    again = data.draw(st.lists(st.sampled_from(range(len(parts))), max_size=3), label="again")
    store = MessageStore(database, book, shared=True)
    for at in (*order, *again):
        batch = Batch()
        batch.add(read(b"[" + b",".join(parts[at]) + b"]"))
        store.write(batch)
    first = {i: n for n, i in reversed(list(enumerate(ids, 1)))}
    found = [(m.seq, m.id, m.line) for m in History(database, book).after("eve", 0).messages]
    assert [(seq, name) for seq, name, _ in found] == [
        (n, f"m{i}") for n, i in enumerate(ids, 1) if first[i] == n
    ]
    assert all(b'"body":%d' % seq in line for seq, _, line in found)


def test_marks_only_go_forward(database, tmp_path):
    """In one batch, over batches, and when the same comes again."""
    for marks in ([5, 9, 7], [8], [12, 3]):
        put_all(tmp_path, [a_mark("eve", delivered=n) for n in marks])
        put_all(tmp_path, [a_mark("eve", read=n, other="bob") for n in marks])
        store_all(tmp_path, database.url)
    assert rows(database, tables.MAILBOXES, "owner", "conversation", "other", "seq") == [
        ("eve", "", "", 12),
        ("eve", "", "bob", 12),
    ]
    history = History(database, 1)
    assert (history.floor("eve"), history.floor("tom")) == (12, 0)
    # numbers go on behind it, or what comes would count as delivered
    assert history.last() == 12


def test_of_two_changes_the_later_one_holds(database, tmp_path):
    """Whichever is stored first: who left stays out, and the first one is the owner."""
    store = MessageStore(database, 1)
    changes = [
        a_change(1, "team", "bob", add=["bob", "eve", "tom"]),
        a_change(2, "team", "bob", remove=["eve"]),
        a_change(3, "team", "tom", remove=["tom"], owner="bob"),
        a_change(4, "team", "bob", add=["eve"]),
    ]
    for change in reversed(changes):
        batch = Batch()
        batch.add(read(b"[" + change + b"]"))
        store.write(batch)
    history = History(database, 1)
    assert list(history.conversations()) == [("team", "bob", ["bob", "eve"])]
    assert history.last() == 4


def test_who_came_too_late_to_make_a_conversation_is_not_in_it(database):
    """Two made it at two gateways; whichever is stored first, the earlier one in the log has it."""
    store = MessageStore(database, 1)
    changes = [
        a_change(1, "team", "bob", add=["bob", "tom"]),
        a_change(2, "team", "eve", add=["eve", "tom"]),
        a_change(3, "team", "eve", remove=["tom"]),
    ]
    for change in reversed(changes):
        batch = Batch()
        batch.add(read(b"[" + change + b"]"))
        store.write(batch)
    assert list(History(database, 1).conversations()) == [("team", "bob", ["bob", "tom"])]
    outbox = Outbox(database, 1)
    with pytest.raises(NotFound):
        outbox.put(Identity("eve"), Send("m1", msgspec.Raw(b"1"), c="team"))
    outbox.put(Identity("tom"), Send("m1", msgspec.Raw(b"1"), c="team"))


def test_what_no_database_can_hold_is_set_aside(database, tmp_path):
    """Its neighbours are stored, and it is kept for a person."""
    wrong = [
        a_message(2, to="e\x00ve"),
        a_message(2**63, id="large"),
        b'{"t":"nonsense"}',
        a_message(1, sender="tom", id="another under a number that is taken"),
    ]
    put_all(tmp_path, [a_message(1), wrong[0], a_message(3), *wrong[1:], a_message(4)])
    done = store_all(tmp_path, database.url)
    held = {seq for (seq,) in rows(database, tables.MESSAGES, "seq")}
    refused = on_spool(tmp_path / aside.FOLDER)
    assert {1, 3, 4} <= held
    assert done.aside == len(refused)
    assert set(wrong[1:]) <= set(refused)
    assert (wrong[0] in refused) == (database.dialect == "postgres")
    assert store_all(tmp_path, database.url).records == 0


def test_a_killed_persister_stores_nothing_twice_and_leaves_nothing_out(database, tmp_path):
    """Between the commit and what follows, and between the batches: the place tells."""
    put_all(tmp_path, [a_message(n) for n in range(1, 101)])
    store = MessageStore(database, 1)
    name = segments.name_of(tmp_path)
    batch = Batch()
    batch.add(read(b"[" + a_message(1) + b"]"))
    store.write(batch, name, Place(1, 0))
    assert store_all(tmp_path, database.url).records == 100
    at = store.place(name)
    store.write(batch, name, Place(1, 0))
    assert store.place(name) == at
    assert len(rows(database, tables.MESSAGES, "seq")) == 100


def test_a_new_folder_begins_at_its_beginning(database, tmp_path):
    """The database knows spools by name: one that is lost does not hide what is on the next."""
    for folder in (tmp_path / "one", tmp_path / "two"):
        put_all(folder, [a_message(len(folder.name), sender=folder.name)] * 3)
        put_all(folder, [a_message(50 if folder.name == "one" else 51, sender=folder.name)])
        store_all(folder, database.url)
    assert [seq for (seq,) in rows(database, tables.MESSAGES, "seq")] == [3, 50, 51]


def test_a_running_persister_follows_and_one_at_a_time(database, tmp_path):
    """What comes is stored while it comes; a second persister waits for its turn."""
    spool, stop, store = Spool(tmp_path), threading.Event(), MessageStore(database, 1)
    both = [Persister(tmp_path, store, pace=Pace(batch=7, seconds=0.002)) for _ in range(2)]
    threads = [threading.Thread(target=one.run, args=(stop,)) for one in both]
    for thread in threads:
        thread.start()
    with written(spool) as put:
        for n in range(1, 301):
            put(a_message(n))
    stop.set()
    for thread in threads:
        thread.join()
    assert sorted(one.done.records for one in both) == [0, 300]
    assert len(rows(database, tables.MESSAGES, "seq")) == 300


# ── reading ──────────────────────────────────────────────────────────────────────────


@pytest.fixture
def talk(database, tmp_path):
    """Bob, Eve and Tom: alone, in a team, and a broadcast; Tom was not there at first."""
    put_all(
        tmp_path,
        [
            a_message(1, "bob", "eve", id="be1"),
            a_message(2, "eve", "bob", id="eb2", body=b'{"a": [1, "\xc3\xa9"]}', p="high"),
            a_change(3, "team", "bob", add=["bob", "eve"]),
            to_many(4, "bob", ["eve"], "team", id="t4"),
            a_change(5, "team", "bob", add=["tom"]),
            to_many(6, "tom", ["bob", "eve"], "team", id="t6"),
            to_many(7, "house", ["bob", "eve", "tom"], id="all7"),
            a_message(8, "tom", "eve", id="te8"),
            a_message(9, "bob", "eve", id="be9", p="low"),
        ],
    )
    store_all(tmp_path, database.url)
    return History(database, 1)


def test_everybody_gets_what_is_for_them(talk):
    """In the order of the numbers, from a number on, page by page."""
    assert ids(talk.after("eve", 0)) == ["be1", "t4", "t6", "all7", "te8", "be9"]
    assert ids(talk.after("bob", 2)) == ["t6", "all7"]
    assert ids(talk.after("tom", 0)) == ["all7"]
    assert talk.after("nobody", 0) == ([], False)
    first = talk.after("eve", 0, 2)
    assert (ids(first), first.more) == (["be1", "t4"], True)
    rest = talk.after("eve", first.messages[-1].seq, 4)
    assert (ids(rest), rest.more) == (["t6", "all7", "te8", "be9"], False)


def test_a_line_is_what_was_delivered(talk):
    """Byte for byte, so that nobody can tell a stored message from a new one."""
    (got,) = talk.with_user("bob", "eve", before=3, limit=1).messages
    assert got.line == a_message(
        2, "eve", "bob", id="eb2", body=b'{"a": [1, "\xc3\xa9"]}', p="high"
    )
    assert (got.seq, got.sender, got.p) == (2, "eve", "high")
    shared = talk.after("tom", 0).messages[0]
    assert b'"for"' not in shared.line
    assert b'"to"' not in shared.line


def test_nobody_reads_what_is_between_others(talk):
    """Not by a conversation's name either: who came late has not what was said before."""
    assert ids(talk.with_user("bob", "eve")) == ["be1", "eb2", "be9"]
    assert ids(talk.with_user("tom", "bob")) == []
    assert ids(talk.conversation("bob", "team")) == ["t4", "t6"]
    assert ids(talk.conversation("tom", "team")) == ["t6"]
    assert ids(talk.conversation("mallory", "team")) == []
    newest = talk.with_user("eve", "bob", limit=2)
    assert (ids(newest), newest.more) == (["eb2", "be9"], True)
    assert ids(talk.with_user("eve", "bob", before=2)) == ["be1"]
    assert ids(talk.with_user("eve", "eve")) == []


def test_unread_is_what_was_not_read(talk, database, tmp_path):
    """By sender and by conversation; what has only arrived is not read."""
    assert talk.unread("eve") == [
        Unread(None, "bob", 2, 9),
        Unread(None, "tom", 1, 8),
        Unread(None, "house", 1, 7),
        Unread("team", None, 2, 6),
    ]
    marks = [
        a_mark("eve", delivered=9),
        a_mark("eve", read=1, other="bob"),
        a_mark("eve", read=6, c="team"),
        a_mark("bob", read=9, other="tom"),
    ]
    put_all(tmp_path, marks)
    store_all(tmp_path, database.url)
    assert talk.unread("eve") == [
        Unread(None, "bob", 1, 9),
        Unread(None, "tom", 1, 8),
        Unread(None, "house", 1, 7),
    ]
    assert talk.unread("mallory") == []


def test_what_was_sent_to_many_is_read_like_what_its_sender_sent_to_one(talk, database, tmp_path):
    """It is counted with it, and one mark says that both were read."""
    found = [to_many(10, "tom", ["eve", "bob"], id="all10")]
    put_all(tmp_path, found)
    store_all(tmp_path, database.url)
    assert talk.unread("eve")[0] == Unread(None, "tom", 2, 10)
    assert talk.unread("bob")[0] == Unread(None, "tom", 1, 10)
    put_all(tmp_path, [a_mark("eve", read=10, other="tom")])
    store_all(tmp_path, database.url)
    assert "tom" not in [one.user for one in talk.unread("eve")]


@given(
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=6),
    stored=st.integers(0, 6),
    after=st.integers(0, 50),
    limit=st.integers(1, 60),
)
@examples(15)
def test_what_is_only_on_the_spool_is_read_too(
    sqlite_template, tmp_path_factory, sizes, stored, after, limit
):
    """However far the persister is, a user gets the same."""
    folder = tmp_path_factory.mktemp("spool")
    url = f"sqlite:///{folder / 'khata.db'}"
    (folder / "khata.db").write_bytes(sqlite_template.read_bytes())
    wanted = []
    for n, size in enumerate(sizes):
        seqs = range(len(wanted) + 1, len(wanted) + size + 1)
        put_all(folder, [a_message(seq, to="eve" if seq % 2 else "tom") for seq in seqs])
        wanted += seqs
        if n + 1 == stored:
            store_all(folder, url)
    database = Database(url)
    history = History(database, 1, folder=folder)
    page = history.after("eve", after, limit)
    database.close()
    due = [seq for seq in wanted if seq % 2 and seq > after]
    assert page.more == (len(due) > limit)
    assert [message.line for message in page.messages] == [a_message(n) for n in due[:limit]]


def test_many_who_come_at_once_are_answered_together(database, tmp_path):
    """Each gets their own, from where they are, stored or not; one look serves all."""
    put_all(tmp_path, [a_message(n, to=f"u{n % 40}") for n in range(1, 401)])
    put_all(tmp_path, [a_mark("u1", delivered=81), a_mark("u2", delivered=42)])
    store_all(tmp_path, database.url)
    put_all(tmp_path, [a_message(n, to=f"u{n % 40}") for n in range(401, 801)])
    put_all(tmp_path, [a_mark("u2", delivered=642), to_many(801, "house", ["u1", "u2", "u3"])])
    history = History(database, 1, folder=tmp_path)
    looks = []
    history._together._answer = lambda asked: (looks.append(len(asked)), history._answer(asked))[1]

    async def everybody():
        some = [history.waiting(f"u{n}", None, 500) for n in range(40)]
        others = [history.waiting("u3", 403, 2), history.waiting("u3", 0, 500)]
        return await asyncio.gather(*some, *others)

    found = [[message.seq for message in page] for page in asyncio.run(everybody())]
    history.close()
    floors = {1: 81, 2: 642}
    for n in range(40):
        due = [seq for seq in range(1, 801) if seq % 40 == n and seq > floors.get(n, 0)]
        assert found[n] == due + [801] * (n in {1, 2, 3})
    assert found[40] == [443, 483]
    assert found[41] == found[3]
    assert len(looks) <= 2
    assert sum(looks) == 42


def test_one_whose_message_is_spoilt_does_not_keep_others_from_theirs(database, tmp_path):
    """Only who asked for what cannot be opened hears of it."""
    key = Vault.new_key()
    put_all(tmp_path, [a_message(1, to="eve"), a_message(2, to="tom")], vault=Vault([key]))
    store_all(tmp_path, database.url, vault=Vault([key]))
    m = tables.MESSAGES.c
    with database.changing() as connection:
        connection.execute(tables.MESSAGES.update().where(m.seq == 1).values(body=b"x" * 40))
    history = History(database, 1, vault=Vault([key]), folder=tmp_path)

    async def both():
        asked = (history.waiting("eve", 0, 10), history.waiting("tom", 0, 10))
        return await asyncio.gather(*asked, return_exceptions=True)

    eve, tom = asyncio.run(both())
    history.close()
    assert isinstance(eve, BookCorrupted)
    assert [message.seq for message in tom] == [2]


def test_conversations_are_known_whether_stored_or_not(database, tmp_path):
    """What is stored and the changes behind it together are how things are."""
    put_all(tmp_path, [a_change(1, "team", "bob", add=["bob", "eve"])])
    store_all(tmp_path, database.url)
    put_all(tmp_path, [a_message(2), a_change(3, "team", "bob", add=["tom"], remove=["eve"])])
    stored, changes = History(database, 1, folder=tmp_path).groups()
    assert stored == [("team", "bob", ["bob", "eve"])]
    assert [(one.seq, one.add, one.remove) for one in changes] == [(3, ["tom"], ["eve"])]


# ── sealed ───────────────────────────────────────────────────────────────────────────


def sealed(database, folder, key, first, count=3):
    """Messages that were sealed under a key."""
    vault = Vault([key])
    put_all(
        folder,
        [a_message(n, body=b'"secret"') for n in range(first, first + count)],
        vault=vault,
    )
    store_all(folder, database.url, vault=vault)


def test_bodies_are_sealed_in_the_database(database, tmp_path):
    """Nothing of them is to be seen there, and with the key all of it is."""
    key = Vault.new_key()
    sealed(database, tmp_path, key, 1)
    for name, body in rows(database, tables.MESSAGES, "key", "body"):
        assert b"secret" not in bytes(body)
        assert name.startswith(segments.name_of(tmp_path))
    page = History(database, 1, vault=Vault([key])).after("eve", 0)
    assert [m.line for m in page.messages] == [a_message(n, body=b'"secret"') for n in range(1, 4)]
    with pytest.raises(VaultMissing):
        History(database, 1).after("eve", 0)
    with pytest.raises(VaultKeyUnknown):
        History(database, 1, vault=Vault([Vault.new_key()])).after("eve", 0)


def test_a_body_put_under_another_message_is_not_opened(database, tmp_path):
    """Who can write into the database still cannot make it say something else."""
    key = Vault.new_key()
    sealed(database, tmp_path, key, 1)
    m = tables.MESSAGES.c
    with database.changing() as connection:
        other = connection.scalar(sa.select(m.body).where(m.seq == 2))
        connection.execute(tables.MESSAGES.update().where(m.seq == 1).values(body=other))
    with pytest.raises(BookCorrupted):
        History(database, 1, vault=Vault([key])).after("eve", 0)


def test_after_a_rotation_the_old_key_is_not_needed(database, tmp_path):
    """In the database and on the spool; a second run changes nothing."""
    old, new = Vault.new_key(), Vault.new_key()
    sealed(database, tmp_path, old, 1)
    put_all(tmp_path, [a_message(9, body=b'"secret"')], vault=Vault([old]))
    both = Vault([new, old])
    assert len(History(database, 1, vault=both).after("eve", 0).messages) == 3
    assert rotate(database, 1, both, [tmp_path]) >= 2
    assert rotate(database, 1, both, [tmp_path]) == 0
    store_all(tmp_path, database.url, vault=Vault([new]))
    page = History(database, 1, vault=Vault([new])).after("eve", 0)
    assert [message.seq for message in page.messages] == [1, 2, 3, 9]
    with pytest.raises(VaultKeyUnknown):
        History(database, 1, vault=Vault([old])).after("eve", 0)


def test_a_persister_with_a_newer_key_needs_the_old_one_no_more_in_the_database(database, tmp_path):
    """What was sealed before the change and is stored after it is wrapped anew on its way."""
    old, new = Vault.new_key(), Vault.new_key()
    put_all(tmp_path, [a_message(1)], vault=Vault([old]))
    store_all(tmp_path, database.url, vault=Vault([new, old]))
    assert len(History(database, 1, vault=Vault([new])).after("eve", 0).messages) == 1


def test_the_wrong_key_stores_nothing_and_loses_nothing(database, tmp_path):
    """The persister says so; with the right key it stores everything."""
    key = Vault.new_key()
    put_all(tmp_path, [a_message(1)], vault=Vault([key]))
    with pytest.raises(VaultKeyUnknown):
        store_all(tmp_path, database.url, vault=Vault([Vault.new_key()]))
    assert rows(database, tables.MESSAGES, "seq") == []
    assert store_all(tmp_path, database.url, vault=Vault([key])).records == 1
