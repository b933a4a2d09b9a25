"""A worker as a whole: supervised parts, alerts, and processes that take over from one another."""

import http.server
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager

import msgspec
import pytest

from khata import Khata, Money
from khata.base.clock import system_clock
from khata.domain.loans import GrantLoan, loan
from khata.domain.sagas import StartSaga, saga
from khata.domain.wallets import Credit, OpenWallet
from khata.edge.working import Working
from khata.edge.working.noticing import Noticing
from khata.edge.working.overdue import Overdue
from khata.edge.working.parts import Part, Pump
from khata.engine.sagas.worker import Worker
from khata.engine.vault import Vault
from khata.errors import DatabaseUnavailable, UnknownSaga
from khata.testing import ScriptedCaller, VirtualClock, finish
from tests.edge.command_line import khata as run
from tests.edge.serving import Asks, serving, serving_sqlite
from tests.edge.ways import ALICE, CALLERS, FOLDER, SAGAS
from tests.hooks import SANDBOX, headers_of, listening
from tests.servers import sqlite_at

PATIENCE = 60


class Told:
    """Alerts that are kept, and can be waited for."""

    def __init__(self):
        self.heard = queue.Queue()

    def sound(self, name, **details):
        self.heard.put((name, details))

    def next(self):
        return self.heard.get(timeout=PATIENCE)


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    """Where the post office keeps its letters, and the pipes of slow ones."""
    for pipe in ("begun", "go"):
        os.mkfifo(tmp_path / pipe)
    monkeypatch.setenv(FOLDER, str(tmp_path))
    monkeypatch.setenv("KHATA_SAGAS", "tests.edge.ways")
    return tmp_path


def made(url, **options):
    """A book in which Alice has 100 taka."""
    book = Khata.open(url, migrate=True, sagas=SAGAS, **options)
    book.submit(OpenWallet("alice", "BDT"))
    book.submit(OpenWallet("shop", "BDT", wallet_kind="partner"))
    book.submit(Credit(ALICE, Money("100.00", "BDT")))
    return book


def start(book, name, **data):
    return book.submit(StartSaga(name, data)).result.id


def within_patience(what):
    """What a function of a pipe gives; a pipe that nobody opens must not hang the suite."""
    found = queue.Queue()
    threading.Thread(target=lambda: found.put(what()), daemon=True).start()
    return found.get(timeout=PATIENCE)


def begun(folder):
    """The key of the slow letter that a worker has begun to write."""
    return within_patience((folder / "begun").read_text)


def let_go(folder):
    """Let it be written."""
    within_patience(lambda: (folder / "go").write_text("go"))


@contextmanager
def a_worker(url):
    """`khata worker`, as people run it."""
    words = [sys.executable, "-W", "error", "-m", "khata", "worker", "--database", url]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


# ── parts ────────────────────────────────────────────────────────────────────────────


def test_a_part_that_fails_is_begun_again():
    """It is told of, with its name, and goes on; whoever is beside it does not notice."""
    alerts, stop, again = Told(), threading.Event(), threading.Event()
    tries = iter([ZeroDivisionError, None])

    def faulty(_):
        if error := next(tries):
            raise error
        again.set()
        stop.wait(PATIENCE)

    part = Part("faulty", "main", faulty, alerts)
    part.start(stop)
    assert again.wait(PATIENCE)
    stop.set()
    part.join()
    told = {"part": "faulty", "book": "main", "error": "ZeroDivisionError"}
    assert (alerts.next(), part.failures) == (("worker_failed", told), 1)


def test_a_database_that_is_away_alerts_nobody_here():
    """It is logged and tried again; others watch databases."""
    alerts, stop, again = Told(), threading.Event(), threading.Event()
    tries = iter([DatabaseUnavailable("Away."), None])

    def away(_):
        if error := next(tries):
            raise error
        again.set()
        stop.wait(PATIENCE)

    part = Part("away", "main", away, alerts)
    part.start(stop)
    assert again.wait(PATIENCE)
    stop.set()
    part.join()
    assert (alerts.heard.empty(), part.failures) == (True, 1)


def test_a_pump_works_until_there_is_no_more():
    """Much is done in rounds; a wake brings the next one at once; stopping ends it."""
    stop, rounds = threading.Event(), []
    there_is = iter([100, 100, 3])
    pump = Pump(lambda limit: rounds.append(limit) or _next(there_is, stop, pump), 3600)
    thread = threading.Thread(target=pump.run, args=(stop,))
    thread.start()
    thread.join(PATIENCE)
    assert rounds == [100] * 4


def _next(there_is, stop, pump):
    done = next(there_is, None)
    if done is None:
        stop.set()
    if done in {None, 3}:
        pump.wake()
    return done or 0


# ── what is noticed ──────────────────────────────────────────────────────────────────


