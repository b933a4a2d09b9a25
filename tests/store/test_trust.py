"""Trust: every event is worth experience and a weight in the score, and is kept."""

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from khata import Khata, Money
from khata.domain import holds, khata, ledger, trust, wallets
from khata.domain.setup import DefineUnit, Set
from khata.domain.trust import RecordEvent, SetRules, Worth
from khata.domain.trust.rules import score_of
from khata.engine.replay import replay
from khata.errors import NotYours
from tests.builders import (
    ADMIN,
    FINANCE,
    SERVICE,
    SUPPORT,
    Clock,
    a_book,
    discrepancies,
    owner,
    refused,
    state,
)
from tests.conftest import examples
from tests.servers import sqlite_at
from tests.store.test_queries_plans import plans_of

XP = "alice/xp/XP"


def happened(book, event, reference="M1", who="alice", **options):
    return book.submit(RecordEvent(who, event, reference), **options).result


def score(book, who="alice"):
    return book.query(trust.score, who)


def test_an_event_brings_experience_and_a_score(database_url):
    """Experience is posted in the ledger, out of equity, and is in the owner's khata."""
    with a_book(database_url) as book:
        award = happened(book, "delivered", actor=SERVICE)
        assert (award.xp, award.score) == ("15", 545)
        assert state(book, XP).balance == "15"
        entry = book.query(ledger.entry, award.entry)
        assert (entry.type, entry.source, entry.reference) == ("experience", "experience", "M1")
        lines = {line.code: line.balance for line in book.query(ledger.trial_balance)}
        assert lines["equity/experience"] == "-15"
        (line,) = book.query(khata.khata_book, "alice").items
        assert (line.kind, line.category, line.amount) == ("income", "Experience", "15")
        known = score(book)
        assert (known.score, known.good, known.bad, known.events) == (545, 1, 0, 1)
        assert known.xp == "15"
        assert discrepancies(book) == []


def test_an_event_without_experience_posts_nothing(database_url):
    """The score moves all the same, and the line of history is there."""
    with a_book(database_url) as book:
        award = happened(book, "dispute_lost")
        assert (award.xp, award.score, award.entry) == ("0", 333, None)
        assert book.query(ledger.entries).items == []
        assert score(book).score == 333


def test_of_whom_nothing_is_known_the_start_is_told(database_url):
    """No error: everybody has a score."""
    with a_book(database_url) as book:
        known = score(book, "nobody")
        assert (known.score, known.events, known.xp, known.changed_at) == (500, 0, "0", None)


def test_the_history_is_kept_as_it_was(database_url):
    """Newest first, page by page, with what each event was worth then."""
    clock = Clock()
    with a_book(database_url, clock=clock) as book:
        events = ["delivered", "late_delivery", "order_bought", "refund_caused"]
        for number, event in enumerate(events):
            clock.pass_by(60)
            happened(book, event, f"M{number}")
        happened(book, "delivered", who="bob")
        book.submit(SetRules({"delivered": Worth(xp=1)}))
        seen, cursor = [], None
        while True:
            page = book.query(trust.history, "alice", cursor=cursor, limit=3)
            seen += page.items
            cursor = page.next
            if cursor is None:
                break
        assert [line.event for line in seen] == events[::-1]
        assert [line.reference for line in seen] == ["M3", "M2", "M1", "M0"]
        assert (seen[-1].xp, seen[-1].score, seen[0].score) == ("15", 545, score(book).score)
        assert discrepancies(book) == []


def test_a_book_says_what_events_are_worth(database_url):
    """Those it names; the others stay; what it named before and does no more is as built in."""
    with a_book(database_url) as book:
        rules = book.submit(SetRules({"delivered": Worth(xp=3), "sang": Worth(good=2)})).result
        assert rules == book.query(trust.rules)
        assert (rules.events["sang"], rules.events["order_sold"].xp) == (Worth(good=2), 20)
        assert happened(book, "delivered").xp == "3"
        assert happened(book, "sang").score == score_of(2, 0)
        book.submit(SetRules({}))
        assert happened(book, "delivered").xp == "15"
        assert refused(book, RecordEvent("alice", "sang", "M1")).code == "invalid_input"


