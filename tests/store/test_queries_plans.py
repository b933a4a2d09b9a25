"""Long histories are read through keys: no query of these walks a whole table."""

import re

import pytest
import sqlalchemy as sa

from khata import Khata
from khata.base.clock import SECOND, from_iso
from khata.base.money import Money
from khata.domain import khata, ledger, wallets

START = from_iso("2026-01-01")
ALICE = "alice/personal/BDT"
LONG = ("journal", "postings", "entries", "khata_entries")

ASKS = {
    "balance": lambda view: wallets.balance(view, ALICE),
    "past balance": lambda view: wallets.balance(view, ALICE, START + 50),
    "newest": lambda view: wallets.transactions(view, ALICE, limit=20),
    "next page": lambda view: wallets.transactions(
        view, ALICE, cursor=wallets.transactions(view, ALICE, limit=20).next
    ),
    "filtered": lambda view: wallets.transactions(view, ALICE, type="debit", reference="R1"),
    "statement": lambda view: wallets.statement(
        view, ALICE, since=START + 50, until=START + 90, limit=20
    ),
    "entry": lambda view: ledger.entry(view, ledger.entry_id(40, 0)),
    "entries": lambda view: ledger.entries(view, since=START + 50, until=START + 60),
    "khata": lambda view: khata.khata_book(view, "alice", since=START + 50, limit=20),
    "totals": lambda view: khata.khata_totals(view, "alice", START + 50, START + 60),
}


@pytest.fixture
def book(database_url):
    clock = iter(range(START, START + 1000 * SECOND))
    with Khata.open(database_url, clock=lambda: next(clock), migrate=True) as opened:
        for owner in ("alice", "bob"):
            opened.submit(wallets.OpenWallet(owner, "BDT"))
        for step in range(100):
            amount = Money("1.00", "BDT")
            opened.submit(wallets.Credit(ALICE, amount, reference=f"R{step % 2}"))
        if opened.database.dialect == "postgres":
            with opened.database.changing() as connection:
                connection.exec_driver_sql("ANALYZE")
        yield opened


def plans_of(book, ask):
    """The plan of every statement that `ask` sends, as text."""
    sent, plans = [], []

    def hear(_connection, _cursor, statement, values, _context, _many):
        sent.append((statement, values))

    sa.event.listen(book.database.engine, "before_cursor_execute", hear)
    try:
        with book.view() as view:
            ask(view)
    finally:
        sa.event.remove(book.database.engine, "before_cursor_execute", hear)
    explain = "EXPLAIN QUERY PLAN " if book.database.dialect == "sqlite" else "EXPLAIN "
    with book.database.reading() as connection:
        if book.database.dialect == "postgres":
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        for statement, values in sent:
            if statement.startswith(("SELECT", "WITH")):
                rows = connection.exec_driver_sql(explain + statement, values)
                plans.append("\n".join(str(row[-1]) for row in rows))
    return plans


@pytest.mark.parametrize("name", ASKS)
def test_no_long_table_is_walked(book, name):
    """Every table that grows with each command is entered by book and key."""
    for plan in plans_of(book, ASKS[name]):
        walked = re.findall(r"(?:SCAN|Seq Scan on) (\w+)", plan)
        assert not set(walked) & set(LONG), plan
        whole_book = r"\(book_id=\?\)|Index Cond: \(book_id = \d+\)$"
        assert not re.search(whole_book, plan, re.MULTILINE), plan


@pytest.mark.parametrize("name", ASKS)
def test_few_statements_answer(book, name):
    """What is shown takes a fixed few statements, however long the page."""
    assert len(plans_of(book, ASKS[name])) <= 8


def test_a_choice_among_texts_is_stored_as_that_text(book):
    """A status or a kind can be compared in a query as it reads."""
    with book.database.reading() as connection:
        found = connection.exec_driver_sql("SELECT DISTINCT status, kind FROM accounts")
        assert {tuple(row) for row in found} == {("active", "asset"), ("active", "liability")}
