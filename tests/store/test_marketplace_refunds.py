"""Sales taken back: cancelled at every stage, refunded by every policy, with benefits and debts."""

import pytest

from khata import Money, actor
from khata.domain import benefits, debts, escrow, ledger, payments, proofs, wallets
from khata.domain.marketplace import (
    AssignRider,
    CancelSale,
    DeliverSale,
    PlaceSale,
    RefundSale,
)
from tests.builders import ADMIN, FINANCE, SUPPORT, bdt, discrepancies, refused
from tests.payers import tell
from tests.sellers import (
    BROUGHT,
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

CARD = {"method": "provider", "way": "card", "token": "tok_1"}
WHOLE = ["0.00", "0.00", "0.00", "0.00"]


def refund(market, amount=None, reason="Scratched.", ref="M1", **fields):
    """The sale after a refund, worked off."""
    money = None if amount is None else bdt(amount)
    market.do(RefundSale(ref, reason, money, **fields))
    market.work()
    return market.sale(ref)


def campaign(market, code="EID", **fields):
    """Ten percent off, unless it is said otherwise."""
    given = {"points": 1000} if "amount" not in fields else {}
    market.do(
        benefits.CreateCampaign(code, code.title(), "BDT", **{**given, **fields}), actor=ADMIN
    )


def spent(market, code="EID"):
    """What a campaign has given and not got back, and how often it was used."""
    found = market.book.query(benefits.campaign, code)
    return found.spent, found.uses


def is_explained(market):
    """Whether every debt is what its account says, and the book proves itself."""
    return market.book.query(debts.unexplained) == [] and discrepancies(market.book) == []


# ── called off ───────────────────────────────────────────────────────────────────────


def test_what_was_not_paid_is_just_called_off(market_url):
    """Its campaigns can be used again, nobody can pay it any more, its saga is over."""
    with a_market(market_url) as market:
        campaign(market, budget=bdt("100.00"))
        market.place(codes=["EID"], **BROUGHT)
        assert spent(market) == ("100.00", 1)
        done = market.do(CancelSale("M1", "Changed her mind."))
        assert (done.status, done.reason) == ("cancelled", "Changed her mind.")
        market.work()
        assert (spent(market), market.runs()) == (("0.00", 0), ["completed"])
        assert market.balances(CUSTOMER) == ["5000.00"]
        assert is_explained(market)


@pytest.mark.parametrize("stage", ["paid", "dispatched"])
def test_what_was_paid_goes_back_whole(market_url, stage):
    """With the fee of who would have brought it; whose fault it was is remembered."""
    with a_market(market_url) as market:
        market.place(**PAID_AT_ONCE, **VIDEO, **BROUGHT)
        if stage == "dispatched":
            market.do(AssignRider("M1", "rahim"))
        done = market.do(CancelSale("M1", "Out of stock.", "partner"))
        market.work(DAY)
        assert (done.status, done.refunded) == ("cancelled", "1060.00")
        assert (market.balances(CUSTOMER, ESCROW), market.split()) == (["5000.00", "0.00"], WHOLE)
        assert (market.mission().status, market.runs()) == ("cancelled", ["completed"])
        assert market.trust("karim", "alice") == [("0", 454), ("0", 500)]
        assert market.lines("alice")[-1] == ("income", "Refunds", "1060.00")
        assert is_explained(market)


def test_a_card_that_pays_too_late_is_paid_back(market_url):
    """Called off while the customer was at the provider: the money goes back by itself."""
    with a_market(market_url) as market:
        market.place()
        market.provider.script("charge", "timeout_but_done")
        market.pay(worked=False, **CARD)
        market.do(CancelSale("M1", "Sold out."))
        market.work(DAY)
        paid = market.book.query(payments.payments, subject="order/M1").items[0]
        assert (paid.status, market.balances("cash/sandbox", ESCROW)) == ("refunded", ["0.00"] * 2)
        assert market.sale().status == "cancelled"


def test_a_mixed_payment_under_way_is_let_go(market_url):
    """The wallet's part is free again; the transfer cannot be confirmed any more."""
    with a_market(market_url) as market:
        market.place()
        begun = market.pay(method="mixed", wallet=CUSTOMER, wallet_part=bdt("400.00"))
        market.do(CancelSale("M1", "Sold out."))
        market.work()
        wallet = market.book.query(wallets.wallet, CUSTOMER)
        assert (wallet.balance, wallet.available) == ("5000.00", "5000.00")
        late = payments.ConfirmTransfer(begun.id, bdt("600.00"), "Slip 7.")
        assert refused(market.book, late, actor=FINANCE).code == "invalid_transition"


def test_what_was_released_early_comes_back_from_who_has_it(market_url):
    """Released when it was paid, then called off: who spent their part owes it."""
    with a_market(market_url) as market:
        market.place(**PAID_AT_ONCE, **BROUGHT, release_on="funding")
        market.do(wallets.Debit(PARTNER, bdt("900.00")))
        market.do(CancelSale("M1", "Never sent.", "partner"))
        market.work()
        assert market.balances(CUSTOMER, ESCROW, PARTNER) == ["5000.00", "0.00", "0.00"]
        assert market.legs(what="owed") == {
            "platform": "0.00",
            "partner": "900.00",
            "delivery": "0.00",
        }
        assert is_explained(market)


# ── refunded ─────────────────────────────────────────────────────────────────────────

POLICIES = {
    "pro_rata": ["45.00", "135.00", "720.00"],
    "platform_first": ["0.00", "142.11", "757.89"],
    "keep_fee": ["50.00", "134.21", "715.79"],
    "named": ["50.00", "150.00", "700.00"],
}
"""What house, creator and partner have after 100.00 of 1000.00 went back."""


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("released", [False, True], ids=["held", "released"])
def test_each_leg_gives_what_the_policy_says(market_url, policy, released):
    """The same parts, whether it was released before or is released afterwards."""
    named = {"partner": bdt("100.00")} if policy == "named" else None
    with a_market(market_url) as market:
        market.place(**PAID_AT_ONCE, **VIDEO, **BROUGHT)
        if released:
            market.bring()
        done = refund(market, "100.00", policy=policy, named=named)
        assert done.refunded == "100.00"
        if not released:
            market.bring()
        assert market.split() == [*POLICIES[policy], "60.00"]
        assert market.balances(CUSTOMER, ESCROW) == ["4040.00", "0.00"]
        assert market.sale().status == "completed"
        assert is_explained(market)


def test_refunds_repeat_until_nothing_is_left(market_url):
    """Never more than was paid, never more of a leg than it received, whatever the policy."""
    with a_market(market_url) as market:
        market.sold(**VIDEO)
        refund(market, "0.01")
        refund(market, "333.33", policy="platform_first")
        refund(market, "333.33", policy="named", named={"creator": bdt("100.00"),
                                                        "partner": bdt("233.33")})  # fmt: skip
        over = RefundSale("M1", "More.", bdt("333.34"))
        before = standing(market.book)
        assert refused(market.book, over).code == "refund_exceeded"
        assert standing(market.book) == before
        done = refund(market)
        assert (done.refunded, done.escrow) == ("1000.00", "refunded")
        assert market.legs() == market.legs(what="returned")
        assert (market.balances(CUSTOMER), market.split()) == (["5000.00"], WHOLE)
        assert refused(market.book, RefundSale("M1", "Again.")).code == "refund_exceeded"
        assert is_explained(market)


def test_who_brought_it_keeps_the_fee(market_url):
    """All goes back but that; only by name it is taken from who has earned it."""
    with a_market(market_url) as market:
        market.sold(**BROUGHT)
        done = refund(market)
        assert (done.refunded, market.balances(RIDER, CUSTOMER)) == (
            "1000.00",
            ["60.00", "4940.00"],
        )
        refund(market, policy="named", named={"delivery": bdt("60.00")}, fault="rider")
        assert market.balances(RIDER, CUSTOMER) == ["0.00", "5000.00"]
        assert market.trust("rahim") == [("15", 461)]
        assert is_explained(market)


def test_the_fee_is_earned_with_the_delivery(market_url):
    """A refund that comes before the saga has paid the rider leaves it to the rider."""
    with a_market(market_url) as market:
        market.place(**PAID_AT_ONCE, **BROUGHT)
        market.bring(worked=False)
        market.do(RefundSale("M1", "Broken."))
        assert market.balances(CUSTOMER, RIDER) == ["4940.00", "60.00"]
        market.work(DAY)
        assert (market.split(), market.sale().status) == (["0.00"] * 3 + ["60.00"], "delivered")
        assert market.lines("rahim") == [("income", "Delivery", "60.00")]


def test_a_sale_that_went_back_whole_earns_nobody_anything(market_url):
    """Neither experience nor trust; and what was sent all the same can be delivered."""
    with a_market(market_url) as market:
        market.place(**PAID_AT_ONCE, **VIDEO, **BROUGHT)
        assert refund(market).refunded == "1060.00"
        assert market.bring().status == "delivered"
        assert market.trust("alice", "karim", "mitu", "rahim") == [("0", 500)] * 4
        assert (market.runs(), market.split()) == (["completed"], WHOLE)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"amount": bdt("0")}, "invalid_amount"),
        ({"amount": bdt("-5")}, "invalid_amount"),
        ({"amount": bdt("1.001")}, "too_many_decimals"),
        ({"amount": Money("1", "USD")}, "currency_mismatch"),
        ({"amount": bdt("1000.01")}, "refund_exceeded"),
        ({"amount": bdt("950.01"), "policy": "keep_fee"}, "refund_exceeded"),
        ({"reason": " "}, "invalid_input"),
        ({"reason": "x" * 2000}, "invalid_input"),
        ({"policy": "named"}, "invalid_input"),
        ({"named": {"partner": bdt("1.00")}}, "invalid_input"),
        ({"policy": "named", "named": {"nobody": bdt("1.00")}}, "invalid_input"),
        ({"policy": "named", "named": {"partner": bdt("950.01")}}, "refund_exceeded"),
        ({"policy": "named", "named": {"partner": bdt("2.00")}, "amount": bdt("1.00")},
         "invalid_input"),
        ({"fault": "rider"}, "invalid_input"),
        ({"sale": "M2"}, "invalid_transition"),
        ({"sale": "M3"}, "sale_not_found"),
    ],
)  # fmt: skip
def test_what_cannot_be_refunded_is_refused(market, fields, code):
    """One clear error, nothing written."""
    before = standing(market.book)
    command = RefundSale(**{"sale": "M1", "reason": "Scratched.", **fields})
    assert refused(market.book, command).code == code
    assert standing(market.book) == before


