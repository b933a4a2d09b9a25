"""Holds: money set aside, taken in parts or given back; never more than is there."""

import pytest

from khata import Khata, Money
from khata.base.clock import to_iso
from khata.domain.holds import (
    CaptureGroup,
    CaptureHold,
    PlaceHold,
    RaiseHold,
    VoidGroup,
    VoidHold,
    hold,
    holds,
)
from khata.domain.ledger import CloseAccount, FreezeAccount, UnfreezeAccount
from khata.domain.wallets import Credit, Debit, OpenWallet, Transfer
from khata.errors import (
    AccountFrozen,
    AccountNotEmpty,
    AccountNotFound,
    CurrencyMismatch,
    HoldExceeded,
    HoldNotActive,
    HoldNotFound,
    InsufficientFunds,
    Invalid,
    InvalidAmount,
    SameAccount,
    WalletNotFound,
)
from tests.builders import ALICE, BOB, Clock, a_book, bdt, discrepancies, refused, state

ESCROW = "escrow/M1"


def money_of(book, ref=ALICE):
    wallet = state(book, ref)
    return wallet.balance, wallet.held, wallet.available


def place(book, amount="40.00", ref=ALICE, **options):
    return book.submit(PlaceHold(ref, bdt(amount), **options)).result


def test_a_hold_moves_nothing_and_lowers_what_is_available(database_url):
    """The balance stays; the money cannot be spent otherwise."""
    with a_book(database_url, alice="100.00", bob="0") as book:
        placed = place(book)
        assert (placed.status, placed.remaining, placed.captured) == ("active", "40.00", "0.00")
        assert money_of(book) == ("100.00", "40.00", "60.00")
        assert isinstance(refused(book, Transfer(ALICE, BOB, bdt("60.01"))), InsufficientFunds)
        book.submit(Transfer(ALICE, BOB, bdt("60.00")))
        assert money_of(book) == ("40.00", "40.00", "0.00")


def test_a_hold_is_captured_in_parts(database_url):
    """Part after part until nothing is left, then never again."""
    with a_book(database_url, alice="100.00") as book:
        name = place(book).id
        first = book.submit(CaptureHold(name, bdt("15.00"), to=ESCROW)).result
        assert (first.status, first.remaining, first.captured) == ("active", "25.00", "15.00")
        assert isinstance(refused(book, CaptureHold(name, bdt("25.01"), to=ESCROW)), HoldExceeded)
        second = book.submit(CaptureHold(name, bdt("5.00"), to=ESCROW)).result
        last = book.submit(CaptureHold(name, to=ESCROW)).result
        assert (last.status, last.remaining, last.captured) == ("captured", "0.00", "40.00")
        assert len({first.entry, second.entry, last.entry}) == 3
        assert money_of(book) == ("60.00", "0.00", "60.00")
        assert isinstance(refused(book, CaptureHold(name, bdt("0.01"))), HoldNotActive)


def test_a_final_capture_gives_the_rest_back(database_url):
    """What is not taken is available again."""
    with a_book(database_url, alice="100.00") as book:
        taken = book.submit(CaptureHold(place(book).id, bdt("10.00"), ESCROW, final=True)).result
        assert (taken.status, taken.remaining, taken.captured) == ("captured", "0.00", "10.00")
        assert money_of(book) == ("90.00", "0.00", "90.00")


def test_a_capture_may_go_to_a_wallet_but_not_to_itself(database_url):
    """Held money can pay another wallet; to the same one, nothing would move."""
    with a_book(database_url, alice="100.00", bob="0") as book:
        name = place(book).id
        assert isinstance(refused(book, CaptureHold(name, to=ALICE)), SameAccount)
        assert isinstance(refused(book, CaptureHold(name, to="x/personal/BDT")), WalletNotFound)
        book.submit(CaptureHold(name, to=BOB))
        assert (money_of(book)[0], money_of(book, BOB)[0]) == ("60.00", "40.00")


def test_a_hold_is_raised_within_what_is_available(database_url):
    """More may be set aside under the same hold, never more than there is."""
    with a_book(database_url, alice="100.00") as book:
        name = place(book).id
        assert isinstance(refused(book, RaiseHold(name, bdt("60.01"))), InsufficientFunds)
        raised = book.submit(RaiseHold(name, bdt("60.00"))).result
        assert (raised.amount, raised.remaining) == ("100.00", "100.00")
        assert money_of(book) == ("100.00", "100.00", "0.00")


