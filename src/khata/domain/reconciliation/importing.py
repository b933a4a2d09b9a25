"""Taking statements in: each number once, each after the one before it, and it adds up."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from khata.base.clock import DAY, Instant
from khata.base.money import MAX_MINOR, to_minor, to_text
from khata.domain import solvency
from khata.domain.ledger import account_of, check_four_eyes
from khata.domain.reconciliation import rules
from khata.domain.reconciliation.commands import DiscardImport, ImportLines, ImportStatement
from khata.domain.reconciliation.model import (
    ROOTS_OF_ACCOUNTS,
    SETTING,
    Reconciled,
    ReconException,
    Statement,
    StatementLine,
)
from khata.domain.reconciliation.states import LineIn, StatementState
from khata.domain.setup import exponent_of, setting
from khata.engine.accounts import Account
from khata.engine.book import Book
from khata.engine.command import Verbs
from khata.errors import (
    AccountNotFound,
    AmountTooLarge,
    ApprovalRequired,
    Invalid,
    InvalidTransition,
    KhataError,
)
from khata.errors.operations import PeriodClosed, StatementNotFound, StatementRefused

VERBS: Final = Verbs()
MOST_LINES: Final = 1000
"""Lines in one command."""
_MOST_EVER: Final = 1_000_000
_ROLES: Final = ("admin", "finance", "service")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_LONGEST: Final = {"reference": 200, "end_to_end": 200, "counterparty": 200, "text": 2000}


@VERBS.handles(ImportStatement, roles=_ROLES)
def import_statement(book: Book, command: ImportStatement) -> StatementState:
    """The same number with the same digest again changes nothing.

    Errors: `StatementRefused` with `reason`: other_content, dates, future, overlap, gap,
    importing, too_many_lines, does_not_add_up, or what is wrong with a `line`; `PeriodClosed`,
    `AccountNotFound`, `CurrencyMismatch`, `Invalid`, those of an amount.
    """
    account = statement_account(book, command.account, command.currency)
    number = rules.checked_text(command.number, "number", 100)
    if not _DIGEST.fullmatch(command.digest):
        raise Invalid("A digest is 64 hex digits.", expected="SHA-256", got=command.digest[:70])
    identity = f"{account.code} {account.unit} {number} {command.to_on[:4]}"
    known = book.find_one(Statement, identity=identity)
    if known is not None:
        _check_same(known, command)
        return rules.statement_state(known)
    reconciled = book.peek(Reconciled, account.id) or _first(book, account)
    statement = _statement(book, command, account, identity)
    _check_days(book, command, reconciled)
    gap = _gap(command, statement, reconciled)
    statement = book.add(msgspec.structs.replace(statement, gap=gap))
    reconciled = book.change(reconciled, importing=statement.id)
    return _take(book, statement, reconciled, command.lines)


@VERBS.handles(ImportLines, roles=_ROLES)
def import_lines(book: Book, command: ImportLines) -> StatementState:
    """Errors: `StatementNotFound`; `StatementRefused` with `reason`: out_of_order,
    too_many_lines, does_not_add_up, or what is wrong with a `line`.
    """
    statement = statement_of(book, command.statement)
    last = command.first + len(command.lines) - 1
    if command.lines and command.first >= 1 and last <= statement.received:
        return rules.statement_state(statement)
    if statement.status != "importing" or command.first != statement.received + 1:
        raise _refused(
            f"{statement.id} goes on with another line.",
            "out_of_order",
            expected=statement.received + 1 if statement.status == "importing" else None,
            got=command.first,
        )
    reconciled = book.get(Reconciled, statement.account_id)
    return _take(book, statement, reconciled, command.lines)


@VERBS.handles(DiscardImport, roles=_ROLES)
def discard_import(book: Book, command: DiscardImport) -> StatementState:
    """Errors: `StatementNotFound`, `InvalidTransition` unless it is being imported, `Invalid`."""
    statement = statement_of(book, command.statement)
    reason = rules.checked_text(command.reason, "reason", 500)
    if statement.status != "importing":
        raise InvalidTransition(
            f"{statement.id} is {statement.status}.", expected="importing", got=statement.status
        )
    statement = book.change(statement, status="discarded", identity=None, note=reason)
    book.change(book.get(Reconciled, statement.account_id), importing=None)
    return rules.statement_state(statement)


# ── finding ──────────────────────────────────────────────────────────────────────────


def statement_account(book: Book, code: str, currency: str) -> Account:
    """The house account that statements are of. Errors: `AccountNotFound`, `CurrencyMismatch`,
    `UnknownCurrency`; `Invalid` for one that no bank and no provider keeps.
    """
    if code.partition("/")[0] not in ROOTS_OF_ACCOUNTS:
        raise Invalid(
            f"{code[:100]!r} is not an account that a bank or provider keeps.",
            expected="such as bank/main or cash/sandbox",
            got=code[:100],
        )
    exponent_of(book, currency)
    account = account_of(book, code, currency)
    if account.owner is not None:
        raise AccountNotFound(f"No account {code[:100]!r}.", got=code[:100])
    return account


def statement_of(book: Book, name: str) -> Statement:
    """Errors: `StatementNotFound`."""
    statement = book.peek(Statement, name) if rules.fits(name, 100) else None
    if statement is None:
        raise StatementNotFound("No such statement.", got=name[:100])
    return statement


def policy_offset(book: Book) -> int:
    """Minutes that the banks' day is ahead of UTC."""
    return rules.policy_in(setting(book, SETTING)).offset_minutes


