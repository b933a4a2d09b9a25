"""What a saga promises, told with a clock that we set and a world outside that we script."""

import pytest

from khata import Khata
from khata.base.actor import actor
from khata.base.money import Money
from khata.domain.sagas import (
    ApproveSaga,
    CancelSaga,
    CompensateSaga,
    PauseSaga,
    ResolveSaga,
    ResumeSaga,
    RetrySaga,
    ScheduleSaga,
    SignalSaga,
    SkipStep,
    StartSaga,
    health,
    saga,
    sagas,
    why,
)
from khata.domain.setup import Set
from khata.domain.wallets import Credit, OpenWallet, Transfer, balance
from khata.engine.sagas import (
    IMPOSSIBLE,
    NOTHING,
    ONCE,
    Approval,
    Call,
    Delay,
    Local,
    Retry,
    Saga,
    Wait,
)
from khata.engine.sagas.commands import Step
from khata.engine.sagas.worker import Options, Worker
from khata.errors import (
    ApprovalRequired,
    Forbidden,
    InvalidTransition,
    Irreversible,
    LeaseLost,
    RoleRequired,
    SagaBusy,
    SameApprover,
    UnknownSaga,
)
from khata.testing import ScriptedCaller, VirtualClock, finish

ALICE, SHOP = "alice/personal/BDT", "shop/partner/BDT"
ADMIN, MITU, SUPPORT = actor("admin:rafiq"), actor("finance:mitu"), actor("support:sumi")


def pay(book, run):
    """Alice pays the shop."""
    amount = Money(run.data["amount"], "BDT")
    moved = book.perform(Transfer(ALICE, SHOP, amount, reference=run.reference))
    return {"paid": moved.id}


def pay_back(book, run):
    """The shop pays Alice back."""
    book.perform(Transfer(SHOP, ALICE, Money(run.data["amount"], "BDT"), reference=run.reference))


def the_request(book, run):
    """What the bank is asked."""
    return {"amount": run.data["amount"]}


def told(book, run, answer):
    """What the bank said."""
    return {"charge": answer["id"]}


def checkout(version=1, *, last=pay, undo=pay_back, **options):
    """Charge at the bank, then pay; the bank's charge is undone by a refund."""
    steps = [
        Local(name="pay", do=pay, undo=undo),
        Call(
            name="charge",
            to="bank",
            request=the_request,
            done=told,
            undo=Call(name="refund", to="bank", request=the_request),
        ),
        Local(name="again", do=last, undo=NOTHING),
    ]
    return Saga("checkout", version, steps, **options)


def opened(url, clock, *own):
    """A book in which Alice has 100 taka."""
    book = Khata.open(url, migrate=True, clock=clock, sagas=own)
    for wallet in (ALICE, SHOP):
        owner, kind, unit = wallet.split("/")
        book.submit(OpenWallet(owner, unit, kind), key=f"open-{owner}")
    book.submit(Credit(ALICE, Money("100.00", "BDT")), key="top-up")
    return book


@pytest.fixture
def clock():
    return VirtualClock()


@pytest.fixture
def bank():
    return ScriptedCaller()


def begin(book, name="checkout", amount="10.00", **options):
    """Start a saga; its id."""
    return book.submit(StartSaga(name, {"amount": amount}, **options)).result.id


def state(book, name):
    """The run as it stands."""
    return book.query(saga, name)


def has(book, wallet):
    """What a wallet holds."""
    return book.query(balance, wallet).balance


def whats(book, name):
    """The run's history in short."""
    return [f"{line.what} {line.step}".strip() for line in state(book, name).history]


# ── forward ──────────────────────────────────────────────────────────────────────────


def test_a_saga_goes_its_way_and_tells_it(database_url, clock, bank):
    """Every step has a line, the money its reason, and the book verifies."""
    with opened(database_url, clock, checkout()) as book:
        name = begin(book, reference="M1")
        finish(book, {"bank": bank}, clock)
        assert state(book, name).status == "completed"
        assert whats(book, name) == [
            "started",
            "done pay",
            "intended charge",
            "done charge",
            "done again",
            "completed",
        ]
        assert (has(book, ALICE), has(book, SHOP)) == ("80.00", "20.00")
        paid = next(line for line in state(book, name).history if line.step == "pay")
        assert len(paid.entries) == 1
        because = book.query(why, paid.seq)
        assert (because.saga, because.step, because.started_by) == (
            name,
            "pay",
            "admin+service:system",
        )
        assert [page.id for page in book.query(sagas, reference="M1").items] == [name]
        assert book.verify().ok


