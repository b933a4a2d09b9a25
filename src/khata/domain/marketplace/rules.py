"""What a sale comes to: who is to receive what of it. Functions of values."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from khata.base.clock import iso_or_none, to_iso
from khata.base.money import to_text
from khata.domain.benefits import Granted
from khata.domain.commissions import Share
from khata.domain.escrow import Escrow, Giver, Leg
from khata.domain.escrow import state_of as escrow_state
from khata.domain.marketplace.model import (
    DELIVERY,
    GrantedState,
    Mission,
    MissionState,
    Sale,
    SaleState,
    subject_of,
)
from khata.errors.market import SplitImpossible


def legs_of(
    shares: Sequence[Share], partner_wallet: str, partner_pays: int, delivery_fee: int
) -> list[Leg]:
    """The legs of a sale's escrow, minor units.

    `shares`: of the whole price. A benefit that the partner pays lowers the partner's own share
    and nobody else's; the delivery fee comes on top, for a rider who is not known yet.

    Errors: `SplitImpossible` when the partner would pay more than they get.
    """
    legs = [Leg(part.name, part.to, part.amount) for part in shares]
    if partner_pays:
        own = [leg for leg in legs if leg.to == partner_wallet]
        largest = max(own, key=lambda leg: leg.share, default=None)
        if largest is None or largest.share < partner_pays:
            raise SplitImpossible(
                "The partner would pay more for benefits than they get.",
                expected=partner_pays,
                got=largest.share if largest else 0,
            )
        lowered = msgspec.structs.replace(largest, share=largest.share - partner_pays)
        legs = [lowered if leg is largest else leg for leg in legs]
    if delivery_fee:
        legs.append(Leg(DELIVERY, None, delivery_fee, extra=True))
    return legs


def house_pays(granted: Sequence[Granted]) -> list[Giver]:
    """What the house pays towards a sale."""
    return [Giver(part.account, part.amount) for part in granted if part.payer == "platform"]


def partner_pays(granted: Sequence[Granted]) -> int:
    """What the partner pays towards a sale, minor units."""
    return sum(part.amount for part in granted if part.payer != "platform")


# ── showing ──────────────────────────────────────────────────────────────────────────


def state_of(sale: Sale, escrow: Escrow | None) -> SaleState:
    """The sale as its caller is told of it."""
    places = sale.exponent
    held = None if escrow is None else escrow_state(escrow)
    return SaleState(
        ref=sale.ref,
        subject=subject_of(sale.ref),
        status=sale.status,
        customer=sale.customer,
        partner=sale.partner,
        creator=sale.creator,
        video=sale.video,
        title=sale.title,
        category=sale.category,
        source=sale.source,
        currency=sale.unit,
        price=to_text(sale.price, places),
        delivery_fee=to_text(sale.delivery_fee, places),
        benefits=[
            GrantedState(part.campaign, part.payer, to_text(part.amount, places))
            for part in sale.granted
        ],
        due=to_text(sale.due, places),
        refunded=to_text(0, places) if held is None else held.refunded,
        rule=sale.rule,
        rule_version=sale.version,
        legs=[] if held is None else held.legs,
        release_on=sale.on,
        release_days=sale.days,
        escrow=None if held is None else held.status,
        dispute=None if held is None else held.dispute,
        payment=sale.payment,
        mission=sale.mission,
        saga=sale.saga,
        reason=sale.reason,
        placed_at=to_iso(sale.placed_at),
        paid_at=iso_or_none(sale.paid_at),
        delivered_at=iso_or_none(sale.delivered_at),
        completed_at=iso_or_none(sale.completed_at),
        cancelled_at=iso_or_none(sale.cancelled_at),
    )


def mission_state(mission: Mission) -> MissionState:
    """The mission as its caller is told of it."""
    return MissionState(
        mission.id,
        mission.sale,
        mission.status,
        mission.rider,
        mission.wallet,
        to_text(mission.fee, mission.exponent),
        mission.unit,
        to_iso(mission.opened_at),
        iso_or_none(mission.assigned_at),
        iso_or_none(mission.delivered_at),
    )
