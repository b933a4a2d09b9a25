"""Ledger arithmetic, and limits as their readers see them: functions of values."""

from __future__ import annotations

from collections.abc import Sequence

from khata.base.money import MAX_MINOR, to_text
from khata.domain.ledger.model import LimitView
from khata.engine.accounts import Account
from khata.errors import Invalid, NotReversible, ReversalExceeded


def share(amount: int, weights: Sequence[int]) -> list[int]:
    """Split `amount` over `weights` so that the shares add up to it exactly.

    Largest remainder: everyone gets their share rounded down, and the units left over go one each
    to those who lost most by rounding; a tie goes to whoever stands first. All values are
    non-negative integers. No share passes its weight while `amount <= sum(weights)`.
    """
    total = sum(weights)
    if total <= 0 or amount < 0 or min(weights) < 0:
        raise Invalid("Shares need a total above zero.", expected="weights above zero", got=total)
    shares = [amount * weight // total for weight in weights]
    losses = sorted(range(len(weights)), key=lambda at: (-(amount * weights[at] % total), at))
    for at in losses[: amount - sum(shares)]:
        shares[at] += 1
    return shares


def reversal_legs(
    amounts: Sequence[int], done: Sequence[int], wanted: int | None, *, of: Account
) -> list[int]:
    """What a reversal posts on each leg, in minor units.

    `amounts`: the entry's legs; `done`: how much of each was reversed before, in the same signs.
    `wanted`: how much to reverse, as a sum over the debit legs; None is all that is left.
    `of`: an account of the entry, in whose unit a refusal is told.

    Each side is shared by what its legs have left, so no leg ever gives back more than it got.

    Errors: `ReversalExceeded`, `NotReversible` when nothing is left.
    """
    left = [amount - back for amount, back in zip(amounts, done, strict=True)]
    most = sum(part for part in left if part > 0)
    if most == 0:
        raise NotReversible("The entry is wholly reversed already.", reason="already_reversed")
    if wanted is None:
        return [-part for part in left]
    if wanted > most:
        raise ReversalExceeded(
            f"Of the entry {to_text(most, of.exponent)} {of.unit} are left to reverse.",
            expected=to_text(most, of.exponent),
            got=to_text(wanted, of.exponent),
            currency=of.unit,
        )
    debits = iter(share(wanted, [part for part in left if part > 0]))
    credits_ = iter(share(wanted, [-part for part in left if part < 0]))
    return [-next(debits) if part > 0 else next(credits_) if part < 0 else 0 for part in left]


def loosened(account: Account, floor: int | None, overdraft: int) -> int:
    """By how much more may leave the account under a new floor and overdraft, in minor units.

    Negative when it is less. To be without a floor is as much as a book can hold.
    """
    if account.floor is None:
        return 0
    if floor is None:
        return MAX_MINOR
    return (overdraft - floor) - (account.overdraft - account.floor)


def limit_views(account: Account) -> list[LimitView]:
    """The velocity limits of an account, amounts as decimal strings."""
    return [
        LimitView(
            limit.window_seconds,
            None if limit.amount is None else to_text(limit.amount, account.exponent),
            limit.count,
        )
        for limit in account.limits or ()
    ]
