"""Personal bookkeeping: every movement of an owner's money, in the owner's own account book."""

from khata.domain.khata.commands import VERBS, AddKhataEntry, KhataState
from khata.domain.khata.model import KhataEntry
from khata.domain.khata.queries import KhataLine, KhataTotal, khata_book, khata_totals

__all__ = [
    "VERBS",
    "AddKhataEntry",
    "KhataEntry",
    "KhataLine",
    "KhataState",
    "KhataTotal",
    "khata_book",
    "khata_totals",
]
