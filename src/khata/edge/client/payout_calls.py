"""Calls about bank accounts and payouts."""

from __future__ import annotations

from khata.base.money import Money
from khata.base.paging import Page
from khata.domain.payouts import (
    BankAccountState,
    BatchLine,
    BatchListed,
    BatchMade,
    BatchState,
    PayoutState,
)
from khata.edge.client.answers import Receipt
from khata.edge.client.call import Call, asked, path_of, write

# ── bank accounts ────────────────────────────────────────────────────────────────────


def add_bank_account(
    *,
    number: str,
    holder: str,
    bank: str,
    country: str,
    currency: str,
    owner: str | None = None,
    key: str | None = None,
) -> Call[Receipt[BankAccountState]]:
    """Add a bank account. `number`: in clear, to be sent over TLS; it is sealed on arrival."""
    body = {"number": number, "holder": holder, "bank": bank, "country": country,
            "currency": currency, "owner": owner}  # fmt: skip
    return write(Receipt[BankAccountState], path_of("bank-accounts"), body, key)


def bank_account(name: str) -> Call[BankAccountState]:
    """One bank account, masked."""
    return Call("GET", path_of("bank-accounts", name), BankAccountState)


def bank_accounts(
    *,
    owner: str | None = None,
    status: str | None = None,
    currency: str | None = None,
    limit: int = 100,
) -> Call[Page[BankAccountState]]:
    """Bank accounts, newest first, masked."""
    query = {"owner": owner, "status": status, "currency": currency, "limit": limit}
    return Call("GET", path_of("bank-accounts"), Page[BankAccountState], asked(query))


def set_primary_bank_account(
    name: str, *, key: str | None = None
) -> Call[Receipt[BankAccountState]]:
    """Let payouts go there that name no bank account."""
    return _on_account(name, "primary", {}, key)


def verify_bank_account(
    name: str, evidence: str, *, key: str | None = None
) -> Call[Receipt[BankAccountState]]:
    """Confirm that it is its owner's."""
    return _on_account(name, "verify", {"evidence": evidence}, key)


def block_bank_account(
    name: str, reason: str, *, key: str | None = None
) -> Call[Receipt[BankAccountState]]:
    """Let nothing be paid out to it until it is verified anew."""
    return _on_account(name, "block", {"reason": reason}, key)


def remove_bank_account(
    name: str, *, reason: str | None = None, key: str | None = None
) -> Call[Receipt[BankAccountState]]:
    """Remove it for good."""
    path = path_of("bank-accounts", name)
    return write(Receipt[BankAccountState], path, {"reason": reason}, key, method="DELETE")


def _on_account(
    name: str, verb: str, body: dict[str, str], key: str | None
) -> Call[Receipt[BankAccountState]]:
    return write(Receipt[BankAccountState], path_of("bank-accounts", name, verb), body, key)


# ── payouts ──────────────────────────────────────────────────────────────────────────


def initiate_payout(
    wallet: str,
    amount: Money,
    reference: str,
    *,
    bank_account: str | None = None,
    provider: str | None = None,
    key: str | None = None,
    dry_run: bool = False,
) -> Call[Receipt[PayoutState]]:
    """Pay money of a wallet out. `reference`: your own, unique in the book."""
    body = {"wallet": wallet, "amount": amount, "reference": reference,
            "bank_account": bank_account, "provider": provider}  # fmt: skip
    return write(Receipt[PayoutState], path_of("payouts"), body, key, dry_run=dry_run)


def payout(name: str) -> Call[PayoutState]:
    """One payout."""
    return Call("GET", path_of("payouts", name), PayoutState)


def payouts(
    *,
    owner: str | None = None,
    wallet: str | None = None,
    status: str | None = None,
    batch: str | None = None,
    reference: str | None = None,
    limit: int = 100,
) -> Call[Page[PayoutState]]:
    """Payouts, newest first."""
    query = {"owner": owner, "wallet": wallet, "status": status, "batch": batch,
             "reference": reference, "limit": limit}  # fmt: skip
    return Call("GET", path_of("payouts"), Page[PayoutState], asked(query))


def complete_payout(
    name: str, evidence: str, reason: str, *, key: str | None = None
) -> Call[Receipt[PayoutState]]:
    """Tell that it has arrived."""
    body = {"evidence": evidence, "reason": reason}
    return write(Receipt[PayoutState], path_of("payouts", name, "complete"), body, key)


def fail_payout(
    name: str, reason: str, *, evidence: str | None = None, key: str | None = None
) -> Call[Receipt[PayoutState]]:
    """Call it off, or, with evidence once a provider was asked, tell that it came to nothing."""
    body = {"reason": reason, "evidence": evidence}
    return write(Receipt[PayoutState], path_of("payouts", name, "fail"), body, key)


def give_back_payout(
    name: str, reason: str, *, wallet: str | None = None, key: str | None = None
) -> Call[Receipt[PayoutState]]:
    """Give what its wallet could not take to a wallet of the same owner."""
    body = {"reason": reason, "wallet": wallet}
    return write(Receipt[PayoutState], path_of("payouts", name, "give-back"), body, key)


def create_payout_batch(
    reference: str,
    lines: list[BatchLine],
    *,
    provider: str | None = None,
    key: str | None = None,
    dry_run: bool = False,
) -> Call[Receipt[BatchMade]]:
    """Ask for up to 1000 payouts at once."""
    body = {"reference": reference, "lines": lines, "provider": provider}
    return write(Receipt[BatchMade], path_of("payout-batches"), body, key, dry_run=dry_run)


def payout_batch(name: str) -> Call[BatchState]:
    """One batch: totals, and every line as it stands."""
    return Call("GET", path_of("payout-batches", name), BatchState)


def payout_batches(*, limit: int = 100) -> Call[Page[BatchListed]]:
    """Batches, newest first."""
    return Call("GET", path_of("payout-batches"), Page[BatchListed], {"limit": limit})
