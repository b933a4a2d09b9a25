"""Commission rules in a book: versions, which is in force, what is refused, what is previewed."""

import re
from contextlib import contextmanager

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from khata import Khata, Money
from khata.app import VERBS
from khata.domain import commissions, setup
from khata.domain.commissions import DefineRule, Part, RetireRule, Tax, Tier, rule_at, rule_for
from khata.domain.setup import exponent_of
from khata.engine.command import Command, Verbs
from khata.engine.replay import replay
from tests.builders import (
    ADMIN,
    FINANCE,
    SERVICE,
    Clock,
    bdt,
    discrepancies,
    last_refusal,
    owner,
    refused,
)
from tests.conftest import examples
from tests.servers import sqlite_at
from tests.store.test_queries_plans import plans_of

HOUSE = "revenue/commission"
REST = Part("partner", "partner", rest=True)
WALLETS = {"partner": "karim/partner/BDT", "creator": "lina/creator/BDT"}

OTHERS = Verbs()


class Split(Command, frozen=True, tag="test.split"):
    """Another room that shares an amount; by the version of a rule that it kept, if it did."""

    amount: Money
    source: str = "order"
    category: str | None = None
    partner: str | None = None
    roles: tuple[str, ...] = ("partner",)
    by: tuple[str, int] | None = None


class Done(msgspec.Struct, frozen=True):
    """By which rule, and (name, minor units) of each share."""

    rule: str
    version: int
    shares: list[tuple[str, int]]


@OTHERS.handles(Split, roles=("admin",))
def split(book, command: Split) -> Done:
    """Find a rule and share by it."""
    if command.by is None:
        rule = rule_for(
            book, source=command.source, category=command.category, partner=command.partner
        )
    else:
        rule = rule_at(book, *command.by)
    places = exponent_of(book, command.amount.currency)
    minor = commissions.shares(
        rule,
        int(command.amount.amount.replace(".", "")),
        command.amount.currency,
        places,
        {role: WALLETS[role] for role in command.roles},
    )
    return Done(rule.name, rule.version, [(share.name, share.amount) for share in minor])


@contextmanager
def a_market(url, clock=None):
    """A book in which another room shares amounts."""
    with Khata.open(url, migrate=True) as plain:
        database, number = plain.database, plain.book_id
        options = {"clock": clock or Clock(), "limits": None, "verbs": Verbs(VERBS, OTHERS)}
        with Khata(database, "main", number, **options) as book:
            yield book


def defined(book, name="food", *, points=700, **fields):
    """A rule with one part for the house."""
    parts = [Part("house", HOUSE, points=points), REST]
    return book.submit(DefineRule(name, parts, **fields)).result


def chosen(book, **sale):
    """By which version of which rule such a sale would be shared; a preview says the same."""
    done = book.submit(Split(bdt("10.00"), **sale), dry_run=True).result
    seen = book.query(commissions.preview, bdt("10.00"), **sale)
    assert (seen.rule, seen.version) == (done.rule, done.version)
    return done.rule, done.version


def previewed(book, amount="1000.00", **asked):
    """Name → decimal string."""
    seen = book.query(commissions.preview, bdt(amount), **asked)
    return {share.name: share.amount for share in seen.shares}


# ── the standard ─────────────────────────────────────────────────────────────────────


def test_the_standard_split(database_url):
    """1000.00 BDT: 50.00, 150.00 and 800.00; without a video 50.00 and 950.00."""
    with a_market(database_url) as book:
        with_creator = Split(bdt("1000.00"), "video_order", roles=("partner", "creator"))
        assert book.submit(with_creator).result == Done(
            "standard", 0, [("platform", 5_000), ("creator", 15_000), ("partner", 80_000)]
        )
        assert book.submit(Split(bdt("1000.00"))).result == Done(
            "standard", 0, [("platform", 5_000), ("partner", 95_000)]
        )
        assert previewed(book, source="video_order", parties=["creator"]) == {
            "platform": "50.00",
            "creator": "150.00",
            "partner": "800.00",
        }
        assert previewed(book) == {"platform": "50.00", "partner": "950.00"}
        standard = book.query(commissions.rule, "standard")
        assert (standard.version, standard.status, standard.since) == (0, "in_force", None)


