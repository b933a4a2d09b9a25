"""Calls about orders and their receipts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from khata.base.money import Money
from khata.base.paging import Page
from khata.domain.orders import (
    AdoptOrder,
    Line,
    OrderChangeView,
    OrderLate,
    OrderPolicy,
    OrderState,
    ReceiptState,
)
from khata.edge.client.answers import Receipt
from khata.edge.client.call import (
    Call,
    Json,
    asked,
    new_idempotency_key,
    path_of,
    write,
)

# ── placing and paying ───────────────────────────────────────────────────────────────


def place_order(
    ref: str,
    customer: str,
    lines: Sequence[Line],
    *,
    pay: str | None = None,
    wallet: str | None = None,
    wallet_part: Money | None = None,
    seller: str | None = None,
    seller_wallet: str | None = None,
    title: str | None = None,
    source: str | None = None,
    category: str | None = None,
    release_on: str | None = None,
    release_days: int | None = None,
    grace_days: int | None = None,
    key: str | None = None,
    dry_run: bool = False,
) -> Call[Receipt[OrderState]]:
    """Order something: stock is set aside and the wallet pays its part, or nothing happens.

    `pay`: wallet, mixed, bank, later. `wallet_part`: of a mixed payment.
    """
    body: Json = {"ref": ref, "customer": customer, "lines": list(lines), "pay": pay,
                  "wallet": wallet, "wallet_part": wallet_part, "seller": seller,
                  "seller_wallet": seller_wallet, "title": title, "source": source,
                  "category": category, "release_on": release_on,
                  "release_days": release_days, "grace_days": grace_days}  # fmt: skip
    return write(Receipt[OrderState], path_of("orders"), body, key, dry_run=dry_run)


def pay_order(
    order: str,
    pay: str,
    *,
    wallet: str | None = None,
    wallet_part: Money | None = None,
    grace_days: int | None = None,
    key: str | None = None,
    dry_run: bool = False,
) -> Call[Receipt[OrderState]]:
    """Choose how an unpaid order is paid: wallet, mixed, bank."""
    body: Json = {"pay": pay, "wallet": wallet, "wallet_part": wallet_part,
                  "grace_days": grace_days}  # fmt: skip
    return _write(order, "pay", body, key, dry_run=dry_run)


def adopt_order(
    wanted: AdoptOrder, *, key: str | None = None, dry_run: bool = False
) -> Call[Receipt[OrderState]]:
    """Take an order over as it stands elsewhere."""
    body = {name: getattr(wanted, name) for name in wanted.__struct_fields__}
    return write(Receipt[OrderState], path_of("adopted-orders"), body, key, dry_run=dry_run)


# ── receipts ─────────────────────────────────────────────────────────────────────────


def upload_receipt(
    order: str,
    data: bytes,
    media: str = "application/octet-stream",
    *,
    name: str | None = None,
    key: str | None = None,
    dry_run: bool = False,
) -> Call[Receipt[ReceiptState]]:
    """Show a bank transfer. `data`: the file; `media`: its type, such as `application/pdf`; `name`:
    what the customer calls it.
    """
    query = asked({"name": name, "dry_run": True if dry_run else None})
    path = path_of("orders", order, "receipts")
    key = key or new_idempotency_key()
    return Call("POST", path, Receipt[ReceiptState], query, data, key, media)


def order_receipts(order: str) -> Call[Page[ReceiptState]]:
    """The last hundred receipts of an order, newest first."""
    return Call("GET", path_of("orders", order, "receipts"), Page[ReceiptState])


def receipt_file(order: str, receipt: str) -> Call[bytes]:
    """A receipt's file."""
    return Call("GET", path_of("orders", order, "receipts", receipt), bytes)


def approve_payment(
    order: str,
    evidence: str,
    *,
    amount: Money | None = None,
    short: str | None = None,
    wallet: str | None = None,
    bank: str | None = None,
    key: str | None = None,
    dry_run: bool = False,
) -> Call[Receipt[OrderState]]:
    """The transfer has come: what was due, or another `amount`. Of what lacks, `short` says
    whether the `wallet` pays it or the order is to `wait`.
    """
    body: Json = {"evidence": evidence, "amount": amount, "short": short, "wallet": wallet,
                  "bank": bank}  # fmt: skip
    return _write(order, "approve-payment", body, key, dry_run=dry_run)


