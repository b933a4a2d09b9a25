"""Calls: requests as values, and how their answers are read. No network, no waiting.

Each function here is one operation of the API. `Client` and `AsyncClient` send what it gives, so
that both know the same operations with the same words.
"""

from __future__ import annotations

from typing import Any

from khata.base.money import Money
from khata.base.paging import Page
from khata.domain.holds import HoldState
from khata.domain.khata import KhataLine, KhataTotal
from khata.domain.ledger import AccountView, EntryView, LegIn, Moved, TrialLine
from khata.domain.wallets import Balance, Statement, Transaction, WalletState, WalletView
from khata.edge.client.answers import BulkAnswer, NewKey, Receipt, VerifyView
from khata.edge.client.call import Call, Json, asked, encode, path_of, write
from khata.engine.command import Command

# ── wallets ──────────────────────────────────────────────────────────────────────────


def open_wallet(
    owner: str,
    currency: str,
    *,
    wallet_kind: str = "personal",
    title: str | None = None,
    key: str | None = None,
) -> Call[Receipt[WalletState]]:
    """Open a wallet."""
    body = {"owner": owner, "currency": currency, "wallet_kind": wallet_kind, "title": title}
    return write(Receipt[WalletState], path_of("wallets"), body, key)


def wallet(ref: str) -> Call[WalletView]:
    """One wallet. `ref`: its id (`wal_…`) or path (`alice/personal/BDT`)."""
    return Call("GET", path_of("wallets", ref), WalletView)


def wallets(
    *,
    owner: str | None = None,
    kind: str | None = None,
    currency: str | None = None,
    status: str | None = None,
    limit: int = 100,
) -> Call[Page[WalletView]]:
    """Wallets; each filter is an equality."""
    query = {"owner": owner, "kind": kind, "currency": currency, "status": status, "limit": limit}
    return Call("GET", path_of("wallets"), Page[WalletView], asked(query))


def my_wallets(*, limit: int = 100) -> Call[Page[WalletView]]:
    """The wallets of the owner whose token this is."""
    return Call("GET", path_of("me", "wallets"), Page[WalletView], {"limit": limit})


def balance(ref: str, *, at: str | None = None) -> Call[Balance]:
    """A balance, now or as of `at` (ISO 8601)."""
    return Call("GET", path_of("wallets", ref, "balance"), Balance, asked({"at": at}))


def transactions(
    ref: str,
    *,
    since: str | None = None,
    until: str | None = None,
    type: str | None = None,  # noqa: A002 - the parameter's name
    source: str | None = None,
    reference: str | None = None,
    oldest_first: bool = False,
    limit: int = 100,
) -> Call[Page[Transaction]]:
    """What came and went, newest first unless `oldest_first`. Times are ISO 8601."""
    query = {
        "since": since, "until": until, "type": type, "source": source, "reference": reference,
        "oldest_first": oldest_first, "limit": limit,
    }  # fmt: skip
    return Call("GET", path_of("wallets", ref, "transactions"), Page[Transaction], asked(query))


def statement(
    ref: str,
    *,
    since: str | None = None,
    until: str | None = None,
    cursor: str | None = None,
    limit: int = 200,
) -> Call[Statement]:
    """A page of a statement; its totals are those of the whole period. Times are ISO 8601."""
    query = asked({"since": since, "until": until, "cursor": cursor, "limit": limit})
    return Call("GET", path_of("wallets", ref, "statement"), Statement, query)


def credit(
    ref: str,
    amount: Money,
    *,
    source: str = "top_up",
    against: str | None = None,
    reference: str | None = None,
    note: str | None = None,
    metadata: Json | None = None,
    key: str | None = None,
    dry_run: bool = False,
) -> Call[Receipt[Moved]]:
    """Bring money into a wallet."""
    body = {"amount": amount, "source": source, "against": against, "reference": reference,
            "note": note, "metadata": metadata}  # fmt: skip
    return write(Receipt[Moved], path_of("wallets", ref, "credit"), body, key, dry_run=dry_run)


