"""The PostgreSQL server of the suite, and empty databases on it.

The server is the one that `KHATA_DATABASE_URL` names (a maintenance database whose user may
create others), or a fresh one from the wheel, stopped and removed when the suite ends.

The fresh one does not wait for the disk (fsync off), which makes and drops a database several
times as fast: a test kills processes, at most, and what was written survives that. Only a failing
machine could tell the difference. The crash tests have a durable server all the same.
"""

import os
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import psycopg
from sqlalchemy.engine import make_url

from khata.edge.servers import local_postgres
from khata.engine import migrations
from khata.engine.database import Database

__all__ = [
    "fresh_database",
    "local_postgres",
    "migrate",
    "migrated_database",
    "postgres_server",
    "sqlite_at",
]


@contextmanager
def postgres_server(*, durable: bool = False) -> Iterator[str]:
    """The URL of a server for the tests; one that has a name is as durable as it is."""
    named = os.environ.get("KHATA_DATABASE_URL")
    if named:
        yield named
    else:
        with local_postgres(durable=durable) as url:
            yield url


@contextmanager
def fresh_database(server: str, template: str | None = None) -> Iterator[str]:
    """The URL of a new database on `server`, dropped with all its connections afterwards.

    `template`: the URL of a database to copy, to which nobody is connected. Without one the
    database is empty, extensions and all.
    """
    name = f"khata_test_{uuid.uuid4().hex[:16]}"
    source = make_url(template).database if template else "template0"
    with psycopg.connect(server, autocommit=True) as connection:
        # as files, not block by block through the log: half as long where no disk is waited for
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{source}" STRATEGY FILE_COPY')
    try:
        yield make_url(server).set(database=name).render_as_string(hide_password=False)
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@contextmanager
def migrated_database(server: str) -> Iterator[str]:
    """A database with all the tables and nothing in it, to be copied: nobody is connected to it."""
    with fresh_database(server) as url:
        migrate(url)
        yield url


@cache
def _empty_file() -> bytes:
    """A SQLite database with all the tables and nothing in it, made once in each process."""
    with tempfile.TemporaryDirectory(prefix="khata-template-") as folder:
        path = Path(folder) / "khata.db"
        migrate(f"sqlite:///{path}")
        return path.read_bytes()


def sqlite_at(path: Path) -> str:
    """The URL of a SQLite database there, with all the tables.

    If there is none, one is made by copying: many times as fast as migrating, which
    tests/store/test_migrations.py and the command line's own tests do.
    """
    if not path.exists():
        path.write_bytes(_empty_file())
    return f"sqlite:///{path}"


def migrate(url: str) -> None:
    """Make all the tables, and leave nothing open."""
    database = Database(url)
    migrations.migrate(database)
    if database.dialect == "sqlite":
        with database.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
