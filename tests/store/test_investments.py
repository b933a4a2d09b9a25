"""Investments: payment, campaigns, purchase, shares, record; or nothing at all."""

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from khata import Khata, KhataError, Money, actor
from khata.domain import benefits, inventory, ledger, sagas, setup, wallets
from khata.domain.inventory import CancelInvestment, ChangeItem, GiveBackStock, StartInvestment
from khata.engine.accounts import VelocityLimit
from khata.engine.replay import replay
from khata.errors import NotYours
from khata.testing import finish
from tests.builders import (
    ADMIN,
    ALICE,
    BOB,
    FINANCE,
    balance,
    bdt,
    discrepancies,
    owner,
    refused,
    state,
)
from tests.conftest import examples
from tests.servers import sqlite_at
from tests.stockers import SHARE, amounts, an_issuer, balances, invest, is_sound, lots
from tests.store.test_queries_plans import plans_of

FROM_BANK = {"received": bdt("200.00"), "evidence": "Bank slip 7."}
TABLES = {"stock_items", "stock_lots", "stock_allocations", "investments"}
CAMPAIGN, PROMISED = "expense/campaigns/NEW10", "payable/campaigns/NEW10"


def ten_percent(book, **fields):
    """A campaign of the house, with a budget."""
    made = {"points": 1000, "budget": bdt("100.00"), **fields}
    book.submit(benefits.CreateCampaign("NEW10", "A tenth off", "BDT", **made))


def spent(book):
    return book.query(benefits.campaign, "NEW10").spent


def history(book, investment):
    """What the saga did, step by step."""
    lines = book.query(sagas.saga, investment.saga).history
    return [f"{line.what} {line.step}".strip() for line in lines]


# ── the whole way ────────────────────────────────────────────────────────────────────


def test_a_payment_becomes_shares(database_url):
    """Credited, lowered by a campaign, debited, allocated, recorded."""
    with an_issuer(database_url, alice="10.00") as (book, clock):
        ten_percent(book)
        done = invest(book, clock, 4, codes=["NEW10"], **FROM_BANK)
        assert (done.status, done.total, done.benefit, done.paid) == (
            "completed",
            "200.00",
            "20.00",
            "180.00",
        )
        steps = ("begin", "credit", "apply_campaign", "debit", "allocate", "record")
        assert history(book, done)[1:-1] == [f"done {step}" for step in steps]
        assert balance(book) == "30.00"
        codes = (
            "revenue/shares",
            CAMPAIGN,
            PROMISED,
            "expense/cost_of_goods",
            f"inventory/{SHARE}",
        )
        assert amounts(book, *codes) == ["200.00", "20.00", "0.00", "120.00", "180.00"]
        assert (lots(book, SHARE), spent(book)) == ([(6, "180.00")], "20.00")
        (held,) = book.query(inventory.holdings, "alice")
        assert (held.sku, held.quantity, held.paid) == (SHARE, 4, "180.00")
        is_sound(book)


def test_an_owner_invests_what_the_wallet_has(database_url):
    """By themselves, out of their own wallet; and sees it, and nobody else does."""
    with an_issuer(database_url, alice="500.00", bob="0") as (book, clock):
        command = StartInvestment("I1", ALICE, SHARE, 10)
        made = book.submit(command, actor=owner("alice")).result
        finish(book, {}, clock)
        with book.view(owner("alice")) as view:
            assert inventory.investment(view, made.id).status == "completed"
            assert [item.id for item in inventory.investments(view).items] == [made.id]
            assert inventory.holdings(view, "alice")[0].quantity == 10
        with book.view(owner("bob")) as view:
            assert inventory.investments(view).items == []
            for ask in (
                lambda: inventory.investment(view, made.id),
                lambda: inventory.investment(view, "inv_none"),
                lambda: inventory.investments(view, owner="alice"),
                lambda: inventory.holdings(view, "alice"),
            ):
                with pytest.raises(NotYours):
                    ask()
        is_sound(book)


