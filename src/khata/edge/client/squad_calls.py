"""Calls about squads."""

from __future__ import annotations

from khata.base.money import Money
from khata.base.paging import Page
from khata.domain.squads import (
    Sharing,
    SquadDifference,
    SquadLineView,
    SquadListed,
    SquadMemberState,
    SquadPurchaseState,
    SquadState,
)
from khata.edge.client.answers import Receipt
from khata.edge.client.call import Call, Json, asked, path_of, write

# ── who is in it ─────────────────────────────────────────────────────────────────────


def create_squad(
    ref: str,
    title: str,
    leader: str,
    currency: str,
    *,
    sharing: Sharing | None = None,
    joining: str = "invited",
    wallet: str | None = None,
    key: str | None = None,
) -> Call[Receipt[SquadState]]:
    """Bring a squad into being. `joining`: `invited` or `anyone`."""
    body = {"ref": ref, "title": title, "leader": leader, "currency": currency,
            "sharing": sharing or Sharing(), "joining": joining, "wallet": wallet}  # fmt: skip
    return write(Receipt[SquadState], path_of("squads"), body, key)


def squad(ref: str) -> Call[SquadState]:
    """One squad, with what each member has in it."""
    return Call("GET", path_of("squads", ref), SquadState)


def squads(
    *, owner: str | None = None, status: str | None = None, limit: int = 100
) -> Call[Page[SquadListed]]:
    """Squads, newest first."""
    query = {"owner": owner, "status": status, "limit": limit}
    return Call("GET", path_of("squads"), Page[SquadListed], asked(query))


def add_squad_member(
    ref: str,
    owner: str,
    *,
    role: str = "member",
    wallet: str | None = None,
    key: str | None = None,
) -> Call[Receipt[SquadMemberState]]:
    """Invite somebody as the leader; as staff, make them a member."""
    return _member(ref, "members", {"owner": owner, "role": role, "wallet": wallet}, key)


def join_squad(
    ref: str, *, owner: str | None = None, wallet: str | None = None, key: str | None = None
) -> Call[Receipt[SquadMemberState]]:
    """Take up an invitation, or join a squad that anyone may join."""
    return _member(ref, "join", {"owner": owner, "wallet": wallet}, key)


def leave_squad(
    ref: str, *, owner: str | None = None, wallet: str | None = None, key: str | None = None
) -> Call[Receipt[SquadMemberState]]:
    """Leave it; what is theirs goes to their wallet."""
    return _member(ref, "leave", {"owner": owner, "wallet": wallet}, key)


def set_squad_role(
    ref: str, owner: str, role: str, *, key: str | None = None
) -> Call[Receipt[SquadState]]:
    """Make a member `buyer` or `member`, or hand the squad over to a `leader`."""
    path = path_of("squads", ref, "members", owner, "role")
    return write(Receipt[SquadState], path, {"role": role}, key)


def set_squad_sharing(
    ref: str, sharing: Sharing, *, key: str | None = None
) -> Call[Receipt[SquadState]]:
    """Say how purchases are shared from now on."""
    path = path_of("squads", ref, "sharing")
    return write(Receipt[SquadState], path, {"sharing": sharing}, key)


def close_squad(ref: str, reason: str, *, key: str | None = None) -> Call[Receipt[SquadState]]:
    """Pay everyone what is theirs, and end it."""
    return write(Receipt[SquadState], path_of("squads", ref, "close"), {"reason": reason}, key)


def _member(
    ref: str, path: str, body: Json, key: str | None, *, dry_run: bool = False
) -> Call[Receipt[SquadMemberState]]:
    where = path_of("squads", ref, path)
    return write(Receipt[SquadMemberState], where, body, key, dry_run=dry_run)


# ── money ────────────────────────────────────────────────────────────────────────────


def contribute_to_squad(
    ref: str,
    amount: Money,
    *,
    wallet: str | None = None,
    owner: str | None = None,
    key: str | None = None,
    dry_run: bool = False,
) -> Call[Receipt[SquadMemberState]]:
    """Put money of a member's own wallet into the squad's."""
    body = {"amount": amount, "wallet": wallet, "owner": owner}
    return _member(ref, "contributions", body, key, dry_run=dry_run)


