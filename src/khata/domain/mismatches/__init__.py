"""Mismatches: what is wrong with orders, found by a table of rules, and repaired by plan."""

from khata.domain.mismatches.commands import (
    VERBS,
    DismissMismatch,
    RepairMismatch,
    Sweep,
)
from khata.domain.mismatches.finding import founds_of
from khata.domain.mismatches.model import (
    Action,
    ActionState,
    Found,
    Kind,
    Mismatch,
    MismatchState,
    OrderSeen,
    Plan,
    PlanState,
    Repair,
    RepairState,
    Swept,
    Unlike,
)
from khata.domain.mismatches.queries import mismatch, mismatches, repair, repairs, unlike
from khata.domain.mismatches.rules import RECEIPT_SECONDS, RULES, after, derived, found, plan_of
from khata.domain.mismatches.sagas import SAGAS
from khata.domain.mismatches.showing import actions_seen, order_seen

__all__ = [
    "RECEIPT_SECONDS",
    "RULES",
    "SAGAS",
    "VERBS",
    "Action",
    "ActionState",
    "DismissMismatch",
    "Found",
    "Kind",
    "Mismatch",
    "MismatchState",
    "OrderSeen",
    "Plan",
    "PlanState",
    "Repair",
    "RepairMismatch",
    "RepairState",
    "Sweep",
    "Swept",
    "Unlike",
    "actions_seen",
    "after",
    "derived",
    "found",
    "founds_of",
    "mismatch",
    "mismatches",
    "order_seen",
    "plan_of",
    "repair",
    "repairs",
    "unlike",
]
