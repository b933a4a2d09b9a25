"""What tests are made of: money, actors, a clock set by hand, books with wallets in them."""

import threading
from contextlib import contextmanager

import pytest

from khata import Khata, KhataError, Money, actor
from khata.base.clock import SECOND, from_iso
from khata.domain import wallets
from khata.engine import reading

START = from_iso("2026-01-31T09:00:00Z")
ADMIN = actor("admin:rafiq")
OTHER_ADMIN = actor("admin:nadia")
FINANCE = actor("finance:sumi")
SUPPORT = actor("support:kamal")
SERVICE = actor("service:shop")
ALICE, BOB = "alice/personal/BDT", "bob/personal/BDT"


class Clock:
    """A clock that stands where it was put; `shut` makes whoever asks it wait for `open`."""

    def __init__(self, now=START):
        self.now = now
        self._gate = threading.Event()
        self._gate.set()

    def __call__(self):
        self._gate.wait(60)
        return self.now

    def pass_by(self, seconds):
        self.now += seconds * SECOND

    def shut(self):
        self._gate.clear()

    def open(self):
        self._gate.set()


def bdt(amount):
    return Money(amount, "BDT")


def owner(name):
    return actor(f"owner:{name}")


@contextmanager
def a_book(url, *, clock=None, limits=None, **balances):
    """A book with a personal wallet in BDT for each name: `a_book(url, alice="100.00")`."""
    options = {"clock": clock} if clock else {}
    with Khata.open(url, migrate=True, limits=limits, **options) as book:
        for name, amount in balances.items():
            book.submit(wallets.OpenWallet(name, "BDT"))
            if amount != "0":
                book.submit(wallets.Credit(f"{name}/personal/BDT", bdt(amount)))
        yield book


def refused(book, command, **options):
    """The error with which a command is refused."""
    with pytest.raises(KhataError) as caught:
        book.submit(command, **options)
    return caught.value


def state(book, ref=ALICE):
    """The wallet as it stands."""
    return book.query(wallets.wallet, ref)


def balance(book, ref=ALICE):
    return state(book, ref).balance


def last_refusal(book):
    return book.query(reading.refusals, limit=1).items[0]


def discrepancies(book):
    """What a verification finds: nothing, one hopes."""
    return book.verify().discrepancies
