"""Sagas among workers that die anywhere and people who decide anything, in any order.

Two hands work as lanes do, one command at a time; between any two of them a hand may die, its
lease may end, a person may do whatever a person can. What must hold is looked at after each.
"""

from pathlib import Path

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

from khata import Khata
from khata.base.actor import actor
from khata.base.money import Money
from khata.domain import sagas as verbs
from khata.domain.wallets import Credit, OpenWallet, Transfer, balance
from khata.engine import replay as replaying
from khata.engine.reading import records, select
from khata.engine.sagas import (
    ENDED,
    IMPOSSIBLE,
    NEEDS_A_PERSON,
    NOTHING,
    Approval,
    Call,
    Delay,
    Local,
    Retry,
    Saga,
    SagaRun,
    Wait,
)
from khata.engine.sagas.commands import Conclude, Fail, Halt, Intend, Renew, Step
from khata.engine.sagas.worker import Worker
from khata.errors import Broken, KhataError, LeaseLost, SameAccount
from khata.testing import ScriptedCaller, VirtualClock, finish
from tests.conftest import SOAK
from tests.servers import sqlite_at

PAYER, PAYEE = "payer/personal/BDT", "payee/personal/BDT"
ADMIN, MITU = actor("admin:rafiq"), actor("finance:mitu")
FAULTS = st.lists(
    st.sampled_from(
        ("ok", "ok", "declined", "busy", "timeout_but_done", "timeout_not_done", "silent", "raises")
    ),
    min_size=1,
    max_size=3,
)
SHORT = Retry(attempts=2, first_seconds=5, codes=("*",))


def worth(step):
    """What a step moves, in taka: `l0` and `c0` one, `l1` and `c1` two, …"""
    return 2 ** int(step[1:]) if step[0] in "lc" else 0


def moves(step, *, back=False):
    """A step, or its undo, that does as its run's data says: works, refuses or breaks."""
    ends = (PAYEE, PAYER) if back else (PAYER, PAYEE)
    name = f"undo-{step}" if back else step

    def effect(book, run, answer=None):
        if name in run.data["refuses"]:
            raise SameAccount("No.")
        if name in run.data["breaks"]:
            raise KeyError(name)
        book.perform(Transfer(*ends, Money(f"{worth(step)}.00", "BDT"), reference=run.id))

    return effect


def asks(book, run):
    """What every call asks for."""
    return {"run": run.id}


def local(step, **options):
    return Local(
        name=step,
        do=moves(step),
        **{"undo": moves(step, back=True), "undo_retry": SHORT, **options},
    )


def call(step, undo=None):
    back = Call(
        name=f"back-{step}", to="world", request=asks, done=moves(step, back=True), undo_retry=SHORT
    )
    return Call(
        name=step,
        to="world",
        request=asks,
        done=moves(step),
        undo=undo or back,
        retry=Retry(attempts=3),
        ask=Retry(attempts=3),
        undo_retry=SHORT,
    )


def told(book, run):
    return run.data.get("signals", {}).get("go")


SAGAS = (
    Saga(
        "long",
        1,
        (
            local("l0"),
            call("c1"),
            Wait(name="go", ready=told, timeout_seconds=100),
            local("l2"),
            Approval(name="yes", timeout_seconds=100),
            Delay(name="rest", seconds=5),
            call("c3", undo=moves("c3", back=True)),
            local("l4", undo=NOTHING),
        ),
        timeout_seconds=400,
        priority=1,
    ),
    Saga(
        "final",
        1,
        (local("l0"), call("c1", undo=IMPOSSIBLE), Delay(name="rest", seconds=90), call("c2")),
        timeout_seconds=60,
        most=1,
    ),
    Saga("short", 1, (call("c0"), call("c1"), local("l2"))),
)
STEPS = {saga.name: {step.name: step for step in saga.steps} for saga in SAGAS}
NAMES = (
    "l0",
    "c1",
    "l2",
    "c2",
    "c3",
    "l4",
    "undo-l0",
    "undo-c1",
    "undo-l2",
    "undo-c3",
    "undo-l0",
    "undo-c1",
)
FEW = st.one_of(st.just([]), st.lists(st.sampled_from(NAMES), max_size=3))
NEW = st.one_of(
    st.none(),
    st.tuples(
        st.sampled_from(("long", "final", "short")), FEW, FEW, st.sampled_from((None, "queue"))
    ),
)
ACTS = st.lists(
    st.tuples(
        st.sampled_from(("one", "two")),
        st.sampled_from(("turn", "turn", "claim", "move", "move", "conclude", "renew", "die")),
    ),
    min_size=1,
    max_size=4,
)
VERBS = ("retry", "skip", "resolve", "compensate", "cancel", "pause", "resume", "signal", "yes")
ORDERS = st.one_of(
    st.none(),
    st.tuples(st.integers(0, 4), st.sampled_from(("retry", "signal", "yes")), st.booleans()),
    st.tuples(st.just(0), st.sampled_from(("retry", "skip", "resolve")), st.booleans()),
    st.tuples(st.sampled_from((0, 0, 1, 2, 3)), st.sampled_from(VERBS), st.booleans()),
)
SECONDS = st.sampled_from((0, 1, 6, 31, 120))


