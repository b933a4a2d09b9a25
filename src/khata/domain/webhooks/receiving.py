"""What comes in: an event is kept first, and answered; what it means is decided afterwards.

An item goes from `received` to `applied`, `stale` (nothing new), `mismatch` (it contradicts what we
have, and changes nothing), `malformed` or `parked`: it is about something that we do not know yet.
A parked one is tried again a few times, and whenever something new is learned of its object, so
that the order in which events come does not matter. People may try it again, or discard it.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from khata.domain import payments, payouts
from khata.domain.ledger import check_reason
from khata.domain.payments import Applied, ProviderEvent
from khata.domain.webhooks import rules
from khata.domain.webhooks.model import InboxItem, ItemStatus, Rejection
from khata.engine.book import Book
from khata.engine.command import Command, Verbs
from khata.errors import Invalid, InvalidTransition, NotFound

VERBS: Final = Verbs()
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_PAYMENTS: Final = frozenset({"charge", "refund", "dispute"})
_OPEN: Final = frozenset({"received", "parked"})
_FOR_PEOPLE: Final = frozenset({"parked", "mismatch", "malformed"})
_MOST_NAME: Final = 255
_MOST_MESSAGE: Final = 500
_UNKNOWN_TYPE: Final = "This type of event means nothing to this version of Khata."


class Receive(Command, frozen=True, tag="webhooks.receive"):
    """Keep a provider's event whose signature was checked. See `InboxItem` for the fields."""

    provider: str
    event: str
    type: str
    digest: str
    sealed: bool
    body: str


class Reject(Command, frozen=True, tag="webhooks.reject", omit_defaults=True):
    """Keep that a webhook was turned away. See `Rejection` for the fields."""

    provider: str
    code: str
    source: str
    digest: str | None = None
    missed: int = 0


class Process(Command, frozen=True, tag="webhooks.process", omit_defaults=True):
    """Act on an event. `attempt`: how often it was tried before, so that nobody tries it twice.

    `event`: what it says, None for a type that means nothing to us. `problem`: why it cannot be
    read or applied; `again`: that may change by itself.
    """

    item: str
    attempt: int
    event: ProviderEvent | None = None
    problem: str | None = None
    again: bool = False


class RetryItem(Command, frozen=True, tag="webhooks.retry"):
    """Try an event again that waits for a person."""

    item: str
    reason: str


class DiscardItem(Command, frozen=True, tag="webhooks.discard"):
    """Let an event go that waits for a person; it stays in the inbox as discarded."""

    item: str
    reason: str


class ItemState(msgspec.Struct, frozen=True):
    """An event as its caller is told of it. `copies`: how often it was delivered."""

    id: str
    provider: str
    event: str
    type: str
    status: ItemStatus
    copies: int
    attempts: int
    message: str | None


class Rejected(msgspec.Struct, frozen=True):
    """That a rejection was written down."""

    provider: str
    code: str
    missed: int


# ── at the door ──────────────────────────────────────────────────────────────────────


@VERBS.handles(Receive, roles=("service",), internal=True)
def receive(book: Book, command: Receive) -> ItemState:
    """Once for each event of a provider; a copy is counted.

    The same event with another body is a contradiction: kept beside the first, never acted on.
    Errors: `Invalid`.
    """
    _check_names(command.provider, command.event, command.type)
    if not _DIGEST.fullmatch(command.digest):
        raise Invalid("A digest is 64 hex digits.", expected="SHA-256 in hex")
    key = f"{command.provider}/{command.event}"
    known = book.find(InboxItem, event_key=key)
    for item in known:
        if item.digest == command.digest:
            return _state(book.change(item, copies=item.copies + 1))
    item = InboxItem(
        book.new_id("whi"),
        command.provider,
        command.event,
        key,
        command.type,
        command.digest,
        command.sealed,
        command.body,
        "mismatch" if known else "received",
        1,
        0,
        f"{known[0].id} has the same id and another body." if known else None,
        None,
        None if known else book.now,
        book.now,
        book.now if known else None,
    )
    return _state(book.add(item))


@VERBS.handles(Reject, roles=("service",), internal=True)
def reject(book: Book, command: Reject) -> Rejected:
    """Errors: `Invalid`."""
    _check_names(command.provider, command.code, command.source)
    book.add(
        Rejection(
            book.seq,
            0,
            command.provider,
            command.code,
            command.digest,
            command.source,
            command.missed,
        )
    )
    return Rejected(command.provider, command.code, command.missed)


