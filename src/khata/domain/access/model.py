"""API keys and requests for approval."""

from __future__ import annotations

from typing import ClassVar, Final, Literal

from khata.engine.records import Record, Table

SCOPES: Final = ("read", "write", "admin")
"""What a key may be used for: `read` shows, `write` moves money, `admin` changes the set-up."""


class ApiKey(Record, frozen=True):
    """A key of a program. Its secret is never stored: `hash` is SHA-256 of it, in hex."""

    id: str
    label: str
    hash: str
    roles: list[str]
    scopes: list[str]
    created_at: int
    revoked_at: int | None = None

    TABLE: ClassVar = Table("api_keys", key=("id",), finds=("hash",), unique=(("hash",),))


class Approval(Record, frozen=True):
    """A command that one person asked for and another has to decide on.

    `command`: its JSON with `kind`. `status`: asked, approved, rejected.
    """

    id: str
    command: str
    reason: str
    asked_by: str
    asked_at: int
    status: Literal["asked", "approved", "rejected"]
    decided_by: str | None = None
    decided_at: int | None = None

    TABLE: ClassVar = Table("approvals", key=("id",), indexes=(("status",),))
