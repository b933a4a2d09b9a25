"""Stories that go through every built-in saga, each told so that it can be begun again.

A story submits its commands under fixed keys and works the sagas off in between. Told a second
time in the same book, after a death, it goes on where the first one stopped.
"""

from khata.base.actor import actor
from khata.base.clock import SECOND, from_iso, to_iso
from khata.base.money import Money
from khata.domain import (
    benefits,
    bookings,
    escrow,
    inventory,
    ledger,
    marketplace,
    mismatches,
    orders,
    payments,
    payouts,
    sagas,
    setup,
    wallets,
)
from khata.domain.payments import ProviderEvent
from khata.edge.sealing import sealed_bank_account
from khata.engine.vault import Vault
from tests.payers import SANDBOX

ALICE = "alice/personal/BDT"
MITU, RAFIQ = actor("finance:mitu"), actor("admin:rafiq")
VAULT = Vault([Vault.new_key()])


def bdt(amount):
    """Taka."""
    return Money(amount, "BDT")


def prepare(book):
    """What every story needs; nobody dies here."""
    book.submit(setup.Set("providers", SANDBOX))
    book.submit(setup.Set("payouts", {"minimum": {"BDT": "10.00"}, "provider": "sandbox"}))
    for owner, kind in (("alice", "personal"), ("host", "host")):
        book.submit(wallets.OpenWallet(owner, "BDT", kind))
        book.submit(wallets.Credit(f"{owner}/{kind}/BDT", bdt("1000.00")))
        sealed = sealed_bank_account(
            VAULT,
            owner=owner,
            number="1234 5678 9012",
            currency="BDT",
            holder=owner,
            bank="Dutch-Bangla Bank",
            country="BD",
        )
        added = book.submit(sealed).result.id
        book.submit(payouts.VerifyBankAccount(added, "Statement seen."))


def pay(book, token, subject="order/M1", amount="300.00"):
    """Begin a card payment; its id."""
    to_pay = payments.RegisterPayable(subject, "alice", bdt(amount), country="BD")
    book.submit(to_pay, key=f"register {subject}".replace(" ", "-"))
    begun = payments.Initiate(subject, way="card", token=token)
    return book.submit(begun, key=f"pay-{subject}").result.id


# ── payments ─────────────────────────────────────────────────────────────────────────


def a_charge_that_was_done(book, work):
    """The provider fails after charging: it is found by asking."""
    pay(book, "tok_error_done")
    work()


def a_charge_that_was_not_done(book, work):
    """The provider fails before charging: it is asked, then charged."""
    pay(book, "tok_error_not_done")
    work()


def a_decline(book, work):
    """The card is declined; the order can be paid anew."""
    pay(book, "tok_decline")
    work()


def a_charge_nobody_finishes(book, work):
    """The payer never confirms: the payment expires."""
    pay(book, "tok_pending")
    work()


def a_late_charge(book, work):
    """The order is cancelled while its payer is at the provider: the money goes back by itself."""
    name = pay(book, "tok_pending")
    work(1)
    book.submit(payments.CancelPayable("order/M1", "Sold out."), key="cancel")
    charge = book.query(payments.payment, name).charge
    told = ProviderEvent("evt_1", "sandbox", "charge.paid", charge, reference=name)
    book.submit(payments.Tell(told), key="told")
    work()


def a_refund(book, work):
    """A part of a charge goes back to the card."""
    name = pay(book, "tok_ok")
    work()
    book.submit(payments.RefundPayment(name, "A part was broken.", bdt("100.00")), key="refund")
    work()


def a_bank_transfer(book, work):
    """A part out of the wallet, the rest by bank: confirmed by finance."""
    to_pay = payments.RegisterPayable("order/M2", "alice", bdt("300.00"), country="BD")
    book.submit(to_pay, key="register")
    mixed = payments.Initiate("order/M2", ALICE, "mixed", wallet_part=bdt("100.00"))
    name = book.submit(mixed, key="mixed").result.id
    work(1)
    seen = payments.ConfirmTransfer(name, bdt("200.00"), "Bank statement 7.")
    book.submit(seen, key="confirm")
    work()


