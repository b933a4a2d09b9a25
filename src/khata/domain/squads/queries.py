"""Reading squads: members see theirs, with what each of them has in it."""

from __future__ import annotations

from typing import Any, Final

import msgspec
import sqlalchemy as sa

from khata.base.clock import to_iso
from khata.base.money import to_text
from khata.base.paging import Page, checked_limit, from_cursor, paged
from khata.domain.squads.model import (
    Squad,
    SquadLine,
    SquadMember,
    SquadPurchase,
    SquadPurchaseState,
    SquadState,
)
from khata.domain.squads.rules import purchase_state, squad_state
from khata.engine.accounts import Account
from khata.engine.database import View
from khata.engine.reading import (
    among,
    checked_text,
    exact_sum,
    is_storable,
    joined,
    record,
    records,
    select,
)
from khata.engine.tables import table_of
from khata.errors import NotYours
from khata.errors.market import SquadNotFound

_SQUADS: Final = table_of(Squad)
_MEMBERS: Final = table_of(SquadMember)
_PURCHASES: Final = table_of(SquadPurchase)
_LINES: Final = table_of(SquadLine)


class SquadListed(msgspec.Struct, frozen=True):
    """A squad in a list. `members`: how many are active."""

    ref: str
    title: str
    leader: str
    status: str
    wallet: str
    currency: str
    members: int
    created_at: str


class SquadLineView(msgspec.Struct, frozen=True):
    """One line of a member's book in a squad; what came to them is positive, decimal strings."""

    seq: int
    squad: str
    owner: str
    kind: str
    amount: str
    balance_after: str
    currency: str
    reference: str | None
    entry: str | None
    at: str


class SquadDifference(msgspec.Struct, frozen=True):
    """Two sums of a squad that are not the same. Decimal strings.

    `what`: `wallet`, its balance beside the members'; `lines`, a member's balance beside their
    lines; `covers`, what the leader stands in for beside what is owed.
    """

    squad: str
    what: str
    owner: str | None
    expected: str
    got: str
    currency: str


def squad(view: View, ref: str) -> SquadState:
    """One squad with its members. Errors: `SquadNotFound`, `NotYours`."""
    found = _squad(view, ref)
    of = _MEMBERS.c
    members = records(view, SquadMember, select(view, SquadMember).where(of.open_squad == ref))
    account = record(view, Account, found.account_id)
    balance = account.natural if account else 0
    return squad_state(found, members, balance, view.actor.owner)


