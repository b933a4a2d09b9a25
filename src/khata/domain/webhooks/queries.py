"""Reading webhooks: the inbox, who was turned away, endpoints, deliveries, and what happened."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from khata.base.clock import iso_or_none, to_iso
from khata.base.paging import Page, checked_limit, from_cursor, paged
from khata.domain.webhooks import rules
from khata.domain.webhooks.endpoints import EndpointState, Replay, Resend, endpoint_state
from khata.domain.webhooks.model import DeliveryStatus, Endpoint, InboxItem, Rejection, Told
from khata.engine.database import View
from khata.engine.events import Event
from khata.engine.reading import checked_text, is_storable, record, records, select
from khata.engine.tables import DELIVERIES, EVENTS, JOURNAL, table_of
from khata.errors import NotFound

_ITEMS: Final = table_of(InboxItem)
_REJECTIONS: Final = table_of(Rejection)
_ENDPOINTS: Final = table_of(Endpoint)
_MOVED: Final = (*sorted(rules.MOVEMENTS), rules.APPROVED)
_AGAIN: Final = tuple(str(one.__struct_config__.tag) for one in (Replay, Resend))


class ItemView(msgspec.Struct, frozen=True):
    """An event that came in. `due_at`: when it is tried next. Its body is not shown."""

    id: str
    provider: str
    event: str
    type: str
    status: str
    copies: int
    attempts: int
    message: str | None
    digest: str
    sealed: bool
    received_at: str
    due_at: str | None
    settled_at: str | None


class RejectionView(msgspec.Struct, frozen=True):
    """A webhook that was turned away. `missed`: how many before it were not written down."""

    seq: int
    at: str
    provider: str
    code: str
    digest: str | None
    source: str
    missed: int


class DeliveryView(msgspec.Struct, frozen=True):
    """An event for one endpoint. `id` is its `webhook-id`. `next_at`: when it is sent next."""

    id: str
    endpoint: str
    seq: int
    type: str
    status: DeliveryStatus
    attempts: int
    next_at: str | None
    last_status: int | None
    last_error: str | None
    created_at: str
    done_at: str | None


# ── what came in ─────────────────────────────────────────────────────────────────────


def inbox(
    view: View,
    *,
    provider: str | None = None,
    status: str | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[ItemView]:
    """Events that came in, newest first. Errors: `NotYours` for owners, `InvalidCursor`."""
    view.check_owner(None)
    of, query = _ITEMS.c, select(view, InboxItem)
    for name, value in (("provider", provider), ("status", status)):
        if checked_text(value, name) is not None:
            query = query.where(of[name] == value)
    if cursor is not None:
        query = query.where(sa.tuple_(of.received_at, of.id) < from_cursor(cursor, int, str))
    query = query.order_by(of.received_at.desc(), of.id.desc()).limit(checked_limit(limit) + 1)
    page = paged(records(view, InboxItem, query), limit, lambda item: (item.received_at, item.id))
    return Page([_item_view(item) for item in page.items], page.next)


def inbox_item(view: View, id: str) -> ItemView:  # noqa: A002 - the name it has outside
    """One event that came in. Errors: `NotFound`, `NotYours` for owners."""
    return _item_view(raw_item(view, id))


def raw_item(view: View, id: str) -> InboxItem:  # noqa: A002 - the name it has outside
    """One event with its body as it is kept. Errors: `NotFound`, `NotYours` for owners."""
    view.check_owner(None)
    found = record(view, InboxItem, id) if is_storable(id) else None
    if found is None:
        raise NotFound(f"No webhook {id[:60]!r}.", got=id[:60])
    return found


def due_items(view: View, limit: int) -> list[InboxItem]:
    """Events that are to be tried at `view.now`, those that wait longest first."""
    of = _ITEMS.c
    query = select(view, InboxItem).where(of.due_at <= view.now)
    return records(view, InboxItem, query.order_by(of.due_at, of.received_at, of.id).limit(limit))


def rejections(view: View, *, cursor: str | None = None, limit: int = 50) -> Page[RejectionView]:
    """Webhooks that were turned away, newest first. Errors: `NotYours`, `InvalidCursor`."""
    view.check_owner(None)
    of = _REJECTIONS.c
    query = (
        sa.select(*(of[name] for name in Rejection.__struct_fields__), JOURNAL.c.at)
        .join(JOURNAL, sa.and_(JOURNAL.c.book_id == of.book_id, JOURNAL.c.seq == of.seq))
        .where(of.book_id == view.book_id)
    )
    if cursor is not None:
        query = query.where(of.seq < from_cursor(cursor, int)[0])
    query = query.order_by(of.seq.desc()).limit(checked_limit(limit) + 1)
    found = [
        RejectionView(
            row.seq, to_iso(row.at), row.provider, row.code, row.digest, row.source, row.missed
        )
        for row in view.rows(query)
    ]
    return paged(found, limit, lambda item: (item.seq,))


def _item_view(item: InboxItem) -> ItemView:
    return ItemView(
        item.id,
        item.provider,
        item.event,
        item.type,
        item.status,
        item.copies,
        item.attempts,
        item.message,
        item.digest,
        item.sealed,
        to_iso(item.received_at),
        iso_or_none(item.due_at),
        iso_or_none(item.settled_at),
    )


# ── what goes out ────────────────────────────────────────────────────────────────────


def endpoints(view: View) -> list[EndpointState]:
    """Every endpoint, oldest first, without secrets. Errors: `NotYours` for owners."""
    return [endpoint_state(endpoint) for endpoint in raw_endpoints(view)]


def raw_endpoints(view: View) -> list[Endpoint]:
    """Every endpoint with its sealed secrets. Errors: `NotYours` for owners."""
    view.check_owner(None)
    of = _ENDPOINTS.c
    return records(view, Endpoint, select(view, Endpoint).order_by(of.created_at, of.id))


def endpoint(view: View, id: str) -> EndpointState:  # noqa: A002 - the name it has outside
    """One endpoint. Errors: `NotFound`, `NotYours` for owners."""
    view.check_owner(None)
    found = record(view, Endpoint, id) if is_storable(id) else None
    if found is None:
        raise NotFound(f"No endpoint {id[:60]!r}.", got=id[:60])
    return endpoint_state(found)


def deliveries(
    view: View,
    *,
    endpoint: str | None = None,
    status: str | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[DeliveryView]:
    """Deliveries, newest first; `status="dead"` is what was given up.

    Errors: `NotYours` for owners, `InvalidCursor`.
    """
    view.check_owner(None)
    of = DELIVERIES.c
    query = sa.select(DELIVERIES).where(of.book_id == view.book_id)
    for name, value in (("endpoint", endpoint), ("status", status)):
        if checked_text(value, name) is not None:
            query = query.where(of[name] == value)
    if cursor is not None:
        query = query.where(sa.tuple_(of.created_at, of.id) < from_cursor(cursor, int, str))
    query = query.order_by(of.created_at.desc(), of.id.desc()).limit(checked_limit(limit) + 1)
    page = paged(list(view.rows(query)), limit, lambda row: (row.created_at, row.id))
    return Page([_delivery_view(row) for row in page.items], page.next)


def delivery(view: View, id: str) -> DeliveryView:  # noqa: A002 - the name it has outside
    """One delivery. Errors: `NotFound`, `NotYours` for owners."""
    view.check_owner(None)
    of = DELIVERIES.c
    row = None
    if is_storable(id):
        row = view.row(sa.select(DELIVERIES).where(of.book_id == view.book_id, of.id == id))
    if row is None:
        raise NotFound(f"No delivery {id[:60]!r}.", got=id[:60])
    return _delivery_view(row)


def _delivery_view(row: sa.Row[Any]) -> DeliveryView:
    return DeliveryView(
        row.id,
        row.endpoint,
        row.seq,
        row.type,
        row.status,
        row.attempts,
        iso_or_none(row.next_at),
        row.last_status,
        row.last_error,
        to_iso(row.created_at),
        iso_or_none(row.done_at),
    )


# ── what happened ────────────────────────────────────────────────────────────────────


def told(view: View, first: int, last: int, *, moved: bool = True) -> list[Told]:
    """What happened in the commands `first` to `last`: what they announced and, with `moved`,
    plain movements of money, in order.
    """
    found = _announced(view, EVENTS.c.seq.between(first, last))
    if moved:
        found += _movements(view, JOURNAL.c.seq.between(first, last))
    return sorted(found, key=lambda one: (one.seq, one.n))


def told_once(view: View, names: Sequence[tuple[int, int]]) -> dict[tuple[int, int], Told]:
    """What these names stand for, as `told` gives it."""
    wanted, seqs = set(names), sorted({seq for seq, _ in names})
    found = _announced(view, EVENTS.c.seq.in_(seqs)) + _movements(view, JOURNAL.c.seq.in_(seqs))
    return {(one.seq, one.n): one for one in found if (one.seq, one.n) in wanted}


def asked_again(view: View, first: int, last: int) -> list[Replay | Resend]:
    """The commands in this range that want something sent again, in order."""
    of = JOURNAL.c
    query = sa.select(of.command).where(
        of.book_id == view.book_id, of.seq.between(first, last), of.kind.in_(_AGAIN)
    )
    read = msgspec.json.Decoder(Replay | Resend).decode
    return [read(row.command) for row in view.rows(query.order_by(of.seq))]


def _announced(view: View, which: sa.ColumnElement[bool]) -> list[Told]:
    of = EVENTS.c
    query = (
        sa.select(*(of[name] for name in Event.__struct_fields__), JOURNAL.c.at)
        .join(JOURNAL, sa.and_(JOURNAL.c.book_id == of.book_id, JOURNAL.c.seq == of.seq))
        .where(of.book_id == view.book_id, which)
    )
    return [
        Told(
            row.seq,
            row.n,
            row.at,
            row.type,
            row.subject,
            row.owner,
            msgspec.json.decode(row.data, type=dict[str, Any]),
        )
        for row in view.rows(query)
    ]


def _movements(view: View, which: sa.ColumnElement[bool]) -> list[Told]:
    of = JOURNAL.c
    query = sa.select(of.seq, of.at, of.kind, of.result).where(
        of.book_id == view.book_id, which, of.kind.in_(_MOVED)
    )
    return [
        Told(row.seq, n, row.at, kind, subject, None, data)
        for row in view.rows(query)
        for n, kind, subject, data in rules.movements(row.kind, msgspec.json.decode(row.result))
    ]
