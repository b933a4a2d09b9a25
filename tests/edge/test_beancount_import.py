"""Beancount files into a book: any ordinary one, and our own back again."""

import sys
from datetime import date

import pytest
from beancount.scripts import example

from khata import Khata
from khata.domain import ledger, setup, wallets
from khata.edge.files.beancount.importing import import_beancount
from khata.engine import reading
from khata.errors import AlreadyExists, Invalid, InvalidFile, KeyReused
from tests.builders import ALICE, FINANCE, a_book, bdt, discrepancies
from tests.edge.test_beancount_export import a_busy_book, exported, loaded
from tests.servers import sqlite_at

OPENS = """\
2020-01-01 open Assets:Bank:Checking
2020-01-01 open Assets:Broker
2020-01-01 open Equity:Opening-Balances
2020-01-01 open Expenses:Food
2020-01-01 open Income:Salary
"""
SALARY = """
2020-02-01 * "Mill" "Salary" #work ^slip-1
  Assets:Bank:Checking  1000.00 USD
  Income:Salary
"""
LUNCH = """
2020-02-02 * "Lunch"
  Expenses:Food  12.50 USD
  Assets:Bank:Checking
"""
BOUGHT = """
2020-02-03 * "Shares"
  paper: "A-7"
  Assets:Broker  3 HOOL {100.10 USD, "lot"}
  Assets:Bank:Checking  -300.30 USD
"""
EXCHANGED = """
2020-02-04 * "Travel"
  Assets:Broker  100.00 EUR @ 1.0912 USD
  Assets:Bank:Checking  -109.12 USD
"""


def a_file(folder, *directives, name="books.beancount"):
    path = folder / name
    path.write_text("".join((OPENS, *directives)), encoding="utf-8")
    return path


def balances(book):
    """(code, currency) → balance, of accounts that have one."""
    return {
        (line.code, line.currency): line.balance
        for line in book.query(ledger.trial_balance)
        if line.balance.strip("0.")
    }


def last(book):
    """The last entry."""
    return book.query(ledger.entries, limit=1).items[0]


@pytest.fixture
def book(tmp_path):
    """An empty book on SQLite."""
    with a_book(sqlite_at(tmp_path / "khata.db")) as opened:
        yield opened


def test_transactions_become_entries(database_url, tmp_path):
    """Amounts that the file leaves out are filled in; the book verifies."""
    with a_book(database_url) as book:
        import_beancount(book, a_file(tmp_path, SALARY, LUNCH))
        assert balances(book) == {
            ("bank/checking", "USD"): "987.50",
            ("expense/food", "USD"): "12.50",
            ("revenue/salary", "USD"): "1000.00",
        }
        assert discrepancies(book) == []


def test_an_entry_keeps_what_beancount_says(book, tmp_path):
    """Day, payee, tags and links are metadata."""
    import_beancount(book, a_file(tmp_path, SALARY))
    assert last(book).metadata == {
        "beancount": {
            "date": "2020-02-01",
            "flag": "*",
            "payee": "Mill",
            "tags": ["work"],
            "links": ["slip-1"],
        }
    }


def test_a_purchase_balances_unit_by_unit(book, tmp_path):
    """Money and shares each have their other side on the trading account."""
    import_beancount(book, a_file(tmp_path, SALARY, BOUGHT))
    found = balances(book)
    assert found["asset/broker", "HOOL"] == "3"
    assert found["equity/trading", "HOOL"] == "3"
    assert found["equity/trading", "USD"] == "-300.30"


def test_a_cost_is_kept(book, tmp_path):
    """With its date and label, beside the file's own metadata."""
    import_beancount(book, a_file(tmp_path, SALARY, BOUGHT))
    kept = last(book).metadata["beancount"]
    assert kept["meta"] == {"paper": "A-7"}
    assert kept["legs"] == [["Assets:Broker", {"cost": "100.10 USD, 2020-02-03, lot"}]]