def test_a_void_gives_the_money_back(database_url):
    """All of what is left, once; a part that was captured stays captured."""
    with a_book(database_url, alice="100.00") as book:
        name, other = place(book).id, place(book, "10.00").id
        book.submit(CaptureHold(other, bdt("4.00"), to=ESCROW))
        assert book.submit(VoidHold(name, "not wanted")).result.status == "voided"
        assert book.submit(VoidHold(other, "rest")).result.status == "captured"
        assert money_of(book) == ("96.00", "0.00", "96.00")
        for command in (VoidHold(name, "again"), CaptureHold(name), RaiseHold(name, bdt("1"))):
            assert isinstance(refused(book, command), HoldNotActive)


def test_a_hold_expires_by_the_clock_alone(database_url):
    """No sweeper runs; the instant it is due, the money is available and the hold is gone."""
    clock = Clock()
    with a_book(database_url, clock=clock, alice="100.00", bob="0") as book:
        placed = place(book, expires_in_seconds=60)
        clock.pass_by(59)
        assert isinstance(refused(book, Debit(ALICE, bdt("60.01"))), InsufficientFunds)
        clock.pass_by(1)
        assert placed.expires_at == to_iso(clock.now)
        assert (book.query(hold, placed.id).status, money_of(book)[2]) == ("expired", "100.00")
        for command in (CaptureHold(placed.id), RaiseHold(placed.id, bdt("1"))):
            assert isinstance(refused(book, command), HoldNotActive)
        book.submit(Transfer(ALICE, BOB, bdt("100.00")))
        assert money_of(book) == ("0.00", "0.00", "0.00")
        assert discrepancies(book) == []


def test_each_hold_expires_in_its_own_time(database_url):
    """One that is gone early does not take the others with it, nor keep them."""
    clock = Clock()
    with a_book(database_url, clock=clock, alice="100.00") as book:
        names = [place(book, "10.00", expires_in_seconds=n).id for n in (30, 10, 20)]
        place(book, "5.00")
        book.submit(VoidHold(names[1], "early"))
        for seconds, left in ((19, "65.00"), (1, "75.00"), (9, "75.00"), (1, "85.00")):
            clock.pass_by(seconds)
            assert isinstance(
                refused(book, Debit(ALICE, bdt(f"{float(left) + 10.01:.2f}"))), InsufficientFunds
            )
        assert money_of(book) == ("100.00", "5.00", "95.00")


def test_an_expired_hold_does_not_keep_an_account_open(database_url):
    """An account whose holds have run out can be closed once it is empty."""
    clock = Clock()
    with a_book(database_url, clock=clock, alice="10.00") as book:
        place(book, "10.00", expires_in_seconds=5)
        assert isinstance(refused(book, CloseAccount(ALICE, "gone")), AccountNotEmpty)
        clock.pass_by(5)
        book.submit(Debit(ALICE, bdt("10.00")))
        assert book.submit(CloseAccount(ALICE, "gone")).result.status == "closed"


def test_a_group_is_captured_in_one_go(database_url):
    """All holds of the group, over several wallets, and no other."""
    with a_book(database_url, alice="100.00", bob="50.00") as book:
        place(book, "10.00", group="g")
        place(book, "20.00", BOB, group="g")
        place(book, "5.00", group="other")
        done = book.submit(CaptureGroup("g", to=ESCROW)).result
        assert sorted(one.captured for one in done) == ["10.00", "20.00"]
        assert (money_of(book), money_of(book, BOB)[0]) == (("90.00", "5.00", "85.00"), "30.00")
        assert isinstance(refused(book, CaptureGroup("g", to=ESCROW)), HoldNotFound)


def test_a_group_is_captured_wholly_or_not_at_all(database_url):
    """One frozen wallet among them, and nobody's money moves."""
    with a_book(database_url, alice="100.00", bob="50.00") as book:
        place(book, "10.00", group="g")
        place(book, "20.00", BOB, group="g")
        book.submit(FreezeAccount(BOB, "odd"))
        assert isinstance(refused(book, CaptureGroup("g", to=ESCROW)), AccountFrozen)
        assert (money_of(book)[:2], money_of(book, BOB)[:2]) == (
            ("100.00", "10.00"),
            ("50.00", "20.00"),
        )


