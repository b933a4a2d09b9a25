"""Sales through the doors: a server with its workers, the client, and the command line."""

import time

import pytest

from khata import Khata, Money
from khata.domain import setup
from khata.domain.wallets import Credit, OpenWallet
from khata.edge.client import AsyncClient, Client, sale_calls
from khata.errors import InvalidTransition, RefundExceeded, RoleRequired
from khata.errors.market import SaleNotFound
from khata.testing import VirtualClock
from tests.edge.command_line import balance, khata
from tests.edge.serving import PATIENCE, Asks, a_key, money, serving, serving_sqlite
from tests.payers import SANDBOX
from tests.sellers import CREATOR, CUSTOMER, PARTNER, RIDER, Market
from tests.servers import sqlite_at

HOUSE = "revenue/commission"
PEOPLE = (("alice", "personal"), ("karim", "partner"), ("mitu", "creator"), ("rahim", "rider"))


def taka(amount):
    return Money(amount, "BDT")


def settle(client):
    """Wallets for everybody; alice has 5000.00."""
    for person, kind in PEOPLE:
        client.open_wallet(person, "BDT", wallet_kind=kind)
    client.credit(CUSTOMER, taka("5000.00"))


def once(client, ref, status):
    """The sale when its workers have brought it there."""
    end = time.monotonic() + PATIENCE
    while (found := client.sale(ref)).status != status:
        assert time.monotonic() < end, f"{ref} is still {found.status}"
    return found


# ── HTTP ─────────────────────────────────────────────────────────────────────────────


def test_the_worked_figures_over_http(database_url):
    """1000.00 because of a video: 50.00, 150.00, 800.00, and 60.00 for who brought it; without
    one 50.00 and 950.00. The server's own workers do what commands leave to them.
    """
    with serving(database_url) as server, Client(server.url, server.key) as client:
        settle(client)
        video = {"creator": "mitu", "video": "V1", "delivery_fee": taka("60.00")}
        placed = client.place_sale(
            "M1", "alice", "karim", taka("1000.00"), **video, wallet=CUSTOMER
        ).result
        assert (placed.status, placed.due) == ("paid", "1060.00")
        assert client.assign_rider("M1", "rahim").result.fee == "60.00"
        client.deliver_sale("M1")
        done = once(client, "M1", "completed")
        assert {leg.name: leg.received for leg in done.legs} == {
            "platform": "50.00",
            "creator": "150.00",
            "partner": "800.00",
            "delivery": "60.00",
        }
        client.place_sale("M2", "alice", "karim", taka("1000.00"), wallet=CUSTOMER)
        client.deliver_sale("M2")
        assert [leg.received for leg in once(client, "M2", "completed").legs] == ["50.00", "950.00"]
        wallets = (CUSTOMER, PARTNER, CREATOR, RIDER)
        assert [client.balance(ref).balance for ref in wallets] == [
            "2940.00",
            "1750.00",
            "150.00",
            "60.00",
        ]
        found = client.trace("order/M1")
        assert (found.subject, found.adds_up) == ("order/M1", True)
        assert {it.account: it.net for it in found.effects} == {
            f"wallet/{CUSTOMER}": "-1060.00",
            f"wallet/{PARTNER}": "800.00",
            f"wallet/{CREATOR}": "150.00",
            f"wallet/{RIDER}": "60.00",
            "escrow/order/M1": "0.00",
            HOUSE: "50.00",
        }
        assert client.mission(done.mission).status == "delivered"
        assert client.verify().ok


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving_sqlite(tmp_path_factory.mktemp("sales"), KHATA_WORKER="0") as found:
        with Client(found.url, found.key) as client:
            settle(client)
        yield found


@pytest.fixture
def client(server):
    with Client(server.url, server.key) as made:
        yield made


