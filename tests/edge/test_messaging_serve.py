"""`khata messaging serve`, as people start it; and a gateway that a server looks after."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import httpx
import pytest

from khata.app import Khata
from khata.domain.access import CreateKey
from khata.edge.bench.serving import free_port
from khata.edge.http.alerts import Alerts
from khata.edge.messaging.attending import Attendant
from khata.edge.security import hash_key, new_key
from tests.clustering import Talker

DEADLINE = 40


def until(condition):
    """Wait for another process."""
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@contextmanager
def served(url, folder, **more):
    """A gateway: its ports, and its process."""
    port, http_port = free_port(), free_port()
    environ = {k: v for k, v in os.environ.items() if not k.startswith("KHATA_")}
    words = [sys.executable, "-m", "khata", "messaging", "serve", "--database", url]
    words += ["--port", str(port), "--http-port", str(http_port), "--spool", str(folder)]
    with subprocess.Popen(words, env=environ | more, stdout=subprocess.DEVNULL) as process:
        try:
            until(lambda: process.poll() is not None or answers(http_port))
            yield port, http_port, process
        finally:
            process.terminate()
            process.wait(DEADLINE)


def answers(port):
    """Whether a gateway answers HTTP."""
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


async def gone(*talkers):
    """They close, and it is done."""
    for talker in talkers:
        talker.leave()
        await talker.transport.wait_disconnected()


@pytest.fixture
def keys(tmp_path, sqlite_template):
    """A database, and keys of two services."""
    url = f"sqlite:///{tmp_path / 'khata.db'}"
    (tmp_path / "khata.db").write_bytes(sqlite_template.read_bytes())
    found = []
    with Khata.open(url) as book:
        for name in ("one", "two"):
            key = new_key(book.book)
            made = book.submit(CreateKey(name, hash_key(key), ["service"], ["read", "write"]))
            found.append((key, made.result.id))
    return url, found


def test_a_message_goes_from_one_process_to_another_and_is_found_again(tmp_path, keys):
    """Over sockets with API keys; stored; the next gateway goes on where this one ended."""
    url, ((one, first), (two, second)) = keys

    async def talk(port):
        a, b = await Talker.connect(port, one), await Talker.connect(port, two)
        assert a.of("hello")[0]["user"] == first
        a.send(second, "m1", body={"text": "hi"})
        assert await b.messages(1) == ["m1"]
        await a.acked(1)
        b.leave()
        a.send(second, "m2")
        await a.acked(2)
        await gone(a, b)

    async def again(port):
        b = await Talker.connect(port, two)
        assert "m2" in await b.messages(1)
        await gone(b)

    with served(url, tmp_path / "spool") as (port, _, process):
        asyncio.run(asyncio.wait_for(talk(port), DEADLINE))
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE) == 0
    with Khata.open(url) as book, book.database.reading() as connection:
        rows = connection.exec_driver_sql("SELECT id, sender, receiver FROM messages").fetchall()
    assert sorted(map(tuple, rows)) == [("m1", first, second), ("m2", first, second)]
    with served(url, tmp_path / "spool") as (port, http_port, _):
        asyncio.run(asyncio.wait_for(again(port), DEADLINE))
        head = {"Authorization": f"Bearer {one}"}
        health = httpx.get(f"http://127.0.0.1:{http_port}/v1/messaging/health", headers=head)
        assert health.json()["status"] == "ok"


def attendant(*words, **how):
    """One that looks after a process of Python."""
    return Attendant([sys.executable, "-c", *words], dict(os.environ), Alerts(None), **how)


def test_a_process_that_was_killed_is_begun_again():
    """And it ends when it is told to."""
    found = attendant("import time; time.sleep(600)", pause_seconds=0.01)
    found.start()
    until(lambda: found.process is not None)
    first = found.process
    first.kill()
    until(lambda: found.begun == 2)
    found.stop()
    assert first.returncode == -signal.SIGKILL
    assert found.process.returncode == -signal.SIGTERM
    assert not found.fenced.is_set()


def test_a_process_that_ends_again_and_again_is_left_alone():
    """After so many times; stopping has nothing to stop."""
    found = attendant("raise SystemExit(3)", most=2, pause_seconds=0.0)
    found.start()
    assert found.fenced.wait(DEADLINE)
    found.stop()
    assert (found.begun, found.process.returncode) == (3, 3)
