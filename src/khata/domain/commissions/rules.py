"""How an amount is shared by a rule, and which rule is meant: functions of values.

What each part should get is computed exactly, as a whole number of hundred-millionths of a minor
unit: no points of points are finer. Then everyone gets theirs rounded down, and the minor units
that are left over go one each to those who lost most by it; a tie goes to the part that takes the
rest, then to whichever stands first in the rule. So the shares always add up to the amount, and
each is within one minor unit of what is exact.

A tax that a part includes is carved out of what the part got, by the same rule. It changes nothing
for anybody else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from khata.base.clock import iso_or_none, to_iso
from khata.base.money import to_minor, to_text
from khata.domain.commissions.model import (
    STANDARD,
    WHOLE,
    Part,
    Rule,
    RuleState,
    Share,
    ShareView,
    Tax,
    Tier,
)
from khata.domain.ledger import share
from khata.errors import Invalid
from khata.errors.market import SplitImpossible

EXACT: Final = WHOLE * WHOLE
"""Exact parts are counted in this many-th of a minor unit."""


class _Line(NamedTuple):
    """A share before it is rounded: `exact` in parts of `EXACT`; None for the rest's."""

    name: str
    to: str
    exact: int | None
    carved: Tax | None = None


# ── sharing ──────────────────────────────────────────────────────────────────────────


