"""What matching left over, and what it most likely is: one exception for each thing that is wrong.

A line with the reference of a posting and another amount is one thing, not two: the exception
names both.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Final

from khata.domain.reconciliation.matching import Table, Terms, alike, holders
from khata.domain.reconciliation.model import ExceptionClass, PostingKey
from khata.domain.reconciliation.naming import OpenLine, OpenPosting
from khata.domain.reconciliation.nearness import Side, fitting, nearest, sole
from khata.domain.reconciliation.rules import to_day
from khata.domain.reconciliation.states import Leftover

_MOST_NAMED: Final = 100
"""Postings that one exception names."""


class Rest:
    """What is left of a table, and the exceptions that were made of it."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.found: list[Leftover] = []

    def put(
        self,
        cls: ExceptionClass,
        line: OpenLine | None,
        postings: Sequence[OpenPosting] = (),
        note: str | None = None,
    ) -> None:
        """An exception; its line and postings are spoken for."""
        day = line.day if line is not None else postings[0].day
        self.found.append(
            Leftover(
                cls,
                None if line is None else line.key,
                [posting.key for posting in postings],
                None if line is None else line.amount,
                sum(posting.amount for posting in postings) if postings else None,
                to_day(day),
                note,
            )
        )
        if line is not None:
            self.table.lines.pop(line.key, None)
        for posting in postings:
            del self.table.postings[posting.key]


def leftovers(table: Table, terms: Terms) -> list[Leftover]:
    """Exceptions for all that is left; postings that are not due yet are left alone."""
    rest = Rest(table)
    _repeated(rest)
    _odd(rest)
    _named(rest)
    _swapped(rest, terms)
    _ambiguous(rest, terms)
    for line in list(table.lines.values()):
        rest.put("missing_in_book", line)
    for posting in [each for each in table.postings.values() if each.due]:
        rest.put("missing_in_statement", None, [posting])
    return sorted(rest.found, key=lambda found: (found.on, found.line or ("", 0), found.postings))


def _repeated(rest: Rest) -> None:
    """Lines that read the same as an earlier one of their statement."""
    for line, first in rest.table.copies:
        note = None if first is None else f"reads as {first[0]}/{first[1]}"
        rest.put("duplicate_line", line, note=note)


def _odd(rest: Rest) -> None:
    """Lines in another currency, or dated outside their statement, with whom they name."""
    table = rest.table
    wanted = {name for line in table.odd for name in table.line_names[line.key].all}
    known = holders(((key, table.posting_names[key]) for key in table.postings), wanted)
    for line in table.odd:
        keys = {key for name in table.line_names[line.key].all for key in known.get(name, ())}
        some = [table.postings[key] for key in sorted(keys) if key in table.postings]
        free = [posting for posting in some if not table.contradict(line, posting)]
        same = [posting for posting in free if posting.amount == line.amount]
        near_ = sorted(same or free, key=lambda posting: (abs(posting.day - line.day), posting.key))
        rest.put("foreign_currency" if line.foreign else "out_of_period", line, near_[:1])


def _named(rest: Rest) -> None:
    """The same reference, and another amount or another sign."""
    table = rest.table
    shared = list(table.shared(table.lines.values()))
    wanted = {name for name, _ in shared}
    lines = holders(((key, table.line_names[key]) for key in table.lines), wanted)
    postings = holders(((key, table.posting_names[key]) for key in table.postings), wanted)
    for name, _ in shared:
        for stage in (_sign_swapped, _differing):
            free_lines = [table.lines[key] for key in lines[name] if key in table.lines]
            free = [table.postings[key] for key in postings[name] if key in table.postings]
            if free_lines and free:
                stage(rest, free_lines, free)


def _sign_swapped(rest: Rest, lines: list[OpenLine], postings: list[OpenPosting]) -> None:
    """Only the sign is wrong: those go first."""
    table = rest.table
    by_amount: dict[int, list[OpenPosting]] = {}
    for posting in postings:
        by_amount.setdefault(-posting.amount, []).append(posting)
    for line in lines:
        free = by_amount.get(line.amount, ())
        at = next((n for n, each in enumerate(free) if not table.contradict(line, each)), None)
        if at is not None:
            rest.put("sign_swapped", line, [by_amount[line.amount].pop(at)])


def _differing(rest: Rest, lines: list[OpenLine], postings: list[OpenPosting]) -> None:
    """Each line with the posting whose amount is the nearest; one line alone also with all."""
    table = rest.table
    if len(lines) == 1:
        free = [posting for posting in postings if not table.contradict(lines[0], posting)]
        choices = [[posting] for posting in free]
        if 1 < len(free) <= _MOST_NAMED and len({each.amount > 0 for each in free}) == 1:
            choices.append(free)
        if choices:
            _differs(rest, lines[0], min(choices, key=lambda some: _distance(lines[0], some)))
        return
    side = Side(postings, table.posting_names)
    ordered = sorted(postings, key=lambda posting: (posting.amount, posting.day, posting.key))
    for line in lines:
        names = table.line_names[line.key]
        if side.choices(side.groups(names), names, side.days, most=1):
            best = min(_closest(table, line, ordered), default=None)
            if best is not None:
                _differs(rest, line, [ordered.pop(best[-1])])


def _closest(
    table: Table, line: OpenLine, ordered: list[OpenPosting]
) -> Iterator[tuple[int, int, int, int, PostingKey, int]]:
    """(amount off, days apart, day, amount, key, place) of those whose amounts are the nearest."""
    after = bisect_left(ordered, line.amount, key=lambda posting: posting.amount)
    before, least = after - 1, None
    while before >= 0 or after < len(ordered):
        below = line.amount - ordered[before].amount if before >= 0 else None
        above = ordered[after].amount - line.amount if after < len(ordered) else None
        if above is None or (below is not None and below <= above):
            off, at, before = below or 0, before, before - 1
        else:
            off, at, after = above, after, after + 1
        if least is not None and off > least:
            return
        posting = ordered[at]
        if not table.contradict(line, posting):
            least = off
            apart = abs(posting.day - line.day)
            yield off, apart, posting.day, posting.amount, posting.key, at


def _distance(line: OpenLine, postings: list[OpenPosting]) -> tuple[int, int, int]:
    off = abs(line.amount - sum(posting.amount for posting in postings))
    return (off, len(postings), abs(postings[0].day - line.day))


def _differs(rest: Rest, line: OpenLine, postings: list[OpenPosting]) -> None:
    same = sum(posting.amount for posting in postings) == line.amount
    rest.put("ambiguous" if same else "amount_differs", line, postings)


def _swapped(rest: Rest, terms: Terms) -> None:
    """The opposite amount within the days, where neither side has another choice."""
    table = rest.table
    for lines, postings in list(alike(table, -1)):
        for line, posting in list(sole(lines, postings, table.names, terms.days)):
            rest.put("sign_swapped", line, [posting])


def _ambiguous(rest: Rest, terms: Terms) -> None:
    """Several that would fit as well: each line is shown with the nearest that is free."""
    table = rest.table
    for lines, postings in list(alike(table, 1)):
        fits = f"{len(lines)} lines and {len(postings)} entries of this amount would fit"
        choosing = fitting(lines, postings, table.names, terms.days)
        for line, posting in list(nearest(lines, postings, table.names, terms.days)):
            rest.put("ambiguous", line, [posting], fits)
        for line in choosing:
            if line.key in table.lines:
                rest.put("ambiguous", line, note=fits)
