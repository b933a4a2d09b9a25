"""Where events are sent to: endpoints, their secrets, and what is sent again.

Which event was sent when is no part of the book: a worker reads the journal, commands about
deliveries included, and keeps its own account of them (docs/adr/0006).
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from khata.base.clock import SECOND, iso_or_none, to_iso
from khata.domain.ledger import check_reason
from khata.domain.webhooks import rules
from khata.domain.webhooks.model import OVERLAP, Endpoint
from khata.engine.book import Book
from khata.engine.command import Command, Verbs
from khata.engine.vault import is_sealed
from khata.errors import Invalid, InvalidTransition, NotFound

VERBS: Final = Verbs()
_MOST_TEXT: Final = 500
_MOST_REPLAYED: Final = 100_000
_LONGEST_OVERLAP: Final = 30 * 86_400


class AddEndpoint(Command, frozen=True, tag="webhooks.add_endpoint", omit_defaults=True):
    """Send events to an address from now on. `secret`: sealed by the vault.

    `events`: patterns: `payment.paid`, `payment.*`, `*`.
    """

    url: str
    events: list[str]
    secret: str
    description: str | None = None


class ChangeEndpoint(Command, frozen=True, tag="webhooks.change_endpoint", omit_defaults=True):
    """Change where or which events are sent; what is left out stays as it is."""

    endpoint: str
    url: str | None = None
    events: list[str] | None = None
    description: str | None = None


class DisableEndpoint(Command, frozen=True, tag="webhooks.disable_endpoint"):
    """Send nothing there any more; what was still to be sent is given up."""

    endpoint: str
    reason: str


class EnableEndpoint(Command, frozen=True, tag="webhooks.enable_endpoint"):
    """Send there again; what happened meanwhile is sent by a replay only."""

    endpoint: str
    reason: str


class RotateSecret(Command, frozen=True, tag="webhooks.rotate_secret", omit_defaults=True):
    """Sign with a new secret. The old one signs too for another `overlap_seconds`, 0 to 30 days."""

    endpoint: str
    secret: str
    overlap_seconds: int = OVERLAP


class Replay(Command, frozen=True, tag="webhooks.replay", omit_defaults=True):
    """Send an endpoint again what happened in the commands `since_seq` to `until_seq`, both
    included, under the same ids.
    """

    endpoint: str
    since_seq: int
    until_seq: int
    reason: str


class Resend(Command, frozen=True, tag="webhooks.resend"):
    """Send one delivery again, from the first attempt, under the same id."""

    delivery: str
    reason: str


class EndpointState(msgspec.Struct, frozen=True):
    """An endpoint as people see it, without its secret.

    `old_secret_until`: until when the secret before it signs too.
    """

    id: str
    url: str
    events: list[str]
    description: str | None
    status: Literal["active", "disabled"]
    reason: str | None
    old_secret_until: str | None
    created_at: str
    changed_at: str


class Wanted(msgspec.Struct, frozen=True):
    """What is to be sent again: the worker does it when it comes to this command."""

    endpoint: str
    since_seq: int
    until_seq: int
    delivery: str | None = None


@VERBS.handles(AddEndpoint, roles=("admin",))
def add_endpoint(book: Book, command: AddEndpoint) -> EndpointState:
    """Errors: `Invalid`."""
    rules.check_url(command.url)
    rules.check_patterns(command.events)
    _check_sealed(command.secret)
    _check_text(command.description)
    endpoint = Endpoint(
        book.new_id("whe"),
        command.url,
        command.events,
        command.description,
        command.secret,
        None,
        None,
        "active",
        None,
        book.seq,
        book.now,
        book.now,
    )
    return endpoint_state(book.add(endpoint))


@VERBS.handles(ChangeEndpoint, roles=("admin",))
def change_endpoint(book: Book, command: ChangeEndpoint) -> EndpointState:
    """Errors: `Invalid`, `NotFound`."""
    endpoint = _endpoint(book, command.endpoint)
    if command.url is not None:
        rules.check_url(command.url)
    if command.events is not None:
        rules.check_patterns(command.events)
    _check_text(command.description)
    given = {
        "url": command.url, "events": command.events, "description": command.description,
    }  # fmt: skip
    fields = {name: value for name, value in given.items() if value is not None}
    return endpoint_state(book.change(endpoint, changed_at=book.now, **fields))


@VERBS.handles(DisableEndpoint, roles=("admin",))
def disable_endpoint(book: Book, command: DisableEndpoint) -> EndpointState:
    """Errors: `Invalid`, `NotFound`. Disabling twice changes nothing."""
    return _turn(book, command, "disabled")


@VERBS.handles(EnableEndpoint, roles=("admin",))
def enable_endpoint(book: Book, command: EnableEndpoint) -> EndpointState:
    """Errors: `Invalid`, `NotFound`. Enabling twice changes nothing."""
    return _turn(book, command, "active")


def _turn(
    book: Book, command: DisableEndpoint | EnableEndpoint, status: Literal["active", "disabled"]
) -> EndpointState:
    check_reason(command.reason)
    endpoint = _endpoint(book, command.endpoint)
    if endpoint.status != status:
        since = book.seq if status == "active" else endpoint.since_seq
        endpoint = book.change(
            endpoint, status=status, reason=command.reason, since_seq=since, changed_at=book.now
        )
    return endpoint_state(endpoint)


@VERBS.handles(RotateSecret, roles=("admin",))
def rotate_secret(book: Book, command: RotateSecret) -> EndpointState:
    """Errors: `Invalid`, `NotFound`."""
    _check_sealed(command.secret)
    if not 0 <= command.overlap_seconds <= _LONGEST_OVERLAP:
        raise Invalid(
            "The old secret can sign on for 0 seconds to 30 days.",
            expected=f"0 to {_LONGEST_OVERLAP}",
            got=command.overlap_seconds,
        )
    endpoint = _endpoint(book, command.endpoint)
    overlaps = command.overlap_seconds > 0
    return endpoint_state(
        book.change(
            endpoint,
            secret=command.secret,
            old_secret=endpoint.secret if overlaps else None,
            old_until=book.now + command.overlap_seconds * SECOND if overlaps else None,
            changed_at=book.now,
        )
    )


@VERBS.handles(Replay, roles=("admin", "support"))
def replay(book: Book, command: Replay) -> Wanted:
    """Errors: `Invalid`, `NotFound`, `InvalidTransition` for an endpoint that is disabled."""
    check_reason(command.reason)
    first, last = command.since_seq, command.until_seq
    if not 1 <= first <= last < book.seq or last - first >= _MOST_REPLAYED:
        raise Invalid(
            f"At most {_MOST_REPLAYED} commands of the journal can be replayed at once.",
            expected=f"1 <= since_seq <= until_seq <= {book.seq - 1}",
            got=[first, last],
        )
    return Wanted(_active(book, command.endpoint).id, first, last)


@VERBS.handles(Resend, roles=("admin", "support"))
def resend(book: Book, command: Resend) -> Wanted:
    """Errors: `Invalid`, `NotFound`, `InvalidTransition` for an endpoint that is disabled."""
    check_reason(command.reason)
    key = rules.delivery_key(command.delivery)
    if key is None or not 0 < key[0] < book.seq:
        raise NotFound(f"No delivery {command.delivery[:60]!r}.", got=command.delivery[:60])
    return Wanted(_active(book, key[2]).id, key[0], key[0], command.delivery)


def _active(book: Book, name: str) -> Endpoint:
    endpoint = _endpoint(book, name)
    if endpoint.status != "active":
        raise InvalidTransition(
            f"{endpoint.id} is disabled: enable it first.", expected="active", got="disabled"
        )
    return endpoint


def _endpoint(book: Book, name: str) -> Endpoint:
    found = book.peek(Endpoint, name)
    if found is None:
        raise NotFound(f"No endpoint {name[:60]!r}.", got=name[:60])
    return found


def _check_sealed(secret: str) -> None:
    """No secret enters the journal in clear. Errors: `Invalid`, not repeating it."""
    if not is_sealed(secret):
        raise Invalid("A secret must be sealed by the vault.", expected="a sealed text")


def _check_text(text: str | None) -> None:
    if text is not None and (len(text) > _MOST_TEXT or "\x00" in text):
        raise Invalid("A description has at most 500 characters.", got=text[:60])


def endpoint_state(endpoint: Endpoint) -> EndpointState:
    """An endpoint as people see it."""
    until = endpoint.old_until
    return EndpointState(
        endpoint.id,
        endpoint.url,
        endpoint.events,
        endpoint.description,
        endpoint.status,
        endpoint.reason,
        iso_or_none(until),
        to_iso(endpoint.created_at),
        to_iso(endpoint.changed_at),
    )
