"""Sagas: runs, their history, schedules; and events, which commands tell the world outside."""

from __future__ import annotations

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def _int(name: str, *, null: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=null)


def _text(name: str, *, null: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=null)


def _flag(name: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean, nullable=False)


def upgrade() -> None:
    """See the module."""
    _runs()
    _history()
    _marks()


def _runs() -> None:
    op.create_table(
        "sagas",
        sa.Column("book_id", sa.Integer, nullable=False),
        _text("id"),
        _text("name"),
        _int("version"),
        _text("status"),
        _text("step"),
        _int("attempt"),
        _text("data"),
        _text("done"),
        _text("skipped", null=True),
        _text("intent", null=True),
        _text("cause", null=True),
        _text("code", null=True),
        _text("message", null=True),
        _text("reference", null=True),
        _text("serial", null=True),
        _text("open_serial", null=True),
        _text("topic", null=True),
        _text("slot", null=True),
        _int("priority"),
        _text("amount", null=True),
        _text("currency", null=True),
        _text("started_by"),
        _int("started_at"),
        _int("step_at"),
        _int("failed_at", null=True),
        _int("ended_at", null=True),
        _int("undone"),
        _int("due_at", null=True),
        _int("deadline", null=True),
        _flag("paused"),
        _text("worker", null=True),
        _int("lease_until", null=True),
        _int("fence"),
        sa.PrimaryKeyConstraint("book_id", "id", name="sagas_pkey"),
        sqlite_with_rowid=False,
        # a run changes with every step: room on the page keeps those changes off the indexes
        postgresql_with={"fillfactor": 60},
    )
    for columns in (
        ("priority", "due_at"),
        ("reference",),
        ("started_at", "id"),
        ("status", "started_at"),
        ("open_serial",),
        ("topic",),
        ("slot",),
    ):
        op.create_index(f"sagas_by_{'_'.join(columns)}", "sagas", ["book_id", *columns])


def _history() -> None:
    op.create_table(
        "saga_steps",
        sa.Column("book_id", sa.Integer, nullable=False),
        _text("saga"),
        _int("seq"),
        _int("n"),
        _text("what"),
        _text("step"),
        _text("detail", null=True),
        sa.PrimaryKeyConstraint("book_id", "saga", "seq", "n", name="saga_steps_pkey"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "saga_schedules",
        sa.Column("book_id", sa.Integer, nullable=False),
        _text("name"),
        _text("cron"),
        _text("zone"),
        _text("saga"),
        _text("data"),
        _flag("enabled"),
        _int("next_at", null=True),
        _int("last_at", null=True),
        sa.PrimaryKeyConstraint("book_id", "name", name="saga_schedules_pkey"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "events",
        sa.Column("book_id", sa.Integer, nullable=False),
        _int("seq"),
        _int("n"),
        _text("type"),
        _text("subject"),
        _text("owner", null=True),
        _text("data"),
        sa.PrimaryKeyConstraint("book_id", "seq", "n", name="events_pkey"),
        sqlite_with_rowid=False,
    )


def _marks() -> None:
    """Every book gets a mark of its own: keys at providers begin with it."""
    op.add_column("books", sa.Column("mark", sa.Text, nullable=False, server_default=""))
    books = sa.table("books", sa.column("id", sa.Integer), sa.column("mark", sa.Text))
    connection = op.get_bind()
    for (number,) in connection.execute(sa.select(books.c.id)).fetchall():
        marked = books.update().where(books.c.id == number).values(mark=secrets.token_hex(5))
        connection.execute(marked)
