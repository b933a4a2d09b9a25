"""The hour of the marketplace: a video order, a squad, a refund, a loan, and shares that run out.

Each story ends with its money trace: every leg from who paid to everyone who received.
"""

from __future__ import annotations

from typing import Final

from khata.base.actor import actor
from khata.domain import inventory, loans, marketplace, proofs, trust
from khata.domain.earnings import CountViews, SetRate
from khata.domain.inventory import DefineItem, ReceiveStock, StartInvestment
from khata.domain.loans import GrantLoan
from khata.domain.marketplace import AssignRider, DeliverSale, PlaceSale, RefundSale
from khata.domain.squads import AddMember, Contribute, CreateSquad, Purchase
from khata.domain.wallets import Credit
from khata.edge.cli.demo.morning import DESK, KARIM, NADIA, RAFI, SHOP, SUMON, taka
from khata.edge.cli.demo.stage import BDT, Stage
from khata.edge.cli.screen import money
from khata.edge.cli.trace import trace_table
from khata.engine.sagas.due import next_due

_SALE: Final = "M3001"
_SQUAD: Final = "friday-biryani"
_SHARES: Final = "padma-pre-ipo"
_AS_NADIA: Final = actor("owner:nadia")
_AS_SUMON: Final = actor("owner:sumon")


def play_market(stage: Stage) -> None:
    """Five stories of a marketplace."""
    video_order(stage)
    partial_refund(stage)
    squad(stage)
    loan(stage)
    investment(stage)


def work(stage: Stage) -> None:
    """Let the sagas do all that is due now."""
    worker = stage.book.worker({})
    worker.work()
    while (due_at := stage.ask(next_due)) is not None and due_at <= stage.clock.now:
        worker.work()


def show_trace(stage: Stage, name: str) -> None:
    """Every account that had to do with it, and that it adds up."""
    found = stage.ask(proofs.trace, name)
    count = len(found.entries)
    stage.say(f"The trace of `{found.subject}`, {count} entr{'y' if count == 1 else 'ies'}:")
    stage.show(trace_table(found))
    stage.expect(found.adds_up, "It adds up: what left one is with the others.")


def video_order(stage: Stage) -> None:
    """Fifty, a hundred and fifty, eight hundred; and sixty for who brings it."""
    stage.chapter(
        "18:45",
        "A video order, end to end",
        "This time a saga does it: Nadia pays ৳1,000 and ৳60 for delivery, escrow holds it, Sumon",
        "is sent, and when it has arrived the commission rule says who gets what.",
    )
    stage.do(Credit(NADIA, taka("3000.00"), reference="bkash-901"), actor=SHOP, key="top-up-901")
    stage.do(Credit(SUMON, taka("1000.00"), reference="bkash-902"), actor=SHOP, key="top-up-902")
    placed = PlaceSale(
        _SALE,
        "nadia",
        "karim",
        taka("1000.00"),
        creator="rafi",
        video="vid-7",
        delivery_fee=taka("60.00"),
        wallet=NADIA,
    )
    stage.do(placed, actor=SHOP, key=_SALE)
    work(stage)
    stage.do(AssignRider(_SALE, "sumon"), actor=SHOP)
    stage.do(DeliverSale(_SALE), actor=SHOP)
    work(stage)
    show_trace(stage, _SALE)
    sold = stage.ask(marketplace.sale, _SALE)
    got = [leg.received for leg in sold.legs]
    stage.expect(
        (sold.status, got) == ("completed", ["50.00", "150.00", "800.00", "60.00"]),
        f"৳50 platform, ৳150 Rafi, ৳800 Karim, by the rule {sold.rule} {sold.rule_version};"
        " ৳60 Sumon.",
    )
    scores = {name: stage.ask(trust.score, name) for name in ("nadia", "karim", "rafi", "sumon")}
    stage.say(
        "All four earned experience and trust: "
        + ", ".join(f"{name} {found.xp} XP, trust {found.score}" for name, found in scores.items())
        + "."
    )
    stage.balances()


