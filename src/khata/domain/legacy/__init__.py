"""Taking customers over from another system: judged, planned, and repaired by Khata's rules."""

from khata.domain.legacy.commands import MOST_ORDERS, VERBS, TakeOver
from khata.domain.legacy.model import (
    AuditedOrder,
    AuditReport,
    Judged,
    LegacyOrder,
    LegacyWallet,
    Snapshot,
    Taken,
    Takeover,
    TakeoverState,
    WalletChange,
)
from khata.domain.legacy.queries import takeover, takeovers
from khata.domain.legacy.rules import (
    adoption,
    audit,
    audited,
    customers,
    digest_of,
    report,
    wallet_path,
)

__all__ = [
    "MOST_ORDERS",
    "VERBS",
    "AuditReport",
    "AuditedOrder",
    "Judged",
    "LegacyOrder",
    "LegacyWallet",
    "Snapshot",
    "TakeOver",
    "Taken",
    "Takeover",
    "TakeoverState",
    "WalletChange",
    "adoption",
    "audit",
    "audited",
    "customers",
    "digest_of",
    "report",
    "takeover",
    "takeovers",
    "wallet_path",
]