def test_a_stuck_saga_is_told_of_once(database_url):
    """Whoever gets stuck first is told of at once; who follows within a minute, together later."""
    alerts, clock = Told(), VirtualClock()
    with made(database_url, clock=clock) as book:
        noticing = Noticing(book, alerts)
        worker = Worker(noticing, {})
        first = start(book, "final", amount="999.00")
        worker.work()
        others = [start(book, "final", amount="999.00") for _ in range(3)]
        worker.work()
        assert alerts.next() == ("saga_stuck", {"book": "main", "count": 1, "sagas": [first]})
        assert alerts.heard.empty()
        noticing._told_at -= 60
        noticing.tell()
        _, told = alerts.next()
    assert (told["count"], sorted(told["sagas"])) == (3, sorted(others))


def test_working_moves_sagas_as_they_come(database_url, folder):
    """What is started in the same process is taken up, worked off and counted."""
    with made(database_url) as book, Working(book, Told(), callers=CALLERS) as working:
        first = start(book, "checkout", slow=True)
        key = begun(folder)
        let_go(folder)
        working.stop()
        after = book.query(saga, first)
        calls, wanted = working.tally.calls, f"{book.scope}.{first}.write"
    assert (key, calls, after.worker) == (wanted, 1, None)
    assert "write" in after.done


def test_a_saga_that_nobody_knows_stops_the_start(database_url):
    """With the list of the runs that need it."""
    with made(database_url) as book:
        run = start(book, "checkout")
    with Khata.open(database_url) as book, pytest.raises(UnknownSaga) as caught:
        Working(book, Told())
    assert caught.value.details["runs"] == [f"{run} checkout 1 at pay"]


# ── khata worker ─────────────────────────────────────────────────────────────────────


def test_a_worker_that_is_told_to_stop_gives_its_sagas_back(database_url, folder):
    """The call under way is finished and written down, every lease ends, the next worker goes on
    at once, and each letter is written once.
    """
    with made(database_url) as book:
        slow = start(book, "checkout", amount="1.00", slow=True)
        waiting = [start(book, "asked") for _ in range(3)]
    with a_worker(database_url) as process:
        key = begun(folder)
        process.send_signal(signal.SIGTERM)
        let_go(folder)
        output = process.communicate(timeout=PATIENCE)
    assert (process.returncode, slow in key) == (0, True), output
    with Khata.open(database_url, sagas=SAGAS) as book:
        with book.view() as view:
            held = [saga(view, one).worker for one in (slow, *waiting)]
        book.worker(CALLERS).work()
        after = book.query(saga, slow)
        assert book.verify().ok
    assert (held, after.status) == ([None] * 4, "completed")
    assert (folder / f"letter-{slow}").read_text() == f"{key}\n"


def test_a_worker_that_is_killed_loses_nothing(database_url, folder):
    """Its lease ends, another worker asks what became of the call, and makes it under its key."""
    with made(database_url) as book:
        slow = start(book, "checkout", amount="1.00", slow=True)
    with a_worker(database_url) as process:
        key = begun(folder)
        process.kill()
        process.communicate(timeout=PATIENCE)
    bank, clock = ScriptedCaller(), VirtualClock()
    with Khata.open(database_url, sagas=SAGAS, clock=clock) as book:
        finish(book, {"post": bank}, clock)
        assert book.query(saga, slow).status == "completed"
    assert [(asked.key, asked.question) for asked in bank.asked] == [(key, True), (key, False)]


def test_a_worker_without_a_definition_does_not_start(tmp_path, monkeypatch):
    """It says which runs need it, and which exit code that is."""
    url = sqlite_at(tmp_path / "khata.db")
    with made(url) as book:
        started = start(book, "checkout")
    monkeypatch.delenv("KHATA_SAGAS")
    done = run("worker", url=url)
    assert (done.code, "error[unknown_saga]" in done.err) == (3, True)
    assert f"{started} checkout 1 at pay" in done.err


def test_a_server_without_a_definition_does_not_start(tmp_path, monkeypatch):
    """Neither does it, unless the work is done elsewhere."""
    url = sqlite_at(tmp_path / "khata.db")
    with made(url) as book:
        started = start(book, "checkout")
    monkeypatch.delenv("KHATA_SAGAS")
    done = run("serve", url=url)
    assert (done.code, f"{started} checkout 1 at pay" in done.err) == (3, True)
    with serving(url, KHATA_WORKER="0") as server, server.http() as http:
        assert http.get(f"/v1/sagas/{started}").json()["status"] == "running"


@pytest.mark.parametrize("words", [("--lanes", "0"), ("--lanes", "99"), ("--capacity", "9999")])
def test_what_a_worker_cannot_be(tmp_path, words):
    """Nothing is opened for an option that makes no sense."""
    done = run("worker", *words, url=f"sqlite:///{tmp_path / 'khata.db'}")
    assert (done.code, words[0] in done.err) == (3, True)
    assert not (tmp_path / "khata.db").exists()


# ── khata serve ──────────────────────────────────────────────────────────────────────


