"""Finding squads and their members, and keeping what each member has in the wallet.

The one rule of this room: the balances of a squad's members add up to the balance of its wallet.
`write_line` is the only function that changes a balance, and every caller of it moves as much
money in the same command, or as much from one member to another.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from khata.base.money import to_text
from khata.domain.ledger import account_of
from khata.domain.squads.model import LineKind, Squad, SquadLine, SquadMember, SquadState
from khata.domain.squads.rules import missing, squad_state
from khata.engine.accounts import Account
from khata.engine.book import Book
from khata.errors import CurrencyMismatch, Invalid, NotFound, NotYours, RoleRequired
from khata.errors.market import SquadNotFound, SquadRefused

_TOTALS: Final = {
    "contribution": ("contributed", 1),
    "purchase": ("spent", -1),
    "refund": ("refunded", 1),
    "withdrawal": ("withdrawn", -1),
    "settlement": ("withdrawn", -1),
}
"""Kind of line → the total of the member that it counts in, and its sign there."""
_MOST_TOTAL: Final = 2**63 - 1
"""What goes in and out often enough passes what a column holds: a total stays there, and stands in
nobody's way out."""


# ── finding ──────────────────────────────────────────────────────────────────────────


def squad_of(book: Book, ref: str, *, joining: bool = False) -> Squad:
    """A squad that the actor may know of: an owner who is, was or is invited to be a member.

    `joining`: an owner may also ask for one that anyone may join.
    Errors: `NotYours` for other owners, whether it exists or not; `SquadNotFound`.
    """
    squad, owner = book.peek(Squad, ref), book.actor.owner
    if owner is not None:
        known = squad is not None and (
            book.peek(SquadMember, (ref, owner)) is not None
            or (joining and squad.joining == "anyone")
        )
        if squad is None or not known:
            raise not_yours(owner)
    if squad is None:
        raise SquadNotFound(f"No squad {ref[:100]!r}.", got=ref[:100])
    return squad


def open_squad(book: Book, ref: str, *, joining: bool = False) -> Squad:
    """As `squad_of`, for what a closed squad does no more. Errors: `SquadRefused` (`closed`)."""
    squad = squad_of(book, ref, joining=joining)
    if squad.status != "open":
        raise SquadRefused(f"{ref} is closed.", reason="closed")
    return squad


def people(book: Book, squad: Squad, *, all_open: bool = False) -> list[SquadMember]:
    """The active members in the order of joining; `all_open`: also who is invited, or left and
    still has money in it.
    """
    found = book.find(SquadMember, open_squad=squad.ref)
    wanted = [member for member in found if all_open or member.status == "active"]
    return sorted(wanted, key=lambda member: member.place)


def active(book: Book, squad: Squad, owner: str) -> SquadMember:
    """An active member. Errors: `SquadRefused` (`not_a_member`)."""
    member = book.peek(SquadMember, (squad.ref, owner))
    if member is None or member.status != "active":
        raise SquadRefused(
            f"{owner[:128]} is no active member.", reason="not_a_member", got=owner[:128]
        )
    return member


def meant(book: Book, owner: str | None) -> str:
    """Who is meant: the owner who acts, or whom others name.

    Errors: `NotYours` for an owner who names another; `Invalid` where nobody is named.
    """
    acting = book.actor.owner
    if acting is not None and owner not in {None, acting}:
        raise not_yours(acting)
    found = acting or owner
    if not found:
        raise Invalid("Name the member.", expected="owner", got=owner)
    return found


def not_yours(owner: str | None) -> NotYours:
    """One answer for what is another's and what does not exist."""
    return NotYours("This is not yours, or does not exist.", expected=owner)


def check_role(book: Book, squad: Squad, *roles: str) -> None:
    """An owner who acts has one of these roles in the squad. Errors: `RoleRequired`."""
    owner = book.actor.owner
    if owner is None:
        return
    member = book.peek(SquadMember, (squad.ref, owner))
    if member is None or member.status != "active" or member.role not in roles:
        raise RoleRequired(
            f"In a squad this is for its {' or '.join(roles)}.",
            expected=list(roles),
            got=member.role if member is not None and member.status == "active" else None,
        )


