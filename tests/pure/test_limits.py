"""Velocity and headroom: what an account allows, as functions of values."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from khata.base.clock import SECOND
from khata.engine import limits
from khata.engine.accounts import Account, VelocityLimit
from khata.errors import AccountClosed, AccountFrozen, InsufficientFunds, LimitExceeded

GAP = st.one_of(
    st.integers(0, 3 * SECOND),
    st.sampled_from([0, 1, 41_665, 41_666, 41_667, 999_984, 999_999, SECOND, SECOND + 1]),
)


def an_account(**fields):
    known = {"balance": -10_000, "floor": 0, "overdraft": 0, "held": 0, "status": "active"}
    known |= fields
    return Account(
        id=1,
        code="wallet/alice/personal/BDT",
        kind="liability",
        unit="BDT",
        exponent=2,
        owner="alice",
        limits=None,
        opened_at=0,
        **known,
    )


ACCOUNT = an_account()


@given(
    st.integers(1, 7),
    st.integers(0, 10 * SECOND),
    st.lists(st.tuples(GAP, st.integers(1, 60)), max_size=40),
)
@example(1, 41_665, [(0, 60), (999_999, 60)])
def test_no_window_ever_passes_the_limit(window, start, attempts):
    """In any window of that length, wherever it begins, no more left than the limit allows."""
    limit = VelocityLimit(window, 100, 4)
    slices, passed, now = [], [], start
    for gap, amount in attempts:
        now += gap
        try:
            slices = limits.spend(limit, slices, amount, now, ACCOUNT)
        except LimitExceeded:
            continue
        passed.append((now, amount))
    for begin, _ in passed:
        inside = [amount for at, amount in passed if begin <= at < begin + window * SECOND]
        assert (sum(inside) <= 100, len(inside) <= 4) == (True, True)


@given(st.integers(1, 10_000))
def test_a_window_that_has_passed_is_forgotten(window):
    """One slice after the window, all of it may be spent again."""
    limit = VelocityLimit(window, 100)
    slices = limits.spend(limit, [], 100, 0, ACCOUNT)
    later = window * SECOND + 2 * (window * SECOND // limits.SLICES + 1)
    assert limits.spend(limit, slices, 100, later, ACCOUNT)[-1][1:] == (100, 1)


@given(st.lists(st.integers(0, SECOND), max_size=200))
def test_what_is_remembered_is_bounded(gaps):
    """However much goes on, a window is a handful of numbers."""
    slices, now = [], 0
    for gap in gaps:
        now += gap
        slices = limits.spend(VelocityLimit(3, 10**9, 10**6), slices, 1, now, ACCOUNT)
    assert len(slices) <= limits.SLICES + 1


def test_which_limit_was_passed_is_named():
    """The refusal says the window, the limit and what it would have come to."""
    with pytest.raises(LimitExceeded) as caught:
        limits.spend(VelocityLimit(60, None, 1), [(0, 5, 1)], 7, 1, ACCOUNT)
    details = caught.value.details
    assert (details["limit"], details["window_seconds"], details["got"]) == ("count", 60, 2)
    with pytest.raises(LimitExceeded, match=r"amount limit for 1 d\.") as caught:
        limits.spend(VelocityLimit(86_400, 500), [], 750, 1, ACCOUNT)
    assert (caught.value.details["expected"], caught.value.details["got"]) == ("5.00", "7.50")


@pytest.mark.parametrize(
    ("fields", "room"),
    [
        ({}, 10_000),
        ({"held": 4_000}, 6_000),
        ({"floor": 2_500}, 7_500),
        ({"overdraft": 500}, 10_500),
        ({"balance": 300, "overdraft": 500}, 200),
        ({"floor": None}, None),
    ],
)
def test_headroom(fields, room):
    """Balance less holds, down to the floor, and further by the overdraft."""
    assert limits.headroom(an_account(**fields)) == room


def test_headroom_is_checked_to_the_unit():
    """The last paisa may go, one more may not."""
    limits.check_headroom(an_account(), 10_000)
    with pytest.raises(InsufficientFunds) as caught:
        limits.check_headroom(an_account(), 10_001)
    assert (caught.value.details["available"], caught.value.details["needed"]) == (
        "100.00",
        "100.01",
    )


@pytest.mark.parametrize(
    ("status", "error"), [("frozen", AccountFrozen), ("closed", AccountClosed)]
)
def test_status(status, error):
    """Only an active account moves."""
    with pytest.raises(error):
        limits.check_status(an_account(status=status))