def test_a_seller_who_pays_the_campaign_gets_less(database_url):
    """The house sells: what it bears as the seller is no expense, the price is lower."""
    with an_issuer(database_url, alice="500.00") as (book, clock):
        ten_percent(book, payer="seller")
        done = invest(book, clock, 4, codes=["NEW10"])
        assert (done.benefit, done.paid) == ("20.00", "180.00")
        assert amounts(book, "revenue/shares", CAMPAIGN) == ["180.00", "0.00"]
        is_sound(book)


def test_shares_that_a_campaign_gives_away(database_url):
    """The wallet pays nothing; the campaign pays all of it."""
    with an_issuer(database_url, alice="0") as (book, clock):
        ten_percent(book, points=None, amount=bdt("100.00"))
        done = invest(book, clock, 2, codes=["NEW10"])
        assert (done.status, done.paid) == ("completed", "0.00")
        assert amounts(book, "revenue/shares", CAMPAIGN) == ["100.00", "100.00"]
        is_sound(book)


# ── what fails is undone ─────────────────────────────────────────────────────────────


def test_too_few_shares_undo_everything(database_url):
    """Wallet, cash, campaign and stock are as they were; the failure is told."""
    with an_issuer(database_url, shares=3, alice="10.00") as (book, clock):
        ten_percent(book)
        before = balances(book)
        failed = invest(book, clock, 4, codes=["NEW10"], **FROM_BANK)
        assert (failed.status, failed.code, failed.allocation) == (
            "failed",
            "insufficient_stock",
            None,
        )
        undone = ("debit", "apply_campaign", "credit", "begin")
        assert history(book, failed)[-5:] == [f"undone {step}" for step in undone] + ["compensated"]
        assert (balances(book), spent(book), lots(book, SHARE)) == (before, "0.00", [(3, "90.00")])
        assert book.query(inventory.holdings, "alice") == []
        assert book.query(benefits.campaign, "NEW10").uses == 0
        again = invest(book, clock, 3, reference="I2", codes=["NEW10"], **FROM_BANK)
        assert (again.status, spent(book)) == ("completed", "15.00")
        is_sound(book)


class Meddling:
    """A book between whose commits somebody else does something."""

    def __init__(self, book, meddle):
        self._book = book
        self._meddle = meddle

    def __getattr__(self, name):
        return getattr(self._book, name)

    def submit_many(self, lines, **options):
        outcomes = self._book.submit_many(list(lines), **options)
        self._meddle()
        return outcomes


def spend(book):
    """Its owner takes what the wallet lets them have, to the last taka: how much that was."""
    free = state(book).available
    if free != "0.00":
        book.submit(wallets.Transfer(ALICE, BOB, bdt(free)), actor=owner("alice"))
    return free


@pytest.mark.parametrize("received", ["200.00", "250.00", "150.00"])
def test_what_came_for_shares_is_there_to_go_back(database_url, received):
    """Its owner cannot spend it between two steps, nor what it was more than they cost."""
    came = {"received": bdt(received), "evidence": "Bank slip 7."}
    with an_issuer(database_url, shares=3, alice="0", bob="0") as (book, clock):
        before = balances(book)
        book.submit(StartInvestment("I1", ALICE, SHARE, 4, **came))
        finish(Meddling(book, lambda: spend(book)), {}, clock)
        (failed,) = book.query(inventory.investments).items
        assert (failed.status, balances(book)) == ("failed", before)
        assert state(book).available == "0.00"
        is_sound(book)


def test_what_came_above_the_price_is_free_in_the_end(database_url):
    """And no limit counted what was only held."""
    hourly = VelocityLimit(window_seconds=3600, amount=20000)
    with an_issuer(database_url, alice="0", bob="0") as (book, clock):
        book.submit(ledger.SetLimits(ALICE, "careful", limits=(hourly,)))
        came = {"received": bdt("250.00"), "evidence": "Bank slip 7."}
        assert invest(book, clock, 4, **came).status == "completed"
        assert (state(book).balance, state(book).available) == ("50.00", "50.00")
        is_sound(book)


