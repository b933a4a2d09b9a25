"""Where a bench takes place: an empty database on a real disk, gone when the bench ends."""

from __future__ import annotations

import os
import sqlite3
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import psycopg
from sqlalchemy.engine import make_url

from khata.edge.servers import local_postgres
from khata.engine.database import POSTGRES, SQLITE
from khata.errors import DatabaseUnavailable, Invalid

_NAMED: Final = "KHATA_DATABASE_URL"
_MOUNTS: Final = Path("/proc/self/mounts")
_LOG_FILES: Final = 64
_IN_MEMORY: Final = frozenset({"tmpfs", "ramfs"})


class Ground(NamedTuple):
    """A database server or folder. `fresh()` gives the URL of an empty database on it."""

    dialect: str
    version: str
    fresh: Callable[[], AbstractContextManager[str]]


@contextmanager
def ground(database: str) -> Iterator[Ground]:
    """The ground that `--database` names: `sqlite`, `postgres` or the URL of either.

    `postgres` is the server that KHATA_DATABASE_URL names, or one from the wheel. A server's user
    must be allowed to make databases. Errors: `Invalid`, `DatabaseUnavailable`.
    """
    if database == "postgres":
        named = os.environ.get(_NAMED, "")
        if named.startswith(POSTGRES):
            yield _server(named)
        else:
            with local_postgres() as url:
                _run_in(url)
                yield _server(url)
    elif database.startswith(POSTGRES):
        yield _server(database)
    elif database == "sqlite":
        yield _files(_real_disk())
    elif database.startswith(SQLITE):
        yield _files(Path(database.removeprefix(SQLITE)).absolute().parent)
    else:
        raise Invalid(
            "A bench needs a database.",
            expected="sqlite, postgres or the URL of a database",
            got=database.partition("://")[0][:60],
        )


# ── SQLite ───────────────────────────────────────────────────────────────────────────


def _files(folder: Path) -> Ground:
    return Ground("sqlite", f"SQLite {sqlite3.sqlite_version}", partial(_fresh_file, folder))


@contextmanager
def _fresh_file(folder: Path) -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="khata-bench-", dir=folder) as made:
        yield f"{SQLITE}{made}/book.db"


def _real_disk() -> Path:
    """The folder for temporary files, or another one if that is only memory."""
    places = [Path(tempfile.gettempdir()), Path("/var/tmp"), Path.cwd()]  # noqa: S108 - a folder is made in it
    return next((place for place in places if not _is_memory(place)), places[0])


def _is_memory(place: Path) -> bool:
    if not _MOUNTS.exists() or not place.is_dir():
        return not place.is_dir()
    kinds = {
        words[1]: words[2] for words in map(str.split, _MOUNTS.read_text("utf-8").splitlines())
    }
    resolved = place.resolve()
    mount = next((str(p) for p in (resolved, *resolved.parents) if str(p) in kinds), "")
    return kinds.get(mount) in _IN_MEMORY


# ── PostgreSQL ───────────────────────────────────────────────────────────────────────


def _server(url: str) -> Ground:
    plain = "postgresql://" + url.partition("://")[2]
    with _connected(plain) as connection:
        row = connection.execute("SHOW server_version").fetchone()
    version = str(row[0]).split()[0] if row else "?"
    return Ground("postgres", f"PostgreSQL {version}", partial(_fresh_database, plain))


def _run_in(url: str) -> None:
    """Give a new server the write-ahead log of one that has been running.

    A new one makes a file of its log whenever it needs the next one, and every caller waits; later
    it uses old ones again. Here it is made to have some gigabyte of old ones.
    """
    with _connected(url) as connection:
        for _ in range(_LOG_FILES):
            connection.execute("SELECT pg_logical_emit_message(false, 'khata', 'run in')")
            connection.execute("SELECT pg_switch_wal()")
        connection.execute("CHECKPOINT")


@contextmanager
def _fresh_database(url: str) -> Iterator[str]:
    name = f"khata_bench_{uuid.uuid4().hex[:16]}"
    with _connected(url) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
    try:
        yield make_url(url).set(database=name).render_as_string(hide_password=False)
    finally:
        with _connected(url) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@contextmanager
def _connected(url: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    try:
        with psycopg.connect(url, autocommit=True) as connection:
            yield connection
    except psycopg.Error as error:
        raise DatabaseUnavailable(
            "The bench cannot make a database of its own on that server.",
            expected="a server that runs, and a user who may make databases",
        ) from error
