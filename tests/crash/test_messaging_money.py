"""Who tells owners of their money is killed at any statement: everything is told once."""

import multiprocessing
import os
import random
import signal

import pytest
import sqlalchemy as sa

from khata import Khata
from khata.domain.wallets import Credit
from khata.messaging.money import Telling
from khata.messaging.outbox import Outbox
from tests.builders import BOB, a_book, bdt
from tests.conftest import SOAK

_processes = multiprocessing.get_context("forkserver")
# what takes long to load is loaded once
_processes.set_forkserver_preload(["tests.builders", "khata.messaging.money"])
_STATEMENTS = 9
"""What one round takes, at least: each side of each statement, and the commit."""
DEATHS = 2 * _STATEMENTS if SOAK else 2


def tell(url, at):
    """Tell everything, and be killed when a statement begins or ends for the `at`-th time."""
    count = [0]

    def count_down(*_):
        count[0] += 1
        if count[0] == at:
            os.kill(os.getpid(), signal.SIGKILL)

    with Khata.open(url) as book:
        for event in ("before_cursor_execute", "after_cursor_execute", "commit"):
            sa.event.listen(book.database.engine, event, count_down)
        telling = Telling(
            book.database, book.book_id, book.book, Outbox(book.database, book.book_id)
        )
        while telling.work():
            pass


def performed(url, at=0):
    """In a process of its own; how that ended."""
    with pytest.MonkeyPatch.context() as patch:
        # killed, they would never tell what they measured
        for name in ("COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG"):
            patch.delenv(name, raising=False)
        process = _processes.Process(target=tell, args=(url, at))
        process.start()
    process.join()
    return process.exitcode


def test_a_death_at_any_statement_loses_and_doubles_nothing(database_url, seed):
    """Killed before and after some of them, and then left alone."""
    with a_book(database_url, bob="0") as book:
        Telling(book.database, book.book_id, book.book, Outbox(book.database, book.book_id)).work()
        chance, died = random.Random(seed), 0
        for _ in range(DEATHS):
            book.submit_many([Credit(BOB, bdt("1.00")) for _ in range(5)])
            died += performed(database_url, chance.randrange(1, 2 * _STATEMENTS)) != 0
        assert performed(database_url) == 0
        assert died > 0
        found = Outbox(book.database, book.book_id).waiting()
        assert len(found) == len({one.id for one in found}) == 5 * DEATHS
