"""Many threads, several writers, databases that go away: the book stays one book."""

import random
import sqlite3
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
from sqlalchemy.engine import make_url

from khata import Khata, KhataError
from khata.domain.holds import CaptureHold, PlaceHold
from khata.domain.ledger import trial_balance
from khata.domain.wallets import Credit, Debit, Transfer
from khata.engine.committer import Limits
from khata.errors import InsufficientFunds, Timeout, Unavailable
from tests.builders import ALICE, BOB, a_book, balance, bdt, discrepancies, refused
from tests.servers import fresh_database, local_postgres, sqlite_at

NAMES = [f"u{n}" for n in range(6)]
FULL = dict.fromkeys(NAMES, "10000.00")


def some_commands(seed, count=400):
    """Commands whose order does not matter: nobody ever runs out of money."""
    draw = random.Random(seed)
    for number in range(count):
        one, two = (f"{name}/personal/BDT" for name in draw.sample(NAMES, 2))
        amount = bdt(f"{draw.randrange(1, 900) / 100:.2f}")
        make = draw.choice(
            [
                lambda: Transfer(one, two, amount),  # noqa: B023 - called at once
                lambda: Credit(one, amount),  # noqa: B023 - called at once
                lambda: Debit(one, amount, "order"),  # noqa: B023 - called at once
            ]
        )
        yield f"k{number}", make()


def balances(book):
    return {(line.code, line.currency): line.balance for line in book.query(trial_balance)}


def test_threads_and_writers_come_to_the_same_balances(database_url, tmp_path, seed):
    """Sixteen threads over two writers, or one line after the other: the same book in the end."""
    lines = list(some_commands(seed))
    with a_book(database_url, **FULL) as one, Khata.open(database_url) as two:
        with ThreadPoolExecutor(16) as callers:
            for at, (key, command) in enumerate(lines):
                callers.submit((one, two)[at % 2].submit, command, key=key)
        found = balances(one)
        assert discrepancies(one) == []
    with a_book(sqlite_at(tmp_path / "alone.db"), **FULL) as alone:
        alone.submit_many(lines)
        assert balances(alone) == found


def test_two_callers_cannot_spend_the_same_money(database_url):
    """Of twenty who want all of it at once, one gets it."""
    with a_book(database_url, alice="50.00", bob="0") as one, Khata.open(database_url) as two:

        def spend(at):
            try:
                return (one, two)[at % 2].submit(Transfer(ALICE, BOB, bdt("50.00")))
            except InsufficientFunds as error:
                return error

        with ThreadPoolExecutor(20) as callers:
            answers = list(callers.map(spend, range(20)))
        assert sum(not isinstance(answer, KhataError) for answer in answers) == 1
        assert (balance(one), balance(one, BOB)) == ("0.00", "50.00")


def test_two_callers_cannot_capture_the_same_hold(database_url):
    """Of ten who capture it, one does."""
    with a_book(database_url, alice="50.00") as one, Khata.open(database_url) as two:
        held = one.submit(PlaceHold(ALICE, bdt("30.00"))).result.id

        def capture(at):
            try:
                return (one, two)[at % 2].submit(CaptureHold(held)).seq
            except KhataError as error:
                return error.code

        with ThreadPoolExecutor(10) as callers:
            answers = list(callers.map(capture, range(10)))
        assert answers.count("hold_not_active") == 9
        assert balance(one) == "20.00"


def test_readers_see_a_book_that_balances_while_it_is_written(database_url, seed):
    """In every snapshot all accounts of the currency sum to zero."""
    lines = list(some_commands(seed, 300))
    debit_side = ("cash", "expense")
    with a_book(database_url, **FULL) as book:
        writing = threading.Thread(target=book.submit_many, args=(lines,))
        writing.start()
        going, sums = True, set()
        while going:
            going = writing.is_alive()
            with book.view() as view:
                sums.add(
                    sum(
                        int(line.balance.replace(".", ""))
                        * (1 if line.code.startswith(debit_side) else -1)
                        for line in trial_balance(view)
                    )
                )
        assert sums == {0}


# ── databases that go away ───────────────────────────────────────────────────────────


def test_a_locked_file_is_waited_for(tmp_path):
    """While another process has the file locked, callers wait; then their commands are done."""
    path = tmp_path / "khata.db"
    with a_book(sqlite_at(path), alice="50.00", bob="0") as book:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        pay = Transfer(ALICE, BOB, bdt("1.00"))
        error = refused(book, pay, key="k", timeout=0.2)
        assert (type(error), error.retryable) == (Timeout, True)
        other.execute("COMMIT")
        other.close()
        assert book.submit(pay, key="k").replayed
        assert balance(book, BOB) == "1.00"


def test_a_server_that_is_down_is_unavailable_and_comes_back():
    """Callers hear of it within the patience that was set; the same key works afterwards."""
    pay = Transfer(ALICE, BOB, bdt("1.00"))
    impatient = Limits(patience_seconds=0.5)
    with (
        local_postgres() as server,
        fresh_database(server) as url,
        a_book(url, limits=impatient, alice="50.00", bob="0") as book,
    ):
        book.submit(pay)
        process, folder = postmaster(server)
        programs, user = Path(process.exe()).parent, folder.stat().st_uid
        options = (folder / "postmaster.opts").read_text().partition(" ")[2].strip()
        control(programs, folder, user, "stop", "-m", "immediate")
        for key in ("k0", "k1"):
            error = refused(book, pay, key=key)
            assert (isinstance(error, Unavailable), error.retryable) == (True, True)
        control(programs, folder, user, "start", "-l", folder / "again.log", "-o", options)
        assert not book.submit(pay, key="k1").replayed
        assert balance(book, BOB) == "2.00"
        assert discrepancies(book) == []


def postmaster(url):
    folder = Path(make_url(url).query["host"])
    return psutil.Process(int((folder / "postmaster.pid").read_text().split()[0])), folder


def control(programs, folder, user, *what):
    subprocess.run(
        [programs / "pg_ctl", "-w", "-D", folder, *what],
        user=user,
        cwd="/",
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=60,
    )
