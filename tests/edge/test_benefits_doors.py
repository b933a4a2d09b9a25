"""Campaigns and referrals through the doors: HTTP with its client, and the command line."""

import pytest

from khata import Khata, Money
from khata.domain import benefits
from khata.edge.client import Client
from khata.errors import InvalidTransition, NotYours, ScopeRequired
from khata.errors.market import (
    BenefitRefused,
    CampaignClosed,
    CampaignNotFound,
    ReferralNotFound,
    SelfReferral,
)
from tests.builders import SERVICE, Clock, owner
from tests.buyers import Qualify, open_shop
from tests.edge.command_line import a_book, khata
from tests.edge.serving import serving_sqlite
from tests.servers import sqlite_at


def taka(amount):
    return Money(amount, "BDT")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving_sqlite(tmp_path_factory.mktemp("benefits")) as found:
        yield found


@pytest.fixture
def client(server):
    with Client(server.url, server.key) as made:
        yield made


@pytest.fixture
def url(tmp_path):
    return a_book(sqlite_at(tmp_path / "khata.db"))


def buys(url, name):
    """A first purchase is done, beside the doors."""
    with open_shop(url, Clock()) as book:
        book.submit(Qualify(name, f"order/{name}", "BDT"), actor=SERVICE)


# ── HTTP ─────────────────────────────────────────────────────────────────────────────


def test_a_campaigns_life_over_http(client):
    """Tried, created, previewed, changed, paused, ended; errors are Khata's own."""
    given = {"points": 1000, "most": taka("50.00"), "budget": taka("100.00"), "per_user": 1}
    dry = client.create_campaign("EID", "Eid", "BDT", **given, dry_run=True)
    assert dry.result.most == "50.00"
    with pytest.raises(CampaignNotFound):
        client.campaign("EID")
    client.create_campaign("EID", "Eid", "BDT", **given)
    seen = client.preview_benefits(taka("1000.00"), ["EID"], owner="alice")
    assert (seen.total, seen.to_pay, seen.benefits[0].campaign) == ("50.00", "950.00", "EID")
    assert client.change_campaign_budget("EID", None, "no end").result.left is None
    assert client.change_campaign_budget("EID", taka("9.00"), "less").result.left == "9.00"
    assert client.extend_campaign("EID", "2099-01-01", "longer").result.ends_at is not None
    assert client.extend_campaign("EID", None, "for good").result.ends_at is None
    client.pause_campaign("EID", "odd")
    with pytest.raises(CampaignClosed) as closed:
        client.preview_benefits(taka("1000.00"), ["EID"], owner="alice")
    assert closed.value.details["reason"] == "paused"
    client.resume_campaign("EID", "fine")
    client.end_campaign("EID", "over")
    with pytest.raises(InvalidTransition):
        client.resume_campaign("EID", "again")
    assert [one.code for one in client.each_campaigns(status="ended", limit=1)] == ["EID"]
    assert client.benefit_uses(campaign="EID").items == []


def test_the_policy_over_http(client):
    """Set as a whole, and read."""
    client.set_benefit_policy(points=5000, most=[taka("20.00")], referred=[taka("3.00")])
    known = client.benefit_policy()
    assert (known.points, known.most, known.referred) == (5000, {"BDT": "20.00"}, {"BDT": "3.00"})
    client.create_campaign("HALF", "Half", "BDT", points=9000)
    assert client.preview_benefits(taka("30.00"), ["HALF"], owner="bob").total == "15.00"


def test_a_referral_over_http(client, server):
    """Made, qualified by a purchase, paid when both are known; no second one."""
    client.set_benefit_policy(referrer=[taka("50.00")], referred=[taka("30.00")], kyc="both")
    client.refer("rina", "ruma")
    with pytest.raises(SelfReferral):
        client.refer("rina", "rina")
    with pytest.raises(BenefitRefused):
        client.refer("ruma", "rina")
    buys(server.database_url, "ruma")
    assert client.referral("ruma").status == "qualified"
    assert [one.owed for one in client.referral_liability().items] == ["80.00"]
    assert client.pay_bonuses("rina").result.waiting == 1
    client.confirm_kyc("rina", "File 7.")
    client.confirm_kyc("ruma", "File 8.")
    assert client.kyc("ruma").evidence == "File 8."
    assert [one.status for one in client.each_referrals(referrer="rina", limit=1)] == ["paid"]
    assert client.balance("ruma/personal/BDT").balance == "30.00"
    with pytest.raises(InvalidTransition):
        client.cancel_referral("ruma", "late")
    with pytest.raises(ReferralNotFound):
        client.referral("nobody")


def test_only_an_admins_key_changes_campaigns(server, client):
    """One that may read and write cannot; it may look."""
    made = client.create_key("till", roles=["admin"], scopes=["read", "write"])
    with Client(server.url, made.result.secret) as till:
        with pytest.raises(ScopeRequired):
            till.create_campaign("TILL", "Till", "BDT", points=1)
        with pytest.raises(ScopeRequired):
            till.set_benefit_policy()
        assert till.campaigns(limit=1).items


