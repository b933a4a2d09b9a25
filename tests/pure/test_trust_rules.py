"""The trust score and the worth of events, as functions of values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from khata.domain.trust import RULES, Worth
from khata.domain.trust.rules import START, WHOLE, check_rules, rules_in, score_of
from khata.errors import Invalid

WEIGHTS = st.integers(0, 10**9)


@pytest.mark.parametrize(
    ("good", "bad", "score"),
    [
        (0, 0, 500),
        (1, 0, 545),
        (0, 1, 454),
        (5, 5, 500),
        (90, 0, 950),
        (0, 90, 50),
        (10**9, 0, 999),
    ],
)
def test_the_score_is_a_mean_with_a_prior(good, bad, score):
    """Five good and five bad deeds in advance; thousandths, rounded down."""
    assert score_of(good, bad) == score


def test_a_newcomer_starts_in_the_middle():
    """The start is the formula's, not another number."""
    assert score_of(0, 0) == START


@given(WEIGHTS, WEIGHTS, st.integers(1, 1000))
def test_good_deeds_never_lower_it_and_bad_ones_never_raise_it(good, bad, more):
    """And nobody reaches the whole, or falls below nothing."""
    score = score_of(good, bad)
    assert 0 <= score < WHOLE
    assert score_of(good + more, bad) >= score >= score_of(good, bad + more)


@given(st.permutations([(1, 0), (0, 5), (3, 0), (0, 1), (2, 2)]))
def test_the_order_of_deeds_does_not_matter(deeds):
    """The last score is that of the sums."""
    assert score_of(sum(d[0] for d in deeds), sum(d[1] for d in deeds)) == score_of(6, 8)


def test_a_setting_changes_what_it_names_and_no_more():
    """A new event, another worth, the rest as built in."""
    rules = rules_in({"events": {"delivered": {"xp": 7}, "sang": {"good": 1}}})
    assert rules == {**RULES, "delivered": Worth(xp=7), "sang": Worth(good=1)}
    assert rules_in({}) == RULES


@pytest.mark.parametrize(
    "value",
    [
        {"events": []},
        {"events": {"delivered": {"xp": "7"}}},
        {"events": {"delivered": {"xp": 1.5}}},
        {"events": {"delivered": {"points": 7}}},
        {"event": {}},
        {"events": {"delivered": {"xp": -1}}},
    ],
)
def test_a_setting_that_makes_no_sense(value):
    """It is refused where it is read, for `setup.set` cannot know."""
    with pytest.raises(Invalid):
        rules_in(value)


@pytest.mark.parametrize(
    "events",
    [
        {"Delivered": Worth()},
        {"": Worth()},
        {"x" * 41: Worth()},
        {"delivered": Worth(xp=-1)},
        {"delivered": Worth(xp=1_000_001)},
        {"delivered": Worth(good=1001)},
        {"delivered": Worth(bad=-1)},
        {f"event_{n}": Worth() for n in range(201)},
    ],
)
def test_rules_out_of_bounds(events):
    """Names are words; numbers have an end."""
    with pytest.raises(Invalid):
        check_rules(events)
