"""Debts: what an owner owes the house, why, and how it comes back."""

from __future__ import annotations

from typing import ClassVar, Final, Literal

import msgspec

from khata.engine.records import Record, Table

DebtStatus = Literal["open", "settled", "written_off"]
Way = Literal["by_hand", "netted", "written_off"]

WHOLE: Final = 10_000
"""Basis points in a whole."""
BAD_DEBT: Final = "expense/bad_debt"
"""What the house will never see again."""
NETTING: Final = "netting"
"""The setting that holds in which order, and how much of an earning, debts are netted."""


class DebtKind(msgspec.Struct, frozen=True):
    """A sort of debt. `account`: the beginning of the house accounts that carry it. `source`: why
    money moves when it is repaid. `most`: basis points of an earning that netting may take.
    """

    name: str
    account: str
    source: str
    most: int


KINDS: Final[dict[str, DebtKind]] = {
    kind.name: kind
    for kind in (
        DebtKind("refund", "receivable/refunds", "refund", WHOLE),
        DebtKind("mover_float", "receivable/mover_float", "mover_float", WHOLE),
        DebtKind("dhaar_loan", "receivable/dhaar", "dhaar_repayment", WHOLE // 2),
    )
}
"""Every kind of debt, in the order in which they are netted unless the book says otherwise."""


class Debt(Record, frozen=True):
    """What one owner owes for one reason. Amounts in minor units.

    `open_owner`: the owner while it is open, then None. `account`: the code of the house account
    that carries it. `fee`: what is owed beyond the principal. `wallet`: the wallet that it began
    with, if any.
    """

    id: str
    owner: str
    open_owner: str | None
    kind: str
    account: str
    unit: str
    exponent: int
    principal: int
    fee: int
    repaid: int
    written_off: int
    status: DebtStatus
    reference: str
    reason: str
    wallet: str | None
    opened_at: int
    settled_at: int | None

    TABLE: ClassVar = Table(
        "debts",
        key=("id",),
        finds=("open_owner",),
        indexes=(
            ("owner", "opened_at"),
            ("status", "opened_at"),
            ("kind", "opened_at"),
            ("opened_at",),
        ),
    )


class Repayment(Record, frozen=True):
    """What made a debt smaller, once: by hand, netted from an earning, or written off.

    `amount`, `fee`: minor units; `fee` is the part of `amount` that went to the debt's fee.
    `entry`: the entry that moved it.
    """

    debt: str
    seq: int
    n: int
    way: Way
    amount: int
    fee: int
    entry: str
    at: int

    TABLE: ClassVar = Table("debt_repayments", key=("debt", "seq", "n"), facts=True)


class Netting(msgspec.Struct, frozen=True):
    """How debts are netted: kinds in their order, and the most basis points of an earning that
    each may take. A kind that is not in `order` is not netted.
    """

    order: list[str]
    most: dict[str, int]


class DebtState(msgspec.Struct, frozen=True):
    """A debt as its caller is told of it. Amounts are decimal strings."""

    id: str
    status: str
    owner: str
    kind: str
    currency: str
    principal: str
    fee: str
    repaid: str
    written_off: str
    outstanding: str
    principal_outstanding: str
    fee_outstanding: str
    account: str
    wallet: str | None
    reference: str
    reason: str
    opened_at: str
    settled_at: str | None


class RepaymentView(msgspec.Struct, frozen=True):
    """A repayment, or what was written off. `fee`: the part of `amount` that paid the fee."""

    way: str
    amount: str
    fee: str
    currency: str
    entry: str
    at: str


class Unexplained(msgspec.Struct, frozen=True):
    """An account whose balance is not what its debts have outstanding. Decimal strings."""

    account: str
    currency: str
    balance: str
    outstanding: str
    difference: str
