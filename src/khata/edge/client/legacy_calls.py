"""Calls about other systems' exports, judged and taken over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from khata.base.paging import Page
from khata.domain.legacy import AuditReport, Taken, TakeOver, TakeoverState
from khata.edge.client.answers import Receipt
from khata.edge.client.call import Call, Json, asked, encode, path_of, write

Rows = Sequence[Mapping[str, Any]]


def audit_legacy(
    mapping: Mapping[str, Any],
    *,
    orders: Rows,
    management: Rows,
    wallet_transactions: Rows,
    wallets: Rows,
) -> Call[AuditReport]:
    """What is wrong with the orders of an export, and what would put it right.

    `mapping`: as in docs/legacy-audit.md. The tables: their rows, amounts best as texts.
    """
    body = _export(mapping, orders, management, wallet_transactions, wallets)
    return Call("POST", path_of("legacy-audits"), AuditReport, {}, encode(body))


def take_over_legacy(
    mapping: Mapping[str, Any],
    reason: str,
    *,
    orders: Rows,
    management: Rows,
    wallet_transactions: Rows,
    wallets: Rows,
    dry_run: bool = False,
) -> Call[Taken]:
    """Take the customers of an export over, and repair what is wrong with their orders."""
    body = _export(mapping, orders, management, wallet_transactions, wallets) | {"reason": reason}
    query = {"dry_run": "true"} if dry_run else {}
    return Call("POST", path_of("legacy-takeovers"), Taken, query, encode(body))


def take_over_customer(
    wanted: TakeOver, *, key: str | None = None, dry_run: bool = False
) -> Call[Receipt[TakeoverState]]:
    """Take one customer over: wallet, orders as they stand, repairs."""
    body = {name: getattr(wanted, name) for name in wanted.__struct_fields__}
    return write(Receipt[TakeoverState], path_of("legacy-customers"), body, key, dry_run=dry_run)


def legacy_takeovers(*, limit: int = 100) -> Call[Page[TakeoverState]]:
    """Customers who were taken over, the latest first."""
    return Call("GET", path_of("legacy-takeovers"), Page[TakeoverState], asked({"limit": limit}))


def _export(
    mapping: Mapping[str, Any], orders: Rows, management: Rows, moved: Rows, wallets: Rows
) -> Json:
    return {
        "mapping": mapping,
        "orders": orders,
        "management": management,
        "wallet_transactions": moved,
        "wallets": wallets,
    }
