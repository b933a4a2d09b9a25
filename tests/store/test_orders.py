"""Orders: every way to pay, bring, call off and give back; what is late; how they stand."""

import re
from itertools import product

import pytest

from khata import Khata
from khata.base.clock import SECOND, to_iso
from khata.domain import holds, ledger, orders, proofs, wallets
from khata.domain.orders import (
    CancelOrder,
    ExtendGrace,
    PayOrder,
    ReceiptFile,
    RejectPayment,
    SetOrderPolicy,
    UploadReceipt,
)
from khata.engine.replay import replay
from khata.errors import NotYours
from tests.builders import (
    ALICE,
    FINANCE,
    bdt,
    discrepancies,
    owner,
    refused,
)
from tests.orderers import (
    DAY,
    GOODS,
    PHONE,
    RESERVED,
    SALES,
    TEA,
    a_house,
)
from tests.servers import sqlite_at
from tests.store.test_queries_plans import plans_of

BANK, HELD = "bank/main", "escrow/order/M1"
MIXED = {"pay": "mixed", "wallet_part": bdt("30.00")}
OUT = ("ready", "picked", "dispatched")
FILE = ReceiptFile("c" * 64, "image/png", 10, "رسید.png")


# ── the whole way ────────────────────────────────────────────────────────────────────


def test_a_wallet_pays_and_tea_is_brought(database_url):
    """10.00 into escrow with the order, two pieces set aside at what they cost; dispatched they
    are an expense, delivered the escrow is released in seven days.
    """
    with a_house(database_url) as house:
        placed = house.place(lines=[TEA], who=owner("alice"), pay="wallet")
        assert (placed.status, placed.total, len(placed.entries)) == ("confirmed", "10.00", 1)
        assert (house.wallet(), house.stock()) == (("990.00", "990.00"), (8, 2))
        assert house.amounts(HELD, RESERVED, GOODS) == ["10.00", "6.00", "0.00"]
        assert house.history() == ["finance unpaid", "finance paid"]
        house.is_sound()
        assert house.move(*OUT).status == "dispatched"
        assert house.amounts(RESERVED, GOODS) == ["0.00", "6.00"]
        assert house.move("delivered").ended_at is not None
        house.pass_by(6)
        assert house.amounts(HELD) == ["10.00"]
        house.pass_by(8)
        assert house.amounts(HELD, SALES) == ["0.00", "10.00"]
        assert house.book.query(proofs.trace, "order/M1").adds_up
        house.is_sound()


def test_wallet_and_bank_pay_together_and_a_seller_gets_their_share(database_url):
    """30.00 are held until the receipt for 70.00 is approved; of 100.00 the house keeps 5.00."""
    with a_house(database_url) as house:
        placed = house.place(seller="sami", **MIXED)
        assert (placed.finance, placed.due, placed.status) == ("wallet_partial", "70.00", "pending")
        assert house.wallet() == ("1000.00", "970.00")
        shown = house.upload(who=owner("alice"))
        assert (shown.name, house.axes()[3]) == ("رسید.png", "in_review")
        done = house.approve(who=FINANCE)
        assert (done.status, done.captured, done.due) == ("confirmed", "100.00", "0.00")
        assert house.amounts(HELD, BANK) == ["100.00", "70.00"]
        assert house.wallet() == ("970.00", "970.00")
        assert house.book.query(holds.hold, placed.hold).status == "captured"
        assert house.book.query(orders.receipt, shown.id).status == "approved"
        house.move(*OUT, "delivered")
        house.pass_by(8)
        assert house.wallet("sami/partner/BDT")[0] == "95.00"
        with house.book.view(owner("sami")) as view:
            seen = orders.orders(view, seller="sami").items
            assert [item.ref for item in seen] == ["M1"]
            with pytest.raises(NotYours):  # what the customer shows is not the seller's to see
                orders.receipts(view, "M1")
        house.is_sound()


@pytest.mark.parametrize(
    ("came", "fields", "wallet", "captured"),
    [
        ("60.00", {"short": "wallet"}, "960.00", "100.00"),
        ("90.00", {}, "990.00", "100.00"),  # 20.00 too much, credited
        ("70.00", {"short": "wait"}, "970.00", "100.00"),
    ],
)
def test_another_amount_comes_than_was_due(database_url, came, fields, wallet, captured):
    """Less is paid by the wallet, under the same hold; more is the customer's."""
    with a_house(database_url) as house:
        house.place(**MIXED)
        house.upload()
        done = house.approve(amount=came, **fields)
        assert (done.finance, done.captured, house.wallet()[0]) == ("paid", captured, wallet)
        assert house.amounts(HELD, BANK) == ["100.00", came]
        house.is_sound()


