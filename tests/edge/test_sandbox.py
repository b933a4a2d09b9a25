"""The sandbox provider itself: one object a key, money once, webhooks signed and spoilt at will."""

import http.server
import json
import os
import signal
import subprocess
import sys
import threading
import time

import httpx
import pytest

from khata.edge.providers import ProviderConfig, provider
from khata.edge.sandbox import local_sandbox
from khata.edge.sandbox.faults import FATES, FAULTS
from khata.edge.sandbox.telling import tls
from khata.errors import InvalidFile
from tests.edge.command_line import khata


class Inbox(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.heard.append((dict(self.headers), body))
        self.send_response(self.server.answers.pop(0) if self.server.answers else 204)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def inbox():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Inbox)
    server.heard, server.answers = [], []
    server.url = f"http://127.0.0.1:{server.server_port}/hooks"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def sandbox(inbox):
    """A sandbox that tells the inbox."""
    with local_sandbox(seed=1, webhook_url=inbox.url) as running:
        yield running


def ask(sandbox, method, path, told=None, key=None):
    headers = {"authorization": f"Bearer {sandbox.api_key}"}
    if key:
        headers["idempotency-key"] = key
    url = sandbox.url + path
    return httpx.request(method, url, json=told, headers=headers, timeout=10, verify=tls())


def charge(sandbox, key="k1", **more):
    told = {"amount": "1000.00", "currency": "BDT", "reference": "pay_1"} | more
    return ask(sandbox, "POST", "/v1/charges", told, key)


def payout(sandbox, account="0123456789", key="p1"):
    told = {"amount": "70.00", "currency": "BDT", "reference": "pyo_1"}
    told |= {"account": account, "holder": "Alice"}
    return ask(sandbox, "POST", "/v1/payouts", told, key)


def refund(sandbox, of, amount, key="r1"):
    told = {"amount": amount, "currency": "BDT", "reference": "rfd_1", "charge": of}
    return ask(sandbox, "POST", "/v1/refunds", told, key)


def said(inbox, sandbox, name="sandbox"):
    """What the inbox heard, each webhook checked as Khata checks it."""
    sandbox.ledger()  # answers when every webhook was sent
    hooks = provider(sandbox.config(name))
    for headers, body in inbox.heard:
        hooks.verify(headers, body, time.time_ns() // 1000)
    return [hooks.event(body) for _, body in inbox.heard]


def types(inbox, sandbox):
    return [event.type for event in said(inbox, sandbox)]


# ── keys ─────────────────────────────────────────────────────────────────────────────


def test_the_same_key_and_body_is_the_same_charge(sandbox):
    """However often it is asked for; the members' order does not matter."""
    first, second = charge(sandbox), charge(sandbox)
    turned = {"reference": "pay_1", "currency": "BDT", "amount": "1000.00"}
    third = ask(sandbox, "POST", "/v1/charges", turned, "k1")
    assert first.json() == second.json() == third.json()
    assert [call["count"] for call in sandbox.ledger()["calls"]] == [3]


def test_the_same_key_with_another_body_is_refused(sandbox):
    """Also for another kind of thing; and it is on record that it was asked."""
    charge(sandbox)
    assert charge(sandbox, amount="1.00").status_code == 409
    assert payout(sandbox, key="k1").status_code == 409
    assert len(sandbox.ledger()["calls"]) == 3
    assert sandbox.ledger()["moved"] == {"BDT": {"in": "1000.00", "out": "0"}}


def test_a_charge_is_found_by_its_key_and_by_its_id(sandbox):
    """Nothing under a key is an empty list."""
    made = charge(sandbox).json()
    assert ask(sandbox, "GET", "/v1/charges?key=k1").json() == {"items": [made]}
    assert ask(sandbox, "GET", "/v1/refunds?key=k1").json() == {"items": []}
    assert ask(sandbox, "GET", "/v1/charges?key=k2").json() == {"items": []}
    assert ask(sandbox, "GET", f"/v1/charges/{made['id']}").json() == made
    assert ask(sandbox, "GET", "/v1/charges/ch_none").status_code == 404


def test_a_seed_gives_the_same_ids(sandbox):
    """Whatever else was asked before; another seed gives others."""
    made = charge(sandbox).json()["id"]
    with local_sandbox(seed=1) as same, local_sandbox(seed=2) as other:
        charge(same, "k0")
        assert charge(same).json()["id"] == made != charge(other).json()["id"]


@pytest.mark.parametrize(
    ("told", "status"),
    [
        ({"amount": "0.00"}, 400),
        ({"amount": 1000}, 400),
        ({"amount": "-1"}, 400),
        ({"currency": "taka"}, 400),
        ({"sung": True}, 400),
    ],
)
def test_what_makes_no_sense_is_turned_down(sandbox, told, status):
    """With a reason, and nothing done."""
    answer = charge(sandbox, **told)
    assert (answer.status_code, answer.json()["error"]["processed"]) == (status, False)
    assert sandbox.ledger()["objects"] == []


def test_strangers_are_turned_away(sandbox):
    """Without the API key nothing is shown, nor without an idempotency key done."""
    assert httpx.get(f"{sandbox.url}/v1/ledger").status_code == 401
    assert httpx.get(f"{sandbox.url}/health").status_code == 200
    assert ask(sandbox, "POST", "/v1/charges", {}).status_code == 400
    assert ask(sandbox, "GET", "/v2/charges").status_code == 404
    assert ask(sandbox, "POST", "/v1/charges", {"about": "x" * 70_000}, "k").status_code == 413


# ── what becomes of things ───────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("told", "first", "then"),
    [
        ({}, "paid", "paid"),
        ({"method": "mobile_money"}, "pending", "paid"),
        ({"token": "tok_authorise"}, "authorised", "paid"),
        ({"token": "tok_pending"}, "pending", "paid"),
        ({"token": "tok_pending_decline"}, "pending", "failed"),
        ({"token": "tok_pending_expire"}, "pending", "expired"),
    ],
)
def test_an_advance_settles_charges(sandbox, inbox, told, first, then):
    """What is pending comes to its end, and says so."""
    made = charge(sandbox, **told).json()
    assert made["status"] == first
    sandbox.advance()
    assert ask(sandbox, "GET", f"/v1/charges/{made['id']}").json()["status"] == then
    assert types(inbox, sandbox) == list(dict.fromkeys([f"charge.{first}", f"charge.{then}"]))


