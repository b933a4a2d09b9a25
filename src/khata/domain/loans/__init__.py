"""Loans and floats: dhaar with its schedule, a mover's advance, and what is overdue."""

from khata.domain.loans.commands import (
    VERBS,
    AdvanceFloat,
    GrantLoan,
    Marked,
    MarkOverdue,
    RepayLoan,
    WriteOffLoan,
)
from khata.domain.loans.model import Instalment, InstalmentView, Loan, LoanState, LoanView
from khata.domain.loans.queries import due, loan, loans

__all__ = [
    "VERBS",
    "AdvanceFloat",
    "GrantLoan",
    "Instalment",
    "InstalmentView",
    "Loan",
    "LoanState",
    "LoanView",
    "MarkOverdue",
    "Marked",
    "RepayLoan",
    "WriteOffLoan",
    "due",
    "loan",
    "loans",
]
