"""Mismatches and repairs at the doors: HTTP, the client, the command line, the worker's sweep."""

import pytest

from khata import Khata
from khata.domain import holds, mismatches, orders, setup
from khata.domain.orders import AdoptOrder, Line, PlaceOrder
from khata.edge.client import Client
from khata.edge.working.at_once import work_off
from khata.errors.operations import MismatchNotFound, RepairRefused
from tests.builders import bdt
from tests.edge import command_line
from tests.edge.command_line import ALICE, khata
from tests.edge.serving import Asks, a_key, serving_sqlite
from tests.servers import sqlite_at

WHY = "Ticket 4711."


def adopt(book, ref, **facts):
    """An order that was delivered and is shown as pending."""
    usual = {
        "finance": "paid",
        "warehouse": "picked",
        "logistics": "delivered",
        "shown": "pending",
        "placed_at": "2026-01-01T00:00:00Z",
        "wallet": ALICE,
        "received": bdt("100.00"),
        "reason": "Taken over.",
    }
    book.submit(AdoptOrder(ref=ref, customer="alice", total=bdt("100.00"), **(usual | facts)))


UNPAID = {
    "finance": "wallet_partial",
    "warehouse": "waiting",
    "logistics": "waiting",
    "received": bdt("60.00"),
    "wallet_part": bdt("40.00"),
}

# ── HTTP ─────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server with its worker, which sweeps and repairs."""
    with serving_sqlite(tmp_path_factory.mktemp("mismatches")) as running:
        with running.http() as http:
            Asks(http).wallet("alice", "1000.00")
        yield running


def settled(client, name):
    """The repair once the worker has done it; asking takes the time that it needs."""
    while (found := client.repair(name)).status == "waiting":
        pass
    return found


def test_a_repair_through_the_client(server):
    """Found by the sweep, tried, asked for, done; every word of the client has its operation."""
    with Khata.open(server.database_url) as book:
        lines = [Line(title="A kettle", price=bdt("100.00"))]
        placed = PlaceOrder("M1", "alice", lines, "mixed", ALICE, wallet_part=bdt("40.00"))
        hold = book.submit(placed).result.hold
        book.submit(holds.VoidHold(hold, "A slip of the hand."))
        adopt(book, "M2")
    with Client(server.url, server.key) as client:
        news = client.unlike_orders().orders
        client.sweep_orders(news or ["M1"])
        (found,) = client.mismatches(order="M1").items
        assert (found.kind, found.at_risk) == ("wallet_part_missing", "40.00")
        assert client.mismatch(found.id).order == "M1"
        dry = client.repair_order("M1", WHY, dry_run=True).result
        assert client.repairs().items == []
        asked = client.repair_order("M1", WHY, key="r-1")
        assert asked.result.plan == dry.plan
        done = settled(client, asked.result.id)
        assert (done.status, done.plan) == ("applied", dry.plan)
        assert client.repair_order("M1", WHY, key="r-1").replayed
        with pytest.raises(RepairRefused):
            client.repair_order("M1", WHY)
        other = next(client.each_mismatches(order="M2"))
        assert client.dismiss_mismatch(other.id, "He knows.").result.status == "dismissed"
        assert [item.id for item in client.each_repairs(status="applied")] == [done.id]
        assert client.mismatches(status="open").items == []
        with pytest.raises(MismatchNotFound):
            client.mismatch("msm_0")


def test_what_is_refused_has_its_status(server):
    """400, 403, 404, 422: each with its code."""
    with Khata.open(server.database_url) as book:
        adopt(book, "M3", shown="delivered")
    with server.http() as http:
        asks = Asks(http)
        for answer, status, code in (
            (asks.post("/v1/orders/M3/repair", {"reason": WHY}), 422, "repair_refused"),
            (asks.post("/v1/orders/M0/repair", {"reason": WHY}), 404, "order_not_found"),
            (asks.post("/v1/orders/M3/repair", {"reason": ""}), 400, "invalid_input"),
            (asks.post("/v1/mismatches/msm_0/dismiss", {"reason": WHY}), 404,
             "mismatch_not_found"),
            (asks.post("/v1/mismatch-sweeps", {"orders": ["M0"]}), 404, "order_not_found"),
            (asks.get("/v1/mismatches", kind="odd"), 400, "invalid_input"),
            (asks.get("/v1/order-repairs", status="odd"), 400, "invalid_input"),
            (asks.get("/v1/order-repairs/rep_0"), 404, "mismatch_not_found"),
        ):  # fmt: skip
            assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    support = a_key(server.database_url, roles=["support"], scopes=["read", "write"])
    with server.http(support) as http:
        answer = Asks(http).post("/v1/orders/M3/repair", {"reason": WHY})
        assert (answer.status_code, answer.json()["code"]) == (403, "role_required")
        assert Asks(http).get("/v1/mismatches").status_code == 200