# ── the command line ─────────────────────────────────────────────────────────────────


def test_a_campaign_on_the_command_line(url):
    """Created, shown, listed, previewed, changed, ended."""
    created = ("campaigns", "create", "EID", "Eid", "BDT", "--points", "1250")
    more = ("--most", "200.00", "--budget", "500.00", "--per-user", "2", "--source", "order")
    assert "12.5 %, at most ৳200.00" in khata(*created, *more, url=url).out
    assert khata(*created, url=url).code == 5
    shown = khata("campaigns", "show", "EID", url=url).out
    for words in ("EID, Eid", "৳500.00", "2 for one owner", "expense/campaigns/EID", "never"):
        assert words in shown
    asked = ("campaigns", "preview", "1000.00", "BDT", "EID")
    seen = khata(*asked, "--owner", "alice", url=url)
    assert ("৳125.00" in seen.out, "৳875.00" in seen.out) == (True, True)
    assert khata(*asked, "--actor", "owner:alice", "--json", url=url).json()["total"] == "125.00"
    why = ("--reason", "So it is.")
    assert "৳80.00" in khata("campaigns", "budget", "EID", "80.00", *why, url=url).out
    assert "no end" in khata("campaigns", "budget", "EID", *why, url=url).out
    assert "2099" in khata("campaigns", "extend", "EID", "2099-07-01", *why, url=url).out
    assert "paused: So it is." in khata("campaigns", "pause", "EID", *why, url=url).out
    assert khata(*asked, "--owner", "alice", url=url).code == 3
    khata("campaigns", "resume", "EID", *why, url=url)
    assert "ended" in khata("campaigns", "end", "EID", *why, url=url).out
    assert "No campaigns." in khata("campaigns", "list", "--status", "running", url=url).out
    listed = khata("campaigns", "list", "--json", url=url).lines()
    assert [one["status"] for one in listed] == ["ended"]
    assert "No uses." in khata("campaigns", "uses", "--campaign", "EID", url=url).out
    assert khata("campaigns", "show", "none", url=url).code == 4


def test_referrals_on_the_command_line(url):
    """The policy, a referral, its bonuses owed and paid; another one is called off."""
    bonuses = ("--referrer", "50.00 BDT", "--referred", "30.00 BDT", "--kyc", "referrer")
    made = khata("campaigns", "set-policy", "--points", "5000", *bonuses, url=url)
    assert ("৳50.00" in made.out, "the referrer" in made.out) == (True, True)
    assert khata("campaigns", "set-policy", "--most", "50.00", url=url).code == 3
    assert "50 %" in khata("campaigns", "policy", url=url).out
    for name in ("carol", "dave"):
        assert name in khata("referrals", "add", "alice", name, url=url).out
    why = ("--reason", "One person.")
    assert "cancelled: One person." in khata("referrals", "cancel", "dave", *why, url=url).out
    assert "Nothing is owed." in khata("referrals", "owed", url=url).out
    buys(url, "carol")
    owed = khata("referrals", "owed", url=url)
    assert (owed.code, owed.out.count("৳80.00")) == (0, 2)
    assert "1 more wait" in khata("referrals", "pay", "alice", url=url).out
    known = khata("referrals", "confirm", "alice", "--evidence", "File 7.", url=url)
    assert "alice is known: File 7." in known.out
    assert "paid" in khata("referrals", "show", "carol", url=url).out
    listed = khata("referrals", "list", "--referrer", "alice", "--json", url=url).lines()
    assert {one["referred"]: one["status"] for one in listed} == {
        "carol": "paid",
        "dave": "cancelled",
    }
    assert "৳50.00" in khata("referrals", "list", url=url).out
    assert khata("referrals", "show", "none", url=url).code == 4


def test_owners_see_only_their_own_at_the_door(url):
    """Their referrals and previews, and nothing of budgets."""
    khata("campaigns", "create", "EID", "Eid", "BDT", "--points", "1000", url=url)
    khata("referrals", "add", "alice", "carol", url=url)
    as_ = {name: ("--actor", f"owner:{name}") for name in ("alice", "bob")}
    assert len(khata("referrals", "list", "--json", *as_["alice"], url=url).lines()) == 1
    assert khata("referrals", "list", "--json", *as_["bob"], url=url).lines() == []
    assert khata("referrals", "show", "carol", *as_["bob"], url=url).code == 6
    assert khata("campaigns", "list", *as_["alice"], url=url).code == 6
    asked = {"owner": "alice", "amount": "1.00", "currency": "BDT", "codes": ["EID"]}
    with Khata.open(url) as book, book.view(owner("bob")) as view, pytest.raises(NotYours):
        benefits.preview(view, **asked)