def shares(
    rule: Rule, amount: int, unit: str, exponent: int, parties: Mapping[str, str]
) -> list[Share]:
    """How `amount` (minor units of `unit`) is shared, in the order of the rule's parts.

    `parties`: a wallet's path for each role of the sale: `{"partner": "karim/partner/BDT"}`.
    A part's tax follows it. Shares of nothing are left out, but for the rest's.

    Errors: `SplitImpossible` when the other parts are more than the amount; `Invalid` for a
    negative amount, a role that nobody has, or a part without an amount in this currency.
    """
    if amount < 0:
        raise Invalid("What is shared is not negative.", expected="0 or more", got=amount)
    lines = [
        line
        for part in rule.parts
        if (to := _receiver(rule, part, parties)) is not None
        for line in _lines(rule, part, to, amount, unit, exponent)
    ]
    rest = amount * EXACT - sum(line.exact or 0 for line in lines)
    if rest < 0:
        raise SplitImpossible(
            f"The parts of {rule.name} are more than {to_text(amount, exponent)} {unit}.",
            expected=to_text(-((rest - amount * EXACT) // EXACT), exponent),
            got=to_text(amount, exponent),
            currency=unit,
            rule=rule.name,
            version=rule.version,
        )
    found = []
    for line, minor in zip(lines, _rounded(lines, amount, rest), strict=True):
        found += _carved(line, minor) if line.carved else [Share(line.name, line.to, minor)]
    last = next(part.name for part in rule.parts if part.rest)
    return [one for one in found if one.amount or one.name == last]


def _receiver(rule: Rule, part: Part, parties: Mapping[str, str]) -> str | None:
    """Who gets a part: an account, a wallet's path, or None where nobody is and may be missing."""
    if "/" in part.to:
        return part.to
    found = parties.get(part.to)
    if found is None and not part.if_present:
        raise Invalid(
            f"{rule.name} has a part for the {part.to} of a sale.",
            expected=part.to,
            got=sorted(parties),
        )
    return found


def _lines(rule: Rule, part: Part, to: str, amount: int, unit: str, exponent: int) -> list[_Line]:
    """What a part gets, and the tax on top of it."""
    tax = part.tax
    if part.rest:
        return [_Line(part.name, to, None, tax)]
    exact = _exact(rule, part, amount, unit, exponent)
    if tax is None or tax.included:
        return [_Line(part.name, to, exact, tax)]
    on_top = _Line(tax_name(part), tax.to, exact * tax.points // WHOLE)
    return [_Line(part.name, to, exact), on_top]


def _exact(rule: Rule, part: Part, amount: int, unit: str, exponent: int) -> int:
    """A part's exact share, within its bounds."""
    if part.fixed is not None:
        return _minor(rule, part, part.fixed, unit, exponent) * EXACT
    if part.tiers is not None:
        bounds = [
            None if tier.up_to is None else _minor(rule, part, tier.up_to, unit, exponent)
            for tier in part.tiers
        ]
        points = (_by_slices if part.marginal else _by_slab)(part.tiers, bounds, amount)
    else:
        points = amount * (part.points or 0)
    exact = points * WHOLE
    if part.least is not None and unit in part.least:
        exact = max(exact, _minor(rule, part, part.least, unit, exponent) * EXACT)
    if part.most is not None and unit in part.most:
        exact = min(exact, _minor(rule, part, part.most, unit, exponent) * EXACT)
    return exact


def _minor(rule: Rule, part: Part, amounts: dict[str, str], unit: str, exponent: int) -> int:
    if unit not in amounts:
        raise Invalid(
            f"The part {part.name} of {rule.name} has no amount in {unit}.",
            expected=sorted(amounts),
            got=unit,
        )
    return to_minor(amounts[unit], exponent)


def _by_slab(tiers: list[Tier], bounds: list[int | None], amount: int) -> int:
    """The whole amount at the points of the tier in which it lies, its bound included."""
    for tier, bound in zip(tiers, bounds, strict=True):
        if bound is None or amount <= bound:
            return amount * tier.points
    return 0


def _by_slices(tiers: list[Tier], bounds: list[int | None], amount: int) -> int:
    """Each slice of the amount at the points of its own tier."""
    total = below = 0
    for tier, bound in zip(tiers, bounds, strict=True):
        until = amount if bound is None else min(amount, bound)
        total += (until - below) * tier.points
        below = until
    return total


def _rounded(lines: list[_Line], amount: int, rest: int) -> list[int]:
    """Minor units that add up to the amount: largest remainder, a tie to the rest first."""
    exact = [rest if line.exact is None else line.exact for line in lines]
    minor = [part // EXACT for part in exact]
    lost = sorted(
        range(len(lines)), key=lambda at: (-(exact[at] % EXACT), lines[at].exact is not None, at)
    )
    for at in lost[: amount - sum(minor)]:
        minor[at] += 1
    return minor


def _carved(line: _Line, minor: int) -> list[Share]:
    """What is left of a share without the tax that it includes, and that tax."""
    assert line.carved is not None
    net, tax = share(minor, (WHOLE, line.carved.points))
    return [Share(line.name, line.to, net), Share(f"{line.name}_tax", line.carved.to, tax)]


def tax_name(part: Part) -> str:
    """What the share of a part's tax is called."""
    return f"{part.name}_tax"


# ── which rule ───────────────────────────────────────────────────────────────────────


def chosen(rules: Iterable[Rule], source: str, category: str | None, partner: str | None) -> Rule:
    """The most specific of the rules that are for such a sale; `STANDARD` when none is.

    A partner's rule for a category, a partner's, a category's, a general one; on each of these
    levels one that names the source before one for every source.
    """
    found = [rule for rule in rules if _is_for(rule, source, category, partner)]
    return max(found, key=_specificity, default=STANDARD)


def _is_for(rule: Rule, source: str, category: str | None, partner: str | None) -> bool:
    return (
        (rule.sources is None or source in rule.sources)
        and rule.category in (None, category)
        and rule.partner in (None, partner)
    )


def _specificity(rule: Rule) -> tuple[bool, bool, bool]:
    return (rule.partner is not None, rule.category is not None, rule.sources is not None)


def overlaps(one: Rule, other: Rule) -> bool:
    """Whether neither of two rules is more specific where both are for a sale."""
    if (one.category, one.partner) != (other.category, other.partner):
        return False
    if one.sources is None or other.sources is None:
        return one.sources is other.sources
    return not set(one.sources).isdisjoint(other.sources)


# ── as it is told ────────────────────────────────────────────────────────────────────


def state_of(rule: Rule) -> RuleState:
    """A version of a rule as its caller is told of it; the built-in one is of no time."""
    return RuleState(
        rule.name,
        rule.version,
        rule.status,
        rule.sources,
        rule.category,
        rule.partner,
        rule.parts,
        rule.reason,
        to_iso(rule.since) if rule.version else None,
        iso_or_none(rule.ended_at),
    )


def share_views(found: list[Share], exponent: int) -> list[ShareView]:
    """Shares with their amounts as decimal strings."""
    return [ShareView(one.name, one.to, to_text(one.amount, exponent)) for one in found]
