"""Moving chosen sagas on here and now, where no worker may be running: for a command line."""

from __future__ import annotations

from collections.abc import Iterable

from khata.app import Khata
from khata.engine.sagas.commands import Claim
from khata.engine.sagas.worker import Worker


class _Chosen(Worker):
    """A worker that takes these runs and no others, and starts nothing by the clock."""

    def __init__(self, book: Khata, sagas: Iterable[str]) -> None:
        super().__init__(book, {})
        self.left = list(sagas)

    def seek(self, name: str, most: int, *, look: bool = True) -> Claim | None:  # noqa: ARG002 - as its base
        """The next of those that are left."""
        found, self.left = self.left[:most], self.left[most:]
        return Claim(name, found, self.options.lease_seconds) if found else None

    def fire(self) -> int:
        """Nothing: schedules are for the book's own workers."""
        return 0


def work_off(book: Khata, sagas: Iterable[str]) -> None:
    """Do all that is due of these runs, as far as no call outside is needed. What another worker
    has taken up is left to it.

    Errors: `UnknownSaga`, those of a book that cannot be reached.
    """
    chosen = _Chosen(book, sagas)
    while chosen.left:
        chosen.work()
