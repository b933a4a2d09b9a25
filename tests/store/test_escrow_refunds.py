"""Giving back out of escrows: by every policy, before and after release, with debts and givers."""

import pytest

from khata import Money
from khata.base.actor import WORKER
from khata.domain import debts, ledger, payments, setup, wallets
from khata.domain.access import Approve, RequestApproval
from khata.domain.escrow import DisputeEscrow, RefundEscrow, ReleaseEscrow, SettleDispute
from khata.domain.ledger import CloseAccount, FreezeAccount, SetLimits
from khata.domain.payments import ProviderEvent, Refund
from khata.domain.wallets import Debit
from khata.engine.reading import record
from khata.testing import VirtualClock
from tests.builders import (
    ADMIN,
    ALICE,
    FINANCE,
    OTHER_ADMIN,
    SERVICE,
    SUPPORT,
    bdt,
    owner,
    refused,
)
from tests.escrows import (
    CAMPAIGN,
    CREATOR,
    HOUSE,
    PARTNER,
    RIDER,
    THREE,
    a_market,
    a_provider,
    amounts,
    fund,
    kept,
    owed,
    paid,
    parts,
    refund,
    refunding,
    release,
    sound,
    to,
    work,
)
from tests.store.test_escrow import nothing_written

SHARED = (HOUSE, CREATOR, PARTNER)
WITH_RIDER = [*THREE, to("delivery", RIDER, "60.00")]


# ── policies ─────────────────────────────────────────────────────────────────────────

BY_POLICY = [
    ("pro_rata", None, ["10.00", "30.00", "160.00"]),
    ("platform_first", None, ["50.00", "23.68", "126.32"]),
    ("keep_fee", None, ["0.00", "31.58", "168.42"]),
    ("named", {"creator": "150.00", "platform": "50.00"}, ["50.00", "150.00", "0.00"]),
]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("policy", "named", "gave"), BY_POLICY)
def test_each_policy(database_url, policy, named, gave, when):
    """200.00 of 1000.00, before it was released and after."""
    with a_market(database_url) as book:
        fund(book)
        if when == "after":
            release(book)
        done = refund(book, amount="200.00", policy=policy, named=named)
        what = "returned" if when == "after" else "share"
        left = [
            bdt_less(share, part) for share, part in zip(parts(done).values(), gave, strict=True)
        ]
        if when == "after":
            assert list(parts(done, what).values()) == gave
            assert amounts(book, *SHARED) == left
        else:
            assert list(parts(done, "held").values()) == left
        assert (done.refunded, done.status) == (
            "200.00",
            "held" if when == "before" else "released",
        )
        assert amounts(book, ALICE) == ["4200.00"]
        assert sound(book, "M1")


def bdt_less(whole, part):
    return f"{float(whole) - float(part):.2f}"


@pytest.mark.parametrize(
    ("policy", "most"),
    [("pro_rata", "1000.00"), ("platform_first", "1000.00"), ("keep_fee", "950.00")],
)
def test_all_that_the_policy_leaves(database_url, policy, most):
    """Without an amount; then nothing is left of it."""
    with a_market(database_url) as book:
        fund(book)
        release(book, legs=["partner"])
        assert refund(book, policy=policy).refunded == most
        assert refused(book, refunding(policy=policy)).code == "refund_exceeded"
        assert amounts(book, PARTNER, CREATOR) == ["0.00", "0.00"]
        assert sound(book, "M1")


def test_the_fee_that_was_kept_can_follow(database_url):
    """By another policy; the payer never gets more than was paid."""
    with a_market(database_url) as book:
        fund(book)
        refund(book, policy="keep_fee")
        done = refund(book, policy="platform_first")
        assert (done.status, done.refunded) == ("refunded", "1000.00")
        assert amounts(book, ALICE, HOUSE, "escrow/M1") == ["5000.00", "0.00", "0.00"]
        assert refused(book, refunding(amount="0.01")).code == "refund_exceeded"


