"""Payments end to end: a book, its worker, and a provider that is a real server."""

import pytest

from khata.domain import payments
from khata.edge.providers import Providers
from khata.edge.sandbox import local_sandbox
from khata.engine.vault import Vault
from tests.builders import Clock, bdt, discrepancies
from tests.payers import ORDER, a_shop, pay, payable, payment, to_pay


@pytest.fixture
def sandbox():
    """One for each test: books that are new give their calls the same keys."""
    with local_sandbox(seed=7) as running:
        yield running


@pytest.fixture
def providers(sandbox):
    """With little patience: what the provider leaves unsaid is soon unknown."""
    with Providers([sandbox.config(timeout_seconds=0.5)], Vault([Vault.new_key()])) as made:
        yield made


def begun(book, subject, token):
    to_pay(book, subject)
    return pay(book, subject, token=token).id


def work(book, providers):
    return book.worker({"providers": providers}).work()


def charges(sandbox, name):
    return [one for one in sandbox.ledger()["objects"] if one.get("reference") == name]


@pytest.mark.parametrize(
    ("token", "status", "code"),
    [
        ("tok_ok", "paid", None),
        ("tok_decline", "failed", "card_declined"),
        ("tok_authorise", "authorised", None),
        ("tok_pending", "pending", None),
    ],
)
def test_what_the_provider_says_is_what_the_payment_is(
    database_url, sandbox, providers, token, status, code
):
    """One charge at the provider for one payment here."""
    with a_shop(database_url) as book:
        name = begun(book, ORDER, token)
        work(book, providers)
        done = payment(book, name)
        assert (done.status, done.code) == (status, code)
        assert payable(book).status == ("paid" if status == "paid" else "open")
        assert discrepancies(book) == []


def test_a_charge_that_was_made_in_silence_is_found(database_url, sandbox, providers):
    """The provider did it and did not answer: unknown, asked about, paid; charged once."""
    clock = Clock()
    with a_shop(database_url, clock=clock) as book:
        name = begun(book, ORDER, "tok_timeout_done")
        work(book, providers)
        assert payment(book, name).status == "unknown"
        clock.pass_by(60)
        work(book, providers)
        assert payment(book, name).status == "paid"
        assert len(charges(sandbox, name)) == 1
        assert discrepancies(book) == []


def test_a_refund_reaches_the_provider(database_url, sandbox, providers):
    """A refund reaches the provider under our reference; both sides agree on what is left."""
    with a_shop(database_url) as book:
        name = begun(book, ORDER, "tok_ok")
        work(book, providers)
        part = payments.RefundPayment(name, "Broken.", bdt("400.00"))
        refund = book.submit(part).result
        work(book, providers)
        (shown,) = book.query(payments.refunds, payment=name).items
        assert (shown.id, shown.status) == (refund.id, "succeeded")
        assert payment(book, name).refunded == "400.00"
        assert discrepancies(book) == []
