"""Webhooks over HTTP: the door that providers call, and what people do with both directions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

import msgspec

from khata.app import Khata
from khata.base.paging import Page
from khata.domain import webhooks
from khata.edge.client.answers import NewEndpoint, Receipt, WebhookTaken
from khata.edge.http.operation import Operation
from khata.edge.http.problems import DoorError
from khata.edge.http.reading import WriteQuery, body_of, decoded, is_dry, key_of
from khata.edge.http.reads import Nothing, Paged, read
from khata.edge.http.threads import Threads
from khata.edge.http.wire import JSON, Ask, Reply
from khata.edge.http.write import receipt_reply, submitted, write
from khata.edge.webhooks import MOST_BYTES, TOO_LONG, Receiver
from khata.edge.webhooks.ranges import Range, commands_in
from khata.edge.webhooks.secrets import new_secret, sealed
from khata.engine.command import Command
from khata.engine.database import View
from khata.engine.journal import Receipt as Kept
from khata.errors import BookNotFound
from khata.settings import Settings

_TAG: Final = "webhooks"
_E: Final = "/v1/webhook-endpoints/{endpoint}"
_I: Final = "/v1/webhook-inbox/{item}"
_WHY: Final = {"reason": "The receiver was repaired."}
_encode: Final = msgspec.json.Encoder().encode

_WRITES: Final[tuple[tuple[str, str, Any, str, str, int, Any], ...]] = (
    ("POST", f"{_I}/retry", webhooks.RetryItem, "retryWebhook", _TAG, 200, _WHY),
    ("POST", f"{_I}/discard", webhooks.DiscardItem, "discardWebhook", _TAG, 200,
     {"reason": "Settled by hand."}),
    ("POST", "/v1/webhook-deliveries/{delivery}/resend", webhooks.Resend, "resendDelivery", _TAG,
     200, _WHY),
)  # fmt: skip
_SET_UP: Final[tuple[tuple[str, str, Any, str, str, int, Any], ...]] = (
    ("PATCH", _E, webhooks.ChangeEndpoint, "changeEndpoint", _TAG, 200,
     {"events": ["payment.*", "payout.*"]}),
    ("POST", f"{_E}/disable", webhooks.DisableEndpoint, "disableEndpoint", _TAG, 200,
     {"reason": "Moved."}),
    ("POST", f"{_E}/enable", webhooks.EnableEndpoint, "enableEndpoint", _TAG, 200, _WHY),
)  # fmt: skip


class InboxAsked(Paged, frozen=True, kw_only=True):
    """Each filter is an equality."""

    provider: str | None = None
    status: str | None = None


class DeliveriesAsked(Paged, frozen=True, kw_only=True):
    """`status`: pending, delivered, dead."""

    endpoint: str | None = None
    status: str | None = None


def endpoints(view: View) -> Page[webhooks.EndpointState]:
    """Every endpoint."""
    return Page(webhooks.endpoints(view))


_READS: Final[tuple[tuple[str, Callable[..., Any], Any, Any, str, str, str], ...]] = (
    ("/v1/webhook-inbox", webhooks.inbox, InboxAsked, Page[webhooks.ItemView], "listInbox", _TAG,
     "What providers told us, newest first"),
    (_I, webhooks.inbox_item, Nothing, webhooks.ItemView, "getInboxItem", _TAG,
     "One event that came in"),
    ("/v1/webhook-rejections", webhooks.rejections, Paged, Page[webhooks.RejectionView],
     "listRejections", _TAG, "Webhooks that were turned away, newest first"),
    ("/v1/webhook-deliveries", webhooks.deliveries, DeliveriesAsked,
     Page[webhooks.DeliveryView], "listDeliveries", _TAG, "What was sent, or is to be"),
    ("/v1/webhook-deliveries/{delivery}", webhooks.delivery, Nothing, webhooks.DeliveryView,
     "getDelivery", _TAG, "One delivery"),
    ("/v1/webhook-endpoints", endpoints, Nothing, Page[webhooks.EndpointState],
     "listEndpoints", _TAG, "Where events are sent"),
    (_E, webhooks.endpoint, Nothing, webhooks.EndpointState, "getEndpoint", _TAG,
     "One endpoint, without its secret"),
)  # fmt: skip


def hook_operations(
    settings: Settings, threads: Threads, books: Mapping[str, Khata], receiver: Receiver
) -> list[Operation]:
    """All of them: what people may do with deliveries and the inbox, and, with `admin` keys, with
    endpoints.
    """
    writes = [
        write(
            settings, *row[:3], name=row[3], tag=row[4], status=row[5], example=row[6], scope=scope
        )
        for rows, scope in ((_WRITES, "write"), (_SET_UP, "admin"))
        for row in rows
    ]
    reads = [read(threads, *row) for row in _READS]
    secret = [_add(settings), _rotate(settings), _replay(settings, threads)]
    return [*receive_operations(books, receiver), *writes, *reads, *secret]


# ── providers ────────────────────────────────────────────────────────────────────────


def receive_operations(books: Mapping[str, Khata], receiver: Receiver) -> list[Operation]:
    """Where providers send what they have to tell: it is believed by its signature alone."""

    async def run(ask: Ask) -> Reply:
        name = ask.params.get("book") or next(iter(books))
        book = books.get(name)
        if book is None:
            raise BookNotFound("There is no such book here.", got=name[:60])
        provider = ask.param("provider")
        source = str((ask.scope.get("client") or ("?",))[0])
        raw = await ask.body(MOST_BYTES)
        if raw is None:
            await receiver.too_long(book, provider, source)
            raise DoorError(413, TOO_LONG, "A webhook is too long.", expected=MOST_BYTES)
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in ask.headers.items()
        }
        await receiver.receive(book, provider, headers, raw, source)
        return Reply(200, _encode(WebhookTaken("received")), JSON)

    about = (
        "For providers. The signature over the raw body is checked first; the event is kept before"
        " it is answered, and acted on afterwards. The same event again is taken, and counted."
    )
    paths = {
        "/v1/webhooks/{provider}": "receiveWebhook",
        "/v1/books/{book}/webhooks/{provider}": "receiveWebhookOfBook",
    }
    return [
        Operation(
            method="POST",
            path=path,
            name=name,
            tag=_TAG,
            summary="Take a provider's webhook",
            about=about,
            run=run,
            gives=WebhookTaken,
            scope=None,
        )
        for path, name in paths.items()
    ]


# ── endpoints ────────────────────────────────────────────────────────────────────────


class NewEndpointBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`events`: patterns: `payment.paid`, `payment.*`, `*`."""

    url: str
    events: list[str]
    description: str | None = None


class RotateBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`overlap_seconds`: for how long the old secret signs too."""

    overlap_seconds: int = webhooks.OVERLAP


class ReplayBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Either commands of the journal, or times: see `Range`."""

    reason: str
    since_seq: int | None = None
    until_seq: int | None = None
    since: str | None = None
    until: str | None = None


def _add(settings: Settings) -> Operation:
    decoder = msgspec.json.Decoder(NewEndpointBody)

    async def run(ask: Ask) -> Reply:
        key, dry = key_of(ask), is_dry(ask)
        body = decoded(decoder, await body_of(ask, settings.max_body))
        secret = new_secret()
        command = webhooks.AddEndpoint(
            body.url, body.events, sealed(secret, ask.book.vault), body.description
        )
        return await _told(ask, command, secret, (key, dry, settings.timeout_seconds, 201))

    return _operation(
        "/v1/webhook-endpoints",
        "addEndpoint",
        "Send events to an address from now on",
        run,
        command=webhooks.AddEndpoint,
        status=201,
        body=NewEndpointBody,
        example={"url": "https://shop.example/khata", "events": ["payment.*"]},
    )


def _rotate(settings: Settings) -> Operation:
    decoder = msgspec.json.Decoder(RotateBody)

    async def run(ask: Ask) -> Reply:
        key, dry = key_of(ask), is_dry(ask)
        body = decoded(decoder, await body_of(ask, settings.max_body))
        secret = new_secret()
        command = webhooks.RotateSecret(
            ask.param("endpoint"), sealed(secret, ask.book.vault), body.overlap_seconds
        )
        return await _told(ask, command, secret, (key, dry, settings.timeout_seconds, 200))

    return _operation(
        f"{_E}/rotate-secret",
        "rotateSecret",
        "Sign with a new secret; the old one signs too for a while",
        run,
        command=webhooks.RotateSecret,
        body=RotateBody,
        example={"overlap_seconds": 3600},
    )


def _operation(
    path: str,
    name: str,
    summary: str,
    run: Callable[[Ask], Any],
    *,
    command: type[Command] | None = None,
    body: Any,
    example: Any,
    status: int = 200,
    gives: Any = Receipt[NewEndpoint],
    about: str = "The secret is shown this once. Asked again under the same key, it is refused.",
) -> Operation:
    return Operation(
        method="POST",
        path=path,
        name=name,
        tag=_TAG,
        summary=summary,
        about=about,
        run=run,
        gives=gives,
        scope="admin",
        command=command,
        status=status,
        query=WriteQuery,
        body=body,
        example=example,
        keyed=True,
    )


async def _told(
    ask: Ask,
    command: webhooks.AddEndpoint | webhooks.RotateSecret,
    secret: str,
    how: tuple[str, bool, int, Literal[200, 201]],
) -> Reply:
    """Carry it out, and tell the endpoint with its secret."""
    key, dry, patience, status = how
    kept = await submitted(ask, command, key, dry_run=dry, patience=patience)
    made = kept.result
    told = NewEndpoint(made.id, made.url, made.events, made.status, secret)
    return receipt_reply(Kept(kept.seq, kept.key, kept.at, told, kept.replayed), key, status)


def _replay(settings: Settings, threads: Threads) -> Operation:
    decoder = msgspec.json.Decoder(ReplayBody)

    async def run(ask: Ask) -> Reply:
        key, dry = key_of(ask), is_dry(ask)
        body = decoded(decoder, await body_of(ask, settings.max_body))
        asked = Range(body.since_seq, body.until_seq, body.since, body.until)
        first, last = await threads.read(ask.book.query, commands_in, asked)
        command = webhooks.Replay(ask.param("endpoint"), first, last, body.reason)
        kept = await submitted(ask, command, key, dry_run=dry, patience=settings.timeout_seconds)
        return receipt_reply(kept, key, 200)

    return _operation(
        f"{_E}/replay",
        "replayEvents",
        "Send an endpoint again what happened in a range",
        run,
        body=ReplayBody,
        example={"since_seq": 1, "until_seq": 1, "reason": "The receiver lost a day."},
        gives=Receipt[webhooks.Wanted],
        about="Every event has the id under which it was sent before.",
    )
