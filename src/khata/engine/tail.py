"""The journal as an outbox: consumers read on from the last command that they finished.

Nothing can be committed and not announced. A consumer that dies between `read` and `finish` sees
the same rows again, so it must bear seeing a row twice; it never misses one.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Final

import sqlalchemy as sa

from khata.base.actor import SYSTEM
from khata.base.clock import Clock, system_clock
from khata.engine import reading
from khata.engine.database import Database
from khata.engine.journal import JournalRow
from khata.engine.tables import CONSUMERS
from khata.errors import Invalid

_MOST_NAME: Final = 100
_POLL_SECONDS: Final = 0.2


class Tail:
    """One consumer's place in one book's journal. `name`: who reads; each has its own place.

    One process at a time reads under a name. Errors: `Invalid` for a name that is empty or long.
    """

    def __init__(
        self, database: Database, book_id: int, name: str, clock: Clock = system_clock
    ) -> None:
        if not name or len(name) > _MOST_NAME or not name.isprintable():
            raise Invalid("A consumer has a name.", expected="1 to 100 characters", got=name[:60])
        self._database = database
        self._book_id = book_id
        self._name = name
        self._clock = clock

    @property
    def finished(self) -> int:
        """The last command that this consumer finished; 0 before the first."""
        with self._database.reading() as connection:
            return self._finished(connection)

    def _finished(self, connection: sa.Connection) -> int:
        wanted = sa.select(CONSUMERS.c.seq).where(*self._mine())
        return int(connection.scalar(wanted) or 0)

    def _mine(self) -> tuple[sa.ColumnElement[bool], ...]:
        return CONSUMERS.c.book_id == self._book_id, CONSUMERS.c.name == self._name

    def read(self, limit: int = 500, *, after: int | None = None) -> list[JournalRow]:
        """Up to `limit` (1 to 1000) rows behind the last finished one, or behind `after`.

        Errors: `DatabaseUnavailable`.
        """
        start = self.finished if after is None else after
        with self._database.view(self._book_id, self._clock(), SYSTEM) as view:
            return reading.journal(view, after=start, limit=limit)

    def finish(self, seq: int) -> None:
        """Everything up to `seq` is done and need not be seen again. It never goes back.

        Errors: `Invalid` for a command that does not exist yet; `DatabaseUnavailable`.
        """
        with self._database.view(self._book_id, self._clock(), SYSTEM) as view:
            last = reading.head(view).seq
        if not 0 <= seq <= last:
            raise Invalid("No such command to finish.", expected=f"0 to {last}", got=seq)
        with self._database.changing() as connection:
            moved = connection.execute(
                CONSUMERS.update().where(*self._mine(), CONSUMERS.c.seq < seq).values(seq=seq)
            )
            if not moved.rowcount and not self._known(connection):
                values = {"book_id": self._book_id, "name": self._name, "seq": seq}
                connection.execute(CONSUMERS.insert().values(**values))

    def _known(self, connection: sa.Connection) -> bool:
        return connection.scalar(sa.select(CONSUMERS.c.seq).where(*self._mine())) is not None

    def follow(
        self, stop: threading.Event, *, poll_seconds: float = _POLL_SECONDS, limit: int = 500
    ) -> Iterator[JournalRow]:
        """Every row from the last finished one on, waiting for more until `stop` is set.

        The database is asked every `poll_seconds` while there is nothing new. Call `finish` when
        rows are done; nothing is finished by itself.
        """
        after = self.finished
        while not stop.is_set():
            rows = self.read(limit, after=after)
            for row in rows:
                yield row
                after = row.seq
            if not rows:
                stop.wait(poll_seconds)
