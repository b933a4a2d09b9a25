"""Reading holds. One past its expiry is shown as expired, whether or not a command swept it."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa

from khata.base.paging import Page, checked_limit, from_cursor, paged
from khata.domain.holds.commands import HoldState, state_of
from khata.domain.ledger import account_ref
from khata.engine.accounts import Account
from khata.engine.database import View
from khata.engine.holds import Hold
from khata.engine.reading import among, checked_text, is_storable, record, records, select
from khata.engine.tables import table_of
from khata.errors import HoldNotFound

_ACCOUNTS: Final = table_of(Account)
_HOLDS: Final = table_of(Hold)


def hold(view: View, id: str) -> HoldState:  # noqa: A002 - the name it has outside
    """One hold as it stands at `view.now`.

    Errors: `HoldNotFound`; for an owner `NotYours`, whether it is another's or does not exist.
    """
    found = record(view, Hold, id) if is_storable(id) else None
    account = record(view, Account, found.account_id) if found else None
    view.check_owner(account.owner if account else None)
    if found is None or account is None:
        raise HoldNotFound(f"No hold {id[:60]!r}.", got=id[:60])
    return state_of(_at(view, found), account)


def holds(
    view: View,
    *,
    wallet: str | None = None,
    status: str | None = None,
    group: str | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[HoldState]:
    """Holds, newest first; an owner sees their own. `status`: as at `view.now`.

    Errors: as `account_ref` for `wallet`; `Invalid` limit, `InvalidCursor`.
    """
    of = _HOLDS.c
    query = select(view, Hold)
    if wallet is not None:
        query = query.where(of.account_id == account_ref(view, wallet).id)
    elif view.actor.owner is not None:
        mine = sa.select(_ACCOUNTS.c.id).where(
            _ACCOUNTS.c.book_id == view.book_id, _ACCOUNTS.c.owner == view.actor.owner
        )
        query = query.where(of.account_id.in_(mine))
    if checked_text(group, "group") is not None:
        query = query.where(of.group == group)
    if checked_text(status, "status") is not None:
        query = query.where(_has_status(view, str(status)))
    if cursor is not None:
        place = sa.tuple_(of.placed_at, of.id)
        query = query.where(place < from_cursor(cursor, int, str))
    query = query.order_by(of.placed_at.desc(), of.id.desc()).limit(checked_limit(limit) + 1)
    page = paged(records(view, Hold, query), limit, lambda hold: (hold.placed_at, hold.id))
    ids = {hold.account_id for hold in page.items}
    accounts = {account.id: account for account in among(view, Account, "id", ids)}
    return Page(
        [state_of(_at(view, hold), accounts[hold.account_id]) for hold in page.items], page.next
    )


def _has_status(view: View, status: str) -> sa.ColumnElement[bool]:
    of = _HOLDS.c
    late: sa.ColumnElement[Any] = sa.and_(
        of.status == "active", of.expires_at.is_not(None), of.expires_at <= view.now
    )
    if status == "expired":
        return sa.or_(of.status == status, late)
    if status == "active":
        return sa.and_(
            of.open_account.is_not(None), sa.or_(of.expires_at.is_(None), of.expires_at > view.now)
        )
    return of.status == status


def _at(view: View, hold: Hold) -> Hold:
    """The hold as the next command would find it."""
    if hold.status != "active" or hold.expires_at is None or hold.expires_at > view.now:
        return hold
    return Hold(
        hold.id,
        hold.account_id,
        None,
        hold.group,
        hold.amount,
        0,
        hold.captured,
        "expired",
        hold.placed_at,
        hold.expires_at,
        hold.source,
        hold.reference,
    )
