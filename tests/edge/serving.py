"""A real server for the tests: Granian in a process of its own, on a port of its own."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import httpx

from khata import Khata
from khata.domain.access import CreateKey
from khata.edge.security import hash_key, new_key
from tests.servers import sqlite_at

SERVE = (
    "from khata.settings import settings_from; from khata.edge.http import serve;"
    " serve(settings_from())"
)
EVERY_ROLE = ["admin", "finance", "service"]
EVERY_SCOPE = ["read", "write", "admin"]
PATIENCE = 60


class Server:
    """A running server: its `url`, the `key` of an administrator, its database."""

    def __init__(self, process: subprocess.Popen, url: str, database_url: str, key: str) -> None:
        self.process = process
        self.url = url
        self.database_url = database_url
        self.key = key
        self.lines: list[str] = []
        self.drain = threading.Thread(target=self._drain, daemon=True)
        self.drain.start()

    def _drain(self) -> None:
        for line in self.process.stdout:
            self.lines.append(line)

    def http(self, credential: str | None = None) -> httpx.Client:
        """A client whose requests carry this credential, the administrator's by default."""
        headers = {"authorization": f"Bearer {credential or self.key}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=PATIENCE)

    def stop(self) -> None:
        """Ask it to stop, and wait until it has."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE)
        self.drain.join(PATIENCE)
        self.process.stdout.close()


def a_key(database_url: str, roles=EVERY_ROLE, scopes=EVERY_SCOPE, book="main") -> str:
    """A new API key of a book, written into it directly."""
    key = new_key(book)
    with Khata.open(database_url, book, migrate=True) as opened:
        opened.submit(CreateKey("test", hash_key(key), list(roles), list(scopes)))
    return key


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextlib.contextmanager
def serving(database_url: str, **environment: str) -> Iterator[Server]:
    """A server on this database, until the end of the `with` block."""
    key, port = a_key(database_url), free_port()
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE],
        env={
            **os.environ,
            "KHATA_DATABASE_URL": database_url,
            "KHATA_PORT": str(port),
            **environment,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    for line in process.stdout:
        if "Started worker" in line:
            break
    server = Server(process, f"http://127.0.0.1:{port}", database_url, key)
    try:
        with server.http() as http:
            assert http.get("/health").status_code == 200, "".join(server.lines)
        yield server
    finally:
        server.stop()


@contextlib.contextmanager
def serving_sqlite(folder: Path, **environment: str) -> Iterator[Server]:
    """A server on a new SQLite database."""
    with serving(sqlite_at(folder / "khata.db"), **environment) as server:
        yield server


class Asks:
    """Short words for requests: `asks.post(path, body, key=…)`."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http
        self.name = uuid4().hex
        self.count = 0

    def get(self, path: str, **query: object) -> httpx.Response:
        return self.http.get(path, params=query)

    def post(self, path: str, body: object, key: str | None = None, **query: object):
        self.count += 1
        headers = {"idempotency-key": key or f"test-{self.name}-{self.count}"}
        return self.http.post(path, json=body, headers=headers, params=query)

    def wallet(self, owner: str, amount: str | None = None, currency: str = "BDT") -> str:
        """The id of a new wallet with some money."""
        made = self.post("/v1/wallets", {"owner": owner, "currency": currency})
        assert made.status_code == 201, made.text
        ref = made.json()["result"]["id"]
        if amount:
            paid = self.post(
                f"/v1/wallets/{ref}/credit", {"amount": {"amount": amount, "currency": currency}}
            )
            assert paid.status_code == 200, paid.text
        return ref


def money(amount: str, currency: str = "BDT") -> dict[str, str]:
    """An amount as JSON has it."""
    return {"amount": amount, "currency": currency}
