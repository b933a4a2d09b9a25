"""Solvency, brakes, proofs, the schedule and reports at the doors."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from khata.edge.client import Client
from khata.errors import ApprovalRequired, NotYours, RoleRequired
from khata.errors.operations import RootNotFound
from tests.builders import bdt
from tests.edge import command_line
from tests.edge.command_line import khata
from tests.edge.serving import Asks, a_key, money, serving_sqlite
from tests.servers import sqlite_at

KEY = ECKey.generate_key("P-256", {"kid": "k1", "alg": "ES256"})
JWKS = json.dumps({"keys": [KEY.as_dict(private=False)]})
VERIFIER = Path(__file__).parents[2] / "examples" / "verify_inclusion.py"


def token_of(name):
    """A token of an owner."""
    claims = {"iss": "me", "aud": "khata", "sub": name, "exp": int(time.time()) + 3600}
    return jwt.encode({"alg": "ES256", "kid": "k1"}, claims, KEY, algorithms=["ES256"])


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server; nobody works sagas off."""
    settings = {
        "KHATA_WORKER": "0",
        "KHATA_JWKS": JWKS,
        "KHATA_JWT_ISSUER": "me",
        "KHATA_JWT_AUDIENCE": "khata",
    }
    with serving_sqlite(tmp_path_factory.mktemp("solvency"), **settings) as running:
        yield running


def test_solvency_through_the_client(server, tmp_path):
    """Counted, checked, verified, published, proved, braked; every word reaches its operation."""
    with server.http() as http:
        asks = Asks(http)
        asks.wallet("alice", "100.00")
        asks.wallet("bob", "50.00")
        post = {"source": "adjustment", "legs": [
            {"account": "expense/theft", "debit": money("10.00")},
            {"account": "cash/main", "credit": money("10.00")}]}  # fmt: skip
        assert asks.post("/v1/entries", post).status_code == 201
        for path, query, code in (
            ("/v1/solvency/roots/lpr_0", {}, "root_not_found"),
            ("/v1/reports/balance-sheet", {"on": "soon"}, "invalid_input"),
            ("/v1/reports/balance-sheet", {"zone": "Mars"}, "invalid_input"),
        ):
            assert asks.get(path, **query).json()["code"] == code
    with Client(server.url, server.key) as client:
        (standing,) = client.solvency().items
        assert (standing.net, standing.solvent) == ("-10.00", False)
        tried = client.check_solvency(dry_run=True)
        assert (tried.result.braked, client.payout_brakes().items) == (["BDT"], [])
        done = client.check_solvency(key="c1")
        again = client.check_solvency(key="c1")
        assert (again.replayed, again.result.items) == (True, done.result.items)
        (brake,) = client.payout_brakes().items
        assert (brake.currency, brake.by) == ("BDT", "check of solvency")
        assert [one.breach for one in client.each_solvency_checks(currency="BDT")] == [True]
        with pytest.raises(ApprovalRequired):
            client.lift_payout_brake("BDT", "fine")
        at = done.result.items[0].at
        seen = client.verify_balance("cash/main", bdt("150.00"), at=at, evidence="Counted.")
        assert client.verified_balances().items == [seen.result]
        assert client.solvency().items[0].net == "0.00"
        root = client.publish_liability_root("BDT", key="p1").result
        assert client.publish_liability_root("BDT", key="p1").result == root
        assert client.liability_root(root.id) == root
        assert [one.id for one in client.each_liability_roots(currency="BDT")] == [root.id]
        assert client.apply_payout_brake("EUR", "looking").result.currency == "EUR"
        assert client.set_schedule(solvency="06:30").result == client.schedule()
        assert client.report_balance_sheet().items[0].balanced
        assert client.report_income_statement(first="2026-01-01").items[0].result == "-10.00"
        assert len(client.report_trial_balance(zone="UTC").items) == 4
        proof = tmp_path / "bob.json"
        found = client.inclusion(root.id, owner="bob")
        proof.write_text(json.dumps({name: getattr(found, name) for name in ("owner", "balance",
                         "currency", "label", "total")} | {"parts": _plain(found)}))  # fmt: skip
        run = subprocess.run([sys.executable, VERIFIER, proof, root.hash], check=False)
        assert (run.returncode, found.balance) == (0, "50.00")
    support = a_key(server.database_url, roles=["support"], scopes=["read", "write"])
    with Client(server.url, support) as client:
        with pytest.raises(RoleRequired):
            client.check_solvency()
        with pytest.raises(RootNotFound):
            client.inclusion(root.id, owner="carla")


