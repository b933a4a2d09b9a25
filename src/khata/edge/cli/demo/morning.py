"""The first half of the day: wallets, top-ups, an order through escrow, a hold, a return."""

from __future__ import annotations

from typing import Final

from khata.base.actor import actor
from khata.base.money import Money
from khata.domain.holds import CaptureHold, PlaceHold
from khata.domain.ledger import LegIn, PostEntry, Reverse
from khata.domain.wallets import Credit, OpenWallet, Transfer, balance
from khata.edge.cli.demo.stage import BDT, Stage
from khata.edge.cli.screen import money

NADIA: Final = "nadia/customer/BDT"
MAMUN: Final = "mamun/customer/BDT"
RAFI: Final = "rafi/creator/BDT"
KARIM: Final = "karim/partner/BDT"
SUMON: Final = "sumon/rider/BDT"
PEOPLE: Final = (NADIA, MAMUN, RAFI, KARIM, SUMON)
ESCROW: Final = "escrow/M1001"
ORDER: Final = "M1001"

AS_NADIA: Final = actor("owner:nadia")
SHOP: Final = actor("service:checkout")
DESK: Final = actor("admin:mitu")


def taka(amount: str) -> Money:
    """An amount of the demo's currency."""
    return Money(amount, BDT)


def play_morning(stage: Stage) -> None:
    """Until noon."""
    open_wallets(stage)
    top_up(stage)
    order(stage)
    release(stage)
    hold(stage)
    expiry(stage)
    give_back(stage)


def open_wallets(stage: Stage) -> None:
    """Five people come."""
    stage.chapter(
        "08:30",
        "Wallets",
        "Nadia and Mamun buy, Rafi makes videos, Karim has a shop, Sumon rides.",
        "Each gets a wallet. A wallet is an account of the book; its owner sees only their own.",
    )
    for path in PEOPLE:
        owner, kind, currency = path.split("/")
        stage.do(OpenWallet(owner, currency, wallet_kind=kind), actor=SHOP)


def top_up(stage: Stage) -> None:
    """Money comes in."""
    stage.chapter(
        "09:00",
        "Top-ups",
        "Money comes in as one entry with two legs: `cash/main` has it, a wallet is owed it.",
        "An entry whose legs do not sum to zero cannot be written.",
    )
    stage.do(Credit(NADIA, taka("2500.00"), reference="bkash-771"), actor=SHOP, key="top-up-771")
    stage.do(Credit(MAMUN, taka("300.00"), reference="bkash-772"), actor=SHOP, key="top-up-772")
    stage.balances()


def order(stage: Stage) -> None:
    """Into escrow."""
    stage.chapter(
        "10:12",
        "A video order goes into escrow",
        "Nadia orders from Rafi's video, for ৳1,000. Nobody has earned it yet:",
        f"it waits in `{ESCROW}`, an account of this one order that cannot go below zero.",
    )
    legs = [LegIn(NADIA, debit=taka("1000.00")), LegIn(ESCROW, credit=taka("1000.00"))]
    stage.do(PostEntry(legs, "video_order", reference=ORDER), actor=SHOP, key="order-M1001")
    stage.balances()


def release(stage: Stage) -> None:
    """Out of escrow: 50, 150, 800."""
    stage.chapter(
        "10:47",
        "Delivered: the escrow is released",
        "One entry splits it: the platform's commission ৳50, Rafi ৳150, Karim ৳800.",
        "All four legs happen, or none: money cannot get lost in between.",
    )
    legs = [
        LegIn(ESCROW, debit=taka("1000.00")),
        LegIn("revenue/commission", credit=taka("50.00")),
        LegIn(RAFI, credit=taka("150.00")),
        LegIn(KARIM, credit=taka("800.00")),
    ]
    stage.do(PostEntry(legs, "video_order", reference=ORDER), actor=SHOP, key="release-M1001")
    stage.balances()


def hold(stage: Stage) -> None:
    """Held, captured in part, the rest freed."""
    stage.chapter(
        "11:05",
        "A hold, captured in part",
        "A ride may cost up to ৳300. A hold sets that aside: it moves nothing, but nothing else",
        "can spend it.",
    )
    ride = PlaceHold(NADIA, taka("300.00"), source="delivery", reference="R-88")
    held = stage.do(ride, actor=AS_NADIA).result
    stage.balances()
    stage.say("The ride costs ৳220. That is captured, for Sumon; the other ৳80 are free again.")
    capture = CaptureHold(held.id, taka("220.00"), to=SUMON, final=True)
    stage.do(capture, actor=SHOP, key="ride-88")
    stage.balances()


def expiry(stage: Stage) -> None:
    """A hold that nobody captures."""
    stage.chapter(
        "11:20",
        "A hold that is forgotten",
        "Mamun's ৳200 are held for fifteen minutes, and then nobody comes.",
    )
    bid = PlaceHold(MAMUN, taka("200.00"), source="bid", expires_in_seconds=15 * 60)
    stage.do(bid, actor=SHOP)
    during = stage.ask(balance, MAMUN).available
    stage.clock.now = stage.clock.at("11:40")
    after = stage.ask(balance, MAMUN).available
    stage.say(
        f"Available at 11:20: {money(during, BDT)}. At 11:40: {money(after, BDT)}. No sweeper ran:"
        " a hold past its time does not count."
    )
    stage.expect((during, after) == ("100.00", "300.00"), "The hold ended by the clock.")


def give_back(stage: Stage) -> None:
    """A purchase, and half of it back."""
    stage.chapter(
        "11:50",
        "A purchase, and a part of it back",
        "Nadia buys two cups from Karim for ৳400; one is broken.",
    )
    cups = Transfer(NADIA, KARIM, taka("400.00"), source="order", reference="M1002")
    bought = stage.do(cups, actor=AS_NADIA, key="order-M1002").result
    stage.say(
        f"Nothing is ever edited. `{bought.id}` is reversed by a new entry, ৳200 of it, linked"
        " both ways. All reversals together can never exceed the original."
    )
    stage.do(Reverse(bought.id, "One cup arrived broken", amount="200.00"), actor=DESK)
    stage.balances()
    stage.refused(
        Reverse(bought.id, "Asked again", amount="300.00"), "reversal_exceeded", actor=DESK
    )
