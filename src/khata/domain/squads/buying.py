"""What a squad buys: everyone's part out of their balance, and what comes back of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from khata.base.money import Money, to_text
from khata.domain import marketplace, payments, trust
from khata.domain.ledger import (
    account_of,
    check_four_eyes,
    check_reason,
    enter,
    house_account,
    minor_of,
    other_side,
)
from khata.domain.setup import source_of
from khata.domain.squads import members as of
from khata.domain.squads.model import (
    Part,
    Sharing,
    Squad,
    SquadMember,
    SquadPurchase,
    SquadPurchaseState,
    owner_of,
)
from khata.domain.squads.rules import (
    Person,
    backs,
    missing,
    parts_of,
    persons,
    purchase_state,
)
from khata.engine.accounts import Account
from khata.engine.book import Book
from khata.engine.command import Command, Verbs
from khata.errors import (
    CurrencyMismatch,
    Invalid,
    NotFound,
    RefundExceeded,
    RoleRequired,
    SameAccount,
    WalletNotFound,
)
from khata.errors.market import SaleNotFound, SquadNotFound, SquadRefused

VERBS: Final = Verbs()
_MOST_REFERENCE: Final = 200
_MOST_RETURNS: Final = 100
"""Entries by which a purchase comes back: who was paid chooses them, and every member is told."""
_DEED: Final = "squad_purchase"
"""What paying a part of a sale is called among the events of trust."""
Cover = Literal["refuse", "leader"]


class Purchase(Command, frozen=True, tag="squads.purchase", omit_defaults=True):
    """Pay for something out of the squad's wallet; each member's part is taken of what they have.

    `to`: the wallet that is paid; for staff also a house account. `sharing`: another rule than
    the squad's own, from its leader or staff. `cover`: where a member has too little, `refuse`,
    or, by the same two, let them owe it, with what the `leader` has free standing in.
    """

    squad: str
    reference: str
    to: str
    amount: Money
    sharing: Sharing | None = None
    cover: Cover = "refuse"
    source: str = "order"


class PaySquadSale(Command, frozen=True, tag="squads.pay_sale", omit_defaults=True):
    """Pay a sale that was placed for the squad, at once, out of its wallet.

    The sale's customer is the squad itself, `squad-<ref>`. `buyer`: the leader or buyer who wants
    it. `sharing`, `cover`: as in `squads.purchase`. Who pays a part of it earns what
    `squad_purchase` is worth among the events of trust.
    """

    squad: str
    sale: str
    buyer: str
    sharing: Sharing | None = None
    cover: Cover = "refuse"


class ReturnPurchase(Command, frozen=True, tag="squads.return_purchase", omit_defaults=True):
    """Money of a purchase comes back: who paid it has it again, pro rata.

    `amount`: left out, all that is left. It comes from whom was paid; `arrived`: it is in the
    squad's wallet already and nobody's yet, as the refund of a sale is.
    """

    purchase: str
    reason: str
    amount: Money | None = None
    arrived: bool = False


@VERBS.handles(Purchase, roles=("owner", "admin", "finance", "service"))
def purchase(book: Book, command: Purchase) -> SquadPurchaseState:
    """Errors: those of `squad_of`, of the amount, of a sharing, of `enter`; `RoleRequired`
    unless leader or buyer, `WalletNotFound`, `SameAccount`, `CurrencyMismatch`, `Invalid`,
    `ApprovalRequired`; `SquadRefused` with `closed`, `short`, `payee_is_member`.
    """
    squad = of.open_squad(book, command.squad)
    of.check_role(book, squad, "leader", "buyer")
    if not command.reference.strip() or len(command.reference) > _MOST_REFERENCE:
        raise Invalid("A reference has 1 to 200 characters.", got=command.reference[:60])
    paid = book.account(squad.account_id)
    minor = minor_of(book, paid, command.amount)
    payee = _payee(book, squad, command.to)
    check_four_eyes(book, paid, minor)
    parts = _shared(book, squad, minor, command, book.actor.owner)
    source = source_of(book, command.source)
    moved = enter(
        book,
        ((paid.id, minor), (payee.id, -minor)),
        type="squad_purchase",
        source=source,
        reference=command.reference,
    )
    return _keep(book, squad, command.reference, payee, parts, moved.id)


def _payee(book: Book, squad: Squad, to: str) -> Account:
    """Who is paid. An owner pays other owners, and learns nothing of the house's accounts."""
    if book.actor.owner is None:
        payee = other_side(book, to, squad.unit)
    else:
        try:
            payee = account_of(book, to)
        except (NotFound, Invalid):
            raise WalletNotFound(f"No wallet {to[:200]!r}.", got=to[:200]) from None
        if payee.owner is None:
            raise WalletNotFound(f"No wallet {to[:200]!r}.", got=to[:200])
        member = book.peek(SquadMember, (squad.ref, payee.owner))
        if member is not None and member.status == "active":
            raise SquadRefused(f"{payee.owner} is a member.", reason="payee_is_member")
    if payee.id == squad.account_id:
        raise SameAccount("Money cannot move from a wallet to itself.", wallet=to[:200])
    if payee.unit != squad.unit:
        raise CurrencyMismatch(
            f"{squad.ref} is in {squad.unit}.", expected=squad.unit, got=payee.unit
        )
    return payee


