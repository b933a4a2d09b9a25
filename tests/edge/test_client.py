"""The Python client: both forms do the same, errors come back as Khata's, a retry counts once."""

import asyncio
import inspect
import socket
import threading

import pytest

from khata import Money
from khata.domain.wallets import Credit
from khata.edge.client import AsyncClient, Client, Patience, stock_calls
from khata.edge.client.client import calls, hook_calls, payment_calls, payout_calls, saga_calls
from khata.edge.client.retrying import error_of
from khata.errors import (
    InsufficientFunds,
    KeyReused,
    RateLimited,
    Unauthenticated,
    Unavailable,
    WalletNotFound,
)
from tests.edge.serving import free_port, serving_sqlite

HASTE = Patience(tries=4, first_seconds=0.001, longest_seconds=0.01)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving_sqlite(tmp_path_factory.mktemp("client")) as found:
        yield found


@pytest.fixture
def client(server):
    with Client(server.url, server.key, patience=HASTE) as found:
        yield found


@pytest.fixture
def owner(request):
    """An owner of this test's own."""
    return request.node.name


def taka(amount):
    return Money(amount, "BDT")


class LossyProxy:
    """Passes one connection after another on to a server; swallows the first `losses` answers."""

    def __init__(self, server_url, losses):
        host, port = server_url.removeprefix("http://").split(":")
        self.target = (host, int(port))
        self.losses = losses
        self.lost = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.thread = threading.Thread(target=self.run)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.listener.close()

    def run(self):
        while True:
            try:
                caller, _ = self.listener.accept()
            except OSError:
                return
            with caller, socket.create_connection(self.target) as server:
                self.carry(caller, server)

    def carry(self, caller, server):
        while asked := caller.recv(1 << 16):
            server.sendall(asked)
            if b"\r\n\r\n" in asked and asked.endswith(b"\r\n\r\n"):
                continue  # the body of this request is still to come
            answer = server.recv(1 << 16)
            if self.lost < self.losses:
                self.lost += 1
                return
            caller.sendall(answer)


def test_a_day_of_a_wallet(client, owner):
    """The words of the client move money and show it."""
    ref = client.open_wallet(owner, "BDT").result.id
    client.credit(ref, taka("1000.00"), reference="topup-1")
    hold = client.place_hold(ref, taka("300.00")).result
    client.capture(hold.id, taka("100.00"), final=True)
    moved = client.debit(ref, taka("50.00")).result
    client.reverse(moved.id, "Wrong")
    assert client.balance(f"{owner}/personal/BDT").available == "900.00"
    assert client.statement(ref).closing == "900.00"
    assert client.verify().ok


def test_the_asynchronous_client_does_the_same(server, owner):
    """Its answers are those of the synchronous one."""

    async def play():
        async with AsyncClient(server.url, server.key, patience=HASTE) as client:
            ref = (await client.open_wallet(owner, "BDT")).result.id
            await asyncio.gather(*[client.credit(ref, taka("1.00")) for _ in range(20)])
            walked = [item.amount async for item in client.each_transactions(ref, limit=7)]
            return (await client.balance(ref)).balance, walked

    assert asyncio.run(play()) == ("20.00", ["1.00"] * 20)


def _every_call():
    modules = (calls, saga_calls, payment_calls, payout_calls, hook_calls, stock_calls)
    return {name: call for module in modules for name, call in vars(module).items()}


def test_both_clients_know_the_same_words():
    """Every call is a method of both."""
    built = {
        name
        for name, call in _every_call().items()
        if inspect.isfunction(call)
        and not name.startswith("_")
        and name != "write"
        and "Call[" in str(call.__annotations__.get("return"))
    }
    for cls in (Client, AsyncClient):
        assert built - set(dir(cls)) == set()
    public = [
        {name for name in dir(cls) if not name.startswith("_")} for cls in (Client, AsyncClient)
    ]
    assert public[0] == public[1]


def test_all_pages_are_walked(client, owner):
    """`each_…` shows everything once, however small the pages."""
    ref = client.open_wallet(owner, "BDT").result.id
    for _ in range(5):
        client.credit(ref, taka("1.00"))
    seen = [item.balance_after for item in client.each_transactions(ref, limit=2)]
    assert seen == ["5.00", "4.00", "3.00", "2.00", "1.00"]


def test_a_bulk_tells_of_each_line(client, owner):
    """Receipts and errors, in the order of the lines."""
    ref = client.open_wallet(owner, "BDT").result.id
    lines = [(f"{owner}-{i}", Credit(ref, taka(amount))) for i, amount in enumerate("102")]
    outcomes = client.bulk(lines).outcomes
    assert [outcome.error and outcome.error.code for outcome in outcomes] == [
        None,
        "invalid_amount",
        None,
    ]


def test_errors_are_khatas_own(client, server, owner):
    """The class, the message and the details are those that the book raised."""
    ref = client.open_wallet(owner, "BDT").result.id
    with pytest.raises(InsufficientFunds) as refused:
        client.debit(ref, taka("5.00"))
    assert refused.value.details["available"] == "0.00"
    with pytest.raises(WalletNotFound):
        client.wallet("wal_zzzz")
    client.credit(ref, taka("1.00"), key=f"k-{owner}")
    with pytest.raises(KeyReused):
        client.credit(ref, taka("2.00"), key=f"k-{owner}")
    with Client(server.url, "nobody", patience=HASTE) as stranger, pytest.raises(Unauthenticated):
        stranger.wallets()


@pytest.mark.parametrize("losses", [1, 3])
def test_an_answer_that_is_lost(server, client, owner, losses):
    """The client asks again under the same key: carried out once, and it says so."""
    ref = client.open_wallet(owner, "BDT").result.id
    with (
        LossyProxy(server.url, losses) as proxy,
        Client(proxy.url, server.key, patience=HASTE) as unlucky,
    ):
        receipt = unlucky.credit(ref, taka("5.00"))
    assert (proxy.lost, receipt.replayed) == (losses, True)
    assert client.balance(ref).balance == "5.00"


def test_patience_ends(server, client, owner):
    """After so many tries the caller hears that it may ask again, and what happened once stays."""
    ref = client.open_wallet(owner, "BDT").result.id
    with (
        LossyProxy(server.url, 9) as proxy,
        Client(proxy.url, server.key, patience=HASTE) as unlucky,
        pytest.raises(Unavailable),
    ):
        unlucky.credit(ref, taka("5.00"))
    assert client.balance(ref).balance == "5.00"


def test_nobody_listens():
    """A server that is not there is `Unavailable`."""
    with (
        Client(f"http://127.0.0.1:{free_port()}", "key", patience=HASTE) as client,
        pytest.raises(Unavailable),
    ):
        client.wallets()


def test_pauses_grow_and_heed_the_server():
    """They double, with jitter, up to a bound; what the server asks for is the least."""
    patience = Patience(first_seconds=1.0, longest_seconds=10.0)
    assert [patience.pause(tried, None, lambda: 1.0) for tried in (1, 2, 3, 9)] == [1, 2, 4, 10]
    assert patience.pause(1, None, lambda: 0.0) == 0.5
    assert patience.pause(1, 7.0, lambda: 1.0) == 7.0


def test_an_answer_from_something_else():
    """A gateway that answers in HTML is understood by its status."""
    assert type(error_of(429, b"<html>")) is RateLimited
    assert type(error_of(503, b"")) is Unavailable
