"""A story in which every command of sagas, payments, payouts, bookings and webhooks is given once.

For what must hold for all commands and all tables: that each is answered alike for ever, that no
cell can be touched unnoticed, that the whole journal runs again.
"""

import msgspec

from khata.base.actor import SYSTEM, WORKER, actor
from khata.base.clock import to_iso
from khata.domain import (
    access,
    benefits,
    bookings,
    commissions,
    debts,
    earnings,
    escrow,
    holds,
    inventory,
    ledger,
    legacy,
    loans,
    marketplace,
    mismatches,
    orders,
    payments,
    payouts,
    reconciliation,
    sagas,
    setup,
    shadow,
    solvency,
    squads,
    trust,
    wallets,
    webhooks,
)
from khata.domain.payments import ProviderEvent
from khata.domain.webhooks.rules import delivery_id
from khata.edge.sealing import sealed_bank_account
from khata.edge.working import reconciling
from khata.edge.working import solvency as counting
from khata.engine.sagas import NOTHING, Approval, Call, Local, Saga, Wait
from khata.engine.sagas.commands import Release, Renew
from khata.engine.sagas.worker import Worker
from khata.engine.vault import Vault
from khata.errors import SameAccount
from khata.testing import ScriptedCaller, finish
from tests.builders import bdt
from tests.payers import SANDBOX

VAULT = Vault([Vault.new_key()])
MITU, RAFIQ = actor("finance:mitu"), actor("admin:rafiq")
EVE, EVES = "eve/personal/BDT", "eve/partner/BDT"


def nothing(book, run):
    """No effect."""


def buy(book, run):
    """A purchase of ulla's with codes, if the run is about one."""
    if subject := run.data.get("buys"):
        codes = run.data["codes"]
        benefits.apply(book, benefits.Ask(subject, "ulla", 10_000, "BDT", 2, "order", codes))
        benefits.qualify(book, "ulla", subject, "BDT")


def unbuy(book, run):
    """What it had of campaigns goes back."""
    if subject := run.data.get("buys"):
        benefits.take_back(book, subject)


def fragile(book, run):
    """A fault, unless it was mended; a refusal, if it is to be one."""
    if run.data.get("refuse"):
        raise SameAccount("No.")
    if not run.data.get("mended"):
        raise ZeroDivisionError


def receipt(book, run):
    """What was signalled."""
    return run.data.get("signals", {}).get("receipt")


OWN = Saga(
    "own",
    1,
    [
        Local(name="begin", do=buy, undo=unbuy),
        Call(name="ask", to="world", request=lambda book, run: {"n": 1}, undo=NOTHING),
        Wait(name="receipt", ready=receipt),
        Approval(name="yes"),
        Local(name="fragile", do=fragile, undo=NOTHING),
    ],
)
"""A saga in which everything that people decide about can come to pass."""


def answer(intent):
    """What a provider says that does all it is asked for."""
    asked = intent.request
    ends = {"charge": "paid", "refund": "succeeded", "payout": "processing"}
    known = {name: asked[name] for name in ("amount", "currency") if name in asked}
    return {"id": f"at-{intent.key}", "status": ends.get(asked.get("op"), "done"), **known}


class Story:
    """Gives commands one after the other, and works sagas off in between."""

    def __init__(self, book, clock):
        self.book = book
        self._clock = clock
        self._callers = {"providers": ScriptedCaller(answer), "world": ScriptedCaller()}

    @property
    def now(self):
        """What the clock says."""
        return self._clock()

    def do(self, command, who=RAFIQ):
        """Its result."""
        return self.book.submit(command, actor=who).result

    def work(self, seconds=60):
        """Let workers do what is due."""
        finish(self.book, self._callers, self._clock, until_seconds=seconds)

    def told(self, kind, thing, **more):
        """What the provider says."""
        return ProviderEvent(f"evt-{kind}-{thing}", "sandbox", kind, thing, **more)


def everything(book, clock):
    """The whole story. The book knows `OWN`, and `clock` is a `VirtualClock`."""
    story = Story(book, clock)
    for kind in ("personal", "partner", "host"):
        story.do(wallets.OpenWallet("eve", "BDT", kind))
    story.do(wallets.Credit(EVE, bdt("1000.00")))
    story.do(setup.Set("providers", SANDBOX))
    people_decide(story)
    clocks_and_leases(story)
    pay_and_refund(story)
    pay_out(story)
    book_a_stay(story)
    hear_and_tell(story)
    rule_on_commissions(story)
    earn_and_be_trusted(story)
    lend_and_owe(story)
    keep_stock(story)
    buy_with_benefits(story)
    buy_together(story)
    keep_in_escrow(story)
    sell_on_the_market(story)
    stand_beside(story)
    come_from_elsewhere(story)
    order_and_pay(story)
    put_orders_right(story)
    reconcile_the_bank(story)
    stay_solvent(story)


