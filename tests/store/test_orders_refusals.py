"""Orders that cannot be, moves out of order, others' orders, two at once, a second person."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from khata import KhataError, Money, actor
from khata.base.clock import to_iso
from khata.domain import access, inventory, orders, setup
from khata.domain.orders import (
    CancelOrder,
    ExtendGrace,
    Line,
    MoveOrder,
    PayOrder,
    PlaceOrder,
    ReceiptFile,
    RejectPayment,
    SetOrderPolicy,
    UploadReceipt,
)
from khata.engine import reading
from khata.errors import NotYours
from tests.builders import (
    ADMIN,
    ALICE,
    FINANCE,
    OTHER_ADMIN,
    SUPPORT,
    bdt,
    owner,
    refused,
)
from tests.orderers import (
    LOGISTICS,
    PHONE,
    TEA,
    WAREHOUSE,
    a_house,
)

BANK, HELD = "bank/main", "escrow/order/M1"
MIXED = {"pay": "mixed", "wallet_part": bdt("30.00")}
OUT = ("ready", "picked", "dispatched")
FILE = ReceiptFile("c" * 64, "image/png", 10, "رسید.png")


TOO_LONG = "x" * 201


IMPOSSIBLE = [
    ({"ref": ""}, "invalid_input"),
    ({"ref": "a/b"}, "invalid_input"),
    ({"ref": "a\ud800"}, "invalid_input"),
    ({"customer": "not one"}, "invalid_input"),
    ({"customer": "escrow"}, "invalid_input"),
    ({"title": " "}, "invalid_input"),
    ({"title": "a\x00b"}, "invalid_input"),
    ({"lines": []}, "invalid_input"),
    ({"lines": [PHONE] * 101}, "invalid_input"),
    ({"lines": [Line(0, sku="TEA")]}, "invalid_input"),
    ({"lines": [Line(1)]}, "invalid_input"),
    ({"lines": [Line(1, title="x")]}, "invalid_input"),
    ({"lines": [Line(1, title=TOO_LONG, price=bdt("1.00"))]}, "invalid_input"),
    ({"lines": [Line(1, title="x", price=bdt("0.00"))]}, "invalid_amount"),
    ({"lines": [Line(1, title="x", price=bdt("0.001"))]}, "too_many_decimals"),
    ({"lines": [Line(1, title="x", price=Money("1", "XXQ"))]}, "unknown_currency"),
    ({"lines": [TEA, Line(1, title="x", price=Money("1", "JPY"))]}, "currency_mismatch"),
    ({"lines": [Line(10**6, title="x", price=bdt("90000000000.00"))]}, "amount_too_large"),
    ({"lines": [Line(11, sku="TEA")]}, "insufficient_stock"),
    ({"lines": [Line(1, sku="NONE")]}, "stock_not_found"),
    ({"lines": [Line(1, sku="SHARE")]}, "invalid_input"),
    ({"pay": "wallet", "lines": [Line(999, title="x", price=bdt("9.00"))]},
     "insufficient_funds"),
    ({"pay": "mixed"}, "invalid_input"),
    ({"pay": "mixed", "wallet_part": bdt("110.00")}, "invalid_input"),
    ({"pay": "wallet", "wallet_part": bdt("99.00")}, "invalid_input"),
    ({"pay": "bank", "wallet_part": bdt("9.00")}, "invalid_input"),
    ({"pay": "wallet", "wallet": "sami/partner/BDT"}, "invalid_input"),
    ({"pay": "wallet", "wallet": "nobody/personal/BDT"}, "wallet_not_found"),
    ({"seller": "alice"}, "invalid_input"),
    ({"seller": "nobody"}, "wallet_not_found"),
    ({"seller": "sami", "seller_wallet": ALICE}, "invalid_input"),
    ({"seller_wallet": ALICE}, "invalid_input"),
    ({"source": "magic"}, "unknown_source"),
    ({"grace_days": -1}, "invalid_input"),
    ({"release_days": 401}, "invalid_input"),
]  # fmt: skip


def test_an_order_that_cannot_be_is_refused_whole(database_url):
    """One clear error, and nothing of it is there: no order, no stock gone, no money held."""
    with a_house(database_url) as house:
        house.do(inventory.DefineItem("SHARE", "Shares", bdt("1.00"), "share"))
        before = house.book.query(reading.head).seq
        for fields, code in IMPOSSIBLE:
            asked = {"ref": "BAD", "customer": "alice", "lines": [TEA, PHONE], **fields}
            assert refused(house.book, PlaceOrder(**asked)).code == code, fields
        assert house.book.query(reading.head).seq == before
        assert (house.stock(), house.wallet()[1]) == ((10, 0), "1000.00")


def test_what_comes_out_of_order_is_refused_and_by_whom(database_url):
    """Each move in its turn, by whose it is; of others' orders an owner learns nothing."""
    with a_house(database_url, alice="1000.00", bob="5.00") as house:
        book = house.book
        house.place(lines=[TEA], **{**MIXED, "wallet_part": bdt("3.00")})
        for command, code in (
            (PlaceOrder("M1", "alice", [TEA]), "already_exists"),
            (MoveOrder("M1", "warehouse", "ready"), "invalid_transition"),
            (MoveOrder("M1", "logistics", "delivered"), "invalid_transition"),
            (MoveOrder("M1", "warehouse", "gone"), "invalid_transition"),
            (MoveOrder("NO", "warehouse", "ready"), "order_not_found"),
            (RejectPayment("M1", "no"), "invalid_transition"),
            (orders.RefundOrder("M1", "no"), "invalid_transition"),
            (CancelOrder("M1", " "), "invalid_input"),
            (PayOrder("M1", "wallet"), "invalid_transition"),
            (ExtendGrace("M1", to_iso(house.clock.now), "no"), "invalid_input"),
            (ExtendGrace("M1", "tomorrow", "no"), "invalid_input"),
            (orders.ApprovePayment("M1", ""), "invalid_input"),
            (orders.ApprovePayment("M1", "x", Money("1.00", "USD")), "currency_mismatch"),
            (orders.ApprovePayment("M1", "x", bdt("1.00")), "invalid_input"),
            (orders.ApprovePayment("M1", "x", bank="wallet/alice"), "invalid_input"),
            (UploadReceipt("M1", ReceiptFile("A" * 64, "image/png", 1, "x")), "invalid_input"),
            (UploadReceipt("M1", ReceiptFile("a" * 64, "text/html", 1, "x")), "receipt_refused"),
            (UploadReceipt("M1", ReceiptFile("a" * 64, "image/png", 0, "x")), "receipt_refused"),
            (UploadReceipt("M1", ReceiptFile("a" * 64, "image/png", 1, "\x00")), "invalid_input"),
            (SetOrderPolicy(sla={"finance.lost": 1}), "invalid_input"),
            (setup.Set("orders", {}), "invalid_input"),
        ):
            assert refused(book, command).code == code, command
        house.upload()
        for command, who, code in (
            (PlaceOrder("M2", "alice", [TEA]), owner("bob"), "not_yours"),
            (PlaceOrder("M2", "bob", [PHONE]), owner("bob"), "role_required"),
            (PlaceOrder("M2", "bob", [Line(1, sku="TEA", price=bdt("0.01"))]), owner("bob"),
             "role_required"),
            (PlaceOrder("M2", "bob", [TEA], seller="sami"), owner("bob"), "role_required"),
            (PlaceOrder("M2", "bob", [TEA], grace_days=9), owner("bob"), "role_required"),
            (PlaceOrder("M2", "bob", [TEA], "wallet", ALICE), owner("bob"), "not_yours"),
            (UploadReceipt("M1", FILE), owner("bob"), "not_yours"),
            (UploadReceipt("NO", FILE), owner("bob"), "not_yours"),
            (CancelOrder("M1", "mine"), owner("bob"), "not_yours"),
            (CancelOrder("M1", "in review"), owner("alice"), "role_required"),
            (orders.ApprovePayment("M1", "x"), SUPPORT, "role_required"),
            (RejectPayment("M1", "x"), WAREHOUSE, "role_required"),
            (SetOrderPolicy(grace_days=1), FINANCE, "role_required"),
        ):  # fmt: skip
            assert refused(book, command, actor=who).code == code, command
        with book.view(owner("bob")) as view:
            for query in (orders.order, orders.history, orders.receipts):
                with pytest.raises(NotYours):
                    query(view, "M1")
            for query in (orders.overdue, orders.standings, orders.check):
                with pytest.raises(NotYours):
                    query(view)
            assert orders.orders(view).items == []
        house.approve()
        house.do(MoveOrder("M1", "warehouse", "ready"), WAREHOUSE)
        for command, who in (
            (MoveOrder("M1", "warehouse", "picked"), LOGISTICS),
            (MoveOrder("M1", "logistics", "dispatched"), WAREHOUSE),
        ):
            assert refused(book, command, actor=who).code in {"role_required", "invalid_transition"}
        assert refused(book, CancelOrder("M1", "x"), actor=owner("alice")).code == (
            "invalid_transition"
        )
        house.move("picked", "dispatched", "delivered")
        assert refused(book, CancelOrder("M1", "late")).code == "invalid_transition"
        house.is_sound()


