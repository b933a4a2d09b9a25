"""Reading the ledger: accounts, entries, the trial balance.

`account_ref` is how every room finds the account that a reader names, and where it is decided
whether that reader may see it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, Literal

import msgspec
import sqlalchemy as sa

from khata.base.clock import Instant, to_iso
from khata.base.money import to_text
from khata.base.paging import Page, checked_limit, from_cursor, paged
from khata.domain.ledger.model import (
    ROOTS,
    LimitView,
    Reversed,
    code_of,
    entry_id,
    entry_key,
    wallet_id,
    wallet_key,
)
from khata.domain.ledger.rules import limit_views
from khata.engine.accounts import SIDE, Account, Entry, Kind, Posting
from khata.engine.database import View
from khata.engine.holds import Hold
from khata.engine.reading import (
    among,
    checked_text,
    exact_sum,
    is_storable,
    joined,
    looked_up,
    record,
    records,
    select,
    seq_at,
)
from khata.engine.tables import JOURNAL, table_of
from khata.errors import AccountNotFound, CurrencyMismatch, EntryNotFound, Invalid, WalletNotFound

EntryStatus = Literal["posted", "partially_reversed", "reversed"]
Legs = list[tuple[int, int]]

ACCOUNTS: Final = table_of(Account)
ENTRIES: Final = table_of(Entry)
POSTINGS: Final = table_of(Posting)
HOLDS: Final = table_of(Hold)
REVERSALS: Final = table_of(Reversed)

_BATCH: Final = 1000
_MOST_NAMED: Final = 200  # SQLite bounds how deep a condition may be
_legs: Final = msgspec.json.Decoder(Legs)
_pairs: Final = msgspec.json.Decoder(list[tuple[int, int]])
_object: Final = msgspec.json.Decoder(dict[str, Any])


class AccountView(msgspec.Struct, frozen=True):
    """An account. Amounts are decimal strings on its normal side; `wallet` is its wallet's id."""

    code: str
    kind: Kind
    currency: str
    owner: str | None
    wallet: str | None
    status: str
    balance: str
    held: str
    available: str
    floor: str | None
    overdraft: str
    limits: list[LimitView]
    opened_at: str


class LegView(msgspec.Struct, frozen=True):
    """One leg: an account's code and either `debit` or `credit`, a decimal string above zero."""

    account: str
    kind: Kind
    currency: str
    debit: str | None
    credit: str | None

    @property
    def signed(self) -> str:
        """The amount with its sign, debit positive, as Beancount writes it."""
        return self.debit if self.debit is not None else f"-{self.credit}"


class EntryView(msgspec.Struct, frozen=True):
    """An entry with its legs, in their order. `reverses`, `reversed_by`: ids of entries."""

    id: str
    seq: int
    at: str
    type: str
    status: EntryStatus
    source: str
    reference: str | None
    note: str | None
    metadata: dict[str, Any] | None
    legs: list[LegView]
    reverses: str | None
    reversed_by: list[str]


class TrialLine(msgspec.Struct, frozen=True):
    """An account's balance, a decimal string on its normal side."""

    currency: str
    kind: Kind
    code: str
    balance: str


# ── accounts ─────────────────────────────────────────────────────────────────────────


def account_ref(view: View, ref: str, currency: str | None = None) -> Account:
    """The account that a reader names, as stored (see `held_now` for its holds).

    `ref`: a wallet's id (`wal_…`) or path (`alice/personal/BDT`), or an account's code
    (`escrow/M1`). `currency` picks one of several accounts with the same code.

    Errors: `WalletNotFound`, `AccountNotFound`, `CurrencyMismatch`, `Invalid` for a code in
    several currencies; for an owner `NotYours`, whether it is another's or does not exist.
    """
    found = _candidates(view, ref)
    if view.actor.owner is not None:
        found = [account for account in found if account.owner == view.actor.owner]
        if not found:
            view.check_owner(None)
    if not found:
        code = code_of(ref)
        error = WalletNotFound if code is None or code.startswith("wallet/") else AccountNotFound
        what = "wallet" if error is WalletNotFound else "account"
        raise error(f"No {what} {ref[:200]!r}.", got=ref[:200])
    return _in_currency(found, currency)


def wallet_ref(view: View, ref: str) -> Account:
    """As `account_ref`, for wallets only. Errors: `WalletNotFound`, `NotYours`."""
    account = account_ref(view, ref)
    if account.owner is None:
        raise WalletNotFound(f"{ref[:200]!r} is not a wallet.", got=ref[:200])
    return account


