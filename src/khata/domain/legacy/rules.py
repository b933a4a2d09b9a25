"""What an export says of orders, judged by the rules that hold for Khata's own: values only."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from khata.base.clock import iso_or_none, to_iso
from khata.base.money import Money, to_minor, to_text
from khata.domain import mismatches
from khata.domain.legacy.model import (
    AuditedOrder,
    AuditReport,
    Judged,
    LegacyOrder,
    LegacyWallet,
    Snapshot,
    Takeover,
    TakeoverState,
    WalletChange,
)
from khata.domain.mismatches import Plan, PlanState, actions_seen, order_seen
from khata.domain.orders import AdoptOrder, Piece, Standing
from khata.errors import InsufficientFunds

_SETTLED: Final = frozenset({"paid", "partially_refunded"})


def wallet_path(snapshot: Snapshot, customer: str) -> str:
    """What a customer's wallet is called here."""
    return f"{customer}/{snapshot.wallet_kind}/{snapshot.unit}"


def standing(snapshot: Snapshot, order: LegacyOrder) -> Standing:
    """The facts of an order of the export, as those of Khata's own orders are judged by."""
    delivered = order.logistics_since if order.logistics == "delivered" else None
    return Standing(
        ref=order.ref,
        customer=order.customer,
        unit=snapshot.unit,
        exponent=snapshot.exponent,
        total=order.total,
        finance=order.finance,
        warehouse=order.warehouse,
        logistics=order.logistics,
        shown=order.shown,
        wallet_part=order.wallet_part,
        wallet_moved=order.wallet_moved,
        captured=order.wallet_moved + order.received,
        refunded=order.refunded,
        receipt_at=order.receipt_at,
        finance_since=order.finance_since,
        grace_ends_at=order.grace_ends_at,
        delivered_at=delivered if order.delivered_at is None else order.delivered_at,
        release_scheduled=not held(order) or order.release_at is not None,
        reserved=order.reserved,
    )


def held(order: LegacyOrder) -> int:
    """What of an order's money is still kept back for who receives it, minor units.

    Where nobody says: all that came and did not go back, but nothing once it is paid for and
    delivered.
    """
    left = max(0, order.wallet_moved + order.received - order.refunded)
    if order.finance not in _SETTLED:
        return left  # nobody is given the money of an order that is not paid
    if order.held is not None:
        return min(order.held, left)
    return 0 if order.logistics == "delivered" else left


def judge(snapshot: Snapshot, order: LegacyOrder, receipt_seconds: int) -> Judged | None:
    """What is wrong with an order of the export; None when nothing is."""
    stands = standing(snapshot, order)
    founds = mismatches.found(stands, snapshot.taken_at, receipt_seconds=receipt_seconds)
    if not founds:
        return None
    return Judged(order.customer, founds, mismatches.plan_of(stands, founds))


def audited(
    judged: Iterable[Judged], wallet: str | None, balance: int | None
) -> list[AuditedOrder]:
    """A customer's orders with something wrong, and how the wallet goes on from one repair to the
    next. `balance`: what stands in it before the first, minor units.
    """
    told = []
    for item in judged:
        places = item.plan.before.exponent
        can = is_affordable(item.plan, balance)
        after = balance if balance is None or not can else balance - item.plan.from_wallet
        told.append(
            AuditedOrder(
                customer=item.customer,
                since=to_iso(min(found.since for found in item.founds)),
                at_risk=to_text(at_risk(item), places),
                plan=_plan_state(item.plan, wallet, balance, after),
                refused=None if can else InsufficientFunds.code,
            )
        )
        balance = after
    return told


def is_affordable(plan: Plan, balance: int | None) -> bool:
    """Whether the wallet, where there is one, has what a repair takes of it. Minor units."""
    return balance is None or plan.from_wallet <= max(balance, 0)


def audit(snapshot: Snapshot, receipt_seconds: int = mismatches.RECEIPT_SECONDS) -> AuditReport:
    """What is wrong with the orders of an export, and what would put it right.

    `receipt_seconds`: how long an uploaded receipt may wait for finance.
    """
    repairs = []
    for wallet, orders in customers(snapshot):
        judged = [judge(snapshot, order, receipt_seconds) for order in orders]
        path = None if wallet is None else wallet_path(snapshot, wallet.customer)
        balance = None if wallet is None else wallet.balance
        repairs += audited([item for item in judged if item is not None], path, balance)
    return report(snapshot, repairs)


def customers(snapshot: Snapshot) -> list[tuple[LegacyWallet | None, list[LegacyOrder]]]:
    """Each customer's wallet and orders, in the order in which the export names them."""
    theirs: dict[str, list[LegacyOrder]] = {}
    for order in snapshot.orders:
        theirs.setdefault(order.customer, []).append(order)
    wallets = {wallet.customer: wallet for wallet in snapshot.wallets}
    names = dict.fromkeys([*theirs, *wallets])
    return [(wallets.get(name), theirs.get(name, [])) for name in names]


