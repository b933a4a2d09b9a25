"""Payouts: money that leaves to bank accounts, the accounts, and batches of payouts.

A payout's money follows from its status: see `settling`. Its `position` says what it did to which
account so far, so what is still to be posted is the difference.
"""

from __future__ import annotations

from typing import ClassVar, Final, Literal

import msgspec

from khata.engine.records import Record, Table

AccountStatus = Literal["pending", "verified", "blocked", "removed"]
PayoutStatus = Literal["requested", "locked", "processing", "failed", "completed", "returned"]

PAYOUTS: Final = "payouts"
"""The setting of the book that a `Policy` is read from."""
MANUAL: Final = "manual"
"""The provider that is a person: whoever makes the transfer tells how it went."""
LOCKED: Final = "payable/payouts"
"""Money that has left its wallet and is not known to have left the house."""
UNRETURNED: Final = "payable/unreturned"
"""Money of payouts that came to nothing, while its wallet is frozen or closed."""
OWED: Final = "receivable/payouts"
"""Money that a bank paid out after it had been given back, and that the wallet has no more."""
FEES: Final = "revenue/fee"


class BankAccount(Record, frozen=True):
    """Where an owner's money can go. `number`, `holder`: sealed; the masks are what people see.

    `fingerprint`: tells the same number again, without telling it. `primary`: among the verified
    accounts of an owner in a currency exactly one is. `evidence`: how it is known to be theirs.
    `reason`: why it was blocked or removed.
    """

    id: str
    owner: str
    number: str
    mask: str
    fingerprint: str
    holder: str
    holder_mask: str
    bank: str
    country: str
    currency: str
    status: AccountStatus
    primary: bool
    evidence: str | None
    reason: str | None
    added_at: int
    verified_at: int | None
    verified_by: str | None

    TABLE: ClassVar = Table(
        "bank_accounts",
        key=("id",),
        finds=("owner",),
        indexes=(("status", "added_at"), ("added_at",)),
    )


class Payout(Record, frozen=True):
    """Money on its way from a wallet to a bank account. `amount`: what arrives; `fee`: what the
    house keeps; the wallet pays both. Minor units.

    `reference`: the caller's own, unique in the book. `mask`: of the bank account, as it was.
    `provider_key`: `provider/its id`. `position`: account code → what this payout did there, debit
    positive. `entries`: the entries that it made; each has the payout's id as its reference.
    `sent_at`: when it was decided to call the provider.
    """

    id: str
    reference: str
    owner: str
    account_id: int
    wallet: str
    bank_account: str
    mask: str
    amount: int
    fee: int
    unit: str
    exponent: int
    status: PayoutStatus
    provider: str
    provider_id: str | None
    provider_key: str | None
    batch: str | None
    line: int | None
    saga: str | None
    position: dict[str, int]
    entries: list[str]
    code: str | None
    message: str | None
    evidence: str | None
    asked_by: str
    created_at: int
    locked_at: int | None
    sent_at: int | None
    processing_at: int | None
    completed_at: int | None
    failed_at: int | None
    returned_at: int | None

    TABLE: ClassVar = Table(
        "payouts",
        key=("id",),
        finds=("reference", "provider_key"),
        unique=(("reference",),),
        indexes=(
            ("owner", "created_at"),
            ("status", "created_at"),
            ("batch", "line"),
            ("created_at",),
        ),
    )


class PayoutBatch(Record, frozen=True):
    """Payouts that were asked for together; each goes its own way."""

    id: str
    reference: str
    lines: int
    created_by: str
    created_at: int

    TABLE: ClassVar = Table(
        "payout_batches",
        key=("id",),
        finds=("reference",),
        unique=(("reference",),),
        indexes=(("created_at",),),
    )


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The setting `payouts`. `minimum`, `fee`: decimal strings by currency. `provider`: who pays
    out unless a payout names another one. `paused`: nothing is locked or sent.
    """

    minimum: dict[str, str] = {}
    fee: dict[str, str] = {}
    provider: str = MANUAL
    paused: bool = False


class BankAccountState(msgspec.Struct, frozen=True):
    """A bank account as people see it: masked."""

    id: str
    owner: str
    number: str
    holder: str
    bank: str
    country: str
    currency: str
    status: AccountStatus
    primary: bool
    evidence: str | None
    reason: str | None
    added_at: str
    verified_at: str | None


class PayoutState(msgspec.Struct, frozen=True):
    """A payout as its caller is told of it. `amount`, `fee`: decimal strings; times ISO 8601.

    `money`: where it is: `wallet` (not taken, or given back), `locked`, `paid_out`, or
    `unreturned` when it came to nothing while its wallet could not take it.
    """

    id: str
    reference: str
    status: PayoutStatus
    money: Literal["wallet", "locked", "paid_out", "unreturned"]
    owner: str
    wallet: str
    bank_account: str
    mask: str
    amount: str
    fee: str
    currency: str
    provider: str
    provider_id: str | None
    batch: str | None
    line: int | None
    saga: str | None
    entries: list[str]
    code: str | None
    message: str | None
    created_at: str
    locked_at: str | None
    processing_at: str | None
    completed_at: str | None
    failed_at: str | None
    returned_at: str | None


class BatchTotal(msgspec.Struct, frozen=True):
    """What the lines of a batch with one currency and status add up to."""

    currency: str
    status: PayoutStatus
    count: int
    amount: str
    fee: str


class BatchState(msgspec.Struct, frozen=True):
    """A batch. `status`: `open` while a line has not ended, then `done`; lines in their order."""

    id: str
    reference: str
    status: Literal["open", "done"]
    created_at: str
    totals: list[BatchTotal]
    lines: list[PayoutState]
