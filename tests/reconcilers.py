"""What tests of reconciliation are made of: a bank account with movements, and its statements."""

from contextlib import contextmanager

import msgspec

from khata.base.clock import DAY, to_iso
from khata.domain import ledger, reconciliation
from khata.domain.access import Approve, RequestApproval
from khata.domain.reconciliation import ImportStatement, LineIn
from khata.edge.working import reconciling
from tests.builders import FINANCE, OTHER_ADMIN, Clock, a_book, bdt

BANK = "bank/main"


@contextmanager
def a_bank(url, *, clock=None, **options):
    """A book with an account at a bank, in BDT, and a clock that is set by hand."""
    with a_book(url, clock=clock or Clock(), **options) as book:
        book.submit(ledger.OpenAccount(BANK, "BDT"))
        yield book


def moved(book, amount, reference=None, against="equity/capital"):
    """Money came on the account, or left it; the id of the entry."""
    came = not amount.startswith("-")
    size = bdt(amount.removeprefix("-"))
    legs = [
        ledger.LegIn(BANK, debit=size if came else None, credit=None if came else size),
        ledger.LegIn(against, debit=None if came else size, credit=size if came else None),
    ]
    return book.submit(ledger.PostEntry(legs, "opening", reference=reference)).result.id


def today(book, days=0):
    """The book's day, or one so many days later."""
    return to_iso(book.clock() + days * DAY)[:10]


def minor(text):
    return int(text.replace(".", ""))


def statement(book, number, *lines, opening="0.00", **more):
    """A statement of today. `lines`: (amount, reference), or whole `LineIn`s."""
    day = more.get("from_on", today(book))
    made = [
        line if isinstance(line, LineIn) else LineIn(line[0], day, reference=f"{number}-{n}",
                                                     text=line[1])
        for n, line in enumerate(lines, 1)
    ]  # fmt: skip
    total = minor(opening) + sum(minor(line.amount) for line in made if line.currency is None)
    sign, cents = ("-" if total < 0 else ""), abs(total)
    usual = {
        "account": BANK,
        "currency": "BDT",
        "number": number,
        "from_on": day,
        "to_on": day,
        "opening": opening,
        "closing": f"{sign}{cents // 100}.{cents % 100:02d}",
        "digest": f"{len(made)}{number}".encode().hex().rjust(64, "0"),
        "lines": made,
    }
    return ImportStatement(**(usual | more))


def run(book, **options):
    return reconciling.run(book, asked_by="test", **options)


def left(book, **wanted):
    """(class, amount) of each open exception, the oldest first."""
    page = book.query(reconciliation.exceptions, limit=1000, **wanted)
    return [(found.cls, found.amount) for found in page.items]


def only_match(book):
    return book.query(reconciliation.matches, limit=1000).items[0]


def approved(book, command):
    """What a command answers that one person asked for and another approved."""
    body = msgspec.to_builtins(command)
    asked = book.submit(RequestApproval(body, "please"), actor=FINANCE).result
    return book.submit(Approve(asked.request), actor=OTHER_ADMIN).result.result
