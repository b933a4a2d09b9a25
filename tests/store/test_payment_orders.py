"""Whatever order a provider tells things in, and however often, the book ends the same."""

from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from khata.domain import ledger, payments
from tests.builders import bdt, discrepancies
from tests.conftest import examples
from tests.payers import Teller, a_shop, pay, payable, payment, said, to_pay, work

_numbers = count(1)
ANSWER = "the answer to our call"


@pytest.fixture
def shop(database_url):
    """One shop for all the cases of a property: each has an order of its own."""
    with a_shop(database_url) as book:
        yield book
        assert discrepancies(book) == []


@st.composite
def histories(draw):
    """What a provider may say of one charge over 10.00 BDT, in the order in which it happens."""
    said_ = [ANSWER]
    said_ += draw(st.lists(st.sampled_from(["charge.pending", "charge.authorised"]), max_size=2))
    said_ += draw(st.lists(st.sampled_from(["charge.failed", "charge.expired"]), max_size=2))
    if not draw(st.booleans()):
        return [(name, {}) if name != ANSWER else (name, None) for name in said_]
    said_.append("charge.paid")
    events = [(name, {}) if name != ANSWER else (name, None) for name in said_]
    left = 1000
    for number in range(draw(st.integers(0, 3))):
        part = draw(st.integers(1, left)) if left else 0
        if not part:
            break
        left -= part
        about = {"object": f"re_{number}", "amount": f"{part // 100}.{part % 100:02}"}
        events.append(("refund.succeeded", about))
        if draw(st.booleans()):
            events.append(("refund.failed", about))
    if draw(st.booleans()):
        about = {"object": "dp", "amount": draw(st.sampled_from(["10.00", "3.33"]))}
        events.append(("dispute.opened", about))
        ends = draw(st.sampled_from([None, "dispute.won", "dispute.lost"]))
        events += [(ends, about)] if ends else []
    return events


@st.composite
def retold(draw):
    """A history, and the same with its events in any order, some of them told again."""
    events = draw(histories())
    again = draw(st.lists(st.sampled_from([e for e in events if e[1] is not None] or [None])))
    again = [event for event in again if event is not None]
    return events, draw(st.permutations([*events, *again]))


def balances(book):
    lines = book.query(ledger.trial_balance)
    return {line.code: int(line.balance.replace(".", "")) for line in lines}


def end_of(book, events):
    """What a new payment of which all this is told ends as: records, and what it moved."""
    number = next(_numbers)
    subject = f"order/N{number}"
    to_pay(book, subject, amount="10.00")
    before = balances(book)
    begun = pay(book, subject)
    waiting = []
    for type_, about in events:
        if type_ == ANSWER:
            work(book, Teller({"status": "pending", "id": f"ch_{number}"}))
        else:
            waiting.append(said(type_, begun.id, **_named(type_, about, number)))
        # what an inbox does with what it does not understand yet
        waiting = [
            event
            for event in waiting
            if book.submit(payments.Tell(event)).result.status == "unknown"
        ]
    work(book, Teller())
    assert waiting == []
    return _seen(book, begun.id, subject, before, number)


def _named(type_, about, number):
    """An event's fields, with names at the provider that nothing else has."""
    if type_.startswith("charge"):
        return {"object": f"ch_{number}", "amount": "10.00", "currency": "BDT"}
    return {**about, "charge": f"ch_{number}", "object": f"{about['object']}_{number}"}


def _seen(book, name, subject, before, number):
    done = payment(book, name)
    due = payable(book, subject)
    after = balances(book)
    moved = {
        code.replace(f"N{number}", "N"): value - before.get(code, 0)
        for code, value in after.items()
        if value != before.get(code, 0)
    }
    refunds = book.query(payments.refunds, payment=name).items
    disputes = book.query(payments.disputes, payment=name).items
    return {
        "payment": (done.status, done.refunded, done.code, done.message, bool(done.paid_at)),
        "payable": (due.status, due.active == name, due.paid_by == name),
        "refunds": sorted((item.amount, item.status, item.origin) for item in refunds),
        "disputes": [(item.amount, item.status) for item in disputes],
        "moved": moved,
    }


@given(told=retold())
@examples(26)
def test_any_order_ends_the_same(shop, told):
    """Permuted and repeated, what a provider says gives the same records and balances."""
    in_order, shuffled = told
    assert end_of(shop, shuffled) == end_of(shop, in_order)


@given(wanted=st.lists(st.tuples(st.integers(1, 700), st.booleans()), max_size=6))
@examples(16)
def test_refunds_never_pass_what_was_paid(shop, wanted):
    """Ours and the provider's own, succeeding and failing: never more than the payment."""
    number = next(_numbers)
    subject, charge = f"order/R{number}", f"ch_r{number}"
    to_pay(shop, subject, amount="10.00")
    name = pay(shop, subject).id
    work(shop, Teller({"status": "paid", "id": charge}))
    for at, (minor, ours) in enumerate(wanted):
        amount = f"{minor // 100}.{minor % 100:02}"
        if ours:
            shop.submit_many([payments.RefundPayment(name, "Asked for.", bdt(amount))])
            status = "failed" if minor % 3 == 0 else "succeeded"
            work(shop, Teller({"status": status, "id": f"re_{number}_{at}"}))
        else:
            found = {"object": f"re_{number}_{at}", "charge": charge, "amount": amount}
            shop.submit(payments.Tell(said("refund.succeeded", **found)))
        done = payment(shop, name)
        assert float(done.refunded) <= 10
        given_back = sum(
            float(item.amount)
            for item in shop.query(payments.refunds, payment=name, status="succeeded").items
        )
        assert round(given_back, 2) == float(done.refunded)