def _candidates(view: View, ref: str) -> list[Account]:
    code = code_of(ref)
    if code is None:
        account = record(view, Account, wallet_key(ref))
        return [account] if account is not None and account.owner is not None else []
    if not is_storable(code):
        return []
    return records(view, Account, select(view, Account).where(ACCOUNTS.c.code == code))


def _in_currency(found: Sequence[Account], currency: str | None) -> Account:
    if currency is None and len(found) > 1:
        raise Invalid(
            f"{found[0].code} exists in several currencies.",
            expected=sorted(account.unit for account in found),
            got=None,
        )
    fitting = [account for account in found if currency in (None, account.unit)]
    if not fitting:
        raise CurrencyMismatch(
            f"{found[0].code} is in {found[0].unit}, not in {str(currency)[:20]}.",
            expected=found[0].unit,
            got=str(currency)[:20],
        )
    return fitting[0]


def held_now(view: View, accounts: Iterable[Account]) -> dict[int, int]:
    """What is held on each account at `view.now`, in minor units by account id.

    Holds past their expiry count no more, whether or not a command has swept them.
    """
    held, late = {}, set()
    for account in accounts:
        held[account.id] = account.held
        if account.next_expiry is not None and account.next_expiry <= view.now:
            late.add(account.id)
    for hold in among(view, Hold, "open_account", late):
        if hold.expires_at is not None and hold.expires_at <= view.now:
            held[hold.account_id] -= hold.remaining
    return held


def account(view: View, code: str, unit: str | None = None) -> AccountView:
    """One account, by code or as a wallet. Errors: as `account_ref`."""
    found = account_ref(view, code, unit)
    return _account_view(found, held_now(view, [found])[found.id])


def accounts(
    view: View, *, prefix: str | None = None, cursor: str | None = None, limit: int = 50
) -> Page[AccountView]:
    """Accounts by code, those that begin with `prefix`; an owner sees their own.

    Errors: `Invalid` limit, `InvalidCursor`.
    """
    query = select(view, Account)
    if view.actor.owner is not None:
        query = query.where(ACCOUNTS.c.owner == view.actor.owner)
    if checked_text(prefix, "prefix"):
        query = query.where(sa.func.substr(ACCOUNTS.c.code, 1, len(prefix or "")) == prefix)
    place = sa.tuple_(ACCOUNTS.c.code, ACCOUNTS.c.unit)
    if cursor is not None:
        query = query.where(place > from_cursor(cursor, str, str))
    query = query.order_by(ACCOUNTS.c.code, ACCOUNTS.c.unit).limit(checked_limit(limit) + 1)
    found = records(view, Account, query)
    held = held_now(view, found)
    page = paged(found, limit, lambda account: (account.code, account.unit))
    return Page([_account_view(account, held[account.id]) for account in page.items], page.next)


def _account_view(account: Account, held: int) -> AccountView:
    places = account.exponent
    return AccountView(
        account.code,
        account.kind,
        account.unit,
        account.owner,
        None if account.owner is None else wallet_id(account.id),
        account.status,
        to_text(account.natural, places),
        to_text(held, places),
        to_text(account.natural - held, places),
        None if account.floor is None else to_text(account.floor, places),
        to_text(account.overdraft, places),
        limit_views(account),
        to_iso(account.opened_at),
    )


def balance_after(view: View, account: Account, seq: int) -> int:
    """The natural balance of an account after command `seq`, in minor units."""
    row = view.row(sa.select(sum_after(view, sa.literal(account.id), seq).label("sum")))
    return (row.sum or 0) * SIDE[account.kind] if row else 0


def sum_after(view: View, account_id: sa.ColumnElement[int], seq: int) -> sa.ScalarSelect[int]:
    """The plain balance after command `seq` as a subquery; null when nothing was posted yet."""
    of = POSTINGS.c
    return (
        sa.select(of.balance_after)
        .where(of.book_id == view.book_id, of.account_id == account_id, of.seq <= seq)
        .order_by(of.seq.desc(), of.leg.desc())
        .limit(1)
        .correlate_except(POSTINGS)
        .scalar_subquery()
    )


