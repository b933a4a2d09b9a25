"""Calls: requests as values, and how their answers are read. No network, no waiting.

Each function here is one operation of the API. `Client` and `AsyncClient` send what it gives, so
that both know the same operations with the same words.
"""

from __future__ import annotations

import os
import time
from typing import Any, Final, Generic, TypeVar
from urllib.parse import quote

import msgspec

from khata.base.money import Money
from khata.base.paging import Page
from khata.domain.holds import HoldState
from khata.domain.khata import KhataLine, KhataTotal
from khata.domain.ledger import AccountView, EntryView, LegIn, Moved, TrialLine
from khata.domain.wallets import Balance, Statement, Transaction, WalletState, WalletView
from khata.edge.client.answers import BulkAnswer, NewKey, Receipt, VerifyView
from khata.engine.command import Command

T = TypeVar("T")
Json = dict[str, Any]
_encode: Final = msgspec.json.Encoder().encode


class Call(msgspec.Struct, Generic[T], frozen=True):
    """A request: method, path, query, body (JSON), idempotency key, and the type of its answer.

    A call that writes has its key from the start: however often it is sent, it happens once.
    """

    method: str
    path: str
    gives: Any
    query: Json = {}
    body: bytes | None = None
    key: str | None = None

    def headers(self) -> dict[str, str]:
        """The headers of this call alone."""
        found = {"accept": "application/json"}
        if self.body is not None:
            found["content-type"] = "application/json"
        if self.key is not None:
            found["idempotency-key"] = self.key
        return found

    def read(self, body: bytes) -> T:
        """The answer in a body."""
        found: T = msgspec.json.decode(body, type=self.gives)
        return found

    def following(self, cursor: str) -> Call[T]:
        """The same call for the next page."""
        return msgspec.structs.replace(self, query={**self.query, "cursor": cursor})


def new_idempotency_key() -> str:
    """A key that no one else has; it begins with the time, which keeps the journal's index fast."""
    return f"cli-{time.time_ns():016x}{os.urandom(6).hex()}"


def _path(*parts: str) -> str:
    return "/v1/" + "/".join(quote(part, safe="") for part in parts)


def _given(values: Json) -> Json:
    return {name: value for name, value in values.items() if value is not None}


def _asked(values: Json) -> Json:
    shown = {True: "true", False: "false"}
    return {
        name: shown[value] if isinstance(value, bool) else value
        for name, value in _given(values).items()
    }


def _write(
    gives: Any,
    path: str,
    body: Json,
    key: str | None,
    *,
    dry_run: bool = False,
    method: str = "POST",
) -> Call[Any]:
    return Call(
        method,
        path,
        gives,
        {"dry_run": "true"} if dry_run else {},
        _encode(_given(body)),
        key or new_idempotency_key(),
    )


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
    return _write(Receipt[WalletState], _path("wallets"), body, key)


def wallet(ref: str) -> Call[WalletView]:
    """One wallet. `ref`: its id (`wal_…`) or path (`alice/personal/BDT`)."""
    return Call("GET", _path("wallets", ref), WalletView)


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
    return Call("GET", _path("wallets"), Page[WalletView], _asked(query))


def my_wallets(*, limit: int = 100) -> Call[Page[WalletView]]:
    """The wallets of the owner whose token this is."""
    return Call("GET", _path("me", "wallets"), Page[WalletView], {"limit": limit})


def balance(ref: str, *, at: str | None = None) -> Call[Balance]:
    """A balance, now or as of `at` (ISO 8601)."""
    return Call("GET", _path("wallets", ref, "balance"), Balance, _asked({"at": at}))


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
    return Call("GET", _path("wallets", ref, "transactions"), Page[Transaction], _asked(query))


def statement(
    ref: str,
    *,
    since: str | None = None,
    until: str | None = None,
    cursor: str | None = None,
    limit: int = 200,
) -> Call[Statement]:
    """A page of a statement; its totals are those of the whole period. Times are ISO 8601."""
    query = _asked({"since": since, "until": until, "cursor": cursor, "limit": limit})
    return Call("GET", _path("wallets", ref, "statement"), Statement, query)


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
    return _write(Receipt[Moved], _path("wallets", ref, "credit"), body, key, dry_run=dry_run)


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
    return _write(Receipt[Moved], _path("wallets", ref, "debit"), body, key, dry_run=dry_run)


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
    return _write(Receipt[Moved], _path("wallets", ref, "transfer"), body, key, dry_run=dry_run)


