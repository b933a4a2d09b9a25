"""What tests of the marketplace are made of: a market with its people, sales, and a way to work.

Alice buys from karim, because of a video of mitu's, and rahim brings it. The sagas are worked off
with a clock that jumps, and a provider that does as it is told.
"""

from contextlib import contextmanager
from itertools import count

import pytest

from khata import Khata
from khata.base.clock import SECOND
from khata.domain import khata, ledger, marketplace, sagas, setup, trust, wallets
from khata.domain.marketplace import AssignRider, DeliverSale, PaySale, PlaceSale
from khata.testing import ScriptedCaller, VirtualClock, finish
from tests.builders import balance, bdt
from tests.payers import SANDBOX
from tests.servers import fresh_database, sqlite_at

CUSTOMER, PARTNER = "alice/personal/BDT", "karim/partner/BDT"
CREATOR, RIDER = "mitu/creator/BDT", "rahim/rider/BDT"
HOUSE, ESCROW = "revenue/commission", "escrow/order/M1"
PAID_AT_ONCE = {"wallet": CUSTOMER}
VIDEO = {"creator": "mitu", "video": "v1"}
BROUGHT = {"delivery_fee": bdt("60.00")}
DAY = 86_400


def answer(intent):
    """What a provider says that does all it is asked for."""
    asked = intent.request
    known = {name: asked[name] for name in ("amount", "currency")}
    status = "paid" if asked["op"] == "charge" else "succeeded"
    return {"id": f"at-{intent.key}", "status": status, **known}


class Market:
    """A book with the sagas of its sales."""

    def __init__(self, book, clock):
        self.book = book
        self.clock = clock
        self.provider = ScriptedCaller(answer)

    def do(self, command, **options):
        """What it answers."""
        return self.book.submit(command, **options).result

    def work(self, seconds=1):
        """Let so many seconds pass, doing what comes to be due."""
        end = self.clock.now + seconds * SECOND
        finish(self.book, {"providers": self.provider}, self.clock, until_seconds=seconds)
        self.clock.reach(end)

    def place(self, ref="M1", *, price="1000.00", **fields):
        """A sale of karim's to alice, and what its saga does at once."""
        made = self.do(PlaceSale(ref, "alice", "karim", bdt(price), **fields))
        self.work()
        return made

    def pay(self, ref="M1", *, worked=True, **how):
        """Begin to pay it."""
        made = self.do(PaySale(ref, **(how or {"method": "wallet", "wallet": CUSTOMER})))
        if worked:
            self.work()
        return made

    def bring(self, ref="M1", *, late=False, worked=True):
        """Rahim takes it, and it arrives."""
        if self.sale(ref).mission is not None:
            self.do(AssignRider(ref, "rahim"))
        self.do(DeliverSale(ref, late))
        if worked:
            self.work()
        return self.sale(ref)

    def sold(self, ref="M1", **fields):
        """A sale out of alice's wallet that was placed, brought, released and rewarded."""
        self.place(ref, **{**PAID_AT_ONCE, **fields})
        return self.bring(ref)

    # ── seeing ───────────────────────────────────────────────────────────────────────

    def sale(self, ref="M1"):
        return self.book.query(marketplace.sale, ref)

    def mission(self, ref="M1"):
        return self.book.query(marketplace.mission, self.sale(ref).mission)

    def balances(self, *codes):
        """The balances of accounts by code or by wallet's path; "0.00" where there is none."""
        return amounts(self.book, *codes)

    def split(self):
        """House, creator, partner, rider."""
        return self.balances(HOUSE, CREATOR, PARTNER, RIDER)

    def legs(self, ref="M1", what="received"):
        """What each leg has of something, by name."""
        return {leg.name: getattr(leg, what) for leg in self.sale(ref).legs}

    def lines(self, owner):
        """An owner's khata, oldest first: (kind, category, amount), taka only."""
        found = self.book.query(khata.khata_book, owner).items
        return [(it.kind, it.category, it.amount) for it in reversed(found) if it.currency == "BDT"]

    def trust(self, *owners):
        """(experience, score) of each."""
        known = [self.book.query(trust.score, owner) for owner in owners]
        return [(it.xp, it.score) for it in known]

    def runs(self, name="sale"):
        """The statuses of a saga's runs, oldest first."""
        return [run.status for run in reversed(self.book.query(sagas.sagas, name=name).items)]

    def events(self, prefix):
        """(type, owner) of the events told to the world outside, oldest first."""
        with self.book.database.reading() as connection:
            rows = connection.exec_driver_sql(
                f"SELECT type, owner FROM events WHERE book_id = {self.book.book_id}"
                " ORDER BY seq, n"
            )
            return [tuple(found) for found in rows if found[0].startswith(prefix)]


def amounts(book, *codes):
    """Balances as people see them."""
    known = {line.code: line.balance for line in book.query(ledger.trial_balance)}
    return [known.get(code) or known.get(f"wallet/{code}", "0.00") for code in codes]


@pytest.fixture(name="market_url", scope="module", params=["sqlite", "postgres"])
def database_of_markets(request, tmp_path_factory):
    """A database with its tables, in which each market is a book of its own."""
    if request.param == "sqlite":
        url = sqlite_at(tmp_path_factory.mktemp("market") / "khata.db")
        with Khata.open(url):
            yield url
    else:
        template = request.getfixturevalue("postgres_template")
        with fresh_database(request.getfixturevalue("postgres_url"), template) as url:
            with Khata.open(url, migrate=True):
                pass
            yield url


_names = count(1)


@contextmanager
def a_market(url, *, clock=None, alice="5000.00"):
    """A new book, where alice has 5000.00 taka and all others have their wallets."""
    clock = clock or VirtualClock()
    with Khata.open(url, f"market-{next(_names)}", clock=clock) as book:
        book.submit(setup.Set("providers", SANDBOX))
        book.submit(wallets.OpenWallet("alice", "BDT"))
        book.submit(wallets.Credit(CUSTOMER, bdt(alice)))
        for owner, kind in (("karim", "partner"), ("mitu", "creator"), ("rahim", "rider")):
            book.submit(wallets.OpenWallet(owner, "BDT", kind))
        yield Market(book, clock)


def standing(book):
    """All that a refused command must leave as it was: the journal's end, every balance."""
    lines = [(line.code, line.balance) for line in book.query(ledger.trial_balance)]
    return book.verify().seq, lines, balance(book)
