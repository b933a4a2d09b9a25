"""Campaigns: what purchases get, what is counted, who is refused, on both databases."""

import itertools
import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from khata import KhataError, Money
from khata.domain import benefits, ledger, setup
from khata.domain.access import Approve, RequestApproval
from khata.domain.benefits import (
    ChangeBudget,
    CreateCampaign,
    EndCampaign,
    ExtendCampaign,
    PauseCampaign,
    Refer,
    ResumeCampaign,
    SetBenefitPolicy,
)
from khata.engine import reading
from khata.engine.replay import replay
from tests.builders import (
    ADMIN,
    FINANCE,
    OTHER_ADMIN,
    SERVICE,
    Clock,
    bdt,
    discrepancies,
    owner,
    refused,
)
from tests.buyers import Buy, Return, a_shop, bought, campaign, left, open_shop, returned
from tests.conftest import examples
from tests.servers import sqlite_at
from tests.store.test_queries_plans import plans_of

_numbers = itertools.count()


def balance_of(book, code):
    """An account's balance; nothing when there is none."""
    lines = {line.code: line.balance for line in book.query(ledger.trial_balance)}
    return lines.get(code, "0.00")


def events(book):
    """What the world outside was told, by type."""
    with book.database.reading() as connection:
        rows = connection.exec_driver_sql("SELECT type, owner FROM events ORDER BY seq, n")
        return [tuple(row) for row in rows]


def reason(book, command, **options):
    """The code and the reason of a refusal."""
    error = refused(book, command, **options)
    return error.code, error.details.get("reason")


# ── giving and giving back ───────────────────────────────────────────────────────────


def test_a_purchase_gets_its_benefit_and_gives_it_back(database_url):
    """Budget, uses, the owner's count and the expense go up together, and down again."""
    with a_shop(database_url) as book:
        campaign(book, budget=bdt("250.00"), per_user=1)
        assert bought(book, "1", "EID") == [("EID", 10_000)]
        assert left(book) == ("150.00", "100.00", 1)
        assert balance_of(book, "expense/campaigns/EID") == "100.00"
        assert reason(book, Buy("order/2", "alice", bdt("10.00"), ["EID"])) == (
            "benefit_refused",
            "per_user",
        )
        assert refused(book, Buy("order/1", "alice", bdt("10.00"), ["EID"])).code == (
            "already_exists"
        )
        assert returned(book, "1") == [("EID", 10_000)]
        assert left(book) == ("250.00", "0.00", 0)
        assert balance_of(book, "expense/campaigns/EID") == "0.00"
        assert returned(book, "1") == returned(book, "none") == []
        assert bought(book, "2", "EID") == [("EID", 10_000)]
        assert refused(book, Buy("order/1", "bob", bdt("10.00"), ["EID"])).code == "already_exists"
        assert discrepancies(book) == []


def test_a_purchase_without_codes_gets_nothing(database_url):
    """And may get its benefits another time."""
    with a_shop(database_url) as book:
        campaign(book)
        assert bought(book, "1") == []
        assert bought(book, "1", "EID") == [("EID", 10_000)]


def test_refunds_in_parts_give_back_pro_rata(database_url):
    """Rounded down over all of them; the use counts until all of it is back."""
    with a_shop(database_url) as book:
        campaign(book, amount=bdt("0.10"), budget=bdt("0.10"))
        bought(book, "1", "EID")
        assert [returned(book, "1", 33, 100), returned(book, "1", 33, 100)] == [[("EID", 3)]] * 2
        assert left(book) == ("0.06", "0.04", 1)
        for part, whole in ((1, None), (None, 5), (0, 5), (6, 5), (1, 99)):
            assert refused(book, Return("order/1", part, whole)).code == "invalid_input"
        assert returned(book, "1", 34, 100) == [("EID", 4)]
        assert left(book) == ("0.10", "0.00", 0)
        (use,) = book.query(benefits.uses, subject="order/1").items
        assert (use.status, use.amount, use.returned) == ("returned", "0.10", "0.10")
        assert discrepancies(book) == []


