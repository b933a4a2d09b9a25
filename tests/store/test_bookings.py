"""Bookings: the guest pays, the host gets the total less the commission, refunds take it back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from khata import Khata
from khata.base.actor import actor
from khata.domain import access, bookings, ledger, payments, payouts, sagas, setup, wallets
from khata.domain.bookings import rules
from khata.domain.ledger import FreezeAccount, UnfreezeAccount
from khata.engine.replay import replay
from khata.engine.sagas import Outcome
from tests.builders import ADMIN, ALICE, Clock, balance, bdt, discrepancies, owner, refused
from tests.conftest import examples
from tests.payees import add as add_bank_account
from tests.payers import Teller, a_shop, payment, work
from tests.servers import sqlite_at

HOST = "hasan/host/BDT"
ESCROW = "escrow/booking/B7"
DECLINED = Outcome("failed", code="card_declined", message="No.")


def a_house(url, **balances):
    return a_shop(url, **{"alice": "5000.00", **balances})


def booked(book, *, amount="1000.00", points=1500, **fields):
    """A booking of alice's with hasan, who has a wallet."""
    if not book.query(wallets.wallets, owner="hasan").items:
        book.submit(wallets.OpenWallet("hasan", "BDT", "host"))
    command = bookings.CreateBooking("B7", "alice", "hasan", bdt(amount), points, **fields)
    return book.submit(command).result


def paid_booking(book, **fields):
    """A booking that is paid out of the guest's wallet, and confirmed."""
    booked(book, **fields)
    book.submit(bookings.PayBooking("B7", "wallet", ALICE))
    work(book, Teller())
    return booking(book)


def booking(book):
    return book.query(bookings.booking, "B7")


def amounts(book, *codes):
    lines = {line.code: line.balance for line in book.query(ledger.trial_balance)}
    return [lines.get(code, "0.00") for code in codes]


def shares(book):
    """Escrow, host, commission."""
    return amounts(book, ESCROW, f"wallet/{HOST}", "revenue/commission")


def runs(book, name):
    return [run.status for run in book.query(sagas.sagas, name=name).items]


# ── paying ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("way", ["wallet", "provider", "its payable"])
def test_a_paid_booking_is_confirmed(database_url, way):
    """Whichever way its guest pays, the saga that waits for it confirms it."""
    with a_house(database_url) as book:
        assert booked(book).status == "open"
        work(book, Teller())
        if way == "wallet":
            command = bookings.PayBooking("B7", "wallet", ALICE)
            paid = book.submit(command, actor=owner("alice")).result
        elif way == "provider":
            paid = book.submit(bookings.PayBooking("B7"), actor=owner("alice")).result
        else:
            paid = book.submit(payments.Initiate("booking/B7")).result
        work(book, Teller({"status": "paid"}))
        done = booking(book)
        assert (done.status, done.payment) == ("confirmed", paid.id)
        assert shares(book) == ["1000.00", "0.00", "0.00"]
        assert runs(book, "booking_payment") == ["completed"]


def test_a_declined_booking_stays_open(database_url):
    """Its guest may try again."""
    with a_house(database_url) as book:
        booked(book)
        book.submit(bookings.PayBooking("B7"))
        work(book, Teller(DECLINED))
        assert booking(book).status == "open"
        book.submit(bookings.PayBooking("B7", "wallet", ALICE))
        work(book, Teller())
        assert booking(book).status == "confirmed"


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"points": 10_001}, "invalid_input"),
        ({"points": -1}, "invalid_input"),
        ({"host_wallet": ALICE}, "invalid_input"),
        ({"host_wallet": "hasan/host/USD"}, "wallet_not_found"),
        ({"amount": "1.001"}, "too_many_decimals"),
    ],
)
def test_what_makes_no_sense_is_not_booked(tmp_path, fields, code):
    """One clear error, nothing written."""
    with a_house(sqlite_at(tmp_path / "khata.db")) as book:
        book.submit(wallets.OpenWallet("hasan", "BDT", "host"))
        given_ = {"points": 1500, "amount": "10.00", **fields}
        points, amount = given_.pop("points"), given_.pop("amount")
        command = bookings.CreateBooking("B7", "alice", "hasan", bdt(amount), points, **given_)
        assert refused(book, command).code == code
        assert book.query(bookings.bookings).items == []


