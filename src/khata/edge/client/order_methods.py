"""The clients' methods about orders and their receipts."""

from __future__ import annotations

from khata.edge.client import order_calls
from khata.edge.client.methods import asynchronous, each, each_asynchronous, sync


class OrderMethods:
    """For `Client`."""

    place_order = sync(order_calls.place_order)
    pay_order = sync(order_calls.pay_order)
    adopt_order = sync(order_calls.adopt_order)
    upload_receipt = sync(order_calls.upload_receipt)
    order_receipts = sync(order_calls.order_receipts)
    receipt_file = sync(order_calls.receipt_file)
    approve_payment = sync(order_calls.approve_payment)
    reject_payment = sync(order_calls.reject_payment)
    extend_grace = sync(order_calls.extend_grace)
    move_order = sync(order_calls.move_order)
    cancel_order = sync(order_calls.cancel_order)
    refund_order = sync(order_calls.refund_order)
    order = sync(order_calls.order)
    orders = sync(order_calls.orders)
    order_changes = sync(order_calls.order_changes)
    overdue_orders = sync(order_calls.overdue_orders)
    order_policy = sync(order_calls.order_policy)
    set_order_policy = sync(order_calls.set_order_policy)
    each_orders = each(order_calls.orders)
    each_order_changes = each(order_calls.order_changes)


class AsyncOrderMethods:
    """For `AsyncClient`."""

    place_order = asynchronous(order_calls.place_order)
    pay_order = asynchronous(order_calls.pay_order)
    adopt_order = asynchronous(order_calls.adopt_order)
    upload_receipt = asynchronous(order_calls.upload_receipt)
    order_receipts = asynchronous(order_calls.order_receipts)
    receipt_file = asynchronous(order_calls.receipt_file)
    approve_payment = asynchronous(order_calls.approve_payment)
    reject_payment = asynchronous(order_calls.reject_payment)
    extend_grace = asynchronous(order_calls.extend_grace)
    move_order = asynchronous(order_calls.move_order)
    cancel_order = asynchronous(order_calls.cancel_order)
    refund_order = asynchronous(order_calls.refund_order)
    order = asynchronous(order_calls.order)
    orders = asynchronous(order_calls.orders)
    order_changes = asynchronous(order_calls.order_changes)
    overdue_orders = asynchronous(order_calls.overdue_orders)
    order_policy = asynchronous(order_calls.order_policy)
    set_order_policy = asynchronous(order_calls.set_order_policy)
    each_orders = each_asynchronous(order_calls.orders)
    each_order_changes = each_asynchronous(order_calls.order_changes)
