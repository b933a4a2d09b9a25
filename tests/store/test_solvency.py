"""Solvency: what is counted, the brake, who lifts it, proofs of liabilities, the schedule."""

import re
import runpy
from contextlib import contextmanager
from functools import partial
from itertools import count
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from khata import Khata, KhataError, Money
from khata.base.actor import SYSTEM, WORKER
from khata.base.clock import from_iso, to_iso
from khata.base.money import to_minor, to_text
from khata.domain import ledger, payouts, reconciliation, setup, solvency, wallets
from khata.domain.access import Approve, RequestApproval
from khata.domain.ledger import LegIn, PostEntry
from khata.domain.payouts import ApplyBrake, BatchLine, FailPayout, LiftBrake
from khata.domain.sagas import saga
from khata.domain.setup import FinishSlot, SetSchedule
from khata.domain.solvency import PublishRoot, RecordSolvency, VerifyBalance
from khata.edge.working import Schedule, reconciling, slot_key
from khata.edge.working import solvency as work_
from khata.engine.sagas.worker import Worker
from khata.errors import (
    AccountNotFound,
    AmountTooLarge,
    ApprovalRequired,
    CurrencyMismatch,
    Invalid,
    InvalidAmount,
    InvalidTransition,
    KeyReused,
    NotYours,
    RoleRequired,
    SameApprover,
    UnknownCurrency,
)
from khata.errors.operations import PayoutsBraked, RootNotFound
from khata.testing import VirtualClock
from khata.testing.finishing import Crash, Mortal
from tests.builders import (
    ADMIN,
    ALICE,
    BOB,
    FINANCE,
    OTHER_ADMIN,
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
from tests.conftest import examples
from tests.payees import (
    POLICY,
    VAULT,
    Bank,
    a_batch,
    a_house,
    add,
    pay_out,
    show,
    tell,
    work,
)
from tests.reconcilers import a_bank, moved, statement, today
from tests.store.test_queries_plans import plans_of

is_included = runpy.run_path(
    str(Path(__file__).parents[2] / "examples" / "verify_inclusion.py")
)["is_included"]  # fmt: skip


class Alerts:
    def __init__(self):
        self.heard = []

    def sound(self, name, **details):
        self.heard.append((name, details))


class Silent:
    def sound(self, name, **details):
        """Dead before it could tell anybody."""


def post(book, *legs, **options):
    """An entry by hand: (account, amount), debit positive."""
    made = [
        LegIn(code, debit=bdt(amount.lstrip("-")))
        if not amount.startswith("-")
        else LegIn(code, credit=bdt(amount[1:]))
        for code, amount in legs
    ]
    return book.submit(PostEntry(made, "adjustment"), **options)


def standing(book, currency="BDT"):
    (found,) = [one for one in book.query(solvency.position).items if one.currency == currency]
    return found


def check(book, alerts=None, **options):
    return work_.check(book, alerts, "finance:sumi", **options)


def lift(book, currency="BDT", by=(ADMIN, OTHER_ADMIN)):
    """Asked for by one, approved by another."""
    command = {"kind": "payouts.lift_brake", "currency": currency, "reason": "Counted again."}
    request = book.submit(RequestApproval(command, "Found."), actor=by[0]).result.request
    return book.submit(Approve(request), actor=by[1]).result


# ── what is counted ──────────────────────────────────────────────────────────────────


def test_what_counts_as_cash_and_what_is_owed(database_url):
    """Cash and banks against all that is owed; claims and stock are shown and do not count; what
    somebody overdrew makes nobody else's money smaller.
    """
    with a_book(database_url, alice="100.00", bob="50.00") as book:
        post(book, ("bank/city", "500.00"), ("equity/capital", "-500.00"))
        post(book, ("receivable/dhaar", "20.00"), ("bank/city", "-20.00"))
        post(book, ("inventory/lamp", "30.00"), ("bank/city", "-30.00"))
        post(book, ("expense/rent", "10.00"), ("bank/city", "-10.00"))
        post(book, ("bank/city", "7.00"), ("revenue/fee", "-7.00"))
        post(book, ("bank/city", "5.00"), ("payable/supplier", "-5.00"))
        found = standing(book)
        assert (found.cash, found.liabilities, found.net) == ("602.00", "155.00", "447.00")
        assert (found.wallets, found.other_liabilities) == ("150.00", "5.00")
        assert (found.receivables, found.inventory) == ("20.00", "30.00")
        assert (found.equity, found.revenue, found.expenses) == ("500.00", "7.00", "10.00")
        assert (found.solvent, found.equation, found.braked) == (True, True, False)
        # credited against nothing but a claim: the wallet is owed, the claim is no cash
        post(book, ("clearing/order", "600.00"), (ALICE, "-600.00"))
        found = standing(book)
        assert (found.liabilities, found.overdrawn, found.net) == ("755.00", "600.00", "-153.00")
        assert (found.solvent, found.equation) == (False, True)


def test_a_unit_of_ones_own_needs_no_cash(database_url):
    """Points are owed in points; each currency is judged alone."""
    with a_book(database_url, alice="1.00") as book:
        book.submit(setup.DefineUnit("XP", 0, "Points"))
        book.submit(wallets.OpenWallet("alice", "XP", "xp"))
        book.submit(wallets.Credit("alice/xp/XP", Money("500", "XP"), "experience"))
        book.submit(wallets.OpenWallet("alice", "EUR"))
        book.submit(wallets.Credit("alice/personal/EUR", Money("2.00", "EUR")))
        points = standing(book, "XP")
        assert (points.solvent, points.equation, points.net) == (None, True, "-500")
        result = check(book).result
        assert [(one.currency, one.breach, one.solvent) for one in result.items] == [
            ("BDT", False, True),
            ("EUR", False, True),
            ("XP", False, None),
        ]
        with book.view(owner("alice")) as view:
            for ask in (solvency.position, solvency.checks, solvency.verified, payouts.brakes):
                with pytest.raises(NotYours):
                    ask(view)


def test_a_verified_balance_counts_and_what_moved_since(database_url):
    """The bank's figure at an instant, and the book's movements after it; the last one stands."""
    clock = Clock()
    with a_book(database_url, clock=clock, alice="100.00") as book:
        at = clock.now
        clock.pass_by(60)
        book.submit(wallets.Credit(ALICE, bdt("10.00")))
        told = VerifyBalance("cash/main", bdt("95.00"), to_iso(at), "Counted. নগদ")
        seen = book.submit(told, actor=FINANCE).result
        assert (seen.amount, seen.by, seen.evidence) == ("95.00", str(FINANCE), "Counted. নগদ")
        found = standing(book)
        (cash,) = found.accounts
        assert (cash.balance, cash.verified, cash.difference) == ("110.00", "95.00", "-5.00")
        assert (cash.counted, found.net, found.solvent) == ("105.00", "-5.00", False)
        again = msgspec.structs.replace(told, amount=bdt("100.00"), evidence="Recounted.")
        book.submit(again, actor=SERVICE)
        assert (standing(book).net, standing(book).solvent) == ("0.00", True)
        later = VerifyBalance("cash/main", bdt("-3.00"), to_iso(clock.now), "Overdrawn.")
        book.submit(later)
        assert standing(book).net == "-113.00"
        assert [one.amount for one in book.query(solvency.verified)] == ["-3.00"]
        assert discrepancies(book) == []


def test_what_a_verified_balance_may_not_be(database_url):
    """One clear error each, nothing written."""
    clock = Clock()
    with a_book(database_url, clock=clock, alice="100.00") as book:
        post(book, ("receivable/dhaar", "1.00"), ("cash/main", "-1.00"))
        now = to_iso(clock.now)
        told = VerifyBalance("cash/main", bdt("99.00"), now, "Counted.")
        change = msgspec.structs.replace
        for wrong, error in (
            (change(told, account="bank/none"), AccountNotFound),
            (change(told, account="receivable/dhaar"), Invalid),
            (change(told, account=ALICE), Invalid),
            (change(told, amount=Money("1.00", "EUR")), CurrencyMismatch),
            (change(told, amount=Money("1.00", "ABC")), UnknownCurrency),
            (change(told, amount=bdt("1,00")), InvalidAmount),
            (change(told, amount=bdt("9" * 18)), AmountTooLarge),
            (change(told, at="yesterday"), Invalid),
            (change(told, at=to_iso(clock.now + 1)), Invalid),
            (change(told, at="0001-01-01T00:00:00Z"), Invalid),
            (change(told, evidence=" "), Invalid),
            (change(told, evidence="x" * 501), Invalid),
            (change(told, evidence="a\0b"), Invalid),
        ):
            assert type(refused(book, wrong)) is error, wrong
        assert isinstance(refused(book, told, actor=SUPPORT), RoleRequired)
        book.submit(setup.Set("four_eyes", {"BDT": "5.00"}))
        much = change(told, amount=bdt("104.01"))
        assert isinstance(refused(book, much, actor=FINANCE), ApprovalRequired)
        book.submit(change(told, amount=bdt("104.00")), actor=FINANCE)
        assert [one.amount for one in book.query(solvency.verified)] == ["104.00"]


def test_nobody_alone_verifies_cash_that_is_not_there(database_url):
    """Four eyes look at the balance of today; an instant when the book had less, or a shortage
    that two people found, is no way around them.
    """
    clock = Clock()
    with a_book(database_url, clock=clock, alice="10.00") as book:
        book.submit(setup.Set("four_eyes", {"BDT": "5.00"}))
        before = clock.now
        clock.pass_by(60)
        book.submit(wallets.Credit(ALICE, bdt("90.00")))
        told = VerifyBalance("cash/main", bdt("100.00"), to_iso(before), "Counted.")
        book.submit(told, actor=FINANCE)
        (cash,) = standing(book).accounts
        assert (cash.difference, cash.counted) == ("90.00", "100.00")
        clock.pass_by(60)
        short = VerifyBalance("cash/main", bdt("40.00"), to_iso(clock.now), "Stolen.")
        book.submit(short, actor=SERVICE)
        clock.pass_by(60)
        again = VerifyBalance("cash/main", bdt("100.00"), to_iso(clock.now), "It is there.")
        book.submit(again, actor=FINANCE)
        (cash,) = standing(book).accounts
        assert (cash.verified, cash.difference, cash.counted) == ("100.00", "0.00", "40.00")
        request = RequestApproval(msgspec.to_builtins(again), "Found again.")
        asked = book.submit(request, actor=FINANCE).result.request
        book.submit(Approve(asked), actor=ADMIN)
        assert standing(book).accounts[0].counted == "100.00"
        assert discrepancies(book) == []


def test_a_statement_from_before_the_account_counts_nothing(database_url):
    """What the bank held when the book did not have the account came in with its first entry."""
    clock = Clock()
    with a_bank(database_url, clock=clock) as book:
        moved(book, "500.00")
        early = today(book, -3)
        book.submit(statement(book, "S1", ("500.00", "x"), from_on=early, to_on=early))
        assert [one.amount for one in book.query(solvency.verified)] == ["500.00"]
        assert standing(book).cash == "500.00"


# ── the brake ────────────────────────────────────────────────────────────────────────


def test_a_planted_breach_stops_the_next_payout(database_url):
    """Checked, alerted, braked; one person cannot let it go on, two can."""
    alerts = Alerts()
    with a_house(database_url) as book:
        first = pay_out(book)
        post(book, ("expense/theft", "100.00"), ("cash/main", "-100.00"))
        found = check(book, alerts, key="c1")
        assert (found.result.braked, found.result.items[0].net) == (["BDT"], "-100.00")
        ((name, told),) = alerts.heard
        assert (name, told["book"], told["net"]) == ("solvency_breached", "main", "-100.00")
        with pytest.raises(PayoutsBraked) as caught:
            pay_out(book)
        assert "does not cover" in caught.value.message
        with pytest.raises(PayoutsBraked) as caught:
            pay_out(book, actor=owner("alice"))
        assert caught.value.message == "Payouts in BDT are braked."
        line = BatchLine(ALICE, bdt("10.00"), "b-1")
        with pytest.raises(PayoutsBraked) as caught:
            a_batch(book, line)
        assert caught.value.details["index"] == 0
        # what was locked before the brake and not sent goes no further
        work(book, seconds=5)
        assert show(book, first.id).status == "locked"
        assert book.bank.asked == []
        command = LiftBrake("BDT", "It is fine.")
        for who in (ADMIN, FINANCE, SYSTEM):
            assert isinstance(refused(book, command, actor=who), ApprovalRequired)
        with pytest.raises(SameApprover):
            lift(book, by=(ADMIN, ADMIN))
        assert isinstance(refused(book, command, actor=SERVICE), RoleRequired)
        assert standing(book).braked
        assert lift(book).result["brake"]["by"] == "check of solvency"
        assert pay_out(book).status == "locked"
        work(book, seconds=3600)
        assert show(book, first.id).status == "processing"
        # the money is still not there: the next check brakes again, and says so again
        assert check(book, alerts).result.braked == ["BDT"]
        assert check(book, alerts).result.braked == []
        assert len(alerts.heard) == 3
        again = check(book, alerts, key="c1")
        assert (again.replayed, again.result) == (True, found.result)
        assert len(alerts.heard) == 3
        assert discrepancies(book) == []


def test_a_bank_is_heard_while_payouts_are_braked(database_url):
    """What was sent before comes to its end, whatever is braked."""
    with a_house(database_url) as book:
        sent = pay_out(book)
        work(book)
        book.submit(ApplyBrake("BDT", "Looking."), actor=FINANCE)
        tell(book, sent.id, "completed")
        assert show(book, sent.id).status == "completed"


def test_a_payout_locked_when_the_brake_comes_waits(database_url):
    """Between its lock and its call: the call is not decided until two people lift the brake, and
    then once, with all its tries; or a person calls it off, and the money goes back.
    """
    with a_house(database_url) as book:
        first, second = pay_out(book, "100.00"), pay_out(book, "50.00")
        for _ in range(9):  # it takes the runs, does one step, and is dead
            with pytest.raises(Crash):
                Worker(Mortal(book, 2), {"providers": book.bank}).work()
            book.clock.advance(3600)
            if {book.query(saga, one.saga).step for one in (first, second)} == {"send"}:
                break
        assert [show(book, one.id).status for one in (first, second)] == ["locked", "locked"]
        book.submit(ApplyBrake("BDT", "Looking."), actor=FINANCE)
        work(book, seconds=3 * 3600)
        waiting = book.query(saga, first.saga)
        assert (waiting.status, waiting.step, waiting.code) == ("running", "send", "payouts_braked")
        assert (book.bank.asked, show(book, first.id).money) == ([], "locked")
        book.submit(FailPayout(second.id, "Not wanted any more."), actor=FINANCE)
        lift(book)
        book.bank.script("send", "busy")
        work(book, seconds=2 * 3600)
        assert show(book, first.id).status == "processing"
        assert book.query(saga, second.saga).status == "compensated"
        assert (len(book.bank.asked), balance(book)) == (2, "900.00")
        assert discrepancies(book) == []


def test_a_request_from_before_lifts_no_brake(database_url):
    """One that was left lying when another was approved: its asker knows nothing of what came."""
    clock = Clock()
    with a_book(database_url, clock=clock, alice="1.00") as book:
        command = {"kind": "payouts.lift_brake", "currency": "BDT", "reason": "Counted."}
        ask = RequestApproval(command, "Found.")
        book.submit(ApplyBrake("BDT", "First."), actor=FINANCE)
        left = book.submit(ask, actor=ADMIN).result.request
        lift(book)
        clock.pass_by(60)
        book.submit(ApplyBrake("BDT", "Second."), actor=FINANCE)
        assert isinstance(refused(book, Approve(left), actor=OTHER_ADMIN), ApprovalRequired)
        assert lift(book).result["brake"]["reason"] == "Second."


def test_what_brakes_refuse(database_url):
    """Unknown currencies, no reason, a brake that is not on; no way around its own commands."""
    with a_book(database_url, alice="1.00") as book:
        assert isinstance(refused(book, ApplyBrake("ABC", "Why.")), UnknownCurrency)
        assert isinstance(refused(book, ApplyBrake("BDT", " ")), Invalid)
        assert isinstance(refused(book, ApplyBrake("BDT", "Why."), actor=SERVICE), RoleRequired)
        assert isinstance(refused(book, LiftBrake("BDT", "Why.")), InvalidTransition)
        for name in ("payout_brake", "schedules"):
            assert isinstance(refused(book, setup.Set(name, {})), Invalid)
        on = book.submit(ApplyBrake("BDT", "প্রথম"), actor=FINANCE).result
        assert book.submit(ApplyBrake("BDT", "Second."), actor=ADMIN).result == on
        assert book.query(payouts.brakes) == [on]
        assert isinstance(refused(book, LiftBrake("BDT", " ")), Invalid)
        assert isinstance(refused(book, LiftBrake("ABC", "Why.")), UnknownCurrency)
        inner = RecordSolvency(1, [], None, "me")
        for who in (ADMIN, SERVICE):
            assert isinstance(refused(book, inner, actor=who), RoleRequired)


def test_checks_are_kept(database_url):
    """Newest first, by currency, a page at a time."""
    with a_book(database_url, alice="1.00") as book:
        book.submit(wallets.OpenWallet("alice", "EUR"))
        for _ in range(3):
            check(book)
        with book.view() as view:
            page = solvency.checks(view, limit=4)
            rest = solvency.checks(view, limit=4, cursor=page.next)
            assert [one.currency for one in page.items] == ["EUR", "BDT"] * 2
            assert [one.currency for one in rest.items] == ["EUR", "BDT"]
            assert len(solvency.checks(view, currency="EUR").items) == 3
            with pytest.raises(UnknownCurrency):
                solvency.checks(view, currency="ABC")
        for ask in (solvency.checks, solvency.roots):
            for currency in ("BDT", None):
                for plan in plans_of(book, partial(ask, currency=currency)):
                    assert not re.search(r"(SCAN|Seq Scan on|TEMP B-TREE)", plan), plan


# ── proofs of liabilities ────────────────────────────────────────────────────────────


def test_an_owner_proves_what_is_owed_to_them(database_url):
    """Published once, provable for ever: also after the money has gone, from another process."""
    with a_book(database_url, clock=Clock(), alice="100.00", bob="0.25", carla="0") as book:
        book.submit(ledger.SetLimits(BOB, "known", overdraft="10.00"))
        book.submit(wallets.OpenWallet("bob", "BDT", "partner"))
        book.submit(wallets.Credit("bob/partner/BDT", bdt("7.00")))
        book.submit(wallets.Debit(BOB, bdt("5.25")))
        root = work_.publish(book, "BDT", "finance:sumi", key="p1").result
        # what Bob overdrew in one wallet is not taken from what he has in another
        assert (root.total, root.owners) == ("107.00", 2)
        again = work_.publish(book, "BDT", "finance:sumi", key="p1")
        assert (again.replayed, again.result) == (True, root)
        book.submit(wallets.OpenWallet("alice", "USD"))
        book.submit(wallets.Credit("alice/personal/USD", Money("1.00", "USD")))
        with pytest.raises(KeyReused):
            work_.publish(book, "USD", "finance:sumi", key="p1")
        proof = work_.prove(book, "bob", root.id, owner("bob"))
        assert (proof.balance, proof.hash) == ("7.00", root.hash)
        book.submit(wallets.Debit(ALICE, bdt("100.00")))
        second = work_.publish(book, "BDT", "finance:sumi").result
        work_.TREES.forget()
        assert work_.prove(book, "bob", root.id, owner("bob")) == proof
        assert is_included(msgspec.to_builtins(proof), root.hash)
        assert not is_included(msgspec.to_builtins(proof), second.hash)
        alice = work_.prove(book, "alice", second.id, ADMIN)
        assert (alice.balance, is_included(msgspec.to_builtins(alice), second.hash)) == (
            "0.00",
            True,
        )
        with book.view(owner("bob")) as view:
            assert [one.id for one in solvency.roots(view, currency="BDT").items] == [
                second.id,
                root.id,
            ]
            page = solvency.roots(view, limit=1)
            assert solvency.roots(view, cursor=page.next, limit=1).items == [root]
            assert solvency.root(view, root.id) == root
        for who, whose, name, error in (
            (owner("bob"), "alice", root.id, NotYours),
            (owner("bob"), "bob", "lpr_0", RootNotFound),
            (owner("carla"), "carla", root.id, RootNotFound),
            (ADMIN, "bob", "lpr_\0", RootNotFound),
        ):
            with pytest.raises(error):
                work_.prove(book, whose, name, who)
        with pytest.raises(UnknownCurrency):
            work_.publish(book, "ABC", "x")
        with pytest.raises(Invalid):
            work_.publish(book, "JPY", "x")
        assert discrepancies(book) == []


def test_a_proof_of_altered_rows_is_not_given(database_url):
    """Whoever makes a balance of then smaller cannot prove the published total any more."""
    with a_book(database_url, alice="100.00") as book:
        root = work_.publish(book, "BDT", "x").result
        work_.TREES.forget()
        with book.database.changing() as connection:
            connection.exec_driver_sql("UPDATE postings SET balance_after = -1 WHERE amount < 0")
        with pytest.raises(Invalid):
            work_.prove(book, "alice", root.id, ADMIN)


def test_a_root_that_no_tree_can_have(database_url):
    """What is published was counted."""
    good = PublishRoot("BDT", 1, "l", "0" * 64, "5", 1, "1" * 64, "x")
    with a_book(database_url, alice="1.00") as book:
        for field, value, error in (
            ("currency", "ABC", UnknownCurrency),
            ("as_of", 99, Invalid),
            ("as_of", 0, Invalid),
            ("label", "l" * 301, Invalid),
            ("hash", "0" * 63, Invalid),
            ("hash", "G" * 64, Invalid),
            ("total", "-5", Invalid),
            ("total", "৫", Invalid),
            ("count", 0, Invalid),
            ("secret", "", Invalid),
        ):
            wrong = msgspec.structs.replace(good, **{field: value})
            assert type(refused(book, wrong, actor=WORKER)) is error, field


# ── the schedule ─────────────────────────────────────────────────────────────────────


def test_a_slot_is_done_once(database_url):
    """By whichever of two workers; a slot that was missed once, for the last one that passed."""
    clock = VirtualClock(from_iso("2026-11-21T10:20:00Z"))
    with (
        a_book(database_url, clock=clock, alice="1.00") as one,
        Khata.open(database_url, clock=clock) as two,
    ):
        done = []
        jobs = {
            "solvency": work_.job(Alerts()),
            "reconciliation": lambda _, slot: done.append(slot),
        }
        workers = [Schedule(one, jobs), Schedule(two, jobs)]
        assert [worker.work(9) for worker in workers] == [0, 0]
        clock.reach(from_iso("2026-11-21T11:00:00Z"))
        assert [worker.work(9) for worker in workers] == [1, 0]
        (kept,) = one.query(solvency.checks).items
        assert (kept.slot, kept.asked_by) == ("2026-11-21T11:00:00.000000Z", "schedule")
        # both begin at once: what the second submits is the first one's
        slot = from_iso("2026-11-21T11:00:00Z")
        for book in (one, two):
            jobs["solvency"](book, slot)
        assert len(one.query(solvency.checks).items) == 1
        for book in (one, two):
            reconciling.daily(book, slot)
        assert len(one.query(reconciliation.runs).items) == 1
        clock.reach(from_iso("2026-11-24T00:30:00Z"))
        assert Schedule(two, jobs).work(9) == 2
        assert [kept.slot for kept in two.query(solvency.checks).items] == [
            "2026-11-24T00:00:00.000000Z",
            "2026-11-21T11:00:00.000000Z",
        ]
        assert [to_iso(at) for at in done] == ["2026-11-23T20:00:00.000000Z"]
        assert [worker.work(9) for worker in workers] == [0, 0]
        late = FinishSlot("solvency", 1)
        assert one.submit(late, actor=WORKER).result.slot > 1
        assert isinstance(refused(one, FinishSlot("tea", 1), actor=WORKER), Invalid)
        assert discrepancies(one) == []


def test_a_clock_that_was_ahead_is_put_right(database_url):
    """What was done for a slot years away keeps no job from being done today; each slot is once."""
    clock = VirtualClock(from_iso("2026-11-21T10:20:00Z"))
    with a_book(database_url, clock=clock, alice="1.00") as book:
        done = []
        worker = Schedule(book, {"solvency": lambda _, slot: done.append(to_iso(slot)[:13])})
        for now in ("2026-11-21T11:05", "2031-01-01T05:10", "2026-11-21T11:06", "2026-11-21T12:01"):
            clock.now = from_iso(f"{now}:00Z")
            worker.work(9)
            clock.advance(5)
            worker.work(9)
        assert done == ["2026-11-21T11", "2031-01-01T05", "2026-11-21T11", "2026-11-21T12"]
        late = FinishSlot("solvency", 1, from_iso("2026-11-21T11:00:00Z"))
        assert book.submit(late, actor=WORKER).result.slot == from_iso("2026-11-21T12:00:00Z")


def test_a_breach_is_told_of_although_the_worker_died_before(database_url):
    """What was recorded for a slot and told to nobody is told by whoever does the slot again."""
    with a_book(database_url, alice="1.00") as book:
        post(book, ("expense/theft", "1.00"), ("cash/main", "-1.00"))
        work_.job(Silent())(book, 0)
        alerts = Alerts()
        work_.job(alerts)(book, 0)
        assert [name for name, _ in alerts.heard] == ["solvency_breached"]
        assert len(book.query(solvency.checks).items) == 1


def test_a_job_that_fails_is_tried_again_and_holds_up_no_other(database_url):
    """The failure is raised once the others are done; the slot stays due."""
    clock = VirtualClock(from_iso("2026-11-21T19:00:00Z"))
    with a_book(database_url, clock=clock, alice="1.00") as book:
        tried = []

        def fails(_, slot):
            tried.append(slot)
            if len(tried) == 1:
                raise ZeroDivisionError

        work = Schedule(book, {"reconciliation": fails, "solvency": work_.job(Alerts())}).work
        clock.advance(3600)
        with pytest.raises(ZeroDivisionError):
            work(9)
        assert len(book.query(solvency.checks).items) == 1
        assert [work(9), work(9), len(tried)] == [1, 0, 2]


def test_setting_the_schedule(database_url):
    """Each time and the zone; what is left out stays; the check is switched off by two people."""
    with a_book(database_url) as book:
        usual = book.query(setup.schedules)
        assert (usual.time_zone, usual.reconciliation, usual.solvency) == (
            "Asia/Dhaka",
            "02:00",
            "hourly",
        )
        change = SetSchedule(time_zone="Asia/Kolkata", solvency="06:30")
        assert book.submit(change, actor=ADMIN).result == book.query(setup.schedules)
        book.submit(SetSchedule(reconciliation="off"), actor=ADMIN)
        after = book.query(setup.schedules)
        assert (after.time_zone, after.reconciliation, after.solvency) == (
            "Asia/Kolkata",
            "off",
            "06:30",
        )
        for wrong in ("24:00", "2:00", "daily", "", "02:00\n", "০২:০০", "02:60"):
            assert isinstance(refused(book, SetSchedule(reconciliation=wrong)), Invalid), wrong
        for zone in ("Dhaka", "", "../x"):
            assert isinstance(refused(book, SetSchedule(time_zone=zone)), Invalid)
        off = SetSchedule(solvency="off")
        assert isinstance(refused(book, off, actor=ADMIN), ApprovalRequired)
        assert isinstance(refused(book, off, actor=FINANCE), RoleRequired)
        assert slot_key("solvency", 0) == "schedule/solvency/1970-01-01T00:00:00.000000Z"


# ── whatever happens on a day ────────────────────────────────────────────────────────

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["top_up", "transfer", "payout", "cash_out", "reverse", "sale", "work"]),
        st.integers(1, 5_000),
    ),
    max_size=25,
)


