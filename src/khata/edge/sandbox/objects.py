"""What the sandbox remembers: charges, refunds, payouts, disputes; calls; events."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

Text = Annotated[str, Meta(min_length=1, max_length=255)]
Amount = Annotated[str, Meta(pattern=r"^[0-9]{1,15}(\.[0-9]{1,4})?$")]
Currency = Annotated[str, Meta(pattern=r"^[A-Z]{3}$")]

PLURALS: Final = {"charges": "charge", "refunds": "refund", "payouts": "payout"}
PREFIXES: Final = {"charge": "ch", "refund": "re", "payout": "po", "dispute": "dp", "event": "evt"}

TOKENS: Final[dict[str, tuple[str, str | None, str]]] = {
    "tok_ok": ("paid", None, "paid"),
    "tok_authorise": ("authorised", None, "paid"),
    "tok_pending": ("pending", None, "paid"),
    "tok_pending_decline": ("pending", None, "failed"),
    "tok_pending_expire": ("pending", None, "expired"),
    "tok_decline": ("failed", "card_declined", "failed"),
    "tok_insufficient": ("failed", "insufficient_funds", "failed"),
}
"""Token → the status of its charge, the code if that is a decline, the status after an advance."""

FAULT_TOKENS: Final = {
    "tok_timeout_done": "timeout_but_done",
    "tok_timeout_not_done": "timeout_not_done",
    "tok_drop": "drop",
    "tok_drop_done": "drop_but_done",
    "tok_garbage": "garbage",
    "tok_error_done": "error_500_but_done",
    "tok_error_not_done": "error_500_not_done",
    "tok_busy": "busy_503",
    "tok_slow": "slow",
    "tok_wrong_amount": "wrong_amount",
}
"""Token → the fault that the first call with it meets; the charge itself is paid."""

ACCOUNTS: Final = {"0000": ("failed", "account_closed"), "9999": ("returned", "account_unknown")}
"""Last digits of an account → how a payout to it ends, and why."""


class ChargeBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a charge is asked with."""

    amount: Amount
    currency: Currency
    reference: Text
    method: Text = "card"
    token: Text | None = None
    about: Text | None = None


class RefundBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a refund is asked with."""

    amount: Amount
    currency: Currency
    reference: Text
    charge: Text


class PayoutBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a payout is asked with."""

    amount: Amount
    currency: Currency
    reference: Text
    account: Text
    holder: Text
    bank: Text | None = None
    country: Text | None = None


Body = ChargeBody | RefundBody | PayoutBody
BODIES: Final[dict[str, type[Body]]] = {
    "charge": ChargeBody,
    "refund": RefundBody,
    "payout": PayoutBody,
}


class Object(msgspec.Struct, omit_defaults=True):
    """A charge, refund, payout or dispute. `then`: its status after an advance. `refunded`: of a
    charge, the sum of its refunds. Of an account only the last four digits are kept.
    """

    id: str
    object: str
    status: str
    amount: str
    currency: str
    reference: str
    key: str
    digest: str
    then: str = ""
    then_code: str | None = None
    code: str | None = None
    charge: str | None = None
    method: str | None = None
    action_url: str | None = None
    account: str | None = None
    refunded: str = "0"


class Called(msgspec.Struct):
    """How often something was asked under a key. `digest`: SHA-256 of what was asked."""

    op: str
    key: str
    digest: str
    count: int = 0


class Event(msgspec.Struct, omit_defaults=True):
    """Something to be told. `fate`: what befalls it on its way. `state`: `queued`, `held`
    (until an advance), `sent`, `lost`, `undelivered`. `data`: the object as it was. `times`: how
    often it was delivered.
    """

    id: str
    type: str
    created: int
    data: dict[str, Any]
    fate: str = ""
    state: str = "queued"
    times: int = 0


class Refusal(Exception):  # noqa: N818 - the sandbox's answer, not a fault in it
    """A request that the sandbox turns down; nothing was done."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
