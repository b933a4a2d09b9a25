"""What owners owe the house: debts, their repayment, netting from what the owner earns."""

from khata.domain.debts.commands import VERBS, RepayDebt, SetNetting, WriteOffDebt, repay
from khata.domain.debts.model import (
    KINDS,
    Debt,
    DebtKind,
    DebtState,
    Netting,
    Repayment,
    RepaymentView,
    Unexplained,
)
from khata.domain.debts.owing import collect, debt_of, open_debts, owe
from khata.domain.debts.queries import (
    debt,
    debt_record,
    debt_records,
    debts,
    netting,
    repayments,
    unexplained,
)
from khata.domain.debts.rules import account_code, fee_outstanding, outstanding

__all__ = [
    "KINDS",
    "VERBS",
    "Debt",
    "DebtKind",
    "DebtState",
    "Netting",
    "RepayDebt",
    "Repayment",
    "RepaymentView",
    "SetNetting",
    "Unexplained",
    "WriteOffDebt",
    "account_code",
    "collect",
    "debt",
    "debt_of",
    "debt_record",
    "debt_records",
    "debts",
    "fee_outstanding",
    "netting",
    "open_debts",
    "outstanding",
    "owe",
    "repay",
    "repayments",
    "unexplained",
]
