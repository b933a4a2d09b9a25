"""What answers about other systems' exports look like."""

from __future__ import annotations

from typing import Any, Final

_AT: Final = "2026-01-31T09:00:00.000000Z"
_BEFORE: Final[dict[str, Any]] = {
    "finance": "paid",
    "warehouse": "picked",
    "logistics": "delivered",
    "shown": "pending",
    "wallet_moved": "0.000",
    "captured": "845250.500",
    "refunded": "0.000",
    "reserved": 0,
    "release_missing": False,
}
_REPAIR: Final[dict[str, Any]] = {
    "customer": "94",
    "since": _AT,
    "at_risk": "0.000",
    "plan": {
        "order": "M2511130",
        "currency": "IQD",
        "kinds": ["status_differs"],
        "actions": [{"kind": "sync_shown", "to": "delivered"}],
        "before": _BEFORE,
        "after": {**_BEFORE, "shown": "delivered"},
        "wallet": "94/customer/IQD",
        "wallet_before": "15296775.160",
        "wallet_after": "15296775.160",
        "moved": "0.000",
    },
    "refused": None,
}
_REPORT: Final[dict[str, Any]] = {
    "snapshot": "old-shop",
    "digest": "0" * 64,
    "taken_at": _AT,
    "currency": "IQD",
    "orders": 2,
    "wallets": 1,
    "correct": ["M2511128"],
    "repairs": [_REPAIR],
    "balances": [
        {
            "customer": "94",
            "wallet": "94/customer/IQD",
            "currency": "IQD",
            "before": "15296775.160",
            "after": "15296775.160",
        }
    ],
    "at_risk": "0.000",
    "from_wallets": "0.000",
    "moved": "0.000",
}
LEGACY_EXAMPLES: Final[dict[str, Any]] = {
    "AuditReport": _REPORT,
    "Taken": {
        "report": _REPORT,
        "adopted": 2,
        "sagas": ["sag_0c00"],
        "waiting": [],
        "failed": {},
    },
    "TakeoverState": {
        "snapshot": "old-shop",
        "customer": "94",
        "digest": "0" * 64,
        "currency": "IQD",
        "wallet": "94/customer/IQD",
        "balance": "15296775.160",
        "adopted": ["M2511128", "M2511130"],
        "repairs": [_REPAIR],
        "by": "admin:key_0400",
        "reason": "The old shop closes.",
        "at": _AT,
    },
}
"""An example for each type of answer, by the type's name."""
