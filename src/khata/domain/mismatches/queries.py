"""Reading mismatches and repairs, and which orders are worth a look: for staff and services."""

from __future__ import annotations

from typing import Any, Final, TypeVar, get_args

import sqlalchemy as sa

from khata.base.paging import Page, checked_limit, from_cursor, paged
from khata.domain import orders
from khata.domain.mismatches import rules
from khata.domain.mismatches.finding import is_news, receipt_seconds
from khata.domain.mismatches.model import (
    Kind,
    Mismatch,
    MismatchState,
    MismatchStatus,
    Repair,
    RepairState,
    Unlike,
)
from khata.domain.mismatches.showing import mismatch_state, repair_state
from khata.engine.database import View
from khata.engine.reading import among, checked_text, is_storable, record, records, select
from khata.engine.records import Record
from khata.engine.tables import table_of
from khata.errors import Invalid
from khata.errors.operations import MismatchNotFound

R = TypeVar("R", bound=Record)
_KNOWN: Final[dict[str, tuple[str, ...]]] = {
    "kind": get_args(Kind),
    "status": get_args(MismatchStatus),
    "repair": ("waiting", "applied", "failed"),
}


def mismatch(view: View, id: str) -> MismatchState:  # noqa: A002 - the name it has outside
    """One mismatch. Errors: `MismatchNotFound`; `NotYours` for owners."""
    return mismatch_state(_one(view, Mismatch, id, "mismatch"), view.now)


def mismatches(
    view: View,
    *,
    order: str | None = None,
    kind: str | None = None,
    status: str | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[MismatchState]:
    """Mismatches, those that were found last first.

    Errors: `NotYours` for owners; `Invalid` limit, kind or status; `InvalidCursor`.
    """
    view.check_owner(None)
    _check_known("kind", kind, "kind")
    _check_known("status", status, "status")
    where = {"order": order, "kind": kind, "status": status}
    found, limit = _newest(view, Mismatch, "found_at", where, cursor, limit)
    page = paged(found, limit, lambda item: (item.found_at, item.id))
    return Page([mismatch_state(item, view.now) for item in page.items], page.next)


def repair(view: View, id: str) -> RepairState:  # noqa: A002 - the name it has outside
    """One repair, with its plan and what it entered. Errors: `MismatchNotFound`; `NotYours`."""
    return repair_state(_one(view, Repair, id, "repair"))


def repairs(
    view: View,
    *,
    order: str | None = None,
    status: str | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[RepairState]:
    """Repairs, the newest first: who asked for what and why, and what became of it.

    Errors: `NotYours` for owners; `Invalid` limit or status; `InvalidCursor`.
    """
    view.check_owner(None)
    _check_known("status", status, "repair")
    where = {"order": order, "status": status}
    found, limit = _newest(view, Repair, "asked_at", where, cursor, limit)
    page = paged(found, limit, lambda item: (item.asked_at, item.id))
    return Page([repair_state(item) for item in page.items], page.next)


def unlike(view: View, *, cursor: str | None = None, limit: int = 200) -> Unlike:
    """Look at a page of all orders, by their references, and tell of which something else is found
    than is written down: those are for `Sweep`.

    Errors: `NotYours` for owners; `Invalid` limit, `InvalidCursor`.
    """
    page = orders.standings(view, cursor=cursor, limit=limit)
    seconds = receipt_seconds(orders.policy(view))
    known: dict[str, list[Mismatch]] = {}
    for item in among(view, Mismatch, "watched", {standing.ref for standing in page.items}):
        known.setdefault(item.order, []).append(item)
    news = [
        standing.ref
        for standing in page.items
        if is_news(
            rules.found(standing, view.now, receipt_seconds=seconds), known.get(standing.ref, [])
        )
    ]
    return Unlike(news, len(page.items), page.next)


def _check_known(name: str, value: str | None, known: str) -> None:
    if value is not None and value not in _KNOWN[known]:
        raise Invalid(f"None has this {name}.", expected=list(_KNOWN[known]), got=value[:40])


def _one(view: View, cls: type[R], name: str, word: str) -> R:
    view.check_owner(None)
    found = record(view, cls, name) if is_storable(name) else None
    if found is None:
        raise MismatchNotFound(f"No {word} {name[:60]!r}.", got=name[:60])
    return found


def _newest(
    view: View,
    cls: type[R],
    at: str,
    where: dict[str, Any],
    cursor: str | None,
    limit: int,
) -> tuple[list[R], int]:
    """A page's rows and one more, newest first."""
    of = table_of(cls).c
    query = select(view, cls)
    for name, value in where.items():
        if checked_text(value, name) is not None:
            query = query.where(of[name] == value)
    if cursor is not None:
        query = query.where(sa.tuple_(of[at], of.id) < from_cursor(cursor, int, str))
    query = query.order_by(of[at].desc(), of.id.desc()).limit(checked_limit(limit) + 1)
    return records(view, cls, query), limit
