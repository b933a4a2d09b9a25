"""A provider that did what was asked and does not say so: every money call moves money once.

Over real HTTP, for charges, refunds and payouts: the provider hangs, breaks off, answers garbage or
an error, after having done it, or without.
"""

import pytest

from khata import Khata
from khata.domain import payments, payouts
from khata.domain.wallets import balance
from khata.edge.providers import Providers
from khata.edge.sandbox import local_sandbox
from khata.testing import VirtualClock, finish
from tests.crash import stories

DONE = ("timeout_but_done", "drop_but_done", "error_500_but_done", "garbage")
NOT_DONE = ("timeout_not_done", "drop", "error_500_not_done", "busy_503")
OPS = ("charge", "refund", "payout")


@pytest.fixture(scope="module")
def sandbox():
    """One provider for all; every case has a book, and so keys, of its own."""
    with local_sandbox(seed=3, instant=True) as found:
        yield found


def play(book, op, work, script):
    """Make the call that meets the fault; what it was about."""
    if op == "payout":
        script()
        asked = payouts.InitiatePayout(stories.ALICE, stories.bdt("400.00"), "out-1")
        name = book.submit(asked).result.id
        work()
        return book.query(payouts.payout, name)
    if op == "charge":
        script()
    name = stories.pay(book, "tok_ok")
    work()
    if op == "refund":
        script()
        book.submit(payments.RefundPayment(name, "Broken.", stories.bdt("100.00")))
        work()
    return book.query(payments.payment, name)


@pytest.mark.parametrize("fault", [*DONE, *NOT_DONE])
@pytest.mark.parametrize("op", OPS)
def test_money_moves_once(database_url, sandbox, op, fault):
    """One object at the provider, one key for the intent, one entry in the book."""
    clock = VirtualClock()
    name = f"{op}-{fault}-{database_url[:4]}".replace("_", "-")
    config = sandbox.config(timeout_seconds=0.25)
    with (
        Khata.open(database_url, name, migrate=True, clock=clock, vault=stories.VAULT) as book,
        Providers([config], stories.VAULT) as providers,
    ):
        stories.prepare(book)
        callers = {"providers": providers}
        about = play(
            book,
            op,
            lambda: finish(book, callers, clock, until_seconds=3600),
            lambda: sandbox.script(op, fault),
        )
        ends = {"charge": "paid", "refund": "partially_refunded", "payout": "completed"}
        assert about.status == ends[op]
        told = sandbox.ledger()
        mine = [thing for thing in told["objects"] if thing["key"].startswith(f"{name}.")]
        calls = [call for call in told["calls"] if call["key"].startswith(f"{name}.")]
        wanted = 2 if op == "refund" else 1
        assert len({call["key"] for call in calls}) == len(mine) == wanted
        left = "600.00" if op == "payout" else "1000.00"
        assert book.query(balance, stories.ALICE).balance == left
        assert book.verify().ok
