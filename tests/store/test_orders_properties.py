"""Whatever is asked of an order in whatever order: money, goods and what is shown agree."""

from contextlib import contextmanager
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from khata import KhataError
from khata.base.money import to_minor
from khata.base.paging import to_cursor
from khata.domain import escrow, holds, inventory, ledger, orders, wallets
from khata.domain.orders import status_of
from tests.builders import bdt
from tests.conftest import examples
from tests.orderers import DAY, PHONE, TEA, a_house
from tests.servers import fresh_database, sqlite_at

AMOUNTS = st.sampled_from([None, "1.00", "55.00", "70.00", "110.00", "200.00"])
STEPS = st.one_of(
    st.tuples(st.just("upload"), st.sampled_from("ab")),
    st.tuples(st.just("approve"), AMOUNTS, st.sampled_from([None, "wallet", "wait"])),
    st.tuples(st.just("reject")),
    st.tuples(st.just("pay"), st.sampled_from(["wallet", "mixed", "bank"])),
    st.tuples(st.just("goods"), st.integers(1, 4)),
    st.tuples(st.just("goods"), st.integers(1, 4)),
    st.tuples(st.just("back")),
    st.tuples(st.just("cancel")),
    st.tuples(st.just("refund"), AMOUNTS),
    st.tuples(st.just("void")),
    st.tuples(st.just("wait"), st.sampled_from([1, 4, 9])),
)
GOODS = ["ready", "picked", "dispatched", "delivered", "returned", "restocked"]
_names = count(1)


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def house(request, tmp_path_factory):
    """One house for all the cases: each has a customer and an order of its own."""
    with _url(request, tmp_path_factory) as url, a_house(url) as opened:
        yield opened
        opened.is_sound()


@contextmanager
def _url(request, tmp_path_factory):
    if request.param == "sqlite":
        yield sqlite_at(tmp_path_factory.mktemp("orders") / "khata.db")
    else:
        template = request.getfixturevalue("postgres_template")
        with fresh_database(request.getfixturevalue("postgres_url"), template) as url:
            yield url


class Case:
    """An order of somebody's with 200.00, and how much the bank has brought for it."""

    def __init__(self, house, pay):
        number = next(_names)
        self.house, self.ref = house, f"P{number:04}"
        self.before = to_cursor(f"P{number - 1:04}x")  # it is the first after this
        self.who = f"c{self.ref}"
        self.wallet = f"{self.who}/personal/BDT"
        self.came = 0
        house.do(wallets.OpenWallet(self.who, "BDT"))
        house.do(wallets.Credit(self.wallet, bdt("200.00")))
        part = bdt("40.00") if pay == "mixed" else None
        house.place(
            self.ref, [TEA, PHONE], customer=self.who, wallet=self.wallet, pay=pay, wallet_part=part
        )

    def play(self, what, *more):
        """One step; nothing where it is refused."""
        before = self.house.order(self.ref)
        try:
            getattr(self, what)(*more)
        except KhataError:
            after = self.house.order(self.ref)
            assert after == before

    def upload(self, sign):
        file = orders.ReceiptFile(f"{self.ref[1:]}{sign}".rjust(64, "0"), "image/png", 9, "x.png")
        self.house.do(orders.UploadReceipt(self.ref, file))

    def approve(self, amount, short):
        due = self.house.order(self.ref).due
        self.house.approve(self.ref, amount, short=short)
        self.came += to_minor(amount or due, 2)

    def reject(self):
        self.house.do(orders.RejectPayment(self.ref, "unreadable"))

    def pay(self, way):
        part = bdt("40.00") if way == "mixed" else None
        self.house.do(orders.PayOrder(self.ref, way, self.wallet, part))

    def goods(self, steps):
        """So many steps of the goods on their way, from where they are."""
        found = self.house.order(self.ref)
        far = {"waiting": 0, "ready": 1, "picked": 2}.get(found.warehouse, 0)
        far = {"dispatched": 3, "delivered": 4}.get(found.logistics, far)
        for state in GOODS[far : min(far + steps, 4)]:
            self.house.move(state, ref=self.ref)

    def back(self):
        for state in ("returned", "restocked"):
            self.house.move(state, ref=self.ref)

    def cancel(self):
        self.house.cancel(self.ref)

    def refund(self, amount):
        self.house.refund(amount, self.ref)

    def void(self):
        hold = self.house.order(self.ref).hold
        if hold is not None:
            self.house.do(holds.VoidHold(hold, "a mistake"))

    def wait(self, days):
        self.house.clock.advance(days * DAY - 60)
        self.house.pass_by(60 / DAY)

    def check(self):
        """What must be true of it at any time."""
        found, book = self.house.order(self.ref), self.house.book
        assert found.status == status_of(found.finance, found.warehouse, found.logistics)
        account = book.query(wallets.wallet, self.wallet)
        captured, refunded = to_minor(found.captured, 2), to_minor(found.refunded, 2)
        assert to_minor(account.balance, 2) == 200_00 + self.came - captured + refunded
        with book.view() as view:
            (stands,) = orders.standings(view, cursor=self.before, limit=1).items
            assert (stands.shown, stands.captured) == (found.status, captured)
            assert stands.reserved == (0 if _is_back(found) else 2)
            assert to_minor(account.held, 2) == stands.held
            if found.finance in {"paid", "partially_refunded"}:
                assert captured == to_minor(found.total, 2) > refunded
            if found.finance in {"refunded", "cancelled"}:
                assert captured == refunded


def _is_back(found):
    return found.warehouse in {"cancelled", "restocked"}


@given(
    pay=st.sampled_from(["later", "bank", "mixed", "wallet"]),
    steps=st.lists(STEPS, min_size=3, max_size=10),
)
@examples(16)
def test_money_goods_and_what_is_shown_agree(house, pay, steps):
    """After every step, taken or refused. And when all is called off or given back, the customer
    has what they had, with what the bank brought.
    """
    case = Case(house, pay)
    for step in steps:
        case.play(*step)
        case.check()
    for step in (("cancel",), ("refund", None), ("back",)):
        case.play(*step)
    case.check()
    with house.book.view() as view:
        assert orders.check(view) == escrow.unexplained(view) == inventory.check(view) == []
        assert all(books.balanced for books in ledger.books(view))
    found = house.order(case.ref)
    assert found.finance in {"cancelled", "refunded"}
    account = house.book.query(wallets.wallet, case.wallet)
    assert to_minor(account.available, 2) == 200_00 + case.came
