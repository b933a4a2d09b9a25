"""Reading payments. Owners see what is theirs to pay and what they paid."""

from __future__ import annotations

from typing import Any, Final

import msgspec
import sqlalchemy as sa

from khata.base.paging import Page, checked_limit, from_cursor, paged
from khata.domain.payments.model import PROVIDERS, Dispute, Payable, Payment, Refund
from khata.domain.payments.paying import offers_in, serves
from khata.domain.payments.showing import (
    DisputeState,
    PayableState,
    PaymentState,
    RefundState,
    dispute_state,
    payable_state,
    payment_state,
    refund_state,
)
from khata.domain.setup import Setting
from khata.engine.database import View
from khata.engine.reading import checked_text, is_storable, record, records, select
from khata.engine.records import Record
from khata.engine.tables import table_of
from khata.errors import PayableNotFound, PaymentNotFound

_PAYABLES: Final = table_of(Payable)
_PAYMENTS: Final = table_of(Payment)


class Offered(msgspec.Struct, frozen=True):
    """A provider that collects here. `least`, `most`: decimal strings of the currency that was
    asked for, None without a bound.
    """

    provider: str
    currencies: list[str]
    methods: list[str]
    least: str | None
    most: str | None


def offered(
    view: View, *, country: str | None = None, currency: str | None = None
) -> list[Offered]:
    """Who collects this currency in this country (any, when left out), in the order of choice.

    Errors: `Invalid` when the setting `providers` is not what it should be.
    """
    known = record(view, Setting, PROVIDERS)
    offers = offers_in(known.value if known else {})
    found = [(name, offer) for name, offer in offers.items() if serves(offer, country, currency)]
    return [
        Offered(
            name,
            offer.currencies,
            list(offer.methods),
            offer.least.get(currency or ""),
            offer.most.get(currency or ""),
        )
        for name, offer in found
    ]


def payable(view: View, subject: str) -> PayableState:
    """What is to be paid under a subject. Errors: `PayableNotFound`; for an owner `NotYours`."""
    found = record(view, Payable, subject) if is_storable(subject) else None
    view.check_owner(found.owner if found else None)
    if found is None:
        raise PayableNotFound(f"Nothing to pay for {subject[:200]!r}.", got=subject[:200])
    return payable_state(found)


def payables(
    view: View,
    *,
    owner: str | None = None,
    status: str | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[PayableState]:
    """What is to be paid, by subject; an owner sees their own. Errors: `InvalidCursor`."""
    of = _PAYABLES.c
    query = _equal(select(view, Payable), _PAYABLES, owner=_mine(view, owner), status=status)
    if cursor is not None:
        query = query.where(of.subject > from_cursor(cursor, str)[0])
    query = query.order_by(of.subject).limit(checked_limit(limit) + 1)
    page = paged(records(view, Payable, query), limit, lambda item: (item.subject,))
    return Page([payable_state(item) for item in page.items], page.next)


def payment(view: View, id: str) -> PaymentState:  # noqa: A002 - the name it has outside
    """One payment. Errors: `PaymentNotFound`; for an owner `NotYours`."""
    found = record(view, Payment, id) if is_storable(id) else None
    view.check_owner(found.owner if found else None)
    if found is None:
        raise PaymentNotFound(f"No payment {id[:60]!r}.", got=id[:60])
    return payment_state(found)


def payments(
    view: View,
    *,
    owner: str | None = None,
    subject: str | None = None,
    status: str | None = None,
    method: str | None = None,
    provider: str | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[PaymentState]:
    """Payments, newest first; an owner sees their own. Each filter is an equality.

    Errors: `Invalid` limit, `InvalidCursor`.
    """
    query = _equal(
        select(view, Payment),
        _PAYMENTS,
        owner=_mine(view, owner),
        subject=subject,
        status=status,
        method=method,
        provider=provider,
    )
    page = _newest(view, Payment, query, cursor, limit)
    return Page([payment_state(item) for item in page.items], page.next)


def refunds(
    view: View,
    *,
    payment: str | None = None,
    status: str | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[RefundState]:
    """Refunds, newest first; an owner sees those of their own payments."""
    query = _equal(_of_mine(view, Refund), table_of(Refund), payment=payment, status=status)
    page = _newest(view, Refund, query, cursor, limit)
    return Page([refund_state(item) for item in page.items], page.next)


def disputes(
    view: View,
    *,
    payment: str | None = None,
    status: str | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[DisputeState]:
    """Disputes, newest first; an owner sees those of their own payments."""
    query = _equal(_of_mine(view, Dispute), table_of(Dispute), payment=payment, status=status)
    page = _newest(view, Dispute, query, cursor, limit)
    return Page([dispute_state(item) for item in page.items], page.next)


def _mine(view: View, owner: str | None) -> str | None:
    """Whose things are listed. Errors: `NotYours` for an owner who names another."""
    if view.actor.owner is None:
        return owner
    if owner is not None:
        view.check_owner(owner)
    return view.actor.owner


def _of_mine(view: View, cls: type[Record]) -> sa.Select[Any]:
    query = select(view, cls)
    if view.actor.owner is None:
        return query
    mine = sa.select(_PAYMENTS.c.id).where(
        _PAYMENTS.c.book_id == view.book_id, _PAYMENTS.c.owner == view.actor.owner
    )
    return query.where(table_of(cls).c.payment.in_(mine))


def _equal(query: sa.Select[Any], table: sa.Table, **wanted: str | None) -> sa.Select[Any]:
    for name, value in wanted.items():
        if checked_text(value, name) is not None:
            query = query.where(table.c[name] == value)
    return query


def _newest(
    view: View, cls: type[Record], query: sa.Select[Any], cursor: str | None, limit: int
) -> Page[Any]:
    of = table_of(cls).c
    if cursor is not None:
        query = query.where(sa.tuple_(of.created_at, of.id) < from_cursor(cursor, int, str))
    query = query.order_by(of.created_at.desc(), of.id.desc()).limit(checked_limit(limit) + 1)
    return paged(records(view, cls, query), limit, _place)


def _place(item: Any) -> tuple[int, str]:
    return item.created_at, item.id