def test_what_fails_is_undone_in_reverse(database_url, clock, bank):
    """A refusal at the end undoes the charge and the payment, once each, and says why."""
    with opened(database_url, clock, checkout()) as book:
        name = begin(book, amount="60.00")
        finish(book, {"bank": bank}, clock)
        found = state(book, name)
        assert (found.status, found.cause) == ("compensated", "insufficient_funds")
        assert [word for word in whats(book, name) if word.startswith("undone")] == [
            "undone charge",
            "undone pay",
        ]
        assert (has(book, ALICE), has(book, SHOP)) == ("100.00", "0.00")
        assert sorted(key.rpartition(".")[2] for key in bank.made) == ["charge", "undo"]
        assert book.verify().ok


def test_a_decline_is_final(database_url, clock, bank):
    """The provider's no is not tried again; what came before it is undone."""
    bank.script("charge", "declined")
    with opened(database_url, clock, checkout()) as book:
        name = begin(book)
        finish(book, {"bank": bank}, clock)
        assert (state(book, name).status, state(book, name).cause) == ("compensated", "declined")
        assert (has(book, ALICE), len(bank.asked)) == ("100.00", 1)


@pytest.mark.parametrize("fault", ["timeout_but_done", "timeout_not_done", "raises"])
def test_the_unknown_is_asked_about_and_never_done_twice(database_url, clock, bank, fault):
    """After a timeout the worker asks under the same key; only what was never made is made."""
    bank.script("charge", fault)
    with opened(database_url, clock, checkout()) as book:
        name = begin(book)
        finish(book, {"bank": bank}, clock)
        assert state(book, name).status == "completed"
        assert len({asked.key for asked in bank.asked}) == 1
        assert len(bank.made) == 1
        assert [asked.question for asked in bank.asked][:2] == [False, True]
        assert "unknown charge" in whats(book, name)


def test_a_silent_provider_ends_with_a_person(database_url, clock, bank):
    """It is asked on a schedule, then a person decides with evidence; nothing is guessed."""
    bank.script("charge", *["silent"] * 40)
    with opened(database_url, clock, checkout()) as book:
        name = begin(book)
        finish(book, {"bank": bank}, clock)
        found = state(book, name)
        assert (found.status, found.code) == ("stuck", "unknown_outcome")
        assert 10 < sum(asked.question for asked in bank.asked) < 20
        with pytest.raises(SagaBusy):
            book.submit(SkipStep(name, "no idea"), actor=ADMIN)
        seen = ResolveSaga(name, "done", "bank statement 7", "seen", {"id": "ch_7"})
        book.submit(seen, actor=ADMIN)
        finish(book, {"bank": bank}, clock)
        assert state(book, name).status == "completed"
        assert has(book, SHOP) == "20.00"


def test_a_busy_provider_is_called_again_under_the_same_key(database_url, clock, bank):
    """Busy means not done: with growing pauses it is made anew, and not asked about."""
    bank.script("charge", "busy", "busy", "busy")
    with opened(database_url, clock, checkout()) as book:
        name = begin(book)
        began = clock.now
        finish(book, {"bank": bank}, clock)
        assert state(book, name).status == "completed"
        assert [asked.question for asked in bank.asked] == [False] * 4
        assert len({asked.key for asked in bank.asked}) == 1
        assert 7_000_000 <= clock.now - began <= 8_400_000 + 10


def test_a_worker_without_the_caller_spoils_nothing(database_url, clock, bank):
    """It leaves the call to others, for however long; nothing counts as tried or as failed."""
    with opened(database_url, clock, checkout()) as book:
        name = begin(book)
        finish(book, {}, clock, until_seconds=3600)
        found = state(book, name)
        assert (found.status, found.code, found.attempt) == (
            "running",
            "provider_not_configured",
            0,
        )
        finish(book, {"bank": bank}, clock)
        assert state(book, name).status == "completed"
        assert len(bank.made) == 1


