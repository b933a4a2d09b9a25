"""The operations of reconciliation: statements, matches, exceptions, periods, runs."""

from __future__ import annotations

from typing import Any, Final

from khata.base.paging import Page
from khata.domain import reconciliation
from khata.domain.reconciliation import (
    AccountStatus,
    Adjust,
    ClosePeriod,
    DiscardImport,
    DiscrepancyState,
    ExceptionState,
    ImportLines,
    ImportStatement,
    LineState,
    MatchDifference,
    MatchLines,
    MatchState,
    PeriodState,
    ReopenPeriod,
    ResolveException,
    RunState,
    StatementState,
    Unmatch,
)
from khata.edge.http.operation import Operation
from khata.edge.http.reads import Nothing, Paged, read
from khata.edge.http.statement_files import file_operation, run_operation
from khata.edge.http.threads import Threads
from khata.edge.http.write import write
from khata.engine.database import View
from khata.settings import Settings

_S: Final = "/v1/statements"
_E: Final = "/v1/exceptions"
_M: Final = "/v1/matches"
_P: Final = "/v1/periods"
_R: Final = "/v1/reconciliation"
_LINE: Final = {"amount": "100.00", "booked_on": "2026-01-31", "end_to_end": "pay_0800",
                "text": "سفارش M2511128"}  # fmt: skip
_BANK: Final = "bank/main"
_WHY: Final = {"reason": "Slip 12."}


class AccountAsked(Paged, frozen=True, kw_only=True):
    """`account`: only this one's."""

    account: str | None = None


class LinesAsked(Paged, frozen=True, kw_only=True):
    """`open_only`: only lines that wait for a partner."""

    open_only: bool = False


class MatchesAsked(Paged, frozen=True, kw_only=True):
    """Each filter is an equality. `kind`: 1:1, 1:N, N:1, N:M, adjusted, netted."""

    account: str | None = None
    kind: str | None = None


class ExceptionsAsked(Paged, frozen=True, kw_only=True):
    """Each filter is an equality. `cls`: missing_in_book, missing_in_statement, amount_differs,
    duplicate_line, foreign_currency, sign_swapped, out_of_period, ambiguous, statement_gap.
    `status`: open or resolved.
    """

    account: str | None = None
    cls: str | None = None
    status: str | None = None


class DiscrepanciesAsked(Paged, frozen=True, kw_only=True):
    """`area`: wallets, payments, inventory, solvency, matches. `gone`: those no longer there."""

    area: str | None = None
    gone: bool = False


def accounts(view: View) -> Page[AccountStatus]:
    """All of them."""
    return Page(reconciliation.accounts(view))


def check(view: View) -> Page[MatchDifference]:
    """All of them: none, unless something is broken."""
    return Page(reconciliation.check(view))


# path, command, operation id, status, body that works
_WRITES: Final[tuple[tuple[str, Any, str, int, Any], ...]] = (
    (_S, ImportStatement, "importStatement", 201,
     {"account": _BANK, "currency": "BDT", "number": "1", "from_on": "2026-01-31",
      "to_on": "2026-01-31", "opening": "0.00", "closing": "100.00",
      "digest": "5e" * 32, "lines": [_LINE]}),
    (f"{_S}/{{statement}}/lines", ImportLines, "importStatementLines", 200,
     {"first": 1001, "lines": [_LINE]}),
    (f"{_S}/{{statement}}/discard", DiscardImport, "discardStatement", 200, _WHY),
    (_M, MatchLines, "matchLines", 201,
     {"lines": ["stm_0400/7"], "entries": ["ent_0800"], **_WHY}),
    (f"{_M}/{{match}}/undo", Unmatch, "undoMatch", 200, _WHY),
    ("/v1/statement-lines/{line}/adjust", Adjust, "adjustLine", 201,
     {"reason": "Monthly fee.", "against": "expense/bank_fees"}),
    (f"{_E}/{{exception}}/resolve", ResolveException, "resolveException", 200, _WHY),
    (_P, ClosePeriod, "closePeriod", 201,
     {"account": _BANK, "currency": "BDT", "to_on": "2026-01-31", "reason": "January."}),
    (f"{_P}/{{period}}/reopen", ReopenPeriod, "reopenPeriod", 200, {"reason": "A late fee."}),
)  # fmt: skip

# path, query, parameters, what it gives, operation id, summary
_READS: Final[tuple[tuple[str, Any, Any, Any, str, str], ...]] = (
    (_S, reconciliation.statements, AccountAsked, Page[StatementState], "listStatements",
     "Statements of banks and providers, newest first"),
    (f"{_S}/{{statement}}", reconciliation.statement, Nothing, StatementState, "getBankStatement",
     "One statement"),
    (f"{_S}/{{statement}}/lines", reconciliation.lines, LinesAsked, Page[LineState],
     "listStatementLines", "The lines of a statement in its order"),
    (_M, reconciliation.matches, MatchesAsked, Page[MatchState], "listMatches",
     "Matches with their scores, newest first, those that were taken apart too"),
    (f"{_M}/{{match}}", reconciliation.match_of, Nothing, MatchState, "getMatch", "One match"),
    (_E, reconciliation.exceptions, ExceptionsAsked, Page[ExceptionState], "listExceptions",
     "Exceptions by the day of what they are about, the oldest first; the open ones unless asked"),
    (f"{_E}/{{exception}}", reconciliation.exception, Nothing, ExceptionState, "getException",
     "One exception"),
    (_P, reconciliation.periods, AccountAsked, Page[PeriodState], "listPeriods",
     "Closed periods, newest first, those that were opened again too"),
    (_R, accounts, Nothing, Page[AccountStatus], "getReconciliation",
     "How far each account is reconciled, its open exceptions by class and age"),
    (f"{_R}/runs", reconciliation.runs, Paged, Page[RunState], "listReconciliationRuns",
     "Runs, newest first"),
    (f"{_R}/check", check, Nothing, Page[MatchDifference], "checkMatches",
     "Matches that do not agree with their lines and entries: none, unless something is broken"),
    ("/v1/discrepancies", reconciliation.discrepancies, DiscrepanciesAsked,
     Page[DiscrepancyState], "listDiscrepancies",
     "Where the book's rooms disagree, as the last run found it, the oldest first"),
)  # fmt: skip


def reconciliation_operations(settings: Settings, threads: Threads) -> list[Operation]:
    """All of them, for staff and services."""
    writes = [
        write(settings, "POST", path, command, name=name, tag="reconciliation", status=status,
              example=example)
        for path, command, name, status, example in _WRITES
    ]  # fmt: skip
    reads = [
        read(threads, path, query, asked, gives, name, "reconciliation", summary)
        for path, query, asked, gives, name, summary in _READS
    ]
    return [*writes, file_operation(settings, threads), run_operation(threads), *reads]
