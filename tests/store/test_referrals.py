"""Referrals: who may refer whom, when bonuses are owed, and when they are paid."""

import pytest

from khata import KhataError, Money
from khata.domain import benefits, ledger, payments, setup, wallets
from khata.domain.benefits import (
    CancelReferral,
    ConfirmKyc,
    PayBonuses,
    Refer,
    SetBenefitPolicy,
    referring,
    rules,
)
from khata.domain.ledger import FreezeAccount, UnfreezeAccount
from tests.builders import (
    ALICE,
    BOB,
    FINANCE,
    SERVICE,
    SUPPORT,
    Clock,
    balance,
    bdt,
    discrepancies,
    owner,
    refused,
)
from tests.buyers import Qualify, a_shop, bonus_policy, referral
from tests.servers import sqlite_at


def refer(book, referrer="alice", referred="bob", **options):
    return book.submit(Refer(referrer, referred), **options).result


def first_purchase(book, name="bob", subject=None, unit="BDT"):
    """The status of the referral that it was about."""
    return book.submit(Qualify(name, subject or f"order/{name}", unit)).result


def owed(book):
    """By the referrals, by the accounts; whether they agree."""
    found = {one.currency: (one.owed, one.booked, one.agrees) for one in _liability(book)}
    return found.get("BDT", ("0.00", "0.00", True))


def _liability(book):
    return book.query(benefits.liability)


def accounts(book):
    """Expense and what is owed to whom, where there is any."""
    lines = book.query(ledger.trial_balance)
    return {
        line.code: line.balance
        for line in lines
        if "referrals" in line.code and line.balance != "0.00"
    }


# ── who may refer whom ───────────────────────────────────────────────────────────────


def test_nobody_is_referred_in_a_wrong_way(database_url):
    """Themselves, twice, after a purchase, in a circle, or under no name."""
    with a_shop(database_url) as book:
        assert refused(book, Refer("alice", "alice")).code == "self_referral"
        refer(book)
        assert refused(book, Refer("carol", "bob")).code == "already_exists"
        refer(book, "bob", "carol")
        refer(book, "carol", "dave")
        first_purchase(book, "erin")
        for who, whom, reason in (
            ("bob", "alice", "circle"),
            ("dave", "alice", "circle"),
            ("alice", "erin", "already_bought"),
        ):
            error = refused(book, Refer(who, whom))
            assert (error.code, error.details["reason"]) == ("benefit_refused", reason)
        refer(book, "zoe", "alice")  # who has brought others may be brought by a stranger
        for name in ("", "a b", "a/b", "wallet", "x" * 129, "a\x00b", "a\ud800", "a\u200e"):
            assert refused(book, Refer(name, "frank")).code == "invalid_input"
            assert refused(book, Refer("frank", name)).code == "invalid_input"
        for who in (FINANCE, owner("alice")):
            assert refused(book, Refer("alice", "zack"), actor=who).code == "role_required"
        refer(book, "alice", "zack", actor=SUPPORT)


def test_a_referrer_has_limits(database_url):
    """So many within a window, so many ever."""
    clock = Clock()
    with a_shop(database_url, clock=clock) as book:
        bonus_policy(book, most_referrals=4, most_in_window=2, window_seconds=60)
        for name in ("b1", "b2"):
            refer(book, referred=name)
        error = refused(book, Refer("alice", "b3"))
        assert error.details["reason"] == "too_many_lately"
        refer(book, "carol", "b3")
        clock.pass_by(60)
        for name in ("b4", "b5"):
            refer(book, referred=name)
        clock.pass_by(60)
        error = refused(book, Refer("alice", "b6"))
        assert (error.code, error.details["reason"]) == ("benefit_refused", "too_many")


# ── bonuses ──────────────────────────────────────────────────────────────────────────


def test_a_bonus_is_owed_and_paid_at_once_where_nobody_must_be_known(database_url):
    """Into personal wallets, opened where there are none; each entry is about the referral."""
    with a_shop(database_url) as book:
        bonus_policy(book)
        assert refer(book).status == "pending"
        assert first_purchase(book) == "paid"
        assert first_purchase(book, subject="order/again") is None
        assert (balance(book), balance(book, BOB), owed(book)) == (
            "50.00",
            "30.00",
            ("0.00", "0.00", True),
        )
        assert accounts(book) == {"expense/referrals": "80.00"}
        done = referral(book)
        assert (done.subject, len(done.entries)) == ("order/bob", 2)
        types = [book.query(ledger.entry, name).type for name in done.entries]
        assert types == ["referral", "referral_bonus"]
        (line,) = book.query(wallets.transactions, BOB).items
        assert line.source == "referral_bonus"
        assert discrepancies(book) == []


