"""Shares by a rule add up to the last minor unit and are what it says; bad rules are told."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from khata.base.money import to_minor, to_text
from khata.base.units import ISO_4217
from khata.domain.commissions import STANDARD, Part, Rule, Share, Tax, Tier, shares
from khata.domain.commissions.checking import checked_parts
from khata.domain.commissions.rules import chosen, overlaps
from khata.errors import Invalid, InvalidAmount, TooManyDecimals
from khata.errors.market import RuleInvalid, SplitImpossible

KARIM, LINA = "karim/partner/BDT", "lina/creator/BDT"
HOUSE = "revenue/commission"
REST = Part("partner", "partner", rest=True)
BOTH = {"partner": KARIM, "creator": LINA}


def a_rule(*parts, name="r", **where):
    """A rule in force, with a part that takes the rest."""
    return Rule(
        **{
            "name": name,
            "version": 1,
            "parts": checked_parts([*parts, REST], ISO_4217.__getitem__),
            "sources": None,
            "category": None,
            "partner": None,
            "status": "in_force",
            "newest": name,
            "open_partner": "/",
            "reason": None,
            "since": 0,
            "ended_at": None,
            **where,
        }
    )


def split(rule, amount, parties=BOTH, unit="BDT"):
    """Name → decimal string."""
    places = ISO_4217[unit]
    found = shares(rule, to_minor(amount, places), unit, places, parties)
    return {one.name: to_text(one.amount, places) for one in found}


# ── the standard ─────────────────────────────────────────────────────────────────────


def test_the_standard_with_and_without_a_creator():
    """5 % and 15 %, the rest for the partner; a sale without a creator has two shares."""
    assert shares(STANDARD, 100_000, "BDT", 2, BOTH) == [
        Share("platform", HOUSE, 5_000),
        Share("creator", LINA, 15_000),
        Share("partner", KARIM, 80_000),
    ]
    assert split(STANDARD, "1000.00", {"partner": KARIM}) == {
        "platform": "50.00",
        "partner": "950.00",
    }


@pytest.mark.parametrize(
    ("amount", "platform", "creator", "partner"),
    [
        (1, 0, 0, 1),  # 0.05, 0.15, 0.8: the rest lost most
        (2, 0, 0, 2),
        (7, 0, 1, 6),
        (10, 1, 1, 8),  # 0.5, 1.5, 8: two lost alike, and the first part gets the one that is left
        (30, 2, 4, 24),
    ],
)
def test_the_rounding_is_as_published(amount, platform, creator, partner):
    """Largest remainder; a tie to the rest, then in the order of the parts."""
    found = {one.name: one.amount for one in shares(STANDARD, amount, "BDT", 2, BOTH)}
    assert found == {
        name: minor
        for name, minor in (("platform", platform), ("creator", creator), ("partner", partner))
        if minor
    }


def test_a_tie_goes_to_the_rest_first():
    """Half a unit each: it is the rest's, wherever that part stands."""
    rule = a_rule(Part("house", HOUSE, points=5000))
    assert split(rule, "0.01") == {"partner": "0.01"}
    assert split(rule, "0.03") == {"house": "0.01", "partner": "0.02"}


def test_a_share_of_nothing_is_left_out_but_the_rests():
    """Whoever takes the rest is named even when there is none."""
    rule = a_rule(Part("none", HOUSE, points=0), Part("all", "revenue/all", points=10_000))
    assert split(rule, "5.00") == {"all": "5.00", "partner": "0.00"}
    assert split(rule, "0.00") == {"partner": "0.00"}


# ── sorts of parts ───────────────────────────────────────────────────────────────────

TIERS = [Tier(1000, {"BDT": "100.00"}), Tier(500, {"BDT": "1000.00"}), Tier(200)]