def people_decide(story):
    """Start, signal, approve, fail, halt, and every verb of an operator."""
    started = [story.do(sagas.StartSaga("own", {}), MITU).id for _ in range(6)]
    refused = story.do(sagas.StartSaga("own", {"refuse": True}), MITU).id
    story.do(sagas.PauseSaga(started[5], "looking"))
    story.work()
    story.do(sagas.ResumeSaga(started[5], "fine"))
    story.do(sagas.CancelSaga(started[5], "not wanted"))
    for name in (*started[:5], refused):
        story.do(sagas.SignalSaga(name, "receipt", {"number": "7"}))
    story.work()
    for name in (*started[:5], refused):
        story.do(sagas.ApproveSaga(name, approved=True, reason="fine"))
    story.work()
    story.do(sagas.RetrySaga(started[0], "mended", {"mended": True}))
    story.do(sagas.SkipStep(started[1], "not needed"))
    story.do(sagas.ResolveSaga(started[2], "done", "seen", "by hand"))
    story.do(sagas.CompensateSaga(started[3], "call it off"))
    story.work()


def clocks_and_leases(story):
    """A schedule that fires, and a lease that is renewed and given back."""
    story.do(sagas.ScheduleSaga("nightly", "0 2 * * *", "own"))
    story.work(86_400)
    story.do(sagas.UnscheduleSaga("nightly", "no more"))
    held = story.do(sagas.StartSaga("own", {})).id
    Worker(story.book, {}).claim("somebody", 10)
    story.do(Renew("somebody", [held], 60), WORKER)
    story.do(Release("somebody", [held]), WORKER)
    story.work()


def register(story, name, amount="100.00"):
    """Something to pay."""
    story.do(payments.RegisterPayable(name, "eve", bdt(amount), country="BD"))
    return name


def pay_and_refund(story):
    """By card with a refund and a dispute, mixed twice, cancelled."""
    card = story.do(payments.Initiate(register(story, "order/E1"), way="card", token="tok_ok")).id
    story.work()
    story.do(payments.RefundPayment(card, "broken", bdt("40.00")))
    story.work()
    charge = story.book.query(payments.payment, card).charge
    opened = story.told("dispute.opened", "dp_1", charge=charge, amount="10.00", currency="BDT")
    story.do(payments.Tell(opened), WORKER)
    mixed = [
        story.do(payments.Initiate(register(story, name), EVE, "mixed", wallet_part=bdt("60.00")))
        for name in ("order/E2", "order/E3")
    ]
    story.do(payments.ConfirmTransfer(mixed[0].id, bdt("40.00"), "slip 1"), MITU)
    story.do(payments.RejectTransfer(mixed[1].id, "never came"), MITU)
    story.do(payments.CancelPayable(register(story, "order/E4"), "sold out"))
    story.work()


def pay_out(story):
    """Accounts and payouts of every outcome."""
    policy = {"minimum": {"BDT": "10.00"}, "provider": "sandbox"}
    story.do(setup.Set("payouts", policy))
    made = [
        story.do(
            sealed_bank_account(
                VAULT,
                owner="eve",
                number=f"1234 5678 901{n}",
                currency="BDT",
                holder="Eve",
                bank="Dutch-Bangla Bank",
                country="BD",
            )
        ).id
        for n in range(3)
    ]
    for name in made:
        story.do(payouts.VerifyBankAccount(name, "seen"), MITU)
    story.do(payouts.SetPrimary(made[1]))
    sealed = [VAULT.seal("123456789010"), VAULT.seal("Eve"), VAULT.fingerprint("x")]
    story.do(payouts.Reseal(made[0], *sealed, by="admin:rafiq"), WORKER)
    out = [
        story.do(payouts.InitiatePayout(EVE, bdt("20.00"), f"out-{n}", made[0])).id
        for n in range(3)
    ]
    line = payouts.BatchLine(EVE, bdt("20.00"), "out-9")
    story.do(payouts.CreatePayoutBatch("march", [line]))
    story.work()
    story.do(payouts.CompletePayout(out[0], "slip 2", "arrived"), MITU)
    story.do(payouts.FailPayout(out[1], "called off", "the bank says so"), MITU)
    story.do(ledger.FreezeAccount(EVE, "odd"))
    about = story.book.query(payouts.payout, out[2])
    back = story.told("payout.returned", about.provider_id, reference=out[2])
    story.do(payouts.TellPayout(back), WORKER)
    story.do(payouts.GiveBack(out[2], "another wallet", EVES), MITU)
    story.do(ledger.UnfreezeAccount(EVE, "fine"))
    story.do(payouts.BlockBankAccount(made[1], "odd"), MITU)
    story.do(payouts.RemoveBankAccount(made[2]))
    story.work()


