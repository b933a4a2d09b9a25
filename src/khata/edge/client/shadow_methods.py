"""The clients' methods about shadow mode."""

from __future__ import annotations

from khata.edge.client import shadow_calls
from khata.edge.client.methods import asynchronous, each, each_asynchronous, sync


class ShadowMethods:
    """For `Client`."""

    define_flow = sync(shadow_calls.define_flow)
    switch_flow = sync(shadow_calls.switch_flow)
    feed_events = sync(shadow_calls.feed_events)
    flows = sync(shadow_calls.flows)
    flow_report = sync(shadow_calls.flow_report)
    comparisons = sync(shadow_calls.comparisons)
    each_flows = each(shadow_calls.flows)
    each_comparisons = each(shadow_calls.comparisons)


class AsyncShadowMethods:
    """For `AsyncClient`."""

    define_flow = asynchronous(shadow_calls.define_flow)
    switch_flow = asynchronous(shadow_calls.switch_flow)
    feed_events = asynchronous(shadow_calls.feed_events)
    flows = asynchronous(shadow_calls.flows)
    flow_report = asynchronous(shadow_calls.flow_report)
    comparisons = asynchronous(shadow_calls.comparisons)
    each_flows = each_asynchronous(shadow_calls.flows)
    each_comparisons = each_asynchronous(shadow_calls.comparisons)