# ── checking ─────────────────────────────────────────────────────────────────────────


def _refused(message: str, reason: str, **details: object) -> StatementRefused:
    return StatementRefused(message, reason=reason, **details)


def _first(book: Book, account: Account) -> Reconciled:
    nothing = dict.fromkeys(Reconciled.__struct_fields__[4:])
    return book.add(Reconciled(account.id, account.code, account.unit, account.exponent, **nothing))


def _statement(book: Book, command: ImportStatement, account: Account, identity: str) -> Statement:
    count = len(command.lines) if command.count is None else command.count
    if not len(command.lines) <= count <= _MOST_EVER:
        raise _refused("The count is not that of its lines.", "too_many_lines", got=count)
    if command.gap is not None:
        rules.checked_text(command.gap, "reason of the gap", 500)
    return Statement(
        id=book.new_id("stm"),
        identity=identity,
        account_id=account.id,
        account=account.code,
        unit=account.unit,
        exponent=account.exponent,
        number=command.number,
        format=rules.checked_text(command.format, "format", 40),
        from_on=rules.checked_day(command.from_on, "first day"),
        to_on=rules.checked_day(command.to_on, "last day"),
        opening=to_minor(command.opening, account.exponent),
        closing=to_minor(command.closing, account.exponent),
        digest=command.digest,
        count=count,
        received=0,
        moved=0,
        gap=0,
        note=command.gap,
        status="importing",
        imported_by=str(book.actor),
        imported_at=book.now,
    )


def _check_same(known: Statement, command: ImportStatement) -> None:
    """The file is the same, and so is the statement in it: a file may have several. Where the
    balances come from the book they are others the second time, so what moved is compared.
    """
    places = known.exponent
    moved = to_minor(command.closing, places) - to_minor(command.opening, places)
    count = len(command.lines) if command.count is None else command.count
    was = (known.digest, known.from_on, known.to_on, known.count, known.closing - known.opening)
    if was != (command.digest, command.from_on, command.to_on, count, moved):
        raise _refused(
            f"Statement {known.number} of {known.account} is here already, and reads otherwise.",
            "other_content",
            expected=f"{known.digest}, {known.from_on} to {known.to_on}, {known.count} lines",
            got=f"{command.digest}, {command.from_on} to {command.to_on}, {count} lines",
        )


def _check_days(book: Book, command: ImportStatement, reconciled: Reconciled) -> None:
    policy = rules.policy_in(setting(book, SETTING))
    latest = rules.to_day(rules.day_of(book.now, policy.offset_minutes) + max(policy.days, 1))
    if command.from_on > command.to_on:
        raise _refused(
            "The statement ends before it begins.",
            "dates",
            expected=f"{command.from_on} or later",
            got=command.to_on,
        )
    if command.to_on > latest:
        raise _refused(
            "The statement is of the future.", "future", expected=latest, got=command.to_on
        )
    if reconciled.importing is not None:
        raise _refused(
            f"{reconciled.importing} of this account is not here wholly yet.",
            "importing",
            expected="its other lines, or that it is discarded",
            got=reconciled.importing,
        )
    if reconciled.closed_on is not None and command.from_on <= reconciled.closed_on:
        raise PeriodClosed(
            f"{reconciled.account} is closed up to {reconciled.closed_on}.",
            expected=f"after {reconciled.closed_on}",
            got=command.from_on,
        )
    if reconciled.last_to_on is not None and command.from_on < reconciled.last_to_on:
        raise _refused(
            f"{reconciled.account} has statements up to {reconciled.last_to_on}.",
            "overlap",
            expected=f"{reconciled.last_to_on} or later",
            got=command.from_on,
        )


def _gap(command: ImportStatement, statement: Statement, reconciled: Reconciled) -> int:
    """What its opening differs from the closing before it; not zero only with a reason."""
    if reconciled.last_closing is None:
        return 0
    gap = statement.opening - reconciled.last_closing
    if gap and command.gap is None:
        raise _refused(
            "Its opening balance is not the closing balance of the statement before it.",
            "gap",
            expected=to_text(reconciled.last_closing, statement.exponent),
            got=command.opening,
        )
    return gap


# ── lines ────────────────────────────────────────────────────────────────────────────