def test_an_order_waits_for_the_rest_and_gives_it_all_back_when_it_does_not_come(database_url):
    """40.00 of 70.00 came: kept on the order's account; after the new grace the wallet has it."""
    with a_house(database_url) as house:
        house.place(**MIXED)
        house.upload()
        done = house.approve(amount="40.00", short="wait")
        assert (done.finance, done.due, done.captured) == ("wallet_partial", "30.00", "40.00")
        assert house.amounts(HELD) == ["40.00"]
        house.is_sound()
        assert refused(house.book, orders.ApprovePayment("M1", "x", bdt("10.00"))).code == (
            "invalid_input"
        )
        again = house.approve(amount="10.00", short="wait")  # without a receipt, by evidence
        assert (again.finance, again.due) == ("wallet_partial", "20.00")
        house.pass_by(4)
        assert house.axes() == ("cancelled", "cancelled", "cancelled", "cancelled")
        assert (house.wallet(), house.amounts(HELD, BANK)) == (
            ("1050.00", "1050.00"),
            ["0.00", "50.00"],
        )
        house.is_sound()


# ── the grace ────────────────────────────────────────────────────────────────────────


def test_an_order_whose_grace_ends_is_let_go_and_one_with_a_receipt_is_not(database_url):
    """The hold is released and the stock is back; a receipt that came in time waits for ever."""
    with a_house(database_url) as house:
        house.place(lines=[TEA, PHONE], **MIXED)
        house.place("M2", pay="bank")
        house.place("M3", [TEA])
        house.upload("M2")
        late = to_iso(house.clock.now + 5 * DAY * SECOND)
        house.do(ExtendGrace("M3", late, "she asked"))
        house.pass_by(3.5)
        assert (house.axes()[0], house.axes("M2")[0]) == ("cancelled", "receipt_uploaded")
        assert (house.wallet(), house.stock(), house.axes("M3")[0]) == (
            ("1000.00", "1000.00"),
            (8, 2),
            "unpaid",
        )
        assert house.order().reason == "The time for the transfer was over."
        house.pass_by(2)
        assert (house.axes("M3")[3], house.stock()) == ("cancelled", (10, 0))
        assert refused(house.book, UploadReceipt("M3", FILE)).code == "invalid_transition"
        house.approve("M2")
        assert house.axes("M2")[3] == "confirmed"
        house.is_sound()


def test_a_receipt_is_rejected_replaced_and_used_once(database_url):
    """While the grace runs another can be shown; after it the order is let go."""
    with a_house(database_url) as house:
        house.place(**MIXED)
        house.place("M2", pay="bank")
        first = house.upload()
        assert house.upload() == first
        assert refused(house.book, UploadReceipt("M2", _file("a"))).details["reason"] == "used"
        second = house.upload(sign="b")
        assert house.do(RejectPayment("M1", "unreadable"), FINANCE).finance == "wallet_partial"
        found = house.book.query(orders.receipts, "M1")
        assert {item.id: item.status for item in found} == {
            first.id: "replaced",
            second.id: "rejected",
        }
        house.upload("M2", "a")  # it never counted for M1
        house.upload(sign="c")
        house.clock.advance(4 * DAY)
        done = house.do(RejectPayment("M1", "unreadable"))
        assert (done.status, done.reason, house.wallet()[1]) == (
            "cancelled",
            "unreadable",
            "1000.00",
        )
        house.do(SetOrderPolicy(retry_days=2))
        assert house.do(RejectPayment("M2", "too small")).finance == "bank_transfer_grace"
        house.pass_by(1)
        assert house.axes("M2")[0] == "bank_transfer_grace"
        house.pass_by(2)
        assert house.axes("M2")[0] == "cancelled"
        house.is_sound()


def _file(sign):
    return ReceiptFile(sign * 64, "image/png", 10, "x.png")


def test_after_the_grace_no_receipt_is_taken(database_url):
    """Though nobody has let the order go yet; given more time, it is."""
    with a_house(database_url) as house:
        house.place(pay="bank")
        house.clock.advance(3 * DAY)
        assert refused(house.book, UploadReceipt("M1", FILE)).code == "grace_ended"
        house.do(ExtendGrace("M1", to_iso(house.clock.now + SECOND), "she called"))
        assert house.do(UploadReceipt("M1", FILE)).status == "uploaded"


