"""A rolling restart with changed code: no run is stranded, whoever dies on the way."""

import multiprocessing

from khata import Khata, Money
from khata.domain.sagas import StartSaga, sagas
from khata.domain.wallets import Credit, OpenWallet, balance
from tests.crash import rolling

RUNS = 40
_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["khata.app", "tests.crash.rolling"])


def a_worker(url, version, folder):
    """A process that works on the book, once it has begun."""
    ready = _processes.Event()
    process = _processes.Process(target=rolling.run, args=(url, version, folder, ready))
    process.start()
    assert ready.wait(30)
    return process


def begin(url, version, count):
    """Start runs as a program of this version does."""
    with Khata.open(url, sagas=[rolling.journey(version)]) as book:
        book.submit_many([StartSaga("journey", {}) for _ in range(count)])


def ended(book):
    """How many runs are over."""
    return len(book.query(sagas, status="completed", limit=1000).items)


def until(book, count):
    """Wait until so many runs are over."""
    while ended(book) < count:
        book.moved.wait(0.02)


def test_no_run_is_stranded_by_a_deploy(database_url, tmp_path):
    """Old and new workers side by side; one is stopped, one is killed; every run ends, once."""
    world = tmp_path / "world"
    world.mkdir()
    with Khata.open(database_url, migrate=True, sagas=[rolling.journey(2)]) as book:
        for owner in ("payer", "payee"):
            book.submit(OpenWallet(owner, "BDT"))
        book.submit(Credit(rolling.PAYER, Money("1000.00", "BDT")))
        begin(database_url, 1, RUNS)
        old = a_worker(database_url, 1, world)
        until(book, 5)
        new = a_worker(database_url, 2, world)
        begin(database_url, 2, RUNS)
        old.terminate()
        old.join(30)
        assert old.exitcode == 0
        until(book, RUNS // 2)
        new.kill()
        new.join()
        last = a_worker(database_url, 2, world)
        until(book, 2 * RUNS)
        last.terminate()
        last.join(30)
        runs = book.query(sagas, limit=1000).items
        assert {run.status for run in runs} == {"completed"}
        taken = sum(3 if "more" in run.done else 2 for run in runs)
        assert book.query(balance, rolling.PAYEE).balance == f"{taken}.00"
        assert sum("more" in run.done for run in runs) >= RUNS
        assert len(list(world.iterdir())) == 2 * RUNS
        assert book.verify().ok