def test_calling_off_a_queued_run_leaves_the_first_in_place(database_url, clock):
    """The one that is under way stays the only one."""
    with opened(database_url, clock, WAITING) as book:
        first, second, third = (begin(book, "waiting", serial="alice") for _ in range(3))
        finish(book, {}, clock, until_seconds=1)
        book.submit(CancelSaga(second, "not needed"), actor=ADMIN)
        finish(book, {}, clock, until_seconds=1)
        assert [state(book, name).status for name in (first, second, third)] == [
            "waiting",
            "compensated",
            "queued",
        ]


def test_a_refusal_may_be_worth_another_try(database_url, clock, bank):
    """A code named in the policy is tried again later; any other one is final."""
    patient = Saga(
        "patient",
        1,
        [Local(name="pay", do=pay, undo=NOTHING, retry=Retry(codes=("insufficient_funds",)))],
    )
    with opened(database_url, clock, patient) as book:
        name = begin(book, "patient", "150.00")
        finish(book, {"bank": bank}, clock, until_seconds=2)
        assert state(book, name).attempt >= 1
        book.submit(Credit(ALICE, Money("50.00", "BDT")))
        finish(book, {"bank": bank}, clock)
        assert state(book, name).status == "completed"


# ── waiting ──────────────────────────────────────────────────────────────────────────


def receipt(book, run):
    """Whether the receipt has come."""
    return run.data.get("signals", {}).get("receipt")


WAITING = Saga(
    "waiting",
    1,
    [
        Local(name="pay", do=pay, undo=pay_back),
        Wait(name="receipt", ready=receipt, timeout_seconds=3600),
        Delay(name="cool_off", seconds=60),
        Local(name="again", do=pay, undo=NOTHING),
    ],
)


def test_it_waits_for_an_event_and_an_hour(database_url, clock, bank):
    """Nothing happens before the event, then nothing before the delay is over."""
    with opened(database_url, clock, WAITING) as book:
        name = begin(book, "waiting")
        finish(book, {}, clock, until_seconds=1)
        assert (state(book, name).status, state(book, name).step) == ("waiting", "receipt")
        book.submit(SignalSaga(name, "receipt", {"number": "7"}))
        finish(book, {}, clock, until_seconds=10)
        assert state(book, name).step == "cool_off"
        finish(book, {}, clock)
        assert state(book, name).status == "completed"
        assert state(book, name).data["number"] == "7"


def test_an_event_that_comes_early_is_not_lost(database_url, clock):
    """The signal before the wait counts when the run gets there."""
    with opened(database_url, clock, WAITING) as book:
        name = begin(book, "waiting")
        book.submit(SignalSaga(name, "receipt", {"number": "7"}))
        finish(book, {}, clock)
        assert state(book, name).status == "completed"


def test_who_waits_too_long_is_undone(database_url, clock):
    """The wait's time runs out, the payment is paid back."""
    with opened(database_url, clock, WAITING) as book:
        name = begin(book, "waiting")
        finish(book, {}, clock)
        assert (state(book, name).status, state(book, name).cause) == ("compensated", "timed_out")
        assert has(book, ALICE) == "100.00"


def test_the_whole_way_has_its_time(database_url, clock):
    """A deadline of the saga undoes it, wherever it waits."""
    slow = Saga("slow", 1, WAITING.steps, timeout_seconds=100)
    with opened(database_url, clock, slow) as book:
        name = begin(book, "slow")
        began = clock.now
        finish(book, {}, clock)
        assert (state(book, name).status, state(book, name).cause) == ("compensated", "timed_out")
        assert clock.now - began < 200_000_000


def test_an_approval_needs_another_person(database_url, clock):
    """Who started it cannot approve, nor can a role that is not asked; a no undoes it."""
    asking = Saga("asking", 1, [Local(name="pay", do=pay, undo=pay_back), Approval(name="yes")])
    with opened(database_url, clock, asking) as book:
        name = book.submit(StartSaga("asking", {"amount": "10.00"}), actor=ADMIN).result.id
        other = book.submit(StartSaga("asking", {"amount": "10.00"}), actor=ADMIN).result.id
        finish(book, {}, clock)
        with pytest.raises(SameApprover):
            book.submit(ApproveSaga(name, approved=True, reason="mine"), actor=ADMIN)
        with pytest.raises(RoleRequired):
            book.submit(ApproveSaga(name, approved=True, reason="nice"), actor=SUPPORT)
        book.submit(ApproveSaga(name, approved=True, reason="fine"), actor=MITU)
        book.submit(ApproveSaga(other, approved=False, reason="no receipt"), actor=MITU)
        finish(book, {}, clock)
        assert state(book, name).status == "completed"
        assert (state(book, other).status, state(book, other).cause) == ("compensated", "rejected")


