"""Files in and out on the command line: CSV, Beancount, the journal."""

import csv
import io
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from tests.edge.command_line import ALICE, a_book, balance, khata
from tests.servers import sqlite_at

BEAN_CHECK = str(Path(sys.executable).with_name("bean-check"))
DAY = """\
operation,wallet,to,amount,currency
open,zia/personal/BDT,,,
credit,zia/personal/BDT,,100.00,BDT
transfer,zia/personal/BDT,alice/personal/BDT,30.00,BDT
"""


@pytest.fixture
def url(tmp_path):
    """A book with Alice's 1,000 taka, on SQLite."""
    return a_book(sqlite_at(tmp_path / "khata.db"))


def a_file(folder, text=DAY):
    """A file of operations; its path."""
    path = folder / "day.csv"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_file_of_operations_is_imported(database_url, tmp_path):
    """Its lines happen in order."""
    a_book(database_url)
    khata("import", "csv", a_file(tmp_path), url=database_url)
    assert balance(database_url, ALICE) == "1030.00"


def test_the_same_file_again_changes_nothing(url, tmp_path):
    """Every line is known the second time."""
    path = a_file(tmp_path)
    khata("import", "csv", path, url=url)
    again = khata("import", "csv", path, "--json", url=url).json()
    assert (again["applied"], again["replayed"], balance(url, ALICE)) == (0, 3, "1030.00")


def test_a_refused_line_stops_the_import_and_is_named(url, tmp_path):
    """The exit code says refused, the answer which line."""
    path = a_file(tmp_path, f"{DAY}debit,zia/personal/BDT,,500.00,BDT\n")
    done = khata("import", "csv", path, "--json", url=url)
    assert (done.code, done.json()["stopped_at"]) == (3, 5)


def test_a_refused_line_may_be_skipped(url, tmp_path):
    """What comes after it is carried out."""
    lines = "debit,zia/personal/BDT,,500.00,BDT\ndebit,zia/personal/BDT,,7.00,BDT\n"
    done = khata("import", "csv", a_file(tmp_path, DAY + lines), "--skip-refused", url=url)
    assert (done.code, balance(url, "zia/personal/BDT")) == (0, "63.00")


def test_a_malformed_line_is_named(url, tmp_path):
    """With its number and what was expected, and what was imported so far."""
    done = khata("import", "csv", a_file(tmp_path, f"{DAY}lend,x,,,\n"), url=url)
    assert done.code == 3
    assert "line: 5" in done.err
    assert "expected: one of open, credit" in done.err


def test_a_progress_bar_never_enters_the_answer(url, tmp_path):
    """Standard output has the JSON and nothing else."""
    done = khata("import", "csv", a_file(tmp_path), "--json", url=url)
    assert done.json()["lines"] == 3


def test_an_exported_book_passes_bean_check(url, tmp_path):
    """Beancount itself reads it and finds its balances right."""
    path = str(tmp_path / "books.beancount")
    khata("export", "beancount", "--output", path, url=url)
    checked = subprocess.run([BEAN_CHECK, path], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_a_beancount_file_comes_back(url, tmp_path):
    """Out of one book and into another: the same balances."""
    path, other = str(tmp_path / "books.beancount"), sqlite_at(tmp_path / "other.db")
    khata("export", "beancount", "--output", path, url=url)
    khata("import", "beancount", path, url=other)
    assert balance(other, ALICE) == "1000.00"


def test_an_export_that_fails_leaves_no_file(url, tmp_path):
    """Nobody takes half a book for a whole one."""
    path = tmp_path / "books.beancount"
    khata("export", "beancount", "--output", str(path), "--actor", "owner:alice", url=url)
    assert list(tmp_path.glob("books*")) == []


def test_every_leg_is_a_line_of_csv(url, tmp_path):
    """Debits and credits of the whole file are equal."""
    khata("import", "csv", a_file(tmp_path), url=url)
    rows = list(csv.DictReader(io.StringIO(khata("export", "csv", url=url).out)))
    debits, credits_ = (
        sum(Decimal(row[side] or 0) for row in rows) for side in ("debit", "credit")
    )
    assert (len(rows), debits) == (6, credits_)


def test_every_command_is_a_line_of_json(url):
    """With the hash at which verify arrives."""
    rows = khata("export", "journal", url=url).lines()
    head = khata("verify", "--json", url=url).json()["head"]
    assert ([row["seq"] for row in rows], rows[-1]["hash"]) == ([1, 2, 3], head)
