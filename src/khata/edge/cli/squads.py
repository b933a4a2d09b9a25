"""`khata squads …`: people who buy together, what each has in the wallet, what they buy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Final, Literal

from cyclopts import Parameter

from khata.base.money import Money
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
from khata.edge.cli.screen import coloured, dump, money, more, out, row, short, table
from khata.edge.cli.session import (
    HERE,
    SO,
    Cursor,
    How,
    Json,
    Limit,
    Reason,
    Where,
    carry_out,
    command,
    family,
    looking,
)
from khata.edge.cli.squads_shown import sharing_of, show_member, show_purchase, show_squad
from khata.engine.command import Command
from khata.engine.database import View

app: Final = family("squads", "People who buy together out of one wallet.")
_Ref = Annotated[str, Parameter(help="The squad's name.")]
_Member = Annotated[str, Parameter(help="The member's owner id.")]
_Who = Annotated[
    str | None, Parameter(name="--owner", help="The member; left out, the one who acts.")
]
_Wallet = Annotated[str | None, Parameter(help="Their own; left out, the one they joined with.")]
_Amount = Annotated[str, Parameter(help="In the squad's currency.")]
_Cover = Annotated[
    Literal["refuse", "leader"],
    Parameter(help="Where a member has too little: refuse, or let them owe what the leader has."),
]
_Kind = Annotated[
    Literal["equal", "weights", "fixed", "mixed"] | None,
    Parameter(name="--sharing", help="How it is shared; left out, as the squad does."),
]
_Weights = Annotated[
    list[str] | None, Parameter(name="--weight", help="NAME=2, once for each member.")
]
_Fixed = Annotated[
    list[str] | None, Parameter(name="--fixed", help="NAME=100.00, once for each member.")
]
_Rest = Annotated[
    str | None, Parameter(name="--rest", help="The member who takes what fixed parts leave.")
]


# ── seeing ───────────────────────────────────────────────────────────────────────────


@command(app, "list", "khata squads list", "khata squads list --owner alice --status open --json")
def list_(
    *,
    owner: Annotated[str | None, Parameter(help="Only those that this owner is in.")] = None,
    status: Annotated[str | None, Parameter(help="open or closed.")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
    json: Json = False,
    where: Where = HERE,
) -> int:
    """List squads, newest first."""
    with looking(where) as view:
        page = squads.squads(view, owner=owner, status=status, cursor=cursor, limit=limit)
    if json:
        for item in page.items:
            dump(item)
    else:
        made = table("squad", "title", "leader", "members>", "status", "wallet", "created")
        for item in page.items:
            row(
                made,
                item.ref,
                item.title,
                item.leader,
                str(item.members),
                item.status,
                item.wallet,
                short(item.created_at),
            )
        out().print(made if page.items else "No squads.")
    more(page.next)
    return 0


@command(app, "show", "khata squads show eid")
def show(squad: _Ref, *, json: Json = False, where: Where = HERE) -> int:
    """One squad, with what each member has in it."""
    with looking(where) as view:
        known = squads.squad(view, squad)
    if json:
        dump(known)
    else:
        show_squad(known)
    return 0


@command(app, "lines", "khata squads lines eid --owner alice")
def lines(
    squad: _Ref,
    *,
    owner: Annotated[str | None, Parameter(help="Only this member's.")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
    json: Json = False,
    where: Where = HERE,
) -> int:
    """What came to its members and went from them, newest first."""
    with looking(where) as view:
        page = squads.squad_lines(view, squad, owner=owner, cursor=cursor, limit=limit)
    if json:
        for item in page.items:
            dump(item)
    else:
        made = table("time", "member", "what", "amount>", "balance>", "about", "entry")
        for item in page.items:
            row(
                made,
                short(item.at),
                item.owner,
                item.kind,
                coloured(item.amount, item.currency),
                money(item.balance_after, item.currency),
                item.reference,
                item.entry,
            )
        out().print(made if page.items else "Nothing came and nothing went.")
    more(page.next)
    return 0


@command(app, "purchases", "khata squads purchases eid")
def purchases(
    squad: _Ref,
    *,
    cursor: Cursor = None,
    limit: Limit = 50,
    json: Json = False,
    where: Where = HERE,
) -> int:
    """What it bought, newest first, with everyone's part."""
    with looking(where) as view:
        page = squads.squad_purchases(view, squad, cursor=cursor, limit=limit)
    for item in page.items:
        if json:
            dump(item)
        else:
            show_purchase(item)
    if not page.items and not json:
        out().print("Nothing was bought.")
    more(page.next)
    return 0


