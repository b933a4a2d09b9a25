"""Beside a running system: whatever becomes of our side, its callers hear what it answers."""

import threading
import time
from enum import Enum
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from khata import Khata
from khata.domain import shadow
from khata.domain.shadow import Answer, SwitchFlow
from khata.domain.wallets import Credit, Debit, OpenWallet
from khata.edge.shadowing import Shadowing
from khata.errors import DatabaseUnavailable, InsufficientFunds
from tests.builders import balance, bdt, discrepancies
from tests.conftest import examples
from tests.shadows import FLOW, beside, compared, counts, report

PAY = Debit("alice/personal/BDT", bdt("1.00"))
PAY_IN = Credit("alice/personal/BDT", bdt("5.00"))


class Odd:
    """A thing that cannot be looked at."""

    def __getattr__(self, name):
        raise RuntimeError(name)


class GoneError(Exception):
    """An error with a code of its own."""

    code = "GONE"


class Paid(msgspec.Struct):
    """What the other system answers."""

    state: str
    lines: list


class State(Enum):
    """A state with a name of its own."""

    PAID = "paid"


def a_circle():
    """A list that has itself in it."""
    circle = []
    circle.append(circle)
    return circle


ANSWERS = {
    "plain": {"left": "99.00", "n": 1, "x": 0.5, 7: None},
    "struct": Paid("paid", [1]),
    "text": "پرداخت شد",
    "none": None,
    "odd": Odd(),
    "circle": a_circle(),
    "stream": iter([1, 2]),
    "type": Paid,
}
ERRORS = {"gone": GoneError("no"), "type": TypeError("x"), "refused": InsufficientFunds("no")}


def exits():
    raise SystemExit


def fails():
    raise GoneError


def refuses():
    raise InsufficientFunds("no")


def is_away():
    raise DatabaseUnavailable("no")


class Gate:
    """Something to hang on, let go at the end; whoever hung has ended before the books close."""

    def __init__(self):
        self._open = threading.Event()
        self._those = []

    def __call__(self):
        self._open.wait(30)

    def beside(self, *args, **options):
        """A `Shadowing` that may hang here."""
        self._those.append(Shadowing(*args, **options))
        return self._those[-1]

    def release(self):
        self._open.set()
        for one in self._those:
            one.close(10)


@pytest.fixture
def hanging(two):
    """A gate; the books of `two` are closed only after it."""
    gate = Gate()
    yield gate
    gate.release()


def heard(shadowing, legacy, **options):
    """What a caller gets: (answer, None), or (None, the error)."""
    try:
        return shadowing.run(FLOW, legacy=legacy, **options), None
    except BaseException as error:  # noqa: BLE001 - an exit too
        return None, error


@pytest.fixture
def two(database_url):
    """A book and the one beside it, with the flow in shadow."""
    with beside(database_url) as (book, other):
        yield book, other


@given(
    mode=st.sampled_from(["off", "shadow"]),
    calls=st.lists(
        st.tuples(
            st.sampled_from([*ANSWERS, *(f"!{name}" for name in ERRORS), "!exit"]),
            st.sampled_from(["command", "answers", "odd", "fails", "refuses", "away", "exits",
                             "hangs"]),
            st.sampled_from([None, "reads", "breaks", "hangs"]),
        ),
        max_size=8,
    ),
)  # fmt: skip
@examples(16)
def test_callers_hear_the_other_system_whatever_we_do(two, hanging, mode, calls):
    """The very same object or error, and soon, though ours answers, refuses, fails or hangs."""
    book, other = two
    book.submit(SwitchFlow(FLOW, mode, "try"))
    ours = {"command": PAY, "answers": dict, "odd": Odd, "fails": fails, "refuses": refuses,
            "away": is_away, "exits": exits, "hangs": hanging}  # fmt: skip
    reads = {None: None, "reads": lambda _: Answer(ok=True), "breaks": lambda answer: answer[0][0],
             "hangs": lambda _: hanging()}  # fmt: skip
    beside_it = hanging.beside(book, other, most_waiting=2, patience_seconds=5)
    for what, we, reading_ in calls:
        error = ERRORS.get(what[1:], SystemExit()) if what.startswith("!") else None

        def legacy(error=error, what=what):
            if error is not None:
                raise error
            return ANSWERS[what]

        began = time.monotonic()
        answer, raised = heard(beside_it, legacy, command=ours[we], theirs=reads[reading_])
        assert time.monotonic() - began < 5
        assert (answer is ANSWERS.get(what), raised is error) == (True, True)
    assert list(ANSWERS["stream"].__reduce__()[1][0]) == [1, 2]
    beside_it.close(timeout=0)


