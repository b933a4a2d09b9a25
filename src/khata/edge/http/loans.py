"""The operations of debts and loans."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from khata.base.paging import Page
from khata.domain import debts, loans
from khata.domain.debts import (
    DebtState,
    Netting,
    RepayDebt,
    RepaymentView,
    SetNetting,
    Unexplained,
    WriteOffDebt,
)
from khata.domain.loans import (
    AdvanceFloat,
    GrantLoan,
    LoanState,
    LoanView,
    MarkOverdue,
    RepayLoan,
    WriteOffLoan,
)
from khata.edge.http.operation import Operation
from khata.edge.http.reads import Nothing, Paged, read
from khata.edge.http.threads import Threads
from khata.edge.http.write import write
from khata.engine.database import View
from khata.settings import Settings

_BDT: Final = {"amount": "1000.00", "currency": "BDT"}
_FEE: Final = {"amount": "50.00", "currency": "BDT"}
_WALLET: Final = "alice/personal/BDT"
_D: Final = "/v1/debts/{debt}"
_L: Final = "/v1/loans/{loan}"


class DebtsAsked(Paged, frozen=True, kw_only=True):
    """Each filter is an equality. `status`: open, settled, written_off. `kind`: refund,
    mover_float, dhaar_loan.
    """

    owner: str | None = None
    status: str | None = None
    kind: str | None = None


class LoansAsked(Paged, frozen=True, kw_only=True):
    """Each filter is an equality. `status`: open, overdue, repaid, written_off. `kind`: dhaar,
    float.
    """

    owner: str | None = None
    status: str | None = None
    kind: str | None = None


class DueLoans(msgspec.Struct, frozen=True):
    """The ids of loans to look at, as `markOverdueLoans` takes them."""

    loans: list[str]


def unexplained(view: View) -> Page[Unexplained]:
    """All of them."""
    return Page(debts.unexplained(view))


def due(view: View) -> DueLoans:
    """The first 500."""
    return DueLoans(loans.due(view))


# path, command, operation id, tag, status, scope, body that works
_WRITES: Final[tuple[tuple[str, Any, str, str, int, str, Any], ...]] = (
    (f"{_D}/repay", RepayDebt, "repayDebt", "debts", 200, "write",
     {"wallet": _WALLET, "amount": _BDT}),
    (f"{_D}/write-off", WriteOffDebt, "writeOffDebt", "debts", 200, "write",
     {"reason": "Left the country."}),
    ("/v1/netting", SetNetting, "setNetting", "debts", 200, "admin",
     {"order": ["refund", "mover_float", "dhaar_loan"], "most": {"dhaar_loan": 5000}}),
    ("/v1/loans", GrantLoan, "grantLoan", "loans", 201, "write",
     {"wallet": _WALLET, "amount": _BDT, "instalments": 4, "every_days": 7,
      "first_due_in_days": 7, "fee": _FEE, "reference": "eid"}),
    ("/v1/floats", AdvanceFloat, "advanceFloat", "loans", 201, "write",
     {"wallet": _WALLET, "amount": _BDT, "reference": "shift 7"}),
    (f"{_L}/repay", RepayLoan, "repayLoan", "loans", 200, "write", {"amount": _BDT}),
    (f"{_L}/write-off", WriteOffLoan, "writeOffLoan", "loans", 200, "write",
     {"reason": "Left the country."}),
    ("/v1/due-loans", MarkOverdue, "markOverdueLoans", "loans", 200, "write", {"loans": []}),
)  # fmt: skip

# path, query, parameters, what it gives, operation id, tag, summary
_READS: Final[tuple[tuple[str, Any, Any, Any, str, str, str], ...]] = (
    ("/v1/debts", debts.debts, DebtsAsked, Page[DebtState], "listDebts", "debts",
     "What owners owe the house, newest first"),
    (_D, debts.debt, Nothing, DebtState, "getDebt", "debts", "One debt"),
    (f"{_D}/repayments", debts.repayments, Paged, Page[RepaymentView], "listRepayments", "debts",
     "What made a debt smaller, newest first: by hand, netted, written off"),
    ("/v1/netting", debts.netting, Nothing, Netting, "getNetting", "debts",
     "In which order debts are netted from earnings, and how much of each"),
    ("/v1/unexplained-debts", unexplained, Nothing, Page[Unexplained], "listUnexplainedDebts",
     "debts", "Accounts whose balance is not what their debts have outstanding"),
    ("/v1/loans", loans.loans, LoansAsked, Page[LoanState], "listLoans", "loans",
     "Loans and floats, newest first"),
    (_L, loans.loan, Nothing, LoanView, "getLoan", "loans",
     "The statement of a loan: how it stands, its schedule, its repayments"),
    ("/v1/due-loans", due, Nothing, DueLoans, "listDueLoans", "loans",
     "Loans of which an instalment came due since somebody looked"),
)  # fmt: skip


def loan_operations(settings: Settings, threads: Threads) -> list[Operation]:
    """All of them: owners repay and see what is theirs, the rest is for staff and services."""
    writes = [
        write(settings, "POST", path, command, name=name, tag=tag, status=status,
              example=example, scope=scope)
        for path, command, name, tag, status, scope, example in _WRITES
    ]  # fmt: skip
    return [*writes, *(read(threads, *row) for row in _READS)]
