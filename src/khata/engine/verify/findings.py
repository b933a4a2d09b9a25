"""What the verifier says: discrepancies, each naming one place, and the report they make."""

from __future__ import annotations

from typing import Any, Final

import msgspec

MOST_LISTED: Final = 1000
"""A report lists so many discrepancies and counts the rest."""


class Discrepancy(msgspec.Struct, frozen=True):
    """One thing that is not as it must be.

    `check`: which rule (`altered` means: proven to be changed after it was written, because with
    `expected` in its place the stored hash is right again). `where`: table, key and, when it can
    be told, column, such as `postings account_id=4097 seq=7 leg=0 amount`.
    """

    check: str
    where: str
    expected: str | int | None
    got: str | int | None


class Report(msgspec.Struct, frozen=True):
    """What was verified. `head`: the last hash in hex; keep it elsewhere as an anchor.

    `journal`, `postings`, `accounts`: rows read. `omitted`: discrepancies beyond those listed.
    """

    book: str
    seq: int
    head: str
    journal: int
    postings: int
    accounts: int
    seconds: float
    discrepancies: list[Discrepancy]
    omitted: int = 0

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not self.discrepancies


class Findings:
    """Collects discrepancies."""

    def __init__(self) -> None:
        self.listed: list[Discrepancy] = []
        self.omitted = 0

    def add(self, check: str, where: str, expected: Any, got: Any) -> None:
        """Note one."""
        if len(self.listed) < MOST_LISTED:
            self.listed.append(Discrepancy(check, where, _shown(expected), _shown(got)))
        else:
            self.omitted += 1


def _shown(value: Any) -> str | int | None:
    if isinstance(value, bytes):
        return value.hex()
    if value is None or type(value) in (int, str):
        return value  # type: ignore[no-any-return]
    return msgspec.json.encode(value).decode()
