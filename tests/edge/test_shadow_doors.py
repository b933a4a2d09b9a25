"""Shadow mode at the doors: HTTP, the client, the command line, the page that describes it."""

import json
import re
import shlex
from pathlib import Path

import msgspec
import pytest

from khata import Khata
from khata.base.clock import to_iso
from khata.domain.setup import Set
from khata.domain.shadow import Event
from khata.domain.wallets import Credit, OpenWallet
from khata.edge.client import Client
from khata.errors import InvalidFile, RoleRequired, ScopeRequired
from khata.errors.operations import GateClosed
from tests.builders import START, balance, bdt, discrepancies
from tests.edge.command_line import khata
from tests.edge.serving import Asks, a_key, serving_sqlite
from tests.edge.test_readme import commands, examples
from tests.servers import sqlite_at

PAGE = Path(__file__).parents[2] / "docs" / "shadow.md"
HERE = re.compile(r"cat > (\S+) <<'END'\n(.*?)^END\n", re.MULTILINE | re.DOTALL)
PAY = {
    "kind": "wallets.debit",
    "wallet": "alice/personal/BDT",
    "amount": {"amount": "1.00", "currency": "BDT"},
}


def event(seq, flow="checkout", command=PAY, **outcome):
    return Event(flow, seq, f"order/{seq}", to_iso(START), command, {"ok": True, **outcome})


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server of three books; the one beside has a wallet of alice's and may be fed."""
    folder = tmp_path_factory.mktemp("shadow")
    with serving_sqlite(folder, KHATA_WORKER="0", KHATA_BOOK="main,shadow,theirs") as running:
        with Khata.open(running.database_url, "shadow") as book:
            book.submit(OpenWallet("alice", "BDT"))
            book.submit(Credit("alice/personal/BDT", bdt("100.00")))
            book.submit(Set("shadow_of", {"books": ["main"]}))
        yield running


def test_a_flow_through_the_client(server):
    """Defined, switched, fed, read; every word of the client reaches its operation."""
    with Client(server.url, server.key) as client:
        terms = {"fields": {"left": "legs.0.balance_after"}, "late_seconds": 0, "least": 2}
        assert client.define_flow("checkout", dry_run=True, **terms).result.mode == "off"
        made = client.define_flow("checkout", gate=5000, key="define", **terms).result
        assert (made.gate, made.least, made.into) == (5000, 2, "shadow")
        off = client.feed_events([event(1, left="99.00")]).events
        assert [item.status for item in off] == ["off"]
        client.switch_flow("checkout", "shadow", "a trial")
        fed = client.feed_events([event(1, left="99.0"), event(2, left="98.01"), event(3, "no")])
        assert [(item.status, item.signature or item.code) for item in fed.events] == [
            ("match", None),
            ("mismatch", "wallets.debit left:one_unit"),
            ("refused", "flow_not_found"),
        ]
        known = client.feed_events([event(2, left="0")]).events
        assert [item.status for item in known] == ["known"]
        report = client.flow_report("checkout")
        assert (report.total.matched, report.gate_open, report.status) == (1, True, "comparing")
        assert [line.window.basis_points for line in client.each_flows()] == [5000]
        assert client.flows(limit=1).items[0].name == "checkout"
        (item,) = client.each_comparisons("checkout", outcome="mismatch")
        assert (item.number, item.differences[0].ours) == (2, "98.00")
        assert client.comparisons("checkout", signature=item.signature).items == [item]
        client.define_flow("strict", least=1)
        with pytest.raises(GateClosed) as closed:
            client.switch_flow("strict", "primary", "now")
        assert closed.value.details["reason"] == "too_few"
        assert client.switch_flow("checkout", "primary", "it agrees").result.mode == "primary"
    with server.http() as http:
        assert 'khata_shadow_compared{book="main",flow="checkout"} 2.0' in http.get("/metrics").text