# ── versions ─────────────────────────────────────────────────────────────────────────


def test_a_known_name_makes_the_next_version(database_url):
    """It takes over at once; who kept the old version shares by it for ever."""
    clock = Clock()
    with a_market(database_url, clock) as book:
        assert defined(book).version == 1
        clock.pass_by(60)
        second = defined(book, points=900, category="food")
        assert (second.version, second.status, second.since) == (
            2,
            "in_force",
            "2026-01-31T09:01:00.000000Z",
        )
        assert chosen(book) == ("standard", 0)
        assert chosen(book, category="food") == ("food", 2)
        kept = book.submit(Split(bdt("100.00"), by=("food", 1))).result
        assert kept == Done("food", 1, [("house", 700), ("partner", 9_300)])
        first = book.query(commissions.rule, "food", 1)
        assert (first.status, first.ended_at) == ("superseded", second.since)
        assert book.query(commissions.rule, "food") == second
        assert discrepancies(book) == []


def test_a_retired_rule_is_out_of_force(database_url):
    """The next best takes over; its name goes on counting when it is defined again."""
    with a_market(database_url) as book:
        defined(book, "all", points=100)
        defined(book, category="food")
        gone = book.submit(RetireRule("food", "season over"), actor=ADMIN).result
        assert (gone.status, gone.reason, gone.version) == ("retired", "season over", 1)
        assert gone.ended_at is not None
        assert chosen(book, category="food") == ("all", 1)
        assert book.submit(Split(bdt("1.00"), by=("food", 1))).result.version == 1
        assert refused(book, RetireRule("food", "again")).code == "invalid_transition"
        assert defined(book, category="food").version == 2
        assert book.query(commissions.rule, "food", 1).status == "retired"
        assert chosen(book, category="food") == ("food", 2)
        assert discrepancies(book) == []


def test_the_most_specific_rule_in_force_is_taken(database_url):
    """Partner and category, partner, category, general; the source decides among those alike."""
    with a_market(database_url) as book:
        wheres = {
            "general": {},
            "videos": {"sources": ["video_order"]},
            "food": {"category": "food"},
            "karim": {"partner": "karim"},
            "karims-food": {"partner": "karim", "category": "food"},
            "karims-food-bids": {"partner": "karim", "category": "food", "sources": ["bid"]},
        }
        for name, where in wheres.items():
            defined(book, name, **where)
        for sale, name in (
            ({}, "general"),
            ({"source": "video_order"}, "videos"),
            ({"source": "video_order", "category": "food"}, "food"),
            ({"category": "food", "partner": "rana"}, "food"),
            ({"category": "toys", "partner": "karim"}, "karim"),
            ({"category": "food", "partner": "karim"}, "karims-food"),
            ({"category": "food", "partner": "karim", "source": "bid"}, "karims-food-bids"),
        ):
            assert chosen(book, **sale) == (name, 1)


def test_rules_survive_a_restart(database_url):
    """What was read from the database shares as what was just defined."""
    with a_market(database_url) as book:
        tiers = [Tier(900, {"BDT": "50.00"}), Tier(300)]
        parts = [
            Part("house", HOUSE, tiers=tiers, least={"BDT": "1"}, tax=Tax(1500)),
            Part("fee", "revenue/fee", fixed={"BDT": "2"}),
            REST,
        ]
        made = book.submit(DefineRule("tiered", parts, sources=["order", "bid"])).result
        assert made.sources == ["bid", "order"]
        before = book.submit(Split(bdt("40.00"))).result
    with a_market(database_url) as book:
        assert book.query(commissions.rule, "tiered") == made
        assert book.submit(Split(bdt("40.00"))).result == before
        assert before.shares == [("house", 313), ("house_tax", 47), ("fee", 200), ("partner", 3440)]


