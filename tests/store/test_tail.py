"""Consumers of the journal: nothing is skipped, and what was not finished comes again."""

import threading

import pytest

from khata import Khata, Money
from khata.domain.wallets import Credit, OpenWallet
from khata.engine.tail import Tail
from khata.errors import Invalid


def a_book(url):
    book = Khata.open(url, migrate=True)
    book.submit(OpenWallet("alice", "BDT"))
    more(book, 5)
    return book


def more(book, count):
    book.submit_many([Credit("alice/personal/BDT", Money("1", "BDT")) for _ in range(count)])


def a_tail(book, name="webhooks"):
    return Tail(book.database, book.book_id, name)


def seqs(rows):
    return [row.seq for row in rows]


def test_a_new_consumer_begins_at_the_beginning(database_url):
    """The first read gives the first commands, as many as asked for."""
    with a_book(database_url) as book:
        assert seqs(a_tail(book).read(3)) == [1, 2, 3]


def test_what_is_finished_does_not_come_again(database_url):
    """The place is kept in the database, not in the consumer."""
    with a_book(database_url) as book:
        a_tail(book).finish(4)
        assert seqs(a_tail(book).read()) == [5, 6]


def test_a_consumer_that_dies_before_finishing_sees_the_rows_again(database_url):
    """Between read and finish nothing is lost."""
    with a_book(database_url) as book:
        a_tail(book).read(4)
        assert seqs(a_tail(book).read(4)) == [1, 2, 3, 4]


def test_a_place_never_goes_back(database_url):
    """A late finish of an earlier row changes nothing."""
    with a_book(database_url) as book:
        tail = a_tail(book)
        tail.finish(5)
        tail.finish(2)
        assert tail.finished == 5


def test_consumers_do_not_disturb_each_other(database_url):
    """Each name has its own place."""
    with a_book(database_url) as book:
        a_tail(book, "webhooks").finish(6)
        assert a_tail(book, "exports").finished == 0


def test_what_does_not_exist_cannot_be_finished(database_url):
    """Finishing beyond the end would skip what comes."""
    with a_book(database_url) as book, pytest.raises(Invalid):
        a_tail(book).finish(7)


def test_a_consumer_needs_a_name(database_url):
    """An empty name is refused."""
    with a_book(database_url) as book, pytest.raises(Invalid):
        a_tail(book, "")


def test_following_waits_for_what_comes(database_url):
    """Rows committed while a consumer waits reach it, each once, in order, until it is stopped."""
    seen, stop, reached = [], threading.Event(), threading.Event()
    with a_book(database_url) as book:

        def consume():
            for row in a_tail(book).follow(stop, poll_seconds=0.01, limit=2):
                seen.append(row.seq)
                if len(seen) == 6:
                    reached.set()
                if len(seen) == 10:
                    stop.set()

        thread = threading.Thread(target=consume)
        thread.start()
        assert reached.wait(30)
        more(book, 4)
        thread.join(30)
    assert seen == list(range(1, 11))