def broken_by(book, what):
    """Something that makes the saga fail at a step, after it was begun."""
    if what == "begin":
        run = book.query(sagas.sagas, name="investment").items[0]
        book.submit(sagas.CancelSaga(run.id, "Not wanted."), actor=ADMIN)
    elif what == "credit":
        book.submit(ledger.FreezeAccount("cash/till", "Counted."))
    elif what == "apply_campaign":
        book.submit(benefits.EndCampaign("NEW10", "Over."))
    elif what == "debit":
        book.submit(wallets.Debit(ALICE, bdt("300.00")))
    else:
        book.submit(ChangeItem(SHARE, status="retired"))


@pytest.mark.parametrize("step", ["begin", "credit", "apply_campaign", "debit", "allocate"])
def test_a_failure_at_any_step_leaves_nothing(database_url, step):
    """Whatever goes wrong, and wherever: the balances are those of before."""
    with an_issuer(database_url, alice="300.00") as (book, clock):
        ten_percent(book)
        fields = {"codes": ["NEW10"], **FROM_BANK, "received": bdt("100.00")}
        command = StartInvestment("I1", ALICE, SHARE, 4, paid_from="cash/till", **fields)
        made = book.submit(command).result
        broken_by(book, step)
        before = balances(book)
        finish(book, {}, clock)
        failed = book.query(inventory.investment, made.id)
        assert failed.status == "failed"
        assert (balances(book), spent(book), lots(book, SHARE)) == (
            before,
            "0.00",
            [(10, "300.00")],
        )
        assert book.query(sagas.saga, made.saga).status == "compensated"
        is_sound(book)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("shares", [3, 10])
def test_a_dead_worker_changes_nothing(tmp_path, shares, after):
    """It may die at any commit, on the way there and on the way back: the end is the same."""
    ends, at, commits = set(), 0, 1
    while at < commits:
        url = sqlite_at(tmp_path / f"{at}.db")
        with an_issuer(url, shares=shares, alice="10.00") as (book, clock):
            ten_percent(book)
            command = StartInvestment("I1", ALICE, SHARE, 4, ["NEW10"], **FROM_BANK)
            made = book.submit(command).result
            commits = finish(book, {}, clock, crash_at=at, after=after)
            found = book.query(inventory.investment, made.id)
            steps = tuple(line for line in history(book, found))
            ends.add((found.status, balance(book), spent(book), tuple(lots(book, SHARE)), steps))
            assert discrepancies(book) == []
        at += 1
    assert (len(ends), at > 3) == (1, True)


def test_the_last_shares_are_sold_once(database_url):
    """Of eight investments for all of them at once, one has them, seven have their money."""
    with (
        an_issuer(database_url, shares=4, alice="1600.00") as (book, clock),
        Khata.open(database_url, clock=clock) as two,
    ):

        def start(at):
            return (book, two)[at % 2].submit(StartInvestment(f"I{at}", ALICE, SHARE, 4))

        with ThreadPoolExecutor(8) as callers:
            list(callers.map(start, range(8)))
        finish(book, {}, clock)
        found = [item.status for item in book.query(inventory.investments).items]
        assert (found.count("completed"), found.count("failed")) == (1, 7)
        assert (balance(book), lots(book, SHARE)) == ("1400.00", [(0, "0.00")])
        is_sound(book)


# ── taken back ───────────────────────────────────────────────────────────────────────


def test_a_completed_investment_is_taken_back(database_url):
    """The shares into their lots, the money into the wallet, the budget into the campaign."""
    with an_issuer(database_url, alice="300.00") as (book, clock):
        ten_percent(book)
        before = balances(book)
        done = invest(book, clock, 4, codes=["NEW10"])
        gone = book.submit(CancelInvestment(done.id, "Within the period.")).result
        assert (gone.status, gone.reason) == ("cancelled", "Within the period.")
        assert (balances(book), spent(book), lots(book, SHARE)) == (
            before,
            "0.00",
            [(10, "300.00")],
        )
        assert book.query(inventory.holdings, "alice") == []
        assert refused(book, CancelInvestment(done.id, "Again.")).code == "invalid_transition"
        is_sound(book)


