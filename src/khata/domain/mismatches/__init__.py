"""Mismatches: what is wrong with orders, found by a table of rules, and repaired by plan."""

from khata.domain.mismatches.model import Action, Found, Kind, Plan
from khata.domain.mismatches.rules import RECEIPT_SECONDS, RULES, after, derived, found, plan_of

__all__ = [
    "RECEIPT_SECONDS",
    "RULES",
    "Action",
    "Found",
    "Kind",
    "Plan",
    "after",
    "derived",
    "found",
    "plan_of",
]
