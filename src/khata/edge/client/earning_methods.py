"""The clients' methods about earnings and trust."""

from __future__ import annotations

from khata.edge.client import earning_calls
from khata.edge.client.methods import asynchronous, each, each_asynchronous, sync


class EarningMethods:
    """For `Client`."""

    set_view_rate = sync(earning_calls.set_view_rate)
    view_rate = sync(earning_calls.view_rate)
    count_views = sync(earning_calls.count_views)
    views = sync(earning_calls.views)
    videos = sync(earning_calls.videos)
    give_bonus = sync(earning_calls.give_bonus)
    pay_delivery = sync(earning_calls.pay_delivery)
    paid_missions = sync(earning_calls.paid_missions)
    earnings = sync(earning_calls.earnings)
    earning_totals = sync(earning_calls.earning_totals)
    set_earning_policy = sync(earning_calls.set_earning_policy)
    earning_policy = sync(earning_calls.earning_policy)
    record_trust_event = sync(earning_calls.record_trust_event)
    trust = sync(earning_calls.trust)
    trust_events = sync(earning_calls.trust_events)
    set_trust_rules = sync(earning_calls.set_trust_rules)
    trust_rules = sync(earning_calls.trust_rules)
    each_videos = each(earning_calls.videos)
    each_paid_missions = each(earning_calls.paid_missions)
    each_earnings = each(earning_calls.earnings)
    each_trust_events = each(earning_calls.trust_events)


class AsyncEarningMethods:
    """For `AsyncClient`."""

    set_view_rate = asynchronous(earning_calls.set_view_rate)
    view_rate = asynchronous(earning_calls.view_rate)
    count_views = asynchronous(earning_calls.count_views)
    views = asynchronous(earning_calls.views)
    videos = asynchronous(earning_calls.videos)
    give_bonus = asynchronous(earning_calls.give_bonus)
    pay_delivery = asynchronous(earning_calls.pay_delivery)
    paid_missions = asynchronous(earning_calls.paid_missions)
    earnings = asynchronous(earning_calls.earnings)
    earning_totals = asynchronous(earning_calls.earning_totals)
    set_earning_policy = asynchronous(earning_calls.set_earning_policy)
    earning_policy = asynchronous(earning_calls.earning_policy)
    record_trust_event = asynchronous(earning_calls.record_trust_event)
    trust = asynchronous(earning_calls.trust)
    trust_events = asynchronous(earning_calls.trust_events)
    set_trust_rules = asynchronous(earning_calls.set_trust_rules)
    trust_rules = asynchronous(earning_calls.trust_rules)
    each_videos = each_asynchronous(earning_calls.videos)
    each_paid_missions = each_asynchronous(earning_calls.paid_missions)
    each_earnings = each_asynchronous(earning_calls.earnings)
    each_trust_events = each_asynchronous(earning_calls.trust_events)
