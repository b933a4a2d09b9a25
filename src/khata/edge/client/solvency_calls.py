"""Calls about solvency, the brake on payouts, the schedule, and reports."""

from __future__ import annotations

from khata.base.money import Money
from khata.base.paging import Page
from khata.domain.ledger import BalanceSheet, IncomeStatement, TrialLine
from khata.domain.payouts import Brake, BrakeLifted
from khata.domain.setup import Schedules
from khata.domain.solvency import (
    Checked,
    CheckView,
    Inclusion,
    Positions,
    RootView,
    VerifiedView,
)
from khata.edge.client.answers import Receipt
from khata.edge.client.call import Call, asked, path_of, write
from khata.edge.reporting import Report

# ── solvency ─────────────────────────────────────────────────────────────────────────


def solvency() -> Call[Positions]:
    """How every currency stands now: cash, what is owed, and what is left."""
    return Call("GET", path_of("solvency"), Positions)


def check_solvency(*, key: str | None = None, dry_run: bool = False) -> Call[Receipt[Checked]]:
    """Check every currency now; a breach brakes its payouts."""
    return write(Receipt[Checked], path_of("solvency", "checks"), {}, key, dry_run=dry_run)


def solvency_checks(*, currency: str | None = None, limit: int = 100) -> Call[Page[CheckView]]:
    """Recorded checks, newest first."""
    query = {"currency": currency, "limit": limit}
    return Call("GET", path_of("solvency", "checks"), Page[CheckView], asked(query))


def verify_balance(
    account: str, amount: Money, *, at: str, evidence: str, key: str | None = None
) -> Call[Receipt[VerifiedView]]:
    """Note what an account for cash really held at an instant. `at`: ISO 8601 with an offset."""
    body = {"account": account, "amount": amount, "at": at, "evidence": evidence}
    return write(Receipt[VerifiedView], path_of("solvency", "verified-balances"), body, key)


def verified_balances() -> Call[Page[VerifiedView]]:
    """The last balance of each account that was verified outside."""
    return Call("GET", path_of("solvency", "verified-balances"), Page[VerifiedView])


# ── proofs of liabilities ────────────────────────────────────────────────────────────


def publish_liability_root(currency: str, *, key: str | None = None) -> Call[Receipt[RootView]]:
    """Publish a proof of what owners are owed in a currency."""
    body = {"currency": currency}
    return write(Receipt[RootView], path_of("solvency", "roots"), body, key)


def liability_roots(*, currency: str | None = None, limit: int = 100) -> Call[Page[RootView]]:
    """Published proofs of liabilities, newest first."""
    query = {"currency": currency, "limit": limit}
    return Call("GET", path_of("solvency", "roots"), Page[RootView], asked(query))


def liability_root(root: str) -> Call[RootView]:
    """One published proof of liabilities."""
    return Call("GET", path_of("solvency", "roots", root), RootView)


def inclusion(root: str, *, owner: str | None = None) -> Call[Inclusion]:
    """The proof that an owner's balance is in a published total. `owner`: an owner's own."""
    path = path_of("solvency", "roots", root, "inclusion")
    return Call("GET", path, Inclusion, asked({"owner": owner}))


# ── the brake and the schedule ───────────────────────────────────────────────────────


def payout_brakes() -> Call[Page[Brake]]:
    """The currencies in which payouts are braked, and why."""
    return Call("GET", path_of("payout-brakes"), Page[Brake])


def apply_payout_brake(
    currency: str, reason: str, *, key: str | None = None
) -> Call[Receipt[Brake]]:
    """Stop all payouts in a currency, until two people let them go on."""
    body = {"currency": currency, "reason": reason}
    return write(Receipt[Brake], path_of("payout-brakes"), body, key)


def lift_payout_brake(
    currency: str, reason: str, *, key: str | None = None
) -> Call[Receipt[BrakeLifted]]:
    """Let payouts in a currency go on: always refused to one person, who asks for approval."""
    path = path_of("payout-brakes", currency, "lift")
    return write(Receipt[BrakeLifted], path, {"reason": reason}, key)


def schedule() -> Call[Schedules]:
    """When the jobs that the clock calls for are done."""
    return Call("GET", path_of("schedules"), Schedules)


def set_schedule(
    *,
    time_zone: str | None = None,
    reconciliation: str | None = None,
    solvency: str | None = None,
    key: str | None = None,
) -> Call[Receipt[Schedules]]:
    """Say when they are done: `hourly`, a time of day such as `02:00`, or `off`."""
    body = {"time_zone": time_zone, "reconciliation": reconciliation, "solvency": solvency}
    return write(Receipt[Schedules], path_of("schedules"), body, key)


# ── reports ──────────────────────────────────────────────────────────────────────────


def report_trial_balance(
    *, on: str | None = None, zone: str | None = None
) -> Call[Report[TrialLine]]:
    """Every account's balance at the end of a day; left out, today."""
    path = path_of("reports", "trial-balance")
    return Call("GET", path, Report[TrialLine], asked({"on": on, "zone": zone}))


def report_balance_sheet(
    *, on: str | None = None, zone: str | None = None
) -> Call[Report[BalanceSheet]]:
    """What the house had, owed and owned at the end of a day."""
    path = path_of("reports", "balance-sheet")
    return Call("GET", path, Report[BalanceSheet], asked({"on": on, "zone": zone}))


def report_income_statement(
    *, first: str | None = None, on: str | None = None, zone: str | None = None
) -> Call[Report[IncomeStatement]]:
    """What came in and what was spent from one day to another; left out, from the beginning."""
    query = {"first": first, "on": on, "zone": zone}
    path = path_of("reports", "income-statement")
    return Call("GET", path, Report[IncomeStatement], asked(query))