def reject_payment(
    order: str, reason: str, *, key: str | None = None, dry_run: bool = False
) -> Call[Receipt[OrderState]]:
    """The receipt shows no transfer that came."""
    return _write(order, "reject-payment", {"reason": reason}, key, dry_run=dry_run)


def extend_grace(
    order: str, until: str, reason: str, *, key: str | None = None, dry_run: bool = False
) -> Call[Receipt[OrderState]]:
    """Give more time for the transfer, until an instant with its offset."""
    body = {"until": until, "reason": reason}
    return _write(order, "extend-grace", body, key, dry_run=dry_run)


# ── goods, and taking it back ────────────────────────────────────────────────────────


def move_order(
    order: str,
    axis: str,
    to: str,
    *,
    reason: str | None = None,
    key: str | None = None,
    dry_run: bool = False,
) -> Call[Receipt[OrderState]]:
    """Move the goods: the axis is warehouse or logistics, `to` its next state."""
    body = {"axis": axis, "to": to, "reason": reason}
    return _write(order, "move", body, key, dry_run=dry_run)


def cancel_order(
    order: str,
    reason: str,
    *,
    wallet: str | None = None,
    key: str | None = None,
    dry_run: bool = False,
) -> Call[Receipt[OrderState]]:
    """Call an order off before it is delivered: money and pieces go back."""
    return _write(order, "cancel", {"reason": reason, "wallet": wallet}, key, dry_run=dry_run)


def refund_order(
    order: str,
    reason: str,
    *,
    amount: Money | None = None,
    policy: str | None = None,
    named: Mapping[str, Money] | None = None,
    frozen: str | None = None,
    wallet: str | None = None,
    key: str | None = None,
    dry_run: bool = False,
) -> Call[Receipt[OrderState]]:
    """Give money of a paid order back, all that is left without an amount."""
    body: Json = {"reason": reason, "amount": amount, "policy": policy,
                  "named": None if named is None else dict(named), "frozen": frozen,
                  "wallet": wallet}  # fmt: skip
    return _write(order, "refund", body, key, dry_run=dry_run)


# ── looking ──────────────────────────────────────────────────────────────────────────


def order(ref: str) -> Call[OrderState]:
    """One order on its three axes."""
    return Call("GET", path_of("orders", ref), OrderState)


def orders(
    *,
    customer: str | None = None,
    seller: str | None = None,
    status: str | None = None,
    finance: str | None = None,
    warehouse: str | None = None,
    logistics: str | None = None,
    limit: int = 100,
) -> Call[Page[OrderState]]:
    """Orders, newest first; each filter is an equality."""
    query = {"customer": customer, "seller": seller, "status": status, "finance": finance,
             "warehouse": warehouse, "logistics": logistics, "limit": limit}  # fmt: skip
    return Call("GET", path_of("orders"), Page[OrderState], asked(query))


def order_changes(ref: str, *, limit: int = 100) -> Call[Page[OrderChangeView]]:
    """What happened to an order, with who did it and why."""
    path = path_of("orders", ref, "history")
    return Call("GET", path, Page[OrderChangeView], {"limit": limit})


def overdue_orders(*, axis: str | None = None, limit: int = 100) -> Call[Page[OrderLate]]:
    """Orders that stand longer than they should."""
    query = asked({"axis": axis, "limit": limit})
    return Call("GET", path_of("overdue-orders"), Page[OrderLate], query)


def order_policy() -> Call[OrderPolicy]:
    """How orders are treated."""
    return Call("GET", path_of("order-policy"), OrderPolicy)


def set_order_policy(
    *,
    grace_days: int | None = None,
    retry_days: int | None = None,
    release_days: int | None = None,
    sla: Mapping[str, int] | None = None,
    key: str | None = None,
) -> Call[Receipt[OrderPolicy]]:
    """Say how orders are treated; what is left out stays."""
    seconds = None if sla is None else dict(sla)
    body: Json = {"grace_days": grace_days, "retry_days": retry_days,
                  "release_days": release_days, "sla": seconds}  # fmt: skip
    return write(Receipt[OrderPolicy], path_of("order-policy"), body, key)


def _write(
    order: str, what: str, body: Json, key: str | None, *, dry_run: bool
) -> Call[Receipt[OrderState]]:
    return write(Receipt[OrderState], path_of("orders", order, what), body, key, dry_run=dry_run)
