"""A marketplace day at the Python door: every amount as the requirements give it."""

import asyncio

from khata import Khata, Receipt
from khata.domain import khata, ledger, wallets
from khata.domain.holds import CaptureHold, PlaceHold
from khata.domain.ledger import LegIn, PostEntry, Reverse
from khata.domain.wallets import Credit, Debit, OpenWallet, Transfer
from khata.errors import InsufficientFunds
from tests.builders import (
    ADMIN,
    SERVICE,
    START,
    Clock,
    balance,
    bdt,
    discrepancies,
    owner,
    refused,
)

SHOPPER, SELLER = "mina/customer/BDT", "rahim/partner/BDT"
CREATOR, RIDER = "tania/creator/BDT", "jamal/rider/BDT"


def opened(book):
    for path in (SHOPPER, SELLER, CREATOR, RIDER):
        name, kind, currency = path.split("/")
        book.submit(OpenWallet(name, currency, kind))
    book.submit(Credit(SHOPPER, bdt("2500.00")), key="top-up-1", actor=SERVICE)


def ordered(book):
    """A video-linked order of 1000.00: into escrow, then 50.00 / 150.00 / 800.00."""
    to_escrow = Debit(SHOPPER, bdt("1000.00"), "video_order", "escrow/M1", "M1")
    book.submit(to_escrow, key="M1-pay", actor=SERVICE)
    shares = [
        LegIn("escrow/M1", debit=bdt("1000.00")),
        LegIn("revenue/commission", credit=bdt("50.00")),
        LegIn(CREATOR, credit=bdt("150.00")),
        LegIn(SELLER, credit=bdt("800.00")),
    ]
    done = book.submit(PostEntry(shares, "video_order", "M1"), key="M1-share", actor=SERVICE)
    return done.result.id


def test_a_marketplace_day(database_url):
    """Top-up, order, shares, delivery, a reversal, a refusal and a replay: the books balance."""
    clock = Clock()
    with Khata.open(database_url, migrate=True, clock=clock) as book:
        opened(book)
        shares = ordered(book)
        held = book.submit(PlaceHold(SHOPPER, bdt("120.00"), "delivery")).result.id
        clock.pass_by(3600)
        book.submit(CaptureHold(held, bdt("100.00"), to=RIDER, final=True), actor=SERVICE)
        tip = Transfer(SHOPPER, RIDER, bdt("20.00"), "mission")
        book.submit(tip, key="tip", actor=owner("mina"))
        assert book.submit(tip, key="tip", actor=owner("mina")).replayed
        book.submit(Reverse(shares, "returned", "500.00"), actor=ADMIN)
        too_much = Transfer(SHOPPER, RIDER, bdt("99999.00"))
        assert isinstance(refused(book, too_much, actor=owner("mina")), InsufficientFunds)
        assert {path: balance(book, path) for path in (SHOPPER, SELLER, CREATOR, RIDER)} == {
            SHOPPER: "1380.00",
            SELLER: "400.00",
            CREATOR: "75.00",
            RIDER: "120.00",
        }
        houses = {line.code: line.balance for line in book.query(ledger.trial_balance)}
        assert (houses["escrow/M1"], houses["revenue/commission"]) == ("500.00", "25.00")
        assert discrepancies(book) == []


def test_a_statement_tells_the_day(database_url):
    """Opening, closing and running balances fit together, and the khata says the same."""
    clock = Clock()
    with Khata.open(database_url, migrate=True, clock=clock) as book:
        opened(book)
        clock.pass_by(60)
        ordered(book)
        statement = book.query(wallets.statement, SHOPPER, since=START + 1, until=clock.now + 1)
        assert (statement.opening, statement.closing) == ("2500.00", "1500.00")
        (item,) = statement.items
        assert (item.balance_before, item.amount, item.balance_after, item.reference) == (
            "2500.00",
            "-1000.00",
            "1500.00",
            "M1",
        )
        totals = book.query(khata.khata_totals, "mina", START, clock.now + 1)
        assert {(total.kind, total.category): total.total for total in totals} == {
            ("transfer", "Top-up"): "2500.00",
            ("expense", "Video orders"): "-1000.00",
        }


def test_the_same_day_from_coroutines(database_url):
    """Awaiting is the same as calling: receipts, replays and refusals alike."""

    async def day(book):
        pay = Transfer(SHOPPER, RIDER, bdt("25.00"))
        singles = await asyncio.gather(*(book.asubmit(pay, key=f"k{n % 50}") for n in range(100)))
        bulk = await book.asubmit_many([(f"b{n}", pay) for n in range(50)] + [("b50", pay)])
        return singles, bulk

    with Khata.open(database_url, migrate=True) as book:
        opened(book)
        singles, bulk = asyncio.run(day(book))
        assert sum(receipt.replayed for receipt in singles) == 50
        assert [isinstance(answer, Receipt) for answer in bulk] == [True] * 50 + [False]
        assert (balance(book, SHOPPER), balance(book, RIDER)) == ("0.00", "2500.00")
        assert discrepancies(book) == []
