"""Sales: placed, paid, held, brought, shared, rewarded; each party's khata; what is refused."""

import re

import pytest

from khata import Khata, Money, actor
from khata.domain import commissions, escrow, ledger, marketplace, payments, proofs, wallets
from khata.domain.marketplace import AssignRider, CancelSale, DeliverSale, PaySale, PlaceSale
from khata.engine.replay import replay
from khata.errors import InvalidCursor, KhataError
from tests.builders import ADMIN, FINANCE, SUPPORT, balance, bdt, discrepancies, owner, refused
from tests.sellers import (
    BROUGHT,
    CREATOR,
    CUSTOMER,
    DAY,
    ESCROW,
    HOUSE,
    PAID_AT_ONCE,
    PARTNER,
    RIDER,
    VIDEO,
    a_market,
    database_of_markets,  # noqa: F401 - a fixture
    standing,
)
from tests.servers import sqlite_at
from tests.store.test_queries_plans import plans_of

LOGISTICS = actor("logistics:samir")


# ── the whole way ────────────────────────────────────────────────────────────────────


def test_a_video_order_is_shared_by_all_who_had_a_part_in_it(market_url):
    """1000.00: 50.00 for the house, 150.00 for the creator, 800.00 for the partner, and the
    rider's fee on top; the history says why, every entry is traced, nothing is left over.
    """
    with a_market(market_url) as market:
        placed = market.place(**PAID_AT_ONCE, **VIDEO, **BROUGHT)
        assert (placed.status, placed.due, placed.source) == ("paid", "1060.00", "video_order")
        assert market.legs(what="share") == {
            "platform": "50.00",
            "creator": "150.00",
            "partner": "800.00",
            "delivery": "60.00",
        }
        assert market.balances(ESCROW, CUSTOMER) == ["1060.00", "3940.00"]
        assert market.split() == ["0.00"] * 4
        done = market.bring()
        assert (done.status, done.escrow, done.refunded) == ("completed", "released", "0.00")
        assert market.split() == ["50.00", "150.00", "800.00", "60.00"]
        assert market.balances(ESCROW, CUSTOMER) == ["0.00", "3940.00"]
        assert (market.runs(), market.runs("escrow_release")) == (["completed"], ["completed"])
        assert discrepancies(market.book) == []


def test_an_order_without_a_video_pays_no_creator(market_url):
    """1000.00: 50.00 for the house, 950.00 for the partner; nothing is to be brought."""
    with a_market(market_url) as market:
        done = market.sold()
        assert (done.status, done.source, done.mission) == ("completed", "order", None)
        assert market.split() == ["50.00", "0.00", "950.00", "0.00"]
        assert market.lines("karim") == [("income", "Orders", "950.00")]
        assert discrepancies(market.book) == []


def test_each_partys_khata_says_what_it_was_for(market_url):
    """An expense of the customer's, incomes of the others; the rider's is for the delivery."""
    with a_market(market_url) as market:
        market.sold(**VIDEO, **BROUGHT)
        assert market.lines("alice") == [
            ("transfer", "Top-up", "5000.00"),
            ("expense", "Video orders", "-1060.00"),
        ]
        assert market.lines("karim") == [("income", "Video orders", "800.00")]
        assert market.lines("mitu") == [("income", "Video orders", "150.00")]
        assert market.lines("rahim") == [("income", "Delivery", "60.00")]


def test_all_four_are_rewarded_once(market_url):
    """Experience and trust for who bought, sold, promoted and brought it."""
    with a_market(market_url) as market:
        market.place(**PAID_AT_ONCE, **VIDEO, **BROUGHT)
        people = ("alice", "karim", "mitu", "rahim")
        assert market.trust(*people) == [("0", 500)] * 4
        market.bring()
        market.work(DAY)
        assert market.trust(*people) == [("10", 545), ("20", 545), ("15", 545), ("15", 545)]
        told = [person for kind, person in market.events("trust.changed")]
        assert sorted(told) == sorted(people)


def test_whoever_comes_late_loses_trust(market_url):
    """The rider of a late delivery; the sale goes its way."""
    with a_market(market_url) as market:
        market.place(**PAID_AT_ONCE, **BROUGHT)
        assert market.bring(late=True).status == "completed"
        assert market.trust("rahim") == [("15", 500)]
        assert market.split() == ["50.00", "0.00", "950.00", "60.00"]


