"""The clients' methods about exports of other systems."""

from __future__ import annotations

from khata.edge.client import legacy_calls
from khata.edge.client.methods import asynchronous, each, each_asynchronous, sync


class LegacyMethods:
    """For `Client`."""

    audit_legacy = sync(legacy_calls.audit_legacy)
    take_over_legacy = sync(legacy_calls.take_over_legacy)
    take_over_customer = sync(legacy_calls.take_over_customer)
    legacy_takeovers = sync(legacy_calls.legacy_takeovers)
    each_legacy_takeovers = each(legacy_calls.legacy_takeovers)


class AsyncLegacyMethods:
    """For `AsyncClient`."""

    audit_legacy = asynchronous(legacy_calls.audit_legacy)
    take_over_legacy = asynchronous(legacy_calls.take_over_legacy)
    take_over_customer = asynchronous(legacy_calls.take_over_customer)
    legacy_takeovers = asynchronous(legacy_calls.legacy_takeovers)
    each_legacy_takeovers = each_asynchronous(legacy_calls.legacy_takeovers)
