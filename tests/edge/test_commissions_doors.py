"""Commission rules through the doors: HTTP with its client, and the command line."""

import asyncio
import json

import pytest

from khata import Money
from khata.domain.commissions import Part, Tax, Tier
from khata.edge.client import AsyncClient, Client
from khata.errors import Invalid, InvalidTransition, ScopeRequired, UnknownSource
from khata.errors.market import RuleInvalid, RuleNotFound, RuleOverlap, SplitImpossible
from tests.edge.command_line import a_book, khata
from tests.edge.serving import serving_sqlite
from tests.servers import sqlite_at

HOUSE = "revenue/commission"
REST = Part("partner", "partner", rest=True)
GROCERIES = {
    "name": "groceries",
    "category": "groceries",
    "parts": [
        {"name": "platform", "to": HOUSE, "points": 750, "least": {"BDT": "5"}},
        {"name": "vat", "to": "payable/vat", "fixed": {"BDT": "1.5"}},
        {
            "name": "creator",
            "to": "creator",
            "tiers": [{"points": 1000, "up_to": {"BDT": "500"}}, {"points": 500}],
            "if_present": True,
        },
        {"name": "partner", "to": "partner", "rest": True, "tax": {"points": 500}},
    ],
}


def taka(amount):
    return Money(amount, "BDT")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving_sqlite(tmp_path_factory.mktemp("commissions")) as found:
        yield found


@pytest.fixture
def client(server):
    with Client(server.url, server.key) as made:
        yield made


@pytest.fixture
def url(tmp_path):
    return a_book(sqlite_at(tmp_path / "khata.db"))


def told(preview):
    """Name → decimal string."""
    return {share.name: share.amount for share in preview.shares}


# ── HTTP ─────────────────────────────────────────────────────────────────────────────


def test_the_standard_over_http(client):
    """Previewed to the last minor unit, with a creator and without."""
    whole = taka("1000.00")
    assert told(client.preview_commission(whole, source="video_order", parties=["creator"])) == {
        "platform": "50.00",
        "creator": "150.00",
        "partner": "800.00",
    }
    assert told(client.preview_commission(whole)) == {"platform": "50.00", "partner": "950.00"}
    assert client.commission_rule("standard").version == 0
    assert client.commission_rule("standard", 0).parts[0] == Part("platform", HOUSE, points=500)


def test_a_rule_from_its_definition_to_its_end_over_http(client):
    """Defined, superseded, previewed, retired; errors are Khata's own."""
    house = Part("house", HOUSE, points=1000, tax=Tax(1500, included=False))
    made = client.define_commission_rule("toys", [house, REST], category="toys").result
    assert (made.version, made.parts[0].tax) == (1, house.tax)
    tiers = [Tier(1000, {"BDT": "100.00"}), Tier(500)]
    again = [Part("house", HOUSE, tiers=tiers, marginal=True), REST]
    dry = client.define_commission_rule("toys", again, category="toys", dry_run=True)
    assert (dry.result.version, client.commission_rule("toys").version) == (2, 1)
    assert client.define_commission_rule("toys", again, category="toys").result.version == 2
    seen = client.preview_commission(taka("300.00"), category="toys", partner="karim")
    assert ((seen.rule, seen.version), told(seen)["house"]) == (("toys", 2), "20.00")
    assert client.commission_rule("toys", 1).status == "superseded"
    assert [rule.version for rule in client.each_commission_rules(name="toys", limit=1)] == [1, 2]
    with pytest.raises(RuleOverlap) as overlap:
        client.define_commission_rule("other", [REST], category="toys")
    assert overlap.value.details["rule"] == "toys"
    assert client.retire_commission_rule("toys", "no more").result.status == "retired"
    with pytest.raises(InvalidTransition):
        client.retire_commission_rule("toys", "again")
    assert client.preview_commission(taka("300.00"), category="toys").rule == "standard"


def test_what_is_wrong_is_told_over_http(client):
    """Each with the code and the details that it has inside."""
    with pytest.raises(RuleInvalid) as wrong:
        client.define_commission_rule("x", [Part("house", HOUSE, points=10_000)])
    assert wrong.value.details["reason"] == "no_rest"
    fixed = [Part("fee", HOUSE, fixed={"BDT": "50"}), REST]
    client.define_commission_rule("fixed", fixed, category="fixed")
    with pytest.raises(SplitImpossible):
        client.preview_commission(taka("49.99"), category="fixed")
    with pytest.raises(UnknownSource):
        client.preview_commission(taka("1.00"), source="moonlight")
    for name, version in (("nothing", None), ("fixed", 9), ("standard", 1)):
        with pytest.raises(RuleNotFound):
            client.commission_rule(name, version)


