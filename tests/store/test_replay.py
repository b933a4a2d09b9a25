"""A journal run again gives the same book: same head hash, same rows, nothing to complain of."""

import itertools

import pytest
import sqlalchemy as sa
from hypothesis import given

from khata import Khata, Money
from khata.domain.wallets import Credit, OpenWallet, Transfer
from khata.engine.replay import replay
from khata.engine.tables import METADATA
from khata.engine.verify import verify
from khata.errors import BookCorrupted, Invalid
from tests.conftest import examples
from tests.store.histories import Hands, moves, play, seeded_moves

_numbers = itertools.count()
_APART = {"books", "consumers", "alembic_version", "refusals"}
"""Tables that a replay does not fill alike: times of opening, and refusals."""


def two_books(url):
    number = next(_numbers)
    clock = Hands()
    one = Khata.open(url, f"source-{number}", migrate=True, clock=clock)
    return one, Khata.open(url, f"copy-{number}", clock=clock), clock


def everything(book):
    """All rows of a book by table, without the book's number, in an order of their own."""
    found = {}
    with book.database.reading() as connection:
        for name, table in METADATA.tables.items():
            if name not in _APART:
                rows = connection.execute(table.select().where(table.c.book_id == book.book_id))
                found[name] = sorted((tuple(row)[1:] for row in rows), key=repr)
    return found


def same_again(url, history):
    source, copy, clock = two_books(url)
    with source, copy:
        play(source, clock, history)
        head = replay(source, copy)
        assert everything(copy) == everything(source)
        assert [verify(b.database, b.book_id).discrepancies for b in (source, copy)] == [[], []]
        assert head.hash.hex() == verify(source.database, source.book_id).head


@given(history=moves())
@examples(16)
def test_a_replay_gives_the_same_book(database_url, history):
    """Whatever was done: same hash, same rows, and both books verify."""
    same_again(database_url, history)


def test_a_long_history_replays(database_url, seed):
    """A few hundred moves, in which holds expire, groups form and limits bind."""
    same_again(database_url, seeded_moves(seed, 300))


def test_a_replay_needs_an_empty_book(database_url):
    """A book with a past is left alone."""
    source, copy, _ = two_books(database_url)
    with source, copy:
        copy.submit(OpenWallet("alice", "BDT"))
        with pytest.raises(Invalid):
            replay(source, copy)


def tampered(source, seq, **values):
    """Change a journal row behind the book's back."""
    table = METADATA.tables["journal"]
    mine = table.c.book_id == source.book_id, table.c.seq == seq
    with source.database.changing() as connection:
        connection.execute(table.update().where(*mine).values(**values))


def a_payment(source):
    source.submit(OpenWallet("alice", "BDT"))
    source.submit(OpenWallet("bob", "BDT"))
    source.submit(Credit("alice/personal/BDT", Money("5", "BDT")))
    source.submit(Transfer("alice/personal/BDT", "bob/personal/BDT", Money("5", "BDT")))


def replayed_to(source, copy):
    """Where a replay that does not come out the same says that it stopped."""
    with pytest.raises(BookCorrupted) as caught:
        replay(source, copy)
    return caught.value.details["seq"]


def test_a_replay_names_the_command_that_comes_out_otherwise(database_url):
    """A journal that was changed is found out at the very command."""
    source, copy, _ = two_books(database_url)
    with source, copy:
        a_payment(source)
        tampered(source, 3, actor="admin:mallory")
        assert replayed_to(source, copy) == 3


def test_a_replay_stops_at_a_command_that_is_refused_now(database_url):
    """A command that no longer succeeds is named."""
    source, copy, _ = two_books(database_url)
    command = sa.func.replace(METADATA.tables["journal"].c.command, '"5"', '"6"')
    with source, copy:
        a_payment(source)
        tampered(source, 4, command=command)
        assert replayed_to(source, copy) == 4


def test_a_replay_stops_at_a_command_that_this_actor_may_not_give(database_url):
    """An actor without the role is found out before anything of that page is run."""
    source, copy, _ = two_books(database_url)
    with source, copy:
        a_payment(source)
        tampered(source, 3, actor="owner:alice")
        assert replayed_to(source, copy) == 3


def test_a_replay_stops_where_the_journal_ends_early(database_url):
    """A journal that lacks its last row is not taken for a whole one."""
    source, copy, _ = two_books(database_url)
    table = METADATA.tables["journal"]
    with source, copy:
        a_payment(source)
        with source.database.changing() as connection:
            mine = table.c.book_id == source.book_id, table.c.seq == 4
            connection.execute(table.delete().where(*mine))
        assert replayed_to(source, copy) == 4


def test_a_replay_tells_how_far_it_is(database_url):
    """Progress counts commands, up to all of them."""
    source, copy, clock = two_books(database_url)
    seen = []
    with source, copy:
        play(source, clock, [])
        head = replay(source, copy, lambda done, total: seen.append((done, total)))
    assert seen[-1] == (head.seq, head.seq)
