"""Matching: which lines and which postings are the same money. Values in, values out.

Stages, each on what the one before it left: the same reference and amount; the same reference and
a sum, less a fee that the policy allows; entries that were reversed before they ever left; the same
amount alone, where nothing else would fit as well; the sum of a day. Everything is looked up by
keys, so that time grows with the number of lines. What would be a guess is left: `leftovers` says
what it may be. The outcome does not depend on the order in which lines and postings are given.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec

from khata.domain.reconciliation.model import LineKey, PostingKey
from khata.domain.reconciliation.naming import Finder, Names, OpenLine, OpenPosting, contradict
from khata.domain.reconciliation.nearness import around, nearest, sole
from khata.domain.reconciliation.rules import Slack
from khata.domain.reconciliation.states import Pair

_FREE_DAYS: Final = 31
"""A reference that is not ours may come again next month."""
_OURS, _NAMED, _AMOUNT, _ONLY, _SAME_DAY, _A_DAY = 60, 55, 30, 20, 10, 2


class Terms(msgspec.Struct, frozen=True):
    """By what an account is matched. `days`: how far apart; `settlements`: sums of a day count."""

    slack: Slack = Slack()
    days: int = 5
    settlements: bool = False


class Table:
    """Lines and postings, those that are still free, and what was found."""

    def __init__(
        self, lines: Iterable[OpenLine], postings: Iterable[OpenPosting], finder: Finder
    ) -> None:
        every = sorted(lines, key=lambda line: (line.day, line.amount, line.key))
        self.odd = [line for line in every if line.foreign or line.astray]
        self.all_lines = every
        self.lines: dict[LineKey, OpenLine] = {
            line.key: line for line in every if not (line.foreign or line.astray)
        }
        ordered = sorted(postings, key=lambda posting: (posting.day, posting.amount, posting.key))
        self.postings: dict[PostingKey, OpenPosting] = {each.key: each for each in ordered}
        self.line_names = {line.key: finder.names_of(line.names, line.texts) for line in every}
        self.posting_names = {each.key: finder.names_of(each.names) for each in ordered}
        self.names: dict[Any, Names] = {**self.line_names, **self.posting_names}
        self.pairs: list[Pair] = []
        self.copies: list[tuple[OpenLine, LineKey | None]] = []

    def contradict(self, line: OpenLine, posting: OpenPosting) -> bool:
        """Whether their names say that they are not the same."""
        return contradict(self.line_names[line.key], self.posting_names[posting.key])

    def pair(
        self,
        lines: Sequence[OpenLine],
        postings: Sequence[OpenPosting],
        rule: str,
        why: list[tuple[str, int]],
    ) -> None:
        """These belong together, for these reasons with their points."""
        total = sum(posting.amount for posting in postings)
        difference = total - sum(line.amount for line in lines)
        self.pairs.append(
            Pair(
                [line.key for line in lines],
                [posting.key for posting in postings],
                rule,
                max(0, min(100, sum(points for _, points in why))),
                [f"{text} {points:+d}" for text, points in why],
                difference,
            )
        )
        for line in lines:
            del self.lines[line.key]
        for posting in postings:
            del self.postings[posting.key]

    def shared(self, lines: Iterable[OpenLine]) -> Iterator[tuple[str, bool]]:
        """The names that these lines share with free postings, (name, ours): ours first, and of
        them those that the fewest have, which say most.
        """
        known: dict[str, int] = {}
        ours: set[str] = set()
        for posting in self.postings.values():
            names = self.posting_names[posting.key]
            ours |= names.ours
            for name in names.all:
                known[name] = known.get(name, 0) + 1
        found = {name for line in lines for name in self.line_names[line.key].all if name in known}
        for name in sorted(found, key=lambda name: (name not in ours, known[name], name)):
            yield name, name in ours


def match(
    lines: Iterable[OpenLine], postings: Iterable[OpenPosting], terms: Terms, finder: Finder
) -> Table:
    """All stages; the table says what was found and what is left."""
    table = Table(lines, postings, finder)
    _by_name(table, terms)
    _set_copies_aside(table)
    _reversed(table, terms)
    spoken = _spoken_for(table)
    _by_day_and_amount(table, spoken)
    _by_amount(table, terms, spoken)
    if terms.settlements:
        _by_day(table, terms)
    return table


# ── by name ──────────────────────────────────────────────────────────────────────────


def holders(
    known: Iterable[tuple[LineKey | PostingKey, Names]], wanted: set[str]
) -> dict[str, list[tuple[str, int] | tuple[int, int, int]]]:
    """Name → who has it, in the order given."""
    found: dict[str, list[tuple[str, int] | tuple[int, int, int]]] = defaultdict(list)
    for key, names in known:
        for name in sorted(names.all & wanted):
            found[name].append(key)
    return found


def _by_name(table: Table, terms: Terms) -> None:
    """The same reference: first with the same amount, then as a sum."""
    shared = list(table.shared(table.lines.values()))
    wanted = {name for name, _ in shared}
    lines = holders(((key, table.line_names[key]) for key in table.lines), wanted)
    postings = holders(((key, table.posting_names[key]) for key in table.postings), wanted)
    for stage in (_same_amount, _same_sum):
        for name, ours in shared:
            free_lines = [table.lines[key] for key in lines[name] if key in table.lines]
            free = [table.postings[key] for key in postings[name] if key in table.postings]
            if free_lines and free:
                stage(table, terms, (name, ours), free_lines, free)


def _named(name: tuple[str, bool]) -> tuple[str, int]:
    return (f"reference {name[0]} exact", _OURS if name[1] else _NAMED)


def _apart(line: OpenLine, posting: OpenPosting) -> tuple[str, int]:
    days = abs(line.day - posting.day)
    text = "same day" if not days else f"{days} day{'s' if days > 1 else ''} apart"
    return (text, max(0, _SAME_DAY - _A_DAY * days))


def _same_amount(
    table: Table,
    _terms: Terms,
    name: tuple[str, bool],
    lines: list[OpenLine],
    postings: list[OpenPosting],
) -> None:
    """Lines and postings with one reference and amount are alike: the nearest days go together."""
    if len(lines) == len(postings) == 1 and lines[0].amount != postings[0].amount:
        return
    by_amount: dict[int, list[OpenPosting]] = defaultdict(list)
    for posting in postings:
        by_amount[posting.amount].append(posting)
    groups: dict[int, list[OpenLine]] = defaultdict(list)
    for line in lines:
        if line.amount in by_amount:
            groups[line.amount].append(line)
    for amount, group in groups.items():
        for line, posting in nearest(group, by_amount[amount], table.names):
            if name[1] or abs(line.day - posting.day) <= _FREE_DAYS:
                why = [_named(name), ("amount exact", _AMOUNT), _apart(line, posting)]
                table.pair([line], [posting], "reference and amount", why)


def _same_sum(
    table: Table,
    terms: Terms,
    name: tuple[str, bool],
    lines: list[OpenLine],
    postings: list[OpenPosting],
) -> None:
    """One line for several postings, or several for one; what is kept of it within the policy."""
    if len(lines) > 1 and len(postings) > 1:
        return
    if any(table.contradict(line, posting) for line in lines for posting in postings):
        return
    gross = sum(posting.amount for posting in postings)
    difference = gross - sum(line.amount for line in lines)
    if not terms.slack.allows(gross, len(postings), difference):
        return
    far = max(abs(line.day - each.day) for line in lines for each in postings)
    if not name[1] and far > _FREE_DAYS:
        return
    rule, text = "reference and sum", "sum exact"
    if difference:
        rule, text = "reference and sum less a fee", "sum within what may be kept"
    table.pair(lines, postings, rule, [_named(name), (text, _AMOUNT - (10 if difference else 0))])


# ── copies ───────────────────────────────────────────────────────────────────────────


def _set_copies_aside(table: Table) -> None:
    """Lines that read the same as another one of their statement, which is kept."""
    seen: dict[tuple[str, str], OpenLine] = {}
    for line in sorted(table.all_lines, key=lambda line: (line.key in table.lines, line.key)):
        if line.print is None:
            continue
        first = seen.setdefault((line.key[0], line.print), line)
        if line.key in table.lines and (line.repeats or first is not line):
            table.copies.append((line, None if first is line else first.key))
            del table.lines[line.key]


# ── reversals ────────────────────────────────────────────────────────────────────────


def _reversed(table: Table, terms: Terms) -> None:
    """An entry and its reversal cancel out, unless the statement shows the two."""
    known = {(line.amount, line.day) for line in table.lines.values()}
    first = {(p.key[0], p.key[2]): p for p in table.postings.values() if p.undoes is None}

    def shown(posting: OpenPosting) -> bool:
        return any((posting.amount, day) in known for day in around(posting.day, terms.days))

    for undo in [posting for posting in table.postings.values() if posting.undoes is not None]:
        was = first.get(undo.undoes or (0, 0))
        fits = was is not None and was.key in table.postings and was.amount == -undo.amount
        if was is not None and fits and not (shown(was) and shown(undo)):
            table.pair([], [was, undo], "reversed", [("one entry reverses the other", 100)])


# ── by amount ────────────────────────────────────────────────────────────────────────


def _spoken_for(table: Table) -> set[Any]:
    """Lines that name a free posting, and postings that a free line names: what is wrong between
    them is to be told, and their amounts are no reason to pair them with others.
    """
    shared = {name for name, _ in table.shared(table.lines.values())}
    lines = holders(((key, table.line_names[key]) for key in table.lines), shared)
    postings = holders(((key, table.posting_names[key]) for key in table.postings), shared)
    spoken: set[Any] = set()
    for name in shared:
        if min(len(lines[name]), len(postings[name])) > 1:
            continue  # a word that many have says little
        for line in lines[name]:
            for posting in postings[name]:
                if not contradict(table.names[line], table.names[posting]):
                    spoken |= {line, posting}
    return spoken


def _by_day_and_amount(table: Table, spoken: set[Any]) -> None:
    """As many lines as postings with one amount on one day, and nothing tells them apart."""
    lines: dict[tuple[int, int], list[OpenLine]] = defaultdict(list)
    for line in table.lines.values():
        if line.key not in spoken:
            lines[line.amount, line.day].append(line)
    postings: dict[tuple[int, int], list[OpenPosting]] = defaultdict(list)
    for posting in table.postings.values():
        if posting.key not in spoken and (posting.amount, posting.day) in lines:
            postings[posting.amount, posting.day].append(posting)
    for place, free in postings.items():
        group = lines[place]
        ours = any(table.line_names[line.key].ours for line in group)
        theirs = any(table.posting_names[posting.key].ours for posting in free)
        if len(group) != len(free) or (ours and theirs):
            continue
        for line, posting in zip(group, free, strict=True):
            alone = ("no other of that amount that day", _ONLY)
            alike = (f"{len(group)} alike on both sides that day", _ONLY - 10)
            why = [("amount exact", _AMOUNT), _apart(line, posting)]
            why.append(alone if len(group) == 1 else alike)
            table.pair([line], [posting], "amount and day", why)


def alike(
    table: Table, sign: int, spoken: Container[Any] = ()
) -> Iterator[tuple[list[OpenLine], list[OpenPosting]]]:
    """Free lines and postings of one amount, but for those that are `spoken` for; `sign` -1: of
    opposite ones.
    """
    lines: dict[int, list[OpenLine]] = defaultdict(list)
    for line in table.lines.values():
        if line.key not in spoken:
            lines[line.amount * sign].append(line)
    postings: dict[int, list[OpenPosting]] = defaultdict(list)
    for posting in table.postings.values():
        if posting.key not in spoken and posting.amount in lines:
            postings[posting.amount].append(posting)
    yield from ((lines[amount], free) for amount, free in postings.items())


def _by_amount(table: Table, terms: Terms, spoken: set[Any]) -> None:
    """The same amount within the days, where neither side has another choice."""
    for lines, postings in list(alike(table, 1, spoken)):
        for line, posting in list(sole(lines, postings, table.names, terms.days)):
            why = [("amount exact", _AMOUNT), _apart(line, posting), ("no other choice", _ONLY)]
            table.pair([line], [posting], "amount alone", why)


def _by_day(table: Table, terms: Terms) -> None:
    """A line that is the sum of all that came on a day, less what may be kept."""
    days: dict[int, list[OpenPosting]] = defaultdict(list)
    for posting in table.postings.values():
        days[posting.day].append(posting)
    sums = {
        day: sum(posting.amount for posting in free) for day, free in days.items() if len(free) > 1
    }
    found = []
    for line in table.lines.values():
        for day in range(line.day - terms.days, line.day + 1):
            gross = sums.get(day)
            if gross and terms.slack.allows(gross, len(days[day]), gross - line.amount):
                found.append((line, day))
    lines, rivals = Counter(line.key for line, _ in found), Counter(day for _, day in found)
    for line, day in found:
        if lines[line.key] == rivals[day] == 1:
            why = [(f"sum of {len(days[day])} entries of a day", _AMOUNT + _ONLY)]
            free = sorted(days[day], key=lambda posting: posting.key)
            table.pair([line], free, "sum of a day", why)
