"""Squads as they are typed and shown."""

from __future__ import annotations

from typing import Literal

from khata.domain.squads import Sharing, SquadMemberState, SquadPurchaseState, SquadState
from khata.edge.cli.screen import coloured, money, out, pairs, row, short, table
from khata.errors import Invalid


def sharing_of(
    kind: Literal["equal", "weights", "fixed", "mixed"],
    weight: list[str] | None,
    fixed: list[str] | None,
    rest: str | None,
) -> Sharing:
    """The rule in options such as `--weight alice=2 --fixed bob=100.00`. Errors: `Invalid`."""
    weights = {name: _whole(text) for name, text in map(_named, weight or [])}
    return Sharing(kind, weights, dict(map(_named, fixed or [])), rest)


def _named(text: str) -> tuple[str, str]:
    name, equals, value = text.rpartition("=")
    if not equals or not name:
        raise Invalid("Say whose it is.", expected="NAME=VALUE", got=text[:60])
    return name, value


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):  # noqa: PLR2004 - an integer
        raise Invalid("A weight is a whole number.", expected="such as 2", got=text[:60])
    return int(text)


def show_squad(squad: SquadState) -> None:
    """A squad with its members."""
    rows = [
        ("squad", f"{squad.ref}: {squad.title}"),
        ("status", squad.status if squad.reason is None else f"{squad.status}: {squad.reason}"),
        ("leader", squad.leader),
        ("shared", squad.sharing if squad.rest is None else f"{squad.sharing}, rest {squad.rest}"),
        ("wallet", f"{squad.wallet}, {money(squad.balance, squad.currency)}"),
    ]
    if any(digit in "123456789" for digit in squad.unassigned):
        rows.append(("nobody's", money(squad.unassigned, squad.currency)))
    out().print(pairs(rows))
    show_members(squad.members)


def show_member(member: SquadMemberState) -> None:
    """One member."""
    show_members([member])


def show_members(members: list[SquadMemberState]) -> None:
    """What each has in the squad."""
    made = table("member", "role", "status", "weight>", "fixed>", "balance>", "free>", "spent>")
    for item in members:
        row(
            made,
            item.owner,
            item.role,
            item.status,
            str(item.weight),
            None if item.fixed is None else money(item.fixed, item.currency),
            coloured(item.balance, item.currency),
            money(item.free, item.currency),
            money(item.spent, item.currency),
        )
    out().print(made if members else "")


def show_purchase(item: SquadPurchaseState) -> None:
    """A purchase with everyone's part."""
    head = f"{item.id} {item.reference}: {money(item.amount, item.currency)} to {item.paid_to}"
    out().print(f"{head}, {item.status.replace('_', ' ')}, {short(item.created_at)}")
    made = table("member", "paid>", "returned>")
    for part in item.parts:
        row(
            made, part.owner, money(part.amount, item.currency), money(part.returned, item.currency)
        )
    out().print(made)
