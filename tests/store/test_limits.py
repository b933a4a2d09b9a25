"""What an account allows: floor, overdraft, velocity, freeze. No command gets around it."""

import pytest

from khata import Money
from khata.domain.holds import CaptureGroup, CaptureHold, PlaceHold, RaiseHold
from khata.domain.ledger import (
    CloseAccount,
    FreezeAccount,
    LegIn,
    PostEntry,
    Reverse,
    SetLimits,
    UnfreezeAccount,
)
from khata.domain.setup import DefineWalletKind
from khata.domain.wallets import Credit, Debit, History, OpenWallet, SetOpeningBalance, Transfer
from khata.engine.accounts import VelocityLimit
from khata.errors import (
    AccountClosed,
    AccountFrozen,
    AccountNotEmpty,
    InsufficientFunds,
    Invalid,
    InvalidTransition,
    LimitExceeded,
    RoleRequired,
)
from tests.builders import (
    ADMIN,
    ALICE,
    BOB,
    SUPPORT,
    Clock,
    a_book,
    balance,
    bdt,
    discrepancies,
    owner,
    refused,
    state,
)


def ways_out(amount):
    """Every command that takes money out of Alice's wallet at once."""
    money = bdt(amount)
    return [
        Debit(ALICE, money),
        Transfer(ALICE, BOB, money),
        PlaceHold(ALICE, money),
        PostEntry([LegIn(ALICE, debit=money), LegIn("revenue/fee", credit=money)], "fee"),
        PostEntry([LegIn("revenue/fee", credit=money), LegIn(f"wallet/{ALICE}", money)], "fee"),
        SetOpeningBalance(ALICE, History(withdrawals=money)),
    ]


def limits(*windows, floor="0", overdraft="0"):
    return SetLimits(ALICE, "careful", floor, overdraft, windows)


@pytest.mark.parametrize(
    ("floor", "overdraft", "most"),
    [("0", "0", "50.00"), ("20", "0", "30.00"), ("0", "15.50", "65.50"), ("-5", "5", "60.00")],
)
def test_no_command_passes_the_floor(database_url, floor, overdraft, most):
    """A paisa too much is refused by every way out, the most is not."""
    with a_book(database_url, alice="50.00", bob="0") as book:
        book.submit(limits(floor=floor, overdraft=overdraft))
        for command in ways_out(f"{float(most) + 0.01:.2f}"):
            assert isinstance(refused(book, command), InsufficientFunds)
        assert balance(book) == "50.00"
        book.submit(Transfer(ALICE, BOB, bdt(most)))
        assert state(book).available == f"{50 - float(most):.2f}"
        assert discrepancies(book) == []


def test_no_command_moves_a_frozen_wallet(database_url):
    """Neither out nor in, nor set aside, nor captured, nor reversed."""
    with a_book(database_url, alice="50.00", bob="9.00") as book:
        held = book.submit(PlaceHold(ALICE, bdt("5"), group="g")).result.id
        paid = book.submit(Transfer(BOB, ALICE, bdt("1"))).result.id
        book.submit(FreezeAccount(ALICE, "odd"))
        ways = [
            *ways_out("1.00"),
            Credit(ALICE, bdt("1")),
            Transfer(BOB, ALICE, bdt("1")),
            CaptureHold(held),
            CaptureGroup("g"),
            RaiseHold(held, bdt("1")),
            Reverse(paid, "mistake"),
        ]
        assert {type(refused(book, command)) for command in ways} == {AccountFrozen}
        book.submit(UnfreezeAccount(ALICE, "fine"))
        assert book.submit(Debit(ALICE, bdt("1"))).result.type == "debit"


def test_freezing_and_thawing(database_url):
    """Each from the right state, with a reason, by those who may."""
    with a_book(database_url, alice="50.00") as book:
        assert isinstance(refused(book, UnfreezeAccount(ALICE, "r")), InvalidTransition)
        assert isinstance(refused(book, FreezeAccount(ALICE, "  ")), Invalid)
        book.submit(FreezeAccount(ALICE, "odd"), actor=SUPPORT)
        assert isinstance(refused(book, FreezeAccount(ALICE, "odd")), InvalidTransition)
        assert isinstance(
            refused(book, UnfreezeAccount(ALICE, "fine"), actor=SUPPORT), RoleRequired
        )
        assert state(book).status == "frozen"


def test_a_closed_wallet_stays_closed(database_url):
    """It must be empty first; then nothing moves, and it is not opened again."""
    with a_book(database_url, alice="5.00") as book:
        assert isinstance(refused(book, CloseAccount(ALICE, "gone")), AccountNotEmpty)
        book.submit(Debit(ALICE, bdt("5.00")))
        book.submit(CloseAccount(ALICE, "gone"))
        assert isinstance(refused(book, Credit(ALICE, bdt("1"))), AccountClosed)
        assert isinstance(refused(book, UnfreezeAccount(ALICE, "back")), InvalidTransition)
        assert refused(book, OpenWallet("alice", "BDT")).code == "already_exists"