@pytest.mark.parametrize(
    ("amount", "whole", "marginal"),
    [
        ("100.00", "10.00", "10.00"),
        ("100.02", "5.00", "10.00"),
        ("1000.00", "50.00", "55.00"),
        ("3000.00", "60.00", "95.00"),
    ],
)
def test_tiers(amount, whole, marginal):
    """The whole amount at the points of its tier, or each slice at those of its own."""
    assert split(a_rule(Part("house", HOUSE, tiers=TIERS)), amount)["house"] == whole
    rule = a_rule(Part("house", HOUSE, tiers=TIERS, marginal=True))
    assert split(rule, amount)["house"] == marginal


def test_fixed_parts_and_bounds():
    """A fixed part is what it says; points stay between the least and the most."""
    rule = a_rule(
        Part("fee", "revenue/fee", fixed={"BDT": "2.5", "IQD": "0.125"}),
        Part("house", HOUSE, points=500, least={"BDT": "10"}, most={"BDT": "100"}),
    )
    assert split(rule, "50.00") == {"fee": "2.50", "house": "10.00", "partner": "37.50"}
    assert split(rule, "1000.00")["house"] == "50.00"
    assert split(rule, "9000.00")["house"] == "100.00"
    assert split(rule, "1.000", unit="IQD")["fee"] == "0.125"
    assert split(rule, "9000.000", unit="IQD")["house"] == "450.000"


def test_a_tax_that_is_included_and_one_on_top():
    """15 of 115 of the part, which nobody else notices; or 15 % more, out of the rest."""
    within = a_rule(Part("house", HOUSE, points=1150, tax=Tax(1500)))
    assert split(within, "100.00") == {
        "house": "10.00",
        "house_tax": "1.50",
        "partner": "88.50",
    }
    on_top = a_rule(Part("house", HOUSE, points=1000, tax=Tax(1500, included=False)))
    assert split(on_top, "100.00") == {
        "house": "10.00",
        "house_tax": "1.50",
        "partner": "88.50",
    }
    found = shares(on_top, 10_000, "BDT", 2, BOTH)
    assert [one.to for one in found] == [HOUSE, "payable/vat", KARIM]


def test_the_rest_may_include_a_tax():
    """The partner's own: carved out of what is left for them."""
    parts = [Part("partner", "partner", rest=True, tax=Tax(1000, "payable/withheld"))]
    rule = Rule("r", 1, parts, None, None, None, "in_force", "r", "/", None, 0, None)
    assert split(rule, "1.10") == {"partner": "1.00", "partner_tax": "0.10"}
    assert split(rule, "0.00") == {"partner": "0.00"}


def test_a_part_for_nobody():
    """Left out if it may be; else it is asked for, like the rest's."""
    rule = a_rule(Part("rider", "rider", points=100))
    with pytest.raises(Invalid, match="the rider"):
        split(rule, "1.00")
    with pytest.raises(Invalid, match="the partner"):
        split(STANDARD, "1.00", {"creator": LINA})


def test_parts_of_more_than_there_is():
    """The refusal says how much it takes."""
    rule = a_rule(
        Part("fee", "revenue/fee", fixed={"BDT": "5"}),
        Part("house", HOUSE, points=3333, least={"BDT": "2"}),
    )
    with pytest.raises(SplitImpossible) as caught:
        split(rule, "6.99")
    assert caught.value.details["expected"] == "7.33"
    assert split(rule, "7.50") == {"fee": "5.00", "house": "2.50"} | {"partner": "0.00"}


def test_a_currency_that_a_part_does_not_name():
    """A fixed part and a tier need an amount; a bound that is not there does not bind."""
    for part in (
        Part("fee", HOUSE, fixed={"BDT": "5"}),
        Part("fee", HOUSE, tiers=TIERS),
    ):
        with pytest.raises(Invalid) as caught:
            split(a_rule(part), "9.00", unit="USD")
        assert (caught.value.details["expected"], caught.value.details["got"]) == (["BDT"], "USD")
    with pytest.raises(Invalid):
        shares(STANDARD, -1, "BDT", 2, BOTH)


# ── properties ───────────────────────────────────────────────────────────────────────

