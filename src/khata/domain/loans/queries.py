"""Reading loans: an owner sees their own. What is overdue is decided by the view's `now`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from khata.base.paging import Page, checked_limit, to_cursor
from khata.domain import debts
from khata.domain.debts import Debt
from khata.domain.loans.model import DEBT_KINDS, Loan, LoanState, LoanView
from khata.domain.loans.rules import instalment_views, state_of
from khata.engine.database import View
from khata.engine.reading import among, is_storable, record, records, select
from khata.engine.tables import table_of
from khata.errors import Invalid
from khata.errors.market import LoanNotFound

_LOANS: Final = table_of(Loan)
_DEBT_STATUS: Final = {
    "open": "open",
    "overdue": "open",
    "repaid": "settled",
    "written_off": "written_off",
}
_AT_ONCE: Final = 200
_MOST_LOOKED_AT: Final = 2000
"""Loans that a page is chosen from; what is left is for the next page."""


def loan(view: View, id: str) -> LoanView:  # noqa: A002 - the name it has outside
    """The statement of one loan. Errors: `LoanNotFound`; for an owner `NotYours`."""
    found = record(view, Loan, id) if is_storable(id) else None
    view.check_owner(found.owner if found else None)
    if found is None:
        raise LoanNotFound(f"No loan {id[:60]!r}.", got=id[:60])
    debt = debts.debt_record(view, found.debt)
    repayments = debts.repayments(view, found.debt)
    return LoanView(
        state_of(found, debt, view.now),
        instalment_views(found, debt),
        list(repayments.items),
        repayments.next,
    )


def loans(
    view: View,
    *,
    owner: str | None = None,
    kind: str | None = None,
    status: str | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[LoanState]:
    """Loans and floats, newest first; an owner sees their own.

    A page of few among many (who is overdue is known by the clock alone) may be short, or empty,
    and have another one after it.

    Errors: `NotYours` for another's; `Invalid` limit, kind or status; `InvalidCursor`.
    """
    checked_limit(limit)
    for name, value, known in (("kind", kind, DEBT_KINDS), ("status", status, _DEBT_STATUS)):
        if value is not None and value not in known:
            raise Invalid(f"No loan has this {name}.", expected=list(known), got=value[:40])
    kinds = [debt_kind for name, debt_kind in DEBT_KINDS.items() if kind in (None, name)]
    found: list[tuple[Debt, LoanState]] = []
    newest = _newest(view, owner, kinds, status and _DEBT_STATUS[status], cursor)
    for looked_at, (debt, state) in enumerate(newest, 1):
        if status in (None, state.status):
            found.append((debt, state))
        if len(found) > limit or looked_at == _MOST_LOOKED_AT:
            last = found[limit - 1][0] if len(found) > limit else debt
            shown = [state for _, state in found[:limit]]
            return Page(shown, to_cursor(last.opened_at, last.id))
    return Page([state for _, state in found])


def _newest(
    view: View, owner: str | None, kinds: list[str], status: str | None, cursor: str | None
) -> Iterator[tuple[Debt, LoanState]]:
    """Loans by their debts, which know who owes and what is open."""
    while True:
        page = debts.debt_records(
            view, owner=owner, status=status, kinds=kinds, cursor=cursor, limit=_AT_ONCE
        )
        by_debt = {
            item.debt: item for item in among(view, Loan, "debt", {debt.id for debt in page.items})
        }
        for debt in page.items:
            if debt.id in by_debt:
                yield debt, state_of(by_debt[debt.id], debt, view.now)
        cursor = page.next
        if cursor is None:
            return


def due(view: View, *, limit: int = 500) -> list[str]:
    """Loans of which an instalment came due since they were looked at, the longest ago first:
    what `loans.mark_overdue` is to be given.

    Errors: `NotYours` for owners; `Invalid` limit.
    """
    view.check_owner(None)
    query = select(view, Loan).where(_LOANS.c.look_at <= view.now)
    query = query.order_by(_LOANS.c.look_at, _LOANS.c.id).limit(checked_limit(limit))
    return [item.id for item in records(view, Loan, query)]
