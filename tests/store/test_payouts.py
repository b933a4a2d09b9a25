"""Payouts: locked, sent, told of by banks in any order; the money is always where the status is."""

from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from khata import Khata
from khata.domain import payouts, sagas, setup
from khata.domain.ledger import CloseAccount, FreezeAccount, SetLimits, UnfreezeAccount
from khata.domain.payouts import (
    BatchLine,
    BlockBankAccount,
    CompletePayout,
    FailPayout,
    GiveBack,
    InitiatePayout,
    RemoveBankAccount,
    VerifyBankAccount,
)
from khata.domain.wallets import Credit, Debit, OpenWallet, statement
from khata.engine.accounts import VelocityLimit
from khata.engine.replay import replay
from khata.engine.tables import EVENTS
from khata.errors import (
    AccountFrozen,
    AlreadyExists,
    ApprovalRequired,
    BankAccountNotFound,
    BankAccountUnusable,
    BelowMinimum,
    CurrencyMismatch,
    InsufficientFunds,
    Invalid,
    InvalidAmount,
    InvalidTransition,
    LimitExceeded,
    NotYours,
    PayoutNotFound,
    PayoutsPaused,
    RoleRequired,
    UnknownCurrency,
    WalletNotFound,
)
from tests.builders import (
    ADMIN,
    ALICE,
    BOB,
    FINANCE,
    SUPPORT,
    balance,
    bdt,
    discrepancies,
    owner,
    refused,
)
from tests.conftest import examples
from tests.payees import (
    NUMBER,
    POLICY,
    VAULT,
    a_batch,
    a_house,
    add,
    money_of,
    pay_out,
    said,
    show,
    tell,
    the_account,
    work,
)
from tests.servers import sqlite_at

FEE = POLICY | {"fee": {"BDT": "5.00"}}
FULL = {"wallet/alice/personal/BDT": "1000.00"}
LOCKED = {"wallet/alice/personal/BDT": "900.00", "payable/payouts": "100.00"}
PAID = {"wallet/alice/personal/BDT": "900.00", "cash/sandbox": "-100.00"}


def without_top_up(book):
    """Where the money is."""
    return money_of(book)


def events(book):
    with book.view() as view:
        rows = view.rows(EVENTS.select().order_by(EVENTS.c.seq, EVENTS.c.n))
        return [row.type for row in rows if row.type.startswith("payout.")]


def run_of(book, payout):
    return book.query(sagas.saga, show(book, payout).saga)


def paid_out(book, **more):
    """A payout that has arrived."""
    made = pay_out(book, **more)
    work(book)
    tell(book, made.id, "completed")
    return made.id


# ── the usual way ────────────────────────────────────────────────────────────────────


def test_a_payout_goes_its_way(database_url):
    """Locked at once, processing once the provider has it, completed when the bank says so."""
    with a_house(database_url) as book:
        made = pay_out(book, reference="salary-1")
        assert (made.status, made.money, made.provider) == ("locked", "locked", "sandbox")
        assert (made.wallet, made.mask, made.amount) == (ALICE, "•••• 0120", "100.00")
        assert money_of(book) == LOCKED
        work(book)
        sent = show(book, made.id)
        assert (sent.status, sent.provider_id) == ("processing", f"po-{made.id}")
        assert money_of(book) == LOCKED
        assert tell(book, made.id, "completed", amount="100.00").status == "applied"
        done = show(book, made.id)
        assert (done.status, done.money, len(done.entries)) == ("completed", "paid_out", 2)
        assert money_of(book) == PAID
        work(book)
        assert run_of(book, made.id).status == "completed"
        assert events(book) == ["payout.processing", "payout.completed"]
        assert discrepancies(book) == []


def test_the_provider_is_asked_for_exactly_that(database_url):
    """Once, with sealed numbers, under the payout's own id."""
    with a_house(database_url) as book:
        made = pay_out(book)
        work(book)
        (asked,) = book.bank.asked
        request = dict(asked.request)
        assert VAULT.open(request.pop("account")) == "1234567890120"
        assert VAULT.open(request.pop("holder")) == "Alice Rahman"
        assert request == {
            "provider": "sandbox",
            "op": "payout",
            "amount": "100.00",
            "currency": "BDT",
            "bank": "Dutch-Bangla Bank",
            "country": "BD",
            "reference": made.id,
        }


