"""The worker's side of the inbox: reads what was kept, and has the book act on it.

`Inbox(book, providers, clock, alerts).work(limit)` does what is due now; call it again and again.
Several may work at once: an event is acted on once, whoever is first.
"""

from __future__ import annotations

from typing import Final

import structlog

from khata.app import Khata
from khata.base.actor import SYSTEM, WORKER
from khata.base.clock import Clock
from khata.domain.webhooks import InboxItem, ItemState, Process, due_items
from khata.edge.webhooks.bodies import opened
from khata.edge.webhooks.receiving import Hears, Sounds
from khata.engine.job import Outcome
from khata.errors import Broken, Invalid, KhataError

log = structlog.get_logger("khata.webhooks")
_UNAPPLIED: Final = "It could not be applied"


class Inbox:
    """See the module. `alerts`: told of events that contradict what the book has."""

    def __init__(self, book: Khata, providers: Hears, clock: Clock, alerts: Sounds) -> None:
        self._book = book
        self._providers = providers
        self._clock = clock
        self._alerts = alerts

    def work(self, limit: int = 100) -> int:
        """Act on up to `limit` events that are due; how many that were.

        Errors: `Unavailable`, to be called again later.
        """
        book = self._book
        with book.database.view(book.book_id, self._clock(), SYSTEM) as view:
            items = due_items(view, limit)
        if not items:
            return 0
        outcomes = book.submit_many([self._command(item) for item in items], actor=WORKER)
        for item, outcome in zip(items, outcomes, strict=True):
            self._settle(item, outcome)
        return len(items)

    def _command(self, item: InboxItem) -> Process:
        try:
            raw = opened(item, self._book.vault)
            event = self._providers.event(item.provider, raw)
        except Invalid as error:
            return Process(item.id, item.attempts, None, error.message)
        except KhataError as error:
            # no key for it, no such provider (any more), another body: a person may put it right
            self._alerts.sound("webhook_unreadable", book=self._book.book, item=item.id)
            return Process(item.id, item.attempts, None, str(error), again=True)
        return Process(item.id, item.attempts, event)

    def _settle(self, item: InboxItem, outcome: Outcome) -> None:
        if isinstance(outcome, KhataError):
            self._put_off(item, outcome)
            return
        state: ItemState = outcome.result
        log.info("webhook_processed", item=item.id, type=item.type, status=state.status)
        if state.status == "mismatch":
            self._alerts.sound(
                "webhook_contradicts",
                book=self._book.book,
                item=item.id,
                provider=item.provider,
                reason=state.message,
            )
        elif state.status == "malformed":
            self._alerts.sound("webhook_malformed", book=self._book.book, item=item.id)

    def _put_off(self, item: InboxItem, error: KhataError) -> None:
        """The book refused: something stands in the way, such as a frozen account."""
        if error.retryable:
            raise error
        log.warning("webhook_not_applied", item=item.id, code=error.code)
        if isinstance(error, Broken):
            self._alerts.sound("webhook_broke", book=self._book.book, item=item.id)
        problem = f"{_UNAPPLIED}: {error}"
        self._book.submit(Process(item.id, item.attempts, None, problem, again=True), actor=WORKER)
