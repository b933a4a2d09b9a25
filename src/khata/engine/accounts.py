"""The records that make a double-entry book: accounts, entries, postings.

Amounts are integers in minor units, debit positive, credit negative, so the legs of an entry
sum to zero for each unit. `balance` is the plain sum of an account's postings; people are shown
it on the account's normal side (`natural`), where a liability of 100 reads 100.
"""

from __future__ import annotations

from typing import ClassVar, Final, Literal

import msgspec

from khata.engine.records import Record, Table

Kind = Literal["asset", "liability", "equity", "revenue", "expense"]
Status = Literal["active", "frozen", "closed"]

SIDE: Final[dict[str, int]] = {
    "asset": 1,
    "expense": 1,
    "liability": -1,
    "equity": -1,
    "revenue": -1,
}
"""The normal side of each kind: +1 debit, -1 credit."""


class VelocityLimit(msgspec.Struct, frozen=True):
    """At most `amount` (minor units) and `count` outgoing movements in any such window."""

    window_seconds: int
    amount: int | None = None
    count: int | None = None


class Account(Record, frozen=True):
    """A place where money is. `owner` is whose it is, None for the house.

    `floor`: the natural available balance may not fall below `floor - overdraft`; None means
    no limit. `held`: the sum of its active holds. `next_expiry`: the earliest instant at which
    one of them expires. `exponent`: decimals of `unit`.
    """

    id: int
    code: str
    kind: Kind
    unit: str
    exponent: int
    owner: str | None
    status: Status
    floor: int | None
    overdraft: int
    limits: list[VelocityLimit] | None
    opened_at: int
    balance: int = 0
    held: int = 0
    next_expiry: int | None = None

    TABLE: ClassVar = Table(
        "accounts",
        key=("id",),
        finds=("code",),
        unique=(("code", "unit"),),
        indexes=(("owner",),),
        volatile=("balance", "held", "next_expiry"),
    )

    @property
    def natural(self) -> int:
        """The balance on the account's normal side, in minor units."""
        return self.balance * SIDE[self.kind]

    @property
    def available(self) -> int:
        """Natural balance less what is held (holds past their expiry included)."""
        return self.balance * SIDE[self.kind] - self.held


class Entry(Record, frozen=True):
    """A movement: legs that sum to zero. Its identity is (`seq`, `entry`).

    `type`: what sort (credit, transfer, capture, …). `source`: the business reason.
    `reference`, `note`, `metadata` (JSON object as text): the caller's own.
    `legs`: [[account id, amount], …], leg by leg. `reverses_*`: the entry that this one undoes.
    """

    seq: int
    entry: int
    type: str
    source: str
    reference: str | None
    note: str | None
    metadata: str | None
    first_leg: int
    legs: str
    reverses_seq: int | None = None
    reverses_entry: int | None = None

    TABLE: ClassVar = Table("entries", key=("seq", "entry"), facts=True)


class Posting(Record, frozen=True):
    """One leg of an entry on its account, with the account's balance after it.

    On an account with an owner the posting is also a line of the owner's own book: `line` and
    `category` say under what. It is one row, so the two can never disagree.
    """

    account_id: int
    seq: int
    leg: int
    entry: int
    amount: int
    balance_after: int
    line: str | None = None
    category: str | None = None

    TABLE: ClassVar = Table("postings", key=("account_id", "seq", "leg"), facts=True)


class Lines(msgspec.Struct, frozen=True):
    """How a movement is called in an owner's own book when money came, and when it went.

    `mirrored`: the entry undoes another; money that comes back is shown under the name under
    which it went, so the two cancel out.
    """

    came: str
    went: str
    category: str
    mirrored: bool = False


class Velocity(Record, frozen=True):
    """What left an account lately, in slices of its window: [[slice, amount, count], …]."""

    account_id: int
    window_seconds: int
    slices: list[tuple[int, int, int]]

    TABLE: ClassVar = Table("velocities", key=("account_id", "window_seconds"))