@pytest.fixture(scope="module")
def market(tmp_path_factory):
    """One market for all refusals: a sale that is released, and one that is not paid."""
    with a_market(sqlite_at(tmp_path_factory.mktemp("market") / "khata.db")) as made:
        made.sold()
        made.place("M2")
        yield made


def test_the_escrow_of_a_sale_is_given_back_by_the_sale_alone(market):
    """Or the sale's campaigns and faults would not know of it."""
    command = escrow.RefundEscrow("order/M1", "Scratched.")
    assert refused(market.book, command).code == "invalid_transition"


def test_only_money_people_refund(market):
    """Support cancels; finance refunds; owners ask them."""
    for role in ("support", "logistics", "warehouse"):
        command = RefundSale("M1", "Scratched.")
        assert refused(market.book, command, actor=actor(f"{role}:x")).code == "role_required"


# ── debts ────────────────────────────────────────────────────────────────────────────


def test_who_has_it_no_more_owes_it_and_pays_with_the_next_sale(market_url):
    """The house refunds in the partner's place, and nets it from what they earn."""
    with a_market(market_url) as market:
        market.sold("M1")
        market.do(wallets.Debit(PARTNER, bdt("900.00")))
        refund(market, fault="partner")
        assert market.balances(CUSTOMER, PARTNER, "receivable/refunds/karim") == [
            "5000.00",
            "0.00",
            "900.00",
        ]
        owed = market.book.query(debts.debts, owner="karim").items
        assert [(debt.reference, debt.principal_outstanding) for debt in owed] == [
            ("order/M1", "900.00")
        ]
        assert is_explained(market)
        market.sold("M2")
        assert market.balances(PARTNER, "receivable/refunds/karim") == ["50.00", "0.00"]
        assert market.trust("karim") == [("40", 500)]
        nets = {it.account: it.net for it in market.book.query(proofs.trace, "M2").effects}
        assert nets["receivable/refunds/karim"] == "900.00"
        assert nets[f"wallet/{PARTNER}"] == "50.00"
        assert is_explained(market)