def test_repeated_parts_add_up_to_the_paisa(database_url):
    """A third, and a third, and the rest: everyone gave exactly what they had."""
    with a_market(database_url) as book:
        fund(book, amount="100.00")
        release(book, amount="33.33")
        for amount in ("33.33", "33.33", None):
            done = refund(book, amount=amount)
            assert sound(book, "M1")
        assert (done.status, done.refunded) == ("refunded", "100.00")
        assert amounts(book, ALICE, *SHARED) == ["5000.00", "0.00", "0.00", "0.00"]
        assert parts(done, "returned") == parts(done, "received")
        assert [step.amount for step in kept(book).history if step.kind == "refunded"] == [
            "33.33",
            "33.33",
            "33.34",
        ]


def test_what_was_not_released_is_given_first(database_url):
    """A leg that has 500.00 and 300.00 in escrow gives 300.00 out of escrow, then its own."""
    with a_market(database_url) as book:
        fund(book)
        release(book, amount="500.00", legs=["partner"])
        refund(book, policy="named", named={"partner": "400.00"})
        assert amounts(book, PARTNER, "escrow/M1") == ["400.00", "200.00"]
        assert parts(kept(book), "returned")["partner"] == "100.00"
        assert sound(book, "M1")


def test_who_gave_back_why_is_kept(database_url):
    """With one entry from all who gave to who paid."""
    with a_market(database_url) as book:
        fund(book)
        release(book, legs=["partner"])
        done = book.submit(refunding(amount="100.00"), actor=FINANCE).result
        step = done.history[-1]
        assert (step.kind, step.by, step.amount, step.reason) == (
            "refunded",
            str(FINANCE),
            "100.00",
            "Broken.",
        )
        entry = book.query(ledger.entry, step.entries[0])
        assert (entry.type, entry.source, entry.reference) == ("refund", "refund", "M1")
        assert {leg.account: leg.debit or leg.credit for leg in entry.legs} == {
            f"wallet/{PARTNER}": "80.00",
            "escrow/M1": "20.00",
            f"wallet/{ALICE}": "100.00",
        }


def test_a_disputed_escrow_can_be_given_back(database_url):
    """That is how a dispute may end."""
    with a_market(database_url) as book:
        fund(book)
        book.submit(DisputeEscrow("M1", "Broken."), actor=owner("alice"))
        assert refund(book).status == "refunded"
        assert sound(book, "M1")


BAD = [
    ({"ref": "none"}, "escrow_not_found"),
    ({"reason": ""}, "invalid_input"),
    ({"reason": "x" * 501}, "invalid_input"),
    ({"amount": "1000.01"}, "refund_exceeded"),
    ({"amount": "950.01", "policy": "keep_fee"}, "refund_exceeded"),
    ({"amount": "0.00"}, "invalid_amount"),
    ({"amount": "-1.00"}, "invalid_amount"),
    ({"amount": "0.001"}, "too_many_decimals"),
    ({"policy": "named"}, "invalid_input"),
    ({"policy": "named", "named": {}}, "invalid_input"),
    ({"named": {"partner": "1.00"}}, "invalid_input"),
    ({"policy": "named", "named": {"rider": "1.00"}}, "invalid_input"),
    ({"policy": "named", "named": {"partner": "0.00"}}, "invalid_amount"),
    ({"policy": "named", "named": {"partner": "800.01"}}, "refund_exceeded"),
    ({"policy": "named", "named": {"partner": "1.00"}, "amount": "1.01"}, "invalid_input"),
    ({"policy": "nonsense"}, "invalid_input"),
    ({"frozen": "nonsense"}, "invalid_input"),
]


@pytest.fixture
def refusing(database_url):
    with a_market(database_url) as book:
        fund(book)
        yield book