def test_what_is_refused_has_its_status(server):
    """400, 403, 404, 422: each with its code."""
    with server.http() as http:
        asks = Asks(http)
        asks.post("/v1/shadow/flows", {"name": "away", "into": "elsewhere"})
        asks.post("/v1/shadow/flows/away/switch", {"mode": "shadow", "reason": "x"})
        body = {"flow": "away", "seq": 1, "reference": "r", "at": "2026-01-31", "command": PAY}
        for answer, status, code in (
            (asks.post("/v1/shadow/flows", {"name": "No"}), 400, "invalid_input"),
            (asks.post("/v1/shadow/flows/x/switch", {"mode": "off", "reason": "x"}), 404,
             "flow_not_found"),
            (asks.get("/v1/shadow/flows/x"), 404, "flow_not_found"),
            (asks.get("/v1/shadow/flows/away/comparisons", outcome="odd"), 400, "invalid_input"),
            (asks.post("/v1/shadow/events", {"events": []}), 400, "invalid_input"),
            (asks.post("/v1/shadow/events", {"events": [{}]}), 400, "invalid_input"),
            (asks.post("/v1/shadow/events", {"events": [body]}), 404, "book_not_found"),
        ):  # fmt: skip
            assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
        exact = http.post(
            "/v1/shadow/events",
            content=b'{"events":[{"flow":"x","seq":1,"reference":"r","at":"2026-01-31",'
            b'"outcome":{"ok":true,"a":0.1}}]}',
            headers={"content-type": "application/json"},
        )
        assert exact.json()["events"][0]["code"] == "flow_not_found"
    finance = a_key(server.database_url, roles=["finance"], scopes=["write"])
    with Client(server.url, finance) as client:
        with pytest.raises(RoleRequired):
            client.feed_events([event(1)])
        with pytest.raises(ScopeRequired):
            client.define_flow("x")


def test_a_key_does_nothing_beyond_its_book_and_its_scopes(server):
    """Another book has to let itself be fed; what takes a scope takes it on every way in."""
    writer = a_key(server.database_url, scopes=["write"])
    with Khata.open(server.database_url, "theirs") as book, server.http() as http:
        book.submit(OpenWallet("alice", "BDT"))
        asks = Asks(http)
        for name, into in (("away", "theirs"), ("home", "main")):
            asks.post("/v1/shadow/flows", {"name": name, "into": into})
            asks.post(f"/v1/shadow/flows/{name}/switch", {"mode": "shadow", "reason": "x"})
        pay_in = {**PAY, "kind": "wallets.credit"}
        away = asks.post(
            "/v1/shadow/events", {"events": [msgspec.to_builtins(event(1, "away", pay_in))]}
        )
        assert (away.status_code, away.json()["code"]) == (404, "book_not_found")
        assert balance(book) == "0.00"
        book.submit(Set("shadow_of", {"books": "main"}))
        again = asks.post(
            "/v1/shadow/events", {"events": [msgspec.to_builtins(event(1, "away", pay_in))]}
        )
        assert again.json()["code"] == "book_not_found"
        endless = http.post(
            "/v1/shadow/events",
            content=b'{"events":[{"flow":"home","seq":1,"reference":"r","at":"2026-01-31",'
            b'"outcome":{"ok":true,"a":1e99999999999999999999}}]}',
            headers={"content-type": "application/json"},
        )
        assert endless.json()["events"][0]["signature"] == "missing late"
    define = {"kind": "shadow.define", "name": "mine"}
    with server.http(writer) as http:
        fed = Asks(http).post(
            "/v1/shadow/events", {"events": [msgspec.to_builtins(event(2, "home", define))]}
        )
        assert fed.json()["events"][0]["code"] == "scope_required"
        lines = [{"key": f"scopes-{n}", "command": one} for n, one in enumerate((define, PAY))]
        made = Asks(http).post("/v1/bulk", {"lines": lines}).json()["outcomes"]
        codes = [item["error"]["code"] for item in made]
        assert (codes, made[0]["key"]) == (["scope_required", "wallet_not_found"], "scopes-0")
        whole = Asks(http).post("/v1/bulk", {"lines": lines, "atomic": True}).json()
        assert (whole["code"], whole["details"]["reason"]) == ("batch_refused", "scope_required")


