"""Records as the rows of tables: what one transaction has to write. Pure.

Whatever is in a batch may be in the database already, and may come again in another: see
`tables.py` for why that changes nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any, Final

from khata.messaging.model import Priority
from khata.messaging.sealing import NONCE, DataKey
from khata.messaging.wire import Change, Line, Mark, Record

_RANKS: Final = {"high": 0, "normal": 1, "low": 2}
PRIORITIES: Final[tuple[Priority, ...]] = ("high", "normal", "low")
Row = tuple[Any, ...]


class Batch:
    """Rows by table, as their columns stand, without the book's number."""

    __slots__ = ("conversations", "keys", "last", "mailboxes", "members", "messages", "receivers")

    def __init__(self) -> None:
        self.messages: dict[tuple[str, str], Row] = {}
        self.receivers: dict[Row, None] = {}
        self.mailboxes: dict[tuple[str, str, str], int] = {}
        self.conversations: dict[str, Row] = {}
        self.members: dict[tuple[str, str, str], tuple[int, int]] = {}
        self.keys: dict[str, str] = {}
        self.last = 0

    def add(self, found: Sequence[Record], key: tuple[str, DataKey] | None = None) -> None:
        """Take records in. `key`: what seals their bodies, and its name in the database."""
        chance = os.urandom(NONCE * len(found)) if key is not None else b""
        if key is not None:
            self.keys[key[0]] = key[1].sealed
        for at, record in enumerate(found):
            if type(record) is Line:
                self._message(record, key, chance[at * NONCE : (at + 1) * NONCE])
            elif type(record) is Mark:
                self._mark(record)
            elif type(record) is Change:
                self._change(record)

    def _message(self, line: Line, key: tuple[str, DataKey] | None, nonce: bytes) -> None:
        body, name = bytes(line.body), None
        if key is not None:
            name = key[0]
            body = key[1].seal_row(body, about(line.sender, line.id), nonce)
        to = line.to if line.receivers is None else None
        # of one that was sent again the first holds, whichever of them comes here first
        before = self.messages.get((line.sender, line.id))
        if before is None or line.seq < before[0]:
            self.messages[line.sender, line.id] = (
                line.seq, line.sender, line.id, to, line.c, _RANKS[line.p], line.at, name, body
            )  # fmt: skip
        if line.receivers is not None:
            self.receivers.update(dict.fromkeys((name, line.seq) for name in line.receivers))
        self.last = max(self.last, line.seq)

    def _mark(self, mark: Mark) -> None:
        if mark.delivered is not None:
            self._forward((mark.user, "", ""), mark.delivered)
        if mark.read is not None and (mark.c or mark.other):
            self._forward((mark.user, mark.c or "", mark.other or ""), mark.read)

    def _forward(self, key: tuple[str, str, str], seq: int) -> None:
        self.mailboxes[key] = max(seq, self.mailboxes.get(key, 0))

    def _change(self, change: Change) -> None:
        self.last = max(self.last, change.seq)
        first = self.conversations.get(change.c)
        if first is None or change.seq < first[2]:
            self.conversations[change.c] = (change.c, change.owner, change.seq, change.at)
        for names, present in ((change.add, 1), (change.remove, 0)):
            for name in names:
                key = (change.c, change.owner, name)
                before = self.members.get(key, (0, 0))
                self.members[key] = max(before, (change.seq, present))

    def rows(self) -> Iterable[tuple[str, Sequence[Row]]]:
        """What is to be written, table by table. Rows that others may write at the same time stand
        in the order of their keys, so that nobody waits for each other in a circle.
        """
        found: tuple[tuple[str, Sequence[Row]], ...] = (
            ("message_keys", sorted(self.keys.items())),
            ("messages", list(self.messages.values())),
            ("message_receivers", sorted(self.receivers)),
            ("mailboxes", [(*key, seq) for key, seq in sorted(self.mailboxes.items())]),
            ("conversations", [row for _, row in sorted(self.conversations.items())]),
            (
                "conversation_members",
                [(*key, *value) for key, value in sorted(self.members.items())],
            ),
        )
        return ((table, rows) for table, rows in found if rows)


def about(sender: str, id: str) -> bytes:  # noqa: A002 - the name it has outside
    """What a sealed body is bound to, so that it cannot be put under another message."""
    return f"{len(sender)}:{sender}|{id}".encode()
