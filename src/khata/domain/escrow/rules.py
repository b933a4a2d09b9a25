"""How escrows are shared, released and given back: functions of values.

Rounding is the ledger's everywhere: shares are rounded down, the minor units left over go one
each to those who lost most by it, a tie to whoever stands first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from khata.base.clock import iso_or_none, to_iso
from khata.base.money import to_text
from khata.domain.escrow.model import (
    Escrow,
    EscrowState,
    EscrowStatus,
    Giver,
    Leg,
    LegState,
    Policy,
    Step,
    StepState,
)
from khata.domain.ledger import ROOTS, share
from khata.errors import Invalid, RefundExceeded
from khata.errors.market import ReleaseExceeded

_replace = msgspec.structs.replace


def is_house(leg: Leg) -> bool:
    """Whether a leg is the house's own: its commission, or the tax on it."""
    return leg.to is not None and leg.to.partition("/")[0] in ROOTS


def receiving(legs: Sequence[Leg]) -> list[str]:
    """The owners of the wallets that receive: the first word of their path."""
    return [owner for leg in legs if (owner := owner_of(leg)) is not None]


def owner_of(leg: Leg) -> str | None:
    """Whose the wallet is that receives: the first word of its path. None for the house."""
    return None if leg.to is None or is_house(leg) else leg.to.partition("/")[0]


def status_of(legs: Sequence[Leg]) -> EscrowStatus:
    """The status that follows from the legs."""
    if all(leg.left == 0 for leg in legs):
        return "refunded"
    if any(leg.held for leg in legs):
        return "partly_released" if any(leg.received for leg in legs) else "held"
    return "released"


# ── releasing ────────────────────────────────────────────────────────────────────────


def releases(
    escrow: Escrow, amount: int | None = None, names: Sequence[str] | None = None
) -> list[int]:
    """What a release gives to each leg, minor units.

    `names`: only these legs. `amount`: only so much, shared by what each has in escrow. Left out,
    a leg whose receiver is not known yet keeps waiting.

    Errors: `Invalid` for a leg that is not there or has no receiver; `ReleaseExceeded`.
    """
    check_names(escrow.legs, names or ())
    chosen = [
        leg.held if (leg.to is not None if names is None else leg.name in names) else 0
        for leg in escrow.legs
    ]
    for leg in escrow.legs:
        if names and leg.name in names and leg.to is None:
            raise Invalid(
                f"Nobody is known yet to receive {leg.name!r}.", expected="a receiver", got=None
            )
    there = sum(chosen)
    if amount is None and there:
        return chosen
    if not there or (amount or 0) > there:
        raise ReleaseExceeded(
            f"{escrow.account} has {to_text(there, escrow.exponent)} {escrow.unit} to release.",
            expected=to_text(there, escrow.exponent),
            got=None if amount is None else to_text(amount, escrow.exponent),
            currency=escrow.unit,
        )
    return share(amount or 0, chosen)


def released(legs: Sequence[Leg], parts: Sequence[int]) -> list[Leg]:
    """The legs after each received its part."""
    return [
        _replace(leg, received=leg.received + part) if part else leg
        for leg, part in zip(legs, parts, strict=True)
    ]


def check_names(legs: Sequence[Leg], names: Sequence[str]) -> None:
    """Whether there are legs of these names. Errors: `Invalid`."""
    known = [leg.name for leg in legs]
    for name in names:
        if name not in known:
            raise Invalid(f"No leg is called {name[:60]!r}.", expected=known, got=name[:60])


# ── refunding ────────────────────────────────────────────────────────────────────────


def caps(legs: Sequence[Leg], policy: Policy, named: Sequence[str] = ()) -> list[int]:
    """What each leg may have to give under a policy, at most.

    Under `keep_fee` the house gives nothing. What came on top, such as a delivery fee, is not
    taken from who has earned it, unless it is named.
    """
    most = []
    for leg in legs:
        can = leg.left
        if policy == "named":
            can = can if leg.name in named else 0
        elif policy == "keep_fee" and is_house(leg):
            can = 0
        elif leg.extra:
            can = leg.held
        most.append(can)
    return most


def refund_parts(
    escrow: Escrow, amount: int, policy: Policy, named: Mapping[str, int] | None = None
) -> list[int]:
    """What each leg gives of a refund, minor units: never more than it has of its share.

    `pro_rata`: by what each has left. `platform_first`: the house as far as it goes, then the
    others by what they have left. `keep_fee`: the others only. `named`: as `named` says. What came
    on top gives only when all else is exhausted.

    Errors: `RefundExceeded`; `Invalid` for names that are not there or do not add up.
    """
    legs = escrow.legs
    if policy == "named":
        return _named(escrow, amount, named or {})
    most = caps(legs, policy)
    if amount > sum(most):
        raise exceeded(escrow, sum(most), amount)
    groups = [
        [can if is_house(leg) and not leg.extra else 0 for leg, can in zip(legs, most, strict=True)]
        if policy == "platform_first"
        else [0] * len(legs),
        [0 if leg.extra else can for leg, can in zip(legs, most, strict=True)],
        most,
    ]
    given = [0] * len(legs)
    for group in groups:
        rest = amount - sum(given)
        weights = [can - part for can, part in zip(group, given, strict=True)]
        weights = [max(weight, 0) for weight in weights]
        if rest and any(weights):
            more = share(min(rest, sum(weights)), weights)
            given = [part + add for part, add in zip(given, more, strict=True)]
    return given


