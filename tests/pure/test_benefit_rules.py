"""What a purchase gets and what goes back of it: bounds that hold for any campaigns."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from khata.domain.benefits import Ask, Campaign, Use
from khata.domain.benefits.model import NO_POLICY
from khata.domain.benefits.rules import decide, most_of, recent, returning, worth
from khata.errors import KhataError
from khata.errors.market import BenefitRefused, CampaignClosed, CampaignExhausted

NOW = 1_000_000
replace = msgspec.structs.replace

TEN = Campaign(
    code="TEN", title="Ten", kind="percentage", points=1000, amount=0, most=None, least=0,
    unit="BDT", exponent=2, budget=None, spent=0, starts_at=0, ends_at=None, per_user=None,
    most_uses=None, uses=0, sources=None, categories=None, partners=None, payer="platform",
    stacks="with_others", priority=100, status="running", reason=None, created_at=0, changed_at=0,
)  # fmt: skip
FIFTY = replace(TEN, code="FIFTY", kind="fixed", points=0, amount=5000)
ASK = Ask("order/1", "alice", 100_000, "BDT", 2, "order", ["TEN"])
USE = Use(
    id="use_1", campaign="TEN", owner="alice", subject="order/1", purchase=100_000, amount=1000,
    returned=0, refunded=0, whole=None, unit="BDT", exponent=2, payer="platform",
    status="granted", granted_at=0, returned_at=None,
)  # fmt: skip


def given_to(*campaigns, ask=ASK, policy=NO_POLICY, used=0, now=NOW):
    """(campaign, amount) in the order in which they apply."""
    offers = [(campaign, used) for campaign in campaigns]
    return [(one.campaign, one.amount) for one in decide(ask, offers, policy, now)]


@pytest.mark.parametrize(
    ("campaign", "amount", "worth_"),
    [
        (TEN, 100_000, 10_000),
        (TEN, 99, 9),
        (TEN, 9, 0),
        (replace(TEN, points=10_000), 77, 77),
        (replace(TEN, most=500), 100_000, 500),
        (FIFTY, 100_000, 5000),
        (FIFTY, 4999, 4999),
    ],
)
def test_what_a_campaign_is_worth(campaign, amount, worth_):
    """A percentage is rounded down; nothing is worth more than the purchase."""
    assert worth(campaign, amount) == worth_


def test_combined_campaigns_apply_by_priority_then_code():
    """A percentage is one of the original amount, wherever it stands."""
    late = replace(FIFTY, code="A", priority=200)
    assert given_to(late, FIFTY, TEN) == [("FIFTY", 5000), ("TEN", 10_000), ("A", 5000)]


def test_what_comes_last_is_cut():
    """By the amount, and by the policy's points or amount, whichever is lower."""
    first, second = replace(TEN, points=7000), replace(TEN, code="Z", points=7000)
    assert given_to(first, second) == [("TEN", 70_000), ("Z", 30_000)]
    by_points = replace(NO_POLICY, points=8000, most={"BDT": 90_000, "USD": 1})
    assert given_to(first, second, policy=by_points) == [("TEN", 70_000), ("Z", 10_000)]
    by_amount = replace(NO_POLICY, points=8000, most={"BDT": 70_000})
    assert given_to(first, second, policy=by_amount) == [("TEN", 70_000)]


def test_a_cut_benefit_needs_only_what_it_gives():
    """The budget is asked for the amount after the cut, and is never given in part."""
    tight = replace(TEN, budget=7000)
    policy = replace(NO_POLICY, most={"BDT": 7000})
    assert given_to(tight, policy=policy) == [("TEN", 7000)]
    with pytest.raises(CampaignExhausted) as caught:
        given_to(replace(tight, spent=1), policy=policy)
    assert caught.value.details["reason"] == "budget"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"status": "paused"}, "paused"),
        ({"status": "ended"}, "ended"),
        ({"starts_at": NOW + 1}, "not_started"),
        ({"ends_at": NOW}, "over"),
    ],
)
def test_a_campaign_that_does_not_run(fields, reason):
    """Its time includes its beginning and not its end."""
    with pytest.raises(CampaignClosed) as caught:
        given_to(replace(TEN, **fields))
    assert caught.value.details["reason"] == reason
    assert given_to(replace(TEN, starts_at=NOW, ends_at=NOW + 1))


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"unit": "USD"}, "other_currency"),
        ({"least": 100_001}, "below_least"),
        ({"sources": ["delivery"]}, "source"),
        ({"categories": ["books"]}, "category"),
        ({"partners": ["karim"]}, "partner"),
        ({"payer": "partner"}, "partner"),
        ({"per_user": 2}, "per_user"),
    ],
)
def test_a_campaign_that_is_for_others(fields, reason):
    """One clear reason each."""
    with pytest.raises(BenefitRefused) as caught:
        given_to(replace(TEN, **fields), used=2)
    assert caught.value.details["reason"] == reason


