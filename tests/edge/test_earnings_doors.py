"""Earnings and trust through the doors: HTTP with its client, and the command line."""

import asyncio
import itertools
import json

import msgspec
import pytest

from khata import Money
from khata.domain.earnings import EarningPolicy, Threshold
from khata.domain.trust import Worth
from khata.edge.client import AsyncClient, Client
from khata.errors import Invalid, NotFound, ScopeRequired
from khata.errors.market import AlreadyCounted, EarningRefused
from tests.edge.command_line import a_book, khata
from tests.edge.serving import serving_sqlite
from tests.servers import sqlite_at

_numbers = itertools.count()
EVENING = "2026-01-31T19:00:00+06:00"


def taka(amount):
    return Money(amount, "BDT")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving_sqlite(tmp_path_factory.mktemp("earnings")) as found:
        yield found


@pytest.fixture
def client(server):
    with Client(server.url, server.key) as made:
        yield made


@pytest.fixture
def who():
    """An owner whom no other test knows."""
    return f"nila{next(_numbers)}"


@pytest.fixture
def url(tmp_path):
    return a_book(sqlite_at(tmp_path / "khata.db"))


# ── HTTP ─────────────────────────────────────────────────────────────────────────────


def test_views_over_http(client, who):
    """A rate, two reports, one that comes again; what was paid is listed and added up."""
    video = f"V-{who}"
    assert client.view_rate(who).agreed is False
    assert client.set_view_rate(who, taka("35.00")).result.per_thousand == "35.00"
    dry = client.count_views(video, who, 2000, dry_run=True).result
    assert (dry.new, dry.earnings[0].amount) == (2000, "70.00")
    first = client.count_views(video, who, 1000, key=f"k-{who}")
    assert client.count_views(video, who, 1000, key=f"k-{who}").replayed
    assert first.result.earnings[0].wallet == f"{who}/creator/BDT"
    with pytest.raises(AlreadyCounted) as again:
        client.count_views(video, who, 1000)
    assert again.value.details["expected"] == "more than 1000"
    client.count_views(video, who, 3000)
    assert (client.views(video).total, client.views(video).paid) == (3000, "105.00")
    assert [one.video for one in client.videos(who).items] == [video]
    found = list(client.each_earnings(owner=who, kind="video_view", limit=1))
    assert [one.amount for one in found] == ["70.00", "35.00"]
    assert client.earning_totals(who).items[0].total == "105.00"
    assert client.earnings(owner=who, since="2999-01-01").items == []
    with pytest.raises(NotFound):
        client.views("nothing")
    with pytest.raises(EarningRefused) as bounds:
        client.set_view_rate(who, taka("50.01"))
    assert bounds.value.details["reason"] == "rate_out_of_bounds"


def test_bonuses_and_deliveries_over_http(client, who):
    """A reward once; a delivery with its bonuses; the rider's missions."""
    paid = client.give_bonus("surprise_reward", who, "eid", amount=taka("50.00")).result
    assert paid.earnings[0].kind == "surprise_reward"
    with pytest.raises(AlreadyCounted):
        client.give_bonus("surprise_reward", who, "eid", amount=taka("50.00"))
    fields = {"haggled": True, "chain": "morning", "delivered_at": EVENING}
    paid = client.pay_delivery(who, "M1", taka("60.00"), **fields).result
    assert {one.kind: one.amount for one in paid.earnings} == {
        "delivery_fee": "60.00",
        "peak_hour": "15.00",
        "haggled_order": "10.00",
    }
    bonuses = client.pay_delivery(who, "M2", taka("60.00"), fee_is_paid=True, delivered_at=EVENING)
    assert [one.kind for one in bonuses.result.earnings] == ["peak_hour"]
    missions = client.paid_missions(who).items
    assert [(one.reference, one.place) for one in missions] == [("M2", 0), ("M1", 1)]
    assert {one.kind for one in client.each_earnings(owner=who)} == {
        "surprise_reward",
        "delivery_fee",
        "peak_hour",
        "haggled_order",
    }


def test_the_policy_over_http(server, client):
    """Read, set by an admin's key, and told what is wrong with it."""
    before = client.earning_policy()
    policy = msgspec.structs.replace(before, viral=(Threshold(7, taka("1.00")),))
    assert client.set_earning_policy(policy).result == client.earning_policy() == policy
    with pytest.raises(Invalid):
        client.set_earning_policy(msgspec.structs.replace(policy, offset_minutes=900))
    made = client.create_key("till", roles=["admin"], scopes=["read", "write"])
    with Client(server.url, made.result.secret) as till, pytest.raises(ScopeRequired):
        till.set_earning_policy(before)
    assert client.set_earning_policy(EarningPolicy()).result == before


