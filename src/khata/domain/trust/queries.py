"""Reading trust: scores, their history, what events are worth. Owners see their own."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from khata.base.clock import to_iso
from khata.base.money import to_text
from khata.base.paging import Page, checked_limit, from_cursor, paged
from khata.domain.setup import Setting, Unit
from khata.domain.trust.model import (
    TRUST,
    XP,
    TrustEvent,
    TrustLine,
    TrustRules,
    TrustScore,
    TrustState,
)
from khata.domain.trust.rules import START, rules_in
from khata.domain.wallets import balance
from khata.engine.database import View
from khata.engine.reading import checked_text, record, records, select
from khata.engine.tables import table_of

_EVENTS: Final = table_of(TrustEvent)


def score(view: View, owner: str) -> TrustState:
    """An owner's score and experience; of whom nothing is known, the start.

    Errors: `NotYours`, `Invalid`.
    """
    view.check_owner(owner)
    checked_text(owner, "owner")
    known = record(view, TrustScore, owner)
    if known is None:
        return TrustState(owner, START, 0, 0, 0, "0", None)
    xp = balance(view, f"{owner}/xp/{XP.code}").balance
    return TrustState(
        owner, known.score, known.good, known.bad, known.events, xp, to_iso(known.changed_at)
    )


def history(
    view: View, owner: str, *, cursor: str | None = None, limit: int = 50
) -> Page[TrustLine]:
    """An owner's events, newest first. Errors: `NotYours`, `Invalid`, `InvalidCursor`."""
    view.check_owner(owner)
    checked_text(owner, "owner")
    of = _EVENTS.c
    query = select(view, TrustEvent).where(of.owner == owner)
    if cursor is not None:
        query = query.where(sa.tuple_(of.seq, of.n) < from_cursor(cursor, int, int))
    query = query.order_by(of.seq.desc(), of.n.desc()).limit(checked_limit(limit) + 1)
    page = paged(records(view, TrustEvent, query), limit, lambda line: (line.seq, line.n))
    unit = record(view, Unit, XP.code) or XP
    return Page([_line(event, unit.exponent) for event in page.items], page.next)


def _line(event: TrustEvent, places: int) -> TrustLine:
    return TrustLine(
        event.event,
        to_text(event.xp, places),
        event.good,
        event.bad,
        event.score_after,
        event.reference,
        to_iso(event.at),
    )


def rules(view: View) -> TrustRules:
    """What every event is worth in this book."""
    known = record(view, Setting, TRUST)
    return TrustRules(rules_in(known.value if known else {}))
