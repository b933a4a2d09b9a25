"""Matching by values: what belongs together, what is left, and that nothing is guessed."""

import random
from collections import Counter

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from khata.base.clock import DAY, from_iso
from khata.domain.reconciliation import (
    Finder,
    OpenLine,
    OpenPosting,
    Policy,
    Slack,
    Terms,
    leftovers,
    match,
    nearness,
    rules,
)
from khata.domain.reconciliation.naming import contradict
from khata.errors import Invalid
from tests.conftest import examples

FINDER = Finder()
FIRST = 738_000


def line(number, amount, day=0, *names, text=None, **more):
    """A line of the statement `s`; lines with the same names and day read the same."""
    texts = (text,) if text else ()
    mark = repr((amount, day, names, text)) if names else None
    return OpenLine(("s", number), amount, FIRST + day, names, texts, print=mark, **more)


def posting(seq, amount, day=0, *names, **more):
    return OpenPosting((seq, 0, 0), amount, FIRST + day, names, **more)


def outcome(lines, postings, **terms):
    """(pairs as (lines' numbers, postings' seqs), exceptions as (class, line, postings))."""
    wanted = Terms(**terms)
    table = match(lines, postings, wanted, FINDER)
    found = leftovers(table, wanted)
    pairs = [([n for _, n in p.lines], [k[0] for k in p.postings]) for p in table.pairs]
    rest = [(x.cls, x.line and x.line[1], [key[0] for key in x.postings]) for x in found]
    return sorted(pairs), rest


# ── one rule after the other ─────────────────────────────────────────────────────────

PAID = posting(1, 100, 0, "pay_0400")
CASES = {
    "reference and amount": (
        [line(1, 100, 2, "NONREF", text="from PAY 0400, thanks")],
        [PAID, posting(2, 100, 2, "pay_0500")],
        [([1], [1])],
        [("missing_in_statement", None, [2])],
    ),
    "the nearest day of a reference that comes again": (
        [line(1, 50, 30, "rent")],
        [posting(1, 50, 0, "rent"), posting(2, 50, 29, "rent")],
        [([1], [2])],
        [("missing_in_statement", None, [1])],
    ),
    "a batch": (
        [line(1, 300, 3, "po_77")],
        [posting(n, 100, n, "order/M1", "po_77") for n in (1, 2, 3)],
        [([1], [1, 2, 3])],
        [],
    ),
    "several lines for one posting": (
        [line(1, 60, 1, "inv_0400"), line(2, 40, 2, "inv_0400")],
        [posting(1, 100, 0, "inv_0400")],
        [([1, 2], [1])],
        [],
    ),
    "an amount that differs": (
        [line(1, 90, 0, "pay_0400")],
        [PAID],
        [],
        [("amount_differs", 1, [1])],
    ),
    "a batch whose sum differs": (
        [line(1, 250, 3, "po_77")],
        [posting(n, 100, n, "po_77") for n in (1, 2, 3)],
        [],
        [("amount_differs", 1, [1, 2, 3])],
    ),
    "a swapped sign": ([line(1, -100, 0, "pay_0400")], [PAID], [], [("sign_swapped", 1, [1])]),
    "a swapped sign without a name": (
        [line(1, -70, 1)],
        [posting(1, 70)],
        [],
        [("sign_swapped", 1, [1])],
    ),
    "a copy": (
        [line(1, 100, 0, "pay_0400"), line(2, 100, 0, "pay_0400")],
        [PAID],
        [([1], [1])],
        [("duplicate_line", 2, [])],
    ),
    "a copy that a run saw before": (
        [line(2, 100, 0, "x7", repeats=True)],
        [posting(5, 100, 1)],
        [],
        [("duplicate_line", 2, []), ("missing_in_statement", None, [5])],
    ),
    "another currency": (
        [line(1, 100, 0, "pay_0400", foreign=True)],
        [PAID],
        [],
        [("foreign_currency", 1, [1])],
    ),
    "a day outside the statement": (
        [line(1, 100, 200, "pay_0400", astray=True)],
        [PAID],
        [],
        [("out_of_period", 1, [1])],
    ),
    "the same amount alone": ([line(1, 100, 3)], [PAID], [([1], [1])], []),
    "the same amount, too late": (
        [line(1, 100, 6)],
        [PAID],
        [],
        [("missing_in_statement", None, [1]), ("missing_in_book", 1, [])],
    ),
    "the same amount, another of our ids": (
        [line(1, 100, 0, "pay_0999")],
        [PAID],
        [],
        [("missing_in_statement", None, [1]), ("missing_in_book", 1, [])],
    ),
    "as many on a day": (
        [line(1, 5, 0), line(2, 5, 0)],
        [posting(1, 5), posting(2, 5)],
        [([1], [1]), ([2], [2])],
        [],
    ),
    "amounts of those that a reference names": (
        [line(1, -50, 0, "u 7"), line(2, -58, 0, "u 8")],
        [posting(1, 50, 0, "u 7"), posting(2, -50, 0, "u 8"), posting(3, -50, 0, "u 9")],
        [],
        [("missing_in_statement", None, [3]), ("sign_swapped", 1, [1]), ("amount_differs", 2, [2])],
    ),
    "two that would fit as well": (
        [line(1, 5, 1)],
        [posting(1, 5, 0), posting(2, 5, 2)],
        [],
        [("ambiguous", 1, [1]), ("missing_in_statement", None, [2])],
    ),
    "a reversal that never left": (
        [],
        [posting(1, 9, 0), posting(2, -9, 1, undoes=(1, 0))],
        [([], [1, 2])],
        [],
    ),
    "a reversal that the bank shows": (
        [line(1, 9, 0), line(2, -9, 1)],
        [posting(1, 9, 0), posting(2, -9, 1, undoes=(1, 0))],
        [([1], [1]), ([2], [2])],
        [],
    ),
    "not due yet": ([], [posting(1, 9, due=False)], [], []),
}


