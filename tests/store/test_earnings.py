"""Earnings: views are paid once, bonuses once, riders by policy; debts are taken out of them."""

import threading

import pytest

from khata import Khata, KhataError, Money
from khata.base.clock import from_iso
from khata.domain import earnings, ledger, setup, wallets
from khata.domain.earnings import (
    Bonus,
    ChainBonus,
    CountViews,
    EarningPolicy,
    Extra,
    PayDelivery,
    Peak,
    SetPolicy,
    SetRate,
    Threshold,
    ViewRate,
)
from tests.builders import (
    ADMIN,
    FINANCE,
    SERVICE,
    SUPPORT,
    Clock,
    a_book,
    balance,
    bdt,
    discrepancies,
    owner,
    refused,
)
from tests.earners import (
    NILA,
    QUIET,
    RAFI,
    counted,
    delivered,
    house,
    kinds,
    lines,
    owing,
)
from tests.lenders import a_lender
from tests.servers import sqlite_at

# ── views ────────────────────────────────────────────────────────────────────────────


def test_views_are_paid_at_the_agreed_rate(database_url):
    """Out of an expense into the creator's wallet, which is opened; the khata says what for."""
    with a_book(database_url) as book:
        rate = book.submit(SetRate("nila", bdt("35.50"))).result
        assert (rate.per_thousand, rate.agreed) == ("35.50", True)
        result = counted(book, 10_000, actor=SERVICE)
        assert (result.new, kinds(result)) == (10_000, {"video_view": "355.00"})
        assert balance(book, NILA) == house(book, "expense/video_view") == "355.00"
        assert lines(book, "nila") == {("income", "Video views", "355.00")}
        entry = book.query(ledger.entry, result.earnings[0].entry)
        assert (entry.source, entry.reference) == ("video_view", "V1/10000")
        assert discrepancies(book) == []


def test_only_new_views_are_paid(database_url):
    """A report says how many there are in all; the same or fewer again are refused."""
    with a_book(database_url) as book:
        counted(book, 1000)
        assert kinds(counted(book, 1500)) == {"video_view": "10.00"}
        for total in (1500, 1499, 1):
            error = refused(book, CountViews("V1", "nila", total))
            assert (error.code, error.details["got"]) == ("already_counted", total)
            assert error.details["expected"] == "more than 1500"
        assert balance(book, NILA) == "30.00"
        assert book.query(earnings.views, "V1").paid == "30.00"


def test_parts_of_a_minor_unit_are_carried_on(database_url):
    """Too little to pay is no earning, and is not lost."""
    with a_book(database_url) as book:
        book.submit(SetRate("nila", bdt("20.01")))
        paid = [kinds(counted(book, total)) for total in (1, 500, 999, 1000)]
        assert paid == [
            {"video_view": "0.02"},
            {"video_view": "9.98"},
            {"video_view": "9.98"},
            {"video_view": "0.03"},
        ]
        assert balance(book, NILA) == "20.01"


def test_a_report_that_is_worth_nothing_yet(database_url):
    """The views count, no entry is made; with the next one they are paid."""
    with a_book(database_url) as book:
        cheap = ViewRate(bdt("0.10"), bdt("50.00"), bdt("0.10"))
        book.submit(SetPolicy(EarningPolicy(views=cheap)))
        first = counted(book, 60)
        assert (first.new, first.earnings, first.views.paid) == (60, [], "0.00")
        assert kinds(counted(book, 120)) == {"video_view": "0.01"}
        assert balance(book, NILA) == "0.01"


def test_a_rate_holds_from_now_on(database_url):
    """What was counted before stays as it was paid."""
    with a_book(database_url) as book:
        counted(book, 1000)
        book.submit(SetRate("nila", bdt("50.00")))
        assert kinds(counted(book, 2000)) == {"video_view": "50.00"}
        book.submit(SetRate("nila", bdt("20.00")))
        assert kinds(counted(book, 3000)) == {"video_view": "20.00"}
        assert balance(book, NILA) == "90.00"


