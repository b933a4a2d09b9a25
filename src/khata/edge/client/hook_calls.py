"""Calls about webhooks: endpoints and what was sent to them, and what providers told us."""

from __future__ import annotations

from typing import Any

from khata.base.paging import Page
from khata.domain.webhooks import (
    OVERLAP,
    DeliveryView,
    EndpointState,
    ItemState,
    ItemView,
    RejectionView,
    Wanted,
)
from khata.edge.client.answers import NewEndpoint, Receipt
from khata.edge.client.call import Call, asked, path_of, write

_ENDPOINTS = "webhook-endpoints"

# ── what goes out ────────────────────────────────────────────────────────────────────


def add_endpoint(
    url: str, events: list[str], *, description: str | None = None, key: str | None = None
) -> Call[Receipt[NewEndpoint]]:
    """Send events (`payment.*`) to an address from now on; the answer has the secret, once."""
    body = {"url": url, "events": events, "description": description}
    return write(Receipt[NewEndpoint], path_of(_ENDPOINTS), body, key)


def endpoints() -> Call[Page[EndpointState]]:
    """Where events are sent."""
    return Call("GET", path_of(_ENDPOINTS), Page[EndpointState])


def endpoint(name: str) -> Call[EndpointState]:
    """One endpoint, `whe_…`."""
    return Call("GET", path_of(_ENDPOINTS, name), EndpointState)


def change_endpoint(
    name: str,
    *,
    url: str | None = None,
    events: list[str] | None = None,
    description: str | None = None,
    key: str | None = None,
) -> Call[Receipt[EndpointState]]:
    """Change where, or which events, are sent; what is left out stays."""
    body = {"url": url, "events": events, "description": description}
    path = path_of(_ENDPOINTS, name)
    return write(Receipt[EndpointState], path, body, key, method="PATCH")


def disable_endpoint(
    name: str, reason: str, *, key: str | None = None
) -> Call[Receipt[EndpointState]]:
    """Send nothing there any more."""
    return _endpoint(EndpointState, name, "disable", {"reason": reason}, key)


def enable_endpoint(
    name: str, reason: str, *, key: str | None = None
) -> Call[Receipt[EndpointState]]:
    """Send there again, from now on."""
    return _endpoint(EndpointState, name, "enable", {"reason": reason}, key)


def rotate_secret(
    name: str, *, overlap_seconds: int = OVERLAP, key: str | None = None
) -> Call[Receipt[NewEndpoint]]:
    """A new secret, told once; the old one signs too for a while."""
    return _endpoint(NewEndpoint, name, "rotate-secret", {"overlap_seconds": overlap_seconds}, key)


def replay_events(
    name: str,
    reason: str,
    *,
    since_seq: int | None = None,
    until_seq: int | None = None,
    since: str | None = None,
    until: str | None = None,
    key: str | None = None,
) -> Call[Receipt[Wanted]]:
    """Send again what happened in a part of the journal: by numbers, or by times (ISO 8601)."""
    body = {"reason": reason, "since_seq": since_seq, "until_seq": until_seq, "since": since,
            "until": until}  # fmt: skip
    return _endpoint(Wanted, name, "replay", body, key)


def _endpoint(
    kind: Any, name: str, what: str, body: dict[str, Any], key: str | None
) -> Call[Receipt[Any]]:
    return write(Receipt[kind], path_of(_ENDPOINTS, name, what), body, key)


def deliveries(
    *, endpoint: str | None = None, status: str | None = None, limit: int = 100
) -> Call[Page[DeliveryView]]:
    """What was sent, or is to be, newest first; `dead` is what was given up."""
    query = {"endpoint": endpoint, "status": status, "limit": limit}
    return Call("GET", path_of("webhook-deliveries"), Page[DeliveryView], asked(query))


def delivery(name: str) -> Call[DeliveryView]:
    """One delivery, by its `webhook-id`."""
    return Call("GET", path_of("webhook-deliveries", name), DeliveryView)


def resend_delivery(name: str, reason: str, *, key: str | None = None) -> Call[Receipt[Wanted]]:
    """Send a delivery again, from the first attempt."""
    path = path_of("webhook-deliveries", name, "resend")
    return write(Receipt[Wanted], path, {"reason": reason}, key)


# ── what comes in ────────────────────────────────────────────────────────────────────


def inbox(
    *, provider: str | None = None, status: str | None = None, limit: int = 100
) -> Call[Page[ItemView]]:
    """What providers told us, newest first."""
    query = {"provider": provider, "status": status, "limit": limit}
    return Call("GET", path_of("webhook-inbox"), Page[ItemView], asked(query))


def inbox_item(name: str) -> Call[ItemView]:
    """One event that came in, `whi_…`."""
    return Call("GET", path_of("webhook-inbox", name), ItemView)


def retry_webhook(name: str, reason: str, *, key: str | None = None) -> Call[Receipt[ItemState]]:
    """Try an event again that waits for a person."""
    path = path_of("webhook-inbox", name, "retry")
    return write(Receipt[ItemState], path, {"reason": reason}, key)


def discard_webhook(name: str, reason: str, *, key: str | None = None) -> Call[Receipt[ItemState]]:
    """Let an event go that waits for a person."""
    path = path_of("webhook-inbox", name, "discard")
    return write(Receipt[ItemState], path, {"reason": reason}, key)


def rejections(*, limit: int = 100) -> Call[Page[RejectionView]]:
    """Webhooks that were turned away, newest first."""
    return Call("GET", path_of("webhook-rejections"), Page[RejectionView], {"limit": limit})
