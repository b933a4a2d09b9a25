"""Reading bank accounts, payouts and batches. Nothing here shows a number."""

from __future__ import annotations

from typing import Any, Final

import msgspec
import sqlalchemy as sa

from khata.base.clock import to_iso
from khata.base.paging import Page, checked_limit, from_cursor, paged
from khata.domain.ledger import account_ref
from khata.domain.payouts.accounts import AddBankAccount
from khata.domain.payouts.braking import BRAKE, Brake
from khata.domain.payouts.model import (
    BankAccount,
    BankAccountState,
    BatchState,
    Payout,
    PayoutBatch,
    PayoutState,
)
from khata.domain.payouts.rules import OPEN, account_state, state_of, totals
from khata.domain.setup import setting_value
from khata.engine.database import View
from khata.engine.reading import checked_text, is_storable, record, records, select
from khata.engine.tables import JOURNAL, table_of
from khata.errors import BankAccountNotFound, PayoutNotFound

_ACCOUNTS: Final = table_of(BankAccount)
_PAYOUTS: Final = table_of(Payout)
_BATCHES: Final = table_of(PayoutBatch)
_ADDS: Final = AddBankAccount.__struct_config__.tag


class BatchListed(msgspec.Struct, frozen=True):
    """A batch in a list of them. `lines`: how many."""

    id: str
    reference: str
    lines: int
    created_by: str
    created_at: str


def bank_account(view: View, id: str) -> BankAccountState:  # noqa: A002 - the name it has outside
    """One bank account, masked. Errors: `BankAccountNotFound`; for an owner `NotYours`."""
    found = record(view, BankAccount, id) if is_storable(id) else None
    view.check_owner(found.owner if found else None)
    if found is None:
        raise BankAccountNotFound(f"No bank account {id[:60]!r}.", got=id[:60])
    return account_state(found)