@pytest.mark.parametrize("name", CASES)
def test_what_belongs_together(name):
    """Each rule on its own, and what is left when none fits."""
    lines, postings, pairs, rest = CASES[name]
    assert outcome(lines, postings) == (pairs, rest)


def test_what_may_be_kept():
    """A fee within the policy is part of the match, one minor unit more is not."""
    batch = [posting(n, 1000, 0, "po_77") for n in (1, 2)]
    slack = Slack(points=250, fixed=5)
    for amount, fits in ((1940, True), (1939, False), (2001, False)):
        pairs, rest = outcome([line(1, amount, 1, "po_77")], batch, slack=slack)
        assert (pairs == [([1], [1, 2])], rest == []) == (fits, fits)
    table = match([line(1, 1940, 1, "po_77")], batch, Terms(slack), FINDER)
    assert table.pairs[0].difference == 60
    pairs, _ = outcome([line(1, 99, 0, "pay_0400")], [PAID], slack=Slack(tolerance=1))
    assert pairs == [([1], [1])]


def test_the_sum_of_a_day_only_where_it_is_wanted():
    """A line that names nothing may be a day's takings, if the account works so."""
    takings = [posting(1, 30, 0), posting(2, 12, 0), posting(3, 5, 1)]
    assert outcome([line(1, 42, 2)], takings, settlements=True)[0] == [([1], [1, 2])]
    assert outcome([line(1, 42, 2)], takings)[0] == []


def test_a_match_says_why():
    """The score is the sum of reasons that people can read."""
    (pair,) = match([line(1, 100, 1, "pay_0400")], [PAID], Terms(), FINDER).pairs
    assert (pair.score, pair.rule) == (98, "reference and amount")
    assert pair.why == ["reference pay0400 exact +60", "amount exact +30", "1 day apart +8"]


@pytest.mark.parametrize(
    ("text", "ours"),
    [
        ("Payment pay_0400 for order/M1", {"pay0400", "orderm1"}),
        ("PYO-1X3K", {"pyo1x3k"}),
        ("payment of payroll, invoice 7", set()),
        ("পেমেন্ট pay_0400", {"pay0400"}),
        ("پرداخت order/سفارش۱", {"orderسفارش۱"}),
    ],
)
def test_references_are_found_in_free_texts(text, ours):
    """Whatever signs a bank puts between letters and digits, in whatever script."""
    assert FINDER.names_of((), (text,)).ours == ours
    assert FINDER.names_of(("NONREF", "")).all == frozenset()