def test_a_campaign_that_fits():
    """All filters at once."""
    ask = replace(ASK, source="delivery", category="books", partner="karim")
    picky = replace(
        TEN, sources=["delivery"], categories=["books"], partners=["karim"], payer="partner",
        per_user=3, least=100_000,
    )  # fmt: skip
    (one,) = decide(ask, [(picky, 2)], NO_POLICY, NOW)
    assert (one.payer, one.account, one.amount) == ("partner", "", 10_000)
    (one,) = decide(ask, [(TEN, 2)], NO_POLICY, NOW)
    assert (one.payer, one.account) == ("platform", "expense/campaigns/TEN")


def test_all_uses_are_used_up():
    """Whoever asks."""
    with pytest.raises(CampaignExhausted) as caught:
        given_to(replace(TEN, most_uses=3, uses=3))
    assert caught.value.details["reason"] == "uses"


def test_what_does_not_stack_is_alone():
    """Beside any other it is refused."""
    alone = replace(FIFTY, stacks="alone")
    assert given_to(alone) == [("FIFTY", 5000)]
    with pytest.raises(BenefitRefused) as caught:
        given_to(TEN, alone)
    assert caught.value.details["reason"] == "does_not_stack"


AMOUNTS = st.integers(1, 10**12)
CAMPAIGNS = st.builds(
    lambda code, points, amount, most, budget, spent, priority, stacks: replace(
        TEN,
        code=code,
        kind="fixed" if points is None else "percentage",
        points=points or 0,
        amount=amount,
        most=most if points is not None else None,
        budget=None if budget is None else budget + spent,
        spent=spent,
        priority=priority,
        stacks=stacks,
    ),
    st.text("ABC", min_size=1, max_size=3),
    st.none() | st.integers(1, 10_000),
    AMOUNTS,
    st.none() | AMOUNTS,
    st.none() | st.integers(0, 10**12),
    st.integers(0, 10**12),
    st.integers(0, 2),
    st.sampled_from(["with_others", "with_others", "alone"]),
)
POLICIES = st.builds(
    lambda points, most: replace(NO_POLICY, points=points, most=most),
    st.none() | st.integers(1, 10_000),
    st.dictionaries(st.sampled_from(["BDT", "USD"]), AMOUNTS),
)


@given(
    st.lists(CAMPAIGNS, max_size=5, unique_by=lambda one: one.code),
    POLICIES,
    AMOUNTS,
    st.randoms(),
)
def test_no_campaigns_give_more_than_is_allowed(campaigns, policy, amount, chance):
    """In all at most the amount and the policy's cap; each within its own bounds and budget; the
    order of the codes changes nothing.
    """
    ask = replace(ASK, amount=amount)
    try:
        granted = decide(ask, [(one, 0) for one in campaigns], policy, NOW)
    except KhataError as error:
        granted = error.code
    shuffled = list(campaigns)
    chance.shuffle(shuffled)
    try:
        again = decide(ask, [(one, 0) for one in shuffled], policy, NOW)
    except KhataError as error:
        again = error.code
    assert again == granted
    if isinstance(granted, str):
        return
    assert sum(one.amount for one in granted) <= most_of(policy, amount, "BDT") <= amount
    by_code = {one.code: one for one in campaigns}
    for one in granted:
        campaign = by_code[one.campaign]
        assert 0 < one.amount <= worth(campaign, amount)
        assert campaign.budget is None or campaign.spent + one.amount <= campaign.budget


# ── giving back ──────────────────────────────────────────────────────────────────────


def backs(use, parts):
    """What goes back each time, and the use after it."""
    amounts = []
    for part, of in parts:
        amount, refunded = returning(use, part, of)
        amounts.append(amount)
        use = replace(use, returned=use.returned + amount, refunded=refunded)
    return amounts, use


def test_parts_that_make_the_whole_give_all_back():
    """Rounding down on the way, nothing is lost at the end."""
    use = replace(USE, amount=10)
    assert backs(use, [(33, 100), (33, 100), (34, 100)])[0] == [3, 3, 4]
    assert backs(use, [(33, 100), (None, None)])[0] == [3, 7]
    assert backs(use, [(None, None), (50, 100), (None, None)])[0] == [10, 0, 0]


@given(st.integers(1, 10**12), st.integers(1, 10**9), st.data())
def test_never_more_goes_back_than_was_given(amount, of, data):
    """Whatever is refunded, in whatever parts, even too often."""
    parts = data.draw(st.lists(st.tuples(st.integers(1, of), st.just(of)), max_size=8))
    use = replace(USE, amount=amount)
    amounts, after = backs(use, parts)
    assert min(amounts, default=0) >= 0
    assert after.returned == sum(amounts) <= amount
    refunded = min(sum(part for part, _ in parts), of)
    assert after.returned == amount * refunded // of


def test_a_window_ends_now():
    """What is as old as the window is long counts no more."""
    assert recent([0, 1, 2_000_000], 2, 2_000_001) == [2_000_000]
    assert recent([0, 1, 2_000_000], 2, 2_000_000) == [1, 2_000_000]