def test_guest_and_host_see_it_and_nobody_else(database_url):
    """A third person learns nothing."""
    with a_house(database_url, bob="0") as book:
        booked(book)
        for name, count in (("alice", 1), ("hasan", 1), ("bob", 0)):
            with book.view(owner(name)) as view:
                assert len(bookings.bookings(view).items) == count
        command = bookings.PayBooking("B7", "wallet", "bob/personal/BDT")
        assert refused(book, command, actor=owner("bob")).code == "not_yours"


# ── to the host ──────────────────────────────────────────────────────────────────────


def test_the_host_gets_the_total_less_the_commission(database_url):
    """1000.00 at 15 %: 850.00 for the host, 150.00 for the house, nothing left in escrow."""
    with a_house(database_url) as book:
        paid_booking(book)
        book.submit(bookings.CompleteBooking("B7"))
        work(book, Teller())
        done = booking(book)
        assert (done.status, done.host_part, done.commission_part) == (
            "completed",
            "850.00",
            "150.00",
        )
        assert shares(book) == ["0.00", "850.00", "150.00"]
        assert done.payout is None
        assert runs(book, "host_payout") == ["completed"]
        assert refused(book, bookings.CompleteBooking("B7")).code == "invalid_transition"
        assert discrepancies(book) == []


def test_a_host_with_a_bank_account_is_paid_out(database_url):
    """What was credited goes on to their primary account by itself."""
    with a_house(database_url) as book:
        paid_booking(book)
        add_bank_account(book, "hasan")
        book.submit(bookings.CompleteBooking("B7"))
        work(book, Teller())
        made = book.query(payouts.payout, booking(book).payout)
        assert (made.amount, made.reference, made.owner) == ("850.00", "booking/B7", "hasan")
        assert balance(book, HOST) == "0.00"
        assert discrepancies(book) == []


def test_paused_payouts_hold_the_payout_and_not_the_credit(database_url):
    """The host has the money; the payout follows when payouts go on."""
    clock = Clock()
    with a_house(database_url, clock=clock) as book:
        paid_booking(book)
        add_bank_account(book, "hasan")
        book.submit(setup.Set("payouts", {"paused": True}))
        book.submit(bookings.CompleteBooking("B7"))
        work(book, Teller())
        assert (balance(book, HOST), booking(book).payout) == ("850.00", None)
        book.submit(setup.Set("payouts", {"paused": False}))
        clock.pass_by(120)
        work(book, Teller())
        assert (balance(book, HOST), booking(book).payout is None) == ("0.00", False)


def test_a_brake_holds_the_payout_until_two_people_lift_it(database_url):
    """The payout of a booking waits for the brake as for a pause, and then follows by itself."""
    clock = Clock()
    with a_house(database_url, clock=clock) as book:
        paid_booking(book)
        add_bank_account(book, "hasan")
        book.submit(payouts.ApplyBrake("BDT", "Too little cash."))
        book.submit(bookings.CompleteBooking("B7"))
        work(book, Teller())
        assert (balance(book, HOST), booking(book).payout) == ("850.00", None)
        lift = {"kind": "payouts.lift_brake", "currency": "BDT", "reason": "It came."}
        asked = book.submit(
            access.RequestApproval(lift, "It came."), actor=actor("finance:nadia")
        ).result
        book.submit(access.Approve(asked.request), actor=ADMIN)
        clock.pass_by(120)
        work(book, Teller())
        assert (balance(book, HOST), booking(book).payout is None) == ("0.00", False)