def _named(escrow: Escrow, amount: int, named: Mapping[str, int]) -> list[int]:
    check_names(escrow.legs, list(named))
    if sum(named.values()) != amount or any(part < 0 for part in named.values()):
        raise Invalid(
            "The named legs do not add up to what is given back.",
            expected=to_text(amount, escrow.exponent),
            got=to_text(sum(named.values()), escrow.exponent),
        )
    for leg in escrow.legs:
        if named.get(leg.name, 0) > leg.left:
            raise exceeded(escrow, leg.left, named[leg.name], leg.name)
    return [named.get(leg.name, 0) for leg in escrow.legs]


def charged_back(escrow: Escrow) -> int:
    """What legs gave of what the payer took back through their bank, minor units."""
    return sum(step.amount for step in escrow.steps if step.kind == "charged_back")


def exceeded(escrow: Escrow, left: int, wanted: int, leg: str | None = None) -> RefundExceeded:
    """The error of a refund above what there is to give back."""
    what = f"The leg {leg} of {escrow.ref}" if leg else escrow.ref
    return RefundExceeded(
        f"{what} has {to_text(left, escrow.exponent)} {escrow.unit} left to refund.",
        expected=to_text(left, escrow.exponent),
        got=to_text(wanted, escrow.exponent),
        currency=escrow.unit,
    )


def support_back(escrow: Escrow, refund: int) -> list[int]:
    """What each giver gets back beside a refund to the payer: in the same proportion.

    Counted on all that was refunded so far, so that in the end it is exactly all.
    """
    if not escrow.paid:
        return [giver.amount - giver.returned for giver in escrow.givers]
    return [
        max(giver.amount * (escrow.refunded + refund) // escrow.paid - giver.returned, 0)
        for giver in escrow.givers
    ]  # never less than nothing: a refund that was restored may have had a minor unit more


def most_refundable(escrow: Escrow, policy: Policy) -> int:
    """The most that the payer can get back under a policy, minor units."""
    there = sum(caps(escrow.legs, policy))
    most = escrow.paid - escrow.refunded
    if not escrow.givers:
        return min(most, there)
    low, high = 0, most
    while low < high:  # what the givers get grows with it, so the bound is searched for
        middle = (low + high + 1) // 2
        fits = middle + sum(support_back(escrow, middle)) <= there
        low, high = (middle, high) if fits else (low, middle - 1)
    return low


def given_back(
    legs: Sequence[Leg], parts: Sequence[int], owed: Sequence[int]
) -> tuple[list[Leg], int]:
    """The legs after each gave its part, and how much of it all came out of escrow.

    What was not released yet is given first. `owed`: what of its part each has no more.
    """
    changed, out = [], 0
    for leg, part, debt in zip(legs, parts, owed, strict=True):
        waived = min(part, leg.held)
        out += waived
        changed.append(
            _replace(
                leg,
                waived=leg.waived + waived,
                returned=leg.returned + part - waived,
                owed=leg.owed + debt,
            )
        )
    return changed, out


def again(gave: Sequence[int], undone: Sequence[Step], total: int) -> list[int]:
    """What each leg has again, of `total`, when refunds came to nothing: what it gave of those,
    and by all that it gave (`gave`) where that is not known, or is not the whole.
    """
    given = [sum(parts) for parts in zip(*(step.parts for step in undone), strict=True)]
    most = [min(part, all_of_it) for part, all_of_it in zip(given, gave, strict=bool(given))]
    most = most or [0] * len(gave)
    first = share(min(total, sum(most)), most) if total and any(most) else [0] * len(gave)
    left = [all_of_it - part for all_of_it, part in zip(gave, first, strict=True)]
    rest = total - sum(first)
    more = share(rest, left) if rest else [0] * len(gave)
    return [part + add for part, add in zip(first, more, strict=True)]


def restored(leg: Leg, part: int) -> Leg:
    """A leg after what it gave came back to nothing: it is in escrow for it again.

    What it gave before it had received it is held as before; what it gave after is held anew.
    """
    waived = min(part, leg.waived)
    back = part - waived
    return _replace(
        leg,
        waived=leg.waived - waived,
        received=leg.received - back,
        returned=leg.returned - back,
    )


def givers_after(givers: Sequence[Giver], parts: Sequence[int]) -> list[Giver]:
    """The givers after each got its part back."""
    return [
        _replace(giver, returned=giver.returned + part)
        for giver, part in zip(givers, parts, strict=True)
    ]


# ── showing ──────────────────────────────────────────────────────────────────────────


def state_of(escrow: Escrow, since: int = 0) -> EscrowState:
    """The escrow as its caller is told of it; its history only from so many steps on."""
    places = escrow.exponent
    return EscrowState(
        ref=escrow.ref,
        status=escrow.status,
        owner=escrow.owner,
        payer=escrow.payer,
        payment=escrow.payment,
        currency=escrow.unit,
        amount=to_text(escrow.amount, places),
        paid=to_text(escrow.paid, places),
        held=to_text(sum(leg.held for leg in escrow.legs), places),
        refunded=to_text(escrow.refunded, places),
        legs=[_leg(leg, places) for leg in escrow.legs],
        rule=escrow.rule,
        rule_version=escrow.version,
        release_on=escrow.on,
        release_days=escrow.days,
        dispute=escrow.dispute,
        history=[
            StepState(
                step.kind,
                step.by,
                to_iso(step.at),
                to_text(step.amount, places),
                step.reason,
                step.entries,
            )
            for step in escrow.steps[since:]
        ],
        saga=escrow.saga,
        funded_at=to_iso(escrow.funded_at),
        delivered_at=iso_or_none(escrow.delivered_at),
    )


def _leg(leg: Leg, places: int) -> LegState:
    return LegState(
        leg.name,
        leg.to,
        to_text(leg.share, places),
        to_text(leg.held, places),
        to_text(leg.received, places),
        to_text(leg.returned, places),
        to_text(leg.owed, places),
    )
