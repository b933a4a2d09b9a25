"""What becomes of a payment beside its escrow: disputed at the bank, refunded, not refunded."""

import msgspec

from khata.domain import benefits, debts, escrow, ledger, payments, proofs
from khata.domain.escrow import RefundEscrow, ReleaseEscrow, SettleDispute
from khata.domain.marketplace import CancelSale, RefundSale
from khata.engine.cache import Cache
from tests.builders import ADMIN, FINANCE, bdt, discrepancies, refused
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
    a_market,
    database_of_markets,  # noqa: F401 - a fixture
)

CARD = {"method": "provider", "way": "card", "token": "tok_1"}
LOST, DISPUTED = "expense/chargebacks", "receivable/disputes"


def payment_of(market):
    return market.book.query(payments.payments, subject="order/M1").items[0]


def bank_says(market, what, amount="1060.00", name="dp_1"):
    """What the customer's bank tells of a dispute."""
    charge = payment_of(market).charge
    tell(market.book, f"dispute.{what}", charge=charge, object=name, amount=amount,
         currency="BDT")  # fmt: skip


def history(market):
    """What was done with the escrow: kind and amount."""
    return [(it.kind, it.amount) for it in market.book.query(escrow.escrow, "order/M1").history]


def is_explained(market):
    queries = (debts.unexplained, escrow.unexplained)
    return not any(map(market.book.query, queries)) and discrepancies(market.book) == []


def paid_by_card(market, **fields):
    market.place(**BROUGHT, **fields)
    market.pay(**CARD)


# ── disputed at the payer's bank ─────────────────────────────────────────────────────


def test_nothing_is_released_while_the_bank_disputes(market_url):
    """It was brought, its days are over: until it is won all of it waits, then it goes on."""
    with a_market(market_url) as market:
        paid_by_card(market, release_days=2)
        bank_says(market, "opened")
        market.bring()
        market.work(9 * DAY)
        assert market.balances(ESCROW, HOUSE, PARTNER, RIDER, DISPUTED) == [
            "1060.00", "0.00", "0.00", "0.00", "1060.00",
        ]  # fmt: skip
        assert market.sale().dispute.endswith("is opened.")
        assert refused(market.book, ReleaseEscrow("order/M1", "Now.")).code == "escrow_disputed"
        bank_says(market, "won")
        market.work(DAY)
        assert market.balances(ESCROW, HOUSE, PARTNER, RIDER) == [
            "0.00",
            "50.00",
            "950.00",
            "60.00",
        ]
        assert (market.sale().status, market.sale().dispute) == ("completed", None)
        assert is_explained(market)


def test_what_was_disputed_before_it_was_held_waits_too(market_url):
    """The bank was faster than the saga that shares it."""
    with a_market(market_url) as market:
        market.place(release_on="funding")
        market.pay(worked=False, **CARD)
        name = payment_of(market).id
        about = {"reference": name, "object": "ch_9", "amount": "1000.00", "currency": "BDT"}
        tell(market.book, "charge.paid", name, **about)
        bank_says(market, "opened", "1000.00")
        market.work(DAY)
        assert (market.sale().escrow, market.balances(PARTNER)) == ("held", ["0.00"])
        assert market.sale().dispute is not None


def test_who_won_at_the_bank_may_still_be_disputed_here(market_url):
    """What the customer told us is for a person to settle, whatever the bank says."""
    with a_market(market_url) as market:
        paid_by_card(market)
        market.do(escrow.DisputeEscrow("order/M1", "Broken."))
        bank_says(market, "opened")
        bank_says(market, "won")
        assert market.sale().dispute.startswith("Broken. dsp_")


def test_a_person_may_release_it_and_is_asked_once_for_each_news(market_url):
    """Settled while it is open; lost, it is disputed again; then the house bears it."""
    with a_market(market_url) as market:
        paid_by_card(market, release_days=1)
        market.bring(worked=False)
        bank_says(market, "opened", "500.00")
        market.do(SettleDispute("order/M1", "We shall win."))
        bank_says(market, "opened", "1060.00")
        assert market.sale().dispute is None
        bank_says(market, "lost")
        assert market.sale().dispute.endswith("is lost.")
        market.do(SettleDispute("order/M1", "The house bears it."))
        market.work(2 * DAY)
        assert market.balances(LOST, PARTNER, RIDER) == ["1060.00", "950.00", "60.00"]
        assert is_explained(market)