def test_one_serial_goes_one_after_the_other(database_url, clock):
    """Runs with the same serial are queued and go in the order of their start."""
    with opened(database_url, clock, WAITING) as book:
        first, second, third = (begin(book, "waiting", serial="alice") for _ in range(3))
        finish(book, {}, clock, until_seconds=1)
        assert [state(book, name).status for name in (first, second, third)] == [
            "waiting",
            "queued",
            "queued",
        ]
        book.submit(SignalSaga(first, "receipt", {"number": "1"}))
        finish(book, {}, clock, until_seconds=100)
        assert state(book, first).status == "completed"
        assert [state(book, name).status for name in (second, third)] == ["waiting", "queued"]


def test_no_more_than_most_at_a_time(database_url, clock):
    """A concurrency limit binds over all workers, as long as a lease lasts."""
    narrow = Saga("narrow", 1, WAITING.steps[:1], most=2)
    with opened(database_url, clock, narrow) as book:
        for _ in range(5):
            begin(book, "narrow", "1.00")
        one, two = (Worker(book, {}, options=Options()) for _ in range(2))
        assert len(one.claim("one", 10)) == 2
        assert two.claim("two", 10) == []
        clock.advance(31)
        finish(book, {}, clock)
        assert {view.status for view in book.query(sagas).items} == {"completed"}


def test_the_urgent_go_first(database_url, clock):
    """A claim takes higher priorities before older runs."""
    with opened(database_url, clock, WAITING) as book:
        low, normal, high = (begin(book, "waiting", priority=level) for level in (-1, 0, 1))
        taken = Worker(book, {}).claim("one", 10)
        assert [progress.saga for progress in taken] == [high, normal, low]


def test_a_schedule_starts_it_by_the_clock_of_its_zone(database_url, clock):
    """Two in the morning in Dhaka is eight in the evening in UTC; a worker away fires once."""
    with opened(database_url, clock, Saga("nightly", 1, WAITING.steps[:1])) as book:
        command = ScheduleSaga("night", "0 2 * * *", "nightly", "Asia/Dhaka", {"amount": "1.00"})
        book.submit(command, actor=ADMIN)
        finish(book, {}, clock, until_seconds=2 * 86_400)
        times = [view.started_at[11:16] for view in book.query(sagas).items]
        assert times == ["20:00", "20:00"]
        clock.advance(5 * 86_400)
        before = len(book.query(sagas).items)
        finish(book, {}, clock, until_seconds=1)
        assert len(book.query(sagas).items) == before + 1


# ── hands ────────────────────────────────────────────────────────────────────────────


def test_who_lost_the_lease_can_do_nothing(database_url, clock):
    """The fence of the new holder makes the old one's commands void."""
    with opened(database_url, clock, WAITING) as book:
        name = begin(book, "waiting")
        worker = Worker(book, {})
        (old,) = worker.claim("one", 1)
        assert worker.claim("two", 1) == []
        clock.advance(31)
        (new,) = worker.claim("two", 1)
        late, fine = worker.submit(
            [Step(name, old.step, old.fence), Step(name, new.step, new.fence)]
        )
        assert isinstance(late, LeaseLost)
        assert fine.result.step == "receipt"
        assert has(book, ALICE) == "90.00"


def test_internal_commands_are_for_workers_alone(database_url, clock):
    """No person and no key moves a run past its worker."""
    with opened(database_url, clock, WAITING) as book:
        name = begin(book, "waiting")
        for who in (ADMIN, actor("service:key_0400")):
            with pytest.raises(RoleRequired):
                book.submit(Step(name, "pay", 0), actor=who)


