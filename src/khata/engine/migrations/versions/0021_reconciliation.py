"""Statements, their lines, matches and exceptions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from khata.engine.migrations.columns import book, flag, number, text

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """See the module."""
    _reconciled_accounts()
    _statements()
    _statement_lines()
    _paired_postings()
    _statement_matches()
    _statement_exceptions()
    _statement_periods()
    _discrepancies()
    _reconciliation_runs()


def _reconciled_accounts() -> None:
    op.create_table(
        "reconciled_accounts",
        book(),
        number("account_id"),
        text("account"),
        text("unit"),
        number("exponent"),
        text("begins_on", null=True),
        text("last_statement", null=True),
        text("last_to_on", null=True),
        number("last_closing", null=True),
        text("importing", null=True),
        text("ran_through", null=True),
        number("ran_at", null=True),
        text("closed_on", null=True),
        text("last_period", null=True),
        number("freed_at", null=True),
        sa.PrimaryKeyConstraint("book_id", "account_id", name="reconciled_accounts_pkey"),
        sqlite_with_rowid=False,
    )
    _index("reconciled_accounts", "account")


def _statements() -> None:
    op.create_table(
        "statements",
        book(),
        text("id"),
        text("identity", null=True),
        number("account_id"),
        text("account"),
        text("unit"),
        number("exponent"),
        text("number"),
        text("format"),
        text("from_on"),
        text("to_on"),
        number("opening"),
        number("closing"),
        text("digest"),
        number("count"),
        number("received"),
        number("moved"),
        number("gap"),
        text("note", null=True),
        text("status"),
        text("imported_by"),
        number("imported_at"),
        sa.PrimaryKeyConstraint("book_id", "id", name="statements_pkey"),
        sa.UniqueConstraint("book_id", "identity", name="statements_identity"),
        sqlite_with_rowid=False,
    )
    _index("statements", "account", "imported_at")
    _index("statements", "imported_at")


def _statement_lines() -> None:
    op.create_table(
        "statement_lines",
        book(),
        text("statement"),
        number("number"),
        number("account_id"),
        number("open_account", null=True),
        number("amount"),
        text("currency"),
        number("exponent"),
        text("booked_on"),
        text("value_on", null=True),
        text("reference", null=True),
        text("end_to_end", null=True),
        text("counterparty", null=True),
        text("text", null=True),
        text("status"),
        text("match", null=True),
        text("exception", null=True),
        sa.PrimaryKeyConstraint("book_id", "statement", "number", name="statement_lines_pkey"),
        sqlite_with_rowid=False,
    )
    _index("statement_lines", "match")
    _index("statement_lines", "open_account")


def _paired_postings() -> None:
    op.create_table(
        "paired_postings",
        book(),
        number("account_id"),
        number("seq"),
        number("leg"),
        text("match", null=True),
        text("exception", null=True),
        flag("dismissed"),
        sa.PrimaryKeyConstraint("book_id", "account_id", "seq", "leg", name="paired_postings_pkey"),
        sqlite_with_rowid=False,
    )


def _statement_matches() -> None:
    op.create_table(
        "statement_matches",
        book(),
        text("id"),
        number("account_id"),
        text("account"),
        text("unit"),
        number("exponent"),
        text("kind"),
        text("lines"),
        text("postings"),
        number("amount"),
        number("difference"),
        text("entry", null=True),
        text("rule"),
        number("score"),
        text("why"),
        text("by"),
        number("at"),
        text("undone_by", null=True),
        number("undone_at", null=True),
        text("reason", null=True),
        sa.PrimaryKeyConstraint("book_id", "id", name="statement_matches_pkey"),
        sqlite_with_rowid=False,
    )
    _index("statement_matches", "account", "at")
    _index("statement_matches", "at")
    _index("statement_matches", "kind", "at")


def _statement_exceptions() -> None:
    op.create_table(
        "statement_exceptions",
        book(),
        text("id"),
        number("account_id"),
        text("account"),
        text("unit"),
        number("exponent"),
        text("cls"),
        number("open_account", null=True),
        text("line", null=True),
        text("postings"),
        number("found", null=True),
        number("expected", null=True),
        number("amount"),
        text("on"),
        text("note", null=True),
        text("status"),
        text("carried", null=True),
        number("opened_at"),
        number("closed_at", null=True),
        text("closed_by", null=True),
        text("reason", null=True),
        sa.PrimaryKeyConstraint("book_id", "id", name="statement_exceptions_pkey"),
        sqlite_with_rowid=False,
    )
    _index("statement_exceptions", "account", "on")
    _index("statement_exceptions", "status", "on")
    _index("statement_exceptions", "cls", "on")
    _index("statement_exceptions", "on")
    _index("statement_exceptions", "open_account")


def _statement_periods() -> None:
    op.create_table(
        "statement_periods",
        book(),
        text("id"),
        number("account_id"),
        text("account"),
        text("unit"),
        number("exponent"),
        text("from_on"),
        text("to_on"),
        number("carried"),
        text("status"),
        text("before", null=True),
        text("closed_by"),
        number("closed_at"),
        text("reason"),
        text("reopened_by", null=True),
        number("reopened_at", null=True),
        sa.PrimaryKeyConstraint("book_id", "id", name="statement_periods_pkey"),
        sqlite_with_rowid=False,
    )
    _index("statement_periods", "account", "closed_at")
    _index("statement_periods", "closed_at")


def _discrepancies() -> None:
    op.create_table(
        "discrepancies",
        book(),
        text("id"),
        text("name"),
        text("open_name", null=True),
        text("area"),
        text("cls"),
        text("subject"),
        text("currency", null=True),
        text("expected"),
        text("found"),
        text("amount", null=True),
        text("repair"),
        number("first_seen"),
        number("last_seen"),
        number("gone_at", null=True),
        sa.PrimaryKeyConstraint("book_id", "id", name="discrepancies_pkey"),
        sqlite_with_rowid=False,
    )
    _index("discrepancies", "area", "first_seen")
    _index("discrepancies", "first_seen")
    _index("discrepancies", "open_name")


def _reconciliation_runs() -> None:
    op.create_table(
        "reconciliation_runs",
        book(),
        text("id"),
        text("accounts"),
        text("asked_by"),
        number("lines"),
        number("postings"),
        number("matched"),
        number("skipped"),
        number("opened"),
        number("discrepancies"),
        number("started_at"),
        number("ended_at"),
        sa.PrimaryKeyConstraint("book_id", "id", name="reconciliation_runs_pkey"),
        sqlite_with_rowid=False,
    )
    _index("reconciliation_runs", "ended_at")


def _index(table: str, *columns: str) -> None:
    op.create_index(f"{table}_by_{'_'.join(columns)}", table, ["book_id", *columns])
