"""The marketplace: sales from placing to reward, and the missions that bring them."""

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
from khata.domain.marketplace.queries import mission, missions, parties, sale, sales
from khata.domain.marketplace.sagas import SAGAS

__all__ = [
    "SAGAS",
    "VERBS",
    "AssignRider",
    "CancelSale",
    "DeliverSale",
    "GrantedState",
    "Mission",
    "MissionState",
    "PaySale",
    "PlaceSale",
    "RefundSale",
    "Sale",
    "SaleState",
    "mission",
    "missions",
    "parties",
    "sale",
    "sales",
    "subject_of",
]