def test_a_price_is_kept(book, tmp_path):
    """An exchange is a trade too."""
    import_beancount(book, a_file(tmp_path, SALARY, EXCHANGED))
    legs = last(book).metadata["beancount"]["legs"]
    assert legs == [["Assets:Broker", {"price": "1.0912 USD"}]]


def test_a_rounding_within_tolerance_has_its_account(book, tmp_path):
    """Beancount forgives a half cent; a book shows where it went."""
    rounded = '2020-02-05 * "x"\n  Expenses:Food  0.334 USD\n  Income:Salary  -0.33 USD\n'
    import_beancount(book, a_file(tmp_path, rounded))
    assert balances(book)["equity/rounding", "USD_3"] == "0.004"


def test_a_commodity_gets_a_unit_with_its_decimals(book, tmp_path):
    """Whatever it is called, under a code of ours; its own name is kept."""
    text = '2020-02-05 * "x"\n  Assets:Broker  1.2345 LONG.NAME-OF-FUND\n  Income:Salary\n'
    import_beancount(book, a_file(tmp_path, text))
    with book.view() as view:
        unit = reading.records(view, setup.Unit, reading.select(view, setup.Unit))[0]
    assert (unit.name, unit.exponent) == ("LONG.NAME-OF-FUND", 4)


def test_a_pad_is_a_transaction(book, tmp_path):
    """The loader says how much, and the assertion behind it holds."""
    pad = """
2020-03-01 pad Assets:Bank:Checking Equity:Opening-Balances
2020-03-02 balance Assets:Bank:Checking 250.00 USD
"""
    import_beancount(book, a_file(tmp_path, pad))
    assert balances(book)["bank/checking", "USD"] == "250.00"


def test_a_failed_balance_is_reported(book, tmp_path):
    """With its line; the transactions are what they are."""
    text = "2020-03-02 balance Assets:Bank:Checking 1.00 USD\n"
    result = import_beancount(book, a_file(tmp_path, SALARY, text))
    assert [failed.line for failed in result.failed] == [10]
    assert result.applied == 1


def test_a_second_run_changes_nothing(database_url, tmp_path):
    """Not even the setting up is done again."""
    with a_book(database_url) as book:
        path = a_file(tmp_path, SALARY, LUNCH)
        import_beancount(book, path)
        head = book.query(reading.head).hash
        result = import_beancount(book, path)
        assert (result.applied, result.replayed) == (0, 2)
        assert book.query(reading.head).hash == head


def test_a_file_may_grow_at_its_end(book, tmp_path):
    """New transactions, with commodities of their own, are posted."""
    import_beancount(book, a_file(tmp_path, SALARY))
    result = import_beancount(book, a_file(tmp_path, SALARY, LUNCH, BOUGHT))
    assert (result.applied, result.replayed) == (2, 1)


def test_an_edited_file_is_refused_as_a_whole(book, tmp_path):
    """A transaction that changed would be posted beside what it was."""
    import_beancount(book, a_file(tmp_path, SALARY, LUNCH))
    head = book.query(reading.head).hash
    with pytest.raises(KeyReused):
        import_beancount(book, a_file(tmp_path, SALARY, LUNCH.replace("12.50", "13.50"), BOUGHT))
    assert book.query(reading.head).hash == head


def test_a_renamed_file_is_recognised(book, tmp_path):
    """The same transactions under another name would be posted twice."""
    import_beancount(book, a_file(tmp_path, SALARY))
    with pytest.raises(AlreadyExists):
        import_beancount(book, a_file(tmp_path, SALARY, name="copy.beancount"))