@pytest.mark.parametrize("frozen", ["refuse", "owe"])
def test_a_frozen_partner_refuses_or_owes(market_url, frozen):
    """As who refunds wishes: nothing is written, or the house gives in their place."""
    with a_market(market_url) as market:
        market.sold()
        market.do(ledger.FreezeAccount(PARTNER, "Checks."), actor=ADMIN)
        command = RefundSale("M1", "Scratched.", bdt("100.00"), frozen=frozen)
        before = standing(market.book)
        if frozen == "refuse":
            assert refused(market.book, command).code == "account_frozen"
            assert standing(market.book) == before
        else:
            market.do(command)
            assert market.balances(CUSTOMER, PARTNER) == ["4100.00", "950.00"]
            assert market.balances("receivable/refunds/karim") == ["95.00"]
        assert is_explained(market)


# ── through a provider ───────────────────────────────────────────────────────────────


@pytest.mark.parametrize("released", [False, True], ids=["held", "released"])
def test_a_card_gets_it_back_through_its_provider(market_url, released):
    """Part by part, from who has it by then."""
    with a_market(market_url) as market:
        market.place(**VIDEO)
        market.pay(**CARD)
        if released:
            market.bring()
        refund(market, "400.00")
        assert market.balances("cash/sandbox", CUSTOMER) == ["600.00", "5000.00"]
        refund(market)
        assert (market.balances("cash/sandbox", ESCROW), market.split()) == (["0.00"] * 2, WHOLE)
        assert market.sale().refunded == "1000.00"
        assert is_explained(market)


