"""Loans: money that the house lends an owner for a while, as dhaar or as a mover's float.

A loan is the terms; what is owed of it is a debt (`khata.domain.debts`), from which its status
follows.
"""

from __future__ import annotations

from typing import ClassVar, Final, Literal

import msgspec

from khata.domain.debts import RepaymentView
from khata.engine.records import Record, Table

LoanKind = Literal["dhaar", "float"]
LoanStatus = Literal["open", "overdue", "repaid", "written_off"]

DEBT_KINDS: Final[dict[LoanKind, str]] = {"dhaar": "dhaar_loan", "float": "mover_float"}
"""Which kind of debt a kind of loan makes."""
FEES: Final = "revenue/loan_fees"
"""What the house earns by lending. It counts as earned when a loan is granted."""
LOANS: Final = "loans"
"""The setting that holds what may be lent."""


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The setting `loans`. `most`, `float_most`: decimal strings by currency, how much principal of
    dhaar or of floats an owner may have outstanding, the new one included; a currency that is left
    out has no limit. `at_once`: how many dhaar loans an owner may have open.
    """

    most: dict[str, str] = {}
    float_most: dict[str, str] = {}
    at_once: int = 1


class Instalment(msgspec.Struct, frozen=True):
    """A part of a loan and when it is due. Minor units."""

    due_at: int
    principal: int
    fee: int

    @property
    def amount(self) -> int:
        """Principal and fee together."""
        return self.principal + self.fee


class Loan(Record, frozen=True):
    """The terms of a loan. Amounts in minor units; principals and fees of the instalments add up
    to the loan's. A float has no instalments: it is settled from whatever is earned next.

    `debt`: what is owed of it. `wallet`: the path of the wallet that received it. `entry`: what
    paid it out. `told`: how many instalments, from the first, were looked at when they came due.
    `look_at`: when the next one comes due, None when there is none left to look at.
    """

    id: str
    debt: str
    owner: str
    wallet: str
    kind: LoanKind
    unit: str
    exponent: int
    principal: int
    fee: int
    instalments: list[Instalment]
    reference: str | None
    entry: str
    granted_at: int
    told: int
    look_at: int | None

    TABLE: ClassVar = Table("loans", key=("id",), finds=("debt",), indexes=(("look_at",),))


class Standing(msgspec.Struct, frozen=True):
    """How a loan stands at an instant. Minor units.

    `due`: how many instalments are due. `overdue`: what of them is not paid. `next_at`, `next`:
    when the next one that is not wholly paid comes due, and how much of it is left to pay.
    """

    status: LoanStatus
    due: int
    overdue: int
    next_at: int | None
    next: int


class LoanState(msgspec.Struct, frozen=True):
    """A loan as its caller is told of it. Amounts are decimal strings.

    `overdue`: what is due and not paid. `next_due_at`, `next_due`: the first instalment that is
    not wholly paid, and what is left of it.
    """

    id: str
    status: str
    kind: str
    owner: str
    wallet: str
    currency: str
    principal: str
    fee: str
    repaid: str
    written_off: str
    outstanding: str
    principal_outstanding: str
    fee_outstanding: str
    overdue: str
    next_due_at: str | None
    next_due: str | None
    debt: str
    reference: str | None
    entry: str
    granted_at: str
    settled_at: str | None


class InstalmentView(msgspec.Struct, frozen=True):
    """An instalment; `outstanding`: what of its amount neither was repaid nor written off."""

    due_at: str
    principal: str
    fee: str
    amount: str
    outstanding: str


class LoanView(msgspec.Struct, frozen=True):
    """The statement of a loan: how it stands, its schedule, and what made it smaller, newest
    first. `more`: the cursor of further repayments of its debt.
    """

    loan: LoanState
    instalments: list[InstalmentView]
    repayments: list[RepaymentView]
    more: str | None
