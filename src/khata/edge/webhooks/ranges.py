"""A part of the journal as people name it: by the numbers of its commands, or by time."""

from __future__ import annotations

from typing import NamedTuple

from khata.base.clock import from_iso
from khata.engine.database import View
from khata.engine.reading import head, seq_at
from khata.errors import Invalid


class Range(NamedTuple):
    """Commands `since_seq` to `until_seq`, both included; or from the time `since` (ISO 8601),
    included, until `until`, excluded. What is left out is the beginning, or now.
    """

    since_seq: int | None = None
    until_seq: int | None = None
    since: str | None = None
    until: str | None = None


def commands_in(view: View, asked: Range) -> tuple[int, int]:
    """The first and the last command that are meant. Errors: `Invalid`."""
    by_seq = asked.since_seq is not None or asked.until_seq is not None
    by_time = asked.since is not None or asked.until is not None
    if by_seq == by_time:
        raise Invalid(
            "Say which part of the journal is meant.",
            expected="since_seq and until_seq, or since and until",
        )
    last = head(view).seq
    if by_seq:
        return asked.since_seq or 1, last if asked.until_seq is None else asked.until_seq
    first = 1 if asked.since is None else seq_at(view, from_iso(asked.since) - 1) + 1
    until = last if asked.until is None else seq_at(view, from_iso(asked.until) - 1)
    if until < first:
        raise Invalid("Nothing happened in that time.", got=[asked.since, asked.until])
    return first, until
