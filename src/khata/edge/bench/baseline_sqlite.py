"""The usual way on SQLite: one `BEGIN IMMEDIATE` transaction for every request.

The same rows as Khata writes for a transfer (a journal row under a unique key, an entry, two
postings with their running balance, two personal lines, two balances), and the same durability:
WAL with `synchronous=FULL`. There is no hash chain, as usual systems have none. One writing thread,
because SQLite has one writer: two to four were measured and are no faster.
"""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Callable
from contextlib import ExitStack, closing

import msgspec

from khata.edge.bench.figures import OPENING, Figures, Transfer, closed_loop

WRITERS = 1

TABLES = """
DROP TABLE IF EXISTS baseline_journal;
DROP TABLE IF EXISTS baseline_entries;
DROP TABLE IF EXISTS baseline_postings;
DROP TABLE IF EXISTS baseline_khata;
DROP TABLE IF EXISTS baseline_accounts;
CREATE TABLE baseline_journal (
    seq INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, digest BLOB NOT NULL, kind TEXT NOT NULL,
    actor TEXT NOT NULL, at INTEGER NOT NULL, command TEXT NOT NULL, result TEXT NOT NULL);
CREATE TABLE baseline_entries (
    seq INTEGER PRIMARY KEY, type TEXT NOT NULL, source TEXT NOT NULL, reference TEXT,
    note TEXT, legs TEXT NOT NULL);
CREATE TABLE baseline_postings (
    account_id INTEGER NOT NULL, seq INTEGER NOT NULL, leg INTEGER NOT NULL,
    amount INTEGER NOT NULL, balance_after INTEGER NOT NULL,
    PRIMARY KEY (account_id, seq, leg)) WITHOUT ROWID;
CREATE TABLE baseline_khata (
    owner_id TEXT NOT NULL, seq INTEGER NOT NULL, leg INTEGER NOT NULL, kind TEXT NOT NULL,
    category TEXT NOT NULL, amount INTEGER NOT NULL, unit TEXT NOT NULL,
    PRIMARY KEY (owner_id, seq, leg)) WITHOUT ROWID;
CREATE TABLE baseline_accounts (
    id INTEGER PRIMARY KEY, code TEXT NOT NULL UNIQUE, unit TEXT NOT NULL,
    balance INTEGER NOT NULL, held INTEGER NOT NULL, floor INTEGER, seq INTEGER NOT NULL);
"""
KNOWN = "SELECT result FROM baseline_journal WHERE key = ?"
ACCOUNTS = "SELECT id, balance, held, floor FROM baseline_accounts WHERE id IN (?, ?)"
JOURNAL = (
    "INSERT INTO baseline_journal (key, digest, kind, actor, at, command, result)"
    " VALUES (?, ?, 'transfer', 'bench', ?, ?, ?)"
)
ENTRY = "INSERT INTO baseline_entries VALUES (?, 'transfer', 'bench', ?, 'a transfer', ?)"
BALANCE = "UPDATE baseline_accounts SET balance = ?, seq = ? WHERE id = ?"
POSTINGS = "INSERT INTO baseline_postings VALUES (?, ?, 0, ?, ?), (?, ?, 1, ?, ?)"
KHATA = (
    "INSERT INTO baseline_khata VALUES"
    " (?, ?, 0, 'expense', 'transfer', ?, 'BDT'), (?, ?, 1, 'income', 'transfer', ?, 'BDT')"
)


def run(path: str, *, callers: int, seconds: float, accounts: int, hot: bool) -> Figures:
    """Measure the baseline in the database at `path`, in tables of its own."""
    with ExitStack() as stack:
        setup = stack.enter_context(closing(_connect(path)))
        _create(setup, accounts)
        workers = [_worker(stack.enter_context(closing(_connect(path)))) for _ in range(WRITERS)]
        measured = closed_loop(
            workers, callers=callers, seconds=seconds, accounts=accounts, hot=hot
        )
        _check(setup)
    return measured


def _connect(path: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=60)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA cache_size = -64000")
    connection.execute("PRAGMA wal_autocheckpoint = 4000")
    return connection


def _create(connection: sqlite3.Connection, accounts: int) -> None:
    connection.executescript(TABLES)
    rows: list[tuple[int, str, int, int | None]] = [
        (n, f"wallet/{n}/personal/BDT", OPENING, 0) for n in range(1, accounts + 1)
    ]
    rows.append((0, "opening/BDT", -OPENING * accounts, None))
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany("INSERT INTO baseline_accounts VALUES (?, ?, 'BDT', ?, 0, ?, 0)", rows)
    connection.execute("COMMIT")


def _worker(connection: sqlite3.Connection) -> Callable[[Transfer], None]:
    """One request after another on one connection."""

    def work(transfer: Transfer) -> None:
        connection.execute("BEGIN IMMEDIATE")
        try:
            _transfer(connection, transfer)
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")

    return work


def _transfer(connection: sqlite3.Connection, transfer: Transfer) -> str:
    """Do one transfer inside the open transaction and return its result; a known key answers."""
    known = connection.execute(KNOWN, (transfer.key,)).fetchone()
    if known is not None:
        return str(known[0])
    source, target, amount = transfer.source, transfer.target, transfer.amount
    rows = connection.execute(ACCOUNTS, (source, target)).fetchall()
    found = {number: (balance, held, floor) for number, balance, held, floor in rows}
    balance, held, floor = found[source]
    if floor is not None and balance - held - amount < floor:
        return "refused"
    paid, received = balance - amount, found[target][0] + amount
    command = msgspec.json.encode(transfer)
    result = msgspec.json.encode({"balances": [[source, paid], [target, received]]}).decode()
    digest = hashlib.sha256(command).digest()
    values = (transfer.key, digest, time.time_ns() // 1000, command.decode(), result)
    seq = connection.execute(JOURNAL, values).lastrowid
    legs = f"[[{source},{-amount}],[{target},{amount}]]"
    connection.execute(ENTRY, (seq, transfer.key[:8], legs))
    connection.execute(BALANCE, (paid, seq, source))
    connection.execute(BALANCE, (received, seq, target))
    connection.execute(POSTINGS, (source, seq, -amount, paid, target, seq, amount, received))
    connection.execute(KHATA, (f"owner-{source}", seq, amount, f"owner-{target}", seq, amount))
    return result


def _check(connection: sqlite3.Connection) -> None:
    """Every amount left one account and reached another."""
    for table, column in (("accounts", "balance"), ("postings", "amount")):
        total = connection.execute(f"SELECT sum({column}) FROM baseline_{table}").fetchone()[0] or 0
        if total != 0:
            msg = f"baseline_{table}: expected a sum of 0, got {total}"
            raise RuntimeError(msg)