def test_a_provider_may_pay_at_once(database_url):
    """Without a word later."""
    with a_house(database_url) as book:
        book.bank.status = "completed"
        made = pay_out(book)
        work(book)
        assert (show(book, made.id).status, money_of(book)) == ("completed", PAID)
        assert run_of(book, made.id).status == "completed"


def test_a_fee_is_paid_on_top_and_given_back(database_url):
    """What arrives is the amount; the house keeps the fee only for a payout that arrives."""
    with a_house(database_url, policy=FEE) as book:
        first, second = pay_out(book).id, pay_out(book).id
        work(book)
        tell(book, first, "completed")
        tell(book, second, "failed")
        assert show(book, first).fee == "5.00"
        assert money_of(book) == {
            "wallet/alice/personal/BDT": "895.00",
            "cash/sandbox": "-100.00",
            "revenue/fee": "5.00",
        }
        tell(book, first, "returned")
        assert money_of(book) == FULL


def test_the_owner_sees_where_it_went(database_url):
    """The wallet's statement names the payout; the payout names its entries."""
    with a_house(database_url) as book:
        name = paid_out(book)
        page = book.query(statement, ALICE, since=0, until=book.clock() + 1)
        line = next(item for item in page.items if item.type == "withdrawal")
        assert (line.reference, line.amount, line.source) == (name, "-100.00", "withdrawal")
        assert line.id == show(book, name).entries[0]


# ── asking ───────────────────────────────────────────────────────────────────────────


def test_owners_pay_out_their_own(database_url):
    """From their wallet to their account; of others they learn nothing."""
    with a_house(database_url, alice="1000.00", bob="1000.00") as book:
        alice, bob = owner("alice"), owner("bob")
        hers, his = the_account(book).id, the_account(book, "bob").id
        made = pay_out(book, actor=alice, bank_account=hers)
        for command in (
            InitiatePayout(BOB, bdt("100.00"), "x"),
            InitiatePayout(ALICE, bdt("100.00"), "x", his),
            InitiatePayout(ALICE, bdt("100.00"), "x", "bnk_none"),
            InitiatePayout("x/personal/BDT", bdt("100.00"), "x"),
        ):
            assert isinstance(refused(book, command, actor=alice), NotYours)
        with book.view(bob) as view:
            assert payouts.payouts(view).items == []
            for name in (made.id, "pyo_none"):
                with pytest.raises(NotYours):
                    payouts.payout(view, name)
            for ask in (
                lambda: payouts.payouts(view, owner="alice"),
                lambda: payouts.payouts(view, wallet=ALICE),
                lambda: payouts.batches(view),
                lambda: payouts.batch(view, "bat_none"),
            ):
                with pytest.raises(NotYours):
                    ask()
        with book.view(alice) as view:
            assert [item.id for item in payouts.payouts(view).items] == [made.id]


@pytest.mark.parametrize(
    ("command", "error"),
    [
        (InitiatePayout(ALICE, bdt("9.99"), "r"), BelowMinimum),
        (InitiatePayout(ALICE, bdt("1000.01"), "r"), InsufficientFunds),
        (InitiatePayout(ALICE, bdt("0"), "r"), InvalidAmount),
        (InitiatePayout(ALICE, bdt("-50"), "r"), InvalidAmount),
        (InitiatePayout("x/personal/BDT", bdt("100"), "r"), WalletNotFound),
        (InitiatePayout("cash/main", bdt("100"), "r"), WalletNotFound),
        (InitiatePayout(ALICE, bdt("100"), ""), Invalid),
        (InitiatePayout(ALICE, bdt("100"), "x" * 201), Invalid),
        (InitiatePayout(ALICE, bdt("100"), "r", "bnk_none"), BankAccountNotFound),
        (InitiatePayout(ALICE, bdt("100"), "r", None, "No Such!"), Invalid),
    ],
)
def test_what_cannot_be_paid_out_is_refused(database_url, command, error):
    """With its own code, and nothing moved or begun."""
    with a_house(database_url) as book:
        assert type(refused(book, command)) is error
        assert money_of(book) == FULL
        assert book.query(payouts.payouts).items == []


