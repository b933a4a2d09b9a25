"""Periods: days of an account in which nothing is imported, matched or adjusted any more."""

from __future__ import annotations

from typing import Final

from khata.domain.reconciliation import rules
from khata.domain.reconciliation.commands import ClosePeriod, ReopenPeriod
from khata.domain.reconciliation.importing import policy_offset, statement_account, statement_of
from khata.domain.reconciliation.model import (
    Period,
    Reconciled,
    ReconException,
    Statement,
    StatementLine,
)
from khata.domain.reconciliation.states import PeriodState
from khata.engine.book import Book
from khata.engine.command import Verbs
from khata.errors import ApprovalRequired, InvalidTransition
from khata.errors.operations import PeriodClosed, StatementNotFound

VERBS: Final = Verbs()


@VERBS.handles(ClosePeriod, roles=("admin", "finance"))
def close_period(book: Book, command: ClosePeriod) -> PeriodState:
    """The days since the last closed period, up to `to_on`, are closed.

    Errors: `PeriodClosed` for days that are; `InvalidTransition` when statements do not reach so
    far, no run has looked at them since, lines are open, or exceptions are and `carry` is not
    set; `AccountNotFound`, `CurrencyMismatch`, `Invalid`.
    """
    account = statement_account(book, command.account, command.currency)
    reason = rules.checked_text(command.reason, "reason", 500)
    to_on = rules.checked_day(command.to_on, "last day")
    known = book.peek(Reconciled, account.id)
    if known is None or known.begins_on is None or (known.last_to_on or "") < to_on:
        raise InvalidTransition(
            f"{account.code} has no statement that reaches {to_on}.",
            expected=f"at most {known.last_to_on}" if known else "a statement",
            got=to_on,
        )
    if (known.closed_on or "") >= to_on or to_on < known.begins_on:
        raise PeriodClosed(
            f"{account.code} is closed up to {known.closed_on}, and begins at {known.begins_on}.",
            expected=f"after {known.closed_on or known.begins_on}",
            got=to_on,
        )
    _check_looked_at(book, known, to_on)
    left = _left(book, known, to_on)
    if left and not command.carry:
        raise InvalidTransition(
            f"{len(left)} exceptions are open: resolve them, or carry them along.",
            expected="no open exceptions, or carry",
            got=len(left),
        )
    period = book.add(
        Period(
            id=book.new_id("per"),
            account_id=account.id,
            account=account.code,
            unit=account.unit,
            exponent=account.exponent,
            from_on=rules.after(known.closed_on) if known.closed_on else known.begins_on,
            to_on=to_on,
            carried=len(left),
            status="closed",
            before=known.last_period,
            closed_by=str(book.actor),
            closed_at=book.now,
            reason=reason,
        )
    )
    for exception in left:
        book.change(exception, carried=period.id)
    book.change(known, closed_on=to_on, last_period=period.id)
    _announce(book, period)
    return rules.period_state(period)


def _check_looked_at(book: Book, known: Reconciled, to_on: str) -> None:
    """A run has seen all of these days, after they were over and after people took something
    apart. Errors: `InvalidTransition`.
    """
    since = max(rules.start_of(rules.after(to_on), policy_offset(book)), known.freed_at or 0)
    if (known.ran_through or "") < to_on or (known.ran_at or 0) < since:
        raise InvalidTransition(
            f"No run has looked at {known.account} up to {to_on} since that day was over, or since"
            " something was taken apart.",
            expected="reconcile it first",
            got=known.ran_through,
        )
    if known.importing is not None:
        statement = statement_of(book, known.importing)
        if statement.from_on <= to_on:
            raise InvalidTransition(f"{statement.id} is being imported.", got=statement.id)


def _left(book: Book, known: Reconciled, to_on: str) -> list[ReconException]:
    """The open exceptions up to a day. Errors: `InvalidTransition` for lines without one."""
    lines = book.find(StatementLine, open_account=known.account_id)
    open_ = [line for line in lines if line.status == "open" and line.booked_on <= to_on]
    book.expect([(Statement, name) for name in dict.fromkeys(line.statement for line in open_)])
    loose = [line for line in open_ if book.get(Statement, line.statement).status == "imported"]
    if loose:
        raise InvalidTransition(
            f"{len(loose)} lines are neither matched nor an exception: reconcile first.",
            expected="no open lines",
            got=len(loose),
        )
    found = book.find(ReconException, open_account=known.account_id)
    return [exception for exception in found if exception.on <= to_on]


@VERBS.handles(ReopenPeriod, roles=("admin", "finance"))
def reopen_period(book: Book, command: ReopenPeriod) -> PeriodState:
    """Errors: `StatementNotFound`, `InvalidTransition` unless it is the last closed one of its
    account, `ApprovalRequired` unless a second person approves, `Invalid`.
    """
    reason = rules.checked_text(command.reason, "reason", 500)
    period = book.peek(Period, command.period) if rules.fits(command.period, 100) else None
    if period is None:
        raise StatementNotFound("No such period.", got=command.period[:100])
    known = book.get(Reconciled, period.account_id)
    if known.last_period != period.id:
        raise InvalidTransition(
            "Only the last closed period of an account is opened again.",
            expected=known.last_period,
            got=period.id,
        )
    if not book.approved:
        raise ApprovalRequired(
            "To open a closed period again a second person must approve: ask for it first.",
            expected="an approved request",
            got="one person",
        )
    before = book.get(Period, period.before) if period.before else None
    book.change(known, closed_on=before.to_on if before else None, last_period=period.before)
    period = book.change(
        period,
        status="reopened",
        reopened_by=str(book.actor),
        reopened_at=book.now,
        reason=f"{period.reason}; opened again: {reason}",
    )
    _announce(book, period)
    return rules.period_state(period)


def _announce(book: Book, period: Period) -> None:
    book.announce(
        f"period.{period.status}",
        period.id,
        account=period.account,
        currency=period.unit,
        from_on=period.from_on,
        to_on=period.to_on,
        carried=period.carried,
    )
