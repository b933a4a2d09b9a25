"""The marketplace: sales from placing to reward, the missions that bring them, money traces."""

from khata.domain.marketplace.commands import (
    VERBS,
    AssignRider,
    CancelSale,
    DeliverSale,
    PaySale,
    PlaceSale,
    RefundSale,
)
from khata.domain.marketplace.model import (
    GrantedState,
    Mission,
    MissionState,
    Sale,
    SaleState,
    subject_of,
)
from khata.domain.marketplace.queries import mission, missions, sale, sales
from khata.domain.marketplace.sagas import SAGAS
from khata.domain.marketplace.tracing import Effect, Trace, trace

__all__ = [
    "SAGAS",
    "VERBS",
    "AssignRider",
    "CancelSale",
    "DeliverSale",
    "Effect",
    "GrantedState",
    "Mission",
    "MissionState",
    "PaySale",
    "PlaceSale",
    "RefundSale",
    "Sale",
    "SaleState",
    "Trace",
    "mission",
    "missions",
    "sale",
    "sales",
    "subject_of",
    "trace",
]