def test_only_a_verified_account_of_the_same_owner_is_paid(database_url):
    """Not one that waits, is blocked or removed, is another's, or in another currency."""
    with a_house(database_url, alice="1000.00", bob="0") as book:
        waiting = add(book, number="55556666", verified=False)
        dollars = add(book, number="77778888", currency="USD")
        his = the_account(book, "bob").id
        hers = book.query(payouts.bank_accounts, owner="alice", currency="BDT", status="verified")
        (mine,) = (account.id for account in hers.items)

        def wanted(account):
            return refused(book, InitiatePayout(ALICE, bdt("100"), "r", account))

        assert wanted(waiting).details["reason"] == "pending"
        assert wanted(his).details["reason"] == "other_owner"
        assert isinstance(wanted(dollars), CurrencyMismatch)
        book.submit(BlockBankAccount(mine, "odd"))
        assert wanted(mine).details["reason"] == "blocked"
        assert wanted(None).details["reason"] == "none_primary"
        book.submit(RemoveBankAccount(mine))
        assert isinstance(wanted(mine), BankAccountUnusable)


def test_a_frozen_wallet_pays_nothing_out(database_url):
    """Nor one whose limits are reached."""
    with a_house(database_url) as book:
        limit = (VelocityLimit(86_400, 15_000, None),)
        book.submit(SetLimits(ALICE, "careful", limits=limit))
        pay_out(book)
        assert isinstance(refused(book, InitiatePayout(ALICE, bdt("60"), "r")), LimitExceeded)
        book.submit(FreezeAccount(ALICE, "odd"))
        assert isinstance(refused(book, InitiatePayout(ALICE, bdt("20"), "r")), AccountFrozen)


def test_a_reference_is_used_once(database_url):
    """In the whole book, whatever became of the first; under the same key it is the first."""
    with a_house(database_url) as book:
        command = InitiatePayout(ALICE, bdt("100"), "salary")
        first = book.submit(command, key="k")
        assert book.submit(command, key="k").result == first.result
        assert isinstance(refused(book, command), AlreadyExists)
        book.submit(FailPayout(first.result.id, "no"))
        assert isinstance(refused(book, command), AlreadyExists)
        assert money_of(book) == FULL


def test_four_eyes_look_at_large_payouts(database_url):
    """Staff need a second person above the limit, to ask for one and to tell how it went."""
    with a_house(database_url, policy=POLICY | {"provider": "manual"}) as book:
        book.submit(setup.Set("four_eyes", {"BDT": "99.99"}))
        command = InitiatePayout(ALICE, bdt("100"), "r")
        assert isinstance(refused(book, command, actor=FINANCE), ApprovalRequired)
        made = pay_out(book, actor=owner("alice"))
        for told in (CompletePayout(made.id, "TRX 1", "sent"), FailPayout(made.id, "no")):
            assert isinstance(refused(book, told, actor=FINANCE), ApprovalRequired)
        small = pay_out(book, "50.00", actor=FINANCE)
        book.submit(CompletePayout(small.id, "TRX 2", "sent"), actor=FINANCE)


def test_owners_do_not_choose_the_provider(database_url):
    """Which way the money leaves is the house's affair."""
    with a_house(database_url) as book:
        command = InitiatePayout(ALICE, bdt("100"), "r", None, "manual")
        assert isinstance(refused(book, command, actor=owner("alice")), Invalid)
        assert book.submit(command).result.provider == "manual"


@pytest.mark.parametrize(
    "policy", [{"minimum": "10"}, {"sung": True}, {"paused": "no"}, {"minimum": {"BDT": "ten"}}]
)
def test_a_setting_that_makes_no_sense_stops_payouts(database_url, policy):
    """One clear error, and nothing moves."""
    with a_house(database_url) as book:
        book.submit(setup.Set("payouts", policy))
        assert isinstance(refused(book, InitiatePayout(ALICE, bdt("100"), "r")), Invalid)


def test_paused_payouts_wait(database_url):
    """Nothing is asked for or sent; what was locked goes on when the brake is let go."""
    with a_house(database_url) as book:
        made = pay_out(book)
        book.submit(setup.Set("payouts", POLICY | {"paused": True}))
        assert isinstance(refused(book, InitiatePayout(ALICE, bdt("100"), "r")), PayoutsPaused)
        work(book, seconds=7200)
        assert (show(book, made.id).status, book.bank.asked) == ("locked", [])
        book.submit(setup.Set("payouts", POLICY))
        work(book, seconds=7200)
        assert show(book, made.id).status == "processing"


# ── when it does not work ────────────────────────────────────────────────────────────


