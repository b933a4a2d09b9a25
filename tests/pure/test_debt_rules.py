"""What netting takes, how instalments add up and stand: rules as functions of values."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from khata.base.clock import DAY
from khata.domain.debts import KINDS, Debt, Netting, account_code, fee_outstanding, outstanding
from khata.domain.debts.rules import policy, taken
from khata.domain.loans import Instalment, Loan
from khata.domain.loans.rules import policy_in, schedule, standing, unpaid
from khata.errors import Invalid

USUAL = policy({})
NOW = 1_000 * DAY
AMOUNTS = st.integers(1, 10**12)


def debt(number=1, kind="refund", principal=100, fee=0, repaid=0, off=0, at=0, status="open"):
    return Debt(
        f"dbt_{number:04}",
        "alice",
        "alice",
        kind,
        account_code(kind, "alice"),
        "BDT",
        2,
        principal,
        fee,
        repaid,
        off,
        status,
        "M1",
        "gone",
        None,
        at,
        None,
    )


def loan(parts):
    principal = sum(part.principal for part in parts)
    fee = sum(part.fee for part in parts)
    path = "alice/personal/BDT"
    return Loan(
        "loa_0001",
        "dbt_0001",
        "alice",
        path,
        "dhaar",
        "BDT",
        2,
        principal,
        fee,
        parts,
        None,
        "ent_1",
        0,
        0,
        None,
    )


DEBTS = st.lists(
    st.builds(
        lambda number, kind, principal, fee, at: debt(number, kind, principal, fee, at=at),
        st.integers(1, 9999),
        st.sampled_from(list(KINDS)),
        AMOUNTS,
        st.integers(0, 10**6),
        st.integers(0, 3),
    ),
    max_size=8,
    unique_by=lambda item: item.id,
)
POLICIES = st.builds(
    lambda order, most: policy({"order": order, "most": most}),
    st.lists(st.sampled_from(list(KINDS)), unique=True),
    st.dictionaries(st.sampled_from(list(KINDS)), st.integers(0, 10_000)),
)


# ── netting ──────────────────────────────────────────────────────────────────────────


@given(DEBTS, POLICIES, st.integers(0, 10**13), st.integers(-(10**6), 10**13))
def test_netting_never_takes_too_much(owed, netting, earned, room):
    """Not more than a kind's share, than the earning, than what is there, than what is owed."""
    parts = taken(netting, owed, earned, room)
    assert sum(minor for _, minor in parts) <= max(min(earned, room), 0)
    for name in KINDS:
        minors = [minor for item, minor in parts if item.kind == name]
        assert sum(minors) <= earned * netting.most[name] // 10_000
    assert all(0 < minor <= outstanding(item) for item, minor in parts)
    assert len({item.id for item, _ in parts}) == len(parts)


@given(DEBTS, POLICIES, st.integers(0, 10**13))
def test_netting_keeps_to_its_order(owed, netting, earned):
    """Kinds as declared, within a kind the oldest first; a later debt of a kind is paid only when
    those before it are paid wholly.
    """
    parts = taken(netting, owed, earned, earned)
    places = [(netting.order.index(item.kind), item.opened_at, item.id) for item, _ in parts]
    assert places == sorted(places)
    for (one, minor), (following, _) in pairwise(parts):
        assert one.kind != following.kind or minor == outstanding(one)


@given(DEBTS, st.integers(0, 10**13))
def test_netting_takes_all_that_it_may(owed, earned):
    """What is left is left because its kind had its share, or the earning is used up."""
    parts = {item.id: minor for item, minor in taken(USUAL, owed, earned, earned)}
    used = sum(parts.values())
    for name in KINDS:
        of_kind = [item for item in owed if item.kind == name]
        left = sum(outstanding(item) - parts.get(item.id, 0) for item in of_kind)
        got = sum(parts.get(item.id, 0) for item in of_kind)
        assert not left or got == earned * USUAL.most[name] // 10_000 or used == earned


def test_half_an_earning_repays_dhaar():
    """Refunds first and wholly, floats next, dhaar at most half of the earning."""
    owed = [debt(1, "dhaar_loan", 900), debt(2, "mover_float", 20), debt(3, "refund", 30)]
    assert [(item.id, minor) for item, minor in taken(USUAL, owed, 100, 100)] == [
        ("dbt_0003", 30),
        ("dbt_0002", 20),
        ("dbt_0001", 50),
    ]
    assert [minor for _, minor in taken(USUAL, owed[:1], 99, 99)] == [49]


def test_one_earning_pays_a_hundred_debts_at_most():
    """An entry each: the rest waits for the next earning."""
    assert len(taken(USUAL, [debt(n, principal=1) for n in range(150)], 10_000, 10_000)) == 100


