"""Reading earnings: owners see their own."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa

from khata.base import ids
from khata.base.clock import Instant, to_iso
from khata.base.money import to_text
from khata.base.paging import Page, checked_limit, from_cursor, paged
from khata.domain.earnings import rules
from khata.domain.earnings.model import (
    EARNINGS,
    CountedMission,
    CreatorRate,
    Earning,
    EarningPolicy,
    EarningState,
    EarningTotal,
    PaidMission,
    RateState,
    VideoViews,
    ViewsState,
)
from khata.domain.setup import Setting
from khata.engine.database import View
from khata.engine.reading import (
    checked_text,
    exact_sum,
    is_storable,
    joined,
    record,
    records,
    select,
    seq_at,
)
from khata.engine.tables import table_of
from khata.errors import NotFound, NotYours

_EARNINGS: Final = table_of(Earning)
_VIDEOS: Final = table_of(VideoViews)
_MISSIONS: Final = table_of(CountedMission)


def earnings(
    view: View,
    *,
    owner: str | None = None,
    kind: str | None = None,
    since: Instant | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[EarningState]:
    """Earnings, newest first; an owner sees their own. `since`: paid at that instant or later.

    Errors: `NotYours`, `Invalid`, `InvalidCursor`.
    """
    of = _EARNINGS.c
    query = select(view, Earning)
    for name, value in (("owner", _whose(view, owner)), ("kind", kind)):
        if checked_text(value, name) is not None:
            query = query.where(of[name] == value)
    query = _since(view, query, since)
    if cursor is not None:
        query = query.where(of.number < from_cursor(cursor, int)[0])
    query = query.order_by(of.number.desc()).limit(checked_limit(limit) + 1)
    page = paged(records(view, Earning, query), limit, lambda one: (one.number,))
    return Page([rules.earning_state(one) for one in page.items], page.next)


def totals(view: View, owner: str, *, since: Instant | None = None) -> list[EarningTotal]:
    """What an owner earned, by kind and currency. Errors: `NotYours`, `Invalid`."""
    view.check_owner(owner)
    checked_text(owner, "owner")
    of = _EARNINGS.c
    by = (of.kind, of.unit, of.exponent)
    query = sa.select(*by, sa.func.count(), *exact_sum(of.amount))
    query = query.where(of.book_id == view.book_id, of.owner == owner)
    found = view.rows(_since(view, query, since).group_by(*by).order_by(*by))
    return [
        EarningTotal(row[0], row[1], int(row[3]), to_text(joined(row[4:]), row[2]))
        for row in map(tuple, found)
    ]


def _since(view: View, query: sa.Select[Any], since: Instant | None) -> sa.Select[Any]:
    """An earning's number grows with the command that paid it, and so with time."""
    if since is None:
        return query
    return query.where(_EARNINGS.c.number >= ids.number(seq_at(view, since - 1) + 1, 0))


def views(view: View, video: str) -> ViewsState:
    """What is counted of a video. Errors: `NotFound`, `NotYours`."""
    found = record(view, VideoViews, video) if is_storable(video) else None
    owner = view.actor.owner
    if owner is not None and (found is None or found.creator != owner):
        raise NotYours("This is not yours, or does not exist.", expected=owner)
    if found is None:
        raise NotFound(f"No views of {video[:100]!r} are counted.", got=video[:100])
    return rules.views_state(found)


def videos(
    view: View, creator: str, *, cursor: str | None = None, limit: int = 50
) -> Page[ViewsState]:
    """A creator's videos by name. Errors: `NotYours`, `Invalid`, `InvalidCursor`."""
    view.check_owner(creator)
    checked_text(creator, "creator")
    of = _VIDEOS.c
    query = select(view, VideoViews).where(of.creator == creator)
    if cursor is not None:
        query = query.where(of.video > from_cursor(cursor, str)[0])
    query = query.order_by(of.video).limit(checked_limit(limit) + 1)
    page = paged(records(view, VideoViews, query), limit, lambda one: (one.video,))
    return Page([rules.views_state(one) for one in page.items], page.next)


def missions(
    view: View, rider: str, *, cursor: str | None = None, limit: int = 50
) -> Page[PaidMission]:
    """A rider's deliveries, newest first. Errors: `NotYours`, `Invalid`, `InvalidCursor`."""
    view.check_owner(rider)
    checked_text(rider, "rider")
    of = _MISSIONS.c
    query = select(view, CountedMission).where(of.rider == rider)
    if cursor is not None:
        query = query.where(of.number < from_cursor(cursor, int)[0])
    query = query.order_by(of.number.desc()).limit(checked_limit(limit) + 1)
    page = paged(records(view, CountedMission, query), limit, lambda one: (one.number,))
    return Page([rules.mission_state(one) for one in page.items], page.next)


def rate(view: View, creator: str) -> RateState:
    """What a creator gets for a thousand views now. Errors: `NotYours`, `Invalid`."""
    view.check_owner(creator)
    checked_text(creator, "creator")
    known, otherwise = record(view, CreatorRate, creator), policy(view).views.otherwise
    if known is None or known.unit != otherwise.currency:
        return RateState(creator, otherwise.amount, otherwise.currency, agreed=False, set_at=None)
    text = to_text(known.per_thousand, known.exponent)
    return RateState(creator, text, known.unit, agreed=True, set_at=to_iso(known.set_at))


def policy(view: View) -> EarningPolicy:
    """How earnings are measured in this book. Errors: `Invalid`."""
    known = record(view, Setting, EARNINGS)
    return rules.policy_in(known.value if known else {})


def _whose(view: View, owner: str | None) -> str | None:
    """Whom a list is about: an owner's own when an owner asks. Errors: `NotYours`."""
    if owner is None:
        return view.actor.owner
    view.check_owner(owner)
    return owner
