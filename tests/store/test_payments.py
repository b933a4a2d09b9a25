"""Payments: begun once, paid by three ways, told of by providers in any order, refunded."""

import threading

import pytest

from khata import Khata
from khata.base.money import Money
from khata.domain import ledger, payments, setup, wallets
from khata.engine.replay import replay
from khata.engine.sagas import Outcome
from tests.builders import (
    ADMIN,
    ALICE,
    FINANCE,
    Clock,
    balance,
    bdt,
    discrepancies,
    owner,
    refused,
)
from tests.payers import (
    ORDER,
    Teller,
    a_shop,
    from_wallet,
    paid,
    pay,
    payable,
    payment,
    tell,
    to_pay,
    work,
)
from tests.servers import sqlite_at

UNKNOWN = Outcome("unknown", code="timeout")
DECLINED = Outcome("failed", code="card_declined", message="No.")


def books(book):
    """Every house account that is not empty: code → balance on its normal side."""
    lines = book.query(ledger.trial_balance)
    return {line.code: line.balance for line in lines if line.balance.strip("0.")}


def money_of(book):
    """As `books`, without the counterpart of what wallets began with."""
    return {code: value for code, value in books(book).items() if code != "cash/main"}


# ── what is to be paid ───────────────────────────────────────────────────────────────


def test_a_subject_is_registered_once(database_url):
    """What is to be paid has one amount."""
    with a_shop(database_url) as book:
        assert to_pay(book).escrow == "escrow/order/M1001"
        again = payments.RegisterPayable(ORDER, "alice", bdt("5.00"))
        assert refused(book, again).code == "already_exists"


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"subject": "M1001"}, "invalid_input"),
        ({"amount": bdt("1.001")}, "too_many_decimals"),
        ({"amount": bdt("0")}, "invalid_amount"),
        ({"country": "Bangladesh"}, "invalid_input"),
        ({"escrow": "revenue/fee"}, "invalid_input"),
        ({"source": "whim"}, "unknown_source"),
    ],
)
def test_what_cannot_be_paid_is_not_registered(tmp_path, fields, code):
    """One clear error, nothing written."""
    with a_shop(sqlite_at(tmp_path / "khata.db")) as book:
        command = {"subject": ORDER, "owner": "alice", "amount": bdt("5.00"), **fields}
        assert refused(book, payments.RegisterPayable(**command)).code == code
        assert book.query(payments.payables).items == []


# ── out of a wallet ──────────────────────────────────────────────────────────────────


def test_a_wallet_pays_in_one_command(database_url):
    """Payment, payable and money are one; each side names the other."""
    with a_shop(database_url, alice="1500.00") as book:
        to_pay(book)
        done = from_wallet(book)
        assert (done.status, done.amount) == ("paid", "1000.00")
        (entry,) = done.entries
        shown = book.query(ledger.entry, entry)
        assert (shown.reference, shown.source) == (done.id, "order")
        assert (payable(book).status, payable(book).paid_by) == ("paid", done.id)
        assert (balance(book), money_of(book)["escrow/order/M1001"]) == ("500.00", "1000.00")
        assert discrepancies(book) == []


def test_a_wallet_without_the_money_pays_nothing(database_url):
    """The payable stays open for another try."""
    with a_shop(database_url, alice="999.99") as book:
        to_pay(book)
        command = payments.Initiate(ORDER, wallet=ALICE, method="wallet")
        assert refused(book, command).code == "insufficient_funds"
        assert (payable(book).status, payable(book).active) == ("open", None)
        assert book.query(payments.payments).items == []


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"subject": "order/none"}, "payable_not_found"),
        ({"wallet": "bob/personal/BDT"}, "not_yours"),
        ({"wallet": None}, "invalid_input"),
        ({"amount": bdt("999.00")}, "amount_mismatch"),
        ({"amount": Money("1000.00", "USD")}, "currency_mismatch"),
        ({"amount": bdt("1.001")}, "too_many_decimals"),
        ({"method": "mixed"}, "invalid_input"),
        ({"method": "mixed", "wallet_part": bdt("1000.00")}, "amount_mismatch"),
        ({"method": "provider", "provider": "other"}, "provider_not_offered"),
        ({"method": "provider", "way": "bank_transfer"}, "provider_not_offered"),
        ({"subject": None}, "invalid_input"),
    ],
)
def test_a_payment_that_cannot_be_begun_is_refused(tmp_path, fields, code):
    """One clear error, nothing written."""
    with a_shop(sqlite_at(tmp_path / "khata.db"), alice="2000.00", bob="2000.00") as book:
        to_pay(book)
        given = {"subject": ORDER, "wallet": ALICE, "method": "wallet", **fields}
        assert refused(book, payments.Initiate(**given)).code == code
        assert book.query(payments.payments).items == []


