"""Messages over HTTP: beside a gateway, through `khata serve`, and while no gateway is there."""

import asyncio
import contextlib
import json
import re

import httpx
import pytest
import sqlalchemy as sa

from khata import Khata
from khata.edge.cli import main
from khata.edge.client.messages import MessagingClient
from khata.edge.http import create_app
from khata.engine.database import Database
from khata.errors import Forbidden
from khata.messaging.tables import MESSAGES
from khata.settings import settings_from
from tests.edge.gateway_beside import TOKENS, Beside, a_gateway, token, until
from tests.edge.serving import a_key, free_port

WANTED = ["s1", "s2", "s3"]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gateway")
    url = f"sqlite:///{folder / 'khata.db'}"
    service = a_key(url)
    with a_gateway(url, folder) as found:
        found.service = service
        found.database_url = url
        yield found


def as_(gateway, credential):
    """A client with the token of an owner, or a key."""
    found = credential if credential.startswith("kh_") else token(credential)
    return httpx.Client(base_url=gateway.url, headers={"authorization": f"Bearer {found}"})


def sent(gateway, sender, name, to, body=None, **more):
    """The answer to a message."""
    with as_(gateway, sender) as http:
        return http.post("/v1/messages", json={"id": name, "to": to, "body": body, **more})


def fetched(gateway, user, **query):
    """What came to a user."""
    with as_(gateway, user) as http:
        return http.get("/v1/messages", params=query).json()


def ids(page):
    return [message["id"] for message in page["messages"]]


def test_what_is_sent_is_fetched_by_whom_it_is_for(gateway):
    """At once, stored or not; page by page, and behind a number."""
    for name in ("h1", "h2", "h3"):
        answer = sent(gateway, "alice", name, "bob", {"n": name})
        assert (answer.status_code, answer.json()) == (202, {"id": name, "by": "gateway"})
    first = fetched(gateway, "bob", limit=2)
    assert ids(first) == ["h1", "h2"]
    rest = fetched(gateway, "bob", after=first["next"])
    assert (ids(rest), rest["next"]) == (["h3"], None)
    assert rest["messages"][0]["body"] == {"n": "h3"}
    assert rest["messages"][0]["from"] == "alice"


def test_nobody_reads_what_is_anothers(gateway):
    """Neither a queue, nor what two others wrote, nor a conversation."""
    sent(gateway, "alice", "p1", "bob", "private")
    with as_(gateway, "alice") as http:
        made = http.post("/v1/conversations", json={"id": "p2", "c": "pair", "add": ["bob"]})
        assert made.status_code == 202
        told = http.post("/v1/messages", json={"id": "p3", "c": "pair", "body": "among us"})
        assert told.status_code == 202
    with as_(gateway, "mallory") as http:
        assert http.get("/v1/messages").json()["messages"] == []
        assert http.get("/v1/messages/with/bob").json()["messages"] == []
        assert http.get("/v1/conversations/pair/messages").json()["messages"] == []
        assert http.get("/v1/conversations").json() == []
        for answer in (
            http.get("/v1/conversations/pair"),
            http.post("/v1/messages", json={"id": "p4", "c": "pair", "body": 1}),
            http.patch("/v1/conversations/pair", json={"id": "p5", "add": ["mallory"]}),
            http.delete("/v1/conversations/pair"),
        ):
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_an_owner_is_not_taken_for_a_key(gateway):
    """Owners choose their names; nobody's queue is read by choosing that of another's key."""
    for name in ("key_0400", "khata"):
        with as_(gateway, name) as http:
            answer = http.get("/v1/messages")
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
        posing = MessagingClient(gateway.url, token(name), socket=gateway.socket)
        with posing, posing.listen() as messages, pytest.raises(Forbidden):
            messages.next(10)