def test_a_definition_that_knows_no_running_step_is_refused(database_url, clock):
    """The start fails with the list of runs; one that adopts them goes on."""
    with opened(database_url, clock, WAITING) as book:
        name = begin(book, "waiting")
        finish(book, {}, clock, until_seconds=1)
    other = Saga("waiting", 2, [Local(name="other", do=pay, undo=NOTHING)])
    with Khata.open(database_url, clock=clock, sagas=[other]) as book:
        with pytest.raises(UnknownSaga) as caught:
            book.worker()
        assert caught.value.details["runs"] == [f"{name} waiting 1 at receipt"]
    grown = Saga("waiting", 2, [*WAITING.steps, Delay(name="more", seconds=1)], adopts=(1,))
    with Khata.open(database_url, clock=clock, sagas=[grown]) as book:
        book.submit(SignalSaga(name, "receipt", {"number": "7"}))
        finish(book, {}, clock)
        assert state(book, name).status == "completed"
        assert state(book, name).done[-1] == "more"


# ── people ───────────────────────────────────────────────────────────────────────────


def broken(book, run):
    """A step with a fault."""
    if not run.data.get("fixed"):
        message = "a fault"
        raise ZeroDivisionError(message)
    return pay(book, run)


def stuck_run(book, clock, bank, **options):
    """A run that is stuck at its last step."""
    name = begin(book, **options)
    finish(book, {"bank": bank}, clock)
    assert state(book, name).status == "stuck"
    return name


def test_a_fault_waits_for_a_person_who_mends_the_input(database_url, clock, bank):
    """Retry with changed input goes on from the failed step; what was done is not done again."""
    with opened(database_url, clock, checkout(last=broken)) as book:
        name = stuck_run(book, clock, bank)
        plan = book.submit(RetrySaga(name, "mended"), actor=SUPPORT, dry_run=True).result.plan
        assert plan == ["again"]
        assert state(book, name).status == "stuck"
        book.submit(RetrySaga(name, "mended", {"fixed": True}), actor=SUPPORT)
        finish(book, {"bank": bank}, clock)
        assert state(book, name).status == "completed"
        assert len(bank.made) == 1
        assert has(book, SHOP) == "20.00"


def test_a_step_may_be_skipped_or_all_undone(database_url, clock, bank):
    """Skipping goes on without the step; compensating takes everything back."""
    with opened(database_url, clock, checkout(last=broken)) as book:
        one, two = stuck_run(book, clock, bank), stuck_run(book, clock, bank)
        with pytest.raises(RoleRequired):
            book.submit(SkipStep(one, "not needed"), actor=SUPPORT)
        book.submit(SkipStep(one, "not needed"), actor=MITU)
        assert book.submit(CompensateSaga(two, "call it off"), actor=MITU).result.plan == [
            "undo:charge",
            "undo:pay",
        ]
        finish(book, {"bank": bank}, clock)
        assert state(book, one).status == "completed"
        assert state(book, two).status == "compensated"
        assert has(book, SHOP) == "10.00"


def test_closing_by_hand_is_no_success(database_url, clock, bank):
    """A run that a person closes is resolved, and says by whom and why."""
    with opened(database_url, clock, checkout(last=broken)) as book:
        name = stuck_run(book, clock, bank)
        book.submit(ResolveSaga(name, "closed", "ticket 9", "settled in cash"), actor=MITU)
        found = state(book, name)
        assert found.status == "resolved"
        line = next(line for line in found.history if line.what == "decided")
        assert (line.actor, line.detail["evidence"]) == ("finance:mitu", "ticket 9")
        with pytest.raises(InvalidTransition):
            book.submit(RetrySaga(name, "again"), actor=ADMIN)


def test_much_money_needs_four_eyes(database_url, clock, bank):
    """Above the limit one person alone cannot let a step go."""
    with opened(database_url, clock, checkout(last=broken)) as book:
        book.submit(Set("four_eyes", {"BDT": "5.00"}), actor=ADMIN)
        name = stuck_run(book, clock, bank, amount="10.00")
        other = book.submit(
            StartSaga("checkout", {"amount": "10.00"}, amount=Money("10.00", "BDT"))
        ).result.id
        finish(book, {"bank": bank}, clock)
        with pytest.raises(ApprovalRequired):
            book.submit(SkipStep(other, "trust me"), actor=MITU)
        book.submit(SkipStep(name, "no money is named"), actor=MITU)