def book_a_stay(story):
    """Booked, paid, over, complained of; and one that is cancelled."""
    for ref in ("B1", "B2"):
        made = bookings.CreateBooking(ref, "eve", "eve", bdt("100.00"), 500, country="BD")
        story.do(made)
    story.do(bookings.PayBooking("B1", way="card", token="tok_ok"))
    story.work()
    story.do(bookings.CompleteBooking("B1"))
    story.work()
    story.do(bookings.RefundBooking("B1", "no hot water", bdt("10.00")))
    story.do(bookings.CancelBooking("B2", "changed plans"))
    story.work()


def hear_and_tell(story):
    """The inbox with its decisions, and an endpoint with its own."""
    story.do(webhooks.Reject("sandbox", "invalid_signature", "203.0.113.7"), WORKER)
    received = [
        story.do(
            webhooks.Receive(
                "sandbox", f"evt_{n}", "moon.risen", "0" * 64, sealed=False, body="e30="
            ),
            WORKER,
        ).id
        for n in range(2)
    ]
    for name in received:
        story.do(webhooks.Process(name, 0), WORKER)
    story.do(webhooks.RetryItem(received[0], "again"))
    story.do(webhooks.DiscardItem(received[1], "not ours"))
    secret = VAULT.seal("whsec_c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0ISE=")
    made = story.do(webhooks.AddEndpoint("https://example.org/hooks", ["payment.*"], secret)).id
    story.do(webhooks.ChangeEndpoint(made, events=["*"]))
    story.do(webhooks.RotateSecret(made, VAULT.seal("whsec_YW5vdGhlciBzZWNyZXQgYW5vdGhlcg==")))
    story.do(webhooks.Replay(made, 1, 5, "they were down"))
    story.do(webhooks.DisableEndpoint(made, "gone"))
    story.do(webhooks.EnableEndpoint(made, "back"))
    story.do(webhooks.Resend(delivery_id(1, 0, made), "lost"))


def rule_on_commissions(story):
    """A rule, its next version, and its end."""
    for points in (500, 700):
        parts = [
            commissions.Part("house", "revenue/commission", points=points),
            commissions.Part("partner", "partner", rest=True),
        ]
        story.do(commissions.DefineRule("food", parts, category="food"))
    story.do(commissions.RetireRule("food", "season over"))


def earn_and_be_trusted(story):
    """Views, a bonus and a delivery by a rate and a policy; a deed, and what deeds are worth."""
    story.do(earnings.SetPolicy(earnings.EarningPolicy(rewards={"surprise_reward": bdt("5.00")})))
    story.do(earnings.SetRate("eve", bdt("20.01")))
    for total in (1234, 100_000):
        story.do(earnings.CountViews("V1", "eve", total))
    story.do(earnings.Bonus("surprise_reward", "eve", "eid"))
    story.do(earnings.PayDelivery("eve", "E1", bdt("60.00"), haggled=True, chain="morning"))
    story.do(trust.SetRules({"delivered": trust.Worth(xp=20, good=1)}))
    for event in ("delivered", "late_delivery"):
        story.do(trust.RecordEvent("eve", event, "E1"))


def lend_and_owe(story):
    """A loan and a float, repaid, overdue, given up; and how debts are netted."""
    story.do(debts.SetNetting(["refund", "dhaar_loan"], {"dhaar_loan": 2500}))
    loan = story.do(loans.GrantLoan(EVES, bdt("100.00"), 2, 7, 7, bdt("5.00"), "eid"))
    advance = story.do(loans.AdvanceFloat(EVES, bdt("50.00"), "shift 7"))
    story.do(debts.RepayDebt(loan.debt, EVES, bdt("10.00")))
    story.do(loans.RepayLoan(loan.id, bdt("10.00")))
    story.work(8 * 86_400)
    story.do(loans.MarkOverdue([loan.id]))
    story.do(loans.WriteOffLoan(loan.id, "moved away", bdt("1.00")), SYSTEM)
    story.do(debts.WriteOffDebt(advance.debt, "moved away"), SYSTEM)


