"""Squads and their members: create, invite, join, leave, roles, shares, close."""

from __future__ import annotations

import re
from typing import Any, Final, Literal

import msgspec

from khata.domain.ledger import check_four_eyes, check_reason, enter
from khata.domain.setup import exponent_of, source_of
from khata.domain.squads import members as of
from khata.domain.squads.model import (
    MOST_MEMBERS,
    WALLET_KIND,
    Joining,
    Sharing,
    Squad,
    SquadMember,
    SquadMemberState,
    SquadState,
    owner_of,
)
from khata.domain.squads.rules import member_state, persons, spread
from khata.domain.wallets import ensure_wallet, is_owner_name
from khata.engine.accounts import Account
from khata.engine.book import Book
from khata.engine.command import Command, Verbs
from khata.errors import AlreadyExists, Invalid
from khata.errors.market import SquadRefused

VERBS: Final = Verbs()
_REF: Final = re.compile(r"[^\s/\x00-\x1f\x7f]{1,100}")
_MOST_TEXT: Final = 200
_FROM_ZERO: Final = (
    "place",
    "balance",
    "covers",
    "contributed",
    "spent",
    "refunded",
    "withdrawn",
)


class CreateSquad(Command, frozen=True, tag="squads.create", omit_defaults=True):
    """Bring a squad into being, with its wallet; its leader is its first member.

    `joining`: who may join, those who are invited or anyone who knows its name. `wallet`: the
    leader's own, for what comes and goes back; left out, their personal one in this currency.
    """

    ref: str
    title: str
    leader: str
    currency: str
    sharing: Sharing = Sharing()
    joining: Joining = "invited"
    wallet: str | None = None


class AddMember(Command, frozen=True, tag="squads.add_member", omit_defaults=True):
    """Invite somebody, as the leader; staff make them a member at once.

    `wallet`: their own, as in `squads.create`; who is invited names it when joining.
    """

    squad: str
    owner: str
    role: Literal["buyer", "member"] = "member"
    wallet: str | None = None


class JoinSquad(Command, frozen=True, tag="squads.join", omit_defaults=True):
    """Take up an invitation, or join a squad that anyone may join. Staff name the `owner`."""

    squad: str
    owner: str | None = None
    wallet: str | None = None


class LeaveSquad(Command, frozen=True, tag="squads.leave", omit_defaults=True):
    """Leave: what is theirs goes to their wallet. The leader may name another member."""

    squad: str
    owner: str | None = None
    wallet: str | None = None


class SetRole(Command, frozen=True, tag="squads.set_role"):
    """Give a member a role; `leader` hands the squad over."""

    squad: str
    owner: str
    role: Literal["leader", "buyer", "member"]


class SetSharing(Command, frozen=True, tag="squads.set_sharing"):
    """Say how purchases are shared from now on. Who joins later has weight 1."""

    squad: str
    sharing: Sharing


class CloseSquad(Command, frozen=True, tag="squads.close"):
    """Pay everyone what is theirs, empty the wallet, and end the squad."""

    squad: str
    reason: str


@VERBS.handles(CreateSquad, roles=("owner", "admin", "service"))
def create(book: Book, command: CreateSquad) -> SquadState:
    """Errors: `Invalid`, `NotYours`, `AlreadyExists` for a name that a squad or another owner
    has, `UnknownCurrency`, those of the leader's wallet, of a sharing.
    """
    if not _REF.fullmatch(command.ref):
        raise Invalid("A squad has a reference of 1 to 100 characters.", got=command.ref[:60])
    if not command.title.strip() or len(command.title) > _MOST_TEXT:
        raise Invalid("A title has 1 to 200 characters.", got=command.title[:60])
    leader = of.meant(book, command.leader)
    exponent = exponent_of(book, command.currency)
    account = _wallet(book, command.ref, command.currency)
    squad = book.add(
        Squad(
            command.ref,
            command.title,
            leader,
            command.currency,
            exponent,
            account.id,
            account.code.removeprefix("wallet/"),
            "open",
            command.joining,
            command.sharing.kind,
            None,
            0,
            0,
            None,
            book.now,
            None,
        )
    )
    member = _invite(book, squad, leader, "leader")
    _admit(book, squad, member, command.wallet)
    squad = _share_by(book, book.get(Squad, squad.ref), command.sharing)
    of.tell(book, squad, "created", leader=leader)
    return of.state(book, squad)


