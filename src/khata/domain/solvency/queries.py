"""Reading solvency: how every currency stands, what was recorded, proofs of liabilities."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import sqlalchemy as sa

from khata.base.clock import Instant, to_iso
from khata.base.money import to_minor, to_text
from khata.base.paging import Page, checked_limit, from_cursor, paged
from khata.base.units import ISO_4217
from khata.domain import payouts, setup
from khata.domain.ledger import ROOTS, balance_after, sum_after
from khata.domain.setup import decimals_of
from khata.domain.solvency import rules
from khata.domain.solvency.model import (
    CheckView,
    Inclusion,
    LiabilityRoot,
    Position,
    Positions,
    RootView,
    SolvencyCheck,
    Sum,
    VerifiedBalance,
    VerifiedView,
)
from khata.domain.solvency.rules import Seen
from khata.domain.solvency.tree import Tree
from khata.engine.accounts import SIDE, Account
from khata.engine.database import View
from khata.engine.reading import (
    among,
    exact_sum,
    head,
    is_storable,
    joined,
    record,
    records,
    select,
    seq_at,
)
from khata.engine.tables import table_of
from khata.errors import Invalid
from khata.errors.operations import RootNotFound

_ACCOUNTS: Final = table_of(Account)
_SEEN: Final = table_of(VerifiedBalance)
_CHECKS: Final = table_of(SolvencyCheck)
_ROOTS: Final = table_of(LiabilityRoot)


def _keys() -> tuple[sa.ColumnElement[Any], ...]:
    """By what balances are summed up: built once, for it takes longer than a small book's sums."""
    of = _ACCOUNTS.c
    word = {root: sa.func.substr(of.code, 1, len(root) + 1) == f"{root}/" for root in ROOTS}
    line = sa.case(
        *((word[root], of.code) for root in rules.CASH),
        *((is_it, root) for root, is_it in word.items() if root not in rules.CASH),
    )
    below = sa.case(
        *((of.kind == kind, of.balance * side < 0) for kind, side in SIDE.items()),
        else_=sa.false(),
    )
    return (of.unit, of.exponent, of.kind, line.label("line"), below.label("below"))


_KEYS: Final = _keys()


# ── how it stands ────────────────────────────────────────────────────────────────────


def position(view: View) -> Positions:
    """How every currency stands, in one snapshot: one grouped sum over the accounts.

    Errors: `NotYours` for owners.
    """
    view.check_owner(None)
    braked = {brake.currency for brake in payouts.brakes(view)}
    seen = _seen(view)
    found: dict[tuple[str, int], list[Sum]] = {}
    for unit, exponent, item in _sums(view):
        found.setdefault((unit, exponent), []).append(item)
    items: list[Position] = []
    for (unit, exponent), sums in sorted(found.items()):
        of_unit = {code: one for (code, of), one in seen.items() if of == unit}
        items.append(
            rules.position(
                unit, exponent, sums, of_unit, is_money=unit in ISO_4217, braked=unit in braked
            )
        )
    return Positions(head(view).seq, to_iso(view.now), items)


def _sums(view: View) -> Iterator[tuple[str, int, Sum]]:
    query = (
        sa.select(*_KEYS, *exact_sum(_ACCOUNTS.c.balance))
        .where(_ACCOUNTS.c.book_id == view.book_id)
        .group_by(*_KEYS)
        .order_by(_ACCOUNTS.c.unit, _ACCOUNTS.c.kind, sa.text("line"))
    )
    for unit, exponent, kind, name, is_below, *sums in map(list, view.rows(query)):
        yield unit, exponent, Sum(kind, name, bool(is_below), joined(sums))


def _seen(view: View) -> dict[tuple[str, str], Seen]:
    """The last verified balance of each account, by its code and unit."""
    last = _last(view)
    sure = {one.account: one for one in _last(view, _SEEN.c.alone == sa.false())}
    limits = setup.setting_value(view, setup.FOUR_EYES)
    accounts = among(view, Account, "id", {one.account for one in last})
    by_id = {account.id: account for account in accounts}
    found = {}
    for one in last:
        account = by_id[one.account]
        counted = difference = _difference(view, account, one)
        limit = limits.get(account.unit)
        if one.alone and limit is not None:
            base = sure.get(account.id)
            known = _difference(view, account, base) if base else 0
            counted = rules.trusted(difference, known, to_minor(str(limit), account.exponent))
        found[account.code, account.unit] = Seen(one, difference, counted)
    return found


def _last(view: View, *narrower: sa.ColumnElement[bool]) -> list[VerifiedBalance]:
    of = _SEEN.c
    last = (
        sa.select(of.account, sa.func.max(of.at).label("at"))
        .where(of.book_id == view.book_id, of.at <= view.now, *narrower)
        .group_by(of.account)
        .subquery()
    )
    return records(
        view,
        VerifiedBalance,
        select(view, VerifiedBalance).join(
            last, sa.and_(of.account == last.c.account, of.at == last.c.at)
        ),
    )


def _difference(view: View, account: Account, seen: VerifiedBalance) -> int:
    """By how much an account held more than the book had at that instant; nothing from before the
    book had the account, for what it held then came in with its first entry.
    """
    if seen.at < account.opened_at:
        return 0
    return seen.amount - balance_after(view, account, seq_at(view, seen.at))


