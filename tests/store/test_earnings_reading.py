"""Earnings: lists, totals, who sees what; properties over whole stories."""

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from khata import Khata
from khata.domain import earnings
from khata.domain.earnings import (
    Bonus,
    CountViews,
    EarningPolicy,
    PayDelivery,
    SetPolicy,
    SetRate,
)
from khata.engine.replay import replay
from khata.errors import NotFound, NotYours
from tests.builders import (
    Clock,
    a_book,
    balance,
    bdt,
    discrepancies,
    owner,
    refused,
)
from tests.conftest import examples
from tests.earners import (
    counted,
    delivered,
)
from tests.servers import sqlite_at
from tests.store.test_queries_plans import plans_of

# ── reading ──────────────────────────────────────────────────────────────────────────


def test_lists_go_by_owner_kind_and_time(database_url):
    """Newest first, in pages that meet."""
    clock = Clock()
    with a_book(database_url, clock=clock) as book:
        for number in range(1, 6):
            counted(book, 1000 * number)
            clock.pass_by(60)
        since = clock.now
        delivered(book, "M1")
        book.submit(Bonus("surprise_reward", "nila", "eid", bdt("5.00")))
        seen, cursor = [], None
        while True:
            page = book.query(
                earnings.earnings, owner="nila", kind="video_view", cursor=cursor, limit=2
            )
            seen += [line.reference for line in page.items]
            cursor = page.next
            if cursor is None:
                break
        assert seen == [f"V1/{1000 * number}" for number in range(5, 0, -1)]
        recent = book.query(earnings.earnings, since=since).items
        assert [line.kind for line in recent] == ["surprise_reward", "delivery_fee"]
        totals = book.query(earnings.totals, "nila")
        assert [(t.kind, t.count, t.total) for t in totals] == [
            ("surprise_reward", 1, "5.00"),
            ("video_view", 5, "100.00"),
        ]
        assert len(book.query(earnings.totals, "nila", since=since)) == 1
        assert book.query(earnings.totals, "nobody") == []


def test_a_creators_videos_by_name(database_url):
    """In pages."""
    with a_book(database_url) as book:
        for video in ("V3", "V1", "V2"):
            counted(book, 1000, video)
        counted(book, 1000, "V0", "mita")
        page = book.query(earnings.videos, "nila", limit=2)
        rest = book.query(earnings.videos, "nila", limit=2, cursor=page.next)
        assert [one.video for one in page.items + rest.items] == ["V1", "V2", "V3"]
        with pytest.raises(NotFound):
            book.query(earnings.views, "V9")
        with pytest.raises(NotFound):
            book.query(earnings.views, "V\x00")


def test_owners_see_their_own(database_url):
    """And learn nothing of others."""
    with a_book(database_url) as book:
        counted(book, 1000)
        delivered(book, "M1")
        with book.view(owner("nila")) as view:
            assert len(earnings.earnings(view).items) == 1
            assert earnings.views(view, "V1").total == 1000
            assert len(earnings.videos(view, "nila").items) == 1
            assert earnings.rate(view, "nila").per_thousand == "20.00"
            for ask, what in (
                (earnings.totals, "rafi"),
                (earnings.missions, "rafi"),
                (earnings.videos, "rafi"),
                (earnings.rate, "rafi"),
                (earnings.views, "V9"),
            ):
                with pytest.raises(NotYours):
                    ask(view, what)
            with pytest.raises(NotYours):
                earnings.earnings(view, owner="rafi")
        with book.view(owner("rafi")) as view, pytest.raises(NotYours):
            earnings.views(view, "V1")


def test_lists_are_read_through_keys(database_url):
    """No query walks a whole table, whatever it asks for."""
    asks = [
        earnings.earnings,
        lambda view: earnings.earnings(view, owner="nila"),
        lambda view: earnings.earnings(view, kind="video_view", since=1),
        lambda view: earnings.earnings(view, owner="nila", kind="video_view", since=1),
        lambda view: earnings.totals(view, "nila", since=1),
        lambda view: earnings.videos(view, "nila"),
        lambda view: earnings.missions(view, "rafi"),
    ]
    with a_book(database_url) as book:
        counted(book, 1000)
        for ask in asks:
            for plan in plans_of(book, ask):
                walked = re.findall(r"(?:SCAN|Seq Scan on) (\w+)", plan)
                assert not {"earnings", "video_views", "rider_missions"} & set(walked), plan


