"""Opening balances out of historical totals."""

import pytest

from khata.domain import ledger
from khata.edge.files.importing import import_openings
from khata.errors import InvalidFile
from tests.builders import ALICE, a_book, balance, discrepancies, state
from tests.servers import sqlite_at

HEADER = "owner,wallet_kind,currency,payments_in,bonuses,refunds_in,purchases,withdrawals,fees"
HISTORY = "alice,personal,BDT,5000.00,150.00,20.50,3200.25,1000.00,10.00"


def a_file(folder, *lines, header=HEADER):
    path = folder / "balances.csv"
    path.write_text("\n".join((header, *lines, "")), encoding="utf-8")
    return path


@pytest.fixture
def url(tmp_path):
    """An empty database on SQLite."""
    return sqlite_at(tmp_path / "khata.db")


def test_a_wallet_opens_with_what_its_past_adds_up_to(database_url, tmp_path):
    """Payments, bonuses and refunds, less purchases, withdrawals and fees."""
    with a_book(database_url) as book:
        import_openings(book, a_file(tmp_path, HISTORY))
        assert (balance(book), discrepancies(book)) == ("960.25", [])


def test_each_total_has_its_other_side(url, tmp_path):
    """Opening equity shows the totals apart, and all of it sums to zero."""
    with a_book(url) as book:
        import_openings(book, a_file(tmp_path, HISTORY))
        lines = {line.code: line.balance for line in book.query(ledger.trial_balance)}
        assert lines["equity/opening/payments_in"] == "-5000.00"
        assert lines["equity/opening/purchases"] == "3200.25"


def test_a_second_run_changes_nothing(url, tmp_path):
    """A wallet has one opening balance, whatever the file is called."""
    with a_book(url) as book:
        path = a_file(tmp_path, HISTORY, "mitu,rider,BDT,,,,,,")
        import_openings(book, path)
        result = import_openings(book, path.rename(tmp_path / "again.csv"))
        assert (result.applied, result.replayed, balance(book)) == (0, 2, "960.25")


def test_other_totals_for_the_same_wallet_are_refused(url, tmp_path):
    """An opening balance is not corrected by importing another."""
    with a_book(url) as book:
        import_openings(book, a_file(tmp_path, HISTORY))
        result = import_openings(book, a_file(tmp_path, HISTORY.replace("5000", "6000")))
        assert [line.code for line in result.refused] == ["idempotency_key_reused"]


def test_a_wallet_that_exists_is_used(url, tmp_path):
    """Opened before by hand; the line counts as one that was carried out."""
    with a_book(url, alice="0") as book:
        result = import_openings(book, a_file(tmp_path, HISTORY))
        assert (result.applied, balance(book)) == (1, "960.25")


def test_a_past_that_cancels_out_opens_an_empty_wallet(url, tmp_path):
    """All that came in was spent."""
    with a_book(url) as book:
        import_openings(book, a_file(tmp_path, "alice,personal,BDT,70.00,,,70.00,,"))
        assert state(book).balance == "0.00"


def test_a_past_below_zero_is_refused(url, tmp_path):
    """The line is named and its neighbours live."""
    lines = ("zia,personal,BDT,1.00,,,2.00,,", HISTORY)
    with a_book(url) as book:
        result = import_openings(book, a_file(tmp_path, *lines), on_refusal="skip")
        named = [(line.line, line.code) for line in result.refused]
        assert (named, balance(book)) == ([(2, "insufficient_funds")], "960.25")


def test_owners_in_any_script(url, tmp_path):
    """An id that no key could hold is no hindrance."""
    with a_book(url) as book:
        path = a_file(tmp_path, HISTORY.replace("alice", "রহিম"))
        import_openings(book, path)
        assert balance(book, ALICE.replace("alice", "রহিম")) == "960.25"


@pytest.mark.parametrize("line", [",personal,BDT,1,,,,,", "zia,personal,BDT,1e3,,,,,"])
def test_a_malformed_line_is_named(url, tmp_path, line):
    """With what stands before it carried out."""
    with a_book(url) as book:
        with pytest.raises(InvalidFile) as caught:
            import_openings(book, a_file(tmp_path, HISTORY, line))
        assert (caught.value.details["line"], balance(book)) == (3, "960.25")