def test_what_the_bank_took_for_good_is_made_good_by_the_legs(market_url):
    """The customer gets nothing more: what the legs give is the house's, which had lost it."""
    with a_market(market_url) as market:
        paid_by_card(market)
        market.bring()
        bank_says(market, "lost", "700.00")
        above = RefundSale("M1", "Charged back.", bdt("700.01"))
        assert refused(market.book, above).code == "refund_exceeded"
        done = market.do(RefundSale("M1", "Charged back.", bdt("50.00"), "platform_first"))
        assert (done.refunded, market.balances(LOST, HOUSE)) == ("50.00", ["650.00", "0.00"])
        market.do(RefundSale("M1", "Charged back."))
        market.work(DAY)
        assert market.balances(LOST, PARTNER, "cash/sandbox") == ["0.00", "300.00", "360.00"]
        assert history(market)[-2:] == [("charged_back", "50.00"), ("charged_back", "650.00")]
        more = refused(market.book, RefundSale("M1", "Once more."))
        assert more.code == "invalid_transition"
        assert is_explained(market)


def test_a_sale_that_was_charged_back_is_called_off(market_url):
    """Nothing stays in escrow that nobody could ever take out."""
    with a_market(market_url) as market:
        paid_by_card(market)
        bank_says(market, "lost")
        assert market.do(CancelSale("M1", "Charged back.")).status == "cancelled"
        market.work(DAY)
        assert market.balances(ESCROW, LOST, PARTNER) == ["0.00"] * 3
        assert market.runs() == ["completed"]
        assert is_explained(market)


def campaign(market):
    """Ten percent off."""
    market.do(benefits.CreateCampaign("EID", "Eid", "BDT", points=1000), actor=ADMIN)


def spent(market):
    """What the campaign has spent, by its own count and by the ledger."""
    known = market.book.query(benefits.campaign, "EID").spent
    return [known, *market.balances("expense/campaigns/EID")]


def test_a_campaign_has_its_part_of_what_was_charged_back(market_url):
    """As of a refund: 480.00 of the 960.00 that were paid are half of what it gave."""
    with a_market(market_url) as market:
        campaign(market)
        paid_by_card(market, codes=["EID"])
        bank_says(market, "lost", "480.00")
        market.do(RefundSale("M1", "Charged back."))
        assert (spent(market), market.balances(LOST)) == (["50.00"] * 2, ["0.00"])
        assert is_explained(market)


# ── refunded, and not refunded ───────────────────────────────────────────────────────


def test_who_gave_a_refund_that_failed_has_it_again(market_url):
    """Not who gave another one, which did not fail."""
    with a_market(market_url) as market:
        market.place()
        market.pay(**CARD)
        named = {"partner": bdt("100.00")}
        market.do(RefundSale("M1", "Scratched.", None, "named", named))
        market.work()
        market.provider.script("refund", "declined")
        market.do(RefundSale("M1", "Late.", bdt("50.00"), "platform_first"))
        assert market.legs(what="held") == {"platform": "0.00", "partner": "850.00"}
        market.work()
        assert market.legs(what="held") == {"platform": "50.00", "partner": "850.00"}
        assert is_explained(market)


def test_it_fails_after_it_was_released(market_url):
    """Two refunds fail at once, made by us and beside us: each leg has what it gave of both."""
    with a_market(market_url) as market:
        market.place()
        market.pay(**CARD)
        market.bring()
        market.work()
        named = {"platform": bdt("20.00")}
        market.do(RefundSale("M1", "Scratched.", None, "named", named))
        charge = payment_of(market).charge
        about = {"charge": charge, "amount": "100.00", "currency": "BDT"}
        tell(market.book, "refund.succeeded", object="re_9", **about)
        market.work()
        before = market.legs(what="returned")
        assert before == {"platform": "23.06", "partner": "96.94"}
        tell(market.book, "refund.failed", object="re_9", **about)
        assert market.legs(what="returned") == {"platform": "20.00", "partner": "0.00"}
        assert market.legs(what="held") == {"platform": "3.06", "partner": "96.94"}
        assert is_explained(market)


def test_nothing_is_written_down_where_nobody_gives_anything(market_url):
    """A fee that its rider keeps: whatever else is heard of the payment adds no line."""
    with a_market(market_url) as market:
        paid_by_card(market)
        market.bring()
        market.do(payments.RefundPayment(payment_of(market).id, "By mistake."), actor=FINANCE)
        market.work()
        before = history(market)
        assert before[-1] == ("refunded", "1000.00")
        for what in ("opened", "won"):
            bank_says(market, what, "10.00")
        assert history(market) == before
        assert market.balances("receivable/refunds") == ["60.00"]