def test_a_sale_is_paid_cancelled_and_refunded_over_http(client):
    """Errors are Khata's own; a dry run moves nothing; the same key is the same sale."""
    place = ("H1", "alice", "karim", taka("100.00"))
    first = client.place_sale(*place, key="place-h1")
    assert client.place_sale(*place, key="place-h1").replayed
    assert first.result.status == "placed"
    with pytest.raises(InvalidTransition):
        client.refund_sale("H1", "Broken.")
    assert client.pay_sale("H1", method="wallet", wallet=CUSTOMER).result.status == "paid"
    assert client.refund_sale("H1", "Broken.", dry_run=True).result.refunded == "100.00"
    back = client.refund_sale("H1", "Broken.", amount=taka("40.00"), policy="keep_fee").result
    assert (back.refunded, back.status) == ("40.00", "paid")
    named = {"partner": taka("10.00")}
    assert client.refund_sale("H1", "Broken.", policy="named", named=named).result.refunded == (
        "50.00"
    )
    with pytest.raises(RefundExceeded):
        client.refund_sale("H1", "More.", amount=taka("50.01"))
    gone = client.cancel_sale("H1", "Out of stock.", fault="partner").result
    assert (gone.status, gone.refunded) == ("cancelled", "100.00")
    with pytest.raises(SaleNotFound):
        client.sale("H9")


def test_sales_and_missions_are_listed_over_http(client):
    """By any filter, page by page."""
    for ref in ("L1", "L2", "L3"):
        client.place_sale(
            ref, "alice", "karim", taka("10.00"), wallet=CUSTOMER, delivery_fee=taka("5.00")
        )
    client.assign_rider("L2", "rahim")
    listed = [item.ref for item in client.each_sales(partner="karim", limit=1)]
    assert [ref for ref in listed if ref[0] == "L"] == ["L3", "L2", "L1"]
    assert [item.ref for item in client.sales(status="dispatched").items] == ["L2"]
    assert [item.sale for item in client.each_missions(rider="rahim")] == ["L2"]
    assert client.missions(status="delivered").items == []


def test_who_has_no_business_with_sales_is_refused(server):
    """Finance refunds and places nothing."""
    key = a_key(server.database_url, roles=["finance"])
    with Client(server.url, key) as finance:
        with pytest.raises(RoleRequired):
            finance.place_sale("R1", "alice", "karim", taka("10.00"))
        with pytest.raises(SaleNotFound):
            finance.refund_sale("R1", "Broken.")


def test_what_comes_in_wrong_over_http(server):
    """Problems with codes, for what no client of ours would send."""
    with server.http() as http:
        asks = Asks(http)
        body = {"ref": "W1", "customer": "alice", "partner": "karim", "price": money("10.00")}
        for change, status, code in (
            ({"price": money("0")}, 400, "invalid_amount"),
            ({"price": {"amount": 10, "currency": "BDT"}}, 400, "invalid_input"),
            ({"price": money("1.001")}, 400, "too_many_decimals"),
            ({"customer": "karim"}, 400, "invalid_input"),
            ({"partner": "nobody"}, 404, "wallet_not_found"),
            ({"nonsense": 1}, 400, "invalid_input"),
            ({"ref": "a/b"}, 400, "invalid_input"),
        ):
            answer = asks.post("/v1/sales", {**body, **change})
            assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert asks.post("/v1/sales/none/deliver", {}).json()["code"] == "sale_not_found"
        assert asks.get("/v1/trace/none").json()["code"] == "not_found"
        assert asks.get("/v1/sales", limit=0).status_code == 400


def test_both_clients_know_all_calls_of_sales():
    """Every call is a method of both."""
    built = {name for name, call in vars(sale_calls).items() if callable(call) and name.islower()}
    built -= {"asked", "path_of", "write"}
    for cls in (Client, AsyncClient):
        assert built - set(dir(cls)) == set()


# ── the command line ─────────────────────────────────────────────────────────────────


@pytest.fixture
def market(tmp_path):
    """A market in a file, and its URL."""
    url, clock = sqlite_at(tmp_path / "khata.db"), VirtualClock()
    with Khata.open(url, clock=clock) as book:
        book.submit(setup.Set("providers", SANDBOX))
        for person, kind in PEOPLE:
            book.submit(OpenWallet(person, "BDT", kind))
        book.submit(Credit(CUSTOMER, taka("5000.00")))
    return url, clock


