"""What differs, what it is called, and when the gate is open: rules as functions of values."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from khata.base.clock import DAY, SECOND
from khata.base.money import to_text
from khata.domain.shadow import Answer, Flow, differences, signature_of, sort_of
from khata.domain.shadow.comparing import at_path, values_in
from khata.domain.shadow.rules import counted, in_window, new_tally, rate, why_closed
from khata.errors import Invalid

NOW = 1_000 * DAY


def flow(**terms):
    usual = {"name": "checkout", "into": "shadow", "mode": "shadow", "gate": 9900, "least": 1000}
    usual |= {"window_seconds": 3600, "late_seconds": 60, "quiet_seconds": 60, "fields": {}}
    usual |= {"codes": {}, "ignored": [], "tolerances": {}, "masked": [], "defined_at": 0}
    return Flow(**(usual | {"mode_since": 0} | terms))


def found(theirs, ours, **terms):
    """(field, sort) of each difference."""
    pairs = differences(flow(**terms), Answer(True, None, theirs), Answer(True, None, ours))
    return [(item.field, item.sort) for item in pairs]


@pytest.mark.parametrize(
    ("theirs", "ours", "sort"),
    [
        ("10.0", "10.00", None),
        ("10", "10.00", None),
        ("-0", "0.00", None),
        ("10.00", "10.01", "one_unit"),
        ("10", "9.99", "one_unit"),
        ("100", "101", "one_unit"),
        ("10.00", "10.02", "value"),
        ("10.00", "-10.00", "value"),
        ("007", "7", "value"),
        ("١٠", "10", "value"),
        ("1e3", "1000", "value"),
        ("paid", "open", "value"),
        ("paid", None, "missing"),
        (None, "paid", "extra"),
    ],
)
def test_how_two_values_differ(theirs, ours, sort):
    """Amounts as decimals, everything else as it is written."""
    assert sort_of(theirs, ours) == sort


def test_which_fields_are_compared():
    """Theirs, and those that are named; nested ones by path; what is ignored is not."""
    theirs = {"total": "10.0", "lines": [{"qty": 1}, {"qty": 2}], "id": "x", "note": None}
    ours = {"amount": {"value": "10.00"}, "lines": [{"qty": 1}, {"qty": 3}], "own": 7, "id": "y"}
    terms = {"fields": {"total": "amount.value", "state": "status"}, "ignored": ["id"]}
    assert found(theirs, ours, **terms) == [("lines.1.qty", "one_unit")]
    assert found(theirs, {**ours, "status": "paid"}, **terms)[-1] == ("state", "extra")
    assert found({"ok_": True}, {"ok_": "true"}) == []
    assert found({"fee": Decimal("1.10")}, {"fee": "1.1"}) == []
    assert found({"fee": "1.10"}, {"fee": "1.13"}, tolerances={"fee": "0.03"}) == []
    assert found({"fee": "1.10"}, {"fee": "1.14"}, tolerances={"fee": "0.03"}) == [("fee", "value")]
    assert found({"fee": "1"}, {"fee": "2"}, tolerances={"fee": "0.5"}) == [("fee", "one_unit")]
    assert (at_path([1, 2], "1"), at_path([1], "9"), at_path("x", "a")) == (2, None, None)


def test_what_is_masked_is_not_kept():
    """Neither side's value; that they differ is."""
    terms = flow(masked=["card"])
    theirs, ours = {"card": {"number": "4242"}}, {"card": {"number": "4243", "cvv": "1"}}
    pairs = differences(terms, Answer(True, None, theirs), Answer(True, None, ours))
    assert [(item.field, item.theirs, item.ours) for item in pairs] == [
        ("card.cvv", None, "***"),
        ("card.number", "***", "***"),
    ]


def test_answers_without_end_are_not_compared():
    """Neither wide nor deep, and what is long is cut."""
    deep: dict = {}
    for _ in range(9):
        deep = {"a": deep, "b": 1}
    for value in ([1] * 202, deep):
        with pytest.raises(Invalid):
            values_in("x", value)
    many = Answer(True, None, {f"{n:05}": "x" for n in range(30_000)})
    pairs = differences(flow(), many, Answer(True))
    assert len(pairs) == 21
    name = signature_of("pay", "ok", "ok", pairs, late=False, reordered=False)
    assert name.endswith(" 00019:missing and more")
    (long,) = differences(flow(), Answer(True, None, {"a": "x" * 999}), Answer(True))
    assert len(long.theirs) == 200


