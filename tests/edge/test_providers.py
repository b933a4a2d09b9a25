"""Calls over real HTTP: every fault of a provider becomes the right outcome, and asking finds out.

The sandbox is a real server; where even it is too decent, a socket stands in for a provider.
"""

import contextlib
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import httpx
import pytest
from structlog.testing import capture_logs

from khata.edge.providers import ProviderConfig, Providers
from khata.edge.sandbox import local_sandbox
from khata.engine.sagas.outcome import Intent
from khata.engine.vault import Vault
from khata.errors import InvalidSignature, NotFound
from tests.edge.serving import free_port

PATIENCE = 0.5
"""Seconds: for calls that are meant to get no answer."""
VAULT = Vault([Vault.new_key()])
ACCOUNT = "0123456789"


@pytest.fixture(scope="module")
def sandbox():
    """One sandbox for all: each test asks under keys of its own."""
    with local_sandbox(seed=1) as running:
        yield running


@pytest.fixture(scope="module")
def providers(sandbox):
    """Khata's side; `hasty` has little patience."""
    configs = [sandbox.config(), sandbox.config("hasty", timeout_seconds=PATIENCE)]
    with Providers(configs, VAULT) as made:
        yield made


@pytest.fixture
def key(request):
    """A key that no other test uses."""
    return request.node.name


def an_intent(key, op="charge", **more):
    request = {
        "provider": "sandbox",
        "op": op,
        "amount": "1000.00",
        "currency": "BDT",
        "reference": key[:200],
    }
    if op == "payout":
        request |= {"account": VAULT.seal(ACCOUNT), "holder": VAULT.seal("Alice")}
    return Intent("step", key, "providers", request | more)


def hastily(intent):
    """The same, to be called by who has little patience."""
    return Intent(intent.step, intent.key, intent.to, intent.request | {"provider": "hasty"})


def told(outcome):
    return (outcome.status, outcome.code or outcome.data.get("status"))


def things(sandbox, key):
    """What the sandbox has under a key, and under how many bodies it was asked for it."""
    ledger = sandbox.ledger()
    calls = [one for one in ledger["calls"] if one["key"] == key and one["op"] != "find"]
    return [one for one in ledger["objects"] if one["key"] == key], calls


FAULTS = [
    ("timeout_but_done", ("unknown", "provider_timeout"), True),
    ("timeout_not_done", ("unknown", "provider_timeout"), False),
    ("trickle", ("unknown", "provider_timeout"), True),
    ("drop", ("unknown", "provider_dropped"), False),
    ("drop_but_done", ("unknown", "provider_dropped"), True),
    ("garbage", ("unknown", "provider_garbage"), True),
    ("garbage_not_done", ("unknown", "provider_garbage"), False),
    ("huge", ("unknown", "provider_garbage"), True),
    ("error_500_but_done", ("unknown", "provider_error"), True),
    ("error_500_not_done", ("unknown", "provider_error"), False),
    ("busy_503", ("busy", "provider_busy"), False),
    ("wrong_amount", ("unknown", "provider_mismatch"), True),
    ("wrong_currency", ("unknown", "provider_mismatch"), True),
]
WELL = {"charge": "paid", "payout": "processing"}


@pytest.mark.parametrize("op", WELL)
@pytest.mark.parametrize(("fault", "expected", "happened"), FAULTS, ids=[row[0] for row in FAULTS])
def test_a_fault_has_its_outcome_and_asking_finds_the_truth(
    sandbox, providers, key, op, fault, expected, happened
):
    """What is not clear is unknown; then one question tells, and money moves exactly once."""
    intent = an_intent(key, op)
    sandbox.script(op, fault, match={"key": key})
    # no answer is only waited for where none will come
    first = hastily(intent) if expected[1] == "provider_timeout" else intent
    assert told(providers.call(first)) == expected
    assert told(providers.ask(intent)) == (("done", WELL[op]) if happened else ("absent", None))
    if not happened:
        assert told(providers.call(intent)) == ("done", WELL[op])
    made, calls = things(sandbox, key)
    assert (len(made), len(calls)) == (1, 1)
    assert calls[0]["count"] == (1 if happened else 2)


