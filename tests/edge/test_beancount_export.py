"""A book as a Beancount file: Beancount itself reads it, and finds the same balances."""

import io
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from beancount import loader
from beancount.core import data, inventory
from hypothesis import given
from hypothesis import strategies as st

from khata import Khata, Money
from khata.domain import ledger, setup, wallets
from khata.edge.files.beancount.names import to_account, to_commodity
from khata.edge.files.beancount.writing import export_beancount
from khata.errors import NotYours
from tests.builders import ALICE, BOB, Clock, a_book, bdt, owner
from tests.servers import sqlite_at

BEAN_CHECK = str(Path(sys.executable).with_name("bean-check"))
OWNERS = ("alice", "Alice", "user-42@x", "রহিম", "a", "~odd", "محمد", "user_1")
UNITS = ("BDT", "IQD", "JPY", "XP", "GOLD_")

texts = st.text(st.characters(exclude_characters="\x00", exclude_categories=("Cs",)), max_size=30)
moves = st.lists(
    st.tuples(
        st.sampled_from(OWNERS),
        st.sampled_from(OWNERS),
        st.sampled_from(UNITS),
        st.integers(1, 10**12),
        texts,
    ),
    max_size=12,
)


def exported(book, folder):
    """The path of a file with the whole book."""
    path = folder / "book.beancount"
    with path.open("w", encoding="utf-8", newline="") as stream:
        export_beancount(book, stream)
    return path


def loaded(path):
    """The directives of a file, and what is wrong with it."""
    loader.initialize(use_cache=False)
    entries, errors, _ = loader.load_file(str(path))
    return entries, [error.message for error in errors]


def sums(entries):
    """Account → commodity → the sum of its postings."""
    found = {}
    for entry in data.filter_txns(entries):
        for posting in entry.postings:
            found.setdefault(posting.account, inventory.Inventory()).add_position(posting)
    return {
        (account, position.units.currency): position.units.number
        for account, held in found.items()
        for position in held
        if position.units.number
    }


def a_busy_book(url):
    """Three currencies, a reversal, a custom unit, texts with quotes and line ends."""
    with a_book(url, alice="1000.00", bob="0") as book:
        book.submit(setup.DefineUnit("XP", 0, "Experience"))
        book.submit(wallets.OpenWallet("alice", "XP"))
        book.submit(wallets.OpenWallet("রহিম", "IQD", "rider", 'the "rider"'))
        book.submit(wallets.Credit("alice/personal/XP", Money("12", "XP"), "mission"))
        book.submit(wallets.Credit("রহিম/rider/IQD", Money("5.125", "IQD"), note='a "b"\\\nগ'))
        moved = book.submit(
            wallets.Transfer(ALICE, BOB, bdt("30.10"), metadata={"order": 'M1 "x"', "n": [1]})
        )
        book.submit(ledger.Reverse(moved.result.id, "by mistake", "10.05"))
    return url


def test_bean_check_accepts_it(database_url, tmp_path):
    """The real program, on a book with something of everything."""
    with Khata.open(a_busy_book(database_url)) as book:
        path = exported(book, tmp_path)
    done = subprocess.run([BEAN_CHECK, path], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_bean_check_finds_a_changed_amount(tmp_path):
    """The balances at the end are the book's own, so an amount that differs shows."""
    with Khata.open(a_busy_book(sqlite_at(tmp_path / "khata.db"))) as book:
        path = exported(book, tmp_path)
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("30.10 BDT", "30.11 BDT"), encoding="utf-8")
    _, errors = loaded(path)
    assert len(errors) == 2


def test_an_empty_book_is_a_file_too(tmp_path):
    """Without accounts, and without errors."""
    with a_book(sqlite_at(tmp_path / "khata.db")) as book:
        assert loaded(exported(book, tmp_path)) == ([], [])


def test_an_entry_keeps_what_it_is_known_by(tmp_path):
    """Its id, key, source and reference are metadata; the day is the day of its command."""
    with a_book(sqlite_at(tmp_path / "khata.db"), clock=Clock(), alice="0") as book:
        command = wallets.Credit(ALICE, bdt("5.00"), reference="bill 7", note="ঈদ মোবারক")
        receipt = book.submit(command, key="k-1")
        entries, _ = loaded(exported(book, tmp_path))
    entry = next(data.filter_txns(entries))
    assert (entry.meta["id"], entry.meta["key"]) == (receipt.result.id, "k-1")
    assert (entry.meta["reference"], entry.meta["source"]) == ("bill 7", "top_up")
    assert (entry.narration, entry.date.isoformat()) == ("ঈদ মোবারক", "2026-01-31")


def test_owners_export_nothing(tmp_path):
    """The whole book is the house's to see."""
    url = sqlite_at(tmp_path / "khata.db")
    with a_book(url, alice="1.00") as book, pytest.raises(NotYours):
        export_beancount(book, io.StringIO(), actor=owner("alice"))


@given(moves)
def test_any_book_is_exported_without_loss(tmp_path_factory, drawn):
    """Whatever was moved between whomever: no error, and the balances of the book."""
    folder = tmp_path_factory.mktemp("book")
    with a_book(sqlite_at(folder / "khata.db")) as book:
        book.submit_many([setup.DefineUnit("XP", 0, "XP"), setup.DefineUnit("GOLD_", 4, "Gold")])
        opened = {(name, unit) for payer, payee, unit, *_ in drawn for name in (payer, payee)}
        book.submit_many([wallets.OpenWallet(name, unit) for name, unit in sorted(opened)])
        for payer, payee, unit, amount, text in drawn:
            money = Money(str(amount), unit)
            book.submit_many(
                [
                    wallets.Credit(f"{payer}/personal/{unit}", money, note=text or None),
                    wallets.Transfer(
                        f"{payer}/personal/{unit}",
                        f"{payee}/personal/{unit}",
                        money,
                        reference=text or None,
                        metadata={"said": text},
                    ),
                ]
            )
        entries, errors = loaded(exported(book, folder))
        lines = book.query(ledger.trial_balance)
    side = {"asset": 1, "expense": 1}
    assert errors == []
    assert sums(entries) == {
        (to_account(line.code), to_commodity(line.currency, None, 0)): Decimal(line.balance)
        * side.get(line.kind, -1)
        for line in lines
        if Decimal(line.balance)
    }