def _wallet(book: Book, ref: str, unit: str) -> Account:
    """A new wallet for a squad. Errors: `AlreadyExists`, `Invalid`, `UnknownCurrency`."""
    owner = owner_of(ref)
    kinds = (WALLET_KIND, "personal")
    if book.peek(Squad, ref) or any(
        book.find(Account, code=f"wallet/{owner}/{kind}/{unit}") for kind in kinds
    ):
        raise AlreadyExists(f"A squad or an owner is called {ref!r} already.", got=ref)
    return ensure_wallet(book, owner, WALLET_KIND, unit)


@VERBS.handles(AddMember, roles=("owner", "admin", "service"))
def add_member(book: Book, command: AddMember) -> SquadMemberState:
    """Errors: those of `squad_of`; `RoleRequired`, `Invalid`; `SquadRefused` with `closed`,
    `member` for who is one, `full`, `squad`.
    """
    squad = of.open_squad(book, command.squad)
    of.check_role(book, squad, "leader")
    if not is_owner_name(command.owner):
        raise Invalid("An owner's id has 1 to 128 characters.", got=command.owner[:60])
    member = _invite(book, squad, command.owner, command.role)
    if book.actor.owner is None:
        member = _admit(book, squad, member, command.wallet)
        of.tell(book, squad, "joined", member=member.owner)
    else:
        of.tell(book, squad, "invited", {member.owner: {}}, member=member.owner)
    return _told(book, squad, member)


@VERBS.handles(JoinSquad, roles=("owner", "admin", "service"))
def join(book: Book, command: JoinSquad) -> SquadMemberState:
    """Errors: `NotYours` for who is not invited where only those may join; those of
    `squad_of`, of the wallet; `SquadRefused` with `closed`, `member`, `full`,
    `squad`.
    """
    squad = of.open_squad(book, command.squad, joining=True)
    owner = of.meant(book, command.owner)
    member = book.peek(SquadMember, (squad.ref, owner))
    if member is None or member.status != "invited":
        if squad.joining != "anyone" and (member is None or member.status == "left"):
            if book.actor.owner is not None:
                raise of.not_yours(owner)
            raise SquadRefused(f"{owner[:128]} is not invited.", reason="not_invited")
        member = _invite(book, squad, owner, "member")
    member = _admit(book, squad, member, command.wallet)
    of.tell(book, squad, "joined", member=owner)
    return _told(book, squad, member)


@VERBS.handles(LeaveSquad, roles=("owner", "admin", "service"))
def leave(book: Book, command: LeaveSquad) -> SquadMemberState:
    """Errors: those of `squad_of`; `SquadRefused` with `closed`, `not_a_member`, `owing`,
    `leader` until the squad is handed over, `empty` for the last one, who closes it instead;
    those of the wallet that is paid into.
    """
    squad = of.open_squad(book, command.squad)
    leads = book.actor.owner == squad.leader and command.owner is not None
    owner = command.owner if leads and command.owner else of.meant(book, command.owner)
    member = book.peek(SquadMember, (squad.ref, owner))
    if member is None or member.status != "invited":
        member = of.active(book, squad, owner)
        _check_leaving(squad, member)
    entry = None
    if member.balance:
        account = _payee(book, squad, member, command.wallet)
        entry = _pay_out(book, squad, {member.owner: account})
    was_active = member.status == "active"
    member = _let_go(book, squad, owner)
    if was_active:
        rest = None if squad.rest == owner else squad.rest
        squad = book.change(squad, members=squad.members - 1, rest=rest)
    of.tell(book, squad, "left", {owner: {}}, member=owner)
    return _told(book, squad, member, entry)


