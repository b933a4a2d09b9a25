"""Escrows: money between who pays and those who receive, until it is theirs.

An escrow holds for each receiver a *leg*. What a leg is to receive is fixed when the money comes;
all that happens later, releases and refunds, is counted on the legs, so no leg can ever give back
more than it received.
"""

from __future__ import annotations

from typing import ClassVar, Final, Literal

import msgspec

from khata.engine.records import Record, Table

On = Literal["request", "funding", "delivery"]
Policy = Literal["pro_rata", "platform_first", "keep_fee", "named"]
EscrowStatus = Literal["held", "partly_released", "released", "refunded"]
MoveKind = Literal[
    "funded",
    "released",
    "netted",
    "refunded",
    "charged_back",
    "delivered",
    "disputed",
    "settled",
]

RECEIVABLE: Final = "refund"
"""The kind of debt of who has to give back and no longer has."""


class Leg(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one receiver has to do with an escrow. Minor units.

    `to`: the wallet's path or a house account's code; None until it is known. `share`: what it is
    to receive. `waived`: what of that was refunded before it was released. `received`, `returned`:
    what was released to it, and given back of it. `owed`: what of `returned` became a debt.
    `extra`: it comes on top of what is shared, such as a delivery fee; once received it is given
    back only where it is named.
    """

    name: str
    to: str | None
    share: int
    waived: int = 0
    received: int = 0
    returned: int = 0
    owed: int = 0
    extra: bool = False

    @property
    def held(self) -> int:
        """What of it is still in escrow."""
        return self.share - self.waived - self.received

    @property
    def left(self) -> int:
        """What of it could still be given back, at most."""
        return self.share - self.waived - self.returned


class Giver(msgspec.Struct, frozen=True, omit_defaults=True):
    """A house account that paid a part, such as a campaign: minor units."""

    account: str
    amount: int
    returned: int = 0


class Step(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something that was done with an escrow: what, who, why, when, and the entry that it made.

    `refunds`, `parts`: which of the payment's refunds it was, or the failure of which, and what
    each leg gave, in minor units.
    """

    kind: MoveKind
    by: str
    at: int
    amount: int = 0
    reason: str | None = None
    entries: list[str] = []
    refunds: list[str] = []
    parts: list[int] = []


class Escrow(Record, frozen=True):
    """Money in escrow; it lies on the account `escrow/<ref>`. Minor units.

    `owner`, `payer`: who paid, out of which wallet. `payment`: by which payment, where it was not
    paid out of a wallet at once. `amount`: what came in, of which `paid` by the payer and the rest
    by `givers`. `refunded`: what the payer has back. `on`, `days`: released so many days after it
    was funded or delivered; `request` is by hand only. `rule`, `version`: the commission rule.
    `keeper`: what it belongs to, such as a sale, by which alone it is given back.
    """

    ref: str
    owner: str
    payer: str | None
    payment: str | None
    unit: str
    exponent: int
    source: str
    amount: int
    paid: int
    refunded: int
    legs: list[Leg]
    givers: list[Giver]
    rule: str | None
    version: int
    keeper: str | None
    on: On
    days: int
    status: EscrowStatus
    dispute: str | None
    steps: list[Step]
    saga: str | None
    funded_at: int
    delivered_at: int | None

    TABLE: ClassVar = Table(
        "escrows",
        key=("ref",),
        indexes=(("owner", "funded_at"), ("status", "funded_at"), ("funded_at",)),
    )

    @property
    def account(self) -> str:
        """The account where its money lies."""
        return f"escrow/{self.ref}"


class LegState(msgspec.Struct, frozen=True):
    """A leg as callers are told of it. Decimal strings; `held` is what is still in escrow."""

    name: str
    to: str | None
    share: str
    held: str
    received: str
    returned: str
    owed: str


class StepState(msgspec.Struct, frozen=True):
    """Something that was done, by whom and why."""

    kind: str
    by: str
    at: str
    amount: str
    reason: str | None
    entries: list[str]


class EscrowState(msgspec.Struct, frozen=True):
    """An escrow as callers are told of it. Amounts are decimal strings.

    `history`: all that was done with it; in the answer to a command what that command did.
    """

    ref: str
    status: str
    owner: str
    payer: str | None
    payment: str | None
    currency: str
    amount: str
    paid: str
    held: str
    refunded: str
    legs: list[LegState]
    rule: str | None
    rule_version: int
    release_on: str
    release_days: int
    dispute: str | None
    history: list[StepState]
    saga: str | None
    funded_at: str
    delivered_at: str | None