def test_a_declined_payout_returns_to_its_wallet(database_url):
    """The provider's code is kept; the saga is undone."""
    with a_house(database_url) as book:
        book.bank.script("send", "declined")
        made = pay_out(book)
        work(book)
        after = show(book, made.id)
        assert (after.status, after.code, after.money) == ("failed", "declined", "wallet")
        assert money_of(book) == FULL
        assert run_of(book, made.id).status == "compensated"
        assert events(book) == ["payout.failed"]
        assert discrepancies(book) == []


def test_a_payout_that_fails_later_returns_to_its_wallet(database_url):
    """Told by a webhook; the saga counts as undone, for the bank's reason."""
    with a_house(database_url) as book:
        made = pay_out(book)
        work(book)
        tell(book, made.id, "failed", code="wrong_account")
        work(book)
        assert (show(book, made.id).code, money_of(book)) == ("wrong_account", FULL)
        run = run_of(book, made.id)
        assert (run.status, run.code) == ("compensated", "payout_failed")


def test_a_returned_payout_makes_the_wallet_whole(database_url):
    """And nothing more goes to that bank account until it is verified anew."""
    with a_house(database_url) as book:
        name = paid_out(book)
        assert tell(book, name, "returned", code="account_closed").status == "applied"
        assert (show(book, name).status, money_of(book)) == ("returned", FULL)
        account = the_account(book)
        assert (account.status, account.primary) == ("blocked", False)
        assert isinstance(
            refused(book, InitiatePayout(ALICE, bdt("100"), "r")), BankAccountUnusable
        )
        book.submit(VerifyBankAccount(account.id, "New statement."))
        assert tell(book, name, "returned").status == "stale"
        assert the_account(book).status == "verified"
        assert events(book)[-1] == "payout.returned"
        work(book)
        assert run_of(book, name).status == "completed"
        assert discrepancies(book) == []


@pytest.mark.parametrize("behaviour", ["timeout_but_done", "timeout_not_done", "raises"])
def test_a_provider_that_does_not_answer_is_asked(database_url, behaviour):
    """Under the same key; the money stays locked, and moves once."""
    with a_house(database_url) as book:
        book.bank.script("send", behaviour)
        made = pay_out(book)
        work(book)
        assert (show(book, made.id).code, money_of(book)) == ("unknown_outcome", LOCKED)
        work(book, seconds=3600)
        assert show(book, made.id).status == "processing"
        assert show(book, made.id).code is None
        assert len({asked.key for asked in book.bank.asked}) == 1
        assert len(book.bank.made) == 1


def test_a_webhook_may_come_before_the_answer(database_url):
    """An unknown outcome is known once the provider tells of it, by our own reference."""
    with a_house(database_url) as book:
        book.bank.script("send", "timeout_but_done", *["silent"] * 50)
        made = pay_out(book)
        work(book)
        assert tell(book, made.id, "completed").status == "applied"
        assert (show(book, made.id).status, money_of(book)) == ("completed", PAID)
        book.bank._scripts.clear()
        work(book, seconds=86_400)
        assert run_of(book, made.id).status == "completed"
        assert money_of(book) == PAID


def test_an_account_that_is_blocked_meanwhile_is_not_paid(database_url):
    """What was locked goes back before anybody is asked."""
    with a_house(database_url) as book:
        made = pay_out(book)
        book.submit(BlockBankAccount(the_account(book).id, "odd"))
        work(book)
        after = show(book, made.id)
        assert (after.status, after.code) == ("failed", "bank_account_unusable")
        assert (money_of(book), book.bank.asked) == (FULL, [])


def test_an_answer_about_another_amount_needs_a_person(database_url):
    """It changes nothing."""
    with a_house(database_url) as book:
        book.bank.said = lambda intent: {"id": "x", "status": "completed", "amount": "1.00"}
        book.bank._answer = book.bank.said
        made = pay_out(book)
        work(book, seconds=86_400)
        assert (show(book, made.id).status, money_of(book)) == ("locked", LOCKED)
        assert run_of(book, made.id).status == "stuck"


def test_a_way_that_is_given_up_waits_for_the_bank(database_url):
    """What was sent cannot be called back: the money stays locked until it is known."""
    with a_house(database_url) as book:
        made = pay_out(book)
        work(book)
        saga = show(book, made.id).saga
        book.submit(sagas.CancelSaga(saga, "wrong"), actor=ADMIN)
        work(book, seconds=60)
        assert (show(book, made.id).status, money_of(book)) == ("processing", LOCKED)
        tell(book, made.id, "failed")
        work(book, seconds=7200)
        assert (run_of(book, made.id).status, money_of(book)) == ("compensated", FULL)