# ── payouts ──────────────────────────────────────────────────────────────────────────


def a_payout_that_comes_back(book, work):
    """The bank sends a completed payout back: the wallet is whole, the account blocked."""
    asked = payouts.InitiatePayout(ALICE, bdt("400.00"), "out-1")
    name = book.submit(asked, key="payout").result.id
    work()
    thing = book.query(payouts.payout, name).provider_id
    told = ProviderEvent("evt_2", "sandbox", "payout.returned", thing, reference=name)
    book.submit(payouts.TellPayout(told), key="returned")
    work()


def a_payout_to_a_frozen_wallet(book, work):
    """It fails while the wallet is frozen; the money returns once it is thawed."""
    asked = payouts.InitiatePayout(ALICE, bdt("400.00"), "out-1")
    name = book.submit(asked, key="payout").result.id
    work()
    book.submit(ledger.FreezeAccount(ALICE, "Looks odd."), key="freeze")
    thing = book.query(payouts.payout, name).provider_id
    told = ProviderEvent("evt_3", "sandbox", "payout.returned", thing, reference=name)
    book.submit(payouts.TellPayout(told), key="returned")
    work(10)
    book.submit(ledger.UnfreezeAccount(ALICE, "It was fine."), key="thaw")
    work(400_000)


def a_payout_by_hand(book, work):
    """A payout that an admin sends, and completes."""
    policy = {"minimum": {"BDT": "10.00"}, "provider": "manual"}
    book.submit(setup.Set("payouts", policy), key="by-hand")
    asked = payouts.InitiatePayout(ALICE, bdt("400.00"), "out-1")
    name = book.submit(asked, key="payout").result.id
    work(1)
    book.submit(payouts.CompletePayout(name, "Bank slip 9.", "Sent."), key="complete")
    work()


# ── bookings ─────────────────────────────────────────────────────────────────────────


def booked(book, amount="400.00"):
    """A booking that its guest has paid by card."""
    made = bookings.CreateBooking("B7", "alice", "host", bdt(amount), 500, country="BD")
    book.submit(made, key="book")
    book.submit(bookings.PayBooking("B7", way="card", token="tok_ok"), key="pay-booking")


def a_stay_with_a_complaint(book, work):
    """A part goes back after the host was credited: from host and commission alike."""
    booked(book)
    work()
    book.submit(bookings.CompleteBooking("B7"), key="complete")
    work()
    complaint = bookings.RefundBooking("B7", "No hot water.", bdt("100.00"))
    book.submit(complaint, key="complaint")
    work()


def a_cancelled_stay(book, work):
    """Paid and cancelled: all of it goes back."""
    booked(book)
    work()
    book.submit(bookings.CancelBooking("B7", "Changed plans."), key="cancel-booking")
    work()


# ── investments ──────────────────────────────────────────────────────────────────────


def shares_that_ran_out(book, work):
    """Paid, lowered by a campaign, debited; then too few are left, and all of it is undone."""
    price, cost = bdt("50.00"), bdt("90.00")
    book.submit(inventory.DefineItem("SHARE-A", "Shares", price, "share"), key="define")
    book.submit(inventory.ReceiveStock("SHARE-A", 3, cost, "equity/capital"), key="issue")
    campaign = benefits.CreateCampaign("NEW10", "A tenth off", "BDT", points=1000)
    book.submit(campaign, key="campaign")
    wanted = inventory.StartInvestment(
        "I1", ALICE, "SHARE-A", 4, ["NEW10"], bdt("100.00"), evidence="Bank slip 7."
    )
    book.submit(wanted, key="invest")
    work()


# ── escrows ──────────────────────────────────────────────────────────────────────────