def test_a_mission_is_opened_assigned_and_delivered(market_url):
    """Somebody is needed, somebody takes it, perhaps somebody else; the fee goes to who brought
    it, and those whom it concerns are told.
    """
    with a_market(market_url) as market:
        market.book.submit(wallets.OpenWallet("jamal", "BDT", "rider"))
        market.place(**PAID_AT_ONCE, **BROUGHT)
        mission = market.mission()
        assert (mission.status, mission.rider, mission.fee) == ("open", None, "60.00")
        market.do(AssignRider("M1", "jamal"), actor=LOGISTICS)
        assert market.sale().status == "dispatched"
        taken = market.do(AssignRider("M1", "rahim"), actor=LOGISTICS)
        assert (taken.status, taken.rider, taken.wallet) == ("assigned", "rahim", RIDER)
        assert market.do(DeliverSale("M1"), actor=LOGISTICS).status == "delivered"
        market.work()
        assert market.mission().status == "delivered"
        assert market.balances(RIDER, "jamal/rider/BDT") == ["60.00", "0.00"]
        told = market.events("mission.")
        assert told == [
            ("mission.opened", None),
            ("mission.assigned", "jamal"),
            ("mission.assigned", "rahim"),
        ]


def test_those_who_have_a_part_are_told(market_url):
    """Customer, partner and creator, of every state in turn."""
    with a_market(market_url) as market:
        market.sold(**VIDEO, **BROUGHT)
        told = market.events("sale.")
        states = ("placed", "paid", "dispatched", "delivered", "completed")
        assert told == [
            (f"sale.{state}", person) for state in states for person in ("alice", "karim", "mitu")
        ]


# ── paying ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("way", ["wallet", "card", "mixed", "payable"])
def test_it_is_held_however_it_is_paid(market_url, way):
    """Later out of the wallet, by card, part wallet and part bank, or by its payable."""
    with a_market(market_url) as market:
        assert market.place(**VIDEO, country="BD").status == "placed"
        alice = {"actor": owner("alice")}
        if way == "wallet":
            market.do(PaySale("M1", "wallet", CUSTOMER), **alice)
            assert market.sale().status == "paid"
        elif way == "card":
            market.do(PaySale("M1", way="card", token="tok_1"), **alice)
        elif way == "mixed":
            begun = market.do(PaySale("M1", "mixed", CUSTOMER, bdt("400.00")), **alice)
            market.do(payments.ConfirmTransfer(begun.id, bdt("600.00"), "Slip 7."), actor=FINANCE)
        else:
            market.do(payments.Initiate("order/M1", CUSTOMER, "wallet"), **alice)
        market.work()
        paid = market.sale()
        assert (paid.status, paid.escrow) == ("paid", "held")
        assert market.balances(ESCROW) == ["1000.00"]
        assert market.bring().status == "completed"
        assert market.split() == ["50.00", "150.00", "800.00", "0.00"]
        assert market.balances(ESCROW) == ["0.00"]
        assert discrepancies(market.book) == []


def test_a_declined_card_leaves_it_to_be_paid_anew(market_url):
    """The same sale, by another way."""
    with a_market(market_url) as market:
        market.place()
        market.provider.script("charge", "declined")
        market.pay(method="provider")
        assert market.sale().status == "placed"
        market.pay()
        assert market.sale().status == "paid"
        assert market.bring().status == "completed"


def test_who_cannot_pay_at_once_has_placed_nothing(market_url):
    """No sale, no payable, no saga, no campaign used."""
    with a_market(market_url, alice="999.99") as market:
        before = standing(market.book)
        command = PlaceSale("M1", "alice", "karim", bdt("1000.00"), wallet=CUSTOMER)
        assert refused(market.book, command).code == "insufficient_funds"
        assert standing(market.book) == before
        assert market.runs() == []


# ── releasing ────────────────────────────────────────────────────────────────────────


def test_the_rider_is_paid_on_delivery_and_the_others_later(market_url):
    """Released three days after it was delivered: until then a dispute is possible."""
    with a_market(market_url) as market:
        market.place(**PAID_AT_ONCE, **VIDEO, **BROUGHT, release_days=3)
        market.work(30 * DAY)
        assert market.bring().status == "delivered"
        assert market.split() == ["0.00", "0.00", "0.00", "60.00"]
        market.work(3 * DAY - 60)
        assert market.balances(ESCROW) == ["1000.00"]
        market.work(120)
        assert market.split() == ["50.00", "150.00", "800.00", "60.00"]
        assert market.sale().status == "completed"
        step = market.book.query(escrow.escrow, "order/M1").history[-1]
        assert (step.kind, step.by, step.reason) == (
            "released",
            "service:worker",
            "3 days after it was delivered.",
        )


