"""What an account allows, as functions of values. The caller cannot switch these off."""

from __future__ import annotations

from typing import Final

from khata.base.clock import SECOND, Instant
from khata.base.money import to_text
from khata.engine.accounts import SIDE, Account, VelocityLimit
from khata.errors import AccountClosed, AccountFrozen, InsufficientFunds, LimitExceeded

SLICES: Final = 24
"""A window is remembered in this many slices; a slice that has begun to leave the window still
counts in full, so no window of that length ever passes more than the limit."""

Slices = list[tuple[int, int, int]]


def check_status(account: Account) -> None:
    """Refuse an account that is not active. Errors: `AccountFrozen`, `AccountClosed`."""
    if account.status == "frozen":
        raise AccountFrozen(f"{account.code} is frozen.", account=account.code)
    if account.status == "closed":
        raise AccountClosed(f"{account.code} is closed.", account=account.code)


def headroom(account: Account) -> int | None:
    """How much may still leave the account, in minor units; None is without limit."""
    if account.floor is None:
        return None
    return account.available - account.floor + account.overdraft


def check_headroom(account: Account, needed: int) -> None:
    """Refuse when less than `needed` may leave. Errors: `InsufficientFunds`."""
    room = headroom(account)
    if room is not None and room < needed:
        raise InsufficientFunds(
            f"{account.code} has {to_text(max(room, 0), account.exponent)} {account.unit}"
            f" available, {to_text(needed, account.exponent)} is needed.",
            account=account.code,
            available=to_text(max(room, 0), account.exponent),
            needed=to_text(needed, account.exponent),
            currency=account.unit,
        )


def leaves(account: Account, amount: int) -> int:
    """How much a leg takes out of the account on its normal side; zero when it brings."""
    return max(-amount * SIDE[account.kind], 0)


def spend(
    limit: VelocityLimit, slices: Slices, amount: int, now: Instant, account: Account
) -> Slices:
    """The slices after `amount` has left the account at `now`.

    Errors: `LimitExceeded` when the window's amount or count would be passed.
    """
    width = -(-limit.window_seconds * SECOND // SLICES)  # rounded up: they cover the window
    current = now // width
    kept = [part for part in slices if part[0] >= current - SLICES]
    total = sum(part[1] for part in kept) + amount
    count = sum(part[2] for part in kept) + 1
    for what, value, most in (("amount", total, limit.amount), ("count", count, limit.count)):
        if most is not None and value > most:
            money = what == "amount"
            raise LimitExceeded(
                f"{account.code} would pass its {what} limit for {_span(limit.window_seconds)}.",
                account=account.code,
                limit=what,
                window_seconds=limit.window_seconds,
                expected=to_text(most, account.exponent) if money else most,
                got=to_text(value, account.exponent) if money else value,
                currency=account.unit,
            )
    if kept and kept[-1][0] == current:
        last = kept.pop()
        return [*kept, (current, last[1] + amount, last[2] + 1)]
    return [*kept, (current, amount, 1)]


def _span(seconds: int) -> str:
    """A length of time as people say it: `1 d`, `24 h`, `90 s`."""
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds % length == 0:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"
