"""What could not be explained: exceptions of statements, discrepancies of the book, runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from khata.domain.ledger import check_four_eyes
from khata.domain.reconciliation import rules
from khata.domain.reconciliation.commands import (
    RecordDiscrepancies,
    RecordExceptions,
    RecordRun,
    ResolveException,
)
from khata.domain.reconciliation.importing import statement_account
from khata.domain.reconciliation.model import (
    Discrepancy,
    PairedPosting,
    PostingKey,
    Reconciled,
    ReconException,
    Run,
    StatementLine,
)
from khata.domain.reconciliation.pairing import close_exception, foresee
from khata.domain.reconciliation.states import (
    ExceptionState,
    Finding,
    Leftover,
    Recorded,
    RunState,
    Skipped,
)
from khata.engine.accounts import Account
from khata.engine.book import Book
from khata.engine.command import Verbs
from khata.errors import Invalid, InvalidTransition
from khata.errors.operations import PeriodClosed, StatementNotFound

VERBS: Final = Verbs()
MOST_FOUND: Final = 500
_GONE: Final = "explained by now"


@VERBS.handles(RecordExceptions, roles=("service",), internal=True)
def record_exceptions(book: Book, command: RecordExceptions) -> Recorded:
    """What is known stays as it is; what found a partner meanwhile is left out and told.

    Errors: `Invalid` for too many, those of `statement_account`.
    """
    if len(command.found) + len(command.gone) > MOST_FOUND:
        raise Invalid("Too many exceptions.", expected=MOST_FOUND, got=len(command.found))
    account = statement_account(book, command.account, command.currency)
    lines = [found.line for found in command.found if found.line is not None]
    foresee(book, account, lines, [key for found in command.found for key in found.postings])
    book.expect([(ReconException, name) for name in command.gone])
    for name in command.gone:
        close_exception(book, name, _GONE, str(book.actor))
    recorded, skipped = 0, []
    for found in command.found:
        if _is_free(book, account, found):
            recorded += _record(book, account, found)
        else:
            line = f"{found.line[0]}/{found.line[1]}" if found.line else "entry"
            skipped.append(Skipped(line, "line_matched"))
    return Recorded(recorded, skipped)


def _is_free(book: Book, account: Account, found: Leftover) -> bool:
    """Whether the line and all postings still wait for a partner."""
    if found.line is not None:
        line = book.peek(StatementLine, found.line)
        if line is None or line.account_id != account.id or line.open_account is None:
            return False
    rows = [book.peek(PairedPosting, (account.id, *key[:2])) for key in found.postings]
    return not any(row is not None and (row.match or row.dismissed) for row in rows)


def _record(book: Book, account: Account, found: Leftover) -> bool:
    """Open an exception, or leave the one that says the same. Whether it is new."""
    line = book.peek(StatementLine, found.line) if found.line else None
    rows = [book.peek(PairedPosting, (account.id, *key[:2])) for key in found.postings]
    names = [row.exception for row in (line, *rows) if row is not None and row.exception]
    known = {name: book.get(ReconException, name) for name in dict.fromkeys(names)}
    for exception in known.values():
        if exception.status == "open" and _says(exception) == _asks(found):
            return False
    carried = next((each.carried for each in known.values() if each.carried), None)
    carried = carried or _closed_over(book, account, found.on)
    for name in known:
        close_exception(book, name, "found to be another one", str(book.actor))
    exception = book.add(_exception(book, account, found, carried))
    if found.line is not None:
        line = book.get(StatementLine, found.line)
        book.change(line, status="excepted", exception=exception.id)
    _mark(book, account, found.postings, exception.id)
    return True


def _closed_over(book: Book, account: Account, day: str) -> str | None:
    """The period that was closed over this day before anybody knew: the exception is carried."""
    known = book.get(Reconciled, account.id)
    return known.last_period if known.closed_on is not None and day <= known.closed_on else None


def _says(exception: ReconException) -> tuple[object, ...]:
    postings = sorted(map(tuple, exception.postings))
    line = tuple(exception.line) if exception.line else None
    return (exception.cls, line, postings)


def _asks(found: Leftover) -> tuple[object, ...]:
    return (
        found.cls,
        tuple(found.line) if found.line else None,
        sorted(map(tuple, found.postings)),
    )


def _exception(
    book: Book, account: Account, found: Leftover, carried: str | None
) -> ReconException:
    amount = (found.found or 0) - (found.expected or 0)
    return ReconException(
        id=book.new_id("exc"),
        account_id=account.id,
        account=account.code,
        unit=account.unit,
        exponent=account.exponent,
        cls=found.cls,
        open_account=account.id,
        line=found.line,
        postings=found.postings,
        found=found.found,
        expected=found.expected,
        amount=amount,
        on=found.on,
        note=found.note,
        status="open",
        carried=carried,
        opened_at=book.now,
        closed_at=None,
        closed_by=None,
        reason=None,
    )


def _mark(book: Book, account: Account, postings: Sequence[PostingKey], name: str) -> None:
    for seq, leg, _ in postings:
        paired = book.peek(PairedPosting, (account.id, seq, leg))
        if paired is None:
            book.add(PairedPosting(account.id, seq, leg, None, name, dismissed=False))
        else:
            book.change(paired, exception=name)


@VERBS.handles(ResolveException, roles=("admin", "finance", "service"))
def resolve(book: Book, command: ResolveException) -> ExceptionState:
    """Its line and entries are left out of matching from now on.

    Errors: `StatementNotFound`, `InvalidTransition` unless open, `PeriodClosed` unless it was
    carried, `Invalid`; `ApprovalRequired` for more than one person may wave through.
    """
    reason = rules.checked_text(command.reason, "reason", 500)
    name = command.exception
    found = book.peek(ReconException, name) if rules.fits(name, 100) else None
    if found is None:
        raise StatementNotFound("No such exception.", got=name[:100])
    if found.status != "open":
        raise InvalidTransition(f"{name} is {found.status}.", expected="open", got=found.status)
    account = book.account(found.account_id)
    closed = book.get(Reconciled, account.id).closed_on
    if closed is not None and found.on <= closed and found.carried is None:
        raise PeriodClosed(f"{account.code} is closed up to {closed}.", got=found.on)
    check_four_eyes(book, account, max(abs(found.found or 0), abs(found.expected or 0)))
    if found.line is not None:
        line = book.get(StatementLine, found.line)
        book.change(line, status="dismissed", open_account=None)
    for seq, leg, _ in found.postings:
        paired = book.get(PairedPosting, (account.id, seq, leg))
        book.change(paired, dismissed=True)
    found = book.change(
        found,
        status="resolved",
        open_account=None,
        closed_at=book.now,
        closed_by=str(book.actor),
        reason=reason,
    )
    return rules.exception_state(found, book.now)


# ── what the book says of itself ─────────────────────────────────────────────────────


@VERBS.handles(RecordDiscrepancies, roles=("service",), internal=True)
def record_discrepancies(book: Book, command: RecordDiscrepancies) -> Recorded:
    """Those that are known are seen again; a new one is announced. Errors: `Invalid`."""
    if len(command.found) + len(command.gone) > MOST_FOUND:
        raise Invalid("Too many discrepancies.", expected=MOST_FOUND, got=len(command.found))
    book.expect(
        [(Discrepancy, name) for name in command.gone],
        [(Discrepancy, "open_name", name_of(found)) for found in command.found],
    )
    for name in command.gone:
        known = book.get(Discrepancy, name)
        if known.gone_at is None:
            book.change(known, gone_at=book.now, open_name=None)
    new = sum(_see(book, found) for found in command.found)
    return Recorded(new, [])


def name_of(found: Finding) -> str:
    """What tells a discrepancy from others, from one run to the next."""
    return f"{found.area}:{found.cls}:{found.subject}:{found.currency or ''}"


def _see(book: Book, found: Finding) -> bool:
    """Note that a discrepancy is there. Whether it is new."""
    known = book.find_one(Discrepancy, open_name=name_of(found))
    if known is not None:
        book.change(
            known,
            expected=found.expected,
            found=found.found,
            amount=found.amount,
            repair=found.repair,
            last_seen=book.now,
        )
        return False
    made = book.add(
        Discrepancy(
            id=book.new_id("dcy"),
            name=name_of(found),
            open_name=name_of(found),
            area=found.area,
            cls=found.cls,
            subject=found.subject,
            currency=found.currency,
            expected=found.expected,
            found=found.found,
            amount=found.amount,
            repair=found.repair,
            first_seen=book.now,
            last_seen=book.now,
            gone_at=None,
        )
    )
    book.announce("discrepancy.found", made.id, area=found.area, cls=found.cls, about=found.subject)
    return True


@VERBS.handles(RecordRun, roles=("service",), internal=True)
def record_run(book: Book, command: RecordRun) -> RunState:
    """The accounts have been looked at up to these days. Errors: those of `statement_account`."""
    for name, day in sorted(command.through.items()):
        code, _, currency = name.rpartition("/")
        account = statement_account(book, code, currency)
        known = book.get(Reconciled, account.id)
        # what came while it ran it may not have seen
        ran_at = min(command.started_at, book.now)
        book.change(known, ran_through=rules.checked_day(day, "last day"), ran_at=ran_at)
    run = book.add(
        Run(
            id=book.new_id("run"),
            accounts=sorted(command.through),
            asked_by=command.asked_by,
            lines=command.lines,
            postings=command.postings,
            matched=command.matched,
            skipped=command.skipped,
            opened=command.opened,
            discrepancies=command.discrepancies,
            started_at=command.started_at,
            ended_at=book.now,
        )
    )
    book.announce(
        "reconciliation.run",
        run.id,
        matched=run.matched,
        opened=run.opened,
        discrepancies=run.discrepancies,
    )
    return rules.run_state(run)