def keep_stock(story):
    """Tea that comes, goes, comes back and is lost; shares that are bought, and taken back."""
    story.do(inventory.DefineItem("TEA", "Tea", bdt("5.00")))
    story.do(inventory.ReceiveStock("TEA", 3, bdt("10.00"), "payable/suppliers", "Finlay", "I7"))
    gone = story.do(inventory.AllocateStock("TEA", 2, "order/E5", "eve")).id
    story.do(inventory.GiveBackStock(gone, "one too many", 1))
    story.do(inventory.AdjustStock("TEA", 1, -1, "torn"))
    story.do(inventory.ChangeItem("TEA", "Green tea"))
    story.do(inventory.DefineItem("SHARE-A", "Shares", bdt("1.00"), "share"))
    story.do(inventory.ReceiveStock("SHARE-A", 5, bdt("4.00"), "equity/capital"))
    came = {"received": bdt("2.00"), "evidence": "slip 3"}
    bought = story.do(inventory.StartInvestment("N1", EVE, "SHARE-A", 2, **came)).id
    story.work()
    story.do(inventory.CancelInvestment(bought, "not wanted"))


def buy_with_benefits(story):
    """A campaign from beginning to end, a purchase with its code, referrals of every outcome."""
    bonuses = {"referrer": [bdt("5.00")], "referred": [bdt("3.00")]}
    window = {"most_in_window": 9, "window_seconds": 60}
    story.do(benefits.SetBenefitPolicy(5000, [bdt("90.00")], **bonuses, kyc="both", **window))
    story.do(benefits.CreateCampaign("EID", "Eid", "BDT", points=1000, budget=bdt("50.00")))
    for referred in ("ulla", "zoe"):
        story.do(benefits.Refer("alice", referred))
    bought = story.do(sagas.StartSaga("own", {"buys": "order/C1", "codes": ["EID"]})).id
    story.work()
    story.do(sagas.CancelSaga(bought, "changed their mind"))
    story.work()
    for owner in ("ulla", "alice"):
        story.do(benefits.ConfirmKyc(owner, "File 7."))
    story.do(benefits.PayBonuses("alice"))
    story.do(benefits.CancelReferral("zoe", "the same person"))
    story.do(benefits.ChangeBudget("EID", "it goes well", bdt("90.00")))
    story.do(benefits.ExtendCampaign("EID", "a week more", "2099-12-31"))
    story.do(benefits.PauseCampaign("EID", "odd"))
    story.do(benefits.ResumeCampaign("EID", "fine"))
    story.do(benefits.EndCampaign("EID", "over"))


def buy_together(story):
    """A squad from beginning to end, with a purchase that is owed for, and one that is a sale."""
    for owner in ("sana", "tuli"):
        story.do(wallets.OpenWallet(owner, "BDT"))
        story.do(wallets.Credit(f"{owner}/personal/BDT", bdt("300.00")))
    story.do(squads.CreateSquad("eid", "A goat for Eid", "sana", "BDT", joining="anyone"))
    story.do(squads.AddMember("eid", "tuli"))
    story.do(squads.JoinSquad("eid", "eve"))
    story.do(squads.SetRole("eid", "tuli", "buyer"))
    story.do(squads.SetSharing("eid", squads.Sharing("weights", {"sana": 2, "tuli": 1})))
    story.do(squads.Contribute("eid", bdt("90.00"), owner="sana"))
    bought = story.do(squads.Purchase("eid", "goat", EVE, bdt("30.00"), cover="leader")).id
    story.do(squads.ReturnPurchase(bought, "it limps", bdt("3.00")))
    story.do(squads.Forgive("eid", "tuli", "family"))
    story.do(wallets.Transfer(EVE, "squad-eid/squad/BDT", bdt("1.00")))
    story.do(squads.Allot("eid", "a gift"))
    parts = [
        commissions.Part("house", "revenue/commission", points=500),
        commissions.Part("partner", "partner", rest=True),
    ]
    story.do(commissions.DefineRule("goats", parts, category="goats"))
    sale = marketplace.PlaceSale("SQ1", "squad-eid", "eve", bdt("3.00"), category="goats")
    story.do(sale, SYSTEM)
    story.do(squads.Contribute("eid", bdt("9.00"), owner="tuli"))
    story.do(squads.PaySquadSale("eid", "SQ1", "tuli"))
    story.do(squads.WithdrawShare("eid", bdt("1.00"), "tuli"))
    story.do(squads.LeaveSquad("eid", "tuli"))
    story.do(squads.CloseSquad("eid", "Eid is over"))
    story.work()


