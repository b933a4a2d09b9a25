"""Orders through the doors: HTTP with its client and uploads, the command line."""

import json
import shlex
import time
from errno import ENOSPC
from unittest.mock import Mock

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from khata import Khata, Money
from khata.base.clock import SECOND, to_iso
from khata.domain import ledger, orders
from khata.domain.orders import AdoptOrder, Line
from khata.edge.client import Client
from khata.engine.verify import verify
from khata.errors import InvalidTransition, KeyReused, NotYours, RoleRequired
from khata.errors.operations import OrderNotFound, ReceiptNotFound, ReceiptRefused
from tests.edge.command_line import ALICE, a_book, balance, khata
from tests.edge.serving import Asks, serving_sqlite
from tests.pure.test_orders_page import PAGE, rows_below
from tests.servers import sqlite_at
from tests.slips import SLIPS, a_jpeg, a_pdf, a_png

KEY = ECKey.generate_key("P-256", {"kid": "ec"})
CLAIMS = {"iss": "https://id.example", "aud": "khata"}
NAME = "رسید\u200cبانکی ۱۴۰۵.pdf"
TITLE = "قالی دستباف کاشان"
MOST = 4096
ACCOUNTS = ("bank/main", "escrow/order/M1001")


def taka(amount):
    return Money(amount, "BDT")


def a_token(owner):
    body = {**CLAIMS, "sub": owner, "exp": int(time.time()) + 600}
    return jwt.encode({"alg": "ES256", "kid": "ec"}, body, KEY, algorithms=["ES256"])


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("orders")
    settings = {
        "KHATA_JWKS": json.dumps({"keys": [KEY.as_dict(private=False)]}),
        "KHATA_JWT_ISSUER": CLAIMS["iss"],
        "KHATA_JWT_AUDIENCE": CLAIMS["aud"],
        "KHATA_WORKER": "false",
        "KHATA_RECEIPTS": str(folder / "receipts"),
        "KHATA_MAX_RECEIPT": str(MOST),
    }
    with serving_sqlite(folder, **settings) as found:
        found.receipts = folder / "receipts" / "main"
        with found.http() as http:
            for owner in ("alice", "bob", "karim"):
                Asks(http).wallet(owner, "5000.00")
        yield found


@pytest.fixture
def client(server):
    with Client(server.url, server.key) as made:
        yield made


@pytest.fixture
def alice(server):
    with Client(server.url, a_token("alice")) as made:
        yield made


@pytest.fixture
def url(tmp_path, monkeypatch):
    monkeypatch.setenv("KHATA_RECEIPTS", str(tmp_path / "receipts"))
    return a_book(sqlite_at(tmp_path / "khata.db"))


def files(server):
    return sorted(place.name for place in server.receipts.glob("??/*"))


def mixed(client, ref, **more):
    lines = [Line(1, None, TITLE, taka("1000.00"))]
    part = {"pay": "mixed", "wallet": ALICE, "wallet_part": taka("400.00")}
    return client.place_order(ref, "alice", lines, **(part | more)).result


def test_a_mixed_payment_over_http(server, client, alice):
    """Placed, shown by its customer, approved, packed, brought; and the history of it."""
    placed = mixed(client, "M1001", title=TITLE)
    assert (placed.finance, placed.due, placed.lines[0].title) == (
        "wallet_partial",
        "600.00",
        TITLE,
    )
    shown = alice.upload_receipt("M1001", a_pdf(), "application/pdf", name=NAME, key="slip")
    assert (shown.result.name, shown.result.media, shown.replayed) == (
        NAME,
        "application/pdf",
        False,
    )
    again = alice.upload_receipt("M1001", a_pdf(), "application/pdf", name=NAME, key="slip")
    assert (again.replayed, again.result) == (True, shown.result)
    with pytest.raises(KeyReused):
        alice.upload_receipt("M1001", a_pdf("Other"), name=NAME, key="slip")
    assert alice.order("M1001").status == "in_review"
    assert [item.id for item in client.order_receipts("M1001").items] == [shown.result.id]
    for who in (alice, client):
        assert who.receipt_file("M1001", shown.result.id) == a_pdf()
    paid = client.approve_payment("M1001", "Bank line 7.").result
    assert (paid.status, paid.captured, paid.due) == ("confirmed", "1000.00", "0.00")
    with pytest.raises(InvalidTransition):
        client.move_order("M1001", "logistics", "dispatched")
    ways = [("warehouse", "ready"), ("warehouse", "picked"), ("logistics", "dispatched")]
    for axis, to in [*ways, ("logistics", "delivered")]:
        client.move_order("M1001", axis, to)
    assert client.refund_order("M1001", "A scratch.", amount=taka("100.00")).result.refunded == (
        "100.00"
    )
    lines = list(client.each_order_changes("M1001"))
    moves = [line.after for line in lines if line.axis == "finance"]
    assert moves == ["unpaid", "wallet_partial", "receipt_uploaded", "paid", "partially_refunded"]
    assert next(line.by for line in lines if line.after == "receipt_uploaded") == "owner:alice"
    assert [item.ref for item in client.orders(customer="alice", logistics="delivered").items] == [
        "M1001"
    ]


