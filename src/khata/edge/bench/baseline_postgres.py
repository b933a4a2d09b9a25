"""The usual way on PostgreSQL: one transaction for every request, accounts locked in order of id.

The same rows as Khata writes for a transfer (a journal row under a unique key, an entry, two
postings with their running balance and their khata line, two balances), READ COMMITTED, prepared
statements, and sixteen connections that the callers share. There is no hash chain, as usual systems
have none. Threads, because asyncio was measured and is no faster.

    plain    a statement at a time, as a service's repository layer writes it: BEGIN, SELECT … FOR
             UPDATE, three INSERTs, two UPDATEs, COMMIT: eight round trips
    packed   the most that can be had from one transaction a request: BEGIN, the key and the lock in
             one pipeline; every write in one WITH, and COMMIT, in another: two round trips
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import count
from typing import Any, Final, Literal

import psycopg

from khata.edge.bench.baseline_rows import (
    CATEGORY,
    LINE,
    Found,
    Texts,
    answered,
    check_sum,
    opening_rows,
    texts_of,
)
from khata.edge.bench.figures import Draw, Sample, key_of
from khata.edge.bench.turns import Work, take_turns
from khata.errors import InsufficientFunds

CONNECTIONS: Final = 16
Style = Literal["plain", "packed"]
Connection = psycopg.Connection[Any]

TABLES: Final = """
CREATE TABLE baseline_journal (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, key text NOT NULL UNIQUE,
    digest bytea NOT NULL, kind text NOT NULL, actor text NOT NULL, at bigint NOT NULL,
    command text NOT NULL, result text NOT NULL);
CREATE TABLE baseline_entries (
    seq bigint PRIMARY KEY, type text NOT NULL, source text NOT NULL, reference text, note text,
    metadata text, legs text NOT NULL);
CREATE TABLE baseline_postings (
    account_id bigint NOT NULL, seq bigint NOT NULL, leg bigint NOT NULL, amount bigint NOT NULL,
    balance_after bigint NOT NULL, line text, category text, PRIMARY KEY (account_id, seq, leg));
CREATE TABLE baseline_accounts (
    id bigint PRIMARY KEY, code text NOT NULL UNIQUE, balance bigint NOT NULL, floor bigint,
    unit text NOT NULL DEFAULT 'BDT', held bigint NOT NULL DEFAULT 0) WITH (fillfactor = 70);
"""
ACCOUNT: Final = "INSERT INTO baseline_accounts (id, code, balance, floor) VALUES (%s, %s, %s, %s)"
KNOWN: Final = "SELECT digest, result FROM baseline_journal WHERE key = %s"
LOCK: Final = (
    "SELECT id, balance, held, floor FROM baseline_accounts"
    " WHERE id IN (%s, %s) ORDER BY id FOR UPDATE"
)
JOURNAL: Final = (
    "INSERT INTO baseline_journal (key, digest, at, command, result, kind, actor)"
    " VALUES (%s, %s, %s, %s, %s, 'wallets.transfer', 'service:bench')"
    " ON CONFLICT (key) DO NOTHING RETURNING seq"
)
ENTRY: Final = (
    "INSERT INTO baseline_entries (seq, reference, note, legs, type, source)"
    " VALUES (%s, %s, %s, %s, 'transfer', 'transfer')"
)
POSTINGS: Final = (
    "INSERT INTO baseline_postings VALUES (%s, %s, 0, %s, %s, %s, %s), (%s, %s, 1, %s, %s, %s, %s)"
)
BALANCE: Final = "UPDATE baseline_accounts SET balance = %s WHERE id = %s"
PACKED: Final = """
WITH journal AS (
    INSERT INTO baseline_journal (key, digest, at, command, result, kind, actor)
    VALUES (%(key)s, %(digest)s, %(at)s, %(command)s, %(result)s,
        'wallets.transfer', 'service:bench')
    RETURNING seq
), entry AS (
    INSERT INTO baseline_entries (seq, type, source, reference, note, legs)
    SELECT seq, 'transfer', 'transfer', %(reference)s, %(note)s, %(legs)s FROM journal
), balances AS (
    UPDATE baseline_accounts AS account SET balance = new.balance
    FROM (VALUES (%(source)s::bigint, %(paid)s::bigint), (%(target)s, %(received)s))
        AS new (id, balance)
    WHERE account.id = new.id
)
INSERT INTO baseline_postings
SELECT leg.account_id, seq, leg.n, leg.amount, leg.balance_after, %(line)s, %(category)s
FROM journal, (VALUES
    (%(source)s::bigint, 0, -%(amount)s::bigint, %(paid)s::bigint),
    (%(target)s, 1, %(amount)s, %(received)s)) AS leg (account_id, n, amount, balance_after)
