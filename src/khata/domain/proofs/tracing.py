"""A money trace: every leg that has to do with something, from who paid to everyone who received.

The entries are those that the records name, so nothing has to be searched for: of an order its
payment, refunds, disputes and escrow; of a squad's purchase, a loan, an investment or a payout its
own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Final

import msgspec

from khata.domain import debts, inventory, ledger, loans, payments, payouts, squads
from khata.domain.bookings import Booking
from khata.domain.escrow import Escrow, receiving
from khata.domain.ledger import EntryView
from khata.domain.marketplace import Sale, parties, subject_of
from khata.domain.orders import Order
from khata.engine.database import View
from khata.engine.reading import is_storable, record, records, select
from khata.engine.tables import table_of
from khata.errors import NotFound, NotYours

_PAYMENTS: Final = table_of(payments.Payment)
_REFUNDS: Final = table_of(payments.Refund)
_DISPUTES: Final = table_of(payments.Dispute)
_WORDS: Final = ("order", "booking")
_AT_ONCE: Final = 200


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
    """All entries about something, in order, and what they did to each account.

    `adds_up`: whether all legs sum to zero in every currency.
    """

    subject: str
    entries: list[EntryView]
    effects: list[Effect]
    adds_up: bool


def trace(view: View, name: str) -> Trace:
    """The money trace of an order, a booking, an escrow or anything else that was paid; of a
    squad's purchase, a loan, an investment, a payment or a payout by its id.

    `name`: `order/M1001`, or only `M1001`; `loa_…`, `inv_…`. An owner may trace what they have a
    part in.

    Errors: `NotFound`; `NotYours`; those of what is named by its id.
    """
    own = _BY_ID.get(name.partition("_")[0])
    if own is not None and "_" in name:
        return _traced(view, name, own(view, name))
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


# ── which entries ────────────────────────────────────────────────────────────────────


def _found(view: View, subject: str) -> tuple[list[str], set[str | None]]:
    """The ids of the entries about a subject, and who has a part in it."""
    ids: list[str] = []
    people: set[str | None] = set()
    paid = select(view, payments.Payment).where(_PAYMENTS.c.subject == subject)
    for payment in records(view, payments.Payment, paid):
        ids += _of_refunds(view, payment.id, payment.entries)
        people.add(payment.owner)
    escrow = record(view, Escrow, subject)
    if escrow is not None:
        ids += [name for step in escrow.steps for name in step.entries]
        people |= {escrow.owner, *receiving(escrow.legs)}
    word, _, ref = subject.partition("/")
    sale = record(view, Sale, ref) if subject == subject_of(ref) else None
    if sale is not None:
        people |= parties(view, sale)
    order = record(view, Order, ref) if subject == subject_of(ref) else None
    if order is not None:
        ids += order.entries
        people |= {order.customer, order.seller} - {None}
    booking = record(view, Booking, ref) if word == "booking" else None
    if booking is not None:
        ids += booking.entries
        people |= {booking.guest, booking.host}
    return ids, people


def _of_payment(view: View, name: str) -> list[str]:
    found = payments.payment(view, name)
    return _of_refunds(view, found.id, found.entries)


def _of_refunds(view: View, payment: str, entries: list[str]) -> list[str]:
    """A payment's entries with those of its refunds and disputes. Whoever asks may have another
    part in it than to pay: whether they may see it is not decided here.
    """
    refunds = select(view, payments.Refund).where(_REFUNDS.c.payment == payment)
    disputes = select(view, payments.Dispute).where(_DISPUTES.c.payment == payment)
    back = [item.entries for item in records(view, payments.Refund, refunds)]
    taken = [item.entries for item in records(view, payments.Dispute, disputes)]
    return [*entries, *(entry for each in (*back, *taken) for entry in each)]


def _of_payout(view: View, name: str) -> list[str]:
    return payouts.payout(view, name).entries


def _of_loan(view: View, name: str) -> list[str]:
    found = loans.loan(view, name)
    ids = [found.loan.entry, *(paid.entry for paid in found.repayments)]
    cursor = found.more  # a statement shows the newest: a trace that lacks some says nothing
    while cursor is not None:
        page = debts.repayments(view, found.loan.debt, cursor=cursor, limit=_AT_ONCE)
        ids += [paid.entry for paid in page.items]
        cursor = page.next
    return ids


def _of_investment(view: View, name: str) -> list[str]:
    found = inventory.investment(view, name)
    if found.allocation is None or view.actor.owner is not None:
        return found.entries  # what the shares had cost the house is not an investor's to see
    return [*found.entries, *inventory.allocation(view, found.allocation).entries]


def _of_purchase(view: View, name: str) -> list[str]:
    return squads.squad_purchase(view, name).entries


_BY_ID: Final[dict[str, Callable[[View, str], list[str]]]] = {
    "pay": _of_payment,
    "pyo": _of_payout,
    "loa": _of_loan,
    "inv": _of_investment,
    "sqp": _of_purchase,
}
"""What an id begins with → the entries about it; whoever asks must be allowed to see it."""


# ── what they did ────────────────────────────────────────────────────────────────────


def _traced(view: View, subject: str, ids: Iterable[str]) -> Trace:
    names = set(ids)
    entries = ledger.entries_named(view, names)
    undone = {name for entry in entries for name in entry.reversed_by} - names
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
