"""The long way of an escrow: until its days are over."""

from __future__ import annotations

from typing import Final

from khata.base.clock import SECOND
from khata.domain.escrow import holding
from khata.domain.escrow.model import Escrow
from khata.engine.book import Book
from khata.engine.sagas import IMPOSSIBLE, Delay, Local, Run, Saga, Wait, patient
from khata.engine.sagas.steps import Remembered

_DAY_SECONDS: Final = 86_400
PATIENT: Final = patient("account_frozen", "escrow_disputed")
"""What is frozen or disputed today need not be tomorrow."""


def _escrow(book: Book, run: Run) -> Escrow:
    return book.get(Escrow, run.data["escrow"])


def _topic(run: Run) -> str:
    return holding.topic(run.data["escrow"])


# ── releasing ────────────────────────────────────────────────────────────────────────


def _is_over(escrow: Escrow) -> bool:
    return escrow.status in {"released", "refunded"}


def _due(book: Book, run: Run) -> Remembered:
    """Its days begin to count: at once, or when what was paid for has arrived."""
    escrow = _escrow(book, run)
    if _is_over(escrow) or escrow.on == "funding" or escrow.delivered_at is not None:
        return {"status": escrow.status}
    return None


def _seconds(book: Book, run: Run) -> int:
    escrow = _escrow(book, run)
    if _is_over(escrow):
        return 0
    since = escrow.funded_at if escrow.on == "funding" else escrow.delivered_at or book.now
    return max(0, escrow.days * _DAY_SECONDS - (book.now - since) // SECOND)


def _undisputed(book: Book, run: Run) -> Remembered:
    escrow = _escrow(book, run)
    return None if escrow.dispute is not None and not _is_over(escrow) else {}


def _release(book: Book, run: Run) -> Remembered:
    """What nobody released before, to those who are known.

    Errors: `AccountFrozen`, `EscrowDisputed`: tried again.
    """
    escrow = _escrow(book, run)
    if any(leg.held for leg in escrow.legs if leg.to is not None):
        after = "funded" if escrow.on == "funding" else "delivered"
        days = "1 day" if escrow.days == 1 else f"{escrow.days} days"
        when = f"{days} after it was {after}" if escrow.days else f"It was {after}"
        escrow = holding.release(book, escrow, f"{when}.")
    return {"status": escrow.status}


SAGAS: Final = (
    Saga(
        "escrow_release",
        1,
        (
            Wait(name="due", ready=_due, topic=_topic),
            Delay(name="days", seconds=_seconds),
            Wait(name="undisputed", ready=_undisputed, topic=_topic),
            Local(name="release", do=_release, undo=IMPOSSIBLE, retry=PATIENT),
        ),
        open_to_all=False,
    ),
)
"""The saga of this room."""
