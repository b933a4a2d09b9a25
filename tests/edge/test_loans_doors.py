"""Debts and loans at the doors: HTTP, the client, the command line."""

import zlib

import pytest

from khata import Khata
from khata.domain import access
from khata.edge.client import Client
from khata.errors import ApprovalRequired, ScopeRequired
from khata.errors.market import RepaymentExceeded
from tests.builders import ALICE, bdt, discrepancies
from tests.edge import command_line
from tests.edge.command_line import khata
from tests.edge.serving import Asks, a_key, money, serving_sqlite
from tests.servers import sqlite_at


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server; nobody works sagas off."""
    with serving_sqlite(tmp_path_factory.mktemp("loans"), KHATA_WORKER="0") as running:
        yield running


@pytest.fixture
def asks(server):
    with server.http() as http:
        yield Asks(http)


@pytest.fixture
def name(request):
    """An owner of this test's own."""
    return f"o{zlib.crc32(request.node.name.encode()):x}"


# ── HTTP ─────────────────────────────────────────────────────────────────────────────


def test_a_loan_through_the_client(server, asks, name):
    """Granted, looked at, repaid, given up; every word of the client reaches its operation."""
    wallet = asks.wallet(name, "100.00")
    with Client(server.url, server.key) as client:
        tried = client.grant_loan(wallet, bdt("1000.00"), dry_run=True).result
        assert tried.status == "open"
        assert client.loans(owner=name).items == []
        made = client.grant_loan(
            wallet, bdt("1000.00"), instalments=4, every_days=7, fee=bdt("50.00"), key=f"g-{name}"
        ).result
        again = client.grant_loan(
            wallet, bdt("1000.00"), instalments=4, every_days=7, fee=bdt("50.00"), key=f"g-{name}"
        )
        assert (again.replayed, again.result) == (True, made)
        statement = client.loan(made.id)
        assert [part.amount for part in statement.instalments] == ["262.50"] * 4
        assert client.repay_loan(made.id, bdt("262.50")).result.outstanding == "787.50"
        path = f"{name}/personal/BDT"
        assert client.repay_debt(made.debt, path, bdt("87.50")).result.outstanding == "700.00"
        assert [item.way for item in client.each_repayments(made.debt)] == ["by_hand"] * 2
        assert client.debt(made.debt).reference == made.id
        assert [item.id for item in client.each_debts(owner=name)] == [made.debt]
        advance = client.advance_float(wallet, bdt("20.00"), reference="shift 7").result
        assert [item.id for item in client.each_loans(owner=name)] == [advance.id, made.id]
        assert [item.id for item in client.loans(owner=name, kind="float").items] == [advance.id]
        assert client.mark_overdue_loans([made.id]).result.overdue == []
        off = client.write_off_loan(made.id, "moved", amount=bdt("100.00")).result
        assert off.written_off == "100.00"
        assert client.write_off_debt(advance.debt, "moved").result.status == "written_off"
        assert client.set_netting(["refund"], {"refund": 9000}).result.most["refund"] == 9000
        usual = ["refund", "mover_float", "dhaar_loan"]
        assert client.set_netting(usual).result == client.netting()
        assert client.unexplained_debts().items == []


def test_what_is_refused_has_its_status(server, asks, name):
    """400, 404, 422: each with its code; the client raises what it was."""
    wallet = asks.wallet(name, "10.00")
    grant = {"wallet": wallet, "amount": money("10.00")}
    made = asks.post("/v1/loans", grant)
    assert made.status_code == 201
    loan = made.json()["result"]["id"]
    for answer, status, code in (
        (asks.post("/v1/loans", grant), 422, "loan_refused"),
        (asks.post(f"/v1/loans/{loan}/repay", {"amount": money("10.01")}), 422,
         "repayment_exceeded"),
        (asks.post("/v1/loans/loa_0/repay", {"amount": money("1.00")}), 404, "loan_not_found"),
        (asks.get("/v1/loans/loa_0"), 404, "loan_not_found"),
        (asks.get("/v1/debts/dbt_0"), 404, "debt_not_found"),
        (asks.get("/v1/loans", status="late"), 400, "invalid_input"),
        (asks.post("/v1/netting", {"order": ["gift"]}), 400, "invalid_input"),
    ):  # fmt: skip
        assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert asks.get("/v1/due-loans").json() == {"loans": []}
    finance = a_key(server.database_url, roles=["finance"], scopes=["write"])
    with Client(server.url, finance) as client:
        with pytest.raises(ApprovalRequired):
            client.write_off_loan(loan, "moved")
        with pytest.raises(ScopeRequired):
            client.set_netting([])
        with pytest.raises(RepaymentExceeded):
            client.repay_loan(loan, bdt("10.01"))


