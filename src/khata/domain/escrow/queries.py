"""Reading escrows: who paid, and who receives, see those that are theirs."""

from __future__ import annotations

from typing import Final

import msgspec
import sqlalchemy as sa

from khata.base.money import to_text
from khata.base.paging import Page, checked_limit, from_cursor, paged
from khata.domain.escrow.model import Escrow, EscrowState
from khata.domain.escrow.rules import receiving, state_of
from khata.engine.accounts import Account
from khata.engine.database import View
from khata.engine.reading import among, checked_text, is_storable, record, records, select
from khata.engine.tables import table_of
from khata.errors import NotYours
from khata.errors.market import EscrowNotFound

_ESCROWS: Final = table_of(Escrow)
_ACCOUNTS: Final = table_of(Account)
_ROOT: Final = "escrow/"


class Unheld(msgspec.Struct, frozen=True):
    """An escrow whose account has not what its legs hold. Decimal strings."""

    account: str
    currency: str
    held: str
    balance: str


def escrow(view: View, ref: str) -> EscrowState:
    """One escrow. Errors: `EscrowNotFound`; `NotYours` for who neither paid nor receives."""
    found = record(view, Escrow, ref) if is_storable(ref) else None
    owner = view.actor.owner
    if owner is not None and (found is None or owner not in {found.owner, *receiving(found.legs)}):
        raise NotYours("This is not yours, or does not exist.", expected=owner)
    if found is None:
        raise EscrowNotFound(f"No escrow {ref[:100]!r}.", got=ref[:100])
    return state_of(found)


def escrows(
    view: View,
    *,
    owner: str | None = None,
    status: str | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[EscrowState]:
    """Escrows, newest first; an owner sees those that they paid into.

    Errors: `NotYours`, `Invalid` limit, `InvalidCursor`.
    """
    of, query = _ESCROWS.c, select(view, Escrow)
    if view.actor.owner is not None:
        view.check_owner(owner or view.actor.owner)
        owner = view.actor.owner
    for name, value in (("owner", owner), ("status", status)):
        if checked_text(value, name) is not None:
            query = query.where(of[name] == value)
    if cursor is not None:
        query = query.where(sa.tuple_(of.funded_at, of.ref) < from_cursor(cursor, int, str))
    query = query.order_by(of.funded_at.desc(), of.ref.desc()).limit(checked_limit(limit) + 1)
    page = paged(records(view, Escrow, query), limit, lambda item: (item.funded_at, item.ref))
    return Page([state_of(item) for item in page.items], page.next)


def unexplained(view: View) -> list[Unheld]:
    """Escrows whose account has not what their legs hold: there are none, unless somebody posted
    or reversed an entry there by hand.

    Errors: `NotYours` for owners.
    """
    view.check_owner(None)
    of = _ACCOUNTS.c
    is_escrow = sa.func.substr(of.code, 1, len(_ROOT)) == _ROOT
    query = select(view, Account).where(is_escrow, of.balance != 0)
    there = {(item.code, item.unit): item.natural for item in records(view, Account, query)}
    alive = _ESCROWS.c.status.in_(("held", "partly_released"))
    kept = {item.ref: item for item in records(view, Escrow, select(view, Escrow).where(alive))}
    refs = {code.removeprefix(_ROOT) for code, _ in there} - kept.keys()
    kept |= {item.ref: item for item in among(view, Escrow, "ref", refs)}
    found = []
    for item in kept.values():
        held = sum(leg.held for leg in item.legs)
        balance = there.get((item.account, item.unit), 0)
        if held != balance:
            texts = (to_text(minor, item.exponent) for minor in (held, balance))
            found.append(Unheld(item.account, item.unit, *texts))
    return found
