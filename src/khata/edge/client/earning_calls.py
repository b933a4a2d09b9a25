"""Calls about earnings and trust."""

from __future__ import annotations

from collections.abc import Mapping

from khata.base.money import Money
from khata.base.paging import Page
from khata.domain.earnings import (
    EarningPolicy,
    EarningsPaid,
    EarningState,
    EarningTotal,
    PaidMission,
    RateState,
    ViewsCounted,
    ViewsState,
)
from khata.domain.trust import Award, TrustLine, TrustRules, TrustState, Worth
from khata.edge.client.answers import Receipt
from khata.edge.client.call import Call, asked, path_of, write

# ── creators ─────────────────────────────────────────────────────────────────────────


def set_view_rate(
    creator: str, per_thousand: Money, *, key: str | None = None, dry_run: bool = False
) -> Call[Receipt[RateState]]:
    """Agree with a creator on the price of a thousand views."""
    path = path_of("creators", creator, "view-rate")
    return write(Receipt[RateState], path, {"per_thousand": per_thousand}, key, dry_run=dry_run)


def view_rate(creator: str) -> Call[RateState]:
    """What a creator gets for a thousand views."""
    return Call("GET", path_of("creators", creator, "view-rate"), RateState)


def count_views(
    video: str,
    creator: str,
    total: int,
    *,
    wallet: str | None = None,
    key: str | None = None,
    dry_run: bool = False,
) -> Call[Receipt[ViewsCounted]]:
    """Pay the views of a video that are new. `total`: all that it ever had."""
    body = {"creator": creator, "total": total, "wallet": wallet}
    path = path_of("videos", video, "views")
    return write(Receipt[ViewsCounted], path, body, key, dry_run=dry_run)


def views(video: str) -> Call[ViewsState]:
    """The views of a video that are counted, and what they brought."""
    return Call("GET", path_of("videos", video, "views"), ViewsState)


def videos(creator: str, *, limit: int = 100) -> Call[Page[ViewsState]]:
    """A creator's videos by name."""
    path = path_of("creators", creator, "videos")
    return Call("GET", path, Page[ViewsState], asked({"limit": limit}))


def give_bonus(
    bonus: str,
    owner: str,
    reference: str,
    *,
    amount: Money | None = None,
    wallet: str | None = None,
    key: str | None = None,
    dry_run: bool = False,
) -> Call[Receipt[EarningsPaid]]:
    """Reward somebody, once for each reference; without an amount what the policy says."""
    body = {"bonus": bonus, "owner": owner, "reference": reference, "amount": amount,
            "wallet": wallet}  # fmt: skip
    return write(Receipt[EarningsPaid], path_of("bonuses"), body, key, dry_run=dry_run)


# ── riders ───────────────────────────────────────────────────────────────────────────


def pay_delivery(
    rider: str,
    reference: str,
    fee: Money,
    *,
    fee_is_paid: bool = False,
    haggled: bool = False,
    chain: str | None = None,
    delivered_at: str | None = None,
    wallet: str | None = None,
    key: str | None = None,
    dry_run: bool = False,
) -> Call[Receipt[EarningsPaid]]:
    """Pay a rider a delivery with the bonuses that the policy has for it."""
    body = {"reference": reference, "fee": fee, "fee_is_paid": fee_is_paid, "haggled": haggled,
            "chain": chain, "delivered_at": delivered_at, "wallet": wallet}  # fmt: skip
    path = path_of("riders", rider, "deliveries")
    return write(Receipt[EarningsPaid], path, body, key, dry_run=dry_run)


def paid_missions(rider: str, *, limit: int = 100) -> Call[Page[PaidMission]]:
    """A rider's deliveries, newest first."""
    path = path_of("riders", rider, "deliveries")
    return Call("GET", path, Page[PaidMission], asked({"limit": limit}))


# ── all earnings, and how they are measured ──────────────────────────────────────────


def earnings(
    *,
    owner: str | None = None,
    kind: str | None = None,
    since: str | None = None,
    limit: int = 100,
) -> Call[Page[EarningState]]:
    """What was paid to creators and riders, newest first. `since`: ISO 8601, included."""
    query = {"owner": owner, "kind": kind, "since": since, "limit": limit}
    return Call("GET", path_of("earnings"), Page[EarningState], asked(query))


def earning_totals(
    owner: str | None = None, *, since: str | None = None
) -> Call[Page[EarningTotal]]:
    """What an owner's earnings add up to, by kind; an owner may leave themselves out."""
    query = {"owner": owner, "since": since}
    return Call("GET", path_of("earnings", "totals"), Page[EarningTotal], asked(query))


def set_earning_policy(
    policy: EarningPolicy, *, key: str | None = None, dry_run: bool = False
) -> Call[Receipt[EarningPolicy]]:
    """Say how earnings are measured from now on."""
    body = {"policy": policy}
    return write(Receipt[EarningPolicy], path_of("earning-policy"), body, key, dry_run=dry_run)


def earning_policy() -> Call[EarningPolicy]:
    """How earnings are measured."""
    return Call("GET", path_of("earning-policy"), EarningPolicy)


# ── trust ────────────────────────────────────────────────────────────────────────────


def record_trust_event(
    owner: str, event: str, reference: str, *, key: str | None = None, dry_run: bool = False
) -> Call[Receipt[Award]]:
    """Tell of something an owner did, which earns experience and trust, or costs it."""
    body = {"event": event, "reference": reference}
    return write(Receipt[Award], path_of("trust", owner, "events"), body, key, dry_run=dry_run)


def trust(owner: str) -> Call[TrustState]:
    """An owner's trust score and experience."""
    return Call("GET", path_of("trust", owner), TrustState)


def trust_events(owner: str, *, limit: int = 100) -> Call[Page[TrustLine]]:
    """What led to it, newest first."""
    path = path_of("trust", owner, "events")
    return Call("GET", path, Page[TrustLine], asked({"limit": limit}))


def set_trust_rules(
    events: Mapping[str, Worth], *, key: str | None = None, dry_run: bool = False
) -> Call[Receipt[TrustRules]]:
    """Say what events are worth; what is not named is worth what is built in."""
    body = {"events": dict(events)}
    return write(Receipt[TrustRules], path_of("trust-rules"), body, key, dry_run=dry_run)


def trust_rules() -> Call[TrustRules]:
    """What events are worth in this book."""
    return Call("GET", path_of("trust-rules"), TrustRules)