def verified(view: View) -> list[VerifiedView]:
    """The last balance that was verified of each account, by account. Errors: `NotYours`."""
    view.check_owner(None)
    found = _seen(view)
    return [
        VerifiedView(
            code,
            unit,
            to_text(found[code, unit].record.amount, decimals_of(view, unit)),
            to_iso(found[code, unit].record.at),
            found[code, unit].record.evidence,
            found[code, unit].record.by,
        )
        for code, unit in sorted(found)
    ]


# ── what was recorded ────────────────────────────────────────────────────────────────


def checks(
    view: View, *, currency: str | None = None, cursor: str | None = None, limit: int = 50
) -> Page[CheckView]:
    """Recorded checks, newest first. Errors: `NotYours`; `Invalid` limit; `InvalidCursor`."""
    view.check_owner(None)
    checked_limit(limit)
    of = _CHECKS.c
    query = select(view, SolvencyCheck)
    if currency is not None:
        decimals_of(view, currency)
        query = query.where(of.unit == currency)
    if cursor is not None:
        query = query.where(sa.tuple_(of.seq, of.n) < from_cursor(cursor, int, int))
    query = query.order_by(of.seq.desc(), of.n.desc()).limit(limit + 1)
    page = paged(records(view, SolvencyCheck, query), limit, lambda one: (one.seq, one.n))
    return Page([rules.check_view(one) for one in page.items], page.next)


# ── proofs of liabilities ────────────────────────────────────────────────────────────


def owed_to_owners(view: View, currency: str, as_of: int) -> dict[str, int]:
    """What the wallets of each owner had in a currency after command `as_of`, in minor units.

    A wallet below zero counts as empty: what one owner owes the house is not taken from what
    the house owes them in another wallet, or owes others. Owners whose wallets never moved are
    left out. Errors: `NotYours` for owners; `UnknownCurrency`.
    """
    view.check_owner(None)
    decimals_of(view, currency)
    of = _ACCOUNTS.c
    query = sa.select(of.owner, of.kind, sum_after(view, of.id, as_of).label("balance")).where(
        of.book_id == view.book_id, of.owner.is_not(None), of.unit == currency
    )
    found: dict[str, int] = {}
    for row in view.stream(query):
        if row.balance is not None:
            natural = row.balance * SIDE[row.kind]
            found[row.owner] = found.get(row.owner, 0) + max(natural, 0)
    return found


def roots(
    view: View, *, currency: str | None = None, cursor: str | None = None, limit: int = 50
) -> Page[RootView]:
    """Published roots, newest first, for everybody.

    Errors: `Invalid` limit, `InvalidCursor`, `UnknownCurrency`.
    """
    checked_limit(limit)
    of = _ROOTS.c
    query = select(view, LiabilityRoot)
    if currency is not None:
        decimals_of(view, currency)
        query = query.where(of.unit == currency)
    if cursor is not None:
        query = query.where(sa.tuple_(of.published_at, of.id) < from_cursor(cursor, int, str))
    query = query.order_by(of.published_at.desc(), of.id.desc()).limit(limit + 1)
    page = paged(records(view, LiabilityRoot, query), limit, lambda one: (one.published_at, one.id))
    return Page([rules.root_view(one) for one in page.items], page.next)


def root(view: View, id: str) -> RootView:  # noqa: A002 - the name it has outside
    """A published root, for everybody. Errors: `RootNotFound`."""
    return rules.root_view(root_record(view, id))


def root_record(view: View, id: str) -> LiabilityRoot:  # noqa: A002 - the name it has outside
    """A published root with its secret, which no door shows. Errors: `RootNotFound`."""
    found = record(view, LiabilityRoot, id) if is_storable(id) else None
    if found is None:
        raise RootNotFound(f"No proof of liabilities {id[:60]!r}.", got=id[:60])
    return found


def tree_of(view: View, id: str) -> Tree:  # noqa: A002 - the name it has outside
    """The tree of a published root, built anew. Errors: `NotYours`, `RootNotFound`; `Invalid`
    when what is built is not what was published, because rows were altered since.
    """
    found = root_record(view, id)
    balances = owed_to_owners(view, found.unit, found.as_of)
    tree = Tree(balances, bytes.fromhex(found.secret), found.label) if balances else None
    if tree is None or tree.hash != found.hash:
        raise Invalid(
            f"The balances of then do not give the root {found.id} any more.",
            expected=found.hash,
            got=tree and tree.hash,
        )
    return tree


def inclusion(view: View, owner: str, id: str, tree: Tree) -> Inclusion:  # noqa: A002 - as above
    """The proof that an owner's balance is in a root; `tree`: that of the root.

    Errors: `NotYours` for another owner's; `RootNotFound` also for who is not in it.
    """
    view.check_owner(owner)
    found = root_record(view, id)
    if owner not in tree.balances:
        raise RootNotFound(f"{owner[:60]!r} had no balance in {found.id}.", got=owner[:60])
    minor = tree.balances[owner]
    return Inclusion(
        found.id,
        found.hash,
        found.label,
        found.unit,
        owner,
        to_text(minor, found.exponent),
        str(minor),
        found.total,
        tree.parts(owner),
    )


def label_of(name: str, currency: str, exponent: int, as_of: int, at: Instant) -> str:
    """What a root is bound to: the currency and its decimals, which book, and as of when.

    Verifiers read the fourth and the fifth word: what minor units are worth is part of the proof.
    """
    return f"khata liabilities 1 {currency} {exponent} {name} {as_of} {to_iso(at)}"
