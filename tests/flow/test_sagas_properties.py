"""Sagas of any shape, failing anywhere, dying anywhere: all of their effects, or none."""

import dataclasses
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from khata import Khata
from khata.base.money import Money
from khata.domain.sagas import StartSaga, saga
from khata.domain.wallets import Credit, OpenWallet, Transfer, balance
from khata.engine import replay as replaying
from khata.engine.sagas import Call, Delay, Local, Saga
from khata.errors import SameAccount
from khata.testing import ScriptedCaller, VirtualClock, finish
from tests.conftest import examples
from tests.servers import sqlite_at

PAYER, PAYEE = "payer/personal/BDT", "payee/personal/BDT"
FAULTS = ("ok", "ok", "timeout_but_done", "timeout_not_done", "busy", "raises", "declined")


@dataclasses.dataclass(frozen=True)
class Shape:
    """One step of a random saga: what it is, what happens to it, and what to its undo."""

    sort: str
    fault: str
    undo_faults: int

    @property
    def fails(self):
        """Whether the way forward ends here."""
        return self.fault in {"refused", "declined"}


LOCAL = st.builds(
    Shape, st.just("local"), st.sampled_from(("ok", "ok", "ok", "refused")), st.integers(0, 3)
)
CALL = st.builds(Shape, st.just("call"), st.sampled_from(FAULTS), st.integers(0, 3))
PAUSE = st.just(Shape("delay", "ok", 0))
SHAPES = st.lists(st.one_of(LOCAL, CALL, PAUSE), min_size=1, max_size=6)


def move(amount, *, back=False):
    """An effect that moves `amount` taka, told apart from all others by its size."""
    ends = (PAYEE, PAYER) if back else (PAYER, PAYEE)

    def effect(book, run):
        book.perform(Transfer(*ends, Money(f"{amount}.00", "BDT"), reference=run.id))

    return effect


def a_saga(shapes):
    """A saga of these steps: step `n` moves, or asks for, `2**n` taka."""
    steps = []
    for n, shape in enumerate(shapes):
        name = f"s{n}"
        if shape.sort == "delay":
            steps.append(Delay(name=name, seconds=5))
        elif shape.sort == "call":
            undo = Call(name=f"undo{n}", to="world", request=lambda book, run: {})
            steps.append(Call(name=name, to="world", request=lambda book, run: {}, undo=undo))
        else:
            do = move(2**n) if shape.fault == "ok" else refuse
            undo = failing(n, shape.undo_faults)
            steps.append(Local(name=name, do=do, undo=undo))
    return Saga("shape", 1, steps)


def refuse(book, run):
    """The rules say no."""
    raise SameAccount("No.")


def failing(n, times):
    """An undo that is refused until its run has seen so many failures."""

    def undo(book, run):
        tried = book.now - run.step_at
        if tried < times * 1_000_000:
            raise SameAccount("Not yet.")
        return move(2**n, back=True)(book, run)

    return undo


def a_world(shapes):
    """The world outside, with its faults in order."""
    world = ScriptedCaller()
    for n, shape in enumerate(shapes):
        if shape.sort == "call" and shape.fault != "ok":
            world.script(f"s{n}", shape.fault)
    return world


def expected(shapes):
    """Whether all goes well, and which calls then stand."""
    fine = not any(shape.fails for shape in shapes)
    moved = sum(2**n for n, s in enumerate(shapes) if s.sort == "local") if fine else 0
    return fine, moved


def play(url, name, shapes, **crash):
    """One run to its end; the number of commits, and everything that one can see of it."""
    clock, world = VirtualClock(), a_world(shapes)
    with Khata.open(url, name, migrate=True, clock=clock, sagas=[a_saga(shapes)]) as book:
        for owner in ("payer", "payee"):
            book.submit(OpenWallet(owner, "BDT"), key=owner)
        book.submit(Credit(PAYER, Money("100.00", "BDT")), key="credit")
        run = book.submit(StartSaga("shape", {}), key="start").result.id
        commits = finish(book, {"world": world}, clock, **crash)
        view = book.query(saga, run)
        history = [(line.what, line.step) for line in view.history if line.what != "unknown"]
        seen = (
            view.status,
            book.query(balance, PAYEE).balance,
            sorted(key.split(".", 3)[3] for key in world.made),
            history,
        )
        report = book.verify()
        assert report.ok, report.discrepancies
    return commits, seen, world


@pytest.fixture(scope="module")
def books(tmp_path_factory):
    """One SQLite file for many books: each run has a book of its own."""
    names = iter(f"b{n}" for n in range(10**9))
    url = sqlite_at(Path(tmp_path_factory.mktemp("sagas")) / "many.db")
    return lambda: (url, next(names))


