"""What a local PostgreSQL promises when it need not be durable, and when its machine is odd."""

from pathlib import Path

import psycopg
import pytest
from sqlalchemy.engine import make_url

from khata.edge import servers
from tests.servers import local_postgres


def told(url, name):
    """How the server is set."""
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT current_setting(%s)", (name,)).fetchone()[0]


def folder(url):
    """Where the server has its files."""
    return Path(make_url(url).query["host"])


def test_a_fleeting_server_still_writes_before_it_reports():
    """It spares the disk alone: a process that is killed loses nothing that was committed."""
    with local_postgres(durable=False) as url:
        assert told(url, "fsync") == "off"
        assert told(url, "synchronous_commit") == "on"


@pytest.mark.parametrize("free", [2**26, 2**40])
def test_memory_is_used_only_where_there_is_room(monkeypatch, tmp_path, free):
    """The 64 MB that a container has are none."""
    usage = type("Usage", (), {"free": free})
    monkeypatch.setattr(servers, "_MEMORY", tmp_path)
    monkeypatch.setattr(servers.shutil, "disk_usage", lambda path: usage)
    assert servers._memory() == (tmp_path if free > 2**30 else None)


def test_a_machine_without_files_in_memory_uses_the_disk(monkeypatch, tmp_path):
    """Not every system has a folder that is memory."""
    monkeypatch.setattr(servers, "_MEMORY", tmp_path / "none")
    assert servers._memory() is None


def test_a_durable_server_is_never_in_memory():
    """A machine that fails keeps what is on its disk only."""
    with local_postgres() as url:
        assert not folder(url).is_relative_to(servers._MEMORY)


def test_a_language_that_is_not_installed_is_no_obstacle(monkeypatch):
    """`LANG` names a language of people; the server is the same with any."""
    monkeypatch.setenv("LANG", "bn_BD.UTF-8")
    monkeypatch.setenv("LC_COLLATE", "bn_BD.UTF-8")
    with local_postgres(durable=False) as url:
        assert told(url, "lc_messages") == "C"
        assert told(url, "server_encoding") == "UTF8"