def test_what_is_released_early_pays_no_rider_early(market_url):
    """Released a day after it was paid, with a rider who has not brought it: the fee waits."""
    with a_market(market_url) as market:
        market.place(**PAID_AT_ONCE, **BROUGHT, release_on="funding", release_days=1)
        market.do(AssignRider("M1", "rahim"))
        market.work(2 * DAY)
        assert market.split() == ["50.00", "0.00", "950.00", "0.00"]
        assert market.balances(ESCROW) == ["60.00"]
        market.do(DeliverSale("M1"))
        market.work()
        assert (market.sale().status, market.balances(RIDER)) == ("completed", ["60.00"])
        assert market.lines("rahim") == [("income", "Delivery", "60.00")]


def test_on_request_it_is_released_by_hand(market_url):
    """Part by part, by staff, with a reason; the end of it completes the sale."""
    with a_market(market_url) as market:
        market.place(**PAID_AT_ONCE, release_on="request")
        market.bring()
        market.work(30 * DAY)
        assert market.sale().status == "delivered"
        market.do(escrow.ReleaseEscrow("order/M1", "Half.", bdt("500.00")), actor=FINANCE)
        market.work()
        assert (market.sale().status, market.split()[:3]) == (
            "delivered",
            ["25.00", "0.00", "475.00"],
        )
        market.do(escrow.ReleaseEscrow("order/M1", "The rest."), actor=FINANCE)
        market.work()
        assert (market.sale().status, market.split()[2]) == ("completed", "950.00")


def test_a_dispute_holds_everything_until_it_is_settled(market_url):
    """The rider's fee too, when it was opened before the delivery."""
    with a_market(market_url) as market:
        market.place(**PAID_AT_ONCE, **BROUGHT)
        market.do(escrow.DisputeEscrow("order/M1", "Not what I ordered."), actor=owner("alice"))
        assert market.sale().dispute == "Not what I ordered."
        market.bring()
        market.work(DAY)
        assert (market.split(), market.balances(ESCROW)) == (["0.00"] * 4, ["1060.00"])
        market.do(escrow.SettleDispute("order/M1", "She keeps it."), actor=SUPPORT)
        market.work(DAY)
        assert (market.sale().status, market.split()[2:]) == ("completed", ["950.00", "60.00"])


def test_a_frozen_partner_holds_the_split_up_and_loses_nothing(market_url):
    """Nobody gets a part of it, the saga waits and tries again, and goes on when it is thawed."""
    with a_market(market_url) as market:
        market.place(**PAID_AT_ONCE, **VIDEO, **BROUGHT)
        market.do(ledger.FreezeAccount(PARTNER, "Checks."), actor=ADMIN)
        market.bring()
        market.work(DAY)
        assert market.split() == ["0.00", "0.00", "0.00", "60.00"]
        assert (market.balances(ESCROW), market.sale().status) == (["1000.00"], "delivered")
        assert market.runs("escrow_release") == ["running"]
        assert discrepancies(market.book) == []
        market.do(ledger.UnfreezeAccount(PARTNER, "Checked."), actor=ADMIN)
        market.work(DAY)
        assert market.split() == ["50.00", "150.00", "800.00", "60.00"]
        assert (market.runs(), market.sale().status) == (["completed"], "completed")


def test_a_frozen_rider_keeps_nobody_else_waiting(market_url):
    """The others are paid; the fee follows under its own name when the rider can take it."""
    with a_market(market_url) as market:
        market.place(**PAID_AT_ONCE, **BROUGHT)
        market.do(ledger.FreezeAccount(RIDER, "Checks."), actor=ADMIN)
        market.bring()
        market.work(DAY)
        assert market.split() == ["50.00", "0.00", "950.00", "0.00"]
        assert market.balances(ESCROW) == ["60.00"]
        market.do(ledger.UnfreezeAccount(RIDER, "Checked."), actor=ADMIN)
        market.work(DAY)
        assert (market.balances(RIDER), market.sale().status) == (["60.00"], "completed")
        assert market.lines("rahim") == [("income", "Delivery", "60.00")]


