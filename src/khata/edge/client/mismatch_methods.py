"""The clients' methods about mismatches of orders and their repair."""

from __future__ import annotations

from khata.edge.client import mismatch_calls
from khata.edge.client.methods import asynchronous, each, each_asynchronous, sync


class MismatchMethods:
    """For `Client`."""

    mismatch = sync(mismatch_calls.mismatch)
    mismatches = sync(mismatch_calls.mismatches)
    unlike_orders = sync(mismatch_calls.unlike_orders)
    sweep_orders = sync(mismatch_calls.sweep_orders)
    dismiss_mismatch = sync(mismatch_calls.dismiss_mismatch)
    repair_order = sync(mismatch_calls.repair_order)
    repair = sync(mismatch_calls.repair)
    repairs = sync(mismatch_calls.repairs)
    each_mismatches = each(mismatch_calls.mismatches)
    each_repairs = each(mismatch_calls.repairs)


class AsyncMismatchMethods:
    """For `AsyncClient`."""

    mismatch = asynchronous(mismatch_calls.mismatch)
    mismatches = asynchronous(mismatch_calls.mismatches)
    unlike_orders = asynchronous(mismatch_calls.unlike_orders)
    sweep_orders = asynchronous(mismatch_calls.sweep_orders)
    dismiss_mismatch = asynchronous(mismatch_calls.dismiss_mismatch)
    repair_order = asynchronous(mismatch_calls.repair_order)
    repair = asynchronous(mismatch_calls.repair)
    repairs = asynchronous(mismatch_calls.repairs)
    each_mismatches = each_asynchronous(mismatch_calls.mismatches)
    each_repairs = each_asynchronous(mismatch_calls.repairs)
