"""Who was taken over from another system, by whom, when and why."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from khata.base.paging import Page, checked_limit, from_cursor, paged
from khata.domain.legacy.model import Takeover, TakeoverState
from khata.domain.legacy.rules import state_of
from khata.engine.database import View
from khata.engine.reading import checked_text, record, records, select
from khata.engine.tables import table_of

_TAKEOVERS: Final = table_of(Takeover)


def takeover(view: View, snapshot: str, customer: str) -> TakeoverState | None:
    """How a customer was taken over from another system, None when they were not.

    Errors: `NotYours` for owners; `Invalid` for texts that nothing can be called.
    """
    view.check_owner(None)
    checked_text(snapshot, "snapshot")
    checked_text(customer, "customer")
    found = record(view, Takeover, (snapshot, customer))
    return None if found is None else state_of(found)


def takeovers(view: View, *, cursor: str | None = None, limit: int = 50) -> Page[TakeoverState]:
    """Customers who were taken over, the latest first.

    Errors: `NotYours` for owners; `Invalid` limit; `InvalidCursor`.
    """
    view.check_owner(None)
    of, query = _TAKEOVERS.c, select(view, Takeover)
    if cursor is not None:
        place = sa.tuple_(of.at, of.snapshot, of.customer)
        query = query.where(place < from_cursor(cursor, int, str, str))
    query = query.order_by(of.at.desc(), of.snapshot.desc(), of.customer.desc())
    found = records(view, Takeover, query.limit(checked_limit(limit) + 1))
    page = paged(found, limit, lambda item: (item.at, item.snapshot, item.customer))
    return Page([state_of(item) for item in page.items], page.next)
