"""`khata commissions …`: the rules by which sales are shared, and what they would do."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import msgspec
from cyclopts import Parameter

from khata.base.money import Money
from khata.domain import commissions
from khata.domain.commissions import STANDARD, DefineRule, Part, RetireRule, RuleState, Tier
from khata.edge.cli.screen import dump, money, out, pairs, row, short, show_page, table
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
from khata.errors import Invalid

app: Final = family("commissions", "How sales are shared: rules, their versions, previews.")
_Name = Annotated[str, Parameter(help="The rule's name; standard is the one that is built in.")]
_HUNDRED: Final = 100


@command(
    app,
    "list",
    "khata commissions list --status in_force",
    "khata commissions list --name groceries --json",
)
def list_(
    *,
    name: Annotated[str | None, Parameter(help="Only the versions of this rule.")] = None,
    status: Annotated[str | None, Parameter(help="in_force, superseded or retired.")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
    json: Json = False,
    where: Where = HERE,
) -> int:
    """List the book's own rules with all their versions."""
    with looking(where) as view:
        page = commissions.rules(view, name=name, status=status, cursor=cursor, limit=limit)
    show_page(page, _show_list, json=json)
    return 0


def _show_list(items: list[RuleState]) -> None:
    made = table("rule", "version>", "status", "partner", "category", "sources", "shares", "since")
    for item in items:
        row(
            made,
            item.name,
            str(item.version),
            item.status,
            item.partner or "any",
            item.category or "any",
            ", ".join(item.sources or ["any"]),
            ", ".join(f"{part.name} {much(part)}" for part in item.parts),
            short(item.since or ""),
        )
    out().print(made if items else "No rules.")
    out().print(f"What no rule is for is shared by {STANDARD.name}.", style="dim")


@command(
    app,
    "show",
    "khata commissions show groceries",
    "khata commissions show groceries --version 1 --json",
)
def show(
    rule: _Name,
    *,
    version: Annotated[int | None, Parameter(help="Left out: the newest.")] = None,
    json: Json = False,
    where: Where = HERE,
) -> int:
    """A rule with its parts."""
    with looking(where) as view:
        known = commissions.rule(view, rule, version)
    if json:
        dump(known)
    else:
        _show(known)
    return 0


def _show(rule: RuleState) -> None:
    rows = [
        ("rule", f"{rule.name}, version {rule.version}"),
        ("status", rule.status if rule.reason is None else f"{rule.status}: {rule.reason}"),
        ("partner", rule.partner or "any"),
        ("category", rule.category or "any"),
        ("sources", ", ".join(rule.sources or ["any"])),
    ]
    if rule.since is not None:
        rows.append(("since", f"{short(rule.since)} UTC"))
    if rule.ended_at is not None:
        rows.append(("until", f"{short(rule.ended_at)} UTC"))
    out().print(pairs(rows))
    made = table("part", "to", "share", "least>", "most>", "tax")
    for part in rule.parts:
        row(
            made,
            part.name,
            f"{part.to}, if there is one" if part.if_present else part.to,
            much(part),
            amounts(part.least),
            amounts(part.most),
            _tax(part),
        )
    out().print(made)


def percent(points: int) -> str:
    """Basis points as people read them: `2.5 %`."""
    whole, part = divmod(points, _HUNDRED)
    return f"{whole}.{part:02}".rstrip("0").rstrip(".") + " %"


def amounts(given: dict[str, str] | None) -> str:
    """Amounts by currency: `৳5.00, $1.00`."""
    return ", ".join(money(amount, currency) for currency, amount in sorted((given or {}).items()))


def much(part: Part) -> str:
    """How much a part is, in words: `5 %`, `৳20.00`, `10 % to ৳100.00, then 5 %`, `the rest`."""
    if part.points is not None:
        return percent(part.points)
    if part.fixed is not None:
        return amounts(part.fixed)
    if part.tiers is not None:
        tiers = ", ".join(_tier(tier, at) for at, tier in enumerate(part.tiers))
        return f"{tiers} of each slice" if part.marginal else f"{tiers} of the whole"
    return "the rest"


def _tier(tier: Tier, at: int) -> str:
    if tier.up_to is not None:
        return f"{percent(tier.points)} to {amounts(tier.up_to)}"
    return f"then {percent(tier.points)}" if at else percent(tier.points)


def _tax(part: Part) -> str:
    if part.tax is None:
        return ""
    how = "included" if part.tax.included else "on top"
    return f"{percent(part.tax.points)} {how}, to {part.tax.to}"


@command(
    app,
    "define",
    "khata commissions define groceries.json",
    "khata commissions define groceries.json --dry-run",
)
def define(
    file: Annotated[
        Path,
        Parameter(help="JSON: name, parts, and what it is for: category, partner, sources."),
    ],
    *,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Define a rule, or the next version of one, out of a file."""
    try:
        wanted = msgspec.json.decode(file.read_bytes(), type=DefineRule)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Invalid(
            f"{file.name} is not a commission rule: {error}",
            expected=[field.name for field in msgspec.structs.fields(DefineRule)],
        ) from None
    return carry_out(where, how, wanted, _show)


@command(app, "retire", "khata commissions retire groceries --reason 'The season is over'")
def retire(rule: _Name, *, reason: Reason, how: How = SO, where: Where = HERE) -> int:
    """Take a rule out of force. Sales that were begun by it are shared by it all the same."""
    return carry_out(where, how, RetireRule(rule, reason), _show)


@command(
    app,
    "preview",
    "khata commissions preview 1000.00 BDT",
    "khata commissions preview 1000.00 BDT --source video_order --with creator",
)
def preview(
    amount: Annotated[str, Parameter(help="What is paid for the sale.")],
    currency: Annotated[str, Parameter(help="Its currency.")],
    *,
    source: Annotated[str, Parameter(help="Why the money moves.")] = "order",
    category: Annotated[str | None, Parameter(help="What is sold.")] = None,
    partner: Annotated[str | None, Parameter(help="Who sells it, an owner's name.")] = None,
    with_: Annotated[
        list[str] | None,
        Parameter(
            name="--with",
            help="A role that somebody has in it beside the partner; may be given several times.",
            negative="",
        ),
    ] = None,
    json: Json = False,
    where: Where = HERE,
) -> int:
    """Show how a sale would be shared now, to the last minor unit."""
    with looking(where) as view:
        seen = commissions.preview(
            view,
            Money(amount, currency),
            source=source,
            category=category,
            partner=partner,
            parties=with_ or (),
        )
    if json:
        dump(seen)
        return 0
    made = table("share", "to", "amount>")
    for share in seen.shares:
        row(made, share.name, share.to, money(share.amount, seen.currency))
    row(made, "together", "", money(seen.amount, seen.currency))
    out().print(f"By {seen.rule}, version {seen.version}.", style="dim")
    out().print(made)
    return 0
