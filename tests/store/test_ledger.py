"""Double entry: two or more legs, each currency sums to zero, or nothing is written."""

import pytest

from khata import Money
from khata.domain import ledger
from khata.domain.ledger import LegIn, OpenAccount, PostEntry
from khata.domain.setup import DefineSource, DefineUnit
from khata.domain.wallets import OpenWallet
from khata.engine import reading
from khata.errors import (
    AlreadyExists,
    CurrencyMismatch,
    Invalid,
    InvalidAmount,
    Unbalanced,
    UnknownCurrency,
    UnknownSource,
    WalletNotFound,
)
from tests.builders import ALICE, a_book, balance, bdt, discrepancies, refused

KINDS = {
    "cash/main": "asset",
    "receivable/dhaar": "asset",
    "escrow/M1": "liability",
    "clearing/order": "liability",
    "equity/opening": "equity",
    "revenue/commission": "revenue",
    "expense/bonus": "expense",
}


def debit(account, amount, currency="BDT"):
    return LegIn(account, debit=Money(amount, currency))


def credit(account, amount, currency="BDT"):
    return LegIn(account, credit=Money(amount, currency))


BAD = {
    "no leg": ([], Unbalanced),
    "one leg": ([debit("cash/main", "5")], Unbalanced),
    "unbalanced": ([debit("cash/main", "5"), credit("revenue/fee", "4.99")], Unbalanced),
    "same side": ([debit("cash/main", "5"), debit("expense/x", "5")], Unbalanced),
    "mixed": ([debit("cash/main", "5"), credit("revenue/fee", "5", "USD")], Unbalanced),
    "both": ([LegIn("cash/main", bdt("5"), bdt("5")), credit("revenue/fee", "5")], Invalid),
    "neither": ([LegIn("cash/main"), credit("revenue/fee", "5")], Invalid),
    "zero": ([debit("cash/main", "0"), credit("revenue/fee", "0")], InvalidAmount),
    "negative": ([debit("cash/main", "-5"), credit("revenue/fee", "-5")], InvalidAmount),
    "foreign": ([debit(ALICE, "5", "USD"), credit("revenue/fee", "5", "USD")], CurrencyMismatch),
    "no currency": ([debit("cash/x", "5", "TAKA"), credit("cash/y", "5", "TAKA")], UnknownCurrency),
    "no wallet": ([debit("bob/personal/BDT", "5"), credit("revenue/fee", "5")], WalletNotFound),
    "bad code": ([debit("cash//x", "5"), credit("revenue/fee", "5")], Invalid),
    "too many": ([debit("cash/main", "5")] * 1001, Invalid),
}


def test_an_entry_that_is_not_one(database_url):
    """Refused for what is wrong with it; no account, posting or balance remains of it."""
    with a_book(database_url, alice="50.00") as book:
        head = book.query(reading.head).seq
        for name, (legs, error) in BAD.items():
            assert (name, type(refused(book, PostEntry(legs, "fee")))) == (name, error)
        assert book.query(reading.head).seq == head
        assert [account.code for account in book.query(ledger.accounts).items] == [
            "cash/main",
            f"wallet/{ALICE}",
        ]
        assert discrepancies(book) == []


def test_each_currency_balances_for_itself(database_url):
    """One entry may carry several, each of which sums to zero."""
    legs = [
        debit("cash/main", "110.00"),
        credit("clearing/fx", "110.00"),
        debit("clearing/fx", "1.00", "USD"),
        credit("cash/usd", "1.00", "USD"),
    ]
    with a_book(database_url) as book:
        moved = book.submit(PostEntry(legs, "adjustment")).result
        entry = book.query(ledger.entry, moved.id)
        assert [leg.account for leg in entry.legs] == [
            "cash/main",
            "clearing/fx",
            "clearing/fx",
            "cash/usd",
        ]
        lines = {
            (line.code, line.currency): line.balance for line in book.query(ledger.trial_balance)
        }
        assert lines["clearing/fx", "BDT"] == "110.00"
        assert lines["clearing/fx", "USD"] == "-1.00"


