"""PostgreSQL goes away at bad moments: callers get their receipts, each command counts once."""

import os
import random
import signal
import subprocess
import threading
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg
import pytest
from sqlalchemy.engine import make_url

from khata import Khata
from khata.engine.committer import Limits
from khata.errors import NotFound, Refused
from tests.conftest import SOAK
from tests.crash import load
from tests.crash.proof import complaints
from tests.crash.proxy import Proxy
from tests.servers import fresh_database, local_postgres

PATIENT = Limits(patience_seconds=60)
CALLERS = 8
BLOWS = 60 if SOAK else 8


@pytest.fixture
def url(postgres_url):
    """A book on PostgreSQL, ready for load."""
    with fresh_database(postgres_url) as found:
        load.open_book(found)
        yield found


@contextmanager
def working(url, acknowledged, rounds):
    """Callers at work in the background; `rounds` is released each time one was answered."""
    stop, faults, refusals = threading.Event(), [], []

    def work(lane):
        number = 0
        while not stop.is_set():
            (key, command), *_ = load.lines(lane, number)
            number += 1
            try:
                acknowledged[key] = book.submit(command, key=key).seq
            except (Refused, NotFound):
                refusals.append(key)
            except Exception as error:  # noqa: BLE001 - whatever it is, the test shows it
                faults.append(repr(error))
            rounds.release()

    with Khata.open(url, limits=PATIENT) as book:
        threads = [threading.Thread(target=work, args=(f"c{n}",)) for n in range(CALLERS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            for thread in threads:
                thread.join()
    assert len(refusals) < len(acknowledged)
    assert faults == []


def wait_for(rounds, count):
    for _ in range(count):
        assert rounds.acquire(timeout=60)


def test_backends_that_are_terminated_cost_nobody_an_answer(url, seed):
    """An operator, or a failover, ends all connections again and again in mid-load."""
    acknowledged, rounds, draw = {}, threading.Semaphore(0), random.Random(seed)
    with psycopg.connect(url, autocommit=True) as operator, working(url, acknowledged, rounds):
        for _ in range(BLOWS):
            wait_for(rounds, draw.randrange(1, 60))
            operator.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        wait_for(rounds, 50)
    assert complaints(url, acknowledged) == []


@pytest.mark.parametrize("what", ["reply", "request"])
def test_a_connection_lost_around_a_commit_is_found_out(url, tmp_path, what):
    """Whether the commit happened, and only its report was lost, the key tells: one receipt."""
    acknowledged = {}
    with Proxy(url, tmp_path) as proxy, Khata.open(proxy.url, limits=PATIENT) as book:
        for number in range(10):
            command = load.Credit(load.wallet(0), load.bdt("1"))
            proxy.lose(what)
            receipt = book.submit(command, key=f"lost-{number}")
            acknowledged[f"lost-{number}"] = receipt.seq
        assert proxy.lost == 10
        balance = book.submit(command, key="lost-9").result.legs[0].balance_after
    assert balance == "1010.00"
    assert complaints(url, acknowledged) == []


def postmaster(url):
    """The server's main process and its data folder."""
    folder = Path(make_url(url).query["host"])
    return psutil.Process(int((folder / "postmaster.pid").read_text().split()[0])), folder


def crash_a_backend(url):
    """Kill one of the server's processes: it then drops everyone and recovers from its log."""
    with psycopg.connect(url) as victim:
        os.kill(victim.info.backend_pid, signal.SIGKILL)


def restart_at_once(url):
    """Stop the server without ceremony and start it again."""
    process, folder = postmaster(url)
    _start(Path(process.exe()).parent, folder)


def kill_and_start(url):
    """`kill -9` the whole server, then start it again."""
    process, folder = postmaster(url)
    programs, everyone = Path(process.exe()).parent, [process, *process.children()]
    process.kill()
    psutil.wait_procs(everyone, timeout=60)
    _start(programs, folder)


def _start(programs, folder):
    """Start with the options it had; whatever still runs is stopped first, at once."""
    pg_ctl(programs, folder, "restart", "-l", folder / "restart.log")


def pg_ctl(programs, folder, what, *options):
    """Start or stop a server, at once."""
    subprocess.run(
        [programs / "pg_ctl", what, "-w", "-m", "immediate", "-D", folder, *options],
        user=folder.stat().st_uid,
        cwd="/",
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=60,
    )


@contextmanager
def mortal_postgres():
    """A server to be killed: whichever process it is by then, it ends with the test."""
    with local_postgres() as server:
        try:
            yield server
        finally:
            process, folder = postmaster(server)
            pg_ctl(Path(process.exe()).parent, folder, "stop")


@pytest.mark.parametrize("blow", [crash_a_backend, restart_at_once, kill_and_start])
def test_a_server_that_restarts_loses_nothing(blow):
    """Everything acknowledged before is there after it, and who waited is answered."""
    acknowledged, rounds = {}, threading.Semaphore(0)
    with mortal_postgres() as server, fresh_database(server) as url:
        load.open_book(url)
        with working(url, acknowledged, rounds):
            for _ in range(10 if SOAK else 1):
                wait_for(rounds, 60)
                blow(server)
                wait_for(rounds, 60)
        assert complaints(url, acknowledged) == []
