"""Khata: the money machine of a marketplace. One book, one journal, one way in.

with Khata.open("sqlite:///book.db") as book:
book.submit(OpenWallet(owner="alice", currency="BDT"))
book.submit(Credit("alice/personal/BDT", Money("1000.00", "BDT")), key="top-up-1")
"""

from khata.app import Khata
from khata.base.actor import Actor, actor
from khata.base.money import Money
from khata.engine.journal import Receipt
from khata.errors import KhataError

__all__ = ["Actor", "Khata", "KhataError", "Money", "Receipt", "actor"]
