"""The operations of messages: send, read, conversations, how the gateway is.

What comes over HTTP is taken by the same gateway as what comes over its sockets. Beside a gateway
these run in its process; in `khata serve` they are passed on to it, and answered out of the
database while it is down.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final

import msgspec
from msgspec import field

from khata.edge.client.messaging_answers import (
    ConversationView,
    Messages,
    MessagingHealth,
    MessagingStats,
    Taken,
    UnreadView,
)
from khata.edge.http.operation import Operation
from khata.edge.http.reading import body_of, decoded, queried
from khata.edge.http.reads import Nothing, check_staff
from khata.edge.http.wire import JSON, Ask, Reply
from khata.edge.messaging.desk import Desk
from khata.messaging.asking import check_names
from khata.messaging.history import Page
from khata.messaging.model import (
    LARGEST_FRAME,
    Broadcast,
    Conversation,
    Identity,
    Kept,
    Name,
    Names,
    Priority,
    Send,
)

_M: Final = "/v1/messages"
_C: Final = "/v1/conversations"
_S: Final = "/v1/messaging"
_LAST: Final = (1 << 63) - 1
_encode: Final = msgspec.json.Encoder().encode
_Seq = Annotated[int, msgspec.Meta(ge=0, le=_LAST, description="A message's number.")]
_Limit = Annotated[int, msgspec.Meta(ge=1, le=500, description="Messages on a page.")]

DeskOf = Callable[[Ask], Desk]
"""Who answers a request: for a book."""


class SendBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A message to a user (`to`), or to the other members of a conversation (`c`). `id`: the
    sender's own; a message that is sent again has the same. `from`: for services.
    """

    id: Name
    body: msgspec.Raw
    to: Name | None = None
    c: Name | None = None
    p: Priority = "normal"
    sender: Name | None = field(name="from", default=None)


class BroadcastBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A message to many; without `to`, to everybody who is connected."""

    id: Name
    body: msgspec.Raw
    to: Names | None = None
    p: Priority = "normal"
    sender: Name | None = field(name="from", default=None)


class ConversationBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A new conversation: who asks owns it and is in it, with those in `add`."""

    id: Name
    c: Name
    add: Names = []


class MembersBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who comes into a conversation, and who leaves."""

    id: Name
    add: Names = []
    remove: Names = []


class AfterAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`after`: the number of the last message that one has."""

    after: _Seq = 0
    limit: _Limit = 100


class BeforeAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`before`: the number of the first message that one has; left out, the newest page."""

    before: _Seq | None = None
    limit: _Limit = 100


def messaging_operations(desk: DeskOf) -> list[Operation]:
    """Everything about messages."""
    return [*_taking(desk), *_reading(desk), *_telling(desk)]


# ── taking ───────────────────────────────────────────────────────────────────────────


def _taking(desk: DeskOf) -> list[Operation]:
    def op(path: str, name: str, summary: str, body: Any, example: Any, make: _Make) -> Operation:
        return Operation(
            method="PATCH" if "{" in path else "POST",
            path=path,
            name=name,
            tag="messages",
            summary=summary,
            about="Sent again under the same id, it is stored once.",
            run=_taker(desk, body, make),
            gives=Taken,
            scope="write",
            status=202,
            body=body,
            example=example,
        )

    text = {"text": "On my way"}
    members = {"id": "add-1", "add": ["carol"]}
    return [
        op(_M, "sendMessage", "Send a message", SendBody,
           {"id": "m1", "to": "bob", "body": text}, _send),
        op("/v1/broadcasts", "broadcastMessage", "Send to many; for services", BroadcastBody,
           {"id": "b1", "to": ["alice", "bob"], "body": text}, _broadcast),
        op(_C, "createConversation", "Begin a conversation of several", ConversationBody,
           {"id": "c1", "c": "order-1", "add": ["bob"]}, _create),
        op(_C + "/{conversation}", "changeMembers", "Add members, remove members", MembersBody,
           members, _change),
        Operation(
            method="DELETE",
            path=_C + "/{conversation}",
            name="leaveConversation",
            tag="messages",
            summary="Leave a conversation",
            run=_leaver(desk),
            gives=Taken,
            scope="write",
            status=202,
        ),
    ]  # fmt: skip


_Make = Callable[[Ask, Any], Kept]


def _send(_: Ask, body: SendBody) -> Send:
    return Send(id=body.id, body=body.body, to=body.to, c=body.c, p=body.p, sender=body.sender)


def _broadcast(_: Ask, body: BroadcastBody) -> Broadcast:
    return Broadcast(id=body.id, body=body.body, to=body.to, p=body.p, sender=body.sender)


def _create(_: Ask, body: ConversationBody) -> Conversation:
    return Conversation(id=body.id, c=body.c, add=body.add)


def _change(ask: Ask, body: MembersBody) -> Conversation:
    return Conversation(id=body.id, c=ask.param("conversation"), add=body.add, remove=body.remove)


def _taker(desk: DeskOf, body: Any, make: _Make) -> Callable[[Ask], Awaitable[Reply]]:
    decoder = msgspec.json.Decoder(body)

    async def run(ask: Ask) -> Reply:
        asked = make(ask, decoded(decoder, await body_of(ask, LARGEST_FRAME)))
        return Reply(202, _encode(await desk(ask).take(identity(ask), asked)), JSON)

    return run


def _leaver(desk: DeskOf) -> Callable[[Ask], Awaitable[Reply]]:
    async def run(ask: Ask) -> Reply:
        who, c = identity(ask), ask.param("conversation")
        check_names(c)
        name = f"leave-{ask.request_id.decode()}"[:128]
        asked = Conversation(id=name, c=c, remove=[who.user])
        return Reply(202, _encode(await desk(ask).take(who, asked)), JSON)

    return run


# ── reading ──────────────────────────────────────────────────────────────────────────


def _reading(desk: DeskOf) -> list[Operation]:
    async def after(ask: Ask, given: Any) -> Any:
        found = await desk(ask).after(identity(ask).user, given.get("after", 0), given["limit"])
        return _page(found, found.messages[-1].seq if found.more else None)

    async def with_user(ask: Ask, given: Any) -> Any:
        other = ask.param("user")
        found = await desk(ask).with_user(identity(ask).user, other, **_before(given))
        return _page(found, found.messages[0].seq if found.more else None)

    async def in_conversation(ask: Ask, given: Any) -> Any:
        c = ask.param("conversation")
        found = await desk(ask).conversation(identity(ask).user, c, **_before(given))
        return _page(found, found.messages[0].seq if found.more else None)

    async def unread(ask: Ask, _: Any) -> Any:
        return [
            UnreadView(count, last, c, user)
            for c, user, count, last in await desk(ask).unread(identity(ask).user)
        ]

    async def mine(ask: Ask, _: Any) -> Any:
        return await desk(ask).conversations(identity(ask).user)

    async def one(ask: Ask, _: Any) -> Any:
        return await desk(ask).members(identity(ask), ask.param("conversation"))

    return [
        _read(_M, "getMessages", "What came to the caller, the oldest first",
              Messages, AfterAsked, after),
        _read(_M + "/unread", "getUnread", "How much the caller has not read",
              list[UnreadView], Nothing, unread),
        _read(_M + "/with/{user}", "getMessagesWith", "What two users wrote to each other",
              Messages, BeforeAsked, with_user),
        _read(_C, "getConversations", "The conversations that the caller is in",
              list[ConversationView], Nothing, mine),
        _read(_C + "/{conversation}", "getConversation", "Who is in a conversation",
              ConversationView, Nothing, one),
        _read(_C + "/{conversation}/messages", "getConversationMessages",
              "What was written in a conversation", Messages, BeforeAsked, in_conversation),
    ]  # fmt: skip


def _before(given: dict[str, Any]) -> dict[str, Any]:
    return {"before": given.get("before"), "limit": given["limit"]}


def _page(found: Page, next_: int | None) -> bytes:
    lines = b",".join(message.line for message in found.messages)
    return b'{"messages":[%b],"next":%b}' % (lines, _encode(next_))


def _read(
    path: str, name: str, summary: str, gives: Any, asked: Any, answer: Callable[[Ask, Any], Any]
) -> Operation:
    async def run(ask: Ask) -> Reply:
        check_names(*(ask.param(param) for param in ask.params))
        found = await answer(ask, queried(asked, ask))
        return Reply(200, found if isinstance(found, bytes) else _encode(found), JSON)

    return Operation(
        method="GET",
        path=path,
        name=name,
        tag="messages",
        summary=summary,
        run=run,
        gives=gives,
        query=asked,
    )


# ── how it is ────────────────────────────────────────────────────────────────────────


def _telling(desk: DeskOf) -> list[Operation]:
    async def health(ask: Ask, _: Any) -> Any:
        return await desk(ask).health()

    async def stats(ask: Ask, _: Any) -> Any:
        check_staff(ask.actor)
        return await desk(ask).stats()

    return [
        _read(_S + "/health", "messagingHealth", "How messaging is", MessagingHealth, Nothing,
              health),
        _read(_S + "/stats", "messagingStats", "Figures of the gateway; not for owners",
              MessagingStats, Nothing, stats),
    ]  # fmt: skip


def identity(ask: Ask) -> Identity:
    """Who asks, as the gateway knows them."""
    return Identity(ask.actor.name, ask.actor.roles)
