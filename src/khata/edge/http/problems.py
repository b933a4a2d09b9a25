"""Errors as HTTP shows them: one table of statuses, one shape (RFC 9457 problem+json)."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from khata import errors
from khata.edge.client.answers import Problem
from khata.edge.http.wire import Headers, Reply
from khata.errors import market, operations

PROBLEM_JSON: Final = b"application/problem+json"

STATUS: Final[dict[type[errors.KhataError], int]] = {
    errors.KhataError: 500,
    errors.Refused: 422,
    errors.Invalid: 400,
    errors.InvalidAmount: 400,
    errors.TooManyDecimals: 400,
    errors.AmountTooLarge: 400,
    errors.UnknownCurrency: 400,
    errors.CurrencyMismatch: 400,
    errors.InvalidKey: 400,
    errors.InvalidCursor: 400,
    errors.InvalidFile: 400,
    errors.UnknownCommand: 400,
    errors.UnknownSource: 400,
    errors.UnknownKind: 400,
    errors.UnknownSaga: 400,
    errors.Unbalanced: 422,
    errors.SameAccount: 422,
    errors.InsufficientFunds: 422,
    errors.LimitExceeded: 422,
    errors.AccountFrozen: 422,
    errors.AccountClosed: 422,
    errors.AccountNotEmpty: 422,
    errors.InvalidTransition: 422,
    errors.HoldNotActive: 422,
    errors.HoldExceeded: 422,
    errors.ReversalExceeded: 422,
    errors.NotReversible: 422,
    errors.PayableClosed: 422,
    errors.ProviderNotOffered: 422,
    errors.PaymentFailed: 422,
    errors.RefundExceeded: 422,
    errors.AmountMismatch: 422,
    errors.BankAccountUnusable: 422,
    errors.BelowMinimum: 422,
    errors.PayoutsPaused: 422,
    errors.PayoutFailed: 422,
    errors.VaultMissing: 422,
    errors.VaultKeyUnknown: 422,
    errors.ApprovalRequired: 422,
    errors.ApprovalClosed: 422,
    errors.Irreversible: 422,
    errors.BatchRefused: 422,
    errors.BatchSkipped: 422,
    market.RuleInvalid: 422,
    market.SplitImpossible: 422,
    market.ReleaseExceeded: 422,
    market.EscrowDisputed: 422,
    market.EscrowClosed: 422,
    market.CampaignClosed: 422,
    market.CampaignExhausted: 422,
    market.BenefitRefused: 422,
    market.SelfReferral: 422,
    market.SquadRefused: 422,
    market.InsufficientStock: 422,
    market.LoanRefused: 422,
    market.RepaymentExceeded: 422,
    market.EarningRefused: 422,
    operations.ReceiptRefused: 422,
    operations.GraceEnded: 422,
    operations.RepairRefused: 422,
    operations.SnapshotRefused: 422,
    operations.StatementRefused: 422,
    operations.MatchRefused: 422,
    operations.PayoutsBraked: 422,
    operations.GateClosed: 422,
    errors.NotFound: 404,
    errors.WalletNotFound: 404,
    errors.AccountNotFound: 404,
    errors.HoldNotFound: 404,
    errors.EntryNotFound: 404,
    errors.SagaNotFound: 404,
    errors.PayableNotFound: 404,
    errors.PaymentNotFound: 404,
    errors.BankAccountNotFound: 404,
    errors.PayoutNotFound: 404,
    errors.BookingNotFound: 404,
    errors.BookNotFound: 404,
    market.RuleNotFound: 404,
    market.DebtNotFound: 404,
    market.LoanNotFound: 404,
    market.CampaignNotFound: 404,
    market.ReferralNotFound: 404,
    market.EscrowNotFound: 404,
    market.SaleNotFound: 404,
    market.SquadNotFound: 404,
    market.StockNotFound: 404,
    market.InvestmentNotFound: 404,
    operations.OrderNotFound: 404,
    operations.ReceiptNotFound: 404,
    operations.MismatchNotFound: 404,
    operations.StatementNotFound: 404,
    operations.RootNotFound: 404,
    operations.FlowNotFound: 404,
    errors.Conflict: 409,
    errors.KeyReused: 409,
    errors.AlreadyExists: 409,
    errors.PaymentActive: 409,
    errors.LeaseLost: 409,
    errors.SagaBusy: 409,
    market.RuleOverlap: 409,
    market.AlreadyCounted: 409,
    operations.LineMatched: 409,
    operations.PeriodClosed: 409,
    operations.AddressTaken: 409,
    operations.AlreadyServed: 409,
    errors.Forbidden: 403,
    errors.RoleRequired: 403,
    errors.NotYours: 403,
    errors.SameApprover: 403,
    errors.Unauthenticated: 401,
    errors.ScopeRequired: 403,
    errors.InvalidSignature: 403,
    errors.StaleWebhook: 403,
    errors.Unavailable: 503,
    errors.Overloaded: 503,
    errors.DatabaseUnavailable: 503,
    errors.StorageFull: 503,
    errors.Closing: 503,
    errors.Timeout: 504,
    errors.RateLimited: 429,
    errors.SchemaOutdated: 503,
    errors.Unknown: 502,
    errors.Broken: 500,
    errors.BookCorrupted: 500,
}
"""The status of every error. 400: fix the request; 422: the request is fine, the rules say no."""


class DoorError(Exception):
    """What is wrong with the HTTP of a request, before any command or query is known."""

    def __init__(
        self, status: int, code: str, detail: str, *, headers: Headers = (), **details: Any
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = headers
        self.details = details


def problem(error: Exception, request_id: str | None = None) -> Problem:
    """What a caller is told of an error. Of an unforeseen one: only that there was one."""
    if isinstance(error, errors.KhataError):
        return _problem(STATUS[type(error)], error.code, error.message, error.details, request_id)
    if isinstance(error, DoorError):
        return _problem(error.status, error.code, error.detail, error.details, request_id)
    return _problem(500, "internal_error", "Something went wrong here.", {}, request_id)


def _problem(
    status: int, code: str, detail: str, details: dict[str, Any], request_id: str | None
) -> Problem:
    title = code.replace("_", " ").capitalize()
    return Problem(f"urn:khata:problem:{code}", title, status, detail, code, details, request_id)


def problem_reply(error: Exception, request_id: str | None = None) -> Reply:
    """The answer to a request that failed."""
    told = problem(error, request_id)
    headers: list[tuple[bytes, bytes]] = []
    if isinstance(error, DoorError):
        headers += error.headers
    if told.status == STATUS[errors.Unauthenticated]:
        headers.append((b"www-authenticate", b'Bearer realm="khata"'))
    if isinstance(error, errors.Unavailable):
        seconds = error.details.get("retry_after_seconds", 1)
        headers.append((b"retry-after", str(seconds).encode()))
    body = msgspec.json.encode(told, enc_hook=str)
    return Reply(told.status, body, PROBLEM_JSON, headers)
