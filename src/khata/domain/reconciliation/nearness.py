"""Who is near whom: lines and postings by day, where their names do not contradict each other.

Thousands of one amount on one day are usual: top-ups, subscriptions, salaries. So nobody is
compared with everybody: things are kept by their names, and what would contradict is never met.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Generic, TypeVar

from khata.domain.reconciliation.model import LineKey, PostingKey
from khata.domain.reconciliation.naming import (
    Names,
    OpenLine,
    OpenPosting,
    contradict,
    is_one_of_a_kind,
    kinds_of,
)

T = TypeVar("T", OpenLine, OpenPosting)
Rows = dict[int, list[T]]
"""Day → things of that day, the last one first."""
Group = tuple[Rows[T], bool]
"""Things, and whether none of them contradicts whom they were looked up for."""
_TWO: Final = 2


class Side(Generic[T]):
    """Things of one side. `days`: those on which there are some."""

    def __init__(self, things: Iterable[T], names: Mapping[Any, Names]) -> None:
        self._names = names
        self._all: Rows[T] = {}
        self._plain: Rows[T] = {}
        self._named: dict[str, dict[frozenset[str], Rows[T]]] = {}
        self._taken: set[LineKey | PostingKey] = set()
        for thing in sorted(things, key=lambda each: each.key, reverse=True):
            self._add(thing, names[thing.key])
        self.days: Final = frozenset(self._all)

    def _add(self, thing: T, names: Names) -> None:
        self._all.setdefault(thing.day, []).append(thing)
        if not names.ours:
            self._plain.setdefault(thing.day, []).append(thing)
            return
        kinds = kinds_of(names)
        for name in names.all:
            rows = self._named.setdefault(name, {}).setdefault(kinds, {})
            rows.setdefault(thing.day, []).append(thing)

    def groups(self, names: Names) -> list[Group[T]]:
        """Where all stand that do not contradict these names, and some that do."""
        if not names.ours:
            return [(self._all, True)]
        found: list[Group[T]] = [(self._plain, True)] if self._plain else []
        mine = kinds_of(names)
        for name in names.all:
            own = is_one_of_a_kind(name) and name in names.ours
            for kinds, rows in self._named.get(name, {}).items():
                if own or kinds.isdisjoint(mine):
                    found.append((rows, not own))
        return found

    def take(self, thing: T) -> None:
        """It is spoken for."""
        self._taken.add(thing.key)

    def first(self, groups: Sequence[Group[T]], names: Names, day: int) -> T | None:
        """The free thing of a day with the lowest key."""
        found = [
            thing
            for rows, sure in groups
            if (row := rows.get(day)) and (thing := self._first_in(row, names, sure=sure))
        ]
        return min(found, key=lambda thing: thing.key) if found else None

    def _first_in(self, row: list[T], names: Names, *, sure: bool) -> T | None:
        while row and row[-1].key in self._taken:
            row.pop()
        if sure or not row:
            return row[-1] if row else None
        return next(
            (
                thing
                for thing in reversed(row)
                if thing.key not in self._taken and not contradict(names, self._names[thing.key])
            ),
            None,
        )

    def choices(
        self, groups: Sequence[Group[T]], names: Names, days: Iterable[int], most: int = _TWO
    ) -> dict[Any, T]:
        """Some of those that fit on these days, by key; all, if they are fewer than `most`."""
        found: dict[Any, T] = {}
        for thing, sure in self._met(groups, days):
            if sure or not contradict(names, self._names[thing.key]):
                found[thing.key] = thing
                if len(found) >= most:
                    break
        return found

    def _met(self, groups: Sequence[Group[T]], days: Iterable[int]) -> Iterator[tuple[T, bool]]:
        for day in days:
            for rows, sure in groups:
                for thing in rows.get(day, ()):
                    yield thing, sure


def around(day: int, days: int) -> range:
    """The days that are at most so many away."""
    return range(day - days, day + days + 1)


def sole(
    lines: Sequence[OpenLine],
    postings: Sequence[OpenPosting],
    names: Mapping[Any, Names],
    days: int,
) -> Iterator[tuple[OpenLine, OpenPosting]]:
    """Those at most so many days apart of which neither has another choice."""
    if len(lines) == len(postings) == 1:
        yield from nearest(lines, postings, names, days)
        return
    theirs, ours = Side(postings, names), Side(lines, names)
    for line in lines:
        own = names[line.key]
        found = theirs.choices(theirs.groups(own), own, around(line.day, days))
        if len(found) == 1:
            (posting,) = found.values()
            other = names[posting.key]
            back = ours.choices(ours.groups(other), other, around(posting.day, days))
            if len(back) == 1:
                yield line, posting


def fitting(
    lines: Sequence[OpenLine],
    postings: Sequence[OpenPosting],
    names: Mapping[Any, Names],
    days: int,
) -> list[OpenLine]:
    """The lines that have a choice at most so many days away."""
    side = Side(postings, names)
    return [
        line
        for line in lines
        if side.choices(
            side.groups(names[line.key]), names[line.key], around(line.day, days), most=1
        )
    ]


def nearest(
    lines: Sequence[OpenLine],
    postings: Sequence[OpenPosting],
    names: Mapping[Any, Names],
    days: int | None = None,
) -> Iterator[tuple[OpenLine, OpenPosting]]:
    """Each line with one posting, those first that are the fewest days apart, at most `days`."""
    if len(lines) == len(postings) == 1:
        one, other_one = lines[0], postings[0]
        close = days is None or abs(one.day - other_one.day) <= days
        if close and not contradict(names[one.key], names[other_one.key]):
            yield one, other_one
        return
    side = Side(postings, names)
    waiting: dict[int, dict[LineKey, tuple[OpenLine, list[Group[OpenPosting]]]]] = {}
    for line in sorted(lines, key=lambda each: (each.day, each.key)):
        groups = side.groups(names[line.key])
        if side.choices(groups, names[line.key], side.days, most=1):
            waiting.setdefault(line.day, {})[line.key] = (line, groups)
    apart = sorted({abs(day - other) for day in waiting for other in side.days})
    for distance in apart if days is None else [each for each in apart if each <= days]:
        for day, some in waiting.items():
            for line, groups in list(some.values()):
                for other in dict.fromkeys((day - distance, day + distance)):
                    own = names[line.key]
                    posting = side.first(groups, own, other) if other in side.days else None
                    if posting is not None:
                        side.take(posting)
                        del some[line.key]
                        yield line, posting
                        break