def test_a_small_payout_stays_in_the_wallet(database_url):
    """Below the smallest payout nothing is paid out, and nothing is stuck."""
    with a_house(database_url) as book:
        paid_booking(book)
        add_bank_account(book, "hasan")
        book.submit(setup.Set("payouts", {"minimum": {"BDT": "900.00"}}))
        book.submit(bookings.CompleteBooking("B7"))
        work(book, Teller())
        assert (balance(book, HOST), booking(book).payout) == ("850.00", None)
        assert runs(book, "host_payout") == ["completed"]


def test_a_frozen_host_is_credited_later(database_url):
    """The money waits in escrow until the wallet can take it."""
    clock = Clock()
    with a_house(database_url, clock=clock) as book:
        paid_booking(book)
        book.submit(FreezeAccount(HOST, "Checks."), actor=ADMIN)
        book.submit(bookings.CompleteBooking("B7"))
        work(book, Teller())
        assert shares(book) == ["1000.00", "0.00", "0.00"]
        book.submit(UnfreezeAccount(HOST, "Checked."), actor=ADMIN)
        clock.pass_by(120)
        work(book, Teller())
        assert shares(book) == ["0.00", "850.00", "150.00"]


@given(amount=st.integers(1, 10**12), points=st.integers(0, 10_000))
def test_the_parts_add_up(amount, points):
    """No minor unit is lost or made, whatever the commission."""
    host, house = rules.parts(amount, points)
    assert (host + house, min(host, house) >= 0) == (amount, True)
    assert abs(house * 10_000 - amount * points) < 10_000


# ── back to the guest ────────────────────────────────────────────────────────────────


def test_an_open_booking_is_cancelled(database_url):
    """Nothing was paid, nothing goes back; nobody can pay it any more."""
    with a_house(database_url) as book:
        booked(book)
        work(book, Teller())
        assert book.submit(bookings.CancelBooking("B7", "Rain.")).result.status == "cancelled"
        work(book, Teller())
        assert runs(book, "booking_payment") == ["completed"]
        command = bookings.PayBooking("B7", "wallet", ALICE)
        assert refused(book, command).code == "payable_closed"


@pytest.mark.parametrize("credited", [False, True])
def test_a_cancelled_booking_goes_back_whole(database_url, credited):
    """Before the host was credited and after it: the guest has everything again."""
    with a_house(database_url) as book:
        paid_booking(book)
        if credited:
            book.submit(bookings.CompleteBooking("B7"))
            work(book, Teller())
        book.submit(bookings.CancelBooking("B7", "Rain."))
        work(book, Teller())
        done = booking(book)
        assert (done.status, done.refunded) == ("cancelled", "1000.00")
        assert (balance(book), shares(book)) == ("5000.00", ["0.00"] * 3)
        assert payment(book, done.payment).status == "refunded"
        assert refused(book, bookings.CancelBooking("B7", "Again.")).code == "invalid_transition"
        assert discrepancies(book) == []


def test_a_partial_refund_after_the_credit_is_pro_rata(database_url):
    """Host and house give back in the proportion in which they received."""
    with a_house(database_url) as book:
        paid_booking(book)
        book.submit(bookings.CompleteBooking("B7"))
        work(book, Teller())
        book.submit(bookings.RefundBooking("B7", "Half a day.", bdt("200.00")))
        work(book, Teller())
        assert shares(book) == ["0.00", "680.00", "120.00"]
        assert balance(book) == "4200.00"
        over = bookings.RefundBooking("B7", "More.", bdt("800.01"))
        assert refused(book, over).code == "refund_exceeded"


def test_a_refund_before_the_credit_is_shared_by_nobody(database_url):
    """The commission is of what remains."""
    with a_house(database_url) as book:
        paid_booking(book)
        book.submit(bookings.RefundBooking("B7", "One night less.", bdt("400.00")))
        book.submit(bookings.CompleteBooking("B7"))
        work(book, Teller())
        assert shares(book) == ["0.00", "510.00", "90.00"]
        assert balance(book) == "4400.00"


