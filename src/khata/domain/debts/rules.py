"""What is outstanding of a debt, and what netting takes of an earning: functions of values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from khata.base.clock import iso_or_none, to_iso
from khata.base.money import to_text
from khata.domain.debts.model import (
    KINDS,
    WHOLE,
    Debt,
    DebtKind,
    DebtState,
    Netting,
    Repayment,
    RepaymentView,
)
from khata.errors import Invalid

_MOST_AT_ONCE: Final = 100
"""Debts that one earning pays; the next one pays on."""


def kind_of(name: str) -> DebtKind:
    """A kind of debt by its name. Errors: `Invalid`."""
    kind = KINDS.get(name)
    if kind is None:
        raise Invalid(f"{name[:40]!r} is no kind of debt.", expected=list(KINDS), got=name[:40])
    return kind


def account_code(kind: str, owner: str) -> str:
    """The house account that carries an owner's debts of a kind, such as
    `receivable/refunds/alice`. Errors: `Invalid` for another kind.
    """
    return f"{kind_of(kind).account}/{owner}"


# ── what is owed ─────────────────────────────────────────────────────────────────────


def outstanding(debt: Debt) -> int:
    """What is still owed of a debt, fee included, in minor units."""
    return debt.principal + debt.fee - debt.repaid - debt.written_off


def fee_outstanding(debt: Debt) -> int:
    """What is still owed of its fee: whatever makes a debt smaller pays the fee first."""
    return max(debt.fee - debt.repaid - debt.written_off, 0)


# ── netting ──────────────────────────────────────────────────────────────────────────


def policy(value: Mapping[str, Any]) -> Netting:
    """How debts are netted, as the book's setting says; empty is the usual way.

    Errors: `Invalid` for unknown or repeated kinds, or anything but 0 to 10000 basis points.
    """
    try:
        wanted = msgspec.convert({"order": list(KINDS), "most": {}, **value}, Netting, strict=True)
    except msgspec.MsgspecError as error:
        raise Invalid(f"netting: {error}", expected="`order` and `most`") from None
    kinds = [kind_of(name) for name in wanted.order]
    if set(value) - {"order", "most"} or len(set(wanted.order)) < len(kinds):
        raise Invalid(
            "Netting has an order in which each kind stands once, and the most of each.",
            expected=["order", "most"],
            got=[text[:40] for text in (*value, *wanted.order)][:16],
        )
    for name, points in wanted.most.items():
        kind_of(name)
        if not 0 <= points <= WHOLE:
            raise Invalid(
                "Netting takes 0 to 10000 basis points of an earning.",
                expected="0 to 10000",
                got=points,
            )
    most = {name: wanted.most.get(name, kind.most) for name, kind in KINDS.items()}
    return Netting(wanted.order, most)


def taken(netting: Netting, owed: Iterable[Debt], earned: int, room: int) -> list[tuple[Debt, int]]:
    """What an earning pays of which debts, in the order of netting, the oldest of a kind first.

    `earned`: minor units that came; `room`: what may leave the wallet. Of each kind no more is
    paid than its share of the earning, of all together no more than `earned` and `room`. A share
    is rounded down.
    """
    left = min(earned, room)
    found: list[tuple[Debt, int]] = []
    by_age = sorted(owed, key=lambda debt: (debt.opened_at, len(debt.id), debt.id))
    for name in netting.order:
        share = earned * netting.most[name] // WHOLE
        for debt in by_age:
            minor = min(outstanding(debt), share, left)
            if debt.kind != name or minor <= 0:
                continue
            found.append((debt, minor))
            share, left = share - minor, left - minor
    return found[:_MOST_AT_ONCE]


# ── showing ──────────────────────────────────────────────────────────────────────────


def state_of(debt: Debt) -> DebtState:
    """The debt as its caller is told of it."""
    places, left, fee_left = debt.exponent, outstanding(debt), fee_outstanding(debt)
    return DebtState(
        debt.id,
        debt.status,
        debt.owner,
        debt.kind,
        debt.unit,
        to_text(debt.principal, places),
        to_text(debt.fee, places),
        to_text(debt.repaid, places),
        to_text(debt.written_off, places),
        to_text(left, places),
        to_text(left - fee_left, places),
        to_text(fee_left, places),
        debt.account,
        debt.wallet,
        debt.reference,
        debt.reason,
        to_iso(debt.opened_at),
        iso_or_none(debt.settled_at),
    )


def repayment_view(repayment: Repayment, debt: Debt) -> RepaymentView:
    """A repayment as its reader sees it."""
    return RepaymentView(
        repayment.way,
        to_text(repayment.amount, debt.exponent),
        to_text(repayment.fee, debt.exponent),
        debt.unit,
        repayment.entry,
        to_iso(repayment.at),
    )
