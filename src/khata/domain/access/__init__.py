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

__all__ = [
    "SCOPES",
    "VERBS",
    "ApiKey",
    "Approval",
    "Approve",
    "CreateKey",
    "Reject",
    "RequestApproval",
    "RevokeKey",
]