def debit(
    ref: str,
    amount: Money,
    *,
    source: str = "withdrawal",
    against: str | None = None,
    reference: str | None = None,
    note: str | None = None,
    metadata: Json | None = None,
    key: str | None = None,
    dry_run: bool = False,
) -> Call[Receipt[Moved]]:
    """Take money out of a wallet."""
    body = {"amount": amount, "source": source, "against": against, "reference": reference,
            "note": note, "metadata": metadata}  # fmt: skip
    return write(Receipt[Moved], path_of("wallets", ref, "debit"), body, key, dry_run=dry_run)


def transfer(
    ref: str,
    to: str,
    amount: Money,
    *,
    source: str = "transfer",
    reference: str | None = None,
    note: str | None = None,
    metadata: Json | None = None,
    key: str | None = None,
    dry_run: bool = False,
) -> Call[Receipt[Moved]]:
    """Move money from one wallet to another."""
    body = {"to": to, "amount": amount, "source": source, "reference": reference, "note": note,
            "metadata": metadata}  # fmt: skip
    return write(Receipt[Moved], path_of("wallets", ref, "transfer"), body, key, dry_run=dry_run)


def freeze(ref: str, reason: str, *, key: str | None = None) -> Call[Receipt[Any]]:
    """Stop all movement on a wallet."""
    return write(Receipt[Any], path_of("wallets", ref, "freeze"), {"reason": reason}, key)


def unfreeze(ref: str, reason: str, *, key: str | None = None) -> Call[Receipt[Any]]:
    """Let a frozen wallet move again."""
    return write(Receipt[Any], path_of("wallets", ref, "unfreeze"), {"reason": reason}, key)


# ── many at once ─────────────────────────────────────────────────────────────────────


def bulk(
    lines: list[tuple[str, Command]], *, atomic: bool = False, dry_run: bool = False
) -> Call[BulkAnswer]:
    """Many commands, each with its own key; `atomic`: all or nothing."""
    told = [{"key": key, "command": command} for key, command in lines]
    query = {"dry_run": "true"} if dry_run else {}
    body = encode({"lines": told, "atomic": atomic})
    return Call("POST", path_of("bulk"), BulkAnswer, query, body)


# ── holds ────────────────────────────────────────────────────────────────────────────


def place_hold(
    ref: str,
    amount: Money,
    *,
    source: str = "order",
    group: str | None = None,
    reference: str | None = None,
    expires_in_seconds: int | None = None,
    key: str | None = None,
    dry_run: bool = False,
) -> Call[Receipt[HoldState]]:
    """Set money of a wallet aside."""
    body = {"wallet": ref, "amount": amount, "source": source, "group": group,
            "reference": reference, "expires_in_seconds": expires_in_seconds}  # fmt: skip
    return write(Receipt[HoldState], path_of("holds"), body, key, dry_run=dry_run)


def hold(name: str) -> Call[HoldState]:
    """One hold."""
    return Call("GET", path_of("holds", name), HoldState)


def holds(
    *,
    wallet: str | None = None,
    status: str | None = None,
    group: str | None = None,
    limit: int = 100,
) -> Call[Page[HoldState]]:
    """Holds, newest first."""
    query = {"wallet": wallet, "status": status, "group": group, "limit": limit}
    return Call("GET", path_of("holds"), Page[HoldState], asked(query))


def capture(
    name: str,
    amount: Money | None = None,
    *,
    to: str | None = None,
    final: bool = False,
    note: str | None = None,
    key: str | None = None,
    dry_run: bool = False,
) -> Call[Receipt[HoldState]]:
    """Take held money, all that is left or `amount`."""
    body = {"amount": amount, "to": to, "final": final, "note": note}
    return write(Receipt[HoldState], path_of("holds", name, "capture"), body, key, dry_run=dry_run)