"""


class PostgresBaseline:
    """See `khata.edge.bench.figures.Side`."""

    def __init__(self, setup: Connection, connections: Sequence[Connection], style: Style) -> None:
        self._setup = setup
        self._keys = count()
        transfer = STYLES[style]
        self._workers = [self._worker(connection, transfer) for connection in connections]

    def load(self, draws: Sequence[Draw], *, callers: int, seconds: float) -> Sample:
        """As the protocol says."""
        return take_turns(self._workers, draws, callers=callers, seconds=seconds)

    def _worker(self, connection: Connection, transfer: Callable[..., str]) -> Work:
        def work(draw: Draw) -> None:
            try:
                transfer(connection, key_of(next(self._keys)), draw)
            except BaseException:
                connection.rollback()
                raise

        return work

    def check(self) -> None:
        """As the protocol says."""
        for table, column in (("accounts", "balance"), ("postings", "amount")):
            query = f"SELECT coalesce(sum({column}), 0) FROM baseline_{table}"
            row = self._setup.execute(query).fetchone()
            check_sum(f"baseline_{table}", row[0] if row else None)


@contextmanager
def postgres_baseline(url: str, accounts: int, style: Style) -> Iterator[PostgresBaseline]:
    """The baseline in the database at `url`, in tables of its own."""
    with ExitStack() as stack:
        setup = stack.enter_context(connected(url))
        setup.execute(TABLES, prepare=False)
        with setup.cursor() as cursor:
            cursor.executemany(ACCOUNT, opening_rows(accounts))
        setup.execute("VACUUM ANALYZE baseline_accounts")
        connections = [stack.enter_context(connected(url)) for _ in range(CONNECTIONS)]
        yield PostgresBaseline(setup, connections, style)


def connected(url: str) -> Connection:
    """A connection on which nothing is begun but by a statement."""
    # 0: a statement is prepared when it is used for the first time
    return psycopg.connect(url, autocommit=True, prepare_threshold=0)


def plain(db: Connection, key: str, draw: Draw) -> str:
    """Do one transfer in its own transaction and return its result; a known key answers."""
    source, target, amount, _ = draw
    db.execute("BEGIN")
    found = _found(db.execute(LOCK, (source, target)))
    try:
        texts = texts_of(key, draw, found)
    except InsufficientFunds:
        known = db.execute(KNOWN, (key,)).fetchone()
        if known is None:
            raise
        return _known(db, known, draw)
    new = db.execute(JOURNAL, texts[:5]).fetchone()
    if new is None:
        return _known(db, db.execute(KNOWN, (key,)).fetchone(), draw)
    seq = new[0]
    db.execute(ENTRY, (seq, texts.reference, texts.note, texts.legs))
    paying = (source, seq, -amount, texts.paid, LINE, CATEGORY)
    db.execute(POSTINGS, (*paying, target, seq, amount, texts.received, LINE, CATEGORY))
    db.execute(BALANCE, (texts.paid, source))
    db.execute(BALANCE, (texts.received, target))
    db.execute("COMMIT")
    return texts.result


def packed(db: Connection, key: str, draw: Draw) -> str:
    """As `plain`, in two round trips."""
    with db.pipeline():
        db.execute("BEGIN")
        asked = db.execute(KNOWN, (key,))
        locked = db.execute(LOCK, (draw.source, draw.target))
    known = asked.fetchone()
    if known is not None:
        return _known(db, known, draw)
    texts = texts_of(key, draw, _found(locked))
    with db.pipeline():
        db.execute(PACKED, _values(texts, draw))
        db.execute("COMMIT")
    return texts.result


STYLES: Final[dict[Style, Callable[[Connection, str, Draw], str]]] = {
    "plain": plain,
    "packed": packed,
}


def _values(texts: Texts, draw: Draw) -> dict[str, object]:
    named = texts._asdict() | {"line": LINE, "category": CATEGORY}
    return named | {"source": draw.source, "target": draw.target, "amount": draw.amount}


def _found(rows: psycopg.Cursor[Any]) -> Found:
    return {number: (balance, held, floor) for number, balance, held, floor in rows}


def _known(db: Connection, row: Any, draw: Draw) -> str:
    db.execute("ROLLBACK")
    return answered(row, draw)
