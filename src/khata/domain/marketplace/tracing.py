"""A money trace: every leg that has to do with a purchase, from its payer to each receiver.

The entries are those that the records name, payment, refunds, escrow and sale, so nothing has to
be searched for; what was earned is followed to the debts that it paid.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import msgspec

from khata.domain import ledger, payments
from khata.domain.bookings import Booking
from khata.domain.escrow import Escrow
from khata.domain.ledger import EntryView
from khata.domain.marketplace.model import Sale, subject_of
from khata.domain.marketplace.queries import parties
from khata.engine.database import View
from khata.engine.reading import is_storable, record, records, select
from khata.engine.tables import table_of
from khata.errors import NotFound, NotYours

_PAYMENTS: Final = table_of(payments.Payment)
_REFUNDS: Final = table_of(payments.Refund)
_WORDS: Final = ("order", "booking")


class Effect(msgspec.Struct, frozen=True):
    """What all of it did to one account: what it `gave` (was debited) and `got` (was credited),
    and `net`, what it got less what it gave. Decimal strings; nets of a currency add up to zero.
    """

    account: str
    currency: str
    gave: str
    got: str
    net: str


class Trace(msgspec.Struct, frozen=True):
    """All entries about a purchase, in order, and what they did to each account.

    `adds_up`: whether all legs sum to zero in every currency.
    """

    subject: str
    entries: list[EntryView]
    effects: list[Effect]
    adds_up: bool


def trace(view: View, name: str) -> Trace:
    """The money trace of a sale, a booking, an escrow, or anything else that was paid.

    `name`: `order/M1001`, or only `M1001`. An owner may trace what they have a part in.

    Errors: `NotFound`; `NotYours`.
    """
    mine = view.actor.owner
    for subject in (name, *(f"{word}/{name}" for word in _WORDS)):
        ids, people = _found(view, subject) if is_storable(subject) else ([], set())
        if ids and (mine is None or mine in people):
            return _traced(view, subject, ids)
    if mine is not None:
        raise NotYours("This is not yours, or does not exist.", expected=mine)
    raise NotFound(
        f"No money moved for {name[:100]!r}.", expected="such as order/M1001", got=name[:100]
    )


def _found(view: View, subject: str) -> tuple[list[str], set[str | None]]:
    """The ids of the entries about a subject, and who has a part in it."""
    ids: list[str] = []
    people: set[str | None] = set()
    paid = select(view, payments.Payment).where(_PAYMENTS.c.subject == subject)
    for payment in records(view, payments.Payment, paid):
        ids += payment.entries
        people.add(payment.owner)
        back = select(view, payments.Refund).where(_REFUNDS.c.payment == payment.id)
        for refund in records(view, payments.Refund, back):
            ids += refund.entries
    escrow = record(view, Escrow, subject)
    if escrow is not None:
        ids += [name for step in escrow.steps for name in step.entries]
        people |= {escrow.owner, *(leg.to.partition("/")[0] for leg in escrow.legs if leg.to)}
    word, _, ref = subject.partition("/")
    sale = record(view, Sale, ref) if subject == subject_of(ref) else None
    if sale is not None:
        people |= parties(view, sale)
    booking = record(view, Booking, ref) if word == "booking" else None
    if booking is not None:
        ids += booking.entries
        people |= {booking.guest, booking.host}
    return ids, people


def _traced(view: View, subject: str, ids: list[str]) -> Trace:
    entries = ledger.entries_named(view, ids)
    undone = {name for entry in entries for name in entry.reversed_by} - set(ids)
    entries = sorted([*entries, *ledger.entries_named(view, undone)], key=_place)
    totals: dict[tuple[str, str], tuple[Decimal, Decimal]] = {}
    for entry in entries:
        for leg in entry.legs:
            key, amount = (leg.currency, leg.account), abs(Decimal(leg.signed))
            none = amount * 0  # with the decimals of its currency
            gave, got = totals.get(key, (none, none))
            totals[key] = (gave + amount, got) if leg.debit else (gave, got + amount)
    sums: dict[str, Decimal] = {}
    for (currency, _), (gave, got) in totals.items():
        sums[currency] = sums.get(currency, Decimal(0)) + got - gave
    effects = [
        Effect(account, currency, _text(gave), _text(got), _text(got - gave))
        for (currency, account), (gave, got) in totals.items()
    ]
    return Trace(subject, entries, effects, not any(sums.values()))


def _place(entry: EntryView) -> tuple[int, str]:
    return entry.seq, entry.id


def _text(amount: Decimal) -> str:
    return format(amount, "f")