def _check_names(*names: str) -> None:
    for name in names:
        if not 0 < len(name) <= _MOST_NAME or not name.isprintable():
            raise Invalid(
                "A name has 1 to 255 printable characters.", expected="printable", got=name[:60]
            )


# ── afterwards ───────────────────────────────────────────────────────────────────────


@VERBS.handles(Process, roles=("service",), internal=True)
def process(book: Book, command: Process) -> ItemState:
    """Nothing happens when somebody else was faster.

    Errors: `NotFound`; those of `apply_event`, to try again.
    """
    item = book.get(InboxItem, command.item)
    if item.status not in _OPEN or item.attempts != command.attempt:
        return _state(item)
    if command.problem is not None:
        if command.again:
            return _state(_park(book, item, command.problem[:_MOST_MESSAGE], None))
        return _state(_settle(book, item, "malformed", command.problem))
    event = command.event
    if event is None:
        return _state(_settle(book, item, "parked", _UNKNOWN_TYPE))
    if event.provider != item.provider:
        return _state(_settle(book, item, "mismatch", "It is another provider's."))
    applied = _apply(book, event)
    if applied.status == "unknown":
        return _state(_park(book, item, applied.message, _object(event)))
    item = _settle(book, item, applied.status, applied.message)
    if applied.status == "applied":
        _call_back(book, event)
    return _state(item)


def _apply(book: Book, event: ProviderEvent) -> Applied:
    about = event.type.partition(".")[0]
    if about in _PAYMENTS:
        return payments.apply_event(book, event)
    if about == "payout":
        return payouts.apply_event(book, event)
    return Applied("unknown", _UNKNOWN_TYPE)


def _object(event: ProviderEvent) -> str:
    """What an event is about, by the provider's names: events of one charge share it."""
    return f"{event.provider}/{event.charge or event.object}"


def _park(book: Book, item: InboxItem, message: str, waits: str | None) -> InboxItem:
    attempts = item.attempts + 1
    pause = rules.next_try(attempts)
    return book.change(
        item,
        status="parked",
        attempts=attempts,
        message=message[:_MOST_MESSAGE],
        waits=waits,
        due_at=None if pause is None else book.now + pause,
    )


def _settle(book: Book, item: InboxItem, status: ItemStatus, message: str) -> InboxItem:
    return book.change(
        item,
        status=status,
        attempts=item.attempts + 1,
        message=message[:_MOST_MESSAGE],
        waits=None,
        due_at=None,
        settled_at=book.now,
    )


def _call_back(book: Book, event: ProviderEvent) -> None:
    """Something was learned of an object: whatever waits for it is due now."""
    for item in book.find(InboxItem, waits=_object(event)):
        if item.status == "parked":
            book.change(item, due_at=book.now)


# ── people ───────────────────────────────────────────────────────────────────────────


@VERBS.handles(RetryItem, roles=("admin", "finance", "support"))
def retry_item(book: Book, command: RetryItem) -> ItemState:
    """It is tried at once, and then as if it had just come. Errors: `Invalid`, `NotFound`,
    `InvalidTransition`.
    """
    item = _for_people(book, command.item, command.reason)
    return _state(
        book.change(item, status="received", attempts=0, due_at=book.now, settled_at=None)
    )


@VERBS.handles(DiscardItem, roles=("admin", "finance", "support"))
def discard_item(book: Book, command: DiscardItem) -> ItemState:
    """Errors: `Invalid`, `NotFound`, `InvalidTransition`."""
    item = _for_people(book, command.item, command.reason)
    return _state(
        book.change(item, status="discarded", waits=None, due_at=None, settled_at=book.now)
    )


def _for_people(book: Book, name: str, reason: str) -> InboxItem:
    check_reason(reason)
    item = book.peek(InboxItem, name)
    if item is None:
        raise NotFound(f"No webhook {name[:60]!r}.", got=name[:60])
    if item.status not in _FOR_PEOPLE:
        raise InvalidTransition(
            f"{item.id} is {item.status}.", expected=sorted(_FOR_PEOPLE), got=item.status
        )
    return item


def _state(item: InboxItem) -> ItemState:
    return ItemState(
        item.id,
        item.provider,
        item.event,
        item.type,
        item.status,
        item.copies,
        item.attempts,
        item.message,
    )