def test_a_unit_of_the_books_own(database_url):
    """Points, XP: with their own decimals."""
    with a_market(database_url) as book:
        book.submit(setup.DefineUnit("XP", 0, "Experience"))
        book.submit(DefineRule("xp", [Part("fee", HOUSE, fixed={"XP": "3"}), REST]))
        seen = book.query(commissions.preview, Money("10", "XP"))
        assert [share.amount for share in seen.shares] == ["3", "7"]


# ── refusals ─────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def strict(tmp_path_factory):
    """One book for all that is refused: a rule with a fixed part, and one for a rider."""
    with a_market(sqlite_at(tmp_path_factory.mktemp("strict") / "khata.db")) as book:
        fixed = [Part("fee", HOUSE, fixed={"BDT": "5"}), REST]
        book.submit(DefineRule("fixed", fixed, category="fixed"))
        rider = [Part("rider", "rider", points=5), REST]
        book.submit(DefineRule("rider", rider, category="rider"))
        yield book


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (DefineRule("Bad Name", [REST]), "invalid_input"),
        (DefineRule("", [REST]), "invalid_input"),
        (DefineRule("standard", [REST]), "already_exists"),
        (DefineRule("x", [REST], category=" "), "invalid_input"),
        (DefineRule("x", [REST], category=""), "invalid_input"),
        (DefineRule("x", [REST], category="c" * 101), "invalid_input"),
        (DefineRule("x", [REST], category="a\nb"), "invalid_input"),
        (DefineRule("x", [REST], partner="a/b"), "invalid_input"),
        (DefineRule("x", [REST], partner=""), "invalid_input"),
        (DefineRule("x", [REST], partner="a\x00"), "invalid_input"),
        (DefineRule("x", [REST], category="a\ud800"), "invalid_input"),
        (DefineRule("x", [REST], sources=[]), "invalid_input"),
        (DefineRule("x", [REST], sources=["order", "order"]), "invalid_input"),
        (DefineRule("x", [REST], sources=["moonlight"]), "unknown_source"),
        (DefineRule("x", []), "rule_invalid"),
        (DefineRule("x", [Part("a", HOUSE, points=1)]), "rule_invalid"),
        (DefineRule("x", [Part("a", HOUSE, fixed={"ZZZ": "1"}), REST]), "unknown_currency"),
        (DefineRule("x", [Part("a", HOUSE, fixed={"BDT": "-1"}), REST]), "invalid_amount"),
        (DefineRule("x", [Part("a", HOUSE, fixed={"BDT": "1.001"}), REST]), "too_many_decimals"),
        (RetireRule("x", "why"), "rule_not_found"),
        (RetireRule("x", " "), "invalid_input"),
        (RetireRule("standard", "why"), "invalid_transition"),
    ],
)
def test_what_is_refused(strict, command, code):
    """One clear error, and nothing is written."""
    before = strict.query(commissions.rules)
    assert refused(strict, command).code == code
    assert strict.query(commissions.rules) == before


def test_two_rules_for_the_same_sales(database_url):
    """The second is refused and told of the first, until that is out of force."""
    with a_market(database_url) as book:
        defined(book, "one", category="food", sources=["order", "bid"])
        error = refused(book, DefineRule("two", [REST], category="food", sources=["bid", "squad"]))
        assert (error.code, error.details["rule"]) == ("rule_overlap", "one")
        defined(book, "two", category="food")
        defined(book, "three", category="food", sources=["squad"])
        assert refused(book, DefineRule("four", [REST], category="food")).code == "rule_overlap"
        book.submit(RetireRule("two", "for another"))
        assert defined(book, "four", category="food").version == 1
        assert refused(book, DefineRule("two", [REST], category="food")).code == "rule_overlap"
        assert discrepancies(book) == []


