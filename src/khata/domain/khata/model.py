"""The lines of a personal account book."""

from __future__ import annotations

from typing import ClassVar

from khata.domain.setup import KhataKind
from khata.engine.records import Record, Table


class KhataEntry(Record, frozen=True):
    """A line that an owner wrote by hand; `amount` is signed as the owner sees it, minor units.

    Lines about movements are not here: they are the postings on the owner's accounts themselves
    (`Posting.line`, `Posting.category`), so that money and khata cannot differ.
    """

    owner: str
    seq: int
    kind: KhataKind
    category: str
    amount: int
    unit: str
    exponent: int
    note: str | None
    happened_at: int

    TABLE: ClassVar = Table("khata_entries", key=("owner", "seq"), facts=True)
