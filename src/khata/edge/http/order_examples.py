"""What answers about orders look like."""

from __future__ import annotations

from typing import Any, Final

_AT: Final = "2026-01-31T09:00:00.000000Z"
_LATER: Final = "2026-02-03T09:00:00.000000Z"
_HASH: Final = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

ORDER_EXAMPLES: Final[dict[str, Any]] = {
    "OrderState": {
        "ref": "M1001", "status": "in_review", "finance": "receipt_uploaded",
        "warehouse": "waiting", "logistics": "waiting", "customer": "alice", "seller": None,
        "wallet": "alice/personal/BDT", "title": None, "currency": "BDT", "total": "1000.00",
        "wallet_part": "400.00", "captured": "0.00", "refunded": "0.00", "due": "600.00",
        "lines": [{"title": "Rug", "quantity": 1, "price": "1000.00", "amount": "1000.00",
                   "sku": None, "allocation": None}],
        "hold": "hld_0800", "receipt": "rct_0c00", "escrow": None, "release_on": "delivery",
        "release_days": 7, "adopted": False, "reason": None, "saga": "sag_0800", "entries": [],
        "placed_at": _AT, "finance_since": _AT, "warehouse_since": _AT, "logistics_since": _AT,
        "grace_ends_at": _LATER, "paid_at": None, "delivered_at": None, "ended_at": None,
    },
    "ReceiptState": {
        "id": "rct_0c00", "order": "M1001", "status": "uploaded", "sha256": _HASH,
        "media": "application/pdf", "size": 48213, "name": "slip.pdf", "by": "owner:alice",
        "reason": None, "uploaded_at": _AT, "decided_by": None, "decided_at": None,
    },
    "OrderChangeView": {
        "seq": 3, "axis": "finance", "before": "wallet_partial", "after": "receipt_uploaded",
        "by": "owner:alice", "reason": None, "at": _AT,
    },
    "OrderLate": {
        "order": "M1001", "axis": "finance", "state": "receipt_uploaded", "since": _AT,
        "allowed": 86400, "seconds": 3600, "total": "1000.00", "currency": "BDT",
    },
    "OrderPolicy": {
        "grace_days": 3, "retry_days": 0, "release_days": 7,
        "sla": {"finance.receipt_uploaded": 86400},
    },
}  # fmt: skip
"""By the type's name."""
