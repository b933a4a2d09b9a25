"""Payouts: bank accounts, money that leaves to them, batches of payouts."""

from khata.domain.payouts.accounts import (
    AddBankAccount,
    BlockBankAccount,
    RemoveBankAccount,
    Reseal,
    SetPrimary,
    VerifyBankAccount,
    primary_of,
)
from khata.domain.payouts.batches import BatchLine, BatchMade, CreatePayoutBatch
from khata.domain.payouts.braking import (
    ApplyBrake,
    Brake,
    BrakeLifted,
    LiftBrake,
    brake,
    is_braked,
)
from khata.domain.payouts.commands import (
    CompletePayout,
    FailPayout,
    GiveBack,
    InitiatePayout,
    TellPayout,
    policy_of,
)
from khata.domain.payouts.model import (
    BankAccount,
    BankAccountState,
    BatchState,
    BatchTotal,
    Payout,
    PayoutBatch,
    PayoutState,
)
from khata.domain.payouts.queries import (
    BatchListed,
    added_under,
    bank_account,
    bank_accounts,
    batch,
    batches,
    brakes,
    count_of_accounts,
    payout,
    payouts,
    sealed_accounts,
)
from khata.domain.payouts.rules import checked_number, mask_of, mask_of_name
from khata.domain.payouts.sagas import SAGAS
from khata.domain.payouts.settling import apply_event
from khata.domain.payouts.verbs import VERBS

__all__ = [
    "SAGAS",
    "VERBS",
    "AddBankAccount",
    "ApplyBrake",
    "BankAccount",
    "BankAccountState",
    "BatchLine",
    "BatchListed",
    "BatchMade",
    "BatchState",
    "BatchTotal",
    "BlockBankAccount",
    "Brake",
    "BrakeLifted",
    "CompletePayout",
    "CreatePayoutBatch",
    "FailPayout",
    "GiveBack",
    "InitiatePayout",
    "LiftBrake",
    "Payout",
    "PayoutBatch",
    "PayoutState",
    "RemoveBankAccount",
    "Reseal",
    "SetPrimary",
    "TellPayout",
    "VerifyBankAccount",
    "added_under",
    "apply_event",
    "bank_account",
    "bank_accounts",
    "batch",
    "batches",
    "brake",
    "brakes",
    "checked_number",
    "count_of_accounts",
    "is_braked",
    "mask_of",
    "mask_of_name",
    "payout",
    "payouts",
    "policy_of",
    "primary_of",
    "sealed_accounts",
]
