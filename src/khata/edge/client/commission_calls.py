"""Calls about commission rules, and what a book is set up with."""

from __future__ import annotations

from collections.abc import Sequence

from khata.base.money import Money
from khata.base.paging import Page
from khata.domain.commissions import Part, RuleState, SharePreview
from khata.domain.setup import KhataKind, Source, Unit, WalletKind
from khata.edge.client.answers import Receipt
from khata.edge.client.call import Call, asked, path_of, write

# ── commission rules ─────────────────────────────────────────────────────────────────


def define_commission_rule(
    name: str,
    parts: Sequence[Part],
    *,
    category: str | None = None,
    partner: str | None = None,
    sources: Sequence[str] | None = None,
    key: str | None = None,
    dry_run: bool = False,
) -> Call[Receipt[RuleState]]:
    """Say how sales are shared from now on; a known name makes the next version of that rule."""
    body = {"name": name, "parts": parts, "category": category, "partner": partner,
            "sources": sources}  # fmt: skip
    return write(Receipt[RuleState], path_of("commission-rules"), body, key, dry_run=dry_run)


def retire_commission_rule(
    name: str, reason: str, *, key: str | None = None, dry_run: bool = False
) -> Call[Receipt[RuleState]]:
    """Take a rule out of force; sales that were begun by it are shared by it all the same."""
    path = path_of("commission-rules", name, "retire")
    return write(Receipt[RuleState], path, {"reason": reason}, key, dry_run=dry_run)


def commission_rules(
    *, name: str | None = None, status: str | None = None, limit: int = 100
) -> Call[Page[RuleState]]:
    """The book's own rules with all their versions; `status`: in_force, superseded, retired."""
    query = {"name": name, "status": status, "limit": limit}
    return Call("GET", path_of("commission-rules"), Page[RuleState], asked(query))


def commission_rule(name: str, version: int | None = None) -> Call[RuleState]:
    """A version of a rule, left out the newest; the built-in `standard` has version 0."""
    which = [] if version is None else ["versions", str(version)]
    return Call("GET", path_of("commission-rules", name, *which), RuleState)


def preview_commission(
    amount: Money,
    *,
    source: str = "order",
    category: str | None = None,
    partner: str | None = None,
    parties: Sequence[str] = (),
) -> Call[SharePreview]:
    """How a sale would be shared now. `parties`: the roles in it beside the partner."""
    query = {"amount": amount.amount, "currency": amount.currency, "source": source,
             "category": category, "partner": partner,
             "parties": ",".join(parties) or None}  # fmt: skip
    return Call("GET", path_of("commission-preview"), SharePreview, asked(query))


# ── what a book is set up with ───────────────────────────────────────────────────────


def define_source(
    name: str,
    category: str,
    money_in: KhataKind,
    money_out: KhataKind,
    against: str,
    *,
    key: str | None = None,
) -> Call[Receipt[Source]]:
    """Add a transaction source with its khata category."""
    body = {"name": name, "category": category, "money_in": money_in, "money_out": money_out,
            "against": against}  # fmt: skip
    return write(Receipt[Source], path_of("sources"), body, key)


def define_wallet_kind(
    name: str, title: str, *, floor: int = 0, overdraft: int = 0, key: str | None = None
) -> Call[Receipt[WalletKind]]:
    """Add a wallet kind. `floor`, `overdraft`: minor units that new wallets start with."""
    body = {"name": name, "title": title, "floor": floor, "overdraft": overdraft}
    return write(Receipt[WalletKind], path_of("wallet-kinds"), body, key)


def sources() -> Call[Page[Source]]:
    """Every transaction source, those built in first."""
    return Call("GET", path_of("sources"), Page[Source])


def wallet_kinds() -> Call[Page[WalletKind]]:
    """Every wallet kind, those built in first."""
    return Call("GET", path_of("wallet-kinds"), Page[WalletKind])


def units() -> Call[Page[Unit]]:
    """The book's own units."""
    return Call("GET", path_of("units"), Page[Unit])
