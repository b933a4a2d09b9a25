"""The demo plays to its end, keeps its book when asked to, and does not claim what did not hold."""

import sqlite3
from contextlib import closing

from khata import Khata
from khata.edge.cli.demo.evening import play_evening
from khata.edge.cli.demo.morning import play_morning
from khata.edge.cli.demo.proof import verify_all
from khata.edge.cli.demo.stage import Stage, StoryClock
from khata.edge.cli.screen import out
from tests.edge.command_line import khata, shell


def test_the_demo_ends_well():
    """Everything that it expects holds, in a process without a terminal."""
    done = shell("demo")
    assert (done.returncode, "✗" in done.stdout, done.stderr) == (0, False, "")


def test_the_demo_splits_an_order_and_tells_people():
    """A thousand in escrow becomes 50, 150 and 800; both sides of a transfer hear of it."""
    shown = khata("demo", "--fast", "--no-color").out
    assert [part in shown for part in ("+৳50.00", "+৳150.00", "+৳800.00")] == [True] * 3
    assert "Nadia hears: money.credited 20.00 BDT" in shown
    assert "Karim hears: money.debited 20.00 BDT" in shown


def test_the_demo_names_what_was_touched():
    """The flipped byte, the amount and the status, each by its place."""
    shown = khata("demo", "--fast", "--no-color").out
    caught = [line.split("names ")[1] for line in shown.splitlines() if "Caught" in line]
    assert [place.split()[0] for place in caught] == ["journal", "postings", "accounts"]


def test_the_demo_keeps_a_clean_book(database_url):
    """With --database the book stays, and nothing in it is corrupted."""
    khata("demo", "--fast", url=database_url)
    done = khata("verify", "--book", "demo", url=database_url)
    assert (done.code, "Everything agrees." in done.out) == (0, True)


def test_the_demo_can_be_played_again(database_url):
    """A second day gets a book of its own."""
    codes = [khata("demo", "--fast", url=database_url).code for _ in range(2)]
    found = khata("wallets", "list", "--book", "demo-2", "--json", url=database_url)
    assert (codes, len(found.lines())) == ([0, 0], 11)


def test_the_demo_does_not_hide_a_corruption(tmp_path):
    """When the day's book is not clean, the demo does not end well."""
    clock = StoryClock()
    with Khata.open(f"sqlite:///{tmp_path / 'day.db'}", "demo", clock=clock) as book:
        stage = Stage(out(), book, clock, fast=True)
        play_morning(stage)
        play_evening(stage)
        went_well = stage.went_well
        with closing(sqlite3.connect(tmp_path / "day.db")) as file:
            file.execute("UPDATE accounts SET balance = balance + 1 WHERE code = 'cash/main'")
            file.commit()
        verify_all(stage)
    assert (went_well, stage.went_well) == (True, False)


def test_the_demo_fails_when_nothing_is_refused(tmp_path):
    """An expected refusal that does not come counts as a failure."""
    clock = StoryClock()
    with Khata.open(f"sqlite:///{tmp_path / 'day.db'}", "demo", clock=clock) as book:
        stage = Stage(out(), book, clock, fast=True)
        play_morning(stage)
        stage.refused(
            book.verbs.read('{"kind":"wallets.open","owner":"zia","currency":"BDT"}'), "x"
        )
    assert not stage.went_well