def test_what_is_not_given_back(refusing):
    """One clear error for each, nothing written."""
    for fields, code in BAD:
        nothing_written(refusing, refunding(**fields), code)
    for currency, code in (("USD", "currency_mismatch"), ("XYZ", "unknown_currency")):
        command = RefundEscrow("M1", "Broken.", Money("1.00", currency))
        nothing_written(refusing, command, code)
    for who, code in ((owner("alice"), "role_required"), (owner("karim"), "role_required")):
        nothing_written(refusing, refunding(), code, actor=who)


def test_a_second_person_above_the_limit(refusing):
    """For what is given back, not for what might be; then it is done as the two agreed."""
    refusing.submit(setup.Set("four_eyes", {"BDT": "100.00"}))
    for command in (refunding(), refunding(amount="100.01")):
        nothing_written(refusing, command, "approval_required", actor=ADMIN)
    refusing.submit(refunding(amount="100.00"), actor=ADMIN, dry_run=True)
    named = refunding(policy="named", named={"partner": "99.00"})
    refusing.submit(named, actor=ADMIN, dry_run=True)
    refusing.submit(refunding(), actor=SERVICE, dry_run=True)
    body = {"kind": "escrow.refund", "escrow": "M1", "reason": "Never came."}
    asked = refusing.submit(RequestApproval(body, "please"), actor=ADMIN).result
    refusing.submit(Approve(asked.request), actor=OTHER_ADMIN)
    assert kept(refusing).status == "refunded"


# ── who has it no more ───────────────────────────────────────────────────────────────


def test_who_has_it_no_more_owes_it(database_url):
    """The payer has all of it; the debt is on the owner's receivable, and says why."""
    with a_market(database_url) as book:
        fund(book)
        release(book)
        book.submit(Debit(PARTNER, bdt("750.00")))
        done = refund(book, amount="500.00")
        assert parts(done, "owed") == {"platform": "0.00", "creator": "0.00", "partner": "350.00"}
        assert amounts(book, ALICE, PARTNER, "receivable/refunds/karim") == [
            "4500.00",
            "0.00",
            "350.00",
        ]
        (debt,) = book.query(debts.debts, owner="karim").items
        assert (debt.kind, debt.outstanding, debt.reference, debt.reason, debt.wallet) == (
            "refund",
            "350.00",
            "M1",
            "Broken.",
            PARTNER,
        )
        assert sound(book, "M1")


def test_a_debt_is_netted_from_a_later_release(database_url):
    """Of what karim earns next the house keeps what he owes; the history names the entry."""
    with a_market(database_url) as book:
        fund(book)
        release(book)
        book.submit(Debit(PARTNER, bdt("800.00")))
        refund(book, amount="500.00")
        assert owed(book, "karim") == [("open", "400.00")]
        fund(book, "M2", "375.00", receivers=[to("partner", PARTNER, "375.00")])
        release(book, "M2", "300.00")
        assert (owed(book, "karim"), amounts(book, PARTNER)) == ([("open", "100.00")], ["0.00"])
        fund(book, "M3", "200.00", receivers=[to("partner", PARTNER, "200.00")])
        done = release(book, "M3")
        assert owed(book, "karim") == [("settled", "0.00")]
        assert amounts(book, PARTNER, "receivable/refunds/karim") == ["100.00", "0.00"]
        assert [step.kind for step in done.history] == ["released", "netted"]
        assert [step.kind for step in kept(book, "M3").history] == ["funded", "released", "netted"]
        entry = book.query(ledger.entry, done.history[-1].entries[0])
        assert (entry.type, entry.reference) == ("netting", "M3")
        assert parts(done, "received") == {"partner": "200.00"}
        assert sound(book, "M1", "M2", "M3")


def test_held_money_and_a_floor_are_not_taken(database_url):
    """What a wallet has aside, or must keep, is not there to be given back."""
    with a_market(database_url) as book:
        fund(book)
        release(book)
        book.submit(SetLimits(PARTNER, "deposit", floor="700.00"))
        refund(book, policy="named", named={"partner": "300.00"})
        assert amounts(book, PARTNER) == ["700.00"]
        assert owed(book, "karim") == [("open", "200.00")]
        assert sound(book, "M1")