@pytest.mark.parametrize(
    ("account", "ways"),
    [
        ("0123456789", ["processing", "completed", "completed"]),
        ("0123450000", ["processing", "failed", "failed"]),
        ("0123459999", ["processing", "completed", "returned"]),
    ],
)
def test_an_account_decides_about_its_payout(sandbox, inbox, account, ways):
    """Completed, failed, or sent back by the bank after it had arrived."""
    made = payout(sandbox, account).json()
    seen = [made["status"]]
    for _ in range(2):
        sandbox.advance()
        seen.append(ask(sandbox, "GET", f"/v1/payouts/{made['id']}").json()["status"])
    assert seen == ways
    assert types(inbox, sandbox) == [f"payout.{way}" for way in dict.fromkeys(ways)]
    assert account not in json.dumps(sandbox.ledger())


def test_instant_payouts_are_completed_at_once():
    """With the option."""
    with local_sandbox(seed=1, instant=True) as sandbox:
        assert payout(sandbox).json()["status"] == "completed"


def test_one_thing_can_be_advanced_alone(sandbox):
    """By its id or by our reference."""
    first = charge(sandbox, method="mobile_money").json()["id"]
    charge(sandbox, "k2", method="mobile_money", reference="pay_2")
    assert [thing["id"] for thing in sandbox.advance(first)] == [first]
    assert [thing["reference"] for thing in sandbox.advance("pay_2")] == ["pay_2"]


def test_refunds_add_up_to_the_charge(sandbox):
    """Never beyond; one that failed gives its share back."""
    made = charge(sandbox).json()["id"]
    assert refund(sandbox, made, "600.00").json()["status"] == "succeeded"
    assert refund(sandbox, made, "400.01", "r2").status_code == 422
    sandbox.script("refund", "pending")
    pending = refund(sandbox, made, "400.00", "r3").json()
    assert refund(sandbox, made, "0.01", "r4").status_code == 422
    sandbox.settle("refunds", pending["id"], "failed", "account_closed")
    assert refund(sandbox, made, "400.00", "r5").status_code == 200
    assert sandbox.ledger()["moved"] == {"BDT": {"in": "1000.00", "out": "1000.00"}}


