"""The door for providers' webhooks: nothing is believed before its signature is checked.

In this order: the length, how often this source came, the signature over the raw bytes and its
age; then the event is committed to the inbox, and only then answered. What it means is decided by
a worker (`inbox.py`). Who is turned away learns no more than why, and is written down; of a flood
only some, with how many were left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, Protocol

import msgspec
import structlog

from khata.app import Khata
from khata.base.actor import WORKER
from khata.base.clock import Instant
from khata.domain.payments import ProviderEvent
from khata.domain.webhooks import ItemState, Receive, Reject
from khata.edge.webhooks.bodies import digest_of, kept
from khata.edge.webhooks.rates import Rate
from khata.errors import Invalid, KhataError, NotFound, RateLimited

log = structlog.get_logger("khata.webhooks")

MOST_BYTES: Final = 64 * 1024
WRITTEN_DOWN: Final = 60
"""Rejections of a provider that are kept within an hour; the others are counted."""
TOO_LONG: Final = "body_too_large"
NOBODY: Final = "?"
"""What a provider is called that there is none of: a caller's text is not kept."""
_TYPE: Final = re.compile(r"[A-Za-z0-9._-]{1,100}")
_TYPE_FIELDS: Final = ("type", "event")
_MOST_NAME: Final = 255


class Hears(Protocol):
    """Providers as listeners: `khata.edge.providers.Providers` is one."""

    @property
    def names(self) -> tuple[str, ...]:
        """Those that there are."""
        ...

    def verify(self, name: str, headers: Mapping[str, str], body: bytes, now: Instant) -> None:
        """Errors: `NotFound`, `InvalidSignature`, `StaleWebhook`."""
        ...

    def event(self, name: str, body: bytes) -> ProviderEvent | None:
        """Errors: `NotFound`, `Invalid`."""
        ...


class Sounds(Protocol):
    """Whoever tells people at once."""

    def sound(self, name: str, **details: Any) -> None:
        """Tell them."""
        ...


class Receiver:
    """Takes webhooks for all books of a process. `rate`: how many of a source in an hour.

    A source is an address that speaks for a provider, before its signature is checked, so that a
    flood of forgeries does not use up what the provider may send; and the provider itself, after.
    """

    def __init__(self, providers: Hears, alerts: Sounds, rate: int = 100) -> None:
        self._providers = providers
        self._alerts = alerts
        self._rate = Rate(rate)
        self._written = Rate(WRITTEN_DOWN)
        self._missed: dict[tuple[str, str], int] = {}

    async def receive(
        self,
        book: Khata,
        name: str,
        headers: Mapping[str, str],
        raw: bytes,
        source: str,
    ) -> ItemState:
        """Keep a webhook; it is in the inbox when this returns. `source`: the caller's address.

        Errors: `NotFound`, `RateLimited`, `InvalidSignature`, `StaleWebhook`, each written down;
        `Unavailable`, so that the provider sends it again.
        """
        known = self._name(name)
        digest = digest_of(raw)
        try:
            self._check(book, known, headers, raw, source)
        except KhataError as error:
            await self._turned_away(book, known, error.code, digest, source)
            raise
        event, kind = self._read(known, raw)
        vault = book.vault
        command = Receive(known, event, kind, digest, vault is not None, kept(raw, vault))
        state: ItemState = (await book.asubmit(command, actor=WORKER)).result
        log.info("webhook", provider=known, item=state.id, status=state.status, copies=state.copies)
        if state.status == "mismatch":
            self._alerts.sound("webhook_contradicts", book=book.book, item=state.id)
        return state

    async def too_long(self, book: Khata, name: str, source: str) -> None:
        """Write down that one was turned away unread: it had more than `MOST_BYTES`."""
        await self._turned_away(book, self._name(name), TOO_LONG, None, source)

    def _name(self, name: str) -> str:
        return name if name in self._providers.names else NOBODY

    def _check(
        self, book: Khata, name: str, headers: Mapping[str, str], raw: bytes, source: str
    ) -> None:
        now = book.clock()
        self._pass(f"{book.book} {name} {source}", now)
        if name == NOBODY:
            raise NotFound("There is no such provider.")
        self._providers.verify(name, headers, raw, now)
        self._pass(f"{book.book} {name}", now)

    def _pass(self, source: str, now: Instant) -> None:
        wait = self._rate.take(source, now)
        if wait:
            raise RateLimited("Too many webhooks.", retry_after_seconds=wait)

    def _read(self, name: str, raw: bytes) -> tuple[str, str]:
        """The event's id and type. What cannot be read is told from others by its very bytes."""
        try:
            event = self._providers.event(name, raw)
        except Invalid:
            event = None
        if event is not None and event.id.isprintable() and 0 < len(event.id) <= _MOST_NAME:
            return event.id, event.type
        return f"body-{digest_of(raw)[:32]}", _type_in(raw)

    async def _turned_away(
        self, book: Khata, name: str, code: str, digest: str | None, source: str
    ) -> None:
        """Write a rejection down, unless there are too many; never fails for it."""
        whose = (book.book, name)
        log.warning("webhook_rejected", provider=name, code=code, source=source)
        if self._written.take(" ".join(whose), book.clock()):
            self._missed[whose] = self._missed.get(whose, 0) + 1
            return
        command = Reject(name, code, source, digest, self._missed.pop(whose, 0))
        try:
            await book.asubmit(command, actor=WORKER)
        except KhataError as fault:
            log.warning("rejection_not_kept", provider=name, code=fault.code)


def _type_in(raw: bytes) -> str:
    """The provider's own word for the type, to be shown to people; `?` when it has none."""
    try:
        told = msgspec.json.decode(raw)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return NOBODY
    for field in _TYPE_FIELDS:
        value = told.get(field) if isinstance(told, dict) else None
        if isinstance(value, str) and _TYPE.fullmatch(value):
            return value
    return NOBODY
