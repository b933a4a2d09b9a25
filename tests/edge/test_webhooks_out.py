"""What endpoints are told: signed, in full, again until they have it, and never twice at once."""

import threading
import time

import pytest
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from khata import Khata
from khata.domain import webhooks
from khata.domain.access import Approve, RequestApproval
from khata.domain.holds import CaptureHold, PlaceHold, VoidHold
from khata.domain.setup import Set
from khata.domain.wallets import Credit, Debit, OpenWallet, Transfer
from khata.edge.webhooks import Dispatcher
from khata.edge.webhooks.deliveries import LEASE, Deliveries, Result
from khata.errors import Invalid, InvalidTransition, NotFound
from khata.settings import Settings
from tests.builders import (
    ADMIN,
    ALICE,
    BOB,
    FINANCE,
    OTHER_ADMIN,
    SERVICE,
    Clock,
    bdt,
    discrepancies,
    refused,
)
from tests.hooks import OTHER_SECRET, SECRET, a_vault, an_endpoint, listening
from tests.payers import ORDER, from_wallet, to_pay

SETTINGS = Settings(webhook_allow=("127.0.0.0/8",))
VAULT = a_vault()


def now():
    return time.time_ns() // 1000


@pytest.fixture
def clock():
    """A clock that stands at the real time: signatures are checked against that."""
    return Clock(now())


@pytest.fixture
def book(database_url, clock):
    """Alice has 1,000 taka, Bob none; nobody is told of that."""
    with Khata.open(database_url, migrate=True, clock=clock, vault=VAULT) as opened:
        opened.submit(OpenWallet("alice", "BDT"))
        opened.submit(OpenWallet("bob", "BDT"))
        opened.submit(Credit(ALICE, bdt("1000.00")))
        yield opened


@pytest.fixture
def listener():
    with listening() as found:
        yield found


@pytest.fixture
def dispatcher(book, clock):
    with Dispatcher(book, SETTINGS, clock) as found:
        yield found


def exhaust(dispatcher):
    """Work until there is nothing to do; how much that was."""
    count = 0
    while done := dispatcher.work():
        count += done
    return count


def move(book, amount="10.00"):
    return book.submit(Transfer(ALICE, BOB, bdt(amount), reference="lunch"))


def deliveries(book, **asked):
    return book.query(webhooks.deliveries, **asked).items


# ── what is sent ─────────────────────────────────────────────────────────────────────


def test_the_librarys_verifier_takes_what_is_sent(book, listener, dispatcher):
    """Signature, id and time are those of Standard Webhooks; the body says what happened."""
    an_endpoint(book, listener.url, "wallet.*")
    receipt = move(book)
    exhaust(dispatcher)
    ((headers, body),) = listener.got
    told = Webhook(OTHER_SECRET).verify(body, headers)
    assert (told["type"], told["data"]["seq"]) == ("wallet.transferred", receipt.seq)
    assert told["data"]["subject"] == told["data"]["entry"] == receipt.result.id
    assert (told["data"]["amount"], told["data"]["currency"]) == ("10.00", "BDT")
    assert told["data"]["reference"] == "lunch"
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(body, headers)
    (kept,) = deliveries(book)
    assert (kept.status, kept.attempts, kept.last_status) == ("delivered", 1, 200)
    assert (headers["webhook-id"], headers["host"]) == (kept.id, f"127.0.0.1:{listener.port}")


def test_every_movement_is_told(book, listener, dispatcher):
    """Wallets and holds, what a second person approved included, without a row of their own."""
    an_endpoint(book, listener.url)
    book.submit(Credit(ALICE, bdt("5.00")))
    book.submit(Debit(ALICE, bdt("5.00")))
    move(book)
    holds = [book.submit(PlaceHold(ALICE, bdt("1.00"))).result.id for _ in range(2)]
    book.submit(CaptureHold(holds[0]))
    book.submit(VoidHold(holds[1], "No."))
    book.submit(Set("four_eyes", {"BDT": "100.00"}))
    inner = {"kind": "wallets.credit", "wallet": ALICE, "amount": {"amount": "500.00",
             "currency": "BDT"}}  # fmt: skip
    asked = book.submit(RequestApproval(inner, "A gift."), actor=FINANCE).result.request
    book.submit(Approve(asked), actor=ADMIN)
    exhaust(dispatcher)
    kinds = sorted(told["type"] for told in listener.told)
    assert kinds == sorted(
        ["wallet.credited", "wallet.debited", "wallet.transferred", "hold.placed", "hold.placed",
         "hold.captured", "hold.voided", "wallet.credited"]
    )  # fmt: skip
    assert discrepancies(book) == []