def test_each_kind_has_its_normal_side(database_url):
    """Debits raise assets and expenses, credits raise the other three."""
    with a_book(database_url) as book:
        for code, kind in KINDS.items():
            raising = debit if kind in ("asset", "expense") else credit
            other = credit if raising is debit else debit
            book.submit(PostEntry([raising(code, "5"), other("equity/x", "5")], "adjustment"))
            account = book.query(ledger.account, code)
            assert (code, account.kind, account.balance) == (code, kind, "5.00")


def test_an_entry_with_many_legs(database_url):
    """A thousand legs are one movement."""
    legs = [credit(f"payable/p{n}", "1.00") for n in range(999)]
    with a_book(database_url) as book:
        moved = book.submit(PostEntry([debit("cash/main", "999.00"), *legs], "order")).result
        assert len(book.query(ledger.entry, moved.id).legs) == 1000
        assert discrepancies(book) == []


def test_two_legs_on_one_account(database_url):
    """Each is a posting of its own, with the balance after it."""
    legs = [debit(ALICE, "30"), debit(ALICE, "20"), credit("revenue/fee", "50")]
    with a_book(database_url, alice="50.00") as book:
        moved = book.submit(PostEntry(legs, "fee")).result
        assert [(leg.balance_before, leg.balance_after) for leg in moved.legs[:2]] == [
            ("50.00", "20.00"),
            ("20.00", "0.00"),
        ]
        assert discrepancies(book) == []


def test_the_floor_looks_at_the_end_of_an_entry(database_url):
    """Money may pass through a wallet within one entry."""
    legs = [debit(ALICE, "80"), credit(ALICE, "60"), credit("revenue/fee", "20")]
    with a_book(database_url, alice="50.00") as book:
        book.submit(PostEntry(legs, "fee"))
        assert balance(book) == "30.00"


@pytest.mark.parametrize(
    "code",
    ["cash", "Cash/main", "gold/main", "cash/", "cash/a b", "wallet/a/b/c", "cash/a/b/c/d/e"],
)
def test_a_code_that_is_none(database_url, code):
    """The first word of an account's code decides its kind; wallets are opened as wallets."""
    with a_book(database_url) as book:
        assert isinstance(refused(book, OpenAccount(code, "BDT")), Invalid)


def test_an_account_is_opened_once_for_each_currency(database_url):
    """The same code in another currency is another account."""
    with a_book(database_url) as book:
        book.submit(OpenAccount("cash/main", "BDT"))
        assert isinstance(refused(book, OpenAccount("cash/main", "BDT")), AlreadyExists)
        assert book.submit(OpenAccount("cash/main", "USD")).result.currency == "USD"


def test_a_book_may_define_units_of_its_own(database_url):
    """Points, shares: a code with its own decimals, and never one that ISO 4217 has."""
    with a_book(database_url) as book:
        book.submit(DefineUnit("XP", 0, "Points"))
        book.submit(OpenWallet("alice", "XP"))
        legs = [debit("expense/xp", "10", "XP"), credit("alice/personal/XP", "10", "XP")]
        book.submit(PostEntry(legs, "mission"))
        assert balance(book, "alice/personal/XP") == "10"
        assert isinstance(refused(book, DefineUnit("XP", 2, "Points")), AlreadyExists)
        assert isinstance(refused(book, DefineUnit("EUR", 2, "Euro")), AlreadyExists)
        for code, exponent in (("xp", 0), ("X", 0), ("X" * 13, 0), ("XQ", 9), ("XQ", -1)):
            assert isinstance(refused(book, DefineUnit(code, exponent, "?")), Invalid)


def test_a_book_may_define_sources_of_its_own(database_url):
    """A name, a category and the account on the other side."""
    tips = DefineSource("tips", "Tips", "income", "expense", "clearing/tips")
    with a_book(database_url, alice="50.00") as book:
        legs = [debit(ALICE, "1"), credit("clearing/tips", "1")]
        assert isinstance(refused(book, PostEntry(legs, "tips")), UnknownSource)
        book.submit(tips)
        assert book.submit(PostEntry(legs, "tips")).result.source == "tips"
        for taken in (tips, DefineSource("order", "O", "income", "expense", "clearing/x")):
            assert isinstance(refused(book, taken), AlreadyExists)
        bad = DefineSource("x", "X", "income", "expense", "wallet/a/b/c")
        assert isinstance(refused(book, bad), Invalid)
