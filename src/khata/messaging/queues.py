"""Queues of those who are not there, or do not read: in order, bounded, and never starved.

A queue has a part for each priority. It is emptied in turns: of every thirteen messages at most
eight are high, four normal and one low, and a priority that has nothing leaves its turns to the
others. So a high message overtakes, and a low one still comes.

All queues together hold at most `bound` messages, and so many bytes. One more drops the oldest copy
of all, whoever's it is, and counts that. A copy is what is dropped: the message itself is on the
spool or in the database, and whoever had it in their queue is told that there is a gap.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Final

from khata.messaging.model import Message, Priority

TURNS: Final[tuple[tuple[Priority, int], ...]] = (("high", 8), ("normal", 4), ("low", 1))
"""How many of each priority are taken in a round."""
_PART: Final[dict[Priority, int]] = {name: part for part, (name, _) in enumerate(TURNS)}
_HIGH: Final = 0
_SLACK: Final = 1_024
"""Copies that left already and are still in the common order, beside as many as wait."""


class _Copy:
    """A message that waits in a queue; in none any more once it was taken or dropped."""

    __slots__ = ("message", "queue")

    def __init__(self, message: Message, queue: Queue) -> None:
        self.message = message
        self.queue: Queue | None = queue


class Queue:
    """One user's, or one connection's. `dropped`: copies since it was last told."""

    __slots__ = ("_at", "_left", "_parts", "_size", "dropped")

    def __init__(self) -> None:
        self._parts: tuple[deque[_Copy], ...] = tuple(deque() for _ in TURNS)
        self._at = 0
        self._left = TURNS[0][1]
        self._size = 0
        self.dropped = 0

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Message]:
        return (copy.message for part in self._parts for copy in part)

    @property
    def has_high(self) -> bool:
        """Whether a high message waits."""
        return bool(self._parts[_HIGH])

    @property
    def oldest(self) -> int | None:
        """The lowest number that waits."""
        return min((part[0].message.seq for part in self._parts if part), default=None)

    def _next(self) -> _Copy | None:
        """Take the next one, by turns. With nothing to take the turn stays where it is."""
        if not self._size:
            return None
        for _ in range(len(TURNS) + 1):
            part = self._parts[self._at]
            if self._left and part:
                self._left -= 1
                self._size -= 1
                return part.popleft()
            self._at = (self._at + 1) % len(TURNS)
            self._left = TURNS[self._at][1]
        return None


class Queues:
    """What all queues share. `bound`: messages in all of them together, at least one; `room`: bytes
    of their lines.
    """

    def __init__(self, bound: int, *, room: int = 256 << 20) -> None:
        self.bound = max(bound, 1)
        self.room = room
        self.dropped = 0
        self._waiting = 0
        self._bytes = 0
        self._order: deque[_Copy] = deque()

    def __len__(self) -> int:
        return self._waiting

    def put(self, queue: Queue, message: Message) -> None:
        """Behind all others of its priority. The oldest copy of all makes room if need be."""
        copy = _Copy(message, queue)
        queue._parts[_PART[message.p]].append(copy)  # noqa: SLF001 - its other half
        queue._size += 1  # noqa: SLF001 - as above
        self._order.append(copy)
        self._waiting += 1
        self._bytes += len(message.line)
        if self._waiting > self.bound or self._bytes > self.room:
            self._shrink()

    def put_back(self, queue: Queue, messages: Iterable[Message]) -> None:
        """In front of all others of their priorities, in their order."""
        for message in reversed(list(messages)):
            copy = _Copy(message, queue)
            queue._parts[_PART[message.p]].appendleft(copy)  # noqa: SLF001 - its other half
            queue._size += 1  # noqa: SLF001 - as above
            self._order.appendleft(copy)
            self._waiting += 1
            self._bytes += len(message.line)
        self._shrink()

    def take(self, queue: Queue, most: int) -> list[Message]:
        """Up to `most` messages, by turns of their priorities."""
        taken = list[Message]()
        while len(taken) < most and (copy := queue._next()) is not None:  # noqa: SLF001 - as above
            copy.queue = None
            taken.append(copy.message)
            self._bytes -= len(copy.message.line)
        self._waiting -= len(taken)
        self._tidy()
        return taken

    def forget(self, queue: Queue) -> None:
        """Empty a queue that nobody needs; what was in it does not count as dropped."""
        self.take(queue, len(queue))
        queue.dropped = 0

    def _shrink(self) -> None:
        # one always stays: it is as large as a frame at most
        while self._waiting > self.bound or (self._bytes > self.room and self._waiting > 1):
            self._drop()

    def _drop(self) -> None:
        while True:
            oldest = self._order.popleft()
            queue = oldest.queue
            if queue is None:
                continue
            # each part is in the common order too, so the oldest of all is in front of its own
            queue._parts[_PART[oldest.message.p]].popleft()  # noqa: SLF001 - its other half
            queue._size -= 1  # noqa: SLF001 - as above
            queue.dropped += 1
            self.dropped += 1
            self._waiting -= 1
            self._bytes -= len(oldest.message.line)
            return

    def _tidy(self) -> None:
        order = self._order
        while order and order[0].queue is None:
            order.popleft()
        if len(order) > 2 * self._waiting + _SLACK:
            self._order = deque(copy for copy in order if copy.queue is not None)
