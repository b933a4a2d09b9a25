"""What follows from facts about a payment, whatever the order in which they came."""

from functools import reduce

from hypothesis import given
from hypothesis import strategies as st

from khata.domain.payments import rules
from khata.domain.payments.model import Facts

codes = st.sampled_from([None, "card_declined", "expired_card"])
facts = st.builds(
    Facts,
    asked=st.booleans(),
    seen=st.booleans(),
    authorised=st.booleans(),
    failed=codes,
    expired=st.booleans(),
    paid=st.booleans(),
)


@given(one=facts, two=facts, three=facts)
def test_facts_are_joined_in_any_order(one, two, three):
    """Commutative, associative, and the same fact twice is one."""
    join = rules.join
    assert join(one, two) == join(two, one)
    assert join(join(one, two), three) == join(one, join(two, three))
    assert join(join(one, two), two) == join(one, two)


@given(known=st.lists(facts, min_size=1, max_size=5), late=facts)
def test_what_is_paid_stays_paid(known, late):
    """Nothing that is told later takes the money away; a refund or dispute does, by itself."""
    joined = reduce(rules.join, known, Facts())
    after = rules.join(joined, late)
    if joined.paid:
        assert after == joined
        assert rules.status_of(after, 100, 0, []) == "paid"


@given(refunded=st.integers(0, 100), disputes=st.lists(st.sampled_from(["won", "lost", "opened"])))
def test_a_status_follows_from_what_is_known(refunded, disputes):
    """A dispute that is not won comes first, then how much went back."""
    status = rules.status_of(Facts(paid=True), 100, refunded, disputes)
    if set(disputes) - {"won"}:
        assert status == "disputed"
    else:
        parts = {0: "paid", 100: "refunded"}
        assert status == parts.get(refunded, "partially_refunded")


@given(known=st.dictionaries(st.sampled_from("abcd"), st.integers(-5, 5)), wanted=st.data())
def test_what_is_posted_is_the_difference(known, wanted):
    """Added to what stands it gives what should; once it stands, nothing is posted."""
    target = wanted.draw(st.dictionaries(st.sampled_from("abcd"), st.integers(-5, 5)))
    after = dict(known)
    for code, amount in rules.moves(known, target):
        after[code] = after.get(code, 0) + amount
    assert {code: amount for code, amount in after.items() if amount} == {
        code: amount for code, amount in target.items() if amount
    }
    assert rules.moves(after, target) == []
