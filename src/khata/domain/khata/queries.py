"""Reading a personal account book: its lines, newest first, and what they add up to.

A line about a movement is the posting itself and stands at the time of its command; a manual line
stands at the time that its owner gave.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
import sqlalchemy as sa

from khata.base import ids
from khata.base.clock import Instant, to_iso
from khata.base.money import to_text
from khata.base.paging import Page, checked_limit, from_cursor, paged
from khata.domain.khata.model import KhataEntry
from khata.domain.setup import KhataKind
from khata.engine.accounts import SIDE, Account, Entry, Posting
from khata.engine.database import View
from khata.engine.reading import checked_text, exact_sum, joined, looked_up, records, select, seq_at
from khata.engine.tables import JOURNAL, table_of

_ACCOUNTS: Final = table_of(Account)
_ENTRIES: Final = table_of(Entry)
_LINES: Final = table_of(KhataEntry)
_POSTINGS: Final = table_of(Posting)


class KhataLine(msgspec.Struct, frozen=True):
    """A line of an owner's khata. `amount`: decimal string, positive when money came.

    `wallet`, `entry`: the path and the id of what it is about; None for a `manual` line.
    """

    id: str
    at: str
    kind: KhataKind
    category: str
    amount: str
    currency: str
    wallet: str | None
    entry: str | None
    note: str | None
    manual: bool


class KhataTotal(msgspec.Struct, frozen=True):
    """What the lines of one kind and category add up to: a decimal string with its sign."""

    currency: str
    kind: KhataKind
    category: str
    total: str


def khata_book(
    view: View,
    owner: str,
    *,
    since: Instant | None = None,
    until: Instant | None = None,
    line: str | None = None,
    category: str | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[KhataLine]:
    """The lines of an owner's khata, last written first. `since` is included, `until` is not.

    `line`: only this kind (income, expense, transfer, loan_given, loan_taken).
    Errors: `NotYours`, `Invalid` limit, `InvalidCursor`.
    """
    position = None if cursor is None else from_cursor(cursor, int, int)
    wanted = {"kind": checked_text(line, "line"), "category": checked_text(category, "category")}
    most = checked_limit(limit) + 1
    found: list[sa.Row[Any]] = []
    for source in _sources(view, owner, since, until):
        of = source.c
        where = [of[name] == value for name, value in wanted.items() if value is not None]
        if position is not None:
            where.append(sa.tuple_(of.seq, of.leg) < position)
        newest = sa.select(source).where(*where).order_by(of.seq.desc(), of.leg.desc())
        found += view.rows(newest.limit(most))
    found.sort(key=_place, reverse=True)
    page = paged(found[:most], limit, _place)
    return Page([_line(row) for row in page.items], page.next)


def khata_totals(
    view: View, owner: str, since: Instant | None = None, until: Instant | None = None
) -> list[KhataTotal]:
    """Totals of an owner's khata by currency, kind and category. Errors: `NotYours`."""
    sums: dict[tuple[str, KhataKind, str], int] = {}
    places: dict[str, int] = {}
    for source in _sources(view, owner, since, until):
        of = source.c
        group = of.unit, of.exponent, of.kind, of.category
        for row in view.rows(sa.select(*group, *exact_sum(of.amount)).group_by(*group)):
            places[row.unit] = row.exponent
            key = (row.unit, row.kind, row.category)
            sums[key] = sums.get(key, 0) + joined(row[4:])
    return [KhataTotal(*key, to_text(total, places[key[0]])) for key, total in sorted(sums.items())]


def _sources(
    view: View, owner: str, since: Instant | None, until: Instant | None
) -> list[sa.Subquery]:
    """Where an owner's lines of a period are: each account's postings, and the manual lines.

    Apart, each is read by its primary key from the newest on and no further than a page.
    """
    view.check_owner(owner)
    checked_text(owner, "owner")
    manual, moved = _by_hand(view, owner), []
    if since is not None:
        moved.append(_POSTINGS.c.seq > seq_at(view, since - 1))
        manual = manual.where(_LINES.c.happened_at >= since)
    if until is not None:
        moved.append(_POSTINGS.c.seq <= seq_at(view, until - 1))
        manual = manual.where(_LINES.c.happened_at < until)
    accounts = records(view, Account, select(view, Account).where(_ACCOUNTS.c.owner == owner))
    found = [_movements(view, account).where(*moved) for account in accounts]
    return [query.subquery() for query in (manual, *found)]


def _movements(view: View, account: Account) -> sa.Select[Any]:
    of = _POSTINGS.c
    return sa.select(
        of.seq,
        of.leg,
        of.line.label("kind"),
        of.category,
        (of.amount * SIDE[account.kind]).label("amount"),
        sa.literal(account.unit, sa.Text).label("unit"),
        sa.literal(account.exponent, sa.BigInteger).label("exponent"),
        looked_up(view, _ENTRIES.c.note, of.seq, of.entry).label("note"),
        looked_up(view, JOURNAL.c.at, of.seq).label("at"),
        sa.literal(account.code, sa.Text).label("code"),
        of.entry,
    ).where(of.book_id == view.book_id, of.account_id == account.id, of.line.is_not(None))


def _by_hand(view: View, owner: str) -> sa.Select[Any]:
    of = _LINES.c
    return sa.select(
        of.seq,
        sa.literal(0, sa.BigInteger).label("leg"),
        of.kind,
        of.category,
        of.amount,
        of.unit,
        of.exponent,
        of.note,
        of.happened_at.label("at"),
        sa.cast(sa.null(), sa.Text).label("code"),
        sa.cast(sa.null(), sa.BigInteger).label("entry"),
    ).where(of.book_id == view.book_id, of.owner == owner)


def _place(row: Any) -> tuple[int, int]:
    return row.seq, row.leg


def _line(row: Any) -> KhataLine:
    manual = row.code is None
    return KhataLine(
        ids.to_text("kha", ids.number(row.seq, row.leg)),
        to_iso(row.at),
        row.kind,
        row.category,
        to_text(row.amount, row.exponent),
        row.unit,
        None if manual else row.code.removeprefix("wallet/"),
        None if manual else ids.to_text("ent", ids.number(row.seq, row.entry)),
        row.note,
        manual,
    )
