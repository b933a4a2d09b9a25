"""The HTTP around the money: bad requests, the API's description, health, logs, the end."""

import json
import re
import threading

import msgspec
import psycopg
import pytest
from sqlalchemy.engine import make_url

from khata.edge.http.problems import STATUS, problem
from khata.errors import every_error
from tests.edge.serving import Asks, money, serving, serving_sqlite
from tests.servers import fresh_database


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving_sqlite(tmp_path_factory.mktemp("door")) as found:
        yield found


@pytest.fixture
def http(server):
    with server.http() as found:
        yield found


def test_every_error_has_a_status():
    """The table names each class itself, none by chance of its parents."""
    assert set(STATUS) == set(every_error())


@pytest.mark.parametrize("cls", every_error())
def test_an_error_becomes_a_problem(cls):
    """Its code, message and details are in the problem."""
    told = problem(cls("It went wrong.", got=1), "r1")
    assert (told.code, told.detail, told.details) == (cls.code, "It went wrong.", {"got": 1})


def test_an_unforeseen_error_tells_nothing():
    """What it says is for the log alone."""
    assert "secret" not in msgspec.json.encode(problem(ValueError("secret"))).decode()


HEADERS = {"idempotency-key": "k", "content-type": "application/json"}


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status", "code"),
    [
        ("GET", "/v1/nothing", b"", {}, 404, "route_not_found"),
        ("GET", "/v1/wallets", b"", {"host": "a%b/c>"}, 400, "malformed_request"),
        ("GET", "/v1/wallets/wal_zzzz", b"", {}, 404, "wallet_not_found"),
        ("PUT", "/v1/wallets", b"", {}, 405, "method_not_allowed"),
        ("POST", "/v1/wallets", b"{", HEADERS, 400, "invalid_input"),
        ("POST", "/v1/wallets", b"\xff", HEADERS, 400, "invalid_input"),
        ("POST", "/v1/wallets", b"[]", HEADERS, 400, "invalid_input"),
        ("POST", "/v1/wallets", b"[" * 20_000, HEADERS, 400, "invalid_input"),
        ("POST", "/v1/wallets", b"{}", HEADERS, 400, "invalid_input"),
        ("POST", "/v1/wallets", b" " * 70_000, HEADERS, 413, "body_too_large"),
        ("POST", "/v1/bulk", b'{"lines": []}', HEADERS, 400, "invalid_input"),
        ("POST", "/v1/wallets", b"a=1", {**HEADERS, "content-type": "text/plain"}, 415,
         "unsupported_media_type"),
        ("POST", "/v1/wallets", b"{}", {"idempotency-key": "a b"}, 400, "invalid_input"),
        ("GET", "/v1/wallets?limit=0", b"", {}, 400, "invalid_input"),
        ("GET", "/v1/wallets?limit=many", b"", {}, 400, "invalid_input"),
        ("GET", "/v1/wallets?colour=red", b"", {}, 400, "invalid_input"),
        ("GET", "/v1/wallets?cursor=!", b"", {}, 400, "invalid_cursor"),
        ("GET", "/v1/trial-balance?at=soon", b"", {}, 400, "invalid_input"),
        ("POST", "/v1/wallets?dry_run=perhaps", b"{}", HEADERS, 400, "invalid_input"),
    ],
)  # fmt: skip
def test_a_bad_request(http, method, path, body, headers, status, code):
    """It is answered by a problem with its code, and without a trace of the inside."""
    answer = http.request(method, path, content=body, headers=headers)
    told = answer.json()
    assert (answer.status_code, told["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert told["request_id"] == answer.headers["x-request-id"]
    assert "Traceback" not in answer.text


def test_an_unknown_field_is_named(http):
    """Who misspells a field is told which."""
    body = {"owner": "a", "currency": "BDT", "titel": "x"}
    assert "titel" in Asks(http).post("/v1/wallets", body).json()["detail"]


def test_a_body_of_unknown_length_is_bounded(http):
    """A body that does not say how long it is is cut off at the limit."""
    parts = (b" " * 1000 for _ in range(100))
    answer = http.post("/v1/wallets", content=parts, headers=HEADERS)
    assert answer.status_code == 413


def test_a_request_keeps_its_id(http):
    """The caller's id comes back, unless it is none."""
    kept = http.get("/health", headers={"x-request-id": "r-1"}).headers["x-request-id"]
    made = http.get("/health", headers={"x-request-id": "no id"}).headers["x-request-id"]
    assert (kept, len(made)) == ("r-1", 16)


def test_a_head_has_no_body(http):
    """HEAD is GET without what follows."""
    answer = http.head("/v1/wallets")
    assert (answer.status_code, answer.content) == (200, b"")


# ── description ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", ["/docs", "/docs/start.js", "/docs/swagger-ui.css"])
def test_the_page_needs_nothing_from_elsewhere(http, path):
    """No script, style or picture is fetched from another place."""
    text = http.get(path).text
    assert re.findall(r"""(?:src|href|@import|url)\s*[=(:]?\s*["'(]?(?:https?:)?//""", text) == []


def test_all_that_the_page_names_is_there(http):
    """Each file that the page asks for is served."""
    names = re.findall(r'(?:src|href)="([^"]+)"', http.get("/docs").text)
    assert [http.get(name).status_code for name in names] == [200] * 4
    assert http.get("/docs/openapi.json").json()["openapi"] == "3.0.3"


def test_every_operation_is_described(http):
    """Each has an id of its own, a tag, a summary, security and examples."""
    document = http.get("/openapi.json").json()
    found = [item for path in document["paths"].values() for item in path.values()]
    assert document["openapi"] == "3.1.0"
    assert len({item["operationId"] for item in found}) == len(found)
    for item in found:
        assert item["tags"]
        assert item["summary"]
        assert "security" in item
        bodies = [*item["responses"].values(), item.get("requestBody", {})]
        media = [m for body in bodies for t, m in body.get("content", {}).items() if "json" in t]
        good = [m for m in media if "Problem" not in json.dumps(m["schema"])]
        assert all("example" in m for m in good), item["operationId"]


# ── running ──────────────────────────────────────────────────────────────────────────


def test_health_and_readiness(http):
    """It lives, and its book can be read; neither needs a key."""
    del http.headers["authorization"]
    assert http.get("/health").json() == {"status": "ok"}
    assert http.get("/ready").json()["books"]["main"] >= 1


def test_figures(http):
    """Prometheus reads what was committed and how long requests took, by route."""
    Asks(http).wallet("figures")
    text = http.get("/metrics").text
    assert 'khata_writer_committed_total{book="main"}' in text
    assert 'khata_writer_waiting{book="main"} 0.0' in text
    assert 'route="/v1/wallets",status="201"' in text


def test_every_request_is_logged(server, http):
    """A line of JSON has the request's id, operation, status and actor."""
    http.get("/v1/wallets", headers={"x-request-id": "logged-1"})
    server_log = "".join(server.lines)
    while "logged-1" not in server_log:
        http.get("/health")
        server_log = "".join(server.lines)
    line = next(line for line in server_log.splitlines() if "logged-1" in line)
    found = json.loads(line)
    assert (found["operation"], found["status"]) == ("listWallets", 200)
    assert found["actor"].startswith("admin+finance+service:key_")


def test_what_was_accepted_is_finished(tmp_path):
    """Told to stop in the middle of a bulk, the server answers it first and ends in peace."""
    with serving_sqlite(tmp_path) as server, server.http() as http:
        ref = Asks(http).wallet("alice")
        command = {"kind": "wallets.credit", "wallet": ref, "amount": money("1.00")}
        lines = [{"key": f"k{i}", "command": command} for i in range(10_000)]
        body, found = json.dumps({"lines": lines}).encode(), []
        sent = threading.Event()

        def parts():
            yield body
            sent.set()

        def send():
            with server.http() as other:
                length = {"content-length": str(len(body)), "content-type": "application/json"}
                found.append(other.post("/v1/bulk", content=parts(), headers=length))

        sender = threading.Thread(target=send)
        sender.start()
        sent.wait()
        http.get("/v1/wallets")
        server.stop()
        sender.join()
    assert found[0].json()["committed"] == 10_000
    assert "book_closed" in "".join(server.lines)


def test_a_database_that_goes_away(postgres_url):
    """While it is gone callers are told to ask again, and when it is back all is well."""
    with fresh_database(postgres_url) as url, serving(url) as server, server.http() as http:
        asks = Asks(http)
        ref = asks.wallet("alice", "5.00")
        block_and_cut(postgres_url, url, allow=False)
        answer = asks.post(f"/v1/wallets/{ref}/credit", {"amount": money("1.00")}, "again")
        block_and_cut(postgres_url, url, allow=True)
        told = answer.json()
        assert (answer.status_code, told["code"]) == (503, "database_unavailable")
        assert int(answer.headers["retry-after"]) > 0
        again = asks.post(f"/v1/wallets/{ref}/credit", {"amount": money("1.00")}, "again")
        assert again.json()["result"]["legs"][0]["balance_after"] == "6.00"


def block_and_cut(server_url, url, *, allow):
    """Let nobody into a database and throw out who is there; or let them in again."""
    name = make_url(url).database
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS {allow}')
        if not allow:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
                (name,),
            )