def test_a_wallet_that_was_closed_does_not_trap_the_money(market_url):
    """Placed, the partner's wallet closed, then paid by card: it is held, and can go back."""
    with a_market(market_url) as market:
        market.place()
        market.do(ledger.CloseAccount(PARTNER, "Gone."), actor=ADMIN)
        market.pay(method="provider")
        assert market.sale().escrow == "held"
        market.do(CancelSale("M1", "The shop is gone."))
        market.work()
        assert (market.sale().refunded, market.balances("cash/sandbox")) == ("1000.00", ["0.00"])


# ── rules of commissions ─────────────────────────────────────────────────────────────


def test_a_sale_is_shared_by_the_rule_that_it_was_placed_under(market_url):
    """Later versions, and the end of the rule, are for later sales."""
    part, rest = commissions.Part, commissions.Part("partner", "partner", rest=True)

    def define(points):
        parts = [part("platform", HOUSE, points=points), rest]
        return commissions.DefineRule("food", parts, category="food")

    with a_market(market_url) as market:
        market.do(define(1000), actor=ADMIN)
        placed = market.place("M1", category="food")
        assert (placed.rule, placed.rule_version) == ("food", 1)
        market.do(define(2000), actor=ADMIN)
        market.place("M2", category="food")
        market.do(commissions.RetireRule("food", "Over."), actor=ADMIN)
        for ref in ("M1", "M2"):
            market.pay(ref)
            market.bring(ref)
        assert market.legs("M1") == {"platform": "100.00", "partner": "900.00"}
        assert market.legs("M2") == {"platform": "200.00", "partner": "800.00"}


def test_odd_amounts_are_shared_to_the_last_paisa(market_url):
    """10.01 with a video: largest remainders, nothing lost."""
    with a_market(market_url) as market:
        market.sold(price="10.01", **VIDEO)
        assert market.split() == ["0.50", "1.50", "8.01", "0.00"]


def test_other_currencies_have_their_own_decimals(market_url):
    """Three of them in Iraq."""
    with a_market(market_url) as market:
        for person, kind in (("alice", "personal"), ("karim", "partner"), ("mitu", "creator")):
            market.do(wallets.OpenWallet(person, "IQD", kind))
        market.do(wallets.Credit("alice/personal/IQD", Money("2000.000", "IQD")))
        command = PlaceSale(
            "M1", "alice", "karim", Money("1234.567", "IQD"), **VIDEO, wallet="alice/personal/IQD"
        )
        market.do(command)
        market.bring()
        assert market.legs() == {
            "platform": "61.728",
            "creator": "185.185",
            "partner": "987.654",
        }
        assert balance(market.book, "karim/partner/IQD") == "987.654"


# ── seeing ───────────────────────────────────────────────────────────────────────────


def test_who_has_a_part_in_a_sale_sees_it(market_url):
    """Customer, partner, creator and rider; nobody else learns that it is there."""
    with a_market(market_url) as market:
        market.place("M1", **PAID_AT_ONCE, **VIDEO, **BROUGHT)
        market.place("M2")
        market.do(AssignRider("M1", "rahim"))
        listed = {"alice": ["M2", "M1"], "karim": ["M2", "M1"], "mitu": ["M1"], "rahim": []}
        for person, refs in listed.items():
            with market.book.view(owner(person)) as view:
                assert marketplace.sale(view, "M1").ref == "M1"
                assert [item.ref for item in marketplace.sales(view).items] == refs
                assert proofs.trace(view, "M1").adds_up
        for ref in ("M1", "X1", "\x00"):
            with market.book.view(owner("bob")) as view:
                for ask in (marketplace.sale, proofs.trace, marketplace.mission):
                    assert _code(ask, view, ref) == "not_yours"
                assert marketplace.sales(view).items == []
        name = market.sale().mission
        with market.book.view(owner("rahim")) as view:
            assert marketplace.mission(view, name).rider == "rahim"
            assert [item.id for item in marketplace.missions(view).items] == [name]
            assert _code(marketplace.missions, view, rider="jamal") == "not_yours"


