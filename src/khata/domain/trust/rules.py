"""The score, and what events are worth: functions of values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from khata.domain.trust.model import RULES, Worth
from khata.errors import Invalid

WHOLE: Final = 1000
"""The score of perfect trust, which nobody reaches."""
PRIOR: Final = 5
"""As many good and as many bad deeds everybody is credited with before the first one."""
START: Final = 500
"""The score of somebody of whom nothing is known."""
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
_MOST_XP: Final = 1_000_000
_MOST_WEIGHT: Final = 1000
_MOST_EVENTS: Final = 200


class _Value(msgspec.Struct, forbid_unknown_fields=True):
    events: dict[str, Worth] = {}


def score_of(good: int, bad: int) -> int:
    """The share of good deeds, in thousandths, rounded down:

        1000 * (5 + good) // (10 + good + bad)

    The 5 and 10 are a prior of five good and five bad deeds. With it a newcomer starts at 500,
    one deed moves little, and a long history outweighs it. `good`, `bad`: summed weights.
    """
    return WHOLE * (PRIOR + good) // (2 * PRIOR + good + bad)


def rules_in(value: Mapping[str, Any]) -> dict[str, Worth]:
    """The rules in force: the built-in ones, and over them those of the setting's value.

    Errors: `Invalid` when the value makes no sense.
    """
    try:
        own = msgspec.convert(value, _Value).events
    except msgspec.ValidationError as error:
        raise Invalid(
            f"The setting trust makes no sense: {error}", expected='{"events": {…}}'
        ) from None
    check_rules(own)
    return {**RULES, **own}


def check_rules(events: Mapping[str, Worth]) -> None:
    """Errors: `Invalid` for a name that is none, a number out of its bounds, too many events."""
    if len(events) > _MOST_EVENTS:
        raise Invalid(
            "These are too many events.", expected=f"at most {_MOST_EVENTS}", got=len(events)
        )
    for name, rule in events.items():
        if not _NAME.fullmatch(name):
            raise Invalid(
                f"{name[:60]!r} is not a name for an event.",
                expected="lower-case letters, digits and _",
                got=name[:60],
            )
        for what, number, most in (
            ("xp", rule.xp, _MOST_XP),
            ("good", rule.good, _MOST_WEIGHT),
            ("bad", rule.bad, _MOST_WEIGHT),
        ):
            if not 0 <= number <= most:
                raise Invalid(
                    f"{what} of {name} is 0 to {most}.", expected=f"0 to {most}", got=number
                )
