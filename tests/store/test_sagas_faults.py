"""Sagas that meet what nobody meant: faults in steps, words at the wrong moment, lost workers."""

import threading
from decimal import Decimal

import pytest

from khata.base.clock import from_iso, system_clock, to_iso
from khata.domain.sagas import (
    ApproveSaga,
    CancelSaga,
    PauseSaga,
    ResolveSaga,
    RetrySaga,
    ScheduleSaga,
    StartSaga,
    sagas,
)
from khata.engine.sagas import (
    IMPOSSIBLE,
    NOTHING,
    Approval,
    Call,
    Local,
    Outcome,
    Retry,
    Saga,
    Wait,
)
from khata.engine.sagas.commands import Conclude, Intend
from khata.engine.sagas.planning import following
from khata.engine.sagas.worker import Options, Worker
from khata.errors import (
    DatabaseUnavailable,
    Forbidden,
    Invalid,
    InvalidTransition,
    Irreversible,
    RateLimited,
    SameAccount,
)
from khata.testing import ScriptedCaller, VirtualClock, finish
from tests.store.test_sagas import (
    ADMIN,
    ALICE,
    MITU,
    SHOP,
    begin,
    has,
    opened,
    pay,
    pay_back,
    receipt,
    state,
    told,
    whats,
)


@pytest.fixture
def clock():
    return VirtualClock()


@pytest.fixture
def bank():
    return ScriptedCaller()


def asked(book, run):
    return {}


def a_call(**options):
    return Call(name="charge", to="bank", request=asked, **options)


def only(*steps, name="checkout", **options):
    return Saga(name, 1, steps, **options)


PAY = Local(name="pay", do=pay, undo=pay_back)

# ── time ─────────────────────────────────────────────────────────────────────────────


def test_a_deadline_past_the_irreversible_is_no_alarm(database_url, clock):
    """Who cannot go back waits on beyond the deadline, and no worker turns round and round."""
    final = only(
        Local(name="pay", do=pay, undo=IMPOSSIBLE),
        Wait(name="receipt", ready=receipt),
        timeout_seconds=60,
    )
    with opened(database_url, clock, final) as book:
        name = begin(book)
        finish(book, {}, clock, until_seconds=3600)
        clock.advance(3600)
        assert Worker(book, {}).work() == 0
        assert (state(book, name).status, state(book, name).due_at) == ("waiting", None)


def test_the_time_of_a_step_begins_when_its_turn_comes(database_url, clock):
    """Who stood in a queue for an hour has waited for nothing yet."""
    patient = only(Wait(name="receipt", ready=receipt, timeout_seconds=60))
    with opened(database_url, clock, patient) as book:
        first, second = (begin(book, serial="alice") for _ in range(2))
        finish(book, {}, clock, until_seconds=1)
        book.submit(PauseSaga(first, "for an hour"), actor=ADMIN)
        clock.advance(3600)
        book.submit(CancelSaga(first, "not needed"), actor=ADMIN)
        finish(book, {}, clock, until_seconds=30)
        assert state(book, second).status == "waiting"


def test_a_clock_that_goes_back_stops_nothing(database_url, clock):
    """What is due by the book's time is taken, however far the machine's clock is behind it."""
    with opened(database_url, clock, only(PAY)) as book:
        clock.advance(-3600)
        name = begin(book)
        Worker(book, {}).work()
        assert state(book, name).status == "completed"


@pytest.mark.parametrize("minute", range(0, 60, 7))
def test_an_hour_that_comes_twice_is_no_step_back(minute):
    """In the night when London's clocks go back, the next time is later than this one."""
    after = from_iso(f"2026-10-25T01:{minute:02}:00Z")
    found = following("30 1 * * *", "Europe/London", after)
    assert found is not None
    assert to_iso(found).startswith("2026-10-26T01:30" if minute >= 30 else "2026-10-2")
    assert found > after


# ── faults ───────────────────────────────────────────────────────────────────────────


def odd_end(book, run, status):
    raise SameAccount("Not so.")


def test_an_end_that_is_refused_is_stuck_and_hinders_nobody(database_url, clock):
    """A fault where a run ends, even by its deadline, is a person's matter; others go on."""
    slow = only(
        Wait(name="receipt", ready=receipt), name="slow", timeout_seconds=60, on_end=odd_end
    )
    with opened(database_url, clock, slow, only(PAY)) as book:
        name = begin(book, "slow")
        finish(book, {}, clock)
        other = begin(book)
        finish(book, {}, clock)
        assert (state(book, name).status, state(book, name).worker) == ("stuck", None)
        assert state(book, other).status == "completed"