@pytest.mark.parametrize(
    ("who", "event", "reference"),
    [
        ("alice", "flew", "M1"),
        ("alice", "", "M1"),
        ("alice", "delivered", " "),
        ("alice", "delivered", "x" * 201),
        ("alice", "dispute_lost", ""),
        ("a b", "delivered", "M1"),
        ("", "dispute_lost", "M1"),
        ("a\x00b", "dispute_lost", "M1"),
        ("x" * 129, "delivered", "M1"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path, who, event, reference):
    """One clear error, nothing written: no unit, no wallet, no line."""
    with a_book(sqlite_at(tmp_path / "khata.db")) as book:
        assert refused(book, RecordEvent(who, event, reference)).code == "invalid_input"
        assert book.query(wallets.wallets).items == []


def test_rules_that_make_no_sense_are_refused(tmp_path):
    """By the command that sets them; and they are not set past it."""
    with a_book(sqlite_at(tmp_path / "khata.db")) as book:
        for events in (
            {"Big": Worth()},
            {"delivered": Worth(xp=-1)},
            {"delivered": Worth(good=1001)},
        ):
            assert refused(book, SetRules(events)).code == "invalid_input"
        error = refused(book, Set("trust", {"events": {"delivered": {"xp": "many"}}}))
        assert (error.code, error.details["expected"]) == ("invalid_input", "trust.set_rules")


def test_who_may_ask(tmp_path):
    """Services and admins tell of deeds; only admins say what they are worth."""
    with a_book(sqlite_at(tmp_path / "khata.db")) as book:
        for who in (owner("alice"), SUPPORT, FINANCE):
            error = refused(book, RecordEvent("alice", "delivered", "M1"), actor=who)
            assert error.code == "role_required"
        for who in (owner("alice"), FINANCE, SERVICE):
            assert refused(book, SetRules({}), actor=who).code == "role_required"
        assert book.submit(SetRules({}), actor=ADMIN).result == book.query(trust.rules)


def test_owners_see_their_own(database_url):
    """And learn nothing of others."""
    with a_book(database_url) as book:
        happened(book, "delivered")
        with book.view(owner("alice")) as view:
            assert trust.score(view, "alice").score == 545
            assert len(trust.history(view, "alice").items) == 1
            assert "delivered" in trust.rules(view).events
        for ask in (trust.score, trust.history):
            with book.view(owner("bob")) as view, pytest.raises(NotYours):
                ask(view, "alice")


def test_a_frozen_wallet_takes_no_experience(database_url):
    """The score changes all the same: a purchase does not fail over points."""
    with a_book(database_url) as book:
        happened(book, "delivered")
        book.submit(ledger.FreezeAccount(XP, "odd"))
        award = happened(book, "delivered")
        assert (award.xp, award.entry, award.score) == ("0", None, score_of(2, 0))
        assert state(book, XP).balance == "15"
        assert [line.xp for line in book.query(trust.history, "alice").items] == ["0", "15"]


def test_frozen_equity_gives_no_experience(database_url):
    """Nor does a purchase fail over the house's own account."""
    with a_book(database_url) as book:
        happened(book, "delivered")
        book.submit(ledger.FreezeAccount("equity/experience", "odd"))
        award = happened(book, "delivered")
        assert (award.xp, award.entry, award.score) == ("0", None, score_of(2, 0))


@pytest.mark.parametrize("opened", ["before", "by the first award"])
def test_experience_is_not_given_away(database_url, opened):
    """It only grows: whoever earned it can neither give, sell nor set it aside; the house takes
    back what it gave by mistake.
    """
    with a_book(database_url) as book:
        award = happened(book, "delivered", who="bob")
        if opened == "before":
            book.submit(wallets.OpenWallet("alice", "XP", "xp"))
        mistake = happened(book, "delivered")
        fifteen = Money("15", "XP")
        gift = wallets.Transfer(XP, "bob/xp/XP", fifteen)
        for command in (gift, holds.PlaceHold(XP, fifteen)):
            assert refused(book, command, actor=owner("alice")).code == "limit_exceeded"
        assert (score(book).xp, score(book, "bob").xp) == ("15", award.xp)
        book.submit(ledger.Reverse(mistake.entry, "not hers"), actor=ADMIN)
        assert score(book).xp == "0"
        assert discrepancies(book) == []


def test_a_books_own_unit_for_experience_is_used(database_url):
    """With its decimals: points are whole ones."""
    with a_book(database_url) as book:
        book.submit(DefineUnit("XP", 2, "Stars"))
        assert happened(book, "delivered").xp == "15.00"
        assert score(book).xp == "15.00"
        assert book.query(trust.history, "alice").items[0].xp == "15.00"


def test_it_is_announced(database_url):
    """To the owner it concerns."""
    with a_book(database_url) as book:
        happened(book, "delivered")
        with book.database.reading() as connection:
            rows = connection.exec_driver_sql("SELECT type, subject, owner, data FROM events")
            assert [tuple(row) for row in rows] == [
                ("trust.changed", "alice", "alice", '{"event":"delivered","score":545,"xp":"15"}')
            ]


def test_the_history_is_read_through_its_key(database_url):
    """However long it gets."""
    with a_book(database_url) as book:
        happened(book, "delivered")
        for ask in (
            lambda view: trust.history(view, "alice"),
            lambda view: trust.score(view, "alice"),
        ):
            for plan in plans_of(book, ask):
                walked = re.findall(r"(?:SCAN|Seq Scan on) (\w+)", plan)
                assert not {"trust_events", "trust_scores"} & set(walked), plan


@pytest.fixture
def crowd(database_url):
    """One book for all the cases of a property: each has an owner of its own."""
    names = (f"o{number}" for number in itertools.count())
    with a_book(database_url) as book:
        yield book, names
        assert discrepancies(book) == []


@examples(8)
@given(st.lists(st.sampled_from([*trust.RULES]), max_size=12))
def test_experience_and_score_are_the_sums_of_events(crowd, events):
    """Whatever happened in whatever order, the ledger, the score and the history agree."""
    book, names = crowd
    who = next(names)
    for number, event in enumerate(events):
        book.submit(RecordEvent(who, event, f"M{number}"))
    worth = [trust.RULES[event] for event in events]
    known = score(book, who)
    good, bad = sum(rule.good for rule in worth), sum(rule.bad for rule in worth)
    assert (known.good, known.bad, known.events) == (good, bad, len(events))
    assert known.score == score_of(good, bad)
    assert known.xp == str(sum(rule.xp for rule in worth))


def test_a_story_runs_again_to_the_same_head(database_url, tmp_path):
    """Events and rules, replayed."""
    with a_book(database_url) as book:
        for event in ("delivered", "late_delivery", "order_sold"):
            happened(book, event)
        book.submit(SetRules({"delivered": Worth(xp=3)}))
        happened(book, "delivered")
        with Khata.open(sqlite_at(tmp_path / "copy.db")) as copy:
            assert replay(book, copy).hash.hex() == book.verify().head
            assert score(copy) == score(book)
            assert discrepancies(copy) == []
