"""Reading who may come in, and which requests wait for a second person."""

from __future__ import annotations

from typing import Any, Final

import msgspec
import sqlalchemy as sa

from khata.base.clock import iso_or_none, to_iso
from khata.base.paging import Page, checked_limit, from_cursor, paged
from khata.domain.access.model import ApiKey, Approval
from khata.engine.database import View
from khata.engine.reading import checked_text, is_storable, record, records, select
from khata.engine.tables import table_of
from khata.errors import NotFound

_APPROVALS: Final = table_of(Approval)
_KEYS: Final = table_of(ApiKey)


class KeyView(msgspec.Struct, frozen=True):
    """An API key without anything secret. `revoked_at` is None while it is valid."""

    id: str
    label: str
    roles: list[str]
    scopes: list[str]
    created_at: str
    revoked_at: str | None


class ApprovalView(msgspec.Struct, frozen=True):
    """A request for approval. `command`: JSON with `kind`; `status`: asked, approved, rejected."""

    id: str
    status: str
    command: dict[str, Any]
    reason: str
    asked_by: str
    asked_at: str
    decided_by: str | None
    decided_at: str | None


def keys(view: View) -> list[KeyView]:
    """Every key, oldest first, revoked ones included. Errors: `NotYours` for owners."""
    view.check_owner(None)
    query = select(view, ApiKey).order_by(_KEYS.c.created_at, _KEYS.c.id)
    return [
        KeyView(
            key.id,
            key.label,
            key.roles,
            key.scopes,
            to_iso(key.created_at),
            iso_or_none(key.revoked_at),
        )
        for key in records(view, ApiKey, query)
    ]


def key_by_hash(view: View, hash: str) -> ApiKey | None:  # noqa: A002 - the column's name
    """The key whose secret has this SHA-256 (hex), revoked or not; None when there is none.

    Errors: `NotYours` for owners.
    """
    view.check_owner(None)
    if not is_storable(hash):
        return None
    found = records(view, ApiKey, select(view, ApiKey).where(_KEYS.c.hash == hash))
    return found[0] if found else None


def approval(view: View, id: str) -> ApprovalView:  # noqa: A002 - the name it has outside
    """One request. Errors: `NotFound`, `NotYours` for owners."""
    view.check_owner(None)
    found = record(view, Approval, id) if is_storable(id) else None
    if found is None:
        raise NotFound(f"No request {id[:60]!r}.", got=id[:60])
    return _approval_view(found)


def approvals(
    view: View, *, status: str | None = None, cursor: str | None = None, limit: int = 50
) -> Page[ApprovalView]:
    """Requests for approval, newest first. Errors: `NotYours` for owners, `InvalidCursor`."""
    view.check_owner(None)
    of = _APPROVALS.c
    query = select(view, Approval)
    if checked_text(status, "status") is not None:
        query = query.where(of.status == status)
    if cursor is not None:
        place = sa.tuple_(of.asked_at, of.id)
        query = query.where(place < from_cursor(cursor, int, str))
    query = query.order_by(of.asked_at.desc(), of.id.desc()).limit(checked_limit(limit) + 1)
    page = paged(records(view, Approval, query), limit, lambda item: (item.asked_at, item.id))
    return Page([_approval_view(item) for item in page.items], page.next)


def _approval_view(approval: Approval) -> ApprovalView:
    return ApprovalView(
        approval.id,
        approval.status,
        msgspec.json.decode(approval.command),
        approval.reason,
        approval.asked_by,
        to_iso(approval.asked_at),
        approval.decided_by,
        iso_or_none(approval.decided_at),
    )