def test_velocity_counts_every_way_out(database_url):
    """Debit, transfer, hold and entry share one limit; the window that passes is named."""
    clock = Clock()
    with a_book(database_url, clock=clock, alice="500.00", bob="0") as book:
        book.submit(limits(VelocityLimit(60, 10_000), VelocityLimit(3600, None, 5)))
        for command in ways_out("25.00")[:4]:
            book.submit(command)
        for command in ways_out("0.01")[:5]:
            error = refused(book, command)
            assert (type(error), error.details["window_seconds"]) == (LimitExceeded, 60)
        clock.pass_by(66)
        book.submit(Debit(ALICE, bdt("50.00")))
        error = refused(book, Debit(ALICE, bdt("0.01")))
        assert (error.details["limit"], error.details["window_seconds"]) == ("count", 3600)
        assert discrepancies(book) == []


def test_velocity_counts_a_hold_once(database_url):
    """When it is set aside, not again when it is captured."""
    with a_book(database_url, clock=Clock(), alice="500.00") as book:
        book.submit(limits(VelocityLimit(60, 10_000)))
        held = book.submit(PlaceHold(ALICE, bdt("100.00"))).result.id
        assert isinstance(refused(book, RaiseHold(held, bdt("0.01"))), LimitExceeded)
        book.submit(CaptureHold(held, bdt("60.00")))
        assert book.submit(CaptureHold(held)).result.captured == "100.00"


def test_velocity_does_not_count_what_comes_in(database_url):
    """Money may arrive as often as it likes."""
    with a_book(database_url, clock=Clock(), alice="50.00") as book:
        book.submit(limits(VelocityLimit(60, 100, 1)))
        for _ in range(5):
            book.submit(Credit(ALICE, bdt("100.00")))
        assert balance(book) == "550.00"


def test_a_refused_command_does_not_use_the_limit_up(database_url):
    """Only what left counts."""
    with a_book(database_url, clock=Clock(), alice="50.00") as book:
        book.submit(limits(VelocityLimit(60, 6_000, 1)))
        for _ in range(3):
            assert isinstance(refused(book, Debit(ALICE, bdt("55.00"))), InsufficientFunds)
        assert book.submit(Debit(ALICE, bdt("50.00"))).result.type == "debit"


def test_velocity_survives_a_change_of_other_limits(database_url):
    """Setting the limits anew does not forget what has left already."""
    with a_book(database_url, clock=Clock(), alice="50.00") as book:
        book.submit(limits(VelocityLimit(60, 1_000)))
        book.submit(Debit(ALICE, bdt("10.00")))
        book.submit(limits(VelocityLimit(60, 1_000), overdraft="5"))
        assert isinstance(refused(book, Debit(ALICE, bdt("0.01"))), LimitExceeded)


def test_bad_limits(database_url):
    """A wallet has a floor; windows differ, last a second to a year, and say an amount or count."""
    bad = [
        limits(floor=None),
        limits(overdraft="-1"),
        limits(overdraft="1.001"),
        limits(floor="much"),
        limits(VelocityLimit(0, 1)),
        limits(VelocityLimit(367 * 86_400, 1)),
        limits(VelocityLimit(60)),
        limits(VelocityLimit(60, -1)),
        limits(VelocityLimit(60, 10**30)),
        limits(VelocityLimit(60, None, 10**30)),
        limits(VelocityLimit(60, 1), VelocityLimit(60, None, 1)),
        limits(*(VelocityLimit(n, 1) for n in range(1, 10))),
        SetLimits(ALICE, ""),
        DefineWalletKind("guild", "Guild", 10**30),
        DefineWalletKind("guild", "Guild", 0, -1),
        DefineWalletKind("guild", "Guild", 0, 10**18),
    ]
    with a_book(database_url, alice="50.00") as book:
        assert [c for c in bad if not isinstance(refused(book, c), Invalid)] == []
        assert isinstance(
            refused(book, limits(overdraft="1000"), actor=owner("alice")), RoleRequired
        )


def test_a_wallet_starts_with_the_limits_of_its_kind(database_url):
    """Kinds are data: a new one brings its own floor and overdraft, in minor units."""
    with a_book(database_url) as book:
        book.submit(DefineWalletKind("guild", "Guild", 100, 500), actor=ADMIN)
        book.submit(OpenWallet("g", "BDT", "guild"))
        assert (state(book, "g/guild/BDT").floor, state(book, "g/guild/BDT").overdraft) == (
            "1.00",
            "5.00",
        )
        book.submit(Debit("g/guild/BDT", bdt("4.00")))
        assert isinstance(refused(book, Debit("g/guild/BDT", bdt("0.01"))), InsufficientFunds)


def test_an_escrow_account_has_a_floor_of_its_own(database_url):
    """What the house holds for others cannot be paid out twice."""
    with a_book(database_url, alice="50.00") as book:
        book.submit(Debit(ALICE, bdt("10.00"), "order", against="escrow/M1"))
        book.submit(Credit(ALICE, bdt("10.00"), "order", against="escrow/M1"))
        again = Credit(ALICE, bdt("0.01"), "order", against="escrow/M1")
        assert isinstance(refused(book, again), InsufficientFunds)


def test_balances_stay_within_what_a_book_holds(database_url):
    """Eighteen digits; one more is refused, on either side."""
    most = Money("9999999999999999.99", "BDT")
    with a_book(database_url, alice="0") as book:
        book.submit(Credit(ALICE, most))
        assert refused(book, Credit(ALICE, bdt("0.01"))).code == "amount_too_large"
        legs = [LegIn(f"cash/{n}", debit=most) for n in range(40)]
        assert refused(book, PostEntry(legs, "fee")).code == "unbalanced_entry"
        assert discrepancies(book) == []
