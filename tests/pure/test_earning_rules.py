"""How earnings are measured, as functions of values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from khata.base.clock import from_iso
from khata.base.money import Money
from khata.domain.earnings import ChainBonus, EarningPolicy, Extra, Peak, Threshold, ViewRate
from khata.domain.earnings.rules import (
    chain_bonus,
    check_policy,
    delivery_bonuses,
    peak_at,
    policy_in,
    price_of,
    reached,
)
from khata.errors import CurrencyMismatch, Invalid

NOON = "2026-01-31T06:30:00Z"
"""Half past twelve in Dhaka."""


def bdt(amount):
    return Money(amount, "BDT")


# ── views ────────────────────────────────────────────────────────────────────────────


@given(
    st.lists(st.integers(1, 10**7), min_size=1, max_size=20),
    st.integers(1, 10**9),
)
def test_any_chopping_of_views_pays_the_same(parts, per_thousand):
    """Report by report or all at once: what is rounded off is carried on, never lost."""
    paid, remainder = 0, 0
    for views in parts:
        minor, remainder = price_of(views, per_thousand, remainder)
        paid += minor
        assert 0 <= remainder < 1000
    assert (paid, remainder) == price_of(sum(parts), per_thousand, 0)


@given(
    st.lists(st.integers(1, 10**6), min_size=1, max_size=8, unique=True),
    st.lists(st.integers(1, 10**5), min_size=1, max_size=20),
)
def test_each_threshold_is_reached_once(thresholds, parts):
    """However the views are chopped, and none that was not."""
    rows = [Threshold(views, bdt("1.00")) for views in thresholds]
    total, seen = 0, []
    for views in parts:
        seen += reached(rows, total, total + views)
        total += views
    assert sorted(one.views for one in seen) == sorted(v for v in thresholds if v <= total)


# ── deliveries ───────────────────────────────────────────────────────────────────────


def bonuses(policy=None, fee="60.00", at=NOON, *, haggled=False, place=0):
    minor = int(fee.replace(".", ""))
    found = delivery_bonuses(
        policy or EarningPolicy(), bdt(fee), minor, 2, from_iso(at), haggled=haggled, place=place
    )
    return {kind: amount.amount for kind, amount in found}


@pytest.mark.parametrize(
    ("at", "inside"),
    [
        ("2026-01-31T05:59:59.999999Z", False),
        ("2026-01-31T06:00:00Z", True),
        ("2026-01-31T07:59:59Z", True),
        ("2026-01-31T08:00:00Z", False),
        ("2026-01-31T12:00:00Z", True),
        ("1969-12-31T06:30:00Z", True),
    ],
)
def test_peak_hours_are_those_of_the_books_own_time(at, inside):
    """Dhaka is six hours ahead; a window is without its end."""
    assert (peak_at(EarningPolicy(), from_iso(at)) is not None) == inside


@pytest.mark.parametrize(
    ("at", "inside"),
    [("17:59", False), ("18:00", True), ("23:59", True), ("00:00", True), ("02:00", False)],
)
def test_a_window_may_go_on_over_midnight(at, inside):
    """It ends before it begins."""
    late = Peak("18:00", "02:00", Extra(points=1))
    policy = EarningPolicy(offset_minutes=0, peaks=(late,))
    assert (peak_at(policy, from_iso(f"2026-01-31T{at}:00Z")) is late) == inside


def test_the_first_window_that_fits_counts():
    """Two do not add up."""
    one, two = (Peak("00:00", ends, Extra(points=1)) for ends in ("06:00", "12:00"))
    policy = EarningPolicy(offset_minutes=0, peaks=(one, two))
    assert peak_at(policy, from_iso("2026-01-31T05:00:00Z")) is one
    assert peak_at(policy, from_iso("2026-01-31T07:00:00Z")) is two


def test_a_delivery_brings_what_it_is():
    """Points of the fee, amounts, and nothing that is not due."""
    assert bonuses(at="2026-01-31T00:00:00Z") == {}
    assert bonuses() == {"peak_hour": "12.00"}
    assert bonuses(haggled=True, place=5) == {
        "peak_hour": "12.00",
        "haggled_order": "10.00",
        "mission_chain": "100.00",
    }


def test_points_of_a_fee_are_rounded_down():
    """And less than a minor unit is nothing."""
    assert bonuses(fee="0.09") == {"peak_hour": "0.01"}
    assert bonuses(fee="0.04") == {}


@pytest.mark.parametrize(
    ("place", "amount"),
    [(0, None), (1, None), (3, "30"), (4, "2"), (6, None), (8, "2"), (10, "100"), (20, "2")],
)
def test_chains_pay_by_their_length(place, amount):
    """Once, or for each so many; of two that are due the rarer one."""
    rules = (
        ChainBonus(3, bdt("30")),
        ChainBonus(4, bdt("2"), repeats=True),
        ChainBonus(10, bdt("100")),
    )
    found = chain_bonus(rules, place)
    assert (found and found.amount) == amount


def test_without_a_rule_there_is_no_bonus():
    """A policy may have none."""
    policy = EarningPolicy(peaks=(), chains=(), haggled=None)
    assert bonuses(policy, haggled=True, place=5) == {}


# ── the policy ───────────────────────────────────────────────────────────────────────


def test_a_setting_says_what_it_says_and_the_rest_is_built_in():
    """An empty one is the built-in policy."""
    assert policy_in({}) == EarningPolicy()
    assert policy_in({"offset_minutes": 0}).peaks == EarningPolicy().peaks


@pytest.mark.parametrize(
    "value",
    [
        {"view": {}},
        {"offset_minutes": "360"},
        {"viral": [{"views": 10}]},
        {"peaks": [{"begins": "9:00", "ends": "10:00", "extra": {"points": 1}}]},
        {"rewards": {"birthday": {"amount": "1", "currency": "BDT"}}},
        {"views": {"least": "20.00"}},
    ],
)
def test_a_setting_that_makes_no_sense(value):
    """It is refused where it is read."""
    with pytest.raises(Invalid):
        policy_in(value)


NIGHT = ("18:00", "02:00")


@pytest.mark.parametrize(
    "policy",
    [
        EarningPolicy(offset_minutes=841),
        EarningPolicy(viral=(Threshold(0, bdt("1")),)),
        EarningPolicy(viral=(Threshold(5, bdt("1")), Threshold(5, bdt("2")))),
        EarningPolicy(viral=tuple(Threshold(n, bdt("1")) for n in range(1, 52))),
        EarningPolicy(chains=(ChainBonus(0, bdt("1")),)),
        EarningPolicy(peaks=(Peak("24:00", "02:00", Extra(points=1)),)),
        EarningPolicy(peaks=(Peak("02:00", "02:00", Extra(points=1)),)),
        EarningPolicy(peaks=(Peak(*NIGHT, Extra()),)),
        EarningPolicy(peaks=(Peak(*NIGHT, Extra(bdt("1"), 1)),)),
        EarningPolicy(peaks=(Peak(*NIGHT, Extra(points=0)),)),
        EarningPolicy(peaks=(Peak(*NIGHT, Extra(points=10_001)),)),
        EarningPolicy(haggled=Extra()),
    ],
)
def test_a_policy_that_makes_no_sense(policy):
    """One clear error."""
    with pytest.raises(Invalid):
        check_policy(policy)


def test_rates_are_in_one_currency():
    """Bounds in another one would bound nothing."""
    with pytest.raises(CurrencyMismatch):
        check_policy(EarningPolicy(views=ViewRate(most=Money("50.00", "USD"))))