def test_what_a_command_announces_is_told(book, listener, dispatcher):
    """A payment out of a wallet: its event, with the owner whom it concerns."""
    an_endpoint(book, listener.url, "payment.*")
    to_pay(book, amount="100.00")
    payment = from_wallet(book)
    exhaust(dispatcher)
    (told,) = listener.told
    assert (told["type"], told["data"]["owner"]) == ("payment.paid", "alice")
    assert (told["data"]["subject"], ORDER in str(told)) == (payment.id, True)


def test_only_what_was_asked_for_and_only_from_then_on(book, listener, dispatcher):
    """Neither other types, nor what happened before the endpoint was there."""
    move(book)
    an_endpoint(book, listener.url, "wallet.debited", "hold.*")
    move(book)
    book.submit(Debit(ALICE, bdt("1.00")))
    exhaust(dispatcher)
    assert [told["type"] for told in listener.told] == ["wallet.debited"]


def test_each_endpoint_has_its_own_deliveries(book, listener, dispatcher):
    """One that fails does not keep the others; ids differ, so each can be told apart."""
    with listening(500) as broken:
        for url in (listener.url, broken.url):
            an_endpoint(book, url)
        move(book)
        exhaust(dispatcher)
        assert (len(listener.ids), len(broken.ids)) == (1, 1)
        assert listener.ids != broken.ids
        assert sorted(one.status for one in deliveries(book)) == ["delivered", "pending"]


def test_the_bytes_are_the_same_each_time(book, listener, dispatcher, clock):
    """Id and body of a second attempt are those of the first."""
    listener.answers = [503]
    an_endpoint(book, listener.url)
    move(book)
    exhaust(dispatcher)
    clock.pass_by(6)
    exhaust(dispatcher)
    (first, body), (second, again) = listener.got
    assert (first["webhook-id"], body) == (second["webhook-id"], again)
    assert int(second["webhook-timestamp"]) - int(first["webhook-timestamp"]) == 6


# ── failing ──────────────────────────────────────────────────────────────────────────


def test_the_schedule_of_attempts(book, listener, dispatcher, clock):
    """Ten attempts over three days, each after its pause and at most a tenth later; then none."""
    listener.status = 500
    an_endpoint(book, listener.url)
    move(book)
    pauses = [0, 5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400]
    for number, pause in enumerate(pauses, 1):
        clock.now += pause * 10**6 - 1
        exhaust(dispatcher)
        assert len(listener.got) == (number - 1 if pause else 1)
        clock.now += 1 + pause * 10**5
        exhaust(dispatcher)
        assert len(listener.got) == number
    (kept,) = deliveries(book, status="dead")
    assert (kept.attempts, kept.last_error, kept.next_at) == (10, "http_500", None)
    clock.pass_by(10**7)
    assert exhaust(dispatcher) == 0


@pytest.mark.parametrize("status", [301, 302, 307, 400, 404, 429, 500])
def test_what_is_no_success_is_tried_again(book, listener, dispatcher, status):
    """Redirects too: nobody is sent elsewhere."""
    listener.status = status
    with listening() as elsewhere:
        listener.headers = {"location": elsewhere.url}
        an_endpoint(book, listener.url)
        move(book)
        exhaust(dispatcher)
        (kept,) = deliveries(book)
        assert (kept.status, kept.last_error) == ("pending", f"http_{status}")
        assert elsewhere.got == []


def test_gone_is_gone(book, listener, dispatcher, clock):
    """410 disables the endpoint; what was still to be sent is given up."""
    name = an_endpoint(book, listener.url)
    listener.answers = [500, 410]
    move(book)
    exhaust(dispatcher)
    move(book)
    exhaust(dispatcher)
    found = book.query(webhooks.endpoint, name)
    assert (found.status, found.reason) == ("disabled", "The receiver answered 410 Gone.")
    clock.pass_by(60)
    move(book)
    exhaust(dispatcher)
    assert len(listener.got) == 2
    assert sorted(one.last_error for one in deliveries(book, status="dead")) == [
        "endpoint_disabled",
        "http_410",
    ]


def test_nobody_there(book, dispatcher):
    """A closed port is a failure like another, told by its code."""
    with listening() as gone:
        url = gone.url
    an_endpoint(book, url)
    move(book)
    exhaust(dispatcher)
    assert deliveries(book)[0].last_error == "unreachable"


def test_one_deadline_for_everything(book, listener, clock):
    """A receiver that takes its time costs no more than that."""
    listener.gate.clear()
    an_endpoint(book, listener.url)
    move(book)
    with Dispatcher(book, SETTINGS, clock, deadline_seconds=0.3) as dispatcher:
        exhaust(dispatcher)
    assert deliveries(book)[0].last_error == "timeout"


def test_a_long_answer_is_not_read(book, listener, dispatcher):
    """Its status counts, and no more of it is taken than a little."""
    listener.body = b"x" * 5_000_000
    an_endpoint(book, listener.url)
    move(book)
    exhaust(dispatcher)
    assert deliveries(book)[0].status == "delivered"


