"""The operations of squads: who is in them, what they have, what they buy."""

from __future__ import annotations

from typing import Any, Final

from khata.base.paging import Page
from khata.domain import squads
from khata.domain.squads import (
    AddMember,
    Allot,
    CloseSquad,
    Contribute,
    CreateSquad,
    Forgive,
    JoinSquad,
    LeaveSquad,
    PaySquadSale,
    Purchase,
    ReturnPurchase,
    SetRole,
    SetSharing,
    WithdrawShare,
)
from khata.edge.http.operation import Operation
from khata.edge.http.reads import Nothing, Paged, read
from khata.edge.http.threads import Threads
from khata.edge.http.write import write
from khata.engine.database import View
from khata.settings import Settings

_BDT: Final = {"amount": "300.00", "currency": "BDT"}
_WHY: Final = {"reason": "Eid is over."}
_S: Final = "/v1/squads/{squad}"
_M: Final = f"{_S}/members/{{owner}}"
_P: Final = "/v1/squad-purchases/{purchase}"


class SquadsAsked(Paged, frozen=True, kw_only=True):
    """`owner`: who is, was or is invited to be a member. `status`: open, closed."""

    owner: str | None = None
    status: str | None = None


class SquadLinesAsked(Paged, frozen=True, kw_only=True):
    """`owner`: only this member's."""

    owner: str | None = None


def differences(view: View, ref: str) -> Page[squads.SquadDifference]:
    """Where its sums differ."""
    return Page(squads.check(view, ref, unassigned=True))


# path, command, operation id, status, body that works
_WRITES: Final[tuple[tuple[str, Any, str, int, Any], ...]] = (
    ("/v1/squads", CreateSquad, "createSquad", 201,
     {"ref": "eid", "title": "A goat for Eid", "leader": "alice", "currency": "BDT"}),
    (f"{_S}/members", AddMember, "addSquadMember", 201, {"owner": "bob", "role": "buyer"}),
    (f"{_S}/join", JoinSquad, "joinSquad", 200, {"owner": "bob"}),
    (f"{_S}/leave", LeaveSquad, "leaveSquad", 200, {"owner": "bob"}),
    (f"{_M}/role", SetRole, "setSquadRole", 200, {"role": "buyer"}),
    (f"{_M}/forgive", Forgive, "forgiveSquadMember", 200, {"reason": "Family."}),
    (f"{_S}/sharing", SetSharing, "setSquadSharing", 200,
     {"sharing": {"kind": "mixed", "weights": {"alice": 2}, "fixed": {"bob": "300.00"}}}),
    (f"{_S}/contributions", Contribute, "contributeToSquad", 201,
     {"amount": _BDT, "wallet": "alice/personal/BDT"}),
    (f"{_S}/withdrawals", WithdrawShare, "withdrawFromSquad", 201,
     {"amount": _BDT, "owner": "alice"}),
    (f"{_S}/purchases", Purchase, "purchaseAsSquad", 201,
     {"reference": "goat-7", "to": "bob/partner/BDT", "amount": _BDT, "cover": "leader"}),
    (f"{_S}/sales/{{sale}}/pay", PaySquadSale, "paySaleAsSquad", 201, {"buyer": "alice"}),
    (f"{_P}/returns", ReturnPurchase, "returnSquadPurchase", 201,
     {"reason": "It limps.", "amount": _BDT}),
    (f"{_S}/allot", Allot, "allotInSquad", 200, _WHY),
    (f"{_S}/close", CloseSquad, "closeSquad", 200, _WHY),
)  # fmt: skip

# path, query, parameters, what it gives, operation id, summary
_READS: Final[tuple[tuple[str, Any, Any, Any, str, str], ...]] = (
    ("/v1/squads", squads.squads, SquadsAsked, Page[squads.SquadListed], "listSquads",
     "Squads, newest first"),
    (_S, squads.squad, Nothing, squads.SquadState, "getSquad",
     "One squad, with what each member has in it"),
    (f"{_S}/lines", squads.squad_lines, SquadLinesAsked, Page[squads.SquadLineView],
     "listSquadLines", "What came to its members and went from them, newest first"),
    (f"{_S}/purchases", squads.squad_purchases, Paged, Page[squads.SquadPurchaseState],
     "listSquadPurchases", "What it bought, newest first"),
    (f"{_S}/differences", differences, Nothing, Page[squads.SquadDifference],
     "listSquadDifferences", "Where its wallet, its members' balances and their lines differ"),
    (_P, squads.squad_purchase, Nothing, squads.SquadPurchaseState, "getSquadPurchase",
     "One purchase, with everyone's part"),
)  # fmt: skip


def squad_operations(settings: Settings, threads: Threads) -> list[Operation]:
    """All of them: members act for themselves, a leader for the squad, staff for anybody."""
    writes = [
        write(settings, "POST", path, command, name=name, tag="squads", status=status,
              example=example)
        for path, command, name, status, example in _WRITES
    ]  # fmt: skip
    reads = [
        read(threads, path, query, asked, gives, name, "squads", summary)
        for path, query, asked, gives, name, summary in _READS
    ]
    return [*writes, *reads]