# ── the command line ─────────────────────────────────────────────────────────────────


@pytest.fixture
def url(tmp_path):
    """A book in which Alice has 1,000 taka."""
    return command_line.a_book(sqlite_at(tmp_path / "khata.db"))


def test_the_command_line_lends(url):
    """Granted, shown, repaid; a float; lists as tables and as JSON."""
    terms = ("--instalments", "4", "--every-days", "7", "--fee", "50.00", "--reference", "eid")
    made = khata("loans", "grant", ALICE, "1000.00", *terms, "--json", url=url).json()["result"]
    assert "৳1,050.00" in khata("loans", "show", made["id"], url=url).out
    assert "৳787.50" in khata("loans", "repay", made["id"], "262.50", url=url).out
    shown = khata("loans", "show", made["id"], url=url).out
    assert "by hand" in shown
    assert "eid" in shown
    assert khata("loans", "show", made["id"], "--json", url=url).json()["more"] is None
    advance = khata("loans", "float", ALICE, "20.00", "--reference", "shift-7", url=url)
    assert "float" in advance.out
    listed = khata("loans", "list", "--json", url=url).lines()
    assert [item["kind"] for item in listed] == ["float", "dhaar"]
    assert made["id"] in khata("loans", "list", "--kind", "dhaar", url=url).out
    assert khata("loans", "list", "--status", "overdue", url=url).out == "No loans.\n"
    assert "Nothing came to be overdue." in khata("loans", "mark-overdue", url=url).out
    over = khata("loans", "repay", made["id"], "787.51", "--wallet", ALICE, url=url)
    assert (over.code, "787.50" in over.err) == (3, True)
    assert khata("loans", "show", "loa_0", url=url).code == 4
    assert command_line.balance(url, ALICE) == "1757.50"


def test_the_command_line_keeps_debts(url):
    """Shown, repaid, given up by two people; netting is seen and set."""
    made = khata("loans", "grant", ALICE, "100.00", "--json", url=url).json()["result"]
    debt = made["debt"]
    assert "৳60.00" in khata("debts", "repay", debt, ALICE, "40.00", url=url).out
    alone = khata("debts", "write-off", debt, "--reason", "moved", url=url)
    assert (alone.code, "approval_required" in alone.err) == (3, True)
    more = ("--amount", "10.00", "--reason", "moved")
    for words in (("debts", "write-off", debt), ("loans", "write-off", made["id"])):
        asked = khata(*words, *more, "--ask", "please", "--json", url=url).json()
        request = asked["result"]["request"]
        done = khata("approvals", "approve", request, "--actor", "finance:mitu", url=url)
        assert done.code == 0
    shown = khata("debts", "show", debt, url=url).out
    assert "written off" in shown
    found = khata("debts", "show", debt, "--json", url=url).json()
    assert (found["debt"]["outstanding"], len(found["repayments"])) == ("40.00", 3)
    assert debt in khata("debts", "list", "--status", "open", url=url).out
    assert [item["id"] for item in khata("debts", "list", "--json", url=url).lines()] == [debt]
    assert "5000 of 10000" in khata("debts", "netting", url=url).out
    change = ("debts", "set-netting", "refund,dhaar_loan", "--most", "dhaar_loan=2500")
    assert "2500 of 10000" in khata(*change, url=url).out
    assert khata("debts", "netting", "--json", url=url).json()["order"] == ["refund", "dhaar_loan"]
    assert khata("debts", "set-netting", "refund", "--most", "refund", url=url).code == 3
    assert khata("debts", "set-netting", "gift", url=url).code == 3
    assert "Every debt is explained." in khata("debts", "unexplained", url=url).out
    with Khata.open(url) as book:
        assert book.query(access.approvals).items[0].status == "approved"
        assert discrepancies(book) == []


def test_the_command_line_finds_what_is_unexplained(url):
    """An entry by hand on an account of debts: the exit code says so."""
    made = khata("loans", "grant", ALICE, "100.00", "--json", url=url).json()["result"]
    khata("reverse", made["entry"], "--reason", "mistake", "--amount", "30.00", url=url)
    found = khata("debts", "unexplained", "--json", url=url)
    assert (found.code, found.json()["difference"]) == (1, "-30.00")
    assert "receivable/dhaar/alice" in khata("debts", "unexplained", url=url).out
