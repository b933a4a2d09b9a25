"""Personal bookkeeping: every movement of an owner's money, in the owner's own account book."""

from khata.domain.khata.commands import VERBS, AddKhataEntry, record
from khata.domain.khata.model import KhataEntry

__all__ = ["VERBS", "AddKhataEntry", "KhataEntry", "record"]
