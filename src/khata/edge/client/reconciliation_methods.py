"""The clients' methods about reconciliation."""

from __future__ import annotations

from khata.edge.client import reconciliation_calls as calls
from khata.edge.client.methods import asynchronous, each, each_asynchronous, sync


class ReconciliationMethods:
    """For `Client`."""

    import_statement_file = sync(calls.import_statement_file)
    import_statement = sync(calls.import_statement)
    import_statement_lines = sync(calls.import_statement_lines)
    discard_statement = sync(calls.discard_statement)
    bank_statement = sync(calls.bank_statement)
    bank_statements = sync(calls.bank_statements)
    statement_lines = sync(calls.statement_lines)
    run_reconciliation = sync(calls.run_reconciliation)
    reconciliation_runs = sync(calls.reconciliation_runs)
    reconciliation = sync(calls.reconciliation)
    check_matches = sync(calls.check_matches)
    match = sync(calls.match)
    matches = sync(calls.matches)
    match_lines = sync(calls.match_lines)
    undo_match = sync(calls.undo_match)
    adjust_line = sync(calls.adjust_line)
    statement_exception = sync(calls.statement_exception)
    statement_exceptions = sync(calls.statement_exceptions)
    resolve_exception = sync(calls.resolve_exception)
    close_period = sync(calls.close_period)
    reopen_period = sync(calls.reopen_period)
    closed_periods = sync(calls.closed_periods)
    book_discrepancies = sync(calls.book_discrepancies)
    each_bank_statements = each(calls.bank_statements)
    each_statement_lines = each(calls.statement_lines)
    each_reconciliation_runs = each(calls.reconciliation_runs)
    each_matches = each(calls.matches)
    each_statement_exceptions = each(calls.statement_exceptions)
    each_closed_periods = each(calls.closed_periods)
    each_book_discrepancies = each(calls.book_discrepancies)


class AsyncReconciliationMethods:
    """For `AsyncClient`."""

    import_statement_file = asynchronous(calls.import_statement_file)
    import_statement = asynchronous(calls.import_statement)
    import_statement_lines = asynchronous(calls.import_statement_lines)
    discard_statement = asynchronous(calls.discard_statement)
    bank_statement = asynchronous(calls.bank_statement)
    bank_statements = asynchronous(calls.bank_statements)
    statement_lines = asynchronous(calls.statement_lines)
    run_reconciliation = asynchronous(calls.run_reconciliation)
    reconciliation_runs = asynchronous(calls.reconciliation_runs)
    reconciliation = asynchronous(calls.reconciliation)
    check_matches = asynchronous(calls.check_matches)
    match = asynchronous(calls.match)
    matches = asynchronous(calls.matches)
    match_lines = asynchronous(calls.match_lines)
    undo_match = asynchronous(calls.undo_match)
    adjust_line = asynchronous(calls.adjust_line)
    statement_exception = asynchronous(calls.statement_exception)
    statement_exceptions = asynchronous(calls.statement_exceptions)
    resolve_exception = asynchronous(calls.resolve_exception)
    close_period = asynchronous(calls.close_period)
    reopen_period = asynchronous(calls.reopen_period)
    closed_periods = asynchronous(calls.closed_periods)
    book_discrepancies = asynchronous(calls.book_discrepancies)
    each_bank_statements = each_asynchronous(calls.bank_statements)
    each_statement_lines = each_asynchronous(calls.statement_lines)
    each_reconciliation_runs = each_asynchronous(calls.reconciliation_runs)
    each_matches = each_asynchronous(calls.matches)
    each_statement_exceptions = each_asynchronous(calls.statement_exceptions)
    each_closed_periods = each_asynchronous(calls.closed_periods)
    each_book_discrepancies = each_asynchronous(calls.book_discrepancies)
