"""Mismatches, plans and repairs as their readers see them."""

from __future__ import annotations

from collections.abc import Iterable

from khata.base.clock import SECOND, Instant, iso_or_none, to_iso
from khata.base.money import to_text
from khata.domain.mismatches.model import (
    Action,
    ActionState,
    Mismatch,
    MismatchState,
    OrderSeen,
    PlanState,
    Repair,
    RepairState,
)
from khata.domain.mismatches.rules import is_unscheduled
from khata.domain.orders import Standing


def mismatch_state(item: Mismatch, now: Instant) -> MismatchState:
    """A mismatch at an instant."""
    until = now if item.ended_at is None else item.ended_at
    return MismatchState(
        item.id,
        item.order,
        item.kind,
        item.status,
        item.customer,
        item.unit,
        to_text(item.at_risk, item.exponent),
        max(0, until - item.since) // SECOND,
        to_iso(item.since),
        to_iso(item.found_at),
        "sweep" if item.by_sweep else "command",
        actions_seen(item.actions, item.exponent),
        iso_or_none(item.ended_at),
        item.ended_by,
        item.reason,
        item.repair,
    )


def repair_state(item: Repair) -> RepairState:
    """A repair with its plan."""
    return RepairState(
        item.id,
        item.order,
        item.status,
        item.saga,
        item.asked_by,
        to_iso(item.asked_at),
        item.reason,
        item.needs_approval,
        item.approved_by,
        PlanState(
            item.order,
            item.unit,
            list(item.kinds),
            actions_seen(item.actions, item.exponent),
            order_seen(item.before),
            order_seen(item.after),
            item.wallet,
            _text(item.wallet_before, item.exponent),
            _text(item.wallet_after, item.exponent),
            to_text(item.moved, item.exponent),
        ),
        item.entries,
        item.code,
        item.message,
        iso_or_none(item.ended_at),
    )


def actions_seen(actions: Iterable[Action], exponent: int) -> list[ActionState]:
    """Actions with their amounts as decimal strings."""
    return [
        ActionState(
            item.kind,
            item.axis,
            item.to,
            to_text(item.amount, exponent) if item.amount else None,
        )
        for item in actions
    ]


def order_seen(standing: Standing) -> OrderSeen:
    """How an order stands."""
    places = standing.exponent
    return OrderSeen(
        standing.finance,
        standing.warehouse,
        standing.logistics,
        standing.shown,
        to_text(standing.wallet_moved, places),
        to_text(standing.captured, places),
        to_text(standing.refunded, places),
        standing.reserved,
        is_unscheduled(standing),
    )


def _text(minor: int | None, exponent: int) -> str | None:
    return None if minor is None else to_text(minor, exponent)