def test_two_at_once_and_a_second_person(database_url):
    """Of two approvals one is carried out; above the limit none is, without a second person."""
    with a_house(database_url, alice="1000.00") as house:
        book = house.book
        house.place(**MIXED)
        house.upload()
        with ThreadPoolExecutor(2) as pool:
            asked = [pool.submit(_attempt, house, FINANCE), pool.submit(_attempt, house, ADMIN)]
        assert sorted(item.result() for item in asked) == ["invalid_transition", "paid"]
        assert house.amounts(HELD, BANK) == ["100.00", "70.00"]
        book.submit(setup.Set(setup.FOUR_EYES, {"BDT": "50.00"}), actor=OTHER_ADMIN)
        for command in (
            CancelOrder("M1", "x"),
            orders.RefundOrder("M1", "x"),
            PlaceOrder("M2", "alice", [PHONE], "wallet"),
        ):
            assert refused(book, command, actor=actor("finance:mitu")).code == "approval_required"
        house.place("M2", pay="bank")
        house.upload("M2", "b")
        small = orders.ApprovePayment("M2", "x")
        assert refused(book, small, actor=FINANCE).code == "approval_required"
        asked = access.RequestApproval({"kind": "orders.approve_payment", **ASKED}, "it came")
        house.do(access.Approve(house.do(asked, FINANCE).request), ADMIN)
        assert house.axes("M2")[0] == "paid"


ASKED = {"order": "M2", "evidence": "x"}


def _attempt(house, who):
    try:
        return house.approve(who=who).finance
    except KhataError as error:
        return error.code
