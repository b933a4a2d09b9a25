"""Solvency: whether the cash that there is covers what the house owes, currency by currency.

`cash` is what stands on the accounts cash/* and bank/*; where a balance was verified outside, at
the bank or the provider, that balance counts, and what the book moved since. `liabilities` are all
liability accounts whose balance is above zero: one below zero is somebody's debt to the house, and
must not make smaller what is owed to others. `net` is cash less liabilities.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from khata.engine.accounts import Kind
from khata.engine.records import Record, Table


class VerifiedBalance(Record, frozen=True):
    """What an account for cash really held at an instant, as a statement or a provider says.

    `amount`: minor units, debit positive. `evidence`: where it is written. `by`: who saw it;
    `alone`: one of the staff, and nobody approved of it.
    """

    account: int
    at: int
    amount: int
    evidence: str
    by: str
    alone: bool
    noted_at: int

    TABLE: ClassVar = Table("verified_balances", key=("account", "at"))


class SolvencyCheck(Record, frozen=True):
    """How one currency stood when it was checked. Amounts are decimal strings.

    `as_of`: the book's last command of which the figures know. `is_money`: a unit of the book's
    own, such as points, needs no cash. `equation`: assets are liabilities, equity and the result
    together, and all balances sum to zero. `breach`: payouts were braked for it. `slot`: the
    instant for which it was due, None when somebody asked for it.
    """

    seq: int
    n: int
    unit: str
    as_of: int
    cash: str
    liabilities: str
    overdrawn: str
    net: str
    is_money: bool
    equation: bool
    breach: bool
    slot: int | None
    asked_by: str
    at: int

    TABLE: ClassVar = Table(
        "solvency_checks",
        key=("seq", "n"),
        facts=True,
        indexes=(("unit", "seq", "n"),),
    )


class LiabilityRoot(Record, frozen=True):
    """A published proof of liabilities: the root of a tree over owners' balances in one currency.

    `as_of`: the command after which the balances stand. `label`: what the root hash is bound to.
    `total`: minor units, as text. `count`: of owners. `secret`: from which the leaves' nonces are
    made; it never leaves the book through a door.
    """

    id: str
    unit: str
    exponent: int
    as_of: int
    label: str
    hash: str
    total: str
    count: int
    secret: str
    asked_by: str
    published_at: int

    TABLE: ClassVar = Table(
        "liability_roots",
        key=("id",),
        indexes=(("unit", "published_at", "id"), ("published_at", "id")),
    )


class CashView(msgspec.Struct, frozen=True):
    """An account for cash. `balance`: the book's. `verified`: what was seen outside, `verified_at`,
    and by how much it was more than the book had then. `counted`: what solvency counts; what one
    person alone says above the four-eyes limit makes it no larger.
    """

    account: str
    balance: str
    verified: str | None
    verified_at: str | None
    evidence: str | None
    difference: str | None
    counted: str


class Position(msgspec.Struct, frozen=True):
    """How a currency stands: decimal strings. See the module for what counts.

    `wallets`, `escrow`, `other_liabilities`: what `liabilities` are made of. `overdrawn`: what
    liability accounts are below zero, not counted. `receivables`, `inventory`, `other_assets`: no
    cash, not counted. `solvent`: None for a unit that is no money. `equation`: whether assets are
    liabilities, equity, and revenue less expenses. `braked`: whether payouts are.
    """

    currency: str
    solvent: bool | None
    equation: bool
    cash: str
    liabilities: str
    net: str
    wallets: str
    escrow: str
    other_liabilities: str
    overdrawn: str
    receivables: str
    inventory: str
    other_assets: str
    equity: str
    revenue: str
    expenses: str
    braked: bool
    accounts: list[CashView]


class Positions(msgspec.Struct, frozen=True):
    """All currencies of one snapshot. `as_of`: the book's last command that it knows."""

    as_of: int
    at: str
    items: list[Position]


class Figure(msgspec.Struct, frozen=True):
    """What a check records of a currency: decimal strings."""

    currency: str
    cash: str
    liabilities: str
    overdrawn: str
    net: str
    is_money: bool
    equation: bool


class CheckView(msgspec.Struct, frozen=True):
    """A recorded check of one currency. `reason`: what is wrong, None when nothing is."""

    currency: str
    at: str
    as_of: int
    cash: str
    liabilities: str
    overdrawn: str
    net: str
    solvent: bool | None
    equation: bool
    breach: bool
    reason: str | None
    slot: str | None
    asked_by: str


class Checked(msgspec.Struct, frozen=True):
    """What a check found. `braked`: the currencies whose payouts it stopped just now."""

    items: list[CheckView]
    braked: list[str]


class VerifiedView(msgspec.Struct, frozen=True):
    """A balance that was verified outside."""

    account: str
    currency: str
    amount: str
    at: str
    evidence: str
    by: str


class RootView(msgspec.Struct, frozen=True):
    """A published proof of liabilities, as everybody may see it.

    `total`: what owners are owed in all, a decimal string. `owners`: how many they are.
    """

    id: str
    currency: str
    hash: str
    total: str
    owners: int
    label: str
    as_of: int
    published_at: str


class PathStep(msgspec.Struct, frozen=True):
    """A neighbour on the way from a leaf to the root: on which side it stands, its hash, and the
    sum below it in minor units.
    """

    side: str
    hash: str
    sum: str


class ProofPart(msgspec.Struct, frozen=True):
    """One of an owner's leaves: its nonce, its share of the balance in minor units, its path."""

    nonce: str
    amount: str
    path: list[PathStep]


class Inclusion(msgspec.Struct, frozen=True):
    """The proof that an owner's balance is in a published total: see docs/solvency.md.

    `balance`: what the owner is owed, a decimal string; `minor`, `total`: the same and the total
    in minor units, as they were hashed.
    """

    root: str
    hash: str
    label: str
    currency: str
    owner: str
    balance: str
    minor: str
    total: str
    parts: list[ProofPart]


class Sum(msgspec.Struct, frozen=True):
    """What the accounts of a kind add up to: plain minor units, debit positive.

    `line`: the account's code for cash, the first word of the codes for the rest. `below`: whether
    these are the accounts below zero on their normal side.
    """

    kind: Kind
    line: str
    below: bool
    plain: int
