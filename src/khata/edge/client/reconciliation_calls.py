"""Calls about reconciliation: statements, matches, exceptions, periods, runs."""

from __future__ import annotations

import msgspec

from khata.base.paging import Page
from khata.domain.reconciliation import (
    AccountStatus,
    DiscrepancyState,
    ExceptionState,
    LineIn,
    LineState,
    MatchDifference,
    MatchState,
    PeriodState,
    RunState,
    StatementState,
)
from khata.edge.client.answers import Receipt
from khata.edge.client.call import Call, asked, path_of, write
from khata.edge.files.statements import Mapping
from khata.edge.files.statements.importing import ImportedFile

_FILE = "application/octet-stream"


def import_statement_file(
    account: str,
    file: bytes,
    *,
    format: str | None = None,  # noqa: A002 - the parameter's name
    mapping: Mapping | None = None,
    encoding: str | None = None,
    opening: str | None = None,
    closing: str | None = None,
    number: str | None = None,
    gap: str | None = None,
    dry_run: bool = False,
) -> Call[ImportedFile]:
    """Take in the statements of a file: CSV with a mapping, camt.053 or MT940.

    The same file again changes nothing.
    """
    plan = None if mapping is None else msgspec.json.encode(mapping).decode()
    query = {"account": account, "format": format, "mapping": plan, "encoding": encoding,
             "opening": opening, "closing": closing, "number": number, "gap": gap,
             "dry_run": dry_run or None}  # fmt: skip
    return Call("POST", path_of("statement-files"), ImportedFile, asked(query), file, media=_FILE)


def import_statement(
    account: str,
    currency: str,
    number: str,
    days: tuple[str, str],
    balances: tuple[str, str],
    digest: str,
    lines: list[LineIn],
    *,
    count: int | None = None,
    gap: str | None = None,
    key: str | None = None,
    dry_run: bool = False,
) -> Call[Receipt[StatementState]]:
    """Take a statement in, with its first lines. `days`: the first and the last, ISO 8601;
    `balances`: opening and closing; `digest`: SHA-256 of what it was read from, in hex.
    """
    body = {"account": account, "currency": currency, "number": number, "from_on": days[0],
            "to_on": days[1], "opening": balances[0], "closing": balances[1], "digest": digest,
            "lines": lines, "count": count, "gap": gap}  # fmt: skip
    return write(Receipt[StatementState], path_of("statements"), body, key, dry_run=dry_run)


def import_statement_lines(
    statement: str, first: int, lines: list[LineIn], *, key: str | None = None
) -> Call[Receipt[StatementState]]:
    """Go on with a statement: lines from number `first` on."""
    path = path_of("statements", statement, "lines")
    return write(Receipt[StatementState], path, {"first": first, "lines": lines}, key)


def discard_statement(
    statement: str, reason: str, *, key: str | None = None
) -> Call[Receipt[StatementState]]:
    """Give up a statement whose lines are not all here."""
    path = path_of("statements", statement, "discard")
    return write(Receipt[StatementState], path, {"reason": reason}, key)


def bank_statement(name: str) -> Call[StatementState]:
    """One statement."""
    return Call("GET", path_of("statements", name), StatementState)


def bank_statements(*, account: str | None = None, limit: int = 100) -> Call[Page[StatementState]]:
    """Statements of banks and providers, newest first."""
    query = {"account": account, "limit": limit}
    return Call("GET", path_of("statements"), Page[StatementState], asked(query))


def statement_lines(
    name: str, *, open_only: bool = False, limit: int = 100
) -> Call[Page[LineState]]:
    """The lines of a statement; `open_only`: those that wait for a partner."""
    query = {"open_only": open_only, "limit": limit}
    return Call("GET", path_of("statements", name, "lines"), Page[LineState], asked(query))


def run_reconciliation(*, account: str | None = None) -> Call[RunState]:
    """Match what is open now, and check the book's rooms."""
    query = asked({"account": account})
    return Call("POST", path_of("reconciliation", "runs"), RunState, query, b"")


def reconciliation_runs(*, limit: int = 100) -> Call[Page[RunState]]:
    """Runs, newest first."""
    path = path_of("reconciliation", "runs")
    return Call("GET", path, Page[RunState], asked({"limit": limit}))