@pytest.mark.parametrize("rule", ["referrer", "both"])
def test_a_bonus_waits_until_people_are_known(database_url, rule):
    """It is a liability until then: what referrals owe is what the accounts owe."""
    with a_shop(database_url) as book:
        bonus_policy(book, kyc=rule)
        for name in ("bob", "carol"):
            refer(book, referred=name)
            assert first_purchase(book, name) == "qualified"
        assert owed(book) == ("160.00", "160.00", True)
        assert accounts(book) == {
            "expense/referrals": "160.00",
            "payable/referrals/alice": "100.00",
            "payable/referrals/bob": "30.00",
            "payable/referrals/carol": "30.00",
        }
        book.submit(ConfirmKyc("bob", "File 7."))
        assert owed(book)[0] == "160.00"
        book.submit(ConfirmKyc("alice", "File 8."))
        paid = {"referrer": "0.00", "both": "80.00"}[rule]
        assert owed(book) == (paid, paid, True)
        assert book.submit(PayBonuses("alice")).result.paid == []
        book.submit(ConfirmKyc("carol", "File 9."), actor=SUPPORT)
        assert owed(book) == ("0.00", "0.00", True)
        assert balance(book) == "100.00"
        assert [one.status for one in book.query(benefits.referrals).items] == ["paid", "paid"]
        assert refused(book, ConfirmKyc("bob", "again")).code == "already_exists"
        assert book.query(benefits.kyc, "bob").evidence == "File 7."
        assert discrepancies(book) == []


def test_the_policy_of_the_first_purchase_counts(database_url):
    """Its bonuses and its rule; a later change leaves what is owed as it is."""
    with a_shop(database_url) as book:
        refer(book)
        bonus_policy(book, referrer="7.00", referred="3.00", kyc="referrer")
        first_purchase(book)
        bonus_policy(book, kyc="none")
        assert owed(book)[0] == "10.00"
        assert referral(book).kyc == "referrer"
        assert book.submit(PayBonuses("alice")).result.waiting == 1


def test_the_currency_is_that_of_the_purchase(database_url):
    """As it is told, or as its payable says; without a bonus in it the referral lapses."""
    with a_shop(database_url, bob="0") as book:
        bonus_policy(book)
        book.submit(payments.RegisterPayable("order/P1", "bob", bdt("10.00")))
        for name, subject, unit, status in (
            ("bob", "order/P1", None, "paid"),
            ("carol", "order/2", "USD", "lapsed"),
            ("dave", "order/3", None, "lapsed"),
        ):
            refer(book, referred=name)
            assert first_purchase(book, name, subject, unit) == status
        assert accounts(book) == {"expense/referrals": "80.00"}
        assert refused(book, CancelReferral("dave", "x")).code == "invalid_transition"


def test_one_side_may_get_nothing(database_url):
    """Then it has no leg, and no wallet."""
    with a_shop(database_url) as book:
        book.submit(SetBenefitPolicy(referred=[bdt("3.00"), Money("1.00", "USD")]))
        refer(book)
        assert first_purchase(book) == "paid"
        assert balance(book, BOB) == "3.00"
        assert [wallet.owner for wallet in book.query(wallets.wallets).items] == ["bob"]


def test_a_frozen_wallet_lets_the_bonus_wait(database_url):
    """The purchase goes through all the same; later the bonus is paid on demand."""
    with a_shop(database_url, alice="0") as book:
        bonus_policy(book)
        book.submit(FreezeAccount(ALICE, "odd"))
        refer(book)
        assert first_purchase(book) == "qualified"
        assert owed(book) == ("80.00", "80.00", True)
        waiting = book.submit(PayBonuses("alice"), actor=FINANCE).result
        assert (waiting.paid, waiting.waiting) == ([], 1)
        assert [wallet.owner for wallet in book.query(wallets.wallets).items] == ["alice"]
        book.submit(UnfreezeAccount(ALICE, "fine"))
        paid = book.submit(PayBonuses("bob"), actor=SERVICE).result
        assert (paid.paid, paid.waiting) == (["bob"], 0)
        assert balance(book) == "50.00"
        assert discrepancies(book) == []


def test_many_bonuses_are_paid_in_turns(database_url, monkeypatch):
    """One command pays a bounded number of them."""
    monkeypatch.setattr(referring, "_MOST_AT_ONCE", 2)
    with a_shop(database_url) as book:
        bonus_policy(book, kyc="referrer")
        for name in ("b1", "b2", "b3"):
            refer(book, referred=name)
            first_purchase(book, name)
        book.submit(ConfirmKyc("alice", "File 8."))
        assert balance(book) == "100.00"
        assert book.submit(PayBonuses("alice")).result.paid == ["b3"]
        assert owed(book) == ("0.00", "0.00", True)