def test_what_is_compared_beside_a_call(two):
    """Answers, structs and errors by their codes; a command of ours in the book beside."""
    book, other = two
    fields = {"left": "legs.0.balance_after"}
    book.submit(shadow.DefineFlow(FLOW, late_seconds=0, fields=fields))
    with Shadowing(book, other) as beside_it:
        run = beside_it.run
        assert run(FLOW, legacy=lambda: {"left": "99.0"}, command=PAY, reference="o1") == {
            "left": "99.0"
        }
        run(FLOW, legacy=lambda: {"left": "98.01"}, command=PAY, key="k2")
        run(FLOW, legacy=lambda: Paid("paid", [1]), command=lambda: {"state": "paid"})
        run(FLOW, legacy=lambda: 7, command=lambda: 8, theirs=lambda n: {"n": n},
            ours=lambda n: {"n": n - 1})  # fmt: skip
        for error, ours in ((GoneError("x"), refuses), (InsufficientFunds("x"), refuses)):
            heard(beside_it, lambda error=error: (_ for _ in ()).throw(error), command=ours)
        run(FLOW, legacy=lambda: None, command=is_away)
        run(FLOW, legacy=lambda: None, command=lambda: None, theirs=lambda _: fails())
        changing = {"n": 1}
        run(FLOW, legacy=lambda: changing, command=lambda: {"n": 1})["n"] = 2
        assert beside_it.drain()
        health = beside_it.health()
        assert (health.compared, health.errors, health.dropped, health.waiting) == (8, 1, 0, 0)
    pay = "wallets.debit"
    assert counts(book) == {
        f"{pay} left:one_unit": 1,
        "lines.0:missing": 1,
        "refused:insufficient_funds≠refused:GONE": 1,
        "error:database_unavailable≠ok": 1,
    }
    told = report(book)
    assert (told.total.compared, told.total.matched, told.errors) == (8, 4, 1)
    oldest = book.query(shadow.comparisons, FLOW).items[-1]
    assert (oldest.reference, oldest.outcome, oldest.carried_as) == ("o1", "match", 3)
    assert balance(other) == "98.00"
    assert discrepancies(book) == []


def test_in_primary_khata_answers(two):
    """Its answer, or its refusal; the other system is asked only for what may be done twice."""
    book, other = two
    book.submit(shadow.DefineFlow(FLOW, least=1, late_seconds=0))
    asked = []
    with Shadowing(book, other) as beside_it:
        run = beside_it.run
        run(FLOW, legacy=lambda: 1, command=lambda: 1)
        assert beside_it.drain()
        with Khata.open(book.database.url) as elsewhere:
            elsewhere.submit(SwitchFlow(FLOW, "primary", "go"))
        assert run(FLOW, legacy=lambda: asked.append(1), command=lambda: 2) == 2
        assert run(FLOW, legacy=lambda: asked.append(1), command=lambda: 2, answer=str) == "2"
        wallet = book.submit(OpenWallet("alice", "BDT")).result
        moved = run(FLOW, legacy=fails, command=PAY_IN, key="k", answer=lambda moved: moved.id)
        assert (moved.startswith("ent_"), wallet.owner, balance(book)) == (True, "alice", "5.00")
        assert run(FLOW, legacy=fails, command=PAY_IN, key="k").id == moved
        too_much = Debit("alice/personal/BDT", bdt("9.00"))
        with pytest.raises(InsufficientFunds):
            run(FLOW, legacy=lambda: 1, command=too_much, also_legacy=True)
        run(FLOW, legacy=lambda: 3, command=lambda: 2, also_legacy=True)
        run(FLOW, legacy=fails, command=lambda: 2, also_legacy=True)
        assert beside_it.drain()
        assert asked == []
        with Khata.open(book.database.url) as elsewhere:
            elsewhere.submit(SwitchFlow(FLOW, "shadow", "back"))
        assert run(FLOW, legacy=lambda: 1, command=lambda: 2) == 1
    assert set(counts(book)) == {
        "wallets.debit refused:insufficient_funds≠ok",
        "answer:one_unit",
        "ok≠refused:GONE",
    }


