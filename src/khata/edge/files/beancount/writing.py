"""A book as a Beancount file that `bean-check` accepts.

Every account with its opening, every entry in order, and at the end the book's own balances as
assertions. It is one snapshot, written as it is read. What Beancount has no word for (holds,
limits, refusals) stays in the book: the journal is the whole of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from itertools import groupby
from typing import Final, TextIO

import msgspec
import sqlalchemy as sa

from khata.app import Khata
from khata.base.actor import SYSTEM, Actor
from khata.base.clock import to_iso
from khata.base.units import ISO_4217
from khata.domain import ledger
from khata.domain.ledger import AccountView, EntryView
from khata.domain.setup import Unit
from khata.edge.files.beancount import names, text
from khata.edge.files.feeding import Progress
from khata.engine import reading
from khata.engine.accounts import SIDE
from khata.engine.database import View
from khata.engine.tables import JOURNAL
from khata.errors import BookCorrupted

_PAGE: Final = 1000
_DAY: Final = len("2026-01-31")
_FIRST_DAY: Final = "1970-01-01"
_TELL_EVERY: Final = 1000


def export_beancount(
    book: Khata, stream: TextIO, *, actor: Actor = SYSTEM, progress: Progress | None = None
) -> int:
    """Write the whole book; the number of entries.

    `progress`: told (commands done, commands in the book). Errors: `NotYours` for owners.
    """
    with book.view(actor) as view:
        head = reading.head(view)
        commodities = _Commodities(view)
        stream.write(text.HEADER + text.option("title", f"Khata, book {book.book}") + "\n")
        stream.writelines(
            text.commodity(_FIRST_DAY, name, {"unit": unit}) for unit, name in commodities.own()
        )
        stream.writelines(_opening(group, commodities) for group in _accounts(view))
        count, keys = 0, _Keys(view)
        for entry in ledger.stream_entries(view):
            stream.write(_entry(entry, keys.of(entry.seq), commodities))
            count += 1
            if progress is not None and count % _TELL_EVERY == 0:
                progress(entry.seq, head.seq)
        stream.write(f"\n;; Balances after command {head.seq}, head {head.hash.hex()}\n")
        after = date.fromisoformat(to_iso(max(head.at, 0))[:_DAY]) + timedelta(days=1)
        stream.writelines(
            _balances(group, after.isoformat(), commodities) for group in _accounts(view)
        )
        if progress is not None:
            progress(head.seq, head.seq)
    return count


class _Commodities:
    """How the units of a book are written."""

    def __init__(self, view: View) -> None:
        self._units = reading.records(view, Unit, reading.select(view, Unit))
        taken = {unit.code for unit in self._units} | ISO_4217.keys()
        self._names: dict[str, str] = {}
        for unit in self._units:
            name = unit.name if unit.name not in taken else None
            self._names[unit.code] = names.to_commodity(unit.code, name, unit.exponent)

    def of(self, unit: str) -> str:
        """The commodity of a unit."""
        return self._names.get(unit, unit)

    def own(self) -> list[tuple[str, str]]:
        """The book's own units with their commodities."""
        return sorted(self._names.items())


class _Keys:
    """The idempotency key of each command, read along with the entries, a page at a time."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._page: dict[int, str] = {}

    def of(self, seq: int) -> str:
        """The key of command `seq`; asked for in rising order."""
        if seq not in self._page:
            of = JOURNAL.c
            query = sa.select(of.seq, of.key).where(
                of.book_id == self._view.book_id, of.seq >= seq, of.seq < seq + _PAGE
            )
            self._page = {row.seq: row.key for row in self._view.rows(query)}
        if seq not in self._page:
            raise BookCorrupted(f"The journal lacks seq {seq}.", seq=seq)
        return self._page[seq]


def _accounts(view: View) -> Iterator[list[AccountView]]:
    """Accounts by code: one, or one for each of several units."""
    for _, group in groupby(_each(view), key=lambda account: account.code):
        yield list(group)


def _each(view: View) -> Iterator[AccountView]:
    cursor = None
    while True:
        page = ledger.accounts(view, cursor=cursor, limit=_PAGE)
        yield from page.items
        cursor = page.next
        if cursor is None:
            return


def _opening(group: list[AccountView], commodities: _Commodities) -> str:
    first, code = min(account.opened_at for account in group), group[0].code
    units = sorted({commodities.of(account.currency) for account in group})
    return text.opened(first[:_DAY], names.to_account(code), units, code)


def _balances(group: list[AccountView], day: str, commodities: _Commodities) -> str:
    return "".join(
        text.balance(
            day,
            names.to_account(account.code),
            _plain(account.balance, SIDE[account.kind]),
            commodities.of(account.currency),
        )
        for account in group
    )


def _plain(natural: str, side: int) -> str:
    """A balance with debits positive."""
    if side > 0 or not natural.strip("0."):
        return natural
    return natural[1:] if natural.startswith("-") else f"-{natural}"


def _entry(entry: EntryView, key: str, commodities: _Commodities) -> str:
    values = {
        "id": entry.id,
        "seq": str(entry.seq),
        "at": entry.at,
        "key": key,
        "type": entry.type,
        "source": entry.source,
        "reference": entry.reference,
        "reverses": entry.reverses,
        "metadata": msgspec.json.encode(entry.metadata).decode() if entry.metadata else None,
    }
    postings = [
        (names.to_account(leg.account), leg.signed, commodities.of(leg.currency))
        for leg in entry.legs
    ]
    narration = entry.note or entry.reference or entry.type
    return text.transaction(entry.at[:_DAY], "*", narration, values, postings)
