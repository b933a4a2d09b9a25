"""Squads at the doors: HTTP, the client, the command line."""

import inspect
import zlib

import pytest

from khata.domain.squads import Sharing
from khata.edge.client import AsyncClient, Client, squad_calls
from tests.builders import ALICE, bdt
from tests.edge import command_line
from tests.edge.command_line import khata
from tests.edge.serving import Asks, serving_sqlite
from tests.servers import sqlite_at

MONEY = {"amount": "30.00", "currency": "BDT"}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server; nobody works sagas off."""
    with serving_sqlite(tmp_path_factory.mktemp("squads"), KHATA_WORKER="0") as running:
        yield running


@pytest.fixture
def asks(server):
    with server.http() as http:
        yield Asks(http)


@pytest.fixture
def names(request, asks):
    """A squad's name, and three owners with money, of this test's own."""
    mark = f"{zlib.crc32(request.node.name.encode()):x}"
    owners = [f"{name}{mark}" for name in ("lina", "karim", "shop")]
    for name in owners:
        asks.wallet(name, "100.00")
    return f"s{mark}", *owners


def wallet(name):
    return f"{name}/personal/BDT"


# ── HTTP ─────────────────────────────────────────────────────────────────────────────


def test_a_squad_over_http(asks, names):
    """From its beginning to its end, and each answer is what the next one asks."""
    ref, lina, karim, shop = names
    made = asks.post("/v1/squads", {"ref": ref, "title": "Goat", "leader": lina, "currency": "BDT"})
    assert (made.status_code, made.json()["result"]["wallet"]) == (201, f"squad-{ref}/squad/BDT")
    at = f"/v1/squads/{ref}"
    assert asks.post(f"{at}/members", {"owner": karim}).status_code == 201
    for owner in (lina, karim):
        put = asks.post(f"{at}/contributions", {"amount": MONEY, "owner": owner})
        assert (put.status_code, put.json()["result"]["balance"]) == (201, "30.00")
    tried = asks.post(
        f"{at}/purchases", {"reference": "g", "to": wallet(shop), "amount": MONEY}, dry_run="true"
    )
    assert [part["amount"] for part in tried.json()["result"]["parts"]] == ["15.00", "15.00"]
    rule = {"kind": "weights", "weights": {lina: 2, karim: 1}}
    body = {"reference": "g", "to": wallet(shop), "amount": MONEY, "sharing": rule}
    bought = asks.post(f"{at}/purchases", body).json()["result"]
    assert [part["amount"] for part in bought["parts"]] == ["20.00", "10.00"]
    back = asks.post(f"/v1/squad-purchases/{bought['id']}/returns", {"reason": "It limps."})
    assert back.json()["result"]["status"] == "returned"
    assert asks.get(f"/v1/squad-purchases/{bought['id']}").json()["returned"] == "30.00"
    assert len(asks.get(f"{at}/lines", owner=karim).json()["items"]) == 3
    assert asks.get(f"{at}/differences").json()["items"] == []
    closed = asks.post(f"{at}/close", {"reason": "Eid is over."}).json()["result"]
    assert (closed["status"], closed["balance"]) == ("closed", "0.00")


def test_what_is_refused_has_its_status(asks, names):
    """404, 409, 422: each with its code."""
    ref, lina, _, shop = names
    body = {"ref": ref, "title": "Goat", "leader": lina, "currency": "BDT"}
    asks.post("/v1/squads", body)
    buy = {"reference": "g", "to": wallet(shop), "amount": MONEY}
    for answer, status, code in (
        (asks.post("/v1/squads", body), 409, "already_exists"),
        (asks.get("/v1/squads/none"), 404, "squad_not_found"),
        (asks.get("/v1/squad-purchases/none"), 404, "squad_not_found"),
        (asks.post("/v1/squads/none/join", {"owner": lina}), 404, "squad_not_found"),
        (asks.post(f"/v1/squads/{ref}/purchases", buy), 422, "squad_refused"),
        (asks.post(f"/v1/squads/{ref}/leave", {"owner": lina}), 422, "squad_refused"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (status, code)
    short = asks.post(f"/v1/squads/{ref}/purchases", buy).json()["details"]
    assert (short["reason"], short["lacks"]) == ("short", {lina: "30.00"})


# ── the client ───────────────────────────────────────────────────────────────────────


def test_a_squad_through_the_client(server, names):
    """Every word reaches its operation."""
    ref, lina, karim, shop = names
    with Client(server.url, server.key) as client:
        client.create_squad(ref, "Goat", lina, "BDT", joining="anyone")
        assert client.join_squad(ref, owner=karim).result.status == "active"
        client.contribute_to_squad(ref, bdt("50.00"), owner=lina)
        fixed = Sharing("fixed", fixed={karim: "20.00"}, rest=lina)
        assert client.set_squad_sharing(ref, fixed).result.rest == lina
        made = client.purchase_as_squad(ref, "g", wallet(shop), bdt("30.00"), cover="leader").result
        assert client.squad(ref).members[1].owes == "20.00"
        assert client.forgive_squad_member(ref, karim, "kind").result.owes == "0.00"
        back = client.return_squad_purchase(made.id, "x", amount=bdt("3.00"))
        assert back.result.returned == "3.00"
        assert client.squad_purchase(made.id).status == "partly_returned"
        assert [item.id for item in client.each_squad_purchases(ref)] == [made.id]
        assert client.set_squad_role(ref, karim, "buyer").result.members[1].role == "buyer"
        assert client.withdraw_from_squad(ref, bdt("2.00"), owner=karim).result.balance == "0.00"
        client.transfer(wallet(shop), f"squad-{ref}/squad/BDT", bdt("1.00"))
        assert [item.what for item in client.each_squad_differences(ref)] == ["wallet"]
        assert client.allot_in_squad(ref, "theirs", owner=karim).result.unassigned == "0.00"
        assert client.leave_squad(ref, owner=karim).result.status == "left"
        assert client.add_squad_member(ref, karim).result.status == "active"
        assert client.close_squad(ref, "over").result.status == "closed"
        assert ref in [item.ref for item in client.each_squads(owner=karim)]
        assert len(list(client.each_squad_lines(ref, owner=karim))) > 4


def test_both_clients_know_the_same_words():
    """Every call about squads is a method of both."""
    built = [
        name
        for name, call in inspect.getmembers(squad_calls, inspect.isfunction)
        if call.__module__ == squad_calls.__name__ and not name.startswith("_")
    ]
    assert len(built) == 20
    for cls in (Client, AsyncClient):
        assert [name for name in built if not hasattr(cls, name)] == []


# ── the command line ─────────────────────────────────────────────────────────────────


@pytest.fixture
def url(tmp_path):
    """A book in which Alice, who has 1,000 taka, leads a squad with Bob, who has none."""
    made = command_line.a_book(sqlite_at(tmp_path / "khata.db"))
    for words in (
        ("create", "eid", "A goat for Eid", "alice", "BDT"),
        ("add", "eid", "bob", "--wallet", "bob/partner/BDT"),
        ("contribute", "eid", "300.00", "--owner", "alice"),
    ):
        done = khata("squads", *words, url=made)
        assert (done.code, done.err) == (0, "")
    return made


def test_the_command_line_buys_together(url):
    """Shared by weight, owed, given back, forgiven, closed."""

    def squads(*words):
        return khata("squads", *words, url=url)

    rule = ("sharing", "eid", "weights", "--weight", "alice=2", "--weight", "bob=1")
    assert "weights" in squads(*rule).out
    short = squads("purchase", "eid", "goat", "escrow/goat", "90.00")
    assert (short.code, "bob lacks 30.00 BDT" in short.err) == (3, True)
    words = ("purchase", "eid", "goat", "escrow/goat", "90.00", "--cover", "leader", "--json")
    made = squads(*words).json()["result"]
    assert [part["amount"] for part in made["parts"]] == ["60.00", "30.00"]
    assert "-৳30.00" in squads("show", "eid").out
    assert "goat" in squads("purchases", "eid").out
    back = squads("return", made["id"], "--amount", "9.00", "--reason", "It limps")
    assert "৳3.00" in back.out
    assert squads("forgive", "eid", "bob", "--reason", "Family").code == 0
    assert "forgiven" in squads("lines", "eid", "--owner", "bob").out
    assert squads("role", "eid", "bob", "leader").code == 0
    assert squads("withdraw", "eid", "19.00", "--owner", "alice").code == 0
    once = ("--sharing", "fixed", "--fixed", "bob=0.00", "--rest", "alice")
    assert squads("purchase", "eid", "tea", "escrow/tea", "1.00", *once).code == 0
    assert squads("check").code == 0
    khata("wallets", "credit", "squad-eid/squad/BDT", "5.00", url=url)
    assert "nobody's" in squads("show", "eid").out
    assert (squads("check", "eid").code, len(squads("check", "--json").lines())) == (1, 1)
    assert squads("allot", "eid", "--owner", "bob", "--reason", "A prize").code == 0
    assert squads("leave", "eid", "--owner", "alice").code == 0
    assert squads("close", "eid", "--reason", "Eid is over").code == 0
    assert [item["status"] for item in squads("list", "--json").lines()] == ["closed"]
    assert command_line.balance(url, ALICE) != "700.00"


@pytest.mark.parametrize("weight", ["alice", "=1", "alice=x", "alice=-1", "alice=1.5", "alice=²"])
def test_a_weight_that_is_none_is_refused(url, weight):
    """With what was expected."""
    done = khata("squads", "sharing", "eid", "weights", "--weight", weight, url=url)
    assert (done.code, "invalid_input" in done.err) == (3, True)


def test_owners_act_for_themselves_from_the_command_line(url):
    """What is another's is not theirs, whoever types it."""
    done = khata("squads", "show", "eid", "--actor", "owner:carol", url=url)
    assert (done.code, "not_yours" in done.err) == (6, True)
    done = khata("squads", "withdraw", "eid", "1.00", "--actor", "owner:alice", url=url)
    assert (done.code, "299.00" in done.out) == (0, True)
