"""The clients' methods about debts and loans."""

from __future__ import annotations

from khata.edge.client import loan_calls
from khata.edge.client.methods import asynchronous, each, each_asynchronous, sync


class LoanMethods:
    """For `Client`."""

    debt = sync(loan_calls.debt)
    debts = sync(loan_calls.debts)
    repayments = sync(loan_calls.repayments)
    repay_debt = sync(loan_calls.repay_debt)
    write_off_debt = sync(loan_calls.write_off_debt)
    netting = sync(loan_calls.netting)
    set_netting = sync(loan_calls.set_netting)
    unexplained_debts = sync(loan_calls.unexplained_debts)
    grant_loan = sync(loan_calls.grant_loan)
    advance_float = sync(loan_calls.advance_float)
    loan = sync(loan_calls.loan)
    loans = sync(loan_calls.loans)
    repay_loan = sync(loan_calls.repay_loan)
    write_off_loan = sync(loan_calls.write_off_loan)
    mark_overdue_loans = sync(loan_calls.mark_overdue_loans)
    each_debts = each(loan_calls.debts)
    each_repayments = each(loan_calls.repayments)
    each_loans = each(loan_calls.loans)


class AsyncLoanMethods:
    """For `AsyncClient`."""

    debt = asynchronous(loan_calls.debt)
    debts = asynchronous(loan_calls.debts)
    repayments = asynchronous(loan_calls.repayments)
    repay_debt = asynchronous(loan_calls.repay_debt)
    write_off_debt = asynchronous(loan_calls.write_off_debt)
    netting = asynchronous(loan_calls.netting)
    set_netting = asynchronous(loan_calls.set_netting)
    unexplained_debts = asynchronous(loan_calls.unexplained_debts)
    grant_loan = asynchronous(loan_calls.grant_loan)
    advance_float = asynchronous(loan_calls.advance_float)
    loan = asynchronous(loan_calls.loan)
    loans = asynchronous(loan_calls.loans)
    repay_loan = asynchronous(loan_calls.repay_loan)
    write_off_loan = asynchronous(loan_calls.write_off_loan)
    mark_overdue_loans = asynchronous(loan_calls.mark_overdue_loans)
    each_debts = each_asynchronous(loan_calls.debts)
    each_repayments = each_asynchronous(loan_calls.repayments)
    each_loans = each_asynchronous(loan_calls.loans)
