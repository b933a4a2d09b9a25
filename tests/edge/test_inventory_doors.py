"""Stock, investments and the books through the doors: HTTP with its client, the command line."""

import pytest

from khata import Khata, Money
from khata.edge.client import Client
from khata.errors import InvalidTransition
from khata.errors.market import InsufficientStock, InvestmentNotFound, StockNotFound
from tests.builders import balance
from tests.edge.command_line import ALICE, a_book, khata
from tests.edge.serving import Asks, serving_sqlite
from tests.servers import sqlite_at


def taka(amount):
    return Money(amount, "BDT")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving_sqlite(tmp_path_factory.mktemp("stock"), KHATA_WORKER="false") as found:
        yield found


@pytest.fixture
def client(server):
    with Client(server.url, server.key) as made:
        yield made


@pytest.fixture
def url(tmp_path):
    made = a_book(sqlite_at(tmp_path / "khata.db"))
    define = ("stock", "define", "TEA", "Tea, 500 g", "5.00", "BDT")
    assert khata(*define, url=made).code == 0
    for cost in ("10.00", "12.00"):
        assert khata("stock", "receive", "TEA", "3", cost, url=made).code == 0
    return made


def worked_off(url):
    """What a worker would do."""
    with Khata.open(url) as book:
        book.worker({}).work()


def test_stock_over_http(client):
    """Defined, received, allocated, given back, counted; errors are Khata's own."""
    client.define_item("RICE", "Rice, 1 kg", taka("80.00"))
    assert client.change_item("RICE", price=taka("85.00")).result.price == "85.00"
    for quantity in (3, 5):
        client.receive_stock("RICE", quantity, taka("240.01"), paid_from="payable/suppliers")
    made = client.allocate_stock("RICE", 4, "order/M1", owner="alice").result
    assert [(line.lot, line.quantity) for line in made.lines] == [(1, 3), (2, 1)]
    assert [lot.number for lot in client.stock_lots("RICE", open_only=True).items] == [2]
    with pytest.raises(InsufficientStock) as refused:
        client.allocate_stock("RICE", 5, "order/M2")
    assert refused.value.details["expected"] == 4
    assert client.give_stock_back(made.id, "One too many.", quantity=1).result.returned == 1
    assert client.adjust_stock("RICE", 2, -1, "Torn.").result.lost == 1
    assert client.stock_allocation(made.id).returned == 1
    assert [item.id for item in client.each_stock_allocations(subject="order/M1")] == [made.id]
    assert [item.remaining for item in client.stock_items().items if item.sku == "RICE"] == [4]
    for ask in (lambda: client.stock_item("none"), lambda: client.stock_allocation("alc_none")):
        with pytest.raises(StockNotFound):
            ask()
    assert client.check_stock().items == []


def test_an_investment_over_http(client, server):
    """Begun through the door, worked off, held; and taken back with its shares and money."""
    wallet = client.open_wallet("inez", "BDT").result.path
    client.define_item("SHARE-H", "Shares", taka("50.00"), item_kind="share")
    client.receive_stock("SHARE-H", 5, taka("150.00"), paid_from="equity/capital")
    came = {"received": taka("210.00"), "evidence": "Slip 7."}
    begun = client.start_investment("H1", wallet, "SHARE-H", 4, **came).result
    assert begun.status == "started"
    with pytest.raises(InvalidTransition):
        client.cancel_investment(begun.id, "Too early.")
    worked_off(server.database_url)
    done = client.investment(begun.id)
    assert (done.status, done.paid, client.balance(wallet).balance) == (
        "completed",
        "200.00",
        "10.00",
    )
    assert [item.quantity for item in client.holdings("inez").items] == [4]
    assert client.cancel_investment(begun.id, "Within the week.").result.status == "cancelled"
    assert [item.id for item in client.each_investments(owner="inez")] == [begun.id]
    assert (client.holdings("inez").items, client.balance(wallet).balance) == ([], "210.00")
    with pytest.raises(InvestmentNotFound):
        client.investment("inv_none")


def test_the_books_over_http(client):
    """By currency, now and before anything happened."""
    client.credit(client.open_wallet("bela", "USD").result.path, Money("7.00", "USD"))
    found = {books.currency: books for books in client.admin_books().items}
    assert (found["USD"].wallets, found["USD"].balanced) == ("7.00", True)
    assert client.admin_books(at="2020-01-01").items == []


