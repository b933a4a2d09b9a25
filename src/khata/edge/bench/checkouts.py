"""What a load of checkouts is made of: who buys what from whom, and the four requests of each.

A checkout is a hold on the customer's wallet, its capture into escrow, the split of that among
partner, creator and platform, and the refund of a part, pro rata. Both sides of the bench get the
same checkouts in the same order, under the same sequential keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Final, NamedTuple, Protocol

import msgspec

from khata.base.money import Money, to_text
from khata.domain.escrow import FundEscrow, RefundEscrow, ReleaseEscrow
from khata.domain.holds import PlaceHold
from khata.edge.bench.figures import CURRENCY, DRAWS, EXPONENT, Sample, path_of
from khata.errors import Invalid

SOURCE: Final = "video_order"
PLATFORM: Final = "revenue/commission"
"""Where the built-in rule puts the house's part of every checkout: the hot account."""
RELEASED: Final = "delivered"
REFUNDED: Final = "a part was missing"
STEPS: Final = 4
_LEAST: Final = 50
_MOST: Final = 5_000


class CheckoutLoad(msgspec.Struct, frozen=True):
    """What both sides are put under. `seconds`: for each side. Errors: `Invalid` for no load."""

    callers: int = 256
    seconds: float = 5.0
    customers: int = 1000
    partners: int = 100
    creators: int = 100
    seed: int = 1

    def __post_init__(self) -> None:
        people = (self.customers, self.partners, self.creators)
        if self.callers < 1 or min(people) < 1 or self.seconds <= 0:
            raise Invalid(
                "That is no load of checkouts.",
                expected="at least one caller, one of each who take part, and some time",
                got=[self.callers, *people, self.seconds],
            )

    @property
    def platform(self) -> int:
        """The number of the platform's account, after all wallets; escrows come after it."""
        return self.customers + self.partners + self.creators + 1

    def earners(self) -> list[tuple[int, str]]:
        """(number, path) of the wallets of partners and creators."""
        first = self.customers + self.partners + 1
        partners = [(n, partner_path(n)) for n in range(self.customers + 1, first)]
        return [*partners, *((n, creator_path(n)) for n in range(first, self.platform))]


class Checkout(NamedTuple):
    """Three numbers of accounts, and minor units: what is paid, and what of it is given back."""

    customer: int
    partner: int
    creator: int
    amount: int
    back: int

    @property
    def parties(self) -> dict[str, str]:
        """Whose wallet each role of the commission rule is."""
        return {"partner": partner_path(self.partner), "creator": creator_path(self.creator)}


class CheckoutSample(Sample, frozen=True):
    """One slice: `latencies` of whole checkouts, `requests` of each of their requests; seconds."""

    requests: list[float]


class CheckoutSide(Protocol):
    """One of the two that are compared."""

    def load(self, drawn: Sequence[Checkout], *, callers: int, seconds: float) -> CheckoutSample:
        """Let `callers` each do one checkout after the other, request by request.

        Who is in the middle of one when the time is over still ends it.
        """

    def check(self) -> None:
        """What was written adds up. Errors: `BookCorrupted`."""


def checkouts(load: CheckoutLoad, count: int = DRAWS) -> list[Checkout]:
    """Checkouts drawn by chance: odd amounts of 1.01 to 100.01, of which up to half is refunded."""
    chance = Random(load.seed)
    first = load.customers + load.partners
    drawn = []
    for _ in range(count):
        amount = 2 * chance.randint(_LEAST, _MOST) + 1
        drawn.append(
            Checkout(
                chance.randint(1, load.customers),
                load.customers + chance.randint(1, load.partners),
                first + chance.randint(1, load.creators),
                amount,
                chance.randint(1, amount // 2),
            )
        )
    return drawn


def ref_of(number: int) -> str:
    """How the order of a checkout, and its escrow, are called."""
    return f"order-{number:010d}"


def partner_path(number: int) -> str:
    """The wallet of a partner."""
    return f"partner-{number:06d}/partner/{CURRENCY}"


def creator_path(number: int) -> str:
    """The wallet of a creator."""
    return f"creator-{number:06d}/creator/{CURRENCY}"


# ── the four requests ────────────────────────────────────────────────────────────────


def hold_of(checkout: Checkout, ref: str) -> PlaceHold:
    """Set aside what the customer is to pay."""
    amount = _money(checkout.amount)
    return PlaceHold(path_of(checkout.customer), amount, source=SOURCE, reference=ref)


def fund_of(checkout: Checkout, ref: str, hold: str) -> FundEscrow:
    """Capture it into escrow, for those to whom the built-in commission rule gives it."""
    return FundEscrow(ref, hold=hold, parties=checkout.parties, source=SOURCE)


def release_of(ref: str) -> ReleaseEscrow:
    """Split it: each gets their part."""
    return ReleaseEscrow(ref, RELEASED)


def refund_of(checkout: Checkout, ref: str) -> RefundEscrow:
    """Give a part of it back to the customer, pro rata."""
    return RefundEscrow(ref, REFUNDED, _money(checkout.back))


def _money(minor: int) -> Money:
    return Money(to_text(minor, EXPONENT), CURRENCY)
