"""The rows of a book that are in memory, exactly as the last committed batch left them.

Rows that are known not to exist are kept as None, so that a look-up is answered once. A row
that is neither is *missing*: the signal `Missing` asks the writer to load it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from khata.engine.records import Key, Record, Row, spec

Address = tuple[type[Record], Key]
"""Where a row is: its class and its key."""

Question = tuple[type[Record], str, Any]
"""What `find` asks: class, column, value."""

ABSENT: Final = object()


class Missing(BaseException):
    """A row or an answer is not in memory. Handlers never see it: the writer loads and reruns.

    It is no `Exception`, so that no handler catches it by accident.
    """

    def __init__(self, rows: Sequence[Address] = (), questions: Sequence[Question] = ()) -> None:
        super().__init__()
        self.rows = rows
        self.questions = questions


class Cache:
    """Rows by address, and the keys that answer each question asked so far."""

    def __init__(self) -> None:
        self.rows: dict[Address, Record | None] = {}
        self.answers: dict[Question, set[Key]] = {}
        self.facts: dict[Address, Row] = {}
        self._flying: dict[Address, Row] = {}
        self._undo: list[tuple[Address, Any]] | None = None
        self._facts_before: set[Address] = set()
        self._fresh: set[Address] = set()
        self._fresh_flying: set[Address] = set()

    def __len__(self) -> int:
        return len(self.rows)

    def clear(self) -> None:
        """Forget everything: another writer moved the book, or a transaction was lost."""
        self.rows.clear()
        self.answers.clear()
        self.end_batch()
        self.end_batch()

    def lacks(self, rows: Iterable[Address], questions: Iterable[Question]) -> Missing | None:
        """What of these is not in memory; None when all of it is."""
        known, answers = self.rows, self.answers
        absent = [row for row in rows if known.get(row, ABSENT) is ABSENT]
        unanswered = [question for question in questions if question not in answers]
        return Missing(absent, unanswered) if absent or unanswered else None

    def put(self, address: Address, row: Record) -> None:
        """A row as a command left it; the answers that it belongs to follow."""
        old = self.rows.get(address, ABSENT)
        if self._undo is not None:
            self._undo.append((address, old))
        self.rows[address] = row
        if row.TABLE.finds:
            self._fresh.add(address)
            self._reindex(address, old, row)

    def put_hot(self, address: Address, row: Record) -> None:
        """As `put`, for a row that is here already and whose `finds` columns stayed."""
        if self._undo is not None:
            self._undo.append((address, self.rows[address]))
        self.rows[address] = row

    def learn(self, address: Address, row: Record | None) -> None:
        """A row as the database has it, unless a command of this batch knows better."""
        self.rows.setdefault(address, row)

    def put_fact(self, address: Address, row: Row) -> None:
        """A fact of this batch, readable although it is not stored yet."""
        self.rows.pop(address, None)
        self.facts[address] = row

    def end_batch(self) -> None:
        """This batch is on its way; the one before it is in the database by now."""
        self._flying, self.facts = self.facts, {}
        self._fresh_flying, self._fresh = self._fresh, set()

    def fact(self, address: Address) -> Row | None:
        """A fact of this batch or of the one on its way."""
        return self.facts.get(address) or self._flying.get(address)

    def answer_all(
        self, cls: type[Record], column: str, groups: dict[Any, list[tuple[Key, Record]]]
    ) -> None:
        """All that the database has for some questions, completed by what this batch changed."""
        for value, rows in groups.items():
            keys = self.answers[cls, column, value] = set()
            for key, row in rows:
                self.learn((cls, key), row)
                if getattr(self.rows[cls, key], column) == value:
                    keys.add(key)
        for address in self._fresh | self._fresh_flying:
            value = getattr(self.rows.get(address), column, ABSENT)
            if address[0] is cls and value in groups:
                self.answers[cls, column, value].add(address[1])

    def start_group(self) -> None:
        """From here on, changes can be taken back by `undo_group`."""
        self._undo = []
        self._facts_before = set(self.facts)

    def end_group(self) -> None:
        """The group stands."""
        self._undo = None

    def undo_group(self) -> None:
        """Every row as it was at `start_group`."""
        steps, self._undo = self._undo or [], None
        for address in self.facts.keys() - self._facts_before:
            del self.facts[address]
        for address, old in reversed(steps):
            new = self.rows[address]
            if old is ABSENT:
                del self.rows[address]
            else:
                self.rows[address] = old
            if address[0].TABLE.finds:
                self._reindex(address, new, old)

    def _reindex(self, address: Address, old: Any, new: Any) -> None:
        cls, key = address
        for column in cls.TABLE.finds:
            before = getattr(old, column, ABSENT)
            after = getattr(new, column, ABSENT)
            if before is after:
                continue
            known = self.answers.get((cls, column, before))
            if known is not None:
                known.discard(key)
            known = self.answers.get((cls, column, after))
            if known is not None:
                known.add(key)


def row_of(record: Record) -> Row:
    """All columns of a record."""
    return spec(type(record)).encode(record)
