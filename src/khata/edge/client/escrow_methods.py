"""The clients' methods about escrows."""

from __future__ import annotations

from khata.edge.client import escrow_calls
from khata.edge.client.methods import asynchronous, each, each_asynchronous, sync


class EscrowMethods:
    """For `Client`."""

    fund_escrow = sync(escrow_calls.fund_escrow)
    escrow = sync(escrow_calls.escrow)
    escrows = sync(escrow_calls.escrows)
    unexplained_escrows = sync(escrow_calls.unexplained_escrows)
    release_escrow = sync(escrow_calls.release_escrow)
    refund_escrow = sync(escrow_calls.refund_escrow)
    confirm_escrow_delivery = sync(escrow_calls.confirm_escrow_delivery)
    dispute_escrow = sync(escrow_calls.dispute_escrow)
    settle_escrow_dispute = sync(escrow_calls.settle_escrow_dispute)
    each_escrows = each(escrow_calls.escrows)


class AsyncEscrowMethods:
    """For `AsyncClient`."""

    fund_escrow = asynchronous(escrow_calls.fund_escrow)
    escrow = asynchronous(escrow_calls.escrow)
    escrows = asynchronous(escrow_calls.escrows)
    unexplained_escrows = asynchronous(escrow_calls.unexplained_escrows)
    release_escrow = asynchronous(escrow_calls.release_escrow)
    refund_escrow = asynchronous(escrow_calls.refund_escrow)
    confirm_escrow_delivery = asynchronous(escrow_calls.confirm_escrow_delivery)
    dispute_escrow = asynchronous(escrow_calls.dispute_escrow)
    settle_escrow_dispute = asynchronous(escrow_calls.settle_escrow_dispute)
    each_escrows = each_asynchronous(escrow_calls.escrows)
