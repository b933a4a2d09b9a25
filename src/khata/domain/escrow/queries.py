"""Reading escrows: who paid, and who receives, see those that are theirs."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from khata.base.paging import Page, checked_limit, from_cursor
from khata.domain.escrow.model import Escrow, EscrowState
from khata.domain.escrow.rules import receiving, state_of
from khata.engine.database import View
from khata.engine.reading import checked_text, is_storable, paged, record, records, select
from khata.engine.tables import table_of
from khata.errors import NotYours
from khata.errors.market import EscrowNotFound

_ESCROWS: Final = table_of(Escrow)


def escrow(view: View, ref: str) -> EscrowState:
    """One escrow. Errors: `EscrowNotFound`; `NotYours` for who neither paid nor receives."""
    found = record(view, Escrow, ref) if is_storable(ref) else None
    owner = view.actor.owner
    if owner is not None and (found is None or owner not in {found.owner, *receiving(found.legs)}):
        raise NotYours("This is not yours, or does not exist.", expected=owner)
    if found is None:
        raise EscrowNotFound(f"No escrow {ref[:100]!r}.", got=ref[:100])
    return state_of(found)


def escrows(
    view: View,
    *,
    owner: str | None = None,
    status: str | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[EscrowState]:
    """Escrows, newest first; an owner sees those that they paid into.

    Errors: `NotYours`, `Invalid` limit, `InvalidCursor`.
    """
    of, query = _ESCROWS.c, select(view, Escrow)
    if view.actor.owner is not None:
        view.check_owner(owner or view.actor.owner)
        owner = view.actor.owner
    for name, value in (("owner", owner), ("status", status)):
        if checked_text(value, name) is not None:
            query = query.where(of[name] == value)
    if cursor is not None:
        query = query.where(sa.tuple_(of.funded_at, of.ref) < from_cursor(cursor, int, str))
    query = query.order_by(of.funded_at.desc(), of.ref.desc()).limit(checked_limit(limit) + 1)
    page = paged(records(view, Escrow, query), limit, lambda item: (item.funded_at, item.ref))
    return Page([state_of(item) for item in page.items], page.next)