@pytest.mark.parametrize("released", [False, True], ids=["held", "released"])
def test_what_the_provider_cannot_refund_is_the_legs_again(market_url, released):
    """Held for those who had given it, with the campaign's part; it can be tried again."""
    with a_market(market_url) as market:
        campaign(market)
        market.place(**VIDEO, codes=["EID"])
        market.pay(**CARD)
        if released:
            market.bring()
        market.provider.script("refund", "declined")
        done = refund(market, "450.00")
        assert (done.refunded, done.escrow) == ("0.00", "partly_released" if released else "held")
        assert market.legs(what="returned") == {"platform": "0.00", "creator": "0.00",
                                                "partner": "0.00"}  # fmt: skip
        held = "500.00" if released else "1000.00"
        assert market.balances(ESCROW, "expense/campaigns/EID") == [held, "100.00"]
        assert spent(market) == ("100.00", 1)
        assert done.dispute == "Its provider could not refund it."
        assert is_explained(market)
        refund(market, "450.00")
        assert market.balances("cash/sandbox", "expense/campaigns/EID") == ["450.00", "50.00"]
        assert spent(market) == ("50.00", 1)
        market.do(escrow.SettleDispute("order/M1", "Refunded by now."), actor=SUPPORT)
        if not released:
            market.bring()
        market.work(DAY)
        assert market.split() == ["25.00", "75.00", "400.00", "0.00"]
        assert market.sale().status == "completed"
        assert is_explained(market)


def test_a_sale_is_not_over_while_its_refund_may_fail(market_url):
    """Delivered, refunded whole, refused by the provider: what is released then is a sale."""
    with a_market(market_url) as market:
        market.place(release_on="request")
        market.pay(**CARD)
        market.bring()
        market.provider.script("refund", "declined")
        assert refund(market).escrow == "held"
        assert (market.sale().status, market.runs()) == ("delivered", ["waiting"])
        market.do(escrow.SettleDispute("order/M1", "She keeps it."), actor=SUPPORT)
        market.do(escrow.ReleaseEscrow("order/M1", "She keeps it."), actor=FINANCE)
        market.work()
        assert (market.sale().status, market.split()[2]) == ("completed", "950.00")
        assert market.trust("karim") == [("20", 545)]


def test_a_sale_that_was_refunded_whole_is_over_in_the_end(market_url):
    """Its saga ends once the provider has done it."""
    with a_market(market_url) as market:
        market.place()
        market.pay(**CARD)
        market.bring(worked=False)
        market.do(RefundSale("M1", "Broken."))
        market.work()
        assert (market.runs(), market.sale().status) == (["completed"], "delivered")
        assert market.trust("karim") == [("0", 500)]


def test_what_could_not_be_refunded_waits_for_somebody_to_decide(market_url):
    """Refunded whole before it was released, refused by the provider: it is kept for the
    customer, and goes to the partner once that is settled.
    """
    with a_market(market_url) as market:
        market.place(release_days=3)
        market.pay(**CARD)
        market.provider.script("refund", "declined")
        assert refund(market).escrow == "held"
        market.bring()
        market.work(9 * DAY)
        assert (market.sale().status, market.balances(ESCROW)) == ("delivered", ["1000.00"])
        market.do(escrow.SettleDispute("order/M1", "She keeps it."), actor=SUPPORT)
        market.work(DAY)
        assert (market.sale().status, market.split()[2]) == ("completed", "950.00")
        assert is_explained(market)


