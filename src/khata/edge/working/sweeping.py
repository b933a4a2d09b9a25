"""Looking at all orders, over and over, for what is wrong with them.

A round goes over all orders in pages and only reads; where what it finds differs from what is
written down, those orders alone are given to `mismatches.Sweep`. A round is begun every minute.
"""

from __future__ import annotations

import time
from typing import Final

import structlog

from khata.app import Khata
from khata.base.actor import WORKER, Actor
from khata.domain.mismatches import Sweep, Swept, unlike
from khata.edge.working.parts import Sounds

log = structlog.get_logger("khata.worker")
_ROUND_SECONDS: Final = 60.0
_MOST_NAMED: Final = 50
PAGE: Final = 200
"""Orders that one look takes in."""


class Sweeping:
    """The part of a worker that sweeps the orders of a book. New mismatches are told to people: all
    of a round in one message, at most once a minute, as alerts go out, so that none is lost.
    """

    def __init__(self, book: Khata, alerts: Sounds) -> None:
        self._book = book
        self._alerts = alerts
        self._cursor: str | None = None
        self._begun_at = self._told_at = -_ROUND_SECONDS
        self._untold = 0
        self._named: list[str] = []

    def work(self, _limit: int) -> int:
        """Look at a page of orders; at how many it did. Between two rounds, at none."""
        if self._cursor is None:
            self._tell()
            if time.monotonic() - self._begun_at < _ROUND_SECONDS:
                return 0
            self._begun_at = time.monotonic()
        swept, self._cursor = sweep_page(self._book, self._cursor)
        if swept.opened:
            log.error("mismatches_found", book=self._book.book, count=len(swept.opened))
            self._untold += len(swept.opened)
            self._named += [f"{item.order} {item.kind}" for item in swept.opened]
            del self._named[_MOST_NAMED:]
        if self._cursor is None:
            self._tell()
        return swept.looked_at

    def _tell(self) -> None:
        if not self._untold or time.monotonic() - self._told_at < _ROUND_SECONDS:
            return
        self._alerts.sound(
            "mismatches_found", book=self._book.book, count=self._untold, orders=self._named
        )
        self._untold, self._named = 0, []
        # behind the alerts' own clock, which lets another one through after a minute
        self._told_at = time.monotonic()


def sweep_page(book: Khata, cursor: str | None, who: Actor = WORKER) -> tuple[Swept, str | None]:
    """What a look at a page of orders found, and the cursor of the next; None at the end."""
    page = book.query(unlike, cursor=cursor, limit=PAGE)
    if not page.orders:
        return Swept(page.looked_at, [], []), page.next
    swept: Swept = book.submit(Sweep(page.orders), actor=who).result
    return Swept(page.looked_at, swept.opened, swept.ended), page.next


def sweep_all(book: Khata, who: Actor = WORKER) -> Swept:
    """A whole round, now."""
    looked_at, opened, ended, cursor = 0, [], [], None
    while True:
        swept, cursor = sweep_page(book, cursor, who)
        looked_at += swept.looked_at
        opened += swept.opened
        ended += swept.ended
        if cursor is None:
            return Swept(looked_at, opened, ended)
