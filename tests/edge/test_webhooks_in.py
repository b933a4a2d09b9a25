"""The door for providers' webhooks, over real sockets: what it takes, what it turns away."""

import asyncio
import json
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from khata import Khata
from khata.domain import webhooks
from khata.edge.providers.signatures import sign_stripe
from khata.edge.webhooks.rates import WINDOW, Rate
from khata.edge.webhooks.receiving import WRITTEN_DOWN
from khata.errors import InvalidSignature, NotFound, RateLimited
from tests.builders import Clock, a_book
from tests.edge.serving import serving_sqlite
from tests.hooks import OTHER_SECRET, SECRET, Alerts, a_body, a_receiver, deliver, headers_of, inbox
from tests.servers import sqlite_at

STRIPE_SECRET = "whsec_of_the_stripe_shaped_one"
CONFIG = json.dumps(
    [
        {"name": "sandbox", "base_url": "http://127.0.0.1:1", "webhook_secrets": [SECRET]},
        {"name": "cards", "kind": "stripe", "webhook_secrets": [STRIPE_SECRET]},
    ]
)
HOOK = "/v1/webhooks/sandbox"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hooks")
    with serving_sqlite(folder, KHATA_PROVIDERS=CONFIG, KHATA_WORKER="0") as found:
        yield found


@pytest.fixture
def http(server):
    """A client of the provider: without a key."""
    with httpx.Client(base_url=server.url, timeout=60) as client:
        yield client


def now():
    return time.time_ns() // 1000


def post(http, body, path=HOOK, **how):
    return http.post(path, content=body, headers=headers_of(body, how.pop("at", now()), **how))


def listed(server, path, **query):
    with server.http() as people:
        return people.get(path, params=query).json()["items"]


def test_a_signed_event_is_taken_without_a_key(server, http):
    """The answer tells nothing but that it was taken; people see it in the inbox."""
    answer = post(http, a_body(event="evt_first", reference="pay_zzzz"))
    assert (answer.status_code, answer.json()) == (200, {"status": "received"})
    (item,) = [one for one in listed(server, "/v1/webhook-inbox") if one["event"] == "evt_first"]
    assert (item["status"], item["type"], item["sealed"]) == ("received", "charge.paid", False)
    with server.http() as people:
        assert people.get(f"/v1/webhook-inbox/{item['id']}").json() == item


def test_a_book_can_be_named(http):
    """The first book is meant where none is named; one that is not there is not found."""
    body = a_body(event="evt_named")
    assert post(http, body, f"/v1/books/main{HOOK[3:]}").status_code == 200
    assert post(http, body, f"/v1/books/other{HOOK[3:]}").status_code == 404


def test_another_scheme(http):
    """A provider of Stripe's shape is checked and read by its own rules."""
    body = b'{"id": "evt_s", "type": "moon.risen", "created": 1, "data": {"object": {}}}'
    good = sign_stripe(STRIPE_SECRET, "", body, now())
    path = "/v1/webhooks/cards"
    assert http.post(path, content=body, headers=good).status_code == 200
    assert http.post(path, content=body + b" ", headers=good).status_code == 403


BODY = a_body(event="evt_bad")
BAD = (
    "forged",
    "another body",
    "unsigned",
    "empty",
    "stale",
    "of the future",
    "too long",
)


def bad(name):
    """(body, headers, status, code) of what is turned away, signed when it is sent."""
    return {
        "forged": (BODY, headers_of(BODY, now(), secret=OTHER_SECRET), 403, "invalid_signature"),
        "another body": (BODY + b" ", headers_of(BODY, now()), 403, "invalid_signature"),
        "unsigned": (BODY, {}, 403, "invalid_signature"),
        "empty": (b"", headers_of(b"", now(), secret=OTHER_SECRET), 403, "invalid_signature"),
        "stale": (BODY, headers_of(BODY, now() - 400 * 10**6), 403, "stale_webhook"),
        "of the future": (BODY, headers_of(BODY, now() + 400 * 10**6), 403, "stale_webhook"),
        "too long": (b"x" * 65_537, {}, 413, "body_too_large"),
    }[name]


@pytest.mark.parametrize("name", BAD)
def test_what_is_turned_away(server, http, name):
    """Each with its reason and nothing else, and each is written down."""
    body, headers, status, code = bad(name)
    answer = http.post(HOOK, content=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert SECRET.removeprefix("whsec_") not in answer.text
    kept = listed(server, "/v1/webhook-rejections")[0]
    assert (kept["provider"], kept["code"], kept["source"]) == ("sandbox", code, "127.0.0.1")
    assert (kept["digest"] is None) == (name == "too long")
    assert not [one for one in listed(server, "/v1/webhook-inbox") if one["event"] == "evt_bad"]


def test_who_is_no_provider(server, http):
    """It is not found, and its name is not kept."""
    answer = post(http, BODY, "/v1/webhooks/<script>")
    assert (answer.status_code, "script" in answer.text) == (404, False)
    assert listed(server, "/v1/webhook-rejections")[0]["provider"] == "?"


def test_identical_deliveries_at_once_are_one(server, http):
    """Eight at a time: each is told that it was taken, and one item counts them."""
    body = a_body(event="evt_eight")
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: post(http, body).status_code, range(8)))
    assert answers == [200] * 8
    (item,) = [one for one in listed(server, "/v1/webhook-inbox") if one["event"] == "evt_eight"]
    assert item["copies"] == 8


