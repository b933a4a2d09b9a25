"""`khata wallets limits`: what a wallet may do. Shown, or changed in the parts that are named."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Final

from cyclopts import Parameter

from khata.base.money import to_minor
from khata.domain import ledger
from khata.domain.ledger import AccountState, AccountView, LimitView, SetLimits
from khata.edge.cli.screen import dump, money, out, pairs
from khata.edge.cli.session import HERE, SO, How, Where, carry_out, looking
from khata.engine.accounts import VelocityLimit
from khata.engine.database import View
from khata.errors import Invalid

_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_WINDOW: Final = re.compile(r"(?P<many>\d{1,9})(?P<of>[smhd]):(?P<amount>[^:]*)(:(?P<count>\d+))?")


def limits(
    wallet: Annotated[str, Parameter(help="A wallet, or a house account's code.")],
    *,
    floor: Annotated[
        str | None,
        Parameter(help="The balance may not fall below it.", allow_leading_hyphen=True),
    ] = None,
    overdraft: Annotated[str | None, Parameter(help="How far below the floor it may.")] = None,
    velocity: Annotated[
        list[str] | None,
        Parameter(
            help="WINDOW:AMOUNT[:COUNT], what may leave in any such window: 24h:5000.00,"
            " 1h::3 (three times an hour). May be given several times; replaces all.",
            negative="",
        ),
    ] = None,
    no_velocity: Annotated[
        bool, Parameter(negative="", show_default=False, help="Without velocity limits.")
    ] = False,
    reason: Annotated[str | None, Parameter(help="Why; needed for a change.")] = None,
    how: How = SO,
    where: Where = HERE,
) -> int:
    """Show a wallet's limits, or change those that are named; the others stay."""
    if (floor, overdraft, velocity) == (None, None, None) and not no_velocity:
        with looking(where) as view:
            known = ledger.account(view, wallet)
        if how.json:
            dump(known)
        else:
            _show(known.code, known.currency, known.floor, known.overdraft, known.limits)
        return 0

    def wanted(view: View) -> SetLimits:
        known = ledger.account(view, wallet)
        kept = [_minor(limit, places_of(known)) for limit in known.limits]
        chosen = [parsed(text, places_of(known)) for text in velocity or ()]
        return SetLimits(
            wallet,
            reason or "",
            known.floor if floor is None else floor,
            known.overdraft if overdraft is None else overdraft,
            tuple(chosen if velocity or no_velocity else kept),
        )

    return carry_out(where, how, wanted, _show_state)


def places_of(account: AccountView) -> int:
    """Decimals of the account's unit, as its amounts are written."""
    return len(account.overdraft.partition(".")[2])


def parsed(text: str, places: int) -> VelocityLimit:
    """The limit of `24h:5000.00:10`. Errors: `Invalid`, and those of `to_minor`."""
    found = _WINDOW.fullmatch(text)
    if found is None or not (found["amount"] or found["count"]):
        raise Invalid(
            f"{text[:40]!r} is not a velocity limit.",
            expected="WINDOW:AMOUNT[:COUNT], such as 24h:5000.00, 15m:200.00:5 or 1h::3",
            got=text[:40],
        )
    return VelocityLimit(
        int(found["many"]) * _SECONDS[found["of"]],
        to_minor(found["amount"], places) if found["amount"] else None,
        int(found["count"]) if found["count"] else None,
    )


def _minor(limit: LimitView, places: int) -> VelocityLimit:
    amount = None if limit.amount is None else to_minor(limit.amount, places)
    return VelocityLimit(limit.window_seconds, amount, limit.count)


def limit_text(limit: LimitView, currency: str) -> str:
    """A velocity limit in words: `৳5,000.00, 10 times in any 24h`."""
    seconds = limit.window_seconds
    unit = next(unit for unit in "dhms" if seconds % _SECONDS[unit] == 0)
    parts = [money(limit.amount, currency)] if limit.amount is not None else []
    parts += [f"{limit.count} times"] if limit.count is not None else []
    return f"{', '.join(parts)} in any {seconds // _SECONDS[unit]}{unit}"


def _show_state(account: AccountState) -> None:
    _show(account.code, account.currency, account.floor, account.overdraft, account.limits)


def _show(
    code: str, currency: str, floor: str | None, overdraft: str, limits_: Sequence[LimitView]
) -> None:
    rows = [
        ("account", code),
        ("floor", money(floor, currency) if floor is not None else "none"),
        ("overdraft", money(overdraft, currency)),
        *(("velocity", limit_text(limit, currency)) for limit in limits_),
    ]
    out().print(pairs(rows))