def wallet_of(book: Book, squad: Squad, owner: str, path: str | None) -> Account:
    """A member's own wallet in the squad's currency; left out, their personal one.

    Errors: `WalletNotFound`, `CurrencyMismatch`; another's is `Invalid`, and for owners
    `NotYours`, whether it exists or not.
    """
    name = path or f"{owner}/personal/{squad.unit}"
    try:
        account = account_of(book, name)
    except (NotFound, Invalid):
        if path is not None and book.actor.owner is not None:
            raise not_yours(book.actor.owner) from None
        raise
    if account.owner != owner:
        if book.actor.owner is not None:
            raise not_yours(book.actor.owner)
        raise Invalid("The wallet is the member's.", expected=owner, got=name[:200])
    if account.unit != squad.unit:
        raise CurrencyMismatch(
            f"{squad.ref} is in {squad.unit}.", expected=squad.unit, got=account.unit
        )
    return account


# ── keeping ──────────────────────────────────────────────────────────────────────────


def write_line(
    book: Book,
    member: SquadMember,
    kind: LineKind,
    amount: int,
    *,
    reference: str | None = None,
    entry: str | None = None,
) -> SquadMember:
    """Change a member's balance by `amount` (minor units) and write why; the member after it.

    What a member comes to owe, or owes no more, the leader's balance stands in for.
    """
    member = book.get(SquadMember, (member.squad, member.owner))
    balance = member.balance + amount
    covered = max(-balance, 0) - max(-member.balance, 0)
    fields: dict[str, Any] = {"balance": balance}
    if kind in _TOTALS:
        name, sign = _TOTALS[kind]
        fields[name] = min(getattr(member, name) + sign * amount, _MOST_TOTAL)
    fields["open_squad"] = member.squad if member.status != "left" or balance else None
    member = book.change(member, **fields)
    if covered:
        squad = book.get(Squad, member.squad)
        leader = book.get(SquadMember, (squad.ref, squad.leader))
        book.change(leader, covers=leader.covers + covered)
    book.add(
        SquadLine(
            member.squad,
            book.seq,
            len(book.facts.get(SquadLine.TABLE.name, ())),
            member.owner,
            kind,
            amount,
            balance,
            reference,
            entry,
            book.now,
        )
    )
    return book.get(SquadMember, (member.squad, member.owner))


def check_free(squad: Squad, wanted: Mapping[str, int], members: list[SquadMember]) -> None:
    """Everyone has what is wanted of them. Errors: `SquadRefused` (`short`), saying who lacks
    what.
    """
    lacks = missing(wanted, {member.owner: member.free for member in members})
    if lacks:
        raise short(squad, lacks)


def short(squad: Squad, lacks: Mapping[str, int]) -> SquadRefused:
    """The error that says who lacks what, in minor units."""
    told = {owner: to_text(lack, squad.exponent) for owner, lack in lacks.items()}
    names = ", ".join(f"{owner} lacks {lack}" for owner, lack in list(told.items())[:5])
    return SquadRefused(
        f"Too little in the squad: {names} {squad.unit}.",
        reason="short",
        lacks=told,
        currency=squad.unit,
    )


def unassigned(book: Book, squad: Squad) -> int:
    """What of the wallet's balance is no member's, in minor units; below zero: it is missing."""
    theirs = sum(member.balance for member in people(book, squad, all_open=True))
    return book.account(squad.account_id).natural - theirs


def state(book: Book, squad: Squad) -> SquadState:
    """The squad as the actor is told of it."""
    members = people(book, squad, all_open=True)
    balance = book.account(squad.account_id).natural
    return squad_state(book.get(Squad, squad.ref), members, balance, book.actor.owner)


def tell(
    book: Book,
    squad: Squad,
    what: str,
    each: Mapping[str, Mapping[str, Any]] | None = None,
    **data: Any,
) -> None:
    """Tell every member what happened: an event for each, with what concerns only them.

    `each`: owner → that; who is named there is told although they are no member any more.
    """
    told = dict.fromkeys([*(m.owner for m in people(book, squad)), *(each or {})])
    for owner in told:
        book.announce(
            f"squad.{what}",
            squad.ref,
            owner,
            **{"title": squad.title, "currency": squad.unit, **data, **(each or {}).get(owner, {})},
        )