def test_a_fee_whose_refund_fails_is_the_riders(market_url):
    """Asked back whole, brought all the same, refused by the provider: who brought it is paid."""
    with a_market(market_url) as market:
        market.place(**BROUGHT)
        market.pay(**CARD)
        market.provider.script("refund", "timeout_not_done", "declined")
        market.do(RefundSale("M1", "Not wanted."))
        market.bring()
        market.work(DAY)
        assert (market.sale().status, market.balances(RIDER)) == ("delivered", ["0.00"])
        market.do(escrow.SettleDispute("order/M1", "She keeps it."), actor=SUPPORT)
        market.work(DAY)
        assert (market.sale().status, market.balances(RIDER, ESCROW)) == (
            "completed",
            ["60.00", "0.00"],
        )
        assert is_explained(market)


def test_a_refund_that_fails_after_all_gives_everyone_theirs(market_url):
    """Refunded whole, delivered, over; then the provider says that it came to nothing."""
    with a_market(market_url) as market:
        market.place(**VIDEO, **BROUGHT)
        market.pay(**CARD)
        refund(market)
        market.bring()
        assert (market.runs(), market.sale().refunded) == (["completed"], "1060.00")
        made = market.book.query(payments.refunds, payment=market.sale().payment).items[0]
        key = market.provider.asked[-1].key
        tell(market.book, "refund.failed", object=f"at-{key}", reference=made.id)
        assert (market.sale().refunded, market.balances(ESCROW)) == ("0.00", ["1060.00"])
        market.work(DAY)
        assert market.split() == WHOLE
        market.do(escrow.SettleDispute("order/M1", "She keeps it."), actor=SUPPORT)
        market.work(DAY)
        assert market.split() == ["50.00", "150.00", "800.00", "60.00"]
        assert market.lines("rahim") == [("income", "Delivery", "60.00")]
        assert market.sale().status == "completed"
        assert is_explained(market)


def test_what_is_refunded_past_the_sale_is_known_to_it(market_url):
    """By its payment alone: shares and campaigns give their part all the same."""
    with a_market(market_url) as market:
        campaign(market)
        market.place(**PAID_AT_ONCE, **VIDEO, codes=["EID"])
        command = payments.RefundPayment(market.sale().payment, "By mistake.", bdt("450.00"))
        market.do(command, actor=FINANCE)
        assert market.sale().refunded == "450.00"
        assert (spent(market), market.balances("expense/campaigns/EID")) == (
            ("50.00", 1),
            ["50.00"],
        )
        market.bring()
        assert market.split() == ["25.00", "75.00", "400.00", "0.00"]
        assert is_explained(market)


def test_a_cancelled_sale_that_could_not_be_refunded_is_refunded_again(market_url):
    """The provider refuses at first: the money stays in escrow, and nobody else gets it."""
    with a_market(market_url) as market:
        market.place(**BROUGHT, release_on="funding", release_days=2)
        market.pay(**CARD)
        market.provider.script("refund", "declined")
        market.do(CancelSale("M1", "Sold out."))
        market.work(9 * DAY)
        left = market.sale()
        assert (left.refunded, left.dispute) == ("0.00", "Its provider could not refund it.")
        assert market.balances(ESCROW) == ["1060.00"]
        assert refund(market, reason="Once more.").refunded == "1060.00"
        assert (market.balances("cash/sandbox"), market.split()) == (["0.00"], WHOLE)
        assert is_explained(market)


def test_a_payment_that_its_bank_disputes_is_not_refunded(market_url):
    """Or the customer would have it twice."""
    with a_market(market_url) as market:
        market.place()
        paid = market.pay(**CARD)
        charge = market.book.query(payments.payment, paid.id).charge
        tell(market.book, "dispute.opened", charge=charge, object="dp_1", amount="1000.00",
             currency="BDT")  # fmt: skip
        assert refused(market.book, RefundSale("M1", "Scratched.")).code == "invalid_transition"
        assert refused(market.book, CancelSale("M1", "Scratched.")).code == "invalid_transition"
        assert is_explained(market)


# ── benefits ─────────────────────────────────────────────────────────────────────────


