"""Providers that are only listened to: their webhooks are taken, they are asked for nothing."""

from __future__ import annotations

from collections.abc import Mapping

from khata.base.clock import Instant
from khata.domain.payments import ProviderEvent
from khata.edge.providers.port import Flow, Hooks
from khata.edge.providers.verdicts import NOT_OFFERED
from khata.engine.sagas.outcome import Intent, Outcome


class Listening:
    """See `Provider`. Whoever asks hears at once, and finally, that nothing is done here."""

    def __init__(self, hooks: Hooks) -> None:
        self._hooks = hooks

    def charge(self, intent: Intent) -> Flow:
        """Refused."""
        return _refused(intent)

    def refund(self, intent: Intent) -> Flow:
        """Refused."""
        return _refused(intent)

    def payout(self, intent: Intent) -> Flow:
        """Refused."""
        return _refused(intent)

    def find(self, intent: Intent) -> Flow:
        """Nothing was ever asked, so nothing is there."""
        del intent
        yield from ()
        return Outcome("absent")

    def verify(self, headers: Mapping[str, str], body: bytes, now: Instant) -> None:
        """See `Hooks`."""
        self._hooks.verify(headers, body, now)

    def event(self, body: bytes) -> ProviderEvent | None:
        """See `Hooks`."""
        return self._hooks.event(body)


def _refused(intent: Intent) -> Flow:
    yield from ()
    op = str(intent.request.get("op"))[:20]
    return Outcome("failed", code=NOT_OFFERED, message=f"This provider takes no {op} from here.")