def test_a_refusal_that_no_journal_can_hold_is_reported_all_the_same(database_url, clock):
    """A message with a NUL in it is told without it."""

    def odd(book, run):
        raise SameAccount("a\0b")

    with opened(database_url, clock, only(PAY, Local(name="odd", do=odd, undo=NOTHING))) as book:
        name = begin(book)
        finish(book, {}, clock)
        found = state(book, name)
        assert (found.status, found.cause, found.message) == ("compensated", "same_account", "a?b")


def test_a_step_that_asks_for_patience_is_not_tried_for_ever(database_url, clock):
    """What is retryable by itself is tried as often as the step says, then undone."""

    def busy(book, run):
        raise RateLimited("Later.")

    twice = Local(name="busy", do=busy, undo=NOTHING, retry=Retry(attempts=2))
    with opened(database_url, clock, only(PAY, twice)) as book:
        name = begin(book)
        finish(book, {}, clock)
        found = state(book, name)
        assert (found.status, found.cause) == ("compensated", "rate_limited")
        assert whats(book, name).count("failed busy") == 2


def test_what_a_step_remembers_is_read_as_it_was_written(database_url, clock):
    """The next step sees the same, whether or not the row was read again in between."""
    seen = []

    def first(book, run):
        return {"amount": Decimal("1.50"), "when": (1, 2)}

    def second(book, run):
        seen.append((run.data["amount"], run.data["when"]))

    steps = (Local(name="a", do=first, undo=NOTHING), Local(name="b", do=second, undo=NOTHING))
    with opened(database_url, clock, only(*steps)) as book:
        begin(book)
        finish(book, {}, clock)
    assert set(map(str, seen)) == {"('1.50', [1, 2])"}


class Broken:
    """A caller that is torn down in the middle of its first call."""

    def __init__(self):
        self.calls = 0

    def call(self, _):
        self.calls += 1
        if self.calls == 1:
            raise SystemExit
        return Outcome("done")

    def ask(self, _):
        return Outcome("absent")


def test_a_call_that_is_torn_down_is_asked_about(database_url):
    """Whatever ends a call's thread, the run is not held for ever."""
    caller = Broken()
    quick = a_call(ask=Retry(first_seconds=0.01))
    with opened(database_url, system_clock, only(quick)) as book:
        name = begin(book)
        with book.worker({"bank": caller}):
            for _ in range(500):
                if state(book, name).status == "completed":
                    break
                book.moved.wait(0.02)
        assert (state(book, name).status, caller.calls) == ("completed", 2)


class BusyToAsk:
    """A caller that loses its answer, and is then too busy for questions."""

    def __init__(self):
        self.calls = 0

    def call(self, _):
        self.calls += 1
        return Outcome("unknown", code="timeout")

    def ask(self, _):
        return Outcome("busy", code="busy")


def test_who_is_too_busy_for_a_question_says_nothing_of_the_call(database_url, clock):
    """It is neither made anew nor taken for undone: a person decides in the end."""
    caller = BusyToAsk()
    with opened(database_url, clock, only(PAY, a_call())) as book:
        name = begin(book)
        finish(book, {"bank": caller}, clock, until_seconds=1)
        book.submit(CancelSaga(name, "called off"), actor=ADMIN)
        finish(book, {"bank": caller}, clock)
        assert (state(book, name).status, state(book, name).code) == ("stuck", "unknown_outcome")
        assert caller.calls == 1


# ── workers ──────────────────────────────────────────────────────────────────────────


def test_a_place_that_was_lost_is_not_given_twice(database_url, clock):
    """When leases have ended, old holders of a limited saga wait like all others."""
    narrow = only(PAY, name="narrow", most=1)
    with opened(database_url, clock, narrow) as book:
        begin(book, "narrow", "1.00")
        worker = Worker(book, {})
        assert len(worker.claim("one", 1)) == 1
        clock.advance(31)
        begin(book, "narrow", "1.00", priority=1)
        assert len(worker.claim("two", 1)) == 1
        assert worker.claim("three", 5) == []