def test_two_legs_of_one_wallet_find_its_money_once(database_url):
    """Both give; together no more than the wallet has."""
    with a_market(database_url) as book:
        two = [to("goods", PARTNER, "60.00"), to("gift", PARTNER, "40.00")]
        fund(book, amount="100.00", receivers=two)
        release(book)
        book.submit(Debit(PARTNER, bdt("50.00")))
        done = refund(book)
        assert parts(done, "owed") == {"goods": "10.00", "gift": "40.00"}
        assert owed(book, "karim") == [("open", "40.00"), ("open", "10.00")]
        assert amounts(book, ALICE, PARTNER) == ["5000.00", "0.00"]
        assert sound(book, "M1")


@pytest.mark.parametrize("how", ["frozen", "closed"])
def test_a_receiver_who_can_give_nothing(database_url, how):
    """Refuses the refund, or owes their part of it, as is asked."""
    with a_market(database_url) as book:
        fund(book)
        release(book)
        if how == "closed":
            book.submit(Debit(PARTNER, bdt("800.00")))
            book.submit(CloseAccount(PARTNER, "Moved away."))
        else:
            book.submit(FreezeAccount(PARTNER, "Checks."))
        nothing_written(book, refunding(amount="100.00"), f"account_{how}")
        refund(book, amount="100.00", frozen="owe")
        assert owed(book, "karim") == [("open", "80.00")]
        assert amounts(book, ALICE, HOUSE) == ["4100.00", "45.00"]
        assert sound(book, "M1")


def test_a_house_account_gives_whatever_it_has(database_url):
    """The house owes itself nothing: its account goes below zero, if it must."""
    with a_market(database_url) as book:
        fund(book, receivers=[to("tax", "payable/vat", "1000.00")])
        release(book)
        book.submit(
            ledger.PostEntry(
                [
                    ledger.LegIn("payable/vat", debit=bdt("1000")),
                    ledger.LegIn("cash/main", credit=bdt("1000")),
                ],
                "adjustment",
            )
        )
        refund(book)
        assert amounts(book, "payable/vat", "receivable/refunds/house") == ["-1000.00", "0.00"]
        assert sound(book, "M1")


# ── paid by a payment, with a campaign and a rider ───────────────────────────────────


def test_a_rider_has_earned_the_fee(database_url):
    """Once delivered it stays with the rider, unless it is named; before, it goes back last."""
    clock = VirtualClock()
    with a_market(database_url, clock=clock) as book:
        options = {"receivers": WITH_RIDER, "extra": ["delivery"], "by": "wallet"}
        for ref in ("order/P1", "order/P2"):
            paid(book, clock, ref, "1060.00", **options)
        release(book, "order/P1", legs=["delivery"])
        assert refund(book, "order/P1").refunded == "1000.00"
        assert amounts(book, RIDER) == ["60.00"]
        refund(book, "order/P1", policy="named", named={"delivery": "60.00"})
        assert amounts(book, RIDER) == ["0.00"]
        assert parts(refund(book, "order/P2", "1000.00"), "held")["delivery"] == "60.00"
        assert refund(book, "order/P2").status == "refunded"
        assert amounts(book, ALICE) == ["5000.00"]
        assert sound(book, "order/P1", "order/P2")


def test_a_leg_without_a_receiver_waits_and_goes_back(database_url):
    """Nobody has it yet: it is not released, and can be given back."""
    clock = VirtualClock()
    with a_market(database_url, clock=clock) as book:
        receivers = [*THREE, to("delivery", "?", "60.00")]
        paid(book, clock, amount="1060.00", receivers=receivers, extra=["delivery"], by="wallet")
        assert release(book, "order/P1").held == "60.00"
        refund(book, "order/P1", policy="named", named={"delivery": "60.00"})
        assert amounts(book, ALICE) == ["4000.00"]
        assert sound(book, "order/P1")