def _take(
    book: Book, statement: Statement, reconciled: Reconciled, lines: list[LineIn]
) -> StatementState:
    received = statement.received + len(lines)
    if len(lines) > MOST_LINES or received > statement.count:
        raise _refused(
            "There are more lines than were announced, or than fit in one command.",
            "too_many_lines",
            expected=f"at most {min(MOST_LINES, statement.count - statement.received)}",
            got=len(lines),
        )
    if not lines and received < statement.count:
        raise _refused("There are no lines.", "empty", expected="1 or more", got=0)
    first = statement.received + 1
    book.expect((StatementLine, (statement.id, first + at)) for at in range(len(lines)))
    moved = statement.moved
    for number, given in enumerate(lines, first):
        line = _line(book, statement, number, given)
        book.add(line)
        moved += line.amount if line.currency == statement.unit else 0
    if abs(moved) > MAX_MINOR:
        raise AmountTooLarge("The lines are too much together.", expected=MAX_MINOR, got=moved)
    statement = book.change(statement, received=received, moved=moved)
    if received == statement.count:
        statement = _finish(book, statement, reconciled)
    return rules.statement_state(statement)


def _line(book: Book, statement: Statement, number: int, given: LineIn) -> StatementLine:
    currency = given.currency or statement.unit
    try:
        places = statement.exponent
        if currency != statement.unit:
            places = exponent_of(book, currency)
        amount = to_minor(given.amount, places)
    except KhataError as error:
        raise _line_refused(number, error.code, error.message, error.details) from None
    for name, day in (("booked_on", given.booked_on), ("value_on", given.value_on)):
        if day is not None and rules.ordinal(day) is None:
            raise _line_refused(number, "dates", f"Its {name} is not a day.", {"got": day[:40]})
    for name, most in _LONGEST.items():
        if not rules.fits(getattr(given, name), most):
            expected = {"expected": f"1 to {most} characters, or nothing"}
            raise _line_refused(number, "text", f"Its {name} cannot be kept.", expected)
    return StatementLine(
        statement=statement.id,
        number=number,
        account_id=statement.account_id,
        open_account=statement.account_id if amount else None,
        amount=amount,
        currency=currency,
        exponent=places,
        booked_on=given.booked_on,
        value_on=given.value_on,
        reference=given.reference,
        end_to_end=given.end_to_end,
        counterparty=given.counterparty,
        text=given.text,
        status="open" if amount else "nil",
        match=None,
        exception=None,
    )


def _line_refused(
    number: int, reason: str, message: str, details: Mapping[str, object]
) -> StatementRefused:
    known = {name: details[name] for name in ("expected", "got") if name in details}
    return _refused(f"Line {number}: {message}", reason, line=number, **known)


def _finish(book: Book, statement: Statement, reconciled: Reconciled) -> Statement:
    """All lines are here: it adds up, and the next statement may come."""
    reached = statement.opening + statement.moved
    if reached != statement.closing:
        raise _refused(
            "Opening balance and lines do not make the closing balance.",
            "does_not_add_up",
            expected=to_text(statement.closing, statement.exponent),
            got=to_text(reached, statement.exponent),
        )
    statement = book.change(statement, status="imported")
    book.change(
        reconciled,
        begins_on=reconciled.begins_on or statement.from_on,
        last_statement=statement.id,
        last_to_on=statement.to_on,
        last_closing=statement.closing,
        importing=None,
    )
    if statement.gap:
        _report_gap(book, statement)
    at = rules.start_of(statement.to_on, policy_offset(book)) + DAY
    _verified(book, statement, min(at, book.now))
    book.announce(
        "statement.imported",
        statement.id,
        account=statement.account,
        currency=statement.unit,
        number=statement.number,
        lines=statement.count,
        closing=to_text(statement.closing, statement.exponent),
    )
    return statement


def _report_gap(book: Book, statement: Statement) -> None:
    book.add(
        ReconException(
            id=book.new_id("exc"),
            account_id=statement.account_id,
            account=statement.account,
            unit=statement.unit,
            exponent=statement.exponent,
            cls="statement_gap",
            open_account=statement.account_id,
            line=None,
            postings=[],
            found=statement.opening,
            expected=statement.opening - statement.gap,
            amount=statement.gap,
            on=statement.from_on,
            note=statement.note,
            status="open",
            carried=None,
            opened_at=book.now,
            closed_at=None,
            closed_by=None,
            reason=None,
        )
    )


def _verified(book: Book, statement: Statement, at: Instant) -> None:
    """The closing balance is what the bank or provider says that there is: solvency counts it.

    Not when a member of staff alone would say so much: a second person verifies it then.
    """
    account = book.account(statement.account_id)
    try:
        check_four_eyes(book, account, abs(statement.closing - account.balance))
    except ApprovalRequired:
        return
    evidence = f"statement {statement.number} ({statement.id})"
    solvency.note_balance(book, account, statement.closing, at, evidence)
