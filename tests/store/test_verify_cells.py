"""The verifier notices a change of any cell of any table of a book in which everything happened."""

import random

import sqlalchemy as sa

from khata import Khata
from khata.engine.tables import METADATA
from khata.testing import VirtualClock
from tests.everything import OWN, VAULT, everything
from tests.store.histories import Hands, play, seeded_moves
from tests.store.test_verify import said


def other(value, column):
    """Some other value that the column can hold."""
    if isinstance(column.type, sa.LargeBinary):
        return bytes([value[0] ^ 1]) + value[1:]
    if isinstance(column.type, sa.Boolean):
        return not value
    if isinstance(column.type, sa.Text):
        return "[]" if value is None else value + "x"
    return 1 if value is None else value + 1_000_000


def cells(book):
    """One row of every table, column by column: (table, column, key, value)."""
    for name, target in METADATA.tables.items():
        book_id = target.c["id" if name == "books" else "book_id"]
        with book.database.reading() as connection:
            row = connection.execute(target.select().where(book_id == book.book_id)).first()
        for column in target.c if row else ():
            key = {part.name: getattr(row, part.name) for part in target.primary_key}
            yield target, column, key, getattr(row, column.name)


UNGUARDED = {
    "books": {"id", "name", "created_at", "mark"},
}
"""Columns that are no part of a book's content."""
BESIDE = {
    "consumers",
    "webhook_deliveries",
    "messages",
    "message_receivers",
    "mailboxes",
    "conversations",
    "conversation_members",
    "message_keys",
    "message_spools",
    "message_outbox",
}
"""Tables of bookkeeping that is no part of any book."""


def changed(book, target, column, key, value):
    """Write one cell of the row with this key."""
    where = [target.c[name] == part for name, part in key.items()]
    with book.database.changing() as connection:
        connection.execute(target.update().where(*where).values({column.name: value}))


def test_no_cell_of_any_table_can_be_touched_unnoticed(database_url, seed, soak):
    """Every column of every table, one after the other: noticed, and without a flood of words.

    A seeded share of them; in the long run each.
    """
    unnoticed, floods, clock = [], [], Hands()
    often = 6 if database_url.startswith("sqlite") else 24
    chance, share = random.Random(seed), 1 if soak else often
    with Khata.open(database_url, clock=clock) as book:
        play(book, clock, seeded_moves(5, 120))
    clock = VirtualClock()
    with Khata.open(database_url, clock=clock, vault=VAULT, sagas=[OWN]) as book:
        everything(book, clock)
        assert {target.name for target, *_ in cells(book)} == set(METADATA.tables) - BESIDE
        for target, column, key, value in list(cells(book)):
            if column.name in UNGUARDED.get(target.name, {"book_id"}) or chance.randrange(share):
                continue
            wrong = other(value, column)
            changed(book, target, column, key, wrong)
            found = said(book)
            moved = {**key, column.name: wrong} if column.name in key else key
            changed(book, target, column, moved, value)
            if not found:
                unnoticed.append((target.name, column.name))
            if len(found) > 12:
                floods.append((target.name, column.name, len(found)))
        assert (unnoticed, floods, said(book)) == ([], [], [])