@pytest.mark.parametrize("amount", ["19.99", "50.01", "1000"])
def test_a_rate_outside_of_its_bounds(tmp_path, amount):
    """Twenty to fifty, unless the policy says otherwise."""
    with a_book(sqlite_at(tmp_path / "khata.db")) as book:
        error = refused(book, SetRate("nila", bdt(amount)))
        assert (error.code, error.details["reason"]) == ("earning_refused", "rate_out_of_bounds")
        assert not book.query(earnings.rate, "nila").agreed
        wide = ViewRate(bdt("1.00"), bdt("2000.00"), bdt("20.00"))
        book.submit(SetPolicy(EarningPolicy(views=wide)))
        assert book.submit(SetRate("nila", bdt(amount))).result.agreed


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (SetRate("nila", Money("30.00", "USD")), "currency_mismatch"),
        (SetRate("nila", bdt("30.001")), "too_many_decimals"),
        (SetRate("nila", bdt("-30.00")), "invalid_amount"),
        (SetRate("ni la", bdt("30.00")), "invalid_input"),
        (CountViews("V 1", "nila", 10), "invalid_input"),
        (CountViews("V/1", "nila", 10), "invalid_input"),
        (CountViews("", "nila", 10), "invalid_input"),
        (CountViews("V1", "ni/la", 10), "invalid_input"),
        (CountViews("V1", "nila", 0), "invalid_input"),
        (CountViews("V1", "nila", -5), "invalid_input"),
        (CountViews("V1", "nila", 10**12 + 1), "invalid_input"),
        (CountViews("V1", "nila", 10, "bob/personal/BDT"), "invalid_input"),
        (CountViews("V1", "nila", 10, "nila/creator/BDT"), "wallet_not_found"),
        (Bonus("surprise_reward", "nila", "E1"), "earning_refused"),
        (Bonus("surprise_reward", "nila", " ", bdt("5.00")), "invalid_input"),
        (Bonus("surprise_reward", "nila", "x" * 201, bdt("5.00")), "invalid_input"),
        (Bonus("surprise_reward", "nila", "E1", bdt("0")), "invalid_amount"),
        (Bonus("surprise_reward", "", "E1", bdt("5.00")), "invalid_input"),
        (Bonus("surprise_reward", "nila", "E1", Money("5", "GOLD")), "unknown_currency"),
        (Bonus("surprise_reward", "bob", "E1", bdt("5"), "bob/personal/USD"), "wallet_not_found"),
        (Bonus("surprise_reward", "bob", "E1", Money("5", "USD"), "bob/personal/BDT"),
         "currency_mismatch"),
        (PayDelivery("rafi", "", bdt("60.00")), "invalid_input"),
        (PayDelivery("ra fi", "M1", bdt("60.00")), "invalid_input"),
        (PayDelivery("rafi", "M1", bdt("0.00")), "invalid_amount"),
        (PayDelivery("rafi", "M1", bdt("1.234")), "too_many_decimals"),
        (PayDelivery("rafi", "M1", Money("1", "GOLD")), "unknown_currency"),
        (PayDelivery("rafi", "M1", bdt("1"), chain=""), "invalid_input"),
        (PayDelivery("rafi", "M1", bdt("1"), delivered_at="today"), "invalid_input"),
        (PayDelivery("rafi", "M1", bdt("1"), delivered_at="2026-01-31T09:00:01Z"),
         "invalid_input"),
        (PayDelivery("rafi", "M1", bdt("1"), wallet="bob/personal/BDT"), "invalid_input"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(tmp_path, command, code):
    """One clear error, nothing written."""
    with a_book(sqlite_at(tmp_path / "khata.db"), clock=Clock(), bob="0") as book:
        assert refused(book, command).code == code
        assert book.query(earnings.earnings).items == []
        assert len(book.query(wallets.wallets).items) == 1


def test_a_video_stays_its_creators(database_url):
    """Nobody else is paid for it, whatever total they report."""
    with a_book(database_url) as book:
        counted(book, 1000)
        error = refused(book, CountViews("V1", "mita", 2000))
        assert (error.code, error.details["reason"]) == ("earning_refused", "other_creator")
        assert book.query(earnings.views, "V1").total == 1000


def test_a_video_stays_in_its_currency(database_url):
    """A policy in another one is for videos that are new."""
    with a_book(database_url) as book:
        book.submit(SetRate("nila", bdt("40.00")))
        counted(book, 1000)
        usd = ViewRate(*(Money(amount, "USD") for amount in ("0.10", "0.50", "0.20")))
        book.submit(SetPolicy(EarningPolicy(views=usd)))
        error = refused(book, CountViews("V1", "nila", 2000))
        assert (error.code, error.details["reason"]) == ("earning_refused", "other_currency")
        assert counted(book, 1000, "V2").earnings[0].wallet == "nila/creator/USD"
        assert not book.query(earnings.rate, "nila").agreed


@pytest.mark.parametrize("ways", [1, 2])
def test_callers_at_once_pay_no_view_twice(database_url, ways):
    """Many threads report the same growing totals, through one process's book or two."""
    totals = [1000 * number for number in range(1, 9)]
    with a_book(database_url, limits=None) as one, Khata.open(database_url) as two:
        books = [one, two][:ways]
        codes = []

        def report(book):
            for total in totals:
                try:
                    counted(book, total)
                except KhataError as error:
                    codes.append(error.code)

        threads = [threading.Thread(target=report, args=(book,)) for book in books * (4 // ways)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert set(codes) == {"already_counted"}
        assert balance(one, NILA) == "160.00"
        assert one.query(earnings.totals, "nila")[0].total == "160.00"
        assert discrepancies(one) == []


# ── bonuses ──────────────────────────────────────────────────────────────────────────


def test_a_viral_video_brings_its_bonus_once(database_url):
    """With the report that reaches a threshold, several at once if it passes several."""
    with a_book(database_url) as book:
        assert "viral_bonus" not in kinds(counted(book, 99_999))
        result = counted(book, 100_000)
        assert kinds(result) == {"video_view": "0.02", "viral_bonus": "500.00"}
        assert kinds(counted(book, 100_001)) == {"video_view": "0.02"}
        whole = counted(book, 1_000_000, "V2")
        assert [line.amount for line in whole.earnings] == ["20000.00", "500.00", "5000.00"]
        assert ("income", "Viral bonus", "500.00") in lines(book, "nila")
        assert house(book, "expense/viral_bonus") == "6000.00"
        assert discrepancies(book) == []


def test_a_bonus_that_a_person_gave_is_not_given_again(database_url):
    """And stands in no view's way."""
    with a_book(database_url) as book:
        book.submit(Bonus("viral_bonus", "nila", "V1/100000", bdt("700.00")))
        assert kinds(counted(book, 100_000)) == {"video_view": "2000.00"}


def test_a_reward_is_given_once_for_each_reference(database_url):
    """Each kind has references of its own, and so has each owner."""
    with a_book(database_url) as book:
        reward = Bonus("surprise_reward", "nila", "eid", bdt("50.00"))
        paid = book.submit(reward).result.earnings[0]
        error = refused(book, reward)
        assert (error.code, error.details["entry"]) == ("already_counted", paid.entry)
        book.submit(Bonus("surprise_reward", "mita", "eid", bdt("50.00")))
        book.submit(Bonus("viral_bonus", "nila", "eid", bdt("9.00")))
        assert balance(book, NILA) == "59.00"
        assert ("income", "Coupons", "50.00") in lines(book, "nila")
        assert house(book, "expense/surprise_coupon") == "100.00"


def test_the_policy_says_what_a_reward_is(database_url):
    """Where the command names no amount."""
    with a_book(database_url) as book:
        error = refused(book, Bonus("surprise_reward", "nila", "eid"))
        assert (error.code, error.details["reason"]) == ("earning_refused", "no_amount")
        book.submit(SetPolicy(EarningPolicy(rewards={"surprise_reward": bdt("25.00")})))
        book.submit(Bonus("surprise_reward", "nila", "eid"))
        assert balance(book, NILA) == "25.00"


def test_an_earning_may_go_to_another_wallet(database_url):
    """Of its own owner."""
    with a_book(database_url, nila="0") as book:
        book.submit(CountViews("V1", "nila", 1000, "nila/personal/BDT"))
        assert balance(book, "nila/personal/BDT") == "20.00"


# ── riders ───────────────────────────────────────────────────────────────────────────


def test_a_delivery_is_paid_with_its_bonuses(database_url):
    """Each an entry of its own, under its own source."""
    clock = Clock(from_iso("2026-01-31T12:30:00Z"))  # half past six in the evening, in Dhaka
    with a_book(database_url, clock=clock) as book:
        result = delivered(book, "M1", haggled=True)
        assert kinds(result) == {
            "delivery_fee": "60.00",
            "peak_hour": "15.00",
            "haggled_order": "10.00",
        }
        assert len({line.entry for line in result.earnings}) == 3
        assert lines(book, "rafi") == {
            ("income", "Delivery", "60.00"),
            ("income", "Delivery", "15.00"),
            ("income", "Bargaining savings", "10.00"),
        }
        assert balance(book, RAFI) == "85.00"
        spent = [house(book, f"expense/{name}") for name in ("delivery", "peak_hour", "dam_komao")]
        assert spent == ["60.00", "15.00", "10.00"]
        assert discrepancies(book) == []


def test_when_it_was_delivered_decides_on_peak_hours(database_url):
    """And not when it is reported."""
    clock = Clock(from_iso("2026-01-31T16:00:00Z"))
    with a_book(database_url, clock=clock) as book:
        assert kinds(delivered(book, "M1")) == {"delivery_fee": "60.00"}
        late = delivered(book, "M2", delivered_at="2026-01-31T18:30:00+06:00")
        assert kinds(late) == {"delivery_fee": "60.00", "peak_hour": "15.00"}


def test_a_chain_of_missions_brings_a_bonus(database_url):
    """For every fifth of one chain; another chain begins anew."""
    with a_book(database_url, clock=Clock()) as book:
        places = [kinds(delivered(book, f"M{n}", chain="morning")) for n in range(10)]
        assert ["mission_chain" in place for place in places] == ([False] * 4 + [True]) * 2
        assert "mission_chain" not in kinds(delivered(book, "M10", chain="evening"))
        assert "mission_chain" not in kinds(delivered(book, "M11"))
        assert ("income", "Missions", "100.00") in lines(book, "rafi")
        missions = book.query(earnings.missions, "rafi").items
        assert [one.place for one in missions] == [0, 1, *range(10, 0, -1)]


def test_a_delivery_counts_once(database_url):
    """Neither its fee nor its place in a chain comes twice; another rider's is another."""
    with a_book(database_url, clock=Clock()) as book:
        delivered(book, "M1", chain="morning")
        assert refused(book, PayDelivery("rafi", "M1", bdt("60.00"))).code == "already_counted"
        book.submit(PayDelivery("mina", "M1", bdt("60.00"), chain="morning"))
        assert delivered(book, "M2", chain="morning").earnings[0].reference == "M2"
        assert book.query(earnings.missions, "rafi").items[0].place == 2
        assert balance(book, RAFI) == "120.00"


def test_a_fee_that_is_paid_elsewhere(database_url):
    """Bonuses are measured by it, and it is not paid again, nor the mission counted again."""
    with a_book(database_url, clock=Clock(from_iso("2026-01-31T12:30:00Z"))) as book:
        assert kinds(delivered(book, "M1", fee_is_paid=True)) == {"peak_hour": "15.00"}
        assert refused(book, PayDelivery("rafi", "M1", bdt("60.00"))).code == "already_counted"
        book.submit(SetPolicy(QUIET))
        assert delivered(book, "M2", fee_is_paid=True).earnings == []
        assert balance(book, RAFI) == "15.00"


def test_bonuses_in_another_currency_go_to_a_wallet_of_it(database_url):
    """Each amount keeps the currency in which the policy names it."""
    policy = EarningPolicy(peaks=(), haggled=Extra(Money("1.50", "USD")))
    with a_book(database_url, clock=Clock()) as book:
        book.submit(SetPolicy(policy))
        paid = delivered(book, "M1", haggled=True)
        assert [line.wallet for line in paid.earnings] == ["rafi/rider/BDT", "rafi/rider/USD"]
        error = refused(book, PayDelivery("rafi", "M2", bdt("9"), haggled=True, wallet=RAFI))
        assert error.code == "currency_mismatch"
        assert discrepancies(book) == []


# ── debts, four eyes, roles, the policy ──────────────────────────────────────────────


def test_what_is_owed_is_taken_out_of_an_earning(database_url):
    """At once, in the same command; the rest is the earner's."""
    with a_lender(database_url) as book:
        owing(book, "nila", "creator", "30.00")
        result = counted(book, 2000)
        (taken,) = result.collected
        assert (taken.type, taken.reference) == ("netting", "V1/2000")
        assert balance(book, NILA) == "10.00"
        assert house(book, "receivable/refunds/nila") == "0.00"
        assert counted(book, 3000).collected == []
        assert discrepancies(book) == []


def test_all_of_a_deliverys_earnings_are_netted_together(database_url):
    """Fee and bonuses, one entry for each debt."""
    with a_lender(database_url) as book:
        owing(book, "rafi", "rider", "65.00")
        book.submit(SetPolicy(EarningPolicy(peaks=())))
        assert len(delivered(book, "M1", haggled=True).collected) == 1
        assert balance(book, RAFI) == "5.00"


def test_four_eyes_look_at_the_whole(database_url):
    """Fee and bonuses may each be below the limit; services are machines."""
    with a_book(database_url, clock=Clock(from_iso("2026-01-31T12:30:00Z"))) as book:
        book.submit(setup.Set("four_eyes", {"BDT": "70.00"}))
        delivery = PayDelivery("rafi", "M1", bdt("60.00"))
        assert refused(book, delivery, actor=FINANCE).code == "approval_required"
        assert refused(book, CountViews("V1", "nila", 4000), actor=ADMIN).code == (
            "approval_required"
        )
        reward = Bonus("surprise_reward", "nila", "eid", bdt("70.01"))
        assert refused(book, reward, actor=FINANCE).code == "approval_required"
        book.submit(delivery, actor=SERVICE)
        assert counted(book, 3500, actor=FINANCE).new == 3500


def test_who_may_ask(tmp_path):
    """Owners earn and do not pay themselves."""
    commands = [
        SetRate("nila", bdt("30.00")),
        CountViews("V1", "nila", 10),
        Bonus("surprise_reward", "nila", "eid", bdt("5")),
        PayDelivery("nila", "M1", bdt("5")),
        SetPolicy(EarningPolicy()),
    ]
    with a_book(sqlite_at(tmp_path / "khata.db")) as book:
        for who in (owner("nila"), SUPPORT):
            for command in commands:
                assert refused(book, command, actor=who).code == "role_required"
        for who in (FINANCE, SERVICE):
            assert refused(book, commands[-1], actor=who).code == "role_required"
        for command in commands:
            book.submit(command, actor=ADMIN)


def test_a_frozen_wallet_earns_later(database_url):
    """The report is refused as a whole, and its views are paid with the next one."""
    with a_book(database_url) as book:
        counted(book, 1000)
        book.submit(ledger.FreezeAccount(NILA, "odd"))
        assert refused(book, CountViews("V1", "nila", 2000)).code == "account_frozen"
        book.submit(ledger.UnfreezeAccount(NILA, "fine"))
        assert counted(book, 3000).new == 2000


POLICIES = [
    (EarningPolicy(offset_minutes=900), "invalid_input"),
    (EarningPolicy(viral=(Threshold(10, bdt("0")),)), "invalid_amount"),
    (EarningPolicy(viral=(Threshold(10, bdt("x")),)), "invalid_amount"),
    (EarningPolicy(rewards={"viral_bonus": Money("1", "GOLD")}), "unknown_currency"),
    (EarningPolicy(chains=(ChainBonus(5, bdt("1.234")),)), "too_many_decimals"),
    (EarningPolicy(peaks=(Peak("9", "10", Extra(points=1)),)), "invalid_input"),
    (EarningPolicy(haggled=Extra()), "invalid_input"),
    (EarningPolicy(views=ViewRate(bdt("20"), bdt("10"), bdt("15"))), "invalid_input"),
    (EarningPolicy(views=ViewRate(bdt("20"), bdt("50"), bdt("19.99"))), "invalid_input"),
    (EarningPolicy(views=ViewRate(most=Money("50", "USD"))), "currency_mismatch"),
]


@pytest.mark.parametrize(("policy", "code"), POLICIES)
def test_a_policy_that_makes_no_sense_is_refused(tmp_path, policy, code):
    """And the one before it stays."""
    with a_book(sqlite_at(tmp_path / "khata.db")) as book:
        assert refused(book, SetPolicy(policy)).code == code
        assert book.query(earnings.policy) == EarningPolicy()
        assert kinds(counted(book, 1000)) == {"video_view": "20.00"}


def test_a_policy_is_not_set_past_its_command(tmp_path):
    """Which checks it."""
    with a_book(sqlite_at(tmp_path / "khata.db")) as book:
        error = refused(book, setup.Set("earnings", {"viral": [{"views": 1}]}))
        assert (error.code, error.details["expected"]) == ("invalid_input", "earnings.set_policy")
        assert kinds(counted(book, 1000)) == {"video_view": "20.00"}
