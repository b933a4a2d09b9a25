"""Webhooks: what providers told us, as it came in, and who is told of what happens here."""

from __future__ import annotations

from typing import Any, ClassVar, Final, Literal

import msgspec

from khata.base.clock import DAY, SECOND, Instant
from khata.engine.records import Record, Table

ItemStatus = Literal["received", "applied", "stale", "parked", "mismatch", "malformed", "discarded"]
EndpointStatus = Literal["active", "disabled"]
DeliveryStatus = Literal["pending", "delivered", "dead"]

PAUSES: Final[tuple[Instant, ...]] = tuple(
    seconds * SECOND for seconds in (5, 30, 120, 600, 3600, 6 * 3600, 24 * 3600)
)
"""How long a parked item waits before each further try; after the last it waits for a person."""
SCHEDULE: Final[tuple[Instant, ...]] = tuple(
    seconds * SECOND for seconds in (0, 5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
)
"""How long after a failure each attempt at a delivery follows, the first at once; ten in all."""
OVERLAP: Final = DAY // SECOND
"""For how many seconds a secret that was replaced still signs, unless told otherwise."""


class InboxItem(Record, frozen=True):
    """A provider's event as it came in. `digest`: SHA-256 of the raw body, in hex.

    `body`: the raw body, sealed by the vault, or base 64 of it where there is no vault.
    `event_key`: `provider/event`; a second row with the same one is a contradiction, kept as such.
    `copies`: how often it was delivered. `attempts`: how often it was tried. `due_at`: when it is
    to be tried; None when not. `waits`: the object that a parked one is about.
    """

    id: str
    provider: str
    event: str
    event_key: str
    type: str
    digest: str
    sealed: bool
    body: str
    status: ItemStatus
    copies: int
    attempts: int
    message: str | None
    waits: str | None
    due_at: int | None
    received_at: int
    settled_at: int | None

    TABLE: ClassVar = Table(
        "webhook_inbox",
        key=("id",),
        finds=("event_key", "waits"),
        indexes=(("due_at",), ("received_at", "id"), ("status", "received_at")),
    )


class Rejection(Record, frozen=True):
    """A webhook that was turned away. `code`: why. `digest`: of its body, None for one too long.

    `source`: the address that it came from. `missed`: how many before it were not written down,
    because there were too many of them.
    """

    seq: int
    n: int
    provider: str
    code: str
    digest: str | None
    source: str
    missed: int

    TABLE: ClassVar = Table("webhook_rejections", key=("seq", "n"), facts=True)


class Endpoint(Record, frozen=True):
    """Where events are sent. `events`: patterns such as `payment.*`.

    `secret`: sealed by the vault. `old_secret`: the one before, which signs too until `old_until`.
    `since_seq`: the command that added it; what happened before is not sent unless replayed.
    """

    id: str
    url: str
    events: list[str]
    description: str | None
    secret: str
    old_secret: str | None
    old_until: int | None
    status: EndpointStatus
    reason: str | None
    since_seq: int
    created_at: int
    changed_at: int

    TABLE: ClassVar = Table("webhook_endpoints", key=("id",))


class Told(msgspec.Struct, frozen=True):
    """Something that happened, as endpoints are told of it. `seq`, `n` name it for ever."""

    seq: int
    n: int
    at: Instant
    type: str
    subject: str
    owner: str | None
    data: dict[str, Any]