def test_only_an_admins_key_changes_rules(server, client):
    """One that may read and write cannot; it may look."""
    made = client.create_key("till", roles=["admin"], scopes=["read", "write"])
    with Client(server.url, made.result.secret) as till:
        with pytest.raises(ScopeRequired):
            till.define_commission_rule("x", [REST])
        assert told(till.preview_commission(taka("10.00"))) == {
            "platform": "0.50",
            "partner": "9.50",
        }


def test_what_a_book_is_set_up_with_over_http(server, client):
    """A source and a wallet kind are added and listed, by coroutines too."""
    client.define_source("quiz", "Quizzes", "income", "expense", "expense/quiz")
    client.define_wallet_kind("courier", "Courier", overdraft=500)
    assert [source.name for source in client.sources().items][-1] == "quiz"
    assert client.wallet_kinds().items[-1].overdraft == 500
    assert client.units().items == []

    async def listed():
        async with AsyncClient(server.url, server.key) as waiting:
            seen = await waiting.preview_commission(taka("1.00"), source="quiz")
            return seen.source, [source.name for source in (await waiting.sources()).items]

    source, names = asyncio.run(listed())
    assert (source, names[-1]) == ("quiz", "quiz")


# ── the command line ─────────────────────────────────────────────────────────────────


def test_a_preview_on_the_command_line(url):
    """A table whose amounts stand one below the other, and the same as JSON."""
    asked = ("commissions", "preview", "1000.00", "BDT", "--source", "video_order")
    shown = khata(*asked, "--with", "creator", url=url)
    lines = [line.rstrip() for line in shown.out.splitlines() if "৳" in line]
    assert [line.split()[-1] for line in lines] == ["৳50.00", "৳150.00", "৳800.00", "৳1,000.00"]
    assert len({len(line) for line in lines}) == 1
    assert "By standard, version 0." in shown.out
    without = khata(*asked, "--json", url=url).json()
    assert [share["amount"] for share in without["shares"]] == ["50.00", "950.00"]
    assert khata("commissions", "preview", "0", "BDT", url=url).code == 3


def test_a_rule_on_the_command_line(url, tmp_path):
    """Tried, defined out of a file, listed, shown, retired."""
    file = tmp_path / "groceries.json"
    file.write_text(json.dumps(GROCERIES))
    tried = khata("commissions", "define", str(file), "--dry-run", url=url)
    assert (tried.code, "nothing was written" in tried.out) == (0, True)
    assert "No rules." in khata("commissions", "list", url=url).out
    for version in (1, 2):
        made = khata("commissions", "define", str(file), "--json", url=url)
        assert made.json()["result"]["version"] == version
    listed = khata("commissions", "list", "--status", "in_force", url=url).out
    assert "platform 7.5 %, vat ৳1.50, creator 10 % to ৳500.00, then 5 % of the whole" in listed
    assert "superseded" not in listed
    shown = khata("commissions", "show", "groceries", url=url).out
    for words in ("groceries, version 2", "creator, if there is one", "৳5.00", "5 % included"):
        assert words in shown
    old = khata("commissions", "show", "groceries", "--version", "1", "--json", url=url)
    assert old.json()["status"] == "superseded"
    assert len(khata("commissions", "list", "--json", url=url).lines()) == 2
    why = ("--reason", "The season is over.")
    gone = khata("commissions", "retire", "groceries", *why, url=url)
    assert "retired: The season is over." in gone.out
    assert khata("commissions", "retire", "groceries", *why, url=url).code == 3
    assert khata("commissions", "show", "nothing", url=url).code == 4
    assert "15 %" in khata("commissions", "show", "standard", url=url).out


def test_a_file_that_is_no_rule(url, tmp_path):
    """It is told what is wrong with it; a file that is not there, that it is not."""
    file = tmp_path / "rule.json"
    for text in ("", "[]", '{"name": "x"}', '{"name": "x", "parts": [{"nome": 1}]}'):
        file.write_text(text)
        refused = khata("commissions", "define", str(file), url=url)
        assert (refused.code, "is not a commission rule" in refused.err) == (3, True)
    file.write_bytes(b'{"name": "\xff"}')
    assert khata("commissions", "define", str(file), url=url).code == 3
    assert khata("commissions", "define", str(tmp_path / "none.json"), url=url).code == 1


def test_a_client_says_what_does_not_fit(client):
    """Before the book is asked: the body's shape is the API's."""
    with pytest.raises(Invalid):
        client.define_commission_rule("x", [{"name": "a"}])