def report(
    snapshot: Snapshot,
    repairs: Sequence[AuditedOrder],
    balances: Mapping[str, tuple[int, int]] | None = None,
) -> AuditReport:
    """What is wrong, and what puts it right, added up.

    `balances`: what stands in wallets before and after the repairs, minor units by customer, where
    that is better known than from the export and the plans.
    """
    places = snapshot.exponent
    known = {
        wallet.customer: (wallet.balance, wallet.balance - _paid(repairs, wallet.customer, places))
        for wallet in snapshot.wallets
    } | dict(balances or {})
    names = {item.plan.order for item in repairs}
    before, after = (sum(pair[at] for pair in known.values()) for at in (0, 1))
    return AuditReport(
        snapshot=snapshot.name,
        digest=snapshot.digest,
        taken_at=to_iso(snapshot.taken_at),
        currency=snapshot.unit,
        orders=len(snapshot.orders),
        wallets=len(snapshot.wallets),
        correct=[order.ref for order in snapshot.orders if order.ref not in names],
        repairs=list(repairs),
        balances=[
            WalletChange(
                customer,
                wallet_path(snapshot, customer),
                snapshot.unit,
                to_text(first, places),
                to_text(last, places),
            )
            for customer, (first, last) in known.items()
        ],
        at_risk=to_text(sum(to_minor(item.at_risk, places) for item in repairs), places),
        from_wallets=to_text(before - after, places),
        moved=to_text(
            sum(to_minor(item.plan.moved, places) for item in repairs if item.refused is None),
            places,
        ),
    )


def _paid(repairs: Iterable[AuditedOrder], customer: str, places: int) -> int:
    """What a customer's wallet pays in these repairs, minor units."""
    return sum(
        to_minor(item.plan.wallet_before or "0", places)
        - to_minor(item.plan.wallet_after or "0", places)
        for item in repairs
        if item.customer == customer
    )


def at_risk(item: Judged) -> int:
    """The money that is at risk with one order, minor units: of several things the most."""
    return max(found.at_risk for found in item.founds)


def _plan_state(plan: Plan, wallet: str | None, before: int | None, after: int | None) -> PlanState:
    """A plan as its reader sees it. `before`, `after`: what stands in the wallet, minor units."""
    places = plan.before.exponent
    return PlanState(
        plan.order,
        plan.before.unit,
        list(plan.kinds),
        actions_seen(plan.actions, places),
        order_seen(plan.before),
        order_seen(plan.after),
        wallet,
        None if before is None else to_text(before, places),
        None if after is None else to_text(after, places),
        to_text(plan.moved, places),
    )


# ── taking over ──────────────────────────────────────────────────────────────────────


def adoption(snapshot: Snapshot, order: LegacyOrder, reason: str, wallet: str | None) -> AdoptOrder:
    """The command that takes an order over as it stands."""

    def money(minor: int) -> Money | None:
        return Money(to_text(minor, snapshot.exponent), snapshot.unit) if minor else None

    def time(instant: int | None) -> str | None:
        return iso_or_none(instant)

    kept = held(order)
    return AdoptOrder(
        ref=order.ref,
        customer=order.customer,
        total=Money(to_text(order.total, snapshot.exponent), snapshot.unit),
        finance=order.finance,
        warehouse=order.warehouse,
        logistics=order.logistics,
        shown=order.shown,
        placed_at=to_iso(order.placed_at),
        reason=reason,
        title=order.title,
        seller=order.seller,
        seller_wallet=None if order.seller is None else f"{order.seller}/partner/{snapshot.unit}",
        wallet=wallet,
        wallet_part=money(order.wallet_part),
        wallet_paid=money(order.wallet_moved),
        received=money(order.received),
        refunded=money(order.refunded),
        held=Money(to_text(kept, snapshot.exponent), snapshot.unit),
        pieces=[Piece(order.sku, order.reserved)] if order.sku and order.reserved else None,
        finance_since=to_iso(order.finance_since),
        warehouse_since=to_iso(order.warehouse_since),
        logistics_since=to_iso(order.logistics_since),
        receipt_at=time(order.receipt_at),
        grace_ends_at=time(order.grace_ends_at),
        delivered_at=time(order.delivered_at),
        scheduled=not kept or order.release_at is not None,
    )


def digest_of(wallet: LegacyWallet | None, orders: Iterable[LegacyOrder]) -> str:
    """What a customer's part of an export says, in short: SHA-256 in hex. Where in the file
    something stands does not count.
    """
    parts = [msgspec.structs.replace(order, line=0) for order in orders]
    return hashlib.sha256(msgspec.json.encode([wallet, parts])).hexdigest()


def state_of(kept: Takeover) -> TakeoverState:
    """What was taken over, as its reader sees it."""
    return TakeoverState(
        kept.snapshot,
        kept.customer,
        kept.digest,
        kept.unit,
        kept.wallet,
        None if kept.balance is None else to_text(kept.balance, kept.exponent),
        kept.adopted,
        audited(kept.judged, kept.wallet, kept.balance),
        kept.by,
        kept.reason,
        to_iso(kept.at),
    )