def test_owners_pay_what_is_theirs(database_url):
    """Of what others pay an owner learns nothing."""
    with a_shop(database_url, alice="1500.00", bob="1500.00") as book:
        to_pay(book)
        command = payments.Initiate(ORDER, wallet="bob/personal/BDT", method="wallet")
        assert refused(book, command, actor=owner("bob")).code == "not_yours"
        mine = payments.Initiate(ORDER, wallet=ALICE, method="wallet")
        done = book.submit(mine, actor=owner("alice")).result
        assert done.status == "paid"
        with book.view(owner("bob")) as view:
            assert payments.payments(view).items == []
        with book.view(owner("alice")) as view:
            assert [item.id for item in payments.payments(view).items] == [done.id]


def test_of_two_who_begin_at_once_one_wins(database_url):
    """The other is told which payment is under way."""
    with a_shop(database_url) as book:
        to_pay(book)
        outcomes = []

        def begin():
            (answer,) = book.submit_many([payments.Initiate(ORDER)])
            outcomes.append(answer)

        threads = [threading.Thread(target=begin) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        won = [answer.result for answer in outcomes if hasattr(answer, "result")]
        lost = [answer for answer in outcomes if not hasattr(answer, "result")]
        assert len(won) == 1
        assert {(error.code, error.details["payment"]) for error in lost} == {
            ("payment_active", won[0].id)
        }
        assert len(book.query(payments.payments).items) == 1


# ── through a provider ───────────────────────────────────────────────────────────────


def test_a_charge_that_is_paid_at_once(database_url):
    """Asked once under one key, booked once, the saga ends."""
    with a_shop(database_url) as book:
        to_pay(book)
        begun = pay(book, token="tok_1")
        assert (begun.status, begun.provider, begun.way) == ("pending", "sandbox", "card")
        teller = Teller({"status": "paid"})
        work(book, teller)
        done = payment(book, begun.id)
        assert (done.status, done.charge) == ("paid", "ch_1")
        (intent,) = teller.calls
        assert intent.request == {
            "provider": "sandbox",
            "op": "charge",
            "amount": "1000.00",
            "currency": "BDT",
            "method": "card",
            "reference": begun.id,
            "about": ORDER,
            "token": "tok_1",
        }
        assert money_of(book) == {"cash/sandbox": "1000.00", "escrow/order/M1001": "1000.00"}
        assert discrepancies(book) == []


def test_a_charge_that_is_paid_later_by_event(database_url):
    """The saga waits; the provider's event confirms; told again, nothing more happens."""
    with a_shop(database_url) as book:
        to_pay(book)
        begun = pay(book, way="mobile_money")
        work(book, Teller({"status": "pending", "action_url": "https://pay.example/1"}))
        assert payment(book, begun.id).action_url == "https://pay.example/1"
        assert payable(book).active == begun.id
        assert paid(book, begun.id).status == "applied"
        assert paid(book, begun.id).status == "stale"
        assert tell(book, "charge.failed", begun.id).status == "stale"
        assert work(book, Teller()) > 0
        assert payment(book, begun.id).status == "paid"
        assert money_of(book) == {"cash/sandbox": "1000.00", "escrow/order/M1001": "1000.00"}


def test_an_event_that_overtakes_the_answer(database_url):
    """The provider's event came before the answer to our call: booked once."""
    with a_shop(database_url) as book:
        to_pay(book)
        begun = pay(book)
        assert paid(book, begun.id).status == "applied"
        work(book, Teller({"status": "pending"}))
        assert payment(book, begun.id).status == "paid"
        assert money_of(book)["cash/sandbox"] == "1000.00"


def test_a_declined_charge_leaves_the_payable_open(database_url):
    """Another try is possible, and wins."""
    with a_shop(database_url) as book:
        to_pay(book)
        first = pay(book)
        work(book, Teller(DECLINED))
        assert (payment(book, first.id).status, payment(book, first.id).code) == (
            "failed",
            "card_declined",
        )
        assert payable(book).status == "open"
        second = pay(book)
        work(book, Teller({"status": "failed", "code": "no_money", "id": "ch_2"}))
        assert payment(book, second.id).code == "no_money"
        third = pay(book)
        work(book, Teller({"status": "paid", "id": "ch_3"}))
        assert payable(book).paid_by == third.id
        assert money_of(book)["escrow/order/M1001"] == "1000.00"


@pytest.mark.parametrize("resolved_by", ["asking", "event"])
def test_an_unknown_outcome_is_asked_about(database_url, resolved_by):
    """Never charged anew: asked under the same key, or told by an event, whichever is first."""
    clock = Clock()
    with a_shop(database_url, clock=clock) as book:
        to_pay(book)
        begun = pay(book)
        teller = Teller(UNKNOWN, asked=[{"status": "paid"}])
        work(book, teller)
        assert payment(book, begun.id).status == "unknown"
        if resolved_by == "event":
            paid(book, begun.id)
            assert payment(book, begun.id).status == "paid"
        clock.pass_by(60)
        work(book, teller)
        assert payment(book, begun.id).status == "paid"
        assert [len(teller.calls), len(teller.questions)] == [1, 1]
        assert teller.calls[0].key == teller.questions[0].key
        assert money_of(book)["cash/sandbox"] == "1000.00"


def test_nobody_pays_in_time(database_url):
    """It expires, the payable is open again; money that comes all the same is taken."""
    clock = Clock()
    with a_shop(database_url, clock=clock) as book:
        to_pay(book)
        begun = pay(book)
        work(book, Teller({"status": "pending"}))
        clock.pass_by(1801)
        work(book, Teller())
        assert payment(book, begun.id).status == "expired"
        assert payable(book).active is None
        paid(book, begun.id)
        assert (payment(book, begun.id).status, payable(book).paid_by) == ("paid", begun.id)


@pytest.mark.parametrize("why", ["cancelled", "paid by another"])
def test_money_that_comes_for_nothing_goes_back_by_itself(database_url, why):
    """It lies in clearing/unapplied until the provider has it back."""
    with a_shop(database_url, alice="1000.00") as book:
        to_pay(book)
        begun = pay(book)
        work(book, Teller({"status": "pending"}))
        if why == "cancelled":
            book.submit(payments.CancelPayable(ORDER, "Out of stock."), actor=ADMIN)
        else:
            tell(book, "charge.failed", begun.id)
            work(book, Teller())
            from_wallet(book)
        paid(book, begun.id)
        assert payment(book, begun.id).code == "unapplied"
        (refund,) = book.query(payments.refunds).items
        assert (refund.status, refund.amount) == ("pending", "1000.00")
        assert money_of(book)["clearing/refunds"] == "1000.00"
        work(book, Teller({"status": "succeeded"}))
        assert payment(book, begun.id).status == "refunded"
        assert payable(book).status == ("cancelled" if why == "cancelled" else "paid")
        assert "cash/sandbox" not in money_of(book)
        assert discrepancies(book) == []


@pytest.mark.parametrize(
    "fields",
    [
        {"amount": "999.99"},
        {"amount": "1000.00", "currency": "USD"},
        {"amount": "a lot"},
        {"amount": "1000.00", "object": "ch_other"},
    ],
)
def test_what_contradicts_the_record_changes_nothing(tmp_path, fields):
    """Another amount, currency or charge is a mismatch, never an update."""
    with a_shop(sqlite_at(tmp_path / "khata.db")) as book:
        to_pay(book)
        begun = pay(book)
        work(book, Teller({"status": "pending"}))
        assert tell(book, "charge.paid", begun.id, **fields).status == "mismatch"
        assert payment(book, begun.id).status == "pending"
        assert money_of(book) == {}
        assert tell(book, "charge.paid", "pay_none", object="ch_9").status == "unknown"


def test_a_wallet_is_topped_up(database_url):
    """A payment without a subject puts its money into the wallet."""
    with a_shop(database_url, alice="0") as book:
        command = payments.Initiate(wallet=ALICE, amount=bdt("200.00"), country="BD")
        begun = book.submit(command, actor=owner("alice")).result
        work(book, Teller({"status": "paid"}))
        assert (balance(book), payment(book, begun.id).status) == ("200.00", "paid")
        (line,) = book.query(wallets.transactions, ALICE).items
        assert (line.reference, line.source) == (begun.id, "top_up")
        too_little = payments.Initiate(wallet=ALICE, amount=bdt("9.99"))
        assert refused(book, too_little).code == "invalid_amount"


# ── part wallet, part bank transfer ──────────────────────────────────────────────────


def a_mixed_payment(book):
    to_pay(book)
    return pay(book, wallet=ALICE, method="mixed", wallet_part=bdt("300.00"))


def test_a_mixed_payment_is_confirmed(database_url):
    """The wallet's part is held, and taken when finance has seen the transfer: one command."""
    with a_shop(database_url, alice="400.00") as book:
        begun = a_mixed_payment(book)
        assert (begun.status, book.query(wallets.wallet, ALICE).available) == ("pending", "100.00")
        wrong = payments.ConfirmTransfer(begun.id, bdt("699.00"), "slip 17")
        assert refused(book, wrong, actor=FINANCE).code == "amount_mismatch"
        right = payments.ConfirmTransfer(begun.id, bdt("700.00"), "slip 17")
        done = book.submit(right, actor=FINANCE).result
        assert (done.status, len(done.entries)) == ("paid", 2)
        assert balance(book) == "100.00"
        assert money_of(book) == {
            "bank/main": "700.00",
            "escrow/order/M1001": "1000.00",
            f"wallet/{ALICE}": "100.00",
        }
        assert refused(book, right, actor=FINANCE).code == "invalid_transition"
        work(book, Teller())
        assert discrepancies(book) == []


@pytest.mark.parametrize("how", ["rejected", "late", "cancelled"])
def test_a_mixed_payment_that_comes_to_nothing(database_url, how):
    """The wallet has its money back, and the payable is open again unless cancelled."""
    clock = Clock()
    with a_shop(database_url, clock=clock, alice="400.00") as book:
        begun = a_mixed_payment(book)
        work(book, Teller())
        if how == "rejected":
            book.submit(payments.RejectTransfer(begun.id, "No such slip."), actor=FINANCE)
        elif how == "cancelled":
            book.submit(payments.CancelPayable(ORDER, "Out of stock."), actor=ADMIN)
        else:
            clock.pass_by(3 * 86_400 + 1)
        work(book, Teller())
        wanted = "expired" if how == "late" else "failed"
        assert payment(book, begun.id).status == wanted
        assert book.query(wallets.wallet, ALICE).available == "400.00"
        assert payable(book).active is None
        assert discrepancies(book) == []


# ── refunds and disputes ─────────────────────────────────────────────────────────────


def test_a_wallet_has_its_refund_at_once(database_url):
    """Partial, then the rest, never more."""
    with a_shop(database_url, alice="1000.00") as book:
        to_pay(book)
        done = from_wallet(book)
        part = payments.RefundPayment(done.id, "One was broken.", bdt("400.00"))
        assert book.submit(part).result.status == "succeeded"
        assert (payment(book, done.id).status, balance(book)) == ("partially_refunded", "400.00")
        more = payments.RefundPayment(done.id, "All.", bdt("600.01"))
        assert refused(book, more).code == "refund_exceeded"
        book.submit(payments.RefundPayment(done.id, "The rest."))
        assert (payment(book, done.id).status, payable(book).status) == ("refunded", "refunded")
        assert (balance(book), refused(book, part).code) == ("1000.00", "refund_exceeded")
        assert discrepancies(book) == []


def paid_through_provider(book):
    to_pay(book)
    begun = pay(book)
    work(book, Teller({"status": "paid"}))
    return begun.id


def test_refunds_under_way_count(database_url):
    """Many at once never pass what was paid."""
    with a_shop(database_url) as book:
        name = paid_through_provider(book)
        lines = [payments.RefundPayment(name, "Broken.", bdt("300.00")) for _ in range(5)]
        outcomes = book.submit_many(lines)
        assert [getattr(outcome, "code", "done") for outcome in outcomes] == [
            *["done"] * 3,
            *["refund_exceeded"] * 2,
        ]
        assert money_of(book)["clearing/refunds"] == "900.00"
        work(book, Teller(*({"status": "succeeded", "id": f"re_{n}"} for n in range(3))))
        assert payment(book, name).refunded == "900.00"
        assert money_of(book) == {"cash/sandbox": "100.00", "escrow/order/M1001": "100.00"}
        assert discrepancies(book) == []


@pytest.mark.parametrize("answer", [DECLINED, {"status": "failed"}, {"status": "pending"}])
def test_a_refund_that_the_provider_does_not_make(database_url, answer):
    """What was set aside goes back where it was."""
    with a_shop(database_url) as book:
        name = paid_through_provider(book)
        asked = book.submit(payments.RefundPayment(name, "Broken.", bdt("300.00"))).result
        work(book, Teller(answer))
        if answer == {"status": "pending"}:
            tell(book, "refund.failed", object="re_1", reference=asked.id)
            work(book, Teller())
        (refund,) = book.query(payments.refunds).items
        assert (refund.status, payment(book, name).status) == ("failed", "paid")
        assert money_of(book) == {"cash/sandbox": "1000.00", "escrow/order/M1001": "1000.00"}
        assert discrepancies(book) == []


def test_a_refund_made_at_the_provider_is_booked(database_url):
    """It comes without our reference; more than was paid is a mismatch."""
    with a_shop(database_url) as book:
        name = paid_through_provider(book)
        found = {"object": "re_x", "amount": "250.00", "currency": "BDT"}
        assert tell(book, "refund.succeeded", **found).status == "applied"
        assert tell(book, "refund.succeeded", **found).status == "stale"
        assert payment(book, name).refunded == "250.00"
        assert money_of(book)["escrow/order/M1001"] == "750.00"
        much = {"object": "re_y", "amount": "750.01"}
        assert tell(book, "refund.succeeded", **much).status == "mismatch"
        over = payments.RefundPayment(name, "Broken.", bdt("750.01"))
        assert refused(book, over).code == "refund_exceeded"


def test_a_refund_found_out_before_its_answer_is_one(database_url):
    """The event had no reference of ours; the answer then says that it is ours."""
    with a_shop(database_url) as book:
        name = paid_through_provider(book)
        book.submit(payments.RefundPayment(name, "All."))
        tell(book, "refund.succeeded", object="re_1", amount="1000.00")
        work(book, Teller({"status": "pending"}))
        assert (payment(book, name).status, payment(book, name).refunded) == (
            "refunded",
            "1000.00",
        )
        assert money_of(book) == {}
        assert discrepancies(book) == []


def test_a_refund_of_what_was_passed_on_is_owed(database_url):
    """The payer gets it; whoever has the money owes it to the house."""
    with a_shop(database_url, alice="1000.00", bob="0") as book:
        to_pay(book)
        done = from_wallet(book)
        book.submit(
            ledger.PostEntry(
                [
                    ledger.LegIn("escrow/order/M1001", debit=bdt("800.00")),
                    ledger.LegIn("wallet/bob/personal/BDT", credit=bdt("800.00")),
                ],
                "order",
            )
        )
        book.submit(payments.RefundPayment(done.id, "Never came."))
        assert balance(book) == "1000.00"
        assert money_of(book)["receivable/refunds"] == "800.00"


@pytest.mark.parametrize(("end", "status"), [("won", "paid"), ("lost", "disputed")])
def test_a_dispute_takes_the_money_and_ends(database_url, end, status):
    """Opened it is a claim; won it is back; lost it is an expense."""
    with a_shop(database_url) as book:
        name = paid_through_provider(book)
        about = {"object": "dp_1", "amount": "1000.00"}
        assert tell(book, "dispute.opened", **about).status == "applied"
        assert payment(book, name).status == "disputed"
        assert money_of(book)["receivable/disputes"] == "1000.00"
        late = payments.RefundPayment(name, "Sorry.")
        assert refused(book, late).code == "invalid_transition"
        tell(book, f"dispute.{end}", **about)
        assert payment(book, name).status == status
        expected = "cash/sandbox" if end == "won" else "expense/chargebacks"
        assert money_of(book) == {expected: "1000.00", "escrow/order/M1001": "1000.00"}
        (dispute,) = book.query(payments.disputes, status=end).items
        assert (dispute.payment, len(dispute.entries)) == (name, 2)
        assert discrepancies(book) == []


# ── the whole ────────────────────────────────────────────────────────────────────────


def test_four_eyes_look_at_refunds(database_url):
    """Above the limit a member of staff needs a second person."""
    with a_shop(database_url, alice="1000.00") as book:
        to_pay(book)
        done = from_wallet(book)
        book.submit(setup.Set("four_eyes", {"BDT": "500.00"}))
        command = payments.RefundPayment(done.id, "Asked for.", bdt("500.01"))
        assert refused(book, command, actor=ADMIN).code == "approval_required"


def test_a_story_runs_again_to_the_same_head(database_url, tmp_path):
    """Payments, events, refunds and a dispute: replayed, the book is the same."""
    with a_shop(database_url, alice="2000.00") as book:
        name = paid_through_provider(book)
        book.submit(payments.RefundPayment(name, "Broken.", bdt("300.00")))
        work(book, Teller({"status": "succeeded"}))
        tell(book, "dispute.opened", object="dp_1", amount="700.00")
        to_pay(book, "order/M2")
        from_wallet(book, "order/M2")
        assert discrepancies(book) == []
        with Khata.open(sqlite_at(tmp_path / "copy.db")) as copy:
            head = replay(book, copy)
            assert head.hash.hex() == book.verify().head
            assert discrepancies(copy) == []
