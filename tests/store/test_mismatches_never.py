"""Orders that go any usual way: nothing is ever found wrong with them, inline or by the sweep."""

import pytest

from khata.domain import escrow, inventory, mismatches, orders, wallets
from khata.domain.orders import ApprovePayment, CancelOrder, MoveOrder, RefundOrder, RejectPayment
from khata.edge.working.sweeping import sweep_all
from khata.testing import finish
from tests.builders import ALICE, bdt, discrepancies
from tests.servers import sqlite_at
from tests.store.test_mismatches import a_shop, place, upload

READY = [("warehouse", "ready")]
PICKED = [*READY, ("warehouse", "picked")]
SENT = [*PICKED, ("logistics", "dispatched")]
BROUGHT = [*SENT, ("logistics", "delivered")]
CAME_BACK = [*BROUGHT, ("logistics", "returned"), ("warehouse", "restocked")]
DAY = 86_400


def by_wallet(book):
    place(book, "wallet")


def by_bank(book):
    place(book, "bank")
    upload(book)
    book.submit(ApprovePayment("M1", "Seen."))


def mixed(book):
    place(book, "mixed", wallet_part=bdt("40.00"))
    upload(book)
    book.submit(ApprovePayment("M1", "Seen."))


def too_little(book):
    """The wallet pays what the transfer lacks."""
    place(book, "mixed", wallet_part=bdt("40.00"))
    upload(book)
    book.submit(ApprovePayment("M1", "Seen.", bdt("50.00"), "wallet"))


def in_two_goes(book):
    """The rest comes by another transfer."""
    place(book, "mixed", wallet_part=bdt("40.00"))
    upload(book)
    book.submit(ApprovePayment("M1", "Seen.", bdt("50.00"), "wait"))
    upload(book, "8")
    sweep_all(book)
    book.submit(ApprovePayment("M1", "Seen."))


def too_much(book):
    place(book, "bank")
    upload(book)
    book.submit(ApprovePayment("M1", "Seen.", bdt("150.00"), wallet=ALICE))


def at_second_sight(book):
    """The first receipt is turned down."""
    place(book, "mixed", wallet_part=bdt("40.00"))
    upload(book)
    book.submit(RejectPayment("M1", "Blurred."))
    upload(book, "8")
    book.submit(ApprovePayment("M1", "Seen."))


PAID = (by_wallet, by_bank, mixed, too_little, in_two_goes, too_much, at_second_sight)


WAYS = (READY, CAME_BACK, SENT, BROUGHT, PICKED)
# each way of paying with another way of the goods, and each of these at least once
PAIRS = [(pay, WAYS[at % len(WAYS)]) for at, pay in enumerate(PAID)]


@pytest.mark.parametrize(("pay", "way"), PAIRS, ids=[pay.__name__ for pay in PAID])
def test_nothing_is_found_wrong(tmp_path, pay, way):
    """However it is paid and however far it comes: called off or given back, wholly or in part,
    before the release and after it.
    """
    with a_shop(sqlite_at(tmp_path / "khata.db")) as (book, clock):
        pay(book)
        for axis, to in way:
            book.submit(MoveOrder("M1", axis, to, "Done."))
            sweep_all(book)
        if way in (READY, PICKED, SENT):
            book.submit(CancelOrder("M1", "Not wanted."))
        else:
            book.submit(RefundOrder("M1", "Scratched.", bdt("10.00")))
            sweep_all(book)
            finish(book, {}, clock, until_seconds=8 * DAY)
            sweep_all(book)
            book.submit(RefundOrder("M1", "Broken."))
        finish(book, {}, clock, until_seconds=30 * DAY)
        assert sweep_all(book).looked_at == 1
        assert book.query(mismatches.mismatches).items == []
        assert discrepancies(book) == []


def test_nothing_is_found_wrong_while_it_waits(database_url):
    """Unpaid, lapsed, disputed, released by hand or on payment, sold for somebody else."""
    with a_shop(database_url) as (book, clock):
        lines = [orders.Line(title="A lamp", price=bdt("20.00"))]
        book.submit(wallets.OpenWallet("karim", "BDT", "partner"))
        terms = {
            "L1": {},
            "L2": {"pay": "bank", "grace_days": 1},
            "L3": {"pay": "mixed", "wallet_part": bdt("5.00"), "grace_days": 1},
            "L4": {"pay": "wallet", "release_on": "request"},
            "L5": {"pay": "wallet", "release_on": "funding", "release_days": 0},
            "L6": {"pay": "wallet"},
        }
        for ref, more in terms.items():
            wallet = {} if ref in {"L1", "L2"} else {"wallet": ALICE}
            book.submit(orders.PlaceOrder(ref, "alice", lines, **(wallet | more)))
        for ref in ("L4", "L5", "L6"):
            for axis, to in BROUGHT:
                book.submit(MoveOrder(ref, axis, to, "Done."))
        book.submit(escrow.DisputeEscrow("order/L6", "Not a lamp."))
        for days in (0, 2, 10):
            finish(book, {}, clock, until_seconds=days * DAY)
            assert sweep_all(book).opened == []
        book.submit(escrow.ReleaseEscrow("order/L4", "Asked for."))
        book.submit(escrow.SettleDispute("order/L6", "It is one."))
        finish(book, {}, clock, until_seconds=10 * DAY)
        assert sweep_all(book).opened == []
        assert book.query(mismatches.mismatches).items == []
        assert book.query(inventory.item, "TEA").allocated == 0
        assert discrepancies(book) == []