def trial_balance(view: View, at: Instant | None = None) -> list[TrialLine]:
    """Every account that had been opened by `at` (None: now), by currency, kind and code.

    Errors: `NotYours` for owners.
    """
    view.check_owner(None)
    of = ACCOUNTS.c
    balance, opened = _balance_at(view, at)
    query = (
        sa.select(of.unit, of.kind, of.code, of.exponent, balance.label("balance"))
        .where(of.book_id == view.book_id, opened)
        .order_by(of.unit, of.kind, of.code)
    )
    return [
        TrialLine(
            row.unit,
            row.kind,
            row.code,
            to_text((row.balance or 0) * SIDE[row.kind], row.exponent),
        )
        for row in view.stream(query)
    ]


def sums(
    view: View, at: Instant | None = None, *, alone: Iterable[str] = ()
) -> list[tuple[str, int, Kind, str, int]]:
    """(unit, exponent, kind, first word of the code, plain sum of the balances) at an instant.

    `alone`: first words whose accounts are not summed up; each then has its whole code.

    Errors: `NotYours` for owners.
    """
    view.check_owner(None)
    of = ACCOUNTS.c
    balance, opened = _balance_at(view, at)
    own = frozenset(alone)
    begins = {w: sa.func.substr(of.code, 1, len(w) + 1) == f"{w}/" for w in ROOTS}
    word = sa.case(*((is_it, of.code if w in own else w) for w, is_it in begins.items()))
    each = (
        sa.select(
            of.unit,
            of.exponent,
            of.kind,
            word.label("word"),
            sa.func.coalesce(balance, 0).label("balance"),
        )
        .where(of.book_id == view.book_id, opened)
        .subquery()
    )
    keys = (each.c.unit, each.c.exponent, each.c.kind, each.c.word)
    query = sa.select(*keys, *exact_sum(each.c.balance)).group_by(*keys).order_by(*keys)
    return [(*list(row[:4]), joined(list(row[4:]))) for row in view.rows(query)]


def _balance_at(
    view: View, at: Instant | None
) -> tuple[sa.ColumnElement[Any], sa.ColumnElement[bool]]:
    """(An account's plain balance, whether it had been opened) at an instant; None is now."""
    if at is None:
        return ACCOUNTS.c.balance, sa.true()
    past = sum_after(view, ACCOUNTS.c.id, seq_at(view, at))
    return past, ACCOUNTS.c.opened_at <= at


# ── entries ──────────────────────────────────────────────────────────────────────────


def entry(view: View, id: str) -> EntryView:  # noqa: A002 - the name it has outside
    """One entry. An owner sees those that touch a wallet of theirs.

    Errors: `EntryNotFound`; for an owner `NotYours`, whether it is others' or does not exist.
    """
    key = entry_key(id)
    rows = []
    if key is not None:
        query = _entry_query(view, sa.and_(ENTRIES.c.seq == key[0], ENTRIES.c.entry == key[1]))
        rows = list(view.rows(query))
    mine = view.actor.owner
    if mine is not None:
        owners = {account.owner for account in _accounts_of(view, rows).values()}
        view.check_owner(mine if mine in owners else None)
    if not rows:
        raise EntryNotFound(f"No entry {id[:60]!r}.", got=id[:60])
    return _entry_views(view, rows)[0]


def entries(
    view: View,
    *,
    cursor: str | None = None,
    limit: int = 50,
    since: Instant | None = None,
    until: Instant | None = None,
    reference: str | None = None,
) -> Page[EntryView]:
    """Entries, newest first. `since` is included, `until` is not.

    Errors: `NotYours` for owners, `Invalid` limit, `InvalidCursor`.
    """
    view.check_owner(None)
    where = [sa.true(), *span(view, ENTRIES.c.seq, since, until)]
    if checked_text(reference, "reference") is not None:
        where.append(ENTRIES.c.reference == reference)
    if cursor is not None:
        place = sa.tuple_(ENTRIES.c.seq, ENTRIES.c.entry)
        where.append(place < from_cursor(cursor, int, int))
    order = (ENTRIES.c.seq.desc(), ENTRIES.c.entry.desc())
    rows = list(view.rows(_entry_query(view, sa.and_(*where), order, checked_limit(limit) + 1)))
    page = paged(rows, limit, lambda row: (row.seq, row.entry))
    return Page(_entry_views(view, page.items), page.next)