def test_shares_go_back_with_their_money_alone(database_url):
    """The warehouse cannot take them back behind their owner's back."""
    with an_issuer(database_url, alice="300.00") as (book, clock):
        done = invest(book, clock, 4)
        assert refused(book, GiveBackStock(done.allocation, "Why.")).code == "invalid_transition"
        is_sound(book)


# ── what is refused ──────────────────────────────────────────────────────────────────

WRONG = [
    ({"reference": ""}, "invalid_input"),
    ({"reference": "x" * 201}, "invalid_input"),
    ({"reference": "a\x00b"}, "invalid_input"),
    ({"wallet": "carol/personal/BDT"}, "wallet_not_found"),
    ({"wallet": "cash/main"}, "wallet_not_found"),
    ({"wallet": "alice/personal/USD"}, "currency_mismatch"),
    ({"sku": "SHARE-Z"}, "stock_not_found"),
    ({"sku": "TEA"}, "invalid_input"),
    ({"quantity": 0}, "invalid_input"),
    ({"quantity": -1}, "invalid_input"),
    ({"quantity": 10**12 + 1}, "invalid_input"),
    ({"sku": "SHARE-B", "quantity": 10**12}, "amount_too_large"),
    ({"codes": ["A"] * 11}, "invalid_input"),
    ({"codes": [""]}, "invalid_input"),
    ({"received": bdt("1.00")}, "invalid_input"),
    ({"evidence": "Slip."}, "invalid_input"),
    ({**FROM_BANK, "evidence": " "}, "invalid_input"),
    ({**FROM_BANK, "received": bdt("0.00")}, "invalid_amount"),
    ({**FROM_BANK, "received": Money("1.00", "USD")}, "currency_mismatch"),
    ({**FROM_BANK, "paid_from": BOB}, "invalid_input"),
    ({**FROM_BANK, "paid_from": "escrow/M1"}, "invalid_input"),
    ({**FROM_BANK, "paid_from": "cash"}, "invalid_input"),
    ({**FROM_BANK, "paid_from": "cash/a b"}, "invalid_input"),
]


def test_what_makes_no_sense_is_not_begun(database_url):
    """One clear error each; no investment, no saga."""
    with an_issuer(database_url, alice="300.00") as (book, _):
        book.submit(inventory.DefineItem("TEA", "Tea", bdt("5.00")))
        dear = bdt("9000000.00")
        book.submit(inventory.DefineItem("SHARE-B", "Shares, class B", dear, "share"))
        book.submit(wallets.OpenWallet("alice", "USD"))
        for wrong, code in WRONG:
            fields = {"reference": "I1", "wallet": ALICE, "sku": SHARE, "quantity": 1, **wrong}
            assert (refused(book, StartInvestment(**fields)).code, wrong) == (code, wrong)
        book.submit(ChangeItem(SHARE, status="retired"))
        command = StartInvestment("I1", ALICE, SHARE, 1)
        assert refused(book, command).code == "invalid_transition"
        assert refused(book, CancelInvestment("inv_none", "Why.")).code == "investment_not_found"
        assert refused(book, CancelInvestment("inv_none", " ")).code == "invalid_input"
        assert book.query(inventory.investments).items == []
        assert book.query(sagas.sagas).items == []


def test_a_reference_is_used_once(database_url):
    """Whatever becomes of the investment."""
    with an_issuer(database_url, alice="300.00") as (book, clock):
        invest(book, clock, 1)
        command = StartInvestment("I1", ALICE, SHARE, 1)
        assert refused(book, command).code == "already_exists"


