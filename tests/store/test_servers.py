"""The databases that the suite itself runs on."""

import subprocess
import sys
from pathlib import Path

import psutil
import psycopg
import pytest
from sqlalchemy import create_engine, inspect

from khata.edge import servers
from khata.errors import DatabaseUnavailable, Invalid
from tests.servers import fresh_database, local_postgres


def test_a_test_can_have_an_empty_database(empty_url):
    """One that starts with no table, on either database."""
    engine = create_engine(empty_url)
    try:
        assert inspect(engine).get_table_names() == []
    finally:
        engine.dispose()


def test_a_fresh_database_goes_away_with_its_connections(postgres_url):
    """A forgotten connection does not keep a test's database alive."""
    with fresh_database(postgres_url) as url:
        forgotten = psycopg.connect(url)
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url)
    with pytest.raises(psycopg.OperationalError):
        forgotten.execute("SELECT 1")
    forgotten.close()


def test_a_fresh_database_can_copy_another(postgres_url):
    """A migrated template saves every test its migrations."""
    with fresh_database(postgres_url) as template:
        with psycopg.connect(template) as connection:
            connection.execute("CREATE TABLE kept (id int)")
        with (
            fresh_database(postgres_url, template) as url,
            psycopg.connect(url) as connection,
        ):
            assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)


def test_the_local_server_is_durable(tmp_path):
    """A bench or crash test on a server without fsync would prove nothing."""
    with local_postgres() as url, psycopg.connect(url) as connection:
        for name in ("fsync", "synchronous_commit", "full_page_writes"):
            found = connection.execute("SELECT current_setting(%s)", (name,)).fetchone()
            assert found == ("on",), name


def test_the_local_server_leaves_nothing_behind():
    """After the block neither the server nor its folder exists."""
    with local_postgres(16) as url:
        folder = Path(url.partition("host=")[2])
        server = psutil.Process(int((folder / "postmaster.pid").read_text().splitlines()[0]))
        assert not _ended(server)
    assert not folder.parent.exists()
    assert _ended(server)


def test_the_local_server_goes_when_its_parent_is_killed():
    """Even `kill -9` of the program that asked for it leaves no server behind."""
    program = (
        "from khata.edge.servers import local_postgres\n"
        "with local_postgres() as url:\n"
        "    print(url, flush=True)\n"
        "    input()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as parent:
        folder = Path(parent.stdout.readline().strip().partition("host=")[2])
        server = psutil.Process(int((folder / "postmaster.pid").read_text().splitlines()[0]))
        (guard,) = psutil.Process(parent.pid).children()
        parent.kill()
    psutil.wait_procs([guard, server], timeout=60)
    assert _ended(server)
    assert _ended(guard)
    assert not folder.parent.exists()


def test_another_version_is_refused():
    """Only the versions in the wheel can be asked for, and the error names them."""
    with pytest.raises(Invalid) as refused, local_postgres(9):
        pass
    assert refused.value.details == {"expected": [18, 16], "got": 9}


def test_without_the_wheel_the_error_says_what_to_do(monkeypatch):
    """The wheel is an extra, so its absence is an ordinary case."""
    monkeypatch.setattr(servers, "find_spec", lambda name: None)
    with pytest.raises(DatabaseUnavailable, match="--database"), local_postgres():
        pass


def test_a_server_that_does_not_start_gives_its_reason(monkeypatch, tmp_path):
    """What the guard wrote before it ended is in the error."""
    broken = tmp_path / "guard.py"
    broken.write_text("raise SystemExit('no room')")
    monkeypatch.setattr(servers, "__file__", str(broken))
    with pytest.raises(DatabaseUnavailable) as refused, local_postgres():
        pass
    assert refused.value.details["reason"] == "no room"


def _ended(process: psutil.Process) -> bool:
    # in a container without an init, an ended orphan stays listed as a zombie
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
