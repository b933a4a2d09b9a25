"""What answers about mismatches look like: see `khata.edge.http.examples`."""

from __future__ import annotations

from typing import Any, Final

_AT: Final = "2026-01-31T09:00:00.000000Z"
_ACTIONS: Final = [
    {"kind": "take_wallet_part", "amount": "400.00"},
    {"kind": "move", "axis": "warehouse", "to": "ready"},
]
_MISMATCH: Final = {
    "id": "msm_0c00", "order": "M1001", "kind": "wallet_part_missing", "status": "open",
    "customer": "alice", "currency": "BDT", "at_risk": "400.00", "age_seconds": 7200,
    "since": "2026-01-31T07:00:00.000000Z", "found_at": _AT, "found_by": "sweep",
    "repair_proposed": _ACTIONS[:1], "ended_at": None, "ended_by": None, "reason": None,
    "repair": None,
}  # fmt: skip
_BEFORE: Final = {
    "finance": "wallet_partial", "warehouse": "waiting", "logistics": "waiting",
    "shown": "pending", "wallet_moved": "0.00", "captured": "600.00", "refunded": "0.00",
    "reserved": 2, "release_missing": False,
}  # fmt: skip
_AFTER: Final = {
    **_BEFORE, "finance": "paid", "warehouse": "ready", "shown": "preparing",
    "wallet_moved": "400.00", "captured": "1000.00",
}  # fmt: skip
_REPAIR: Final = {
    "id": "rep_1000", "order": "M1001", "status": "applied", "saga": "sag_1001",
    "asked_by": "finance:mitu", "asked_at": _AT,
    "reason": "Ticket 4711: paid, and nobody had seen it.", "needs_approval": False,
    "approved_by": None,
    "plan": {"order": "M1001", "currency": "BDT", "kinds": ["wallet_part_missing"],
             "actions": _ACTIONS, "before": _BEFORE, "after": _AFTER,
             "wallet": "alice/personal/BDT", "wallet_before": "900.00", "wallet_after": "500.00",
             "moved": "400.00"},
    "entries": ["ent_1400"], "code": None, "message": None, "ended_at": _AT,
}  # fmt: skip

MISMATCH_EXAMPLES: Final[dict[str, Any]] = {
    "MismatchState": _MISMATCH,
    "RepairState": _REPAIR,
    "Swept": {"looked_at": 200, "opened": [_MISMATCH], "ended": []},
    "Unlike": {"orders": ["M1001"], "looked_at": 200, "next": None},
}