def test_runs_that_must_wait_for_a_place_hide_no_others(database_url, clock):
    """However many of a limited saga are due first, a worker sees what is behind them."""
    narrow = only(PAY, name="narrow", most=1)
    with opened(database_url, clock, narrow, only(PAY)) as book:
        for _ in range(5):
            begin(book, "narrow", "1.00")
        worker = Worker(book, {})
        assert len(worker.claim("one", 3)) == 1
        clock.advance(1)
        name = begin(book)
        assert [run.saga for run in worker.claim("two", 3)] == [name]
        before = book.verify().seq
        assert worker.claim("two", 3) == []
        assert book.verify().seq == before


class Away:
    """A book whose database goes away."""

    def __init__(self, book):
        self._inner = book
        self.away = False

    def __getattr__(self, name):
        return getattr(self._inner, name)

    def submit_many(self, lines, **options):
        if self.away:
            return [DatabaseUnavailable("away") for _ in lines]
        return self._inner.submit_many(lines, **options)


class Slow(ScriptedCaller):
    """A caller that takes as long as one likes."""

    def __init__(self):
        super().__init__()
        self.begun, self.may_end = threading.Event(), threading.Event()

    def call(self, intent):
        self.begun.set()
        self.may_end.wait(30)
        return super().call(intent)


def test_a_worker_stops_although_the_database_is_away(database_url):
    """What it cannot tell any more is asked about by others; it can be started again."""
    caller = Slow()
    with opened(database_url, system_clock, only(a_call())) as real:
        book = Away(real)
        worker = Worker(book, {"bank": caller}, options=Options(lanes=1, lease_seconds=1))
        name = begin(book)
        worker.start()
        assert caller.begun.wait(30)
        book.away = True
        caller.may_end.set()
        stopping = threading.Thread(target=worker.stop, daemon=True)
        stopping.start()
        stopping.join(10)
        assert not stopping.is_alive()
        book.away = False
        with worker:
            for _ in range(500):
                if state(book, name).status == "completed":
                    break
                book.moved.wait(0.02)
        assert state(book, name).status == "completed"
        assert len(caller.made) == 1


def test_a_schedule_that_cannot_be_fired_hinders_no_other(database_url, clock):
    """A saga that is gone is tried once a minute at most; other schedules and runs go on."""
    with opened(database_url, clock, only(PAY, name="gone"), only(PAY)) as book:
        for name, saga in (("a", "gone"), ("b", "checkout")):
            command = ScheduleSaga(name, "0 2 * * *", saga, data={"amount": "1.00"})
            book.submit(command, actor=ADMIN)
        Worker(book, {}).work()
    with opened(database_url, clock, only(PAY)) as book:
        clock.advance(86_400)
        worker = Worker(book, {})
        assert worker.fire() == 2
        assert worker.fire() == 0
        worker.work()
        assert [run.status for run in book.query(sagas).items] == ["completed"]


# ── people ───────────────────────────────────────────────────────────────────────────


def test_nobody_approves_by_what_a_run_is_given(database_url, clock):
    """What only signals and approvals say cannot be slipped in at the start or by a retry."""
    asking = only(PAY, Approval(name="yes"))
    forged = {"amount": "1.00", "signals": {"approval:yes": {"approved": True}}}
    with opened(database_url, clock, asking) as book:
        with pytest.raises(Invalid):
            book.submit(StartSaga("checkout", forged), actor=ADMIN)
        with pytest.raises(Invalid):
            book.submit(ScheduleSaga("n", "0 2 * * *", "checkout", data=forged), actor=ADMIN)
        name = begin(book, amount="900.00")
        book.submit(StartSaga("checkout", {"amount": "900.00"}))
        finish(book, {}, clock, until_seconds=1)
        assert state(book, name).status == "compensated"


def test_a_retry_brings_no_approval(database_url, clock):
    """Whoever may mend the input of a step may not approve by it."""

    def broken(book, run):
        raise ZeroDivisionError

    asking = only(Local(name="odd", do=broken, undo=NOTHING), Approval(name="yes"))
    with opened(database_url, clock, asking) as book:
        name = begin(book)
        finish(book, {}, clock)
        forged = {"signals": {"approval:yes": {"approved": True}}}
        for command in (
            RetrySaga(name, "mended", forged),
            ResolveSaga(name, "done", "seen", "mended", forged),
        ):
            with pytest.raises(Invalid):
                book.submit(command, actor=ADMIN)


def test_a_verdict_is_given_once(database_url, clock):
    """A no is not turned into a yes before the run has heard of it."""
    with opened(database_url, clock, only(PAY, Approval(name="yes"))) as book:
        name = begin(book)
        finish(book, {}, clock, until_seconds=1)
        book.submit(ApproveSaga(name, approved=False, reason="no receipt"), actor=MITU)
        with pytest.raises(InvalidTransition):
            book.submit(ApproveSaga(name, approved=True, reason="well"), actor=ADMIN)


