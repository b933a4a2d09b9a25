"""The operations that read: a query of a room, its parameters, and what it gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final, TypeVar

import msgspec

from khata.base.actor import Actor
from khata.base.clock import Instant, to_iso
from khata.base.paging import Page, from_cursor, to_cursor
from khata.domain import access, holds, ledger, setup, wallets
from khata.domain import khata as books
from khata.edge.client.answers import JournalView, RefusalView
from khata.edge.http.operation import Operation
from khata.edge.http.reading import queried
from khata.edge.http.threads import Threads
from khata.edge.http.wire import JSON, Ask, Reply
from khata.engine import reading
from khata.engine.database import View
from khata.errors import Invalid, NotYours, RoleRequired

T = TypeVar("T")
_encode: Final = msgspec.json.Encoder().encode
_Limit = Annotated[int, msgspec.Meta(ge=1, le=1000, description="Items on a page.")]
_Cursor = Annotated[str, msgspec.Meta(description="The `next` of the page before.")]
Time = Annotated[str, msgspec.Meta(description="ISO 8601 with an offset.", examples=["2026-01-31"])]


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """No parameters."""


class Paged(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The parameters of every list."""

    cursor: _Cursor | None = None
    limit: _Limit = 50


class Period(Paged, frozen=True, kw_only=True):
    """`since` is included, `until` is not."""

    since: Time | None = None
    until: Time | None = None


class WalletsAsked(Paged, frozen=True, kw_only=True):
    """Each filter is an equality."""

    owner: str | None = None
    kind: str | None = None
    currency: str | None = None
    status: str | None = None


class MineAsked(Paged, frozen=True, kw_only=True):
    """As for wallets; the owner is who asks."""

    kind: str | None = None
    currency: str | None = None
    status: str | None = None


class Moment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A past instant."""

    at: Time | None = None


class BalanceAsked(Moment, frozen=True, kw_only=True):
    """`currency` picks one of several house accounts with one code."""

    currency: str | None = None


class TransactionsAsked(Period, frozen=True, kw_only=True):
    """Each filter is an equality."""

    type: str | None = None
    source: str | None = None
    reference: str | None = None
    oldest_first: bool = False
    currency: str | None = None


class StatementAsked(Period, frozen=True, kw_only=True):
    """Left out: from the beginning until now."""

    currency: str | None = None


class HoldsAsked(Paged, frozen=True, kw_only=True):
    """Each filter is an equality."""

    wallet: str | None = None
    status: str | None = None
    group: str | None = None


class AccountsAsked(Paged, frozen=True, kw_only=True):
    """`prefix`: how the codes begin."""

    prefix: str | None = None


class EntriesAsked(Period, frozen=True, kw_only=True):
    """`reference` is an equality."""

    reference: str | None = None


class KhataAsked(Period, frozen=True, kw_only=True):
    """`owner`: whose; an owner's own when left out."""

    owner: str | None = None
    line: str | None = None
    category: str | None = None


class TotalsAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`owner`: whose; an owner's own when left out."""

    owner: str | None = None
    since: Time | None = None
    until: Time | None = None


class ApprovalsAsked(Paged, frozen=True, kw_only=True):
    """`status`: asked, approved, rejected."""

    status: str | None = None


def my_wallets(view: View, **asked: Any) -> Page[wallets.WalletView]:
    """The wallets of the owner who asks. Errors: `RoleRequired` for others."""
    if view.actor.owner is None:
        raise RoleRequired("Only an owner has wallets.", expected=["owner"])
    return wallets.wallets(view, owner=view.actor.owner, **asked)


def own(view: View, owner: str | None) -> str:
    """Whose things are meant. Errors: `Invalid` when someone else names nobody."""
    found = owner or view.actor.owner
    if found is None:
        raise Invalid("Name the owner.", expected="owner", got=None)
    return found