def test_a_host_without_the_money_owes_it(database_url):
    """The guest is refunded all the same."""
    with a_house(database_url) as book:
        paid_booking(book)
        book.submit(bookings.CompleteBooking("B7"))
        work(book, Teller())
        book.submit(wallets.Debit(HOST, bdt("800.00")))
        book.submit(bookings.CancelBooking("B7", "Rain."))
        work(book, Teller())
        assert balance(book) == "5000.00"
        assert amounts(book, f"wallet/{HOST}", "receivable/refunds") == ["0.00", "800.00"]
        assert discrepancies(book) == []


def test_a_refund_that_the_provider_declines_is_undone(database_url):
    """Host and house have again what they gave, and the booking can be refunded later."""
    with a_house(database_url) as book:
        booked(book)
        book.submit(bookings.PayBooking("B7"))
        work(book, Teller({"status": "paid"}))
        book.submit(bookings.CompleteBooking("B7"))
        work(book, Teller())
        book.submit(bookings.RefundBooking("B7", "Half a day.", bdt("200.00")))
        work(book, Teller(DECLINED))
        assert runs(book, "booking_refund") == ["compensated"]
        assert booking(book).refunded == "0.00"
        assert shares(book) == ["0.00", "850.00", "150.00"]
        book.submit(bookings.RefundBooking("B7", "Half a day.", bdt("1000.00")))
        work(book, Teller({"status": "succeeded"}))
        assert shares(book) == ["0.00"] * 3
        assert amounts(book, "cash/sandbox") == ["0.00"]
        assert discrepancies(book) == []


@given(steps=st.lists(st.one_of(st.just("complete"), st.integers(1, 600)), max_size=5))
@examples(10)
def test_nobody_gives_back_more_than_they_received(shop, steps):
    """Refunds of any size before and after the credit: all of it adds up, nothing goes negative."""
    ref = f"N{len(shop.query(bookings.bookings, limit=1000).items)}"
    before = balance(shop), balance(shop, HOST), amounts(shop, "revenue/commission")[0]
    shop.submit(bookings.CreateBooking(ref, "alice", "hasan", bdt("10.00"), 1500))
    shop.submit(bookings.PayBooking(ref, "wallet", ALICE))
    work(shop, Teller())
    for step in steps:
        if step == "complete":
            shop.submit_many([bookings.CompleteBooking(ref)])
        else:
            part = bdt(f"{step // 100}.{step % 100:02}")
            shop.submit_many([bookings.RefundBooking(ref, "Asked for.", part)])
        work(shop, Teller())
    done = shop.query(bookings.booking, ref)
    after = balance(shop), balance(shop, HOST), amounts(shop, "revenue/commission")[0]
    guest, host, house = (cents(b) - cents(a) for a, b in zip(before, after, strict=True))
    assert (host, house) == (cents(done.host_part), cents(done.commission_part))
    assert guest == cents(done.refunded) - 1000
    assert min(host, house) >= 0
    if done.status == "completed":
        assert guest + host + house == 0


def cents(text):
    return int(text.replace(".", ""))


@pytest.fixture
def shop(database_url):
    """One house for all the cases of a property: each has a booking of its own."""
    with a_house(database_url) as book:
        book.submit(wallets.OpenWallet("hasan", "BDT", "host"))
        yield book
        assert discrepancies(book) == []


def test_a_story_runs_again_to_the_same_head(database_url, tmp_path):
    """Booked, paid, completed, refunded in part: replayed, the book is the same."""
    with a_house(database_url) as book:
        paid_booking(book)
        book.submit(bookings.CompleteBooking("B7"))
        work(book, Teller())
        book.submit(bookings.RefundBooking("B7", "Half a day.", bdt("200.00")))
        work(book, Teller())
        with Khata.open(sqlite_at(tmp_path / "copy.db")) as copy:
            head = replay(book, copy)
            assert head.hash.hex() == book.verify().head
            assert discrepancies(copy) == []
