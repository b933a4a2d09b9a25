"""Money over HTTP: what goes through, what is refused and how, on real sockets."""

import threading

import pytest

from tests.edge.serving import Asks, money, serving, serving_sqlite


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving_sqlite(tmp_path_factory.mktemp("http")) as found:
        yield found


@pytest.fixture
def asks(server):
    with server.http() as http:
        yield Asks(http)


@pytest.fixture
def owner(request):
    """An owner of this test's own."""
    return request.node.name.translate(str.maketrans("[]/ ", "----"))[:60]


def balance(asks, ref):
    return asks.get(f"/v1/wallets/{ref}/balance").json()["balance"]


def test_a_day_of_a_wallet(database_url):
    """Credit, transfer, hold, capture, reversal and statement agree, on both databases."""
    with serving(database_url) as running, running.http() as http:
        asks = Asks(http)
        alice, bob = asks.wallet("alice", "1000.00"), asks.wallet("bob")
        moved = asks.post(
            f"/v1/wallets/{alice}/transfer", {"to": bob, "amount": money("100.00")}
        ).json()["result"]["id"]
        held = asks.post("/v1/holds", {"wallet": alice, "amount": money("300.00")}).json()
        path = f"/v1/holds/{held['result']['id']}/capture"
        asks.post(path, {"amount": money("50.00"), "final": True})
        asks.post(f"/v1/entries/{moved}/reversals", {"reason": "Wrong", "amount": "40.00"})
        found = asks.get(f"/v1/wallets/{alice}/statement").json()
        assert (found["opening"], found["closing"]) == ("0.00", "890.00")
        assert [item["balance_after"] for item in found["items"]] == [
            "1000.00",
            "900.00",
            "850.00",
            "890.00",
        ]
        assert asks.get("/v1/verify").json()["ok"] is True


@pytest.mark.parametrize(
    ("amount", "currency", "status", "code"),
    [
        ("0", "BDT", 400, "invalid_amount"),
        ("-5.00", "BDT", 400, "invalid_amount"),
        ("1.234", "BDT", 400, "too_many_decimals"),
        ("9" * 30, "BDT", 400, "amount_too_large"),
        ("ten", "BDT", 400, "invalid_amount"),
        ("1.00", "USD", 400, "currency_mismatch"),
        ("5000.00", "BDT", 422, "insufficient_funds"),
    ],
)
def test_an_amount_that_cannot_be(asks, owner, amount, currency, status, code):
    """Each kind of wrong amount has its status and its code, and nothing moves."""
    ref, other = asks.wallet(owner, "100.00"), asks.wallet(f"{owner}-2")
    answer = asks.post(
        f"/v1/wallets/{ref}/transfer", {"to": other, "amount": money(amount, currency)}
    )
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert balance(asks, ref) == "100.00"


@pytest.mark.parametrize("amount", [1, 1.5, None, ["1.00"]])
def test_an_amount_that_is_no_text(asks, owner, amount):
    """A number is no amount: it may have been a float."""
    ref = asks.wallet(owner)
    answer = asks.post(
        f"/v1/wallets/{ref}/credit", {"amount": {"amount": amount, "currency": "BDT"}}
    )
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_input")


def test_a_currency_that_nobody_knows(asks, owner):
    """A wallet has a currency of ISO 4217 or a unit of the book."""
    answer = asks.post("/v1/wallets", {"owner": owner, "currency": "ZZZ"})
    assert (answer.status_code, answer.json()["code"]) == (400, "unknown_currency")


def test_two_currencies_do_not_mix(asks, owner):
    """Money does not move between wallets of two currencies."""
    taka, dollars = asks.wallet(owner, "100.00"), asks.wallet(owner, currency="USD")
    answer = asks.post(f"/v1/wallets/{taka}/transfer", {"to": dollars, "amount": money("1.00")})
    assert answer.json()["code"] == "currency_mismatch"


def test_a_key_is_needed(asks, owner):
    """Without a key a change is refused before anything is looked at."""
    ref = asks.wallet(owner)
    answer = asks.http.post(f"/v1/wallets/{ref}/credit", json={"amount": money("1.00")})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_key")


def test_the_same_key_with_the_same_body(asks, owner):
    """The first answer comes again, and says so."""
    ref = asks.wallet(owner)
    path, body, key = f"/v1/wallets/{ref}/credit", {"amount": money("5.00")}, f"k-{owner}"
    first, second = asks.post(path, body, key), asks.post(path, body, key)
    assert second.headers["idempotent-replayed"] == "true"
    assert second.json() == {**first.json(), "replayed": True}
    assert balance(asks, ref) == "5.00"


def test_the_same_key_with_another_body(asks, owner):
    """A key stands for one change only."""
    ref = asks.wallet(owner)
    path, key = f"/v1/wallets/{ref}/credit", f"k-{owner}"
    asks.post(path, {"amount": money("5.00")}, key)
    answer = asks.post(path, {"amount": money("6.00")}, key)
    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_key_reused")


def test_a_dry_run_writes_nothing(asks, owner):
    """What would happen is told, and does not."""
    ref = asks.wallet(owner)
    answer = asks.post(f"/v1/wallets/{ref}/credit", {"amount": money("5.00")}, dry_run="true")
    assert answer.json()["result"]["legs"][0]["balance_after"] == "5.00"
    assert balance(asks, ref) == "0.00"