AMOUNTS = st.one_of(st.integers(0, 200), st.integers(0, 10**17))
TEXTS = st.integers(1, 10**6).map(lambda minor: {"BDT": to_text(minor, 2)})


@st.composite
def tiered(draw):
    """Ascending tiers of few points."""
    bounds = sorted(draw(st.sets(st.integers(1, 10**6), max_size=4)))
    points = [draw(st.integers(0, 1500)) for _ in range(len(bounds) + 1)]
    closed = [Tier(points[at], {"BDT": to_text(bound, 2)}) for at, bound in enumerate(bounds)]
    return [*closed, Tier(points[-1])]


@st.composite
def some_part(draw, at):
    """A part of one sort or another, with bounds and a tax perhaps."""
    sort = draw(st.sampled_from(["points", "points", "fixed", "tiers"]))
    fields = {
        "points": {"points": draw(st.integers(0, 1500))},
        "fixed": {"fixed": draw(TEXTS)},
        "tiers": {"tiers": draw(tiered()), "marginal": draw(st.booleans())},
    }[sort]
    if sort != "fixed" and draw(st.booleans()):
        low, high = sorted((draw(st.integers(1, 10**5)), draw(st.integers(1, 10**5))))
        fields |= {"least": {"BDT": to_text(low, 2)}, "most": {"BDT": to_text(high, 2)}}
    if draw(st.booleans()):
        fields["tax"] = Tax(draw(st.integers(0, 2500)), included=draw(st.booleans()))
    to = draw(st.sampled_from([HOUSE, "creator", "absent"]))
    return Part(f"p{at}", to, if_present=to == "absent", **fields)


@st.composite
def some_rule(draw):
    """Up to four parts, the rest standing anywhere among them."""
    parts = [draw(some_part(at)) for at in range(draw(st.integers(0, 4)))]
    rest = Part("rest", "partner", rest=True, tax=draw(st.sampled_from([None, Tax(777)])))
    parts.insert(draw(st.integers(0, len(parts))), rest)
    parts = checked_parts(parts, ISO_4217.__getitem__)
    return Rule("r", 1, parts, None, None, None, "in_force", "r", "/", None, 0, None)


def should_get(part, amount):
    """A part's exact share as a reader of the rule would work it out: a fraction."""
    if part.fixed:
        return Fraction(to_minor(part.fixed["BDT"], 2))
    if part.tiers:
        exact, below = Fraction(0), 0
        for tier in part.tiers:
            bound = to_minor(tier.up_to["BDT"], 2) if tier.up_to else max(amount, below)
            if part.marginal:
                exact += Fraction(max(min(amount, bound) - below, 0) * tier.points, 10_000)
            elif amount <= bound:
                exact = Fraction(amount * tier.points, 10_000)
                break
            below = bound
    else:
        exact = Fraction(amount * part.points, 10_000)
    if part.least:
        exact = max(exact, Fraction(to_minor(part.least["BDT"], 2)))
        exact = min(exact, Fraction(to_minor(part.most["BDT"], 2)))
    return exact


@given(rule=some_rule(), amount=AMOUNTS)
def test_any_rule_shares_any_amount(rule, amount):
    """They add up; none is negative; each is within one unit of the exact one, and its bounds."""
    there = [part for part in rule.parts if part.to != "absent"]
    exact = {part.name: should_get(part, amount) for part in there if not part.rest}
    for part in there:
        if part.tax and not part.tax.included:
            exact[f"{part.name}_tax"] = exact[part.name] * part.tax.points / 10_000
    exact["rest"] = amount - sum(exact.values())
    if exact["rest"] < 0:
        with pytest.raises(SplitImpossible) as caught:
            shares(rule, amount, "BDT", 2, BOTH)
        needed = to_minor(caught.value.details["expected"], 2)
        assert 0 <= needed - (amount - exact["rest"]) < 1
        return
    found = {one.name: one.amount for one in shares(rule, amount, "BDT", 2, BOTH)}
    assert sum(found.values()) == amount
    assert all(minor > 0 or name == "rest" for name, minor in found.items())
    assert min(found.values()) >= 0
    for part in there:
        if part.tax and part.tax.included:  # carved out of what the part got
            got, tax = found.get(part.name, 0), found.pop(f"{part.name}_tax", 0)
            assert abs(tax - Fraction((got + tax) * part.tax.points, 10_000 + part.tax.points)) < 1
            found[part.name] = got + tax
    for name, should in exact.items():
        assert abs(found.get(name, 0) - should) < 1
    for part in there:
        if part.fixed:
            assert found.get(part.name, 0) == exact[part.name]
        if part.least:
            low, high = to_minor(part.least["BDT"], 2), to_minor(part.most["BDT"], 2)
            assert low <= found.get(part.name, 0) <= high


