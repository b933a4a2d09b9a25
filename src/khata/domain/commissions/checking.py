"""Whether a rule can share every amount: what is checked when it is defined.

`places` gives the decimals of a currency, and refuses what is none.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise
from typing import Any, Final, NoReturn

import msgspec

from khata.base.money import to_positive_minor, to_text
from khata.domain.commissions.model import WHOLE, Part, Tax, Tier
from khata.domain.commissions.rules import tax_name
from khata.errors.market import RuleInvalid

Places = Callable[[str], int]

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
_ROLE: Final = re.compile(r"[a-z_]{1,40}")
_ACCOUNT: Final = re.compile(
    r"(revenue|payable|expense|clearing)(/[^\s/\x00-\x1f\x7f\ud800-\udfff]{1,128}){1,4}"
)
_MOST_PARTS: Final = 20
_MOST_TIERS: Final = 20
_MOST_CURRENCIES: Final = 50


def checked_parts(parts: list[Part], places: Places) -> list[Part]:
    """The parts of a rule, amounts written in full: `"50"` of BDT becomes `"50.00"`.

    Errors: `RuleInvalid` with a `reason`; `UnknownCurrency`, and those of an amount.
    """
    if not 0 < len(parts) <= _MOST_PARTS:
        _refuse("parts", f"A rule has 1 to {_MOST_PARTS} parts.", got=len(parts))
    checked = [_checked(part, places) for part in parts]
    rests = [part.name for part in checked if part.rest]
    if not rests:
        _refuse("no_rest", "No part takes the rest.", got=[part.name for part in checked])
    if len(rests) > 1:
        _refuse("two_rests", "Only one part can take the rest.", got=rests)
    names = [part.name for part in checked]
    names += [tax_name(part) for part in checked if part.tax]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        _refuse("name_twice", "No two parts, and no taxes, have one name.", got=twice)
    if sum(map(_most_points, checked)) > WHOLE * WHOLE:
        _refuse("points", "The parts may be more than the whole.", expected=WHOLE)
    return checked


def _checked(part: Part, places: Places) -> Part:
    if not _NAME.fullmatch(part.name):
        _refuse(
            "name",
            f"{part.name[:60]!r} is not the name of a part.",
            expected="lower-case letters, digits and _",
        )
    _check_receiver(part)
    _check_sort(part)
    if part.points is not None:
        _check_points(part, part.points)
    if part.tax is not None:
        _check_tax(part, part.tax)
    return msgspec.structs.replace(
        part,
        fixed=_amounts(part, part.fixed, places),
        tiers=None if part.tiers is None else _tiers(part, part.tiers, places),
        **_bounds(part, places),
    )


def _check_receiver(part: Part) -> None:
    if not (_ACCOUNT if "/" in part.to else _ROLE).fullmatch(part.to):
        _refuse(
            "to",
            f"{part.to[:60]!r} is neither a role nor an account that can have a part.",
            part,
            expected="a role such as partner, or an account under revenue, payable, expense or"
            " clearing",
        )
    if part.if_present and ("/" in part.to or part.rest):
        _refuse("if_present", "A house account, and who takes the rest, are always there.", part)


def _check_sort(part: Part) -> None:
    """Exactly one way to say how much, and nothing that goes with another."""
    given = [
        name
        for name, value in (
            ("points", part.points is not None),
            ("fixed", part.fixed is not None),
            ("tiers", part.tiers is not None),
            ("rest", part.rest),
        )
        if value
    ]
    if len(given) != 1:
        _refuse(
            "sort",
            "A part is either points, fixed, tiers or the rest.",
            part,
            expected="exactly one of points, fixed, tiers, rest",
            got=given,
        )
    if part.marginal and part.tiers is None:
        _refuse("tiers", "Only tiers can be marginal.", part)
    if (part.fixed is not None or part.rest) and (part.least or part.most):
        _refuse("bounds", "A fixed part and the rest have no bounds.", part)


def _check_points(part: Part, points: int) -> None:
    if not 0 <= points <= WHOLE:
        _refuse("points", "Points are 0 to 10000.", part, expected="0 to 10000", got=points)


def _check_tax(part: Part, tax: Tax) -> None:
    _check_points(part, tax.points)
    if not _ACCOUNT.fullmatch(tax.to):
        _refuse("tax", "A tax goes to a house account.", part, expected="such as payable/vat")
    if part.rest and not tax.included:
        _refuse("tax", "A tax on top comes out of the rest, so the rest has none.", part)


def _most_points(part: Part) -> int:
    """The most of the whole that a part can be, its tax on top included, in points of points."""
    points = max((tier.points for tier in part.tiers or ()), default=part.points or 0)
    on_top = part.tax.points if part.tax and not part.tax.included else 0
    return points * (WHOLE + on_top)


def _tiers(part: Part, tiers: list[Tier], places: Places) -> list[Tier]:
    """Tiers in full. They ascend in every currency, and the last one is open."""
    if not 0 < len(tiers) <= _MOST_TIERS:
        _refuse("tiers", f"A part has 1 to {_MOST_TIERS} tiers.", part, got=len(tiers))
    bounds = [_amounts(part, tier.up_to, places) for tier in tiers]
    if bounds[-1] is not None or None in bounds[:-1]:
        _refuse("tiers", "The last tier is without end, and only that one.", part)
    closed = [bound for bound in bounds if bound is not None]
    for below, above in pairwise(closed):
        if below.keys() != above.keys():
            _refuse(
                "tiers",
                "Each tier names the same currencies.",
                part,
                expected=sorted(below),
                got=sorted(above),
            )
        for currency in below:
            if not _minor(below, currency, places) < _minor(above, currency, places):
                _refuse("tiers", "Tiers ascend.", part, got=[below[currency], above[currency]])
    for tier in tiers:
        _check_points(part, tier.points)
    return [Tier(tier.points, bound) for tier, bound in zip(tiers, bounds, strict=True)]


def _bounds(part: Part, places: Places) -> dict[str, dict[str, str] | None]:
    """`least` and `most` in full, the one not above the other."""
    least, most = (_amounts(part, bound, places) for bound in (part.least, part.most))
    for currency, amount in (least or {}).items():
        bound = (most or {}).get(currency, amount)
        if to_positive_minor(amount, places(currency)) > to_positive_minor(bound, places(currency)):
            _refuse(
                "bounds",
                f"The least is above the most in {currency}.",
                part,
                expected=f"at most {bound}",
                got=amount,
            )
    return {"least": least, "most": most}


def _amounts(part: Part, amounts: dict[str, str] | None, places: Places) -> dict[str, str] | None:
    if amounts is None:
        return None
    if not 0 < len(amounts) <= _MOST_CURRENCIES:
        _refuse(
            "amounts",
            "An amount is given for one currency or several.",
            part,
            expected=f"1 to {_MOST_CURRENCIES} currencies",
            got=len(amounts),
        )
    return {
        currency: to_text(_minor(amounts, currency, places), places(currency))
        for currency in sorted(amounts)
    }


def _minor(amounts: dict[str, str], currency: str, places: Places) -> int:
    return to_positive_minor(amounts[currency], places(currency))


def _refuse(reason: str, message: str, part: Part | None = None, **details: Any) -> NoReturn:
    about = {} if part is None else {"part": part.name}
    raise RuleInvalid(message, reason=reason, **about, **details)