def an_escrow_after_delivery(book, work):
    """A day after it arrived everyone has theirs; until then somebody disagreed."""
    receivers = [
        escrow.Receiver("house", "revenue/commission", bdt("30.00")),
        escrow.Receiver("host", "host/host/BDT", bdt("270.00")),
    ]
    after = {"receivers": receivers, "release_on": "delivery", "release_days": 1}
    book.submit(escrow.FundEscrow("K7", bdt("300.00"), ALICE, **after), key="fund")
    work(1)
    book.submit(escrow.ConfirmDelivery("K7", "Signed for."), key="delivered")
    book.submit(escrow.DisputeEscrow("K7", "Not what I ordered."), key="dispute")
    work(90_000)
    book.submit(escrow.SettleDispute("K7", "They agreed."), key="settle")
    work()


def a_sale_that_is_given_back(book, work):
    """Paid by card, delivered and released; then a part goes back to the card, from all alike."""
    sold = marketplace.PlaceSale(
        "S7", "alice", "host", bdt("300.00"), partner_wallet="host/host/BDT", country="BD"
    )
    book.submit(sold, key="place")
    work(1)
    book.submit(marketplace.PaySale("S7", way="card", token="tok_ok"), key="pay-sale")
    work(1)
    book.submit(marketplace.DeliverSale("S7"), key="deliver-sale")
    work(1)
    broken = marketplace.RefundSale("S7", "One was broken.", bdt("100.00"))
    book.submit(broken, key="refund-sale")
    work()


# ── sales ────────────────────────────────────────────────────────────────────────────


def placed(book, ref, **fields):
    """A sale because of a video, that somebody has to bring, with a code."""
    for owner, kind in (("mitu", "creator"), ("rahim", "rider")):
        book.submit(wallets.OpenWallet(owner, "BDT", kind), key=f"open-{owner}")
    code = benefits.CreateCampaign("EID", "A tenth off", "BDT", points=1000)
    book.submit(code, key="campaign")
    made = marketplace.PlaceSale(
        ref,
        "alice",
        "host",
        bdt("300.00"),
        partner_wallet="host/host/BDT",
        creator="mitu",
        video="v1",
        delivery_fee=bdt("60.00"),
        codes=["EID"],
        country="BD",
        **fields,
    )
    book.submit(made, key="place")


def a_video_order_that_arrives(book, work):
    """Paid at once, brought, its rider paid; released a day later, and all rewarded."""
    placed(book, "V1", wallet=ALICE, release_days=1)
    work(1)
    book.submit(marketplace.AssignRider("V1", "rahim"), key="assign")
    book.submit(marketplace.DeliverSale("V1"), key="deliver")
    work()


def a_video_order_that_is_called_off(book, work):
    """Paid by card, on its way, and called off: all of it goes back, the code can be used again."""
    placed(book, "V2")
    work(1)
    book.submit(marketplace.PaySale("V2", way="card", token="tok_ok"), key="pay-sale")
    work(1)
    book.submit(marketplace.AssignRider("V2", "rahim"), key="assign")
    book.submit(marketplace.CancelSale("V2", "Nobody at home.", "customer"), key="cancel-sale")
    work()


def repair(book, order, who=MITU):
    """Ask for the repair of an order; which saga it is."""
    asked = mismatches.RepairMismatch(order, "Ticket 4711.")
    return book.submit(asked, key=f"repair-{order}", actor=who).result.saga


def adopt(book, order, finance, **facts):
    """An order that was delivered elsewhere, as it stands there."""
    taken = orders.AdoptOrder(
        order,
        "alice",
        bdt("100.00"),
        finance,
        "picked",
        "delivered",
        wallet=ALICE,
        placed_at="2026-01-01T00:00:00Z",
        reason="Taken over.",
        **facts,
    )
    book.submit(taken, key=f"adopt-{order}")


def orders_that_are_repaired(book, work):
    """One is shown wrongly; of the other the wallet had not paid its part, and above the limit a
    second person agrees that it does.
    """
    book.submit(setup.Set("four_eyes", {"BDT": "30.00"}), key="limit")
    adopt(book, "M8", "paid", shown="pending")
    part = {"wallet_part": bdt("40.00"), "received": bdt("60.00")}
    adopt(book, "M9", "wallet_partial", shown="delivered", **part)
    repair(book, "M8")
    saga = repair(book, "M9")
    work(1)
    agreed = sagas.ApproveSaga(saga, approved=True, reason="Right.")
    book.submit(agreed, key="agreed", actor=RAFIQ)
    work()


