"""The usual way on PostgreSQL: one transaction for every request, accounts locked in order of id.

The same rows as Khata writes for a transfer (a journal row under a unique key, an entry, two
postings with their running balance, two personal lines, two balances), READ COMMITTED, prepared
statements and sixteen connections that the callers share. There is no hash chain, as usual systems
have none. Two round trips in pipeline mode: `BEGIN`, the key and the locked accounts; then one
statement with every write, and `COMMIT`. Threads, because asyncio was measured and is no faster.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import msgspec
import psycopg

from khata.edge.bench.figures import OPENING, Figures, Transfer, closed_loop

CONNECTIONS = 16

TABLES = """
DROP TABLE IF EXISTS baseline_journal, baseline_entries, baseline_postings, baseline_khata,
    baseline_accounts;
CREATE TABLE baseline_journal (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, key text NOT NULL UNIQUE,
    digest bytea NOT NULL, kind text NOT NULL, actor text NOT NULL, at bigint NOT NULL,
    command text NOT NULL, result text NOT NULL);
CREATE TABLE baseline_entries (
    seq bigint PRIMARY KEY, type text NOT NULL, source text NOT NULL, reference text, note text,
    legs text NOT NULL);
CREATE TABLE baseline_postings (
    account_id bigint NOT NULL, seq bigint NOT NULL, leg int NOT NULL, amount bigint NOT NULL,
    balance_after bigint NOT NULL, PRIMARY KEY (account_id, seq, leg));
CREATE TABLE baseline_khata (
    owner_id text NOT NULL, seq bigint NOT NULL, leg int NOT NULL, kind text NOT NULL,
    category text NOT NULL, amount bigint NOT NULL, unit text NOT NULL,
    PRIMARY KEY (owner_id, seq, leg));
CREATE TABLE baseline_accounts (
    id bigint PRIMARY KEY, code text NOT NULL UNIQUE, unit text NOT NULL, balance bigint NOT NULL,
    held bigint NOT NULL, floor bigint) WITH (fillfactor = 70);
"""
ACCOUNTS = """
INSERT INTO baseline_accounts
SELECT n, 'wallet/' || n || '/personal/BDT', 'BDT', %(opening)s::bigint, 0, 0
FROM generate_series(1, %(accounts)s::bigint) AS n
UNION ALL SELECT 0, 'opening/BDT', 'BDT', -%(opening)s::bigint * %(accounts)s::bigint, 0, NULL
"""
KNOWN = "SELECT result FROM baseline_journal WHERE key = %s"
LOCK = (
    "SELECT id, balance, held, floor FROM baseline_accounts"
    " WHERE id IN (%s, %s) ORDER BY id FOR UPDATE"
)
WRITE = """
WITH journal AS (
    INSERT INTO baseline_journal (key, digest, kind, actor, at, command, result)
    VALUES (%(key)s, %(digest)s, 'transfer', 'bench', %(at)s, %(command)s, %(result)s)
    RETURNING seq
), entry AS (
    INSERT INTO baseline_entries
    SELECT seq, 'transfer', 'bench', %(reference)s, 'a transfer', %(legs)s FROM journal
), balances AS (
    UPDATE baseline_accounts AS account SET balance = new.balance
    FROM (VALUES (%(source)s::bigint, %(paid)s::bigint), (%(target)s, %(received)s))
        AS new (id, balance)
    WHERE account.id = new.id
), postings AS (
    INSERT INTO baseline_postings
    SELECT leg.account_id, seq, leg.n, leg.amount, leg.balance_after FROM journal, (VALUES
        (%(source)s::bigint, 0, -%(amount)s::bigint, %(paid)s::bigint),
        (%(target)s, 1, %(amount)s, %(received)s)) AS leg (account_id, n, amount, balance_after)
)
INSERT INTO baseline_khata
SELECT 'owner-' || line.id, seq, line.leg, line.kind, 'transfer', %(amount)s::bigint, 'BDT'
FROM journal, (VALUES (%(source)s::bigint, 0, 'expense'), (%(target)s, 1, 'income'))
    AS line (id, leg, kind)
"""


def run(url: str, *, callers: int, seconds: float, accounts: int, hot: bool) -> Figures:
    """Measure the baseline in the database at `url`, in tables of its own."""
    with ExitStack() as stack:
        setup = stack.enter_context(_connect(url))
        _create(setup, accounts)
        workers = [_worker(stack.enter_context(_connect(url))) for _ in range(CONNECTIONS)]
        measured = closed_loop(
            workers, callers=callers, seconds=seconds, accounts=accounts, hot=hot
        )
        _check(setup)
    return measured


def _connect(url: str) -> psycopg.Connection[Any]:
    return psycopg.connect(url, autocommit=True, prepare_threshold=0)


def _create(connection: psycopg.Connection[Any], accounts: int) -> None:
    for statement in TABLES.split(";"):
        connection.execute(statement)
    connection.execute(ACCOUNTS, {"opening": OPENING, "accounts": accounts})
    connection.execute("VACUUM ANALYZE baseline_accounts")


def _worker(connection: psycopg.Connection[Any]) -> Callable[[Transfer], None]:
    """One request after another on one connection."""

    def work(transfer: Transfer) -> None:
        try:
            _transfer(connection, transfer)
        except BaseException:
            connection.rollback()
            raise

    return work


def _transfer(connection: psycopg.Connection[Any], transfer: Transfer) -> str:
    """Do one transfer in its own transaction and return its result; a known key answers."""
    source, target, amount = transfer.source, transfer.target, transfer.amount
    with connection.pipeline():
        connection.execute("BEGIN")
        known = connection.execute(KNOWN, (transfer.key,))
        locked = connection.execute(LOCK, (source, target))
    answer = known.fetchone()
    found = {number: (balance, held, floor) for number, balance, held, floor in locked}
    balance, held, floor = found[source]
    if answer is not None or (floor is not None and balance - held - amount < floor):
        connection.execute("ROLLBACK")
        return "refused" if answer is None else str(answer[0])
    paid, received = balance - amount, found[target][0] + amount
    values = _values(transfer, paid, received)
    with connection.pipeline():
        connection.execute(WRITE, values)
        connection.execute("COMMIT")
    return str(values["result"])


def _values(transfer: Transfer, paid: int, received: int) -> dict[str, object]:
    source, target, amount = transfer.source, transfer.target, transfer.amount
    command = msgspec.json.encode(transfer)
    result = msgspec.json.encode({"balances": [[source, paid], [target, received]]}).decode()
    return {
        "key": transfer.key,
        "digest": hashlib.sha256(command).digest(),
        "at": time.time_ns() // 1000,
        "command": command.decode(),
        "result": result,
        "reference": transfer.key[:8],
        "legs": f"[[{source},{-amount}],[{target},{amount}]]",
        "source": source,
        "target": target,
        "amount": amount,
        "paid": paid,
        "received": received,
    }


def _check(connection: psycopg.Connection[Any]) -> None:
    """Every amount left one account and reached another."""
    for table, column in (("accounts", "balance"), ("postings", "amount")):
        query = f"SELECT coalesce(sum({column}), 0) FROM baseline_{table}"
        total = connection.execute(query).fetchone()
        if total is None or total[0] != 0:
            msg = f"baseline_{table}: expected a sum of 0, got {total}"
            raise RuntimeError(msg)
