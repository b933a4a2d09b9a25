"""What an order allows nobody to do, be it by another room's commands; and orders from elsewhere
that are wrong in ways in which those placed here cannot be.

What handlers decide is the same on every database, so one of them is enough here.
"""

import pytest

from khata.domain import (
    access,
    debts,
    escrow,
    ledger,
    mismatches,
    orders,
    payments,
    setup,
    wallets,
)
from khata.domain.orders import (
    AdoptOrder,
    ApprovePayment,
    CancelOrder,
    PayOrder,
    PlaceOrder,
    ReceiptFile,
    RejectPayment,
    UploadReceipt,
)
from tests.builders import ADMIN, ALICE, FINANCE, OTHER_ADMIN, SUPPORT, bdt, owner, refused
from tests.orderers import PHONE, TEA, a_house
from tests.servers import sqlite_at

HELD, CUSTOMER = "escrow/order/M1", "alice/customer/BDT"
MIXED = {"pay": "mixed", "wallet_part": bdt("30.00")}


@pytest.fixture
def house(tmp_path):
    with a_house(sqlite_at(tmp_path / "khata.db")) as opened:
        opened.do(wallets.OpenWallet("alice", "BDT", "customer"))
        yield opened
        opened.is_sound()


def code_of(house, command, who=ADMIN):
    return refused(house.book, command, actor=who).code


def test_the_name_of_an_order_is_its_own(house):
    """Else somebody's money would lie where the order's is to lie, and it could not be paid."""
    house.place(pay="bank")
    receivers = [escrow.Receiver("sami", "sami/partner/BDT", bdt("5.00"))]
    fund = escrow.FundEscrow("order/M1", bdt("5.00"), ALICE, receivers=receivers)
    register = payments.RegisterPayable("order/M1", "alice", bdt("5.00"))
    beside = payments.RegisterPayable("game/G1", "alice", bdt("5.00"), escrow=HELD)
    for command in (fund, register, beside):
        assert code_of(house, command) == "already_exists"
    house.do(payments.RegisterPayable("game/G2", "alice", bdt("5.00"), escrow="escrow/order/M2"))
    assert code_of(house, PlaceOrder("M2", "alice", [PHONE])) == "already_exists"
    assert house.approve().status == "confirmed"


def test_only_the_order_says_that_it_is_delivered(house):
    """Support says it of escrows, and it is not theirs to say it of goods."""
    house.place(pay="wallet", seller="sami")
    said = escrow.ConfirmDelivery("order/M1", "They say so.")
    assert code_of(house, said, SUPPORT) == "invalid_transition"
    house.pass_by(9)
    assert house.wallet("sami/partner/BDT")[0] == "0.00"


def test_what_a_customer_calls_off_alone_nobody_has_earned_and_goes_where_it_came_from(house):
    """A service never leaves the warehouse, yet it may be long done and paid out. And what came
    from a wallet that is frozen does not come out by another.
    """
    alice = owner("alice")
    house.place(pay="wallet", seller="sami", release_on="funding", release_days=0)
    house.place("M2", pay="wallet")
    house.pass_by(1)
    assert code_of(house, CancelOrder("M1", "Mine."), alice) == "invalid_transition"
    assert house.wallet("sami/partner/BDT")[0] == "95.00"
    house.do(ledger.FreezeAccount(ALICE, "fraud"))
    assert code_of(house, CancelOrder("M2", "Mine.", CUSTOMER), alice) == "role_required"
    for other in ("sami/partner/BDT", "sami/none/BDT"):  # there or not: that is not told
        assert code_of(house, CancelOrder("M2", "Mine.", other), alice) == "not_yours"
    house.do(ledger.UnfreezeAccount(ALICE, "cleared"))
    assert house.do(CancelOrder("M2", "Mine.", ALICE), alice).refunded == "100.00"


