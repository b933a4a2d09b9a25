"""Reconciling: look at what is open in a snapshot, and hand what was found to commands.

Every portion is looked at again by its command, so two runs at once, or a person in between, do no
harm: who comes second is told, and the account is looked at once more. A run that died is simply
done again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final, TypeVar

import msgspec

from khata.app import Khata
from khata.base.actor import WORKER
from khata.base.clock import Instant, to_iso
from khata.domain import reconciliation
from khata.domain.reconciliation import (
    Plan,
    RecordDiscrepancies,
    Recorded,
    RecordExceptions,
    RecordMatches,
    RecordRun,
    RunState,
)
from khata.edge.working.schedule import slot_key
from khata.engine.command import Command
from khata.errors import KeyReused, KhataError, Refused

T = TypeVar("T")
Progress = Callable[[int, int], None]
"""Told of (portions done, portions there are) of an account."""
_PORTION: Final = 100
_AT_ONCE: Final = 50
"""Small portions, many in one transaction: what is tried in vain for one of them is little."""
_ROUNDS: Final = 3


class Tally(msgspec.Struct):
    """What a run did so far. `opened`: exceptions that are new."""

    lines: int = 0
    postings: int = 0
    matched: int = 0
    skipped: int = 0
    opened: int = 0
    discrepancies: int = 0


def run(
    book: Khata,
    *,
    account: str | None = None,
    currency: str | None = None,
    asked_by: str = "schedule",
    progress: Progress | None = None,
    key: str | None = None,
) -> RunState:
    """Reconcile every account that has statements, or those with this code and currency, and then
    what the book says of itself. `key`: that of the run's own record.

    Errors: `StatementNotFound` for an account that has none; those of the commands.
    """
    started, tally, through = book.clock(), Tally(), {}
    for code, unit in _targets(book, account, currency):
        through[f"{code}/{unit}"] = _account(book, code, unit, tally, progress)
    _findings(book, tally)
    command = RecordRun(
        asked_by=asked_by,
        through={name: day for name, day in through.items() if day is not None},
        started_at=started,
        **msgspec.structs.asdict(tally),
    )
    result: RunState = book.submit(command, key=key, actor=WORKER).result
    return result


def daily(book: Khata, slot: Instant) -> None:
    """The job of the schedule. Done twice for one slot, by two workers that began it at the same
    moment, it is one run: what the second one found is nothing.
    """
    with suppress(KeyReused):
        key = slot_key("reconciliation", slot)
        run(book, asked_by=f"schedule {to_iso(slot)}", key=key)


def _targets(book: Khata, account: str | None, currency: str | None) -> list[tuple[str, str]]:
    known = book.query(reconciliation.accounts)
    found = [
        (each.account, each.currency)
        for each in known
        if account in (None, each.account) and currency in (None, each.currency)
    ]
    if account is not None and not found:
        book.query(reconciliation.reconciled, account, currency or "")
    return found


def _account(
    book: Khata, code: str, unit: str, tally: Tally, progress: Progress | None
) -> str | None:
    """Match an account and keep its exceptions; the last day that was looked at."""
    for again in range(_ROUNDS):
        plan = book.query(reconciliation.plan, code, unit)
        if not again:
            tally.lines += plan.lines
            tally.postings += plan.postings
        commands = _matches(plan)
        recorded, skipped = _submit(book, commands, progress)
        tally.matched += recorded
        tally.skipped += skipped
        if not skipped or again == _ROUNDS - 1:
            opened, late = _submit(book, _exceptions(plan), None)
            tally.opened += opened
            if not late:
                break
    return plan.through


def _matches(plan: Plan) -> list[Command]:
    return [
        RecordMatches(plan.account, plan.currency, part) for part in _parts(plan.pairs, _PORTION)
    ]


def _exceptions(plan: Plan) -> list[Command]:
    gone: list[Command] = [
        RecordExceptions(plan.account, plan.currency, [], part)
        for part in _parts(plan.gone, _PORTION)
    ]
    found: list[Command] = [
        RecordExceptions(plan.account, plan.currency, part, [])
        for part in _parts(plan.found, _PORTION)
    ]
    return [*gone, *found]


def _findings(book: Khata, tally: Tally) -> None:
    """What the book says of itself: keep what is there, close what is gone."""
    with book.view() as view:
        found = reconciliation.findings(view)
        known = reconciliation.open_names(view)
    there = {reconciliation.name_of(each) for each in found}
    gone = [known[name] for name in sorted(known) if name not in there]
    commands: list[Command] = [RecordDiscrepancies([], part) for part in _parts(gone, _PORTION)]
    commands += [RecordDiscrepancies(part, []) for part in _parts(found, _PORTION)]
    _submit(book, commands, None)
    tally.discrepancies = len(found)


def _submit(book: Khata, commands: Sequence[Command], progress: Progress | None) -> tuple[int, int]:
    """(Recorded, skipped) of all commands. Errors: the first that was refused as a whole, but for
    pairs whose fee cannot be posted: these are skipped, and what was beside them is done alone.
    """
    recorded = skipped = 0
    for start in range(0, len(commands), _AT_ONCE):
        some = commands[start : start + _AT_ONCE]
        for command, outcome in zip(some, book.submit_many(some, actor=WORKER), strict=True):
            if not isinstance(outcome, KhataError):
                result: Recorded = outcome.result
                recorded += result.recorded
                skipped += len(result.skipped)
            elif not isinstance(outcome, Refused) or not isinstance(command, RecordMatches):
                raise outcome
            elif len(command.pairs) == 1:
                skipped += 1
            else:
                done, left = _submit(book, _singly(command), None)
                recorded += done
                skipped += left
        if progress is not None:
            progress(min(start + _AT_ONCE, len(commands)), len(commands))
    return recorded, skipped


def _singly(command: RecordMatches) -> list[Command]:
    return [msgspec.structs.replace(command, pairs=[pair]) for pair in command.pairs]


def _parts(items: Sequence[T], size: int) -> list[list[T]]:
    return [list(items[start : start + size]) for start in range(0, len(items), size)]
