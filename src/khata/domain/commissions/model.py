"""Commission rules: who gets which part of a sale, as data. One rule is built in."""

from __future__ import annotations

from typing import ClassVar, Final, Literal

import msgspec

from khata.engine.records import Record, Table

RuleStatus = Literal["in_force", "superseded", "retired"]

WHOLE: Final = 10_000
"""Basis points in a whole."""
GENERAL: Final = "/"
"""`open_partner` of rules for every partner: no owner's name has a slash."""


class Tier(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Up to and with these amounts, by currency (None: without end), so many basis points."""

    points: int
    up_to: dict[str, str] | None = None


class Tax(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A tax on a part, in basis points, as a share of its own that is called `<part>_tax`.

    `included`: the part contains it, and of what the part gets `points / (10000 + points)` is tax.
    Else it comes on top: `points / 10000` of the part, out of what the rest would get.
    """

    points: int
    to: str = "payable/vat"
    included: bool = True


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One part of a rule. How much: exactly one of `points`, `fixed`, `tiers` and `rest`.

    `to`: a role of the sale (`partner`, `creator`), or a house account (`revenue/commission`).
    `points`: basis points of the amount. `fixed`: an amount for each currency. `tiers`: basis
    points by the size of the amount; the whole amount at those of the tier in which it lies, or,
    `marginal`, each slice of it at those of its own. `least`, `most`: bounds, for the currencies
    that they name. `if_present`: left out of a sale that has nobody in this role.
    """

    name: str
    to: str
    points: int | None = None
    fixed: dict[str, str] | None = None
    tiers: list[Tier] | None = None
    marginal: bool = False
    rest: bool = False
    least: dict[str, str] | None = None
    most: dict[str, str] | None = None
    tax: Tax | None = None
    if_present: bool = False


class Rule(Record, frozen=True):
    """A version of a rule. What it is for: `sources`, `category`, `partner`, where None is any.

    `newest`: its name while no later version exists. `open_partner`: the partner, or `GENERAL`,
    while it is in force.
    """

    name: str
    version: int
    parts: list[Part]
    sources: list[str] | None
    category: str | None
    partner: str | None
    status: RuleStatus
    newest: str | None
    open_partner: str | None
    reason: str | None
    since: int
    ended_at: int | None

    TABLE: ClassVar = Table(
        "commission_rules",
        key=("name", "version"),
        finds=("newest", "open_partner"),
        indexes=(("status", "name", "version"),),
    )


class Share(msgspec.Struct, frozen=True):
    """What one part of a rule gets of an amount: minor units, for an account or a wallet's path."""

    name: str
    to: str
    amount: int


class RuleState(msgspec.Struct, frozen=True):
    """A version of a rule as its caller is told of it. Amounts are decimal strings."""

    name: str
    version: int
    status: str
    sources: list[str] | None
    category: str | None
    partner: str | None
    parts: list[Part]
    reason: str | None
    since: str | None
    ended_at: str | None


class ShareView(msgspec.Struct, frozen=True):
    """What one part gets: a decimal string. `to`: the role, or the account."""

    name: str
    to: str
    amount: str


class SharePreview(msgspec.Struct, frozen=True):
    """How an amount would be shared now, and by which version of which rule."""

    rule: str
    version: int
    source: str
    category: str | None
    partner: str | None
    amount: str
    currency: str
    shares: list[ShareView]


STANDARD: Final = Rule(
    name="standard",
    version=0,
    parts=[
        Part("platform", "revenue/commission", points=500),
        Part("creator", "creator", points=1500, if_present=True),
        Part("partner", "partner", rest=True),
    ],
    sources=None,
    category=None,
    partner=None,
    status="in_force",
    newest=None,
    open_partner=None,
    reason=None,
    since=0,
    ended_at=None,
)
"""For whatever no rule of the book is for: 5 % for the platform, 15 % for a creator if there is
one, the rest for the partner."""