def void(name: str, reason: str, *, key: str | None = None) -> Call[Receipt[HoldState]]:
    """Give held money back to its wallet."""
    return write(Receipt[HoldState], path_of("holds", name, "void"), {"reason": reason}, key)


def raise_hold(name: str, by: Money, *, key: str | None = None) -> Call[Receipt[HoldState]]:
    """Set more aside under the same hold."""
    return write(Receipt[HoldState], path_of("holds", name, "raise"), {"by": by}, key)


# ── ledger ───────────────────────────────────────────────────────────────────────────


def post_entry(
    legs: list[LegIn],
    source: str,
    *,
    reference: str | None = None,
    note: str | None = None,
    metadata: Json | None = None,
    key: str | None = None,
    dry_run: bool = False,
) -> Call[Receipt[Moved]]:
    """Post an entry of any shape."""
    body = {"legs": legs, "source": source, "reference": reference, "note": note,
            "metadata": metadata}  # fmt: skip
    return write(Receipt[Moved], path_of("entries"), body, key, dry_run=dry_run)


def reverse(
    entry: str,
    reason: str,
    *,
    amount: str | None = None,
    key: str | None = None,
    dry_run: bool = False,
) -> Call[Receipt[Moved]]:
    """Undo an entry, all that is left of it or `amount` (a decimal string)."""
    body = {"reason": reason, "amount": amount}
    return write(Receipt[Moved], path_of("entries", entry, "reversals"), body, key, dry_run=dry_run)


def entry(name: str) -> Call[EntryView]:
    """One entry."""
    return Call("GET", path_of("entries", name), EntryView)


def entries(*, reference: str | None = None, limit: int = 100) -> Call[Page[EntryView]]:
    """Entries with their legs."""
    query = asked({"reference": reference, "limit": limit})
    return Call("GET", path_of("entries"), Page[EntryView], query)


def accounts(*, prefix: str | None = None, limit: int = 100) -> Call[Page[AccountView]]:
    """Accounts by code."""
    query = asked({"prefix": prefix, "limit": limit})
    return Call("GET", path_of("accounts"), Page[AccountView], query)


def trial_balance(*, at: str | None = None) -> Call[Page[TrialLine]]:
    """The balance of every account."""
    return Call("GET", path_of("trial-balance"), Page[TrialLine], asked({"at": at}))


# ── khata, keys, audit ───────────────────────────────────────────────────────────────


def khata(
    *,
    owner: str | None = None,
    since: str | None = None,
    until: str | None = None,
    limit: int = 100,
) -> Call[Page[KhataLine]]:
    """An owner's own account book, newest first."""
    query = {"owner": owner, "since": since, "until": until, "limit": limit}
    return Call("GET", path_of("khata"), Page[KhataLine], asked(query))


def khata_totals(
    *, owner: str | None = None, since: str | None = None, until: str | None = None
) -> Call[Page[KhataTotal]]:
    """What its lines add up to."""
    query = asked({"owner": owner, "since": since, "until": until})
    return Call("GET", path_of("khata", "totals"), Page[KhataTotal], query)


def create_key(
    label: str,
    *,
    roles: list[str],
    scopes: list[str],
    hash: str | None = None,  # noqa: A002 - the field's name
    key: str | None = None,
) -> Call[Receipt[NewKey]]:
    """Let a program in; with the `hash` of a secret of your own it can be asked again."""
    body = {"label": label, "roles": roles, "scopes": scopes, "hash": hash}
    return write(Receipt[NewKey], path_of("keys"), body, key)


def revoke_key(name: str, *, key: str | None = None) -> Call[Receipt[Any]]:
    """Shut a key out."""
    return write(Receipt[Any], path_of("keys", name), {}, key, method="DELETE")


def verify() -> Call[VerifyView]:
    """Prove the whole book."""
    return Call("GET", path_of("verify"), VerifyView)
