"""Escrows through the doors: HTTP with its client, and the command line."""

import pytest

from khata import Khata, Money
from khata.domain.escrow import Receiver
from khata.domain.holds import PlaceHold
from khata.edge.client import Client
from khata.errors import RefundExceeded, RoleRequired
from khata.errors.market import EscrowDisputed, EscrowNotFound
from tests.edge.command_line import ALICE, BOB, a_book, balance, khata
from tests.edge.serving import Asks, a_key, serving_sqlite
from tests.servers import sqlite_at

HOUSE = "revenue/commission"


def taka(amount):
    return Money(amount, "BDT")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving_sqlite(tmp_path_factory.mktemp("escrow")) as found:
        yield found


@pytest.fixture
def client(server):
    with Client(server.url, server.key) as made:
        yield made


def people(client, payer, partner):
    """Their wallets; who pays has 1000.00."""
    wallet = client.open_wallet(payer, "BDT").result.path
    client.credit(wallet, taka("1000.00"))
    return wallet, client.open_wallet(partner, "BDT", wallet_kind="partner").result.path


def test_an_escrow_is_kept_over_http(client):
    """Funded by rule, disputed, settled, delivered, released in part, given back; a slash in its
    reference changes nothing.
    """
    wallet, partner = people(client, "paula", "karim")
    ref = "order/H1"
    made = client.fund_escrow(
        ref,
        taka("1000.00"),
        wallet=wallet,
        parties={"partner": partner},
        release_on="delivery",
        release_days=3,
    ).result
    assert [(leg.name, leg.held) for leg in made.legs] == [
        ("platform", "50.00"),
        ("partner", "950.00"),
    ]
    client.dispute_escrow(ref, "Not what I ordered.")
    with pytest.raises(EscrowDisputed):
        client.release_escrow(ref, "Fine.")
    client.settle_escrow_dispute(ref, "They agreed.")
    assert client.confirm_escrow_delivery(ref, "Signed for.").result.delivered_at
    some = client.release_escrow(ref, "A half.", amount=taka("500.00"), legs=["partner"]).result
    assert (some.status, some.held) == ("partly_released", "500.00")
    back = client.refund_escrow(ref, "Broken.", amount=taka("95.00"), policy="keep_fee").result
    assert (back.refunded, client.balance(wallet).balance) == ("95.00", "95.00")
    named = {"platform": taka("5.00")}
    assert client.refund_escrow(ref, "Broken.", policy="named", named=named).result.held == "400.00"
    with pytest.raises(RefundExceeded):
        client.refund_escrow(ref, "Broken.", amount=taka("900.01"))
    assert [step.kind for step in client.escrow(ref).history] == [
        "funded",
        "disputed",
        "settled",
        "delivered",
        "released",
        "refunded",
        "refunded",
    ]
    assert client.unexplained_escrows().items == []


def test_escrows_are_listed_over_http(client):
    """By who paid, and by status; one that is not there is not found."""
    wallet, partner = people(client, "mina", "nadir")
    receivers = [Receiver("partner", partner, taka("10.00"))]
    for ref in ("L1", "L2", "L3"):
        client.fund_escrow(ref, taka("10.00"), wallet=wallet, receivers=receivers)
    client.release_escrow("L2", "Fine.")
    assert [item.ref for item in client.each_escrows(owner="mina", limit=1)] == ["L3", "L2", "L1"]
    assert [item.ref for item in client.escrows(owner="mina", status="released").items] == ["L2"]
    with pytest.raises(EscrowNotFound):
        client.escrow("none")


def test_a_dry_run_over_http_moves_nothing(client):
    """It says what would be."""
    wallet, partner = people(client, "dipa", "omar")
    client.fund_escrow("D1", taka("100.00"), wallet=wallet, parties={"partner": partner})
    assert client.release_escrow("D1", "Fine.", dry_run=True).result.status == "released"
    assert client.escrow("D1").status == "held"


def test_what_comes_in_wrong_over_http(server):
    """Problems with codes: a policy that is none, a reason that is none, a role that may not."""
    with server.http() as http:
        asks = Asks(http)
        wallet = asks.wallet("wrong", "100.00")
        receivers = [{"name": "fee", "to": "revenue/fee", "amount": _json("10.00")}]
        body = {"ref": "W1", "amount": _json("10.00"), "wallet": wallet, "receivers": receivers}
        assert asks.post("/v1/escrows", body).status_code == 201
        assert asks.post("/v1/escrows", body).json()["code"] == "already_exists"
        for wrong, status in (
            ({"reason": "x", "policy": "nonsense"}, 400),
            ({"reason": ""}, 400),
            ({"reason": "x", "amount": _json("10.01")}, 422),
        ):
            assert asks.post("/v1/escrows/W1/refunds", wrong).status_code == status
    key = a_key(server.database_url, roles=["support"])
    with Client(server.url, key) as support, pytest.raises(RoleRequired):
        support.release_escrow("W1", "Fine.")


def _json(amount):
    return {"amount": amount, "currency": "BDT"}


