"""`khata serve --messaging`: money over HTTP, and a gateway beside it that tells people of it."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys

import httpx
import pytest

from tests.clustering import DEADLINE, Talker
from tests.edge.gateway_beside import TOKENS, token, until
from tests.edge.serving import Asks, a_key, free_port, money

OPERATIONS = {
    "sendMessage",
    "getMessages",
    "getMessagesWith",
    "getUnread",
    "broadcastMessage",
    "createConversation",
    "getConversation",
    "getConversationMessages",
    "getConversations",
    "changeMembers",
    "leaveConversation",
    "messagingHealth",
    "messagingStats",
}


class Both:
    """The server as a process, its client, and where its gateway's sockets are."""

    def __init__(self, folder):
        url = f"sqlite:///{folder / 'khata.db'}"
        self.key, self.ports = a_key(url), [free_port() for _ in range(3)]
        port, self.socket, http = self.ports
        environ = {k: v for k, v in os.environ.items() if not k.startswith("KHATA_")}
        environ |= TOKENS | {
            "KHATA_DATABASE_URL": url,
            "KHATA_PORT": str(port),
            "KHATA_MESSAGING_PORT": str(self.socket),
            "KHATA_MESSAGING_HTTP_PORT": str(http),
            "KHATA_MESSAGING_URL": f"http://127.0.0.1:{http}",
            "KHATA_MESSAGING_SPOOL": str(folder / "spool"),
            "KHATA_LOG_LEVEL": "warning",
        }
        words = [sys.executable, "-m", "khata", "serve", "--messaging", "--workers", "1"]
        self.said = folder / "server.log"
        with self.said.open("wb") as file:
            self.process = subprocess.Popen(words, env=environ, stdout=file, start_new_session=True)
        self.http = httpx.Client(
            base_url=f"http://127.0.0.1:{port}",
            headers={"authorization": f"Bearer {self.key}"},
            timeout=DEADLINE,
        )
        until(self.well, "a server with its gateway")

    def well(self):
        """Whether both are there."""
        assert self.process.poll() is None
        with contextlib.suppress(httpx.TransportError):
            return self.health().get("status") == "ok"

    def health(self):
        """How the server says that messaging is."""
        return self.http.get("/v1/messaging/health").json()

    def listening(self):
        """Which of the ports somebody listens at."""
        found = []
        for port in self.ports:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                found.append(port)
        return found

    def end(self):
        """Whatever became of it, nothing of it is left but what it said, for who asks why."""
        self.http.close()
        sys.stderr.write(self.said.read_text())
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(DEADLINE)


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    found = Both(tmp_path_factory.mktemp("both"))
    try:
        yield found
    finally:
        found.end()


def test_who_is_paid_hears_of_it_and_nobody_else(both):
    """Money moves over HTTP; its owner has a message over a socket, once, and can fetch it."""
    asks = Asks(both.http)
    alice, bob = asks.wallet("alice"), asks.wallet("bob")

    async def story():
        listening = [await Talker.connect(both.socket, token(who)) for who in ("alice", "bob")]
        paid = {"amount": money("5.00")}
        for ref in (alice, bob):
            answer = await asyncio.to_thread(asks.post, f"/v1/wallets/{ref}/credit", paid)
            assert answer.status_code == 200
        for one in listening:
            await one.messages(1)
        await asyncio.to_thread(asks.post, f"/v1/wallets/{alice}/credit", paid)
        await listening[0].messages(2)
        for one in listening:
            one.leave()
        return [one.got for one in listening]

    to_alice, to_bob = asyncio.run(story())
    assert [(one["from"], one["to"]) for one in to_alice] == [("khata", "alice")] * 2
    accounts = [one["body"]["data"]["account"] for one in to_alice]
    assert accounts == ["wallet/alice/personal/BDT"] * 2
    assert [one["body"]["data"]["balance"] for one in to_alice] == ["5.00", "10.00"]
    assert [one["body"]["data"]["account"] for one in to_bob] == ["wallet/bob/personal/BDT"]
    headers = {"authorization": f"Bearer {token('alice')}"}
    fetched = both.http.get("/v1/messages", headers=headers).json()["messages"]
    assert [one["id"] for one in fetched] == [one["id"] for one in to_alice]


def test_its_description_has_the_messages(both):
    """Under the paths and names that clients were made for."""
    found = both.http.get("/openapi.json").json()["paths"]
    served = {one["operationId"]: path for path, ways in found.items() for one in ways.values()}
    assert served.keys() >= OPERATIONS
    assert served["sendMessage"] == served["getMessages"] == "/v1/messages"
    assert served["messagingHealth"] == "/v1/messaging/health"


def test_a_gateway_that_is_killed_comes_back_with_what_was_sent_meanwhile(both):
    """The server keeps it, and says where it is."""
    gateway = the_gateway(both)
    os.kill(gateway, signal.SIGKILL)

    numbers = iter(range(10_000))

    def kept():
        body = {"id": f"k{next(numbers)}", "to": "carol", "body": 1}
        answer = both.http.post("/v1/messages", json=body).json()
        return body["id"] if answer["by"] == "database" else None

    name = until(kept, "a message that the database kept")

    async def story():
        carol = await Talker.connect(both.socket, token("carol"))
        await carol.until(lambda: name in carol.ids())
        carol.leave()

    until(both.well, "a gateway")
    assert the_gateway(both) != gateway
    asyncio.run(story())
    told = [line for line in both.said.read_text().splitlines() if "messaging_ended" in line]
    assert [json.loads(line)["code"] for line in told] == [-signal.SIGKILL]


def the_gateway(both):
    """The process id of the gateway beside the server."""
    found = subprocess.run(
        ["ps", "-o", "pid=,args=", "--ppid", str(both.process.pid)],
        capture_output=True,
        text=True,
        check=True,
    )
    (line,) = (line for line in found.stdout.splitlines() if "messaging serve" in line)
    return int(line.split()[0])


def test_both_end_in_order_when_the_server_is_told_to(both):
    """With nothing left at any port; listeners are told that it goes."""

    async def story():
        dora = await Talker.connect(both.socket, token("dora"))
        both.process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(dora.transport.wait_disconnected(), DEADLINE)

    asyncio.run(story())
    assert both.process.wait(DEADLINE) == 0
    assert both.listening() == []


def test_a_gateway_does_not_outlive_its_server(tmp_path):
    """It would keep the ports and the spool from the next one. Init did not begin this one, so that
    who did is gone for it.
    """
    url = f"sqlite:///{tmp_path / 'khata.db'}"
    a_key(url)
    ports = ["--port", str(free_port()), "--http-port", str(free_port())]
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "khata",
            "messaging",
            "serve",
            "--beside",
            "1",
            "--database",
            url,
            *ports,
            "--spool",
            str(tmp_path),
        ],
        stderr=subprocess.PIPE,
        timeout=DEADLINE,
        text=True,
        check=True,
    )
    assert "Serving messages of main" in done.stderr