# ── orders ───────────────────────────────────────────────────────────────────────────


def an_order_that_nobody_pays(book, work):
    """Its wallet part is held until the time for the transfer is over, which was extended."""
    book.submit(inventory.DefineItem("TEA", "Tea", bdt("50.00")), key="define")
    book.submit(inventory.ReceiveStock("TEA", 3, bdt("90.00")), key="receive")
    lines, part = [orders.Line(2, sku="TEA")], {"wallet": ALICE, "wallet_part": bdt("30.00")}
    wanted = orders.PlaceOrder("O7", "alice", lines, "mixed", grace_days=1, **part)
    placed = book.submit(wanted, key="place").result
    later = to_iso(from_iso(placed.grace_ends_at) + 3600 * SECOND)
    book.submit(orders.ExtendGrace("O7", later, "She asked."), key="extend")
    work()


STORIES = (
    a_charge_that_was_done,
    a_charge_that_was_not_done,
    a_decline,
    a_charge_nobody_finishes,
    a_late_charge,
    a_refund,
    a_bank_transfer,
    a_payout_that_comes_back,
    a_payout_to_a_frozen_wallet,
    a_payout_by_hand,
    a_stay_with_a_complaint,
    a_cancelled_stay,
    shares_that_ran_out,
    an_escrow_after_delivery,
    a_sale_that_is_given_back,
    a_video_order_that_arrives,
    a_video_order_that_is_called_off,
    an_order_that_nobody_pays,
    orders_that_are_repaired,
)
"""Together they go through every saga that is built in; a test checks it."""


# ── what is to be seen in the end ────────────────────────────────────────────────────


def seen(book):
    """Everything that must be the same however often the story was interrupted."""
    runs = book.query(sagas.sagas, limit=1000).items
    return {
        "balances": sorted(
            (account.code, account.balance, account.held, account.status)
            for account in book.query(ledger.accounts, limit=1000).items
        ),
        "entries": sorted(
            (entry.type, entry.source, [(leg.account, leg.signed) for leg in entry.legs])
            for entry in book.query(ledger.entries, limit=1000).items
        ),
        "runs": sorted((run.name, run.status, run.done) for run in runs),
        "history": sorted(_history(book, run.id) for run in runs),
        "records": _records(book),
    }


def _history(book, name):
    """What happened. How often something was tried or asked depends on when one looks; whether a
    run had to wait for another, on which of the two was quicker.
    """
    return [
        f"{line.what} {line.step}"
        for line in book.query(sagas.saga, name).history
        if line.what not in ("unknown", "waiting") and "again_in_ms" not in (line.detail or {})
    ]


def _records(book):
    """The statuses of what the rooms keep."""
    found = []
    for query in (payments.payments, payments.refunds, payouts.payouts, bookings.bookings):
        items = book.query(query, limit=1000).items
        found.append(sorted((item.status, item.amount, len(item.entries)) for item in items))
    bought = book.query(inventory.investments, limit=1000).items
    found.append(sorted((item.status, item.paid, len(item.entries)) for item in bought))
    kept = book.query(escrow.escrows, limit=1000).items
    found.append(
        sorted((item.status, item.held, item.refunded, len(item.history)) for item in kept)
    )
    sold = book.query(marketplace.sales, limit=1000).items
    found.append(sorted((item.status, item.refunded, item.completed_at is None) for item in sold))
    errands = book.query(marketplace.missions, limit=1000).items
    found.append(sorted((item.status, item.rider or "") for item in errands))
    given = book.query(benefits.campaigns, limit=1000).items
    found.append(sorted((item.code, item.spent, item.uses) for item in given))
    ordered = book.query(orders.orders, limit=1000).items
    found.append(sorted((item.finance, item.status, item.refunded) for item in ordered))
    accounts = book.query(payouts.bank_accounts, limit=1000).items
    return [*found, sorted((account.owner, account.status) for account in accounts)]
