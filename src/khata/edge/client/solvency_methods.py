"""The clients' methods about solvency, the brake on payouts, the schedule, and reports."""

from __future__ import annotations

from khata.edge.client import solvency_calls
from khata.edge.client.methods import asynchronous, each, each_asynchronous, sync


class SolvencyMethods:
    """For `Client`."""

    solvency = sync(solvency_calls.solvency)
    check_solvency = sync(solvency_calls.check_solvency)
    solvency_checks = sync(solvency_calls.solvency_checks)
    verify_balance = sync(solvency_calls.verify_balance)
    verified_balances = sync(solvency_calls.verified_balances)
    publish_liability_root = sync(solvency_calls.publish_liability_root)
    liability_roots = sync(solvency_calls.liability_roots)
    liability_root = sync(solvency_calls.liability_root)
    inclusion = sync(solvency_calls.inclusion)
    payout_brakes = sync(solvency_calls.payout_brakes)
    apply_payout_brake = sync(solvency_calls.apply_payout_brake)
    lift_payout_brake = sync(solvency_calls.lift_payout_brake)
    schedule = sync(solvency_calls.schedule)
    set_schedule = sync(solvency_calls.set_schedule)
    report_trial_balance = sync(solvency_calls.report_trial_balance)
    report_balance_sheet = sync(solvency_calls.report_balance_sheet)
    report_income_statement = sync(solvency_calls.report_income_statement)
    each_solvency_checks = each(solvency_calls.solvency_checks)
    each_liability_roots = each(solvency_calls.liability_roots)


class AsyncSolvencyMethods:
    """For `AsyncClient`."""

    solvency = asynchronous(solvency_calls.solvency)
    check_solvency = asynchronous(solvency_calls.check_solvency)
    solvency_checks = asynchronous(solvency_calls.solvency_checks)
    verify_balance = asynchronous(solvency_calls.verify_balance)
    verified_balances = asynchronous(solvency_calls.verified_balances)
    publish_liability_root = asynchronous(solvency_calls.publish_liability_root)
    liability_roots = asynchronous(solvency_calls.liability_roots)
    liability_root = asynchronous(solvency_calls.liability_root)
    inclusion = asynchronous(solvency_calls.inclusion)
    payout_brakes = asynchronous(solvency_calls.payout_brakes)
    apply_payout_brake = asynchronous(solvency_calls.apply_payout_brake)
    lift_payout_brake = asynchronous(solvency_calls.lift_payout_brake)
    schedule = asynchronous(solvency_calls.schedule)
    set_schedule = asynchronous(solvency_calls.set_schedule)
    report_trial_balance = asynchronous(solvency_calls.report_trial_balance)
    report_balance_sheet = asynchronous(solvency_calls.report_balance_sheet)
    report_income_statement = asynchronous(solvency_calls.report_income_statement)
    each_solvency_checks = each_asynchronous(solvency_calls.solvency_checks)
    each_liability_roots = each_asynchronous(solvency_calls.liability_roots)