def test_a_frozen_wallet(asks, owner):
    """Nothing moves on a frozen wallet until it is unfrozen."""
    ref = asks.wallet(owner)
    asks.post(f"/v1/wallets/{ref}/freeze", {"reason": "Asked for"})
    answer = asks.post(f"/v1/wallets/{ref}/credit", {"amount": money("5.00")})
    assert (answer.status_code, answer.json()["code"]) == (422, "account_frozen")


def test_two_callers_at_once(server, asks, owner):
    """Of two who spend the same money at once, one is refused."""
    ref, other = asks.wallet(owner, "100.00"), asks.wallet(f"{owner}-2")
    ready, found = threading.Barrier(2), []

    def spend():
        with server.http() as http:
            mine = Asks(http)
            ready.wait()
            body = {"to": other, "amount": money("80.00")}
            found.append(mine.post(f"/v1/wallets/{ref}/transfer", body).status_code)

    threads = [threading.Thread(target=spend) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [200, 422]


def test_a_path_names_a_wallet_too(asks, owner):
    """`owner/kind/currency`, its slashes encoded, is as good as the id."""
    ref = asks.wallet(owner, "7.00")
    found = asks.get(f"/v1/wallets/{owner}%2Fpersonal%2FBDT").json()
    assert (found["id"], found["balance"]) == (ref, "7.00")


def test_the_balance_of_a_past_instant(asks, owner):
    """The past stays as it was."""
    ref = asks.wallet(owner, "7.00")
    then = asks.get(f"/v1/wallets/{ref}/balance").json()["at"]
    asks.post(f"/v1/wallets/{ref}/credit", {"amount": money("5.00")})
    assert asks.get(f"/v1/wallets/{ref}/balance", at=then).json()["balance"] == "7.00"


def test_a_statement_as_csv(asks, owner):
    """A file with opening, running and closing balance; no text in it is a formula."""
    ref = asks.wallet(owner, "7.00")
    body = {"amount": money("5.00"), "note": "=1+1"}
    asks.post(f"/v1/wallets/{ref}/credit", body)
    answer = asks.http.get(f"/v1/wallets/{ref}/statement", headers={"accept": "text/csv"})
    lines = answer.text.splitlines()
    assert answer.headers["content-type"].startswith("text/csv")
    assert [line.split(",")[2] for line in lines] == [
        "type",
        "opening",
        "credit",
        "credit",
        "closing",
    ]
    assert lines[3].endswith("'=1+1")


def test_pages_join(asks, owner):
    """Walking from cursor to cursor shows everything once."""
    ref = asks.wallet(owner)
    for _ in range(5):
        asks.post(f"/v1/wallets/{ref}/credit", {"amount": money("1.00")})
    seen, cursor = [], None
    while cursor is not None or not seen:
        query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = asks.get(f"/v1/wallets/{ref}/transactions", **query).json()
        seen += [item["balance_after"] for item in page["items"]]
        cursor = page["next"]
    assert seen == ["5.00", "4.00", "3.00", "2.00", "1.00"]


# ── bulk ─────────────────────────────────────────────────────────────────────────────


def line(key, ref, amount, **more):
    command = {"kind": "wallets.credit", "wallet": ref, "amount": money(amount), **more}
    return {"key": key, "command": command}


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        ({"amount": "-1.00"}, "invalid_amount"),
        ({"amount": "1.00", "colour": "red"}, "invalid_input"),
        ({"amount": "1.00", "kind": "wallets.give"}, "unknown_command"),
    ],
)
def test_a_bad_line_of_a_bulk_names_itself(asks, owner, bad, code):
    """Its neighbours live, in their order, whatever is wrong with it."""
    ref = asks.wallet(owner)
    lines = [
        line(f"{owner}-0", ref, "1.00"),
        line(f"{owner}-1", ref, **bad),
        line(f"{owner}-2", ref, "2.00"),
    ]
    answer = asks.http.post("/v1/bulk", json={"lines": lines}).json()
    outcomes = answer["outcomes"]
    assert [outcome["key"] for outcome in outcomes] == [f"{owner}-{i}" for i in range(3)]
    assert (outcomes[1]["index"], outcomes[1]["error"]["code"]) == (1, code)
    assert balance(asks, ref) == "3.00"


def test_a_line_without_a_key(asks, owner):
    """A line that cannot be told apart from its repetition is not carried out."""
    ref = asks.wallet(owner)
    lines = [line(f"{owner}-0", ref, "1.00"), {"command": line("", ref, "1.00")["command"]}]
    outcomes = asks.http.post("/v1/bulk", json={"lines": lines}).json()["outcomes"]
    assert [outcome.get("error", {}).get("code") for outcome in outcomes] == [None, "invalid_key"]


def test_an_atomic_bulk_is_all_or_nothing(asks, owner):
    """One refused line refuses all, and is named."""
    ref = asks.wallet(owner)
    lines = [line(f"{owner}-0", ref, "1.00"), line(f"{owner}-1", ref, "0")]
    answer = asks.http.post("/v1/bulk", json={"lines": lines, "atomic": True})
    told = answer.json()
    assert (answer.status_code, told["code"]) == (422, "batch_refused")
    assert told["details"]["index"] == 1
    assert balance(asks, ref) == "0.00"


def test_a_bulk_again_is_replayed(asks, owner):
    """Sent twice, carried out once."""
    ref = asks.wallet(owner)
    body = {"lines": [line(f"{owner}-{i}", ref, "1.00") for i in range(50)]}
    asks.http.post("/v1/bulk", json=body)
    assert asks.http.post("/v1/bulk", json=body).json()["replayed"] == 50
    assert balance(asks, ref) == "50.00"