def test_a_campaign_has_no_more_than_was_given_back_to_it(market_url):
    """Where the rider keeps a fee that was refunded, the house bears it, and the campaign too."""
    with a_market(market_url) as market:
        campaign(market)
        paid_by_card(market, codes=["EID"])
        market.bring()
        market.do(payments.RefundPayment(payment_of(market).id, "By mistake."), actor=FINANCE)
        market.work()
        assert market.balances(RIDER, ESCROW) == ["60.00", "0.00"]
        counted, booked = spent(market)
        assert counted == booked == "5.67"


def test_of_two_refunds_of_the_same_one_fails(market_url):
    """Ours was on its way when somebody made one at the provider: that one is it, then."""
    with a_market(market_url) as market:
        market.place()
        market.pay(**CARD)
        market.do(CancelSale("M1", "Sold out."))
        market.provider.script("refund", "declined")
        about = {"charge": payment_of(market).charge, "amount": "1000.00", "currency": "BDT"}
        tell(market.book, "refund.succeeded", object="re_9", **about)
        market.work()
        assert market.balances("cash/sandbox", ESCROW, "receivable/refunds") == ["0.00"] * 3
        traced = market.book.query(proofs.trace, "M1")
        assert traced.adds_up
        assert {it.account: it.net for it in traced.effects}[ESCROW] == "0.00"
        assert is_explained(market)


def test_a_frozen_campaign_keeps_a_paid_sale_waiting(market_url):
    """It is not called off: when the account is free again the sale goes on."""
    with a_market(market_url) as market:
        campaign(market)
        market.sold("M0", codes=["EID"])
        market.place(codes=["EID"])
        market.do(ledger.FreezeAccount("expense/campaigns/EID", "Checks."))
        market.pay(**CARD)
        market.work(DAY)
        assert (market.sale().status, market.runs()) == ("placed", ["completed", "running"])
        market.do(ledger.UnfreezeAccount("expense/campaigns/EID", "Checked."))
        market.work(DAY)
        assert market.bring().status == "completed"
        assert is_explained(market)


def test_a_long_history_does_not_keep_a_dispute_from_being_settled(market_url, monkeypatch):
    """The last line that fits was a dispute: what is held is not lost for that."""
    with a_market(market_url) as market:
        market.place(**PAID_AT_ONCE, release_on="request")
        market.do(escrow.DisputeEscrow("order/M1", "Broken."))
        lines = len(history(market))
        monkeypatch.setattr("khata.domain.escrow.holding._MOST_STEPS", lines)
        market.do(SettleDispute("order/M1", "It was not."))
        again = escrow.DisputeEscrow("order/M1", "Broken.")
        assert refused(market.book, again).code == "invalid_input"
        market.do(ReleaseEscrow("order/M1", "All is well."))
        assert market.balances(ESCROW) == ["0.00"]


def test_a_line_of_the_history_shows_no_more_than_it_did(market_url):
    """What is kept for a refund that may fail is not told."""
    with a_market(market_url) as market:
        market.place()
        market.pay(**CARD)
        market.do(RefundSale("M1", "Scratched.", bdt("10.00")))
        line = market.book.query(escrow.escrow, "order/M1").history[-1]
        assert set(msgspec.to_builtins(line)) == {
            "kind", "by", "at", "amount", "reason", "entries",
        }  # fmt: skip
        kept = RefundEscrow("order/M1", "Scratched.")
        assert refused(market.book, kept).code == "invalid_transition"


def test_who_tells_nobody_writes_nothing(market_url):
    """All of it is the house's, so nobody is told of its release: the journal proves itself."""
    with a_market(market_url) as market:
        fee = escrow.Receiver("fee", "revenue/fee", bdt("10.00"))
        market.do(escrow.FundEscrow("F1", bdt("10.00"), CUSTOMER, receivers=[fee]))
        market.do(ReleaseEscrow("F1", "It is ours."))
        assert market.events("escrow.") == [("escrow.funded", "alice")]
        assert is_explained(market)


def test_no_more_is_looked_for_than_an_escrow_may_have(market_url, monkeypatch):
    """However many receivers somebody names."""
    asked, lacks = [], Cache.lacks

    def watched(cache, rows, questions):
        questions = list(questions)
        asked.append(len(questions))
        return lacks(cache, rows, questions)

    monkeypatch.setattr(Cache, "lacks", watched)
    with a_market(market_url) as market:
        many = [escrow.Receiver(f"r{n}", f"u{n}/p/BDT", bdt("0.01")) for n in range(1000)]
        command = escrow.FundEscrow("F1", bdt("10.00"), CUSTOMER, receivers=many)
        assert refused(market.book, command).code == "invalid_input"
        assert 100 < max(asked) <= 101
