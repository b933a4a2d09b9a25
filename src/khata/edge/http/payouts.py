"""The operations of payouts and bank accounts; a number that comes in clear is sealed at once."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from khata.base.paging import Page
from khata.domain import payouts
from khata.domain.payouts import (
    AddBankAccount,
    BankAccountState,
    BlockBankAccount,
    CompletePayout,
    CreatePayoutBatch,
    FailPayout,
    GiveBack,
    InitiatePayout,
    RemoveBankAccount,
    SetPrimary,
    VerifyBankAccount,
)
from khata.edge.client.answers import Receipt
from khata.edge.http.operation import Operation
from khata.edge.http.reading import WriteQuery, body_of, decoded, is_dry, key_of
from khata.edge.http.reads import Nothing, Paged, read
from khata.edge.http.threads import Threads
from khata.edge.http.wire import Ask, Reply
from khata.edge.http.write import receipt_reply, submitted, write
from khata.edge.sealing import sealed_bank_account, sealed_before, vault_of
from khata.errors import Invalid, KeyReused
from khata.settings import Settings

_AMOUNT: Final = {"amount": "400.00", "currency": "BDT"}
_WALLET: Final = "alice/personal/BDT"
_A: Final = "/v1/bank-accounts/{account}"
_P: Final = "/v1/payouts/{payout}"


class BankAccountsAsked(Paged, frozen=True, kw_only=True):
    """Each filter is an equality."""

    owner: str | None = None
    status: str | None = None
    currency: str | None = None


class PayoutsAsked(Paged, frozen=True, kw_only=True):
    """Each filter is an equality."""

    owner: str | None = None
    wallet: str | None = None
    status: str | None = None
    batch: str | None = None
    reference: str | None = None


class NewBankAccount(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`number`: in clear; it is sealed before anything is written. `country`: ISO 3166.

    `owner`: an owner's own when left out.
    """

    number: str
    holder: str
    bank: str
    country: str
    currency: str
    owner: str | None = None


# method, path, command, operation id, tag, status, body that works
_WRITES: Final[tuple[tuple[str, str, Any, str, str, int, Any], ...]] = (
    ("POST", f"{_A}/primary", SetPrimary, "setPrimaryBankAccount", "bank accounts", 200, {}),
    ("POST", f"{_A}/verify", VerifyBankAccount, "verifyBankAccount", "bank accounts", 200,
     {"evidence": "Statement of January seen."}),
    ("POST", f"{_A}/block", BlockBankAccount, "blockBankAccount", "bank accounts", 200,
     {"reason": "Reported stolen."}),
    ("DELETE", _A, RemoveBankAccount, "removeBankAccount", "bank accounts", 200,
     {"reason": "Closed."}),
    ("POST", "/v1/payouts", InitiatePayout, "initiatePayout", "payouts", 201,
     {"wallet": _WALLET, "amount": _AMOUNT, "reference": "withdrawal-1"}),
    ("POST", f"{_P}/complete", CompletePayout, "completePayout", "payouts", 200,
     {"evidence": "Bank statement of 31 January, line 7.", "reason": "Paid by hand."}),
    ("POST", f"{_P}/fail", FailPayout, "failPayout", "payouts", 200,
     {"reason": "Asked for by the owner."}),
    ("POST", f"{_P}/give-back", GiveBack, "giveBackPayout", "payouts", 200,
     {"reason": "The wallet is closed.", "wallet": "alice/creator/BDT"}),
    ("POST", "/v1/payout-batches", CreatePayoutBatch, "createPayoutBatch", "payouts", 201,
     {"reference": "partners-2026-01",
      "lines": [{"wallet": _WALLET, "amount": _AMOUNT, "reference": "partners-2026-01/1"}]}),
)  # fmt: skip

# path, query, parameters, what it gives, operation id, tag, summary
_READS: Final[tuple[tuple[str, Any, Any, Any, str, str, str], ...]] = (
    ("/v1/bank-accounts", payouts.bank_accounts, BankAccountsAsked, Page[BankAccountState],
     "listBankAccounts", "bank accounts", "Bank accounts, newest first, masked"),
    (_A, payouts.bank_account, Nothing, BankAccountState, "getBankAccount", "bank accounts",
     "One bank account, masked"),
    ("/v1/payouts", payouts.payouts, PayoutsAsked, Page[payouts.PayoutState], "listPayouts",
     "payouts", "Payouts, newest first"),
    (_P, payouts.payout, Nothing, payouts.PayoutState, "getPayout", "payouts", "One payout"),
    ("/v1/payout-batches", payouts.batches, Paged, Page[payouts.BatchListed],
     "listPayoutBatches", "payouts", "Batches of payouts, newest first"),
    ("/v1/payout-batches/{batch}", payouts.batch, Nothing, payouts.BatchState,
     "getPayoutBatch", "payouts", "One batch: totals, and every line as it stands"),
)  # fmt: skip


def payout_operations(settings: Settings, threads: Threads) -> list[Operation]:
    """All of them."""
    writes = [
        write(settings, method, path, command, name=name, tag=tag, status=status, example=example)
        for method, path, command, name, tag, status, example in _WRITES
    ]
    reads = [read(threads, *row) for row in _READS]
    return [add_bank_account_operation(settings, threads), *writes, *reads]


def add_bank_account_operation(settings: Settings, threads: Threads) -> Operation:
    """A new bank account. Its number is in the request's body and nowhere after it."""
    decoder = msgspec.json.Decoder(NewBankAccount)

    async def run(ask: Ask) -> Reply:
        key, dry = key_of(ask), is_dry(ask)
        asked = decoded(decoder, await body_of(ask, settings.max_body))
        wanted = _sealed(ask, asked)
        patience = settings.timeout_seconds
        try:
            receipt = await submitted(ask, wanted, key, dry_run=dry, patience=patience)
        except KeyReused:
            before = await threads.read(_before, ask, key, wanted)
            if before is None:
                raise
            receipt = await submitted(ask, before, key, dry_run=dry, patience=patience)
        return receipt_reply(receipt, key, 201)

    return Operation(
        method="POST",
        path="/v1/bank-accounts",
        name="addBankAccount",
        tag="bank accounts",
        summary="Add a bank account",
        about="The number comes in clear, over TLS, and is sealed before anything is written;"
        " every answer shows a mask. Staff verify it before it is paid to.",
        run=run,
        gives=Receipt[BankAccountState],
        scope="write",
        status=201,
        query=WriteQuery,
        body=NewBankAccount,
        example={
            "owner": "alice",
            "number": "1234 5678 9012",
            "holder": "Alice Rahman",
            "bank": "Dutch-Bangla Bank",
            "country": "BD",
            "currency": "BDT",
        },
        keyed=True,
    )


def _before(ask: Ask, key: str, wanted: AddBankAccount) -> AddBankAccount | None:
    assert ask.actor is not None
    with ask.book.view() as view:
        return sealed_before(view, vault_of(ask.book), key, wanted, ask.actor)


def _sealed(ask: Ask, asked: NewBankAccount) -> AddBankAccount:
    assert ask.actor is not None
    owner = asked.owner or ask.actor.owner
    if owner is None:
        raise Invalid("Name the owner.", expected="owner", got=None)
    return sealed_bank_account(
        vault_of(ask.book),
        owner=owner,
        number=asked.number,
        holder=asked.holder,
        bank=asked.bank,
        country=asked.country,
        currency=asked.currency,
    )