def _plain(found):
    return [
        {"nonce": part.nonce, "amount": part.amount,
         "path": [{"side": s.side, "hash": s.hash, "sum": s.sum} for s in part.path]}
        for part in found.parts
    ]  # fmt: skip


def test_owners_prove_what_is_theirs(server):
    """With a token of their own; what is others' stays others'."""
    with Client(server.url, token_of("bob")) as client:
        root = client.liability_roots().items[0]
        assert client.inclusion(root.id).balance == "50.00"
        for ask in (
            lambda: client.inclusion(root.id, owner="alice"),
            client.solvency,
            client.payout_brakes,
            client.report_balance_sheet,
        ):
            with pytest.raises(NotYours):
                ask()


# ── the command line ─────────────────────────────────────────────────────────────────


@pytest.fixture
def url(tmp_path):
    """A book in which Alice has 1,000 taka."""
    return command_line.a_book(sqlite_at(tmp_path / "khata.db"))


def test_the_command_line_checks_brakes_and_lifts(url):
    """Solvent; then a brake by one, lifted by two; a verified balance that leaves too little."""
    assert "Solvent." in khata("solvency", "show", url=url).out
    checked = khata("solvency", "check", "--json", url=url)
    assert (checked.code, checked.json()["braked"]) == (0, [])
    at = checked.json()["items"][0]["at"]
    assert "looking" in khata("solvency", "brake", "BDT", "--reason", "looking", url=url).out
    assert "BDT" in khata("solvency", "brakes", url=url).out
    alone = khata("solvency", "lift", "BDT", "--reason", "fine", url=url)
    assert (alone.code, "approval_required" in alone.err) == (3, True)
    asked = khata("solvency", "lift", "BDT", "--reason", "fine", "--ask", "all", "--json", url=url)
    request = asked.json()["result"]["request"]
    assert khata("approvals", "approve", request, "--actor", "finance:mitu", url=url).code == 0
    assert "No payouts are braked." in khata("solvency", "brakes", url=url).out
    words = ("verify-balance", "cash/main", "999.99", "BDT", "--at", at)
    assert "Counted" in khata("solvency", *words, "--evidence", "Counted", url=url).out
    shown = khata("solvency", "show", url=url)
    assert (shown.code, "NOT SOLVENT" in shown.out) == (1, "-৳" in shown.out)
    assert khata("solvency", "check", "--actor", "support:x", url=url).code == 6
    assert len(khata("solvency", "history", "--json", url=url).lines()) == 1
    assert "cash" in khata("solvency", "history", url=url).out
    assert "hourly" in khata("solvency", "schedule", url=url).out
    change = ("--time-zone", "Asia/Kolkata", "--solvency", "06:30")
    assert "06:30" in khata("solvency", "schedule", *change, url=url).out


def test_the_command_line_proves(url, tmp_path):
    """Published, proved into a file, checked without a book; a tampered file fails."""
    assert khata("solvency", "prove", "alice", url=url).code == 4
    root = khata("solvency", "publish", "BDT", "--json", url=url).json()
    assert root["hash"] in khata("solvency", "roots", url=url).out
    made = khata("solvency", "prove", "alice", url=url)
    file = tmp_path / "alice.json"
    file.write_text(made.out)
    held = khata("solvency", "verify-proof", str(file), root["hash"])
    assert (held.code, "৳1,000.00 of alice" in held.out) == (0, True)
    file.write_text(made.out.replace('"1000.00"', '"1000.01"'))
    assert khata("solvency", "verify-proof", str(file), root["hash"]).code == 1
    file.write_text("{}")
    assert khata("solvency", "verify-proof", str(file), root["hash"]).code == 3
    mine = khata("solvency", "prove", "alice", "--actor", "owner:bob", url=url)
    assert mine.code == 6


def test_the_command_line_reports(url):
    """Of today and of another day; as tables and as JSON."""
    assert "৳1,000.00" in khata("reports", "balance-sheet", url=url).out
    assert "cash/main" in khata("reports", "trial-balance", "--zone", "UTC", url=url).out
    before = khata("reports", "balance-sheet", "--on", "2020-01-31", "--json", url=url).json()
    assert (before["items"], before["time_zone"]) == ([], "Asia/Dhaka")
    income = khata("reports", "income-statement", "--first", "2020-01-01", url=url)
    assert (income.code, "It balances." in income.out) == (0, True)
    assert khata("reports", "balance-sheet", "--on", "soon", url=url).code == 3