def test_many_that_wait_are_looked_at_together(database_url, monkeypatch):
    """A referrer may have thousands: each is looked at a few times, not once for each other."""
    names = [f"b{number}" for number in range(60)]
    with a_shop(database_url) as book:
        bonus_policy(book, kyc="both")
        for name in names:
            refer(book, referred=name)
            first_purchase(book, name)
    looks, is_known = [], rules.is_known
    monkeypatch.setattr(rules, "is_known", lambda *given: looks.append(1) or is_known(*given))
    with a_shop(database_url) as book:  # another process: nothing of it is in memory
        book.submit(ConfirmKyc("alice", "File 7."))
        assert book.submit(PayBonuses("alice")).result.waiting == len(names)
        assert len(looks) <= 6 * len(names)
        book.submit(ConfirmKyc("b7", "File 8."))
        assert balance(book) == "50.00"


# ── calling it off ───────────────────────────────────────────────────────────────────


def test_a_cancelled_referral_owes_nothing(database_url):
    """Before it is paid, and not after; it cannot be made again."""
    with a_shop(database_url) as book:
        bonus_policy(book, kyc="both")
        for name in ("bob", "carol"):
            refer(book, referred=name)
        first_purchase(book)
        for reason in (" ", "x" * 501):
            assert refused(book, CancelReferral("bob", reason)).code == "invalid_input"
        done = book.submit(CancelReferral("bob", "one person"), actor=FINANCE).result
        assert (done.status, done.reason, len(done.entries)) == ("cancelled", "one person", 2)
        book.submit(CancelReferral("carol", "the same"))
        assert (owed(book), accounts(book)) == (("0.00", "0.00", True), {})
        assert first_purchase(book, "carol") is None
        for name in ("alice", "bob"):
            book.submit(ConfirmKyc(name, "File 7."))
        assert book.query(wallets.wallets).items == []
        assert refused(book, CancelReferral("bob", "x")).code == "invalid_transition"
        assert refused(book, CancelReferral("zoe", "x")).code == "referral_not_found"
        assert refused(book, Refer("alice", "bob")).code == "already_exists"
        assert discrepancies(book) == []


def test_bonuses_above_the_limit_need_a_second_person(database_url):
    """Taken together; what is owed does not change meanwhile."""
    with a_shop(database_url) as book:
        bonus_policy(book, kyc="referrer")
        for name in ("bob", "carol"):
            refer(book, referred=name)
            first_purchase(book, name)
        book.submit(setup.Set("four_eyes", {"BDT": "100.00"}))
        assert refused(book, ConfirmKyc("alice", "x"), actor=FINANCE).code == "approval_required"
        book.submit(CancelReferral("carol", "one person"), actor=FINANCE)
        book.submit(ConfirmKyc("alice", "x"), actor=FINANCE)
        assert balance(book) == "50.00"


@pytest.mark.parametrize("evidence", ["", " ", "x" * 501, "a\x00b"])
def test_evidence_is_asked_for(tmp_path, evidence):
    """Nothing is confirmed without it."""
    with a_shop(sqlite_at(tmp_path / "khata.db")) as book:
        assert refused(book, ConfirmKyc("alice", evidence)).code == "invalid_input"
        assert refused(book, ConfirmKyc("a/b", "File 7.")).code == "invalid_input"
        with pytest.raises(KhataError) as caught:
            book.query(benefits.kyc, "alice")
        assert caught.value.code == "not_found"


# ── reading ──────────────────────────────────────────────────────────────────────────


def test_both_see_a_referral_and_nobody_else(database_url):
    """A third person learns nothing."""
    clock = Clock()
    with a_shop(database_url, clock=clock) as book:
        for name in ("b1", "b2", "b3"):
            clock.pass_by(1)
            refer(book, referred=name)
        for name, count in (("alice", 3), ("b2", 1), ("zoe", 0)):
            with book.view(owner(name)) as view:
                assert len(benefits.referrals(view).items) == count
        with book.view(owner("b2")) as view:
            assert benefits.referral(view, "b2").referrer == "alice"
        for name in ("b2", "none"):
            with book.view(owner("zoe")) as view, pytest.raises(KhataError) as caught:
                benefits.referral(view, name)
            assert caught.value.code == "not_yours"
        for name in ("none", "\x00"):
            with pytest.raises(KhataError) as caught:
                book.query(benefits.referral, name)
            assert caught.value.code == "referral_not_found"
        page = book.query(benefits.referrals, limit=2, referrer="alice", status="pending")
        assert [one.referred for one in page.items] == ["b3", "b2"]
        rest = book.query(benefits.referrals, limit=2, cursor=page.next)
        assert [one.referred for one in rest.items] == ["b1"]
