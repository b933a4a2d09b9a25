"""Squads: people who buy together out of one wallet, and what each of them has in it."""

from khata.domain.squads.buying import PaySquadSale, Purchase, ReturnPurchase
from khata.domain.squads.commands import (
    AddMember,
    CloseSquad,
    CreateSquad,
    JoinSquad,
    LeaveSquad,
    SetRole,
    SetSharing,
)
from khata.domain.squads.model import (
    Sharing,
    Squad,
    SquadLine,
    SquadMember,
    SquadMemberState,
    SquadPartState,
    SquadPurchase,
    SquadPurchaseState,
    SquadState,
    owner_of,
)
from khata.domain.squads.moving import Allot, Contribute, Forgive, WithdrawShare
from khata.domain.squads.queries import (
    SquadDifference,
    SquadLineView,
    SquadListed,
    check,
    squad,
    squad_lines,
    squad_purchase,
    squad_purchases,
    squads,
)
from khata.domain.squads.verbs import VERBS

__all__ = [
    "VERBS",
    "AddMember",
    "Allot",
    "CloseSquad",
    "Contribute",
    "CreateSquad",
    "Forgive",
    "JoinSquad",
    "LeaveSquad",
    "PaySquadSale",
    "Purchase",
    "ReturnPurchase",
    "SetRole",
    "SetSharing",
    "Sharing",
    "Squad",
    "SquadDifference",
    "SquadLine",
    "SquadLineView",
    "SquadListed",
    "SquadMember",
    "SquadMemberState",
    "SquadPartState",
    "SquadPurchase",
    "SquadPurchaseState",
    "SquadState",
    "WithdrawShare",
    "check",
    "owner_of",
    "squad",
    "squad_lines",
    "squad_purchase",
    "squad_purchases",
    "squads",
]