def test_an_order_takes_twenty_receipts_all_of_them_in_time(house):
    """One that came in time does not keep the place for one that came late."""
    house.place(pay="bank")
    for number in range(orders.MOST_RECEIPTS):
        receipt = ReceiptFile(f"{number:064}", "image/png", 9, "x.png")
        house.do(UploadReceipt("M1", receipt), owner("alice"))
    more = UploadReceipt("M1", ReceiptFile("e" * 64, "image/png", 9, "x.png"))
    error = refused(house.book, more)
    assert (error.code, error.details["reason"]) == ("receipt_refused", "too_many")
    house.place("M2", pay="bank")
    house.upload("M2")
    house.pass_by(5)
    late = UploadReceipt("M2", ReceiptFile("f" * 64, "image/png", 9, "x.png"))
    assert code_of(house, late) == "grace_ended"
    house.upload("M2")  # the one that waits
    house.place("M3", pay="bank")
    early = ReceiptFile(f"{0:064}", "image/png", 9, "x.png")  # it was replaced: it counts no more
    assert house.do(UploadReceipt("M3", early)).status == "uploaded"


def test_the_wallet_that_is_named_pays_what_lacks(house):
    """Not the one on which the order's part is held."""
    house.do(wallets.Credit(CUSTOMER, bdt("50.00")))
    house.place(**MIXED, wallet=ALICE)
    house.approve(amount="60.00", short="wallet", wallet=CUSTOMER)
    assert (house.wallet()[0], house.wallet(CUSTOMER)[0]) == ("970.00", "40.00")


def test_goods_that_are_in_stock_again_are_late_for_nobody(house):
    """They stay returned for ever, and nothing is to be done with them."""
    house.place(lines=[TEA], pay="wallet")
    house.move("ready", "picked", "dispatched", "returned")
    house.clock.advance(9 * 86_400)
    house.do(wallets.OpenWallet("bela", "BDT"))  # the book's time goes by what happens
    assert [item.state for item in house.book.query(orders.overdue)] == ["returned"]
    house.move("restocked")
    assert house.book.query(orders.overdue) == []


def test_a_seller_is_not_told_how_somebody_pays(house):
    """Neither by the order, nor by its history: which wallet, what hold, what the bank showed."""
    house.place(seller="sami", **MIXED)
    house.upload()
    house.approve()
    house.move("ready", reason="Two boxes.")
    with house.book.view(owner("sami")) as view:
        (seen,) = orders.orders(view, seller="sami").items
        assert seen == orders.order(view, "M1")
        assert (seen.wallet, seen.hold, seen.receipt, seen.entries) == (None, None, None, [])
        lines = [(line.axis, line.reason) for line in orders.history(view, "M1").items]
    assert lines == [("finance", None)] * 4 + [("warehouse", "Two boxes.")]
    with house.book.database.reading() as connection:
        events = connection.exec_driver_sql(
            "SELECT owner, data FROM events WHERE type = 'order.confirmed' ORDER BY owner"
        ).all()
    assert [(who, "seen at the bank" in data) for who, data in events] == [
        ("alice", True),
        ("sami", False),
    ]
    with house.book.view(owner("alice")) as view:
        assert orders.order(view, "M1").wallet == ALICE
        assert len(orders.history(view, "M1").items) > len(lines)


def test_who_rejects_gives_nothing_back_alone_that_takes_two(house):
    """After the grace a rejection calls the order off, and what the bank brought goes back."""
    house.book.submit(setup.Set(setup.FOUR_EYES, {"BDT": "50.00"}), actor=OTHER_ADMIN)
    house.place(pay="bank")
    house.approve(amount="90.00", short="wait", wallet=ALICE)
    house.upload()
    house.pass_by(5)
    reject = RejectPayment("M1", "No such transfer.")
    assert code_of(house, reject, FINANCE) == "approval_required"
    asked = {"kind": "orders.reject_payment", "order": "M1", "reason": reject.reason}
    request = house.do(access.RequestApproval(asked, "no transfer"), FINANCE).request
    house.do(access.Approve(request), ADMIN)
    assert house.wallet()[0] == "1090.00"


# ── from elsewhere ───────────────────────────────────────────────────────────────────


