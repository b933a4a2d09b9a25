"""The example files do what docs/files.md says."""

from pathlib import Path

import pytest

from khata.domain import ledger
from khata.edge.files.beancount.importing import import_beancount
from khata.edge.files.importing import import_openings, import_operations
from tests.builders import a_book, balance, discrepancies
from tests.servers import sqlite_at

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def book(tmp_path):
    """An empty book on SQLite."""
    with a_book(sqlite_at(tmp_path / "khata.db")) as opened:
        yield opened


def test_the_operations_play_an_order(book):
    """Held, captured into escrow, released to the shop and the house."""
    result = import_operations(book, EXAMPLES / "operations.csv")
    paths = ("karim/personal/BDT", "mitu/partner/BDT", "jamal/rider/BDT")
    assert result.refused == []
    assert [balance(book, path) for path in paths] == ["980.00", "950.00", "80.00"]


def test_the_opening_balances_add_up(book):
    """In two currencies, one of them with three decimals."""
    import_openings(book, EXAMPLES / "opening-balances.csv")
    assert balance(book, "nadia/customer/BDT") == "2069.50"
    assert balance(book, "ali/customer/IQD") == "15296775.160"


def test_the_small_shop_comes_in(book):
    """A pad, a purchase at cost, an exchange, a balance that holds."""
    result = import_beancount(book, EXAMPLES / "books.beancount")
    lines = {(line.code, line.currency): line.balance for line in book.query(ledger.trial_balance)}
    assert (result.applied, result.failed, discrepancies(book)) == (5, [], [])
    assert lines["bank/checking", "BDT"] == "25000.00"