def test_what_the_house_gives_is_its_expense_and_nobody_elses(market_url):
    """900.00 by the customer, 100.00 by the campaign; shared as if the customer had paid all."""
    with a_market(market_url) as market:
        campaign(market)
        placed = market.place(**PAID_AT_ONCE, **VIDEO, **BROUGHT, codes=["EID"])
        assert (placed.due, [(it.campaign, it.payer, it.amount) for it in placed.benefits]) == (
            "960.00",
            [("EID", "platform", "100.00")],
        )
        market.bring()
        assert market.split() == ["50.00", "150.00", "800.00", "60.00"]
        assert market.balances("expense/campaigns/EID", CUSTOMER) == ["100.00", "4040.00"]
        nets = {it.account: it.net for it in market.book.query(proofs.trace, "M1").effects}
        assert nets["expense/campaigns/EID"] == "-100.00"
        assert is_explained(market)


def test_what_the_partner_gives_lowers_the_partners_share(market_url):
    """The others get theirs of the whole price; no account of the house has a part in it."""
    with a_market(market_url) as market:
        campaign(market, payer="partner")
        market.sold(**VIDEO, codes=["EID"])
        assert market.split() == ["50.00", "150.00", "700.00", "0.00"]
        assert market.balances(CUSTOMER) == ["4100.00"]
        assert refund(market).refunded == "900.00"
        assert (spent(market), market.split()) == (("0.00", 0), WHOLE)


@pytest.mark.parametrize("released", [False, True], ids=["held", "released"])
def test_refunds_give_campaigns_their_part_back_exactly(market_url, released):
    """In proportion, in three odd parts, to the last paisa."""
    with a_market(market_url) as market:
        campaign(market, amount=bdt("33.33"), budget=bdt("50.00"))
        market.place(price="99.99", **PAID_AT_ONCE, **VIDEO, codes=["EID"])
        if released:
            market.bring()
        seen = []
        for part in ("22.22", "22.22", "22.22"):
            refund(market, part)
            seen.append((spent(market)[0], *market.balances("expense/campaigns/EID")))
        assert seen == [("22.22", "22.22"), ("11.11", "11.11"), ("0.00", "0.00")]
        assert (spent(market), market.balances(CUSTOMER)) == (("0.00", 0), ["5000.00"])
        assert (market.split(), market.balances(ESCROW)) == (WHOLE, ["0.00"])
        assert is_explained(market)


def test_a_campaign_can_give_all_but_the_delivery(market_url):
    """Then the customer pays the rider's fee alone; without one there would be nothing to pay."""
    with a_market(market_url) as market:
        campaign(market, points=10_000)
        command = PlaceSale("M1", "alice", "karim", bdt("1000.00"), codes=["EID"])
        assert refused(market.book, command).code == "invalid_amount"
        assert spent(market) == ("0.00", 0)
        market.sold(**BROUGHT, codes=["EID"])
        assert market.split() == ["50.00", "0.00", "950.00", "60.00"]
        assert market.balances(CUSTOMER, "expense/campaigns/EID") == ["4940.00", "1000.00"]


def test_a_partner_cannot_give_more_than_they_get(market_url):
    """96 % by a partner who gets 95 %: not placed, nothing used."""
    with a_market(market_url) as market:
        campaign(market, points=9600, payer="partner")
        before = standing(market.book)
        command = PlaceSale("M1", "alice", "karim", bdt("1000.00"), codes=["EID"])
        assert refused(market.book, command).code == "split_impossible"
        assert standing(market.book) == before
        assert spent(market) == ("0.00", 0)


def test_a_first_purchase_qualifies_a_referral(market_url):
    """Once it is completed, not before."""
    with a_market(market_url) as market:
        market.do(benefits.SetBenefitPolicy(referrer=[bdt("50.00")]), actor=ADMIN)
        market.do(benefits.Refer("bob", "alice"), actor=ADMIN)
        market.place(**PAID_AT_ONCE)
        assert market.book.query(benefits.referral, "alice").status == "pending"
        market.bring()
        assert market.book.query(benefits.referral, "alice").subject == "order/M1"


def test_what_is_late_is_remembered_of_the_rider_alone(market_url):
    """A delivery that a person marks as late."""
    with a_market(market_url) as market:
        market.place(**PAID_AT_ONCE, **BROUGHT)
        market.do(AssignRider("M1", "rahim"))
        market.do(DeliverSale("M1", late=True))
        assert market.trust("rahim", "karim") == [("0", 454), ("0", 500)]
        assert market.balances(HOUSE) == ["0.00"]
