"""Commissions: how one amount is shared, by rules that are data, versioned, and previewed."""

from khata.domain.commissions.commands import VERBS, DefineRule, RetireRule, rule_at, rule_for
from khata.domain.commissions.model import (
    STANDARD,
    Part,
    Rule,
    RuleState,
    Share,
    SharePreview,
    ShareView,
    Tax,
    Tier,
)
from khata.domain.commissions.queries import preview, rule, rules
from khata.domain.commissions.rules import shares

__all__ = [
    "STANDARD",
    "VERBS",
    "DefineRule",
    "Part",
    "RetireRule",
    "Rule",
    "RuleState",
    "Share",
    "SharePreview",
    "ShareView",
    "Tax",
    "Tier",
    "preview",
    "rule",
    "rule_at",
    "rule_for",
    "rules",
    "shares",
]