@given(steps=STEPS, stolen=st.integers(1, 10_000))
@examples(4)
def test_a_day_keeps_the_book_solvent_until_something_is_stolen(database_url, steps, stolen):
    """Capital of ten taka; top-ups, transfers, payouts, sales, reversals: after each the equation
    holds and cash covers what is owed by that capital at least. What is stolen beyond it brakes.
    """
    with a_day(database_url) as book:
        last = None
        for what, minor in steps:
            try:
                last = a_step(book, what, to_text(minor, 2), last) or last
            except KhataError as error:
                REFUSALS.index(error.code)
            found = standing(book)
            assert (found.solvent, found.equation) == (True, True)
            assert to_minor(found.net, 2) >= CAPITAL
        left = to_minor(standing(book).net, 2)
        lost = to_text(stolen, 2)
        post(book, ("expense/theft", lost), ("cash/main", f"-{lost}"))
        assert (check(book).result.braked == ["BDT"]) is (stolen > left)
        assert discrepancies(book) == []


REFUSALS = ["insufficient_funds", "below_minimum", "not_reversible"]
CAPITAL = 1000
_days = count(1)


@contextmanager
def a_day(url):
    """A book of its own, with capital, in which Alice can be paid out."""
    name = f"day-{next(_days)}"
    with Khata.open(url, name, migrate=True, clock=VirtualClock(), vault=VAULT) as book:
        book.submit(setup.Set("payouts", POLICY))
        for who in ("alice", "bob"):
            book.submit(wallets.OpenWallet(who, "BDT"))
        book.submit(wallets.Credit(ALICE, bdt("100.00")))
        add(book)
        book.bank = Bank("completed")
        post(book, ("cash/main", to_text(CAPITAL, 2)), ("equity/capital", f"-{CAPITAL // 100}"))
        yield book


def a_step(book, what, amount, last):
    """One thing of a day; the entry that it made, if it can be reversed."""
    if what == "top_up":
        return book.submit(wallets.Credit(BOB, bdt(amount))).result.id
    if what == "transfer":
        return book.submit(wallets.Transfer(ALICE, BOB, bdt(amount))).result.id
    if what == "cash_out":
        book.submit(wallets.Debit(ALICE, bdt(amount), "withdrawal"))
    elif what == "payout":
        pay_out(book, amount)
    elif what == "sale":
        post(book, (BOB, amount), ("revenue/fee", f"-{amount}"))
    elif what == "work":
        work(book)
    elif last is not None:
        book.submit(ledger.Reverse(last, "mistake"))
    return None