def test_a_charge_is_disputed_and_the_dispute_is_decided(sandbox, inbox):
    """Opened once, on what was paid; then won or lost."""
    made = charge(sandbox).json()["id"]
    opened = sandbox.dispute(made)
    sandbox.dispute(made, "lost")
    for again in ("opened", "won"):
        with pytest.raises(httpx.HTTPStatusError):
            sandbox.dispute(made, again)
    events = said(inbox, sandbox)
    assert [event.type for event in events] == ["charge.paid", "dispute.opened", "dispute.lost"]
    assert (events[1].object, events[1].charge, events[1].code) == (
        opened["id"],
        made,
        "fraudulent",
    )


def test_a_completed_payout_is_returned(sandbox, inbox):
    """By the bank, when a test wants it."""
    made = payout(sandbox).json()["id"]
    with pytest.raises(httpx.HTTPStatusError):
        sandbox.return_payout(made)
    sandbox.advance()
    sandbox.return_payout(made)
    assert said(inbox, sandbox)[-1].code == "account_closed"
    assert sandbox.ledger()["moved"] == {}


# ── faults ───────────────────────────────────────────────────────────────────────────


def test_a_script_counts(sandbox):
    """`after` so many calls, `times` so often, only what matches."""
    sandbox.script("charge", "busy_503", after=1, times=2, match={"reference": "pay_1"})
    statuses = [charge(sandbox, f"k{n}").status_code for n in range(4)]
    assert statuses == [200, 503, 503, 200]
    sandbox.script("charge", "busy_503")
    sandbox.clear()
    assert charge(sandbox, "k9").status_code == 200


def test_an_unknown_fault_is_turned_down(sandbox):
    """With the names of those that there are."""
    for op, names in (("charge", FAULTS), ("webhook", FATES)):
        answer = ask(sandbox, "POST", "/v1/script", {"op": op, "fault": "gremlins"})
        assert answer.status_code == 400
        assert all(name in answer.json()["error"]["message"] for name in names)


def test_chance_has_a_seed():
    """The same calls meet the same faults; and with patience every one comes to its end."""

    def met(seed):
        with local_sandbox(seed=seed, fault_rate=0.6, hang_seconds=0.01) as sandbox:
            seen = []
            for n in range(12):
                try:
                    seen.append(charge(sandbox, f"k{n}").status_code)
                except httpx.TransportError:
                    seen.append(0)
            return seen

    first = met(3)
    assert first == met(3)
    assert len(set(first)) > 2


# ── webhooks ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("scheme", ["standard", "stripe", "razorpay"])
def test_webhooks_come_in_each_shape(inbox, scheme):
    """Signed and written as the provider does; the same events in our words."""
    with local_sandbox(seed=1, webhook_url=inbox.url, scheme=scheme) as sandbox:
        made = charge(sandbox, token="tok_authorise").json()["id"]
        sandbox.advance()
        refund(sandbox, made, "10.00")
        events = said(inbox, sandbox)
    assert [(event.type, event.reference, event.amount) for event in events] == [
        ("charge.authorised", "pay_1", "1000.00"),
        ("charge.paid", "pay_1", "1000.00"),
        ("refund.succeeded", "rfd_1", "10.00"),
    ]


def test_a_duplicate_comes_twice(sandbox, inbox):
    """The same event, signed again."""
    sandbox.script("webhook", "duplicate", match={"type": "charge.paid"})
    charge(sandbox)
    first, second = said(inbox, sandbox)
    assert first == second


def test_a_late_one_comes_with_the_next_advance(sandbox, inbox):
    """Not before, whatever else happens."""
    sandbox.script("webhook", "late")
    charge(sandbox)
    charge(sandbox, "k2")
    assert len(said(inbox, sandbox)) == 1
    sandbox.advance()
    assert len({event.object for event in said(inbox, sandbox)}) == 2


def test_a_reordered_one_comes_after_the_next(sandbox, inbox):
    """`paid` before `pending`."""
    sandbox.script("webhook", "reordered")
    charge(sandbox, method="mobile_money")
    assert types(inbox, sandbox) == []
    sandbox.advance()
    assert types(inbox, sandbox) == ["charge.paid", "charge.pending"]


