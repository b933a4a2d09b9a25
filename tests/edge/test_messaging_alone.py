"""A gateway with a spool: one for each book, one book for each spool."""

import asyncio
import subprocess
import sys

import psycopg
import pytest

from khata import Khata
from khata.edge.messaging import opening
from khata.edge.messaging.serving import serving
from khata.engine.database import Database
from khata.errors import Conflict, DatabaseUnavailable
from khata.errors.operations import AlreadyServed
from khata.messaging import lease
from khata.messaging.lease import Lease
from khata.settings import settings_from
from tests.clustering import eventually
from tests.edge.gateway_beside import Beside, a_gateway
from tests.servers import fresh_database

HOLD = """
import sys
from khata.engine.database import Database
from khata.messaging.lease import Lease
held = Lease(Database(sys.argv[1]), 1)
held.keep()
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Who has just been killed is waited for, but not long."""
    monkeypatch.setattr(opening, "_PATIENCE_SECONDS", 0.2)


def serve(url, folder, story=None):
    """A gateway, for as long as a story takes."""

    async def play():
        failed = []
        async with serving(settings_from(Beside(url, folder).environ), failed.append) as found:
            if story is not None:
                await story(found, failed)

    with asyncio.Runner() as runner:
        runner.run(asyncio.wait_for(play(), 30))


def a_book(url):
    Khata.open(url).close()
    return url


def test_a_second_gateway_of_a_book_is_refused(database_url, tmp_path):
    """Whatever spool it has; it says so once, and the first one does not notice."""
    with a_gateway(a_book(database_url), tmp_path / "one") as first:
        with pytest.raises(AlreadyServed, match="Another gateway"):
            serve(database_url, tmp_path / "two")
        assert first.answers()


def test_who_is_killed_holds_nothing(database_url):
    """The next one has it at once, whether others asked meanwhile or not."""
    database = Database(a_book(database_url))
    mine, words = Lease(database, 1), [sys.executable, "-c", HOLD, database_url]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(AlreadyServed):
            mine.keep()
        other.kill()
        other.wait(30)
    asyncio.run(opening.patiently(mine.keep))
    with pytest.raises(AlreadyServed):
        Lease(database, 1).keep()
    mine.close()
    database.close()


def test_those_who_share_a_stream_share_the_book(database_url):
    """But not with one that is alone; another book is another matter."""
    database = Database(a_book(database_url))
    first, second = (Lease(database, 1, shared=True) for _ in range(2))
    alone, elsewhere = Lease(database, 1), Lease(database, 2)
    first.keep()
    second.keep()
    elsewhere.keep()
    with pytest.raises(AlreadyServed):
        alone.keep()
    first.close()
    second.close()
    alone.keep()
    for one in (alone, elsewhere):
        one.close()
    database.close()


def test_a_lease_that_another_took_meanwhile_ends_its_gateway(
    postgres_url, postgres_template, tmp_path, monkeypatch
):
    """The server forgot it with its connection; it is asked for again, and who has it goes on."""
    monkeypatch.setattr(lease, "_GHOST_SECONDS", 0.0)
    monkeypatch.setattr(lease, "_LOOK_SECONDS", 0.05)
    with fresh_database(postgres_url, postgres_template) as url:
        other = Lease(Database(a_book(url)), 1)

        async def story(gateway, failed):
            def rob():
                with psycopg.connect(url, autocommit=True) as operator:
                    operator.execute(
                        "SELECT pg_terminate_backend(l.pid) FROM pg_locks l JOIN pg_database d"
                        " ON d.oid = l.database WHERE l.locktype = 'advisory'"
                        " AND d.datname = current_database()"
                    )
                other.keep()

            await asyncio.to_thread(rob)
            await eventually(lambda: failed)
            assert failed[0].code == "already_served"

        serve(url, tmp_path, story)
        other.close()


def test_a_spool_is_of_one_book(tmp_path, sqlite_template):
    """With another database it is not begun at all, and nothing goes into the wrong one."""

    def begin(name):
        path = tmp_path / name
        if not path.exists():
            path.write_bytes(sqlite_template.read_bytes())
        settings = settings_from({"KHATA_DATABASE_URL": f"sqlite:///{path}"})
        opening.open_now(settings, None, tmp_path).close()

    begin("a")
    with pytest.raises(Conflict, match="another book"):
        begin("b")
    begin("a")


def test_a_file_that_is_away_is_not_made_anew(tmp_path):
    """Who moved the database away finds its place empty; a new spool makes one, as ever."""
    path = tmp_path / "khata.db"
    settings = settings_from({"KHATA_DATABASE_URL": f"sqlite:///{path}"})
    opening.open_now(settings, None, tmp_path).close()
    path.rename(tmp_path / "moved.db")
    with pytest.raises(DatabaseUnavailable):
        opening.open_now(settings, None, tmp_path)
    assert not path.exists()
    (tmp_path / "moved.db").rename(path)
    opening.open_now(settings, None, tmp_path).close()
