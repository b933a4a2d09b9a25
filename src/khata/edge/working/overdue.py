"""Looking at loans of which an instalment came due, so that who is overdue hears of it."""

from __future__ import annotations

from khata.app import Khata
from khata.base.actor import WORKER
from khata.domain.loans import MarkOverdue, due


class Overdue:
    """The part of a worker that looks at loans. A loan that is looked at twice is told of once."""

    def __init__(self, book: Khata) -> None:
        self._book = book

    def work(self, limit: int) -> int:
        """Look at up to `limit` loans; at how many it did."""
        found = self._book.query(due, limit=limit)
        if found:
            self._book.submit(MarkOverdue(found), actor=WORKER)
        return len(found)