def reconciliation() -> Call[Page[AccountStatus]]:
    """How far each account is reconciled, its open exceptions by class and age."""
    return Call("GET", path_of("reconciliation"), Page[AccountStatus])


def check_matches() -> Call[Page[MatchDifference]]:
    """Matches that do not agree with their lines and entries."""
    return Call("GET", path_of("reconciliation", "check"), Page[MatchDifference])


def match(name: str) -> Call[MatchState]:
    """One match."""
    return Call("GET", path_of("matches", name), MatchState)


def matches(
    *, account: str | None = None, kind: str | None = None, limit: int = 100
) -> Call[Page[MatchState]]:
    """Matches with their scores, newest first."""
    query = {"account": account, "kind": kind, "limit": limit}
    return Call("GET", path_of("matches"), Page[MatchState], asked(query))


def match_lines(
    lines: list[str],
    entries: list[str],
    reason: str,
    *,
    against: str | None = None,
    source: str = "fee",
    key: str | None = None,
    dry_run: bool = False,
) -> Call[Receipt[MatchState]]:
    """Match lines with entries by hand; `against`: the account on which a difference is booked."""
    body = {"lines": lines, "entries": entries, "reason": reason, "against": against,
            "source": source}  # fmt: skip
    return write(Receipt[MatchState], path_of("matches"), body, key, dry_run=dry_run)


def undo_match(
    name: str, reason: str, *, key: str | None = None, dry_run: bool = False
) -> Call[Receipt[MatchState]]:
    """Take a match apart; what it had booked is taken back."""
    path = path_of("matches", name, "undo")
    return write(Receipt[MatchState], path, {"reason": reason}, key, dry_run=dry_run)


def adjust_line(
    line: str,
    reason: str,
    *,
    against: str = "expense/bank_fees",
    source: str = "fee",
    key: str | None = None,
    dry_run: bool = False,
) -> Call[Receipt[MatchState]]:
    """Book a line that the book does not know, and match the two."""
    path = path_of("statement-lines", line, "adjust")
    body = {"reason": reason, "against": against, "source": source}
    return write(Receipt[MatchState], path, body, key, dry_run=dry_run)


def statement_exception(name: str) -> Call[ExceptionState]:
    """One exception."""
    return Call("GET", path_of("exceptions", name), ExceptionState)


def statement_exceptions(
    *,
    account: str | None = None,
    cls: str | None = None,
    status: str | None = None,
    limit: int = 100,
) -> Call[Page[ExceptionState]]:
    """Exceptions, the oldest first; the open ones unless `status` says otherwise."""
    query = {"account": account, "cls": cls, "status": status, "limit": limit}
    return Call("GET", path_of("exceptions"), Page[ExceptionState], asked(query))


def resolve_exception(
    name: str, reason: str, *, key: str | None = None
) -> Call[Receipt[ExceptionState]]:
    """Close an exception without a match."""
    path = path_of("exceptions", name, "resolve")
    return write(Receipt[ExceptionState], path, {"reason": reason}, key)


def close_period(
    account: str,
    currency: str,
    to_on: str,
    reason: str,
    *,
    carry: bool = False,
    key: str | None = None,
    dry_run: bool = False,
) -> Call[Receipt[PeriodState]]:
    """Close an account's days up to `to_on`; `carry`: take open exceptions along."""
    body = {"account": account, "currency": currency, "to_on": to_on, "reason": reason,
            "carry": carry}  # fmt: skip
    return write(Receipt[PeriodState], path_of("periods"), body, key, dry_run=dry_run)


def reopen_period(name: str, reason: str, *, key: str | None = None) -> Call[Receipt[PeriodState]]:
    """Open the last closed period again; only as an approved request."""
    path = path_of("periods", name, "reopen")
    return write(Receipt[PeriodState], path, {"reason": reason}, key)


def closed_periods(*, account: str | None = None, limit: int = 100) -> Call[Page[PeriodState]]:
    """Closed periods, newest first."""
    query = {"account": account, "limit": limit}
    return Call("GET", path_of("periods"), Page[PeriodState], asked(query))


def book_discrepancies(
    *, area: str | None = None, gone: bool = False, limit: int = 100
) -> Call[Page[DiscrepancyState]]:
    """Where the book's rooms disagree, as the last run found it."""
    query = {"area": area, "gone": gone, "limit": limit}
    return Call("GET", path_of("discrepancies"), Page[DiscrepancyState], asked(query))
