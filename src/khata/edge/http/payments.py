"""The operations of payments and bookings."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from khata.base.paging import Page
from khata.domain import bookings, payments
from khata.domain.bookings import (
    CancelBooking,
    CompleteBooking,
    CreateBooking,
    PayBooking,
    RefundBooking,
)
from khata.domain.payments import (
    CancelPayable,
    ConfirmTransfer,
    Initiate,
    RefundPayment,
    RegisterPayable,
    RejectTransfer,
)
from khata.edge.http.operation import Operation
from khata.edge.http.reads import Nothing, Paged, read
from khata.edge.http.threads import Threads
from khata.edge.http.write import write
from khata.engine.database import View
from khata.settings import Settings

_BDT: Final = {"amount": "1000.00", "currency": "BDT"}
_PART: Final = {"amount": "400.00", "currency": "BDT"}
_P: Final = "/v1/payments/{payment}"
_B: Final = "/v1/bookings/{booking}"


class OfferedAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`country`: ISO 3166, two letters. Left out, any."""

    currency: str | None = None
    country: str | None = None


class PayablesAsked(Paged, frozen=True, kw_only=True):
    """Each filter is an equality. `status`: open, paid, cancelled, refunded."""

    owner: str | None = None
    status: str | None = None


class PaymentsAsked(Paged, frozen=True, kw_only=True):
    """Each filter is an equality."""

    owner: str | None = None
    subject: str | None = None
    status: str | None = None
    method: str | None = None
    provider: str | None = None


class OfPaymentAsked(Paged, frozen=True, kw_only=True):
    """Each filter is an equality."""

    payment: str | None = None
    status: str | None = None


class BookingsAsked(Paged, frozen=True, kw_only=True):
    """Each filter is an equality. `status`: open, confirmed, completed, cancelled."""

    guest: str | None = None
    host: str | None = None
    status: str | None = None


def offered(view: View, **asked: Any) -> Page[payments.Offered]:
    """Who collects it."""
    return Page(payments.offered(view, **asked))


# path, command, operation id, tag, status, body that works
_WRITES: Final[tuple[tuple[str, Any, str, str, int, Any], ...]] = (
    ("/v1/payables", RegisterPayable, "registerPayable", "payments", 201,
     {"subject": "order/M1001", "owner": "alice", "amount": _BDT, "country": "BD"}),
    ("/v1/payables/{payable}/cancel", CancelPayable, "cancelPayable", "payments", 200,
     {"reason": "Out of stock."}),
    ("/v1/payments", Initiate, "initiatePayment", "payments", 201,
     {"subject": "order/M1001", "method": "wallet", "wallet": "alice/personal/BDT"}),
    (f"{_P}/confirm", ConfirmTransfer, "confirmTransfer", "payments", 200,
     {"amount": _PART, "evidence": "Bank statement of 31 January, line 7."}),
    (f"{_P}/reject", RejectTransfer, "rejectTransfer", "payments", 200,
     {"reason": "No such transfer came."}),
    (f"{_P}/refunds", RefundPayment, "refundPayment", "payments", 201,
     {"reason": "One was broken.", "amount": _PART}),
    ("/v1/bookings", CreateBooking, "createBooking", "bookings", 201,
     {"ref": "B7", "guest": "alice", "host": "hasan", "amount": _BDT, "commission_points": 1500,
      "country": "BD"}),
    (f"{_B}/pay", PayBooking, "payBooking", "bookings", 201,
     {"method": "provider", "way": "card", "token": "tok_visa"}),
    (f"{_B}/complete", CompleteBooking, "completeBooking", "bookings", 200, {}),
    (f"{_B}/cancel", CancelBooking, "cancelBooking", "bookings", 200, {"reason": "Rain."}),
    (f"{_B}/refunds", RefundBooking, "refundBooking", "bookings", 201,
     {"reason": "One night less.", "amount": _PART}),
)  # fmt: skip

_Q: Final = payments
# path, query, parameters, what it gives, operation id, tag, summary
_READS: Final[tuple[tuple[str, Any, Any, Any, str, str, str], ...]] = (
    ("/v1/payment-methods", offered, OfferedAsked, Page[_Q.Offered], "listPaymentMethods",
     "payments", "Which providers collect a currency in a country, and how"),
    ("/v1/payables", _Q.payables, PayablesAsked, Page[_Q.PayableState], "listPayables",
     "payments", "What is to be paid, or was, by subject"),
    ("/v1/payables/{payable}", _Q.payable, Nothing, _Q.PayableState, "getPayable", "payments",
     "What is to be paid under a subject, with its slash encoded"),
    ("/v1/payments", _Q.payments, PaymentsAsked, Page[_Q.PaymentState], "listPayments",
     "payments", "Payments, newest first"),
    (_P, _Q.payment, Nothing, _Q.PaymentState, "getPayment", "payments", "One payment"),
    ("/v1/refunds", _Q.refunds, OfPaymentAsked, Page[_Q.RefundState], "listRefunds", "payments",
     "Refunds, newest first"),
    ("/v1/disputes", _Q.disputes, OfPaymentAsked, Page[_Q.DisputeState], "listDisputes",
     "payments", "Disputes, newest first"),
    ("/v1/bookings", bookings.bookings, BookingsAsked, Page[bookings.BookingState],
     "listBookings", "bookings", "Bookings, newest first"),
    (_B, bookings.booking, Nothing, bookings.BookingState, "getBooking", "bookings",
     "One booking"),
)  # fmt: skip


def payment_operations(settings: Settings, threads: Threads) -> list[Operation]:
    """All of them: owners pay what is theirs and see it, the rest is for staff and services."""
    writes = [
        write(settings, "POST", path, command, name=name, tag=tag, status=status, example=example)
        for path, command, name, tag, status, example in _WRITES
    ]
    return [*writes, *(read(threads, *row) for row in _READS)]