def test_nothing_secret_is_logged(server, http):
    """Neither the secret nor what a body says is in the log."""
    post(http, a_body(event="evt_log", holder="Alice Rahman"))
    post(http, b"not JSON")
    http.get("/health")
    log = "".join(server.lines)
    assert "webhook" in log
    assert not [word for word in ("Rahman", SECRET[6:], "not JSON") if word in log]


def test_people_decide_over_http(server, http):
    """What waits for a person can be tried again and let go; what does not is refused."""
    post(http, a_body(event="evt_people"))
    (item,) = [one for one in listed(server, "/v1/webhook-inbox") if one["event"] == "evt_people"]
    with server.http() as people:
        answer = people.post(
            f"/v1/webhook-inbox/{item['id']}/discard",
            json={"reason": "A test."},
            headers={"idempotency-key": "discard-1"},
        )
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_transition")


def test_too_many_are_told_when_to_come_back(tmp_path):
    """The rate is a setting; the answer has Retry-After, and other providers are not held up."""
    with (
        serving_sqlite(
            tmp_path, KHATA_PROVIDERS=CONFIG, KHATA_WEBHOOK_RATE="3", KHATA_WORKER="0"
        ) as server,
        httpx.Client(base_url=server.url, timeout=60) as http,
    ):
        found = [post(http, a_body(event=f"evt_{n}")) for n in range(4)]
        assert [answer.status_code for answer in found] == [200, 200, 200, 429]
        assert 3500 < int(found[-1].headers["retry-after"]) <= 3630
        body = b'{"id": "evt_s", "type": "x", "created": 1, "data": {"object": {}}}'
        signed = sign_stripe(STRIPE_SECRET, "", body, now())
        answer = http.post("/v1/webhooks/cards", content=body, headers=signed)
        assert answer.status_code == 200


# ── what is counted ──────────────────────────────────────────────────────────────────


def test_never_more_than_the_rate_in_any_hour():
    """A hundred pass; the next one when the first are an hour old, and no sooner than told."""
    rate, at = Rate(100), 10**15
    assert [rate.take("a", at + n * 10**6) for n in range(100)] == [0] * 100
    wait = rate.take("a", at + 100 * 10**6)
    assert 0 < wait <= 3600 + 30
    assert rate.take("b", at + 100 * 10**6) == 0
    assert rate.take("a", at + 99 * 10**6 + WINDOW // 2) > 0
    assert rate.take("a", at + (100 + wait) * 10**6) == 0


def test_the_memory_of_rates_is_bounded():
    """However many sources come, so many are remembered."""
    rate = Rate(5, sources=10)
    for n in range(1000):
        rate.take(f"source-{n}", 10**15)
    assert len(rate._seen) == 10


def test_a_flood_of_forgeries_does_not_shut_the_provider_out(tmp_path):
    """Whoever forges uses up their own share; the journal gets a bounded part of it."""
    clock = Clock()
    with a_book(sqlite_at(tmp_path / "khata.db"), clock=clock) as book:
        receiver = a_receiver(Alerts(), rate=100)
        for n in range(150):
            with pytest.raises((InvalidSignature, RateLimited)):
                deliver(book, a_body(event=f"f{n}"), receiver, secret=OTHER_SECRET, source="evil")
        assert deliver(book, a_body(), receiver).status == "received"
        assert len(book.query(webhooks.rejections, limit=1000).items) == WRITTEN_DOWN
        clock.pass_by(2 * 3600)
        with pytest.raises(InvalidSignature):
            deliver(book, a_body(), receiver, secret=OTHER_SECRET, source="evil")
        assert book.query(webhooks.rejections).items[0].missed == 150 - WRITTEN_DOWN


def test_nothing_is_taken_that_is_not_committed(tmp_path):
    """Where the book cannot write, the provider is not told that it could."""
    book = Khata.open(sqlite_at(tmp_path / "khata.db"))
    book.close()
    body = a_body()
    signed = headers_of(body, book.clock())
    with pytest.raises(Exception, match="clos"):
        asyncio.run(a_receiver().receive(book, "sandbox", signed, body, "x"))


def test_an_unknown_provider_is_not_found(tmp_path):
    """It is checked before anything of the body is."""
    with a_book(sqlite_at(tmp_path / "khata.db")) as book:
        with pytest.raises(NotFound):
            asyncio.run(a_receiver().receive(book, "nobody", {}, b"{}", "x"))
        assert inbox(book) == []