def withdraw_from_squad(
    ref: str,
    amount: Money,
    *,
    owner: str | None = None,
    wallet: str | None = None,
    key: str | None = None,
    dry_run: bool = False,
) -> Call[Receipt[SquadMemberState]]:
    """Take what is a member's into their own wallet."""
    body = {"amount": amount, "owner": owner, "wallet": wallet}
    return _member(ref, "withdrawals", body, key, dry_run=dry_run)


def purchase_as_squad(
    ref: str,
    reference: str,
    to: str,
    amount: Money,
    *,
    sharing: Sharing | None = None,
    cover: str = "refuse",
    source: str = "order",
    key: str | None = None,
    dry_run: bool = False,
) -> Call[Receipt[SquadPurchaseState]]:
    """Pay for something out of its wallet, everyone by their part."""
    body = {"reference": reference, "to": to, "amount": amount, "sharing": sharing,
            "cover": cover, "source": source}  # fmt: skip
    path = path_of("squads", ref, "purchases")
    return write(Receipt[SquadPurchaseState], path, body, key, dry_run=dry_run)


def pay_sale_as_squad(
    ref: str,
    sale: str,
    buyer: str,
    *,
    sharing: Sharing | None = None,
    cover: str = "refuse",
    key: str | None = None,
    dry_run: bool = False,
) -> Call[Receipt[SquadPurchaseState]]:
    """Pay a sale that was placed for the squad."""
    body = {"buyer": buyer, "sharing": sharing, "cover": cover}
    path = path_of("squads", ref, "sales", sale, "pay")
    return write(Receipt[SquadPurchaseState], path, body, key, dry_run=dry_run)


def return_squad_purchase(
    name: str,
    reason: str,
    *,
    amount: Money | None = None,
    arrived: bool = False,
    key: str | None = None,
    dry_run: bool = False,
) -> Call[Receipt[SquadPurchaseState]]:
    """Give money of a purchase back to those who paid it."""
    body = {"reason": reason, "amount": amount, "arrived": arrived}
    path = path_of("squad-purchases", name, "returns")
    return write(Receipt[SquadPurchaseState], path, body, key, dry_run=dry_run)


def forgive_squad_member(
    ref: str, owner: str, reason: str, *, key: str | None = None
) -> Call[Receipt[SquadMemberState]]:
    """Give a member what they owe, out of what the leader has."""
    path = path_of("squads", ref, "members", owner, "forgive")
    return write(Receipt[SquadMemberState], path, {"reason": reason}, key)


def allot_in_squad(
    ref: str, reason: str, *, owner: str | None = None, key: str | None = None
) -> Call[Receipt[SquadState]]:
    """Give members what came into the wallet past the squad, or take from them what left."""
    body = {"reason": reason, "owner": owner}
    return write(Receipt[SquadState], path_of("squads", ref, "allot"), body, key)


def squad_lines(
    ref: str, *, owner: str | None = None, limit: int = 100
) -> Call[Page[SquadLineView]]:
    """What came to its members and went from them, newest first."""
    query = {"owner": owner, "limit": limit}
    return Call("GET", path_of("squads", ref, "lines"), Page[SquadLineView], asked(query))


def squad_purchases(ref: str, *, limit: int = 100) -> Call[Page[SquadPurchaseState]]:
    """What it bought, newest first."""
    path = path_of("squads", ref, "purchases")
    return Call("GET", path, Page[SquadPurchaseState], {"limit": limit})


def squad_purchase(name: str) -> Call[SquadPurchaseState]:
    """One purchase, with everyone's part."""
    return Call("GET", path_of("squad-purchases", name), SquadPurchaseState)


def squad_differences(ref: str) -> Call[Page[SquadDifference]]:
    """Where its wallet, its members' balances and their lines differ."""
    return Call("GET", path_of("squads", ref, "differences"), Page[SquadDifference])
