"""What the marketplace refuses: the branches of the tree that its rooms need.

They hang on the families of `khata.errors`, with the same promise: one class, one stable code.
"""

from __future__ import annotations

from khata.errors import Conflict, NotFound, Refused


class RuleInvalid(Refused):
    """A commission rule that cannot share an amount: `reason` says why."""

    code = "rule_invalid"


class SplitImpossible(Refused):
    """The fixed parts of a rule are more than the amount."""

    code = "split_impossible"


class ReleaseExceeded(Refused):
    """More would be released than is left in escrow."""

    code = "release_exceeded"


class EscrowDisputed(Refused):
    """The money stays in escrow while it is disputed."""

    code = "escrow_disputed"


class EscrowClosed(Refused):
    """Nothing is left in this escrow to decide about."""

    code = "escrow_closed"


class CampaignClosed(Refused):
    """The campaign does not run now: before its beginning, after its end, or stopped."""

    code = "campaign_closed"


class CampaignExhausted(Refused):
    """The campaign's budget is used up, or all its uses are: `reason` says which."""

    code = "campaign_exhausted"


class BenefitRefused(Refused):
    """This benefit is not for this owner or this purchase: `reason` says why."""

    code = "benefit_refused"


class SelfReferral(Refused):
    """Nobody refers themselves."""

    code = "self_referral"


class SquadRefused(Refused):
    """The squad cannot do this: `reason` says why."""

    code = "squad_refused"


class InsufficientStock(Refused):
    """Fewer are left than are wanted."""

    code = "insufficient_stock"


class LoanRefused(Refused):
    """No such loan for this owner: `reason` says why."""

    code = "loan_refused"


class RepaymentExceeded(Refused):
    """More would be repaid than is owed."""

    code = "repayment_exceeded"


class EarningRefused(Refused):
    """This earning cannot be paid: `reason` says why."""

    code = "earning_refused"


class RuleNotFound(NotFound):
    """No such commission rule, or no such version of it."""

    code = "rule_not_found"


class DebtNotFound(NotFound):
    """No such debt."""

    code = "debt_not_found"


class LoanNotFound(NotFound):
    """No such loan or float."""

    code = "loan_not_found"


class CampaignNotFound(NotFound):
    """No such campaign."""

    code = "campaign_not_found"


class ReferralNotFound(NotFound):
    """No such referral."""

    code = "referral_not_found"


class EscrowNotFound(NotFound):
    """No such escrow."""

    code = "escrow_not_found"


class SaleNotFound(NotFound):
    """No such sale."""

    code = "sale_not_found"


class SquadNotFound(NotFound):
    """No such squad, or one that the actor is no member of."""

    code = "squad_not_found"


class StockNotFound(NotFound):
    """No such item of stock, lot or allocation."""

    code = "stock_not_found"


class InvestmentNotFound(NotFound):
    """No such investment."""

    code = "investment_not_found"


class RuleOverlap(Conflict):
    """Another rule for the same sales is in force: `rule` names it."""

    code = "rule_overlap"


class AlreadyCounted(Conflict):
    """This was counted and paid already."""

    code = "already_counted"
