"""Payments: what is to be paid, what was paid and by which way, what went back.

A payment keeps *facts*, which only grow, and everything else follows from them: its status, and
where its money stands. So the order in which a provider tells them does not matter.
"""

from __future__ import annotations

from typing import ClassVar, Final, Literal

import msgspec

from khata.engine.records import Record, Table

Method = Literal["wallet", "provider", "mixed"]
Way = Literal["card", "mobile_money", "bank_transfer"]
PaymentStatus = Literal[
    "pending",
    "authorised",
    "paid",
    "partially_refunded",
    "refunded",
    "failed",
    "expired",
    "disputed",
    "unknown",
]

PROVIDERS: Final = "providers"
"""The setting that says which provider serves which countries and currencies, and how."""
UNAPPLIED: Final = "clearing/unapplied"
"""Money that came for something that cannot take it; it goes back by itself."""
REFUNDING: Final = "clearing/refunds"
"""Money on its way back to a payer, until the provider says that it arrived."""
OWED: Final = "receivable/refunds"
"""Refunds of money that was passed on already: whoever has it owes it to the house."""
DISPUTED: Final = "receivable/disputes"
LOST: Final = "expense/chargebacks"
BANK: Final = "bank/main"


class ProviderEvent(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a provider says has happened, in our words whatever its own are.

    `id`: the provider's id of the event. `type`: `charge.pending`, `charge.authorised`,
    `charge.paid`, `charge.failed`, `charge.expired`, `refund.succeeded`, `refund.failed`,
    `dispute.opened`, `dispute.won`, `dispute.lost`, `payout.processing`, `payout.completed`,
    `payout.failed`, `payout.returned`. `object`: the provider's id of the charge, refund, dispute
    or payout. `charge`: that of the charge which a refund or dispute is about. `reference`: our own
    id (`pay_…`, `rfd_…`, `pyo_…`) as we gave it. `amount`: decimal string. `at`: when, by the
    provider's clock.
    """

    id: str
    provider: str
    type: str
    object: str
    reference: str | None = None
    charge: str | None = None
    amount: str | None = None
    currency: str | None = None
    code: str | None = None
    at: int | None = None


class Applied(msgspec.Struct, frozen=True):
    """What became of a provider's event.

    `applied`: it told something new. `stale`: nothing new, or overtaken. `unknown`: it is about
    nothing that we know (yet). `mismatch`: it contradicts what we have, and changed nothing.
    """

    status: Literal["applied", "stale", "unknown", "mismatch"]
    message: str


class Facts(msgspec.Struct, frozen=True, omit_defaults=True):
    """All that is known of a charge. Facts are joined, never taken back: see `rules.join`.

    `asked`: it was asked for and nobody could say what became of it. `seen`: the provider knows
    it. `failed`: the code of the refusal.
    """

    asked: bool = False
    seen: bool = False
    authorised: bool = False
    failed: str | None = None
    expired: bool = False
    paid: bool = False


class Payable(Record, frozen=True):
    """Something that is to be paid: `subject` is `order/M1001`, `booking/B7`.

    `owner`: who pays. `amount`: minor units. `source`: what the payment is called in khatas.
    `escrow`: where the money goes. `active`: the payment that is under way.
    """

    subject: str
    owner: str
    amount: int
    unit: str
    exponent: int
    source: str
    escrow: str
    country: str | None
    title: str | None
    status: Literal["open", "paid", "cancelled", "refunded"]
    active: str | None
    paid_by: str | None
    registered_at: int
    paid_at: int | None = None

    TABLE: ClassVar = Table("payables", key=("subject",), indexes=(("owner", "subject"),))


class Payment(Record, frozen=True):
    """A payment for a payable, or, without a `subject`, a top-up of `wallet`.

    `wallet`: the wallet that pays or is topped up, by its path. `way`: how the provider collects.
    `charge`: the provider's id; `charge_key` is `provider/charge`. `amount`, `wallet_part` (what
    comes out of the wallet), `refunded`: minor units. `landed`: the account in which the money
    came to lie. `position`: account code → what this payment did there, debit positive.
    `entries`: the entries that it made; each has the payment's id as its reference.
    """

    id: str
    subject: str | None
    owner: str
    wallet: str | None
    method: Method
    provider: str | None
    way: str | None
    charge: str | None
    charge_key: str | None
    amount: int
    wallet_part: int
    unit: str
    exponent: int
    status: PaymentStatus
    facts: Facts
    refunded: int
    landed: str | None
    position: dict[str, int]
    entries: list[str]
    hold: str | None
    saga: str | None
    action_url: str | None
    code: str | None
    message: str | None
    created_at: int
    paid_at: int | None
    expires_at: int | None

    TABLE: ClassVar = Table(
        "payments",
        key=("id",),
        finds=("charge_key",),
        indexes=(("subject",), ("owner", "created_at"), ("status", "created_at"), ("created_at",)),
    )


class Refund(Record, frozen=True):
    """Money that goes back. `origin`: asked for by us, or found out from the provider.

    `sources`: account code → what it gives, minor units. `cancelled`: by us, before the provider
    had decided; should it succeed all the same, it has succeeded. `merged`: the provider told of
    it before it answered us, and the two are one by now.
    """

    id: str
    payment: str
    origin: Literal["ours", "provider"]
    amount: int
    unit: str
    exponent: int
    status: Literal["pending", "cancelled", "succeeded", "failed", "merged"]
    refund_key: str | None
    sources: dict[str, int]
    position: dict[str, int]
    entries: list[str]
    reason: str
    saga: str | None
    code: str | None
    created_at: int

    TABLE: ClassVar = Table(
        "refunds",
        key=("id",),
        finds=("payment", "refund_key"),
        indexes=(("created_at",),),
    )


class Dispute(Record, frozen=True):
    """A payer's bank takes the money back, until it is decided. `amount`: 0 is all of it."""

    id: str
    payment: str
    dispute_key: str
    amount: int
    unit: str
    exponent: int
    status: Literal["opened", "won", "lost"]
    position: dict[str, int]
    entries: list[str]
    code: str | None
    created_at: int

    TABLE: ClassVar = Table(
        "disputes",
        key=("id",),
        finds=("payment", "dispute_key"),
        indexes=(("created_at",),),
    )


class Offer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a provider serves. `least`, `most`: by currency, decimal strings."""

    countries: list[str]
    currencies: list[str]
    methods: list[Way]
    least: dict[str, str] = {}
    most: dict[str, str] = {}
