"""The usual way on SQLite: one `BEGIN IMMEDIATE` transaction for every request.

The same rows as Khata writes for a transfer (a journal row under a unique key, an entry, two
postings with their running balance and their khata line, two balances), and the same durability
and cache: WAL with `synchronous=FULL`. There is no hash chain, as usual systems have none. One
writing thread, because SQLite has one writer: two to four were measured and are no faster.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import count
from typing import Final

from khata.edge.bench.baseline_rows import (
    CATEGORY,
    LINE,
    answered,
    check_sum,
    opening_rows,
    texts_of,
)
from khata.edge.bench.figures import Draw, Sample, key_of
from khata.edge.bench.turns import take_turns

TABLES: Final = """
CREATE TABLE baseline_journal (
    seq INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, digest BLOB NOT NULL, kind TEXT NOT NULL,
    actor TEXT NOT NULL, at INTEGER NOT NULL, command TEXT NOT NULL, result TEXT NOT NULL);
CREATE TABLE baseline_entries (
    seq INTEGER PRIMARY KEY, type TEXT NOT NULL, source TEXT NOT NULL, reference TEXT,
    note TEXT, metadata TEXT, legs TEXT NOT NULL);
CREATE TABLE baseline_postings (
    account_id INTEGER NOT NULL, seq INTEGER NOT NULL, leg INTEGER NOT NULL,
    amount INTEGER NOT NULL, balance_after INTEGER NOT NULL, line TEXT, category TEXT,
    PRIMARY KEY (account_id, seq, leg)) WITHOUT ROWID;
CREATE TABLE baseline_accounts (
    id INTEGER PRIMARY KEY, code TEXT NOT NULL UNIQUE, balance INTEGER NOT NULL, floor INTEGER,
    unit TEXT NOT NULL DEFAULT 'BDT', held INTEGER NOT NULL DEFAULT 0);
"""
KNOWN: Final = "SELECT digest, result FROM baseline_journal WHERE key = ?"
ACCOUNTS: Final = "SELECT id, balance, held, floor FROM baseline_accounts WHERE id IN (?, ?)"
JOURNAL: Final = (
    "INSERT INTO baseline_journal (key, digest, at, command, result, kind, actor)"
    " VALUES (?, ?, ?, ?, ?, 'wallets.transfer', 'service:bench')"
)
ENTRY: Final = (
    "INSERT INTO baseline_entries (seq, reference, note, legs, type, source)"
    " VALUES (?, ?, ?, ?, 'transfer', 'transfer')"
)
POSTINGS: Final = (
    "INSERT INTO baseline_postings VALUES (?, ?, 0, ?, ?, ?, ?), (?, ?, 1, ?, ?, ?, ?)"
)
BALANCE: Final = "UPDATE baseline_accounts SET balance = ? WHERE id = ?"


class SqliteBaseline:
    """See `khata.edge.bench.figures.Side`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        self._keys = count()

    def load(self, draws: Sequence[Draw], *, callers: int, seconds: float) -> Sample:
        """As the protocol says."""
        return take_turns([self._work], draws, callers=callers, seconds=seconds)

    def _work(self, draw: Draw) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            transfer(self._db, key_of(next(self._keys)), draw)
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def check(self) -> None:
        """As the protocol says."""
        for table, column in (("accounts", "balance"), ("postings", "amount")):
            query = f"SELECT coalesce(sum({column}), 0) FROM baseline_{table}"
            check_sum(f"baseline_{table}", self._db.execute(query).fetchone()[0])


@contextmanager
def sqlite_baseline(path: str, accounts: int) -> Iterator[SqliteBaseline]:
    """The baseline in a database file of its own."""
    with opened(path) as connection:
        connection.executescript(TABLES)
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(
            "INSERT INTO baseline_accounts (id, code, balance, floor) VALUES (?, ?, ?, ?)",
            opening_rows(accounts),
        )
        connection.execute("COMMIT")
        yield SqliteBaseline(connection)


@contextmanager
def opened(path: str) -> Iterator[sqlite3.Connection]:
    """A database file with the durability and the cache that Khata has."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    with closing(connection):
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA cache_size = -65536")
        connection.execute("PRAGMA wal_autocheckpoint = 16000")
        yield connection


def transfer(db: sqlite3.Connection, key: str, draw: Draw) -> str:
    """Do one transfer inside the open transaction and return its result; a known key answers."""
    known = db.execute(KNOWN, (key,)).fetchone()
    if known is not None:
        return answered(known, draw)
    source, target, amount, _ = draw
    rows = db.execute(ACCOUNTS, (source, target)).fetchall()
    found = {number: (balance, held, floor) for number, balance, held, floor in rows}
    texts = texts_of(key, draw, found)
    seq = db.execute(JOURNAL, texts[:5]).lastrowid
    db.execute(ENTRY, (seq, texts.reference, texts.note, texts.legs))
    paying = (source, seq, -amount, texts.paid, LINE, CATEGORY)
    db.execute(POSTINGS, (*paying, target, seq, amount, texts.received, LINE, CATEGORY))
    db.execute(BALANCE, (texts.paid, source))
    db.execute(BALANCE, (texts.received, target))
    return texts.result