def test_the_command_line_runs_beside(tmp_path):
    """Defined, fed from a file and again, reported, switched; bad lines are named."""
    url = sqlite_at(tmp_path / "khata.db")
    khata("wallets", "open", "alice", "BDT", "--book", "shadow", url=url)
    khata("wallets", "credit", "alice/personal/BDT", "9.00", "--book", "shadow", url=url)
    terms = ("--field", "left=legs.0.balance_after", "--mask", "card", "--gate", "99.5")
    made = khata("shadow", "define", "checkout", *terms, "--late-seconds", "0", url=url)
    assert "99.50 %" in made.out
    for wrong in (("--gate", "much"), ("--field", "left")):
        assert khata("shadow", "define", "x", *wrong, url=url).code == 3
    assert "off since" in khata("shadow", "switch", "checkout", "off", "--reason", "x", url=url).out
    khata("shadow", "switch", "checkout", "shadow", "--reason", "a trial", url=url)
    file = tmp_path / "events.jsonl"
    lines = [event(1, left="8.00"), event(2, left="7.01", card="4242"), event(3, "none")]
    file.write_text("\n\n".join(json.dumps(_plain(line)) for line in lines))
    fed = khata("shadow", "feed", str(file), url=url)
    assert (fed.code, fed.out) == (3, "3 events: 1 match, 1 mismatch, 1 refused.\n")
    assert "flow_not_found" in fed.err
    again = khata("shadow", "feed", str(file), "--json", url=url).lines()
    assert [item["status"] for item in again] == ["known", "known", "refused"]
    file.write_text('{"flow": 1}\n')
    bad = khata("shadow", "feed", str(file), url=url)
    assert (bad.code, InvalidFile.code in bad.err, "Line 1" in bad.err) == (3, True, True)
    assert khata("shadow", "feed", str(tmp_path / "none"), url=url).code != 0
    shown = khata("shadow", "report", "checkout", url=url).out
    assert "50.00 %, 1 of 2" in shown
    assert "left 7.01 → 7.00" in shown
    assert "4242" not in shown
    assert khata("shadow", "report", "checkout", "--json", url=url).json()["gaps"] == 0
    assert "comparing" in khata("shadow", "flows", url=url).out
    assert len(khata("shadow", "flows", "--json", url=url).lines()) == 1
    assert "order/2" in khata("shadow", "mismatches", "checkout", url=url).out
    none = khata("shadow", "mismatches", "checkout", "--signature", "late", url=url)
    assert none.out == "No mismatches.\n"
    closed = khata("shadow", "switch", "checkout", "primary", "--reason", "now", url=url)
    assert (closed.code, "gate_closed" in closed.err) == (3, True)
    assert khata("shadow", "report", "none", url=url).code == 4
    with Khata.open(url) as book:
        assert discrepancies(book) == []


def _plain(item):
    return {name: getattr(item, name) for name in item.__struct_fields__}


def test_the_page_runs(tmp_path, monkeypatch):
    """What docs/shadow.md shows happens so; in this process, for speed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KHATA_DATABASE_URL", "sqlite:///khata.db")
    for block in examples(PAGE):
        if block.language == "python":
            exec(compile(block.text, str(PAGE), "exec"), {})  # noqa: S102 - it is ours
            continue
        script = commands(block.text) if block.language == "console" else block.text
        for name, text in HERE.findall(script):
            Path(name).write_text(text)
        lines = HERE.sub("", script).replace("\\\n", "").splitlines()
        for line in lines:
            if line.startswith("khata "):
                done = khata(*shlex.split(line)[1:])
                assert done.code == 0, line + done.err
                shown = done.out.splitlines()[-1:]
                assert not shown[0].startswith("4 events") or shown[0] in block.text