class Hand:
    """A lane, taken apart: runs that it may move on, and calls whose outcome it has yet to tell."""

    def __init__(self):
        self.held = {}
        self.called = {}


class Machine(RuleBasedStateMachine):
    """`let_go`: money that a person's word moved, or left, beside the steps."""

    place = None

    @initialize()
    def begin(self):
        self.url, self.name = self.place()
        self.clock, self.world = VirtualClock(), World()
        self.book = Khata.open(self.url, self.name, clock=self.clock, sagas=SAGAS)
        for owner in ("payer", "payee"):
            self.book.submit(OpenWallet(owner, "BDT"))
        self.book.submit(Credit(PAYER, Money("100000.00", "BDT")))
        self.book.submit(Credit(PAYEE, Money("100000.00", "BDT")))
        self.worker = Worker(self.book, {"world": self.world})
        self.hands = {"one": Hand(), "two": Hand()}
        self.runs, self.let_go, self.closed = [], {}, set()
        self.start("long", [], [], "queue")
        self.start("final", [], [], "queue")

    # ── workers ──────────────────────────────────────────────────────────────────────

    @rule(acts=ACTS, faults=FAULTS, order=ORDERS, seconds=SECONDS, new=NEW)
    def an_hour(self, acts, faults, order, seconds, new):
        """Hands do this and that, calls go as the world likes, a person may say something."""
        if new is not None and len(self.runs) < 5:
            self.start(*new)
        for name, what in acts:
            getattr(self, what)(self.hands[name], name, faults)
        if order is not None:
            self.decide(*order)
        self.clock.advance(seconds)
        self.look()

    def claim(self, hand, name, _):
        for progress in self.worker.claim(name, 3):
            hand.held[progress.saga] = progress

    def move(self, hand, _, fault):
        """The hand takes each of its runs a step further."""
        for progress in list(hand.held.values()):
            del hand.held[progress.saga]
            self.one(hand, progress, fault)

    def turn(self, hand, name, fault):
        """A lane's usual way."""
        self.claim(hand, name, fault)
        for _ in range(3):
            self.move(hand, name, fault)
            self.conclude(hand, name, fault)

    def die(self, _, name, __):
        """The hand is gone, with all that it knew; another takes its name."""
        self.hands[name] = Hand()

    def renew(self, hand, name, _):
        self.worker.submit([Renew(name, list(hand.called), 30)])

    def conclude(self, hand, _, __):
        """The calls' outcomes reach the book, if the hand still holds the runs."""
        for progress, outcome in list(hand.called.values()):
            del hand.called[progress.saga]
            command = Conclude(progress.saga, progress.step, progress.fence, outcome)
            self.tell(hand, progress, command)

    def one(self, hand, progress, fault):
        if progress.does == "step":
            self.tell(hand, progress, Step(progress.saga, progress.step, progress.fence))
            return
        command = Intend(progress.saga, progress.step, progress.fence, "main")
        now = self.tell(hand, progress, command)
        if now is not None and now.intent is not None:
            hand.held.pop(now.saga, None)
            self.world.script(now.intent.step, *fault)
            hand.called[now.saga] = (now, self.worker.make(now.intent))
            self.world.forget()

    def tell(self, hand, progress, command):
        """Submit as a lane does, reporting what is refused; where the run is now."""
        stay = self.still()
        fence = next(run.fence for run in self.all() if run.id == progress.saga)
        (answer,) = self.worker.submit([command])
        what = (progress.saga, progress.step, progress.fence)
        if isinstance(answer, LeaseLost):
            return None
        if isinstance(answer, KhataError):
            said = (answer.code, answer.message)
            assert not isinstance(command, Halt), answer
            if isinstance(answer, Broken) or isinstance(command, Conclude | Fail):
                return self.tell(hand, progress, Halt(*what, *said))
            return self.tell(hand, progress, Fail(*what, *said, retryable=False))
        assert fence == progress.fence, "a lost lease has moved it"
        assert stay.items() <= self.still().items(), "a paused run has moved"
        if answer.result.leased:
            hand.held[progress.saga] = answer.result
        return answer.result

    # ── people ───────────────────────────────────────────────────────────────────────

    def start(self, name, refuses, breaks, serial):
        data = {"refuses": refuses, "breaks": breaks}
        command = verbs.StartSaga(name, data, serial=serial)
        self.runs.append(self.book.submit(command).result.id)

    def decide(self, which, verb, mended):
        """A person picks a run, those that need one first, and asks for anything."""
        run = self.run(which)
        data = {"refuses": [], "breaks": []} if mended else {}
        if verb == "skip":
            self.skip(run)
        elif verb == "resolve":
            self.resolve(run, mended)
        else:
            self.ask(
                {
                    "retry": verbs.RetrySaga(run.id, "again", data),
                    "compensate": verbs.CompensateSaga(run.id, "off"),
                    "cancel": verbs.CancelSaga(run.id, "off"),
                    "pause": verbs.PauseSaga(run.id, "look"),
                    "resume": verbs.ResumeSaga(run.id, "fine"),
                    "signal": verbs.SignalSaga(run.id, "go", {"told": True}),
                    "yes": verbs.ApproveSaga(run.id, approved=mended, reason="seen"),
                }[verb]
            )

    def skip(self, run):
        """What is let go on the way back stays where it is."""
        if self.ask(verbs.SkipStep(run.id, "let go")) and run.status == "compensation_stuck":
            self.beside(run, worth(run.step))

    def resolve(self, run, close):
        """A person tells the truth: of a call, what the world knows of it."""
        made = run.intent is not None and run.intent.key in self.world.made
        if close:
            outcome = "closed"
        elif run.intent is None:
            outcome = "done"
        else:
            outcome = "done" if made else "failed"
        if not self.ask(verbs.ResolveSaga(run.id, outcome, "seen", "checked")):
            return
        if close:
            self.closed.add(run.id)
        if outcome == "failed":
            self.world.open.pop(run.intent.key, None)
        backward = run.status == "compensation_stuck"
        step = STEPS[run.name][run.step]
        what = step.undo if backward else step
        if outcome == "done" and not isinstance(what, Call):
            self.beside(run, worth(run.step) if backward else -worth(run.step))

    def beside(self, run, amount):
        self.let_go[run.id] = self.let_go.get(run.id, 0) + amount

    def ask(self, command):
        """Whether the book agreed. It may refuse with a reason, and must not break."""
        try:
            self.book.submit(
                command, actor=MITU if command.__struct_config__.tag.endswith("approve") else ADMIN
            )
        except Broken:
            # a step's own fault, met by whoever runs it
            assert isinstance(command, verbs.ResolveSaga)
            return False
        except KhataError:
            return False
        return True

    # ── what must hold ───────────────────────────────────────────────────────────────

    def look(self):
        self.money_is_where_the_steps_are()
        self.a_status_is_true()
        self.no_call_is_lost()
        self.one_of_a_queue_and_most()

    def all(self):
        with self.book.view() as view:
            return records(view, SagaRun, select(view, SagaRun))

    def run(self, which):
        runs = sorted(self.all(), key=lambda run: (run.status in ENDED, not run.code, run.id))
        return runs[which % len(runs)]

    def still(self):
        """What must not move; to be first in its queue is not to move."""
        runs = [run for run in self.all() if run.paused and run.status != "queued"]
        return {run.id: (run.status, run.step, run.done) for run in runs}

    def money_is_where_the_steps_are(self):
        runs = self.all()
        moved = sum(worth(step) for run in runs for step in run.done)
        beside = sum(self.let_go.values())
        assert self.book.query(balance, PAYEE).balance == f"{100_000 + moved + beside}.00"

    def a_status_is_true(self):
        for run in self.all():
            steps = STEPS[run.name]
            assert len(set(run.done)) == len(run.done)
            if run.status == "completed":
                assert {*run.done, *(run.skipped or ())} == set(steps)
                assert run.cause is None
            if run.status == "compensated":
                assert all(steps[step].undo == NOTHING for step in run.done)
                assert not any(step.startswith("undo:") for step in run.skipped or ())
            if run.status in ENDED:
                assert run.intent is None or run.id in self.closed
                assert run.worker is None
            if run.status in NEEDS_A_PERSON:
                assert run.code
            if run.status == "stuck":
                assert run.cause is None or run.intent is not None, "between the two ways"

    def no_call_is_lost(self):
        """What the world did stands in the book, is undone, or is openly asked about."""
        runs = {run.id: run for run in self.all()}
        keys = {}
        for asked in self.world.asked:
            back = asked.key.endswith(".undo")
            run, step = asked.request["run"], asked.step
            assert keys.setdefault((run, step, back), asked.key) == asked.key
        assert not self.world.blind
        made = {where for where, key in keys.items() if key in self.world.made}
        for name, step, back in made:
            run = runs[name]
            if name in self.closed or (run.intent is not None and run.intent.step == step):
                continue
            if back:
                assert step not in run.done
            elif step not in run.done:
                gone = {line.step for line in self.history(name) if line.what == "undone"}
                assert step in gone or f"undo:{step}" in (run.skipped or ())

    def history(self, name):
        return self.book.query(verbs.saga, name).history

    def one_of_a_queue_and_most(self):
        runs = self.all()
        heads = [run for run in runs if run.open_serial and run.status != "queued"]
        assert len(heads) <= 1
        assert heads or not any(run.status == "queued" for run in runs)
        now = self.clock()
        held = [run for run in runs if run.name == "final" and (run.lease_until or 0) > now]
        assert len(held) <= 1

    def teardown(self):
        """Left in peace, all that is not a person's to decide comes to an end; it replays."""
        if not hasattr(self, "book"):
            return
        try:
            self.calm()
        finally:
            self.book.close()

    def calm(self):
        for run in self.all():
            if run.paused and run.status not in ENDED:
                self.book.submit(verbs.ResumeSaga(run.id, "fine"), actor=ADMIN)
        finish(self.book, {"world": self.world}, self.clock)
        runs = self.all()
        waiting = [run for run in runs if run.status not in ENDED | NEEDS_A_PERSON]
        for run in waiting:
            assert run.status == "queued"
            assert any(other.open_serial and other.status in NEEDS_A_PERSON for other in runs)
        self.look()
        report = self.book.verify()
        assert report.ok, report.discrepancies
        with Khata.open(self.url, f"{self.name}-again", sagas=SAGAS) as copy:
            assert replaying.replay(self.book, copy).hash.hex() == report.head


class World(ScriptedCaller):
    """A world whose next call alone is scripted, and that is asked before it is called again."""

    def __init__(self):
        super().__init__()
        self.open, self.blind = {}, []

    def call(self, intent):
        """What may have been made is never made blindly once more."""
        if self.open.get(intent.key) not in {None, "busy", "absent", "failed"}:
            self.blind.append(intent.key)
        self.open[intent.key] = "called"
        outcome = super().call(intent)
        self.open[intent.key] = outcome.status
        return outcome

    def ask(self, intent):
        outcome = super().ask(intent)
        self.open[intent.key] = outcome.status
        return outcome

    def forget(self):
        """What was scripted and not used."""
        self._scripts.clear()


def test_whatever_happens_nothing_is_lost(tmp_path: Path, seed):
    """Money, calls, queues and statuses stay true, and all that is left alone comes to an end."""
    names = iter(f"b{n}" for n in range(10**9))
    url = sqlite_at(tmp_path / "many.db")
    Khata.open(url, "first").close()
    Machine.place = staticmethod(lambda: (url, next(names)))
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=1000 if SOAK else 22,
            stateful_step_count=50,
            phases=[Phase.generate],
        ),
    )
