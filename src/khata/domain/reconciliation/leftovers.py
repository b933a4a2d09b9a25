"""What matching left over, and what it most likely is: one exception for each thing that is wrong.

A line with the reference of a posting and another amount is one thing, not two: the exception
names both.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from khata.domain.reconciliation.matching import Table, Terms, alike, holders, near, only
from khata.domain.reconciliation.model import ExceptionClass
from khata.domain.reconciliation.naming import OpenLine, OpenPosting
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
        for exact in (True, False):
            free_lines = [table.lines[key] for key in lines[name] if key in table.lines]
            for line in free_lines:
                free = [table.postings[k] for k in postings[name] if k in table.postings]
                if free:
                    _name(rest, line, free, alone=len(free_lines) == 1, exact=exact)


def _name(rest: Rest, line: OpenLine, free: list[OpenPosting], *, alone: bool, exact: bool) -> None:
    """`exact`: only where the sign alone is wrong; those go first."""
    free = [posting for posting in free if not rest.table.contradict(line, posting)]
    swapped = [posting for posting in free if posting.amount == -line.amount]
    if exact or not free:
        if swapped:
            rest.put("sign_swapped", line, swapped[:1])
        return
    choices = [[posting] for posting in free]
    if alone and 1 < len(free) <= _MOST_NAMED and len({each.amount > 0 for each in free}) == 1:
        choices.append(free)

    def distance(postings: list[OpenPosting]) -> tuple[int, int, int]:
        off = abs(line.amount - sum(posting.amount for posting in postings))
        return (off, len(postings), abs(postings[0].day - line.day))

    best = min(choices, key=distance)
    same = sum(posting.amount for posting in best) == line.amount
    rest.put("ambiguous" if same else "amount_differs", line, best)


def _swapped(rest: Rest, terms: Terms) -> None:
    """The opposite amount within the days, where neither side has another choice."""
    table = rest.table
    for lines, postings in list(alike(table, -1)):
        for line, posting in only(near(table, lines, postings, terms.days)):
            rest.put("sign_swapped", line, [posting])


def _ambiguous(rest: Rest, terms: Terms) -> None:
    """Several that would fit as well: each line is shown with the nearest that is free."""
    table = rest.table
    for lines, postings in list(alike(table, 1)):
        pairs = near(table, lines, postings, terms.days)
        places = sorted(pairs, key=lambda pair: (abs(pair[0].day - pair[1].day), *_order(pair)))
        fits = f"{len(lines)} lines and {len(postings)} entries of this amount would fit"
        for line, posting in places:
            if line.key in table.lines and posting.key in table.postings:
                rest.put("ambiguous", line, [posting], fits)
        for line in _that_fit(pairs):
            if line.key in table.lines:
                rest.put("ambiguous", line, note=fits)


def _order(pair: tuple[OpenLine, OpenPosting]) -> tuple[object, ...]:
    return (pair[0].day, pair[0].key, pair[1].day, pair[1].key)


def _that_fit(pairs: Iterable[tuple[OpenLine, OpenPosting]]) -> list[OpenLine]:
    return list({line.key: line for line, _ in pairs}.values())