def test_only_an_admin_defines_rules(database_url):
    """Others are turned away; finance may read, an owner may not even that."""
    with a_market(database_url) as book:
        for who in (FINANCE, SERVICE, owner("karim")):
            assert refused(book, DefineRule("x", [REST]), actor=who).code == "role_required"
            assert refused(book, RetireRule("x", "why"), actor=who).code == "role_required"
        assert last_refusal(book).actor == "owner:karim"
        with book.view(FINANCE) as view:
            assert commissions.rule(view, "standard").version == 0
        for ask in (
            commissions.rules,
            lambda view: commissions.rule(view, "standard"),
            lambda view: commissions.preview(view, bdt("1.00")),
        ):
            with book.view(owner("karim")) as view, pytest.raises(Exception, match="not_yours"):
                ask(view)


@pytest.mark.parametrize(
    ("amount", "asked", "code"),
    [
        (bdt("0"), {}, "invalid_amount"),
        (bdt("1.001"), {}, "too_many_decimals"),
        (Money("1", "ZZZ"), {}, "unknown_currency"),
        (Money("1", "Z\x00"), {}, "unknown_currency"),
        (bdt("1"), {"source": "moonlight"}, "unknown_source"),
        (bdt("1"), {"source": "\x00"}, "unknown_source"),
        (bdt("1"), {"category": "\x00"}, "invalid_input"),
        (bdt("1"), {"partner": "\ud800"}, "invalid_input"),
        (bdt("1"), {"category": "fixed"}, "split_impossible"),
        (bdt("9"), {"category": "rider"}, "invalid_input"),
        (Money("9", "USD"), {"category": "fixed"}, "invalid_input"),
    ],
)
def test_what_cannot_be_previewed(strict, amount, asked, code):
    """As the sale itself would be refused."""
    with pytest.raises(Exception, match=rf"\[{code}\]"):
        strict.query(commissions.preview, amount, **asked)


def test_a_rule_that_is_not_there(database_url):
    """By name, by version, by what no database can hold; for other rooms too."""
    with a_market(database_url) as book:
        defined(book)
        for name, version in (
            ("x", None),
            ("food", 2),
            ("food", -1),
            ("food", 2**70),
            ("standard", 1),
            ("\x00", None),
        ):
            with pytest.raises(Exception, match="rule_not_found"):
                book.query(commissions.rule, name, version)
        for by in (("food", 2), ("standard", 1), ("x", 1)):
            assert refused(book, Split(bdt("1.00"), by=by)).code == "rule_not_found"
        assert book.submit(Split(bdt("1.00"), by=("standard", 0))).result.rule == "standard"


# ── reading ──────────────────────────────────────────────────────────────────────────


def test_rules_are_listed_with_their_versions(database_url):
    """By name and version, in pages, and those in force alone."""
    with a_market(database_url) as book:
        for _ in range(2):
            for name in ("b", "a"):
                defined(book, name, category=name)
        book.submit(RetireRule("b", "no more"))
        found, cursor = [], None
        while cursor is not None or not found:
            page = book.query(commissions.rules, cursor=cursor, limit=1)
            found += [(rule.name, rule.version, rule.status) for rule in page.items]
            cursor = page.next
        assert found == [
            ("a", 1, "superseded"),
            ("a", 2, "in_force"),
            ("b", 1, "superseded"),
            ("b", 2, "retired"),
        ]
        for asked, count in (
            ({"status": "in_force"}, 1),
            ({"name": "b"}, 2),
            ({"name": "b", "status": "in_force"}, 0),
        ):
            assert len(book.query(commissions.rules, **asked).items) == count
        for bad in ({"limit": 0}, {"cursor": "x"}, {"name": "\x00"}):
            with pytest.raises(Exception, match="invalid_"):
                book.query(commissions.rules, **bad)


