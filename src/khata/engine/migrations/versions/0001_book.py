"""The book: heads, journal, refusals, accounts, entries, and the records of the first rooms.

Column order is part of the format: the stores insert by position, so a later revision may only
add columns at the end of a table.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _book()
    _money()
    _holds()
    _setup()
    _rooms()


def _int(name: str, *, null: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=null)


def _text(name: str, *, null: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=null)


def _bytes(name: str) -> sa.Column[bytes]:
    return sa.Column(name, sa.LargeBinary, nullable=False)


def _table(name: str, *columns: sa.schema.SchemaItem, key: tuple[str, ...], **options: Any) -> None:
    op.create_table(
        name,
        sa.Column("book_id", sa.Integer, nullable=False),
        *columns,
        sa.PrimaryKeyConstraint("book_id", *key, name=f"{name}_pkey"),
        **options,
    )


def _record(
    name: str, *columns: sa.schema.SchemaItem, key: tuple[str, ...], **options: Any
) -> None:
    """A table of rows that are always sought by their key: on SQLite it is its own index."""
    _table(name, *columns, key=key, sqlite_with_rowid=False, **options)


def _book() -> None:
    op.create_table(
        "books",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("name", sa.Text, nullable=False, unique=True),
        _int("seq"),
        _bytes("hash"),
        _int("at"),
        _int("refusals"),
        _bytes("refusals_hash"),
        _int("created_at"),
    )
    _table(
        "journal",
        _int("seq"),
        _text("key"),
        _bytes("digest"),
        _text("kind"),
        _text("actor"),
        _int("at"),
        _text("command"),
        _text("result"),
        _text("changes", null=True),
        _bytes("hash"),
        sa.UniqueConstraint("book_id", "key", name="journal_key"),
        key=("seq",),
    )
    _table(
        "refusals",
        _int("n"),
        _text("key"),
        _text("kind"),
        _text("actor"),
        _int("at"),
        _text("code"),
        _text("detail"),
        _bytes("hash"),
        key=("n",),
    )
    _table("consumers", _text("name"), _int("seq"), key=("name",))


def _money() -> None:
    _record(
        "accounts",
        _int("id"),
        _text("code"),
        _text("kind"),
        _text("unit"),
        _int("exponent"),
        _text("owner", null=True),
        _text("status"),
        _int("floor", null=True),
        _int("overdraft"),
        _text("limits", null=True),
        _int("opened_at"),
        _int("balance"),
        _int("held"),
        _int("next_expiry", null=True),
        sa.UniqueConstraint("book_id", "code", "unit", name="accounts_code_unit"),
        key=("id",),
        # balances change all the time: room on the page keeps those changes off the indexes
        postgresql_with={"fillfactor": 70},
    )
    op.create_index("accounts_by_owner", "accounts", ["book_id", "owner"])
    op.create_index("accounts_by_code", "accounts", ["book_id", "code"])
    _record(
        "entries",
        _int("seq"),
        _int("entry"),
        _text("type"),
        _text("source"),
        _text("reference", null=True),
        _text("note", null=True),
        _text("metadata", null=True),
        _int("first_leg"),
        _text("legs"),
        _int("reverses_seq", null=True),
        _int("reverses_entry", null=True),
        key=("seq", "entry"),
    )
    _record(
        "postings",
        _int("account_id"),
        _int("seq"),
        _int("leg"),
        _int("entry"),
        _int("amount"),
        _int("balance_after"),
        _text("line", null=True),
        _text("category", null=True),
        key=("account_id", "seq", "leg"),
    )


def _holds() -> None:
    _record(
        "velocities",
        _int("account_id"),
        _int("window_seconds"),
        _text("slices"),
        key=("account_id", "window_seconds"),
    )
    _record(
        "holds",
        _text("id"),
        _int("account_id"),
        _int("open_account", null=True),
        _text("group", null=True),
        _int("amount"),
        _int("remaining"),
        _int("captured"),
        _text("status"),
        _int("placed_at"),
        _int("expires_at", null=True),
        _text("source"),
        _text("reference", null=True),
        key=("id",),
    )
    op.create_index("holds_by_account_id", "holds", ["book_id", "account_id"])
    op.create_index("holds_by_open_account", "holds", ["book_id", "open_account"])
    op.create_index("holds_by_group", "holds", ["book_id", "group"])


def _setup() -> None:
    _record("units", _text("code"), _int("exponent"), _text("name"), key=("code",))
    _record(
        "sources",
        _text("name"),
        _text("category"),
        _text("money_in"),
        _text("money_out"),
        _text("against"),
        key=("name",),
    )
    _record(
        "wallet_kinds",
        _text("name"),
        _text("title"),
        _int("floor"),
        _int("overdraft"),
        key=("name",),
    )
    _record("settings", _text("name"), _text("value"), key=("name",))


def _rooms() -> None:
    _record(
        "api_keys",
        _text("id"),
        _text("label"),
        _text("hash"),
        _text("roles"),
        _text("scopes"),
        _int("created_at"),
        _int("revoked_at", null=True),
        sa.UniqueConstraint("book_id", "hash", name="api_keys_hash"),
        key=("id",),
    )
    _record(
        "approvals",
        _text("id"),
        _text("command"),
        _text("reason"),
        _text("asked_by"),
        _int("asked_at"),
        _text("status"),
        _text("decided_by", null=True),
        _int("decided_at", null=True),
        key=("id",),
    )
    op.create_index("approvals_by_status", "approvals", ["book_id", "status"])
    _record(
        "khata_entries",
        _text("owner"),
        _int("seq"),
        _text("kind"),
        _text("category"),
        _int("amount"),
        _text("unit"),
        _int("exponent"),
        _text("note", null=True),
        _int("happened_at"),
        key=("owner", "seq"),
    )
    _record(
        "reversals",
        _int("seq"),
        _int("entry"),
        _text("amounts"),
        _text("by"),
        sa.Column("whole", sa.Boolean, nullable=False),
        key=("seq", "entry"),
    )
    _record(
        "wallets",
        _int("account_id"),
        _text("owner"),
        _text("kind"),
        _text("unit"),
        _text("title"),
        _int("opened_at"),
        key=("account_id",),
    )
    op.create_index("wallets_by_owner_account_id", "wallets", ["book_id", "owner", "account_id"])