def freeze(ref: str, reason: str, *, key: str | None = None) -> Call[Receipt[Any]]:
    """Stop all movement on a wallet."""
    return _write(Receipt[Any], _path("wallets", ref, "freeze"), {"reason": reason}, key)


def unfreeze(ref: str, reason: str, *, key: str | None = None) -> Call[Receipt[Any]]:
    """Let a frozen wallet move again."""
    return _write(Receipt[Any], _path("wallets", ref, "unfreeze"), {"reason": reason}, key)


# ── many at once ─────────────────────────────────────────────────────────────────────


def bulk(
    lines: list[tuple[str, Command]], *, atomic: bool = False, dry_run: bool = False
) -> Call[BulkAnswer]:
    """Many commands, each with its own key; `atomic`: all or nothing."""
    told = [{"key": key, "command": command} for key, command in lines]
    query = {"dry_run": "true"} if dry_run else {}
    body = _encode({"lines": told, "atomic": atomic})
    return Call("POST", _path("bulk"), BulkAnswer, query, body)


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
    return _write(Receipt[HoldState], _path("holds"), body, key, dry_run=dry_run)


def hold(name: str) -> Call[HoldState]:
    """One hold."""
    return Call("GET", _path("holds", name), HoldState)


def holds(
    *,
    wallet: str | None = None,
    status: str | None = None,
    group: str | None = None,
    limit: int = 100,
) -> Call[Page[HoldState]]:
    """Holds, newest first."""
    query = {"wallet": wallet, "status": status, "group": group, "limit": limit}
    return Call("GET", _path("holds"), Page[HoldState], _asked(query))


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
    return _write(Receipt[HoldState], _path("holds", name, "capture"), body, key, dry_run=dry_run)


def void(name: str, reason: str, *, key: str | None = None) -> Call[Receipt[HoldState]]:
    """Give held money back to its wallet."""
    return _write(Receipt[HoldState], _path("holds", name, "void"), {"reason": reason}, key)


def raise_hold(name: str, by: Money, *, key: str | None = None) -> Call[Receipt[HoldState]]:
    """Set more aside under the same hold."""
    return _write(Receipt[HoldState], _path("holds", name, "raise"), {"by": by}, key)


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
    return _write(Receipt[Moved], _path("entries"), body, key, dry_run=dry_run)


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
    return _write(Receipt[Moved], _path("entries", entry, "reversals"), body, key, dry_run=dry_run)


def entry(name: str) -> Call[EntryView]:
    """One entry."""
    return Call("GET", _path("entries", name), EntryView)


def entries(*, reference: str | None = None, limit: int = 100) -> Call[Page[EntryView]]:
    """Entries with their legs."""
    query = _asked({"reference": reference, "limit": limit})
    return Call("GET", _path("entries"), Page[EntryView], query)


def accounts(*, prefix: str | None = None, limit: int = 100) -> Call[Page[AccountView]]:
    """Accounts by code."""
    query = _asked({"prefix": prefix, "limit": limit})
    return Call("GET", _path("accounts"), Page[AccountView], query)


def trial_balance(*, at: str | None = None) -> Call[Page[TrialLine]]:
    """The balance of every account."""
    return Call("GET", _path("trial-balance"), Page[TrialLine], _asked({"at": at}))


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
    return Call("GET", _path("khata"), Page[KhataLine], _asked(query))


def khata_totals(
    *, owner: str | None = None, since: str | None = None, until: str | None = None
) -> Call[Page[KhataTotal]]:
    """What its lines add up to."""
    query = _asked({"owner": owner, "since": since, "until": until})
    return Call("GET", _path("khata", "totals"), Page[KhataTotal], query)


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
    return _write(Receipt[NewKey], _path("keys"), body, key)


def revoke_key(name: str, *, key: str | None = None) -> Call[Receipt[Any]]:
    """Shut a key out."""
    return _write(Receipt[Any], _path("keys", name), {}, key, method="DELETE")


def verify() -> Call[VerifyView]:
    """Prove the whole book."""
    return Call("GET", _path("verify"), VerifyView)
