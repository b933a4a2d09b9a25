"""What answers about solvency, brakes, schedules and reports look like."""

from __future__ import annotations

from typing import Any, Final

_AT: Final = "2026-01-31T09:00:00.000000Z"
_HASH: Final = "4f" * 32
_LABEL: Final = f"khata liabilities 1 BDT 2 main.a5a07f101f 10 {_AT}"
_BRAKE: Final = {"currency": "BDT", "reason": "The till is being counted.", "at": _AT,
                 "by": "finance:mitu"}  # fmt: skip
_SUMS: Final = {"cash": "1050.00", "liabilities": "1000.00", "net": "50.00", "overdrawn": "0.00"}
_CHECK: Final = {
    "currency": "BDT", "at": _AT, "as_of": 10, **_SUMS, "solvent": True, "equation": True,
    "breach": False, "reason": None, "slot": _AT, "asked_by": "schedule",
}  # fmt: skip
_CASH: Final = {
    "account": "cash/main", "balance": "1060.00", "verified": "990.00", "verified_at": _AT,
    "evidence": "Statement 7 of City Bank.", "difference": "-10.00", "counted": "1050.00",
}  # fmt: skip
_POSITION: Final = {
    "currency": "BDT", "solvent": True, "equation": True, **_SUMS, "wallets": "900.00",
    "escrow": "100.00", "other_liabilities": "0.00", "receivables": "0.00", "inventory": "0.00",
    "other_assets": "0.00", "equity": "50.00", "revenue": "10.00", "expenses": "0.00",
    "braked": False, "accounts": [_CASH],
}  # fmt: skip
_STEP: Final = {"side": "right", "hash": _HASH, "sum": "67000"}
_LINE: Final = {"account": "cash/main", "amount": "1060.00"}

SOLVENCY_EXAMPLES: Final[dict[str, Any]] = {
    "Brake": _BRAKE,
    "BrakeLifted": {"brake": _BRAKE, "reason": "The till was counted."},
    "Schedules": {"time_zone": "Asia/Dhaka", "reconciliation": "02:00", "solvency": "hourly"},
    "Positions": {"as_of": 10, "at": _AT, "items": [_POSITION]},
    "Checked": {"items": [_CHECK], "braked": []},
    "CheckView": _CHECK,
    "VerifiedView": {"account": "cash/main", "currency": "BDT", "amount": "990.00", "at": _AT,
                     "evidence": "Statement 7 of City Bank.", "by": "finance:mitu"},
    "RootView": {"id": "lpr_1c01", "currency": "BDT", "hash": _HASH, "total": "1000.00",
                 "owners": 2, "label": _LABEL, "as_of": 10, "published_at": _AT},
    "Inclusion": {"root": "lpr_1c01", "hash": _HASH, "label": _LABEL, "currency": "BDT",
                  "owner": "alice", "balance": "600.00", "minor": "60000", "total": "100000",
                  "parts": [{"nonce": _HASH, "amount": "33000", "path": [_STEP]}]},
    "BalanceSheet": {"currency": "BDT", "assets": [_LINE],
                     "liabilities": [{"account": "wallet", "amount": "1000.00"}],
                     "equity": [{"account": "equity/capital", "amount": "50.00"}],
                     "total_assets": "1060.00", "total_liabilities": "1000.00",
                     "total_equity": "50.00", "result": "10.00", "balanced": True},
    "IncomeStatement": {"currency": "BDT",
                        "revenue": [{"account": "revenue/fee", "amount": "10.00"}],
                        "expenses": [], "total_revenue": "10.00", "total_expenses": "0.00",
                        "result": "10.00", "balanced": True},
}  # fmt: skip
"""An example for each type of answer, by the type's name."""

REPORT: Final = {"on": "2026-01-31", "first": None, "time_zone": "Asia/Dhaka",
                 "until": "2026-01-31T18:00:00.000000Z"}  # fmt: skip
"""Of a report, all but what is in it."""
