"""What providers tell: kept once, acted on once, in whatever order it comes."""

import asyncio
from itertools import permutations
from threading import Thread

import pytest

from khata import Khata
from khata.base.actor import WORKER
from khata.domain import payments, webhooks
from khata.edge.webhooks import Inbox
from khata.engine.replay import replay
from khata.errors import InvalidTransition, NotFound, RoleRequired
from tests.builders import ADMIN, FINANCE, SERVICE, Clock, discrepancies, refused
from tests.hooks import (
    PROVIDERS,
    Alerts,
    a_body,
    a_receiver,
    a_vault,
    deliver,
    headers_of,
    inbox,
    statuses,
    work,
)
from tests.payers import a_shop, pay, payment, to_pay
from tests.servers import sqlite_at


def begun(book):
    """A payment at the sandbox that nothing has been heard of."""
    to_pay(book)
    return pay(book, provider="sandbox", way="card").id


def test_an_event_is_kept_and_then_acted_on(database_url):
    """Nothing happens at the door; the worker's turn makes the payment paid."""
    with a_shop(database_url, alice="0") as book:
        name = begun(book)
        state = deliver(book, a_body(reference=name))
        assert (state.status, payment(book, name).status) == ("received", "pending")
        assert work(book) == 1
        (item,) = inbox(book)
        assert (item.status, item.attempts, item.copies) == ("applied", 1, 1)
        assert payment(book, name).status == "paid"
        assert work(book) == 0
        assert discrepancies(book) == []


def test_a_copy_is_counted_and_changes_nothing(database_url):
    """Eight deliveries at once of one event: one item, eight copies, paid once."""
    with a_shop(database_url, alice="0") as book:
        name = begun(book)
        body, receiver = a_body(reference=name), a_receiver()

        async def all_at_once():
            now = book.clock()
            ways = [headers_of(body, now) for _ in range(8)]
            return await asyncio.gather(
                *(receiver.receive(book, "sandbox", way, body, "203.0.113.7") for way in ways)
            )

        assert {state.id for state in asyncio.run(all_at_once())} == {inbox(book)[0].id}
        work(book)
        deliver(book, body)
        (item,) = inbox(book)
        assert (item.status, item.copies, work(book)) == ("applied", 9, 0)
        assert len(payment(book, name).entries) == 1