def _check_leaving(squad: Squad, member: SquadMember) -> None:
    if member.balance < 0:
        raise SquadRefused(f"{member.owner} owes the squad.", reason="owing")
    if squad.members == 1:
        raise SquadRefused(
            "The last member closes the squad instead of leaving it.", reason="empty"
        )
    if member.owner == squad.leader:
        raise SquadRefused("A leader hands the squad over before leaving.", reason="leader")


@VERBS.handles(SetRole, roles=("owner", "admin", "service"))
def set_role(book: Book, command: SetRole) -> SquadState:
    """Errors: those of `squad_of`; `RoleRequired`; `SquadRefused` with `closed`, `not_a_member`,
    `leader` for whom the squad is not handed over, `covering` for one who stands in for others.
    """
    squad = of.open_squad(book, command.squad)
    of.check_role(book, squad, "leader")
    member = of.active(book, squad, command.owner)
    if member.owner == squad.leader and command.role != "leader":
        raise SquadRefused("Hand the squad over to another member first.", reason="leader")
    if command.role == "leader" and member.owner != squad.leader:
        before = book.get(SquadMember, (squad.ref, squad.leader))
        if before.covers:
            raise SquadRefused(
                "The leader's balance stands in for what others owe.", reason="covering"
            )
        book.change(before, role="member")
        squad = book.change(squad, leader=member.owner)
    book.change(member, role=command.role)
    of.tell(book, squad, "role_set", member=member.owner, role=command.role)
    return of.state(book, squad)


@VERBS.handles(SetSharing, roles=("owner", "admin", "service"))
def set_sharing(book: Book, command: SetSharing) -> SquadState:
    """Errors: those of `squad_of`; `RoleRequired`; `Invalid`; `SquadRefused` with `closed`,
    `not_a_member`; of an amount.
    """
    squad = of.open_squad(book, command.squad)
    of.check_role(book, squad, "leader")
    squad = _share_by(book, squad, command.sharing)
    of.tell(book, squad, "sharing_set", sharing=command.sharing.kind)
    return of.state(book, squad)


@VERBS.handles(CloseSquad, roles=("owner", "admin", "service"))
def close(book: Book, command: CloseSquad) -> SquadState:
    """What came past the squad is shared alike among its members before.

    Errors: those of `squad_of`; `RoleRequired`, `Invalid`, `ApprovalRequired`; `SquadRefused`
    with `closed`, `owing`, `unassigned` where money is missing; those of a wallet that is paid
    into, such as `AccountFrozen`.
    """
    check_reason(command.reason)
    squad = of.open_squad(book, command.squad)
    of.check_role(book, squad, "leader")
    over = of.unassigned(book, squad)
    if over < 0:
        raise SquadRefused("The wallet has less than its members.", reason="unassigned")
    if over:
        for owner, part in spread(over, dict.fromkeys(_names(book, squad), 1)).items():
            member = book.get(SquadMember, (squad.ref, owner))
            of.write_line(book, member, "allotment", part, reference=command.reason)
    there = of.people(book, squad, all_open=True)
    if any(member.balance < 0 for member in there):
        raise SquadRefused("Somebody owes the squad.", reason="owing")
    payees = {m.owner: _payee(book, squad, m, None) for m in there if m.balance}
    entry = _pay_out(book, squad, payees) if payees else None
    of.tell(
        book,
        squad,
        "closed",
        {member.owner: {} for member in there},
        reason=command.reason,
        entry=entry,
    )
    for member in there:
        _let_go(book, squad, member.owner)
    squad = book.change(
        squad, status="closed", members=0, reason=command.reason, closed_at=book.now
    )
    return of.state(book, squad)


# ── members ──────────────────────────────────────────────────────────────────────────