def test_a_slow_provider_is_waited_for(sandbox, providers, key):
    """Within its time an answer is an answer."""
    sandbox.script("charge", "slow", match={"key": key}, delay_ms=100)
    assert told(providers.call(an_intent(key))) == ("done", "paid")


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("tok_ok", ("done", "paid")),
        ("tok_authorise", ("done", "authorised")),
        ("tok_pending", ("done", "pending")),
        ("tok_decline", ("failed", "card_declined")),
        ("tok_insufficient", ("failed", "insufficient_funds")),
        ("tok_timeout_done", ("unknown", "provider_timeout")),
        ("tok_busy", ("busy", "provider_busy")),
    ],
)
def test_tokens_choose_what_happens(providers, key, token, expected):
    """Magic tokens, for who cannot script."""
    intent = an_intent(key, token=token)
    first = hastily(intent) if expected[1] == "provider_timeout" else intent
    assert told(providers.call(first)) == expected


def test_a_decline_stays_one(sandbox, providers, key):
    """Asked for again under its key, or asked about, it is the same decline."""
    intent = an_intent(key, token="tok_decline")
    outcomes = {
        told(providers.call(intent)),
        told(providers.call(intent)),
        told(providers.ask(intent)),
    }
    assert outcomes == {("failed", "card_declined")}
    assert len(things(sandbox, key)[0]) == 1


def test_a_refund_goes_back_once(sandbox, providers, key):
    """It answers late; asked about it is there, and its charge has no more left than that."""
    charge = providers.call(an_intent(key)).data["id"]
    refund = an_intent(f"{key}-r", "refund", charge=charge, amount="600.00")
    sandbox.script("refund", "timeout_but_done", match={"key": refund.key})
    assert told(providers.call(hastily(refund))) == ("unknown", "provider_timeout")
    assert told(providers.ask(refund)) == ("done", "succeeded")
    more = an_intent(f"{key}-m", "refund", charge=charge, amount="500.00")
    assert told(providers.call(more)) == ("failed", "refund_exceeds_charge")


def test_an_unclear_call_that_is_repeated_happens_once(sandbox, providers, key):
    """Whoever repeats it under its key, however often and from however many threads."""
    intent = an_intent(key)
    sandbox.script("charge", "drop_but_done", times=3, match={"key": key})
    with ThreadPoolExecutor(6) as pool:
        outcomes = list(pool.map(lambda _: providers.call(intent).status, range(12)))
    assert sorted(outcomes) == ["done"] * 9 + ["unknown"] * 3
    assert len(things(sandbox, key)[0]) == 1


def test_a_key_with_another_body_is_left_to_a_person(sandbox, providers, key):
    """The provider did something else under it: neither done nor declined."""
    providers.call(an_intent(key))
    other = an_intent(key, amount="2000.00")
    assert told(providers.call(other)) == ("unknown", "provider_key_reused")
    assert told(providers.ask(other)) == ("unknown", "provider_mismatch")
    assert len(things(sandbox, key)[0]) == 1


@pytest.mark.parametrize(
    "fault",
    ["timeout_but_done", "trickle", "drop", "garbage", "huge", "error_500_not_done", "busy_503"],
)
def test_a_question_without_an_answer_leaves_it_unknown(sandbox, providers, key, fault):
    """Never absent: that would let a call be made that was made."""
    intent = an_intent(key)
    providers.call(intent)
    sandbox.script("find", fault, match={"key": key})
    silent = fault in {"timeout_but_done", "trickle"}
    assert providers.ask(hastily(intent) if silent else intent).status == "unknown"
    assert providers.ask(intent).status == "done"


