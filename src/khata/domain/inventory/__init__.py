"""Stock: pieces that come in lots, go out first in, first out, and come back where they were."""

from khata.domain.inventory.commands import (
    VERBS,
    Adjust,
    Allocate,
    ChangeItem,
    DefineItem,
    GiveBack,
    Receive,
)
from khata.domain.inventory.model import (
    Allocation,
    AllocationState,
    Item,
    ItemState,
    LineState,
    Lot,
    LotState,
)
from khata.domain.inventory.queries import (
    Difference,
    allocation,
    allocations,
    check,
    item,
    items,
    lots,
)
from khata.domain.inventory.stocking import (
    allocate,
    allocations_for,
    available,
    give_back,
)

__all__ = [
    "VERBS",
    "Adjust",
    "Allocate",
    "Allocation",
    "AllocationState",
    "ChangeItem",
    "DefineItem",
    "Difference",
    "GiveBack",
    "Item",
    "ItemState",
    "LineState",
    "Lot",
    "LotState",
    "Receive",
    "allocate",
    "allocation",
    "allocations",
    "allocations_for",
    "available",
    "check",
    "give_back",
    "item",
    "items",
    "lots",
]