# ── people tell ──────────────────────────────────────────────────────────────────────


def test_a_person_pays_out_by_hand(database_url):
    """No provider is called; with evidence it is completed, with a reason it fails."""
    with a_house(database_url, policy=POLICY | {"provider": "manual"}) as book:
        first, second = pay_out(book), pay_out(book)
        work(book)
        assert (show(book, first.id).status, book.bank.asked) == ("locked", [])
        book.submit(CompletePayout(first.id, "TRX 77", "sent by hand"), actor=FINANCE)
        book.submit(FailPayout(second.id, "not wanted"), actor=FINANCE)
        work(book)
        assert [run_of(book, item.id).status for item in (first, second)] == [
            "completed",
            "compensated",
        ]
        assert money_of(book) == {
            "wallet/alice/personal/BDT": "900.00",
            "cash/manual": "-100.00",
        }


def test_a_person_tells_what_a_provider_does_not(database_url):
    """That something was not paid, after a provider was asked, needs evidence."""
    with a_house(database_url) as book:
        first, second = pay_out(book), pay_out(book)
        work(book)
        assert isinstance(refused(book, FailPayout(first.id, "lost")), Invalid)
        book.submit(FailPayout(first.id, "lost", "Letter of the bank."), actor=ADMIN)
        book.submit(CompletePayout(second.id, "Statement 3", "webhook lost"), actor=ADMIN)
        assert money_of(book) == PAID
        for told in (
            CompletePayout(first.id, "x", "x"),
            FailPayout(second.id, "x", "x"),
            CompletePayout(second.id, "x", "x"),
        ):
            assert isinstance(refused(book, told), InvalidTransition)


def test_a_payout_that_was_called_off_is_never_sent(database_url):
    """Even when the worker comes later."""
    with a_house(database_url) as book:
        first, second = pay_out(book), pay_out(book)
        book.submit(FailPayout(first.id, "changed my mind"))
        book.submit(CompletePayout(second.id, "TRX 1", "paid in cash"))
        work(book)
        assert (book.bank.asked, money_of(book)) == ([], PAID)
        assert show(book, first.id).code == "called_off"


def test_only_finance_and_admins_tell(database_url):
    """Neither owners nor support nor programs."""
    with a_house(database_url) as book:
        made = pay_out(book)
        for who in (owner("alice"), SUPPORT):
            for told in (CompletePayout(made.id, "x", "x"), FailPayout(made.id, "x")):
                assert isinstance(refused(book, told, actor=who), RoleRequired)
        assert isinstance(refused(book, FailPayout("pyo_none", "x")), PayoutNotFound)
        assert isinstance(refused(book, FailPayout(made.id, "")), Invalid)
        assert isinstance(refused(book, CompletePayout(made.id, "", "x")), Invalid)


# ── wallets that cannot take it back ─────────────────────────────────────────────────


@pytest.mark.parametrize("what", ["failed", "returned"])
def test_a_frozen_wallet_gets_its_money_when_it_thaws(database_url, what):
    """The bank's word is recorded at once; the money waits, and goes back by itself."""
    with a_house(database_url) as book:
        name = paid_out(book) if what == "returned" else pay_out(book).id
        book.submit(FreezeAccount(ALICE, "odd"))
        assert tell(book, name, what).status == "applied"
        after = show(book, name)
        assert (after.status, after.money) == (what, "unreturned")
        waiting = {"wallet/alice/personal/BDT": "900.00", "payable/unreturned": "100.00"}
        assert money_of(book) == waiting
        work(book, seconds=86_400)
        assert money_of(book) == waiting
        book.submit(UnfreezeAccount(ALICE, "fine"))
        work(book, seconds=7200)
        assert (show(book, name).money, money_of(book)) == ("wallet", FULL)
        assert discrepancies(book) == []