def statement(
    view: View, ref: str, *, since: Instant = 0, until: Instant | None = None, **asked: Any
) -> wallets.Statement:
    """A statement, from the beginning until now unless told otherwise."""
    last = view.now + 1 if until is None else until
    return wallets.statement(view, ref, since=since, until=last, **asked)


def khata_book(view: View, owner: str | None = None, **asked: Any) -> Page[books.KhataLine]:
    """The lines of an owner's khata."""
    return books.khata_book(view, own(view, owner), **asked)


def khata_totals(view: View, owner: str | None = None, **asked: Any) -> Page[books.KhataTotal]:
    """Their totals."""
    return Page(books.khata_totals(view, own(view, owner), **asked))


def trial_balance(view: View, **asked: Any) -> Page[ledger.TrialLine]:
    """Every account's balance."""
    return Page(ledger.trial_balance(view, **asked))


def sources(view: View) -> Page[setup.Source]:
    """Every transaction source."""
    return Page(setup.sources(view))


def wallet_kinds(view: View) -> Page[setup.WalletKind]:
    """Every wallet kind."""
    return Page(setup.wallet_kinds(view))


def units(view: View) -> Page[setup.Unit]:
    """The book's own units."""
    return Page(setup.units(view))


def keys(view: View) -> Page[access.KeyView]:
    """Every key."""
    return Page(access.keys(view))


def journal(view: View, cursor: str | None = None, limit: int = 50) -> Page[JournalView]:
    """Commands in their order."""
    after = 0 if cursor is None else int(from_cursor(cursor, int)[0])
    rows = reading.journal(view, after=after, limit=limit)
    items = [
        JournalView(
            row.seq,
            row.key,
            row.kind,
            row.actor,
            to_iso(row.at),
            msgspec.json.decode(row.command),
            msgspec.json.decode(row.result),
            row.hash.hex(),
        )
        for row in rows
    ]
    return Page(items, to_cursor(rows[-1].seq) if len(rows) == limit else None)


def refusals(view: View, **asked: Any) -> Page[RefusalView]:
    """Refused commands, newest first."""
    page = reading.refusals(view, **asked)
    items = [
        RefusalView(
            item.n, item.key, item.kind, item.actor, to_iso(item.at), item.code, item.detail
        )
        for item in page.items
    ]
    return Page(items, page.next)