def test_trust_over_http(server, client, who):
    """An event, the score, the history, and what events are worth; by coroutines too."""
    assert client.trust(who).score == 500
    award = client.record_trust_event(who, "delivered", "M1").result
    assert (award.xp, award.score) == ("15", 545)
    rules = client.set_trust_rules({"sang": Worth(xp=3, bad=1)}).result
    assert client.trust_rules() == rules
    client.record_trust_event(who, "sang", "M2")
    assert [line.event for line in client.each_trust_events(who, limit=1)] == ["sang", "delivered"]
    with pytest.raises(Invalid):
        client.record_trust_event(who, "flew", "M3")
    with pytest.raises(Invalid):
        client.set_trust_rules({"Sang": Worth()})

    async def asked():
        async with AsyncClient(server.url, server.key) as waiting:
            return await waiting.trust(who)

    assert asyncio.run(asked()).xp == "18"


# ── the command line ─────────────────────────────────────────────────────────────────


def test_views_on_the_command_line(url):
    """Agreed, tried, counted, listed; the same total again is refused."""
    assert "as the policy says" in khata("earnings", "rate", "nila", url=url).out
    assert "৳35.00, as agreed" in khata("earnings", "rate", "nila", "35.00", url=url).out
    assert khata("earnings", "rate", "nila", "--json", url=url).json()["agreed"]
    count = ("earnings", "count", "V1", "nila", "100000")
    assert "nothing was written" in khata(*count, "--dry-run", url=url).out
    counted = khata(*count, url=url)
    assert "100,000 new views of V1" in counted.out
    assert "৳3,500.00" in counted.out
    again = khata(*count, url=url)
    assert (again.code, "already_counted" in again.err) == (5, True)
    listed = khata("earnings", "list", "--owner", "nila", "--json", url=url).lines()
    assert [line["kind"] for line in listed] == ["viral_bonus", "video_view"]
    assert "ern_" in khata("earnings", "list", "--since", "2026-01-01", url=url).out
    totals = khata("earnings", "totals", "nila", "--json", url=url).lines()
    assert [line["total"] for line in totals] == ["3500.00", "500.00"]
    assert khata("earnings", "views", "V1", "--json", url=url).json()["total"] == 100_000
    assert "100,000" in khata("earnings", "views", "--creator", "nila", url=url).out
    assert khata("earnings", "views", "V9", url=url).code == 4
    assert khata("earnings", "views", url=url).code == 3


def test_riders_on_the_command_line(url):
    """A reward, a delivery with its bonuses, and one that was paid elsewhere."""
    delivery = ("earnings", "delivery", "rafi", "M1", "60.00", "--haggled", "--chain", "a")
    paid = khata(*delivery, "--at", EVENING, url=url)
    for words in ("delivery_fee", "peak_hour", "৳15.00", "haggled_order", "rafi/rider/BDT"):
        assert words in paid.out
    assert khata(*delivery, url=url).code == 5
    other = ("earnings", "delivery", "rafi", "M2", "60.00", "--at", "2026-01-31T00:00:00Z")
    assert "Nothing is due." in khata(*other, "--paid", url=url).out
    missions = khata("earnings", "missions", "rafi", "--json", url=url).lines()
    assert [line["place"] for line in missions] == [0, 1]
    assert "M2" in khata("earnings", "missions", "rafi", url=url).out
    bonus = ("earnings", "bonus", "surprise_reward", "nila", "eid")
    assert khata(*bonus, url=url).code == 3
    assert "৳50.00" in khata(*bonus, "50.00", url=url).out


def test_a_policy_on_the_command_line(url, tmp_path):
    """Shown, taken out into a file, changed there, set again."""
    assert "25 % of the fee" in khata("earnings", "policy", url=url).out
    known = khata("earnings", "policy", "--json", url=url).json()
    known["rewards"]["surprise_reward"] = {"amount": "25.00", "currency": "BDT"}
    file = tmp_path / "policy.json"
    file.write_text(json.dumps(known))
    assert "৳25.00" in khata("earnings", "policy", str(file), url=url).out
    assert "৳25.00" in khata("earnings", "policy", url=url).out
    file.write_text('{"viral": 7}')
    refused = khata("earnings", "policy", str(file), url=url)
    assert (refused.code, "is not a policy of earnings" in refused.err) == (3, True)


def test_trust_on_the_command_line(url):
    """Recorded, shown, listed; rules set and reset."""
    recorded = khata("trust", "record", "rafi", "delivered", "M1", url=url)
    assert "rafi has 15 XP more and a score of 545." in recorded.out
    assert "545 of 1000" in khata("trust", "show", "rafi", url=url).out
    assert khata("trust", "show", "nobody", "--json", url=url).json()["score"] == 500
    assert "delivered" in khata("trust", "history", "rafi", url=url).out
    assert khata("trust", "history", "rafi", "--json", url=url).lines()[0]["score"] == 545
    setting = ("trust", "rules", "--set", "delivered=20,2,0", "--set", "sang=1,1,0", "--json")
    assert khata(*setting, url=url).json()["result"]["events"]["sang"] == {"xp": 1, "good": 1}
    assert "sang" in khata("trust", "rules", url=url).out
    assert "sang" not in khata("trust", "rules", "--reset", url=url).out
    for wrong in ("sang", "sang=1,1", "sang=a,b,c", "Sang=1,1,1"):
        assert khata("trust", "rules", "--set", wrong, url=url).code == 3