def partial_refund(stage: Stage) -> None:
    """Half of it back, from each the half of what they got."""
    stage.chapter(
        "18:48",
        "Half of it was broken",
        "Nadia gets ৳500 back. Each gives in proportion to what they have left of it, nobody more",
        "than they received; Sumon has earned his fee and keeps it.",
    )
    stage.do(RefundSale(_SALE, "Half of it was broken.", taka("500.00")), actor=DESK)
    sold = stage.ask(marketplace.sale, _SALE)
    gave = [leg.returned for leg in sold.legs]
    stage.expect(
        gave == ["25.00", "75.00", "400.00", "0.00"], "৳25, ৳75 and ৳400 came back; no more."
    )
    show_trace(stage, _SALE)
    stage.refused(
        RefundSale(_SALE, "And all of it again.", taka("1000.00")), "refund_exceeded", actor=DESK
    )


def squad(stage: Stage) -> None:
    """Two put money together and buy."""
    stage.chapter(
        "18:50",
        "A squad buys together",
        "Nadia and Sumon put money into one wallet and buy for ৳600.01 from Karim. Equal shares of",
        "an odd amount differ by a paisa at most, and always add up.",
    )
    stage.do(CreateSquad(_SQUAD, "Friday biryani", "nadia", BDT, wallet=NADIA), actor=_AS_NADIA)
    stage.do(AddMember(_SQUAD, "sumon", wallet=SUMON), actor=_AS_NADIA)
    stage.do(Contribute(_SQUAD, taka("400.00"), NADIA), actor=_AS_NADIA)
    joined = stage.book.verbs.read(
        f'{{"kind":"squads.join","squad":"friday-biryani","wallet":"{SUMON}"}}'
    )
    stage.do(joined, actor=_AS_SUMON)
    stage.do(Contribute(_SQUAD, taka("400.00"), SUMON), actor=_AS_SUMON)
    bought = stage.do(
        Purchase(_SQUAD, "biryani-1", KARIM, taka("600.01")), actor=_AS_NADIA, key="biryani-1"
    ).result
    parts = {part.owner: part.amount for part in bought.parts}
    stage.expect(parts == {"nadia": "300.01", "sumon": "300.00"}, "Nadia ৳300.01, Sumon ৳300.00.")
    show_trace(stage, bought.id)


def loan(stage: Stage) -> None:
    """Borrowed, and repaid out of what the views earn."""
    stage.chapter(
        "18:52",
        "A loan that repays itself",
        "Rafi borrows ৳500 for a fee of ৳20. His videos earn ৳50 for a thousand views; half of",
        "each earning goes to what he owes, by the order that the book declares.",
    )
    lent = stage.do(GrantLoan(RAFI, taka("500.00"), 2, fee=taka("20.00")), actor=DESK).result
    stage.do(SetRate("rafi", taka("50.00")), actor=DESK)
    stage.do(CountViews("vid-7", "rafi", 8000), actor=SHOP)
    stage.refused(CountViews("vid-7", "rafi", 8000), "already_counted", actor=SHOP)
    told = stage.ask(loans.loan, lent.id).loan
    stage.say(
        f"Of {money(told.principal, BDT)} and a fee of {money(told.fee, BDT)} he has repaid"
        f" {money(told.repaid, BDT)} without doing anything; {money(told.outstanding, BDT)} are"
        " left."
    )
    stage.expect((told.repaid, told.outstanding) == ("200.00", "320.00"), "Half of ৳400, to debts.")
    show_trace(stage, lent.id)


def investment(stage: Stage) -> None:
    """Two want three of five."""
    stage.chapter(
        "18:55",
        "The shares run out",
        "Five shares are left. Nadia buys three. Sumon wants three as well: his payment is taken,",
        "no shares are there, and everything that was done is undone.",
    )
    stage.do(
        DefineItem(_SHARES, "Padma Ltd, before its listing", taka("100.00"), "share"), actor=DESK
    )
    stage.do(ReceiveStock(_SHARES, 5, taka("400.00"), reference="bulk-1"), actor=DESK)
    first = stage.do(StartInvestment("I-1", NADIA, _SHARES, 3), actor=_AS_NADIA).result
    second = stage.do(StartInvestment("I-2", SUMON, _SHARES, 3), actor=_AS_SUMON).result
    work(stage)
    ended = [stage.ask(inventory.investment, item.id).status for item in (first, second)]
    stage.expect(ended == ["completed", "failed"], "Nadia has her shares; Sumon his money.")
    show_trace(stage, first.id)
    show_trace(stage, second.id)
    left = stage.ask(inventory.item, _SHARES)
    stage.expect(
        (left.received, left.allocated, left.remaining) == (5, 3, 2),
        "Of 5 received 3 are allocated and 2 remain.",
    )
    stage.balances()
