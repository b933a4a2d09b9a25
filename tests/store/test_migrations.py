"""Migrations make exactly the tables that the metadata declares, on both databases."""

import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

import khata.app  # noqa: F401 - every room declares its records
from khata import Khata
from khata.engine import migrations
from khata.engine.database import Database
from khata.engine.records import Record
from khata.engine.tables import METADATA, table_of
from khata.errors import SchemaOutdated


def a_database(url):
    database = Database(url)
    migrations.migrate(database)
    return database


def differences(database):
    for record in Record.__subclasses__():
        table_of(record)
    with database.reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return compare_metadata(context, METADATA)


def test_migrations_and_metadata_agree(empty_url):
    """What Alembic builds is what the records declare: nothing missing, nothing more."""
    database = a_database(empty_url)
    assert differences(database) == []
    database.close()


def test_migrating_twice_changes_nothing(empty_url):
    """The second run finds the tables made."""
    database = a_database(empty_url)
    migrations.migrate(database)
    assert migrations.current_revision(database) == migrations.wanted_revision()
    database.close()


def test_the_wanted_revision_is_the_head_of_the_scripts():
    """The name of the newest file and Alembic agree on the newest revision."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_current_head() == migrations.wanted_revision()


def test_an_empty_database_is_outdated(empty_url):
    """Opening without leave to migrate says what to run."""
    with pytest.raises(SchemaOutdated) as caught:
        Khata.open(empty_url, migrate=False)
    assert caught.value.details["expected"] == migrations.wanted_revision()


def test_column_order_is_the_records_order(empty_url):
    """The stores insert by position, so the order is part of the format."""
    database = a_database(empty_url)
    inspector = sa.inspect(database.engine)
    order = {name: [c["name"] for c in inspector.get_columns(name)] for name in METADATA.tables}
    database.close()
    assert order == {name: list(table.columns.keys()) for name, table in METADATA.tables.items()}


def test_a_new_file_is_in_wal_mode(tmp_path):
    """Readers and the writer do not wait for each other, from the first table on."""
    database = a_database(f"sqlite:///{tmp_path / 'khata.db'}")
    with database.reading() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
    database.close()


def test_processes_that_open_a_fresh_database_at_once_all_succeed(empty_url):
    """One makes the tables and the book; the others find them made."""
    code = (
        "import sys; from khata import Khata; sys.stdin.readline();"
        f"Khata.open({empty_url!r}, migrate=True).close()"
    )
    children = [
        subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE) for _ in range(4)
    ]
    for child in children:
        child.stdin.write(b"\n")
        child.stdin.flush()
    assert [child.wait(60) for child in children] == [0, 0, 0, 0]
    for child in children:
        child.stdin.close()


def test_an_open_book_needs_no_alembic(empty_url):
    """A database that is up to date opens without loading the migration machinery."""
    Khata.open(empty_url, migrate=True).close()
    code = (
        f"import sys; from khata import Khata; Khata.open({empty_url!r}, migrate=True).close();"
        "sys.exit('alembic.command' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
