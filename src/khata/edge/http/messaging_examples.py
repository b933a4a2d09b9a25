"""What answers about messages look like, shown in the API's description."""

from __future__ import annotations

from typing import Any, Final

_MESSAGE: Final = {
    "seq": 813, "id": "m1", "from": "alice", "to": "bob", "p": "normal", "at": 1769850000000000,
    "body": {"text": "On my way"},
}  # fmt: skip

MESSAGING_EXAMPLES: Final[dict[str, Any]] = {
    "Taken": {"id": "m1", "by": "gateway"},
    "Messages": {"messages": [_MESSAGE], "next": None},
    "UnreadView": {"count": 2, "last": 813, "user": "alice"},
    "ConversationView": {"c": "order-1", "owner": "alice", "members": ["alice", "bob"]},
    "MessagingHealth": {"status": "ok", "gateway": True, "socket": 8090,
                        "parts": {"sweeper": "running"}},
    "MessagingStats": {"gateway": {"accepted": 12000, "p50_us": 90.5},
                       "persister": {"records": 12000, "lag": 0},
                       "parts": {"sweeper": {"state": "running", "restarts": 0,
                                             "last_error": None}},
                       "waiting": 0},
}  # fmt: skip