def test_combined_campaigns_and_who_pays(database_url):
    """Each payer's part is told apart; all together stay below the policy's cap."""
    with a_shop(database_url) as book:
        book.submit(SetBenefitPolicy(points=5000, most=[bdt("200.00")]))
        campaign(book, "A", stacks="with_others", payer="seller", priority=2)
        campaign(book, "B", amount=bdt("60.00"), stacks="with_others", priority=1)
        campaign(book, "C", stacks="with_others", payer="partner", priority=3)
        campaign(book, "D", stacks="with_others", priority=4)
        command = Buy("order/1", "alice", bdt("1000.00"), ["D", "C", "B", "A"], partner="karim")
        granted = book.submit(command).result
        assert [(one.campaign, one.payer, one.amount, one.account) for one in granted] == [
            ("B", "platform", 6000, "expense/campaigns/B"),
            ("A", "seller", 10_000, ""),
            ("C", "partner", 4000, ""),
        ]
        assert (left(book, "D")[1:], left(book, "C")[1:]) == (("0.00", 0), ("40.00", 1))
        assert bought(book, "2", "B", "D", amount="10.00") == [("B", 500)]


def test_purchases_that_make_no_sense(database_url):
    """Each is refused with one clear error, and nothing is counted."""
    with a_shop(database_url) as book:
        campaign(book, "A", stacks="with_others")
        campaign(book, "B", sources=["delivery"])
        campaign(book, "C", stacks="alone")
        for fields, code in (
            ({"codes": ["A", "A"]}, "invalid_input"),
            ({"codes": [f"X{n}" for n in range(11)]}, "invalid_input"),
            ({"amount": bdt("0")}, "invalid_input"),
            ({"amount": bdt("-1")}, "invalid_input"),
            ({"subject": "an order"}, "invalid_input"),
            ({"owner": "a/b"}, "invalid_input"),
            ({"codes": ["none"]}, "campaign_not_found"),
            ({"codes": ["B"]}, "benefit_refused"),
            ({"codes": ["A", "C"]}, "benefit_refused"),
            ({"amount": Money("1.00", "USD")}, "benefit_refused"),
        ):
            given_ = {"subject": "order/1", "owner": "alice", "amount": bdt("9"), "codes": ["A"]}
            assert refused(book, Buy(**{**given_, **fields})).code == code
        assert book.query(benefits.uses).items == []
        assert [left(book, code)[2] for code in "ABC"] == [0, 0, 0]


# ── what staff do with campaigns ─────────────────────────────────────────────────────


def test_a_campaigns_life(database_url):
    """Not yet, running, paused, resumed, over, extended, ended."""
    clock = Clock()
    with a_shop(database_url, clock=clock) as book:
        campaign(book, starts_at="2026-01-31T10:00:00Z", ends_at="2026-01-31T12:00:00Z")
        ask = Buy("order/0", "alice", bdt("10.00"), ["EID"])
        assert reason(book, ask) == ("campaign_closed", "not_started")
        clock.pass_by(3600)
        assert bought(book, "1", "EID")
        book.submit(PauseCampaign("EID", "looking"))
        assert reason(book, ask) == ("campaign_closed", "paused")
        assert refused(book, PauseCampaign("EID", "again")).code == "invalid_transition"
        assert book.submit(ResumeCampaign("EID", "fine")).result.open
        assert refused(book, ResumeCampaign("EID", "again")).code == "invalid_transition"
        clock.pass_by(7200)
        assert reason(book, ask) == ("campaign_closed", "over")
        assert not book.query(benefits.campaign, "EID").open
        over = ExtendCampaign("EID", "longer", "2026-01-31T11:00:00Z")
        assert refused(book, over).code == "invalid_input"
        book.submit(ExtendCampaign("EID", "longer", "2026-02-01"))
        assert bought(book, "2", "EID")
        assert book.submit(ExtendCampaign("EID", "for good", None)).result.ends_at is None
        ended = book.submit(EndCampaign("EID", "enough")).result
        assert (ended.status, ended.reason) == ("ended", "enough")
        for command in (EndCampaign("EID", "x"), ExtendCampaign("EID", "x", None)):
            assert refused(book, command).code == "invalid_transition"
        assert returned(book, "2") == [("EID", 10_000)]
        assert ("campaign.ended", None) in events(book)
        assert ("benefit.granted", "alice") in events(book)
        assert ("benefit.returned", "alice") in events(book)