def test_patterns_of_a_book():
    """Whatever groups and letters they have; one that fits nothing finds nothing."""
    names = Finder([r"\b(bill)-(\d{6})\b", r"CASE \d+", r"\d*"]).names_of(
        (), ("BILL-000007, case 9",)
    )
    assert {"bill000007", "case9"} <= names.ours
    assert "" not in names.ours


def test_names_contradict_only_among_ours():
    """A reference of the bank's own says nothing about whose money it is."""
    mine, other, bank = (FINDER.names_of((name,)) for name in ("pay_0400", "pay_0500", "FT1"))
    assert contradict(mine, other)
    assert not contradict(mine, mine)
    assert not contradict(bank, mine)


# ── many alike ───────────────────────────────────────────────────────────────────────


def test_many_alike_are_not_compared_with_each_other(monkeypatch):
    """One amount on one day a thousand times, one of them missing: nothing is guessed, nobody is
    compared with everybody; ids of ours that differ are never matched, however many there are.
    """
    told = []
    monkeypatch.setattr(nearness, "contradict", lambda *some: told.append(1) or contradict(*some))
    count = 1000
    posted = [posting(n, 100, 0, f"ent_{n:04d}") for n in range(count)]
    pairs, rest = outcome([line(n, 100, 0, f"B{n}") for n in range(count - 1)], posted)
    assert (pairs, Counter(cls for cls, *_ in rest)) == (
        [],
        {"ambiguous": count - 1, "missing_in_statement": 1},
    )
    shop = [line(n, 100, n % 3, "shop 7", text=f"pay_{n:04d}") for n in range(count)]
    paid = [posting(n, 100, n % 3, "shop 7", f"pay_{n + 9:04d}") for n in range(count)]
    pairs, rest = outcome(shop, paid)
    assert pairs == [([n + 9], [n]) for n in range(count - 9)]
    assert len(rest) == 18
    differ = [posting(n, 103 + n * 7, 0, "shop 7") for n in range(count)]
    pairs, rest = outcome([line(n, 100 + n * 7, 0, "shop 7") for n in range(count)], differ)
    assert Counter(cls for cls, *_ in rest) == {"amount_differs": count}
    assert len(told) < 10 * count


# ── whatever is wrong ────────────────────────────────────────────────────────────────

DEFECTS = {
    "missing_in_book": lambda one, other: ([one], []),
    "missing_in_statement": lambda one, other: ([], [other]),
    "amount_differs": lambda one, other: (
        [msgspec.structs.replace(one, amount=one.amount * 2)],
        [other],
    ),
    "sign_swapped": lambda one, other: (
        [msgspec.structs.replace(one, amount=-one.amount)],
        [other],
    ),
    "duplicate_line": lambda one, other: (
        [one, msgspec.structs.replace(one, key=("s", 9000 + one.key[1]))],
        [other],
    ),
    "foreign_currency": lambda one, other: ([msgspec.structs.replace(one, foreign=True)], [other]),
    "out_of_period": lambda one, other: (
        [msgspec.structs.replace(one, astray=True, day=one.day + 99)],
        [other],
    ),
}
AMOUNTS = st.integers(-30, 30).filter(bool)