@pytest.mark.parametrize(
    ("theirs", "ours", "late", "reordered", "name"),
    [
        ("ok", "ok", False, False, None),
        ("refused:a", "refused:a", False, False, None),
        ("refused", "refused:a", False, False, None),
        ("ok", "refused:a", False, False, "pay refused:a≠ok"),
        ("refused:a", "ok", False, False, "pay ok≠refused:a"),
        ("refused:a", "refused:b", False, False, "pay refused:b≠refused:a"),
        ("ok", "error:timeout", False, False, "pay error:timeout≠ok"),
        ("refused", "error:timeout", False, False, "pay error:timeout≠refused"),
        ("ok", None, False, False, "pay missing"),
        (None, "ok", False, False, "pay extra"),
        (None, "refused", False, False, "pay extra"),
        ("ok", "ok", True, False, "pay late"),
        ("ok", "ok", False, True, "pay reordered"),
        ("ok", "refused:a", True, True, "pay refused:a≠ok late reordered"),
    ],
)
def test_each_way_to_differ_has_its_name(theirs, ours, late, reordered, name):
    """Refusals by their codes, no answer, too late, out of order."""
    assert signature_of("pay", theirs, ours, [], late=late, reordered=reordered) == name


@given(theirs=st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 99), max_size=6),
       ours=st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 99), max_size=6))  # fmt: skip
def test_a_signature_does_not_depend_on_order_or_values(theirs, ours):
    """The same fields in any order, shifted alike, give the same name."""

    def name(left, right):
        pairs = differences(flow(), Answer(True, None, left), Answer(True, None, right))
        return signature_of(None, "ok", "ok", pairs, late=False, reordered=False)

    turned = dict(reversed(list(theirs.items()))), dict(reversed(list(ours.items())))
    shifted = [{key: value + 1000 for key, value in side.items()} for side in (theirs, ours)]
    assert name(theirs, ours) == name(*turned) == name(*shifted)
    same = all(ours.get(key) == value for key, value in theirs.items())
    assert (name(theirs, ours) is None) == same


def test_a_long_signature_is_cut_and_still_its_own():
    """Two that begin alike stay two."""
    many = [differences(flow(), Answer(True, None, {"x" * 90 + str(n): 1}), Answer(True))[0]
            for n in range(30)]  # fmt: skip
    names = {
        signature_of(None, "ok", "ok", part, late=False, reordered=False)
        for part in (many, many[:20], many[:10], many[1:11])
    }
    assert len(names) == 4
    assert max(map(len, names)) <= 300


@pytest.mark.parametrize(
    ("compared", "matched", "why"),
    [
        (1000, 990, None),
        (1000, 989, "below_gate"),
        (999, 999, "too_few"),
        (10_001, 9_901, None),
        (10_001, 9_900, "below_gate"),
        (0, 0, "too_few"),
    ],
)
def test_the_gate_to_the_unit(compared, matched, why):
    """990 of 1000 is 99 %, 989 is not."""
    closed = why_closed(flow(), rate(compared, matched))
    assert (closed and closed[0]) == why
    assert rate(1000, 989).basis_points == 9890
    assert rate(3, 2).basis_points == 6666


@given(st.lists(st.tuples(st.integers(0, 400), st.booleans()), max_size=60))
def test_the_window_counts_what_is_in_it(steps):
    """What is younger than the window counts, what is older by more than a slice does not."""
    of, tally, now, seen = flow(), new_tally("checkout"), NOW, []
    for seconds, matched in steps:
        now += seconds * SECOND
        slices = counted(tally.slices, of.window_seconds, now, matched=matched)
        tally = msgspec.structs.replace(tally, slices=slices)
        seen.append((now, matched))
        window = in_window(of, tally, now)
        inside = [hit for at, hit in seen if at > now - 3600 * SECOND]
        around = [hit for at, hit in seen if at > now - 3720 * SECOND]
        assert len(inside) <= window.compared <= len(around)
        assert sum(inside) <= window.matched <= sum(around)
        assert len(slices) <= 62


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(0, 4), st.integers(0, 4))
def test_amounts_are_compared_exactly(left, right, places, more):
    """However they are written, without rounding."""
    theirs = to_text(left, places)
    ours = to_text(right * 10**more, places + more)
    assert (sort_of(theirs, ours) is None) == (left == right)
