"""Bringing a database's tables to this version, with Alembic.

Opening a book asks for the revision only: Alembic is loaded when there is something to do.
"""

from __future__ import annotations

import contextlib
import sqlite3
from functools import cache
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from khata.engine import planning, sqlite
from khata.engine.database import Database
from khata.errors import DatabaseUnavailable, SchemaOutdated

_HERE: Final = Path(__file__).parent
_VERSION_TABLE: Final = "alembic_version"
_TRIES: Final = 20


@cache
def wanted_revision() -> str:
    """The newest revision that this version of Khata knows. Files are named by their order."""
    return max(path.name.partition("_")[0] for path in (_HERE / "versions").glob("[0-9]*.py"))


def current_revision(database: Database) -> str | None:
    """The revision of the database's tables; None when it has none."""
    with database.reading() as connection:
        return _revision(connection)


def _revision(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table(_VERSION_TABLE):
        return None
    found = connection.scalar(sa.text(f"SELECT version_num FROM {_VERSION_TABLE}"))  # noqa: S608 - a constant
    return None if found is None else str(found)


def migrate(database: Database, revision: str = "head") -> None:
    """Bring the tables to a revision; does nothing when they are there already.

    Several processes may do so at once: one of them makes the tables, the others find them made.

    Errors: `DatabaseUnavailable`.
    """
    wanted = wanted_revision() if revision == "head" else revision
    if current_revision(database) == wanted:
        return
    if database.dialect == "sqlite":
        _prepare_file(database)
    for _ in range(_TRIES):
        # another process made the same tables first: its transaction has ended by now
        with contextlib.suppress(sa.exc.IntegrityError, sa.exc.ProgrammingError):
            _upgrade(database, revision)
            return
        if current_revision(database) == wanted:
            return
    _upgrade(database, revision)


def _prepare_file(database: Database) -> None:
    """Page size and WAL have to be set before the first table.

    Turning WAL on takes the whole file and SQLite does not wait for it. Whoever is refused waits
    for a turn to write, which SQLite does grant in order, and asks again.
    """
    path = str(database.engine.url.database)
    for _ in range(_TRIES):
        with contextlib.suppress(sqlite3.OperationalError):
            sqlite.connect(path).close()
            return
        with contextlib.suppress(DatabaseUnavailable), database.changing() as connection:
            connection.exec_driver_sql("SELECT 1")
    with sqlite.translated():
        sqlite.connect(path).close()


def _upgrade(database: Database, revision: str) -> None:
    # loading Alembic takes longer than opening a book that needs none of it
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(_HERE).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    with database.changing() as connection:
        if database.dialect == "postgres" and _revision(connection) is not None:
            connection.execute(sa.text(f"LOCK TABLE {_VERSION_TABLE}"))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        if database.dialect == "sqlite":
            planning.write_figures(connection)


def check(database: Database) -> None:
    """Errors: `SchemaOutdated` when the tables are not those of this version."""
    current, wanted = current_revision(database), wanted_revision()
    if current != wanted:
        raise SchemaOutdated(
            "The database's tables are not those of this version: run `khata migrate`.",
            expected=wanted,
            got=current,
        )