def test_nobody_there_is_busy_and_asking_stays_unknown(key):
    """What was surely not sent may be tried again; of an earlier try it says nothing."""
    config = ProviderConfig(name="sandbox", base_url=f"http://127.0.0.1:{free_port()}")
    with Providers([config]) as alone:
        assert told(alone.call(an_intent(key))) == ("busy", "provider_unreachable")
        assert told(alone.ask(an_intent(key))) == ("unknown", "provider_unreachable")


def test_a_name_that_does_not_resolve_is_busy(key):
    """`.invalid` never does."""
    config = ProviderConfig(name="sandbox", base_url="http://sandbox.invalid")
    with Providers([config]) as alone:
        assert told(alone.call(an_intent(key))) == ("busy", "provider_unreachable")


def test_a_full_pool_is_busy(sandbox, key):
    """A call that waits in vain for a connection was not sent."""
    client = httpx.AsyncClient(limits=httpx.Limits(max_connections=1))
    sandbox.script("charge", "timeout_but_done", match={"key": f"{key}-1"})
    configs = [sandbox.config(), sandbox.config("hasty", timeout_seconds=PATIENCE)]
    with Providers(configs, client=client) as narrow, ThreadPoolExecutor(1) as pool:
        first = pool.submit(narrow.call, an_intent(f"{key}-1"))
        while not things(sandbox, f"{key}-1")[0]:
            assert not first.done()
        assert told(narrow.call(hastily(an_intent(f"{key}-2")))) == ("busy", "provider_unreachable")
        narrow.close()
    assert told(first.result()) == ("unknown", "provider_dropped")


def test_wrong_credentials_are_nobodys_decline(sandbox, key):
    """The payer's card is not to blame for our API key."""
    with Providers([sandbox.config(api_key="sk_wrong")]) as wrong:
        assert told(wrong.call(an_intent(key))) == ("busy", "provider_credentials")
        assert wrong.ask(an_intent(key)).status == "unknown"


def test_a_provider_that_is_not_configured_is_busy(providers, key):
    """Somebody will configure it; asking cannot tell anything."""
    intent = an_intent(key, provider="other")
    assert told(providers.call(intent)) == ("busy", "provider_not_configured")
    assert told(providers.ask(intent)) == ("unknown", "provider_not_configured")


@pytest.mark.parametrize("change", [{"op": "steal"}, {"amount": "x"}, {"reference": None}])
def test_what_cannot_be_read_is_refused_for_good(providers, key, change):
    """It would read no better a second time."""
    intent = an_intent(key, **change)
    assert told(providers.call(intent)) == ("failed", "provider_request_invalid")
    assert providers.ask(intent).status == "unknown"


def test_logs_have_the_key_and_nothing_secret(sandbox, providers, key):
    """Provider, verb, key and outcome of every call; no body, no account, no credential."""
    with capture_logs() as lines:
        providers.call(an_intent(key, "payout"))
        providers.ask(an_intent(key, "payout"))
    assert [(line["event"], line["key"], line["status"]) for line in lines] == [
        ("provider_call", key, "done"),
        ("provider_asked", key, "done"),
    ]
    for secret in (ACCOUNT, "Alice", sandbox.api_key, "1000.00"):
        assert secret not in str(lines)


def test_webhooks_are_checked_by_name(sandbox, providers):
    """Each provider has its own secrets; an unknown name is not found."""
    with pytest.raises(InvalidSignature):
        providers.verify("sandbox", {}, b"{}", 0)
    with pytest.raises(NotFound):
        providers.verify("nobody", {}, b"{}", 0)
    with pytest.raises(NotFound):
        providers.event("nobody", b"{}")
    assert providers.names == ("sandbox", "hasty")


def test_who_is_closed_takes_no_more(sandbox, key):
    """And can be closed twice."""
    made = Providers([sandbox.config()])
    assert made.call(an_intent(key)).status == "done"
    made.close()
    made.close()
    assert told(made.call(an_intent(f"{key}-2"))) == ("busy", "provider_unreachable")
    assert made.ask(an_intent(key)).status == "unknown"