def test_who_may_invest_and_for_whom(database_url):
    """Owners with what is theirs; what came from outside is told by others."""
    with an_issuer(database_url, alice="300.00", bob="300.00") as (book, clock):
        theirs = StartInvestment("I1", BOB, SHARE, 1)
        assert refused(book, theirs, actor=owner("alice")).code == "not_yours"
        told = StartInvestment("I1", ALICE, SHARE, 1, **FROM_BANK)
        assert refused(book, told, actor=owner("alice")).code == "role_required"
        done = invest(book, clock, 1)
        cancel = CancelInvestment(done.id, "Why.")
        assert refused(book, cancel, actor=owner("alice")).code == "role_required"


def test_above_a_limit_a_second_person_is_asked(database_url):
    """For the shares, for the money that is said to have come, and for the way back."""
    with an_issuer(database_url, alice="300.00") as (book, clock):
        done = invest(book, clock, 4)
        book.submit(setup.Set("four_eyes", {"BDT": "199.99"}))
        for command in (
            StartInvestment("I2", ALICE, SHARE, 4),
            StartInvestment("I2", ALICE, SHARE, 1, **FROM_BANK),
            CancelInvestment(done.id, "Why."),
        ):
            assert refused(book, command, actor=FINANCE).code == "approval_required"
        mine = StartInvestment("I2", ALICE, SHARE, 1)
        assert book.submit(mine, actor=owner("alice")).result.status == "started"


def test_shares_get_another_price_by_two_people(database_url):
    """Whoever could make them cheap alone could give them away, whatever the limit."""
    with an_issuer(database_url, alice="300.00") as (book, _):
        book.submit(setup.Set("four_eyes", {"BDT": "299.99"}))
        cheap, title = ChangeItem(SHARE, price=bdt("0.01")), ChangeItem(SHARE, title="Class A")
        warehouse = actor("warehouse:jamal")
        assert refused(book, cheap, actor=warehouse).code == "approval_required"
        assert book.submit(title, actor=warehouse).result.price == "50.00"
        book.submit(inventory.DefineItem("TEA", "Tea", bdt("5.00")))
        book.submit(inventory.ReceiveStock("TEA", 3, bdt("900.00")))
        assert book.submit(ChangeItem("TEA", price=bdt("6.00")), actor=warehouse).result
        assert book.submit(cheap).result.price == "0.01"


# ── looking ──────────────────────────────────────────────────────────────────────────


def test_lists_come_in_pages(database_url):
    """Every investment once, the newest first; filters are equalities."""
    with an_issuer(database_url, alice="500.00") as (book, clock):
        made = [invest(book, clock, n, reference=f"I{n}").id for n in (1, 2, 9)]
        first = book.query(inventory.investments, limit=2)
        rest = book.query(inventory.investments, limit=2, cursor=first.next)
        assert [item.id for item in first.items + rest.items] == made[::-1]
        for wanted, count in (
            ({"status": "completed"}, 2),
            ({"sku": SHARE, "owner": "alice"}, 3),
            ({"owner": "bob"}, 0),
        ):
            assert len(book.query(inventory.investments, **wanted).items) == count
        assert refused_query(book, cursor="nonsense") == "invalid_cursor"
        assert refused_query(book, limit=0) == "invalid_input"
        assert refused_query(book, owner="a\x00b") == "invalid_input"


def refused_query(book, **asked):
    with pytest.raises(KhataError) as caught:
        book.query(inventory.investments, **asked)
    return caught.value.code


