"""`khata webhooks` and the HTTP clients: what people do with webhooks in both directions."""

import pytest
from standardwebhooks import Webhook

from khata import Khata
from khata.domain import webhooks
from khata.edge.client import Client
from khata.edge.webhooks import Dispatcher
from khata.engine.vault import Vault
from khata.errors import InvalidTransition, VaultMissing
from khata.settings import Settings
from tests.builders import bdt
from tests.edge.command_line import ALICE, BOB, a_book, khata
from tests.edge.serving import serving_sqlite
from tests.hooks import a_body, deliver, listening, work
from tests.servers import sqlite_at

KEY = Vault.new_key()


@pytest.fixture
def url(tmp_path, monkeypatch):
    """A book with a vault."""
    monkeypatch.setenv("KHATA_VAULT_KEYS", KEY)
    return a_book(sqlite_at(tmp_path / "khata.db"))


def told(url):
    """Have the dispatcher work until nothing is due."""
    with (
        Khata.open(url, vault=Vault([KEY])) as book,
        Dispatcher(book, Settings(webhook_allow=("127.0.0.0/8",)), book.clock) as dispatcher,
    ):
        while dispatcher.work():
            continue


def test_from_an_endpoint_to_a_replay(url):
    """Add, move money, be told; a dead letter is listed, and a range sent again."""
    with listening() as listener:
        made = khata("webhooks", "add", listener.url, "--event", "wallet.*", "--json", url=url)
        endpoint = made.json()
        khata("wallets", "transfer", ALICE, BOB, "1.00", url=url)
        told(url)
        ((headers, body),) = listener.got
        Webhook(endpoint["secret"]).verify(body, headers)
        (sent,) = khata("webhooks", "deliveries", "--json", url=url).lines()
        assert (sent["status"], sent["endpoint"]) == ("delivered", endpoint["id"])
        ways = [("--since-seq", "1"), ("--since", "2020-01-01")]
        for way in ways:
            done = khata("webhooks", "replay", endpoint["id"], *way, "--reason", "r", url=url)
            assert done.code == 0, done.err
        done = khata("webhooks", "resend", sent["id"], "--reason", "r", url=url)
        assert done.code == 0, done.err
        told(url)
        assert (
            len(set(listener.ids)) == 2
        )  # Alice's first top-up, which came before, and the transfer


def test_a_secret_is_shown_once(url):
    """On the screen when it is made, and in no list."""
    made = khata("webhooks", "add", "https://shop.example/khata", url=url)
    secret = next(line for line in made.out.splitlines() if line.startswith("whsec_"))
    listed = khata("webhooks", "endpoints", url=url)
    assert "https://shop.example/khata" in listed.out
    assert secret not in listed.out + khata("journal", "--json", url=url).out
    name = khata("webhooks", "endpoints", "--json", url=url).json()["id"]
    rotated = khata("webhooks", "rotate", name, "--json", url=url).json()
    assert rotated["secret"] != secret
    assert khata("webhooks", "disable", name, "--reason", "r", url=url).code == 0
    assert khata("webhooks", "enable", name, "--reason", "r", url=url).code == 0


def test_without_a_vault_no_endpoint(url, monkeypatch):
    """A secret that cannot be sealed is not kept at all; the error says what to do."""
    monkeypatch.delenv("KHATA_VAULT_KEYS")
    done = khata("webhooks", "add", "https://shop.example/khata", url=url)
    assert (done.code, VaultMissing.code in done.err, "khata keys vault" in done.err) == (
        3, True, True,
    )  # fmt: skip


def test_what_came_in_is_decided_by_people(url):
    """List, show with its body, try again, let go."""
    with Khata.open(url, vault=Vault([KEY])) as book:
        deliver(book, a_body(holder="Alice Rahman"))
        work(book)
        name = book.query(webhooks.inbox).items[0].id
    (item,) = khata("webhooks", "inbox", "--status", "parked", "--json", url=url).lines()
    assert item["id"] == name
    assert "Alice Rahman" in khata("webhooks", "show", name, "--body", url=url).out
    assert "Alice Rahman" not in khata("webhooks", "show", name, url=url).out
    blocked = khata("webhooks", "show", name, "--body", "--actor", "support:mitu", url=url)
    assert (blocked.code, "Rahman" in blocked.out) == (6, False)
    assert khata("webhooks", "retry", name, "--reason", "r", url=url).code == 0
    assert khata("webhooks", "discard", name, "--reason", "r", url=url).code == 3
    assert khata("webhooks", "rejected", url=url).code == 0


def test_the_client_has_it_all(tmp_path):
    """A running server tells its own endpoints; a webhook that waits is decided over HTTP."""
    with (
        listening() as listener,
        serving_sqlite(tmp_path, KHATA_VAULT_KEYS=KEY, KHATA_WEBHOOK_ALLOW="127.0.0.0/8") as server,
        Client(server.url, server.key) as client,
    ):
        made = client.add_endpoint(listener.url, ["wallet.*"]).result
        ref = client.open_wallet("alice", "BDT").result.id
        listener.gate.clear()
        client.credit(ref, bdt("5.00"))
        assert listener.reached.wait(30)
        listener.gate.set()
        headers, body = listener.got[0]
        Webhook(made.secret).verify(body, headers)
        assert client.endpoint(made.id).events == ["wallet.*"]
        assert [one.id for one in client.endpoints().items] == [made.id]
        assert client.change_endpoint(made.id, events=["*"]).result.events == ["*"]
        assert client.rotate_secret(made.id).result.secret != made.secret
        (sent,) = client.deliveries().items
        assert client.delivery(sent.id).type == "wallet.credited"
        assert client.resend_delivery(sent.id, "r").result.delivery == sent.id
        assert client.replay_events(made.id, "r", since_seq=1).result.since_seq == 1
        assert client.disable_endpoint(made.id, "r").result.status == "disabled"
        with pytest.raises(InvalidTransition):
            client.replay_events(made.id, "r", since_seq=1)
        assert client.enable_endpoint(made.id, "r").result.status == "active"
        assert (client.inbox().items, client.rejections().items) == ([], [])
