"""What tests of debts and loans are made of: a book with two commands more, as other rooms have.

`Earn` credits a wallet and nets what its owner owes, `Owe` gives money to an owner who has to give
it back: what earnings and refunds do.
"""

from contextlib import contextmanager

import pytest

from khata import Money, app
from khata.domain import debts, ledger
from khata.domain.access import Approve, RequestApproval
from khata.domain.ledger import Moved, enter, house_account, minor_of, wallet_account
from khata.domain.setup import source_of
from khata.engine.book import Book
from khata.engine.command import Command, Verbs
from tests.builders import ADMIN, OTHER_ADMIN, a_book

MORE = Verbs()
RECEIVABLE = {
    "refund": "receivable/refunds/{}",
    "mover_float": "receivable/mover_float/{}",
    "dhaar_loan": "receivable/dhaar/{}",
}


class Earn(Command, frozen=True, tag="tests.earn"):
    """A wallet earns something."""

    wallet: str
    amount: Money


class Owe(Command, frozen=True, tag="tests.owe"):
    """A wallet's owner got something and owes it, with a fee that the house counts as earned."""

    wallet: str
    debt_kind: str
    amount: Money
    fee: int = 0


@MORE.handles(Earn, roles=("service",))
def earn(book: Book, command: Earn) -> list[Moved]:
    """Credit first, then net."""
    wallet = wallet_account(book, command.wallet)
    minor = minor_of(book, wallet, command.amount)
    house = house_account(book, "clearing/delivery", wallet.unit)
    legs = ((house.id, minor), (wallet.id, -minor))
    enter(book, legs, type="earning", source=source_of(book, "delivery"))
    return debts.collect(book, wallet, minor, reference="day 1")


@MORE.handles(Owe, roles=("service",))
def owe(book: Book, command: Owe) -> str:
    """The id of the debt; the money goes to nobody's wallet."""
    wallet = wallet_account(book, command.wallet)
    minor = minor_of(book, wallet, command.amount)
    code = debts.account_code(command.debt_kind, wallet.owner)
    legs = [
        (house_account(book, code, wallet.unit).id, minor + command.fee),
        (house_account(book, "clearing/refund", wallet.unit).id, -minor),
    ]
    if command.fee:
        legs.append((house_account(book, "revenue/fee", wallet.unit).id, -command.fee))
    enter(book, legs, type="refund", source=source_of(book, "refund"))
    return debts.owe(
        book,
        wallet.owner,
        command.debt_kind,
        wallet.unit,
        minor,
        fee=command.fee,
        reference="order/M1",
        reason="The money was gone.",
        wallet=command.wallet,
    ).id


@contextmanager
def a_lender(url, **options):
    """As `a_book`, knowing `Earn` and `Owe` too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app, "VERBS", Verbs(*app._ROOMS, MORE, sagas=app.SAGAS))
        with a_book(url, **options) as book:
            yield book


def approved(book, command):
    """What a command answers that one person asked for and another approved."""
    raw = app.VERBS.of(command)
    body = {"kind": raw.kind, **_fields(command)}
    asked = book.submit(RequestApproval(body, "please"), actor=ADMIN).result
    return book.submit(Approve(asked.request), actor=OTHER_ADMIN).result.result


def _fields(command):
    values = {name: getattr(command, name) for name in command.__struct_fields__}
    return {
        name: {"amount": value.amount, "currency": value.currency}
        if isinstance(value, Money)
        else value
        for name, value in values.items()
        if value is not None
    }


def owed(book, code):
    """The balance of a house account, "0" when there is none."""
    found = [item for item in book.query(ledger.accounts, prefix=code).items if item.code == code]
    return found[0].balance if found else "0"