@given(rule=some_rule(), amount=AMOUNTS)
def test_the_same_goes_in_and_the_same_comes_out(rule, amount):
    """Nothing but the rule and the amount decides."""

    def told():
        try:
            return shares(rule, amount, "BDT", 2, BOTH)
        except SplitImpossible as error:
            return error.details

    assert told() == told()


# ── what a rule may be ───────────────────────────────────────────────────────────────

WIDE = {f"A{n:02}": "1" for n in range(51)}
BAD = [
    ("parts", []),
    ("parts", [Part(f"p{n}", HOUSE, points=1) for n in range(20)] + [REST]),
    ("no_rest", [Part("a", HOUSE, points=10_000)]),
    ("two_rests", [REST, Part("b", "creator", rest=True)]),
    ("name", [Part("A b", HOUSE, points=1), REST]),
    ("name", [Part("", HOUSE, points=1), REST]),
    ("name_twice", [Part("partner", HOUSE, points=1), REST]),
    ("name_twice", [Part("a", HOUSE, points=1, tax=Tax(1)), Part("a_tax", "x", points=1), REST]),
    ("points", [Part("a", HOUSE, points=-1), REST]),
    ("points", [Part("a", HOUSE, points=10_001), REST]),
    ("points", [Part("a", HOUSE, points=6000), Part("b", HOUSE, points=4001), REST]),
    ("points", [Part("a", HOUSE, points=10_000, tax=Tax(1, included=False)), REST]),
    ("points", [Part("a", HOUSE, tiers=[Tier(6000)]), Part("b", HOUSE, points=4001), REST]),
    ("points", [Part("a", HOUSE, tiers=[Tier(-1)]), REST]),
    ("points", [Part("a", HOUSE, points=1, tax=Tax(10_001)), REST]),
    ("sort", [Part("a", HOUSE), REST]),
    ("sort", [Part("a", HOUSE, points=1, rest=True), REST]),
    ("sort", [Part("a", HOUSE, points=1, fixed={"BDT": "1"}), REST]),
    ("to", [Part("a", "wallet/x/personal/BDT", points=1), REST]),
    ("to", [Part("a", "cash/main", points=1), REST]),
    ("to", [Part("a", "escrow/M1", points=1), REST]),
    ("to", [Part("a", "revenue/", points=1), REST]),
    ("to", [Part("a", "revenue/a b", points=1), REST]),
    ("to", [Part("a", "Partner", points=1), REST]),
    ("to", [Part("a", "", points=1), REST]),
    ("tax", [Part("a", HOUSE, points=1, tax=Tax(1, "partner")), REST]),
    ("tax", [Part("p", "partner", rest=True, tax=Tax(1, included=False))]),
    ("if_present", [Part("p", "partner", rest=True, if_present=True)]),
    ("if_present", [Part("a", HOUSE, points=1, if_present=True), REST]),
    ("bounds", [Part("p", "partner", rest=True, least={"BDT": "1"})]),
    ("bounds", [Part("a", HOUSE, fixed={"BDT": "1"}, most={"BDT": "1"}), REST]),
    ("bounds", [Part("a", HOUSE, points=1, least={"BDT": "2"}, most={"BDT": "1.99"}), REST]),
    ("amounts", [Part("a", HOUSE, fixed={}), REST]),
    ("amounts", [Part("a", HOUSE, fixed=WIDE), REST]),
    ("tiers", [Part("a", HOUSE, points=1, marginal=True), REST]),
    ("tiers", [Part("a", HOUSE, tiers=[]), REST]),
    ("tiers", [Part("a", HOUSE, tiers=TIERS[:2]), REST]),
    ("tiers", [Part("a", HOUSE, tiers=[Tier(1), Tier(2)]), REST]),
    ("tiers", [Part("a", HOUSE, tiers=[TIERS[0], TIERS[0], TIERS[2]]), REST]),
    ("tiers", [Part("a", HOUSE, tiers=[TIERS[1], TIERS[0], TIERS[2]]), REST]),
    ("tiers", [Part("a", HOUSE, tiers=[TIERS[0], Tier(1, {"USD": "999"}), Tier(1)]), REST]),
    ("tiers", [Part("a", HOUSE, tiers=[Tier(1)] * 21), REST]),
]


