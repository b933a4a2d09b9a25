"""Shares add up, a reversal never gives back more than there was, a floor has a depth."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from khata.domain.ledger.rules import loosened, reversal_legs, share
from khata.engine.accounts import Account
from khata.errors import Invalid, NotReversible, ReversalExceeded

WEIGHTS = st.lists(st.integers(0, 10**12), min_size=1, max_size=8).filter(any)


OF = Account(
    id=1,
    code="escrow/M1",
    kind="liability",
    unit="BDT",
    exponent=2,
    owner=None,
    status="active",
    floor=0,
    overdraft=500,
    limits=None,
    opened_at=0,
)


@given(st.integers(0, 10**15), WEIGHTS)
def test_shares_add_up(amount, weights):
    """Nothing is lost and nothing invented by rounding."""
    assert sum(share(amount, weights)) == amount


@given(st.integers(0, 10**15), WEIGHTS)
def test_a_share_is_within_one_unit_of_the_exact_one(amount, weights):
    """Each is the exact share, rounded down or up."""
    total = sum(weights)
    for part, weight in zip(share(amount, weights), weights, strict=True):
        assert 0 <= part * total - amount * weight + total - 1 < 2 * total - 1


@given(WEIGHTS, st.data())
def test_no_share_passes_its_weight(weights, data):
    """What is taken from what there is never takes more than someone has."""
    amount = data.draw(st.integers(0, sum(weights)))
    assert all(part <= weight for part, weight in zip(share(amount, weights), weights, strict=True))


@given(WEIGHTS)
def test_all_of_it_is_everyones_weight(weights):
    """Sharing the total gives each exactly what they have."""
    assert share(sum(weights), weights) == weights


@pytest.mark.parametrize(
    ("amount", "weights", "shares"),
    [
        (100_000, [5, 15, 80], [5_000, 15_000, 80_000]),
        (100, [1, 1, 1], [34, 33, 33]),
        (101, [1, 1, 1], [34, 34, 33]),
        (1, [1, 1], [1, 0]),
        (10, [0, 3, 3], [0, 5, 5]),
        (5, [1, 2, 2], [1, 2, 2]),
        (2, [1, 5, 1], [0, 2, 0]),
    ],
)
def test_the_tie_break_is_as_published(amount, weights, shares):
    """The largest remainder wins; among equals, who stands first."""
    assert share(amount, weights) == shares


@pytest.mark.parametrize(("amount", "weights"), [(1, [0, 0]), (-1, [1]), (1, [-1, 2])])
def test_shares_of_nothing(amount, weights):
    """Weights have a total above zero, and nothing is negative."""
    with pytest.raises(Invalid):
        share(amount, weights)


@st.composite
def entries(draw):
    """The legs of a balanced entry."""
    debits = draw(st.lists(st.integers(1, 10**9), min_size=1, max_size=4))
    cuts = draw(st.lists(st.integers(1, sum(debits)), max_size=3))
    edges = [0, *sorted(set(cuts) - {sum(debits)}), sum(debits)]
    credits_ = [high - low for low, high in pairwise(edges)]
    return draw(st.permutations([*debits, *(-part for part in credits_)]))


@given(entries(), st.lists(st.integers(1, 10**9), max_size=6))
def test_partial_reversals_end_exactly_at_the_original(legs, wishes):
    """Part after part, each leg goes towards zero, never past it, and the whole undoes it all."""
    done = [0] * len(legs)
    for wanted in wishes:
        left = sum(amount - back for amount, back in zip(legs, done, strict=True) if amount > 0)
        if wanted > left:
            with pytest.raises((ReversalExceeded, NotReversible)):
                reversal_legs(legs, done, wanted, of=OF)
            continue
        back = reversal_legs(legs, done, wanted, of=OF)
        assert (sum(back), sum(part for part in back if part < 0)) == (0, -wanted)
        done = [was - part for was, part in zip(done, back, strict=True)]
        for amount, gone in zip(legs, done, strict=True):
            assert min(amount, 0) <= gone <= max(amount, 0)
    if done != legs:
        rest = reversal_legs(legs, done, None, of=OF)
        done = [was - part for was, part in zip(done, rest, strict=True)]
    assert done == legs


def test_what_is_wholly_reversed_stays_so():
    """There is nothing left to give back."""
    with pytest.raises(NotReversible):
        reversal_legs([5, -5], [5, -5], None, of=OF)


def test_too_large_a_reversal_tells_what_is_left():
    """As a decimal string with its currency."""
    with pytest.raises(ReversalExceeded) as caught:
        reversal_legs([500, -500], [100, -100], 401, of=OF)
    assert caught.value.details == {"expected": "4.00", "got": "4.01", "currency": "BDT"}


@pytest.mark.parametrize(
    ("floor", "overdraft", "more"),
    [(0, 500, 0), (0, 700, 200), (-200, 500, 200), (300, 0, -800), (None, 0, 10**18 - 1)],
)
def test_how_much_more_may_leave(floor, overdraft, more):
    """Floor and overdraft count together; without a floor it is all that a book can hold."""
    assert loosened(OF, floor, overdraft) == more