def test_nothing_is_sent_to_this_machine_unless_allowed(book, listener, clock):
    """Without the setting a private address is refused, and nobody was connected to."""
    an_endpoint(book, listener.url)
    move(book)
    with Dispatcher(book, Settings(), clock) as dispatcher:
        exhaust(dispatcher)
    assert (deliveries(book)[0].last_error, listener.got) == ("address_refused", [])


def test_without_its_secret_nothing_is_sent(book, listener, clock, database_url):
    """Unsigned is not sent; when the key is back, it goes."""
    an_endpoint(book, listener.url)
    move(book)
    with (
        Khata.open(database_url, clock=clock, vault=a_vault()) as other,
        Dispatcher(other, SETTINGS, clock) as dispatcher,
    ):
        exhaust(dispatcher)
        assert deliveries(book)[0].last_error == "secret_not_opened"
    clock.pass_by(6)
    with Dispatcher(book, SETTINGS, clock) as dispatcher:
        exhaust(dispatcher)
    assert (deliveries(book)[0].status, len(listener.got)) == ("delivered", 1)


# ── several workers, and those that die ──────────────────────────────────────────────


def test_two_workers_never_send_one_delivery_at_once(book, listener, clock):
    """Four workers, forty events: each is sent once."""
    an_endpoint(book, listener.url)
    for _ in range(40):
        move(book, "1.00")
    workers = [Dispatcher(book, SETTINGS, clock) for _ in range(4)]
    threads = [threading.Thread(target=lambda w=w: exhaust(w)) for w in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for worker in workers:
        worker.close()
    assert (len(listener.ids), len(set(listener.ids))) == (40, 40)
    assert {one.status for one in deliveries(book)} == {"delivered"}


def test_a_worker_that_dies_leaves_its_deliveries_to_others(book, listener, dispatcher, clock):
    """Nobody touches them while its lease lasts; then they are sent, under their ids."""
    an_endpoint(book, listener.url)
    move(book)
    dead = Deliveries(book.database, book.book_id)
    with book.view() as view:
        dead.advance(view)
    claim, (held,) = dead.claim(clock.now, 10)
    assert (exhaust(dispatcher), listener.got) == (0, [])
    clock.now += LEASE
    exhaust(dispatcher)
    assert listener.ids == [held.id]
    dead.mark(claim, [], clock.now)
    assert deliveries(book)[0].status == "delivered"


def test_who_lost_a_claim_writes_nothing_down(book, listener, dispatcher, clock):
    """A worker that comes back late does not undo what another one did."""
    listener.status = 500
    an_endpoint(book, listener.url)
    move(book)
    late = Deliveries(book.database, book.book_id)
    with book.view() as view:
        late.advance(view)
    claim, (held,) = late.claim(clock.now, 10)
    clock.now += LEASE
    exhaust(dispatcher)
    late.mark(claim, [Result(held.id, "delivered", 1, None, 200, None)], clock.now)
    assert deliveries(book)[0].status == "pending"


def test_what_is_old_and_delivered_is_forgotten(book, listener, dispatcher, clock):
    """After thirty days; what was given up stays."""
    an_endpoint(book, listener.url)
    move(book)
    exhaust(dispatcher)
    clock.pass_by(31 * 86_400)
    exhaust(dispatcher)
    assert deliveries(book) == []


# ── again ────────────────────────────────────────────────────────────────────────────


def test_a_dead_letter_can_be_sent_again(book, listener, dispatcher, clock):
    """By a command with a reason; it starts from the first attempt, under its id."""
    listener.status = 500
    an_endpoint(book, listener.url)
    move(book)
    for _ in range(12):
        clock.pass_by(100_000)
        exhaust(dispatcher)
    (kept,) = deliveries(book, status="dead")
    listener.status = 200
    book.submit(webhooks.Resend(kept.id, "It works again."), actor=ADMIN)
    exhaust(dispatcher)
    (kept,) = deliveries(book)
    assert (kept.status, kept.attempts, set(listener.ids)) == ("delivered", 1, {kept.id})
    assert len(listener.got) == 11


def test_a_range_can_be_replayed(book, listener, dispatcher):
    """What happened before the endpoint was there, and what it had already, under the same ids."""
    before = [move(book).seq for _ in range(3)]
    name = an_endpoint(book, listener.url, "wallet.*")
    after = move(book).seq
    exhaust(dispatcher)
    first = listener.ids[:]
    book.submit(webhooks.Replay(name, before[1], after, "A day was lost."), actor=ADMIN)
    exhaust(dispatcher)
    assert [told["data"]["seq"] for told in listener.told[:1]] == [after]
    assert sorted(told["data"]["seq"] for told in listener.told[1:]) == [*before[1:], after]
    assert first[0] in listener.ids[1:]
    assert len(deliveries(book)) == 3


@pytest.mark.parametrize(("first", "last"), [(0, 1), (2, 1), (1, 10**6), (-5, -1)])
def test_a_range_that_is_none(book, listener, first, last):
    """Refused, naming what would do."""
    name = an_endpoint(book, listener.url)
    error = refused(book, webhooks.Replay(name, first, last, "Why not."), actor=ADMIN)
    assert isinstance(error, Invalid)


def test_what_cannot_be_sent_again(book, listener):
    """A delivery that cannot be, and an endpoint that is disabled."""
    name = an_endpoint(book, listener.url)
    move(book)
    assert isinstance(refused(book, webhooks.Resend("evt_zz", "r"), actor=ADMIN), NotFound)
    book.submit(webhooks.DisableEndpoint(name, "Moved."), actor=ADMIN)
    error = refused(book, webhooks.Replay(name, 1, 2, "r"), actor=ADMIN)
    assert isinstance(error, InvalidTransition)


# ── endpoints ────────────────────────────────────────────────────────────────────────


def test_both_secrets_sign_for_a_while(book, listener, dispatcher, clock):
    """Until the old one runs out a receiver may have either; afterwards only the new one."""
    name = an_endpoint(book, listener.url, secret=OTHER_SECRET)
    sealed = book.vault.seal(SECRET)
    book.submit(webhooks.RotateSecret(name, sealed, overlap_seconds=60), actor=ADMIN)
    move(book)
    exhaust(dispatcher)
    headers, body = listener.got[0]
    for secret in (SECRET, OTHER_SECRET):
        Webhook(secret).verify(body, headers)
    clock.pass_by(60)
    move(book)
    exhaust(dispatcher)
    headers, body = listener.got[1]
    Webhook(SECRET).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(OTHER_SECRET).verify(body, headers)


def test_secrets_are_sealed_in_the_book(book, listener):
    """A secret in clear is refused; the sealed one tells nothing, and no answer has it."""
    clear = webhooks.AddEndpoint(listener.url, ["*"], SECRET)
    error = refused(book, clear, actor=ADMIN)
    assert isinstance(error, Invalid)
    assert SECRET not in str(error) + str(error.details)
    an_endpoint(book, listener.url)
    journal = str(book.tail("test").read(1000))
    assert OTHER_SECRET not in journal
    assert OTHER_SECRET[6:] not in journal
    assert "secret" not in {*webhooks.EndpointState.__struct_fields__}


def test_only_admins_decide_where_events_go(book, listener):
    """Neither finance nor a program: whoever is told of everything sees everything."""
    command = webhooks.AddEndpoint(listener.url, ["*"], book.vault.seal(SECRET))
    for who in (FINANCE, SERVICE):
        assert refused(book, command, actor=who).code == "role_required"
    name = book.submit(command, actor=OTHER_ADMIN).result.id
    assert refused(book, webhooks.DisableEndpoint(name, "r"), actor=FINANCE).code == "role_required"


def test_an_endpoint_is_changed_and_enabled_again(book, listener, dispatcher):
    """What happened while it was disabled is not sent by itself."""
    name = an_endpoint(book, "https://shop.example/hook")
    book.submit(webhooks.ChangeEndpoint(name, url=listener.url, events=["wallet.*"]), actor=ADMIN)
    book.submit(webhooks.DisableEndpoint(name, "Moved."), actor=ADMIN)
    move(book)
    book.submit(webhooks.EnableEndpoint(name, "Back."), actor=ADMIN)
    last = move(book).seq
    exhaust(dispatcher)
    assert [told["data"]["seq"] for told in listener.told] == [last]


@pytest.mark.parametrize(
    "url",
    [
        "ftp://shop.example/", "https://", "https://user:pw@shop.example/", "//shop.example",
        "https://shop.example/#x", "https://shop.example:22/", "https://shop.example:0/",
        "https://shop.example:99999/", "https://shop example/", "https://shop.example/\n",
        "https://" + "x" * 3000, "", "javascript:alert(1)", "https://[::1%25eth0]/",
    ],
)  # fmt: skip
def test_addresses_that_are_none(book, url):
    """Refused when they are added, and not repeated: a password may be in them."""
    error = refused(book, webhooks.AddEndpoint(url, ["*"], book.vault.seal(SECRET)), actor=ADMIN)
    assert isinstance(error, Invalid)
    assert "pw" not in str(error) + str(error.details)


@pytest.mark.parametrize(
    "events", [[], ["payment"] * 51, ["Payment.*"], ["*.paid"], [""], ["a..b"]]
)
def test_patterns_that_are_none(book, events):
    """Refused, with what would be one."""
    command = webhooks.AddEndpoint("https://shop.example/", events, book.vault.seal(SECRET))
    assert isinstance(refused(book, command, actor=ADMIN), Invalid)
