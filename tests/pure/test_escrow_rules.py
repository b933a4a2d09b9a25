"""How escrows are shared, released and given back, on values alone."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from khata.domain.escrow import Escrow, Giver, Leg, rules
from khata.errors import Invalid, RefundExceeded
from khata.errors.market import ReleaseExceeded
from tests.conftest import examples

HOUSE, PARTNER, CREATOR = "revenue/commission", "karim/partner/BDT", "lina/creator/BDT"
POLICIES = ("pro_rata", "platform_first", "keep_fee")


def an_escrow(*legs, givers=(), refunded=0):
    amount = sum(leg.share for leg in legs)
    return Escrow(
        ref="M1",
        owner="alice",
        payer="alice/personal/BDT",
        payment=None,
        unit="BDT",
        exponent=2,
        source="order",
        amount=amount,
        paid=amount - sum(giver.amount for giver in givers),
        refunded=refunded,
        legs=list(legs),
        givers=list(givers),
        rule=None,
        version=0,
        keeper=None,
        on="request",
        days=0,
        status="held",
        dispute=None,
        steps=[],
        saga=None,
        funded_at=0,
        delivered_at=None,
    )


def three(**of_partner):
    """50.00 for the house, 150.00 for a creator, 800.00 for a partner."""
    return an_escrow(
        Leg("platform", HOUSE, 5000),
        Leg("creator", CREATOR, 15000),
        Leg("partner", PARTNER, 80000, **of_partner),
    )


RIDER = Leg("delivery", None, 6000, extra=True)


# ── releasing ────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("amount", "names", "parts"),
    [
        (None, None, [5000, 15000, 80000]),
        (10000, None, [500, 1500, 8000]),
        (None, ["partner"], [0, 0, 80000]),
        (100, ["platform", "creator"], [25, 75, 0]),
        (1, None, [0, 0, 1]),
        (10, ["platform", "partner"], [1, 0, 9]),
    ],
)
def test_a_release_is_shared_by_what_each_has(amount, names, parts):
    """The minor unit that is left over goes to who lost most by rounding."""
    assert rules.releases(three(), amount, names) == parts


def test_who_is_not_known_yet_keeps_waiting():
    """A leg without a receiver is left out of a release of all, and refused by name."""
    with_rider = an_escrow(*three().legs, RIDER)
    assert rules.releases(with_rider) == [5000, 15000, 80000, 0]
    with pytest.raises(Invalid, match="Nobody is known"):
        rules.releases(with_rider, None, ["delivery"])


@pytest.mark.parametrize(
    ("amount", "names", "there"),
    [(100001, None, "1000.00"), (80001, ["partner"], "800.00"), (None, [], "0.00")],
)
def test_no_more_is_released_than_there_is(amount, names, there):
    """The refusal says how much there is."""
    with pytest.raises(ReleaseExceeded) as caught:
        rules.releases(three(), amount, names)
    assert caught.value.details["expected"] == there


def test_an_unknown_leg_is_named():
    """With the legs that there are."""
    with pytest.raises(Invalid) as caught:
        rules.releases(three(), None, ["rider"])
    assert caught.value.details["expected"] == ["platform", "creator", "partner"]


@given(shares=st.lists(st.integers(0, 10**9), min_size=1, max_size=6).filter(any), data=st.data())
def test_parts_of_a_release_add_up_and_stay_within(shares, data):
    """Whatever is released, no leg gets more than it has in escrow."""
    escrow = an_escrow(*(Leg(f"l{n}", HOUSE, share) for n, share in enumerate(shares)))
    amount = data.draw(st.integers(1, sum(shares)))
    parts = rules.releases(escrow, amount)
    assert sum(parts) == amount
    assert all(0 <= part <= share for part, share in zip(parts, shares, strict=True))
    after = rules.released(escrow.legs, parts)
    assert [leg.held for leg in after] == [
        share - part for share, part in zip(shares, parts, strict=True)
    ]


# ── refunding ────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("policy", "amount", "parts"),
    [
        ("pro_rata", 20000, [1000, 3000, 16000]),
        ("platform_first", 20000, [5000, 2368, 12632]),
        ("keep_fee", 20000, [0, 3158, 16842]),
        ("pro_rata", 100000, [5000, 15000, 80000]),
        ("platform_first", 3000, [3000, 0, 0]),
        ("keep_fee", 95000, [0, 15000, 80000]),
        ("pro_rata", 1, [0, 0, 1]),
    ],
)
def test_policies_share_a_refund(policy, amount, parts):
    """200.00 of 1000.00 by each policy, and what is at its ends."""
    assert rules.refund_parts(three(), amount, policy) == parts


def test_a_repeated_refund_is_shared_by_what_is_left():
    """A partner who gave 600.00 already has 200.00 left, as much as the others together."""
    assert rules.refund_parts(three(waived=60000), 20000, "pro_rata") == [2500, 7500, 10000]
    assert rules.refund_parts(three(received=80000, returned=80000), 2000, "pro_rata") == [
        500,
        1500,
        0,
    ]


@pytest.mark.parametrize(("policy", "most"), [("pro_rata", 100000), ("keep_fee", 95000)])
def test_no_more_is_given_back_than_the_policy_leaves(policy, most):
    """The house keeps its fee under `keep_fee`."""
    assert rules.most_refundable(three(), policy) == most
    with pytest.raises(RefundExceeded) as caught:
        rules.refund_parts(three(), most + 1, policy)
    assert caught.value.details["expected"] == f"{most // 100}.00"


def test_what_came_on_top_gives_last_and_only_from_escrow():
    """A delivery fee: untouched by a part, given back with all, kept by who has earned it."""
    held = an_escrow(*three().legs, RIDER)
    assert rules.refund_parts(held, 50000, "pro_rata") == [2500, 7500, 40000, 0]
    assert rules.refund_parts(held, 103000, "pro_rata") == [5000, 15000, 80000, 3000]
    assert rules.refund_parts(held, 106000, "platform_first") == [5000, 15000, 80000, 6000]
    earned = msgspec.structs.replace(RIDER, to="rafi/rider/BDT", received=6000)
    rode = an_escrow(*three().legs, earned)
    assert rules.most_refundable(rode, "pro_rata") == 100000
    assert rules.refund_parts(rode, 100000, "pro_rata") == [5000, 15000, 80000, 0]
    assert rules.refund_parts(rode, 6000, "named", {"delivery": 6000}) == [0, 0, 0, 6000]


@pytest.mark.parametrize(
    ("amount", "named", "error"),
    [
        (100, {"partner": 99}, Invalid),
        (100, {"partner": 200, "creator": -100}, Invalid),
        (100, {"rider": 100}, Invalid),
        (80001, {"partner": 80001}, RefundExceeded),
    ],
)
def test_names_must_be_there_and_add_up(amount, named, error):
    """No leg gives more than it has of its share."""
    with pytest.raises(error):
        rules.refund_parts(three(), amount, "named", named)


def test_which_legs_are_the_houses():
    """A house account is; a wallet and a leg without a receiver are not."""
    legs = [*three().legs, RIDER, Leg("tax", "payable/vat", 1)]
    assert [rules.is_house(leg) for leg in legs] == [True, False, False, False, True]
    assert rules.receiving(legs) == ["lina", "karim"]


@pytest.mark.parametrize(
    ("leg", "status"),
    [
        (Leg("a", HOUSE, 10), "held"),
        (Leg("a", HOUSE, 10, waived=4), "held"),
        (Leg("a", HOUSE, 10, received=4), "partly_released"),
        (Leg("a", HOUSE, 10, received=6, waived=4), "released"),
        (Leg("a", HOUSE, 10, received=6, waived=4, returned=6), "refunded"),
        (Leg("a", HOUSE, 10, waived=10), "refunded"),
    ],
)
def test_the_status_follows_from_the_legs(leg, status):
    """What is held, received and given back says it all."""
    assert rules.status_of([leg]) == status


# ── givers ───────────────────────────────────────────────────────────────────────────


def with_campaign(paid=90000, given=10000, refunded=0, returned=0):
    leg = Leg("partner", PARTNER, paid + given)
    return an_escrow(leg, givers=[Giver("expense/coupon", given, returned)], refunded=refunded)


def test_givers_get_their_proportion_back():
    """A campaign that paid a tenth has a tenth of each refund."""
    assert rules.support_back(with_campaign(), 9000) == [1000]
    assert rules.support_back(with_campaign(), 90000) == [10000]
    assert rules.most_refundable(with_campaign(), "pro_rata") == 90000


def test_a_giver_never_gets_less_than_nothing():
    """After a refund that was restored it may have a minor unit more than its proportion."""
    assert rules.support_back(with_campaign(paid=10, given=5, refunded=1, returned=1), 1) == [0]


@given(
    paid=st.integers(1, 10**6),
    given_=st.lists(st.integers(1, 10**6), min_size=1, max_size=3),
    cuts=st.lists(st.integers(1, 10**6), max_size=8),
)
def test_in_the_end_givers_have_exactly_all_back(paid, given_, cuts):
    """In however many refunds: no giver is ever ahead of its proportion, none short in the end."""
    escrow = with_campaign(paid, sum(given_))
    givers = [Giver(f"expense/c{n}", amount) for n, amount in enumerate(given_)]
    escrow = msgspec.structs.replace(escrow, givers=givers)
    for cut in [*cuts, paid]:
        amount = min(cut, paid - escrow.refunded)
        if not amount:
            break
        back = rules.support_back(escrow, amount)
        assert min(back) >= 0
        escrow = msgspec.structs.replace(
            escrow,
            refunded=escrow.refunded + amount,
            givers=rules.givers_after(escrow.givers, back),
        )
        for giver in escrow.givers:
            exact = giver.amount * escrow.refunded
            assert exact - paid < giver.returned * paid <= exact
    assert [giver.returned for giver in escrow.givers] == given_


# ── what any sequence keeps ──────────────────────────────────────────────────────────

LEGS = st.lists(
    st.tuples(
        st.sampled_from((HOUSE, "payable/vat", PARTNER, CREATOR)),
        st.integers(0, 5000),
        st.booleans(),
    ),
    min_size=1,
    max_size=5,
).filter(lambda legs: any(share for _, share, _ in legs))


@given(
    legs=LEGS,
    support=st.integers(0, 100),
    moves=st.lists(
        st.tuples(st.sampled_from(("release", *POLICIES)), st.integers(1, 6000)), max_size=12
    ),
)
@examples(100)
def test_whatever_is_released_and_refunded(legs, support, moves):
    """Parts add up, no leg passes its cap, what is most can be given and a minor unit more not."""
    shares = [Leg(f"l{n}", to, share, extra=extra) for n, (to, share, extra) in enumerate(legs)]
    total = sum(leg.share for leg in shares)
    amount = total * support // 200  # at most half comes from a campaign
    givers = [Giver("expense/coupon", amount)] if amount else []
    escrow = an_escrow(*shares, givers=givers)
    for move, amount in moves:
        escrow = released(escrow, amount) if move == "release" else refunded(escrow, move, amount)
        for leg in escrow.legs:
            assert 0 <= leg.returned <= leg.received
            assert leg.waived >= 0
            assert leg.received + leg.waived <= leg.share
        assert escrow.refunded <= escrow.paid
        gave = sum(leg.waived + leg.returned for leg in escrow.legs)
        assert gave == escrow.refunded + sum(giver.returned for giver in escrow.givers)


def released(escrow, amount):
    there = sum(leg.held for leg in escrow.legs)
    if not there:
        return escrow
    legs = rules.released(escrow.legs, rules.releases(escrow, min(amount, there)))
    return msgspec.structs.replace(escrow, legs=legs)


def refunded(escrow, policy, amount):
    most = rules.most_refundable(escrow, policy)
    over = most + 1 + sum(rules.support_back(escrow, most + 1))
    if most < escrow.paid - escrow.refunded:
        with pytest.raises(RefundExceeded):
            rules.refund_parts(escrow, over, policy)
    amount = min(amount, most)
    if not amount:
        return escrow
    support = rules.support_back(escrow, amount)
    parts = rules.refund_parts(escrow, amount + sum(support), policy)
    assert sum(parts) == amount + sum(support)
    for part, can in zip(parts, rules.caps(escrow.legs, policy), strict=True):
        assert 0 <= part <= can
    legs, out = rules.given_back(escrow.legs, parts, [0] * len(parts))
    assert out == sum(leg.held for leg in escrow.legs) - sum(leg.held for leg in legs)
    return msgspec.structs.replace(
        escrow,
        legs=legs,
        refunded=escrow.refunded + amount,
        givers=rules.givers_after(escrow.givers, support),
    )


@given(
    legs=LEGS, amounts=st.tuples(st.integers(1, 3000), st.integers(1, 3000)), release=st.booleans()
)
def test_a_refund_that_came_to_nothing_is_in_escrow_again(legs, amounts, release):
    """Whichever of two refunds it was: as much is held more as it had given."""
    shares = [Leg(f"l{n}", to, share) for n, (to, share, _) in enumerate(legs)]
    escrow = an_escrow(*shares)
    if release:
        escrow = released(escrow, amounts[1])
    first = min(amounts[0], rules.most_refundable(escrow, "pro_rata"))
    parts = rules.refund_parts(escrow, first, "pro_rata")
    escrow = refunded(refunded(escrow, "pro_rata", first), "platform_first", amounts[1])
    back = [rules.restored(leg, part) for leg, part in zip(escrow.legs, parts, strict=True)]
    for leg, was, part in zip(back, escrow.legs, parts, strict=True):
        assert leg.held == was.held + part
        assert leg.left == was.left + part
        assert 0 <= leg.returned <= leg.received
        assert leg.waived >= 0