def test_a_group_is_voided_in_one_go(database_url):
    """All of them are given back; those that have expired are not among them."""
    clock = Clock()
    with a_book(database_url, clock=clock, alice="100.00", bob="50.00") as book:
        place(book, "10.00", group="g")
        late = place(book, "20.00", BOB, group="g", expires_in_seconds=5)
        clock.pass_by(5)
        done = book.submit(VoidGroup("g", "over")).result
        assert late.id not in [one.id for one in done]
        assert (money_of(book)[2], money_of(book, BOB)[2]) == ("100.00", "50.00")
        assert isinstance(refused(book, VoidGroup("g", "over")), HoldNotFound)


def test_a_frozen_wallet_captures_nothing(database_url):
    """Frozen is frozen for held money too; it may be captured when it thaws."""
    with a_book(database_url, alice="100.00") as book:
        name = place(book).id
        book.submit(FreezeAccount(ALICE, "odd"))
        for command in (
            CaptureHold(name, to=ESCROW),
            PlaceHold(ALICE, bdt("1")),
            RaiseHold(name, bdt("1")),
        ):
            assert isinstance(refused(book, command), AccountFrozen)
        book.submit(UnfreezeAccount(ALICE, "fine"))
        assert book.submit(CaptureHold(name, to=ESCROW)).result.captured == "40.00"


@pytest.mark.parametrize("seconds", [1, 400 * 86_400])
def test_how_long_a_hold_may_last(database_url, seconds):
    """From a second to four hundred days."""
    with a_book(database_url, alice="100.00") as book:
        assert place(book, expires_in_seconds=seconds).status == "active"


def test_bad_holds(database_url):
    """Each refused for what is wrong with it, and nothing is set aside."""
    with a_book(database_url, alice="100.00") as book:
        bad = {
            PlaceHold(ALICE, bdt("100.01")): InsufficientFunds,
            PlaceHold(ALICE, bdt("0")): InvalidAmount,
            PlaceHold(ALICE, bdt("-1")): InvalidAmount,
            PlaceHold(ALICE, Money("1", "IQD")): CurrencyMismatch,
            PlaceHold(ESCROW, bdt("1")): AccountNotFound,
            PlaceHold(ALICE, bdt("1"), expires_in_seconds=0): Invalid,
            PlaceHold(ALICE, bdt("1"), expires_in_seconds=10**30): Invalid,
            PlaceHold(ALICE, bdt("1"), source="gift"): Invalid,
            CaptureHold("hld_zzzz"): HoldNotFound,
            CaptureHold(""): HoldNotFound,
            VoidHold("hld_zzzz", "r"): HoldNotFound,
            CaptureGroup("none"): HoldNotFound,
        }
        got = {command: refused(book, command) for command in bad}
        assert [c for c, error in got.items() if not isinstance(error, bad[c])] == []
        name = place(book).id
        for command in (
            CaptureHold(name, Money("1", "IQD")),
            CaptureHold(name, bdt("0")),
            CaptureHold(name, bdt("0.001")),
            VoidHold(name, " "),
            RaiseHold(name, bdt("-5")),
        ):
            assert isinstance(refused(book, command), Invalid)
        assert money_of(book) == ("100.00", "40.00", "60.00")


def test_holds_survive_a_restart(database_url):
    """A fresh process knows what is held, until when, and for which group."""
    clock = Clock()
    with a_book(database_url, clock=clock, alice="100.00") as book:
        names = [place(book, "10.00", group="g", expires_in_seconds=n).id for n in (10, 20)]
    clock.pass_by(10)
    with Khata.open(database_url, clock=clock) as book:
        book.submit(OpenWallet("bob", "BDT"))
        book.submit(Credit(ALICE, bdt("1.00")))
        (captured,) = book.submit(CaptureGroup("g", to=ESCROW)).result
        assert (captured.id, money_of(book)) == (names[1], ("91.00", "0.00", "91.00"))
        assert len(book.query(holds, group="g", status="expired").items) == 1