def keep_in_escrow(story):
    """Held, disputed, settled, released in part, delivered, given back, and released in time."""
    receivers = [
        escrow.Receiver("house", "revenue/commission", bdt("1.00")),
        escrow.Receiver("partner", EVES, bdt("9.00")),
    ]
    after = {"release_on": "delivery", "release_days": 1}
    story.do(escrow.FundEscrow("K1", bdt("10.00"), EVE, receivers=receivers, **after))
    story.do(escrow.DisputeEscrow("K1", "odd"))
    story.do(escrow.SettleDispute("K1", "fine"))
    story.do(escrow.ReleaseEscrow("K1", "half of it", bdt("5.00")))
    story.do(escrow.ConfirmDelivery("K1", "seen"))
    story.do(escrow.RefundEscrow("K1", "scratched", bdt("1.00")))
    story.work(2 * 86_400)


def sell_on_the_market(story):
    """A sale that is placed, paid, brought and refunded in part; and one that is called off."""
    story.do(wallets.OpenWallet("rina", "BDT", "creator"))
    story.do(wallets.OpenWallet("ravi", "BDT", "rider"))
    story.do(wallets.OpenWallet("sami", "BDT", "partner"))
    story.do(benefits.CreateCampaign("MELA", "Mela", "BDT", points=1000))
    for ref in ("S1", "S2"):
        placed = marketplace.PlaceSale(
            ref,
            "eve",
            "sami",
            bdt("20.00"),
            creator="rina",
            video="v7",
            delivery_fee=bdt("2.00"),
            codes=["MELA"],
            category="toys",
            title="A kite",
            country="BD",
        )
        story.do(placed)
    story.do(marketplace.PaySale("S1", way="card", token="tok_ok"))
    story.work()
    story.do(marketplace.AssignRider("S1", "ravi"))
    story.do(marketplace.DeliverSale("S1", late=True))
    story.work()
    story.do(marketplace.RefundSale("S1", "torn", bdt("10.00"), fault="partner"))
    story.do(marketplace.CancelSale("S2", "changed her mind", "customer"))
    story.work()


def stand_beside(story):
    """A flow that is defined, put in shadow, and differs once."""
    story.do(shadow.DefineFlow("tills"))
    story.do(shadow.SwitchFlow("tills", "shadow", "a trial"))
    story.do(shadow.Compare("tills", "till 7", "ok", "refused:amount_too_large"), WORKER)


def order_and_pay(story):
    """Orders that are paid by wallet and bank, brought, given back; called off; let go."""
    story.do(orders.SetOrderPolicy(grace_days=2, release_days=1))
    tea, cup = orders.Line(1, sku="CHAI"), orders.Line(1, title="Cup", price=bdt("3.00"))
    story.do(inventory.DefineItem("CHAI", "Chai", bdt("4.00")))
    story.do(inventory.ReceiveStock("CHAI", 3, bdt("7.00")))
    part = {"wallet": EVE, "wallet_part": bdt("2.00")}
    story.do(orders.PlaceOrder("O1", "eve", [tea, cup], "mixed", title="Chai", **part))
    story.do(orders.ExtendGrace("O1", "2027-12-01T00:00:00Z", "she is away"), SYSTEM)
    for sign in "ab":
        slip = orders.ReceiptFile(sign * 64, "image/png", 900, "slip.png")
        story.do(orders.UploadReceipt("O1", slip))
        if sign == "a":
            story.do(orders.RejectPayment("O1", "unreadable"))
    story.do(orders.ApprovePayment("O1", "bank line 7"))
    for axis, to in (("warehouse", "ready"), ("warehouse", "picked"), ("logistics", "dispatched")):
        story.do(orders.MoveOrder("O1", axis, to))
    story.do(orders.MoveOrder("O1", "logistics", "delivered"))
    story.do(orders.RefundOrder("O1", "cold", bdt("1.00")))
    story.do(orders.PlaceOrder("O2", "eve", [tea]))
    story.do(orders.PayOrder("O2", "wallet", EVE))
    story.do(orders.CancelOrder("O2", "not thirsty"))
    story.do(orders.PlaceOrder("O3", "eve", [cup], "bank"))
    story.work(3 * 86_400)


