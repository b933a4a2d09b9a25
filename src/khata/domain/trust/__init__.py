"""Trust scores and experience: what an owner's deeds have earned them."""

from khata.domain.trust.commands import VERBS, RecordEvent, SetRules, award, foresee
from khata.domain.trust.model import (
    RULES,
    Award,
    TrustEvent,
    TrustLine,
    TrustRules,
    TrustScore,
    TrustState,
    Worth,
)
from khata.domain.trust.queries import history, rules, score

__all__ = [
    "RULES",
    "VERBS",
    "Award",
    "RecordEvent",
    "SetRules",
    "TrustEvent",
    "TrustLine",
    "TrustRules",
    "TrustScore",
    "TrustState",
    "Worth",
    "award",
    "foresee",
    "history",
    "rules",
    "score",
]