# ── back ─────────────────────────────────────────────────────────────────────────────


def test_an_order_is_called_off_at_every_stage_before_it_is_delivered(database_url):
    """Then it is as if it had never been: wallet, stock and escrow; what the bank brought is in the
    wallet.
    """
    with a_house(database_url) as house:
        stages = [(), ("ready",), ("ready", "picked"), OUT]
        for at, (pay, stage) in enumerate(product(["later", "bank", "mixed", "wallet"], stages)):
            ref = f"M{at}"
            part = bdt("4.00") if pay == "mixed" else None
            house.place(ref, [TEA], pay=pay, wallet_part=part, wallet=ALICE)
            if pay in {"bank", "mixed"} and stage:
                house.upload(ref, f"{at % 16:x}")
                house.approve(ref)
            if stage and pay == "later":
                house.do(PayOrder(ref, "wallet"))
            if stage:
                house.move(*stage, ref=ref)
            done = house.cancel(ref)
            assert (done.status, done.reason) == ("cancelled", "not wanted")
            assert house.stock() == (10, 0)
            assert house.amounts(f"escrow/order/{ref}", RESERVED, GOODS) == ["0.00"] * 3
            assert refused(house.book, CancelOrder(ref, "again")).code == "invalid_transition"
        came = house.amounts(BANK)[0]
        assert (came, house.wallet()) == ("48.00", ("1048.00", "1048.00"))
        assert house.book.query(orders.refs, open_only=True).items == []
        house.is_sound()


def test_money_goes_back_before_and_after_it_was_released(database_url):
    """In parts, and wholly: what was dispatched stays away, what was not goes back in stock."""
    with a_house(database_url) as house:
        house.place(seller="sami", pay="wallet")
        assert house.refund("10.00").finance == "partially_refunded"
        house.move(*OUT, "delivered")
        house.pass_by(8)
        assert house.wallet("sami/partner/BDT")[0] == "85.50"
        assert house.refund("50.00").refunded == "60.00"
        assert refused(house.book, orders.RefundOrder("M1", "x", bdt("50.00"))).code == (
            "refund_exceeded"
        )
        done = house.refund()
        assert (done.status, done.refunded) == ("refunded", "100.00")
        assert house.wallet()[0] == "1000.00"
        house.place("M2", [TEA], pay="wallet")
        assert (house.refund(ref="M2").status, house.stock()) == ("cancelled", (10, 0))
        house.is_sound()


def test_money_goes_back_to_another_wallet_when_its_own_is_closed(database_url):
    """Whether it is in escrow, or came by bank and waits there; to nobody else's."""
    with a_house(database_url) as house:
        house.do(wallets.OpenWallet("alice", "BDT", "customer"))
        house.place(pay="wallet")
        house.place("M2", pay="bank")
        house.approve("M2", "40.00", short="wait", wallet=ALICE)
        house.do(ledger.FreezeAccount(ALICE, "lost her phone"))
        for ref in ("M1", "M2"):
            assert refused(house.book, CancelOrder(ref, "x")).code == "account_frozen"
            command = CancelOrder(ref, "x", "sami/partner/BDT")
            assert refused(house.book, command).code == "invalid_input"
            house.cancel(ref, wallet="alice/customer/BDT")
        assert house.wallet("alice/customer/BDT")[0] == "140.00"
        house.is_sound()


def test_goods_that_come_back_stop_the_release(database_url):
    """Until a person has given the money back, or settled it."""
    with a_house(database_url) as house:
        house.place(lines=[TEA], pay="wallet")
        house.move(*OUT, "delivered")
        house.clock.advance(DAY)
        assert house.move("returned", reason="too weak").ended_at is None
        house.pass_by(9)
        assert house.amounts(HELD, SALES) == ["10.00", "0.00"]
        assert house.move("restocked").status == "returned"
        assert (house.stock(), house.amounts(GOODS)) == ((10, 0), ["0.00"])
        assert house.refund().status == "refunded"
        assert house.wallet()[0] == "1000.00"
        house.is_sound()


# ── what is late, and how it stands ──────────────────────────────────────────────────


