"""The SQL of the usual way of a checkout: a transaction for each request, statement by statement.

The connections of both databases take the same statements, but for the sign of a parameter and
`FOR UPDATE`, which SQLite has no need of: there `BEGIN IMMEDIATE` locks everything.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal

from khata.domain.escrow import Escrow
from khata.edge.bench.baseline_checkout_rows import (
    Changes,
    Request,
    answered,
    decide,
    journal_row,
)
from khata.edge.bench.baseline_rows import Found
from khata.engine.holds import Hold
from khata.engine.records import Spec, spec
from khata.errors import HoldNotFound, KhataError
from khata.errors.market import EscrowNotFound

Dialect = Literal["sqlite", "postgres"]
_HOLDS: Final = spec(Hold)
_ESCROWS: Final = spec(Escrow)
_MOST_LEGS: Final = 4


def tables(dialect: Dialect) -> str:
    """The tables of holds and escrows: the columns and indexes of Khata's own."""
    number = "bigint" if dialect == "postgres" else "INTEGER"
    made = []
    for found in (_HOLDS, _ESCROWS):
        name, table = f"baseline_{found.name}", found.table
        columns = [
            f'"{column.name}" {number if column.type is int else "text"}'
            f"{'' if column.nullable else ' NOT NULL'}"
            for column in found.columns
        ]
        columns.append(f"PRIMARY KEY ({_quoted(table.key)})")
        made.append(f"CREATE TABLE {name} ({', '.join(columns)});")
        made += [
            f"CREATE INDEX {name}_{at} ON {name} ({_quoted(group)});"
            for at, group in enumerate([*((one,) for one in table.finds), *table.indexes])
        ]
    return "\n".join(made)


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


class Statements:
    """Every statement in the words of one database."""

    def __init__(self, dialect: Dialect) -> None:
        mark, lock = ("%s", " FOR UPDATE") if dialect == "postgres" else ("?", "")

        def marks(count: int) -> str:
            return ", ".join([mark] * count)

        def read(found: Spec) -> str:
            key = found.table.key[0]
            return (
                f"SELECT {_quoted(found.names)} FROM baseline_{found.name}"
                f" WHERE {key} = {mark}{lock}"
            )

        def added(found: Spec) -> str:
            return f"INSERT INTO baseline_{found.name} VALUES ({marks(len(found.names))})"

        self.begin: Final = "BEGIN" if dialect == "postgres" else "BEGIN IMMEDIATE"
        self.known: Final = f"SELECT digest, result FROM baseline_journal WHERE key = {mark}"
        self.accounts: Final = [
            f"SELECT id, balance, held, floor FROM baseline_accounts WHERE id IN ({marks(count)})"
            f" ORDER BY id{lock}"
            for count in range(1, _MOST_LEGS + 1)
        ]
        self.hold: Final = read(_HOLDS)
        self.escrow: Final = read(_ESCROWS)
        self.journal: Final = (
            "INSERT INTO baseline_journal (key, digest, at, command, result, kind, actor)"
            f" VALUES ({marks(7)}) ON CONFLICT (key) DO NOTHING RETURNING seq"
        )
        self.entry: Final = (
            "INSERT INTO baseline_entries (seq, type, source, reference, note, legs)"
            f" VALUES ({marks(6)})"
        )
        self.postings: Final = [
            "INSERT INTO baseline_postings"
            " (account_id, seq, leg, amount, balance_after, line, category) VALUES "
            + ", ".join([f"({marks(7)})"] * count)
            for count in range(1, _MOST_LEGS + 1)
        ]
        self.balance: Final = (
            f"UPDATE baseline_accounts SET balance = {mark}, held = {mark} WHERE id = {mark}"
        )
        self.opened: Final = (
            f"INSERT INTO baseline_accounts (id, code, balance, floor) VALUES ({marks(4)})"
        )
        self.placed: Final = added(_HOLDS)
        self.begun: Final = added(_ESCROWS)
        self.taken: Final = (
            f"UPDATE baseline_holds SET remaining = {mark}, captured = {mark}, status = {mark},"
            f" open_account = {mark} WHERE id = {mark}"
        )
        self.moved: Final = (
            f"UPDATE baseline_escrows SET legs = {mark}, steps = {mark}, status = {mark},"
            f" refunded = {mark} WHERE ref = {mark}"
        )


class Desk:
    """One connection, where one request after the other is carried out.

    `connection`: of `sqlite3` or of `psycopg`, without a transaction of its own making.
    `platform`: the number of the account that gets the house's part.
    """

    def __init__(self, connection: Any, statements: Statements, platform: int) -> None:
        self._execute: Final = connection.execute
        self._cursor: Final = connection.cursor
        self._sql: Final = statements
        self._platform: Final = platform

    def carry_out(self, request: Request) -> str:
        """Do a request in its own transaction; the answer as JSON. A known key is answered again.

        Errors: those of `decide`; `KeyReused`. Nothing is written then.
        """
        self._execute(self._sql.begin)
        try:
            answer = self._within(request)
        except BaseException:
            self._execute("ROLLBACK")
            raise
        self._execute("COMMIT")
        return answer

    def _within(self, request: Request) -> str:
        try:
            changes = decide(request, self, self._platform)
        except KhataError:
            known = self._known(request)
            if known is None:
                raise
            return known
        row = journal_row(request, changes)
        new = self._execute(self._sql.journal, row).fetchone()
        if new is None:
            return self._known(request) or ""
        self._write(new[0], changes)
        return str(row[4])

    def _known(self, request: Request) -> str | None:
        row = self._execute(self._sql.known, (request.key,)).fetchone()
        return None if row is None else answered(row, request)

    def _write(self, seq: int, changes: Changes) -> None:
        sql, execute = self._sql, self._execute
        if changes.opened is not None:
            execute(sql.opened, changes.opened)
        if changes.entry is not None:
            execute(sql.entry, (seq, *changes.entry))
        if changes.postings:
            values = [part for row in changes.postings for part in (row[0], seq, *row[1:])]
            execute(sql.postings[len(changes.postings) - 1], values)
        for one, row in (
            (sql.placed, changes.placed),
            (sql.taken, changes.taken),
            (sql.begun, changes.begun),
            (sql.moved, changes.moved),
        ):
            if row is not None:
                execute(one, row)
        self._cursor().executemany(sql.balance, changes.balances)

    # ── what is read under a lock, see `Rows` ────────────────────────────────────────

    def accounts(self, *numbers: int) -> Found:
        """As the protocol says."""
        rows = self._execute(self._sql.accounts[len(numbers) - 1], numbers)
        return {number: (balance, held, floor) for number, balance, held, floor in rows}

    def hold(self, name: str) -> Hold:
        """As the protocol says."""
        row = self._execute(self._sql.hold, (name,)).fetchone()
        if row is None:
            raise HoldNotFound(f"No hold {name}.", got=name)
        hold: Hold = _HOLDS.decode(row)
        return hold

    def escrow(self, ref: str) -> Escrow:
        """As the protocol says."""
        row = self._execute(self._sql.escrow, (ref,)).fetchone()
        if row is None:
            raise EscrowNotFound(f"No escrow {ref}.", got=ref)
        escrow: Escrow = _ESCROWS.decode(row)
        return escrow