def bank_accounts(
    view: View,
    *,
    owner: str | None = None,
    status: str | None = None,
    currency: str | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[BankAccountState]:
    """Bank accounts, newest first, masked; an owner sees their own.

    Errors: `NotYours` for another's; `Invalid` limit, `InvalidCursor`.
    """
    query = _sealed(view, owner=owner, status=status, currency=currency)
    place = (_ACCOUNTS.c.added_at, _ACCOUNTS.c.id)
    if cursor is not None:
        query = query.where(sa.tuple_(*place) < from_cursor(cursor, int, str))
    query = query.order_by(*(column.desc() for column in place)).limit(checked_limit(limit) + 1)
    page = paged(records(view, BankAccount, query), limit, lambda item: (item.added_at, item.id))
    return Page([account_state(account) for account in page.items], page.next)


def _sealed(view: View, **wanted: str | None) -> sa.Select[Any]:
    mine = view.actor.owner
    if mine is not None:
        view.check_owner(wanted["owner"] or mine)
        wanted["owner"] = mine
    query = select(view, BankAccount)
    for name, value in wanted.items():
        if checked_text(value, name) is not None:
            query = query.where(_ACCOUNTS.c[name] == value)
    return query


def sealed_accounts(view: View, *, after: str = "", limit: int = 500) -> list[BankAccount]:
    """Bank accounts as they are kept, in the order of their ids: for whoever seals them anew.

    Errors: `NotYours` for owners.
    """
    view.check_owner(None)
    query = select(view, BankAccount).where(_ACCOUNTS.c.id > after)
    return records(view, BankAccount, query.order_by(_ACCOUNTS.c.id).limit(limit))


def count_of_accounts(view: View) -> int:
    """How many bank accounts the book has. Errors: `NotYours` for owners."""
    view.check_owner(None)
    query = sa.select(sa.func.count()).select_from(_ACCOUNTS)
    row = view.row(query.where(_ACCOUNTS.c.book_id == view.book_id))
    return int(row[0]) if row else 0


def added_under(view: View, key: str) -> AddBankAccount | None:
    """The command that added a bank account under this idempotency key, as it was sealed then.

    Sealing gives another text each time; so whoever asks again asks with what was sealed first.
    """
    of = JOURNAL.c
    query = sa.select(of.command).where(of.book_id == view.book_id, of.key == key, of.kind == _ADDS)
    row = view.row(query) if is_storable(key) else None
    return msgspec.json.decode(row.command, type=AddBankAccount) if row else None


# ── payouts ──────────────────────────────────────────────────────────────────────────


def payout(view: View, id: str) -> PayoutState:  # noqa: A002 - the name it has outside
    """One payout. Errors: `PayoutNotFound`; for an owner `NotYours`."""
    found = record(view, Payout, id) if is_storable(id) else None
    view.check_owner(found.owner if found else None)
    if found is None:
        raise PayoutNotFound(f"No payout {id[:60]!r}.", got=id[:60])
    return state_of(found)


def payouts(
    view: View,
    *,
    owner: str | None = None,
    wallet: str | None = None,
    status: str | None = None,
    batch: str | None = None,
    reference: str | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[PayoutState]:
    """Payouts, newest first; an owner sees their own.

    Errors: as `account_ref` for `wallet`; `NotYours`; `Invalid` limit, `InvalidCursor`.
    """
    of = _PAYOUTS.c
    query = select(view, Payout)
    if view.actor.owner is not None:
        view.check_owner(owner or view.actor.owner)
        owner = view.actor.owner
    if wallet is not None:
        query = query.where(of.account_id == account_ref(view, wallet).id)
    wanted = {"owner": owner, "status": status, "batch": batch, "reference": reference}
    for name, value in wanted.items():
        if checked_text(value, name) is not None:
            query = query.where(of[name] == value)
    if cursor is not None:
        query = query.where(sa.tuple_(of.created_at, of.id) < from_cursor(cursor, int, str))
    query = query.order_by(of.created_at.desc(), of.id.desc()).limit(checked_limit(limit) + 1)
    page = paged(records(view, Payout, query), limit, lambda item: (item.created_at, item.id))
    return Page([state_of(item) for item in page.items], page.next)


def batch(view: View, id: str) -> BatchState:  # noqa: A002 - the name it has outside
    """One batch with its lines. Errors: `PayoutNotFound`, `NotYours` for owners."""
    view.check_owner(None)
    found = record(view, PayoutBatch, id) if is_storable(id) else None
    if found is None:
        raise PayoutNotFound(f"No batch {id[:60]!r}.", got=id[:60])
    query = select(view, Payout).where(_PAYOUTS.c.batch == found.id).order_by(_PAYOUTS.c.line)
    lines = records(view, Payout, query)
    return BatchState(
        found.id,
        found.reference,
        "open" if any(line.status in OPEN for line in lines) else "done",
        to_iso(found.created_at),
        totals(lines),
        [state_of(line) for line in lines],
    )


def batches(view: View, *, cursor: str | None = None, limit: int = 50) -> Page[BatchListed]:
    """Batches, newest first. Errors: `NotYours` for owners; `Invalid` limit, `InvalidCursor`."""
    view.check_owner(None)
    of = _BATCHES.c
    query = select(view, PayoutBatch)
    if cursor is not None:
        query = query.where(sa.tuple_(of.created_at, of.id) < from_cursor(cursor, int, str))
    query = query.order_by(of.created_at.desc(), of.id.desc()).limit(checked_limit(limit) + 1)
    page = paged(records(view, PayoutBatch, query), limit, lambda item: (item.created_at, item.id))
    items = [
        BatchListed(item.id, item.reference, item.lines, item.created_by, to_iso(item.created_at))
        for item in page.items
    ]
    return Page(items, page.next)


def brakes(view: View) -> list[Brake]:
    """The currencies in which payouts are braked, and why. Errors: `NotYours` for owners."""
    view.check_owner(None)
    return [Brake(currency, **why) for currency, why in sorted(setting_value(view, BRAKE).items())]