# ── the command line ─────────────────────────────────────────────────────────────────


@pytest.fixture
def url(tmp_path):
    """A book in which Alice has 1,000 taka, and two orders of hers are broken."""
    url = command_line.a_book(sqlite_at(tmp_path / "khata.db"))
    with Khata.open(url) as book:
        adopt(book, "M1", **UNPAID)
        adopt(book, "M2")
    return url


def test_audit_and_repair(url):
    """The table has class, age, money and repair; a dry run and the repair show the same plan."""
    shown = khata("orders", "audit", url=url)
    assert shown.code == 0
    for words in ("wallet part missing", "৳40.00", "take wallet part ৳40.00", "status differs"):
        assert words in shown.out
    found = khata("orders", "audit", "--json", url=url).lines()
    assert sorted(item["order"] for item in found) == ["M1", "M2"]
    ask = ("orders", "repair", "M1", "--reason", WHY, "--json")
    tried = khata(*ask, "--dry-run", url=url).json()
    plain = khata(*ask[:-1], "--dry-run", url=url).out
    for words in ("nothing was written", "৳1,000.00 → ৳960.00", "warehouse to ready"):
        assert words in plain
    done = khata(*ask, url=url).json()
    assert (done["status"], done["plan"]) == ("applied", tried["plan"])
    refused = khata("orders", "repair", "M1", "--reason", WHY, url=url)
    assert (refused.code, "Nothing is wrong" in refused.err) == (3, True)
    every = khata("orders", "repair", "--all", "--reason", WHY, url=url)
    assert (every.code, "1 repairs asked for, 0 refused" in every.out) == (0, True)
    assert khata("orders", "audit", "--json", url=url).lines() == []
    trail = khata("orders", "repairs", url=url).out
    for words in ("M1", "M2", WHY, "applied", done["entries"][0]):
        assert words in trail
    past = khata("orders", "mismatches", "--status", "repaired", "--json", url=url).lines()
    assert len(past) == 2
    assert khata("verify", url=url).code == 0


def test_what_one_cannot_do_alone(url):
    """A poor wallet is told of; above the limit somebody else agrees; either, or all, not both."""
    with Khata.open(url) as book:
        book.submit(setup.Set("four_eyes", {"BDT": "30.00"}))
    mitu = ("--actor", "finance:mitu")
    waits = khata("orders", "repair", "M1", "--reason", WHY, *mitu, url=url)
    assert (waits.code, "waits for a second person" in waits.out) == (0, True)
    with Khata.open(url) as book:
        saga = book.query(mismatches.repairs).items[0].saga
    agreed = khata("sagas", "approve", saga, "--reason", "Right.", url=url)
    assert agreed.code == 0, agreed.err
    with Khata.open(url) as book:
        work_off(book, [saga])
        assert book.query(orders.order, "M1").finance == "paid"
        mismatch = book.query(mismatches.mismatches, order="M2").items[0].id
        adopt(book, "M4", **(UNPAID | {"wallet_part": bdt("30.00"), "received": bdt("70.00")}))
        book.submit(setup.Set("four_eyes", {}))
    dismissed = khata("orders", "dismiss", mismatch, "--reason", "He knows.", url=url)
    assert (dismissed.code, "dismissed" in dismissed.out) == (0, True)
    khata("wallets", "debit", ALICE, "955.00", url=url)
    poor = khata("orders", "repair", "--all", "--reason", WHY, url=url)
    assert (poor.code, "M4: " in poor.err) == (3, True)
    for words in (("orders", "repair", "--reason", WHY),
                  ("orders", "repair", "M1", "--all", "--reason", WHY)):  # fmt: skip
        assert khata(*words, url=url).code == 3
