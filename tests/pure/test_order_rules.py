"""How orders move: the table of moves, who may, what the customer sees of every case."""

from itertools import product

import pytest

from khata.base.actor import ROLES
from khata.domain.orders import STATES, TRANSITIONS, check_transition, rules, status_of
from khata.errors import Invalid, InvalidTransition, RoleRequired

EVERY = list(product(*STATES.values()))


def test_the_customer_sees_one_status_of_every_case():
    """All 200 of them; what is called off is cancelled, whatever else is said."""
    assert len(EVERY) == 200
    for finance, warehouse, logistics in EVERY:
        status = status_of(finance, warehouse, logistics)
        off = finance == "cancelled" or logistics == "cancelled" or warehouse == "cancelled"
        assert (status == "cancelled") == off
        if not off and finance == "refunded":
            assert status == "refunded"
        elif not off and logistics != "waiting":
            assert status == logistics


@pytest.mark.parametrize(
    ("axes", "status"),
    [
        (("unpaid", "waiting", "waiting"), "pending"),
        (("wallet_partial", "waiting", "waiting"), "pending"),
        (("receipt_uploaded", "waiting", "waiting"), "in_review"),
        (("paid", "waiting", "waiting"), "confirmed"),
        (("paid", "ready", "waiting"), "preparing"),
        (("partially_refunded", "picked", "waiting"), "preparing"),
        (("paid", "picked", "dispatched"), "dispatched"),
        (("paid", "picked", "delivered"), "delivered"),
        (("partially_refunded", "restocked", "returned"), "returned"),
        (("refunded", "restocked", "returned"), "refunded"),
        (("refunded", "cancelled", "cancelled"), "cancelled"),
    ],
)
def test_what_the_customer_sees(axes, status):
    """A case for each status."""
    assert status_of(*axes) == status


def test_every_pair_of_states_moves_by_the_table_or_not_at_all():
    """Each pair of each axis under each role: a row lets its own roles, all else is refused."""
    rows = {(row.axis, row.before, row.after): row for row in TRANSITIONS}
    assert len(rows) == len(TRANSITIONS)
    for axis, states in STATES.items():
        for before, after, role in product(states, states, ROLES):
            row = rows.get((axis, before, after))
            if row is None:
                with pytest.raises(InvalidTransition):
                    check_transition(axis, before, after, {role})
            elif role in row.roles:
                assert check_transition(axis, before, after, {role}) is row
            else:
                with pytest.raises(RoleRequired):
                    check_transition(axis, before, after, {role})


def test_a_row_names_states_of_its_axis_and_commands_that_there_are():
    """And what it needs is said of another axis; a command not named does not do it."""
    for row in TRANSITIONS:
        assert {row.before, row.after} <= set(STATES[row.axis])
        assert "service" in row.roles
        for axis, states in row.needs:
            assert axis != row.axis
            assert set(states) <= set(STATES[axis])
    with pytest.raises(InvalidTransition) as caught:
        check_transition("finance", "unpaid", "paid", {"admin"}, "orders.move")
    assert caught.value.details["expected"] == []


def test_goods_go_to_where_they_are_through_all_that_lies_between():
    """The shortest way; none leads back, none is said of money."""
    assert rules.path("warehouse", "waiting", "picked") == ["ready", "picked"]
    assert rules.path("logistics", "waiting", "delivered") == ["dispatched", "delivered"]
    assert rules.path("logistics", "delivered", "delivered") == []
    for axis, before, after in (
        ("logistics", "delivered", "waiting"),
        ("warehouse", "waiting", "cancelled"),
        ("finance", "unpaid", "paid"),
    ):
        with pytest.raises(InvalidTransition):
            rules.path(axis, before, after)


@pytest.mark.parametrize(
    "value",
    [
        {"grace_days": "3"},
        {"grace_days": -1},
        {"release_days": 401},
        {"sla": {"finance.lost": 3}},
        {"sla": {"price.paid": 3}},
        {"sla": {"finance.paid": 0}},
        {"sla": []},
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(value):
    """What it leaves out is as by default."""
    with pytest.raises(Invalid):
        rules.policy(value)
    assert rules.policy({}) == rules.DEFAULT
    changed = rules.policy({"sla": {"finance.paid": 60}, "grace_days": 9})
    assert (changed.grace_days, changed.retry_days) == (9, 0)
    assert changed.sla == {**rules.DEFAULT.sla, "finance.paid": 60}
