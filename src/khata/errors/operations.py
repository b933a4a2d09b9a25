"""What orders, reconciliation, solvency and shadow books refuse.

They hang on the families of `khata.errors`, with the same promise: one class, one stable code.
"""

from __future__ import annotations

from khata.errors import Conflict, NotFound, Refused


class ReceiptRefused(Refused):
    """The file is not a receipt that can be kept: `reason` says why."""

    code = "receipt_refused"


class GraceEnded(Refused):
    """The time in which the bank transfer had to come is over."""

    code = "grace_ended"


class RepairRefused(Refused):
    """This mismatch cannot be repaired so: `reason` says why."""

    code = "repair_refused"


class SnapshotRefused(Refused):
    """The export of the other system cannot be read: `reason`, `file` and `line` say where."""

    code = "snapshot_refused"


class StatementRefused(Refused):
    """The statement cannot be read or does not add up: `reason` and `line` say where."""

    code = "statement_refused"


class MatchRefused(Refused):
    """These lines and entries do not belong together: `reason` says why."""

    code = "match_refused"


class PayoutsBraked(Refused):
    """No money leaves in this currency until two people have lifted the brake."""

    code = "payouts_braked"


class GateClosed(Refused):
    """The flow does not agree well enough with the other system to be relied on."""

    code = "gate_closed"


class OrderNotFound(NotFound):
    """No such order."""

    code = "order_not_found"


class ReceiptNotFound(NotFound):
    """No such receipt, or its file is gone."""

    code = "receipt_not_found"


class MismatchNotFound(NotFound):
    """No such mismatch."""

    code = "mismatch_not_found"


class StatementNotFound(NotFound):
    """No such statement, line, match or exception of one."""

    code = "statement_not_found"


class RootNotFound(NotFound):
    """No such proof of liabilities."""

    code = "root_not_found"


class FlowNotFound(NotFound):
    """No such flow in shadow mode."""

    code = "flow_not_found"


class LineMatched(Conflict):
    """The line, or the entry, is matched already."""

    code = "line_matched"


class PeriodClosed(Conflict):
    """The period is closed: nothing of it changes any more."""

    code = "period_closed"


class AddressTaken(Conflict):
    """Something else listens there already."""

    code = "address_taken"


class AlreadyServed(Conflict):
    """Another gateway serves the messages of this book."""

    code = "already_served"
