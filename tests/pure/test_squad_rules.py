"""How a squad shares an amount: always exactly, whatever the rule."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from khata.domain.squads import Sharing, rules
from khata.domain.squads.model import Part
from khata.domain.squads.rules import Person
from khata.errors import Invalid, KhataError, TooManyDecimals
from khata.errors.market import SquadRefused
from tests.conftest import examples

LINA, KARIM, MITU = Person("lina"), Person("karim", 2), Person("mitu", 1, 3000)
ALL = [LINA, KARIM, MITU]

people = st.lists(
    st.tuples(st.integers(0, 1000), st.none() | st.integers(0, 10**9)), min_size=1, max_size=30
).map(lambda rows: [Person(f"o{at}", *row) for at, row in enumerate(rows)])


@pytest.mark.parametrize(
    ("kind", "rest", "parts"),
    [
        ("equal", None, [3334, 3333, 3333]),
        ("weights", None, [2500, 5000, 2500]),
        ("fixed", None, [3500, 3500, 3000]),
        ("fixed", "karim", [0, 7000, 3000]),
        ("fixed", "mitu", [0, 0, 10_000]),
        ("mixed", None, [2333, 4667, 3000]),
        ("mixed", "lina", [7000, 0, 3000]),
    ],
)
def test_a_hundred_taka_is_shared(kind, rest, parts):
    """By each rule; the odd paisa goes to who lost most, and among those to who joined first."""
    assert rules.parts_of(10_000, kind, rest, ALL) == parts


@pytest.mark.parametrize(
    ("amount", "kind", "rest", "who", "reason"),
    [
        (2999, "fixed", None, ALL, "fixed_above_amount"),
        (2999, "mixed", "lina", ALL, "fixed_above_amount"),
        (3001, "fixed", None, [MITU], "no_rest_taker"),
        (3001, "fixed", "lina", [MITU], "no_rest_taker"),
        (3001, "mixed", None, [MITU, Person("x", 0)], "no_rest_taker"),
        (1, "weights", None, [Person("x", 0)], "no_weights"),
    ],
)
def test_what_cannot_be_shared_is_refused(amount, kind, rest, who, reason):
    """With the reason why."""
    with pytest.raises(SquadRefused) as caught:
        rules.parts_of(amount, kind, rest, who)
    assert caught.value.details["reason"] == reason


def test_fixed_parts_that_are_all_of_it_need_no_rest():
    """Nobody has to take what is not left."""
    assert rules.parts_of(3000, "fixed", None, [MITU]) == [3000]


@given(
    amount=st.integers(1, 10**15),
    kind=st.sampled_from(["equal", "weights", "fixed", "mixed"]),
    rest=st.none() | st.integers(0, 29),
    who=people,
)
def test_parts_always_add_up(amount, kind, rest, who):
    """Nobody pays below zero or below their fixed part, and nothing is lost or made."""
    name = None if rest is None else f"o{rest}"
    try:
        parts = rules.parts_of(amount, kind, name, who)
    except SquadRefused:
        assume(False)
    assert sum(parts) == amount
    assert min(parts) >= 0
    if kind in {"fixed", "mixed"}:
        assert all(part >= (one.fixed or 0) for part, one in zip(parts, who, strict=True))
    if kind == "equal":
        assert max(parts) - min(parts) <= 1
        assert parts == sorted(parts, reverse=True)
    if kind == "weights":
        total = sum(one.weight for one in who)
        for part, one in zip(parts, who, strict=True):
            assert abs(part * total - amount * one.weight) < total


@examples(13)
@given(paid=st.lists(st.integers(0, 10**6), min_size=1, max_size=20), data=st.data())
def test_nobody_gets_back_more_than_they_paid(paid, data):
    """However often and in whatever amounts it comes back, and in the end they have it all."""
    assume(sum(paid))
    parts = [Part(f"o{at}", amount) for at, amount in enumerate(paid)]
    left = sum(paid)
    while left:
        amount = data.draw(st.integers(1, left)) if len(parts) < 8 else left
        backs = rules.backs(parts, amount)
        assert sum(backs.values()) == amount
        parts = [Part(p.owner, p.amount, p.back + backs.get(p.owner, 0)) for p in parts]
        assert all(part.back <= part.amount for part in parts)
        left -= amount
    assert [part.back for part in parts] == paid


def test_a_rule_names_its_people():
    """Who is not named has no weight; where nobody is named, all weigh the same."""
    names = ["lina", "karim"]
    weighed = rules.persons(Sharing("weights", {"karim": 3}), names, 2)
    assert [(one.weight, one.fixed) for one in weighed] == [(0, None), (3, None)]
    fixed = rules.persons(Sharing("fixed", fixed={"lina": "10.50"}), names, 2)
    assert [(one.weight, one.fixed) for one in fixed] == [(1, 1050), (1, None)]


@pytest.mark.parametrize(
    ("sharing", "error"),
    [
        (Sharing("equal", {"lina": 1}), Invalid),
        (Sharing("weights", fixed={"lina": "1.00"}), Invalid),
        (Sharing("equal", rest="lina"), Invalid),
        (Sharing("weights", {"lina": -1}), Invalid),
        (Sharing("weights", {"lina": 1_000_001}), Invalid),
        (Sharing("weights", {"bob": 1}), SquadRefused),
        (Sharing("fixed", rest="bob"), SquadRefused),
        (Sharing("fixed", fixed={"lina": "-1.00"}), KhataError),
        (Sharing("fixed", fixed={"lina": "1.001"}), TooManyDecimals),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(sharing, error):
    """One clear error."""
    with pytest.raises(error):
        rules.persons(sharing, ["lina"], 2)


def test_what_is_missing_is_named():
    """Who owes already lacks all that is wanted of them."""
    wanted = {"lina": 100, "karim": 100, "mitu": 100}
    free = {"lina": 100, "karim": 40, "mitu": -20}
    assert rules.missing(wanted, free) == {"karim": 60, "mitu": 100}
