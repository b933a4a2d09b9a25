"""What answers about flows look like, shown in the API's description."""

from __future__ import annotations

from typing import Any, Final

_AT: Final = "2026-01-31T09:00:00.000000Z"
_RATE: Final = {"compared": 1000, "matched": 990, "basis_points": 9900}
_FLOW: Final = {
    "name": "checkout", "into": "shadow", "mode": "shadow", "mode_since": _AT, "gate": 9900,
    "least": 1000, "window_seconds": 604800, "late_seconds": 300, "quiet_seconds": 900,
    "fields": {"left": "legs.0.balance_after"}, "codes": {"NO_MONEY": "insufficient_funds"},
    "ignored": ["id"], "tolerances": {}, "masked": ["card"],
}  # fmt: skip
_FIGURES: Final = {
    "status": "comparing", "window": _RATE, "total": _RATE, "errors": 0, "dropped": 0, "gaps": 0,
    "last_compared_at": _AT, "quiet_for_seconds": 2, "gate_open": True,
}  # fmt: skip
_DIFFERENCES: Final = [
    {"field": "left", "sort": "one_unit", "theirs": "99.01", "ours": "99.00"}
]  # fmt: skip
_EXAMPLE: Final = {"reference": "order/M1", "number": 7, "at": _AT, "differences": _DIFFERENCES}

SHADOW_EXAMPLES: Final[dict[str, Any]] = {
    "FlowState": _FLOW,
    "FlowLine": {"name": "checkout", "mode": "shadow", **_FIGURES},
    "FlowReport": {"flow": _FLOW, **_FIGURES, "why": None,
                   "signatures": [{"signature": "wallets.debit left:one_unit", "count": 10,
                                   "first": _EXAMPLE, "last": _EXAMPLE}],
                   "history": [{"before": "off", "after": "shadow", "reason": "A trial.",
                                "by": "admin:rafiq", "forced": False, "at": _AT,
                                "rate": {"compared": 0, "matched": 0, "basis_points": None}}]},
    "ComparisonView": {"flow": "checkout", "reference": "order/M1", "command": "wallets.debit",
                       "outcome": "mismatch", "signature": "wallets.debit left:one_unit",
                       "theirs": "ok", "ours": "ok", "differences": _DIFFERENCES, "number": 7,
                       "carried_as": 12, "event_at": _AT, "at": _AT},
    "EventsFed": {"events": [{"flow": "checkout", "seq": 7, "status": "mismatch",
                              "signature": "wallets.debit left:one_unit", "code": None,
                              "message": None}]},
}  # fmt: skip
