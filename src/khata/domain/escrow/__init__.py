"""Escrow: money between who pays and those who receive, released and given back by rules."""

from khata.domain.escrow.commands import (
    VERBS,
    ConfirmDelivery,
    DisputeEscrow,
    FundEscrow,
    Receiver,
    RefundEscrow,
    ReleaseEscrow,
    SettleDispute,
    back_of,
)
from khata.domain.escrow.following import follow
from khata.domain.escrow.holding import (
    Terms,
    assign,
    begin,
    check_terms,
    checked_legs,
    delivered,
    legs_by_rule,
    noted,
    release,
    topic,
)
from khata.domain.escrow.model import Escrow, EscrowState, Giver, Leg, LegState, On, Policy
from khata.domain.escrow.queries import Unheld, escrow, escrows, unexplained
from khata.domain.escrow.refunding import Back, Frozen, refund
from khata.domain.escrow.rules import charged_back, receiving, state_of
from khata.domain.escrow.sagas import PATIENT, SAGAS

__all__ = [
    "PATIENT",
    "SAGAS",
    "VERBS",
    "Back",
    "ConfirmDelivery",
    "DisputeEscrow",
    "Escrow",
    "EscrowState",
    "Frozen",
    "FundEscrow",
    "Giver",
    "Leg",
    "LegState",
    "On",
    "Policy",
    "Receiver",
    "RefundEscrow",
    "ReleaseEscrow",
    "SettleDispute",
    "Terms",
    "Unheld",
    "assign",
    "back_of",
    "begin",
    "charged_back",
    "check_terms",
    "checked_legs",
    "delivered",
    "escrow",
    "escrows",
    "follow",
    "legs_by_rule",
    "noted",
    "receiving",
    "refund",
    "release",
    "state_of",
    "topic",
    "unexplained",
]
