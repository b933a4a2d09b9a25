"""What tests of benefits are made of: a book with a shop, whose purchases ask for benefits."""

from contextlib import contextmanager

import msgspec

from khata import Khata, Money
from khata.app import SAGAS, VERBS
from khata.base.money import to_minor
from khata.domain import benefits, ledger, setup, wallets
from khata.domain.benefits import Ask, Granted
from khata.engine import migrations
from khata.engine.book import Book
from khata.engine.command import Command, Verbs
from khata.engine.database import Database
from tests.builders import Clock, bdt

TRADE = Verbs()


class Buy(Command, frozen=True, tag="trade.buy", omit_defaults=True):
    """A purchase: its price less what the campaigns give, as a room would sell it."""

    subject: str
    owner: str
    amount: Money
    codes: list[str] = msgspec.field(default_factory=list)
    source: str = "order"
    partner: str | None = None
    category: str | None = None


class Return(Command, frozen=True, tag="trade.return", omit_defaults=True):
    """It is cancelled, or refunded in part."""

    subject: str
    part: int | None = None
    of: int | None = None


class Qualify(Command, frozen=True, tag="trade.qualify", omit_defaults=True):
    """It is done: whoever referred the buyer may get a bonus."""

    owner: str
    subject: str
    unit: str | None = None


@TRADE.handles(Buy, roles=("service",))
def buy(book: Book, command: Buy) -> list[Granted]:
    """Foreseen, given, and what the platform pays is posted."""
    unit = command.amount.currency
    places = setup.exponent_of(book, unit)
    ask = Ask(
        command.subject,
        command.owner,
        to_minor(command.amount.amount, places),
        unit,
        places,
        command.source,
        command.codes,
        command.partner,
        command.category,
    )
    foreseen = benefits.foresee(book, ask)
    granted = benefits.apply(book, ask)
    assert foreseen == granted
    for one in granted:
        if one.account:
            _post(book, one, unit, 1)
    return granted


@TRADE.handles(Return, roles=("service",))
def give_back(book: Book, command: Return) -> list[Granted]:
    """What campaigns got back."""
    taken = benefits.take_back(book, command.subject, part=command.part, of=command.of)
    for one in taken:
        if one.account:
            _post(book, one, "BDT", -1)
    return taken


@TRADE.handles(Qualify, roles=("service",))
def qualify(book: Book, command: Qualify) -> str | None:
    """The status of the referral that this was about."""
    found = benefits.qualify(book, command.owner, command.subject, command.unit)
    return None if found is None else found.status


def _post(book: Book, one: Granted, unit: str, sign: int) -> None:
    expense = ledger.house_account(book, one.account, unit)
    clearing = ledger.house_account(book, "clearing/order", unit)
    ledger.enter(
        book,
        ((expense.id, sign * one.amount), (clearing.id, -sign * one.amount)),
        type="discount",
        source=setup.source_of(book, "order"),
    )


def open_shop(url, clock, name="main"):
    """A book that knows the commands above."""
    database = Database(url)
    migrations.migrate(database)
    book_id = database.open_book(name, clock, create=True)
    verbs = Verbs(VERBS, TRADE, sagas=SAGAS)
    return Khata(database, name, book_id, clock=clock, limits=None, verbs=verbs)


@contextmanager
def a_shop(url, *, clock=None, **balances):
    """A shop, and a personal wallet for each name."""
    with open_shop(url, clock or Clock()) as book:
        for name, amount in balances.items():
            book.submit(wallets.OpenWallet(name, "BDT"))
            if amount != "0":
                book.submit(wallets.Credit(f"{name}/personal/BDT", bdt(amount)))
        yield book


def campaign(book, code="EID", **fields):
    """A campaign in BDT: ten percent unless it is said otherwise."""
    given = {"points": 1000} if "amount" not in fields else {}
    command = benefits.CreateCampaign(code, code.title(), "BDT", **{**given, **fields})
    return book.submit(command).result


def bought(book, subject, *codes, owner="alice", amount="1000.00", **fields):
    """What a purchase was given: (campaign, minor units) in the order of giving."""
    command = Buy(f"order/{subject}", owner, bdt(amount), list(codes), **fields)
    return [(one.campaign, one.amount) for one in book.submit(command).result]


def returned(book, subject, part=None, of=None):
    """What went back: (campaign, minor units)."""
    taken = book.submit(Return(f"order/{subject}", part, of)).result
    return [(one.campaign, one.amount) for one in taken]


def left(book, code="EID"):
    """What is left of a campaign's budget, what it spent, how often it was used."""
    state = book.query(benefits.campaign, code)
    return state.left, state.spent, state.uses


def bonus_policy(book, *, referrer="50.00", referred="30.00", **fields):
    """A policy that pays bonuses."""
    command = benefits.SetBenefitPolicy(
        referrer=[bdt(referrer)], referred=[bdt(referred)], **fields
    )
    return book.submit(command).result


def referral(book, referred="bob"):
    """The referral as it stands."""
    return book.query(benefits.referral, referred)
