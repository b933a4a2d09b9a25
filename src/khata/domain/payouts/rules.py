"""Numbers of bank accounts, and what follows from a payout's status: functions of values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from khata.base.clock import iso_or_none, to_iso
from khata.base.money import to_text
from khata.domain.payouts.model import (
    FEES,
    LOCKED,
    UNRETURNED,
    BankAccount,
    BankAccountState,
    BatchTotal,
    Payout,
    PayoutState,
    PayoutStatus,
    Policy,
)
from khata.errors import Invalid

_NUMBER: Final = re.compile(r"[0-9A-Z]{4,34}")
_IBAN: Final = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{10,30}")
_SHOWN: Final = 4
_LEAST_HIDDEN: Final = 4
_DOTS: Final = "••••"
RANK: Final[tuple[PayoutStatus, ...]] = (
    "requested",
    "locked",
    "processing",
    "failed",
    "completed",
    "returned",
)
"""A payout's status only goes up. Whatever order a bank tells things in, the highest stands."""
OPEN: Final = frozenset({"requested", "locked", "processing"})


# ── numbers ──────────────────────────────────────────────────────────────────────────


def checked_number(text: str) -> str:
    """The number of a bank account without its spaces and dashes, in capital letters.

    Errors: `Invalid`, which does not repeat it; also for an IBAN whose check digits are wrong.
    """
    number = re.sub(r"[ \-]", "", text).upper()
    if not _NUMBER.fullmatch(number) or not any(letter.isdigit() for letter in number):
        raise Invalid(
            "This is not the number of a bank account.",
            expected="4 to 34 letters and digits, spaces and dashes between them",
        )
    if _IBAN.fullmatch(number) and not is_iban(number):
        raise Invalid(
            "The check digits of the IBAN are wrong: look for a digit that was mistyped.",
            expected="an IBAN whose check digits fit",
        )
    return number


def is_iban(number: str) -> bool:
    """Whether the check digits of an IBAN fit (ISO 13616: mod 97)."""
    turned = number[4:] + number[:4]
    return int("".join(str(int(letter, 36)) for letter in turned)) % 97 == 1


def mask_of(number: str) -> str:
    """What may be shown of a number: `•••• 6789`; less of a short one."""
    shown = min(_SHOWN, max(len(number) - _LEAST_HIDDEN, 0))
    return f"{_DOTS} {number[len(number) - shown :]}".strip()


def mask_of_name(name: str) -> str:
    """What may be shown of a holder's name: `R•••• A••••`."""
    return " ".join(f"{word[0]}{_DOTS}" for word in name.split())


# ── statuses and money ───────────────────────────────────────────────────────────────


def is_news(known: PayoutStatus, told: PayoutStatus) -> bool:
    """Whether what is told goes beyond what is known."""
    return RANK.index(told) > RANK.index(known)


def wanted_position(payout: Payout) -> dict[str, int]:
    """Where a payout's money belongs, by its status: account code → minor units, debit positive."""
    gross, wallet = payout.amount + payout.fee, f"wallet/{payout.wallet}"
    if payout.status in {"locked", "processing"}:
        return {wallet: gross, LOCKED: -gross}
    if payout.status == "completed":
        parts = {wallet: gross, f"cash/{payout.provider}": -payout.amount, FEES: -payout.fee}
        return {code: amount for code, amount in parts.items() if amount}
    return {}


def moves(known: Mapping[str, int], wanted: Mapping[str, int]) -> list[tuple[str, int]]:
    """What must be posted to come from one position to another: (code, amount), by code."""
    return [
        (code, difference)
        for code in sorted({*known, *wanted})
        if (difference := wanted.get(code, 0) - known.get(code, 0))
    ]


def unreturned(payout: Payout) -> int:
    """What is owed back to the owner and waits for a wallet that can take it, minor units."""
    return -payout.position.get(UNRETURNED, 0)


def policy_in(value: Mapping[str, Any]) -> Policy:
    """The policy that a setting's value says. Errors: `Invalid`."""
    try:
        return msgspec.convert(value, Policy)
    except msgspec.ValidationError as error:
        raise Invalid(
            f"The setting payouts makes no sense: {error}", expected=list(Policy.__struct_fields__)
        ) from None


# ── what people are told ─────────────────────────────────────────────────────────────


def account_state(account: BankAccount) -> BankAccountState:
    """A bank account as people see it."""
    return BankAccountState(
        account.id,
        account.owner,
        account.mask,
        account.holder_mask,
        account.bank,
        account.country,
        account.currency,
        account.status,
        account.primary,
        account.evidence,
        account.reason,
        to_iso(account.added_at),
        iso_or_none(account.verified_at),
    )


def state_of(payout: Payout) -> PayoutState:
    """A payout as its caller is told of it."""
    return PayoutState(
        payout.id,
        payout.reference,
        payout.status,
        _place(payout),
        payout.owner,
        payout.wallet,
        payout.bank_account,
        payout.mask,
        to_text(payout.amount, payout.exponent),
        to_text(payout.fee, payout.exponent),
        payout.unit,
        payout.provider,
        payout.provider_id,
        payout.batch,
        payout.line,
        payout.saga,
        payout.entries,
        payout.code,
        payout.message,
        to_iso(payout.created_at),
        iso_or_none(payout.locked_at),
        iso_or_none(payout.processing_at),
        iso_or_none(payout.completed_at),
        iso_or_none(payout.failed_at),
        iso_or_none(payout.returned_at),
    )


def _place(payout: Payout) -> Any:
    if unreturned(payout):
        return "unreturned"
    if payout.position.get(LOCKED):
        return "locked"
    return "paid_out" if payout.status == "completed" else "wallet"


def totals(payouts: Iterable[Payout]) -> list[BatchTotal]:
    """What payouts add up to, by currency and status."""
    groups: dict[tuple[str, PayoutStatus], list[Payout]] = {}
    for payout in payouts:
        groups.setdefault((payout.unit, payout.status), []).append(payout)
    return [
        BatchTotal(
            unit,
            status,
            len(group),
            to_text(sum(payout.amount for payout in group), group[0].exponent),
            to_text(sum(payout.fee for payout in group), group[0].exponent),
        )
        for (unit, status), group in sorted(groups.items())
    ]