@examples(80)
@given(SHAPES)
def test_all_effects_or_none(books, shapes):
    """Completed: every movement and call once. Compensated: every one that was made is undone."""
    _, (status, payee, made, history), world = play(*books(), shapes)
    fine, moved = expected(shapes)
    assert status == ("completed" if fine else "compensated")
    assert payee == f"{moved}.00"
    calls = [f"s{n}" for n, shape in enumerate(shapes) if shape.sort == "call"]
    if fine:
        assert made == sorted(calls)
    else:
        # whatever was made was unmade, and nothing else was
        assert sorted(f"{name}.undo" for name in made if "undo" not in name) == [
            name for name in made if "undo" in name
        ]
        undone = [step for what, step in history if what == "undone"]
        done = [step for what, step in history if what == "done"]
        undoable = [step for step in done if shapes[int(step[1:])].sort != "delay"]
        assert undone == list(reversed(undoable))
    assert_one_key_each(world)


@examples(26)
@given(SHAPES, st.integers(0, 10**6), st.booleans())
def test_dying_anywhere_changes_nothing(books, shapes, where, after):
    """A worker that dies before or after any commit leaves the end and the history the same."""
    commits, whole, _ = play(*books(), shapes)
    _, seen, world = play(*books(), shapes, crash_at=where % commits, after=after)
    assert seen[:3] == whole[:3]
    assert without_retries(seen[3]) == without_retries(whole[3])
    assert_one_key_each(world)


def assert_one_key_each(world):
    """Never two keys for one intent: a step has one, and its undo another."""
    keys = {asked.key for asked in world.asked}
    intents = {(asked.step, asked.key.endswith(".undo")) for asked in world.asked}
    assert len(keys) == len(intents)


def without_retries(history):
    """What stands: a step that was tried again is told once."""
    return [line for line in history if line[0] not in {"failed", "waiting"}]


def test_every_commit_of_a_way_back(database_url, seed):
    """On both databases: the worker dies at each commit of a run that fails at its end."""
    shapes = [
        Shape("local", "ok", 1),
        Shape("call", "timeout_but_done", 0),
        Shape("delay", "ok", 0),
        Shape("local", "ok", 0),
        Shape("call", "declined", 0),
    ]
    commits, whole, _ = play(database_url, "whole", shapes)
    assert whole[0] == "compensated"
    for at in range(commits):
        for after in (False, True):
            _, seen, _ = play(database_url, f"at-{at}-{after}", shapes, crash_at=at, after=after)
            assert seen[:3] == whole[:3]
            assert without_retries(seen[3]) == without_retries(whole[3])


def test_many_runs_and_workers_at_once(database_url, seed):
    """Runs of every outcome side by side, on lanes of two workers: each ends as it would alone."""
    draw = random.Random(seed)
    shapes = [
        [Shape("local", "ok", 0)] * 3,
        [Shape("local", "ok", 0), Shape("call", "ok", 0), Shape("local", "refused", 0)],
        [Shape("call", "declined", 0)],
    ]
    own = [dataclasses.replace(a_saga(each), name=f"k{n}") for n, each in enumerate(shapes)]
    world = ScriptedCaller()
    world.script("s0", *["declined"] * 1000)
    with Khata.open(database_url, migrate=True, sagas=own) as book:
        for owner in ("payer", "payee"):
            book.submit(OpenWallet(owner, "BDT"))
        book.submit(Credit(PAYER, Money("1000.00", "BDT")))
        kinds = [draw.randrange(3) for _ in range(60)]
        runs = book.submit_many([StartSaga(f"k{kind}", {}) for kind in kinds])
        ends = {0: "completed", 1: "compensated", 2: "compensated"}
        with book.worker({"world": world}), book.worker({"world": world}):
            wait_for_end(book, [run.result.id for run in runs])
        for kind, run in zip(kinds, runs, strict=True):
            assert book.query(saga, run.result.id).status == ends[kind]
        assert book.query(balance, PAYEE).balance == f"{7 * kinds.count(0)}.00"
        assert book.verify().ok


def wait_for_end(book, runs):
    """Follow the journal until all have ended."""
    left = set(runs)
    while left:
        left = {run for run in left if book.query(saga, run).ended_at is None}
        book.moved.wait(0.05)


def test_a_journal_of_sagas_replays(database_url, tmp_path):
    """Run again into an empty book, it reaches the same head hash."""
    shapes = [Shape("local", "ok", 2), Shape("call", "timeout_but_done", 0)]
    shapes.append(Shape("local", "refused", 0))
    play(database_url, "main", shapes)
    own = [a_saga(shapes)]
    copy_url = sqlite_at(tmp_path / "copy.db")
    with (
        Khata.open(database_url, "main", sagas=own) as book,
        Khata.open(copy_url, "main", sagas=own) as copy,
    ):
        assert replaying.replay(book, copy).hash.hex() == book.verify().head
