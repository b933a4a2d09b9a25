"""Payouts at the doors: HTTP, the client, the command line, and a provider over real sockets."""

import http.server
import io
import json
import sys
import threading
import time
import zlib
from contextlib import contextmanager
from pathlib import Path

import pytest
import structlog

from khata.base.actor import WORKER
from khata.base.clock import system_clock
from khata.domain import payouts
from khata.domain.payouts import TellPayout
from khata.edge.client import Client
from khata.edge.providers import Providers
from khata.edge.sandbox import local_sandbox
from khata.engine.vault import Vault
from khata.settings import Settings, settings_from
from tests.builders import ALICE, bdt, discrepancies
from tests.edge import command_line
from tests.edge.command_line import khata
from tests.edge.serving import Asks, serving_sqlite
from tests.payees import VAULT, a_house, money_of, pay_out, show
from tests.servers import sqlite_at

KEY = Vault.new_key()
NUMBER = "1234 5678 9012"
DIGITS = "123456789012"
ACCOUNT = {
    "owner": "alice",
    "number": NUMBER,
    "holder": "Alice Rahman",
    "bank": "Dutch-Bangla Bank",
    "country": "BD",
    "currency": "BDT",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server with a vault; nobody works sagas off."""
    folder = tmp_path_factory.mktemp("payouts")
    with serving_sqlite(folder, KHATA_VAULT_KEYS=KEY, KHATA_WORKER="0") as running:
        yield running


@pytest.fixture
def asks(server):
    with server.http() as http:
        yield Asks(http)


@pytest.fixture
def name(request):
    """An owner of this test's own."""
    return f"o{zlib.crc32(request.node.name.encode()):x}"


def verified(client, name, **more):
    """The id of a bank account that can be paid."""
    made = client.add_bank_account(**(ACCOUNT | {"owner": name} | more)).result
    client.verify_bank_account(made.id, "Statement seen.")
    return made.id


# ── HTTP ─────────────────────────────────────────────────────────────────────────────


def test_a_number_comes_in_clear_and_never_goes_out(server, asks, name):
    """Not in an answer, a list, the journal, a refusal, the log, or the database's file."""
    body = ACCOUNT | {"owner": name}
    made = asks.post("/v1/bank-accounts", body)
    assert made.status_code == 201
    assert made.json()["result"]["number"] == "•••• 9012"
    texts = [made.text, asks.post("/v1/bank-accounts", body).text]
    texts.append(asks.post("/v1/bank-accounts", body | {"number": f"{NUMBER}!"}).text)
    texts.append(asks.post("/v1/bank-accounts", body | {"number": 123456789012}).text)
    texts.append(asks.post("/v1/bank-accounts", body | {"iban": NUMBER}).text)
    texts += [
        asks.get(path).text
        for path in ("/v1/bank-accounts", "/v1/journal", "/v1/refusals", "/openapi.json")
    ]
    told = "\n".join([*texts[:-1], *server.lines])
    path = server.database_url.removeprefix("sqlite:///")
    for file in (Path(path), Path(f"{path}-wal")):
        told += file.read_bytes().decode("latin-1")
    for secret in (NUMBER, DIGITS, "Alice Rahman"):
        assert secret not in told


def test_adding_again_under_the_same_key_is_one(asks, name):
    """Although it is sealed anew each time; another number under that key is refused."""
    body = ACCOUNT | {"owner": name}
    first = asks.post("/v1/bank-accounts", body, key=f"add-{name}")
    again = asks.post("/v1/bank-accounts", body, key=f"add-{name}")
    assert (again.status_code, again.json()["replayed"]) == (201, True)
    assert again.json()["result"] == first.json()["result"]
    other = asks.post("/v1/bank-accounts", body | {"number": "99998888"}, key=f"add-{name}")
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")
    assert asks.post("/v1/bank-accounts", body | {"owner": None}).status_code == 400
    tried = asks.post("/v1/bank-accounts", body | {"number": "77776666"}, dry_run="true")
    assert tried.status_code == 201
    found = asks.get("/v1/bank-accounts", owner=name).json()["items"]
    assert [item["id"] for item in found] == [first.json()["result"]["id"]]


def test_a_payout_through_the_client(server, asks, name):
    """Asked for, told of, listed; every word of the client reaches its operation."""
    wallet = asks.wallet(name, "1000.00")
    with Client(server.url, server.key) as client:
        account = verified(client, name)
        assert client.bank_account(account).primary
        made = client.initiate_payout(wallet, bdt("100.00"), f"{name}-1", bank_account=account)
        payout = made.result
        assert (payout.status, payout.money) == ("locked", "locked")
        done = client.complete_payout(payout.id, "Line 7", "by hand").result
        assert (done.status, client.payout(payout.id).money) == ("completed", "paid_out")
        second = client.initiate_payout(wallet, bdt("100.00"), f"{name}-2").result
        assert client.fail_payout(second.id, "not wanted").result.status == "failed"
        assert client.balance(wallet).balance == "900.00"
        lines = [payouts.BatchLine(wallet, bdt("50.00"), f"{name}-b{n}") for n in range(2)]
        batch = client.create_payout_batch(f"batch-{name}", lines, provider="manual").result
        assert [total.count for total in client.payout_batch(batch.id).totals] == [2]
        assert batch.id in [item.id for item in client.each_payout_batches()]
        assert len(list(client.each_payouts(owner=name))) == 4
        other = verified(client, name, number="5555 6666")
        assert client.set_primary_bank_account(other).result.primary
        client.block_bank_account(other, "odd")
        client.remove_bank_account(other)
        assert {item.status for item in client.each_bank_accounts(owner=name)} == {
            "verified",
            "removed",
        }


def test_what_is_refused_has_its_status(asks, name):
    """404, 409, 422: each with its code."""
    wallet = asks.wallet(name, "1000.00")
    body = {"wallet": wallet, "amount": {"amount": "10.00", "currency": "BDT"}, "reference": name}
    for answer, status, code in (
        (asks.post("/v1/payouts", body), 422, "bank_account_unusable"),
        (asks.post("/v1/payouts/pyo_none/fail", {"reason": "x"}), 404, "payout_not_found"),
        (asks.get("/v1/payouts/pyo_none"), 404, "payout_not_found"),
        (asks.get("/v1/payout-batches/bat_none"), 404, "payout_not_found"),
        (asks.get("/v1/bank-accounts/bnk_none"), 404, "bank_account_not_found"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_no_door_takes_what_is_for_workers_alone(asks):
    """Neither sealing anew nor a provider's word comes through the bulk."""
    for command in (
        {"kind": "payouts.reseal", "account": "bnk_1", "number": "x", "holder": "x",
         "fingerprint": "x", "by": "x"},
        {"kind": "payouts.tell",
         "event": {"id": "e", "provider": "sandbox", "type": "payout.completed", "object": "p"}},
    ):  # fmt: skip
        answer = asks.post("/v1/bulk", {"lines": [{"key": "k1", "command": command}]})
        (line,) = answer.json()["outcomes"]
        assert line["error"]["code"] == "unknown_command"


# ── the command line ─────────────────────────────────────────────────────────────────


@contextmanager
def typed(text):
    """Standard input with this in it."""
    kept, sys.stdin = sys.stdin, io.StringIO(text)
    try:
        yield
    finally:
        sys.stdin = kept


def add(url, *more, number=NUMBER):
    with typed(f"{number}\n"):
        return khata(
            *("payouts", "accounts", "add", "alice", "BDT", "--holder", "Alice Rahman"),
            *("--bank", "Dutch-Bangla Bank", "--country", "BD", *more),
            url=url,
        )


@pytest.fixture
def url(tmp_path, monkeypatch):
    """A book with a vault, in which Alice has 1,000 taka and a verified bank account."""
    monkeypatch.setenv("KHATA_VAULT_KEYS", KEY)
    made = command_line.a_book(sqlite_at(tmp_path / "khata.db"))
    account = add(made, "--json").json()["result"]["id"]
    done = khata("payouts", "accounts", "verify", account, "--evidence", "seen", url=made)
    assert (done.code, "primary" in done.out) == (0, True)
    return made


def test_the_command_line_pays_out(url):
    """By hand, from asking to telling; masked throughout."""
    made = khata(
        *("payouts", "create", ALICE, "400.00", "--reference", "w1", "--json"), url=url
    ).json()["result"]
    shown = khata("payouts", "show", made["id"], url=url)
    assert "•••• 9012" in shown.out
    assert "locked" in shown.out
    told = ("--evidence", "Line 7", "--reason", "by hand")
    assert "completed" in khata("payouts", "complete", made["id"], *told, url=url).out
    second = khata(
        *("payouts", "create", ALICE, "100.00", "--reference", "w2", "--json"), url=url
    ).json()["result"]
    assert khata("payouts", "fail", second["id"], "--reason", "no", url=url).code == 0
    listed = khata("payouts", "list", "--json", url=url).lines()
    assert [item["status"] for item in listed] == ["failed", "completed"]
    assert command_line.balance(url, ALICE) == "600.00"
    assert "Nothing of" in khata("payouts", "give-back", made["id"], "--reason", "x", url=url).err
    everything = "".join(
        khata(*words, url=url).out
        for words in (("payouts", "list"), ("payouts", "accounts", "list"), ("journal",))
    )
    assert DIGITS not in everything


def test_a_batch_comes_from_a_file(url, tmp_path):
    """A line that makes no sense refuses all of them and is named."""
    file = tmp_path / "partners.csv"
    head = "wallet,amount,currency,reference\n"
    file.write_text(f"{head}{ALICE},100.00,BDT,p1\n{ALICE},50.00,BDT,p2\n")
    done = khata("payouts", "batch", str(file), "--reference", "jan", "--json", url=url)
    batch = done.json()["result"]["id"]
    shown = khata("payouts", "show", batch, url=url)
    assert "p1" in shown.out
    assert "requested" in shown.out
    file.write_text(f"{head}{ALICE},100.00,BDT,p3\nnobody/personal/BDT,50.00,BDT,p4\n")
    bad = khata("payouts", "batch", str(file), "--reference", "feb", url=url)
    assert (bad.code, "Line 1" in bad.err) == (4, True)


def test_accounts_are_kept_from_the_command_line(url):
    """Chosen, blocked, removed; a retry under the same key is one."""
    first = add(url, "--key", "k", "--json", number="5555 6666").json()
    again = add(url, "--key", "k", "--json", number="5555 6666").json()
    assert (again["replayed"], again["result"]["id"]) == (True, first["result"]["id"])
    assert add(url, "--key", "k", number="5555 7777").code == 5
    account = first["result"]["id"]
    for words in (
        ("verify", account, "--evidence", "seen"),
        ("primary", account),
        ("block", account, "--reason", "odd"),
        ("remove", account, "--reason", "gone"),
    ):
        assert khata("payouts", "accounts", *words, url=url).code == 0
    listed = khata("payouts", "accounts", "list", "--json", url=url).lines()
    assert [(item["status"], item["primary"]) for item in listed] == [
        ("removed", False),
        ("verified", True),
    ]


def test_vault_keys_change_from_the_command_line(url, monkeypatch):
    """A new key in front, everything sealed anew, the old one away."""
    newest = khata("keys", "vault").out.strip()
    monkeypatch.setenv("KHATA_VAULT_KEYS", f"{newest}, {KEY}")
    assert khata("payouts", "rotate", "--json", url=url).json() == {"sealed": 1}
    assert khata("payouts", "rotate", "--json", url=url).json() == {"sealed": 0}
    monkeypatch.setenv("KHATA_VAULT_KEYS", newest)
    assert add(url).code == 5
    monkeypatch.setenv("KHATA_VAULT_KEYS", Vault.new_key())
    lost = khata("payouts", "rotate", url=url)
    assert (lost.code, "vault_key_unknown" in lost.err) == (3, True)
    monkeypatch.delenv("KHATA_VAULT_KEYS")
    none = add(url, number="88889999")
    assert (none.code, "vault_missing" in none.err) == (3, True)
    monkeypatch.setenv("KHATA_VAULT_KEYS", "short")
    wrong = khata("payouts", "list", url=url)
    assert (wrong.code, "KHATA_VAULT_KEYS" in wrong.err, "short" in wrong.err) == (3, True, False)


def test_settings_do_not_show_the_keys():
    """However they are printed."""
    settings = settings_from({"KHATA_VAULT_KEYS": f"{KEY},{KEY}"})
    assert settings.vault_keys == (KEY, KEY)
    assert KEY not in f"{settings!r} {settings} {list(settings.__rich_repr__())}"
    assert Settings().vault_keys == ()


# ── a provider over real sockets ─────────────────────────────────────────────────────


class Inbox(http.server.BaseHTTPRequestHandler):
    """Keeps what the provider tells."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.heard.append((dict(self.headers), body))
        self.send_response(204)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def world():
    """A sandbox that tells an inbox, and Khata's providers that know it."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Inbox)
    server.heard = []
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}/hooks"
    with (
        local_sandbox(seed=1, webhook_url=url) as sandbox,
        Providers([sandbox.config()], VAULT) as providers,
    ):
        yield sandbox, providers, server
    server.shutdown()
    thread.join()
    server.server_close()


def hear(book, world):
    """Take in what the provider has told, as the door for webhooks does."""
    sandbox, providers, server = world
    sandbox.ledger()
    told = []
    for headers, body in server.heard:
        providers.verify("sandbox", headers, body, time.time_ns() // 1000)
        event = providers.event("sandbox", body)
        told.append(book.submit(TellPayout(event), actor=WORKER).result.status)
    server.heard.clear()
    return told


def test_a_payout_through_a_provider(database_url, world):
    """The bank gets the number in clear, tells when it has paid, and once sends it back."""
    sandbox, providers, _ = world
    with a_house(database_url, clock=system_clock) as book, structlog.testing.capture_logs() as log:
        made = pay_out(book, reference="w1")
        worker = book.worker({"providers": providers})
        worker.work()
        assert show(book, made.id).status == "processing"
        sandbox.advance()
        assert "applied" in hear(book, world)
        assert (show(book, made.id).status, show(book, made.id).money) == ("completed", "paid_out")
        (sent,) = (item for item in sandbox.ledger()["objects"] if item["reference"] == made.id)
        sandbox.return_payout(sent["id"])
        assert "applied" in hear(book, world)
        assert show(book, made.id).status == "returned"
        assert money_of(book) == {"wallet/alice/personal/BDT": "1000.00"}
        worker.work()
        assert discrepancies(book) == []
    assert "1234567890120" not in json.dumps(log, default=str)


def test_a_provider_that_hangs_up_pays_once(database_url, world):
    """Done, but the answer was lost: it is asked about under its key, and moves money once."""
    sandbox, providers, _ = world
    with a_house(database_url, clock=system_clock) as book:
        sandbox.script("payout", "drop_but_done")
        made = pay_out(book)
        worker = book.worker({"providers": providers})
        worker.work()
        assert show(book, made.id).code == "unknown_outcome"
        sandbox.advance()
        assert "applied" in hear(book, world)
        assert show(book, made.id).status == "completed"
        assert sandbox.ledger()["moved"]["BDT"]["out"] == "100.00"


def test_a_provider_without_the_right_key_pays_nothing(database_url, world):
    """What cannot be opened is not sent; the money stays locked."""
    sandbox, _, _ = world
    other = Vault([Vault.new_key()])
    with Providers([sandbox.config()], other) as providers, a_house(database_url) as book:
        made = pay_out(book)
        book.worker({"providers": providers}).work()
        assert (show(book, made.id).status, sandbox.ledger()["objects"]) == ("locked", [])
