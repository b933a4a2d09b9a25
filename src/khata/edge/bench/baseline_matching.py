"""The usual way to reconcile: for each line of the statement, a query for its posting.

Three tables and an index on the reference; a line takes one SELECT, one INSERT and two UPDATEs. As
a service does it each line is a transaction; a script may commit only now and then, and loses what
it did since when it dies. There are no journal, no tolerance, no classes of what is left over and
no second look: it does less than Khata does.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from typing import Any, Final

import psycopg

from khata.base.money import to_minor
from khata.edge.bench.ground import Ground
from khata.edge.files.statements import BankLine

_TABLES: Final = (
    """CREATE TABLE baseline_posted (id INTEGER PRIMARY KEY, reference TEXT NOT NULL,
       amount BIGINT NOT NULL, posted_on TEXT NOT NULL, matched INTEGER)""",
    """CREATE TABLE baseline_lines (id INTEGER PRIMARY KEY, reference TEXT, amount BIGINT NOT NULL,
       booked_on TEXT NOT NULL, matched INTEGER)""",
    "CREATE TABLE baseline_matches (line INTEGER PRIMARY KEY, posted INTEGER NOT NULL UNIQUE)",
)
_INDEX: Final = "CREATE INDEX baseline_posted_by_reference ON baseline_posted (reference)"
_POSTED: Final = (
    "INSERT INTO baseline_posted (id, reference, amount, posted_on) VALUES (?, ?, ?, ?)"
)
_LINE: Final = "INSERT INTO baseline_lines (id, reference, amount, booked_on) VALUES (?, ?, ?, ?)"
_FIND: Final = (
    "SELECT id FROM baseline_posted WHERE reference = ? AND amount = ? AND matched IS NULL"
)
_MATCH: Final = "INSERT INTO baseline_matches VALUES (?, ?)"
_MARK: Final = (
    "UPDATE baseline_posted SET matched = 1 WHERE id = ?",
    "UPDATE baseline_lines SET matched = 1 WHERE id = ?",
)
SELDOM: Final = 1000
"""Lines after which a script commits."""
Row = tuple[int, str | None, int, str]


def matching_rate(
    place: Ground, lines: Sequence[BankLine], exponent: int, share: int, every: int = 1
) -> float:
    """Lines per second over the first `share` of them, with a commit after each `every` lines; all
    lines are in the tables.
    """
    rows = [
        (number, line.end_to_end, to_minor(line.amount, exponent), line.booked_on)
        for number, line in enumerate(lines, 1)
    ]
    with place.fresh() as url:
        if place.dialect == "sqlite":
            path = url.removeprefix("sqlite:///")
            with closing(sqlite3.connect(path, isolation_level=None)) as db:
                db.execute("PRAGMA journal_mode = WAL")
                db.execute("PRAGMA synchronous = FULL")
                return _measured(db, db.executemany, rows, (share, every), "?")
        with psycopg.connect(url, autocommit=True) as server, server.cursor() as cursor:
            return _measured(server, cursor.executemany, rows, (share, every), "%s")


def _measured(db: Any, many: Any, rows: list[Row], turns: tuple[int, int], mark: str) -> float:
    """`db`: a connection of either kind: both have `execute`. `turns`: (share, every)."""
    share, every = turns

    def run(sql: str, values: tuple[object, ...] = ()) -> Any:
        return db.execute(sql.replace("?", mark), values)

    for table in (*_TABLES, _INDEX):
        run(table)
    run("BEGIN")
    many(_POSTED.replace("?", mark), rows)
    many(_LINE.replace("?", mark), rows)
    run("COMMIT")
    if mark == "%s":
        run("ANALYZE")
    begun = time.perf_counter()
    run("BEGIN")
    for done, (number, reference, amount, _) in enumerate(rows[:share], 1):
        found = run(_FIND, (reference, amount)).fetchone()
        if found is not None:
            run(_MATCH, (number, found[0]))
            run(_MARK[0], (found[0],))
            run(_MARK[1], (number,))
        if done % every == 0:
            run("COMMIT")
            run("BEGIN")
    run("COMMIT")
    return min(share, len(rows)) / (time.perf_counter() - begun)
