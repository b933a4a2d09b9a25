"""The long way of an investment: payment, campaigns, purchase, shares, record.

Whatever fails, stock that has run out above all, everything before it is undone: the wallet, the
budgets of campaigns, the stock and the account that the payment came into are as they were. What
came for it from outside is held in the wallet meanwhile, so that it is there to go back.
"""

from __future__ import annotations

from typing import Final

from khata.domain import benefits, holds
from khata.domain.inventory import stocking
from khata.domain.inventory.investing import announce, investment_of, pay, post, wallet_of
from khata.domain.inventory.model import Borne, Investment, subject_of
from khata.domain.ledger import house_account
from khata.engine.book import Book, Leg
from khata.engine.sagas import NOTHING, Local, Run, Saga, SagaRun
from khata.engine.sagas.steps import Remembered

PROMISED: Final = "payable/"
"""What a campaign has promised to an investment, until the shares are bought: before its path."""


def _investment(book: Book, run: Run) -> Investment:
    return investment_of(book, run.data["investment"])


def _begin(book: Book, run: Run) -> Remembered:
    """Nothing yet: the command that asked for it wrote it down."""
    return {"subject": subject_of(_investment(book, run).id)}


def _call_off(book: Book, run: Run) -> Remembered:
    """All is undone: it has failed, and why."""
    _fail(book, run)
    return None


def _never_begun(book: Book, run: Run, status: str) -> None:
    """Ended otherwise than by its steps: called off before the first of them, or by a person."""
    holds.let_go(book, run.data.get("hold"))
    if status != "completed":
        _fail(book, run)


def _fail(book: Book, run: Run) -> None:
    investment = _investment(book, run)
    if investment.status == "started":
        cause = book.get(SagaRun, run.id).cause
        announce(book, book.change(investment, status="failed", code=cause, ended_at=book.now))


# ── the payment ──────────────────────────────────────────────────────────────────────


def _credit(book: Book, run: Run) -> Remembered:
    """What came from outside is in the wallet. Errors: `AccountFrozen`, `AccountClosed`."""
    investment = _move_payment(book, _investment(book, run), 1)
    return _keep(book, run, investment, investment.credited)


def _send_back(book: Book, run: Run) -> Remembered:
    """Out of the wallet again, to where it came from."""
    holds.let_go(book, run.data.get("hold"))
    _move_payment(book, _investment(book, run), -1)
    return None


def _move_payment(book: Book, investment: Investment, sign: int) -> Investment:
    if investment.paid_from is None:
        return investment
    amount = sign * investment.credited
    house = house_account(book, investment.paid_from, investment.unit)
    legs = [(house.id, amount), (wallet_of(book, investment).id, -amount)]
    return post(book, investment, legs, "credit" if sign > 0 else "debit")


def _keep(book: Book, run: Run, investment: Investment, minor: int) -> Remembered:
    """So much of what came from outside is held from now on, instead of what was until now."""
    holds.let_go(book, run.data.get("hold"))
    hold = holds.keep(
        book,
        wallet_of(book, investment),
        minor,
        source="investment",
        reference=subject_of(investment.id),
    )
    return {"hold": hold}


# ── campaigns ────────────────────────────────────────────────────────────────────────


def _apply(book: Book, run: Run) -> Remembered:
    """What campaigns take off: an expense of the house, owed until the shares are bought. What
    the seller bears lowers the price, for the house sells.

    Errors: those of `benefits.apply`.
    """
    investment = _investment(book, run)
    granted = benefits.apply(book, _ask(investment)) if investment.codes else []
    benefit = sum(part.amount for part in granted)
    investment = book.change(
        investment,
        benefit=benefit,
        paid=investment.total - benefit,
        borne=[Borne(part.account, part.amount) for part in granted if part.account],
    )
    _promise(book, investment, 1)
    return {"benefit": benefit}


def _ask(investment: Investment) -> benefits.Ask:
    return benefits.Ask(
        subject=subject_of(investment.id),
        owner=investment.owner,
        amount=investment.total,
        unit=investment.unit,
        exponent=investment.exponent,
        source="investment",
        codes=investment.codes,
    )


def _take_back(book: Book, run: Run) -> Remembered:
    """Nothing is promised any more; budgets and uses are as they were."""
    investment = _investment(book, run)
    if investment.benefit:
        benefits.take_back(book, subject_of(investment.id))
    _promise(book, investment, -1)
    book.change(_investment(book, run), benefit=0, paid=0, borne=[])
    return None


def _promise(book: Book, investment: Investment, sign: int) -> None:
    legs: list[Leg] = []
    for part in investment.borne:
        promised = PROMISED + part.account.partition("/")[2]
        for code, amount in ((part.account, part.amount), (promised, -part.amount)):
            legs.append((house_account(book, code, investment.unit).id, sign * amount))
    post(book, investment, legs, "campaign")


# ── the purchase ─────────────────────────────────────────────────────────────────────


def _debit(book: Book, run: Run) -> Remembered:
    """The wallet pays, and campaigns what they promised. Errors: those of `enter`."""
    holds.let_go(book, run.data.get("hold"))
    investment = pay(book, _investment(book, run), 1, of_campaigns=PROMISED)
    return _keep(book, run, investment, investment.credited - investment.paid)


def _refund(book: Book, run: Run) -> Remembered:
    investment = pay(book, _investment(book, run), -1, of_campaigns=PROMISED)
    return _keep(book, run, investment, investment.credited)


def _allocate(book: Book, run: Run) -> Remembered:
    """The shares, out of the oldest lots. Errors: `InsufficientStock`, `InvalidTransition`."""
    investment = _investment(book, run)
    made = stocking.allocate(
        book, investment.sku, investment.quantity, subject_of(investment.id), investment.owner
    )
    book.change(investment, allocation=made.id)
    return {"allocation": made.id}


def _give_back(book: Book, run: Run) -> Remembered:
    """Into the very lots that they came from."""
    investment = _investment(book, run)
    if investment.allocation is not None:
        stocking.give_back(book, investment.allocation)
        book.change(investment, allocation=None)
    return None


def _record(book: Book, run: Run) -> Remembered:
    """The owner holds the shares from now on, and may have what the payment was more."""
    holds.let_go(book, run.data.get("hold"))
    investment = book.change(_investment(book, run), status="completed", completed_at=book.now)
    announce(book, investment)
    return {"status": investment.status}


SAGAS: Final = (
    Saga(
        "investment",
        1,
        (
            Local(name="begin", do=_begin, undo=_call_off),
            Local(name="credit", do=_credit, undo=_send_back),
            Local(name="apply_campaign", do=_apply, undo=_take_back),
            Local(name="debit", do=_debit, undo=_refund),
            Local(name="allocate", do=_allocate, undo=_give_back),
            Local(name="record", do=_record, undo=NOTHING),
        ),
        open_to_all=False,
        on_end=_never_begun,
    ),
)
"""The sagas of this room."""