def test_whatever_goes_wrong_money_moves_once(seed):
    """Half of all calls go wrong; each intent comes to its end, charged once or declined."""
    faults = {"fault_rate": 0.5, "hang_seconds": 0.02}
    with local_sandbox(seed=seed, **faults) as wild, Providers([wild.config()]) as providers:
        ends = [at_last(providers, an_intent(f"key-{n}", amount="1.00")) for n in range(40)]
        ledger = wild.ledger()
    paid = [outcome.data["id"] for outcome in ends if outcome.status == "done"]
    assert {outcome.status for outcome in ends} == {"done", "failed"}
    assert sorted(paid) == sorted(one["id"] for one in ledger["objects"] if one["status"] == "paid")
    assert ledger["moved"] == {"BDT": {"in": f"{len(paid)}.00", "out": "0"}}
    assert (
        len({(one["key"], one["digest"]) for one in ledger["calls"] if one["op"] == "charge"}) == 40
    )


def at_last(providers, intent):
    """What a worker does: again while it is busy, a question while it is unknown."""
    outcome = providers.call(intent)
    while outcome.status not in {"done", "failed"}:
        again = providers.ask if outcome.status == "unknown" else providers.call
        outcome = again(intent)
    return outcome


# ── providers that are worse than the sandbox ────────────────────────────────────────


@contextlib.contextmanager
def a_socket_that_says(*pieces, pause=0.0):
    """A server that answers every connection with these bytes, whatever it is asked."""
    listener = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()

    def serve():
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection, contextlib.suppress(OSError):
                    connection.recv(65536)
                    for piece in pieces:
                        connection.sendall(piece)
                        stop.wait(pause)
                    # what was not read would turn the end into an abortion
                    connection.shutdown(socket.SHUT_WR)
                    while connection.recv(65536):
                        continue

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        stop.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def answered_by(url, key, **config):
    made = ProviderConfig(name="sandbox", base_url=url, **config)
    with Providers([made]) as providers:
        return told(providers.call(an_intent(key)))


OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ([b"SSH-2.0-OpenSSH\r\n"], "provider_dropped"),
        ([OK], "provider_dropped"),
        ([OK + b"Content-Length: 100\r\n\r\n{"], "provider_dropped"),
        ([OK + b"Content-Length: 2\r\nContent-Encoding: gzip\r\n\r\n{}"], "provider_garbage"),
        ([OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"], "provider_dropped"),
        (
            [b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n"],
            "provider_garbage",
        ),
        ([OK + b"X: " + b"y" * 200_000], "provider_dropped"),
    ],
)
def test_what_is_not_http_is_unknown(key, pieces, expected):
    """After the request has left, no nonsense can make it not have happened."""
    with a_socket_that_says(*pieces) as url:
        assert answered_by(url, key) == ("unknown", expected)


def test_trickling_headers_cannot_outlast_the_deadline(key):
    """A byte now and then keeps a read alive, and not a call."""
    with a_socket_that_says(OK, *[b"X-Slow: 1\r\n"] * 800, pause=0.05) as url:
        started = time.monotonic()
        outcome = answered_by(url, key, timeout_seconds=PATIENCE)
        assert outcome == ("unknown", "provider_timeout")
        assert time.monotonic() - started < 20


def test_an_answer_without_an_end_is_cut_off(key):
    """More than a quarter of a megabyte is no answer to a charge."""
    with a_socket_that_says(OK + b"\r\n", *[b" " * 65536] * 64) as url:
        assert answered_by(url, key) == ("unknown", "provider_garbage")


def test_our_client_follows_nobody(sandbox, key):
    """A redirect would carry the API key to whoever is named."""
    port = urlsplit(sandbox.url).port
    there = f"HTTP/1.1 307 Go\r\nLocation: http://127.0.0.1:{port}/v1/charges\r\n\r\n".encode()
    with a_socket_that_says(there) as url:
        assert answered_by(url, key, api_key=sandbox.api_key) == ("unknown", "provider_garbage")
    assert things(sandbox, key) == ([], [])