def adopt(house, **fields):
    """An order of 100.00 that was never paid, of which the fields say more."""
    money = {"wallet_part", "wallet_paid", "received", "refunded"}
    given = {name: bdt(value) if name in money else value for name, value in fields.items()}
    stands = {"warehouse": "waiting", "logistics": "waiting", "shown": "pending"} | given
    command = AdoptOrder(
        ref="M1", customer="alice", total=bdt("100.00"), placed_at="2026-01-01T00:00:00Z",
        reason="Taken over.", wallet=ALICE, **stands,
    )  # fmt: skip
    return house.do(command)


BY_WALLET = PayOrder("M1", "wallet", ALICE)
APPROVED = ApprovePayment("M1", "seen at the bank")


@pytest.mark.parametrize(
    ("pays", "stood", "came", "left"),
    [
        # what came by bank went back: it has to come again
        (APPROVED, {"finance": "bank_transfer_grace", "received": "100.00", "refunded": "100.00"},
         "100.00", "1000.00"),
        (BY_WALLET, {"finance": "unpaid", "wallet_part": "100.00", "wallet_paid": "100.00",
                     "refunded": "100.00"}, "0.00", "900.00"),
        # of what came, nothing is taken twice
        (BY_WALLET, {"finance": "unpaid", "received": "60.00"}, "0.00", "960.00"),
        (APPROVED, {"finance": "wallet_partial", "wallet_part": "100.00", "wallet_paid": "40.00",
                    "received": "60.00"}, "0.00", "1000.00"),
        # 50.00 too much went back: they are owed, and do not vanish in what comes
        (APPROVED, {"finance": "receipt_uploaded", "received": "100.00", "refunded": "150.00"},
         "100.00", "1000.00"),
    ],
)  # fmt: skip
def test_an_order_from_elsewhere_is_paid_once_and_wholly(house, pays, stood, came, left):
    """In the end 100.00 are in escrow, whatever came before; called off, they go back."""
    adopt(house, **stood)
    assert house.do(pays).finance == "paid"
    assert house.amounts("bank/main", HELD) == [came, "100.00"]
    assert house.wallet()[0] == left
    owed = [debt.outstanding for debt in house.book.query(debts.debts, owner="alice").items]
    assert owed == (["50.00"] if stood.get("refunded") == "150.00" else [])
    house.is_sound()
    house.cancel()
    assert house.amounts(HELD) == ["0.00"]


@pytest.mark.parametrize(
    ("stood", "kinds", "left"),
    [
        # what is owed is written down before more comes, in which it would vanish
        ({"finance": "receipt_uploaded", "received": "40.00", "refunded": "90.00",
          "shown": "in_review"}, ["receipt_stuck", "refund_exceeds"], "1000.00"),
        # what went back has to come again: the wallet's part alone does not make it paid
        ({"finance": "wallet_partial", "wallet_part": "60.00", "received": "60.00",
          "refunded": "60.00"}, ["wallet_part_missing"], "1000.00"),
        # the bank brought all of it: nothing is the wallet's to pay
        ({"finance": "wallet_partial", "wallet_part": "30.00", "received": "100.00",
          "shown": "confirmed"}, ["status_differs"], "1000.00"),
        # the customer was told something else, and is told again once it is paid wholly
        ({"finance": "paid", "wallet_part": "30.00", "received": "70.00", "shown": "refunded",
          "warehouse": "picked", "logistics": "delivered"},
         ["wallet_part_missing", "status_differs"], "970.00"),
    ],
)  # fmt: skip
def test_an_order_from_elsewhere_is_repaired_as_was_planned(house, stood, kinds, left):
    """Whatever is wrong with it at once; a repair that would end otherwise is refused."""
    adopt(house, **stood)
    made = house.do(mismatches.RepairMismatch("M1", "as the books say"))
    assert made.plan.kinds == kinds
    house.pass_by(0.01)
    done = house.book.query(mismatches.repair, made.id)
    assert (done.status, done.message, house.wallet()[0]) == ("applied", None, left)
