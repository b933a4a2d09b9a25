"""The long way of a sale: paid, held, brought, its rider paid, released, and all rewarded."""

from __future__ import annotations

from typing import Final

from khata.domain import escrow
from khata.domain.marketplace import selling
from khata.domain.marketplace.model import Sale, subject_of
from khata.engine.book import Book
from khata.engine.sagas import IMPOSSIBLE, NOTHING, Local, Run, Saga, Wait, patient
from khata.engine.sagas.steps import Remembered

_PAYING: Final = patient(*escrow.PATIENT.codes, "account_closed")
"""Who closed the wallet that they were to be paid into can be given another."""
_OVER: Final = frozenset({"cancelled", "completed"})


def _sale(book: Book, run: Run) -> Sale:
    return book.get(Sale, run.data["sale"])


def _subject(run: Run) -> str:
    return subject_of(run.data["sale"])


def _topic(run: Run) -> str:
    return selling.topic(run.data["sale"])


def _escrow_topic(run: Run) -> str:
    return escrow.topic(subject_of(run.data["sale"]))


def _placed(book: Book, run: Run) -> Remembered:
    """Nothing yet: whoever pays, by whatever way, pays the sale's payable."""
    return {"rule": f"{_sale(book, run).rule} {_sale(book, run).version}"}


def _paid(book: Book, run: Run) -> Remembered:
    payable = selling.payable_of(book, _sale(book, run))
    return None if payable.status == "open" else {"payable": payable.status}


def _hold(book: Book, run: Run) -> Remembered:
    sale = selling.hold(book, _sale(book, run))
    return {"status": sale.status, "payment": sale.payment}


def _assign(book: Book, run: Run) -> Remembered:
    return {"mission": selling.open_mission(book, _sale(book, run)).mission}


def _delivered(book: Book, run: Run) -> Remembered:
    sale = _sale(book, run)
    is_here = sale.status == "delivered" and selling.is_payable_to_rider(book, sale)
    return {"status": sale.status} if is_here or sale.status in _OVER else None


def _pay_rider(book: Book, run: Run) -> Remembered:
    return {"rider": selling.pay_rider(book, _sale(book, run))}


def _released(book: Book, run: Run) -> Remembered:
    """Escrow lets go by its own saga, or by hand."""
    sale = _sale(book, run)
    kept = selling.escrow_of(book, sale)
    if sale.status in _OVER or selling.is_over(book, sale):
        return {"escrow": kept.status if kept else None}
    return None


def _reward(book: Book, run: Run) -> Remembered:
    """A sale that was given back, but for its delivery, is no merit of anybody's."""
    sale = _sale(book, run)
    kept = selling.escrow_of(book, sale)
    is_sold = kept is not None and any(leg.left for leg in kept.legs if not leg.extra)
    if sale.status == "delivered" and is_sold:
        sale = selling.reward(book, sale)
    return {"status": sale.status}


def _call_off(book: Book, run: Run) -> Remembered:
    sale = _sale(book, run)
    if sale.status in {"placed", "paid", "dispatched"}:
        selling.cancel(book, sale, "The sale was taken back.")
    return None


SAGAS: Final = (
    Saga(
        "sale",
        1,
        (
            Local(name="place", do=_placed, undo=_call_off),
            Wait(name="paid", ready=_paid, topic=_subject),
            Local(name="hold", do=_hold, undo=NOTHING, retry=escrow.PATIENT),
            Local(name="assign", do=_assign, undo=NOTHING),
            Wait(name="delivered", ready=_delivered, topic=_topic),
            # what was delivered is not taken back by itself: a person refunds it
            Local(name="pay_rider", do=_pay_rider, undo=IMPOSSIBLE, retry=_PAYING),
            Wait(name="released", ready=_released, topic=_escrow_topic),
            # a fee that was given back, and came again since because its refund failed
            Local(name="pay_rider_late", do=_pay_rider, undo=IMPOSSIBLE, retry=_PAYING),
            Local(name="reward", do=_reward, undo=NOTHING),
        ),
        open_to_all=False,
    ),
)
"""The saga of this room. Cancelling a sale lets it run to its end, with nothing left to do."""