@given(
    rows=st.lists(
        st.tuples(AMOUNTS, st.integers(0, 9), st.integers(0, 3), st.sampled_from(["", *DEFECTS])),
        max_size=30,
    ),
    seed=st.randoms(use_true_random=False),
)
@examples(100)
def test_so_many_defects_so_many_exceptions(rows, seed):
    """A statement of a book with defects of any kind: one exception for each, of its class, all
    else is matched rightly, nothing twice, in whatever order it is read.
    """
    lines, postings, wanted, right = [], [], [], []
    for number, (amount, day, late, defect) in enumerate(rows, 1):
        name = f"pay_{number:04d}"
        one = line(
            number, amount, day + late, f"B{number}", text=f"{name} for order/M{number % 3}, bye"
        )
        other = posting(number, amount, day, name, f"order/M{number % 3}")
        change = DEFECTS.get(defect, lambda *both: tuple([each] for each in both))
        more = change(one, other)
        lines += more[0]
        postings += more[1]
        wanted += [defect] if defect else []
        right += [([number], [number])] if defect in ("", "duplicate_line") else []
    first = outcome(lines, postings)
    assert Counter(cls for cls, _, _ in first[1]) == Counter(wanted)
    assert [(n % 9000, s) for (n,), (s,) in first[0]] == [(n, s) for (n,), (s,) in right]
    named = [n for some, _ in first[0] for n in some] + [n for _, n, _ in first[1] if n]
    assert sorted(named) == sorted(each.key[1] for each in lines)
    seed.shuffle(lines)
    seed.shuffle(postings)
    assert outcome(lines, postings) == first


@given(
    lines=st.lists(st.tuples(AMOUNTS, st.integers(0, 4), st.integers(0, 4)), max_size=12),
    postings=st.lists(st.tuples(AMOUNTS, st.integers(0, 4), st.integers(0, 4)), max_size=12),
    seed=st.integers(0, 99),
)
@examples(100)
def test_whatever_comes_nothing_is_matched_twice(lines, postings, seed):
    """Few names and amounts, so that much looks alike: sums agree, everything is somewhere once."""
    some = [line(n, a, d, *[f"r{r}00"] * (r > 1)) for n, (a, d, r) in enumerate(lines)]
    others = [posting(n, a, d, *[f"r{r}00"] * (r > 1)) for n, (a, d, r) in enumerate(postings)]
    first = outcome(some, others)
    amounts = {each.key[1]: each.amount for each in some}
    values = {each.key[0]: each.amount for each in others}
    for numbers, seqs in first[0]:
        assert sum(amounts[n] for n in numbers) == sum(values[s] for s in seqs)
    used = Counter(n for numbers, _ in first[0] for n in numbers)
    used.update(n for _, n, _ in first[1] if n is not None)
    assert used == Counter(amounts.keys())
    spent = Counter(s for _, seqs in (*first[0], *(x[1:] for x in first[1])) for s in seqs)
    assert spent == Counter(values.keys())
    random.Random(seed).shuffle(some)
    random.Random(seed).shuffle(others)
    assert outcome(some, others) == first


# ── values ───────────────────────────────────────────────────────────────────────────


def test_days():
    """ISO dates are days, and nothing else is; a day begins where the bank is."""
    assert rules.ordinal("2026-01-31") == FIRST + 1647
    bad = ("2026-02-30", "20260131", "2026-W05-6", "٢٠٢٦-٠١-٣١", "", "2026-1-31")
    assert [rules.ordinal(day) for day in bad] == [None] * len(bad)
    midnight = from_iso("2026-01-31T00:00:00+06:00")
    assert rules.start_of("2026-01-31", 360) == midnight
    assert rules.day_of(midnight, 360) - rules.day_of(midnight - 1, 360) == 1
    assert rules.to_day(rules.day_of(midnight, 360)) == "2026-01-31"
    assert rules.start_of(rules.after("2026-01-31")) - rules.start_of("2026-01-31") == DAY
    assert [rules.bucket(n) for n in (0, 1, 2, 31, 91)] == ["0-1", "0-1", "2-7", "31-90", "over 90"]


@pytest.mark.parametrize(
    "setting",
    [
        {"days": -1},
        {"days": 400},
        {"fees": {"bank/main": {"points": 10_001}}},
        {"patterns": ["("]},
        {"unknown": 1},
        {"tolerance": {"BDT": 1}},
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(setting):
    """Whoever runs with it is told."""
    with pytest.raises(Invalid):
        rules.policy_in(setting)


def test_a_policy_with_an_amount_that_is_none():
    """Amounts are looked at with the account's decimals."""
    policy = Policy(tolerance={"BDT": "0.001"})
    with pytest.raises(Invalid):
        rules.slack_of(policy, "bank/main", "BDT", 2)
    assert rules.slack_of(policy, "bank/main", "IQD", 3) == Slack()