def squads(
    view: View,
    *,
    owner: str | None = None,
    status: str | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[SquadListed]:
    """Squads, newest first; `owner`: who is, was or is invited to be a member of them.

    Errors: `NotYours` when an owner names another, `Invalid`, `InvalidCursor`.
    """
    if owner is not None:
        view.check_owner(owner)
    of, query = _SQUADS.c, select(view, Squad)
    member = checked_text(owner or view.actor.owner, "owner")
    if member is not None:
        theirs = sa.select(_MEMBERS.c.squad).where(
            _MEMBERS.c.book_id == view.book_id, _MEMBERS.c.owner == member
        )
        query = query.where(of.ref.in_(theirs))
    if checked_text(status, "status") is not None:
        query = query.where(of.status == status)
    if cursor is not None:
        query = query.where(sa.tuple_(of.created_at, of.ref) < from_cursor(cursor, int, str))
    query = query.order_by(of.created_at.desc(), of.ref.desc()).limit(checked_limit(limit) + 1)
    page = paged(records(view, Squad, query), limit, lambda item: (item.created_at, item.ref))
    return Page([_listed(item) for item in page.items], page.next)


def _listed(item: Squad) -> SquadListed:
    return SquadListed(
        item.ref,
        item.title,
        item.leader,
        item.status,
        item.wallet,
        item.unit,
        item.members,
        to_iso(item.created_at),
    )


def squad_purchase(view: View, id: str) -> SquadPurchaseState:  # noqa: A002 - the name it has outside
    """One purchase. Errors: `SquadNotFound`; `NotYours` for who is neither of the squad nor was
    paid by it.
    """
    found = record(view, SquadPurchase, id) if is_storable(id) else None
    owner = view.actor.owner
    if owner is not None:
        paid = found and found.paid_to.partition("/")[0] == owner
        if found is None or not (paid or _is_known(view, found.squad, owner)):
            raise NotYours("This is not yours, or does not exist.", expected=owner)
    if found is None:
        raise SquadNotFound(f"No purchase {id[:100]!r}.", got=id[:100])
    return purchase_state(found)


def squad_purchases(
    view: View, ref: str, *, cursor: str | None = None, limit: int = 50
) -> Page[SquadPurchaseState]:
    """What a squad bought, newest first. Errors: those of `squad`, `Invalid`, `InvalidCursor`."""
    _squad(view, ref)
    of = _PURCHASES.c
    query = select(view, SquadPurchase).where(of.squad == ref)
    if cursor is not None:
        query = query.where(sa.tuple_(of.created_at, of.id) < from_cursor(cursor, int, str))
    query = query.order_by(of.created_at.desc(), of.id.desc()).limit(checked_limit(limit) + 1)
    found = records(view, SquadPurchase, query)
    page = paged(found, limit, lambda item: (item.created_at, item.id))
    return Page([purchase_state(item) for item in page.items], page.next)


def squad_lines(
    view: View,
    ref: str,
    *,
    owner: str | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[SquadLineView]:
    """The lines of a squad, or of one of its members, newest first.

    Errors: those of `squad`, `Invalid`, `InvalidCursor`.
    """
    squad = _squad(view, ref)
    of = _LINES.c
    query = select(view, SquadLine).where(of.squad == ref)
    if checked_text(owner, "owner") is not None:
        query = query.where(of.owner == owner)
    if cursor is not None:
        query = query.where(sa.tuple_(of.seq, of.n) < from_cursor(cursor, int, int))
    query = query.order_by(of.seq.desc(), of.n.desc()).limit(checked_limit(limit) + 1)
    page = paged(records(view, SquadLine, query), limit, lambda line: (line.seq, line.n))
    return Page([_line(squad, line) for line in page.items], page.next)


def _line(squad: Squad, line: SquadLine) -> SquadLineView:
    return SquadLineView(
        line.seq,
        line.squad,
        line.owner,
        line.kind,
        to_text(line.amount, squad.exponent),
        to_text(line.balance_after, squad.exponent),
        squad.unit,
        line.reference,
        line.entry,
        to_iso(line.at),
    )


def check(view: View, ref: str | None = None, *, unassigned: bool = False) -> list[SquadDifference]:
    """Where a squad's sums differ; nothing, unless staff took money out past the squad.

    `ref`: of one squad; left out, of all. `unassigned`: also where a wallet has more than its
    members, which anybody's transfer to it brings about, and the refund of a sale until it is
    shared. Reads every line.
    Errors: `NotYours` for owners, `SquadNotFound`.
    """
    view.check_owner(None)
    if ref is not None:
        _squad(view, ref)
    query = select(view, Squad)
    found = records(view, Squad, query if ref is None else query.where(_SQUADS.c.ref == ref))
    members = _sums(view, SquadMember, "balance", ref)
    lines = _sums(view, SquadLine, "amount", ref)
    owed = _owed(view, ref)
    accounts = {
        account.id: account for account in among(view, Account, "id", {s.account_id for s in found})
    }
    differences: list[SquadDifference] = []
    for squad in found:
        theirs = members.get(squad.ref, {})
        there, total = accounts[squad.account_id].natural, sum(theirs.values())
        pairs: list[tuple[str, str | None, int, int]] = [
            ("lines", who, lines.get(squad.ref, {}).get(who, 0), balance)
            for who, balance in sorted(theirs.items())
        ]
        if unassigned or there < total:
            pairs.append(("wallet", None, there, total))
        pairs.append(("covers", squad.leader, *owed.get(squad.ref, (0, 0))))
        differences += [_difference(squad, *pair) for pair in pairs if pair[2] != pair[3]]
    return differences


def _difference(
    squad: Squad, what: str, owner: str | None, expected: int, got: int
) -> SquadDifference:
    places = squad.exponent
    return SquadDifference(
        squad.ref, what, owner, to_text(expected, places), to_text(got, places), squad.unit
    )


def _sums(
    view: View, cls: type[SquadMember | SquadLine], column: str, ref: str | None
) -> dict[str, dict[str, int]]:
    """Squad → owner → the sum of a column, in minor units."""
    of = table_of(cls).c
    query = sa.select(of.squad, of.owner, *exact_sum(of[column]))
    query = query.where(of.book_id == view.book_id).group_by(of.squad, of.owner)
    if ref is not None:
        query = query.where(of.squad == ref)
    sums: dict[str, dict[str, int]] = {}
    for row in view.rows(query):
        squad, owner, *parts = tuple(row)
        sums.setdefault(squad, {})[owner] = joined(parts)
    return sums


def _owed(view: View, ref: str | None) -> dict[str, tuple[int, int]]:
    """Squad → what members owe it, and what balances stand in for, in minor units."""
    of = _MEMBERS.c
    owed: Any = sa.case((of.balance < 0, -of.balance), else_=0)
    query = sa.select(of.squad, *exact_sum(owed), *exact_sum(of.covers))
    query = query.where(of.book_id == view.book_id).group_by(of.squad)
    if ref is not None:
        query = query.where(of.squad == ref)
    sums = {}
    for row in view.rows(query):
        squad, *parts = tuple(row)
        sums[squad] = joined(parts[:2]), joined(parts[2:])
    return sums


def _squad(view: View, ref: str) -> Squad:
    found = record(view, Squad, ref) if is_storable(ref) else None
    owner = view.actor.owner
    if owner is not None and (found is None or not _is_known(view, ref, owner)):
        raise NotYours("This is not yours, or does not exist.", expected=owner)
    if found is None:
        raise SquadNotFound(f"No squad {ref[:100]!r}.", got=ref[:100])
    return found


def _is_known(view: View, ref: str, owner: str) -> bool:
    return record(view, SquadMember, (ref, owner)) is not None