def test_money_of_a_closed_wallet_goes_to_another_of_its_owner(database_url):
    """By hand, to nobody else, once."""
    with a_house(database_url, alice="100.00", bob="0") as book:
        name = paid_out(book)
        book.submit(CloseAccount(ALICE, "gone"))
        tell(book, name, "returned")
        work(book, seconds=7200)
        assert show(book, name).money == "unreturned"
        assert isinstance(refused(book, GiveBack(name, "back", BOB)), Invalid)
        book.submit(OpenWallet("alice", "BDT", wallet_kind="creator"))
        book.submit(GiveBack(name, "back", "alice/creator/BDT"), actor=FINANCE)
        assert money_of(book) == {"wallet/alice/creator/BDT": "100.00"}
        assert isinstance(refused(book, GiveBack(name, "back")), InvalidTransition)


def test_a_bank_that_pays_after_all_is_believed(database_url):
    """Failed, then completed: the wallet gives back what it has, its owner owes the rest."""
    with a_house(database_url, alice="100.00") as book:
        made = pay_out(book)
        tell(book, made.id, "failed")
        book.submit(Debit(ALICE, bdt("70.00")))
        assert tell(book, made.id, "completed").status == "applied"
        found = money_of(book)
        assert found["receivable/payouts"] == "70.00"
        assert found["cash/sandbox"] == "-100.00"
        assert balance(book) == "0.00"
        tell(book, made.id, "returned")
        found = money_of(book)
        assert "receivable/payouts" not in found
        assert balance(book) == "30.00"
        assert discrepancies(book) == []


# ── providers tell ───────────────────────────────────────────────────────────────────


def test_what_contradicts_the_payout_changes_nothing(database_url):
    """Another amount, currency, provider or id; a payout that is not known; one never sent."""
    with a_house(database_url) as book:
        made = pay_out(book)
        work(book)
        for told in (
            {"amount": "100.01"},
            {"amount": "99"},
            {"amount": "100.001"},
            {"amount": "1e2"},
            {"currency": "USD"},
            {"object": "po-other"},
            {"reference": "pyo_other"},
        ):
            assert tell(book, made.id, "completed", **told).status == "mismatch", told
        assert tell(book, "pyo_none", "completed").status == "unknown"
        assert tell(book, made.id, "sung").status == "unknown"
        (first,) = a_batch(book, BatchLine(ALICE, bdt("100"), "b1")).payouts
        assert tell(book, first, "completed").status == "mismatch"
        assert (show(book, made.id).status, money_of(book)) == ("processing", LOCKED)
        assert tell(book, made.id, "completed", amount="100").status == "applied"


def test_the_same_word_twice_is_one(database_url):
    """And a late one never takes anything back."""
    with a_house(database_url) as book:
        name = paid_out(book)
        for late in ("completed", "failed", "processing"):
            assert tell(book, name, late).status == "stale"
        assert (money_of(book), events(book)) == (PAID, ["payout.processing", "payout.completed"])


WORDS = st.lists(
    st.sampled_from(["processing", "completed", "failed", "returned"]), min_size=1, max_size=6
)


def test_the_order_of_words_does_not_matter(database_url):
    """Any order, any repetition: the same status, the same balances, a book that proves true."""
    names = count()
    with a_house(database_url, policy=FEE) as book:
        book.submit(Credit(ALICE, bdt("90000.00")))

        @examples(60 if database_url.startswith("sqlite") else 25)
        @given(WORDS.flatmap(lambda words: st.tuples(st.just(words), st.permutations(words))))
        def same(both):
            ends = []
            for words in both:
                account = the_account(book)
                if account.status == "blocked":
                    book.submit(VerifyBankAccount(account.id, "seen"))
                before = money_of(book)
                made = pay_out(book, reference=f"p{next(names)}")
                for word in words:
                    tell(book, made.id, word)
                after, found = money_of(book), show(book, made.id)
                moved = {
                    code: round(float(after.get(code, 0)) - float(before.get(code, 0)), 2)
                    for code in {*after, *before}
                }
                ends.append(
                    (
                        found.status,
                        found.money,
                        the_account(book).status,
                        {code: by for code, by in moved.items() if by},
                    )
                )
            assert ends[0] == ends[1]
            if "returned" in both[0]:
                assert ends[0] == ("returned", "wallet", "blocked", {})
            elif "completed" in both[0]:
                assert ends[0][:2] == ("completed", "paid_out")
                assert ends[0][3] == {
                    "wallet/alice/personal/BDT": -105.0,
                    "cash/sandbox": -100.0,
                    "revenue/fee": 5.0,
                }
            elif "failed" in both[0]:
                assert ends[0] == ("failed", "wallet", "verified", {})

        same()
        assert discrepancies(book) == []


