"""Payments: what comes in through wallets and providers, what goes back, what is disputed."""

from khata.domain.payments.commands import (
    VERBS,
    CancelPayable,
    ConfirmTransfer,
    Initiate,
    RefundPayment,
    RegisterPayable,
    RejectTransfer,
    Tell,
    cancel,
    initiate,
    payment_of,
    register,
)
from khata.domain.payments.model import (
    LOST,
    OWED,
    Applied,
    Dispute,
    Payable,
    Payment,
    ProviderEvent,
    Refund,
)
from khata.domain.payments.naming import check_free, named_by, taken_by
from khata.domain.payments.queries import (
    Offered,
    disputes,
    offered,
    payable,
    payables,
    payment,
    payments,
    refunds,
)
from khata.domain.payments.refunding import lost, open_refund, refundable
from khata.domain.payments.rules import SETTLED
from khata.domain.payments.sagas import SAGAS
from khata.domain.payments.settling import followed_by
from khata.domain.payments.showing import (
    DisputeState,
    PayableState,
    PaymentState,
    RefundState,
    payment_state,
)
from khata.domain.payments.telling import apply_event

__all__ = [
    "LOST",
    "OWED",
    "SAGAS",
    "SETTLED",
    "VERBS",
    "Applied",
    "CancelPayable",
    "ConfirmTransfer",
    "Dispute",
    "DisputeState",
    "Initiate",
    "Offered",
    "Payable",
    "PayableState",
    "Payment",
    "PaymentState",
    "ProviderEvent",
    "Refund",
    "RefundPayment",
    "RefundState",
    "RegisterPayable",
    "RejectTransfer",
    "Tell",
    "apply_event",
    "cancel",
    "check_free",
    "disputes",
    "followed_by",
    "initiate",
    "lost",
    "named_by",
    "offered",
    "open_refund",
    "payable",
    "payables",
    "payment",
    "payment_of",
    "payment_state",
    "payments",
    "refundable",
    "refunds",
    "register",
    "taken_by",
]