def test_sales_and_missions_are_listed_by_page_and_filter(market_url):
    """Newest first; each filter is an equality."""
    with a_market(market_url) as market:
        for n in range(5):
            market.place(f"M{n}", price="10.00", **PAID_AT_ONCE, **BROUGHT)
            market.clock.advance(1)
        market.place("M5", price="10.00", **VIDEO)
        market.do(AssignRider("M0", "rahim"))

        def refs(**asked):
            return [item.ref for item in market.book.query(marketplace.sales, **asked).items]

        first = market.book.query(marketplace.sales, limit=4)
        assert [item.ref for item in first.items] == ["M5", "M4", "M3", "M2"]
        assert refs(limit=4, cursor=first.next) == ["M1", "M0"]
        assert refs(status="placed") == refs(creator="mitu") == ["M5"]
        assert refs(status="dispatched", customer="alice", partner="karim") == ["M0"]
        assert refs(customer="bob") == []
        page = market.book.query(marketplace.missions, limit=3)
        rest = market.book.query(marketplace.missions, limit=3, cursor=page.next)
        assert [item.sale for item in (*page.items, *rest.items)] == ["M4", "M3", "M2", "M1", "M0"]
        found = market.book.query(marketplace.missions, rider="rahim", status="assigned").items
        assert [item.sale for item in found] == ["M0"]
        for query in (marketplace.sales, marketplace.missions):
            with pytest.raises(InvalidCursor):
                market.book.query(query, cursor="nonsense")


ASKS = {
    "all": marketplace.sales,
    "customer": lambda view: marketplace.sales(view, customer="alice"),
    "partner": lambda view: marketplace.sales(view, partner="karim"),
    "creator": lambda view: marketplace.sales(view, creator="mitu"),
    "status": lambda view: marketplace.sales(view, status="placed"),
    "missions": marketplace.missions,
    "rider": lambda view: marketplace.missions(view, rider="rahim"),
    "mission status": lambda view: marketplace.missions(view, status="open"),
    "trace": lambda view: proofs.trace(view, "order/M1"),
}


def test_no_list_walks_a_table(market_url):
    """Every list has an index that serves it in its order."""
    with a_market(market_url) as market:
        for n in range(1, 40):
            command = PlaceSale(f"M{n}", "alice", "karim", bdt("1.00"), wallet=CUSTOMER, **BROUGHT)
            market.do(command)
        market.work()
        for name, ask in ASKS.items():
            for plan in plans_of(market.book, ask):
                assert not re.search("SCAN|Seq Scan", plan), (name, plan)
                # PostgreSQL sorts a table as small as this one, whatever its indexes
                assert name == "trace" or "TEMP B-TREE" not in plan, (name, plan)
        mine = "\n".join(plans_of(market.book, lambda _: _listed(market.book, "alice")))
        for role in ("customer", "partner", "creator"):
            assert f"sales_by_{role}_placed_at" in mine, mine
        assert "sales_by_placed_at" not in mine


def _listed(book, person):
    with book.view(owner(person)) as view:
        return marketplace.sales(view, limit=10)


def _code(ask, *args, **given):
    with pytest.raises(KhataError) as caught:
        ask(*args, **given)
    return caught.value.code


# ── the trace ────────────────────────────────────────────────────────────────────────


def test_a_trace_shows_every_leg_and_adds_up(market_url):
    """From who paid to each who received; what went back is in it."""
    with a_market(market_url) as market:
        market.sold(**VIDEO, **BROUGHT)
        market.do(marketplace.RefundSale("M1", "Scratched.", bdt("100.00")))
        for name in ("M1", "order/M1"):
            found = market.book.query(proofs.trace, name)
            nets = {effect.account: effect.net for effect in found.effects}
            assert (found.subject, found.adds_up) == ("order/M1", True)
            assert nets == {
                f"wallet/{CUSTOMER}": "-960.00",
                HOUSE: "45.00",
                f"wallet/{CREATOR}": "135.00",
                f"wallet/{PARTNER}": "720.00",
                f"wallet/{RIDER}": "60.00",
                ESCROW: "0.00",
            }
        assert [entry.type for entry in found.entries] == [
            "payment",
            "release",
            "release",
            "refund",
            "refund",
        ]
        with pytest.raises(KhataError) as caught:
            market.book.query(proofs.trace, "M2")
        assert caught.value.code == "not_found"


def test_a_story_runs_again_to_the_same_head(market_url, tmp_path):
    """Sold, refunded, cancelled: replayed, the book is the same."""
    with a_market(market_url) as market:
        market.sold(**VIDEO, **BROUGHT)
        market.do(marketplace.RefundSale("M1", "Scratched.", bdt("100.00")))
        market.place("M2", **PAID_AT_ONCE)
        market.do(CancelSale("M2", "Rain."))
        market.work()
        with Khata.open(sqlite_at(tmp_path / "copy.db")) as copy:
            head = replay(market.book, copy)
            assert head.hash.hex() == market.book.verify().head
            assert discrepancies(copy) == []