def test_a_lost_one_never_comes_by_itself(sandbox, inbox):
    """Only when it is sent by hand."""
    sandbox.script("webhook", "lost")
    charge(sandbox)
    sandbox.advance()
    assert types(inbox, sandbox) == []
    sandbox.resend(sandbox.ledger()["events"][0]["id"])
    assert types(inbox, sandbox) == ["charge.paid"]


def test_a_refused_webhook_is_tried_again(sandbox, inbox):
    """A few times; each time it is signed anew, under the same id."""
    inbox.answers += [500, 503]
    charge(sandbox)
    assert types(inbox, sandbox) == ["charge.paid"] * 3
    (event,) = sandbox.ledger()["events"]
    assert (event["state"], event["times"]) == ("sent", 1)


def test_webhooks_that_nobody_took_come_with_an_advance(inbox):
    """The address may be told later."""
    with local_sandbox(seed=1) as sandbox:
        charge(sandbox)
        assert sandbox.ledger()["events"][0]["state"] == "undelivered"
        sandbox.send_webhooks_to(inbox.url)
        sandbox.advance()
        assert types(inbox, sandbox) == ["charge.paid"]


# ── a restart, and the command line ──────────────────────────────────────────────────


def test_a_restart_knows_old_keys(tmp_path):
    """With a file to remember in: the same objects, the same counts, money once."""
    state = tmp_path / "sandbox.jsonl"
    with local_sandbox(seed=1, state=state) as sandbox:
        made = charge(sandbox).json()
        refund(sandbox, made["id"], "600.00")
        before = sandbox.ledger()
    with local_sandbox(seed=1, state=state) as sandbox:
        assert sandbox.ledger() == before
        assert charge(sandbox).json()["id"] == made["id"]
        assert charge(sandbox, amount="2.00").status_code == 409
        assert refund(sandbox, made["id"], "400.01", "r2").status_code == 422
        assert len(sandbox.ledger()["objects"]) == 2


def test_a_line_that_was_cut_off_is_dropped(tmp_path):
    """A kill in the middle of a write loses that line, and nothing else."""
    state = tmp_path / "sandbox.jsonl"
    with local_sandbox(seed=1, state=state) as sandbox:
        charge(sandbox)
        before = sandbox.ledger()
    with state.open("ab") as file:
        file.write(b'["object",{"id":"ch_')
    for _ in range(2):
        with local_sandbox(seed=1, state=state) as sandbox:
            assert sandbox.ledger() == before


def test_a_file_that_is_no_state_is_refused(tmp_path):
    """The line is named; the file stays as it is."""
    state = tmp_path / "sandbox.jsonl"
    state.write_bytes(b'["call", 7]\n')
    with pytest.raises(InvalidFile), local_sandbox(seed=1, state=state):
        raise AssertionError("it must not start")
    assert state.read_bytes() == b'["call", 7]\n'


def test_the_command_serves_until_it_is_told_to_stop(tmp_path):
    """It prints what Khata needs to know, answers, and ends well at SIGTERM."""
    words = [sys.executable, "-W", "error", "-m", "khata", "sandbox", "serve", "--port", "0"]
    environment = {name: value for name, value in os.environ.items() if "KHATA_" not in name}
    with subprocess.Popen(
        [*words, "--seed", "7", "--json"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        told = json.loads(process.stdout.readline())
        (config,) = told["providers"]
        answer = httpx.get(f"{told['url']}/v1/ledger", headers=bearer(config["api_key"]))
        process.send_signal(signal.SIGTERM)
        rest = process.communicate(timeout=30)
    assert answer.json()["objects"] == []
    assert (process.returncode, rest) == (0, ("", ""))
    assert ProviderConfig(**config).base_url == told["url"]


def bearer(key):
    return {"authorization": f"Bearer {key}"}


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--fault-rate", "2"), "invalid_input"),
        (("--port", "99999"), "invalid_input"),
        (("--secret", "whsec_x!"), "invalid_input"),
        (("--host", "192.0.2.1"), "unavailable"),
        (("--scheme", "sung"), "usage"),
    ],
)
def test_mistakes_on_the_command_line_are_told(words, code):
    """One clear line each, before anything listens."""
    done = khata("sandbox", "serve", *words)
    assert done.code != 0
    assert f"error[{code}]" in done.err
