"""The operations of commission rules."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec

from khata.base.money import Money
from khata.base.paging import Page
from khata.domain import commissions
from khata.domain.commissions import DefineRule, RetireRule, RuleState, SharePreview
from khata.edge.http.operation import Operation
from khata.edge.http.reads import Nothing, Paged, read
from khata.edge.http.threads import Threads
from khata.edge.http.write import write
from khata.engine.database import View
from khata.settings import Settings

_R: Final = "/v1/commission-rules/{rule}"
_V: Final = f"{_R}/versions/{{version}}"
_MOST_DIGITS: Final = 18
_RULE: Final = {
    "name": "groceries",
    "category": "groceries",
    "parts": [
        {"name": "platform", "to": "revenue/commission", "points": 700,
         "least": {"BDT": "5.00"}, "tax": {"points": 1500}},
        {"name": "creator", "to": "creator", "points": 1000, "if_present": True},
        {"name": "partner", "to": "partner", "rest": True},
    ],
}  # fmt: skip


class RulesAsked(Paged, frozen=True, kw_only=True):
    """Each filter is an equality. `status`: in_force, superseded, retired."""

    name: str | None = None
    status: str | None = None


class PreviewAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A sale as it would be. `partner`: an owner's name."""

    amount: Annotated[str, msgspec.Meta(examples=["1000.00"])]
    currency: Annotated[str, msgspec.Meta(examples=["BDT"])]
    source: str = "order"
    category: str | None = None
    partner: str | None = None
    parties: Annotated[
        str | None,
        msgspec.Meta(
            description="The roles that somebody has in it beside the partner, with commas between"
            " them.",
            examples=["creator"],
        ),
    ] = None


def preview(
    view: View, amount: str, currency: str, parties: str = "", **asked: Any
) -> SharePreview:
    """How a sale would be shared now."""
    roles = [role for role in parties.split(",") if role]
    return commissions.preview(view, Money(amount, currency), parties=roles, **asked)


def version_of(view: View, name: str, version: str) -> RuleState:
    """One version of a rule; what is no number is none that there is."""
    is_number = version.isascii() and version.isdigit() and len(version) <= _MOST_DIGITS
    return commissions.rule(view, name, int(version) if is_number else -1)


# path, command, operation id, status, body that works
_WRITES: Final[tuple[tuple[str, Any, str, int, Any], ...]] = (
    ("/v1/commission-rules", DefineRule, "defineCommissionRule", 201, _RULE),
    (f"{_R}/retire", RetireRule, "retireCommissionRule", 200, {"reason": "The season is over."}),
)

# path, query, parameters, what it gives, operation id, tag, summary
_READS: Final[tuple[tuple[str, Any, Any, Any, str, str, str], ...]] = (
    ("/v1/commission-rules", commissions.rules, RulesAsked, Page[RuleState],
     "listCommissionRules", "commissions", "The book's own rules with all their versions"),
    (_R, commissions.rule, Nothing, RuleState, "getCommissionRule", "commissions",
     "The newest version of a rule, or the built-in `standard`"),
    (_V, version_of, Nothing, RuleState, "getCommissionRuleVersion", "commissions",
     "One version of a rule; `standard` has version 0"),
    ("/v1/commission-preview", preview, PreviewAsked, SharePreview, "previewCommission",
     "commissions", "How a sale would be shared now, and by which version of which rule"),
)  # fmt: skip


def commission_operations(settings: Settings, threads: Threads) -> list[Operation]:
    """All of them: `admin` keys change rules, staff read them."""
    writes = [
        write(settings, "POST", path, command, name=name, tag="commissions", status=status,
              example=example, scope="admin")
        for path, command, name, status, example in _WRITES
    ]  # fmt: skip
    return [*writes, *(read(threads, *row) for row in _READS)]