_V: Final = wallets
# path, query, parameters, what it gives, operation id, tag, summary
_ROWS: Final[tuple[tuple[str, Callable[..., Any], Any, Any, str, str, str], ...]] = (
    ("/v1/wallets", _V.wallets, WalletsAsked, Page[_V.WalletView], "listWallets", "wallets",
     "Wallets, in the order in which they were opened"),
    ("/v1/me/wallets", my_wallets, MineAsked, Page[_V.WalletView], "listMyWallets", "wallets",
     "The wallets of the owner whose token this is"),
    ("/v1/wallets/{wallet}", _V.wallet, Nothing, _V.WalletView, "getWallet", "wallets",
     "One wallet, by id, or by path with its slashes encoded"),
    ("/v1/wallets/{wallet}/balance", _V.balance, BalanceAsked, _V.Balance, "getBalance",
     "wallets", "Its balance, now or as of any past instant"),
    ("/v1/wallets/{wallet}/transactions", _V.transactions, TransactionsAsked,
     Page[_V.Transaction], "listTransactions", "wallets", "What came and went, newest first"),
    ("/v1/holds", holds.holds, HoldsAsked, Page[holds.HoldState], "listHolds", "holds",
     "Holds, newest first"),
    ("/v1/holds/{hold}", holds.hold, Nothing, holds.HoldState, "getHold", "holds", "One hold"),
    ("/v1/entries", ledger.entries, EntriesAsked, Page[ledger.EntryView], "listEntries",
     "ledger", "Entries with their legs"),
    ("/v1/entries/{entry}", ledger.entry, Nothing, ledger.EntryView, "getEntry", "ledger",
     "One entry"),
    ("/v1/accounts", ledger.accounts, AccountsAsked, Page[ledger.AccountView], "listAccounts",
     "ledger", "Accounts by code"),
    ("/v1/trial-balance", trial_balance, Moment, Page[ledger.TrialLine], "getTrialBalance",
     "ledger", "The balance of every account, now or as of any past instant"),
    ("/v1/khata", khata_book, KhataAsked, Page[books.KhataLine], "listKhata", "khata",
     "An owner's own account book, newest first"),
    ("/v1/khata/totals", khata_totals, TotalsAsked, Page[books.KhataTotal], "getKhataTotals",
     "khata", "What its lines add up to"),
    ("/v1/approvals", access.approvals, ApprovalsAsked, Page[access.ApprovalView],
     "listApprovals", "approvals", "Requests for a second person, newest first"),
    ("/v1/approvals/{approval}", access.approval, Nothing, access.ApprovalView, "getApproval",
     "approvals", "One request"),
    ("/v1/sources", sources, Nothing, Page[setup.Source], "listSources", "set-up",
     "Why money can move: the sources built in, then the book's own"),
    ("/v1/wallet-kinds", wallet_kinds, Nothing, Page[setup.WalletKind], "listWalletKinds",
     "set-up", "What a wallet can be for: the kinds built in, then the book's own"),
    ("/v1/units", units, Nothing, Page[setup.Unit], "listUnits", "set-up",
     "The book's own units, beside the currencies of ISO 4217"),
    ("/v1/journal", journal, Paged, Page[JournalView], "listJournal", "audit",
     "Every command that was carried out, in order"),
    ("/v1/refusals", refusals, Paged, Page[RefusalView], "listRefusals", "audit",
     "Commands that were refused, newest first"),
)  # fmt: skip
_ADMIN: Final[tuple[tuple[str, Callable[..., Any], Any, Any, str, str, str], ...]] = (
    ("/v1/keys", keys, Nothing, Page[access.KeyView], "listKeys", "keys",
     "Every API key, without its secret"),
)  # fmt: skip


def read_operations(threads: Threads) -> list[Operation]:
    """All of them."""
    return [
        read(threads, *row, scope=scope)
        for rows, scope in ((_ROWS, "read"), (_ADMIN, "admin"))
        for row in rows
    ]


def read(
    threads: Threads,
    path: str,
    query: Callable[..., Any],
    asked: Any,
    gives: Any,
    name: str,
    tag: str,
    summary: str,
    *,
    scope: str = "read",
) -> Operation:
    """The operation that asks a query, with the path's parts as its first arguments."""
    return Operation(
        method="GET",
        path=path,
        name=name,
        tag=tag,
        summary=summary,
        run=_runner(threads, query, asked),
        gives=gives,
        scope=scope,
        query=asked,
    )


def _runner(threads: Threads, query: Callable[..., Any], asked: Any) -> Callable[[Ask], Any]:
    async def run(ask: Ask) -> Reply:
        given = queried(asked, ask)
        refs = [ask.param(name) for name in ask.params]
        return Reply(200, await threads.read(_ask, ask, query, refs, given), JSON)

    return run


def _ask(ask: Ask, query: Callable[..., Any], refs: list[str], given: dict[str, Any]) -> bytes:
    assert ask.actor is not None
    return _encode(viewed(ask.book, ask.actor, query, *refs, **given))


def viewed(book: Any, actor: Actor, query: Callable[..., T], *args: Any, **given: Any) -> T:
    """The answer to a query, as this actor may see it."""
    with book.view(actor) as view:
        return query(view, *args, **given)


def check_staff(actor: Actor | None) -> None:
    """Refuse owners. Errors: `NotYours`."""
    if actor is None or actor.owner is not None:
        raise NotYours("This is not yours to see.", expected="a key of the book")
