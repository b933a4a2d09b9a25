"""The lines of a personal account book."""

from __future__ import annotations

from typing import ClassVar

from khata.domain.setup import KhataKind
from khata.engine.records import Record, Table


class KhataEntry(Record, frozen=True):
    """One line of an owner's khata; `amount` is signed as the owner sees it, in minor units.

    A line about a movement has the `seq` and `leg` of the posting it belongs to, which links the
    two both ways; it is written with that posting or not at all. A manual line has no `account_id`
    and carries the owner's own `note` and `happened_at`.
    """

    owner: str
    seq: int
    leg: int
    account_id: int | None
    kind: KhataKind
    category: str
    amount: int
    unit: str
    exponent: int
    note: str | None = None
    happened_at: int | None = None

    TABLE: ClassVar = Table("khata_entries", key=("owner", "seq", "leg"), facts=True)
