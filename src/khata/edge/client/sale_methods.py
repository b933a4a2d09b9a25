"""The clients' methods about sales."""

from __future__ import annotations

from khata.edge.client import sale_calls
from khata.edge.client.methods import asynchronous, each, each_asynchronous, sync


class SaleMethods:
    """For `Client`."""

    place_sale = sync(sale_calls.place_sale)
    sale = sync(sale_calls.sale)
    sales = sync(sale_calls.sales)
    pay_sale = sync(sale_calls.pay_sale)
    assign_rider = sync(sale_calls.assign_rider)
    deliver_sale = sync(sale_calls.deliver_sale)
    cancel_sale = sync(sale_calls.cancel_sale)
    refund_sale = sync(sale_calls.refund_sale)
    mission = sync(sale_calls.mission)
    missions = sync(sale_calls.missions)
    trace = sync(sale_calls.trace)
    each_sales = each(sale_calls.sales)
    each_missions = each(sale_calls.missions)


class AsyncSaleMethods:
    """For `AsyncClient`."""

    place_sale = asynchronous(sale_calls.place_sale)
    sale = asynchronous(sale_calls.sale)
    sales = asynchronous(sale_calls.sales)
    pay_sale = asynchronous(sale_calls.pay_sale)
    assign_rider = asynchronous(sale_calls.assign_rider)
    deliver_sale = asynchronous(sale_calls.deliver_sale)
    cancel_sale = asynchronous(sale_calls.cancel_sale)
    refund_sale = asynchronous(sale_calls.refund_sale)
    mission = asynchronous(sale_calls.mission)
    missions = asynchronous(sale_calls.missions)
    trace = asynchronous(sale_calls.trace)
    each_sales = each_asynchronous(sale_calls.sales)
    each_missions = each_asynchronous(sale_calls.missions)