def test_what_is_late_is_listed_the_latest_first(database_url):
    """By the policy; it is nobody's turn before the money is there."""
    with a_house(database_url) as house:
        house.place(**MIXED)
        house.place("M2", pay="wallet")
        house.upload()
        house.clock.advance(DAY + 10)
        late = house.book.query(orders.overdue)
        assert [(item.order, item.axis, item.state) for item in late] == [
            ("M1", "finance", "receipt_uploaded"),
            ("M2", "warehouse", "waiting"),
        ]
        assert late[0].seconds == 10
        house.do(SetOrderPolicy(sla={"warehouse.waiting": 2 * DAY}))
        assert len(house.book.query(orders.overdue)) == 1
        assert house.book.query(orders.overdue, axis="logistics") == []
        assert house.book.query(orders.policy).sla["warehouse.waiting"] == 2 * DAY


def test_how_orders_stand_is_read_in_pages(database_url):
    """The same as within a command: what the wallet moved, what is set aside, what is released."""
    with a_house(database_url) as house:
        house.place(lines=[TEA], pay="mixed", wallet_part=bdt("4.00"))
        house.place("M2", [TEA], pay="wallet")
        house.move(*OUT, "delivered", ref="M2")
        first = house.book.query(orders.standings, limit=1)
        rest = house.book.query(orders.standings, cursor=first.next)
        (one,), (two,) = first.items, rest.items
        assert (one.ref, one.wallet_part, one.wallet_moved, one.reserved) == ("M1", 400, 400, 2)
        assert (two.wallet_moved, two.captured, two.release_scheduled) == (1000, 1000, True)
        assert [item.ref for item in house.book.query(orders.standings, open_only=True).items] == [
            "M1"
        ]
        for filters in ({"status": "delivered"}, {"warehouse": "picked"}, {"customer": "alice"}):
            assert "M2" in [item.ref for item in house.book.query(orders.orders, **filters).items]
        hold = house.order().hold
        house.do(holds.VoidHold(hold, "a mistake"))
        assert house.book.query(orders.standings).items[0].wallet_moved == 0
        house.upload()
        house.approve()  # what is not held any more is taken as it is
        assert (house.axes()[0], house.wallet()[0]) == ("paid", "986.00")
        house.is_sound()


def test_lists_are_read_through_indexes(database_url):
    """However many orders there are, no query walks over all of them."""
    with a_house(database_url) as house:
        house.place()
        asks = {
            "customer": lambda view: orders.orders(view, customer="alice"),
            "seller": lambda view: orders.orders(view, seller="sami"),
            "status": lambda view: orders.orders(view, status="pending"),
            "finance": lambda view: orders.orders(view, finance="paid"),
            "all": orders.orders,
            "open": lambda view: orders.refs(view, open_only=True),
            "history": lambda view: orders.history(view, "M1"),
            "receipts": lambda view: orders.receipts(view, "M1"),
            "overdue": orders.overdue,
        }
        for name, ask in asks.items():
            for plan in plans_of(house.book, ask):
                walked = re.findall(r"(?:SCAN|Seq Scan on) (order\w+)(?! USING)", plan)
                assert not walked, (name, plan)


def test_what_is_posted_past_the_orders_is_named(database_url):
    """On what reserved stock costs, and on the account of an order that is not paid yet."""
    with a_house(database_url) as house:
        house.place(lines=[TEA], pay="bank")
        for code in (RESERVED, HELD):
            legs = [ledger.LegIn(code, credit=bdt("1.00")), ledger.LegIn(BANK, debit=bdt("1.00"))]
            house.do(ledger.PostEntry(legs, "adjustment"))
        found = discrepancies(house.book)
        assert [item.where for item in found if item.check == "orders"] == [
            f"accounts {RESERVED} BDT",
            "orders ref=M1 money",
        ]


def test_the_journal_runs_again(database_url, tmp_path):
    """Orders included: the same head from the same commands."""
    with a_house(database_url) as house:
        house.place(lines=[TEA], **{**MIXED, "wallet_part": bdt("3.00")})
        house.upload()
        house.approve()
        house.move(*OUT, "delivered")
        house.pass_by(8)
        house.refund()
        assert house.told() == [
            "order.placed",
            "order.in_review",
            "order.confirmed",
            "order.preparing",
            "order.dispatched",
            "order.delivered",
            "order.refunded",
        ]
        with Khata.open(sqlite_at(tmp_path / "copy.db")) as copy:
            head = replay(house.book, copy)
            assert head.hash.hex() == house.book.verify().head
            assert discrepancies(copy) == []