class Inbox(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        length = int(self.headers["content-length"])
        self.server.heard.put(json.loads(self.rfile.read(length)))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def inbox():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Inbox)
    server.heard = queue.Queue()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_server_works_too(tmp_path, inbox):
    """What comes in over HTTP is worked off by the same process; a stuck saga is told of, is
    counted for Prometheus, and leaves the server ready.
    """
    webhook = f"http://127.0.0.1:{inbox.server_port}/"
    with serving_sqlite(tmp_path, KHATA_ALERT_WEBHOOK=webhook) as server, server.http() as http:
        asks = Asks(http)
        asks.wallet("alice", "5.00")
        made = asks.post("/v1/sagas", {"name": "final", "data": {"amount": "999.00"}})
        stuck = made.json()["result"]["id"]
        told = inbox.heard.get(timeout=PATIENCE)
        figures = http.get("/metrics").text.splitlines()
        ready = http.get("/ready").status_code
    assert (told["alert"], told["sagas"], ready) == ("saga_stuck", [stuck], 200)
    assert 'khata_sagas{book="main",status="stuck"} 1.0' in figures
    assert 'khata_worker_failures_total{book="main"} 1.0' in figures
    assert any(f'"saga":"{stuck}"' in line and '"saga_stuck"' in line for line in server.lines)


def test_a_server_without_a_worker_leaves_sagas_alone(tmp_path):
    """KHATA_WORKER=0: nobody takes them up here."""
    with serving_sqlite(tmp_path, KHATA_WORKER="0") as server, server.http() as http:
        asks = Asks(http)
        made = asks.post("/v1/sagas", {"name": "final", "data": {}})
        figures = http.get("/metrics").text
    assert made.status_code == 201
    with Khata.open(server.database_url, sagas=SAGAS) as book, book.view() as view:
        found = saga(view, made.json()["result"]["id"])
    assert (found.status, found.step, "khata_worker_steps_total{" in figures) == (
        "running",
        "first",
        False,
    )


def test_two_processes_of_a_server_share_the_work(tmp_path, folder):
    """Each has a worker; every saga is worked off once."""
    with serving_sqlite(tmp_path, KHATA_WORKERS="2") as server, server.http() as http:
        asks = Asks(http)
        asks.wallet("alice", "500.00")
        asks.post("/v1/wallets", {"owner": "shop", "currency": "BDT", "wallet_kind": "partner"})
        body = {"name": "checkout", "data": {"amount": "1.00"}}
        runs = [asks.post("/v1/sagas", body).json()["result"]["id"] for _ in range(20)]
    with Khata.open(server.database_url, sagas=SAGAS) as book:
        book.worker(CALLERS).work()
        assert {book.query(saga, one).status for one in runs} == {"completed"}
        assert book.verify().ok
        keys = [f"{book.scope}.{one}.write\n" for one in runs]
    assert [(folder / f"letter-{one}").read_text() for one in runs] == keys


# ── beside sagas ─────────────────────────────────────────────────────────────────────


def test_a_providers_word_is_acted_on(tmp_path, inbox):
    """The server that took it acts on it at once: here it makes no sense, and people hear so."""
    environment = {
        "KHATA_ALERT_WEBHOOK": f"http://127.0.0.1:{inbox.server_port}/",
        "KHATA_PROVIDERS": msgspec.json.encode([SANDBOX]).decode(),
    }
    body = b'{"id": "evt_1", "type": "charge.paid", "data": {}}'
    with serving_sqlite(tmp_path, **environment) as server, server.http() as http:
        headers = {"content-type": "application/json", **headers_of(body, system_clock())}
        taken = http.post("/v1/webhooks/sandbox", content=body, headers=headers)
        told = inbox.heard.get(timeout=PATIENCE)
    assert (taken.status_code, told["alert"]) == (200, "webhook_malformed")


def test_a_stuck_saga_is_told_by_webhook(tmp_path):
    """What happens is sent to who asked for it, by the server's own worker."""
    environment = {"KHATA_VAULT_KEYS": Vault.new_key(), "KHATA_WEBHOOK_ALLOW": "127.0.0.1/32"}
    with (
        listening() as listener,
        serving_sqlite(tmp_path, **environment) as server,
        server.http() as http,
    ):
        asks = Asks(http)
        asks.wallet("alice", "5.00")
        asks.post("/v1/webhook-endpoints", {"url": listener.url, "events": ["saga.*"]})
        asks.post("/v1/sagas", {"name": "final", "data": {"amount": "999.00"}})
        assert listener.reached.wait(PATIENCE)
    assert listener.told[0]["type"] == "saga.stuck"


def test_who_is_overdue_hears_of_it(tmp_path):
    """A worker looks at loans by itself when an instalment comes due, and tells once."""
    clock = VirtualClock()
    with Khata.open(sqlite_at(tmp_path / "khata.db"), clock=clock) as book:
        book.submit(OpenWallet("alice", "BDT"))
        lent = book.submit(GrantLoan("alice/personal/BDT", Money("100.00", "BDT"))).result.id
        looking = Overdue(book)
        assert looking.work(100) == 0
        clock.advance(31 * 86_400)
        assert [looking.work(100), looking.work(100)] == [1, 0]
        assert book.query(loan, lent).loan.status == "overdue"
