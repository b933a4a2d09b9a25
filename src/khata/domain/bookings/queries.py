"""Reading bookings: a guest and a host see those that are theirs."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from khata.base.paging import Page, checked_limit, from_cursor, paged
from khata.domain.bookings.model import Booking, BookingState
from khata.domain.bookings.rules import state_of
from khata.engine.database import View
from khata.engine.reading import checked_text, is_storable, record, records, select
from khata.engine.tables import table_of
from khata.errors import BookingNotFound, NotYours

_BOOKINGS: Final = table_of(Booking)


def booking(view: View, ref: str) -> BookingState:
    """One booking. Errors: `BookingNotFound`; `NotYours` for who is neither guest nor host."""
    found = record(view, Booking, ref) if is_storable(ref) else None
    owner = view.actor.owner
    if owner is not None and (found is None or owner not in {found.guest, found.host}):
        raise NotYours("This is not yours, or does not exist.", expected=owner)
    if found is None:
        raise BookingNotFound(f"No booking {ref[:100]!r}.", got=ref[:100])
    return state_of(found)


def bookings(
    view: View,
    *,
    guest: str | None = None,
    host: str | None = None,
    status: str | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[BookingState]:
    """Bookings, newest first; an owner sees those where they are guest or host.

    Errors: `Invalid` limit, `InvalidCursor`.
    """
    of = _BOOKINGS.c
    query = select(view, Booking)
    if view.actor.owner is not None:
        mine = view.actor.owner
        query = query.where(sa.or_(of.guest == mine, of.host == mine))
    for name, value in (("guest", guest), ("host", host), ("status", status)):
        if checked_text(value, name) is not None:
            query = query.where(of[name] == value)
    if cursor is not None:
        query = query.where(sa.tuple_(of.created_at, of.ref) < from_cursor(cursor, int, str))
    query = query.order_by(of.created_at.desc(), of.ref.desc()).limit(checked_limit(limit) + 1)
    page = paged(records(view, Booking, query), limit, lambda item: (item.created_at, item.ref))
    return Page([state_of(item) for item in page.items], page.next)