def _shared(
    book: Book, squad: Squad, minor: int, command: Purchase | PaySquadSale, buyer: str | None
) -> dict[str, int]:
    """Each member's part of an amount, in minor units, which they have or the leader stands in
    for. `buyer`: who of the squad asks, None for staff.

    Errors: `RoleRequired` for a rule that is not the squad's, or for the leader standing in,
    unless the leader or staff say so; those of `persons` and `parts_of`; `SquadRefused` (`short`).
    """
    members = of.people(book, squad)
    if command.cover == "leader" and buyer not in {None, squad.leader}:
        # it is the leader's own balance that others would spend
        raise RoleRequired("Standing in is for the leader to say.", expected=["leader"])
    kind, rest = squad.sharing, squad.rest
    if (sharing := command.sharing) is None:
        who = [Person(member.owner, member.weight, member.fixed) for member in members]
    else:
        if buyer not in {None, squad.leader}:
            raise RoleRequired("Another sharing is for the leader to say.", expected=["leader"])
        kind, rest = sharing.kind, sharing.rest
        who = persons(sharing, [member.owner for member in members], squad.exponent)
    amounts = parts_of(minor, kind, rest, who)
    parts = {one.owner: part for one, part in zip(who, amounts, strict=True) if part}
    _check_covered(squad, parts, members, command.cover)
    return parts


def _check_covered(
    squad: Squad, parts: Mapping[str, int], members: list[SquadMember], cover: Cover
) -> None:
    """Everyone has their part, or the leader has what others lack. Errors: `SquadRefused`."""
    free = {member.owner: member.free for member in members}
    lacks = missing(parts, free)
    if not lacks:
        return
    if cover == "refuse" or squad.leader in lacks:
        raise of.short(squad, lacks)
    spare = free[squad.leader] - parts.get(squad.leader, 0)
    if sum(lacks.values()) > spare:
        raise of.short(squad, {squad.leader: sum(lacks.values()) - spare})


def _keep(
    book: Book,
    squad: Squad,
    reference: str,
    payee: Account,
    parts: Mapping[str, int],
    entry: str,
    *,
    sale: str | None = None,
) -> SquadPurchaseState:
    """Write down a purchase that was just paid, and tell every member."""
    minor = sum(parts.values())
    made = book.add(
        SquadPurchase(
            book.new_id("sqp"),
            squad.ref,
            reference,
            payee.id,
            payee.code.removeprefix("wallet/"),
            sale,
            minor,
            0,
            squad.unit,
            squad.exponent,
            [Part(owner, part) for owner, part in parts.items()],
            [entry],
            "made",
            str(book.actor),
            book.now,
        )
    )
    for owner, part in parts.items():
        member = book.get(SquadMember, (squad.ref, owner))
        of.write_line(book, member, "purchase", -part, reference=made.id, entry=entry)
    of.tell(
        book,
        squad,
        "purchased",
        {owner: {"part": to_text(part, squad.exponent)} for owner, part in parts.items()},
        purchase=made.id,
        reference=reference,
        amount=to_text(minor, squad.exponent),
        paid_to=made.paid_to,
    )
    return purchase_state(made)


@VERBS.handles(PaySquadSale, roles=("admin", "service"))
def pay_sale(book: Book, command: PaySquadSale) -> SquadPurchaseState:
    """Errors: `SquadNotFound`, `SaleNotFound`, `Invalid` for another's sale, `RoleRequired` for a
    buyer who is none, those of a sharing and of paying a sale; `SquadRefused` with `closed`,
    `not_a_member`, `short`.
    """
    squad = of.open_squad(book, command.squad)
    if of.active(book, squad, command.buyer).role == "member":
        raise RoleRequired(
            "A squad's leader and buyers buy.", expected=["leader", "buyer"], got="member"
        )
    sale = book.peek(marketplace.Sale, command.sale)
    if sale is None:
        raise SaleNotFound(f"No sale {command.sale[:100]!r}.", got=command.sale[:100])
    if sale.customer != owner_of(squad.ref):
        raise Invalid("The sale is another's.", expected=owner_of(squad.ref), got=sale.customer)
    if sale.unit != squad.unit:
        raise CurrencyMismatch(
            f"{squad.ref} is in {squad.unit}.", expected=squad.unit, got=sale.unit
        )
    parts = _shared(book, squad, sale.due, command, command.buyer)
    trust.foresee(book, list(parts))
    paid = book.perform(marketplace.PaySale(sale.ref, "wallet", squad.wallet))
    subject = marketplace.subject_of(sale.ref)
    home = house_account(book, book.get(payments.Payable, subject).escrow, squad.unit)
    made = _keep(book, squad, subject, home, parts, paid.entries[0], sale=sale.ref)
    for owner in parts:
        trust.award(book, owner, _DEED, reference=subject)
    return made