def _invite(book: Book, squad: Squad, owner: str, role: Any) -> SquadMember:
    """A row for somebody who was none, or left. Errors: `SquadRefused` (`member`, `full`); `squad`
    for a squad: what it put in would be its members', whose balances nobody lowers.
    """
    if owner.startswith(owner_of("")):  # whether there is one or not: nobody learns which there are
        raise SquadRefused(f"{owner[:128]} is a squad's.", reason="squad", got=owner[:128])
    known = book.peek(SquadMember, (squad.ref, owner))
    if known is not None and known.status != "left":
        raise SquadRefused(f"{owner[:128]} is a member or invited.", reason="member")
    if len(of.people(book, squad, all_open=True)) >= MOST_MEMBERS:
        raise SquadRefused("The squad is full.", reason="full", expected=f"at most {MOST_MEMBERS}")
    fresh: dict[str, Any] = {
        "role": role,
        "status": "invited",
        "weight": 1,
        "fixed": None,
        "open_squad": squad.ref,
        "invited_at": book.now,
        "joined_at": None,
        "left_at": None,
    }
    if known is not None:
        return book.change(known, **fresh)
    nothing: dict[str, Any] = dict.fromkeys(_FROM_ZERO, 0)
    return book.add(SquadMember(squad=squad.ref, owner=owner, wallet=None, **nothing, **fresh))


def _admit(book: Book, squad: Squad, member: SquadMember, path: str | None) -> SquadMember:
    """Make who is invited an active member. Errors: those of `wallet_of`."""
    account = of.wallet_of(book, squad, member.owner, path)
    squad = book.get(Squad, squad.ref)
    book.change(squad, places=squad.places + 1, members=squad.members + 1)
    return book.change(
        member,
        place=squad.places + 1,
        status="active",
        wallet=account.code.removeprefix("wallet/"),
        joined_at=book.now,
    )


def _let_go(book: Book, squad: Squad, owner: str) -> SquadMember:
    member = book.get(SquadMember, (squad.ref, owner))
    return book.change(member, status="left", role="member", open_squad=None, left_at=book.now)


def _share_by(book: Book, squad: Squad, sharing: Sharing) -> Squad:
    """Write a rule on the squad and its members. Errors: those of `persons`."""
    known = {member.owner: member for member in of.people(book, squad)}
    for person in persons(sharing, list(known), squad.exponent):
        book.change(known[person.owner], weight=person.weight, fixed=person.fixed)
    return book.change(squad, sharing=sharing.kind, rest=sharing.rest)


def _names(book: Book, squad: Squad) -> list[str]:
    return [member.owner for member in of.people(book, squad)]


def _told(
    book: Book, squad: Squad, member: SquadMember, entry: str | None = None
) -> SquadMemberState:
    """What the actor is told of a member: a wallet is for its owner and staff."""
    own = book.actor.owner in {None, member.owner}
    return msgspec.structs.replace(member_state(squad, member, own=own), entry=entry)


# ── paying out ───────────────────────────────────────────────────────────────────────


def _payee(book: Book, squad: Squad, member: SquadMember, path: str | None) -> Account:
    return of.wallet_of(book, squad, member.owner, path or member.wallet)


def _pay_out(book: Book, squad: Squad, payees: dict[str, Account]) -> str:
    """Pay each of these all that is theirs, in one entry; its id.

    Errors: `ApprovalRequired`, those of `enter`.
    """
    parts = {owner: book.get(SquadMember, (squad.ref, owner)).balance for owner in payees}
    total = sum(parts.values())
    check_four_eyes(book, book.account(squad.account_id), total)
    moved = enter(
        book,
        [(squad.account_id, total), *((payees[owner].id, -parts[owner]) for owner in parts)],
        type="squad_settlement",
        source=source_of(book, "squad"),
        reference=f"squad/{squad.ref}",
    )
    for owner, part in parts.items():
        member = book.get(SquadMember, (squad.ref, owner))
        of.write_line(book, member, "settlement", -part, entry=moved.id)
    return moved.id