def test_a_budget_is_changed(database_url):
    """Up, down to what is spent and no further, and away."""
    with a_shop(database_url) as book:
        campaign(book, budget=bdt("100.00"))
        bought(book, "1", "EID")
        ask = Buy("order/2", "alice", bdt("1.00"), ["EID"])
        assert reason(book, ask) == ("campaign_exhausted", "budget")
        assert not book.query(benefits.campaign, "EID").open
        assert refused(book, ChangeBudget("EID", "less", bdt("99.99"))).code == "invalid_input"
        assert refused(book, ChangeBudget("EID", " ", bdt("200.00"))).code == "invalid_input"
        usd = ChangeBudget("EID", "more", Money("200.00", "USD"))
        assert refused(book, usd).code == "currency_mismatch"
        assert book.submit(ChangeBudget("EID", "more", bdt("200.00"))).result.left == "100.00"
        assert book.submit(ChangeBudget("EID", "no end", None)).result.left is None
        assert refused(book, ChangeBudget("none", "x", None)).code == "campaign_not_found"


GOOD = {"code": "EID", "title": "Eid", "currency": "BDT", "points": 1000}


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"code": ""}, "invalid_input"),
        ({"code": "a b"}, "invalid_input"),
        ({"code": "x" * 41}, "invalid_input"),
        ({"code": "EID\ud800"}, "invalid_input"),
        ({"title": " "}, "invalid_input"),
        ({"title": "x" * 201}, "invalid_input"),
        ({"title": "a\x00b"}, "invalid_input"),
        ({"points": None}, "invalid_input"),
        ({"amount": bdt("1.00")}, "invalid_input"),
        ({"points": None, "amount": bdt("1.00"), "most": bdt("1.00")}, "invalid_input"),
        ({"points": 0}, "invalid_input"),
        ({"points": 10_001}, "invalid_input"),
        ({"points": None, "amount": bdt("0")}, "invalid_amount"),
        ({"points": None, "amount": bdt("1.001")}, "too_many_decimals"),
        ({"most": bdt("0")}, "invalid_amount"),
        ({"budget": bdt("-1")}, "invalid_amount"),
        ({"budget": bdt("1" + "0" * 17)}, "amount_too_large"),
        ({"budget": Money("1.00", "USD")}, "currency_mismatch"),
        ({"currency": "XXZ"}, "unknown_currency"),
        ({"starts_at": "tomorrow"}, "invalid_input"),
        ({"ends_at": "2020-01-01"}, "invalid_input"),
        ({"starts_at": "2027-01-02", "ends_at": "2027-01-02"}, "invalid_input"),
        ({"per_user": 0}, "invalid_input"),
        ({"most_uses": -1}, "invalid_input"),
        ({"per_user": 1 << 62}, "invalid_input"),
        ({"priority": -1}, "invalid_input"),
        ({"sources": []}, "invalid_input"),
        ({"partners": ["karim", "karim"]}, "invalid_input"),
        ({"categories": [" "]}, "invalid_input"),
        ({"categories": [f"c{n}" for n in range(101)]}, "invalid_input"),
    ],
)
def test_a_campaign_that_makes_no_sense(shop, fields, code):
    """One clear error, nothing written."""
    assert refused(shop, CreateCampaign(**{**GOOD, **fields})).code == code
    assert shop.query(benefits.campaigns).items == []


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A shop for what is refused, and so leaves nothing."""
    with a_shop(sqlite_at(tmp_path_factory.mktemp("benefits") / "khata.db")) as book:
        yield book


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"points": 0}, "invalid_input"),
        ({"points": 10_001}, "invalid_input"),
        ({"most": [bdt("1"), bdt("2")]}, "invalid_input"),
        ({"most": [bdt("0")]}, "invalid_amount"),
        ({"referrer": [bdt("-1")]}, "invalid_amount"),
        ({"referred": [Money("1", "XXZ")]}, "unknown_currency"),
        ({"most_referrals": 0}, "invalid_input"),
        ({"most_in_window": 3}, "invalid_input"),
        ({"window_seconds": 60}, "invalid_input"),
        ({"window_seconds": 0, "most_in_window": 3}, "invalid_input"),
        ({"window_seconds": 60, "most_in_window": 10_001}, "invalid_input"),
    ],
)
def test_a_policy_that_makes_no_sense(shop, fields, code):
    """The one before it stands."""
    assert refused(shop, SetBenefitPolicy(**fields)).code == code
    assert shop.query(benefits.policy).changed_at is None


def test_a_code_is_used_once(database_url):
    """Also after its campaign has ended."""
    with a_shop(database_url) as book:
        campaign(book)
        book.submit(EndCampaign("EID", "over"))
        assert refused(book, CreateCampaign(**GOOD)).code == "already_exists"


def test_campaigns_are_for_administrators(database_url):
    """Finance reads them; owners see only what they were given."""
    with a_shop(database_url) as book:
        campaign(book)
        bought(book, "1", "EID")
        for who in (FINANCE, SERVICE, owner("alice")):
            assert refused(book, PauseCampaign("EID", "x"), actor=who).code == "role_required"
            assert refused(book, SetBenefitPolicy(), actor=who).code == "role_required"
        with book.view(FINANCE) as view:
            assert [one.code for one in benefits.campaigns(view).items] == ["EID"]
        for name, count in (("alice", 1), ("bob", 0)):
            with book.view(owner(name)) as view:
                assert len(benefits.uses(view).items) == count
                for query in (benefits.campaigns, benefits.policy, benefits.liability):
                    with pytest.raises(KhataError) as caught:
                        query(view)
                    assert caught.value.code == "not_yours"


def test_large_budgets_need_a_second_person(database_url):
    """So does one without end, a larger one, and a bonus above the limit."""
    with a_shop(database_url) as book:
        book.submit(setup.Set("four_eyes", {"BDT": "1000.00"}))
        for fields in ({}, {"budget": bdt("1000.01")}):
            command = CreateCampaign(**GOOD, **fields)
            assert refused(book, command, actor=ADMIN).code == "approval_required"
        book.submit(CreateCampaign(**GOOD, budget=bdt("1000.00")), actor=ADMIN)
        for budget in (None, bdt("1000.01")):
            command = ChangeBudget("EID", "more", budget)
            assert refused(book, command, actor=ADMIN).code == "approval_required"
        book.submit(ChangeBudget("EID", "less", bdt("900.00")), actor=ADMIN)
        more = {
            "kind": "benefits.change_budget",
            "campaign": "EID",
            "reason": "more",
            "budget": {"amount": "2000.00", "currency": "BDT"},
        }
        asked = book.submit(RequestApproval(more, "please"), actor=ADMIN).result.request
        book.submit(Approve(asked), actor=OTHER_ADMIN)
        assert left(book)[0] == "2000.00"
        bonus = SetBenefitPolicy(referrer=[bdt("1000.01")])
        assert refused(book, bonus, actor=ADMIN).code == "approval_required"


# ── reading ──────────────────────────────────────────────────────────────────────────


def test_a_preview_is_what_comes_of_it(database_url):
    """And counts nothing; an owner asks for themselves."""
    with a_shop(database_url) as book:
        campaign(book, "A", stacks="with_others", per_user=1, most=bdt("5.00"))
        campaign(book, "B", amount=bdt("2.00"), stacks="with_others")
        asked = {"amount": "100.00", "currency": "BDT", "codes": ["B", "A"]}
        with book.view(owner("alice")) as view:
            seen = benefits.preview(view, **asked)
            with pytest.raises(KhataError) as caught:
                benefits.preview(view, owner="bob", **asked)
            assert caught.value.code == "not_yours"
        assert (seen.owner, seen.total, seen.to_pay) == ("alice", "7.00", "93.00")
        assert left(book, "A")[2] == 0
        given_ = bought(book, "1", "B", "A", amount="100.00")
        assert given_ == [("A", 500), ("B", 200)]
        assert [(one.campaign, one.amount) for one in seen.benefits] == [
            ("A", "5.00"),
            ("B", "2.00"),
        ]
        for fields, code in (
            ({"owner": "alice"}, "benefit_refused"),
            ({"owner": None}, "invalid_input"),
            ({"owner": "bob", "codes": ["none"]}, "campaign_not_found"),
            ({"owner": "bob", "codes": ["\x00"]}, "campaign_not_found"),
            ({"owner": "b\x00b"}, "invalid_input"),
            ({"owner": "bob", "codes": ["A", "A"]}, "invalid_input"),
            ({"owner": "bob", "amount": "0"}, "invalid_amount"),
            ({"owner": "bob", "currency": "XXZ"}, "unknown_currency"),
        ):
            with pytest.raises(KhataError) as caught:
                book.query(benefits.preview, **{**asked, **fields})
            assert caught.value.code == code


def test_units_of_the_books_own(database_url):
    """A campaign may give points, and a preview knows them."""
    with a_shop(database_url) as book:
        book.submit(setup.DefineUnit("XP", 0, "Experience"))
        book.submit(CreateCampaign("XP1", "Points", "XP", amount=Money("7", "XP")))
        asked = {"owner": "alice", "amount": "9", "currency": "XP", "codes": ["XP1"]}
        assert book.query(benefits.preview, **asked).to_pay == "2"
        assert book.query(benefits.campaign, "XP1").amount == "7"


def test_lists_have_pages_and_filters(database_url):
    """Campaigns by code, uses newest first."""
    clock = Clock()
    with a_shop(database_url, clock=clock) as book:
        for code in "ABC":
            campaign(book, code)
        book.submit(PauseCampaign("B", "x"))
        page = book.query(benefits.campaigns, limit=2)
        assert [one.code for one in page.items] == ["A", "B"]
        rest = book.query(benefits.campaigns, cursor=page.next)
        assert ([one.code for one in rest.items], rest.next) == (["C"], None)
        paused = book.query(benefits.campaigns, status="paused")
        assert [one.code for one in paused.items] == ["B"]
        for number, name in enumerate(("alice", "bob", "alice")):
            clock.pass_by(1)
            bought(book, str(number), "A", owner=name)
        page = book.query(benefits.uses, limit=2)
        assert [one.subject for one in page.items] == ["order/2", "order/1"]
        rest = book.query(benefits.uses, limit=2, cursor=page.next)
        assert [one.subject for one in rest.items] == ["order/0"]
        found = book.query(benefits.uses, owner="bob", campaign="A").items
        assert [one.subject for one in found] == ["order/1"]


def test_lists_are_read_through_keys(database_url):
    """No question walks a table of benefits, however long it is."""
    with a_shop(database_url) as book:
        for code in "AB":
            campaign(book, code, stacks="with_others")
        for number in range(3):
            bought(book, str(number), "A")
            book.submit(Refer("alice", f"b{number}"))
        codes = book.query(benefits.campaigns, limit=1).next
        page = book.query(benefits.uses, limit=1).next
        made = book.query(benefits.referrals, limit=1).next
        asked = {"owner": "alice", "amount": "1.00", "currency": "BDT", "codes": ["A", "B"]}
        for ask in (
            lambda view: benefits.campaigns(view, cursor=codes),
            lambda view: benefits.campaigns(view, status="running", cursor=codes),
            lambda view: benefits.campaign(view, "A"),
            lambda view: benefits.preview(view, **asked),
            lambda view: benefits.uses(view, cursor=page),
            lambda view: benefits.uses(view, campaign="A", cursor=page),
            lambda view: benefits.uses(view, owner="alice", cursor=page),
            lambda view: benefits.uses(view, subject="order/1"),
            lambda view: benefits.referrals(view, cursor=made),
            lambda view: benefits.referrals(view, referrer="alice", cursor=made),
            lambda view: benefits.referrals(view, status="pending", cursor=made),
            lambda view: benefits.referral(view, "b1"),
        ):
            for plan in plans_of(book, ask):
                walked = re.findall(r"(?:SCAN|Seq Scan on) (\w+)", plan)
                assert not {"campaigns", "benefit_uses", "referrals"} & set(walked), plan


# ── budgets hold ─────────────────────────────────────────────────────────────────────


def test_eight_threads_never_overspend(database_url):
    """Of forty purchases at once as many get the benefit as the budget and the uses have."""
    with a_shop(database_url) as book, ThreadPoolExecutor(8) as callers:
        campaign(book, amount=bdt("10.00"), budget=bdt("105.00"))
        campaign(book, "FEW", amount=bdt("1.00"), most_uses=7)

        def ask(number):
            code = ("EID", "FEW")[number % 2]
            try:
                return bought(book, str(number), code, owner=f"o{number}")
            except KhataError as error:
                return error.code

        answers = list(callers.map(ask, range(40)))
        assert answers.count([("EID", 1000)]) == 10
        assert answers.count([("FEW", 100)]) == 7
        assert answers.count("campaign_exhausted") == 23
        assert (left(book)[0], left(book, "FEW")[2]) == ("5.00", 7)
        assert discrepancies(book) == []


def test_two_processes_never_overspend(database_url):
    """Two writers of one book, in turn and at once: what one spends the other knows."""
    clock = Clock()
    with open_shop(database_url, clock) as one, open_shop(database_url, clock) as two:
        campaign(one, amount=bdt("10.00"), budget=bdt("55.00"))

        def ask(number):
            try:
                return bought((one, two)[number % 2], str(number), "EID")
            except KhataError as error:
                return error.code

        with ThreadPoolExecutor(4) as callers:
            answers = list(callers.map(ask, range(16)))
        assert (answers.count([("EID", 1000)]), answers.count("campaign_exhausted")) == (5, 11)
        assert left(one) == left(two) == ("5.00", "50.00", 5)
        assert discrepancies(one) == []


MOVES = st.lists(
    st.one_of(
        st.tuples(
            st.just("buy"),
            st.integers(1, 5_000),
            st.lists(st.sampled_from("ABC"), max_size=3, unique=True),
            st.sampled_from(["alice", "bob"]),
        ),
        st.tuples(st.just("back"), st.integers(0, 11), st.none() | st.integers(1, 7)),
    ),
    min_size=4,
    max_size=12,
)


@examples(20)
@given(moves=MOVES, budget=st.integers(1, 4_000), cap=st.integers(1, 10_000))
def test_in_any_order_of_buying_and_returning(trade_url, moves, budget, cap):
    """What campaigns say that they spent is what purchases have, within every bound; what was
    foreseen is what came of it.
    """
    clock = Clock()
    with open_shop(trade_url, clock, f"book-{next(_numbers)}") as book:
        shared = {"stacks": "with_others", "budget": bdt(_taka(budget))}
        campaign(book, "A", points=3000, **shared)
        campaign(book, "B", amount=bdt("5.00"), per_user=2, **shared)
        campaign(book, "C", points=9000, most=bdt("7.00"), most_uses=3, **shared)
        book.submit(SetBenefitPolicy(points=cap))
        for number, (what, *how) in enumerate(moves):
            if what == "buy":
                amount, codes, name = how
                _buy_as_foreseen(book, number, amount, codes, name, cap)
            else:
                at, part = how
                _tried(book, Return(f"order/{at}", part, None if part is None else 7))
        _check_campaigns(book, budget)
        assert discrepancies(book) == []


def _taka(minor):
    return f"{minor // 100}.{minor % 100:02}"


def _tried(book, command):
    try:
        return book.submit(command).result
    except KhataError as error:
        return error.code


def _buy_as_foreseen(book, number, amount, codes, name, cap):
    try:
        seen = book.query(
            benefits.preview, owner=name, amount=_taka(amount), currency="BDT", codes=codes
        )
        foreseen = [(one.campaign, one.amount) for one in seen.benefits]
    except KhataError as error:
        foreseen = error.code
    got = _tried(book, Buy(f"order/{number}", name, bdt(_taka(amount)), codes))
    if isinstance(got, str):
        assert got == foreseen
        return
    assert [(one.campaign, _taka(one.amount)) for one in got] == foreseen
    assert sum(one.amount for one in got) <= amount * cap // 10_000


def _check_campaigns(book, budget):
    uses = book.query(benefits.uses, limit=100).items
    for one in book.query(benefits.campaigns).items:
        mine = [use for use in uses if use.campaign == one.code]
        kept = sum(_minor(use.amount) - _minor(use.returned) for use in mine)
        assert 0 <= kept == _minor(one.spent) <= budget
        live = [use for use in mine if use.status == "granted"]
        assert len(live) == one.uses <= (one.most_uses or 100)
        for name in ("alice", "bob"):
            assert sum(use.owner == name for use in live) <= (one.per_user or 100)
        assert balance_of(book, f"expense/campaigns/{one.code}") == one.spent


def _minor(text):
    return int(text.replace(".", ""))


@pytest.fixture(scope="module")
def trade_url(tmp_path_factory):
    """One database for all books of a property."""
    return sqlite_at(tmp_path_factory.mktemp("trade") / "khata.db")


def test_a_journal_with_benefits_runs_again(database_url, tmp_path):
    """The same head hash comes out."""
    with a_shop(database_url) as book:
        campaign(book, budget=bdt("150.00"))
        bought(book, "1", "EID")
        returned(book, "1", 1, 3)
        with open_shop(sqlite_at(tmp_path / "copy.db"), Clock()) as copy:
            assert replay(book, copy) == book.query(reading.head)
            assert left(copy) == left(book)
