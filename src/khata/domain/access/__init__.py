"""Who may come in, and the second pair of eyes: API keys and requests for approval."""

from khata.domain.access.commands import (
    VERBS,
    Approve,
    CreateKey,
    Reject,
    RequestApproval,
    RevokeKey,
)
from khata.domain.access.model import SCOPES, ApiKey, Approval
from khata.domain.access.queries import (
    ApprovalView,
    KeyView,
    approval,
    approvals,
    key_by_hash,
    keys,
)

__all__ = [
    "SCOPES",
    "VERBS",
    "ApiKey",
    "Approval",
    "ApprovalView",
    "Approve",
    "CreateKey",
    "KeyView",
    "Reject",
    "RequestApproval",
    "RevokeKey",
    "approval",
    "approvals",
    "key_by_hash",
    "keys",
]