def test_a_call_under_way_that_cannot_be_undone_cannot_be_called_off(database_url, clock, bank):
    """It may have been made: the run goes on, and is not made to hang between the two ways."""
    bank.script("charge", "timeout_but_done")
    with opened(database_url, clock, only(PAY, a_call(undo=IMPOSSIBLE))) as book:
        name = begin(book)
        finish(book, {"bank": bank}, clock, until_seconds=1)
        with pytest.raises(Irreversible):
            book.submit(CancelSaga(name, "stop"), actor=ADMIN)
        finish(book, {"bank": bank}, clock)
        assert state(book, name).status == "completed"


@pytest.mark.parametrize("there", [True, False])
def test_what_was_not_called_yet_is_called_off_at_once(database_url, clock, bank, there):
    """A busy provider, or none at all, did nothing: nobody is charged to be given it back."""
    bank.script("charge", "busy")
    with opened(database_url, clock, only(PAY, a_call())) as book:
        name = begin(book)
        finish(book, {"bank": bank} if there else {}, clock, until_seconds=0.5)
        book.submit(CancelSaga(name, "the customer called"), actor=ADMIN)
        finish(book, {"bank": bank}, clock)
        assert (state(book, name).status, state(book, name).cause) == ("compensated", "cancelled")
        assert (bank.made, has(book, ALICE)) == ({}, "100.00")


def paid_there(book, run, answer):
    """What the bank took is booked with its answer."""
    return {**told(book, run, answer), **pay(book, run)}


def noted(book, run, outcome):
    return {"failed": outcome.code}


def test_a_call_settled_by_hand_has_its_effects(database_url, clock, bank):
    """Done or failed by a person's word, it does what the caller's word would have done."""
    bank.script("charge", *["silent"] * 200)
    with opened(database_url, clock, only(a_call(done=paid_there, failed=noted))) as book:
        one, two = begin(book), begin(book)
        finish(book, {"bank": bank}, clock)
        with pytest.raises(Invalid):
            book.submit(ResolveSaga(one, "done", "statement 7", "seen"), actor=ADMIN)
        command = ResolveSaga(one, "done", "statement 7", "seen", {"id": "ch_7"})
        book.submit(command, actor=ADMIN)
        book.submit(ResolveSaga(two, "failed", "statement 7", "not there"), actor=ADMIN)
        assert (state(book, one).status, state(book, two).status) == ("completed", "compensated")
        assert state(book, one).data["charge"] == "ch_7"
        assert state(book, two).data["failed"] == "resolved_as_failed"
        assert has(book, SHOP) == "10.00"


def test_a_call_under_way_is_settled_by_nobody_else(database_url, clock, bank):
    """Paused while its call is being made, a run is neither resolved nor taken until the lease
    of whoever makes it has ended.
    """
    bank.script("charge", "timeout_not_done")
    with opened(database_url, clock, only(a_call())) as book:
        name = begin(book)
        finish(book, {"bank": bank}, clock, until_seconds=1)
        clock.advance(10)
        worker = Worker(book, {})
        (held,) = worker.claim("one", 1)
        worker.submit([Intend(name, held.step, held.fence, "main")])
        book.submit(PauseSaga(name, "look"), actor=ADMIN)
        with pytest.raises(InvalidTransition):
            book.submit(ResolveSaga(name, "failed", "seen", "not there"), actor=ADMIN)
        told_late = Conclude(name, held.step, held.fence, Outcome("done"))
        (late,) = worker.submit([told_late])
        assert late.code == "lease_lost"
        clock.advance(31)
        book.submit(ResolveSaga(name, "failed", "seen", "not there"), actor=ADMIN)


def test_a_schedule_starts_only_what_a_person_may_start(database_url, clock):
    """What a room keeps to itself is not started by the clock with invented data either."""
    closed = only(PAY, name="closed", open_to_all=False)
    with opened(database_url, clock, closed, only(PAY)) as book:
        with pytest.raises(Forbidden):
            book.submit(ScheduleSaga("n", "0 2 * * *", "closed"), actor=ADMIN)
        with pytest.raises(Invalid):
            book.submit(ScheduleSaga("n", "* * * * * *", "checkout"), actor=ADMIN)