def test_lists_are_read_through_keys(database_url):
    """No question walks a table of stock or of investments, however long it is."""
    with an_issuer(database_url, alice="500.00") as (book, clock):
        done = [invest(book, clock, 1, reference=f"I{n}") for n in range(3)]
        book.submit(inventory.ReceiveStock(SHARE, 1, bdt("1.00")))
        book.submit(inventory.DefineItem("TEA", "Tea", bdt("5.00")))
        page = book.query(inventory.investments, limit=1).next
        out = book.query(inventory.allocations, limit=1).next
        lot = book.query(inventory.lots, SHARE, limit=1).next
        sku = book.query(inventory.items, limit=1).next
        for ask in (
            lambda view: inventory.items(view, cursor=sku),
            lambda view: inventory.items(view, kind="share", cursor=sku),
            lambda view: inventory.items(view, status="active", cursor=sku),
            lambda view: inventory.item(view, SHARE),
            lambda view: inventory.lots(view, SHARE, cursor=lot),
            lambda view: inventory.lots(view, SHARE, open_only=True),
            lambda view: inventory.allocations(view, cursor=out),
            lambda view: inventory.allocations(view, subject=f"investment/{done[0].id}"),
            lambda view: inventory.allocations(view, owner="alice", cursor=out),
            lambda view: inventory.allocations(view, sku=SHARE, cursor=out),
            lambda view: inventory.allocation(view, done[0].allocation),
            lambda view: inventory.investments(view, cursor=page),
            lambda view: inventory.investments(view, owner="alice", cursor=page),
            lambda view: inventory.investments(view, sku=SHARE, cursor=page),
            lambda view: inventory.investments(view, status="completed", cursor=page),
            lambda view: inventory.investment(view, done[0].id),
            lambda view: inventory.holdings(view, "alice"),
        ):
            for plan in plans_of(book, ask):
                walked = re.findall(r"(?:SCAN|Seq Scan on) (\w+)", plan)
                assert not TABLES & set(walked), plan


# ── always ───────────────────────────────────────────────────────────────────────────


@pytest.fixture
def issuer(database_url):
    """One book for all the cases of a property."""
    with an_issuer(database_url, shares=40, alice="2500.00") as (book, clock):
        ten_percent(book, budget=bdt("60.00"))
        yield book, clock
        is_sound(book)


@given(
    wanted=st.lists(st.tuples(st.integers(1, 20), st.booleans(), st.booleans()), max_size=4),
)
@examples(5)
def test_money_and_shares_always_add_up(issuer, wanted):
    """Of any investments, some of which fail for want of money, shares or budget: what the wallet
    paid, what campaigns gave and what was allocated are those of the completed ones.
    """
    book, clock = issuer
    for quantity, helped, cancelled in wanted:
        number = len(book.query(inventory.investments, limit=1000).items)
        codes = ["NEW10"] if helped else []
        done = invest(book, clock, quantity, reference=f"N{number}", codes=codes)
        if cancelled and done.status == "completed":
            book.submit(CancelInvestment(done.id, "Not wanted."))
        assert done.status in {"completed", "failed"}
        assert all(books.balanced for books in book.query(ledger.books))
    held = book.query(inventory.investments, status="completed", limit=1000).items
    pieces, paid, benefit = (
        sum(item.quantity for item in held),
        sum(cents(item.paid) for item in held),
        sum(cents(item.benefit) for item in held),
    )
    item = book.query(inventory.item, SHARE)
    assert (item.allocated, item.remaining) == (pieces, 40 - pieces)
    assert cents(balance(book)) == 250_000 - paid
    assert cents(amounts(book, "revenue/shares")[0]) == paid + benefit == 5000 * pieces
    assert (cents(spent(book)), amounts(book, PROMISED)) == (benefit, ["0.00"])
    assert benefit <= 6000


def cents(text):
    return int(text.replace(".", ""))


def test_a_story_runs_again_to_the_same_head(database_url, tmp_path):
    """Completed, failed and taken back: replayed, the book is the same."""
    with an_issuer(database_url, alice="500.00") as (book, clock):
        ten_percent(book)
        done = invest(book, clock, 4, codes=["NEW10"], **FROM_BANK)
        invest(book, clock, 7, reference="I2")
        book.submit(CancelInvestment(done.id, "Not wanted."))
        with Khata.open(sqlite_at(tmp_path / "copy.db")) as copy:
            head = replay(book, copy)
            assert head.hash.hex() == book.verify().head
            assert discrepancies(copy) == []
