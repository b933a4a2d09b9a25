"""What the messaging doors answer, as structs: the server encodes them, the client decodes them."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import field

from khata.messaging.model import Priority


class Taken(msgspec.Struct, frozen=True):
    """A message is durable. `by`: the gateway, or the database, where a gateway takes it in."""

    id: str
    by: str


class MessageView(msgspec.Struct, frozen=True, omit_defaults=True):
    """A message as it was delivered. `seq`: its number, higher is later; 0 while it waits for a
    gateway. `at`: microseconds since 1970 UTC. `to`: a user; `c`: a conversation; neither in what
    was sent to many.
    """

    seq: int
    id: str
    sender: str = field(name="from")
    p: Priority
    at: int
    body: Any
    to: str | None = None
    c: str | None = None


class Messages(msgspec.Struct, frozen=True):
    """Messages in the order of their numbers. `next`: the number from which to go on, None when
    there are no more.
    """

    messages: list[MessageView]
    next: int | None = None


class UnreadView(msgspec.Struct, frozen=True, omit_defaults=True):
    """How many messages from `user`, to the caller alone or to many, or in the conversation `c`,
    were not read. `last`: the number of the newest.
    """

    count: int
    last: int
    c: str | None = None
    user: str | None = None


class ConversationView(msgspec.Struct, frozen=True):
    """A conversation of several, and who is in it."""

    c: str
    owner: str
    members: list[str]


class MessagingHealth(msgspec.Struct, frozen=True):
    """`status`: `ok`; `degraded` while a part of the gateway is fenced off; `database` while no
    gateway is there and messages wait in the database. `socket`: the port of the gateway's
    WebSockets. `parts`: the state of each.
    """

    status: str
    gateway: bool
    socket: int | None = None
    parts: dict[str, str] = {}


class MessagingStats(msgspec.Struct, frozen=True):
    """Figures of one gateway since it began, by name: see docs/messaging.md."""

    gateway: dict[str, Any]
    persister: dict[str, Any]
    parts: dict[str, Any]
    waiting: int