def test_two_workers_act_on_an_event_once(database_url):
    """Whoever is second finds it done."""
    with a_shop(database_url, alice="0") as book:
        name = begun(book)
        for n in range(20):
            deliver(book, a_body("charge.pending", f"evt_{n}", about=f"x_{n}"))
        deliver(book, a_body(event="evt_paid", reference=name))
        workers = [Inbox(book, PROVIDERS, book.clock, Alerts()) for _ in range(4)]
        threads = [Thread(target=worker.work) for worker in workers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert {item.attempts for item in inbox(book)} == {1}
        assert len(payment(book, name).entries) == 1


def test_the_same_event_with_another_body_is_a_contradiction(database_url):
    """It is kept beside the first, people are told, and it changes nothing."""
    with a_shop(database_url, alice="0") as book:
        name, alerts = begun(book), Alerts()
        receiver = a_receiver(alerts)
        deliver(book, a_body("charge.pending", reference=name), receiver)
        deliver(book, a_body("charge.paid", reference=name), receiver)
        work(book)
        assert sorted(item.status for item in inbox(book)) == ["applied", "mismatch"]
        assert payment(book, name).status == "pending"
        assert alerts.names == ["webhook_contradicts"]


def test_an_amount_that_is_not_the_payments_changes_nothing(database_url):
    """A mismatch is told to people, never booked."""
    with a_shop(database_url, alice="0") as book:
        name, alerts = begun(book), Alerts()
        deliver(book, a_body(reference=name, amount="1.00"))
        work(book, alerts)
        assert (statuses(book), alerts.names) == ({"evt_1": "mismatch"}, ["webhook_contradicts"])
        assert payment(book, name).status == "pending"


STORY = {
    "pending": {"kind": "charge.pending"},
    "paid": {"kind": "charge.paid"},
    "failed": {"kind": "charge.failed", "code": "declined"},
    "refunded": {"kind": "refund.succeeded", "about": "re_1", "amount": "400.00"},
}


def told_in(book, order, name):
    """Have the events of the story come in this order, the worker's turn after each."""
    for what in order:
        # a refund names its charge alone, which nobody knows before the charge was heard of
        whose = {"charge": "ch_1"} if what == "refunded" else {"reference": name}
        deliver(book, a_body(event=f"evt_{what}", **STORY[what], **whose))
        work(book)


@pytest.mark.parametrize("order", list(permutations(STORY)), ids="-".join)
def test_every_order_ends_the_same(tmp_path, order):
    """A refund before its payment waits for it; each event twice makes no difference."""
    clock = Clock()
    with a_shop(sqlite_at(tmp_path / "khata.db"), clock=clock, alice="0") as book:
        name = begun(book)
        told_in(book, order, name)
        told_in(book, order, name)
        clock.pass_by(60)
        work(book)
        assert set(statuses(book).values()) <= {"applied", "stale"}
        found = payment(book, name)
        assert (found.status, found.refunded) == ("partially_refunded", "400.00")
        assert discrepancies(book) == []


def test_what_is_parked_is_called_when_its_object_appears(database_url):
    """The refund is acted on at once when its charge is known, long after its last try."""
    clock = Clock()
    with a_shop(database_url, clock=clock, alice="0") as book:
        name = begun(book)
        told_in(book, ["refunded"], name)
        assert statuses(book) == {"evt_refunded": "parked"}
        for pause in webhooks.PAUSES:
            clock.now += pause
            assert work(book) == 1
        clock.pass_by(10**6)
        (item,) = inbox(book)
        assert (work(book), item.attempts, item.due_at) == (0, 8, None)
        told_in(book, ["paid"], name)
        assert set(statuses(book).values()) == {"applied"}
        assert payment(book, name).refunded == "400.00"


def test_what_is_about_nothing_waits_for_a_person(database_url):
    """Who may try it again or let it go, with a reason, and only then."""
    with a_shop(database_url, alice="0") as book:
        deliver(book, a_body(reference="pay_zzzz"))
        work(book)
        (item,) = inbox(book)
        assert (item.status, work(book)) == ("parked", 0)
        again = book.submit(webhooks.RetryItem(item.id, "Look again."), actor=FINANCE).result
        assert (again.status, again.attempts, work(book)) == ("received", 0, 1)
        let_go = webhooks.DiscardItem(item.id, "A test of theirs.")
        assert book.submit(let_go, actor=FINANCE).result.status == "discarded"
        assert isinstance(refused(book, let_go, actor=FINANCE), InvalidTransition)
        nobody = webhooks.RetryItem("whi_zzzz", "Look.")
        assert isinstance(refused(book, nobody, actor=ADMIN), NotFound)


def test_an_event_that_was_applied_cannot_be_tried_again(database_url):
    """It would be no use, and is refused."""
    with a_shop(database_url, alice="0") as book:
        deliver(book, a_body(reference=begun(book)))
        work(book)
        command = webhooks.RetryItem(inbox(book)[0].id, "Again.")
        assert isinstance(refused(book, command, actor=ADMIN), InvalidTransition)


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        (b'{"id": "evt_1", "type": "charge.paid", "created": 1, "data": {}}', "malformed",
         "charge.paid"),
        (b'{"type": "moon.risen", "id": "evt_1", "created": 1, "data": {}}', "parked",
         "moon.risen"),
        (b"not JSON", "malformed", "?"),
        (b"[1, 2]", "malformed", "?"),
        (b'{"type": "<b>"}', "malformed", "?"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_kept(database_url, body, status, kind):
    """It was signed, so it is taken once; people see it, and nothing is done."""
    with a_shop(database_url, alice="0") as book:
        alerts = Alerts()
        deliver(book, body)
        deliver(book, body)
        work(book, alerts)
        (item,) = inbox(book)
        assert (item.status, item.copies, item.type, item.due_at) == (status, 2, kind, None)
        assert alerts.names == (["webhook_malformed"] if status == "malformed" else [])


def test_bodies_are_kept_sealed(database_url):
    """With a vault nothing of the body can be read in the database; the worker opens it."""
    vault = a_vault()
    with a_shop(database_url, alice="0") as book:
        name = begun(book)
    with Khata.open(database_url, vault=vault) as book:
        deliver(book, a_body(reference=name, holder="Alice Rahman"))
        (row,) = book.query(webhooks.due_items, 10)
        assert row.sealed
        assert "Alice" not in str(row)
        rows = book.tail("test").read(1000)
        assert "Rahman" not in str(rows)
        work(book)
        assert statuses(book) == {"evt_1": "applied"}


def test_a_lost_key_parks_what_it_sealed(database_url):
    """It is tried again by itself, so that putting the key back is all that people do."""
    clock, vault = Clock(), a_vault()
    with a_shop(database_url, clock=clock, alice="0") as book:
        name = begun(book)
    with Khata.open(database_url, clock=clock, vault=vault) as book:
        deliver(book, a_body(reference=name))
    alerts = Alerts()
    with Khata.open(database_url, clock=clock, vault=a_vault()) as book:
        work(book, alerts)
        assert (statuses(book), alerts.names) == ({"evt_1": "parked"}, ["webhook_unreadable"])
    clock.pass_by(5)
    with Khata.open(database_url, clock=clock, vault=vault) as book:
        work(book)
        assert statuses(book) == {"evt_1": "applied"}


def test_payouts_are_told_too(database_url):
    """What is about no payout that we know waits for it."""
    with a_shop(database_url, alice="0") as book:
        deliver(book, a_body("payout.completed"))
        work(book)
        (item,) = inbox(book)
        assert (item.status, item.message) == ("parked", "No payout is known as ch_1.")


def test_the_doors_own_verbs_are_nobody_elses(database_url):
    """No key of whatever role can put an event into the inbox, or act on one."""
    with a_shop(database_url) as book:
        for command in (
            webhooks.Receive("sandbox", "e", "t", "0" * 64, sealed=False, body=""),
            webhooks.Reject("sandbox", "c", "s"),
            webhooks.Process("whi_0400", 0),
        ):
            for who in (ADMIN, SERVICE):
                assert isinstance(refused(book, command, actor=who), RoleRequired)


def test_a_book_with_an_inbox_replays(database_url, tmp_path):
    """The journal run again ends at the same hash."""
    with a_shop(database_url, alice="0") as book:
        name = begun(book)
        told_in(book, ["refunded", "pending", "paid", "failed"], name)
        book.submit(webhooks.Reject("sandbox", "invalid_signature", "203.0.113.7"), actor=WORKER)
        assert discrepancies(book) == []
        with Khata.open(sqlite_at(tmp_path / "copy.db")) as copy:
            replay(book, copy)
            assert statuses(copy) == statuses(book)
            assert copy.query(payments.payment, name).status == "partially_refunded"
