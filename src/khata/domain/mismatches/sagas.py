"""The long way of a repair: planned, agreed to by a second person where it takes two, done."""

from __future__ import annotations

from typing import Final

from khata.domain.mismatches import repairing
from khata.domain.mismatches.commands import ALONE, OF_TWO
from khata.domain.mismatches.model import Repair
from khata.engine.book import Book
from khata.engine.sagas import IMPOSSIBLE, Approval, Local, Run, Saga, SagaRun
from khata.engine.sagas.steps import Remembered

_DAYS_SECONDS: Final = 7 * 86_400


def _plan(book: Book, run: Run) -> Remembered:
    """The command that asked for it wrote the plan down."""
    repair = book.get(Repair, run.data["repair"])
    return {"order": repair.order, "actions": [action.kind for action in repair.actions]}


def _apply(book: Book, run: Run) -> Remembered:
    """All of the plan in one command. Errors: those of `repairing.apply`."""
    said = run.data.get("signals", {}).get("approval:approved", {})
    repair = repairing.apply(book, book.get(Repair, run.data["repair"]), said.get("by"))
    return {"entries": repair.entries}


def _call_off(book: Book, run: Run) -> Remembered:
    """It was turned down, came too late, or could not be done: it has failed, and why."""
    known = book.get(SagaRun, run.id)
    _fail(book, run, known.code or known.cause or "cancelled", known.message)
    return None


def _ended(book: Book, run: Run, status: str) -> None:
    """Ended otherwise than by its steps: called off before the first of them, or by a person."""
    _fail(book, run, status, None)


def _fail(book: Book, run: Run, code: str, message: str | None) -> None:
    repair = book.get(Repair, run.data["repair"])
    if repair.status == "waiting":
        repairing.fail(book, repair, code, message)


_PLANNED: Final = Local(name="plan", do=_plan, undo=_call_off)
_APPLIED: Final = Local(name="apply", do=_apply, undo=IMPOSSIBLE)

SAGAS: Final = (
    Saga(ALONE, 1, (_PLANNED, _APPLIED), open_to_all=False, on_end=_ended),
    Saga(
        OF_TWO,
        1,
        (_PLANNED, Approval(name="approved", timeout_seconds=_DAYS_SECONDS), _APPLIED),
        open_to_all=False,
        on_end=_ended,
    ),
)
"""The sagas of this room."""