def entries_named(view: View, names: Iterable[str]) -> list[EntryView]:
    """The entries with these ids, in order, for a query of another room that has checked who asks;
    an id that is none gives nothing.
    """
    keys = sorted({key for name in names if (key := entry_key(name)) is not None})
    found: list[EntryView] = []
    for start in range(0, len(keys), _MOST_NAMED):
        part = keys[start : start + _MOST_NAMED]
        where = sa.or_(
            *(sa.and_(ENTRIES.c.seq == key[0], ENTRIES.c.entry == key[1]) for key in part)
        )
        order = (ENTRIES.c.seq, ENTRIES.c.entry)
        found += _entry_views(view, list(view.rows(_entry_query(view, where, order, len(part)))))
    return found


def stream_entries(view: View) -> Iterator[EntryView]:
    """Every entry of the book in order, a batch at a time. Errors: `NotYours` for owners."""
    view.check_owner(None)
    order = (ENTRIES.c.seq, ENTRIES.c.entry)
    place = (0, 0)
    while True:
        where = sa.tuple_(*order) > place
        rows = list(view.rows(_entry_query(view, where, order, _BATCH)))
        yield from _entry_views(view, rows)
        if len(rows) < _BATCH:
            return
        place = (rows[-1].seq, rows[-1].entry)


def span(
    view: View, seq: sa.ColumnElement[int], since: Instant | None, until: Instant | None
) -> list[sa.ColumnElement[bool]]:
    """Conditions on a `seq` column that keep a period: `since` included, `until` not.

    Errors: `Invalid` when the period ends before it begins.
    """
    if since is not None and until is not None and since > until:
        raise Invalid(
            "The period ends before it begins.",
            expected="since at or before until",
            got=[to_iso(since), to_iso(until)],
        )
    found: list[sa.ColumnElement[bool]] = []
    if since is not None:
        found.append(seq > seq_at(view, since - 1))
    if until is not None:
        found.append(seq <= seq_at(view, until - 1))
    return found


def _entry_query(
    view: View, where: sa.ColumnElement[bool], order: Sequence[Any] = (), limit: int = 1
) -> sa.Select[Any]:
    key = ENTRIES.c.seq, ENTRIES.c.entry
    return (
        sa.select(
            ENTRIES,
            looked_up(view, JOURNAL.c.at, ENTRIES.c.seq).label("at"),
            looked_up(view, REVERSALS.c.by, *key).label("by"),
            looked_up(view, REVERSALS.c.whole, *key).label("whole"),
        )
        .where(ENTRIES.c.book_id == view.book_id, where)
        .order_by(*order)
        .limit(limit)
    )


def _accounts_of(view: View, rows: Iterable[Any]) -> dict[int, Account]:
    ids = {account_id for row in rows for account_id, _ in _legs.decode(row.legs)}
    return {account.id: account for account in among(view, Account, "id", ids)}


def _entry_views(view: View, rows: Sequence[Any]) -> list[EntryView]:
    accounts_ = _accounts_of(view, rows)
    return [
        EntryView(
            entry_id(row.seq, row.entry),
            row.seq,
            to_iso(row.at),
            row.type,
            reversal_status(row.whole),
            row.source,
            row.reference,
            row.note,
            metadata_of(row.metadata),
            [_leg_view(accounts_[number], amount) for number, amount in _legs.decode(row.legs)],
            entry_name(row.reverses_seq, row.reverses_entry),
            reversed_by(row.by),
        )
        for row in rows
    ]


def _leg_view(account: Account, amount: int) -> LegView:
    text = to_text(abs(amount), account.exponent)
    return LegView(
        account.code,
        account.kind,
        account.unit,
        text if amount > 0 else None,
        text if amount < 0 else None,
    )


def reversal_status(whole: bool | None) -> EntryStatus:
    """The status of an entry by what is known of its reversal; None: never reversed."""
    if whole is None:
        return "posted"
    return "reversed" if whole else "partially_reversed"


def reversed_by(by: str | None) -> list[str]:
    """The ids of reversing entries out of the column `by` of `reversals`."""
    return [entry_id(*pair) for pair in _pairs.decode(by)] if by else []


def entry_name(seq: int | None, entry: int | None) -> str | None:
    """The id of an entry whose key may be null."""
    return None if seq is None or entry is None else entry_id(seq, entry)


def metadata_of(text: str | None) -> dict[str, Any] | None:
    """The caller's metadata out of its column."""
    return _object.decode(text) if text else None
