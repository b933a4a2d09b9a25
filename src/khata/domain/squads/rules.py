"""How a squad shares: functions of values. Amounts in minor units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from khata.base.clock import iso_or_none, to_iso
from khata.base.money import to_minor, to_text
from khata.domain.ledger import share
from khata.domain.squads.model import (
    MOST_WEIGHT,
    Part,
    Sharing,
    SharingKind,
    Squad,
    SquadMember,
    SquadMemberState,
    SquadPartState,
    SquadPurchase,
    SquadPurchaseState,
    SquadState,
)
from khata.errors import Invalid, InvalidAmount
from khata.errors.market import SquadRefused


class Person(msgspec.Struct, frozen=True, gc=False):
    """Who shares. `fixed`: minor units, None for who has no fixed part."""

    owner: str
    weight: int = 1
    fixed: int | None = None


def parts_of(
    amount: int, kind: SharingKind, rest: str | None, people: Sequence[Person]
) -> list[int]:
    """Everyone's part of an amount, in the order of `people`; they always add up to it.

    Largest remainder; a tie goes to whoever joined first.
    Errors: `SquadRefused` with `fixed_above_amount`, `no_rest_taker` or `no_weights`.
    """
    named = kind in {"fixed", "mixed"}
    fixed = [(person.fixed or 0) if named else 0 for person in people]
    left = amount - sum(fixed)
    if left < 0:
        raise SquadRefused(
            "The fixed parts are more than the amount.",
            reason="fixed_above_amount",
            expected=amount,
            got=sum(fixed),
        )
    if not left:
        return fixed
    weights = _weights(kind, rest, people)
    if not sum(weights):
        reason = "no_rest_taker" if named else "no_weights"
        raise SquadRefused("Nobody is there to take what is left.", reason=reason, got=left)
    return [own + more for own, more in zip(fixed, share(left, weights), strict=True)]


def _weights(kind: SharingKind, rest: str | None, people: Sequence[Person]) -> list[int]:
    """With which weight each takes of what the fixed parts leave."""
    if kind == "equal":
        return [1] * len(people)
    if kind == "weights":
        return [person.weight for person in people]
    if rest is not None:
        return [int(person.owner == rest) for person in people]
    return [
        0 if person.fixed is not None else person.weight if kind == "mixed" else 1
        for person in people
    ]


def persons(sharing: Sharing, owners: Sequence[str], exponent: int) -> list[Person]:
    """Who shares, as a rule says it, in the order of `owners`.

    Errors: `Invalid` for parts that its kind does not have, or a weight out of bounds;
    `SquadRefused` (`not_a_member`) for a name that is none of `owners`; of an amount.
    """
    _check_fields(sharing)
    known = frozenset(owners)
    for name in (*sharing.weights, *sharing.fixed, *([sharing.rest] if sharing.rest else ())):
        if name not in known:
            raise SquadRefused(f"{name[:128]} is no member.", reason="not_a_member", got=name[:128])
    fixed = {name: _fixed(text, exponent) for name, text in sharing.fixed.items()}
    other = 0 if sharing.weights else 1
    return [Person(o, sharing.weights.get(o, other), fixed.get(o)) for o in owners]


def _check_fields(sharing: Sharing) -> None:
    weighed, fixed = sharing.kind in {"weights", "mixed"}, sharing.kind in {"fixed", "mixed"}
    if (sharing.weights and not weighed) or ((sharing.fixed or sharing.rest) and not fixed):
        raise Invalid(
            f"Sharing by {sharing.kind!r} has no such parts.",
            expected="`weights` with weights or mixed, `fixed` and `rest` with fixed or mixed",
            got=sharing.kind,
        )
    for weight in sharing.weights.values():
        if not 0 <= weight <= MOST_WEIGHT:
            raise Invalid("A weight is out of bounds.", expected=f"0 to {MOST_WEIGHT}", got=weight)


def _fixed(text: str, exponent: int) -> int:
    minor = to_minor(text, exponent)
    if minor < 0:
        raise InvalidAmount("A part is not below zero.", expected="zero or more", got=text[:40])
    return minor


def spread(amount: int, weights: Mapping[str, int]) -> dict[str, int]:
    """An amount shared over names by weight; those who get nothing are left out."""
    names = [name for name, weight in weights.items() if weight]
    shares = share(amount, [weights[name] for name in names])
    return {name: part for name, part in zip(names, shares, strict=True) if part}


def backs(parts: Sequence[Part], amount: int) -> dict[str, int]:
    """Who gets what of an amount that comes back, pro rata of what each paid and has not back.

    `amount` is at most the sum of that; so nobody gets back more than they paid.
    """
    return spread(amount, {part.owner: part.amount - part.back for part in parts})


def missing(wanted: Mapping[str, int], free: Mapping[str, int]) -> dict[str, int]:
    """What each lacks of what is wanted of them."""
    lacks = {owner: part - max(free[owner], 0) for owner, part in wanted.items()}
    return {owner: lack for owner, lack in lacks.items() if lack > 0}


# ── as callers are told of it ────────────────────────────────────────────────────────


def member_state(
    squad: Squad, member: SquadMember, *, own: bool = True, entry: str | None = None
) -> SquadMemberState:
    """The member as callers are told of them; `own`: they may see the wallet too."""

    def text(minor: int) -> str:
        return to_text(minor, squad.exponent)

    return SquadMemberState(
        member.squad,
        member.owner,
        member.role,
        member.status,
        member.wallet if own else None,
        member.weight,
        None if member.fixed is None else text(member.fixed),
        text(member.balance),
        text(max(member.free, 0)),
        text(max(-member.balance, 0)),
        text(member.covers),
        text(member.contributed),
        text(member.spent),
        text(member.refunded),
        text(member.withdrawn),
        squad.unit,
        iso_or_none(member.joined_at),
        iso_or_none(member.left_at),
        entry,
    )


def squad_state(
    squad: Squad, members: Sequence[SquadMember], balance: int, seer: str | None
) -> SquadState:
    """The squad as callers are told of it. `balance`: of its wallet, minor units. `seer`: the
    owner who is told; others' wallets are not theirs to see.
    """
    shown = sorted(members, key=lambda member: (member.place, member.owner))
    unassigned = balance - sum(member.balance for member in members)
    return SquadState(
        squad.ref,
        squad.title,
        squad.leader,
        squad.status,
        squad.joining,
        squad.sharing,
        squad.rest,
        squad.wallet,
        to_text(balance, squad.exponent),
        to_text(unassigned, squad.exponent),
        squad.unit,
        [member_state(squad, member, own=seer in {None, member.owner}) for member in shown],
        squad.reason,
        to_iso(squad.created_at),
        iso_or_none(squad.closed_at),
    )


def purchase_state(purchase: SquadPurchase) -> SquadPurchaseState:
    """The purchase as callers are told of it."""
    places = purchase.exponent
    return SquadPurchaseState(
        purchase.id,
        purchase.squad,
        purchase.reference,
        purchase.paid_to,
        purchase.sale,
        purchase.status,
        to_text(purchase.amount, places),
        to_text(purchase.returned, places),
        purchase.unit,
        [
            SquadPartState(part.owner, to_text(part.amount, places), to_text(part.back, places))
            for part in purchase.parts
        ],
        purchase.entries,
        purchase.made_by,
        to_iso(purchase.created_at),
    )