@pytest.mark.parametrize("by", ["wallet", "provider"])
def test_a_campaign_has_its_part_back(database_url, by):
    """The house paid 100.00 of 1000.00 for alice: of each refund it has a tenth on top."""
    clock = VirtualClock()
    with a_market(database_url, clock=clock) as book:
        paid(book, clock, amount="900.00", campaign=bdt("100.00"), by=by)
        release(book, "order/P1", "500.00")
        before = amounts(book, ALICE, "cash/sandbox")
        assert refund(book, "order/P1", "90.00").refunded == "90.00"
        work(book, clock)
        assert amounts(book, CAMPAIGN, "clearing/refunds") == ["90.00", "0.00"]
        there = {"wallet": (ALICE, "4190.00"), "provider": ("cash/sandbox", "810.00")}[by]
        assert amounts(book, there[0]) == [there[1]] != before
        refund(book, "order/P1")
        work(book, clock)
        assert amounts(book, CAMPAIGN, "escrow/order/P1", *SHARED) == ["0.00"] * 5
        assert kept(book, "order/P1").refunded == "900.00"
        assert sound(book, "order/P1")


def test_a_refund_that_its_provider_refuses(database_url):
    """What was collected for it is in escrow again, for the legs that gave it; the campaign too."""
    clock = VirtualClock()
    with a_market(database_url, clock=clock) as book:
        paid(book, clock, amount="900.00", campaign=bdt("100.00"))
        release(book, "order/P1", "500.00")
        book.submit(Debit(PARTNER, bdt("400.00")))
        refund(book, "order/P1", "810.00")
        assert owed(book, "karim") == [("open", "320.00")]
        assert kept(book, "order/P1").refunded == "810.00"
        work(book, clock, provider=a_provider(refund="failed"))
        again = kept(book, "order/P1")
        assert (again.refunded, again.held, again.status) == ("0.00", "900.00", "partly_released")
        assert again.history[-1].reason == "The provider could not refund it."
        assert parts(again, "held")["partner"] == "720.00"
        assert amounts(book, CAMPAIGN, "clearing/refunds") == ["100.00", "0.00"]
        assert sound(book, "order/P1")
        # a person decides: otherwise its days might end before the payer was asked
        assert refused(book, ReleaseEscrow("order/P1", "Fine.")).code == "escrow_disputed"
        book.submit(SettleDispute("order/P1", "They want no refund any more."), actor=SUPPORT)
        release(book, "order/P1")
        assert owed(book, "karim") == [("settled", "0.00")]
        assert amounts(book, *SHARED) == ["50.00", "150.00", "400.00"]
        assert sound(book, "order/P1")


def test_refunds_that_overlap_at_a_provider(database_url):
    """The first fails while the second succeeds: all that was paid can still go back, no more."""
    clock = VirtualClock()
    with a_market(database_url, clock=clock) as book:
        paid(
            book,
            clock,
            amount="10.00",
            receivers=[to("partner", PARTNER, "10.05")],
            campaign=bdt("0.05"),
        )
        for amount in ("1.00", "1.00"):
            refund(book, "order/P1", amount)
        provider = a_provider()
        provider.script("refund", "declined")
        work(book, clock, provider=provider)
        assert kept(book, "order/P1").refunded == "1.00"
        assert sound(book, "order/P1")
        done = refund(book, "order/P1")
        work(book, clock)
        assert done.refunded == "10.00"
        assert amounts(book, CAMPAIGN, "escrow/order/P1", "cash/sandbox") == ["0.00"] * 3
        assert [item.status for item in book.query(payments.refunds).items].count("failed") == 1
        assert sound(book, "order/P1")


def test_a_payer_who_cannot_take_it(database_url):
    """A closed wallet is told of, and the money stays where it is."""
    with a_market(database_url, alice="1000.00") as book:
        book.submit(wallets.OpenWallet("alice", "USD"))
        fund(book)
        book.submit(CloseAccount(ALICE, "Moved away."))
        nothing_written(book, refunding(), "account_closed")
        assert sound(book, "M1")


