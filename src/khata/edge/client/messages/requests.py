"""What clients ask, as values: over a socket, over HTTP, or into the database. No network."""

from __future__ import annotations

import os
import time
from typing import Any, Final

import msgspec

from khata.edge.client.call import Call, asked, path_of
from khata.edge.client.messaging_answers import (
    ConversationView,
    Messages,
    MessagingHealth,
    MessagingStats,
    Taken,
    UnreadView,
)
from khata.errors import Invalid
from khata.messaging.model import Broadcast, Conversation, Kept, Priority, Send

encode: Final = msgspec.json.Encoder().encode
_PATHS: Final = {"send": "messages", "broadcast": "broadcasts", "conversation": "conversations"}


def new_id() -> str:
    """An id that no other message has; ids that are made later sort behind it."""
    return f"{time.time_ns():016x}{os.urandom(6).hex()}"


def raw_body(body: Any) -> msgspec.Raw:
    """A body as JSON. Errors: `Invalid` for what JSON has no word for."""
    try:
        return msgspec.Raw(encode(body))
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise Invalid(f"The body is no JSON: {error}.", expected="values that JSON has") from None


def message(
    to: str | None,
    body: Any,
    *,
    c: str | None = None,
    id: str | None = None,  # noqa: A002 - the name it has on the wire
    priority: Priority = "normal",
    sender: str | None = None,
) -> Send:
    """A message to a user, or to the other members of a conversation (`c`). Errors: `Invalid`."""
    raw = raw_body(body)
    return Send(id=id or new_id(), body=raw, to=to, c=c, p=priority, sender=sender)


def broadcast(
    body: Any,
    to: list[str] | None = None,
    *,
    id: str | None = None,  # noqa: A002 - as above
    priority: Priority = "normal",
    sender: str | None = None,
) -> Broadcast:
    """A message to many; to everybody who is connected when nobody is named. Errors: `Invalid`."""
    raw = raw_body(body)
    return Broadcast(id=id or new_id(), body=raw, to=to, p=priority, sender=sender)


def change(
    c: str,
    add: list[str] | None = None,
    remove: list[str] | None = None,
    id: str | None = None,  # noqa: A002 - as above
) -> Conversation:
    """Make a conversation, or change who is in it."""
    return Conversation(id=id or new_id(), c=c, add=add or [], remove=remove or [])


def taking(kept: Kept) -> Call[Taken]:
    """The call that has something taken in over HTTP."""
    fields = msgspec.to_builtins(kept, builtin_types=(msgspec.Raw,))
    kind = fields.pop("t")
    path, method = path_of(_PATHS[kind]), "POST"
    if isinstance(kept, Conversation):
        path, method = path_of("conversations", fields.pop("c")), "PATCH"
        if not kept.remove:
            fields, path, method = {"c": kept.c, **fields}, path_of("conversations"), "POST"
            fields.pop("remove", None)
    else:
        fields["body"] = msgspec.Raw(bytes(kept.body))
    return Call(method, path, Taken, body=encode(fields))


def fetching(after: int = 0, limit: int = 100) -> Call[Messages]:
    """What came to the caller after a number."""
    return Call("GET", path_of("messages"), Messages, {"after": after, "limit": limit})


def with_user(user: str, before: int | None = None, limit: int = 100) -> Call[Messages]:
    """What the caller and another user wrote to each other."""
    query = asked({"before": before, "limit": limit})
    return Call("GET", path_of("messages", "with", user), Messages, query)


def in_conversation(c: str, before: int | None = None, limit: int = 100) -> Call[Messages]:
    """What was written in a conversation."""
    query = asked({"before": before, "limit": limit})
    return Call("GET", path_of("conversations", c, "messages"), Messages, query)


def unread() -> Call[list[UnreadView]]:
    """How much the caller has not read."""
    return Call("GET", path_of("messages", "unread"), list[UnreadView])


def conversations() -> Call[list[ConversationView]]:
    """The conversations that the caller is in."""
    return Call("GET", path_of("conversations"), list[ConversationView])


def health() -> Call[MessagingHealth]:
    """How messaging is."""
    return Call("GET", path_of("messaging", "health"), MessagingHealth)


def stats() -> Call[MessagingStats]:
    """Figures of the gateway; not for owners."""
    return Call("GET", path_of("messaging", "stats"), MessagingStats)
