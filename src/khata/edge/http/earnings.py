"""The operations of earnings and of trust."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from khata.base.paging import Page
from khata.domain import earnings, trust
from khata.domain.earnings import (
    Bonus,
    CountViews,
    EarningPolicy,
    EarningState,
    EarningTotal,
    PaidMission,
    PayDelivery,
    RateState,
    SetPolicy,
    SetRate,
    ViewsState,
)
from khata.domain.trust import RecordEvent, SetRules, TrustLine, TrustRules, TrustState
from khata.edge.http.operation import Operation
from khata.edge.http.reads import Nothing, Paged, Time, own, read
from khata.edge.http.threads import Threads
from khata.edge.http.write import write
from khata.engine.database import View
from khata.settings import Settings

_R: Final = "/v1/creators/{creator}/view-rate"
_V: Final = "/v1/videos/{video}/views"
_D: Final = "/v1/riders/{rider}/deliveries"
_POLICY: Final = "/v1/earning-policy"
_T: Final = "/v1/trust/{owner}"
_RULES: Final = "/v1/trust-rules"


def _bdt(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": "BDT"}


_MEASURES: Final = {
    "policy": {
        "views": {"least": _bdt("20.00"), "most": _bdt("50.00"), "otherwise": _bdt("20.00")},
        "viral": [{"views": 100_000, "amount": _bdt("500.00")}],
        "rewards": {"surprise_reward": _bdt("50.00")},
        "offset_minutes": 360,
        "peaks": [{"begins": "18:00", "ends": "21:00", "extra": {"points": 2500}}],
        "chains": [{"missions": 5, "amount": _bdt("100.00"), "repeats": True}],
        "haggled": {"amount": _bdt("10.00")},
    }
}


class EarningsAsked(Paged, frozen=True, kw_only=True):
    """Each filter is an equality; `since` is included. An owner sees their own."""

    owner: str | None = None
    kind: str | None = None
    since: Time | None = None


class EarningTotalsAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`owner`: whose; an owner's own when left out."""

    owner: str | None = None
    since: Time | None = None


def totals(view: View, owner: str | None = None, **asked: Any) -> Page[EarningTotal]:
    """What an owner earned."""
    return Page(earnings.totals(view, own(view, owner), **asked))


# method, path, command, operation id, tag, status, scope, body that works
_WRITES: Final[tuple[tuple[str, str, Any, str, str, int, str, Any], ...]] = (
    ("POST", _R, SetRate, "setViewRate", "earnings", 200, "write",
     {"per_thousand": _bdt("35.00")}),
    ("POST", _V, CountViews, "countViews", "earnings", 200, "write",
     {"creator": "nila", "total": 12_500}),
    ("POST", "/v1/bonuses", Bonus, "giveBonus", "earnings", 201, "write",
     {"bonus": "surprise_reward", "owner": "nila", "reference": "eid-2026",
      "amount": _bdt("50.00")}),
    ("POST", _D, PayDelivery, "payDelivery", "earnings", 201, "write",
     {"reference": "M1001", "fee": _bdt("60.00"), "haggled": True, "chain": "2026-01-31"}),
    ("POST", _POLICY, SetPolicy, "setEarningPolicy", "earnings", 200, "admin", _MEASURES),
    ("POST", f"{_T}/events", RecordEvent, "recordTrustEvent", "trust", 201, "write",
     {"event": "delivered", "reference": "M1001"}),
    ("POST", _RULES, SetRules, "setTrustRules", "trust", 200, "admin",
     {"events": {"delivered": {"xp": 20, "good": 2}}}),
)  # fmt: skip

# path, query, parameters, what it gives, operation id, tag, summary
_READS: Final[tuple[tuple[str, Any, Any, Any, str, str, str], ...]] = (
    ("/v1/earnings", earnings.earnings, EarningsAsked, Page[EarningState], "listEarnings",
     "earnings", "What was paid to creators and riders, newest first"),
    ("/v1/earnings/totals", totals, EarningTotalsAsked, Page[EarningTotal], "getEarningTotals",
     "earnings", "What an owner's earnings add up to, by kind"),
    (_V, earnings.views, Nothing, ViewsState, "getViews", "earnings",
     "The views of a video that are counted, and what they brought"),
    ("/v1/creators/{creator}/videos", earnings.videos, Paged, Page[ViewsState], "listVideos",
     "earnings", "A creator's videos by name"),
    (_R, earnings.rate, Nothing, RateState, "getViewRate", "earnings",
     "What a creator gets for a thousand views"),
    (_D, earnings.missions, Paged, Page[PaidMission], "listPaidMissions", "earnings",
     "A rider's deliveries, newest first"),
    (_POLICY, earnings.policy, Nothing, EarningPolicy, "getEarningPolicy", "earnings",
     "How earnings are measured"),
    (_T, trust.score, Nothing, TrustState, "getTrust", "trust",
     "An owner's trust score and experience"),
    (f"{_T}/events", trust.history, Paged, Page[TrustLine], "listTrustEvents", "trust",
     "What led to it, newest first"),
    (_RULES, trust.rules, Nothing, TrustRules, "getTrustRules", "trust",
     "What events are worth in this book"),
)  # fmt: skip


def earning_operations(settings: Settings, threads: Threads) -> list[Operation]:
    """All of them: `admin` keys set policy and rules, owners see what is theirs."""
    writes = [
        write(settings, method, path, command, name=name, tag=tag, status=status, scope=scope,
              example=example)
        for method, path, command, name, tag, status, scope, example in _WRITES
    ]  # fmt: skip
    return [*writes, *(read(threads, *row) for row in _READS)]
