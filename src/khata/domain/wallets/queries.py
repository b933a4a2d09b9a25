"""Reading wallets: balances now and then, transactions, statements.

A transaction is a posting with its entry. Pages are walked by (seq, leg) within the account, the
primary key of the postings; instants become sequence numbers first. No query reads further back
than what it shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from khata.base.clock import Instant, to_iso
from khata.base.money import to_text
from khata.base.paging import Page, checked_limit, from_cursor, paged
from khata.domain.ledger import (
    EntryStatus,
    LimitView,
    Reversed,
    account_ref,
    balance_after,
    entry_id,
    entry_name,
    held_now,
    limit_views,
    metadata_of,
    reversal_status,
    reversed_by,
    span,
    sum_after,
    wallet_id,
    wallet_ref,
)
from khata.domain.wallets.model import Wallet
from khata.engine.accounts import SIDE, Account, Entry, Posting
from khata.engine.database import View
from khata.engine.reading import (
    among,
    checked_text,
    exact_sum,
    joined,
    looked_up,
    record,
    records,
    select,
    seq_at,
)
from khata.engine.tables import JOURNAL, table_of
from khata.errors import Invalid, WalletNotFound

_ACCOUNTS: Final = table_of(Account)
_ENTRIES: Final = table_of(Entry)
_POSTINGS: Final = table_of(Posting)
_REVERSALS: Final = table_of(Reversed)
_WALLETS: Final = table_of(Wallet)
_legs: Final = msgspec.json.Decoder(list[tuple[int, int]])


class WalletView(msgspec.Struct, frozen=True):
    """A wallet as it stands at `view.now`. Amounts are decimal strings, times ISO 8601."""

    id: str
    path: str
    owner: str
    kind: str
    currency: str
    title: str
    status: str
    balance: str
    held: str
    available: str
    floor: str | None
    overdraft: str
    limits: list[LimitView]
    opened_at: str


class Balance(msgspec.Struct, frozen=True):
    """A balance at `at`. `held` and `available` are None for an instant that was asked for."""

    wallet: str
    currency: str
    balance: str
    held: str | None
    available: str | None
    at: str


class Transaction(msgspec.Struct, frozen=True):
    """One movement of one account, with the balance before and after.

    `amount` is signed on the account's normal side: what comes into a wallet is positive. `id`
    names the entry; (`seq`, `leg`) the movement. `counterparty`: codes of the accounts on the
    other side. `reverses`, `reversed_by`: ids of entries.
    """

    id: str
    seq: int
    leg: int
    at: str
    type: str
    status: EntryStatus
    source: str
    amount: str
    currency: str
    balance_before: str
    balance_after: str
    counterparty: list[str]
    reference: str | None
    note: str | None
    metadata: dict[str, Any] | None
    reverses: str | None
    reversed_by: list[str]


class Statement(msgspec.Struct, frozen=True):
    """A period of an account: a page of its transactions, oldest first, and its totals.

    `opening`, `closing`: the balance just before `since` and just before `until`. `credits`,
    `debits`: sums of credit and debit postings over the whole period, not only this page; a
    wallet's credits are what came in. `next`: the cursor of the following page.
    """

    wallet: str
    currency: str
    since: str
    until: str
    opening: str
    closing: str
    credits: str
    debits: str
    items: list[Transaction]
    next: str | None


# ── wallets ──────────────────────────────────────────────────────────────────────────


def wallet(view: View, ref: str) -> WalletView:
    """One wallet, by id or path. Errors: `WalletNotFound`, `NotYours`."""
    account = wallet_ref(view, ref)
    found = record(view, Wallet, account.id)
    if found is None:
        raise WalletNotFound(f"No wallet {ref[:200]!r}.", got=ref[:200])
    return _wallet_view(found, account, held_now(view, [account])[account.id])


def wallets(
    view: View,
    *,
    owner: str | None = None,
    kind: str | None = None,
    currency: str | None = None,
    status: str | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[WalletView]:
    """Wallets in the order in which they were opened; an owner sees their own.

    Errors: `NotYours` when an owner names another, `Invalid` limit, `InvalidCursor`.
    """
    if owner is not None:
        view.check_owner(owner)
    of = _WALLETS.c
    query = select(view, Wallet)
    wanted = ((of.owner, owner or view.actor.owner), (of.kind, kind), (of.unit, currency))
    for column, value in wanted:
        if checked_text(value, column.name) is not None:
            query = query.where(column == value)
    if checked_text(status, "status") is not None:
        query = query.where(looked_up(view, _ACCOUNTS.c.status, of.account_id) == status)
    if cursor is not None:
        query = query.where(of.account_id > from_cursor(cursor, int)[0])
    query = query.order_by(of.account_id).limit(checked_limit(limit) + 1)
    page = paged(records(view, Wallet, query), limit, lambda wallet: (wallet.account_id,))
    ids = {wallet.account_id for wallet in page.items}
    accounts = {account.id: account for account in among(view, Account, "id", ids)}
    held = held_now(view, accounts.values())
    return Page(
        [
            _wallet_view(item, accounts[item.account_id], held[item.account_id])
            for item in page.items
        ],
        page.next,
    )


def _wallet_view(wallet: Wallet, account: Account, held: int) -> WalletView:
    places = account.exponent
    return WalletView(
        wallet_id(account.id),
        _name(account),
        wallet.owner,
        wallet.kind,
        wallet.unit,
        wallet.title,
        account.status,
        to_text(account.natural, places),
        to_text(held, places),
        to_text(account.natural - held, places),
        None if account.floor is None else to_text(account.floor, places),
        to_text(account.overdraft, places),
        limit_views(account),
        to_iso(wallet.opened_at),
    )


def _name(account: Account) -> str:
    return account.code.removeprefix("wallet/")


def balance(
    view: View, ref: str, at: Instant | None = None, *, currency: str | None = None
) -> Balance:
    """The balance of a wallet or house account, now or after everything up to and with `at`.

    `currency` picks one of several house accounts with one code. Errors: as `account_ref`.
    """
    account = account_ref(view, ref, currency)
    places = account.exponent
    if at is not None:
        minor = balance_after(view, account, seq_at(view, at))
        text = to_text(minor, places)
        return Balance(_name(account), account.unit, text, None, None, to_iso(at))
    held = held_now(view, [account])[account.id]
    return Balance(
        _name(account),
        account.unit,
        to_text(account.natural, places),
        to_text(held, places),
        to_text(account.natural - held, places),
        to_iso(view.now),
    )


# ── transactions ─────────────────────────────────────────────────────────────────────


def transactions(
    view: View,
    ref: str,
    *,
    since: Instant | None = None,
    until: Instant | None = None,
    type: str | None = None,  # noqa: A002 - the field's name
    source: str | None = None,
    reference: str | None = None,
    cursor: str | None = None,
    limit: int = 50,
    oldest_first: bool = False,
    currency: str | None = None,
) -> Page[Transaction]:
    """Movements of a wallet or house account, newest first unless `oldest_first`.

    `since` is included, `until` is not; the other filters are equalities. A cursor belongs to the
    order in which it was given out. Errors: as `account_ref`; `Invalid`, `InvalidCursor`.
    """
    account = account_ref(view, ref, currency)
    of = _POSTINGS.c
    query = _postings(view).where(*_of(view, account), *span(view, of.seq, since, until))
    for name, value in (("type", type), ("source", source), ("reference", reference)):
        if checked_text(value, name) is not None:
            query = query.where(looked_up(view, _ENTRIES.c[name], of.seq, of.entry) == value)
    return _page(view, account, query, cursor, limit, ascending=oldest_first)


def statement(
    view: View,
    ref: str,
    *,
    since: Instant,
    until: Instant,
    cursor: str | None = None,
    limit: int = 200,
    currency: str | None = None,
) -> Statement:
    """A period of a wallet or house account: `since` is included, `until` is not.

    The totals are those of the whole period on every page.
    Errors: as `account_ref`; `Invalid` for a period that ends before it begins, `InvalidCursor`.
    """
    account = account_ref(view, ref, currency)
    if since > until:
        raise Invalid(
            "The period ends before it begins.",
            expected="since at or before until",
            got=[to_iso(since), to_iso(until)],
        )
    first, last = seq_at(view, since - 1), seq_at(view, until - 1)
    within = (*_of(view, account), _POSTINGS.c.seq > first, _POSTINGS.c.seq <= last)
    page = _page(view, account, _postings(view).where(*within), cursor, limit, ascending=True)
    (row,) = view.rows(
        sa.select(
            sum_after(view, sa.literal(account.id), first),
            sum_after(view, sa.literal(account.id), last),
            *_sums(),
        ).where(*within)
    )
    opening, closing, *sums = tuple(row)
    side, places = SIDE[account.kind], account.exponent
    return Statement(
        _name(account),
        account.unit,
        to_iso(since),
        to_iso(until),
        to_text((opening or 0) * side, places),
        to_text((closing or 0) * side, places),
        to_text(joined(sums[:2]), places),
        to_text(joined(sums[2:]), places),
        page.items,
        page.next,
    )


def _sums() -> tuple[sa.ColumnElement[Any], ...]:
    """What was credited and what was debited, both zero or more, in two columns each."""
    amount = _POSTINGS.c.amount
    credit = sa.case((amount < 0, -amount), else_=0)
    debit = sa.case((amount > 0, amount), else_=0)
    return *exact_sum(credit), *exact_sum(debit)


def _of(view: View, account: Account) -> tuple[sa.ColumnElement[bool], ...]:
    return _POSTINGS.c.book_id == view.book_id, _POSTINGS.c.account_id == account.id


def _page(
    view: View,
    account: Account,
    query: sa.Select[Any],
    cursor: str | None,
    limit: int,
    *,
    ascending: bool,
) -> Page[Transaction]:
    """The page of `query`, a select of postings, that the cursor names."""
    of = _POSTINGS.c
    if cursor is not None:
        place, position = sa.tuple_(of.seq, of.leg), from_cursor(cursor, int, int)
        query = query.where(place > position if ascending else place < position)
    keys = (of.seq, of.leg) if ascending else (of.seq.desc(), of.leg.desc())
    rows = list(view.rows(query.order_by(*keys).limit(checked_limit(limit) + 1)))
    page = paged(rows, limit, lambda row: (row.seq, row.leg))
    return Page(_transactions(view, account, page.items), page.next)


def _postings(view: View) -> sa.Select[Any]:
    """Postings with what else stands beside their keys."""
    of = _POSTINGS.c
    return sa.select(
        _POSTINGS,
        looked_up(view, JOURNAL.c.at, of.seq).label("at"),
        looked_up(view, _REVERSALS.c.by, of.seq, of.entry).label("by"),
        looked_up(view, _REVERSALS.c.whole, of.seq, of.entry).label("whole"),
    )


def _transactions(view: View, account: Account, rows: Sequence[Any]) -> list[Transaction]:
    known = among(view, Entry, "seq", {row.seq for row in rows})
    entries = {(entry.seq, entry.entry): entry for entry in known}
    pairs = [(row, entries[row.seq, row.entry]) for row in rows]
    others = [_others(account.id, row.amount, entry.legs) for row, entry in pairs]
    ids = {number for numbers in others for number in numbers}
    codes = {other.id: other.code for other in among(view, Account, "id", ids)}
    return [
        _transaction(account, row, entry, [codes[number] for number in numbers])
        for (row, entry), numbers in zip(pairs, others, strict=True)
    ]


def _transaction(account: Account, row: Any, entry: Entry, counterparty: list[str]) -> Transaction:
    side, places = SIDE[account.kind], account.exponent
    return Transaction(
        entry_id(row.seq, row.entry),
        row.seq,
        row.leg,
        to_iso(row.at),
        entry.type,
        reversal_status(row.whole),
        entry.source,
        to_text(row.amount * side, places),
        account.unit,
        to_text((row.balance_after - row.amount) * side, places),
        to_text(row.balance_after * side, places),
        counterparty,
        entry.reference,
        entry.note,
        metadata_of(entry.metadata),
        entry_name(entry.reverses_seq, entry.reverses_entry),
        reversed_by(row.by),
    )


def _others(account_id: int, amount: int, legs: str) -> list[int]:
    """The accounts on the other side of an entry, in the order of its legs, each once."""
    return list(
        dict.fromkeys(
            other
            for other, moved in _legs.decode(legs)
            if other != account_id and (moved < 0) != (amount < 0)
        )
    )