def work(market, seconds=1):
    """What workers would do beside the command line."""
    url, clock = market
    with Khata.open(url, clock=clock) as book:
        Market(book, clock).work(seconds)


PLACE = ("place", "M1", "alice", "karim", "1000.00", "BDT")
VIDEO = ("--creator", "mitu", "--video", "V1", "--delivery-fee", "60.00")


def test_a_sale_goes_its_way_on_the_command_line(market):
    """Placed, paid, assigned, delivered; what everybody got is shown."""
    url, _ = market

    def sales(*words):
        done = khata("sales", *words, url=url)
        assert done.code == 0, done.err
        return done.out

    assert "to pay" in sales(*PLACE, *VIDEO)
    work(market)
    assert "is paid" in sales("pay", "M1", "--wallet", CUSTOMER)
    work(market)
    assert "nobody yet" in sales("show", "M1")
    assert "Brought by rahim for ৳60.00" in sales("assign", "M1", "rahim")
    assert "delivered" in sales("deliver", "M1")
    work(market)
    shown = sales("show", "M1")
    for amount in ("৳50.00", "৳150.00", "৳800.00", "৳60.00", "completed"):
        assert amount in shown
    assert "M1" in sales("list", "--partner", "karim", "--status", "completed")
    assert "rahim" in sales("missions", "--rider", "rahim")
    assert balance(url, PARTNER) == "800.00"
    assert '"adds_up":true' in khata("trace", "M1", "--json", url=url).out


def test_a_sale_is_taken_back_on_the_command_line(market):
    """Refunded by policy and by name, cancelled; the exit code says what was refused."""
    url, _ = market
    for ref in ("M1", "M2"):
        words = ("place", ref, *PLACE[2:], "--wallet", CUSTOMER, "--days", "3")
        assert khata("sales", *words, url=url).code == 0
    why = ("--reason", "One was broken.")
    part = khata("sales", "refund", "M1", "200.00", "--policy", "keep_fee", *why, url=url)
    assert (part.code, "৳200.00" in part.out) == (0, True)
    named = ("--policy", "named", "--leg", "partner=50.00", "--fault", "partner")
    done = khata("sales", "refund", "M1", *named, *why, "--json", url=url).json()
    assert done["result"]["refunded"] == "250.00"
    over = khata("sales", "refund", "M1", "750.01", *why, url=url)
    assert (over.code, "refund_exceeded" in over.err) == (3, True)
    assert khata("sales", "refund", "M1", "--leg", "partner", *why, url=url).code == 3
    assert khata("sales", "cancel", "M2", *why, url=url).code == 0
    assert khata("sales", "show", "M2", "--json", url=url).json()["status"] == "cancelled"
    assert khata("sales", "show", "none", url=url).code == 4
    assert balance(url, CUSTOMER) == "4250.00"


def test_other_ways_to_pay_on_the_command_line(market):
    """By card, and part by wallet; nothing to list is said so."""
    url, _ = market
    assert "No sales." in khata("sales", "list", url=url).out
    assert "No missions." in khata("sales", "missions", url=url).out
    for ref in ("M1", "M2"):
        assert khata("sales", "place", ref, *PLACE[2:], "--country", "BD", url=url).code == 0
    card = khata("sales", "pay", "M1", "--provider", "sandbox", "--way", "card", url=url)
    assert (card.code, "is pending" in card.out) == (0, True)
    mixed = khata("sales", "pay", "M2", "--wallet", CUSTOMER, "--part", "300.00", url=url)
    assert (mixed.code, "is pending" in mixed.out) == (0, True)
    assert khata("sales", "deliver", "M1", "--late", url=url).code == 3
    assert len(khata("sales", "list", "--json", url=url).lines()) == 2


def test_an_owner_on_the_command_line_sees_only_their_own(market):
    """As anywhere."""
    url, _ = market
    assert khata("sales", *PLACE, url=url).code == 0
    assert khata("sales", "show", "M1", "--actor", "owner:karim", url=url).code == 0
    assert khata("sales", "show", "M1", "--actor", "owner:bob", url=url).code == 6