# ── batches ──────────────────────────────────────────────────────────────────────────


def test_each_line_of_a_batch_goes_its_own_way(database_url):
    """A line without funds fails alone; the others are paid; totals say how it stands."""
    with a_house(database_url, alice="150.00", bob="500.00") as book:
        made = a_batch(
            book,
            BatchLine(ALICE, bdt("100.00"), "a1"),
            BatchLine(ALICE, bdt("100.00"), "a2"),
            BatchLine(BOB, bdt("200.00"), "b1", the_account(book, "bob").id),
        )
        assert [(total.status, total.count, total.amount) for total in made.totals] == [
            ("requested", 3, "400.00")
        ]
        found = book.query(payouts.batch, made.id)
        assert (found.status, [line.status for line in found.lines]) == ("open", ["requested"] * 3)
        assert balance(book) == "150.00"
        work(book)
        for line in (made.payouts[0], made.payouts[2]):
            if show(book, line).status == "processing":
                tell(book, line, "completed")
        found = book.query(payouts.batch, made.id)
        states = {line.reference: (line.status, line.code) for line in found.lines}
        failed = [name for name, state in states.items() if state[0] == "failed"]
        assert len(failed) == 1
        assert failed[0] in {"a1", "a2"}
        assert states[failed[0]] == ("failed", "insufficient_funds")
        assert states["b1"] == ("completed", None)
        assert [line.line for line in found.lines] == [0, 1, 2]
        assert balance(book) == "50.00"
        assert discrepancies(book) == []


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (BatchLine("x/personal/BDT", bdt("100"), "r2"), WalletNotFound),
        (BatchLine(ALICE, bdt("0"), "r2"), InvalidAmount),
        (BatchLine(ALICE, bdt("1.00"), "r2"), BelowMinimum),
        (BatchLine(ALICE, bdt("100"), "r1"), AlreadyExists),
        (BatchLine(ALICE, bdt("100"), ""), Invalid),
        (BatchLine(ALICE, bdt("100"), "r2", "bnk_none"), BankAccountNotFound),
        (BatchLine(BOB, bdt("100"), "r2"), WalletNotFound),
    ],
)
def test_a_malformed_line_refuses_the_whole_batch(database_url, line, error):
    """With its index; nothing is written."""
    with a_house(database_url) as book:
        command = payouts.CreatePayoutBatch("b", [BatchLine(ALICE, bdt("100"), "r1"), line])
        found = refused(book, command)
        assert (type(found), found.details["index"]) == (error, 1)
        assert found.message.startswith("Line 1: ")
        assert book.query(payouts.payouts).items == []
        assert book.query(payouts.batches).items == []


def test_a_batch_has_a_reference_of_its_own(database_url):
    """And one to a thousand lines."""
    with a_house(database_url) as book:
        line = BatchLine(ALICE, bdt("10.00"), "r1")
        a_batch(book, line)
        again = payouts.CreatePayoutBatch("march", [BatchLine(ALICE, bdt("10.00"), "r2")])
        assert isinstance(refused(book, again), AlreadyExists)
        for lines, reference in (([], "x"), ([line] * 1001, "x"), ([line], "")):
            command = payouts.CreatePayoutBatch(reference, lines)
            assert isinstance(refused(book, command), Invalid)
        with pytest.raises(PayoutNotFound):
            book.query(payouts.batch, "bat_none")


def test_four_eyes_look_at_a_batch_as_a_whole(database_url):
    """Cut in many lines it is still as large."""
    with a_house(database_url) as book:
        book.submit(setup.Set("four_eyes", {"BDT": "150.00"}))
        lines = [BatchLine(ALICE, bdt("100"), f"r{n}") for n in range(2)]
        command = payouts.CreatePayoutBatch("b", lines)
        assert isinstance(refused(book, command, actor=FINANCE), ApprovalRequired)
        book.submit(payouts.CreatePayoutBatch("b", lines[:1]), actor=FINANCE)


def test_a_line_that_was_called_off_is_not_paid(database_url):
    """Before it was locked, nothing ever moved."""
    with a_house(database_url) as book:
        (line,) = a_batch(book, BatchLine(ALICE, bdt("100"), "r1")).payouts
        book.submit(FailPayout(line, "not this month"))
        work(book)
        after = show(book, line)
        assert (after.status, after.code, after.entries) == ("failed", "called_off", [])
        assert (money_of(book), book.bank.asked) == (FULL, [])


