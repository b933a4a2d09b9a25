"""Reading a book: records by their keys, places in time, the journal itself.

Time is found by bisection: sequence numbers have no gaps and `at` never goes back, so the last
command at or before an instant is some forty look-ups in the journal's primary key away.

What belongs to a row is fetched by `looked_up` rather than by joins: a planner with stale figures
may turn a join into a walk over a whole table, and cannot do so with a subquery by primary key.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeVar

import sqlalchemy as sa

from khata.base.clock import Instant
from khata.base.paging import Page, checked_limit, from_cursor, paged
from khata.engine.database import View
from khata.engine.journal import Head, JournalRow, Refusal
from khata.engine.records import Record, spec
from khata.engine.tables import BOOKS, JOURNAL, REFUSALS, table_of
from khata.errors import BookCorrupted, Invalid

R = TypeVar("R", bound=Record)
T = TypeVar("T")
_FURTHEST: Final = 1 << 62
_STRIDE: Final = 1 << 40  # above the number of commands that a book will ever see
_HALF: Final = 10**9
_MOST_KEYS: Final = 5000


# ── records ──────────────────────────────────────────────────────────────────────────


def select(view: View, cls: type[R]) -> sa.Select[Any]:
    """All rows of a record class in this book, for `records`; add `where` and `order_by`."""
    table = table_of(cls)
    columns = [table.c[name] for name in spec(cls).names]
    return sa.select(*columns).where(table.c.book_id == view.book_id)


def records(view: View, cls: type[R], query: sa.Select[Any]) -> list[R]:
    """The records that a `select` gives."""
    decode = spec(cls).decode
    return [decode(tuple(row)) for row in view.rows(query)]


def record(view: View, cls: type[R], key: Any) -> R | None:
    """The record with this key (a tuple where several columns make it), or None."""
    names = cls.TABLE.key
    values = key if len(names) > 1 else (key,)
    table = table_of(cls)
    wanted = [table.c[name] == value for name, value in zip(names, values, strict=True)]
    found = records(view, cls, select(view, cls).where(*wanted))
    return found[0] if found else None


def among(view: View, cls: type[R], column: str, values: set[Any]) -> list[R]:
    """The records whose column has one of these values, in as few queries as fit."""
    wanted = sorted(values)
    of = table_of(cls).c[column]
    found: list[R] = []
    for start in range(0, len(wanted), _MOST_KEYS):
        part = wanted[start : start + _MOST_KEYS]
        found += records(view, cls, select(view, cls).where(of.in_(part)))
    return found


def looked_up(view: View, column: sa.ColumnElement[Any], *key: Any) -> sa.ScalarSelect[Any]:
    """A column of the row with this primary key (without `book_id`), null when there is none."""
    table = column.table
    names = [part.name for part in table.primary_key]
    wanted = [table.c[name] == part for name, part in zip(names[1:], key, strict=True)]
    query = sa.select(column).where(table.c.book_id == view.book_id, *wanted)
    return query.correlate_except(table).scalar_subquery()


def checked_text(text: str | None, name: str) -> str | None:
    """A text to look for. Errors: `Invalid` for one that no database can hold."""
    if text is not None and not is_storable(text):
        raise Invalid(f"The {name} holds a NUL or half a character.", expected="plain text")
    return text


def is_storable(text: str) -> bool:
    """Whether every database can hold this text."""
    return "\x00" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)


def exact_sum(amount: sa.ColumnElement[int]) -> tuple[sa.ColumnElement[Any], ...]:
    """Two columns whose `joined` values are the sum of `amount`, where one might overflow."""
    return (
        sa.func.coalesce(sa.func.sum(amount // _HALF), 0),
        sa.func.coalesce(sa.func.sum(amount % _HALF), 0),
    )


def joined(parts: Sequence[Any]) -> int:
    """The sum that the two columns of `exact_sum` stand for."""
    high, low = parts
    return int(high) * _HALF + int(low)


# ── time ─────────────────────────────────────────────────────────────────────────────


def seq_at(view: View, instant: Instant) -> int:
    """The last command at or before an instant; 0 when there was none yet."""
    start = sa.select(
        sa.literal(0, sa.BigInteger).label("seq"), sa.literal(_STRIDE, sa.BigInteger).label("step")
    )
    found = start.cte("found", recursive=True)
    at = looked_up(view, JOURNAL.c.at, found.c.seq + found.c.step)
    bound = min(max(instant, -_FURTHEST), _FURTHEST)
    further = sa.case((at <= bound, found.c.seq + found.c.step), else_=found.c.seq)
    found = found.union_all(sa.select(further, found.c.step // 2).where(found.c.step > 0))
    row = view.row(sa.select(found.c.seq).where(found.c.step == 0))
    return int(row.seq) if row else 0


# ── the journal ──────────────────────────────────────────────────────────────────────


def head(view: View) -> Head:
    """Where the book stands in this snapshot."""
    of = BOOKS.c
    query = sa.select(of.seq, of.hash, of.at, of.refusals, of.refusals_hash)
    row = view.row(query.where(of.id == view.book_id))
    if row is None:
        raise BookCorrupted("The book's head is missing.", book=view.book_id)
    return Head(*tuple(row))


def journal(view: View, *, after: int = 0, limit: int = 1000) -> list[JournalRow]:
    """Up to `limit` (1 to 1000) rows behind `after`, in order. Errors: `NotYours` for owners."""
    view.check_owner(None)
    columns = [JOURNAL.c[name] for name in JournalRow.__struct_fields__]
    query = (
        sa.select(*columns)
        .where(JOURNAL.c.book_id == view.book_id, JOURNAL.c.seq > after)
        .order_by(JOURNAL.c.seq)
        .limit(checked_limit(limit))
    )
    return [JournalRow(*tuple(row)) for row in view.rows(query)]


def refusals(view: View, *, cursor: str | None = None, limit: int = 50) -> Page[Refusal]:
    """Refused commands, newest first. Errors: `NotYours` for owners, `InvalidCursor`."""
    view.check_owner(None)
    columns = [REFUSALS.c[name] for name in Refusal.__struct_fields__]
    query = sa.select(*columns).where(REFUSALS.c.book_id == view.book_id)
    if cursor is not None:
        query = query.where(REFUSALS.c.n < from_cursor(cursor, int)[0])
    query = query.order_by(REFUSALS.c.n.desc()).limit(checked_limit(limit) + 1)
    found = [Refusal(*tuple(row)) for row in view.rows(query)]
    return paged(found, limit, lambda refusal: (refusal.n,))
