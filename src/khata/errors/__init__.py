"""Every error that Khata raises, as one tree.

    KhataError
    ├── Refused          the rules said no; asking again unchanged will not help
    │   ├── Invalid      the input itself is malformed or out of range
    │   └── …            one class and one stable code for each reason
    ├── NotFound         what was named does not exist
    ├── Conflict         it clashes with something already recorded
    ├── Forbidden        this actor may not do it
    ├── Unavailable      the only retryable family: ask again with the same key
    ├── Unknown          the outcome could not be learned
    └── Broken           an invariant fell; stop and look

Each class carries a stable `code`, documented in `docs/errors.md`. HTTP statuses live in
`edge/http`, exit codes in `edge/cli`: nothing here knows how an error is shown.
"""

from __future__ import annotations

from typing import Any, ClassVar


class KhataError(Exception):
    """The root. `message` is for people, `code` for programs, `details` for both.

    `details` holds plain JSON values such as `expected`, `got`, `available`; it never
    holds secrets.
    """

    code: ClassVar[str] = "error"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details = details

    def __str__(self) -> str:
        return f"{self.message} [{self.code}]"


# ── Refused: the rules said no ───────────────────────────────────────────────────────


class Refused(KhataError):
    """The rules said no and nothing was written."""

    code = "refused"


class Invalid(Refused):
    """The input is not what was asked for: `expected` and `got` say how."""

    code = "invalid_input"


class InvalidAmount(Invalid):
    """Not a positive decimal string, or zero or negative where that is meaningless."""

    code = "invalid_amount"


class TooManyDecimals(Invalid):
    """More decimals than the currency has."""

    code = "too_many_decimals"


class AmountTooLarge(Invalid):
    """Beyond what a book can hold (18 digits of minor units)."""

    code = "amount_too_large"


class UnknownCurrency(Invalid):
    """Neither an ISO 4217 code nor a unit that this book has defined."""

    code = "unknown_currency"


class CurrencyMismatch(Invalid):
    """Amount and account, or two accounts, are in different units."""

    code = "currency_mismatch"


class InvalidKey(Invalid):
    """The idempotency key is missing, too long or has characters that it may not have."""

    code = "invalid_key"


class InvalidCursor(Invalid):
    """A page cursor that this book did not give out."""

    code = "invalid_cursor"


class InvalidFile(Invalid):
    """A file stopped making sense: `line` says where, `expected` what was looked for."""

    code = "invalid_file"


class UnknownCommand(Invalid):
    """No handler is registered for this kind of command."""

    code = "unknown_command"


class UnknownSource(Invalid):
    """A transaction source that is neither built in nor defined in this book."""

    code = "unknown_source"


class UnknownSaga(Invalid):
    """A saga, or a version of one, that this program does not know."""

    code = "unknown_saga"


class UnknownKind(Invalid):
    """A wallet kind that is neither built in nor defined in this book."""

    code = "unknown_kind"


class Unbalanced(Refused):
    """The legs of an entry do not sum to zero for some unit."""

    code = "unbalanced_entry"


class SameAccount(Refused):
    """Money would move from an account to itself."""

    code = "same_account"


class InsufficientFunds(Refused):
    """The available balance, overdraft included, is smaller than the amount."""

    code = "insufficient_funds"


class LimitExceeded(Refused):
    """A velocity limit of the account would be passed: `window_seconds` names it."""

    code = "limit_exceeded"


class AccountFrozen(Refused):
    """The account or wallet is frozen: no money moves."""

    code = "account_frozen"


class AccountClosed(Refused):
    """The account or wallet is closed for good."""

    code = "account_closed"


class AccountNotEmpty(Refused):
    """Only an account with neither balance nor holds can be closed."""

    code = "account_not_empty"


class InvalidTransition(Refused):
    """The record is not in a state from which this can be done."""

    code = "invalid_transition"


class HoldNotActive(Refused):
    """The hold was captured, voided or has expired."""

    code = "hold_not_active"


class HoldExceeded(Refused):
    """More would be captured than the hold still has."""

    code = "hold_exceeded"


class ReversalExceeded(Refused):
    """More would be reversed than is left of the original entry."""

    code = "reversal_exceeded"


class NotReversible(Refused):
    """This entry cannot be reversed this way; `reason` says why."""

    code = "not_reversible"


class PayableClosed(Refused):
    """What is to be paid is paid, cancelled or refunded already."""

    code = "payable_closed"


class ProviderNotOffered(Refused):
    """No such provider for this country, currency and way to pay: `expected` lists who is."""

    code = "provider_not_offered"


class PaymentFailed(Refused):
    """The payment came to nothing: `reason` says why."""

    code = "payment_failed"


class RefundExceeded(Refused):
    """More would be refunded than is left of the payment."""

    code = "refund_exceeded"


class AmountMismatch(Refused):
    """The amount is not the one that is to be paid."""

    code = "amount_mismatch"


class BankAccountUnusable(Refused):
    """Nothing can be paid out to this bank account: `reason` says why."""

    code = "bank_account_unusable"


class BelowMinimum(Refused):
    """Less than the smallest amount that is paid out."""

    code = "below_minimum"


class PayoutsPaused(Refused):
    """Somebody has stopped all payouts of this book."""

    code = "payouts_paused"


class PayoutFailed(Refused):
    """The payout came to nothing: `reason` says why."""

    code = "payout_failed"


class VaultMissing(Refused):
    """Nothing can be sealed or opened here, because no vault key is set."""

    code = "vault_missing"