def test_a_batch_waits_while_payouts_are_paused(database_url):
    """Its lines are locked and sent when the brake is let go."""
    with a_house(database_url) as book:
        (line,) = a_batch(book, BatchLine(ALICE, bdt("100"), "r1")).payouts
        book.submit(setup.Set("payouts", POLICY | {"paused": True}))
        work(book, seconds=7200)
        assert show(book, line).status == "requested"
        book.submit(setup.Set("payouts", POLICY))
        work(book, seconds=7200)
        assert show(book, line).status == "processing"


def test_a_thousand_lines_are_asked_for_at_once(tmp_path):
    """In one command, in a few seconds on the slowest machine."""
    with a_house(sqlite_at(tmp_path / "khata.db")) as book:
        lines = [BatchLine(ALICE, bdt("10.00"), f"r{n}") for n in range(1000)]
        made = a_batch(book, *lines)
        assert len(book.query(payouts.batch, made.id).lines) == 1000


# ── reading ──────────────────────────────────────────────────────────────────────────


def test_payouts_are_listed(database_url):
    """Newest first, in pages, by wallet, status, batch or reference."""
    with a_house(database_url, alice="1000.00", bob="1000.00") as book:
        made = [pay_out(book, wallet=wallet).id for wallet in (ALICE, BOB, ALICE, BOB, ALICE)]
        (line,) = a_batch(book, BatchLine(ALICE, bdt("10.00"), "r1")).payouts
        first = book.query(payouts.payouts, limit=4)
        rest = book.query(payouts.payouts, limit=4, cursor=first.next)
        assert {item.id for item in first.items + rest.items} == {*made, line}
        assert len(book.query(payouts.payouts, wallet=BOB).items) == 2
        assert len(book.query(payouts.payouts, owner="alice").items) == 4
        by_reference = book.query(payouts.payouts, reference="r1").items
        by_status = book.query(payouts.payouts, status="requested").items
        assert [item.id for item in by_reference] == [line] == [item.id for item in by_status]
        (listed,) = book.query(payouts.batches).items
        assert (listed.reference, listed.lines) == ("march", 1)
        assert [item.id for item in book.query(payouts.payouts, batch=listed.id).items] == [line]
        with pytest.raises(PayoutNotFound):
            book.query(payouts.payout, "pyo_none")


def test_the_journal_makes_the_same_payouts_again(database_url, tmp_path):
    """Sagas, webhooks, people and batches included."""
    with a_house(database_url, policy=FEE) as book:
        paid_out(book)
        tell(book, paid_out(book), "returned")
        book.submit(VerifyBankAccount(the_account(book).id, "seen"))
        book.bank.script("send", "declined", "timeout_but_done")
        a_batch(book, *(BatchLine(ALICE, bdt("20.00"), f"r{n}") for n in range(4)))
        work(book, seconds=3600)
        with Khata.open(sqlite_at(tmp_path / "again.db"), migrate=True) as copy:
            replay(book, copy)
            assert copy.query(payouts.payouts) == book.query(payouts.payouts)
            assert money_of(copy) == money_of(book)
        assert discrepancies(book) == []


def test_other_units_are_other_accounts(database_url):
    """A wallet in dinars, with three decimals, pays dinars."""
    with a_house(database_url) as book:
        book.submit(OpenWallet("alice", "IQD"))
        book.submit(Credit("alice/personal/IQD", bdt("1").__class__("5000.125", "IQD")))
        add(book, number=f"{NUMBER}7", currency="IQD")
        amount = bdt("1").__class__("15.125", "IQD")
        made = book.submit(InitiatePayout("alice/personal/IQD", amount, "r")).result
        assert (made.amount, made.currency) == ("15.125", "IQD")
        wrong = InitiatePayout("alice/personal/IQD", bdt("15"), "r2")
        assert isinstance(refused(book, wrong), CurrencyMismatch)
        unknown = InitiatePayout(ALICE, amount.__class__("15", "TAKA"), "r3")
        assert isinstance(refused(book, unknown), UnknownCurrency)
        work(book)
        assert tell(book, made.id, "completed", amount="15.125").status == "applied"
        assert said(made.id, "completed").type == "payout.completed"
