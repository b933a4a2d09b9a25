"""Bringing a database's tables to this version, with Alembic."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from khata.engine.database import Database
from khata.errors import SchemaOutdated

_HERE: Final = Path(__file__).parent


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_HERE))
    config.set_main_option("path_separator", "os")
    return config


def wanted_revision() -> str | None:
    """The newest revision that this version of Khata knows."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def current_revision(database: Database) -> str | None:
    """The revision of the database's tables; None when it has none."""
    with database.reading() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def migrate(database: Database, revision: str = "head") -> None:
    """Bring the tables to a revision; does nothing when they are there already."""
    config = _config()
    with database.changing() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def check(database: Database) -> None:
    """Errors: `SchemaOutdated` when the tables are not those of this version."""
    current, wanted = current_revision(database), wanted_revision()
    if current != wanted:
        raise SchemaOutdated(
            "The database's tables are not those of this version: run `khata migrate`.",
            expected=wanted,
            got=current,
        )