def test_what_finds_no_place_is_dropped_and_told_of(two):
    """At once, loudly, and the book learns how many it were."""
    book, other = two
    told = []

    class Heard:
        def sound(self, name, **details):
            told.append((name, details.get("dropped")))

    gate = threading.Event()
    beside_it = Shadowing(book, other, most_waiting=1, alerts=Heard())
    beside_it.run(FLOW, legacy=lambda: 1, command=lambda: gate.wait(10) and 1)
    while beside_it.health().waiting:
        time.sleep(0.001)
    for _ in range(3):
        assert beside_it.run(FLOW, legacy=lambda: 1, command=lambda: 1) == 1
    assert told == [("shadow_dropped", 1), ("shadow_dropped", 2)]
    gate.set()
    beside_it.close()
    assert (report(book).dropped, beside_it.health().dropped) == (2, 2)


def test_a_first_answer_that_is_slow_changes_no_mode(two, monkeypatch, hanging):
    """What Khata is relied on for, the other system does not do because nobody has asked before."""
    book, other = two
    book.submit(shadow.DefineFlow(FLOW, least=1, late_seconds=0))
    compared(book, 1)
    book.submit(SwitchFlow(FLOW, "primary", "go"))
    beside_it = hanging.beside(book, other, patience_seconds=0.05)
    monkeypatch.setattr(book, "query", lambda *_: hanging())
    assert beside_it.run(FLOW, legacy=fails, command=lambda: 2) == 2


def test_what_is_large_or_late_is_not_passed_over(two):
    """What is not looked into equals nothing; after the end no call waits, drops are counted."""
    book, other = two
    beside_it = Shadowing(book, other)
    large = {f"f{n}": n for n in range(2000)}
    beside_it.run(FLOW, legacy=lambda: large, command=lambda: dict(list(large.items())[:1000]))
    assert beside_it.drain()
    for answer in (Odd(), a_circle(), State.PAID, UUID(int=7)):
        beside_it.run(FLOW, legacy=lambda it=answer: it, command=lambda it=answer: it)
    assert beside_it.drain()
    assert counts(book) == {"f1000:missing f999:value": 1, "answer:value": 2}
    beside_it.close()
    beside_it.run(FLOW, legacy=lambda: 1, command=lambda: 1)
    health = beside_it.health()
    assert (health.waiting, health.dropped, health.blind) == (0, 1, 0)


def test_a_book_that_does_not_answer_holds_nobody_up(two, monkeypatch, hanging):
    """A flow stays as it was last known; one that never was known is off."""
    book, other = two
    beside_it = hanging.beside(book, other, patience_seconds=0.05)
    assert beside_it.run(FLOW, legacy=lambda: 1, command=lambda: 1) == 1
    assert beside_it.run("none", legacy=lambda: 1, command=fails) == 1
    assert beside_it.drain()
    monkeypatch.setattr(book, "query", lambda *_: hanging())
    began = time.monotonic()
    for _ in range(20):
        assert beside_it.run(FLOW, legacy=lambda: 1, command=lambda: 1) == 1
    assert time.monotonic() - began < 1
    assert beside_it.health().blind >= 20
    beside_it.close(timeout=0)