def test_what_is_no_receipt_is_refused_before_the_disk(server, client, alice):
    """Wrong types, wrong names, too large, somebody else's; nothing is kept."""
    mixed(client, "M1002")
    before = files(server)
    html = b"<!doctype html><script>alert(1)</script>"
    wrong = [
        (html, "image/png", None, "unknown_type"),
        (b"", "application/pdf", None, "empty"),
        (a_png()[:-4], "image/png", None, "truncated"),
        (a_png(), "application/pdf", None, "type_mismatch"),
        (a_png(), "image/png", "slip.pdf", "name_mismatch"),
        (a_png(), "image/png", "../../slip.png", "bad_name"),
        (a_png(), "image/png", "a\0.png", "bad_name"),
    ]
    for data, media, name, reason in wrong:
        with pytest.raises(ReceiptRefused) as refused:
            alice.upload_receipt("M1002", data, media, name=name)
        assert refused.value.details["reason"] == reason
    with server.http(a_token("alice")) as http:
        path, headers = "/v1/orders/M1002/receipts", {"idempotency-key": "large"}
        large = a_pdf("x" * MOST)
        for content in (large, iter([large])):  # with a length, and without one
            answer = http.post(path, content=content, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
        for media in ("text/html", "application/json", "image/svg+xml"):
            typed = headers | {"content-type": media}
            assert http.post(path, content=html, headers=typed).status_code == 415
        assert http.post(path, content=a_pdf()).json()["code"] == "invalid_key"
    with Client(server.url, a_token("bob")) as bob:
        for ref in ("M1002", "M9999"):
            with pytest.raises(NotYours):
                bob.upload_receipt(ref, a_pdf("Bob"))
    with pytest.raises(OrderNotFound):
        client.upload_receipt("M9999", a_pdf("None"))
    assert alice.upload_receipt("M1002", a_pdf("Dry"), dry_run=True).result.status == "uploaded"
    assert (files(server), client.order("M1002").receipt) == (before, None)


def test_a_file_goes_out_as_it_came_or_not_at_all(server, client, alice):
    """As a download, to its customer and to staff; not when it was altered."""
    mixed(client, "M1003", seller=None)
    first = client.upload_receipt("M1003", a_jpeg(1), "image/jpeg", name="slip.jpg").result
    second = client.upload_receipt("M1003", a_jpeg(2), "image/jpeg").result
    statuses = {item.id: item.status for item in client.order_receipts("M1003").items}
    assert statuses == {first.id: "replaced", second.id: "uploaded"}
    mixed(client, "M1004")
    with pytest.raises(ReceiptRefused) as refused:
        client.upload_receipt("M1004", a_jpeg(2))
    assert refused.value.details["reason"] == "used"
    with server.http() as http:
        answer = http.get(f"/v1/orders/M1003/receipts/{first.id}")
        assert (answer.content, answer.headers["content-type"]) == (a_jpeg(1), "image/jpeg")
        assert answer.headers["content-disposition"].startswith("attachment;")
        assert "filename*=UTF-8''slip.jpg" in answer.headers["content-disposition"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "sandbox" in answer.headers["content-security-policy"]
        for path in (f"M1004/receipts/{first.id}", "M1003/receipts/rct_none"):
            assert http.get(f"/v1/orders/{path}").json()["code"] == "receipt_not_found"
        fetched = http.get(f"/v1/orders/M1003/receipts/{first.id}", params={"x": "1"})
        assert fetched.status_code == 400
    with Client(server.url, a_token("bob")) as bob:
        for ask in (bob.order_receipts, lambda ref: bob.receipt_file(ref, first.id), bob.order):
            with pytest.raises(NotYours):
                ask("M1003")
    place = server.receipts / first.sha256[:2] / first.sha256
    place.write_bytes(a_jpeg(3))
    with pytest.raises(ReceiptNotFound):
        alice.receipt_file("M1003", first.id)
    place.unlink()
    with pytest.raises(ReceiptNotFound):
        alice.receipt_file("M1003", first.id)
    assert alice.receipt_file("M1003", second.id) == a_jpeg(2)


def test_the_other_ways_over_http(client, alice, server):
    """Rejected, given more time, called off, paid later, adopted; what owners may not do."""
    mixed(client, "M1005")
    alice.upload_receipt("M1005", a_png(5), "image/png")
    assert client.reject_payment("M1005", "No such transfer.").result.finance == "wallet_partial"
    until = to_iso(int((time.time() + 30 * 86_400) * SECOND))
    assert client.extend_grace("M1005", until, "Bank holiday.").result.grace_ends_at == until
    with pytest.raises(RoleRequired):
        alice.approve_payment("M1005", "Trust me.")
    assert alice.cancel_order("M1005", "Changed my mind.").result.status == "cancelled"
    lines = [Line(2, None, "Cup", taka("50.00"))]
    assert client.place_order("M1006", "alice", lines).result.finance == "unpaid"
    assert alice.pay_order("M1006", "wallet").result.finance == "paid"
    wanted = AdoptOrder(
        "M1007", "alice", taka("10.00"), "bank_transfer_grace", "waiting", "waiting", "pending",
        "2026-01-31T09:00:00Z", "Taken over.",
    )  # fmt: skip
    assert client.adopt_order(wanted).result.adopted
    policy = client.set_order_policy(grace_days=2, sla={"warehouse.waiting": 1}).result
    assert (policy.grace_days, client.order_policy()) == (2, policy)
    assert client.overdue_orders(axis="finance").items == []
    with pytest.raises(OrderNotFound):
        client.order("M9999")
    with Khata.open(server.database_url) as book:
        assert verify(book.database, book.book_id).ok


def test_a_mixed_payment_on_the_command_line(url, tmp_path):
    """As the page tells it: placed, shown, approved, moved; listed and told."""
    slip = tmp_path / NAME
    slip.write_bytes(a_pdf())
    part = ("--pay", "mixed", "--wallet", ALICE, "--wallet-part", "400.00")
    line = ("--line", f"{TITLE}=500.00:2", "--currency", "BDT")
    placed = khata("orders", "place", "M1001", "alice", *line, *part, url=url)
    assert (placed.code, "৳600.00" in placed.out, TITLE in placed.out) == (0, True, True)
    dry = khata("orders", "receipt", "M1001", str(slip), "--dry-run", url=url)
    assert (dry.code, (tmp_path / "receipts").exists()) == (0, False)
    shown = khata("orders", "receipt", "M1001", str(slip), "--json", url=url)
    name = shown.json()["result"]["id"]
    assert NAME in khata("orders", "receipts", "M1001", url=url).out
    out = tmp_path / "out.pdf"
    assert khata("orders", "file", name, "-o", str(out), url=url).code == 0
    assert (out.read_bytes(), khata("orders", "file", name, "-o", str(out), url=url).code) == (
        a_pdf(),
        1,
    )
    short = khata("orders", "approve", "M1001", "500.00", "--evidence", "Line 7", url=url)
    assert (short.code, "short" in short.err) == (3, True)
    approve = ("orders", "approve", "M1001", "500.00", "--short", "wallet", "--evidence", "Line 7")
    assert khata(*approve, url=url).code == 0
    assert balance(url, ALICE) == "500.00"
    for axis, to in (("warehouse", "ready"), ("warehouse", "picked"), ("logistics", "dispatched")):
        assert khata("orders", "move", "M1001", axis, to, url=url).code == 0
    assert khata("orders", "move", "M1001", "warehouse", "ready", url=url).code == 3
    found = khata("orders", "show", "M1001", "--json", url=url).json()
    assert (found["status"], found["captured"]) == ("dispatched", "1000.00")
    told = khata("orders", "history", "M1001", url=url).out
    assert all(word in told for word in ("receipt_uploaded", "dispatched", "Line 7", "admin:"))
    why = ("--reason", "Came broken.")
    assert khata("orders", "refund", "M1001", "100.00", *why, url=url).code == 0
    assert khata("orders", "cancel", "M1001", *why, url=url).code in {0, 3}
    listed = khata("orders", "list", "--customer", "alice", "--json", url=url).lines()
    assert [item["ref"] for item in listed] == ["M1001"]
    assert khata("verify", url=url).code == 0


def test_the_worked_example_of_the_page(url, tmp_path, monkeypatch):
    """Its commands, and after each of them what its table says of wallet, bank and escrow."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "slip.pdf").write_bytes(a_pdf())
    block = PAGE.split("**A mixed payment.**")[1].split("```")[1].replace("\\\n", " ")
    commands = [shlex.split(line)[2:] for line in block.splitlines() if line.startswith("$ ")]
    columns = [
        "after",
        "wallet: balance, available",
        "`bank/main`",
        "`escrow/order/M1001`",
        "finance",
    ]
    for words, row in zip([(), *commands], rows_below(columns), strict=True):
        if words:
            assert khata(*words, url=url).code == 0
        wallet = khata("wallets", "show", ALICE, "--json", url=url).json()
        with Khata.open(url) as book:
            trial = {line.code: line for line in book.query(ledger.trial_balance)}
            found = {order.finance for order in book.query(orders.orders).items}
        sums = [trial[code].balance if code in trial else "0.00" for code in ACCOUNTS]
        stands = [f"{wallet['balance']}, {wallet['available']}", *sums]
        assert [*stands, "".join(f"`{name}`" for name in found)] == row[1:]


def test_on_a_full_disk_nothing_happens(url, tmp_path, monkeypatch):
    """The order waits for its receipt as before; once there is room, the same again works."""
    place = ("orders", "place", "M4", "alice", "--line", "Cup=50.00", "--currency", "BDT")
    assert khata(*place, "--pay", "bank", url=url).code == 0
    slip = tmp_path / "slip.png"
    slip.write_bytes(a_png())
    upload = ("orders", "receipt", "M4", str(slip), "--key", "slip")
    with monkeypatch.context() as patch:
        patch.setattr("khata.edge.receipts.store._sync", Mock(side_effect=OSError(ENOSPC, "full")))
        full = khata(*upload, url=url)
    assert (full.code, "storage_full" in full.err) == (7, True)
    assert khata("orders", "show", "M4", "--json", url=url).json()["receipt"] is None
    assert khata(*upload, url=url).code == 0


def test_the_rest_on_the_command_line(url, tmp_path):
    """Paid later, rejected, more time, policy, what is late; files that nobody named."""
    place = ("orders", "place", "M2", "alice", "--line", "Cup=50.00", "--currency", "BDT")
    assert khata(*place, url=url).code == 0
    assert khata("orders", "place", "M3", "alice", "--line", "Cup", url=url).code == 3
    assert khata("orders", "pay", "M2", "bank", url=url).code == 0
    slip = tmp_path / "slip.webp"
    slip.write_bytes(SLIPS["image/webp"][1])
    assert khata("orders", "receipt", "M2", str(slip), url=url).code == 0
    wrong = khata("orders", "receipt", "M2", str(slip), "--name", "slip.pdf", url=url)
    assert (wrong.code, "receipt_refused" in wrong.err) == (3, True)
    assert khata("orders", "receipt", "M2", str(slip), "--ask", "Please", url=url).code == 3
    assert khata("orders", "receipt", "M9", str(slip), url=url).code == 4
    assert khata("orders", "reject", "M2", "--reason", "No such transfer", url=url).code == 0
    until = ("orders", "extend", "M2", "2020-01-01", "--reason", "Holiday", url)
    assert khata(*until[:-1], url=url).code == 3
    setting = ("orders", "set-policy", "--grace-days", "2", "--sla", "warehouse.waiting=60")
    assert khata(*setting, url=url).code == 0
    assert khata("orders", "policy", "--json", url=url).json()["sla"]["warehouse.waiting"] == 60
    assert khata("orders", "set-policy", "--sla", "warehouse", url=url).code == 3
    assert "No order is late" in khata("orders", "overdue", url=url).out
    assert khata("orders", "cancel", "M2", "--reason", "Not wanted", url=url).code == 0
    swept = khata("orders", "sweep", "--json", url=url).json()
    assert swept == {"known": 1, "removed": []}
    assert khata("orders", "sweep", "--older-than-hours", "0", url=url).code == 3