class VaultKeyUnknown(Refused):
    """What was sealed cannot be opened with any of the vault's keys."""

    code = "vault_key_unknown"


class ApprovalRequired(Refused):
    """Above the four-eyes limit: a second person must approve it."""

    code = "approval_required"


class ApprovalClosed(Refused):
    """The request for approval was already decided."""

    code = "approval_closed"


class Irreversible(Refused):
    """Something that cannot be undone was done: `step` names it."""

    code = "irreversible"


class BatchRefused(Refused):
    """An all-or-nothing batch was refused; `index` and `reason` name the first bad line."""

    code = "batch_refused"


class BatchSkipped(Refused):
    """Not carried out, because a neighbour in the same all-or-nothing batch was refused."""

    code = "batch_skipped"


# ── NotFound ─────────────────────────────────────────────────────────────────────────


class NotFound(KhataError):
    """What was named does not exist in this book."""

    code = "not_found"


class WalletNotFound(NotFound):
    """No such wallet."""

    code = "wallet_not_found"


class AccountNotFound(NotFound):
    """No such account."""

    code = "account_not_found"


class HoldNotFound(NotFound):
    """No such hold, or no hold in this group."""

    code = "hold_not_found"


class EntryNotFound(NotFound):
    """No such entry."""

    code = "entry_not_found"


class SagaNotFound(NotFound):
    """No such saga."""

    code = "saga_not_found"


class PayableNotFound(NotFound):
    """Nothing is registered under this subject."""

    code = "payable_not_found"


class PaymentNotFound(NotFound):
    """No such payment."""

    code = "payment_not_found"


class BankAccountNotFound(NotFound):
    """No such bank account."""

    code = "bank_account_not_found"


class PayoutNotFound(NotFound):
    """No such payout, or batch of payouts."""

    code = "payout_not_found"


class BookingNotFound(NotFound):
    """No such booking."""

    code = "booking_not_found"


class BookNotFound(NotFound):
    """No such book in this database."""

    code = "book_not_found"


# ── Conflict ─────────────────────────────────────────────────────────────────────────


class Conflict(KhataError):
    """It clashes with something already recorded."""

    code = "conflict"


class KeyReused(Conflict):
    """The idempotency key was already used with another body."""

    code = "idempotency_key_reused"


class AlreadyExists(Conflict):
    """A record with this name exists."""

    code = "already_exists"


class PaymentActive(Conflict):
    """A payment for the same subject is under way: `payment` names it."""

    code = "payment_active"


class LeaseLost(Conflict):
    """A worker moved a saga that is in other hands by now."""

    code = "lease_lost"


class SagaBusy(Conflict):
    """A call of the saga is under way: its outcome must be known first."""

    code = "saga_busy"


# ── Forbidden ────────────────────────────────────────────────────────────────────────


class Forbidden(KhataError):
    """This actor may not do it."""

    code = "forbidden"


class RoleRequired(Forbidden):
    """The verb needs a role that the actor does not have: `expected` lists them."""

    code = "role_required"


class NotYours(Forbidden):
    """An owner named a wallet, hold or book that is not theirs (or does not exist)."""

    code = "not_yours"


class SameApprover(Forbidden):
    """Four eyes are two people: who asked cannot approve."""

    code = "same_approver"


class Unauthenticated(Forbidden):
    """No credentials, or credentials that are not valid (any more)."""

    code = "unauthenticated"


class ScopeRequired(Forbidden):
    """The API key or token lacks the scope for this call."""

    code = "scope_required"


class InvalidSignature(Forbidden):
    """A webhook that none of the provider's secrets has signed."""

    code = "invalid_signature"


class StaleWebhook(Forbidden):
    """A webhook that was signed too long ago, or in the future: perhaps a replay."""

    code = "stale_webhook"


# ── Unavailable: the only retryable family ───────────────────────────────────────────


class Unavailable(KhataError):
    """Try again, with the same key: the key tells whether the first try counted."""

    code = "unavailable"
    retryable = True


class Overloaded(Unavailable):
    """The queue is full: `retry_after_seconds` says when to come back."""

    code = "overloaded"


class DatabaseUnavailable(Unavailable):
    """The database cannot be reached."""

    code = "database_unavailable"


class StorageFull(Unavailable):
    """The disk is full; nothing was written."""

    code = "storage_full"


class Closing(Unavailable):
    """This process is shutting down and accepts nothing new."""

    code = "closing"


class Timeout(Unavailable):
    """No answer in time. The command may still be carried out: its key will tell."""

    code = "timeout"


class RateLimited(Unavailable):
    """Too many requests: `retry_after_seconds` says when to come back."""

    code = "rate_limited"


class SchemaOutdated(Unavailable):
    """The database's tables are not those of this version: run `khata migrate`."""

    code = "schema_outdated"


# ── Unknown and Broken ───────────────────────────────────────────────────────────────


class Unknown(KhataError):
    """The outcome could not be learned; look before doing it again."""

    code = "unknown_outcome"


class Broken(KhataError):
    """An invariant fell. Nothing more is written until a person has looked."""

    code = "broken"


class BookCorrupted(Broken):
    """What is stored contradicts itself; `khata verify` names each place."""

    code = "book_corrupted"


def every_error() -> list[type[KhataError]]:
    """All classes of the tree, root first, in the order of definition."""
    found: list[type[KhataError]] = []

    def walk(cls: type[KhataError]) -> None:
        found.append(cls)
        for child in cls.__subclasses__():
            walk(child)

    walk(KhataError)
    return found
