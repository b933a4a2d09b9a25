"""Ledger arithmetic: functions of values."""

from __future__ import annotations

from collections.abc import Sequence

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


def reversal_legs(amounts: Sequence[int], done: Sequence[int], wanted: int | None) -> list[int]:
    """What a reversal posts on each leg, in minor units.

    `amounts`: the entry's legs; `done`: how much of each was reversed before, in the same signs.
    `wanted`: how much to reverse, as a sum over the debit legs; None is all that is left.

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
            "More would be reversed than is left of the entry.", expected=most, got=wanted
        )
    debits = iter(share(wanted, [part for part in left if part > 0]))
    credits_ = iter(share(wanted, [-part for part in left if part < 0]))
    return [-next(debits) if part > 0 else next(credits_) if part < 0 else 0 for part in left]
