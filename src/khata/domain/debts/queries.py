"""Reading debts: an owner sees what they owe themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa

from khata.base.money import to_text
from khata.base.paging import Page, checked_limit, from_cursor, paged
from khata.domain.debts.model import (
    KINDS,
    Debt,
    DebtState,
    Netting,
    Repayment,
    RepaymentView,
    Unexplained,
)
from khata.domain.debts.model import NETTING as SETTING
from khata.domain.debts.rules import policy, repayment_view, state_of
from khata.domain.setup import Setting
from khata.engine.accounts import Account
from khata.engine.database import View
from khata.engine.reading import checked_text, is_storable, record, records, select
from khata.engine.tables import ACCOUNTS, table_of
from khata.errors.market import DebtNotFound

_DEBTS: Final = table_of(Debt)
_REPAYMENTS: Final = table_of(Repayment)


def debt(view: View, id: str) -> DebtState:  # noqa: A002 - the name it has outside
    """One debt. Errors: `DebtNotFound`; for an owner `NotYours`."""
    return state_of(debt_record(view, id))


def debt_record(view: View, name: str) -> Debt:
    """One debt as it is kept. Errors: as `debt`."""
    found = record(view, Debt, name) if is_storable(name) else None
    view.check_owner(found.owner if found else None)
    if found is None:
        raise DebtNotFound(f"No debt {name[:60]!r}.", got=name[:60])
    return found


def debts(
    view: View,
    *,
    owner: str | None = None,
    status: str | None = None,
    kind: str | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[DebtState]:
    """Debts, newest first; an owner sees their own.

    Errors: `NotYours` for another's; `Invalid` limit, `InvalidCursor`.
    """
    kinds = None if kind is None else [kind]
    page = debt_records(view, owner=owner, status=status, kinds=kinds, cursor=cursor, limit=limit)
    return Page([state_of(item) for item in page.items], page.next)


def debt_records(
    view: View,
    *,
    owner: str | None = None,
    status: str | None = None,
    kinds: Sequence[str] | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[Debt]:
    """Debts as they are kept, of some kinds or all: as `debts`."""
    of = _DEBTS.c
    if view.actor.owner is not None:
        view.check_owner(owner or view.actor.owner)
        owner = view.actor.owner
    query = select(view, Debt)
    for name, value in (("owner", owner), ("status", status)):
        if checked_text(value, name) is not None:
            query = query.where(of[name] == value)
    if kinds is not None:
        query = query.where(of.kind.in_([checked_text(kind, "kind") for kind in kinds]))
    if cursor is not None:
        query = query.where(sa.tuple_(of.opened_at, of.id) < from_cursor(cursor, int, str))
    query = query.order_by(of.opened_at.desc(), of.id.desc()).limit(checked_limit(limit) + 1)
    return paged(records(view, Debt, query), limit, lambda item: (item.opened_at, item.id))


def repayments(
    view: View, debt: str, *, cursor: str | None = None, limit: int = 50
) -> Page[RepaymentView]:
    """What made a debt smaller, newest first.

    Errors: as `debt`; `Invalid` limit, `InvalidCursor`.
    """
    found = debt_record(view, debt)
    of = _REPAYMENTS.c
    query = select(view, Repayment).where(of.debt == found.id)
    if cursor is not None:
        query = query.where(sa.tuple_(of.seq, of.n) < from_cursor(cursor, int, int))
    query = query.order_by(of.seq.desc(), of.n.desc()).limit(checked_limit(limit) + 1)
    page = paged(records(view, Repayment, query), limit, lambda item: (item.seq, item.n))
    return Page([repayment_view(item, found) for item in page.items], page.next)


def netting(view: View) -> Netting:
    """How the book nets debts. Errors: `Invalid` when its setting makes no sense."""
    found = record(view, Setting, SETTING)
    return policy(found.value if found else {})


def unexplained(view: View) -> list[Unexplained]:
    """Accounts of debts whose balance is not what their debts have outstanding: there are none,
    unless somebody posted or reversed an entry on one by hand.

    Errors: `NotYours` for owners.
    """
    view.check_owner(None)
    owed = {(row.account, row.unit): (int(row.left), row.exponent) for row in _owed(view)}
    query = select(view, Account).where(sa.or_(*map(_begins_with, KINDS)), ACCOUNTS.c.balance != 0)
    there = {
        (account.code, account.unit): (account.balance, account.exponent)
        for account in records(view, Account, query)
    }
    found = []
    for code, unit in sorted({*owed, *there}):
        left, places = owed.get((code, unit), (0, 0))
        balance, places = there.get((code, unit), (0, places))
        if balance != left:
            texts = (to_text(minor, places) for minor in (balance, left, balance - left))
            found.append(Unexplained(code, unit, *texts))
    return found


def _owed(view: View) -> Any:
    of = _DEBTS.c
    left = of.principal + of.fee - of.repaid - of.written_off
    query = sa.select(of.account, of.unit, of.exponent, sa.func.sum(left).label("left"))
    query = query.where(of.book_id == view.book_id, of.status == "open")
    return view.rows(query.group_by(of.account, of.unit, of.exponent))


def _begins_with(kind: str) -> sa.ColumnElement[bool]:
    """Whether an account carries debts of a kind."""
    beginning = f"{KINDS[kind].account}/"
    return sa.func.substr(ACCOUNTS.c.code, 1, len(beginning)) == beginning