def come_from_elsewhere(story):
    """A customer with an order that is shown wrongly there: taken over, and repaired."""
    adopted = orders.AdoptOrder(
        "L1",
        "lina",
        bdt("20.00"),
        "paid",
        "picked",
        "delivered",
        "pending",
        "2026-01-01T00:00:00Z",
        "The old shop closes",
        received=bdt("20.00"),
    )
    story.do(
        legacy.TakeOver(
            "old-shop", "lina", "BDT", [adopted], "0" * 64, "The old shop closes", bdt("5.00")
        )
    )
    story.do(msgspec.structs.replace(adopted, ref="L2"))
    story.work()


def put_orders_right(story):
    """Two orders that somebody tampered with: one stays so, the other one is repaired."""
    for ref in ("O8", "O9"):
        half = {"wallet": EVE, "wallet_part": bdt("1.00")}
        kettle = orders.Line(1, title="Kettle", price=bdt("8.00"))
        placed = story.do(orders.PlaceOrder(ref, "eve", [kettle], "mixed", **half))
        story.do(holds.VoidHold(placed.hold, "by mistake"))
    story.do(mismatches.Sweep(["O8", "O9"]))
    found = story.book.query(mismatches.mismatches, order="O8").items[0]
    story.do(mismatches.DismissMismatch(found.id, "she pays in cash"))
    story.do(mismatches.RepairMismatch("O9", "a slip of the hand"))
    story.work()


def stay_solvent(story):
    """A balance that was counted, a check, a proof, a brake that two people lift."""
    counted = solvency.VerifyBalance("cash/main", bdt("1.00"), to_iso(story.now), "Counted.")
    story.do(counted, MITU)
    counting.check(story.book, None, "admin:rafiq")
    counting.publish(story.book, "BDT", "admin:rafiq")
    story.do(payouts.ApplyBrake("BDT", "looking"))
    lift = {"kind": "payouts.lift_brake", "currency": "BDT", "reason": "looked"}
    asked = story.do(access.RequestApproval(lift, "fine")).request
    story.do(access.Approve(asked), MITU)
    story.do(setup.SetSchedule(solvency="03:30"))
    story.do(setup.FinishSlot("solvency", story.now), WORKER)


def reconcile_the_bank(story):
    """Statements that come at once, in two parts and not at all; matched, explained, closed."""
    bank, day = "bank/reconciled", to_iso(story.book.clock())[:10]
    story.do(ledger.OpenAccount(bank, "BDT"))
    legs = [ledger.LegIn(bank, debit=bdt("5.00")), ledger.LegIn("cash/main", credit=bdt("5.00"))]
    for name in ("pay_0001", "pay_0002"):
        made = story.do(ledger.PostEntry(legs, "opening", name)).id
    line = reconciliation.LineIn
    lines = [line("5.00", day, text="pay_0001"), line("-1.00", day, text="x"), line("4.00", day)]
    head = (bank, "BDT", "1", day, day, "0.00", "8.00", "0" * 64)
    gone = story.do(reconciliation.ImportStatement(*head, lines[:1], 3)).id
    story.do(reconciliation.DiscardImport(gone, "another file"))
    kept = story.do(reconciliation.ImportStatement(*head, lines[:1], 3)).id
    story.do(reconciliation.ImportLines(kept, 2, lines[1:]))
    odd = [legs[0], ledger.LegIn("receivable/dhaar/eve", credit=bdt("5.00"))]
    by_mistake = story.do(ledger.PostEntry(odd, "opening")).id
    story.work(2 * 86_400)
    reconciling.run(story.book)
    story.do(ledger.Reverse(by_mistake, "a slip"))
    story.do(reconciliation.Adjust(f"{kept}/2", "charges"))
    by_hand = reconciliation.MatchLines([f"{kept}/3"], [made], "less a taka", "expense/x")
    story.do(reconciliation.Unmatch(story.do(by_hand).id, "more than a taka"))
    reconciling.run(story.book)
    found = story.book.query(reconciliation.exceptions).items
    story.do(reconciliation.ResolveException(found[0].id, "agreed"))
    period = story.do(reconciliation.ClosePeriod(bank, "BDT", day, "over", carry=True)).id
    reopen = {"kind": "reconciliation.reopen_period", "period": period, "reason": "a slip"}
    asked = story.do(access.RequestApproval(reopen, "please"), MITU).request
    story.do(access.Approve(asked))