# ── properties ───────────────────────────────────────────────────────────────────────


@pytest.fixture
def stage(database_url):
    """One book for all the cases of a property: each has names of its own."""
    names = (f"n{number}" for number in itertools.count())
    with a_book(database_url, clock=Clock()) as book:
        yield book, names
        assert discrepancies(book) == []


CENTS = st.integers(2000, 5000)
PARTS = st.lists(st.integers(1, 400_000), min_size=1, max_size=6)


@examples(10)
@given(parts=PARTS, cents=CENTS, repeats=st.data())
def test_any_chopping_and_order_of_reports_pays_the_same(stage, parts, cents, repeats):
    """Reports that come twice, or late, pay nothing; the rest pays what one report would."""
    book, names = stage
    many, one = next(names), next(names)
    for creator in (many, one):
        book.submit(SetRate(creator, bdt(f"{cents // 100}.{cents % 100:02}")))
    totals = list(itertools.accumulate(parts))
    come = repeats.draw(st.permutations(totals * 2))
    best = 0
    for total in come:
        if total > best:
            counted(book, total, f"v-{many}", many)
            best = total
        else:
            error = refused(book, CountViews(f"v-{many}", many, total))
            assert error.code == "already_counted"
    counted(book, totals[-1], f"v-{one}", one)
    paths = [f"{creator}/creator/BDT" for creator in (many, one)]
    assert balance(book, paths[0]) == balance(book, paths[1])
    views = [book.query(earnings.views, f"v-{creator}") for creator in (many, one)]
    assert views[0].paid == views[1].paid
    sums = [book.query(earnings.totals, creator) for creator in (many, one)]
    assert [(t.kind, t.total) for t in sums[0]] == [(t.kind, t.total) for t in sums[1]]


@examples(8)
@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.integers(1, 20_000), st.booleans(), st.booleans()),
        max_size=12,
    )
)
def test_what_a_rider_has_is_the_sum_of_what_was_paid(stage, deliveries):
    """Each delivery once; the wallet, the list and the totals agree."""
    book, names = stage
    rider = next(names)
    paid = set()
    for number, cents, haggled, chained in deliveries:
        fee = bdt(f"{cents // 100}.{cents % 100:02}")
        chain = "shift" if chained else None
        command = PayDelivery(rider, f"M{number}", fee, haggled=haggled, chain=chain)
        if number in paid:
            assert refused(book, command).code == "already_counted"
        else:
            paid.add(number)
            book.submit(command)
    found = book.query(earnings.earnings, owner=rider).items
    total = sum(int(line.amount.replace(".", "")) for line in found)
    if paid:
        assert int(balance(book, f"{rider}/rider/BDT").replace(".", "")) == total
    sums = book.query(earnings.totals, rider)
    assert sum(int(line.total.replace(".", "")) for line in sums) == total
    assert {line.reference for line in found if line.kind == "delivery_fee"} == {
        f"M{number}" for number in paid
    }


def test_a_story_runs_again_to_the_same_head(database_url, tmp_path):
    """Rates, views, bonuses, deliveries and a policy, replayed."""
    with a_book(database_url, clock=Clock()) as book:
        book.submit(SetRate("nila", bdt("33.33")))
        counted(book, 123_457)
        book.submit(SetPolicy(EarningPolicy(rewards={"surprise_reward": bdt("25.00")})))
        book.submit(Bonus("surprise_reward", "nila", "eid"))
        delivered(book, "M1", haggled=True, chain="morning")
        with Khata.open(sqlite_at(tmp_path / "copy.db")) as copy:
            assert replay(book, copy).hash.hex() == book.verify().head
            assert discrepancies(copy) == []