# ── past the escrow ──────────────────────────────────────────────────────────────────


def told(kind, book, amount, thing="re_9", **more):
    """The payment's provider tells of a refund."""
    paid_by = book.query(payments.payments, subject="order/P1").items[0]
    return ProviderEvent(
        f"evt-{kind}-{thing}",
        "sandbox",
        kind,
        thing,
        charge=paid_by.charge,
        amount=amount,
        currency="BDT",
        **more,
    )


def provider_name(book, refund_id):
    """What the provider calls a refund of ours."""
    with book.view() as view:
        return record(view, Refund, refund_id).refund_key.partition("/")[2]


def past(book, clock, way, amount):
    """A refund that the escrow did not ask for; its payment's or its provider's own."""
    if way == "ours":
        paid_by = book.query(payments.payments, subject="order/P1").items[0]
        book.submit(payments.RefundPayment(paid_by.id, "Asked for.", bdt(amount)))
        work(book, clock)
    else:
        book.submit(payments.Tell(told("refund.succeeded", book, amount)), actor=WORKER)


@pytest.mark.parametrize("way", ["ours", "theirs"])
@pytest.mark.parametrize("released", [None, "500.00", "1000.00"])
def test_a_refund_past_the_escrow(database_url, way, released):
    """Its legs give all the same, whether released or not; who has it no more owes it."""
    clock = VirtualClock()
    with a_market(database_url, clock=clock) as book:
        paid(book, clock, amount="900.00", campaign=bdt("100.00"))
        if released:
            release(book, "order/P1", released)
            book.submit(Debit(PARTNER, bdt("300.00")))
        past(book, clock, way, "450.00")
        now = kept(book, "order/P1")
        assert (now.refunded, now.history[-1].reason) == (
            "450.00",
            "It was refunded by its payment.",
        )
        assert amounts(book, "receivable/refunds", "clearing/refunds", CAMPAIGN) == [
            "0.00",
            "0.00",
            "50.00",
        ]
        assert sound(book, "order/P1")
        if released is None:
            release(book, "order/P1")
        refund(book, "order/P1")
        work(book, clock)
        assert kept(book, "order/P1").refunded == "900.00"
        assert amounts(book, "receivable/refunds", "cash/sandbox", CAMPAIGN) == ["0.00"] * 3
        assert sound(book, "order/P1")


def test_a_refund_that_fails_after_it_had_succeeded(database_url):
    """What came again is in escrow, for those who had given it, until a person decides."""
    clock = VirtualClock()
    with a_market(database_url, clock=clock) as book:
        paid(book, clock, amount="900.00", campaign=bdt("100.00"))
        release(book, "order/P1")
        refund(book, "order/P1", "450.00")
        work(book, clock)
        given = book.query(payments.refunds).items[0]
        thing = provider_name(book, given.id)
        failed = told("refund.failed", book, "450.00", thing, reference=given.id)
        book.submit(payments.Tell(failed), actor=WORKER)
        again = kept(book, "order/P1")
        assert (again.refunded, again.held) == ("0.00", "500.00")
        assert again.dispute == "Its provider could not refund it."
        assert sound(book, "order/P1")
        refund(book, "order/P1", "450.00")
        work(book, clock)
        assert (kept(book, "order/P1").refunded, kept(book, "order/P1").held) == ("450.00", "0.00")
        assert sound(book, "order/P1")


def test_more_is_refunded_than_its_legs_have(database_url):
    """The rider keeps what was earned; what nobody has to give stays with the house."""
    clock = VirtualClock()
    with a_market(database_url, clock=clock) as book:
        paid(book, clock, amount="1060.00", receivers=WITH_RIDER, extra=["delivery"])
        release(book, "order/P1")
        past(book, clock, "theirs", "1060.00")
        assert amounts(book, "receivable/refunds") == ["60.00"]
        assert kept(book, "order/P1").refunded == "1000.00"
        assert sound(book, "order/P1")
