"""Schedules, and how a loan stands at an instant: functions of values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from khata.base.clock import DAY, Instant, iso_or_none, to_iso
from khata.base.money import to_text
from khata.domain.debts import Debt, fee_outstanding, outstanding
from khata.domain.ledger import share
from khata.domain.loans.model import (
    Instalment,
    InstalmentView,
    Loan,
    LoanState,
    LoanStatus,
    Policy,
    Standing,
)
from khata.errors import Invalid


def policy_in(value: Mapping[str, Any]) -> Policy:
    """The policy that a setting's value says. Errors: `Invalid`."""
    try:
        return msgspec.convert(value, Policy)
    except msgspec.ValidationError as error:
        raise Invalid(
            f"The setting loans makes no sense: {error}", expected=list(Policy.__struct_fields__)
        ) from None


def schedule(
    principal: int, fee: int, count: int, *, first_at: Instant, every_days: int
) -> list[Instalment]:
    """`count` instalments, as equal as minor units allow, the larger ones first.

    Principal and fee are shared by largest remainder (Hamilton's method), so each adds up exactly.
    The first is due at `first_at`, each further one `every_days` times 24 hours later.
    """
    evenly = [1] * count
    parts = zip(share(principal, evenly), share(fee, evenly), strict=True)
    return [
        Instalment(first_at + at * every_days * DAY, part, fee_part)
        for at, (part, fee_part) in enumerate(parts)
    ]


def standing(loan: Loan, debt: Debt, now: Instant) -> Standing:
    """How a loan stands. What was repaid or written off counts to the instalments in their order;
    an instalment is overdue from the instant that it is due.
    """
    left = unpaid(loan.instalments, debt.repaid + debt.written_off)
    due = sum(part.due_at <= now for part in loan.instalments)
    overdue = sum(left[:due]) if debt.status == "open" else 0
    following = next((at for at, minor in enumerate(left) if minor), None)
    if debt.status != "open" or following is None:
        return Standing(_status(debt, overdue), due, overdue, None, 0)
    return Standing(
        _status(debt, overdue),
        due,
        overdue,
        loan.instalments[following].due_at,
        left[following],
    )


def unpaid(instalments: Sequence[Instalment], paid: int) -> list[int]:
    """What is left to pay of each instalment after `paid` (minor units) went to them in order."""
    left = []
    for part in instalments:
        taken = min(part.amount, paid)
        left.append(part.amount - taken)
        paid -= taken
    return left


def _status(debt: Debt, overdue: int) -> LoanStatus:
    if debt.status == "settled":
        return "repaid"
    if debt.status == "written_off":
        return "written_off"
    return "overdue" if overdue else "open"


def state_of(loan: Loan, debt: Debt, now: Instant) -> LoanState:
    """The loan as its caller is told of it at an instant."""
    places, stands = loan.exponent, standing(loan, debt, now)
    left, fee_left = outstanding(debt), fee_outstanding(debt)
    return LoanState(
        loan.id,
        stands.status,
        loan.kind,
        loan.owner,
        loan.wallet,
        loan.unit,
        to_text(loan.principal, places),
        to_text(loan.fee, places),
        to_text(debt.repaid, places),
        to_text(debt.written_off, places),
        to_text(left, places),
        to_text(left - fee_left, places),
        to_text(fee_left, places),
        to_text(stands.overdue, places),
        iso_or_none(stands.next_at),
        None if stands.next_at is None else to_text(stands.next, places),
        loan.debt,
        loan.reference,
        loan.entry,
        to_iso(loan.granted_at),
        iso_or_none(debt.settled_at),
    )


def instalment_views(loan: Loan, debt: Debt) -> list[InstalmentView]:
    """The schedule as its reader sees it."""
    places = loan.exponent
    left = unpaid(loan.instalments, debt.repaid + debt.written_off)
    return [
        InstalmentView(
            to_iso(part.due_at),
            to_text(part.principal, places),
            to_text(part.fee, places),
            to_text(part.amount, places),
            to_text(minor, places),
        )
        for part, minor in zip(loan.instalments, left, strict=True)
    ]