@VERBS.handles(ReturnPurchase, roles=("owner", "admin", "finance", "service"))
def return_purchase(book: Book, command: ReturnPurchase) -> SquadPurchaseState:
    """Who was paid may give it back, and staff. What comes back for who has left, or for a
    closed squad, waits in their balance. The last of many parts is all that is left.

    Errors: `SquadNotFound`, `NotYours`, `Invalid`, `RefundExceeded`, of an amount, of `enter`,
    `ApprovalRequired`; `SquadRefused` with `not_arrived`, `too_many_parts`, or `sale` for one
    that is refunded as a sale first.
    """
    check_reason(command.reason)
    made, payee = _returnable(book, command)
    squad = book.get(Squad, made.squad)
    minor = _back(book, made, payee, command.amount)
    check_four_eyes(book, payee, minor)
    if len(made.entries) >= _MOST_RETURNS and minor < made.amount - made.returned:
        raise SquadRefused(
            "It comes back in too many parts.", reason="too_many_parts", expected=_MOST_RETURNS
        )
    entry = None
    if command.arrived:
        if of.unassigned(book, squad) < minor:
            raise SquadRefused("So much has not arrived in the wallet.", reason="not_arrived")
    elif made.sale is not None:
        raise SquadRefused("A sale is refunded first, and then shared.", reason="sale")
    else:
        entry = _give_back(book, squad, made, payee, minor)
    parts = backs(made.parts, minor)
    # who has left is not among those who were found together
    book.expect(rows=((SquadMember, (squad.ref, owner)) for owner in parts))
    made = _count_back(book, made, parts, entry)
    for owner, part in parts.items():
        member = book.get(SquadMember, (squad.ref, owner))
        of.write_line(book, member, "refund", part, reference=made.id, entry=entry)
    of.tell(
        book,
        squad,
        "returned",
        {owner: {"part": to_text(part, squad.exponent)} for owner, part in parts.items()},
        purchase=made.id,
        reference=made.reference,
        amount=to_text(minor, squad.exponent),
        reason=command.reason,
    )
    return purchase_state(made)


def _returnable(book: Book, command: ReturnPurchase) -> tuple[SquadPurchase, Account]:
    """The purchase and who was paid: an owner gives back what is theirs, and nothing else."""
    made, owner = book.peek(SquadPurchase, command.purchase), book.actor.owner
    payee = None if made is None else book.account(made.account_id)
    if owner is not None and (payee is None or payee.owner != owner or command.arrived):
        raise of.not_yours(owner)
    if made is None or payee is None:
        name = command.purchase[:100]
        raise SquadNotFound(f"No purchase {name!r}.", got=name)
    return made, payee


def _back(book: Book, made: SquadPurchase, payee: Account, amount: Money | None) -> int:
    """How much comes back, minor units. Errors: `RefundExceeded`, of an amount."""
    left, places = made.amount - made.returned, made.exponent
    minor = left if amount is None else minor_of(book, payee, amount)
    if minor > left or not minor:
        raise RefundExceeded(
            f"Of {made.id} {to_text(left, places)} {made.unit} are left to return.",
            expected=to_text(left, places),
            got=to_text(minor, places),
            currency=made.unit,
        )
    return minor


def _give_back(book: Book, squad: Squad, made: SquadPurchase, payee: Account, minor: int) -> str:
    moved = enter(
        book,
        ((payee.id, minor), (squad.account_id, -minor)),
        type="squad_return",
        source=source_of(book, "refund"),
        reference=made.reference,
    )
    return moved.id


def _count_back(
    book: Book, made: SquadPurchase, parts: Mapping[str, int], entry: str | None
) -> SquadPurchase:
    returned = made.returned + sum(parts.values())
    return book.change(
        made,
        returned=returned,
        status="returned" if returned == made.amount else "partly_returned",
        entries=[*made.entries, entry] if entry else made.entries,
        parts=[
            msgspec.structs.replace(part, back=part.back + parts.get(part.owner, 0))
            for part in made.parts
        ],
    )