@pytest.mark.parametrize(("reason", "parts"), BAD)
def test_a_rule_that_cannot_share(reason, parts):
    """It is refused when it is defined, with what is wrong."""
    with pytest.raises(RuleInvalid) as caught:
        checked_parts(parts, ISO_4217.__getitem__)
    assert caught.value.details["reason"] == reason


def test_amounts_of_a_rule_are_amounts():
    """Above zero, with the decimals of their currency; they are kept in full."""
    for text, error in (("0", InvalidAmount), ("1.001", TooManyDecimals), ("x", InvalidAmount)):
        with pytest.raises(error):
            a_rule(Part("a", HOUSE, fixed={"BDT": text}))
    rule = a_rule(Part("a", HOUSE, tiers=[Tier(5, {"JPY": "7", "BDT": "1.5"}), Tier(1)]))
    assert rule.parts[0].tiers[0].up_to == {"BDT": "1.50", "JPY": "7"}


# ── which rule ───────────────────────────────────────────────────────────────────────


def test_the_most_specific_rule_is_chosen():
    """Partner and category, partner, category, general; on each level one for the source first."""
    places = [
        {"partner": "karim", "category": "food"},
        {"partner": "karim"},
        {"category": "food"},
        {},
    ]
    ordered = [
        a_rule(name=f"r{at}{kind}", sources=named, **place)
        for at, place in enumerate(places)
        for kind, named in (("s", ["order", "video_order"]), ("a", None))
    ]
    for at, rule in enumerate(ordered):
        left = ordered[at:]
        assert chosen(reversed(left), "order", "food", "karim") is rule
        assert chosen(left, "order", "food", "karim") is rule
    assert chosen([], "order", "food", "karim") is STANDARD


def test_a_rule_for_something_else_is_not():
    """Another partner, category or source is no match, and nor is none."""
    for where in ({"partner": "rana"}, {"category": "toys"}, {"sources": ["bid"]}):
        assert chosen([a_rule(**where)], "order", "food", "karim") is STANDARD
    for where in ({"partner": "karim"}, {"category": "food"}):
        assert chosen([a_rule(**where)], "order", None, None) is STANDARD


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({}, {}, True),
        ({"category": "food"}, {}, False),
        ({"partner": "karim"}, {}, False),
        ({"category": "food"}, {"category": "food"}, True),
        ({"sources": ["bid"]}, {}, False),
        ({"sources": ["bid"]}, {"sources": ["order"]}, False),
        ({"sources": ["bid", "order"]}, {"sources": ["order"]}, True),
    ],
)
def test_overlaps(one, other, same):
    """Neither is more specific: nobody could say which is meant."""
    assert overlaps(a_rule(**one), a_rule(**other)) is same
    assert overlaps(a_rule(**other), a_rule(**one)) is same
