"""What lines and postings are called: the references by which one finds the other.

A reference is compared by its letters and digits alone, in lower case: banks drop and change the
signs between them (`pay_0400`, `PAY 0400`), and split no letters of any script.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Final

import msgspec

from khata.domain.reconciliation.model import LineKey, PostingKey

PATTERNS: Final = (
    (
        r"\b(?:pay|pyo|rfd|ent|dsp|hld|inv|bat|mis|loa)(?!ment)[ _.\-]?(?=[a-z]{0,12}\d)"
        r"[0-9a-hjkmnp-tv-z]{4,13}\b"
    ),
    r"\b(?:order|booking|sale|mission|investment)/[^\s/,;]{1,64}",
)
"""Our own identifiers, as they stand in free texts. A book may add more by its policy."""
_KINDS: Final = frozenset({"pay", "pyo", "rfd", "ent"})
"""First letters of ids of which a movement has one of each."""
_NOTHING: Final = frozenset({"", "nonref", "notprovided", "none", "null", "na", "unknown"})
_SIGNS: Final = re.compile(r"[\W_]+")


class OpenLine(msgspec.Struct, frozen=True, gc=False):
    """A line that waits for a partner. `amount`: minor units; `day`: a number, day by day.

    `names`: what may be a reference as a whole; `texts`: where one may stand in between.
    `foreign`: in another currency. `astray`: dated outside its statement. `print`: what tells
    it from other lines, None where nothing does; `repeats`: a line that is matched by now, in the
    same statement, reads the same.
    """

    key: LineKey
    amount: int
    day: int
    names: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    foreign: bool = False
    astray: bool = False
    print: str | None = None
    repeats: bool = False


class OpenPosting(msgspec.Struct, frozen=True, gc=False):
    """A posting that waits for a partner. `amount`: minor units, above zero when it came.

    `names`: reference, ids of what it is about, its entry. `undoes`: the entry that it reverses.
    `due`: a statement should have shown it by now.
    """

    key: PostingKey
    amount: int
    day: int
    names: tuple[str, ...] = ()
    undoes: tuple[int, int] | None = None
    due: bool = True


class Names(msgspec.Struct, frozen=True):
    """The references of a line or posting. `ours`: those that only this book gives out."""

    ours: frozenset[str]
    all: frozenset[str]


def says(name: str | None) -> bool:
    """Whether a reference refers to something: where there is none banks write NONREF and such."""
    return name is not None and normal(name) not in _NOTHING


def normal(text: str) -> str:
    """The letters and digits of a text, in lower case."""
    return _SIGNS.sub("", text.casefold())


class Finder:
    """Finds references by patterns: ours, and those of the book's policy."""

    def __init__(self, patterns: Iterable[str] = ()) -> None:
        self._finders = [_finder_of(pattern) for pattern in (*PATTERNS, *patterns)]

    def names_of(self, names: Sequence[str], texts: Sequence[str] = ()) -> Names:
        """The references of something."""
        ours: set[str] = set()
        for text in (*names, *texts):
            low = text.casefold()
            for find in self._finders:
                for found in find(low):
                    ours.add(normal(found))
        ours.discard("")  # of a pattern that fits nothing
        whole = {normal(name) for name in names} - _NOTHING
        return Names(frozenset(ours), frozenset(whole | ours))


def _finder_of(pattern: str) -> Callable[[str], list[str]]:
    """What finds all that fits a pattern; the whole of it, whatever groups there are."""
    compiled = re.compile(pattern, re.IGNORECASE)
    if compiled.groups:
        return lambda text: [found[0] for found in compiled.finditer(text)]
    return compiled.findall


@lru_cache(maxsize=8)
def finder(patterns: tuple[str, ...]) -> Finder:
    """The finder of some further patterns."""
    return Finder(patterns)


def contradict(line: Names, posting: Names) -> bool:
    """Whether both are named by ids of ours, and not by the same ones: another payment for the same
    order is another payment. It is so both ways.
    """
    if not line.ours or not posting.ours:
        return False
    if line.all.isdisjoint(posting.all):
        return True
    for kind in {name[:3] for name in line.ours} & _KINDS:
        mine = {name for name in line.ours if name.startswith(kind)}
        if mine.isdisjoint(posting.ours) and any(name[:3] == kind for name in posting.ours):
            return True
    return False


def is_one_of_a_kind(name: str) -> bool:
    """Whether it is an id of which a movement has one."""
    return name[:3] in _KINDS


def kinds_of(names: Names) -> frozenset[str]:
    """The kinds of ids, of which a movement has one each, that are among these names."""
    return frozenset([name[:3] for name in names.ours]) & _KINDS