def test_the_usual_policy():
    """What is netted where nobody set anything, and what is filled in where they set a part."""
    usual = {"refund": 10_000, "mover_float": 10_000, "dhaar_loan": 5000}
    assert Netting(["refund", "mover_float", "dhaar_loan"], usual) == USUAL
    part = policy({"order": ["dhaar_loan"], "most": {"dhaar_loan": 1}})
    assert part == Netting(["dhaar_loan"], {**usual, "dhaar_loan": 1})


@pytest.mark.parametrize(
    "value",
    [
        {"order": ["loan"]},
        {"order": ["refund", "refund"]},
        {"order": "refund"},
        {"most": {"loan": 1}},
        {"most": {"refund": 10_001}},
        {"most": {"refund": -1}},
        {"most": {"refund": "1"}},
        {"most": {"refund": 0.5}},
        {"most": None},
        {"least": {}},
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(value):
    """Unknown kinds, kinds twice, shares that are none."""
    with pytest.raises(Invalid):
        policy(value)


def test_the_fee_is_paid_first():
    """By whatever makes the debt smaller."""
    assert [fee_outstanding(debt(fee=10, repaid=n)) for n in (0, 4, 10, 60)] == [10, 6, 0, 0]
    assert fee_outstanding(debt(fee=10, repaid=3, off=3)) == 4
    assert outstanding(debt(fee=10, repaid=3, off=3)) == 104


def test_a_kind_that_is_none_is_refused():
    """Nobody owes for a reason that is not declared."""
    with pytest.raises(Invalid):
        account_code("gift", "alice")


# ── schedules ────────────────────────────────────────────────────────────────────────


@given(AMOUNTS, st.integers(0, 10**12), st.integers(1, 120), st.integers(1, 366))
def test_instalments_add_up(principal, fee, count, every):
    """To the minor unit, as equal as can be, the larger first, equally far apart."""
    parts = schedule(principal, fee, count, first_at=NOW, every_days=every)
    assert sum(part.principal for part in parts) == principal
    assert sum(part.fee for part in parts) == fee
    assert len(parts) == count
    for one, following in pairwise(parts):
        assert 0 <= one.principal - following.principal <= 1
        assert 0 <= one.fee - following.fee <= 1
        assert following.due_at - one.due_at == every * DAY


@given(AMOUNTS, st.integers(0, 10**6), st.integers(1, 24), st.data())
def test_what_is_paid_goes_to_the_first_instalments(principal, fee, count, data):
    """What is left of all of them is what is left of the loan, and the first are paid first."""
    parts = schedule(principal, fee, count, first_at=NOW, every_days=30)
    paid = data.draw(st.integers(0, principal + fee))
    left = unpaid(parts, paid)
    assert sum(left) == principal + fee - paid
    open_ = [at for at, minor in enumerate(left) if minor]
    touched = [at for at, minor in enumerate(left) if minor < parts[at].amount]
    assert not open_ or not touched or max(touched) <= min(open_)


@given(AMOUNTS, st.integers(1, 24), st.integers(0, 30 * 24), st.data())
def test_overdue_is_what_is_due_and_not_paid(principal, count, days, data):
    """Zero or more, at most what is owed, and it makes the status."""
    parts = schedule(principal, 0, count, first_at=NOW, every_days=30)
    paid = data.draw(st.integers(0, principal - 1))
    now = NOW + days * DAY
    stands = standing(loan(parts), debt(principal=principal, repaid=paid), now)
    due = sum(part.amount for part in parts if part.due_at <= now)
    assert stands.overdue == max(due - paid, 0)
    assert stands.status == ("overdue" if stands.overdue else "open")


def test_an_instalment_is_overdue_from_the_instant_it_is_due():
    """Not a microsecond before."""
    parts = [Instalment(NOW, 60, 0), Instalment(NOW + DAY, 40, 0)]
    before = standing(loan(parts), debt(repaid=20), NOW - 1)
    assert (before.status, before.next_at, before.next) == ("open", NOW, 40)
    then = standing(loan(parts), debt(repaid=20), NOW)
    assert (then.status, then.overdue) == ("overdue", 40)
    paid = standing(loan(parts), debt(repaid=60), NOW)
    assert (paid.status, paid.next_at, paid.next) == ("open", NOW + DAY, 40)


@pytest.mark.parametrize(("status", "shown"), [("settled", "repaid"), ("written_off",) * 2])
def test_nothing_is_overdue_that_is_over(status, shown):
    """What is repaid or written off has nothing due."""
    stands = standing(loan([Instalment(0, 100, 0)]), debt(repaid=100, status=status), NOW)
    assert (stands.status, stands.overdue, stands.next_at) == (shown, 0, None)


@pytest.mark.parametrize("value", [{"most": 5}, {"most": {"BDT": 5}}, {"at_once": "2"}, {"x": 1}])
def test_a_lending_policy_that_makes_no_sense_is_refused(value):
    """Amounts are decimal strings, numbers are numbers, names are known."""
    with pytest.raises(Invalid):
        policy_in(value)