def test_numbers_that_are_none_are_refused_over_http(server):
    """Fractions, words and what is beyond all measure: one clear error."""
    with server.http() as http:
        asks = Asks(http)
        body = {"sku": "SALT", "title": "Salt", "price": {"amount": "1.00", "currency": "BDT"}}
        assert asks.post("/v1/stock", body).status_code == 201
        for quantity in (0, -1, 1.5, "2", 10**13, 10**30, True, None):
            cost = {"amount": "1.00", "currency": "BDT"}
            answer = asks.post("/v1/stock/SALT/lots", {"quantity": quantity, "cost": cost})
            assert answer.status_code in {400, 422}, (quantity, answer.text)
            assert answer.json()["code"] == "invalid_input"


def test_stock_on_the_command_line(url):
    """Listed, allocated, given back, counted, checked."""
    assert "TEA" in khata("stock", "list", url=url).out
    made = khata("stock", "allocate", "TEA", "4", "order/M1", "--json", url=url).json()
    name = made["result"]["id"]
    assert [line["lot"] for line in made["result"]["lines"]] == [1, 2]
    few = khata("stock", "allocate", "TEA", "3", "order/M2", url=url)
    assert (few.code, "insufficient_stock" in few.err) == (3, True)
    why = ("--reason", "Not wanted.")
    assert khata("stock", "return", name, "1", *why, url=url).code == 0
    assert khata("stock", "adjust", "TEA", "2", "-1", *why, url=url).code == 0
    assert name in khata("stock", "allocations", "--subject", "order/M1", url=url).out
    item = khata("stock", "show", "TEA", "--json", url=url).json()["item"]
    assert (item["remaining"], item["lost"], item["cost"]) == (2, 1, "8.00")
    assert khata("stock", "change", "TEA", "--price", "6.00", url=url).code == 0
    checked = khata("stock", "check", url=url)
    assert (checked.code, "say the same" in checked.out) == (0, True)
    assert khata("stock", "show", "COFFEE", url=url).code == 4
    with Khata.open(url) as book, book.database.changing() as connection:
        connection.exec_driver_sql("UPDATE stock_items SET remaining = 3")
    checked = khata("stock", "check", url=url)
    assert (checked.code, "remaining" in checked.out) == (1, True)


def test_investments_on_the_command_line(url):
    """Begun, worked off, shown, held, taken back; an owner sees their own."""
    khata("stock", "define", "SHARE-A", "Shares", "50.00", "BDT", "--kind", "share", url=url)
    khata("stock", "receive", "SHARE-A", "5", "150.00", "--from", "equity/capital", url=url)
    came = ("--received", "100.00", "--evidence", "Slip 7.")
    begun = khata("investments", "start", "I1", ALICE, "SHARE-A", "4", *came, "--json", url=url)
    name = begun.json()["result"]["id"]
    worked_off(url)
    shown = khata("investments", "show", name, url=url)
    assert ("completed" in shown.out, "4 of SHARE-A at" in shown.out) == (True, True)
    held = khata("investments", "holdings", "alice", "--json", url=url)
    assert held.json()["paid"] == "200.00"
    other = khata("investments", "show", name, "--actor", "owner:bob", url=url)
    assert other.code == 6
    mine = khata("investments", "list", "--json", "--actor", "owner:alice", url=url)
    assert [item["id"] for item in mine.lines()] == [name]
    gone = khata("investments", "cancel", name, "--reason", "Within the week.", url=url)
    assert (gone.code, "cancelled" in gone.out) == (0, True)
    assert "No shares." in khata("investments", "holdings", "alice", url=url).out
    with Khata.open(url) as book:
        assert balance(book) == "1100.00"


def test_the_books_on_the_command_line(url):
    """What the house has and owes; of an earlier instant too; not for owners."""
    shown = khata("books", url=url)
    assert (shown.code, "৳22.00" in shown.out, "together" in shown.out) == (0, True, True)
    books = khata("books", "--json", url=url).json()
    assert (books["cash"], books["inventory"], books["wallets"], books["balanced"]) == (
        "978.00",
        "22.00",
        "1000.00",
        True,
    )
    assert "Nothing was entered" in khata("books", "--at", "2020-01-01", url=url).out
    assert khata("books", "--actor", "owner:alice", url=url).code == 6
