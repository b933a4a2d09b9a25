"""Reading sales and missions: who has a part in one sees it."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa

from khata.base.paging import Page, checked_limit, from_cursor, paged
from khata.domain.escrow import Escrow
from khata.domain.marketplace.model import Mission, MissionState, Sale, SaleState, subject_of
from khata.domain.marketplace.rules import mission_state, state_of
from khata.engine.database import View
from khata.engine.reading import among, checked_text, is_storable, record, records, select
from khata.engine.tables import table_of
from khata.errors import NotFound, NotYours
from khata.errors.market import SaleNotFound

_SALES: Final = table_of(Sale)
_MISSIONS: Final = table_of(Mission)


def sale(view: View, ref: str) -> SaleState:
    """One sale. Errors: `SaleNotFound`; `NotYours` for who has no part in it."""
    found = record(view, Sale, ref) if is_storable(ref) else None
    owner = view.actor.owner
    if owner is not None and (found is None or owner not in parties(view, found)):
        raise NotYours("This is not yours, or does not exist.", expected=owner)
    if found is None:
        raise SaleNotFound(f"No sale {ref[:100]!r}.", got=ref[:100])
    return state_of(found, record(view, Escrow, subject_of(ref)))


def parties(view: View, found: Sale) -> set[str | None]:
    """Who has a part in a sale."""
    mission = record(view, Mission, found.mission) if found.mission else None
    rider = mission.rider if mission else None
    return {found.customer, found.partner, found.creator, rider} - {None}


def sales(
    view: View,
    *,
    customer: str | None = None,
    partner: str | None = None,
    creator: str | None = None,
    status: str | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[SaleState]:
    """Sales, newest first; an owner sees those where they buy, sell or are the creator.

    Errors: `Invalid` limit, `InvalidCursor`.
    """
    of, query = _SALES.c, select(view, Sale)
    wanted = {"customer": customer, "partner": partner, "creator": creator, "status": status}
    for name, value in wanted.items():
        if checked_text(value, name) is not None:
            query = query.where(of[name] == value)
    if cursor is not None:
        query = query.where(sa.tuple_(of.placed_at, of.ref) < from_cursor(cursor, int, str))
    query = _newest(_SALES, query, checked_limit(limit) + 1)
    if view.actor.owner is not None:
        query = _mine(query, view.actor.owner, limit + 1)
    page = paged(records(view, Sale, query), limit, lambda item: (item.placed_at, item.ref))
    kept = {
        item.ref: item
        for item in among(view, Escrow, "ref", {subject_of(found.ref) for found in page.items})
    }
    return Page([state_of(item, kept.get(subject_of(item.ref))) for item in page.items], page.next)


def _newest(of: sa.FromClause, query: sa.Select[Any], limit: int) -> sa.Select[Any]:
    return query.order_by(of.c.placed_at.desc(), of.c.ref.desc()).limit(limit)


def _mine(query: sa.Select[Any], owner: str, limit: int) -> sa.Select[Any]:
    """The newest of those where an owner buys, sells or is the creator: each has its own index,
    so that no more is read than what may be shown.
    """
    columns = (_SALES.c.customer, _SALES.c.partner, _SALES.c.creator)
    parts = [query.where(column == owner).subquery() for column in columns]
    found = sa.union(*(sa.select(part) for part in parts)).subquery()
    return _newest(found, sa.select(found), limit)


def mission(view: View, name: str) -> MissionState:
    """One mission. Errors: `NotFound`; `NotYours` for who is not its rider."""
    found = record(view, Mission, name) if is_storable(name) else None
    owner = view.actor.owner
    if owner is not None and (found is None or owner != found.rider):
        raise NotYours("This is not yours, or does not exist.", expected=owner)
    if found is None:
        raise NotFound(f"No mission {name[:60]!r}.", got=name[:60])
    return mission_state(found)


def missions(
    view: View,
    *,
    rider: str | None = None,
    status: str | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[MissionState]:
    """Missions, newest first; a rider sees their own.

    Errors: `NotYours`, `Invalid` limit, `InvalidCursor`.
    """
    of, query = _MISSIONS.c, select(view, Mission)
    if view.actor.owner is not None:
        view.check_owner(rider or view.actor.owner)
        rider = view.actor.owner
    for name, value in (("rider", rider), ("status", status)):
        if checked_text(value, name) is not None:
            query = query.where(of[name] == value)
    if cursor is not None:
        query = query.where(sa.tuple_(of.opened_at, of.id) < from_cursor(cursor, int, str))
    query = query.order_by(of.opened_at.desc(), of.id.desc()).limit(checked_limit(limit) + 1)
    page = paged(records(view, Mission, query), limit, lambda item: (item.opened_at, item.id))
    return Page([mission_state(item) for item in page.items], page.next)
