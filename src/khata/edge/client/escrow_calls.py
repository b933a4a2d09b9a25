"""Calls about escrows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from khata.base.money import Money
from khata.base.paging import Page
from khata.domain.escrow import EscrowState, Frozen, On, Policy, Receiver, Unheld
from khata.edge.client.answers import Receipt
from khata.edge.client.call import Call, asked, path_of, write


def fund_escrow(
    ref: str,
    amount: Money | None = None,
    *,
    wallet: str | None = None,
    hold: str | None = None,
    receivers: Sequence[Receiver] | None = None,
    parties: Mapping[str, str] | None = None,
    source: str = "order",
    category: str | None = None,
    partner: str | None = None,
    release_on: On = "request",
    release_days: int = 0,
    key: str | None = None,
    dry_run: bool = False,
) -> Call[Receipt[EscrowState]]:
    """Put money in escrow, out of a wallet or by capturing a hold. Who receives it is listed, or
    follows from the commission rule in force; `parties`: whose wallet each of its roles is.
    """
    body = {"ref": ref, "amount": amount, "wallet": wallet, "hold": hold, "receivers": receivers,
            "parties": parties, "source": source, "category": category, "partner": partner,
            "release_on": release_on, "release_days": release_days}  # fmt: skip
    return write(Receipt[EscrowState], path_of("escrows"), body, key, dry_run=dry_run)


def escrow(ref: str) -> Call[EscrowState]:
    """One escrow."""
    return Call("GET", path_of("escrows", ref), EscrowState)


def escrows(
    *, owner: str | None = None, status: str | None = None, limit: int = 100
) -> Call[Page[EscrowState]]:
    """Escrows, newest first. `owner`: who paid."""
    query = {"owner": owner, "status": status, "limit": limit}
    return Call("GET", path_of("escrows"), Page[EscrowState], asked(query))


def unexplained_escrows() -> Call[Page[Unheld]]:
    """Escrows whose account has not what their legs hold."""
    return Call("GET", path_of("unexplained-escrows"), Page[Unheld])


def release_escrow(
    ref: str,
    reason: str,
    *,
    amount: Money | None = None,
    legs: Sequence[str] | None = None,
    key: str | None = None,
    dry_run: bool = False,
) -> Call[Receipt[EscrowState]]:
    """Give receivers what is theirs: all, only so much, or only some legs."""
    body = {"reason": reason, "amount": amount, "legs": legs}
    path = path_of("escrows", ref, "release")
    return write(Receipt[EscrowState], path, body, key, dry_run=dry_run)


def refund_escrow(
    ref: str,
    reason: str,
    *,
    amount: Money | None = None,
    policy: Policy = "pro_rata",
    named: Mapping[str, Money] | None = None,
    frozen: Frozen = "refuse",
    key: str | None = None,
    dry_run: bool = False,
) -> Call[Receipt[EscrowState]]:
    """Give back to who paid, released or not; without an amount all that the policy leaves."""
    body = {"reason": reason, "amount": amount, "policy": policy, "named": named,
            "frozen": frozen}  # fmt: skip
    path = path_of("escrows", ref, "refunds")
    return write(Receipt[EscrowState], path, body, key, dry_run=dry_run)


def confirm_escrow_delivery(
    ref: str, reason: str, *, key: str | None = None
) -> Call[Receipt[EscrowState]]:
    """What was paid for has arrived: from now on the days until its release count."""
    path = path_of("escrows", ref, "delivered")
    return write(Receipt[EscrowState], path, {"reason": reason}, key)


def dispute_escrow(ref: str, reason: str, *, key: str | None = None) -> Call[Receipt[EscrowState]]:
    """Somebody disagrees: nothing is released until it is settled."""
    path = path_of("escrows", ref, "dispute")
    return write(Receipt[EscrowState], path, {"reason": reason}, key)


def settle_escrow_dispute(
    ref: str, reason: str, *, key: str | None = None
) -> Call[Receipt[EscrowState]]:
    """The disagreement is settled."""
    path = path_of("escrows", ref, "settle")
    return write(Receipt[EscrowState], path, {"reason": reason}, key)
