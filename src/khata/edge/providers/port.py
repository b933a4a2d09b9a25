"""The port: what Khata asks of a payment provider, without any network.

A *flow* is a conversation as a generator: it yields requests, is sent responses, and returns what
became of the call. A test feeds it responses; the driver feeds it the world's. So whoever writes a
provider decides what an answer means, and never how it travels.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Protocol, TypeAlias

import msgspec

from khata.base.clock import Instant
from khata.domain.payments import ProviderEvent
from khata.engine.sagas.outcome import Intent, Outcome


class Request(msgspec.Struct, frozen=True):
    """`url`: whole. `timeout_seconds`: until the last byte of the answer. Shown without secrets."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes = b""
    timeout_seconds: float = 20.0

    def __repr__(self) -> str:
        return f"Request({self.method!r}, {self.url.partition('?')[0]!r})"


class Response(msgspec.Struct, frozen=True):
    """`headers`: their names in lower case. `body`: whole, not longer than the driver allows."""

    status: int
    headers: dict[str, str]
    body: bytes

    def __repr__(self) -> str:
        return f"Response({self.status}, {len(self.body)} bytes)"


Flow: TypeAlias = Generator[Request, Response, Outcome]


class Hooks(Protocol):
    """A provider's webhooks: who signed them, and what they say."""

    def verify(self, headers: Mapping[str, str], body: bytes, now: Instant) -> None:
        """Pass when one of the secrets signed these very bytes, lately.

        `headers`: names in any case. Errors: `InvalidSignature`, `StaleWebhook`.
        """
        ...

    def event(self, body: bytes) -> ProviderEvent | None:
        """What it says, in our words; None for a type of event that means nothing to us.

        Errors: `Invalid` when it is not what the provider documents.
        """
        ...


class Provider(Hooks, Protocol):
    """A provider's whole side. Each flow carries `intent.key` as its idempotency key."""

    def charge(self, intent: Intent) -> Flow:
        """Take money from somebody's card, mobile wallet or bank."""
        ...

    def refund(self, intent: Intent) -> Flow:
        """Give a charge back, wholly or in part."""
        ...

    def payout(self, intent: Intent) -> Flow:
        """Send money to a bank account."""
        ...

    def find(self, intent: Intent) -> Flow:
        """What became of an intent whose answer was lost: `absent` when nothing is known of it."""
        ...


class Opens(Protocol):
    """Whoever opens what was sealed, such as the vault."""

    def open(self, sealed: str) -> str:
        """The text in clear, to be sent and forgotten."""
        ...
