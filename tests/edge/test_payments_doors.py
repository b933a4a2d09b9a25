"""Payments and bookings through the doors: HTTP with its client, and the command line."""

import pytest

from khata import Khata, Money
from khata.domain import payments, setup
from khata.edge.client import Client
from khata.errors import NotYours, PayableNotFound, PaymentActive, RefundExceeded
from tests.builders import balance, owner
from tests.edge.command_line import ALICE, a_book, khata
from tests.edge.serving import serving_sqlite
from tests.payers import SANDBOX
from tests.servers import sqlite_at


def taka(amount):
    return Money(amount, "BDT")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving_sqlite(tmp_path_factory.mktemp("payments")) as found:
        yield found


@pytest.fixture
def client(server):
    with Client(server.url, server.key) as made:
        yield made


@pytest.fixture
def url(tmp_path):
    made = a_book(sqlite_at(tmp_path / "khata.db"))
    with Khata.open(made) as book:
        book.submit(setup.Set("providers", SANDBOX))
        book.submit(payments.RegisterPayable("order/M1", "alice", taka("400.00"), country="BD"))
    return made


def test_an_order_is_paid_and_refunded_over_http(client):
    """Registered, paid out of a wallet, refunded in part; errors are Khata's own."""
    wallet = client.open_wallet("paula", "BDT").result.path
    client.credit(wallet, taka("1000.00"))
    client.register_payable("order/H1", "paula", taka("600.00"))
    paid = client.initiate_payment(subject="order/H1", method="wallet", wallet=wallet).result
    assert (paid.status, client.payment(paid.id).entries) == ("paid", paid.entries)
    assert client.payable("order/H1").paid_by == paid.id
    refund = client.refund_payment(paid.id, "Broken.", amount=taka("200.00")).result
    assert [item.id for item in client.refunds(payment=paid.id).items] == [refund.id]
    with pytest.raises(RefundExceeded):
        client.refund_payment(paid.id, "More.", amount=taka("400.01"))
    with pytest.raises(PayableNotFound):
        client.payable("order/none")
    assert client.balance(wallet).balance == "600.00"
    assert [item.status for item in client.payments(subject="order/H1").items] == [
        "partially_refunded"
    ]


def test_one_mixed_payment_at_a_time_over_http(client):
    """The second is told of the first; confirmed, the payable is paid."""
    wallet = client.open_wallet("mina", "BDT").result.path
    client.credit(wallet, taka("300.00"))
    client.register_payable("order/H2", "mina", taka("600.00"))
    mixed = {"method": "mixed", "wallet": wallet, "wallet_part": taka("300.00")}
    begun = client.initiate_payment(subject="order/H2", **mixed).result
    with pytest.raises(PaymentActive) as refused:
        client.initiate_payment(subject="order/H2", method="wallet", wallet=wallet)
    assert refused.value.details["payment"] == begun.id
    assert client.confirm_transfer(begun.id, taka("300.00"), "Slip 7.").result.status == "paid"
    assert client.balance(wallet).balance == "0.00"


def test_a_booking_over_http(client):
    """Created and paid; nothing is said of one that does not exist."""
    wallet = client.open_wallet("gita", "BDT").result.path
    client.credit(wallet, taka("500.00"))
    client.open_wallet("hana", "BDT", wallet_kind="host")
    client.create_booking("H7", "gita", "hana", taka("500.00"), 1000)
    assert client.pay_booking("H7", method="wallet", wallet=wallet).result.status == "paid"
    assert [item.ref for item in client.bookings(host="hana").items] == ["H7"]
    assert client.booking("H7").guest == "gita"


def test_an_order_is_paid_on_the_command_line(url):
    """What is offered, paying, looking, refunding."""
    offered = khata("payments", "offered", "BDT", "--country", "BD", "--json", url=url)
    assert offered.lines()[0]["provider"] == "sandbox"
    paid = khata("payments", "pay", "order/M1", "--wallet", ALICE, "--json", url=url)
    name = paid.json()["result"]["id"]
    shown = khata("payments", "show", name, url=url)
    assert ("paid" in shown.out, name in shown.out) == (True, True)
    assert name in khata("payments", "list", "--status", "paid", url=url).out
    again = khata("payments", "pay", "order/M1", "--wallet", ALICE, url=url)
    assert (again.code, "payable_closed" in again.err) == (3, True)
    why = ("--reason", "Broken.")
    part = khata("payments", "refund", name, "150.00", *why, url=url)
    assert "is succeeded" in part.out
    assert khata("payments", "refund", name, "250.01", *why, url=url).code == 3
    with Khata.open(url) as book:
        assert balance(book) == "750.00"
    assert "rfd_" in khata("payments", "show", name, url=url).out


def test_a_bank_transfer_is_confirmed_on_the_command_line(url):
    """Part by wallet, part by transfer."""
    begun = khata(
        "payments", "pay", "order/M1", "--wallet", ALICE, "--part", "100.00", "--json", url=url
    )
    name = begun.json()["result"]["id"]
    told = ("--evidence", "Slip 7.")
    assert khata("payments", "confirm", name, "299.00", *told, url=url).code == 3
    done = khata("payments", "confirm", name, "300.00", *told, url=url)
    assert (done.code, "paid" in done.out) == (0, True)


def test_owners_see_only_their_own_at_the_door(url):
    """On the command line too."""
    khata("payments", "pay", "order/M1", "--wallet", ALICE, url=url)
    mine = khata("payments", "list", "--json", "--actor", "owner:alice", url=url)
    theirs = khata("payments", "list", "--json", "--actor", "owner:bob", url=url)
    assert [len(mine.lines()), len(theirs.lines())] == [1, 0]
    with Khata.open(url) as book, pytest.raises(NotYours):
        book.submit(
            payments.Initiate("order/M1", method="wallet", wallet=ALICE), actor=owner("bob")
        )
