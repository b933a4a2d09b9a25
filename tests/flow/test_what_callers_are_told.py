"""What an answer tells: decimal strings with a currency, and nothing of what is not one's own."""

import pytest

from khata import Money
from khata.base.clock import from_iso
from khata.domain.holds import CaptureHold, PlaceHold
from khata.domain.khata import AddKhataEntry, khata_book
from khata.domain.ledger import (
    CloseAccount,
    LegIn,
    LimitView,
    OpenAccount,
    PostEntry,
    Reverse,
    SetLimits,
)
from khata.domain.setup import DefineUnit
from khata.domain.wallets import Credit, Debit, RenameWallet, Transfer
from khata.engine.accounts import VelocityLimit
from khata.errors import (
    AccountNotEmpty,
    CurrencyMismatch,
    HoldExceeded,
    NotYours,
    ReversalExceeded,
    UnknownCurrency,
    WalletNotFound,
)
from tests.builders import ADMIN, ALICE, BOB, a_book, bdt, owner, refused


@pytest.fixture
def book(database_url):
    with a_book(database_url, alice="50.00", bob="50.00") as opened:
        yield opened


# ── amounts ──────────────────────────────────────────────────────────────────────────


def test_a_refusal_tells_amounts_as_people_write_them(book):
    """Never in minor units, and always in which currency."""
    paid = book.submit(Transfer(ALICE, BOB, bdt("10.00"))).result.id
    held = book.submit(PlaceHold(ALICE, bdt("5.00"))).result.id
    for command, error, told in (
        (Reverse(paid, "part", "10.01"), ReversalExceeded, {"expected": "10.00", "got": "10.01"}),
        (CaptureHold(held, bdt("5.01")), HoldExceeded, {"expected": "5.00", "got": "5.01"}),
        (CloseAccount(ALICE, "r"), AccountNotEmpty, {"balance": "40.00", "held": "5.00"}),
    ):
        got = refused(book, command)
        assert (type(got), got.details) == (error, {**told, "currency": "BDT"})


def test_limits_are_told_as_people_write_them(book):
    """The answer that sets them says what a query says."""
    windows = (VelocityLimit(60, 12_345, 3), VelocityLimit(3600, None, 5))
    told = book.submit(SetLimits(ALICE, "careful", limits=windows)).result
    assert told.limits == [LimitView(60, "123.45", 3), LimitView(3600, None, 5)]
    again = book.submit(SetLimits(ALICE, "careful")).result
    assert again.limits == []


def test_a_khata_line_is_told_as_people_write_it(book):
    """The answer that adds it says what a query says: amount, sign and time."""
    tea = AddKhataEntry(
        "expense", "Tea", bdt("20"), incoming=False, happened_at="2026-01-31T15:00:00+06:00"
    )
    told = book.submit(tea, actor=owner("alice")).result
    since, until = (from_iso(f"2026-01-31T09:00:0{second}Z") for second in (0, 1))
    (line,) = book.query(khata_book, "alice", since=since, until=until).items
    assert (told.amount, told.currency, told.happened_at) == (line.amount, "BDT", line.at)
    assert line.amount == "-20.00"


# ── house accounts ───────────────────────────────────────────────────────────────────


def test_an_owner_does_not_learn_which_house_accounts_there_are(book):
    """Paying into one that is there, in one currency or several, or is not: the same answer."""
    for code, currencies in (("escrow/one", ["BDT"]), ("escrow/two", ["BDT", "IQD"])):
        for currency in currencies:
            book.submit(OpenAccount(code, currency))
    for code in ("escrow/one", "escrow/two", "escrow/none", "carol/personal/BDT"):
        error = refused(book, Transfer(ALICE, code, bdt("1")), actor=owner("alice"))
        assert (type(error), error.message, error.details) == (
            WalletNotFound,
            f"No wallet {code!r}.",
            {"got": code},
        )
        for command in (Transfer(code, ALICE, bdt("1")), RenameWallet(code, "mine")):
            error = refused(book, command, actor=owner("alice"))
            assert (type(error), error.details) == (NotYours, {"expected": "alice"})


# ── currencies ───────────────────────────────────────────────────────────────────────


def test_a_currency_that_nobody_knows_is_not_merely_another(book):
    """`unknown_currency` for what is none, `currency_mismatch` for one of the book or of ISO."""
    book.submit(DefineUnit("XP", 0, "Points"))
    for currency, error in (
        ("TAKA", UnknownCurrency),
        ("bdt", UnknownCurrency),
        ("", UnknownCurrency),
        ("X" * 100, UnknownCurrency),
        ("XP", CurrencyMismatch),
        ("IQD", CurrencyMismatch),
    ):
        one = Money("1", currency)
        legs = [LegIn(ALICE, debit=one), LegIn("revenue/fee", credit=one)]
        commands = (Transfer(ALICE, BOB, one), Credit(ALICE, one), Debit(ALICE, one))
        for command in (*commands, PlaceHold(ALICE, one), PostEntry(legs, "fee")):
            assert type(refused(book, command, actor=ADMIN)) is error
