"""Money between members' own wallets and their squad's, and from member to member within it."""

from __future__ import annotations

from typing import Final

import msgspec

from khata.base.money import Money, to_text
from khata.domain.ledger import (
    check_four_eyes,
    check_reason,
    enter,
    minor_of,
    wallet_account,
)
from khata.domain.setup import source_of
from khata.domain.squads import members as of
from khata.domain.squads.model import Squad, SquadMember, SquadMemberState, SquadState
from khata.domain.squads.rules import member_state, spread
from khata.engine.accounts import Account
from khata.engine.book import Book
from khata.engine.command import Command, Verbs
from khata.errors import CurrencyMismatch, Invalid
from khata.errors.market import SquadRefused

VERBS: Final = Verbs()


class Contribute(Command, frozen=True, tag="squads.contribute", omit_defaults=True):
    """Put money of a member's own wallet into the squad's.

    `wallet`: left out, the one with which they joined. Staff name the wallet or the `owner`.
    """

    squad: str
    amount: Money
    wallet: str | None = None
    owner: str | None = None


class WithdrawShare(Command, frozen=True, tag="squads.withdraw", omit_defaults=True):
    """Take what is a member's out of the squad's wallet into their own."""

    squad: str
    amount: Money
    owner: str | None = None
    wallet: str | None = None


class Forgive(Command, frozen=True, tag="squads.forgive"):
    """The leader, whose balance stands in for what a member owes, gives it to them."""

    squad: str
    owner: str
    reason: str


class Allot(Command, frozen=True, tag="squads.allot", omit_defaults=True):
    """Give to members what came into the wallet past the squad, or take from them what left.

    `owner`: to or from that one; left out, alike to all, or from all by what they have free.
    """

    squad: str
    reason: str
    owner: str | None = None


@VERBS.handles(Contribute, roles=("owner", "admin", "finance", "service"))
def contribute(book: Book, command: Contribute) -> SquadMemberState:
    """Errors: those of `squad_of`, of the wallet and the amount, of `enter`; `NotYours`,
    `ApprovalRequired`; `SquadRefused` with `closed`, `not_a_member`.
    """
    squad = of.open_squad(book, command.squad)
    account = _giver(book, squad, command)
    member = of.active(book, squad, str(account.owner))
    minor = minor_of(book, account, command.amount)
    check_four_eyes(book, account, minor)
    entry = _move(book, squad, account.id, squad.account_id, minor, "squad_contribution")
    member = of.write_line(book, member, "contribution", minor, entry=entry)
    _tell(book, squad, "contributed", member.owner, minor)
    return _told(book, squad, member, entry)


def _giver(book: Book, squad: Squad, command: Contribute) -> Account:
    """The wallet that pays: a member's own."""
    if command.wallet is not None:
        account = wallet_account(book, command.wallet)
        if command.owner not in {None, account.owner}:
            raise Invalid("The wallet is the member's.", expected=command.owner)
    else:
        owner = of.meant(book, command.owner)
        account = of.wallet_of(book, squad, owner, of.active(book, squad, owner).wallet)
    if account.unit != squad.unit:
        raise CurrencyMismatch(
            f"{squad.ref} is in {squad.unit}.", expected=squad.unit, got=account.unit
        )
    return account


@VERBS.handles(WithdrawShare, roles=("owner", "admin", "finance", "service"))
def withdraw(book: Book, command: WithdrawShare) -> SquadMemberState:
    """Also for who has left, and from a closed squad, where money came back to them since.

    Errors: those of `squad_of`, of the wallet and the amount, of `enter`; `NotYours`,
    `ApprovalRequired`; `SquadRefused` with `short`, `not_a_member`.
    """
    squad = of.squad_of(book, command.squad)
    owner = of.meant(book, command.owner)
    member = book.peek(SquadMember, (squad.ref, owner))
    if member is None:
        raise SquadRefused(f"{owner[:128]} is no member.", reason="not_a_member")
    account = of.wallet_of(book, squad, owner, command.wallet or member.wallet)
    minor = minor_of(book, account, command.amount)
    of.check_free(squad, {owner: minor}, [member])
    check_four_eyes(book, account, minor)
    entry = _move(book, squad, squad.account_id, account.id, minor, "squad_withdrawal")
    member = of.write_line(book, member, "withdrawal", -minor, entry=entry)
    _tell(book, squad, "withdrawn", owner, minor)
    return _told(book, squad, member, entry)


@VERBS.handles(Forgive, roles=("owner", "admin"))
def forgive(book: Book, command: Forgive) -> SquadMemberState:
    """Errors: those of `squad_of`; `RoleRequired`, `Invalid`; `SquadRefused` with `closed`,
    `not_a_member`, `owes_nothing`.
    """
    check_reason(command.reason)
    squad = of.open_squad(book, command.squad)
    of.check_role(book, squad, "leader")
    member = of.active(book, squad, command.owner)
    if member.balance >= 0:
        raise SquadRefused(f"{member.owner} owes nothing.", reason="owes_nothing")
    owed = -member.balance
    member = of.write_line(book, member, "forgiven", owed, reference=command.reason)
    leader = book.get(SquadMember, (squad.ref, squad.leader))
    of.write_line(book, leader, "forgiven", -owed, reference=command.reason)
    of.tell(book, squad, "forgiven", member=member.owner, reason=command.reason)
    return _told(book, squad, member, None)


@VERBS.handles(Allot, roles=("admin", "finance", "service"))
def allot(book: Book, command: Allot) -> SquadState:
    """Errors: those of `squad_of`; `Invalid`, `ApprovalRequired`; `SquadRefused` with `closed`,
    `not_a_member`, `nothing_unassigned`, `short` where members have less free than is missing.
    """
    check_reason(command.reason)
    squad = of.open_squad(book, command.squad)
    over = of.unassigned(book, squad)
    if not over:
        raise SquadRefused("All of it is the members' already.", reason="nothing_unassigned")
    check_four_eyes(book, book.account(squad.account_id), abs(over))
    people = of.people(book, squad)
    if command.owner is not None:
        people = [of.active(book, squad, command.owner)]
    if over > 0:
        parts = spread(over, {member.owner: 1 for member in people})
    else:
        free = {member.owner: max(member.free, 0) for member in people}
        lacking = -over - sum(free.values())
        if lacking > 0:
            raise of.short(squad, {command.owner or squad.leader: lacking})
        parts = {owner: -part for owner, part in spread(-over, free).items()}
    for owner, part in parts.items():
        member = book.get(SquadMember, (squad.ref, owner))
        of.write_line(book, member, "allotment", part, reference=command.reason)
    of.tell(book, squad, "allotted", reason=command.reason)
    return of.state(book, squad)


def _move(book: Book, squad: Squad, payer: int, payee: int, minor: int, type_: str) -> str:
    """Post a movement between a member's wallet and the squad's; the entry's id."""
    moved = enter(
        book,
        ((payer, minor), (payee, -minor)),
        type=type_,
        source=source_of(book, "squad"),
        reference=f"squad/{squad.ref}",
    )
    return moved.id


def _tell(book: Book, squad: Squad, what: str, owner: str, minor: int) -> None:
    amount = to_text(minor, squad.exponent)
    of.tell(book, squad, what, {owner: {}}, member=owner, amount=amount)


def _told(book: Book, squad: Squad, member: SquadMember, entry: str | None) -> SquadMemberState:
    own = book.actor.owner in {None, member.owner}
    return msgspec.structs.replace(member_state(squad, member, own=own), entry=entry)