@pytest.mark.parametrize(
    "text",
    [
        '2020-02-05 * "x"\n  Assets:Broker  1 USD\n  Income:Salary  -2 USD\n',
        '2020-02-05 * "x"\n  Assets:Nowhere  1 USD\n  Income:Salary  -1 USD\n',
        "2020-02-05 * unquoted\n",
        '2020-02-05 * "x"\n  Assets:Broker  0.123456789 USD\n  Income:Salary\n',
    ],
    ids=["unbalanced", "unopened", "malformed", "decimals"],
)
def test_a_file_that_is_wrong_is_refused_as_a_whole(book, tmp_path, text):
    """With the line; nothing of it is posted."""
    with pytest.raises(InvalidFile) as caught:
        import_beancount(book, a_file(tmp_path, SALARY, text))
    assert (caught.value.details["line"], balances(book)) == (10, {})


def test_without_beancount_the_error_says_what_to_install(book, tmp_path, monkeypatch):
    """It is an extra."""
    monkeypatch.setitem(sys.modules, "beancount", None)
    with pytest.raises(Invalid) as caught:
        import_beancount(book, a_file(tmp_path, SALARY))
    assert caught.value.details["expected"] == "pip install khata[beancount]"


def test_setting_up_needs_an_admin(book, tmp_path):
    """An import defines units and kinds, which finance may not."""
    result = import_beancount(book, a_file(tmp_path, SALARY), actor=FINANCE)
    assert [line.code for line in result.refused] == ["role_required"]


def test_no_cache_is_left_beside_the_file(book, tmp_path):
    """And none is read: a pickle runs whatever its writer wanted."""
    path = a_file(tmp_path, SALARY)
    import_beancount(book, path)
    assert not list(tmp_path.glob("*picklecache"))


# ── both ways ────────────────────────────────────────────────────────────────────────


def test_a_book_comes_back(database_url, tmp_path):
    """Exported, brought into an empty book: the same balances, and bean-check agrees again."""
    with Khata.open(a_busy_book(database_url)) as book:
        wanted, path = balances(book), exported(book, tmp_path)
    (tmp_path / "copy").mkdir()
    with a_book(sqlite_at(tmp_path / "copy" / "khata.db")) as copy:
        result = import_beancount(copy, path)
        assert (result.refused, balances(copy), discrepancies(copy)) == ([], wanted, [])
        assert loaded(exported(copy, tmp_path / "copy"))[1] == []


def test_what_a_caller_said_comes_back(book, tmp_path):
    """Note, reference, source and metadata of an entry."""
    with a_book(sqlite_at(tmp_path / "other.db"), alice="0") as other:
        said = wallets.Credit(
            ALICE, bdt("5.00"), "mission", None, "R-1", 'a "b"\n\\গ', {"order": ["M1"]}
        )
        other.submit(said)
        import_beancount(book, exported(other, tmp_path))
    entry = last(book)
    assert (entry.source, entry.reference, entry.note) == ("mission", "R-1", said.note)
    assert entry.metadata["order"] == ["M1"]


def test_a_wallet_that_was_overdrawn_comes_back(book, tmp_path):
    """A book is not refused its own past."""
    with a_book(sqlite_at(tmp_path / "other.db"), alice="0") as other:
        other.submit(ledger.SetLimits(ALICE, "trusted", overdraft="50.00"))
        other.submit(wallets.Debit(ALICE, bdt("20.00")))
        import_beancount(book, exported(other, tmp_path))
    assert balances(book)["wallet/alice/personal/BDT", "BDT"] == "-20.00"


def test_beancounts_own_example_comes_in(book, tmp_path):
    """Years of salaries, taxes, shares and vacation hours; out again, bean-check agrees."""
    path = tmp_path / "example.beancount"
    with path.open("w", encoding="utf-8") as stream:
        days = date(1980, 5, 12), date(2024, 1, 1), date(2025, 1, 1)
        example.write_example_file(*days, reformat=False, file=stream)
    result = import_beancount(book, path)
    assert (result.refused, result.applied > 200) == ([], True)
    assert loaded(exported(book, tmp_path))[1] == []