@command(app, "check", "khata squads check", "khata squads check eid")
def check(
    squad: Annotated[str | None, Parameter(help="Only this one.")] = None,
    *,
    json: Json = False,
    where: Where = HERE,
) -> int:
    """Where wallets, members' balances and their lines differ; exit code 1 if they do."""
    with looking(where) as view:
        found = squads.check(view, squad, unassigned=True)
    if json:
        for item in found:
            dump(item)
    else:
        made = table("squad", "what", "member", "expected>", "got>")
        for item in found:
            expected, got = money(item.expected, item.currency), money(item.got, item.currency)
            row(made, item.squad, item.what, item.owner, expected, got)
        out().print(made if found else "Every squad's members have what its wallet has.")
    return 1 if found else 0


# ── who is in it ─────────────────────────────────────────────────────────────────────


@command(app, "create", "khata squads create eid 'A goat for Eid' alice BDT")
def create(
    squad: _Ref,
    title: Annotated[str, Parameter(help="What people call it.")],
    leader: Annotated[str, Parameter(help="The leader's owner id.")],
    currency: Annotated[str, Parameter(help="Of its wallet.")],
    *,
    joining: Annotated[
        Literal["invited", "anyone"], Parameter(help="Who may join it by themselves.")
    ] = "invited",
    wallet: _Wallet = None,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Bring a squad into being, with its wallet."""
    wanted = CreateSquad(squad, title, leader, currency, joining=joining, wallet=wallet)
    return carry_out(where, how, wanted, show_squad)


@command(app, "add", "khata squads add eid bob --role buyer")
def add(
    squad: _Ref,
    member: _Member,
    *,
    role: Annotated[Literal["buyer", "member"], Parameter(help="A buyer may buy.")] = "member",
    wallet: _Wallet = None,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Make somebody a member; a leader, acting as an owner, invites them."""
    return carry_out(where, how, AddMember(squad, member, role, wallet), show_member)


@command(app, "join", "khata squads join eid --owner bob")
def join(
    squad: _Ref, *, owner: _Who = None, wallet: _Wallet = None, how: How = SO, where: Where = HERE
) -> int:
    """Take up an invitation, or join a squad that anyone may join."""
    return carry_out(where, how, JoinSquad(squad, owner, wallet), show_member)


@command(app, "leave", "khata squads leave eid --owner bob")
def leave(
    squad: _Ref, *, owner: _Who = None, wallet: _Wallet = None, how: How = SO, where: Where = HERE
) -> int:
    """Leave; what is theirs goes to their wallet."""
    return carry_out(where, how, LeaveSquad(squad, owner, wallet), show_member)


@command(app, "role", "khata squads role eid bob leader")
def role(
    squad: _Ref,
    member: _Member,
    role: Annotated[Literal["leader", "buyer", "member"], Parameter(help="The role.")],
    *,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Give a member a role; `leader` hands the squad over."""
    return carry_out(where, how, SetRole(squad, member, role), show_squad)


@command(
    app,
    "sharing",
    "khata squads sharing eid weights --weight alice=2 --weight bob=1",
    "khata squads sharing eid fixed --fixed bob=100.00 --rest alice",
)
def sharing(
    squad: _Ref,
    kind: Annotated[Literal["equal", "weights", "fixed", "mixed"], Parameter(help="The rule.")],
    *,
    weight: _Weights = None,
    fixed: _Fixed = None,
    rest: _Rest = None,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Say how purchases are shared from now on."""
    return carry_out(
        where, how, SetSharing(squad, sharing_of(kind, weight, fixed, rest)), show_squad
    )


@command(app, "close", "khata squads close eid --reason 'Eid is over'")
def close(squad: _Ref, *, reason: Reason, how: How = SO, where: Where = HERE) -> int:
    """Pay everyone what is theirs, and end it."""
    return carry_out(where, how, CloseSquad(squad, reason), show_squad)


# ── money ────────────────────────────────────────────────────────────────────────────


@command(app, "contribute", "khata squads contribute eid 300.00 --owner alice")
def contribute(
    squad: _Ref,
    amount: _Amount,
    *,
    owner: _Who = None,
    wallet: _Wallet = None,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Put money of a member's own wallet into the squad's."""
    wanted = _in_squad(squad, amount, lambda paid: Contribute(squad, paid, wallet, owner))
    return carry_out(where, how, wanted, show_member)


@command(app, "withdraw", "khata squads withdraw eid 100.00 --owner alice")
def withdraw(
    squad: _Ref,
    amount: _Amount,
    *,
    owner: _Who = None,
    wallet: _Wallet = None,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Take what is a member's into their own wallet."""
    wanted = _in_squad(squad, amount, lambda paid: WithdrawShare(squad, paid, owner, wallet))
    return carry_out(where, how, wanted, show_member)


@command(
    app,
    "purchase",
    "khata squads purchase eid goat-7 shop/partner/BDT 600.00",
    "khata squads purchase eid tea shop/partner/BDT 30.00 --sharing weights --weight alice=1",
)
def purchase(
    squad: _Ref,
    reference: Annotated[str, Parameter(help="What is bought.")],
    to: Annotated[str, Parameter(help="The wallet or house account that is paid.")],
    amount: _Amount,
    *,
    kind: _Kind = None,
    weight: _Weights = None,
    fixed: _Fixed = None,
    rest: _Rest = None,
    cover: _Cover = "refuse",
    source: Annotated[str, Parameter(help="The business reason.")] = "order",
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Pay for something out of its wallet, everyone by their part."""
    rule = None if kind is None else sharing_of(kind, weight, fixed, rest)
    wanted = _in_squad(
        squad,
        amount,
        lambda paid: Purchase(squad, reference, to, paid, rule, cover, source),
    )
    return carry_out(where, how, wanted, show_purchase)


@command(app, "pay-sale", "khata squads pay-sale eid M1001 --buyer alice")
def pay_sale(
    squad: _Ref,
    sale: Annotated[str, Parameter(help="A sale whose customer is the squad, squad-NAME.")],
    *,
    buyer: Annotated[str, Parameter(help="The leader or buyer who wants it.")],
    cover: _Cover = "refuse",
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Pay a sale that was placed for the squad."""
    return carry_out(where, how, PaySquadSale(squad, sale, buyer, cover=cover), show_purchase)


@command(
    app,
    "return",
    "khata squads return sqp_0800 --reason 'It limps'",
    "khata squads return sqp_0800 --amount 50.00 --arrived --reason 'The sale was refunded'",
)
def return_(
    purchase: Annotated[str, Parameter(help="The purchase's id, sqp_….")],
    *,
    amount: Annotated[str | None, Parameter(help="Left out, all that is left.")] = None,
    arrived: Annotated[
        bool, Parameter(negative="", help="It is in the squad's wallet already.")
    ] = False,
    reason: Reason,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Give money of a purchase back to those who paid it."""

    def wanted(view: View) -> Command:
        known = squads.squad_purchase(view, purchase)
        back = None if amount is None else Money(amount, known.currency)
        return ReturnPurchase(purchase, reason, back, arrived)

    return carry_out(where, how, wanted, show_purchase)


@command(app, "forgive", "khata squads forgive eid bob --reason Family")
def forgive(
    squad: _Ref, member: _Member, *, reason: Reason, how: How = SO, where: Where = HERE
) -> int:
    """Give a member what they owe, out of what the leader has."""
    return carry_out(where, how, Forgive(squad, member, reason), show_member)


@command(app, "allot", "khata squads allot eid --owner bob --reason 'Their transfer'")
def allot(
    squad: _Ref,
    *,
    owner: Annotated[str | None, Parameter(help="Only this one; left out, all.")] = None,
    reason: Reason,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Give members what came into the wallet past the squad, or take from them what left."""
    return carry_out(where, how, Allot(squad, reason, owner), show_squad)


def _in_squad(
    squad: str, amount: str, made: Callable[[Money], Command]
) -> Callable[[View], Command]:
    """A command with an amount in the squad's own currency."""
    return lambda view: made(Money(amount, squads.squad(view, squad).currency))