def test_cancelling_waits_for_the_call_under_way(database_url, clock, bank):
    """A call whose outcome is unknown is found out first, then undone with the rest."""
    bank.script("charge", "timeout_but_done")
    with opened(database_url, clock, checkout()) as book:
        name = begin(book)
        finish(book, {"bank": bank}, clock, until_seconds=1)
        assert state(book, name).status == "unknown"
        book.submit(CancelSaga(name, "the customer called"), actor=SUPPORT)
        finish(book, {"bank": bank}, clock)
        assert (state(book, name).status, state(book, name).cause) == ("compensated", "cancelled")
        assert len(bank.made) == 2
        assert has(book, ALICE) == "100.00"


def test_the_irreversible_stands(database_url, clock, bank):
    """Past such a step a failure waits for a person, and nobody can call it off."""
    final = checkout(undo=IMPOSSIBLE)
    with opened(database_url, clock, final) as book:
        name = begin(book, amount="60.00")
        finish(book, {"bank": bank}, clock)
        assert state(book, name).status == "stuck"
        for command in (CancelSaga(name, "stop"), CompensateSaga(name, "stop")):
            with pytest.raises(Irreversible):
                book.submit(command, actor=ADMIN)
        book.submit(Credit(ALICE, Money("50.00", "BDT")))
        book.submit(RetrySaga(name, "topped up"), actor=ADMIN)
        finish(book, {"bank": bank}, clock)
        assert state(book, name).status == "completed"


def test_a_paused_run_is_left_alone(database_url, clock, bank):
    """Nothing moves while it is paused; resumed, it goes on."""
    with opened(database_url, clock, checkout()) as book:
        name = begin(book)
        book.submit(PauseSaga(name, "looking into it"), actor=SUPPORT)
        finish(book, {"bank": bank}, clock)
        assert state(book, name).done == []
        book.submit(ResumeSaga(name, "fine"), actor=SUPPORT)
        finish(book, {"bank": bank}, clock)
        assert state(book, name).status == "completed"


def refusing(book, run):
    """An undo that no one can carry out."""
    raise Forbidden("Never.")


def test_an_undo_that_fails_is_never_called_compensated(database_url, clock, bank):
    """It is tried for long, then stuck; let go by a person, the run is resolved at most."""
    with opened(database_url, clock, checkout(undo=refusing)) as book:
        name = begin(book, amount="60.00")
        finish(book, {"bank": bank}, clock)
        found = state(book, name)
        assert (found.status, found.step, found.code) == ("compensation_stuck", "pay", "forbidden")
        assert book.query(sagas, failed=True).items[0].id == name
        book.submit(SkipStep(name, "written off"), actor=ADMIN)
        assert state(book, name).status == "resolved"


def test_health_counts_what_happened(database_url, clock, bank):
    """Totals, success, reasons and times of the last day add up."""
    with opened(database_url, clock, checkout()) as book:
        for amount in ("10.00", "10.00", "50.00", "55.00"):
            begin(book, amount=amount)
            finish(book, {"bank": bank}, clock)
        day = book.query(health).windows[0]
        assert (day.started, day.completed, day.compensated, day.stuck) == (4, 2, 2, 0)
        assert (day.success_rate, day.mean_compensations) == ("0.5000", "2.00")
        assert [(reason.code, reason.count) for reason in day.reasons] == [
            ("insufficient_funds", 2)
        ]
        assert day.mean_compensation_ms < 5000


def test_a_saga_of_commands_of_its_own_is_not_started_by_hand(database_url, clock):
    """What a room keeps to itself cannot be started with invented data."""
    closed = Saga("closed", 1, WAITING.steps[:1], open_to_all=False)
    with opened(database_url, clock, closed) as book, pytest.raises(Forbidden):
        begin(book, "closed")


def test_retry_pauses_grow_to_their_cap():
    """One, two, four seconds, with a little jitter, never beyond the cap, then no more."""
    policy = Retry(attempts=6, cap_seconds=6)
    pauses = [policy.pause(n, "salt") for n in range(1, 7)]
    for least, pause in zip((1, 2, 4, 6, 6), pauses, strict=False):
        assert least * 10**6 <= pause <= least * 1.2 * 10**6
    assert pauses[-1] is None
    assert ONCE.pause(1, "salt") is None