def test_conversations_are_made_changed_and_left(gateway):
    """Its owner adds and removes, a member leaves."""
    with as_(gateway, "alice") as http:
        http.post("/v1/conversations", json={"id": "c1", "c": "trip", "add": ["bob"]})
        http.patch("/v1/conversations/trip", json={"id": "c2", "add": ["carol"]})
        told = http.post("/v1/messages", json={"id": "c3", "c": "trip", "body": "hello"})
        assert told.json() == {"id": "c3", "by": "gateway"}
        members = ["alice", "bob", "carol"]
        found = http.get("/v1/conversations/trip").json()
        assert found == {"c": "trip", "owner": "alice", "members": members}
    with as_(gateway, "carol") as http:
        until(lambda: ids(http.get("/v1/conversations/trip/messages").json()) == ["c3"])
        assert http.get("/v1/messages/unread").json()[0]["c"] == "trip"
        assert http.delete("/v1/conversations/trip").status_code == 202
        assert http.get("/v1/conversations/trip").status_code == 404


@pytest.mark.parametrize(
    ("who", "method", "path", "body", "status", "code"),
    [
        ("alice", "POST", "/v1/messages", {"id": "x", "to": "b"}, 400, "invalid_input"),
        ("alice", "POST", "/v1/messages", {"id": "x", "body": 1}, 400, "invalid_input"),
        ("alice", "POST", "/v1/messages", {"id": "", "to": "b", "body": 1}, 400, "invalid_input"),
        ("alice", "POST", "/v1/messages", {"id": "x", "to": "a\0", "body": 1}, 400,
         "invalid_input"),
        ("alice", "POST", "/v1/messages", {"id": "x", "to": "b", "body": "y" * 40_000}, 400,
         "invalid_input"),
        ("alice", "POST", "/v1/messages", {"id": "x", "to": "b", "body": "y" * 300_000}, 413,
         "body_too_large"),
        ("alice", "POST", "/v1/messages", {"id": "x", "to": "b", "body": 1, "from": "bob"}, 403,
         "forbidden"),
        ("alice", "POST", "/v1/broadcasts", {"id": "x", "body": 1}, 403, "forbidden"),
        ("alice", "GET", "/v1/messages?after=-1", None, 400, "invalid_input"),
        ("alice", "GET", "/v1/messages?limit=501", None, 400, "invalid_input"),
        ("alice", "GET", "/v1/messaging/stats", None, 403, "not_yours"),
        (None, "GET", "/v1/messages", None, 401, "unauthenticated"),
        (None, "POST", "/v1/messages", {"id": "x", "to": "b", "body": 1}, 401, "unauthenticated"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_a_problem(gateway, who, method, path, body, status, code):
    """In the shape of RFC 9457, with a code of its own."""
    with as_(gateway, who or "kh_main_" + "0" * 64) as http:
        content = json.dumps(body).encode() if body is not None else None
        answer = http.request(method, path, content=content)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_broadcast_comes_to_those_it_names(gateway):
    """A service sends it, in whose name it says."""
    with as_(gateway, gateway.service) as http:
        body = {"id": "b1", "to": ["dora", "emil"], "body": "all", "from": "shop"}
        assert http.post("/v1/broadcasts", json=body).status_code == 202
    for user in ("dora", "emil"):
        assert [m["from"] for m in fetched(gateway, user)["messages"]] == ["shop"]


def test_figures_are_for_staff_and_for_prometheus(gateway):
    """The same counts in both."""
    sent(gateway, "alice", "f1", "frida")
    with as_(gateway, gateway.service) as http:
        stats = http.get("/v1/messaging/stats").json()
        health = http.get("/v1/messaging/health").json()
        figures = http.get("/metrics").text
    assert stats["gateway"]["accepted"] >= 1
    assert stats["parts"]["outbox"]["state"] == "running"
    assert (health["status"], health["socket"]) == ("ok", gateway.port)
    count = stats["gateway"]["accepted"]
    assert f"khata_messaging_accepted_total {float(count)}" in figures
    assert 'khata_messaging_fenced{part="persister"} 0.0' in figures


def test_the_command_line_shows_the_figures(gateway, monkeypatch, capsys):
    """As a table, or as JSON; without a key it says what it needs."""
    monkeypatch.setenv("KHATA_MESSAGING_URL", gateway.url)
    monkeypatch.delenv("KHATA_MESSAGING_KEY", raising=False)
    assert main(["messaging", "stats"]) == 3
    monkeypatch.setenv("KHATA_MESSAGING_KEY", gateway.service)
    with MessagingClient(gateway.url, gateway.service) as shop:
        shop.send_message("carol", "to be stored")
        until(lambda: shop.stats().persister.get("records"), "a message that is stored")
    assert main(["messaging", "stats"]) == 0
    shown = capsys.readouterr().out
    assert "Messaging is ok; 0 wait for a gateway." in shown
    # times as people read them, and no more digits than say something
    assert re.search(r"\bat +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\b", shown)
    assert not re.search(r"^ +\w[\w ]* {2,}[\d,]+\.\d{4}", shown, re.MULTILINE)
    assert main(["messaging", "stats", "--json"]) == 0
    # the gateway of these tests logs into the same output
    lines = capsys.readouterr().out.splitlines()
    found = json.loads(next(line for line in lines if line.startswith('{"health"')))
    assert found["health"]["socket"] == gateway.port
    assert found["gateway"]["safe"] == found["gateway"]["accepted"]


def test_the_command_line_says_how_to_find_a_gateway(gateway, monkeypatch, capsys):
    """Where it looked, and what to do when nobody answers there, or it is no URL."""
    monkeypatch.setenv("KHATA_MESSAGING_KEY", gateway.service)
    nowhere = f"http://127.0.0.1:{free_port()}"
    assert main(["messaging", "stats", "--url", nowhere]) == 7
    told = " ".join(capsys.readouterr().err.split())
    assert f"a gateway at {nowhere}: khata messaging serve" in told
    assert main(["messaging", "stats", "--url", "localhost"]) == 3
    assert "http://" in capsys.readouterr().err


@contextlib.asynccontextmanager
async def alive(app):
    """Begin an application, and end it as its server would."""
    said, heard = asyncio.Queue(), asyncio.Queue()
    said.put_nowait({"type": "lifespan.startup"})
    scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
    living = asyncio.ensure_future(app(scope, said.get, heard.put))
    assert (await heard.get())["type"] == "lifespan.startup.complete"
    yield
    said.put_nowait({"type": "lifespan.shutdown"})
    await living


def test_khata_serve_passes_messages_on_and_keeps_them_while_no_gateway_is_there(tmp_path):
    """What was kept is taken in by the gateway that comes, and stored once."""
    url = f"sqlite:///{tmp_path / 'khata.db'}"
    service = a_key(url)
    gateway = Beside(url, tmp_path).start()

    async def story():
        environ = {**TOKENS, "KHATA_DATABASE_URL": url, "KHATA_MESSAGING_URL": gateway.url}
        with Khata.open(url) as book:
            app = create_app(book, settings_from(environ))
            serve = httpx.ASGITransport(app)
            async with alive(app), httpx.AsyncClient(transport=serve, base_url="http://a") as http:

                async def asked(who, method, path, body=None):
                    headers = {"authorization": f"Bearer {who}"}
                    return (await http.request(method, path, json=body, headers=headers)).json()

                async def send(name):
                    body = {"id": name, "to": "bob", "body": name}
                    return (await asked(token("alice"), "POST", "/v1/messages", body))["by"]

                async def came():
                    return ids(await asked(token("bob"), "GET", "/v1/messages"))

                assert await send("s1") == "gateway"
                await asyncio.to_thread(gateway.stop)
                assert [await send("s2"), await send("s1")] == ["database", "database"]
                health = await asked(service, "GET", "/v1/messaging/health")
                assert (health["status"], health["gateway"]) == ("database", False)
                assert await came() == ["s1", "s2"]
                await asyncio.to_thread(gateway.start)
                async with asyncio.timeout(20):
                    while await send("s3") != "gateway":
                        assert await came()
                    while sorted(await came()) != WANTED:
                        assert await send("s3") == "gateway"

    try:
        asyncio.run(story())
    finally:
        gateway.stop()
    database = Database(url)
    with database.reading() as connection:
        assert sorted(connection.scalars(sa.select(MESSAGES.c.id))) == WANTED
    database.close()