def test_rules_are_read_through_keys(database_url):
    """No question walks the table or sorts it, however many versions it has."""
    with a_market(database_url) as book:
        for _ in range(3):
            defined(book)
        page = book.query(commissions.rules, limit=1)
        for ask in (
            lambda view: commissions.rules(view, cursor=page.next),
            lambda view: commissions.rules(view, status="in_force", cursor=page.next),
            lambda view: commissions.rules(view, name="food"),
            lambda view: commissions.rule(view, "food"),
            lambda view: commissions.preview(view, bdt("1.00"), partner="karim"),
        ):
            plans = [plan for plan in plans_of(book, ask) if "commission_rules" in plan]
            assert plans
            for plan in plans:
                walked = re.search(r"SCAN|Seq Scan|TEMP B-TREE|Sort Key", plan)
                assert not walked, plan


def test_a_dry_run_defines_nothing(database_url):
    """It answers as the real one would."""
    with a_market(database_url) as book:
        wanted = DefineRule("x", [REST])
        told = book.submit(wanted, dry_run=True).result
        assert (told.version, book.query(commissions.rules).items) == (1, [])
        assert book.submit(wanted).result == told


def test_what_a_book_is_set_up_with(database_url):
    """Sources, wallet kinds and units: those built in, and the book's own."""
    with a_market(database_url) as book:
        book.submit(setup.DefineSource("quiz", "Quiz", "income", "expense", "expense/quiz"))
        book.submit(setup.DefineWalletKind("courier", "Courier"))
        book.submit(setup.DefineUnit("XP", 0, "Experience"))
        found = {source.name: source for source in book.query(setup.sources)}
        assert found["quiz"].category == "Quiz"
        assert found["dam_komao"] == book.query(setup.source_named, "dam_komao")
        assert book.query(setup.source_named, "quiz") == found["quiz"]
        kinds = [kind.name for kind in book.query(setup.wallet_kinds)]
        assert {"personal", "creator"} < set(kinds)
        assert kinds[-1] == "courier"
        assert [unit.code for unit in book.query(setup.units)] == ["XP"]
        assert defined(book, sources=["quiz"]).sources == ["quiz"]


# ── what holds always ────────────────────────────────────────────────────────────────


@pytest.fixture
def market(database_url):
    """One book for all the cases of a property."""
    with a_market(database_url) as book:
        yield book
        assert discrepancies(book) == []


@given(
    amount=st.integers(1, 10**9),
    points=st.integers(0, 10_000),
    roles=st.sets(st.just("creator")),
    fixed=st.integers(1, 10**6),
)
@examples(10)
def test_a_preview_is_the_real_result(market, amount, points, roles, fixed):
    """To the last minor unit, under the same rule and version; also where it is refused."""
    text = f"{amount // 100}.{amount % 100:02}"
    fee = f"{fixed // 100}.{fixed % 100:02}"
    parts = [
        Part("fee", "revenue/fee", fixed={"BDT": fee}),
        Part("creator", "creator", points=points, if_present=True, tax=Tax(750)),
        REST,
    ]
    market.submit(DefineRule("any", parts))
    seen = asked(lambda: market.query(commissions.preview, bdt(text), parties=roles))
    done = asked(lambda: market.submit(Split(bdt(text), roles=("partner", *roles))).result)
    if isinstance(seen, str):
        assert (seen, done) == ("split_impossible", "split_impossible")
        return
    assert (seen.rule, seen.version) == (done.rule, done.version)
    shown = [(share.name, int(share.amount.replace(".", ""))) for share in seen.shares]
    assert shown == done.shares
    assert sum(minor for _, minor in shown) == amount


def asked(ask):
    """The answer, or the code of the error."""
    try:
        return ask()
    except Exception as error:  # noqa: BLE001 - its code is what is compared
        return error.code


def test_rules_run_again_to_the_same_head(database_url, tmp_path):
    """Defined, superseded, retired, defined again: replayed, the book is the same."""
    with a_market(database_url) as book:
        for points in (100, 200):
            defined(book, points=points)
        book.submit(RetireRule("food", "no more"))
        defined(book)
        with Khata.open(sqlite_at(tmp_path / "copy.db")) as copy:
            head = replay(book, copy)
            assert head.hash.hex() == book.verify().head
            assert copy.query(commissions.rules) == book.query(commissions.rules)