# ── the command line ─────────────────────────────────────────────────────────────────


@pytest.fixture
def url(tmp_path):
    return a_book(sqlite_at(tmp_path / "khata.db"))


WHY = ("--reason", "As they agreed.")
FUND = ("escrow", "fund", "order/M1", "400.00", "--wallet", ALICE)


def test_an_escrow_is_kept_on_the_command_line(url):
    """Funded by rule, looked at, delivered, released, given back."""
    funded = khata(*FUND, "--party", f"partner={BOB}", "--on", "delivery", "--days", "3", url=url)
    assert (funded.code, "3 days after delivery" in funded.out) == (0, True)
    assert khata("escrow", "delivered", "order/M1", *WHY, url=url).code == 0
    released = khata("escrow", "release", "order/M1", "100.00", "--leg", "partner", *WHY, url=url)
    assert (released.code, "partly_released" in released.out) == (0, True)
    assert balance(url, BOB) == "100.00"
    part = khata("escrow", "refund", "order/M1", "40.00", "--policy", "keep_fee", *WHY, url=url)
    assert part.code == 0
    named = ("--policy", "named", "--leg", "partner=10.00", "--leg", "platform=5.00")
    assert khata("escrow", "refund", "order/M1", *named, *WHY, url=url).code == 0
    assert balance(url, ALICE) == "655.00"
    shown = khata("escrow", "show", "order/M1", url=url).out
    assert all(text in shown for text in ("funded", "refunded", "As they agreed.", "৳55.00", BOB))
    assert "order/M1" in khata("escrow", "list", "--status", "partly_released", url=url).out
    (line,) = khata("escrow", "list", "--json", url=url).lines()
    assert khata("escrow", "show", "order/M1", "--json", url=url).json() == line
    assert "Every escrow" in khata("escrow", "unexplained", url=url).out


def test_receivers_and_holds_on_the_command_line(url):
    """Who receives is listed; a hold pays all that it has left."""
    both = ("--receiver", f"partner={BOB}:390.00", "--receiver", f"fee={HOUSE}:10.00")
    made = khata(*FUND, *both, "--json", url=url).json()["result"]
    assert [leg["share"] for leg in made["legs"]] == ["390.00", "10.00"]
    with Khata.open(url) as book:
        held = book.submit(PlaceHold(ALICE, taka("50.00"))).result.id
    paid = khata("escrow", "fund", "M2", "--hold", held, "--party", f"partner={BOB}", url=url)
    assert (paid.code, balance(url, ALICE)) == (0, "550.00")


def test_a_dispute_on_the_command_line(url):
    """Who paid keeps it there; staff settle it."""
    khata(*FUND, "--party", f"partner={BOB}", url=url)
    mine = khata("escrow", "dispute", "order/M1", *WHY, "--actor", "owner:alice", url=url)
    assert (mine.code, "disputed" in mine.out) == (0, True)
    refused = khata("escrow", "release", "order/M1", *WHY, url=url)
    assert (refused.code, "escrow_disputed" in refused.err, "hint" in refused.err) == (
        3,
        True,
        True,
    )
    assert "disputed" in khata("escrow", "list", url=url).out
    assert khata("escrow", "settle", "order/M1", *WHY, url=url).code == 0
    assert khata("escrow", "release", "order/M1", *WHY, url=url).code == 0


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ((*FUND, "--party", "partner"), 3),
        ((*FUND, "--receiver", f"partner={BOB}"), 3),
        ((*FUND, "--receiver", f"partner={BOB}:1.00"), 3),
        (("escrow", "fund", "M1", "1.00"), 3),
        (("escrow", "fund", "M1", "1.00", "--wallet", "none/personal/BDT"), 4),
        (("escrow", "fund", "M1", "--hold", "hld_0400"), 4),
        (("escrow", "show", "none"), 4),
        (("escrow", "refund", "none", "1.00", *WHY), 4),
        (("escrow", "refund", "none", "--policy", "nonsense", *WHY), 2),
        (("escrow", "release", "none"), 2),
    ],
)
def test_what_is_typed_wrong(url, words, code):
    """One clear error, the exit code of its family, nothing written."""
    done = khata(*words, url=url)
    assert (done.code, done.err.startswith("error[")) == (code, True)
    assert khata("escrow", "list", "--json", url=url).lines() == []


def test_owners_see_only_their_own_at_the_door(url):
    """Who paid lists it, who receives may look at it, nobody else learns of it."""
    khata(*FUND, "--party", f"partner={BOB}", url=url)
    mine = khata("escrow", "list", "--json", "--actor", "owner:alice", url=url)
    theirs = khata("escrow", "list", "--json", "--actor", "owner:bob", url=url)
    assert [len(mine.lines()), len(theirs.lines())] == [1, 0]
    looks = [
        khata("escrow", "show", "order/M1", "--actor", f"owner:{name}", url=url).code
        for name in ("alice", "bob", "carol")
    ]
    assert looks == [0, 0, 6]
