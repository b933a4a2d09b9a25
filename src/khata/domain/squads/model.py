"""Squads: people who buy together out of one wallet, and what each of them has in it."""

from __future__ import annotations

from typing import ClassVar, Final, Literal

import msgspec

from khata.engine.records import Record, Table

SquadStatus = Literal["open", "closed"]
MemberStatus = Literal["invited", "active", "left"]
Role = Literal["leader", "buyer", "member"]
Joining = Literal["invited", "anyone"]
SharingKind = Literal["equal", "weights", "fixed", "mixed"]
LineKind = Literal[
    "contribution", "purchase", "refund", "withdrawal", "settlement", "forgiven", "allotment"
]
PurchaseStatus = Literal["made", "partly_returned", "returned"]

WALLET_KIND: Final = "squad"
MOST_MEMBERS: Final = 100
"""Members, invited ones included, that a squad may have: each is told of everything."""
MOST_WEIGHT: Final = 1_000_000


class Squad(Record, frozen=True):
    """A squad; its wallet is `squad-<ref>/squad/<unit>`.

    `account_id`, `wallet`: that wallet. `joining`: who may join, those who were invited or anyone.
    `sharing`, `rest`: how a purchase is shared, and who takes what fixed parts leave. `places`: how
    often somebody joined; the next one gets the next place. `members`: how many are active.
    """

    ref: str
    title: str
    leader: str
    unit: str
    exponent: int
    account_id: int
    wallet: str
    status: SquadStatus
    joining: Joining
    sharing: SharingKind
    rest: str | None
    places: int
    members: int
    reason: str | None
    created_at: int
    closed_at: int | None

    TABLE: ClassVar = Table(
        "squads", key=("ref",), indexes=(("status", "created_at"), ("created_at",))
    )


class SquadMember(Record, frozen=True):
    """A person in a squad. Amounts in minor units.

    `place`: the order of joining, which breaks ties. `wallet`: where their money came from and
    goes back to. `weight`, `fixed`: their part of a purchase. `balance`: what of the squad's
    wallet is theirs; below zero they owe it. `covers`: what of the leader's balance stands in for
    what others owe. `open_squad`: the squad, until nothing is open between the two.
    """

    squad: str
    owner: str
    place: int
    role: Role
    status: MemberStatus
    wallet: str | None
    weight: int
    fixed: int | None
    balance: int
    covers: int
    contributed: int
    spent: int
    refunded: int
    withdrawn: int
    open_squad: str | None
    invited_at: int
    joined_at: int | None
    left_at: int | None

    TABLE: ClassVar = Table(
        "squad_members",
        key=("squad", "owner"),
        finds=("open_squad",),
        indexes=(("owner", "squad"),),
    )

    @property
    def free(self) -> int:
        """What of their balance they may spend or withdraw, in minor units; below zero: owed."""
        return self.balance - self.covers


class Part(msgspec.Struct, frozen=True, gc=False):
    """What a member paid of a purchase, and what came back of it, in minor units."""

    owner: str
    amount: int
    back: int = 0


class SquadPurchase(Record, frozen=True):
    """What a squad bought. `amount`, `returned`: minor units, the sums of the parts.

    `paid_to`, `account_id`: the account that received it. `sale`: the sale that it is, if any.
    `entries`: what the purchase and its returns posted.
    """

    id: str
    squad: str
    reference: str
    account_id: int
    paid_to: str
    sale: str | None
    amount: int
    returned: int
    unit: str
    exponent: int
    parts: list[Part]
    entries: list[str]
    status: PurchaseStatus
    made_by: str
    created_at: int

    TABLE: ClassVar = Table("squad_purchases", key=("id",), indexes=(("squad", "created_at"),))


class SquadLine(Record, frozen=True):
    """One line of a member's book within a squad. Minor units; what comes to them is positive.

    `entry`: the entry that moved the money; None where it only changed hands within the squad.
    """

    squad: str
    seq: int
    n: int
    owner: str
    kind: LineKind
    amount: int
    balance_after: int
    reference: str | None
    entry: str | None
    at: int

    TABLE: ClassVar = Table(
        "squad_lines",
        key=("squad", "seq", "n"),
        indexes=(("squad", "owner", "seq", "n"),),
        facts=True,
    )


class Sharing(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """How an amount is shared among a squad's active members.

    `equal`: alike. `weights`: by weight; who is not named has none, and all have 1 when nobody is
    named. `fixed`: decimal amounts for those who are named; `rest` takes what is left, or all who
    have no fixed part share it alike. `mixed`: likewise, but those share it by weight.
    """

    kind: SharingKind = "equal"
    weights: dict[str, int] = {}
    fixed: dict[str, str] = {}
    rest: str | None = None


class SquadMemberState(msgspec.Struct, frozen=True):
    """A member as callers are told of them. Amounts are decimal strings.

    `free`: what they may withdraw. `owes`: what they owe the squad. `covers`: what of the leader's
    balance stands in for that. `entry`: what the command posted.
    """

    squad: str
    owner: str
    role: str
    status: str
    wallet: str | None
    weight: int
    fixed: str | None
    balance: str
    free: str
    owes: str
    covers: str
    contributed: str
    spent: str
    refunded: str
    withdrawn: str
    currency: str
    joined_at: str | None
    left_at: str | None
    entry: str | None = None


class SquadState(msgspec.Struct, frozen=True):
    """A squad as callers are told of it. Amounts are decimal strings.

    `unassigned`: what of the wallet's balance is no member's: money that came or went past the
    squad. `members`: active and invited ones in the order of joining, and who left and still has
    money in it.
    """

    ref: str
    title: str
    leader: str
    status: str
    joining: str
    sharing: str
    rest: str | None
    wallet: str
    balance: str
    unassigned: str
    currency: str
    members: list[SquadMemberState]
    reason: str | None
    created_at: str
    closed_at: str | None


class SquadPartState(msgspec.Struct, frozen=True):
    """What a member paid of a purchase, and what came back: decimal strings."""

    owner: str
    amount: str
    returned: str


class SquadPurchaseState(msgspec.Struct, frozen=True):
    """A purchase as callers are told of it. Amounts are decimal strings."""

    id: str
    squad: str
    reference: str
    paid_to: str
    sale: str | None
    status: str
    amount: str
    returned: str
    currency: str
    parts: list[SquadPartState]
    entries: list[str]
    made_by: str
    created_at: str


def owner_of(ref: str) -> str:
    """The name under which a squad owns its wallet."""
    return f"squad-{ref}"
