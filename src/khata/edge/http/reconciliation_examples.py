"""Examples of reconciliation's answers, for the API's description."""

from __future__ import annotations

from typing import Any, Final

_AT: Final = "2026-02-01T02:00:00.000000Z"
_STATEMENT: Final = {
    "id": "stm_0400", "status": "imported", "account": "bank/main", "currency": "BDT",
    "number": "1", "format": "camt.053", "from_on": "2026-01-31", "to_on": "2026-01-31",
    "opening": "0.00", "closing": "100.00", "digest": "5e" * 32, "count": 1, "received": 1,
    "gap": "0.00", "note": None, "imported_by": "finance:sumi", "imported_at": _AT,
}  # fmt: skip
RECONCILIATION_EXAMPLES: Final[dict[str, Any]] = {
    "StatementState": _STATEMENT,
    "ImportedFile": {"statements": [_STATEMENT], "lines": 1, "pending": 0},
    "LineState": {
        "id": "stm_0400/1", "statement": "stm_0400", "number": 1, "status": "matched",
        "amount": "100.00", "currency": "BDT", "booked_on": "2026-01-31", "value_on": None,
        "reference": "B-1", "end_to_end": "pay_0800", "counterparty": "আলিস",
        "text": "سفارش M2511128", "match": "mat_0800", "exception": None,
    },
    "MatchState": {
        "id": "mat_0800", "kind": "1:1", "account": "bank/main", "currency": "BDT",
        "lines": ["stm_0400/1"], "entries": ["ent_0800"], "amount": "100.00",
        "difference": "0.00", "posted": None, "rule": "reference and amount", "score": 98,
        "why": ["reference pay0800 exact +60", "amount exact +30", "1 day apart +8"],
        "by": "service:worker", "at": _AT, "undone_by": None, "undone_at": None, "reason": None,
    },
    "ExceptionState": {
        "id": "exc_0c00", "cls": "missing_in_book", "status": "open", "account": "bank/main",
        "currency": "BDT", "line": "stm_0400/2", "entries": [], "found": "-5.00",
        "expected": None, "amount": "-5.00", "on": "2026-01-31", "age_days": 1,
        "repair": "book it: adjust the line, or post what is missing and match by hand",
        "note": None, "carried": None, "opened_at": _AT, "closed_at": None, "closed_by": None,
        "reason": None,
    },
    "PeriodState": {
        "id": "per_1000", "status": "closed", "account": "bank/main", "currency": "BDT",
        "from_on": "2026-01-01", "to_on": "2026-01-31", "carried": 0,
        "closed_by": "finance:sumi", "closed_at": _AT, "reason": "January.",
        "reopened_by": None, "reopened_at": None,
    },
    "DiscrepancyState": {
        "id": "dsc_0c00", "area": "payments", "cls": "paid_without_line", "subject": "pay_0800",
        "currency": "BDT", "expected": "a line on the statements of cash/sandbox",
        "found": "none", "amount": "100.00",
        "repair": "ask the provider; refund or reverse the payment if the money never came",
        "age_days": 1, "first_seen": _AT, "last_seen": _AT, "gone_at": None,
    },
    "RunState": {
        "id": "run_1000", "accounts": ["bank/main/BDT"], "asked_by": "schedule", "lines": 2,
        "postings": 1, "matched": 1, "skipped": 0, "opened": 1, "discrepancies": 0,
        "started_at": _AT, "ended_at": _AT,
    },
    "AccountStatus": {
        "account": "bank/main", "currency": "BDT", "balance": "100.00", "verified": "95.00",
        "begins_on": "2026-01-01", "last_to_on": "2026-01-31", "ran_through": "2026-01-31",
        "closed_on": None, "importing": None, "waiting": 1, "exceptions": 1,
        "buckets": [{"cls": "missing_in_book", "age": "0-1", "count": 1, "amount": "5.00"}],
    },
    "MatchDifference": {"match": "mat_0800", "expected": "10000", "found": "9900"},
}  # fmt: skip
