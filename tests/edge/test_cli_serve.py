"""`khata serve` and the keys of `khata keys`, together on a real socket."""

import os
import signal
import socket
import subprocess
import sys
from contextlib import closing, contextmanager

import httpx
import pytest

from tests.edge.command_line import ALICE, a_book, khata
from tests.servers import sqlite_at

PATIENCE = 8
"""Attempts to connect: 0, 0.5, 1, 2, … seconds apart."""


def a_free_port():
    """A port at which nobody listens."""
    with closing(socket.socket()) as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@contextmanager
def served(url):
    """A server of the book, as a process of its own; its client and the process."""
    port = a_free_port()
    words = [sys.executable, "-m", "khata", "serve", "--port", str(port), "--database", url]
    environment = {name: value for name, value in os.environ.items() if "KHATA_" not in name}
    with (
        subprocess.Popen(words, env=environment, stderr=subprocess.DEVNULL) as process,
        httpx.Client(
            base_url=f"http://127.0.0.1:{port}",
            transport=httpx.HTTPTransport(retries=PATIENCE),
            timeout=10,
        ) as client,
    ):
        try:
            yield client, process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """What a server says with a key, without one, and how it ends."""
    url = a_book(sqlite_at(tmp_path_factory.mktemp("served") / "khata.db"))
    made = khata(
        "keys", "create", "till", "--role", "service", "--scope", "read", "--json", url=url
    )
    with served(url) as (client, process):
        path = f"/v1/wallets/{khata('wallets', 'show', ALICE, '--json', url=url).json()['id']}"
        headers = {"Authorization": f"Bearer {made.json()['key']}"}
        with_key, without = client.get(path, headers=headers), client.get(path)
    return with_key, without, process.returncode


def test_a_key_from_the_command_line_opens_the_http_door(answers):
    """The key that was shown once is the one that the server takes."""
    assert answers[0].json()["balance"] == "1000.00"


def test_without_a_key_the_door_is_shut(answers):
    """Nobody reads a wallet without credentials."""
    assert answers[1].status_code == 401


def test_a_server_that_is_told_to_stop_ends_well(answers):
    """SIGTERM is an order, not a fault."""
    assert answers[2] == 0
