"""Receipts of bank transfers: files beside the database, known by what is in them."""

from khata.edge.receipts.kinds import KINDS, checked_name, kind_of
from khata.edge.receipts.store import Kept, ReceiptStore, Swept

__all__ = ["KINDS", "Kept", "ReceiptStore", "Swept", "checked_name", "kind_of"]
